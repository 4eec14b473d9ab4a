"""Bound the open connections: their number, the time of a request, and the parsing in one turn of the loop.

Uvicorn's protocol class has no limit for any of these: a thousand half-open requests would take all places, a request
of one byte a second would hold its place for ever, and a body in chunks of one byte would keep the loop busy while it
is parsed. The time of the parser depends on the number of lines (of heads and of chunks) more than on the bytes.
A connection that is closed here gets no answer, which every sender takes for a failed try.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from ga_pygame.collector.answers import MAX_ANSWERS_BYTES, MAX_STALLED_SECONDS, Answers
from ga_pygame.collector.bodies import Held

if TYPE_CHECKING:
    from starlette.types import ASGIApp
    from uvicorn._types import ASGI3Application

MAX_CONNECTIONS = 512
"""Connections at a time. A further one closes the one that has been quiet longest: half-open ones first, at last the
one with the most bytes to read."""
MAX_WEB_SOCKETS = 24
"""Open pages; a further one is closed."""
MAX_MESSAGE_BYTES = 64 * 2**10
"""Bytes of a message of an open page (a click, an acknowledgement); a larger one closes its socket."""
MAX_HEADER_BYTES = 32 * 2**10
"""Bytes of a request's head; a longer one is answered with 400."""
MAX_HEADER_LINES = 200
"""Lines of a request's head; a longer one is answered with 400."""
MAX_REQUEST_SECONDS = 30.0
"""Time from a request's first byte (or the connection's start) to its last byte; then the connection is closed."""
MAX_ACCEPTED_AT_ONCE = 128
"""Connections that are accepted in one turn of the loop, before any of them can be closed."""
SELECT_SOCKETS = 512
"""Sockets that `select()` takes on Windows; with more it raises. Source: CPython, FD_SETSIZE in selectmodule.c."""
OPEN_FILES_WANTED = 4096
OPEN_FILES_OF_OURS = 40
"""File handles that connections do not get: for the database, the listener, the page's files."""
PARSER_PIECE_BYTES = 16 * 2**10
"""Bytes of a connection that the parser gets in one turn of the loop."""
MAX_PIECE_LINES = 200
"""Lines of a connection that the parser gets in one turn of the loop, each 5 to 10 \u00b5s."""
MAX_LINES_PER_TURN = 400
"""Lines of all connections that the parser gets in one turn of the loop."""


def raise_file_limit() -> int:
    """Raise the process's limit of open files as far as allowed; return how many connections fit."""
    if sys.platform == "win32":
        return min(MAX_CONNECTIONS, SELECT_SOCKETS - MAX_ACCEPTED_AT_ONCE - OPEN_FILES_OF_OURS)
    import resource  # noqa: PLC0415 - not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_WANTED if hard == resource.RLIM_INFINITY else min(OPEN_FILES_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError):  # macOS has another, lower limit
            pass
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    # Half of the rest: as many again may be accepted in one turn of the loop, before one of them can be closed.
    return min(MAX_CONNECTIONS, max(4, (soft - OPEN_FILES_OF_OURS) // 2))


class Connections:
    """The open connections, ordered by the time when they last sent something; for the loop's thread."""

    def __init__(self, most: int = MAX_CONNECTIONS) -> None:
        self.most = most
        self.answers = Held(MAX_ANSWERS_BYTES)
        self._open: dict[Connection, None] = {}
        self._unparsed: dict[Connection, None] = {}
        self._lines_left = MAX_LINES_PER_TURN
        self._turn: asyncio.Handle | None = None
        self._pages: dict[asyncio.Transport, tuple[int, float]] = {}

    def protocol(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> Connection:
        """Make the protocol of a new connection; the signature is the one of Uvicorn's `http` option."""
        return Connection(self, config, server_state, app_state)

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._open

    def add(self, connection: Connection) -> None:
        """Add a new connection. If there are too many, close another one, or this one if no other may be closed."""
        self._open[connection] = None
        if len(connection.connections) > self.most:
            (self._quietest(connection) or connection).close_now()

    def heard(self, connection: Connection) -> None:
        """Move a connection that has sent something to the end of the order."""
        if connection in self._open:
            del self._open[connection]
            self._open[connection] = None

    def remove(self, connection: Connection) -> None:
        """Forget a connection."""
        self._open.pop(connection, None)
        self._unparsed.pop(connection, None)

    def feed(self, connection: Connection) -> None:
        """Have a piece of a connection's bytes parsed, in this turn of the loop if its lines are not used up."""
        if self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._next_turn)
        if connection in self._unparsed:
            return
        if self._lines_left > 0:
            self._lines_left -= connection.parse_piece()
        if connection.has_unparsed and connection in self._open:
            self._unparsed[connection] = None

    def _next_turn(self) -> None:
        """Go on where the last turn ended. A connection with more than one piece goes behind the others."""
        self._turn = None
        self._lines_left = MAX_LINES_PER_TURN
        for connection in list(self._unparsed):
            if self._lines_left <= 0:
                break
            del self._unparsed[connection]
            self.feed(connection)
        if self._unparsed and self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._next_turn)

    def drop(self, client: tuple[str, int]) -> None:
        """Close a client's connection without an answer."""
        for connection in self._of(client):
            connection.close_now()

    def sweep(self, now: float) -> None:
        """Close connections that take too long; `now` is the loop's time."""
        for connection in list(self._open):
            if connection.is_late(now):
                connection.close_now()
        for transport, before in list(self._pages.items()):
            size, since = self._pages[transport] = _unread(transport, before, now)
            if transport.is_closing():
                del self._pages[transport]
            elif size and now - since > MAX_STALLED_SECONDS:
                transport.abort()

    def watch_page(self, transport: asyncio.Transport) -> None:
        """Watch the connection of an open page. Its protocol is now a web socket's, not a `Connection`."""
        self._pages[transport] = (0, 0.0)

    def _of(self, client: tuple[str, int]) -> Iterator[Connection]:
        return (one for one in list(self._open) if one.client == client)

    def _quietest(self, new: Connection) -> Connection | None:
        """Choose the connection to close for a new one.

        In this order: one that never sent a whole request, one between two requests, one in the middle of a request.
        If all are being answered, the one with the most bytes to read.
        """
        others = [one for one in self._open if one is not new]
        waiting = [one for one in others if one.is_waiting]
        for kind in ("new", "idle"):
            for one in waiting:
                if one.kind == kind:
                    return one
        if waiting:
            return waiting[0]
        slowest = max(others, key=lambda one: one.answers.unread_bytes, default=None)
        return slowest if slowest is not None and slowest.answers.unread_bytes else None


def _unread(transport: asyncio.Transport, before: tuple[int, float], now: float) -> tuple[int, float]:
    """Return the bytes that the client has not read, and since when their number stays the same."""
    size = transport.get_write_buffer_size()
    return before if size and size == before[0] else (size, now)


class Connection(H11Protocol):
    """One connection, bounded as `Connections` says."""

    def __init__(
        self, all_of_them: Connections, config: Config, server_state: ServerState, app_state: dict[str, Any]
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._all = all_of_them
        self.answers = Answers(cast("ASGIApp", self.app), all_of_them.answers)
        self.app = cast("ASGI3Application", self.answers)
        self._unparsed = bytearray()
        self._began: float | None = None
        self._served = 0

    # --- what the loop calls ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._began = self.loop.time()
        self.answers.begin(transport, self._began)
        self._all.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.remove(self)
        self._unparsed.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._all.heard(self)
        if self._began is None:
            self._began = self.loop.time()
        self._unparsed += data
        self._feed()

    def _feed(self) -> None:
        if self.conn.their_state is not h11.DONE:  # DONE: these bytes are the next request, which waits for the answer
            self._all.feed(self)
        if self._unparsed:
            self.transport.pause_reading()

    @property
    def has_unparsed(self) -> bool:
        """Whether bytes wait that may be parsed now."""
        return bool(self._unparsed) and self.conn.their_state is not h11.DONE

    def parse_piece(self) -> int:
        """Give the parser a piece and return the number of its lines."""
        if self.transport.is_closing() or self not in self._all:
            self._unparsed.clear()
            return 0
        piece = bytes(self._unparsed[:PARSER_PIECE_BYTES])
        lines = piece.split(b"\n", MAX_PIECE_LINES)
        if len(lines) > MAX_PIECE_LINES:
            piece = piece[: len(piece) - len(lines[-1])]
        del self._unparsed[: len(piece)]
        if self._has_long_head(piece):
            self.logger.warning("A request with too many header lines")
            self.send_400_response("Too many header lines.")
            return len(lines)
        super().data_received(piece)
        if not self._unparsed and not self.flow.read_paused:
            self.transport.resume_reading()
        return len(lines)

    def _has_long_head(self, piece: bytes) -> bool:
        """Whether the head that is arriving has too many lines. The parser would process all of them in one go."""
        if self.conn.their_state is not h11.IDLE:
            return False
        head = self.conn.trailing_data[0] + piece
        if head.count(b"\n") <= MAX_HEADER_LINES:
            return False
        ends = [at for at in (head.find(b"\n\r\n"), head.find(b"\n\n")) if at >= 0]
        return head.count(b"\n", 0, min(ends, default=len(head))) > MAX_HEADER_LINES

    # --- what the server calls --------------------------------------------------------------------------

    def on_response_complete(self) -> None:
        self._served += 1
        self._began = None
        super().on_response_complete()  # goes on with a request that came meanwhile
        if self.conn.their_state is h11.SEND_BODY or self.conn.trailing_data[0] or self._unparsed:
            self._began = self.loop.time()
        if self._unparsed:
            self._feed()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        sockets = sum(not isinstance(one, Connection) for one in self.connections)
        if sockets >= MAX_WEB_SOCKETS:
            self.close_now()
            return
        self._all.remove(self)
        self._all.watch_page(self.transport)
        super().handle_websocket_upgrade(event)

    # --- what `Connections` asks ------------------------------------------------------------------------

    @property
    def is_waiting(self) -> bool:
        """Whether the connection waits for its client, not the client for an answer."""
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request
        return cycle is None or cycle.response_complete or self.conn.their_state is h11.SEND_BODY

    @property
    def kind(self) -> str:
        """`new` before its first whole request, `idle` between two requests, else `busy`."""
        if not self._served:
            return "new"
        return "idle" if self._began is None else "busy"

    def is_late(self, now: float) -> bool:
        """Whether its request takes too long to arrive, or its client reads too slowly."""
        if self.answers.is_late(now):
            return True
        arriving = self.conn.their_state in (h11.IDLE, h11.SEND_BODY)
        return arriving and self._began is not None and now - self._began > MAX_REQUEST_SECONDS

    def close_now(self) -> None:
        """Close it without an answer."""
        self._all.remove(self)
        self._unparsed.clear()
        self.transport.abort()
