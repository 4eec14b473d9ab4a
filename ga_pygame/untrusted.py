"""Decodes a server's data, JSON and single values, within bounds of size, number, depth and time.

All data from a network comes through here. The decoder is in Python, since the one in C keeps the GIL until it is done:
a few megabytes of small elements would stop the game for half a second. This one yields the GIL after each 50 µs or
so. For workers only.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]  # typeshed leaves it out
from typing import Any

from ga_pygame.clock import yield_gil

MAX_JSON_BYTES = 4 * 2**20
"""Bytes of a JSON text. The answer to a refused batch of 900 kB repeats its events and is larger than the batch."""
MAX_ELEMENTS = 100_000
"""Values and keys in a JSON text: 500 events with 50 custom fields each have 70,000."""
MAX_DEPTH = 32
"""Lists and objects in one another."""
MAX_STRING = 100_000
"""Characters of one string in the text; decoding a longer one keeps the GIL for some milliseconds."""
MAX_DIGITS = 400
"""Characters of one number; a longer one counts as null."""
MAX_TOKEN = 256
"""Characters of an id that is later put into a header or an address."""
MIN_SERVER_TIME, MAX_SERVER_TIME = 1_577_836_800.0, 4_102_444_800.0
"""2020 and 2100, in seconds since 1970; a server's time outside is invalid and does not move the clock of events."""

_PIECE = 65536
_YIELD_AFTER_VALUES = 40
_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_STRING = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_INSIDE = re.compile(r'(?:[^"\\]+|\\.)*', re.DOTALL)
_BEGINNING = re.compile(r'(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*')
_LITERALS = {"true": True, "false": False, "null": None, "NaN": None, "Infinity": None, "-Infinity": None}
_LITERAL = re.compile("|".join(_LITERALS))
_TOKEN = re.compile(r"[!-~]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Unsound(ValueError):
    """The text is no JSON, or exceeds a bound."""


def parsed(body: bytes, *, cut: bool = False) -> Any:
    """Decode a JSON text.

    A number that is not finite becomes `None`, a whole number of more than 18 digits a float, a lone surrogate
    U+FFFD: a wrong value costs only itself, not the whole answer.

    Args:
        body: The text.
        cut: Cut a string that exceeds `MAX_STRING` instead of refusing the whole text.

    Raises:
        Unsound: It is no JSON in UTF-8, or exceeds `MAX_JSON_BYTES`, `MAX_ELEMENTS`, `MAX_DEPTH` or `MAX_STRING`.
    """
    if len(body) > MAX_JSON_BYTES:
        raise Unsound(f"{len(body)} bytes, more than {MAX_JSON_BYTES}")
    text = _text(body)
    try:
        return _Decoder(text, cut=cut).decode()
    except IndexError:
        raise Unsound("the text ends too early") from None


def parsed_object(body: bytes) -> dict[str, Any]:
    """Decode a JSON object; return an empty one for any other text."""
    found = parsed_or_none(body)
    return found if isinstance(found, dict) else {}


def parsed_or_none(body: bytes) -> Any:
    """Decode a JSON text; return `None` if `parsed` would raise."""
    try:
        return parsed(body)
    except Unsound:
        return None


def is_json(body: bytes) -> bool:
    """Whether a text is JSON within the bounds."""
    try:
        parsed(body)
    except Unsound:
        return False
    return True


def excerpt(value: Any, most: int) -> str:
    """Encode a value as JSON, cut to `most` characters; stops encoding there."""
    found = ""
    for piece in _pieces(value, (", ", ": ")):
        found += piece[: most + 1]
        if len(found) > most:
            return found[: most - 1] + "…"
    return found


def written(value: Any) -> str:
    """Encode a value of `parsed` as compact JSON; yields the GIL meanwhile."""
    return "".join(_pieces(value, (",", ":")))


def text(value: object, most: int) -> str:
    """Return a string cut to `most` characters; "" for anything else."""
    return _whole(value[:most]) if isinstance(value, str) else ""


def token(value: object, most: int = MAX_TOKEN) -> str:
    """Return an id that a header and an address can contain (visible ASCII); "" for anything else."""
    return value if isinstance(value, str) and len(value) <= most and _TOKEN.fullmatch(value) else ""


def finite_number(value: object) -> float | None:
    """Return a finite int or float within the range of a float; `None` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:
        return None


def server_time(value: object) -> float | None:
    """Return a server's time in seconds since 1970; `None` if it is invalid."""
    seconds = finite_number(value)
    return seconds if seconds is not None and MIN_SERVER_TIME <= seconds <= MAX_SERVER_TIME else None


def is_within(value: object, *, elements: int, depth: int, characters: int) -> bool:
    """Whether a value is JSON within limits of elements, levels and characters; stops at the first excess."""
    stack: list[tuple[object, int]] = [(value, 0)]
    while stack:
        one, level = stack.pop()
        elements -= 1
        if isinstance(one, str):
            characters -= len(one)
            if characters < 0 or _SURROGATE.search(one):
                return False
        elif isinstance(one, list | dict):
            if level == depth or len(one) > elements:  # before all of it goes onto the stack
                return False
            if isinstance(one, dict):
                stack += [(key, level + 1) for key in one]
                if not all(isinstance(key, str) for key in one):
                    return False
            stack += [(inner, level + 1) for inner in (one.values() if isinstance(one, dict) else one)]
        elif not (one is None or isinstance(one, bool) or finite_number(one) is not None):
            return False
        if elements < 0:
            return False
    return True


def _text(body: bytes) -> str:
    """Decode UTF-8 in pieces: half a megabyte of non-ASCII at once would keep the GIL for a millisecond."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    pieces = []
    try:
        for start in range(0, len(body), _PIECE):
            pieces.append(decoder.decode(body[start : start + _PIECE]))
            if start:
                yield_gil()
        pieces.append(decoder.decode(b"", final=True))
    except UnicodeDecodeError as error:
        raise Unsound(f"no UTF-8: {error.reason}") from None
    return "".join(pieces)


class _Decoder:
    """A decoder of one JSON text; it has its own stack, so that deep nesting cannot overflow Python's."""

    def __init__(self, text: str, *, cut: bool) -> None:
        self._text = text
        self._cut = cut
        self._at = 0
        self._left = MAX_ELEMENTS

    def decode(self) -> Any:
        """Decode the whole text; raises `IndexError` if it ends too early."""
        stack: list[list[Any] | dict[str, Any]] = []
        keys: list[str] = []
        while True:
            value = self._value()
            if isinstance(value, list | dict):
                if len(stack) == MAX_DEPTH:
                    raise Unsound(f"more than {MAX_DEPTH} levels")
                stack.append(value)
                keys.append("")
                is_open = self._opens(value, keys)
            else:
                if not stack:
                    return self._last(value)
                self._put(stack[-1], keys, value)
                is_open = self._goes_on(stack[-1], keys)
            while not is_open:
                value = stack.pop()
                keys.pop()
                if not stack:
                    return self._last(value)
                self._put(stack[-1], keys, value)
                is_open = self._goes_on(stack[-1], keys)

    def _next(self) -> str:
        """Skip spaces; return the next character."""
        found = self._text[self._at]
        if found in " \t\n\r":
            space = _SPACE.match(self._text, self._at)
            assert space is not None  # noqa: S101 - it matches the empty text too
            self._at = space.end()
            found = self._text[self._at]
        return found

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Unsound(f"more than {MAX_ELEMENTS} elements")
        if self._left % _YIELD_AFTER_VALUES == 0:
            yield_gil()

    def _value(self) -> Any:
        """Decode a scalar, or begin a list or an object, which is returned empty."""
        self._count()
        first = self._next()
        if first == '"':
            return self._string()
        if first in "[{":
            self._at += 1
            return [] if first == "[" else {}
        if (found := _NUMBER.match(self._text, self._at)) is not None:
            self._at = found.end()
            return _number(found)
        if (word := _LITERAL.match(self._text, self._at)) is not None:
            self._at = word.end()
            return _LITERALS[word[0]]
        raise Unsound(f"no value at character {self._at}")

    def _string(self) -> str:
        start = self._at + 1
        most = start + MAX_STRING
        end = self._text.find('"', start, most)
        found = self._text[start : max(start, end)]
        if end >= 0 and "\\" not in found:
            self._at = end + 1
            return _whole(found)
        if _STRING.match(self._text, start, most) is None:
            if self._cut:
                return self._cut_string(start)
            raise Unsound(f"a string that does not end within {MAX_STRING} characters")
        try:
            found, self._at = scanstring(self._text, start, False)
        except ValueError as error:
            raise Unsound(str(error)) from None
        if len(found) > _PIECE // 16:
            yield_gil()
        return _whole(found)

    def _cut_string(self, start: int) -> str:
        """Skip a string that is too long, and decode its beginning."""
        at = start
        while self._text[at] != '"':  # past the end of the text it is an IndexError
            inside = _INSIDE.match(self._text, at, at + _PIECE // 8)
            assert inside is not None  # noqa: S101 - it matches the empty text too
            if inside.end() == at:
                raise Unsound("a backslash that escapes nothing")
            at = inside.end()
            yield_gil()
        self._at = at + 1
        beginning = _BEGINNING.match(self._text, start, start + MAX_STRING)
        assert beginning is not None  # noqa: S101 - it matches the empty text too
        yield_gil()
        return _whole(scanstring(beginning[0] + '"', 0, False)[0])

    def _opens(self, value: list[Any] | dict[str, Any], keys: list[str]) -> bool:
        """Go to the first element; false if there is none."""
        if self._next() == ("]" if isinstance(value, list) else "}"):
            self._at += 1
            return False
        if isinstance(value, dict):
            keys[-1] = self._key()
        return True

    def _goes_on(self, value: list[Any] | dict[str, Any], keys: list[str]) -> bool:
        """Go to the next element; false at the end."""
        found = self._next()
        self._at += 1
        if found == ",":
            if isinstance(value, dict):
                keys[-1] = self._key()
            return True
        if found != ("]" if isinstance(value, list) else "}"):
            raise Unsound(f"neither comma nor end at character {self._at - 1}")
        return False

    def _key(self) -> str:
        self._count()
        if self._next() != '"':
            raise Unsound(f"no key at character {self._at}")
        key = self._string()
        if self._next() != ":":
            raise Unsound(f"no colon at character {self._at}")
        self._at += 1
        return key

    @staticmethod
    def _put(into: list[Any] | dict[str, Any], keys: list[str], value: Any) -> None:
        if isinstance(into, list):
            into.append(value)
        else:
            into[keys[-1]] = value

    def _last(self, value: Any) -> Any:
        if _SPACE.fullmatch(self._text, self._at) is None:
            raise Unsound(f"more text at character {self._at}")
        return value


def _number(found: re.Match[str]) -> int | float | None:
    literal = found[0]
    if len(literal) > MAX_DIGITS:
        return None
    if found[1] is None and found[2] is None and len(literal) <= 18:
        return int(literal)
    return finite_number(float(literal))


def _whole(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot encode."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _pieces(value: Any, separators: tuple[str, str]) -> Iterator[str]:
    for count, piece in enumerate(json.JSONEncoder(allow_nan=False, separators=separators).iterencode(value)):
        if count % _YIELD_AFTER_VALUES == _YIELD_AFTER_VALUES - 1:
            yield_gil()
        yield piece
