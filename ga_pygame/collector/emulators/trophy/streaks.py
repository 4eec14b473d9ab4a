"""Trophy's streaks: how many periods in a row counted, in the player's own time zone.

A period counts once the sum of its events reaches the metric's threshold. A streak is alive while the last period that
counted is the present one or the one before.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from dataclasses import dataclass
from typing import Any

from ga_pygame.collector.emulators.trophy import users
from ga_pygame.collector.emulators.trophy.rules import Frequency


def today(now: float, tz: str | None) -> dt.date:
    """Return the date in the player's time zone; in UTC if there is none."""
    zone = users.zone(tz) if tz else None
    return dt.datetime.fromtimestamp(now, zone or dt.timezone.utc).date()


def first_day(day: dt.date, frequency: Frequency) -> dt.date:
    """Return the first day of the period of a day; weeks begin on Monday."""
    if frequency == "weekly":
        return day - dt.timedelta(days=day.weekday())
    return day.replace(day=1) if frequency == "monthly" else day


def next_period(start: dt.date, frequency: Frequency) -> dt.date:
    """Return the first day of the next period."""
    if frequency == "monthly":
        return (start + dt.timedelta(days=31)).replace(day=1)
    return start + dt.timedelta(days=7 if frequency == "weekly" else 1)


def period_before(start: dt.date, frequency: Frequency) -> dt.date:
    """Return the first day of the period before."""
    return first_day(start - dt.timedelta(days=1), frequency)


def last_day(start: dt.date, frequency: Frequency) -> dt.date:
    """Return the last day of a period."""
    return next_period(start, frequency) - dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class StreakStanding:
    """A streak on a day; if it is over, its length is 0 and the rest `None`."""

    length: int
    started: str | None
    extended_at: float | None
    counted: dt.date | None


_NONE = StreakStanding(0, None, None, None)


class Streaks:
    """The streaks of all players."""

    def __init__(self, db: sqlite3.Connection, frequency: Frequency) -> None:
        self._db = db
        self._frequency = frequency

    def standing(self, user_id: str, day: dt.date) -> StreakStanding:
        """Return a player's streak on a day."""
        row = self._db.execute(
            "SELECT period, length, started, at FROM trophy_streaks WHERE user_id = ? ORDER BY period DESC LIMIT 1",
            (user_id,),
        ).fetchone()
        if row is None:
            return _NONE
        counted = dt.date.fromisoformat(row[0])
        if counted < period_before(first_day(day, self._frequency), self._frequency):
            return _NONE
        return StreakStanding(row[1], row[2], row[3], counted)

    def alive(self, now: float) -> list[tuple[str, float]]:
        """Return the players whose streak is not over, with its length."""
        query = (
            "SELECT u.user_id, u.tz, s.period, s.length FROM trophy_users u CROSS JOIN trophy_streaks s"
            " ON s.user_id = u.user_id"
            " AND s.period = (SELECT max(period) FROM trophy_streaks WHERE user_id = u.user_id)"
        )
        oldest: dict[str | None, str] = {}
        found = []
        for user_id, tz, period, length in self._db.execute(query):
            if tz not in oldest:
                start = first_day(today(now, tz), self._frequency)
                oldest[tz] = period_before(start, self._frequency).isoformat()
            if period >= oldest[tz]:
                found.append((user_id, float(length)))
        return found

    def extend(self, user_id: str, day: dt.date, now: float) -> int | None:
        """Count the period of a day; return the new length, `None` if the period was counted before."""
        period = first_day(day, self._frequency)
        before = self.standing(user_id, day)
        if before.counted is not None and before.counted >= period:
            return None
        length, started = before.length + 1, before.started or day.isoformat()
        self._db.execute(
            "INSERT INTO trophy_streaks VALUES (?, ?, ?, ?, ?)", (user_id, period.isoformat(), length, started, now)
        )
        return length

    def sum(self, user_id: str, metric: str, day: dt.date) -> float:
        """Return the sum of a metric's events in the period of a day."""
        start = first_day(day, self._frequency)
        query = "SELECT total(value) FROM trophy_events WHERE user_id = ? AND metric = ? AND day BETWEEN ? AND ?"
        end = last_day(start, self._frequency)
        return float(self._db.execute(query, (user_id, metric, start.isoformat(), end.isoformat())).fetchone()[0])

    def view(self, user_id: str, day: dt.date) -> dict[str, Any]:
        """Return the streak as answers show it, without `extended`."""
        standing = self.standing(user_id, day)
        start = first_day(day, self._frequency)
        expires = None
        if standing.counted is not None:
            expires = last_day(next_period(standing.counted, self._frequency), self._frequency).isoformat()
        return {
            "length": standing.length,
            "frequency": self._frequency,
            "started": standing.started,
            "periodStart": start.isoformat(),
            "periodEnd": last_day(start, self._frequency).isoformat(),
            "expires": expires,
        }

    def history(self, user_id: str, day: dt.date, periods: int) -> list[dict[str, Any]]:
        """Return the latest periods up to the one of a day, oldest first."""
        starts = [first_day(day, self._frequency)]
        while len(starts) < periods and starts[-1].year > 1970:
            starts.append(period_before(starts[-1], self._frequency))
        rows = self._db.execute(
            "SELECT period, length FROM trophy_streaks WHERE user_id = ? AND period >= ?",
            (user_id, starts[-1].isoformat()),
        )
        lengths = dict(rows.fetchall())
        current = starts[0].isoformat()
        lengths.setdefault(current, self.standing(user_id, day).length)
        return [
            {
                "periodStart": start.isoformat(),
                "periodEnd": last_day(start, self._frequency).isoformat(),
                "length": lengths.get(start.isoformat(), 0),
                "usedPause": False,
                "resetAt": None,
            }
            for start in reversed(starts[:periods])
        ]
