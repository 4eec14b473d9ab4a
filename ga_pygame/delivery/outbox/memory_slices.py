"""The slices of an outbox in memory that stands in for the disk: which records the journal has, too.

The journal keeps a record until it is sent or on the disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from ga_pygame import kept
from ga_pygame.delivery.outbox.books import Books
from ga_pygame.delivery.outbox.contract import Transaction
from ga_pygame.delivery.outbox.memory import MemoryOutbox
from ga_pygame.delivery.outbox.memory_sums import Place
from ga_pygame.kept import KeptKey

T = TypeVar("T")


class Slice(NamedTuple):
    """The records that one transaction put into memory.

    Attributes:
        first: Its lowest record id.
        next: Its highest record id + 1.
        before: The journal's position before its records.
        position: The journal's position behind its records.
        books: The bookkeeping after it, without sums.
        added: All that had been added to the sums then.
    """

    first: int
    next: int
    before: int
    position: int
    books: Books
    added: Mapping[Place, float]


class Slices:
    """The transactions whose records may still be in memory, oldest first. For the writer's thread.

    Args:
        memory: The outbox.
        key: The kept value with the journal's position.

    Attributes:
        position: The journal's position up to which all records were sent or are on the disk.
    """

    def __init__(self, memory: MemoryOutbox, key: KeptKey) -> None:
        self._memory = memory
        self._key = key
        self._slices: deque[Slice] = deque()
        self._sent: Slice | None = None
        self.position = 0

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction of the outbox in memory, and note its slice."""
        memory = self._memory
        first, before = memory.next_id, self._taken
        result = memory.transact(work)
        last = self._slices[-1] if self._slices else self._sent
        books = memory.books()
        if last is not None and last.books == books:  # a day without a disk has many slices
            books = last.books
        self._add(Slice(first, memory.next_id, before, self._taken, books, memory.sums.added))
        return result

    @property
    def _taken(self) -> int:
        """Return the journal's position up to which the outbox was given its records."""
        return kept.count(self._memory.values.get(self._key))

    def _add(self, new: Slice) -> None:
        last = self._slices[-1] if self._slices else None
        has_none = new.before == new.position  # of its records in the journal
        if last is not None and last.next == new.first and has_none and last.before == last.position == new.before:
            self._slices[-1] = new._replace(first=last.first)  # neither has
        else:
            self._slices.append(new)

    def look(self) -> int:
        """Remove transactions whose records are all sent; return `position`."""
        oldest = self._memory.oldest
        while self._slices and self._slices[0].next <= oldest:
            self._sent = self._slices.popleft()
            self.position = max(self.position, self._sent.position)
        return self.position

    def books(self) -> str | None:
        """Return the bookkeeping at `position`; `None` if nothing was sent from memory."""
        if self._sent is None:
            return None
        return self._sent.books._replace(sums=list(self._memory.sums.left(self._sent.added))).text()

    @property
    def unsaved(self) -> int:
        """Count the records that are in memory only, not in the journal."""
        in_journal = (one for one in self._slices if one.position > one.before)
        return len(self._memory) - sum(self._memory.count_between(one.first, one.next) for one in in_journal)

    def clear(self) -> None:
        """Remove all: their records are on the disk."""
        self._slices.clear()
        self._sent = None
