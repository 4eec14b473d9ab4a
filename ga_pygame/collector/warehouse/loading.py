"""Read requests of the log and unpack them into a file that DuckDB can read, also ahead on a thread of its own."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from ga_pygame.collector import bodies
from ga_pygame.collector.storage import batches

MAX_TRANSACTION_BYTES = 64 * 2**20
"""Bytes of JSON that are projected at once; a request that exceeds it is the last one."""


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
        path: Its path.
        told: What is known of each request in it, without the JSON.
        has_unreadable: Whether the events of a request could not be read.
        size: Bytes of JSON.
    """

    def __init__(self, pieces: Iterable[Piece] = ()) -> None:
        self.told: list[Piece] = []
        self.has_unreadable = False
        self.size = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("events")
            self._file: IO[bytes] = os.fdopen(descriptor, "wb")
            self.path = f"/proc/self/fd/{descriptor}"
        else:
            self._folder = tempfile.TemporaryDirectory(prefix="ga_pygame_")
            self.path = str(Path(self._folder.name) / "events.json")
            self._file = Path(self.path).open("wb")  # noqa: SIM115 - `close` closes it
        for piece in pieces:
            self.add(piece)

    def add(self, piece: Piece) -> None:
        """Append the events of a request."""
        self._file.write(b"," if self.told else b"[")
        self._file.write(piece.events)
        self.told.append(piece._replace(events=b""))
        self.has_unreadable = self.has_unreadable or not piece.events
        self.size += len(piece.events)

    def end(self) -> None:
        """Write the end of the list; nothing can be appended any more."""
        self._file.write(b"]")
        self._file.flush()

    def close(self) -> None:
        """Delete the file."""
        self._file.close()
        if self._folder is not None:
            self._folder.cleanup()


class LoadedRequests(NamedTuple):
    """The next requests of the log, unpacked.

    Attributes:
        after: The id of the last event before them.
        requests: As the log has them.
        file: Their events.
    """

    after: int
    requests: Sequence[StoredRequest]
    file: EventsFile

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

    def load(self, read: Callable[[int], list[StoredRequest]], after: int) -> LoadedRequests:
        """Return the next requests after an event, which may have been loaded ahead.

        Args:
            read: Reads those after an id, as many as are to be loaded at once.
            after: The id of the event.
        """
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            loaded = ahead.result()
            if loaded.after == after:
                return loaded
            loaded.file.close()
        return load_requests(read(after), after)

    def load_ahead(self, requests: list[StoredRequest], after: int) -> None:
        """Begin to load the requests after an event."""
        self._ahead = self._pool.submit(load_requests, requests, after)

    def forget(self) -> None:
        """Drop what was loaded ahead."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead.exception() is None:
            ahead.result().file.close()


def load_requests(requests: list[StoredRequest], after: int) -> LoadedRequests:
    """Unpack requests until their JSON has `MAX_TRANSACTION_BYTES`; any thread may.

    Args:
        requests: From the log, in order.
        after: The id of the last event that is not wanted; a part of the first request may be before it.
    """
    file = EventsFile()
    taken = 0
    for request in requests:
        for piece in unpack_request(request, after):
            file.add(piece)
        taken += 1
        if file.size >= MAX_TRANSACTION_BYTES:
            break
    file.end()
    return LoadedRequests(after, requests[:taken], file)


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
