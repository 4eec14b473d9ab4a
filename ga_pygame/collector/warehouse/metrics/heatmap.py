"""Where on the maps of a game events took place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric, whole_number
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS
from ga_pygame.map_files import MAX_COORDINATE

MAX_CELLS = 2000
"""Squares of an answer, those with most events."""
SQUARES_ACROSS = 40
"""About how many squares the longer side of a map has, unless their size is given."""


class MapEvents(NamedTuple):
    """Events of one id on a map.

    Attributes:
        game: The game's key.
        map: The map.
        event_id: The design event.
        events: How many of them took place there.
        players: Players with such an event.
        least_x: The least x of them, and so on.
        least_y: See `least_x`.
        most_x: See `least_x`.
        most_y: See `least_x`.
    """

    game: str
    map: str
    event_id: str
    events: int
    players: int
    least_x: float
    least_y: float
    most_x: float
    most_y: float


class HeatCell(NamedTuple):
    """A square of a map in which events took place.

    Attributes:
        game: The game's key.
        map: The map.
        x: Its left side, in the game's units.
        y: Its upper side.
        size: The length of its sides.
        events: Events within it.
        players: Players with such an event.
        is_few: Fewer than 20 players.
    """

    game: str
    map: str
    x: int
    y: int
    size: int
    events: int
    players: int
    is_few: bool


def heatmap_maps(question: Question) -> list[MapEvents]:
    """Count events by map and event id, most frequent first."""
    return [MapEvents(*row) for row in question.rows("heatmap_maps", most=MAX_COORDINATE)]


def heatmap(question: Question, map: str = "", event_id: str = "", cell: int = 0) -> list[HeatCell]:  # noqa: A002
    """Count events by square of a map, most frequent first.

    Args:
        question: The question; if several games have the map, the one with most events counts.
        map: The map; "" means the one with most events.
        event_id: Only events with this id, or with an id that goes on with ':'; "" means all.
        cell: The length of a square's sides; 0 means about a fortieth of the map.
    """
    rows = [row for row in heatmap_maps(question) if not event_id or f"{row.event_id}:".startswith(f"{event_id}:")]
    chosen = next((row for row in rows if row.map == map or not map), None)
    if chosen is None:
        return []
    size = cell or square_of([row for row in rows if (row.game, row.map) == (chosen.game, chosen.map)])
    found = question.rows(
        "heatmap",
        replace(question.filters, game=chosen.game),
        map=chosen.map,
        event_id=event_id,
        cell=size,
        most=MAX_COORDINATE,
        cells=MAX_CELLS,
    )
    return [
        HeatCell(chosen.game, chosen.map, across * size, down * size, size, events, players, players < FEW_PLAYERS)
        for across, down, events, players in found
    ]


def square_of(rows: Sequence[MapEvents]) -> int:
    """Return a round length (1, 2, 5, 10 …) of squares, of which the longer side has about `SQUARES_ACROSS`."""
    wide = max(row.most_x for row in rows) - min(row.least_x for row in rows)
    high = max(row.most_y for row in rows) - min(row.least_y for row in rows)
    return round_length(max(wide, high, 1) / SQUARES_ACROSS)


def round_length(least: float) -> int:
    """Return the shortest round length (1, 2, 5, 10 …) that is not shorter than this."""
    power = 10 ** math.floor(math.log10(least)) if least > 1 else 1
    return next(int(step * power) for step in (1, 2, 5, 10) if step * power >= least)


HEATMAP_MAPS_METRIC = WarehouseMetric(
    "heatmap_maps",
    "Events by the map on which they took place and by event id, with their bounds.",
    MapEvents,
    heatmap_maps,
)
HEATMAP_METRIC = WarehouseMetric(
    "heatmap",
    "Events by the square of a map in which they took place, most frequent first.",
    HeatCell,
    heatmap,
    {"map": str, "event_id": str, "cell": lambda text: whole_number("cell", text)},
)
