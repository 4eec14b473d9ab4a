"""The projection with a full disk, and with a log from which a player was removed."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from ga_pygame.collector.storage.reading import Reader
from ga_pygame.collector.storage.removal import forget_in_log
from ga_pygame.collector.storage.store import Store
from ga_pygame.collector.warehouse import projector as projecting
from tests.e2e.small_disk import disk, fill
from tests.warehouse import test_projector
from tests.warehouse.golden import MONDAY, Story, store_story
from tests.warehouse.test_projector import in_the_log, in_the_warehouse, projection

log = test_projector.log


@pytest.mark.e2e
def test_a_full_disk_costs_no_figures(log: Path, tmp_path: Path) -> None:
    """The figures so far are still answered, the progress says that events are missing, and a good file is kept."""
    with disk(tmp_path, 16) as small:
        file = small / "events.duckdb"
        with projection(log, file) as found:
            found.projector.run_to_end()
            before, made = in_the_warehouse(found.database), file.stat().st_ino
            filler = fill(small)
            late = Story()
            for number in range(3):
                late.session(f"late {number}", MONDAY).end(5)
            store_story(log, late)
            for _ in range(3):
                assert found.projector.step(0.0) == projecting.SECONDS_AFTER_TROUBLE
                assert in_the_warehouse(found.database) == before
            assert found.projector.progress.done == found.projector.progress.all - len(late.events)
        with projection(log, file) as found:
            for _ in range(3):
                assert found.projector.step(0.0) == projecting.SECONDS_AFTER_TROUBLE
            assert file.stat().st_ino == made
            assert not any("anew" in told for told in found.told)
            filler.unlink()
            found.projector.run_to_end()
            assert file.stat().st_ino == made
            assert in_the_warehouse(found.database) == in_the_log(log)


@pytest.mark.e2e
def test_a_player_removed_from_the_log_is_removed_here(log: Path, tmp_path: Path) -> None:
    """Also if the process that removed them ended before it could say so, or if it is another one."""
    file = tmp_path / "events.duckdb"
    with projection(log, file) as found:
        found.projector.run_to_end()
        users = found.database.ask(lambda cursor: cursor.execute("SELECT user_id FROM players").fetchall())
        with contextlib.closing(Store(log)) as store, contextlib.closing(Reader(log, 0)) as reader:
            assert forget_in_log(store, reader, users[0][0]).events
        found.projector.run_to_end()
        assert in_the_warehouse(found.database) == in_the_log(log)
        with contextlib.closing(Store(log)) as store, contextlib.closing(Reader(log, 0)) as reader:
            assert forget_in_log(store, reader, users[1][0]).events
    with projection(log, file) as found:
        found.projector.run_to_end()
        assert in_the_warehouse(found.database) == in_the_log(log)
