"""How a game ends, and what of its last session is stored: once, with the right length, the attempt failed."""

from __future__ import annotations

import signal
import textwrap
import time
from typing import Any

import pytest

from tests.conftest import Collector, eventually
from tests.e2e.conftest import Display, Play, about, kinds, lengths

ENDED = [(1, "user"), (1, "progression"), (1, "progression"), (1, "session_end")]
CRASHED = [(1, "user"), (1, "progression"), (1, "error"), (1, "progression"), (1, "session_end")]

PLAYED = 1.0
"""Seconds that a game of these tests lasts."""


def script(ending: str, before: str = "", after: str = "") -> str:
    """A game with an open attempt that ends in one way."""
    parts = [textwrap.dedent(part) for part in (_OPENING, before, _START, after, _LOOP, ending)]
    return "\n".join(parts)


_OPENING = """
    import os
    import sys
    import time
    import pygame
    import ga_pygame

    pygame.init()
    pygame.display.set_mode((320, 240))
    pygame.display.set_caption("game")
"""
_START = """
    tracker = ga_pygame.Tracker()
    tracker.start()
    tracker.progression.start("forest", "level_1")
    print("plays")
"""
_LOOP = f"""
    is_over = False

    def play(seconds):
        global is_over
        end = time.monotonic() + seconds
        while not is_over and time.monotonic() < end:
            for event in pygame.event.get():
                is_over = is_over or event.type == pygame.QUIT
            pygame.display.flip()
            time.sleep(0.02)

    play({PLAYED})
"""


def check_attempt(events: list[dict[str, Any]]) -> None:
    """The attempt was failed, as its first one."""
    start, fail = (event for event in events if event["category"] == "progression")
    assert start["event_id"] == "Start:forest:level_1"
    assert (fail["event_id"], fail["attempt_num"]) == ("Fail:forest:level_1", 1)


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("", 0),
        ("pygame.quit()\nsys.exit(3)", 3),
        ("sys.exit(4)", 4),
        ("sys.exit('no more lives')", 1),
        ("tracker.close()\ntracker.close()\npygame.quit()", 0),
        ("pygame.quit()\npygame.quit()\ntracker.close()", 0),
        ("pygame.display.quit()\ntime.sleep(0.6)", 0),
    ],
)
def test_end(play: Play, collector: Collector, ending: str, code: int) -> None:
    """Whichever way a game ends by its own will: the attempt fails, the session ends once, the exit code is its own."""
    game = play(script(ending))
    assert game.end()[0] == code
    events = collector.export()
    assert kinds(events) == ENDED
    check_attempt(events)
    assert lengths(events) == [about(PLAYED + 0.2)]


def test_close_button(display: Display, play: Play, collector: Collector) -> None:
    """The window's close button ends the session."""
    game = play(script("play(30)\nassert is_over\npygame.quit()"))
    game.wait_for("plays")
    started = time.time()
    time.sleep(PLAYED)
    display.close("game")
    assert game.end()[0] == 0
    events = collector.export()
    assert kinds(events) == ENDED
    check_attempt(events)
    assert lengths(events) == [about(time.time() - started)]


def test_really_quit_no(display: Display, play: Play, collector: Collector) -> None:
    """The close button sends at once what waits, but a player who then stays is in the same session."""
    game = play(
        script(
            """
            tracker.design("before:asking")
            print("asks soon")
            play(30)
            print("really quit?")
            is_over = False
            tracker.design("after:asking")
            play(30)
            pygame.quit()
            """
        )
    )
    game.wait_for("plays")
    started = time.time()
    game.wait_for("asks soon")
    time.sleep(0.5)
    assert (1, "design") not in kinds(collector.export())
    display.close("game")
    game.wait_for("really quit?")
    assert eventually(lambda: (1, "design") in kinds(collector.export())), "not sent at once"
    time.sleep(1)
    assert (1, "session_end") not in kinds(collector.export())
    display.close("game")
    assert game.end()[0] == 0
    events = collector.export()
    assert kinds(events) == [(1, "user"), (1, "progression"), (1, "design"), (1, "design"), *ENDED[2:]]
    assert lengths(events) == [about(time.time() - started)]


def test_sigterm(play: Play, collector: Collector) -> None:
    """A service that is asked to stop gets a QUIT from SDL, and its session ends like any other."""
    game = play(script("play(30)"))
    game.wait_for("plays")
    time.sleep(PLAYED)
    game.process.send_signal(signal.SIGTERM)
    assert game.end()[0] == 0
    events = collector.export()
    assert kinds(events) == ENDED
    check_attempt(events)


def test_sigint(play: Play, collector: Collector) -> None:
    """Ctrl-C ends the session and is no error of the game; what it prints and returns stays."""
    game = play(script("play(30)"))
    game.wait_for("plays")
    time.sleep(PLAYED)
    game.process.send_signal(signal.SIGINT)
    code, _, error = game.end()
    assert code == -signal.SIGINT
    assert error.rstrip().endswith("KeyboardInterrupt")
    assert "ga_pygame failed" not in error
    events = collector.export()
    assert kinds(events) == ENDED
    check_attempt(events)


CRASH = """
    def load(level):
        return {}[level]

    load("level_1")
"""
OWN_HOOK = """
    def show(kind, error, trace):
        print("own hook:", kind.__name__, file=sys.stderr)

    sys.excepthook = show
"""
CHAINED_HOOK = """
    previous = sys.excepthook

    def show(kind, error, trace):
        print("own hook:", kind.__name__, file=sys.stderr)
        previous(kind, error, trace)

    sys.excepthook = show
"""


@pytest.mark.parametrize(
    ("before", "after", "ending"),
    [
        pytest.param("", "", CRASH, id="plain"),
        pytest.param("", "", f"try:{CRASH}finally:\n    pygame.quit()", id="pygame.quit in finally"),
        pytest.param(OWN_HOOK, "", CRASH, id="own hook before"),
        pytest.param("", CHAINED_HOOK, CRASH, id="own hook after"),
        pytest.param("", "", f"with tracker:{CRASH}", id="with"),
        pytest.param(
            "",
            "import threading\nthreading.Thread(target=lambda: time.sleep(3)).start()",
            CRASH,
            id="another thread runs on",
        ),
    ],
)
def test_crash(play: Play, collector: Collector, before: str, after: str, ending: str) -> None:
    """An uncaught exception is one critical error, ends the session, and is shown as it would be without us."""
    code = script(ending, before, after)
    without = play(code, GA_PYGAME_ENABLED="0", SDL_VIDEODRIVER="dummy")
    returned, _, error = play(code).end()
    events = collector.export()
    [report] = [event for event in events if event["category"] == "error"]
    assert report["severity"] == "critical"
    assert report["message"].startswith("Traceback (most recent call last):")
    assert report["message"].rstrip().endswith("KeyError: 'level_1'")
    if "finally" in ending:  # pygame.quit() came first
        assert kinds(events) == [*ENDED, (1, "error")]
    else:
        assert kinds(events) == CRASHED
    check_attempt(events)
    assert lengths(events) == [about(PLAYED + 0.2)]
    plain = without.end()
    assert returned == plain[0] == 1
    assert error.replace("game_1.py", "game_0.py") == plain[2]


def test_crash_with_a_hook_of_the_games_own(play: Play, collector: Collector) -> None:
    """A game that takes all uncaught exceptions for itself gets them; the crash is reported all the same."""
    code, _, error = play(script(CRASH, after=OWN_HOOK)).end()
    assert (code, error) == (1, "own hook: KeyError\n")
    events = collector.export()
    assert kinds(events) == CRASHED
    check_attempt(events)


def test_crash_of_a_thread(play: Play, collector: Collector) -> None:
    """An exception in another thread is reported, and the game and its session go on."""
    game = play(
        script(
            """
            import threading

            thread = threading.Thread(target=lambda: 1 / 0)
            thread.start()
            thread.join()
            play(0.2)
            """
        )
    )
    code, _, error = game.end()
    assert code == 0
    assert "ZeroDivisionError" in error
    events = collector.export()
    assert kinds(events) == CRASHED
    assert lengths(events) == [about(PLAYED + 0.4)]


@pytest.mark.parametrize(("end", "code"), [("os._exit(5)", 5), ("os.kill(os.getpid(), 9)", -signal.SIGKILL)])
def test_killed(play: Play, collector: Collector, end: str, code: int) -> None:
    """What a process that died without a word could not say, the next launch says in its name."""
    game = play(script(f"play(2.2)\n{end}"))
    game.wait_for("plays")
    started = time.time()
    assert game.end()[0] == code
    lasted = time.time() - started
    [user, *_] = collector.export()
    assert user["category"] == "user"

    assert play(script("")).end()[0] == 0
    events = collector.export()
    assert sorted(kinds(events)) == sorted([*ENDED, *((2, category) for _, category in ENDED)])
    lost = [event for event in events if event["session_num"] == 1]
    assert kinds(lost) == ENDED
    check_attempt(lost)
    assert {event["session_id"] for event in lost} == {user["session_id"]}
    assert lasted - 2.5 < lengths(lost)[0] <= lasted  # whole seconds, noted once a second
    assert started + lasted - 2.5 < lost[-1]["client_ts"] <= started + lasted


def test_pygame_again(play: Play, collector: Collector) -> None:
    """A game that starts pygame anew after `pygame.quit()` has a session for each time."""
    game = play(
        script(
            """
            pygame.quit()
            time.sleep(0.6)
            pygame.init()
            pygame.display.set_mode((320, 240))
            play(1)
            pygame.quit()
            pygame.init()
            pygame.display.set_mode((320, 240))
            play(1)
            pygame.quit()
            time.sleep(0.5)
            """
        )
    )
    assert game.end()[0] == 0
    events = collector.export()
    assert kinds(events) == [*ENDED, (2, "user"), (2, "session_end"), (3, "user"), (3, "session_end")]
    assert lengths(events) == [about(PLAYED + 0.2), about(1), about(1)]


def test_quitting_takes_a_while(play: Play, collector: Collector) -> None:
    """A window that is still open and focused while the game says goodbye begins no other session."""
    game = play(script("pygame.quit()", before="pygame.register_quit(lambda: time.sleep(1))"))
    assert game.end()[0] == 0
    assert kinds(collector.export()) == ENDED


def test_two_copies(play: Play, collector: Collector) -> None:
    """A second copy of the game does not end the session of one that runs."""
    first = play(script("").replace(f"play({PLAYED})", "play(4)"))
    first.wait_for("plays")
    assert play(script(""), SDL_VIDEODRIVER="dummy").end()[0] == 0  # without a window that takes the focus
    assert (1, "session_end") not in kinds(collector.export())
    assert first.end()[0] == 0
    events = collector.export()
    assert sorted(kinds(events)) == sorted([*ENDED, *((2, category) for _, category in ENDED)])
    assert lengths(events) == [about(4.2), about(PLAYED + 0.2)]
