"""The time in a level: the seconds of focus that a Fail and a Complete carry."""

from __future__ import annotations

from typing import Any

import pygame
import pytest

from ga_pygame import Tracker
from ga_pygame.rules import MAX_CUSTOM_FIELDS
from tests.test_tracker import World, world

__all__ = ["world"]


def last(world: World, event_id: str) -> dict[str, Any]:
    """Return the custom fields of the last event with this id."""
    found = [event for event in world.sent if event.get("event_id") == event_id]
    fields: dict[str, Any] = found[-1].get("custom_fields", {})
    return fields


def spend(world: World, tracker: Tracker, seconds: float) -> None:
    """Play for some seconds in one frame."""
    world.clock.advance(seconds, cpu=seconds)
    tracker.tick()


def leave(world: World, tracker: Tracker, seconds: float) -> None:
    """Use another window for some seconds."""
    tracker.process(pygame.event.Event(pygame.WINDOWFOCUSLOST))
    spend(world, tracker, seconds)
    tracker.process(pygame.event.Event(pygame.WINDOWFOCUSGAINED))
    tracker.tick()


@pytest.fixture
def tracker(world: World) -> Tracker:
    made = world.start()
    spend(world, made, 3.0)
    made.progression.start("forest", "level_1")
    return made


@pytest.mark.parametrize("end", ["complete", "fail"])
def test_the_end_of_an_attempt_says_how_long_it_took(world: World, tracker: Tracker, end: str) -> None:
    """One decimal, since its own Start; the Start and other events say nothing."""
    spend(world, tracker, 12.34)
    tracker.design("kill:slime")
    getattr(tracker.progression, end)(score=5, fields={"weapon": "bow"})
    tracker.close()
    assert last(world, f"{end.title()}:forest:level_1") == {"weapon": "bow", "seconds": 12.3}
    assert [event["category"] for event in world.sent if "custom_fields" in event] == ["progression"]


def test_a_pause_is_not_in_it(world: World, tracker: Tracker) -> None:
    """As in the session's length, which the same clock counts."""
    spend(world, tracker, 5.0)
    leave(world, tracker, 10.0)
    spend(world, tracker, 4.0)
    tracker.progression.complete()
    tracker.close()
    assert last(world, "Complete:forest:level_1") == {"seconds": 9.0}
    assert world.sent[-1]["length"] == 12


def test_an_attempt_in_two_sessions_counts_both(world: World, tracker: Tracker) -> None:
    """A pause that ended the session is not in it."""
    spend(world, tracker, 5.0)
    leave(world, tracker, 60.0)
    spend(world, tracker, 4.0)
    tracker.progression.complete()
    tracker.close()
    assert last(world, "Complete:forest:level_1") == {"seconds": 9.0}
    assert [event["length"] for event in world.sent if event["category"] == "session_end"] == [8, 4]


def test_the_laptops_sleep_is_not_in_it(world: World, tracker: Tracker) -> None:
    """It is a gap in which the process used no processor time."""
    spend(world, tracker, 5.0)
    world.clock.advance(7200.0)
    tracker.tick()
    spend(world, tracker, 1.0)
    tracker.progression.fail()
    tracker.close()
    assert last(world, "Fail:forest:level_1") == {"seconds": 6.0}


def test_a_fail_in_a_pause_ends_with_the_focus(world: World, tracker: Tracker) -> None:
    """A game that goes on in the background adds no time."""
    spend(world, tracker, 5.0)
    tracker.process(pygame.event.Event(pygame.WINDOWFOCUSLOST))
    spend(world, tracker, 10.0)
    tracker.progression.fail()
    tracker.close()
    assert last(world, "Fail:forest:level_1") == {"seconds": 5.0}


def test_an_attempt_that_is_left_has_its_time(world: World, tracker: Tracker) -> None:
    """The Fail that we add has it: at another Start, and when the player leaves."""
    spend(world, tracker, 5.0)
    tracker.progression.start("forest", "level_2")
    spend(world, tracker, 7.5)
    tracker.close()
    assert last(world, "Fail:forest:level_1") == {"seconds": 5.0}
    assert last(world, "Fail:forest:level_2") == {"seconds": 7.5}


def test_events_of_one_slice_have_their_own_times(world: World, tracker: Tracker) -> None:
    """The writer asks later, when the player may have paused."""
    for seconds in (1.0, 2.0, 3.0):
        world.clock.advance(seconds)
        tracker.progression.fail()
        tracker.progression.start("forest", "level_1")
    tracker.process(pygame.event.Event(pygame.WINDOWFOCUSLOST))
    world.clock.advance(1.0)
    tracker.close()
    ends = [event["custom_fields"]["seconds"] for event in world.sent if "custom_fields" in event]
    assert ends == [1.0, 2.0, 3.0, 0.0]


def test_a_level_without_a_start_has_none(world: World, tracker: Tracker) -> None:
    """Nobody knows when it began."""
    spend(world, tracker, 5.0)
    tracker.progression.complete("desert")
    tracker.progression.complete()
    tracker.progression.fail("forest", "level_1")
    tracker.close()
    assert last(world, "Complete:desert") == {}
    assert last(world, "Complete:forest:level_1") == {"seconds": 5.0}
    assert last(world, "Fail:forest:level_1") == {}


def test_the_games_own_seconds_win(world: World, tracker: Tracker) -> None:
    """Whether the call has them or all events."""
    tracker.progression.complete(fields={"seconds": 77})
    tracker.fields["seconds"] = 88
    tracker.progression.start("forest", "level_2")
    tracker.progression.complete()
    tracker.close()
    assert last(world, "Complete:forest:level_1") == {"seconds": 77}
    assert last(world, "Complete:forest:level_2") == {"seconds": 88}


def test_fifty_fields_have_no_room_for_it(world: World, tracker: Tracker) -> None:
    """The game's own fields stay, whoever has them; one less has room."""
    full = {f"f{number}": number for number in range(MAX_CUSTOM_FIELDS)}
    tracker.progression.complete(fields=full)
    tracker.fields = {name: number for name, number in full.items() if number < MAX_CUSTOM_FIELDS - 1}
    tracker.progression.start("a")
    tracker.progression.complete()
    tracker.progression.start("b")
    tracker.progression.complete(fields={"own": 1})
    tracker.close()
    assert last(world, "Complete:forest:level_1") == full
    assert last(world, "Complete:a") == {**tracker.fields, "seconds": 0.0}
    assert last(world, "Complete:b") == {**tracker.fields, "own": 1}


def test_it_can_be_turned_off(world: World) -> None:
    """For a game whose own field of that name means something else in some events only."""
    tracker = world.start(attempt_seconds=False)
    tracker.progression.start("a")
    spend(world, tracker, 5.0)
    tracker.progression.complete()
    tracker.close()
    assert last(world, "Complete:a") == {}


@pytest.mark.parametrize(("hitch_ms", "hitches"), [(100, 2), (2000, 1)])
def test_long_frames_are_counted_with_the_attempt(world: World, hitch_ms: float, hitches: int) -> None:
    """Those since its own Start; an attempt without any has no such field, so that most repeat each other."""
    tracker = world.start(hitch_ms=hitch_ms)
    spend(world, tracker, 4.0)
    tracker.progression.start("forest", "level_1")
    for seconds in (0.05, 1.0, 0.05, 3.0):
        spend(world, tracker, seconds)
    tracker.progression.fail()
    tracker.progression.start("forest", "level_1")
    spend(world, tracker, 0.09)
    tracker.progression.complete()
    tracker.close()
    assert last(world, "Fail:forest:level_1") == {"seconds": 4.1, "hitches": hitches}
    assert last(world, "Complete:forest:level_1") == {"seconds": 0.1}
