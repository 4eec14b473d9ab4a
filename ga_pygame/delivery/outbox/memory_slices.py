"""Remembers which records in memory are in the journal, too; it keeps them until they are sent or on the disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple


class Slice(NamedTuple):
    """The records that one transaction put into memory.

    Attributes:
        first: Its lowest record id.
        next: Its highest record id + 1.
        before: The journal's position before its records.
        position: The journal's position behind its records.
    """

    first: int
    next: int
    before: int
    position: int


class Slices:
    """The transactions whose records may still be in memory, oldest first. For the writer's thread."""

    def __init__(self) -> None:
        self._slices: deque[Slice] = deque()

    def add(self, new: Slice) -> None:
        """Note a transaction."""
        last = self._slices[-1] if self._slices else None
        has_none = new.before == new.position  # of its records in the journal
        if last is not None and last.next == new.first and has_none and last.before == last.position == new.before:
            self._slices[-1] = last._replace(next=new.next)  # neither has
        else:
            self._slices.append(new)

    def done(self, oldest: int) -> int:
        """Remove transactions whose records are all finished; return the position behind the last, 0 if none.

        Args:
            oldest: The lowest id of a waiting record.
        """
        position = 0
        while self._slices and self._slices[0].next <= oldest:
            position = self._slices.popleft().position
        return position

    def in_journal(self, count_between: Callable[[int, int], int]) -> int:
        """Count the records that are in the journal, too."""
        return sum(count_between(one.first, one.next) for one in self._slices if one.position > one.before)

    def clear(self) -> None:
        """Remove all; their records are on the disk."""
        self._slices.clear()
