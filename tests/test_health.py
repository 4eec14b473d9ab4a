"""The frame rate, measured from the game's own flips."""

from __future__ import annotations

import json
import sys
from typing import Any

import pygame
import pytest

from ga_pygame import device, process
from ga_pygame.categories import wire_errors
from ga_pygame.delivery.encoder import Encoder
from ga_pygame.delivery.outbox.memory import MemoryOutbox
from ga_pygame.delivery.slice_writer import SliceWriter, WriterState
from ga_pygame.engine.health import SAMPLE_SECONDS, HealthSampler
from ga_pygame.events import Design, Health, User
from ga_pygame.records import Context, Record, SessionRef
from ga_pygame.testing import ManualClock
from tests.test_tracker import World, world

__all__ = ["world"]


def frames(*gaps: float) -> list[Any]:
    """Return the samples of a game with these frame times."""
    posted: list[Any] = []
    sampler = HealthSampler(lambda event, _fields: posted.append(event))
    now = 1000.0
    sampler.frame(now)
    for gap in gaps:
        now += gap
        sampler.frame(now)
    return posted


def test_a_sample_every_half_minute() -> None:
    """60 frames a second are 60 fps, with a 99th percentile in their bucket."""
    samples = frames(*[1 / 60] * int(60 * SAMPLE_SECONDS * 2 + 4))
    assert len(samples) == 2
    wire = samples[0].wire()
    assert wire["category"] == "health"
    assert wire["fps"] == 60.0
    assert 16.5 <= wire["frame_ms_p99"] <= 17.0
    assert wire["mem_mb"] > 1


def test_hitches_show_in_the_percentile_not_in_the_rate() -> None:
    """Two frames of 100 in a hundred are what a player feels."""
    samples = frames(*([0.01] * 98 + [0.05] * 2) * 40)
    wire = samples[0].wire()
    assert 90 < wire["fps"] < 100
    assert 49.5 <= wire["frame_ms_p99"] <= 50.5


def test_a_pause_is_no_frame() -> None:
    """Loading, or a minute in another window, makes no slow frame."""
    samples = frames(*[0.02] * 500, 60.0, 0.02)
    assert samples[0].wire()["fps"] == 50.0
    assert samples[0].wire()["frame_ms_p99"] < 21


def test_a_game_without_flips_says_nothing() -> None:
    """No sample without frames."""
    assert frames(40.0, 40.0) == []


def test_only_destinations_that_want_it_get_it() -> None:
    """GameAnalytics' REST API has no such event and gets none."""
    outbox = MemoryOutbox(["plain", "curious"])
    session, context = SessionRef("de305d54-75b4-431b-adb2-eb6b9e546014", 1000.0), Context("player")
    encoder = Encoder(ManualClock(), wanted_by={"wants_health": ["curious"]})

    def work(transaction: Any) -> None:
        slice_writer = SliceWriter(WriterState(), transaction, encoder)
        for event in (User(), Health(1.0, (0, 60)), Design("a")):
            slice_writer.take(Record(event, session, context, 1001.0))
        slice_writer.finish(1001.0, None)

    outbox.transact(work)
    found = {}
    for name in ("plain", "curious"):
        batch = outbox.lease(name, 10, 10**6)
        assert batch is not None
        found[name] = [json.loads(record.json(None))["category"] for record in batch.records]
    assert found == {"plain": ["user", "design"], "curious": ["user", "health", "design"]}


def of_category(world: World, name: str) -> list[dict[str, Any]]:
    return [event for event in world.sent if event["category"] == name]


def show(world: World, rate: int, seconds: int) -> None:
    for _ in range(rate * seconds):
        world.clock.advance(1 / rate, cpu=0.5 / rate)
        pygame.display.flip()


def test_a_session_sends_its_histograms(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second is in the bucket of its frames, memory in that of its percent; the next session begins anew."""
    monkeypatch.setattr(process, "machine_memory", lambda: (1000 * 2**20, 370 * 2**20))
    monkeypatch.setattr(process, "memory_bytes", lambda: 125 * 2**20)
    monkeypatch.setattr(process, "seconds_since_start", lambda: 2.5)
    monkeypatch.setattr(device, "cpu_model", lambda: "A CPU")
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    tracker = world.start(health=True)
    pygame.display.set_mode((32, 32))
    pygame.display.flip()
    for rate, seconds in ((64, 4), (16, 3), (256, 2)):  # the clock holds parts of these exactly
        show(world, rate, seconds)
    world.clock.advance(30.0, cpu=29.0)  # loading: no second of these is counted
    show(world, 32, 1)
    pygame.quit()
    pygame.display.set_mode((32, 32))
    show(world, 8, 3)
    tracker.close()
    assert [event["category"] for event in world.sent] == [
        *("user", "sdk_init", "health", "session_end"),
        *("user", "health", "session_end"),
    ]
    facts = {"cpu_model": "A CPU", "cpu_num_cores": 8, "memory_sys_total": 1000}
    (init,) = of_category(world, "sdk_init")
    assert facts.items() <= init.items()
    assert (init["is_first_sdk_init"], init["app_boot_time"]) == (True, 2500)
    first, second = of_category(world, "health")
    assert facts.items() <= first.items()
    assert {rate: count for rate, count in enumerate(first["fps_data_table"]) if count} == {64: 4, 16: 3, 120: 2}
    assert {rate: count for rate, count in enumerate(second["fps_data_table"]) if count} == {8: 2}
    for percent, name in ((37, "memory_sys_data_table"), (12, "memory_app_data_table")):
        assert {percent} == {place for place, count in enumerate(first[name]) if count}
    assert [error for event in world.sent for error in wire_errors(event)] == []
    stats = tracker.stats
    assert (stats.recorded, stats.stored, stats.delivered) == (7, 7, {"gameanalytics": 7})  # those of one service, too
    world.start(health=True).close()
    assert [event["is_first_sdk_init"] for event in of_category(world, "sdk_init")] == [True]


def test_health_is_off_unless_the_game_turns_it_on(world: World) -> None:
    """The facts of a machine are sent only by a game that wants that."""
    tracker = world.start()
    pygame.display.set_mode((32, 32))
    show(world, 30, 3)
    tracker.close()
    assert {event["category"] for event in world.sent} == {"user", "session_end"}


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("fps_data_table", [0] * 120),
        ("fps_data_table", "fast"),
        ("fps_data_table", [-1] * 121),
        ("fps_data_table", [1.5] * 121),
        ("memory_sys_data_table", [0] * 121),
        ("memory_app_data_table", {}),
        ("cpu_num_cores", "8"),
        ("cpu_model", 7),
    ],
)
def test_the_collector_checks_histograms(field: str, wrong: Any) -> None:
    """A wrong table is named, and the figures of the Health view come from sound ones."""
    assert field in [error.field for error in wire_errors({"category": "health", field: wrong})]


def test_the_collector_checks_the_start_of_a_launch() -> None:
    """The boot time is a number, the flag true or false."""
    wrong = {"category": "sdk_init", "app_boot_time": "1 s", "is_first_sdk_init": 1}
    assert {"app_boot_time", "is_first_sdk_init"} <= {error.field for error in wire_errors(wrong)}


def test_this_machine_tells_its_facts() -> None:
    """What is read is plausible: this process is some seconds old, and uses less than the machine has."""
    memory, age = process.machine_memory(), process.seconds_since_start()
    if sys.platform not in ("linux", "win32"):
        assert (memory, age) == (None, None)
    else:
        assert memory is not None and age is not None  # noqa: PT018 - for the type checker
        assert 0 < process.memory_bytes() < memory[1] < memory[0]
        assert 0 < age < 86_400
    assert device.cpu_model() != ""
