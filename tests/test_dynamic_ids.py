"""Warnings for ids that change with every event: once per pattern, with the line of the game, in development only."""

from __future__ import annotations

import inspect
import sys
import uuid

import pytest

from ga_pygame import Tracker
from ga_pygame.dynamic_ids import MANY_LEVELS, MANY_NUMBERS, MAX_NUMBERED_PATTERNS
from tests.test_tracker import World, world
from tests.test_who_plays import COLLECTOR

__all__ = ["world"]

WORDS = "counts for its limit of unique values"


@pytest.fixture
def tracker(world: World, caplog: pytest.LogCaptureFixture) -> Tracker:
    tracker = world.start(collector=COLLECTOR)
    caplog.clear()
    return tracker


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the ids that the log warned of since the last call."""
    found = [record.getMessage() for record in caplog.records if WORDS in record.getMessage()]
    caplog.clear()
    return [message.split("'")[1] for message in found]


@pytest.mark.parametrize(
    ("event_id", "pattern"),
    [
        (f"kill:{uuid.UUID(int=7)}", "kill:<uuid>"),
        (f"kill:{uuid.UUID(int=7).hex}:slime_3", "kill:<uuid>:slime_<number>"),
        ("start:2026-11-28", "start:<time>"),
        ("start:2026-11-28T05:22:54:x", "start:<time>:x"),
        ("start:1760000000", "start:<time>"),
        ("start:t1760000000123", "start:t<time>"),
        ("damage:slime:4812", "damage:slime:<number>"),
        ("position:-12.75", "position:<number>"),
    ],
)
@pytest.mark.requirement("002:design-dynamic")
def test_what_can_only_change_is_told_at_once(
    tracker: Tracker, caplog: pytest.LogCaptureFixture, event_id: str, pattern: str
) -> None:
    """A UUID, a time and an amount, once per pattern, with the line that reported it; the event is recorded."""
    for _ in range(2):
        tracker.design(event_id)
        tracker.design(event_id.replace("7", "8").replace("4", "5"))
    frame = inspect.currentframe()
    assert frame is not None
    line = frame.f_lineno - 4
    assert f"{__file__.rpartition('/')[2]}:{line}" in caplog.text
    assert told(caplog) == [pattern]
    assert tracker.stats.recorded == 5  # with `user`
    assert not tracker.stats.dropped


@pytest.mark.requirement("002:design-dynamic")
def test_numbers_are_told_when_there_are_many(tracker: Tracker, caplog: pytest.LogCaptureFixture) -> None:
    """Numbered things are usual until there are too many of one pattern; levels may be as many as the service takes."""
    for number in range(MANY_NUMBERS - 1):
        tracker.design(f"wave_{number}:won")
        tracker.resource.source("gold", 1, "pickup", f"coin {number}")
        tracker.business("USD", 99, "pack", f"v{number}")
    assert not told(caplog)
    for number in range(MANY_NUMBERS, MANY_LEVELS):
        tracker.design(f"wave_{number}:won")
        tracker.wallet("gold").spend(1, "pickup", f"coin {number}")
        tracker.business("USD", 99, "pack", f"v{number}")
        tracker.progression.start("forest", str(number))
        tracker.progression.complete()
    assert told(caplog) == ["wave_<number>:won", "gold:pickup:coin <number>", "pack:v<number>"]
    for number in range(MANY_LEVELS):
        tracker.progression.start("forest", str(number))
    assert told(caplog) == ["forest:<number>"]


def test_usual_ids_are_not_told(tracker: Tracker, caplog: pytest.LogCaptureFixture) -> None:
    """Names with numbers, versions and long words are no UUIDs, times or amounts."""
    for event_id in ("level_1:boss_2", "update:1.2", "menu:F12", "skin:deadbeef", "year:26", "world:1-2", "a:b:c:d:e"):
        tracker.design(event_id, 1760000000)
    tracker.error("error", "2026-11-28 1760000000")
    assert not told(caplog)


def test_patterns_without_end_are_bounded(tracker: Tracker, caplog: pytest.LogCaptureFixture) -> None:
    """Endless patterns cost no memory; those that are watched already are told still."""
    tracker.design("first:1")
    for number in range(2 * MAX_NUMBERED_PATTERNS):
        word = "".join(chr(97 + int(digit)) for digit in str(number))
        tracker.design(f"{word}:1")
    for number in range(MANY_NUMBERS):
        tracker.design(f"first:{number}")
        tracker.design(f"last:{number}")
    assert told(caplog) == ["first:<number>"]


def test_players_are_not_warned(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither an executable nor a game that sends to the service warns: nobody would read it."""
    world.start().design(f"kill:{uuid.UUID(int=7)}")
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    world.start(collector=COLLECTOR).design(f"kill:{uuid.UUID(int=7)}")
    assert not told(caplog)
