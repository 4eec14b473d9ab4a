"""Trophy's points: triggers, levels, and how awards are stored and shown."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from ga_pygame import clock
from ga_pygame.collector.emulators.trophy.rules import (
    AchievementRule,
    LevelRule,
    PointsSystem,
    Rules,
    Trigger,
    stable_id,
)

MAX_EXACT = 2.0**53
"""The largest total that a float counts exactly."""
_MADE_AT = "2026-01-01T00:00:00.000Z"
"""The time of creation of all rules in answers; the rules file has none."""

Awards = Mapping[str, tuple[int, list[dict[str, Any]]]]
"""By points system: the total before, and the new awards."""


class PointsLedger:
    """The points of all players at one moment."""

    def __init__(self, db: sqlite3.Connection, rules: Rules, now: float) -> None:
        self._db = db
        self._rules = rules
        self._now = now

    def total(self, user_id: str, system: str) -> int:
        """Return a player's points."""
        row = self._db.execute(
            "SELECT total FROM trophy_points WHERE user_id = ? AND system = ?", (user_id, system)
        ).fetchone()
        return int(row[0]) if row else 0

    def give(
        self,
        user_id: str,
        completed: Sequence[AchievementRule],
        *,
        metric: str | None = None,
        old: float = 0.0,
        new: float = 0.0,
        length: int | None = None,
    ) -> Awards:
        """Give the points for an event or a completion."""
        keys = {one.key for one in completed}
        given: dict[str, tuple[int, list[dict[str, Any]]]] = {}
        for key, system in self._rules.points.items():
            before = total = self.total(user_id, key)
            awards = []
            for place, trigger in enumerate(system.triggers):
                times = 0
                if trigger.metric is not None and trigger.metric == metric:
                    times = max(0, math.floor(new / trigger.every) - math.floor(old / trigger.every))
                elif trigger.achievement is not None:
                    times = int(trigger.achievement in keys)
                elif trigger.streak is not None:
                    times = int(length is not None and length % trigger.streak == 0)
                most = int(MAX_EXACT) if system.max is None else system.max
                awarded = min(times * trigger.points, most - total)
                if awarded > 0:
                    total += awarded
                    awards.append(self._keep(user_id, key, awarded, total, self.trigger(key, place, trigger)))
            if awards:
                given[key] = before, awards
                self._db.execute(
                    "INSERT INTO trophy_points VALUES (?, ?, ?) ON CONFLICT (user_id, system) DO UPDATE SET"
                    " total = excluded.total",
                    (user_id, key, total),
                )
        return given

    def _keep(self, user_id: str, system: str, awarded: int, total: int, trigger: dict[str, Any]) -> dict[str, Any]:
        award_id = clock.new_id()
        self._db.execute(
            "INSERT INTO trophy_awards (award_id, user_id, system, awarded, total, cause, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (award_id, user_id, system, awarded, total, json.dumps(trigger), self._now),
        )
        return award(award_id, awarded, total, trigger, self._now)

    def trigger(self, system: str, place: int, one: Trigger) -> dict[str, Any]:
        """Return a points trigger as answers show it."""
        view: dict[str, Any] = {
            "id": stable_id("trigger", f"{system}:{place}"),
            "points": one.points,
            "status": "active",
            "userAttributes": [],
            "eventAttributes": [],
            "created": _MADE_AT,
            "updated": _MADE_AT,
        }
        if one.metric is not None:
            name = self._rules.metric_name(one.metric)
            metric = {"metricId": stable_id("metric", one.metric), "metricName": name}
            return {**view, "type": "metric", **metric, "metricThreshold": math.ceil(one.every)}
        if one.achievement is not None:
            found = self._rules.achievement(one.achievement)
            name = found.name if found else one.achievement
            achievement = {"achievementId": stable_id("achievement", one.achievement), "achievementName": name}
            return {**view, "type": "achievement", **achievement}
        return {**view, "type": "streak", "streakLengthThreshold": one.streak}

    def reply(self, user_id: str, metric: str | None, awards: Awards) -> dict[str, Any]:
        """Return the systems that depend on a metric, and those that gave points."""
        reply = {}
        for key, system in self._rules.points.items():
            linked = metric is not None and any(one.metric == metric for one in system.triggers)
            if not linked and key not in awards:
                continue
            total = self.total(user_id, key)
            before, given = awards.get(key, (total, []))
            reply[key] = {**system_view(key, system), "total": total, "added": total - before, "awards": given}
            level = system.level_at(total)
            if level is not None and level != system.level_at(before):
                reply[key]["level"] = level_view(key, level)
        return reply


def system_view(key: str, system: PointsSystem) -> dict[str, Any]:
    """Return a points system as answers show it."""
    return {
        "id": stable_id("points", key),
        "key": key,
        "name": system.name,
        "description": system.description,
        "badgeUrl": system.badge_url,
        "maxPoints": system.max,
    }


def level_view(system: str, level: LevelRule) -> dict[str, Any]:
    """Return a level as answers show it."""
    return {
        "id": stable_id("level", f"{system}:{level.key}"),
        "key": level.key,
        "name": level.name,
        "description": level.description,
        "badgeUrl": level.badge_url,
        "points": level.points,
    }


def award(award_id: str, awarded: int, total: int, trigger: Mapping[str, Any], at: float) -> dict[str, Any]:
    """Return an award as answers show it."""
    return {
        "id": award_id,
        "awarded": awarded,
        "date": clock.iso(at),
        "total": total,
        "trigger": trigger,
        "boosts": [],
    }
