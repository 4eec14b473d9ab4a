"""Natural order of level names: level_1, level_2, level_10."""

from __future__ import annotations

import re

_DIGITS = re.compile("[0-9]+")


def natural_key(level: str) -> str:
    """Return a sort key: a database orders by it part by part, and numbers by their value.

    Each number gets the count of its digits in front. The ':' between the parts of a level becomes a tab, which sorts
    before every character of a part, so that all of `forest` comes before `forest 2`.
    """
    return _DIGITS.sub(_counted, level.lower().replace(":", "\t"))


def _counted(found: re.Match[str]) -> str:
    number = found.group().lstrip("0") or "0"
    return f"{len(number):04}{number}"
