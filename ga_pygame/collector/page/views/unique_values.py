"""The panel of unique values, a part of the view Design: what is near GameAnalytics' limits, or over them."""

from __future__ import annotations

from collections.abc import Sequence

from ga_pygame.collector.page.panels import Column, Panel, Sheet
from ga_pygame.collector.warehouse.metrics.unique_values import (
    NEAR,
    OVER,
    UNIQUE_VALUES_METRIC,
    UniqueValues,
    fields_shown,
    highest_days,
)

STATE_WORDS = {NEAR: "near the limit", OVER: "over the limit"}
"""The words for a row's state."""


def unique_values_panel(rows: Sequence[UniqueValues]) -> Panel:
    """Make the panel: of each field the day with most different values."""
    columns = (
        Column("field"),
        Column("most on a day", "number"),
        Column("limit", "number"),
        Column("of the limit", "share"),
        Column("day"),
        Column("note"),
    )
    highest = highest_days(rows)
    cells = [
        (
            name,
            row.different,
            row.limit,
            row.share,
            str(row.day),
            STATE_WORDS.get(row.state, ""),
        )
        for name, row in zip(fields_shown(highest), highest, strict=True)
    ]
    counted = (
        f"{UNIQUE_VALUES_METRIC.sentence} A row is the day on which a field had most. Above a limit the service may"
        " stop to show new values: put numbers that change into the value of an event, not into its id."
    )
    return Panel("unique", "Unique values", counted, Sheet(columns, cells), is_wide=True)
