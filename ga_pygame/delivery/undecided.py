"""Counts how often one batch was sent to a server that answered, and did not say whether it took the batch.

No answer (a line that is down, a timeout) proves nothing, and the batch is sent until somebody answers. A complete
answer that decides nothing is another matter: if the server takes the batch each time, every resend doubles it there.
So the number of such answers is bounded for each batch, over all launches; then it is dropped, counted and said.
"""

from __future__ import annotations

import re

from ga_pygame.delivery.outbox.contract import Batch
from ga_pygame.kept import undecided_count
from ga_pygame.protocol import Host

MAX_UNDECIDED = 12
"""Answers to one batch that decide nothing; with the backoff between them they take 9 to 18 minutes."""

_KEPT = re.compile(r"([0-9]{1,18}) ([0-9]{1,6}) ([0-9]{1,3})")


class Undecided:
    """See the module. Used by one uploader, on its thread.

    Args:
        name: The destination's.
        host: Keeps the count across launches.

    Attributes:
        count: Such answers to the batch so far.
    """

    def __init__(self, name: str, host: Host) -> None:
        self._key = undecided_count(name)
        self._host = host
        kept = _KEPT.fullmatch(host.values.get(self._key, ""))
        self._first, self._size, self.count = (int(part) for part in kept.groups()) if kept else (-1, 0, 0)

    def size(self, batch: Batch) -> int:
        """How many records that batch had when it was sent first: with it, later ones would be sent as often."""
        return max(1, self._size) if self.count and batch.records[0].id == self._first else len(batch.records)

    def add(self, batch: Batch) -> None:
        """Count an answer that decides nothing."""
        if batch.records[0].id != self._first:
            self.count = 0
        self._first, self._size, self.count = batch.records[0].id, len(batch.records), self.count + 1
        self._host.remember(self._key, f"{self._first} {self._size} {self.count}")

    def clear(self) -> None:
        """The batch is settled."""
        if self.count:
            self._first, self._size, self.count = -1, 0, 0
            self._host.remember(self._key, None)
