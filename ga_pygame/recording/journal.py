"""The journal: the inbox's memory, mapped from a file, so that it outlives a killed process.

The writer commits 25 times a second, so a killed process would lose up to 0.05 s of calls. Bytes written to a mapped
file are in the system's page cache at once and outlive the process. So the inbox appends to such a file, and the next
launch adds the records that the writer had not committed.

The file begins with a head, the kinds of repeated events and the first stamp of each session, which stay. Then come
two halves: the game fills one while the writer reads and wipes the other. One filling of a half is a lap. An entry's
position counts bytes from the launch's first lap; the writer commits its position together with the events, so that
no event is recovered twice.

If the disk is full, writing to a new page of a mapped file kills the process, and some file systems need new room for
any change. So on Linux the file is in the system's shared memory, which outlives the process, though not the machine;
elsewhere its room is taken at the start.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
from collections import deque
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from ga_pygame.clock import Clock, wall_now
from ga_pygame.events import SessionEnd, User
from ga_pygame.recording import journal_files, marshalled
from ga_pygame.recording.entries import (
    EVENT,
    KIND,
    LAP,
    ROW_SIZE,
    STAMP,
    Body,
    Entry,
    Gap,
    RawRow,
    Replay,
    entries,
    entries_and_gaps,
    entry,
    events_in,
    is_cut_short,
    lost_in,
    time_of,
)
from ga_pygame.records import Record

_MAGIC = b"ga_pygame ring 3"
_FILE_HEAD = struct.Struct("<16sdQ")  # magic, wall clock at monotonic 0, position up to which all is committed
_KINDS_START = 64
_GRAIN = 2**16  # a mapping on Windows begins at a multiple of this
_KINDS = 3 * _GRAIN
_HALF = 4 * _GRAIN
SIZE = _KINDS + 2 * _HALF
"""Bytes of a journal's file; a shorter one was truncated."""
_MEMORY_PAGE = 4096
_EARLIER_SECONDS = 2.0
"""An entry that is older than its half by more is of an earlier lap: a power cut undid the wipe."""
_MAX_LAP = 2**32  # twelve times a second for ten years
_MAX_ANCHOR = 1e11
"""Seconds since 1970, later than any clock shows."""


def _make_file(path: Path) -> list[mmap.mmap]:
    """Make the file, with all its room taken, readable by the user only; map head and kinds, and both halves."""
    file = journal_files.make(path)
    try:
        for _ in range(SIZE // _GRAIN):
            os.write(file, bytes(_GRAIN))
        if os.fstat(file).st_size != SIZE:
            raise OSError("no room for a journal")
        places = ((0, _KINDS), (_KINDS, _HALF), (_KINDS + _HALF, _HALF))
        return [mmap.mmap(file, size, offset=start) for start, size in places]
    except BaseException:
        os.close(file)
        file = -1
        journal_files.remove(path)
        raise
    finally:
        if file >= 0:
            os.close(file)


class Journal:
    """The journal of this process. The inbox calls `keep`, `swap` and `stop`, the writer the other methods.

    Args:
        path: The file; made here, removed by `close()`.
        clock: The clock of the records' times.

    Raises:
        OSError: The file cannot be made.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._kinds, *self._halves = _make_file(path)
        for part in (self._kinds, *self._halves):
            for place in range(0, len(part), _MEMORY_PAGE):  # touch every page now, so that no call has to
                part[place] = 0
        _FILE_HEAD.pack_into(self._kinds, 0, _MAGIC, clock.wall(0.0), 0)
        self._kinds.seek(_KINDS_START)
        self._laps: deque[int] = deque()  # those not wiped yet; the last one is being filled
        self._next_lap = 0
        self._filling: mmap.mmap | None = None
        self._over = 0  # how many of the laps are read to their end
        self._read_at = 0  # the offset in the lap after them

    # --- the inbox's side -------------------------------------------------------------------------------

    largest = _HALF // 2
    """The largest entry that always fits into a half."""

    @property
    def has_room(self) -> bool:
        """Whether a half is wiped and can be filled."""
        return len(self._laps) < len(self._halves)

    def swap(self) -> Callable[[bytes], object] | None:
        """Stop filling one half and begin the other; return its `write`, `None` while the writer has not wiped it."""
        self.stop()
        if not self.has_room:
            return None
        half = self._halves[self._next_lap % 2]
        half.seek(0)
        since = self._clock.monotonic() - _EARLIER_SECONDS if self._next_lap else 0.0
        half.write(entry(LAP, (self._next_lap, since)))
        self._filling = half
        self._laps.append(self._next_lap)
        self._next_lap += 1
        return half.write

    def stop(self) -> None:
        """Stop filling; later entries go to memory."""
        if self._filling is not None:
            # First to the end: another thread may still hold this half's `write`, and would append an entry after the
            # writer has read the half. At its end `write` raises instead.
            self._filling.seek(0, os.SEEK_END)
            self._filling = None

    def pin(self, text: bytes) -> bool:
        """Append an entry to the part that is never wiped, such as a kind; false if there is no room."""
        try:
            self._kinds.write(text)
        except ValueError:
            return False
        return True

    # --- the writer's side ------------------------------------------------------------------------------

    @property
    def position(self) -> int:
        """Return the position up to which `read` has read."""
        lap = self._laps[self._over] if self._over < len(self._laps) else self._next_lap
        return lap * _HALF + self._read_at

    def read(self, most: int) -> list[tuple[RawRow, Body | None]]:
        """Read the next events; fewer than `most` if there are no more. They stay in the file until `committed`."""
        found: list[tuple[RawRow, Body | None]] = []
        for lap in tuple(self._laps)[self._over :]:
            half = self._halves[lap % 2]
            # Before the entries are read: the game may swap halves during the reading, and entries appended until then
            # would be missed if the half counted as read.
            is_over = self._filling is not half
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

    @property
    def waiting(self) -> int:
        """Count the events that `read` has not returned yet. For any thread."""
        count, start = 0, self._read_at
        for lap in tuple(self._laps)[self._over :]:
            count += events_in(self._halves[lap % 2], start)
            start = 0
        return count

    def committed(self, position: int) -> None:
        """Note that all up to a position is on the disk or was sent; wipe the halves before it."""
        journal_files.POSITION.pack_into(self._kinds, journal_files.POSITION_AT, position)
        while self._over and self._laps[0] < position // _HALF:
            self._halves[self._laps[0] % 2][:] = bytes(_HALF)
            self._over -= 1
            self._laps.popleft()  # after the wipe: from now on the game may fill this half

    def stored(self, position: int, sent: int) -> None:
        """Note the positions up to which the database has all records, and up to which all were delivered.

        If the database is later in an earlier state, the next launch computes the loss from these.
        """
        journal_files.STORED.pack_into(self._kinds, journal_files.STORED_AT, position, sent)

    def close(self) -> bool:
        """Remove the file, whose records are all committed or unwanted; false if that fails.

        A file that cannot be removed (on Windows while a scanner has it open) is marked as done, and a later launch
        removes it.
        """
        journal_files.POSITION.pack_into(self._kinds, journal_files.POSITION_AT, journal_files.ALL)
        self.let_go()
        return journal_files.remove(self._path)

    def let_go(self) -> None:
        """Unmap the file and leave it as it is.

        For a forked child, whose parent goes on with the file; and for an end before all is on the disk, so that the
        next launch recovers the rest.
        """
        for part in (self._kinds, *self._halves):
            with contextlib.suppress(BufferError):
                part.close()


class Leftover:
    """The records in a dead process's journal. All values are checked; invalid entries are counted.

    Attributes:
        anchor: The wall clock at the dead process's monotonic 0, in seconds since 1970.
        committed: The position up to which all is committed, as the file says.
        records: The records after it, each with the position behind it.
        end: The position behind the last entry.
        stored: The position up to which the database had all records when the process died.
        sent: The position up to which all records were delivered.
        unreadable: About how many events cannot be read.
        began: The position of each session's first stamp, by session id; -1 if an earlier lap may have had it.
    """

    def __init__(self, content: bytes) -> None:
        self.anchor = 0.0
        self.committed = self.stored = self.sent = 0
        self.end = 0
        self._earlier: list[int] = []  # positions behind records before `committed` that are still there
        self.unreadable = 0
        self.began: dict[str, int] = {}
        self.records: list[tuple[int, Record]] = []
        if not any(content):  # killed before it wrote the head, or not written back
            return
        self.unreadable += _is_cut_off(content)
        content = content[:SIZE].ljust(SIZE, b"\0")
        magic, self.anchor, self.committed = _FILE_HEAD.unpack_from(content)
        if not _has_magic(magic):
            self.unreadable += content.strip(b"\0") != b""
            return
        if self.committed >= journal_files.ALL and bin(self.committed).count("1") <= 2:  # a bit may have flipped
            return
        self.committed -= self.committed % ROW_SIZE  # no entry ends between
        stored, sent = journal_files.STORED.unpack_from(content, journal_files.STORED_AT)
        if sent <= stored <= self.committed:  # else one of them is damaged
            self.stored, self.sent = stored, sent
        for position, record in self._read(content):
            self.end = max(self.end, position)
            if record is not None and position > self.committed:
                self.records.append((position, record))
            elif record is not None:
                self._earlier.append(position)
        if not 0 < self.anchor < _MAX_ANCHOR:  # damaged: take now for the last record's time
            self.anchor = wall_now() - (self.records[-1][1].at if self.records else 0.0)

    @property
    def furthest(self) -> int:
        """Return a position that no entry of this journal can exceed, even behind a damaged part."""
        return max(self.end, self.committed) + 2 * _HALF

    def missing(self, position: int) -> int:
        """Estimate how many events were stored, not delivered, and lost by a database that ends at a position.

        If their half was filled again, their bytes are counted as rows.
        """
        start = max(position, self.sent)
        if start >= self.stored:
            return 0
        there = [at for at in self._earlier if start < at <= self.stored]
        gone = ((there[0] - 1) // _HALF * _HALF if there else self.stored) - start
        return len(there) + max(0, gone) // ROW_SIZE

    def _read(self, content: bytes) -> Iterator[tuple[int, Record | None]]:
        """Read the records of both halves, oldest lap first; `None` in place of an invalid one."""
        halves = self._halves(content)
        replay = Replay()
        for _, body in _bodies(_found(content[:_KINDS], _KINDS_START), KIND, STAMP):
            with contextlib.suppress(Exception):  # invalid: records that need it are counted
                replay.learn(body)
        for half in halves:
            for place, body in _bodies(half.found, STAMP):
                with contextlib.suppress(Exception):
                    replay.learn(body)
                    session = replay.session_of(body)
                    if session is not None:
                        is_new = session.started >= half.since  # else an earlier lap may have had its first stamp
                        self.began.setdefault(session.id, half.lap * _HALF + place if is_new else -1)
        for half in halves:
            yield from self._records(half, replay)

    def _records(self, half: _Half, replay: Replay) -> Iterator[tuple[int, Record | None]]:
        """Read the records of a half; count damaged ones, except those before entries of an earlier lap."""
        start = half.lap * _HALF
        doubtful = 0  # since the last entry of this lap
        is_earlier = False
        for found in half.found:
            if isinstance(found, Gap):
                uncommitted = max(self.committed - start, _HEAD_OF_HALF)
                behind = Gap(max(found.start, min(uncommitted, found.end)), found.end)
                is_last = found is half.found[-1]
                if not (is_last and is_cut_short(half.content, found)):
                    doubtful += lost_in(half.content, behind)
                continue
            place, row, body = found
            position = start + place
            try:
                record = replay.record(row, body)
            except Exception:  # noqa: BLE001 - it makes no sense: not what was written
                self.unreadable += position > self.committed
                yield position, None
                continue
            if record is None:
                continue
            if record.at < half.since and not isinstance(record.event, User | SessionEnd):
                doubtful += position > self.committed  # if valid ones follow, only its time is damaged
                is_earlier = True
                continue
            self.unreadable += doubtful
            doubtful, is_earlier = 0, False
            yield position, record
        if not is_earlier:
            self.unreadable += doubtful

    def _halves(self, content: bytes) -> list[_Half]:
        """Return the halves with entries, oldest lap first."""
        starts = (_KINDS, _KINDS + _HALF)
        parts = [content[start : start + _HALF] for start in starts]
        found = [_found(part, 0) for part in parts]
        heads = [_head(some) if some else None for some in found]
        laps = [head[0] for head in heads if head is not None]
        if laps and self.committed > (max(laps) + 1) * _HALF:  # damaged: take the stored position
            self.committed = self.stored
        halves = []
        for number, (part, some) in enumerate(zip(parts, found, strict=True)):
            head = heads[number] or (self._guess(number, some, found[1 - number]) if some else None)
            if head is not None:
                halves.append(_Half(*head, part, some))
        return sorted(halves, key=itemgetter(0))

    def _guess(self, number: int, found: list[Entry | Gap], other: list[Entry | Gap]) -> tuple[int, float] | None:
        """Guess the lap and start of a half whose first entry is damaged; `None` if all of it is committed.

        Uncommitted entries are of the writer's lap or of the next one, which begins when that one is full. A committed
        half may not be wiped yet.
        """
        lap = self.committed // _HALF
        if lap % 2 != number:
            times, others = ([at for one in some if (at := time_of(one)) is not None] for some in (found, other))
            if not others or not times or _middle(times) < _middle(others):
                return None
            lap += 1
        first = [at for one in found[:32] if (at := time_of(one)) is not None]
        return lap, _middle(first) - _EARLIER_SECONDS if lap and first else 0.0


def _is_cut_off(content: bytes) -> bool:
    """Whether a file was truncated and may have lost events: a half is filled from its beginning, without zeros.

    A missing second half counts if the writer was in it, or if the first half is full.
    """
    if len(content) >= SIZE or any(content[-ROW_SIZE:]):
        return len(content) < SIZE
    if len(content) <= _KINDS:
        return True
    _, _, committed = _FILE_HEAD.unpack_from(content)
    is_full = len(content) == _KINDS + _HALF and any(content[-Journal.largest :])
    return len(content) <= _KINDS + _HALF and (committed // _HALF % 2 == 1 or is_full)


def _has_magic(magic: bytes) -> bool:
    """Whether a file begins with the magic bytes, with up to two wrong bits, or with zeros, as a lost sector has.

    The last byte, the version, must be right, or all be zeros.
    """
    wrong = bin(int.from_bytes(magic, "big") ^ int.from_bytes(_MAGIC, "big")).count("1")
    return (wrong <= 2 and magic[-1] == _MAGIC[-1]) or not any(magic)


_HEAD_OF_HALF = len(entry(LAP, (0, 0.0)))
"""Bytes of a half's first entry, which names its lap."""


class _Half(NamedTuple):
    """A half that was read: its lap, when that began, its bytes and its entries."""

    lap: int
    since: float
    content: bytes
    found: list[Entry | Gap]


def _found(content: bytes, place: int) -> list[Entry | Gap]:
    return list(entries_and_gaps(content, place, marshalled.loads))


def _bodies(found: list[Entry | Gap], *what: int) -> Iterator[tuple[int, Body]]:
    """Yield the bodies of these sorts, each with the offset behind it."""
    for one in found:
        if not isinstance(one, Gap) and one[2] is not None and one[2].what in what:
            yield one[0], one[2]


def _head(found: list[Entry | Gap]) -> tuple[int, float] | None:
    """Read the lap and the start from a half's first entry."""
    first = found[0]
    body = None if isinstance(first, Gap) else first[2]
    if body is not None and body.what == LAP:
        with contextlib.suppress(TypeError, ValueError):
            lap, since = body.value
            if type(lap) is int and 0 <= lap < _MAX_LAP and type(since) is float:
                return lap, since
    return None


def _middle(times: list[float]) -> float:
    """Return the median, which a single damaged time does not move."""
    return sorted(times)[len(times) // 2]


def read(path: Path) -> bytes:
    """Read a dead launch's journal; raises what `journal_files.read_up_to` does."""
    return journal_files.read_up_to(path, SIZE)
