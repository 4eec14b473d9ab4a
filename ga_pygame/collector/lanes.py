"""Where requests are unpacked, decoded and checked: on two threads, so that the loop answers games meanwhile.

A batch of some hundred events takes a few milliseconds, the largest that is taken a second. They have a lane each:
what is light never waits for what is heavy.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Result = TypeVar("_Result")


class Heavy(Exception):
    """Raised by work in the light lane that turned out to be heavy; it is begun again in the other lane."""


class Lanes:
    """The two threads; used from the loop."""

    def __init__(self) -> None:
        self._light = ThreadPoolExecutor(1, "ga-collector-light")
        self._heavy = ThreadPoolExecutor(1, "ga-collector-heavy")
        self._one_heavy = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def run(self, work: Callable[[bool], _Result]) -> AsyncIterator[_Result]:
        """Do work and give what it returns, to be used within the context.

        What heavy work returns takes much memory. So the next heavy one begins when the context of the one before
        has ended, not when its thread is free.

        Args:
            work: Called with true in the light lane, where it may raise `Heavy`, and then with false in the other.
        """
        loop = asyncio.get_running_loop()
        try:
            result = await loop.run_in_executor(self._light, work, True)
        except Heavy:
            pass
        else:
            yield result
            return
        async with self._one_heavy:
            yield await loop.run_in_executor(self._heavy, work, False)

    def close(self) -> None:
        """Forget what waits and end the threads."""
        for lane in (self._light, self._heavy):
            lane.shutdown(wait=True, cancel_futures=True)
