"""Binds the fields of a dataclass to remote configs: defaults, types and ranges of a game's values in one place."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ga_pygame.checks import InvalidEvent

_BOUND_TYPES = (bool, int, float, str, list, dict)


def tunable(default: Any, *, least: float | None = None, most: float | None = None) -> Any:
    """Make a field of a dataclass for `remote_configs.bind`, with bounds.

    Args:
        default: The value without a remote config, of its type; a list or dict is copied for each object.
        least: The lowest number.
        most: The highest number.
    """
    bounds = {name: bound for name, bound in (("least", least), ("most", most)) if bound is not None}
    if isinstance(default, list | dict):
        return dataclasses.field(default_factory=lambda: _copied_default(default), metadata=bounds)
    return dataclasses.field(default=default, metadata=bounds)


class Tunable(NamedTuple):
    """A field that follows a remote config.

    Attributes:
        name: Its name, which is the config's key.
        value: Its value, of the type of its default.
        default: Its value without a remote config.
        least: The lowest number; `None` if there is no bound.
        most: The highest one.
    """

    name: str
    value: Any
    default: Any
    least: float | None = None
    most: float | None = None


class Binding:
    """An object whose fields follow the remote configs. Game thread only.

    Args:
        kind: A dataclass whose fields all have defaults: bool, int, float, str, list or dict.
        get: Returns a config's value in the type of a default.
        warn_once: Reports values that are out of bounds. Arguments: cause, message, which names no line of code.

    Raises:
        InvalidEvent: It is no such class.

    Attributes:
        bound: The object.
    """

    def __init__(self, kind: Any, get: Callable[[str, Any], Any], warn_once: Callable[[str, str], None]) -> None:
        if not isinstance(kind, type) or not dataclasses.is_dataclass(kind):
            raise InvalidEvent("kind", kind, "must be a dataclass: @dataclass above the class", "ours", "wrong_type")
        try:
            self.bound: Any = kind()
            self._defaults = kind()
        except TypeError as error:
            raise InvalidEvent(
                "kind", kind, f"needs a default for each field ({error})", "ours", "wrong_type"
            ) from None
        self._fields = dataclasses.fields(kind)
        for one in self._fields:
            rule = _why_unbound(getattr(self._defaults, one.name, None), one.metadata)
            if rule:
                raise InvalidEvent("kind", kind, f"{one.name} {rule}", "ours", "wrong_type")
        self._get = get
        self._warn_once = warn_once
        self.follow()

    def follow(self) -> None:
        """Set all fields to the values in force."""
        for one in self._fields:
            object.__setattr__(self.bound, one.name, self._value(one))  # also of a frozen class

    def tunables(self) -> list[Tunable]:
        """Return the fields with the values that they have now."""
        found = []
        for one in self._fields:
            value, default = getattr(self.bound, one.name), getattr(self._defaults, one.name)
            found.append(Tunable(one.name, value, default, one.metadata.get("least"), one.metadata.get("most")))
        return found

    def _value(self, one: dataclasses.Field[Any]) -> Any:
        default = _copied_default(getattr(self._defaults, one.name))  # the game may change a list that it gets
        value = self._get(one.name, default)
        least, most = one.metadata.get("least"), one.metadata.get("most")
        if (least is None or value >= least) and (most is None or value <= most):
            return value
        words = f"remote config {one.name!r} is {value!r:.40}, not {_range(least, most)}; its default is used"
        self._warn_once(f"config:{one.name}:range", words)
        return default


def _copied_default(value: Any) -> Any:
    """Return a copy of nested lists and dicts; what else is in them is not copied."""
    if type(value) is list:
        return [_copied_default(one) for one in value]
    return {key: _copied_default(one) for key, one in value.items()} if type(value) is dict else value


def _why_unbound(default: object, metadata: Mapping[str, Any]) -> str:
    """Return why a field cannot follow a remote config; "" if it can."""
    if type(default) not in _BOUND_TYPES:
        return "needs a default that is a bool, int, float, str, list or dict"
    least, most = metadata.get("least"), metadata.get("most")
    given = [bound for bound in (least, most) if bound is not None]
    if not given:
        return ""
    if type(default) not in (int, float):
        return "has bounds, which only an int or a float may have; leave least and most out"
    if any(type(bound) not in (int, float) for bound in given):
        return "needs bounds that are an int or a float"
    if not all((least is None or one >= least) and (most is None or one <= most) for one in (default, *given)):
        return f"has the default {default!r:.40}, not {_range(least, most)}; change the default or the bounds"
    return ""


def _range(least: object, most: object) -> str:
    if least is None:
        return f"at most {most}"
    return f"at least {least}" if most is None else f"from {least} to {most}"
