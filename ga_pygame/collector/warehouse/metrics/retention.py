"""Retention: how many of a day's new players came back on each later day."""

from __future__ import annotations

import datetime
from collections import defaultdict
from typing import NamedTuple

from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS, share_of

RETENTION_DAYS = 30
"""The last day of the triangle."""


class RetentionCell(NamedTuple):
    """The players of one first day who came back on one later day.

    Attributes:
        first_day: The calendar day on which the players were new.
        new_players: These players.
        day: 1 for the day after, up to 30.
        returned: Those of them with an event on that day.
        retention: Returned ÷ new players.
        low: The lower end of its Wilson interval of 95 %.
        high: The upper end.
        is_few: Fewer than 20 new players: the share says little.
    """

    first_day: datetime.date
    new_players: int
    day: int
    returned: int
    retention: float | None
    low: float | None
    high: float | None
    is_few: bool


def retention(question: Question) -> list[RetentionCell]:
    """Count the players who came back, newest first day first; only days that are over."""
    return retention_of_sides(question)[0]


def retention_of_sides(question: Question, longest: int = RETENTION_DAYS) -> list[list[RetentionCell]]:
    """Count the same for each side of a question, up to some day."""
    sides: list[defaultdict[datetime.date, dict[int, int]]] = [defaultdict(dict) for _ in question.sides]
    for side, first_day, later, players in question.rows("retention", today=question.today, longest=longest):
        sides[side][first_day][later] = players
    return [
        [
            _cell(first_day, counts[0], day, counts.get(day, 0))
            for first_day, counts in found.items()
            for day in range(1, min(longest, (question.today - first_day).days - 1) + 1)
        ]
        for found in sides
    ]


def mean_retention(cells: list[RetentionCell], day: int) -> float | None:
    """Compute the retention of a day over all first days for which it is over: all returned ÷ all new players."""
    some = [cell for cell in cells if cell.day == day]
    return share_of(sum(cell.returned for cell in some), sum(cell.new_players for cell in some)).rate


def _cell(first_day: datetime.date, new_players: int, day: int, returned: int) -> RetentionCell:
    share = share_of(returned, new_players)
    return RetentionCell(first_day, new_players, day, returned, *share, new_players < FEW_PLAYERS)


RETENTION_METRIC = WarehouseMetric(
    "retention",
    "Of the players who were new on a day, those with an event exactly 1 to 30 calendar days later; only days that are"
    " over.",
    RetentionCell,
    retention,
)
