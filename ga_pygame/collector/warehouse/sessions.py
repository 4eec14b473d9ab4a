"""The newest sessions, and how many are going on: for the view Live and `/api/sessions`."""

from __future__ import annotations

from dataclasses import dataclass

from ga_pygame.collector.warehouse.asking import SqlEngine
from ga_pygame.collector.warehouse.database import sql_text


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session as its events tell it.

    Attributes:
        session_id: Its id.
        game_key: The game's key.
        user_id: The player; "" if its events name none.
        session_num: Its number among the player's sessions; 0 if its events have none.
        platform: The platform of its first event.
        build: The build of its first event.
        started: The time of its first event in seconds since 1970, by the player's clock.
        length: Seconds, from its `session_end`; while none came, those between its first and its last event.
        ended: Whether its `session_end` came.
        received_at: When its last event arrived, in seconds since 1970.
        events: How many events it has.
        crashed: Whether one of them is a critical error.
    """

    session_id: str
    game_key: str
    user_id: str
    session_num: int
    platform: str
    build: str
    started: int
    length: int
    ended: bool
    received_at: float
    events: int
    crashed: bool


def latest_sessions(cursor: SqlEngine, limit: int) -> list[StoredSession]:
    """Return the sessions that sent something last, newest first.

    Args:
        cursor: What answers: a cursor of the warehouse, or ClickHouse.
        limit: The maximum.
    """
    rows = cursor.execute(sql_text("sessions.sql"), {"limit": limit}).fetchall()
    return [StoredSession(*row) for row in rows]


def going_sessions(cursor: SqlEngine, since: float) -> int:
    """Count the sessions that have not ended and sent something after `since` (seconds since 1970)."""
    query = "SELECT count(*) FROM sessions WHERE received_at > $since AND length IS NULL"
    ((number,),) = cursor.execute(query, {"since": since}).fetchall()
    return int(number)
