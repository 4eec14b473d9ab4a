"""Project the log into the warehouse: new requests of the collector's file become rows of DuckDB's tables.

DuckDB parses the JSON; no event is decoded in Python. The id of the last projected event is written in the same
transaction as the rows. So after a crash nothing is missing and nothing is there twice, and if the file is missing,
damaged, of another version, time zone or log, all is projected anew.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from typing import NamedTuple

import duckdb

from ga_pygame.collector.storage.reading import Reader
from ga_pygame.collector.storage.removal import kept_first_days, number_of_removals
from ga_pygame.collector.storage.schema import SELECT_LAST_ID, StoreError
from ga_pygame.collector.teller import Tell
from ga_pygame.collector.warehouse.database import UTC, Database, NotReady, Projected, sql_text
from ga_pygame.collector.warehouse.engine_errors import (
    is_broken,
    is_corrupt,
    is_cured_by_new_file,
    is_of_the_data,
    is_of_the_machine,
)
from ga_pygame.collector.warehouse.loading import (
    MAX_TRANSACTION_BYTES,
    LoadedRequests,
    Loader,
    Piece,
    StoredRequest,
    rewrite_piece,
)
from ga_pygame.collector.warehouse.retention import insert_first_days

EVENTS_PER_TRANSACTION = 122_880
"""Events that are projected at once: a row group of DuckDB, which goes into its file without its write-ahead log."""
SECONDS_BETWEEN_LOOKS = 1.0
"""Time between two looks for new requests when all are projected."""
MAX_DAMAGED_TRIES = 2
"""Tries that end with a damaged file; then it is made anew."""
SECONDS_AFTER_TROUBLE = 5.0
"""Time until the next try if the file cannot be used."""

_CONTEXT_COLUMNS = (
    "build, platform, os_version, device, custom_01, custom_02, custom_03, ab_id, ab_variant_id, country_code, sent_by,"
    " who"
)
_NAME_COLUMNS = "category, name, currency"
"""Which of `names` an event has: these tell them apart, the others are parts of them."""
_COMMON_COLUMNS = """
id, keyed.game, keyed.player, session, keyed.context, client_ts, keyed.day, keyed.hour, name_key, custom_fields,
keyed.who
"""
"""What each table of events has first."""
_MOMENT = "make_timestamp(coalesce(least(told_at - ahead, arrived), arrived) * 1000000 + id % 1000000)"
"""The time of an event, corrected by its request's clock; the microseconds keep the order of arrival."""
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
        self._loader = Loader()
        self._statements: list[duckdb.Statement] = []
        self._state: Projected | None = None
        self._damages = 0
        self.progress = Progress(0, 0, 0)

    def follow(self, generation: int) -> None:
        """Read another file if the store has begun one."""
        if self._log.follow(generation):
            self._loader.forget()
            self._state = None

    def recover(self, error: Exception) -> None:
        """Let the next step open the file again, after a question has failed; a corrupt file is made anew."""
        self._loader.forget()
        self._state = None
        if is_corrupt(error):
            self._damages = MAX_DAMAGED_TRIES
            self._tell("warehouse", f"{self._database.path} is damaged and is made anew: {error}")
        else:
            self._tell("warehouse", f"a question has failed ({type(error).__name__}), the file is opened again")

    def close(self) -> None:
        """Drop what was read ahead, before the database is closed."""
        self._loader.forget()

    def has_events(self) -> bool:
        """Whether the log has any."""
        return self._log.execute(_NEXT, (0,)).fetchone() is not None

    def step(self, now: float) -> float:  # noqa: ARG002 - as every worker's
        """Project the next requests; return the seconds until the next step."""
        try:
            state = self._state = self._current()
            loaded = self._loader.take(state.last_id)
            if loaded is None:
                loaded = self._loader.load(self._database.writer, *self._next(state.last_id), state.last_id)
            self._load_ahead(loaded)
            self._project(loaded)
        except (duckdb.Error, sqlite3.Error, StoreError, NotReady, OSError) as error:
            self._loader.forget()
            if is_broken(error) or not is_of_the_machine(error):  # else the file stays open for questions
                self._state = None
            self._damages += is_cured_by_new_file(error)
            self._tell("warehouse", f"events are stored but cannot be projected now, it is tried again: {error}")
            self._look_behind()
            return SECONDS_AFTER_TROUBLE
        self._damages = 0
        self._look()
        return 0.0 if loaded.has_more else SECONDS_BETWEEN_LOOKS  # else what came meanwhile would be next, a few events

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
            except duckdb.Error as error:
                if is_of_the_machine(error):
                    raise
                what = "cannot be read" if isinstance(error, duckdb.IOException) else "is damaged"
                self._tell("warehouse", f"{self._database.path} {what} and is made anew: {error}")
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
        self._loader.forget()
        state = self._database.make_anew(number_of_removals(self._log))
        insert_first_days(self._database, kept_first_days(self._log))
        self._state = state
        self._look()
        return state

    def drop_removed(self) -> None:
        """Make the file anew if it may have events of a player who was removed from the log; see `make_anew`."""
        if self._state is None or not self._is_of_this_log(self._state):  # else the last step has seen the removal
            self.make_anew()

    def _is_of_this_log(self, state: Projected) -> bool:
        """Whether the request with the last projected event is in the log, and no player was removed from it since."""
        if state.removals != number_of_removals(self._log):
            return False
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

    def _look_behind(self) -> None:
        """Note how many events the log has while they cannot be projected."""
        with contextlib.suppress(sqlite3.Error, StoreError):
            (newest,) = self._log.execute(SELECT_LAST_ID).fetchone()
            self.progress = self.progress._replace(all=newest)

    # --- the next requests ------------------------------------------------------------------------------

    def _next(self, after: int) -> tuple[list[StoredRequest], bool]:
        """Read the next requests, those of `EVENTS_PER_TRANSACTION` events; return also whether there are more."""
        found: list[StoredRequest] = []
        events = size = 0
        has_more = False
        rows = self._log.execute(_NEXT, (after,))
        for row in rows:
            has_more = events >= EVENTS_PER_TRANSACTION or size >= MAX_TRANSACTION_BYTES
            if has_more:
                break
            request = StoredRequest(*row)
            found.append(request)
            events += request.number
            size += len(request.body) if isinstance(request.body, bytes) else 0
        rows.close()
        return found, has_more

    def _load_ahead(self, loaded: LoadedRequests) -> None:
        """Load the requests after these meanwhile."""
        if loaded.has_more:
            free = next(one for one in self._database.writers if one is not loaded.connection)
            self._loader.load_ahead(free, *self._next(loaded.last_id), loaded.last_id)

    # --- into rows --------------------------------------------------------------------------------------

    def _project(self, loaded: LoadedRequests) -> None:
        """Project requests in one transaction; if that fails, in several."""
        if loaded.requests and (error := loaded.error or self._try(loaded.connection, loaded.told)) is not None:
            self._project_otherwise(loaded.connection, loaded.pieces(), error)

    def _project_otherwise(
        self,
        writer: duckdb.DuckDBPyConnection,
        pieces: Sequence[Piece],
        error: duckdb.Error,
        *,
        rewritten: bool = False,
    ) -> None:
        """Project requests with rewritten JSON if they failed; if that fails too, in halves, down to one.

        Args:
            writer: The connection to use.
            pieces: The requests.
            error: How they failed.
            rewritten: Whether they are split into events whose JSON was rewritten.

        Raises:
            duckdb.Error: They failed for a reason that is not in them.
        """
        too_much = isinstance(error, duckdb.OutOfMemoryException) and len(pieces) > 1
        if not too_much and not is_of_the_data(error):
            raise error
        if not rewritten and not too_much:
            parts = [[one for piece in pieces for one in rewrite_piece(piece)]]
            rewritten = True
        elif len(pieces) > 1:
            half = len(pieces) // 2
            parts = [list(pieces[:half]), list(pieces[half:])]
        else:
            self._leave_out(writer, pieces[0], error)
            return
        for part in parts:
            failed = self._loader.load_pieces(writer, part) or self._try(writer, part)
            if failed is not None:
                self._project_otherwise(writer, part, failed, rewritten=rewritten)

    def _try(self, writer: duckdb.DuckDBPyConnection, told: Sequence[Piece]) -> duckdb.Error | None:
        """Project loaded requests in one transaction; return the error if they are not."""
        try:
            self._transact(writer, told)
        except duckdb.Error as error:
            with contextlib.suppress(duckdb.Error):
                writer.rollback()
            self._database.forget_sets()
            return error
        return None

    def _transact(self, writer: duckdb.DuckDBPyConnection, told: Sequence[Piece]) -> None:
        zone = self._database.zone.key
        if not self._statements:  # they are parsed once, since DuckDB holds the GIL meanwhile
            self._statements = writer.extract_statements(_projection(zone))
        writer.begin()
        for statement in self._statements:
            has_zone = "timezone" in statement.named_parameters
            writer.execute(statement, {"timezone": zone} if has_zone else None)
        self._write_games(writer, told)
        self._database.fit_sets(writer)
        self._commit(writer, told[-1], 0)

    def _write_games(self, writer: duckdb.DuckDBPyConnection, pieces: Sequence[Piece]) -> None:
        known = {game for (game,) in writer.execute("SELECT game FROM games").fetchall()}
        for game in {piece.game for piece in pieces} - known:
            row = self._log.execute("SELECT key FROM games WHERE id = ?", (game,)).fetchone()
            writer.execute("INSERT INTO games VALUES (?, ?)", [game, row[0] if row else ""])

    def _leave_out(self, writer: duckdb.DuckDBPyConnection, piece: Piece, error: Exception) -> None:
        """Count events that cannot be projected and go on behind them."""
        why = type(error).__name__  # its text can have data of a player
        self._tell("left out", f"stored events that cannot be read are left out of the metrics ({why})")
        writer.begin()
        self._commit(writer, piece, piece.number)

    def _commit(self, writer: duckdb.DuckDBPyConnection, last: Piece, left_out: int) -> None:
        """Write the state and commit."""
        state = self._state
        if state is None:
            raise NotReady("the warehouse is not open")
        left_out += state.left_out
        state = state._replace(last_id=last.last_id, last_received_at=last.received_at, left_out=left_out)
        values = [state.last_id, state.last_received_at, state.left_out]
        writer.execute("UPDATE state SET last_id = ?, last_received_at = ?, left_out = ?", values)
        self._database.commit(writer)
        self._state = state


def _projection(timezone: str) -> str:
    """Return the SQL that projects; that for UTC converts no times."""
    here = "moment" if timezone == UTC else "timezone($timezone, timezone('UTC', moment))"
    text = sql_text("projection.sql")
    values = {
        "here": here,
        "moment": _MOMENT,
        "context": _CONTEXT_COLUMNS,
        "name": _NAME_COLUMNS,
        "event": _COMMON_COLUMNS,
    }
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text
