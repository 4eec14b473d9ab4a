"""What is left out of the events of a game for children (`child_directed=True`): texts, and ids that outlive a launch.

It is left out before an event gets into the journal, so that it is on no disk either. Ids of things in the game
(events, levels, items, the values of dimensions) are the developer's words and stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ga_pygame.diagnostics import Diagnostics
from ga_pygame.events import Fields

CHILD_PARTS = frozenset({"user_id", "build", "dimensions", "fields", "extra", "facts"})
"""The parts of a context that events may carry; others, such as a second id of the player, are left out."""


def numbers_only(fields: Fields | None, diagnostics: Diagnostics) -> Fields | None:
    """Return checked custom fields without those that are text, which is reported once; `None` if none is left."""
    if not fields:
        return fields
    found = {name: value for name, value in fields.items() if not isinstance(value, str)}
    if len(found) < len(fields):
        words = "custom fields that are text are left out, since child_directed is on: use numbers"
        diagnostics.warn_once("child: fields", words)
    return found or None


def allowed_parts(changes: Mapping[str, Any], diagnostics: Diagnostics) -> dict[str, Any]:
    """Return the parts of a context that may change; the refusal of an id is reported once."""
    if any(value is not None for name, value in changes.items() if name not in CHILD_PARTS):
        words = "an id of the player is not taken, since child_directed is on: it would recognise the child"
        diagnostics.warn_once("child: ids", words)
    found = {name: value for name, value in changes.items() if name in CHILD_PARTS}
    if "fields" in found:
        found["fields"] = numbers_only(found["fields"], diagnostics)
    return found
