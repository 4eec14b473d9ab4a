"""What happened to the events: counters, drop reasons, warnings that are said once.

Counting takes no lock: each thread counts in a tally of its own and readers add them up.
"""

from __future__ import annotations

import functools
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from enum import Enum
from threading import local
from types import MappingProxyType
from typing import TYPE_CHECKING, Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar

from ga_pygame.checks import InvalidEvent

if TYPE_CHECKING:
    import logging

_PACKAGE = os.path.dirname(__file__) + os.sep


def log() -> logging.Logger:
    """The package's log."""
    import logging  # noqa: PLC0415 - 4 ms that `import ga_pygame` need not cost

    return logging.getLogger("ga_pygame")


class Drop(str, Enum):
    """Why an event did not reach its destination."""

    INVALID = "invalid"
    """It broke a rule at the call."""
    NOT_RUNNING = "not_running"
    """It came after `close()`, or the tracker is off."""
    INBOX_FULL = "inbox_full"
    """More events came than memory is kept for."""
    OUTBOX_FULL = "outbox_full"
    """It waited too long for a connection and made room for newer ones."""
    DAMAGED = "damaged"
    """The disk damaged it while it waited."""
    TOO_LARGE = "too_large"
    """The server refuses it for its size, even alone."""
    REJECTED = "rejected"
    """The server says that it breaks a rule."""
    SERVER_ERROR = "server_error"
    """The server failed, and its documentation forbids to send again."""
    NO_CONSENT = "no_consent"
    """The player said no."""
    ERROR_LIMIT = "error_limit"
    """A repeat of an error, or one more than a launch may report."""
    INTERNAL = "internal"
    """A defect of ours."""


_DROPPED = {reason: f"dropped.{reason.value}" for reason in Drop}


class Stats(NamedTuple):
    """A snapshot of what happened to this launch's events, and to older ones sent by it.

    Attributes:
        recorded: Taken from the game.
        stored: Written to the outbox.
        waiting: Taken from the game and not yet written.
        delivered: Acknowledged, by destination.
        dropped: Lost, by reason (see `Drop`); repeats of errors count here too.
    """

    recorded: int
    stored: int
    waiting: int
    delivered: Mapping[str, int]
    dropped: Mapping[str, int]


class Diagnostics:
    """The one place where losses are counted and said. Any thread.

    Args:
        strict: Raise what a guarded call would report.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self._own = local()
        self._tallies: list[Counter[str]] = []
        self._said: set[str] = set()
        self.on_drop: Callable[[Drop, int, str], None] = lambda _reason, _count, _detail: None

    def count(self, name: str, amount: int = 1) -> None:
        """Add to a counter."""
        tally: Counter[str] | None = getattr(self._own, "tally", None)
        if tally is None:
            tally = self._own.tally = Counter()
            self._tallies.append(tally)
        tally[name] += amount

    def drop(self, reason: Drop, amount: int = 1, detail: str = "") -> None:
        """Count a loss and tell whoever listens."""
        if amount:
            self.count(_DROPPED[reason], amount)
            self.on_drop(reason, amount, detail)

    def total(self, name: str) -> int:
        """The sum of a counter over all threads."""
        return sum(tally[name] for tally in tuple(self._tallies))

    def stats(self, waiting: int) -> Stats:
        """A snapshot; `waiting` is the length of the inbox."""
        totals: Counter[str] = Counter()
        for tally in tuple(self._tallies):
            totals.update(dict(tally))

        def under(prefix: str) -> Mapping[str, int]:
            found = {name.removeprefix(prefix): count for name, count in totals.items() if name.startswith(prefix)}
            return MappingProxyType(found)

        return Stats(
            recorded=totals["recorded"] + waiting,
            stored=totals["stored"],
            waiting=waiting,
            delivered=under("delivered."),
            dropped=under("dropped."),
        )

    def warn_once(self, cause: str, message: str) -> None:
        """Log a warning the first time that `cause` comes up."""
        if cause not in self._said:
            self._said.add(cause)
            log().warning("%s", message)

    def forget(self, cause: str) -> None:
        """Let `warn_once` speak of that cause again: it was mended meanwhile."""
        self._said.discard(cause)

    def defect(self, where: str, error: Exception) -> None:
        """Report a defect of ours once, with its traceback; the game goes on."""
        cause = f"defect:{where}:{type(error).__name__}"
        if cause not in self._said:
            self._said.add(cause)
            log().warning("ga_pygame failed in %s; the game goes on. Please report this.", where, exc_info=error)

    def foreign(self, part: str, error: Exception) -> None:
        """Report once that a part which is not ours raised; the game and the other parts go on.

        Args:
            part: Whose code it is, for the developer: `the destination "archive"`, `the receiver of ...`.
            error: What it raised.
        """
        cause = f"foreign:{part}:{type(error).__name__}"
        if cause not in self._said:
            self._said.add(cause)
            log().warning("%s raised %s; the game goes on without it.", part, type(error).__name__, exc_info=error)

    def failed(self, call: str, error: Exception) -> None:
        """A public call failed: raise in strict mode, else drop, count and say once where and why."""
        if self.strict:
            raise error
        is_wrong_call = isinstance(error, TypeError) and (trace := error.__traceback__) and trace.tb_next is None
        if isinstance(error, InvalidEvent) or is_wrong_call:
            place = game_call()
            self.drop(Drop.INVALID, detail=f"{place}: {error}")
            cause = f"{error.field}:{error.rule}" if isinstance(error, InvalidEvent) else str(error)
            self.warn_once(f"invalid:{place}:{cause}", f"{place}: event dropped: {error}")
        else:
            self.drop(Drop.INTERNAL, detail=f"{call}: {error}")
            self.defect(call, error)


class Guarded(Protocol):
    """An object whose public calls are guarded."""

    @property
    def _diagnostics(self) -> Diagnostics: ...


S = TypeVar("S", bound=Guarded)
P = ParamSpec("P")


def guard(method: Callable[Concatenate[S, P], None]) -> Callable[Concatenate[S, P], None]:
    """Let nothing that a public call raises reach the game, except in strict mode."""
    name = method.__qualname__

    @functools.wraps(method)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the game is sacred
            self._diagnostics.failed(name, error)

    return call


def game_call() -> str:
    """File and line of the game's call into this package, as `my_game.py:42`."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_ours(filename: str) -> bool:
    """Whether a file lies between the game's call and a warning: this package, or the methods of a mapping."""
    return filename.startswith(_PACKAGE) or "_collections_abc" in filename
