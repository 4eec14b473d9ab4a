"""Answers of metrics, asked once for all tabs that show the same view with the same filters."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from ga_pygame.clock import Clock
from ga_pygame.collector.page.address import PageAddress
from ga_pygame.collector.page.panels import Panels

MAX_ANSWERS_KEPT = 32
"""Answers that are kept; the one that was not used for the longest time is dropped."""


MAX_SHARE_OF_TIME = 0.1
"""The part of the time that the questions of a view take while events come in: the slower, the fewer."""
MAX_REST_SECONDS = 5.0
"""The longest time for which a slow view is not asked again."""
QUICK_SECONDS = 0.1
"""A view that takes less is asked as often as it wants."""


@dataclass(slots=True)
class _Kept:
    """An answer, or one that is being asked for.

    Attributes:
        changes: The version of the file.
        asked_at: When it was asked, on the monotonic clock.
        task: Gives the answer.
        rests_until: Until when it is not asked again.
    """

    changes: int
    asked_at: float
    task: asyncio.Task[Panels]
    rests_until: float = 0.0

    def is_stale(self, changes: int, now: float) -> bool:
        """Whether the file has changed meanwhile and it is time to ask again."""
        has_failed = self.task.done() and (self.task.cancelled() or self.task.exception() is not None)
        return has_failed or (self.changes != changes and now >= self.rests_until)


class PanelCache:
    """The answers to the present version of the file; for the loop's thread.

    Args:
        clock: Measures how long an answer takes.
    """

    def __init__(self, clock: Clock) -> None:
        self._kept: OrderedDict[PageAddress, _Kept] = OrderedDict()
        self._clock = clock

    async def answer(
        self, address: PageAddress, changes: int, ask: Callable[[], Coroutine[Any, Any, Panels]]
    ) -> tuple[Panels, int]:
        """Return the answer for an address and the version of the file that it is of.

        It is asked only if the file has changed since, and after a slow answer not at once.

        Args:
            address: The view and its filters.
            changes: See `Snapshot.changes`.
            ask: Reads the answer.
        """
        known = self._kept.get(address)
        if known is None or known.is_stale(changes, self._clock.monotonic()):
            known = _Kept(changes, self._clock.monotonic(), asyncio.create_task(ask()))
            known.task.add_done_callback(partial(self._rest, known))
            self._kept[address] = known
        self._kept.move_to_end(address)
        while len(self._kept) > MAX_ANSWERS_KEPT:
            self._kept.popitem(last=False)
        return await asyncio.shield(known.task), known.changes  # another tab may wait for it, too

    def _rest(self, kept: _Kept, _: asyncio.Task[Panels]) -> None:
        now = self._clock.monotonic()
        took = now - kept.asked_at
        if took >= QUICK_SECONDS:
            kept.rests_until = now + min(took / MAX_SHARE_OF_TIME, MAX_REST_SECONDS)
