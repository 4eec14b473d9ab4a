"""What the developer must be told at once: written by the server side, shown as a banner by the page.

A trouble has a cause, which is its name: a second one of the same cause replaces the first, and `clear` takes it
away. Causes can come from a network (the key of a game that is not known), so their number is bounded.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

MAX_TROUBLES = 20
"""Troubles kept at a time; the oldest one is left out for a new one."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong.

    Attributes:
        text: One or two plain sentences: what, why, what to do. Never a secret.
        command: A line to copy, or empty. A secret stands in it as a placeholder.
        calm: Nothing is lost; it is only good to know.
    """

    text: str
    command: str = ""
    calm: bool = False


class Status:
    """The troubles of a running collector; any thread may write and read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._troubles: dict[str, Trouble] = {}

    def tell(self, cause: str, text: str, command: str = "", *, calm: bool = False) -> None:
        """Add a trouble, or replace the one of the same cause."""
        with self._lock:
            self._troubles[cause] = Trouble(text, command, calm)
            if len(self._troubles) > MAX_TROUBLES:
                del self._troubles[next(iter(self._troubles))]

    def clear(self, cause: str) -> None:
        """Take a trouble away; nothing happens if there is none of this cause."""
        with self._lock:
            self._troubles.pop(cause, None)

    def troubles(self) -> list[Trouble]:
        """What is wrong now, the oldest first."""
        with self._lock:
            return list(self._troubles.values())
