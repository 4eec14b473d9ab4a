"""Trophy's leaderboards: values, ranks, and how they moved.

Who has a value above 0 takes part. Equal values share a rank, and the next one is counted from the number of players
before it. Beyond `max_participants` there is no rank.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from ga_pygame.collector import trophy_users as users
from ga_pygame.collector.trophy_rules import Leaderboard, Rules, stable_id
from ga_pygame.collector.trophy_streaks import Streaks, today

_SOURCES = {
    "metric": "SELECT user_id, total AS value FROM trophy_totals WHERE metric = ? AND total > 0",
    "points": "SELECT user_id, total AS value FROM trophy_points WHERE system = ? AND total > 0",
}
Standing = tuple[int | None, int | None]
"""Rank and value."""


class Boards:
    """The leaderboards of the rules, as they stand at a moment."""

    def __init__(self, db: sqlite3.Connection, rules: Rules, now: float) -> None:
        self._db = db
        self._rules = rules
        self._now = now

    def standing(self, board: Leaderboard, user_id: str) -> Standing:
        """A player's rank and value."""
        if board.rank_by == "streak":
            for rank, other, value in self._ranked_streaks(board):
                if other == user_id:
                    return rank, value
            return None, None
        source, key = _SOURCES[board.rank_by], board.metric or board.points
        row = self._db.execute(f"SELECT value FROM ({source}) WHERE user_id = ?", (key, user_id)).fetchone()  # noqa: S608
        if row is None:
            return None, None
        before = self._db.execute(f"SELECT count(*) FROM ({source}) WHERE value > ?", (key, row[0])).fetchone()[0]  # noqa: S608
        return (before + 1 if before < board.max_participants else None), int(row[0])

    def rankings(self, board: Leaderboard, offset: int, limit: int) -> list[dict[str, Any]]:
        """The players from a place on."""
        names = dict(self._db.execute("SELECT user_id, name FROM trophy_users").fetchall())
        ranked = self._ranked_streaks(board) if board.rank_by == "streak" else self._ranked(board)
        return [
            {"userId": user_id, "userName": names.get(user_id), "rank": rank, "value": value}
            for rank, user_id, value in ranked[offset : offset + limit]
        ]

    def place(self, board: Leaderboard, user_id: str) -> int | None:
        """Where in the list of players one stands, from 0."""
        everybody = self.rankings(board, 0, board.max_participants)
        return next((place for place, one in enumerate(everybody) if one["userId"] == user_id), None)

    def threshold(self, board: Leaderboard) -> int:
        """The least value with which one gets in."""
        everybody = self.rankings(board, 0, board.max_participants)
        return everybody[-1]["value"] + 1 if len(everybody) >= board.max_participants else 1

    def record(self, board_key: str, user_id: str, before: Standing, after: Standing) -> None:
        """Keep how a player moved, for the history."""
        if before != after:
            self._db.execute(
                "INSERT INTO trophy_ranks (user_id, board, at, previous_rank, rank, previous_value, value)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (user_id, board_key, self._now, before[0], after[0], before[1], after[1]),
            )

    def history(self, board_key: str, user_id: str, limit: int) -> list[dict[str, Any]]:
        """The latest moves of a player, oldest first."""
        rows = self._db.execute(
            "SELECT at, previous_rank, rank, previous_value, value FROM trophy_ranks"
            " WHERE user_id = ? AND board = ? ORDER BY id DESC LIMIT ?",
            (user_id, board_key, limit),
        ).fetchall()
        return [
            {
                "date": users.iso(at)[:10],
                "timestamp": users.iso(at),
                "previousRank": previous_rank,
                "rank": rank,
                "previousValue": previous_value,
                "value": value,
            }
            for at, previous_rank, rank, previous_value, value in reversed(rows)
        ]

    def view(self, key: str) -> dict[str, Any]:
        """What a leaderboard is."""
        board = self._rules.leaderboards[key]
        return {
            "id": stable_id("leaderboard", key),
            "key": key,
            "name": board.name,
            "description": board.description,
            "rankBy": board.rank_by,
            "metricKey": board.metric,
            "metricName": self._rules.metric_name(board.metric) if board.metric else None,
            "pointsSystemKey": board.points,
            "pointsSystemName": self._rules.points[board.points].name if board.points else None,
            "start": board.start.isoformat(),
            "end": None,
            "startTime": None,
            "endTime": None,
            "maxParticipants": board.max_participants,
            "runUnit": None,
            "runInterval": None,
            "breakdownAttribute": None,
            "breakdownAttributes": [],
            "userAttributes": [],
        }

    def _ranked(self, board: Leaderboard) -> list[tuple[int, str, int]]:
        source, key = _SOURCES[board.rank_by], board.metric or board.points
        query = f"SELECT user_id, value FROM ({source}) ORDER BY value DESC, user_id LIMIT ?"  # noqa: S608
        return _with_ranks([(one, value) for one, value in self._db.execute(query, (key, board.max_participants))])

    def _ranked_streaks(self, board: Leaderboard) -> list[tuple[int, str, int]]:
        streaks = Streaks(self._db, self._rules.streak.frequency)
        found = []
        for user_id, tz in self._db.execute("SELECT user_id, tz FROM trophy_users").fetchall():
            length = streaks.standing(user_id, today(self._now, tz)).length
            if length:
                found.append((user_id, float(length)))
        found.sort(key=lambda one: (-one[1], one[0]))
        return _with_ranks(found[: board.max_participants])


def _with_ranks(found: list[tuple[str, float]]) -> list[tuple[int, str, int]]:
    ranked: list[tuple[int, str, int]] = []
    rank, last = 0, None
    for place, (user_id, value) in enumerate(found, 1):
        if value != last:
            rank, last = place, value
        ranked.append((rank, user_id, int(value)))
    return ranked
