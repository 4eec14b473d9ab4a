"""The engine hook in a real window: focus, pauses, several windows, and loops that it cannot see into."""

from __future__ import annotations

import signal
import textwrap
import time

import pytest

from tests.conftest import Collector, eventually
from tests.e2e.conftest import Display, Play, about, kinds, lengths

ONE_SESSION = [(1, "user"), (1, "session_end")]
TWO_SESSIONS = [(1, "user"), (1, "session_end"), (2, "user"), (2, "session_end")]

GAME = """
    import pygame
    import ga_pygame

    pygame.init()
    pygame.display.set_mode((320, 240))
    pygame.display.set_caption("game")
    tracker = ga_pygame.Tracker(strict=True)
    tracker.start()
    clock = pygame.time.Clock()
    print("plays")
    running = True
    while running:
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                running = False
            if event.type == pygame.KEYDOWN and event.key == pygame.K_f:
                pygame.display.toggle_fullscreen()
                print("toggled")
            if event.type == pygame.KEYDOWN and event.key == pygame.K_g:
                is_full = pygame.display.is_fullscreen()
                pygame.display.set_mode((320, 240), 0 if is_full else pygame.FULLSCREEN)
                print("toggled")
        pygame.display.flip()
        clock.tick(60)
    pygame.quit()
"""


@pytest.mark.parametrize("way", ["another window", "minimised", "another desktop"])
def test_short_pause(display: Display, play: Play, collector: Collector, neighbour: str, way: str) -> None:
    """A look at something else does not end the session, and its length is the time at the game only."""
    game = play(GAME)
    game.wait_for("plays")
    played = -time.time()
    display.focus("game")
    time.sleep(0.8)
    if way == "another window":
        display.focus(neighbour)
    elif way == "minimised":
        display.minimise("game")
    else:
        display.switch_desktop(1)
    played += time.time()
    time.sleep(2)
    played -= time.time()
    if way == "another desktop":
        display.switch_desktop(0)
    display.focus("game")
    time.sleep(0.8)
    display.close("game")
    played += time.time()
    assert game.end()[0] == 0
    events = collector.export()
    assert kinds(events) == ONE_SESSION
    assert lengths(events) == [about(played)]


def test_minimised_past_the_timeout(display: Display, play: Play, collector: Collector) -> None:
    """A long pause ends the session at the moment when it began, and the player's return starts the next."""
    game = play(GAME, GA_PYGAME_PAUSE_TIMEOUT="1")
    game.wait_for("plays")
    started = time.time()
    time.sleep(1.5)
    display.minimise("game")
    left = time.time()
    assert eventually(lambda: kinds(collector.export()) == ONE_SESSION)
    time.sleep(1)
    display.focus("game")
    back = time.time()
    time.sleep(1.5)
    display.close("game")
    closed = time.time()
    assert game.end()[0] == 0
    events = collector.export()
    assert kinds(events) == TWO_SESSIONS
    assert lengths(events) == [about(left - started), about(closed - back)]
    for event, at in zip(events, (started, left, back, closed), strict=True):
        assert event["client_ts"] == pytest.approx(at - 0.5, abs=1.5)


@pytest.mark.parametrize("key", ["f", "g"])
def test_fullscreen_toggles(display: Display, play: Play, collector: Collector, key: str) -> None:
    """Going to fullscreen and back loses the focus for a moment; that neither ends the session nor shortens it."""
    game = play(GAME, GA_PYGAME_PAUSE_TIMEOUT="0.6")
    game.wait_for("plays")
    display.focus("game")
    started = time.time()
    for _ in range(4):
        display.press(key)
        game.wait_for("toggled")
        assert eventually(lambda: display.has_focus("game"))
        time.sleep(0.6)
    played = time.time() - started
    display.close("game")
    assert game.end()[0] == 0
    events = collector.export()
    assert kinds(events) == ONE_SESSION
    assert lengths(events) == [about(played)]


def test_focus_flapping(display: Display, play: Play, collector: Collector, neighbour: str) -> None:
    """A focus that jumps to and fro does not split the session."""
    game = play(GAME, GA_PYGAME_PAUSE_TIMEOUT="1")
    game.wait_for("plays")
    for _ in range(8):
        display.focus(neighbour)
        display.focus("game")
    display.close("game")
    assert game.end()[0] == 0
    assert kinds(collector.export()) == ONE_SESSION


def test_hidden_at_start(display: Display, play: Play, collector: Collector) -> None:
    """A window that is shown only when all is loaded has no pause before its first frame."""
    game = play(
        """
        import time
        import pygame
        import ga_pygame

        pygame.init()
        pygame.display.set_mode((320, 240), pygame.HIDDEN)
        pygame.display.set_caption("game")
        tracker = ga_pygame.Tracker()
        tracker.start()
        print("plays")
        loaded = time.monotonic() + 2
        while time.monotonic() < loaded:
            pygame.event.pump()
            time.sleep(0.02)
        pygame.display.set_mode((320, 240), pygame.SHOWN)
        while not pygame.event.get(pygame.QUIT):
            pygame.display.flip()
            time.sleep(0.02)
        """,
        GA_PYGAME_PAUSE_TIMEOUT="0.6",
    )
    game.wait_for("plays")
    started = time.time()
    display.focus("game")
    display.close("game")
    played = time.time() - started
    assert game.end()[0] == 0
    events = collector.export()
    assert kinds(events) == ONE_SESSION
    assert lengths(events) == [about(played)]


def test_two_windows(display: Display, play: Play, collector: Collector, neighbour: str) -> None:
    """A game with two windows is paused only while neither has the focus, also while the first is minimised."""
    game = play(
        """
        import pygame
        import ga_pygame

        pygame.init()
        pygame.display.set_mode((320, 240))
        pygame.display.set_caption("map")
        tools = pygame.Window("tools", (200, 100))
        tracker = ga_pygame.Tracker()
        tracker.start()
        print("plays")
        clock = pygame.time.Clock()
        while not any(event.type == pygame.WINDOWCLOSE for event in pygame.event.get()):
            pygame.display.flip()
            clock.tick(60)
        """,
        GA_PYGAME_PAUSE_TIMEOUT="0.8",
    )
    game.wait_for("plays")
    started = time.time()
    display.focus("tools")
    time.sleep(1)
    display.focus("map")
    time.sleep(1)
    display.focus("tools")
    display.minimise("map")
    display.focus("tools")
    time.sleep(1.5)
    assert kinds(collector.export()) == [(1, "user")]
    left = time.time()
    display.focus(neighbour)
    assert eventually(lambda: kinds(collector.export()) == ONE_SESSION)
    display.focus("tools")
    assert eventually(lambda: kinds(collector.export()) == TWO_SESSIONS[:3])
    display.close("tools")
    assert game.end()[0] == 0
    events = collector.export()
    assert kinds(events) == TWO_SESSIONS
    assert lengths(events)[0] == about(left - started)


WINDOW = """
    pygame.init()
    pygame.display.set_mode((320, 240))
    pygame.display.set_caption("game")
"""
START = """
    tracker = ga_pygame.Tracker()
    tracker.start()
    print("plays")
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
    """A game with one of these loops; the tracker starts when the window is there and all is imported."""
    window, body = LOOPS[loop]
    parts = ("import time\nimport pygame\nimport ga_pygame", window, START, body)
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
        tracker.session_ended.connect(lambda session_id, length, reason: print("over", reason))
        tracker.start()
        assert untouched == (
            pygame.event.get, pygame.event.poll, pygame.event.wait, pygame.display.flip, pygame.display.update
        )
        print("plays")
        running = True
        while running:
            for event in pygame.event.get():
                tracker.process(event)
                running = running and event.type != pygame.QUIT
            tracker.tick()
            pygame.display.flip()
            time.sleep(0.02)
        """
    check_away_and_back(code, display, play, collector, neighbour)


def check_away_and_back(code: str, display: Display, play: Play, collector: Collector, neighbour: str) -> None:
    """Leave a game for longer than its timeout, come back, close it."""
    game = play(code, GA_PYGAME_PAUSE_TIMEOUT="0.8")
    game.wait_for("plays")
    started = time.time()
    display.focus("game")
    time.sleep(1)
    display.minimise("game")
    left = time.time()
    assert eventually(lambda: kinds(collector.export()) == ONE_SESSION), "the session goes on without the player"
    display.focus(neighbour)
    display.focus("game")
    back = time.time()
    assert eventually(lambda: kinds(collector.export()) == TWO_SESSIONS[:3]), "no session after the player's return"
    display.close("game")
    closed = time.time()
    assert game.end()[0] == 0
    events = collector.export()
    assert kinds(events) == TWO_SESSIONS
    assert lengths(events) == [about(left - started), about(closed - back)]


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
    """A game that starts pygame anew has another session, also where none of its calls is seen."""
    again = """
        pygame.quit()
        time.sleep(0.6)
        pygame.init()
        pygame.display.set_mode((320, 240))
        pygame.display.set_caption("game")
        print("plays again")
    """
    loop = textwrap.dedent(LOOPS["imported by name"][1])
    game = play(in_loop("imported by name") + textwrap.dedent(again) + loop)
    game.wait_for("plays")
    display.close("game")
    game.wait_for("plays again")
    display.focus("game")
    assert eventually(lambda: kinds(collector.export()) == TWO_SESSIONS[:3]), "no session for the second time"
    display.close("game")
    assert game.end()[0] == 0
    assert kinds(collector.export()) == TWO_SESSIONS


def test_stopped_process_is_a_pause(play: Play, collector: Collector) -> None:
    """While the machine sleeps nobody plays: a stopped process counts as a pause within the same session."""
    game = play(GAME)
    game.wait_for("plays")
    played = -time.time()
    time.sleep(1)
    game.process.send_signal(signal.SIGSTOP)
    played += time.time()
    time.sleep(3)
    played -= time.time()
    game.process.send_signal(signal.SIGCONT)
    time.sleep(1)
    game.process.send_signal(signal.SIGTERM)
    played += time.time()
    assert game.end()[0] == 0
    events = collector.export()
    assert kinds(events) == ONE_SESSION
    assert lengths(events) == [about(played)]


def test_loading_is_no_pause(play: Play, collector: Collector) -> None:
    """A player who waits for a level to load is at the game, whether it sleeps, calculates or holds the lock."""
    game = play(
        """
        import time
        import pygame
        import ga_pygame

        pygame.init()
        pygame.display.set_mode((320, 240))
        tracker = ga_pygame.Tracker()
        tracker.start()
        began = time.monotonic()

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
        print("played", time.monotonic() - began)
        """,
        GA_PYGAME_PAUSE_TIMEOUT="1",
    )
    played = float(game.wait_for("played"))
    assert game.end()[0] == 0
    events = collector.export()
    assert kinds(events) == ONE_SESSION
    assert lengths(events) == [about(played)]
