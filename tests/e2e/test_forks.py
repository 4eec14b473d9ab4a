"""Forks at any moment: the parent's events all arrive once, whatever the child does and however it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import eventually
from tests.e2e.games import SEND, outbox

pytestmark = [pytest.mark.skipif(sys.platform == "win32", reason="no fork"), pytest.mark.fresh]

FORKING = """
    import multiprocessing, os, subprocess, sys, time
    import pygame
    import ga_pygame

    def child():
        exec(code, globals())

    pygame.display.init()
    pygame.display.set_mode((10, 10))
    tracker = ga_pygame.Tracker(build="1")
    tracker.start()
    for number in range(20):
        tracker.design("before:fork", value=number)
    for code in {codes}:
        {fork}
        for number in range(10):
            tracker.design("between:forks", value=number)
    for number in range(300):
        tracker.design("after:fork", value=number, fields={{"n": number}} if number % 7 == 0 else None)
        if number % 50 == 0:
            tracker.dimensions[1] = f"d{{number}}"
            tracker.tick()
    print("flushed", tracker.flush().wait(20), flush=True)
    tracker.close()
"""

FORK = """
    pid = os.fork()
    if not pid:
        child()
        {end}
    os.waitpid(pid, 0)
"""

CALLS = [
    "tracker.fields['a'] = 1",
    "tracker.dimensions[1] = 'child'",
    "tracker.external_user_id = 'child'",
    "pygame.quit()",
    "tracker.close()",
    "tracker.flush()",
    "tracker.consent.grant()",
    "tracker.consent.deny()",
    "tracker.error('error', 'of the child')",
    "tracker.business('USD', 1, 'child', 'child')",
    "\n".join(
        [
            "for number in range(200):",
            "    tracker.fields['a'] = number",
            "    tracker.dimensions[2] = f'c{number}'",
            "    tracker.design('of:child', number, fields={'x': number})",
            "    tracker.design('after:fork', number)",
            "    tracker.tick()",
            "tracker.stats",
            "tracker.start()",
        ]
    ),
]
"""What a child does; the last one is a bit of all."""


def lines(text: str, **parts: str) -> str:
    """Put parts into a script, each of their lines with the indentation of its place."""
    for name, part in parts.items():
        place = "{" + name + "}"
        indent = next(line for line in text.splitlines() if place in line).partition(place)[0]
        indent = " " * (len(indent) - len(indent.lstrip()))
        text = text.replace(place, ("\n" + indent).join(part.strip().splitlines()))
    return text.replace("{{", "{").replace("}}", "}")


def designs(collector: Any) -> list[tuple[str, int]]:
    events = [event for event in collector.export() if event["category"] == "design"]
    return [(event["event_id"], event["value"]) for event in events]


def check(game: Callable[..., Any], collector: Any, fork: str, *codes: str) -> None:
    """Play a game with a fork for each of these codes, which its child runs."""
    fork = "\n".join(line[4:] if line.startswith("    ") else line for line in fork.splitlines())
    forking = game(lines(FORKING, codes=repr(codes), fork=fork), GA_PYGAME_COLLECTOR=collector.url)
    forking.wait_for("flushed")
    code, _, error = forking.end()
    assert code == 0, error
    assert "Traceback" not in error
    expected = [("before:fork", 20), *[("between:forks", 10)] * len(codes), ("after:fork", 300)]
    assert designs(collector) == [(name, number) for name, times in expected for number in range(times)]
    exported = collector.export()
    assert [event["category"] for event in exported].count("session_end") == 1
    assert [event["category"] for event in exported].count("user") == 1
    assert not any("child" in str(event.get("event_id", "")) or "child" in str(event) for event in exported)


@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit()"])
def test_a_childs_calls_reach_nothing(end: str, game: Callable[..., Any], collector: Any) -> None:
    """Neither the journal nor the outbox nor the locks of its parent, nor does its way to end; a child for each."""
    check(game, collector, FORK.replace("{end}", end), *CALLS)


POOL = """
    with multiprocessing.get_context("fork").Pool(3) as pool:
        pool.apply(child)
        pool.map(str, range(50))
        pool.close()
        pool.join()
"""
"""It ends by a word to its workers. Else Python ends them by a SIGTERM, which the handler of SDL ignores: if a worker
waits for its next task at that moment, the pool hangs for ever, with and without a tracker."""
PREEXEC = "subprocess.run([sys.executable, '-c', 'pass'], preexec_fn=child, check=True)"
TWICE = """
    pid = os.fork()
    if not pid:
        child()
        again = os.fork()
        if not again:
            child()
            sys.exit()
        os.waitpid(again, 0)
        sys.exit()
    os.waitpid(pid, 0)
"""


@pytest.mark.parametrize("fork", [POOL, PREEXEC, TWICE], ids=["pool", "preexec", "twice"])
def test_other_ways_to_fork(fork: str, game: Callable[..., Any], collector: Any) -> None:
    """Pools, `preexec_fn` and grandchildren are forks as well."""
    check(game, collector, fork, CALLS[-1])


SURVIVES = """
    import os, sys, time
    import pygame
    import ga_pygame

    pygame.display.init()
    pygame.display.set_mode((10, 10))
    tracker = ga_pygame.Tracker(build="1")
    tracker.start()
    pid = os.fork()
    if not pid:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nowhere, number)  # the test reads the parent's to their ends
        while not os.path.exists(sys.argv[0] + ".stop"):
            tracker.design("of:child")
            tracker.fields["a"] = 1
            time.sleep(0.01)
        {end}
    print("child", pid, flush=True)
    for number in range(300):
        tracker.design("of:parent", value=number)
    print("reported", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit()"])
def test_a_child_that_outlives_its_parent_keeps_nothing(
    end: str, game: Callable[..., Any], collector: Any, tmp_path: Path
) -> None:
    """The next launch recovers the parent's session while the child still runs, and the child's end harms nothing."""
    parent = game(SURVIVES.replace("{end}", end), GA_PYGAME_COLLECTOR=collector.url, GA_PYGAME_UPLOAD_INTERVAL="60")
    child = int(parent.wait_for("child"))
    parent.wait_for("reported")
    parent.kill()
    stop = next(tmp_path.glob("game_*.py"))
    try:
        os.kill(child, 0)
        assert "error=''" in game(SEND, GA_PYGAME_COLLECTOR=collector.url).wait_for("flushed")

        def of_parent() -> list[int]:
            return [value for name, value in designs(collector) if name == "of:parent"]

        assert eventually(lambda: len(of_parent()) >= 300)
        assert of_parent() == list(range(300))
        os.kill(child, 0)
    finally:
        stop.with_name(stop.name + ".stop").touch()
    assert eventually(lambda: not Path(f"/proc/{child}").exists() or not Path("/proc").exists())
    assert "error=''" in game(SEND, GA_PYGAME_COLLECTOR=collector.url).wait_for("flushed")
    exported = collector.export()
    assert eventually(lambda: [event["category"] for event in collector.export()].count("session_end") == 3)
    assert not any(event.get("event_id") == "of:child" for event in exported)
    assert outbox(tmp_path / "data").exists()


OWN = """
    import os, sys, time
    import pygame
    import ga_pygame

    pygame.display.init()
    pygame.display.set_mode((10, 10))
    tracker = ga_pygame.Tracker(build="1")
    {before}
    tracker.design("of:parent", 1)
    pid = os.fork()
    if not pid:
        own = {own}
        own.start()
        for number in range(50):
            own.design("of:child", number)
            own.tick()
        flushed = own.flush().wait(20)
        own.close()
        sys.exit()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    {after}
    for number in range(2, 50):
        tracker.design("of:parent", number)
    tracker.flush().wait(20)
    tracker.close()
    print("done", code, flush=True)
"""


@pytest.mark.parametrize("own", ["tracker", "ga_pygame.Tracker(build='2')"])
def test_a_tracker_that_starts_in_the_child_only_records_there(
    own: str, game: Callable[..., Any], collector: Any
) -> None:
    """Whether it was made before the fork or after; the parent's, started later, is as another copy of the game."""
    forking = game(lines(OWN, before="pass", own=own, after="tracker.start()"), GA_PYGAME_COLLECTOR=collector.url)
    assert forking.wait_for("done") == "0"
    code, _, error = forking.end()
    assert (code, "Traceback" in error) == (0, False), error
    found = designs(collector)
    assert sorted(value for name, value in found if name == "of:child") == list(range(50))
    # what the parent held before its start is in the child's memory, too, but only of the very same tracker
    assert sorted(value for name, value in found if name == "of:parent")[-49:] == list(range(1, 50))
    categories = [event["category"] for event in collector.export()]
    assert (categories.count("user"), categories.count("session_end")) == (2, 2)
    assert sorted(event["session_num"] for event in collector.export() if event["category"] == "user") == [1, 2]


def test_a_tracker_of_the_childs_own_records_nothing_beside_its_parents(
    game: Callable[..., Any], collector: Any
) -> None:
    """SQLite's memory of its parent's locks is in the child: both would write at once. It is said what to do."""
    script = lines(OWN, before="tracker.start()", own="ga_pygame.Tracker(build='2')", after="pass")
    forking = game(script, GA_PYGAME_COLLECTOR=collector.url)
    assert forking.wait_for("done") == "0"
    code, output, error = forking.end()
    assert (code, "Traceback" in error) == (0, False), error
    assert "forked from one whose tracker had started" in error + output
    assert designs(collector) == [("of:parent", number) for number in range(1, 50)]
    assert [event["category"] for event in collector.export()].count("user") == 1


WHILE = """
    import os, sys, threading, time
    import pygame
    import ga_pygame
    from ga_pygame.delivery.outbox.sqlite import SqliteOutbox
    from ga_pygame.delivery.transport import RequestsTransport
    from ga_pygame.recording.inbox import Inbox

    inside = threading.Event()

    def held(owner, name):
        original = getattr(owner, name)

        def wrapped(*args, **keywords):
            inside.set()
            time.sleep(0.05)
            try:
                return original(*args, **keywords)
            finally:
                time.sleep(0.05)
                inside.clear()

        setattr(owner, name, wrapped)

    held({owner}, "{method}")
    pygame.display.init()
    pygame.display.set_mode((10, 10))
    tracker = ga_pygame.Tracker(build="1")
    tracker.start()
    for number in range(60):
        tracker.design("of:parent", number)
        if number % 10 == 9:
            tracker.flush()
            inside.wait(5)
            pid = os.fork()
            if not pid:
                for one in range(300):
                    tracker.fields["a"] = one
                    tracker.design("of:child", one, fields={{"x": one}})
                    tracker.error("error", f"of the child {{one}}")
                tracker.stats
                tracker.tick()
                tracker.consent.deny()
                tracker.flush()
                tracker.close()
                sys.exit()
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    result = tracker.flush().wait(20)
    tracker.close()
    print("done", result, flush=True)
"""


@pytest.mark.parametrize(
    ("owner", "method"),
    [
        ("SqliteOutbox", "transact"),
        ("SqliteOutbox", "settle"),
        ("SqliteOutbox", "lease"),
        ("RequestsTransport", "send"),
        ("Inbox", "take"),
    ],
    ids=["commit", "settle", "lease", "send", "take"],
)
def test_forks_while_a_worker_is_at_work(owner: str, method: str, game: Callable[..., Any], collector: Any) -> None:
    """It holds locks then, a transaction is open, a request is on its way; the child neither hangs nor ends any."""
    script = WHILE.replace("{owner}", owner).replace("{method}", method).replace("{{", "{").replace("}}", "}")
    forking = game(script, GA_PYGAME_COLLECTOR=collector.url)
    assert "error=''" in forking.wait_for("done")
    code, _, error = forking.end()
    assert (code, "Traceback" in error) == (0, False), error
    assert designs(collector) == [("of:parent", number) for number in range(60)]
    assert not any("child" in str(event) for event in collector.export())
