"""The page's building blocks: boxes, texts, and tables whose rows are pushed to the browser.

Imported by `dashboard` only, which prepares NiceGUI's environment first.
"""

from __future__ import annotations

from nicegui import ui

from ga_pygame.collector.rows import Row


class LiveTable(ui.element, component="live_table.js"):
    """A table in the browser; rows are pushed to it and not kept here."""

    def __init__(self, columns: list[dict[str, str]], most: int, *, details: bool = False) -> None:
        super().__init__()
        self._props["columns"] = columns
        self._props["most"] = most
        self._props["details"] = details

    def prepend(self, new: list[Row]) -> None:
        """Put rows on top; the oldest fall off at the bottom."""
        self.run_method("prepend", new)

    def replace(self, all_rows: list[Row]) -> None:
        """Show these rows only."""
        self.run_method("replace", all_rows)


Card = tuple[LiveTable, ui.element]
"""A table, and what stands in its place while it is empty."""


class Shown:
    """What the browser shows in each table, so that only changes are sent."""

    def __init__(self) -> None:
        self._rows: dict[LiveTable, list[Row]] = {}

    def show(self, card: Card, found: list[Row]) -> None:
        """Show these rows in a card's table."""
        table, none = card
        if self._rows.get(table) != found:
            self._rows[table] = found
            table.replace(found)
            table.set_visibility(bool(found))
            none.set_visibility(not found)


def box(classes: str) -> ui.element:
    """A part of the page."""
    return ui.element("div").classes(classes)


def text(classes: str, words: str) -> ui.label:
    """A text; never markup."""
    return ui.label(words).classes(classes)


def code(words: str) -> None:
    """Lines to copy."""
    with ui.element("pre"):
        ui.label(words)


def table_card(title: str, classes: str, columns: list[dict[str, str]], most: int) -> Card:
    """A card with a title and a table of at most so many rows."""
    with box(f"card {classes}"):
        with box("bar"):
            text("title", title)
        none = text("none", "none yet")
        table = LiveTable(columns, most)
        table.set_visibility(False)
    return table, none
