"""Which events of a batch keep the rules of `ga_pygame.rules`, and what is wrong with the others.

What is said of a rejected event can be many times as long as the event. So the number of refusals in a request, the
errors of each and the bytes of all together are bounded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from ga_pygame import rules
from ga_pygame.checks import InvalidEvent
from ga_pygame.collector import bodies

MAX_EVENTS = 10_000
"""Events in a request; more are answered with 413. The largest that was seen of an official SDK had 592."""
MAX_EVENT_BYTES = 256 * 2**10
"""Bytes of an event's JSON; a larger one is rejected."""
MAX_REFUSALS = 600
"""Rejected events in a request; with more the whole request is answered with 413 and nothing of it is stored."""
MAX_ERRORS = 10
"""Broken rules that are told of an event; further ones are left out."""
MAX_RULE_REASON = 400
"""Characters of what is said of a broken rule; the rest is cut."""
MAX_SHOWN_EVENT_BYTES = 16 * 2**10
"""Bytes of a rejected event that is told and kept whole; of a larger one its ids and its beginning."""
MAX_TOLD_BYTES = 2**20
"""Bytes of a request's rejected events and errors together; after it each event is told by its ids and one error."""
MAX_RUN = 500
"""Events that are decoded and checked together; their texts are in memory twice meanwhile."""
VALUE_BYTES = 64
"""Bytes of memory that a decoded value takes, about."""

Rejection = tuple[str, bytes, list[dict[str, str]]]
"""Category, the event as sent or what is shown of it, its broken rules."""
Accepted = tuple[dict[str, Any], bytes]
"""The event, and as sent."""


def sort_out(body: bytes, most_refusals: int = MAX_REFUSALS) -> tuple[list[Accepted], list[Rejection]]:
    """Take a batch apart into what keeps the rules and what does not.

    Args:
        body: Of no more values than `bodies.count_values` lets through.
        most_refusals: How many of its events may be rejected.

    Raises:
        BadBody: It is no JSON list.
        TooLarge: It has more events or rejected ones than are taken in a request.
    """
    accepted: list[Accepted] = []
    rejected = _Refusals(most_refusals)
    last: _Last = {category: {} for category in _FIELDS}
    raws = [bytes(raw) for raw in bodies.split_list(body)]
    if len(raws) > MAX_EVENTS:
        raise bodies.TooLarge
    at = 0
    while at < len(raws):
        shared, rests = _find_run(raws, at)
        run = raws[at : at + max(1, len(rests))]
        events = _completed(shared, rests)
        if events:
            accepted.extend(zip(events, run, strict=True))
        else:
            for raw in run:
                _judge(raw, accepted, rejected, last)
        at += len(run)
    return accepted, rejected.found


class _Refusals:
    """The rejected events of a request."""

    def __init__(self, most: int) -> None:
        self.found: list[Rejection] = []
        self._most = most
        self._left = MAX_TOLD_BYTES

    def add(self, category: object, raw: bytes, event: object, errors: list[dict[str, str]]) -> None:
        """Add an event with what is wrong with it.

        Raises:
            TooLarge: There are too many.
        """
        if len(self.found) >= self._most:
            raise bodies.TooLarge
        known = isinstance(category, str) and category in rules.CATEGORIES
        if len(raw) > MAX_SHOWN_EVENT_BYTES or self._left <= 0:
            raw = _shown_in_part(raw, event)
        if self._left <= 0:
            errors = errors[:1]
        self._left -= len(raw) + sum(len(error["reason"]) + 100 for error in errors)
        self.found.append((str(category) if known else "unknown", raw, errors))


_SHOWN_FIELDS = ("category", "event_uuid", "event_id", "client_ts", "session_id", "user_id")


def _shown_in_part(raw: bytes, event: object) -> bytes:
    """What is shown of an event that is too long to be shown whole: by its `event_uuid` the sender finds it."""
    begins = raw[:200].decode("utf-8", "replace")
    shown: dict[str, Any] = {"shown": f"in part, it has {len(raw)} bytes", "begins": begins}
    if isinstance(event, dict):
        for name in _SHOWN_FIELDS:
            value = event.get(name)
            if (isinstance(value, str) and len(value) <= 64) or (type(value) is int and abs(value) < 2**53):
                shown[name] = value
    return msgspec.json.encode(shown)


def _judge(raw: bytes, accepted: list[Accepted], rejected: _Refusals, last: _Last) -> None:
    """Put one event where it belongs."""
    try:
        event = bodies.decode(raw)
    except bodies.Unreadable as error:
        shown = raw if error.is_shallow else _shown_in_part(raw, None)
        rejected.add(None, shown, None, [_broken_rule("data_invalid", "", f"cannot be read: {error}")])
        return
    if type(event) is not dict:
        rejected.add(None, raw, event, [_broken_rule("wrong_type", "", "an event must be a JSON object")])
    elif len(raw) > MAX_EVENT_BYTES:
        reason = f"the event has {len(raw)} bytes, at most {MAX_EVENT_BYTES} are taken"
        rejected.add(event.get("category"), raw, event, [_broken_rule("wrong_length", "", reason)])
    elif not _passes_quick_check(event, last) and (errors := broken_rules(event)):
        rejected.add(event.get("category"), raw, event, errors)
    else:
        accepted.append((event, raw))


_FIELDS: Mapping[str, Mapping[str, rules.Field]] = {
    category: {**rules.ANNOTATIONS, **own} for category, own in rules.CATEGORIES.items() if category != "sdk_error"
}

_REQUIRED_FIELDS = {
    category: {name for name, field in fields.items() if field.required} for category, fields in _FIELDS.items()
}
_Last = dict[str, dict[str, str | int]]
"""By category and field, the value that was checked last in this batch: most stand in the event before, too."""


def _passes_quick_check(event: Mapping[str, Any], last_of: _Last) -> bool:
    """Whether an event keeps every rule; false also where `broken_rules` has to find out.

    It looks at the fields that are there instead of at all that could be, and once at what repeats: 3 µs an
    event instead of 6.
    """
    category = event.get("category")
    if type(category) is not str or category not in _FIELDS:
        return False
    fields, last = _FIELDS[category], last_of[category]
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
    return _REQUIRED_FIELDS[category] <= event.keys()


def _find_run(raws: Sequence[bytes], start: int) -> tuple[bytes, list[bytes]]:
    """What an event and those after it have in common, and the rests of these events; none where it is alone.

    Our tracker writes the annotations from "v" on in one piece, the same for each event of a session. So they are
    compared as bytes and checked once, and the rests are decoded and checked together: 4 µs an event instead of 10.
    """
    shared = _shared_annotations(raws[start])
    rests: list[bytes] = []
    good = b""
    if shared and start + 1 < len(raws) and shared in raws[start + 1]:
        for number in range(start, min(start + MAX_RUN, len(raws))):
            before, _, after = raws[number].partition(shared)
            if before != good:  # it holds the time only, which repeats
                if not after or not before.startswith(b"{") or before.count(b"{") > 1 or b"[" in before:
                    break  # not there, or perhaps inside of another field
                if before[-1:] not in (b"{", b","):
                    break  # inside of a name: "a\\"v"
                good = before
            if len(raws[number]) > MAX_EVENT_BYTES:
                break
            rests.append(before + after)
    return shared, rests


def _completed(shared: bytes, rests: Sequence[bytes]) -> list[dict[str, Any]]:
    """The events of a run if all keep every rule; none also where it has to be found out one by one."""
    try:
        fields = bodies.decode(b"{" + shared[:-1] + b"}")
        for name, value in fields.items():  # another name is no annotation: a category may have a rule for it
            rules.ANNOTATIONS[name].check(name, value)
        events: list[dict[str, Any]] = bodies.decode(b"[" + b",".join(rests) + b"]")
        kinds: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for event in events:
            kinds.setdefault((event["category"], *event), []).append(event)
        for (category, *names), alike in kinds.items():
            if not (fields.keys().isdisjoint(names) and _REQUIRED_FIELDS[category] <= {*fields, *names}):
                return []
            _check_alike(_FIELDS[category], names, alike)
    except (bodies.Unreadable, LookupError, TypeError, ValueError, RecursionError):  # InvalidEvent is a ValueError
        return []
    for event in events:
        event.update(fields)
    return events


def _shared_annotations(raw: bytes) -> bytes:
    """The text of an event from "v" to its own fields, with the last comma; empty if it has none like that."""
    start = raw.find(b'"v":')
    end = max(raw.find(b'"category":', start), 0) or raw.find(b'"event_uuid":', start)
    return raw[start:end] if 0 <= start < end and raw[end - 1 : end] == b"," else b""


def _check_alike(fields: Mapping[str, rules.Field], names: Sequence[str], events: Sequence[Mapping[str, Any]]) -> None:
    """Check events that have the same fields, what repeats once.

    Raises:
        InvalidEvent: A value breaks a rule.
    """
    for name in names:
        field = fields.get(name)
        if field is not None:
            values: Collection[Any] = [event[name] for event in events]
            if set(map(type, values)) in ({str}, {int}):  # else equal ones may differ: 1, 1.0 and true
                values = set(values)
            for value in values:
                field.check(name, value)


def broken_rules(event: Mapping[str, Any]) -> list[dict[str, str]]:
    """Every broken rule of an event, as the 400 answer lists them."""
    try:
        return [
            _broken_rule(error.error_type, "/" + error.field.replace(" key", "").replace(".", "/"), str(error))
            for error in islice(rules.wire_errors(event), MAX_ERRORS)
        ]
    except (ValueError, RecursionError) as error:  # a value that cannot even be shown
        return [_broken_rule("data_invalid", "", f"cannot be checked: {error}")]


def _broken_rule(error_type: str, path: str, reason: str) -> dict[str, str]:
    return {"error_type": error_type, "path": path[:MAX_RULE_REASON], "reason": reason[:MAX_RULE_REASON]}
