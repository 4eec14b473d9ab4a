"""Different values a day of the fields for which GameAnalytics recommends limits."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import NamedTuple

from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric
from ga_pygame.collector.warehouse.filters import Filters

UNIQUE_LIMITS = {
    "build": 100,
    "platform": 30,
    "device": 500,
    "os_version": 255,
    "custom_01": 50,
    "custom_02": 50,
    "custom_03": 50,
    "progression part 1": 100,
    "progression part 2": 100,
    "progression part 3": 100,
    "business item type": 100,
    "business item id": 100,
    "cart_type": 10,
    "resource currency": 100,
    "resource item type": 100,
    "resource item id": 100,
    "design event_id": 50_000,
    "design nodes": 10_000,
}
"""Values a day by field; above them the service may stop to aggregate. Source: GameAnalytics REST v2, Limitations, and
for the nodes Design."""
NEAR_FROM = 0.8
"""From this share of a limit on, a field is near it."""
NEAR, OVER = "near", "over"


class UniqueValues(NamedTuple):
    """A field on a day.

    Attributes:
        game: The game's key.
        field: The field, one of `UNIQUE_LIMITS`.
        day: A calendar day.
        different: Its different values on the day.
        limit: The recommended limit.
        share: Different values ÷ limit.
        state: `near` from 80 % of the limit on, `over` above it, else "".
    """

    game: str
    field: str
    day: datetime.date
    different: int
    limit: int
    share: float
    state: str


def unique_values(question: Question) -> list[UniqueValues]:
    """Count the different values of each field by game and day; of the filters only days and game are used."""
    asked = question.filters
    filters = Filters(since=asked.since, until=asked.until, game=asked.game)
    return [_against_limit(*found) for found in question.rows("unique_values", filters)]


def _against_limit(game: str, field: str, day: datetime.date, different: int) -> UniqueValues:
    limit = UNIQUE_LIMITS[field]
    state = OVER if different > limit else NEAR if different >= NEAR_FROM * limit else ""
    return UniqueValues(game, field, day, different, limit, different / limit, state)


def highest_days(rows: Iterable[UniqueValues]) -> list[UniqueValues]:
    """Return of each game and field the newest of the days with most values; what is nearest to its limit is first."""
    highest: dict[tuple[str, str], UniqueValues] = {}
    for row in rows:
        known = highest.get((row.game, row.field))
        if known is None or (row.different, row.day) >= (known.different, known.day):
            highest[row.game, row.field] = row
    return sorted(highest.values(), key=lambda row: -row.share)


def fields_shown(rows: Iterable[UniqueValues]) -> list[str]:
    """Return the fields of rows; with the beginning of the game's key if there are several games."""
    shown = list(rows)
    has_several_games = len({row.game for row in shown}) > 1
    return [f"{row.field} of {row.game[:8]}…" if has_several_games else row.field for row in shown]


UNIQUE_VALUES_METRIC = WarehouseMetric(
    "unique_values",
    "Different values of a field on a day against the limits that GameAnalytics recommends: near from 80 % on, over"
    " above. All events count, whoever plays; of the filters only days and game are used.",
    UniqueValues,
    unique_values,
)
