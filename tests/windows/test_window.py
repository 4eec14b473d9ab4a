"""Games in a real window, ours and of other authors, with CPython for Windows under Wine."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.collectors import Collector
from tests.conftest import eventually
from tests.e2e.conftest import Display, kinds, lengths

pytestmark = pytest.mark.timeout(300)

EXAMPLE = """
    import ga_pygame
    tracker = ga_pygame.Tracker()
    tracker.start()

    import runpy
    runpy.run_module("pygame.examples.{name}", run_name="__main__")
"""

WINDOW = """
    import time
    import pygame
    import ga_pygame

    pygame.init()
    pygame.display.set_mode((320, 240))
    pygame.display.set_caption("game")
    tracker = ga_pygame.Tracker()
    tracker.start()
    print("open", flush=True)
    clock = pygame.time.Clock()
    running, was = True, True
    since, played = time.perf_counter(), []
    while running:
        running = all(event.type != pygame.QUIT for event in pygame.event.get())
        pygame.display.flip()
        clock.tick(60)
        now, is_focused = time.perf_counter(), pygame.key.get_focused()
        if is_focused != was:
            played += [now - since] if was else []
            was, since = is_focused, now
            print("focused" if is_focused else "away", flush=True)
    played += [time.perf_counter() - since] if was else []
    pygame.quit()
    print("played", *played, flush=True)
"""


@pytest.mark.parametrize("example", [("aliens", "Pygame"), ("stars", "Pygame Stars")], ids=["aliens", "stars"])
def test_three_lines(
    windows_game: Callable[..., Any],
    display: Display,
    windowed: dict[str, str],
    collector: Collector,
    example: tuple[str, str],
) -> None:
    """A game that ships with pygame-ce, with three lines more, is recorded from its start to its close button."""
    name, title = example
    game = windows_game(EXAMPLE.format(name=name), GA_PYGAME_COLLECTOR=collector.url, **windowed)
    display.window(title)
    time.sleep(2)
    display.close(title)
    code, said = game.end()
    assert (code, "ga_pygame" in said) == (0, False), said
    events = collector.export()
    assert kinds(events) == [(1, "user"), (1, "session_end")]
    assert {event["platform"] for event in events} == {"windows"}
    assert lengths(events)[0] >= 1


def test_window(
    windows_game: Callable[..., Any], display: Display, windowed: dict[str, str], collector: Collector
) -> None:
    """A window that is minimised for less and for more than the timeout is two sessions of the time with the focus."""
    game = windows_game(WINDOW, GA_PYGAME_COLLECTOR=collector.url, GA_PYGAME_PAUSE_TIMEOUT="4", **windowed)
    game.wait_for("open")
    time.sleep(2)
    for away in (1.5, 7):
        display.minimise("game")
        game.wait_for("away")
        time.sleep(away)
        display.focus("game")
        game.wait_for("focused")
        time.sleep(2)
    display.close("game")
    first, second, third = map(float, game.wait_for("played").split())
    assert game.end()[0] == 0
    events = collector.export()
    assert kinds(events) == [(1, "user"), (1, "session_end"), (2, "user"), (2, "session_end")]
    for length, expected in zip(lengths(events), (first + second, third), strict=True):
        assert abs(length - expected) < 1.7, (lengths(events), first, second, third)


BUSY = """
    import time
    import pygame
    import ga_pygame

    pygame.init()
    pygame.display.set_mode((320, 240))
    pygame.display.set_caption("game")
    {second}
    tracker = ga_pygame.Tracker()
    starting = time.perf_counter()
    tracker.start()
    started = time.perf_counter()
    print("open", flush=True)
    clock = pygame.time.Clock()
    asked, longest = 0, 0.0
    while asked < 2:
        before = time.perf_counter()
        events = pygame.event.get()
        longest = max(longest, time.perf_counter() - before)
        for event in events:
            if event.type in (pygame.QUIT, pygame.WINDOWCLOSE):
                asked += 1  # the first time the player says no: "really quit?"
                print("asked", flush=True)
            if event.type == pygame.KEYDOWN and event.key == pygame.K_f:
                pygame.display.toggle_fullscreen()
                print("toggled", flush=True)
        pygame.display.flip()
        clock.tick(60)
    ended = time.perf_counter()
    print("played", ended - started, ended - starting, longest, flush=True)
    pygame.quit()
"""
"""A game with fullscreen, and maybe a second window, which quits only if it is asked twice."""

SECOND = 'tools = pygame.Window("tools", (200, 100), position=(600, 400))'


def test_no_pause(
    windows_game: Callable[..., Any], display: Display, windowed: dict[str, str], collector: Collector
) -> None:
    """A second window, fullscreen and back, and a refused close button neither end the session nor shorten it."""
    game = windows_game(
        BUSY.format(second=SECOND), GA_PYGAME_COLLECTOR=collector.url, GA_PYGAME_PAUSE_TIMEOUT="1", **windowed
    )
    game.wait_for("open")
    display.focus("tools")
    time.sleep(3)
    display.focus("game")
    for _ in range(2):
        display.press("f")
        game.wait_for("toggled")
        time.sleep(1)
    for _ in range(2):
        display.close("game")
        game.wait_for("asked")
    least, most, _ = map(float, game.wait_for("played").split())
    assert game.end()[0] == 0
    events = collector.export()
    assert kinds(events) == [(1, "user"), (1, "session_end")]
    assert least - 1.7 < lengths(events)[0] < most + 1.7


def place(display: Display) -> tuple[int, int, int]:
    """Return where the game's window is, left, top and width in pixels, on a desktop of Wine's own."""
    shown = re.compile(r'"game": .* (\d+)x\d+\S+ +\+(\d+)\+(\d+)')
    found = eventually(lambda: shown.search(display.run("xwininfo", "-root", "-tree")), 30)
    width, left, top = map(int, found.groups())
    return left, top, width


@pytest.mark.skipif(shutil.which("xwininfo") is None, reason="needs xwininfo (Debian: x11-utils)")
def test_dragged(
    windows_game: Callable[..., Any], display: Display, windowed: dict[str, str], collector: Collector
) -> None:
    """A window that is dragged stops the game's loop inside the call that reads events: that is play, no sleep.

    Wine draws the title bar, by which it can be dragged, only on a desktop of its own.
    """
    settings = {"GA_PYGAME_COLLECTOR": collector.url, "GA_PYGAME_PAUSE_TIMEOUT": "1", **windowed}
    game = windows_game(BUSY.format(second=""), desktop=True, **settings)
    game.wait_for("open")
    left, top, width = place(display)
    display.run("xdotool", "mousemove", str(left + width // 2), str(top + 10), "mousedown", "1")
    for _ in range(16):
        display.run("xdotool", "mousemove_relative", "3", "3")
        time.sleep(0.25)
    display.run("xdotool", "mouseup", "1")
    assert eventually(lambda: place(display)[0] > left)
    left, top, width = place(display)
    for _ in range(2):
        display.run("xdotool", "mousemove", str(left + width - 12), str(top + 12), "click", "1")
        game.wait_for("asked")
    least, most, longest = map(float, game.wait_for("played").split())
    game.end()  # of what opened the desktop; the game itself may still send
    assert longest > 3
    assert eventually(lambda: kinds(collector.export()) == [(1, "user"), (1, "session_end")], 30)
    events = collector.export()
    assert least - 1.7 < lengths(events)[0] < most + 1.7
