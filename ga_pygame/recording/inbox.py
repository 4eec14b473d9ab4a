"""The inbox: bytes that any thread of the game appends without a lock and the writer takes.

Most events repeat an earlier one and differ only in number and time. The first event of a kind adds an entry that
describes it and gives it a kind number; it and each repeat are rows of 32 bytes, which take 0.6 µs. An event that does
not fit into a row (sessions, errors, custom fields that differ each time) is an entry with a body of its own.

With a journal an append is one call into C, `Inbox.write`, which the GIL makes atomic (without a GIL: a lock). The
bytes go into the journal's mapped memory, which outlives a kill, or into a deque if there is none or it is full. A row
names its session and context by a stamp number, so it is right even if another thread changes the session first.
"""

from __future__ import annotations

import contextlib
import sys
from collections import deque
from collections.abc import Callable
from itertools import count
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any, NamedTuple

from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.events import Fields, FieldValue
from ga_pygame.kept import Remember
from ga_pygame.kinds import EXACT, Event, Key
from ga_pygame.recording.entries import (
    EVENT,
    KIND,
    NONE,
    STAMP,
    WHOLE,
    Body,
    Kind,
    RawRow,
    Stamp,
    entries,
    entry,
    event_of,
    exactly,
    facts,
    is_of_session,
    is_stamp,
    pack_row,
    values_of,
)
from ga_pygame.recording.field_kinds import FieldKinds, key_with_fields
from ga_pygame.records import Context, Record, Repeated, SessionRef, new_tuple
from ga_pygame.rules import MAX_CUSTOM_FIELDS, custom_fields
from ga_pygame.traces import is_of_a_signal_handler, pass_on, traceback_of

if TYPE_CHECKING:
    from ga_pygame.recording.journal import Journal

MAX_SPILLED = 100_000
"""Entries that memory holds until the writer takes them; about 10 MB of rows. Later ones count as `inbox_full`."""
MAX_SPILLED_BYTES = 32 * 2**20
"""Bytes of these entries; an error takes up to 32 kB."""
_OLDER_END = b""
"""Marker in the deque: the entries before it are older than the journal."""
MAX_KINDS = 4096
_KEPT_STAMPS = 64
Item = Record | Repeated


class Flush(NamedTuple):
    """A request to send all earlier records now; `stored` is called when they are committed."""

    stored: Callable[[], None]


class Inbox:
    """The inbox: see the module.

    Any thread calls `repeat`, `record` and `put`, the game thread `use`, `stamp_for` and `let_go`, the writer `take`,
    `detach` and `is_safe`. `attach` is for the game thread before the writer runs, then for the writer's.

    Attributes:
        kinds: The kind numbers of the events that may be repeated, by key; empty while nothing is recorded.
        stamp: The stamp number of the running session and the context in force.
        requests: Other requests to the writer.
        has_more: Whether the last `take` left items because they are not where those are that it gave.
        took_from_memory: Whether the items of the last `take` are in memory only.

    Args:
        monotonic: The clock of the records' times.
        diagnostics: Counts the entries for which there is no room.
    """

    def __init__(self, monotonic: Callable[[], float], diagnostics: Diagnostics) -> None:
        has_gil: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)
        self._whole = None if has_gil() else RLock()
        self._is_shared = False  # in a forked child
        self.kinds: dict[Key, int] = {}
        self.stamp = 0
        self.requests: deque[Remember | Flush] = deque()
        self.write: Callable[[bytes], object] = self._spill
        self._monotonic = monotonic
        self._diagnostics = diagnostics
        self._journal: Journal | None = None
        self._swapping = Lock()
        self._taking = Lock()  # held while entries are taken from memory, or searched for stamps
        self._spilled: deque[bytes] = deque()
        self.took_from_memory = self.has_more = False
        self._has_older = False  # whether entries before `_OLDER_END` are left, which are older than the journal
        self._spilled_bytes = 0  # about, since threads add at the same time; exact again when the deque is empty
        self._events: dict[int, Kind] = {}
        self._shared_fields = 0  # how many custom fields all events have from the context
        self._field_kinds = FieldKinds()
        self._stamps: dict[int, Stamp] = {}
        self._stamp_entry = b""
        self._pinned: SessionRef | None = None  # the last session with a stamp in the journal's part that stays
        self._next_kind, self._next_stamp = count(1).__next__, count(1).__next__

    def attach(self, journal: Journal) -> None:
        """Append to a journal from now on; number the kinds anew, so that the journal has their entries."""
        # Set before `_journal`: else the writer could take newer rows from the journal before the older ones in memory.
        self._has_older = True
        self._pinned = None
        self._journal = journal
        self.kinds.clear()
        self._swap(self.write)
        self._spilled.append(_OLDER_END)

    def detach(self) -> None:
        """Stop using the journal; move the entries that the writer has not taken to memory."""
        journal, self._journal = self._journal, None
        self.kinds.clear()
        self.write = self._spill
        left = self._read(journal, MAX_SPILLED) if journal is not None else []
        self._spilled.extendleft(
            pack_row(*row) if body is None else entry(body.what, body.value) for row, body, _ in reversed(left)
        )

    def let_go(self) -> None:
        """Stop recording in a forked child; the recorded entries belong to the parent."""
        self._is_shared = True
        self.write = self._refuse
        self.kinds.clear()
        self.requests.clear()
        self._spilled.clear()
        self._has_older = False
        self._stamps.clear()
        self._swapping, self._taking = Lock(), Lock()  # a thread of the parent, absent here, may have held them
        self._whole = self._whole and RLock()
        journal, self._journal = self._journal, None
        if journal is not None:
            journal.let_go()

    def _refuse(self, _text: bytes) -> None:
        """Count an event that a forked child reports."""
        self._diagnostics.drop(Drop.NOT_RUNNING)

    # --- appending --------------------------------------------------------------------------------------

    def repeat(self, key: Key, number: float | None, least: float = -EXACT, fields: Fields | None = None) -> bool:
        """Record a repeat of a known event, as of now; false if the caller must take the slow path.

        Args:
            key: See `Event.key`; made of unchecked arguments.
            number: The event's number, unchecked.
            least: See `Event.least`.
            fields: Its custom fields, unchecked.
        """
        its_key = key
        try:
            if fields is not None:
                if type(fields) is not dict or len(fields) + self._shared_fields > MAX_CUSTOM_FIELDS:
                    return False
                key = key_with_fields(key, fields)
            if number is None:
                if least > -EXACT:
                    return False
                number = NONE
            elif (type(number) is not float and type(number) is not int) or not least <= number <= EXACT:
                return False
            self.write(pack_row(self.kinds[key], self.stamp, self._monotonic(), number, WHOLE))
        except Exception as error:
            trace = traceback_of(error)  # mostly a KeyError of this frame: the key is not known yet
            if trace is not None and trace.tb_next is not None and is_of_a_signal_handler(error):
                raise
            is_new = type(error) is KeyError and fields is not None
            return is_new and self._repeat_in_full(its_key, number, fields)
        return True

    def _repeat_in_full(self, key: Key, number: float | None, fields: Any) -> bool:
        """Record a repeat whose custom fields are other ones than before; false if that takes a closer look."""
        try:
            kind = self.kinds[key]
            checked = custom_fields("custom_fields", fields.copy())
            full_key = key_with_fields(key, checked)
            row = self.kinds.get(full_key, 0)  # if the game's values are of subclasses
            if row:
                self.put(pack_row(row, self.stamp, self._monotonic(), number, WHOLE))
            elif self._field_kinds.is_worth_one(full_key, checked):
                return False
            else:
                number = None if number is NONE else number
                self.put(entry(EVENT, (-kind, number, self.stamp, self._monotonic(), checked)))
        except Exception as error:  # noqa: BLE001 - a key that is not known yet, or what is not our code
            pass_on(error)
            return False
        return True

    def record(self, event: Event, stamp: int, at: float, fields: Fields | None) -> None:
        """Record a checked event with checked custom fields."""
        number, own = event.number, exactly(fields)
        if kind := self._kind(event, own):
            self.put(pack_row(kind, stamp, at, NONE if number is None else number, WHOLE))
        elif own is not None and (kind := self._kind(event, None)):
            self.put(entry(EVENT, (-kind, number, stamp, at, own)))
        else:
            self.put(entry(EVENT, (*values_of(event), stamp, at, own)))

    def _kind(self, event: Event, fields: dict[str, FieldValue] | None) -> int:
        """Return the event's kind number; a new one if there is room; 0 if the event does not fit into a row."""
        key, number = event.key, event.number
        if key is None or not (number is None or -EXACT <= number <= EXACT):
            return 0
        if fields is not None:
            key = key_with_fields(key, fields)
        kind = self.kinds.get(key, 0)
        if kind or len(self.kinds) >= MAX_KINDS:
            return kind
        if fields is not None and not self._field_kinds.is_worth_one(key, fields):
            return 0
        kind = self._next_kind()
        text = entry(KIND, (kind, *values_of(event)) if fields is None else (kind, *values_of(event), fields))
        if self._journal is not None and not self._journal.pin(text):
            return 0
        if fields is not None:
            self._field_kinds.add(text)
        self._events[kind] = event, None if fields is None else fields.copy()
        # Last: another thread may write a row of this kind at once, and the writer looks it up in `_events`.
        self.kinds[key] = kind
        return kind

    def use(self, session: SessionRef | None, context: Context) -> None:
        """Use this session and context for the events from now on."""
        if self._is_shared:
            return
        number, self._stamp_entry = self._new_stamp(session, context)
        self._shared_fields = len(context.fields or ())
        self.stamp = number

    def stamp_for(self, session: SessionRef | None, context: Context) -> int:
        """Return a stamp number for records of another session or context than those in force."""
        if self._is_shared:
            return 0
        return self._new_stamp(session, context)[0]

    def _new_stamp(self, session: SessionRef | None, context: Context) -> tuple[int, bytes]:
        number = self._next_stamp()
        self._stamps[number] = Stamp(session, context)
        journal = self._journal
        if journal is None or session is None:
            old = self._old_stamps()
            if old and self._taking.acquire(blocking=False):
                try:
                    self._forget_stamps(old)
                finally:
                    self._taking.release()
            return number, b""
        text = entry(STAMP, (number, session.id, session.started, *facts(context)))
        if session is not self._pinned:  # a copy that is never wiped: all events of a short session may need it
            self._pinned = session
            journal.pin(text)
        self.put(text)
        return number, text

    def put(self, text: bytes) -> None:
        """Append an entry to the journal or to memory."""
        write = self.write
        try:
            write(text)
        except ValueError:  # this half of the journal is full
            self._swap(write, len(text))
            try:
                self.write(text)
            except ValueError:  # another thread is just swapping the halves
                self._spill(text)

    def _one_at_a_time(self, write: Callable[[bytes], object] | None) -> Callable[[bytes], object] | None:
        """Return a `write` of the journal; without a GIL with a lock, else two threads could write to the same place.

        It is an RLock: a signal handler of the game may report an event while its thread holds the lock.
        """
        lock = self._whole
        if lock is None or write is None:
            return write

        def append(text: bytes) -> object:
            with lock:
                return write(text)

        return append

    def _read(self, journal: Journal, most: int) -> list[tuple[RawRow, Body | None, bytes]]:
        """Read the journal; without a GIL under the lock, else an entry could be read while it is appended."""
        with self._whole or contextlib.nullcontext():
            return journal.read(most)

    def _swap(self, full: Callable[[bytes], object], size: int = 0) -> None:
        """Swap to the journal's other half, or to memory; one thread does it, the others do not wait."""
        journal = self._journal
        if journal is not None and self._swapping.acquire(blocking=False):
            try:
                if self.write is full:
                    journal.stop()
                    # An entry too large for a half goes to memory; later entries follow it there to keep their order.
                    self.write = self._one_at_a_time(journal.swap() if size <= journal.largest else None) or self._spill
                    if self._stamp_entry and self.write is not full:
                        with contextlib.suppress(ValueError):  # larger than a half
                            self.write(self._stamp_entry)
            finally:
                self._swapping.release()

    def _spill(self, text: bytes) -> None:
        """Append an entry to memory, or to the journal again if the writer has emptied memory and wiped a half.

        A stamp's entry is for the journal only: `_stamps` has it anyway.
        """
        journal = self._journal
        if journal is not None and not self._spilled and journal.has_room and len(text) <= journal.largest:
            self._swap(self.write)
            if self.write != self._spill:
                with contextlib.suppress(ValueError):  # other threads have filled it meanwhile
                    self.write(text)
                    return
        if is_stamp(text):
            return
        has_room = len(self._spilled) < MAX_SPILLED and self._spilled_bytes + len(text) <= MAX_SPILLED_BYTES
        if has_room or is_of_session(text):
            self._spilled_bytes += len(text)
            self._spilled.append(text)
        else:
            self._diagnostics.drop(Drop.INBOX_FULL)

    # --- taking -----------------------------------------------------------------------------------------

    def take(self, most: int) -> list[Item]:
        """Take the next items. Call it only after the items of the last call are stored.

        All items of a call are in the journal, or all are in memory only: so it is known which a kill would cost. If
        there are fewer than `most` and `has_more` is false, there are no more.
        """
        items: list[Item] = []
        self.took_from_memory = self.has_more = False
        journal = self._journal
        if self._has_older:
            self._take_older(items, most)
            if items or self._has_older:
                self.has_more = True
                return items
        # Both are read before the journal. While it is read, the game may append rows with newer stamps behind the
        # part that is read, fill the journal and go on in memory. Those stamps must stay, and the entries in memory are
        # later than the unread rest of the journal, so both wait for the next call.
        old = self._old_stamps()
        spilled = len(self._spilled)
        if journal is not None:
            for row, body, event_uuid in self._read(journal, most - len(items)):
                self._add(items, row, body, event_uuid)
        self.has_more = bool(items) and spilled > 0
        with self._taking:
            while spilled and self._spilled and len(items) < most and not self.has_more:
                spilled -= 1
                self._take_spilled(items)
            if not self._spilled:
                self._spilled_bytes = 0
            if len(items) < most:  # the journal has no more entries with these stamps
                self._forget_stamps(old)
        return items

    def _take_older(self, items: list[Item], most: int) -> None:
        """Take entries that are older than the journal; the next call takes those that are too many."""
        with self._taking:
            while self._has_older and self._spilled and len(items) < most:
                self._has_older = self._take_spilled(items)

    def _take_spilled(self, items: list[Item]) -> bool:
        """Take an entry from memory; false if it is `_OLDER_END`."""
        text = self._spilled.popleft()
        self.took_from_memory |= text != _OLDER_END
        self._spilled_bytes -= len(text)
        for _, row, body in entries(text, 0):
            self._add(items, row, body)
        return text != _OLDER_END

    def _add(self, items: list[Item], row: RawRow, body: Body | None, event_uuid: bytes | None = None) -> None:
        """Decode an entry and add it; if that fails, count it, so that the others are not lost with it."""
        try:
            if body is None:
                kind, stamp, at, number, _ = row
                event, fields = self._events[kind]
                items.append(new_tuple(Repeated, (kind, event, number, *self._stamp(stamp), at, fields, event_uuid)))
            elif body.what == EVENT:
                code, values, stamp, at, fields = body.value
                event = event_of(code, values, self._events)
                items.append(Record(event, *self._stamp(stamp), at, fields, event_uuid))
        except Exception as error:  # noqa: BLE001 - the other entries are taken already and cannot be taken again
            self._diagnostics.drop(Drop.INTERNAL, detail=f"an entry of the inbox: {type(error).__name__}")
            self._diagnostics.defect("the inbox", error)

    def _stamp(self, number: int) -> Stamp:
        """Return the stamp with this number, or the next known one if it is forgotten.

        A thread may read `stamp` and lose the GIL before its row, and meanwhile 64 newer stamps may have been made.
        """
        found = self._stamps.get(number)
        if found is None:
            known = list(self._stamps)
            found = self._stamps[min((one for one in known if one > number), default=max(known))]
        return found

    def _old_stamps(self) -> list[int]:
        """Return the stamps to forget if no entry names them; not the newest 64, which calls in progress may use."""
        if len(self._stamps) <= 2 * (len(self._spilled) + _KEPT_STAMPS):
            return []
        return list(self._stamps)[:-_KEPT_STAMPS]

    def _forget_stamps(self, old: list[int]) -> None:
        """Drop those of these stamps that no entry names any more.

        The caller holds `_taking`: an entry that another thread has just taken from memory is in no list, so its stamp
        would be dropped before that thread looks it up.
        """
        if old:
            spilled = (found for text in tuple(self._spilled) for found in entries(text, 0))
            used = {row[1] if body is None else body.value[2] for _, row, body in spilled}
            for number in old:
                if number not in used and number != self.stamp:
                    self._stamps.pop(number, None)

    @property
    def is_safe(self) -> bool:
        """Whether the journal has all waiting records and all that were taken last. For the writer's thread."""
        return self._journal is not None and not self.took_from_memory and not any(self._spilled)

    def give_up(self) -> int:
        """Remove the records that are in memory only, since the time at the end is over; return how many."""
        with self._taking:
            count = sum(1 for text in self._spilled if text != _OLDER_END)
            self._spilled.clear()
            self._has_older = False
        return count

    @property
    def waiting(self) -> int:
        """Count the records that the writer has not taken; nothing is decoded."""
        journal = self._journal
        return len(self._spilled) - self._has_older + (journal.waiting if journal is not None else 0)
