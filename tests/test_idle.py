"""`ga_pygame.current()` if no tracker runs."""

from __future__ import annotations

import gc

import pytest

import ga_pygame
from ga_pygame import Tracker, active, idle
from tests.test_tracker import World, world

__all__ = ["world"]


def test_a_menu_may_report_before_the_tracker_starts(world: World) -> None:
    """A module that runs before `start()` needs no check: its event is sent with the others."""
    tracker = world.launch()
    ga_pygame.current().design("menu:opened")
    tracker.start()
    tracker.close()
    assert world.ids == ["user", "menu:opened", "session_end"]


def test_what_is_reported_after_close_is_counted_and_said(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Once, with the line of the game."""
    tracker = world.start(strict=False)
    tracker.close()
    for _ in range(3):
        ga_pygame.current().design("late")
    assert tracker.stats.dropped == {"not_running": 3}
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    assert said[0].startswith(f"{__file__}:")
    assert "event dropped (not_running): no tracker runs" in said[0]


@pytest.mark.e2e
def test_there_is_one_where_none_was_ever_made(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A game whose main module makes no tracker does not crash: calls are counted, and one line says so."""
    monkeypatch.setattr(active, "_expected", ())
    monkeypatch.setattr(active, "_running", ())
    monkeypatch.setattr(idle, "_idle", None)
    none = ga_pygame.current()
    assert isinstance(none, Tracker)
    assert ga_pygame.current() is none
    for _ in range(2):
        none.design("menu:opened")
        with none.progression.attempt("forest") as attempt:
            attempt.complete(score=3)
        none.fields["seed"] = 1
        assert none.flush().wait(0) is not None
        none.tick()
    none.start()
    none.close()
    assert none.stats.dropped == {"not_running": 6}
    said = [record.getMessage() for record in caplog.records]
    assert ["no tracker runs" in text for text in said] == [True, False]
    assert said[1].startswith("start() after close() does nothing")
    del none
    gc.collect()
