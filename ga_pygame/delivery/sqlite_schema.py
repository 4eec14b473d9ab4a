"""The tables of the outbox on disk, how older files become newer ones, and the blocks that records lie in.

A block is one row: records of one transaction that follow each other and share their session and annotations.
What they share stands in it once, so that a waiting event takes 150 bytes instead of 700, and neither storing nor
settling costs a row for each. Who has got which records is one number for each destination: they are sent in the
order of their ids.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ga_pygame.delivery.outbox import PROTECTED, NewRecord, payload
from ga_pygame.exchange import StoredRecord

SCHEMA_VERSION = 2

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

_FIXED_BYTES = 70  # session id, numbers
MAX_BLOCK_BYTES = 3800
"""So much of a block fits on one of SQLite's pages, so that a page that goes bad costs one block: some 20 events."""


def upgrade(connection: sqlite3.Connection, version: int) -> None:
    """Make the tables, or turn an older file's into today's, within the transaction that is open."""
    steps: Mapping[int, Callable[[sqlite3.Connection], None]] = {0: _make_1, 1: _make_2}
    for number in range(version, SCHEMA_VERSION):
        steps[number](connection)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


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
    rows = connection.execute(f"SELECT {columns} FROM records ORDER BY id").fetchall()  # noqa: S608 - constants
    for record_id, session_id, category, client_ts, clock_offset, text, extra in rows:
        asked = connection.execute("SELECT destination FROM deliveries WHERE record_id = ?", (record_id,))
        waiting = {name for (name,) in asked}
        record = NewRecord(session_id, category, client_ts, clock_offset, b"", bytes(text)[:-1], extra)
        for block in blocks([(record, None if waiting >= names else sorted(waiting))], record_id):
            connection.execute(INSERT, block)
    connection.execute("DROP TABLE records")
    connection.execute("DROP TABLE deliveries")
    size = connection.execute(f"SELECT ifnull(sum({SIZE}), 0) FROM blocks").fetchone()[0]  # noqa: S608
    connection.execute("INSERT OR REPLACE INTO key_value VALUES ('outbox_bytes', ?)", (size,))


# --- blocks ----------------------------------------------------------------------------------------------

INSERT = "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
SELECT = "SELECT last_id, records, session_id, clock_offset, annotations, lines FROM blocks"
SIZE = "length(annotations) + length(lines)"
Row = tuple[int, int, str, float | None, bytes, bytes]
"""What `SELECT` gives."""


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
    """

    last_id: int
    records: int
    session_id: str
    clock_offset: float | None
    protected: bool
    only: str | None
    annotations: bytes
    lines: bytes

    @property
    def size(self) -> int:
        """Bytes that count for the outbox's limit."""
        return len(self.annotations) + len(self.lines)


Addition = tuple[NewRecord, Sequence[str] | None]
"""A record and who is to get it, `None` for all."""


def blocks(additions: Sequence[Addition], first_id: int) -> Iterator[Block]:
    """Records with ids from `first_id` on as blocks."""
    for key, lines in _runs(additions):
        room = MAX_BLOCK_BYTES - _FIXED_BYTES - len(key[-1])
        for some in _cut(lines, room):
            first_id += len(some)
            yield Block(first_id - 1, len(some), *key, b"\n".join(some))


_Shared = tuple[str, float | None, bool, str | None, bytes]


def _runs(additions: Sequence[Addition]) -> Iterator[tuple[_Shared, list[bytes]]]:
    """Neighbours that share what stands once in a block, and their lines."""
    lines: list[bytes] = []
    before: tuple[Any, ...] = ()
    for record, names in additions:
        session_id, category, client_ts, clock_offset, annotations, own, extra = record
        now = (session_id, clock_offset, category in PROTECTED, names, annotations)
        if now != before:
            if lines:
                yield _shared(*before), lines
            before, lines = now, []
        more = extra.encode() if extra is not None else b""
        lines.append(b"%d\t%b\t%b\t%b" % (client_ts * 1000, category.encode(), more, own))
    if lines:
        yield _shared(*before), lines


def _shared(
    session_id: str, offset: float | None, protected: bool, names: Sequence[str] | None, annotations: bytes
) -> _Shared:
    return session_id, offset, protected, None if names is None else f",{','.join(names)},", annotations


def _cut(lines: Sequence[bytes], room: int) -> Iterator[Sequence[bytes]]:
    """Lines in parts of at most so many bytes, or of one line."""
    start, size = 0, 0
    for place, line in enumerate(lines):
        size += len(line) + 1
        if size > room and place > start:
            yield lines[start:place]
            start, size = place, len(line) + 1
    yield lines[start:]


def records(row: Row, after: int = 0) -> Iterator[StoredRecord]:
    """The records of a block with an id above `after`."""
    last_id, count, session_id, clock_offset, annotations, lines = row
    record_id = last_id - count
    for line in lines.split(b"\n"):
        record_id += 1
        if record_id > after:
            when, category, extra, own = line.split(b"\t")
            text, more = payload(annotations, own), extra.decode() if extra else None
            client_ts = int(when) / 1000
            yield _new(StoredRecord, (record_id, session_id, category.decode(), client_ts, clock_offset, text, more))


_new = tuple.__new__
"""Makes a named tuple in 0.1 µs; its own constructor takes 0.4."""
