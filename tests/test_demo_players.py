"""The simulated players of the demo: what they leave at a collector, with which times and from whom."""

from __future__ import annotations

import socket
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from demo_game.__main__ import parse
from demo_game.players import DAY, DIFFICULTY, FIRST_BUILD, MACHINES, SECOND_BUILD, Totals, simulate
from ga_pygame.map_files import MAP_FIELD, X_FIELD
from ga_pygame.rules import WHO_FIELD
from tests.collectors import Collector
from tests.demo_bot import headless

__all__ = ["headless"]

UNTIL = 1_760_054_400.0
DAYS = 6
OF_CHANCE = ("user_id", "session_id", "event_uuid", "mem_mb")


Run = tuple[Totals, list[dict[str, Any]]]
"""What simulated players did, and the events that the collector got of it."""


def played(collector: Collector, folder: Path, seed: int = 1, *, players: int) -> Run:
    """Let players play; return what they did and the events that the collector got of it."""
    before = len(collector.export())
    totals = simulate(collector.url, players, seed=seed, until=UNTIL, folder=folder, days=DAYS)
    return totals, collector.export()[before:]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Let twenty players play."""
    folder = tmp_path_factory.mktemp("many")
    collector = Collector(folder)
    try:
        run = played(collector, folder, players=20)
        assert collector.export(rejected=True) == []
    finally:
        collector.stop()
    return run


@pytest.mark.e2e
def test_they_fill_every_view(many: Run) -> None:
    """All categories, builds, machines and dimensions; as players, in the simulated days, and nothing is refused."""
    totals, events = many
    assert totals.problem == ""
    kinds = Counter(event["category"] for event in events)
    assert kinds.keys() == {"user", "session_end", "progression", "resource", "business", "design", "error", "health"}
    assert kinds["user"] == kinds["session_end"] >= totals.launches
    assert {event["build"] for event in events} == {FIRST_BUILD, SECOND_BUILD} == totals.builds
    assert len({event["platform"] for event in events}) >= 2
    assert {event["device"] for event in events} <= {machine.device for machine in MACHINES}
    assert len({event.get("custom_01") for event in events} - {None}) >= 2
    assert len({event["user_id"] for event in events}) == 20
    times = [event["client_ts"] for event in events]
    assert min(times) >= UNTIL - DAYS * DAY
    assert max(times) < UNTIL + DAY / 8
    assert len({at // DAY for at in times}) >= DAYS - 1
    assert not [event for event in events if WHO_FIELD in event.get("custom_fields", {})]
    assert kinds["business"] == totals.purchases


@pytest.mark.e2e
def test_their_deaths_have_places(many: Run) -> None:
    """The heatmap of each level has a place where many die."""
    _, events = many
    placed = [event for event in events if event.get("event_id", "").startswith("death:")]
    fails = [event for event in events if event.get("event_id", "").startswith("Fail:")]
    assert len(fails) / 2 < len(placed) <= len(fails)  # a crash ends an attempt without a death
    assert len({event["custom_fields"][MAP_FIELD] for event in placed}) >= 4
    worst = Counter(round(event["custom_fields"][X_FIELD] / 200) for event in placed)
    assert worst.most_common(1)[0][1] > len(placed) / 10


@pytest.mark.e2e
def test_levels_are_played_as_a_game_reports_them(many: Run) -> None:
    """Each attempt has a start, and an end with its time; an attempt in a crash fails."""
    totals, events = many
    steps = [event for event in events if event["category"] == "progression"]
    ends = [event for event in steps if not event["event_id"].startswith("Start:")]
    assert len(ends) == len(steps) - len(ends)
    assert sum(event["event_id"].startswith("Complete:") for event in ends) == totals.completes
    assert all(10 < event["custom_fields"]["seconds"] < 200 for event in ends)
    levels = {event["event_id"].rpartition("_")[2] for event in ends}
    assert levels <= set(map(str, range(1, len(DIFFICULTY[FIRST_BUILD]) + 1)))
    assert len([event for event in events if event.get("severity") == "critical"]) == totals.crashes


@pytest.mark.e2e
def test_the_same_seed_plays_the_same_games(collector: Collector, tmp_path: Path) -> None:
    """Only the ids differ, so two runs are the play of twice as many players; another seed plays others."""
    runs = []
    for number, seed in enumerate((3, 3, 4)):
        totals, events = played(collector, tmp_path / str(number), seed, players=3)
        plain = [{name: value for name, value in event.items() if name not in OF_CHANCE} for event in events]
        runs.append((totals, plain))
    assert runs[0] == runs[1] != runs[2]
    assert len({event["user_id"] for event in collector.export()}) == 9


def test_a_collector_that_does_not_answer_ends_them(tmp_path: Path) -> None:
    """The reason is said, instead of weeks of play for nobody."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    totals = simulate(f"http://127.0.0.1:{port}", 3, seed=1, until=UNTIL, folder=tmp_path, days=DAYS)
    assert totals.launches == 1
    assert "refused" in totals.problem


@pytest.mark.parametrize("wrong", [["--players", "3"], ["--bot", "--players", "-1"], ["--bot", "--players", "x"],
                                   ["--bot", "--players", "3", "--no-collector"]])  # fmt: skip
def test_wrong_options_say_what_is_right(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Players are simulated for a collector, by the bot's option."""
    with pytest.raises(SystemExit):
        parse(wrong)
    assert "--players" in capsys.readouterr().err
