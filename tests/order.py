"""Orders the tests of a run with several workers, so that those that wait run beside those that compute.

pytest-xdist gives each worker an equal part of the list and lets a worker that is done take half of the longest rest.
In the order of their files one worker would have all tests of processes, windows and browsers, and would share them at
the end, when nothing else is left to use the processors.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import pytest

_SERVERS = (("todays_clickhouse", "debians_clickhouse"), ("chromium",))
"""Fixtures of what takes seconds to start in each worker: the tests of each row stand together."""
_WEIGHT = 2
"""Such a test takes as long as so many others of `tests/e2e/`."""


def order(items: list[pytest.Item], workers: int) -> None:
    """Begin the parts of all workers but the last with the tests of `tests/e2e/` and of servers.

    Args:
        items: All tests; the others keep their order.
        workers: Among how many they are divided.
    """
    slow = sorted(filter(_waits, items), key=_row)
    rest = [item for item in items if not _waits(item)]
    if workers < 2 or not slow or not rest:
        return
    shares = _shares(slow, workers - 1)
    done: list[pytest.Item] = []
    for number in range(workers):
        share = shares[number] if number < len(shares) else []
        size = (len(items) - len(done)) // (workers - number)  # as xdist.scheduler.worksteal counts
        fill = max(0, size - len(share))
        done += share + rest[:fill]
        del rest[:fill]
    items[:] = done + rest


def _waits(item: pytest.Item) -> bool:
    return item.path.parent.name == "e2e" or _row(item) < len(_SERVERS)


def _row(item: pytest.Item) -> int:
    """Return the number of the row of `_SERVERS` that a test needs."""
    names = set(getattr(item, "fixturenames", ()))
    return next((number for number, row in enumerate(_SERVERS) if names & set(row)), len(_SERVERS))


def _shares(slow: Sequence[pytest.Item], count: int) -> list[list[pytest.Item]]:
    """Cut the list into parts that take about as long."""
    ends = list(accumulate(_WEIGHT if _row(item) < len(_SERVERS) else 1 for item in slow))
    shares: list[list[pytest.Item]] = [[] for _ in range(count)]
    for item, end in zip(slow, ends, strict=True):
        shares[min(count - 1, (end - 1) * count // ends[-1])].append(item)
    return shares
