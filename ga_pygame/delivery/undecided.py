"""Counts the answers to one batch that do not say whether the server accepted it.

Without an answer (no connection, a timeout) the batch is sent again until there is one. But if the server does answer,
it may have accepted the batch each time, and every resend would be a duplicate there. So the number of undecided
answers to a batch is bounded, over all launches; after that the batch is dropped, counted and reported.
"""

from __future__ import annotations

import re

from ga_pygame.delivery.outbox.contract import Batch
from ga_pygame.kept import undecided_count
from ga_pygame.protocol import Host

MAX_UNDECIDED = 12
"""Undecided answers to one batch; with the backoff between them they take 9 to 18 minutes."""

_KEPT = re.compile(r"([0-9]{1,18}) ([0-9]{1,6}) ([0-9]{1,3})")


class Undecided:
    """The count of one uploader (see the module). For its thread.

    Args:
        name: The destination's name.
        host: Keeps the count across launches.

    Attributes:
        count: Undecided answers to the batch so far.
    """

    def __init__(self, name: str, host: Host) -> None:
        self._key = undecided_count(name)
        self._host = host
        kept = _KEPT.fullmatch(host.values.get(self._key, ""))
        self._first, self._size, self.count = (int(part) for part in kept.groups()) if kept else (-1, 0, 0)

    def size(self, batch: Batch) -> int:
        """Return how many records the batch had when it was first sent; later ones must not share its bound."""
        return max(1, self._size) if self.count and batch.records[0].id == self._first else len(batch.records)

    def add(self, batch: Batch) -> None:
        """Count an undecided answer."""
        if batch.records[0].id != self._first:
            self.count = 0
        self._first, self._size, self.count = batch.records[0].id, len(batch.records), self.count + 1
        self._host.remember(self._key, f"{self._first} {self._size} {self.count}")

    def clear(self) -> None:
        """Forget the count, since the batch is settled."""
        if self.count:
            self._first, self._size, self.count = -1, 0, 0
            self._host.remember(self._key, None)
