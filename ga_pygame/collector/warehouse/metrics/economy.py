"""The economy: sources and sinks of virtual currencies, and whether a currency is hoarded or inflates."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric, one_of
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS, quotient
from ga_pygame.collector.warehouse.metrics.active_days import ActiveDays, active_days

HOARDED_BELOW = 0.05
"""A currency is hoarded if players spend less than this share of what they gain. Source: GamePulse, rules.ts."""
INFLATES_FROM = 0.25
"""A currency inflates if its flow grew by this share from the first half to the second. Source: GamePulse, rules.ts."""
_ECONOMY_PARTS = ("currency", "item_type", "item")


class EconomyRow(NamedTuple):
    """Sources and sinks of a currency, of an item type or of an item in the range.

    Attributes:
        currency: The virtual currency.
        item_type: "" in a row for the whole currency.
        item_id: "" in a row for a currency or an item type.
        source: The amount that players gained.
        sink: The amount that players spent, positive.
        flow: Source minus sink.
        flow_per_player: Flow ÷ all active players of the range.
        sink_share: Sink ÷ source.
        source_events: Resource events that are a source.
        sink_events: Those that are a sink.
        players: Players with a source or a sink.
        first_half_flow: Flow per active player and day in the first half of the range, from the first to the last day
            with an event; if the number of days is odd, the middle one is in neither half. Only of currencies.
        second_half_flow: The same in the second half.
        flow_growth_rate: Second half ÷ first half, minus 1; `None` if the first one is not positive.
        is_hoarded: Sink ÷ source is below 5 %; `None` for items, and if fewer than 20 players have it.
        is_inflating: `flow_growth_rate` is at least 25 %; `None` as above, and if there is no such rate.
        is_few: Fewer than 20 players.
    """

    currency: str
    item_type: str
    item_id: str
    source: float
    sink: float
    flow: float
    flow_per_player: float | None
    sink_share: float | None
    source_events: int
    sink_events: int
    players: int
    first_half_flow: float | None
    second_half_flow: float | None
    flow_growth_rate: float | None
    is_hoarded: bool | None
    is_inflating: bool | None
    is_few: bool


class _HalfOfRange(NamedTuple):
    """A half of the range: the day where it ends or begins, and the sum of its days' active players."""

    day: datetime.date
    player_days: int


def economy(question: Question, by: str = "currency") -> list[EconomyRow]:
    """Sum up sources and sinks.

    Args:
        question: The question.
        by: `currency`, `item_type` or `item`.
    """
    active = active_days(question)
    halves = _halves(active, question.today)
    if by == "currency":
        rows = question.rows("economy", first_until=halves[0].day, second_since=halves[1].day)
        return [_economy_row(row[:8], active.players, _net_growth(row[8:], halves)) for row in rows]
    return [_economy_row(row, active.players) for row in question.rows("economy_items", by_item=by == "item")]


def _halves(active: ActiveDays, today: datetime.date) -> tuple[_HalfOfRange, _HalfOfRange]:
    """Split the days from the first to the last one with an event; empty halves if there are fewer than two."""
    days = list(active.by_day) or [today]
    length = ((days[-1] - days[0]).days + 1) // 2
    last_of_first = days[0] + datetime.timedelta(days=length - 1)
    first_of_second = days[-1] - datetime.timedelta(days=length - 1)
    return (
        _HalfOfRange(last_of_first, sum(players for day, players in active.by_day.items() if day <= last_of_first)),
        _HalfOfRange(first_of_second, sum(players for day, players in active.by_day.items() if day >= first_of_second)),
    )


class _Growth(NamedTuple):
    """The flow of a currency per active player and day in the two halves, and how it grew."""

    before: float | None = None
    after: float | None = None
    rate: float | None = None


def _net_growth(flows: Sequence[float], halves: tuple[_HalfOfRange, _HalfOfRange]) -> _Growth:
    before, after = (quotient(flow, half.player_days) for flow, half in zip(flows, halves, strict=True))
    rate = after / before - 1 if before is not None and after is not None and before > 0 else None
    return _Growth(before, after, rate)


def _economy_row(row: tuple[Any, ...], active: int, growth: _Growth | None = None) -> EconomyRow:
    """Make a row; that of a currency has a growth."""
    currency, item_type, item_id, source, sink, sources, sinks, players = row
    share = quotient(sink, source)
    says = growth is not None and players >= FEW_PLAYERS
    growth = growth or _Growth()
    return EconomyRow(
        currency=currency,
        item_type=item_type,
        item_id=item_id,
        source=source,
        sink=sink,
        flow=source - sink,
        flow_per_player=quotient(source - sink, active),
        sink_share=share,
        source_events=sources,
        sink_events=sinks,
        players=players,
        first_half_flow=growth.before,
        second_half_flow=growth.after,
        flow_growth_rate=growth.rate,
        is_hoarded=share < HOARDED_BELOW if says and share is not None else None,
        is_inflating=growth.rate >= INFLATES_FROM if says and growth.rate is not None else None,
        is_few=players < FEW_PLAYERS,
    )


ECONOMY_METRIC = WarehouseMetric(
    "economy",
    "Amounts of virtual currency that players gained (source) and spent (sink), by currency, item type or item. A"
    " currency is hoarded if its sinks are below 5 % of its sources; it inflates if its flow per active player and day"
    " is at least 25 % higher in the second half of the range than in the first.",
    EconomyRow,
    economy,
    {"by": partial(one_of, "by", _ECONOMY_PARTS)},
)
