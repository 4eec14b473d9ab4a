"""Puts a stamp on what the game reports and hands it over: the way from a call to the inbox.

The stamp is two references, to the running session and to the context (who plays, with which dimensions
and fields); both are replaced when something changes and never altered. The inbox knows them by a number.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

from ga_pygame import rules
from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.events import Business, Context, Error, Event, Fields, Key, Record, Repeat, Row, SessionEnd, SessionRef
from ga_pygame.inbox import Inbox

if TYPE_CHECKING:
    from ga_pygame.delivery.journal import Journal

_AT_ONCE = frozenset({Error, Business, SessionEnd})
"""Kinds that are committed at once instead of within 0.05 s."""


def _nothing() -> None:
    pass


class Recorder:
    """See the module. `post` may be called by any thread, the rest by the game thread.

    Attributes:
        inbox: What the writer takes from.
        write_now: Has the writer commit at once.

    Args:
        context: The first context.
        monotonic: The clock of the stamps.
        diagnostics: Counts what is not taken.
    """

    def __init__(self, context: Context, monotonic: Callable[[], float], diagnostics: Diagnostics) -> None:
        self.inbox = Inbox(monotonic, diagnostics)
        self.write_now: Callable[[], None] = _nothing
        self._monotonic = monotonic
        self._diagnostics = diagnostics
        self._session: SessionRef | None = None
        self._context = context
        self._closed: Drop | None = None
        self._stamp()

    def post(self, event: Event, fields: Fields | None) -> None:
        """Record an event of now; raises `InvalidEvent` for wrong custom fields."""
        if fields is not None:
            rules.custom_fields("custom_fields", fields)
            if shared := self._context.fields:
                rules.custom_fields("custom_fields with tracker.fields", {**shared, **fields})
        self._put(event, self.inbox.stamp, self._monotonic(), fields)

    def repeat_with(self, key: Key, number: float | None, fields: Fields) -> bool:
        """The same as `Inbox.repeat` with custom fields; false also where they take a closer look."""
        try:
            if self._context.fields:  # together they may be too many
                return False
            rules.custom_fields("custom_fields", fields)
            return self.inbox.repeat_with(key, number, fields)
        except Exception:  # noqa: BLE001 - `post` meets it again and says what
            return False

    def post_session(self, event: Event, session: SessionRef, at: float) -> None:
        """Record a session's start or end, which may lie in the past."""
        self._put(event, self.inbox.stamp_for(session, self._context), at, None)

    def _put(self, event: Event, stamp: int, at: float, fields: Fields | None) -> None:
        if self._closed is not None:
            self._diagnostics.drop(self._closed)
            return
        self.inbox.record(event, stamp, at, fields)
        if self._closed is not None:  # meanwhile
            self.inbox.kinds.clear()
        if type(event) in _AT_ONCE:
            self.write_now()

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
        """The stamp of the records to come, but for the session."""
        return self._context

    def change(self, **changes: Any) -> None:
        """Replace some of the context for the records to come."""
        self._context = self._context.changed(**changes)
        self._stamp()

    def _stamp(self) -> None:
        """Have the inbox use session and context as they are; each may just be replaced by another thread."""
        while True:
            session, context = self._session, self._context
            self.inbox.use(session, context)
            if session is self._session and context is self._context:
                return

    # --- open and closed --------------------------------------------------------------------------------

    @property
    def closed(self) -> Drop | None:
        """Why nothing is recorded, `None` while it is."""
        return self._closed

    @closed.setter
    def closed(self, reason: Drop | None) -> None:
        self._closed = reason
        if reason is not None:
            self.inbox.kinds.clear()  # so that nothing is recorded the short way

    def stop_in_children(self) -> None:
        """Have a forked child record nothing: it has no workers, and must not append to its parent's journal."""
        import weakref  # noqa: PLC0415 - 1 ms that `import ga_pygame` need not cost

        own = weakref.ref(self)

        def stop() -> None:
            if (recorder := own()) is not None:
                recorder.closed = Drop.NOT_RUNNING

        if sys.platform != "win32":
            os.register_at_fork(after_in_child=stop)

    def attach(self, journal: Journal | None) -> None:
        """Note what is recorded against a kill, if there is a journal."""
        if journal is not None:
            self.inbox.attach(journal)
            self._stamp()

    def take_all(self) -> list[Record]:
        """Empty the inbox, while there is no writer that does."""
        items = iter(lambda: self.inbox.take(1000), [])
        return [item.record() if isinstance(item, Row) else item for some in items for item in some]

    def give_back(self, records: list[Record]) -> None:
        """Put records back, stamped with what is known by now: who plays, and in which session."""
        known: dict[tuple[SessionRef | None, Context], int] = {}
        for record in records:
            session = record.session or self._session
            stamp = known.get((session, record.context))
            if stamp is None:
                kept = self._context
                first, second, third = (
                    own or last for own, last in zip(record.context.dimensions, kept.dimensions, strict=True)
                )
                context = record.context.changed(user_id=kept.user_id, dimensions=(first, second, third))
                stamp = known[session, record.context] = self.inbox.stamp_for(session, context)
            self.inbox.record(record.event, stamp, record.at, record.fields)


class Repeating(Protocol):
    """A tracker, as `quick` sees it."""

    _repeat: Repeat
    _recorder: Recorder


S = TypeVar("S", bound=Repeating)
P = ParamSpec("P")
_MISSING = object()


def quick(guarded: Callable[Concatenate[S, P], None]) -> Callable[Concatenate[S, P], None]:
    """Have `Tracker.design` try first whether a game repeats itself: 0.7 µs instead of 4."""

    def design(  # takes whatever a game may pass, rightly or wrongly
        self: S,
        event_id: Any = _MISSING,
        number: Any = _MISSING,
        /,
        *more: Any,
        value: Any = None,
        fields: Any = None,
        **others: Any,
    ) -> None:
        if number is _MISSING and event_id is not _MISSING:
            number = value
        elif value is not None:
            others["value"] = value
        again = type(event_id) is str and not (more or others)
        again = again and (
            self._repeat(event_id, number) if fields is None else self._recorder.repeat_with(event_id, number, fields)
        )
        if not again:
            given = () if event_id is _MISSING else (event_id, number, *more)
            guarded(self, *given, fields=fields, **others)  # it says what is wrong

    functools.update_wrapper(design, guarded)
    return design
