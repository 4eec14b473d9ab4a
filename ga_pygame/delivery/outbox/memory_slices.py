"""Which records in memory the journal has, too: it keeps them until they are sent or on the disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple


class Slice(NamedTuple):
    """What one transaction put into memory.

    Attributes:
        first: Its records have this id or a higher one,
        next: and a lower one than this.
        before: The position in the journal before it,
        position: and behind it.
    """

    first: int
    next: int
    before: int
    position: int


class Slices:
    """The transactions whose records may still be in memory, in their order. Writer's thread."""

    def __init__(self) -> None:
        self._slices: deque[Slice] = deque()

    def add(self, new: Slice) -> None:
        """Note a transaction."""
        last = self._slices[-1] if self._slices else None
        if last is not None and last.next == new.first and last.position == new.before == new.position:
            self._slices[-1] = last._replace(next=new.next)  # nothing of it is in the journal
        else:
            self._slices.append(new)

    def done(self, oldest: int) -> int:
        """Forget those whose records are all gone; returns up to where the journal is not needed, 0 if nothing is new.

        Args:
            oldest: Every record below this id is gone.
        """
        position = 0
        while self._slices and self._slices[0].next <= oldest:
            position = self._slices.popleft().position
        return position

    def in_journal(self, count_between: Callable[[int, int], int]) -> int:
        """How many records the journal has, counted by their ids."""
        return sum(count_between(one.first, one.next) for one in self._slices if one.position > one.before)

    def clear(self) -> None:
        """Forget all: they are on the disk."""
        self._slices.clear()
