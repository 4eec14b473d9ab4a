"""Makes text of exceptions and other foreign objects, bounded in time and size.

An exception may have a message of 100 MB, a cyclic chain of causes, a group of 100,000 others, or a `__str__` that
raises. Python's `traceback` reads all of it. These functions read a bounded part, call foreign code only inside a
`try`, and always return a `str`.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from itertools import islice, pairwise
from types import FrameType, TracebackType
from typing import Any

MAX_TEXT = 20_000
"""Characters that are kept of one foreign text, such as an exception's message: its end."""
MAX_CHAINED = 8
"""Exceptions of a chain of causes that are shown: those nearest to the raised one."""
MAX_IN_GROUP = 8
"""Exceptions of a group that are shown."""
MAX_EXCEPTIONS = 32
"""Exceptions in one text, of chains and groups together."""
MAX_GROUP_DEPTH = 4
"""Groups within groups that are shown."""
MAX_FRAMES = 50
"""Calls of one traceback that are shown: the innermost ones."""
MAX_NAME = 200
"""Characters of a class's name, and of its module's."""
MAX_SOURCE = 500
"""Characters of a line of source; longer ones are left out."""
MAX_NOTES = 8
"""Notes of an exception that are shown."""


def text_of(thing: object, longest: int = MAX_TEXT) -> str:
    """Convert any object to text and keep its last `longest` characters; never fails, even if `__str__` does."""
    try:
        text = str(thing)
        return text if len(text) <= longest and type(text) is str else str.__getitem__(text, slice(-longest, None))
    except Exception as failure:  # noqa: BLE001 - a foreign `__str__`
        pass_on(failure)
        return f"<{type_name(thing)} without text>"


def start_of(thing: object, longest: int) -> str:
    """Convert any object to text and keep its first `longest` characters; never fails."""
    try:
        text = thing if isinstance(thing, str) else str(thing)
        return str.__getitem__(text, slice(longest))
    except Exception as failure:  # noqa: BLE001 - a foreign `__str__`
        pass_on(failure)
        return f"<{type_name(thing)} without text>"


def type_name(thing: object) -> str:
    """Name a foreign object's class as a traceback does: with its module, if that is no built-in one."""
    kind = type(thing)
    try:
        name, module = kind.__qualname__, kind.__module__
    except Exception as failure:  # noqa: BLE001 - a foreign metaclass
        pass_on(failure)
        return type.__dict__["__name__"].__get__(kind)[:MAX_NAME]  # type: ignore[no-any-return]  # it is a str
    if type(module) is not str or module in ("builtins", "__main__"):
        return name[:MAX_NAME]
    return f"{module[:MAX_NAME]}.{name[:MAX_NAME]}"


def trace_of(error: BaseException) -> str:
    """Format an exception like a traceback, in bounded time: causes first, the innermost calls of each."""
    return "".join(_lines(error, _Room(), 0))[-4 * MAX_TEXT :]


class _Room:
    """A counter of the exceptions that may still be shown."""

    def __init__(self) -> None:
        self.left = MAX_EXCEPTIONS

    def take(self) -> bool:
        self.left -= 1
        return self.left >= 0


_CO_VARARGS = 4  # as in `inspect`, whose import is slow

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"


def _lines(error: BaseException, room: _Room, depth: int) -> Iterator[str]:
    chain, has_more = _chain(error)
    if has_more:
        yield "(earlier exceptions are left out)\n"
    for one, how in reversed(chain):
        if room.take():
            yield from _one(one, room, depth)
        yield how


def _chain(error: BaseException) -> tuple[list[tuple[BaseException, str]], bool]:
    """Return an exception and its causes, each with the words that follow it; and whether there are more."""
    chain: list[tuple[BaseException, str]] = [(error, "")]
    seen = {id(error)}
    while len(chain) < MAX_CHAINED:
        try:
            last = chain[-1][0]
            is_cause = last.__cause__ is not None
            before = last.__cause__ if is_cause else None if last.__suppress_context__ else last.__context__
        except Exception as failure:  # noqa: BLE001 - a foreign property
            pass_on(failure)
            return chain, False
        if before is None or id(before) in seen:
            return chain, False
        seen.add(id(before))
        chain.append((before, _CAUSE if is_cause else _CONTEXT))
    return chain, True


def _one(error: BaseException, room: _Room, depth: int) -> Iterator[str]:
    trace = traceback_of(error)
    if trace is not None:
        yield "Traceback (most recent call last):\n"
        yield from _calls(trace)
    message = text_of(error)
    yield f"{type_name(error)}: {message}\n" if message else f"{type_name(error)}\n"
    for note in _notes(error):
        yield f"{text_of(note)}\n"
    try:
        inner: Any = error.exceptions  # type: ignore[attr-defined]  # a group has them
        found = list(islice((one for one in inner if isinstance(one, BaseException)), MAX_IN_GROUP))
        more = len(inner) - len(found)
    except Exception as failure:  # noqa: BLE001 - no group, or a foreign one
        pass_on(failure)
        return
    if depth < MAX_GROUP_DEPTH:
        for number, one in enumerate(found, 1):
            if room.left > 0:
                yield f"-- {number} of {len(inner)} --\n"
                yield from _lines(one, room, depth + 1)
    if more > 0:
        yield f"-- and {more} more --\n"


def _notes(error: BaseException) -> list[object]:
    try:
        notes = error.__notes__  # type: ignore[attr-defined]  # since Python 3.11
        return list(islice(notes, MAX_NOTES)) if isinstance(notes, list | tuple) else []
    except Exception as failure:  # noqa: BLE001 - none, or foreign ones
        pass_on(failure)
        return []


def _calls(trace: TracebackType) -> Iterator[str]:
    places: deque[tuple[FrameType, int]] = deque(maxlen=MAX_FRAMES)
    count, here = 0, trace
    while True:
        places.append((here.tb_frame, here.tb_lineno))
        count += 1
        if here.tb_next is None:
            break
        here = here.tb_next
    yield from _call_lines(places, count)


def stack_of(frame: FrameType, what: str) -> str:
    """Format the stack of a running thread like a traceback that ends with `what`, the innermost calls last.

    The thread may go on meanwhile, so that the calls belong to one moment or shortly after it.
    """
    places: deque[tuple[FrameType, int]] = deque()
    here: FrameType | None = frame
    count = 0
    while here is not None:
        if count < MAX_FRAMES:
            places.appendleft((here, here.f_lineno))
        count += 1
        here = here.f_back
    return f"Traceback (most recent call last):\n{''.join(_call_lines(places, count))}{what}\n"


def _call_lines(places: deque[tuple[FrameType, int]], count: int) -> Iterator[str]:
    """Format calls, of which there were `count`."""
    if count > len(places):
        yield f"  ({count - len(places)} calls are left out)\n"
    for frame, line in places:
        code = frame.f_code
        yield f'  File "{code.co_filename}", line {line}, in {code.co_name}\n'
        if source := _source(frame, line):
            yield f"    {source}\n"


def _source(frame: FrameType, line: int) -> str:
    """Return a line of source, "" if it cannot be read."""
    try:
        import linecache  # noqa: PLC0415 - loaded with `logging`, which `import ga_pygame` leaves alone

        source = linecache.getline(frame.f_code.co_filename, line, frame.f_globals).strip()
        return source if len(source) <= MAX_SOURCE else ""  # never cut: a cut path would not be recognised and hidden
    except Exception as failure:  # noqa: BLE001 - a foreign loader, or the interpreter ends
        pass_on(failure)
        return ""


def is_of_a_signal_handler(error: BaseException) -> bool:
    """Whether a handler that the game gave to `signal.signal` raised this while our code ran.

    Python calls such a handler between any two instructions, with the signal's number and the interrupted frame.
    Its exception is meant for the game: for example, a watchdog ends a loop.
    """
    trace = traceback_of(error)
    while trace is not None and trace.tb_next is not None:
        interrupted, trace = trace.tb_frame, trace.tb_next
        frame = trace.tb_frame
        code = frame.f_code
        names = code.co_varnames
        values: list[object] = [frame.f_locals.get(name) for name in names[: code.co_argcount]]
        if code.co_flags & _CO_VARARGS:
            more = frame.f_locals.get(names[code.co_argcount + code.co_kwonlyargcount])
            values += more[:4] if type(more) is tuple else ()
        if any(given is interrupted and isinstance(number, int) for number, given in pairwise(values)):
            return True
    return False


def is_of_other_code(error: BaseException) -> bool:
    """Whether code that is neither ours nor Python's raised this, such as a method of the game's object."""
    trace = traceback_of(error)
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    name = trace.tb_frame.f_globals.get("__name__") if trace is not None else None
    package = name.partition(".")[0] if isinstance(name, str) else ""
    return package != "ga_pygame" and package not in sys.stdlib_module_names


def traceback_of(error: BaseException) -> TracebackType | None:
    """Return an exception's traceback, even if its class overrides the attribute."""
    return _TRACEBACK(error)  # type: ignore[no-any-return]  # of C


_TRACEBACK = BaseException.__dict__["__traceback__"].__get__


def pass_on(error: BaseException) -> None:
    """Raise an exception again if a signal handler of the game raised it; call it in each `except Exception`."""
    if is_of_a_signal_handler(error):
        raise error
