"""The view Money: revenue, ARPDAU, ARPPU and conversion."""

from __future__ import annotations

from collections.abc import Sequence

from ga_pygame.collector.page.address import METRIC_FILTERS, PageAddress
from ga_pygame.collector.page.charts import line_chart
from ga_pygame.collector.page.panel_view import panel_view
from ga_pygame.collector.page.panels import Column, Panel, Panels, Sheet
from ga_pygame.collector.page.snapshots import Snapshots
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS
from ga_pygame.collector.warehouse.metrics.money import MoneyRow
from ga_pygame.collector.warehouse.metrics.money_days import EVERY_CURRENCY, MoneyDay
from ga_pygame.collector.warehouse.metrics.overview import WHOLE_PERIOD

_NO_PURCHASE = (
    'No purchase in this range: report tracker.business("EUR", 499, "pack", "gold") with the amount in cents.'
)
_DEFINITIONS = (
    "Payers: players who paid in the range. ARPPU: revenue ÷ payers. ARPDAU: revenue ÷ the sum of the days' active"
    " players. Different currencies are never added. n < 20: so few payers that the figures say little."
)


async def _ask_money(data: Snapshots, address: PageAddress) -> Panels:
    return money_panels(
        await data.metric("money", address),
        await data.metric("money", address, by="item"),
        await data.metric("money", address, by="cart"),
        await data.metric("money_days", address),
    )


def money_panels(
    currencies: Sequence[MoneyRow], items: Sequence[MoneyRow], carts: Sequence[MoneyRow], days: Sequence[MoneyDay]
) -> Panels:
    """Make the panels of the view."""
    by_day = [row for row in days if row.time != WHOLE_PERIOD]
    return Panels(
        (
            _sums("currencies", "Revenue by currency", (), currencies, _DEFINITIONS),
            _revenue([row for row in by_day if row.currency != EVERY_CURRENCY]),
            _conversion([row for row in days if row.currency == EVERY_CURRENCY]),
            _sums("items", "Revenue by item", ("item_type", "item_id"), items, "The same by what was bought."),
            _sums(
                "carts", "Revenue by cart", ("cart",), carts, "The same by the shop in the game where it was bought."
            ),
        )
    )


def _sums(name: str, title: str, parts: tuple[str, ...], rows: Sequence[MoneyRow], counted: str) -> Panel:
    columns = (
        Column("currency"),
        *(Column(part.replace("_", " ")) for part in parts),
        Column("revenue", "number"),
        Column("of its currency", "share"),
        Column("purchases", "number"),
        Column("payers", "number"),
        Column("ARPPU", "number"),
        Column("ARPDAU", "number"),
        Column("note", "soft"),
    )
    cells = [
        (
            row.currency,
            *(getattr(row, part) for part in parts),
            row.revenue,
            row.revenue_share,
            row.purchases,
            row.payers,
            row.arppu,
            row.arpdau,
            f"n < {FEW_PLAYERS}" if row.is_few else "",
        )
        for row in rows
    ]
    return Panel(name, title, counted, Sheet(columns, cells), None, _NO_PURCHASE, is_wide=True)


def _revenue(rows: Sequence[MoneyDay]) -> Panel:
    columns = (
        Column("day"),
        Column("currency"),
        Column("revenue", "number"),
        Column("purchases", "number"),
        Column("players who paid", "number"),
        Column("active players", "number"),
        Column("ARPDAU", "number"),
        Column("ARPPU", "number"),
    )
    cells = [
        (row.time, row.currency, row.revenue, row.purchases, row.payers, row.active_players, row.arpdau, row.arppu)
        for row in rows
    ]
    days = list(dict.fromkeys(row.time for row in rows))
    currencies = dict.fromkeys(row.currency for row in rows)
    series = {one: [row.revenue for row in rows if row.currency == one] for one in currencies}
    chart = line_chart("Revenue by day, a line for each currency", days, series)
    counted = (
        "Revenue by day, each currency on its own; the table has ARPDAU: revenue ÷ players with any event on that day,"
        " and ARPPU: revenue ÷ players who paid on that day."
    )
    return Panel("revenue", "Revenue by day", counted, Sheet(columns, cells), chart, _NO_PURCHASE)


def _conversion(rows: Sequence[MoneyDay]) -> Panel:
    columns = (
        Column("day"),
        Column("active players", "number"),
        Column("first payers", "number"),
        Column("conversion", "share"),
        Column("players who paid", "number"),
        Column("of the active players", "share"),
        Column("note", "soft"),
    )
    cells = [
        (
            "whole range" if row.time == WHOLE_PERIOD else row.time,
            row.active_players,
            row.first_payers,
            row.conversion_rate,
            row.payers,
            row.payers_rate,
            f"n < {FEW_PLAYERS}" if row.is_few else "",
        )
        for row in rows
    ]
    days = [row for row in rows if row.time != WHOLE_PERIOD]
    chart = line_chart(
        "Conversion by day in percent",
        [row.time for row in days],
        {
            "conversion, %": [
                None if row.conversion_rate is None else round(100 * row.conversion_rate, 2) for row in days
            ]
        },
    )
    counted = (
        "Conversion as GameAnalytics defines it: players whose first purchase ever was on that day ÷ players with any"
        " event on that day, in percent. The table also has all who paid ÷ active players, which others call"
        " conversion."
    )
    return Panel("conversion", "Conversion", counted, Sheet(columns, cells), chart, _NO_PURCHASE)


MONEY_VIEW = panel_view(
    "money",
    "Money",
    "What players pay with real money, over the chosen days; amounts are in units of each currency.",
    _ask_money,
    filters=METRIC_FILTERS,
)
