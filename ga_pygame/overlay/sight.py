"""Reads what the overlay shows from the parts of a running tracker. Game thread, a few times a second."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ga_pygame import process
from ga_pygame.checks import exact_number
from ga_pygame.clock import time_of_day
from ga_pygame.diagnostics import DROP_WORDS, Drop
from ga_pygame.engine.session import Session
from ga_pygame.kinds import KIND_BY_CATEGORY
from ga_pygame.parts import Core, Said
from ga_pygame.protocol import Destination, SummingDestination
from ga_pygame.recording.inbox import Item
from ga_pygame.records import Repeated

KEPT_EVENTS = 60
"""Events that the overlay keeps, the newest."""
MAX_OVERLAY_TEXT = 300
"""Characters of a text; the rest is left out."""

_UNSAID = frozenset({Drop.NO_CONSENT, Drop.NOT_RUNNING})
"""Losses that are no defect of the game: it goes on without a tracker."""


class EventLine(NamedTuple):
    """An event or a loss.

    Attributes:
        clock: The time by the machine's clock, e.g. `18:00:59`.
        text: What it is.
        why: Why it was refused, with the rule and, where it is known, the line of the game; "" if it was not.
    """

    clock: str
    text: str
    why: str = ""


class ConfigLine(NamedTuple):
    """A remote config as the game has it.

    Attributes:
        name: Its key.
        value: A bool, a number or a text.
        least: The left end of its slider; `None` if it is no number.
        most: The right end.
    """

    name: str
    value: bool | int | float | str
    least: float | None = None
    most: float | None = None


class OverlayFacts(NamedTuple):
    """All that the overlay shows but frame times."""

    facts: Sequence[str]
    troubles: Sequence[str]
    configs: Sequence[ConfigLine]
    events: Sequence[EventLine]


class Sight:
    """Reads the facts; keeps the last events. `seen` is for the writer's thread, the rest for the game thread.

    Args:
        core: The tracker's parts.
        said: What the game has told the tracker, with the remote configs.
        session: The session.
        services: The destinations that send over a network.
    """

    def __init__(self, core: Core, said: Said, session: Session, services: Sequence[Destination]) -> None:
        self._core = core
        self._said = said
        self._session = session
        self._services = services
        self._events: deque[Item | EventLine] = deque(maxlen=KEPT_EVENTS)
        self._lost: dict[str, str] = {}
        self._ranges: dict[str, tuple[float, float]] = {}
        signals = core.announcer.signals
        signals.event_rejected.connect(self._rejected)
        signals.event_dropped.connect(self._dropped)
        signals.connection_lost.connect(self._lost.__setitem__)
        signals.connection_restored.connect(lambda name: self._lost.pop(name, None))

    def seen(self, items: Sequence[Item]) -> None:
        """Keep events that the writer has taken."""
        self._events.extend(items[-KEPT_EVENTS:])

    def look(self) -> OverlayFacts:
        """Read everything; the newest event first."""
        state = self._session.state
        core, stats = self._core, self._core.diagnostics.stats(self._core.recorder.waiting)
        length = int(state.length(core.clock.monotonic()))
        attempt = self._said.progression.current
        facts = [
            f"session {state.phase.value}, {length // 60}:{length % 60:02} · {process.memory_bytes() // 2**20} MB",
            f"attempt {plain(':'.join(attempt))}" if attempt else "no attempt is open",
        ]
        for service in self._services:
            sent = stats.delivered.get(service.name, 0)
            queue = max(0, stats.stored - sent - stats.dropped.get(Drop.REJECTED.value, 0)) + stats.waiting
            waiting = "" if isinstance(service, SummingDestination) else f", {queue} wait"
            facts.append(f"{plain(service.name)}: {sent} sent{waiting}")
        troubles = [f"{plain(name)}: {plain(why)}" for name, why in self._lost.items()]
        lost = [f"{count} {reason}" for reason, count in stats.dropped.items() if count]
        if lost:
            troubles.append(f"lost: {', '.join(lost)}")
        return OverlayFacts(facts, troubles, self.configs(), [self._line(one) for one in reversed(tuple(self._events))])

    def as_json(self) -> str:
        """Return the remote configs that the game has, as an object by their keys."""
        return json.dumps({one.name: one.value for one in self.configs()}, indent=2, ensure_ascii=False)

    # --- events -----------------------------------------------------------------------------------------

    def _line(self, item: Item | EventLine) -> EventLine:
        if type(item) is EventLine:
            return item
        record = item.record() if isinstance(item, Repeated) else item
        return EventLine(self._clock(record.at), told(record.event.wire()))  # type: ignore[union-attr]  # see above

    def _clock(self, at: float) -> str:
        return time_of_day(self._core.clock.wall(at))

    def _now(self) -> str:
        return self._clock(self._core.clock.monotonic())

    def _rejected(self, destination: str, event: dict[str, Any], errors: str) -> None:
        self._events.append(EventLine(self._now(), told(event), f"{plain(destination)}: {plain(errors)}"))

    def _dropped(self, reason: Drop, count: int, detail: str) -> None:
        if reason not in _UNSAID and reason is not Drop.REJECTED:  # which has a signal of its own
            self._events.append(
                EventLine(self._now(), f"{count} {reason.value}", plain(detail or DROP_WORDS.get(reason, reason.value)))
            )

    # --- remote configs ---------------------------------------------------------------------------------

    def configs(self) -> list[ConfigLine]:
        """Return the remote configs that the game has: first those that a class is bound to, then the others."""
        found = self._said.configs
        lines: dict[str, ConfigLine] = {}
        for binding in found.bindings:
            for name, value, least, most in binding.tunables():
                lines[name.lower()] = self._config(name, value, least, most)
        for name, value in found.values.items():
            lines.setdefault(name.lower(), self._config(name, _number_of(value), None, None))
        return list(lines.values())

    def _config(self, name: str, value: Any, least: float | None, most: float | None) -> ConfigLine:
        if type(value) is bool:
            return ConfigLine(name, value)
        number = exact_number(value)
        if number is None:
            return ConfigLine(name, value if type(value) is str else json.dumps(value))
        # Chosen once: a range that follows its value would run away under the mouse.
        low, high = self._ranges.setdefault(name, (min(0.0, 2 * number), max(2 * number, 1.0)))
        return ConfigLine(name, number, low if least is None else least, high if most is None else most)


def _number_of(value: Any) -> Any:
    """Return the number that a text is, as services send them; any other value as it is."""
    if type(value) is str and len(value) <= 20:
        for kind in (int, float):
            try:
                number = kind(value)
            except ValueError:
                continue
            return number if abs(number) < 1e15 else value
        return {"true": True, "false": False}.get(value.lower(), value)
    return value


def told(event: Mapping[str, Any]) -> str:
    """Return what an event is about, in a line: its category, what distinguishes it, its number."""
    category = str(event.get("category"))
    kind = KIND_BY_CATEGORY.get(category)
    names = kind.told_by if kind is not None else ("event_id",)
    words = [str(event[name]) for name in names if event.get(name) is not None]
    number = event.get(kind.summed[0]) if kind is not None and kind.summed else None
    return plain(" ".join([category, *words, *([f"= {number}"] if number is not None else [])]))


def plain(text: str) -> str:
    """Return the beginning of a text with characters that cannot be seen, or that move others, written out."""
    cut = text[:MAX_OVERLAY_TEXT]
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in cut)
