"""The outbox on disk: one SQLite file (WAL) per game, shared by all copies of the game that run.

WAL with `synchronous=NORMAL` survives the death of the process at any moment; only a power cut may cost
the last commits, never the file. A process that lives holds the lock file of its launch; one that sends
for a destination holds that destination's lock file. The system frees both when the process dies, however
it dies, so nobody needs a timeout to find out.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from ga_pygame import forks
from ga_pygame.clock import breathe, new_id
from ga_pygame.delivery import journal
from ga_pygame.delivery.outbox import (
    LEAST_SUM,
    MAX_REJECTED,
    Batch,
    OpenSession,
    Orphan,
    OutboxError,
    Rejected,
    Transaction,
    cut,
    journal_key,
    sum_record,
)
from ga_pygame.delivery.sqlite_schema import SCHEMA_VERSION, SELECT, SIZE, records, upgrade
from ga_pygame.delivery.sqlite_transaction import SqliteTransaction, grow, last_id
from ga_pygame.exchange import StoredRecord

T = TypeVar("T")

_OPEN_SECONDS = 2.0  # opening takes 5 ms, so nobody waits that long for another copy of the game
_FETCHED = 3
"""Blocks read between two chances for the game thread to take the interpreter lock: some 20 records, 0.1 ms."""


class NewerSchemaError(OutboxError):
    """The file belongs to a newer version of the package."""


class DamagedError(OutboxError):
    """The file is no database, or parts of it cannot be read."""


class SqliteOutbox:
    """See the module. The constructor opens the file and may be called on the game thread, once, at start.

    Args:
        path: The database file; its folder is made where it is missing, readable by the user only.
        destinations: Names that take records.
        summing: Names that take sums.
        launch: This process's name, where it has one already.

    Raises:
        OutboxError: The file or folder cannot be used; the message says why.
    """

    def __init__(
        self, path: Path, destinations: Sequence[str], summing: Sequence[str] = (), launch: str | None = None
    ) -> None:
        self.path = path
        self.launch = launch or new_id()
        self._destinations = tuple(destinations)
        self._summing = frozenset(summing)
        self._turn = Lock()  # to write: SQLite would have the uploader sleep, 35 ms at a time beside a busy writer
        self._leases: dict[str, FileLock] = {}
        self._graves: dict[str, FileLock] = {}
        self._unsaved: dict[str, int] = {}  # the last id of what was sent while the disk could not say so
        self._unsaved_sums: dict[str, set[str]] = {name: set() for name in summing}
        self._never_frozen = set(summing)
        with _translated(path):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # One at a time: SQLite does not wait for another process that turns a new file to WAL, it gives up.
            with self._lock_file("open").acquire(timeout=_OPEN_SECONDS):
                self._open()
        forks.share(self)

    def let_go(self) -> None:
        """In a forked child: never use these connections and locks, and never close them.

        SQLite forbids to carry a connection over a fork: the child's copy believes to hold locks that are the
        parent's (POSIX locks are not inherited), so closing it might checkpoint and remove a WAL that others use,
        once the parent is gone. That would also happen when the interpreter ends, so the connections are kept from
        that. What the child lets go of is the descriptors of the locks: an flock lives as long as any process has its
        description open, so a child that outlives the parent would keep it, and nobody could recover the parent's
        sessions. They are closed, not unlocked: that would free the parent's.
        """
        forks.never_finalise([self._writer, *self._readers.values()])
        for lock in (*self._leases.values(), *self._graves.values(), self._launch_lock):
            context = lock._context
            file, context.lock_file_fd = context.lock_file_fd, None
            context.lock_counter = 0
            if file is not None:
                with contextlib.suppress(OSError):
                    os.close(file)

    def _open(self) -> None:
        self._writer = self._connect()
        try:
            self._prepare()
        except BaseException:
            self._writer.close()
            raise
        self._launch_lock = self._lock_file(f"launch-{self.launch}")
        self._launch_lock.acquire(timeout=0)
        self._readers = {name: self._connect() for name in (*self._destinations, *self._summing)}

    # --- the writer's side ------------------------------------------------------------------------------

    def transact(self, work: Callable[[Transaction], T]) -> T:
        with _translated(self.path):
            with self._turn, _transaction(self._writer):
                transaction = SqliteTransaction(self._writer, self._destinations, self.launch)
                result = work(transaction)
                transaction.flush()
            return result

    def journal_path(self) -> Path | None:
        return self._journal_of(self.launch)

    def _journal_of(self, launch: str) -> Path:
        return journal.where(self.path.parent, launch)

    def orphans(self) -> Sequence[Orphan]:
        with _translated(self.path):
            rows = self._writer.execute("SELECT * FROM session_end WHERE launch != ?", (self.launch,)).fetchall()
            journals = set(journal.launches(self.path.parent))
            self._sweep_positions(journals)
            launches = ({row[-1] for row in rows} | journals) - {self.launch}
            dead = [launch for launch in sorted(launches) if self._take_lock_of(launch)]
            for launch in tuple(dead):
                if (mark := self._ended_mark(launch)).exists():
                    self._writer.execute("DELETE FROM session_end WHERE launch = ?", (launch,))
                    mark.unlink(missing_ok=True)
                    rows = [row for row in rows if row[-1] != launch]
            self._sweep()
        orphans = []
        for launch in dead:
            sessions = [saved_session(row) for row in rows if row[-1] == launch]
            path = self._journal_of(launch)
            if sessions or path.exists():
                orphans.append(Orphan(launch, sessions, path if path.exists() else None))
            else:
                self._release_lock_of(launch)
        return orphans

    def bury(self, orphan: Orphan) -> None:
        with _translated(self.path):
            path = self._journal_of(orphan.launch)
            journal.mark_done(path)
            if journal.remove(path):  # else its position has to outlive it: see `_sweep_positions`
                self._writer.execute("DELETE FROM key_value WHERE key = ?", (orphan.journal_key,))
            self._release_lock_of(orphan.launch)

    def _sweep_positions(self, journals: Collection[str]) -> None:
        """Forget positions in journals that are gone; some could not be removed when their launch was buried."""
        known = self._writer.execute("SELECT key FROM key_value WHERE key GLOB 'journal:*'").fetchall()
        kept = {journal_key(launch) for launch in (*journals, self.launch)}
        gone = [(key,) for (key,) in known if key not in kept]
        if gone and len(journals) < journal.MAX_JOURNALS:  # else some journals were not looked at
            self._writer.executemany("DELETE FROM key_value WHERE key = ?", gone)

    def _take_lock_of(self, launch: str) -> bool:
        """Hold a dead launch's lock, so that one process alone picks up what it left; false where it lives."""
        lock = self._lock_file(f"launch-{launch}")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        self._graves[launch] = lock
        return True

    def _release_lock_of(self, launch: str) -> None:
        lock = self._graves.pop(launch)
        lock.release()
        with contextlib.suppress(OSError):
            Path(lock.lock_file).unlink(missing_ok=True)

    def mark_ended(self) -> None:
        """Say beside the file, which cannot be written, that this launch's sessions are over and delivered."""
        with _translated(self.path):
            self._ended_mark(self.launch).touch(mode=0o600)  # an empty file finds room on a full disk

    def _ended_mark(self, launch: str) -> Path:
        return self.path.parent / f"ended-{launch}"

    def _sweep(self) -> None:
        """Remove lock files of launches that died without an open session.

        A file younger than ours may belong to a copy that is just starting and does not hold it yet.
        """
        own = Path(self._launch_lock.lock_file).stat().st_mtime
        for stale in self.path.parent.glob("launch-*.lock"):
            launch = stale.stem.removeprefix("launch-")
            if stale.stat().st_mtime < own - 60 and launch not in self._graves and self._take_lock_of(launch):
                self._release_lock_of(launch)

    def counters(self) -> tuple[dict[str, str], dict[str, int], dict[str, OpenSession]]:
        """Values, attempts and open sessions, for an outbox that has to go on elsewhere."""
        with _translated(self.path):
            values = dict(self._writer.execute("SELECT key, value FROM key_value WHERE key != 'outbox_bytes'"))
            attempts = dict(self._writer.execute("SELECT * FROM progression"))
            own = self._writer.execute("SELECT * FROM session_end WHERE launch = ?", (self.launch,))
            return values, attempts, {row[0]: saved_session(row) for row in own}

    # --- the uploaders' side ----------------------------------------------------------------------------

    def lease(self, destination: str, max_events: int, max_bytes: int) -> Batch | None:
        lock = self._leases.setdefault(destination, self._lock_file(f"upload-{destination}"))
        if lock.is_locked:  # it would let its holder in again
            return None
        with _translated(self.path):
            try:
                lock.acquire(timeout=0)
            except Timeout:
                return None
            try:
                records, more = self._next(destination, max_events, max_bytes)
            except BaseException:
                lock.release()
                raise
            if not records:
                lock.release()
                return None
        return Batch(destination, records, self, more)

    def _next(self, destination: str, max_events: int, max_bytes: int) -> tuple[list[StoredRecord], bool]:
        """What a lease gives, and whether there may be more."""
        if destination not in self._summing:
            return cut(self._waiting(destination), max_events, max_bytes)
        sums = self._frozen_sums(destination)
        return sums[:1], len(sums) > 1

    def _frozen_sums(self, destination: str) -> list[StoredRecord]:
        """Sums under keys that are on the disk before anybody sends them."""
        reader = self._readers[destination]
        query = "SELECT slot, value, idempotency_key FROM sums WHERE destination = ? AND idempotency_key > ''"
        done = self._unsaved_sums[destination]

        def frozen() -> list[StoredRecord]:
            return [sum_record(*row) for row in reader.execute(query, (destination,)).fetchall() if row[2] not in done]

        sums = frozen()
        if sums and destination not in self._never_frozen:
            return sums
        with self._turn, _transaction(reader):
            open_sums = "destination = ? AND idempotency_key = ''"
            reader.execute(
                f"DELETE FROM sums WHERE {open_sums} AND ABS(value) < ?",  # noqa: S608 - constants
                (destination, LEAST_SUM),
            )
            reader.execute(
                f"UPDATE sums SET idempotency_key = lower(hex(randomblob(16))) WHERE {open_sums}",  # noqa: S608
                (destination,),
            )
        self._never_frozen.discard(destination)  # what an earlier launch has frozen goes together with the rest
        return frozen()

    def _waiting(self, destination: str) -> Iterator[StoredRecord]:
        reader = self._readers[destination]
        (done,) = reader.execute("SELECT done FROM destinations WHERE name = ?", (destination,)).fetchone()
        done = max(done, self._unsaved.get(destination, 0))
        rows = reader.execute(
            f"{SELECT} WHERE last_id > ? AND (only IS NULL OR instr(only, ?)) ORDER BY last_id",
            (done, f",{destination},"),
        )
        with contextlib.closing(rows):
            while some := rows.fetchmany(_FETCHED):
                for row in some:
                    yield from records(row, done)
                breathe()

    def settle(self, batch: Batch, rejected: Sequence[Rejected] = ()) -> None:
        if batch.destination in self._summing:
            self._settle_sum(batch, rejected)
            return
        # A batch is the oldest of what waits: nothing before its last record is to be sent any more.
        self._unsaved[batch.destination] = batch.records[-1].id  # until the disk knows, not to be sent again
        try:
            with _translated(self.path):
                self._settle(self._readers[batch.destination], batch.destination, rejected)
        finally:
            self.release(batch)

    def _settle(self, connection: sqlite3.Connection, destination: str, rejected: Sequence[Rejected]) -> None:
        with self._turn, _transaction(connection):
            _be_done(connection, destination, self._unsaved[destination])
            _keep_rejected(connection, destination, rejected)
        self._unsaved.pop(destination, None)

    def _settle_sum(self, batch: Batch, rejected: Sequence[Rejected]) -> None:
        reader = self._readers[batch.destination]
        done = self._unsaved_sums[batch.destination]
        done.add(json.loads(b"{" + batch.records[0].payload)["key"])  # until the disk knows, not to be sent again
        try:
            with _translated(self.path):
                with self._turn, _transaction(reader):
                    reader.execute(
                        "DELETE FROM sums WHERE destination = ?"
                        " AND idempotency_key IN (SELECT value FROM json_each(?))",
                        (batch.destination, json.dumps(sorted(done))),
                    )
                    _keep_rejected(reader, batch.destination, rejected)
                done.clear()
        finally:
            self.release(batch)

    def release(self, batch: Batch) -> None:
        self._leases[batch.destination].release()

    def save(self) -> None:
        with _translated(self.path):
            for destination in tuple(self._unsaved):  # sent while the disk was full
                self._settle(self._writer, destination, ())

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error, OSError):
            for connection in (*self._readers.values(), self._writer):
                connection.close()
        for lock in (*self._leases.values(), *self._graves.values(), self._launch_lock):
            with contextlib.suppress(OSError):
                lock.release(force=True)
        with contextlib.suppress(OSError):
            Path(self._launch_lock.lock_file).unlink(missing_ok=True)

    # --- opening ----------------------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        if not self.path.exists():
            self.path.touch(mode=0o600)
        # Each connection is used by one thread after start; it may be closed by another.
        connection = sqlite3.connect(self.path, timeout=5.0, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA secure_delete = FAST")
            connection.execute("PRAGMA cache_size = -256")  # KiB a connection; SQLite's own 2,000 cost 4 MB more
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self) -> None:
        """Create or migrate the tables; another copy of the game may be doing the same."""
        with _transaction(self._writer):
            version = self._writer.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise NewerSchemaError(f"{self.path} was written by a newer version (schema {version})")
            upgrade(self._writer, version)
            last = last_id(self._writer)  # what a new destination gets begins now
            names = [(name, last) for name in self._destinations]
            self._writer.executemany("INSERT OR IGNORE INTO destinations VALUES (?, ?)", names)

    def _lock_file(self, name: str) -> FileLock:
        return FileLock(self.path.parent / f"{name}.lock", thread_local=False)


def read_value(path: Path, key: str) -> str | None:
    """One kept value of a file that nobody has opened yet; `None` where it cannot be read."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute("SELECT value FROM key_value WHERE key = ?", (key,)).fetchone()
    except sqlite3.Error:
        return None
    return row[0] if row else None


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _be_done(connection: sqlite3.Connection, destination: str, last: int) -> None:
    """Be done with what waited for a destination up to an id, and with blocks that nobody waits for any more."""
    connection.execute("UPDATE destinations SET done = max(done, ?) WHERE name = ?", (last, destination))
    finished = "FROM blocks WHERE last_id <= (SELECT min(done) FROM destinations)"
    (size,) = connection.execute(f"SELECT ifnull(sum({SIZE}), 0) {finished}").fetchone()
    connection.execute(f"DELETE {finished}")
    grow(connection, -size)


def _keep_rejected(connection: sqlite3.Connection, destination: str, rejected: Sequence[Rejected]) -> None:
    if rejected:
        connection.executemany(
            "INSERT INTO rejected (destination, reason, errors, client_ts, payload) VALUES (?, ?, ?, ?, ?)",
            [(destination, one.reason.value, one.errors, one.record.client_ts, one.record.payload) for one in rejected],
        )
        connection.execute("DELETE FROM rejected WHERE id <= (SELECT MAX(id) FROM rejected) - ?", (MAX_REJECTED,))


def saved_session(row: tuple[Any, ...]) -> OpenSession:
    """A row of the table `session_end`, without the launch, its last column."""
    *values, wallet, _launch = row  # the columns stand in the order of the fields
    sums = {(flow, currency, kind, item): amount for flow, currency, kind, item, amount in json.loads(wallet)}
    return OpenSession(*values, sums)  # type: ignore[call-arg]  # there are as many as fields


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system raise into `OutboxError` with a message for the developer."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise OutboxError(f"{path}: {error}") from error
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:  # a subclass is a defect of ours, not of the file
            raise
        raise DamagedError(f"{path} is damaged: {error}") from error
    except OSError as error:
        raise OutboxError(f"{path}: {error.strerror or error}") from error
