"""Inbox to outbox: commits what the game reported, 25 times a second, in small transactions.

What a transaction does with the records stands in `bookkeeping`. This is the worker around it: it takes
slices of the inbox, keeps the session's row fresh, and at the first step ends the sessions of processes
that died.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ga_pygame.clock import Clock, PastClock, breathe
from ga_pygame.delivery.bookkeeping import Amounts, Book, Encoder, Heartbeat, Page, replay
from ga_pygame.delivery.journal import Journal, Rest
from ga_pygame.delivery.outbox import Outbox, Transaction, journal_key
from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.events import Record

COMMIT_SECONDS = 0.04
"""Time between commits: with the commit itself, an event is on disk within 0.05 s."""

SLICE = 64
"""Records in one transaction, while the writer keeps up."""

BURST = 256
"""Records in one transaction when that many wait: 65,000 a second are stored instead of 55,000."""

_BREATH = 8
"""Records between two breaths, while the writer keeps up."""

MANY = 500 - SLICE
"""Records that are sent at once instead of at the next interval, so that no more wait at an exit: one batch."""

HEARTBEAT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Remember:
    """A value to keep across launches, on its way from the game to the outbox."""

    key: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Flush:
    """A wish to have everything before it sent now; `stored` is called when it is committed."""

    stored: Callable[[], None]


Item = Record | Remember | Flush
Inbox = deque[Item]


class Writer:
    """See the module.

    Args:
        inbox: What the game reported; the writer is the only one to take from it.
        outbox: Where it goes.
        clock: For wall-clock times and intervals.
        diagnostics: Counts what is stored and lost.
        heartbeat: Tells how long the running session has lasted; `None` while there is none.
        urge: Called after a commit that should be sent now: a session's start or end, or a full batch.
        max_outbox_bytes: Room for records that wait.
        amounts: By summing destination, what an event adds to which of its sums.
        journal: Where records are noted, to be told what is committed.
        health_for: Destinations that want health samples.

    Attributes:
        has_finished: Everything is stored, and nothing will be any more.
    """

    name = "writer"
    has_finished = False
    """No step is to come: what is put into the inbox now stays there."""

    def __init__(
        self,
        inbox: Inbox,
        outbox: Outbox,
        *,
        clock: Clock,
        diagnostics: Diagnostics,
        heartbeat: Callable[[float], Heartbeat | None],
        urge: Callable[[], None],
        max_outbox_bytes: int,
        amounts: Mapping[str, Amounts] | None = None,
        journal: Journal | None = None,
        health_for: Sequence[str] = (),
    ) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._clock = clock
        self._diagnostics = diagnostics
        self._heartbeat = heartbeat
        self._urge = urge
        self._max_outbox_bytes = max_outbox_bytes
        self._journal = journal
        self._journal_key = journal_key(outbox.launch)
        self._book = Book()
        self._encoder = Encoder(clock, amounts, health_for)
        self._unsent = 0  # stored since the uploaders were last urged
        self._saved_at = 0.0
        self._recovered = False
        self._finishing = False

    def finish(self) -> None:
        self._finishing = True

    def session_num(self, session_id: str) -> int:
        """The number of a recent session; 0 while it is not stored. Any thread."""
        return self._book.numbers.get(session_id, 0)

    def step(self, now: float) -> float | None:
        """Store one slice of the inbox, or do what is due when there is none."""
        if not self._recovered:
            self._recovered = True
            self._recover()
        finishing = self._finishing  # read before the inbox: what came before finish() is stored
        waiting = len(self._inbox)
        items = [self._inbox.popleft() for _ in range(BURST if waiting >= BURST else min(SLICE, waiting))]
        if items or self._is_due(now):
            self._diagnostics.count("recorded", sum(isinstance(item, Record) for item in items))
            self._store(items, now)
        if self._inbox:
            return 0.0
        self.has_finished = finishing
        return None if finishing else COMMIT_SECONDS

    def _is_due(self, now: float) -> bool:
        beat = self._book.session is not None and now >= self._saved_at + HEARTBEAT_SECONDS
        return beat or self._book.wallet_is_due(now)

    def _store(self, items: Sequence[Item], now: float) -> None:
        try:
            self._commit(items, now)
        except Exception as error:  # noqa: BLE001 - one bad record must not take the others with it
            self._diagnostics.defect("the writer", error)
            for item in items:
                self._store_alone(item, now)

    def _store_alone(self, item: Item, now: float) -> None:
        try:
            self._commit([item], now)
        except Exception:  # noqa: BLE001 - reported by _store
            self._diagnostics.drop(Drop.INTERNAL, detail=type(getattr(item, "event", item)).__name__)

    def _commit(self, items: Sequence[Item], now: float) -> None:
        noted = _last_noted(items)
        page, trimmed = self._outbox.transact(lambda transaction: self._write(transaction, items, now, noted))
        self._book = page.book
        if self._journal is not None and noted:
            self._journal.committed(noted)
        self._saved_at = now
        self._diagnostics.count("stored", page.added)
        self._diagnostics.drop(Drop.OUTBOX_FULL, trimmed)
        self._unsent += page.added
        if page.urgent or self._unsent >= MANY:
            self._unsent = 0
            self._urge()
        for item in items:
            if isinstance(item, Flush):
                item.stored()

    def _write(self, transaction: Transaction, items: Sequence[Item], now: float, noted: int) -> tuple[Page, int]:
        """The work of one transaction; may run twice, so it changes nothing of the writer's."""
        page = Page(self._book, transaction, self._encoder)
        for place, item in enumerate(items, 1):
            if isinstance(item, Record):
                page.take(item)
            elif isinstance(item, Remember):
                transaction.remember(item.key, item.value)
            if place % _BREATH == 0:
                page.store()
                if len(items) <= SLICE or place % SLICE == 0:
                    breathe()
        page.close(now, self._heartbeat(now))
        if noted:
            transaction.remember(self._journal_key, str(noted))
        return page, transaction.trim(self._max_outbox_bytes)

    def _recover(self) -> None:
        for orphan in self._outbox.orphans():
            try:
                rest = Rest(orphan.journal.read_bytes() if orphan.journal is not None else b"")
                offset = orphan.sessions[0].clock_offset if orphan.sessions else None
                encoder = self._encoder.of(PastClock(rest.anchor, offset))
                work = functools.partial(replay, orphan=orphan, rest=rest, encoder=encoder)
                self._outbox.transact(work)
                self._outbox.bury(orphan)
            except Exception as error:  # noqa: BLE001 - a damaged row must not keep the game from recording
                self._diagnostics.defect("the recovery of a session", error)


def _last_noted(items: Sequence[Item]) -> int:
    """The highest number in the journal of some records, 0 where none is noted."""
    return max((item.sequence for item in items if isinstance(item, Record)), default=0)
