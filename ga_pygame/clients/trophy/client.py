"""Trophy's client for pygame: metrics, achievements, streaks, points and leaderboards, with an application key."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from ga_pygame.addresses import TROPHY_URL, address
from ga_pygame.clients.caller import Call, Caller
from ga_pygame.clients.trophy import wire as trophy_wire
from ga_pygame.clients.trophy.answers import Answer
from ga_pygame.clients.trophy.areas import AchievementsArea, LeaderboardsArea, MetricsArea, Route
from ga_pygame.clients.trophy.users import UsersArea
from ga_pygame.clients.trophy.wire import (
    APPLICATION_PREFIX,
    IDEMPOTENCY_HEADER,
    KEY_HEADER,
    OptionsLike,
    RequestOptions,
)
from ga_pygame.protocol import Request
from ga_pygame.signals import Response

if TYPE_CHECKING:
    from ga_pygame.parts import Parts

A = TypeVar("A", bound=Answer)

_COLLECTOR_KEY = "app_sandbox.collector"
_KEY_IS_NEEDED = "api_key is needed: have your server mint an application key for the player"
_ADMIN_KEY = (
    "is an admin key: players could read it out of the game and change the whole account. Have your server mint "
    "an application key for the player (it begins with app_), or pass allow_admin_key=True in a program that is "
    "never shipped"
)


class TrophyEnvironment(Enum):
    """Trophy's hosts, by the names of its SDKs."""

    DEFAULT = TROPHY_URL
    PRODUCTION = TROPHY_URL  # noqa: PIE796 - the Ruby SDK's name and the Python SDK's


class TrophyClient:
    """A client of Trophy's application API: `client.metrics.event(key="kills", user={"id": "18"}, value=1)`.

    Every call returns at once. Its `Response` can be awaited, waited for (`.wait(2)`) or connected to; `has_error()` of
    the answer tells whether it failed. No call raises: a wrong one is answered with an error in the next `tick()`,
    without a request. One request is in flight at a time, as Trophy demands for a metric.

    Calls that were answered with 408, 409, 429, 500 or above, or not at all, are retried with the same idempotency key.
    An event without a key is retried only after 409 and 429, since otherwise it might count twice.

    Args:
        api_key: An application key, made by your server for one player; a collector needs none.
        base_url: The address of the API; default: that of the environment.
        environment: A `TrophyEnvironment`, or one of Trophy's own SDK (its address in `api`).
        collector: Send to this collector instead of `base_url`; default: `GA_PYGAME_COLLECTOR`.
        tenant_id: For accounts with several tenants.
        timeout: The longest wait for an answer, in seconds; default: `GA_PYGAME_REQUEST_TIMEOUT`, else 10.
        max_retries: How often to retry a call.
        auto_idempotency_key: Give events without an idempotency key a random one.
        allow_admin_key: Accept an admin key.
        parts: Other classes to use, for tests.

    Raises:
        ValueError: `api_key` is an admin key.

    Attributes:
        metrics: Events of a metric.
        users: Players, their progress and preferences.
        achievements: Completion of achievements.
        leaderboards: All players' leaderboards.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        environment: Any = TrophyEnvironment.DEFAULT,
        collector: str | None = None,
        tenant_id: str | None = None,
        timeout: float | None = None,
        max_retries: int = 2,
        auto_idempotency_key: bool = False,
        allow_admin_key: bool = False,
        parts: Parts | None = None,
    ) -> None:
        self._allow_admin_key = allow_admin_key
        self._caller = Caller("trophy", parts, collector=collector, request_timeout=timeout)
        self._api_key = api_key or (_COLLECTOR_KEY if self._caller.collector else "")
        if self._api_key:
            self._check_key("api_key", self._api_key)
        else:
            self._caller.diagnostics.warn_once("no key", f"Trophy: {_KEY_IS_NEEDED}")
        self._base_url = f"{self._caller.collector}/v1" if self._caller.collector else _address(base_url, environment)
        self._tenant_id = tenant_id
        self._max_retries = max_retries
        new_key = self._caller.new_id if auto_idempotency_key else lambda: None
        self.metrics = MetricsArea(self._send, new_key)
        self.users = UsersArea(self._send)
        self.achievements = AchievementsArea(self._send)
        self.leaderboards = LeaderboardsArea(self._send)

    def __repr__(self) -> str:
        return f"<TrophyClient {self._base_url}>"

    def tick(self) -> None:
        """Deliver answers; call it once per frame. Never raises."""
        self._caller.tick()

    def close(self, timeout: float = 1.0) -> None:
        """Send waiting calls within that many seconds, then close the connection; also called at exit."""
        self._caller.close(timeout)

    def _check_key(self, name: str, key: str) -> None:
        if not key.startswith(APPLICATION_PREFIX) and not self._allow_admin_key:
            raise ValueError(f"{name} {_ADMIN_KEY}")

    def _send(self, kind: type[A], route: Callable[[], Route], options: OptionsLike) -> Response[A]:
        """Submit a call; `route` raises if it cannot be sent."""
        name = f"trophy.{kind.__name__}"
        request, refusal, lane, is_harmless, wrap, retries = None, "", "", True, "", self._max_retries
        try:
            asked = route()
            chosen = options if isinstance(options, RequestOptions) else RequestOptions(**(options or {}))
            request = self._request(asked, chosen)
            lane, is_harmless, wrap = f"{asked.path} {asked.user_id}", asked.is_harmless, asked.wrap
            retries = retries if chosen.max_retries is None else chosen.max_retries
        except Exception as error:  # noqa: BLE001 - the game's objects may raise anything
            refusal = str(error) or type(error).__name__
        response: Response[A] = self._caller.response(Response[A], name)
        call = Call(
            response,
            prepare=lambda: request or refusal,
            judge=lambda reply: trophy_wire.typed_answer(kind, reply, wrap),
            refuse=lambda why: kind(error=why),
            may_repeat=lambda reply: trophy_wire.may_repeat(reply, is_harmless=is_harmless),
            max_retries=retries,
            lane=lane,
        )
        if refusal:
            self._caller.turn_down(call, refusal)
        else:
            self._caller.submit(call)
        return response

    def _request(self, route: Route, options: RequestOptions) -> Request:
        key = options.api_key or self._api_key
        if not key:
            raise ValueError(_KEY_IS_NEEDED)
        self._check_key("request_options: api_key", key)
        headers = {KEY_HEADER: key, "Tenant-ID": self._tenant_id, IDEMPOTENCY_HEADER: route.idempotency_key}
        url = f"{self._base_url}/{route.path}"
        request = trophy_wire.trophy_request(route.method, url, route.query, route.body, headers, options)
        for name, value in request.headers.items():  # one of the additional headers may have another key
            if name.lower() == KEY_HEADER.lower():
                self._check_key(f"request_options: additional_headers: {name}", value)
        return request


def _address(base_url: str | None, environment: Any) -> str:
    """Return the address of the API.

    Raises:
        ValueError: It is no address.
    """
    if base_url is not None:
        return address("base_url", base_url)
    return address("environment", getattr(environment, "api", getattr(environment, "value", environment)))
