"""Games of other authors, with the three lines added at their beginning."""

from __future__ import annotations

import time

import pytest

from tests.collectors import Collector
from tests.e2e.conftest import Display, Play, kinds, lengths
from tests.e2e.moments import Span, now

THREE_LINES = """
    import ga_pygame
    tracker = ga_pygame.Tracker()
    tracker.start()

    import runpy
    runpy.run_module("pygame.examples.{name}", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("name", "title", "keys"),
    [
        ("aliens", "Pygame", ["Left", "space", "Right", "f", "f"]),
        ("sprite_texture", "FPS:", ["Left", "Up", "Right"]),
        ("eventlist", "Mouse", ["a", "h"]),
    ],
)
def test_three_lines(
    display: Display, play: Play, collector: Collector, neighbour: str, *, name: str, title: str, keys: list[str]
) -> None:
    """A game that ships with pygame-ce is recorded as it is: played, left for a moment, ended with its own key."""
    game = play(THREE_LINES.format(name=name))
    started = now()
    display.focus(title)
    for key in keys:
        display.press(key)
    display.focus(neighbour)
    display.focus(title)
    display.press("Escape")
    code, _, error = game.end()
    assert (code, "ga_pygame" in error) == (0, False), error
    events = collector.export()
    assert kinds(events) == [(1, "user"), (1, "session_end")]
    assert lengths(events)[0] <= now() - started
    assert {(event["platform"], event["category"]) for event in events} == {("linux", "user"), ("linux", "session_end")}


def test_close_button(display: Display, play: Play, collector: Collector) -> None:
    """Such a game's close button ends the session that its length says."""
    starting = now()
    game = play(THREE_LINES.format(name="stars"))
    display.focus("Pygame Stars")
    focused = now()
    time.sleep(2)
    least = now() - focused
    display.close("Pygame Stars")
    assert game.end()[0] == 0
    events = collector.export()
    assert kinds(events) == [(1, "user"), (1, "session_end")]
    assert lengths(events) == [Span(least, now() - starting)]
