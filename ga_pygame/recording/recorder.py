"""The recorder: stamps each event with session and context and appends it to the inbox.

A stamp is two references: to the running session and to the context (player, dimensions, fields). Both are immutable;
a change replaces them. The inbox knows them by a number.

Until player and session are known, events are held in memory. So no event without a player's id and a session comes
into the inbox, whichever thread reports it and when.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ga_pygame import forks
from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.events import Business, Error, Fields, SessionEnd, User
from ga_pygame.kinds import Event
from ga_pygame.recording.child_directed import allowed_parts, numbers_only
from ga_pygame.recording.inbox import Inbox
from ga_pygame.recording.sound_fields import sound_fields
from ga_pygame.records import AS_KEPT, Context, Record, Repeated, SessionRef

if TYPE_CHECKING:
    from ga_pygame.recording.journal import Journal

_AT_ONCE = frozenset({Error, Business, SessionEnd})
"""Kinds that the writer commits at once instead of within 0.05 s."""

_OF_SESSIONS = frozenset({User, SessionEnd})
"""Kinds that are held even if the room is full: without its start, no event of a session could be delivered."""

MAX_HELD = 50_000
"""Events held until `start()` or until consent; about 15 MB. Later ones are counted as `inbox_full`."""
MAX_HELD_BYTES = 16 * 2**20
"""Bytes of their custom fields and error messages."""


def _nothing() -> None:
    pass


class Recorder:
    """The recorder (see the module). Any thread may call `post`; the rest is for the game thread.

    Attributes:
        inbox: The inbox from which the writer takes.
        write_now: Makes the writer commit at once.
        kept_dimensions: The last launch's dimensions, for events that were held before any were set.
        kept_facts: The same for the facts of the player.
        look: Called with each event of the game that is not a repeat; `None` unless a developer plays.
        look_at_change: Called with each change of the context, also `None` then.
        is_for_children: Whether texts and lasting ids are left out; see `child_directed`.

    Args:
        context: The first context.
        monotonic: The clock of the records' times.
        diagnostics: Counts the events that are not recorded.
    """

    def __init__(self, context: Context, monotonic: Callable[[], float], diagnostics: Diagnostics) -> None:
        self.inbox = Inbox(monotonic, diagnostics)
        self.write_now: Callable[[], None] = _nothing
        self.kept_dimensions: tuple[str | None, str | None, str | None] = (None, None, None)
        self.kept_facts: Mapping[str, Any] = {}
        self.look: Callable[[Event], None] | None = None
        self.look_at_change: Callable[[Mapping[str, Any]], None] | None = None
        self.is_for_children = False
        self._monotonic = monotonic
        self._diagnostics = diagnostics
        self._session: SessionRef | None = None
        self._context = context
        self._closed: Drop | None = None
        self._is_holding = True
        self._held: deque[Record] = deque()
        self._held_bytes = 0
        self._others: Callable[[], Callable[[], None] | None] | None = None
        self._stamp()

    def post(self, event: Event, fields: Fields | None) -> None:
        """Record an event, as of now; leave out invalid custom fields, count and report them."""
        if fields is not None:
            fields = sound_fields(fields, self._context.fields, self._diagnostics)
            if self.is_for_children:
                fields = numbers_only(fields, self._diagnostics)
        self._put(event, None, self._monotonic(), fields)
        if self.look is not None:
            self.look(event)

    def post_session(self, event: Event, session: SessionRef, at: float) -> None:
        """Record a session's start or end, with a time that may be in the past."""
        self._put(event, session, at, None)

    def _put(self, event: Event, session: SessionRef | None, at: float, fields: Fields | None) -> None:
        if self._closed is not None:
            self._diagnostics.drop(self._closed)
            return
        if self._is_holding:
            self._hold(Record(event, session or self._session, self._context, at, fields))
            return
        # The stamp is read after `_is_holding`, and `release` sets them in the opposite order. Else a thread could read
        # the stamp, then `release` set both, and the thread record an event without a player and a session.
        stamp = self.inbox.stamp if session is None else self.inbox.stamp_for(session, self._context)
        self.inbox.record(event, stamp, at, fields)
        if self._closed is not None:
            # Another thread closed after the check above; `inbox.record` may have added a kind after it cleared them.
            self.inbox.kinds.clear()
        if type(event) in _AT_ONCE:
            self.write_now()

    # --- held records -----------------------------------------------------------------------------------

    def _hold(self, record: Record) -> None:
        size = _size(record)
        is_full = len(self._held) >= MAX_HELD or self._held_bytes + size > MAX_HELD_BYTES
        if is_full and type(record.event) not in _OF_SESSIONS:
            self._diagnostics.drop(Drop.INBOX_FULL)
            return
        self._held_bytes += size
        self._held.append(record)
        if not self._is_holding:
            # Another thread called `release` after this one looked at `_is_holding`, and perhaps emptied `_held` before
            # this record was in it: nobody else would take it out.
            self._give_back()

    def release(self) -> None:
        """Record the held events, with the player and the session that are known now."""
        self._stamp()
        records = self._take_held()
        # A session begins with its `user` event; events from before `start()` come after it.
        early = [record for record in records if record.session is None]
        rest = [record for record in records if record.session is not None]
        place = next((at for at, record in enumerate(rest, 1) if type(record.event) is User), 0)
        self._record_held([*rest[:place], *early, *rest[place:]])
        self._give_back()  # records that other threads have held meanwhile
        self._is_holding = False
        self._give_back()  # and those of threads that looked at `_is_holding` before it was false

    def forget(self) -> int:
        """Drop the held records and those that nobody has taken; return their number."""
        return len(self._take_held()) + len(self.take_all())

    def hold(self) -> None:
        """Hold later events until the next `release`; they belong to the session that starts then."""
        self._is_holding = True
        self._session = None
        self.inbox.kinds.clear()

    @property
    def waiting(self) -> int:
        """Count the records that the writer has not taken."""
        return len(self._held) + self.inbox.waiting

    def _give_back(self) -> None:
        while records := self._take_held():
            self._record_held(records)

    def _take_held(self) -> list[Record]:
        """Take all held records; if several threads do so at once, each record goes to one of them."""
        taken: list[Record] = []
        while True:
            try:
                taken.append(self._held.popleft())
            except IndexError:
                self._held_bytes = 0
                return taken

    def _record_held(self, records: Sequence[Record]) -> None:
        known: dict[tuple[SessionRef | None, Context], int] = {}
        for record in records:
            session = record.session or self._session
            stamp = known.get((session, record.context))
            if stamp is None:
                first, second, third = (
                    last if own == AS_KEPT else own
                    for own, last in zip(record.context.dimensions, self.kept_dimensions, strict=True)
                )
                facts = {**self.kept_facts, **(record.context.facts or {})} or None
                context = record.context.changed(
                    user_id=self._context.user_id, dimensions=(first, second, third), facts=facts
                )
                stamp = known[session, record.context] = self.inbox.stamp_for(session, context)
            self.inbox.record(record.event, stamp, record.at, record.fields)

    # --- the stamp --------------------------------------------------------------------------------------

    @property
    def session(self) -> SessionRef | None:
        """The running session or the last one; `None` before the first."""
        return self._session

    @session.setter
    def session(self, session: SessionRef) -> None:
        self._session = session
        self._stamp()

    @property
    def context(self) -> Context:
        """The context of later records."""
        return self._context

    def change(self, **changes: Any) -> None:
        """Replace parts of the context for later records."""
        if self.is_for_children:
            changes = allowed_parts(changes, self._diagnostics)
        self._context = self._context.changed(**changes)
        self._stamp()
        if self.look_at_change is not None:
            self.look_at_change(changes)

    def _stamp(self) -> None:
        """Set the inbox's stamp to the current session and context."""
        while True:
            # Another thread may replace one of them while this one makes the stamp, and make its own stamp first; then
            # the old values would stay in force. So look again afterwards.
            session, context = self._session, self._context
            self.inbox.use(session, context)
            if session is self._session and context is self._context:
                return

    # --- open and closed --------------------------------------------------------------------------------

    @property
    def closed(self) -> Drop | None:
        """The reason why nothing is recorded; `None` while events are recorded."""
        return self._closed

    @closed.setter
    def closed(self, reason: Drop | None) -> None:
        self._closed = reason
        if reason is not None:
            self.inbox.kinds.clear()  # so that the fast path records nothing

    def stop_in_children(self, let_go: Callable[[], None]) -> None:
        """Stop recording in forked children, which have no workers and must not append to the parent's journal.

        Args:
            let_go: A bound method that is called in the child, too.
        """
        import weakref  # noqa: PLC0415 - 1 ms that `import ga_pygame` need not cost

        self._others = weakref.WeakMethod(let_go)
        forks.share(self)

    def let_go(self) -> None:
        """Stop recording in a forked child, without a warning; the recorded events belong to the parent."""
        self._diagnostics.explained.add(Drop.NOT_RUNNING)
        self._closed = Drop.NOT_RUNNING
        self._held.clear()
        self.write_now = _nothing
        self.inbox.let_go()
        others = self._others() if self._others is not None else None
        if others is not None:
            others()

    def attach(self, journal: Journal | None) -> None:
        """Record into a journal, so that events survive a kill; without one nothing changes."""
        if journal is not None:
            self.inbox.attach(journal)
            self._stamp()

    def take_all(self) -> list[Record]:
        """Empty the inbox and return its records; only while there is no writer."""
        items = iter(lambda: self.inbox.take(1000), [])
        return [item.record() if isinstance(item, Repeated) else item for some in items for item in some]


def _size(record: Record) -> int:
    """Estimate how much of `MAX_HELD_BYTES` a record takes."""
    size = len(record.event.message) * 2 if type(record.event) is Error else 0
    if record.fields:
        size += sum(100 + len(key) + (len(value) if type(value) is str else 8) for key, value in record.fields.items())
    return size
