"""Checks the custom fields of a call; what breaks a rule is left out, counted and reported."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from ga_pygame import rules
from ga_pygame.checks import InvalidEvent
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.events import Fields, FieldValue
from ga_pygame.traces import pass_on, type_name

_MAX_LOOKED_AT = 1000  # custom fields that are checked one by one if some are invalid


def sound_fields(fields: Fields, shared: Fields | None, diagnostics: Diagnostics) -> Fields | None:
    """Return the valid custom fields.

    Args:
        fields: As the game gave them.
        shared: The fields that all events carry, which count for the limits, too.
        diagnostics: Told of those that are left out.
    """
    if type(fields) is dict:
        fields = fields.copy()  # before it is checked: another thread may change the game's until the event is recorded
    try:
        checked = rules.custom_fields("custom_fields", fields)
        if shared:
            rules.custom_fields("custom_fields with tracker.fields", {**shared, **checked})
        return checked
    except InvalidEvent as error:
        diagnostics.left_out(error)
        return _sorted_out(fields, shared or {}, diagnostics)
    except Exception as error:  # noqa: BLE001 - not our code
        pass_on(error)
        diagnostics.left_out(_unreadable(fields, error))
        return None


def _sorted_out(fields: Fields, shared: Fields, diagnostics: Diagnostics) -> Fields | None:
    """Return the valid ones of custom fields of which some are invalid."""
    sound: dict[str, FieldValue] = {}
    room = rules.MAX_CUSTOM_FIELDS - len(shared)
    try:
        if not isinstance(fields, Mapping):
            return None
        for key, value in islice(fields.items(), _MAX_LOOKED_AT):
            try:
                name, exact = rules.custom_field(key, value)
            except InvalidEvent:
                continue
            is_new = name not in sound and name not in shared
            if room > 0 or not is_new:
                sound[name] = exact
                room -= is_new
    except Exception as error:  # noqa: BLE001 - not our code
        pass_on(error)
        diagnostics.left_out(_unreadable(fields, error))
    return sound or None


def _unreadable(fields: object, error: Exception) -> InvalidEvent:
    """Describe custom fields whose own methods raise."""
    words = f"must be a mapping that can be read; it raised {type_name(error)}"
    return InvalidEvent("custom_fields", fields, words, "ours", "wrong_type", private=True)
