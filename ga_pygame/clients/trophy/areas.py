"""Trophy's routes, grouped and named as in its SDKs.

Each call takes `request_options`: a `RequestOptions` or a mapping with its names. A user is an `UpsertedUser`, a
mapping with its names or just the id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from ga_pygame.clients.trophy.answers import (
    Answer,
    CompletionResponse,
    EventResponse,
    LeaderboardResponse,
    LeaderboardsResponse,
)
from ga_pygame.clients.trophy.wire import OptionsLike, UserLike, checked_value, path, user_json
from ga_pygame.signals import Response

A = TypeVar("A", bound=Answer)


@dataclass(frozen=True, kw_only=True)
class Route:
    """A call before it becomes a request.

    Attributes:
        body: The fields of the JSON object; those that are `None` are left out.
        user_id: Calls of one path for one user are sent in order.
        is_harmless: The call is idempotent: sent twice, it changes nothing more.
        wrap: The answer's field for a list, if the route answers with a list.
    """

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    user_id: str = ""
    idempotency_key: str | None = None
    is_harmless: bool = True
    wrap: str = ""


class Send(Protocol):
    """A function that submits a call."""

    def __call__(self, kind: type[A], route: Callable[[], Route], options: OptionsLike) -> Response[A]: ...


class MetricsArea:
    """Events that count towards a metric."""

    def __init__(self, send: Send, new_key: Callable[[], str | None]) -> None:
        self._send = send
        self._new_key = new_key

    def event(
        self,
        key: str,
        *,
        user: UserLike,
        value: float,
        idempotency_key: str | None = None,
        attributes: Mapping[str, str] | None = None,
        request_options: OptionsLike = None,
    ) -> Response[EventResponse]:
        """Add a value to a metric of a user; it may be negative.

        Args:
            key: The metric's key.
            user: Trophy creates or updates the user with the event.
            value: Added to the total. Sum up small values: Trophy accepts 5 events a second from all players together.
            idempotency_key: Trophy counts events of the same user, metric and key only once.
            attributes: The event's attributes; their keys must be set up in the dashboard.
            request_options: Options of this call.
        """

        def route() -> Route:
            who = user_json(user)
            unique = self._new_key() if idempotency_key is None else idempotency_key
            return Route(
                method="POST",
                path=f"{path('metrics', key)}/event",
                body={"user": who, "value": checked_value(value), "attributes": attributes},
                user_id=who["id"],
                idempotency_key=unique,
                is_harmless=unique is not None,
            )

        return self._send(EventResponse, route, request_options)


class AchievementsArea:
    """Achievements that the game itself completes."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def complete(
        self, key: str, *, user: UserLike, request_options: OptionsLike = None
    ) -> Response[CompletionResponse]:
        """Complete an achievement of the kind `api` for a user."""

        def route() -> Route:
            who = user_json(user)
            where = f"{path('achievements', key)}/complete"
            return Route(method="POST", path=where, body={"user": who}, user_id=who["id"])

        return self._send(CompletionResponse, route, request_options)


class LeaderboardsArea:
    """Leaderboards of all players."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def all_(
        self, *, include_finished: bool | None = None, request_options: OptionsLike = None
    ) -> Response[LeaderboardsResponse]:
        """Get all leaderboards."""
        query = {"includeFinished": include_finished}
        return self._send(
            LeaderboardsResponse,
            lambda: Route(method="GET", path="leaderboards", query=query, wrap="leaderboards"),
            request_options,
        )

    def get(
        self,
        key: str,
        *,
        offset: int | None = None,
        limit: int | None = None,
        run: str | None = None,
        user_id: str | None = None,
        user_attributes: str | None = None,
        request_options: OptionsLike = None,
    ) -> Response[LeaderboardResponse]:
        """Get the lines of a leaderboard.

        Args:
            key: The leaderboard's key.
            offset: Lines to skip.
            limit: Lines to get at most.
            run: A day of the run, `YYYY-MM-DD`; default: the current run.
            user_id: Count `offset` from this user's line.
            user_attributes: `city:London`, for a leaderboard that is split by this attribute.
            request_options: Options of this call.
        """
        query = {
            "offset": offset,
            "limit": limit,
            "run": run,
            "userId": user_id,
            "userAttributes": user_attributes,
        }
        return self._send(
            LeaderboardResponse,
            lambda: Route(method="GET", path=path("leaderboards", key), query=query),
            request_options,
        )
