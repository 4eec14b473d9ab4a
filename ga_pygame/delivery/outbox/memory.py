"""An outbox in memory, for a disk that cannot be written, and for tests.

A disk may be full for hours, so the time of each operation depends on the records that it moves, not on all that wait.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TypeVar

from ga_pygame import kept
from ga_pygame.clock import new_id, yield_gil
from ga_pygame.delivery.outbox.books import Books
from ga_pygame.delivery.outbox.contract import (
    MAX_REJECTED,
    PROTECTED,
    Batch,
    DeadLaunch,
    NewRecord,
    Rejected,
    Told,
    Transaction,
    as_new_record,
    cut,
    no_books,
)
from ga_pygame.delivery.outbox.memory_sums import MemorySums
from ga_pygame.delivery.outbox.open_session import OpenSession
from ga_pygame.kept import COUNTERS, USER_ID, KeptKey
from ga_pygame.protocol import StoredRecord

T = TypeVar("T")


_YIELD_AFTER_POURED = 128
"""Records that are copied to another outbox between two yields of the GIL."""


class MemoryOutbox:
    """See the module.

    Args:
        destinations: Names that take records.
        summing: Names that take sums.
        told: Told of amounts that would make a sum too large.
    """

    def __init__(self, destinations: Sequence[str], summing: Sequence[str] = (), told: Told | None = None) -> None:
        self._destinations = tuple(destinations)
        self._summing = frozenset(summing)
        self.sums = MemorySums(told or Told())
        self._lock = Lock()  # for writer and uploaders; the game thread never takes it
        self._records: dict[int, StoredRecord] = {}
        self._waiting: dict[str, dict[int, None]] = {name: {} for name in destinations}  # ids in order
        self._groups: dict[tuple[bool, str], dict[int, None]] = {}  # ids by protected or not, and session
        self._bytes = 0
        self._leased: dict[str, int] = {}  # the last leased id by destination
        self._next_id = 1
        self._ends: deque[int] = deque()  # the last id of each transaction whose records may be waiting
        self.values: dict[KeptKey, str] = {}
        self.attempts: Counter[str] = Counter()
        self.sessions: dict[str, OpenSession | None] = {}  # None: ended here, may be open on the disk
        self.rejected: deque[Rejected] = deque(maxlen=MAX_REJECTED)
        self._known_values: dict[KeptKey, str] = {}
        self._known_attempts: dict[str, int] = {}
        self.was_cleared = False  # and the disk is to be cleared, too: see `pour`
        self._is_revoked: Callable[[], bool] = lambda: False
        self.launch = new_id()

    def __len__(self) -> int:
        return len(self._records)

    @property
    def next_id(self) -> int:
        """Return the id of the next record."""
        return self._next_id

    def count_between(self, first: int, following: int) -> int:
        """Count the records with an id from `first` to `following` - 1."""
        with self._lock:
            return sum(one in self._records for one in range(first, following))

    @property
    def oldest(self) -> int:
        """Return the lowest id of a waiting record; all below are finished."""
        with self._lock:
            return next(iter(self._records), self._next_id)

    def transact(self, work: Callable[[Transaction], T], *, may_wait: bool = False) -> T:  # noqa: ARG002 - for nobody
        transaction = _MemoryTransaction(self)
        result = work(transaction)
        transaction.commit()
        return result

    def transact_at_start(self, work: Callable[[Transaction], T]) -> T:
        return self.transact(work)

    def journal_path(self) -> Path | None:
        return None

    def journal_done(self, position: int) -> int:
        return position

    def journal_sent(self, position: int) -> int:  # noqa: ARG002 - nothing of it is on a disk
        return 0

    journal_books = staticmethod(no_books)
    is_on_disk = is_lasting = True  # memory is its final place, unless it stands in for a disk

    def dead_launches(self) -> Sequence[DeadLaunch]:
        return ()

    def forget_launch(self, dead_launch: DeadLaunch) -> None:
        pass

    def lease(self, destination: str, max_events: int, max_bytes: int) -> Batch | None:
        if destination in self._leased:
            return None
        if destination in self._summing:
            batch = self.sums.lease(destination, self)
            if batch is not None:
                self._leased[destination] = 0
            return batch
        with self._lock:
            records, more = cut(map(self._records.__getitem__, self._waiting[destination]), max_events, max_bytes)
            if not records:
                return None
            if more:
                records = self._of_whole_transactions(records)
            self._leased[destination] = records[-1].id
        return Batch(destination, records, self, more)

    def _of_whole_transactions(self, records: list[StoredRecord]) -> list[StoredRecord]:
        """Leave out records of a transaction that has more records, unless no others are left.

        The journal is told which transactions are sent as a whole; a kill would make the next launch send the records
        of one that is sent in part again.
        """
        newest = records[-1].id
        end = max(itertools.takewhile(lambda one: one <= newest, self._ends), default=0)
        return [record for record in records if record.id <= end] or records

    def settle(self, batch: Batch, rejected: Sequence[Rejected] = ()) -> None:
        if batch.destination in self._summing:
            self.sums.settle(batch)
            self.rejected.extend(rejected)
            self.release(batch)
            return
        with self._lock:
            for record in batch.records:
                self._waiting[batch.destination].pop(record.id, None)  # missing if it was trimmed or moved to the disk
                if not any(record.id in queue for queue in self._waiting.values()):
                    self._remove(record.id)
        self.rejected.extend(rejected)
        self.release(batch)

    def _remove(self, record_id: int) -> bool:
        """Remove a record; false if it is gone already. The caller holds the lock."""
        record = self._records.pop(record_id, None)
        if record is None:
            return False
        for queue in self._waiting.values():
            queue.pop(record_id, None)
        key = (record.category in PROTECTED, record.session_id)
        group = self._groups[key]
        del group[record_id]
        if not group:
            del self._groups[key]
        self._bytes -= len(record.payload)
        return True

    def release(self, batch: Batch) -> None:
        self._leased.pop(batch.destination, None)

    def save(self) -> None:
        pass

    def give_up(self) -> int:
        return len(self)

    def close(self) -> None:
        self._leased.clear()

    @property
    def busy(self) -> bool:
        """Whether a batch is being sent."""
        return bool(self._leased)

    @property
    def is_over(self) -> bool:
        """Whether every known session has ended and its `session_end` was delivered."""
        waiting = any(record.category == "session_end" for record in tuple(self._records.values()))
        return not waiting and not any(self.sessions.values())

    def append(self, record: NewRecord, destinations: Sequence[str] | None = None) -> None:
        """Append a record."""
        with self._lock:
            number = self._next_id
            names = self._destinations if destinations is None else destinations
            self._next_id += 1
            if not names:
                return
            stored = record.stored(number)
            self._records[number] = stored
            for name in names:
                self._waiting[name][number] = None
            self._groups.setdefault((stored.category in PROTECTED, stored.session_id), {})[number] = None
            self._bytes += len(stored.payload)

    def end_transaction(self) -> None:
        """Note that the last record ends a transaction."""
        with self._lock:
            last = self._next_id - 1
            oldest = next(iter(self._records), last)
            while self._ends and self._ends[0] < oldest:
                self._ends.popleft()
            if not self._ends or self._ends[-1] < last:
                self._ends.append(last)

    def take_over(
        self, values: Mapping[KeptKey, str], attempts: Mapping[str, int], sessions: Mapping[str, OpenSession]
    ) -> None:
        """Continue with the values of another outbox."""
        self.values, self._known_values = dict(values), dict(values)
        self.attempts, self._known_attempts = Counter(attempts), dict(attempts)
        self.sessions.update(sessions)

    def pour(self, transaction: Transaction) -> int:
        """Merge everything into the disk outbox, which other processes may have changed since `take_over`.

        Returns how many records were deleted there; see `Transaction.clear`.
        """
        if self._is_revoked():
            return 0
        deleted = transaction.clear() if self.was_cleared else 0
        self._pour_counters(transaction)
        for session_id, session in self.sessions.items():
            if session is None:
                transaction.delete_session(session_id)
            else:
                transaction.save_session(session)
        for place, record in enumerate(tuple(self._records.values()), 1):
            wanted = [name for name, queue in self._waiting.items() if record.id in queue]
            transaction.add([as_new_record(record)], wanted)
            if place % _YIELD_AFTER_POURED == 0:
                yield_gil()
        self.sums.pour(transaction)
        return deleted

    def books(self) -> Books:
        """Return what the disk does not know of the counters, attempts and sessions. For the writer's thread."""
        counters = {key: kept.count(self.values.get(key)) - kept.count(self._known_values.get(key)) for key in COUNTERS}
        known = self._known_attempts
        attempts = {level: number for level, number in self.attempts.items() if number != known.get(level, 0)}
        return Books(counters, attempts, dict(self.sessions))

    def _pour_counters(self, transaction: Transaction) -> None:
        for key in self._known_values.keys() - self.values.keys():
            transaction.remember(key, None)
        for key, value in self.values.items():
            before, now = self._known_values.get(key), transaction.value(key)
            if key in COUNTERS:
                transaction.remember(key, str(kept.count(now) + kept.count(value) - kept.count(before)))
            elif value != before and not (key == USER_ID and now is not None):  # a stored player id wins
                transaction.remember(key, value)
        for level, number in self.attempts.items():
            if number != self._known_attempts.get(level, 0):
                transaction.set_attempts(level, number)

    def clear(self, is_revoked: Callable[[], bool]) -> int:
        """Empty this outbox, and later the one that it is merged into; see `Transaction.clear`."""
        with self._lock:
            sent = max(self._leased.values(), default=0)
            waiting = sum(one > sent for one in self._records)
        self.forget()
        self._is_revoked = is_revoked
        self.values = {}
        self.take_over({}, {}, {})
        self.was_cleared = True
        return waiting

    def forget(self) -> None:
        """Empty this outbox after it was merged into another one."""
        with self._lock:
            self._records.clear()
            self._ends.clear()
            self._groups.clear()
            self._bytes = 0
            for queue in self._waiting.values():
                queue.clear()
        self.sessions.clear()
        self.sums.clear()
        self.was_cleared = False
        self.take_over(self.values, {}, {})

    def trim(self, max_bytes: int) -> int:
        """See `Transaction.trim`."""
        with self._lock:
            if self._bytes <= max_bytes:
                return 0
            newest = self._records[next(reversed(self._records))].session_id
            doomed = [
                one
                for protected in (False, True)
                for key in [key for key in self._groups if key[0] is protected]
                for one in self._doomed(key, max_bytes, is_newest=key[1] == newest)
            ]
            return len(doomed)

    def _doomed(self, key: tuple[bool, str], max_bytes: int, *, is_newest: bool) -> Iterator[int]:
        """Remove a session's records while there are too many bytes; of the newest session only as many as needed."""
        if self._bytes <= max_bytes:
            return
        sent = max(self._leased.values(), default=0)
        excess = self._bytes - max_bytes
        chosen = []
        for record_id in self._groups[key]:
            if is_newest and excess <= 0:
                break
            if record_id > sent:  # else it is being sent now
                chosen.append(record_id)
                excess -= len(self._records[record_id].payload)
        for record_id in chosen:
            self._remove(record_id)
            yield record_id


class _MemoryTransaction:
    """A transaction in memory: changes are applied by `commit` only, so that a failed one leaves nothing."""

    def __init__(self, outbox: MemoryOutbox) -> None:
        self._outbox = outbox
        self._values = dict(outbox.values)
        self._attempts = Counter(outbox.attempts)
        self._sessions = dict(outbox.sessions)
        self._added: list[tuple[NewRecord, Sequence[str] | None]] = []
        self._additions: list[tuple[str, str, float]] = []

    @property
    def is_lasting(self) -> bool:
        return self._outbox.is_lasting

    def value(self, key: KeptKey) -> str | None:
        return self._values.get(key)

    def values(self) -> Mapping[KeptKey, str]:
        return dict(self._values)

    def remember(self, key: KeptKey, value: str | None) -> None:
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = value

    def increment(self, key: KeptKey) -> int:
        number = kept.count(self._values.get(key)) + 1
        self._values[key] = str(number)
        return number

    def attempts(self, level: str) -> int:
        return self._attempts[level]

    def set_attempts(self, level: str, number: int) -> None:
        self._attempts[level] = number

    def add(self, records: Sequence[NewRecord], destinations: Sequence[str] | None = None) -> None:
        self._added.extend((record, destinations) for record in records)

    def add_to_sum(self, destination: str, slot: str, amount: float, key: str = "") -> None:  # noqa: ARG002 - never here
        self._additions.append((destination, slot, amount))

    def save_session(self, session: OpenSession, launch: str | None = None) -> None:  # noqa: ARG002 - ours die with us
        self._sessions[session.session_id] = session

    def delete_session(self, session_id: str) -> bool:
        known = self._sessions.get(session_id) is not None
        self._sessions[session_id] = None
        return known

    def clear(self, is_revoked: Callable[[], bool] = lambda: False) -> int:
        added = len(self._added)
        self._values, self._attempts, self._added, self._additions = {}, Counter(), [], []
        self._sessions = dict.fromkeys(self._sessions)
        return added + self._outbox.clear(is_revoked)

    def trim(self, max_bytes: int) -> int:
        self._append()
        return self._outbox.trim(max_bytes)

    def _append(self) -> None:
        for record, destinations in self._added:
            self._outbox.append(record, destinations)
        self._added = []

    def commit(self) -> None:
        outbox = self._outbox
        outbox.values, outbox.attempts, outbox.sessions = self._values, self._attempts, self._sessions
        outbox.sums.add(self._additions)
        self._append()
        outbox.end_transaction()
