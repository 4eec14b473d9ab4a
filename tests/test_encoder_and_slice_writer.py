"""One transaction of records: numbers, attempts, wallets, the session's row, and the JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from ga_pygame import categories, rules
from ga_pygame.currencies import CURRENCIES
from ga_pygame.delivery.encoder import Encoder, encode
from ga_pygame.delivery.outbox.contract import Transaction
from ga_pygame.delivery.outbox.memory import MemoryOutbox
from ga_pygame.delivery.outbox.open_session import MAX_SESSION_SECONDS, MAX_WALLET_FLOWS, OpenSession
from ga_pygame.delivery.recovery import end_lost
from ga_pygame.delivery.slice_writer import WALLET_SECONDS, Heartbeat, SliceWriter, WriterState
from ga_pygame.events import (
    Business,
    Design,
    Error,
    Fields,
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
from ga_pygame.records import Context, Record, Repeated, SessionRef
from ga_pygame.testing import ManualClock

SESSION = SessionRef("de305d54-75b4-431b-adb2-eb6b9e546014", 1000.0)
OTHER = SessionRef("00000000-75b4-431b-adb2-eb6b9e546014", 2000.0)
CONTEXT = Context(user_id="player", build="1.0")


class Desk:
    """Books kept in a memory outbox, one transaction after another."""

    def __init__(self, outbox: MemoryOutbox | None = None) -> None:
        self.clock = ManualClock(1000.0, 1_700_000_000.0)
        self.outbox = MemoryOutbox(["test"]) if outbox is None else outbox
        self.encoder = Encoder(self.clock)
        self.state = WriterState()
        self.urgent = False
        self.lost = 0

    def write(
        self,
        *events: Event,
        session: SessionRef | None = SESSION,
        context: Context = CONTEXT,
        fields: Fields | None = None,
        heartbeat: Heartbeat | None = None,
        fails: bool = False,
    ) -> list[dict[str, Any]]:
        """Write one transaction; return the records that it added."""
        now = self.clock.monotonic()
        records = [Record(event, session, context, now, fields) for event in events]

        def work(transaction: Transaction) -> SliceWriter:
            slice_writer = SliceWriter(self.state, transaction, self.encoder)
            for record in records:
                slice_writer.take(record)
            slice_writer.finish(now, heartbeat)
            if fails:
                raise ZeroDivisionError
            return slice_writer

        slice_writer = self.outbox.transact(work)
        self.state = slice_writer.state
        self.urgent = slice_writer.urgent
        self.lost = slice_writer.lost
        return self.take()

    def take(self) -> list[dict[str, Any]]:
        """Return the new records in the outbox as a destination gets them."""
        found: list[dict[str, Any]] = []
        while batch := self.outbox.lease("test", 500, 10**7):
            found += [json.loads(record.json(None)) for record in batch.records]
            self.outbox.settle(batch)
        return found

    @property
    def row(self) -> OpenSession | None:
        return self.outbox.sessions.get(SESSION.id)


def ids(events: Sequence[dict[str, Any]]) -> list[str]:
    return [event.get("event_id", event["category"]) for event in events]


def attempts(events: Sequence[dict[str, Any]]) -> list[tuple[str, int | None]]:
    return [(event["event_id"], event.get("attempt_num")) for event in events]


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    made.write(User())
    return made


@pytest.mark.requirement("002:annotations", "002:sdk-version", "002:build")
def test_an_event_carries_the_default_annotations(desk: Desk) -> None:
    """Every required field, the session's number, the build, an own id; nothing that is unset."""
    (event,) = desk.write(Design("a", 2.5))
    assert list(categories.wire_errors(event)) == []
    assert event["category"] == "design"
    assert event["client_ts"] == 1_700_000_000
    assert event["session_id"] == SESSION.id
    assert event["session_num"] == 1
    assert event["user_id"] == "player"
    assert event["build"] == "1.0"
    assert event["v"] == 2
    assert event["sdk_version"] == "rest api v2"
    assert not {"custom_01", "custom_fields", "user_id_ext", "engine_version", "jailbroken"} & set(event)
    rules.uuid("event_uuid", event["event_uuid"])
    assert desk.write(Design("a"))[0]["event_uuid"] != event["event_uuid"]


def test_the_context_of_a_record_is_the_one_of_its_call(desk: Desk) -> None:
    """Dimensions, second id, A/B ids and global fields are as they were when it happened."""
    context = Context(
        "player",
        external_user_id="shop-7",
        dimensions=("ninja", None, "red"),
        fields={"seed": 1, "mode": "hard"},
        extra={"ab_id": "t1"},
    )
    first, second = desk.write(Design("a"), context=context, fields={"seed": 2, "own": "x"}), desk.write(Design("b"))
    assert first[0]["custom_fields"] == {"seed": 2, "mode": "hard", "own": "x"}
    assert (first[0]["custom_01"], first[0]["custom_03"]) == ("ninja", "red")
    assert "custom_02" not in first[0]
    assert first[0]["user_id_ext"] == "shop-7"
    assert first[0]["ab_id"] == "t1"
    assert "custom_fields" not in second[0]
    assert desk.write(Design("c"), context=context)[0]["custom_fields"] == {"seed": 1, "mode": "hard"}
    assert desk.write(Design("c"), fields={"own": 1})[0]["custom_fields"] == {"own": 1}


@pytest.mark.requirement("002:session_num", "002:session_num-kept")
def test_sessions_are_numbered_and_keep_their_number() -> None:
    """`session_num` counts the session being started, in the transaction of its `user` event; the first is 1."""
    desk = Desk()
    assert [event["session_num"] for event in desk.write(User(), Design("a"))] == [1, 1]
    assert desk.urgent
    assert desk.write(SessionEnd(5, "pause"))[0]["session_num"] == 1
    assert desk.urgent
    assert desk.write(User(), session=OTHER)[0]["session_num"] == 2
    assert desk.write(Design("late"))[0]["session_num"] == 1
    assert not desk.urgent


@pytest.mark.requirement("002:business-transaction_num", "002:business-transaction-kept")
def test_purchases_are_numbered(desk: Desk) -> None:
    """`transaction_num` is a lifetime counter that starts at 1."""
    found = desk.write(Business("USD", 1, "a", "b"), Business("USD", 1, "a", "b"))
    assert [event["transaction_num"] for event in found] == [1, 2]


def test_a_transaction_that_fails_moves_nothing(desk: Desk) -> None:
    """The same records, written again, get the same numbers: no gap and no repeat."""
    events = (User(), Business("USD", 1, "a", "b"), Progression(Status.FAIL, ("a",)))
    with pytest.raises(ZeroDivisionError):
        desk.write(*events, session=OTHER, fails=True)
    assert desk.take() == []
    user, business, fail = desk.write(*events, session=OTHER)
    assert user["session_num"] == 2
    assert business["transaction_num"] == 1
    assert fail["attempt_num"] == 1


@pytest.mark.requirement(
    "002:progression-attempts-counted",
    "002:progression-first-fail",
    "002:progression-complete-after",
    "002:progression-complete-resets",
    "002:progression-attempt_num",
)
def test_attempts_as_the_documentation_counts_them(desk: Desk) -> None:
    """Fail 1, Fail 2, Complete 3, then from 1 again; each level for itself; Start and score as they should be."""
    a, b = ("forest", "1"), ("forest",)
    found = desk.write(
        Progression(Status.START, a, 5),
        Progression(Status.FAIL, a, 10),
        Progression(Status.FAIL, b),
        Progression(Status.FAIL, a),
        Progression(Status.COMPLETE, a, 900),
        Progression(Status.COMPLETE, a),
        Progression(Status.FAIL, b),
    )
    assert attempts(found) == [
        ("Start:forest:1", None),
        ("Fail:forest:1", 1),
        ("Fail:forest", 1),
        ("Fail:forest:1", 2),
        ("Complete:forest:1", 3),
        ("Complete:forest:1", 1),
        ("Fail:forest", 2),
    ]
    assert [event.get("score") for event in found] == [None, 10, None, None, 900, None, None]


class AttemptWalk(RuleBasedStateMachine):
    """Any sequence of attempts, failed transactions and restarts: the number persists until Complete resets it."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.desk.write(User())
        self.fails: dict[str, int] = {}

    @rule(level=st.sampled_from("abc"), status=st.sampled_from(Status), breaks=st.booleans())
    def step(self, level: str, status: Status, breaks: bool) -> None:
        event = Progression(status, (level,))
        if breaks:
            with pytest.raises(ZeroDivisionError):
                self.desk.write(event, fails=True)
            return
        (found,) = self.desk.write(event)
        if status is Status.START:
            assert "attempt_num" not in found
            return
        assert found["attempt_num"] == self.fails.get(level, 0) + 1
        self.fails[level] = 0 if status is Status.COMPLETE else found["attempt_num"]

    @rule()
    def restart(self) -> None:
        """Start another launch on the same data folder."""
        self.desk = Desk(self.desk.outbox)
        self.desk.write(User())


TestAttemptWalk: Any = AttemptWalk.TestCase


# --- wallets ------------------------------------------------------------------------------------------------


def earn(amount: float, item: str = "coin") -> WalletChange:
    return WalletChange(Resource(Flow.SOURCE, "gold", amount, "pickup", item))


def spend(amount: float) -> WalletChange:
    return WalletChange(Resource(Flow.SINK, "gold", amount, "boost", "shield"))


@pytest.mark.requirement("002:resource-collected")
def test_a_wallet_is_summed_and_sent_after_10_s(desk: Desk) -> None:
    """One event for each flow instead of one for each coin."""
    assert desk.write(earn(1), earn(2), spend(4), earn(1, "gem")) == []
    desk.clock.advance(WALLET_SECONDS - 0.1)
    assert desk.write(earn(1)) == []
    desk.clock.advance(0.2)
    found = desk.write()
    assert sorted((event["event_id"], event["amount"]) for event in found) == [
        ("Sink:gold:boost:shield", -4),
        ("Source:gold:pickup:coin", 4),
        ("Source:gold:pickup:gem", 1),
    ]
    desk.clock.advance(60)
    assert desk.write() == []


@pytest.mark.parametrize(
    "end",
    [Progression(Status.COMPLETE, ("a",)), Progression(Status.FAIL, ("a",)), SessionEnd(3, "quit")],
)
def test_a_wallet_is_sent_before_an_attempt_or_session_ends(desk: Desk, end: Event) -> None:
    """The sums belong to the attempt in which they were earned, and are never behind the session's end."""
    desk.write(earn(1))
    found = desk.write(earn(2), end)
    assert [event["category"] for event in found] == ["resource", end.wire()["category"]]
    assert found[0]["amount"] == 3


def test_a_wallets_sums_are_on_disk_with_the_session(desk: Desk) -> None:
    """A crash loses no coin."""
    desk.write(earn(1), earn(2))
    assert desk.row is not None
    assert dict(desk.row.wallet) == {("Source", "gold", "pickup", "coin"): 3}


def test_a_flow_without_a_session_is_sent_at_once(desk: Desk) -> None:
    """The session ended by a pause while the game went on; there is no row to keep the sum in."""
    desk.write(SessionEnd(3, "pause"))
    assert [event["amount"] for event in desk.write(earn(2))] == [2]


@pytest.mark.parametrize("huge", [1e308, 10**308])
def test_a_sum_that_no_event_can_say_is_none(desk: Desk, huge: float) -> None:
    """What is in the wallet so far becomes events, and the sum begins anew: nothing of the session is lost."""
    found = desk.write(earn(5), earn(huge, "x"), earn(huge, "x"), Progression(Status.COMPLETE, ("a",)))
    assert ids(found) == [
        "Source:gold:pickup:coin",
        "Source:gold:pickup:x",
        "Source:gold:pickup:x",
        "Complete:a",
    ]
    assert [event["amount"] for event in found[:3]] == [5, huge, huge]


def test_a_wallet_has_no_more_flows_than_are_kept(desk: Desk) -> None:
    """After a kill all of it can be read."""
    most = MAX_WALLET_FLOWS
    found = desk.write(*(earn(1, f"coin {number}") for number in range(most + 10)))
    assert len(found) == most
    assert desk.row is not None
    assert len(desk.row.wallet) == 10


def test_a_flow_that_makes_no_sense_takes_nothing_along(desk: Desk) -> None:
    """It is counted; the other flows and the event at which the wallet is emptied come."""
    desk.write(earn(1))
    assert desk.state.session is not None
    wallet = {**desk.state.session.wallet, ("Source", "gold", "pickup", "x"): math.inf, ("?", "gold", "a", "b"): 1}
    desk.state = replace(desk.state, session=replace(desk.state.session, wallet=wallet))
    assert ids(desk.write(SessionEnd(3, "quit"))) == ["Source:gold:pickup:coin", "session_end"]
    assert desk.lost == 2


def test_a_page_that_fails_leaves_the_wallet_as_it_was(desk: Desk) -> None:
    """It runs again, and no coin counts twice."""
    desk.write(earn(1))
    with pytest.raises(ZeroDivisionError):
        desk.write(earn(2), earn(4), fails=True)
    desk.write(earn(2), earn(4))
    assert [event.get("amount") for event in desk.write(SessionEnd(1, "quit"))] == [7, None]


@given(st.lists(st.integers(1, 1000), max_size=20), st.integers(0, 20))
def test_no_coin_is_lost_or_doubled(amounts: list[int], cut: int) -> None:
    """However the coins fall into transactions, what is sent adds up to what was earned."""
    desk = Desk()
    desk.write(User())
    sent = []
    for position, amount in enumerate(amounts):
        sent += desk.write(earn(amount))
        if position == cut:
            desk.clock.advance(11)
    sent += desk.write(SessionEnd(1, "quit"))
    assert sum(event.get("amount", 0) for event in sent) == sum(amounts)


# --- the session's row --------------------------------------------------------------------------------------


@pytest.mark.requirement("002:session-end-row")
def test_the_row_has_what_ends_the_session(desk: Desk) -> None:
    """Number, start, length so far, the last event's annotations and the open attempt."""
    context = Context("player", dimensions=("ninja", None, None), fields={"seed": 1})
    desk.clock.advance(30)
    desk.write(Progression(Status.START, ("forest", "1")), context=context, heartbeat=Heartbeat(SESSION, 28.5, 1029.0))
    row = desk.row
    assert row is not None
    assert (row.session_num, row.session_start_ts, row.client_ts, row.length) == (1, 1.7e9, 1.7e9 + 29, 28.5)
    assert row.attempt == "forest:1"
    shared = json.loads(b"{" + row.annotations + b"}")
    assert shared["custom_01"] == "ninja"
    assert shared["custom_fields"] == {"seed": 1}
    assert shared["session_id"] == SESSION.id


@pytest.mark.requirement("002:session-end-row", "002:session-end-once")
def test_a_session_that_ended_has_no_row(desk: Desk) -> None:
    """And a second end of it is none."""
    assert ids(desk.write(SessionEnd(3, "quit"))) == ["session_end"]
    assert desk.row is None
    assert desk.write(SessionEnd(9, "quit")) == []


def test_a_heartbeat_of_another_session_is_not_its_own(desk: Desk) -> None:
    """The length of the session that begins is not written into the row of the one before."""
    desk.write(Design("a"), heartbeat=Heartbeat(OTHER, 99.0, 1099.0))
    assert desk.row is not None
    assert desk.row.length == 0.0


@pytest.mark.requirement("002:session-end-missing", "002:session-end-annotations")
def test_a_lost_session_is_ended_as_it_was(desk: Desk) -> None:
    """Its wallet, the Fail of its open attempt, its `session_end`: with the old session's ids, times and length."""
    desk.clock.server_offset = 5.0
    desk.write(Progression(Status.START, ("forest", "1")), earn(3))
    desk.write(Design("a"), heartbeat=Heartbeat(SESSION, 61.9, 1061.0))
    lost = desk.row
    assert lost is not None
    assert lost.session_id == SESSION.id
    desk.outbox.transact(lambda transaction: end_lost(transaction, lost, desk.encoder))
    found = desk.take()
    assert ids(found) == ["Source:gold:pickup:coin", "Fail:forest:1", "session_end"]
    resource, fail, end = found
    assert resource["amount"] == 3
    assert fail["attempt_num"] == 1
    assert end["length"] == 61
    assert {event["client_ts"] for event in found} == {1_700_000_000 + 61 + 5}
    assert {event["session_id"] for event in found} == {SESSION.id}
    assert all(list(categories.wire_errors(event)) == [] for event in found)
    assert len({event["event_uuid"] for event in found}) == 3
    desk.outbox.transact(lambda transaction: end_lost(transaction, lost, desk.encoder))
    assert desk.take() == []
    assert desk.outbox.transact(lambda transaction: transaction.attempts("forest:1")) == 1


# --- every event that can be made passes the server's rules -------------------------------------------------

PART = st.text(st.sampled_from("azAZ09 -_.()!?"), min_size=1, max_size=64)
NUMBER = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.integers(1, 2**60) | st.floats(1e-6, 1e12)
TEXT = st.text(max_size=32)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.just(User()),
    st.builds(Design, st.lists(PART, min_size=1, max_size=5).map(":".join), st.none() | NUMBER),
    st.builds(
        Business,
        st.sampled_from(CURRENCIES),
        st.integers(0, 2**60),
        PART,
        PART,
        st.none() | st.text(min_size=1, max_size=32),
    ),
    st.builds(
        Resource, st.sampled_from(Flow), st.text(st.sampled_from("aZ"), min_size=1, max_size=64), POSITIVE, PART, PART
    ),
    st.builds(
        Progression,
        st.sampled_from(Status),
        st.lists(PART, min_size=1, max_size=3).map(tuple),
        st.none() | st.integers(-(2**60), 2**60),
    ),
    st.builds(Error, st.sampled_from(Severity), st.text(max_size=200)),
    st.builds(SessionEnd, st.integers(0, 10**6), st.just("quit")),
)
FIELDS = st.none() | st.dictionaries(
    st.text(st.sampled_from("aZ0_"), min_size=1, max_size=64), st.text(min_size=1, max_size=256) | NUMBER, max_size=25
)
CONTEXTS = st.builds(
    Context,
    st.text(min_size=1, max_size=64),
    external_user_id=st.none() | st.text(min_size=1, max_size=64),
    build=st.none() | st.text(min_size=1, max_size=32),
    dimensions=st.tuples(*[st.none() | st.text(min_size=1, max_size=32)] * 3),
    fields=FIELDS,
    extra=st.just({"ab_id": "t", "configurations": {"a": "1"}}),
)


@given(EVENTS, CONTEXTS, FIELDS)
@pytest.mark.requirement("002:json", "002:id-characters")
def test_what_the_game_can_report_passes_the_servers_rules(
    event: Event, context: Context, fields: Fields | None
) -> None:
    """Whatever the event classes accept is valid JSON on the wire and breaks no rule of the table."""
    desk = Desk()
    begin = [] if isinstance(event, User) else [User()]
    found = desk.write(*begin, event, context=context, fields=fields)
    for one in found:
        assert list(categories.wire_errors(one)) == []
    assert found[-1]["category"] == event.wire()["category"]
    if not isinstance(event, Error):
        assert found[-1].items() >= event.wire().items()


@pytest.mark.requirement("002:utf-8")
def test_half_a_surrogate_pair_does_not_break_a_batch() -> None:
    """UTF-8 cannot say it; one odd player name must not cost the other events."""
    assert encode({"a": "x\ud83dy"}) == b'{"a":"x?y"}'
    with pytest.raises(ValueError, match="Out of range"):
        encode({"a": float("nan")})


def test_an_event_counts_in_its_own_transaction() -> None:
    """Amounts for summing destinations are committed with the event, once, even if a transaction runs again."""
    desk = Desk(MemoryOutbox(["test"], ["sums"]))
    asked: list[tuple[str, str]] = []

    def amounts(event: Mapping[str, Any], user_id: str) -> list[tuple[str, float]]:
        asked.append((event["category"], user_id))
        return [(event["event_id"], event["value"])] if event["category"] == "design" else []

    desk.encoder = Encoder(desk.clock, {"sums": amounts})
    desk.write(User(), Design("kill", 2))
    with pytest.raises(ZeroDivisionError):
        desk.write(Design("kill", 100), fails=True)
    desk.write(Design("kill", 3), Design("jump", 1))
    found = {}
    while (batch := desk.outbox.lease("sums", 1, 1)) is not None:
        one = json.loads(b"{" + batch.records[0].payload)
        found[one["slot"]] = one["value"]
        desk.outbox.settle(batch)
    assert found == {"kill": 5, "jump": 1}
    assert asked[:2] == [("user", "player"), ("design", "player")]


NUMBERS = st.none() | st.integers(-(2**53), 2**53) | st.floats(-(2**53), 2**53)
REPEATED: st.SearchStrategy[Event] = st.one_of(
    st.builds(Design, PART, NUMBERS),
    st.builds(
        Resource, st.sampled_from(Flow), st.just("gold"), st.integers(1, 2**53) | st.floats(1e-6, 2**53), PART, PART
    ),
    st.builds(Progression, st.sampled_from(Status), st.tuples(PART), st.none() | st.integers(-(2**53), 2**53)),
    st.builds(Business, st.just("USD"), st.integers(0, 2**53), PART, PART, st.none() | st.just("shop")),
    st.builds(earn, st.integers(1, 2**53) | st.floats(1e-6, 2**53)),
)


@given(REPEATED, CONTEXTS)
def test_a_row_becomes_the_json_that_its_record_becomes(event: Event, context: Context) -> None:
    """The short form through the inbox changes nothing on the wire but the event's id."""
    number = math.nan if event.number is None else float(event.number)
    row = Repeated(1, event.with_number(1), number, SESSION, context, 1000.0)
    assert row.record() == Record(event, SESSION, context, 1000.0)
    found = []
    for item in (Record(event, SESSION, context, 1000.0), row):
        desk = Desk()
        desk.write(User(), context=context)

        def work(transaction: Transaction, desk: Desk = desk, item: Record | Repeated = item) -> None:
            slice_writer = SliceWriter(desk.state, transaction, desk.encoder)
            slice_writer.take(item)
            slice_writer.take(Record(SessionEnd(1, "quit"), SESSION, context, 1000.0))
            slice_writer.finish(1000.0, None)

        desk.outbox.transact(work)
        (one, _end) = desk.take()
        one.pop("event_uuid")
        found.append(one)
        assert list(categories.wire_errors({**one, "event_uuid": SESSION.id})) == []
    assert found[0] == found[1]


def test_a_row_whose_session_is_not_known_is_a_defect_of_its_own(desk: Desk) -> None:
    """It does not become an event of another session."""
    row = Repeated(1, Design("a"), 1.0, None, CONTEXT, 1000.0)
    with pytest.raises(ValueError, match="without a session"):
        desk.outbox.transact(lambda transaction: SliceWriter(desk.state, transaction, desk.encoder).take(row))
    assert desk.take() == []


def test_a_session_whose_start_is_lost_is_begun(desk: Desk) -> None:
    """Whichever of its records comes first; a session without a number could not be sent."""
    found = desk.write(Design("a"), Design("b"), SessionEnd(3, "quit"), session=OTHER)
    assert ids(found) == ["user", "a", "b", "session_end"]
    assert {event["session_num"] for event in found} == {2}


def test_an_old_session_gets_no_second_number(desk: Desk) -> None:
    """Two numbers would make two sessions of it."""
    desk.write(User(), session=OTHER)
    desk.state = replace(desk.state, numbers={OTHER.id: 2})
    with pytest.raises(LookupError):
        desk.write(Design("a"))


def test_a_session_is_noted_no_longer_than_is_believed(desk: Desk) -> None:
    """A kiosk may run for months; a row that says so would be taken for damaged."""
    desk.write(Design("a"), heartbeat=Heartbeat(SESSION, 2 * MAX_SESSION_SECONDS, 1061.0))
    assert desk.row is not None
    assert desk.row.length == MAX_SESSION_SECONDS


def test_rows_count_for_summing_destinations() -> None:
    """What is added up is added up whichever way it came."""
    desk = Desk(MemoryOutbox(["test"], ["sums"]))
    desk.encoder = Encoder(desk.clock, {"sums": lambda event, _user: [("a", event.get("value", 0))]})
    desk.write(User())

    def work(transaction: Transaction) -> None:
        slice_writer = SliceWriter(desk.state, transaction, desk.encoder)
        for number in (1.0, 2.5, math.nan):
            slice_writer.take(Repeated(1, Design("a"), number, SESSION, CONTEXT, 1000.0))
        slice_writer.finish(1000.0, None)

    desk.outbox.transact(work)
    assert [event.get("value") for event in desk.take()] == [1, 2.5, None]
    batch = desk.outbox.lease("sums", 1, 1)
    assert batch is not None
    assert json.loads(b"{" + batch.records[0].payload)["value"] == 3.5


@pytest.mark.parametrize("shared", [0, 48, 49, 50])
def test_a_critical_error_says_what_came_before_as_far_as_there_is_room(shared: int) -> None:
    """Events of earlier transactions, too; a lesser error says only how it was noticed."""
    desk = Desk()
    context = Context(user_id="player", fields={f"f{number}": number for number in range(shared)})
    desk.write(User(), *(Design(f"kill:{'x' * 60}", number) for number in range(30)), context=context)
    told = desk.write(
        Error(Severity.ERROR, "a", rules.HANG), Error(Severity.CRITICAL, "b", rules.TASK), context=context
    )
    hang, crash = (event.get("custom_fields", {}) for event in told)
    assert len(crash) <= rules.MAX_CUSTOM_FIELDS
    assert hang.get(rules.CRASH_FIELD) == (rules.HANG if shared < 50 else None)
    assert not [name for name in hang if name.startswith(rules.CRUMBS_FIELD)]
    texts = [crash[name] for name in crash if name.startswith(rules.CRUMBS_FIELD)]
    assert len(texts) == {0: 7, 48: 1, 49: 0, 50: 0}[shared]
    crumbs = [crumb for text in texts for crumb in text.split(" | ")]
    assert crumbs[-1:] == (["0.0 s error error"] if texts else [])
    if not shared:
        assert crumbs[:-1] == [f"0.0 s design kill:{'x' * 60} {number}"[:80] for number in range(11, 30)]
