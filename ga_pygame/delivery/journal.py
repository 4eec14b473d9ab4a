"""The last moments before a kill: the inbox's memory, mapped from a file.

The writer commits 25 times a second, so a process that dies would take up to 0.05 s of calls with it. What is in
a mapped file belongs to the system's page cache the moment it is written, and outlives the process. So the inbox
appends to such a file; the next launch adds what the writer had not committed any more.

The file begins with a head and the kinds of events that are repeated, which stay. Then come two halves: one is
being filled while the writer reads and wipes the other. An entry's position counts from the first one of
the launch; how far the writer has come is committed together with the events, so nothing comes twice.

A page of a mapped file for which the disk has no room left ends the process, and some file systems need new
room even to change what is there. So the file lies in the system's shared memory where there is one (Linux),
which outlives the process too, if not the machine; elsewhere its room is taken beforehand.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import sys
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path

from ga_pygame.clock import Clock
from ga_pygame.entries import EVENT, KIND, STAMP, TURN, Body, Entry, RawRow, Replay, entries, entry
from ga_pygame.events import Record, SessionEnd, User

_MAGIC = b"ga_pygame ring 2"
_HEAD = struct.Struct("<16sdQ")  # magic, wall clock at monotonic 0, position up to which all is committed
_POSITION = struct.Struct("<Q")
_POSITION_AT = 24
_FIRST = 64
_GRAIN = 2**16  # a mapping begins at a multiple of this on Windows, of a page elsewhere
_KINDS = 3 * _GRAIN
_HALF = 4 * _GRAIN
SIZE = _KINDS + 2 * _HALF
_PAGE = 4096
_EARLIER_SECONDS = 2.0
"""What is older than its half by more was left there by an earlier turn: a power cut undid the wiping."""


def folder(data_folder: Path) -> Path:
    """Where the journals of a data folder lie."""
    if sys.platform == "linux":
        shared = Path("/dev/shm")  # noqa: S108 - below it a folder of the user's own
        if os.access(shared, os.W_OK):
            return shared / f"ga_pygame-{os.getuid()}-{zlib.crc32(os.fsencode(data_folder.resolve())):08x}"
    return data_folder


def _make(path: Path) -> list[mmap.mmap]:
    """A file of the right size, with all its room taken, readable by the user only: head and kinds, two halves."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.parent.is_symlink() or (sys.platform != "win32" and path.parent.stat().st_uid != os.getuid()):
        raise PermissionError(f"{path.parent} is somebody else's")
    path.touch(mode=0o600)
    with path.open("r+b") as file:
        file.write(bytes(SIZE))
        file.flush()
        places = ((0, _KINDS), (_KINDS, _HALF), (_KINDS + _HALF, _HALF))
        return [mmap.mmap(file.fileno(), size, offset=start) for start, size in places]


class Journal:
    """One process's file. `keep` and `turn` are the inbox's, the rest is the writer's.

    Args:
        path: The file; made, and removed by `close()`.
        clock: Whose times the records carry.

    Raises:
        OSError: The file cannot be made.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        try:
            self._kinds, *self._halves = _make(path)
        except OSError:
            remove(path)
            raise
        for part in (self._kinds, *self._halves):
            for place in range(0, len(part), _PAGE):  # have every page now, so that no call pays for it
                part[place] = 0
        _HEAD.pack_into(self._kinds, 0, _MAGIC, clock.wall(0.0), 0)
        self._kinds.seek(_FIRST)
        self._turns: deque[int] = deque()  # not wiped yet; the last one is being filled
        self._next_turn = 0
        self._filling: mmap.mmap | None = None
        self._over = 0  # of the turns, those that are read to their ends
        self._read_at = 0  # in the one after them

    # --- the inbox's side -------------------------------------------------------------------------------

    largest = _HALF // 2
    """The size of an entry that a half surely takes."""

    @property
    def has_room(self) -> bool:
        """Whether a half is free."""
        return len(self._turns) < len(self._halves)

    def turn(self) -> Callable[[bytes], object] | None:
        """Stop filling one half, begin the other; what appends to it, `None` while the writer is behind."""
        self.stop()
        if not self.has_room:
            return None
        half = self._halves[self._next_turn % 2]
        half.seek(0)
        since = self._clock.monotonic() - _EARLIER_SECONDS if self._next_turn else 0.0
        half.write(entry(TURN, (self._next_turn, since)))
        self._filling = half
        self._turns.append(self._next_turn)
        self._next_turn += 1
        return half.write

    def stop(self) -> None:
        """Stop filling: what comes now is kept in memory."""
        if self._filling is not None:
            self._filling.seek(0, os.SEEK_END)  # first: whoever is still about to append here is refused
            self._filling = None

    def keep(self, kind: bytes) -> bool:
        """Keep an entry that says what a kind is; false where there is no room."""
        try:
            self._kinds.write(kind)
        except ValueError:
            return False
        return True

    # --- the writer's side ------------------------------------------------------------------------------

    @property
    def position(self) -> int:
        """How far `read` has come."""
        turn = self._turns[self._over] if self._over < len(self._turns) else self._next_turn
        return turn * _HALF + self._read_at

    def read(self, most: int) -> list[tuple[RawRow, Body | None]]:
        """The next events; what it gave stays until `committed`. Fewer than `most`: there are no more."""
        found: list[tuple[RawRow, Body | None]] = []
        for turn in tuple(self._turns)[self._over :]:
            half = self._halves[turn % 2]
            is_over = self._filling is not half  # looked at before the entries, so that none comes after
            for place, row, body in entries(half, self._read_at):
                self._read_at = place
                if body is None or body.what == EVENT:
                    found.append((row, body))
                    if len(found) >= most:
                        return found
            if is_over:
                self._read_at = 0
                self._over += 1
        return found

    def unread(self) -> Iterator[Entry]:
        """What `read` has still to give. Any thread."""
        start = self._read_at
        for turn in tuple(self._turns)[self._over :]:
            yield from entries(self._halves[turn % 2], start)
            start = 0

    def committed(self, position: int) -> None:
        """Everything up to that position is on the disk or was sent: halves that lie before it may be filled again."""
        _POSITION.pack_into(self._kinds, _POSITION_AT, position)
        while self._over and self._turns[0] < position // _HALF:
            self._halves[self._turns[0] % 2][:] = bytes(_HALF)
            self._over -= 1
            self._turns.popleft()  # last: now it may be filled again

    def close(self) -> None:
        """Remove the file; everything is committed."""
        self.leave()
        remove(self._path)

    def leave(self) -> None:
        """Let go of the file, which stays: the next launch takes what is not committed."""
        for part in (self._kinds, *self._halves):
            part.close()


def remove(path: Path) -> None:
    """Remove a journal, and its folder where that is empty then."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        path.parent.rmdir()


class Rest:
    """What a journal of a dead process still holds.

    Attributes:
        anchor: The wall clock at the dead process's monotonic 0, in seconds since 1970.
        committed: The position up to which the file knows everything to be committed.
        records: The records after that, each with the position behind it.
    """

    def __init__(self, content: bytes) -> None:
        self.anchor = 0.0
        self.committed = 0
        self.records: list[tuple[int, Record]] = []
        if len(content) != SIZE:
            return
        magic, self.anchor, self.committed = _HEAD.unpack_from(content)
        if magic == _MAGIC:
            self.records = [pair for pair in _records(content) if pair[0] > self.committed]


def _records(content: bytes) -> Iterator[tuple[int, Record]]:
    """The records of both halves in the order in which they were filled."""
    starts = (_KINDS, _KINDS + _HALF)
    halves = sorted((half for start in starts for half in _half(content[start : start + _HALF])), key=itemgetter(0))
    replay = Replay()
    for _, _, body in (*entries(content[:_KINDS], _FIRST), *(found for *_, half in halves for found in half)):
        if body is not None and body.what in (KIND, STAMP):
            replay.learn(body)
    for turn, since, half in halves:
        for place, row, body in half:
            with contextlib.suppress(KeyError, ValueError):  # makes no sense: not what was written
                record = replay.record(row, body)
                if record is not None and record.at < since and not isinstance(record.event, User | SessionEnd):
                    break
                if record is not None:
                    yield turn * _HALF + place, record


def _half(content: bytes) -> Iterator[tuple[int, float, list[Entry]]]:
    """A half's turn, its time and its entries; nothing where it is empty."""
    _, _, head = next(entries(content, 0), (0, None, None))
    if head is not None and head.what == TURN:
        turn, since = head.value
        yield turn, since, list(entries(content, 0))
