"""The form of what lies in the inbox and in the journal: rows of 32 bytes, and entries with a body of `marshal`'s.

An entry is padded to the size of rows, so that both can follow each other; zeros are no entry. A row ends with a
mark that is written last, a body has a checksum: what a kill has cut short is seen.
"""

from __future__ import annotations

import marshal
import math
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from ga_pygame.events import (
    Business,
    Context,
    Design,
    Error,
    Event,
    Fields,
    Flow,
    Health,
    Progression,
    Record,
    Resource,
    Row,
    SessionEnd,
    SessionRef,
    Severity,
    Status,
    User,
    WalletChange,
)

if TYPE_CHECKING:
    from mmap import mmap

_ROW = struct.Struct("<IIddQ")  # kind, stamp, time, number; then, written last, that it is whole
_HEAD = struct.Struct("<IIII")  # 0, length of the body, its checksum, what it is
pack_row, _unpack_row = _ROW.pack, _ROW.unpack_from
_UNIT = _ROW.size
WHOLE = 1
NONE = math.nan  # no event has it as its number
_LATEST = 2.0**40  # seconds: some time that no clock shows
EXACT = 2**53
"""Whole numbers up to here are floats, too."""


EVENT, STAMP, KIND, TURN = 1, 2, 3, 4
"""What the body of an entry is."""


class Stamp(NamedTuple):
    """What a record's stamp number stands for."""

    session: SessionRef | None
    context: Context


RawRow = tuple[int, int, float, float, int]


class Body(NamedTuple):
    """What an entry says that is no row.

    Attributes:
        what: `EVENT`, `STAMP`, `KIND` or `TURN`.
    """

    what: int
    value: Any


new_row = tuple.__new__
"""Makes a named tuple in 0.1 µs; its own constructor takes 0.4."""


def entry(what: int, value: Any) -> bytes:
    """An entry with a body, padded to the size of rows."""
    try:
        body = marshal.dumps(value)
    except ValueError:  # a subclass of str, int or float
        body = marshal.dumps(_plain(value))
    room = -(_HEAD.size + len(body)) % _UNIT
    return _HEAD.pack(0, len(body), zlib.crc32(body, what), what) + body + bytes(room)


Entry = tuple[int, RawRow, Body | None]
"""The place behind an entry; its row; its body, if it has one."""


def entries(text: bytes | mmap, place: int) -> Iterator[Entry]:
    """Entries from `place` on, each with the place behind it, up to the first that is not whole: zeros, mostly."""
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
        yield place, row, Body(what, marshal.loads(body))  # noqa: S302 - written by us, checksummed


def exactly(fields: Fields | None) -> dict[str, Any] | None:
    """Custom fields as a `dict`, whatever mapping they are."""
    return fields if fields is None or type(fields) is dict else dict(fields)


def _plain(value: Any) -> Any:
    """The same of exact types."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, tuple | list):
        return tuple(map(_plain, value))
    if isinstance(value, dict):
        return {_plain(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, float):
        return float(value)
    return int(value) if isinstance(value, int) else value


def facts(context: Context) -> tuple[Any, ...]:
    """A context as plain values, in the order of its arguments."""
    fields = dict(context.fields) if context.fields is not None else None
    extra = dict(context.extra) if context.extra is not None else None
    return (context.user_id, context.external_user_id, context.build, context.dimensions, fields, extra)


_flow = ("flow._value_", "currency", "amount", "item_type", "item_id")
_CODES: dict[type, tuple[int, Callable[[Any], Any]]] = {
    User: (2, lambda _event: ()),
    SessionEnd: (3, attrgetter("length", "reason")),
    Business: (4, attrgetter("currency", "amount_cents", "item_type", "item_id", "cart_type")),
    Resource: (5, attrgetter(*_flow)),
    WalletChange: (6, attrgetter(*(f"change.{name}" for name in _flow))),
    Progression: (7, attrgetter("status._value_", "levels", "score")),
    Design: (8, attrgetter("event_id", "value")),
    Error: (9, attrgetter("severity._value_", "message")),
    Health: (10, attrgetter("seconds", "counts")),
}


def values_of(event: Event) -> tuple[int, Any]:
    """An event as plain values."""
    code, values = _CODES[type(event)]
    return code, values(event)


def _resource(flow: str, currency: str, amount: float, item_type: str, item_id: str) -> Resource:
    return Resource(Flow(flow), currency, amount, item_type, item_id)


_MAKERS: dict[int, Callable[..., Event]] = {
    2: User,
    3: SessionEnd,
    4: Business,
    5: _resource,
    6: lambda *values: WalletChange(_resource(*values)),
    7: lambda status, levels, score: Progression(Status(status), levels, score),
    8: Design,
    9: lambda severity, message: Error(Severity(severity), message),
    10: Health,
}


def event_of(code: int, values: Any, kinds: Mapping[int, Event]) -> Event:
    """An event of plain values; of a kind with another number where the code is negative."""
    return _MAKERS[code](*values) if code > 0 else kinds[-code].with_number(values)


class Replay:
    """Turns the entries that a dead process left behind into records.

    Kinds and stamps are learned first, wherever they stand.
    """

    def __init__(self) -> None:
        self._events: dict[int, Event] = {}
        self._stamps: dict[int, Stamp] = {}

    def learn(self, body: Body) -> None:
        """Take in what an entry says of a kind or a stamp."""
        if body.what == KIND:
            kind, code, values = body.value
            self._events[kind] = event_of(code, values, {})
        elif body.what == STAMP:
            number, session_id, started, *facts = body.value
            self._stamps[number] = Stamp(SessionRef(session_id, started), Context(*facts))

    def record(self, row: RawRow, body: Body | None) -> Record | None:
        """The record that an entry is, if it is one."""
        if body is None:
            kind, stamp, at, number, _ = row
            if kind not in self._events or not 0 <= at < _LATEST:
                return None
            return Row(kind, self._events[kind], number, *self._stamp(stamp), at).record()
        if body.what != EVENT:
            return None
        code, values, stamp, at, fields = body.value
        return Record(event_of(code, values, self._events), *self._stamp(stamp), at, fields)

    def _stamp(self, number: int) -> Stamp:
        """A stamp; in the place of one whose entry was overwritten meanwhile, the last that is known."""
        found = self._stamps.get(number)
        return found if found is not None else self._stamps[max(self._stamps)]
