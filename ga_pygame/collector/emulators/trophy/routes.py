"""The routes of Trophy's application API, at `/v1` and, for older clients, at `/api`.

Documented: the routes, `X-API-KEY`, the answer to an event, idempotency by player, metric and key (201, then 202), five
events a second over all players together, no two events of one player and metric at the same time. What Trophy answers
beyond these limits is not fully documented; this server is strict (429, 409), so that a client must queue. An event
takes effect in one transaction and is acknowledged after it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ga_pygame import clock
from ga_pygame.collector import bodies
from ga_pygame.collector.emulators.faults import Faults
from ga_pygame.collector.emulators.trophy import users
from ga_pygame.collector.emulators.trophy.calls import READS, ApiCall
from ga_pygame.collector.emulators.trophy.points import MAX_EXACT
from ga_pygame.collector.emulators.trophy.reads import Reads
from ga_pygame.collector.emulators.trophy.rules import Rules
from ga_pygame.collector.emulators.trophy.state import MetricEvent, TrophyState, now_of
from ga_pygame.collector.emulators.trophy.users import CallRefused
from ga_pygame.collector.emulators.writes import commit_change, count_refused
from ga_pygame.collector.responses import json_response, preflight, with_retry_after
from ga_pygame.collector.storage.reading import Asker
from ga_pygame.collector.storage.store import Store, StoreFull
from ga_pygame.collector.teller import Tell

OLD_AREAS = ("achievements", "leaderboards", "metrics", "points", "streaks", "users")
"""The paths below `/api` that are Trophy's; others there are the collector's own data."""
TROPHY_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, OPTIONS",
    "Access-Control-Allow-Headers": "X-API-KEY, Idempotency-Key, Tenant-ID, X-SDK-VERSION, X-Fern-Language,"
    " X-Fern-Runtime, X-Fern-Platform, X-Fern-SDK-Name, X-Fern-SDK-Version, Content-Type, Content-Encoding",
    "Access-Control-Expose-Headers": "Retry-After",
}
MAX_TROPHY_NAME = 512

_Handler = Callable[[ApiCall], Awaitable[Response]]


class TrophyRoutes:
    """The routes of the application API.

    Args:
        store: Writes the state.
        asker: Reads the same file.
        rules: The settings of Trophy's dashboard.
        lenient: Events of one player and metric at the same time wait for each other instead of being refused.
        faults: Faults for the next requests.
        held: Counts the bytes of all bodies.
        tell: Called to tell the developer what is refused or created automatically.
    """

    def __init__(
        self,
        store: Store,
        asker: Asker,
        rules: Rules,
        *,
        lenient: bool,
        faults: Faults,
        held: bodies.Held,
        tell: Tell,
    ) -> None:
        self._store = store
        self._asker = asker
        self._rules = rules
        self._lenient = lenient
        self._faults = faults
        self._held = held
        self._tell = tell
        self._keys = {one.key: one.user for one in rules.keys}
        self._monotonic = clock.SystemClock().monotonic
        self._recent: deque[float] = deque()
        self._in_flight: set[tuple[str, str]] = set()
        self._table: list[tuple[str, tuple[str, ...], _Handler]] = [
            ("POST", ("metrics", "*", "event"), self._event),
            ("POST", ("achievements", "*", "complete"), self._complete),
            ("POST", ("users",), self._create),
            ("PUT", ("users", "*"), self._identify),
            ("PATCH", ("users", "*"), self._update),
            ("PATCH", ("users", "*", "preferences"), self._prefer),
            *(("GET", path, self._reading(read)) for path, read in READS.items()),
        ]

    def forget(self) -> None:
        """Reset the count of requests in the last second."""
        self._recent.clear()

    def routes(self) -> list[Route]:
        """Return routes for everything below `/v1`, and for Trophy's paths below `/api`."""
        return [
            Route("/v1/{path:path}", self._serve, methods=bodies.METHODS),
            *(Route(f"/api/{area}", self._serve, methods=bodies.METHODS) for area in OLD_AREAS),
            *(Route(f"/api/{area}/{{path:path}}", self._serve, methods=bodies.METHODS) for area in OLD_AREAS),
        ]

    async def _serve(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return preflight(request, TROPHY_HEADERS)
        raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
        names = [unquote(part.decode("latin-1")) for part in raw.split(b"/")[2:]]
        with self._held.share() as hold:
            try:
                body = await bodies.read_body(request, self._faults.drop, hold)
            except bodies.TooLarge:
                return await self._refused(CallRefused(413, f"the body is over {bodies.MAX_BODY_BYTES} bytes"))
            except bodies.Busy:
                return _trophy_busy()
            except bodies.Gone:
                return Response(status_code=400)  # nobody reads it

            async def handle(delay: float) -> Response:
                return await self._handle(request, names, body, delay)

            return await self._faults.around(
                request, f"trophy/{'/'.join(names)}", handle, lambda text: _trophy_error(200, text)
            )

    async def _handle(self, request: Request, names: list[str], body: bytes, delay: float) -> Response:
        try:
            only_user = self._let_in(request.headers.get("x-api-key", ""))
            handler, found = self._find(request.method, names)
            return await handler(ApiCall(request, found, body, only_user, delay))
        except CallRefused as refused:
            return await self._refused(refused)
        except StoreFull:
            return _trophy_busy()
        except Exception as error:  # noqa: BLE001 - not acknowledged, so the sender tries again
            self._tell("cannot store", f"cannot keep Trophy's state: {error}. Senders are told to try again")
            return _trophy_busy()

    def _let_in(self, key: str) -> str | None:
        """Check a key; return the user that it belongs to, if it belongs to one."""
        prefix, _, rest = key.partition(".")
        if not prefix or not rest or (self._keys and key not in self._keys):
            raise CallRefused(
                401, "X-API-KEY is missing" if not key else "X-API-KEY is not valid: it has the form part.part"
            )
        return self._keys.get(key)

    def _find(self, method: str, names: list[str]) -> tuple[_Handler, list[str]]:
        allowed = []
        for verb, path, handler in self._table:
            if len(path) == len(names) and all(one in ("*", name) for one, name in zip(path, names, strict=True)):
                found = [name for one, name in zip(path, names, strict=True) if one == "*"]
                if not all(found):
                    break
                if verb == method:
                    if any(len(name) > MAX_TROPHY_NAME for name in found):
                        raise CallRefused(422, f"a name in the path is longer than {MAX_TROPHY_NAME}")
                    return handler, found
                allowed.append(verb)
        if allowed:
            raise CallRefused(405, f"must be {' or '.join(allowed)}")
        raise CallRefused(404, f"there is no {'/'.join(names)[:100]}")

    # --- writing -----------------------------------------------------------------------------------------

    async def _event(self, call: ApiCall) -> Response:
        (metric,) = call.names
        fields = call.fields()
        user_id, user = users.checked_user(fields.get("user"), self._rules.user_attributes)
        call.mine(user_id)
        value = fields.get("value")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise CallRefused(422, "value must be a number")
        if not abs(value) <= MAX_EXACT:  # an integer may have thousands of digits: compared, not converted
            raise CallRefused(422, "value is beyond what can be counted exactly")
        attributes = fields.get("attributes")
        if attributes is not None:
            users.check_strings("attributes", attributes, self._rules.event_attributes)
        await self._check_metric(metric)
        key = call.request.headers.get("idempotency-key", "")
        if len(key) > MAX_TROPHY_NAME:
            raise CallRefused(422, f"the Idempotency-Key is longer than {MAX_TROPHY_NAME}")
        event = MetricEvent(user_id, user, metric, float(value), attributes or {}, key)
        return await self._one_at_a_time((user_id, metric), call, lambda db: TrophyState(db, self._rules).event(event))

    async def _complete(self, call: ApiCall) -> Response:
        (key,) = call.names
        user_id, user = users.checked_user(call.fields().get("user"), self._rules.user_attributes)
        call.mine(user_id)
        return await self._one_at_a_time(
            (user_id, f"achievement:{key}"), call, lambda db: TrophyState(db, self._rules).complete(key, user_id, user)
        )

    async def _check_metric(self, metric: str) -> None:
        if metric in self._rules.metrics:
            return
        if not await self._asker.ask(lambda db: TrophyState(db, self._rules).knows_metric(metric)):
            if not self._rules.auto_create:
                raise CallRefused(self._rules.unknown_metric_status, f"there is no metric {metric[:64]!r}")
            self._tell("Trophy metrics", f"Trophy: the metric {metric[:64]!r} is not in the rules and was created")

    async def _one_at_a_time(
        self, what: tuple[str, str], call: ApiCall, write: Callable[[sqlite3.Connection], tuple[int, dict[str, Any]]]
    ) -> Response:
        if not self._lenient and what in self._in_flight:
            raise CallRefused(409, "another event of this user and metric is being processed: send one at a time")
        self._check_rate()
        self._in_flight.add(what)
        try:
            status, content = await commit_change(self._store, write, len(call.body))
            await asyncio.sleep(call.delay)
        finally:
            self._in_flight.discard(what)
        if status >= 400:
            raise CallRefused(status, content["error"])
        return _trophy_answer(status, content)

    def _check_rate(self) -> None:
        most = self._rules.events_per_second
        now = self._monotonic()
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        if most and len(self._recent) >= most:
            raise CallRefused(429, f"more than {most} events in a second, over all users: put them together")
        self._recent.append(now)

    async def _create(self, call: ApiCall) -> Response:
        user_id, user = users.checked_user(call.fields(), self._rules.user_attributes)
        return await self._keep_user(call, user_id, user, 201)

    async def _identify(self, call: ApiCall) -> Response:
        user_id, user = users.checked_user(call.fields(), self._rules.user_attributes, call.names[0])
        return await self._keep_user(call, user_id, user, 200)

    async def _update(self, call: ApiCall) -> Response:
        user_id, user = users.checked_user(call.fields(), self._rules.user_attributes, call.names[0])
        return await self._keep_user(call, user_id, user, 200, must_exist=True)

    async def _keep_user(
        self, call: ApiCall, user_id: str, said: Mapping[str, Any], status: int, *, must_exist: bool = False
    ) -> Response:
        call.mine(user_id)

        def write(db: sqlite3.Connection) -> tuple[int, dict[str, Any]]:
            known = users.find(db, user_id) is not None
            if must_exist and not known:
                return 404, {"error": f"there is no user {user_id[:64]!r}"}
            if status == 201 and known:
                return 422, {"error": f"there is already a user {user_id[:64]!r}"}
            problem = users.problem(db, user_id, said, now_of(db))
            if problem:
                return 422, {"error": problem}
            users.upsert(db, user_id, said, now_of(db))
            return status, users.find(db, user_id) or {}

        return await self._finish(call, write)

    async def _prefer(self, call: ApiCall) -> Response:
        user_id = call.mine(call.names[0])
        said = call.fields()
        users.check_preferences(said)

        def write(db: sqlite3.Connection) -> tuple[int, dict[str, Any]]:
            if not users.change_preferences(db, user_id, said, now_of(db)):
                return 404, {"error": f"there is no user {user_id[:64]!r}"}
            return 200, users.preferences(db, user_id) or {}

        return await self._finish(call, write)

    async def _finish(
        self, call: ApiCall, write: Callable[[sqlite3.Connection], tuple[int, dict[str, Any]]]
    ) -> Response:
        status, content = await commit_change(self._store, write, len(call.body))
        await asyncio.sleep(call.delay)
        if status >= 400:
            raise CallRefused(status, content["error"])
        return _trophy_answer(status, content)

    # --- reading -----------------------------------------------------------------------------------------

    def _reading(self, read: Callable[[Reads, ApiCall], Any]) -> _Handler:
        async def handler(call: ApiCall) -> Response:
            answer = await self._asker.ask(lambda db: _trophy_answer(200, read(Reads(db, self._rules), call)))
            await asyncio.sleep(call.delay)
            return answer

        return handler

    async def _refused(self, refused: CallRefused) -> Response:
        self._tell(f"Trophy {refused.status}", f"Trophy refused: {refused.status} {refused}")
        await count_refused(self._store, "trophy")
        answer = _trophy_error(refused.status, str(refused))
        if refused.status == 429:
            answer.headers["Retry-After"] = "1"
        return answer


def _trophy_answer(status: int, content: Any) -> Response:
    return json_response(content, status, TROPHY_HEADERS)


def _trophy_error(status: int, text: str) -> Response:
    return json_response({"error": text}, status, TROPHY_HEADERS)


def _trophy_busy() -> Response:
    return with_retry_after(_trophy_error(503, "the collector cannot write now: try again"))
