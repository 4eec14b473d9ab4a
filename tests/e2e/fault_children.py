"""Children of the fault suite's game: how forked and spawned processes use the tracker that they inherit.

Whatever they report carries `n = CHILD`: none of it may arrive.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ga_pygame

CHILD = -1
FIELDS = {"n": CHILD, "called": -1.0}

FORKED = ("fields", "dimensions", "ids", "events", "errors", "quit", "exit", "close", "raise", "all", "outlive")
SPAWNED = ("fork", "forkserver", "spawn")


def work() -> None:
    """Do the work of a helper process."""
    time.sleep(0.05)


def beget(tracker: ga_pygame.Tracker, deed: str) -> None:
    """Start a child that does this and ends; only `outlive` ends later than its parent."""
    if deed in SPAWNED:
        helper = multiprocessing.get_context(deed).Process(target=work)  # type: ignore[attr-defined]  # of a method that is a variable
        helper.start()
        helper.join()
    elif child := os.fork():
        if deed != "outlive":
            os.waitpid(child, 0)
    else:
        _live(tracker, deed)


def _live(tracker: ga_pygame.Tracker, deed: str) -> None:
    import pygame  # noqa: PLC0415 - not before the game itself

    if deed == "outlive":
        os.setsid()
    if deed in ("fields", "all", "outlive"):
        tracker.fields["child"] = 1
        tracker.fields["n"] = CHILD
    if deed in ("dimensions", "all"):
        tracker.dimensions[1] = "child"
    if deed in ("ids", "all"):
        tracker.external_user_id = "child"
    if deed in ("events", "all", "outlive"):
        for _ in range(20):
            tracker.design("n:child", 1, fields=FIELDS)
            tracker.business("USD", 1, "pack", "child", fields=FIELDS)
            tracker.wallet("gold").earn(1, "pickup", "coin")
            tracker.progression.start("child", fields=FIELDS)
            tracker.tick()
    if deed == "errors":
        tracker.error("error", "of the child", fields=FIELDS)
    if deed == "raise":
        raise RuntimeError("of the child")
    if deed in ("quit", "all"):
        pygame.quit()
    if deed in ("close", "all"):
        tracker.flush()
        tracker.close()
    if deed == "outlive":
        time.sleep(1.5)
        tracker.design("n:child", 2, fields=FIELDS)
    sys.exit(0) if deed != "ids" else os._exit(0)


def play_once(pygame: ModuleType, package: ModuleType) -> None:
    """Do what a game with a tracker at the top of its module does in each process that `multiprocessing` spawns."""
    pygame.init()
    tracker = package.Tracker()
    tracker.start()
    tracker.design("n:child", fields=FIELDS)
    tracker.close()
