"""The store on ClickHouse as `EventStore` describes it; any number of collectors share one and have no state."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from ga_pygame import clock
from ga_pygame.collector.clickhouse.address import StoreAddress
from ga_pygame.collector.clickhouse.client import (
    SECONDS_TO_SHOW_LIFE,
    ClickHouseError,
    Client,
    ClientPool,
    Unreachable,
    text_literal,
)
from ga_pygame.collector.clickhouse.reader import ClickHouseReader
from ga_pygame.collector.clickhouse.rows import MICROSECONDS, count_row, day_text
from ga_pygame.collector.clickhouse.schema import OLDEST_FOR_METRICS, open_schema
from ga_pygame.collector.clickhouse.writer import BlockWriter
from ga_pygame.collector.storage.removal import Forgotten
from ga_pygame.collector.storage.schema import StoreError
from ga_pygame.collector.storage.store import Submission
from ga_pygame.collector.teller import Tell
from ga_pygame.collector.troubles import Troubles
from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric, answer_metric
from ga_pygame.collector.warehouse.choices import filter_choices
from ga_pygame.collector.warehouse.clickhouse import ClickHouse
from ga_pygame.collector.warehouse.database import NotReady, sql_text
from ga_pygame.collector.warehouse.filters import Filters
from ga_pygame.collector.warehouse.projector import Progress
from ga_pygame.collector.warehouse.sessions import StoredSession

RECENT_SECONDS = (3_600.0, 86_400.0, 1e9)
"""How far back the newest sessions are looked for, until enough are found."""
_SENT_SINCE = (
    "session IN (SELECT session FROM ga_events WHERE id > $since AND session_id <> ''"
    " GROUP BY session ORDER BY max(id) DESC LIMIT $limit)"
)
SECONDS_PER_MUTATION_LOOK = 0.2
"""Time between two looks whether an old server has removed rows."""
_MUTATED = {"mutations_sync": "2", "allow_nondeterministic_mutations": "1"}
"""Settings with which a deletion has happened on all replicas when the server answers."""
_OF_PLAYERS = ("ga_presence", "ga_sessions", "ga_visits")
"""The tables with rows of a player that ClickHouse fills from events."""
_Found = TypeVar("_Found")


class ClickHouseStore:
    """A database of ClickHouse, opened and checked.

    Args:
        address: Where it is.
        timezone: The zone of the metrics' days.
        tell: Called to tell the developer about trouble.
        troubles: Shows the same on the page.
        retention: Days for which events are kept; `None` leaves what was set before.

    Raises:
        StoreError: It cannot be used; the message says why and what to do.
    """

    generation = 0
    """Ids never begin again."""

    def __init__(
        self, address: StoreAddress, timezone: str, tell: Tell, troubles: Troubles, retention: int | None = None
    ) -> None:
        self._address = address
        self._zone = ZoneInfo(timezone)
        self._clients = ClientPool(address)
        try:
            self._layout = open_schema(self._clients.mine(), timezone, retention)
        except (ClickHouseError, Unreachable) as error:
            self._clients.close()
            raise StoreError(f"cannot use {address.place}: {error}") from error
        except StoreError:
            self._clients.close()
            raise
        self.place = address.place
        self.retention = self._layout.retention
        self._counting = threading.Lock()
        self._counter = self.reader()
        self._progress = Progress(0, 0, 0)
        self._writer = BlockWriter(lambda: Client(address), self._layout, tell, troubles)
        self._probing = ThreadPoolExecutor(1, thread_name_prefix="ga-collector-probe")
        self.submit: Callable[[Submission], Future[int]] = self._writer.submit

    def close(self) -> None:
        """Write what waits and close the connections."""
        self._probing.shutdown(wait=False, cancel_futures=True)
        self._writer.close()
        self._counter.close()
        self._clients.close()

    @property
    def progress(self) -> Progress:
        """All events: what is stored is counted by metrics at once. The number may be some seconds old."""
        with self._counting:
            try:
                totals = self._counter.totals()
            except (ClickHouseError, Unreachable):
                return self._progress
            number = sum(totals["accepted"].values()) + sum(totals["rejected"].values())
            self._progress = Progress(number, number, 0)
            return self._progress

    @property
    def waiting_bytes(self) -> int:
        """Those of the writer."""
        return self._writer.waiting_bytes

    def probe(self) -> Future[Any]:
        """Ask a server for something; it may take events if it answers, and no insert failed just now."""
        self._writer.raise_if_refusing()
        return self._probing.submit(lambda: self._clients.mine().query("SELECT 1", seconds=SECONDS_TO_SHOW_LIFE))

    def reader(self) -> ClickHouseReader:
        """Open a reader for one thread."""
        return ClickHouseReader(Client(self._address), self._layout)

    def today(self) -> datetime.date:
        """Return the calendar day in the time zone of the metrics."""
        return datetime.datetime.fromtimestamp(clock.wall_now(), self._zone).date()

    def answer(self, metric: WarehouseMetric, filters: Filters, options: Mapping[str, Any] | None = None) -> list[Any]:
        """Return the rows of a metric."""
        today = self.today()
        return self._ask(lambda engine: answer_metric(Question(engine, filters, today), metric, options or {}))

    def choices(self) -> dict[str, tuple[str, ...]]:
        """Return the values that occur, by the filter for them."""
        return self._ask(lambda engine: filter_choices(engine, "first_id", "first_id"))

    def latest_sessions(self, limit: int) -> list[StoredSession]:
        """Return the sessions that sent something last, newest first."""
        text = sql_text("sessions.sql").replace("FROM sessions ORDER", f"FROM sessions WHERE {_SENT_SINCE} ORDER")
        now, rows = clock.wall_now(), list[tuple[Any, ...]]()
        for seconds in RECENT_SECONDS:
            values = {"limit": limit, "since": int((now - seconds) * MICROSECONDS)}
            rows = self._ask(lambda engine: engine.execute(text, values).fetchall())  # noqa: B023 - it is called here
            if len(rows) >= limit:
                break
        return [StoredSession(*row) for row in rows]

    def going_sessions(self, since: float) -> int:
        """Count the sessions that sent something after a time, and since then no `session_end`."""
        text = (
            "SELECT uniqExact(game_key, session_id) - uniqExactIf((game_key, session_id), category = 'session_end')"
            " FROM ga_events WHERE id > $since AND received_us > $since AND session_id != ''"
        )
        values = {"since": int(since * MICROSECONDS)}
        return self._ask(lambda engine: int(engine.execute(text, values).fetchall()[0][0]))

    def forget(self, user_id: str) -> Forgotten:
        """Remove a player's events and all that was made of them; returns when that has happened on all servers.

        Raises:
            ClickHouseError: A server refuses.
            Unreachable: A server does not answer.
        """
        client = self._clients.mine()
        whose = f"user_id = {text_literal(user_id)}"
        query = (
            "SELECT game_key, category, count() FROM {} FINAL WHERE {} GROUP BY game_key, category FORMAT JSONCompact"
        )
        events, rejected = (
            msgspec.json.decode(client.query(query.format(table, whose)))["data"]
            for table in ("ga_events", "ga_rejected")
        )
        for table in ("ga_events", "ga_rejected"):
            self._delete(client, table, whose)
        if self._layout.has_metrics:
            players = f"SELECT player FROM {self._layout.local('ga_players')} WHERE {whose}"
            for table in _OF_PLAYERS:
                self._delete(client, table, f"player IN ({players})")
            self._delete(client, "ga_players", whose)
        if self._layout.has_metrics and events:
            for table, key in (("ga_names", "name_key"), ("ga_contexts", "context")):
                used = f"SELECT {key} FROM {self._layout.local('ga_events')} WHERE isNotNull({key})"
                self._delete(client, table, f"{key} NOT IN ({used})")
        now = clock.wall_now()
        name = f"forgotten-{int(now * MICROSECONDS)}"
        day = day_text(int(now) // 86_400)
        gone = [count_row(day, name, game, kind, accepted=-int(number)) for game, kind, number in events]
        if gone:
            client.insert("ga_counts", gone, {})
        return Forgotten(sum(int(one[2]) for one in events), sum(int(one[2]) for one in rejected), 0, 0)

    def _delete(self, client: Client, table: str, condition: str) -> None:
        """Remove rows and wait until that has happened."""
        local = self._layout.local(table)
        text = f"ALTER TABLE {local}{self._layout.on_cluster} DELETE WHERE {condition}"
        if self._layout.has_metrics:
            client.query(text, options=_MUTATED)
            return
        client.query(text)
        of_table = f"database = currentDatabase() AND table = '{local}'"
        left = f"SELECT count() FROM system.mutations WHERE {of_table} AND NOT is_done"
        while client.query(left).strip() != b"0":
            clock.sleep(SECONDS_PER_MUTATION_LOOK)

    def _ask(self, question: Callable[[ClickHouse], _Found]) -> _Found:
        """Ask ClickHouse as metrics do, on the calling thread.

        Raises:
            NotReady: No server answers, or it is too old.
        """
        if not self._layout.has_metrics:
            raise NotReady(f"this ClickHouse is too old for metrics, which need {OLDEST_FOR_METRICS[0]} or newer")
        client = self._clients.mine()
        try:
            return question(ClickHouse(client.query, is_spread=bool(self._layout.cluster)))
        except Unreachable as error:
            raise NotReady(str(error)) from error
