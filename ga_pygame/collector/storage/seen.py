"""The ids of the stored events, by game, to recognise duplicates.

Ids are random. Inserted one by one, each would touch another page of the index, which is most of the time of storing
an event. So the newest ids are kept in memory and are inserted sorted, by the thousand. A crash loses none: at
the next start the ids that are missing in the index are read from the events.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Mapping
from itertools import repeat

from ga_pygame.collector.storage import batches

KEPT_IN_MEMORY = 50_000
"""About 6 MB. Reading them again at a start takes 0.2 s, and so does inserting them into the index."""
READ_AT_ONCE = 1_000_000
"""Ids that are read again at once, some 150 MB; smaller parts would write each page of the index once for each part."""
_ASKED_AT_ONCE = 500  # an SQLite may be built for no more than 999 values


class SeenIds:
    """The ids of the stored events; for the writing thread.

    Args:
        db: That thread's connection. Another process may write the same file.
        kept: Ids that may be in memory only.
    """

    def __init__(self, db: sqlite3.Connection, kept: int = KEPT_IN_MEMORY) -> None:
        self._db = db
        self._kept = kept
        self._newest: defaultdict[int, set[str]] = defaultdict(set)
        self.damaged = 0
        """Stored requests whose ids cannot be read. If their events are sent again, they are stored again."""
        self._up_to = self._indexed_up_to()
        while self.catch_up(READ_AT_ONCE):  # all of them if the index was lost, which do not fit into memory at once
            self.tidy()
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _indexed_up_to(self) -> int:
        """Return the newest event up to which all ids are in the index."""
        rows = self._db.execute("SELECT id FROM seen_up_to").fetchall()
        if len(rows) == 1 and isinstance(rows[0][0], int):
            return int(rows[0][0])
        self._db.execute("DELETE FROM seen_up_to")  # the file was damaged: all events are read once more
        self._db.execute("INSERT INTO seen_up_to VALUES (0)")
        return 0

    def catch_up(self, most: int | None = None) -> bool:
        """Add the ids of events that another process has stored; called within a write transaction.

        Args:
            most: Stop when more ids than this are in memory; `None` reads all.

        Returns:
            Whether it has stopped before the last one.
        """
        query = "SELECT id, game_id, body FROM batches WHERE id > ? ORDER BY id"
        rows = self._db.execute(query, (self._up_to,))
        for last, game, body in rows:
            uuids = batches.ids(body)
            if uuids is None:
                self.damaged += 1
            else:
                self._newest[game].update(uuids)
            self._up_to = last
            if most is not None and self._in_memory() > most:
                rows.close()
                return True
        return False

    def among(self, game: int, uuids: Collection[str]) -> set[str]:
        """Return those of the given ids that are stored."""
        found = self._newest[game].intersection(uuids)
        asked = list(uuids)
        for start in range(0, len(asked), _ASKED_AT_ONCE):
            some = asked[start : start + _ASKED_AT_ONCE]
            places = ",".join("?" * len(some))
            query = f"SELECT event_uuid FROM seen WHERE game_id = ? AND event_uuid IN ({places})"  # noqa: S608
            found.update(uuid for (uuid,) in self._db.execute(query, (game, *some)))
        return found

    def add(self, added: Mapping[int, Collection[str]], up_to: int) -> None:
        """Add ids by game after their commit, and the id of their last event."""
        for game, uuids in added.items():
            self._newest[game].update(uuids)
        self._up_to = max(self._up_to, up_to)

    def _in_memory(self) -> int:
        return sum(map(len, self._newest.values()))

    def tidy(self) -> bool:
        """Insert the ids in memory into the index if there are many, in a transaction of its own.

        Returns:
            Whether it wrote.

        Raises:
            sqlite3.Error: The index cannot be written; the ids stay in memory.
        """
        if self._in_memory() <= self._kept:
            return False
        self._db.execute("BEGIN IMMEDIATE")
        for game, uuids in self._newest.items():
            self._db.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", zip(repeat(game), sorted(uuids)))
        self._db.execute("UPDATE seen_up_to SET id = max(id, ?)", (self._up_to,))
        self._db.execute("COMMIT")
        self._newest.clear()
        return True
