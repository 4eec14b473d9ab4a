"""The frame rate, measured from the game's own flips."""

from __future__ import annotations

import json
from typing import Any

from ga_pygame.delivery.encoder import Encoder
from ga_pygame.delivery.outbox.memory import MemoryOutbox
from ga_pygame.delivery.slice_writer import SliceWriter, WriterState
from ga_pygame.engine.health import SAMPLE_SECONDS, HealthSampler
from ga_pygame.events import Design, Health, User
from ga_pygame.records import Context, Record, SessionRef
from ga_pygame.testing import ManualClock


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
    assert found == {"plain": ["user", "design"], "curious": ["user", "design", "health"]}
