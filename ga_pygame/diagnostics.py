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
from threading import Thread, current_thread, local, main_thread
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar, cast

from ga_pygame.checks import InvalidEvent
from ga_pygame.traces import is_of_a_signal_handler, is_of_other_code, trace_of, traceback_of, type_name

if TYPE_CHECKING:
    import logging

_PACKAGE = os.path.dirname(__file__) + os.sep

DEBUG, INFO, WARNING, ERROR = 10, 20, 30, 40
"""Levels of `logging`, which is not imported for them."""

MAX_SAID = 1000
"""Causes that are remembered as said. Further ones are counted and not said."""
MAX_MESSAGE = 2000
"""Characters of one line in the log, without a traceback."""

_logger: logging.Logger | None = None


def log() -> logging.Logger:
    """The package's log; kept from the first call on, since nothing can be imported while Python ends."""
    global _logger  # noqa: PLW0603 - a module is what all share
    if _logger is None:
        import logging  # noqa: PLC0415 - 4 ms that `import ga_pygame` need not cost

        _logger = logging.getLogger("ga_pygame")
    return _logger


def say(message: str, error: BaseException | None = None, *, level: int = WARNING) -> None:
    """Log a line, with the traceback of an error. Never raises: what a log handler of the game raises stays here.

    Such a failure is said on stderr, with the line that it cost.
    """
    try:
        text = message if len(message) <= MAX_MESSAGE else f"{message[:MAX_MESSAGE]}…"
        if not log().hasHandlers():  # logging prints it as it is, without the logger's name
            text = f"ga_pygame: {text}"
        log().log(level, "%s", text if error is None else f"{text}\n{trace_of(error)}".rstrip())
    except BaseException as failure:
        if is_the_players(failure) or _is_the_games(failure):
            raise
        try:
            if level >= WARNING and sys.stderr is not None:
                kind = type(failure).__name__
                sys.stderr.write(f"ga_pygame: {message[:MAX_MESSAGE]} (said here: the log failed with {kind})\n")
        except BaseException as last:  # the last guard has no way out
            if is_the_players(last):
                raise


def is_the_players(
    error: BaseException,
    _here: Callable[[], Thread] = current_thread,
    _main: Callable[[], Thread] = main_thread,
) -> bool:
    """Whether an error ends the program: Ctrl-C or `SystemExit`, on the main thread. Another thread ends no program."""
    return not isinstance(error, Exception) and _here() is _main()


def _is_the_games(error: BaseException, _is: Callable[[BaseException], bool] = is_of_a_signal_handler) -> bool:
    """Whether to raise an error again. The function is bound here: names of a module are `None` while Python ends."""
    return _is(error)


class Drop(str, Enum):
    """Why an event did not reach its destination."""

    INVALID = "invalid"
    """It broke a rule at the call; a setting that was refused counts here, too."""
    PART = "part"
    """An optional part of it (value, score, cart type, custom fields) broke a rule; the event came without it."""
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
_WORDS = {
    Drop.NOT_RUNNING: "no tracker runs, so events are only counted. Call start() before the game's loop, and close() "
    "after it",
    Drop.NO_CONSENT: "the player has not consented: nothing is recorded until tracker.consent.grant()",
    Drop.ERROR_LIMIT: "a launch sends ten different errors, each once; others and repeats are only counted",
    Drop.INBOX_FULL: "more events came than memory is kept for until they are written; report fewer, or sums of them",
    Drop.TOO_LARGE: "the server takes no event of its size; give it fewer or shorter custom fields",
    Drop.REJECTED: "the server says that it breaks a rule; connect to event_rejected for the event and the reasons",
    Drop.SERVER_ERROR: "the server failed, and its documentation forbids to send again",
}
"""What is said of losses that are said nowhere else, with the fix."""
_AT_A_CALL = frozenset({Drop.NOT_RUNNING, Drop.NO_CONSENT, Drop.ERROR_LIMIT})
"""Losses of which a line of the game is told; the others may come to a worker."""


class Stats(NamedTuple):
    """A snapshot of what happened to this launch's events, and to older ones sent by it.

    Attributes:
        recorded: Taken from the game.
        stored: Written to the outbox.
        waiting: Taken from the game and not yet written to the outbox, where they wait for the server: while that is
            down, `stored` grows and `delivered` does not. `flush()` says why.
        delivered: Acknowledged, by destination.
        dropped: Lost, by reason (see `Drop`); repeats of errors count here too. `part` counts parts of events that
            were recorded without them.
    """

    recorded: int
    stored: int
    waiting: int
    delivered: Mapping[str, int]
    dropped: Mapping[str, int]


E = TypeVar("E")


class Diagnostics:
    """The one place where losses are counted and said. Any thread.

    Args:
        strict: Raise what a guarded call would report.

    Attributes:
        unreported: Calls whose failure could not even be reported (the recursion limit); they count as `internal`.
        explained: Losses that need no word of their own any more: it was said why nothing is recorded.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self._own = local()
        self._tallies: list[Counter[str]] = []
        self._said: set[str] = set()
        self.unreported = 0
        self.explained: set[Drop] = set()
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
        if not amount:
            return
        self.count(_DROPPED[reason], amount)
        try:
            self.on_drop(reason, amount, detail)
            if reason not in self.explained:
                self._explain(reason)
        except RecursionError:  # it is counted; no receiver hears of it
            pass

    def _explain(self, reason: Drop) -> None:
        """Say once what a loss means that is said nowhere else."""
        self.explained.add(reason)
        if reason in _WORDS:
            place = f"{game_call()}: " if reason in _AT_A_CALL else ""
            self.warn_once(_DROPPED[reason], f"{place}event dropped ({reason.value}): {_WORDS[reason]}")

    def total(self, name: str) -> int:
        """The sum of a counter over all threads."""
        return sum(tally[name] for tally in tuple(self._tallies))

    def stats(self, waiting: int) -> Stats:
        """A snapshot; `waiting` is the length of the inbox."""
        totals: Counter[str] = Counter()
        for tally in tuple(self._tallies):
            totals.update(dict(tally))
        if self.unreported:
            totals[_DROPPED[Drop.INTERNAL]] += self.unreported

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
        self._say_once(cause, message)

    def _say_once(self, cause: str, message: str, error: BaseException | None = None) -> None:
        cause = cause[:MAX_MESSAGE]
        if cause in self._said:
            return
        if len(self._said) < MAX_SAID:
            self._said.add(cause)
            say(message, error)
            return
        if not self.total("unsaid"):
            say(f"{MAX_SAID} different warnings were given; further ones are only counted, by reason in tracker.stats")
        self.count("unsaid")

    def forget(self, cause: str) -> None:
        """Let `warn_once` speak of that cause again: it was mended meanwhile."""
        self._said.discard(cause)

    def defect(self, where: str, error: BaseException) -> None:
        """Report a defect of ours once, with its traceback; the game goes on.

        What a signal handler of the game raised while our code ran is no defect: it is raised again.
        """
        if _is_the_games(error):
            raise error
        cause = f"defect:{where}:{type_name(error)}"
        self._say_once(cause, f"ga_pygame failed in {where}; the game goes on. Please report this.", error)

    def foreign(self, part: str, error: BaseException) -> None:
        """Report once that a part which is not ours raised; the game and the other parts go on.

        Args:
            part: Whose code it is, for the developer: `the destination "archive"`, `the receiver of ...`.
            error: What it raised. If a signal handler of the game did, it is raised again.
        """
        if _is_the_games(error):
            raise error
        kind = type_name(error)
        self._say_once(f"foreign:{part}:{kind}", f"{part} raised {kind}; the game goes on without it.", error)

    def left_out(self, error: InvalidEvent) -> None:
        """Count and say once that an optional part is left out of its event; in strict mode raise it."""
        if self.strict:
            raise error
        place = game_call()
        self.drop(Drop.PART, detail=f"{place}: {error}")
        self.warn_once(f"part:{place}:{_cause(error)}", f"{place}: left out of the event: {error}")

    def failed(self, call: str, error: Exception, refused: str = "event dropped") -> bool:
        """A public call failed: drop, count and say once where and why.

        Args:
            call: Its name.
            error: What it raised.
            refused: What became of a wrong call.

        Returns:
            Whether the error is to be raised: in strict mode, and if a signal handler of the game raised it.
        """
        if self.strict:
            return True
        try:
            return self._failed(call, error, refused)
        except Exception as second:
            # A signal handler's exception is the game's; anything else means that reporting itself failed.
            if _is_the_games(second):
                raise
            self.unreported += 1
            return False

    def _failed(self, call: str, error: Exception, refused: str) -> bool:
        if _is_the_games(error):
            return True
        if isinstance(error, InvalidEvent) or _is_wrong_call(error):
            place = game_call()
            self.drop(Drop.INVALID, detail=f"{place}: {error}")
            self.warn_once(f"invalid:{place}:{_cause(error)}", f"{place}: {refused}: {error}")
        elif isinstance(error, RecursionError):
            self.drop(Drop.INTERNAL, detail=call)
            self._say_recursion(call)
        elif is_of_other_code(error):
            place, kind = game_call(), type_name(error)
            self.drop(Drop.INVALID, detail=f"{place}: {kind}")
            words = f"{place}: {refused}: {call} called code that is not ours, which raised {kind}"
            self._say_once(f"foreign:{place}:{kind}", words, error)
        else:
            self.drop(Drop.INTERNAL, detail=f"{call}: {type_name(error)}")
            self.defect(call, error)
        return False

    def _say_recursion(self, call: str) -> None:
        try:
            self.warn_once("recursion", f"{call} was called where Python's recursion limit leaves no room; it is lost")
        except RecursionError:  # it is counted, and said when there is room
            self.forget("recursion")

    def made(self, kind: Callable[..., E], *required: Any, **optional: Any) -> E:
        """Make an event. An optional part that breaks a rule is left out, counted and said.

        Args:
            kind: The event's class.
            required: Its first arguments; if one of them is wrong, the event is refused.
            optional: The others, by name; their default is `None`.
        """
        while True:
            try:
                return kind(*required, **optional)
            except InvalidEvent as error:  # classes check what is required first
                if optional.get(error.field) is None:
                    raise
                self.left_out(error)
                optional[error.field] = None


def _cause(error: Exception) -> str:
    """What is the same in all errors of a kind: no key of a custom field, which a game may make up without end."""
    if isinstance(error, InvalidEvent):
        return f"{error.field.partition('.')[0]}:{error.rule}"
    return str(error)


def _is_wrong_call(error: Exception) -> bool:
    """Whether Python found that the arguments do not fit: the guard's own frame is the only one."""
    return isinstance(error, TypeError) and (trace := traceback_of(error)) is not None and trace.tb_next is None


_UNEXPECTED = "unexpected keyword argument '"


def _hint(error: Exception, method: Callable[..., Any]) -> None:
    """Add to the error of a wrong call which keyword was meant, as Python does since 3.13."""
    text = str(error)
    if _UNEXPECTED not in text or "Did you mean" in text or not _is_wrong_call(error):
        return
    import difflib  # noqa: PLC0415 - 1 ms, for a wrong call only

    code = method.__code__
    known = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    near = difflib.get_close_matches(text.partition(_UNEXPECTED)[2].rstrip("'"), known, 1)
    if known:
        error.args = (f"{text}; did you mean {near[0]}?" if near else f"{text}; there are: {', '.join(known)}",)


class Guarded(Protocol):
    """An object whose public calls are guarded."""

    @property
    def _diagnostics(self) -> Diagnostics: ...


S = TypeVar("S", bound=Guarded)
P = ParamSpec("P")
R = TypeVar("R")


def guarded(
    refused: str, otherwise: Callable[..., Any] | None = None
) -> Callable[[Callable[Concatenate[S, P], R]], Callable[Concatenate[S, P], R]]:
    """Let nothing that a public call raises reach the game, except in strict mode and from its signal handlers.

    Args:
        refused: What the log says became of a wrong call.
        otherwise: Makes what a call that failed returns, of its own arguments, which may be wrong; default: `None`.
    """

    def decorate(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
        name = method.__qualname__

        @functools.wraps(method)
        def call(*args: Any, **named: Any) -> Any:  # without a parameter of its own it takes a third of the time
            try:
                return method(*args, **named) if named else method(*args)  # type: ignore[call-arg]  # any
            except Exception as error:
                diagnostics: Diagnostics = args[0]._diagnostics
                is_raised = False
                try:
                    _hint(error, method)
                    is_raised = diagnostics.failed(name, error, refused)
                except RecursionError:  # there is no room on the stack to report it
                    diagnostics.unreported += 1
                if is_raised:
                    raise
            # Without a call where there is none to make: at the recursion limit there is no room for it.
            return otherwise(*args, **named) if otherwise is not None else None

        return cast("Callable[Concatenate[S, P], R]", call)

    return decorate


guard = guarded("event dropped")
"""For a call that reports something."""

setting = guarded("not set")
"""For a call that sets something."""

request = guarded("call ignored")
"""For a call that has something done."""


def game_call() -> str:
    """File and line of the game's call into this package, as `my_game.py:42`."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_ours(filename: str) -> bool:
    """Whether a file lies between the game's call and a warning: this package, or the methods of a mapping."""
    return filename.startswith(_PACKAGE) or "_collections_abc" in filename
