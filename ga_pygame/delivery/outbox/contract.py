"""The durable queue between the writer and the uploaders: its contract, and the one that lives in memory.

All of the writer's work happens in transactions, so that an event and the counters that it moves
(`session_num`, `transaction_num`, attempts) are on disk together or not at all. Uploaders lease a batch,
then settle or release it; a destination's lease is held by one uploader of one process at a time.
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
"""Rejected events kept for the developer to look at."""


class OutboxError(Exception):
    """The outbox cannot be read or written now: disk full, read-only, locked or damaged."""


class LockedError(OutboxError):
    """Another process is writing: the same may work in a moment."""


class NewRecord(NamedTuple):
    """An encoded event on its way into the outbox.

    Attributes:
        client_ts: When it happened by the local clock, seconds since 1970.
        clock_offset: Server time minus local time in seconds, where it was known.
        annotations: What it shares with its neighbours, as a JSON fragment; may be empty.
        own: The rest, with `event_uuid` at the end, as a JSON fragment.
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
        """The record as it is sent."""
        session_id, category, client_ts, clock_offset, annotations, own, extra = self
        return StoredRecord(record_id, session_id, category, client_ts, clock_offset, payload(annotations, own), extra)


def payload(annotations: bytes, own: bytes) -> bytes:
    """A JSON object without its opening brace, so that the corrected time can be put in front."""
    return b"%b,%b}" % (annotations, own) if annotations else own + b"}"


def as_new_record(record: StoredRecord) -> NewRecord:
    """A record that was in another outbox."""
    return NewRecord(*record[1:5], b"", record.payload[:-1], record.extra)


@dataclass(frozen=True, slots=True)
class DeadLaunch:
    """What a process left behind that died.

    Attributes:
        launch: Its name.
        sessions: Those that it had open.
        journal: Where it noted its records, if it did.
        is_of_this_file: Whether it used this very file; false if that was begun anew since.
    """

    launch: str
    sessions: Sequence[OpenSession]
    journal: Path | None
    is_of_this_file: bool = True


def _unheard(*_message: object) -> None:
    pass


class Told(NamedTuple):
    """Who hears of what is wrong in a kept file, or with what it is to keep, and costs only itself.

    Attributes:
        say: Takes a cause and a message, which is said once.
        lost: Takes a number of events that are gone, and why.
        refused: Takes why an amount is not added to its sum.
    """

    say: Callable[[str, str], None] = _unheard
    lost: Callable[[int, str], None] = _unheard
    refused: Callable[[str], None] = _unheard


class Rejected(NamedTuple):
    """An event that will not be sent again, with the reason."""

    record: StoredRecord
    reason: Drop
    errors: str


@dataclass(frozen=True)
class Batch:
    """Records leased for one send.

    Attributes:
        more: Whether more was waiting when this was leased (of sums: frozen together with this one). What comes
            later waits for the next interval.
    """

    destination: str
    records: Sequence[StoredRecord]
    origin: Outbox = field(repr=False)
    more: bool = True


class Transaction(Protocol):
    """What the writer may do in one step that happens wholly or not at all."""

    def value(self, key: KeptKey) -> str | None:
        """A value kept across launches."""
        ...

    def values(self) -> Mapping[KeptKey, str]:
        """All values kept across launches."""
        ...

    def remember(self, key: KeptKey, value: str | None) -> None:
        """Keep a value across launches; `None` forgets it."""
        ...

    def increment(self, key: KeptKey) -> int:
        """Move a counter by one; the first value is 1."""
        ...

    def attempts(self, level: str) -> int:
        """How many attempts at a level failed since it was last completed."""
        ...

    def set_attempts(self, level: str, number: int) -> None:
        """Keep that number across launches."""
        ...

    def add(self, records: Sequence[NewRecord], destinations: Sequence[str] | None = None) -> None:
        """Append records, to be delivered to these destinations, by default to all."""
        ...

    def add_to_sum(self, destination: str, slot: str, amount: float, key: str = "") -> None:
        """Add to what a summing destination is going to get, unless that becomes too much: see `Told.refused`.

        Args:
            destination: Its name.
            slot: Which of its sums.
            amount: How much.
            key: Of a sum that another outbox has frozen.
        """
        ...

    def save_session(self, session: OpenSession, launch: str | None = None) -> None:
        """Keep what would end the session if the process died now; `launch`: of another process."""
        ...

    def delete_session(self, session_id: str) -> bool:
        """Forget an open session; false where somebody else already ended it."""
        ...

    def clear(self) -> None:
        """Forget everything: records, sessions, attempts, values."""
        ...

    def trim(self, max_bytes: int) -> int:
        """Make room: drop the oldest session's records first, protected ones last; return how many.

        The last thing in a transaction.
        """
        ...


class Outbox(Protocol):
    """Where records wait. The writer calls `transact`, uploaders the rest; each on its own thread."""

    def transact(self, work: Callable[[Transaction], T], *, may_wait: bool = False) -> T:
        """Do `work` in one transaction; it may be called again from the start and must not remember.

        Args:
            work: What to do.
            may_wait: Whether the caller can come again.

        Raises:
            LockedError: With `may_wait` only: another process is writing, nothing was done, come again soon.
        """
        ...

    def transact_at_start(self, work: Callable[[Transaction], T]) -> T:
        """The same on the game thread, before the first frame: without what may take long, which comes later."""
        ...

    @property
    def launch(self) -> str:
        """This process's name, under which its sessions are kept."""
        ...

    def journal_path(self) -> Path | None:
        """Where this launch may note its records; `None` where there is no disk."""
        ...

    def journal_done(self, position: int) -> int:
        """Up to where the journal is not needed any more: what it held is on the disk, or was sent from memory.

        Args:
            position: Up to where it was given to this outbox.
        """
        ...

    def journal_sent(self, position: int) -> int:
        """Up to where everything was delivered to everybody by this process, as far as it knows.

        Args:
            position: Up to where everything is on the disk.
        """
        ...

    @property
    def is_on_disk(self) -> bool:
        """Whether all that was committed is where it is to stay."""
        ...

    def dead_launches(self) -> Sequence[DeadLaunch]:
        """What dead processes left behind; nobody else gets it until `forget_launch`."""
        ...

    def forget_launch(self, dead_launch: DeadLaunch) -> None:
        """What an dead_launch held is in the outbox: forget it."""
        ...

    def lease(self, destination: str, max_events: int, max_bytes: int) -> Batch | None:
        """The oldest undelivered records, or `None`: there are none, or somebody else is sending.

        A `user` record always opens a batch, so that it is the first event of a session's first batch. A
        summing destination gets one sum, frozen: see `SummingDestination`.
        """
        ...

    def settle(self, batch: Batch, rejected: Sequence[Rejected] = ()) -> None:
        """Be done with a batch for its destination."""
        ...

    def release(self, batch: Batch) -> None:
        """Give a batch back, to be sent again."""
        ...

    def save(self) -> None:
        """Write down what is not on the disk yet; called once, when the writer has finished."""
        ...

    def close(self) -> None:
        """Let go of files and locks; called once, when the uploaders have finished too."""
        ...


def cut(records: Iterable[StoredRecord], max_events: int, max_bytes: int) -> tuple[list[StoredRecord], bool]:
    """The longest start of `records` that may travel together, at least one record; whether there are more."""
    taken: list[StoredRecord] = []
    size = 2
    for record in records:
        size += len(record.payload) + 28
        if taken and (len(taken) == max_events or size > max_bytes or record.category == "user"):
            return taken, True
        taken.append(record)
    return taken, False


MIN_SUM = 1e-9
"""A sum nearer to zero is nothing but the rounding of fractions."""


def refusal(destination: str, amount: object) -> str:
    """Why an amount is not added to a sum."""
    return (
        f"the destination {destination!r}: amount {start_of(amount, 40)}: with it the sum that waits would be more than"
        f" {kept.MAX_SUM:g} or less than -{kept.MAX_SUM:g}, or no number; it is left out. Report smaller numbers"
    )


def sum_record(slot: str, value: float, key: str) -> StoredRecord:
    """A frozen sum in the form of a record."""
    text = json.dumps({"slot": slot, "value": value, "key": key})
    return StoredRecord(0, "", "sum", 0.0, None, text.encode()[1:])
