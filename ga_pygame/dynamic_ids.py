"""Warnings for event ids that change with every event, such as ids with a UUID, a time or a number that counts.

Each different id is a line of its own in a service's figures, and counts for its limit of unique values. The warnings
are for the developer: `parts.core_of` makes the watcher only if the game runs from source and sends to a collector.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ga_pygame.diagnostics import Diagnostics, game_call
from ga_pygame.events import Design
from ga_pygame.kinds import Event

MAX_NUMBERED_PATTERNS = 256
"""Patterns with numbers that are watched; ids of further patterns are not looked at."""
MANY_NUMBERS = 20
"""Different ids of one pattern from which on its numbers seem to change endlessly."""
MANY_LEVELS = 100
"""The same for levels, which are often numbered. Source: REST v2, Limitations (values of a part of a progression)."""

_ANY_UUID = re.compile(r"[0-9A-Fa-f]{8}(-?)[0-9A-Fa-f]{4}\1[0-9A-Fa-f]{4}\1[0-9A-Fa-f]{4}\1[0-9A-Fa-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T _]\d\d(?:[.:-]\d\d){1,2})?|(?<!\d)1\d{9}(?:\d{3})?(?:\.\d+)?(?!\d)")
"""A date with or without a time, or seconds or milliseconds since 1970."""
_AMOUNT = re.compile(r"(?<![^:])-?(?:\d{3,}(?:\.\d+)?|\d+\.\d{2,})(?![^:])")
"""A whole part of a design id that is a number of three digits or with two decimals: no level or wave has that many."""
_ANY_NUMBER = re.compile(r"\d+")


class _Suspicion(NamedTuple):
    """What is wrong with an id; `needed` different ids of its pattern prove it."""

    pattern: str
    words: str
    needed: int


class DynamicIds:
    """Watcher of the ids of events (see the module). Any thread may call `look`.

    Args:
        diagnostics: Logs the warnings, each pattern once.
    """

    def __init__(self, diagnostics: Diagnostics) -> None:
        self._diagnostics = diagnostics
        self._seen: dict[str, set[str]] = {}  # the ids of each pattern; empty once it was told

    def look(self, event: Event) -> None:
        """Look at the id of an event that is not a repeat; warn if its pattern is one of ids that change."""
        if event.told_by[:1] != ("event_id",):
            return
        text = str(event.wire()["event_id"])
        if event.variants:
            text = text.partition(":")[2]  # an attempt's steps, and both flows of a resource, have one pattern
        suspicion = _suspicion(text, event)
        if suspicion is None:
            return
        cause = f"dynamic id:{event.category}:{suspicion.pattern}"
        seen = self._seen.get(cause)
        if seen is None:
            if len(self._seen) >= MAX_NUMBERED_PATTERNS:
                return
            seen = self._seen[cause] = set()
        elif not seen:
            return
        seen.add(text)
        if len(seen) >= suspicion.needed:
            seen.clear()
            self._diagnostics.warn_once(cause, _warning(event, suspicion))


def _suspicion(text: str, event: Event) -> _Suspicion | None:
    """Return what in an id may change with every event; `None` if nothing may."""
    for expression, name, words in (
        (_ANY_UUID, "uuid", "a UUID"),
        (_TIME, "time", "a time"),
        (_AMOUNT, "number", "a number that seems to be an amount"),
    ):
        found = expression.sub(f"<{name}>", text)
        if found != text and (expression is not _AMOUNT or type(event) is Design):
            return _Suspicion(_ANY_NUMBER.sub("<number>", found), words, 1)
    found = _ANY_NUMBER.sub("<number>", text)
    if found == text:
        return None
    needed = MANY_LEVELS if event.category == "progression" else MANY_NUMBERS
    return _Suspicion(found, f"numbers, {needed} different ones so far", needed)


def _warning(event: Event, suspicion: _Suspicion) -> str:
    fix = 'tracker.design("kill:slime", value, fields={"id": ...})' if type(event) is Design else 'fields={"id": ...}'
    return (
        f"{game_call()}: the {event.category} id {suspicion.pattern!r} has {suspicion.words}. Each different id is a"
        " line of its own in a service's figures, and counts for its limit of unique values: give what changes as"
        f" {fix}"
    )
