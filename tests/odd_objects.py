"""What a game may give to the tracker and nobody expects."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping


class Endless(Mapping[str, int]):
    """A mapping without an end, which says that it is short."""

    def __getitem__(self, key: str) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        return (f"k{number}" for number in itertools.count())

    def __len__(self) -> int:
        return 1


class Uncaught(BaseException):
    """What an `except Exception` does not catch."""
