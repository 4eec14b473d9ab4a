"""All services at once, with real processes and the collector's emulators: each gets its own events, once."""

from __future__ import annotations

import ast
import http.client
import json
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.collectors import Collector
from tests.conftest import eventually
from tests.e2e.games import tell
from tests.e2e.servers import SILENCE, Answer, ScriptedServer, Seen, refusing

IMPORTS = """
import os, sys, time
import pygame
import ga_pygame
from ga_pygame.config import SANDBOX_GAME_KEY, SANDBOX_SECRET_KEY
from ga_pygame.destinations import GameAnalytics, JsonLines, POGR, Trophy
pygame.init()
game_analytics = GameAnalytics(SANDBOX_GAME_KEY, SANDBOX_SECRET_KEY)
pogr = POGR("client", "build")
trophy = Trophy("app_12345.secret", interval=5, metrics={
    "design:kill": ("kills", "value"),
    "resource.source:gold": ("gold", "amount"),
    "session_end": "sessions",
    "progression.complete": "levels-completed",
})
"""

PUPPET = (
    IMPORTS
    + """
lines = JsonLines(sys.argv[0] + ".jsonl")
tracker = ga_pygame.Tracker(destinations=[game_analytics, pogr, trophy, lines], upload_interval=0.2)
for service, url in (part.split("=", 1) for part in os.environ.get("REDIRECT", "").split(",") if part):
    globals()[service].redirect = lambda _collector, service=globals()[service], url=url: (
        type(service).redirect(service, url)
    )
heard = []
trophy.achievement_completed.connect(lambda achievement: heard.append(achievement["name"]))
trophy.streak_extended.connect(lambda streak: heard.append(f"streak {streak['length']}"))
trophy.points_changed.connect(lambda system, total, added: heard.append(f"{system} {added} to {total}"))
trophy.level_changed.connect(lambda system, level: heard.append(f"{system} {level['name']}"))
trophy.rank_changed.connect(lambda board, rank, previous: heard.append(f"{board} {previous} to {rank}"))
tracker.start()
print("started", tracker.session_id)
for line in sys.stdin:
    exec(line)
    tracker.tick()
    print("done")
"""
)
"""A game that does what it is told; `REDIRECT` sends some services elsewhere."""

CLOSE = "began = time.monotonic(); tracker.close(); print('closed', time.monotonic() - began); sys.exit()"

KILLS = (
    IMPORTS
    + """
calls = open(sys.argv[0] + ".calls", "a", buffering=1)
tracker = ga_pygame.Tracker(destinations=[game_analytics, pogr, trophy], upload_interval=0.1)
tracker.start()
print("started", tracker.session_id)
asked = 0.0
while True:
    tracker.design("kill:slime", 1)
    calls.write(f"{time.monotonic()}\\n")
    if time.monotonic() > asked:  # so that a kill may hit any moment of a request
        asked = time.monotonic() + 0.3
        tracker.flush()
    tracker.tick()
    time.sleep(0.004)
"""
)
"""Counts without pause, and notes each call where a kill cannot take it back."""


def ask(url: str, path: str, content: Any = None) -> Any:
    """Return the answer of the collector's switchboard."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        if content is None:
            connection.request("GET", path)
        else:
            connection.request("POST", path, json.dumps(content), {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
        assert response.status == 200, text
        return json.loads(text)
    finally:
        connection.close()


def pogr_of(collector: Collector) -> dict[str, Any]:
    found: dict[str, Any] = ask(collector.url, "/_emu/state")["pogr"]
    return found


def totals(collector: Collector) -> dict[str, float]:
    """Return Trophy's totals of the only player, by metric."""
    users = ask(collector.url, "/_emu/state")["trophy"]["newest_users"]
    assert len(users) <= 1
    return users[0]["totals"] if users else {}


def rows(collector: Collector) -> list[tuple[str, str]]:
    """Return POGR's rows in order of arrival: kind, and the event's key."""
    found = sorted(pogr_of(collector)["newest_rows"], key=lambda row: row["id"])
    return [(row["kind"], row["json"].get("event_key", "")) for row in found]


def puppet_of(
    game: Callable[..., Any], collector: Collector, patience: float = 1.0, redirect: Mapping[str, str] | None = None
) -> Any:
    """Start a puppet; with `patience` for tests of arrivals, since other tests run at the same time."""
    puppet = game(
        PUPPET,
        GA_PYGAME_COLLECTOR=collector.url,
        GA_PYGAME_SHUTDOWN_TIMEOUT=str(patience),
        REDIRECT=",".join(f"{name}={url}" for name, url in (redirect or {}).items()),
    )
    puppet.wait_for("started")
    return puppet


def test_one_call_for_all_services(game: Callable[..., Any], collector: Collector, tmp_path: Path) -> None:
    """Each service and the file gets what is its own, in its own words, up to the session's end at the exit."""
    puppet = puppet_of(game, collector, patience=15)
    tell(puppet, "tracker.progression.start('forest', 'level_1')")
    tell(puppet, "tracker.design('kill:slime', 3); tracker.design('kill:dragon', 4); tracker.design('jump')")
    tell(puppet, "tracker.resource.source('gold', 5, 'pickup', 'coin'); tracker.error('warning', 'hm')")
    tell(puppet, "tracker.progression.complete('forest', 'level_1', score=9)")
    puppet.say(CLOSE)
    assert float(puppet.wait_for("closed")) < 15  # it ends when all is sent, not when patience does
    assert puppet.end()[0] == 0
    events = [event["category"] for event in collector.export()]
    assert events == [
        "user",
        "progression",
        "design",
        "design",
        "design",
        "resource",
        "error",
        "progression",
        "session_end",
    ]
    assert rows(collector) == [
        ("data", ""),
        ("event", "forest:level_1"),
        ("event", "kill:slime"),
        ("event", "kill:dragon"),
        ("event", "jump"),
        ("event", "pickup:coin"),
        ("logs", ""),
        ("event", "forest:level_1"),
        ("event", "session_end"),
    ]
    (session,) = pogr_of(collector)["newest_sessions"]
    assert session["ended"] is not None
    assert totals(collector) == {"kills": 7, "gold": 5, "sessions": 1, "levels-completed": 1}
    lines = [json.loads(line) for line in (tmp_path / "game_0.py.jsonl").read_text().splitlines()]
    assert [line["category"] for line in lines] == events
    assert pogr_of(collector)["refused"] == 0


def test_a_normal_end_leaves_nothing_for_the_next_launch(game: Callable[..., Any], collector: Collector) -> None:
    """A session that was ended at the exit is not ended again, and no sum is sent again."""
    for _ in range(2):
        puppet = puppet_of(game, collector, patience=15)
        tell(puppet, "tracker.design('kill:slime', 2)")
        puppet.say(CLOSE)
        puppet.end()
    state = pogr_of(collector)
    assert [session["ended"] is not None for session in state["newest_sessions"]] == [True, True]
    assert state["refused"] == 0
    assert totals(collector) == {"kills": 4, "sessions": 2}


def test_rewards_reach_the_game(game: Callable[..., Any], collector: Collector) -> None:
    """Trophy's rewards are signalled in the running game, each once; a sum whose answer was lost signals none."""

    def complete(puppet: Any, times: int) -> list[str]:
        tell(puppet, f"heard.clear(); [tracker.progression.complete('forest') for _ in range({times})]")
        puppet.say("tracker.flush().wait(15); tracker.flush().wait(15); tracker.tick(); print('heard', heard)")
        heard: list[str] = ast.literal_eval(puppet.wait_for("heard"))
        puppet.wait_for("done")
        return heard

    puppet = puppet_of(game, collector, patience=15)
    assert sorted(complete(puppet, 2)) == [
        "First flight",
        "most-stars None to 1",
        "stars 20 to 20",
        "stars Glider",
        "streak 1",
    ]
    ask(collector.url, "/_emu/fail", {"route": "trophy/metrics", "drop": True, "processed": True})
    assert complete(puppet, 1) == []
    assert sorted(complete(puppet, 1)) == ["stars 10 to 60", "stars Falcon"]
    puppet.say(CLOSE)
    puppet.end()
    assert totals(collector)["levels-completed"] == 4


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_any_moment_sums_count_once(
    seed: int, game: Callable[..., Any], collector: Collector, tmp_path: Path
) -> None:
    """After kill -9 at any moment, also of a request, a metric's total is what was reported: no more, no less."""
    chance = random.Random(seed)
    kills = 3
    least = 0
    for place in range(kills):
        busy = game(KILLS, GA_PYGAME_COLLECTOR=collector.url)
        busy.wait_for("started")
        if place == 1:  # one launch dies while an answer is on its way
            ask(collector.url, "/_emu/fail", {"route": "trophy", "drop": True, "processed": True, "times": 2})
        time.sleep(chance.uniform(0.3, 1.5))
        at = time.monotonic()
        busy.kill()
        calls = [float(line) for line in (tmp_path / f"game_{place}.py.calls").read_text().splitlines()]
        least += sum(call < at - 0.5 for call in calls)  # 0.05 s, and what a busy machine adds
    ask(collector.url, "/_emu/fail", {"route": "trophy", "status": 429, "times": 1})
    most = sum(len((tmp_path / f"game_{place}.py.calls").read_text().splitlines()) for place in range(kills))
    last = puppet_of(game, collector, patience=15)
    tell(last, "print(tracker.flush().wait(20)); print(tracker.flush().wait(20))")
    last.say(CLOSE)
    last.end()
    assert ask(collector.url, "/_emu/fail") == {"faults": []}
    stored = [event for event in collector.export() if event["category"] == "design"]
    assert least <= len(stored) <= most + kills  # a launch may die between a call and the line about it
    assert totals(collector)["kills"] == len(stored)  # what was committed, to the last one
    assert totals(collector)["sessions"] == kills + 1


def test_a_killed_games_session_is_ended_before_the_next(game: Callable[..., Any], collector: Collector) -> None:
    """POGR hears of the end under the intake id of then, and after that the new session begins."""
    first = puppet_of(game, collector)
    tell(first, "tracker.design('kill:slime', 2); print(tracker.flush().wait(15)); time.sleep(0.2)")
    first.kill()
    (dead,) = pogr_of(collector)["newest_sessions"]
    assert dead["ended"] is None
    second = puppet_of(game, collector, patience=15)
    assert eventually(lambda: len(pogr_of(collector)["newest_sessions"]) == 2)
    new, old = pogr_of(collector)["newest_sessions"]
    assert old["session_id"] == dead["session_id"]
    assert old["ended"] is not None
    assert old["ended"] <= new["started"]
    assert eventually(lambda: rows(collector)[-1] == ("data", ""))
    assert rows(collector) == [("data", ""), ("event", "kill:slime"), ("event", "session_end"), ("data", "")]
    (end,) = [row for row in pogr_of(collector)["newest_rows"] if row["json"].get("event_key") == "session_end"]
    assert end["session_id"] == dead["session_id"]
    assert end["json"]["event_flag"] == "lost"
    assert end["effective_at"] <= end["received_at"]
    second.say(CLOSE)
    second.end()
    assert totals(collector) == {"kills": 2, "sessions": 2}


BAD: dict[str, Callable[[Seen], Answer]] = {
    "429": lambda _: Answer(429, b'{"error": "slow down"}', {"Retry-After": "1"}),
    "500": lambda _: Answer(500, b'{"error": "broken"}'),
    "black hole": lambda _: SILENCE,
    "portal": lambda _: Answer(200, b"<html>Welcome to the hotel</html>"),
}


@pytest.mark.parametrize("service", ["pogr", "trophy"])
@pytest.mark.parametrize("way", [*BAD, "down"])
def test_a_bad_service_delays_and_loses_no_others_events(
    way: str, service: str, game: Callable[..., Any], collector: Collector
) -> None:
    """GameAnalytics, the file and the other service get everything at once, and the exit is in time."""
    with refusing() as nobody, ScriptedServer(BAD.get(way, lambda _: SILENCE)) as bad:
        puppet = puppet_of(game, collector, redirect={service: nobody if way == "down" else bad.url})
        tell(puppet, "tracker.design('kill:slime', 3); tracker.resource.source('gold', 5, 'pickup', 'coin')")
        assert eventually(lambda: len(collector.export()) == 3, 10)
        if service == "trophy":
            assert eventually(lambda: len(rows(collector)) == 3, 10)
        puppet.say(CLOSE)
        assert float(puppet.wait_for("closed")) < 1.5
        assert puppet.end()[0] == 0
        assert way == "down" or bad.requests
    assert [event["category"] for event in collector.export()] == ["user", "design", "resource", "session_end"]
    if service == "pogr":
        assert totals(collector) == {"kills": 3, "gold": 5, "sessions": 1}
    else:
        assert len(rows(collector)) == 4
    later = puppet_of(game, collector, patience=15)
    tell(later, "print(tracker.flush().wait(10))")
    later.say(CLOSE)
    later.end()
    assert totals(collector) == {"kills": 3, "gold": 5, "sessions": 2}
    if service == "pogr" and way in ("429", "portal", "down"):  # else POGR may have handled them
        assert rows(collector)[:4] == [
            ("data", ""),
            ("event", "kill:slime"),
            ("event", "pickup:coin"),
            ("event", "session_end"),
        ]
    assert pogr_of(collector)["refused"] == 0


def test_copies_side_by_side(game: Callable[..., Any], collector: Collector) -> None:
    """Copies of a game share the sums, and each event of theirs reaches each service once."""
    puppets = [puppet_of(game, collector, patience=15) for _ in range(3)]
    for _ in range(4):
        for number, puppet in enumerate(puppets):
            tell(puppet, f"tracker.design('kill:slime', {number + 1}); tracker.flush(); time.sleep(0.1)")
    for puppet in puppets:
        puppet.say(CLOSE)
    for puppet in puppets:
        puppet.end()
    last = puppet_of(game, collector, patience=15)
    tell(last, "print(tracker.flush().wait(10)); print(tracker.flush().wait(10))")
    last.say(CLOSE)
    last.end()
    assert totals(collector) == {"kills": 4 * (1 + 2 + 3), "sessions": 4}
    found = rows(collector)
    assert len(found) == 12 + 2 * 4
    assert found.count(("event", "session_end")) == 4
    assert pogr_of(collector)["refused"] == 0  # no copy ended a session that another one was using
