"""What who runs a collector for others needs: health, figures, limits of requests, keys and their change, logs."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request

from ga_pygame.cli import main
from ga_pygame.collector import rates, traffic
from ga_pygame.collector.gameanalytics import games
from ga_pygame.collector.rates import BURST_SECONDS, MAX_RATED_SENDERS, Rates
from tests.collectors import EVENTS, KEY, Collector, event, pack, sign

OWN_KEY, OLD, NEW, OTHER = "0123456789abcdef" * 2, "1" * 40, "2" * 40, "3" * 40


@pytest.fixture
def beyond(tmp_path: Path) -> Iterator[Collector]:
    """Start a collector that others reach: with a token, a limit, two secrets of a game, a proxy and JSON logs."""
    collector = Collector(
        tmp_path,
        *("--host", "0.0.0.0", "--rate-limit", "0.5", "--proxy", "127.0.0.1", "--json-logs"),
        *("--game", f"{OWN_KEY}:{OLD}", "--game", f"{OWN_KEY}:{NEW}", "--game", f"{KEY}:{OTHER}"),
        GA_PYGAME_PAGE_TOKEN="of-the-operator-1",
    )
    yield collector
    assert collector.stop() == 0


def send_as(collector: Collector, secret: str, address: str, key: str = OWN_KEY) -> Any:
    body = json.dumps([event()]).encode()
    headers = {"Authorization": sign(body, secret.encode()), "X-Forwarded-For": f"203.0.113.9, {address}"}
    return collector.ask("POST", f"/v2/{key}/events", body, headers)


def figures(collector: Collector, token: str = "") -> dict[tuple[str, ...], float]:
    """Return the values of `/metrics` by the sample's name and its labels' values."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = collector.ask("GET", "/metrics", headers=headers)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(answer.body.decode())
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def test_a_collector_for_others(beyond: Collector) -> None:
    """Health without a token, figures with it; both secrets of a game are valid, a limit for each game and address."""
    assert "token=of-the-operator-1" in beyond.read_greeting()
    for path in ("/healthz", "/readyz"):
        assert beyond.ask("GET", path).json() == {"status": "ok" if path == "/healthz" else "ready"}
    assert beyond.ask("GET", "/metrics").status == 401
    burst = round(0.5 * BURST_SECONDS)
    told = [send_as(beyond, OLD if number % 2 else NEW, "198.51.100.1").status for number in range(burst)]
    assert told == [200] * burst
    refused = send_as(beyond, NEW, "198.51.100.1")
    assert (refused.status, refused.body) == (429, b"")
    assert 1 <= int(refused.headers["retry-after"]) <= 2
    assert send_as(beyond, NEW, "198.51.100.2").status == 200  # another player behind the same proxy
    assert send_as(beyond, OTHER, "198.51.100.1", KEY).status == 200  # another game
    assert send_as(beyond, OTHER, "198.51.100.3").status == 401
    found = figures(beyond, "of-the-operator-1")
    assert found["ga_pygame_events_total", "design", "accepted"] == burst + 2
    assert found["ga_pygame_requests_total", "events", "200"] == burst + 2
    assert found["ga_pygame_requests_total", "events", "429"] == 1
    assert found["ga_pygame_requests_total", "events", "401"] == 1
    assert found["ga_pygame_request_seconds_count", "events"] == burst + 4
    assert found["ga_pygame_waiting_bytes",] == 0
    lines = [json.loads(line) for line in beyond.said().splitlines()]
    assert {"429", "401 for a game"} <= {line["cause"] for line in lines}
    assert all(set(line) == {"time", "cause", "message"} for line in lines)
    assert NEW not in beyond.said()


def test_not_ready_while_nothing_can_be_stored(collector: Collector) -> None:
    """Another program holds the file: senders are to go elsewhere, and it is not restarted for it."""
    collector.send(event(event_id="a"), event(event_id="a b!"), event(category="nonsense"))
    with contextlib.closing(sqlite3.connect(collector.db, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = collector.ask("GET", "/readyz")
        assert (answer.status, answer.json()["status"]) == (503, "not ready")
        assert int(answer.headers["retry-after"]) > 0
        assert collector.ask("GET", "/healthz").status == 200
        other.execute("ROLLBACK")
    assert collector.ask("GET", "/readyz").status == 200
    found = figures(collector)
    rejected = [labels for labels in found if labels[:1] == ("ga_pygame_events_total",) and labels[2] == "rejected"]
    assert len(rejected) == 1
    assert found["ga_pygame_requests_total", "health", "503"] == 1
    assert found["ga_pygame_events_total", "", "duplicate"] == 0


@pytest.mark.parametrize(
    ("path", "route"),
    [
        (EVENTS, "events"),
        (f"/v2/{KEY}/init", "init"),
        ("/remote_configs/v1/init", "init"),
        ("/v2/x/y", "other"),
        ("/api/events", "api"),
        ("/", "page"),
        ("/_nicegui/1/x.js", "page"),
        ("/healthz", "health"),
        ("/metrics", "metrics"),
        ("/events", "other"),
        ("/" + "x" * 5000, "other"),
    ],
)
def test_there_are_few_routes(path: str, route: str) -> None:
    """So nobody can fill the memory with names of counters."""
    assert traffic.route_of(path) == route


# --- limits -------------------------------------------------------------------------------------------------


def test_the_limit_of_a_sender() -> None:
    """A burst, then one request in a second's part; a silent sender may burst again, and never more than that."""
    limit = Rates(2.0)
    told = [limit.wait("g", "a", 0.0) for _ in range(22)]
    assert told == [0] * 20 + [1, 1]
    assert [limit.wait("g", "a", at) for at in (0.4, 0.5, 0.6, 1.0)] == [1, 0, 1, 0]
    assert [limit.wait("g", "a", 1000.0) for _ in range(21)] == [0] * 20 + [1]
    assert Rates(0.01).wait("g", "a", 0.0) == 0  # one is always let in
    slow = Rates(0.01)
    slow.wait("g", "a", 0.0)
    assert slow.wait("g", "a", 1.0) == 99
    assert all(Rates(None).wait("g", "a", 0.0) == 0 for _ in range(100))


def test_its_memory_is_bounded() -> None:
    """Those that were silent longest are forgotten; a game's key in an address may be anything."""
    limit = Rates(1.0)
    for number in range(MAX_RATED_SENDERS + 100):
        limit.wait("x" * 10_000, str(number), number / 1000)
    assert len(limit._room) == MAX_RATED_SENDERS
    assert max(len(key) for key, _ in limit._room) == 64


@pytest.mark.parametrize(
    ("peer", "forwarded", "sender"),
    [
        ("10.0.0.2", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.2", ["203.0.113.1, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.2", ["203.0.113.1", "2001:db8::1"], "2001:db8::1"),
        ("10.0.0.2", ["nonsense"], "10.0.0.2"),
        ("10.0.0.2", [], "10.0.0.2"),
        ("10.0.0.3", ["198.51.100.7"], "10.0.0.3"),
    ],
)
def test_the_sender_behind_a_proxy(peer: str, forwarded: list[str], sender: str) -> None:
    """Only a known proxy is believed, and only what it has added itself."""
    headers = [(b"x-forwarded-for", one.encode()) for one in forwarded]
    request = Request({"type": "http", "client": (peer, 1), "headers": headers})
    assert rates.Rates(1.0, ["10.0.0.2"]).sender(request) == sender


# --- keys ---------------------------------------------------------------------------------------------------


def test_new_keys(capfd: Any) -> None:
    """In the form of GameAnalytics', other ones at each call; or another secret key for a game."""
    assert main(["keys", "new"]) == 0
    first = capfd.readouterr().out
    game = games.parse(first.splitlines()[0])
    assert f'Tracker(game_key="{game.key}", secret_key="{game.secret}"' in first
    assert main(["keys", "new", "--game", game.key]) == 0
    second = games.parse(capfd.readouterr().out.splitlines()[0])
    assert second.key == game.key
    assert second.secret != game.secret
    assert main(["keys", "new", "--game", game.secret]) == 1
    assert "32 digits" in capfd.readouterr().err


def test_two_secrets_and_no_more() -> None:
    """The same one twice is one."""
    told = [games.Game(OWN_KEY, secret) for secret in (OLD, OLD, NEW)]
    assert [one.secret for one in games.by_key(told)[OWN_KEY]] == [OLD, NEW]
    with pytest.raises(ValueError, match="more than 2 secret keys") as raised:
        games.by_key([*told, games.Game(OWN_KEY, OTHER)])
    assert OTHER not in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rate-limit", "0"], "requests a second"),
        (["--rate-limit", "nan"], "requests a second"),
        (["--proxy", "localhost"], "an IP address"),
        (["--game", f"{OWN_KEY}:{OLD}", "--game", f"{OWN_KEY}:{NEW}", "--game", f"{OWN_KEY}:{OTHER}"], "more than 2"),
    ],
)
def test_wrong_options(arguments: list[str], words: str, capfd: Any) -> None:
    """One line says what is right."""
    with contextlib.suppress(SystemExit):
        assert main(["collect", "--port", "0", *arguments]) == 1
    assert words in capfd.readouterr().err


def test_a_weak_token(monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    """It is refused, and not repeated."""
    monkeypatch.setenv("GA_PYGAME_PAGE_TOKEN", "secret word")
    assert main(["collect", "--port", "0"]) == 1
    said = capfd.readouterr().err
    assert "GA_PYGAME_PAGE_TOKEN: must be 16 to 200" in said
    assert "secret word" not in said


# --- a copy of the file ---------------------------------------------------------------------------------------


def test_a_backup_while_it_runs(collector: Collector, tmp_path: Path) -> None:
    """As the docs say: another collector goes on from it, drops what it has, and makes the metrics anew."""
    events = [event(event_id=f"n:{number}") for number in range(300)]
    assert collector.send(*events, packed=True).status == 200
    copied = tmp_path / "backup" / "events.sqlite3"
    copied.parent.mkdir()
    with contextlib.closing(sqlite3.connect(collector.db)) as source, contextlib.closing(sqlite3.connect(copied)) as to:
        source.backup(to)
    collector.send(event(event_id="later"))
    other = Collector(copied.parent)
    try:
        body = json.dumps(events).encode()
        assert other.post(EVENTS, pack(body), Content_Encoding="gzip").status == 200
        assert other.summary()["accepted"] == {"design": 300}
        assert other.summary()["duplicates"] == 300
        overview = other.ask("GET", "/api/warehouse/overview?who=player,developer,bot").json()
        assert {row["players"] for row in overview} == {1}
    finally:
        assert other.stop() == 0
