"""Measure frame times of a small game with 5 events in each frame: `python -m benchmarks.frames`.

The same scene runs at 240 frames a second, without a tracker and with each contestant, with the server healthy, 2 s
slow and down. A frame's time runs from when it was due to the end of its flip, so it includes the wait for a thread
that holds the GIL. Numbers are medians over interleaved rounds of each round's percentile, in milliseconds; "added" is
the difference to the scene without a tracker in the same state.

`--switch 0.0005` sets `sys.setswitchinterval` in the game; `--profile FOLDER` makes py-spy record who holds the GIL in
our own runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.contestants import game
from benchmarks.inside import leave, percentiles, tell
from benchmarks.peers import CONTESTANTS, OURS, base_of, with_bases
from benchmarks.process import child, chosen_peers, medians, parser, progress
from benchmarks.report import Cell, Report
from benchmarks.scene import Scene, play
from benchmarks.servers import STATES, all_states

_PERCENTILES = ("p50", "p99", "p99.9", "max")


def measure(options: dict[str, Any]) -> None:
    """Measure a contestant, in a process of its own."""
    if options["switch"]:
        sys.setswitchinterval(options["switch"])
    contestant = CONTESTANTS[options["peer"]]()
    scene = Scene()
    report = contestant.start(options["url"])
    frame = game(contestant, report, scene)
    opening = play(1.0, frame)
    profiler = _profile(options["profile"]) if options["profile"] else None
    times = play(options["seconds"], frame)
    if profiler is not None:
        profiler.wait(30)
    late = {f"over {limit:g} ms": sum(time > limit for time in times) for limit in (1, 2, 4, 8)}
    tell({**percentiles(times), **late, "worst of the first second": max(opening), "frames": len(times)})
    leave()


def _profile(path: str) -> subprocess.Popen[bytes]:
    """Record who holds the GIL, with 1,000 samples a second."""
    tool = str(Path(sys.executable).parent / "py-spy")
    command = [tool, "record", "--gil", "--threads", "-r", "1000", "-d", "5", "-f", "raw", "-o", path]
    return subprocess.Popen([*command, "--pid", str(os.getpid())], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the rounds and print the tables."""
    options = parser(__doc__)
    options.add_argument("--seconds", type=float, default=10.0, help="of play (default: %(default)s)")
    options.add_argument("--switch", type=float, default=0.0, help="the interpreter's switch interval in seconds")
    options.add_argument("--profile", type=Path, help="folder for py-spy's stacks of our own runs")
    chosen = options.parse_args(arguments)
    if chosen.child:
        measure(json.loads(chosen.child))
        return
    names = with_bases([OURS, "deque", *chosen_peers(chosen.peers)])
    paper = Report("benchmarks.frames", {**vars(chosen), "profile": str(chosen.profile)}, chosen.json)
    found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    with all_states() as servers:
        for round_ in range(chosen.rounds):
            for state in STATES:
                for name in names:
                    progress(f"round {round_ + 1}: {state}, {name}")
                    path = ""
                    if chosen.profile and name == OURS:
                        chosen.profile.mkdir(parents=True, exist_ok=True)
                        path = str(chosen.profile.resolve() / f"{state}-{round_ + 1}.txt")
                    url = servers[state][CONTESTANTS[name].is_ours].url
                    wanted = {"seconds": chosen.seconds, "switch": chosen.switch, "url": url, "profile": path}
                    result = child("benchmarks.frames", name, wanted)
                    found[state, name].append(result)
                    paper.keep(f"{state}/{name}", result)
    for state in STATES:
        rows: list[list[Cell]] = []
        for name in names:
            got, base = medians(found[state, name]), medians(found[state, base_of(name)])
            added = [got[key] - base[key] if got and base else None for key in ("p99", "p99.9", "max")]
            worst = max((one["max"] for one in found[state, name] if "max" in one), default=None)
            rows.append([name, *added, *(got.get(key) for key in _PERCENTILES), worst, got.get("over 4 ms")])
        columns = ["contestant", "added p99", "added p99.9", "added worst", "p50 ms", "p99", "p99.9", "worst (median)"]
        paper.show(f"Frame time, server {state}", [*columns, "worst of all", "frames over 4 ms"], rows)


if __name__ == "__main__":
    main()
