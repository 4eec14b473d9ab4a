"""Two threads on which requests are unpacked, decoded and checked, so that the loop answers games meanwhile.

A batch of some hundred events takes a few milliseconds, the largest allowed one takes a second. So there is a lane for
light requests and one for heavy requests; a light one never waits for a heavy one. In each lane the clients take turns
(round robin), so a client that sends much delays only itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ga_pygame.collector.bodies import Busy

_Result = TypeVar("_Result")

MAX_HEAVY_WAITING = 24
"""Requests that wait for the heavy lane. A further one makes the client with the most requests lose its newest."""


class Heavy(Exception):
    """Raised by work in the light lane that proved to be heavy; it starts again in the heavy lane."""


class Lanes:
    """The two lanes; for the loop's thread."""

    def __init__(self) -> None:
        self._light = ThreadPoolExecutor(1, "ga-collector-light")
        self._heavy = ThreadPoolExecutor(1, "ga-collector-heavy")
        self._light_turns = _Turns()
        self._heavy_turns = _Turns(MAX_HEAVY_WAITING)

    @contextlib.asynccontextmanager
    async def run(self, client: Hashable, work: Callable[[bool], _Result]) -> AsyncIterator[_Result]:
        """Run work on a lane's thread and yield its result for the context.

        The result of heavy work takes much memory. So the next heavy work begins when the context of the last one has
        ended, not when the thread is free.

        Args:
            client: The client that this work belongs to, for the turns.
            work: Called with true in the light lane, where it may raise `Heavy`; then with false in the heavy lane.

        Raises:
            Busy: It is heavy, and too many heavy requests wait.
        """
        loop = asyncio.get_running_loop()
        try:
            async with self._light_turns.one(client):
                result = await loop.run_in_executor(self._light, work, True)
        except Heavy:
            pass
        else:
            yield result
            return
        async with self._heavy_turns.one(client):
            yield await loop.run_in_executor(self._heavy, work, False)

    def close(self) -> None:
        """Cancel waiting work and end the threads."""
        for lane in (self._light, self._heavy):
            lane.shutdown(wait=True, cancel_futures=True)


class _Turns:
    """A lock that clients get in turns (round robin); of one client's requests the oldest is first."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._taken = False
        self._waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}

    @contextlib.asynccontextmanager
    async def one(self, client: Hashable) -> AsyncIterator[None]:
        """Hold the lock within the context.

        Raises:
            Busy: Too many wait, and most of them are this client's.
        """
        if self._taken:
            await self._wait(client)
        self._taken = True
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, client: Hashable) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        if self._most is not None and sum(map(len, self._waiting.values())) > self._most:
            longest = max(reversed(self._waiting), key=lambda one: len(self._waiting[one]))
            self._take(longest, self._waiting[longest].pop).set_exception(Busy)
        try:
            await turn
        except asyncio.CancelledError:
            # A turn that was given to this request just before its task was cancelled goes on to the next request.
            if not turn.cancelled():
                self._pass_on()
            elif turn in self._waiting.get(client, ()):
                self._take(client, lambda: self._waiting[client].remove(turn))
            raise

    def _pass_on(self) -> None:
        if not self._waiting:
            self._taken = False
            return
        client = next(iter(self._waiting))
        self._waiting[client] = self._waiting.pop(client)  # to the end: its next turn comes after those of the others
        self._take(client, self._waiting[client].popleft).set_result(None)

    def _take(self, client: Hashable, take: Callable[[], _Result]) -> _Result:
        taken = take()
        if not self._waiting[client]:
            del self._waiting[client]
        return taken
