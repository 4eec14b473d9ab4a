"""The writer's statements inside one transaction of the outbox on disk."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from ga_pygame.delivery.outbox import PROTECTED, NewRecord, OpenSession

MANY = 64
"""Rows handled between two chances for the game thread to take the interpreter lock."""

_INSERT = "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)"
_INSERT_8 = _INSERT + 7 * ", (?, ?, ?, ?, ?, ?, ?)"
"""2.1 µs a row where single ones take 2.7, and none of it with the interpreter lock."""


class SqliteTransaction:
    """The writer's statements inside one transaction."""

    def __init__(self, connection: sqlite3.Connection, destinations: Sequence[str], launch: str) -> None:
        self._connection = connection
        self._destinations = destinations
        self._launch = launch
        self._grown = 0
        self._next_id = 0
        self._added: list[tuple[str, int, int]] = []  # destination, first and last id

    def value(self, key: str) -> str | None:
        row = self._connection.execute("SELECT value FROM key_value WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def values(self) -> Mapping[str, str]:
        return dict(self._connection.execute("SELECT key, value FROM key_value WHERE key != 'outbox_bytes'"))

    def remember(self, key: str, value: str | None) -> None:
        if value is None:
            self._connection.execute("DELETE FROM key_value WHERE key = ?", (key,))
        else:
            self._connection.execute("INSERT OR REPLACE INTO key_value VALUES (?, ?)", (key, value))

    def increment(self, key: str) -> int:
        number = int(self.value(key) or 0) + 1
        self.remember(key, str(number))
        return number

    def attempts(self, level: str) -> int:
        found = self._connection.execute("SELECT attempt_num FROM progression WHERE progression_event_id = ?", (level,))
        row = found.fetchone()
        return int(row[0]) if row else 0

    def set_attempts(self, level: str, number: int) -> None:
        if number:
            self._connection.execute("INSERT OR REPLACE INTO progression VALUES (?, ?)", (level, number))
        else:
            self._connection.execute("DELETE FROM progression WHERE progression_event_id = ?", (level,))

    def add(self, records: Sequence[NewRecord], destinations: Sequence[str] | None = None) -> None:
        if not records:
            return
        first = self._next_id or self._first_id()
        self._next_id = first + len(records)
        rows = [(first + place, *record) for place, record in enumerate(records)]
        whole = len(rows) - len(rows) % 8
        for place in range(0, whole, 8):
            self._connection.execute(_INSERT_8, tuple(chain.from_iterable(rows[place : place + 8])))
        self._connection.executemany(_INSERT, rows[whole:])
        for destination in self._destinations if destinations is None else destinations:
            self._added.append((destination, first, self._next_id - 1))
        self._grown += sum(len(record.payload) for record in records)

    def _first_id(self) -> int:
        last = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'records'").fetchone()
        return (last[0] if last else 0) + 1

    def add_to_sum(self, destination: str, slot: str, amount: float, key: str = "") -> None:
        self._connection.execute(
            "INSERT INTO sums VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
            (destination, slot, key, amount),
        )

    def save_session(self, session: OpenSession, launch: str | None = None) -> None:
        wallet = json.dumps([[*flow, amount] for flow, amount in session.wallet.items()])
        self._connection.execute(
            "INSERT OR REPLACE INTO session_end VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                session.session_id,
                session.session_num,
                session.session_start_ts,
                session.client_ts,
                session.clock_offset,
                session.length,
                session.annotations,
                session.attempt,
                wallet,
                launch or self._launch,
            ),
        )

    def delete_session(self, session_id: str) -> bool:
        return self._connection.execute("DELETE FROM session_end WHERE session_id = ?", (session_id,)).rowcount == 1

    def clear(self) -> None:
        for table in ("records", "deliveries", "session_end", "progression", "rejected", "sums", "key_value"):
            self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 - constants
        self._grown = 0
        self._added.clear()

    def trim(self, max_bytes: int) -> int:
        excess = int(self.value("outbox_bytes") or 0) + self._grown - max_bytes
        dropped = 0
        protected = ", ".join(f"'{category}'" for category in sorted(PROTECTED))
        for which in (f"category NOT IN ({protected})", f"category IN ({protected})"):
            while excess > 0:
                # SQL is made of constants only
                oldest = f"SELECT session_id FROM records WHERE {which} ORDER BY id LIMIT 1"  # noqa: S608
                rows = self._connection.execute(
                    f"SELECT id, length(payload) FROM records WHERE {which} AND session_id = ({oldest})"  # noqa: S608
                    f" ORDER BY id LIMIT {MANY}"
                ).fetchall()
                if not rows:
                    break
                doomed: list[tuple[int]] = []
                for record_id, size in rows:
                    if excess <= 0:
                        break
                    doomed.append((record_id,))
                    excess -= size
                    self._grown -= size
                self._connection.executemany("DELETE FROM records WHERE id = ?", doomed)
                self._connection.executemany(
                    "DELETE FROM deliveries WHERE record_id = ? AND destination IN (SELECT name FROM destinations)",
                    doomed,
                )
                dropped += len(doomed)
        return dropped

    def flush(self) -> None:
        """Write down who is to get what was added, and by how much the outbox has grown."""
        for destination, first, last in _joined(self._added):
            self._connection.execute(
                "INSERT INTO deliveries SELECT ?, id FROM records WHERE id BETWEEN ? AND ?", (destination, first, last)
            )
        self._added.clear()
        if self._grown:
            grow(self._connection, self._grown)
            self._grown = 0


def _joined(added: Sequence[tuple[str, int, int]]) -> Iterator[tuple[str, int, int]]:
    """Neighbouring ranges of a destination as one."""
    for destination in dict.fromkeys(name for name, _, _ in added):
        ranges = [(first, last) for name, first, last in added if name == destination]
        begin, end = ranges[0]
        for first, last in ranges[1:]:
            if first > end + 1:
                yield destination, begin, end
                begin = first
            end = last
        yield destination, begin, end


def grow(connection: sqlite3.Connection, amount: int) -> None:
    """Note by how many bytes the outbox has grown."""
    connection.execute(
        "INSERT INTO key_value VALUES ('outbox_bytes', ?1)"
        " ON CONFLICT (key) DO UPDATE SET value = MAX(0, CAST(value AS INTEGER) + ?1)",
        (amount,),
    )
