"""SQL about waiting records: what each destination has received, and the repair of damaged blocks."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Sequence

from ga_pygame import kept
from ga_pygame.delivery.outbox.file import DamagedError, transaction
from ga_pygame.delivery.outbox.schema import BLOCK_BYTES_SQL, INSERT, MAX_ID, Block, Row, seal, unsealed, whole_parts

MAX_LOST = 10_000
"""The highest record count of a damaged block that is believed."""


MAX_COMMITS = 10_000
"""Commits that wait for delivery and whose journal position is remembered; the oldest are forgotten."""


class Sent:
    """The journal position up to which this launch has delivered all records. For the writer's thread."""

    def __init__(self) -> None:
        self._commits: deque[tuple[int, int]] = deque(maxlen=MAX_COMMITS)  # last id, position behind it
        self._position = 0

    def note(self, newest: int, position: int) -> None:
        """Note that the file has all records up to an id, and so up to a position."""
        if self._commits and self._commits[-1][0] == newest:
            self._commits.pop()
        self._commits.append((newest, position))

    def until(self, done: int) -> int:
        """Return the position up to which all is delivered, given the last delivered id."""
        while self._commits and self._commits[0][0] <= done:
            self._position = self._commits.popleft()[1]
        return self._position


def mend(connection: sqlite3.Connection, row: Row) -> tuple[Sequence[Block], int]:
    """Replace a damaged block by its undamaged parts.

    Returns:
        The parts, and how many records are lost; 0 if another uploader repaired it first.
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
    """Read the last delivered id of a destination."""
    rows = connection.execute("SELECT name, done, seal FROM destinations").fetchall()
    for name, done, text in rows:
        if name == destination and (found := unsealed(destination, done, text)) is not None:
            return found
    for _, _, text in rows:  # the row with a damaged name
        if (found := unsealed(destination, None, text)) is not None:
            return found
    raise DamagedError(f"nothing says what {destination} has got")


def set_done(connection: sqlite3.Connection, destination: str, done: int) -> None:
    """Store the last delivered id of a destination; delete its row whose name is damaged."""
    for key, name, text in connection.execute("SELECT CAST(name AS BLOB), name, seal FROM destinations").fetchall():
        if name != destination and unsealed(destination, None, text) is not None:
            connection.execute("DELETE FROM destinations WHERE CAST(name AS BLOB) IS ?", (key,))
    connection.execute(
        "INSERT OR REPLACE INTO destinations (name, done, seal) VALUES (?, ?, ?)",
        (destination, done, seal(destination, done)),
    )


def be_done(connection: sqlite3.Connection, destination: str, last: int) -> None:
    """Finish a destination's records up to an id; delete blocks that are delivered to all destinations."""
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
    """Read the highest id that a record ever had, from three places: one may be damaged."""
    row = connection.execute(
        "SELECT (SELECT seq FROM sqlite_sequence WHERE name = 'blocks'), (SELECT max(last_id) FROM blocks),"
        " (SELECT max(done) FROM destinations)"
    ).fetchone()
    return max(kept.count(found, MAX_ID) for found in row)


def grow(connection: sqlite3.Connection, amount: int, ids: int) -> None:
    """Add to the kept size of the outbox, and to the tally, the sum of all blocks' ids."""
    connection.execute(
        "INSERT INTO key_value VALUES (?2, ?1)"
        " ON CONFLICT (key) DO UPDATE SET value = MAX(0, CAST(value AS INTEGER) + ?1)",
        (amount, kept.OUTBOX_SIZE),
    )
    connection.execute("UPDATE tally SET ids = ids + ?", (ids,))


def all_there(connection: sqlite3.Connection, start: int) -> bool:
    """Whether the blocks' ids add up to the tally, so that none is missing; true if the tally itself is damaged.

    Gaps in the ids prove nothing: blocks were trimmed, cleared, damaged, or numbered by an older version. A transaction
    that deletes a block takes its id off the tally. This is one statement, so no deletion can come between its two
    readings. It reads the blocks in two ranges, as a lease does.

    Args:
        connection: Any connection.
        start: The id after which a lease reads blocks.
    """
    query = (
        "SELECT (SELECT ids FROM tally), (SELECT ifnull(sum(last_id), 0) FROM blocks WHERE last_id <= ?1)"
        " + (SELECT ifnull(sum(last_id), 0) FROM blocks WHERE last_id > ?1)"
    )
    known, found = connection.execute(query, (start,)).fetchone()
    return type(known) is not int or bool(known == found)
