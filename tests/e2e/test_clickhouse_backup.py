"""A database of ClickHouse is saved and restored as the page Operations says, and collectors go on with it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from ga_pygame.collector.clickhouse.address import StoreAddress, parse_store
from ga_pygame.collector.clickhouse.client import Client
from ga_pygame.collector.clickhouse.schema import Layout, schema_statements
from ga_pygame.collector.clickhouse.store import ClickHouseStore
from ga_pygame.collector.gameanalytics.routes import take_apart
from ga_pygame.collector.troubles import Troubles
from ga_pygame.collector.warehouse.filters import Filters
from ga_pygame.collector.warehouse.metrics import METRICS
from tests.clickhouse_servers import todays_server
from tests.collectors import KEY, event

EVENTS = 30


@contextlib.contextmanager
def opened(address: StoreAddress) -> Iterator[ClickHouseStore]:
    with contextlib.closing(ClickHouseStore(address, "UTC", lambda cause, message: None, Troubles())) as store:
        yield store


def send(store: ClickHouseStore, *events: dict[str, Any]) -> None:
    submission, _ = take_apart(KEY, time.time(), json.dumps(events).encode(), "", light=False)
    assert store.submit(submission).result(30) == len(events)


def played(number: int) -> list[dict[str, Any]]:
    now = int(time.time())
    return [event("progression", event_id=f"Start:level_{one % 3}", client_ts=now - one) for one in range(number)]


def test_backup_and_restore(tmp_path: Path) -> None:
    """`BACKUP DATABASE` while a collector runs, the database is lost, `RESTORE DATABASE`: no event twice."""
    events = played(EVENTS)
    with todays_server(f"{tmp_path / 'data'}?backups.allowed_path={tmp_path}") as host:
        address = parse_store(f"clickhouse://{host}/games")
        place = f"File('{tmp_path / 'backup'}')"
        with contextlib.closing(Client(address)) as client:
            with opened(address) as store:
                send(store, *events)
                before = [store.answer(METRICS[name], Filters()) for name in ("overview", "levels", "timeline")]
                assert b"BACKUP_CREATED" in client.query(f"BACKUP DATABASE games TO {place}")
            client.query("DROP DATABASE games", database=False)
            assert b"RESTORED" in client.query(f"RESTORE DATABASE games FROM {place}", database=False)
            with opened(address) as store:
                assert [store.answer(METRICS[name], Filters()) for name in ("overview", "levels", "timeline")] == before
                send(store, *events[:10], *played(5))  # copies of what is there, and new ones: views fill tables again
                assert store.answer(METRICS["overview"], Filters())[0].sessions == before[0][0].sessions
                assert sum(level.starts for level in store.answer(METRICS["levels"], Filters())) == EVENTS + 5


def test_events_are_copied_as_a_file(debians_clickhouse: str) -> None:
    """The old server has no BACKUP: its events leave and come back in the format Native, also twice."""
    old, new = (parse_store(f"clickhouse://{debians_clickhouse}/{name}") for name in ("saved", "restored"))
    with opened(old) as store, contextlib.closing(Client(old)) as client:
        send(store, *played(EVENTS))
        saved = client.query("SELECT * FROM ga_events FORMAT Native")
        counts = client.query("SELECT * FROM ga_counts FORMAT Native")
    with contextlib.closing(Client(new)) as client:
        for text in schema_statements(Layout("restored", has_metrics=False)):
            client.query(text, database=not text.startswith("CREATE DATABASE"))
        for _ in range(2):
            for table, rows in (("ga_events", saved), ("ga_counts", counts)):
                options = {"query": f"INSERT INTO {table} FORMAT Native", "database": "restored"}
                assert requests.post(new.urls[0], params=options, data=rows, timeout=30).status_code == 200
    with opened(new) as store, contextlib.closing(store.reader()) as reader:
        assert reader.totals() == {"accepted": {"progression": EVENTS}, "rejected": {}, "duplicates": 0}
        assert len(reader.arrivals(0, 99)) == EVENTS
