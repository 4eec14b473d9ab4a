"""Make typed answers from JSON of a service that may be older or newer than this package.

A field that is missing, null or of another type keeps its default; an unknown one is ignored. So it never raises if a
service adds or removes fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")

_UNFIT = object()


def dataclass_from_json(kind: type[T], data: Any) -> T:
    """Make a dataclass from a JSON object with camelCase or snake_case names; its fields must have defaults."""
    found: dict[str, Any] = {}
    if isinstance(data, Mapping):
        for name, wire_name, wanted in _wire_fields(cast(Any, kind)):
            value = _fitted(wanted, data.get(wire_name, data.get(name)))
            if value is not _UNFIT:
                found[name] = value
    return kind(**found)


def camel_case(name: str) -> str:
    """Convert `subscribe_to_emails` to `subscribeToEmails`."""
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


@cache
def _wire_fields(kind: Any) -> tuple[tuple[str, str, Any], ...]:
    hints = get_type_hints(kind)
    return tuple((one.name, camel_case(one.name), hints[one.name]) for one in fields(kind) if one.init)


def _fitted(wanted: Any, value: Any) -> Any:
    """Convert a value to the wanted type; `_UNFIT` if it has another type."""
    origin = get_origin(wanted)
    if value is None or wanted is Any:
        return _UNFIT if value is None else value
    if origin in (Union, UnionType):
        (inner,) = (one for one in get_args(wanted) if one is not type(None))
        return _fitted(inner, value)
    if origin is tuple:
        return _read_tuple(get_args(wanted)[0], value)
    if origin is Mapping:
        return _read_mapping(get_args(wanted)[1], value)
    return _read_plain(wanted, value)


def _read_tuple(inner: Any, value: Any) -> Any:
    if not isinstance(value, list):
        return _UNFIT
    return tuple(read for one in value if (read := _fitted(inner, one)) is not _UNFIT)


def _read_mapping(inner: Any, value: Any) -> Any:
    if not isinstance(value, Mapping):
        return _UNFIT
    return {key: read for key, one in value.items() if (read := _fitted(inner, one)) is not _UNFIT}


def _read_plain(wanted: Any, value: Any) -> Any:
    if is_dataclass(wanted):
        return dataclass_from_json(cast(type, wanted), value) if isinstance(value, Mapping) else _UNFIT
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return value  # an int is a valid float: 5 stays 5
    if wanted is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if wanted is int and isinstance(value, bool):
        return _UNFIT
    return value if isinstance(value, wanted) else _UNFIT
