"""The routes of POGR's intake, at `/v1/intake`.

Observed in its clients: every call is a POST; a body is JSON whatever its Content-Type says; init and end may have no
body; the headers' names contain underscores; an answer is `{"success": …}` with a line break at the end. What POGR does
not document (status codes of refusals, unknown tags, limits) is our choice, in `checks` and here.
A row is acknowledged after its commit. Bearer tokens, tickets and keys are not stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ga_pygame import clock
from ga_pygame.collector import bodies
from ga_pygame.collector.emulators.faults import Faults
from ga_pygame.collector.emulators.pogr import checks as pogr_checks
from ga_pygame.collector.emulators.pogr import store as pogr_store
from ga_pygame.collector.emulators.writes import commit_change, count_refused
from ga_pygame.collector.responses import preflight, with_retry_after
from ga_pygame.collector.storage.store import Store, StoreFull
from ga_pygame.collector.teller import Tell

PREFIX = "/v1/intake"
POGR_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, OPTIONS",
    "Access-Control-Allow-Headers": "POGR_CLIENT, POGR_BUILD, INTAKE_SESSION_ID, ACCESS_KEY, SECRET_KEY, POGR_ACCESS,"
    " POGR_SECRET, Content-Type, Content-Encoding, Authorization, X-Requested-With",
    "Access-Control-Expose-Headers": "Retry-After",
}
MAX_POGR_ID = 512
"""Characters of a client's, a build's or a player's id; a longer one is refused."""
_ID_NAMES = {"event": "event_id", "logs": "log_id", "metrics": "metric_id", "monitor": "monitor_id"}
_KEY_PAIRS = (("access_key", "secret_key"), ("pogr_access", "pogr_secret"))


@dataclass(frozen=True, slots=True)
class PogrOptions:
    """The options of the emulator.

    Attributes:
        clients: The builds that may call, by client; if there are none, any client and build may.
        lenient: Accept unknown tags and wrong times with a note.
        unknown_session_status: The status for an unknown or ended session, which POGR does not document.
    """

    clients: Mapping[str, frozenset[str]] = field(default_factory=dict)
    lenient: bool = False
    unknown_session_status: int = 401


def parse_clients(texts: list[str]) -> dict[str, frozenset[str]]:
    """Parse clients from `ID:BUILD` each; a client may have several builds.

    Raises:
        ValueError: One is not of this form; the message does not repeat it.
    """
    clients: dict[str, frozenset[str]] = {}
    for text in texts:
        client, _, build = text.partition(":")
        if not client or not build:
            raise ValueError("must be a client id and a build id, neither empty: ID:BUILD")
        clients[client] = clients.get(client, frozenset()) | {build}
    return clients


class _Refusal(Exception):
    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status


class PogrRoutes:
    """The routes of the intake.

    Args:
        store: Stores sessions and rows.
        options: The options of the emulator.
        faults: Faults for the next requests.
        held: Counts the bytes of all bodies.
        tell: Called to tell the developer what is refused or unusual.
    """

    def __init__(
        self,
        store: Store,
        options: PogrOptions,
        faults: Faults,
        *,
        held: bodies.Held,
        tell: Tell,
    ) -> None:
        self._store = store
        self._options = options
        self._faults = faults
        self._held = held
        self._tell = tell

    def routes(self) -> list[Route]:
        """Return routes for everything below the prefix, so that a wrong path gets POGR's form of answer too."""
        return [
            Route(PREFIX, self._serve, methods=bodies.METHODS),
            Route(PREFIX + "/{command:path}", self._serve, methods=bodies.METHODS),
        ]

    async def _serve(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return preflight(request, POGR_HEADERS)
        command = request.path_params.get("command", "")
        with self._held.share() as hold:
            try:
                body = await bodies.read_body(request, self._faults.drop, hold)
            except bodies.TooLarge:
                return await self._refused(_Refusal(413, f"the body is over {bodies.MAX_BODY_BYTES} bytes"))
            except bodies.Busy:
                return _pogr_busy()
            except bodies.Gone:
                return Response(status_code=400)  # nobody reads it

            async def handle(delay: float) -> Response:
                answer = await self._handle(request, command, body)
                await asyncio.sleep(delay)
                return answer

            return await self._faults.around(request, f"pogr/{command}", handle, lambda text: _failure(200, text))

    async def _handle(self, request: Request, command: str, body: bytes) -> Response:
        try:
            if command not in ("init", "end") and command not in pogr_store.KINDS:
                raise _Refusal(404, f"there is no {PREFIX}/{command[:64]}")
            if request.method != "POST":
                raise _Refusal(405, f"{command} must be a POST")
            try:
                body = bodies.unpack(body, request.headers.get("content-encoding", ""))
                fields = bodies.decode_fields(body) if body or command not in ("init", "end") else {}
            except bodies.TooLarge as error:
                raise _Refusal(413, f"the body unpacks to more than {bodies.MAX_OBJECT_BYTES} bytes") from error
            except bodies.BadBody as error:
                raise _Refusal(400, str(error)) from error
            if command == "init":
                return await self._init(request, fields, len(body))
            if command == "end":
                return await self._end(request)
            return await self._row(request, command, fields, body)
        except _Refusal as refusal:
            return await self._refused(refusal)
        except StoreFull:
            return _pogr_busy()
        except Exception as error:  # noqa: BLE001 - not acknowledged, so the sender keeps the row
            self._tell("cannot store", f"cannot store POGR's rows: {error}. Senders are told to try again")
            return _pogr_busy()

    async def _init(self, request: Request, fields: Mapping[str, Any], size: int) -> Response:
        client, build = self._pair(request, 400)
        association = fields.get("association_id")
        if association is not None and not (isinstance(association, str) and len(association) <= MAX_POGR_ID):
            raise _Refusal(400, f"association_id must be a string of at most {MAX_POGR_ID} characters")
        identity = "none"
        if association:
            identity = "association"
        elif request.headers.get("authorization", "").startswith("Bearer "):
            identity = "jwt"
        elif fields.get("steam_auth_ticket") or request.query_params.get("steam_ticket"):
            identity = "steam"
        session_id = await commit_change(
            self._store, pogr_store.begin(client, build, association or None, identity), size
        )
        return _success({"session_id": session_id})

    async def _end(self, request: Request) -> Response:
        session_id = request.headers.get("intake_session_id", "")
        if not session_id:
            raise _Refusal(401, "INTAKE_SESSION_ID missing: end needs the session's id")
        problem = await commit_change(self._store, pogr_store.end(session_id), 0)
        if problem:
            raise _Refusal(self._options.unknown_session_status, problem)
        return _success({})

    async def _row(self, request: Request, kind: str, fields: Mapping[str, Any], body: bytes) -> Response:
        session_id = self._sender(request)
        now = clock.wall_now()
        try:
            at, notes = pogr_checks.check_row(kind, fields, now, lenient=self._options.lenient)
        except pogr_checks.RowRefused as error:
            raise _Refusal(400, str(error)) from error
        for note in notes:
            self._tell(f"POGR {kind}", f"POGR {kind}: {note}")
        row = pogr_store.NewRow(clock.new_id(), session_id, kind, now, at, tuple(notes), body)
        problem = await commit_change(self._store, pogr_store.add(row), len(body))
        if problem:
            raise _Refusal(self._options.unknown_session_status, problem)
        ids = {"data_id": row.row_id}
        if kind in _ID_NAMES:
            ids[_ID_NAMES[kind]] = row.row_id
        return _success(ids)

    def _sender(self, request: Request) -> str | None:
        """Return the session id, or `None` if keys are sent in its place; checked in the order of POGR's Go SDK."""
        headers = request.headers
        session_id: str = headers.get("intake_session_id", "")
        if session_id:
            return session_id
        if any(headers.get(key) and headers.get(secret) for key, secret in _KEY_PAIRS):
            return None
        if headers.get("pogr_client") or headers.get("pogr_build"):
            self._pair(request, 401)
            return None
        raise _Refusal(401, "INTAKE_SESSION_ID missing: call init first")

    def _pair(self, request: Request, missing_status: int) -> tuple[str, str]:
        client, build = request.headers.get("pogr_client", ""), request.headers.get("pogr_build", "")
        if not client or not build:
            missing = " and ".join(n for n, v in (("POGR_CLIENT", client), ("POGR_BUILD", build)) if not v)
            raise _Refusal(missing_status, f"{missing} missing (a proxy may have dropped headers with underscores)")
        if len(client) > MAX_POGR_ID or len(build) > MAX_POGR_ID:
            raise _Refusal(missing_status, f"POGR_CLIENT and POGR_BUILD have at most {MAX_POGR_ID} characters")
        clients = self._options.clients
        if clients and build not in clients.get(client, ()):
            raise _Refusal(401, "this collector does not know the client and its build")
        return client, build

    async def _refused(self, refusal: _Refusal) -> Response:
        self._tell(f"POGR {refusal.status}", f"POGR refused: {refusal}")
        await count_refused(self._store, "pogr")
        answer = _failure(refusal.status, str(refusal))
        if refusal.status == 405:
            answer.headers["Allow"] = "POST, OPTIONS"
        return answer


def _pogr_answer(status: int, content: Mapping[str, Any]) -> Response:
    return Response(msgspec.json.encode(content) + b"\n", status, POGR_HEADERS, media_type="application/json")


def _success(payload: Mapping[str, Any]) -> Response:
    return _pogr_answer(200, {"success": True, "payload": payload})


def _failure(status: int, error: str) -> Response:
    return _pogr_answer(status, {"success": False, "error": error})


def _pogr_busy() -> Response:
    return with_retry_after(_failure(503, "the collector cannot write now: try again"))
