"""Decodes the output of `marshal.dumps(value, 2)` without `marshal`, for bytes that come from a file.

`marshal.loads` does not check its input: damaged or forged bytes crash the interpreter, or make a tuple that contains
itself. This decoder reads plain values only, at most one for each byte, at most `MAX_CONTAINER_DEPTH` levels deep, and
raises `ValueError` for all else. It takes some 0.3 µs a value and is used for a dead process's data; a process decodes
its own memory with `marshal`, which is ten times as fast.
"""

from __future__ import annotations

import struct
from typing import Any

VERSION = 2
"""The format that is written: without references, which could make cycles, and equal in each Python since 3.4."""

MAX_CONTAINER_DEPTH = 12
"""The deepest nesting of containers; deeper values are refused."""

MAX_INT_DIGITS = 80
"""The most 15-bit digits of a whole number: 1,200 bits, more than any float needs."""

_INT = struct.Struct("<i")
_FLOAT = struct.Struct("<d")
_SINGLES = {ord("N"): None, ord("T"): True, ord("F"): False}
_TEXTS, _LISTS = b"ut", b"(["
_DICT_END = object()


def loads(data: bytes) -> Any:
    """Decode the one value in `data`.

    Raises:
        ValueError: It is not exactly one encoded plain value.
    """
    try:
        value, at = _read_value(data, 0, MAX_CONTAINER_DEPTH)
    except (struct.error, IndexError, TypeError) as error:  # truncated; a list as a key
        raise ValueError(f"no value: {error}") from error
    if value is _DICT_END or at != len(data):
        raise ValueError("no value, or more than one")
    return value


def _read_value(data: bytes, at: int, depth: int) -> tuple[Any, int]:  # noqa: PLR0911 - one for each kind
    """Decode the value at an offset; return it and the offset behind it."""
    kind = data[at]
    at += 1
    if kind in _SINGLES:
        return _SINGLES[kind], at
    if kind in _TEXTS:
        start, end = at + 4, at + 4 + _read_size(data, at)
        if end > len(data):
            raise ValueError("text that is cut short")
        return data[start:end].decode("utf-8", "surrogatepass"), end
    if kind == 0x69:  # i
        return _INT.unpack_from(data, at)[0], at + 4
    if kind == 0x67:  # g
        return _FLOAT.unpack_from(data, at)[0], at + 8
    if kind == 0x6C:  # l
        return _read_int(data, at)
    if kind == 0x30:  # 0: the end of a dict
        return _DICT_END, at
    if not depth:
        raise ValueError("too deep")
    if kind in _LISTS:
        items, at = _read_items(data, at + 4, _read_size(data, at), depth - 1)
        return (tuple(items) if kind == 0x28 else items), at
    if kind == 0x7B:  # {
        return _read_dict(data, at, depth - 1)
    raise ValueError(f"unknown kind {kind}")


def _read_size(data: bytes, at: int) -> int:
    size: int = _INT.unpack_from(data, at)[0]
    if not 0 <= size <= len(data):
        raise ValueError("a size beyond the data")
    return size


def _read_items(data: bytes, at: int, count: int, depth: int) -> tuple[list[Any], int]:
    items = []
    for _ in range(count):
        item, at = _read_value(data, at, depth)
        if item is _DICT_END:
            raise ValueError("an end without a beginning")
        items.append(item)
    return items, at


def _read_dict(data: bytes, at: int, depth: int) -> tuple[dict[Any, Any], int]:
    found: dict[Any, Any] = {}
    while True:
        key, at = _read_value(data, at, depth)
        if key is _DICT_END:
            return found, at
        value, at = _read_value(data, at, depth)
        if value is _DICT_END:
            raise ValueError("a key without a value")
        found[key] = value


def _read_int(data: bytes, at: int) -> tuple[int, int]:
    (count,) = _INT.unpack_from(data, at)
    if not 0 < abs(count) <= MAX_INT_DIGITS:
        raise ValueError("a number of too many digits")
    digits = struct.unpack_from(f"<{abs(count)}H", data, at + 4)
    if any(digit >= 2**15 for digit in digits) or not digits[-1]:
        raise ValueError("no number")
    value = sum(digit << (15 * place) for place, digit in enumerate(digits))
    return (value if count > 0 else -value), at + 4 + 2 * abs(count)
