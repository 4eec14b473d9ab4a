"""A player's year in review, from what the emulator has stored."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

from ga_pygame.collector.emulators.trophy import users
from ga_pygame.collector.emulators.trophy.rules import Rules
from ga_pygame.collector.emulators.trophy.state import TrophyState, json_number
from ga_pygame.collector.emulators.trophy.streaks import first_day, last_day, next_period, today

_BY_USER = "SELECT total(value) FROM trophy_events WHERE metric = ? AND day BETWEEN ? AND ? GROUP BY user_id"


class _Span(NamedTuple):
    """Days from the first to the last one, both included."""

    start: dt.date
    end: dt.date

    @property
    def before(self) -> _Span:
        """The same number of days before."""
        length = (self.end - self.start).days + 1
        first = max(self.start.toordinal() - length, 1)
        return _Span(dt.date.fromordinal(first), dt.date.fromordinal(max(self.start.toordinal() - 1, 1)))

    def has(self, day: str) -> bool:
        """Whether a day is one of them."""
        return self.start.isoformat() <= day <= self.end.isoformat()


@dataclass(slots=True)
class _Sums:
    """The sums of values: of all, of those in a span, and of those in the span before."""

    total: float = 0.0
    change: float = 0.0
    before: float = 0.0
    is_in_span: bool = False

    def add(self, value: float, day: str, span: _Span) -> None:
        """Add a value of a day."""
        self.total += value
        if span.has(day):
            self.change += value
            self.is_in_span = True
        elif span.before.has(day):
            self.before += value


class Wrapped:
    """The review of one player's year, for one answer.

    Percentages are against the same number of days before. The percentile says how many percent of the players with
    events of the metric have a smaller change; a single day has none. Of points the emulator has no percentile.

    Args:
        db: The file.
        rules: The rules.
        user: The player, in Trophy's form.
        year: The calendar year, in the player's time zone.
    """

    def __init__(self, db: sqlite3.Connection, rules: Rules, user: dict[str, Any], year: int) -> None:
        self._db = db
        self._rules = rules
        self._user = user
        self._state = TrophyState(db, rules)
        self._year = _Span(dt.date(year, 1, 1), dt.date(year, 12, 31))
        query = "SELECT metric, value, attributes, day FROM trophy_events WHERE user_id = ? ORDER BY id"
        self._events: list[tuple[str, float, dict[str, str], str]] = [
            (metric, value, json.loads(attributes), day)
            for metric, value, attributes, day in db.execute(query, (user["id"],))
        ]
        query = "SELECT system, awarded, at FROM trophy_awards WHERE user_id = ? ORDER BY id"
        self._awards = [(key, awarded, self._day(at)) for key, awarded, at in db.execute(query, (user["id"],))]

    def _day(self, at: float) -> str:
        return today(at, self._user["tz"]).isoformat()

    def view(self) -> dict[str, Any]:
        """Return the answer."""
        days = Counter(dt.date.fromisoformat(day) for *_, day in self._events if self._year.has(day))
        weeks, months = Counter[dt.date](), Counter[dt.date]()
        for day, number in days.items():
            weeks[first_day(day, "weekly")] += number
            months[first_day(day, "monthly")] += number
        day, week, month = (_most_active(one, self._year.start) for one in (days, weeks, months))
        return {
            "user": self._user,
            "activity": {
                "daysActive": len(days),
                "weeksActive": len(weeks),
                "monthsActive": len(months),
                "mostActiveDay": {"date": day.isoformat(), **self._period(_Span(day, day))},
                "mostActiveWeek": {
                    "start": first_day(week, "weekly").isoformat(),
                    "end": last_day(first_day(week, "weekly"), "weekly").isoformat(),
                    **self._period(_Span(week, last_day(first_day(week, "weekly"), "weekly"))),
                },
                "mostActiveMonth": {
                    "month": month.month - 1,
                    **self._period(_Span(month, next_period(month, "monthly") - dt.timedelta(days=1))),
                },
                "entireYear": {**self._period(self._year), "longestStreak": self._longest_streak()},
            },
        }

    def _period(self, span: _Span) -> dict[str, Any]:
        return {
            "metrics": self._metrics(span),
            "points": self._points(span),
            "achievements": self._achievements(span),
            "leaderboards": self._leaderboards(span),
        }

    def _metrics(self, span: _Span) -> dict[str, Any]:
        changes: defaultdict[str, _Sums] = defaultdict(_Sums)
        by_attribute: defaultdict[tuple[str, str, str], _Sums] = defaultdict(_Sums)
        for metric, value, attributes, day in self._events:
            changes[metric].add(value, day, span)
            for name, text in attributes.items():
                by_attribute[metric, name, text].add(value, day, span)
        found: dict[str, Any] = {}
        for key, sums in changes.items():
            if sums.is_in_span:
                percentile = None if span.start == span.end else self._percentile(key, span, sums.change)
                figure = _figure(self._rules.metric_name(key), self._state.total(self._user["id"], key), sums)
                found[key] = {**figure, "percentileThisPeriod": percentile, "byAttribute": defaultdict(dict)}
        for (key, name, text), sums in by_attribute.items():
            if key in found:
                found[key]["byAttribute"][name][text] = _figure(found[key]["name"], sums.total, sums)
        return found

    def _percentile(self, metric: str, span: _Span, change: float) -> float:
        values = (metric, span.start.isoformat(), span.end.isoformat())
        others: list[float] = [value for (value,) in self._db.execute(_BY_USER, values)]
        return round(100 * sum(value < change for value in others) / max(1, len(others)), 2)

    def _points(self, span: _Span) -> dict[str, Any]:
        changes: defaultdict[str, _Sums] = defaultdict(_Sums)
        for key, awarded, day in self._awards:
            changes[key].add(awarded, day, span)
        found = {}
        for key, sums in changes.items():
            system = self._rules.points.get(key)
            if system is not None and sums.is_in_span:
                figure = _figure(system.name, float(self._state.points.total(self._user["id"], key)), sums)
                found[key] = {**figure, "description": system.description}
        return found

    def _achievements(self, span: _Span) -> list[dict[str, Any]]:
        done = self._state.completions(self._user["id"])
        return [
            self._state.achievement(one, done[one.key][1])
            for one in self._rules.all_achievements()
            if one.key in done and span.has(self._day(done[one.key][1]))
        ]

    def _leaderboards(self, span: _Span) -> dict[str, Any]:
        query = "SELECT board, rank, value, at FROM trophy_ranks WHERE user_id = ? AND rank IS NOT NULL ORDER BY id"
        best: dict[str, tuple[int, int]] = {}
        for board, rank, value, at in self._db.execute(query, (self._user["id"],)):
            if (
                board in self._rules.leaderboards
                and span.has(self._day(at))
                and rank < best.get(board, (rank + 1, 0))[0]
            ):
                best[board] = rank, value
        return {
            board: {**self._state.boards.view(board), "rank": rank, "value": value}
            for board, (rank, value) in best.items()
        }

    def _longest_streak(self) -> dict[str, Any]:
        query = (
            "SELECT length, period, started FROM trophy_streaks WHERE user_id = ? AND period BETWEEN ? AND ?"
            " ORDER BY length DESC, period LIMIT 1"
        )
        span = (self._year.start.isoformat(), self._year.end.isoformat())
        row = self._db.execute(query, (self._user["id"], *span)).fetchone()
        frequency = self._rules.streak.frequency
        if row is None:
            return {"length": 0, "frequency": frequency, "started": None, "periodStart": None, "periodEnd": None}
        length, period, started = row
        end = last_day(dt.date.fromisoformat(period), frequency).isoformat()
        return {
            "length": length,
            "frequency": frequency,
            "started": started,
            "periodStart": period,
            "periodEnd": end,
        }


def wrapped_year(asked: int | None, day: dt.date) -> int:
    """Return the year that is asked for, by default that of the player's day.

    Raises:
        CallRefused: It is no year up to that one.
    """
    year = day.year if asked is None else asked
    if not 1 <= year <= day.year:
        raise users.CallRefused(422, f"year must be 1 to {day.year}")
    return year


def _figure(name: str, total: float, sums: _Sums) -> dict[str, Any]:
    percent = round(100 * (sums.change - sums.before) / abs(sums.before), 2) if sums.before else 0.0
    return {
        "name": name,
        "units": None,
        "currentTotal": json_number(float(total)),
        "changeThisPeriod": json_number(float(sums.change)),
        "percentChange": json_number(percent),
    }


def _most_active(numbers: Counter[dt.date], nothing: dt.date) -> dt.date:
    """Return the first day of the period with the most events, the earliest one of several."""
    return min(numbers, key=lambda day: (-numbers[day], day), default=nothing)
