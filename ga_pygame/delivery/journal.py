"""The last moments before a kill: a memory-mapped file that the game thread writes each record into.

The writer commits 25 times a second, so a process that dies takes up to 0.05 s of calls with it. What is in
a mapped file belongs to the system's page cache the moment it is written, and outlives the process. So each
record is also noted here; the next launch adds what the writer had not committed any more.

The file has two halves of equal size. Records go into one until it is full, then into the other, once all
that it still holds is committed; if that is not so yet, records are not noted for the moment. A half is read
from its start for as long as the sequence numbers rise by one and the entries are whole, so nothing needs to
be wiped. Sessions, contexts and the ids of design events are noted once in each half and referred to by number.

There are two kinds of entries. Most are a value that `marshal` wrote, with a checksum. A design event whose
id, session and context are known is a row of numbers, between its sequence number and the same once more,
which is written last: that takes 0.15 µs where the other kind takes 0.7.

A page of a mapped file for which the disk has no room left ends the process, and some file systems need new
room even to change what is there. So the file lies in the system's shared memory where there is one (Linux),
which outlives the process too, if not the machine; elsewhere its room is taken beforehand.

Written by the thread that records, with a lock that is only tried: another thread that finds it taken does
without a note.
"""

from __future__ import annotations

import contextlib
import marshal
import math
import mmap
import os
import struct
import sys
import zlib
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

from ga_pygame.clock import Clock
from ga_pygame.events import (
    Business,
    Context,
    Design,
    Error,
    Event,
    Flow,
    Progression,
    Record,
    Resource,
    SessionEnd,
    SessionRef,
    Severity,
    Status,
    User,
    WalletChange,
)

SIZE = 2**20
_MAGIC = b"ga_pygame ring 1"
_HEAD = struct.Struct("<16sdQ")  # magic, wall clock at monotonic 0, last committed sequence number
_COMMITTED = struct.Struct("<Q")
_COMMITTED_AT = 24
_ENTRY = struct.Struct("<IIQ")  # length of the body, its checksum, sequence number
_ENTRY_SIZE = _ENTRY.size
_ROW = struct.Struct("<IIQIIIddQ")  # 0, 0, sequence number; session, context, id; time, value; sequence number
_ROW_SIZE = _ROW.size
_pack_entry, _pack_row, _dumps = _ENTRY.pack_into, _ROW.pack_into, marshal.dumps  # looked up once: a call is counted
_NO_VALUE = math.nan  # no event has it
_EXACT = 2**53  # whole numbers up to here are floats, too
_MOST_KNOWN = 4096
_FIRST = 64
_HALF = (SIZE - _FIRST) // 2
_STARTS = (_FIRST, _FIRST + _HALF)
_PAGE = 4096

_SESSION, _CONTEXT, _DESIGN, _ID, _ROW_KIND = 0, 1, 8, 10, 11
# `_value_` is an enum member's value without the 0.2 µs that `value` takes.
_resource = ("flow._value_", "currency", "amount", "item_type", "item_id")
_KINDS: dict[type, tuple[int, Any]] = {
    User: (2, lambda _event: ()),
    SessionEnd: (3, attrgetter("length", "reason")),
    Business: (4, attrgetter("currency", "amount_cents", "item_type", "item_id", "cart_type")),
    Resource: (5, attrgetter(*_resource)),
    WalletChange: (6, attrgetter(*(f"change.{name}" for name in _resource))),
    Progression: (7, attrgetter("status._value_", "levels", "score")),
    Design: (_DESIGN, attrgetter("event_id", "value")),
    Error: (9, attrgetter("severity._value_", "message")),
}


def _flow(flow: str, currency: str, amount: float, item_type: str, item_id: str) -> Resource:
    return Resource(Flow(flow), currency, amount, item_type, item_id)


_MAKERS: dict[int, Any] = {
    2: User,
    3: SessionEnd,
    4: Business,
    5: _flow,
    6: lambda *values: WalletChange(_flow(*values)),
    7: lambda status, levels, score: Progression(Status(status), levels, score),
    _DESIGN: Design,
    _ROW_KIND: Design,
    9: lambda severity, message: Error(Severity(severity), message),
}


def folder(data_folder: Path) -> Path:
    """Where the journals of a data folder lie."""
    if sys.platform == "linux":
        shared = Path("/dev/shm")  # noqa: S108 - below it a folder of the user's own
        if os.access(shared, os.W_OK):
            return shared / f"ga_pygame-{os.getuid()}-{zlib.crc32(os.fsencode(data_folder.resolve())):08x}"
    return data_folder


def _make(path: Path) -> mmap.mmap:
    """A file of the right size, with all its room taken, readable by the user only."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.parent.is_symlink() or (sys.platform != "win32" and path.parent.stat().st_uid != os.getuid()):
        raise PermissionError(f"{path.parent} is somebody else's")
    path.touch(mode=0o600)
    with path.open("r+b") as file:
        file.write(bytes(SIZE))
        file.flush()
        return mmap.mmap(file.fileno(), SIZE)


class Journal:
    """The writing side; one process, one file.

    Args:
        path: The file; made, and removed by `close()`.
        clock: Whose times the records carry.

    Raises:
        OSError: The file cannot be made.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        try:
            self._map = _make(path)
        except OSError:
            remove(path)
            raise
        for place in range(0, SIZE, _PAGE):  # have every page now, so that no call pays for it
            self._map[place] = 0
        _HEAD.pack_into(self._map, 0, _MAGIC, clock.wall(0.0), 0)
        self._half = 0
        self._place = _STARTS[0]
        self._end = _STARTS[0] + _HALF
        self._last_in_half = [0, 0]
        self._committed = 0
        self._full_until = 0
        self._sequence = 0
        self._known: dict[SessionRef | Context | str, int] = {}  # in this half
        self._session: SessionRef | None = None  # of the last record, and its number; the same for the context
        self._context: Context | None = None
        self._session_number = self._context_number = 0

    def note(self, event: Event, session: SessionRef | None, context: Context, at: float, fields: Any) -> int:
        """Note a record; return its sequence number, or 0 where it could not be noted."""
        if type(event) is Design and fields is None and session is self._session and context is self._context:
            place, id_number, value = self._place, self._known.get(event.event_id), event.value
            if type(value) is not float:
                value = _as_float(value)
            if id_number is not None and value is not None and place + _ROW_SIZE <= self._end:
                self._place = place + _ROW_SIZE
                self._sequence = sequence = self._sequence + 1
                first, second = self._session_number, self._context_number
                _pack_row(self._map, place, 0, 0, sequence, first, second, id_number, at, value, sequence)
                return sequence
        return self._note_anything(event, session, context, at, fields)

    def _note_anything(self, event: Event, session: SessionRef | None, context: Context, at: float, fields: Any) -> int:
        kind = _KINDS.get(type(event))
        if kind is None or session is None or self._full_until > self._committed:
            return 0
        number, values = kind
        own = (number, values(event))
        try:
            knows = session is self._session and context is self._context
            if knows and (type(event) is not Design or fields is not None):
                body = _dumps((*own, self._session_number, self._context_number, at, fields))
                if self._place + _ENTRY_SIZE + len(body) <= self._end:
                    return self._write(body)
            return self._note_with_stamps(own, session, context, at, fields)
        except ValueError:  # a subclass of str or float: marshal does not take it
            return 0

    def _note_with_stamps(
        self, own: tuple[int, Any], session: SessionRef, context: Context, at: float, fields: Any
    ) -> int:
        """The rare way: in a new half, or with a session, context or design id that this half may not know."""
        known = self._known
        stamps: list[SessionRef | Context | str] = [session, context]
        if own[0] == _DESIGN and type(own[1][0]) is str and len(known) < _MOST_KNOWN:
            stamps.append(own[1][0])
        new = [one for one in stamps if one not in known]
        numbers = {one: len(known) + place for place, one in enumerate(new)}
        session_number, context_number = (numbers.get(one, known.get(one)) for one in (session, context))
        bodies = [_dumps(_stamp(one, numbers[one])) for one in new]
        bodies.append(_dumps((*own, session_number, context_number, at, fields)))
        if self._place + sum(_ENTRY_SIZE + len(body) for body in bodies) > self._end:
            return self._note_with_stamps(own, session, context, at, fields) if self._turn() else 0
        known.update(numbers)
        self._session, self._context = session, context
        self._session_number, self._context_number = known[session], known[context]
        return [self._write(body) for body in bodies][-1]

    def _turn(self) -> bool:
        """Go on in the other half, if all of it is committed and this one is not empty."""
        other = 1 - self._half
        if self._last_in_half[other] > self._committed or self._place == _STARTS[self._half]:
            self._full_until = self._last_in_half[other]
            return False
        self._last_in_half[self._half] = self._sequence
        self._half = other
        self._place, self._end = _STARTS[other], _STARTS[other] + _HALF
        self._known = {}
        self._session = None
        return True

    def _write(self, body: bytes) -> int:
        place = self._place
        start = place + _ENTRY_SIZE
        length = len(body)
        self._place = end = start + length
        self._map[start:end] = body
        self._sequence = sequence = self._sequence + 1
        _pack_entry(self._map, place, length, zlib.crc32(body), sequence)  # last: it makes the entry count
        return sequence

    def committed(self, sequence: int) -> None:
        """Everything up to that number is in the outbox. Writer thread."""
        _COMMITTED.pack_into(self._map, _COMMITTED_AT, sequence)
        self._committed = sequence

    def close(self) -> None:
        """Remove the file; everything is committed."""
        self._map.close()
        remove(self._path)


def remove(path: Path) -> None:
    """Remove a journal, and its folder where that is empty then."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        path.parent.rmdir()


def _as_float(value: float | None) -> float | None:
    """A design event's value in a row; `None` where a float cannot say it."""
    if value is None:
        return _NO_VALUE
    return float(value) if type(value) is int and -_EXACT <= value <= _EXACT else None


def _stamp(one: SessionRef | Context | str, number: int) -> tuple[Any, ...]:
    if isinstance(one, str):
        return (_ID, number, one)
    if isinstance(one, SessionRef):
        return (_SESSION, number, one.id, one.started)
    fields = dict(one.fields) if one.fields is not None else None
    extra = dict(one.extra) if one.extra is not None else None
    return (_CONTEXT, number, one.user_id, one.external_user_id, one.build, one.dimensions, fields, extra)


class Rest:
    """What a journal of a dead process still holds.

    Attributes:
        anchor: The wall clock at the dead process's monotonic 0, in seconds since 1970.
        committed: The last sequence number that the file knows to be committed.
        records: The records after that, with their sequence numbers.
    """

    def __init__(self, content: bytes) -> None:
        self.anchor = 0.0
        self.committed = 0
        self.records: list[tuple[int, Record]] = []
        if len(content) != SIZE:
            return
        magic, self.anchor, self.committed = _HEAD.unpack_from(content)
        if magic != _MAGIC:
            return
        found = [*_records(content, _STARTS[0]), *_records(content, _STARTS[1])]
        self.records = sorted((pair for pair in found if pair[0] > self.committed), key=lambda pair: pair[0])


def _records(content: bytes, start: int) -> Iterator[tuple[int, Record]]:
    """The records of one half, up to the first entry that is not whole or makes no sense."""
    known: dict[int, Any] = {}
    for sequence, (kind, *values) in _entries(content, start):
        try:
            if kind == _SESSION:
                number, session_id, started = values
                known[number] = SessionRef(session_id, started)
            elif kind == _CONTEXT:
                number, *facts = values
                known[number] = Context(*facts)
            elif kind == _ID:
                known[values[0]] = values[1]
            else:
                own, session, context, at, fields = values
                if kind == _ROW_KIND:
                    own = (known[own[0]], None if math.isnan(own[1]) else own[1])
                record = Record(_MAKERS[kind](*own), known[session], known[context], at, fields)
                yield sequence, record
        except (KeyError, ValueError):
            return


def _entries(content: bytes, start: int) -> Iterator[tuple[int, tuple[Any, ...]]]:
    place, end, before = start, start + _HALF, None
    while place + _ENTRY_SIZE <= end:
        length, checksum, sequence = _ENTRY.unpack_from(content, place)
        if before is not None and sequence != before + 1:
            return
        if length:
            body = content[place + _ENTRY_SIZE : place + _ENTRY_SIZE + length]
            if len(body) < length or zlib.crc32(body) != checksum:
                return
            yield sequence, marshal.loads(body)  # noqa: S302 - our own file, in the user's own folder, checksummed
            place += _ENTRY_SIZE + length
        else:
            if not sequence or place + _ROW_SIZE > end:
                return
            *_, session, context, event_id, at, value, again = _ROW.unpack_from(content, place)
            if again != sequence or not math.isfinite(at):
                return
            yield sequence, (_ROW_KIND, (event_id, value), session, context, at, None)
            place += _ROW_SIZE
        before = sequence
