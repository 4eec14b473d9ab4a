"""Looks now and then how the device is connected, on the watch's thread."""

from __future__ import annotations

from collections.abc import Callable

from ga_pygame import device

CONNECTION_SECONDS = 10.0
"""Time between two looks."""


class ConnectionWatch:
    """Tells the kind of connection when it has changed. The watch's thread.

    Args:
        changed: Called with one of `device.CONNECTIONS`, or `None` if the system tells none any more.
        read: Returns the kind of connection.
    """

    def __init__(
        self, changed: Callable[[str | None], None], read: Callable[[], str | None] = device.connection_type
    ) -> None:
        self._changed = changed
        self._read = read
        self._next = float("-inf")
        self._last: str | None = None

    def look(self, now: float) -> None:
        """Read the kind of connection, if it is time to."""
        if now < self._next:
            return
        self._next = now + CONNECTION_SECONDS
        kind = self._read()
        if kind != self._last:
            self._last = kind
            self._changed(kind)
