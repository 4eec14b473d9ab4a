"""The last moments before a kill: a memory-mapped file that the game thread writes each record into.

The writer commits 25 times a second, so a process that dies takes up to 0.05 s of calls with it. What is in
a mapped file belongs to the system's page cache the moment it is written, and outlives the process. So each
record is also noted here (0.9 µs); the next launch adds what the writer had not committed any more.

The file has two halves of equal size. Records go into one until it is full, then into the other, once all
that it still holds is committed; if that is not so yet, records are not noted for the moment. A half is read
from its start for as long as the sequence numbers rise by one and the checksums fit, so nothing needs to be
wiped. Sessions and contexts are noted once in each half and referred to by number.

A page of a mapped file for which the disk has no room left ends the process, and some file systems need new
room even to change what is there. So the file lies in the system's shared memory where there is one (Linux),
which outlives the process too, if not the machine; elsewhere its room is taken beforehand.

Written by the thread that records, with a lock that is only tried: another thread that finds it taken does
without a note.
"""

from __future__ import annotations

import contextlib
import marshal
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
_ENTRY = struct.Struct("<IIQ")  # length, checksum, sequence number
_ENTRY_SIZE = _ENTRY.size
_pack_entry, _dumps, _checksum = _ENTRY.pack_into, marshal.dumps, zlib.crc32  # looked up once: a call is counted
_FIRST = 64
_HALF = (SIZE - _FIRST) // 2
_STARTS = (_FIRST, _FIRST + _HALF)
_PAGE = 4096

_SESSION, _CONTEXT = 0, 1
_resource = ("flow.value", "currency", "amount", "item_type", "item_id")
_KINDS: dict[type, tuple[int, Any]] = {
    User: (2, lambda _event: ()),
    SessionEnd: (3, attrgetter("length", "reason")),
    Business: (4, attrgetter("currency", "amount_cents", "item_type", "item_id", "cart_type")),
    Resource: (5, attrgetter(*_resource)),
    WalletChange: (6, attrgetter(*(f"change.{name}" for name in _resource))),
    Progression: (7, attrgetter("status.value", "levels", "score")),
    Design: (8, attrgetter("event_id", "value")),
    Error: (9, attrgetter("severity.value", "message")),
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
    8: Design,
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
        self._sequence = 0
        self._known: dict[SessionRef | Context, int] = {}
        self._session: SessionRef | None = None  # of the last record, and its number; the same for the context
        self._context: Context | None = None
        self._stamp = (0, 0)

    def note(self, event: Event, session: SessionRef | None, context: Context, at: float, fields: Any) -> int:
        """Note a record; return its sequence number, or 0 where it could not be noted."""
        kind = _KINDS.get(type(event))
        if kind is None or session is None:
            return 0
        number, values = kind
        try:
            if session is self._session and context is self._context:
                body = _dumps((number, values(event), *self._stamp, at, fields))
                if self._place + _ENTRY_SIZE + len(body) <= self._end:
                    return self._write(body)
            return self._note_with_stamp((number, values(event)), session, context, at, fields)
        except ValueError:  # a subclass of str or float: marshal does not take it
            return 0

    def _note_with_stamp(
        self, own: tuple[int, Any], session: SessionRef, context: Context, at: float, fields: Any
    ) -> int:
        """The rare way: in a new half, or with a session or context that this half does not know."""
        known = self._known
        new: dict[SessionRef | Context, int] = {}
        for one in (session, context):
            if one not in known:
                new[one] = len(known) + len(new)
        stamp = tuple(new[one] if one in new else known[one] for one in (session, context))
        texts = [marshal.dumps(_stamp(one, number)) for one, number in new.items()]
        texts.append(marshal.dumps((*own, *stamp, at, fields)))
        if self._place + sum(_ENTRY_SIZE + len(text) for text in texts) > self._end:
            return self._note_with_stamp(own, session, context, at, fields) if self._turn() else 0
        known.update(new)
        self._session, self._context, self._stamp = session, context, (stamp[0], stamp[1])
        return [self._write(text) for text in texts][-1]

    def _turn(self) -> bool:
        """Go on in the other half, if all of it is committed and this one is not empty."""
        other = 1 - self._half
        if self._last_in_half[other] > self._committed or self._place == _STARTS[self._half]:
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
        _pack_entry(self._map, place, length, _checksum(body), sequence)  # last: it makes the entry count
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


def _stamp(one: SessionRef | Context, number: int) -> tuple[Any, ...]:
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
    """The records of one half, up to the first entry that was not finished."""
    known: dict[int, Any] = {}
    for sequence, entry in _entries(content, start):
        kind, *values = entry
        if kind == _SESSION:
            number, session_id, started = values
            known[number] = SessionRef(session_id, started)
        elif kind == _CONTEXT:
            number, *facts = values
            known[number] = Context(*facts)
        else:
            own, session, context, at, fields = values
            made = _MAKERS[kind](*own)
            yield sequence, Record(made, known[session], known[context], at, fields)


def _entries(content: bytes, start: int) -> Iterator[tuple[int, tuple[Any, ...]]]:
    place, end, before = start, start + _HALF, None
    while place + _ENTRY.size <= end:
        length, checksum, sequence = _ENTRY.unpack_from(content, place)
        body = content[place + _ENTRY.size : place + _ENTRY.size + length]
        follows = before is None or sequence == before + 1
        if not length or not follows or len(body) < length or zlib.crc32(body) != checksum:
            return
        yield sequence, marshal.loads(body)  # noqa: S302 - our own file, in the user's own folder, checksummed
        place += _ENTRY.size + length
        before = sequence
