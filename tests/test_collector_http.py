"""The collector's routes over real HTTP on loopback."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.collectors import CONFIGS, EVENTS, INIT, SECRET, WHO, Collector, event, pack, sign
from tests.conftest import eventually
from tests.effort import examples

# --- signatures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("secret", "body", "signature"),
    [
        (SECRET, b'{"test": "test"}', "slnR8CKJtKtFDaESSrqnqQeUvp5FaVV7d5XHxt50N5A="),
        (b"test1", b"test2", "E+sBF4BA9mLvVlfwHx53G2poUPwEUZ1f37oVrgHhOFQ="),
        (
            b"test1",
            b'[{"v":2,"user_id":"test"},{"v":3,"user_id":"test2"}]',
            "nibGyLotL7q+YIpUQydHZQsnhRX7RkXgxkJ67hSlDps=",
        ),
    ],
)
@pytest.mark.requirement("002:hmac", "003:hmac-known-answer")
def test_signature_is_the_published_one(secret: bytes, body: bytes, signature: str) -> None:
    """The HMAC gives the documentation's and the official SDKs' known answers."""
    games = pytest.importorskip("ga_pygame.collector.gameanalytics.games")
    game = games.Game("key", secret.decode())
    assert game.signature(body).decode() == signature
    assert game.signed(body, signature.encode())
    assert not game.signed(body + b" ", signature.encode())
    assert secret.decode() not in repr(game)


@pytest.mark.parametrize("path", [EVENTS, INIT, CONFIGS], ids=["events", "init", "configs"])
@pytest.mark.parametrize("authorization", [None, "", "nonsense", sign(b"other"), "ü", sign(b"[]", b"0" * 40)], ids=str)
@pytest.mark.requirement("002:answer-401", "002:authorization")
def test_unsigned_is_refused(shared: Collector, path: str, authorization: str | None) -> None:
    """A request with a wrong signature gets 401 and a reason; the body is empty, so that SDKs keep the events."""
    headers = {} if authorization is None else {"Authorization": authorization}
    reply = shared.ask("POST", path, b"[]", headers)
    assert (reply.status, reply.body) == (401, b"")
    assert "Authorization" in reply.headers["x-ga-reason"] or "secret key" in reply.headers["x-ga-reason"]
    assert SECRET.decode() not in str(reply.headers)


# --- init ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrapped", [False, True], ids=["object", "list of one"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.requirement("002:init-answer", "002:init-body", "002:gzip", "002:routes")
def test_init(shared: Collector, wrapped: bool, packed: bool) -> None:
    """The legacy init takes an object or a list of one, gzipped or not, and tells the time."""
    body = json.dumps([WHO] if wrapped else WHO).encode()
    if packed:
        body = pack(body)
    reply = shared.post(INIT, body, **({"Content_Encoding": "gzip"} if packed else {}))
    assert reply.status == 200
    answer = reply.json()
    assert answer["enabled"] is True
    assert answer["flags"] == []
    assert isinstance(answer["server_ts"], int)
    assert reply.headers["x-ga-service"] == "collect"


@pytest.mark.parametrize("path", [INIT, CONFIGS], ids=["legacy", "configs"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff",
        json.dumps({**WHO, "user_id": "u", "platform": "darwin"}).encode(),
        json.dumps({**WHO, "user_id": "u", "os_version": "6.8"}).encode(),
        json.dumps({"user_id": "u"}).encode(),
    ],
    ids=["empty", "empty list", "null", "cut off", "no UTF-8", "bad platform", "bad os_version", "fields missing"],
)
@pytest.mark.requirement("002:init-body", "002:sdk-version")
def test_init_refuses_nonsense(shared: Collector, path: str, body: bytes) -> None:
    """An init that the real server would not understand gets 400 with the reason."""
    reply = shared.post(path, body)
    assert reply.status == 400
    assert reply.json()["reason"]


@pytest.mark.requirement("003:answer-201", "003:answer-configs_hash", "003:answer-server_ts", "003:answer-key-value")
def test_remote_configs(tmp_path: Path) -> None:
    """201 with configs and their hash first, 200 with the time only once the client has them."""
    file = tmp_path / "configs.json"
    window = {"key": "over", "value": "1", "end_ts": 1_000_000_000}
    file.write_text(json.dumps({"*": {"configs": [{"key": "gravity", "value": "80"}, window]}}))
    collector = Collector(tmp_path, "--configs", str(file))
    try:
        body = json.dumps({**WHO, "user_id": "u", "build": None, "random_salt": 1}).encode()
        first = collector.post(CONFIGS, body)
        assert first.status == 201
        answer = first.json()
        assert answer["configs"] == [{"key": "gravity", "value": "80", "start_ts": None, "end_ts": None}]
        assert "ab_id" not in answer
        again = collector.post(CONFIGS + answer["configs_hash"], body)
        assert again.status == 200
        assert list(again.json()) == ["server_ts"]

        enhanced = collector.post(CONFIGS + "&config_vsn_supported=3", body).json()["configs"]
        assert len(enhanced[0]["id"]) == 24
        assert enhanced[0]["vsn"] == 1

        file.write_text(json.dumps({"*": {"enabled": False, "experiment": {"id": "x", "variants": {"ctrl": []}}}}))
        changed = collector.post(CONFIGS + answer["configs_hash"], body)
        assert changed.status == 201
        assert changed.json()["configs"] == []
        assert (changed.json()["ab_id"], changed.json()["ab_variant_id"]) == ("x", "ctrl")
        assert changed.json()["enabled"] is False
        assert collector.post(INIT, json.dumps(WHO).encode()).json()["enabled"] is False

        bad = collector.post(CONFIGS.replace("seconds=0", "seconds=-1"), body)
        assert bad.status == 400
    finally:
        assert collector.stop() == 0


# --- events --------------------------------------------------------------------------------------------


@pytest.mark.e2e
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.requirement(
    "002:category-user",
    "002:category-session-end",
    "002:category-business",
    "002:category-progression",
    "002:category-resource",
    "002:category-design",
    "002:category-error",
    "002:events-ok",
)
def test_good_batch(fresh: Collector, packed: bool) -> None:
    """A batch of every documented category is answered 200 with a JSON body that is not empty, and stored."""
    names = ["user", "session_end", "business", "resource", "progression", "design", "error"]
    reply = fresh.send(*(event(name) for name in names), packed=packed)
    assert reply.status == 200
    assert reply.json() == {}
    assert fresh.summary() == {
        "accepted": dict.fromkeys(sorted(names), 1),
        "rejected": {},
        "duplicates": 0,
        "newest_id": len(names),
        "pogr": {"sessions": 0, "rows": {}, "refused": 0},
        "trophy": {"users": 0, "events": 0, "replays": 0, "achievements": 0, "refused": 0},
    }


@pytest.mark.parametrize(
    "sent",
    [
        event("ads", ad_sdk_name="admob", ad_type="video", ad_action="show", ad_placement="end"),
        event("troubleshooting", logon_gameplay=True, logon_googleplay=True, facebook_id="f", google_aid="g"),
        event("impression", ad_network_name="x", impression_data={"country": "DK"}),
        event("sdk_init", is_first_sdk_init=True, app_boot_time=812),
        event("health", fps_data_table=[0] * 121, memory_app_data_table=[0] * 101),
        {"category": "sdk_error", "v": 2, **WHO, "error_category": "db", "error_area": "", "error_action": ""},
        event(manufacturer="", device=""),
        event(user_id="x" * 200),
        event(value=None, build=None, custom_01=None),
        event(event_uuid="38306639-3661-3262-2d39-383038363639"),
        event(event_uuid=...),
        event(client_ts=..., sdk_version="javascript 4.4.7"),
        event(configurations={"gravity": {"x": 1}}, current_session_length=3, browser_version="x", country_code=None),
        event(configurations_v3=[{"key": "a", "id": "", "vsn": 0}], ab_id="x", ab_variant_id="1"),
        event(sdk_version="javascript 5.0.0", engine_version="unity 2022.3.1"),
        event(sdk_version="cpp 5.4.0"),
        event("resource", amount=5, sdk_version="javascript 5.0.0"),
        event("progression", event_id="Fail:a:b:c", score=0, attempt_num=3),
        event(value=10**30),
        event(value=-1.5e300),
        event(event_id="a:b:c:d:e"),
        event(custom_fields={"seed": 10**25, "name": "ü"}),
    ],
)
@pytest.mark.requirement("002:category-troubleshooting")
def test_what_official_clients_send_is_accepted(shared: Collector, sent: dict[str, Any]) -> None:
    """Fields, categories and ids that official SDKs really send pass, although no document lists them."""
    reply = shared.send(sent)
    assert (reply.status, reply.json()) == (200, {})


@pytest.mark.parametrize(
    ("sent", "path", "error_type"),
    [
        (event(session_id=12), "/session_id", "wrong_type"),
        (event(session_id="DE305D54-75B4-431B-ADB2-EB6B9E546014"), "/session_id", "no_match"),
        (event(platform="darwin"), "/platform", "not_in_enum"),
        (event(os_version="linux 6.8.0-45-generic"), "/os_version", "no_match"),
        (event(engine_version="pygame 2.5.0"), "/engine_version", "no_match"),
        (event(sdk_version="ga_pygame 1.0"), "/sdk_version", "no_match"),
        (event(client_ts=1_760_000_000_000), "/client_ts", "not_in_range"),
        (event(v=3), "/v", "not_in_range"),
        (event(v=2.0), "/v", "wrong_type"),
        (event(v=True), "/v", "wrong_type"),
        (event(user_id=...), "/user_id", "missing_required_property"),
        (event(jailbroken=False), "/jailbroken", "not_in_enum"),
        (event(build="x" * 33), "/build", "wrong_length"),
        (event(custom_fields={"seed": True}), "/custom_fields/seed", "wrong_type"),
        (event(custom_fields={"a b": 1}), "/custom_fields", "no_match"),
        (event(event_id="kill#slime"), "/event_id", "no_match"),
        (event("resource", event_id="Sink:gold_1:a:b"), "/event_id", "no_match"),
        (event("business", currency="usd"), "/currency", "no_match"),
        (event("business", amount=4.99), "/amount", "wrong_type"),
        (event("error", severity="fatal"), "/severity", "not_in_enum"),
        (event("error", message="x" * 8193), "/message", "wrong_length"),
        (event("session_end", length=...), "/length", "missing_required_property"),
        (event("rumour"), "/category", "not_in_enum"),
        (
            event("ads", ad_action="seen", ad_type="banner", ad_sdk_name="x", ad_placement="y"),
            "/ad_action",
            "not_in_enum",
        ),
        (
            event("business", event_id="a:b", amount=1, currency="USD", transaction_num=1, receipt_info={}),
            "/receipt_info",
            "no_match",
        ),
        (event(facebook_id=5), "/facebook_id", "wrong_type"),
        (event(logon_gameplay=False), "/logon_gameplay", "not_in_enum"),
        ({**event(), "category": None}, "/category", "missing_required_property"),
        ({**event(), "category": ["design"]}, "/category", "wrong_type"),
        (17, "", "wrong_type"),
        (None, "", "wrong_type"),
    ],
)
@pytest.mark.requirement(
    "002:annotations-checked",
    "002:answer-400-events",
    "002:user-checked",
    "002:session-end-checked",
    "002:business-checked",
    "002:resource-checked",
    "002:progression-checked",
    "002:design-checked",
    "002:error-checked",
)
def test_broken_rule_is_named(shared: Collector, sent: Any, path: str, error_type: str) -> None:
    """An event that breaks a rule comes back with the rule's path and kind, and a reason to read."""
    reply = shared.send(sent)
    assert reply.status == 400
    (failed,) = reply.json()
    assert failed["event"] == sent
    (error,) = failed["errors"]
    assert (error["path"], error["error_type"]) == (path, error_type)
    assert error["reason"]


@pytest.mark.e2e
@pytest.mark.requirement("002:valid-ones-collected", "002:answer-400-fields")
def test_valid_ones_of_a_bad_batch_are_stored(fresh: Collector) -> None:
    """400 lists the failed events only; the others of the batch are kept."""
    good = event()
    reply = fresh.send(good, event(v=1), event("error", severity="x", message=1))
    assert reply.status == 400
    assert [len(failed["errors"]) for failed in reply.json()] == [1, 2]
    found = fresh.summary()
    assert found["accepted"] == {"design": 1}
    assert found["rejected"] == {"design": 1, "error": 1}
    arrivals = fresh.ask("GET", "/api/events").json()
    assert [one["accepted"] for one in arrivals] == [True, False, False]
    assert arrivals[0]["event"] == good
    later = fresh.ask("GET", f"/api/events?after={arrivals[0]['id']}&limit=1").json()
    assert [one["id"] for one in later] == [arrivals[1]["id"]]


@pytest.mark.e2e
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{}",
        b"null",
        b'"x"',
        b"[1,]",
        b"[NaN]",
        b'[{"value": Infinity}]',
        b"[] []",
        b"\xff\xfe",
        b"\xef\xbb\xbf[]",
        b'[{"a": "\xed\xa0\x80"}]',
        b"[" * 100_000 + b"]" * 99_999,
        b'[{"a": 1}',
        pack(b"[]"),
        json.dumps(event()).encode(),
    ],
    ids=lambda body: repr(body[:20]),
)
@pytest.mark.requirement("002:answer-400-json", "002:answer-400-list", "002:answer-400-short")
def test_undecodable_body(shared: Collector, body: bytes) -> None:
    """A body that is no JSON list gets 400 with a small JSON object and stores nothing."""
    reply = shared.post(EVENTS, body)
    assert reply.status == 400
    assert reply.json()["error"] == "bad request"
    assert len(reply.body) < 1000


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "\\ud83d"}',
        '{"value": 1e999}',
        '{"value": ' + "9" * 5000 + "}",
        '{"user_id": ' + "[" * 500 + "]" * 500 + "}",
        '{"user_id": ' + "[" * 20_000 + "]" * 20_000 + "}",
        '{"user_id": "\\ud83d", "value": ' + "9" * 5000 + "}",
    ],
    ids=["half a surrogate pair", "number too large", "integer too long", "deep value", "deeper value", "two of them"],
)
def test_one_unreadable_event_does_not_take_its_batch_along(shared: Collector, text: str) -> None:
    """An event that cannot be stored is rejected; the others of the batch are kept."""
    body = f"[{json.dumps(event())}, {text}]".encode()
    reply = shared.post(EVENTS, body)
    assert reply.status == 400
    failed = json.loads(reply.body.replace(b"9" * 5000, b"9"))
    assert len(failed) == 1
    assert failed[0]["errors"]


@pytest.mark.requirement("002:events-list")
def test_empty_batch(shared: Collector) -> None:
    """An empty list is a good batch."""
    assert (shared.send().status, shared.send().json()) == (200, {})


@pytest.mark.parametrize("spoil", [slice(-8, -4), slice(-4, None), slice(-8, None)], ids=["crc", "size", "both"])
def test_wrong_gzip_trailer_is_tolerated(shared: Collector, spoil: slice) -> None:
    """A checksum or size that does not fit is no reason to lose a batch: an official SDK sends such."""
    body = bytearray(pack(json.dumps([event()]).encode()))
    body[spoil] = b"\0" * len(body[spoil])
    assert shared.post(EVENTS, bytes(body), Content_Encoding="gzip").status == 200


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("make", "status"),
    [
        (lambda: b"not gzip at all", 400),
        (lambda: pack(b"[]" * 1000)[:-20], 400),
        (lambda: b"\x1f\x8b", 400),
        (lambda: pack(b"[" + b" " * 40_000_000 + b"]"), 413),
    ],
    ids=["no gzip", "cut off", "header only", "bomb"],
)
def test_bad_gzip(shared: Collector, make: Callable[[], bytes], status: int) -> None:
    """Damaged gzip is a bad request; what unpacks beyond the bound is too large, and is not unpacked."""
    assert shared.post(EVENTS, make(), Content_Encoding="gzip").status == status


def test_gzip_header_with_all_fields(shared: Collector) -> None:
    """The optional fields of a gzip header are skipped."""
    packer = zlib.compressobj(wbits=-15)
    data = packer.compress(json.dumps([event()]).encode()) + packer.flush()
    header = b"\x1f\x8b\x08\x1e" + b"\0" * 6 + b"\x02\0xx" + b"name\0" + b"comment\0" + b"\0\0"
    assert shared.post(EVENTS, header + data + b"\0" * 8, Content_Encoding="gzip").status == 200


@pytest.mark.parametrize("content_type", [None, "json", "text/plain", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("encoding", [None, "identity", "application/json"])
def test_odd_headers_are_accepted(shared: Collector, content_type: str | None, encoding: str | None) -> None:
    """A missing or odd Content-Type and a Content-Encoding that is none (a published sample) do not matter."""
    headers = {"Content-Type": content_type, "Content-Encoding": encoding}
    body = json.dumps([event()]).encode()
    chosen = {name: value for name, value in headers.items() if value}
    assert shared.ask("POST", EVENTS, body, {"Authorization": sign(body), **chosen}).status == 200


# --- sizes ---------------------------------------------------------------------------------------------


def _padded(size: int) -> bytes:
    body = json.dumps([event()]).encode()
    return body + b" " * (size - len(body))


@pytest.mark.parametrize(("size", "status"), [(1_000_000, 200), (1_000_001, 413), (2_000_000, 413)])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.requirement("002:body-limit", "002:answer-413")
def test_size_limits(shared: Collector, size: int, status: int, chunked: bool) -> None:
    """A body up to 1 MB is taken, one up to 2 MB is answered 413 with a JSON body."""
    body = _padded(size)
    headers = {"Authorization": sign(body)}
    connection = http.client.HTTPConnection("127.0.0.1", shared.port, timeout=30)
    try:
        if chunked:
            parts = (body[at : at + 65536] for at in range(0, size, 65536))
            connection.request("POST", EVENTS, parts, headers, encode_chunked=True)
        else:
            connection.request("POST", EVENTS, body, headers)
        reply = connection.getresponse()
        assert reply.status == status
        assert json.loads(reply.read()) is not None
    finally:
        connection.close()


@pytest.mark.parametrize("declared", [False, True], ids=["chunked", "length"])
@pytest.mark.requirement("002:answer-closed")
def test_beyond_two_megabytes_the_connection_is_closed(shared: Collector, declared: bool) -> None:
    """More than 2 MB gets no answer at all, as at the real service."""
    with socket.create_connection(("127.0.0.1", shared.port), timeout=30) as connection:
        length = "Content-Length: 2000001" if declared else "Transfer-Encoding: chunked"
        connection.sendall(f"POST {EVENTS} HTTP/1.1\r\nHost: 127.0.0.1\r\n{length}\r\n\r\n".encode())
        answer = b""
        try:
            for _ in range(40):
                part = b"x" * 65536
                connection.sendall(part if declared else b"10000\r\n" + part + b"\r\n")
            answer = connection.recv(1)
        except (ConnectionError, BrokenPipeError):
            pass
    assert answer == b""
    assert shared.send(event()).status == 200


# --- duplicates ----------------------------------------------------------------------------------------


@pytest.mark.e2e
def test_duplicates_are_stored_once(fresh: Collector) -> None:
    """The same event_uuid is answered 200 again and counted as a duplicate, in one batch or in two."""
    one, other = event(), event("progression")
    assert fresh.send(one, one).status == 200
    assert fresh.send(other, one).status == 200
    anonymous = event(event_uuid=...)
    assert fresh.send(anonymous, anonymous).status == 200
    found = fresh.summary()
    assert found["accepted"] == {"design": 3, "progression": 1}
    assert found["duplicates"] == 2
    assert [row["starts"] for row in projected_rows(fresh, "/api/warehouse/levels", 1)] == [1]


@pytest.mark.e2e
def test_games_are_kept_apart(tmp_path: Path) -> None:
    """The same event_uuid of two games is no duplicate, and one game's key does not sign for another."""
    keys = {"1" * 32: b"a" * 40, "2" * 32: b"b" * 40}
    collector = Collector(tmp_path, *(f"--game={key}:{secret.decode()}" for key, secret in keys.items()))
    try:
        body = json.dumps([event()]).encode()
        for key, secret in keys.items():
            reply = collector.ask("POST", f"/v2/{key}/events", body, {"Authorization": sign(body, secret)})
            assert reply.status == 200
        wrong = collector.ask("POST", f"/v2/{'1' * 32}/events", body, {"Authorization": sign(body, b"b" * 40)})
        assert wrong.status == 401
        assert collector.post(EVENTS, body).status == 401
        assert collector.summary()["accepted"] == {"design": 2}
        assert collector.summary()["duplicates"] == 0
        assert not any(secret.decode() in collector.read_greeting() for secret in keys.values())
    finally:
        assert collector.stop() == 0


def projected_rows(collector: Collector, path: str, number: int) -> list[dict[str, Any]]:
    """Wait until the warehouse answers with that many rows, and return them."""
    found: list[dict[str, Any]] = []

    def look() -> bool:
        answer = collector.ask("GET", path)
        found[:] = answer.json() if answer.status == 200 else []
        return len(found) == number

    assert eventually(look, 20), found
    return found


# --- sessions and levels -------------------------------------------------------------------------------


@pytest.mark.e2e
def test_sessions_and_levels(fresh: Collector) -> None:
    """Sessions know user, start, length and end; levels their starts, fails, completes and attempts."""
    second = "de305d54-75b4-431b-adb2-eb6b9e546015"
    fresh.send(
        event("user", client_ts=1_760_000_000),
        event("progression", event_id="Start:forest:1", client_ts=1_760_000_010),
        event("progression", event_id="Fail:forest:1", attempt_num=1, client_ts=1_760_000_020),
        event("progression", event_id="Start:forest:1", client_ts=1_760_000_021),
        event("progression", event_id="Complete:forest:1", attempt_num=2, client_ts=1_760_000_042),
        event("user", session_id=second, user_id="other"),
        event("session_end", session_id=second, user_id="other", length=75),
    )
    sessions = {one["session_id"]: one for one in projected_rows(fresh, "/api/sessions", 2)}
    open_one = sessions["de305d54-75b4-431b-adb2-eb6b9e546014"]
    assert (open_one["user_id"], open_one["started"], open_one["length"], open_one["ended"]) == (
        "player",
        1_760_000_000,
        42,
        False,
    )
    assert (sessions[second]["user_id"], sessions[second]["length"], sessions[second]["ended"]) == ("other", 75, True)
    (level,) = projected_rows(fresh, "/api/warehouse/levels", 1)
    found = {name: level[name] for name in ("level", "starts", "fails", "completes", "completion_rate")}
    assert found == {"level": "forest:1", "starts": 2, "fails": 1, "completes": 1, "completion_rate": 0.5}
    assert len(fresh.ask("GET", "/api/sessions?limit=1").json()) == 1


# --- browsers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [EVENTS, INIT, CONFIGS], ids=["events", "init", "configs"])
def test_preflight(shared: Collector, path: str) -> None:
    """A browser game may send from any origin: the preflight allows the headers that SDKs use."""
    headers = {
        "Origin": "https://game.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    reply = shared.ask("OPTIONS", path, None, headers)
    assert reply.status == 200
    assert reply.headers["access-control-allow-origin"] == "*"
    allowed = reply.headers["access-control-allow-headers"]
    assert all(name in allowed for name in ("Authorization", "Content-Type", "Content-Encoding", "X-Requested-With"))
    assert "POST" in reply.headers["access-control-allow-methods"]


def test_every_answer_to_a_game_can_be_read_by_a_browser(shared: Collector) -> None:
    """200, 400, 401 and 413 carry the CORS and service headers; what has a body is JSON."""
    replies = [
        shared.send(event()),
        shared.send(1),
        shared.ask("POST", EVENTS, b"[]"),
        shared.post(EVENTS, _padded(1_500_000)),
    ]
    assert [reply.status for reply in replies] == [200, 400, 401, 413]
    for reply in replies:
        assert reply.headers["access-control-allow-origin"] == "*"
        assert reply.headers["x-ga-service"] == "collect"
        assert reply.body == b"" or reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:{port}", True),
        ("localhost:{port}", True),
        ("LOCALHOST", True),
        ("[::1]:{port}", True),
        ("evil.example:{port}", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("", False),
        ("[", False),
        ("evil@localhost", True),
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/summary", "/api/export", "/_emu/state", "/v1/intake/init", "/v1/users/x"])
def test_host_is_checked(shared: Collector, path: str, host: str, allowed: bool) -> None:
    """A name that a stranger points at 127.0.0.1 is not served on the page, its data and unsigned routes."""
    reply = shared.ask("GET", path, None, {"Host": host.format(port=shared.port)})
    assert (reply.status == 403) is not allowed


@pytest.mark.parametrize("host", ["api.gameanalytics.com", "sandbox-api.gameanalytics.com:443", "", "["])
@pytest.mark.parametrize("path", [EVENTS, INIT, CONFIGS], ids=["events", "init", "configs"])
def test_signed_routes_take_any_host(shared: Collector, path: str, host: str) -> None:
    """An official SDK that a hosts file or a proxy leads here is served."""
    body = b"[]" if path == EVENTS else json.dumps({**WHO, "user_id": "u"}).encode()
    reply = shared.ask("POST", path, body, {"Host": host, "Authorization": sign(body)})
    assert reply.status in (200, 201)


def test_other_origins_may_not_ask(shared: Collector) -> None:
    """A page of another site cannot use the page or its data, whatever name it uses."""
    assert shared.ask("GET", "/api/summary", None, {"Origin": "https://evil.example"}).status == 403
    own = {"Origin": f"http://127.0.0.1:{shared.port}"}
    assert shared.ask("GET", "/api/summary", None, own).status == 200
    assert "access-control-allow-origin" not in shared.ask("GET", "/api/summary", None, own).headers


@pytest.mark.e2e
def test_beyond_loopback_a_token_is_needed(tmp_path: Path) -> None:
    """On 0.0.0.0 reading needs the printed token, as parameter, header or cookie; sending needs none."""
    collector = Collector(tmp_path, "--host", "0.0.0.0")
    try:
        token = collector.read_greeting().split("token=")[1].split()[0]
        assert collector.send(event()).status == 200
        for path in ("/", "/api/summary", "/api/events", "/api/export", "/nowhere"):
            assert collector.ask("GET", path).status == 401
            assert collector.ask("GET", f"{path}?token={token[:-1]}").status == 401
        assert collector.ask("GET", f"/api/summary?token={token}").status == 200
        assert collector.ask("GET", "/api/summary", None, {"Authorization": f"Bearer {token}"}).status == 200
        welcome = collector.ask("GET", f"/?token={token}")
        assert (welcome.status, welcome.headers["location"]) == (303, "/")
        assert "HttpOnly" in welcome.headers["set-cookie"]
        cookie = {"Cookie": welcome.headers["set-cookie"].split(";")[0], "Host": "any.name"}
        assert collector.ask("GET", "/", None, cookie).status == 200
        assert collector.ask("GET", "/api/export", None, cookie).status == 200
        for other in ('prefs={"a": 1}', "theme=a b", "name=J\u00f6rg", "x", "a=b=c", ";;"):  # other apps' cookies
            for cookies in (f"{other}; {cookie['Cookie']}", f"{cookie['Cookie']};{other}"):
                assert collector.ask("GET", "/api/summary", None, {"Cookie": cookies}).status == 200, cookies
            assert collector.ask("GET", "/api/summary", None, {"Cookie": f"{other}; x{cookies}"}).status == 401
    finally:
        assert collector.stop() == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", EVENTS, 405),
        ("PUT", INIT, 405),
        ("GET", "/nowhere", 404),
        ("POST", "/v2/events", 404),
        ("GET", "/api/events?after=x", 400),
        ("GET", "/api/events?after=-1", 400),
        ("GET", "/api/events?limit=99999999999999999999999", 400),
    ],
)
def test_wrong_route(shared: Collector, method: str, path: str, status: int) -> None:
    """An unknown route answers in JSON, but with an empty body if a game's events might be lost by it."""
    reply = shared.ask(method, path)
    assert reply.status == status
    if path.startswith("/v2/"):
        assert reply.body == b""
    else:
        assert reply.json()["error"]


# --- many at once, and anything at all -----------------------------------------------------------------


@pytest.mark.e2e
def test_many_clients_at_once(fresh: Collector) -> None:
    """Sixteen clients at once: each event is stored once, none is lost."""
    problems: list[Any] = []

    def client() -> None:
        for _ in range(10):
            reply = fresh.send(*(event() for _ in range(20)), packed=True)
            if reply.status != 200:
                problems.append(reply.status)

    threads = [threading.Thread(target=client) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert fresh.summary()["accepted"] == {"design": 16 * 10 * 20}


_names = st.sampled_from(
    ["category", "v", "event_id", "value", "session_id", "custom_fields", "client_ts", "length", "x"]
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["design", "user", "error"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_names | st.text(), inner, max_size=6),
    max_leaves=20,
)


@pytest.mark.e2e
@settings(
    max_examples=examples(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    body=st.one_of(
        st.binary(max_size=200), _json.map(json.dumps).map(str.encode), st.lists(_json).map(json.dumps).map(str.encode)
    )
)
def test_no_body_upsets_it(shared: Collector, body: bytes) -> None:
    """Whatever is sent, the answer is JSON and never a server error."""
    for path in (EVENTS, INIT, CONFIGS):
        reply = shared.post(path, body)
        assert reply.status < 500
        reply.json()


@pytest.mark.e2e
@settings(
    max_examples=examples(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    fields=st.dictionaries(
        st.sampled_from(sorted(event("progression", build="1", custom_fields={}))), _json, max_size=4
    )
)
def test_no_field_upsets_it(shared: Collector, fields: dict[str, Any]) -> None:
    """Whatever stands in a field of an otherwise good event, the answer is 200 or 400."""
    assert shared.send({**event("progression"), **fields}).status in (200, 400)
