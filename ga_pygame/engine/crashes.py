"""Errors that the game reports and those that nobody caught.

Source: GameAnalytics REST v2, Error: at most 10 a launch, each kind once, so that a thousand repeats of one
do not hide the others.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Hashable
from types import TracebackType
from typing import Any

from ga_pygame import rules
from ga_pygame.diagnostics import Diagnostics, Drop

LIMIT = 10


class ErrorLimit:
    """Lets the first ten distinct errors of a launch through and counts the rest."""

    def __init__(self, diagnostics: Diagnostics) -> None:
        self._diagnostics = diagnostics
        self._seen: set[Hashable] = set()

    def admits(self, fingerprint: Hashable) -> bool:
        """Whether this error is new and there is room for it; counts it where not."""
        if fingerprint in self._seen or len(self._seen) >= LIMIT:
            self._diagnostics.drop(Drop.ERROR_LIMIT)
            return False
        return True

    def remember(self, fingerprint: Hashable) -> None:
        """An error was recorded: it is not new any more."""
        self._seen.add(fingerprint)


def describe(error: BaseException) -> str:
    """The traceback as text without the player's home folder; of one too long, the end, which says most."""
    import traceback  # noqa: PLC0415 - 2 ms that `import ga_pygame` need not cost

    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return _sayable(text.replace(os.path.expanduser("~"), "~"))[-rules.MAX_ERROR_MESSAGE :]


def clipped(message: str) -> str:
    """A message cut to the longest that the server takes."""
    return _sayable(str(message))[: rules.MAX_ERROR_MESSAGE]


def _sayable(text: str) -> str:
    """Text that UTF-8 can say: file names may hold what it cannot."""
    return text.encode("utf-8", "replace").decode()


def fingerprint(error: BaseException) -> Hashable:
    """The same for the same kind of error at the same place, whatever its message says."""
    places: deque[Hashable] = deque(maxlen=5)
    trace = error.__traceback__
    while trace is not None:
        places.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    return (type(error), *places)


class CrashHook:
    """Hears of exceptions that nobody caught, on the main thread and on others, and passes them on.

    Args:
        crashed: Called with an exception that ends the game, and with one that ends a thread only.
    """

    def __init__(self, crashed: Callable[[BaseException, bool], None]) -> None:
        self._crashed = crashed
        self._previous: Callable[[type[BaseException], BaseException, TracebackType | None], Any] | None = None
        self._previous_thread: Callable[[Any], Any] | None = None

    def install(self) -> None:
        """Chain into `sys.excepthook` and `threading.excepthook`."""
        self._previous, sys.excepthook = sys.excepthook, self._on_exception
        self._previous_thread, threading.excepthook = threading.excepthook, self._on_thread_exception

    def remove(self) -> None:
        """Put the old hooks back, except where somebody chained in after us."""
        if self._previous is not None and sys.excepthook == self._on_exception:
            sys.excepthook = self._previous
        if self._previous_thread is not None and threading.excepthook == self._on_thread_exception:
            threading.excepthook = self._previous_thread

    def _on_exception(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        self._crashed(error, True)
        if self._previous is not None:
            self._previous(kind, error, trace)

    def _on_thread_exception(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            self._crashed(args.exc_value, False)
        if self._previous_thread is not None:
            self._previous_thread(args)
