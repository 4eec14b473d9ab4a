"""The view Compare: two builds, periods or A/B variants side by side, with what differs by more than chance."""

from __future__ import annotations

from collections.abc import Sequence

from ga_pygame.collector.csv_text import CsvCell
from ga_pygame.collector.page.address import METRIC_FILTERS, OTHER_FILTERS, PageAddress
from ga_pygame.collector.page.charts import Interval, compared_chart
from ga_pygame.collector.page.panel_view import panel_view
from ga_pygame.collector.page.panels import Column, Panel, Panels, Sheet
from ga_pygame.collector.page.snapshots import Snapshots
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS
from ga_pygame.collector.warehouse.metrics.compare import COMPARE_METRIC, ComparedFigure

NOTHING_TO_COMPARE = (
    "Nothing to compare: choose a build and an other build above, or variants, or days. A game names its build:"
    ' Tracker(build="1.1").'
)
_TITLES = {
    name: f"{name.replace('_', ' ')}, seconds" for name in ("playtime_per_player", "mean_length", "median_length")
}
CHARTED = "players_rate"
"""The figure of levels that is drawn."""


async def _ask_comparison(data: Snapshots, address: PageAddress) -> Panels:
    readers = COMPARE_METRIC.options
    other = {name: readers[name](value) for name in OTHER_FILTERS if (value := address.filters.get(name))}
    return panels_of_comparison(await data.metric("compare", address, **other))


def panels_of_comparison(figures: Sequence[ComparedFigure]) -> Panels:
    """Make the panels: shares and numbers of all, and those of the levels."""
    whole = [one for one in figures if not one.level]
    levels = [one for one in figures if one.level]
    sides = f"First: {figures[0].first_side}. Second: {figures[0].second_side}. " if figures else ""
    counted = (
        f"{sides}Intervals are of 95 %, the difference is the first minus the second. Higher or lower is said of the"
        " first,"
        f" if the interval of the difference is on one side of 0; below {FEW_PLAYERS} players on a side nothing is"
        " said. Of"
        " twenty figures that are alike, one is called different by chance."
    )
    shares = [one for one in whole if one.is_share]
    numbers = [one for one in whole if not one.is_share]
    level_shares = [one for one in levels if one.is_share]
    level_numbers = [one for one in levels if not one.is_share]
    medians = f"{sides}Medians over players and over attempts; they have no interval."
    sheets = (
        ("numbers", "Players and sessions", counted, _sheet_of_sides(numbers, "number")),
        ("shares", "Crashes and retention", counted, _sheet_of_sides(shares, "share")),
    )
    of_all = (Panel(*one, None, NOTHING_TO_COMPARE, is_wide=True) for one in sheets)
    sheet = _sheet_of_sides(level_numbers, "number", of_levels=True, intervals=False)
    title = "Attempts and times of levels"
    times = Panel("level_numbers", title, medians, sheet, None, NOTHING_TO_COMPARE, is_wide=True)
    return Panels((*of_all, _panel_of_levels(level_shares, sides), times))


def _panel_of_levels(figures: Sequence[ComparedFigure], sides: str) -> Panel:
    drawn = [one for one in figures if one.figure == CHARTED]
    series = {}
    if drawn:
        series = {
            f"first: {drawn[0].first_side}": [_interval(one.first_low, one.first, one.first_high) for one in drawn],
            f"second: {drawn[0].second_side}": [
                _interval(one.second_low, one.second, one.second_high) for one in drawn
            ],
        }
    chart = compared_chart(
        "Share of the players of each level who completed it, of both sides, with intervals",
        [one.level for one in drawn],
        series,
    )
    counted = (
        f"{sides}Drawn: players with a Complete ÷ players of the level, with Wilson intervals of 95 %. The table also"
        " has"
        " completes ÷ attempts, and the players who completed a level and were never in the next one."
    )
    sheet = _sheet_of_sides(figures, "share", of_levels=True)
    return Panel("levels", "Levels", counted, sheet, chart, NOTHING_TO_COMPARE, is_wide=True)


def _interval(low: float | None, share: float | None, high: float | None) -> Interval | None:
    return None if low is None or share is None or high is None else (low, share, high)


def _sheet_of_sides(
    figures: Sequence[ComparedFigure], kind: str, *, of_levels: bool = False, intervals: bool = True
) -> Sheet:
    """Make a sheet; the differences of shares are in points of percent."""
    scale, unit = (100, " (points)") if kind == "share" else (1, "")
    columns = [Column("figure"), Column("first", kind), Column("second", kind), Column(f"difference{unit}", "number")]
    rows: list[list[CsvCell]] = [
        [_titled(one.figure), one.first, one.second, _scaled(one.difference, scale)] for one in figures
    ]
    if of_levels:
        columns.insert(0, Column("level"))
        rows = [[one.level, *row] for one, row in zip(figures, rows, strict=True)]
    if intervals:
        columns.insert(1, Column("verdict"))
        columns += [Column("from", "number"), Column("to", "number")]
        columns += [Column(name, kind) for name in ("first low", "first high", "second low", "second high")]
        rows = [
            [
                row[0],
                one.verdict,
                *row[1:],
                *(_scaled(one.difference_low, scale), _scaled(one.difference_high, scale)),
                *(one.first_low, one.first_high, one.second_low, one.second_high),
            ]
            for one, row in zip(figures, rows, strict=True)
        ]
    columns += [Column("first players", "number"), Column("second players", "number")]
    rows = [[*row, one.first_players, one.second_players] for one, row in zip(figures, rows, strict=True)]
    return Sheet(tuple(columns), rows)


def _titled(figure: str) -> str:
    return _TITLES.get(figure, figure.replace("_", " "))


def _scaled(value: float | None, by: int) -> float | None:
    return None if value is None else value * by


COMPARE_VIEW = panel_view(
    "compare",
    "Compare",
    "Two builds, periods or A/B variants side by side. The first side is what the filters say, the second one the same"
    " with an other build, variant or days. Without these it is the period before, or the build before.",
    _ask_comparison,
    filters=(*METRIC_FILTERS, *OTHER_FILTERS),
)
