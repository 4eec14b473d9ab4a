"""Clients for the services' own APIs, with their names: POGR's node and Trophy's client.

Use both on the game thread and call `client.tick()` once per frame; waiting for a response or awaiting it ticks too.
"""

from ga_pygame.clients.pogr.client import POGRClient, POGRResponse
from ga_pygame.clients.pogr.wire import VALID_TAGS, POGRResult
from ga_pygame.clients.trophy.answers import (
    AchievementsResponse,
    CompletionResponse,
    EventResponse,
    LeaderboardResponse,
    LeaderboardsResponse,
    MetricResponse,
    MetricsResponse,
    PointsEventSummaryResponse,
    PointsResponse,
    PreferencesResponse,
    StreakResponse,
    User,
    UserLeaderboardResponse,
)
from ga_pygame.clients.trophy.client import TrophyClient, TrophyEnvironment
from ga_pygame.clients.trophy.wire import RequestOptions, UpsertedUser
from ga_pygame.clients.trophy.wrapped_answers import WrappedResponse

__all__ = [
    "VALID_TAGS",
    "AchievementsResponse",
    "CompletionResponse",
    "EventResponse",
    "LeaderboardResponse",
    "LeaderboardsResponse",
    "MetricResponse",
    "MetricsResponse",
    "POGRClient",
    "POGRResponse",
    "POGRResult",
    "PointsEventSummaryResponse",
    "PointsResponse",
    "PreferencesResponse",
    "RequestOptions",
    "StreakResponse",
    "TrophyClient",
    "TrophyEnvironment",
    "UpsertedUser",
    "User",
    "UserLeaderboardResponse",
    "WrappedResponse",
]
