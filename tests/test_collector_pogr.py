"""The collector's emulation of POGR's intake, over real HTTP."""

from __future__ import annotations

import datetime as dt
import gzip
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.collectors import Answer, Collector
from tests.effort import examples

KEYS = {"POGR_CLIENT": "client", "POGR_BUILD": "build"}
TAGS = (
    "steam_id twitch_id association_id pogr_game_session xbox_id battlenet_id twitter_id linkedin_id"
    " pogr_player_id discord_id override_timestamp"
).split()
EVENT: dict[str, Any] = {
    "event": "combat",
    "sub_event": "enemy_killed",
    "event_key": "attack",
    "event_flag": "completed",
    "event_type": "user-event",
    "event_data": {"weapon": "sword"},
    "tags": {},
}


@pytest.fixture(scope="module")
def lenient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """Start a collector that accepts requests that a strict one refuses."""
    collector = Collector(tmp_path_factory.mktemp("lenient"), "--lenient")
    yield collector
    assert collector.stop() == 0


def post(collector: Collector, command: str, body: Any = b"", **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return collector.ask("POST", f"/v1/intake/{command}", raw, headers)


def begin(collector: Collector, **fields: Any) -> str:
    reply = post(collector, "init", fields, **KEYS)
    assert reply.status == 200, reply.body
    session: str = reply.json()["payload"]["session_id"]
    return session


def state(collector: Collector) -> Any:
    return collector.ask("GET", "/_emu/state").json()["pogr"]


def refused(reply: Answer, status: int, *words: str) -> None:
    assert reply.status == status, reply.body
    answer = reply.json()
    assert answer["success"] is False
    for word in words:
        assert word in answer["error"]
    assert reply.body.endswith(b"\n")


# --- init and end ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "headers", "identity"),
    [
        (b"", {}, "none"),
        (b"{}", {}, "none"),
        (b'{"association_id": "install-1"}', {}, "association"),
        (b'{"association_id": "install-1"}', {"Content-Type": "text/plain"}, "association"),
        (b'{"association_id": "install-1"}', {"Content-Type": "application/x-www-form-urlencoded"}, "association"),
        (b'{"association_id": ""}', {}, "none"),
        (b"", {"Authorization": "Bearer a.b.c"}, "jwt"),
        (b'{"steam_auth_ticket": "14000000"}', {}, "steam"),
        (gzip.compress(b'{"association_id": "x"}', mtime=0), {"Content-Encoding": "gzip"}, "association"),
    ],
    ids=str,
)
def test_init_takes_every_identity(shared: Collector, body: bytes, headers: dict[str, str], identity: str) -> None:
    """Nothing, an association, a token or a ticket begins a session, whatever the Content-Type says."""
    reply = post(shared, "init", body, **KEYS, **headers)
    assert reply.status == 200
    assert reply.body.endswith(b"\n")
    answer = reply.json()
    assert answer["success"] is True
    newest = state(shared)["newest_sessions"][0]
    assert newest["session_id"] == answer["payload"]["session_id"]
    assert newest["identity"] == identity


@pytest.mark.e2e
def test_secrets_are_not_kept(fresh: Collector) -> None:
    """Tokens, tickets and secret keys are nowhere in the collector's file."""
    post(fresh, "init", {"steam_auth_ticket": "TICKET"}, Authorization="Bearer TOKEN", **KEYS)
    post(fresh, "data", {"data": 1}, ACCESS_KEY="ACCESS", SECRET_KEY="SECRET")
    everything = b"".join(path.read_bytes() for path in fresh.db.parent.glob("events.sqlite3*"))
    for word in (b"TICKET", b"TOKEN", b"ACCESS", b"SECRET"):
        assert word not in everything


def test_steam_ticket_in_the_query(shared: Collector) -> None:
    """One SDK puts the ticket into the address."""
    reply = shared.ask("POST", "/v1/intake/init?steam_ticket=140000", b"", KEYS)
    assert reply.status == 200
    assert state(shared)["newest_sessions"][0]["identity"] == "steam"


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({}, ["POGR_CLIENT", "POGR_BUILD"]),
        ({"POGR_CLIENT": "c"}, ["POGR_BUILD"]),
        ({"POGR_BUILD": "b", "POGR_CLIENT": ""}, ["POGR_CLIENT"]),
    ],
    ids=str,
)
def test_init_needs_both_headers(shared: Collector, headers: dict[str, str], named: list[str]) -> None:
    """The answer names the missing field."""
    refused(post(shared, "init", b"", **headers), 400, *named)


@pytest.mark.e2e
def test_only_configured_clients(tmp_path: Path) -> None:
    """With --pogr-client other pairs get 401, for init and for calls without a session."""
    options = ("--pogr-client", "one:a", "--pogr-client", "one:b", "--pogr-client", "two:c")
    collector = Collector(tmp_path, *options)
    try:
        for client, build, status in (("one", "a", 200), ("one", "b", 200), ("two", "c", 200), ("two", "a", 401)):
            headers = {"POGR_CLIENT": client, "POGR_BUILD": build}
            assert post(collector, "init", b"", **headers).status == status
            assert post(collector, "data", {"data": 1}, **headers).status == status
    finally:
        assert collector.stop() == 0


def test_end(shared: Collector) -> None:
    """A session ends once, with no body or an empty object; afterwards it takes nothing."""
    for body in (b"", b"{}"):
        session = {"INTAKE_SESSION_ID": begin(shared)}
        reply = post(shared, "end", body, **session)
        assert (reply.status, reply.json()["success"]) == (200, True)
        refused(post(shared, "end", body, **session), 401, "ended")
        refused(post(shared, "event", EVENT, **session), 401, "ended")
    refused(post(shared, "end", b""), 401, "INTAKE_SESSION_ID missing")
    refused(post(shared, "end", b"", **KEYS), 401, "INTAKE_SESSION_ID missing")


# --- rows ------------------------------------------------------------------------------------------------

GOOD: list[tuple[str, dict[str, Any], str]] = [
    ("data", {"data": {"a": 1}}, "data_id"),
    ("data", {"data": [1, "x", None], "tags": {"steam_id": "7"}}, "data_id"),
    ("data", {"data": None}, "data_id"),
    ("data", {"custom_data": "an older client posts it bare"}, "data_id"),
    ("event", EVENT, "event_id"),
    ("event", {name: value for name, value in EVENT.items() if name != "tags"}, "event_id"),
    ("logs", {"log": "started"}, "log_id"),
    (
        "logs",
        {
            "service": "gameclient",
            "environment": "dev",
            "severity": "warn",
            "type": "user-event",
            "log": "x",
            "data": {},
            "tags": {},
        },
        "log_id",
    ),
    ("metrics", {"metrics": {"fps": 60}, "service": "gameclient", "environment": "dev", "tags": {}}, "metric_id"),
    ("metrics", {"metrics": {"fps": "60", "memory": {"free": 1, "deep": {"x": [1]}}}}, "metric_id"),
    ("monitor", {"cpu_usage": 12.5, "memory_usage": 1, "dlls_loaded": [], "settings": {"vsync": True}}, "monitor_id"),
    ("monitor", {"settings": {}}, "monitor_id"),
]


@pytest.mark.parametrize(("kind", "body", "name"), GOOD, ids=[f"{number}-{one[0]}" for number, one in enumerate(GOOD)])
def test_good_rows(shared: Collector, kind: str, body: dict[str, Any], name: str) -> None:
    """Every documented body is taken as it is, and the answer has the id under every SDK's name for it."""
    session = begin(shared, association_id="me")
    before = time.time()
    reply = post(shared, kind, body, INTAKE_SESSION_ID=session, **KEYS)
    assert reply.status == 200, reply.body
    payload = reply.json()["payload"]
    assert payload["data_id"] == payload[name]
    newest = state(shared)["newest_rows"][0]
    assert (newest["row_id"], newest["session_id"], newest["kind"]) == (payload["data_id"], session, kind)
    assert newest["json"] == body
    assert before - 1 <= newest["effective_at"] == newest["received_at"] <= time.time() + 1


WRONG_PARTS: list[tuple[str, Any]] = [
    ("event", 1),
    ("sub_event", None),
    ("event_key", {}),
    ("event_flag", []),
    ("event_type", True),
    ("event_data", "x"),
    ("event_data", []),
]
BAD: list[tuple[str, Any, str]] = [
    ("event", b"", "JSON object"),
    ("event", b"[]", "JSON object"),
    ("event", b"{", "JSON object"),
    ("event", b"null", "JSON object"),
    ("event", b"\xff\xfe", "JSON object"),
    ("data", b"[1]", "JSON object"),
    ("event", {"event": "x"}, "sub_event, event_type, event_flag, event_key, event_data missing"),
    *(("event", {key: value for key, value in EVENT.items() if key != name}, name) for name in EVENT if name != "tags"),
    *(("event", {**EVENT, name: wrong}, f"{name} must be") for name, wrong in WRONG_PARTS),
    ("logs", {}, "log missing"),
    ("logs", {"log": {}}, "log must be"),
    ("logs", {"log": "x", "severity": 3}, "severity must be"),
    ("metrics", {"fps": 1}, "metrics missing"),
    ("metrics", {"metrics": 1}, "metrics must be"),
    ("monitor", {"cpu_usage": "much"}, "cpu_usage must be"),
    ("monitor", {"dlls_loaded": {}}, "dlls_loaded must be"),
    ("event", {**EVENT, "tags": {"steam_id": "1", "foo": "x", "bar": "y"}}, "bar, foo"),
    ("data", {"data": 1, "tags": {"location": "x"}}, "location"),
    ("event", {**EVENT, "tags": []}, "tags must be"),
    ("event", {**EVENT, "tags": {"steam_id": 1}}, "steam_id"),
]


@pytest.mark.parametrize(("kind", "body", "words"), BAD, ids=[f"{number}-{one[2]}" for number, one in enumerate(BAD)])
def test_bad_rows(shared: Collector, kind: str, body: Any, words: str) -> None:
    """A body that breaks a rule gets 400 with the names of what is wrong, and is not kept."""
    session = begin(shared)
    refused(post(shared, kind, body, INTAKE_SESSION_ID=session), 400, words)
    assert state(shared)["newest_sessions"][0]["rows"] == 0


def test_body_that_is_no_object_at_init(shared: Collector) -> None:
    """Init may have no body, but not a wrong one."""
    for body in (b"[]", b"x", b'{"association_id": 7}'):
        refused(post(shared, "init", body, **KEYS), 400)


def test_every_documented_tag(shared: Collector) -> None:
    """The eleven valid tags are valid."""
    tags = dict.fromkeys(TAGS, "2026-01-02T03:04:05Z")
    assert post(shared, "event", {**EVENT, "tags": tags}, INTAKE_SESSION_ID=begin(shared)).status == 200


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"),
        ("2026-01-02T03:04:05.250Z", "2026-01-02T03:04:05.250000+00:00"),
        ("2026-01-02t03:04:05z", "2026-01-02T03:04:05+00:00"),
        ("2026-01-02 03:04:05+02:00", "2026-01-02T01:04:05+00:00"),
        ("2026-01-02T03:04:05.123456789-05:30", "2026-01-02T08:34:05.123457+00:00"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00+00:00"),
    ],
)
def test_backdating(shared: Collector, text: str, instant: str) -> None:
    """`override_timestamp` says when a row took place: what an offline queue sends later."""
    body = {**EVENT, "tags": {"override_timestamp": text}}
    assert post(shared, "event", body, INTAKE_SESSION_ID=begin(shared)).status == 200
    newest = state(shared)["newest_rows"][0]
    expected = dt.datetime.fromisoformat(instant).timestamp()
    assert newest["effective_at"] == pytest.approx(expected, abs=1e-5)
    assert newest["received_at"] == pytest.approx(time.time(), abs=60)


def stamp(seconds: float) -> str:
    return dt.datetime.fromtimestamp(time.time() + seconds, dt.timezone.utc).isoformat()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "1767323045",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-13-02T03:04:05Z",
        "2026-01-02T25:04:05Z",
        "2026-01-02T03:04:61Z",
        "0000-01-01T00:00:00Z",
        "2026-01-02T03:04:05+99:00",
        "2026-01-02T03:04:05Z ",
        "٢٠٢٦-01-02T03:04:05Z",
        "+660",
    ],
)
def test_wrong_times(shared: Collector, lenient: Collector, text: str) -> None:
    """No time, or one more than ten minutes ahead: 400; lenient takes it as now, with a note."""
    text = stamp(660) if text == "+660" else text
    body = {**EVENT, "tags": {"override_timestamp": text, "steam_id": "1"}}
    refused(post(shared, "event", body, INTAKE_SESSION_ID=begin(shared)), 400, "override_timestamp")
    assert post(lenient, "event", body, INTAKE_SESSION_ID=begin(lenient)).status == 200
    newest = state(lenient)["newest_rows"][0]
    assert newest["effective_at"] == newest["received_at"]
    assert "override_timestamp" in newest["notes"][0]


def test_a_clock_a_little_ahead_is_fine(shared: Collector) -> None:
    """A player's clock may be nine minutes ahead."""
    body = {**EVENT, "tags": {"override_timestamp": stamp(540)}}
    assert post(shared, "event", body, INTAKE_SESSION_ID=begin(shared)).status == 200


def test_lenient_takes_unknown_tags_with_a_note(lenient: Collector) -> None:
    """The row is kept as sent, at the time that its valid tags say."""
    body = {**EVENT, "tags": {"location": "menu", "override_timestamp": "2026-01-02T03:04:05Z"}}
    assert post(lenient, "event", body, INTAKE_SESSION_ID=begin(lenient)).status == 200
    newest = state(lenient)["newest_rows"][0]
    assert newest["json"] == body
    assert "location" in newest["notes"][0]
    assert newest["effective_at"] == dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc).timestamp()
    refused(post(lenient, "event", {**EVENT, "event": 1}, INTAKE_SESSION_ID=begin(lenient)), 400)


def test_odd_metrics_are_noted(shared: Collector) -> None:
    """A metric that is no number is taken, and remarked on."""
    body = {"metrics": {"fps": 60, "memory": {"free": 1, "state": "low"}, "on": True}}
    assert post(shared, "metrics", body, INTAKE_SESSION_ID=begin(shared)).status == 200
    notes = " ".join(state(shared)["newest_rows"][0]["notes"])
    assert "memory.state" in notes
    assert "on" in notes
    assert "free" not in notes


# --- who may send ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"ACCESS_KEY": "a", "SECRET_KEY": "s"},
        {"POGR_ACCESS": "a", "POGR_SECRET": "s"},
        {"POGR_CLIENT": "c", "POGR_BUILD": "b"},
        {"pogr_client": "c", "Pogr_Build": "b"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["data", "event", "logs", "metrics", "monitor"])
def test_calls_without_a_session(shared: Collector, kind: str, headers: dict[str, str]) -> None:
    """Keys may take the session's place."""
    body = next(body for name, body, _ in GOOD if name == kind)
    assert post(shared, kind, body, **headers).status == 200
    assert state(shared)["newest_rows"][0]["session_id"] is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ACCESS_KEY": "a"},
        {"POGR_SECRET": "s"},
        {"ACCESS_KEY": "a", "POGR_SECRET": "s"},
        {"POGR_CLIENT": "c"},
        {"INTAKE_SESSION_ID": ""},
        {"INTAKE_SESSION_ID": "unknown"},
        {"INTAKE_SESSION_ID": "unknown", "POGR_CLIENT": "c", "POGR_BUILD": "b"},
    ],
    ids=str,
)
def test_calls_by_nobody(shared: Collector, headers: dict[str, str]) -> None:
    """Without a session or a whole pair of keys, or with a session nobody knows: 401."""
    for kind in ("data", "event", "logs", "metrics", "monitor"):
        body = next(body for name, body, _ in GOOD if name == kind)
        refused(post(shared, kind, body, **headers), 401)


def test_unknown_session_may_be_404(tmp_path: Path) -> None:
    """The service does not say its code: a knob."""
    collector = Collector(tmp_path, "--pogr-unknown-session", "404")
    try:
        refused(post(collector, "event", EVENT, INTAKE_SESSION_ID="x"), 404, "not known")
        session = begin(collector)
        post(collector, "end", b"", INTAKE_SESSION_ID=session)
        refused(post(collector, "end", b"", INTAKE_SESSION_ID=session), 404, "ended")
        refused(post(collector, "event", EVENT), 401)
    finally:
        assert collector.stop() == 0


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("command", ["init", "data", "event", "logs", "metrics", "monitor", "end"])
def test_only_post(shared: Collector, method: str, command: str) -> None:
    """Every call is a POST."""
    reply = shared.ask(method, f"/v1/intake/{command}", b"", KEYS)
    refused(reply, 405)
    assert "POST" in reply.headers["allow"]


def test_wrong_paths_and_sizes(shared: Collector) -> None:
    """A missing route is 404, a body that is too large 413, in the service's own form."""
    refused(post(shared, "events", EVENT, **KEYS), 404)
    refused(post(shared, "", b"", **KEYS), 404)
    refused(shared.ask("POST", "/v1/intake", b"", KEYS), 404)
    refused(post(shared, "data", b'{"data": "' + b"x" * 1_100_000 + b'"}', **KEYS), 413)


@pytest.mark.e2e
def test_preflight(tmp_path: Path) -> None:
    """A browser may send all of the headers from a page of an allowed origin."""
    collector = Collector(tmp_path, "--allow-origin", "https://game.example")
    try:
        asks = {"Origin": "https://game.example", "Access-Control-Request-Method": "POST"}
        for command in ("init", "event", "end"):
            reply = collector.ask("OPTIONS", f"/v1/intake/{command}", None, asks)
            assert reply.status == 204
            assert reply.headers["access-control-allow-origin"] == "*"
            allowed = reply.headers["access-control-allow-headers"].lower()
            for name in ("pogr_client", "pogr_build", "intake_session_id", "content-type", "authorization"):
                assert name in allowed
        reply = post(collector, "init", b"", Origin="https://game.example", **KEYS)
        assert reply.headers["access-control-allow-origin"] == "*"
    finally:
        assert collector.stop() == 0


@pytest.mark.e2e
def test_underscores_reach_it(tmp_path: Path) -> None:
    """The headers' underscores survive the HTTP parser that the server runs on."""
    collector = Collector(tmp_path)
    try:
        session = begin(collector, association_id="me")
        assert post(collector, "event", EVENT, INTAKE_SESSION_ID=session).status == 200
        with socket.create_connection(("127.0.0.1", collector.port)) as raw:  # no length and no body at all
            head = "POST /v1/intake/init HTTP/1.1\r\nHost: localhost\r\nPOGR_CLIENT: c\r\nPOGR_BUILD: b\r\n"
            raw.sendall(f"{head}Connection: close\r\n\r\n".encode())
            assert b"200 OK" in raw.recv(1000)
    finally:
        assert collector.stop() == 0


# --- what stays --------------------------------------------------------------------------------------------


@pytest.mark.e2e
def test_restart_keeps_everything(tmp_path: Path) -> None:
    """Sessions, rows and counts are there after a restart, and a session goes on."""
    first = Collector(tmp_path)
    session = begin(first, association_id="me")
    post(first, "event", EVENT, INTAKE_SESSION_ID=session)
    post(first, "event", {}, INTAKE_SESSION_ID=session)
    before = state(first)
    first.kill()
    second = Collector(tmp_path)
    try:
        assert state(second) == before
        assert post(second, "logs", {"log": "x"}, INTAKE_SESSION_ID=session).status == 200
        assert second.summary()["pogr"] == {"sessions": 1, "rows": {"event": 1, "logs": 1}, "refused": 1}
        assert state(second)["newest_sessions"][0]["rows"] == 2
    finally:
        assert second.stop() == 0


@pytest.mark.e2e
def test_many_games_at_once(fresh: Collector) -> None:
    """Calls from many sessions at the same time are all kept, each in its session."""
    problems: list[Any] = []

    def play(number: int) -> None:
        session = begin(fresh, association_id=str(number))
        for _ in range(20):
            reply = post(fresh, "event", EVENT, INTAKE_SESSION_ID=session)
            if reply.status != 200:
                problems.append(reply.body)
        if post(fresh, "end", b"", INTAKE_SESSION_ID=session).status != 200:
            problems.append(number)

    threads = [threading.Thread(target=play, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    found = state(fresh)
    assert [one["rows"] for one in found["newest_sessions"]] == [20] * 8
    assert found["rows"] == {"event": 160}


@pytest.mark.e2e
def test_two_ends_at_once(fresh: Collector) -> None:
    """If a session is ended several times at once, only one of the requests succeeds."""
    session = begin(fresh)
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(post(fresh, "end", b"", INTAKE_SESSION_ID=session).status))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, *[401] * 5]


# --- faults ------------------------------------------------------------------------------------------------


def fail(collector: Collector, **fault: Any) -> None:
    assert collector.ask("POST", "/_emu/fail", json.dumps(fault).encode()).status == 200


@pytest.mark.e2e
def test_faults(fresh: Collector) -> None:
    """Each kind of trouble can be had on demand, for a number of requests, and then everything is well again."""
    session = {"INTAKE_SESSION_ID": begin(fresh)}

    def ask() -> Answer:
        return post(fresh, "event", EVENT, **session)

    fail(fresh, route="pogr", status=500, times=2)
    for _ in range(2):
        refused(ask(), 500)
    assert ask().status == 200
    fail(fresh, route="pogr/event", status=429, retry_after=7, error="slow down")
    assert post(fresh, "logs", {"log": "not this route"}, **session).status == 200
    reply = ask()
    refused(reply, 429, "slow down")
    assert reply.headers["retry-after"] == "7"
    fail(fresh, route="pogr", error="no luck")
    refused(ask(), 200, "no luck")
    rows = state(fresh)["rows"]
    fail(fresh, route="pogr", empty=True)
    assert (ask().status, state(fresh)["rows"]["event"]) == (200, rows["event"] + 1)
    fail(fresh, route="pogr", cut=True)
    with pytest.raises(json.JSONDecodeError):
        ask().json()
    fail(fresh, route="pogr", invalid=True)
    with pytest.raises(json.JSONDecodeError):
        ask().json()
    fail(fresh, route="pogr", newline=False)
    assert ask().body.endswith(b"}")
    fail(fresh, route="pogr", status=204)
    assert (ask().status, ask().status) == (204, 200)
    fail(fresh, route="pogr", delay=0.3)
    start = time.monotonic()
    assert ask().status == 200
    assert time.monotonic() - start >= 0.3


@pytest.mark.parametrize("processed", [False, True])
def test_dropped_connections(fresh: Collector, processed: bool) -> None:
    """A connection closes without an answer, before the row was kept or after."""
    session = begin(fresh)
    fail(fresh, route="pogr", drop=True, processed=processed)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        post(fresh, "event", EVENT, INTAKE_SESSION_ID=session)
    assert state(fresh)["rows"] == ({"event": 1} if processed else {})
    assert post(fresh, "event", EVENT, INTAKE_SESSION_ID=session).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]x",
        b"{}",
        b'{"route": "steam", "status": 500}',
        b'{"route": "pogr", "status": 99}',
        b'{"route": "pogr", "status": "500"}',
        b'{"route": "pogr", "times": 0}',
        b'{"route": "pogr", "delay": -1}',
        b'{"route": "pogr", "skew": 1000000000}',
        b'{"route": "pogr", "stauts": 500}',
    ],
)
def test_wrong_faults_are_refused(shared: Collector, body: bytes) -> None:
    """A mistake in a fault is told, not ignored."""
    assert shared.ask("POST", "/_emu/fail", body).status == 400


def test_reset(fresh: Collector) -> None:
    """A reset forgets sessions, rows, counts and faults; of one service only, if told so."""
    begin(fresh)
    post(fresh, "event", {}, **KEYS)
    fail(fresh, route="pogr", status=500)
    assert fresh.ask("POST", "/_emu/reset", b'{"service": "trophy"}').status == 200
    assert fresh.summary()["pogr"]["sessions"] == 1
    assert len(fresh.ask("GET", "/_emu/fail").json()["faults"]) == 1
    assert fresh.ask("POST", "/_emu/reset", b'{"service": "pogr"}').status == 200
    assert fresh.summary()["pogr"] == {"sessions": 0, "rows": {}, "refused": 0}
    assert fresh.ask("GET", "/_emu/fail").json()["faults"] == []
    assert fresh.ask("POST", "/_emu/reset", b'{"service": "x"}').status == 400
    fail(fresh, route="pogr", status=500)
    assert fresh.ask("DELETE", "/_emu/fail").json()["faults"] == []


def test_switchboard_is_guarded(tmp_path: Path, shared: Collector) -> None:
    """Other sites cannot reach the switchboard; beyond loopback it needs the token, while games need none."""
    for path in ("/_emu/state", "/_emu/fail", "/_emu/clock"):
        assert shared.ask("GET", path, None, {"Origin": "https://evil.example"}).status == 403
        assert shared.ask("GET", path, None, {"Host": "evil.example"}).status == 403
    assert shared.ask("POST", "/_emu/reset", b"", {"Origin": "https://evil.example"}).status == 403
    assert post(shared, "init", b"", Host="evil.example", **KEYS).status == 403
    beyond = Collector(tmp_path, "--host", "0.0.0.0")
    try:
        assert beyond.ask("GET", "/_emu/state").status == 401
        assert beyond.ask("POST", "/_emu/reset", b"").status == 401
        assert begin(beyond)
        token = beyond.read_greeting().split("token=")[1].split()[0]
        assert beyond.ask("GET", "/_emu/state", None, {"Authorization": f"Bearer {token}"}).status == 200
    finally:
        assert beyond.stop() == 0


# --- anything at all ---------------------------------------------------------------------------------------

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
_names = st.sampled_from([*EVENT, *TAGS, "data", "metrics", "log", "cpu_usage", "settings", "association_id"])
_bodies = (
    st.binary(max_size=60)
    | _json.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(_names, _json, max_size=8).map(lambda value: json.dumps(value).encode())
    | st.builds(
        lambda tags: json.dumps({**EVENT, "tags": tags}).encode(), st.dictionaries(st.sampled_from(TAGS), _json)
    )
)


@settings(
    deadline=None,
    max_examples=examples(150),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    command=st.sampled_from(["init", "data", "event", "logs", "metrics", "monitor", "end", "", "x/y"]),
    body=_bodies,
    known=st.booleans(),
)
def test_nothing_breaks_it(shared: Collector, command: str, body: bytes, known: bool) -> None:
    """Whatever comes gets an answer of the service's form, never a server's error."""
    headers = dict(KEYS) if known else {}
    reply = post(shared, command, body, **headers)
    assert reply.status < 500
    assert isinstance(reply.json()["success"], bool)


def test_deep_and_huge(shared: Collector) -> None:
    """Nesting and numbers beyond all bounds are refused or taken, and nothing breaks."""
    session = begin(shared)
    for depth in (50, 500, 5000, 100_000):
        text = '{"a":' * depth + "1" + "}" * depth
        for kind in ("metrics", "data"):
            reply = post(shared, kind, f'{{"{kind}":{text}}}'.encode(), INTAKE_SESSION_ID=session)
            assert reply.status < 500, (depth, reply.body)
    for number in ("1e999", "9" * 400, "-" + "9" * 30, "NaN", '"\\ud83d"'):
        body = f'{{"metrics": {{"x": {number}}}}}'.encode()
        assert post(shared, "metrics", body, INTAKE_SESSION_ID=session).status < 500
    assert shared.ask("GET", "/_emu/state").status == 200
