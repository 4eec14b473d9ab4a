"""Remove events that are too old from log and warehouse, and keep the first days of their players.

Age is counted from the arrival of a request, in calendar days of the warehouse's time zone. Log and warehouse lose the
same events: those up to the same id. When a warehouse is made anew, the first days come from the log's table
`first_days`, so that a player who was new last year is not new again.
"""

from __future__ import annotations

import datetime

from ga_pygame.collector.storage.reading import Reader
from ga_pygame.collector.storage.removal import FirstDay, first_id_left, last_old_id, removes_old
from ga_pygame.collector.storage.store import Change, Store
from ga_pygame.collector.warehouse.database import EVENT_TABLES, UTC, Database, sql_text, statements

EVENTS_PER_REMOVAL = 2_000
"""Events that one step removes."""
SECONDS_BETWEEN_REMOVALS = 0.05
"""Time between two steps while there is more to remove."""
SECONDS_PER_RETENTION_LOOK = 60.0
"""Time between two looks for old events."""

_PLAYERS_UP_TO = """
SELECT players.game, user_id, epoch_us(first_at), epoch_us(paid_at) FROM players
WHERE player IN (SELECT player FROM events WHERE id <= $up_to)
"""
_INSERT_PLAYERS = """
INSERT INTO players (player, game, user_id, first_at, first_day, first_hour, paid_at, paid_day)
WITH given AS (
    SELECT unnest($games) AS game, unnest($users) AS user_id, unnest($firsts) AS first_us, unnest($paid) AS paid_us
),
dated AS (
    SELECT game, user_id, make_timestamp(first_us) AS first_at, make_timestamp(paid_us) AS paid_at FROM given
),
zoned AS (SELECT *, {first} AS first_here, {paid} AS paid_here FROM dated)
SELECT row_number() OVER (), game, user_id, first_at, first_here::DATE, hour(first_here)::UTINYINT, paid_at,
    paid_here::DATE
FROM zoned
"""


class Retention:
    """The worker that removes old events; for the projector's thread.

    Args:
        days: Calendar days that are kept beside the present one.
        store: Removes them from the log.
        log: A reader of the log.
        database: The warehouse; all of the log must be projected when `step` is called.
    """

    def __init__(self, days: int, store: Store, log: Reader, database: Database) -> None:
        self._days = days
        self._store = store
        self._log = log
        self._database = database
        self._first_id = 0

    def step(self, now: float) -> float:
        """Remove the oldest requests that are too old; return the seconds until the next step.

        Raises:
            sqlite3.Error: The log cannot be read or written.
            duckdb.Error: The warehouse cannot be written.
            NotReady: The warehouse is not open.
            StoreFull: The log cannot be written now.
        """
        up_to = last_old_id(self._log, self._begin_of_kept(now), EVENTS_PER_REMOVAL)
        if up_to:
            first_days = self._first_days(up_to)
            self._store.change(Change(removes_old(up_to, first_days), 0)).result()
        self._follow_log(is_over=not up_to)
        return SECONDS_BETWEEN_REMOVALS if up_to else SECONDS_PER_RETENTION_LOOK

    def _begin_of_kept(self, now: float) -> float:
        """Return the beginning of the first day that is kept, in seconds since 1970."""
        zone = self._database.zone
        day = datetime.datetime.fromtimestamp(now, zone).date() - datetime.timedelta(days=self._days)
        return datetime.datetime.combine(day, datetime.time(), zone).timestamp()

    def _first_days(self, up_to: int) -> list[FirstDay]:
        rows = self._database.ask(lambda cursor: cursor.execute(_PLAYERS_UP_TO, {"up_to": up_to}).fetchall())
        return [FirstDay(*row) for row in rows]

    def _follow_log(self, *, is_over: bool) -> None:
        """Remove from the warehouse what is no longer in the log, also after a crash between the two.

        Args:
            is_over: Nothing more is too old, so sessions and names without events can be removed.
        """
        first_id = first_id_left(self._log)
        if first_id == self._first_id:
            return
        writer = self._database.writer
        writer.begin()
        try:
            for table in EVENT_TABLES:
                writer.execute(f"DELETE FROM {table} WHERE id < ?", [first_id])  # noqa: S608 - names of ours
            if is_over:
                for table, key in (("sessions", "session"), ("names", "name_key")):
                    used = f"SELECT {key} FROM events WHERE {key} IS NOT NULL"  # noqa: S608 - names of ours
                    writer.execute(f"DELETE FROM {table} WHERE {key} NOT IN ({used})")  # noqa: S608 - the same
                for statement in statements(sql_text("retained.sql")):
                    writer.execute(statement)
            self._database.commit(writer)
        except BaseException:
            writer.rollback()
            raise
        if is_over:
            self._first_id = first_id


def insert_first_days(database: Database, first_days: list[FirstDay]) -> None:
    """Insert players into an empty warehouse, with the times of their first event and first purchase.

    Raises:
        duckdb.Error: The file cannot be written.
    """
    if not first_days:
        return
    zone = database.zone.key
    text = _INSERT_PLAYERS
    for part in ("first", "paid"):
        here = f"{part}_at" if zone == UTC else f"timezone($timezone, timezone('UTC', {part}_at))"
        text = text.replace(f"{{{part}}}", here)
    games, users, firsts, paid = (list(column) for column in zip(*first_days, strict=True))
    values = {"games": games, "users": users, "firsts": firsts, "paid": paid}
    database.writer.execute(text, values if zone == UTC else {**values, "timezone": zone})
