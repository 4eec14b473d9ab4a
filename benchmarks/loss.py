"""Count how many of 1,000 events a `kill -9` right after the last call loses: `python -m benchmarks.loss`.

The process kills itself right after its last call. For this package, the events that the next launch finds on the disk
are counted (no server answers, so none can be sent before). For the peers, the events that arrived at their sink within
a second are counted, since none of them sends the rest later but gamepulse, which writes its store only at the end.
With `--paced` calls are spread over frames; without it they come in a tight loop.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import signal
import sqlite3
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.contestants import GaPygame
from benchmarks.inside import leave, tell
from benchmarks.peers import CONTESTANTS, OURS
from benchmarks.process import child, chosen_peers, outbox_file, parser, progress
from benchmarks.report import Cell, Report
from benchmarks.scene import EVENTS_PER_FRAME, FPS, MARK
from benchmarks.servers import Server, running


def has_journal() -> bool:
    """Whether this version of the package has the knob."""
    from ga_pygame.config import Config

    return any(one.name == "journal" for one in dataclasses.fields(Config))


def play_and_die(options: dict[str, Any]) -> None:
    """Report events, then SIGKILL this process; in a process of its own."""
    contestant = CONTESTANTS[options["peer"]]()
    if isinstance(contestant, GaPygame):
        contestant.knobs = {**contestant.knobs, **options["knobs"]}  # type: ignore[misc]  # this one only
    report = contestant.start(options["url"])
    time.sleep(0.5)
    slowest = 0.0
    for number in range(options["events"]):
        began = time.perf_counter()
        report(f"{MARK}:e{number}", number)
        slowest = max(slowest, time.perf_counter() - began)
        if options["paced"] and number % EVENTS_PER_FRAME == EVENTS_PER_FRAME - 1 and number + 1 < options["events"]:
            time.sleep(1 / FPS)
    os.kill(os.getpid(), signal.SIGKILL)


def come_back(options: dict[str, Any]) -> None:
    """Start the next launch and count what it finds; in a process of its own."""
    from ga_pygame.delivery.outbox.schema import SELECT, records

    contestant = GaPygame()
    contestant.knobs = {**contestant.knobs, **options["knobs"]}  # type: ignore[misc]  # this one only
    contestant.start(options["url"])
    time.sleep(0.3)
    contestant.close()
    with contextlib.closing(sqlite3.connect(outbox_file(Path(options["data"])))) as file:
        stored = [record for row in file.execute(SELECT) for record in records(row)]
    ids = [json.loads(b"{" + record.payload)["event_id"] for record in stored if record.category == "design"]
    tell({"found": len(set(ids)), "doubled": len(ids) - len(set(ids))})
    leave()


def round_of_ours(options: dict[str, Any], server: Server) -> dict[str, Any]:
    """Run a game that dies, and its next launch."""
    with tempfile.TemporaryDirectory() as data:
        wanted = {**options, "data": data, "url": server.url}
        child("benchmarks.loss", OURS, {**wanted, "dies": True})
        result = child("benchmarks.loss", OURS, wanted)
    if "found" in result:
        result["lost"] = options["events"] - result["found"]
    return result


def round_of_peer(name: str, options: dict[str, Any], sink: Server) -> dict[str, Any]:
    """Run a game that dies, and count what its server got."""
    before = sink.totals()["events"]
    child("benchmarks.loss", name, {**options, "url": sink.url, "dies": True})
    time.sleep(1.0)
    arrived = (sink.totals()["events"] - before) // CONTESTANTS[name].marks
    return {"found": arrived, "lost": options["events"] - arrived, "doubled": 0}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the rounds and print the table."""
    options = parser(__doc__, rounds=100)
    options.add_argument("--events", type=int, default=1000, help="before the kill (default: %(default)s)")
    options.add_argument("--paced", action="store_true", help="five events in a frame of 1/240 s")
    options.add_argument(
        "--journal", action=argparse.BooleanOptionalAction, help="pass journal=True or False to Tracker; else neither"
    )
    chosen = options.parse_args(arguments)
    if chosen.child:
        asked = json.loads(chosen.child)
        play_and_die(asked) if asked.get("dies") else come_back(asked)
        return
    peers = chosen_peers(chosen.peers)
    if chosen.journal is not None and not has_journal():
        raise SystemExit("this version of ga_pygame has no journal: leave --journal and --no-journal out")
    knobs = {} if chosen.journal is None else {"journal": chosen.journal}
    paper = Report("benchmarks.loss", vars(chosen), chosen.json)
    wanted = {"events": chosen.events, "paced": chosen.paced, "knobs": knobs}
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with running("down") as nobody, running("healthy") as sink:
        for round_ in range(chosen.rounds):
            for name in [OURS, *peers]:
                progress(f"round {round_ + 1}: {name}")
                result = round_of_ours(wanted, nobody) if name == OURS else round_of_peer(name, wanted, sink)
                found[name].append(result)
                paper.keep(name, result)
    rows: list[list[Cell]] = []
    for name, rounds in found.items():
        lost = [one["lost"] for one in rounds if "lost" in one]
        doubled = sum(one.get("doubled", 0) for one in rounds)
        clean = f"{sum(not one for one in lost)} of {len(rounds)}"
        middle = statistics.median(lost) if lost else None
        rows.append([name, middle, max(lost, default=None), clean, str(doubled)])
    paper.show("Events lost by kill -9", ["contestant", "median", "most", "rounds without loss", "doubled"], rows)


if __name__ == "__main__":
    main()
