"""Trophy: the sums of a mapping, each counted once, a verdict for every answer, and rewards as signals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ga_pygame import device
from ga_pygame.delivery.encoder import Encoder
from ga_pygame.delivery.foreign import Foreign
from ga_pygame.delivery.outbox.contract import Outbox, Transaction, sum_record
from ga_pygame.delivery.outbox.memory import MemoryOutbox
from ga_pygame.delivery.outbox.open_session import OpenSession
from ga_pygame.delivery.outbox.sqlite import SqliteOutbox
from ga_pygame.delivery.recovery import end_lost
from ga_pygame.delivery.slice_writer import SliceWriter, WriterState
from ga_pygame.delivery.uploader import Timing, Uploader
from ga_pygame.destinations import Trophy
from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.events import (
    Business,
    Design,
    Error,
    Flow,
    Progression,
    Resource,
    SessionEnd,
    Severity,
    Status,
    User,
    WalletChange,
)
from ga_pygame.kinds import Event
from ga_pygame.protocol import Host, Outcome, Reply, Request, Situation, StoredRecord, Verdict
from ga_pygame.records import Context, Record, SessionRef
from ga_pygame.sdk_events import Ad, Impression
from ga_pygame.signals import Mailbox
from ga_pygame.testing import ManualClock, ScriptedTransport

KEY = "app_12345.secret"
HTML = b"<!DOCTYPE html><html>Welcome to the hotel</html>"
INTERVAL = 30.0


def answer(status: int = 201, **content: Any) -> Reply:
    return Reply(status, {}, json.dumps({"eventId": "e", "metricId": "m", "total": 1, **content}).encode())


def refusal(status: int, error: str = "no", **headers: str) -> Reply:
    return Reply(status, headers, json.dumps({"error": error}).encode())


OK = answer()
UNSENT, SILENT = Reply(None, error="refused"), Reply(None, error="timeout", maybe_handled=True)


class Rig:
    """A writer's state, an outbox with sums, an uploader, and the signals that the game receives."""

    def __init__(self, metrics: Mapping[str, Any], *answers: Any, outbox: Outbox | None = None, **options: Any) -> None:
        self.clock = ManualClock()
        self.outbox = outbox or MemoryOutbox([], ["trophy"])
        self.trophy = Trophy(KEY, metrics=metrics, **options)
        self.transport = ScriptedTransport(answers or [OK])
        self.mailbox = Mailbox(lambda _cause, _message: None)
        self.heard: list[tuple[Any, ...]] = []
        for name in ("achievement_completed", "streak_extended", "points_changed", "level_changed", "rank_changed"):
            signal = getattr(self.trophy, name)
            signal.connect(lambda *values, name=name: self.heard.append((name, *values)))
        self.warnings: dict[str, str] = {}
        self.told: list[tuple[str, Any]] = []
        self.diagnostics = Diagnostics()
        self.encoder, self.state = Encoder(self.clock, {"trophy": self.trophy.amounts}), WriterState()
        self.session = SessionRef("s1", self.clock.monotonic())
        self.user_id = "player"
        host = Host(self.clock, {}, lambda *_: None, lambda _: None, self.warnings.__setitem__, self.mailbox.post)
        self.uploader = Uploader(
            Foreign(self.trophy, self.transport, host, self.diagnostics),
            self.outbox,
            situation=lambda: Situation(self.session.id, 1, "player", None),
            diagnostics=self.diagnostics,
            listener=self,
            timing=Timing(20.0, lambda: 1.0),
        )

    def delivered(self, destination: str, count: int) -> None:
        self.told.append(("delivered", count))

    def rejected(self, destination: str, record: StoredRecord, errors: str) -> None:
        self.told.append(("rejected", errors))

    def connection_lost(self, destination: str, error: str) -> None:
        self.told.append(("lost", error))

    def connection_restored(self, destination: str) -> None:
        self.told.append(("restored", None))

    def report(self, *events: Event) -> None:
        now = self.clock.monotonic()
        context = Context(user_id=self.user_id)

        def work(transaction: Transaction) -> WriterState:
            slice_writer = SliceWriter(self.state, transaction, self.encoder)
            for event in events:
                slice_writer.take(Record(event, self.session, context, now, None))
            slice_writer.finish(now, None)
            return slice_writer.state

        self.state = self.outbox.transact(work)

    def add(self, amount: float, slot: str = "m") -> None:
        text = json.dumps([slot, self.user_id])
        self.outbox.transact(lambda transaction: transaction.add_to_sum("trophy", text, amount))

    def run(self) -> float | None:
        """Step until the uploader sleeps for longer than the pace; return the seconds to the end of that sleep."""
        self.uploader.urge()
        began = self.clock.monotonic()
        for _ in range(100):
            delay = self.uploader.step(self.clock.monotonic())
            if delay is None:
                return None
            if delay > 0.3:
                return round(self.clock.monotonic() + delay - began, 6)
            self.clock.advance(delay)
        raise AssertionError("it never sleeps")

    def hear(self) -> list[tuple[Any, ...]]:
        assert self.heard == []  # nothing before the game's own frame
        self.mailbox.deliver()
        return self.heard

    @property
    def sent(self) -> list[tuple[str, float]]:
        """Return metric and value of each request."""
        return [(request.url.split("/")[-2], json.loads(request.body)["value"]) for request in self.transport.sent]

    @property
    def keys(self) -> list[str]:
        return [request.headers["Idempotency-Key"] for request in self.transport.sent]


# --- what counts --------------------------------------------------------------------------------------------

KILL = Design("kill:slime:green", 3)
COMPLETE = Progression(Status.COMPLETE, ("forest", "level_1"), 900)
SINK = Resource(Flow.SINK, "gold", 12.5, "shop", "hat")
SOURCE = Resource(Flow.SOURCE, "gold", 5, "pickup", "coin")
BUSINESS = Business("USD", 499, "pack", "gold_500")
AD = Ad("show", "rewarded_video", "admob", "shop:door", duration_ms=5000)


@pytest.mark.parametrize(
    ("selector", "spec", "event", "value"),
    [
        ("user", "m", User(), 1),
        ("session_end", "m", SessionEnd(61, "quit"), 1),
        ("session_end", ("m", "length"), SessionEnd(61, "quit"), 61),
        ("session_end", ("m", "length"), SessionEnd(0, "quit"), None),
        ("business", "m", BUSINESS, 1),
        ("business:pack", ("m", "amount"), BUSINESS, 499),
        ("business:pack:gold_500", "m", BUSINESS, 1),
        ("business:hat", "m", BUSINESS, None),
        ("resource.sink", ("m", "amount"), SINK, 12.5),
        ("resource.sink:gold", ("m", "amount"), SINK, 12.5),
        ("resource.sink:gold:shop:hat", "m", SINK, 1),
        ("resource.sink:gems", "m", SINK, None),
        ("resource.source:gold", ("m", "amount"), SINK, None),
        ("resource.source:gold:pickup", ("m", "amount"), SOURCE, 5),
        ("progression.complete", "m", COMPLETE, 1),
        ("progression.complete:forest", ("m", "score"), COMPLETE, 900),
        ("progression.complete:forest:level_1", ("m", 2.5), COMPLETE, 2.5),
        ("progression.complete:forest:level_2", "m", COMPLETE, None),
        ("progression.complete:for", "m", COMPLETE, None),
        ("progression.fail", "m", COMPLETE, None),
        ("progression.start", "m", Progression(Status.START, ("forest",)), 1),
        ("progression.fail", ("m", "attempt_num"), Progression(Status.FAIL, ("forest",)), 1),
        ("progression.fail", ("m", "score"), Progression(Status.FAIL, ("forest",)), None),
        ("design", "m", KILL, 1),
        ("design:kill", ("m", "value"), KILL, 3),
        ("design:kill:slime:green", ("m", -2), KILL, -2),
        ("design:kill", ("m", "value"), Design("kill:slime", -4), -4),
        ("design:kill", ("m", "value"), Design("kill:slime"), None),
        ("design:kil", "m", KILL, None),
        ("design:slime", "m", KILL, None),
        ("design:kill:slime:green:dark", "m", KILL, None),
        ("error", "m", Error(Severity.WARNING, "x"), 1),
        ("error:warning", "m", Error(Severity.WARNING, "x"), 1),
        ("error:critical", "m", Error(Severity.WARNING, "x"), None),
        ("error:warning:x", "m", Error(Severity.WARNING, "x: y"), 1),
        ("ads.show", "m", AD, 1),
        ("ads.show:rewarded_video", "m", AD, 1),
        ("ads.show:rewarded_video:shop", "m", AD, 1),
        ("ads.show:rewarded_video:shop:door", ("m", 2), AD, 2),
        ("ads.show:video", "m", AD, None),
        ("ads.clicked:rewarded_video", "m", AD, None),
        ("impression:max", "m", Impression("max", {"revenue": 0.1}), 1),
        ("impression:admob", "m", Impression("max", {"revenue": 0.1}), None),
        ("design", ("m", 0), KILL, None),
    ],
)
def test_a_selector_counts_what_it_names(selector: str, spec: Any, event: Event, value: float | None) -> None:
    """Category with status or flow, then whole leading parts; one, a number, or a field of the event."""
    rig = Rig({selector: spec})
    rig.report(*([] if isinstance(event, User) else [User()]), event)
    rig.run()
    assert rig.sent == ([("m", value)] if value is not None else [])


@pytest.mark.parametrize(
    ("selector", "spec", "words"),
    [
        ("", "m", "must begin with one of"),
        ("kill", "m", "must begin with one of"),
        ("Design", "m", "must begin with one of"),
        ("design.kill", "m", "must begin with one of"),
        ("progression", "m", "say which: progression.start, progression.fail, progression.complete"),
        ("progression:forest", "m", "say which"),
        ("progression.won", "m", "say which"),
        ("progression.Complete", "m", "say which"),
        ("resource", "m", "say which: resource.source, resource.sink"),
        ("resource.buy:gold", "m", "say which"),
        ("design:", "m", "no event has an id that begins so"),
        ("design:kill::green", "m", "no event has an id that begins so"),
        ("user:x", "m", "no event has an id that begins so"),
        ("session_end:quit", "m", "no event has an id that begins so"),
        ("design", ("m", "amount"), "no number 'amount'"),
        ("resource.sink", ("m", "value"), "no number 'value'"),
        ("user", ("m", "length"), "no number 'length'"),
        ("error", ("m", "message"), "no number 'message'"),
        ("design", ("m", float("nan")), "cannot be added up"),
        ("design", ("m", float("inf")), "cannot be added up"),
        ("design", "", "must name a metric"),
    ],
)
def test_a_mapping_that_means_nothing_is_refused(selector: str, spec: Any, words: str) -> None:
    """At once, with the selector and what is right, instead of a metric that stays at nought."""
    with pytest.raises(ValueError, match=words) as raised:
        Trophy(KEY, metrics={selector: spec})
    assert repr(selector) in str(raised.value)


@pytest.mark.parametrize("key", ["", "12345678.secret", "app_12345", "app_", "admin_12345.secret"])
def test_only_an_application_key_is_taken(key: str) -> None:
    """An admin key in a game would give every player the whole account; it is not repeated in the message."""
    with pytest.raises(ValueError, match="api_key: must be an application key") as raised:
        Trophy(key, metrics={})
    assert not key or key not in str(raised.value).replace("app_….…", "")


def test_what_is_not_mapped_never_touches_trophy() -> None:
    """No request, no sum, no user: a player counts at Trophy only by what the developer chose."""
    rig = Rig({"design:kill": "kills"})
    rig.report(User(), COMPLETE, SINK, BUSINESS, Error(Severity.INFO, "x"), Design("jump"), SessionEnd(1, "quit"))
    assert rig.run() == INTERVAL
    assert rig.transport.sent == []


def test_one_event_may_count_for_several_metrics() -> None:
    """Each mapping counts by itself, and two that name the same metric add up."""
    rig = Rig({"design:kill": "kills", "design:kill:slime": ("kills", 10), "design": ("score", "value")})
    rig.report(User(), KILL)
    rig.run()
    assert sorted(rig.sent) == [("kills", 11), ("score", 3)]


def test_a_wallet_counts_when_it_is_sent() -> None:
    """Each coin once: what a wallet sums up counts with the event that it becomes."""
    rig = Rig({"resource.source:gold": ("gold", "amount")})
    rig.report(User(), *[WalletChange(SOURCE)] * 3)
    rig.run()
    assert rig.sent == []
    rig.clock.advance(60)
    rig.report(SessionEnd(60, "quit"))
    rig.run()
    assert rig.sent == [("gold", 15)]


def test_a_lost_sessions_events_count_once() -> None:
    """Wallet, failed attempt and end of a process that died count at the next launch, for its own player."""
    rig = Rig({"resource.source": ("gold", "amount"), "progression.fail": "fails", "session_end": ("time", "length")})
    shared = b'"user_id":"somebody","session_id":"s0"'
    wallet = {("Source", "gold", "pickup", "coin"): 7.0}
    session = OpenSession("s0", 1, 1.7e9, 1.7e9, None, 61.5, shared, "forest", wallet)
    rig.outbox.transact(lambda transaction: transaction.save_session(session))
    for _ in range(2):
        rig.outbox.transact(lambda transaction: end_lost(transaction, session, rig.encoder))
    rig.run()
    assert sorted(rig.sent) == [("fails", 1), ("gold", 7), ("time", 61)]
    assert {json.loads(request.body)["user"]["id"] for request in rig.transport.sent} == {"somebody"}


# --- the request --------------------------------------------------------------------------------------------


def test_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metric in the path, key and Idempotency-Key in the headers, id and time zone of the player, nothing else."""
    monkeypatch.setattr(device, "time_zone", lambda: "Europe/London")
    rig = Rig({"design": "a/b c"}, base_url="https://example.org/v1/")
    rig.report(User(), KILL)
    rig.run()
    (request,) = rig.transport.sent
    assert request.url == "https://example.org/v1/metrics/a%2Fb%20c/event"
    assert request.method == "POST"
    assert request.headers["X-API-KEY"] == KEY
    assert request.headers["Content-Type"] == "application/json"
    assert len(request.headers["Idempotency-Key"]) >= 32
    assert json.loads(request.body) == {"user": {"id": "player", "tz": "Europe/London"}, "value": 1}
    assert "secret" not in repr(rig.trophy) + repr(request)


def test_the_developer_may_tell_more_about_the_player() -> None:
    """Name, mail or another time zone; the id stays the one that the sum belongs to."""
    rig = Rig({"design": "m"}, user={"name": "Ann", "tz": "Asia/Tokyo", "id": "other"})
    rig.report(User(), KILL)
    rig.run()
    assert json.loads(rig.transport.sent[0].body)["user"] == {"name": "Ann", "tz": "Asia/Tokyo", "id": "player"}


@pytest.mark.parametrize(
    ("named", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (":Europe/Berlin", "Europe/Berlin"),
        ("posix/Europe/Berlin", "Europe/Berlin"),
        ("UTC", "UTC"),
        ("CET-1CEST", None),
        pytest.param("Nowhere/Land", None, marks=pytest.mark.posix("Python has no list of zones on Windows")),
        ("/usr/share/zoneinfo/UTC", None),
        ("../../etc/passwd", None),
    ],
)
def test_only_a_time_zone_that_there_is_is_told(monkeypatch: pytest.MonkeyPatch, named: str, zone: str | None) -> None:
    """Trophy refuses an event whose zone it does not know, and a player may set what they like."""
    monkeypatch.setenv("TZ", named)
    assert device.time_zone.__wrapped__() == zone


@pytest.mark.parametrize(
    ("amounts", "value"),
    [
        ([3, 4], "7"),
        ([1.5, 1.5], "3"),
        ([0.1, 0.2], "0.3"),
        ([5, -7], "-2"),
        ([2**40, 1], "1099511627777"),
        ([0.5], "0.5"),
        ([3, -3], None),
        ([0.1, 0.2, -0.3], None),
        ([0], None),
    ],
)
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_values_are_summed_while_unsent(tmp_path: Path, kind: str, amounts: list[float], value: str | None) -> None:
    """One request for all; whole numbers stay whole; a sum of nought is no request."""
    outbox = SqliteOutbox(tmp_path / "outbox.sqlite3", [], ["trophy"]) if kind == "sqlite" else None
    rig = Rig({}, outbox=outbox)
    for amount in amounts:
        rig.add(amount)
    rig.run()
    assert [request.body.decode().partition('"value": ')[2] for request in rig.transport.sent] == (
        [] if value is None else [value + "}"]
    )
    rig.outbox.close()


def test_each_player_has_sums_of_their_own() -> None:
    """The sums of one player are not given to the next player of the machine."""
    rig = Rig({"design": "m"})
    rig.report(User(), KILL, KILL)
    rig.user_id = "guest"
    rig.report(KILL)
    rig.run()
    found = {json.loads(one.body)["user"]["id"]: json.loads(one.body)["value"] for one in rig.transport.sent}
    assert found == {"player": 2, "guest": 1}


# --- verdicts -----------------------------------------------------------------------------------------------

FROZEN = sum_record('["m", "player"]', 3.0, "k")


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (answer(200), Verdict(Outcome.DELIVERED)),
        (answer(201), Verdict(Outcome.DELIVERED)),
        (answer(202, idempotentReplayed=True), Verdict(Outcome.DELIVERED)),
        (refusal(400, "bad"), Verdict(Outcome.DROPPED, Drop.REJECTED, "bad")),
        (refusal(404, "no metric"), Verdict(Outcome.DROPPED, Drop.REJECTED, "no metric")),
        (refusal(422, "tz"), Verdict(Outcome.DROPPED, Drop.REJECTED, "tz")),
        (refusal(405), Verdict(Outcome.DROPPED, Drop.REJECTED, "no")),
        (refusal(413), Verdict(Outcome.DROPPED, Drop.REJECTED, "no")),
        (Reply(422, {}, b"{}"), Verdict(Outcome.DROPPED, Drop.REJECTED, "HTTP 422")),
        (refusal(401), Verdict(Outcome.REFUSED)),
        (refusal(403), Verdict(Outcome.REFUSED)),
        *((refusal(status), Verdict(Outcome.RETRY)) for status in (408, 409, 425, 429, 500, 502, 503, 504)),
        (UNSENT, Verdict(Outcome.RETRY)),
        (SILENT, Verdict(Outcome.RETRY)),
        *((Reply(status, {}, HTML), Verdict(Outcome.RETRY)) for status in (200, 201, 302, 400, 401, 403, 404, 503)),
        *((Reply(status), Verdict(Outcome.RETRY)) for status in (200, 201, 307, 404)),
        (Reply(201, {}, b'{"eventId": '), Verdict(Outcome.RETRY)),
        (Reply(201, {}, b"[]"), Verdict(Outcome.RETRY)),
    ],
)
def test_a_verdict_for_every_answer(reply: Reply, verdict: Verdict) -> None:
    """Counted, refused for good, refused keys, or unclear, which is always safe to try again."""
    trophy = Trophy(KEY, metrics={})
    assert trophy.judge(reply, [FROZEN]) == [verdict]


def test_refused_keys_keep_the_sums_and_are_said_once() -> None:
    """Nothing more is asked in this session; the next one sends the same sum under the same key."""
    rig = Rig({}, refusal(401), OK)
    rig.add(3)
    rig.run()
    rig.clock.advance(100)
    rig.run()
    assert len(rig.transport.sent) == 1
    assert "application key" in rig.warnings["trophy:key"]
    rig.add(4)
    rig.session = SessionRef("s2", 0.0)
    rig.clock.advance(100)
    rig.run()
    rig.clock.advance(100)
    rig.run()
    assert rig.sent == [("m", 3), ("m", 3), ("m", 4)]
    assert rig.keys[0] == rig.keys[1] != rig.keys[2]


def test_a_metric_that_is_refused_does_not_stop_the_others() -> None:
    """A key that the dashboard does not have is told with Trophy's words and forgotten."""

    def service(request: Request) -> Reply:
        return refusal(404, "no such metric") if "/bad/" in request.url else OK

    rig = Rig({}, service)
    for slot in ("bad", "good"):
        rig.add(1, slot)
    rig.run()
    assert sorted(rig.told) == [("delivered", 1), ("rejected", "no such metric")]
    assert rig.diagnostics.stats(0).dropped == {"rejected": 1}
    rig.run()
    assert len(rig.transport.sent) == 2


# --- once, whatever happens ---------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [UNSENT, SILENT, refusal(500), refusal(429), Reply(200), Reply(502, {}, HTML)])
def test_a_retry_is_the_same_request(failure: Reply) -> None:
    """Same key, same value; what happens meanwhile opens a new sum under a new key."""
    rig = Rig({}, failure, failure, OK)
    rig.add(3)
    assert rig.run() == 1.0
    rig.add(4)
    rig.clock.advance(1.0)
    assert rig.run() == 2.0
    rig.add(5)
    rig.clock.advance(2.0)
    rig.run()
    assert rig.sent == [("m", 3)] * 3
    rig.clock.advance(INTERVAL)
    rig.run()
    assert rig.sent[3:] == [("m", 9)]
    assert len({*rig.keys[:3]}) == 1
    assert rig.keys[3] != rig.keys[0]


def test_a_crash_after_sending_counts_once(tmp_path: Path) -> None:
    """The key is on the disk before the request: the next launch sends it again, and Trophy sees that."""
    path = tmp_path / "outbox.sqlite3"
    first = Rig({}, outbox=SqliteOutbox(path, [], ["trophy"]))
    first.add(3)

    def dies(_request: Request) -> Reply:
        raise KeyboardInterrupt  # after the request left, before its answer

    first.transport = first.uploader._service._transport = ScriptedTransport([dies])
    with pytest.raises(KeyboardInterrupt):
        first.run()
    first.add(4)
    first.outbox.close()
    second = Rig({}, answer(202, idempotentReplayed=True), OK, outbox=SqliteOutbox(path, [], ["trophy"]))
    second.add(5)
    second.run()
    assert dict(zip(second.keys, second.sent, strict=True))[first.keys[0]] == ("m", 3)
    assert sorted(second.sent) == [("m", 3), ("m", 9)]
    second.outbox.close()


def test_a_disk_that_is_full_sends_nothing_twice(tmp_path: Path) -> None:
    """A sum that was accepted but could not be removed is not sent again, and the others are sent."""
    outbox = SqliteOutbox(tmp_path / "outbox.sqlite3", [], ["trophy"])
    rig = Rig({}, outbox=outbox)
    for slot in ("a", "b"):
        rig.add(1, slot)
    batch = outbox.lease("trophy", 1, 10**6)
    assert batch is not None
    outbox._readers["trophy"].execute("PRAGMA query_only = ON")
    with pytest.raises(Exception, match="readonly"):
        outbox.settle(batch)
    outbox._readers["trophy"].execute("PRAGMA query_only = OFF")
    rig.run()
    assert len(rig.sent) == 1
    assert rig.keys[0] != json.loads(b"{" + batch.records[0].payload)["key"]
    later = SqliteOutbox(tmp_path / "outbox.sqlite3", [], ["trophy"])
    assert later.lease("trophy", 1, 10**6) is None
    later.close()
    outbox.close()


# --- pace ---------------------------------------------------------------------------------------------------


class Busy:
    """A game that reports while each request is under way."""

    def __init__(self, rig: Rig, *slots: str) -> None:
        self.rig, self.slots, self.at = rig, slots, list[float]()

    def __call__(self, _request: Request) -> Reply:
        self.at.append(self.rig.clock.monotonic())
        for slot in self.slots:
            self.rig.add(1, slot)
        return OK


def test_at_most_five_requests_a_second() -> None:
    """Trophy's limit is for all players together; a request waits 0.2 s for the one before."""
    rig = Rig({})
    busy = Busy(rig)
    rig.uploader._service._transport = ScriptedTransport([busy])
    for number in range(12):
        rig.add(1, f"m{number}")
    rig.run()
    gaps = [later - earlier for earlier, later in zip(busy.at, busy.at[1:], strict=False)]
    assert len(gaps) == 11
    assert min(gaps) >= 0.2 - 1e-9


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_metric_that_never_rests_is_sent_once_an_interval(tmp_path: Path, kind: str) -> None:
    """Amounts added while a request is under way wait for the next interval, and no metric starves."""
    outbox = SqliteOutbox(tmp_path / "outbox.sqlite3", [], ["trophy"]) if kind == "sqlite" else None
    rig = Rig({}, outbox=outbox)
    rig.transport = rig.uploader._service._transport = ScriptedTransport([Busy(rig, "a", "b")])
    for slot in ("a", "b", "c"):
        rig.add(1, slot)
    rig.run()
    assert sorted(rig.sent) == [("a", 1), ("b", 1), ("c", 1)]
    for _ in range(3):
        rig.clock.advance(INTERVAL)
        rig.run()
    assert len(rig.sent) == 3 + 3 * 2
    rig.outbox.close()


def test_a_flush_ends_while_the_game_goes_on() -> None:
    """It is answered when what was there is sent, though more comes in all the time."""
    rig = Rig({})
    rig.uploader._service._transport = ScriptedTransport([Busy(rig, "a")])
    rig.run()
    rig.add(1, "a")
    answers: list[str] = []
    rig.uploader.flush(lambda _name, error: answers.append(error))
    rig.run()
    assert answers == [""]


def test_finishing_sends_all_sums() -> None:
    """At the end of the game nothing waits for an interval."""
    rig = Rig({})
    rig.run()
    rig.add(1, "a")
    rig.add(2, "b")
    rig.uploader.finish()
    assert rig.run() is None
    assert sorted(rig.sent) == [("a", 1), ("b", 2)]


@pytest.mark.parametrize(("asked", "seconds"), [(30.0, 30.0), (5.0, 5.0), (0.1, 5.0), (-1.0, 5.0), (600.0, 600.0)])
def test_the_interval_is_at_least_five_seconds(asked: float, seconds: float) -> None:
    """It is the destination's own, whatever the tracker's is, and never so short that sums make no sense."""
    assert Rig({}, interval=asked).run() == seconds


def test_retry_after_is_honoured() -> None:
    """A 429 says when; until then nothing is asked, and then the same sum."""
    rig = Rig({}, refusal(429, **{"retry-after": "17"}), OK)
    rig.add(1)
    assert rig.run() == 17.0
    rig.clock.advance(15.8)
    assert rig.run() == 1.0
    rig.clock.advance(1.0)
    rig.run()
    assert len(set(rig.keys)) == 1
    assert len(rig.keys) == 2


# --- signals ------------------------------------------------------------------------------------------------

ACHIEVEMENT = {"id": "1", "name": "Ten kills", "trigger": "metric"}
LEVEL = {"key": "gold", "name": "Gold"}
BOARD = {"rank": 2, "previousRank": 5}
REWARDS: list[tuple[dict[str, Any], list[tuple[Any, ...]]]] = [
    (
        {"achievements": [ACHIEVEMENT, {"id": "2"}]},
        [("achievement_completed", ACHIEVEMENT), ("achievement_completed", {"id": "2"})],
    ),
    ({"currentStreak": {"length": 3, "extended": True}}, [("streak_extended", {"length": 3, "extended": True})]),
    ({"currentStreak": {"length": 3, "extended": False}}, []),
    ({"currentStreak": {"length": 3}}, []),
    ({"points": {"xp": {"total": 30, "added": 10}}}, [("points_changed", "xp", 30, 10)]),
    ({"points": {"xp": {"total": 30, "added": -10}}}, [("points_changed", "xp", 30, -10)]),
    ({"points": {"xp": {"total": 30, "added": 0}}}, []),
    (
        {"points": {"xp": {"total": 30, "added": 5, "level": LEVEL}}},
        [("points_changed", "xp", 30, 5), ("level_changed", "xp", LEVEL)],
    ),
    ({"leaderboards": {"week": BOARD}}, [("rank_changed", "week", 2, 5)]),
    ({"leaderboards": {"week": {"rank": 7, "previousRank": None}}}, [("rank_changed", "week", 7, None)]),
    ({"leaderboards": {"week": {"rank": None, "previousRank": 7}}}, [("rank_changed", "week", None, 7)]),
    ({"leaderboards": {"week": {"rank": 2, "previousRank": 2}}}, []),
    ({"achievements": None, "currentStreak": None, "points": None, "leaderboards": None}, []),
    ({"achievements": {}, "currentStreak": [], "points": [1], "leaderboards": "x"}, []),
    ({"achievements": [1, None], "points": {"xp": 1}, "leaderboards": {"week": None}}, []),
    ({}, []),
]


@pytest.mark.parametrize(("content", "expected"), REWARDS)
def test_rewards_become_signals_once_on_the_game_thread(
    content: dict[str, Any], expected: list[tuple[Any, ...]]
) -> None:
    """In the next frame, each once, and what is missing or odd in an answer costs that signal only."""
    rig = Rig({}, answer(201, **content))
    rig.add(1)
    rig.run()
    assert rig.hear() == expected
    assert rig.told == [("delivered", 1)]
    rig.mailbox.deliver()
    assert rig.heard == expected


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize(("content", "expected"), REWARDS)
def test_a_replay_is_no_reward(status: int, content: dict[str, Any], expected: list[Any]) -> None:
    """The answer to a key that was seen before shows the state of now; the player has had the fanfare."""
    del expected
    rig = Rig({}, answer(status, idempotentReplayed=True, **content))
    rig.add(1)
    rig.run()
    assert rig.hear() == []
    rig = Rig({}, answer(202, **content))
    rig.add(1)
    rig.run()
    assert rig.hear() == []


def test_redirect_to_a_collector() -> None:
    """A collector speaks Trophy's language at the usual path."""
    trophy = Trophy(KEY, metrics={})
    trophy.redirect("http://127.0.0.1:8420/")
    assert trophy.encode([FROZEN]).url == "http://127.0.0.1:8420/v1/metrics/m/event"


@pytest.mark.parametrize("key", ["app_….…", "app_a.b\n", " app_a.b", "app_.", "app_a.", "admin.key", "", None, 5])
def test_a_key_that_is_none_is_refused(key: Any) -> None:
    """When the destination is made, and without showing it."""
    with pytest.raises(ValueError, match=r"^api_key: .*must be an application key") as raised:
        Trophy(key, metrics={"design": "x"})
    assert "app_a" not in str(raised.value)
