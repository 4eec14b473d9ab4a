"""The contract of `EventStore`: the same tests for each store that can keep a collector's events."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.collector.clickhouse.address import parse_store
from ga_pygame.collector.clickhouse.store import ClickHouseStore
from ga_pygame.collector.gameanalytics.routes import take_apart
from ga_pygame.collector.storage.queries import Arrival
from ga_pygame.collector.storage.store import Store
from ga_pygame.collector.stores.contract import EventReader, EventStore
from ga_pygame.collector.stores.local import LocalStore
from ga_pygame.collector.troubles import Troubles
from ga_pygame.collector.warehouse import projector, running
from ga_pygame.collector.warehouse.database import Database
from ga_pygame.collector.warehouse.filters import Filters
from ga_pygame.collector.warehouse.metrics import METRICS
from ga_pygame.collector.warehouse.running import Warehouse
from tests.collectors import KEY, event
from tests.conftest import eventually

OTHER_GAME = "0" * 32
DAY = 86_400
Opens = Callable[[int | None], AbstractContextManager[EventStore]]
"""Opens an empty store which keeps events for so many days."""


@contextlib.contextmanager
def _local(folder: Path, retention: int | None) -> Iterator[EventStore]:
    told: list[str] = []

    def tell(cause: str, text: str) -> None:
        told.append(text)

    with contextlib.closing(Store(folder / f"{uuid.uuid4()}.sqlite3", tell=tell)) as log:
        warehouse = Warehouse(log, Database(None), tell, retention)
        with contextlib.closing(warehouse):
            yield LocalStore(log, warehouse, retention)
    assert told == []


CLICKHOUSES = ("todays_clickhouse", "debians_clickhouse")
"""The fixtures of servers, which take seconds: the everyday lane has the local store only."""


@contextlib.contextmanager
def _clickhouse(server: str, retention: int | None) -> Iterator[EventStore]:
    told: list[str] = []
    address = parse_store(f"clickhouse://{server}/of_{uuid.uuid4().hex}")
    store = ClickHouseStore(address, "UTC", lambda _, text: told.append(text), Troubles(), retention)
    with contextlib.closing(store):
        yield store
    assert told == []


@pytest.fixture(autouse=True)
def _without_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the local store look at its log often."""
    for module in (projector, running):
        monkeypatch.setattr(module, "SECONDS_BETWEEN_LOOKS", 0.02)


@pytest.fixture(params=["local", *(pytest.param(name, marks=pytest.mark.e2e) for name in CLICKHOUSES)])
def opens_any(request: pytest.FixtureRequest, tmp_path: Path) -> Opens:
    """The same, and the old ClickHouse, which has no metrics."""
    if request.param == "local":
        return partial(_local, tmp_path)
    return partial(_clickhouse, request.getfixturevalue(request.param))


@pytest.fixture(params=["local", pytest.param("clickhouse", marks=pytest.mark.e2e)])
def opens(request: pytest.FixtureRequest, tmp_path: Path) -> Opens:
    """What opens a store of each kind."""
    if request.param == "local":
        return partial(_local, tmp_path)
    return partial(_clickhouse, request.getfixturevalue("todays_clickhouse"))


@contextlib.contextmanager
def reading(store: EventStore) -> Iterator[EventReader]:
    reader = store.reader()
    try:
        yield reader
    finally:
        reader.close()


def send(store: EventStore, *events: dict[str, Any], game: str = KEY, at: float | None = None) -> int:
    """Send a request through the checks of the routes and wait until it is stored."""
    received_at = time.time() if at is None else at
    submission, _ = take_apart(game, received_at, json.dumps(events).encode(), "", light=False)
    return store.submit(submission).result(30)


def told(arrivals: list[Arrival]) -> list[tuple[str, str, bool]]:
    """Return game, event id and whether a rule is broken."""
    return [(one.game_key, json.loads(one.json).get("event_id", one.category), bool(one.errors)) for one in arrivals]


def test_what_was_stored_is_read(opens_any: Opens) -> None:
    """In order of arrival, as it was sent, accepted and rejected; a copy of an event is counted and not stored."""
    first, second = event(event_id="a:b", custom_fields={"word": "\t\\ä'"}), event("session_end", length=7)
    with opens_any(None) as store, reading(store) as reader:
        assert (reader.newest_id(), reader.games(), reader.arrivals(0, 9), reader.newest(0, 9)) == (0, 0, [], [])
        before = reader.version()
        assert send(store, first) == 1
        send(store, first, second, event(event_id=""))
        send(store, event(event_id="c"), game=OTHER_GAME)
        assert eventually(lambda: reader.version() != before)
        assert eventually(lambda: reader.games() == 2)
        assert sorted(reader.game_keys(9)) == [OTHER_GAME, KEY]
        found = reader.arrivals(0, 9)
        all_ids = [one.id for one in found]
        assert told(found) == [
            (KEY, "a:b", False),
            (KEY, "session_end", False),
            (KEY, "", True),
            (OTHER_GAME, "c", False),
        ]
        assert all_ids == sorted(set(all_ids))
        assert json.loads(found[0].json) == first
        assert abs(found[0].received_at - time.time()) < 30
        assert {one["path"] for one in found[2].errors} == {"/event_id"}
        assert reader.newest_id() == all_ids[-1]
        assert [one.id for one in reader.newest(0, 9)] == all_ids[::-1]
        assert [one.id for one in reader.newest(all_ids[0], 2)] == all_ids[:-3:-1]
        assert [one.id for one in reader.newest(0, 9, "rejected")] == [all_ids[2]]
        assert [one.id for one in reader.newest(0, 9, "design", all_ids[2])] == [all_ids[2], all_ids[0]]
        assert [one.id for one in reader.arrivals(all_ids[1], 1)] == [all_ids[2]]
        counted = {"accepted": {"design": 2, "session_end": 1}, "rejected": {"design": 1}, "duplicates": 1}
        assert eventually(lambda: reader.totals() == counted), reader.totals()
        summary = reader.summary()
        assert {name: summary[name] for name in counted} == counted
        assert summary["newest_id"] == all_ids[-1]


def test_metrics_and_sessions(opens: Opens) -> None:
    """What the page asks: the figures of a metric, the values to filter by, the sessions, and how many go on."""
    now = int(time.time())
    mine = {"user_id": "ann", "session_id": "11111111-1111-4111-8111-111111111111", "build": "1.1"}
    theirs = {"user_id": "bob", "session_id": "22222222-2222-4222-8222-222222222222", "build": "1.0"}
    with opens(None) as store:
        send(
            store,
            event("progression", event_id="Start:one", client_ts=now - 50, **mine),
            event("progression", event_id="Fail:one", client_ts=now - 40, attempt_num=1, **mine),
            event("progression", event_id="Complete:one", client_ts=now - 30, attempt_num=2, score=5, **mine),
            event("session_end", client_ts=now - 20, length=30, **mine),
            event("progression", event_id="Start:one", client_ts=now - 10, **theirs),
        )
        assert eventually(lambda: store.progress.done == store.progress.all == 5)
        (level,) = store.answer(METRICS["levels"], Filters())
        assert (level.level, level.players, level.starts, level.fails, level.completes) == ("one", 2, 2, 1, 1)
        (whole, *_) = store.answer(METRICS["overview"], Filters(user_id="ann"), {"bucket": "hour"})
        assert (whole.players, whole.sessions, whole.mean_length) == (1, 1, 30.0)
        assert store.choices()["build"] == ("1.0", "1.1")
        assert store.choices()["level"] == ("one",)
        sessions = {one.user_id: one for one in store.latest_sessions(9)}
        assert {name: (one.events, one.length, one.ended) for name, one in sessions.items()} == {
            "ann": (4, 30, True),
            "bob": (1, 0, False),
        }
        assert sessions["ann"].game_key == KEY
        assert sessions["bob"].started == now - 10
        assert (store.going_sessions(now - 30), store.going_sessions(now + 3600)) == (1, 0)
        assert sorted(row.user_id for row in store.answer(METRICS["players"], Filters())) == ["ann", "bob"]
        assert store.forget("bob").events == 1
        assert eventually(lambda: [row.user_id for row in store.answer(METRICS["players"], Filters())] == ["ann"], 20)
        assert store.choices()["build"] == ("1.1",)


def test_a_player_is_forgotten(opens_any: Opens) -> None:
    """Their events and rejected ones are gone; those of others, in the same request, are there."""
    evil = 'o\'brien \\ "x" {y:String}'
    with opens_any(None) as store, reading(store) as reader:
        send(
            store, event(event_id="a", user_id=evil), event(event_id="b", user_id="ann"), event(user_id=evil, value="x")
        )
        assert eventually(lambda: store.progress.done == store.progress.all == 3)
        forgotten = store.forget(evil)
        assert (forgotten.events, forgotten.rejected, forgotten.unreadable) == (1, 1, 0)
        assert [json.loads(one.json)["user_id"] for one in reader.arrivals(0, 9)] == ["ann"]
        assert store.forget("nobody").events == 0


def test_old_events_are_removed(opens: Opens) -> None:
    """Those that arrived before the days that are kept; their players stay known by their first day."""
    now = time.time()
    with opens(3) as store, reading(store) as reader:
        assert store.retention == 3
        send(store, event(event_id="old", client_ts=int(now) - 9 * DAY, user_id="ann"), at=now - 9 * DAY)
        send(store, event(event_id="new", client_ts=int(now) - 5 * DAY, user_id="ann"), at=now)
        assert eventually(lambda: told(reader.arrivals(0, 9)) == [(KEY, "new", False)], 20)
        assert eventually(lambda: [row.new_players for row in store.answer(METRICS["overview"], Filters())][1:] == [0])
