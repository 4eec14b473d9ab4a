"""Chaos: the faults of all requests, as a game's requests meet them."""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path
from typing import Any

import pytest

import ga_pygame
from ga_pygame import options
from ga_pygame.collector.emulators import chaos
from tests.collectors import EVENTS, INIT, POGR, TROPHY, WHO, Answer, Collector, event
from tests.conftest import eventually

GONE = (http.client.HTTPException, ConnectionError)
_INIT_BODY = json.dumps(WHO).encode()


def begin(collector: Collector, mode: str) -> Any:
    answer = collector.ask("POST", "/_emu/chaos", json.dumps({"mode": mode}).encode())
    assert answer.status == 200
    return answer.json()


def send_one(collector: Collector) -> Answer:
    return collector.post(EVENTS, json.dumps([event()]).encode())


def test_the_option_knows_the_modes() -> None:
    """`--chaos` offers each mode without importing the collector, which is an extra."""
    assert tuple(chaos.CHAOS_MODES) == options.CHAOS


def test_each_mode_as_a_game_meets_it(fresh: Collector) -> None:
    """GameAnalytics' routes answer as the mode says; what is not processed is not stored; then all is well again."""
    stored = 0
    assert begin(fresh, "offline") == {"mode": "offline", "requests": 0}
    with pytest.raises(GONE):
        send_one(fresh)
    answers = {}
    for mode in ("401", "413", "500", "html"):
        begin(fresh, mode)
        answers[mode] = send_one(fresh)
    assert {mode: answer.status for mode, answer in answers.items()} == {
        "401": 401,
        "413": 413,
        "500": 500,
        "html": 200,
    }
    assert answers["401"].body == b""  # a body would make official SDKs delete the events
    assert answers["html"].headers["content-type"].startswith("text/html")
    assert "x-ga-service" not in answers["html"].headers
    assert fresh.summary()["accepted"].get("design", 0) == stored
    begin(fresh, "413")
    assert fresh.post(INIT, _INIT_BODY).status == 200  # only batches are too large
    begin(fresh, "truncate")
    assert send_one(fresh).body == b"{"
    assert fresh.summary()["accepted"]["design"] == stored + 1
    begin(fresh, "skew")
    ahead = fresh.post(INIT, _INIT_BODY).json()["server_ts"] - time.time()
    assert 7100 < ahead < 7300
    assert fresh.ask("GET", "/_emu/chaos").json() == {"mode": "skew", "requests": 1}
    assert fresh.ask("DELETE", "/_emu/chaos").json() == {"mode": "", "requests": 0}
    assert send_one(fresh).json() == {}
    assert fresh.ask("POST", "/_emu/chaos", b'{"mode": "fire"}').status == 400


def test_all_services_have_it(tmp_path: Path) -> None:
    """POGR's and Trophy's routes fail, too, from the collector's start on, while the page's own routes answer."""
    collector = Collector(tmp_path, "--chaos", "500")
    try:
        assert "chaos: 500" in collector.read_greeting()
        assert collector.ask("POST", "/v1/intake/init", b"{}", POGR).status == 500
        assert collector.ask("GET", "/v1/achievements/all", None, TROPHY).status == 500
        assert collector.summary()["pogr"]["sessions"] == 0
    finally:
        assert collector.stop() == 0


def test_a_slow_answer_comes_late(tmp_path: Path) -> None:
    """The event is stored at once, and the answer waits."""
    impatient = "from ga_pygame.collector import server\nserver.SHUTDOWN_SECONDS = 0.1"  # the answer is due at the end
    collector = Collector(tmp_path, patches=impatient)
    try:
        begin(collector, "slow")
        connection = http.client.HTTPConnection("127.0.0.1", collector.port, timeout=0.5)
        connection.request("POST", f"/v2/{'a' * 32}/events", json.dumps([event()]), {"Authorization": "A" * 43 + "="})
        with pytest.raises(TimeoutError):
            connection.getresponse()
        connection.close()
        assert collector.summary()["accepted"]["design"] == 1
    finally:
        assert collector.stop() == 0


def test_a_tracker_keeps_its_events_until_it_is_over(fresh: Collector) -> None:
    """A login page in the way costs no event: all are delivered, once, after it."""
    begin(fresh, "html")
    tracker = ga_pygame.Tracker(collector=fresh.url, hook=False, upload_interval=0.05)
    tracker.start()
    try:
        for number in range(3):
            tracker.design("met:slime", number)
        assert eventually(lambda: fresh.ask("GET", "/_emu/chaos").json()["requests"])
        assert not tracker.stats.delivered
        begin(fresh, "")
        assert eventually(lambda: fresh.summary()["accepted"].get("design") == 3, 20)
    finally:
        tracker.close()
    assert not tracker.stats.dropped
