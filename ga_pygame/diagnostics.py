"""Counts what happened to events, logs each warning once, and guards public calls.

Counting takes no lock: each thread has a tally of its own, and readers add the tallies up.
"""

from __future__ import annotations

import functools
import re
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
    from types import FrameType

_NOT_THE_GAMES = re.compile(r"ga_pygame(\.|$)|_?collections[._]abc$")
"""Modules that are not the game's: this package, and the base class of our mappings."""

DEBUG, INFO, WARNING, ERROR = 10, 20, 30, 40
"""The levels of `logging`, defined here to avoid its import."""

MAX_SAID = 1000
"""Different causes that are logged; further ones are only counted."""
MAX_MESSAGE = 2000
"""Characters of one line in the log, without a traceback."""

_logger: logging.Logger | None = None


def log() -> logging.Logger:
    """Return the package's logger. It is kept from the first call on: imports fail while Python ends."""
    global _logger  # noqa: PLW0603 - one logger for the process
    if _logger is None:
        import logging  # noqa: PLC0415 - 4 ms that `import ga_pygame` need not cost

        _logger = logging.getLogger("ga_pygame")
    return _logger


def say(message: str, error: BaseException | None = None, *, level: int = WARNING) -> None:
    """Log a line, with the traceback of an error. An exception of a log handler does not reach the caller.

    The line then goes to stderr with the exception's type. Only Ctrl-C and `SystemExit` on the main thread, and what a
    signal handler of the game raised, are raised again.
    """
    try:
        text = message if len(message) <= MAX_MESSAGE else f"{message[:MAX_MESSAGE]}…"
        if not log().hasHandlers():  # logging then prints the text alone, without the logger's name
            text = f"ga_pygame: {text}"
        log().log(level, "%s", text if error is None else f"{text}\n{trace_of(error)}".rstrip())
    except BaseException as failure:
        if is_the_players(failure) or _is_the_games(failure):
            raise
        try:
            if level >= WARNING and sys.stderr is not None:
                kind = type(failure).__name__
                sys.stderr.write(f"ga_pygame: {message[:MAX_MESSAGE]} (said here: the log failed with {kind})\n")
        except BaseException as last:  # nowhere is left to report it
            if is_the_players(last):
                raise


def is_the_players(
    error: BaseException,
    _here: Callable[[], Thread] = current_thread,
    _main: Callable[[], Thread] = main_thread,
) -> bool:
    """Return whether an error ends the program: Ctrl-C or `SystemExit`, and only on the main thread."""
    return not isinstance(error, Exception) and _here() is _main()


def _is_the_games(error: BaseException, _is: Callable[[BaseException], bool] = is_of_a_signal_handler) -> bool:
    """Return whether a signal handler of the game raised the error, which is then raised again.

    The function is bound as a default: a module's names may be `None` while Python ends.
    """
    return _is(error)


class Drop(str, Enum):
    """The reason why an event did not reach its destination."""

    INVALID = "invalid"
    """It broke a rule at the call; a refused setting also counts here."""
    PART = "part"
    """An optional part of it (value, score, cart type, custom fields) broke a rule; the event came without it."""
    NOT_RUNNING = "not_running"
    """It came after `close()`, or the tracker is off or was never started."""
    INBOX_FULL = "inbox_full"
    """More events came than fit into memory before they are written."""
    OUTBOX_FULL = "outbox_full"
    """It was removed while it waited for a connection, to make room for newer events."""
    DAMAGED = "damaged"
    """The disk damaged it while it waited."""
    TOO_LARGE = "too_large"
    """The server refuses it for its size, even as the only event of a request."""
    REJECTED = "rejected"
    """The server says that it breaks a rule."""
    SERVER_ERROR = "server_error"
    """The server failed, and its documentation forbids sending it again."""
    NO_CONSENT = "no_consent"
    """The player denied consent, had not answered when the game ended, or had their data deleted."""
    ERROR_LIMIT = "error_limit"
    """It is a repeat of an error, or one error more than a launch may report."""
    INTERNAL = "internal"
    """A defect in this package."""


_DROPPED = {reason: f"dropped.{reason.value}" for reason in Drop}
DROP_WORDS = {
    Drop.NOT_RUNNING: "no tracker runs, so events are only counted. Call start() before the game's loop, and close() "
    "after it",
    Drop.NO_CONSENT: "the player has not consented, or had their data deleted by privacy.forget(). Without consent, "
    "nothing is recorded until tracker.consent.grant()",
    Drop.ERROR_LIMIT: "a launch sends ten different errors, each once; others and repeats are only counted",
    Drop.INBOX_FULL: "more events came than memory is kept for until they are written; report fewer, or sums of them",
    Drop.TOO_LARGE: "the server takes no event of its size; give it fewer or shorter custom fields",
    Drop.REJECTED: "the server says that it breaks a rule; connect to event_rejected for the event and the reasons",
    Drop.SERVER_ERROR: "the server failed, and its documentation forbids to send again",
}
"""The messages, with the fix, for reasons that are reported nowhere else."""
_AT_A_CALL = frozenset({Drop.NOT_RUNNING, Drop.NO_CONSENT, Drop.ERROR_LIMIT})
"""Reasons whose message names a line of the game; the others may be found by a worker."""


class Stats(NamedTuple):
    """A snapshot of what happened to this launch's events, and to older ones sent by it.

    Attributes:
        recorded: Events taken from the game.
        stored: Events written to the outbox, where they wait for the server. While the server is down, `stored` grows
            and `delivered` does not; `flush()` says why.
        waiting: Events taken from the game and not yet written to the outbox.
        delivered: Events acknowledged, by destination.
        dropped: Events lost, by reason (see `Drop`), and repeats of errors. `part` counts parts of events that were
            recorded without these parts.
    """

    recorded: int
    stored: int
    waiting: int
    delivered: Mapping[str, int]
    dropped: Mapping[str, int]


E = TypeVar("E")


class Diagnostics:
    """Counts losses and logs each cause once. Any thread.

    Args:
        strict: Whether guarded calls raise errors instead of reporting them.

    Attributes:
        unreported: Calls whose failure could not be reported (at the recursion limit); they count as `internal`.
        explained: Reasons whose message was logged, or is not needed since another message says the same.
        on_drop: Called at each loss with its reason, count and detail.
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
        """Count a loss, call `on_drop`, and log the reason's message once."""
        if not amount:
            return
        self.count(_DROPPED[reason], amount)
        try:
            self.on_drop(reason, amount, detail)
            if reason not in self.explained:
                self._explain(reason)
        except RecursionError:  # the loss is counted, but not reported
            pass

    def _explain(self, reason: Drop) -> None:
        """Log once what a reason means and how to fix it, if no other message does."""
        self.explained.add(reason)
        if reason in DROP_WORDS:
            place = f"{game_call()}: " if reason in _AT_A_CALL else ""
            self.warn_once(_DROPPED[reason], f"{place}event dropped ({reason.value}): {DROP_WORDS[reason]}")

    def total(self, name: str) -> int:
        """Return a counter's sum over all threads."""
        return sum(tally[name] for tally in tuple(self._tallies))

    def stats(self, waiting: int) -> Stats:
        """Return a snapshot; `waiting` is the number of events in the inbox."""
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
        """Log a warning at the first call with this `cause`."""
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
        """Let `warn_once` log that cause again, since it was fixed meanwhile."""
        self._said.discard(cause)

    def defect(self, where: str, error: BaseException) -> None:
        """Log a defect in this package once, with its traceback; the game goes on.

        If a signal handler of the game raised the error while our code ran, it is raised again.
        """
        if _is_the_games(error):
            raise error
        cause = f"defect:{where}:{type_name(error)}"
        self._say_once(cause, f"ga_pygame failed in {where}; the game goes on. Please report this.", error)

    def foreign(self, part: str, error: BaseException) -> None:
        """Log once that code of the game or a library raised; the game and the other parts go on.

        Args:
            part: The part whose code it is, for the message: `the destination "archive"`, `the receiver of ...`.
            error: The exception. If a signal handler of the game raised it, it is raised again.
        """
        if _is_the_games(error):
            raise error
        kind = type_name(error)
        self._say_once(f"foreign:{part}:{kind}", f"{part} raised {kind}; the game goes on without it.", error)

    def left_out(self, error: InvalidEvent) -> None:
        """Count, and log once, that an optional part is left out of its event. In strict mode raise the error."""
        if self.strict:
            raise error
        place = game_call()
        self.drop(Drop.PART, detail=f"{place}: {error}")
        self.warn_once(f"part:{place}:{_cause(error)}", f"{place}: left out of the event: {error}")

    def failed(self, call: str, error: Exception, refused: str = "event dropped") -> bool:
        """Report that a public call failed: count a drop, and log once where and why.

        Args:
            call: The call's name.
            error: The exception that it raised.
            refused: What became of a wrong call, for the message.

        Returns:
            Whether to raise the error again: in strict mode, or if a signal handler of the game raised it.
        """
        if self.strict:
            return True
        try:
            return self._failed(call, error, refused)
        except Exception as second:
            # An exception of the game's signal handler belongs to the game; any other means that reporting failed.
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
        except RecursionError:  # the loss is counted; a later call with room on the stack logs it
            self.forget("recursion")

    def made(self, kind: Callable[..., E], *required: Any, **optional: Any) -> E:
        """Make an event. An optional part that breaks a rule is left out, counted and logged.

        Args:
            kind: The event's class.
            required: Its first arguments; if one of them is wrong, `InvalidEvent` is raised.
            optional: The other arguments by name; their default is `None`.
        """
        while True:
            try:
                return kind(*required, **optional)
            except InvalidEvent as error:  # a class checks its required arguments first
                if optional.get(error.field) is None:
                    raise
                self.left_out(error)
                optional[error.field] = None


def _cause(error: Exception) -> str:
    """Return what errors of one kind share; without keys of custom fields, which a game may invent endlessly."""
    if isinstance(error, InvalidEvent):
        return f"{error.field.partition('.')[0]}:{error.rule}"
    return str(error)


def _is_wrong_call(error: Exception) -> bool:
    """Return whether the arguments do not fit the signature: the traceback then has the guard's own frame only."""
    return isinstance(error, TypeError) and (trace := traceback_of(error)) is not None and trace.tb_next is None


_UNEXPECTED = "unexpected keyword argument '"


def _hint(error: Exception, method: Callable[..., Any]) -> None:
    """Add to the error of a wrong call which keyword was probably meant, as Python does since 3.13."""
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
    """Decorate a public call so that no exception of it reaches the game, except in strict mode.

    An exception of one of the game's signal handlers, raised while the call ran, is also raised again.

    Args:
        refused: What became of a wrong call, for the log.
        otherwise: Makes the result of a failed call from its arguments, which may be wrong; default: `None`.
    """

    def decorate(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
        name = method.__qualname__

        @functools.wraps(method)
        def call(*args: Any, **named: Any) -> Any:  # a parameter of its own would triple the time
            try:
                return method(*args, **named) if named else method(*args)  # type: ignore[call-arg]  # any
            except Exception as error:
                diagnostics: Diagnostics | None = getattr(args[0], "_diagnostics", None) if args else None
                if diagnostics is None:  # called on the class
                    raise
                is_raised = False
                try:
                    _hint(error, method)
                    is_raised = diagnostics.failed(name, error, refused)
                except RecursionError:  # there is no room on the stack to report it
                    diagnostics.unreported += 1
                if is_raised:
                    raise
            # No call unless `otherwise` is given: at the recursion limit there may be no room for one.
            return otherwise(*args, **named) if otherwise is not None else None

        return cast("Callable[Concatenate[S, P], R]", call)

    return decorate


guard = guarded("event dropped")
"""The guard of calls that report something."""

setting = guarded("not set")
"""The guard of calls that set something."""

request = guarded("call ignored")
"""The guard of calls that make the tracker do something."""


def game_call() -> str:
    """Return file and line of the game's call into this package, as `my_game.py:42`."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_ours(frame: FrameType) -> bool:
    """Return whether code is ours. By the module's name: in an executable, file names have no folder of ours."""
    return _NOT_THE_GAMES.match(str(frame.f_globals.get("__name__"))) is not None
