"""The tables that ClickHouse fills from events: copies, late events, removal and migration leave the figures right."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from ga_pygame.collector.clickhouse import rows
from ga_pygame.collector.clickhouse.address import StoreAddress, parse_store
from ga_pygame.collector.clickhouse.client import Client
from ga_pygame.collector.clickhouse.store import ClickHouseStore
from ga_pygame.collector.gameanalytics.routes import take_apart
from ga_pygame.collector.troubles import Troubles
from ga_pygame.collector.warehouse.clickhouse import SETTINGS
from ga_pygame.collector.warehouse.filters import Filters
from ga_pygame.collector.warehouse.metrics import METRICS
from tests.collectors import KEY, event
from tests.warehouse.golden import requests_of
from tests.warehouse.trading import trading_story

TABLES = ("ga_presence", "ga_sessions", "ga_visits")
VIEWS = {
    "presence": "*",
    "sessions": "* EXCEPT received_at"
    " REPLACE (toUnixTimestamp(first_at) AS first_at, toUnixTimestamp(last_at) AS last_at)",
    "visits": "* EXCEPT place"
    " REPLACE (toUnixTimestamp(first_at) AS first_at, toUnixTimestamp(completed_at) AS completed_at)",
}
"""The views of the tables, and their columns as far as they do not depend on an event's arrival: of times, seconds."""
BLOCK = 7
"""Requests that are stored together."""


@pytest.fixture
def address(todays_clickhouse: str) -> StoreAddress:
    """An empty database of today's ClickHouse."""
    return parse_store(f"clickhouse://{todays_clickhouse}/of_{uuid.uuid4().hex}")


@contextlib.contextmanager
def opened(address: StoreAddress) -> Iterator[ClickHouseStore]:
    with contextlib.closing(ClickHouseStore(address, "UTC", lambda cause, text: None, Troubles())) as store:
        yield store


def send(store: ClickHouseStore, requests: list[tuple[float, list[dict[str, Any]]]]) -> None:
    """Store requests in blocks of some, each after the one before."""
    for first in range(0, len(requests), BLOCK):
        futures = [
            store.submit(take_apart(KEY, at, json.dumps(events).encode(), "", light=False)[0])
            for at, events in requests[first : first + BLOCK]
        ]
        assert all(future.result(60) for future in futures)


def figures(client: Client) -> dict[str, list[str]]:
    """Return the rows of the views, sorted."""
    settings = ", ".join(f"{name} = {value}" for name, value in SETTINGS.items())
    return {
        view: sorted(client.query(f"SELECT {columns} FROM {view} FORMAT TSV SETTINGS {settings}").decode().splitlines())
        for view, columns in VIEWS.items()
    }


def test_copies_change_nothing_and_late_events_count(address: StoreAddress) -> None:
    """Each event comes twice, in other blocks and in another order: the rows are those of the events once."""
    requests = requests_of(trading_story())[:150]
    with opened(address) as store, contextlib.closing(Client(address)) as client:
        send(store, requests)
        once = figures(client)
        client.query("SYSTEM STOP MERGES ga_events")  # which remove copies
        send(store, [(at + 60, events) for at, events in reversed(requests)])
        assert int(client.query("SELECT count() FROM ga_events")) > sum(len(events) for _, events in requests)
        assert figures(client) == once
        for table in TABLES:
            client.query(f"OPTIMIZE TABLE {table} FINAL")
        assert figures(client) == once
    assert all(once.values())


def test_a_block_that_is_sent_again_fills_what_lacks(address: StoreAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a server was killed between a block and the rows of its views, the same block at the next one brings them."""
    (now, events), *_ = requests_of(trading_story())
    block = rows.BlockMaker().make([take_apart(KEY, now, json.dumps(events).encode(), "", light=False)[0]], now)
    monkeypatch.setattr(rows.BlockMaker, "make", lambda *_: block)
    with opened(address) as store, contextlib.closing(Client(address)) as client:
        made = json.loads(client.query("SHOW CREATE TABLE ga_sessions_fill FORMAT JSONCompact"))["data"][0][0]
        client.query("DROP TABLE ga_sessions_fill")
        send(store, [(now, events)])
        assert figures(client)["sessions"] == []
        client.query(made)
        for _ in range(2):
            send(store, [(now, events)])
            assert len(figures(client)["sessions"]) == len({one["session_id"] for one in events})
        assert int(client.query("SELECT count() FROM ga_events")) == len(events)


def test_an_older_database_fills_the_tables(address: StoreAddress) -> None:
    """A migration fills the new tables from the events that are there; while it runs, views store events, too."""
    with opened(address) as store, contextlib.closing(Client(address)) as client:
        send(store, requests_of(trading_story())[:60])
        once = figures(client)
        for table in TABLES:
            client.query(f"DROP TABLE {table}_fill")
            client.query(f"DROP TABLE {table}")
        columns = "(made_us, version, timezone, cluster, retention)"
        client.query(f"INSERT INTO ga_schema {columns} VALUES ({int(time.time() * 1e6)}, 1, 'UTC', '', -1)")
        with opened(address):
            assert figures(client) == once
        client.query(f"INSERT INTO ga_schema {columns} VALUES ({int(time.time() * 1e6)}, 1, 'UTC', '', -1)")
        with opened(address):  # a migration that was broken off begins again
            assert figures(client) == once


def test_an_older_database_gets_the_indexes(address: StoreAddress) -> None:
    """A migration adds an index to a table that is there, also if it was broken off before."""
    with opened(address) as store, contextlib.closing(Client(address)) as client:
        send(store, requests_of(trading_story())[:9])
        client.query("ALTER TABLE ga_sessions DROP INDEX by_player")
        for _ in range(2):
            columns = "(made_us, version, timezone, cluster, retention)"
            client.query(f"INSERT INTO ga_schema {columns} VALUES ({int(time.time() * 1e6)}, 2, 'UTC', '', -1)")
            with opened(address):
                made = client.query("SHOW CREATE TABLE ga_sessions").decode()
                assert "INDEX by_player player TYPE bloom_filter GRANULARITY 1" in made


def test_forgetting_one_of_two_players_of_a_session(address: StoreAddress) -> None:
    """What the other one did in it stays, in all tables."""
    session, now = str(uuid.uuid4()), int(time.time())
    ann, bob = (
        [
            event("progression", event_id="Start:one", session_id=session, user_id=name, client_ts=now - ago),
            event("error", severity=severity, message="x", session_id=session, user_id=name, client_ts=now - ago + 1),
        ]
        for name, ago, severity in (("ann", 90, "critical"), ("bob", 50, "info"))
    )
    with opened(address) as store, contextlib.closing(Client(address)) as client:
        send(store, [(now, ann + bob)])
        (whole,) = store.latest_sessions(9)
        assert (whole.user_id, whole.events, whole.crashed, whole.started) == ("ann", 4, True, now - 90)
        assert store.forget("ann").events == 2
        (left,) = store.latest_sessions(9)
        assert (left.user_id, left.events, left.crashed, left.started) == ("bob", 2, False, now - 50)
        (level,) = store.answer(METRICS["levels"], Filters())
        assert (level.players, level.starts) == (1, 1)
        assert [len(rows) for rows in figures(client).values()] == [1, 1, 1]


def test_rows_leave_with_their_events(address: StoreAddress) -> None:
    """The tables that are filled have the same lifetime as the events, counted from the newest event of a row."""
    with contextlib.closing(ClickHouseStore(address, "UTC", lambda cause, text: None, Troubles(), 3)) as store:
        now = int(time.time())
        old, new = (event("progression", event_id="Start:one", session_id=str(uuid.uuid4())) for _ in range(2))
        send(store, [(now - 9 * 86_400, [{**old, "client_ts": now - 9 * 86_400}]), (now, [{**new, "client_ts": now}])])
        with contextlib.closing(Client(address)) as client:
            for table in TABLES:
                client.query(f"OPTIMIZE TABLE {table} FINAL")
                assert b"toIntervalDay(4)" in client.query(f"SHOW CREATE TABLE {table}")
            assert [len(rows) for rows in figures(client).values()] == [1, 1, 1]
