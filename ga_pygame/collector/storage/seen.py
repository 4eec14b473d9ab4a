"""Which events were stored before: by game, the ids that their senders gave them.

Ids are random: put into an index one by one, each touches a page of its own, which is most of what storing an
event costs. So the newest are kept in memory and go into the index sorted, by the thousand. Nothing is lost
with the memory: at the next start the ids that the index does not hold are read from the events.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Mapping
from itertools import repeat

from ga_pygame.collector.storage import batches

KEPT_IN_MEMORY = 50_000
"""Some 6 MB; to read them again at a start takes 0.2 s, to put them into the index as long."""
_ASKED_AT_ONCE = 500  # an SQLite may be built for no more than 999 values


class SeenIds:
    """The ids of the stored events, for the writing thread.

    Args:
        db: That thread's connection. Another process may write the same file.
        kept: How many ids may be in memory only.
    """

    def __init__(self, db: sqlite3.Connection, kept: int = KEPT_IN_MEMORY) -> None:
        self._db = db
        self._kept = kept
        self._newest: defaultdict[int, set[str]] = defaultdict(set)
        self.damaged = 0
        """Stored requests whose ids cannot be read: what of them is sent again is stored again."""
        self._up_to = self._indexed_up_to()
        self.catch_up()

    def _indexed_up_to(self) -> int:
        """The last event whose id is in the index for sure."""
        rows = self._db.execute("SELECT id FROM seen_up_to").fetchall()
        if len(rows) == 1 and isinstance(rows[0][0], int):
            return int(rows[0][0])
        self._db.execute("DELETE FROM seen_up_to")  # the file was damaged: all events are read once more
        self._db.execute("INSERT INTO seen_up_to VALUES (0)")
        return 0

    def catch_up(self) -> None:
        """Learn of events that another process has stored; inside a transaction that writes."""
        query = "SELECT id, game_id, body FROM batches WHERE id > ? ORDER BY id"
        for last, game, body in self._db.execute(query, (self._up_to,)):
            uuids = batches.ids(body)
            if uuids is None:
                self.damaged += 1
            else:
                self._newest[game].update(uuids)
            self._up_to = last

    def among(self, game: int, uuids: Collection[str]) -> set[str]:
        """Those of some ids that are stored."""
        found = self._newest[game].intersection(uuids)
        asked = list(uuids)
        for start in range(0, len(asked), _ASKED_AT_ONCE):
            some = asked[start : start + _ASKED_AT_ONCE]
            places = ",".join("?" * len(some))
            query = f"SELECT event_uuid FROM seen WHERE game_id = ? AND event_uuid IN ({places})"  # noqa: S608
            found.update(uuid for (uuid,) in self._db.execute(query, (game, *some)))
        return found

    def add(self, added: Mapping[int, Collection[str]], up_to: int) -> None:
        """Note, once they are committed, ids by game and the last of their events."""
        for game, uuids in added.items():
            self._newest[game].update(uuids)
        self._up_to = max(self._up_to, up_to)

    def tidy(self) -> bool:
        """Put the newest into the index when they have become many; in a transaction of its own.

        Returns:
            Whether it wrote.

        Raises:
            sqlite3.Error: It cannot be written; then they stay in memory.
        """
        if sum(map(len, self._newest.values())) <= self._kept:
            return False
        self._db.execute("BEGIN IMMEDIATE")
        for game, uuids in self._newest.items():
            self._db.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", zip(repeat(game), sorted(uuids)))
        self._db.execute("UPDATE seen_up_to SET id = max(id, ?)", (self._up_to,))
        self._db.execute("COMMIT")
        self._newest.clear()
        return True
