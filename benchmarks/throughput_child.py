"""The process that `benchmarks.throughput` runs for each contestant."""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

from benchmarks.contestants import GaPygame, Peer, Report, game
from benchmarks.inside import leave, tell
from benchmarks.peers import CONTESTANTS
from benchmarks.scene import NAMES, Scene, play

_TIMEOUT = 120.0


def measure(options: dict[str, Any]) -> None:
    """Run one part and print its measurements."""
    contestant = CONTESTANTS[options["peer"]]()
    part = options["part"]
    if part == "rate":
        _rate(contestant, options)
    elif part == "store":
        _store(contestant, options)
    elif part == "drain":
        _drain(contestant, options)
    elif part == "memory":
        _memory(contestant, options)
    elif part == "startup":
        _startup(contestant, options)
    else:
        _exit(contestant, options)


def _report_all(report: Report, events: int) -> None:
    for number in range(events):
        report(NAMES[number & 63], number)


def _wait_stored(contestant: GaPygame, events: int) -> None:
    total = contestant.tracker._diagnostics.total  # `stats` counts the inbox, too, which takes a while
    until = time.monotonic() + _TIMEOUT
    while total("stored") < events and time.monotonic() < until:
        time.sleep(0.005)


def _rate(contestant: Peer, options: dict[str, Any]) -> None:
    report = contestant.start(options["url"])
    time.sleep(1.0)
    cpu, began = time.process_time(), time.perf_counter()
    _report_all(report, options["events"])
    result: dict[str, Any] = {"calls s": time.perf_counter() - began}
    if isinstance(contestant, GaPygame):
        _wait_stored(contestant, options["events"])
        result["stored s"] = time.perf_counter() - began
    contestant.flush(_TIMEOUT)
    result["acknowledged s"] = time.perf_counter() - began
    result["cpu s"] = time.process_time() - cpu
    if isinstance(contestant, GaPygame):
        stats = contestant.tracker.stats
        result |= {"delivered": sum(stats.delivered.values()) - 1, "dropped": dict(stats.dropped)}  # less the `user`
    tell(result)
    leave()


def _store(contestant: Peer, options: dict[str, Any]) -> None:
    """Store events while the server is down."""
    assert isinstance(contestant, GaPygame)
    report = contestant.start(options["url"])
    time.sleep(1.0)
    cpu, began = time.process_time(), time.perf_counter()
    _report_all(report, options["events"])
    _wait_stored(contestant, options["events"])
    tell({"stored s": time.perf_counter() - began, "cpu s": time.process_time() - cpu})
    leave()


def _drain(contestant: Peer, options: dict[str, Any]) -> None:
    """Send what `_store` left, in the next launch."""
    assert isinstance(contestant, GaPygame)
    began = time.perf_counter()
    contestant.start(options["url"])
    contestant.flush(_TIMEOUT)
    took = time.perf_counter() - began
    tell({"acknowledged s": took, "delivered": sum(contestant.tracker.stats.delivered.values())})
    leave()


def _memory(contestant: Peer, options: dict[str, Any]) -> None:
    import psutil

    scene = Scene()
    play(0.5, lambda _number: scene.frame())
    process = psutil.Process()
    before = process.memory_full_info()
    peak_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = contestant.start(options["url"])
    play(3.0, game(contestant, report, scene))
    contestant.flush(30)
    after = process.memory_full_info()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown = {"rss": (after.rss - before.rss) / 2**20, "uss": (after.uss - before.uss) / 2**20}
    tell({**grown, "peak": (peak - peak_before) / 2**10})
    leave()


def _startup(contestant: Peer, options: dict[str, Any]) -> None:
    scene = Scene()
    marks = [time.perf_counter()]
    report = contestant.start(options["url"])
    marks.append(time.perf_counter())
    report(NAMES[0], 1)
    marks.append(time.perf_counter())
    scene.frame()
    ready = time.time()
    marks.append(time.perf_counter())
    names = ("start ms", "first call ms", "first frame ms")
    tell({"ready": ready, **{name: (marks[n + 1] - marks[n]) * 1000 for n, name in enumerate(names)}})
    leave()


def _exit(contestant: Peer, options: dict[str, Any]) -> None:
    scene = Scene()
    report = contestant.start(options["url"])
    play(2.0, game(contestant, report, scene))
    tell({"closing": time.time()})
    contestant.close()


if __name__ == "__main__":
    measure(json.loads(sys.argv[2]))
