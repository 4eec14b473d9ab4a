"""The view Funnel: steps that a person picks from event ids, and how many players did each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from nicegui import ui

from ga_pygame.collector.page.address import METRIC_FILTERS, PageAddress
from ga_pygame.collector.page.charts import funnel_chart
from ga_pygame.collector.page.elements import KnownValues, button, field, show_value
from ga_pygame.collector.page.panel_view import panel_view
from ga_pygame.collector.page.panels import Column, Panel, Panels, Sheet
from ga_pygame.collector.page.snapshots import Snapshot, Snapshots
from ga_pygame.collector.page.tables import box, heading, label
from ga_pygame.collector.page.view import Frame
from ga_pygame.collector.warehouse.database import NotReady
from ga_pygame.collector.warehouse.filters import BadFilter
from ga_pygame.collector.warehouse.metrics.event_ids import EventId
from ga_pygame.collector.warehouse.metrics.funnel import (
    DEFAULT_WINDOW_MINUTES,
    MAX_STEPS,
    MAX_WINDOW_MINUTES,
    MIN_STEPS,
    FunnelStep,
    split_steps,
)

_STEP_COLUMNS = (
    Column("step", "number"),
    Column("event id"),
    Column("players", "number"),
    Column("lost before it", "number"),
    Column("of the step before", "share"),
    Column("from", "share"),
    Column("to", "share"),
    Column("of the first step", "share"),
    Column("median seconds after it", "number"),
    Column("after the first", "number"),
    Column("note", "soft"),
)


async def _ask_funnel(data: Snapshots, address: PageAddress) -> Panels:
    steps = split_steps(address.filters.get("steps", ""))
    minutes = window_of(address)
    return funnel_panels(await data.metric("funnel", address, steps=steps, minutes=minutes), steps, minutes)


def window_of(address: PageAddress) -> int:
    """Return the window of an address in minutes."""
    return min(int(address.filters.get("minutes", DEFAULT_WINDOW_MINUTES)), MAX_WINDOW_MINUTES)


def funnel_panels(rows: Sequence[FunnelStep], steps: Sequence[str], minutes: int) -> Panels:
    """Make the panel of the view."""
    cells = [
        (
            row.step,
            row.event_id,
            row.players,
            row.lost,
            row.step_rate,
            row.step_low,
            row.step_high,
            row.total_rate,
            row.median_seconds,
            row.median_total_seconds,
            "not enough players yet" if row.is_few else "",
        )
        for row in rows
    ]
    chart = funnel_chart("Players who did each step", [(f"{row.step}. {row.event_id}", row.players) for row in rows])
    counted = (
        f"Players who did a step and all steps before it in this order, each at most {minutes:,} minutes after the one"
        " before. A step that is repeated counts once. From and to: the interval of 95 %."
    )
    empty = (
        f"Choose {MIN_STEPS} to {MAX_STEPS} steps above." if len(steps) < MIN_STEPS else "No player did the first step."
    )
    is_empty = not rows or not rows[0].players
    return Panels(
        (Panel("steps", "Players by step", counted, Sheet(_STEP_COLUMNS, [] if is_empty else cells), chart, empty),)
    )


def changed_steps(steps: Sequence[str], place: int, text: str) -> str:
    """Return the steps for an address after one was typed; an empty text removes it, commas separate several.

    Args:
        steps: The steps before.
        place: Which one; behind the last one it is added.
        text: What was typed.
    """
    return ",".join(split_steps(",".join([*steps[:place], text, *steps[place + 1 :]])))


def moved_step(steps: Sequence[str], place: int) -> str:
    """Return the steps for an address after one was moved up."""
    moved = list(steps)
    moved[place - 1 : place + 1] = [steps[place], steps[place - 1]]
    return ",".join(moved)


class StepPicker:
    """The inputs for the steps in one tab. They are built once, so that the focus stays while steps are picked."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._rows: list[ui.element] = []
        self._inputs: list[ui.element] = []
        self._ups: list[ui.element] = []
        self._removals: list[ui.element] = []
        with box("card form steps"):
            heading(2, "Steps")
            self._none = label("none", "")
            self._known = KnownValues()
            for place in range(MAX_STEPS):
                self._build_row(place)

    @property
    def _steps(self) -> list[str]:
        return split_steps(self._frame.address.filters.get("steps", ""))

    def _build_row(self, place: int) -> None:
        with box("line") as row:
            with label("field step", "", tag="label"):
                label("", f"step {place + 1}", tag="span")
                made = field("text", "", lambda text: self._go(changed_steps(self._steps, place, text)))
                made.props["list"] = self._known.html_id
            up = button("Up", lambda: self._move(place), said=f"move step {place + 1} up")
            gone = button("Remove", lambda: self._remove(place), said=f"remove step {place + 1}")
        self._rows.append(row)
        self._inputs.append(made)
        self._ups.append(up)
        self._removals.append(gone)

    def _go(self, steps: str) -> None:
        self._frame.go(self._frame.address.with_filter("steps", steps))
        self._show(split_steps(steps))  # also if the address stays the same: what was typed may be what is there

    def _move(self, place: int) -> None:
        steps = self._steps
        if 0 < place < len(steps):
            self._go(moved_step(steps, place))
            self._focus(place - 1)

    def _remove(self, place: int) -> None:
        self._go(changed_steps(self._steps, place, ""))
        self._focus(place)

    def _focus(self, place: int) -> None:
        """Move the focus to a step's input: the button that had it may be gone."""
        made = self._inputs[place]
        made.client.run_javascript(f"getHtmlElement({json.dumps(made.id)})?.focus()")

    async def begin(self) -> None:
        """Show the steps of the address, and offer the event ids."""
        address = self._frame.address
        self._show(self._steps)
        try:
            known: list[EventId] = await self._frame.data.metric("event_ids", address)
        except (BadFilter, NotReady):  # the panels say why
            return
        if self._known.is_deleted:  # another view was opened meanwhile, or the tab was closed
            return
        self._known.offer([one.event_id for one in known])
        self._none.set_text(
            "Choose an event id, or type one: of progression with Start:, Fail: or Complete: in front, of resources"
            " with Source: or Sink:."
            if known
            else 'No event id yet: report tracker.design("tutorial:done") or tracker.progression.start("forest", "1").'
        )

    def _show(self, steps: Sequence[str]) -> None:
        for place, row in enumerate(self._rows):
            is_there = place < len(steps)
            show_value(self._inputs[place], steps[place] if is_there else "")
            row.set_visibility(place <= len(steps))
            self._ups[place].set_visibility(is_there and place > 0)
            self._removals[place].set_visibility(is_there)


class _OpenFunnel:
    """The view in one tab: the picker above the panel."""

    def __init__(self, frame: Frame) -> None:
        self._picker = StepPicker(frame)
        self._panels = _PANELS.build(frame)

    def wants(self) -> None:
        return None

    async def begin(self) -> None:
        await self._picker.begin()
        await self._panels.begin()

    def show(self, snapshot: Snapshot) -> None:
        self._panels.show(snapshot)


_PANELS = panel_view(
    "funnel",
    "Funnel",
    "How many players did one step after the other, over the chosen days.",
    _ask_funnel,
    filters=(*METRIC_FILTERS, "minutes"),
)
FUNNEL_VIEW = replace(_PANELS, build=_OpenFunnel)
