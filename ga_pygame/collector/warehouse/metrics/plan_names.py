"""The names that a tracking plan declares, as games sent them."""

from __future__ import annotations

from typing import NamedTuple

from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric


class PlanName(NamedTuple):
    """A name of a section of a plan: `levels`, `currencies`, `items`, `design`, `custom_01` to `custom_03`."""

    section: str
    name: str
    events: int


def plan_names(question: Question) -> list[PlanName]:
    """Count events by section and name, most frequent first."""
    return [PlanName(*row) for row in question.rows("plan_names")]


PLAN_NAMES_METRIC = WarehouseMetric(
    "plan_names",
    "Events by the names that a tracking plan declares: levels, currencies, items, design ids, values of dimensions.",
    PlanName,
    plan_names,
)
