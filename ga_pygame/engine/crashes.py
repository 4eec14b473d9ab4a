"""Turns errors into text and limits how many a launch sends.

Source: GameAnalytics REST v2, Error: at most 10 a launch, each kind once, so that a thousand repeats of one error
do not hide the others. Uncaught exceptions come from `crash_hooks`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Hashable
from types import FrameType

from ga_pygame import rules
from ga_pygame.checks import InvalidEvent
from ga_pygame.diagnostics import Diagnostics, Drop, guard
from ga_pygame.events import Error, Fields, Severity
from ga_pygame.home_paths import masked_end, masked_start
from ga_pygame.records import Post
from ga_pygame.traces import stack_of, start_of, trace_of, traceback_of, type_name

LIMIT = 10
"""Distinct errors that a launch sends."""

_PLACES = 5  # innermost calls of a traceback that are part of a fingerprint

NO_TEXT = "no message: child_directed is on"
"""Stands for the text of an error of a game for children."""

HANG_WORDS = "Hang: the game did not call pygame for 5 seconds"

MAX_MESSAGE_READ = 2 * rules.MAX_ERROR_MESSAGE
"""Characters of a message that are read, however long it is: enough to see where a path at the limit ends."""


class ErrorReports:
    """Records errors for `tracker.error()`, `tracker.exception()` and the crash hooks. Any thread.

    Args:
        post: Records an event.
        diagnostics: Counts errors that are not sent.
        with_texts: Whether events carry messages and the lines of tracebacks; else only classes and places.
    """

    def __init__(self, post: Post, diagnostics: Diagnostics, *, with_texts: bool = True) -> None:
        self._with_texts = with_texts
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
            self._post(Error(level, clipped(text) if self._with_texts else NO_TEXT), fields)
            self._seen.add(key)

    def exception(self, error: BaseException, severity: Severity | str, fields: Fields | None, crash: str = "") -> None:
        """Record an exception. A wrong severity is reported and replaced by `Severity.ERROR`.

        Args:
            error: The exception.
            severity: How bad it is.
            fields: Custom fields of the event.
            crash: How it was noticed, one of `rules.CRASH_KINDS`; "" if the game reports it.
        """
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
            self._post(Error(level, describe(error) if self._with_texts else outlined(error), crash), fields)
            self._seen.add(key)

    @guard
    def crash(self, error: Exception, kind: str) -> None:
        """Record an exception that the game did not catch; for `kind` see `rules.CRASH_KINDS`."""
        self.exception(error, Severity.CRITICAL, None, kind)

    @guard
    def hang(self, frame: FrameType) -> None:
        """Record that the game hangs, with the stack of its thread: an error, since the game may go on."""
        if not self._is_full():
            stack = (
                stack_of(frame, HANG_WORDS) if self._with_texts else f"{HANG_WORDS}, at {_place(frame, frame.f_lineno)}"
            )
            text = masked_end(_sayable(stack), rules.MAX_ERROR_MESSAGE)
            self._post(Error(Severity.ERROR, text, rules.HANG), None)
            self._seen.add(HANG_WORDS)

    def _is_full(self) -> bool:
        """Return whether the limit is reached; count the error as dropped if so. Called before it becomes text."""
        is_full = len(self._seen) >= LIMIT
        if is_full:
            self._diagnostics.drop(Drop.ERROR_LIMIT)
        return is_full

    def _is_new(self, key: Hashable) -> bool:
        """Return whether no error with this key was recorded yet; count the error as dropped if one was."""
        is_new = key not in self._seen
        if not is_new:
            self._diagnostics.drop(Drop.ERROR_LIMIT)
        return is_new


_LEVELS: dict[object, Severity] = {severity._value_: severity for severity in Severity}


def _level(severity: object) -> Severity:
    """Return the severity that a game named. Raises `InvalidEvent` if there is none of that name."""
    kind = type(severity)
    if kind is Severity:
        return severity  # type: ignore[return-value]  # checked by its type
    found = _LEVELS.get(severity) if kind is str else None
    return found if found is not None else Severity(rules.severity("severity", severity))


def describe(error: BaseException) -> str:
    """Return the traceback as text without the player's home folder. A long one keeps its end with the error."""
    return masked_end(_sayable(trace_of(error)), rules.MAX_ERROR_MESSAGE)


def outlined(error: BaseException) -> str:
    """Return an exception's class and the places of its innermost calls: no message, and no line of code."""
    places: deque[str] = deque(maxlen=_PLACES)
    trace = traceback_of(error)
    while trace is not None:
        places.append(_place(trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    return _sayable(f"{type_name(error)} ({NO_TEXT}) at {', '.join(places) or 'an unknown place'}")


def _place(frame: FrameType, line: int) -> str:
    code = frame.f_code
    return f"{os.path.basename(code.co_filename)}:{line} in {code.co_name}"


def clipped(message: object) -> str:
    """Return any object's text without the player's home folder, cut to `rules.MAX_ERROR_MESSAGE` characters."""
    text = start_of(message, MAX_MESSAGE_READ)  # cut first, so that a huge message is not encoded
    return masked_start(_sayable(text), rules.MAX_ERROR_MESSAGE)


def _sayable(text: str) -> str:
    """Replace lone surrogates (from `os.fsdecode`), which UTF-8 cannot encode."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def fingerprint(error: BaseException) -> Hashable:
    """Return a key that is equal for errors of one class raised at one place, whatever their messages are."""
    places: deque[Hashable] = deque(maxlen=_PLACES)
    trace = traceback_of(error)
    while trace is not None:
        places.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    return (id(type(error)), *places)
