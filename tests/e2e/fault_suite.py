"""The shared parts of the fault suite's tests: rounds, seeded chance, worlds, and the rows of the table."""

from __future__ import annotations

import math
import random
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.collectors import Collector
from tests.e2e.fault_launch import World
from tests.e2e.fault_ledger import Result
from tests.e2e.fault_proxy import Proxy
from tests.e2e.plain_server import PlainServer


class Suite:
    """The tools of a test of the suite.

    Attributes:
        chance: Random numbers, the same for the same seed.
    """

    def __init__(self, folder: Path, collector: Collector, request: pytest.FixtureRequest) -> None:
        self.folder = folder
        self.collector = collector
        self.proxy = Proxy(collector.url)
        self.is_long = bool(request.config.getoption("--long", False))
        self.seed = request.config.getoption("--fault-seed", 1)
        self.chance = random.Random(f"{self.seed} {request.node.name}")
        self._request = request
        self._worlds = 0

    def rounds(self, short: int, long: int) -> int:
        """Return how many rounds to play."""
        return long if self.is_long else short

    def world(self, data: Path | None = None, server: PlainServer | None = None) -> World:
        """Make another player's machine; its events go to the collector, or to another server as to a service."""
        self._worlds += 1
        name = f"world {self._worlds}"
        return World(name, self.folder / f"w{self._worlds}", server or self.collector, self.proxy, data)

    @property
    def most_start(self) -> float:
        """Return the limit for `start()` in seconds; generous if other tests run at the same time."""
        return 0.3 if self.is_long else 5.0

    def report(
        self, *results: Result, most_lost: int = 0, most_start: float = math.inf, most_close: float = math.inf
    ) -> None:
        """Add a row to the table, then fail if a promise is broken."""
        total = results[0]
        for one in results[1:]:
            for name in ("rounds", "events", "lost", "doubled", "kills", "late"):
                setattr(total, name, getattr(total, name) + getattr(one, name))
            total.oldest = max(total.oldest, one.oldest)
            for name in ("slowest_close", "slowest_start", "more_memory"):
                setattr(total, name, max(getattr(total, name), getattr(one, name)))
            total.resent = max(total.resent, one.resent)  # the collector's, who served them all
            total.wrong += one.wrong
        self._request.node.user_properties.append(("fault", asdict(total)))
        total.check(most_lost)
        assert total.slowest_start <= most_start, total
        assert total.slowest_close <= most_close, total
