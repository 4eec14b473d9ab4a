"""Games under Windows' Python that are ended by TerminateProcess, or whose files another program holds."""

from __future__ import annotations

import collections
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.collectors import Collector

GAME = """
import os, sys, time
import pygame
import ga_pygame

pygame.display.init()
pygame.display.set_mode((10, 10))
name, ends = sys.argv[1:]
beginning = time.perf_counter()
tracker = ga_pygame.Tracker(build="1")
tracker.start()
os.write(1, b"started %f\\n" % (time.perf_counter() - beginning))
gold = tracker.wallet("gold")
number = 0
until = time.perf_counter() + (3600.0 if ends == "killed" else float(ends))
while time.perf_counter() < until:
    tracker.design("round:" + name, value=number)
    gold.earn(1, "pickup", "coin")
    os.write(1, b"%d\\n" % number)
    number += 1
    if number % 8 == 0:
        pygame.display.flip()
        time.sleep(0.001)
if ends == "0":
    os.write(1, b"flushed %d\\n" % bool(tracker.flush().wait(20)))
beginning = time.perf_counter()
tracker.close()
os.write(1, b"closed %f\\n" % (time.perf_counter() - beginning))
"""

ROUNDS = f"""
import json, os, random, subprocess, sys, tempfile, time

folder = tempfile.mkdtemp(dir=os.path.dirname(os.path.abspath(__file__)))
game = os.path.join(folder, "game.py")
with open(game, "w") as file:
    file.write({GAME!r})
chance = random.Random(int(os.environ["SEED"]))

def read(file):
    # of a second handle, since the first is where the game writes
    with open(file.name, "rb") as again:
        return again.read()

def play(name, ends):
    # A file, not a pipe: Wine's desktop, which the first game starts, would keep the pipe open
    with open(os.path.join(folder, name), "w+b") as said:
        process = subprocess.Popen([sys.executable, game, name, ends], stdout=said, stderr=said)
        while process.poll() is None and b"started" not in read(said):
            time.sleep(0.01)
        if ends == "killed":
            time.sleep(chance.uniform(0.0, float(os.environ["LONGEST"])))
            process.kill()  # TerminateProcess
        process.wait()
        lines = read(said).replace(b"\\r", b"").split(b"\\n")
    started = [line.split() for line in lines if line.startswith(b"started")]
    assert started, lines
    numbers = [line for line in lines[:-1] if line.isdigit()]
    closed = [float(line.split()[1]) for line in lines if line.startswith(b"closed")]
    made = dict(name=name, calls=len(numbers), code=process.wait(), started=float(started[0][1]), closed=closed)
    made["flushed"] = b"flushed 1" in (line.strip() for line in lines)
    print("round", json.dumps(made), flush=True)
    return made["flushed"]

for number in range(int(os.environ["ROUNDS"])):
    play(os.environ["NAME"] + "%d" % number, os.environ["ENDS"])
for number in range(5):  # until all is sent
    if play(os.environ["NAME"] + "last%d" % number, "0"):
        break
"""
"""Plays rounds from a process of Windows, so that it is Windows that ends the games."""

SCANNER = """
import ctypes, os, random, sys, time
from ctypes import wintypes

kernel = ctypes.WinDLL("kernel32", use_last_error=True)
kernel.CreateFileW.restype = wintypes.HANDLE
folder = os.environ["GA_PYGAME_DATA_DIR"]
chance = random.Random(2)
print("scanning", flush=True)
held = refused = 0
while not os.path.exists(os.path.join(folder, "enough")):
    for root, _, names in os.walk(folder):
        for name in names:
            handle = kernel.CreateFileW(os.path.join(root, name), 0x80000000, 0, None, 3, 0, None)
            if handle in (None, wintypes.HANDLE(-1).value):
                refused += 1
                continue
            held += 1
            time.sleep(chance.uniform(0.05, 0.5))
            kernel.CloseHandle(wintypes.HANDLE(handle))
    time.sleep(0.01)
print("held", held, refused, flush=True)
"""
"""Opens the outbox and the journals without sharing for 50 to 500 ms again and again, as an antivirus does."""


def played(said: str) -> list[dict[str, Any]]:
    """Return what the rounds reported."""
    return [json.loads(line.removeprefix("round ")) for line in said.splitlines() if line.startswith("round ")]


def check(rounds: list[dict[str, Any]], events: list[dict[str, Any]]) -> list[int]:
    """Check that each call that returned arrived once, and that each launch is one session with its end.

    Returns:
        The numbers of the sessions, in order.
    """
    arrived = collections.defaultdict(list)
    for event in events:
        if event["category"] == "design":
            arrived[event["event_id"].removeprefix("round:")].append(event["value"])
    for one in rounds:
        numbers = sorted(arrived[one["name"]])
        assert numbers == list(range(len(numbers))), f"lost or doubled in {one}: {len(numbers)}"
        assert len(numbers) - one["calls"] in (0, 1), f"calls that returned are lost in {one}: {len(numbers)}"
    starts, ends = (
        sorted((event["session_num"], event["session_id"]) for event in events if event["category"] == category)
        for category in ("user", "session_end")
    )
    assert starts == ends
    assert len({session for _, session in starts}) == len(starts) == len(rounds)
    calls = sum(one["calls"] for one in rounds)
    earned = sum(event["amount"] for event in events if event["category"] == "resource")
    assert 0 <= earned - calls <= len(rounds)
    times = [sorted(one["started"] for one in rounds), sorted(seconds for one in rounds for seconds in one["closed"])]
    shown = [f"{some[len(some) // 2]:.2f}, at most {some[-1]:.2f}" for some in times]
    sys.stdout.write(
        f"{len(rounds)} launches, {2 * calls} calls; seconds of start(): {shown[0]}, close(): {shown[1]}\n"
    )
    return [number for number, _ in starts]


@pytest.mark.timeout(3000)
def test_terminated(windows_game: Callable[..., Any], collector: Collector, request: pytest.FixtureRequest) -> None:
    """What games reported that were ended by TerminateProcess at random moments arrives once."""
    number = 60 if request.config.getoption("--long") else 4
    room = str(64 * 2**20)  # for all rounds: none lives long enough to send
    environment = {"ROUNDS": str(number), "SEED": "1", "LONGEST": "0.6", "ENDS": "killed", "NAME": "a"}
    environment["GA_PYGAME_MAX_OUTBOX_BYTES"] = room
    driver = windows_game(ROUNDS, GA_PYGAME_COLLECTOR=collector.url, **environment)
    code, said = driver.end(120 + 20 * number)
    assert code == 0, said
    rounds = played(said)
    assert {one["code"] for one in rounds[:number]} == {1}, rounds
    assert {one["code"] for one in rounds[number:]} == {0}, rounds
    assert rounds[-1]["flushed"], rounds
    assert check(rounds, collector.export()) == list(range(1, len(rounds) + 1))


@pytest.mark.timeout(3000)
def test_scanner(
    windows_game: Callable[..., Any], collector: Collector, request: pytest.FixtureRequest, tmp_path: Any
) -> None:
    """A program that holds outbox and journals without sharing costs no event and no session.

    If it holds the outbox during the whole short life of a game, this gives its session a number by itself, which then
    may occur twice (docs/reliability.md).
    """
    number = 60 if request.config.getoption("--long") else 4
    (tmp_path / "data").mkdir()
    scanner = windows_game(SCANNER)
    scanner.wait_for("scanning")
    environment = {"ROUNDS": str(number), "SEED": "1", "LONGEST": "1", "ENDS": "0.3", "NAME": "a"}
    driver = windows_game(ROUNDS, GA_PYGAME_COLLECTOR=collector.url, **environment)
    code, said = driver.end(120 + 20 * number)
    (tmp_path / "data" / "enough").touch()
    held = scanner.wait_for("held")
    assert int(held.split()[0]) > 0
    assert code == 0, said
    # the scanner may have held the files of the last launch, whose events then wait for the next
    again = windows_game(ROUNDS, GA_PYGAME_COLLECTOR=collector.url, **{**environment, "ROUNDS": "0", "NAME": "b"})
    code, more = again.end()
    assert code == 0, more
    numbers = check([*played(said), *played(more)], collector.export())
    twice = len(numbers) - len(set(numbers))
    sys.stdout.write(f"the scanner held and was refused: {held}; numbers that occur twice: {twice}\n")
