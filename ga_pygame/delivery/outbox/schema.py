"""The tables of the outbox on disk, how older files become newer ones, and the blocks that records lie in.

A block is one row: records of one transaction that follow each other and share their session and annotations.
What they share stands in it once, so that a waiting event takes 150 bytes instead of 700, and neither storing nor
settling costs a row for each. Who has got which records is one number for each destination: they are sent in the
order of their ids.

A disk may flip a bit. So each block has a checksum of what its records share and one for each record: what does not
match is never sent, and costs only itself. The number of each destination stands there twice, one with a checksum.
"""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ga_pygame.clock import yield_gil
from ga_pygame.delivery.outbox.contract import PROTECTED, NewRecord, payload
from ga_pygame.kept import OUTBOX_SIZE
from ga_pygame.protocol import StoredRecord
from ga_pygame.records import new_tuple

SCHEMA_VERSION = 3
_APPLICATION = 0x67617000
"""`ga` and `p`, then the version again: one of both numbers may be damaged."""

_TABLES_OF_1 = """
CREATE TABLE key_value (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE session_end (
    session_id TEXT PRIMARY KEY, session_num INTEGER NOT NULL, session_start_ts REAL NOT NULL,
    client_ts REAL NOT NULL, clock_offset REAL, length REAL NOT NULL,
    last_event_default_annotations BLOB NOT NULL, attempt TEXT, wallet TEXT NOT NULL, launch TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE progression (progression_event_id TEXT PRIMARY KEY, attempt_num INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE sums (
    destination TEXT NOT NULL, slot TEXT NOT NULL, idempotency_key TEXT NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (destination, idempotency_key, slot)
) WITHOUT ROWID;
CREATE TABLE destinations (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE rejected (
    id INTEGER PRIMARY KEY, destination TEXT NOT NULL, reason TEXT NOT NULL, errors TEXT NOT NULL,
    client_ts REAL NOT NULL, payload BLOB NOT NULL
)"""

_TABLES_OF_2 = """
ALTER TABLE destinations ADD COLUMN done INTEGER NOT NULL DEFAULT 0;
CREATE TABLE blocks (
    last_id INTEGER PRIMARY KEY AUTOINCREMENT, records INTEGER NOT NULL, session_id TEXT NOT NULL,
    clock_offset REAL, protected INTEGER NOT NULL, only TEXT, annotations BLOB NOT NULL, lines BLOB NOT NULL
)"""

_TABLES_OF_3 = """
ALTER TABLE destinations ADD COLUMN seal TEXT NOT NULL DEFAULT '';
ALTER TABLE blocks ADD COLUMN checks BLOB NOT NULL DEFAULT x'';
CREATE TABLE tally (ids INTEGER NOT NULL)"""

_YIELD_AFTER_ROWS = 32  # rows of an older file between two chances for the game thread to take the interpreter lock
_FIXED_BYTES = 74  # session id, numbers, the checksum of what is shared
_LINE_BYTES = 5  # the line's end and its checksum
MAX_BLOCK_BYTES = 3800
"""So much of a block fits on one of SQLite's pages, so that a page that goes bad costs one block: some 20 events."""


def version_of(connection: sqlite3.Connection) -> int:
    """The version of a file's tables, also where one bit of that number has flipped."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    again = application - _APPLICATION
    if version != again and 0 < again <= SCHEMA_VERSION and (version ^ again).bit_count() == 1:
        return int(again)
    return int(version)


def upgrade(connection: sqlite3.Connection, version: int) -> None:
    """Make the tables, or turn an older file's into today's, within the transaction that is open."""
    steps: Mapping[int, Callable[[sqlite3.Connection], None]] = {0: _make_1, 1: _make_2, 2: _make_3}
    for number in range(version, SCHEMA_VERSION):
        steps[number](connection)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute(f"PRAGMA application_id = {_APPLICATION + SCHEMA_VERSION}")


def _run(connection: sqlite3.Connection, script: str) -> None:
    for statement in script.split(";"):
        connection.execute(statement)


def _make_1(connection: sqlite3.Connection) -> None:
    _run(connection, _TABLES_OF_1)


def _make_2(connection: sqlite3.Connection) -> None:
    """Records had a row each, and another for each destination that waited for them."""
    _run(connection, _TABLES_OF_2)
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'records'").fetchone():
        return  # a new file
    names = {name for (name,) in connection.execute("SELECT name FROM destinations")}
    columns = "id, session_id, category, client_ts, clock_offset, payload, extra"
    waiting: dict[int, set[str]] = {}  # read once: the table has no index that begins with a record
    for name, record_id in connection.execute("SELECT destination, record_id FROM deliveries"):
        waiting.setdefault(record_id, set()).add(name)
    rows = connection.execute(f"SELECT {columns} FROM records ORDER BY id")  # noqa: S608 - constants
    for place, (record_id, session_id, category, client_ts, clock_offset, text, extra) in enumerate(rows, 1):
        if place % _YIELD_AFTER_ROWS == 0:
            yield_gil()
        its = waiting.get(record_id, set())
        record = NewRecord(session_id, category, client_ts, clock_offset, b"", bytes(text)[:-1], extra)
        for block in blocks([(record, None if its >= names else sorted(its))], record_id):
            connection.execute(_INSERT_INTO_2, block[:-1])
    connection.execute("DROP TABLE records")
    connection.execute("DROP TABLE deliveries")
    size = connection.execute(f"SELECT ifnull(sum({BLOCK_BYTES_SQL}), 0) FROM blocks").fetchone()[0]  # noqa: S608
    connection.execute("INSERT OR REPLACE INTO key_value VALUES (?, ?)", (OUTBOX_SIZE, size))


def _make_3(connection: sqlite3.Connection) -> None:
    """Blocks had no checksums: what is there is believed once more, line by line."""
    _run(connection, _TABLES_OF_3)
    for place, row in enumerate(connection.execute(SELECT).fetchall(), 1):
        if place % _YIELD_AFTER_ROWS == 0:
            yield_gil()
        if all(isinstance(value, kind) for value, kind in zip(row, _OF_2, strict=False)):
            last_id, count, session_id, offset, only, annotations, lines, _ = row
            checks = _checks(last_id, count, (session_id, offset, False, only, annotations), lines.split(b"\n"))
            connection.execute("UPDATE blocks SET checks = ? WHERE last_id = ?", (checks, last_id))
    connection.execute("INSERT INTO tally SELECT ifnull(sum(last_id), 0) FROM blocks")
    for name, done in connection.execute("SELECT name, done FROM destinations").fetchall():
        connection.execute("UPDATE destinations SET seal = ? WHERE name = ?", (seal(name, done), name))


# --- blocks ----------------------------------------------------------------------------------------------

_COLUMNS = "last_id, records, session_id, clock_offset, protected, only, annotations, lines"
_INSERT_INTO_2 = f"INSERT INTO blocks ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - constants
INSERT = f"INSERT INTO blocks ({_COLUMNS}, checks) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
SELECT = "SELECT last_id, records, session_id, clock_offset, only, annotations, lines, checks FROM blocks"
BLOCK_BYTES_SQL = "ifnull(length(annotations), 0) + ifnull(length(lines), 0)"
_OF_2 = (int, int, str, float | int | None, str | None, bytes, bytes)
Row = tuple[Any, ...]
"""What `SELECT` gives; of any types, since a file may hold anything."""


class Block(NamedTuple):
    """A row of the table.

    Attributes:
        last_id: The id of its last record; they are without gaps.
        records: How many it has.
        protected: Whether they go last when the outbox is full.
        only: Names of the destinations that it is for, each between commas; `None` for all.
        annotations: See `NewRecord`.
        lines: For each record a line with its time in milliseconds, category, extra and own fields between tabs,
            which JSON has not.
        checks: A checksum of all that the records share, then one for each line, each in four bytes.
    """

    last_id: int
    records: int
    session_id: str
    clock_offset: float | None
    protected: bool
    only: str | None
    annotations: bytes
    lines: bytes
    checks: bytes

    @property
    def size(self) -> int:
        """Bytes that count for the outbox's limit."""
        return len(self.annotations) + len(self.lines)


_Shared = tuple[str, float | None, bool, str | None, bytes]
"""What stands once in a block: session, offset, whether protected, for whom, annotations."""

Addition = tuple[NewRecord, Sequence[str] | None]
"""A record and who is to get it, `None` for all."""


def blocks(additions: Sequence[Addition], first_id: int) -> Iterator[Block]:
    """Records with ids from `first_id` on as blocks."""
    for key, lines in _runs(additions):
        room = MAX_BLOCK_BYTES - _FIXED_BYTES - len(key[-1])
        for some in _cut(lines, room):
            first_id += len(some)
            yield _block(first_id - 1, key, some)


def _block(last_id: int, key: _Shared, lines: Sequence[bytes]) -> Block:
    checks = _checks(last_id, len(lines), key, lines)
    return Block(last_id, len(lines), *key, b"\n".join(lines), checks)


def _checks(last_id: int, count: int, shared: _Shared, lines: Sequence[bytes]) -> bytes:
    session_id, offset, _, only, annotations = shared
    told = None if offset is None else float(offset)  # SQLite gives it back so
    facts = repr((last_id, count, session_id, told, only)).encode("utf-8", "replace")
    whole = zlib.crc32(annotations, zlib.crc32(facts))
    return struct.pack(f"<{len(lines) + 1}I", whole, *map(zlib.crc32, lines))


def _runs(additions: Sequence[Addition]) -> Iterator[tuple[_Shared, list[bytes]]]:
    """Neighbours that share what stands once in a block, and their lines."""
    lines: list[bytes] = []
    before: tuple[Any, ...] = ()
    for record, names in additions:
        session_id, category, client_ts, clock_offset, annotations, own, extra = record
        now = (session_id, clock_offset, category in PROTECTED, names, annotations)
        if now != before:
            if lines:
                yield _shared_fields(*before), lines
            before, lines = now, []
        more = extra.encode() if extra is not None else b""
        lines.append(b"%d\t%b\t%b\t%b" % (client_ts * 1000, category.encode(), more, own))
    if lines:
        yield _shared_fields(*before), lines


def _shared_fields(
    session_id: str, offset: float | None, protected: bool, names: Sequence[str] | None, annotations: bytes
) -> _Shared:
    return session_id, offset, protected, None if names is None else f",{','.join(names)},", annotations


def _cut(lines: Sequence[bytes], room: int) -> Iterator[Sequence[bytes]]:
    """Lines in parts of at most so many bytes, or of one line."""
    start, size = 0, 0
    for place, line in enumerate(lines):
        size += len(line) + _LINE_BYTES
        if size > room and place > start:
            yield lines[start:place]
            start, size = place, len(line) + _LINE_BYTES
    yield lines[start:]


def as_row(block: Block) -> Row:
    """A block as `SELECT` gives it."""
    last_id, count, session_id, offset, _, only, annotations, lines, checks = block
    return last_id, count, session_id, offset, only, annotations, lines, checks


class DamagedBlockError(Exception):
    """A block is not what was written."""


def records(row: Row, after: int = 0) -> Iterator[StoredRecord]:
    """The records of a block with an id above `after`.

    Raises:
        DamagedBlockError: It is not what was written; `whole_parts` has what is left of it. Nothing was given then.
    """
    last_id, count, session_id, offset, only, annotations, text, checks = row
    shared = (session_id, offset, False, only, annotations)
    try:
        lines = text.split(b"\n")
        is_whole = count == len(lines) and checks == _checks(last_id, count, shared, lines)
    except (TypeError, AttributeError, ValueError) as error:  # columns of other types
        raise DamagedBlockError from error
    if not is_whole:
        raise DamagedBlockError
    return _records(last_id - count, shared, lines, after)


def _records(record_id: int, shared: _Shared, lines: Sequence[bytes], after: int) -> Iterator[StoredRecord]:
    session_id, clock_offset, _, _, annotations = shared
    for line in lines:
        record_id += 1
        if record_id > after:
            when, category, extra, own = line.split(b"\t")
            text, more = payload(annotations, own), extra.decode() if extra else None
            client_ts = int(when) / 1000
            values = (record_id, session_id, category.decode(), client_ts, clock_offset, text, more)
            yield new_tuple(StoredRecord, values)


def whole_parts(row: Row) -> list[Block]:
    """Of a block that is damaged, the lines that are as they were written, as blocks in which they keep their ids."""
    last_id, _, session_id, offset, only, annotations, text, checks = row
    shared = (session_id, offset, False, only, annotations)
    try:
        lines = text.split(b"\n")
        count = len(checks) // 4 - 1
        known = struct.unpack(f"<{count + 1}I", checks)
        whole = _checks(last_id, count, shared, ())
    except (TypeError, AttributeError, ValueError, struct.error):
        return []
    if count != len(lines) or whole != checks[:4]:
        return []  # a line's end is damaged, or what all share
    parts: list[Block] = []
    run: list[bytes] = []
    for place, (line, check) in enumerate(zip(lines, known[1:], strict=True), last_id - count + 1):
        if zlib.crc32(line) == check:
            run.append(line)
        elif run:
            parts.append(_part(place - 1, shared, run))
            run = []
    if run:
        parts.append(_part(last_id, shared, run))
    return parts


def _part(last_id: int, shared: _Shared, lines: Sequence[bytes]) -> Block:
    session_id, offset, _, only, annotations = shared
    protected = all(line.split(b"\t")[1].decode() in PROTECTED for line in lines)
    return _block(last_id, (session_id, offset, protected, only, annotations), lines)


# --- how far each destination is -------------------------------------------------------------------------


def seal(name: str, done: int) -> str:
    """The number of a destination again, with a checksum that names whose it is."""
    return f"{done}:{zlib.crc32(f'{name}:{done}'.encode()):08x}"


def unsealed(name: str, done: object, text: object) -> int | None:
    """The id up to which a destination has everything, of its two forms; `None` where both are damaged."""
    number, _, check = text.partition(":") if isinstance(text, str) else ("", "", "")
    is_number = number.isascii() and number.isdecimal() and len(number) < 20
    if is_number and seal(name, int(number)) == text:
        return int(number)
    if type(done) is not int or not 0 <= done < MAX_ID:
        return None
    # One of both halves of the seal has to agree: of a row whose form is damaged, no column is what it says.
    return done if number == str(done) or check == seal(name, done).partition(":")[2] else None


MAX_ID = 2**62
"""No record has an id as high: what says so is damaged."""
