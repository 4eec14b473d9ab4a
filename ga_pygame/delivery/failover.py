"""The outbox that the tracker uses: on disk as long as the disk works, in memory while it does not.

A full disk, a read-only folder or a damaged file must cost the game nothing. Each case is said once; what
had to stay in memory moves to the disk as soon as that works again, at the latest when the game ends.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from ga_pygame.clock import Clock
from ga_pygame.delivery.outbox import (
    Batch,
    MemoryOutbox,
    NewRecord,
    OpenSession,
    OutboxError,
    Rejected,
    Transaction,
)
from ga_pygame.delivery.sqlite_outbox import DamagedError, NewerSchemaError, SqliteOutbox
from ga_pygame.diagnostics import Diagnostics, Drop

T = TypeVar("T")

_RETRY_SECONDS = 5.0
"""Time between two tries to use the disk again."""


class FailoverOutbox:
    """See the module. The constructor opens the disk and never raises.

    Args:
        path: The database file.
        destinations: Names under which uploaders lease.
        clock: For the time between tries.
        diagnostics: Told of every change for the worse.
    """

    def __init__(self, path: Path, destinations: Sequence[str], clock: Clock, diagnostics: Diagnostics) -> None:
        self._path = path
        self._destinations = tuple(destinations)
        self._clock = clock
        self._diagnostics = diagnostics
        self._memory = MemoryOutbox(destinations)
        self._disk: SqliteOutbox | None = None
        self._in_memory = False
        self._next_try = 0.0
        self._closing = False
        self._damage: DamagedError | None = None
        self._open()

    def _open(self) -> None:
        try:
            self._disk = SqliteOutbox(self._path, self._destinations)
        except NewerSchemaError as error:
            self._path = self._path.with_name("outbox.older.sqlite3")
            self._say("newer", f"{error}; it is left as it is, and {self._path.name} is used beside it")
            with self._memory_on_error():
                self._disk = SqliteOutbox(self._path, self._destinations)
        except DamagedError as error:
            self._replace_damaged(error)
        except OutboxError as error:
            self._to_memory(error)

    def _replace_damaged(self, error: Exception) -> None:
        """Set a damaged file aside, start a new one and save into it what can still be read."""
        if self._disk is not None:
            self._disk.close()
            self._disk = None
        aside = self._path.with_name("outbox.damaged.sqlite3")
        with self._memory_on_error():
            for suffix in ("", "-wal", "-shm"):
                part = self._path.with_name(self._path.name + suffix)
                if part.exists():
                    part.replace(aside.with_name(aside.name + suffix))
            self._disk = SqliteOutbox(self._path, self._destinations)
            saved = self._disk.transact(lambda transaction: _salvage(aside, transaction))
            self._say("damaged", f"{error}; set aside as {aside.name}, {saved} waiting events could be saved from it")

    @contextlib.contextmanager
    def _memory_on_error(self) -> Iterator[None]:
        try:
            yield
        except (OutboxError, OSError) as error:
            self._to_memory(error)

    def _to_memory(self, error: Exception) -> None:
        """Go on in memory, with the counters where the disk can still tell them."""
        self._next_try = self._clock.monotonic() + _RETRY_SECONDS
        if self._in_memory:
            return
        self._in_memory = True
        self._say("memory", f"events are kept in memory until the disk can be written: {error}")
        if self._disk is not None:
            with contextlib.suppress(OutboxError):
                values, attempts, sessions = self._disk.counters()
                self._memory.values.update(values)
                self._memory.attempts.update(attempts)
                self._memory.sessions.update(sessions)

    def _to_disk(self) -> bool:
        """Move what is in memory to the disk; false where that still fails."""
        if self._memory.busy and not self._closing:
            return False  # what is being sent now would be sent again
        try:
            if self._disk is None:
                self._disk = SqliteOutbox(self._path, self._destinations)
            self._disk.transact(self._memory.pour)
        except (OutboxError, OSError):
            self._next_try = self._clock.monotonic() + _RETRY_SECONDS
            return False
        self._memory.forget()
        self._in_memory = False
        self._diagnostics.forget("outbox:memory")
        return True

    def _say(self, cause: str, message: str) -> None:
        self._diagnostics.warn_once(f"outbox:{cause}", message)

    # --- the contract -----------------------------------------------------------------------------------

    def transact(self, work: Callable[[Transaction], T]) -> T:
        if self._in_memory and self._clock.monotonic() >= self._next_try:
            self._to_disk()
        if self._damage is not None:
            damage, self._damage = self._damage, None
            self._replace_damaged(damage)
        if not self._in_memory and self._disk is not None:
            try:
                return self._disk.transact(work)
            except DamagedError as error:
                self._replace_damaged(error)
                return self.transact(work)
            except OutboxError as error:
                self._to_memory(error)
        return self._memory.transact(work)

    def orphans(self) -> Sequence[OpenSession]:
        try:
            return self._disk.orphans() if self._disk else ()
        except OutboxError:
            return ()

    def lease(self, destination: str, max_events: int, max_bytes: int) -> Batch | None:
        disk = self._disk
        if disk is not None:
            try:
                batch = disk.lease(destination, max_events, max_bytes)
            except OutboxError as error:
                self._note(error, "events on the disk cannot be read now")
                batch = None
            if batch is not None:
                return batch
        return self._memory.lease(destination, max_events, max_bytes)

    def settle(self, batch: Batch, rejected: Sequence[Rejected] = ()) -> None:
        try:
            batch.origin.settle(batch, rejected)
        except OutboxError as error:
            self._note(error, "sent events cannot be removed from the disk now")

    def _note(self, error: OutboxError, consequence: str) -> None:
        """What an uploader met; damage is mended by the writer, on its own thread."""
        if isinstance(error, DamagedError):
            self._damage = error
        else:
            self._say(consequence, f"{consequence}: {error}")

    def release(self, batch: Batch) -> None:
        batch.origin.release(batch)

    def save(self) -> None:
        self._closing = True
        if self._in_memory and len(self._memory) and not self._to_disk():
            lost = len(self._memory)
            self._diagnostics.drop(Drop.OUTBOX_FULL, lost)
            self._say("lost", f"{lost} events are lost: they were not sent, and the disk cannot be written")

    def close(self) -> None:
        if self._disk is not None:
            self._disk.close()


def _salvage(path: Path, transaction: Transaction) -> int:
    """Copy what a damaged file still gives: counters, attempts and undelivered records."""
    saved = 0
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as damaged:
        with contextlib.suppress(sqlite3.Error):
            for key, value in damaged.execute("SELECT key, value FROM key_value"):
                if key != "outbox_bytes":
                    transaction.remember(key, value)
        with contextlib.suppress(sqlite3.Error):
            for level, number in damaged.execute("SELECT * FROM progression"):
                transaction.set_attempts(level, number)
        with contextlib.suppress(sqlite3.Error):
            query = "SELECT session_id, category, client_ts, clock_offset, payload FROM records ORDER BY id"
            for row in damaged.execute(query):
                transaction.add([NewRecord(*row)])
                saved += 1
    return saved
