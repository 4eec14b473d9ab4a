"""POGR's client: its published methods, the golden vectors of its protocol, and its normal use over real sockets."""

from __future__ import annotations

import asyncio
import inspect
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ga_pygame.clients import VALID_TAGS, POGRClient, POGRResponse, POGRResult
from ga_pygame.delivery.runner import FrameRunner
from ga_pygame.parts import Parts
from ga_pygame.protocol import Reply, Request
from ga_pygame.testing import ManualClock, ScriptedTransport

SESSION = "0f8fad5b-d9cb-469f-a165-70867728950e"


def success(**payload: Any) -> Reply:
    """Make a good answer of POGR."""
    return Reply(200, body=json.dumps({"success": True, "payload": payload}).encode() + b"\n")


def failure(error: str, status: int = 200) -> Reply:
    """Make an error answer of POGR."""
    return Reply(status, body=json.dumps({"success": False, "error": error}).encode())


STARTED = success(session_id=SESSION)


class Node:
    """A client whose worker runs inside `tick()`, and the requests that it sent."""

    def __init__(self, *answers: Reply | Callable[[Request], Reply], **knobs: Any) -> None:
        self.clock = ManualClock()
        self.transport = ScriptedTransport(answers or [STARTED])
        parts = Parts(
            clock=lambda: self.clock,
            chance=lambda: 0.5,
            transport=lambda _timeout, _clock: self.transport,
            runner=FrameRunner,
        )
        self.client = POGRClient(**{"client_id": "game", "build_id": "0.3.1", "parts": parts, **knobs})
        self.logs: list[tuple[str, str]] = []
        self.client.log_updated.connect(lambda command, logs: self.logs.append((command, logs)))

    def result(self, response: POGRResponse) -> POGRResult:
        """Tick until the response has fired; it must fire exactly once, and not inside the call."""
        heard: list[POGRResult] = []
        assert not response.done
        response.finished.connect(heard.append)
        for _ in range(10):
            self.client.tick()
        assert len(heard) == 1
        return heard[0]

    def started(self) -> Node:
        """Start a session of this client."""
        assert not self.result(self.client.init("player")).has_error()
        return self

    def body(self, index: int = -1) -> Any:
        """Return the body of a request."""
        return json.loads(self.transport.sent[index].body)


SIGNATURES = {
    "data": [("tags", {}), ("data", None)],  # the node needs both; its own example gives one
    "end": [],
    "event": [
        "event_name",
        "sub_event",
        "event_key",
        "flag",
        ("type", "user-event"),
        ("tags", {}),
        ("data", {}),
    ],
    "get_pogr_url": [],
    "get_session_id": [],
    "logs": [
        "log",
        ("severity", "info"),
        ("environment", "dev"),
        ("service", "gameclient"),
        ("type", "user-event"),
        ("tags", {}),
        ("data", {}),
    ],
    "metrics": ["metrics", ("environment", "dev"), ("service", "gameclient"), ("tags", {})],
    "monitor": ["settings"],
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_methods_are_the_nodes(name: str) -> None:
    """Argument names, order and defaults are those of the published class reference."""
    parameters = list(inspect.signature(getattr(POGRClient, name)).parameters.values())[1:]
    found = [one.name if one.default is one.empty else (one.name, one.default) for one in parameters]
    assert found == SIGNATURES[name]


def test_init_begins_a_session() -> None:
    """Vector 1: client, build and association go out; the next call carries the id that came back."""
    node = Node(STARTED, success(data_id="1")).started()
    request = node.transport.sent[0]
    assert (request.method, request.url) == ("POST", "https://api.pogr.io/v1/intake/init")
    assert request.headers == {"POGR_CLIENT": "game", "POGR_BUILD": "0.3.1", "Content-Type": "application/json"}
    assert node.body() == {"association_id": "player"}
    assert node.client.get_session_id() == SESSION
    assert node.logs == [("init", json.dumps({"session_id": SESSION}, separators=(",", ":")))]
    result = node.result(node.client.data({}, {"custom_data": "my_data"}))
    assert json.loads(result.result) == {"success": True, "payload": {"data_id": "1"}}
    assert node.transport.sent[1].headers == {"INTAKE_SESSION_ID": SESSION, "Content-Type": "application/json"}


def test_event_defaults() -> None:
    """Vector 2: seven keys, the type is user-event."""
    node = Node().started()
    node.result(node.client.event("combat", "enemy_killed", "attack", "completed"))
    assert node.transport.sent[1].url.endswith("/v1/intake/event")
    assert node.body() == {
        "event": "combat",
        "sub_event": "enemy_killed",
        "event_key": "attack",
        "event_flag": "completed",
        "event_type": "user-event",
        "event_data": {},
        "tags": {},
    }


def test_the_other_bodies() -> None:
    """Each command's keys are the protocol's; empty tags are left out."""
    node = Node().started()
    tags = {"steam_id": "1", "xbox_id": "", "override_timestamp": "2026-01-01T00:00:00Z"}
    kept = {"steam_id": "1", "override_timestamp": "2026-01-01T00:00:00Z"}
    node.result(node.client.data(tags, {"a": [1]}))
    assert node.body() == {"data": {"a": [1]}, "tags": kept}
    node.result(node.client.logs("logs 123", data={"b": 2}, tags=tags))
    assert node.body() == {
        "service": "gameclient",
        "environment": "dev",
        "severity": "info",
        "type": "user-event",
        "log": "logs 123",
        "data": {"b": 2},
        "tags": kept,
    }
    node.result(node.client.metrics({"FPS": 60}))
    assert node.body() == {"service": "gameclient", "environment": "dev", "metrics": {"FPS": 60}, "tags": {}}
    node.result(node.client.end())
    assert node.body() == {}


def test_init_without_association() -> None:
    """The key is left out if it has no value; extra fields are sent, too."""
    node = Node()
    node.result(node.client.init(extra={"steam_auth_ticket": "t"}))
    assert node.body() == {"steam_auth_ticket": "t"}


def test_monitor_sends_what_the_process_uses() -> None:
    """Processor time in percent, memory in bytes, names of native modules; no fps, no tags."""
    node = Node().started()
    node.clock.advance(4.0, cpu=1.0)
    node.result(node.client.monitor({"my_setting": "test"}))
    body = node.body()
    assert list(body) == ["cpu_usage", "memory_usage", "dlls_loaded", "settings"]
    assert (body["cpu_usage"], body["settings"]) == (25.0, {"my_setting": "test"})
    assert body["memory_usage"] > 2**20
    assert all(isinstance(name, str) for name in body["dlls_loaded"])


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        ({"steam_id": "1", "foo": "x"}, "foo"),
        ({"steam_id": {"a": 1}}, "steam_id"),
        ({"discord_id": True}, "discord_id"),
    ],
)
def test_invalid_tags(tags: dict[str, Any], name: str) -> None:
    """Vector 3: no request, and the error names the tag."""
    node = Node().started()
    calls = [
        node.client.data(tags, {}),
        node.client.event("a", "b", "c", "d", tags=tags),
        node.client.logs("a", tags=tags),
        node.client.metrics({}, tags=tags),
    ]
    assert not any(response.done for response in calls)
    node.client.tick()
    assert all(response.result and name in response.result.error for response in calls)
    assert len(node.transport.sent) == 1


def test_all_valid_tags_pass() -> None:
    """The eleven tags that there are."""
    assert len(VALID_TAGS) == 11
    node = Node().started()
    node.result(node.client.metrics({}, tags=dict.fromkeys(VALID_TAGS, "1")))
    assert node.body()["tags"] == dict.fromkeys(VALID_TAGS, "1")


CALLS: dict[str, Callable[[POGRClient], POGRResponse]] = {
    "data": lambda client: client.data({}, {}),
    "event": lambda client: client.event("a", "b", "c", "d"),
    "logs": lambda client: client.logs("a"),
    "metrics": lambda client: client.metrics({}),
    "monitor": lambda client: client.monitor({}),
    "end": lambda client: client.end(),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_before_init(name: str) -> None:
    """Vector 4: no request, an error, and `finished` fires after the call returned."""
    node = Node()
    result = node.result(CALLS[name](node.client))
    assert "session missing" in result.error
    assert (result.has_error(), result.result) == (True, "")
    assert node.transport.sent == []
    assert node.logs == [("error", result.error)]


@pytest.mark.parametrize(("client_id", "build_id"), [("", "1"), ("game", ""), ("", "")])
def test_no_client(client_id: str, build_id: str, caplog: pytest.LogCaptureFixture) -> None:
    """Without client or build there is no request, one line in the log and never an exception."""
    node = Node(client_id=client_id, build_id=build_id)
    for _ in range(3):
        assert "client_id and build_id are needed" in node.result(node.client.init("player")).error
    assert "session missing" in node.result(node.client.data({}, {})).error
    assert node.transport.sent == []
    assert len([record for record in caplog.records if "client_id" in record.message]) == 1


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(200), ["200", "empty"]),  # vector 5
        (failure("the database is down", 500), ["the database is down"]),  # vector 6
        (failure("no such client"), ["no such client"]),
        (Reply(200, body=b'{"success": false}'), ["200"]),
        (Reply(200, body=b'{"success": 1, "payload": {}}'), ["200"]),
        (Reply(404, body=b"<html>not here</html>"), ["404", "not here"]),
        (Reply(200, body=b"not json"), ["200", "not json"]),
        (Reply(200, body=b"[1]"), ["200"]),
        (Reply(200, body=b"\xff\xfe"), ["200"]),
        (Reply(204), ["204"]),
        (Reply(None, error="no answer from https://api.pogr.io: timed out"), ["timed out"]),
        (success(), ["session_id"]),
        (success(session_id=""), ["session_id"]),
        (Reply(200, body=b'{"success": true, "payload": null}'), ["session_id"]),
    ],
)
def test_bad_answers(reply: Reply, words: list[str]) -> None:
    """Every bad answer is an error with the service's own words first; no session begins."""
    node = Node(reply)
    result = node.result(node.client.init("player"))
    assert all(word in result.error for word in words), result.error
    assert result.result == ""
    assert node.client.get_session_id() == ""
    assert node.logs[0][0] == "error"
    assert node.logs[0][1]


def test_end_forgets_the_session() -> None:
    """Vector 7: after a good `end` the id is gone and an event fails without a request."""
    node = Node().started()
    assert not node.result(node.client.end()).has_error()
    assert node.client.get_session_id() == ""
    assert "session missing" in node.result(node.client.event("a", "b", "c", "d")).error
    assert len(node.transport.sent) == 2


def test_a_failed_end_keeps_the_session() -> None:
    """The id stays, so that `end` can be tried again."""
    node = Node(STARTED, failure("try again")).started()
    assert node.result(node.client.end()).error == "try again"
    assert node.client.get_session_id() == SESSION


def test_calls_may_follow_init_at_once() -> None:
    """A call while init is under way is sent in its session; a call after `end` is not."""
    node = Node()
    responses = [node.client.init("player"), node.client.data({}, {"a": 1}), node.client.end(), node.client.logs("x")]
    for _ in range(10):
        node.client.tick()
    results = [response.result for response in responses]
    assert [bool(result and result.error) for result in results] == [False, False, False, True]
    assert [request.url.rpartition("/")[2] for request in node.transport.sent] == ["init", "data", "end"]
    assert all(request.headers["INTAKE_SESSION_ID"] == SESSION for request in node.transport.sent[1:])


def test_calls_after_a_failed_init() -> None:
    """They fail for the missing session, without a request."""
    node = Node(failure("no such client", 401))
    node.client.init("player")
    assert "session missing" in node.result(node.client.data({}, {})).error
    assert len(node.transport.sent) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_what_was_not_processed_is_sent_again(status: int) -> None:
    """429 and 503 are repeated after the wait that POGR asks for; the order stays."""
    node = Node(Reply(status, {"retry-after": "2"}), STARTED)
    response = node.client.init("player")
    node.client.tick()
    assert not response.done
    node.clock.advance(2.0)
    assert not node.result(response).has_error()
    assert node.transport.sent[0] is node.transport.sent[1]


@pytest.mark.parametrize("reply", [Reply(None, error="timed out"), Reply(500), Reply(400)])
def test_what_may_have_been_processed_is_not_sent_again(reply: Reply) -> None:
    """POGR knows no idempotency keys: a repeat could count twice."""
    node = Node(reply)
    assert node.result(node.client.init("player")).has_error()
    assert len(node.transport.sent) == 1


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}])
def test_what_json_cannot_hold(value: Any) -> None:
    """An error result, no exception, no request."""
    node = Node().started()
    assert node.result(node.client.data({}, {"value": value})).has_error()
    assert node.result(node.client.monitor({"value": value})).has_error()
    assert len(node.transport.sent) == 1


def test_data_without_tags() -> None:
    """The node's own example: one dictionary is data."""
    node = Node().started()
    node.result(node.client.data({"custom_data": "my_data"}))
    assert (node.body()["data"], node.body().get("tags", {})) == ({"custom_data": "my_data"}, {})
    node.result(node.client.data(data={"custom_data": 1}))
    assert node.body()["data"] == {"custom_data": 1}


@pytest.mark.parametrize("tags", [None, "steam_id", ["steam_id"], 5])
def test_tags_that_are_no_dictionary(tags: Any) -> None:
    """The error says what they must be."""
    node = Node().started()
    error = node.result(node.client.data(tags, {"a": 1})).error
    assert error.startswith('invalid tags: must be a dictionary such as {"steam_id": "1"}, not ')


def test_the_game_may_change_its_data_after_the_call() -> None:
    """The arguments are sent unchanged."""
    node = Node().started()
    facts = {"level": 1}
    response = node.client.data({}, facts)
    facts["level"] = 2
    node.result(response)
    assert node.body()["data"] == {"level": 1}


def test_where_requests_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """The property, unless a collector is in force, which takes all."""
    node = Node(pogr_url="https://proxy.test/pogr/")
    assert node.client.get_pogr_url() == "https://proxy.test/pogr"
    node.client.pogr_url = "https://other.test"
    node.result(node.client.init())
    assert node.transport.sent[0].url == "https://other.test/init"
    assert Node(collector="http://127.0.0.1:1/").client.get_pogr_url() == "http://127.0.0.1:1/v1/intake"
    monkeypatch.setenv("GA_PYGAME_COLLECTOR", "http://127.0.0.1:8420")
    node = Node(pogr_url="https://proxy.test")
    assert node.client.pogr_url == "https://proxy.test"
    assert node.client.get_pogr_url() == "http://127.0.0.1:8420/v1/intake"


def test_nothing_secret_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    """The session id is neither in the repr nor in the log."""
    node = Node(STARTED, Reply(None, error="no answer")).started()
    node.result(node.client.data({}, {}))
    assert SESSION not in repr(node.client) + caplog.text
    assert "in a session" in repr(node.client)


def test_importing_is_cheap() -> None:
    """Neither pygame nor requests is loaded by the import or by making a client."""
    code = (
        "import sys, ga_pygame.clients as c; c.POGRClient('a', 'b'); c.TrophyClient('app_a.b');"
        "print([name for name in ('pygame', 'requests', 'sqlite3') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- over real sockets ----------------------------------------------------------------------------------


class Intake:
    """A small POGR server on loopback that keeps the requests."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str | None, Any]] = []
        intake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                intake.calls.append((self.path, self.headers["INTAKE_SESSION_ID"], json.loads(body)))
                answer = b'{"success":true,"payload":{"session_id":"s-1"}}\n'
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def intake() -> Iterator[Intake]:
    running = Intake()
    yield running
    running.stop()


FLOW = ["init", "data", "event", "logs", "metrics", "monitor", "end"]


def check_flow(intake: Intake) -> None:
    assert [path for path, _, _ in intake.calls] == [f"/v1/intake/{command}" for command in FLOW]
    assert [session for _, session, _ in intake.calls] == [None] + ["s-1"] * 6
    assert intake.calls[5][2]["memory_usage"] > 2**20


def test_normal_flow_in_an_asyncio_game(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published flow with `await …finished`, and with `await` of the response itself, off the game thread."""
    monkeypatch.setenv("GA_PYGAME_COLLECTOR", intake.url)
    threads = []

    async def play() -> None:
        client = POGRClient("game", "0.3.1")
        response = client.init("player")
        response.finished.connect(lambda result: threads.append(threading.current_thread()))
        result = await response.finished
        assert isinstance(result, POGRResult)
        assert not result.has_error(), result.error
        assert client.get_session_id() == "s-1"
        assert not (await client.data({}, {"custom_data": "my_data"}).finished).has_error()
        assert not (await client.event("combat", "enemy_killed", "attack", "completed")).has_error()
        results = await asyncio.gather(client.logs("logs 123").finished, client.metrics({"FPS": 60}))
        assert not any(result.has_error() for result in results)
        assert not (await client.monitor({"my_setting": "test"})).has_error()
        assert not (await client.end().finished).has_error()
        assert client.get_session_id() == ""
        assert (await response.finished) is result
        client.close()

    asyncio.run(play())
    check_flow(intake)
    assert threads == [threading.main_thread()]


def test_normal_flow_in_a_plain_loop(intake: Intake) -> None:
    """The published flow with signals, ticked once per frame."""
    client = POGRClient("game", "0.3.1", pogr_url=f"{intake.url}/v1/intake")
    finished: list[POGRResult] = []
    client.init("player").wait(5)
    for response in (
        client.data({}, {"custom_data": "my_data"}),
        client.event("combat", "enemy_killed", "attack", "completed"),
        client.logs("logs 123"),
        client.metrics({"FPS": 60}),
        client.monitor({"my_setting": "test"}),
    ):
        response.finished.connect(finished.append)
    frames = 0
    while len(finished) < 5 and frames < 5000:
        client.tick()
        threading.Event().wait(0.001)
        frames += 1
    end = client.end()
    client.close()
    assert end.result is not None
    assert not any(result.has_error() for result in [*finished, end.result])
    check_flow(intake)


@pytest.mark.e2e
def test_a_game_that_just_ends(intake: Intake) -> None:
    """Calls before the interpreter exits are sent, without a wait or a `close()` in the game."""
    code = (
        "import sys, requests; from ga_pygame.clients import POGRClient;"  # an exit waits 1 s, a slow import is longer
        "client = POGRClient('game', '0.3.1', collector=sys.argv[1]); client.init('player'); client.end()"
    )
    subprocess.run([sys.executable, "-c", code, intake.url], check=True)
    assert [path for path, _, _ in intake.calls] == ["/v1/intake/init", "/v1/intake/end"]


def test_a_service_that_is_down() -> None:
    """No exception and no wait: an error that says where there was no answer."""
    client = POGRClient("game", "0.3.1", pogr_url="http://127.0.0.1:9/v1/intake")
    result = client.init("player").wait(20)
    client.close()
    assert result is not None
    assert "no answer from http://127.0.0.1:9" in result.error
