"""Errors that the game reports, as text, and the limit of how many a launch sends.

Source: GameAnalytics REST v2, Error: at most 10 a launch, each kind once, so that a thousand repeats of one
do not hide the others. How errors are heard that nobody caught stands in `crash_hooks`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

from ga_pygame import rules
from ga_pygame.checks import InvalidEvent
from ga_pygame.diagnostics import Diagnostics, Drop, guard
from ga_pygame.engine.home_paths import masked_end, masked_start
from ga_pygame.events import Error, Fields, Severity
from ga_pygame.records import Post
from ga_pygame.traces import start_of, trace_of, traceback_of

LIMIT = 10
"""Distinct errors that a launch sends."""

_PLACES = 5  # of a traceback, in a fingerprint

MAX_MESSAGE_READ = 2 * rules.MAX_ERROR_MESSAGE
"""Characters of a message of any length that are looked at: enough to see where a path ends at the limit."""


class ErrorReports:
    """What is behind `tracker.error()` and `tracker.exception()`. Any thread.

    Args:
        post: Takes the events.
        diagnostics: Counts what is not sent.
    """

    def __init__(self, post: Post, diagnostics: Diagnostics) -> None:
        self._post = post
        self._diagnostics = diagnostics
        self._seen: set[Hashable] = set()

    def error(self, severity: Severity | str, message: object, fields: Fields | None) -> None:
        """Record a message. Raises `InvalidEvent` for a wrong severity."""
        level = _level(severity)
        if self._is_full():
            return
        text = start_of(message, MAX_MESSAGE_READ)
        key = (level._value_, text)
        if self._is_new(key):
            self._post(Error(level, clipped(text)), fields)
            self._seen.add(key)

    def exception(self, error: BaseException, severity: Severity | str, fields: Fields | None) -> None:
        """Record an exception. A wrong severity is left out: it is an error."""
        rules.exception("error", error)
        if self._is_full():
            return
        try:
            level = _level(severity)
        except InvalidEvent as wrong:
            level = Severity.ERROR
            self._diagnostics.left_out(wrong)
        key = fingerprint(error)
        if self._is_new(key):
            self._post(Error(level, describe(error)), fields)
            self._seen.add(key)

    @guard
    def crash(self, error: Exception) -> None:
        """Record an exception that the game did not catch."""
        self.exception(error, Severity.CRITICAL, None)

    def _is_full(self) -> bool:
        """Whether no error is sent any more: asked before an error becomes text. Counts the error if so."""
        is_full = len(self._seen) >= LIMIT
        if is_full:
            self._diagnostics.drop(Drop.ERROR_LIMIT)
        return is_full

    def _is_new(self, key: Hashable) -> bool:
        """Whether no error of this key was recorded yet. Counts the error if one was."""
        is_new = key not in self._seen
        if not is_new:
            self._diagnostics.drop(Drop.ERROR_LIMIT)
        return is_new


_LEVELS: dict[object, Severity] = {severity._value_: severity for severity in Severity}


def _level(severity: object) -> Severity:
    """The severity that a game named; raises `InvalidEvent`."""
    kind = type(severity)
    if kind is Severity:
        return severity  # type: ignore[return-value]  # it is one
    found = _LEVELS.get(severity) if kind is str else None
    return found if found is not None else Severity(rules.severity("severity", severity))


def describe(error: BaseException) -> str:
    """The traceback as text without the player's home folder. Long ones keep their end, which says most."""
    return masked_end(_sayable(trace_of(error)), rules.MAX_ERROR_MESSAGE)


def clipped(message: object) -> str:
    """A message without the player's home folder, cut to the longest that the server takes. Takes anything."""
    text = start_of(message, MAX_MESSAGE_READ)  # before it is encoded
    return masked_start(_sayable(text), rules.MAX_ERROR_MESSAGE)


def _sayable(text: str) -> str:
    """Replace lone surrogates (of `os.fsdecode`), which UTF-8 cannot encode."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def fingerprint(error: BaseException) -> Hashable:
    """The same for the same kind of error at the same place, whatever its message says."""
    places: deque[Hashable] = deque(maxlen=_PLACES)
    trace = traceback_of(error)
    while trace is not None:
        places.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    return (id(type(error)), *places)
