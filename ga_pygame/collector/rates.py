"""Limits how many requests a game may send from one address, so that one sender cannot take the place of the others."""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Collection

from starlette.requests import Request

MAX_RATED_SENDERS = 20_000
"""Senders whose requests are counted; beyond it the ones that were silent longest begin anew."""
BURST_SECONDS = 10.0
"""A sender that was silent may send the requests of so much time at once."""


class Rates:
    """Counts the requests of each game and address. The event loop's thread.

    Args:
        most: Requests a second; `None` limits nothing.
        proxies: Addresses of proxies of the operator's own: the sender is the last address of `X-Forwarded-For` then.
    """

    def __init__(self, most: float | None, proxies: Collection[str] = ()) -> None:
        self._most = most
        self._proxies = frozenset(proxies)
        self._room: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def sender(self, request: Request) -> str:
        """Return the address that a request came from; that behind a known proxy if it names one."""
        peer = request.client.host if request.client else ""
        if peer not in self._proxies:
            return peer
        last = request.headers.getlist("x-forwarded-for")[-1:]
        named = last[0].rpartition(",")[2].strip() if last else ""
        try:
            return str(ipaddress.ip_address(named))
        except ValueError:
            return peer

    def wait(self, game_key: str, sender: str, now: float) -> int:
        """Count a request; return the whole seconds after which the sender may try again, 0 if it may go on.

        Args:
            game_key: The game in its address.
            sender: See `sender`.
            now: Seconds of any clock that only goes forward.
        """
        if self._most is None:
            return 0
        most, key = self._most, (game_key[:64], sender)
        left, at = self._room.pop(key, (max(1.0, most * BURST_SECONDS), now))
        left = min(max(1.0, most * BURST_SECONDS), left + (now - at) * most)
        is_let_in = left >= 1.0
        self._room[key] = (left - 1.0 if is_let_in else left, now)
        while len(self._room) > MAX_RATED_SENDERS:
            self._room.popitem(last=False)
        return 0 if is_let_in else max(1, math.ceil((1.0 - left) / most))
