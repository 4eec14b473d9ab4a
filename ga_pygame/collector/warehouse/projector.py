"""Project the log into the warehouse: new requests of the collector's file become rows of DuckDB's tables.

DuckDB parses the JSON; no event is decoded in Python. The id of the last projected event is written in the same
transaction as the rows. So after a crash nothing is missing and nothing is there twice, and if the file is missing,
damaged, of another version, time zone or log, all is projected anew.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import IO, NamedTuple

import duckdb
import msgspec

from ga_pygame import rules
from ga_pygame.collector import bodies
from ga_pygame.collector.storage import batches
from ga_pygame.collector.storage.reading import Reader
from ga_pygame.collector.storage.removal import kept_first_days
from ga_pygame.collector.storage.schema import SELECT_LAST_ID, StoreError
from ga_pygame.collector.teller import Tell
from ga_pygame.collector.warehouse.database import UTC, Database, NotReady, Projected, sql_text, statements
from ga_pygame.collector.warehouse.retention import insert_first_days

EVENTS_PER_TRANSACTION = 122_880
"""Events that are projected at once: a row group of DuckDB, which goes into its file without its write-ahead log."""
MAX_TRANSACTION_BYTES = 64 * 2**20
"""Bytes of JSON that are projected at once; a request that exceeds it is the last one."""
MAX_PROJECTED_EVENT_BYTES = 4 * 2**20
"""Bytes of an event's JSON; a larger one, which only a damaged log has, is left out. DuckDB allocates that much."""
SECONDS_BETWEEN_LOOKS = 1.0
"""Time between two looks for new requests when all are projected."""
MAX_DAMAGED_TRIES = 2
"""Tries that end with a damaged file; then it is made anew."""
SECONDS_AFTER_TROUBLE = 5.0
"""Time until the next try if the file cannot be used."""

_CONTEXT_COLUMNS = "build, platform, os_version, device, custom_01, custom_02, custom_03, ab_id, ab_variant_id, who"
_NAME_COLUMNS = "category, name, currency"
"""Which of `names` an event has: these tell them apart, the others are parts of them."""
_MOMENT = "make_timestamp(coalesce(least(told_at - ahead, arrived), arrived) * 1000000 + id % 1000000)"
"""The time of an event, corrected by its request's clock; the microseconds keep the order of arrival."""
_FIELDS = """
    category client_ts user_id session_id session_num platform os_version device build custom_01 custom_02 custom_03
    ab_id ab_variant_id event_id value score attempt_num amount currency cart_type length severity message fps
    fps_data_table frame_ms_p99 mem_mb ad_action ad_type ad_placement error_category error_area error_action
""".split()
"""The fields that are read. As texts, because other SDKs send odd values; those that do not fit become NULL."""
_NEXT = "SELECT id, number, game_id, received_at, body FROM batches WHERE id > ? AND number > 0 ORDER BY id"


class Progress(NamedTuple):
    """How far the projection is.

    Attributes:
        done: Events up to the last projected one, accepted and rejected.
        all: Events of the log, accepted and rejected.
        left_out: Events that could not be projected.
    """

    done: int
    all: int
    left_out: int


class _Piece(NamedTuple):
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


class Projector:
    """The worker that projects; for one thread.

    Args:
        log: A reader of the log.
        database: The warehouse.
        tell: Called to tell the developer about trouble.
    """

    def __init__(self, log: Reader, database: Database, tell: Tell) -> None:
        self._log = log
        self._database = database
        self._tell = tell
        self._state: Projected | None = None
        self._damages = 0
        self.progress = Progress(0, 0, 0)

    def follow(self, generation: int) -> None:
        """Read another file if the store has begun one."""
        if self._log.follow(generation):
            self._state = None

    def step(self, now: float) -> float:  # noqa: ARG002 - as every worker's
        """Project the next requests; return the seconds until the next step."""
        try:
            state = self._state = self._current()
            pieces = self._next(state)
            self._project(pieces)
        except (duckdb.Error, sqlite3.Error, StoreError, NotReady, OSError) as error:
            self._state = None
            self._damages += _is_damage(error)
            self._tell("warehouse", f"events are stored but cannot be projected now, it is tried again: {error}")
            return SECONDS_AFTER_TROUBLE
        self._damages = 0
        self._look()
        return 0.0 if self.progress.done < self.progress.all and pieces else SECONDS_BETWEEN_LOOKS

    def run_to_end(self, show: Callable[[Progress], None] | None = None) -> None:
        """Project all that is in the log now, for a program that asks once.

        Args:
            show: Called with the progress after each transaction.

        Raises:
            NotReady: It cannot be projected.
        """
        while not self.step(0.0):
            if show is not None:
                show(self.progress)
        if self._state is None:
            raise NotReady("the log cannot be projected")

    # --- which log, up to where -------------------------------------------------------------------------

    def _current(self) -> Projected:
        """Return the state, of an empty warehouse if the present one is not of this log."""
        state = self._state
        if state is None:
            try:
                state = self._database.open()
            except duckdb.IOException as error:
                if "lock" in str(error):
                    raise  # another process has it open
                self._tell("warehouse", f"{self._database.path} cannot be read and is made anew: {error}")
            except duckdb.Error as error:
                self._tell("warehouse", f"{self._database.path} is damaged and is made anew: {error}")
        if state is None or self._damages >= MAX_DAMAGED_TRIES or not self._is_of_this_log(state):
            state = self.make_anew()
        return state

    def make_anew(self) -> Projected:
        """Delete the file and begin a new one, with the first days of players whose old events were removed.

        Raises:
            OSError: The old file cannot be deleted.
            duckdb.Error: The new one cannot be made.
        """
        self._state = None
        state = self._database.make_anew()
        insert_first_days(self._database, kept_first_days(self._log))
        self._state = state
        self._look()
        return state

    def _is_of_this_log(self, state: Projected) -> bool:
        """Whether the request with the last projected event is in the log."""
        if not state.last_id:
            return True
        query = "SELECT received_at FROM batches WHERE id >= ? ORDER BY id LIMIT 1"
        row = self._log.execute(query, (state.last_id,)).fetchone()
        return row is not None and row[0] == state.last_received_at

    def _look(self) -> None:
        """Note how far the projection is."""
        (newest,) = self._log.execute(SELECT_LAST_ID).fetchone()
        (accepted,) = self._log.execute("SELECT ifnull(max(id), 0) FROM batches WHERE number > 0").fetchone()
        state = self._state
        if state is not None:
            done = newest if state.last_id >= accepted else state.last_id
            self.progress = Progress(done, newest, state.left_out)

    # --- the next requests ------------------------------------------------------------------------------

    def _next(self, state: Projected) -> list[_Piece]:
        """Read the next requests."""
        pieces: list[_Piece] = []
        events = size = 0
        rows = self._log.execute(_NEXT, (state.last_id,))
        for row in rows:
            piece = _piece(*row)
            if piece.first_id <= state.last_id:  # a part of it is projected
                pieces += [one for one in _split_piece(piece) if one.first_id > state.last_id]
            else:
                pieces.append(piece)
            events += piece.number
            size += len(piece.events)
            if events >= EVENTS_PER_TRANSACTION or size >= MAX_TRANSACTION_BYTES:
                break
        rows.close()
        return pieces

    # --- into rows --------------------------------------------------------------------------------------

    def _project(self, pieces: Sequence[_Piece], *, rewritten: bool = False) -> None:
        """Project requests in one transaction; if that fails, with rewritten JSON, then in halves, down to one.

        Args:
            pieces: The requests.
            rewritten: Whether they are split into events whose JSON was rewritten.
        """
        if not pieces:
            return
        try:
            if not all(piece.events for piece in pieces):
                raise duckdb.DataError("a request cannot be read")
            self._transact(pieces)
        except duckdb.Error as error:
            with contextlib.suppress(duckdb.Error):
                self._database.writer.rollback()
            too_much = isinstance(error, duckdb.OutOfMemoryException) and len(pieces) > 1
            if not too_much and not _is_of_the_data(error):
                raise
            if not rewritten and not too_much:
                self._project([one for piece in pieces for one in _rewrite(piece)], rewritten=True)
            elif len(pieces) > 1:
                half = len(pieces) // 2
                self._project(pieces[:half], rewritten=rewritten)
                self._project(pieces[half:], rewritten=rewritten)
            else:
                self._leave_out(pieces[0], error)

    def _transact(self, pieces: Sequence[_Piece]) -> None:
        number = sum(piece.number for piece in pieces)
        zone = self._database.zone.key
        read, *others = _projection(zone)
        writer = self._database.writer
        writer.begin()
        with _json_file(pieces) as path:
            values = {"path": path, "own_paths": [f"$.{rules.WHO_FIELD}", "$.seconds"]}
            writer.execute(read, {**values, **_per_request(pieces)})
        found = writer.execute("SELECT count(*), countIf(id IS NOT NULL AND category IS NOT NULL) FROM sent").fetchone()
        if found != (number, number):
            raise duckdb.DataError(f"of {number} events {found} are in their JSON")
        for statement in others:
            writer.execute(statement, {"timezone": zone} if "$timezone" in statement else None)
        self._write_games(pieces)
        self._commit(self._sure_state(), pieces[-1], 0)

    def _write_games(self, pieces: Sequence[_Piece]) -> None:
        writer = self._database.writer
        known = {game for (game,) in writer.execute("SELECT game FROM games").fetchall()}
        for game in {piece.game for piece in pieces} - known:
            row = self._log.execute("SELECT key FROM games WHERE id = ?", (game,)).fetchone()
            writer.execute("INSERT INTO games VALUES (?, ?)", [game, row[0] if row else ""])

    def _leave_out(self, piece: _Piece, error: Exception) -> None:
        """Count events that cannot be projected and go on behind them."""
        why = type(error).__name__  # its text can have data of a player
        self._tell("left out", f"stored events that cannot be read are left out of the metrics ({why})")
        self._database.writer.begin()
        self._commit(self._sure_state(), piece, piece.number)

    def _sure_state(self) -> Projected:
        if self._state is None:
            raise NotReady("the warehouse is not open")
        return self._state

    def _commit(self, state: Projected, last: _Piece, left_out: int) -> None:
        """Write the state and commit."""
        left_out += state.left_out
        state = state._replace(last_id=last.last_id, last_received_at=last.received_at, left_out=left_out)
        writer = self._database.writer
        values = [state.last_id, state.last_received_at, state.left_out]
        writer.execute("UPDATE state SET last_id = ?, last_received_at = ?, left_out = ?", values)
        writer.commit()
        self._state = state


@cache
def _projection(timezone: str) -> list[str]:
    """Return the statements that project; those for UTC convert no times."""
    columns = {**dict.fromkeys(_FIELDS, "VARCHAR"), "custom_fields": "JSON"}
    here = "moment" if timezone == UTC else "timezone($timezone, timezone('UTC', moment))"
    text = sql_text("projection.sql")
    for name, value in {
        "columns": str(columns),
        "here": here,
        "moment": _MOMENT,
        "context": _CONTEXT_COLUMNS,
        "name": _NAME_COLUMNS,
    }.items():
        text = text.replace(f"{{{name}}}", value)
    return statements(text.replace("{longest}", str(MAX_PROJECTED_EVENT_BYTES)))


def _per_request(pieces: Sequence[_Piece]) -> dict[str, list[int] | list[float]]:
    """Return what is the same for the events of a request, request by request."""
    return {
        "first_ids": [piece.first_id for piece in pieces],
        "numbers": [piece.number for piece in pieces],
        "games": [piece.game for piece in pieces],
        "received": [piece.received_at for piece in pieces],
    }


def _piece(last_id: int, number: int, game: int, received_at: float, body: object) -> _Piece:
    """Unpack a request of the log."""
    events = b""
    if isinstance(body, bytes):
        with contextlib.suppress(bodies.BadBody, bodies.TooLarge):
            encoding = "gzip" if body.startswith(bodies.GZIP_MAGIC) else ""
            events = bodies.unpack(body, encoding, bodies.MAX_STORED_BYTES).strip()[1:-1]
    return _Piece(last_id - number + 1, number, game, received_at, events)


def _split_piece(piece: _Piece) -> list[_Piece]:
    """Split a request into its events; one that cannot be split stays whole, without its JSON."""
    raws = batches.split_batch(b"[" + piece.events + b"]")
    if raws is None or len(raws) != piece.number:
        return [piece._replace(events=b"")]
    return [
        piece._replace(first_id=first_id, number=1, events=raw) for first_id, raw in enumerate(raws, piece.first_id)
    ]


def _rewrite(piece: _Piece) -> list[_Piece]:
    """Split a request into its events, each with its JSON written anew: DuckDB refuses a name that occurs twice."""
    found = []
    for one in _split_piece(piece):
        with contextlib.suppress(msgspec.MsgspecError, RecursionError):
            one = one._replace(events=msgspec.json.encode(msgspec.json.decode(one.events)))  # noqa: PLW2901
        found.append(one)
    return found


def _is_damage(error: Exception) -> bool:
    """Whether an error comes from the content of DuckDB's file, or from a defect that another file may not have."""
    if isinstance(error, duckdb.FatalException | duckdb.InternalError):
        return True
    return isinstance(error, duckdb.Error) and any(word in str(error).lower() for word in ("checksum", "corrupt"))


def _is_of_the_data(error: duckdb.Error) -> bool:
    """Whether other events could be projected: the error is not one of the disk, of memory or of DuckDB itself."""
    if isinstance(error, duckdb.OperationalError | duckdb.ConnectionException | duckdb.InterruptException):
        return False
    return not _is_damage(error)


@contextlib.contextmanager
def _json_file(pieces: Sequence[_Piece]) -> Iterator[str]:
    """Write events into a file that DuckDB can read by its path, as one list; on Linux it is in memory only."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("events")
        with os.fdopen(descriptor, "wb") as file:
            _write_list(file, pieces)
            file.flush()
            yield f"/proc/self/fd/{descriptor}"
        return
    with tempfile.TemporaryDirectory(prefix="ga_pygame_") as folder:
        path = Path(folder) / "events.json"
        with path.open("wb") as file:
            _write_list(file, pieces)
        yield str(path)


def _write_list(file: IO[bytes], pieces: Sequence[_Piece]) -> None:
    for at, piece in enumerate(pieces):
        file.write(b"," if at else b"[")
        file.write(piece.events)
    file.write(b"]")
