"""The order of the tests of a run with several workers loses none."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.order import order


def items(folder: str, count: int, *fixtures: str) -> list[Any]:
    path = Path("tests", folder, "test_x.py")
    return [SimpleNamespace(path=path, fixturenames=fixtures, number=number) for number in range(count)]


def test_all_are_there_once() -> None:
    """Whatever the numbers of tests and workers."""
    for workers, others in itertools.product((1, 2, 4, 5, 40), (0, 3, 100)):
        given = items("", others) + items("e2e", 11) + items("", 2, "todays_clickhouse")
        ordered = list(given)
        order(ordered, workers)
        assert sorted(map(id, ordered)) == sorted(map(id, given)), (workers, others)


def test_all_workers_but_the_last_begin_with_those_that_wait() -> None:
    """Servers first, together; a part is as long as xdist makes it."""
    servers, browsers = items("", 3, "todays_clickhouse"), items("e2e", 3, "chromium")
    games, units = items("e2e", 12), items("", 82)
    ordered = games[:6] + units[:50] + browsers + units[50:] + servers + games[6:]
    order(ordered, 4)
    parts = [ordered[at : at + 25] for at in range(0, 100, 25)]
    begins = [[*servers, browsers[0]], [*browsers[1:], *games[:4]], games[4:], []]  # servers and browsers count twice
    assert [part[: len(begin)] for part, begin in zip(parts, begins, strict=True)] == begins
    assert [one for part, begin in zip(parts, begins, strict=True) for one in part[len(begin) :]] == units
