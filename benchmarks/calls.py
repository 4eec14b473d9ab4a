"""Measure the cost of a call on the game thread: `python -m benchmarks.calls`.

Each contestant, in a process of its own, reports events in a game at 240 frames a second (5 in a frame), then as fast
as it can, with its server healthy, 2 s slow and down. Each call is timed alone and includes the two readings of the
clock (`none` shows their cost). The first call is reported separately, since it may build things; then the game runs
for a second before the other calls. Numbers are medians over interleaved rounds of each round's percentile, in
microseconds.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.contestants import GaPygame, Report
from benchmarks.inside import leave, percentiles, tell
from benchmarks.peers import CONTESTANTS, OURS
from benchmarks.process import child, chosen_peers, medians, parser, progress
from benchmarks.report import Cell, ratio
from benchmarks.report import Report as Paper
from benchmarks.scene import EVENTS_PER_FRAME, NAMES, Scene, play
from benchmarks.servers import STATES, all_states

KINDS = ("design", "design+fields", "resource", "wallet", "progression", "business", "error", "exception")
MODES = ("paced", "tight")
_PERCENTILES = ("p50", "p99", "p99.9", "max")


def kind_of_ours(contestant: GaPygame, kind: str) -> Sequence[Report]:
    """Return the functions that report events of a kind in turns, each with one call as a game writes it."""
    tracker = contestant.tracker
    fields: dict[str, str | int | float] = {"weapon": "bow", "level": 3}
    wallet = tracker.wallet("gold")
    caught = ValueError("lost")
    calls: dict[str, Sequence[Report]] = {
        "design": [lambda name, value: tracker.design(name, value)],  # noqa: PLW0108 - as the other kinds
        "design+fields": [lambda name, value: tracker.design(name, value, fields=fields)],
        "resource": [lambda _name, value: tracker.resource.source("gold", value, "pickup", "coin")],
        "wallet": [lambda _name, value: wallet.earn(value, "pickup", "coin")],
        "progression": [
            lambda _name, _value: tracker.progression.start("forest", "level_1"),
            lambda _name, _value: tracker.progression.complete("forest", "level_1", score=1200),
        ],
        "business": [lambda _name, _value: tracker.business("USD", 499, "pack", "gold_500")],
        "error": [lambda name, _value: tracker.error("warning", name)],
        "exception": [lambda _name, _value: tracker.exception(caught)],
    }
    return calls[kind]


def timed(reports: Sequence[Report], times: list[int]) -> Callable[[int], None]:
    """Wrap calls with two readings of the clock."""
    clock, note = time.perf_counter_ns, times.append

    def call(number: int) -> None:
        report, name, value = reports[number % len(reports)], NAMES[number & 63], number + 1.0
        began = clock()
        report(name, value)
        note(clock() - began)

    return call


def measure(options: dict[str, Any]) -> None:
    """Measure a contestant, in a process of its own, as in a game that was built for players."""
    sys.frozen = True  # type: ignore[attr-defined]  # else the tracker looks for a developer's mistakes, too
    contestant = CONTESTANTS[options["peer"]]()
    scene = Scene()
    reports: Sequence[Report] = [contestant.start(options["url"])]
    if isinstance(contestant, GaPygame):
        reports = kind_of_ours(contestant, options["kind"])
    times: list[int] = []
    call = timed(reports, times)
    call(0)
    first = times.pop()

    def frame(number: int) -> None:
        for part in range(EVENTS_PER_FRAME):
            call(number * EVENTS_PER_FRAME + part)
        scene.frame()
        contestant.frame()

    play(1.0, frame)
    times.clear()
    play(options["seconds"], frame)
    result = {f"paced {key}": value / 1000 for key, value in percentiles(times).items()}
    times.clear()
    until = time.perf_counter() + options["cap"]
    for number in range(options["calls"]):
        call(number)
        if time.perf_counter() > until:
            break
    result |= {f"tight {key}": value / 1000 for key, value in percentiles(times).items()}
    tell({**result, "first": first / 1000, "tight calls": len(times)})
    leave()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the rounds and print the tables."""
    options = parser(__doc__)
    options.add_argument("--seconds", type=float, default=5.0, help="of the paced loop (default: %(default)s)")
    options.add_argument("--calls", type=int, default=20_000, help="of the tight loop (default: %(default)s)")
    options.add_argument("--cap", type=float, default=10.0, help="seconds after which a tight loop stops")
    options.add_argument("--kinds", default=",".join(KINDS), help="our kinds of events besides design, or none")
    chosen = options.parse_args(arguments)
    if chosen.child:
        measure(json.loads(chosen.child))
        return
    peers = chosen_peers(chosen.peers)
    kinds = [kind for kind in chosen.kinds.split(",") if kind in KINDS and kind != "design"]
    paper = Paper("benchmarks.calls", vars(chosen), chosen.json)
    contestants = [(name, "design") for name in ("none", "deque", OURS, *peers)] + [(OURS, kind) for kind in kinds]
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    with all_states() as servers:
        for round_ in range(chosen.rounds):
            for state in STATES:
                for name, kind in contestants:
                    progress(f"round {round_ + 1}: {state}, {name} {kind}")
                    url = servers[state][CONTESTANTS[name].is_ours].url
                    wanted = {key: vars(chosen)[key] for key in ("seconds", "calls", "cap")}
                    result = child("benchmarks.calls", name, {**wanted, "url": url, "kind": kind})
                    found[state, name, kind].append(result)
                    paper.keep(f"{state}/{name}/{kind}", result)
    for mode in MODES:
        for state in STATES:
            _show(
                paper,
                mode,
                state,
                {name: medians(found[state, name, "design"]) for name in ("none", "deque", OURS)},
                {name: medians(found[state, name, "design"]) for name in peers},
            )
    rows = []
    for kind in ("design", *kinds):
        for state in STATES:
            got, base = medians(found[state, OURS, kind]), medians(found[state, OURS, "design"])
            for mode in MODES:
                numbers: list[Cell] = [got.get(f"{mode} {key}") for key in _PERCENTILES]
                rows.append([kind, state, mode, ratio(got.get(f"{mode} p50"), base.get(f"{mode} p50")), *numbers])
    columns = ["kind", "server", "loop", "p50 / design's", "p50 µs", "p99", "p99.9", "max"]
    paper.show("Our kinds of events", columns, rows)


def _show(
    paper: Paper, mode: str, state: str, base: dict[str, dict[str, float]], peers: dict[str, dict[str, float]]
) -> None:
    ours = base[OURS]
    rows: list[list[Cell]] = []
    for name, got in {**base, **dict(sorted(peers.items(), key=lambda item: item[1].get(f"{mode} p50", 1e9)))}.items():
        ratios = [ratio(got.get(f"{mode} {key}"), ours.get(f"{mode} {key}")) for key in ("p50", "p99")]
        rows.append([name, *ratios, *(got.get(f"{mode} {key}") for key in _PERCENTILES), got.get("first")])
    columns = ["contestant", "p50 / ours", "p99 / ours", "p50 µs", "p99", "p99.9", "max", "first call"]
    paper.show(f"Cost of a call, {mode}, server {state}", columns, rows)


if __name__ == "__main__":
    main()
