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
from collections.abc import Callable
from pathlib import Path

from ga_pygame.clock import Clock, CountedIds
from ga_pygame.recording import journal_files
from ga_pygame.recording.entries import (
    BOOKS,
    EVENT,
    LAP,
    ROW_SIZE,
    Body,
    RawRow,
    entries,
    entry,
    events_in,
)

JOURNAL_MAGIC = b"ga_pygame ring 3"
FILE_HEAD = struct.Struct("<16sdQ")  # magic, wall clock at monotonic 0, position up to which all is committed
SEED_SIZE = 16  # of the events' ids; see `CountedIds`
KINDS_START = 64
_GRAIN = 2**16  # a mapping on Windows begins at a multiple of this
KINDS_SIZE = 3 * _GRAIN
BOOKS_SIZE = 2**13
"""Bytes of each of the two places for bookkeeping, at the end of the part with the kinds."""
BOOKS_START = KINDS_SIZE - 2 * BOOKS_SIZE
HALF_SIZE = 4 * _GRAIN
SIZE = KINDS_SIZE + 2 * HALF_SIZE
"""Bytes of a journal's file; a shorter one was truncated."""
_MEMORY_PAGE = 4096
EARLIER_SECONDS = 2.0
"""An entry that is older than its half by more is of an earlier lap: a power cut undid the wipe."""


def _make_file(path: Path) -> list[mmap.mmap]:
    """Make the file, with all its room taken, readable by the user only; map head and kinds, and both halves."""
    file = journal_files.make(path)
    try:
        for _ in range(SIZE // _GRAIN):
            os.write(file, bytes(_GRAIN))
        if os.fstat(file).st_size != SIZE:
            raise OSError("no room for a journal")
        places = ((0, KINDS_SIZE), (KINDS_SIZE, HALF_SIZE), (KINDS_SIZE + HALF_SIZE, HALF_SIZE))
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
        FILE_HEAD.pack_into(self._kinds, 0, JOURNAL_MAGIC, clock.wall(0.0), 0)
        seed = os.urandom(SEED_SIZE)
        self._kinds[journal_files.SEED_AT : journal_files.SEED_AT + SEED_SIZE] = seed
        self._ids = CountedIds(seed)
        self._kinds.seek(KINDS_START)
        self._laps: deque[int] = deque()  # those not wiped yet; the last one is being filled
        self._next_lap = 0
        self._filling: mmap.mmap | None = None
        self._over = 0  # how many of the laps are read to their end
        self._read_at = 0  # the offset in the lap after them
        self._books = 0  # how often bookkeeping was kept

    # --- the inbox's side -------------------------------------------------------------------------------

    largest = HALF_SIZE // 2
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
        since = self._clock.monotonic() - EARLIER_SECONDS if self._next_lap else 0.0
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
        if self._kinds.tell() + len(text) > BOOKS_START:
            return False
        self._kinds.write(text)
        return True

    # --- the writer's side ------------------------------------------------------------------------------

    @property
    def position(self) -> int:
        """Return the position up to which `read` has read."""
        lap = self._laps[self._over] if self._over < len(self._laps) else self._next_lap
        return lap * HALF_SIZE + self._read_at

    def read(self, most: int) -> list[tuple[RawRow, Body | None, bytes]]:
        """Read the next events with their ids; fewer than `most` if there are no more.

        They stay in the file until `committed`.
        """
        found: list[tuple[RawRow, Body | None, bytes]] = []
        for lap in tuple(self._laps)[self._over :]:
            half = self._halves[lap % 2]
            # Before the entries are read: the game may swap halves during the reading, and entries appended until then
            # would be missed if the half counted as read.
            is_over = self._filling is not half
            start = lap * HALF_SIZE
            for place, row, body in entries(half, self._read_at):
                self._read_at = place
                if body is None or body.what == EVENT:
                    found.append((row, body, self._ids.at((start + place) // ROW_SIZE)))
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
        while self._over and self._laps[0] < position // HALF_SIZE:
            self._halves[self._laps[0] % 2][:] = bytes(HALF_SIZE)
            self._over -= 1
            self._laps.popleft()  # after the wipe: from now on the game may fill this half

    def keep_books(self, position: int, books: str | None) -> None:
        """Keep the bookkeeping of an outbox that is in memory only, as of a position; `None` if it is on the disk.

        It is written beside the last one, so a kill leaves one of them whole. If it is too large, none is kept: then
        the next launch has what the disk has.
        """
        text = entry(BOOKS, (self._books, position, books)) if books is not None else b""
        if len(text) > BOOKS_SIZE:
            text = b""
        if not text:
            self._kinds[BOOKS_START:] = bytes(2 * BOOKS_SIZE)
            return
        start = BOOKS_START + self._books % 2 * BOOKS_SIZE
        self._kinds[start : start + len(text)] = text
        self._books += 1

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
