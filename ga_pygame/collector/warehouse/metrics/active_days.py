"""Active players by day, by which other metrics divide."""

from __future__ import annotations

import datetime
from typing import NamedTuple

from ga_pygame.collector.warehouse.asking import Question


class ActiveDays(NamedTuple):
    """The distinct players with an event: of the whole range, and of each day that has any, in order."""

    players: int
    by_day: dict[datetime.date, int]

    @property
    def player_days(self) -> int:
        """The sum of the days' players."""
        return sum(self.by_day.values())


def active_days(question: Question) -> ActiveDays:
    """Count active players."""
    (_, players), *rows = question.rows("active_days")
    return ActiveDays(players, dict(rows))
