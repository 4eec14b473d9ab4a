"""The view Retention: how many of a day's new players came back 1 to 30 days later."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from itertools import groupby

from ga_pygame.collector.page.address import METRIC_FILTERS, PageAddress
from ga_pygame.collector.page.charts import heat_chart, interval_chart
from ga_pygame.collector.page.panel_view import panel_view
from ga_pygame.collector.page.panels import Column, Panel, Panels, Sheet
from ga_pygame.collector.page.snapshots import Snapshots
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS, share_of
from ga_pygame.collector.warehouse.metrics.retention import RETENTION_DAYS, RetentionCell

MAX_COHORTS_SHOWN = 60
"""First days of the triangle; the table has more."""

NO_COHORT = (
    "No first day is followed by a day that is over: players appear here from the second day after their first event."
    " For"
    " data at once: python -m demo_game --bot --players 40. If a filter is set, clear it."
)


async def _ask_retention(data: Snapshots, address: PageAddress) -> Panels:
    return panels_of_retention(await data.metric("retention", address))


def panels_of_retention(cells: Sequence[RetentionCell]) -> Panels:
    """Make the triangle, newest first day on top, and the mean of each day."""
    cohorts = [(first_day, list(some)) for first_day, some in groupby(cells, key=lambda cell: cell.first_day)]
    return Panels((_triangle(cohorts), _means(cells)))


def _triangle(cohorts: Sequence[tuple[datetime.date, Sequence[RetentionCell]]]) -> Panel:
    longest = max((len(cells) for _, cells in cohorts), default=0)
    days = [f"D{number}" for number in range(1, longest + 1)]
    columns = (Column("first day"), Column("new players", "number"), *(Column(day, "share") for day in days))
    rows = [
        (str(first_day), cells[0].new_players, *(cell.retention for cell in cells), *[None] * (longest - len(cells)))
        for first_day, cells in cohorts
    ]
    shown = cohorts[:MAX_COHORTS_SHOWN]
    chart = heat_chart(
        "Retention in percent, a line per first day, a column per day later",
        days,
        [(f"{day} · {cells[0].new_players} new", [cell.retention for cell in cells]) for day, cells in shown],
        grey=[cells[0].is_few for _, cells in shown],
    )
    counted = (
        "Of the players whose first event ever was on a day, the percentage with an event exactly so many calendar days"
        f" later (D1: the next day). Only days that are over. Grey: fewer than {FEW_PLAYERS} new players."
    )
    sheet = Sheet(columns, rows)
    return Panel("triangle", "Triangle", counted, sheet, chart, NO_COHORT, lines=len(shown), is_wide=True)


def _means(cells: Sequence[RetentionCell]) -> Panel:
    rows = []
    for day in range(1, RETENTION_DAYS + 1):
        some = [cell for cell in cells if cell.day == day]
        returned, new = sum(cell.returned for cell in some), sum(cell.new_players for cell in some)
        if new:
            rows.append((f"D{day}", len(some), new, returned, *share_of(returned, new), new < FEW_PLAYERS))
    columns = (
        Column("day"),
        Column("first days", "number"),
        Column("new players", "number"),
        Column("returned", "number"),
        *(Column(name, "share") for name in ("retention", "low", "high")),
        Column("is few"),
    )
    chart = interval_chart(
        "Mean retention by day later, with its interval",
        [str(row[0]) for row in rows],
        [(row[5] or 0.0, row[4] or 0.0, row[6] or 0.0) for row in rows],
        grey=[row[7] for row in rows],
    )
    counted = (
        "All who returned on a day ÷ all new players of the first days for which that day is over, with the Wilson"
        f" interval of 95 %. Grey: fewer than {FEW_PLAYERS} players."
    )
    return Panel("mean", "Mean over the first days", counted, Sheet(columns, rows), chart, NO_COHORT, is_wide=True)


RETENTION_VIEW = panel_view(
    "retention",
    "Retention",
    "How many of the players who were new on a day came back on each later day; the range is that of the first days."
    " Days"
    " are calendar days, in UTC if no other time zone was chosen.",
    _ask_retention,
    filters=METRIC_FILTERS,
)
