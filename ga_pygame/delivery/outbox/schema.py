"""The tables of the outbox on disk, the migrations of older files, and the blocks of records.

A block is one row: consecutive records of one transaction that share their session and annotations. The shared fields
are stored once, so a waiting event takes 150 bytes instead of 700, and no event needs a row of its own. Records are
sent in the order of their ids, so one number for each destination, the last delivered id, says what it has received.

A disk may flip a bit. So a block has a checksum of its shared fields and one of each record; a record that does not
match is never sent, and the others are. A destination's number is stored twice, once with a checksum.
"""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ga_pygame.clock import yield_gil
from ga_pygame.delivery.outbox.contract import PROTECTED, MigrationError, NewRecord, payload
from ga_pygame.kept import OUTBOX_SIZE
from ga_pygame.protocol import StoredRecord
from ga_pygame.records import new_tuple

SCHEMA_VERSION = 4
_APPLICATION = 0x67617000
"""`ga` and `p`, then a second copy of the version: one of both copies may be damaged."""

_SQL_ERROR = 1  # SQLITE_ERROR
_OF_STATEMENTS = ("no such ", "duplicate column", "table ", "index ", "near ", "Cannot add ")

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

_TABLES_OF_4 = "ALTER TABLE session_end ADD COLUMN attempt_seconds REAL"

_YIELD_AFTER_ROWS = 32  # rows of an older file between two yields of the GIL
_FIXED_BYTES = 74  # session id, numbers, the checksum of the shared fields
_LINE_BYTES = 5  # the line's end and its checksum
MAX_BLOCK_BYTES = 3800
"""A block of this size fits on one SQLite page, so that a damaged page costs one block, some 20 events."""


def version_of(connection: sqlite3.Connection) -> int:
    """Read the version of a file's tables, also if one bit of that number has flipped."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    again = application - _APPLICATION
    if version != again and 0 < again <= SCHEMA_VERSION and (version ^ again).bit_count() == 1:
        return int(again)
    return int(version)


def upgrade(connection: sqlite3.Connection, version: int) -> None:
    """Create the tables, or migrate an older file, within the open transaction.

    Raises:
        MigrationError: A statement is wrong, and the file is what it says: the two copies of its version do not
            contradict each other, and one without a version is empty.
        sqlite3.Error: The file is damaged, locked or cannot be written.
    """
    steps: Mapping[int, Callable[[sqlite3.Connection], None]] = {0: _make_1, 1: _make_2, 2: _make_3, 3: _make_4}
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    is_plausible = application in {0, _APPLICATION + version} and (version > 0 or not tables)
    for number in range(version, SCHEMA_VERSION):
        try:
            steps[number](connection)
        except sqlite3.OperationalError as error:
            if not is_plausible or not _is_wrong_statement(error):
                raise
            raise MigrationError(f"the tables of version {number + 1} cannot be made: {error}") from error
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute(f"PRAGMA application_id = {_APPLICATION + SCHEMA_VERSION}")


def _is_wrong_statement(error: sqlite3.OperationalError) -> bool:
    """Whether SQLite refuses the statement itself; Python 3.10 has no error codes."""
    code = getattr(error, "sqlite_errorcode", None)
    return code == _SQL_ERROR if code is not None else str(error).startswith(_OF_STATEMENTS)


def _run(connection: sqlite3.Connection, script: str) -> None:
    for statement in script.split(";"):
        connection.execute(statement)


def _make_1(connection: sqlite3.Connection) -> None:
    _run(connection, _TABLES_OF_1)


def _make_2(connection: sqlite3.Connection) -> None:
    """Migrate from version 1: a record had one row, and another for each waiting destination."""
    _run(connection, _TABLES_OF_2)
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'records'").fetchone():
        return  # the file is new
    names = {name for (name,) in connection.execute("SELECT name FROM destinations")}
    columns = "id, session_id, category, client_ts, clock_offset, payload, extra"
    waiting: dict[int, set[str]] = {}  # read at once: the table has no index by record
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
    """Migrate from version 2: blocks had no checksums. Their content is trusted once, and gets checksums."""
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


def _make_4(connection: sqlite3.Connection) -> None:
    _run(connection, _TABLES_OF_4)


# --- blocks ----------------------------------------------------------------------------------------------

_COLUMNS = "last_id, records, session_id, clock_offset, protected, only, annotations, lines"
_INSERT_INTO_2 = f"INSERT INTO blocks ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - constants
INSERT = f"INSERT INTO blocks ({_COLUMNS}, checks) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
SELECT = "SELECT last_id, records, session_id, clock_offset, only, annotations, lines, checks FROM blocks"
BLOCK_BYTES_SQL = "ifnull(length(annotations), 0) + ifnull(length(lines), 0)"
_OF_2 = (int, int, str, float | int | None, str | None, bytes, bytes)
Row = tuple[Any, ...]
"""A row of `SELECT`; of any types, since the file may be damaged."""


class Block(NamedTuple):
    """A row of the table `blocks`.

    Attributes:
        last_id: The id of its last record; its ids have no gaps.
        records: The number of its records.
        protected: Whether they are dropped last when the outbox is full.
        only: The names of its destinations, each between commas; `None` for all.
        annotations: See `NewRecord`.
        lines: One line for each record: time in milliseconds, category, extra and own fields, separated by tabs,
            which JSON does not contain.
        checks: The CRC-32 of the shared fields, then that of each line, four bytes each.
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
        """Return the bytes that count for `max_outbox_bytes`."""
        return len(self.annotations) + len(self.lines)


_Shared = tuple[str, float | None, bool, str | None, bytes]
"""The shared fields of a block: session, clock offset, protected, only, annotations."""

Addition = tuple[NewRecord, Sequence[str] | None]
"""A record and its destinations, `None` for all."""


def blocks(additions: Sequence[Addition], first_id: int) -> Iterator[Block]:
    """Pack records into blocks; their ids begin with `first_id`."""
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
    told = None if offset is None else float(offset)  # SQLite returns it as a float
    facts = repr((last_id, count, session_id, told, only)).encode("utf-8", "replace")
    whole = zlib.crc32(annotations, zlib.crc32(facts))
    return struct.pack(f"<{len(lines) + 1}I", whole, *map(zlib.crc32, lines))


def _runs(additions: Sequence[Addition]) -> Iterator[tuple[_Shared, list[bytes]]]:
    """Group consecutive records with equal shared fields; yield these and the records' lines."""
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
    """Cut lines into parts of at most `room` bytes; a part has at least one line."""
    start, size = 0, 0
    for place, line in enumerate(lines):
        size += len(line) + _LINE_BYTES
        if size > room and place > start:
            yield lines[start:place]
            start, size = place, len(line) + _LINE_BYTES
    yield lines[start:]


def as_row(block: Block) -> Row:
    """Return a block in the form of `SELECT`."""
    last_id, count, session_id, offset, _, only, annotations, lines, checks = block
    return last_id, count, session_id, offset, only, annotations, lines, checks


class DamagedBlockError(Exception):
    """A block does not match its checksums."""


def records(row: Row, after: int = 0) -> Iterator[StoredRecord]:
    """Return the records of a block with an id above `after`.

    Raises:
        DamagedBlockError: The block is damaged; `whole_parts` returns what is left. Raised before the first record.
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
    """Return the undamaged lines of a damaged block, as blocks in which they keep their ids."""
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
        return []  # a line's end or the shared fields are damaged
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


def rest_after(row: Row, last: int) -> Block | None:
    """Return what is left of a block after the records up to the id `last`, with their ids; `None` if nothing is."""
    last_id, count, session_id, offset, only, annotations, text, _ = row
    lines = text.split(b"\n")[max(0, last - last_id + count) :]
    return _part(last_id, (session_id, offset, False, only, annotations), lines) if last < last_id else None


def _part(last_id: int, shared: _Shared, lines: Sequence[bytes]) -> Block:
    session_id, offset, _, only, annotations = shared
    protected = all(line.split(b"\t")[1].decode() in PROTECTED for line in lines)
    return _block(last_id, (session_id, offset, protected, only, annotations), lines)


# --- how far each destination is -------------------------------------------------------------------------


def seal(name: str, done: int) -> str:
    """Return the second copy of a destination's number, with a checksum of name and number."""
    return f"{done}:{zlib.crc32(f'{name}:{done}'.encode()):08x}"


def unsealed(name: str, done: object, text: object) -> int | None:
    """Return a destination's number, its last delivered id, from its two copies; `None` if both are damaged."""
    number, _, check = text.partition(":") if isinstance(text, str) else ("", "", "")
    is_number = number.isascii() and number.isdecimal() and len(number) < 20
    if is_number and seal(name, int(number)) == text:
        return int(number)
    if type(done) is not int or not 0 <= done < MAX_ID:
        return None
    # Without a valid seal, `done` must match the number or the checksum in it: the row itself may be damaged.
    return done if number == str(done) or check == seal(name, done).partition(":")[2] else None


MAX_ID = 2**62
"""No id is as high; a higher one is damaged."""
