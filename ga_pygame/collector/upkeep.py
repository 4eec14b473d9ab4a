"""What commands ask of a running collector: to import events, and to forget a player.

POST /api/import?game=KEY   a JSON list of events; they are checked by the published schemas, and need no signature
POST /api/forget            {"user_id": "..."}
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ga_pygame import clock, rules
from ga_pygame.collector import bodies
from ga_pygame.collector.gameanalytics.games import SANDBOX_GAME
from ga_pygame.collector.gameanalytics.routes import take_apart
from ga_pygame.collector.responses import RETRY_AFTER_SECONDS, json_response
from ga_pygame.collector.storage.store import StoreFull
from ga_pygame.collector.stores.contract import EventStore, Submits

MAX_GAMES_NAMED = 5
"""Games that a message lists."""


class BadImport(ValueError):
    """Events cannot be imported; the message says why and what to do."""


class Imported(NamedTuple):
    """What became of imported events.

    Attributes:
        stored: New events.
        duplicates: Events that were there already.
        rejected: For each event that breaks a rule: its place in the list and the first rule.
    """

    stored: int
    duplicates: int
    rejected: list[tuple[int, str]]


def game_to_import_for(games: Sequence[str], key: str) -> str:
    """Return the game that imported events belong to: events do not name it.

    Args:
        games: Some games of the log; `MAX_GAMES_NAMED` are enough.
        key: The game's key; "" means the only game of the log, or the sandbox' if there is none yet.

    Raises:
        BadImport: It is no game key, or none was given and there are several games.
    """
    if key:
        if not rules.game_key.compile().fullmatch(key):
            raise BadImport("a game key has 32 digits of 0-9 and a-f: give the one of the game as --game KEY")
        return key
    if len(games) > 1:
        raise BadImport(f"the collector has several games, so name the one of these events: --game {'|'.join(games)}")
    return games[0] if games else SANDBOX_GAME.key


def import_events(store: Submits, game_key: str, body: bytes) -> Imported:
    """Check a JSON list of events and store the new ones; those that break a rule are not stored.

    They are checked by the published schemas only: a lenient collector may have exported them.

    Raises:
        BadBody: It is not a JSON list.
        TooLarge: It is larger than a game's request may be.
        StoreFull: Too much waits to be stored.
        Exception: The store cannot be written.
    """
    submission, refused = take_apart(game_key, clock.wall_now(), body, "", light=False, lenient=True)
    stored = store.submit(dataclasses.replace(submission, rejected=())).result() if submission.accepted else 0
    raws = {bytes(raw): place for place, raw in enumerate(bodies.split_list(body))} if refused else {}
    rejected = [(raws.get(raw, 0), errors[0]["reason"]) for _, raw, errors in refused]
    return Imported(stored, len(submission.accepted) - stored, rejected)


class Upkeep:
    """The routes of the commands that change what is stored.

    Args:
        store: Where events are stored.
        drop: Closes a client's connection without an answer.
    """

    def __init__(self, store: EventStore, drop: Callable[[tuple[str, int]], None]) -> None:
        self._store = store
        self._drop = drop
        self._one_at_a_time = asyncio.Lock()

    def routes(self) -> list[Route]:
        """Return the two routes."""
        return [
            Route("/api/import", self._import, methods=["POST"]),
            Route("/api/forget", self._forget, methods=["POST"]),
        ]

    async def _import(self, request: Request) -> Response:
        body, game = await self._body(request), request.query_params.get("game", "")

        def work() -> Imported:
            return import_events(self._store, game_to_import_for(self._games(), game), body)

        found: Imported = await self._run(work)
        return json_response(found._asdict())

    async def _forget(self, request: Request) -> Response:
        user_id = _user_id(await self._body(request))
        forgotten = await self._run(lambda: self._store.forget(user_id))
        return json_response(forgotten._asdict())

    def _games(self) -> list[str]:
        reader = self._store.reader()
        try:
            return reader.game_keys(MAX_GAMES_NAMED)
        finally:
            reader.close()

    async def _body(self, request: Request) -> bytes:
        try:
            return await bodies.read_body(request, self._drop, lambda size: None)  # noqa: ARG005 - read one at a time
        except (bodies.TooLarge, bodies.Gone) as error:
            raise HTTPException(413, f"at most {bodies.MAX_BODY_BYTES} bytes") from error

    async def _run(self, work: Callable[[], Any]) -> Any:
        """Run work on a thread of its own; one at a time.

        Raises:
            HTTPException: It was not done (400, 413 or 503).
        """
        async with self._one_at_a_time:
            try:
                return await asyncio.to_thread(work)
            except (BadImport, bodies.BadBody) as error:
                raise HTTPException(400, str(error)) from error
            except bodies.TooLarge as error:
                raise HTTPException(413, "too large: send fewer events at once") from error
            except StoreFull as error:
                raise HTTPException(503, str(error), {"Retry-After": str(RETRY_AFTER_SECONDS)}) from error
            except Exception as error:
                raise HTTPException(503, f"not done: {error}. Try it again") from error


def _user_id(body: bytes) -> str:
    try:
        user_id = bodies.decode_fields(body).get("user_id")
    except bodies.BadBody as error:
        raise HTTPException(400, str(error)) from error
    if not isinstance(user_id, str) or not user_id:
        raise HTTPException(400, 'give the player as {"user_id": "..."}')
    return user_id
