"""A game that takes commands line by line, and a reader of the outbox that it leaves."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

from ga_pygame.delivery.outbox.schema import SELECT, records
from tests.conftest import Game

TICK = 0.005
"""Seconds between two ticks with which a game measures `close()`: a machine that gives it no processor adds none."""

PUPPET = f"""
import sys, threading, time
import pygame
import ga_pygame

def close():
    ticks, is_over = 0, threading.Event()

    def count():
        nonlocal ticks
        while not is_over.wait({TICK}):
            ticks += 1

    threading.Thread(target=count, daemon=True).start()
    tracker.close()
    is_over.set()
    print("closed", ticks * {TICK})
    sys.exit()

pygame.init()
pygame.display.set_mode((64, 48))
tracker = ga_pygame.Tracker()
tracker.start()
print("started", tracker.session_id, time.monotonic())
for line in sys.stdin:
    exec(line)
    tracker.tick()
    print("done")
"""
"""Runs each line of its input and says `done`; ends, as a game without `close()` does, with its input."""

CLOSE = "close()"
"""Says how long it took, in ticks."""

SEND = """
import pygame
import ga_pygame
pygame.init()
with ga_pygame.Tracker() as tracker:
    result = tracker.flush().wait(20)
    print("flushed", result)
"""
"""A later launch that has time to send everything."""


def outbox(data: Path, folder: str = "collector-tests") -> Path:
    """Return the outbox of a game that sends to a collector."""
    return data / folder / "outbox.sqlite3"


def waiting(path: Path) -> list[dict[str, Any]]:
    """Return the events in an outbox, in order."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (done,) = connection.execute("SELECT min(done) FROM destinations").fetchone()
        rows = connection.execute(f"{SELECT} ORDER BY last_id").fetchall()
    return [json.loads(b"{" + record.payload) for row in rows for record in records(row, done)]


def tell(puppet: Game, line: str) -> None:
    """Send a command to a game and wait until it is done."""
    puppet.say(line)
    puppet.wait_for("done")
