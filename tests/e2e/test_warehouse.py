"""The warehouse of a real collector: metrics over HTTP while events come in, and kill -9 under load."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.collector.storage.queries import Queries
from ga_pygame.collector.warehouse.database import Database
from ga_pygame.rules import WHO_PLAYS
from tests.collectors import EVENTS, Collector
from tests.conftest import eventually
from tests.warehouse.golden import MONDAY, Story, golden_story, projected

pytestmark = pytest.mark.e2e
EVERYBODY = f"who={','.join(WHO_PLAYS)}"
KILLS, LONG_KILLS = 6, 20
"""Kills of the collector under load: in the short form, and with `--long`."""


def metric(collector: Collector, path: str) -> Any:
    answer = collector.ask("GET", f"/api/warehouse{path}")
    assert answer.status == 200, answer.body
    return answer.json()


def test_metrics_over_http(tmp_path: Path) -> None:
    """They are the events that were sent, within seconds; filters are read from the address, wrong ones answered."""
    collector = Collector(tmp_path)
    try:
        story = golden_story(20, 5)
        for at in range(0, len(story.events), 100):
            assert collector.send(*story.events[at : at + 100], packed=True).status == 200
        assert eventually(lambda: collector.ask("GET", "/api/warehouse/levels").status == 200, 20)
        players = len({event["user_id"] for event in story.events})
        assert eventually(
            lambda: (metric(collector, f"/overview?{EVERYBODY}") or [{}])[0].get("players") == players, 20
        )
        starts = sum(event.get("event_id", "").startswith("Start:") for event in story.events)
        assert sum(row["starts"] for row in metric(collector, f"/levels?{EVERYBODY}")) == starts
        alone = metric(collector, "/overview?user_id=p7&who=player&bucket=hour")
        assert alone[0]["players"] == 1
        assert alone[1]["time"].endswith(":00")
        assert {row["metric"] for row in metric(collector, "")} >= {"overview", "levels", "attempts", "retention"}
        done = collector.ask("GET", "/api/warehouse/attempts").headers["x-ga-projected"]
        assert done == f"{len(story.events)}/{len(story.events)}"
        for wrong, status in {
            "/nothing": 404,
            "/levels?who=cat": 400,
            "/levels?x=1": 400,
            "/overview?bucket=x": 400,
        }.items():
            answer = collector.ask("GET", f"/api/warehouse{wrong}")
            assert (answer.status, list(answer.json())) == (status, ["error"])
    finally:
        collector.stop()
    assert (tmp_path / "events.duckdb").stat().st_mode & 0o077 == 0


def test_kill_9_under_load(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """Nothing that was acknowledged is missing, nothing is doubled; the warehouse agrees with the log."""
    kills = LONG_KILLS if pytestconfig.getoption("--long", False) else KILLS
    acknowledged: list[str] = []
    story = Story(3)
    done = 0
    for round_ in range(kills):
        collector = Collector(tmp_path)
        stop = threading.Event()
        sender = threading.Thread(target=send_until, args=(collector, story, stop, acknowledged))
        sender.start()
        done = projected_beyond(collector, done)
        stop.wait(0.2 * (round_ % KILLS))
        collector.kill()
        stop.set()
        sender.join()
    file, log = tmp_path / "events.duckdb", tmp_path / "events.sqlite3"
    left = Database(file)  # what the killed process had committed is used as it is
    state = left.open()
    assert state is not None
    assert state.last_id >= done
    left.close()
    with projected(log, database=file) as database:
        found = database.ask(
            lambda cursor: cursor.execute(f"SELECT id, events.category, {CHECKED} ORDER BY id").fetchall()
        )
        per_session = database.ask(lambda cursor: cursor.execute("SELECT session_id, events FROM sessions").fetchall())
    queries = Queries(log)
    stored = [json.loads(line) for line in queries.stored()]
    queries.close()
    assert set(acknowledged) <= {event["event_uuid"] for event in stored}
    assert len({event["event_uuid"] for event in stored}) == len(stored)
    assert Counter(category for _, category, *_ in found) == Counter(event["category"] for event in stored)
    assert [one for one, *_ in found] == list(range(1, len(stored) + 1))
    assert checksum(row[1:] for row in found) == checksum(
        (one["category"], one["session_id"], one["user_id"], one.get("event_id")) for one in stored
    )
    assert dict(per_session) == Counter(event["session_id"] for event in stored)


CHECKED = """session_id, user_id, name FROM events
    JOIN sessions ON sessions.session = events.session JOIN players ON players.player = events.player
    LEFT JOIN names ON names.name_key = events.name_key"""


def checksum(rows: Iterable[tuple[Any, ...]]) -> str:
    """Compute a checksum of rows in their order."""
    found = hashlib.sha256()
    for row in rows:
        found.update(repr(row).encode())
    return found.hexdigest()


def projected_beyond(collector: Collector, before: int) -> int:
    """Wait until a collector has projected more than that many events, and return how many."""

    def now() -> int:
        headers = collector.ask("GET", "/api/warehouse/attempts").headers
        return int(headers.get("x-ga-projected", "0").partition("/")[0])  # it is missing until the warehouse is open

    assert eventually(lambda: now() > before, 60)
    return now()


def send_until(collector: Collector, story: Story, stop: threading.Event, acknowledged: list[str]) -> None:
    """Send requests of 200 events until the collector does not answer; note the ids that it acknowledged."""
    number = 0
    while not stop.is_set():
        story.events.clear()
        session = story.session(f"p{number % 50}", MONDAY + number)
        for at in range(198):
            session.design(at, f"kill:{at % 20}", at)
        session.end(200)
        body = json.dumps(story.events).encode()
        number += 1
        try:
            if collector.post(EVENTS, body).status == 200:
                acknowledged += [event["event_uuid"] for event in story.events]
        except OSError:
            return
        except Exception as error:
            if type(error).__module__ != "http.client":
                raise
            return
