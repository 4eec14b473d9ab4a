"""The view Progression: where players give up, level by level, and the attempts, times and scores of one level."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from ga_pygame.collector.page.address import METRIC_FILTERS, PageAddress
from ga_pygame.collector.page.charts import MAX_BARS_SHOWN, Interval, bar_chart, interval_chart
from ga_pygame.collector.page.panel_view import panel_view
from ga_pygame.collector.page.panels import Column, Panel, Panels, Sheet, sheet_of_tuples
from ga_pygame.collector.page.rows import short
from ga_pygame.collector.page.snapshots import Snapshots
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS
from ga_pygame.collector.warehouse.metrics.attempts import LevelAttempts
from ga_pygame.collector.warehouse.metrics.level_histogram import LevelBin
from ga_pygame.collector.warehouse.metrics.levels import LevelFigures

MAX_LEVELS_DRAWN = 40
"""Levels of the funnel's chart; the table has all."""
MAX_TITLE_CHARACTERS = 60
"""A level's name in a heading; the rest is cut."""

NO_LEVEL = (
    'No level yet: report tracker.progression.start("forest", "1"), then .complete(…) or .fail(…). If a filter is set,'
    " clear it."
)
NO_VALUES = {
    "seconds": "No times: the tracker adds them to Fail and Complete as the custom field seconds, unless it is turned"
    " off.",
    "score": 'No scores: report tracker.progression.complete("forest", "1", score=120).',
}


async def _ask_progression(data: Snapshots, address: PageAddress) -> Panels:
    levels = await data.metric("levels", address)
    chosen = address.filters.get("level", "") or worst_level(levels)
    attempts = [row for row in await data.metric("attempts", address) if row.level == chosen] if chosen else []
    bins = await data.metric("level_histogram", address, level=chosen) if chosen else []
    return Panels((*panels_of_levels(levels), *panels_of_level(chosen, attempts, bins)))


def worst_level(levels: Sequence[LevelFigures]) -> str:
    """Return the level that most players entered and did not complete; "" if there is none."""
    return max(levels, key=lambda one: one.players - one.completers).level if levels else ""


def panels_of_levels(levels: Sequence[LevelFigures]) -> tuple[Panel, ...]:
    """Make the panels of all levels."""
    return (_completion(levels), _funnel(levels), _outcomes(levels), _attempts_needed(levels), _times(levels))


def _sheet_of_levels(levels: Sequence[LevelFigures], *names: str) -> Sheet:
    """Make a sheet of some figures of the levels."""
    whole = sheet_of_tuples(LevelFigures, levels)
    places = [LevelFigures._fields.index(name) for name in names]
    return Sheet(tuple(whole.columns[at] for at in places), [[row[at] for at in places] for row in whole.rows])


def _completion(levels: Sequence[LevelFigures]) -> Panel:
    shares: list[Interval] = [(one.players_low or 0, one.players_rate or 0, one.players_high or 0) for one in levels]
    chart = interval_chart(
        "Share of the players of each level who completed it, with its interval",
        [one.level for one in levels],
        shares,
        grey=[one.is_few for one in levels],
    )
    counted = (
        "Players with a Complete of the level ÷ players with any event of it, with the Wilson interval of 95 %; the"
        " table"
        " has all figures, completes ÷ attempts, too. Attempts are Fails, Completes and abandons. Grey: fewer than"
        f" {FEW_PLAYERS} players."
    )
    sheet = sheet_of_tuples(LevelFigures, levels)
    return Panel("levels", "Completion by players", counted, sheet, chart, NO_LEVEL, is_wide=True)


def _funnel(levels: Sequence[LevelFigures]) -> Panel:
    shown = levels[:MAX_LEVELS_DRAWN]
    chart = bar_chart(
        "Players in each level, those who completed it, and those who went on to the next one",
        [one.level for one in shown],
        {
            "in the level": [one.players for one in shown],
            "completed it": [one.completers for one in shown],
            "went on": [one.completers - one.left_after if one.next_level else None for one in shown],
        },
        lying=True,
    )
    counted = (
        "Drop-off within a level: its players who never completed it. Drop-off between levels: players who completed it"
        " and were never in the next level of this order."
    )
    names = ("level", "players", "completers", "drop_off", "next_level", "left_after", "left_after_rate", "is_few")
    return Panel("funnel", "Drop-off", counted, _sheet_of_levels(levels, *names), chart, NO_LEVEL, lines=2 * len(shown))


def _outcomes(levels: Sequence[LevelFigures]) -> Panel:
    chart = bar_chart(
        "Completes, fails and abandons of each level",
        [one.level for one in levels],
        {
            "completes": [one.completes for one in levels],
            "fails": [one.fails for one in levels],
            "abandons": [one.abandons for one in levels],
        },
        stacked=True,
    )
    counted = (
        "How attempts ended. Abandons are Starts with neither Fail nor Complete: the game was killed or still runs."
    )
    names = (
        "level",
        "starts",
        "completes",
        "fails",
        "abandons",
        "completion_rate",
        "completion_low",
        "completion_high",
    )
    return Panel("outcomes", "How attempts end", counted, _sheet_of_levels(levels, *names), chart, NO_LEVEL)


def _attempts_needed(levels: Sequence[LevelFigures]) -> Panel:
    chart = bar_chart(
        "Attempts to complete each level, median and 90th percentile",
        [one.level for one in levels],
        {"median": [one.median_attempts for one in levels], "90th percentile": [one.p90_attempts for one in levels]},
    )
    counted = "Attempts of the players who completed the level, until they did: their Fails before it, plus 1."
    names = ("level", "completers", "median_attempts", "p90_attempts", "is_few")
    return Panel("attempts", "Attempts to complete", counted, _sheet_of_levels(levels, *names), chart, NO_LEVEL)


def _times(levels: Sequence[LevelFigures]) -> Panel:
    chart = bar_chart(
        "Seconds of an attempt at each level, median and 90th percentile",
        [one.level for one in levels],
        {"median": [one.median_seconds for one in levels], "90th percentile": [one.p90_seconds for one in levels]},
    )
    counted = (
        "Seconds for which players were focused on the game from Start to Fail or Complete: the custom field seconds,"
        " which the tracker adds."
    )
    names = ("level", "median_seconds", "p90_seconds", "mean_score", "is_few")
    return Panel("times", "Time of an attempt", counted, _sheet_of_levels(levels, *names), chart, NO_LEVEL)


def panels_of_level(level: str, attempts: Sequence[LevelAttempts], bins: Sequence[LevelBin]) -> tuple[Panel, ...]:
    """Make the panels of one level: the distributions of attempts, times and scores; none without a level."""
    if not level:
        return ()
    name = short(level, MAX_TITLE_CHARACTERS)
    counted = "Players by the attempts that they needed to complete the level. Choose another level above."
    most = attempts[-1].attempts if attempts else 0
    by_number = {row.attempts: row.players for row in attempts}
    numbers = range(1, most + 1) if most <= MAX_LEVELS_DRAWN else [row.attempts for row in attempts]
    chart = bar_chart(
        f"Players by attempts to complete {name}",
        [str(number) for number in numbers],
        {"players": [by_number.get(number, 0) for number in numbers]},
    )
    sheet = sheet_of_tuples(LevelAttempts, attempts)
    nobody = "Nobody has completed this level with these filters."
    needed = Panel("level_attempts", f"Attempts to complete {name}", counted, sheet, chart, nobody)
    return (
        needed,
        _histogram(f"Time of an attempt at {name}", "seconds", bins),
        _histogram(f"Scores in {name}", "score", bins),
    )


def _histogram(title: str, figure: str, bins: Sequence[LevelBin]) -> Panel:
    some = [one for one in bins if one.figure == figure]
    counted = {
        "seconds": "Fails and Completes of the level by the seconds of the attempt. Choose another level above.",
        "score": "Completes of the level by their score. Choose another level above.",
    }[figure]
    rows: list[tuple[Any, ...]] = [(one.from_value, one.to_value, one.attempts) for one in some]
    columns = (Column("from", "number"), Column("below", "number"), Column("attempts", "number"))
    drawn = with_empty_bins(some)
    chart = bar_chart(title, [_bin_name(one) for one in drawn], {"attempts": [one.attempts for one in drawn]})
    return Panel(f"level_{figure}", title, counted, Sheet(columns, rows), chart, NO_VALUES[figure])


def with_empty_bins(bins: Sequence[LevelBin]) -> list[LevelBin]:
    """Add the bins between those of one figure that nothing is in, unless they are too many to be drawn."""
    found: list[LevelBin] = []
    for one in bins:
        before = found[-1] if found else one
        width = (before.to_value or 0.0) - before.from_value
        missing = round((one.from_value - (before.to_value or 0.0)) / width) if found else 0
        if 0 < missing <= MAX_BARS_SHOWN:
            edges = [(before.to_value or 0.0) + width * number for number in range(missing + 1)]
            found += [one._replace(from_value=low, to_value=high, attempts=0) for low, high in pairwise(edges)]
        found.append(one)
    return found


def _bin_name(one: LevelBin) -> str:
    if one.to_value is None:
        return f"{one.from_value:g} and more"
    return f"{one.from_value:g} to {one.to_value:g}"


PROGRESSION_VIEW = panel_view(
    "progression",
    "Progression",
    "Where players give up: the levels in the order in which players reach them. A level can be chosen, else it is the"
    " one"
    " that most players do not complete.",
    _ask_progression,
    filters=(*METRIC_FILTERS, "level"),
)
