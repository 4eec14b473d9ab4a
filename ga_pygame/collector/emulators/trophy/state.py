"""Apply events and completions to Trophy's state, and make their answers.

Each runs in one transaction on the store's writing thread, so that no two events see the same totals.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ga_pygame import clock
from ga_pygame.collector.emulators.trophy import users
from ga_pygame.collector.emulators.trophy.boards import Boards, RankAndValue
from ga_pygame.collector.emulators.trophy.points import MAX_EXACT, Awards, PointsLedger
from ga_pygame.collector.emulators.trophy.rules import AchievementRule, Rules, stable_id
from ga_pygame.collector.emulators.trophy.streaks import Streaks, today
from ga_pygame.collector.storage.counts import add_count

MAX_MADE_UP_METRICS = 500
"""Metrics that are created for events because the rules do not name them; further ones are refused."""

StatusAndBody = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class MetricEvent:
    """An event that passed the checks."""

    user_id: str
    user: Mapping[str, Any]
    metric: str
    value: float
    attributes: Mapping[str, str]
    key: str


def json_number(value: float) -> float | int:
    """Return a whole number as an int, so that JSON shows no `.0`."""
    return int(value) if value.is_integer() else value


def now_of(db: sqlite3.Connection) -> float:
    """Return the emulator's time: the machine's, shifted by `/_emu/clock`."""
    return clock.wall_now() + shift_of(db)


def shift_of(db: sqlite3.Connection) -> float:
    """Return the seconds by which `/_emu/clock` shifted the emulator's time."""
    row = db.execute("SELECT number FROM service_counts WHERE service = 'trophy' AND name = 'shift'").fetchone()
    return float(row[0]) if row else 0.0


class TrophyState:
    """Trophy's state at one moment."""

    def __init__(self, db: sqlite3.Connection, rules: Rules) -> None:
        self.db = db
        self.rules = rules
        self.now = now_of(db)
        self.streaks = Streaks(db, rules.streak.frequency)
        self.boards = Boards(db, rules, self.now)
        self.points = PointsLedger(db, rules, self.now)

    # --- reading ---------------------------------------------------------------------------------

    def total(self, user_id: str, metric: str) -> float:
        """Return a player's total of a metric."""
        row = self.db.execute(
            "SELECT total FROM trophy_totals WHERE user_id = ? AND metric = ?", (user_id, metric)
        ).fetchone()
        return float(row[0]) if row else 0.0

    def completions(self, user_id: str) -> dict[str, tuple[str, float]]:
        """Return id and time of a player's completions, by achievement."""
        rows = self.db.execute(
            "SELECT achievement, completion_id, at FROM trophy_completions WHERE user_id = ?", (user_id,)
        )
        return {key: (completion_id, at) for key, completion_id, at in rows}

    def knows_metric(self, key: str) -> bool:
        """Whether a metric is in the rules or was created for an event."""
        if key in self.rules.metrics:
            return True
        return self.db.execute("SELECT 1 FROM trophy_metrics WHERE key = ?", (key,)).fetchone() is not None

    def streak(self, user_id: str) -> dict[str, Any]:
        """Return a player's streak, without `extended`."""
        user = users.find(self.db, user_id)
        return self.streaks.view(user_id, today(self.now, user["tz"] if user else None))

    # --- an event --------------------------------------------------------------------------------------

    def event(self, event: MetricEvent) -> StatusAndBody:
        """Process an event. One with a known idempotency key changes nothing and is answered with 202."""
        problem = users.problem(self.db, event.user_id, event.user, self.now)
        old = self.total(event.user_id, event.metric)
        if not problem and abs(old + event.value) > MAX_EXACT:
            problem = "the total would be beyond what can be counted exactly"
        if problem:
            return 422, {"error": problem}
        replay = self._replay(event)
        if replay is not None:
            add_count(self.db, "trophy", "replays")
            return 202, replay
        if not self.knows_metric(event.metric):
            (made_up,) = self.db.execute("SELECT count(*) FROM trophy_metrics").fetchone()
            if made_up >= MAX_MADE_UP_METRICS:
                return 422, {"error": f"more than {MAX_MADE_UP_METRICS} metrics that are not in the rules"}
            self.db.execute("INSERT INTO trophy_metrics VALUES (?)", (event.metric,))
        ranks = self._ranks(event.user_id)
        users.upsert(self.db, event.user_id, event.user, self.now)
        event_id = self._keep(event, old + event.value)
        day = today(self.now, (users.find(self.db, event.user_id) or {}).get("tz"))
        length = self._extend(event, day)
        completed = self._complete(event.user_id, event.metric, old, old + event.value, length)
        awards = self.points.give(
            event.user_id, completed, metric=event.metric, old=old, new=old + event.value, length=length
        )
        add_count(self.db, "trophy", "events")
        reply: dict[str, Any] = {
            "eventId": event_id,
            "metricId": stable_id("metric", event.metric),
            "total": json_number(old + event.value),
            "achievements": [self.achievement(one, self.now) for one in completed],
            "currentStreak": {**self.streaks.view(event.user_id, day), "extended": length is not None},
            "points": self.points.reply(event.user_id, event.metric, awards),
            "leaderboards": self._boards_reply(event.user_id, event.metric, ranks),
        }
        if event.key:
            reply |= {"idempotencyKey": event.key, "idempotentReplayed": False}
        return 201, reply

    def _replay(self, event: MetricEvent) -> dict[str, Any] | None:
        """Return the answer to a repeated event; `None` if no event with this key was processed."""
        row = self.db.execute(
            "SELECT event_id FROM trophy_replies WHERE user_id = ? AND metric = ? AND key = ?",
            (event.user_id, event.metric, event.key),
        ).fetchone()
        if row is None or not event.key:
            return None
        return {
            "eventId": row[0],
            "metricId": stable_id("metric", event.metric),
            "total": json_number(self.total(event.user_id, event.metric)),
            "achievements": [],
            "currentStreak": {**self.streak(event.user_id), "extended": False},
            "points": self.points.reply(event.user_id, event.metric, {}),
            "leaderboards": self._boards_reply(event.user_id, event.metric, self._ranks(event.user_id)),
            "idempotencyKey": event.key,
            "idempotentReplayed": True,
        }

    def _keep(self, event: MetricEvent, total: float) -> str:
        event_id = clock.new_id()
        user = users.find(self.db, event.user_id)
        day = today(self.now, user["tz"] if user else None).isoformat()
        self.db.execute(
            "INSERT INTO trophy_events (event_id, user_id, metric, value, attributes, at, day)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (event_id, event.user_id, event.metric, event.value, json.dumps(event.attributes), self.now, day),
        )
        self.db.execute(
            "INSERT INTO trophy_totals VALUES (?, ?, ?) ON CONFLICT (user_id, metric) DO UPDATE SET"
            " total = excluded.total",
            (event.user_id, event.metric, total),
        )
        if event.key:
            self.db.execute(
                "INSERT INTO trophy_replies VALUES (?, ?, ?, ?)", (event.user_id, event.metric, event.key, event_id)
            )
        return event_id

    def _extend(self, event: MetricEvent, day: Any) -> int | None:
        """Extend the streak if the event does; return its new length, else `None`."""
        metric = self.rules.metrics.get(event.metric)
        if metric is None or not metric.streak or event.value <= 0:
            return None
        if self.streaks.sum(event.user_id, event.metric, day) < metric.threshold:
            return None
        return self.streaks.extend(event.user_id, day, self.now)

    # --- achievements ------------------------------------------------------------------------------------

    def complete(self, key: str, user_id: str, user: Mapping[str, Any]) -> StatusAndBody:
        """Complete an achievement by a call. A second call changes nothing and returns the first completion."""
        achievement = self.rules.achievement(key)
        problem = users.problem(self.db, user_id, user, self.now)
        status = 422
        if achievement is None:
            status, problem = 404, f"there is no achievement {key[:64]!r}"
        elif not achievement.api:
            problem = f"the achievement {key!r} is not completed by a call"
        if achievement is None or problem:
            return status, {"error": problem}
        ranks = self._ranks(user_id)
        users.upsert(self.db, user_id, user, self.now)
        before = self.completions(user_id).get(key)
        awards: Awards = {}
        if before is None:
            self._mark(user_id, achievement)
            completed = [achievement, *self._composites(user_id)]
            awards = self.points.give(user_id, completed)
            self._boards_reply(user_id, None, ranks)
        completion_id, at = self.completions(user_id)[key]
        return 201, {
            "completionId": completion_id,
            "achievement": self.achievement(achievement, at),
            "points": self.points.reply(user_id, None, awards),
        }

    def _complete(self, user_id: str, metric: str, old: float, new: float, length: int | None) -> list[AchievementRule]:
        """Complete the achievements that an event completes."""
        done = self.completions(user_id)
        completed = []
        for one in self.rules.all_achievements():
            by_metric = one.metric == metric and old < one.value <= new
            by_streak = one.streak is not None and length is not None and length >= one.streak
            if (by_metric or by_streak) and one.key not in done:
                self._mark(user_id, one)
                completed.append(one)
        return completed + (self._composites(user_id) if completed else [])

    def _composites(self, user_id: str) -> list[AchievementRule]:
        """Complete achievements whose parts are all completed, until there is no further one."""
        completed: list[AchievementRule] = []
        while True:
            done = self.completions(user_id)
            fresh = [
                one
                for one in self.rules.all_achievements()
                if one.all_of and one.key not in done and all(key in done for key in one.all_of)
            ]
            if not fresh:
                return completed
            for one in fresh:
                self._mark(user_id, one)
            completed += fresh

    def _mark(self, user_id: str, achievement: AchievementRule) -> None:
        self.db.execute(
            "INSERT INTO trophy_completions VALUES (?, ?, ?, ?)",
            (user_id, achievement.key, clock.new_id(), self.now),
        )
        add_count(self.db, "trophy", "achievements")

    def achievement(self, one: AchievementRule, at: float | None) -> dict[str, Any]:
        """Return an achievement as answers show it."""
        view: dict[str, Any] = {
            "id": one.id,
            "key": one.key,
            "name": one.name,
            "description": one.description,
            "badgeUrl": one.badge_url,
            "userAttributes": [],
            "eventAttributes": [],
            "achievedAt": None if at is None else clock.iso(at),
        }
        if one.metric is not None:
            name = self.rules.metric_name(one.metric)
            metric = {
                "metricId": stable_id("metric", one.metric),
                "metricName": name,
                "metricValue": json_number(one.value),
            }
            return {**view, "trigger": "metric", **metric}
        if one.streak is not None:
            return {**view, "trigger": "streak", "streakLength": one.streak}
        if one.all_of:
            return {
                **view,
                "trigger": "achievement",
                "achievementIds": [stable_id("achievement", key) for key in one.all_of],
            }
        return {**view, "trigger": "api"}

    # --- leaderboards ----------------------------------------------------------------------------------

    def _ranks(self, user_id: str) -> dict[str, RankAndValue]:
        return {key: self.boards.standing(board, user_id) for key, board in self.rules.leaderboards.items()}

    def _boards_reply(self, user_id: str, metric: str | None, before: Mapping[str, RankAndValue]) -> dict[str, Any]:
        """Return the leaderboards that depend on a metric, and those on which the player's rank or value changed."""
        reply = {}
        for key, board in self.rules.leaderboards.items():
            after = self.boards.standing(board, user_id)
            self.boards.record(key, user_id, before[key], after)
            if after != before[key] or (metric is not None and board.metric == metric):
                reply[key] = {
                    **self.boards.view(key),
                    "rank": after[0],
                    "previousRank": before[key][0],
                    "threshold": self.boards.threshold(board),
                    "breakdownAttributeValues": [],
                }
        return reply
