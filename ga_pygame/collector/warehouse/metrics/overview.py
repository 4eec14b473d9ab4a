"""The overview: players, sessions, playtime and crashes, by day or hour, against the period before."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric, one_of
from ga_pygame.collector.warehouse.filters import Filters
from ga_pygame.collector.warehouse.intervals import quotient

NOW, BEFORE = "now", "before"
WHOLE_PERIOD = "all"
_UNITS = ("day", "hour")


class OverviewRow(NamedTuple):
    """Players and sessions of a day, of an hour or of a whole period; times are seconds, rates shares from 0 to 1.

    Attributes:
        period: `now`, or `before`: the same number of days before the first one.
        time: `all` for the whole period, else a day such as `2026-01-31` or an hour such as `2026-01-31 18:00`.
        players: Distinct players with an event.
        new_players: Those whose first event ever is in this time.
        returning_players: The others.
        sessions: Sessions that began in this time.
        sessions_per_player: Sessions ÷ players.
        ended_sessions: Those with a `session_end`, of which the lengths are.
        mean_length: The mean length.
        median_length: The median length.
        playtime_per_player: The sum of the lengths ÷ players.
        errored_sessions: Sessions with an error, but no critical one.
        crashed_sessions: Sessions with a critical error.
        crash_free_sessions: 1 minus crashed sessions ÷ sessions.
    """

    period: str
    time: str
    players: int
    new_players: int
    returning_players: int
    sessions: int
    sessions_per_player: float | None
    ended_sessions: int
    mean_length: float | None
    median_length: float | None
    playtime_per_player: float | None
    errored_sessions: int
    crashed_sessions: int
    crash_free_sessions: float | None


def overview(question: Question, bucket: str = "day") -> list[OverviewRow]:
    """Count players and sessions: the whole period, the one before, each day or hour of the first, then of the second.

    There is a period before only if the filters have a first day.

    Args:
        question: The question.
        bucket: `day` or `hour`.
    """
    earlier = filters_before(question.filters, question.today)
    periods = [(NOW, question.filters), *([] if earlier is None else [(BEFORE, earlier)])]
    found = question.together(*(partial(_counts, *period, by_hour=bucket == "hour") for period in periods))
    return [*chain.from_iterable(rows[:1] for rows in found), *chain.from_iterable(rows[1:] for rows in found)]


def filters_before(filters: Filters, today: datetime.date) -> Filters | None:
    """Return the filters for the same number of days before the first one; `None` if the calendar has no such days."""
    if filters.since is None:
        return None
    days = (filters.until or max(today, filters.since)) - filters.since + datetime.timedelta(days=1)
    try:
        first, last = filters.since - days, filters.since - datetime.timedelta(days=1)
    except OverflowError:  # before the year 1
        return None
    return dataclasses.replace(filters, since=first, until=last)


def _counts(period: str, filters: Filters, question: Question, *, by_hour: bool) -> list[OverviewRow]:
    rows = question.rows("overview", filters, by_hour=by_hour)
    return [_overview_row(period, _time_of(day, hour, by_hour=by_hour), counts) for day, hour, *counts in rows]


def _time_of(day: datetime.date | None, hour: int, *, by_hour: bool) -> str:
    if day is None:
        return WHOLE_PERIOD
    return f"{day} {hour:02}:00" if by_hour else str(day)


def _overview_row(period: str, time: str, counts: Sequence[Any]) -> OverviewRow:
    players, new, sessions, ended, playtime, mean, median, errored, crashed = counts
    crash_free = quotient(sessions - crashed, sessions)
    return OverviewRow(
        period=period,
        time=time,
        players=players,
        new_players=new,
        returning_players=players - new,
        sessions=sessions,
        sessions_per_player=quotient(sessions, players),
        ended_sessions=ended,
        mean_length=mean,
        median_length=median,
        playtime_per_player=quotient(float(playtime), players),
        errored_sessions=errored,
        crashed_sessions=crashed,
        crash_free_sessions=crash_free,
    )


OVERVIEW_METRIC = WarehouseMetric(
    "overview",
    "Players with an event, by day or hour. New are those whose first event ever is in that time; lengths are those of"
    " session_end: the time for which the player was focused on the game.",
    OverviewRow,
    overview,
    {"bucket": partial(one_of, "bucket", _UNITS)},
)
