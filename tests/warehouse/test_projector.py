"""The projection agrees with the log: event by event, after a crash, with a damaged file, with odd events."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ga_pygame.collector.storage.queries import Queries
from ga_pygame.collector.storage.reading import Reader
from ga_pygame.collector.storage.schema import SELECT_LAST_ID
from ga_pygame.collector.warehouse import database as opening
from ga_pygame.collector.warehouse import projector as projecting
from ga_pygame.collector.warehouse.database import Database
from ga_pygame.collector.warehouse.metrics import METRICS
from ga_pygame.collector.warehouse.projector import Projector
from tests.warehouse.golden import DAY, MONDAY, Story, ask, golden_story, projected, store_events, store_story


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A collector's file with 30 players."""
    path = tmp_path / "events.sqlite3"
    store_story(path, golden_story(30, 6))
    return path


class Projection:
    """A projector with what it told."""

    def __init__(self, log: Path, file: Path | None, timezone: str = "UTC") -> None:
        self.told: list[str] = []
        self.database = Database(file, timezone)
        self.reader = Reader(log, 0)
        self.projector = Projector(self.reader, self.database, lambda cause, message: self.told.append(message))

    def close(self) -> None:
        self.database.close()
        self.reader.close()


@contextlib.contextmanager
def projection(log: Path, file: Path | None, timezone: str = "UTC") -> Iterator[Projection]:
    with contextlib.closing(Projection(log, file, timezone)) as found:
        yield found


def in_the_log(path: Path) -> list[tuple[int, str]]:
    """Return id and category of each accepted event of the log."""
    with contextlib.closing(Queries(path)) as queries:
        found, after = [], 0
        while arrivals := queries.arrivals(after, 1000):
            found += [(one.id, one.category) for one in arrivals if not one.errors]
            after = arrivals[-1].id
        return found


def in_the_warehouse(database: Database) -> list[tuple[Any, ...]]:
    return database.ask(lambda cursor: cursor.execute("SELECT id, category FROM events ORDER BY id").fetchall())


def test_every_event_is_there_once_under_its_id(log: Path) -> None:
    """The same ids and categories, in one step or in many."""
    with projected(log) as database:
        assert in_the_warehouse(database) == in_the_log(log)


@pytest.mark.e2e
def test_steps_and_progress(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step projects a bounded number of events and returns 0 while there are more."""
    monkeypatch.setattr(projecting, "EVENTS_PER_TRANSACTION", 100)
    expected = in_the_log(log)
    with projection(log, None) as found:
        waits: list[float] = []
        dones: list[int] = []
        while not waits or not waits[-1]:
            waits.append(found.projector.step(0.0))
            dones.append(found.projector.progress.done)
        assert len(waits) > 3
        assert dones == sorted(dones)
        assert dones[0] < 200
        assert found.projector.progress == (len(expected), len(expected), 0)
        assert in_the_warehouse(found.database) == expected


class BusyLog(Reader):
    """A log that gets a request each time when its end is read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, 0)
        self._file = path
        self._stories = itertools.count(100)

    def execute(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> sqlite3.Cursor:
        if query == SELECT_LAST_ID:
            story = Story(next(self._stories))
            story.session("busy", MONDAY).end(5)
            store_story(self._file, story)
        return super().execute(query, values)


@pytest.mark.e2e
def test_a_log_that_grows_meanwhile_is_not_projected_without_a_pause(log: Path) -> None:
    """Each step has a fixed cost, so a few events that came during one wait for others."""
    with contextlib.closing(BusyLog(log)) as busy, contextlib.closing(Database(None)) as database:
        projector = Projector(busy, database, lambda cause, message: None)
        waits = [projector.step(0.0) for _ in range(3)]
        assert projector.progress.done < projector.progress.all
    assert waits == [projecting.SECONDS_BETWEEN_LOOKS] * 3


@pytest.mark.e2e
def test_many_transactions_give_the_same_figures(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept per player, session and level grows with each transaction; the figures are those of one."""
    with projected(log) as database:
        expected = {name: ask(database, name) for name in METRICS}
    monkeypatch.setattr(projecting, "EVENTS_PER_TRANSACTION", 20)
    with projected(log) as database:
        assert {name: ask(database, name) for name in METRICS} == expected
        kept = database.ask(lambda cursor: cursor.execute(KEPT_TWICE).fetchone())
    assert kept == (0, 0, 0, 0)


KEPT_TWICE = """
SELECT (SELECT count(*) - count(DISTINCT (player, game, context, day, hour)) FROM presence),
    (SELECT count(*) - count(DISTINCT (player, game, context, day, name_key)) FROM visits),
    (SELECT count(*) - count(DISTINCT (player, game, context, day, currency)) FROM balances),
    (SELECT count(*) - count(DISTINCT (game, session_id)) FROM sessions)
"""


@pytest.mark.e2e
def test_sets_of_players_are_lists_if_they_are_too_large(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strings of bits, which need memory for all players, lists, and sets for one player after the other are alike."""
    with projected(log) as database:
        expected = {name: ask(database, name) for name in METRICS}
        assert database.ask(lambda transaction: len(transaction.parts)) == 1
    monkeypatch.setattr(opening, "MAX_BYTES_OF_SETS", 0)
    monkeypatch.setattr(opening, "MAX_BYTES_OF_PART", 0)
    with projected(log) as database:
        assert database.ask(lambda transaction: len(transaction.parts)) > 1
        assert "list" in database.ask(lambda cursor: cursor.execute(PLAYER_SET).fetchall())[0][0]
        assert {name: ask(database, name) for name in METRICS} == expected


PLAYER_SET = "SELECT macro_definition FROM duckdb_functions() WHERE lower(function_name) = 'playerset'"


@pytest.mark.e2e
def test_sets_grow_with_the_players(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Players beyond the first 1,024 are counted, whether they come in one transaction or later."""
    path = tmp_path / "events.sqlite3"
    story = Story()
    for number in range(1_500):
        story.session(f"p{number}", MONDAY + number).level(1, "Start", "one").level(2, "Complete", "one").design(
            3, "a:b"
        )
    store_story(path, story)
    monkeypatch.setattr(projecting, "EVENTS_PER_TRANSACTION", 1_000)
    with projected(path) as database:
        ((level,), nodes) = ask(database, "levels"), ask(database, "design")
    assert (level.players, level.completers) == (1_500, 1_500)
    assert [node.players for node in nodes] == [1_500, 1_500]


@pytest.mark.e2e
def test_it_goes_on_where_it_was(log: Path, tmp_path: Path) -> None:
    """After a restart only what is new is projected."""
    file = tmp_path / "events.duckdb"
    with projected(log, database=file):
        pass
    more = Story(99)
    more.session("late", MONDAY + 9 * DAY).design(1, "a").end(5)
    store_story(log, more)
    with projection(log, file) as found:
        found.projector.run_to_end()
        assert found.told == []
        assert in_the_warehouse(found.database) == in_the_log(log)
        assert len(in_the_warehouse(found.database)) > 4


@pytest.mark.e2e
def test_a_kill_within_a_transaction_loses_and_doubles_nothing(log: Path, tmp_path: Path) -> None:
    """The last id is committed with the rows: what was not committed is projected again."""
    file = tmp_path / "events.duckdb"
    with projection(log, file) as found:
        found.projector.step(0.0)
        connection = found.database.writer
        connection.begin()
        connection.execute("DELETE FROM design_events")
        connection.execute("UPDATE state SET last_id = 0")
    with projection(log, file) as found:
        found.projector.run_to_end()
        assert in_the_warehouse(found.database) == in_the_log(log)


@pytest.mark.e2e
@pytest.mark.parametrize("content", [b"", b"not a database", b"\0" * 20_000], ids=["empty", "text", "zeros"])
def test_a_damaged_file_is_made_anew(log: Path, tmp_path: Path, content: bytes) -> None:
    """The log has everything."""
    file = tmp_path / "events.duckdb"
    file.write_bytes(content)
    with projection(log, file) as found:
        found.projector.run_to_end()
        assert in_the_warehouse(found.database) == in_the_log(log)


@pytest.mark.e2e
def test_bytes_that_rot_within_the_file(log: Path, tmp_path: Path) -> None:
    """A file whose middle is overwritten is made anew as soon as it cannot be read."""
    file = tmp_path / "events.duckdb"
    with projected(log, database=file):
        pass
    data = bytearray(file.read_bytes())
    data[4096:12288] = b"\xff" * 8192
    file.write_bytes(bytes(data))
    with projection(log, file) as found:
        found.projector.run_to_end()
        assert in_the_warehouse(found.database) == in_the_log(log)


@pytest.mark.e2e
def test_another_time_zone_version_or_log_is_made_anew(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figures of a file belong to one log, one zone of days and one version of the tables."""
    file = tmp_path / "events.duckdb"
    with projected(log, database=file) as database:
        utc = [row.time for row in ask(database, "overview")]
    with projected(log, "Asia/Tokyo", file) as database:
        assert database.ask(lambda cursor: cursor.execute("SELECT timezone FROM state").fetchone()) == ("Asia/Tokyo",)
        assert in_the_warehouse(database) == in_the_log(log)
        assert [row.time for row in ask(database, "overview")] != utc
    other = tmp_path / "other.sqlite3"
    store_story(other, golden_story(20, 5))
    with projected(other, "Asia/Tokyo", file) as database:
        assert in_the_warehouse(database) == in_the_log(other)
    monkeypatch.setattr("ga_pygame.collector.warehouse.database.WAREHOUSE_VERSION", 999)
    with projected(other, "Asia/Tokyo", file) as database:
        assert database.ask(lambda cursor: cursor.execute("SELECT schema_version FROM state").fetchone()) == (999,)
        assert in_the_warehouse(database) == in_the_log(other)


@pytest.mark.e2e
def test_a_new_file_of_the_store_is_followed(log: Path) -> None:
    """The log was deleted and begun anew: so is the warehouse."""
    with projection(log, None) as found:
        found.projector.run_to_end()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{log}{suffix}").unlink(missing_ok=True)
        story = Story(5)
        story.session("new", MONDAY).end(3)
        store_story(log, story)
        found.projector.follow(1)
        found.projector.run_to_end()
        assert in_the_warehouse(found.database) == in_the_log(log) == [(1, "user"), (2, "session_end")]


OF_AN_SDK = {"sdk_version": "javascript 5.0.0"}
"""The mark of an event that may break what only the REST document demands."""
ODD: dict[str, dict[str, Any]] = {
    "nan": {"category": "design", "event_id": "a", "value": None},
    "nested fields": {
        "category": "design",
        "event_id": "a",
        "ads": {"a": [1, {"b": None}]},
        "configurations": {"x": 1},
    },
    "any ab": {"category": "design", "event_id": "a", "ab_id": {"a": 1}, "ab_variant_id": [1, 2]},
    "quotes": {"category": "design", "event_id": "a", "user_id": "'; DROP TABLE events; --", "build": '"\\'},
    "far": {"category": "design", "event_id": "a", "client_ts": 99_999_999_999},
    "early": {"category": "design", "event_id": "a", "client_ts": 1_000_000_000},
    "no time": {"category": "design", "event_id": "a", "client_ts": None, **OF_AN_SDK},
    "large numbers": {"category": "design", "event_id": "a", "value": 1e308, "session_num": 2**62},
    "huge attempt": {"category": "progression", "event_id": "Fail:a", "attempt_num": 2**53, "score": -1e300},
    "emoji": {"category": "error", "severity": "error", "message": "\U0001f525\u2028\0 \ud7ff"},
    "no uuid": {"category": "design", "event_id": "a", "event_uuid": None},
    "a sink that is positive": {"category": "resource", "event_id": "Sink:gold:a:b", "amount": 5, **OF_AN_SDK},
    "ads": {
        "category": "ads",
        "ad_action": "clicked",
        "ad_type": "rewarded_video",
        "ad_sdk_name": "日本",
        "ad_placement": "x" * 64,
        "ad_duration": 0,
    },
    "troubleshooting": {"category": "troubleshooting", "what": {"ever": [1]}},
    "impression": {"category": "impression", "ad_network_name": "x", "impression_data": {"publisher_revenue": 0.1}},
    "sdk_init": {"category": "sdk_init", "is_first_sdk_init": True, "app_boot_time": 5},
    "health": {"category": "health", "fps_data_table": [0] * 121, "fps": 1e308},
    "sdk_error": {
        "category": "sdk_error",
        "error_category": "http",
        "error_area": "",
        "user_id": None,
        "session_id": None,
        "session_num": None,
        "client_ts": None,
    },
    "odd who": {"category": "design", "event_id": "a", "custom_fields": {"ga_who": 7, "seconds": "long"}},
    "empty texts": {"category": "design", "event_id": "a", "build": "", "manufacturer": "", "device": ""},
    "same name in capitals": {"category": "design", "event_id": "a", "Event_Id": "b", "BUILD": "x", "id": 5, "game": 9},
}


@pytest.mark.e2e
def test_odd_events_stop_nothing(tmp_path: Path) -> None:
    """What other SDKs send is projected, each among usual events, and every metric can be asked."""
    log = tmp_path / "events.sqlite3"
    story, requests = Story(), []
    for odd in ODD.values():
        begun = len(story.events)
        session = story.session("ann", MONDAY).design(1, "before")
        story.events.append({**story.events[begun], "event_uuid": story.new_id(), **odd})
        session.design(2, "after")
        requests.append((MONDAY + 50.25, story.events[begun:]))
    store_events(log, requests)
    names = [name for name, (_, events) in zip(ODD, requests, strict=True) for _ in events]
    with projection(log, None) as found:
        found.projector.run_to_end()
        stored, kept = in_the_log(log), in_the_warehouse(found.database)
        assert {names[number - 1] for number, _ in set(stored) ^ set(kept)} == set()
        assert kept == stored
        assert found.projector.progress.left_out == 0
        for metric in METRICS:
            ask(found.database, metric)


@pytest.mark.e2e
@pytest.mark.parametrize("at_once", [20, projecting.EVENTS_PER_TRANSACTION])
def test_a_damaged_request_is_left_out_and_counted(log: Path, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """The requests beside it are projected, and the developer hears of it; also if it was loaded ahead."""
    monkeypatch.setattr(projecting, "EVENTS_PER_TRANSACTION", at_once)
    with contextlib.closing(sqlite3.connect(log)) as db:
        (damaged, number) = db.execute("SELECT id, number FROM batches ORDER BY id LIMIT 1 OFFSET 2").fetchone()
        with db:
            db.execute("UPDATE batches SET body = CAST('[{]' AS BLOB) WHERE id = ?", (damaged,))
    with projection(log, None) as found:
        found.projector.run_to_end()
        assert in_the_warehouse(found.database) == [
            one for one in in_the_log(log) if not damaged - number < one[0] <= damaged
        ]
        assert found.projector.progress.left_out == number
        assert len(found.told) == 1


@pytest.mark.e2e
def test_a_name_that_occurs_twice_in_an_event(tmp_path: Path) -> None:
    """DuckDB refuses such JSON; the last value counts, as in the collector's checks."""
    log = tmp_path / "events.sqlite3"
    story = Story()
    story.session("ann", MONDAY).design(1, "first", build="1.0").end(5)
    store_story(log, story)
    with contextlib.closing(sqlite3.connect(log)) as db, db:
        (body,) = db.execute("SELECT body FROM batches").fetchone()
        twice = body.replace(b'"event_id": "first"', b'"event_id": "first", "event_id": "second"')
        assert twice != body
        db.execute("UPDATE batches SET body = ?", (twice,))
    with projection(log, None) as found:
        found.projector.run_to_end()
        assert found.told == []
        assert in_the_warehouse(found.database) == in_the_log(log)
        names = found.database.ask(lambda cursor: cursor.execute("SELECT name FROM names").fetchall())
        assert names == [("second",)]


@pytest.mark.e2e
def test_one_event_that_cannot_be_projected(log: Path) -> None:
    """Of a request with an event that is no object, only that one is left out."""
    with contextlib.closing(sqlite3.connect(log)) as db:
        ((last, game),) = db.execute("SELECT max(id), max(game_id) FROM batches").fetchall()
        body = b'[{"category":"user","user_id":"x"},7,{"category":"cooking"},{"category":"user","user_id":"y"}]'
        with db:
            db.execute("INSERT INTO batches VALUES (?, 4, ?, ?, 'user', ?)", (last + 4, game, MONDAY + 99 * DAY, body))
    with projection(log, None) as found:
        found.projector.run_to_end()
        assert found.projector.progress.left_out == 2
        assert [one for one, _ in in_the_warehouse(found.database)][-3:] == [last, last + 1, last + 4]


@pytest.mark.e2e
def test_damage_that_shows_later(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that opens but fails again and again when it is used is made anew."""
    damage = duckdb.IOException("Corrupt database file: computed checksum does not match stored checksum")

    def fail(*_: object) -> None:
        raise damage

    with projection(log, tmp_path / "events.duckdb") as found:
        found.projector.run_to_end()
        for table in opening.EVENT_TABLES:
            found.database.writer.execute(f"DELETE FROM {table}")
        monkeypatch.setattr(Projector, "_next", fail)
        for _ in range(projecting.MAX_DAMAGED_TRIES):
            assert in_the_warehouse(found.database) == []
            assert found.projector.step(0.0) == projecting.SECONDS_AFTER_TROUBLE
        monkeypatch.undo()
        found.projector.run_to_end()
        assert in_the_warehouse(found.database) == in_the_log(log)


@pytest.mark.e2e
def test_a_file_that_another_program_has_open(log: Path, tmp_path: Path) -> None:
    """It is not deleted; the projection says so and tries again later."""
    file = tmp_path / "events.duckdb"
    file.mkdir()
    with projection(log, file) as found:
        assert found.projector.step(0.0) == projecting.SECONDS_AFTER_TROUBLE
        assert found.told
        file.rmdir()
        found.projector.run_to_end()
        assert in_the_warehouse(found.database) == in_the_log(log)
