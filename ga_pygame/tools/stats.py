"""`ga_pygame stats`: the most important figures as text that fits a terminal of 80 columns."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ga_pygame.collector.page.panels import number_shown
from ga_pygame.collector.plain_text import visible
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS
from ga_pygame.collector.warehouse.metrics.levels import LevelFigures
from ga_pygame.collector.warehouse.metrics.overview import BEFORE, NOW, WHOLE_PERIOD, OverviewRow
from ga_pygame.collector.warehouse.metrics.unique_values import OVER, UniqueValues, fields_shown, highest_days
from ga_pygame.tools.printing import print_lines
from ga_pygame.tools.sources import Source, Where, metric_named, open_source

COLUMNS_SHOWN = 80
DAYS_SHOWN = 14
LEVELS_SHOWN = 40
"""Levels that are printed; `--json` has all."""
MAX_LEVEL_NAME = 18
"""Characters of a level's name; the end is kept, as the beginning is often the same for all."""


def print_stats(where: Where, filters: Mapping[str, str], *, as_json: bool) -> int:
    """Print overview, levels and the fields that near a limit of unique values; return the exit code.

    Args:
        where: Where the events are.
        filters: The filters of the metrics.
        as_json: Print them as an object with a list for each metric.

    Raises:
        ToolError: They cannot be read.
    """
    with open_source(where) as source:
        figures = {name: _rows(source, name, filters) for name in ("overview", "levels", "unique_values")}
    if as_json:
        return print_lines(
            [msgspec.json.encode({name: [row._asdict() for row in rows] for name, rows in figures.items()})]
        )
    return print_lines([line.rstrip().encode() for line in _stats_text(**figures).splitlines()])


def _rows(source: Source, name: str, filters: Mapping[str, str]) -> list[Any]:
    return source.rows(metric_named(name), filters, {})


def _stats_text(
    overview: Sequence[OverviewRow], levels: Sequence[LevelFigures], unique_values: Sequence[UniqueValues]
) -> str:
    out = io.StringIO()
    console = Console(file=out, width=COLUMNS_SHOWN, color_system=None, markup=False, emoji=False, highlight=False)
    _print_overview(console, overview)
    _print_levels(console, levels)
    _print_unique_values(console, unique_values)
    return out.getvalue()


def _print_overview(console: Console, rows: Sequence[OverviewRow]) -> None:
    whole = {row.period: row for row in rows if row.time == WHOLE_PERIOD}
    days = [row for row in rows if row.period == NOW and row.time != WHOLE_PERIOD]
    now = whole.get(NOW)
    if now is None or not now.players:
        console.print("No events in this range: choose a longer time, or clear the filters.")
        return
    columns = ("", "players", "new", "returning", "sessions", "median", "playtime", "crash-free")
    table = _figures_table("Players and sessions", columns)
    if BEFORE in whole:
        table.add_row(*_overview_cells("before", whole[BEFORE]))
    for row in days[-DAYS_SHOWN:]:
        table.add_row(*_overview_cells(row.time, row))
    table.add_section()
    table.add_row(*_overview_cells("all", now))
    console.print(table)
    more = f" The first {len(days) - DAYS_SHOWN} days are left out." if len(days) > DAYS_SHOWN else ""
    console.print(
        "\nNew: the first event ever. Median: length of a session, focused time. Playtime: per player. Crash-free:"
        f" sessions without a critical error.{more}\n"
    )


def _overview_cells(name: str, row: OverviewRow) -> list[str]:
    return [
        name,
        _number_text(row.players),
        _number_text(row.new_players),
        _number_text(row.returning_players),
        _number_text(row.sessions),
        duration_shown(row.median_length),
        duration_shown(row.playtime_per_player),
        _percent_shown(row.crash_free_sessions),
    ]


def _print_levels(console: Console, rows: Sequence[LevelFigures]) -> None:
    if not rows:
        console.print('No level yet: report tracker.progression.start("forest", "1"), then .complete() or .fail().')
        return
    columns = ("level", "players", "starts", "fails", "done", "lost", "tries", "time")
    table = _figures_table("Levels, in the order in which players reach them", columns)
    for row in rows[:LEVELS_SHOWN]:
        table.add_row(*_level_cells(row))
    console.print(table)
    more = f" {len(rows) - LEVELS_SHOWN} more levels are in --json." if len(rows) > LEVELS_SHOWN else ""
    few = f" *: fewer than {FEW_PLAYERS} players, so the shares say little." if any(row.is_few for row in rows) else ""
    console.print(
        "\nDone: players who completed it ÷ players in it, with the 95 % interval. Lost: those who never completed it."
        f" Tries: median attempts to complete it. Time: median of an attempt.{few}{more}"
    )


def _level_cells(row: LevelFigures) -> list[str]:
    interval = f"{_percent_shown(row.players_rate)} ({_hundredths(row.players_low)}-{_hundredths(row.players_high)})"
    return [
        _short_name(row.level),
        _number_text(row.players) + ("*" if row.is_few else ""),
        _number_text(row.starts),
        _number_text(row.fails),
        interval if row.players_rate is not None else "",
        _number_text(row.players - row.completers),
        "" if row.median_attempts is None else number_shown(row.median_attempts),
        duration_shown(row.median_seconds),
    ]


def _print_unique_values(console: Console, rows: Sequence[UniqueValues]) -> None:
    """Print the fields that near a limit, or are over it; nothing if there are none."""
    told = [row for row in highest_days(rows) if row.state]
    if not told:
        return
    table = _figures_table("Unique values near GameAnalytics' limits", ("field", "most a day", "limit", "share", "day"))
    for name, row in zip(fields_shown(told), told, strict=True):
        share = f"{_percent_shown(row.share)}{' OVER' if row.state == OVER else ''}"
        table.add_row(name, _number_text(row.different), _number_text(row.limit), share, str(row.day))
    console.print("\n", table)
    console.print("\nAbove a limit the service may stop to show new values: keep what changes out of ids.")


def _figures_table(title: str, columns: Sequence[str]) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    for number, column in enumerate(columns):
        table.add_column(Text(column), justify="right" if number else "left", no_wrap=True)
    return table


def _number_text(number: int) -> str:
    """Format a count in at most seven characters."""
    return (
        f"{number:,}" if number < 100_000 else f"{number / 1000:,.0f}k" if number < 10**7 else f"{number / 10**6:,.0f}M"
    )


def _short_name(name: str) -> str:
    shown = visible(name[-2 * MAX_LEVEL_NAME :])
    return shown if len(name) <= MAX_LEVEL_NAME and len(shown) <= MAX_LEVEL_NAME else "…" + shown[1 - MAX_LEVEL_NAME :]


def _hundredths(share: float | None) -> str:
    return "" if share is None else f"{round(100 * share)}"


def _percent_shown(share: float | None) -> str:
    return "" if share is None else f"{round(100 * share)} %"


def duration_shown(seconds: float | None) -> str:
    """Format seconds in their largest two units."""
    if seconds is None:
        return ""
    if seconds < 59.5:
        return f"{seconds:.0f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m {rest:02}s" if minutes < 60 else f"{minutes // 60:,}h {minutes % 60:02}m"
