"""What the developer must be told at once: written by the server side, shown as a banner by the page.

A trouble has a cause, which is its name: a second one of the same cause replaces the first, and `clear` takes it
away. Causes are constants of ours, and stay until they are cleared. Those that come from a network (the key of a game
that is not known) are many of one kind; of each kind only a few are shown.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

MAX_OF_A_KIND = 5
"""Troubles of a kind that are shown; of older ones it is said how many there are."""
MAX_KEPT_OF_A_KIND = 100
"""Troubles of a kind that are kept; the oldest one is forgotten for a new one."""


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


class Troubles:
    """The troubles of a running collector; any thread may write and read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._troubles: dict[str, Trouble] = {}
        self._kinds: dict[str, dict[str, Trouble]] = {}

    def tell(self, cause: str, text: str, command: str = "", *, calm: bool = False, kind: str = "") -> None:
        """Add a trouble, or replace the one of the same cause.

        Args:
            cause: Its name; a constant, unless there is a kind.
            text: See `Trouble`.
            command: See `Trouble`.
            calm: See `Trouble`.
            kind: What it is one of, in the plural, where causes come from a network.
        """
        with self._lock:
            troubles = self._kinds.setdefault(kind, {}) if kind else self._troubles
            troubles[cause] = Trouble(text, command, calm)
            if kind and len(troubles) > MAX_KEPT_OF_A_KIND:
                del troubles[next(iter(troubles))]

    def clear(self, cause: str) -> None:
        """Take a trouble away; nothing happens if there is none of this cause."""
        with self._lock:
            for troubles in (self._troubles, *self._kinds.values()):
                troubles.pop(cause, None)

    def troubles(self) -> list[Trouble]:
        """What is wrong now: our own causes, then those of each kind, the oldest first."""
        with self._lock:
            found = list(self._troubles.values())
            for kind, troubles in self._kinds.items():
                more = len(troubles) - MAX_OF_A_KIND
                if more > 0:
                    at_least = " at least" if len(troubles) == MAX_KEPT_OF_A_KIND else ""
                    found.append(Trouble(f"And{at_least} {more} more {kind}, before these:"))
                found += list(troubles.values())[-MAX_OF_A_KIND:]
            return found
