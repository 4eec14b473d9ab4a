"""The pytest fixture `ga` for tests of games: time, focus, quit, assertions, snapshot."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pygame
import pytest

import ga_pygame
from ga_pygame.testing.game_test import GameTest

pytest_plugins = ["pytester"]


@pytest.fixture
def ga() -> Iterator[GameTest]:
    """The fixture's object, without the plugin around it."""
    with contextlib.closing(GameTest()) as test:
        yield test


def play(tracker: ga_pygame.Tracker) -> None:
    tracker.progression.start("forest", "1")
    tracker.progression.complete("forest", "1", score=5)


def test_sessions_have_the_players_lengths(ga: GameTest) -> None:
    """Frames and waiting count, the time without focus does not, and a long one ends the session."""
    play(ga.tracker)
    ga.frames(60)
    ga.wait(10)
    ga.focus_lost(5)
    ga.wait(2)
    ga.focus_lost(25)
    ga.wait(3)
    ga.quit()
    ends = [event["length"] for event in ga.events if event["category"] == "session_end"]
    assert ends == [13, 3]
    ga.assert_valid_stream()


def test_a_window_of_the_game_changes_nothing(ga: GameTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its focus is the machine's, which the test does not control: with the dummy driver it always has it."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame.display.quit()
    pygame.display.init()
    pygame.display.set_mode((32, 32))
    play(ga.tracker)
    ga.wait(11)
    ga.focus_lost(25)
    ga.wait(3)
    ga.quit()
    pygame.display.quit()
    assert [event["length"] for event in ga.events if event["category"] == "session_end"] == [11, 3]


def test_nothing_is_logged(ga: GameTest, caplog: pytest.LogCaptureFixture) -> None:
    """That events stay in memory is meant so: a failing test does not show it as a fault of the machine."""
    ga.tracker.design("kill:slime")
    ga.wait(1)
    assert caplog.text == ""


def test_an_event_is_found_by_its_fields(ga: GameTest) -> None:
    """Those that are not named may have any value; of custom fields only the named ones count."""
    ga.tracker.design("boss", value=3, fields={"weapon": "bow", "lives": 2})
    play(ga.tracker)
    assert ga.assert_event("design", custom_fields={"lives": 2})["value"] == 3
    assert ga.assert_event("progression", "Complete:forest:1", score=5)["attempt_num"] == 1
    for wrong in ({"category": "design", "value": 4}, {"category": "design", "custom_fields": {"lives": 3}}):
        with pytest.raises(AssertionError):
            ga.assert_event(**wrong)


def test_the_message_shows_the_nearest_events(ga: GameTest) -> None:
    """As a difference, the nearest one first."""
    play(ga.tracker)
    with pytest.raises(AssertionError) as raised:
        ga.assert_event("progression", "Complete:forest:2", score=6)
    lines = str(raised.value).splitlines()
    assert lines[0].startswith("no event ")
    changed = [line for line in lines if line[:2] in ("- ", "+ ")]
    assert changed[:4] == [
        '- "event_id": "Complete:forest:2",',
        '- "score": 6',
        '+ "event_id": "Complete:forest:1",',
        '+ "score": 5',
    ]


def test_a_stream_that_makes_no_sense(ga: GameTest) -> None:
    """A Complete without a Start, and an event that the service would refuse, each with its reason."""
    ga.assert_valid_stream()
    ga.tracker.progression.start("forest", "1")
    ga.tracker.flush()
    ga.events.append({})  # a copy
    ga.assert_valid_stream()
    found = ga._received.events
    good = ga.assert_event("progression")
    found.append({**good, "event_id": "Complete:sea:1"})
    found.append({**good, "event_id": "Start:a:b:c:d"})
    with pytest.raises(AssertionError, match="Complete:sea:1: there is no Start before it") as raised:
        ga.assert_valid_stream()
    assert "Start:a:b:c:d: event_id" in str(raised.value)


def test_a_snapshot_is_the_same_each_time() -> None:
    """Ids, the machine and the hour do not show."""
    texts = []
    for _ in range(2):
        with contextlib.closing(GameTest()) as ga:
            play(ga.tracker)
            ga.wait(2.5)
            ga.quit()
            texts.append(ga.snapshot())
    assert texts[0] == texts[1]
    lines = [json.loads(line) for line in texts[0].splitlines()]
    assert [one["category"] for one in lines] == ["user", "progression", "progression", "session_end"]
    assert (lines[-1]["session_id"], lines[-1]["client_ts"], lines[-1]["length"]) == ("session-1", 2, 2)


def test_a_wrong_call_fails_the_test(ga: GameTest) -> None:
    """Unless the game asks for another behaviour; the knobs of the game are those of the tracker."""
    with pytest.raises(ga_pygame.InvalidEvent):
        ga.tracker.design("")
    assert ga.make_tracker(build="7") is ga.tracker
    with contextlib.closing(GameTest()) as other:
        tracker = other.make_tracker(build="7", strict=False, game_key="x" * 32, data_dir="/nowhere")
        assert (tracker.config.build, tracker.config.strict, tracker.config.game_key) == ("7", False, None)
    with contextlib.closing(GameTest()) as other, pytest.raises(TypeError, match="no knob"):
        other.make_tracker(bild="7")


def test_all_events_are_there(ga: GameTest) -> None:
    """However many came since the last look."""
    for number in range(3000):
        ga.tracker.design(f"made:{number % 500}", value=number)
    values = [event["value"] for event in ga.events if event["category"] == "design"]
    assert values == list(range(3000))
    with pytest.raises(AssertionError, match="among 3001"):
        ga.assert_event("design", "made:x", value=1)


def test_a_wanted_value_may_be_anything(ga: GameTest) -> None:
    """Such as an approximate number; the message shows it."""
    ga.tracker.design("boss", value=0.1 + 0.2)
    ga.assert_event("design", value=pytest.approx(0.3))
    with pytest.raises(AssertionError, match=r"approx|0\.4"):
        ga.assert_event("design", value=pytest.approx(0.4))
    with pytest.raises(AssertionError, match="object at"):
        ga.assert_event("design", value=object())


def test_a_second_tracker_is_the_first_one(ga: GameTest) -> None:
    """A game that makes one in each scene has one tracker all the same."""
    ga.adopt(second := ga_pygame.Tracker.__new__(ga_pygame.Tracker))
    assert second is ga.make_tracker()
    ga.adopt(third := ga_pygame.Tracker.__new__(ga_pygame.Tracker))
    third.start()
    third.design("played")
    del third
    ga.assert_event("design", "played")


GAME = """
import ga_pygame
from ga_pygame import Tracker as Named

class OwnTracker(Named):
    def __init__(self, **knobs):
        super().__init__(**{"build": "own", **knobs})

def play_with_own(tracker: Named | None = None):
    with OwnTracker(game_key="x") as tracker:
        assert isinstance(tracker, ga_pygame.Tracker)
        tracker.design("own")

def play_with_named():
    tracker = Named(build="named")
    tracker.start()
    tracker.design("named")

def play():
    tracker = ga_pygame.Tracker(build="1.2")
    tracker.start()
    tracker.design("played")
"""
TESTS = """
import sys
import my_game

def test_it(ga):
    my_game.play()
    ga.assert_event("design", "played", build="1.2")

def test_another_name(ga):
    my_game.play_with_named()
    ga.assert_event("design", "named", build="named")

def test_a_subclass(ga):
    my_game.play_with_own()
    ga.assert_event("design", "own", build="own")
    ga.assert_valid_stream()

def test_wrong_arguments(ga):
    import pytest
    with pytest.raises(TypeError, match="keywords only"):
        my_game.Named("key")

def test_anew(ga):
    assert not [event for event in ga.events if event["category"] == "design"]
"""


@pytest.mark.e2e
def test_the_plugin(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A game that makes its own tracker is tested; without the fixture the package is not even imported."""
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("GA_PYGAME_DATA_DIR")
    pytester.makepyfile(my_game=GAME, test_game=TESTS)
    plugin = ("-p", "_ga_pygame_pytestplugin", "-p", "no:cacheprovider")
    pytester.runpytest_subprocess(*plugin).assert_outcomes(passed=5)
    assert not home.exists()
    pytester.makepyfile(test_game="import sys\n\ndef test_it():\n    assert 'ga_pygame' not in sys.modules\n")
    pytester.runpytest_subprocess(*plugin).assert_outcomes(passed=1)
