"""A process that the system ends by a segfault or an abort is reported once, by the next launch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.rules import CRASH_FIELD, CRUMBS_FIELD, FATAL, MAIN
from tests.collectors import Collector
from tests.conftest import Game

OPENING = """
import ctypes, os, sys, time
sys.stdout = sys.stderr = None
import pygame
import ga_pygame
pygame.init()
pygame.display.set_mode((64, 48))
tracker = ga_pygame.Tracker(shutdown_timeout=20)
tracker.start()
"""
DIES = """
tracker.progression.start("forest", "level_1")
def draw():
    {how}
for number in range(3):
    tracker.design("kill:slime", number)
pygame.display.flip()
draw()
"""


@pytest.mark.fresh
@pytest.mark.parametrize(("how", "said"), [("ctypes.string_at(0)", "Segmentation fault"), ("os.abort()", "Aborted")])
def test_the_next_launch_reports_it(
    game: Callable[..., Game], collector: Collector, tmp_path: Path, how: str, said: str
) -> None:
    """Also without a standard error output. The file goes; a launch that runs meanwhile reports nothing."""
    where = {"GA_PYGAME_COLLECTOR": collector.url, "GA_PYGAME_DATA_DIR": str(tmp_path / "data")}
    go = tmp_path / "go"
    other = game(OPENING + f"while not os.path.exists({str(go)!r}): time.sleep(0.01)", **where)
    code, _, _ = game(OPENING + DIES.format(how=how), **where).end()
    assert code != 0
    go.touch()
    other.end()
    game(OPENING, **where).end()
    game(OPENING, **where).end()
    events = collector.export()
    (error,) = [event for event in events if event["category"] == "error"]
    assert error["severity"] == "critical"
    assert error["custom_fields"][CRASH_FIELD] == FATAL
    assert ", in draw\n" in error["message"]
    assert error["message"].endswith(f"\nFatal Python error: {said}")
    its_session = [event for event in events if event["session_id"] == error["session_id"]]
    assert [event["category"] for event in its_session] == [
        *("user", "progression", "design", "design", "design"),
        *("error", "progression", "session_end"),
    ]
    assert len({event["session_id"] for event in events}) == 4
    assert list((tmp_path / "data").rglob("crash-*")) == []


NEVER_CHAINS = """
import logging
sys.excepthook = lambda *_: None
logging.getLogger("save").addHandler(ga_pygame.LoggingHandler())
logging.getLogger("save").error("disk full")
for number in range(30):
    tracker.design("kill:slime", number)
tracker.design("door:opened")
raise ZeroDivisionError("ours")
"""


@pytest.mark.fresh
def test_a_crash_carries_what_came_before(game: Callable[..., Game], collector: Collector) -> None:
    """Also if the game's own hook does not call ours; the last 20 events, the newest last."""
    game(OPENING + NEVER_CHAINS, GA_PYGAME_COLLECTOR=collector.url).end()
    logged, crash = [event for event in collector.export() if event["category"] == "error"]
    assert (logged["message"], logged["custom_fields"]["logger"]) == ("disk full", "save")
    fields: dict[str, Any] = crash["custom_fields"]
    assert fields[CRASH_FIELD] == MAIN
    texts = [fields[name] for name in sorted(fields) if name.startswith(CRUMBS_FIELD)]
    assert all(len(text) <= 256 for text in texts)
    crumbs = [crumb.partition(" s ")[2] for text in texts for crumb in text.split(" | ")]
    assert crumbs == [*(f"design kill:slime {number}" for number in range(11, 30)), "design door:opened"]
