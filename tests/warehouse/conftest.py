"""The golden events, stored and projected once per process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ga_pygame.collector.warehouse.database import Database
from tests.warehouse.golden import Event, exported, golden_story, projected, store_story


@pytest.fixture(scope="session")
def golden_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collector's file with the golden events."""
    path = tmp_path_factory.mktemp("golden") / "events.sqlite3"
    store_story(path, golden_story())
    return path


@pytest.fixture(scope="session")
def golden_events(golden_file: Path) -> list[Event]:
    """The golden events as they are exported."""
    return exported(golden_file)


@pytest.fixture(scope="session")
def golden(golden_file: Path) -> Iterator[Database]:
    """The warehouse with the golden events."""
    with projected(golden_file) as database:
        yield database
