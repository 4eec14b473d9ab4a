"""The types of checks (patterns, lengths, ranges), and the error that they raise.

`rules` assigns the checks to fields. Any thread may call a check.

A check returns the value as an exact `str`, `int` or `float`. A game may pass enums, numpy scalars, or subclasses with
an `__eq__` or `__repr__` of their own. After the check they are plain, so the journal, JSON and SQL need not handle
them, and none of their code runs on a worker.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection
from typing import TypeVar

from ga_pygame.traces import pass_on

Check = Callable[[str, object], object]
"""Takes a field's name and value; returns the value as an exact built-in type, or raises `InvalidEvent`."""

MISSING = object()
T = TypeVar("T")


def exact_text(value: object) -> str | None:
    """Convert a string of any subclass to a `str`; return `None` for anything else.

    It checks the type, not `isinstance`, which a mock's `__class__` deceives.
    """
    kind = type(value)
    if kind is str:
        return value  # type: ignore[return-value]  # it is one
    return str.__str__(value) if issubclass(kind, str) else None


def exact_if_text(value: T) -> T | str:
    """Convert a string of any subclass to a `str`; return anything else unchanged."""
    text = exact_text(value)
    return value if text is None else text


def exact_whole(value: object) -> int | None:
    """Convert a whole number of any type to an `int`; return `None` for bools, floats, text and others.

    A type with `__index__` is whole by definition, such as numpy's integers.
    """
    kind = type(value)
    if kind is int:
        return value  # type: ignore[return-value]  # it is one
    if issubclass(kind, int):
        return int.__int__(value) if kind is not bool else None  # type: ignore[arg-type]  # it is one
    if not _has(kind, "__index__") or _type_name(value).startswith("bool"):  # numpy 1's bool_ has one
        return None
    try:
        return int.__int__(operator.index(value))  # type: ignore[arg-type]  # it has `__index__`
    except Exception as failure:  # noqa: BLE001 - a foreign method: an array of several numbers, a tensor of floats
        pass_on(failure)
        return None


def exact_number(value: object) -> int | float | None:
    """Convert a real number of any type to an `int` or `float`; return `None` for bools, Decimals, text and others."""
    kind = type(value)
    if kind is int or kind is float:
        return value  # type: ignore[return-value]  # it is one
    if issubclass(kind, float):
        return float.__float__(value)  # type: ignore[arg-type]  # it is one
    whole = exact_whole(value)
    if whole is not None or not _has(kind, "__float__"):
        return whole
    from numbers import Integral, Real  # noqa: PLC0415 - 1 ms; who has such numbers has loaded it already

    if not issubclass(kind, Real) or issubclass(kind, Integral):  # numpy's timedelta64 says that it is integral
        return None
    try:
        return float.__float__(float(value))  # type: ignore[arg-type]  # it has `__float__`
    except Exception as failure:  # noqa: BLE001 - a foreign method
        pass_on(failure)
        return None


def _has(kind: type, name: str) -> bool:
    """Whether a class has an attribute; false if its metaclass raises."""
    try:
        return hasattr(kind, name)
    except Exception as failure:  # noqa: BLE001 - a foreign metaclass
        pass_on(failure)
        return False


def _type_name(value: object) -> str:
    """Return the name of a value's class, even if its metaclass overrides it."""
    name: str = _CLASS_NAME(type(value))
    return name


_CLASS_NAME = type.__dict__["__name__"].__get__


_MAX_SHOWN = 80  # characters of a value in a message


class InvalidEvent(ValueError):
    """An error for a value that the server would refuse.

    Attributes:
        field: The name of the argument or of the wire field, `custom_fields.seed` for a nested one.
        value: What was given.
        rule: The rule in words, with the fix if there is one.
        source: Where the rule comes from.
        error_type: The error in the words of the server's 400 answer (`no_match`, `wrong_type`, …).
    """

    def __init__(
        self, field: str, value: object, rule: str, source: str, error_type: str, *, private: bool = False
    ) -> None:
        self.field = field
        self.value = value
        self.rule = rule
        self.source = source
        self.error_type = error_type
        self._private = private
        super().__init__(f"{field}{self._shown()}: {rule} (rule: {source})")

    def _shown(self) -> str:
        """Format the value for a log line; of text that a player may have typed, only the length."""
        if self.value is MISSING:
            return ""
        text = exact_text(self.value)
        if self._private:
            size = f" of {len(text)} characters" if text is not None else ""
            return f" ({_type_name(self.value)}{size})"
        if text is None and _has(type(self.value), "__len__"):  # it may hold millions of objects
            return f" ({_type_name(self.value)})"
        try:
            shown = str.__str__(repr(self.value if text is None else text[:_MAX_SHOWN]))
        except Exception as failure:  # noqa: BLE001 - a foreign `__repr__`, or an int of more digits than Python shows
            pass_on(failure)
            return f" ({_type_name(self.value)})"
        return f" {shown if len(shown) <= _MAX_SHOWN else shown[: _MAX_SHOWN - 3] + '…'}"


_MAX_REMEMBERED = 4096
MAX_PART = 64
"""Characters of one part of an event id. Source: REST v2, Event ids."""
_MAX_SEARCHED = 400  # characters; a text of megabytes must not block the frame


class Pattern:
    """A regular expression that the whole string must match, in ASCII.

    Accepted strings are remembered: event ids repeat, and a set look-up costs 0.05 µs on the game thread, a match
    0.35 µs.

    Attributes:
        remembered: Accepted strings, at most `_MAX_REMEMBERED`.
    """

    def __init__(
        self,
        regex: str,
        words: str,
        source: str,
        *,
        allowed: str = "",
        lines: bool = True,
        repeats: bool = True,
        parts: int = 0,
    ) -> None:
        self.words = words
        self._regex = regex
        self._compiled: re.Pattern[str] | None = None
        self._source = source
        self._allowed = allowed or "."
        self._lines = lines
        self._parts = parts
        self._room = _MAX_REMEMBERED if repeats else 0
        self.remembered: set[str] = set()

    def __call__(self, field: str, value: object) -> str:
        if type(value) is str and value in self.remembered:
            return value
        text = exact_text(value)
        if text is None:
            raise InvalidEvent(field, value, f"must be a string: {self.words}", self._source, "wrong_type")
        compiled = self._compiled or self.compile()
        if not compiled.fullmatch(text) or not (self._lines or text.isprintable()):
            raise InvalidEvent(field, value, self._problem(text), self._source, "no_match")
        if len(self.remembered) < self._room:
            self.remembered.add(text)
        return text

    def compile(self) -> re.Pattern[str]:
        """Compile the expression, which takes 0.1 ms; else the first use does. All at import would take 2 ms."""
        self._compiled = re.compile(self._regex, re.ASCII)
        return self._compiled

    def _problem(self, value: str) -> str:
        if not value:
            return f"must not be empty ({self.words})"
        for character in value[:_MAX_SEARCHED]:
            bad = not re.fullmatch(self._allowed, character, re.ASCII | re.DOTALL)
            if bad:
                return f"{character!r} is not allowed ({self.words})"
            if not (self._lines or character.isprintable()):
                return f"{character!r} is refused here, though the service takes it ({self.words})"
        shape = self._shape(value[:_MAX_SEARCHED]) if self._parts else ""
        return f"{shape} ({self.words})" if shape else f"does not fit: {self.words}"

    def _shape(self, value: str) -> str:
        """Describe the error in the parts of an event id whose characters are all allowed; "" if there is none."""
        parts = value.split(":")
        if len(parts) > self._parts:
            return f"has more than {self._parts} parts"
        for position, part in enumerate(parts, 1):
            name = f"part {position} " if self._parts > 1 else ""
            if not part:
                return f"{name}is empty"
            if len(part) > MAX_PART:
                return f"{name}has {len(part)} characters, at most {MAX_PART} are allowed"
        return ""


class Text:
    """A string of at most `longest` characters, which may be the player's and is never logged."""

    def __init__(self, longest: int, source: str, *, shortest: int = 0) -> None:
        self.longest = longest
        self._shortest = shortest
        self._source = source

    def __call__(self, field: str, value: object) -> str:
        words = f"must be a string of {self._shortest} to {self.longest} characters"
        text = exact_text(value)
        if text is None:
            raise InvalidEvent(field, value, words, self._source, "wrong_type", private=True)
        if not self._shortest <= len(text) <= self.longest:
            raise InvalidEvent(field, value, words, self._source, "wrong_length", private=True)
        try:
            text.isascii() or text.encode()
        except UnicodeEncodeError:
            fix = "has half a surrogate pair, which UTF-8 cannot say; os.fsdecode() makes such strings"
            raise InvalidEvent(field, value, fix, self._source, "wrong_format", private=True) from None
        return text


class OneOf:
    """One of a fixed set of strings."""

    def __init__(self, values: Collection[str], source: str) -> None:
        self.values = tuple(values)
        self._set = frozenset(values)
        self._source = source

    def __call__(self, field: str, value: object) -> str:
        text = exact_text(value)
        if text is None:
            raise InvalidEvent(field, value, "must be a string", self._source, "wrong_type")
        if text not in self._set:
            known = ", ".join(self.values)
            raise InvalidEvent(field, value, f"must be one of: {known}", self._source, "not_in_enum")
        return text


class Integer:
    """A whole number within bounds; `True` is not a number."""

    def __init__(self, source: str, *, least: int = 0, most: int = 2**63 - 1, words: str = "", fix: str = "") -> None:
        self._least = least
        self._most = most
        self._source = source
        self._words = words or f"must be a whole number of {least} or more"
        self._fix = fix

    def __call__(self, field: str, value: object) -> int:
        whole = exact_whole(value)
        if whole is None:
            number = exact_number(value)
            fix = self._fix if number is not None and math.isfinite(number) else ""
            raise InvalidEvent(field, value, f"{self._words}{fix}", self._source, "wrong_type")
        if not self._least <= whole <= self._most:
            raise InvalidEvent(field, value, self._words, self._source, "not_in_range")
        return whole


class Number:
    """A finite int or float; `True` is no number, and NaN and infinity have no JSON form."""

    def __init__(self, source: str, *, positive: bool = False, fix: str = "") -> None:
        self._positive = positive
        self._source = source
        self._fix = fix

    def __call__(self, field: str, value: object) -> int | float:
        if type(value) is int and -(2**53) < value < 2**53 and not self._positive:
            return value
        number = exact_number(value)
        if number is None:
            is_text = exact_text(value) is not None
            fix = f"must be an int or a float{', not a string' if is_text else '; convert it, e.g. float(value)'}"
            raise InvalidEvent(field, value, fix, self._source, "wrong_type")
        try:
            finite = math.isfinite(number)
        except OverflowError:
            finite = False
        if not finite:
            fix = "must be a finite number; NaN and infinity have no JSON form"
            raise InvalidEvent(field, value, fix, self._source, "not_in_range")
        if self._positive and number <= 0:
            fix = f"must be greater than 0{self._fix}"
            raise InvalidEvent(field, value, fix, self._source, "not_in_range")
        return number


class Counts:
    """A list of a fixed number of counts, each a whole number of 0 or more."""

    def __init__(self, length: int, source: str) -> None:
        self.length = length
        self._source = source

    def __call__(self, field: str, value: object) -> list[int]:
        words = f"must be a list of {self.length} whole numbers of 0 or more"
        if type(value) is not list:
            raise InvalidEvent(field, value, words, self._source, "wrong_type")
        if len(value) != self.length:
            raise InvalidEvent(field, value, words, self._source, "wrong_length")
        counts = [exact_whole(one) for one in value]
        found = [one for one in counts if one is not None and one >= 0]
        if len(found) != self.length:
            raise InvalidEvent(field, value, words, self._source, "not_in_range")
        return found


class Flag:
    """A field that is sent only if true; the server refuses `false`."""

    def __init__(self, source: str) -> None:
        self._source = source

    def __call__(self, field: str, value: object) -> bool:
        if value is not True:
            kind = "not_in_enum" if isinstance(value, bool) else "wrong_type"
            raise InvalidEvent(field, value, "must be true or left out", self._source, kind)
        return True
