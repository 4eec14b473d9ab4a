"""Building blocks of the page: boxes, texts, and tables whose rows are pushed to the browser.

Only for `dashboard` and what it imports: it prepares NiceGUI's environment before the import.
"""

from __future__ import annotations

from nicegui import ui

from ga_pygame.collector.page.rows import TableRow


class LiveTable(ui.element, component="live_table.js"):
    """A table in the browser. Its rows are pushed and not kept on the server.

    Args:
        label: Its name for screen readers.
        columns: `label` and `kind` of each. The kind `game` is shown only if there are several games.
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
        """Add rows on top; rows beyond `most` are removed at the bottom."""
        self.run_method("prepend", new)

    def replace(self, all_rows: list[TableRow]) -> None:
        """Replace all rows by these."""
        self.run_method("replace", all_rows)

    def show_games(self, several: bool) -> None:
        """Show or hide the column of the game."""
        self.run_method("show_games", several)


Card = tuple[LiveTable, ui.element]
"""A table, and the element that is shown in its place while it is empty."""


class TableCache:
    """The rows that the browser shows in each table, so that only changes are sent."""

    def __init__(self) -> None:
        self._rows: dict[LiveTable, list[TableRow]] = {}

    def forget(self) -> None:
        """Forget the rows, so that the next `show` sends all of them."""
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
    """Make a `div`."""
    return ui.element("div").classes(classes)


def label(classes: str, words: str, *, tag: str = "div") -> ui.label:
    """Make an element with a text; the text is never markup."""
    element = ui.label(words).classes(classes)
    element.tag = tag
    return element


def heading(level: int, words: str) -> ui.label:
    """Make a heading: level 1 for the view, 2 for a card."""
    return label("title", words, tag=f"h{level}")


def code(words: str) -> ui.label:
    """Make a block of lines to copy; it can be scrolled by keyboard."""
    return label("", words, tag="pre").props('tabindex="0"')


def table_card(title: str, classes: str, columns: list[dict[str, str]], most: int, *, service: str = "") -> Card:
    """Make a card with a title and a table.

    Args:
        title: The heading.
        classes: CSS classes.
        columns: See `LiveTable`.
        most: See `LiveTable`.
        service: The service of the section that the card is in; "" if it is in none.
    """
    with box(f"card {classes}"):
        with box("bar"):
            heading(2, title)
        none = label("none", "none yet")
        table = LiveTable(f"{service} {title}".strip(), columns, most)
        table.set_visibility(False)
    return table, none
