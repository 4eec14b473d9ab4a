"""Remote configs between a running game and a real collector."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import ga_pygame
from tests.collectors import Collector


@dataclass
class Tuning:
    gravity: float = 80.0


def settings(low: str, *, enabled: bool = True) -> str:
    variants = {name: [{"key": "gravity", "value": value}] for name, value in (("high", "40"), ("low", low))}
    experiment = {"id": "jump", "variants": variants, "users": {"me": "high"}}
    return json.dumps({"*": {"enabled": enabled, "experiment": experiment}})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "configs.json"
    made.write_text(settings("120"))
    return made


@pytest.fixture
def collector(tmp_path: Path, file: Path) -> Iterator[Collector]:
    running = Collector(tmp_path, "--configs", str(file))
    yield running
    assert running.stop() == 0


def until(tracker: ga_pygame.Tracker, holds: Callable[[], bool]) -> None:
    """Play until something holds."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        tracker.tick()
        time.sleep(0.01)


@pytest.mark.e2e  # a collector in a process of its own, and files that are read again: 2 s
@pytest.mark.requirement("003:query-interval")
def test_a_chosen_group_has_its_values_and_is_no_players(
    collector: Collector, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The values follow the file while the game runs; the next launch draws again; `enabled: false` stops events."""
    knobs: dict[str, Any] = {"collector": collector.url, "user_id": "me", "data_dir": tmp_path / "data", "hook": False}
    knobs |= {"who": "player", "configs_interval": 0.3, "upload_interval": 0.1}
    monkeypatch.setenv("GA_PYGAME_AB_VARIANT", "low")
    with ga_pygame.Tracker(**knobs) as tracker:
        tuning = tracker.remote_configs.bind(Tuning)
        updates: list[float] = []
        tracker.remote_configs_updated.connect(lambda: updates.append(tuning.gravity))
        until(tracker, lambda: tracker.remote_configs.ready)
        configs = tracker.remote_configs
        assert (tuning.gravity, configs.ab_id, configs.ab_variant_id) == (120, "jump", "low")
        tracker.design("chosen")
        assert tracker.flush().wait(10)
        file.write_text(settings("60.5"))
        until(tracker, lambda: tuning.gravity == 60.5)
        until(tracker, lambda: updates == [120.0, 60.5])
        file.write_text(settings("60.5", enabled=False))
        until(tracker, lambda: "has switched this game's events off" in caplog.text)
        tracker.design("waits")
    assert tracker.stats.stored - tracker.stats.delivered["gameanalytics"] == 2  # with session_end
    monkeypatch.delenv("GA_PYGAME_AB_VARIANT")
    file.write_text(settings("60.5"))
    with ga_pygame.Tracker(**knobs) as tracker:
        assert not tracker.remote_configs.values  # what was chosen is not kept
        until(tracker, lambda: tracker.remote_configs.ab_variant_id == "high")
        tracker.design("drawn")
    events = {event["event_id"]: event for event in collector.export() if event["category"] == "design"}
    assert list(events) == ["chosen", "waits", "drawn"]
    of = [(events[name].get("ab_variant_id"), events[name].get("configurations")) for name in ("chosen", "drawn")]
    assert of == [("low", {"gravity": "120"}), ("high", {"gravity": "40"})]
    assert [events[name].get("custom_fields") for name in ("chosen", "drawn")] == [{"ga_who": "developer"}, None]
    assert [one["key"] for one in events["drawn"]["configurations_v3"]] == ["gravity"]
