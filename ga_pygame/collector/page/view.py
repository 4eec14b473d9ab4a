"""What a view of the page is: its name, what it counts, how it is built and which tables it has as CSV."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ga_pygame.collector.emulators.chaos import Chaos
from ga_pygame.collector.gameanalytics.configs_editing import EditableSettings
from ga_pygame.collector.page.address import PageAddress
from ga_pygame.collector.page.feed import FeedKey
from ga_pygame.collector.page.panels import Column, Panels, Sheet
from ga_pygame.collector.page.snapshots import Snapshot, Snapshots


class Frame(Protocol):
    """The open page around a view: a tab of a browser, as far as a view needs it."""

    data: Snapshots
    settings: EditableSettings | None
    chaos: Chaos
    url: str
    """The address for `GA_PYGAME_COLLECTOR`."""

    @property
    def address(self) -> PageAddress:
        """The open view and its filters."""

    def go(self, address: PageAddress) -> None:
        """Open another address, as if its link was followed."""

    def offer(self, choices: Mapping[str, tuple[str, ...]]) -> None:
        """Offer values in the filter bar, by the name of the filter."""

    def is_behind(self) -> bool:
        """Whether the browser has too many messages that it has not acknowledged."""


class OpenView(Protocol):
    """A view that a tab has opened. All calls come from the loop."""

    async def begin(self) -> None:
        """Fill the view; called when it was built, its filters were changed, or its tab has its socket back."""

    def show(self, snapshot: Snapshot) -> None:
        """Send what is new; called at each look while the tab can take it."""

    def wants(self) -> FeedKey | None:
        """Return the feed that must be kept up to date for it, if any."""


@dataclass(frozen=True, slots=True)
class View:
    """A view of the page.

    Attributes:
        name: Its name in the address.
        title: Its heading, and its words in the navigation.
        counted: A sentence: what is shown and what is counted.
        build: Builds it into the present slot of NiceGUI, without reading anything.
        filters: The filters that it knows.
        sheets: Reads its tables for their CSV, by name.
        is_listed: Whether the navigation has it.
        panels: Reads its panels, if it consists of panels.
        draw: Draws its picture as SVG, if it has one.
    """

    name: str
    title: str
    counted: str
    build: Callable[[Frame], OpenView]
    filters: tuple[str, ...] = ()
    sheets: Callable[[Snapshots, PageAddress], Awaitable[Mapping[str, Sheet]]] | None = None
    is_listed: Callable[[Snapshot], bool] = lambda snapshot: True  # noqa: ARG005
    panels: Callable[[Snapshots, PageAddress], Awaitable[Panels]] | None = None
    draw: Callable[[Snapshots, PageAddress], Awaitable[bytes]] | None = None


def csv_link(view: str, sheet: str, address: PageAddress) -> str:
    """Return the link to a table of a view as CSV, with the view's filters."""
    query = PageAddress("", address.filters).query()
    return f"/csv/{view}/{sheet}" + (f"?{query}" if query else "")


def sheet_of_cells(columns: list[dict[str, str]], rows: list[dict[str, Any]]) -> Sheet:
    """Make a sheet from rows of the page's tables. A time stays seconds since 1970."""
    from_cell = [_PLAIN.get(column["kind"], lambda cell: cell) for column in columns]
    cells = [[plain(cell) for plain, cell in zip(from_cell, row["cells"], strict=True)] for row in rows]
    return Sheet(tuple(Column(column["label"], column["kind"]) for column in columns), cells)


_PLAIN: dict[str, Callable[[Any], Any]] = {
    "when": lambda cell: cell[1] if cell[0] is None else cell[0],
    "game": lambda cell: cell[1],
    "share": lambda cell: None if cell is None else cell / 100,
}
