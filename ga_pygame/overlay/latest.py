"""The last events, for the overlay: what the writer took, and what was refused or lost, with the reason."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ga_pygame.diagnostics import DROP_WORDS, Drop
from ga_pygame.kinds import KIND_BY_CATEGORY, Event
from ga_pygame.lettering import shown_line
from ga_pygame.records import Record, Repeated

KEPT_EVENTS = 200
"""Events that are kept for the overlay."""
MAX_EVENT_TEXT = 200
"""Characters of an event's line, and of the reason why it was refused."""

_TOLD_WITH_EVENT = frozenset({Drop.REJECTED, Drop.SERVER_ERROR, Drop.TOO_LARGE})
"""Losses that `event_rejected` tells, too, and with the event."""


class SeenEvent(NamedTuple):
    """An event as the overlay shows it.

    Attributes:
        at: The time of its call, in seconds of the monotonic clock.
        text: Its category, names and number, on one line.
        why: Why it was refused or lost; "" if it was recorded.
    """

    at: float
    text: str
    why: str = ""


class LatestEvents:
    """The last events, at most `KEPT_EVENTS`. Any thread; a writer's call costs some µs, whatever it took.

    Args:
        monotonic: The clock of losses.

    Attributes:
        refused: How many events each destination refused.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: deque[list[Record | Repeated | SeenEvent]] = deque(maxlen=KEPT_EVENTS)  # each in a list of its own
        self.refused: dict[str, int] = {}

    def take(self, items: Sequence[Record | Repeated]) -> None:
        """Keep events that the writer took; they become text when they are shown."""
        self._kept.extend([item] for item in items[-KEPT_EVENTS:])

    def lose(self, reason: Drop, count: int, detail: str) -> None:
        """Keep a loss, as the signal `event_dropped` tells it."""
        if reason not in _TOLD_WITH_EVENT:
            times = f" ({count} times)" if count > 1 else ""
            self._keep(f"dropped: {reason.value}{times}", detail or DROP_WORDS.get(reason, ""))

    def refuse(self, destination: str, event: Mapping[str, Any], errors: str) -> None:
        """Keep an event that a destination refused, as the signal `event_rejected` tells it."""
        self.refused[destination] = self.refused.get(destination, 0) + 1
        self._keep(_told(event), f"{destination}: {errors or 'refused'}")

    def _keep(self, text: str, why: str) -> None:
        lines = shown_line(text, MAX_EVENT_TEXT), shown_line(why, MAX_EVENT_TEXT)
        self._kept.append([SeenEvent(self._monotonic(), *lines)])

    def newest(self, most: int) -> list[SeenEvent]:
        """Return the last events, the newest first."""
        kept = self._kept.copy()  # atomic: the writer appends at the same time
        found: list[SeenEvent] = []
        while kept and len(found) < most:
            cell = kept.pop()
            one = cell[0]
            if not isinstance(one, SeenEvent):
                one = cell[0] = SeenEvent(one.at, _line(one))
            found.append(one)
        return found


def _line(item: Record | Repeated) -> str:
    """Describe an event of the writer."""
    event: Event = item.event
    if isinstance(item, Repeated):
        event = event.with_number(None if math.isnan(item.number) else item.number)
    fields = f" {_named_values(item.fields)}" if item.fields else ""
    return shown_line(f"{_told(event.wire())}{fields}", MAX_EVENT_TEXT)


def _told(wire: Mapping[str, Any]) -> str:
    """Describe an event by its wire form: its category, the fields that distinguish it, and its other numbers."""
    category = str(wire.get("category", "event"))
    kind = KIND_BY_CATEGORY.get(category)
    told_by = kind.told_by if kind is not None else ("event_id",)
    names = " ".join(str(wire[name]) for name in told_by if wire.get(name) is not None)
    others = {name: value for name, value in wire.items() if name not in told_by and type(value) in (int, float)}
    numbers = {name: value for name, value in others.items() if kind is None or name in kind.wire_fields}
    return " ".join(filter(None, [category, names, _named_values(numbers)]))


def _named_values(values: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={_shown_number(value)}" for name, value in values.items())


def _shown_number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
