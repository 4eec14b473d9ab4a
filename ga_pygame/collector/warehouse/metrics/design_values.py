"""The values of design events as a histogram."""

from __future__ import annotations

import math
from typing import NamedTuple

from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS

MAX_INTERVALS = 24
"""Intervals of a histogram, about: their width is 1, 2 or 5 times a power of ten."""


class ValuesInterval(NamedTuple):
    """Design events whose value is at least `start` and below `end`.

    Attributes:
        event_id: Of these events, or the beginning of their ids.
        start: The lowest value of the interval.
        end: The first value of the next one.
        events: Design events.
        players: Players with such an event.
        is_few: Fewer than 20 players.
    """

    event_id: str
    start: float
    end: float
    events: int
    players: int
    is_few: bool


def design_values(question: Question, event_id: str = "") -> list[ValuesInterval]:
    """Count design events by their value; intervals without any have rows, too.

    Args:
        question: The question.
        event_id: An event id or the beginning of some; "" means the most frequent one with values.
    """
    event_id = event_id or _most_frequent(question)
    ((least, most, uneven),) = question.rows("design_bounds", event_id=event_id)
    if least is None or not (math.isfinite(least) and math.isfinite(most)):
        return []
    width = interval_width(least, most, are_whole=not uneven)
    start = math.floor(least / width) * width
    rows = question.rows("design_values", event_id=event_id, start=start, width=width)
    found = {int(place): (events, players) for place, events, players in rows}
    return [
        ValuesInterval(
            event_id, start + place * width, start + (place + 1) * width, events, players, players < FEW_PLAYERS
        )
        for place in range(max(found) + 1)
        for events, players in (found.get(place, (0, 0)),)
    ]


def interval_width(least: float, most: float, *, are_whole: bool) -> float:
    """Return 1, 2 or 5 times a power of ten, so that there are about `MAX_INTERVALS`; 1 or more for whole numbers."""
    span = most - least
    if span <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(span / MAX_INTERVALS))
    width = next(times * power for times in (1, 2, 5, 10) if span / (times * power) <= MAX_INTERVALS)
    return max(1.0, width) if are_whole else width


def _most_frequent(question: Question) -> str:
    return "".join(name for (name,) in question.rows("design_frequent"))


DESIGN_VALUES_METRIC = WarehouseMetric(
    "design_values",
    "Design events with the event id, or an id that goes on with ':', by their value.",
    ValuesInterval,
    design_values,
    {"event_id": str},
)
