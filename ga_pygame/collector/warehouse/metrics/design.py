"""Design events as the tree of their ids, with counts, players and values."""

from __future__ import annotations

from typing import NamedTuple

from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS, quotient


class DesignNode(NamedTuple):
    """An event id, or the beginning of several.

    Attributes:
        event_id: The parts joined by ':'.
        depth: The number of parts.
        events: Design events with this id, or with an id that goes on with ':'.
        own_events: Those with exactly this id.
        players: Players with such an event.
        events_per_player: Events ÷ players.
        values: Events that have a value.
        sum: The sum of the values; `None` if there are none.
        mean: Their mean.
        least: The smallest one.
        most: The largest one.
        is_few: Fewer than 20 players.
    """

    event_id: str
    depth: int
    events: int
    own_events: int
    players: int
    events_per_player: float | None
    values: int
    sum: float | None
    mean: float | None
    least: float | None
    most: float | None
    is_few: bool


def design(question: Question) -> list[DesignNode]:
    """Count design events by their ids and the beginnings of these, each followed by those that go on with it."""
    nodes = [
        DesignNode(
            event_id=event_id,
            depth=depth,
            events=events,
            own_events=own_events or 0,
            players=players,
            events_per_player=quotient(events, players),
            values=values,
            sum=total,
            mean=quotient(total or 0.0, values),
            least=least,
            most=most,
            is_few=players < FEW_PLAYERS,
        )
        for event_id, depth, events, own_events, players, values, total, least, most in question.rows("design")
    ]
    return sorted(nodes, key=lambda node: node.event_id.split(":"))


DESIGN_METRIC = WarehouseMetric(
    "design",
    "Design events by their event id and by each beginning of it, whose parts are joined by ':'; sum and mean are those"
    " of the values of the events that have one.",
    DesignNode,
    design,
)
