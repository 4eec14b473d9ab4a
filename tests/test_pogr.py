"""POGR: one POGR session for each session of the game, the form of each event, and a verdict for every answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ga_pygame.clock import iso
from ga_pygame.delivery.encoder import Encoder
from ga_pygame.delivery.foreign import Foreign
from ga_pygame.delivery.outbox.contract import NewRecord, Transaction
from ga_pygame.delivery.outbox.memory import MemoryOutbox
from ga_pygame.delivery.slice_writer import SliceWriter, WriterState
from ga_pygame.delivery.uploader import Timing, Uploader
from ga_pygame.destinations import POGR
from ga_pygame.destinations.pogr import MAX_UNSURE_TRIES
from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.events import Business, Design, Error, Flow, Progression, Resource, SessionEnd, Severity, Status, User
from ga_pygame.kept import pogr_session
from ga_pygame.kinds import Event
from ga_pygame.protocol import Host, Outcome, Reply, Request, Situation, StoredRecord, Verdict
from ga_pygame.records import Context, Record, SessionRef
from ga_pygame.testing import ManualClock, ScriptedTransport

BASE = "https://api.pogr.io/v1/intake"
HTML = b"\n<!DOCTYPE html><html>Welcome to the hotel</html>"
DELIVERED, RETRY = Verdict(Outcome.DELIVERED), Verdict(Outcome.RETRY)


def answer(payload: Any = None, status: int = 200, **headers: str) -> Reply:
    return Reply(status, headers, json.dumps({"success": True, "payload": payload}).encode() + b"\n")


def refusal(status: int, error: str = "no") -> Reply:
    return Reply(status, {}, json.dumps({"success": False, "error": error}).encode())


class Service:
    """A working POGR: it counts sessions, knows which are open, and can be told to answer otherwise."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.open: set[str] = set()
        self.inits = 0
        self.script: Callable[[str], Reply | None] = lambda _command: None

    def __call__(self, request: Request) -> Reply:
        command = request.url.removeprefix(BASE + "/")
        body = json.loads(request.body)
        session = request.headers.get("INTAKE_SESSION_ID", "")
        self.calls.append((command, session, body))
        scripted = self.script(command)
        if scripted is not None:
            return scripted
        if command == "init":
            self.inits += 1
            self.open.add(f"i{self.inits}")
            return answer({"session_id": f"i{self.inits}"})
        if session not in self.open:
            return refusal(401, "this session is not known: call init first")
        if command == "end":
            self.open.discard(session)
        return answer({})

    @property
    def commands(self) -> list[tuple[str, str]]:
        return [(command, session) for command, session, _ in self.calls]


class Rig:
    """A writer's state, an outbox, an uploader and a working POGR."""

    def __init__(self, kept: Mapping[str, str] | None = None) -> None:
        self.clock = ManualClock()
        self.outbox = MemoryOutbox(["pogr"])
        self.service = Service()
        self.pogr = POGR("client", "build")
        self.kept: dict[str, str | None] = dict(kept or {})
        self.warnings: dict[str, str] = {}
        self.dropped: list[tuple[str, str]] = []
        self.encoder, self.state = Encoder(self.clock), WriterState()
        self.context = Context(user_id="player", build="1.2", dimensions=("ninja", None, None))
        self.session = SessionRef("s1", self.clock.monotonic())
        self.diagnostics = Diagnostics()
        host = Host(
            self.clock,
            dict(kept or {}),
            self.kept.__setitem__,
            lambda _: None,
            self.warnings.__setitem__,
        )
        self.uploader = Uploader(
            Foreign(self.pogr, ScriptedTransport([self.service]), host, self.diagnostics),
            self.outbox,
            situation=lambda: Situation(self.session.id, 1, "player", "1.2"),
            diagnostics=self.diagnostics,
            listener=self,
            timing=Timing(20.0, lambda: 1.0),
        )

    def delivered(self, destination: str, count: int) -> None:
        pass

    def rejected(self, destination: str, record: StoredRecord, errors: str) -> None:
        self.dropped.append((record.category, errors))

    def connection_lost(self, destination: str, error: str) -> None:
        pass

    def connection_restored(self, destination: str) -> None:
        pass

    def report(self, *events: Event, fields: Mapping[str, Any] | None = None) -> None:
        now = self.clock.monotonic()

        def work(transaction: Transaction) -> WriterState:
            slice_writer = SliceWriter(self.state, transaction, self.encoder, lambda at: at - self.session.started)
            for event in events:
                slice_writer.take(Record(event, self.session, self.context, now, fields))
            slice_writer.finish(now, None)
            return slice_writer.state

        self.state = self.outbox.transact(work)

    def send(self, *, patience: int = 400) -> None:
        """Step until no record waits, at most a fixed number of times."""
        self.uploader.urge()
        for _ in range(patience):
            delay = self.uploader.step(self.clock.monotonic())
            if delay == 20.0 or delay is None:
                return
            self.clock.advance(delay)

    def lie_in_outbox(self) -> int:
        return len(self.outbox)


@pytest.fixture
def rig() -> Rig:
    return Rig()


# --- what each event becomes --------------------------------------------------------------------------------


def words(event: str, sub_event: str, event_key: str, event_flag: str) -> dict[str, str]:
    given = {"event": event, "sub_event": sub_event, "event_key": event_key, "event_flag": event_flag}
    return {**given, "event_type": "user-event"}


MAPPED: list[tuple[Event, dict[str, str], dict[str, Any]]] = [
    (Progression(Status.START, ("w",)), words("progression", "start", "w", "started"), {}),
    (
        Progression(Status.FAIL, ("w", "l"), 7),
        words("progression", "fail", "w:l", "failed"),
        {"attempt_num": 1, "score": 7},
    ),
    (
        Progression(Status.COMPLETE, ("w", "l", "p")),
        words("progression", "complete", "w:l:p", "completed"),
        {"attempt_num": 1},
    ),
    (
        Resource(Flow.SOURCE, "gold", 5, "pickup", "coin"),
        words("resource", "gold", "pickup:coin", "source"),
        {"amount": 5},
    ),
    (
        Resource(Flow.SINK, "gold", 2.5, "shop", "hat"),
        words("resource", "gold", "shop:hat", "sink"),
        {"amount": -2.5},
    ),
    (
        Business("USD", 499, "pack", "gold_500", "shop"),
        words("business", "pack", "gold_500", "USD"),
        {"amount_cents": 499, "cart_type": "shop", "transaction_num": 1},
    ),
    (Design("a"), words("a", "", "a", "triggered"), {}),
    (Design("a:b", 0), words("a", "b", "a:b", "triggered"), {"value": 0}),
    (Design("a:b:c", -1.5), words("a", "b", "a:b:c", "triggered"), {"value": -1.5}),
    (Design("a:b:c:d"), words("a", "b", "a:b:c:d", "triggered"), {}),
    (Design("a:b:c:d:e", 3), words("a", "b", "a:b:c:d:e", "triggered"), {"value": 3}),
]


@pytest.mark.parametrize(("event", "expected", "data"), MAPPED, ids=lambda one: getattr(one, "event_id", None))
def test_every_event_has_its_words(rig: Rig, event: Event, expected: dict[str, str], data: dict[str, Any]) -> None:
    """Each row of the mapping: category, detail, id and outcome where POGR's pages look for them."""
    rig.report(User(), event)
    rig.send()
    command, _, body = rig.service.calls[-1]
    assert command == "event"
    assert {name: body[name] for name in expected} == expected
    assert len(body["event_data"].pop("event_uuid")) == 36
    assert body["event_data"] == data
    assert body.keys() == {*expected, "event_data", "tags"}


def test_a_session_begins_with_init_and_its_facts(rig: Rig) -> None:
    """The player's random id goes with init, what is known about the launch is the first row."""
    rig.report(User())
    rig.send()
    (init, _, who), (data, session, body) = rig.service.calls
    assert (init, who) == ("init", {"association_id": "player"})
    assert (data, session) == ("data", "i1")
    facts = body["data"]
    assert facts["session_num"] == 1
    assert (facts["build"], facts["custom_01"]) == ("1.2", "ninja")
    assert {"platform", "os_version"} <= facts.keys()
    assert "user_id" not in facts


def test_an_error_is_a_log() -> None:
    """With severity, message, service and environment, and the fields of the call as its data."""
    rig = Rig()
    rig.pogr = POGR("client", "build", environment="prod", service="server")
    rig.uploader._service.destination = rig.pogr
    rig.report(User())
    rig.report(Error(Severity.WARNING, "no\nsave"), fields={"slot": 3})
    rig.send()
    command, _, body = rig.service.calls[-1]
    assert command == "logs"
    named = ("service", "environment", "severity", "type", "log")
    assert [body[name] for name in named] == ["server", "prod", "warning", "user-event", "no\nsave"]
    assert body["data"]["fields"] == {"slot": 3}


def test_custom_fields_go_along(rig: Rig) -> None:
    """As `fields` in the event's data."""
    rig.report(User())
    rig.report(Design("a"), fields={"seed": 7})
    rig.send()
    assert rig.service.calls[-1][2]["event_data"]["fields"] == {"seed": 7}


def test_an_attempts_duration_goes_along(rig: Rig) -> None:
    """Seconds of focus since the attempt's own Start, as in its custom fields; none if that was never seen."""
    rig.report(User(), Progression(Status.START, ("forest",)))
    rig.clock.advance(12.34)
    rig.report(Progression(Status.COMPLETE, ("forest",)), Progression(Status.FAIL, ("forest",)))
    rig.send()
    data = [body["event_data"] for _, _, body in rig.service.calls[2:]]
    assert [one.get("duration_s") for one in data] == [None, 12.3, None]
    assert [one.get("fields") for one in data] == [None, {"seconds": 12.3}, None]


@pytest.mark.parametrize("reason", ["quit", "pause", "crash", "closed"])
def test_a_session_ends_with_its_reason_and_length(rig: Rig, reason: str) -> None:
    """The end is an event, with why and how long, and POGR's session is ended right after it."""
    rig.report(User())
    rig.report(SessionEnd(61, reason))
    rig.send()
    assert rig.service.commands == [("init", ""), ("data", "i1"), ("event", "i1"), ("end", "i1")]
    body = rig.service.calls[2][2]
    assert {**words("session", "end", "session_end", reason), "event_data": body["event_data"]}.items() <= body.items()
    assert body["event_data"].items() >= {"length_s": 61}.items()
    assert rig.service.open == set()
    assert rig.kept == {pogr_session("s1"): None}


# --- time ---------------------------------------------------------------------------------------------------


def stored(**changes: Any) -> StoredRecord:
    payload = b'"category":"design","event_id":"a","event_uuid":"u"}'
    return StoredRecord(1, "s1", "design", 1_700_000_000.5, None, payload)._replace(**changes)


@pytest.mark.parametrize(
    ("own", "shared", "date", "expected"),
    [
        (None, None, "", 1_700_000_000.5),
        (None, None, "nonsense", 1_700_000_000.5),
        (None, None, "Tue, 14 Nov 2023 22:14:20 GMT", 1_700_000_060.5),  # the server is a minute ahead
        (None, -3600.0, "Tue, 14 Nov 2023 22:14:20 GMT", 1_699_996_400.5),
        (30.0, -3600.0, "Tue, 14 Nov 2023 22:14:20 GMT", 1_700_000_030.5),
        (0.0, -3600.0, "", 1_700_000_000.5),
    ],
)
def test_an_event_says_when_it_happened_by_the_servers_time(
    rig: Rig, own: float | None, shared: float | None, date: str, expected: float
) -> None:
    """However late it is sent and however wrong the player's clock is: the record's own offset, or what is known."""
    rig.service.script = lambda command: answer({"session_id": "i1"}, date=date) if command == "init" else answer({})
    rig.report(User())
    rig.send()
    rig.clock.server_offset = shared
    rig.clock.advance(86400)
    tags = json.loads(rig.pogr.encode([stored(clock_offset=own)]).body)["tags"]
    assert tags == {"override_timestamp": iso(expected)}
    assert iso(1_700_000_000.5) == "2023-11-14T22:13:20.500Z"


@pytest.mark.parametrize("at", [-1e12, 0.0, 1e13, 1e300])
def test_a_clock_beyond_reason_gives_no_time(rig: Rig, at: float) -> None:
    """POGR's own time is better than a year that there is not."""
    assert json.loads(rig.pogr.encode([stored(client_ts=at)]).body)["tags"] == {}


# --- verdicts -----------------------------------------------------------------------------------------------

SILENT, UNSENT = Reply(None, error="timeout", maybe_handled=True), Reply(None, error="refused")


@pytest.mark.parametrize(
    "reply",
    [answer({}), answer({"event_id": "1"}), answer(None), answer({}, 201), Reply(200, {}, b'{"success": true}')],
)
def test_a_success_is_a_success(rig: Rig, reply: Reply) -> None:
    """Any success of the 200s, whatever the payload."""
    assert rig.pogr.judge(reply, [stored()]) == [DELIVERED]


@pytest.mark.parametrize(
    "reply",
    [
        UNSENT,
        refusal(429),
        refusal(503),
        Reply(503, {}, HTML),
        Reply(302, {"location": "https://hotel.example"}),
        Reply(200, {}, HTML),
        Reply(403, {}, HTML),
        Reply(404, {}, HTML),
        Reply(307, {}, HTML),
    ],
)
def test_what_never_reached_pogr_is_tried_again(rig: Rig, reply: Reply) -> None:
    """No connection, too many, or a hotel's page in between: as often as it takes, nothing is lost."""
    assert [rig.pogr.judge(reply, [stored()]) for _ in range(50)] == [[RETRY]] * 50


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (SILENT, "timeout"),
        (refusal(500, "broken"), "broken"),
        (Reply(502, {}, HTML), "HTTP 502"),
        (Reply(504), "HTTP 504"),
        (Reply(408), "HTTP 408"),
        (Reply(200), "HTTP 200"),
        (Reply(200, {}, b'{"success": tr'), "HTTP 200"),
        (Reply(200, {}, b"[]"), "HTTP 200"),
        (Reply(200, {}, b'{"payload": {}}'), "HTTP 200"),
        (Reply(200, {}, b"[" * 100_000), "HTTP 200"),
    ],
)
def test_what_may_have_been_handled_is_tried_three_times(rig: Rig, reply: Reply, why: str) -> None:
    """POGR cannot tell doubles, so an event without a clear answer is given up and counted after a few tries."""
    for _ in range(2):  # and each event has its own tries
        found = [rig.pogr.judge(reply, [stored()])[0] for _ in range(MAX_UNSURE_TRIES)]
        assert found == [RETRY, RETRY, Verdict(Outcome.DROPPED, Drop.SERVER_ERROR, why)]


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (refusal(400, "tags: foo"), "tags: foo"),
        (refusal(422), "no"),
        (Reply(405), "HTTP 405"),
        (Reply(413), "HTTP 413"),
        (refusal(200, "no such build"), "no such build"),
        (Reply(200, {}, b'{"success": false}'), "HTTP 200"),
    ],
)
def test_what_pogr_refuses_is_dropped_with_its_words(rig: Rig, reply: Reply, why: str) -> None:
    """A refusal of the event itself is never sent again, and the developer reads why."""
    assert rig.pogr.judge(reply, [stored()]) == [Verdict(Outcome.DROPPED, Drop.REJECTED, why)]


def test_a_clear_answer_ends_the_count(rig: Rig) -> None:
    """Tries without an answer do not add up over events that were delivered."""
    for _ in range(MAX_UNSURE_TRIES * 2):
        assert rig.pogr.judge(SILENT, [stored()]) == [RETRY]
        assert rig.pogr.judge(answer({}), [stored()]) == [DELIVERED]


def test_a_service_that_stumbles_gets_each_event_in_order(rig: Rig) -> None:
    """One request for each event, none before the one ahead of it is done with."""
    failures = iter([Reply(500), SILENT, None, UNSENT, refusal(429), None])
    rig.service.script = lambda command: next(failures, None) if command == "event" else None
    rig.report(User(), Design("a"), Design("b"))
    rig.send()
    keys = [body["event_key"] for command, _, body in rig.service.calls if command == "event"]
    assert keys == ["a", "a", "a", "b", "b", "b"]
    assert rig.lie_in_outbox() == 0
    assert rig.dropped == []


# --- the session's life -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refused_session_begins_anew_once_and_names_the_former(rig: Rig, status: int) -> None:
    """Remaining events go to a new session, linked to the old one, and nothing is lost."""
    rig.report(User(), Design("a"))
    rig.send()
    rig.service.open.clear()
    rig.report(Design("b"))
    lost = iter([refusal(status, "unknown session")])
    rig.service.script = lambda command: next(lost, None) if command == "event" else None
    rig.send()
    assert rig.service.commands[3:] == [("event", "i1"), ("init", ""), ("event", "i2")]
    assert rig.service.calls[-1][2]["tags"]["pogr_game_session"] == "i1"
    assert "pogr_game_session" not in rig.service.calls[2][2]["tags"]
    assert json.loads(rig.kept[pogr_session("s1")] or "")["former"] == "i1"
    rig.report(SessionEnd(5, "quit"))
    rig.send()
    assert rig.service.commands[-2:] == [("event", "i2"), ("end", "i2")]


def test_refused_twice_waits_for_the_next_session(rig: Rig) -> None:
    """A POGR that refuses its own new session is left alone, told of once, and asked anew by the next session."""
    rig.report(User(), Design("a"))
    rig.service.script = lambda command: refusal(401) if command == "event" else None
    rig.send()
    calls = rig.service.commands
    assert calls == [("init", ""), ("data", "i1"), ("event", "i1"), ("init", ""), ("event", "i2")]
    rig.clock.advance(1000)
    rig.send()
    assert rig.service.commands == calls
    assert list(rig.warnings) == ["pogr:session"]
    assert rig.lie_in_outbox() == 1
    rig.service.script = lambda _command: None
    rig.session = SessionRef("s2", rig.clock.monotonic())
    rig.report(User())
    rig.send()
    assert rig.service.commands[5:] == [("init", ""), ("event", "i3"), ("init", ""), ("data", "i4")]
    assert rig.lie_in_outbox() == 0


def test_two_sessions_in_one_launch(rig: Rig) -> None:
    """Each has its own life: the first is over before the second begins."""
    rig.report(User())
    rig.report(SessionEnd(1, "pause"))
    rig.session = SessionRef("s2", rig.clock.monotonic())
    rig.report(User(), Design("a"))
    rig.send()
    assert rig.service.commands == [
        ("init", ""),
        ("data", "i1"),
        ("event", "i1"),
        ("end", "i1"),
        ("init", ""),
        ("data", "i2"),
        ("event", "i2"),
    ]


def test_a_crashed_launchs_session_ends_first(rig: Rig) -> None:
    """Its end goes out under the intake id of then, and only after that the new session begins."""
    rig.report(User(), Design("a"))
    rig.send()
    kept = {key: value for key, value in rig.kept.items() if value}
    later = Rig(kept)
    later.service.open, later.service.inits = {"i1"}, 1
    lost = b'"category":"session_end","length":9,"event_uuid":"u"'
    when = later.clock.wall(0.0)
    row = NewRecord("s1", "session_end", when, None, b'"user_id":"player"', lost, '{"reason": "lost"}')
    later.outbox.transact(lambda transaction: transaction.add([row]))
    later.session = SessionRef("s2", later.clock.monotonic())
    later.report(User())
    later.send()
    assert later.service.commands == [("event", "i1"), ("end", "i1"), ("init", ""), ("data", "i2")]
    assert later.service.calls[0][2]["event_flag"] == "lost"


def test_a_session_that_runs_in_another_copy_is_not_ended(rig: Rig) -> None:
    """A copy of the game leaves the sessions alone that others have begun, and keeps to its own."""
    rig.report(User())
    rig.send()
    other = Rig({key: value for key, value in rig.kept.items() if value})
    other.session = SessionRef("s2", 0.0)
    other.service.open, other.service.inits = {"i1"}, 1
    other.report(User())
    other.report(Design("a"))
    other.send()
    assert other.service.commands == [("init", ""), ("data", "i2"), ("event", "i2")]
    assert other.service.open == {"i1", "i2"}


@pytest.mark.parametrize("kept", ["", "null", "[]", '{"session_id": 1}', '{"wrong": "name"}', "{"])
def test_what_was_kept_may_be_spoiled(kept: str) -> None:
    """A damaged note about a session costs that note only."""
    rig = Rig({pogr_session("s0"): kept})
    rig.report(User())
    rig.send()
    assert rig.service.commands == [("init", ""), ("data", "i1")]


@pytest.mark.parametrize(
    ("reply", "tries"),
    [
        (refusal(400), 1),
        (refusal(401, "this session has ended"), 1),
        (Reply(405), 1),
        (Reply(500), MAX_UNSURE_TRIES),
        (SILENT, MAX_UNSURE_TRIES),
        (Reply(200), MAX_UNSURE_TRIES),
    ],
)
def test_an_end_that_fails_holds_up_nothing(rig: Rig, reply: Reply, tries: int) -> None:
    """The next session begins, whatever POGR says to the end of the last one."""
    rig.service.script = lambda command: reply if command == "end" else None
    rig.report(User())
    rig.report(SessionEnd(1, "pause"))
    rig.session = SessionRef("s2", rig.clock.monotonic())
    rig.report(User())
    rig.send()
    assert rig.service.commands[3:] == [("end", "i1")] * tries + [("init", ""), ("data", "i2")]
    assert rig.lie_in_outbox() == 0


def test_an_end_waits_for_a_connection(rig: Rig) -> None:
    """While nobody answers it is kept, over a launch too, and sent when somebody does."""
    rig.service.script = lambda command: UNSENT if command == "end" else None
    rig.report(User())
    rig.report(SessionEnd(1, "quit"))
    rig.send(patience=30)
    assert rig.service.commands.count(("end", "i1")) > MAX_UNSURE_TRIES
    later = Rig({key: value for key, value in rig.kept.items() if value})
    later.service.open = {"i1"}
    later.send()
    assert later.service.commands == [("end", "i1")]


def test_an_end_that_pogr_drops_still_ends_the_session(rig: Rig) -> None:
    """The session is over even if its last event was refused."""
    rig.service.script = lambda command: refusal(400) if command == "event" else None
    rig.report(User())
    rig.report(SessionEnd(1, "quit"))
    rig.send()
    assert rig.service.commands[-1] == ("end", "i1")
    assert rig.dropped == [("session_end", "no")]


@pytest.mark.parametrize("reply", [refusal(400), refusal(401), refusal(200), Reply(403)])
def test_a_game_that_pogr_does_not_know_is_refused(rig: Rig, reply: Reply) -> None:
    """Wrong ids: said once with the fix, everything kept, not asked again in this session."""
    rig.service.script = lambda _command: reply
    rig.report(User(), Design("a"))
    rig.send()
    rig.clock.advance(1000)
    rig.send()
    assert rig.service.commands == [("init", "")]
    assert "client_id and build_id" in rig.warnings["pogr:init"]
    assert rig.lie_in_outbox() == 2


@pytest.mark.parametrize(
    "reply", [UNSENT, SILENT, Reply(200), Reply(500), refusal(429), Reply(403, {}, HTML), answer({}), answer(None)]
)
def test_an_init_without_a_clear_answer_is_asked_again(rig: Rig, reply: Reply) -> None:
    """Nothing goes out without a session, and nothing is lost until there is one."""
    replies = iter([reply] * 5)
    rig.service.script = lambda command: next(replies, None) if command == "init" else None
    rig.report(User())
    rig.send()
    assert rig.service.commands == [("init", "")] * 6 + [("data", "i1")]


def test_requests_say_who_they_are_and_reprs_say_no_ids(rig: Rig) -> None:
    """Client and build on init, the session on the rest, JSON everywhere; a log of the object has no id."""
    rig.report(User())
    rig.send()
    init, data = rig.uploader._service._transport.sent  # type: ignore[attr-defined]  # it is scripted
    assert (init.headers["POGR_CLIENT"], init.headers["POGR_BUILD"]) == ("client", "build")
    assert data.headers["INTAKE_SESSION_ID"] == "i1"
    assert {one.headers["Content-Type"] for one in (init, data)} == {"application/json"}
    assert repr(rig.pogr) == f"<POGR at {BASE}>"


def test_redirect_to_a_collector() -> None:
    """A collector speaks POGR's language below its usual path."""
    pogr = POGR("client", "build")
    pogr.redirect("http://127.0.0.1:8420/")
    assert pogr.encode([stored()]).url == "http://127.0.0.1:8420/v1/intake/event"
