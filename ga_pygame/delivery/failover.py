"""The outbox that the tracker uses: on disk as long as the disk works, in memory while it does not.

A full disk, a read-only folder or a damaged file must cost the game nothing. Each case is said once; what
had to stay in memory moves to the disk as soon as that works again, at the latest when the game ends.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from ga_pygame.clock import Clock
from ga_pygame.delivery.memory_outbox import MemoryOutbox
from ga_pygame.delivery.outbox import Batch, Orphan, Outbox, OutboxError, Rejected, Transaction, taken_apart
from ga_pygame.delivery.sqlite_outbox import DamagedError, NewerSchemaError, SqliteOutbox, saved_session
from ga_pygame.delivery.sqlite_schema import SELECT, records
from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.exchange import StoredRecord

T = TypeVar("T")

_RETRY_SECONDS = 5.0
"""Time between two tries to use the disk again."""


class FailoverOutbox:
    """See the module. The constructor opens the disk and never raises.

    Args:
        path: The database file.
        destinations: Names that take records.
        clock: For the time between tries.
        diagnostics: Told of every change for the worse.
        summing: Names that take sums.
    """

    def __init__(
        self,
        path: Path,
        destinations: Sequence[str],
        clock: Clock,
        diagnostics: Diagnostics,
        summing: Sequence[str] = (),
    ) -> None:
        self._path = path
        self._destinations = tuple(destinations)
        self._summing = tuple(summing)
        self._clock = clock
        self._diagnostics = diagnostics
        self._memory = MemoryOutbox(destinations, summing)
        self._disk: SqliteOutbox | None = None
        self._in_memory = False
        self._moving = False
        self._next_try = 0.0
        self._closing = False
        self._damage: DamagedError | None = None
        self._open()

    def _open(self) -> None:
        try:
            self._disk = SqliteOutbox(self._path, self._destinations, self._summing)
        except NewerSchemaError as error:
            self._path = self._path.with_name("outbox.older.sqlite3")
            self._say("newer", f"{error}; it is left as it is, and {self._path.name} is used beside it")
            with self._memory_on_error():
                self._disk = SqliteOutbox(self._path, self._destinations, self._summing)
        except DamagedError as error:
            self._replace_damaged(error)
        except OutboxError as error:
            self._to_memory(error)

    def _replace_damaged(self, error: Exception) -> None:
        """Set a damaged file aside, start a new one and save into it what can still be read."""
        own = ""
        if self._disk is not None:
            own = self._disk.launch
            self._disk.close()
            self._disk = None
        aside = self._path.with_name("outbox.damaged.sqlite3")
        with self._memory_on_error():
            for suffix in ("", "-wal", "-shm"):
                part = self._path.with_name(self._path.name + suffix)
                if part.exists():
                    part.replace(aside.with_name(aside.name + suffix))
            self._disk = SqliteOutbox(self._path, self._destinations, self._summing, own or None)
            saved = self._disk.transact(lambda transaction: _salvage(aside, own, transaction))
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
                self._memory.take_over(*self._disk.counters())

    def _to_disk(self) -> bool:
        """Move what is in memory to the disk; false where that still fails."""
        self._moving = True  # before the look at `busy`: an uploader leases first and looks at this then
        if self._memory.busy and not self._closing:
            self._moving = False
            return False  # what is being sent now would be sent again
        try:
            if self._disk is None:
                self._disk = SqliteOutbox(self._path, self._destinations, self._summing)
            self._disk.transact(self._memory.pour)
        except (OutboxError, OSError):
            self._next_try = self._clock.monotonic() + _RETRY_SECONDS
            return False
        else:
            self._memory.forget()
        finally:
            self._moving = False
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

    @property
    def launch(self) -> str:
        return self._disk.launch if self._disk else self._memory.launch

    def journal_path(self) -> Path | None:
        return self._disk.journal_path() if self._disk else None

    def bury(self, orphan: Orphan) -> None:
        if self._disk is not None:
            with contextlib.suppress(OutboxError):
                self._disk.bury(orphan)

    def orphans(self) -> Sequence[Orphan]:
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
                self._note(error, disk, "events on the disk cannot be read now")
                batch = None
            if batch is not None:
                return replace(batch, more=True) if len(self._memory) else batch
        if self._moving:
            return None
        batch = self._memory.lease(destination, max_events, max_bytes)
        if batch is not None and self._moving:
            self._memory.release(batch)
            return None
        return batch

    def settle(self, batch: Batch, rejected: Sequence[Rejected] = ()) -> None:
        try:
            batch.origin.settle(batch, rejected)
        except OutboxError as error:
            self._note(error, batch.origin, "sent events cannot be removed from the disk now")

    def _note(self, error: OutboxError, origin: Outbox, consequence: str) -> None:
        """What an uploader met; damage is mended by the writer, on its own thread."""
        if isinstance(error, DamagedError):
            if origin is self._disk:  # else the writer has replaced that file already
                self._damage = error
        else:
            self._say(consequence, f"{consequence}: {error}")

    def release(self, batch: Batch) -> None:
        batch.origin.release(batch)

    def save(self) -> None:
        self._closing = True
        if self._in_memory and not self._to_disk():
            self._give_up()
        if self._disk is not None:
            with contextlib.suppress(OutboxError):
                self._disk.save()

    def _give_up(self) -> None:
        """The disk could not be written to the end: count what is lost, and have no session ended again."""
        if lost := len(self._memory):
            self._diagnostics.drop(Drop.OUTBOX_FULL, lost)
            self._say("lost", f"{lost} events are lost: they were not sent, and the disk cannot be written")
        if self._disk is not None and self._memory.is_over:
            with contextlib.suppress(OutboxError):
                self._disk.mark_ended()

    def close(self) -> None:
        if self._disk is not None:
            self._disk.close()


def _salvage(path: Path, own: str, transaction: Transaction) -> int:
    """Copy what a damaged file still gives: values, attempts, open sessions, undelivered records.

    Args:
        path: The damaged file.
        own: The launch under which this process used it.
        transaction: Takes it.
    """
    found: dict[int, StoredRecord] = {}
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as damaged:
        damaged.execute("PRAGMA writable_schema = ON")  # else SQLite reads nothing from a file that was cut short
        for key, value in _readable(damaged, "SELECT key, value FROM key_value"):
            if key != "outbox_bytes":
                transaction.remember(key, value)
        for level, number in _readable(damaged, "SELECT * FROM progression"):
            transaction.set_attempts(level, number)
        for row in _readable(damaged, "SELECT * FROM session_end"):
            with contextlib.suppress(ValueError, TypeError):
                transaction.save_session(saved_session(row), None if row[-1] == own else row[-1])
        done = min((number for (number,) in _readable(damaged, "SELECT done FROM destinations")), default=0)
        for row in _readable_blocks(damaged):
            found |= {record.id: record for record in _whole(row) if record.id > done}
        for one in _readable(damaged, "SELECT destination, slot, value, idempotency_key FROM sums"):
            transaction.add_to_sum(*one)
    transaction.add([taken_apart(found[record_id]) for record_id in sorted(found)])
    return len(found)


def _readable_blocks(damaged: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """Blocks from both ends up to the damage; one by one, since a cursor looks a row ahead before it gives one."""
    for at, sign, order in ((0, ">", "ASC"), (2**63 - 1, "<", "DESC")):
        query = f"{SELECT} WHERE last_id {sign} ? ORDER BY last_id {order} LIMIT 1"
        with contextlib.suppress(sqlite3.Error):
            while row := damaged.execute(query, (at,)).fetchone():
                at = row[0]  # noqa: PLW2901 - from there on
                yield row


def _whole(row: tuple[Any, ...]) -> Iterator[StoredRecord]:
    """The records of a block that can be read, each line for itself."""
    last_id, count, *shared, lines = row
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        for place, line in enumerate(lines.split(b"\n"), last_id - count + 1):
            with contextlib.suppress(ValueError, TypeError):
                (record,) = records((place, 1, *shared, line))
                json.loads(b"{" + record.payload)
                yield record


def _readable(damaged: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a query up to the first that cannot be read."""
    with contextlib.suppress(sqlite3.Error):
        yield from damaged.execute(query)
