"""Print messages for the developer on the terminal: each once, on one line, safe whatever a request holds.

These messages contain paths, names and keys of requests, and a terminal obeys escape sequences. So characters that
cannot be printed are escaped and the length is bounded. Each cause has a limit of its own: forty forged requests must
not suppress the message that the disk is full.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import sys
import threading
from collections.abc import Callable

MESSAGES_PER_CAUSE = 10
"""Different messages printed for a cause; then one line says that there are more."""
MAX_CAUSES = 100
"""Causes with messages; most are constants of ours, the others are names of libraries' loggers."""
MAX_LINE = 600
"""Characters of a message; the rest is cut."""

Tell = Callable[[str, str], None]
"""A function that takes a cause (a constant) and a message; any thread may call it."""


def printable(text: str, most: int = MAX_LINE) -> str:
    """Escape what a terminal would obey, and cut a text that is too long."""
    cut = text[:most] + ("…" if len(text) > most else "")
    if cut.isprintable():
        return cut
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in cut)


class Teller:
    """Prints to stderr; any thread may call it.

    Args:
        as_json: Print each message as an object with `time` (UTC), `cause` and `message`, for programs that read logs.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self._as_json = as_json
        self._lock = threading.Lock()
        self._told: dict[str, set[str]] = {}

    def __call__(self, cause: str, message: str) -> None:
        """Print a message, unless it was printed before or its cause has reached its limit."""
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
        with contextlib.suppress(OSError, ValueError):  # stderr may be closed
            if self._as_json:
                now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
                line = json.dumps({"time": now, "cause": printable(cause, 60), "message": line})
                sys.stderr.write(f"{line}\n")
            else:
                sys.stderr.write(f"ga_pygame: {line}\n")

    def forget(self, cause: str) -> None:
        """Allow the messages of this cause again, because its trouble is over."""
        with self._lock:
            self._told.pop(cause, None)


class Logs(logging.Handler):
    """A log handler that gives libraries' warnings to `Tell`: they may hold many lines and raw data of a request."""

    def __init__(self, tell: Tell) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Tell the message and the exception, without its traceback."""
        with contextlib.suppress(Exception):  # a log call must not raise
            message = record.getMessage()
            error = record.exc_info[1] if record.exc_info else None
            what = f"{message} ({type(error).__name__}: {error})" if error else message
            self._tell(f"log {record.name}", f"{record.name}: {what}")
