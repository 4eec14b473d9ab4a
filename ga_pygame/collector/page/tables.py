"""The page's building blocks: boxes, texts, and tables whose rows are pushed to the browser.

Imported by `dashboard` only, which prepares NiceGUI's environment first.
"""

from __future__ import annotations

from nicegui import ui

from ga_pygame.collector.page.rows import TableRow


class LiveTable(ui.element, component="live_table.js"):
    """A table in the browser; rows are pushed to it and not kept here.

    Args:
        label: What it is, for who cannot see it.
        columns: `label` and `kind` of each; one of the kind `game` is shown only where there are several.
        most: Rows that it shows at most.
        details: Whether a row can be opened.
    """

    def __init__(self, label: str, columns: list[dict[str, str]], most: int, *, details: bool = False) -> None:
        super().__init__()
        self._props["label"] = label
        self._props["columns"] = columns
        self._props["most"] = most
        self._props["details"] = details

    def prepend(self, new: list[TableRow]) -> None:
        """Put rows on top; the oldest fall off at the bottom."""
        self.run_method("prepend", new)

    def replace(self, all_rows: list[TableRow]) -> None:
        """Show these rows only."""
        self.run_method("replace", all_rows)

    def show_games(self, several: bool) -> None:
        """Show which game a row is of."""
        self.run_method("show_games", several)


Card = tuple[LiveTable, ui.element]
"""A table, and what stands in its place while it is empty."""


class TableCache:
    """What the browser shows in each table, so that only changes are sent."""

    def __init__(self) -> None:
        self._rows: dict[LiveTable, list[TableRow]] = {}

    def forget(self) -> None:
        """Send everything again the next time."""
        self._rows.clear()

    def show(self, card: Card, found: list[TableRow]) -> None:
        """Show these rows in a card's table."""
        table, none = card
        before = self._rows.get(table)
        if before is not found and before != found:
            self._rows[table] = found
            table.replace(found)
            table.set_visibility(bool(found))
            none.set_visibility(not found)


def box(classes: str) -> ui.element:
    """A part of the page."""
    return ui.element("div").classes(classes)


def label(classes: str, words: str, *, tag: str = "div") -> ui.label:
    """A text; never markup."""
    label = ui.label(words).classes(classes)
    label.tag = tag
    return label


def heading(level: int, words: str) -> None:
    """A heading of the page (1), a card or a service (2), a card of a service (3)."""
    label("title", words, tag=f"h{level}")


def code(words: str) -> None:
    """Lines to copy; they can be scrolled by keyboard."""
    label("", words, tag="pre").props('tabindex="0"')


def table_card(title: str, classes: str, columns: list[dict[str, str]], most: int, *, service: str = "") -> Card:
    """A card with a title and a table of at most so many rows.

    Args:
        title: The heading.
        classes: CSS classes.
        columns: See `LiveTable`.
        most: See `LiveTable`.
        service: Whose section the card is in, if it is in one.
    """
    with box(f"card {classes}"):
        with box("bar"):
            heading(3 if service else 2, title)
        none = label("none", "none yet")
        table = LiveTable(f"{service} {title}".strip(), columns, most)
        table.set_visibility(False)
    return table, none
