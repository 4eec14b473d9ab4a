"""Native controls of the page: choices, inputs, links and buttons, each with a name for screen readers.

Only for the modules that `dashboard` imports: it prepares NiceGUI's environment before the import. Values from outside
are set as properties of elements, never parsed.

The first value of a control is an HTML attribute (`^` for Vue), which the browser reads once: a value that Vue knows
would be set again whenever anything on the page changes, over what the person is just typing.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from nicegui import ui

from ga_pygame.collector.page.rows import short
from ga_pygame.collector.page.tables import label

Changed = Callable[[str], Awaitable[None] | None]
"""Called with the text that the person chose or typed."""


MAX_CHOICES_SHOWN = 200
"""Known values that an input offers."""


class KnownValues(ui.element, component="known_values.js"):
    """The values that an input offers; one element for all, since an element takes 6 KB of the collector's memory."""

    def __init__(self) -> None:
        super().__init__()
        self._props["values"] = []

    def offer(self, values: Sequence[str]) -> None:
        """Offer these values; those beyond `MAX_CHOICES_SHOWN` are left out."""
        shown = [[value, short(value, 80)] for value in values[:MAX_CHOICES_SHOWN]]
        if shown != self._props["values"]:
            self._props["values"] = shown
            self.update()


def choice(name: str, known: Sequence[tuple[str, str]], value: str, changed: Changed, *, said: str = "") -> ui.element:
    """Make a choice from values and their words.

    Args:
        name: Its name for screen readers, unless a label element says it.
        known: Value and words of each choice.
        value: The chosen value; if it is not among the known ones, it becomes one.
        changed: See `Changed`.
        said: The id of the element that labels it.
    """
    some = list(known) if value in dict(known) else [*known, (value, value)]
    with ui.element("select") as pick:
        for one, words in some:
            option = label("", words, tag="option")
            option.props["value"] = one
            if one == value:
                option.props["^selected"] = True
    pick.props["id" if said else "aria-label"] = said or name
    _on_change(pick, changed)
    return pick


def field(kind: str, value: str, changed: Changed, **properties: str) -> ui.element:
    """Make an input of a type of HTML, e.g. `text` or `date`; the properties are HTML's, with `_` for `-`."""
    made = ui.element("input")
    made.props.update({"type": kind, "^value": value, "autocomplete": "off"})
    made.props.update({name.replace("_", "-"): one for name, one in properties.items()})
    _on_change(made, changed)
    return made


def show_value(control: ui.element, value: str) -> None:
    """Show another value in a choice or an input."""
    text = json.dumps(value)
    control.client.run_javascript(f"const one = getHtmlElement({control.id}); if (one) one.value = {text};")


def focus_on(element: ui.element) -> None:
    """Move the focus to a text that is being built, e.g. the heading of what a person has opened."""
    element.props["tabindex"] = "-1"
    give_focus(element)


def give_focus(control: ui.element) -> None:
    """Move the focus to a control that is being built, if it still is: the one that had the focus may be gone."""
    if control.is_deleted:
        return
    script = f"setTimeout(() => {{ const one = getHtmlElement({control.id}); if (one) one.focus(); }})"
    control.client.run_javascript(script)


def _on_change(control: ui.element, changed: Changed) -> None:
    async def tell(event: Any) -> None:
        told = changed(event.args if isinstance(event.args, str) else "")
        if told is not None:
            await told

    control.on("change", tell, js_handler="(event) => emit(event.target.value)")


def button(words: str, act: Callable[[], Awaitable[None] | None], *, said: str = "") -> ui.element:
    """Make a button.

    Args:
        words: Its words.
        act: What it does.
        said: Its name for screen readers, if the words do not say it alone.
    """
    made = label("plain", words, tag="button").props('type="button"')
    if said:
        made.props["aria-label"] = said
    made.on("click", act, args=[])
    return made


def anchor(words: str, target: str) -> ui.element:
    """Make a link."""
    made = label("", words, tag="a")
    made.props["href"] = target
    return made


def csv_anchor(what: str, target: str) -> ui.element:
    """Make the link to a table's CSV."""
    made = anchor("CSV", target).classes("csv")
    made.props.update({"download": f"{what}.csv", "aria-label": f"{what} as CSV"})
    return made
