"""What a panel shows above its chart: figures in large type, and sentences with links.

Only for the modules that `dashboard` imports: it prepares NiceGUI's environment before the import.
Both change in place, so that the focus stays where it is while events come in.
"""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from ga_pygame.collector.page.panels import Note, Tile
from ga_pygame.collector.page.tables import box, label
from ga_pygame.collector.plain_text import visible


class TileRow:
    """The tiles of a panel, in the present slot."""

    def __init__(self) -> None:
        self._box = ui.element("dl").classes("tiles")
        self._box.set_visibility(False)
        self._shown: tuple[Tile, ...] = ()
        self._labels: list[tuple[ui.label, ui.label, ui.label]] = []

    def show(self, tiles: Sequence[Tile]) -> None:
        """Show these tiles."""
        if tuple(tiles) == self._shown:
            return
        if len(tiles) != len(self._shown):
            self._build(len(tiles))
        for tile, (name, value, hint) in zip(tiles, self._labels, strict=True):
            name.set_text(tile.label)
            value.set_text(tile.value)
            hint.set_text(tile.hint)
        self._shown = tuple(tiles)

    def _build(self, number: int) -> None:
        self._box.clear()
        self._box.set_visibility(bool(number))
        self._labels = []
        with self._box:
            for _ in range(number):
                with box("tile"):
                    name = label("label", "", tag="dt")
                    self._labels.append((name, label("number", "", tag="dd"), label("hint", "", tag="dd")))


class NoteList:
    """The notes of a panel, in the present slot."""

    def __init__(self) -> None:
        self._box = ui.element("ul").classes("notes")
        self._box.set_visibility(False)
        self._shown: tuple[Note, ...] = ()
        self._items: list[tuple[ui.label, ui.label]] = []

    def show(self, notes: Sequence[Note]) -> None:
        """Show these notes."""
        if tuple(notes) == self._shown:
            return
        if len(notes) != len(self._shown):
            self._build(len(notes))
        for note, (sentence, link) in zip(notes, self._items, strict=True):
            sentence.set_text(visible(note.sentence))
            link.props["href"] = note.target
            link.props["aria-label"] = f"{note.words}: {visible(note.sentence)}"
            link.set_text(note.words)
            link.update()
        self._shown = tuple(notes)

    def _build(self, number: int) -> None:
        self._box.clear()
        self._box.set_visibility(bool(number))
        self._items = []
        with self._box:
            for _ in range(number):
                with ui.element("li"):
                    sentence = label("", "", tag="span")
                    link = label("", "", tag="a")
                    link.props["data-view"] = ""
                    self._items.append((sentence, link))
