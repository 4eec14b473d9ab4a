"""Measure what a closed overlay costs the game's calls: `python -m benchmarks.overlay`.

The same calls without an overlay and with a closed one, each in a process of its own with the dummy driver, in
interleaved rounds. Numbers are the best of all rounds, in microseconds, since everything else on the machine only adds.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pygame

import ga_pygame
from benchmarks.inside import leave, tell
from benchmarks.peers import OURS
from benchmarks.process import child, parser, progress
from benchmarks.report import Cell, Report
from ga_pygame.destinations import JsonLines

STATES = {"no overlay": False, "closed overlay": True}
_CALLS, _ROUNDS = 500, 100


def best(call: Callable[[], object]) -> float:
    """Return the time of a call in the fastest of some rounds, in microseconds."""
    least = float("inf")
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        for _ in range(_CALLS):
            call()
        least = min(least, time.perf_counter() - began)
    return least / _CALLS * 1e6


def measure(is_there: bool) -> None:
    """Measure the calls, in a process of its own."""
    pygame.display.init()
    pygame.display.set_mode((64, 64))
    nowhere = JsonLines(Path(tempfile.mkdtemp()) / "events.jsonl")
    tracker = ga_pygame.Tracker(destinations=[nowhere], overlay=is_there)
    tracker.start()
    motion = pygame.event.Event(pygame.MOUSEMOTION, pos=(1, 1), rel=(1, 1), buttons=(0, 0, 0))

    def get_five() -> None:
        for _ in range(5):
            pygame.event.post(motion)
        pygame.event.get()

    calls: dict[str, Callable[[], object]] = {
        "event.get()": pygame.event.get,
        "event.get(), 5 motions": get_five,
        "display.flip()": pygame.display.flip,
        "design()": lambda: tracker.design("kill:slime", 1),
    }
    tell({name: best(call) for name, call in calls.items()})
    leave()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the rounds and print the table."""
    options = parser(__doc__)
    chosen = options.parse_args(arguments)
    if chosen.child:
        measure(json.loads(chosen.child)["overlay"])
        return
    paper = Report("benchmarks.overlay", vars(chosen), chosen.json)
    found: dict[str, dict[str, float]] = {}
    for number in range(chosen.rounds):
        for name, is_there in STATES.items():
            progress(f"round {number + 1}: {name}")
            result = child("benchmarks.overlay", OURS, {"overlay": is_there})
            paper.keep(name, result)
            known = found.setdefault(name, {})
            known.update({key: min(value, known.get(key, value)) for key, value in result.items() if "(" in key})
    columns = list(next(iter(found.values())))
    rows: list[list[Cell]] = [[name, *(got.get(key) for key in columns)] for name, got in found.items()]
    paper.show("A closed overlay, µs", ["", *columns], rows)


if __name__ == "__main__":
    main()
