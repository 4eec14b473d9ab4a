"""The economy by day: flow, balance, and what a player holds."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS, quotient
from ga_pygame.collector.warehouse.metrics.active_days import ActiveDays, active_days


class EconomyDay(NamedTuple):
    """A currency on a day of the range.

    Attributes:
        currency: The virtual currency.
        day: A calendar day with an event of a player.
        source: The amount that players gained on it.
        sink: The amount that they spent, positive.
        flow: Source minus sink.
        balance: The flow of all days up to this one, also of those before the range.
        active_players: Players with any event on the day.
        flow_per_player: Flow ÷ active players.
        players: Players with a source or a sink on the day.
        mean_holding: The mean over these of all that they gained minus all that they spent, at the end of the day;
            `None` if there are none.
        median_holding: The median of the same.
        is_few: Fewer than 20 such players.
    """

    currency: str
    day: datetime.date
    source: float
    sink: float
    flow: float
    balance: float
    active_players: int
    flow_per_player: float | None
    players: int
    mean_holding: float | None
    median_holding: float | None
    is_few: bool


def economy_days(question: Question) -> list[EconomyDay]:
    """Sum up sources and sinks of each currency by day; all days with an active player, once the currency was used."""
    active = active_days(question)
    last_day = question.filters.until or max(active.by_day, default=question.today)
    found: defaultdict[str, dict[datetime.date, tuple[Any, ...]]] = defaultdict(dict)
    for currency, day, *figures in question.rows("economy_days", last_day=last_day):
        found[currency][day] = tuple(figures)
    return [row for currency, days in found.items() for row in _days_of(currency, days, active)]


def _days_of(currency: str, days: Mapping[datetime.date, tuple[Any, ...]], active: ActiveDays) -> list[EconomyDay]:
    rows, balance, begun = [], 0.0, False
    for day in sorted(days.keys() | active.by_day.keys()):
        begun = begun or day in days
        source, sink, balance, players, mean, median = days.get(day, (0.0, 0.0, balance, 0, None, None))
        if begun and day in active.by_day:
            rows.append(
                EconomyDay(
                    currency=currency,
                    day=day,
                    source=source,
                    sink=sink,
                    flow=source - sink,
                    balance=balance,
                    active_players=active.by_day[day],
                    flow_per_player=quotient(source - sink, active.by_day[day]),
                    players=players,
                    mean_holding=mean,
                    median_holding=median,
                    is_few=players < FEW_PLAYERS,
                )
            )
    return rows


ECONOMY_DAYS_METRIC = WarehouseMetric(
    "economy_days",
    "Amounts of virtual currency that players gained and spent by day; the balance is all that was gained minus all"
    " that was spent up to that day, what a player holds is the same for one player.",
    EconomyDay,
    economy_days,
)
