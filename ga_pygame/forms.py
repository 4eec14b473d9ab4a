"""The forms of knobs: the types of their values, from code and from environment variables.

A form is called with a knob's name and value. It returns the value in an exact type of Python, also for a numpy scalar,
a subclass of `str` or a generator, or raises a `ValueError` with one sentence that says what is right.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from ga_pygame import rules
from ga_pygame.addresses import address, unquoted
from ga_pygame.checks import Check

MAX_KNOB_SECONDS = 31_536_000.0
"""Longest time of a knob, in seconds: a year. Python's own waits overflow at 292 years."""
MAX_OUTBOX_BYTES = 2**40
"""Largest `max_outbox_bytes`, in bytes."""
MAX_DIMENSION_VALUES = 20
"""Most values declared for one custom dimension. Source: SDK, custom dimensions."""
MAX_DECLARED = 100
"""Most currencies or item types declared. Source: REST v2, unique values of resources."""
MAX_ENTRIES = 1_000
"""Most entries that are read of a list; an endless generator is cut here."""
MAX_NAME_BYTES = 200
"""Bytes of a destination's name in UTF-8; file systems take 255 for a whole file name."""
_MAX_SHOWN_VALUE = 40

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


class Form(Protocol):
    """A reader of one type of value.

    Attributes:
        words: The right value in words, to follow "must be".
    """

    @property
    def words(self) -> str: ...

    def __call__(self, name: str, value: object) -> Any:
        """Return the value in its exact type; raise `ValueError` if it is of another type or out of range."""
        ...


def from_text(form: Form, text: str) -> object:
    """Turn the text of an environment variable into a value for the form; raise `ValueError` if it is none."""
    text = unquoted(text)
    if isinstance(form, Boolean):
        if text.lower() not in _TRUE | _FALSE:
            raise ValueError("must be 1 or 0")
        return text.lower() in _TRUE
    if isinstance(form, Seconds):
        return _parsed_number(form, float, text)
    return _parsed_number(form, int, text) if isinstance(form, Size) else text


def _parsed_number(form: Form, kind: Callable[[str], float], text: str) -> float:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"must be {form.words}") from None


def wrong(name: str, value: object, rule: str, *, private: bool = False) -> ValueError:
    """Make the error for a value that a knob does not take; a private value is not shown."""
    simple = value is None or isinstance(value, str | int | float)
    if private or not simple:
        return ValueError(f"{name}: {rule}")
    try:
        shown = repr(value[:_MAX_SHOWN_VALUE] if isinstance(value, str) else value)
    except Exception:  # noqa: BLE001 - a foreign class's own repr, or a number of too many digits
        return ValueError(f"{name}: {rule}")
    return ValueError(f"{name} {shown[: _MAX_SHOWN_VALUE + 2]}: {rule}")


def _python_value(value: object) -> object:
    """Convert a numpy scalar to Python's own type without importing numpy; return anything else unchanged."""
    if hasattr(type(value), "dtype") and callable(item := getattr(value, "item", None)):
        try:
            found: object = item()
        except Exception:  # noqa: BLE001 - an array of many, or a foreign class: its type is refused by name
            return value
        return found
    return value


def _kind(value: object) -> str:
    return type(value).__name__


class Boolean:
    """True or False. Text is taken from the environment only, since any text is true in Python."""

    words = "True or False"

    def __call__(self, name: str, value: object) -> bool:
        value = _python_value(value)
        if not isinstance(value, bool):
            raise wrong(name, value, f"must be {self.words}, not a {_kind(value)}")
        return value


class Word(NamedTuple):
    """A string that keeps a rule.

    Attributes:
        rule: Checks the value; `None` if `Config` checks it without showing the value.
        private: Whether the value may be a player's or secret, and is never shown.
    """

    rule: Check | None = None
    private: bool = False

    @property
    def words(self) -> str:
        return "a string"

    def __call__(self, name: str, value: object) -> str:
        value = _python_value(value)
        if not isinstance(value, str):
            fix = "value.decode()" if isinstance(value, bytes | bytearray) else f"str({name})"
            if not self.private and type(value) is float:
                fix = f'"{value}"'
            raise wrong(name, value, f"must be a string, not a {_kind(value)}; give {fix}", private=self.private)
        if self.rule is not None:
            self.rule(name, value)
        return str.__str__(value)


class Choice(NamedTuple):
    """One of a few strings."""

    values: tuple[str, ...]

    @property
    def words(self) -> str:
        return f"one of {', '.join(self.values)}"

    def __call__(self, name: str, value: object) -> str:
        value = _python_value(value)
        text = str.__str__(value) if isinstance(value, str) else None
        if text not in self.values:
            raise wrong(name, value, f"must be {self.words}")
        return text


class Seconds(NamedTuple):
    """A number of seconds, or of another unit.

    Attributes:
        zero: Whether 0 is allowed.
        unit: What is counted.
    """

    zero: bool
    unit: str = "seconds"

    @property
    def words(self) -> str:
        return f"a number of {self.unit}, {'0 or more' if self.zero else 'more than 0'}"

    def __call__(self, name: str, value: object) -> float:
        value = _python_value(value)
        is_number = hasattr(type(value), "__float__") and not isinstance(value, bool)
        if not is_number:
            hint = (
                f"; give {name}.total_seconds()" if self.unit == "seconds" and hasattr(value, "total_seconds") else ""
            )
            raise wrong(name, value, f"must be {self.words}, not a {_kind(value)}{hint}")
        try:
            seconds = float(value)  # type: ignore[arg-type]  # it has __float__
        except Exception:  # noqa: BLE001 - a foreign number's own way to say no
            seconds = float("nan")
        if not (seconds >= 0 if self.zero else seconds > 0):  # NaN is neither
            raise wrong(name, value, f"must be {self.words}")
        if seconds > MAX_KNOB_SECONDS:
            raise wrong(name, value, f"must be {self.words}, and at most {MAX_KNOB_SECONDS:g}, a year")
        return seconds


class Size:
    """A number of bytes."""

    words = "a whole number of bytes, more than 0"

    def __call__(self, name: str, value: object) -> int:
        value = _python_value(value)
        if isinstance(value, bool) or not hasattr(type(value), "__index__"):
            hint = f"; give int({name})" if isinstance(value, float) else ""
            raise wrong(name, value, f"must be {self.words}, not a {_kind(value)}{hint}")
        number = int(value.__index__())  # type: ignore[attr-defined]  # it has __index__
        if not 0 < number <= MAX_OUTBOX_BYTES:
            raise wrong(name, value, f"must be {self.words}, and at most {MAX_OUTBOX_BYTES}")
        return number


class Address(NamedTuple):
    """The address of a server.

    Attributes:
        path: Whether it may have a path.
    """

    path: bool

    @property
    def words(self) -> str:
        return "an address such as http://127.0.0.1:8420"

    def __call__(self, name: str, value: object) -> str:
        return address(name, _python_value(value), path=self.path)


def _path_text(name: str, value: object, words: str) -> str:
    value = _python_value(value)
    try:
        text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    except Exception:  # noqa: BLE001 - a foreign path's own way to say no
        text = None
    if not isinstance(text, str):
        hint = "; give os.fsdecode(value)" if isinstance(text, bytes) or isinstance(value, bytes) else ""
        raise wrong(name, value, f"must be {words}, not a {_kind(value)}{hint}")
    if not text.strip() or "\0" in text:
        raise wrong(name, text, f"must be {words}; it is empty or has a null character in it")
    return str.__str__(text)


class PlanFile:
    """The path of a file; a relative one begins at the main program's folder, or else at the working folder."""

    words = "a file, as a string or a Path"

    def __call__(self, name: str, value: object) -> str:
        return os.path.expanduser(_path_text(name, value, self.words))


class Folder:
    """A folder; `~` is the home folder, and a relative path begins at the folder in which the game was started."""

    words = "a folder, as a string or a Path"

    def __call__(self, name: str, value: object) -> str:
        text = _path_text(name, value, self.words)
        try:
            return os.path.abspath(os.path.expanduser(text))
        except OSError as error:  # the start folder is gone
            raise wrong(name, text, f"must be an absolute folder here: {error.strerror}") from None


def several(name: str, value: object, example: str) -> tuple[Any, ...]:
    """Read a list, set, generator, … once; refuse an iterable that is no list of entries, such as a string."""
    if isinstance(value, str | bytes | bytearray | Mapping):
        raise wrong(name, value, f"must be a list such as {example}, not a {_kind(value)}")
    if not isinstance(value, Iterable):  # a class may be: one of `Enum`
        what = f"the class {value.__name__}" if isinstance(value, type) else f"a {_kind(value)}"
        raise wrong(name, value, f"must be a list such as {example}, not {what}")
    found = tuple(islice(value, MAX_ENTRIES + 1))
    if len(found) > MAX_ENTRIES:
        raise ValueError(f"{name}: has more than {MAX_ENTRIES} entries, or no end")
    if not found:
        raise ValueError(f"{name}: is empty, so that everything would be refused; leave it out to take anything")
    return found


class Names(NamedTuple):
    """Names that the game declares.

    Attributes:
        rule: The check of each name.
        most: The largest number of different names.
        example: A right value.
    """

    rule: Check
    most: int
    example: str

    @property
    def words(self) -> str:
        return f"a list such as {self.example}"

    def __call__(self, name: str, value: object) -> tuple[str, ...]:
        word = Word(self.rule)
        found = tuple(dict.fromkeys(word(name, entry) for entry in several(name, value, self.example)))
        if len(found) > self.most:
            raise ValueError(f"{name}: has more than {self.most} different values, which the service does not take")
        return found


class DimensionValues:
    """The values that the game declares for its custom dimensions."""

    words = 'a mapping such as {1: ["ninja", "mage"]}'

    def __call__(self, name: str, value: object) -> Mapping[int, tuple[str, ...]]:
        if not isinstance(value, Mapping):
            raise wrong(name, value, f"must be {self.words}, not a {_kind(value)}")
        names = Names(rules.custom_dimension, MAX_DIMENSION_VALUES, '["ninja", "mage"]')
        found: dict[int, tuple[str, ...]] = {}
        entries = list(islice(value.items(), MAX_ENTRIES + 1))
        if len(entries) > MAX_ENTRIES:
            raise ValueError(f"{name}: has more than {MAX_ENTRIES} entries, or no end")
        for key, values in entries:
            number = _python_value(key)
            if isinstance(number, bool) or not isinstance(number, int) or number not in (1, 2, 3):
                raise ValueError(f"{name} {key!r:.{_MAX_SHOWN_VALUE}}: there are the custom dimensions 1, 2 and 3")
            found[int(number)] = names(f"{name}[{int(number)}]", values)
        return MappingProxyType(found)


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_KNOB_SECONDS


_PARTS: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("max_events", lambda value: _is_whole(value, 1), "a whole number, 1 or more"),
    ("max_bytes", lambda value: _is_whole(value, 1), "a whole number, 1 or more"),
    ("interval", lambda value: value is None or _is_seconds(value), "a number of seconds or None"),
    ("pace", _is_seconds, "a number of seconds"),
    ("wants_health", lambda value: isinstance(value, bool), "True or False"),
    ("wants_sdk_events", lambda value: isinstance(value, bool), "True or False"),
)


_OF_NO_FILE = frozenset('/\\:*?"<>|,')  # the comma separates names in the outbox
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
)


def _no_file_name(name: str) -> str:
    """Return why a system cannot have a file of that name; "" if all can."""
    if wrong_ones := sorted(_OF_NO_FILE & set(name)):
        return f"{wrong_ones[0]!r} is not allowed"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"at most {MAX_NAME_BYTES} bytes in UTF-8"
    if name[0] in ". " or name[-1] in ". ":
        return "a dot or a space may not be its beginning or end"
    if name.partition(".")[0].strip().lower() in _DEVICES:
        return "Windows has a device of that name"
    return ""


class Destinations:
    """The destinations of events: instances of subclasses of `Destination`, each with its own name."""

    words = "a list of destinations"

    def __call__(self, name: str, value: object) -> tuple[Any, ...]:
        from ga_pygame.protocol import Destination  # noqa: PLC0415 - loaded where a game makes a destination

        example = "[GameAnalytics(game_key, secret_key), JsonLines(path)]"
        if hasattr(value, "encode") and hasattr(value, "judge") and not isinstance(value, type):
            raise ValueError(f"{name}: must be a list; put brackets around it: {name}=[{_kind(value)}(…)]")
        try:
            found = several(name, value, example)
        except ValueError as error:
            if "is empty" not in str(error):
                raise
            raise ValueError(
                f"{name}: is empty, so that nothing would be recorded; leave it out for GameAnalytics, "
                "or switch the tracker off: enabled=False"
            ) from None
        names = [self._name(f"{name}[{place}]", target, Destination) for place, target in enumerate(found)]
        if double := next((one for one in names if names.count(one) > 1), None):
            raise ValueError(
                f"{name}: two have the name {double!r}; each needs its own, "
                "since what waits for them is kept under it: set `name` in a subclass"
            )
        return found

    def _name(self, field: str, target: object, base: type) -> str:
        """Check all attributes of a destination that are used; return its name."""
        if isinstance(target, type):
            raise ValueError(f"{field}: is the class {target.__name__}; give an instance of it: {target.__name__}(…)")
        for part in ("encode", "judge"):
            if not callable(getattr(target, part, None)) or getattr(type(target), part, None) is getattr(base, part):
                raise ValueError(f"{field}: a {_kind(target)} is no destination: it has no method {part}()")
        given = getattr(target, "name", None)
        if not isinstance(given, str) or not 0 < len(given) <= 64 or not given.isprintable():
            raise ValueError(f"{field}: a {_kind(target)} needs a `name`: a string of 1 to 64 printable characters")
        if why := _no_file_name(given):
            raise ValueError(f"{field}: the name {given!r} becomes part of a file's name: {why}")
        for part in ("redirect", "open", "handshake", "welcome"):
            if not callable(getattr(target, part, None)):
                raise ValueError(
                    f"{field}: {_kind(target)} has no method {part}(); "
                    "subclass ga_pygame.destinations.Destination, which has it"
                )
        for part, is_right, words in _PARTS:
            if not is_right(getattr(target, part, object())):
                raise ValueError(f"{field}: {part} of {_kind(target)} must be {words}")
        return given
