"""Reads what is left of a damaged outbox, or of one that was removed while in use.

SQLite reads up to the damage, from both ends. Then the pages of the file are searched: bytes that match a block's
checksum are a block, wherever they are. All values are checked as usual; gaps in the ids count the lost records.
"""

from __future__ import annotations

import contextlib
import sqlite3
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ga_pygame import kept
from ga_pygame.clock import yield_gil
from ga_pygame.delivery.outbox.contract import NewRecord, Transaction, as_new_record
from ga_pygame.delivery.outbox.file import column_text
from ga_pygame.delivery.outbox.open_session import launch_of, session_of
from ga_pygame.delivery.outbox.schema import SELECT, DamagedBlockError, Row, as_row, records, unsealed, whole_parts
from ga_pygame.protocol import StoredRecord

MAX_GAP = 10_000
"""The largest gap in the ids that is counted; a larger one is taken for a damaged id."""

MAX_SET_ASIDE = 3
"""Damaged files that are kept for the developer; the next one replaces the oldest."""

_SQLITE_PAGE = 4096
_WAL_HEAD, _FRAME_HEAD = 32, 24
_BLOCK_COLUMN_COUNT = 9
_YIELD_AFTER_BLOCKS = 64


class Found(NamedTuple):
    """Records that were read.

    Attributes:
        only: For each, the destinations that it is for; `None` for all.
        lost: How many further records there were.
    """

    records: list[tuple[NewRecord, list[str] | None]]
    lost: int


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a damaged file, as far as SQLite can read it."""
    _restore_head(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.text_factory = column_text
    try:
        with contextlib.suppress(sqlite3.Error):
            connection.execute(
                "PRAGMA writable_schema = ON"
            )  # else SQLite reads nothing from a file that was cut short
        yield connection
    finally:
        connection.close()


_SQLITE_HEAD = (  # offset and value of the bytes that are equal in all our files. Source: SQLite, Database File Format
    (0, b"SQLite format 3\0\x10\0"),
    (20, b"\0\x40\x20\x20"),
    (44, b"\0\0\0\x04"),
    (52, b"\0\0\0\0"),
    (56, b"\0\0\0\x01"),
    (64, b"\0\0\0\0"),
)
_MAX_WRONG = 2


def _restore_head(path: Path) -> None:
    """Repair the head of a file if one or two bytes are wrong: without it SQLite reads nothing."""
    try:
        with path.open("r+b") as file:
            head = bytearray(file.read(100))
            places = [(at + place, byte) for at, text in _SQLITE_HEAD for place, byte in enumerate(text)]
            wrong = [(at, byte) for at, byte in places if at < len(head) and head[at] != byte]
            if len(head) < 100 or len(wrong) > _MAX_WRONG:
                return
            for at, byte in wrong:
                head[at] = byte
            for at in (18, 19):
                if head[at] not in (1, 2):
                    head[at] = 2
            file.seek(0, 2)
            head[28:32] = (file.tell() // _SQLITE_PAGE).to_bytes(4, "big")
            head[92:96] = head[24:28]
            file.seek(0)
            file.write(head)
    except OSError:
        return


def copy_values(damaged: sqlite3.Connection, own: str, transaction: Transaction, say: kept.Say) -> None:
    """Copy all but the records: values, attempts, open sessions, sums. This is fast.

    Args:
        damaged: The file to read.
        own: The launch name of this process in that file.
        transaction: Where to copy.
        say: Told of invalid values.
    """
    for key, value in kept.values(_readable_rows(damaged, "SELECT key, value FROM key_value"), say).items():
        transaction.remember(key, value)
    for level, number in _readable_rows(damaged, "SELECT progression_event_id, attempt_num FROM progression"):
        if isinstance(level, str) and (attempts := kept.count(number, kept.MAX_ATTEMPTS)):
            transaction.set_attempts(level, attempts)
    for row in _readable_rows(damaged, "SELECT * FROM session_end"):
        session, launch = session_of(row), launch_of(row)
        if session is not None and isinstance(launch, str) and kept.LAUNCH.fullmatch(launch):
            transaction.save_session(session, None if launch == own else launch)
    for destination, slot, value, key in _readable_rows(
        damaged, "SELECT destination, slot, value, idempotency_key FROM sums"
    ):
        amount = kept.amount(value)
        if amount is not None and all(isinstance(one, str) for one in (destination, slot, key)):
            transaction.add_to_sum(destination, slot, amount, key)


def read_records(
    damaged: sqlite3.Connection, path: Path | None, delivered: Mapping[str, int], destinations: Sequence[str]
) -> Found:
    """Read the records that were not delivered to all their destinations.

    Args:
        damaged: The file to read.
        path: Its path, if its pages are to be searched, too.
        delivered: The last id that this process knows to be delivered, by destination.
        destinations: The names of all destinations. If a destination's last id cannot be read, the highest one of
            the others is assumed: it may miss records, which are counted, but gets none twice.
    """
    names = _done(damaged)
    for name, number in _done_in_pages(path).items() if path is not None else ():
        names[name] = max(number, names.get(name, 0))
    for name, number in delivered.items():
        names[name] = max(number, names.get(name, 0))
    assumed = max(names.values(), default=0)
    unknown = [name for name in destinations if name not in names] if names else []
    names.update(dict.fromkeys(unknown, assumed))
    done = min(names.values(), default=None)
    rows: dict[int, Row] = {}
    for row in _readable_blocks(damaged):
        rows.setdefault(row[0], row)
    if path is not None and done is not None:
        for row in _rows_in_pages(path):
            rows.setdefault(row[0], row)
    found: dict[int, tuple[StoredRecord, list[str] | None]] = {}
    for place, row in enumerate(rows.values(), 1):
        parts = [row]
        try:
            records(row)
        except DamagedBlockError:
            parts = [as_row(part) for part in whole_parts(row)]
        for part in parts:
            only = part[4]
            wanted = None if only is None else [name for name in only.split(",") if name]
            found |= {record.id: (record, wanted) for record in records(part, done or 0)}
        if place % _YIELD_AFTER_BLOCKS == 0:
            yield_gil()
    order = sorted(found)
    lost = _count_missing(order, done, last(damaged))
    if unknown:
        lost += sum(
            min(row[1], max(0, assumed - row[0] + row[1]))
            for row in rows.values()
            if type(row[0]) is type(row[1]) is int
        )
    kept_records = []
    for record_id in order:
        record, only = found[record_id]
        waits = [name for name, its in names.items() if its < record_id and (only is None or name in only)]
        kept_records.append((as_new_record(record), only if len(waits) == len(names) or not names else waits))
    return Found(kept_records, lost)


def kept_value(damaged: sqlite3.Connection, key: kept.KeptKey) -> object:
    """Read one kept value without checks; `None` if it cannot be read."""
    return dict(_readable_rows(damaged, "SELECT key, value FROM key_value")).get(key)


def delete_sums(connection: sqlite3.Connection) -> None:
    """Delete all sums, within the open transaction."""
    connection.execute("DELETE FROM sums")


def _done(damaged: sqlite3.Connection) -> dict[str, int]:
    """Read the last delivered id of each destination, if it can be read."""
    names: dict[str, int] = {}
    for name, *both in _readable_rows(damaged, "SELECT name, done, seal FROM destinations"):
        if isinstance(name, str) and (number := unsealed(name, *both)) is not None:
            names[name] = number
    return names


def last(damaged: sqlite3.Connection) -> int | None:
    """Read the highest id that a block ever had; `None` if it cannot be read."""
    rows = list(_readable_rows(damaged, "SELECT seq FROM sqlite_sequence WHERE name = 'blocks'"))
    return rows[0][0] if rows and type(rows[0][0]) is int else None


def _count_missing(order: list[int], done: int | None, last: int | None) -> int:
    """Count the ids that are missing between the last delivered one and the last one."""
    lost, before = 0, done if done is not None else (order[0] - 1 if order else 0)
    for record_id in (*order, *([last + 1] if last is not None else [])):
        gap = record_id - before - 1
        lost += gap if 0 < gap <= MAX_GAP else 0
        before = max(before, record_id)
    return lost


def _readable_blocks(damaged: sqlite3.Connection) -> Iterator[Row]:
    """Read blocks from both ends up to the damage, one by one: a cursor would read one row ahead, into it."""
    for at, sign, order in ((0, ">", "ASC"), (2**63 - 1, "<", "DESC")):
        query = f"{SELECT} WHERE last_id {sign} ? ORDER BY last_id {order} LIMIT 1"
        with contextlib.suppress(sqlite3.Error, TypeError):
            while row := damaged.execute(query, (at,)).fetchone():
                is_next = row[0] > at if sign == ">" else row[0] < at
                if not is_next:  # pages are out of order
                    break
                at = row[0]  # noqa: PLW2901 - from there on
                yield row


def _readable_rows(damaged: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    """Read the rows of a query up to the first damaged one."""
    with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):  # the latter if the name of a column is damaged
        yield from damaged.execute(query)


# --- pages -----------------------------------------------------------------------------------------------


def _pages(path: Path) -> Iterator[bytes]:
    """Read the pages of the file and of its WAL."""
    places = ((path, 0, _SQLITE_PAGE), (path.with_name(path.name + "-wal"), _WAL_HEAD, _FRAME_HEAD + _SQLITE_PAGE))
    for file_path, start, step in places:
        try:
            with file_path.open("rb") as file:
                file.seek(start)
                while content := file.read(step):
                    if len(content) == step:
                        yield content[-_SQLITE_PAGE:]
        except OSError:
            continue


def _cells(page: bytes) -> Iterator[int]:
    """Return the offsets of a page's cells, whatever its type. Source: SQLite, File Format, B-tree Pages."""
    cells = min(int.from_bytes(page[3:5], "big"), _SQLITE_PAGE // 2)
    for place in range(8, min(8 + 2 * cells, _SQLITE_PAGE), 2):
        yield int.from_bytes(page[place : place + 2], "big")


def _rows_in_pages(path: Path) -> Iterator[Row]:
    """Search all pages for blocks."""
    for page in _pages(path):
        for at in _cells(page):
            with contextlib.suppress(IndexError, ValueError, struct.error, DamagedBlockError):
                row = _row(page, at)
                records(row)
                yield row


def _done_in_pages(path: Path) -> dict[str, int]:
    """Search all pages for rows of destinations that match their checksum; return the last delivered ids."""
    found: dict[str, int] = {}
    for page in _pages(path):
        for at in _cells(page):
            with contextlib.suppress(IndexError, ValueError, struct.error):
                size, start = _varint(page, at)
                name, _, text = _columns(page, start, 3) if size <= _SQLITE_PAGE else ("", 0, "")
                number = unsealed(name, None, text) if isinstance(name, str) else None
                if number is not None:
                    found[name] = max(number, found.get(name, 0))
    return found


def _columns(page: bytes, at: int, columns: int) -> list[Any]:
    """Decode the columns of an SQLite record at an offset; it may be damaged in any way."""
    length, place = _varint(page, at)
    kinds = []
    while place < at + length:
        kind, place = _varint(page, place)
        kinds.append(kind)
    if len(kinds) != columns:
        raise ValueError("a row of another table")
    values = []
    for kind in kinds:
        value, place = _column(page, place, kind)
        values.append(value)
    return values


def _row(page: bytes, at: int) -> Row:
    """Decode one cell in the form of `SELECT`; it may be damaged in any way."""
    size, at = _varint(page, at)
    last_id, at = _varint(page, at)
    if size > _SQLITE_PAGE:
        raise ValueError("the rest lies on other pages")
    values = _columns(page, at, _BLOCK_COLUMN_COUNT)
    _, count, session_id, offset, _, only, annotations, lines, checks = values
    return last_id, count, session_id, None if offset is None else float(offset), only, annotations, lines, checks


def _varint(page: bytes, at: int) -> tuple[int, int]:
    """Decode a varint; return it and the offset behind it."""
    number = 0
    for place in range(at, at + 8):
        number = number << 7 | page[place] & 0x7F
        if page[place] < 0x80:
            return number, place + 1
    return number << 8 | page[at + 8], at + 9


_INTEGER_BYTES = (0, 1, 2, 3, 4, 6, 8)


def _column(page: bytes, at: int, kind: int) -> tuple[Any, int]:
    """Decode a column of a serial type; return its value and the offset behind it."""
    if kind < len(_INTEGER_BYTES):
        end = at + _INTEGER_BYTES[kind]
        return (int.from_bytes(page[at:end], "big", signed=True) if kind else None), end
    if kind == 7:
        return struct.unpack_from(">d", page.ljust(at + 8), at)[0], at + 8
    if kind in (8, 9):
        return kind - 8, at
    end = at + (kind - 12) // 2
    if kind < 12 or end > len(page):
        raise ValueError("no such column")
    text = page[at:end]
    return (text if kind % 2 == 0 else text.decode("utf-8", "replace")), end


def free_name(path: Path) -> Path:
    """Return a new name for a damaged file; the oldest one of `MAX_SET_ASIDE` is replaced."""
    names = [
        path.with_name(f"outbox.damaged{f'-{number}' if number > 1 else ''}.sqlite3")
        for number in range(1, MAX_SET_ASIDE + 1)
    ]
    for name in names:
        if not name.exists():
            return name
    return min(names, key=lambda name: name.stat().st_mtime)


def remove_set_aside(path: Path) -> None:
    """Delete the damaged files beside an outbox, for a player who denied consent."""
    for part in path.parent.glob("outbox.damaged*"):
        with contextlib.suppress(OSError):
            part.unlink()


def set_aside(path: Path, aside: Path) -> None:
    """Move a damaged file with its `-wal` and other files; may be called again after a failure."""
    for suffix in ("-wal", "-shm", "-journal", ""):  # the file itself last, so that a retry finds it
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(aside.with_name(aside.name + suffix))
