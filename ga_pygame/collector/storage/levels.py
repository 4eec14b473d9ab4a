"""The order of levels as a person counts: level_1, level_2, level_10."""

from __future__ import annotations

import re

_DIGITS = re.compile("[0-9]+")


def natural_key(level: str) -> str:
    """A text by which a database sorts levels part by part, and numbers in them by their value.

    Each number is preceded by the number of its digits. The parts of a level are joined by ':'; a tab in its place
    sorts before everything that a part can hold, so that all of `forest` comes before `forest 2`.
    """
    return _DIGITS.sub(_counted, level.lower().replace(":", "\t"))


def _counted(found: re.Match[str]) -> str:
    number = found.group().lstrip("0") or "0"
    return f"{len(number):04}{number}"
