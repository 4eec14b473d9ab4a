"""The contract of the outbox, the durable queue between the writer and the uploaders.

The writer works in transactions, so that an event and the counters that it moves (`session_num`, `transaction_num`,
attempts) are stored together or not at all. Uploaders lease a batch, then settle or release it. At any time, one
uploader of one process holds a destination's lease.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from ga_pygame import kept
from ga_pygame.delivery.outbox.open_session import OpenSession
from ga_pygame.diagnostics import Drop
from ga_pygame.kept import KeptKey
from ga_pygame.protocol import StoredRecord
from ga_pygame.traces import start_of

T = TypeVar("T")

PROTECTED = frozenset({"user", "session_end", "business"})
"""Categories that go last when the outbox is full. Source: GameAnalytics SDKs, which accept only these then."""

MAX_REJECTED = 200
"""Rejected events that are kept for the developer to look at."""


class OutboxError(Exception):
    """The outbox cannot be read or written now: disk full, read-only, locked or damaged."""


class LockedError(OutboxError):
    """Another process is writing; the same call may succeed in a moment."""


class NotLastingError(OutboxError):
    """The outbox is in memory now, and what is to be stored must outlive the process."""


class MigrationError(OutboxError):
    """A statement that upgrades an older file is wrong: a defect of ours. The file stays as it is."""


class NewRecord(NamedTuple):
    """An encoded event on its way into the outbox.

    Attributes:
        client_ts: When it happened by the local clock, seconds since 1970.
        clock_offset: Server time minus local time in seconds, if it was known.
        annotations: The fields that it shares with its neighbours, as a JSON fragment; may be empty.
        own: Its other fields, `event_uuid` last, as a JSON fragment.
        extra: See `StoredRecord`.
    """

    session_id: str
    category: str
    client_ts: float
    clock_offset: float | None
    annotations: bytes
    own: bytes
    extra: str | None = None

    def stored(self, record_id: int) -> StoredRecord:
        """Return the record in the form in which it is sent."""
        session_id, category, client_ts, clock_offset, annotations, own, extra = self
        return StoredRecord(record_id, session_id, category, client_ts, clock_offset, payload(annotations, own), extra)


def payload(annotations: bytes, own: bytes) -> bytes:
    """Join both fragments to a JSON object without its opening brace; the corrected time is put in front later."""
    return b"%b,%b}" % (annotations, own) if annotations else own + b"}"


def as_new_record(record: StoredRecord) -> NewRecord:
    """Turn a record of one outbox into a new one for another outbox."""
    return NewRecord(*record[1:5], b"", record.payload[:-1], record.extra)


@dataclass(frozen=True, slots=True)
class DeadLaunch:
    """The data that a process left when it died.

    Attributes:
        launch: The name of that process.
        sessions: Its open sessions.
        journal: The path of its journal, if it had one.
        crash: The path of its crash file, if it had one.
        is_of_this_file: Whether it used this outbox file; false if a new file was begun since.
    """

    launch: str
    sessions: Sequence[OpenSession]
    journal: Path | None
    is_of_this_file: bool = True
    crash: Path | None = None


def _unheard(*_message: object) -> None:
    pass


class Told(NamedTuple):
    """Callbacks for errors in a file, or in a value to be stored, that cost only that one thing.

    Attributes:
        say: Takes a cause and a message; each cause is reported once.
        lost: Takes a number of lost events and the reason.
        refused: Takes the reason why an amount is not added to its sum.
    """

    say: Callable[[str, str], None] = _unheard
    lost: Callable[[int, str], None] = _unheard
    refused: Callable[[str], None] = _unheard


class Rejected(NamedTuple):
    """An event that is never sent again, with the reason."""

    record: StoredRecord
    reason: Drop
    errors: str


@dataclass(frozen=True)
class Batch:
    """Records leased for one send.

    Attributes:
        more: Whether more records were waiting at the time of the lease (for sums: frozen together with this one).
            Later records wait for the next interval.
    """

    destination: str
    records: Sequence[StoredRecord]
    origin: Outbox = field(repr=False)
    more: bool = True


class Transaction(Protocol):
    """Operations that are available inside one atomic transaction."""

    @property
    def is_lasting(self) -> bool:
        """Whether what is stored outlives the process; if not, the journal has its records until they are sent."""
        ...

    def value(self, key: KeptKey) -> str | None:
        """Return one value that is kept across launches."""
        ...

    def values(self) -> Mapping[KeptKey, str]:
        """Return all values that are kept across launches."""
        ...

    def remember(self, key: KeptKey, value: str | None) -> None:
        """Keep a value across launches; `None` deletes it."""
        ...

    def increment(self, key: KeptKey) -> int:
        """Add 1 to a counter and return it; the first value is 1."""
        ...

    def attempts(self, level: str) -> int:
        """Return how many attempts at a level have failed since it was last completed."""
        ...

    def set_attempts(self, level: str, number: int) -> None:
        """Keep the number of failed attempts across launches."""
        ...

    def add(self, records: Sequence[NewRecord], destinations: Sequence[str] | None = None) -> None:
        """Append records for these destinations, by default for all."""
        ...

    def add_to_sum(self, destination: str, slot: str, amount: float, key: str = "") -> None:
        """Add an amount to a sum; one that would make the sum too large is refused: see `Told.refused`.

        Args:
            destination: The name of a summing destination.
            slot: Which of its sums.
            amount: What to add.
            key: The idempotency key, if another outbox has frozen this sum.
        """
        ...

    def save_session(self, session: OpenSession, launch: str | None = None) -> None:
        """Keep what the next launch needs to end the session if this process dies; `launch` names another owner."""
        ...

    def delete_session(self, session_id: str) -> bool:
        """Delete an open session; false if another process has already ended it."""
        ...

    def clear(self, is_revoked: Callable[[], bool] = lambda: False) -> int:
        """Delete everything: records, sessions, attempts, values.

        Args:
            is_revoked: Whether this was taken back, which is asked again if the disk can be written only later;
                then nothing of this transaction and of later ones gets there.

        Returns:
            How many waiting records were deleted, without those that are being sent now. What is deleted on the disk
            later is counted by the outbox itself.
        """
        ...

    def trim(self, max_bytes: int) -> int:
        """Drop records until at most `max_bytes` are left; return how many were dropped.

        The oldest session's records go first, protected ones last. Call it last in a transaction.
        """
        ...


class Outbox(Protocol):
    """A queue of records. The writer calls `transact`, uploaders the other methods, each on its own thread."""

    def transact(self, work: Callable[[Transaction], T], *, may_wait: bool = False) -> T:
        """Run `work` in one transaction. It may run a second time after a failure, so it must not keep state.

        Args:
            work: Takes the transaction.
            may_wait: Whether the caller can try again soon.

        Raises:
            LockedError: With `may_wait` only: another process is writing and nothing was done; try again soon.
        """
        ...

    def transact_at_start(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` on the game thread, before the first frame; slow upkeep is left to a later `transact`."""
        ...

    @property
    def launch(self) -> str:
        """Return the name of this process, under which its sessions are kept."""
        ...

    def journal_path(self) -> Path | None:
        """Return the path for this launch's journal; `None` if there is no disk."""
        ...

    def journal_done(self, position: int) -> int:
        """Return the position up to which all records of the journal are on the disk, or were sent from memory.

        Args:
            position: The position up to which this outbox was given the journal's records.
        """
        ...

    def journal_books(self) -> str | None:
        """Return the bookkeeping as of `journal_done`, for a next launch; `None` if it is on the disk."""
        ...

    def journal_sent(self, position: int) -> int:
        """Return the position up to which this process knows all records to be delivered to all destinations.

        Args:
            position: The position up to which all records are on the disk.
        """
        ...

    @property
    def is_on_disk(self) -> bool:
        """Whether everything that was committed is in its final place."""
        ...

    def dead_launches(self) -> Sequence[DeadLaunch]:
        """Return what dead processes left; no other process gets the same until `forget_launch`.

        Raises:
            LockedError: Another process is writing; try again soon.
        """
        ...

    def forget_launch(self, dead_launch: DeadLaunch) -> None:
        """Delete the data of a dead launch, which the outbox has now."""
        ...

    def lease(self, destination: str, max_events: int, max_bytes: int) -> Batch | None:
        """Lease the oldest undelivered records; `None` if there are none, or another process is sending.

        A `user` record always begins a batch, so that it is the first event of a session's first batch. A
        summing destination gets one frozen sum: see `SummingDestination`.
        """
        ...

    def settle(self, batch: Batch, rejected: Sequence[Rejected] = ()) -> None:
        """Finish a batch: its records are not sent to its destination again."""
        ...

    def release(self, batch: Batch) -> None:
        """Give a batch back; its records are sent again."""
        ...

    def save(self) -> None:
        """Write to the disk what is not there yet; called once, when the writer has finished."""
        ...

    def give_up(self) -> int:
        """Let `save` try no more, since the time at the end is over; return how many records are on no disk."""
        ...

    def close(self) -> None:
        """Close files and release locks; called once, when the uploaders have finished too."""
        ...


def cut(records: Iterable[StoredRecord], max_events: int, max_bytes: int) -> tuple[list[StoredRecord], bool]:
    """Return the first records that fit into one batch, at least one; and whether there are more.

    A batch that a server sends on behalf of a player has records of one session only.
    """
    taken: list[StoredRecord] = []
    size = 2
    for record in records:
        size += len(record.payload) + 28
        if taken and (len(taken) == max_events or size > max_bytes or record.category == "user"):
            return taken, True
        if taken and record.session_id != taken[0].session_id and record.forwarded is not None:
            return taken, True
        taken.append(record)
    return taken, False


MIN_SUM = 1e-9
"""The smallest sum that is sent; a smaller one is a rounding error."""


def refusal(destination: str, amount: object) -> str:
    """Make the message for an amount that is not added to its sum."""
    return (
        f"the destination {destination!r}: amount {start_of(amount, 40)}: with it the sum that waits would be more than"
        f" {kept.MAX_SUM:g} or less than -{kept.MAX_SUM:g}, or no number; it is left out. Report smaller numbers"
    )


def sum_record(slot: str, value: float, key: str) -> StoredRecord:
    """Turn a frozen sum into a record."""
    text = json.dumps({"slot": slot, "value": value, "key": key})
    return StoredRecord(0, "", "sum", 0.0, None, text.encode()[1:])


def no_books() -> None:
    """Return that there is no bookkeeping besides the outbox's own; see `Outbox.journal_books`."""
