"""Errors by kind: how often, for whom, in which builds."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from ga_pygame.collector.tracebacks import headline
from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric
from ga_pygame.collector.warehouse.metrics.timeline import time_shown
from ga_pygame.rules import CRASH_FIELD, CRUMBS_FIELD

MAX_ERROR_KINDS = 1000
"""Kinds of errors that are returned: those that hit most players."""


class ErrorKind(NamedTuple):
    """Errors with the same fingerprint.

    Attributes:
        fingerprint: 16 hexadecimal digits.
        error: The line of the newest message that says what happened.
        severity: The worst one.
        events: Error events.
        players: Players who had it.
        sessions: Sessions that had it.
        first_build: The first build in which it occurred, in the order of the builds' first sessions.
        last_build: The last one.
        first_seen: The time of the first one in the range, in UTC, e.g. `2026-01-31 18:00:59`.
        last_seen: The time of the last one.
        message: The text of the newest one.
        crash: How the newest one was noticed: `main`, `thread`, `task`, `unraisable`, `fatal` or `hang`, else "".
        before: The events before it, which a critical error of this tracker carries, a line each, the newest last.
    """

    fingerprint: str
    error: str
    severity: str
    events: int
    players: int
    sessions: int
    first_build: str
    last_build: str
    first_seen: str
    last_seen: str
    message: str
    crash: str
    before: str


def errors(question: Question) -> list[ErrorKind]:
    """Count errors by kind; those that hit most players come first."""
    return [_error_kind(*row) for row in question.rows("errors", most=MAX_ERROR_KINDS)]


def _error_kind(fingerprint: str, severity: str | None, *others: Any) -> ErrorKind:
    events, players, sessions, first_build, last_build, first_seen, last_seen, message, fields = others
    told = _custom_fields(fields)
    return ErrorKind(
        fingerprint=fingerprint,
        error=headline(message),
        severity=severity or "",
        events=events,
        players=players,
        sessions=sessions,
        first_build=first_build,
        last_build=last_build,
        first_seen=time_shown(first_seen),
        last_seen=time_shown(last_seen),
        message=message,
        crash=told.get(CRASH_FIELD, ""),
        before=_before(told),
    )


def _custom_fields(text: str | None) -> dict[str, str]:
    """Read the texts among an event's custom fields, which were checked when it was received."""
    fields = json.loads(text) if text else {}
    return {name: value for name, value in fields.items() if isinstance(value, str)}


def _before(fields: dict[str, str]) -> str:
    """Return the events before an error, a line each: its custom fields have several in one text."""
    found = (re.fullmatch(rf"{CRUMBS_FIELD}_(\d{{1,2}})", name) for name in fields)
    names = sorted((int(match[1]), match[0]) for match in found if match is not None)
    return "\n".join(fields[name].replace(" | ", "\n") for _, name in names)


ERRORS_METRIC = WarehouseMetric(
    "errors",
    "Errors by kind. Tracebacks are of one kind if class and the five innermost calls are the same, other texts if they"
    " are the same; the severity is the worst one.",
    ErrorKind,
    errors,
)
