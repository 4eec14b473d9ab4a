"""Clocks, times and ids."""

from __future__ import annotations

import os
import time
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


@pytest.mark.parametrize("seed", [b"\0" * 16, b"\xff" * 16, bytes(range(16))])
def test_counted_ids_are_the_same_kind_and_depend_on_seed_and_place_only(seed: bytes) -> None:
    """Each place has its own id, also where the digits that count begin anew, and a second reader makes the same."""
    places = [*range(1000), 2**40, 2**48 - 1, -1]
    made = [clock.CountedIds(seed).at(place).decode() for place in places]
    assert len(set(made)) == len(made) - 1, "2**48 - 1 and -1 are the same place"
    assert made == [clock.CountedIds(bytes(seed)).at(place).decode() for place in places]
    for one in made:
        rules.uuid("event_uuid", one)
        assert uuid.UUID(one).version == 4
        assert uuid.UUID(one).variant == uuid.RFC_4122


def test_counted_ids_of_other_seeds_are_others() -> None:
    """Two launches share no id, as far as chance allows."""
    made = {clock.CountedIds(os.urandom(16)).at(place) for _ in range(100) for place in range(100)}
    assert len(made) == 10_000


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


def test_each_system_has_a_fine_clock_that_counts_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """time.monotonic() may step by 15.6 ms on Windows and stands still in sleep on macOS."""
    monkeypatch.setattr(time, "clock_gettime", lambda which: which, raising=False)
    for name in ("CLOCK_MONOTONIC_RAW", "CLOCK_BOOTTIME"):  # neither is on all systems
        monkeypatch.setattr(time, name, name, raising=False)
    assert clock._best_monotonic("win32") is time.perf_counter
    assert str(clock._best_monotonic("darwin")()) == "CLOCK_MONOTONIC_RAW"
    assert str(clock._best_monotonic("linux")()) == "CLOCK_BOOTTIME"
    assert clock._best_monotonic("emscripten") is time.monotonic


def test_a_clock_that_counts_sleep_is_not_moved_by_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everywhere but under Wine, a player who sets the clock changes nothing."""
    system = clock.SystemClock(counts_sleep=True)
    now, wall = system.monotonic(), time.time()
    monkeypatch.setattr(time, "time", lambda: wall + 3600)
    assert system.notice_sleep() == 0.0
    assert system.monotonic() - now < 60.0
