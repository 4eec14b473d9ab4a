"""Validate the events of a batch by `ga_pygame.rules`, and list what is wrong with the rejected ones.

The errors of a rejected event can be many times as long as the event. So the rejected events of a request, the errors
of each, and the bytes of all together are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from ga_pygame import categories
from ga_pygame.annotations import FIELDS
from ga_pygame.checks import InvalidEvent
from ga_pygame.collector import bodies
from ga_pygame.rules import Field

MAX_EVENTS = 10_000
"""Events in a request; more are answered with 413. The largest seen from an official SDK had 592."""
MAX_EVENT_BYTES = 256 * 2**10
"""Bytes of an event's JSON; a larger one is rejected."""
MAX_REFUSALS = 600
"""Rejected events in a request; if there are more, the request is answered with 413 and nothing is stored."""
MAX_ERRORS = 10
"""Broken rules that are listed for an event; further ones are left out."""
MAX_RULE_REASON = 400
"""Characters of the reason and of the path of a broken rule; the rest is cut."""
MAX_SHOWN_EVENT_BYTES = 16 * 2**10
"""Bytes of a rejected event that is shown and stored whole; of a larger one only its ids and its beginning are."""
MAX_TOLD_BYTES = 2**20
"""Bytes of a request's rejected events and errors; once exceeded, each further event has only its ids and one error."""
MAX_RUN = 500
"""Events that are decoded and checked together; meanwhile their texts are in memory twice."""
VALUE_BYTES = 64
"""Approximate bytes of memory of a decoded value."""

Rejection = tuple[str, bytes, list[dict[str, str]]]
"""A rejected event: category, the event as sent or shortened, its broken rules."""
Accepted = tuple[dict[str, Any], bytes]
"""An accepted event: decoded, and as sent."""


def sort_out(
    body: bytes, most_refusals: int = MAX_REFUSALS, *, lenient: bool = False
) -> tuple[list[Accepted], list[Rejection]]:
    """Split a batch into accepted and rejected events.

    Args:
        body: The JSON; `bodies.count_values` has bounded its values.
        most_refusals: Events that may be rejected.
        lenient: See `categories.wire_errors`.

    Raises:
        BadBody: It is not a JSON list.
        TooLarge: It has too many events, or too many rejected ones.
    """
    accepted: list[Accepted] = []
    rejected = _Refusals(most_refusals, lenient=lenient)
    last: _Last = {}
    raws = [bytes(raw) for raw in bodies.split_list(body)]
    if len(raws) > MAX_EVENTS:
        raise bodies.TooLarge
    at = 0
    while at < len(raws):
        shared, rests = _find_run(raws, at)
        run = raws[at : at + max(1, len(rests))]
        events = _completed(shared, rests) if rests else []
        if events:
            accepted.extend(zip(events, run, strict=True))
        else:
            for raw in run:
                _judge(raw, accepted, rejected, last)
        at += len(run)
    return accepted, rejected.found


class _Refusals:
    """The rejected events of a request, and how strictly they are judged."""

    def __init__(self, most: int, *, lenient: bool) -> None:
        self.found: list[Rejection] = []
        self.lenient = lenient
        self._most = most
        self._left = MAX_TOLD_BYTES

    def add(self, category: object, raw: bytes, event: object, errors: list[dict[str, str]]) -> None:
        """Add an event with its broken rules.

        Raises:
            TooLarge: There are too many rejected events.
        """
        if len(self.found) >= self._most:
            raise bodies.TooLarge
        known = categories.category_of(category) is not None
        if len(raw) > MAX_SHOWN_EVENT_BYTES or self._left <= 0:
            raw = _shown_in_part(raw, event)
        if self._left <= 0:
            errors = errors[:1]
        self._left -= len(raw) + sum(len(error["reason"]) + 100 for error in errors)
        self.found.append((str(category) if known else "unknown", raw, errors))


_SHOWN_FIELDS = ("category", "event_uuid", "event_id", "client_ts", "session_id", "user_id")


def _shown_in_part(raw: bytes, event: object) -> bytes:
    """Shorten an event that is too long to be shown: its ids, by which the sender finds it, and its beginning."""
    begins = raw[:200].decode("utf-8", "replace")
    shown: dict[str, Any] = {"shown": f"in part, it has {len(raw)} bytes", "begins": begins}
    if isinstance(event, dict):
        for name in _SHOWN_FIELDS:
            value = event.get(name)
            if (isinstance(value, str) and len(value) <= 64) or (type(value) is int and abs(value) < 2**53):
                shown[name] = value
    return msgspec.json.encode(shown)


def _judge(raw: bytes, accepted: list[Accepted], rejected: _Refusals, last: _Last) -> None:
    """Check one event and add it to the accepted or the rejected ones."""
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
    elif not _passes_quick_check(event, last) and (errors := broken_rules(event, lenient=rejected.lenient)):
        rejected.add(event.get("category"), raw, event, errors)
    else:
        accepted.append((event, raw))


_Last = dict[str, dict[str, str | int]]
"""By category and field, the value of this batch that was checked last: most events repeat the value before."""


def _passes_quick_check(event: Mapping[str, Any], last_of: _Last) -> bool:
    """Check an event quickly: true if it keeps every rule of the document, false if `broken_rules` must decide.

    It checks only the fields that are present, and repeated values only once: 3 µs an event instead of 6.
    """
    name = event.get("category")
    category = categories.category_of(name)
    if category is None:
        return False
    fields, last = category.fields, last_of.setdefault(str(name), {})
    try:
        for name, value in event.items():
            before = last.get(name)
            if before is None or before != value or type(before) is not type(value):
                field = fields.get(name)
                if field is not None:
                    field.check(name, value)
                    if type(value) is str or type(value) is int:
                        last[name] = value
        for rule in category.rules:
            rule.check(event)
    except (InvalidEvent, ValueError, RecursionError):  # also for null, which counts as absent
        return False
    return category.required <= event.keys()


def _find_run(raws: Sequence[bytes], start: int) -> tuple[bytes, list[bytes]]:
    """Find the events that share the annotations of one: return the shared bytes and the rest of each event.

    Our tracker writes the annotations as the same bytes into each event of a session. So they are compared as bytes and
    checked once, and the rests are decoded and checked together: 4 µs an event instead of 10. If no other event shares
    them, there are no rests.
    """
    rests: list[bytes] = []
    good = b""
    shared = _longest_annotations(raws[start]) if start + 1 < len(raws) else b""
    if shared and shared in raws[start + 1]:
        for number in range(start, min(start + MAX_RUN, len(raws))):
            before, _, after = raws[number].partition(shared)
            if before != good:  # it holds only the time, which often repeats
                if not after or not before.startswith(b"{") or before.count(b"{") > 1 or b"[" in before:
                    break  # the shared bytes are missing, or may be inside another field
                if before[-1:] not in (b"{", b","):
                    break  # the shared bytes begin inside a name: "a\\"v"
                good = before
            if len(raws[number]) > MAX_EVENT_BYTES:
                break
            rests.append(before + after)
    return shared, rests


def _completed(shared: bytes, rests: Sequence[bytes]) -> list[dict[str, Any]]:
    """Decode and check a run of events; an empty list if they must be checked one by one."""
    try:
        fields = bodies.decode(b"{" + shared[:-1] + b"}")
        for name, value in fields.items():  # a name that is no annotation raises KeyError: a category may have its rule
            FIELDS[name].check(name, value)
        events: list[dict[str, Any]] = bodies.decode(b"[" + b",".join(rests) + b"]")
        kinds: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for event in events:
            kinds.setdefault((event["category"], *event), []).append(event)
        for (name, *names), alike in kinds.items():
            category = categories.category_of(name)
            if category is None or category.shared is not FIELDS:
                return []
            if not (fields.keys().isdisjoint(names) and category.required <= {*fields, *names}):
                return []
            _check_alike(category.fields, names, alike)
            for rule in category.rules:
                for event in alike:
                    rule.check(event)
    except (bodies.Unreadable, LookupError, TypeError, ValueError, RecursionError):  # InvalidEvent is a ValueError
        return []
    for event in events:
        event.update(fields)
    return events


_ANNOTATION_NAMES = "|".join(sorted(FIELDS.keys() - {"client_ts", "event_uuid"})).encode()
_SIMPLE_VALUE = rb'(?:"[^"\\]*"|[-+.0-9Ee]+|true|\{[^{}\[\]]*\})'
_ANNOTATIONS_IN_A_ROW = re.compile(b'[{,]((?:"(?:%b)":%b,)+)' % (_ANNOTATION_NAMES, _SIMPLE_VALUE))


def _longest_annotations(raw: bytes) -> bytes:
    """Find the longest part of an event's text that holds only annotations, in any order, with the comma behind them.

    It is a guess: the caller decodes the part and the rest of the event separately, and checks both.
    """
    return max(_ANNOTATIONS_IN_A_ROW.findall(raw[:MAX_EVENT_BYTES]), key=len, default=b"")


def _check_alike(fields: Mapping[str, Field], names: Sequence[str], events: Sequence[Mapping[str, Any]]) -> None:
    """Check events that have the same fields; check repeated values once.

    Raises:
        InvalidEvent: A value breaks a rule.
    """
    for name in names:
        field = fields.get(name)
        if field is not None:
            values: Collection[Any] = [event[name] for event in events]
            if set(map(type, values)) in ({str}, {int}):  # other types: 1, 1.0 and true are equal, but differ
                values = set(values)
            for value in values:
                field.check(name, value)


def broken_rules(event: Mapping[str, Any], *, lenient: bool = False) -> list[dict[str, str]]:
    """List the broken rules of an event in the form of the 400 answer; for `lenient` see `categories.wire_errors`."""
    try:
        return [
            _broken_rule(error.error_type, "/" + error.field.replace(" key", "").replace(".", "/"), str(error))
            for error in islice(categories.wire_errors(event, lenient=lenient), MAX_ERRORS)
        ]
    except (ValueError, RecursionError) as error:  # a value that cannot be shown in a message
        return [_broken_rule("data_invalid", "", f"cannot be checked: {error}")]


def _broken_rule(error_type: str, path: str, reason: str) -> dict[str, str]:
    return {"error_type": error_type, "path": path[:MAX_RULE_REASON], "reason": reason[:MAX_RULE_REASON]}
