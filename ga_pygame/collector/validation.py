"""Which events of a batch keep the rules of `ga_pygame.rules`, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ga_pygame import rules
from ga_pygame.checks import InvalidEvent
from ga_pygame.collector import bodies

Refused = tuple[str, bytes, list[dict[str, str]]]
"""Category, the event as sent, its broken rules."""


def sort_out(body: bytes) -> tuple[list[tuple[dict[str, Any], Any]], list[Refused]]:
    """Take a batch apart into what keeps the rules and what does not.

    Raises:
        BadBody: It is no JSON list.
    """
    accepted: list[tuple[dict[str, Any], Any]] = []
    rejected: list[Refused] = []
    for raw in bodies.split(body):
        try:
            event = bodies.decode(raw)
        except bodies.Unreadable as error:
            rejected.append(("unknown", bytes(raw), [_error("data_invalid", "", f"cannot be read: {error}")]))
            continue
        if type(event) is not dict:
            rejected.append(("unknown", bytes(raw), [_error("wrong_type", "", "an event must be a JSON object")]))
        elif not _surely_keeps_the_rules(event) and (errors := broken_rules(event)):
            category = event.get("category")
            known = isinstance(category, str) and category in rules.CATEGORIES
            rejected.append((str(category) if known else "unknown", bytes(raw), errors))
        else:
            accepted.append((event, raw))
    return accepted, rejected


_FIELDS: Mapping[str, Mapping[str, rules.Field]] = {
    category: {**rules.ANNOTATIONS, **own} for category, own in rules.CATEGORIES.items() if category != "sdk_error"
}
_REQUIRED = {
    category: {name for name, field in fields.items() if field.required} for category, fields in _FIELDS.items()
}
_last: dict[str, dict[str, str | int]] = {category: {} for category in _FIELDS}
"""By category and field, the value that was checked last: most of an event's stand in the one before, too."""


def _surely_keeps_the_rules(event: Mapping[str, Any]) -> bool:
    """Whether an event keeps every rule; false also where `broken_rules` has to find out.

    It looks at the fields that are there instead of at all that could be, and once at what repeats: 3 µs an
    event instead of 6.
    """
    category = event.get("category")
    if type(category) is not str or category not in _FIELDS:
        return False
    fields, last = _FIELDS[category], _last[category]
    try:
        for name, value in event.items():
            before = last.get(name)
            if before is None or before != value or type(before) is not type(value):
                field = fields.get(name)
                if field is not None:
                    field.check(name, value)
                    if type(value) is str or type(value) is int:
                        last[name] = value
    except (InvalidEvent, ValueError, RecursionError):  # or null, which counts as absent
        return False
    return _REQUIRED[category] <= event.keys()


def broken_rules(event: Mapping[str, Any]) -> list[dict[str, str]]:
    """Every broken rule of an event, as the 400 answer lists them."""
    try:
        return [
            _error(error.error_type, "/" + error.field.replace(" key", "").replace(".", "/"), str(error))
            for error in rules.wire_errors(event)
        ]
    except (ValueError, RecursionError) as error:  # a value that cannot even be shown
        return [_error("data_invalid", "", f"cannot be checked: {error}")]


def _error(error_type: str, path: str, reason: str) -> dict[str, str]:
    return {"error_type": error_type, "path": path, "reason": reason}
