"""Answers of metrics, asked once for all tabs that show the same view with the same filters."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

from ga_pygame.collector.page.address import PageAddress
from ga_pygame.collector.page.panels import Panels

MAX_ANSWERS_KEPT = 32
"""Answers that are kept; the one that was not used for the longest time is dropped."""


class PanelCache:
    """The answers to the present version of the file; for the loop's thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[PageAddress, tuple[int, asyncio.Task[Panels]]] = OrderedDict()

    async def answer(
        self, address: PageAddress, changes: int, ask: Callable[[], Coroutine[Any, Any, Panels]]
    ) -> Panels:
        """Return the answer for an address; ask only if the file has changed since it was asked last.

        Args:
            address: The view and its filters.
            changes: See `Snapshot.changes`.
            ask: Reads the answer.
        """
        known = self._kept.get(address)
        if known is None or known[0] != changes or _failed(known[1]):
            known = self._kept[address] = (changes, asyncio.create_task(ask()))
        self._kept.move_to_end(address)
        while len(self._kept) > MAX_ANSWERS_KEPT:
            self._kept.popitem(last=False)
        return await asyncio.shield(known[1])  # another tab may wait for it, too


def _failed(task: asyncio.Task[Panels]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
