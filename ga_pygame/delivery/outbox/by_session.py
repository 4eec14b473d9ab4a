"""Leases of one session each, in rounds: for events that a server sends on behalf of its players.

Such events have a request for each player, since the service takes the player's country from its header. So a lease has
all that waits of one session, beginning with the session that waits longest. A round ends when all that waited at its
beginning was leased; what comes meanwhile waits for the next round, together with what follows.
Source: REST v2, Server Implementation, Request per user.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ga_pygame.delivery.outbox.contract import cut
from ga_pygame.delivery.outbox.schema import INSERT, SELECT, DamagedBlockError, Row, records, rest_after
from ga_pygame.delivery.outbox.waiting import grow, last_id
from ga_pygame.protocol import StoredRecord

_INDEX = "CREATE INDEX IF NOT EXISTS blocks_of_session ON blocks (session_id, last_id)"
_SESSIONS_IN_ORDER = "SELECT session_id, last_id FROM blocks WHERE last_id <= ? ORDER BY last_id"
_OF_SESSION = f"{SELECT} WHERE session_id = ? AND last_id > ? ORDER BY last_id"


class Rounds:
    """The rounds of one destination, the only one of its outbox. Uploader's thread, and the writer's at the end.

    Args:
        mend: Replaces a damaged block by its undamaged parts.
    """

    def __init__(self, mend: Callable[[sqlite3.Connection, Row], Any]) -> None:
        self._mend = mend
        self._until: int | None = None  # the last id of the round; `None` before a round
        self._unsaved: dict[str, int] = {}  # by session the last sent id that is not on the disk yet

    def prepare(self, connection: sqlite3.Connection) -> None:
        """Make the index by which the blocks of a session are found."""
        connection.execute(_INDEX)

    def next(self, connection: sqlite3.Connection, max_events: int, max_bytes: int) -> Sequence[StoredRecord]:
        """Return the records of the next session; none at the end of a round."""
        if self._until is None:
            self._until = last_id(connection)
        while True:
            session_id = self._oldest(connection, self._until)
            if session_id is None:
                self._until = None
                return ()
            try:
                found, _ = cut(self._waiting(connection, session_id), max_events, max_bytes)
            except DamagedBlockError:  # its block was mended
                continue
            if found:
                return found

    def _oldest(self, connection: sqlite3.Connection, until: int) -> str | None:
        rows = connection.execute(_SESSIONS_IN_ORDER, (until,))
        try:
            return next((name for name, last in rows if last > self._unsaved.get(name, 0)), None)
        finally:
            rows.close()

    def _waiting(self, connection: sqlite3.Connection, session_id: str) -> Iterator[StoredRecord]:
        done = self._unsaved.get(session_id, 0)
        rows = connection.execute(_OF_SESSION, (session_id, done))
        try:
            for row in rows:
                try:
                    yield from records(row, done)
                except DamagedBlockError:
                    rows.close()
                    self._mend(connection, row)
                    raise
        finally:
            rows.close()

    def sent(self, session_id: str, last: int) -> None:
        """Note that a session's records up to an id are finished, also if the disk cannot be written now."""
        self._unsaved[session_id] = last

    def save(self, connection: sqlite3.Connection) -> None:
        """Delete the finished records, within the open transaction; call `saved` after the commit."""
        for session_id, last in self._unsaved.items():
            finished = f"{SELECT} WHERE session_id = ? AND last_id - records < ?"
            for row in connection.execute(finished, (session_id, last)).fetchall():
                connection.execute("DELETE FROM blocks WHERE last_id = ?", (row[0],))
                grow(connection, -len(row[5]) - len(row[6]), -row[0])
                if (rest := rest_after(row, last)) is not None:
                    connection.execute(INSERT, rest)
                    grow(connection, rest.size, rest.last_id)

    def saved(self) -> None:
        """Forget what `save` has deleted."""
        self._unsaved.clear()
