"""Statements about what waits in the file: who has got what, and what is left of a block that is damaged."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Sequence

from ga_pygame import kept
from ga_pygame.delivery.outbox.file import DamagedError, transaction
from ga_pygame.delivery.outbox.schema import BLOCK_BYTES_SQL, INSERT, MAX_ID, Block, Row, seal, unsealed, whole_parts

MAX_LOST = 10_000
"""Records that a damaged block may claim to have had; what it says beyond is damaged, too."""


MAX_COMMITS = 10_000
"""Commits of which it is known how far they went in the journal, until they are delivered; the oldest are forgotten."""


class Sent:
    """How far in its journal a launch has delivered everything. The writer's."""

    def __init__(self) -> None:
        self._commits: deque[tuple[int, int]] = deque(maxlen=MAX_COMMITS)  # the last id; the position behind
        self._position = 0

    def note(self, newest: int, position: int) -> None:
        """Note up to which id and position the file has everything."""
        if self._commits and self._commits[-1][0] == newest:
            self._commits.pop()
        self._commits.append((newest, position))

    def until(self, done: int) -> int:
        """The position up to which everything is delivered, if that is so up to an id."""
        while self._commits and self._commits[0][0] <= done:
            self._position = self._commits.popleft()[1]
        return self._position


def mend(connection: sqlite3.Connection, row: Row) -> tuple[Sequence[Block], int]:
    """Put what is left of a damaged block into its place.

    Returns:
        What is left, and how many records are lost; 0 where another uploader mended it just now.
    """
    last, count = row[0], row[1]
    parts = whole_parts(row)
    with transaction(connection):
        gone = connection.execute("DELETE FROM blocks WHERE last_id = ?", (last,)).rowcount
        if gone:
            connection.executemany(INSERT, parts)
            grow(connection, 0, sum(part.last_id for part in parts) - last)
    if not gone:
        if connection.execute("SELECT 1 FROM blocks WHERE last_id = ?", (last,)).fetchone():
            raise DamagedError("a damaged block cannot be removed")
        return parts, 0
    left = sum(part.records for part in parts)
    lost = (count if type(count) is int and left <= count <= MAX_LOST else left + 1) - left
    return parts, max(1, lost)


def done_of(connection: sqlite3.Connection, destination: str) -> int:
    """The id up to which a destination has everything."""
    rows = connection.execute("SELECT name, done, seal FROM destinations").fetchall()
    for name, done, text in rows:
        if name == destination and (found := unsealed(destination, done, text)) is not None:
            return found
    for _, _, text in rows:  # the name itself may be damaged
        if (found := unsealed(destination, None, text)) is not None:
            return found
    raise DamagedError(f"nothing says what {destination} has got")


def set_done(connection: sqlite3.Connection, destination: str, done: int) -> None:
    """Note up to which id a destination has everything, and remove what was its row while its name was damaged."""
    for key, name, text in connection.execute("SELECT CAST(name AS BLOB), name, seal FROM destinations").fetchall():
        if name != destination and unsealed(destination, None, text) is not None:
            connection.execute("DELETE FROM destinations WHERE CAST(name AS BLOB) IS ?", (key,))
    connection.execute(
        "INSERT OR REPLACE INTO destinations (name, done, seal) VALUES (?, ?, ?)",
        (destination, done, seal(destination, done)),
    )


def be_done(connection: sqlite3.Connection, destination: str, last: int) -> None:
    """Be done with what waited for a destination up to an id, and with blocks that nobody waits for any more."""
    last = max(last, done_of(connection, destination))
    set_done(connection, destination, last)
    names = [name for (name,) in connection.execute("SELECT name FROM destinations")]
    finished = "FROM blocks WHERE last_id <= ?"
    everybody = (min(done_of(connection, name) for name in names),)
    query = f"SELECT ifnull(sum({BLOCK_BYTES_SQL}), 0), ifnull(sum(last_id), 0) {finished}"
    size, ids = connection.execute(query, everybody).fetchone()
    connection.execute(f"DELETE {finished}", everybody)
    grow(connection, -size, -ids)


def last_id(connection: sqlite3.Connection) -> int:
    """The highest id that a record ever had, by all that says so: one of them may be damaged."""
    row = connection.execute(
        "SELECT (SELECT seq FROM sqlite_sequence WHERE name = 'blocks'), (SELECT max(last_id) FROM blocks),"
        " (SELECT max(done) FROM destinations)"
    ).fetchone()
    return max(kept.count(found, MAX_ID) for found in row)


def grow(connection: sqlite3.Connection, amount: int, ids: int) -> None:
    """Note by how many bytes the outbox has grown, and the sum of its blocks' ids."""
    connection.execute(
        "INSERT INTO key_value VALUES (?2, ?1)"
        " ON CONFLICT (key) DO UPDATE SET value = MAX(0, CAST(value AS INTEGER) + ?1)",
        (amount, kept.OUTBOX_SIZE),
    )
    connection.execute("UPDATE tally SET ids = ids + ?", (ids,))


def all_there(connection: sqlite3.Connection, start: int) -> bool:
    """Whether the blocks that can be found are those that there should be; not if nothing says which those are.

    Ids may be missing for many reasons: room was made, the player said no, a block was damaged, an older version
    numbered otherwise. Whoever removes a block takes its id off the tally in the same transaction, and this is one
    statement, so it sees both as they were at one moment. It finds the blocks in two parts, as who delivers them does.

    Args:
        connection: Any.
        start: The id from which blocks were looked for.
    """
    query = (
        "SELECT (SELECT ids FROM tally), (SELECT ifnull(sum(last_id), 0) FROM blocks WHERE last_id <= ?1)"
        " + (SELECT ifnull(sum(last_id), 0) FROM blocks WHERE last_id > ?1)"
    )
    known, found = connection.execute(query, (start,)).fetchone()
    return type(known) is not int or bool(known == found)
