"""Processes of a game that never started a tracker, and processes that its helpers start."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Game

pytestmark = pytest.mark.fresh

NEVER_STARTED = """
    import ga_pygame
    tracker = ga_pygame.Tracker(game_key="0123456789abcdef" * 2, secret_key="0123456789" * 4)
    tracker.design("a")
    print("made", flush=True)
"""


def test_a_start_that_was_forgotten_is_said_at_exit(game: Callable[..., Game]) -> None:
    """At the latest, on stderr, where a developer without logging sees it."""
    _, _, error = game(NEVER_STARTED).end()
    assert error.count("Tracker.start() was never called: 1 events are lost") == 1


HELPERS = """
    import concurrent.futures, multiprocessing, os, sys
    import ga_pygame
    tracker = ga_pygame.Tracker()
    tracker.start()
    tracker.design("at:import")

    def work(number):
        tracker.design("in:worker")
        made = ga_pygame.Tracker()
        made.start()
        made.design("in:worker")
        made.close()
        ga_pygame.current().design("in:worker")
        return ga_pygame.current().session_id == ""

    if __name__ == "__main__":
        method = os.environ["METHOD"]
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            ends = pool.map(work, range(3))
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            ends += pool.map(work, range(3))
        process = context.Process(target=work, args=(1,))
        process.start()
        process.join()
        print("ends", ends, flush=True)
        tracker.close()
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
@pytest.mark.skipif(sys.platform == "win32", reason="only spawn there")
def test_worker_processes_record_nothing(collector: Any, game: Callable[..., Game], method: str) -> None:
    """One player, one session, whatever workers a game or its libraries start, and not a word about them."""
    knobs = {"GA_PYGAME_COLLECTOR": collector.url, "GA_PYGAME_SHUTDOWN_TIMEOUT": "20"}  # for a busy machine
    played = game(HELPERS, METHOD=method, **knobs)
    code, out, error = played.end(60)
    assert (code, error) == (0, "")
    assert out.splitlines()[-1] == f"ends {[True] * 6}"
    assert [event.get("event_id", event["category"]) for event in collector.export()] == [
        "user",
        "at:import",
        "session_end",
    ]


@pytest.mark.parametrize(
    ("program", "is_one"),
    [
        ("from multiprocessing.spawn import spawn_main", True),
        ("from multiprocessing.forkserver import main", True),
        ("import multiprocessing", False),
        ("def main(): pass", False),
    ],
)
def test_a_process_that_runs_multiprocessing_is_a_helper(program: str, is_one: bool) -> None:
    """Also a server of forks that imports the game's modules for its children and is marked in no way."""
    said = subprocess.run(
        [sys.executable, "-c", f"{program}\nfrom ga_pygame import active\nprint(active.is_helper_process())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.strip() == str(is_one)
