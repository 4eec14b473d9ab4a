"""The event ids that games sent."""

from __future__ import annotations

from typing import NamedTuple

from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric


class EventId(NamedTuple):
    """An event id: of progression with its status in front, of resources with their flow; a step of a funnel."""

    category: str
    event_id: str
    events: int


def event_ids(question: Question) -> list[EventId]:
    """Count events by category and event id, most frequent first."""
    return [EventId(*row) for row in question.rows("event_ids")]


EVENT_IDS_METRIC = WarehouseMetric(
    "event_ids",
    "Design, progression, resource and business events by their event id, most frequent first.",
    EventId,
    event_ids,
)
