"""The writer: moves records from the inbox to the outbox, 25 times a second, in small transactions.

`slice_writer` has the work of one transaction. This is the worker around it: it takes slices of the inbox, refreshes
the session's row, and at its first step recovers dead launches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from ga_pygame import kept
from ga_pygame.clock import yield_gil
from ga_pygame.delivery.encoder import Encoder
from ga_pygame.delivery.intake import Intake
from ga_pygame.delivery.outbox.contract import LockedError, NotLastingError, Outbox, Transaction
from ga_pygame.delivery.recovery import recover
from ga_pygame.delivery.slice_writer import Playing, SliceWriter, WriterState
from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.kept import Remember
from ga_pygame.recording.inbox import Flush, Item

COMMIT_SECONDS = 0.04
"""Time between commits: with the commit itself, an event is on disk within 0.05 s."""

FRAMES_SECONDS = 0.03
"""Time between commits that begin when a frame was shown; shorter, so that they come before the writer's own time."""

SLICE = 256
"""Records in one transaction."""

_YIELD_AFTER_TAKEN = 16
"""Records between two yields of the GIL, while slices are small."""

_BUSY = 128
"""Size of a slice from which on the writer may not keep up; it then yields the GIL once in this many records."""

MANY = 500 - 64
"""Waiting records that are sent at once instead of at the next interval, so that at most one batch waits at an exit."""

HEARTBEAT_SECONDS = 0.5
"""Time between refreshes of the session's row if nothing is reported; the length after a kill is this exact."""


_FULL = (
    "events dropped (outbox_full): more wait for a connection than max_outbox_bytes has room for, so those of the "
    "oldest session go; Tracker(max_outbox_bytes=…) makes more room"
)


class _CeasedError(Exception):
    """The player denied consent before the transaction began."""


class Writer:
    """The writer (see the module).

    Args:
        intake: The inbox, from which only the writer takes, and the journal, which it tells what is stored.
        outbox: The outbox.
        encoder: Encodes records as JSON.
        diagnostics: Counts stored and lost records.
        playing: Tells how long the player was focused on the game.
        urge: Called after a commit that should be sent now: a session's start or end, or a full batch.
        max_outbox_bytes: Room for waiting records.

    Attributes:
        has_finished: Whether everything is stored and no further step will take from the inbox.
        recovers_only: See `recover`.
        seen: Called with each slice that is taken; `None` unless an overlay shows it.
    """

    name = "writer"
    has_finished = False
    recovers_only: str | None = None

    def __init__(
        self,
        intake: Intake,
        outbox: Outbox,
        encoder: Encoder,
        *,
        diagnostics: Diagnostics,
        playing: Playing,
        urge: Callable[[], None],
        max_outbox_bytes: int,
    ) -> None:
        self._intake = intake
        self._inbox = intake.inbox
        self._outbox = outbox
        self._encoder = encoder
        self._diagnostics = diagnostics
        self._playing = playing
        self._urge = urge
        self._max_outbox_bytes = max_outbox_bytes
        self._journal_key = kept.journal_position(outbox.launch)
        self._position = 0  # in the journal, up to which the outbox has all records
        self._told = 0  # the position that the journal was told last, see `tell_journal`
        self._has_kept_books = False  # in the journal
        self._stored = (0, 0)  # the positions that `Journal.stored` was told last
        self._in_hand: Sequence[Item] = ()
        self._remembers: deque[Remember] = deque()
        self._flushes: deque[Flush] = deque()
        self._state = WriterState()
        self._unsent = 0  # records stored since the last `urge`
        self._saved_at = 0.0
        self._recovered = False
        self.seen: Callable[[Sequence[Item]], None] | None = None
        self._has_ceased = False
        self._finishing = False

    def finish(self) -> None:
        self._finishing = True

    def cease(self) -> None:
        """Store nothing more: the player denied consent. For any thread."""
        self._has_ceased = True

    def session_num(self, session_id: str) -> int:
        """Return the number of a recent session; 0 if it is not stored yet. For any thread."""
        return self._state.numbers.get(session_id, 0)

    def step(self, now: float) -> float | None:
        """Store one slice of the inbox, if there is one; refresh what is due; return seconds until the next step."""
        if self._has_ceased:
            self._drop_in_hand()
            return None
        if not self._recovered and self._outbox.is_on_disk:  # else at the first step with a disk
            try:
                recover(self._outbox, self._encoder, self._diagnostics, self.recovers_only)
                self._recovered = True
            except LockedError:
                if not self._finishing:  # else the next launch picks them up
                    return COMMIT_SECONDS
            except NotLastingError:
                pass
        self._intake.look_for_disk(now)
        # Both are read before the inbox. Else the game could record an event and then call `finish` or `flush` after
        # the inbox was read, and the event would be left out although the call says that it is stored.
        finishing = self._finishing
        self._take_requests()
        items = self._in_hand
        has_waited = bool(items)
        if not items:
            items = self._in_hand = self._inbox.take(SLICE)
            self._diagnostics.count("recorded", len(items))
            if self.seen is not None:
                self.seen(items)
        if items or self._remembers or self._is_due(now):
            try:
                self._store(items, now, may_wait=not finishing or self._inbox.is_safe)
            except LockedError:  # the next step tries the same slice again, or the next launch if the game ends
                return COMMIT_SECONDS
            except _CeasedError:
                self._drop_in_hand()
                return None
        self._in_hand = ()
        self.tell_journal()
        if len(items) == SLICE or has_waited or self._inbox.has_more:
            return 0.0
        while self._flushes:
            self._flushes.popleft().stored()
        self.has_finished = finishing
        return None if finishing else COMMIT_SECONDS

    def _drop_in_hand(self) -> None:
        """Count what was taken and is not stored, and end. The inbox may belong to the next delivery already."""
        self._diagnostics.drop(Drop.NO_CONSENT, len(self._in_hand))
        self._in_hand = ()
        while self._flushes:
            self._flushes.popleft().stored()
        self.has_finished = True

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
        except (LockedError, _CeasedError):
            raise
        except Exception as error:  # noqa: BLE001 - one bad record must not take the others with it
            self._diagnostics.defect("the writer", error)
            for number, item in enumerate(items, 1):
                self._store_alone(item, now, position if number == len(items) else self._position)

    def tell_journal(self) -> None:
        """Tell the journal which records are on the disk or sent, so that it can wipe them."""
        journal = self._intake.journal
        if journal is None:
            return
        done = self._told if self._told == self._position else self._outbox.journal_done(self._position)
        if done != self._told:
            self._told = done
            books = self._outbox.journal_books()
            if books is not None or self._has_kept_books:
                # Before `committed`: after it the records are gone that they follow from.
                journal.keep_books(done, books)
                self._has_kept_books = books is not None
            journal.committed(done)
        if self._outbox.is_on_disk:
            stored = done, self._outbox.journal_sent(done)
            if stored != self._stored:
                self._stored = stored
                journal.stored(*stored)

    @property
    def unstored(self) -> int:
        """Count the records that were taken from the inbox and are in neither an outbox nor the journal. Any thread."""
        return len(self._in_hand) if self._inbox.took_from_memory else 0

    @property
    def owes_journal(self) -> bool:
        """Whether the journal has records that are neither on the disk nor sent."""
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
        """Do the work of one transaction; it may run twice, so it changes nothing of the writer."""
        if self._has_ceased:  # while it waited for another process; the next delivery may have stored something since
            raise _CeasedError
        slice_writer = SliceWriter(
            self._state, transaction, self._encoder, self._playing.focused, self._playing.hitches
        )
        pace = _YIELD_AFTER_TAKEN if len(items) < _BUSY else _BUSY
        for place, item in enumerate(items, 1):
            slice_writer.take(item)
            if place % pace == 0:
                yield_gil()
        for wish in remembers:
            transaction.remember(wish.key, wish.value)
        slice_writer.finish(now, self._playing.heartbeat(now))
        if position != self._position:
            transaction.remember(self._journal_key, str(position))
        return slice_writer, transaction.trim(self._max_outbox_bytes)
