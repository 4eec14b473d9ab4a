"""The warehouse of a running collector is opened when it is needed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

from ga_pygame.collector.storage.reading import Reader
from ga_pygame.collector.storage.removal import forget_in_log
from ga_pygame.collector.storage.store import Store
from ga_pygame.collector.warehouse import running
from ga_pygame.collector.warehouse.asking import SqlEngine
from ga_pygame.collector.warehouse.database import Database, NotReady, Projected
from ga_pygame.collector.warehouse.filters import Filters
from ga_pygame.collector.warehouse.metrics import METRICS
from ga_pygame.collector.warehouse.projector import Projector
from ga_pygame.collector.warehouse.running import Warehouse
from tests.conftest import eventually
from tests.warehouse.golden import MONDAY, Story, golden_story, projected, store_story


class Running(NamedTuple):
    """A warehouse and its store, their files, the looks at the log, and what was told."""

    warehouse: Warehouse
    store: Store
    file: Path
    log: Path
    looks: list[bool]
    told: list[str]


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """The warehouse of an empty log, which is looked at often."""
    monkeypatch.setattr(running, "SECONDS_BETWEEN_LOOKS", 0.01)
    looks: list[bool] = []
    has_events = Projector.has_events

    def look(projector: Projector) -> bool:
        looks.append(has_events(projector))
        return looks[-1]

    monkeypatch.setattr(Projector, "has_events", look)
    log, file, told = tmp_path / "events.sqlite3", tmp_path / "events.duckdb", list[str]()
    with contextlib.closing(Store(log)) as store:
        warehouse = Warehouse(store, Database(file), lambda _, message: told.append(message))
        with contextlib.closing(warehouse):
            yield Running(warehouse, store, file, log, looks, told)
    assert told == []


def test_a_log_without_events_needs_no_warehouse(started: Running) -> None:
    """It is opened at the first event, without anybody who asks."""
    assert eventually(lambda: len(started.looks) >= 3)
    assert not started.file.exists()
    started.warehouse.drop_removed().result(10)
    assert not started.file.exists()
    story = Story()
    story.session("p1", MONDAY).end(5)
    store_story(started.log, story)
    assert eventually(lambda: started.warehouse.progress.done == len(story.events))
    assert started.file.exists()


def test_a_removed_player_costs_one_projection(started: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread sees in the log that a player was removed; whoever removed them asks for the same."""
    made: list[int] = []
    make_anew = Database.make_anew

    def make(database: Database, removals: int = 0) -> Projected:
        made.append(removals)
        return make_anew(database, removals)

    story = Story()
    for player in ("p1", "p2"):
        story.session(player, MONDAY).end(5)
    store_story(started.log, story)
    assert eventually(lambda: started.warehouse.progress.done == len(story.events))
    monkeypatch.setattr(Database, "make_anew", make)
    with contextlib.closing(Reader(started.log, started.store.generation)) as log:
        forget_in_log(started.store, log, "p1")
    assert eventually(lambda: made)
    started.warehouse.drop_removed().result(10)
    assert made == [1]
    assert started.warehouse.ask(lambda cursor: cursor.execute("SELECT user_id FROM players").fetchall()) == [("p2",)]


def test_the_first_question_opens_it(started: Running) -> None:
    """It waits for that, instead of an error."""
    assert eventually(lambda: started.looks)
    assert started.warehouse.answer(METRICS["levels"], Filters()) == []
    assert started.file.exists()


@pytest.mark.e2e
def test_damage_that_only_a_question_finds(tmp_path: Path) -> None:
    """The file is made anew, and the question can be asked again; nobody has to send an event first."""
    log, file, told = tmp_path / "events.sqlite3", tmp_path / "events.duckdb", list[str]()
    store_story(log, golden_story(30, 6))
    with projected(log, database=file) as database:
        expected = database.ask(count_events)
    let_it_rot(file)
    with (
        contextlib.closing(Store(log)) as store,
        contextlib.closing(Warehouse(store, Database(file), lambda _, message: told.append(message))) as warehouse,
    ):
        with pytest.raises(NotReady):
            warehouse.ask(count_events)
        assert eventually(lambda: answered(warehouse) == expected)
        assert [text for text in told if "is damaged and is made anew" in text] == told


def test_a_question_without_room_can_be_asked_again(started: Running) -> None:
    """A full disk or memory is no defect: the answer is to try later."""

    def lacks_room(cursor: SqlEngine) -> None:
        raise duckdb.OutOfMemoryException("failed to offload data block: No space left on device")

    with pytest.raises(NotReady, match="full"):
        started.warehouse.ask(lacks_room)
    assert started.warehouse.answer(METRICS["levels"], Filters()) == []


@pytest.mark.parametrize("act", ["make_anew", "open", "close"])
def test_a_file_is_closed_while_it_is_asked(tmp_path: Path, act: str) -> None:
    """The question ends and can be asked again; DuckDB alone would refuse to close the file, and leave it half open."""
    file = tmp_path / "events.duckdb"
    with contextlib.closing(Database(file)) as database, ThreadPoolExecutor(1) as pool:
        database.make_anew()
        begun = threading.Event()

        def ask_for_seconds(cursor: SqlEngine) -> None:
            begun.set()
            for _ in range(2):  # the second query is not asked any more when the first one has ended
                cursor.execute("SELECT count(*) FROM range(60000) a, range(60000) b WHERE a.range < b.range", {})

        asked = pool.submit(database.ask, ask_for_seconds)
        assert begun.wait(10)
        getattr(database, act)()
        with pytest.raises(NotReady):
            asked.result(10)
        if act != "close":
            assert database.ask(count_events) == [(0, None, 0)]
        database.close()
        with contextlib.closing(Database(file)) as other:  # nothing of the first one has it open
            assert other.open() is not None


def answered(warehouse: Warehouse) -> list[Any]:
    """Return the answer, or nothing while the file is made anew."""
    try:
        return warehouse.ask(count_events)
    except NotReady:
        return []


def count_events(cursor: SqlEngine) -> list[Any]:
    return cursor.execute("SELECT count(*), max(client_ts), count(DISTINCT name_key) FROM events", {}).fetchall()


def let_it_rot(file: Path) -> None:
    """Overwrite one block of a file that can still be opened, but not answer `count_events`."""
    good = file.read_bytes()
    for start in range(12_288, len(good), 262_144):
        file.write_bytes(good[:start] + b"\xff" * 4096 + good[start + 4096 :])
        try:
            with contextlib.closing(Database(file)) as database:
                database.open()
                with pytest.raises(duckdb.Error, match="checksum"):
                    database.ask(count_events)
        except (duckdb.Error, pytest.fail.Exception):
            continue
        return
    pytest.fail("no such block")
