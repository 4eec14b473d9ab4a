"""Revenue and payers by day: ARPDAU, ARPPU, conversion."""

from __future__ import annotations

import datetime
from typing import Any, NamedTuple

from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS, quotient
from ga_pygame.collector.warehouse.metrics.active_days import active_days
from ga_pygame.collector.warehouse.metrics.money import CENTS
from ga_pygame.collector.warehouse.metrics.overview import WHOLE_PERIOD

EVERY_CURRENCY = "all"
"""The currency of rows with the payers of all currencies together; they have no revenue."""


class MoneyDay(NamedTuple):
    """The purchases in a currency on a day or in the whole range; amounts are in units of the currency.

    Attributes:
        time: `all` for the whole range, else a calendar day with an event of a player.
        currency: A code of three letters; `all` for the payers of all currencies.
        revenue: The sum of the amounts; `None` for all currencies, whose amounts cannot be added.
        purchases: Business events.
        payers: Players with a purchase.
        first_payers: Players whose first purchase ever is among these.
        active_players: Players with any event.
        arpdau: Revenue ÷ active players of the day; for the whole range, ÷ the sum of the days' active players.
        arppu: Revenue ÷ payers.
        conversion_rate: First payers ÷ active players, as GameAnalytics defines it for a day.
        payers_rate: Payers ÷ active players, which other services call conversion.
        is_few: Fewer than 20 active players.
    """

    time: str
    currency: str
    revenue: float | None
    purchases: int
    payers: int
    first_payers: int
    active_players: int
    arpdau: float | None
    arppu: float | None
    conversion_rate: float | None
    payers_rate: float | None
    is_few: bool


_NO_PURCHASES = (0, 0, 0, 0)


def money_days(question: Question) -> list[MoneyDay]:
    """Sum up purchases: the whole range, then each day; for all currencies together, then for each. None: no row."""
    found: dict[tuple[datetime.date | None, str], tuple[Any, ...]] = {
        (day, currency or EVERY_CURRENCY): tuple(figures) for day, currency, *figures in question.rows("money_days")
    }
    if not any(purchases for _, purchases, *_ in found.values()):
        return []
    active = active_days(question)
    currencies = [EVERY_CURRENCY, *sorted({currency for _, currency in found} - {EVERY_CURRENCY})]
    days = [(None, active.players), *active.by_day.items()]
    return [
        _money_day(day, currency, found.get((day, currency), _NO_PURCHASES), players, active.player_days)
        for day, players in days
        for currency in currencies
    ]


def _money_day(
    day: datetime.date | None, currency: str, figures: tuple[Any, ...], active: int, player_days: int
) -> MoneyDay:
    cents, purchases, payers, first_payers = figures
    revenue = None if currency == EVERY_CURRENCY else cents / CENTS
    return MoneyDay(
        time=WHOLE_PERIOD if day is None else str(day),
        currency=currency,
        revenue=revenue,
        purchases=purchases,
        payers=payers,
        first_payers=first_payers,
        active_players=active,
        arpdau=None if revenue is None else quotient(revenue, player_days if day is None else active),
        arppu=None if revenue is None else quotient(revenue, payers),
        conversion_rate=quotient(first_payers, active),
        payers_rate=quotient(payers, active),
        is_few=active < FEW_PLAYERS,
    )


MONEY_DAYS_METRIC = WarehouseMetric(
    "money_days",
    "Purchases by day and currency. ARPDAU: revenue ÷ active players. ARPPU: revenue ÷ players who paid. Conversion:"
    " players whose first purchase ever was then ÷ active players. Different currencies are never added.",
    MoneyDay,
    money_days,
)
