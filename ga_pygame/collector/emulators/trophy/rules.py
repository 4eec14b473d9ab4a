"""The settings of Trophy's dashboard, read from a TOML file; `default.toml` explains every part.

Ids are derived from keys, so that they stay the same after a restart and after a change of the file.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

DEFAULT = Path(__file__).with_name("default.toml")
Frequency = Literal["daily", "weekly", "monthly"]


class RulesError(Exception):
    """The file cannot be used; the message says why."""


class _RulesTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file."""


class MetricAchievement(_RulesTable, frozen=True):
    """An achievement that is completed when the metric's total reaches a value."""

    key: str
    name: str
    value: float
    description: str | None = None
    badge_url: str | None = None


class MetricRule(_RulesTable, frozen=True):
    """A metric; `streak` and `threshold` say when a period counts for the streak."""

    name: str = ""
    streak: bool = False
    threshold: float = 1
    achievements: list[MetricAchievement] = []


class OtherAchievement(_RulesTable, frozen=True):
    """An achievement that is completed by a call, by the streak's length, or by other achievements."""

    name: str
    description: str | None = None
    badge_url: str | None = None
    api: bool = False
    streak: int | None = None
    all_of: list[str] = []


class StreakRule(_RulesTable, frozen=True):
    """How often a player must come back to keep the streak."""

    frequency: Frequency = "daily"


class Trigger(_RulesTable, frozen=True):
    """A rule that gives points."""

    points: int
    metric: str | None = None
    every: float = 1
    achievement: str | None = None
    streak: int | None = None


class LevelRule(_RulesTable, frozen=True):
    """A level of a points system; it begins at its points."""

    key: str
    name: str
    points: int
    description: str = ""
    badge_url: str | None = None


class PointsSystem(_RulesTable, frozen=True):
    """One kind of points."""

    name: str
    description: str | None = None
    badge_url: str | None = None
    max: int | None = None
    triggers: list[Trigger] = []
    levels: list[LevelRule] = []

    def level_at(self, total: int) -> LevelRule | None:
        """Return the highest level that begins at or below a total."""
        reached = [level for level in self.levels if level.points <= total]
        return max(reached, key=lambda level: level.points) if reached else None


class LeaderboardRule(_RulesTable, frozen=True):
    """A leaderboard without an end."""

    name: str
    rank_by: Literal["metric", "points", "streak"]
    metric: str | None = None
    points: str | None = None
    description: str | None = None
    start: dt.date = dt.date(2026, 1, 1)
    max_participants: int = 1000


class Attributes(_RulesTable, frozen=True):
    """The attributes that exist."""

    event: list[str] = []
    user: list[str] = []


class ApiKey(_RulesTable, frozen=True):
    """A key that may call; for one user only if it names one."""

    key: str
    user: str | None = None


@dataclass(frozen=True, slots=True)
class AchievementRule:
    """An achievement of either kind; exactly one of `metric`, `api`, `streak`, `all_of` is set."""

    key: str
    name: str
    description: str | None = None
    badge_url: str | None = None
    metric: str | None = None
    value: float = 0.0
    api: bool = False
    streak: int | None = None
    all_of: Sequence[str] = ()

    @property
    def id(self) -> str:
        """The id in answers."""
        return stable_id("achievement", self.key)


class Rules(_RulesTable, frozen=True):
    """The whole file."""

    auto_create: bool = True
    unknown_metric_status: Literal[404, 422] = 422
    events_per_second: int = 5
    metrics: dict[str, MetricRule] = {}
    achievements: dict[str, OtherAchievement] = {}
    streak: StreakRule = StreakRule()
    points: dict[str, PointsSystem] = {}
    leaderboards: dict[str, LeaderboardRule] = {}
    attributes: Attributes = Attributes()
    keys: list[ApiKey] = []

    @property
    def event_attributes(self) -> Sequence[str] | None:
        """The attributes that events may have; `None` means any: none is listed, and unknown things are created."""
        return self.attributes.event or (None if self.auto_create else ())

    @property
    def user_attributes(self) -> Sequence[str] | None:
        """The same for users."""
        return self.attributes.user or (None if self.auto_create else ())

    def all_achievements(self) -> Iterator[AchievementRule]:
        """Yield the achievements in the order of the file, those of metrics first."""
        for metric, settings in self.metrics.items():
            for one in settings.achievements:
                yield AchievementRule(
                    one.key, one.name, one.description, one.badge_url, metric=metric, value=float(one.value)
                )
        for key, other in self.achievements.items():
            yield AchievementRule(
                key,
                other.name,
                other.description,
                other.badge_url,
                api=other.api,
                streak=other.streak,
                all_of=tuple(other.all_of),
            )

    def achievement(self, key: str) -> AchievementRule | None:
        """Return the achievement with a key."""
        return next((one for one in self.all_achievements() if one.key == key), None)

    def metric_name(self, key: str) -> str:
        """Return the name of a metric; the key if it has none or is not in the rules."""
        return self.metrics[key].name or key if key in self.metrics else key


def load_rules(path: Path | None) -> Rules:
    """Read the rules of a file, or the default ones.

    Raises:
        RulesError: The file cannot be used.
    """
    path = path or DEFAULT
    try:
        rules = msgspec.toml.decode(path.read_bytes(), type=Rules)
    except OSError as error:
        raise RulesError(f"cannot read {path}: {error.strerror or error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RulesError(f"{path} is not a file of Trophy rules: {error}") from error
    problem = next(_rule_problems(rules), None)
    if problem:
        raise RulesError(f"{path}: {problem}")
    return rules


def stable_id(kind: str, key: str) -> str:
    """Derive an id in the form of a version 4 UUID from a key."""
    digits = bytearray(hashlib.sha256(f"{kind}\n{key}".encode("utf-8", "replace")).digest()[:16])
    digits[6] = digits[6] & 0x0F | 0x40
    digits[8] = digits[8] & 0x3F | 0x80
    text = digits.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _rule_problems(rules: Rules) -> Iterator[str]:  # noqa: PLR0912 - one line per rule
    achievements: dict[str, AchievementRule] = {}
    if rules.events_per_second < 0:
        yield "events_per_second must be 0 or more"
    for one in rules.all_achievements():
        if one.key in achievements:
            yield f"the achievement {one.key!r} is there twice"
        achievements[one.key] = one
        if one.metric is None and sum((one.api, one.streak is not None, bool(one.all_of))) != 1:
            yield f"achievements.{one.key} needs exactly one of api, streak, all_of"
        if one.streak is not None and one.streak < 1:
            yield f"achievements.{one.key}: streak must be 1 or more"
    for one in achievements.values():
        for key in one.all_of:
            if key not in achievements:
                yield f"achievements.{one.key} names {key!r}, which is no achievement"
    for name, system in rules.points.items():
        for trigger in system.triggers:
            if sum(what is not None for what in (trigger.metric, trigger.achievement, trigger.streak)) != 1:
                yield f"points.{name}: a trigger needs exactly one of metric, achievement, streak"
            if trigger.metric is not None and trigger.metric not in rules.metrics:
                yield f"points.{name} names {trigger.metric!r}, which is no metric"
            if trigger.achievement is not None and trigger.achievement not in achievements:
                yield f"points.{name} names {trigger.achievement!r}, which is no achievement"
            if not trigger.every > 0 or (trigger.streak is not None and trigger.streak < 1):
                yield f"points.{name}: every and streak must be more than 0"
            if not 0 <= trigger.points <= 10**9:
                yield f"points.{name}: points must be 0 to 1000000000"
        if system.max is not None and system.max < 0:
            yield f"points.{name}: max must be 0 or more"
    for name, board in rules.leaderboards.items():
        given: list[tuple[str, str | None, Any]] = [
            ("metric", board.metric, rules.metrics),
            ("points", board.points, rules.points),
        ]
        for what, named, known in given:
            if (named is not None) != (board.rank_by == what):
                yield f"leaderboards.{name}: rank_by = {board.rank_by!r} does not fit its metric and points"
            if named is not None and named not in known:
                yield f"leaderboards.{name} names {named!r}, which is not in {what}"
        if board.max_participants < 1:
            yield f"leaderboards.{name}: max_participants must be 1 or more"
    for api_key in rules.keys:
        if not all(api_key.key.partition(".")[::2]):
            yield "a key must have two parts with a dot between: app_….…"
