"""Trophy's typed answers of a user's year in review. See `answers`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ga_pygame.clients.trophy.answers import Answer, CompletedAchievement, Streak, User, UserLeaderboardResponse


@dataclass(frozen=True, kw_only=True)
class WrappedFigure:
    """A metric or a points system in a time of the year; `percentile_this_period` is among all users.

    Attributes:
        percent_change: Against the period of the same length before.
    """

    name: str = ""
    description: str | None = None
    units: str | None = None
    current_total: float = 0
    change_this_period: float = 0
    percent_change: float = 0
    percentile_this_period: float | None = None


@dataclass(frozen=True, kw_only=True)
class WrappedMetric(WrappedFigure):
    """A metric in a time of the year, also by the key and value of an attribute of its events."""

    by_attribute: Mapping[str, Mapping[str, WrappedFigure]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class WrappedPeriod:
    """What a user did in a time of the year.

    Attributes:
        date: Of the most active day.
        start: The first day of the most active week.
        end: Its last day.
        month: The most active month, 0 to 11.
        metrics: By the metric's key.
        points: By the key of the points system.
        achievements: Those completed in it.
        leaderboards: The best ranks, by the leaderboard's key.
        longest_streak: Of the entire year.
    """

    date: str | None = None
    start: str | None = None
    end: str | None = None
    month: int | None = None
    metrics: Mapping[str, WrappedMetric] = field(default_factory=dict)
    points: Mapping[str, WrappedFigure] = field(default_factory=dict)
    achievements: tuple[CompletedAchievement, ...] = ()
    leaderboards: Mapping[str, UserLeaderboardResponse] = field(default_factory=dict)
    longest_streak: Streak | None = None


@dataclass(frozen=True, kw_only=True)
class WrappedActivity:
    """A user's year."""

    days_active: int = 0
    weeks_active: int = 0
    months_active: int = 0
    most_active_day: WrappedPeriod = field(default_factory=WrappedPeriod)
    most_active_week: WrappedPeriod = field(default_factory=WrappedPeriod)
    most_active_month: WrappedPeriod = field(default_factory=WrappedPeriod)
    entire_year: WrappedPeriod = field(default_factory=WrappedPeriod)


@dataclass(frozen=True, kw_only=True)
class WrappedResponse(Answer):
    """A user's year in review."""

    user: User = field(default_factory=User)
    activity: WrappedActivity = field(default_factory=WrappedActivity)
