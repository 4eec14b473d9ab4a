"""The answers of Trophy's reading routes."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ga_pygame import clock
from ga_pygame.collector.emulators.trophy import users
from ga_pygame.collector.emulators.trophy.points import award, level_view, system_view
from ga_pygame.collector.emulators.trophy.rules import Rules, stable_id
from ga_pygame.collector.emulators.trophy.state import TrophyState, json_number
from ga_pygame.collector.emulators.trophy.streaks import first_day, next_period, today
from ga_pygame.collector.emulators.trophy.users import CallRefused
from ga_pygame.collector.emulators.trophy.wrapped import Wrapped, wrapped_year

HISTORY_PERIODS = 7
MAX_PERIODS = 365
MAX_DAYS = 400
"""Days of an event summary; more are refused."""
_NO_END = 2**62
_FREQUENCIES: dict[str, Any] = {"daily": "daily", "weekly": "weekly", "monthly": "monthly"}


class Reads:
    """The answers, from the state at one moment.

    Raises:
        CallRefused: By every method, if there is nothing of that name or a parameter is wrong.
    """

    def __init__(self, db: sqlite3.Connection, rules: Rules) -> None:
        self._db = db
        self._rules = rules
        self._state = TrophyState(db, rules)

    def user(self, user_id: str) -> dict[str, Any]:
        """Return a player."""
        user = users.find(self._db, user_id)
        if user is None:
            raise CallRefused(404, f"there is no user {user_id[:64]!r}")
        return user

    def preferences(self, user_id: str) -> dict[str, Any]:
        """Return a player's preferences."""
        self.user(user_id)
        return users.preferences(self._db, user_id) or {}

    def wrapped(self, user_id: str, year: int | None) -> dict[str, Any]:
        """Return a player's year in review."""
        user = self.user(user_id)
        return Wrapped(self._db, self._rules, user, wrapped_year(year, today(self._state.now, user["tz"]))).view()

    def metrics(self, user_id: str) -> list[dict[str, Any]]:
        """Return every metric with a player's total."""
        self.user(user_id)
        made_up = [key for (key,) in self._db.execute("SELECT key FROM trophy_metrics ORDER BY key")]
        return [self.metric(user_id, key) for key in dict.fromkeys([*self._rules.metrics, *made_up])]

    def metric(self, user_id: str, key: str) -> dict[str, Any]:
        """Return one metric with a player's total."""
        self.user(user_id)
        if not self._state.knows_metric(key):
            raise CallRefused(404, f"there is no metric {key[:64]!r}")
        done = self._state.completions(user_id)
        return {
            "id": stable_id("metric", key),
            "key": key,
            "name": self._rules.metric_name(key),
            "status": "active",
            "current": json_number(self._state.total(user_id, key)),
            "achievements": [
                self._state.achievement(one, done[one.key][1] if one.key in done else None)
                for one in self._rules.all_achievements()
                if one.metric == key
            ],
        }

    def event_summary(self, user_id: str, key: str, aggregation: str, start: str, end: str) -> list[dict[str, Any]]:
        """Return a metric's total and change for each day, week or month."""
        self.metric(user_id, key)
        query = "SELECT day, sum(value) FROM trophy_events WHERE user_id = ? AND metric = ? GROUP BY day ORDER BY day"
        return _summary(self._db.execute(query, (user_id, key)).fetchall(), aggregation, start, end)

    def achievements(self) -> list[dict[str, Any]]:
        """Return every achievement with how many players have it."""
        return [
            {**self._state.achievement(one, None), **self._stats(one.key)} for one in self._rules.all_achievements()
        ]

    def user_achievements(self, user_id: str, *, incomplete: bool) -> list[dict[str, Any]]:
        """Return a player's achievements; with `incomplete`, also the open ones."""
        self.user(user_id)
        done = self._state.completions(user_id)
        return [
            {
                **self._state.achievement(one, done[one.key][1] if one.key in done else None),
                **self._stats(one.key),
            }
            for one in self._rules.all_achievements()
            if incomplete or one.key in done
        ]

    def _stats(self, key: str) -> dict[str, Any]:
        (completions,) = self._db.execute(
            "SELECT count(*) FROM trophy_completions WHERE achievement = ?", (key,)
        ).fetchone()
        (everybody,) = self._db.execute("SELECT count(*) FROM trophy_users").fetchone()
        return {"completions": completions, "rarity": round(100 * completions / everybody, 2) if everybody else 0}

    def streak(self, user_id: str, periods: int) -> dict[str, Any]:
        """Return a player's streak with its latest periods."""
        if not 0 <= periods <= MAX_PERIODS:
            raise CallRefused(422, f"historyPeriods must be 0 to {MAX_PERIODS}")
        day = today(self._state.now, self.user(user_id)["tz"])
        extended_at = self._state.streaks.standing(user_id, day).extended_at
        return {
            **self._state.streaks.view(user_id, day),
            "extended": None if extended_at is None else clock.iso(extended_at),
            "streakHistory": self._state.streaks.history(user_id, day, periods),
            "pauses": [],
        }

    def streaks(self, user_ids: list[str]) -> list[dict[str, Any]]:
        """Return the streaks of some players, longest first."""
        if len(user_ids) > 100:
            raise CallRefused(422, "userIds must be at most 100")
        found = []
        for user_id in dict.fromkeys(user_ids):
            user = users.find(self._db, user_id)
            day = today(self._state.now, user["tz"] if user else None)
            standing = self._state.streaks.standing(user_id, day)
            extended = None if standing.extended_at is None else clock.iso(standing.extended_at)
            found.append({"userId": user_id, "streakLength": standing.length, "extended": extended})
        return sorted(found, key=lambda one: -one["streakLength"])

    # --- points ----------------------------------------------------------------------------------------

    def _system(self, key: str) -> Any:
        system = self._rules.points.get(key)
        if system is None:
            raise CallRefused(404, f"there is no points system {key[:64]!r}")
        return system

    def user_points(self, user_id: str, key: str, awards: int) -> dict[str, Any]:
        """Return a player's points with the latest awards."""
        self.user(user_id)
        system = self._system(key)
        total = self._state.points.total(user_id, key)
        level = system.level_at(total)
        rows = self._db.execute(
            "SELECT award_id, awarded, total, cause, at FROM trophy_awards WHERE user_id = ? AND system = ?"
            " ORDER BY id DESC LIMIT ?",
            (user_id, key, min(awards, 1000)),
        )
        return {
            **system_view(key, system),
            "total": total,
            "level": level_view(key, level) if level else None,
            "awards": [award(row[0], row[1], row[2], json.loads(row[3]), row[4]) for row in rows],
        }

    def points_event_summary(
        self, user_id: str, key: str, aggregation: str, start: str, end: str
    ) -> list[dict[str, Any]]:
        """Return a player's points and their change for each day, week or month."""
        tz = self.user(user_id)["tz"]
        self._system(key)
        query = "SELECT at, awarded FROM trophy_awards WHERE user_id = ? AND system = ? ORDER BY at"
        awards = [(today(at, tz).isoformat(), awarded) for at, awarded in self._db.execute(query, (user_id, key))]
        return _summary(awards, aggregation, start, end)

    def points(self, key: str) -> dict[str, Any]:
        """Return a points system with its triggers."""
        system = self._system(key)
        triggers = [self._state.points.trigger(key, place, one) for place, one in enumerate(system.triggers)]
        return {**system_view(key, system), "triggers": triggers}

    def boosts(self, key: str) -> list[dict[str, Any]]:
        """Return an empty list: the emulator has no boosts."""
        self._system(key)
        return []

    def levels(self, key: str) -> list[dict[str, Any]]:
        """Return a points system's levels."""
        return [level_view(key, one) for one in sorted(self._system(key).levels, key=lambda level: level.points)]

    def level_summary(self, key: str) -> list[dict[str, Any]]:
        """Return how many players are at each level."""
        system = self._system(key)
        levels = sorted(system.levels, key=lambda level: level.points)
        starts = sorted({one.points for one in levels})
        ends = [*(start - 1 for start in starts[1:]), _NO_END]
        users_at = {start: self._count(key, start, end) for start, end in zip(starts, ends, strict=False)}
        return [{"level": level_view(key, one), "users": users_at.pop(one.points, 0)} for one in levels]

    def points_summary(self, key: str) -> list[dict[str, Any]]:
        """Return how many players have 0 points, and how many are in each of ten equal ranges."""
        self._system(key)
        (most,) = self._db.execute(
            "SELECT ifnull(max(total), 0) FROM trophy_points WHERE system = ?", (key,)
        ).fetchone()
        width = max(1, -(-most // 10))
        ranges = [(0, 0), *((start * width + 1, (start + 1) * width) for start in range(10))]
        return [{"from": low, "to": high, "users": self._count(key, low, high)} for low, high in ranges]

    def _count(self, key: str, low: int, high: int) -> int:
        """Count the players with so many points; a player without an award has 0."""
        query = "SELECT count(*) FROM trophy_points WHERE system = ? AND total BETWEEN ? AND ?"
        (users_between,) = self._db.execute(query, (key, low, high)).fetchone()
        if not low <= 0 <= high:
            return int(users_between)
        (everybody,) = self._db.execute("SELECT count(*) FROM trophy_users").fetchone()
        (with_some,) = self._db.execute("SELECT count(*) FROM trophy_points WHERE system = ?", (key,)).fetchone()
        return int(users_between + everybody - with_some)

    # --- leaderboards ----------------------------------------------------------------------------------

    def _board(self, key: str) -> Any:
        board = self._rules.leaderboards.get(key)
        if board is None:
            raise CallRefused(404, f"there is no leaderboard {key[:64]!r}")
        return board

    def leaderboards(self) -> list[dict[str, Any]]:
        """Return every leaderboard."""
        return [{**self._state.boards.view(key), "status": "active"} for key in self._rules.leaderboards]

    def leaderboard(self, key: str, offset: int, limit: int, user_id: str | None) -> dict[str, Any]:
        """Return a leaderboard with its ranks; with a player, `offset` counts from that player's place."""
        board = self._board(key)
        if limit > board.max_participants:
            raise CallRefused(422, f"limit must be at most {board.max_participants}")
        start: int | None = max(0, offset)
        if user_id is not None:
            place = self._state.boards.place(board, user_id)
            start = None if place is None else max(0, place + offset)
        rankings = [] if start is None else self._state.boards.rankings(board, start, limit)
        return {**self._state.boards.view(key), "status": "active", "rankings": rankings}

    def user_leaderboard(self, user_id: str, key: str, events: int) -> dict[str, Any]:
        """Return a player's rank on a leaderboard, and its history."""
        self.user(user_id)
        rank, value = self._state.boards.standing(self._board(key), user_id)
        history = self._state.boards.history(key, user_id, min(events, 1000))
        return {**self._state.boards.view(key), "rank": rank, "value": value, "history": history}


def _summary(rows: Sequence[tuple[str, float]], aggregation: str, start: str, end: str) -> list[dict[str, Any]]:
    """Return total and change for each day, week or month, from days with values.

    Raises:
        CallRefused: A parameter is wrong.
    """
    first, last = users.date(start), users.date(end)
    frequency = _FREQUENCIES.get(aggregation)
    if frequency is None:
        raise CallRefused(422, "aggregation must be daily, weekly or monthly")
    if first is None or last is None or not 0 <= (last - first).days <= MAX_DAYS:
        raise CallRefused(422, f"startDate and endDate must be dates, in order, at most {MAX_DAYS} days apart")
    if last.year >= dt.MAXYEAR:  # the first day after the last period must be a date too
        raise CallRefused(422, f"endDate must be before the year {dt.MAXYEAR}")
    changes: Counter[dt.date] = Counter()
    total = 0.0
    for day, value in rows:
        if day < start:
            total += value
        elif day <= end:
            changes[first_day(dt.date.fromisoformat(day), frequency)] += value  # type: ignore[assignment]
    summary = []
    period = first_day(first, frequency)
    while period <= last:
        total += changes[period]
        change = json_number(float(changes[period]))
        summary.append({"date": period.isoformat(), "total": json_number(float(total)), "change": change})
        period = next_period(period, frequency)
    return summary


TABLES = "users metrics totals events replies completions streaks points awards ranks".split()  # each named trophy_…


def reset_trophy(db: sqlite3.Connection) -> None:
    """Delete all of Trophy's state and counts, and the shift of its clock."""
    for table in TABLES:
        db.execute(f"DELETE FROM trophy_{table}")  # noqa: S608 - names of ours
    db.execute("DELETE FROM service_counts WHERE service = 'trophy'")
