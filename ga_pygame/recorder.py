"""Puts a stamp on what the game reports and hands it over: the way from a call to the inbox.

The stamp is two references, to the running session and to the context (who plays, with which dimensions
and fields); both are replaced when something changes and never altered. So a call costs an append.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any

from ga_pygame import rules
from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.events import Business, Context, Error, Event, Fields, Record, SessionEnd, SessionRef

if TYPE_CHECKING:
    from ga_pygame.delivery.journal import Journal
    from ga_pygame.delivery.writer import Inbox

MAX_INBOX = 100_000
"""Records kept in memory between two commits, or until consent; some 30 MB."""

_AT_ONCE = frozenset({Error, Business, SessionEnd})
"""Kinds that are committed at once instead of within 0.05 s."""


_new = tuple.__new__
"""Makes a named tuple in 0.1 µs; its own constructor takes 0.4."""


def _nothing() -> None:
    pass


class Recorder:
    """See the module. `post` may be called by any thread, the rest by the game thread.

    Attributes:
        inbox: What the writer takes from.
        context: The stamp of the records to come.
        session: The running session or the last one; `None` before the first.
        closed: Why nothing is recorded, `None` while it is.
        write_now: Has the writer commit at once.
        journal: Where records are noted against a kill, if anywhere.

    Args:
        context: The first context.
        monotonic: The clock of the stamps.
        diagnostics: Counts what is not taken.
    """

    def __init__(self, context: Context, monotonic: Callable[[], float], diagnostics: Diagnostics) -> None:
        self.inbox: Inbox = deque()
        self.context = context
        self.session: SessionRef | None = None
        self.closed: Drop | None = None
        self.write_now: Callable[[], None] = _nothing
        self.journal: Journal | None = None
        noting = Lock()
        self._begin_note, self._end_note = noting.acquire, noting.release
        self._monotonic = monotonic
        self._diagnostics = diagnostics

    def post(self, event: Event, fields: Fields | None) -> None:
        """Record an event of now; raises `InvalidEvent` for wrong custom fields."""
        if fields is not None:
            rules.custom_fields("custom_fields", fields)
            fields = dict(fields)
            if shared := self.context.fields:
                rules.custom_fields("custom_fields with tracker.fields", {**shared, **fields})
        self._put(event, self.session, self._monotonic(), fields)

    def post_session(self, event: Event, session: SessionRef, at: float) -> None:
        """Record a session's start or end, which may lie in the past."""
        self._put(event, session, at, None)

    def _put(self, event: Event, session: SessionRef | None, at: float, fields: Fields | None) -> None:
        inbox, journal = self.inbox, self.journal
        if self.closed is not None:
            self._diagnostics.drop(self.closed)
        elif len(inbox) >= MAX_INBOX:
            self._diagnostics.drop(Drop.INBOX_FULL)
        else:
            context = self.context
            if journal is not None and self._begin_note(False):
                try:
                    sequence = journal.note(event, session, context, at, fields)
                    inbox.append(_new(Record, (event, session, context, at, fields, sequence)))
                finally:
                    self._end_note()
            else:  # another thread is at it: this one is on the disk in 0.05 s all the same
                inbox.append(_new(Record, (event, session, context, at, fields, 0)))
            if type(event) in _AT_ONCE:
                self.write_now()

    def change(self, **changes: Any) -> None:
        """Replace some of the context for the records to come."""
        self.context = self.context.changed(**changes)

    @property
    def waiting(self) -> int:
        """Records in the inbox."""
        return sum(isinstance(item, Record) for item in tuple(self.inbox))

    def take_all(self) -> list[Record]:
        """Empty the inbox, while there is no writer that does."""
        items = [self.inbox.popleft() for _ in range(len(self.inbox))]
        return [item for item in items if isinstance(item, Record)]

    def give_back(self, records: list[Record]) -> None:
        """Put records back, stamped with what is known by now: who plays, and in which session."""
        known: dict[Context, Context] = {}
        for record in records:
            context = known.get(record.context)
            if context is None:
                kept = self.context
                first, second, third = (
                    own or last for own, last in zip(record.context.dimensions, kept.dimensions, strict=True)
                )
                context = record.context.changed(user_id=kept.user_id, dimensions=(first, second, third))
                known[record.context] = context
            self.inbox.append(record._replace(context=context, session=record.session or self.session))
