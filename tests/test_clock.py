"""Clocks, times and ids."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_pygame import clock, rules
from ga_pygame.testing import ManualClock


def test_ids_are_lower_case_version_4_uuids() -> None:
    """The server's pattern takes them, and no two are the same."""
    made = {clock.new_id() for _ in range(1000)}
    assert len(made) == 1000
    for one in made:
        rules.uuid("event_uuid", one)
        assert uuid.UUID(one).version == 4
        assert uuid.UUID(one).variant == uuid.RFC_4122


def test_ids_made_many_at_a_time_are_the_same_kind() -> None:
    """Each once, also across the portions in which they are made."""
    endless = clock.new_ids()
    made = [next(endless).decode() for _ in range(1000)]
    assert len(set(made)) == 1000
    for one in made:
        rules.uuid("event_uuid", one)
        assert uuid.UUID(one).version == 4


def test_the_wall_clock_is_carried_by_the_monotonic_one() -> None:
    """A clock that the player changes during a launch cannot reorder its events."""
    system = clock.SystemClock()
    now = system.monotonic()
    assert abs(system.wall(now) - clock.wall_now()) < 1.0
    assert system.wall(now + 5.0) - system.wall(now) == 5.0 or abs(system.wall(now + 5) - system.wall(now) - 5) < 1e-3
    assert system.server_offset is None


def test_the_monotonic_clock_never_goes_back() -> None:
    """Lengths are measured with it."""
    system = clock.SystemClock()
    readings = [system.monotonic() for _ in range(1000)]
    assert readings == sorted(readings)
    assert system.cpu() >= 0.0


@given(st.lists(st.floats(0, 1e6), max_size=5))
def test_the_clock_for_tests_moves_only_when_told(steps: list[float]) -> None:
    """Time is a test's input."""
    manual = ManualClock(10.0, 1_700_000_000.0)
    for step in steps:
        before = manual.monotonic()
        assert manual.advance(step, cpu=step / 2) == before + step == manual.monotonic()
    assert manual.wall(10.0) == 1_700_000_000.0


@pytest.mark.parametrize(
    "offset", ["soon", float("nan"), float("inf"), 10**400, object(), [1]], ids=lambda v: repr(v)[:10]
)
def test_an_offset_that_is_no_number_is_refused_where_it_is_set(offset: Any) -> None:
    """A destination sets it, and every event is stamped with it."""
    system = clock.SystemClock()
    with pytest.raises((TypeError, ValueError, OverflowError)):
        system.server_offset = offset
    assert system.server_offset is None
    system.server_offset = 5
    assert system.server_offset == 5.0
