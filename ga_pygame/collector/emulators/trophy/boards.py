"""Trophy's leaderboards: values, ranks, and their history.

A player with a value above 0 takes part. Players with equal values share a rank; the next rank is the number of players
before it plus 1. Beyond `max_participants` there is no rank.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from ga_pygame import clock
from ga_pygame.collector.emulators.trophy.rules import LeaderboardRule, Rules, stable_id
from ga_pygame.collector.emulators.trophy.streaks import Streaks

_SOURCES = {
    "metric": "SELECT user_id, total AS value FROM trophy_totals WHERE metric = ? AND total > 0",
    "points": "SELECT user_id, total AS value FROM trophy_points WHERE system = ? AND total > 0",
}
RankAndValue = tuple[int | None, int | None]
"""Rank and value."""


class Boards:
    """The leaderboards of the rules at one moment."""

    def __init__(self, db: sqlite3.Connection, rules: Rules, now: float) -> None:
        self._db = db
        self._rules = rules
        self._now = now

    def standing(self, board: LeaderboardRule, user_id: str) -> RankAndValue:
        """Return a player's rank and value."""
        if board.rank_by == "streak":
            for rank, other, value in self._ranked_streaks(board):
                if other == user_id:
                    return rank, value
            return None, None
        source, key = _SOURCES[board.rank_by], board.metric or board.points
        row = self._db.execute(f"SELECT value FROM ({source}) WHERE user_id = ?", (key, user_id)).fetchone()  # noqa: S608
        if row is None:
            return None, None
        query = f"SELECT count(*) FROM (SELECT 1 FROM ({source}) WHERE value > ? LIMIT ?)"  # noqa: S608
        (before,) = self._db.execute(query, (key, row[0], board.max_participants)).fetchone()
        return (before + 1 if before < board.max_participants else None), int(row[0])

    def rankings(self, board: LeaderboardRule, offset: int, limit: int) -> list[dict[str, Any]]:
        """Return the players from a place on."""
        return [
            {"userId": user_id, "userName": self._name(user_id), "rank": rank, "value": value}
            for rank, user_id, value in self._ranked(board, offset + limit)[offset:]
        ]

    def place(self, board: LeaderboardRule, user_id: str) -> int | None:
        """Return a player's place in the list, from 0."""
        everybody = self._ranked(board, board.max_participants)
        return next((place for place, (_, other, _) in enumerate(everybody) if other == user_id), None)

    def threshold(self, board: LeaderboardRule) -> int:
        """Return the smallest value with which a player gets onto the board."""
        last = board.max_participants - 1
        if board.rank_by == "streak":
            values = [value for _, _, value in self._ranked_streaks(board)[last:]]
        else:
            source, key = _SOURCES[board.rank_by], board.metric or board.points
            query = f"SELECT value FROM ({source}) ORDER BY value DESC LIMIT 1 OFFSET ?"  # noqa: S608
            values = [value for (value,) in self._db.execute(query, (key, last))]
        return int(values[0]) + 1 if values else 1

    def record(self, board_key: str, user_id: str, before: RankAndValue, after: RankAndValue) -> None:
        """Store a change of a player's rank or value, for the history."""
        if before != after:
            self._db.execute(
                "INSERT INTO trophy_ranks (user_id, board, at, previous_rank, rank, previous_value, value)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (user_id, board_key, self._now, before[0], after[0], before[1], after[1]),
            )

    def history(self, board_key: str, user_id: str, limit: int) -> list[dict[str, Any]]:
        """Return the latest changes of a player, oldest first."""
        rows = self._db.execute(
            "SELECT at, previous_rank, rank, previous_value, value FROM trophy_ranks"
            " WHERE user_id = ? AND board = ? ORDER BY id DESC LIMIT ?",
            (user_id, board_key, limit),
        ).fetchall()
        return [
            {
                "date": clock.iso(at)[:10],
                "timestamp": clock.iso(at),
                "previousRank": previous_rank,
                "rank": rank,
                "previousValue": previous_value,
                "value": value,
            }
            for at, previous_rank, rank, previous_value, value in reversed(rows)
        ]

    def view(self, key: str) -> dict[str, Any]:
        """Return a leaderboard as answers show it, without ranks."""
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

    def _name(self, user_id: str) -> str | None:
        row = self._db.execute("SELECT name FROM trophy_users WHERE user_id = ?", (user_id,)).fetchone()
        return row[0] if row else None

    def _ranked(self, board: LeaderboardRule, most: int) -> list[tuple[int, str, int]]:
        """Return rank, user id and value of the first players."""
        most = min(most, board.max_participants)
        if board.rank_by == "streak":
            return self._ranked_streaks(board)[:most]
        source, key = _SOURCES[board.rank_by], board.metric or board.points
        query = f"SELECT user_id, value FROM ({source}) ORDER BY value DESC, user_id LIMIT ?"  # noqa: S608
        return _with_ranks([(one, value) for one, value in self._db.execute(query, (key, most))])

    def _ranked_streaks(self, board: LeaderboardRule) -> list[tuple[int, str, int]]:
        found = Streaks(self._db, self._rules.streak.frequency).alive(self._now)
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
