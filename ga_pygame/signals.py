"""Signals that a game connects to, and responses that it can wait for, await or connect to.

Workers never call the game: they post to a `Mailbox`, and `Tracker.tick()` delivers on the game thread. So a receiver
may use the game's objects.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from itertools import count
from types import BuiltinMethodType, MethodType
from typing import Any, Generic, ParamSpec, TypeVar

from ga_pygame import attributes
from ga_pygame.checks import InvalidEvent, exact_number, exact_text
from ga_pygame.clock import Clock, sleep
from ga_pygame.diagnostics import ERROR, Diagnostics, guarded, request, say
from ga_pygame.traces import MAX_NAME, pass_on, traceback_of, type_name

P = ParamSpec("P")
T = TypeVar("T")


def _same(_signal: object, receiver: object = None, *_more: object, **_named: object) -> object:
    return receiver


def _place_of(receiver: object) -> str:
    """Return file and line of a function, as ` at my_game.py:42`; "" if it has none."""
    try:
        code = getattr(getattr(receiver, "func", receiver), "__code__", None)
        file, line = getattr(code, "co_filename", None), getattr(code, "co_firstlineno", None)
    except Exception as failure:  # noqa: BLE001 - a foreign `__getattr__`
        pass_on(failure)
        return ""
    return f" at {file}:{line}" if isinstance(file, str) and isinstance(line, int) else ""


class Signal(Generic[P]):
    """A signal: it calls its receivers in the order of connection, and holds strong references to them.

    A receiver that raises is logged once and does not stop the others; the next emission calls it again. What is not
    an `Exception` (`SystemExit`, `KeyboardInterrupt`, a cancelled task) passes to the game, and so does what one of
    the game's handlers for operating system signals raises.

    Receivers are compared by identity, so no `__eq__` of theirs is called.

    Args:
        name: The attribute under which an object has it.
        diagnostics: Reports wrong calls; default: only to the log.
    """

    def __init__(self, name: str, diagnostics: Diagnostics | None = None) -> None:
        self.name = name
        self._diagnostics = diagnostics or Diagnostics()
        self._reported: set[tuple[str, str]] = set()
        self._receivers: dict[int, tuple[Callable[P, object], bool]] = {}
        self._next_number = count(1).__next__

    __setattr__ = attributes.only("name")

    def __repr__(self) -> str:
        return f"<Signal {self.name}: {len(self._receivers)} receivers>"

    @guarded("not connected", _same)
    def connect(self, receiver: Callable[P, T]) -> Callable[P, T]:
        """Call `receiver` at each emission. Returns it, so that `connect` can decorate a function."""
        self._receivers[self._next_number()] = (self._checked(receiver), False)
        return receiver

    @guarded("not connected", _same)
    def once(self, receiver: Callable[P, T]) -> Callable[P, T]:
        """Call `receiver` at the next emission only. Returns it."""
        self._receivers[self._next_number()] = (self._checked(receiver), True)
        return receiver

    def _checked(self, receiver: Callable[P, T]) -> Callable[P, T]:
        if not callable(receiver):
            words = "must be something to call; write connect(function), without calling it"
            raise InvalidEvent(f"the receiver of {self.name}", receiver, words, "ours", "wrong_type", private=True)
        return receiver

    @request
    def disconnect(self, receiver: Callable[P, object]) -> None:
        """Stop calling `receiver`; do nothing if it is not connected."""
        for number, (known, _) in tuple(self._receivers.items()):
            if _is_same(known, receiver):
                self._receivers.pop(number, None)

    def _emit(self, *args: P.args, **kwargs: P.kwargs) -> None:
        for number, (receiver, only_once) in tuple(self._receivers.items()):
            if number not in self._receivers:  # a receiver called before disconnected it
                continue
            if only_once:
                self._receivers.pop(number, None)
            try:
                receiver(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - not our code
                pass_on(error)
                self._report(receiver, error, len(args) + len(kwargs))

    def _report(self, receiver: object, error: Exception, count: int) -> None:
        kind = type_name(error)
        cause = (_name_of(receiver), kind)
        if cause not in self._reported and len(self._reported) < MAX_REPORTED:
            self._reported.add(cause)
            trace = traceback_of(error)
            is_uncalled = isinstance(error, TypeError) and trace is not None and trace.tb_next is None
            what = f"cannot be called with its {count} arguments" if is_uncalled else f"raised {kind}"
            where = f"{cause[0]}{_place_of(receiver)}"
            say(f"a receiver of {self.name} {what} ({where}); the other receivers hear it", error, level=ERROR)

    def __await__(self) -> Generator[Any, None, tuple[Any, ...]]:
        """Wait for the next emission in an asyncio game; the result is the tuple of its arguments."""
        heard: list[tuple[Any, ...]] = []
        self.once(lambda *args, **_: heard.append(args))
        while not heard:
            yield from _breathe()
        return heard[0]


def emit(signal: Signal[P], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call a signal's receivers now; only the code that made the signal does so. Game thread only."""
    signal._emit(*args, **kwargs)


def _is_same(one: object, other: object) -> bool:
    """Return whether two receivers are the same function or method; each look-up of a method makes a new object."""
    if type(one) is MethodType and type(other) is MethodType:
        return one.__self__ is other.__self__ and one.__func__ is other.__func__
    if type(one) is BuiltinMethodType and type(other) is BuiltinMethodType:
        return one == other  # compares the objects that they are bound to by identity
    return one is other


def _name_of(receiver: object) -> str:
    """Return a receiver's name, or its type's name if it has none."""
    try:
        name = exact_text(getattr(receiver, "__qualname__", None))
    except Exception as failure:  # noqa: BLE001 - a foreign `__getattr__`
        pass_on(failure)
        name = None
    return type_name(receiver) if name is None else name[:MAX_NAME]


MAX_REPORTED = 50
"""Failures of receivers that one signal reports; each pair of receiver and exception type once."""
MAX_SECONDS = 31_536_000.0
"""Longest wait for a response, in seconds: a year."""
MAX_NOTICES = 1000
"""Signals that wait for a `tick()`; over this the oldest are removed and counted."""
MAX_ANSWERS = 10_000
"""Answers to requests of the game that wait for a `tick()`; over this the oldest are removed and counted."""


class Mailbox:
    """Calls that workers post, kept until the game thread makes them in `tick()`.

    Args:
        warn_once: Reports calls that were removed because no `tick()` came. Arguments: cause, message.
    """

    def __init__(self, warn_once: Callable[[str, str], None]) -> None:
        self._warn_once = warn_once
        self._answers: deque[Callable[[], None]] = deque(maxlen=MAX_ANSWERS)
        self._notices: deque[Callable[[], None]] = deque(maxlen=MAX_NOTICES)
        self._once: dict[Callable[[], None], None] = {}
        # Approximate: `+=` is not atomic, so if two threads add at once, one addition may be lost.
        self._left_out = 0

    def post(self, deliver: Callable[[], None]) -> None:
        """Have the next `tick()` call `deliver`, an answer that the game waits for. Any thread; never blocks."""
        self._left_out += len(self._answers) == MAX_ANSWERS
        self._answers.append(deliver)

    def notify(self, deliver: Callable[[], None]) -> None:
        """Have the next `tick()` call `deliver`, a signal. Any thread; never blocks."""
        self._left_out += len(self._notices) == MAX_NOTICES
        self._notices.append(deliver)

    def once(self, deliver: Callable[[], None]) -> None:
        """Have the next `tick()` call `deliver` one time, however often this is asked. Any thread; never blocks.

        Nothing makes room for it or removes it, so it is for a few functions that always are the same.
        """
        self._once[deliver] = None

    def deliver(self) -> None:
        """Make the calls that were posted before now. Game thread only."""
        if self._left_out:
            words = "signals and answers were not told: too many waited for a tick(), which the engine's hook calls"
            self._warn_once("left out", f"{self._left_out} {words} with each frame")
            self._left_out = 0
        for posts in (self._answers, self._notices):
            for _ in range(len(posts)):
                if posts:  # else a receiver called `tick()`, by drawing a frame, and that made the remaining calls
                    posts.popleft()()
        for _ in range(len(self._once)):
            if self._once:
                self._once.popitem()[0]()

    def clear(self) -> None:
        """Remove all calls, in a forked child: it has none of the workers that posted them."""
        self._answers.clear()
        self._notices.clear()
        self._once.clear()

    def __bool__(self) -> bool:
        return bool(self._notices or self._answers or self._once)


class Response(Generic[T]):
    """The future answer to a request: `await` it, `wait()` for it, or connect to `finished`. Game thread only.

    Attributes:
        finished: Fires once with the result.
    """

    def __init__(
        self, name: str, clock: Clock, pump: Callable[[], object], diagnostics: Diagnostics | None = None
    ) -> None:
        self._diagnostics = diagnostics or Diagnostics()
        self.finished: Finished[T] = Finished(name, self)
        self._result: T | None = None
        self._clock = clock
        self._pump = pump

    __setattr__ = attributes.only("finished")

    @property
    def result(self) -> T | None:
        """The result; `None` until it is there."""
        return self._result

    @property
    def done(self) -> bool:
        """Whether the result is there."""
        return self._result is not None

    @guarded("not waited", lambda response, *_args, **_named: response.result)
    def wait(self, timeout: float) -> T | None:
        """Block the game for at most `timeout` seconds; return the result, or `None` if there is none by then."""
        seconds = exact_number(timeout)
        if seconds is None:
            words = "must be a number of seconds: wait(2)"
            raise InvalidEvent("timeout", timeout, words, "ours", "wrong_type")
        seconds, begun = min(seconds, MAX_SECONDS), self._clock.monotonic()
        self._pump()
        while self.result is None and self._clock.monotonic() - begun < seconds:
            sleep(0.005)
            self._pump()
        return self.result

    def __await__(self) -> Generator[Any, None, T]:
        """Wait for the result in an asyncio game without blocking it; call `tick()` about every 0.01 s until then."""
        self._pump()
        while self.result is None:
            yield from _breathe()
            self._pump()
        return self.result


def finish(response: Response[T], result: T) -> None:
    """Set a response's result and fire `finished`; later calls do nothing. Game thread only."""
    if response._result is None:
        response._result = result
        emit(response.finished, result)


class Finished(Signal[[T]]):
    """A signal that fires once with a response's result; awaiting it gives that result, also after it fired."""

    def __init__(self, name: str, response: Response[T]) -> None:
        super().__init__(f"{name}.finished", response._diagnostics)
        self._response = response

    def __await__(self) -> Generator[Any, None, T]:  # type: ignore[override] # one argument needs no tuple
        return self._response.__await__()


def _breathe() -> Generator[Any, None, None]:
    """Let an asyncio loop run other tasks for 0.01 s."""
    import asyncio  # noqa: PLC0415 - 40 ms; only asyncio games come here, and they have imported it

    yield from asyncio.sleep(0.01).__await__()
