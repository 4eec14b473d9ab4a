"""What the developer reads in the terminal: each thing once, on one line, whatever a request holds.

Paths, names and keys of requests stand in these messages, and a terminal obeys escape sequences. So nothing that
cannot be printed reaches it, a message has a bounded length, and each cause has a limit of its own: forty forged
requests cannot silence the message that the disk is full.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Callable

MESSAGES_PER_CAUSE = 10
"""Different messages that are told of a cause; then one line says that there are more."""
MAX_CAUSES = 100
"""Causes that are told; most are constants of ours, the others are names of libraries' loggers."""
MAX_LINE = 600
"""Characters of a message; the rest is cut."""

Tell = Callable[[str, str], None]
"""Takes a cause, which is a constant, and a message; any thread may call it."""


def printable(text: str, most: int = MAX_LINE) -> str:
    """A text on one line that a terminal only shows: what is not printable is escaped, what is too long is cut."""
    cut = text[:most] + ("…" if len(text) > most else "")
    if cut.isprintable():
        return cut
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in cut)


class Teller:
    """Writes to the standard error stream; any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: dict[str, set[str]] = {}

    def __call__(self, cause: str, message: str) -> None:
        """Tell a message unless it was told before or its cause has told enough."""
        line = printable(message)
        with self._lock:
            if len(self._told) >= MAX_CAUSES and cause not in self._told:
                return
            told = self._told.setdefault(cause, set())
            if line in told or len(told) > MESSAGES_PER_CAUSE:
                return
            if len(told) == MESSAGES_PER_CAUSE:
                line = f"more messages like the last one are not shown ({printable(cause, 60)})"
            told.add(line)
        with contextlib.suppress(OSError, ValueError):  # nobody needs to read it
            sys.stderr.write(f"ga_pygame: {line}\n")

    def forget(self, cause: str) -> None:
        """Tell of this cause again: what was wrong is over, so the next time it is news."""
        with self._lock:
            self._told.pop(cause, None)


class Logs(logging.Handler):
    """Gives the warnings of libraries to a teller: they show what a request holds as it is, and over many lines."""

    def __init__(self, tell: Tell) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Tell the message and the exception, without its traceback."""
        with contextlib.suppress(Exception):  # a log line must not become an error of its own
            message = record.getMessage()
            error = record.exc_info[1] if record.exc_info else None
            what = f"{message} ({type(error).__name__}: {error})" if error else message
            self._tell(f"log {record.name}", f"{record.name}: {what}")
