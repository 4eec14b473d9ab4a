"""The reader of a journal that a dead process left: finds its records, and counts what is damaged."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from ga_pygame.clock import CountedIds, wall_now
from ga_pygame.events import SessionEnd, User
from ga_pygame.recording import journal_files, marshalled
from ga_pygame.recording.entries import (
    BOOKS,
    KIND,
    LAP,
    ROW_SIZE,
    STAMP,
    Body,
    Entry,
    Gap,
    Replay,
    entries_and_gaps,
    entry,
    is_cut_short,
    lost_in,
    time_of,
)
from ga_pygame.recording.journal import (
    BOOKS_SIZE,
    BOOKS_START,
    EARLIER_SECONDS,
    FILE_HEAD,
    HALF_SIZE,
    JOURNAL_MAGIC,
    KINDS_SIZE,
    KINDS_START,
    SEED_SIZE,
    SIZE,
    Journal,
)
from ga_pygame.records import Record

_MAX_LAP = 2**32  # twelve times a second for ten years
_MAX_ANCHOR = 1e11
"""Seconds since 1970, later than any clock shows."""


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
        books: The position and the text of the last `Journal.keep_books`, if there is one.
    """

    def __init__(self, content: bytes) -> None:
        self.anchor = 0.0
        self.committed = self.stored = self.sent = 0
        self.end = 0
        self._ids: CountedIds | None = None
        self._earlier: list[int] = []  # positions behind records before `committed` that are still there
        self.unreadable = 0
        self.began: dict[str, int] = {}
        self.books: tuple[int, str] | None = None
        self.records: list[tuple[int, Record]] = []
        if not any(content):  # killed before it wrote the head, or not written back
            return
        self.unreadable += _is_cut_off(content)
        content = content[:SIZE].ljust(SIZE, b"\0")
        magic, self.anchor, self.committed = FILE_HEAD.unpack_from(content)
        if not _has_magic(magic):
            self.unreadable += content.strip(b"\0") != b""
            return
        if self.committed >= journal_files.ALL and bin(self.committed).count("1") <= 2:  # a bit may have flipped
            return
        self.committed -= self.committed % ROW_SIZE  # no entry ends between
        stored, sent = journal_files.STORED.unpack_from(content, journal_files.STORED_AT)
        if sent <= stored <= self.committed:  # else one of them is damaged
            self.stored, self.sent = stored, sent
        self.books = _books(content)
        seed = content[journal_files.SEED_AT : journal_files.SEED_AT + SEED_SIZE]
        if any(seed):  # else an earlier version wrote the file
            self._ids = CountedIds(seed)
        for position, record in self._read(content):
            self.end = max(self.end, position)
            if record is not None and position > self.committed:
                self.records.append((position, self._with_id(position, record)))
            elif record is not None:
                self._earlier.append(position)
        if not 0 < self.anchor < _MAX_ANCHOR:  # damaged: take now for the last record's time
            self.anchor = wall_now() - (self.records[-1][1].at if self.records else 0.0)

    def _with_id(self, position: int, record: Record) -> Record:
        """Give a record the id that it had in the process that died: it may have been sent."""
        if self._ids is None:
            return record
        return record._replace(event_uuid=self._ids.at(position // ROW_SIZE))

    @property
    def furthest(self) -> int:
        """Return a position that no entry of this journal can exceed, even behind a damaged part."""
        return max(self.end, self.committed) + 2 * HALF_SIZE

    def missing(self, position: int) -> int:
        """Estimate how many events were stored, not delivered, and lost by a database that ends at a position.

        If their half was filled again, their bytes are counted as rows.
        """
        start = max(position, self.sent)
        if start >= self.stored:
            return 0
        there = [at for at in self._earlier if start < at <= self.stored]
        gone = ((there[0] - 1) // HALF_SIZE * HALF_SIZE if there else self.stored) - start
        return len(there) + max(0, gone) // ROW_SIZE

    def _read(self, content: bytes) -> Iterator[tuple[int, Record | None]]:
        """Read the records of both halves, oldest lap first; `None` in place of an invalid one."""
        halves = self._halves(content)
        replay = Replay()
        end = KINDS_SIZE if self._ids is None else BOOKS_START  # an earlier version had no books
        for _, body in _bodies(_found(content[:end], KINDS_START), KIND, STAMP):
            with contextlib.suppress(Exception):  # invalid: records that need it are counted
                replay.learn(body)
        for half in halves:
            for place, body in _bodies(half.found, STAMP):
                with contextlib.suppress(Exception):
                    replay.learn(body)
                    session = replay.session_of(body)
                    if session is not None:
                        is_new = session.started >= half.since  # else an earlier lap may have had its first stamp
                        self.began.setdefault(session.id, half.lap * HALF_SIZE + place if is_new else -1)
        for half in halves:
            yield from self._records(half, replay)

    def _records(self, half: _Half, replay: Replay) -> Iterator[tuple[int, Record | None]]:
        """Read the records of a half; count damaged ones, except those before entries of an earlier lap."""
        start = half.lap * HALF_SIZE
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
        starts = (KINDS_SIZE, KINDS_SIZE + HALF_SIZE)
        parts = [content[start : start + HALF_SIZE] for start in starts]
        found = [_found(part, 0) for part in parts]
        heads = [_head(some) if some else None for some in found]
        laps = [head[0] for head in heads if head is not None]
        if laps and self.committed > (max(laps) + 1) * HALF_SIZE:  # damaged: take the stored position
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
        lap = self.committed // HALF_SIZE
        if lap % 2 != number:
            times, others = ([at for one in some if (at := time_of(one)) is not None] for some in (found, other))
            if not others or not times or _middle(times) < _middle(others):
                return None
            lap += 1
        first = [at for one in found[:32] if (at := time_of(one)) is not None]
        return lap, _middle(first) - EARLIER_SECONDS if lap and first else 0.0


def _books(content: bytes) -> tuple[int, str] | None:
    """Find the newest bookkeeping that is whole."""
    starts = range(BOOKS_START, KINDS_SIZE, BOOKS_SIZE)
    parts = (content[start : start + BOOKS_SIZE] for start in starts)
    found = [body.value for part in parts for _, body in _bodies(_found(part, 0), BOOKS)]
    sound = [one for one in found if type(one) is tuple and [type(part) for part in one] == [int, int, str]]
    return max(sound)[1:] if sound else None


def _is_cut_off(content: bytes) -> bool:
    """Whether a file was truncated and may have lost events: a half is filled from its beginning, without zeros.

    A missing second half counts if the writer was in it, or if the first half is full.
    """
    if len(content) >= SIZE or any(content[-ROW_SIZE:]):
        return len(content) < SIZE
    if len(content) <= KINDS_SIZE:
        return True
    _, _, committed = FILE_HEAD.unpack_from(content)
    is_full = len(content) == KINDS_SIZE + HALF_SIZE and any(content[-Journal.largest :])
    return len(content) <= KINDS_SIZE + HALF_SIZE and (committed // HALF_SIZE % 2 == 1 or is_full)


def _has_magic(magic: bytes) -> bool:
    """Whether a file begins with the magic bytes, with up to two wrong bits, or with zeros, as a lost sector has.

    The last byte, the version, must be right, or all be zeros.
    """
    wrong = bin(int.from_bytes(magic, "big") ^ int.from_bytes(JOURNAL_MAGIC, "big")).count("1")
    return (wrong <= 2 and magic[-1] == JOURNAL_MAGIC[-1]) or not any(magic)


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


def read_journal(path: Path) -> bytes:
    """Read a dead launch's journal; raises what `journal_files.read_up_to` does."""
    return journal_files.read_up_to(path, SIZE)
