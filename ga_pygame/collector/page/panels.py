"""What a view shows of a metric, as values: a sentence, a table and a chart. Page, report and CSV use the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, get_args, get_type_hints

from ga_pygame.collector.csv_text import CsvCell, csv_text
from ga_pygame.collector.page.rows import MAX_WORDS, TableRow, short
from ga_pygame.collector.plain_text import visible
from ga_pygame.collector.warehouse.projector import Progress

MAX_PANEL_ROWS_SHOWN = 300
"""Rows of a panel's table on the page; all of them are in its CSV."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        label: Its heading.
        kind: `text`, `soft` (a text that matters less), `chip` (a marked word), `link` (a text that opens something,
            see `Panel.links`), `number`, `share` (0 to 1, shown as percent) or `moment` (seconds since 1970).
    """

    label: str
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table as values: numbers are numbers, times are seconds since 1970, shares are 0 to 1."""

    columns: tuple[Column, ...]
    rows: Sequence[Sequence[CsvCell]]

    def csv(self) -> str:
        """Write all rows as CSV that holds no formula."""
        return csv_text([column.label for column in self.columns], self.rows)


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure that is shown large.

    Attributes:
        label: What it is.
        value: The figure as it is shown.
        hint: What stands below it, e.g. the figure of the period before.
    """

    label: str
    value: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence with a link to the view that shows more.

    Attributes:
        sentence: The sentence.
        words: The words of the link.
        target: The link, within the page.
    """

    sentence: str
    words: str
    target: str


@dataclass(frozen=True, slots=True)
class Picture:
    """An image that the page draws itself.

    Attributes:
        href: Its address, another one if it may have changed.
        said: What it shows, for screen readers.
    """

    href: str
    said: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One question of a view with its answer.

    Attributes:
        name: Its name in the link to its CSV.
        title: The heading.
        counted: A sentence: what is counted, over which days.
        sheet: The figures.
        chart: Options for ECharts that show the figures, or `None`. See `charts`.
        empty: What to do if there are no figures.
        is_wide: Whether the panel takes the whole width of the page.
        links: For each row what its cell of the kind `link` opens: links within the page.
        text: Lines of a game that are shown whole above the table, e.g. a traceback.
        steps: Words and link of each further step, e.g. to older events.
        is_opened: Whether a person has opened it by a link, so that it gets the focus.
        tiles: Figures that are shown large, above the chart.
        notes: Sentences that are shown in a list, above the chart.
        picture: An image that is shown in the place of a chart; the report leaves it out.
        lines: Lines of the chart that need room below each other, e.g. bars that lie; 0 for a chart of usual height.
    """

    name: str
    title: str
    counted: str
    sheet: Sheet
    chart: dict[str, Any] | None = None
    empty: str = "Nothing yet in this range: choose a longer time, or clear the filters."
    is_wide: bool = False
    links: tuple[str, ...] = ()
    text: str = ""
    steps: tuple[tuple[str, str], ...] = ()
    is_opened: bool = False
    tiles: tuple[Tile, ...] = ()
    notes: tuple[Note, ...] = ()
    lines: int = 0
    picture: Picture | None = None


@dataclass(frozen=True, slots=True)
class Panels:
    """The panels of a view, and the values that its filters can have. All tabs that show them share them."""

    panels: tuple[Panel, ...] = ()
    choices: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _rows: dict[str, list[TableRow]] = field(default_factory=dict, compare=False, repr=False)

    def rows(self, panel: Panel) -> list[TableRow]:
        """Return the rows of a panel's table, the same list for all tabs."""
        if panel.name not in self._rows:
            self._rows[panel.name] = rows_of_sheet(panel.sheet, panel.links)
        return self._rows[panel.name]


def sheet_of_tuples(row: type[Any], rows: Sequence[Sequence[Any]]) -> Sheet:
    """Make a sheet from the rows of a metric.

    Args:
        row: The type of the rows, a `NamedTuple`: its names become the columns, its types how these are shown. Shares
            are the names that end with `rate`, `low`, `high`, `share` or `off`, and those in `_SHARES_BY_NAME`.
        rows: The rows.
    """
    columns = tuple(
        Column(name.replace("_", " "), _column_kind(name, kind)) for name, kind in get_type_hints(row).items()
    )
    return Sheet(columns, [[_csv_cell(value) for value in one] for one in rows])


def _column_kind(name: str, type_of: Any) -> str:
    if name.rpartition("_")[2] in _SHARES or name in _SHARES_BY_NAME:
        return "share"
    kinds = {type_of, *get_args(type_of)} - {type(None)}
    return "number" if kinds & {int, float} else "text"


_SHARES = ("rate", "low", "high", "share", "off")
_SHARES_BY_NAME = ("retention", "crash_free_sessions")


def _csv_cell(value: Any) -> CsvCell:
    return value if value is None or isinstance(value, str | int | float) else str(value)


def rows_of_sheet(sheet: Sheet, links: Sequence[str] = ()) -> list[TableRow]:
    """Make the rows of the page's table; all texts are cut and made visible.

    Args:
        sheet: The table.
        links: See `Panel.links`.
    """
    rows: list[TableRow] = []
    for number, row in enumerate(sheet.rows[:MAX_PANEL_ROWS_SHOWN]):
        cells: list[Any] = [cell_shown(column.kind, value) for column, value in zip(sheet.columns, row, strict=True)]
        for at, column in enumerate(sheet.columns):
            if column.kind == "link":
                cells[at] = [cells[at], links[number]]
        rows.append({"id": number, "tone": "figure", "cells": cells, "notes": []})
    return rows


def lines_shown(text: str) -> str:
    """Return a game's text of several lines with all that is invisible written out."""
    return "\n".join(visible(line.expandtabs(4)) for line in text.replace("\r\n", "\n").split("\n"))


def cell_shown(kind: str, value: CsvCell) -> CsvCell:
    """Return a value as a table of the page shows it."""
    if value is None or kind == "moment":
        return value if kind in ("moment", "share") else ""
    if kind == "share" and isinstance(value, int | float):
        return percent_shown(value)
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, str):
        return short(value, MAX_WORDS)
    return number_shown(value)


def percent_shown(share: float) -> float:
    """Return a share in percent: whole, but with a decimal next to 0 and 100, where whole ones would hide it."""
    percent = 100 * share
    return round(percent) if 1 <= percent <= 99 else round(percent, 1)


def number_shown(value: float) -> str:
    """Format a number: at most two decimals, thousands separated."""
    if isinstance(value, int) or value == round(value):
        return f"{value:,.0f}"
    return f"{value:,.2f}"


def projection_words(progress: Progress) -> str:
    """Return what to say if some events are not in the figures yet, or never will be."""
    said = []
    if progress.done < progress.all:
        said.append(f"{progress.done:,} of {progress.all:,} events are in these figures; the others are being read.")
    if progress.left_out:
        said.append(f"{progress.left_out:,} events could not be read and are left out.")
    return " ".join(said)
