"""Measure what the players of a server cost: `python -m benchmarks.server`.

A `ServerTracker` on one core has 10,000 connected players, each of which reports one event a minute, evenly spread; on
another core, a sink answers each request at once, or the real collector stores the events. Counted are, after all have
connected and their first events were sent, the CPU time of this process with all its threads, the memory that it has
more than before, the time of a call, and the events that were delivered.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.inside import percentiles
from benchmarks.process import progress
from benchmarks.report import Cell, Report
from benchmarks.scene import MARK
from benchmarks.servers import running
from ga_pygame import ServerTracker

_EVERY = 60.0
"""Seconds between two events of a player."""
_TICK = 0.02


class Cost(NamedTuple):
    """What a phase cost.

    Attributes:
        seconds: How long it took.
        cpu: CPU seconds of this process.
        memory: Resident memory at its end, in MB.
        calls: The time of each call, in µs.
        delivered: Events that were acknowledged in it.
    """

    seconds: float
    cpu: float
    memory: float
    calls: Sequence[float]
    delivered: int


def resident() -> float:
    """Return the resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def delivered(server: ServerTracker) -> int:
    """Count the events that the server acknowledged."""
    return sum(server.stats.delivered.values())


def connect(server: ServerTracker, number: int) -> tuple[list[Any], Cost]:
    """Connect the players, and wait until their sessions' starts are sent."""
    began, cpu = time.perf_counter(), time.process_time()
    players, calls = [], []
    for one in range(number):
        before = time.perf_counter_ns()
        address = f"203.0.{one // 250 % 250}.{one % 250}"
        players.append(server.player(f"player-{one}", ip=address, platform="windows", os_version="windows 10.0.22631"))
        calls.append((time.perf_counter_ns() - before) / 1000)
    while delivered(server) < number:
        time.sleep(0.1)
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    return players, Cost(seconds, used, resident(), calls, delivered(server))


def play(server: ServerTracker, players: Sequence[Any], seconds: float) -> Cost:
    """Have each player report an event a minute."""
    calls, rate = [], len(players) / _EVERY
    before = delivered(server)
    began, cpu = time.perf_counter(), time.process_time()
    said = 0
    while (now := time.perf_counter() - began) < seconds:
        while said < now * rate:
            start = time.perf_counter_ns()
            players[said % len(players)].design(f"{MARK}:kill:slime", said)
            calls.append((time.perf_counter_ns() - start) / 1000)
            said += 1
        time.sleep(_TICK)
    cost = Cost(time.perf_counter() - began, time.process_time() - cpu, resident(), calls, delivered(server) - before)
    progress(f"{said} events, of which {cost.delivered} are delivered and {server.stats.waiting} not stored yet")
    return cost


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--players", type=int, default=10_000, help="connected players (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=120.0, help="of play (default: %(default)s)")
    parser.add_argument("--to", default="healthy", choices=("healthy", "collector", "down"), help="the other side")
    parser.add_argument("--json", type=Path, help="write what was measured into this file too")
    chosen = parser.parse_args(arguments)
    paper = Report("benchmarks.server", vars(chosen), chosen.json)
    with running(chosen.to) as other, tempfile.TemporaryDirectory() as folder:
        os.sched_setaffinity(
            0, {min(os.sched_getaffinity(0))}
        )  # the other side has started: it may use the other cores
        empty = resident()
        server = ServerTracker(
            collector=other.url, data_dir=folder, game="benchmark", max_players=chosen.players, shutdown_timeout=5
        )
        progress(f"{chosen.players} players connect")
        players, connected = connect(server, chosen.players if chosen.to != "down" else 0)
        if chosen.to == "down":
            players = [server.player(f"player-{one}") for one in range(chosen.players)]
        progress(f"they play for {chosen.seconds:g} s")
        played = play(server, players, chosen.seconds)
        server.close()
    rows: list[list[Cell]] = []
    for name, cost in (("connecting", connected), ("playing", played)):
        share = 100 * cost.cpu / cost.seconds
        call = percentiles(cost.calls or [0.0])
        times = f"{call['p50']:.0f} / {call['p99']:.0f}"
        rows.append([name, cost.seconds, cost.cpu, share, cost.memory - empty, times, float(cost.delivered)])
    columns = ["phase", "seconds", "CPU s", "% of a core", "MB", "call, p50 / p99 µs", "events delivered"]
    paper.show(f"{chosen.players} players", columns, rows)


if __name__ == "__main__":
    main()
