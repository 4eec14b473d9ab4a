"""The filter bar: a control for each filter that the open view knows.

Only for the modules that `dashboard` imports: it prepares NiceGUI's environment before the import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nicegui import ui

from ga_pygame.collector.page.address import FILTERS, PageAddress
from ga_pygame.collector.page.elements import Changed, KnownValues, anchor, choice, field, show_value
from ga_pygame.collector.page.tables import box, label

_ALWAYS_SEEN = (
    "days",
    "build",
    "other_build",
    "platform",
    "search",
    "user_id",
    "who",
    "level",
    "session_id",
    "text",
    "map",
    "event_id",
    "field",
    "minutes",
)
"""The filters in the first line; the others are below "more filters"."""


class FilterBar:
    """The bar of one tab.

    Args:
        changed: Called with the name of a filter and its new value.
    """

    def __init__(self, changed: Callable[[str, str], None]) -> None:
        self._changed = changed
        self._names: tuple[str, ...] = ()
        self._shown: PageAddress | None = None
        self._controls: dict[str, ui.element] = {}
        self._lists: dict[str, KnownValues] = {}
        self._offered: Mapping[str, tuple[str, ...]] = {}
        self._box = box("filters").props('role="search" aria-label="filters"')

    def show(self, address: PageAddress, names: tuple[str, ...]) -> None:
        """Show the filters of an address.

        Args:
            address: The address.
            names: The filters that the open view knows.
        """
        if names != self._names or self._shown is None:
            self._names = names
            self._build(address)
        else:
            for name, control in self._controls.items():
                if address.filters.get(name) != self._shown.filters.get(name):
                    show_value(control, address.filters.get(name, ""))
        self._shown = address
        known = [name for name in names if name in address.filters]
        kept = {name: value for name, value in address.filters.items() if name == "steps"}
        self._clear.props["href"] = PageAddress(address.view, kept).link()
        self._clear.update()
        self._clear.set_visibility(bool(known))
        hidden = [name for name in known if name not in _ALWAYS_SEEN]
        self._more.set_text(f"more filters ({len(hidden)} set)" if hidden else "more filters")

    def _build(self, address: PageAddress) -> None:
        self._controls, self._lists, self._offered = {}, {}, {}
        self._box.clear()
        self._box.set_visibility(bool(self._names))
        first = [name for name in _ALWAYS_SEEN if name in self._names]
        rest = [name for name in self._names if name not in first]
        with self._box:
            with box("fields"):
                for name in first:
                    self._control(name, address)
                self._clear = anchor("Clear filters", "").classes("clear")
                self._clear.props["data-view"] = ""
            with ui.element("details") as details:
                self._more = label("", "more filters", tag="summary")
                with box("fields"):
                    for name in rest:
                        self._control(name, address)
            details.set_visibility(bool(rest))

    def _control(self, name: str, address: PageAddress) -> None:
        one, value = FILTERS[name], address.filters.get(name, "")
        with label("field", "", tag="label"):
            label("", one.label, tag="span")
            if one.choices:
                self._controls[name] = choice(one.label, one.choices, value, self._teller(name))
                return
            kind = one.kind
            made = self._controls[name] = field(kind, value, self._teller(name), name=name)
            if kind == "text":
                self._lists[name] = KnownValues()
                made.props["list"] = self._lists[name].html_id

    def _teller(self, name: str) -> Changed:
        return lambda value: self._changed(name, value)

    def offer(self, choices: Mapping[str, tuple[str, ...]]) -> None:
        """Offer known values in the inputs, by the name of the filter."""
        if choices == self._offered:
            return
        self._offered = choices
        for name, known in self._lists.items():
            known.offer(choices.get(name, ()))
