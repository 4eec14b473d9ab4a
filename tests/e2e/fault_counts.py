"""Counts for damaged events: an event is identified by its id and by the time of its call.

A flipped bit may turn the number of an event into another one's, so numbers alone would show a loss and a double
where there is neither.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from tests.e2e.fault_ledger import Event, Life, Result


def doubles(events: Sequence[Event]) -> int:
    """Count the duplicates: by id, by call, or by a session's start and end, whichever gives most."""
    ids = Counter(str(event.get("event_uuid")) for event in events)
    calls = Counter(called for event in events if (called := _fields(event).get("called")) is not None)
    marks = Counter(
        (event.get("session_id"), event.get("category"))
        for event in events
        if event.get("category") in ("user", "session_end")
    )
    return max(sum(times - 1 for times in found.values()) for found in (ids, calls, marks))


def lost(life: Life, events: Sequence[Event]) -> list[int]:
    """Return the calls of a launch of which nothing arrived."""
    fields = [_fields(event) for event in events]
    called = {one.get("called") for one in fields}
    numbers = {one.get("n") for one in fields if one.get("launch") == life.name}
    return [number for number in life.calls if number not in numbers and life.called[number] not in called]


def tally(
    fault: str, rounds: int, lives: Sequence[Life], events: Sequence[Event], hurt: Collection[str] = ()
) -> tuple[Result, int]:
    """Compare the events that arrived with the ledger.

    Args:
        fault: Its name.
        rounds: How often it was met.
        lives: All launches that shared a data folder.
        events: What the server took.
        hurt: Launches whose events were in the damaged range.

    Returns:
        The result, in which what these lost does not count; and how much that is.
    """
    result = Result(fault, rounds, doubled=doubles(events))
    damaged = 0
    for life in lives:
        missing = len(lost(life, events))
        result.events += len(life.calls)
        result.kills += life.died is not None
        if life.name in hurt:
            damaged += missing
        else:
            result.lost += missing
        if life.started:
            result.slowest_start = max(result.slowest_start, life.started - life.starting)
        elif life.died is None:
            result.wrong.append(f"{life.name}: did not start")
        if life.closing is not None and life.closed is not None:
            result.slowest_close = max(result.slowest_close, life.closed - life.closing)
    return result, damaged


def _fields(event: Event) -> Event:
    fields = event.get("custom_fields")
    return fields if isinstance(fields, dict) else {}
