"""GameAnalytics' server side: Collector REST v2 and remote configs v1.

Documented: the routes, the HMAC of the body as sent, one verdict per event (the valid events of a batch are stored),
400 with the broken rules. Observed: official SDKs look at an answer's body before its status. If the body is empty,
they keep the batch and try again; if it is not, they delete the batch, whatever the status. So an answer after which
the events should be kept has an empty body, and its reason is in a header:

    200 {}      stored
    400 [...]   the listed events broke a rule, the others are stored; {...} the body cannot be read at all
    413 {...}   too large: send smaller batches
    401, 403    empty; the developer has to change something, the events are good
    404, 405    empty; the address is wrong, the events are good
    429         empty; more requests came from this address than --rate-limit allows
    503         empty; the collector cannot store now
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ga_pygame import clock
from ga_pygame.annotations import FIELDS
from ga_pygame.checks import InvalidEvent
from ga_pygame.collector import bodies, countries
from ga_pygame.collector.gameanalytics import validation
from ga_pygame.collector.gameanalytics.configs_editing import SettingsInForce
from ga_pygame.collector.gameanalytics.games import Games, NotLetIn
from ga_pygame.collector.guard import is_foreign
from ga_pygame.collector.lanes import Heavy, Lanes
from ga_pygame.collector.rates import Rates
from ga_pygame.collector.responses import json_response, preflight, with_retry_after
from ga_pygame.collector.storage import batches
from ga_pygame.collector.storage.store import RejectedEvent, StoreFull, Submission
from ga_pygame.collector.stores.contract import Submits
from ga_pygame.collector.teller import Tell

if TYPE_CHECKING:
    from ga_pygame.collector.emulators.faults import Faults

MAX_LIGHT_BYTES = 192 * 2**10
"""Bytes of an unpacked batch in the light lane; 500 events of our tracker have 160 KB."""
MAX_LIGHT_VALUES = 10_000
"""JSON values of a batch in the light lane."""
MAX_LIGHT_REFUSALS = 20
"""Rejected events of a batch in the light lane: one takes as long as fifty good ones."""
REASON_HEADER = "X-GA-Reason"
"""The header that says why a request was turned down, since the body must be empty."""

GAMEANALYTICS_HEADERS = {
    "X-GA-Service": "collect",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Content-Encoding, X-Requested-With",
    "Access-Control-Allow-Methods": "POST, OPTIONS",
    "Access-Control-Expose-Headers": REASON_HEADER,
}


class Bounds(NamedTuple):
    """What bounds the work that requests make, and what spoils it.

    Attributes:
        lanes: Run the validation of batches.
        held: Counts the bytes of all bodies.
        faults: Wrong answers on demand; `drop` closes a client's connection without an answer.
        rates: Limits the requests of a game and address.
    """

    lanes: Lanes
    held: bodies.Held
    faults: Faults
    rates: Rates


class _Admitted(NamedTuple):
    """A request that was let in.

    Attributes:
        game_key: The game.
        body: As it was sent.
        is_checked: Whether the sender proved that it knows the game's secret key.
    """

    game_key: str
    body: bytes
    is_checked: bool


class GameAnalyticsRoutes:
    """The routes of the GameAnalytics API.

    Args:
        games: Checks who may send.
        store: Stores the events.
        settings: The settings that init answers.
        bounds: What bounds the work.
        located: Looks up the country of a sender.
        lenient: Check events only by the published schemas, see `categories.wire_errors`.
        tell: Called to tell the developer what is turned down and why.
    """

    def __init__(
        self,
        games: Games,
        store: Submits,
        settings: SettingsInForce,
        bounds: Bounds,
        located: countries.Countries,
        *,
        lenient: bool,
        tell: Tell,
    ) -> None:
        self._games = games
        self._store = store
        self._settings = settings
        self._lanes, self._held, self._faults, self._rates = bounds
        self._drop = bounds.faults.drop
        self._countries = located
        self._lenient = lenient
        self._tell = tell

    def routes(self) -> list[Route]:
        """Return the three routes."""
        return [
            self._route("/v2/{game_key}/init", "init", self._init),
            self._route("/v2/{game_key}/events", "events", self._events),
            self._route("/remote_configs/v1/init", "init", self._remote_configs),
        ]

    def _route(self, path: str, name: str, handle: Callable[[Request, _Admitted], Awaitable[Response]]) -> Route:
        async def endpoint(request: Request) -> Response:
            if request.method == "OPTIONS":
                return preflight(request, GAMEANALYTICS_HEADERS, 200)
            if request.method != "POST":
                return empty_answer(405, "must be a POST", {"Allow": "POST, OPTIONS"})
            game_key = request.path_params.get("game_key") or request.query_params.get("game_key", "")
            now = asyncio.get_running_loop().time()
            if wait := self._rates.wait(game_key, self._rates.sender(request), now):
                self._tell("429", "requests were turned down (429): more come from an address than --rate-limit allows")
                return empty_answer(429, "too many requests of this game from this address", {"Retry-After": str(wait)})
            try:
                with self._held.share() as hold:
                    body = await bodies.read_body(request, self._drop, hold)
                    authorization = request.headers.get("authorization", "").encode("latin-1")
                    is_checked = self._games.admit(game_key, body, authorization, foreign=is_foreign(request.scope))
                    admitted = _Admitted(game_key, body, is_checked)

                    async def answer_after(delay: float) -> Response:
                        found = await handle(request, admitted)
                        await asyncio.sleep(delay)
                        return found

                    return await self._faults.around(request, f"gameanalytics/{name}", answer_after, _fault_answer)
            except (NotLetIn, bodies.TooLarge, bodies.BadBody, bodies.Busy, bodies.Gone) as error:
                return self._turned_down(error)

        return Route(path, endpoint, methods=bodies.METHODS)

    def _turned_down(self, error: Exception) -> Response:
        if isinstance(error, NotLetIn):
            return empty_answer(error.status, str(error))
        if isinstance(error, bodies.TooLarge):
            self._tell("413", f"a request was turned down (413): {_LIMITS}")
            return answer(413, {"error": "request entity too large", "reason": _LIMITS})
        if isinstance(error, bodies.BadBody):
            self._tell("400", f"a request was turned down (400): {error}")
            return answer(400, {"error": "bad request", "reason": str(error)})
        if isinstance(error, bodies.Busy):
            return _try_later("too many large requests at once")
        return Response(status_code=400)  # nobody reads it

    # --- init -----------------------------------------------------------------------------------------

    async def _init(self, request: Request, admitted: _Admitted) -> Response:
        event = bodies.decode_object(bodies.unpack(admitted.body, _encoding(request)))
        _check_init(event, ("platform", "os_version", "sdk_version"))
        enabled = self._settings.of(admitted.game_key).enabled
        return answer(200, {"enabled": enabled, "server_ts": int(clock.wall_now()), "flags": []})

    async def _remote_configs(self, request: Request, admitted: _Admitted) -> Response:
        event = bodies.decode_object(bodies.unpack(admitted.body, _encoding(request)))
        _check_init(event, ("user_id", "platform", "os_version", "sdk_version"))
        query = request.query_params
        interval = _whole_number("interval_seconds", query.get("interval_seconds", ""))
        versions = _whole_number("config_vsn_supported", query.get("config_vsn_supported", "")) >= 3
        now = int(clock.wall_now())
        settings = self._settings.of(admitted.game_key)
        chosen = query.get("ab_variant_id", "")
        configs = settings.answer(event["user_id"], now, now + interval, versions=versions, chosen=chosen)
        common: dict[str, Any] = {"server_ts": now}
        if not settings.enabled:  # official SDKs read this only from the other init, our tracker from both
            common["enabled"] = False
        if query.get("configs_hash") == configs["configs_hash"]:
            return answer(200, common)
        return answer(201, {**common, **configs})

    # --- events ---------------------------------------------------------------------------------------

    async def _events(self, request: Request, admitted: _Admitted) -> Response:
        received_at = clock.wall_now()
        game_key, encoding = admitted.game_key, _encoding(request)
        country = self._country(request, admitted)

        def work(light: bool) -> tuple[Submission, list[validation.Rejection]]:
            taken = take_apart(game_key, received_at, admitted.body, encoding, light=light, lenient=self._lenient)
            return (located(taken[0], country), taken[1]) if country else taken

        sender = (self._rates.sender(request), game_key)
        async with self._lanes.run(sender, work) as (submission, rejected):
            if submission.accepted or rejected:
                try:
                    await asyncio.wrap_future(self._store.submit(submission))
                except StoreFull as error:
                    return _try_later(str(error))
                except Exception as error:  # noqa: BLE001 - not acknowledged, so the sender keeps the events
                    self._tell("cannot store", f"cannot store events: {error}. Senders are told to try again")
                    return _try_later("cannot store events")
        if not rejected:
            return answer(200, {})
        for category, _, errors in rejected:
            self._tell(f"rejected {category}", f"rejected {category}: {errors[0]['reason']}")
        return answer(400, [{"event": msgspec.Raw(raw), "errors": errors} for _, raw, errors in rejected])

    def _country(self, request: Request, admitted: _Admitted) -> str:
        """Return the country of the player; the address is not used for anything else.

        A sender whose signature was checked may name the player's address. Source: REST v2, Server Implementation.
        """
        forwarded = request.headers.getlist("x-forwarded-for") if admitted.is_checked else []
        peer = request.client.host if request.client else ""
        return self._countries.of(",".join(forwarded) if forwarded else None, peer)


def located(submission: Submission, country: str) -> Submission:
    """Put the country into each accepted event of a request."""
    accepted = [(event, countries.with_country(event, raw, country)) for event, raw in submission.accepted]
    return replace(submission, accepted=accepted, body=batches.join(raw for _, raw in accepted))


def take_apart(
    game_key: str, received_at: float, body: bytes, encoding: str, *, light: bool, lenient: bool = False
) -> tuple[Submission, list[validation.Rejection]]:
    """Unpack and check the events of a request; on a thread of `Lanes`."""
    try:
        unpacked = bodies.unpack(body, encoding, MAX_LIGHT_BYTES if light else bodies.MAX_UNPACKED_BYTES)
        values = bodies.count_values(unpacked, MAX_LIGHT_VALUES if light else bodies.MAX_VALUES)
        most_fault_answers = MAX_LIGHT_REFUSALS if light else validation.MAX_REFUSALS
        accepted, rejected = validation.sort_out(unpacked, most_fault_answers, lenient=lenient)
    except bodies.TooLarge:
        if light:
            raise Heavy from None
        raise
    submission = Submission(
        game_key=game_key,
        received_at=received_at,
        accepted=accepted,
        rejected=[RejectedEvent(one[0], one[1], msgspec.json.encode(one[2]).decode()) for one in rejected],
        size=2 * len(unpacked) + validation.VALUE_BYTES * values,
        body=b"" if rejected else body,
    )
    return submission, rejected


def answer(status: int, content: Any) -> Response:
    """Make a JSON answer with the service's headers."""
    return json_response(content, status, GAMEANALYTICS_HEADERS)


def empty_answer(status: int, reason: str, headers: Mapping[str, str] | None = None) -> Response:
    """Make an answer with an empty body, after which official SDKs keep the events."""
    return Response(b"", status, {**GAMEANALYTICS_HEADERS, REASON_HEADER: reason, **(headers or {})})


def _fault_answer(reason: str) -> Response:
    return answer(200, {"error": reason})


def _try_later(reason: str) -> Response:
    return with_retry_after(empty_answer(503, reason))


_LIMITS = (
    f"at most {bodies.MAX_BODY_BYTES} bytes, {bodies.MAX_UNPACKED_BYTES} unpacked, {validation.MAX_EVENTS} events,"
    f" {bodies.MAX_VALUES} values and {validation.MAX_REFUSALS} rejected events: send smaller batches"
)


def _encoding(request: Request) -> str:
    return str(request.headers.get("content-encoding", ""))


def _whole_number(name: str, text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise bodies.BadBody(f"{name} must be a whole number of 0 or more")
    return int(text)


def _check_init(event: Mapping[str, Any], names: tuple[str, ...]) -> None:
    try:
        for name in names:
            if event.get(name) is None:
                raise bodies.BadBody(f"{name} is required")
            FIELDS[name].check(name, event[name])
    except InvalidEvent as error:
        raise bodies.BadBody(str(error)) from error
