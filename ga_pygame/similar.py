"""Finds the known name that was probably meant, for "did you mean"."""

from __future__ import annotations

from collections.abc import Iterable

MAX_COMPARED = 300
"""Known names that an unknown one is compared with: those of the most similar length."""
_CLOSELY_COMPARED = 10


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that was probably meant, "" if none is near. It takes some milliseconds at most."""
    import difflib  # noqa: PLC0415 - 1 ms, for a wrong name only

    some = sorted(known, key=lambda one: abs(len(one) - len(name)))[:MAX_COMPARED]
    same = [one for one in some if one.casefold() == name.casefold()]
    pairs = _neighbours(name)
    some.sort(key=lambda one: -len(pairs & _neighbours(one)))  # difflib takes 0.2 ms for each
    return (same or difflib.get_close_matches(name, some[:_CLOSELY_COMPARED], 1, 0.7) or [""])[0]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the question, with a space in front; "" if no known name is near."""
    near = nearest(name, known)
    return f" Did you mean {near!r}?" if near else ""


def _neighbours(name: str) -> set[str]:
    """Return the pairs of neighbouring characters of a name, with its first and last character."""
    text = f" {name} "
    return {text[place : place + 2] for place in range(len(text) - 1)}
