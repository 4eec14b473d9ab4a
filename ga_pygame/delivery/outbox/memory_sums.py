"""The sums of an outbox in memory: amounts that wait for summing destinations, see `protocol.SummingDestination`."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from threading import Lock

from ga_pygame import kept
from ga_pygame.clock import new_id
from ga_pygame.delivery.outbox.contract import MIN_SUM, Batch, Outbox, Told, Transaction, refusal, sum_record

Place = tuple[str, str]
"""A destination and one of its slots."""


class MemorySums:
    """See the module. The writer adds, uploaders lease and settle.

    Args:
        told: Told of amounts that would make a sum too large.

    Attributes:
        added: All that was added so far, by place. For the writer's thread; replaced, never altered.
    """

    def __init__(self, told: Told) -> None:
        self._told = told
        self._lock = Lock()
        self.added: Mapping[Place, float] = {}
        self._additions: deque[tuple[str, str, float]] = deque()
        self._sums: dict[Place, float] = {}
        self._frozen: dict[Place, tuple[float, str]] = {}
        self._gone: dict[Place, float] = {}  # delivered, refused or too small, by place

    def add(self, additions: Sequence[tuple[str, str, float]]) -> None:
        """Queue amounts: destination, slot, amount."""
        if additions:
            self._additions.extend(additions)
            added = dict(self.added)
            for destination, slot, amount in additions:
                added[destination, slot] = added.get((destination, slot), 0.0) + (kept.amount(amount) or 0.0)
            self.added = added

    def lease(self, destination: str, origin: Outbox) -> Batch | None:
        """Lease a sum, which does not change until it is settled; `None` if there is none."""
        with self._lock:
            frozen = [place for place in self._frozen if place[0] == destination] or self._freeze(destination)
            if not frozen:
                return None
            record = sum_record(frozen[0][1], *self._frozen[frozen[0]])
        return Batch(destination, [record], origin, more=len(frozen) > 1)

    def settle(self, batch: Batch) -> None:
        """Remove a leased sum."""
        place = (batch.destination, json.loads(b"{" + batch.records[0].payload)["slot"])
        with self._lock:
            if place in self._frozen:  # else it was moved to the disk
                self._lose(place, self._frozen.pop(place)[0])

    def _lose(self, place: Place, amount: float) -> None:
        self._gone[place] = self._gone.get(place, 0.0) + amount

    def _freeze(self, destination: str) -> list[Place]:
        self._add_up()
        frozen = []
        for place, value in tuple(self._sums.items()):
            if place[0] == destination:
                if abs(value) >= MIN_SUM:
                    self._frozen[place] = (value, new_id())
                    frozen.append(place)
                else:
                    self._lose(place, value)
                del self._sums[place]
        return frozen

    def _add_up(self) -> None:
        for _ in range(len(self._additions)):
            destination, slot, amount = self._additions.popleft()
            added = kept.amount(amount)
            total = None if added is None else kept.amount(self._sums.get((destination, slot), 0.0) + added)
            if total is None:
                self._told.refused(refusal(destination, amount))
                self._lose((destination, slot), added or 0.0)
            else:
                self._sums[destination, slot] = total

    def left(self, added: Mapping[Place, float]) -> Iterator[tuple[str, str, float, str]]:
        """Yield what waits of the amounts that had been added at some time: destination, slot, amount, key.

        If more was delivered since, the amount is negative: a replay adds the later ones again.
        """
        with self._lock:
            frozen, gone = dict(self._frozen), dict(self._gone)
        for place, total in added.items():
            amount, key = frozen.get(place, (0.0, ""))
            waits = total - gone.get(place, 0.0) - amount
            if key:
                yield (*place, amount, key)  # it may have been delivered
            if abs(waits) >= MIN_SUM:
                yield (*place, waits, "")

    def pour(self, transaction: Transaction) -> None:
        """Add everything to the disk's sums."""
        with self._lock:
            self._add_up()
            for (destination, slot), amount in self._sums.items():
                transaction.add_to_sum(destination, slot, amount)
            for (destination, slot), (amount, key) in self._frozen.items():  # it may have been delivered
                transaction.add_to_sum(destination, slot, amount, key)

    def clear(self) -> None:
        """Remove everything."""
        with self._lock:
            self.added = {}
            for one in (self._additions, self._sums, self._frozen, self._gone):
                one.clear()
