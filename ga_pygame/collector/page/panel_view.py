"""The build of a view that consists of panels: each has a sentence, a chart, and a table behind it with its CSV.

Only for the modules that `dashboard` imports: it prepares NiceGUI's environment before the import.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any

import nicegui
from nicegui import ui

from ga_pygame import clock
from ga_pygame.collector.page.address import PageAddress
from ga_pygame.collector.page.elements import anchor, csv_anchor, focus_on
from ga_pygame.collector.page.panel_heads import NoteList, TileRow
from ga_pygame.collector.page.panels import (
    MAX_PANEL_ROWS_SHOWN,
    Panel,
    Panels,
    Sheet,
    lines_shown,
    projection_words,
)
from ga_pygame.collector.page.snapshots import Snapshot, Snapshots
from ga_pygame.collector.page.tables import Card, LiveTable, TableCache, box, code, heading, label
from ga_pygame.collector.page.view import Frame, View, csv_link
from ga_pygame.collector.warehouse.database import NotReady
from ga_pygame.collector.warehouse.filters import BadFilter

PIXELS_OF_A_LINE = 26
PIXELS_AROUND_A_CHART = 80
"""Height of a chart whose lines stand below each other."""
SECONDS_PER_REFRESH = 4.0
"""Time between two reads of an open view's panels, if something has changed."""

AskPanels = Callable[[Snapshots, PageAddress], Coroutine[Any, Any, Panels]]
"""Reads the panels of a view, as the address filters them."""


DrawPicture = Callable[[Snapshots, PageAddress], Awaitable[bytes]]
"""Draws the picture of a view as SVG."""


def panel_view(
    name: str,
    title: str,
    counted: str,
    ask: AskPanels,
    *,
    filters: tuple[str, ...],
    draw: DrawPicture | None = None,
) -> View:
    """Make a view of panels. See `View` for the arguments.

    Args:
        name: Its name in the address.
        title: Its heading.
        counted: What is counted.
        ask: See `AskPanels`.
        filters: The filters that `ask` knows.
        draw: Draws the picture of its panels, if one has a picture.
    """

    async def sheets(data: Snapshots, address: PageAddress) -> Mapping[str, Sheet]:
        found = await ask(data, address)
        return {panel.name: panel.sheet for panel in found.panels}

    return View(name, title, counted, partial(_OpenPanels, ask), filters, sheets, panels=ask, draw=draw)


class _OpenPanels:
    """A view of panels in one tab."""

    def __init__(self, ask: AskPanels, frame: Frame) -> None:
        self._ask = ask
        self._frame = frame
        self._changes = -1
        self._asked_at = 0.0
        self._is_asking = False
        self._clock = clock.SystemClock()
        self._shape: list[tuple[object, ...]] = []
        self._built: PageAddress | None = None
        self._charts: dict[str, ui.echart] = {}
        self._texts: dict[str, ui.label] = {}
        self._pictures: dict[str, ui.element] = {}
        self._steps: dict[str, list[ui.element]] = {}
        self._heads: dict[str, tuple[TileRow, NoteList]] = {}
        self._tables: dict[str, Card] = {}
        self._rows = TableCache()
        self._status = label("hint", "reading …").props('role="status"')
        self._box = box("panels")

    def wants(self) -> None:
        return None

    async def begin(self) -> None:
        self._changes = -1
        self._rows.forget()
        await self._refresh()

    def show(self, snapshot: Snapshot) -> None:
        """Ask again if something has changed, in the background: an answer may take longer than a look."""
        due = self._clock.monotonic() - self._asked_at >= SECONDS_PER_REFRESH
        if due and not self._is_asking and snapshot.changes != self._changes:
            nicegui.background_tasks.create(self._refresh(), name="read the panels of a view")

    async def _refresh(self) -> None:
        data, address = self._frame.data, self._frame.address
        self._is_asking, self._asked_at, self._changes = True, self._clock.monotonic(), data.snapshot.changes
        try:
            asked = data.snapshot.changes
            found, self._changes = await data.panels.answer(address, asked, lambda: self._ask(data, address))
            choices = found.choices or await data.choices()
        except BadFilter as error:
            self._say(f"This address cannot be read: {error}.")
            return
        except NotReady:  # the collector has just started, or makes the file anew
            self._changes = -1  # ask again soon, also if nothing changes
            self._say("The figures are being prepared …")
            return
        except Exception:
            self._changes = -1
            self._say("These figures cannot be read now; the terminal of the collector says why.")
            raise
        finally:
            self._is_asking = False
        if address == self._frame.address and not self._box.is_deleted:  # else another view or filter was picked
            self._say(projection_words(data.progress))
            self._show(found, address)
            self._frame.offer(choices)

    def _say(self, words: str) -> None:
        if not self._status.is_deleted:  # another view may have been opened meanwhile, or the tab was closed
            self._status.set_text(words)

    def _show(self, found: Panels, address: PageAddress) -> None:
        shape: list[tuple[object, ...]] = [
            (
                address,
                panel.name,
                panel.title,
                panel.counted,
                panel.chart is None,
                not panel.sheet.rows,
                panel.lines,
                _kept_parts(panel),
            )
            for panel in found.panels
        ]
        if shape != self._shape:
            self._shape = shape
            self._build(found, address)
        for panel in found.panels:
            self._show_parts(panel)
            if not panel.sheet.rows:
                continue
            tiles, notes = self._heads[panel.name]
            tiles.show(panel.tiles)
            notes.show(panel.notes)
            chart = self._charts.get(panel.name)
            if chart is not None and panel.chart is not None and chart.options != panel.chart:
                chart.options.clear()
                chart.options.update(panel.chart)
                chart.update()
            self._rows.show(self._tables[panel.name], found.rows(panel))

    def _show_parts(self, panel: Panel) -> None:
        """Change what a panel has built, so that a person keeps the focus while events come in."""
        for link, (_, target) in zip(self._steps.get(panel.name, []), panel.steps, strict=False):
            if link.props.get("href") != target:
                link.props["href"] = target
                link.update()
        if panel.picture is not None and panel.name in self._pictures:
            image = self._pictures[panel.name]
            image.props.update({"src": panel.picture.href, "alt": panel.picture.said})
            image.update()
        if panel.name in self._texts:
            self._texts[panel.name].set_text(lines_shown(panel.text))

    def _build(self, found: Panels, address: PageAddress) -> None:
        self._charts, self._heads, self._tables, self._rows = {}, {}, {}, TableCache()
        self._texts, self._steps, self._pictures = {}, {}, {}
        self._box.clear()
        with self._box:
            for panel in found.panels:
                with box(f"card panel panel-{panel.name}" + (" wide" if panel.is_wide else "")):
                    self._build_panel(panel, address)
        self._built = address

    def _build_panel(self, panel: Panel, address: PageAddress) -> None:
        with box("bar"):
            title = heading(2, panel.title)
            if panel.is_opened and self._built not in (None, address):  # by a person, who used a link
                focus_on(title)
            if panel.sheet.rows:
                with box("controls"):
                    csv_anchor(panel.title, csv_link(address.view, panel.name, address))
        label("counted", panel.counted, tag="p")
        if panel.steps:
            with box("steps"):
                links = self._steps[panel.name] = [anchor(words, target) for words, target in panel.steps]
            for link in links:
                link.props["data-view"] = ""
        if not panel.sheet.rows:
            label("none", panel.empty)
            return
        if panel.text:
            self._texts[panel.name] = code(lines_shown(panel.text))
        self._heads[panel.name] = (TileRow(), NoteList())
        if panel.chart is not None:
            chart = self._charts[panel.name] = ui.echart(dict(panel.chart), renderer="svg").classes("chart")
            if panel.lines:
                chart.style(f"height: {PIXELS_AROUND_A_CHART + PIXELS_OF_A_LINE * panel.lines}px")
        elif panel.picture is not None:
            self._pictures[panel.name] = ui.element("img").classes("picture")
        elif not (panel.tiles or panel.notes):
            self._build_table(panel)
            return
        with ui.element("details"):
            label("", f"{panel.title} as a table", tag="summary")
            self._build_table(panel)

    def _build_table(self, panel: Panel) -> None:
        columns = [{"label": column.label, "kind": column.kind} for column in panel.sheet.columns]
        none = label("none", "")
        self._tables[panel.name] = (LiveTable(panel.title, columns, MAX_PANEL_ROWS_SHOWN), none)
        if len(panel.sheet.rows) > MAX_PANEL_ROWS_SHOWN:
            label(
                "none",
                f"the first {MAX_PANEL_ROWS_SHOWN} of {len(panel.sheet.rows):,} rows; the CSV has all",
            )


def _kept_parts(panel: Panel) -> tuple[object, ...]:
    """Return what of a panel's text and steps cannot change without building it anew."""
    return (bool(panel.text), tuple(words for words, _ in panel.steps))
