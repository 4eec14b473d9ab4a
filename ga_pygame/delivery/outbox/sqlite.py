"""The outbox on disk: one SQLite file per game, shared by all running copies of the game.

A living process holds the lock file of its launch; a process that sends to a destination holds that destination's
lock file. The system frees both when the process dies, however it dies, so no timeout is needed.

All that is read is checked: a damaged line of a block is never sent, an invalid kept value counts as missing. What
SQLite itself cannot read is handled by `FailoverOutbox`.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import TypeVar

from ga_pygame import forks, kept
from ga_pygame.clock import new_id, yield_gil
from ga_pygame.delivery.outbox import data_folder, shared_memory
from ga_pygame.delivery.outbox.by_session import Rounds
from ga_pygame.delivery.outbox.contract import (
    MIN_SUM,
    Batch,
    DeadLaunch,
    LockedError,
    Rejected,
    Told,
    Transaction,
    cut,
    no_books,
    sum_record,
)
from ga_pygame.delivery.outbox.file import (
    BUSY_SECONDS,
    DamagedError,
    GoneError,
    NewerSchemaError,
    OlderSchemaError,
    connect,
    identity_of,
    keep_rejected,
    read_values,
    reading,
    transaction,
    translated,
    wait_at_most,
)
from ga_pygame.delivery.outbox.file_lock import FileLock, Patience, acquire_cleared
from ga_pygame.delivery.outbox.launches import Launches
from ga_pygame.delivery.outbox.open_session import OpenSession, session_of
from ga_pygame.delivery.outbox.schema import (
    SCHEMA_VERSION,
    SELECT,
    Block,
    DamagedBlockError,
    Row,
    as_row,
    records,
    unsealed,
    upgrade,
    version_of,
)
from ga_pygame.delivery.outbox.transaction import SqliteTransaction
from ga_pygame.delivery.outbox.waiting import Sent, all_there, be_done, done_of, last_id, mend, set_done
from ga_pygame.kept import KeptKey
from ga_pygame.protocol import StoredRecord

T = TypeVar("T")

OPEN_SECONDS = 0.15
"""The longest wait for other processes while the file is opened by `start()`; opening itself takes 5 ms."""
_FETCH_BLOCKS = 3
"""Blocks that are read between two yields of the GIL: some 20 records, 0.1 ms."""


class SqliteOutbox:
    """See the module. The constructor opens the file and may be called on the game thread, once, at start.

    Args:
        path: The database file; its folder is made if it is missing, readable by the user only.
        destinations: Names that take records.
        summing: Names that take sums.
        seconds: The longest wait for other processes.
        told: Told of errors in the file that cost only one record or value.
        migrates: Whether a file of an older version is migrated, which takes a second if it is full.
        launches: Under which name this process is known there, if it has one already.

    Raises:
        OutboxError: The file or folder cannot be used; the message says why.
    """

    def __init__(
        self,
        path: Path,
        destinations: Sequence[str],
        summing: Sequence[str] = (),
        *,
        seconds: float = BUSY_SECONDS,
        told: Told | None = None,
        migrates: bool = True,
        launches: Launches | None = None,
    ) -> None:
        self.path = path
        self._rounds: Rounds | None = None
        self._destinations = tuple(destinations)
        self._summing = frozenset(summing)
        self._told = told or Told()
        self._write_lock = Lock()  # SQLite's own wait would have an uploader sleep 35 ms beside a busy writer
        self._leases: dict[str, FileLock] = {}
        self.launches = launches or Launches(path.parent, new_id(), self._told)
        self.launch = self.launches.own
        self._unsaved: dict[str, int] = {}  # the last sent id that is not on the disk yet
        self._unsaved_sums: dict[str, set[str]] = {name: set() for name in summing}
        self._never_frozen = set(summing)
        self.delivered: dict[str, int] = {}  # the last id that this process sent, also if the disk failed
        self._lent: dict[str, int] = {}  # the last id that is being sent: `trim` drops none up to it
        self._readers: dict[str, sqlite3.Connection] = {}
        self._newest = 0  # the last committed id
        self._sent = Sent()
        self._is_counted = self._is_closed = False
        patience = Patience(seconds)
        with translated(path):
            data_folder.make_private_folder(path.parent)
            # One process at a time: SQLite does not wait while another one turns a new file to WAL, but fails.
            opening = self._lock_file("open")
            if not opening.acquire(patience):
                raise LockedError(f"{path}: another program holds {opening.path.name}")
            try:
                self._open(patience, migrates=migrates)
            finally:
                opening.release()
        forks.share(self)

    def let_go(self) -> None:
        """In a forked child: never use these connections, and never close them.

        SQLite forbids carrying a connection over a fork. POSIX locks are not inherited, but the child's copy takes the
        parent's locks for its own; once the parent is gone, closing the copy might checkpoint and remove a WAL that
        other processes use. The end of the interpreter would close it, so the connections are never finalised. The
        lock files have a `let_go` of their own.
        """
        self._is_closed = True
        forks.never_finalise([self._writer, *self._readers.values()])

    def _open(self, patience: Patience, *, migrates: bool) -> None:
        shared_memory.wait(self.path, patience)
        with shared_memory.opening(self.path):
            self._connect(patience, migrates=migrates)

    def _connect(self, patience: Patience, *, migrates: bool) -> None:
        self._writer = connect(self.path, patience.left)
        try:
            if not migrates and 0 < version_of(self._writer) < SCHEMA_VERSION:
                raise OlderSchemaError(f"{self.path} was written by an older version and is turned into today's")
            wait_at_most(self._writer, patience.left)
            self._prepare()
            wait_at_most(self._writer, BUSY_SECONDS)
            self.launches.begin()
            self.identity = identity_of(self.path)
        except BaseException:
            self._writer.close()
            raise

    # --- the writer's side ------------------------------------------------------------------------------

    def transact(self, work: Callable[[Transaction], T], *, may_wait: bool = False) -> T:  # noqa: ARG002 - says it always
        with translated(self.path):
            with self._write_lock:
                if identity_of(self.path) != self.identity:
                    raise GoneError(f"{self.path} was removed or replaced while the game runs")
                with transaction(self._writer):
                    lent = max(self._lent.values(), default=0)
                    current = SqliteTransaction(
                        self._writer, self._destinations, self.launch, self._told, lent, counted=self._is_counted
                    )
                    result = work(current)
                    current.flush()
                self._is_counted = current.counted
                self._newest = max(self._newest, current.newest)
                if current.was_cleared:  # deleted data must not stay in the WAL, even if the file is never closed
                    with contextlib.suppress(sqlite3.Error):
                        self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return result

    def transact_at_start(self, work: Callable[[Transaction], T]) -> T:
        return self.transact(work)

    def journal_done(self, position: int) -> int:
        return position

    def journal_sent(self, position: int) -> int:
        self._sent.note(self._newest, position)
        return self._sent.until(min((self.delivered.get(name, 0) for name in self._destinations), default=0))

    is_on_disk = True
    journal_books = staticmethod(no_books)

    def journal_path(self) -> Path | None:
        return self.launches.journal_of(self.launch)

    def dead_launches(self) -> Sequence[DeadLaunch]:
        with reading(self.path):
            return self.launches.dead_launches(self._writer)

    def forget_launch(self, dead_launch: DeadLaunch) -> None:
        with translated(self.path):
            self.launches.forget_launch(self._writer, dead_launch)

    def mark_ended(self) -> None:
        """See `Launches.mark_ended`."""
        with translated(self.path):
            self.launches.mark_ended()

    def counters(self) -> tuple[dict[KeptKey, str], dict[str, int], dict[str, OpenSession]]:
        """Read values, attempts and open sessions, for an outbox that continues in memory."""
        with reading(self.path):
            values = kept.values(self._writer.execute("SELECT key, value FROM key_value"), self._told.say)
            pairs = self._writer.execute("SELECT * FROM progression").fetchall()
            attempts = {level: kept.count(number, kept.MAX_ATTEMPTS) for level, number in pairs}
            rows = self._writer.execute("SELECT * FROM session_end WHERE launch = ?", (self.launch,)).fetchall()
            sessions = [session for row in rows if (session := session_of(row)) is not None]
            return values, attempts, {session.session_id: session for session in sessions}

    def lease_by_session(self) -> None:
        """Lease the records of one session at a time from now on; see `by_session`. Call it before the first lease."""
        self._rounds = Rounds(self._mended)
        with translated(self.path), transaction(self._writer):
            self._rounds.prepare(self._writer)

    # --- the uploaders' side ----------------------------------------------------------------------------

    def lease(self, destination: str, max_events: int, max_bytes: int) -> Batch | None:
        lock = self._leases.setdefault(destination, self._lock_file(f"upload-{destination}"))
        if lock.is_locked or self._is_closed:  # the lock does not keep its own holder out
            return None
        with reading(self.path):
            if not acquire_cleared(lock, self._lock_file("open")):
                return None
            try:
                records, more = self._next(destination, max_events, max_bytes)
            except BaseException:
                lock.release()
                raise
            if not records:
                lock.release()
                return None
            self._lent[destination] = records[-1].id
        return Batch(destination, records, self, more)

    def _reader(self, destination: str) -> sqlite3.Connection:
        """Return the connection of a destination's uploader; opened on that thread."""
        reader = self._readers.get(destination)
        if reader is None:
            reader = self._readers[destination] = connect(self.path)
        return reader

    def _next(self, destination: str, max_events: int, max_bytes: int) -> tuple[list[StoredRecord], bool]:
        """Return the records of a lease, and whether there may be more."""
        if self._rounds is not None:
            return list(self._rounds.next(self._reader(destination), max_events, max_bytes)), True
        if destination not in self._summing:
            return cut(self._waiting(destination), max_events, max_bytes)
        sums = self._frozen_sums(destination)
        return sums[:1], len(sums) > 1

    def _frozen_sums(self, destination: str) -> list[StoredRecord]:
        """Return sums with idempotency keys, which are on the disk before the sums are sent."""
        reader = self._reader(destination)
        query = "SELECT slot, value, idempotency_key FROM sums WHERE destination = ? AND idempotency_key > ''"
        done = self._unsaved_sums[destination]

        def frozen() -> list[StoredRecord]:
            rows = reader.execute(query, (destination,)).fetchall()
            return [sum_record(slot, float(value), key) for slot, value, key in rows if key not in done]

        self._drop_false_sums(reader, destination)
        sums = frozen()
        if sums and destination not in self._never_frozen:
            return sums
        with self._write_lock, transaction(reader):
            open_sums = "destination = ? AND idempotency_key = ''"
            reader.execute(
                f"DELETE FROM sums WHERE {open_sums} AND ABS(value) < ?",  # noqa: S608 - constants
                (destination, MIN_SUM),
            )
            reader.execute(
                f"UPDATE sums SET idempotency_key = lower(hex(randomblob(16))) WHERE {open_sums}",  # noqa: S608
                (destination,),
            )
        self._never_frozen.discard(destination)  # an earlier launch's frozen sums go with the new ones
        return frozen()

    def _drop_false_sums(self, reader: sqlite3.Connection, destination: str) -> None:
        """Delete sums that are no valid amounts: the service would refuse them for ever."""
        false = "destination = ?1 AND (typeof(value) NOT IN ('real', 'integer') OR NOT abs(value) <= ?2"
        where = f"{false} OR typeof(slot) != 'text' OR typeof(idempotency_key) != 'text')"
        query = (f"SELECT count(*) FROM sums WHERE {where}", (destination, kept.MAX_SUM))  # noqa: S608 - constants
        if reader.execute(*query).fetchone() == (0,):
            return
        with self._write_lock, transaction(reader):
            gone = reader.execute(f"DELETE FROM sums WHERE {where}", (destination, kept.MAX_SUM))  # noqa: S608
        self._told.lost(gone.rowcount, "a sum is no number")

    def _waiting(self, destination: str) -> Iterator[StoredRecord]:
        """Yield the records that wait for a destination, oldest first; repair damaged blocks."""
        reader = self._reader(destination)
        newest = last_id(reader)
        done = start = max(done_of(reader, destination), self.delivered.get(destination, 0))
        wanted = f",{destination},"
        is_whole = False
        rows = reader.execute(f"{SELECT} WHERE last_id > ? ORDER BY last_id", (done,))
        with contextlib.closing(rows):
            while some := rows.fetchmany(_FETCH_BLOCKS):
                for row in some:
                    last, count, only = row[0], row[1], row[4]
                    try:
                        found = records(row, start)
                    except DamagedBlockError:
                        for part in self._mended(reader, row):
                            done = max(done, part.last_id)
                            if part.only is None or wanted in part.only:
                                yield from records(as_row(part), start)
                        continue
                    if last <= done:
                        raise DamagedError(f"{self.path} is damaged: blocks are out of order")
                    if last - count > done and not is_whole and not all_there(reader, start):
                        raise DamagedError(f"{self.path} is damaged: a block is not there")
                    is_whole = is_whole or last - count > done
                    done = last
                    if only is None or wanted in only:
                        yield from found
                yield_gil()
        if done < newest and not all_there(reader, start):
            raise DamagedError(f"{self.path} is damaged: the newest events are not there")

    def _mended(self, reader: sqlite3.Connection, row: Row) -> Sequence[Block]:
        """Replace a damaged block by its undamaged parts, and return these."""
        with self._write_lock:
            parts, lost = mend(reader, row)
        self._told.lost(lost, "they were damaged on the disk")
        return parts

    def settle(self, batch: Batch, rejected: Sequence[Rejected] = ()) -> None:
        if batch.destination in self._summing:
            self._settle_sum(batch, rejected)
            return
        # A batch has the oldest waiting records, so all up to its last one are finished; of its session with `_rounds`.
        last = batch.records[-1].id
        if self._rounds is not None:
            self._rounds.sent(batch.records[-1].session_id, last)
        else:
            self.delivered[batch.destination] = max(last, self.delivered.get(batch.destination, 0))
        self._unsaved[batch.destination] = last  # so they are not sent again before it is on the disk
        try:
            with reading(self.path):
                self._settle(self._reader(batch.destination), batch.destination, rejected)
        finally:
            self.release(batch)

    def _settle(self, connection: sqlite3.Connection, destination: str, rejected: Sequence[Rejected]) -> None:
        with self._write_lock:  # an uploader and `save()` may both come here; the second finds nothing left to do
            last = self._unsaved.get(destination)
            if last is None and not rejected:
                return
            with transaction(connection):
                if self._rounds is not None:
                    self._rounds.save(connection)
                elif last is not None:
                    be_done(connection, destination, last)
                keep_rejected(connection, destination, rejected)
            if self._rounds is not None:
                self._rounds.saved()
            if self._unsaved.get(destination) == last:  # else the next batch has been sent since
                self._unsaved.pop(destination, None)

    def _settle_sum(self, batch: Batch, rejected: Sequence[Rejected]) -> None:
        reader = self._reader(batch.destination)
        done = self._unsaved_sums[batch.destination]
        done.add(json.loads(b"{" + batch.records[0].payload)["key"])  # not sent again before it is on the disk
        try:
            with reading(self.path):
                with self._write_lock, transaction(reader):
                    reader.execute(
                        "DELETE FROM sums WHERE destination = ?"
                        " AND idempotency_key IN (SELECT value FROM json_each(?))",
                        (batch.destination, json.dumps(sorted(done))),
                    )
                    keep_rejected(reader, batch.destination, rejected)
                done.clear()
        finally:
            self.release(batch)

    def release(self, batch: Batch) -> None:
        self._lent.pop(batch.destination, None)
        self._leases[batch.destination].release()

    def save(self) -> None:
        with translated(self.path):
            for destination in tuple(self._unsaved):  # sent while the disk could not be written
                self._settle(self._writer, destination, ())

    def give_up(self) -> int:
        return 0

    @property
    def connection(self) -> sqlite3.Connection:
        """Return the writer's connection, for reading the data of a file that is gone."""
        return self._writer

    def close(self, *, keep_launch: bool = False, is_followed: bool = False) -> None:
        self._is_closed = True
        with contextlib.suppress(sqlite3.Error, OSError):
            for connection in (*self._readers.values(), self._writer):
                connection.close()
        shared_memory.closed(self.path)
        for lock in self._leases.values():
            lock.release()
        if not is_followed:
            self.launches.end(keep_file=keep_launch)

    # --- opening ----------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Create or migrate the tables; another copy of the game may do the same at this moment."""
        with transaction(self._writer):
            version = version_of(self._writer)
            if version > SCHEMA_VERSION:
                raise NewerSchemaError(f"{self.path} was written by a newer version (schema {version})")
            if version < SCHEMA_VERSION:
                upgrade(self._writer, version)
            last = last_id(self._writer)  # a new destination gets later records only
            rows = self._writer.execute("SELECT name, done, seal FROM destinations").fetchall()
            known = {name for name, *_ in rows}
            for name in self._destinations:
                if name not in known:  # a new destination, or one whose name is damaged
                    sealed = (unsealed(name, None, text) for *_, text in rows)
                    done = next((number for number in sealed if number is not None), last)
                    set_done(self._writer, name, done)

    def _lock_file(self, name: str) -> FileLock:
        return FileLock(self.path.parent / f"{name}.lock")


def read_value(path: Path, key: KeptKey, seconds: float = 0.0) -> str | None:
    """Read one kept value of a file that is not open; `None` if it cannot be read."""
    return kept.value(key, read_values(path, key, seconds).get(key), Told().say)
