"""A kill loses no event, not even one reported immediately before it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CALLS = 1000

DIES = """
    import os, signal
    import pygame
    import ga_pygame

    pygame.display.init()
    pygame.display.set_mode((10, 10))
    tracker = ga_pygame.Tracker(build="1"{more})
    tracker.start()
    print("ready", flush=True)
    input()
    tracker.progression.start("forest", "level_1")
    gold = tracker.wallet("gold")
    for number in range({calls}):
        tracker.design("n:%d" % number, value=number)
        gold.earn(1, "pickup", "coin")
    os.kill(os.getpid(), signal.SIGKILL)
"""
LIVES = """
    import pygame
    import ga_pygame

    pygame.display.init()
    pygame.display.set_mode((10, 10))
    with ga_pygame.Tracker(build="1") as tracker:
        print("flushed", tracker.flush().wait(20), flush=True)
"""


def killed_and_again(game: Callable[..., Any], collector: Any, more: str = "") -> list[dict[str, Any]]:
    """Return the events of a game that kills itself right after its last call, and of the next launch."""
    dying = game(DIES.format(calls=CALLS, more=more), GA_PYGAME_COLLECTOR=collector.url)
    dying.wait_for("ready")
    dying.say("go")
    assert dying.end()[0] == -9
    again = game(LIVES, GA_PYGAME_COLLECTOR=collector.url)
    again.wait_for("flushed")
    code, _, error = again.end()
    assert code == 0, error
    stored: list[dict[str, Any]] = collector.export()
    return stored


@pytest.mark.parametrize("round_", range(3))
def test_no_call_is_lost_to_a_kill(game: Callable[..., Any], collector: Any, tmp_path: Path, round_: int) -> None:
    """Each of a thousand calls right before SIGKILL arrives once; so do the wallet's sum, the Fail and the end."""
    stored = killed_and_again(game, collector)
    first = [event for event in stored if event["session_num"] == 1]
    numbers = [event["value"] for event in first if event["category"] == "design"]
    assert numbers == list(range(CALLS))
    assert sum(event["amount"] for event in first if event["category"] == "resource") == CALLS
    fails = [event for event in first if event.get("event_id", "").startswith("Fail:")]
    assert [(event["event_id"], event["attempt_num"]) for event in fails] == [("Fail:forest:level_1", 1)]
    assert [event["category"] for event in first].count("user") == 1
    assert first[-1]["category"] == "session_end"
    assert [event["category"] for event in stored if event["session_num"] == 2] == ["user", "session_end"]
    assert len({event["event_uuid"] for event in stored}) == len(stored)
    assert not list((tmp_path / "data").rglob("*.ring"))


def test_without_a_journal_a_moment_may_be_lost(game: Callable[..., Any], collector: Any, tmp_path: Path) -> None:
    """With `journal=False` there is no such file; what was committed arrives once, in order, without a gap."""
    stored = killed_and_again(game, collector, more=", journal=False")
    numbers = [event["value"] for event in stored if event["category"] == "design"]
    assert numbers == list(range(len(numbers)))
    kinds = [event["category"] for event in stored]
    assert kinds.count("session_end") == kinds.count("user") in (1, 2)


FORKS = """
    import os
    import pygame
    import ga_pygame

    pygame.display.init()
    pygame.display.set_mode((10, 10))
    with ga_pygame.Tracker(build="1") as tracker:
        tracker.design("parent", value=0)
        child = os.fork()
        if not child:
            for number in range(100):
                tracker.design("parent", value=number)
                tracker.design("child", value=number)
            os._exit(0)
        os.waitpid(child, 0)
        for number in range(1, 100):
            tracker.design("parent", value=number)
        print("flushed", tracker.flush().wait(20), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_forked_child_leaves_its_parents_events_alone(game: Callable[..., Any], collector: Any) -> None:
    """A forked child's calls are not recorded, and overwrite nothing that its parent records."""
    forking = game(FORKS, GA_PYGAME_COLLECTOR=collector.url)
    forking.wait_for("flushed")
    code, _, error = forking.end()
    assert code == 0, error
    designs = [event for event in collector.export() if event["category"] == "design"]
    assert [(event["event_id"], event["value"]) for event in designs] == [("parent", number) for number in range(100)]
    assert [event["category"] for event in collector.export()].count("session_end") == 1
