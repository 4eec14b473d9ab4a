"""The warehouse of a running collector is opened when it is needed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ga_pygame.collector.storage.store import Store
from ga_pygame.collector.warehouse import running
from ga_pygame.collector.warehouse.database import Database
from ga_pygame.collector.warehouse.filters import Filters
from ga_pygame.collector.warehouse.metrics import METRICS
from ga_pygame.collector.warehouse.projector import Projector
from ga_pygame.collector.warehouse.running import Warehouse
from tests.conftest import eventually
from tests.warehouse.golden import MONDAY, Story, store_story


class Running(NamedTuple):
    """A warehouse, its file and the log's, the looks at the log, and what was told."""

    warehouse: Warehouse
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
            yield Running(warehouse, file, log, looks, told)
    assert told == []


def test_a_log_without_events_needs_no_warehouse(started: Running) -> None:
    """It is opened at the first event, without anybody who asks."""
    assert eventually(lambda: len(started.looks) >= 3)
    assert not started.file.exists()
    started.warehouse.make_anew().result(10)  # what forgets a player asks for it
    assert not started.file.exists()
    story = Story()
    story.session("p1", MONDAY).end(5)
    store_story(started.log, story)
    assert eventually(lambda: started.warehouse.progress.done == len(story.events))
    assert started.file.exists()


def test_the_first_question_opens_it(started: Running) -> None:
    """It waits for that, instead of an error."""
    assert eventually(lambda: started.looks)
    assert started.warehouse.answer(METRICS["levels"], Filters()) == []
    assert started.file.exists()
