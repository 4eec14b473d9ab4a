"""Access to the collector: who may send and read, how it refuses, and what the terminal shows of requests."""

from __future__ import annotations

import ast
import asyncio
import json
import logging
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from ga_pygame.collector import guard, teller
from ga_pygame.collector.app import Api
from ga_pygame.collector.emulators.pogr.routes import PogrRoutes
from ga_pygame.collector.emulators.switchboard import Switchboard
from ga_pygame.collector.emulators.trophy.routes import TrophyRoutes
from ga_pygame.collector.gameanalytics import configs, games, validation
from ga_pygame.collector.gameanalytics.routes import GameAnalyticsRoutes
from ga_pygame.collector.traffic import Traffic
from ga_pygame.collector.troubles import Troubles
from ga_pygame.collector.upkeep import Upkeep
from tests.collectors import CONFIGS, EVENTS, INIT, KEY, POGR, SECRET, TROPHY, WHO, Answer, Collector, event, sign

OWN_KEY, OWN_SECRET = "0123456789abcdef" * 2, "0123456789abcdef01234567" + "89abcdef" * 2
OWN_EVENTS = f"/v2/{OWN_KEY}/events"
FOREIGN = {"Origin": "https://evil.example"}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Collector]]:
    """Return a function that starts a collector with options; it is stopped after the test."""
    running: list[Collector] = []

    def begin(*arguments: str, **environment: Any) -> Collector:
        running.append(Collector(tmp_path, *arguments, **environment))
        return running[-1]

    yield begin
    for one in running:
        assert one.stop() == 0


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """Start a collector for tests that only look at answers."""
    collector = Collector(tmp_path_factory.mktemp("access"))
    yield collector
    assert collector.stop() == 0


def send(collector: Collector, path: str, *, secret: str = OWN_SECRET, **headers: str) -> Answer:
    body = json.dumps([event()]).encode()
    return collector.ask("POST", path, body, {"Authorization": sign(body, secret.encode()), **headers})


# --- games -----------------------------------------------------------------------------------------------------


@pytest.mark.e2e
def test_on_loopback_every_game_may_send(start: Callable[..., Collector]) -> None:
    """A game with keys of its own is taken by a collector that was told no game, which says so once."""
    collector = start()
    assert [send(collector, OWN_EVENTS).status for _ in range(3)] == [200] * 3
    body = json.dumps({**WHO, "user_id": "u"}).encode()
    signed = {"Authorization": sign(body, OWN_SECRET.encode())}
    assert collector.ask("POST", f"/v2/{OWN_KEY}/init", body, signed).status == 200
    assert collector.ask("POST", f"/remote_configs/v1/init?game_key={OWN_KEY}", body, signed).status == 201
    assert collector.said().count("signatures are not checked") == 1
    assert {one["game"] for one in collector.ask("GET", "/api/events").json()} == {OWN_KEY}


def test_on_loopback_known_games_are_still_checked(start: Callable[..., Collector]) -> None:
    """The sandbox game's signature is checked; a wrong one says what to compare, without the secret."""
    collector = start()
    reply = send(collector, EVENTS, secret="f" * 40)
    assert (reply.status, reply.body) == (401, b"")
    assert "secret key" in reply.headers["x-ga-reason"]
    assert f"{KEY} was turned down (401)" in collector.said()
    assert SECRET.decode() not in collector.said()


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("0" * 31, "31 characters"),
        ("A" * 32, "lower case"),
        (OWN_SECRET, "swapped"),
        ("x" * 5000, "5000 characters"),
        ("%1b%5b31m", "5 characters"),
        ("", "no game key"),
    ],
)
def test_a_key_that_cannot_be_one_is_said(shared: Collector, key: str, reason: str) -> None:
    """The message does not repeat the value, since it may be the secret key."""
    reply = send(shared, f"/remote_configs/v1/init?game_key={key}")
    assert (reply.status, reply.body) == (401, b"")
    assert reason in reply.headers["x-ga-reason"]
    assert reason in shared.said()
    assert OWN_SECRET not in shared.said()


@pytest.mark.e2e
def test_told_games_only(start: Callable[..., Collector]) -> None:
    """With games named, others get 401; the terminal shows the option to use, with a placeholder for the secret."""
    other = "f" * 32
    collector = start("--game", f"{OWN_KEY}:{OWN_SECRET}")
    assert send(collector, OWN_EVENTS).status == 200
    reply = send(collector, f"/v2/{other}/events")
    assert (reply.status, reply.body) == (401, b"")
    assert f"--game {other}:SECRET_KEY" in collector.said()
    assert OWN_SECRET not in collector.said()


@pytest.mark.e2e
@pytest.mark.requirement("002:sandbox-keys")
def test_beyond_loopback_only_known_games(start: Callable[..., Collector]) -> None:
    """A collector that others can reach takes no game that it was not told."""
    collector = start("--host", "0.0.0.0")
    assert send(collector, OWN_EVENTS).status == 401
    assert f"--game {OWN_KEY}:SECRET_KEY" in collector.said()
    assert send(collector, EVENTS, secret=SECRET.decode()).status == 200


@pytest.mark.e2e
def test_games_from_a_file_and_the_environment(start: Callable[..., Collector], tmp_path: Path) -> None:
    """Both let in the games that they name, and no other."""
    third = "e" * 32
    file = tmp_path / "games"
    file.write_text(f"# mine\n{OWN_KEY}:{OWN_SECRET}  # the game\n\n")
    collector = start("--games", str(file), GA_PYGAME_GAMES=f"{third}:{OWN_SECRET}, {KEY}:{SECRET.decode()}")
    assert send(collector, OWN_EVENTS).status == 200
    assert send(collector, f"/v2/{third}/events").status == 200
    assert send(collector, f"/v2/{'d' * 32}/events").status == 401


@pytest.mark.parametrize("text", ["", "# nothing\n", "key:secret", f"{OWN_KEY}:{OWN_SECRET}x", "\xff"])
def test_a_file_without_games_is_refused(tmp_path: Path, text: str) -> None:
    """A file that names none must not let in everybody; nothing of it is repeated."""
    file = tmp_path / "games"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=r".") as caught:
        games.load_games(file)
    assert OWN_SECRET not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    """To read one would wait for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ValueError, match="not a file"):
        games.load_games(pipe)
    with pytest.raises(configs.ConfigsError, match="not a file"):
        configs.SettingsFile(pipe, print)


def test_the_page_is_told_and_hears_when_it_is_over() -> None:
    """A game that was turned down is a trouble with the line to use, until it is let in."""
    status = Troubles()
    told = games.Games([games.SANDBOX_GAME], takes_all=False, tell=lambda *_: None, troubles=status)
    for key, command in ((OWN_KEY, f"--game {OWN_KEY}:SECRET_KEY"), (KEY, "")):
        with pytest.raises(games.NotLetIn):
            told.admit(key, b"[]", b"x" * 44, foreign=False)
        assert command in status.present()[-1].command
    told.admit(KEY, b"[]", sign(b"[]").encode(), foreign=False)
    assert len(status.present()) == 1


def test_a_game_without_keys_is_not_told_to_give_a_secret_that_nobody_has() -> None:
    """It sends with the published sandbox keys: what helps is the keys of a game, or a collector that takes all."""
    status = Troubles()
    told = games.Games([games.Game(OWN_KEY, OWN_SECRET)], takes_all=False, tell=lambda *_: None, troubles=status)
    with pytest.raises(games.NotLetIn, match="sends without keys of its own"):
        told.admit(KEY, b"[]", sign(b"[]").encode(), foreign=False)
    (trouble,) = status.present()
    assert trouble.command == ""


def test_forged_games_do_not_push_out_what_is_wrong() -> None:
    """However many made-up keys ask, the page goes on showing that events cannot be stored."""
    status = Troubles()
    status.tell("commit", "Events cannot be stored")
    open_ones = games.Games([], takes_all=True, tell=lambda *_: None, troubles=status)
    for number in range(300):
        with pytest.raises(games.NotLetIn):
            open_ones.admit(f"{number:032x}", b"", b"", foreign=False)
    assert status.present()[0].text == "Events cannot be stored"
    assert len(status.present()) == 7
    known = games.Games([games.SANDBOX_GAME], takes_all=False, tell=lambda *_: None, troubles=status)
    with pytest.raises(games.NotLetIn):
        known.admit(KEY, b"[]", b"x" * 44, foreign=False)
    assert any(KEY in one.text for one in status.present())
    known.admit(KEY, b"[]", sign(b"[]").encode(), foreign=False)
    assert not any(KEY in one.text for one in status.present())


def test_not_any_number_of_untold_games() -> None:
    """Beyond the bound further keys are refused; those that came before go on."""
    open_ones = games.Games([], takes_all=True, tell=lambda *_: None, troubles=Troubles())
    signature = sign(b"").encode()
    for number in range(games.MAX_UNTOLD_GAMES):
        open_ones.admit(f"{number:032x}", b"", signature, foreign=False)
    with pytest.raises(games.NotLetIn):
        open_ones.admit("f" * 32, b"", signature, foreign=False)
    open_ones.admit(f"{0:032x}", b"", signature, foreign=False)


# --- pages of other sites --------------------------------------------------------------------------------------

FROM_ELSEWHERE = [
    FOREIGN,
    {"Origin": "http://localhost:3000"},
    {"Origin": "null"},
    {"Origin": "http://["},
    {"Origin": ""},
    {"Origin": "http://127.0.0.1:{port}.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
]
UNSIGNED = [
    ("POST", "/v1/intake/init", POGR),
    ("OPTIONS", "/v1/intake/init", {}),
    ("PUT", "/v1/users/x", TROPHY),
    ("GET", "/v1/users/x", TROPHY),
    ("GET", "/api/users/x", TROPHY),
    ("POST", "/v1/metrics/x/event", TROPHY),
]
"""Calls that games make."""

RULES: dict[type[Any], str] = {
    GameAnalyticsRoutes: "signed",
    PogrRoutes: "unsigned",
    TrophyRoutes: "unsigned",
    Api: "own",
    Switchboard: "own",
    Upkeep: "own",
    Traffic: "own",
}
"""The access rule of each class that has routes; see `guard`."""


def asks(rule: str) -> list[tuple[str, str, dict[str, str]]]:
    """Return a request of each method for each route with this rule."""
    routes = [route for one, its in RULES.items() if its == rule for route in object.__new__(one).routes()]
    return [
        (method, re.sub(r"\{[^}]*\}", "x", route.path), {})
        for route in routes
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]


OWN = [("GET", "/", {}), *asks("own")]


@pytest.mark.e2e
def test_each_class_with_routes_has_its_access_rule() -> None:
    """A new one is put into `RULES`, so that the tests below ask for its routes."""
    found = {
        node.name
        for path in Path(guard.__file__).parent.rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
        and any(isinstance(one, ast.FunctionDef) and one.name == "routes" for one in node.body)
    }
    assert found == {one.__name__ for one in RULES}


@pytest.mark.parametrize("headers", FROM_ELSEWHERE, ids=str)
def test_other_sites_get_and_change_nothing(shared: Collector, headers: dict[str, str]) -> None:
    """A page of another origin neither reads nor writes on routes without signatures, nor gets the page."""
    headers = {name: value.replace("{port}", str(shared.port)) for name, value in headers.items()}
    for method, path, more in (*UNSIGNED, *asks("unsigned"), *OWN):
        reply = shared.ask(method, path, b"{}" if method in ("POST", "PUT") else None, {**headers, **more})
        assert reply.status == 403, (method, path)
        assert "access-control-allow-origin" not in reply.headers
        assert method == "GET" or reply.body == b""


@pytest.mark.parametrize("headers", FROM_ELSEWHERE, ids=str)
def test_other_sites_send_signed_events_only(shared: Collector, headers: dict[str, str]) -> None:
    """A browser game of any origin sends signed requests; if the signature cannot be checked, they are refused."""
    headers = {name: value.replace("{port}", str(shared.port)) for name, value in headers.items()}
    assert send(shared, EVENTS, secret=SECRET.decode(), **headers).status == 200
    reply = send(shared, OWN_EVENTS, **headers)
    assert (reply.status, reply.body) == (403, b"")


def test_signed_routes_refuse_what_is_not_signed(shared: Collector) -> None:
    """Each one checks the signature, or that the request comes from no other site."""
    posts = [path for method, path, _ in asks("signed") if method == "POST"]
    assert len(posts) > 2
    for path in posts:
        reply = shared.ask("POST", path, b"{}", FOREIGN)
        assert reply.status in (401, 403), path


def test_a_name_that_points_here_is_another_site(shared: Collector) -> None:
    """A page that had its own name point at 127.0.0.1 is of its own origin, and still not let in unsigned."""
    headers = {"Host": "evil.example:8420", "Origin": "http://evil.example:8420"}
    assert send(shared, OWN_EVENTS, **headers).status == 403
    assert send(shared, OWN_EVENTS, Host="api.gameanalytics.com").status == 200


@pytest.mark.e2e
def test_allowed_origins(start: Callable[..., Collector]) -> None:
    """An origin that was named may use the games' routes, never the page's data."""
    collector = start("--allow-origin", "https://GAME.example/", "--allow-origin", "http://localhost:8000")
    for origin in ("https://game.example", "http://localhost:8000"):
        for method, path, more in UNSIGNED:
            body = b"{}" if method in ("POST", "PUT") else None
            assert collector.ask(method, path, body, {"Origin": origin, **more}).status != 403
        assert send(collector, OWN_EVENTS, Origin=origin).status == 200
        assert collector.ask("GET", "/api/summary", None, {"Origin": origin}).status == 403
    assert collector.ask("GET", "/v1/users/x", None, {**FOREIGN, **TROPHY}).status == 403
    assert "--allow-origin https://evil.example" in collector.said()


@pytest.mark.parametrize(
    "text", ["game.example", "http://", "http://[", "http://a:b", "http://a/path", "http://a?x", ""]
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    """A mistake in the option must not pass for an origin."""
    with pytest.raises(ValueError, match="must be an origin"):
        guard.parse_origin(text)


def test_who_follows_a_link_is_one_click_away(shared: Collector) -> None:
    """A person whom another site led here gets a link instead of the page, which is not built."""
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    reply = shared.ask("GET", "/", None, headers)
    assert reply.status == 403
    assert b'<a href="/">' in reply.body
    own = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert shared.ask("GET", "/", None, own).status == 200


@pytest.mark.parametrize("name", ["Host", "Origin", "Cookie", "Content-Encoding", "Authorization", "Sec-Fetch-Site"])
@pytest.mark.parametrize(
    "value", ["http://[", "\xff\xfe", "a" * 9000, "=;=;\x7f", "[::1", "%", "@@:99999999", "gzip\xa0"]
)
def test_odd_headers_upset_nothing(shared: Collector, name: str, value: str) -> None:
    """Whatever a parsed header holds, the answer is not a server error and the terminal shows no traceback."""
    for method, path in (("GET", "/"), ("GET", "/api/summary"), ("POST", EVENTS), ("POST", "/v1/intake/init")):
        assert shared.ask(method, path, b"{}" if method == "POST" else None, {name: value}).status < 500
    assert "Traceback" not in shared.said()


@pytest.mark.parametrize("length", ["-1", "1e3", "9" * 30, "x", "\xb2", "", "+1"])
def test_odd_lengths_upset_nothing(shared: Collector, length: str) -> None:
    """A Content-Length that is none closes the connection or is a bad request."""
    with socket.create_connection(("127.0.0.1", shared.port), timeout=20) as one:
        one.sendall(f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode("latin-1"))
        try:
            answer = one.recv(50)
        except ConnectionError:
            answer = b""
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 401"))
    assert "Traceback" not in shared.said()


# --- the token and the terminal --------------------------------------------------------------------------------


@pytest.mark.e2e
@pytest.mark.parametrize("page", [True, False], ids=["page", "no page"])
def test_the_token_is_never_written(tmp_path: Path, page: bool) -> None:
    """No wrong address, method or header brings the token of an address into a message."""
    collector = Collector(tmp_path, "--host", "0.0.0.0", page=page)
    try:
        token = collector.read_greeting().split("token=")[1].split()[0]
        for method, path in (
            ("GET", "/nowhere"),
            ("GET", "/api/nothing"),
            ("POST", "/nowhere"),
            ("GET", "/_nicegui/x"),
            ("GET", "/api/events"),
            ("GET", "/v1/users/x"),
            ("DELETE", "/api/summary"),
        ):
            for query in (f"token={token}", f"a=1&token={token}&after=x", f"%74oken={token}"):
                assert collector.ask(method, f"{path}?{query}").status < 500
    finally:
        collector.stop()
    assert token not in collector.said()
    assert "Traceback" not in collector.said()


ESCAPES = "\x1b]0;owned\x07\x1b[2J\r\nga_pygame: all is well\u202e\x9b31m"


@pytest.mark.e2e
@pytest.mark.parametrize("page", [True, False], ids=["page", "no page"])
def test_requests_cannot_draw_on_the_terminal(tmp_path: Path, page: bool) -> None:
    """Paths, tags, names, attributes and headers of requests are shown without what a terminal would obey."""
    collector = Collector(tmp_path, page=page)
    try:
        quoted = "".join(f"%{byte:02x}" for byte in ESCAPES.encode())
        bodies: list[Any] = [
            {"tags": {ESCAPES: "x"}, "event": "x"},
            {"metrics": {ESCAPES: "x"}},
            {"user": {"id": "u", "attributes": {ESCAPES: "x"}, "tz": ESCAPES}, "value": 1},
            [{"category": ESCAPES, ESCAPES: 1}, {**event(), "event_id": ESCAPES}],
        ]
        for path in (
            f"/{quoted}",
            f"/v1/intake/{quoted}",
            f"/v1/{quoted}",
            f"/v2/{quoted}/events",
            f"/api/users/{quoted}",
        ):
            for method in ("GET", "POST", "PUT"):
                collector.ask(method, path, b"{}" if method != "GET" else None, TROPHY)
        for path in ("/v1/intake/event", "/v1/intake/metrics", "/v1/metrics/x/event", EVENTS):
            for value in bodies:
                body = json.dumps(value).encode()
                collector.ask("POST", path, body, {"Authorization": sign(body), **POGR, **TROPHY})
    finally:
        collector.stop()
    lines = collector.said().splitlines()
    assert lines
    assert all(line.isprintable() and line.startswith("ga_pygame: ") for line in lines)
    assert "ga_pygame: all is well" not in lines
    assert max(map(len, lines)) < 5_000


def test_one_cause_cannot_silence_another(capsys: pytest.CaptureFixture[str]) -> None:
    """A flood of one kind of message leaves room for others; it ends with a line that says that there were more."""
    tell = teller.Teller()
    for number in range(1_000):
        tell("noise", f"message {number}")
    for number in range(3):
        tell("disk", f"the disk is full {number}")
    tell("disk", "the disk is full 0")
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if "message" in line]) == teller.MESSAGES_PER_CAUSE + 1
    assert len([line for line in lines if "disk" in line]) == 3


def test_libraries_log_through_the_same_door(capsys: pytest.CaptureFixture[str]) -> None:
    """A library's warning is one printable line, and an exception brings no traceback."""
    handler = teller.Logs(teller.Teller())
    try:
        raise ValueError(ESCAPES)
    except ValueError:
        record = logging.LogRecord("lib", logging.ERROR, "x.py", 1, "it broke: %s", (ESCAPES,), sys.exc_info())
    handler.handle(record)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error[:-1].isprintable()


# --- answers ---------------------------------------------------------------------------------------------------


@pytest.mark.requirement("002:init-disables")
def test_switched_off_games_hear_it_on_both_inits(start: Callable[..., Collector], tmp_path: Path) -> None:
    """`enabled: false` is in every answer to an init, even if the configs did not change."""
    file = tmp_path / "settings.json"
    file.write_text('{"*": {"enabled": false}}')
    collector = start("--configs", str(file))
    body = json.dumps({**WHO, "user_id": "u"}).encode()
    assert collector.post(INIT, body).json()["enabled"] is False
    first = collector.post(CONFIGS, body)
    assert (first.status, first.json()["enabled"]) == (201, False)
    again = collector.post(CONFIGS + first.json()["configs_hash"], body)
    assert (again.status, again.json()["enabled"]) == (200, False)


@pytest.mark.parametrize(
    ("category", "field", "rule", "source"),
    [
        ("error", "message", "0 to 8192 characters", "schema, Error"),
        ("session_end", "length", "whole number", "REST v2, Session end"),
        ("business", "amount", "cents", "REST v2, Business"),
        ("business", "currency", "ISO 4217", "REST v2, Business"),
        ("resource", "amount", "int or a float", "REST v2, Resource"),
        ("design", "event_id", "1 to 5 parts", "REST v2, Design"),
        ("user", "session_id", "UUID", "REST v2, Default annotations"),
    ],
)
@pytest.mark.requirement("002:answer-400-fields", "002:session-end-length")
def test_a_missing_field_is_told_by_its_own_rule(category: str, field: str, rule: str, source: str) -> None:
    """The error of a missing field states its rule and the source, too."""
    (error,) = validation.broken_rules(event(category, **{field: ...}))
    assert (error["path"], error["error_type"]) == (f"/{field}", "missing_required_property")
    assert "is required" in error["reason"]
    assert rule in error["reason"]
    assert f"(rule: {source})" in error["reason"]


@pytest.mark.e2e
def test_an_event_is_stored_once(start: Callable[..., Collector]) -> None:
    """Twice in a request, in two, and after a restart: once for each game."""
    collector = start()
    one, other = event(), event()
    for _ in range(2):
        assert collector.send(one, one, other).status == 200
    own = json.dumps([one]).encode()
    for _ in range(2):
        headers = {"Authorization": sign(own, OWN_SECRET.encode())}
        assert collector.ask("POST", OWN_EVENTS, own, headers).status == 200
    assert collector.stop() == 0
    collector = start()
    assert collector.send(other, one).status == 200
    found = collector.summary()
    assert (found["accepted"], found["duplicates"]) == ({"design": 3}, 1 + 3 + 1 + 2)


@pytest.mark.parametrize(
    "settings",
    [
        {"configs": [{"key": "k" * 17, "value": "1"}]},
        {"configs": [{"key": "", "value": "1"}]},
        {"configs": [{"key": "k", "value": "x" * 2001}]},
        {"configs": [{"key": "k", "value": ["x" * 2000] * 9}]},
        {"configs": [{"key": f"k{n}", "value": "1"} for n in range(51)]},
        {"experiment": {"id": "x" * 65, "variants": {}}},
        {"experiment": {"id": "x", "variants": {"a": [{"key": "k" * 17, "value": "1"}]}}},
    ],
    ids=lambda settings: str(settings)[:40],
)
def test_settings_that_no_client_would_take_are_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    """The documents' limits, said when the file is read."""
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"*": settings}))
    with pytest.raises(configs.ConfigsError, match=r"must have|may be|allowed|bytes"):
        configs.SettingsFile(file, print)
    file.write_bytes(b" " * (configs.MAX_FILE_BYTES + 1))
    with pytest.raises(configs.ConfigsError, match="bytes"):
        configs.SettingsFile(file, print)


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_request_that_is_given_up_is_no_defect(is_gone: bool) -> None:
    """A tab that is closed while it loads: Starlette's middleware then misses a response, which is told nowhere."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 500, "headers": []})  # as Starlette does first
        raise RuntimeError("No response returned.")

    async def receive() -> Message:
        return {"type": "http.disconnect" if is_gone else "http.request"}

    async def send(message: Message) -> None:
        sent.append(message["type"])

    sent: list[str] = []
    told: list[str] = []
    asked = guard.Guard(
        middleware,
        signed=lambda path: False,
        unsigned=lambda path: False,
        loopback_host=None,
        token=None,
        origins=(),
        tell=lambda cause, message: told.append(message),
    )
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    asyncio.run(asked(scope, receive, send))
    assert (len(told), len(sent)) == (0 if is_gone else 1, 1)


def test_the_page_speaks_by_web_socket_only(shared: Collector) -> None:
    """Long polling, whose bodies have no bound, is not served."""
    address = "/_nicegui_ws/socket.io/?EIO=4&transport=polling"
    assert shared.ask("GET", address).status == 404
    assert shared.ask("POST", f"{address}&sid=x", b"4" * 100).status == 404
