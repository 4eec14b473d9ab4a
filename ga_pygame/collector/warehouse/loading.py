"""Load requests of the log into a temporary table of DuckDB, the next ones on a second thread meanwhile."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple

import duckdb
import msgspec

from ga_pygame.collector import bodies
from ga_pygame.collector.storage import batches
from ga_pygame.collector.warehouse.database import sql_text
from ga_pygame.rules import HITCHES_FIELD, SECONDS_FIELD, SENT_BY_FIELD, SERVER, WHO_FIELD

MAX_TRANSACTION_BYTES = 64 * 2**20
"""Bytes of JSON that are projected at once; a request that exceeds it is the last one."""

MAX_PROJECTED_EVENT_BYTES = 4 * 2**20
"""Bytes of an event's JSON; a larger one, which only a damaged log has, is left out. DuckDB allocates that much."""
_FIELDS = """
    category client_ts user_id session_id session_num platform os_version device build custom_01 custom_02 custom_03
    ab_id ab_variant_id country_code event_id value score attempt_num amount currency cart_type length severity
    message fps fps_data_table frame_ms_p99 mem_mb ad_action ad_type ad_placement error_category error_area error_action
""".split()
"""The fields that are read. As texts, because other SDKs send odd values; those that do not fit become NULL."""
_COUNT_SENT = "SELECT count(*), countIf(id IS NOT NULL AND category IS NOT NULL), count(fps_data_table) FROM sent"


class StoredRequest(NamedTuple):
    """A request of the log, as the log has it."""

    last_id: int
    number: int
    game: int
    received_at: float
    body: object


class Piece(NamedTuple):
    """A request of the log, or a part of one.

    Attributes:
        first_id: The id of its first event.
        number: Of events.
        game: The log's id of the game.
        received_at: Seconds since 1970.
        events: JSON of the events, joined by commas; empty if they cannot be read.
    """

    first_id: int
    number: int
    game: int
    received_at: float
    events: bytes

    @property
    def last_id(self) -> int:
        """The id of its last event."""
        return self.first_id + self.number - 1


class EventsFile:
    """A file with events as one JSON list, which DuckDB reads by its path; on Linux it is in memory only.

    Attributes:
        told: What is known of each request in it, without the JSON.
        has_unreadable: Whether the events of a request could not be read.
        has_more: Whether the log had more requests when they were read.
    """

    def __init__(self) -> None:
        self.told: list[Piece] = []
        self.has_unreadable = False
        self.size = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("events")
            self._file: IO[bytes] = os.fdopen(descriptor, "wb")
            self._path = f"/proc/self/fd/{descriptor}"
        else:
            self._folder = tempfile.TemporaryDirectory(prefix="ga_pygame_")
            self._path = str(Path(self._folder.name) / "events.json")
            self._file = Path(self._path).open("wb")  # noqa: SIM115 - `close` closes it

    def add(self, piece: Piece) -> None:
        """Append the events of a request."""
        self._file.write(b"," if self.told else b"[")
        self._file.write(piece.events)
        self.told.append(piece._replace(events=b""))
        self.has_unreadable = self.has_unreadable or not piece.events
        self.size += len(piece.events)

    def end(self) -> str:
        """Write the end of the list and return the path of the file; nothing can be appended any more."""
        self._file.write(b"]")
        self._file.flush()
        return self._path

    def close(self) -> None:
        """Delete the file."""
        self._file.close()
        if self._folder is not None:
            self._folder.cleanup()


class LoadedRequests(NamedTuple):
    """Requests of the log whose events are in the temporary table `sent` of a connection.

    Attributes:
        after: The id of the last event before them.
        requests: As the log has them.
        connection: For one thread at a time.
        told: What is known of each request, without the JSON.
        has_more: Whether the log had more requests when they were read.
        error: What was wrong with the events; then they are not in the table.
    """

    after: int
    requests: Sequence[StoredRequest]
    connection: duckdb.DuckDBPyConnection
    told: Sequence[Piece]
    has_more: bool
    error: duckdb.Error | None

    @property
    def last_id(self) -> int:
        """The id of the last event, `after` if there is none."""
        return self.requests[-1].last_id if self.requests else self.after

    def pieces(self) -> list[Piece]:
        """Unpack the requests once more, into memory."""
        return [piece for request in self.requests for piece in unpack_request(request, self.after)]


class Loader:
    """Loads requests, the next ones on a second thread while the caller works with those before; for one thread.

    zlib and DuckDB release the GIL, so that both threads run at once.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "ga-collector-loader")
        self._ahead: Future[LoadedRequests] | None = None
        self._statements: list[duckdb.Statement] = []

    def take(self, after: int) -> LoadedRequests | None:
        """Return the requests after that event if they were loaded ahead; wait for it."""
        ahead, self._ahead = self._ahead, None
        loaded = ahead.result() if ahead is not None else None
        return loaded if loaded is not None and loaded.after == after else None

    def load_ahead(
        self, connection: duckdb.DuckDBPyConnection, requests: list[StoredRequest], has_more: bool, after: int
    ) -> None:
        """Begin to load the requests after an event; the connection is not used until they are taken."""
        self._ahead = self._pool.submit(self.load, connection, requests, has_more, after)

    def forget(self) -> None:
        """Drop what was loaded ahead, before its connection is closed."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.exception()

    def load(
        self, connection: duckdb.DuckDBPyConnection, requests: list[StoredRequest], has_more: bool, after: int
    ) -> LoadedRequests:
        """Load requests until their JSON has `MAX_TRANSACTION_BYTES`.

        Args:
            connection: It is in no transaction.
            requests: From the log, in order.
            has_more: Whether the log has more.
            after: The id of the last event that is not wanted; a part of the first request may be before it.
        """
        with contextlib.closing(EventsFile()) as file:
            taken = 0
            for request in requests:
                for piece in unpack_request(request, after):
                    file.add(piece)
                taken += 1
                if file.size >= MAX_TRANSACTION_BYTES:
                    break
            error = self._load_file(connection, file)
            has_more = has_more or taken < len(requests)
            return LoadedRequests(after, requests[:taken], connection, file.told, has_more, error)

    def load_pieces(self, connection: duckdb.DuckDBPyConnection, pieces: Sequence[Piece]) -> duckdb.Error | None:
        """Load requests that are unpacked; return what was wrong with them."""
        with contextlib.closing(EventsFile()) as file:
            for piece in pieces:
                file.add(piece)
            return self._load_file(connection, file)

    def _load_file(self, connection: duckdb.DuckDBPyConnection, file: EventsFile) -> duckdb.Error | None:
        """Make the table `sent` of the events of a file; return what was wrong with them."""
        if not file.told:
            return None
        if file.has_unreadable:
            return duckdb.DataError("a request cannot be read")
        number = sum(piece.number for piece in file.told)
        values = {
            "path": file.end(),
            "who": WHO_FIELD,
            "sent_by": SENT_BY_FIELD,
            "server": SERVER,
            "seconds": SECONDS_FIELD,
            "hitches": HITCHES_FIELD,
            "first_ids": [piece.first_id for piece in file.told],
            "numbers": [piece.number for piece in file.told],
            "games": [piece.game for piece in file.told],
            "received": [piece.received_at for piece in file.told],
        }
        try:
            if not self._statements:  # they are parsed once, since DuckDB holds the GIL meanwhile, for 3 ms
                self._statements = connection.extract_statements(_read_events())
            read, measure = self._statements
            connection.execute(read, values)
            *found, tables = connection.execute(_COUNT_SENT).fetchone() or (0, 0, 0)
            if tables:
                connection.execute(measure)
        except duckdb.Error as error:
            return error
        return None if found == [number, number] else duckdb.DataError(f"of {number} events {found} are in their JSON")


def unpack_request(request: StoredRequest, after: int = 0) -> list[Piece]:
    """Unpack a request; if a part of it is not after that id, split it and return the rest."""
    last_id, number, game, received_at, body = request
    events = b""
    if isinstance(body, bytes):
        with contextlib.suppress(bodies.BadBody, bodies.TooLarge):
            encoding = "gzip" if body.startswith(bodies.GZIP_MAGIC) else ""
            events = bodies.unpack(body, encoding, bodies.MAX_STORED_BYTES).strip()[1:-1]
    piece = Piece(last_id - number + 1, number, game, received_at, events)
    if piece.first_id > after:
        return [piece]
    return [one for one in split_piece(piece) if one.first_id > after]


def split_piece(piece: Piece) -> list[Piece]:
    """Split a request into its events; one that cannot be split stays whole, without its JSON."""
    raws = batches.split_batch(b"[" + piece.events + b"]")
    if raws is None or len(raws) != piece.number:
        return [piece._replace(events=b"")]
    return [
        piece._replace(first_id=first_id, number=1, events=raw) for first_id, raw in enumerate(raws, piece.first_id)
    ]


def rewrite_piece(piece: Piece) -> list[Piece]:
    """Split a request into its events, each with its JSON written anew: DuckDB refuses a name that occurs twice."""
    found = []
    for one in split_piece(piece):
        with contextlib.suppress(msgspec.MsgspecError, RecursionError):
            one = one._replace(events=msgspec.json.encode(msgspec.json.decode(one.events)))  # noqa: PLW2901
        found.append(one)
    return found


def _read_events() -> str:
    """Return the statements that read the events of a file."""
    columns = {**dict.fromkeys(_FIELDS, "VARCHAR"), "custom_fields": "JSON"}
    return sql_text("sent.sql").replace("{columns}", str(columns)).replace("{longest}", str(MAX_PROJECTED_EVENT_BYTES))
