"""The last moments before a kill: the inbox's memory, mapped from a file.

The writer commits 25 times a second, so a process that dies would take up to 0.05 s of calls with it. What is in
a mapped file belongs to the system's page cache the moment it is written, and outlives the process. So the inbox
appends to such a file; the next launch adds what the writer had not committed any more.

The file begins with a head, the kinds of events that are repeated and the first stamp of each session, which stay.
Then come two halves: one is being filled while the writer reads and wipes the other. An entry's position counts from
the first one of the launch; how far the writer has come is committed together with the events, so nothing comes twice.

A page of a mapped file for which the disk has no room left ends the process, and some file systems need new
room even to change what is there. So the file lies in the system's shared memory where there is one (Linux),
which outlives the process too, if not the machine; elsewhere its room is taken beforehand.
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
_GRAIN = 2**16  # a mapping begins at a multiple of this on Windows, of a page elsewhere
_KINDS = 3 * _GRAIN
_HALF = 4 * _GRAIN
SIZE = _KINDS + 2 * _HALF
"""Bytes of a journal's file; a shorter one was cut off."""
_MEMORY_PAGE = 4096
_EARLIER_SECONDS = 2.0
"""What is older than its half by more was left there by an earlier lap: a power cut undid the wiping."""
_MAX_LAP = 2**32  # twelve times a second for ten years
_MAX_ANCHOR = 1e11
"""Seconds since 1970: some time that no clock shows."""


def _make_file(path: Path) -> list[mmap.mmap]:
    """A file of the right size, with all its room taken, readable by the user only: head and kinds, two halves."""
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
    """One process's file. `keep` and `swap` are the inbox's, the rest is the writer's.

    Args:
        path: The file; made, and removed by `close()`.
        clock: Whose times the records carry.

    Raises:
        OSError: The file cannot be made.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._kinds, *self._halves = _make_file(path)
        for part in (self._kinds, *self._halves):
            for place in range(0, len(part), _MEMORY_PAGE):  # have every page now, so that no call pays for it
                part[place] = 0
        _FILE_HEAD.pack_into(self._kinds, 0, _MAGIC, clock.wall(0.0), 0)
        self._kinds.seek(_KINDS_START)
        self._laps: deque[int] = deque()  # not wiped yet; the last one is being filled
        self._next_lap = 0
        self._filling: mmap.mmap | None = None
        self._over = 0  # of the laps, those that are read to their ends
        self._read_at = 0  # in the one after them

    # --- the inbox's side -------------------------------------------------------------------------------

    largest = _HALF // 2
    """The size of an entry that a half surely takes."""

    @property
    def has_room(self) -> bool:
        """Whether a half is free."""
        return len(self._laps) < len(self._halves)

    def swap(self) -> Callable[[bytes], object] | None:
        """Stop filling one half, begin the other; what appends to it, `None` while the writer is behind."""
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
        """Stop filling: what comes now is kept in memory."""
        if self._filling is not None:
            self._filling.seek(0, os.SEEK_END)  # first: whoever is still about to append here is refused
            self._filling = None

    def keep(self, text: bytes) -> bool:
        """Keep an entry as long as the journal, such as what a kind is; false where there is no room."""
        try:
            self._kinds.write(text)
        except ValueError:
            return False
        return True

    # --- the writer's side ------------------------------------------------------------------------------

    @property
    def position(self) -> int:
        """How far `read` has come."""
        lap = self._laps[self._over] if self._over < len(self._laps) else self._next_lap
        return lap * _HALF + self._read_at

    def read(self, most: int) -> list[tuple[RawRow, Body | None]]:
        """The next events; what it gave stays until `committed`. Fewer than `most`: there are no more."""
        found: list[tuple[RawRow, Body | None]] = []
        for lap in tuple(self._laps)[self._over :]:
            half = self._halves[lap % 2]
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

    @property
    def waiting(self) -> int:
        """How many events `read` has still to give. Any thread."""
        count, start = 0, self._read_at
        for lap in tuple(self._laps)[self._over :]:
            count += events_in(self._halves[lap % 2], start)
            start = 0
        return count

    def committed(self, position: int) -> None:
        """Everything up to that position is on the disk or was sent: halves that lie before it may be filled again."""
        journal_files.POSITION.pack_into(self._kinds, journal_files.POSITION_AT, position)
        while self._over and self._laps[0] < position // _HALF:
            self._halves[self._laps[0] % 2][:] = bytes(_HALF)
            self._over -= 1
            self._laps.popleft()  # last: now it may be filled again

    def stored(self, position: int, sent: int) -> None:
        """What lies before that position is in the database, what lies before `sent` was delivered besides.

        Should the database come back to an earlier state, the next launch sees by this what that cost.
        """
        journal_files.STORED.pack_into(self._kinds, journal_files.STORED_AT, position, sent)

    def close(self) -> bool:
        """Remove the file; everything is committed or unwanted. False where it is still there.

        A file that cannot be removed (on Windows while a scanner has it open) says itself that nothing in it is
        wanted, and a later launch removes it.
        """
        journal_files.POSITION.pack_into(self._kinds, journal_files.POSITION_AT, journal_files.ALL)
        self.let_go()
        return journal_files.remove(self._path)

    def let_go(self) -> None:
        """Unmap the file and leave it as it is.

        For a forked child, whose parent goes on with it, and for an end at which the disk has not taken everything:
        the next launch takes what is not committed.
        """
        for part in (self._kinds, *self._halves):
            with contextlib.suppress(BufferError):
                part.close()


class Leftover:
    """What a journal of a dead process still holds. Nothing in it is believed; what makes no sense is counted.

    Attributes:
        anchor: The wall clock at the dead process's monotonic 0, in seconds since 1970.
        committed: The position up to which the file knows everything to be committed.
        records: The records after that, each with the position behind it.
        end: The position behind all that was found.
        stored: The position up to which the database had everything when the process died.
        sent: The position up to which everything was delivered besides.
        unreadable: About how many events were there and could not be read.
        began: By session's id, the position of the first that is known of it; -1 where it may have begun before.
    """

    def __init__(self, content: bytes) -> None:
        self.anchor = 0.0
        self.committed = self.stored = self.sent = 0
        self.end = 0
        self._earlier: list[int] = []  # where the records before `committed` end, as far as they are still there
        self.unreadable = 0
        self.began: dict[str, int] = {}
        self.records: list[tuple[int, Record]] = []
        if not any(content):  # its launch was killed before it could begin, or long ago
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
        if not 0 < self.anchor < _MAX_ANCHOR:  # damaged: as if the last of it were just now
            self.anchor = wall_now() - (self.records[-1][1].at if self.records else 0.0)

    @property
    def furthest(self) -> int:
        """No position in this journal is higher, even if all that lies behind a damage was written."""
        return max(self.end, self.committed) + 2 * _HALF

    def missing(self, position: int) -> int:
        """About how many events were stored and not delivered, if the database knows only those before a position.

        Those whose half was filled again are counted by the room that they took.
        """
        start = max(position, self.sent)
        if start >= self.stored:
            return 0
        there = [at for at in self._earlier if start < at <= self.stored]
        gone = ((there[0] - 1) // _HALF * _HALF if there else self.stored) - start
        return len(there) + max(0, gone) // ROW_SIZE

    def _read(self, content: bytes) -> Iterator[tuple[int, Record | None]]:
        """The records of both halves in the order in which they were filled; `None` in the place of a lost one."""
        halves = self._halves(content)
        replay = Replay()
        for _, body in _bodies(_found(content[:_KINDS], _KINDS_START), KIND, STAMP):
            with contextlib.suppress(Exception):  # whatever it is: who needs it is counted
                replay.learn(body)
        for half in halves:
            for place, body in _bodies(half.found, STAMP):
                with contextlib.suppress(Exception):
                    replay.learn(body)
                    session = replay.session_of(body)
                    if session is not None:
                        is_new = session.started >= half.since  # else an earlier half may have had its start
                        self.began.setdefault(session.id, half.lap * _HALF + place if is_new else -1)
        for half in halves:
            yield from self._records(half, replay)

    def _records(self, half: _Half, replay: Replay) -> Iterator[tuple[int, Record | None]]:
        """The records of a half. What is damaged is counted, but for what only an earlier lap's entries follow."""
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
                doubtful += position > self.committed  # one before others that are right has a damaged time
                is_earlier = True
                continue
            self.unreadable += doubtful
            doubtful, is_earlier = 0, False
            yield position, record
        if not is_earlier:
            self.unreadable += doubtful

    def _halves(self, content: bytes) -> list[_Half]:
        """The halves that hold something, in the order in which they were filled."""
        starts = (_KINDS, _KINDS + _HALF)
        parts = [content[start : start + _HALF] for start in starts]
        found = [_found(part, 0) for part in parts]
        heads = [_head(some) if some else None for some in found]
        laps = [head[0] for head in heads if head is not None]
        if laps and self.committed > (max(laps) + 1) * _HALF:  # damaged: the database knows better
            self.committed = self.stored
        halves = []
        for number, (part, some) in enumerate(zip(parts, found, strict=True)):
            head = heads[number] or (self._guess(number, some, found[1 - number]) if some else None)
            if head is not None:
                halves.append(_Half(*head, part, some))
        return sorted(halves, key=itemgetter(0))

    def _guess(self, number: int, found: list[Entry | Gap], other: list[Entry | Gap]) -> tuple[int, float] | None:
        """The lap and time of a half whose beginning is damaged; `None` where all of it is committed.

        What is not committed is of the lap in which the writer was or of the next one, which is filled when that
        one is full. What it is done with may not be wiped yet.
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
    """Whether a file's end is missing, and events may be with it: a half is filled from its beginning, without zeros.

    A second half that is gone counts where the writer was in it, or where the first one is there to its end.
    """
    if len(content) >= SIZE or any(content[-ROW_SIZE:]):
        return len(content) < SIZE
    if len(content) <= _KINDS:
        return True
    _, _, committed = _FILE_HEAD.unpack_from(content)
    is_full = len(content) == _KINDS + _HALF and any(content[-Journal.largest :])
    return len(content) <= _KINDS + _HALF and (committed // _HALF % 2 == 1 or is_full)


def _has_magic(magic: bytes) -> bool:
    """Whether a file's first bytes are those of a journal, perhaps damaged: two wrong bits, or a sector of zeros.

    The last one is the version.
    """
    wrong = bin(int.from_bytes(magic, "big") ^ int.from_bytes(_MAGIC, "big")).count("1")
    return (wrong <= 2 and magic[-1] == _MAGIC[-1]) or not any(magic)


_HEAD_OF_HALF = len(entry(LAP, (0, 0.0)))
"""Bytes at a half's beginning that are no event."""


class _Half(NamedTuple):
    """What lies in one half: of which lap it is, when that began, and what was found."""

    lap: int
    since: float
    content: bytes
    found: list[Entry | Gap]


def _found(content: bytes, place: int) -> list[Entry | Gap]:
    return list(entries_and_gaps(content, place, marshalled.loads))


def _bodies(found: list[Entry | Gap], *what: int) -> Iterator[tuple[int, Body]]:
    """Bodies of these sorts, each with the place behind it."""
    for one in found:
        if not isinstance(one, Gap) and one[2] is not None and one[2].what in what:
            yield one[0], one[2]


def _head(found: list[Entry | Gap]) -> tuple[int, float] | None:
    """The lap and the time that a half says of itself."""
    first = found[0]
    body = None if isinstance(first, Gap) else first[2]
    if body is not None and body.what == LAP:
        with contextlib.suppress(TypeError, ValueError):
            lap, since = body.value
            if type(lap) is int and 0 <= lap < _MAX_LAP and type(since) is float:
                return lap, since
    return None


def _middle(times: list[float]) -> float:
    """The median: a single damaged time does not move it."""
    return sorted(times)[len(times) // 2]


def read(path: Path) -> bytes:
    """The content of a dead launch's journal; raises what `journal_files.read_up_to` does."""
    return journal_files.read_up_to(path, SIZE)
