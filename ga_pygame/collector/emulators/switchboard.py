"""The switchboard of the services' emulators: `/_emu`, with the same access rules as the page's data.

GET  /_emu/state                                    the state of both services
POST /_emu/reset  {"service": "trophy"}             delete it (without a body: of both)
POST /_emu/clock  {"days": 1}                       shift Trophy's clock; {"reset": true} resets it
POST /_emu/fail   {"route": "pogr", "status": 500}  faults, see `faults`; DELETE removes those that wait
POST /_emu/chaos  {"mode": "offline"}               a fault for all requests, see `chaos`; DELETE ends it
"""

from __future__ import annotations

import dataclasses
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ga_pygame import clock
from ga_pygame.collector import bodies
from ga_pygame.collector.emulators.chaos import Chaos
from ga_pygame.collector.emulators.faults import FaultError, Faults
from ga_pygame.collector.emulators.pogr import store as pogr_store
from ga_pygame.collector.emulators.trophy import reads as trophy_reads
from ga_pygame.collector.emulators.trophy.rules import Rules
from ga_pygame.collector.emulators.trophy.state import TrophyState, json_number, now_of, shift_of
from ga_pygame.collector.emulators.writes import commit_change
from ga_pygame.collector.responses import json_response
from ga_pygame.collector.storage import counts
from ga_pygame.collector.storage.reading import Asker
from ga_pygame.collector.storage.store import Store

MAX_SHOWN = 1000
MAX_SHIFT_SECONDS = 3660 * 86400.0
MAX_SWITCHBOARD_BYTES = 100_000
"""Bytes of a request to the switchboard; a larger one is answered with 413."""
MAX_STATE_BYTES = 2**20
"""Bytes of rows in the answer of `/_emu/state`; older rows are left out."""


@dataclass(frozen=True, slots=True)
class Player:
    """A Trophy user with totals, streak, points, levels and achievements."""

    user_id: str
    name: str | None
    tz: str | None
    totals: dict[str, float | int]
    streak: int
    points: dict[str, int]
    levels: dict[str, str]
    achievements: list[str]


@dataclass(frozen=True, slots=True)
class Board:
    """A leaderboard with its best players."""

    key: str
    name: str
    rankings: list[dict[str, Any]]


class EmulatorFile(NamedTuple):
    """The file of the emulators' state, and Trophy's rules."""

    path: Path
    rules: Rules


class Services:
    """The state of the two services, for the page and for `/_emu/state`."""

    def __init__(self, reader: sqlite3.Connection, rules: Rules) -> None:
        self._db = reader
        self._rules = rules

    def pogr_sessions(self, limit: int) -> list[pogr_store.StoredPogrSession]:
        """Read the sessions that began last, newest first."""
        return pogr_store.newest_sessions(self._db, limit)

    def pogr_rows(
        self, limit: int, most_bytes: int = 2**31, total_bytes: int = 2**31
    ) -> list[pogr_store.StoredPogrRow]:
        """Read the newest rows; see `pogr_store.newest_rows`."""
        return pogr_store.newest_rows(self._db, limit, most_bytes, total_bytes)

    def summary(self) -> dict[str, Any]:
        """Read the counts of both services."""
        return {"pogr": counts.pogr(self._db), "trophy": counts.trophy(self._db)}

    def players(self, limit: int) -> list[Player]:
        """Read the users that changed last, newest first."""
        state = TrophyState(self._db, self._rules)
        achievements = {one.key: one.name for one in self._rules.all_achievements()}
        found = []
        query = "SELECT user_id, name, tz FROM trophy_users ORDER BY updated DESC, id DESC LIMIT ?"
        for user_id, name, tz in self._db.execute(query, (limit,)).fetchall():
            totals = self._db.execute(
                "SELECT metric, total FROM trophy_totals WHERE user_id = ? ORDER BY 1", (user_id,)
            )
            points = {key: state.points.total(user_id, key) for key in self._rules.points}
            levels = {key: system.level_at(points[key]) for key, system in self._rules.points.items()}
            done = state.completions(user_id)
            known = [key for key in achievements if key in done]
            found.append(
                Player(
                    user_id=user_id,
                    name=name,
                    tz=tz,
                    totals={metric: json_number(total) for metric, total in totals},
                    streak=state.streak(user_id)["length"],
                    points=points,
                    levels={key: level.name for key, level in levels.items() if level is not None},
                    achievements=[achievements[key] for key in sorted(known, key=lambda key: done[key][1])],
                )
            )
        return found

    def boards(self, limit: int) -> list[Board]:
        """Read the leaderboards with their best players."""
        boards = TrophyState(self._db, self._rules).boards
        return [
            Board(key, board.name, boards.rankings(board, 0, min(limit, board.max_participants)))
            for key, board in self._rules.leaderboards.items()
        ]

    def points_name(self, key: str) -> str:
        """Return the name of a points system."""
        return self._rules.points[key].name


class _Forgets(Protocol):
    def forget(self) -> None:
        """Reset the count of requests."""


class Switchboard:
    """The routes of the switchboard.

    Args:
        store: Writes the state of both services.
        asker: Reads the same file.
        rules: Trophy's rules.
        faults: The faults that wait.
        chaos: The fault of all requests.
        trophy: Trophy's routes, of which a reset clears the count of requests.
    """

    def __init__(
        self, store: Store, asker: Asker, rules: Rules, faults: Faults, *, chaos: Chaos, trophy: _Forgets
    ) -> None:
        self._store = store
        self._asker = asker
        self._rules = rules
        self._faults = faults
        self._chaos = chaos
        self._trophy = trophy

    def routes(self) -> list[Route]:
        """Return the five routes."""
        return [
            Route("/_emu/state", self._state, methods=["GET"]),
            Route("/_emu/reset", self._reset, methods=["POST"]),
            Route("/_emu/clock", self._clock, methods=["GET", "POST"]),
            Route("/_emu/fail", self._fail, methods=["GET", "POST", "DELETE"]),
            Route("/_emu/chaos", self._chaos_mode, methods=["GET", "POST", "DELETE"]),
        ]

    async def _state(self, request: Request) -> Response:  # noqa: ARG002
        faults = self._faults.waiting()

        def read(db: sqlite3.Connection) -> Response:
            return json_response({**_state(Services(db, self._rules)), "clock": _now(db), "faults": faults})

        return await self._asker.ask(read)

    async def _reset(self, request: Request) -> Response:
        service = (await _read_fields(request)).get("service")
        if service not in (None, "pogr", "trophy"):
            raise HTTPException(400, "service must be pogr or trophy")
        if service != "trophy":
            await commit_change(self._store, pogr_store.reset_pogr)
        if service != "pogr":
            await commit_change(self._store, trophy_reads.reset_trophy)
            self._trophy.forget()
        self._faults.clear(service)
        return json_response({"reset": service or "both"})

    async def _clock(self, request: Request) -> Response:
        if request.method == "POST":
            said = await _read_fields(request)
            wrong = said.keys() - {"days", "seconds", "reset"}
            shift = 0.0
            for name, length in (("days", 86400), ("seconds", 1)):
                amount = said.get(name, 0)
                if isinstance(amount, bool) or not isinstance(amount, int | float) or abs(amount) > MAX_SHIFT_SECONDS:
                    wrong = wrong | {name}
                    continue
                shift += amount * length
            if wrong:
                raise HTTPException(400, "give days and seconds to shift by as numbers, or reset")

            def write(db: sqlite3.Connection) -> bool:
                if said.get("reset"):
                    db.execute("DELETE FROM service_counts WHERE service = 'trophy' AND name = 'shift'")
                counts.add_count(db, "trophy", "shift", shift)
                fits = abs(shift_of(db)) <= MAX_SHIFT_SECONDS
                if not fits:
                    counts.add_count(db, "trophy", "shift", -shift)
                return fits

            if not await commit_change(self._store, write):
                raise HTTPException(400, "the clock can be shifted by ten years at most")
        return json_response(await self._asker.ask(_now))

    async def _fail(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                self._faults.set(await _read_body(request))
            except FaultError as error:
                raise HTTPException(400, str(error)) from error
        elif request.method == "DELETE":
            self._faults.clear()
        return json_response({"faults": self._faults.waiting()})

    async def _chaos_mode(self, request: Request) -> Response:
        if request.method != "GET":
            mode = (await _read_fields(request)).get("mode", "") if request.method == "POST" else ""
            try:
                self._chaos.begin(str(mode))
            except FaultError as error:
                raise HTTPException(400, str(error)) from error
        return json_response({"mode": self._chaos.mode, "requests": self._chaos.requests})


def _state(services: Services) -> dict[str, Any]:
    summary = services.summary()
    rows = services.pogr_rows(MAX_SHOWN, total_bytes=MAX_STATE_BYTES)
    return {
        "pogr": {
            **summary["pogr"],
            "newest_sessions": services.pogr_sessions(MAX_SHOWN),
            "newest_rows": [{**dataclasses.asdict(row), "json": msgspec.Raw(row.json)} for row in rows],
        },
        "trophy": {
            **summary["trophy"],
            "newest_users": services.players(MAX_SHOWN),
            "leaderboards": services.boards(MAX_SHOWN),
        },
    }


def _now(db: sqlite3.Connection) -> dict[str, Any]:
    return {"now": clock.iso(now_of(db)), "shift_seconds": shift_of(db)}


async def _read_body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_SWITCHBOARD_BYTES:
            raise HTTPException(413, "that is too much")
    return body


async def _read_fields(request: Request) -> dict[str, Any]:
    body = await _read_body(request)
    try:
        return bodies.decode_fields(body) if body else {}
    except bodies.BadBody as error:
        raise HTTPException(400, str(error)) from error
