"""The uploader with a destination and a service of the tests: when it sends, and what happens to a batch."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from ga_pygame.delivery.foreign import MAX_AMOUNTS, Foreign, amounts_of
from ga_pygame.delivery.outbox.contract import NewRecord
from ga_pygame.delivery.outbox.memory import MemoryOutbox
from ga_pygame.delivery.undecided import MAX_UNDECIDED
from ga_pygame.delivery.uploader import MIN_INTERVAL_SECONDS, Timing, Uploader
from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.protocol import (
    Destination,
    Host,
    Outcome,
    Pending,
    Reply,
    Request,
    Situation,
    Standing,
    StoredRecord,
    Verdict,
)
from ga_pygame.testing import ManualClock, ScriptedTransport
from tests.odd_objects import Uncaught

INTERVAL = 20.0


class Service(Destination):
    """A destination whose language is: the status is the verdict."""

    name = "test"
    max_events = 8
    max_bytes = 10**6

    def __init__(self) -> None:
        self.hosts: list[Host] = []
        self.ready = ""
        self.asked = ""

    def open(self, host: Host) -> None:
        self.hosts.append(host)

    def handshake(self, situation: Situation) -> Request | None:
        if self.ready == situation.session_id:
            return None
        self.asked = situation.session_id
        return Request("init", b"", {})

    def welcome(self, reply: Reply) -> Standing:
        standing = {200: Standing.READY, 401: Standing.REFUSED, 404: Standing.AGAIN}.get(
            reply.status or 0, Standing.RETRY
        )
        if standing is Standing.READY:
            self.ready = self.asked
        return standing

    def encode(self, records: Sequence[StoredRecord]) -> Request:
        return Request("events", ",".join(map(name_of, records)).encode(), {})

    def judge(self, reply: Reply, records: Sequence[StoredRecord]) -> Sequence[Verdict]:
        if reply.status == 400:
            bad = json.loads(reply.body)
            dropped = Verdict(Outcome.DROPPED, Drop.REJECTED, "why")
            return [dropped if name_of(one) in bad else Verdict(Outcome.DELIVERED) for one in records]
        verdict = {
            200: Verdict(Outcome.DELIVERED),
            401: Verdict(Outcome.REFUSED),
            413: Verdict(Outcome.SPLIT),
            500: Verdict(Outcome.DROPPED, Drop.SERVER_ERROR, "HTTP 500"),
            202: Verdict(Outcome.UNDECIDED),
        }
        if reply.status == 202:
            self.ready = ""
        return [verdict.get(reply.status or 0, Verdict(Outcome.RETRY))] * len(records)


def name_of(record: StoredRecord) -> str:
    """Return the word that `Rig.add` stored."""
    return record.payload.decode().removesuffix("}")


OK = Reply(200, {}, b"[]")
NOBODY = Reply(None, error="connection refused")


class Rig:
    """An uploader, its outbox and its messages."""

    def __init__(self, *answers: Reply | Callable[[Request], Reply], transport: Any = None) -> None:
        self.clock = ManualClock()
        self.diagnostics = Diagnostics()
        self.outbox = MemoryOutbox(["test"])
        self.transport = transport or ScriptedTransport(answers or [OK])
        self.service = Service()
        self.told: list[tuple[object, ...]] = []
        self.session = "s1"
        self.situation: Situation | None = Situation("s1", 1, "u", None)
        self.uploader = self.made()

    def made(self, interval: float | None = None, kept: Mapping[str, str] | None = None) -> Uploader:
        """Make an uploader for the service with an interval of its own."""
        self.kept = dict(kept or {})
        self.service.interval = interval
        host = Host(self.clock, self.kept, self.remember, lambda _: None, lambda *_: None)
        return Uploader(
            Foreign(self.service, self.transport, host, self.diagnostics),
            self.outbox,
            situation=lambda: self.situation,
            diagnostics=self.diagnostics,
            listener=self,
            timing=Timing(INTERVAL, lambda: 1.0),
        )

    def remember(self, key: str, value: str | None) -> None:
        self.kept = {**self.kept, key: value or ""}

    def delivered(self, destination: str, count: int) -> None:
        self.told.append(("delivered", destination, count))

    def rejected(self, destination: str, record: StoredRecord, errors: str) -> None:
        self.told.append(("rejected", destination, name_of(record), errors))

    def connection_lost(self, destination: str, error: str) -> None:
        self.told.append(("lost", destination, error))

    def connection_restored(self, destination: str) -> None:
        self.told.append(("restored", destination))

    def add(self, *names: str) -> None:
        records = [NewRecord("s1", "design", 1.7e9, None, b"", name.encode()) for name in names]
        self.outbox.transact(lambda transaction: transaction.add(records))

    def step(self) -> float | None:
        return self.uploader.step(self.clock.monotonic())

    def run(self, most: int = 60) -> float | None:
        """Step until the uploader wants to sleep."""
        for _ in range(most):
            delay = self.step()
            if delay != 0.0:
                return delay
        raise AssertionError("it never sleeps")

    @property
    def batches(self) -> list[str]:
        return [request.body.decode() for request in self.transport.sent if request.url == "events"]


def init_then(*answers: Reply) -> tuple[Reply, ...]:
    return (OK, *answers)


def test_the_first_step_loads_what_takes_time() -> None:
    """The transport opens before the first event, so that the library and TLS are ready for it."""
    rig = Rig()
    rig.situation = None
    rig.step()
    assert rig.transport.is_open
    assert len(rig.service.hosts) == 1
    assert rig.transport.sent == []


@pytest.mark.requirement("002:init-failed", "002:init-disables")
def test_nothing_is_sent_before_the_handshake_was_answered() -> None:
    """Init first, then the waiting events, then sleep until the next interval."""
    rig = Rig()
    rig.add("a", "b")
    assert rig.run() == INTERVAL
    assert [request.url for request in rig.transport.sent] == ["init", "events"]
    assert rig.batches == ["a,b"]
    assert rig.told == [("delivered", "test", 2)]
    assert rig.diagnostics.stats(0).delivered == {"test": 2}
    assert len(rig.outbox) == 0


@pytest.mark.requirement("002:interval")
def test_events_wait_for_the_next_interval() -> None:
    """Every 20 s; at once when urged; without a second handshake in the same session."""
    rig = Rig()
    rig.run()
    rig.add("a")
    rig.clock.advance(INTERVAL - 1)
    assert rig.run() == pytest.approx(1.0)
    assert rig.batches == []
    rig.clock.advance(1.0)
    rig.run()
    assert rig.batches == ["a"]
    rig.add("b")
    rig.uploader.urge()
    rig.run()
    assert rig.batches == ["a", "b"]
    assert [request.url for request in rig.transport.sent].count("init") == 1


def test_a_destination_with_an_interval_of_its_own_is_not_hurried() -> None:
    """Its server may limit the rate of requests; the end of the game sends all the same."""
    rig = Rig()
    rig.uploader = rig.made(interval=60.0)
    rig.run()
    rig.add("a")
    rig.uploader.urge()
    rig.run()
    assert rig.batches == []
    rig.uploader.finish()
    rig.run()
    assert rig.batches == ["a"]


@pytest.mark.requirement("002:init-each-session")
def test_a_new_session_shakes_hands_again() -> None:
    """Each session has its own init."""
    rig = Rig()
    rig.run()
    rig.situation = Situation("s2", 2, "u", None)
    rig.uploader.urge()
    rig.run()
    assert [request.url for request in rig.transport.sent] == ["init", "init"]


@pytest.mark.requirement("002:split")
def test_everything_that_waits_is_sent_in_batches() -> None:
    """One after the other, each within the destination's bounds."""
    rig = Rig()
    rig.add(*"abcdefghijklmnopqrst")
    rig.run()
    assert [len(batch.split(",")) for batch in rig.batches] == [8, 8, 4]
    assert ",".join(rig.batches) == ",".join("abcdefghijklmnopqrst")


@pytest.mark.requirement("002:requeue-offline", "002:offline")
def test_no_answer_releases_and_waits_longer_each_time() -> None:
    """Backoff is exponential and bounded; events are kept; loss and return of the connection are signalled once."""
    rig = Rig(*init_then(*[NOBODY] * 12, OK))
    rig.add("a")
    waits = []
    for _ in range(12):
        delay = rig.run()
        assert delay is not None
        waits.append(delay)
        rig.clock.advance(delay)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    rig.run()
    assert rig.batches == ["a"] * 13
    assert rig.told == [("lost", "test", "connection refused"), ("restored", "test"), ("delivered", "test", 1)]
    assert rig.diagnostics.stats(0).dropped == {}


@pytest.mark.parametrize(("chance", "wait"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_the_backoff_has_jitter(chance: float, wait: float) -> None:
    """Jitter: a wait is between half and all of its time, so that a server that comes back is not overloaded."""
    rig = Rig(NOBODY)
    rig.uploader._chance = lambda: chance
    assert rig.run() == wait


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("7", 7.0),
        ("0.2", 1.0),
        ("-5", 1.0),
        ("nan", 1.0),
        ("inf", 3600.0),
        ("1e999", 3600.0),
        ("99999", 3600.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 1.0),
        ("", 1.0),
        ("\u0667", 7.0),
        ("soon", 1.0),
    ],
)
def test_retry_after_is_honoured_within_reason(header: str, wait: float) -> None:
    """Seconds, at most an hour; any other value is ignored."""
    rig = Rig(Reply(503, {"retry-after": header}))
    assert rig.run() == wait


def test_a_handshake_that_gets_no_answer_keeps_everything() -> None:
    """Nothing is sent, nothing is lost, the next try comes later."""
    rig = Rig(NOBODY, OK)
    rig.add("a")
    delay = rig.run()
    assert delay == 1.0
    assert rig.batches == []
    rig.clock.advance(delay)
    rig.run()
    assert rig.batches == ["a"]


def test_another_handshake_comes_at_once() -> None:
    """An older server that knows another init is asked without waiting."""
    rig = Rig(Reply(404), OK)
    rig.add("a")
    rig.run()
    assert [request.url for request in rig.transport.sent] == ["init", "init", "events"]


@pytest.mark.parametrize("answers", [[Reply(401)], [OK, Reply(401)]])
def test_refused_sends_nothing_more_in_this_session(answers: list[Reply]) -> None:
    """Wrong keys: no event is lost, none is sent until the next session."""
    rig = Rig(*answers, OK)
    rig.add("a")
    rig.run()
    sent = len(rig.transport.sent)
    rig.uploader.urge()
    rig.clock.advance(1000)
    rig.run()
    assert len(rig.transport.sent) == sent
    rig.service.ready = ""
    rig.situation = Situation("s2", 2, "u", None)
    rig.clock.advance(1000)
    rig.run()
    assert rig.batches[-1] == "a"
    assert rig.told == [("delivered", "test", 1)]


@pytest.mark.requirement("002:no-resubmit-400")
def test_rejected_events_are_told_and_never_sent_again() -> None:
    """The others of the batch are delivered."""
    rig = Rig(*init_then(Reply(400, {}, b'["b"]'), OK))
    rig.add("a", "b", "c")
    rig.run()
    assert rig.batches == ["a,b,c"]
    assert rig.told == [("delivered", "test", 2), ("rejected", "test", "b", "why")]
    assert rig.diagnostics.stats(0).dropped == {"rejected": 1}


@pytest.mark.requirement("002:wiped")
def test_a_server_error_is_counted_as_dropped() -> None:
    """If the documentation forbids a retry, each event is counted as dropped."""
    rig = Rig(*init_then(Reply(500), OK))
    rig.add("a", "b")
    rig.run()
    assert rig.diagnostics.stats(0).dropped == {"server_error": 2}
    assert rig.batches == ["a,b"]


@pytest.mark.requirement("002:requeue-413")
def test_too_large_is_sent_in_halves_and_a_giant_is_dropped_alone() -> None:
    """All events arrive, once and in order, except the one that is too large by itself."""

    def answer(request: Request) -> Reply:
        return Reply(413) if b"G" in request.body or request.body.count(b",") >= 4 else OK

    rig = Rig(OK, answer)
    rig.add(*"abcdeGfghijkl")
    rig.run()
    delivered = [batch for batch in rig.batches if "G" not in batch and batch.count(",") < 4]
    assert ",".join(delivered) == ",".join("abcdefghijkl")
    assert rig.diagnostics.stats(0).dropped == {"too_large": 1}
    assert ("rejected", "test", "G", "too large for the server, even alone") in rig.told
    assert len(rig.outbox) == 0


def test_a_flush_is_answered_when_everything_arrived() -> None:
    """Also events that are recorded during the flush; the error is empty then."""
    rig = Rig()
    answers: list[tuple[str, str]] = []
    rig.run()
    rig.add(*"abcdefghijkl")
    rig.uploader.flush(lambda name, error: answers.append((name, error)))
    rig.run()
    assert answers == [("test", "")]
    assert len(rig.batches) == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [(NOBODY, "connection refused"), (Reply(503), "HTTP 503"), (Reply(302), "302, but not as the service")],
)
def test_a_flush_that_fails_says_why(answer: Reply, error: str) -> None:
    """It is answered at the first failure, and tries also during a backoff."""
    rig = Rig(OK, answer)
    rig.add("a")
    rig.run()
    answers: list[str] = []
    rig.uploader.flush(lambda _name, error: answers.append(error))
    before = len(rig.batches)
    rig.run()
    assert len(rig.batches) == before + 1
    assert len(answers) == 1
    assert error in answers[0]


def test_a_flush_of_a_refused_game_says_so() -> None:
    """The developer learns that the keys are wrong."""
    rig = Rig(Reply(401))
    answers: list[str] = []
    rig.uploader.flush(lambda _name, error: answers.append(error))
    rig.run()
    rig.uploader.flush(lambda _name, error: answers.append(error))
    rig.run()
    assert ["refuses" in answer for answer in answers] == [True, True]


@pytest.mark.requirement("002:session-end-sent")
def test_finishing_sends_what_there_is_and_ends() -> None:
    """At the end of the game the remaining events are sent at once, whatever the interval."""
    rig = Rig()
    rig.run()
    rig.add(*"abcdefghij")
    rig.uploader.finish()
    assert rig.run() is None
    assert len(rig.batches) == 2


def test_finishing_does_not_wait_for_a_server_that_is_down() -> None:
    """The remaining events are sent at the next launch."""
    rig = Rig(NOBODY)
    rig.add("a")
    rig.run()
    rig.uploader.finish()
    assert rig.run() is None
    assert len(rig.outbox) == 1


def test_after_the_players_no_nothing_is_begun() -> None:
    """Also not while finishing; a waiting flush is answered."""
    rig = Rig()
    rig.run()
    sent = len(rig.transport.sent)
    rig.add("a")
    answers: list[str] = []
    rig.uploader.flush(lambda _name, error: answers.append(error))
    rig.uploader.cease()
    rig.uploader.finish()
    assert rig.run() is None
    assert len(rig.transport.sent) == sent
    assert len(answers) == 1
    assert answers[0]


@pytest.mark.parametrize("arrives", [True, False])
def test_what_is_being_sent_at_the_players_no_is_counted_once(arrives: bool) -> None:
    """As delivered, or as deleted if it did not arrive; the deletion itself leaves it to the answer."""
    replies: list[Reply] = []

    class Slow(ScriptedTransport):
        """A transport that answers when the test says so."""

        def send(self, request: Request) -> Any:
            answered: Pending = super().send(request)
            if not self.sent[1:]:
                return answered

            class Open:
                def poll(self) -> Reply | None:
                    return replies[0] if replies else None

            return Open()

    rig = Rig(transport=Slow([OK]))
    rig.add("a", "b")
    rig.run()
    rig.uploader.cease()
    assert rig.outbox.transact(lambda transaction: transaction.clear()) == 0
    replies.append(OK if arrives else NOBODY)
    rig.uploader.finish()
    assert rig.run() is None
    stats = rig.diagnostics.stats(0)
    assert (dict(stats.delivered), dict(stats.dropped)) == (({"test": 2}, {}) if arrives else ({}, {"no_consent": 2}))


def test_a_request_under_way_is_polled() -> None:
    """A transport that answers later, as in a browser, is polled again; no second request is sent meanwhile."""

    class Slow(ScriptedTransport):
        """A transport that answers at the third poll."""

        def send(self, request: Request) -> Any:
            answered: Pending = super().send(request)
            polls = [None, None, answered.poll()]

            class Open:
                def poll(self) -> Reply | None:
                    return polls.pop(0)

            return Open()

    transport = Slow([OK])
    rig = Rig(transport=transport)
    rig.add("a")
    delays = [rig.step() for _ in range(4)]
    assert delays[0] == 0.0
    assert delays[1] == delays[2] == 0.02
    assert len(transport.sent) == 1
    while rig.step() != INTERVAL:
        pass
    assert rig.told == [("delivered", "test", 1)]


# --- a destination or a transport that raises -----------------------------------------------------------------


RAISED = [ZeroDivisionError, SystemExit, GeneratorExit, Uncaught, RecursionError, MemoryError]


def raising(kind: type[BaseException]) -> Callable[..., Any]:
    def broken(*_: object, **__: object) -> Any:
        raise kind

    return broken


def pass_time(rig: Rig, seconds: float) -> None:
    """Step as a runner does."""
    end = rig.clock.monotonic() + seconds
    while rig.clock.monotonic() < end:
        delay = rig.step()
        rig.clock.advance(delay or 0.001)


@pytest.mark.parametrize("kind", RAISED)
def test_a_judge_that_raises_costs_its_batch(kind: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    """Its events are counted as `internal`, it is reported once by name; the next batch is sent, none twice."""
    rig = Rig()
    rig.add(*"abcdefghij")
    rig.service.judge = raising(kind)  # type: ignore[method-assign]
    pass_time(rig, 600)
    assert rig.batches == ["a,b,c,d,e,f,g,h", "i,j"]
    assert rig.diagnostics.stats(0).dropped == {"internal": 10}
    assert len(rig.outbox) == 0
    assert [record.getMessage().count('the destination "test"') for record in caplog.records] == [1]


@pytest.mark.parametrize(
    "verdicts",
    [
        [],
        [Verdict(Outcome.DELIVERED)],
        [Verdict(Outcome.DELIVERED)] * 3,
        None,
        5,
        [None, None],
        ["delivered", "delivered"],
        [Outcome.DELIVERED, Outcome.DELIVERED],
        [Verdict("delivered"), Verdict("delivered")],  # type: ignore[arg-type]
        [Verdict(Outcome.DROPPED, "lost"), Verdict(Outcome.DELIVERED)],  # type: ignore[arg-type]
        [Verdict(Outcome.RETRY), Verdict(Outcome.DELIVERED)],
        [Verdict(Outcome.SPLIT), Verdict(Outcome.SPLIT), Verdict(Outcome.SPLIT)],
        itertools.repeat(Verdict(Outcome.DELIVERED)),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_verdicts_that_do_not_fit_the_batch_are_a_defect_of_the_destination(verdicts: Any) -> None:
    """Too few, too many, another type: settled as `internal`, and the next batch goes on."""
    rig = Rig()
    rig.add("a", "b")
    sound = rig.service.judge
    rig.service.judge = lambda *_: verdicts  # type: ignore[method-assign]
    pass_time(rig, 100)
    assert rig.batches == ["a,b"]
    assert rig.diagnostics.stats(0).dropped == {"internal": 2}
    rig.service.judge = sound  # type: ignore[method-assign]
    rig.add("c")
    rig.uploader.urge()
    pass_time(rig, 1)
    assert rig.told[-1] == ("delivered", "test", 1)


def test_what_a_service_says_of_an_event_is_cut() -> None:
    """A kilobyte is enough for a reason; megabytes for each of 300 events would fill the data folder."""
    rig = Rig()
    rig.add("a")
    rig.service.judge = lambda *_: [Verdict(Outcome.DROPPED, Drop.REJECTED, "x" * 10**6)]  # type: ignore[method-assign]
    rig.run()
    assert rig.told == [("rejected", "test", "a", "x" * 1000)]


@pytest.mark.parametrize("kind", RAISED)
@pytest.mark.parametrize("bad", ["a", "f", "h", "abc", "cgl", "abcdefghijkl"])
def test_a_record_that_cannot_be_encoded_is_found_and_dropped(kind: type[BaseException], bad: str) -> None:
    """Splitting finds the event; all others are delivered, once and in order."""
    rig = Rig()
    rig.add(*"abcdefghijkl")
    sound = rig.service.encode

    def encode(records: Sequence[StoredRecord]) -> Request:
        if any(name_of(record) in bad for record in records):
            raise kind
        return sound(records)

    rig.service.encode = encode  # type: ignore[method-assign]
    pass_time(rig, 10)
    assert "".join(rig.batches).replace(",", "") == "".join(name for name in "abcdefghijkl" if name not in bad)
    assert rig.diagnostics.stats(0).dropped == {"internal": len(bad)}
    assert len(rig.outbox) == 0


@pytest.mark.parametrize("request_", [None, 5, b"bytes", ("url", b"", {})], ids=repr)
def test_an_encode_that_makes_no_request_is_a_defect(request_: Any) -> None:
    """As if it had raised."""
    rig = Rig()
    rig.add("a", "b")
    rig.service.encode = lambda records: request_  # type: ignore[method-assign]
    pass_time(rig, 10)
    assert rig.diagnostics.stats(0).dropped == {"internal": 2}


def sends_in(rig: Rig, seconds: float) -> int:
    before = len(rig.transport.sent)
    pass_time(rig, seconds)
    return len(rig.transport.sent) - before


class Failing(ScriptedTransport):
    """A destination that raises in a chosen method.

    Attributes:
        fails: The method, "" for none.
    """

    def __init__(self, fails: str, kind: type[BaseException] = ZeroDivisionError, odd: Any = None) -> None:
        super().__init__([OK])
        self.fails = fails
        self.kind = kind
        self.odd = odd

    def open(self) -> None:
        self._maybe("open")
        super().open()

    def send(self, request: Request) -> Any:
        answered = super().send(request)
        self._maybe("send")
        outer = self

        class Open:
            def poll(self) -> Any:
                outer._maybe("poll")
                return outer.odd if outer.fails == "odd reply" else answered.poll()

        return outer.odd if self.fails == "odd pending" else Open()

    def _maybe(self, where: str) -> None:
        if where == self.fails:
            raise self.kind


@pytest.mark.parametrize("kind", RAISED)
@pytest.mark.parametrize("where", ["open", "send", "poll"])
def test_a_transport_that_raises_keeps_the_events(
    where: str, kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """Released, tried again with backoff, said once; delivered when the transport works again."""
    transport = Failing(where, kind)
    rig = Rig(transport=transport)
    rig.add("a")
    assert sends_in(rig, 600) < 15
    assert rig.diagnostics.stats(0).dropped == {}
    assert len([one for one in caplog.records if "transport" in one.getMessage()]) == 1
    transport.fails = ""
    pass_time(rig, 400)
    assert rig.told == [("delivered", "test", 1)]


ODD_REPLIES = [5, "200", b"", Reply("200"), Reply(True), Reply(200, {}, "text"), Reply(200, {}, None), ()]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("where", "odd"), [*(("odd reply", one) for one in ODD_REPLIES), ("odd pending", None)], ids=repr
)
def test_a_transport_that_answers_with_something_else(where: str, odd: Any) -> None:
    """As if it had raised."""
    transport = Failing(where, odd=odd)
    rig = Rig(transport=transport)
    rig.add("a")
    assert sends_in(rig, 600) < 15
    transport.fails = ""
    pass_time(rig, 400)
    assert rig.told == [("delivered", "test", 1)]


def test_headers_that_are_none_are_no_headers() -> None:
    """Names in any case, values of any type."""
    rig = Rig(Reply(503, None), Reply(503, {"Retry-After": 40, 5: None}), OK)  # type: ignore[arg-type, dict-item]
    assert rig.run() == 1.0
    rig.clock.advance(1.0)
    assert rig.run() == 40.0


def test_a_transport_that_never_answers_gives_the_batch_back() -> None:
    """`poll` says "not yet" for ever."""
    transport = Failing("odd reply", odd=None)
    rig = Rig(transport=transport)
    rig.add("a")
    pass_time(rig, 400)
    transport.fails = ""
    pass_time(rig, 10)
    assert rig.told == [("delivered", "test", 1)]


@pytest.mark.parametrize("kind", RAISED)
def test_what_raises_once_in_open_is_opened_again(kind: type[BaseException]) -> None:
    """Else the destination would never know the server's time; the transport is not opened twice."""
    rig = Rig()
    opened = rig.service.open
    opens: list[str] = []

    def once(host: Host) -> None:
        opens.append("destination")
        if len(opens) == 1:
            raise kind
        opened(host)

    rig.service.open = once  # type: ignore[method-assign]
    rig.add("a")
    pass_time(rig, 30)
    assert len(opens) == 2
    assert len(rig.service.hosts) == 1
    assert rig.told == [("delivered", "test", 1)]


@pytest.mark.parametrize("where", ["handshake", "welcome"])
@pytest.mark.parametrize("kind", RAISED)
def test_a_handshake_that_raises_waits_longer_each_time(where: str, kind: type[BaseException]) -> None:
    """Nothing is lost; when the destination works, all of it is delivered."""
    rig = Rig()
    rig.add("a")
    working = getattr(rig.service, where)
    setattr(rig.service, where, raising(kind))
    assert sends_in(rig, 600) < 15
    setattr(rig.service, where, working)
    pass_time(rig, 400)
    assert rig.told == [("delivered", "test", 1)]
    assert rig.diagnostics.stats(0).dropped == {}


def test_a_record_that_no_handshake_can_be_made_for_is_dropped() -> None:
    """It must not block the other events."""
    rig = Rig()
    rig.add("a", "b", "c")
    working = rig.service.handshake

    def handshake(situation: Situation) -> Request | None:
        if situation.next_record is not None and name_of(situation.next_record) == "b":
            raise KeyError("event_id")
        return working(situation)

    rig.service.handshake = handshake  # type: ignore[method-assign]
    rig.service.max_events = 1
    rig.uploader = rig.made()
    pass_time(rig, 10)
    assert rig.batches == ["a", "c"]
    assert rig.diagnostics.stats(0).dropped == {"internal": 1}


@pytest.mark.parametrize("standing", [Standing.AGAIN, Standing.READY])
def test_a_destination_that_only_shakes_hands_has_to_wait(standing: Standing) -> None:
    """There is no endless loop of requests at full speed."""
    rig = Rig()
    rig.add("a")
    rig.service.handshake = lambda situation: Request("init", b"", {})  # type: ignore[method-assign]
    rig.service.welcome = lambda reply: standing  # type: ignore[method-assign]
    assert sends_in(rig, 60) <= 110
    rig.service.judge = lambda reply, records: [Verdict(Outcome.AGAIN)] * len(records)  # type: ignore[method-assign]
    rig.service.handshake = lambda situation: None  # type: ignore[method-assign]
    assert sends_in(rig, 60) <= 110


def test_a_lease_never_stays() -> None:
    """After any failure, the records can be leased again."""
    rig = Rig()
    rig.add("a")
    for where in ("handshake", "welcome", "encode", "judge"):
        setattr(rig.service, where, raising(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rig.run()
        delattr(rig.service, where)
        rig.uploader._pending = None
        batch = rig.outbox.lease("test", 1, 1000)
        assert batch is not None
        rig.outbox.release(batch)
        rig.uploader._leased = None


@pytest.mark.parametrize("pace", [None, "slow", float("nan"), float("inf"), -5.0])
def test_a_pace_that_is_none_does_not_matter(pace: Any) -> None:
    """It is read from the game's own class."""
    rig = Rig()
    rig.service.pace = pace
    rig.add(*"abcdefghij")
    rig.run()
    assert rig.told == [("delivered", "test", 8), ("delivered", "test", 2)]


# --- the end, and what the developer hears ----------------------------------------------------------------------


@pytest.mark.parametrize("fails", ["", "close"])
def test_the_last_step_closes_the_transport(fails: str) -> None:
    """No connection stays open until the process ends; an error while closing one is ignored."""
    rig = Rig()
    if fails:
        rig.transport.close = raising(SystemExit)  # type: ignore[method-assign]
    rig.run()
    rig.uploader.finish()
    assert rig.run() is None
    assert rig.transport.is_open is bool(fails)


def test_a_silent_collector_is_said_once_until_it_answers(caplog: pytest.LogCaptureFixture) -> None:
    """The message says what to do; after an answer, the next silence is reported again."""
    rig = Rig(NOBODY, Reply(503), OK, OK, NOBODY)
    rig.uploader._advice = "is it running?"
    rig.add("a")
    pass_time(rig, 15)
    assert [record.getMessage() for record in caplog.records] == ["connection refused; events are kept: is it running?"]
    rig.add("b")
    pass_time(rig, 60)
    assert len(caplog.records) == 2


def test_a_silent_service_is_not_said(caplog: pytest.LogCaptureFixture) -> None:
    """A player can do nothing about it; `connection_lost` tells the game."""
    rig = Rig(NOBODY)
    pass_time(rig, 60)
    assert caplog.records == []


# --- answers that do not say whether the events were taken ------------------------------------------------

UNSAID = Reply(202)


def test_a_batch_that_is_never_settled_is_sent_a_bounded_number_of_times() -> None:
    """Each resend may be a duplicate; the waits grow although each handshake succeeds."""
    rig = Rig(*[OK, UNSAID] * 100)
    rig.add("a", "b")
    waits = [rig.run()]
    rig.add("c")  # is not sent with it, or it would be dropped after fewer tries
    while rig.batches.count("a,b") < MAX_UNDECIDED:
        rig.clock.advance(waits[-1] or 0.0)
        waits.append(rig.run())
        assert len(rig.batches) <= MAX_UNDECIDED + 1
    assert waits[:10] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0]
    assert rig.diagnostics.stats(0).dropped == {"server_error": 2}
    assert [told[2] for told in rig.told if told[0] == "rejected"] == ["a", "b"]
    assert set(rig.batches) <= {"a,b", "c"}


def test_a_flush_does_not_send_an_unsettled_batch_sooner() -> None:
    """Else a game that flushes all the time would use up the tries within seconds, each perhaps a duplicate."""
    rig = Rig(*[OK, UNSAID] * 100)
    rig.add("a")
    rig.run()
    said: list[str] = []
    for _ in range(20):
        rig.uploader.flush(lambda _, error: said.append(error))
        rig.run()
    assert rig.batches == ["a"]
    assert len(said) == 20
    assert all("does not say" in one for one in said)


def test_nothing_is_sent_while_the_handshake_fails_after_an_unsettled_batch() -> None:
    """A captive portal answers like this for hours: nothing is lost, and these answers do not count."""
    rig = Rig(OK, UNSAID, *[Reply(302)] * 200, OK, OK)
    rig.add("a")
    delay = rig.run()
    for _ in range(200):
        rig.clock.advance(delay or 0.0)
        delay = rig.run()
    assert rig.batches == ["a"]
    rig.clock.advance(delay or 0.0)
    rig.run()
    assert rig.batches == ["a", "a"]
    assert rig.diagnostics.stats(0).dropped == {}
    assert rig.kept == {"undecided:test": ""}


def test_the_tries_are_counted_over_launches() -> None:
    """Else a game that is played for a minute a day would send a duplicate of its batch every day."""
    rig = Rig(*[OK, UNSAID] * 100)
    rig.add("a")
    for _ in range(MAX_UNDECIDED):
        rig.uploader = rig.made(kept=rig.kept)
        rig.service.ready = ""
        rig.run()
    assert rig.batches == ["a"] * MAX_UNDECIDED
    assert rig.diagnostics.stats(0).dropped == {"server_error": 1}


@pytest.mark.parametrize("kept", ["", "1", "1 1 x", "-1 1 1", "1 1 1 1", "9" * 100 + " 1 1", "1 0 5"])
def test_a_kept_count_that_makes_no_sense_harms_nothing(kept: str) -> None:
    """A file may contain anything."""
    rig = Rig(OK)
    rig.add("a", "b")
    rig.uploader = rig.made(kept={"undecided:test": kept})
    rig.run()
    assert ",".join(rig.batches) == "a,b"


def test_a_destination_cannot_change_what_is_settled() -> None:
    """It gets its own copies of records, and its bounds are those that were checked."""

    class Greedy(Service):
        def encode(self, records: Sequence[StoredRecord]) -> Request:
            self.max_events = "many"  # type: ignore[assignment]
            self.max_bytes = None  # type: ignore[assignment]
            with contextlib.suppress(AttributeError):
                records.clear()  # type: ignore[attr-defined]
            return super().encode(records)

    rig = Rig(*init_then(OK))
    rig.service = Greedy()
    rig.uploader = rig.made()
    rig.add("a", "b")
    rig.run()
    rig.add("c")
    rig.uploader.urge()
    rig.run()
    assert rig.batches == ["a,b", "c"]
    assert rig.told == [("delivered", "test", 2), ("delivered", "test", 1)]


class Summing(Service):
    """A destination that takes sums."""

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        super().__init__()
        self.answer = answer

    def amounts(self, event: Mapping[str, Any], user_id: str) -> Sequence[tuple[str, float]]:
        found: Sequence[tuple[str, float]] = self.answer(event)
        return found


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: 1 // 0,
        lambda _: None,
        lambda _: [5],
        lambda _: [("a",)],
        lambda _: [("a", float("nan"))],
        lambda _: [("a", "5")],
        lambda _: [(5, 5)],
        lambda event: event["missing"],
    ],
)
def test_amounts_that_are_none_cost_that_sum(caplog: pytest.LogCaptureFixture, answer: Callable[[Any], Any]) -> None:
    """It is reported once, with the destination's name, and counted; the writer goes on with the event."""
    diagnostics = Diagnostics()
    amounts = amounts_of(Summing(answer), diagnostics)
    assert [amounts({"category": "design"}, "u") for _ in range(2)] == [(), ()]
    assert diagnostics.stats(0).dropped == {"internal": 2}
    assert len(caplog.records) == 1
    assert 'amounts() of the destination "test" raised' in caplog.text


def test_amounts_cannot_change_the_event_and_have_an_end() -> None:
    """The event is written after it was asked."""
    event = {"category": "design"}
    endless = amounts_of(
        Summing(lambda given: (given.clear(), (("a", 1) for _ in itertools.count()))[1]), Diagnostics()
    )
    assert endless(event, "u") == [("a", 1)] * MAX_AMOUNTS
    assert event == {"category": "design"}


@pytest.mark.parametrize("with_handshake", [True, False])
def test_a_game_that_flushes_in_each_frame_asks_a_server_that_is_down_once_more(with_handshake: bool) -> None:
    """One flush skips the wait; the next ones are answered with its error until the wait is over."""
    down = Reply(503, {"retry-after": "60"})
    rig = Rig(*([down] if with_handshake else [OK, down]))
    rig.add("a")
    rig.run()
    asked = len(rig.transport.sent)
    said: list[str] = []
    for _ in range(240):
        rig.uploader.flush(lambda _, error: said.append(error))
        rig.run()
        rig.clock.advance(1 / 60)
    assert len(rig.transport.sent) == asked + 1
    assert len(said) == 240
    assert all("HTTP 503" in one for one in said)
    rig.clock.advance(60)
    rig.run()
    assert len(rig.transport.sent) == asked + 2


def test_a_flush_after_the_server_came_back_is_sent() -> None:
    """An answer during the wait does not hold for later flushes."""
    rig = Rig(OK, Reply(503), Reply(503), OK)
    rig.add("a")
    rig.run()
    said: list[str] = []
    for _ in range(2):
        rig.uploader.flush(lambda _, error: said.append(error))
        rig.run()
    rig.clock.advance(10)
    rig.uploader.flush(lambda _, error: said.append(error))
    rig.run()
    assert said[2:] == [""]


@pytest.mark.parametrize("interval", [0, 1e-9, MIN_INTERVAL_SECONDS / 2])
def test_an_interval_of_almost_nothing_is_a_short_one(interval: float) -> None:
    """A thread that never sleeps takes the GIL from the game."""
    rig = Rig()
    rig.uploader = rig.made(interval)
    assert rig.run() == MIN_INTERVAL_SECONDS
