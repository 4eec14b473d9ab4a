"""Troubles that the developer must know at once: written by the server, shown by the page as banners.

A trouble is named by its cause: a second one with the same cause replaces the first, and `clear` removes it. Most
causes are constants of ours and stay until they are cleared. Causes that come from a network (the key of an unknown
game) can be many; each of them has a kind, and only a few of a kind are shown.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

MAX_OF_A_KIND = 5
"""Troubles of a kind that are shown; for older ones only their number is."""
MAX_KEPT_OF_A_KIND = 100
"""Troubles of a kind that are kept; a further one removes the oldest."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong.

    Attributes:
        text: One or two plain sentences: what, why, what to do. Never a secret.
        command: A command line to copy, or empty; with a placeholder in the place of a secret.
        calm: Nothing is lost; it is for information only.
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
            cause: The name of the trouble; a constant, unless there is a kind.
            text: See `Trouble`.
            command: See `Trouble`.
            calm: See `Trouble`.
            kind: If the cause comes from a network: the kind of such troubles, in the plural.
        """
        with self._lock:
            troubles = self._kinds.setdefault(kind, {}) if kind else self._troubles
            troubles[cause] = Trouble(text, command, calm)
            if kind and len(troubles) > MAX_KEPT_OF_A_KIND:
                del troubles[next(iter(troubles))]

    def clear(self, cause: str) -> None:
        """Remove the trouble with this cause, if there is one."""
        with self._lock:
            for troubles in (self._troubles, *self._kinds.values()):
                troubles.pop(cause, None)

    def present(self) -> list[Trouble]:
        """Return the present troubles: those without a kind, then those of each kind, the oldest first."""
        with self._lock:
            found = list(self._troubles.values())
            for kind, troubles in self._kinds.items():
                more = len(troubles) - MAX_OF_A_KIND
                if more > 0:
                    at_least = " at least" if len(troubles) == MAX_KEPT_OF_A_KIND else ""
                    found.append(Trouble(f"And{at_least} {more} more {kind}, before these:"))
                found += list(troubles.values())[-MAX_OF_A_KIND:]
            return found
