"""The common part of all clients: queue, retries, waits, closing, and typed answers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import pygame
import pytest

from ga_pygame.clients.caller import CLOSED, MAX_WAITING_CALLS, Call, Caller, CallWorker
from ga_pygame.clients.from_json import camel_case, dataclass_from_json
from ga_pygame.clients.retry import delay_before
from ga_pygame.delivery.runner import FrameRunner
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.parts import Parts
from ga_pygame.process import CpuMeter, memory_bytes, native_modules
from ga_pygame.protocol import Answered, Reply, Request
from ga_pygame.signals import Response
from ga_pygame.testing import ManualClock, ScriptedTransport
from tests.odd_objects import Uncaught

OK = Reply(200, body=b"fine")
BUSY = Reply(503, body=b"busy")


def make(*answers: Reply | Callable[[Request], Reply]) -> tuple[Caller, ScriptedTransport, ManualClock]:
    """Make a caller whose worker runs inside `tick()`."""
    clock = ManualClock()
    transport = ScriptedTransport(answers or [OK])
    parts = Parts(
        clock=lambda: clock, chance=lambda: 0.5, transport=lambda _timeout, _clock: transport, runner=FrameRunner
    )
    return Caller("test", parts), transport, clock


def call(caller: Caller, url: str = "http://test/", **changes: Any) -> Call[str]:
    """Make a call whose result is the reply's body, or the reason after an exclamation mark."""
    response: Response[str] = caller.response(Response[str], "test")
    fields: dict[str, Any] = {
        "prepare": lambda: Request(url, b"", {}),
        "judge": lambda reply: reply.body.decode() or f"!{reply.error}",
        "refuse": lambda why: f"!{why}",
    }
    return Call(response, **{**fields, **changes})


def ticks(caller: Caller, count: int = 20) -> None:
    """Tick for some frames."""
    for _ in range(count):
        caller.tick()


def test_calls_are_sent_in_order_and_answered_in_a_tick() -> None:
    """Nothing is sent and nothing fires inside the call; each response fires once."""
    caller, transport, _ = make()
    calls = [call(caller, f"http://test/{n}") for n in range(3)]
    heard: list[str] = []
    for one in calls:
        one.response.finished.connect(heard.append)
        caller.submit(one)
    assert (transport.sent, heard) == ([], [])
    ticks(caller)
    assert [request.url[-1] for request in transport.sent] == ["0", "1", "2"]
    assert heard == ["fine"] * 3


@pytest.mark.parametrize("kind", [ZeroDivisionError, SystemExit, Uncaught])
@pytest.mark.parametrize("where", ["send", "poll", "reply"])
def test_a_transport_that_raises_costs_its_call(where: str, kind: type[BaseException]) -> None:
    """The response says so, and the next call goes on."""
    caller, transport, _ = make()
    working = transport.send

    class Pending:
        def poll(self) -> Any:
            if where == "poll":
                raise kind
            return "no reply"

    def send(request: Request) -> Any:
        if where == "send":
            raise kind
        return Pending()

    transport.send = send  # type: ignore[method-assign]
    bad, good = call(caller), call(caller)
    heard: list[str] = []
    for one in (bad, good):
        one.response.finished.connect(heard.append)
    caller.submit(bad)
    ticks(caller)
    transport.send = working  # type: ignore[method-assign]
    caller.submit(good)
    ticks(caller)
    assert len(heard) == 2
    assert heard[0].startswith("!ga_pygame failed")
    assert heard[1] == "fine"


def test_a_transport_that_cannot_be_opened_once_is_opened_again() -> None:
    """The call waits for it; if it never can be, the call is answered."""
    caller, transport, clock = make()
    opens: list[int] = []

    def broken() -> None:
        opens.append(1)
        raise SystemExit

    working, transport.open = transport.open, broken  # type: ignore[method-assign]
    heard: list[str] = []
    first, second = call(caller), call(caller)
    for one in (first, second):
        one.response.finished.connect(heard.append)
    caller.submit(first)
    for _ in range(5):
        clock.advance(10.0)
        ticks(caller)
    assert heard == ["!no connection can be made: SystemExit"]
    assert len(opens) <= 6
    transport.open = working  # type: ignore[method-assign]
    caller.submit(second)
    clock.advance(10.0)
    ticks(caller)
    assert heard[1:] == ["fine"]


def test_a_transport_that_never_answers_is_given_up() -> None:
    """A response does not stay open for ever."""
    caller, transport, clock = make()

    class Never:
        def poll(self) -> None:
            return None

    transport.send = lambda _request: Never()  # type: ignore[method-assign, assignment, return-value]
    one = call(caller)
    heard: list[str] = []
    one.response.finished.connect(heard.append)
    caller.submit(one)
    for _ in range(40):
        clock.advance(10.0)
        caller.tick()
    assert heard == ["!no answer came"]


def test_a_repeated_call_keeps_its_request_and_its_place_in_its_lane() -> None:
    """The same request goes out again after the wait; later calls of the lane wait, those of others do not."""
    caller, transport, clock = make(Reply(429, {"retry-after": "3"}), OK)
    repeat: dict[str, Any] = {"may_repeat": lambda reply: reply.status == 429, "max_retries": 2}
    first = call(caller, "http://test/first", lane="a", **repeat)
    second = call(caller, "http://test/second", lane="a")
    other = call(caller, "http://test/other", lane="b")
    for one in (first, second, other):
        caller.submit(one)
    ticks(caller)
    assert [request.url[12:] for request in transport.sent] == ["first", "other"]
    clock.advance(2.9)
    ticks(caller)
    assert len(transport.sent) == 2
    clock.advance(0.1)
    ticks(caller)
    assert [request.url[12:] for request in transport.sent] == ["first", "other", "first", "second"]
    assert transport.sent[0] is transport.sent[2]
    assert first.response.result == second.response.result == "fine"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("X-Foo", "b\r\nX: secret", "header X-Foo: its value must be one line"),
        ("X-Foo", "secret\0", "header X-Foo: its value must be one line"),
        ("X-Foo", " secret", "header X-Foo: its value must be one line"),
        ("X-Foo", "secret \U0001f600", "header X-Foo: its value must be one line"),
        ("X-Foo", 5, "header X-Foo: its value must be one line"),
        ("X Foo\r\n", "secret", "header 'X Foo\\r\\n': its name may have"),
        ("", "secret", "header '': its name may have"),
    ],
)
def test_a_header_that_http_cannot_send_is_a_wrong_call(name: str, value: Any, said: str) -> None:
    """It is refused with the header's name, not tried again as if no service answered; the next call goes out."""
    caller, transport, _clock = make()
    wrong = call(caller, prepare=lambda: Request("http://test/", b"", {name: value}))
    right = call(caller, prepare=lambda: Request("http://test/", b"", {"X-Foo": "caf\xe9", "X-API-KEY": ""}))
    caller.submit(wrong)
    caller.submit(right)
    ticks(caller)
    assert str(wrong.response.result).startswith(f"!{said}")
    assert "secret" not in str(wrong.response.result)
    assert right.response.result == "fine"
    assert len(transport.sent) == 1


def test_repeats_have_an_end() -> None:
    """After `max_retries` the last reply is the answer."""
    caller, transport, clock = make(BUSY)
    one = call(caller, may_repeat=lambda reply: True, max_retries=2)
    caller.submit(one)
    for _ in range(5):
        ticks(caller)
        clock.advance(60)
    assert len(transport.sent) == 3
    assert one.response.result == "busy"


def test_a_full_queue_refuses_in_the_next_tick() -> None:
    """A game that never hears from the service does not fill its memory."""
    caller, _, _ = make()
    calls = [call(caller) for _ in range(MAX_WAITING_CALLS + 1)]
    for one in calls:
        caller.submit(one)
    assert not calls[-1].response.done
    caller.tick()
    assert "wait for answers already" in (calls[-1].response.result or "")


def test_a_defect_still_answers(caplog: pytest.LogCaptureFixture) -> None:
    """An exception in `prepare` or `judge` is reported once and becomes an error; the next call is sent."""
    caller, _, _ = make()
    broken = [
        call(caller, prepare=lambda: 1 / 0),
        call(caller, judge=lambda reply: reply.headers["x"]),
    ]
    good = call(caller)
    for one in (*broken, good):
        caller.submit(one)
    ticks(caller)
    assert [one.response.result for one in broken] == [
        "!ga_pygame failed: ZeroDivisionError",
        "!ga_pygame failed: KeyError",
    ]
    assert good.response.result == "fine"
    assert len(caplog.records) == 2


def test_close_sends_what_waits() -> None:
    """A call made just before the game ends is sent, one that waits for its repeat gets its last reply."""
    caller, transport, _ = make(BUSY, OK)
    repeated = call(caller, may_repeat=lambda reply: reply.status == 503, max_retries=1, lane="a")
    caller.submit(repeated)
    ticks(caller)
    last = call(caller, lane="b")
    caller.submit(last)
    caller.close()
    assert len(transport.sent) == 2
    assert (repeated.response.result, last.response.result) == ("busy", "fine")
    assert not transport.is_open


def test_after_close_calls_are_refused() -> None:
    """Also a client that never sent anything can be closed, twice; later calls are answered."""
    caller, transport, _ = make()
    caller.close()
    caller.close()
    one = call(caller)
    caller.submit(one)
    assert not one.response.done
    assert one.response.wait(0) == f"!{CLOSED}"
    assert transport.sent == []


class BlackHole:
    """A transport whose server never answers."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def open(self) -> None: ...

    def send(self, request: Request) -> Answered:
        self.let_go.wait(30)
        return Answered(OK)

    def close(self) -> None: ...


def test_close_does_not_wait_for_a_black_hole() -> None:
    """The thread is left behind after `timeout`, and every response still fires, once."""
    hole = BlackHole()
    caller = Caller("hole", Parts(transport=lambda _timeout, _clock: hole))
    calls = [call(caller) for _ in range(3)]
    heard: list[str] = []
    for one in calls:
        one.response.finished.connect(heard.append)
        caller.submit(one)
    began = time.monotonic()
    caller.close(0.1)
    assert time.monotonic() - began < 5
    assert heard == [f"!{CLOSED}; no answer came in time"] * 3
    hole.let_go.set()
    time.sleep(0.05)
    caller.tick()
    assert len(heard) == 3


def test_a_browser_like_transport_is_polled() -> None:
    """An answer that is still open blocks nothing; the worker asks again."""

    @dataclass
    class Slow:
        polls: int = 0

        def poll(self) -> Reply | None:
            self.polls += 1
            return OK if self.polls == 3 else None

    class SlowTransport(ScriptedTransport):
        def send(self, request: Request) -> Any:
            return Slow()

    clock = ManualClock()
    done: list[Any] = []
    worker = CallWorker(
        "slow", SlowTransport([OK]), clock, Diagnostics(), lambda one, result: done.append(result), lambda: 0.5
    )
    caller, _, _ = make()
    worker.inbox.append(call(caller))
    assert [worker.step(0), worker.step(0)] == [0.01, 0.01]
    assert done == []
    assert worker.step(0) == 0.0
    assert done == ["fine"]


def test_off_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    """`GA_PYGAME_ENABLED=0` sends nothing, as for a tracker."""
    monkeypatch.setenv("GA_PYGAME_ENABLED", "0")
    caller, transport, _ = make()
    one = call(caller)
    caller.submit(one)
    ticks(caller)
    assert transport.sent == []
    assert "GA_PYGAME_ENABLED" in (one.response.result or "")


def test_a_wrong_collector(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A wrong keyword raises, a wrong environment value warns."""
    with pytest.raises(ValueError, match="must start with http"):
        Caller("test", None, collector="localhost")
    monkeypatch.setenv("GA_PYGAME_COLLECTOR", "localhost")
    assert Caller("test", None).collector is None
    assert "GA_PYGAME_COLLECTOR" in caplog.text


def test_a_receiver_that_raises_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The game's own mistake is in the log; the next response fires."""
    caller, _, _ = make()
    calls = [call(caller), call(caller)]
    calls[0].response.finished.connect(lambda result: 1 / 0)
    for one in calls:
        caller.submit(one)
    with caplog.at_level(logging.ERROR):
        ticks(caller)
    assert calls[1].response.result == "fine"
    assert "raised" in caplog.text


WALL = 1_700_000_000.0


@pytest.mark.parametrize(
    ("attempt", "headers", "chance", "seconds"),
    [
        (1, {}, 0.5, 1.0),
        (2, {}, 0.5, 2.0),
        (1, {}, 0.0, 0.9),
        (1, {}, 1.0, 1.1),
        (20, {}, 0.5, 60.0),
        (1, {"retry-after": "7"}, 0.0, 7.0),
        (1, {"retry-after": "0"}, 0.5, 1.0),
        (1, {"retry-after": "9999"}, 0.5, 60.0),
        (1, {"retry-after": formatdate(WALL + 5, usegmt=True)}, 0.5, 5.0),
        (1, {"retry-after": formatdate(WALL - 5, usegmt=True)}, 0.5, 1.0),
        (1, {"retry-after": "soon"}, 0.5, 1.0),
        (1, {"retry-after": "nan"}, 0.5, 1.0),
        (1, {"retry-after-ms": "1500", "retry-after": "7"}, 0.5, 1.5),
        (1, {"x-ratelimit-reset": str(int(WALL) + 10)}, 0.5, 11.0),
        (1, {"x-ratelimit-reset": str(int(WALL) - 10)}, 0.5, 1.0),
    ],
)
def test_waits(attempt: int, headers: dict[str, str], chance: float, seconds: float) -> None:
    """The server's word first, else doubling; never more than a minute."""
    assert delay_before(attempt, Reply(429, headers), WALL, chance) == pytest.approx(seconds)


def test_no_more_threads() -> None:
    """A machine that starts no more threads gets an error in the next tick; a later call tries again."""

    class Exhausted(FrameRunner):
        is_exhausted = True

        def start(self) -> None:
            if self.is_exhausted:
                raise RuntimeError("can't start new thread")

    clock = ManualClock()
    parts = Parts(clock=lambda: clock, transport=lambda _timeout, _clock: ScriptedTransport([OK]), runner=Exhausted)
    caller = Caller("test", parts)
    calls = [call(caller), call(caller)]
    caller.submit(calls[0])
    assert calls[0].response.wait(0) == "!can't start new thread"
    Exhausted.is_exhausted = False
    caller.submit(calls[1])
    ticks(caller)
    assert calls[1].response.result == "fine"


@dataclass(frozen=True, kw_only=True)
class Inner:
    n: int = 0


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str = ""
    is_good: bool = False
    a_number: float = 0
    maybe: int | None = None
    inner: Inner = field(default_factory=Inner)
    inner_list: tuple[Inner, ...] = ()
    words: tuple[str, ...] | None = None


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ({}, Outer()),
        (None, Outer()),
        ([1], Outer()),
        ({"name": None, "inner": None, "innerList": None, "isGood": None, "aNumber": None, "maybe": None}, Outer()),
        ({"name": 5, "isGood": 1, "aNumber": "x", "maybe": True, "inner": [], "innerList": {}}, Outer()),
        ({"new": 1, "isGood": True, "aNumber": 5, "maybe": 3.0}, Outer(is_good=True, a_number=5, maybe=3)),
        ({"is_good": True, "words": ["a", 1]}, Outer(is_good=True, words=("a",))),
        (
            {"inner": {"n": 1, "m": 2}, "innerList": [{"n": 2}, None, 7]},
            Outer(inner=Inner(n=1), inner_list=(Inner(n=2),)),
        ),
    ],
)
def test_answers_tolerate_anything(data: Any, wanted: Outer) -> None:
    """Missing, null, unknown and wrong fields leave the defaults."""
    assert dataclass_from_json(Outer, data) == wanted


@pytest.mark.parametrize(
    ("name", "wanted"), [("id", "id"), ("subscribe_to_emails", "subscribeToEmails"), ("deviceTokens", "deviceTokens")]
)
def test_camel_case(name: str, wanted: str) -> None:
    """Names that are camelCase already stay."""
    assert camel_case(name) == wanted


def test_what_the_process_uses() -> None:
    """Percent of one core by the clock's word, bytes, and file names without folders."""
    clock = ManualClock()
    meter = CpuMeter(clock)
    clock.advance(2.0, cpu=0.5)
    assert meter.percent() == 25.0
    assert meter.percent() == 0.0
    assert 2**20 < memory_bytes() < 2**36
    modules: Sequence[str] = native_modules()
    assert any(name.startswith("base.") for name in modules), pygame.__file__
    assert not [name for name in modules if "/" in name or "\\" in name]
