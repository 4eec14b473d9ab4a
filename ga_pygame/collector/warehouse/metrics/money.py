"""Revenue by currency, item or cart."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import NamedTuple

from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric, one_of
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS, quotient
from ga_pygame.collector.warehouse.metrics.active_days import active_days

CENTS = 100
"""Business events have amounts in cents. Source: GameAnalytics, Business events."""
_KINDS = ("currency", "item", "cart")


class MoneyRow(NamedTuple):
    """The purchases of a currency, of an item or of a cart in the range; amounts are in units of the currency.

    Attributes:
        currency: A code of three letters; different ones are never added.
        item_type: "" unless by item.
        item_id: "" unless by item.
        cart: "" unless by cart, and for purchases without one.
        revenue: The sum of the amounts.
        revenue_share: Its share of the currency's revenue.
        purchases: Business events.
        payers: Players with a purchase.
        arppu: Revenue ÷ payers.
        arpdau: Revenue ÷ the sum of the days' active players.
        is_few: Fewer than 20 payers.
    """

    currency: str
    item_type: str
    item_id: str
    cart: str
    revenue: float
    revenue_share: float | None
    purchases: int
    payers: int
    arppu: float | None
    arpdau: float | None
    is_few: bool


def money(question: Question, by: str = "currency") -> list[MoneyRow]:
    """Sum up purchases.

    Args:
        question: The question.
        by: `currency`, `item` or `cart`.
    """
    player_days = active_days(question).player_days
    rows = question.rows("money", by_item=by == "item", by_cart=by == "cart")
    whole: Counter[str] = Counter()
    for currency, _, _, _, cents, *_ in rows:
        whole[currency] += cents
    return [
        MoneyRow(
            currency=currency,
            item_type=item_type,
            item_id=item_id,
            cart=cart,
            revenue=cents / CENTS,
            revenue_share=quotient(cents, whole[currency]),
            purchases=purchases,
            payers=payers,
            arppu=quotient(cents / CENTS, payers),
            arpdau=quotient(cents / CENTS, player_days),
            is_few=payers < FEW_PLAYERS,
        )
        for currency, item_type, item_id, cart, cents, purchases, payers in rows
    ]


MONEY_METRIC = WarehouseMetric(
    "money",
    "Revenue from business events by currency, item or cart; different currencies are never added. ARPPU: revenue ÷"
    " players who paid in the range. ARPDAU: revenue ÷ the sum of the days' active players.",
    MoneyRow,
    money,
    {"by": partial(one_of, "by", _KINDS)},
)
