"""The view Progression: how often each level is started, failed and completed."""

from __future__ import annotations

from collections.abc import Sequence

from ga_pygame.collector.page.address import PageAddress
from ga_pygame.collector.page.charts import bar_chart
from ga_pygame.collector.page.panel_view import panel_view
from ga_pygame.collector.page.panels import Column, Panel, Panels, Sheet
from ga_pygame.collector.page.snapshots import Snapshots
from ga_pygame.collector.storage.queries import LevelCounts

MAX_LEVELS_READ = 3000
"""Levels that the view reads, in natural order."""


async def _ask(data: Snapshots, address: PageAddress) -> Panels:  # noqa: ARG001 - it has no filters
    return panels_of_levels(await data.query(lambda queries: queries.progression(MAX_LEVELS_READ)))


def panels_of_levels(levels: Sequence[LevelCounts]) -> Panels:
    """Make the panels of the view from the counts of the levels."""
    columns = (
        Column("level"),
        Column("starts", "number"),
        Column("fails", "number"),
        Column("completes", "number"),
        Column("completion", "share"),
        Column("attempts", "number"),
    )
    rows = [(one.level, one.starts, one.fails, one.completes, one.completion_rate, one.mean_attempts) for one in levels]
    chart = bar_chart(
        "Starts, fails and completes of each level",
        [one.level for one in levels],
        {
            "starts": [one.starts for one in levels],
            "completes": [one.completes for one in levels],
            "fails": [one.fails for one in levels],
        },
    )
    counted = (
        "All attempts of all players since the collector's file was begun. Completion: completes ÷ starts. Attempts:"
        " the mean attempt number of fails and completes."
    )
    empty = 'No level yet: report tracker.progression.start("forest", "1"), then .complete(…) or .fail(…).'
    return Panels((Panel("levels", "Levels", counted, Sheet(columns, rows), chart, empty),))


PROGRESSION_VIEW = panel_view(
    "progression",
    "Progression",
    "Which levels players start, fail and complete, in the natural order of their names.",
    _ask,
    filters=(),
)
