"""Trophy's routes of one player: their data, progress and preferences. See `areas`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ga_pygame.clients.from_json import camel_case
from ga_pygame.clients.trophy.answers import (
    AchievementsResponse,
    MetricResponse,
    MetricsResponse,
    PointsEventSummaryResponse,
    PointsResponse,
    PreferencesResponse,
    StreakResponse,
    User,
    UserLeaderboardResponse,
)
from ga_pygame.clients.trophy.areas import Route, Send
from ga_pygame.clients.trophy.wire import Dated, OptionsLike, UserLike, date_text, path, user_json
from ga_pygame.clients.trophy.wrapped_answers import WrappedResponse
from ga_pygame.signals import Response


class UsersArea:
    """A player's data, progress and preferences."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def identify(
        self,
        user_id: str,
        *,
        email: str | None = None,
        name: str | None = None,
        tz: str | None = None,
        sign_up_date: str | Dated | None = None,
        device_tokens: Sequence[str] | None = None,
        subscribe_to_emails: bool | None = None,
        attributes: Mapping[str, str] | None = None,
        request_options: OptionsLike = None,
    ) -> Response[User]:
        """Create the user, or change the given fields; see `UpsertedUser`."""
        known = _user_fields(email, name, tz, sign_up_date, device_tokens, subscribe_to_emails, attributes)
        return self._send(User, lambda: Route(method="PUT", path=path("users", user_id), body=known), request_options)

    def update(
        self,
        user_id: str,
        *,
        email: str | None = None,
        name: str | None = None,
        tz: str | None = None,
        sign_up_date: str | Dated | None = None,
        device_tokens: Sequence[str] | None = None,
        subscribe_to_emails: bool | None = None,
        attributes: Mapping[str, str] | None = None,
        request_options: OptionsLike = None,
    ) -> Response[User]:
        """Change the given fields of an existing user."""
        known = _user_fields(email, name, tz, sign_up_date, device_tokens, subscribe_to_emails, attributes)
        return self._send(User, lambda: Route(method="PATCH", path=path("users", user_id), body=known), request_options)

    def create(self, user: UserLike, *, request_options: OptionsLike = None) -> Response[User]:
        """Create a user."""

        def route() -> Route:
            who = user_json(user)
            return Route(method="POST", path="users", body=who, user_id=who["id"], is_harmless=False)

        return self._send(User, route, request_options)

    def get(self, user_id: str, *, request_options: OptionsLike = None) -> Response[User]:
        """Get a user."""
        return self._send(User, lambda: Route(method="GET", path=path("users", user_id)), request_options)

    def achievements(
        self, user_id: str, *, include_incomplete: bool | str | None = None, request_options: OptionsLike = None
    ) -> Response[AchievementsResponse]:
        """Get the user's achievements; with `include_incomplete` also the open ones."""
        query = {"includeIncomplete": include_incomplete or None}
        return self._send(
            AchievementsResponse,
            lambda: Route(
                method="GET", path=f"{path('users', user_id)}/achievements", query=query, wrap="achievements"
            ),
            request_options,
        )

    def all_metrics(self, user_id: str, *, request_options: OptionsLike = None) -> Response[MetricsResponse]:
        """Get the user's totals of all metrics."""
        return self._send(
            MetricsResponse,
            lambda: Route(method="GET", path=f"{path('users', user_id)}/metrics", wrap="metrics"),
            request_options,
        )

    def single_metric(self, user_id: str, key: str, *, request_options: OptionsLike = None) -> Response[MetricResponse]:
        """Get the user's total of one metric."""
        return self._send(
            MetricResponse,
            lambda: Route(method="GET", path=path("users", user_id, "metrics", key)),
            request_options,
        )

    def streak(
        self, user_id: str, *, history_periods: int | None = None, request_options: OptionsLike = None
    ) -> Response[StreakResponse]:
        """Get the user's streak and its last `history_periods` periods."""
        query = {"historyPeriods": history_periods}
        return self._send(
            StreakResponse,
            lambda: Route(method="GET", path=f"{path('users', user_id)}/streak", query=query),
            request_options,
        )

    def points(
        self, user_id: str, key: str, *, awards: int | None = None, request_options: OptionsLike = None
    ) -> Response[PointsResponse]:
        """Get the user's points in one system and the last `awards` awards."""
        query = {"awards": awards}
        return self._send(
            PointsResponse,
            lambda: Route(method="GET", path=path("users", user_id, "points", key), query=query),
            request_options,
        )

    def points_event_summary(
        self,
        user_id: str,
        key: str,
        *,
        aggregation: str,
        start_date: str | Dated,
        end_date: str | Dated,
        request_options: OptionsLike = None,
    ) -> Response[PointsEventSummaryResponse]:
        """Get the user's points in one system over time.

        Args:
            user_id: The user's id.
            key: The points system's key.
            aggregation: `daily`, `weekly` or `monthly`.
            start_date: The first day, `YYYY-MM-DD` or a date.
            end_date: The last day, at most 400 days later.
            request_options: Options of this call.
        """
        query = {"aggregation": aggregation, "startDate": date_text(start_date), "endDate": date_text(end_date)}
        return self._send(
            PointsEventSummaryResponse,
            lambda: Route(
                method="GET", path=f"{path('users', user_id, 'points', key)}/event-summary", query=query, wrap="summary"
            ),
            request_options,
        )

    def wrapped(
        self, user_id: str, *, year: int | None = None, request_options: OptionsLike = None
    ) -> Response[WrappedResponse]:
        """Get the user's year in review; default: the present year."""
        return self._send(
            WrappedResponse,
            lambda: Route(method="GET", path=f"{path('users', user_id)}/wrapped", query={"year": year}),
            request_options,
        )

    def leaderboard(
        self,
        user_id: str,
        key: str,
        *,
        run: str | None = None,
        num_events: int | None = None,
        request_options: OptionsLike = None,
    ) -> Response[UserLeaderboardResponse]:
        """Get the user's rank on a leaderboard and its history."""
        query = {"run": run, "numEvents": num_events}
        return self._send(
            UserLeaderboardResponse,
            lambda: Route(method="GET", path=path("users", user_id, "leaderboards", key), query=query),
            request_options,
        )

    def get_preferences(self, user_id: str, *, request_options: OptionsLike = None) -> Response[PreferencesResponse]:
        """Get the user's preferences: messages and streak."""
        return self._send(
            PreferencesResponse,
            lambda: Route(method="GET", path=f"{path('users', user_id)}/preferences"),
            request_options,
        )

    def update_preferences(
        self,
        user_id: str,
        *,
        notifications: Mapping[str, Sequence[str]] | None = None,
        streak: Mapping[str, Any] | None = None,
        request_options: OptionsLike = None,
    ) -> Response[PreferencesResponse]:
        """Change the user's preferences.

        Args:
            user_id: The user's id.
            notifications: Channels by kind of message: `{"recap": [], "streak_reminder": ["push"]}`.
            streak: `{"enabled": …, "evaluation_mode": …, "metrics": […], "days_off": […]}`.
            request_options: Options of this call.
        """

        def route() -> Route:
            goals = None if streak is None else {camel_case(name): value for name, value in streak.items()}
            body = {"notifications": notifications, "streak": goals}
            return Route(method="PATCH", path=f"{path('users', user_id)}/preferences", body=body)

        return self._send(PreferencesResponse, route, request_options)


def _user_fields(  # noqa: PLR0917 - one per field of a user
    email: str | None,
    name: str | None,
    tz: str | None,
    sign_up_date: str | Dated | None,
    device_tokens: Sequence[str] | None,
    subscribe_to_emails: bool | None,
    attributes: Mapping[str, str] | None,
) -> dict[str, Any]:
    return {
        "email": email,
        "name": name,
        "tz": tz,
        "signUpDate": date_text(sign_up_date),
        "deviceTokens": device_tokens,
        "subscribeToEmails": subscribe_to_emails,
        "attributes": attributes,
    }
