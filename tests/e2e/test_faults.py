"""The fault suite: whatever happens to the process, the network, the clock or the disk, each event arrives once.

Real processes, a real collector, seeded chance, bounded time. A short form by default; `--long` plays many
rounds, prints the table and writes it with `--fault-report FILE`; `--fault-seed N` plays other ones.

Not promised and so not checked: numbers that could not be stored because the disk stayed full to the end. Kills
during the migration of an older file, at each statement, are in `tests/test_sqlite_schema.py`.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.fault_launch import Launch, Plan, World
from tests.e2e.fault_ledger import ALL, Promise
from tests.e2e.fault_proxy import Fault, Flapping
from tests.e2e.fault_suite import Suite
from tests.e2e.servers import HTML
from tests.e2e.small_disk import disk

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and SIGSTOP")

QUICK = {"request_timeout": "0.4"}
FLUSHING = Plan(seconds=0.8, flush_every=0.15)


# --- kills -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("journal", [True, False], ids=["journal", "no journal"])
def test_killed_at_any_time(journal: bool, suite: Suite) -> None:
    """SIGKILL at any time, from before the first import to after `close()`, costs at most the last 0.05 s."""
    world = suite.world()
    world.start_by_command()
    rounds = suite.rounds(4, 60)
    while sum(life.died is not None for life in world.lives()) < rounds:
        launched = world.launch(Plan(seconds=suite.chance.uniform(0.2, 1.5), journal=journal))
        time.sleep(suite.chance.uniform(0.0, 1.8))
        launched.kill()
    suite.report(world.verify(f"SIGKILL at any time{'' if journal else ', without the journal'}", rounds))


POINTS: dict[str, tuple[tuple[str, ...], int, float]] = {
    "commit": (("commit", "committed"), 30, 0.002),
    "send": (("send", "sent"), 7, 0.004),
    "settle": (("lease", "leased", "settle", "settled"), 6, 0.001),
    "statement": (("statement",), 250, 0.0),
}


@pytest.mark.parametrize("kind", POINTS)
def test_killed_at_a_point(kind: str, suite: Suite) -> None:
    """SIGKILL before, within and after a commit, a request or a settlement loses and doubles nothing."""
    points, most, delay = POINTS[kind]
    world = suite.world()
    rounds = suite.rounds(4, 32)
    while sum(life.died is not None for life in world.lives()) < rounds:
        point = suite.chance.choice(points)
        within = delay and not point.endswith(("ed", "nt")) and suite.chance.random() < 0.5
        world.play(
            Plan(
                seconds=1.2,
                flush_every=0.2,
                die_at=point,
                die_after=suite.chance.randint(1, most),
                die_delay=suite.chance.uniform(0.0, delay) if within else 0.0,
            )
        )
    suite.report(world.verify(f"SIGKILL at a {kind}", rounds))


def test_killed_while_the_tables_are_made(suite: Suite) -> None:
    """SIGKILL at any statement of the very first start leaves a file with which the next start works."""
    results = []
    for _ in range(suite.rounds(3, 24)):
        world = suite.world()
        world.play(Plan(seconds=0.3, die_at="statement", die_after=suite.chance.randint(1, 40)))
        world.play(Plan(seconds=0.3))
        results.append(world.verify("SIGKILL while the tables are made", 1))
    suite.report(*results)


def test_killed_without_a_network(suite: Suite) -> None:
    """Events of several launches that were killed while the network was down all arrive in the end."""
    world = suite.world()
    rounds = suite.rounds(3, 20)
    suite.proxy.go_down()
    for _ in range(rounds):
        launched = world.launch(replace(FLUSHING, seconds=5.0))
        launched.wait_until("started")
        time.sleep(suite.chance.uniform(0.1, 1.0))
        launched.kill()
    suite.report(world.verify("SIGKILL while the network is down", rounds))


# --- network ---------------------------------------------------------------------------------------------

Chooser = Callable[[random.Random], Callable[[], Fault]]


def always(make: Callable[[random.Random], Fault]) -> Chooser:
    """Apply a fault to each request, each time a little different."""
    return lambda chance: lambda: make(chance)


def sometimes(share: float, make: Callable[[random.Random], Fault]) -> Chooser:
    """Apply a fault to some of the requests."""
    return lambda chance: lambda: make(chance) if chance.random() < share else Fault()


def narrow(chance: random.Random) -> Callable[[], Fault]:
    """Answer 413 to bodies above a size that fits one event, or many."""
    size = int(900 * 20 ** chance.random())
    return lambda: Fault(refuse_above=size)


def storm(chance: random.Random) -> Fault:
    """Answer as our own collector in trouble: it may have stored the events of an error answer."""
    headers = {"Retry-After": "1"} if chance.random() < 0.2 else {}
    status = chance.choice((500, 502, 503, 504))
    return Fault(status=status, body=b'{"error": "trouble"}', headers=headers, processed=chance.random() < 0.5)


def page(chance: random.Random) -> Fault:
    """Answer with a hotel's portal or a proxy's error page."""
    return Fault(status=chance.choice((200, 302, 403, 404, 502, 511)), body=HTML)


REQUEST_FAULTS: dict[str, Chooser] = {
    "half-open: reads, never answers": always(lambda _: Fault(silent=True)),
    "reset within the request": sometimes(0.8, lambda chance: Fault(reset_after=chance.random())),
    "reset before the answer": sometimes(0.8, lambda _: Fault(lose_answer=True)),
    "truncated answer": sometimes(0.8, lambda chance: Fault(cut_after=chance.random())),
    "slow answer": always(lambda chance: Fault(delay=chance.uniform(0.0, 0.8))),
    "HTML in the place of an answer": sometimes(0.8, page),
    "413 above a random size": narrow,
    "5xx storm": sometimes(0.8, storm),
}


@pytest.mark.parametrize("fault", REQUEST_FAULTS)
def test_requests_that_go_wrong(fault: str, suite: Suite) -> None:
    """Whatever becomes of requests and answers, each event is stored once and closing stays quick."""
    world = suite.world()
    rounds = suite.rounds(2, 20)
    for _ in range(rounds):
        choose = REQUEST_FAULTS[fault](suite.chance)
        suite.proxy.choose = choose
        if fault.startswith("413"):  # let a pile grow, so that there is something to halve
            suite.proxy.go_down()
        launched = world.launch(FLUSHING, **QUICK)
        launched.wait_until("started")
        time.sleep(suite.chance.uniform(0.1, 0.6))
        if fault.startswith("413"):
            suite.proxy.come_up()
        elif suite.chance.random() < 0.5:
            suite.proxy.heal()
        launched.end()
    suite.report(world.verify(fault, rounds))


@contextlib.contextmanager
def down(suite: Suite) -> Iterator[None]:
    suite.proxy.go_down()
    yield
    suite.proxy.heal()


@contextlib.contextmanager
def black_hole(suite: Suite) -> Iterator[None]:
    suite.proxy.swallow()
    yield
    suite.proxy.heal()


LINE_FAULTS: dict[str, Callable[[Suite], contextlib.AbstractContextManager[object]]] = {
    "connection refused": down,
    "black hole": black_hole,
    "network flapping": lambda suite: Flapping(suite.proxy, suite.chance),
}


@pytest.mark.parametrize("fault", LINE_FAULTS)
def test_line_that_goes_wrong(fault: str, suite: Suite) -> None:
    """A line that is down, swallows everything or flaps, from the start or in the midst, loses nothing."""
    world = suite.world()
    rounds = suite.rounds(2, 20)
    for _ in range(rounds):
        launched = world.launch(FLUSHING, **QUICK)
        if suite.chance.random() < 0.6:
            launched.wait_until("started")
            time.sleep(suite.chance.uniform(0.0, 0.3))
        with LINE_FAULTS[fault](suite):
            if suite.chance.random() < 0.5:
                launched.wait_until("started")
                time.sleep(suite.chance.uniform(0.2, 0.5))
            else:
                launched.end()
        launched.end()
    suite.report(world.verify(fault, rounds))


# --- time ------------------------------------------------------------------------------------------------


def test_clock_that_jumps(suite: Suite) -> None:
    """A wall clock that is wrong by 2 h, or jumps so, changes no length, no order and no time of an event."""
    world = suite.world()
    rounds = suite.rounds(3, 20)
    began = time.time()
    killed: set[str] = set()
    for _ in range(rounds):
        at = sorted(suite.chance.uniform(0.0, 0.8) for _ in range(3))
        jumps = [(when, "clock", suite.chance.choice((-7200, 0, 7200))) for when in at]
        plan = Plan(changes=jumps, clock_error=suite.chance.choice((-7200, 0, 7200)))
        launched = world.launch(plan)
        if suite.chance.random() < 0.3:
            launched.wait_until("started")
            time.sleep(suite.chance.uniform(0.1, 0.8))
            launched.kill()
            killed.add(launched.name)
        else:
            launched.end()
    result = world.verify("clock jumps of 2 h, forward and back", rounds)
    # Of a launch that was killed before a server told it the time, nobody knows how wrong its clock was.
    events = [event for event in suite.collector.export() if event["custom_fields"]["launch"] not in killed]
    times = [event["client_ts"] for event in events]
    if not began - 60 <= min(times) <= max(times) <= time.time() + 60:  # the clock jumps by hours
        result.wrong.append(f"times from {min(times) - began:.0f} to {max(times) - began:.0f} s")
    suite.report(result)


def test_suspended(suite: Suite) -> None:
    """A machine that sleeps counts as a pause: it adds nothing to a session, and ends it if it is long."""
    world = suite.world()
    rounds = suite.rounds(2, 20)
    for number in range(rounds):
        is_long_pause = bool(number % 2)
        launched = world.launch(Plan(seconds=4.2), pause_timeout="1" if is_long_pause else "20")
        launched.wait_until("started")
        time.sleep(suite.chance.uniform(0.3, 1.0))
        launched.suspend(suite.chance.uniform(2.4, 3.0))
        if suite.chance.random() < 0.3:
            time.sleep(suite.chance.uniform(0.3, 0.6))
            launched.kill()
        else:
            launched.end()
    result = world.verify("suspended (SIGSTOP, SIGCONT)", rounds)
    sessions = [event for event in suite.collector.export() if event["category"] == "user"]
    if len(sessions) != rounds + rounds // 2 + 1:
        result.wrong.append(f"{len(sessions)} sessions")
    suite.report(result)


# --- disk ------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a disk of nine megabytes: the outbox and its write-ahead log may take five and four."""
    with disk(tmp_path, 9) as folder:
        yield folder


def fill(disk: Path) -> Path:
    """Fill the disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (2**20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    return filler


@pytest.mark.parametrize("freed", [True, False], ids=["for a while", "to the end"])
def test_disk_full(freed: bool, suite: Suite, small_disk: Path) -> None:
    """A disk that fills up in the midst of a game loses and doubles nothing: memory holds what it cannot."""
    world = suite.world(small_disk)
    rounds = suite.rounds(2, 20)
    for _ in range(rounds):
        is_offline = freed and suite.chance.random() < 0.5
        if is_offline:
            suite.proxy.go_down()
        launched = world.launch(Plan(seconds=0.9, flush_every=0.15, wait_for_all=0.0 if is_offline else 10.0), **QUICK)
        launched.wait_until("started")
        time.sleep(suite.chance.uniform(0.0, 0.4))
        filler = fill(small_disk)
        if freed:
            time.sleep(suite.chance.uniform(0.1, 0.4))
            filler.unlink()
        launched.end()
        filler.unlink(missing_ok=True)
        suite.proxy.heal()
    promise = replace(ALL, order=False, counters=freed)
    suite.report(world.verify(f"disk full {'for a while' if freed else 'to the end'}", rounds, promise))


def test_killed_while_the_disk_is_full(suite: Suite, small_disk: Path) -> None:
    """Events that were sent from memory come again with the ids that they had; those that were not are in the journal.

    So a server that knows the ids has each event once.
    """
    world = suite.world(small_disk)
    rounds = suite.rounds(3, 30)
    for _ in range(rounds):
        launched = world.launch(Plan(seconds=9.0, flush_every=suite.chance.choice((0.05, 0.15, 0.3))), **QUICK)
        launched.wait_until("started")
        time.sleep(suite.chance.uniform(0.0, 0.3))
        filler = fill(small_disk)
        time.sleep(suite.chance.uniform(0.0, 1.0))
        launched.kill()
        filler.unlink()
    # In memory a session has the number that it had on the disk, but its length is not refreshed there.
    suite.report(world.verify("SIGKILL while the disk is full", rounds, replace(ALL, order=False, counters=False)))


def test_disk_read_only(suite: Suite) -> None:
    """A file that becomes read-only in the midst of a game, and writable again, loses and doubles nothing."""
    world = suite.world()
    rounds = suite.rounds(2, 20)
    for _ in range(rounds):
        if suite.chance.random() < 0.5:
            suite.proxy.go_down()
        since = suite.chance.uniform(0.0, 0.5)
        until = since + suite.chance.uniform(0.1, 0.5)
        world.play(replace(FLUSHING, changes=[(since, "read_only", True), (until, "read_only", False)]), **QUICK)
        suite.proxy.heal()
    suite.report(world.verify("read-only for a while", rounds, replace(ALL, order=False)))


def spoil(path: Path, chance: random.Random) -> None:
    """Overwrite a page of a database in use, as a failing disk does: of the file or of its log."""
    log = path.with_name(path.name + "-wal")
    damaged = chance.choice([one for one in (path, log) if one.exists() and one.stat().st_size > 2 * 4096])
    with damaged.open("r+b") as file:
        pages = file.seek(0, os.SEEK_END) // 4096
        file.seek(chance.randrange(1, pages) * 4096)  # without the first of the file all would be gone
        file.write(chance.randbytes(4096))


def corrupt(suite: Suite, world: World, *, is_offline: bool) -> None:
    """Play a game whose outbox is damaged while it runs."""
    if is_offline:
        suite.proxy.go_down()
    launched = world.launch(Plan(seconds=0.9, flush_every=0.15, wait_for_all=0.0 if is_offline else 10.0), **QUICK)
    launched.wait_until("started")
    time.sleep(suite.chance.uniform(0.2, 0.6))
    spoil(world.outbox, suite.chance)
    launched.end()
    suite.proxy.heal()


PAGE_EVENTS = 12
"""Events on one page of the outbox; a page that holds none may still lead to several that do."""

DAMAGED = Promise(counters=False, order=False, is_lossless=False)


def test_corrupt_page(suite: Suite) -> None:
    """A page that goes bad while the network is well costs no session, and hardly ever an event.

    Only those of the last moment can stand on it, or on the pages that it leads to; their loss is said.
    """
    world = suite.world()
    rounds = suite.rounds(2, 20)
    for _ in range(rounds):
        corrupt(suite, world, is_offline=False)
    result = world.verify("corrupt page, network well", rounds, DAMAGED)
    if result.lost and "could be saved" not in world.said:
        result.wrong.append("nothing was said")
    suite.report(result, most_lost=2 * 4 * PAGE_EVENTS)


def test_corrupt_page_with_events_on_it(suite: Suite) -> None:
    """A page that goes bad while events wait costs at most what stood on it, and that once and said."""
    world = suite.world()
    rounds = suite.rounds(2, 20)
    for _ in range(rounds):
        corrupt(suite, world, is_offline=True)
        world.drain()
    result = world.verify("corrupt page, events waiting", rounds, replace(DAMAGED, sessions=False))
    if result.lost and "could be saved" not in world.said:
        result.wrong.append("nothing was said")
    suite.report(result, most_lost=rounds * PAGE_EVENTS)


# --- copies ----------------------------------------------------------------------------------------------


LONGEST_STILL = 1.5
"""Seconds."""


@pytest.mark.parametrize(("point", "most"), [("statement", 80), ("commit", 8)])
def test_copy_that_stands_still_while_it_writes(point: str, most: int, suite: Suite) -> None:
    """Whatever a copy is in the midst of, the other one gives no number that is taken, and waits for no one."""
    world = suite.world()
    rounds = suite.rounds(2, 20)
    for number in range(rounds):
        plan = Plan(seconds=0.6, pause=0.005)
        other = replace(plan, seconds=LONGEST_STILL + 0.7)  # docs/reliability.md says what happens if it is shorter
        others = [world.launch(other)] if number % 2 else []  # it runs already, or starts meanwhile
        still = world.launch(replace(plan, die_at=point, die_after=suite.chance.randint(2, most), stands_still=True))
        still.wait_until_it_stands_still()
        others.append(world.launch(other))
        time.sleep(suite.chance.uniform(0.3, LONGEST_STILL))
        still.go_on()
        for launched in (still, *others):
            launched.end()
    result = world.verify(f"a copy stands still at a {point}", rounds, replace(ALL, is_sequential=False))
    if result.lost or result.wrong:
        result.wrong.append(world.said[-2000:])
    suite.report(result)  # no bound for a start: a copy may have stood still in its own


@pytest.mark.parametrize("copies", [2, 5])
def test_copies_on_one_outbox(copies: int, suite: Suite) -> None:
    """Copies of a game that start, stand still and die beside each other share numbers and events without a fault."""
    world = suite.world()
    rounds = suite.rounds(1, 20)
    for _ in range(rounds):
        running: list[Launch] = []
        for _ in range(copies):
            # Each lives longer than another stands still: docs/reliability.md says what happens else.
            running.append(world.launch(Plan(seconds=suite.chance.uniform(0.9, 1.6), pause=0.005 * copies)))
            time.sleep(suite.chance.choice((0.0, suite.chance.uniform(0.0, 0.3))))
        sleeper = suite.chance.choice(running)
        sleeper.wait_until("started")
        sleeper.stop(suite.chance.uniform(0.1, 0.6))
        for launched in suite.chance.sample(running, copies // 2):
            launched.wait_until("started")
            time.sleep(suite.chance.uniform(0.0, 0.5))
            launched.kill()
        for launched in running:
            launched.end()
    suite.report(world.verify(f"{copies} processes on one outbox", rounds, replace(ALL, is_sequential=False)))
