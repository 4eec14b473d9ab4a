"""A clock that moves in steps of 15.6 ms, as Windows' coarse one: lengths, order, commits and pacing hold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pygame
import pytest

from ga_pygame.delivery.writer import COMMIT_SECONDS
from ga_pygame.testing import ManualClock
from tests.test_tracker import World

STEP = 1 / 64
FRAME = 1 / 144
SECONDS = 25
FRAMES = SECONDS * 144 + 72
"""Half a second more: the length is in whole seconds, rounded down."""


class StepClock(ManualClock):
    """A clock whose readings move in steps, however far the time is."""

    def monotonic(self) -> float:
        return math.floor(super().monotonic() / STEP) * STEP


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    pygame.quit()
    made = World(tmp_path / "data")
    made.clock = StepClock()
    yield made
    for tracker in made.trackers:
        tracker.close()


@pytest.mark.e2e
def test_a_game_at_144_frames_a_second(world: World) -> None:
    """Two of three frames have the time of the one before; nothing is reordered, late, or counted as a long frame."""
    tracker = world.start(hitch_ms=50)
    uploads: list[float] = []
    waits: list[int] = []
    tracker.progression.start("forest")
    for frame in range(FRAMES):
        world.clock.advance(FRAME, cpu=FRAME / 2)
        if frame % 10 == 0:
            tracker.design(f"frame:{frame % 1000}", frame)
        before = len(world.requests)
        tracker.tick()
        if len(world.requests) > before:
            uploads.append(frame * FRAME)
        waits.append(tracker.stats.waiting)
    tracker.progression.complete("forest")
    tracker.close()
    designs = [event for event in world.sent if event["category"] == "design"]
    assert [event["value"] for event in designs] == list(range(0, FRAMES, 10))
    assert world.sent[-1]["category"] == "session_end"
    assert world.sent[-1]["length"] == SECONDS
    complete = world.sent[-2]
    assert complete["event_id"] == "Complete:forest"
    assert abs(complete["custom_fields"]["seconds"] - FRAMES * FRAME) <= 0.1
    assert "hitches" not in complete["custom_fields"]
    # a commit is due COMMIT_SECONDS after the last one; a reading is late by one step, its frame by another
    assert max(waits) <= math.ceil((COMMIT_SECONDS + 2 * STEP) / (10 * FRAME)) + 1
    assert [round(at) for at in uploads if at > 1] == [20]
