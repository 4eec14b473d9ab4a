"""`forget`: no byte of the player is left in any file, whether a collector runs or not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ga_pygame import cli
from tests.collectors import POGR, TROPHY, Collector, event

GONE, STAYS = "zz-forget-me-zz", "stays-here"
SECRETS = (GONE, "aaaaaaaa-0000-4000-8000-000000000001", "words of zz", "zz:level", "zz_dimension")
"""What only events of the player have: their id, session, an error's text, a level, a dimension."""
NOT_PERSONAL = "zz:level"
"""A file of an older version counts levels, without players, in a table of its own."""


def play(collector: Collector, about: tuple[str, ...]) -> None:
    """Send what a player does, in requests of their own and together with another player."""
    player, session, words, level, dimension = about
    own: dict[str, Any] = {"user_id": player, "session_id": session, "custom_01": dimension}
    assert collector.send(event("user", **own), packed=True).status == 200
    other: dict[str, Any] = {"user_id": "third", "session_id": "aaaaaaaa-0000-4000-8000-000000000003"}
    events = [event(**other), event("error", **own, severity="critical", message=words), event(**other, value=7)]
    assert collector.send(*events, event("progression", **own, event_id=f"Start:{level}:1")).status == 200
    assert collector.send(event(**own, v=1)).status == 400
    assert collector.send(event("business", **own)).status == 200


def use_services(collector: Collector, player: str) -> None:
    """Report to POGR and Trophy."""
    headers = {"Content-Type": "application/json", **POGR}
    body = json.dumps({"association_id": player}).encode()
    session = collector.ask("POST", "/v1/intake/init", body, headers).json()["payload"]["session_id"]
    row = json.dumps({"event": "x", "event_data": {"who": player}}).encode()
    collector.ask("POST", "/v1/intake/event", row, {"INTAKE_SESSION_ID": session, "Content-Type": "application/json"})
    trophy = json.dumps({"user": {"id": player, "name": player}, "value": 3}).encode()
    answer = collector.ask("POST", "/v1/metrics/levels/event", trophy, {"Content-Type": "application/json", **TROPHY})
    assert answer.status == 201, answer.body


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def found_in_files(folder: Path, words: str) -> list[str]:
    """Return the files that have these bytes."""
    return [path.name for path in folder.iterdir() if words.encode() in path.read_bytes()]


def is_projected(collector: Collector, up_to: int = 14) -> bool:
    """Return whether the events up to an id are in the metrics."""
    return collector.ask("GET", "/api/warehouse/overview").headers.get("x-ga-projected", "") == f"{up_to}/{up_to}"


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """A collector with two players, of whom one asks to be forgotten."""
    collector = Collector(tmp_path)
    try:
        yield prepared(collector)
    finally:
        collector.kill()


def prepared(collector: Collector) -> Collector:
    play(collector, (STAYS, "aaaaaaaa-0000-4000-8000-000000000002", "words of stays", "stays:level", "stays_dimension"))
    play(collector, SECRETS)
    use_services(collector, STAYS)
    use_services(collector, GONE)
    until(lambda: is_projected(collector))
    return collector


def check_all_is_gone(folder: Path) -> None:
    for words in SECRETS:
        found = found_in_files(folder, words)
        assert found == [] or (words == NOT_PERSONAL and found == ["events.sqlite3"]), words
    assert found_in_files(folder, STAYS)


def test_while_the_collector_runs(collector: Collector, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The collector removes the player itself and goes on: the others' figures stay, new events are counted."""
    assert len(collector.export()) == 12
    assert cli.main(["forget", "--url", collector.url, "--user", GONE]) == 0
    assert "removed: 4 events, 1 rejected ones" in capsys.readouterr().out
    until(lambda: is_projected(collector))
    overview = collector.ask("GET", "/api/warehouse/overview").json()
    assert (overview[0]["players"], overview[0]["sessions"]) == (2, 2)
    assert [level["level"] for level in collector.ask("GET", "/api/warehouse/levels").json()] == ["stays:level:1"]
    assert len(collector.export()) == 8
    assert collector.send(event(user_id="later", session_id="aaaaaaaa-0000-4000-8000-000000000004")).status == 200
    until(lambda: is_projected(collector, 15))
    assert collector.ask("GET", "/api/warehouse/overview").json()[0]["players"] == 3
    assert collector.stop() == 0
    check_all_is_gone(tmp_path)


def test_without_a_collector(collector: Collector, tmp_path: Path) -> None:
    """The file is written by the command; the collector's next start makes its warehouse anew."""
    collector.kill()
    assert found_in_files(tmp_path, GONE)
    assert cli.main(["forget", "--db", str(collector.db), "--user", GONE]) == 0
    check_all_is_gone(tmp_path)
    again = Collector(tmp_path)
    until(lambda: is_projected(again))
    assert again.ask("GET", "/api/warehouse/overview").json()[0]["players"] == 2
    assert again.stop() == 0
    check_all_is_gone(tmp_path)


def test_a_file_in_use_is_left_alone(collector: Collector, capsys: pytest.CaptureFixture[str]) -> None:
    """A command that would write beside a running collector says what to do instead."""
    assert cli.main(["forget", "--db", str(collector.db), "--user", GONE]) == 1
    assert "--url" in capsys.readouterr().err
    assert len(collector.export()) == 12


def test_copies_of_forgotten_events_are_duplicates(tmp_path: Path) -> None:
    """A game that sends an event again because it got no answer does not bring the player back."""
    collector = Collector(tmp_path)
    sent = [event(user_id=GONE), event(user_id=STAYS)]
    assert collector.send(*sent).status == 200
    assert cli.main(["forget", "--url", collector.url, "--user", GONE]) == 0
    assert collector.send(*sent).status == 200
    assert [one["user_id"] for one in collector.export()] == [STAYS]
    assert collector.stop() == 0


def test_another_collector_with_the_same_file_forgets_too(collector: Collector, tmp_path: Path) -> None:
    """It has the warehouse open, which no other process may delete: it sees in the log that a player was removed."""
    other = Collector(tmp_path)
    try:
        answer = other.ask("POST", "/api/forget", json.dumps({"user_id": GONE}).encode())
        assert (answer.status, answer.json()["events"]) == (200, 4)
        until(lambda: collector.ask("GET", "/api/warehouse/overview").json()[0]["players"] == 2)
        assert collector.stop() == 0
        until(lambda: other.ask("GET", "/api/warehouse/overview").status == 200)
        until(lambda: is_projected(other))
        assert other.ask("GET", "/api/warehouse/overview").json()[0]["players"] == 2
        assert other.stop() == 0
        check_all_is_gone(tmp_path)
    finally:
        other.kill()
