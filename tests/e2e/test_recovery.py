"""Processes that die at any moment and copies of a game side by side: each event counts once."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.collectors import Collector
from tests.conftest import eventually
from tests.e2e.fault_ledger import ON_DISK_SECONDS
from tests.e2e.games import CLOSE, PUPPET, SEND, outbox, tell, waiting
from tests.e2e.servers import SILENCE, ScriptedServer, summary, welcome

"""The promise: an event reported this long before the end is safe."""

BUSY_MACHINE_SECONDS = 0.5
"""What a machine that runs other tests beside this one may add before it lets a thread work."""

BUSY = """
import os, sys, time
import pygame
import ga_pygame
pygame.init()
calls = open(sys.argv[0] + ".calls", "a", buffering=1)
tracker = ga_pygame.Tracker()
tracker.start()
print("started", tracker.session_id, time.monotonic())
number = 0
while True:
    number += 1
    tracker.design("step:test", number)
    if number % 7 == 0:
        tracker.business("USD", 99, "pack", "gold")
    if number % 11 == 0:
        tracker.progression.fail("forest", "level_1")
    calls.write(f"{number} {time.monotonic()}\\n")
    time.sleep(0.002)
"""
"""Reports without pause, and notes each call and its time where a kill cannot take it back."""


def calls_of(script: Path) -> list[tuple[int, float]]:
    lines = script.with_name(script.name + ".calls").read_text().splitlines()
    return [(int(number), float(at)) for number, at in map(str.split, lines)]


def of(stored: list[dict[str, Any]], category: str) -> list[dict[str, Any]]:
    return [event for event in stored if event["category"] == category]


def numbers(events: list[dict[str, Any]], field: str) -> list[int]:
    return sorted(event[field] for event in events)


def puppet_of(game: Any, url: str, **more: str) -> tuple[Any, str, float]:
    """Start a puppet; return it, its session and the session's start."""
    puppet = game(PUPPET, GA_PYGAME_COLLECTOR=url, GA_PYGAME_UPLOAD_INTERVAL="0.2", **more)
    session_id, at = puppet.wait_for("started").split()
    return puppet, session_id, float(at)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.requirement("002:cache")
def test_killed_at_any_moment(seed: int, game: Any, collector: Collector, tmp_path: Path) -> None:
    """After kill -9 at any moment each event reported 0.05 s before it arrives once, and no counter has a gap."""
    chance = random.Random(seed)
    killed: list[tuple[str, float, float, float]] = []
    for _ in range(4):
        busy = game(BUSY, GA_PYGAME_COLLECTOR=collector.url, GA_PYGAME_UPLOAD_INTERVAL="0.1")
        session_id, began = busy.wait_for("started").split()
        time.sleep(chance.uniform(0.02, 1.2))
        at = time.monotonic()
        busy.kill()
        killed.append((session_id, float(began), at, time.monotonic()))
    assert "error=''" in game(SEND, GA_PYGAME_COLLECTOR=collector.url).wait_for("flushed")

    def is_complete() -> list[dict[str, Any]]:
        stored = collector.export()
        return stored if len(of(stored, "session_end")) >= 5 else []

    stored = eventually(is_complete)
    ends = {event["session_id"]: event for event in of(stored, "session_end")}
    starts = {event["session_id"]: event for event in of(stored, "user")}
    assert len(ends) == len(of(stored, "session_end")) == len(starts) == len(of(stored, "user")) == 5
    ages = []
    for place, (session_id, began, at, gone) in enumerate(killed):
        calls = calls_of(tmp_path / f"game_{place}.py")
        arrived = [event["value"] for event in of(stored, "design") if event["session_id"] == session_id]
        ages.append(max((at - called for number, called in calls if number > len(arrived)), default=0.0))
        assert arrived == list(range(1, len(arrived) + 1))
        assert starts[session_id]["session_num"] == ends[session_id]["session_num"] == place + 1
        if arrived:
            last_stored = calls[min(len(arrived), len(calls)) - 1][1]
            assert int(last_stored - began) <= ends[session_id]["length"] <= int(gone - began) + 1
        own = [event["category"] for event in stored if event["session_id"] == session_id]
        assert (own[0], own[-1]) == ("user", "session_end")
    assert max(ages) <= ON_DISK_SECONDS + BUSY_MACHINE_SECONDS
    assert sorted(ages)[1] <= ON_DISK_SECONDS  # the oldest call that was lost, in two of four kills at least
    business = numbers(of(stored, "business"), "transaction_num")
    assert business == list(range(1, len(business) + 1))
    attempts = numbers(of(stored, "progression"), "attempt_num")
    assert attempts == list(range(1, len(attempts) + 1))
    assert max(Counter(event["event_uuid"] for event in stored).values()) == 1
    assert eventually(lambda: not list((tmp_path / "data").rglob("launch-*.lock")))  # the last game is just ending


@pytest.mark.parametrize("copies", [2, 3])
def test_copies_that_start_together_end_a_dead_session_once(copies: int, game: Any, collector: Collector) -> None:
    """Copies that start at the same moment after a kill end the dead session once, with its own ids and length."""
    first, dead, began = puppet_of(game, collector.url)
    tell(first, "tracker.design('before:kill'); time.sleep(1.3); tracker.business('USD', 1, 'a', 'b')")
    tell(first, "tracker.flush().wait(20); time.sleep(0.2)")  # else what it got no answer to is sent again, rightly
    assert eventually(lambda: "business" in collector.categories())
    first.kill()
    length = time.monotonic() - began
    knobs = {"GA_PYGAME_COLLECTOR": collector.url, "GA_PYGAME_UPLOAD_INTERVAL": "0.2"}
    # With time at the end: else what a slow machine sent, and got no answer to, is sent again, rightly.
    knobs["GA_PYGAME_SHUTDOWN_TIMEOUT"] = "20"
    started = [game(PUPPET, **knobs) for _ in range(copies)]
    alive = [one.wait_for("started").split()[0] for one in started]
    assert eventually(lambda: len(of(collector.export(), "user")) == copies + 1)
    assert eventually(lambda: of(collector.export(), "session_end"))
    for one in started:
        tell(one, "tracker.design('alive:test'); time.sleep(0.3)")
    ends = of(collector.export(), "session_end")
    assert [end["session_id"] for end in ends] == [dead]  # nobody ended a session that runs
    assert ends[0]["session_num"] == 1
    assert 1 <= ends[0]["length"] <= int(length)  # as of the last commit
    for one in started:
        one.say(CLOSE)
        one.end()
    game(SEND, GA_PYGAME_COLLECTOR=collector.url).end()
    stored = collector.export()
    assert Counter(end["session_id"] for end in of(stored, "session_end"))[dead] == 1
    assert all(Counter(end["session_id"] for end in of(stored, "session_end"))[one] == 1 for one in alive)
    assert numbers(of(stored, "user"), "session_num") == list(range(1, copies + 3))
    assert summary(collector.url)["duplicates"] == 0


@pytest.mark.parametrize("copies", [2, 3])
def test_copies_share_one_outbox(copies: int, game: Any, collector: Collector, tmp_path: Path) -> None:
    """Copies of a game that run side by side share an outbox and its counters and send each record once."""
    puppets = [puppet_of(game, collector.url) for _ in range(copies)]
    report = (
        "for n in range(40): tracker.design('copy:test', n); tracker.business('USD', 99, 'pack', 'gold');"
        " tracker.progression.fail('forest'); time.sleep(0.02)"
    )
    for puppet, _, _ in puppets:
        puppet.say(report)
    for puppet, _, _ in puppets:
        puppet.wait_for("done")
    assert not of(collector.export(), "session_end")
    for puppet, _, _ in puppets:
        puppet.say(CLOSE)
    for puppet, _, _ in puppets:
        puppet.end()
    assert "error=''" in game(SEND, GA_PYGAME_COLLECTOR=collector.url).wait_for("flushed")
    path = outbox(tmp_path / "data")
    assert eventually(lambda: not waiting(path))
    stored = collector.export()
    assert [file.name for file in (tmp_path / "data").rglob("*.sqlite3")] == [path.name]
    assert numbers(of(stored, "business"), "transaction_num") == list(range(1, 40 * copies + 1))
    assert numbers(of(stored, "progression"), "attempt_num") == list(range(1, 40 * copies + 1))
    assert numbers(of(stored, "user"), "session_num") == list(range(1, copies + 2))
    for _, session_id, _ in puppets:
        own = [event for event in stored if event["session_id"] == session_id]
        assert [event["value"] for event in of(own, "design")] == list(range(40))
        assert (own[0]["category"], own[-1]["category"]) == ("user", "session_end")
    assert summary(collector.url)["duplicates"] == 0


def test_a_copy_that_dies_beside_another(game: Any, collector: Collector) -> None:
    """A copy that is killed while it sends leaves its records to the other one, and its end to the next start."""
    with ScriptedServer(lambda request: SILENCE if request.is_events else welcome()) as silent:
        first, dead, _ = puppet_of(game, silent.url)
        tell(first, "tracker.design('copy:dead')")
        assert eventually(silent.events)  # it holds the lease and waits for an answer
        other, alive, _ = puppet_of(game, collector.url)
        tell(other, "tracker.design('copy:alive'); time.sleep(0.5)")
        assert collector.export() == []  # one sends at a time
        first.kill()
        tell(other, "tracker.flush()")
        assert eventually(lambda: len(of(collector.export(), "design")) == 2)
    assert not of(collector.export(), "session_end")
    game(SEND, GA_PYGAME_COLLECTOR=collector.url).end()
    assert of(collector.export(), "session_end")[0]["session_id"] == dead
    other.say(CLOSE)
    other.end()
    ends = Counter(end["session_id"] for end in of(collector.export(), "session_end"))
    assert (ends[dead], ends[alive], len(ends)) == (1, 1, 3)


def test_wallet_and_attempt_of_a_dead_session(game: Any, collector: Collector, tmp_path: Path) -> None:
    """A wallet's flows and an open attempt's Fail arrive before the dead session's end, with its ids."""
    first, dead, _ = puppet_of(game, collector.url)
    tell(first, "tracker.progression.start('forest', 'level_1'); gold = tracker.wallet('gold')")
    tell(first, "for n in range(10): gold.earn(3, 'pickup', 'coin')")
    tell(first, "gold.spend(4, 'shop', 'hat'); tracker.dimensions[1] = 'ninja'; time.sleep(0.2)")
    first.kill()
    game(SEND, GA_PYGAME_COLLECTOR=collector.url).end()
    old = [event for event in collector.export() if event["session_id"] == dead]
    found = [(event["category"], event.get("event_id")) for event in old if event["category"] != "resource"]
    assert found == [
        ("user", None),
        ("progression", "Start:forest:level_1"),
        ("progression", "Fail:forest:level_1"),
        ("session_end", None),
    ]
    sums: Counter[str] = Counter()  # those that the journal had come one by one, the others as sums
    for event in old:
        if event["category"] == "resource":
            sums[event["event_id"]] += event["amount"]
    assert sums == {"Source:gold:pickup:coin": 30, "Sink:gold:shop:hat": -4}
    assert old[-2]["attempt_num"] == 1
    assert {event["session_num"] for event in old} == {1}


def test_lock_files_of_dead_launches_go(game: Any, collector: Collector, tmp_path: Path) -> None:
    """The next start removes the lock file of each launch that died, and no other's."""
    first, _, _ = puppet_of(game, collector.url)
    folder = outbox(tmp_path / "data").parent
    (dying,) = folder.glob("launch-*.lock")
    tell(first, "time.sleep(0.2)")
    first.kill()
    ended_before_it_died = folder / "launch-00000000-0000-4000-8000-000000000000.lock"
    ended_before_it_died.touch()
    os.utime(ended_before_it_died, (time.time() - 120, time.time() - 120))
    second, _, _ = puppet_of(game, collector.url)
    assert eventually(lambda: not dying.exists() and not ended_before_it_died.exists())
    (own,) = folder.glob("launch-*.lock")
    third, _, _ = puppet_of(game, collector.url)
    assert eventually(lambda: len(list(folder.glob("launch-*.lock"))) == 2)
    assert own.exists()
    for puppet in (second, third):
        puppet.say(CLOSE)
        puppet.end()
    assert not list(folder.glob("launch-*.lock"))
