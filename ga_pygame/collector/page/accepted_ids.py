"""The event ids that the collector has accepted, to propose one for a rejected event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ga_pygame.clock import Clock
from ga_pygame.collector.stores.contract import EventStore
from ga_pygame.collector.warehouse.database import NotReady
from ga_pygame.collector.warehouse.filters import Filters
from ga_pygame.collector.warehouse.metrics import METRICS
from ga_pygame.rules import WHO_PLAYS
from ga_pygame.similar import nearest

SECONDS_PER_ASKING = 10.0
"""Time between two questions for the ids, while rejected events come in."""


class AcceptedIds:
    """The ids by category; asked for when a rejected event is shown. Reading thread.

    Args:
        store: Has them.
        clock: For the time between two questions.
    """

    def __init__(self, store: EventStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._asked_at = -SECONDS_PER_ASKING
        self._ids: dict[str, list[str]] = {}

    def meant(self, event: dict[str, Any]) -> str:
        """Return the accepted id that a rejected event probably meant; "" if none is near, or if its own is one."""
        category, name = event.get("category"), event.get("event_id")
        if not isinstance(category, str) or not isinstance(name, str):
            return ""
        known = self._known(category)
        return "" if name in known else nearest(name[:400], known)

    def _known(self, category: str) -> Sequence[str]:
        now = self._clock.monotonic()
        if now - self._asked_at >= SECONDS_PER_ASKING:
            try:
                rows = self._store.answer(METRICS["event_ids"], Filters(who=WHO_PLAYS), {})
            except NotReady:
                return ()
            self._asked_at = now
            self._ids = {}
            for row in rows:
                self._ids.setdefault(row.category, []).append(row.event_id)
        return self._ids.get(category, ())
