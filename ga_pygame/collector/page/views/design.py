"""The view Design: the tree of design events, a histogram of their values, a custom field, and unique values."""

from __future__ import annotations

from collections.abc import Sequence

from ga_pygame.collector.page.address import METRIC_FILTERS, PageAddress
from ga_pygame.collector.page.charts import bar_chart
from ga_pygame.collector.page.panel_view import panel_view
from ga_pygame.collector.page.panels import Column, Panel, Panels, Sheet, number_shown
from ga_pygame.collector.page.snapshots import Snapshots
from ga_pygame.collector.page.views.unique_values import unique_values_panel
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS
from ga_pygame.collector.warehouse.metrics.design import DesignNode
from ga_pygame.collector.warehouse.metrics.design_fields import DesignFieldValue, is_field_name
from ga_pygame.collector.warehouse.metrics.design_values import ValuesInterval

_INDENT = "· "
_NO_EVENT = 'No design event in this range: report tracker.design("kill:slime", 3) for whatever you want to count.'
_NO_VALUE = 'No event with a value here: give tracker.design("kill:slime", 3) a number, or choose another event id.'
_NO_FIELD = (
    'No custom field here: report tracker.design("kill:slime", fields={"weapon": "bow"}), then choose the field.'
)
_WITHOUT = "(without it)"


async def _ask_design(data: Snapshots, address: PageAddress) -> Panels:
    event_id, field = address.filters.get("event_id", ""), address.filters.get("field", "")
    nodes: list[DesignNode] = await data.metric("design", address)
    names = [one.field for one in await data.metric("field_names", address)]
    known = field if is_field_name(field) else next(iter(names), "")
    values = await data.metric("design_values", address, event_id=event_id or most_frequent(nodes))
    parts = await data.metric("design_fields", address, field=known, event_id=event_id) if known else []
    unique = unique_values_panel(await data.metric("unique_values", address))
    choices = {"event_id": tuple(node.event_id for node in nodes), "field": tuple(names)}
    panels = (tree_panel(nodes, event_id), values_panel(values), fields_panel(parts, event_id), unique)
    return Panels(panels, choices)


def most_frequent(nodes: Sequence[DesignNode]) -> str:
    """Return the event id with most values, for the histogram; "" if there is none."""
    own = [node for node in nodes if node.own_events and node.values]
    return max(own, key=lambda node: node.values).event_id if own else ""


def tree_panel(nodes: Sequence[DesignNode], event_id: str) -> Panel:
    """Make the panel of the tree; of the event ids below one, if one is chosen."""
    shown = [node for node in nodes if not event_id or f"{node.event_id}:".startswith(f"{event_id}:")]
    columns = (
        Column("event id"),
        Column("events", "number"),
        Column("players", "number"),
        Column("events per player", "number"),
        Column("sum", "number"),
        Column("mean", "number"),
        Column("least", "number"),
        Column("most", "number"),
        Column("note", "soft"),
    )
    cells = [
        (
            _INDENT * (node.depth - 1) + node.event_id,
            node.events,
            node.players,
            node.events_per_player,
            node.sum,
            node.mean,
            node.least,
            node.most,
            _few_note(is_few=node.is_few),
        )
        for node in shown
    ]
    counted = (
        "A line counts the events with this id and those whose id goes on with ':'. Sum, mean, least and most are"
        " those of the events that have a value. n < 20: so few players that the figures say little."
    )
    return Panel("tree", "Event ids", counted, Sheet(columns, cells), None, _NO_EVENT, is_wide=True)


def values_panel(rows: Sequence[ValuesInterval]) -> Panel:
    """Make the panel of the histogram."""
    columns = (
        Column("from", "number"),
        Column("below", "number"),
        Column("events", "number"),
        Column("players", "number"),
        Column("note", "soft"),
    )
    cells = [
        (row.start, row.end, row.events, row.players, _few_note(is_few=row.is_few and row.players > 0)) for row in rows
    ]
    event_id = rows[0].event_id if rows else ""
    chart = bar_chart(
        "Events by their value", [number_shown(row.start) for row in rows], {"events": [row.events for row in rows]}
    )
    counted = (
        f"Events by their value, of {event_id} and what goes on with ':'. A bar begins at the number below it and ends"
        " before the next one. Choose another event id above."
        if rows
        else "Events by their value."
    )
    return Panel("values", "Values", counted, Sheet(columns, cells), chart, _NO_VALUE)


def fields_panel(rows: Sequence[DesignFieldValue], event_id: str) -> Panel:
    """Make the panel of a custom field."""
    columns = (
        Column("value of the field"),
        Column("events", "number"),
        Column("players", "number"),
        Column("sum", "number"),
        Column("mean", "number"),
        Column("note", "soft"),
    )
    words = [_WITHOUT if row.field_value is None else row.field_value for row in rows]
    cells = [
        (said, row.events, row.players, row.sum, row.mean, _few_note(is_few=row.is_few))
        for said, row in zip(words, rows, strict=True)
    ]
    field = rows[0].field if rows else ""
    chart = bar_chart(
        "Events by the custom field", words, {"events": [row.events for row in rows]}, lying=len(rows) < 12
    )
    counted = (
        f"Events by the custom field {field}, of {event_id or 'all event ids'}; sum and mean are those of the events'"
        " values. Choose another custom field above."
        if rows
        else "Events by a custom field."
    )
    return Panel("fields", "Custom field", counted, Sheet(columns, cells), chart, _NO_FIELD)


def _few_note(*, is_few: bool) -> str:
    return f"n < {FEW_PLAYERS}" if is_few else ""


DESIGN_VIEW = panel_view(
    "design",
    "Design",
    "Your own events by their ids: how often, by how many players, with which values; and what nears a limit.",
    _ask_design,
    filters=(*METRIC_FILTERS, "event_id", "field"),
)
