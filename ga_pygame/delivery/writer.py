"""Inbox to outbox: commits what the game reported, 25 times a second, in small transactions.

What a transaction does with the records stands in `slice_writer`. This is the worker around it: it takes
slices of the inbox, keeps the session's row fresh, and at the first step ends the sessions of processes
that died.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from ga_pygame import kept
from ga_pygame.clock import yield_gil
from ga_pygame.delivery.encoder import Encoder
from ga_pygame.delivery.intake import Intake
from ga_pygame.delivery.outbox.contract import LockedError, Outbox, Transaction
from ga_pygame.delivery.recovery import recover
from ga_pygame.delivery.slice_writer import Heartbeat, SliceWriter, WriterState
from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.kept import Remember
from ga_pygame.recording.inbox import Flush, Item

COMMIT_SECONDS = 0.04
"""Time between commits: with the commit itself, an event is on disk within 0.05 s."""

FRAMES_SECONDS = 0.03
"""Time between commits that begin when a frame was shown: before the writer's own time comes."""

SLICE = 256
"""Records in one transaction."""

_YIELD_AFTER_TAKEN = 16
"""Records between two yields of the GIL, while the writer keeps up."""

_BUSY = 128
"""Records of a slice with which it does not keep up; then it yields the GIL once in that many."""

MANY = 500 - 64
"""Records that are sent at once instead of at the next interval, so that no more wait at an exit: one batch."""

HEARTBEAT_SECONDS = 0.5
"""Time between refreshes of the session's row while nothing is reported: so exact is the length after a kill."""


_FULL = (
    "events dropped (outbox_full): more wait for a connection than max_outbox_bytes has room for, so those of the "
    "oldest session go; Tracker(max_outbox_bytes=…) makes more room"
)


class Writer:
    """See the module.

    Args:
        intake: What the game reported; the writer is the only one to take from it. Its journal is told what is stored.
        outbox: Where it goes.
        encoder: Makes JSON of it.
        diagnostics: Counts what is stored and lost.
        heartbeat: Tells how long the running session has lasted; `None` while there is none.
        urge: Called after a commit that should be sent now: a session's start or end, or a full batch.
        max_outbox_bytes: Room for records that wait.

    Attributes:
        has_finished: Everything is stored, and nothing will be any more.
    """

    name = "writer"
    has_finished = False
    """No step is to come: what is put into the inbox now stays there."""

    def __init__(
        self,
        intake: Intake,
        outbox: Outbox,
        encoder: Encoder,
        *,
        diagnostics: Diagnostics,
        heartbeat: Callable[[float], Heartbeat | None],
        urge: Callable[[], None],
        max_outbox_bytes: int,
    ) -> None:
        self._intake = intake
        self._inbox = intake.inbox
        self._outbox = outbox
        self._encoder = encoder
        self._diagnostics = diagnostics
        self._heartbeat = heartbeat
        self._urge = urge
        self._max_outbox_bytes = max_outbox_bytes
        self._journal_key = kept.journal_position(outbox.launch)
        self._position = 0  # in the journal, of what the outbox has
        self._told = 0  # what the journal knows of that
        self._stored = (0, 0)  # and of what the disk has, and who else
        self._in_hand: Sequence[Item] = ()
        self._remembers: deque[Remember] = deque()
        self._flushes: deque[Flush] = deque()
        self._state = WriterState()
        self._unsent = 0  # stored since the uploaders were last urged
        self._saved_at = 0.0
        self._recovered = False
        self._finishing = False

    def finish(self) -> None:
        self._finishing = True

    def session_num(self, session_id: str) -> int:
        """The number of a recent session; 0 while it is not stored. Any thread."""
        return self._state.numbers.get(session_id, 0)

    def step(self, now: float) -> float | None:
        """Store one slice of the inbox, or do what is due when there is none."""
        if not self._recovered and self._outbox.is_on_disk:  # else at the first step at which it is
            try:
                recover(self._outbox, self._encoder, self._diagnostics)
                self._recovered = True
            except LockedError:
                if not self._finishing:  # else the next launch picks them up
                    return COMMIT_SECONDS
        self._intake.look_for_disk(now)
        finishing = self._finishing  # read before the inbox, as are requests: what came before them is stored
        self._take_requests()
        items = self._in_hand
        has_waited = bool(items)
        if not items:
            items = self._in_hand = self._inbox.take(SLICE)
            self._diagnostics.count("recorded", len(items))
        if items or self._remembers or self._is_due(now):
            try:
                self._store(items, now, may_wait=not finishing or self._inbox.is_safe)
            except LockedError:  # the next step goes on with the same, or the next launch, if this is the end
                return COMMIT_SECONDS
        self._in_hand = ()
        self.tell_journal()
        if len(items) == SLICE or has_waited:
            return 0.0
        while self._flushes:
            self._flushes.popleft().stored()
        self.has_finished = finishing
        return None if finishing else COMMIT_SECONDS

    def _take_requests(self) -> None:
        requests = self._inbox.requests
        for _ in range(len(requests)):
            request = requests.popleft()
            if isinstance(request, Flush):
                self._flushes.append(request)
            elif kept.storable(request.key, request.value, self._diagnostics.warn_once):
                self._remembers.append(request)

    def _is_due(self, now: float) -> bool:
        beat = self._state.session is not None and now >= self._saved_at + HEARTBEAT_SECONDS
        return beat or self._state.wallet_is_due(now)

    def _store(self, items: Sequence[Item], now: float, *, may_wait: bool) -> None:
        journal = self._intake.journal
        position = journal.position if journal is not None else 0
        try:
            self._commit(items, now, position, may_wait=may_wait)
        except LockedError:
            raise
        except Exception as error:  # noqa: BLE001 - one bad record must not take the others with it
            self._diagnostics.defect("the writer", error)
            for number, item in enumerate(items, 1):
                self._store_alone(item, now, position if number == len(items) else self._position)

    def tell_journal(self) -> None:
        """Have the journal forget what is on the disk; what is in memory it keeps until it is sent."""
        journal = self._intake.journal
        if journal is None:
            return
        done = self._told if self._told == self._position else self._outbox.journal_done(self._position)
        if done != self._told:
            self._told = done
            journal.committed(done)
        if self._outbox.is_on_disk:
            stored = done, self._outbox.journal_sent(done)
            if stored != self._stored:
                self._stored = stored
                journal.stored(*stored)

    @property
    def unstored(self) -> int:
        """Records that were taken from the inbox and are in no outbox yet. Any thread."""
        return len(self._in_hand)

    @property
    def owes_journal(self) -> bool:
        """Whether the journal has what is neither on the disk nor sent."""
        return self._intake.journal is not None and self._outbox.journal_done(self._position) != self._position

    def _store_alone(self, item: Item, now: float, position: int) -> None:
        try:
            self._commit([item], now, position)
        except Exception:  # noqa: BLE001 - reported by _store
            self._diagnostics.drop(Drop.INTERNAL, detail=type(item.event).__name__)

    def _commit(self, items: Sequence[Item], now: float, position: int, *, may_wait: bool = False) -> None:
        remembers = tuple(self._remembers)
        slice_writer, trimmed = self._outbox.transact(
            lambda transaction: self._write(transaction, items, remembers, now, position), may_wait=may_wait
        )
        self._state = slice_writer.state
        self._position = position
        for _ in remembers:
            self._remembers.popleft()
        self._saved_at = now
        self._diagnostics.count("stored", slice_writer.added)
        self._diagnostics.drop(Drop.OUTBOX_FULL, trimmed)
        if trimmed:
            self._diagnostics.warn_once("outbox full", _FULL)
        if slice_writer.lost:
            self._diagnostics.drop(Drop.INTERNAL, slice_writer.lost, "flows of a wallet")
        self._unsent += slice_writer.added
        if slice_writer.urgent or self._unsent >= MANY:
            self._unsent = 0
            self._urge()

    def _write(
        self, transaction: Transaction, items: Sequence[Item], remembers: Sequence[Remember], now: float, position: int
    ) -> tuple[SliceWriter, int]:
        """The work of one transaction; may run twice, so it changes nothing of the writer's."""
        slice_writer = SliceWriter(self._state, transaction, self._encoder)
        pace = _YIELD_AFTER_TAKEN if len(items) < _BUSY else _BUSY
        for place, item in enumerate(items, 1):
            slice_writer.take(item)
            if place % pace == 0:
                yield_gil()
        for wish in remembers:
            transaction.remember(wish.key, wish.value)
        slice_writer.close(now, self._heartbeat(now))
        if position != self._position:
            transaction.remember(self._journal_key, str(position))
        return slice_writer, transaction.trim(self._max_outbox_bytes)
