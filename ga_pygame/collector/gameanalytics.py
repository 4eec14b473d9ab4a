"""GameAnalytics' server side: Collector REST v2 and remote configs v1.

Documented: the routes, the HMAC over the body as sent, one verdict per event (the valid ones of a batch are
kept), 400 with the broken rules. Seen in the field and honoured: an answer that is not 200 with a body that is
JSON makes official SDKs send again for ever, one with a body makes them forget what a failure should keep.
So success is 200 with `{}`, and a store that cannot write answers 503 with nothing in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ga_pygame import clock, rules
from ga_pygame.checks import InvalidEvent
from ga_pygame.collector import bodies, validation
from ga_pygame.collector.configs import SettingsFile
from ga_pygame.collector.games import Game
from ga_pygame.collector.store import Rejected, Store, StoreFull, Submission

OFF_LOOP_BYTES = 500_000
"""A body with more JSON than this is taken apart on a thread, so that others are answered meanwhile."""

HEADERS = {
    "X-GA-Service": "collect",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Content-Encoding, X-Requested-With",
    "Access-Control-Allow-Methods": "POST, OPTIONS",
}
RETRY_AFTER_SECONDS = "5"


class GameAnalytics:
    """The routes.

    Args:
        games: Which games may send, by key.
        store: Where events go.
        settings: What init answers.
        drop: Closes a client's connection without an answer.
        tell: Told, for the developer, what is turned down and why.
    """

    def __init__(
        self,
        games: Mapping[str, Game],
        store: Store,
        settings: SettingsFile,
        drop: Callable[[tuple[str, int]], None],
        tell: Callable[[str], None],
    ) -> None:
        self._games = games
        self._store = store
        self._settings = settings
        self._drop = drop
        self._tell = tell

    def routes(self) -> list[Route]:
        """The three routes of the service."""
        return [
            self._route("/v2/{game_key}/init", self._init),
            self._route("/v2/{game_key}/events", self._events),
            self._route("/remote_configs/v1/init", self._remote_configs),
        ]

    def _route(self, path: str, handle: Callable[[Request, Game, bytes], Awaitable[Response]]) -> Route:
        async def endpoint(request: Request) -> Response:
            if request.method == "OPTIONS":
                return _preflight(request)
            try:
                body = await bodies.read(request, self._drop)
                game_key = request.path_params.get("game_key") or request.query_params.get("game_key", "")
                game = self._games.get(game_key)
                problem = _authorize(game, body, request)
                if game is None or problem:
                    return answer(401, {"error": "unauthorized", "reason": problem})
                return await handle(request, game, body)
            except bodies.TooLarge:
                limit = (
                    f"at most {bodies.MAX_BODY_BYTES} bytes, {bodies.MAX_UNPACKED_BYTES} unpacked: send smaller batches"
                )
                return answer(413, {"error": "request entity too large", "reason": limit})
            except bodies.BadBody as error:
                return answer(400, {"error": "bad request", "reason": str(error)})
            except bodies.Gone:
                return Response(status_code=400)  # nobody reads it

        return Route(path, endpoint, methods=["POST", "OPTIONS"])

    # --- init -----------------------------------------------------------------------------------------

    async def _init(self, request: Request, game: Game, body: bytes) -> Response:
        event = bodies.decode_object(bodies.unpack(body, _encoding(request)))
        _check_init(event, ("platform", "os_version", "sdk_version"))
        enabled = self._settings.of(game.key).enabled
        return answer(200, {"enabled": enabled, "server_ts": int(clock.wall_now()), "flags": []})

    async def _remote_configs(self, request: Request, game: Game, body: bytes) -> Response:
        event = bodies.decode_object(bodies.unpack(body, _encoding(request)))
        _check_init(event, ("user_id", "platform", "os_version", "sdk_version"))
        query = request.query_params
        interval = _whole_number("interval_seconds", query.get("interval_seconds", ""))
        versions = _whole_number("config_vsn_supported", query.get("config_vsn_supported", "")) >= 3
        now = int(clock.wall_now())
        configs = self._settings.of(game.key).answer(event["user_id"], now, now + interval, versions=versions)
        if query.get("configs_hash") == configs["configs_hash"]:
            return answer(200, {"server_ts": now})
        return answer(201, {"server_ts": now, **configs})

    # --- events ---------------------------------------------------------------------------------------

    async def _events(self, request: Request, game: Game, body: bytes) -> Response:
        received_at = clock.wall_now()
        unpacked = bodies.unpack(body, _encoding(request))
        if len(unpacked) > OFF_LOOP_BYTES:
            accepted, rejected = await asyncio.to_thread(validation.sort_out, unpacked)
        else:
            accepted, rejected = validation.sort_out(unpacked)
        if accepted or rejected:
            submission = Submission(
                game_key=game.key,
                received_at=received_at,
                accepted=accepted,
                rejected=[Rejected(one[0], one[1], _encode(one[2]).decode()) for one in rejected],
                size=len(unpacked),
                body=b"" if rejected else body,
            )
            try:
                await asyncio.wrap_future(self._store.submit(submission))
            except StoreFull:
                return _try_later()
            except Exception as error:  # noqa: BLE001 - not acknowledged, so the sender keeps it
                self._tell(f"cannot store events: {error}. Senders are told to try again")
                return _try_later()
        if not rejected:
            return answer(200, {})
        for category, _, errors in rejected:
            self._tell(f"rejected {category}: {errors[0]['reason']}")
        failed = b",".join(b'{"event":' + raw + b',"errors":' + _encode(errors) + b"}" for _, raw, errors in rejected)
        return Response(b"[" + failed + b"]", 400, HEADERS, media_type="application/json")


_encode = msgspec.json.encode


def answer(status: int, content: Mapping[str, Any]) -> Response:
    """A JSON answer with the service's headers."""
    return Response(_encode(content), status, HEADERS, media_type="application/json")


def _try_later() -> Response:
    """An empty body: official SDKs keep the batch only then."""
    return Response(b"", 503, {**HEADERS, "Retry-After": RETRY_AFTER_SECONDS})


def _preflight(request: Request) -> Response:
    headers = {**HEADERS, "Access-Control-Max-Age": "86400"}
    if "access-control-request-private-network" in request.headers:
        headers["Access-Control-Allow-Private-Network"] = "true"
    return Response(b"", 200, headers)


def _encoding(request: Request) -> str:
    return str(request.headers.get("content-encoding", ""))


def _authorize(game: Game | None, body: bytes, request: Request) -> str:
    """Why a request is not let in; empty if it is."""
    authorization = request.headers.get("authorization", "").encode("latin-1")
    if game is None:
        return "this collector does not know the game key"
    if not authorization:
        return "the Authorization header is missing"
    if not game.signed(body, authorization):
        return "the Authorization does not fit the body: base64 of HMAC-SHA256 of the bytes sent, after gzip"
    return ""


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
            rules.ANNOTATIONS[name].check(name, event[name])
    except InvalidEvent as error:
        raise bodies.BadBody(str(error)) from error
