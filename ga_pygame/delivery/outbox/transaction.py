"""One transaction of the outbox on disk."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence

from ga_pygame import kept
from ga_pygame.delivery.outbox.contract import NewRecord, Told, refusal
from ga_pygame.delivery.outbox.open_session import OpenSession
from ga_pygame.delivery.outbox.schema import BLOCK_BYTES_SQL, INSERT, MAX_ID, Addition, blocks
from ga_pygame.delivery.outbox.waiting import grow, last_id, set_done
from ga_pygame.kept import OUTBOX_SIZE, KeptKey

_DOOMED = 64
"""Blocks that `trim` reads at once."""


class SqliteTransaction:
    """An open SQLite transaction with the operations of `Transaction`.

    Args:
        connection: Its transaction is open.
        destinations: Names that take records.
        launch: This process's name.
        told: Told of invalid kept values.
        lent: The highest id that is being sent now; `trim` drops no records up to it.
        counted: Whether the kept size of the outbox was counted by this process.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        destinations: Sequence[str],
        launch: str,
        told: Told,
        lent: int = 0,
        *,
        counted: bool = False,
    ) -> None:
        self._connection = connection
        self._destinations = frozenset(destinations)
        self._launch = launch
        self._told = told
        self._lent = lent
        self.counted = counted
        self.newest = 0  # the last id of this transaction
        self.was_cleared = False
        self._grown = 0
        self._ids = 0
        self._added: list[Addition] = []

    is_lasting = True

    def value(self, key: KeptKey) -> str | None:
        row = self._connection.execute("SELECT value FROM key_value WHERE key = ?", (key,)).fetchone()
        return kept.value(key, row[0], self._told.say) if row else None

    def values(self) -> Mapping[KeptKey, str]:
        pairs = self._connection.execute("SELECT key, value FROM key_value")
        return kept.values(pairs, self._told.say)

    def remember(self, key: KeptKey, value: str | None) -> None:
        if value is None:
            self._connection.execute("DELETE FROM key_value WHERE key = ?", (key,))
        else:
            self._connection.execute("INSERT OR REPLACE INTO key_value VALUES (?, ?)", (key, value))

    def increment(self, key: KeptKey) -> int:
        number = kept.count(self.value(key)) + 1
        self.remember(key, str(number))
        return number

    def attempts(self, level: str) -> int:
        found = self._connection.execute("SELECT attempt_num FROM progression WHERE progression_event_id = ?", (level,))
        row = found.fetchone()
        return kept.count(row[0], kept.MAX_ATTEMPTS) if row else 0

    def set_attempts(self, level: str, number: int) -> None:
        if number:
            self._connection.execute("INSERT OR REPLACE INTO progression VALUES (?, ?)", (level, number))
        else:
            self._connection.execute("DELETE FROM progression WHERE progression_event_id = ?", (level,))

    def add(self, records: Sequence[NewRecord], destinations: Sequence[str] | None = None) -> None:
        if destinations is None and not self._destinations:
            return  # no destination would ever lease them
        only = None if destinations is None or self._destinations <= set(destinations) else destinations
        self._added.extend((record, only) for record in records)

    def add_to_sum(self, destination: str, slot: str, amount: float, key: str = "") -> None:
        added = kept.amount(amount) is not None and self._connection.execute(
            "INSERT INTO sums VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET value = value + excluded.value"
            " WHERE abs(value + excluded.value) <= ?5",
            (destination, slot, key, float(amount), kept.MAX_SUM),
        )
        if not added or not added.rowcount:
            self._told.refused(refusal(destination, amount))

    def save_session(self, session: OpenSession, launch: str | None = None) -> None:
        wallet = json.dumps([[*flow, amount] for flow, amount in session.wallet.items()])
        self._connection.execute(
            "INSERT OR REPLACE INTO session_end VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
                session.attempt_seconds,
            ),
        )

    def delete_session(self, session_id: str) -> bool:
        return self._connection.execute("DELETE FROM session_end WHERE session_id = ?", (session_id,)).rowcount == 1

    def clear(self, is_revoked: Callable[[], bool] = lambda: False) -> int:
        if is_revoked():
            return 0
        waiting = self._count_waiting() + len(self._added)
        self._connection.execute("PRAGMA secure_delete = ON")  # consent was denied: overwrite the data
        for table in ("blocks", "session_end", "progression", "rejected", "sums", "key_value"):
            self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 - constants
        self._connection.execute("UPDATE tally SET ids = 0")
        last = last_id(self._connection)
        for (name,) in self._connection.execute("SELECT name FROM destinations").fetchall():
            set_done(self._connection, name, last)
        self._grown = self._ids = 0
        self._added.clear()
        self.was_cleared = True
        return waiting

    def _count_waiting(self) -> int:
        """Count the records that wait for a destination, each once, without those that are being sent now."""
        rows = self._connection.execute("SELECT name, done FROM destinations")
        done = {name: kept.count(number, MAX_ID) for name, number in rows}
        waiting = 0
        for last, records, only in self._connection.execute("SELECT last_id, records, only FROM blocks"):
            names = done if only is None else [name for name in str(only).split(",") if name in done]
            finished = min((done[name] for name in names), default=last)
            waiting += max(0, min(kept.count(records), last - max(finished, self._lent)))
        return waiting

    def trim(self, max_bytes: int) -> int:
        self._store()
        if self._size() <= max_bytes:
            return 0
        if not self.counted:
            self._count_anew()
        excess = self._size() - max_bytes
        if excess <= 0:
            return 0
        done = min((int(number) for (number,) in self._connection.execute("SELECT done FROM destinations")), default=0)
        newest = self._connection.execute("SELECT session_id FROM blocks ORDER BY last_id DESC LIMIT 1").fetchone()
        dropped = 0
        for protected in (False, True):
            while excess > 0 and (oldest := self._oldest(protected)) is not None:
                most = excess if oldest == newest[0] else None  # of the running session only as much as needed
                gone, freed = self._drop(protected, oldest, most, done)
                if not freed:
                    break
                dropped += gone
                excess -= freed
        return dropped

    def _size(self) -> int:
        return kept.count(self.value(OUTBOX_SIZE)) + self._grown

    def _count_anew(self) -> None:
        """Count the size anew before anything is dropped: the kept number may be damaged."""
        (size,) = self._connection.execute(f"SELECT ifnull(sum({BLOCK_BYTES_SQL}), 0) FROM blocks").fetchone()  # noqa: S608
        self.remember(OUTBOX_SIZE, str(size - self._grown))
        self.counted = True

    def _oldest(self, protected: bool) -> str | None:
        """Return the session of the oldest block that may be dropped."""
        query = "SELECT session_id FROM blocks WHERE protected = ? AND last_id > ? ORDER BY last_id LIMIT 1"
        row = self._connection.execute(query, (protected, self._lent)).fetchone()
        return row[0] if row else None

    def _drop(self, protected: bool, session_id: str, most: int | None, done: int) -> tuple[int, int]:
        """Drop all blocks of a session, or the oldest ones until `most` bytes are free.

        Returns:
            How many records were lost, and how many bytes are free.
        """
        dropped = freed = 0
        while True:
            rows = self._connection.execute(
                f"SELECT last_id, records, {BLOCK_BYTES_SQL} FROM blocks"  # noqa: S608 - constants
                f" WHERE protected = ? AND session_id = ? AND last_id > ? ORDER BY last_id LIMIT {_DOOMED}",
                (protected, session_id, self._lent),
            ).fetchall()
            for last, records, size in rows:
                if most is not None and freed >= most:
                    break
                self._connection.execute("DELETE FROM blocks WHERE last_id = ?", (last,))
                freed += size
                self._grown -= size
                self._ids -= last
                dropped += max(0, min(kept.count(records), last - done))  # without those that were delivered
            if not rows or (most is not None and freed >= most):
                return dropped, freed

    def flush(self) -> None:
        """Write the added records and the growth of the outbox."""
        self._store()
        if self._grown or self._ids:
            grow(self._connection, self._grown, self._ids)
            self._grown = self._ids = 0

    def _store(self) -> None:
        if self._added:
            made = list(blocks(self._added, last_id(self._connection) + 1))
            self._connection.executemany(INSERT, made)
            self._grown += sum(block.size for block in made)
            self._ids += sum(block.last_id for block in made)
            self.newest = made[-1].last_id
            self._added = []
