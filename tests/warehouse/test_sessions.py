"""The newest sessions come from the warehouse, also those of files that older collectors wrote."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest

from ga_pygame.collector.page.rows import row_of_session
from ga_pygame.collector.storage import schema
from ga_pygame.collector.storage.queries import Queries
from ga_pygame.collector.storage.store import Store
from ga_pygame.collector.warehouse.database import Database
from ga_pygame.collector.warehouse.sessions import StoredSession, going_sessions, latest_sessions
from tests.collectors import KEY
from tests.warehouse.golden import MINUTE, MONDAY, Event, Story, ask, projected, store_events


def newest(database: Database, limit: int = 10) -> list[StoredSession]:
    return database.ask(lambda cursor: latest_sessions(cursor, limit))


def going(database: Database, since: float) -> int:
    return database.ask(lambda cursor: going_sessions(cursor, since))


@pytest.mark.e2e
def test_latest_sessions_and_those_that_go_on(tmp_path: Path) -> None:
    """The one that sent something last is first; a session without an end is as long as its events reach."""
    log, story = tmp_path / "events.sqlite3", Story()
    story.session("ann", MONDAY, session_num=3, build="1.1").design(42, "a")
    ended = Story(2)
    ended.session("bob", MONDAY + MINUTE, build="1.0").end(75)
    later = [{**story.events[0], "event_uuid": story.new_id(), "client_ts": MONDAY + 90}]
    store_events(log, [(MONDAY + 50, story.events), (MONDAY + 140, ended.events), (MONDAY + 150.5, later)])
    with projected(log) as database:
        ann, bob = newest(database)
        assert (ann.user_id, ann.session_num, ann.build, ann.platform) == ("ann", 3, "1.1", "linux")
        assert (ann.started, ann.length, ann.ended, ann.received_at, ann.events) == (
            MONDAY,
            90,
            False,
            MONDAY + 150.5,
            3,
        )
        assert (bob.user_id, bob.started, bob.length, bob.ended, bob.events) == ("bob", MONDAY + 60, 75, True, 2)
        assert {one.game_key for one in (ann, bob)} == {KEY}
        assert newest(database, 1) == [ann]
        assert [going(database, MONDAY + at) for at in (0, 150, 151)] == [1, 1, 0]


@pytest.mark.e2e
def test_a_session_with_a_critical_error_crashed(tmp_path: Path) -> None:
    """Only that one; its state is shown as such."""
    log, story = tmp_path / "events.sqlite3", Story()
    bad = story.session("ann", MONDAY).error(5, "critical", "x")
    story.session("bob", MONDAY).error(5, "error", "x")
    store_events(log, [(MONDAY + 6, story.events)])
    bad.end(10)
    store_events(log, [(MONDAY + 11, story.events[-1:])])
    with projected(log) as database:
        found = newest(database)
    assert {one.user_id: one.crashed for one in found} == {"ann": True, "bob": False}
    states = {one.user_id: row_of_session(one, MONDAY + 12)["cells"][5] for one in found}
    assert states == {"ann": "crashed", "bob": "still playing"}


def write_old_file(path: Path, version: int) -> list[Event]:
    """Write a file as a collector of that version left it; return its events."""
    story = Story(version)
    session = story.session("ann", MONDAY, session_num=version).level(1, "Start", "a:10")
    session.level(2, "Complete", "a:10", attempt_num=1).error(3, "critical", "x")
    events = story.events
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        for added in schema._VERSIONS[:version]:
            db.executescript(added)
        db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {version}")
        db.execute("INSERT INTO games VALUES (1, ?)", (KEY,))
        db.execute("INSERT INTO totals VALUES (1, 'design', 4, 0, 0)")
        columns = "game_id, session_id, started, latest, received_at, events"
        db.execute(f"INSERT INTO sessions ({columns}) VALUES (1, 's', 1, 2, 3, 4)")
        columns = "game_id, level, starts, fails, completes, attempts, attempted"
        db.execute(f"INSERT INTO levels ({columns}) VALUES (1, 'a:10', 1, 0, 1, 1, 1)")
        if version < 3:
            rows = [(one["category"], one["event_uuid"], json.dumps(one)) for one in events]
            columns = "game_id, received_at, category, event_uuid, json"
            db.executemany(f"INSERT INTO events ({columns}) VALUES (1, {MONDAY + 9}, ?, ?, ?)", rows)
        else:
            row = (len(events), MONDAY + 9, ",".join(one["category"] for one in events), json.dumps(events).encode())
            db.execute("INSERT INTO batches VALUES (4, ?, 1, ?, ?, ?)", row)
    return events


@pytest.mark.e2e
@pytest.mark.parametrize("version", range(1, schema.COLLECTOR_SCHEMA_VERSION))
def test_an_older_file_is_taken_over_without_its_rollups(tmp_path: Path, version: int) -> None:
    """Its events, counts and doubles stay; sessions and levels come from the events."""
    path = tmp_path / "events.sqlite3"
    events = write_old_file(path, version)
    Store(path).close()
    store_events(path, [(MONDAY + 20, events[:1])])  # sent again: known as stored
    with contextlib.closing(sqlite3.connect(path)) as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
        assert tables >= {"batches", "rejected", "totals", "seen", "trophy_users"}
        assert not {name for name in tables if name.startswith(("sessions", "levels", "events"))}
        assert db.execute("PRAGMA user_version").fetchone() == (schema.COLLECTOR_SCHEMA_VERSION,)
    with contextlib.closing(Queries(path)) as queries:
        assert [json.loads(line) for line in queries.stored()] == events
        assert (queries.totals()["accepted"], queries.totals()["duplicates"]) == ({"design": 4}, 1)
    with projected(path) as database:
        (session,) = newest(database)
        assert (session.session_num, session.events, session.crashed) == (version, 4, True)
        (level,) = ask(database, "levels")
        assert (level.level, level.starts, level.completes) == ("a:10", 1, 1)
