"""Texts of foreign exceptions and objects: bounded, and made without raising."""

from __future__ import annotations

import functools
import signal
import sys
from typing import Any

import pytest

from ga_pygame.traces import MAX_FRAMES, MAX_TEXT, is_of_a_signal_handler, start_of, text_of, trace_of, type_name


class Raising:
    """An object whose text raises."""

    def __str__(self) -> str:
        raise ZeroDivisionError

    __repr__ = __str__


class NoText:
    """An object whose text is not a string."""

    def __str__(self) -> str:
        return 5  # type: ignore[return-value]  # noqa: PLE0307 - that is the point


class OwnText(str):
    """A string subclass with methods of its own."""

    __slots__ = ()

    def __getitem__(self, _index: object) -> str:
        raise ZeroDivisionError

    def __len__(self) -> int:
        raise ZeroDivisionError


class Nameless(type):
    """A metaclass whose classes do not tell their names."""

    def __getattribute__(cls, name: str) -> Any:
        if name in ("__qualname__", "__module__", "__name__"):
            raise ZeroDivisionError
        return super().__getattribute__(name)


class Anonymous(Exception, metaclass=Nameless):
    """An exception whose class raises."""


class Recursive(Exception):
    """An exception whose text is an endless recursion."""

    def __str__(self) -> str:
        return str(self)


@pytest.mark.parametrize("make", [Raising, NoText, lambda: OwnText("x" * 10), lambda: "x" * 10**7, Recursive])
def test_anything_has_a_text(make: Any) -> None:
    """Short, whatever the object's own methods do."""
    thing = make()
    for text in (text_of(thing, 100), start_of(thing, 100)):
        assert type(text) is str
        assert len(text) <= 250


def test_the_end_or_the_beginning_is_kept() -> None:
    """As whoever asks wants it."""
    assert text_of("abcdef", 3) == "def"
    assert start_of("abcdef", 3) == "abc"


def test_a_class_is_named_with_its_module() -> None:
    """But for those that everybody knows."""
    assert type_name(5) == "int"
    assert type_name(Raising()) == f"{__name__}.Raising"
    assert type_name(Anonymous()) == "Anonymous"


def raised(error: BaseException, *, depth: int = 0) -> BaseException:
    """Return an exception with a traceback."""

    def go_down(left: int) -> None:
        if left:
            go_down(left - 1)
        raise error

    try:
        go_down(depth)
    except BaseException as caught:  # noqa: BLE001 - it is made here
        return caught
    raise AssertionError


def test_a_trace_reads_as_pythons() -> None:
    """Causes first, then the calls, the line, the exception."""
    try:
        try:
            raise KeyError("sword")
        except KeyError as error:
            raise ValueError("no weapon") from error
    except ValueError as error:
        text = trace_of(error)
    assert text.index("KeyError: 'sword'") < text.index("direct cause") < text.index("ValueError: no weapon")
    assert 'raise KeyError("sword")' in text
    assert "in test_a_trace_reads_as_pythons" in text


@pytest.mark.skipif(sys.version_info < (3, 11), reason="notes and groups came with Python 3.11")
def test_notes_and_groups_are_shown_in_part() -> None:
    """A group of 100,000 is counted, not listed."""
    group = ExceptionGroup("many", [ValueError(str(number)) for number in range(100_000)])  # type: ignore[name-defined]  # noqa: F821 - skipped
    group.add_note("a note")
    text = trace_of(group)
    assert "a note" in text
    assert "ValueError: 0" in text
    assert "and 99992 more" in text
    assert len(text) < 5000


def deep_chain() -> BaseException:
    """Return a hundred thousand exceptions, each raised while another was handled."""
    first: BaseException = ValueError("0")
    error = first
    for number in range(1, 100_000):
        error.__context__ = ValueError(str(number))
        error = error.__context__
    return first


def circle() -> BaseException:
    """Return two exceptions that are each other's cause."""
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    return first


def nested_groups() -> BaseException:
    """Return groups of exception groups."""
    error: Exception = ValueError("inmost")
    for _ in range(100 if sys.version_info >= (3, 11) else 0):
        error = ExceptionGroup("outer", [error] * 20)  # type: ignore[name-defined]  # noqa: F821 - not before Python 3.11
    return error


@pytest.mark.e2e
@pytest.mark.parametrize(
    "make",
    [
        deep_chain,
        circle,
        nested_groups,
        lambda: ValueError("x" * 10**8),
        lambda: ValueError(Raising()),
        lambda: Anonymous("x"),
        Recursive,
        lambda: raised(ValueError("deep"), depth=500),
        lambda: KeyError(OwnText("x")),
    ],
)
def test_any_exception_is_described_in_bounded_time(make: Any) -> None:
    """Chains without end, groups of groups, giant texts, classes that raise."""
    text = trace_of(raised(make()))
    assert "Traceback" in text or len(text) > MAX_TEXT
    assert len(text) <= 4 * MAX_TEXT
    assert text.count("  File ") <= MAX_FRAMES * 10


class Watchdog:
    """A signal handler that is an object."""

    def on_alarm(self, _number: int, _frame: object) -> None:
        """Handle a signal in a method."""
        raise TimeoutError("by a method")

    def __call__(self, *_: object) -> None:
        raise TimeoutError("by an object")


def _handler(_number: int, _frame: object) -> None:
    raise TimeoutError("by a function")


def _one_shot(number: int, _frame: object) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _handler(number, None)


def _with_more(_more: str, *_rest: object) -> None:
    raise TimeoutError("by a partial")


@pytest.mark.parametrize(
    "handler", [_handler, _one_shot, Watchdog().on_alarm, Watchdog(), functools.partial(_with_more, "x")]
)
def test_what_a_signal_handler_raises_is_told_apart(handler: Any) -> None:
    """Whatever kind of callable it is, and wherever it interrupted."""
    before = signal.signal(signal.SIGINT, handler)
    try:
        with pytest.raises(TimeoutError) as caught:
            signal.raise_signal(signal.SIGINT)
        assert is_of_a_signal_handler(caught.value)
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_exceptions_are_no_signal_handlers() -> None:
    """A call that looks alike, with a number and an object, is none."""

    def calls() -> None:
        _handler(2, object())

    for error in (raised(ValueError()), raised(ValueError(), depth=3), ValueError()):
        assert not is_of_a_signal_handler(error)
    with pytest.raises(TimeoutError) as caught:
        calls()
    assert not is_of_a_signal_handler(caught.value)
