"""Unusual objects that a game may pass to the tracker."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping


class Endless(Mapping[str, int]):
    """A mapping that has no end, although its length is short."""

    def __getitem__(self, key: str) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        return (f"k{number}" for number in itertools.count())

    def __len__(self) -> int:
        return 1


class Uncaught(BaseException):
    """An exception that `except Exception` does not catch."""
