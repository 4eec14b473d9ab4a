"""The byte format of the inbox and the journal: rows of 32 bytes, and entries with a body.

An entry is padded to a multiple of the row size, so rows and entries can follow each other in any order; zeros are no
entry. A row ends with a mark that is written last, and a body has a checksum, so one that a kill cut short is noticed.

`marshal` writes a body: the fastest way to turn plain values into bytes. `marshalled` reads this format from files,
which it does not trust; `marshal` itself reads only bytes of this process.
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

_ROW = struct.Struct("<IIddQ")  # kind, stamp, time, number; then, written last, the mark that it is whole
_HEAD = struct.Struct("<IIII")  # 0, length of the body, its checksum, its type
pack_row, _unpack_row = _ROW.pack, _ROW.unpack_from
_UNIT = ROW_SIZE = _ROW.size
WHOLE = 1
NONE = math.nan  # stands for "no number": no event may have nan as its number
_LATEST = 2.0**40  # seconds; later than any monotonic clock shows

UNREADABLE, EVENT, STAMP, KIND, LAP, BOOKS = 0, 1, 2, 3, 4, 5
"""The types of an entry's body."""


class Stamp(NamedTuple):
    """The session and the context that a stamp number stands for."""

    session: SessionRef | None
    context: Context


Kind = tuple[Event, Fields | None]
"""What a kind number stands for: an event, of which repeats differ in the number only, and its custom fields."""

RawRow = tuple[int, int, float, float, int]


class Body(NamedTuple):
    """The decoded body of an entry.

    Attributes:
        what: `EVENT`, `STAMP`, `KIND`, `LAP` or `BOOKS`; `UNREADABLE` if it cannot be decoded.
    """

    what: int
    value: Any


def entry(what: int, value: Any) -> bytes:
    """Encode an entry with a body, padded to a multiple of the row size."""
    try:
        body = marshal.dumps(value, marshalled.VERSION)
    except ValueError:  # a subclass of str, int or float
        body = marshal.dumps(_plain(value), marshalled.VERSION)
    room = -(_HEAD.size + len(body)) % _UNIT
    return _HEAD.pack(0, len(body), zlib.crc32(body, what), what) + body + bytes(room)


Entry = tuple[int, RawRow, Body | None]
"""The offset behind a row or an entry; the row; the body if it is an entry."""


def entries(text: bytes | mmap, place: int, loads: Callable[[bytes], Any] = marshal.loads) -> Iterator[Entry]:
    """Yield rows and entries from an offset up to the first place without a whole one, which is mostly zeros.

    Args:
        text: The bytes.
        place: The offset.
        loads: Reads a body; `marshalled.loads` if another process wrote it.
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
    """A range without a valid entry: damage, or at the end an entry that a kill cut short."""

    start: int
    end: int


MAX_SEARCHED_BYTES = 2**24
"""Bytes whose checksums are tried in one half of a damaged journal; further entries with a body count as damaged."""


def entries_and_gaps(text: bytes, place: int, loads: Callable[[bytes], Any]) -> Iterator[Entry | Gap]:
    """Yield what `entries` yields, then a `Gap`, then the entries behind it, and so on.

    All entries begin at a multiple of `ROW_SIZE`, so behind damage each such offset is tried.
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
    """Estimate how many events a gap has cost: each 32 zeros may have been a row; a body belongs to its head."""
    count = 0
    is_body, behind = False, gap.start
    for place in range(gap.start, gap.end, _UNIT):
        kind, length, checksum, what = _HEAD.unpack_from(text, place)
        start, end = place + _HEAD.size, place + _HEAD.size + length
        is_head = not kind and 0 < length <= len(text) and EVENT <= what <= LAP
        is_body = is_body and place < behind and any(text[place : place + _UNIT])
        if is_head:
            # The checksum includes the type, so it shows an event of which only the type in the head is damaged.
            count += what == EVENT or (end <= gap.end and zlib.crc32(text[start:end], EVENT) == checksum)
            is_body, behind = True, end
        elif not is_body:
            count += 1
    return count


def is_cut_short(text: bytes, gap: Gap) -> bool:
    """Whether a gap with only zeros behind it is an entry that a kill cut short.

    A whole row has a mark, whose first byte is not zero; no body ends with a zero. A damaged length may reach over
    other entries, but these are recognised by their heads.
    """
    kind, length, _, _ = _HEAD.unpack_from(text, gap.start)
    if kind or not length:
        return gap.end - gap.start <= _UNIT and not _unpack_row(text, gap.start)[4]
    behind = gap.start + _HEAD.size + length
    return gap.end < behind + _UNIT and text[behind - 1 : behind] == b"\0" and lost_in(text, gap) <= 1


def time_of(found: Entry | Gap) -> float | None:
    """Return the time of an event; `None` if it is not an event or its time is invalid."""
    if isinstance(found, Gap):
        return None
    _, row, body = found
    at = row[2] if body is None else None
    if body is not None and body.what == EVENT and type(body.value) is tuple and len(body.value) == 5:
        at = body.value[3]
    return at if type(at) is float and 0 <= at < _LATEST else None


def is_stamp(text: bytes) -> bool:
    """Whether an entry defines a stamp."""
    kind, _, _, what = _HEAD.unpack_from(text)
    return not kind and bool(what == STAMP)


def is_of_session(text: bytes) -> bool:
    """Whether an entry is the event that starts or ends a session."""
    kind, _, _, what = _HEAD.unpack_from(text)
    return not kind and what == EVENT and text[_HEAD.size : _HEAD.size + len(_USER)] in (_USER, _SESSION_END)


def events_in(text: bytes | mmap, place: int) -> int:
    """Count the events from an offset on by their heads; nothing is decoded."""
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
    """Convert custom fields to a `dict`."""
    return fields if fields is None or type(fields) is dict else dict(fields)


def _plain(value: Any) -> Any:
    """Convert a value to exact built-in types."""
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
    """Convert a context to plain values by the names of its parts."""
    given = {part: getattr(context, part) for part in PARTS}
    return ({part: _plain(value) for part, value in given.items() if value is not None},)


def values_of(event: Event) -> tuple[int, tuple[Any, ...]]:
    """Convert an event to plain values."""
    return event.code, event.values()


def event_of(code: int, values: Any, kinds: Mapping[int, Kind]) -> Event:
    """Make an event from plain values; if the code is negative, from a kind number and the event's number."""
    return KIND_BY_CODE[code].of(*values) if code > 0 else kinds[-code][0].with_number(values)


_EVENT_VALUES = (0, 0, 0, 0)  # values, stamp, time, fields
_USER, _SESSION_END = (
    marshal.dumps((kind.code, *_EVENT_VALUES), marshalled.VERSION)[:10] for kind in (User, SessionEnd)
)
"""The first bytes of such an event's body: a tuple's size and the kind's code."""


class Replay:
    """Decoder of the entries that a dead process left.

    The caller reads all kinds and stamps first, in any order. No value is trusted: it must keep the rules that calls
    keep, or the entry is refused.
    """

    def __init__(self) -> None:
        self._events: dict[int, Kind] = {}
        self._stamps: dict[int, Stamp] = {}

    def session_of(self, body: Body) -> SessionRef | None:
        """Return the session of a stamp that `learn` has read."""
        stamp = self._stamps.get(body.value[0]) if body.what == STAMP else None
        return stamp.session if stamp is not None else None

    def learn(self, body: Body) -> None:
        """Read a kind or a stamp; raises any `Exception` if it is invalid."""
        if body.what == KIND:
            kind, code, values, *more = body.value
            if type(kind) is int and type(code) is int and code > 0:
                self._events[kind] = event_of(code, values, {}), _fields(*more) if more else None
        elif body.what == STAMP:
            number, session_id, started, *facts = body.value
            if type(number) is int:
                self._stamps[number] = Stamp(SessionRef(_session_id(session_id), _time(started)), _context(*facts))

    def record(self, row: RawRow, body: Body | None) -> Record | None:
        """Decode a record; `None` if the entry is not an event. Raises any `Exception` if it is invalid."""
        if body is None:
            kind, stamp, at, number, _ = row
            event, fields = self._events[kind]
            record = Repeated(kind, event, number, *self._stamp(stamp, at), _time(at), fields).record()
            record.event.check_number()  # a row has no checksum, so damage may have made it any number
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
        """Return the stamp with this number; if its entry was overwritten or is damaged, the nearest of that time.

        That is one of the two neighbours whose session had started by then, the next one first, as in the inbox.
        """
        found = self._stamps.get(number)
        if found is None:
            later = sorted(one for one in self._stamps if one > number)
            earlier = sorted((one for one in self._stamps if one < number), reverse=True)
            near = (self._stamps[one] for one in (*later[:1], *earlier[:1]))
            found = next(one for one in near if one.session is not None and one.session.started <= at)
        return found


def _fields(fields: Any) -> Fields:
    """Check the types of custom fields; the call checked the rest, and the checksum shows damage."""
    if type(fields) is not dict:
        raise ValueError("no custom fields")
    for key, value in fields.items():
        if type(key) is not str or type(value) is not str:
            rules.custom_field(key, value)
    return fields


def _time(seconds: Any) -> float:
    """Check a reading of the monotonic clock."""
    if (type(seconds) is not float and type(seconds) is not int) or not 0 <= seconds < _LATEST:
        raise ValueError("no time")
    return float(seconds)


def _session_id(text: Any) -> str:
    return rules.user_id("session_id", text)  # the same rule: 1 to 64 characters


_FORMER_PARTS = ("user_id", "external_user_id", "build", "dimensions", "fields", "extra")
"""The parts of a context in the order in which earlier versions wrote them."""


def _context(*kept: Any) -> Context:
    """Make a context; leave out invalid parts."""
    parts = kept[0] if len(kept) == 1 else dict(zip(_FORMER_PARTS, kept, strict=True))
    if type(parts) is not dict:
        raise ValueError("no context")
    return Context(**sound_parts(parts))
