"""The view Economy: sources and sinks of virtual currencies, flow and balance by day."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import replace

from ga_pygame.collector.page.address import METRIC_FILTERS, PageAddress
from ga_pygame.collector.page.charts import bar_chart, line_chart
from ga_pygame.collector.page.panel_view import panel_view
from ga_pygame.collector.page.panels import Column, Panel, Panels, Sheet, sheet_of_tuples
from ga_pygame.collector.page.rows import short
from ga_pygame.collector.page.snapshots import Snapshots
from ga_pygame.collector.warehouse.metrics.economy import EconomyRow
from ga_pygame.collector.warehouse.metrics.economy_days import EconomyDay

MAX_CURRENCIES_DRAWN = 4
"""Currencies with charts of their own; tables and CSV have all."""

_NO_FLOW = (
    'No source or sink in this range: report tracker.resource.source("gold", 10, "pickup", "coin") when a player gains'
    ' something, and tracker.resource.sink("gold", 5, "shop", "sword") when they spend it.'
)
_CURRENCY_COLUMNS = (
    Column("currency"),
    Column("what stands out"),
    Column("source", "number"),
    Column("sink", "number"),
    Column("flow", "number"),
    Column("flow per active player", "number"),
    Column("sink ÷ source", "share"),
    Column("flow per player and day, first half", "number"),
    Column("second half", "number"),
    Column("growth", "share"),
    Column("players", "number"),
)
_ITEM_COLUMNS = (
    Column("currency"),
    Column("item type"),
    Column("item"),
    Column("source", "number"),
    Column("sink", "number"),
    Column("flow", "number"),
    Column("events", "number"),
    Column("players", "number"),
)


async def _ask_economy(data: Snapshots, address: PageAddress) -> Panels:
    return economy_panels(
        await data.metric("economy", address),
        await data.metric("economy", address, by="item_type"),
        await data.metric("economy", address, by="item"),
        await data.metric("economy_days", address),
    )


def economy_panels(
    currencies: Sequence[EconomyRow],
    types: Sequence[EconomyRow],
    items: Sequence[EconomyRow],
    days: Sequence[EconomyDay],
) -> Panels:
    """Make the panels of the view."""
    return Panels(
        (
            _currencies(currencies),
            *_of_each_currency(_flows, currencies, days),
            *_of_each_currency(_balances, currencies, days),
            _parts_panel(types, "item_types"),
            _parts_panel(items, "items"),
        )
    )


def _of_each_currency(
    panel_of: Callable[[Sequence[EconomyDay], Sequence[datetime.date]], Panel],
    currencies: Sequence[EconomyRow],
    rows: Sequence[EconomyDay],
) -> list[Panel]:
    """Make a panel for each of the currencies with the most players: amounts of two currencies share no axis."""
    days = sorted({row.day for row in rows})
    whole = panel_of(rows, days)
    told = {row.currency for row in rows}
    if len(told) <= 1:
        return [whole]
    known = [row for row in currencies if row.currency in told]
    most = sorted(known, key=lambda row: (-row.players, row.currency))[:MAX_CURRENCIES_DRAWN]
    found = []
    for number, currency in enumerate((row.currency for row in most), 1):
        panel = panel_of([row for row in rows if row.currency == currency], days)
        title = f"{panel.title}: {short(currency, 40)}"
        found.append(replace(panel, name=f"{panel.name}_{number}", title=title))
    if len(known) > len(most):
        found.append(replace(whole, chart=None, title=f"{whole.title}: all currencies"))
    return found


def what_stands_out(row: EconomyRow) -> str:
    """Say in words what a currency is marked with, with its figure and its number of players."""
    if row.is_few:
        return f"not enough players yet ({row.players} of 20)"
    found = []
    if row.is_hoarded and row.sink_share is not None:
        found.append(f"hoarded: players spend {row.sink_share:.0%} of what they gain")
    if row.is_inflating and row.flow_growth_rate is not None:
        found.append(f"inflates: flow per player and day grew by {row.flow_growth_rate:.0%}")
    return "; ".join(found) + (f" ({row.players} players)" if found else "")


def _currencies(rows: Sequence[EconomyRow]) -> Panel:
    cells = [
        (
            row.currency,
            what_stands_out(row),
            row.source,
            row.sink,
            row.flow,
            row.flow_per_player,
            row.sink_share,
            row.first_half_flow,
            row.second_half_flow,
            row.flow_growth_rate,
            row.players,
        )
        for row in rows
    ]
    counted = (
        "Amounts of the resource events: a source is what players gained, a sink what they spent, flow is the"
        " source minus the sink. Hoarded: sinks are below 5 % of the sources. Inflates: the flow per active player and"
        " day is at least 25 %"
        " higher in the second half of the range than in the first. Both are said from 20 players on."
    )
    return Panel("currencies", "Currencies", counted, Sheet(_CURRENCY_COLUMNS, cells), None, _NO_FLOW, is_wide=True)


def _flows(rows: Sequence[EconomyDay], days: Sequence[datetime.date]) -> Panel:
    counted = (
        "Source minus sink by day, divided by the players with any event on that day. Above zero, players gain"
        " more than they spend. The table has the sums, too."
    )
    said = "Flow per active player by day"
    chart = _by_day(said, days, {row: row.flow_per_player for row in rows})
    return Panel("flow", "Flow per active player", counted, sheet_of_tuples(EconomyDay, rows), chart, _NO_FLOW)


def _balances(rows: Sequence[EconomyDay], days: Sequence[datetime.date]) -> Panel:
    counted = (
        "What a player holds at the end of a day: all sources minus all sinks since their first event, also before the"
        " range. Shown is the median of the players who gained or spent something on that day."
    )
    columns = (
        Column("currency"),
        Column("day"),
        Column("median held", "number"),
        Column("mean held", "number"),
        Column("players", "number"),
        Column("balance of all players", "number"),
    )
    cells = [
        (row.currency, str(row.day), row.median_holding, row.mean_holding, row.players, row.balance) for row in rows
    ]
    chart = _by_day("Median held by a player, by day", days, {row: row.median_holding for row in rows})
    return Panel("balance", "Balance of a player", counted, Sheet(columns, cells), chart, _NO_FLOW)


def _by_day(said: str, days: Sequence[datetime.date], values: dict[EconomyDay, float | None]) -> dict[str, object]:
    """Draw a line for each currency over all days."""
    found = {(row.currency, row.day): value for row, value in values.items()}
    series = {
        currency: [found.get((currency, day)) for day in days] for currency in sorted({row.currency for row in values})
    }
    return line_chart(said, [str(day) for day in days], series)


def _parts_panel(rows: Sequence[EconomyRow], name: str) -> Panel:
    largest = sorted(rows, key=lambda row: -(row.source + row.sink))
    cells = [
        (
            row.currency,
            row.item_type,
            row.item_id,
            row.source,
            row.sink,
            row.flow,
            row.source_events + row.sink_events,
            row.players,
        )
        for row in largest
    ]
    words = "item types" if name == "item_types" else "items"
    currency = largest[0].currency if largest else ""
    drawn = [row for row in largest if row.currency == currency]
    chart = bar_chart(
        f"Sources and sinks of {short(currency, 40)} by {words}, the largest first",
        [row.item_id or row.item_type for row in drawn],
        {"source": [row.source for row in drawn], "sink": [row.sink for row in drawn]},
    )
    counted = f"The same amounts by {words}, the largest first."
    if len(drawn) < len(largest):
        counted += f" The chart has those of {short(currency, 40)}, the table those of all currencies."
    columns = _ITEM_COLUMNS if name == "items" else (*_ITEM_COLUMNS[:2], *_ITEM_COLUMNS[3:])
    if name != "items":
        cells = [(*one[:2], *one[3:]) for one in cells]  # type: ignore[misc]  # without the item
    return Panel(name, words.capitalize(), counted, Sheet(columns, cells), chart, _NO_FLOW)


ECONOMY_VIEW = panel_view(
    "economy",
    "Economy",
    "What players gain and spend of your virtual currencies, over the chosen days.",
    _ask_economy,
    filters=METRIC_FILTERS,
)
