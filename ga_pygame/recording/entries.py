"""The form of what lies in the inbox and in the journal: rows of 32 bytes, and entries with a body.

An entry is padded to the size of rows, so that both can follow each other; zeros are no entry. A row ends with a
mark that is written last, a body has a checksum: what a kill has cut short is seen.

A body is written by `marshal`, the fastest way to turn plain values into bytes, in a form that `marshalled` can read
without trust. `marshal` itself reads only what this process has written.
"""

from __future__ import annotations

import marshal
import math
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ga_pygame import rules
from ga_pygame.annotations import PARTS, sound_parts
from ga_pygame.events import (
    Fields,
    SessionEnd,
    User,
)
from ga_pygame.kinds import KIND_BY_CODE, Event
from ga_pygame.recording import marshalled
from ga_pygame.records import Context, Record, Repeated, SessionRef

if TYPE_CHECKING:
    from mmap import mmap

_ROW = struct.Struct("<IIddQ")  # kind, stamp, time, number; then, written last, that it is whole
_HEAD = struct.Struct("<IIII")  # 0, length of the body, its checksum, what it is
pack_row, _unpack_row = _ROW.pack, _ROW.unpack_from
_UNIT = ROW_SIZE = _ROW.size
WHOLE = 1
NONE = math.nan  # no event has it as its number
_LATEST = 2.0**40  # seconds: some time that no clock shows

UNREADABLE, EVENT, STAMP, KIND, LAP = 0, 1, 2, 3, 4
"""What the body of an entry is."""


class Stamp(NamedTuple):
    """What a record's stamp number stands for."""

    session: SessionRef | None
    context: Context


Kind = tuple[Event, Fields | None]
"""What a kind number stands for: an event, whose number differs, and its custom fields."""

RawRow = tuple[int, int, float, float, int]


class Body(NamedTuple):
    """What an entry says that is no row.

    Attributes:
        what: `EVENT`, `STAMP`, `KIND` or `LAP`; `UNREADABLE` where it holds no value.
    """

    what: int
    value: Any


def entry(what: int, value: Any) -> bytes:
    """An entry with a body, padded to the size of rows."""
    try:
        body = marshal.dumps(value, marshalled.VERSION)
    except ValueError:  # a subclass of str, int or float
        body = marshal.dumps(_plain(value), marshalled.VERSION)
    room = -(_HEAD.size + len(body)) % _UNIT
    return _HEAD.pack(0, len(body), zlib.crc32(body, what), what) + body + bytes(room)


Entry = tuple[int, RawRow, Body | None]
"""The place behind an entry; its row; its body, if it has one."""


def entries(text: bytes | mmap, place: int, loads: Callable[[bytes], Any] = marshal.loads) -> Iterator[Entry]:
    """Entries from `place` on, each with the place behind it, up to the first that is not whole: zeros, mostly.

    Args:
        text: What holds them.
        place: Where to begin.
        loads: Reads a body; `marshalled.loads` where this process has not written it.
    """
    last = len(text) - _UNIT
    while place <= last:
        row: RawRow = _unpack_row(text, place)
        if row[0]:
            if row[4] != WHOLE:
                return
            place += _UNIT
            yield place, row, None
            continue
        _, length, checksum, what = _HEAD.unpack_from(text, place)
        start = place + _HEAD.size
        body = text[start : start + length]
        if not length or len(body) < length or zlib.crc32(body, what) != checksum:
            return
        place = start + length + -(_HEAD.size + length) % _UNIT
        try:
            found = Body(what, loads(body))
        except ValueError:
            found = Body(UNREADABLE, None)
        yield place, row, found


class Gap(NamedTuple):
    """What is no entry, from one place to another: damage, or at the end what a kill has cut short."""

    start: int
    end: int


MAX_SEARCHED_BYTES = 2**24
"""Bytes whose checksums are tried in one half of a damaged journal; later entries with a body are taken for damaged."""


def entries_and_gaps(text: bytes, place: int, loads: Callable[[bytes], Any]) -> Iterator[Entry | Gap]:
    """Entries from `place` on as `entries` gives them, also those behind what is no entry.

    Everything begins at a multiple of `ROW_SIZE`, so behind damage the next entry is found unit by unit.
    """
    end = len(text.rstrip(b"\0"))
    room = MAX_SEARCHED_BYTES
    while True:
        for found in entries(text, place, loads):
            place = found[0]
            yield found
        if place >= end:
            return
        start = place
        is_whole = False
        while not is_whole and (place := place + _UNIT) < end:
            kind, length, checksum, what = _HEAD.unpack_from(text, place)
            if kind:
                is_whole = _unpack_row(text, place)[4] == WHOLE
            elif EVENT <= what <= LAP and 0 < length <= min(room, len(text) - place - _HEAD.size):
                body = text[place + _HEAD.size : place + _HEAD.size + length]
                is_whole = zlib.crc32(body, what) == checksum
                room -= 0 if is_whole else length
        yield Gap(start, place)


def lost_in(text: bytes, gap: Gap) -> int:
    """About how many events a gap has cost: zeros may have been a row each, a body belongs to its head."""
    count = 0
    is_body, behind = False, gap.start
    for place in range(gap.start, gap.end, _UNIT):
        kind, length, _, what = _HEAD.unpack_from(text, place)
        is_head = not kind and 0 < length <= len(text) and EVENT <= what <= LAP
        is_body = is_body and place < behind and any(text[place : place + _UNIT])
        if is_head:
            count += what == EVENT
            is_body, behind = True, place + _HEAD.size + length
        elif not is_body:
            count += 1
    return count


def is_cut_short(text: bytes, gap: Gap) -> bool:
    """Whether a gap with nothing but zeros behind it is an entry that a kill kept from being written to its end.

    The last byte of a row's mark is zero anyway, its first is not; no body ends with a zero. A length that is damaged
    may reach over other entries, whose heads show them.
    """
    kind, length, _, _ = _HEAD.unpack_from(text, gap.start)
    if kind or not length:
        return gap.end - gap.start <= _UNIT and not _unpack_row(text, gap.start)[4]
    behind = gap.start + _HEAD.size + length
    return gap.end < behind + _UNIT and text[behind - 1 : behind] == b"\0" and lost_in(text, gap) <= 1


def time_of(found: Entry | Gap) -> float | None:
    """When an event was recorded; `None` where it is none, or says no time that there is."""
    if isinstance(found, Gap):
        return None
    _, row, body = found
    at = row[2] if body is None else None
    if body is not None and body.what == EVENT and type(body.value) is tuple and len(body.value) == 5:
        at = body.value[3]
    return at if type(at) is float and 0 <= at < _LATEST else None


def is_stamp(text: bytes) -> bool:
    """Whether an entry says what a stamp number stands for."""
    kind, _, _, what = _HEAD.unpack_from(text)
    return not kind and bool(what == STAMP)


def is_of_session(text: bytes) -> bool:
    """Whether an entry is the event that starts or ends a session."""
    kind, _, _, what = _HEAD.unpack_from(text)
    return not kind and what == EVENT and text[_HEAD.size : _HEAD.size + len(_USER)] in (_USER, _SESSION_END)


def events_in(text: bytes | mmap, place: int) -> int:
    """The number of events from `place` on, counted by their heads: nothing is decoded."""
    count, last = 0, len(text) - _UNIT
    while place <= last:
        kind, length, _, what = _HEAD.unpack_from(text, place)
        if kind:
            count += 1
            place += _UNIT
        elif length:
            count += what == EVENT
            place += _HEAD.size + length + -(_HEAD.size + length) % _UNIT
        else:
            break
    return count


def exactly(fields: Fields | None) -> dict[str, Any] | None:
    """Custom fields as a `dict`, whatever mapping they are."""
    return fields if fields is None or type(fields) is dict else dict(fields)


def _plain(value: Any) -> Any:
    """The same of exact types."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, tuple | list):
        return tuple(map(_plain, value))
    if isinstance(value, Mapping):
        return {_plain(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, float):
        return float.__float__(value)
    return int.__int__(value) if isinstance(value, int) and type(value) is not bool else value


def facts(context: Context) -> tuple[dict[str, Any]]:
    """A context as plain values by the names of its parts."""
    given = {part: getattr(context, part) for part in PARTS}
    return ({part: _plain(value) for part, value in given.items() if value is not None},)


def values_of(event: Event) -> tuple[int, tuple[Any, ...]]:
    """An event as plain values."""
    return event.code, event.values()


def event_of(code: int, values: Any, kinds: Mapping[int, Kind]) -> Event:
    """An event of plain values; of a kind with another number where the code is negative."""
    return KIND_BY_CODE[code].of(*values) if code > 0 else kinds[-code][0].with_number(values)


_EVENT_VALUES = (0, 0, 0, 0)  # values, stamp, time, fields
_USER, _SESSION_END = (
    marshal.dumps((kind.code, *_EVENT_VALUES), marshalled.VERSION)[:10] for kind in (User, SessionEnd)
)
"""How the body of such an event begins: with the size of a tuple and a code."""


class Replay:
    """Turns the entries that a dead process left behind into records.

    Kinds and stamps are learned first, wherever they stand. Nothing is believed: each value keeps the rules of the
    calls, or the entry is refused.
    """

    def __init__(self) -> None:
        self._events: dict[int, Kind] = {}
        self._stamps: dict[int, Stamp] = {}

    def session_of(self, body: Body) -> SessionRef | None:
        """The session that a stamp names, once it is learned."""
        stamp = self._stamps.get(body.value[0]) if body.what == STAMP else None
        return stamp.session if stamp is not None else None

    def learn(self, body: Body) -> None:
        """Take in what an entry says of a kind or a stamp; raises any `Exception` where it makes no sense."""
        if body.what == KIND:
            kind, code, values, *more = body.value
            if type(kind) is int and type(code) is int and code > 0:
                self._events[kind] = event_of(code, values, {}), _fields(*more) if more else None
        elif body.what == STAMP:
            number, session_id, started, *facts = body.value
            if type(number) is int:
                self._stamps[number] = Stamp(SessionRef(_session_id(session_id), _time(started)), _context(*facts))

    def record(self, row: RawRow, body: Body | None) -> Record | None:
        """The record that an entry is, if it is one; raises any `Exception` where it makes no sense."""
        if body is None:
            kind, stamp, at, number, _ = row
            event, fields = self._events[kind]
            record = Repeated(kind, event, number, *self._stamp(stamp, at), _time(at), fields).record()
            record.event.check_number()  # a row has no checksum: it may be anything
            return record
        if body.what == UNREADABLE:
            raise ValueError("an entry that cannot be read")
        if body.what != EVENT:
            return None
        code, values, stamp, at, fields = body.value
        event = event_of(code, values, self._events)
        if code < 0:
            event.check_number()
        return Record(event, *self._stamp(stamp, at), _time(at), None if fields is None else _fields(fields))

    def _stamp(self, number: int, at: float) -> Stamp:
        """A stamp; in the place of one whose entry was overwritten or damaged, the nearest of a session of that time.

        The next one is preferred, as in the inbox.
        """
        found = self._stamps.get(number)
        if found is None:
            later = sorted(one for one in self._stamps if one > number)
            earlier = sorted((one for one in self._stamps if one < number), reverse=True)
            near = (self._stamps[one] for one in (*later[:1], *earlier[:1]))
            found = next(one for one in near if one.session is not None and one.session.started <= at)
        return found


def _fields(fields: Any) -> Fields:
    """Custom fields, which the call has checked and the checksum has kept: of the right types at least."""
    if type(fields) is not dict:
        raise ValueError("no custom fields")
    for key, value in fields.items():
        if type(key) is not str or type(value) is not str:
            rules.custom_field(key, value)
    return fields


def _time(seconds: Any) -> float:
    """A reading of the monotonic clock."""
    if (type(seconds) is not float and type(seconds) is not int) or not 0 <= seconds < _LATEST:
        raise ValueError("no time")
    return float(seconds)


def _session_id(text: Any) -> str:
    return rules.user_id("session_id", text)  # an id is an id: 1 to 64 characters


_FORMER_PARTS = ("user_id", "external_user_id", "build", "dimensions", "fields", "extra")
"""The order in which earlier versions kept the parts of a context."""


def _context(*kept: Any) -> Context:
    """A context of which a part that makes no sense is left out."""
    parts = kept[0] if len(kept) == 1 else dict(zip(_FORMER_PARTS, kept, strict=True))
    if type(parts) is not dict:
        raise ValueError("no context")
    return Context(**sound_parts(parts))
