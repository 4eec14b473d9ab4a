"""Checks assignments to attributes of public objects, so that a misspelt name is reported instead of stored unread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

from ga_pygame.checks import MISSING, InvalidEvent
from ga_pygame.diagnostics import setting

P = ParamSpec("P")


def keywords_of(
    _made: Callable[[], Callable[P, object]],
) -> Callable[[Callable[..., None]], Callable[Concatenate[Any, P], None]]:
    """Give a method the keyword arguments of a class, so that they are declared once and editors complete them.

    Only type checkers read the lambda, which is never called: so the class need not be imported.
    """
    return lambda method: method


def only(*names: str) -> Callable[[Any, str, object], None]:
    """Make a `__setattr__` that accepts only these public names and reports others.

    It also accepts private names (`_x`), any name before `_is_made` is set, any name of an object whose class is a
    subclass by the game, and a callable that replaces a method (a mock).
    """

    def assign(self: Any, name: str, value: object) -> None:
        if name[:1] != "_" and name not in names and not _passes(self, name, value):
            _refuse(self, name)
        else:
            object.__setattr__(self, name, value)

    return assign


def _passes(thing: Any, name: str, value: object) -> bool:
    is_made = getattr(thing, "_is_made", True)
    is_ours = type(thing).__module__.partition(".")[0] == "ga_pygame"
    return not (is_made and is_ours) or (callable(getattr(thing, name, None)) and callable(value))


@setting
def _refuse(thing: Any, name: str) -> None:
    raise InvalidEvent(f"{type(thing).__name__}.{name}", MISSING, _fix(thing, name), "ours", "not_in_enum")


def _fix(thing: Any, name: str) -> str:
    """Return the message that says what to write instead."""
    if name in getattr(getattr(thing, "config", None), "__dict__", ()):
        return f"is set when the tracker is made: Tracker({name}=…)"
    known = [one for one in dir(thing) if not one.startswith("_")]
    if name not in known:
        import difflib  # noqa: PLC0415 - 1 ms, for a wrong line only

        near = difflib.get_close_matches(name, known, 1)
        meant = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
        return f"there is no such attribute; {meant}"
    old = getattr(thing, name)
    if hasattr(old, "connect"):
        return f"is a signal; connect to it: {name}.connect(receiver)"
    return f"is a method; call it: {name}(…)" if callable(old) else "can only be read"
