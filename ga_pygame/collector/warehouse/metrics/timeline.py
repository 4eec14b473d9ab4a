"""Events of players in the order of their clocks: a player's timeline, and what came before an error."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from ga_pygame.collector.tracebacks import headline
from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric, whole_number
from ga_pygame.collector.warehouse.filters import Filters

EVENTS_PER_PAGE = 100
"""Events of a timeline that are read at once."""
MAX_EVENTS_PER_PAGE = 1000
"""Events of a timeline that may be asked for at once."""
EVENTS_BEFORE_ERROR = 30
"""Events that are read of what came before an error."""


class TimelineEvent(NamedTuple):
    """An event as a player's timeline tells it.

    Attributes:
        id: Its id in the log.
        time: The player's clock, in UTC, e.g. `2026-01-31 18:00:59`.
        user_id: The player.
        session_id: The session.
        session_num: The number of the player's session.
        build: The build.
        happened: What happened, in words such as `level failed`.
        name: The level, item, design id or line of an error that it is about.
        value: Its number: a design's value, a score, the amount of a currency, seconds of a session, frames a second.
        unit: Of the value: a currency, `s`, `fps`, or "".
    """

    id: int
    time: str
    user_id: str
    session_id: str
    session_num: int | None
    build: str
    happened: str
    name: str
    value: float | None
    unit: str


def timeline(question: Question, newest: int = 0, limit: int = EVENTS_PER_PAGE) -> list[TimelineEvent]:
    """Read events, the newest first.

    Args:
        question: The question; its filter `user_id` names the player.
        newest: The id of the first event to return; 0 for the newest of all.
        limit: Events to return at most.
    """
    recent = _recent(question, newest, limit)
    rows = question.rows("timeline", recent, session=0, newest=newest, most=limit)
    if len(rows) < limit and recent != question.filters:
        rows = question.rows("timeline", session=0, newest=newest, most=limit)
    return _events(rows)


def _recent(question: Question, newest: int, limit: int) -> Filters:
    """Return the filters with the day from which there should be enough events: most questions are about the newest."""
    number = 0
    for day, hours in question.rows("timeline_days", newest=newest):
        number += hours
        if number >= limit:
            return replace(question.filters, since=day)
    return question.filters


def trail(question: Question, fingerprint: str = "") -> list[TimelineEvent]:
    """Read the events of the session with the newest error of a kind: up to 30 before it, and it, the newest last.

    Args:
        question: The question.
        fingerprint: The kind of the error.
    """
    found = question.rows("trail", fingerprint=fingerprint)
    if not found:
        return []
    ((error, session),) = found
    rows = question.rows("timeline", Filters(), session=session, newest=error, most=EVENTS_BEFORE_ERROR + 1)
    return _events(reversed(rows))


def time_shown(time: datetime.datetime) -> str:
    """Return a time in UTC as text, without its fraction of a second."""
    return time.isoformat(" ", "seconds")


def _events(rows: Iterable[tuple[Any, ...]]) -> list[TimelineEvent]:
    return [_told_event(*row) for row in rows]


def _told_event(id_: int, time: datetime.datetime, *others: Any) -> TimelineEvent:
    user_id, session_id, session_num, build, category, status, flow, severity, name, number, currency = others
    happened = _HAPPENED.get((category, status or flow or severity), _HAPPENED.get((category, None), category))
    value, unit = _valued(category, number, currency or "")
    said = headline(name) if category == "error" and name else name or ""
    return TimelineEvent(
        id_, time_shown(time), user_id, session_id or "", session_num, build, happened, said, value, unit
    )


_HAPPENED: dict[tuple[str, str | None], str] = {
    ("user", None): "session starts",
    ("session_end", None): "session ends",
    ("progression", "Start"): "level started",
    ("progression", "Fail"): "level failed",
    ("progression", "Complete"): "level completed",
    ("resource", "Source"): "earned",
    ("resource", "Sink"): "spent",
    ("business", None): "bought",
    ("error", "critical"): "crashed",
    ("error", None): "error",
}
"""What happened, by the category and its status, flow or severity; other categories have their own name."""


def _valued(category: str, number: float | None, currency: str) -> tuple[float | None, str]:
    """Return an event's number in a unit that a person reads."""
    if number is None:
        return None, ""
    if category == "business":
        return number / 100, currency
    return number, _UNIT_OF.get(category, currency)


_UNIT_OF = {"session_end": "s", "health": "fps"}


def _page_size(text: str) -> int:
    return min(whole_number("limit", text), MAX_EVENTS_PER_PAGE)


TIMELINE_METRIC = WarehouseMetric(
    "timeline",
    "The events of a player, or of all, in the order of the players' clocks, the newest first.",
    TimelineEvent,
    timeline,
    {"newest": lambda text: whole_number("newest", text), "limit": _page_size},
)
TRAIL_METRIC = WarehouseMetric(
    "trail",
    "What a player did before an error: the session's events up to the newest error with this fingerprint, at most"
    f" {EVENTS_BEFORE_ERROR} before it, the newest last.",
    TimelineEvent,
    trail,
    {"fingerprint": str},
)
