"""Unique values against the limits, compared with sets in plain Python over the events."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.collector.warehouse.database import Database
from ga_pygame.collector.warehouse.filters import Filters
from ga_pygame.collector.warehouse.metrics.unique_values import NEAR, OVER, UNIQUE_LIMITS, highest_days
from tests.warehouse.golden import (
    DAY,
    FILTERS,
    MONDAY,
    Event,
    Story,
    ask,
    day_of,
    each_filter,
    passes,
    projected,
    store_story,
)

OF_EVENTS = ("build", "platform", "device", "os_version", "custom_01", "custom_02", "custom_03")


def values_of(event: Event) -> Iterator[tuple[str, Any]]:
    """Yield the fields of an event that have limits, with their values."""
    for name in OF_EVENTS:
        yield name, event.get(name)
    category, parts = event["category"], event.get("event_id", "").split(":")
    if category == "progression":
        for place, part in enumerate(parts[1:], 1):
            yield f"progression part {place}", part
    if category == "business":
        yield from zip(("business item type", "business item id"), parts, strict=True)
        yield "cart_type", event.get("cart_type")
    if category == "resource":
        yield from zip(("resource currency", "resource item type", "resource item id"), parts[1:], strict=True)
    if category == "design":
        yield "design event_id", event["event_id"]
        for depth in range(1, len(parts) + 1):
            yield "design nodes", ":".join(parts[:depth])


def counted(events: list[Event]) -> dict[tuple[str, datetime.date], int]:
    """Count the different values of each field by day."""
    found: defaultdict[tuple[str, datetime.date], set[Any]] = defaultdict(set)
    for event in events:
        for field, value in values_of(event):
            if value:
                found[field, day_of(event["client_ts"])].add(value)
    return {place: len(values) for place, values in found.items()}


@pytest.mark.e2e
@each_filter
@pytest.mark.requirement(
    "002:unique-build",
    "002:unique-platform",
    "002:unique-device",
    "002:unique-os_version",
    "002:unique-progression",
    "002:unique-custom",
    "002:unique-resource",
    "002:unique-design",
    "002:design-nodes",
)
def test_unique_values(golden: Database, golden_events: list[Event], filters: Filters) -> None:
    """Each field and day as counted by hand; all players count, so only days and game narrow it."""
    only = Filters(since=filters.since, until=filters.until)
    expected = counted([event for event in golden_events if passes(event, only)])
    rows = ask(golden, "unique_values", filters)
    assert {(row.field, row.day): row.different for row in rows} == expected
    assert len(rows) == len(expected)
    assert filters == FILTERS["none"] or len(rows) > 20


@pytest.mark.e2e
@pytest.mark.requirement("002:unique-custom", "002:unique-business", "002:design-nodes")
def test_what_is_near_a_limit_and_over_it(tmp_path: Path) -> None:
    """80 % of a limit is near, the limit itself too, one more is over; the highest day is the one that is shown."""
    story = Story()
    for number in range(55):  # 40 on the first day, 50 on the second, 51 of another dimension
        day, value = MONDAY + DAY * (number >= 40), f"v{number % 50}"
        dimensions = {"custom_01": value} if number < 40 else {"custom_01": value, "custom_02": value}
        story.session("ann", day + number, **dimensions)
    for number in range(51):
        session = story.session("ann", MONDAY + DAY + number, custom_01=f"v{number % 50}", custom_03=f"v{number}")
        session.business(1, f"pack:{number % 3}", 99, cart_type=f"cart {number % 11}")
        session.design(2, "kill:slime:ice").design(3, "kill:bat").level(4, "Start", "forest:1").level(5, "Fail", "sea")
    store_story(tmp_path / "events.sqlite3", story)
    with projected(tmp_path / "events.sqlite3") as database:
        rows = ask(database, "unique_values")
    found = {(row.field, row.day.day): (row.different, row.state) for row in rows}
    assert found["custom_01", 2] == (40, NEAR)
    assert found["custom_01", 3] == (50, NEAR)
    assert found["custom_02", 3] == (15, "")
    assert found["custom_03", 3] == (51, OVER)
    assert found["cart_type", 3] == (11, OVER)
    assert found["business item id", 3] == (3, "")
    assert found["design event_id", 3] == (2, "")
    assert found["design nodes", 3] == (4, "")  # kill, kill:slime, kill:slime:ice, kill:bat
    assert (found["progression part 1", 3], found["progression part 2", 3]) == ((2, ""), (1, ""))
    assert {row.limit for row in rows if row.field == "cart_type"} == {10} == {UNIQUE_LIMITS["cart_type"]}
    shown = highest_days(rows)
    assert [(row.field, row.share) for row in shown[:3]] == [("cart_type", 1.1), ("custom_03", 1.02), ("custom_01", 1)]
    assert {row.field: row.day.day for row in shown}["custom_01"] == 3
    assert len(shown) == len({row.field for row in rows})
