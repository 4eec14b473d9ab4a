"""Puts a stamp on what the game reports and hands it over: the way from a call to the inbox.

The stamp is two references, to the running session and to the context (who plays, with which dimensions
and fields); both are replaced when something changes and never altered. The inbox knows them by a number.

Until it is known who plays and in which session, events are held in memory: nothing without a player's id and a
session ever comes into the inbox, whatever thread reports it and when.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from ga_pygame import forks, rules
from ga_pygame.checks import InvalidEvent
from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.events import Business, Error, Fields, FieldValue, SessionEnd, User
from ga_pygame.kinds import Event
from ga_pygame.recording.inbox import Inbox
from ga_pygame.records import AS_KEPT, Context, Record, Repeated, SessionRef
from ga_pygame.traces import pass_on, type_name

if TYPE_CHECKING:
    from ga_pygame.recording.journal import Journal

_AT_ONCE = frozenset({Error, Business, SessionEnd})
"""Kinds that are committed at once instead of within 0.05 s."""

_OF_SESSIONS = frozenset({User, SessionEnd})
"""Kinds that find room in any case: without its start, nothing of a session could be delivered."""

MAX_HELD = 50_000
"""Events held until `start()` or until consent; some 15 MB. Later ones are counted as `inbox_full`."""
MAX_HELD_BYTES = 16 * 2**20
"""Bytes of custom fields and error messages among them."""
_MAX_LOOKED_AT = 1000  # entries of a mapping of custom fields, when wrong ones are sorted out


def _nothing() -> None:
    pass


class Recorder:
    """See the module. `post` may be called by any thread, the rest by the game thread.

    Attributes:
        inbox: What the writer takes from.
        write_now: Has the writer commit at once.
        kept_dimensions: Those of the last launch, for events of before any were set.

    Args:
        context: The first context.
        monotonic: The clock of the stamps.
        diagnostics: Counts what is not taken.
    """

    def __init__(self, context: Context, monotonic: Callable[[], float], diagnostics: Diagnostics) -> None:
        self.inbox = Inbox(monotonic, diagnostics)
        self.write_now: Callable[[], None] = _nothing
        self.kept_dimensions: tuple[str | None, str | None, str | None] = (None, None, None)
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
        """Record an event of now. Custom fields that break a rule are left out of it, counted and said."""
        if fields is not None:
            fields = self._sound(fields)
        self._put(event, None, self._monotonic(), fields)

    def _sound(self, fields: Fields) -> Fields | None:
        """The custom fields that keep the rules, together with those that all events carry."""
        shared = self._context.fields
        try:
            checked = rules.custom_fields("custom_fields", fields)
            if shared:
                rules.custom_fields("custom_fields with tracker.fields", {**shared, **checked})
            return checked
        except InvalidEvent as error:
            self._diagnostics.left_out(error)
            return self._sorted_out(fields)
        except Exception as error:  # noqa: BLE001 - not our code
            pass_on(error)
            self._diagnostics.left_out(_unreadable(fields, error))
            return None

    def _sorted_out(self, fields: Fields) -> Fields | None:
        """What is right of custom fields of which something is wrong."""
        sound: dict[str, FieldValue] = {}
        shared = self._context.fields or {}
        room = rules.MAX_CUSTOM_FIELDS - len(shared)
        try:
            if not isinstance(fields, Mapping):
                return None
            for key, value in islice(fields.items(), _MAX_LOOKED_AT):
                try:
                    name, exact = rules.custom_field(key, value)
                except InvalidEvent:
                    continue
                is_new = name not in sound and name not in shared
                if room > 0 or not is_new:
                    sound[name] = exact
                    room -= is_new
        except Exception as error:  # noqa: BLE001 - not our code
            pass_on(error)
            self._diagnostics.left_out(_unreadable(fields, error))
        return sound or None

    def post_session(self, event: Event, session: SessionRef, at: float) -> None:
        """Record a session's start or end, which may lie in the past."""
        self._put(event, session, at, None)

    def _put(self, event: Event, session: SessionRef | None, at: float, fields: Fields | None) -> None:
        if self._closed is not None:
            self._diagnostics.drop(self._closed)
            return
        if self._is_holding:
            self._hold(Record(event, session or self._session, self._context, at, fields and dict(fields)))
            return
        # The number of the stamp is read after `_is_holding`: `release` sets them in the other order, so that an
        # event that is not held has a stamp with a player and a session.
        stamp = self.inbox.stamp if session is None else self.inbox.stamp_for(session, self._context)
        self.inbox.record(event, stamp, at, fields)
        if self._closed is not None:  # meanwhile
            self.inbox.kinds.clear()
        if type(event) in _AT_ONCE:
            self.write_now()

    # --- what is held -----------------------------------------------------------------------------------

    def _hold(self, record: Record) -> None:
        size = _size(record)
        is_full = len(self._held) >= MAX_HELD or self._held_bytes + size > MAX_HELD_BYTES
        if is_full and type(record.event) not in _OF_SESSIONS:
            self._diagnostics.drop(Drop.INBOX_FULL)
            return
        self._held_bytes += size
        self._held.append(record)
        if not self._is_holding:  # another thread released what is held, perhaps before this came in
            self._give_back()

    def release(self) -> None:
        """Record what was held, stamped with what is known by now: who plays, and in which session."""
        self._stamp()
        records = self._take_held()
        # A session begins with its `user` event; what was reported before `start()` comes after it.
        early = [record for record in records if record.session is None]
        rest = [record for record in records if record.session is not None]
        place = next((at for at, record in enumerate(rest, 1) if type(record.event) is User), 0)
        self._record_held([*rest[:place], *early, *rest[place:]])
        self._give_back()  # what other threads held meanwhile
        self._is_holding = False
        self._give_back()  # and what those held that had looked at `_is_holding` before

    def forget(self) -> int:
        """Drop what is held and what nobody has taken; returns how many records that were."""
        return len(self._take_held()) + len(self.take_all())

    def hold(self) -> None:
        """Hold what comes from now on, until the next `release`; it belongs to the session that starts then."""
        self._is_holding = True
        self._session = None
        self.inbox.kinds.clear()

    @property
    def waiting(self) -> int:
        """Records that the writer has not taken."""
        return len(self._held) + self.inbox.waiting

    def _give_back(self) -> None:
        while records := self._take_held():
            self._record_held(records)

    def _take_held(self) -> list[Record]:
        """Empty what is held; several threads may do it at once, and each record goes to one of them."""
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
                context = record.context.changed(user_id=self._context.user_id, dimensions=(first, second, third))
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

    def stop_in_children(self, let_go: Callable[[], None]) -> None:
        """Have a forked child record nothing: it has no workers, and must not append to its parent's journal.

        Args:
            let_go: A bound method, called in the child, too.
        """
        import weakref  # noqa: PLC0415 - 1 ms that `import ga_pygame` need not cost

        self._others = weakref.WeakMethod(let_go)
        forks.share(self)

    def let_go(self) -> None:
        """In a forked child: record nothing any more, without a word. What was recorded is the parent's."""
        self._diagnostics.explained.add(Drop.NOT_RUNNING)
        self._closed = Drop.NOT_RUNNING
        self._held.clear()
        self.write_now = _nothing
        self.inbox.let_go()
        others = self._others() if self._others is not None else None
        if others is not None:
            others()

    def attach(self, journal: Journal | None) -> None:
        """Note what is recorded against a kill, if there is a journal."""
        if journal is not None:
            self.inbox.attach(journal)
            self._stamp()

    def take_all(self) -> list[Record]:
        """Empty the inbox, while there is no writer that does."""
        items = iter(lambda: self.inbox.take(1000), [])
        return [item.record() if isinstance(item, Repeated) else item for some in items for item in some]


def _unreadable(fields: object, error: Exception) -> InvalidEvent:
    """What is said of a mapping whose own methods fail."""
    words = f"must be a mapping that can be read; it raised {type_name(error)}"
    return InvalidEvent("custom_fields", fields, words, "ours", "wrong_type", private=True)


def _size(record: Record) -> int:
    """What a held record takes of `MAX_HELD_BYTES`."""
    size = len(record.event.message) * 2 if type(record.event) is Error else 0
    if record.fields:
        size += sum(100 + len(key) + (len(value) if type(value) is str else 8) for key, value in record.fields.items())
    return size
