"""Files that another program holds, at any moment and for any time: no loss, no duplicate, no long wait."""

from __future__ import annotations

import contextlib
import math
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ga_pygame.recording import journal_files
from tests.e2e.fault_counts import tally
from tests.e2e.fault_launch import Plan, World
from tests.e2e.fault_suite import Suite
from tests.e2e.plain_server import PlainServer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="flock")

MOST_CLOSE = 1.0
"""`shutdown_timeout`, in seconds."""

Grip = Callable[[World], "contextlib.AbstractContextManager[object]"]


@contextlib.contextmanager
def database(world: World, *statements: str) -> Iterator[None]:
    """Hold the outbox in another process than the game's, as another program does."""
    with contextlib.closing(sqlite3.connect(world.outbox, timeout=5, isolation_level=None)) as connection:
        with contextlib.suppress(sqlite3.OperationalError):  # the game holds it all the time: nothing to hold
            for statement in statements:
                connection.execute(statement)
        yield


def to_write(world: World) -> contextlib.AbstractContextManager[object]:
    return database(world, "BEGIN IMMEDIATE")


def alone(world: World) -> contextlib.AbstractContextManager[object]:
    """Hold the outbox exclusively, as an older game without the write-ahead log or a backup does."""
    return database(world, "PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE")


def to_read(world: World) -> contextlib.AbstractContextManager[object]:
    """Read the outbox, so that the write-ahead log cannot be checkpointed to its end."""
    return database(world, "BEGIN", "SELECT count(*) FROM sqlite_schema")


@contextlib.contextmanager
def lock_files(world: World) -> Iterator[None]:
    """Hold each lock file that is free."""
    import fcntl  # noqa: PLC0415 - there is none on Windows

    with contextlib.ExitStack() as held:
        for path in sorted(world.outbox.parent.glob("*.lock")):
            if path.name.startswith("launch-"):
                continue  # whoever holds that says that a launch lives
            with contextlib.suppress(OSError):
                file = held.enter_context(path.open("rb"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


@contextlib.contextmanager
def handles(world: World) -> Iterator[None]:
    """Open all files, as a scanner does."""
    with contextlib.ExitStack() as held:
        for folder in {world.outbox.parent, journal_files.folder(world.outbox.parent)}:
            for path in folder.glob("*"):
                with contextlib.suppress(OSError):
                    held.enter_context(path.open("rb"))
        yield


@contextlib.contextmanager
def immutable(path: Path) -> Iterator[bool]:
    """Make a file immutable; return false if the file system cannot do that."""
    done = shutil.which("chattr") is not None and os.geteuid() == 0
    done = done and subprocess.run(["chattr", "+i", path], capture_output=True, check=False).returncode == 0
    try:
        yield done
    finally:
        if done:
            subprocess.run(["chattr", "-i", path], capture_output=True, check=False)


def read_only_folder(world: World) -> contextlib.AbstractContextManager[object]:
    """Let no file be made or removed in the folder; for root only immutability does that."""
    return immutable(world.outbox.parent)


GRIPS: dict[str, Grip] = {
    "write lock": to_write,
    "exclusive lock": alone,
    "a reader": to_read,
    "lock files": lock_files,
    "open handles": handles,
    "read-only folder": read_only_folder,
}


def hold(grip: Grip, world: World, seconds: float) -> threading.Thread:
    """Hold for that long; return when it is held."""
    held = threading.Event()

    def work() -> None:
        try:
            with grip(world):
                held.set()
                time.sleep(seconds)
        finally:
            held.set()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    held.wait(10)
    return thread


def some_time(chance: random.Random) -> float:
    """Return 5 to 6,000 ms; short times are as frequent as long ones."""
    return float(0.005 * 1200 ** chance.random())


@pytest.mark.parametrize("moment", ["start", "middle", "exit"])
@pytest.mark.parametrize("kind", GRIPS)
def test_held_by_another(kind: str, moment: str, suite: Suite, plain_server: PlainServer) -> None:
    """Whichever program holds the files, whenever and however long: the game does not wait, and all arrives once."""
    results = []
    for number in range(suite.rounds(1, 15)):
        world = suite.world(server=plain_server)
        world.play(Plan(seconds=0.1))  # there is a file to hold
        seconds = some_time(suite.chance) if suite.is_long or number else suite.chance.choice((0.1, 0.5, 2.5))
        is_last = moment == "exit"  # the game ends while its files are held
        plan = Plan(seconds=1.0 if is_last else 0.5 + seconds, flush_every=0.2, pause=0.01)
        knobs = {"shutdown_timeout": "1"} if is_last else {}
        holding = hold(GRIPS[kind], world, seconds) if moment == "start" else None
        launched = world.launch(plan, **knobs)
        if holding is None:
            launched.wait_until("started")
            time.sleep(suite.chance.uniform(0.0, 0.5))
            if is_last:  # what is acknowledged now could not be noted, and nobody could know it later
                plain_server.behave = _away
                time.sleep(0.3)
            holding = hold(GRIPS[kind], world, seconds)
        launched.end()
        holding.join()
        plain_server.heal()
        world.play(Plan(seconds=0.2, wait_for_all=15.0))
        world.drain()
        names = {life.name for life in world.lives()}
        events = [event for event in plain_server.export() if event["custom_fields"].get("launch") in names]
        result, _ = tally(f"held by another ({kind}) at {moment}", 1, world.lives(), events)
        if result.lost or result.doubled:
            result.wrong.append(f"held for {seconds:.3f} s; it said: {world.said[-600:]}")
        results.append(result)
    most_close = MOST_CLOSE + (0.5 if suite.is_long else 5.0)
    suite.report(*results, most_start=suite.most_start, most_close=most_close if moment == "exit" else math.inf)


# --- journals that stay ------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["refused", "immutable"])
def test_journal_that_cannot_be_removed(way: str, suite: Suite, plain_server: PlainServer) -> None:
    """A journal that stays although it is done with is not replayed, at no later launch."""
    results = []
    for _ in range(suite.rounds(1, 20)):
        world = suite.world(server=plain_server)
        plan = Plan(seconds=20.0, sticky=".ring" if way == "refused" else "")
        plain_server.behave = _away
        launched = world.launch(plan)
        launched.wait_until("started")
        time.sleep(suite.chance.uniform(0.2, 0.5))
        launched.kill()
        plain_server.heal()
        with contextlib.ExitStack() as kept:
            if way == "immutable":
                folder = journal_files.folder(world.outbox.parent)
                if not all(kept.enter_context(immutable(path)) for path in folder.glob("*.ring")):
                    pytest.skip("no immutable files on the file system of the journals")
            for _ in range(3):
                world.play(replace(plan, seconds=0.2, wait_for_all=15.0))
        world.play(Plan(seconds=0.1, wait_for_all=15.0))
        world.drain()
        names = {life.name for life in world.lives()}
        events = [event for event in plain_server.export() if event["custom_fields"].get("launch") in names]
        result, _ = tally(f"journal that cannot be removed ({way})", 1, world.lives(), events)
        results.append(result)
    suite.report(*results, most_start=suite.most_start)


def _away(exchange: object) -> bool:
    raise EOFError
