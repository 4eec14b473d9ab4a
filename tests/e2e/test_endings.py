"""Each way in which a game ends: its last session is stored once, with the right length and a failed attempt."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from tests.collectors import Collector
from tests.conftest import Game, eventually
from tests.e2e.conftest import Display, Play, kinds, lengths
from tests.e2e.games import outbox
from tests.e2e.moments import OBSERVED, Moment, Observed, Span, now

ENDED = [(1, "user"), (1, "progression"), (1, "progression"), (1, "session_end")]
CRASHED = [(1, "user"), (1, "progression"), (1, "error"), (1, "progression"), (1, "session_end")]

PLAYED = 1.0
"""Seconds that a game of these tests lasts."""


def script(ending: str, before: str = "", after: str = "") -> str:
    """Return the code of a game with an open attempt that ends in one way."""
    parts = [OBSERVED, *(textwrap.dedent(part) for part in (_OPENING, before, _START, after, _LOOP, ending))]
    return "\n".join(parts)


_OPENING = """
    import sys
    import pygame
    import ga_pygame

    pygame.init()
    pygame.display.set_mode((320, 240))
    pygame.display.set_caption("game")
"""
_START = """
    tracker = ga_pygame.Tracker()
    observe(tracker)
    tracker.progression.start("forest", "level_1")
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
    say("played", now())
"""


def played(game: Game, code: int = 0) -> tuple[Span, str]:
    """Wait until a game ends; return how long its session lasted, and its standard error output."""
    started = Moment.of_start(game)
    at_least = float(game.wait_for("played"))
    observed = Observed.at_end(game, code)
    return started.until(Moment.since(at_least)).or_less(observed.asleep), observed.error


def check_attempt(events: list[dict[str, Any]]) -> None:
    """Check that the attempt was failed, as the first one."""
    start, fail = (event for event in events if event["category"] == "progression")
    assert start["event_id"] == "Start:forest:level_1"
    assert (fail["event_id"], fail["attempt_num"]) == ("Fail:forest:level_1", 1)


@pytest.mark.fresh
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
    span, _ = played(play(script(ending)), code)
    events = collector.export()
    assert kinds(events) == ENDED
    check_attempt(events)
    assert lengths(events) == [span]


@pytest.mark.requirement("002:session-end")
def test_close_button(display: Display, play: Play, collector: Collector) -> None:
    """The window's close button ends the session."""
    game = play(script("play(30)\nassert is_over\npygame.quit()"))
    started = Moment.of_start(game)
    game.wait_for("played")
    closing = now()
    display.close("game")
    observed = Observed.at_end(game)
    closed = Moment.since(closing)
    events = collector.export()
    assert kinds(events) == ENDED
    check_attempt(events)
    assert lengths(events) == [started.until(closed).or_less(observed.asleep)]


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
        ),
        GA_PYGAME_UPLOAD_INTERVAL="60",  # towards a collector it is 1 s
    )
    started = Moment.of_start(game)
    game.wait_for("asks soon")
    time.sleep(0.5)
    assert (1, "design") not in kinds(collector.export())
    display.close("game")
    game.wait_for("really quit?")
    assert eventually(lambda: (1, "design") in kinds(collector.export())), "not sent at once"
    time.sleep(1)
    assert (1, "session_end") not in kinds(collector.export())
    closing = now()
    display.close("game")
    observed = Observed.at_end(game)
    closed = Moment.since(closing)
    events = collector.export()
    assert kinds(events) == [(1, "user"), (1, "progression"), (1, "design"), (1, "design"), *ENDED[2:]]
    assert lengths(events) == [started.until(closed).or_less(observed.asleep)]


def test_sigterm(play: Play, collector: Collector) -> None:
    """A service that is asked to stop gets a QUIT from SDL, and its session ends like any other."""
    game = play(script("play(30)"))
    game.wait_for("played")
    game.process.send_signal(signal.SIGTERM)
    assert game.end()[0] == 0
    events = collector.export()
    assert kinds(events) == ENDED
    check_attempt(events)


@pytest.mark.fresh
def test_sigint(play: Play, collector: Collector) -> None:
    """Ctrl-C ends the session and is no error of the game; what it prints and returns stays."""
    game = play(script("play(30)"))
    game.wait_for("played")
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


@pytest.mark.fresh
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
    span, error = played(play(code), 1)
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
    assert lengths(events) == [span]
    plain = without.end()
    assert plain[0] == 1
    assert error.replace("game_1.py", "game_0.py") == plain[2]


@pytest.mark.fresh
def test_crash_with_a_hook_of_the_games_own(play: Play, collector: Collector) -> None:
    """A game that takes all uncaught exceptions for itself gets them; the crash is reported all the same."""
    code, _, error = play(script(CRASH, after=OWN_HOOK)).end()
    assert (code, error) == (1, "own hook: KeyError\n")
    events = collector.export()
    assert kinds(events) == CRASHED
    check_attempt(events)


@pytest.mark.fresh
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
    span, error = played(game)
    assert "ZeroDivisionError" in error
    events = collector.export()
    assert kinds(events) == CRASHED
    assert lengths(events) == [span]


def until_told(told: Path) -> str:
    """Return code that plays until a file exists."""
    return f"while not os.path.exists({str(told)!r}):\n    play(0.05)\n"


@pytest.mark.parametrize(("end", "code"), [("os._exit(5)", 5), ("os.kill(os.getpid(), 9)", -signal.SIGKILL)])
@pytest.mark.requirement("002:session-end-missing")
def test_killed(play: Play, collector: Collector, tmp_path: Path, end: str, code: int) -> None:
    """The next launch reports the end of a process that died without reporting it."""
    told = tmp_path / "told"
    clock = 'say("dies", tracker._core.clock.wall(0.0), tracker._core.clock.server_offset or 0.0)\n'
    game = play(script(until_told(told) + clock + end))
    started = Moment.of_start(game)
    noted = eventually(lambda: noted_length(tmp_path) > 2 and noted_length(tmp_path), 30)
    assert noted, "the session's length is not noted while it runs"
    told.touch()
    anchor, offset = map(float, game.wait_for("dies").split())
    assert game.end()[0] == code
    died = Moment(started.earliest + noted, now())
    [user, *_] = collector.export()
    assert user["category"] == "user"

    later = play(script(""))
    offsets = (offset, *Observed.at_end(later).offsets)
    events = collector.export()
    assert sorted(kinds(events)) == sorted([*ENDED, *((2, category) for _, category in ENDED)])
    lost = [event for event in events if event["session_num"] == 1]
    assert kinds(lost) == ENDED
    check_attempt(lost)
    assert {event["session_id"] for event in lost} == {user["session_id"]}
    assert lengths(lost) == [Span(noted, started.until(died).most)]
    assert lost[-1]["client_ts"] == Observed(anchor, 0.0, offsets, "").stamp(died)


def noted_length(tmp_path: Path) -> float:
    """Return the stored length of the data folder's only open session."""
    path = outbox(tmp_path / "data")
    if not path.exists():
        return 0.0
    with contextlib.closing(sqlite3.connect(path)) as connection, contextlib.suppress(sqlite3.OperationalError):
        return max((length for (length,) in connection.execute("SELECT length FROM session_end")), default=0.0)
    return 0.0


def test_pygame_again(play: Play, collector: Collector) -> None:
    """A game that starts pygame anew after `pygame.quit()` has a session for each time."""
    game = play(
        script(
            """
            pygame.quit()
            say("quit", now())
            time.sleep(0.6)
            for _ in range(2):
                before = now()
                pygame.init()
                pygame.display.set_mode((320, 240))
                play(1)
                pygame.quit()
                say("again", before, now())
            time.sleep(0.5)
            """
        )
    )
    started = Moment.of_start(game)
    at_least = float(game.wait_for("played"))
    first = started.until(Moment(at_least, float(game.wait_for("quit"))))
    spans = [Span(0.0, after - before) for before, after in (map(float, game.wait_for("again").split()) for _ in "23")]
    observed = Observed.at_end(game)
    events = collector.export()
    assert kinds(events) == [*ENDED, (2, "user"), (2, "session_end"), (3, "user"), (3, "session_end")]
    assert lengths(events) == [first.or_less(observed.asleep), *spans]


def test_quitting_takes_a_while(play: Play, collector: Collector) -> None:
    """A window that is still open and focused while the game says goodbye begins no other session."""
    game = play(script("pygame.quit()", before="pygame.register_quit(lambda: time.sleep(1))"))
    assert game.end()[0] == 0
    assert kinds(collector.export()) == ENDED


def test_two_copies(play: Play, collector: Collector, tmp_path: Path) -> None:
    """A second copy of the game does not end the session of one that runs."""
    told = tmp_path / "told"
    first = play(script(until_told(told)))
    started = Moment.of_start(first)
    second, _ = played(play(script(""), SDL_VIDEODRIVER="dummy"))  # without a window that takes the focus
    assert (1, "session_end") not in kinds(collector.export())
    ending = now()
    told.touch()
    observed = Observed.at_end(first)
    whole = started.until(Moment.since(ending)).or_less(observed.asleep)
    events = collector.export()
    assert sorted(kinds(events)) == sorted([*ENDED, *((2, category) for _, category in ENDED)])
    assert lengths(events) == [whole, second]
