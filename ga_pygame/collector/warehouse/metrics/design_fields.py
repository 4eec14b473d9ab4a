"""Design events broken down by a custom field."""

from __future__ import annotations

from typing import NamedTuple

from ga_pygame import rules
from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric
from ga_pygame.collector.warehouse.filters import BadFilter
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS, quotient

MAX_FIELD_VALUES = 1000
"""Values of a custom field in an answer, the most frequent ones."""


class DesignFieldValue(NamedTuple):
    """The design events in which a custom field has one value.

    Attributes:
        field: The name of the custom field.
        field_value: Its value as text; `None` for events without it.
        events: Design events.
        players: Players with such an event.
        values: Those of the events that have a value.
        sum: The sum of these values; `None` if there are none.
        mean: Their mean.
        is_few: Fewer than 20 players.
    """

    field: str
    field_value: str | None
    events: int
    players: int
    values: int
    sum: float | None
    mean: float | None
    is_few: bool


class FieldName(NamedTuple):
    """A custom field, with the number of design events that have it."""

    field: str
    events: int


def design_fields(question: Question, field: str = "", event_id: str = "") -> list[DesignFieldValue]:
    """Count design events by the value of a custom field, most frequent first.

    Args:
        question: The question.
        field: The name of the field; "" means the one that most events have.
        event_id: Only events with this id, or with an id that goes on with ':'; "" means all.
    """
    if not field:
        field = next((one.field for one in field_names(question)), "")
    if not field:
        return []
    rows = question.rows("design_fields", field=field, event_id=event_id, most=MAX_FIELD_VALUES)
    return [
        DesignFieldValue(
            field, said, events, players, values, total, quotient(total or 0.0, values), players < FEW_PLAYERS
        )
        for said, events, players, values, total in rows
    ]


def field_names(question: Question) -> list[FieldName]:
    """Return the custom fields of design events, most frequent first."""
    return [FieldName(*row) for row in question.rows("field_names") if is_field_name(row[0])]


def is_field_name(text: str) -> bool:
    """Whether a custom field can have this name; see `rules.custom_field_key`."""
    return rules.custom_field_key.compile().fullmatch(text) is not None


def _read_field(text: str) -> str:
    """Read the option `field`.

    Raises:
        BadFilter: No custom field can have this name.
    """
    if text and not is_field_name(text):
        raise BadFilter("field must be the name of a custom field: 1 to 64 letters, digits or _")
    return text


DESIGN_FIELDS_METRIC = WarehouseMetric(
    "design_fields",
    "Design events by the value of a custom field, most frequent first.",
    DesignFieldValue,
    design_fields,
    {"field": _read_field, "event_id": str},
)
FIELD_NAMES_METRIC = WarehouseMetric(
    "field_names",
    "The custom fields of design events, with the number of events that have each.",
    FieldName,
    field_names,
)
