"""The game of the fault suite: reports without pause, notes each call in a ledger, dies at a point of its plan.

A script for a process of its own; its one argument is the plan as JSON (`fault_launch.Plan`). What it injects
stands between the package and the libraries below it (SQLite, requests, the wall clock); no part of the package
is replaced.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import signal
import sqlite3
import sys
import threading
import time
from typing import Any

PLAN: dict[str, Any] = json.loads(sys.argv[1])
LEDGER = os.open(PLAN["ledger"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def note(word: str, *more: object) -> None:
    """Write an entry to the ledger; the system keeps it even if this process dies."""
    os.write(LEDGER, (json.dumps([PLAN["launch"], word, time.monotonic(), *more]) + "\n").encode())


# --- dying at a point ------------------------------------------------------------------------------------


def die() -> None:
    """End as the system ends a process if memory is short: no more code of it runs."""
    note("died")
    os.kill(os.getpid(), signal.SIGKILL)


class Point:
    """A counter of how often execution has passed the plan's point."""

    reached = 0

    @classmethod
    def reach(cls, name: str) -> None:
        if PLAN["die_at"] != name:
            return
        cls.reached += 1
        if cls.reached != PLAN["die_after"]:
            return
        if PLAN["stands_still"]:
            os.kill(os.getpid(), signal.SIGSTOP)
            return
        if PLAN["die_delay"]:  # in the midst of what comes next: SQLite and sockets release the interpreter lock
            threading.Timer(PLAN["die_delay"], die).start()
        else:
            die()


class Connection(sqlite3.Connection):
    """An SQLite connection with points before and after each operation, and a file that can become read-only."""

    is_read_only = False

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        wanted = Disk.is_read_only
        if wanted != self.is_read_only:
            self.is_read_only = wanted
            super().execute(f"PRAGMA query_only = {int(wanted)}")
        Point.reach("statement")
        if sql == "COMMIT":
            Point.reach("commit")
        cursor = super().execute(sql, parameters)
        if sql == "COMMIT":
            Point.reach("committed")
        return cursor


class Disk:
    """A switch whether SQLite may write."""

    is_read_only = False


def around(owner: type, method: str, before: str, after: str) -> None:
    """Wrap a method with points before and after it."""
    original = getattr(owner, method)

    @functools.wraps(original)
    def wrapped(*arguments: Any, **keywords: Any) -> Any:
        Point.reach(before)
        result = original(*arguments, **keywords)
        Point.reach(after)
        return result

    setattr(owner, method, wrapped)


connect = sqlite3.connect
sqlite3.connect = functools.partial(connect, factory=Connection)  # type: ignore[assignment]

# --- files that cannot be removed ------------------------------------------------------------------------

if PLAN["sticky"]:  # as on Windows while a scanner has them open; used if the real file cannot be made so
    for owner, method in ((os, "unlink"), (os, "remove"), (pathlib.Path, "unlink")):
        original = getattr(owner, method)

        def refused(path: Any, *arguments: Any, _original: Any = original, **keywords: Any) -> Any:
            if str(path).endswith(PLAN["sticky"]):
                raise PermissionError(13, "in use by another process", str(path))
            return _original(path, *arguments, **keywords)

        setattr(owner, method, refused)

# --- the wall clock --------------------------------------------------------------------------------------

right_time = time.time
clock_error = [float(PLAN["clock_error"])]
time.time = lambda: right_time() + clock_error[0]

# --- the game --------------------------------------------------------------------------------------------

from tests.e2e import fault_children  # noqa: E402

IS_HELPER = __name__ != "__main__"
"""Whether `multiprocessing` spawned this process; while it imports its parent's module, it does not know it yet."""

if not IS_HELPER:
    note("running")
import pygame  # noqa: E402

import ga_pygame  # noqa: E402
from ga_pygame.delivery.outbox.sqlite import SqliteOutbox  # noqa: E402
from ga_pygame.delivery.transport import RequestsTransport  # noqa: E402

around(RequestsTransport, "send", "send", "sent")
around(SqliteOutbox, "settle", "settle", "settled")
around(SqliteOutbox, "lease", "lease", "leased")


def report(tracker: ga_pygame.Tracker, number: int, called: float) -> str:
    """Make one call; its number decides the kind."""
    fields = {"n": number, "called": called}
    place = number % 10
    if place == 2:
        tracker.progression.start("forest", "level_1", fields=fields)
        return "start"
    if place == 8:
        if number // 10 % 4 == 3:
            tracker.progression.complete("forest", "level_1", fields=fields)
        else:
            tracker.progression.fail("forest", "level_1", fields=fields)
        return "attempt"
    if place in (4, 9):
        tracker.business("USD", 99, "pack", "gold", fields=fields)
        return "business"
    tracker.design(f"n:{number}", fields=fields)
    return "design"


def do(tracker: ga_pygame.Tracker, changes: list[tuple[float, str, Any]], age: float) -> None:
    """Make the plan's changes that are due."""
    while changes and changes[0][0] <= age:
        _, what, value = changes.pop(0)
        if what == "clock":
            clock_error[0] = value
        elif what == "read_only":
            Disk.is_read_only = value
        elif what == "child":
            fault_children.beget(tracker, value)


def main() -> None:
    pygame.init()
    pygame.display.set_mode((64, 48))
    tracker = ga_pygame.Tracker(journal=PLAN["journal"])
    tracker.fields["launch"] = PLAN["launch"]
    note("starting")
    tracker.start()
    note("started", tracker.session_id)
    gold = tracker.wallet("gold")
    began = flushed = time.monotonic()
    number = 0
    changes = [tuple(change) for change in PLAN["changes"]]
    while (now := time.monotonic()) - began < PLAN["seconds"]:
        number += 1
        called = time.monotonic()
        note("call", number, report(tracker, number, called), called)
        if number % 5 == 0:
            gold.earn(1, "pickup", "coin")
            note("wallet")
        if PLAN["flush_every"] and now - flushed >= PLAN["flush_every"]:
            flushed = now
            tracker.flush()
        do(tracker, changes, now - began)
        pygame.event.get()
        pygame.display.flip()
        time.sleep(PLAN["pause"])
    do(tracker, changes, float("inf"))
    if PLAN["wait_for_all"]:
        result = tracker.flush().wait(PLAN["wait_for_all"])
        note("flushed", "no answer" if result is None else result.error)
    note("closing")
    tracker.close()
    note("closed", dict(tracker.stats.dropped), peak_bytes())


def peak_bytes() -> int:
    """Return the peak memory of this process."""
    try:
        with open("/proc/self/status") as status:
            [line] = [line for line in status if line.startswith("VmHWM:")]
    except OSError:
        return 0
    return int(line.split()[1]) * 1024


if IS_HELPER:
    fault_children.play_once(pygame, ga_pygame)
else:
    main()
