"""The engine hook in a real window: focus, pauses, several windows, and loops that it cannot observe."""

from __future__ import annotations

import signal
import textwrap
import time
from pathlib import Path

import pytest

from tests.collectors import Collector
from tests.conftest import Game, eventually
from tests.e2e.conftest import Display, Play, kinds, lengths
from tests.e2e.moments import OBSERVED, Moment, Observed, Span, now

ONE_SESSION = [(1, "user"), (1, "session_end")]
TWO_SESSIONS = [(1, "user"), (1, "session_end"), (2, "user"), (2, "session_end")]

GAME = f"""{OBSERVED}
import pygame
import ga_pygame

pygame.init()
pygame.display.set_mode((320, 240))
pygame.display.set_caption("game")
tracker = ga_pygame.Tracker(strict=True)
observe(tracker)""" + textwrap.dedent("""
    clock = pygame.time.Clock()
    running, focused_at, unsure = True, now(), 0.0  # unsure: what may count as a pause
    while running:
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                running = False
            if event.type == pygame.WINDOWFOCUSLOST:
                say("away", now())
            if event.type == pygame.WINDOWFOCUSGAINED:
                say("back", now())
            if event.type == pygame.KEYDOWN and event.key == pygame.K_f:
                pygame.display.toggle_fullscreen()
                say("toggled")
            if event.type == pygame.KEYDOWN and event.key == pygame.K_g:
                is_full = pygame.display.is_fullscreen()
                pygame.display.set_mode((320, 240), 0 if is_full else pygame.FULLSCREEN)
                say("toggled")
        pygame.display.flip()
        clock.tick(60)
        if pygame.key.get_focused():
            unsure += gap if (gap := now() - focused_at) > 0.4 else 0.0
            focused_at = now()
    pygame.quit()
    say("over", now(), unsure)
""")


@pytest.mark.parametrize("way", ["another window", "minimised", "another desktop"])
def test_short_pause(display: Display, play: Play, collector: Collector, neighbour: str, way: str) -> None:
    """A look at something else does not end the session, and its length is the time at the game only."""
    game = play(GAME, GA_PYGAME_PAUSE_TIMEOUT="60")
    started = Moment.of_start(game)
    display.focus("game")
    game.wait_for("aware")
    time.sleep(0.8)
    leaving = now()
    if way == "another window":
        display.focus(neighbour)
    elif way == "minimised":
        display.minimise("game")
    else:
        display.switch_desktop(1)
    left = Moment.said(game, "away", leaving)
    time.sleep(2)
    coming = now()
    if way == "another desktop":
        display.switch_desktop(0)
    display.focus("game")
    back = Moment.said(game, "back", coming)
    time.sleep(0.8)
    closing = now()
    display.close("game")
    closed = Moment.said(game, "over", closing)
    observed = Observed.at_end(game)
    events = collector.export()
    assert kinds(events) == ONE_SESSION
    assert lengths(events) == [(started.until(left) + back.until(closed)).or_less(observed.asleep)]


def test_minimised_past_the_timeout(display: Display, play: Play, collector: Collector) -> None:
    """A long pause ends the session at the moment when it began, and the player's return starts the next."""
    game = play(GAME, GA_PYGAME_PAUSE_TIMEOUT="1")
    started = Moment.of_start(game)
    display.focus("game")
    game.wait_for("aware")
    time.sleep(1.5)
    leaving = now()
    display.minimise("game")
    left = Moment.said(game, "away", leaving)
    assert eventually(lambda: kinds(collector.export()) == ONE_SESSION)
    coming = now()
    display.focus("game")
    back = Moment.said(game, "back", coming)
    time.sleep(1.5)
    closing = now()
    display.close("game")
    closed = Moment.said(game, "over", closing)
    observed = Observed.at_end(game)
    events = collector.export()
    assert kinds(events) == TWO_SESSIONS
    played = [started.until(left), back.until(closed)]
    assert lengths(events) == [span.or_less(observed.asleep) for span in played]
    stamps = [event["client_ts"] for event in events]
    assert stamps == [observed.stamp(moment) for moment in (started, left, back, closed)]


@pytest.mark.parametrize("key", ["f", "g"])
def test_fullscreen_toggles(display: Display, play: Play, collector: Collector, key: str) -> None:
    """Going to fullscreen and back loses the focus for a moment; that neither ends the session nor shortens it."""
    game = play(GAME, GA_PYGAME_PAUSE_TIMEOUT="60")
    started = Moment.of_start(game)
    display.focus("game")
    for _ in range(4):
        display.press(key)
        game.wait_for("toggled")
        assert eventually(lambda: display.has_focus("game"))
        time.sleep(0.6)
    closing = now()
    display.close("game")
    latest, unsure = map(float, game.wait_for("over").split())
    observed = Observed.at_end(game)
    events = collector.export()
    assert kinds(events) == ONE_SESSION
    played = started.until(Moment(closing, latest))
    assert lengths(events) == [played.or_less(unsure + observed.asleep)]


def test_focus_flapping(display: Display, play: Play, collector: Collector, neighbour: str) -> None:
    """A focus that jumps to and fro does not split the session, and is known in the end."""
    game = play(GAME, GA_PYGAME_PAUSE_TIMEOUT="60")
    started = Moment.of_start(game)
    for _ in range(8):
        display.focus(neighbour)
        coming = now()
        display.focus("game")
    back = Moment.said(game, "back", coming)
    time.sleep(1.1)
    closing = now()
    display.close("game")
    closed = Moment.said(game, "over", closing)
    observed = Observed.at_end(game)
    events = collector.export()
    assert kinds(events) == ONE_SESSION
    least, most = back.until(closed).least, started.until(closed).most
    assert lengths(events) == [Span(least, most).or_less(observed.asleep)]


def test_hidden_at_start(display: Display, play: Play, collector: Collector) -> None:
    """A window that is shown only when all is loaded has no pause before its first frame."""
    code = """
        import time
        import pygame
        import ga_pygame

        pygame.init()
        pygame.display.set_mode((320, 240), pygame.HIDDEN)
        pygame.display.set_caption("game")
        observe(ga_pygame.Tracker())
        loaded = time.monotonic() + 2
        while time.monotonic() < loaded:
            pygame.event.pump()
            time.sleep(0.02)
        pygame.display.set_mode((320, 240), pygame.SHOWN)
        while not pygame.event.get(pygame.QUIT):
            pygame.display.flip()
            time.sleep(0.02)
        """
    game = play(OBSERVED + textwrap.dedent(code), GA_PYGAME_PAUSE_TIMEOUT="0.6")
    started = Moment.of_start(game)
    display.focus("game")
    closing = now()
    display.close("game")
    observed = Observed.at_end(game)
    closed = Moment.since(closing)
    events = collector.export()
    assert kinds(events) == ONE_SESSION
    assert lengths(events) == [started.until(closed).or_less(observed.asleep)]


def test_two_windows(display: Display, play: Play, collector: Collector, neighbour: str) -> None:
    """A game with two windows is paused only while neither has the focus, also while the first is minimised."""
    code = """
        import pygame
        import ga_pygame

        pygame.init()
        pygame.display.set_mode((320, 240))
        pygame.display.set_caption("map")
        tools = pygame.Window("tools", (200, 100))
        tracker = ga_pygame.Tracker()
        observe(tracker)
        clock = pygame.time.Clock()
        while not any(event.type == pygame.WINDOWCLOSE for event in pygame.event.get()):
            pygame.display.flip()
            clock.tick(60)
        """
    timeout = 2.0
    game = play(OBSERVED + textwrap.dedent(code), GA_PYGAME_PAUSE_TIMEOUT=str(timeout))
    started = Moment.of_start(game)
    display.focus("tools")
    game.wait_for("aware")
    time.sleep(0.5)
    display.focus("map")
    time.sleep(0.5)
    display.focus("tools")
    display.minimise("map")
    display.focus("tools")
    time.sleep(timeout + 0.5)
    assert kinds(collector.export()) == [(1, "user")]
    leaving = now()
    display.focus(neighbour)
    assert eventually(lambda: kinds(collector.export()) == ONE_SESSION)
    left = Moment(leaving, now() - timeout)  # a session ends that long after the pause began
    display.focus("tools")
    assert eventually(lambda: kinds(collector.export()) == TWO_SESSIONS[:3])
    display.close("tools")
    observed = Observed.at_end(game)
    events = collector.export()
    assert kinds(events) == TWO_SESSIONS
    assert lengths(events)[0] == started.until(left).or_less(observed.asleep)


WINDOW = """
    pygame.init()
    pygame.display.set_mode((320, 240))
    pygame.display.set_caption("game")
"""
START = """
    tracker = ga_pygame.Tracker()
    observe(tracker)
"""
LOOPS = {
    "imported by name": (
        f"""
    from pygame.display import flip
    from pygame.event import get
{WINDOW}""",
        """
    while not any(event.type == pygame.QUIT for event in get()):
        flip()
        time.sleep(0.02)
    """,
    ),
    "typed events only": (
        WINDOW,
        """
    while not pygame.event.get([pygame.KEYDOWN, pygame.QUIT]):
        time.sleep(0.02)
    """,
    ),
    "only pumps": (
        WINDOW,
        """
    while not pygame.event.peek(pygame.QUIT):
        pygame.event.pump()
        time.sleep(0.02)
    """,
    ),
    "waits for events": (
        WINDOW,
        """
    while pygame.event.wait().type != pygame.QUIT:
        pass
    """,
    ),
    "polls": (
        WINDOW,
        """
    while pygame.event.poll().type != pygame.QUIT:
        pygame.display.update()
        time.sleep(0.005)
    """,
    ),
    "Window": (
        """
    pygame.init()
    window = pygame.Window("game", (320, 240))
    window.get_surface().fill("red")
    """,
        """
    while not any(event.type == pygame.QUIT for event in pygame.event.get()):
        window.flip()
        time.sleep(0.02)
    """,
    ),
    "Renderer": (
        """
    from pygame._sdl2 import Renderer
    pygame.init()
    window = pygame.Window("game", (320, 240))
    renderer = Renderer(window)
    """,
        """
    while not any(event.type == pygame.QUIT for event in pygame.event.get()):
        renderer.clear()
        renderer.present()
        time.sleep(0.02)
    """,
    ),
}


def in_loop(loop: str) -> str:
    """Start a game with one of these loops; its tracker starts after the window is open and all is imported."""
    window, body = LOOPS[loop]
    parts = (f"{OBSERVED}\nimport pygame\nimport ga_pygame", window, START, body)
    return "\n".join(textwrap.dedent(part) for part in parts)


@pytest.mark.parametrize("loop", LOOPS)
def test_any_loop(display: Display, play: Play, collector: Collector, neighbour: str, loop: str) -> None:
    """However a game reads its events: the session ends by itself while the player is away, and the next starts."""
    check_away_and_back(in_loop(loop), display, play, collector, neighbour)


def test_without_the_hook(display: Display, play: Play, collector: Collector, neighbour: str) -> None:
    """With `hook=False` pygame's functions stay as they are, and two lines in the loop do the same."""
    code = """
        import time
        import pygame
        import ga_pygame

        pygame.init()
        pygame.display.set_mode((320, 240))
        pygame.display.set_caption("game")
        untouched = pygame.event.get, pygame.event.poll, pygame.event.wait, pygame.display.flip, pygame.display.update
        tracker = ga_pygame.Tracker(hook=False)
        observe(tracker)
        assert untouched == (
            pygame.event.get, pygame.event.poll, pygame.event.wait, pygame.display.flip, pygame.display.update
        )
        running = True
        while running:
            for event in pygame.event.get():
                tracker.process(event)
                running = running and event.type != pygame.QUIT
            tracker.tick()
            pygame.display.flip()
            time.sleep(0.02)
        """
    check_away_and_back(OBSERVED + textwrap.dedent(code), display, play, collector, neighbour)


def check_away_and_back(code: str, display: Display, play: Play, collector: Collector, neighbour: str) -> None:
    """Leave a game for longer than its timeout, come back, close it."""
    timeout = 0.8
    game = play(code, GA_PYGAME_PAUSE_TIMEOUT=str(timeout))
    started = Moment.of_start(game)
    display.focus("game")
    game.wait_for("aware")
    time.sleep(1)
    leaving = now()
    display.minimise("game")
    assert eventually(lambda: kinds(collector.export()) == ONE_SESSION), "the session goes on without the player"
    left = Moment(leaving, now() - timeout)  # a session ends that long after the pause began
    display.focus(neighbour)
    coming = now()
    display.focus("game")
    assert eventually(lambda: kinds(collector.export()) == TWO_SESSIONS[:3]), "no session after the player's return"
    back = Moment.since(coming)
    closing = now()
    display.close("game")
    observed = Observed.at_end(game)
    closed = Moment.since(closing)
    events = collector.export()
    assert kinds(events) == TWO_SESSIONS
    played = [started.until(left), back.until(closed)]
    assert lengths(events) == [span.or_less(observed.asleep) for span in played]


def test_hint_where_nothing_is_seen(display: Display, play: Play) -> None:
    """A game whose calls are not seen is told so once, with the line that mends it; one with that line is not."""
    code = """
        import time
        from pygame.event import get
        import pygame
        import ga_pygame

        pygame.display.init()
        pygame.display.set_mode((100, 100))
        tracker = ga_pygame.Tracker()
        tracker.start()
        end = time.monotonic() + 11
        while time.monotonic() < end:
            get()
            ...
            time.sleep(0.05)
        """
    blind = play(code)
    mended = play(code.replace("...", "tracker.tick()"))
    returned, _, error = blind.end()
    assert (returned, error.count("tracker.tick()"), len(error.splitlines())) == (0, 1, 1), error
    assert mended.end() == (0, "", "")


def test_pygame_again_by_name(display: Display, play: Play, collector: Collector) -> None:
    """A game that starts pygame anew has another session, even if none of its calls is seen."""
    again = """
        pygame.quit()
        time.sleep(0.6)
        pygame.init()
        pygame.display.set_mode((320, 240))
        pygame.display.set_caption("game")
        say("again")
    """
    loop = textwrap.dedent(LOOPS["imported by name"][1])
    game = play(in_loop("imported by name") + textwrap.dedent(again) + loop)
    game.wait_for("plays")
    display.close("game")
    game.wait_for("again")
    display.focus("game")
    assert eventually(lambda: kinds(collector.export()) == TWO_SESSIONS[:3]), "no session for the second time"
    display.close("game")
    assert game.end()[0] == 0
    assert kinds(collector.export()) == TWO_SESSIONS


def test_stopped_process_is_a_pause(play: Play, collector: Collector) -> None:
    """While the machine sleeps nobody plays: a stopped process counts as a pause within the same session."""
    game = play(GAME)
    started = Moment.of_start(game)
    time.sleep(1)
    stopping = now()
    game.process.send_signal(signal.SIGSTOP)
    assert eventually(lambda: state(game) == "T")
    stopped = Moment.since(stopping)
    time.sleep(3)
    going_on = now()
    game.process.send_signal(signal.SIGCONT)
    time.sleep(1)
    ending = now()
    game.process.send_signal(signal.SIGTERM)
    ended = Moment.said(game, "over", ending)
    observed = Observed.at_end(game)
    events = collector.export()
    assert kinds(events) == ONE_SESSION
    total = started.until(ended)
    assert observed.asleep >= going_on - stopped.latest
    assert lengths(events) == [Span(total.least - observed.asleep, total.most - (going_on - stopped.latest))]


def state(game: Game) -> str:
    """Return a process's state as the system names it: `T` is stopped."""
    return Path(f"/proc/{game.process.pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_loading_is_no_pause(play: Play, collector: Collector) -> None:
    """A player who waits for a level to load is at the game, whether it sleeps, calculates or holds the lock."""
    code = """
        import time
        import pygame
        import ga_pygame

        pygame.init()
        pygame.display.set_mode((320, 240))
        tracker = ga_pygame.Tracker()
        observe(tracker)

        def frame():
            pygame.event.get()
            pygame.display.flip()

        frame()
        time.sleep(2.3)
        frame()
        until = time.monotonic() + 2.3
        while time.monotonic() < until:
            pass
        frame()
        size, took = 1_000_000, 0.0
        while took < 0.1:  # find how many fill that long in one call
            size *= 2
            start = time.monotonic()
            sum(range(size))
            took = time.monotonic() - start
        sum(range(int(size * 2.3 / took)))
        frame()
        say("loaded", now())
        """
    game = play(OBSERVED + textwrap.dedent(code), GA_PYGAME_PAUSE_TIMEOUT="60")
    started = Moment.of_start(game)
    loaded = float(game.wait_for("loaded"))
    observed = Observed.at_end(game)
    ended = Moment.since(loaded)
    events = collector.export()
    assert kinds(events) == ONE_SESSION
    assert lengths(events) == [started.until(ended).or_less(observed.asleep)]
