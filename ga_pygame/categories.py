"""The rules for each category of events on the wire, for the collector.

A kind of ours has its fields in its class; this module adds the categories that only the official SDKs send.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ga_pygame import events  # noqa: F401 - it defines the kinds
from ga_pygame.annotations import FIELDS
from ga_pygame.checks import MISSING, InvalidEvent
from ga_pygame.kinds import KIND_BY_CATEGORY
from ga_pygame.rules import SDK_VERSION, EventRule, Field, anything

_TYPES_SOURCE = "REST v2, Event types"


class Category(NamedTuple):
    """The wire rules of one category.

    Attributes:
        own: The category's own fields.
        rules: The rules about several fields.
        told_by: The fields that distinguish its events, the most general first.
        number: The field with an event's amount, "" if there is none.
        shared: The annotations.
        fields: Annotations and own fields.
        required: The names of required fields.
    """

    own: Mapping[str, Field]
    rules: tuple[EventRule, ...]
    told_by: tuple[str, ...]
    number: str
    shared: Mapping[str, Field]
    fields: Mapping[str, Field]
    required: frozenset[str]


def _category(
    own: Mapping[str, Field],
    told_by: tuple[str, ...] = ("event_id",),
    number: str = "",
    shared: Mapping[str, Field] = FIELDS,
    rules: tuple[EventRule, ...] = (),
) -> Category:
    fields = {**shared, **own}
    required = frozenset(name for name, field in fields.items() if field.required)
    return Category(own, rules, told_by, number, shared, fields, required)


_OF_SDK_ERRORS = {"v", "sdk_version", "os_version", "platform"}
_OF_OTHER_SDKS = {
    "sdk_error": _category(
        {"error_category": Field(anything)},
        ("error_category", "error_area", "error_action"),
        shared={name: Field(field.check, required=name in _OF_SDK_ERRORS) for name, field in FIELDS.items()},
    ),
}
"""Categories that only official SDKs send; no REST document describes them."""

_known: dict[str, Category] = {}


def category_of(name: object) -> Category | None:
    """Find a category by its name; `None` if there is none. A kind of ours comes before a row of `_OF_OTHER_SDKS`."""
    if type(name) is not str:
        return None
    found = _known.get(name)
    if found is None:
        kind = KIND_BY_CATEGORY.get(name)
        if kind is None:
            return _OF_OTHER_SDKS.get(name)
        found = _known[name] = _category(
            kind.wire_fields, kind.told_by, "".join(kind.summed[:1]), rules=kind.wire_rules
        )
    return found


def names() -> list[str]:
    """List all categories that the collector takes."""
    return list(dict.fromkeys((*KIND_BY_CATEGORY, *_OF_OTHER_SDKS)))


def wire_errors(event: Mapping[str, Any], *, lenient: bool = False) -> Iterator[InvalidEvent]:
    """Yield every broken rule of one event as it came over the wire.

    A `null` counts as absent: official SDKs send it for NaN and for values that are not set. An event of an official
    SDK (by its `sdk_version`) may break those rules of the REST document that these SDKs were seen to break.

    Args:
        event: The event.
        lenient: Check only what the published schemas have, not what only the REST document demands.
    """
    category = event.get("category")
    if category is None:
        yield InvalidEvent("category", MISSING, "is required", _TYPES_SOURCE, "missing_required_property")
        return
    if not isinstance(category, str):
        yield InvalidEvent("category", category, "must be a string", _TYPES_SOURCE, "wrong_type")
        return
    found = category_of(category)
    if found is None:
        words = f"must be one of: {', '.join(names())}"
        yield InvalidEvent("category", category, words, _TYPES_SOURCE, "not_in_enum")
        return
    is_of_sdk = _is_of_official_sdk(event)
    for fields in (found.shared, found.own):
        for name, field in fields.items():
            value = event.get(name)
            try:
                if value is not None:
                    field.check(name, value)
                elif field.required and (field.is_in_schema or not (lenient or is_of_sdk)):
                    raise _missing_field(name, field)
            except InvalidEvent as error:
                yield error
    for rule in found.rules:
        if not (lenient or (is_of_sdk and rule.is_broken_by_sdks)):
            try:
                rule.check(event)
            except InvalidEvent as error:
                yield error


def _is_of_official_sdk(event: Mapping[str, Any]) -> bool:
    version = event.get("sdk_version")
    return isinstance(version, str) and version != SDK_VERSION


def _missing_field(name: str, field: Field) -> InvalidEvent:
    """Make the error for a missing required field; it states the field's own rule, if `MISSING` breaks that."""
    try:
        field.check(name, MISSING)
    except InvalidEvent as error:
        words = f"is required: {error.rule}"
        return InvalidEvent(name, MISSING, words, error.source, "missing_required_property")
    return InvalidEvent(name, MISSING, "is required", "REST v2, Default annotations", "missing_required_property")
