"""Trophy's typed answers. Dates and times are ISO 8601 text, as received; every field may be missing.

Source: Trophy's OpenAPI document, version 1.21.1, and the types of its Python SDK 1.27.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The fields of every answer.

    Attributes:
        error: Why the call failed, "" if it did not.
        http_status: The HTTP status, `None` if there was no reply.
    """

    error: str = ""
    http_status: int | None = None

    def has_error(self) -> bool:
        """Whether the call failed."""
        return bool(self.error)


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """A key with its value."""

    key: str = ""
    value: str = ""


@dataclass(frozen=True, kw_only=True)
class Achievement:
    """An achievement; `trigger` is metric, streak, api, achievement or anniversary and says which fields are set.

    Attributes:
        achieved_at: `None` if it is still open.
        completions: How many users have it.
        rarity: Percent of the users that have it.
    """

    id: str = ""
    name: str = ""
    trigger: str = ""
    description: str | None = None
    badge_url: str | None = None
    key: str | None = None
    achieved_at: str | None = None
    metric_id: str | None = None
    metric_name: str | None = None
    metric_value: float | None = None
    streak_length: int | None = None
    anniversary_years: int | None = None
    achievement_ids: tuple[str, ...] = ()
    user_attributes: tuple[Attribute, ...] = ()
    event_attributes: tuple[Attribute, ...] = ()
    completions: int | None = None
    rarity: float | None = None


class CompletedAchievement(Achievement):
    """An achievement that the call completed."""


@dataclass(frozen=True, kw_only=True)
class Streak:
    """Periods in a row with at least one event; `frequency` is daily, weekly or monthly."""

    length: int = 0
    frequency: str = ""
    started: str | None = None
    period_start: str | None = None
    period_end: str | None = None
    expires: str | None = None
    freezes: int | None = None
    max_freezes: int | None = None
    freeze_auto_earn_interval: int | None = None
    freeze_auto_earn_amount: int | None = None


@dataclass(frozen=True, kw_only=True)
class CurrentStreak(Streak):
    """The streak after an event; `extended` if the event lengthened it."""

    extended: bool = False


@dataclass(frozen=True, kw_only=True)
class StreakPeriod:
    """A past period of a streak."""

    period_start: str = ""
    period_end: str = ""
    length: int = 0
    used_freeze: bool = False
    used_pause: bool = False
    reset_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class StreakPause:
    """A time during which a streak needs no events."""

    id: str = ""
    start: str = ""
    end: str = ""


@dataclass(frozen=True, kw_only=True)
class StreakResponse(Streak, Answer):
    """A user's streak; `extended` is when it last grew."""

    extended: str | None = None
    streak_history: tuple[StreakPeriod, ...] = ()
    pauses: tuple[StreakPause, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Level:
    """A level of a points system; `points` is where it begins."""

    id: str = ""
    key: str = ""
    name: str = ""
    description: str = ""
    badge_url: str | None = None
    points: int = 0


@dataclass(frozen=True, kw_only=True)
class PointsTrigger:
    """The trigger that gave points; `type` is metric, achievement, streak, time or user_creation."""

    id: str = ""
    type: str = ""
    points: int = 0
    metric_name: str | None = None
    metric_threshold: int | None = None
    streak_length_threshold: int | None = None
    achievement_id: str | None = None
    achievement_name: str | None = None
    time_unit: str | None = None
    time_interval: int | None = None


@dataclass(frozen=True, kw_only=True)
class PointsBoost:
    """A multiplier of points that was active."""

    id: str = ""
    name: str = ""
    status: str = ""
    start: str | None = None
    end: str | None = None
    multiplier: float = 1.0
    rounding: str | None = None


@dataclass(frozen=True, kw_only=True)
class PointsAward:
    """Points given at one time; `total` is the sum after them."""

    id: str = ""
    awarded: int = 0
    date: str | None = None
    total: int = 0
    trigger: PointsTrigger | None = None
    boosts: tuple[PointsBoost, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Points:
    """A points system and the user's points in it."""

    id: str = ""
    key: str = ""
    name: str = ""
    description: str | None = None
    badge_url: str | None = None
    max_points: float | None = None
    total: int = 0
    level: Level | None = None
    awards: tuple[PointsAward, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MetricPoints(Points):
    """A points system that a call changed; `level` only if it changed too."""

    added: int = 0


@dataclass(frozen=True, kw_only=True)
class PointsResponse(Points, Answer):
    """A user's points in one system."""


@dataclass(frozen=True, kw_only=True)
class PointsOfPeriod:
    """A user's points at the end of a day, week or month, and their change in it; `date` is its first day."""

    date: str = ""
    total: float = 0
    change: float = 0


@dataclass(frozen=True, kw_only=True)
class PointsEventSummaryResponse(Answer):
    """A user's points over time."""

    summary: tuple[PointsOfPeriod, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """A leaderboard; `rank_by` is points, streak or metric, `run_unit` is day, month, year or `None`."""

    id: str = ""
    key: str = ""
    name: str = ""
    description: str | None = None
    rank_by: str = ""
    metric_key: str | None = None
    metric_name: str | None = None
    points_system_key: str | None = None
    points_system_name: str | None = None
    start: str | None = None
    end: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    max_participants: int | None = None
    run_unit: str | None = None
    run_interval: int | None = None
    breakdown_attributes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LeaderboardRank(Leaderboard):
    """A leaderboard that an event changed, and the user's rank; `None` if the user is not on it."""

    rank: int | None = None
    previous_rank: int | None = None
    threshold: float | None = None
    breakdown_attribute_values: tuple[Attribute, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """A line of a leaderboard."""

    user_id: str = ""
    user_name: str | None = None
    rank: int = 0
    value: float = 0


@dataclass(frozen=True, kw_only=True)
class LeaderboardResponse(Leaderboard, Answer):
    """A leaderboard with its lines; `status` is active, scheduled or finished."""

    status: str = ""
    rankings: tuple[Ranking, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RankChange:
    """A user's rank at one time."""

    date: str | None = None
    timestamp: str | None = None
    rank: int | None = None
    previous_rank: int | None = None
    value: float | None = None
    previous_value: float | None = None


@dataclass(frozen=True, kw_only=True)
class UserLeaderboardResponse(Leaderboard, Answer):
    """A user's place on a leaderboard."""

    rank: int | None = None
    value: float | None = None
    history: tuple[RankChange, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LeaderboardsResponse(Answer):
    """All leaderboards."""

    leaderboards: tuple[Leaderboard, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EventResponse(Answer):
    """The changes by an event.

    Attributes:
        total: The metric's total for this user, including the event.
        achievements: Those that the event completed.
        points: The points systems that it changed, by key.
        leaderboards: The leaderboards that it changed, by key.
        idempotent_replayed: Trophy already had this idempotency key and processed nothing.
    """

    event_id: str = ""
    metric_id: str = ""
    total: float = 0
    achievements: tuple[CompletedAchievement, ...] = ()
    current_streak: CurrentStreak = field(default_factory=CurrentStreak)
    points: Mapping[str, MetricPoints] = field(default_factory=dict)
    leaderboards: Mapping[str, LeaderboardRank] = field(default_factory=dict)
    idempotency_key: str | None = None
    idempotent_replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class CompletionResponse(Answer):
    """An achievement that the game completed, and the points systems that this changed."""

    completion_id: str = ""
    achievement: CompletedAchievement = field(default_factory=CompletedAchievement)
    points: Mapping[str, MetricPoints] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AchievementsResponse(Answer):
    """Achievements with how rare they are."""

    achievements: tuple[Achievement, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric and the user's total in it."""

    id: str = ""
    key: str = ""
    name: str = ""
    current: float = 0
    achievements: tuple[Achievement, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MetricResponse(Metric, Answer):
    """A user's total in one metric."""


@dataclass(frozen=True, kw_only=True)
class MetricsResponse(Answer):
    """A user's totals."""

    metrics: tuple[Metric, ...] = ()


@dataclass(frozen=True, kw_only=True)
class User(Answer):
    """A user as Trophy stores them; `control` if they are in the control group, which gets no messages."""

    id: str = ""
    email: str | None = None
    name: str | None = None
    tz: str | None = None
    sign_up_date: str | None = None
    device_tokens: tuple[str, ...] = ()
    subscribe_to_emails: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)
    control: bool = False
    created: str | None = None
    updated: str | None = None


@dataclass(frozen=True, kw_only=True)
class NotificationPreferences:
    """The channels (email, push) of each kind of message; `None` if the answer does not say."""

    achievement_completed: tuple[str, ...] | None = None
    recap: tuple[str, ...] | None = None
    reactivation: tuple[str, ...] | None = None
    streak_reminder: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class StreakMetric:
    """A metric that counts for a streak, and the sum that a period needs."""

    key: str = ""
    threshold: float = 0


@dataclass(frozen=True, kw_only=True)
class StreakPreferences:
    """The rules of a user's streak; `evaluation_mode` is OR or AND."""

    enabled: bool | None = None
    evaluation_mode: str | None = None
    metrics: tuple[StreakMetric, ...] = ()
    days_off: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PreferencesResponse(Answer):
    """A user's preferences."""

    notifications: NotificationPreferences = field(default_factory=NotificationPreferences)
    streak: StreakPreferences | None = None
