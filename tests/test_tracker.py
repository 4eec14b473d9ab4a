"""The tracker with a manual clock, frames instead of threads, and a scripted service."""

from __future__ import annotations

import ast
import asyncio
import gc
import gzip
import inspect
import json
import sys
import threading
from collections import UserDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pygame
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ga_pygame import ConsentState, InvalidEvent, Severity, Tracker
from ga_pygame.delivery.runner import FrameRunner, Runner
from ga_pygame.not_running import NotRunning
from ga_pygame.parts import Parts
from ga_pygame.protocol import Reply, Request
from ga_pygame.recording.inbox import MAX_SPILLED
from ga_pygame.running import Running
from ga_pygame.testing import ManualClock, ScriptedTransport, tracker_of
from tests.effort import examples

KEYS = {"game_key": "0123456789abcdef" * 2, "secret_key": "0123456789" * 4}


LONG_FRAMES: dict[str, Any] = {"hitch_ms": 10**7}
"""Knobs for a game whose clock jumps by seconds within a frame: no frame is a long one."""


class World:
    """One player's machine: a data folder, a clock and a service, for any number of launches."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.init = Reply(201, {}, json.dumps({"server_ts": 1_700_000_000, "configs": []}).encode())
        self.answer = Reply(200, {}, b"[]")
        self.requests: list[Request] = []
        self.transport = ScriptedTransport([self._answer])
        self.trackers: list[Tracker] = []

    def _answer(self, request: Request) -> Reply:
        self.requests.append(request)
        return self.init if "init" in request.url else self.answer

    def launch(self, **knobs: Any) -> Tracker:
        """Make a tracker that is not started."""
        parts = Parts(
            clock=lambda: self.clock,
            chance=lambda: 1.0,
            transport=lambda _timeout, _clock: self.transport,
            runner=FrameRunner,
        )
        tracker = tracker_of(parts, **{**KEYS, "data_dir": self.folder, "strict": True, **LONG_FRAMES, **knobs})
        self.trackers.append(tracker)
        return tracker

    def start(self, **knobs: Any) -> Tracker:
        tracker = self.launch(**knobs)
        tracker.start()
        return tracker

    def play(self, tracker: Tracker, seconds: float = 1.0) -> None:
        for _ in range(int(seconds * 20)):
            self.clock.advance(0.05, cpu=0.01)
            tracker.tick()

    @property
    def sent(self) -> list[dict[str, Any]]:
        """Return every event that the service acknowledged or refused, in order."""
        bodies = [gzip.decompress(one.body) for one in self.requests if one.url.endswith("/events")]
        return [event for body in bodies for event in json.loads(body)]

    @property
    def ids(self) -> list[str]:
        return [event.get("event_id", event["category"]) for event in self.sent]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    pygame.quit()
    made = World(tmp_path / "data")
    yield made
    for tracker in made.trackers:
        tracker.close()
    pygame.quit()


# --- life ---------------------------------------------------------------------------------------------------


@pytest.mark.requirement("002:user-first", "002:user-each-session", "002:session-end")
def test_a_launch_from_start_to_close(world: World) -> None:
    """`user` first and alone at once, the events in order, `session_end` with the length, nothing after it."""
    tracker = world.start()
    world.play(tracker, 1)
    assert world.ids == ["user"]
    tracker.design("kill:slime", 3)
    tracker.business("USD", 499, "pack", "gold_500", cart_type="shop")
    tracker.resource.source("gold", 5, "pickup", "coin")
    world.play(tracker, 30)
    tracker.close()
    assert world.ids == ["user", "kill:slime", "pack:gold_500", "Source:gold:pickup:coin", "session_end"]
    assert world.sent[-1]["length"] in (30, 31)
    assert {event["session_num"] for event in world.sent} == {1}
    stats = tracker.stats
    assert (stats.recorded, stats.stored, stats.waiting, stats.delivered) == (5, 5, 0, {"gameanalytics": 5})
    assert stats.dropped == {}


def test_events_before_start_are_the_sessions_first(world: World) -> None:
    """Events from before `start()` are not lost, and have the player's id."""
    tracker = world.launch(build="0.3.1")
    tracker.dimensions[1] = "ninja"
    tracker.design("early")
    assert tracker.session_id == tracker.user_id == ""
    tracker.start()
    assert tracker.session_id
    tracker.close()
    assert world.ids == ["user", "early", "session_end"]
    early = world.sent[1]
    assert early["user_id"] == tracker.user_id != ""
    assert early["session_id"] == tracker.session_id
    assert (early["build"], early["custom_01"]) == ("0.3.1", "ninja")


def test_start_and_close_count_once(world: World) -> None:
    """Later calls of anything do nothing and raise nothing; what they report is counted."""
    tracker = world.start()
    tracker.start()
    tracker.close()
    tracker.close()
    tracker.start()
    tracker.design("late")
    tracker.tick()
    assert world.ids == ["user", "session_end"]
    assert tracker.stats.dropped == {"not_running": 1}
    assert repr(tracker) == "<Tracker closed, session closed>"


def test_the_with_block(world: World) -> None:
    """It starts and closes; an exception in it is reported as a crash and goes on its way."""

    def game() -> None:
        with world.launch(capture_exceptions=False) as tracker:
            tracker.design("a")
            raise ZeroDivisionError("boom")

    with pytest.raises(ZeroDivisionError):
        game()
    assert world.ids == ["user", "a", "error", "session_end"]
    error = world.sent[2]
    assert error["severity"] == "critical"
    assert "ZeroDivisionError: boom" in error["message"]


@pytest.mark.parametrize("leave", [KeyboardInterrupt, SystemExit])
def test_leaving_by_ctrl_c_is_no_crash(world: World, leave: type[BaseException]) -> None:
    """A player who quits does not make an error."""
    with pytest.raises(leave), world.launch():
        raise leave
    assert world.ids == ["user", "session_end"]


def test_uncaught_exceptions_are_heard_only_where_wanted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`capture_exceptions` hooks in and out; a crash ends the session, with the open attempt failed."""
    before = sys.excepthook
    quiet = world.start(capture_exceptions=False)
    assert sys.excepthook is before
    quiet.close()
    monkeypatch.setattr(sys, "excepthook", lambda *_: None)
    tracker = world.start(capture_exceptions=True)
    ended: list[str] = []
    tracker.session_ended.connect(lambda _id, _length, reason: ended.append(reason))
    tracker.progression.start("forest")
    sys.excepthook(ValueError, ValueError("x"), None)
    tracker.close()
    assert world.ids[-5:] == ["user", "Start:forest", "error", "Fail:forest", "session_end"]
    assert ended == ["crash"]


def test_without_keys_nothing_is_recorded_and_that_is_said_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """No keys, no collector: no file, no request, one line that says what to do."""
    tracker = world.launch(game_key=None, secret_key=None)
    tracker.design("early")
    tracker.start()
    tracker.design("a")
    assert tracker.flush().wait(0) is not None
    tracker.close()
    assert not world.folder.exists()
    assert world.requests == []
    assert tracker.stats.dropped == {"not_running": 2}
    assert [record.getMessage()[:45] for record in caplog.records] == ["no keys and no collector: nothing is recorded"]


def test_enabled_off_turns_everything_off(world: World) -> None:
    """No file, no request, no hook, not a word."""
    tracker = world.start(enabled=False)
    tracker.design("a")
    world.play(tracker)
    tracker.close()
    assert not world.folder.exists()
    assert world.requests == []
    assert tracker.stats.dropped == {"not_running": 1}


def test_destinations_of_one_name_are_refused(world: World) -> None:
    """Two destinations of one name would share what waits for them: the developer hears it at construction."""
    from ga_pygame.destinations import GameAnalytics  # noqa: PLC0415 - not by `import ga_pygame`

    twins = [GameAnalytics(KEYS["game_key"], KEYS["secret_key"]) for _ in range(2)]
    with pytest.raises(ValueError, match="two have the name 'gameanalytics'"):
        world.launch(destinations=twins)


def test_a_start_that_fails_costs_the_game_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever fails in `start()`, the game plays on, what is lost is counted, and strict raises."""

    def no_threads(*_: object) -> Runner:
        raise ZeroDivisionError("no threads today")

    def tracker(*, strict: bool) -> Tracker:
        parts = Parts(transport=lambda _timeout, _clock: world.transport, runner=no_threads)
        return tracker_of(parts, **KEYS, data_dir=world.folder, strict=strict)

    one = tracker(strict=False)
    one.design("before")
    one.start()
    one.design("a")
    one.close()
    assert "Tracker.start" in caplog.text
    assert one.stats.dropped == {"invalid": 1, "internal": 2}  # the call of start(), and both events
    with pytest.raises(ZeroDivisionError):
        tracker(strict=True).start()


def test_a_child_process_does_not_close_its_parents_session(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a fork only the process that started the tracker ends its session."""
    tracker = world.start()
    with monkeypatch.context() as child:
        child.setattr(tracker, "_pid", -1)
        tracker.close()
        assert tracker.session_id
        assert "started" in repr(tracker)


def test_the_hook_is_a_knob(world: World) -> None:
    """`hook=False` leaves pygame alone; the game calls `process` and `tick`."""
    original = pygame.event.get
    tracker = world.start(hook=False)
    assert pygame.event.get is original
    tracker.process(pygame.event.Event(pygame.QUIT))
    world.play(tracker)
    tracker.close()
    hooked = world.start(hook=True)
    assert pygame.event.get is not original
    hooked.close()
    assert pygame.event.get is original


# --- wrong calls --------------------------------------------------------------------------------------------


def test_strict_raises_at_the_call(world: World) -> None:
    """In development a wrong event raises at its own line."""
    tracker = world.start()
    wrong: list[Callable[[], object]] = [
        lambda: tracker.design("a#b"),
        lambda: tracker.resource.source("gold_1", 1, "a", "b"),
        lambda: tracker.progression.start("a", "b", "c", "d"),
        lambda: tracker.business("usd", 1, "a", "b"),
        lambda: tracker.error("fatal", "x"),
        lambda: tracker.design("a", fields={"a b": 1}),
        lambda: tracker.wallet("gold").earn(-1, "a", "b"),
    ]
    for call in wrong:
        with pytest.raises(InvalidEvent):
            call()


def test_a_wrong_call_is_dropped_counted_signalled_and_said(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Outside strict mode, with the line of the game's call."""
    tracker = world.start(strict=False)
    heard: list[tuple[str, int]] = []
    tracker.event_dropped.connect(lambda reason, count, detail: heard.append((reason.value, count)))
    for _ in range(3):
        tracker.design("a#b")
    assert heard == []
    tracker.tick()
    assert heard == [("invalid", 3)]
    assert tracker.stats.dropped == {"invalid": 3}
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{__file__}:")


GARBAGE: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**400),
    st.floats(),
    st.text(max_size=70),
    st.binary(max_size=3),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.sampled_from(["USD", "gold", "a", "forest", Severity.ERROR, "warning", object(), ValueError("x"), int, ...]),
)
CALLS = [
    "design",
    "business",
    "error",
    "exception",
    "resource.source",
    "resource.sink",
    "progression.start",
    "progression.complete",
    "progression.fail",
    "wallet.earn",
    "wallet.spend",
]


@pytest.mark.e2e
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=examples(150),
    deadline=None,
)
@given(
    calls=st.lists(
        st.tuples(
            st.sampled_from(CALLS),
            st.lists(GARBAGE, max_size=6),
            st.dictionaries(st.sampled_from(["fields", "score", "value", "severity", "nonsense"]), GARBAGE, max_size=2),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_no_call_raises_and_each_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[str, list[Any], dict[str, Any]]]
) -> None:
    """Whatever a game passes in: nothing raises, and each call is recorded or dropped with a reason."""
    world = World(tmp_path_factory.mktemp("data"))
    tracker = world.start(strict=False)
    areas = {
        "": tracker,
        "resource": tracker.resource,
        "progression": tracker.progression,
        "wallet": tracker.wallet("gold"),
    }
    made = 1  # the session's start
    for name, arguments, keywords in calls:
        area, _, method = name.rpartition(".")
        was_open = tracker.progression.current
        before = made_so_far(tracker)
        assert getattr(areas[area], method)(*arguments, **keywords) is None
        added_fail = name == "progression.start" and was_open is not None and tracker.progression.current != was_open
        made += 1
        after = made_so_far(tracker)
        assert after - before in ((1, 2) if name == "progression.start" and was_open else (1,)), (name, added_fail)
        made += after - before - 1
    assert made_so_far(tracker) == made
    world.play(tracker, 0.2)
    tracker.close()
    stats = tracker.stats
    assert stats.waiting == 0
    assert set(stats.dropped) <= {"invalid", "part", "error_limit"}
    assert all(event["category"] for event in world.sent)


def made_so_far(tracker: Tracker) -> int:
    dropped = tracker.stats.dropped
    return tracker.stats.recorded + sum(dropped.values()) - dropped.get("part", 0)


class Unhashable:
    """A key that cannot be hashed."""

    __hash__ = None  # type: ignore[assignment]


class Hostile(str):
    """A name that raises in a look-up."""

    __slots__ = ()

    def __hash__(self) -> int:
        raise ZeroDivisionError

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError


WRONG_DESIGNS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((), {"value": 3}),
    ((), {"fields": {"x": 1}}),
    ((None,), {}),
    ((None, 3), {}),
    ((5,), {}),
    ((b"known",), {}),
    ((["known"],), {}),
    (({"known": 1},), {}),
    ((Unhashable(),), {}),
    ((("known",),), {}),
    ((("Source", "gold", "pickup", "coin"), 5), {}),
    ((("progression", "Start", "forest"),), {}),
    ((("wallet", "Source", "gold", "pickup", "coin"), 5), {}),
    ((("business", "USD", "pack", "gold", None), 5), {}),
    (("known", 1, 2), {}),
    (("known", 1, None, 3), {}),
    (("known", 1, {"x": 1}), {}),
    (("known",), {"nonsense": 1}),
    (("known",), {"event_id": "known"}),
    (("known", 1), {"value": 2}),
    (("known",), {"self": 1}),
    (("known",), {"fields": 5}),
    (("known",), {"fields": [("x", 1)]}),
    (("known",), {"fields": {"a b": 1}}),
    (("known", "3"), {}),
    (("known", True), {}),
    (("known", float("nan")), {}),
    (("known", float("inf")), {}),
    (("known", 10**400), {}),
    (("known", []), {}),
    (("known",), {"value": Unhashable()}),
    (("",), {}),
    (("known\n",), {}),
]


@pytest.mark.parametrize(("arguments", "keywords"), WRONG_DESIGNS)
def test_a_wrong_call_of_design_is_counted_as_invalid(
    world: World, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    """Whether the event was recorded before or not; it raises in strict mode only, and records nothing.

    A wrong value or wrong fields cost only themselves: outside strict mode the event comes without them.
    """
    for strict in (False, True):
        tracker = world.start(strict=strict)
        tracker.design("known", 1)
        tracker.resource.source("gold", 1, "pickup", "coin")
        tracker.wallet("gold").earn(1, "pickup", "coin")
        tracker.business("USD", 1, "pack", "gold")
        tracker.progression.start("forest")
        tracker.progression.complete("forest")
        before = tracker.stats
        if strict:
            with pytest.raises((InvalidEvent, TypeError)):
                tracker.design(*arguments, **keywords)
            assert tracker.stats == before
        else:
            tracker.design(*arguments, **keywords)
            is_part = arguments[:1] == ("known",) and len(arguments) <= 2 and not set(keywords) - {"value", "fields"}
            is_part = is_part and not (len(arguments) == 2 and "value" in keywords)
            assert tracker.stats.dropped == ({"part": 1} if is_part else {"invalid": 1})
            assert tracker.stats.recorded == before.recorded + is_part
        tracker.close()


@pytest.mark.requirement("002:business-receipt-left-out")
def test_a_wrong_part_is_left_out_of_any_event(world: World) -> None:
    """The purchase, the flow and the error are what counts; each part is counted, and said with its line."""
    tracker = world.start(strict=False)
    bad: Any = {"ok": 1, "a b": 2, "none": None}
    tracker.business(
        "USD", 499, "pack", "gold", cart_type="x" * 33, receipt={"store": "steam", "receipt": "QQ=="}, fields=bad
    )
    tracker.design("value", [], fields=5)  # type: ignore[arg-type]  # wrong on purpose
    tracker.resource.source("gold", 5, "pickup", "coin", fields={str(number): 1 for number in range(60)})
    tracker.wallet("gold").spend(2, "boost", "x", fields=bad)
    tracker.exception(ValueError("x"), severity="fatal", fields=bad)
    tracker.close()
    assert tracker.stats.dropped == {"part": 9}
    _, business, design, resource, wallet, error, _ = world.sent
    assert not {"cart_type", "receipt_info"} & set(business)
    assert business["custom_fields"] == wallet["custom_fields"] == error["custom_fields"] == {"ok": 1}
    assert not {"value", "custom_fields"} & set(design)
    assert len(resource["custom_fields"]) == 50
    assert wallet["amount"] == -2
    assert error["severity"] == "error"


def test_a_mapping_that_raises_costs_itself(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Custom fields of a foreign class: the event comes without them, and it is no defect of ours."""

    class Bad(UserDict[str, int]):
        def items(self) -> Any:
            raise ZeroDivisionError

    tracker = world.start(strict=False)
    tracker.design("a", fields=Bad(a=1))
    tracker.close()
    assert world.ids == ["user", "a", "session_end"]
    assert tracker.stats.dropped == {"part": 1}
    assert "report" not in caplog.text


def test_a_name_that_raises_costs_one_counted_event(world: World) -> None:
    """An object of the game's own that fails inside our look-up is no exception in the game."""
    tracker = world.start(strict=False)
    tracker.design("known", 1)
    before = tracker.stats.recorded
    tracker.design(Hostile("known"), 1)
    tracker.design(Hostile("other"), 1)
    assert tracker.stats.recorded - before + sum(tracker.stats.dropped.values()) == 2


@pytest.mark.parametrize("keywords", [{"event_id": "a", "value": 2}, {"event_id": "a", "value": 2, "fields": None}])
def test_design_takes_keywords(world: World, keywords: dict[str, Any]) -> None:
    """All of them, first and later; `fields=None` is none."""
    tracker = world.start()
    for _ in range(3):
        tracker.design(**keywords)
        tracker.design("a", value=2)
        tracker.design("a", 2, fields=None)
    tracker.close()
    assert [event.get("value") for event in world.sent] == [None, *[2] * 9, None]


@pytest.mark.parametrize("amount", [None, 0, -1, float("nan"), True, "5", []])
@pytest.mark.parametrize("call", ["resource.source", "resource.sink", "wallet.earn", "wallet.spend", "business"])
def test_an_amount_that_is_none_is_refused_however_often_the_call_was_right(
    world: World, call: str, amount: Any
) -> None:
    """A repetition is checked for what differs: its number."""
    tracker = world.start(strict=False)
    area, _, method = call.rpartition(".")
    areas = {"": tracker, "resource": tracker.resource, "wallet": tracker.wallet("gold")}
    first = {"wallet": (), "resource": ("gold",), "": ("USD",)}[area]
    expected = 0 if call == "business" and amount == 0 and type(amount) is int else 1
    getattr(areas[area], method)(*first, 5, "a", "b")
    before = tracker.stats.recorded
    getattr(areas[area], method)(*first, amount, "a", "b")
    assert tracker.stats.dropped == ({"invalid": 1} if expected else {})
    assert tracker.stats.recorded == before + 1 - expected
    tracker.close()


def test_what_is_repeated_says_the_same_on_the_wire(world: World) -> None:
    """Each kind of event, reported the same way three times, is the same three times but for ids and counters."""
    tracker = world.start()
    for _ in range(3):
        tracker.design("kill:slime", 2.5)
        tracker.design("kill:slime")
        tracker.design("kill:slime", 3)
        tracker.resource.source("gold", 5, "pickup", "coin")
        tracker.resource.sink("gold", 2.5, "boost", "shield")
        tracker.business("USD", 499, "pack", "gold_500", cart_type="shop")
        tracker.progression.start("forest", "1")
        tracker.progression.complete("forest", "1", score=7)
        tracker.progression.fail("forest", "1")
    tracker.close()
    counted = {"event_uuid", "client_ts", "transaction_num", "attempt_num"}
    plain = [{name: value for name, value in event.items() if name not in counted} for event in world.sent[1:-1]]
    assert len(plain) == 27
    assert plain[:9] == plain[9:18] == plain[18:]
    assert [event.get("value") for event in plain[:3]] == [2.5, None, 3]
    assert [event.get("amount") for event in plain[3:6]] == [5, -2.5, 499]
    assert [event.get("score") for event in plain[6:9]] == [None, 7, None]
    assert [event["transaction_num"] for event in world.sent if event["category"] == "business"] == [1, 2, 3]
    numbers = [event.get("attempt_num") for event in world.sent if event["category"] == "progression"]
    assert numbers == [None, 1, 1, None, 2, 1, None, 2, 1]


@pytest.mark.parametrize("how", ["close", "deny", "disabled"])
def test_a_repetition_after_the_end_is_counted_and_not_recorded(world: World, how: str) -> None:
    """The quick way is shut together with the slow one."""
    tracker = world.start(enabled=how != "disabled")
    tracker.design("a", 1)
    tracker.design("a", 1)
    if how == "close":
        tracker.close()
    elif how == "deny":
        tracker.consent.deny()
    before = tracker.stats
    for _ in range(3):
        tracker.design("a", 1)
        tracker.resource.source("gold", 1, "a", "b")
    assert tracker.stats.recorded == before.recorded
    assert sum(tracker.stats.dropped.values()) == sum(before.dropped.values()) + 6
    tracker.close()
    assert world.ids.count("a") <= 2


@pytest.mark.parametrize("value", [5, "", "x" * 257, object()])
def test_other_setters_do_not_raise_either(world: World, value: Any) -> None:
    """Dimensions, fields, the second user id and `process` take garbage without a word to the game."""
    tracker = world.start(strict=False)
    tracker.external_user_id = value
    tracker.dimensions[value] = value
    tracker.dimensions[1] = value
    tracker.fields["a b"] = value
    tracker.fields[value] = 1
    tracker.process(value)
    assert tracker.remote_configs.get(value, 5) == 5
    assert tracker.external_user_id is None
    assert tracker.dimensions.values == (None, None, None)


def test_the_inbox_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A game that reports without end before consent fills its own memory no further than that."""
    monkeypatch.setattr("ga_pygame.recording.recorder.MAX_HELD", 5)
    tracker = world.start(consent="ask")
    for _ in range(10):
        tracker.design("a")
    kept = tracker.stats.waiting
    assert 1 <= kept <= 5
    assert tracker.stats.dropped == {"inbox_full": 11 - kept}
    assert MAX_SPILLED == 100_000


def test_event_and_global_fields_together_keep_the_limit(world: World) -> None:
    """Fifty custom fields an event, whoever set them: 30 and 30 would be refused by the server."""
    tracker = world.start(strict=False)
    for number in range(30):
        tracker.fields[f"global_{number}"] = number
    tracker.design("a", fields={f"own_{number}": number for number in range(30)})
    tracker.design("b", fields={f"own_{number}": number for number in range(20)})
    tracker.design("c", fields={f"global_{number}": -1 for number in range(30)})
    tracker.close()
    assert tracker.stats.dropped == {"part": 1}
    fields = {event["event_id"]: event["custom_fields"] for event in world.sent if event["category"] == "design"}
    assert {name: len(found) for name, found in fields.items()} == {"a": 50, "b": 50, "c": 30}
    assert set(fields["c"].values()) == {-1}


def test_fields_are_taken_as_they_were_at_the_call(world: World) -> None:
    """A dict that the game goes on changing does not change its event."""
    tracker = world.start()
    mine: dict[str, str | int | float] = {"seed": 1}
    tracker.design("a", fields=mine)
    mine["seed"] = 2
    tracker.close()
    assert world.sent[1]["custom_fields"] == {"seed": 1}


def test_declared_lists_are_knobs(world: World) -> None:
    """`currencies`, `item_types` and `dimension_values` are checked where they are given."""
    tracker = world.start(currencies=["gold"], item_types=["pickup"], dimension_values={1: ["ninja"]})
    tracker.resource.source("gold", 1, "pickup", "x")
    tracker.dimensions[1] = "ninja"
    wrong: list[Callable[[], None]] = [
        lambda: tracker.resource.source("gems", 1, "pickup", "x"),
        lambda: tracker.wallet("gold").spend(1, "boost", "x"),
        lambda: tracker.dimensions.__setitem__(1, "dwarf"),
    ]
    for call in wrong:
        with pytest.raises(InvalidEvent, match="declared"):
            call()


# --- errors -------------------------------------------------------------------------------------------------


@pytest.mark.requirement("002:error-limit", "002:error-types")
def test_at_most_ten_distinct_errors_a_launch(world: World) -> None:
    """Repeats are counted and not sent; messages are cut, severities may be words."""
    tracker = world.start()
    for number in range(15):
        tracker.error("warning", f"{number % 12}")
    for _ in range(3):
        tracker.exception(ValueError("x"))
    tracker.close()
    assert [event["message"] for event in world.sent if event["category"] == "error"] == [str(n) for n in range(10)]
    assert tracker.stats.dropped == {"error_limit": 8}


def test_after_the_limit_no_message_is_looked_at(world: World) -> None:
    """The limit is asked first: neither a text nor a traceback is made for an error that is not sent."""
    tracker = world.start()

    class Costly:
        def __str__(self) -> str:
            asked.append(self)
            return f"{len(asked)}"

    asked: list[object] = []
    for _ in range(20):
        tracker.error("error", Costly())  # type: ignore[arg-type]  # anything has a text
        tracker.exception(ValueError(Costly()))
    assert len(asked) <= 12
    assert tracker.stats.dropped == {"error_limit": 30}


@pytest.mark.parametrize("message", [None, 5, b"x", ["x"] * 10**5, "x\udcff", ValueError("x")])
def test_any_message_is_one(world: World, message: Any) -> None:
    """A value that is not a string is shown as one; a surrogate becomes a question mark."""
    tracker = world.start()
    tracker.error("error", message)
    tracker.close()
    assert len(world.sent[1]["message"]) <= 8192
    assert tracker.stats.dropped == {}


@pytest.mark.requirement("002:error-message")
def test_messages_are_cut(world: World) -> None:
    """At 8,192 characters."""
    tracker = world.start()
    tracker.error(Severity.DEBUG, "x" * 10_000)
    tracker.close()
    assert len(world.sent[1]["message"]) == 8192


def test_what_is_no_exception_is_the_games_mistake(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """`tracker.exception("text")` is a wrong call with its line, no defect of ours to be reported."""
    tracker = world.start(strict=False)
    tracker.exception("text")  # type: ignore[arg-type]
    assert tracker.stats.dropped == {"invalid": 1}
    assert caplog.records[0].getMessage().startswith(f"{__file__}:")


@pytest.mark.requirement("002:error-message")
def test_an_exceptions_traceback_is_sent(world: World) -> None:
    """With the place in the game's code."""
    tracker = world.start()
    try:
        raise KeyError("sword")
    except KeyError as error:
        tracker.exception(error, fields={"level": 3})
    tracker.close()
    assert "test_an_exceptions_traceback_is_sent" in world.sent[1]["message"]
    assert world.sent[1]["custom_fields"] == {"level": 3}
    assert world.sent[1]["severity"] == "error"


# --- sessions -----------------------------------------------------------------------------------------------


@pytest.mark.requirement("002:progression-exit-fails")
def test_leaving_with_an_open_attempt_fails_it_before_the_end(world: World) -> None:
    """By `close()`, by `pygame.quit()`; once."""
    tracker = world.start()
    tracker.progression.start("forest")
    pygame.quit()
    tracker.close()
    assert world.ids == ["user", "Start:forest", "Fail:forest", "session_end"]


@pytest.mark.requirement("002:session-end-pause")
def test_a_pause_longer_than_the_knob_ends_the_session(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`pause_timeout` seconds without focus: ended as of when focus was lost; back is a new session, with an init."""
    focused = [True]
    monkeypatch.setattr(pygame.key, "get_focused", lambda: focused[0])
    pygame.display.init()
    pygame.display.set_mode((8, 8))
    tracker = world.start(pause_timeout=5)
    first = tracker.session_id
    heard: list[tuple[object, ...]] = []
    tracker.session_started.connect(lambda one: heard.append(("start", one)))
    tracker.session_ended.connect(lambda one, length, reason: heard.append(("end", one, length, reason)))
    world.play(tracker, 10)
    focused[0] = False
    world.play(tracker, 3)
    focused[0] = True
    world.play(tracker, 10)
    focused[0] = False
    answer = {"server_ts": 1_700_000_000, "configs": [{"key": "gravity", "value": "9"}], "configs_hash": "h2"}
    world.init = Reply(201, {}, json.dumps(answer).encode())
    updates: list[float] = []
    tracker.remote_configs_updated.connect(lambda: updates.append(tracker.remote_configs.get("gravity", 80.0)))
    world.play(tracker, 60)
    assert updates == []
    focused[0] = True
    world.play(tracker, 3)
    assert updates == [9.0]
    tracker.close()
    assert [one[0] for one in heard] == ["start", "end", "start", "end"]
    assert heard[1][1] == first
    assert heard[1][2] in (19, 20, 21)
    assert heard[1][3] == "pause"
    assert heard[3][2] in (2, 3)
    ends = [event for event in world.sent if event["category"] == "session_end"]
    assert [event["session_num"] for event in ends] == [1, 2]
    assert abs(ends[0]["client_ts"] - (1_700_000_000 + 23)) <= 1


@pytest.mark.requirement(
    "002:user_id",
    "002:dimension-kept",
    "002:dimension-on-events",
    "002:dimension-next-launch",
    "002:dimension-cleared",
    "002:session_num-kept",
    "002:custom_01",
)
def test_dimensions_and_the_player_are_kept_across_launches(world: World) -> None:
    """The random id is made once; a dimension lives until it is cleared; sessions are counted on."""
    first = world.start()
    first.dimensions[1] = "ninja"
    first.dimensions[2] = "gone"
    first.dimensions[2] = None
    first.close()
    second = world.start()
    assert second.user_id == first.user_id
    assert second.dimensions.values == ("ninja", None, None)
    second.close()
    assert [(e["category"], e["session_num"], e.get("custom_01")) for e in world.sent[2:]] == [
        ("user", 2, "ninja"),
        ("session_end", 2, "ninja"),
    ]


def test_an_own_user_id_and_a_second_one(world: World) -> None:
    """`user_id` replaces the random id, `external_user_id` stands beside it from when it is set."""
    tracker = world.start(user_id="steam:7")
    tracker.external_user_id = "shop-9"
    tracker.design("a")
    tracker.external_user_id = None
    tracker.close()
    assert {event["user_id"] for event in world.sent} == {"steam:7"}
    assert [event.get("user_id_ext") for event in world.sent] == [None, "shop-9", None]


# --- delivery -----------------------------------------------------------------------------------------------


def test_flush_tells_when_everything_arrived(world: World) -> None:
    """The response is waited for, awaited or heard."""
    tracker = world.start()
    tracker.design("a")
    heard: list[str] = []
    response = tracker.flush()
    response.finished.connect(lambda result: heard.append(result.error))
    result = response.wait(1.0)
    assert result is not None
    assert not result.has_error()
    assert heard == [""]
    assert world.ids == ["user", "a"]

    async def game() -> str:
        tracker.design("b")
        return (await tracker.flush()).error

    assert asyncio.run(game()) == ""
    assert world.ids[-1] == "b"


def test_flush_tells_why_not(world: World) -> None:
    """With the reason, in words; and after the end."""
    world.init = Reply(None, error="no route")
    tracker = world.start()
    result = tracker.flush().wait(0.5)
    assert result is not None
    assert "no route" in result.error
    tracker.close()
    response = tracker.flush()
    tracker.tick()
    assert response.result is not None
    assert "not running" in response.result.error


def test_signals_tell_of_the_connection_and_of_batches(world: World) -> None:
    """Each on the game thread, in order."""
    world.init = Reply(None, error="no route")
    tracker = world.start(upload_interval=2)
    heard: list[tuple[object, ...]] = []
    tracker.connection_lost.connect(lambda name, error: heard.append(("lost", name, error)))
    tracker.connection_restored.connect(lambda name: heard.append(("restored", name)))
    tracker.batch_delivered.connect(lambda name, count: heard.append(("delivered", name, count)))
    world.play(tracker, 1)
    world.init = Reply(201, {}, b'{"server_ts": 1700000000}')
    world.play(tracker, 10)
    assert heard == [
        ("lost", "gameanalytics", "no route"),
        ("restored", "gameanalytics"),
        ("delivered", "gameanalytics", 1),
    ]


def test_a_rejected_event_is_signalled_with_its_reasons(world: World) -> None:
    """The event as it was sent, and what the server said."""
    tracker = world.start()
    world.play(tracker)
    heard: list[tuple[str, str]] = []
    tracker.event_rejected.connect(lambda _name, event, errors: heard.append((event["event_id"], errors)))

    def refuse(request: Request) -> Reply:
        (event,) = json.loads(gzip.decompress(request.body))
        errors = [{"error_type": "no_match", "path": "/event_id"}]
        return Reply(400, {}, json.dumps([{"event": event, "errors": errors}]).encode())

    world.transport._answers[0] = refuse
    tracker.design("a")
    tracker.flush().wait(0.5)
    tracker.tick()
    assert [(name, json.loads(errors)[0]["path"]) for name, errors in heard] == [("a", "/event_id")]
    assert tracker.stats.dropped == {"rejected": 1}
    world.transport._answers[0] = Reply(200, {}, b"[]")


@pytest.mark.requirement("002:cache", "002:offline")
def test_what_was_not_sent_is_sent_by_the_next_launch(world: World) -> None:
    """Once, with the first launch's session and ids."""
    world.init = Reply(None, error="no route")
    first = world.start()
    first.design("a")
    first.close()
    assert world.sent == []
    world.init = Reply(201, {}, b'{"server_ts": 1700000000}')
    second = world.start()
    world.play(second)
    second.close()
    assert world.ids == ["user", "a", "session_end", "user", "session_end"]
    assert [event["session_num"] for event in world.sent] == [1, 1, 1, 2, 2]
    assert {event["session_id"] for event in world.sent[:3]} == {first.session_id}


@pytest.mark.parametrize(
    ("knobs", "resubmits"),
    [
        ({}, False),
        ({"resubmit_on_server_error": True}, True),
        ({"collector": "http://127.0.0.1:1"}, True),
        ({"collector": "http://127.0.0.1:1", "resubmit_on_server_error": False}, False),
    ],
)
def test_resubmitting_after_a_server_error_is_a_knob(world: World, knobs: dict[str, Any], resubmits: bool) -> None:
    """Off for the service, on for our own collector, or as the developer says."""
    world.answer = Reply(500, {}, b"{}")
    tracker = world.start(**knobs)
    world.play(tracker)
    assert tracker.stats.dropped == ({} if resubmits else {"server_error": 1})


@pytest.mark.requirement("003:init-uses", "003:answer-200-keeps")
def test_remote_configs_come_with_init_and_are_kept(world: World) -> None:
    """The signal fires, events carry them, and a launch without a connection has the last ones at once."""
    configs = [{"key": "gravity", "value": "9.5"}]
    answer = {"server_ts": 1_700_000_000, "configs": configs, "configs_hash": "h", "ab_id": "t", "ab_variant_id": "v"}
    world.init = Reply(201, {}, json.dumps(answer).encode())
    tracker = world.start()
    updates: list[float] = []
    tracker.remote_configs_updated.connect(lambda: updates.append(tracker.remote_configs.get("gravity", 80.0)))
    assert tracker.remote_configs.get("gravity", 80.0) == 80.0
    assert not tracker.remote_configs.ready
    world.play(tracker)
    assert tracker.remote_configs.ready
    tracker.design("a")
    tracker.close()
    assert updates == [9.5]
    assert world.sent[1]["configurations"] == {"gravity": "9.5"}
    assert (world.sent[1]["ab_id"], world.sent[1]["ab_variant_id"]) == ("t", "v")
    world.init = Reply(None, error="no route")
    again = world.start()
    assert again.remote_configs.get("gravity", 80.0) == 9.5
    assert not again.remote_configs.ready


@pytest.mark.parametrize("is_built", [False, True])
def test_a_built_game_takes_no_configs_of_the_environment(
    world: World, monkeypatch: pytest.MonkeyPatch, is_built: bool
) -> None:
    """A developer tries values; players cannot set any."""
    monkeypatch.setenv("GA_PYGAME_CONFIG_gravity", "40")
    monkeypatch.setattr("ga_pygame.program.is_built", lambda: is_built)
    world.init = Reply(None, error="no route")
    tracker = world.start(strict=False)
    assert tracker.remote_configs.get("gravity", 80.0) == (80.0 if is_built else 40.0)
    tracker.design("a")
    tracker.close()
    world.init = Reply(201, {}, b'{"server_ts": 1700000000}')
    later = world.start(strict=False)
    world.play(later, 30)
    assert [event.get("configurations") for event in world.sent[:2]] == [None if is_built else {"gravity": "40"}] * 2


def test_a_service_gives_no_chosen_group(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Events name the group whose values are in force, and a line says that none can be chosen."""
    monkeypatch.setenv("GA_PYGAME_AB_VARIANT", "low")
    answer = {"server_ts": 1_700_000_000, "configs": [], "configs_hash": "h", "ab_id": "t", "ab_variant_id": "high"}
    world.init = Reply(201, {}, json.dumps(answer).encode())
    tracker = world.start()
    world.play(tracker)
    tracker.design("a")
    tracker.close()
    assert "low" not in world.requests[0].url
    assert (world.sent[-1]["ab_variant_id"], world.sent[-1].get("custom_fields")) == ("high", None)
    assert caplog.text.count("GA_PYGAME_AB_VARIANT is not used") == 1


@pytest.mark.requirement("002:trim")
def test_a_full_outbox_makes_room(world: World) -> None:
    """`max_outbox_bytes` bounds what waits; losses are counted, sessions are kept."""
    world.init = Reply(None, error="no route")
    tracker = world.start(max_outbox_bytes=5000)
    for number in range(100):
        tracker.design(f"e{number}")
    world.play(tracker)
    assert tracker.stats.dropped["outbox_full"] > 50
    world.init = Reply(201, {}, b'{"server_ts": 1700000000}')
    world.play(tracker, 30)
    assert world.ids[0] == "user"
    assert world.ids[-1] == "e99"


def test_calls_from_any_thread(world: World) -> None:
    """Events of four threads at once are all recorded."""
    tracker = world.start()

    def work() -> None:
        for _ in range(500):
            tracker.design("a")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tracker.close()
    assert tracker.stats.recorded == 2002
    assert world.ids.count("a") == 2000


# --- consent ------------------------------------------------------------------------------------------------


def test_nothing_is_written_or_sent_before_consent(world: World) -> None:
    """Not a file, not a request, not even init; then everything from the beginning."""
    tracker = world.start(consent="ask")
    assert tracker.consent.state is ConsentState.UNKNOWN
    tracker.design("a")
    world.play(tracker, 60)
    assert world.requests == []
    assert not world.folder.exists()
    tracker.consent.grant()
    world.play(tracker)
    assert world.ids == ["user", "a"]
    assert world.sent[0]["user_id"]


def test_consent_that_never_comes_leaves_nothing(world: World) -> None:
    """The events of the launch are counted as dropped."""
    tracker = world.start(consent="ask")
    tracker.design("a")
    tracker.close()
    assert not world.folder.exists()
    assert tracker.stats.dropped == {"no_consent": 3}


@pytest.mark.parametrize("required", [True, False])
def test_a_no_stops_everything_now_and_in_later_launches(world: World, required: bool) -> None:
    """Unsent events are deleted, nothing more is sent, not even init; a later grant begins anew."""
    world.init = Reply(None, error="no route")
    tracker = world.start(consent="ask" if required else "not_needed")
    if required:
        tracker.consent.grant()
    tracker.design("a")
    world.play(tracker)
    world.init = Reply(201, {}, b'{"server_ts": 1700000000}')
    asked = len(world.requests)
    tracker.consent.deny()
    tracker.design("b")
    world.play(tracker, 100)
    tracker.close()
    later = world.start(consent="ask" if required else "not_needed")
    assert later.consent.state is ConsentState.DENIED
    later.design("c")
    world.play(later, 100)
    assert len(world.requests) == asked
    assert later.stats.recorded == 0
    later.consent.grant()
    later.design("d")
    world.play(later)
    later.close()
    assert world.ids == ["user", "d", "session_end"]


def test_a_no_sends_nothing_of_what_waits(world: World) -> None:
    """Stopping the workers must not make them send the rest, as they do at the end of a game."""
    tracker = world.start()
    world.play(tracker)
    assert world.ids == ["user"]
    tracker.design("secret")
    world.clock.advance(0.01)
    tracker.consent.deny()
    tracker.close()
    assert world.ids == ["user"]


def test_a_player_may_change_their_mind(world: World) -> None:
    """No and yes in one launch: a session of its own, with its start and its end."""
    tracker = world.start(consent="ask")
    tracker.consent.deny()
    tracker.design("never")
    tracker.consent.grant()
    tracker.design("a")
    world.play(tracker)
    tracker.close()
    assert world.ids == ["user", "a", "session_end"]


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("yes", [True, False])
def test_a_word_before_start_counts(world: World, required: bool, yes: bool) -> None:
    """A game that asks in its launcher starts with the answer, and the next launch knows it."""
    tracker = world.launch(consent="ask" if required else "not_needed")
    (tracker.consent.grant if yes else tracker.consent.deny)()
    tracker.start()
    tracker.design("a")
    world.play(tracker)
    tracker.close()
    assert world.ids == (["user", "a", "session_end"] if yes else [])
    assert bool(world.requests) is yes
    again = world.start(consent="ask")
    assert again.consent.state is (ConsentState.GRANTED if yes else ConsentState.DENIED)


def test_a_yes_takes_back_a_no_before_start(world: World) -> None:
    """A launcher in which the player unticks a box and ticks it again: what is reported from then on counts."""
    tracker = world.launch(consent="ask")
    tracker.design("never")
    tracker.consent.deny()
    tracker.consent.grant()
    tracker.start()
    tracker.design("a")
    world.play(tracker)
    tracker.close()
    assert world.ids == ["user", "a", "session_end"]
    assert tracker.stats.dropped == {"no_consent": 1}


@pytest.mark.e2e
def test_a_tracker_leaves_no_cycle_of_warnings(world: World) -> None:
    """Nothing is left open after `close()`: no file, no thread, no warning when it is collected."""
    world.start().close()
    world.trackers.clear()
    gc.collect()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ga_pygame")]


# --- losses and silence are explained -----------------------------------------------------------------------


def test_what_waits_for_the_players_word_is_said(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """One line at the start; a flush tells the same, and after a no its own words."""
    tracker = world.start(consent="ask", strict=False)
    assert [record.getMessage()[:54] for record in caplog.records] == [
        'the player has not consented yet: with consent="ask" n'
    ]
    unasked = tracker.flush().wait(0)
    tracker.consent.deny()
    denied = tracker.flush().wait(0)
    tracker.design("a")
    tracker.design("b")
    assert unasked is not None
    assert denied is not None
    assert "tracker.consent.grant()" in unasked.error
    assert denied.error.startswith("the player has not consented: the answer was no")
    assert sum("(no_consent)" in record.getMessage() for record in caplog.records) == 1
    tracker.consent.grant()
    granted = tracker.flush().wait(0.5)
    assert granted is not None
    assert not granted.has_error()


def test_a_tracker_that_is_off_by_purpose_says_one_line(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """For information only, whatever is reported then."""
    caplog.set_level("INFO", "ga_pygame")
    tracker = world.start(enabled=False)
    for _ in range(3):
        tracker.design("a")
    tracker.close()
    tracker.design("late")
    assert tracker.stats.dropped == {"not_running": 4}
    (said,) = caplog.records
    assert (said.levelname, said.getMessage()[:18]) == ("INFO", "the tracker is off")


def test_errors_beyond_the_limit_are_said_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A repeat, or the eleventh."""
    tracker = world.start(strict=False)
    for number in range(13):
        tracker.error("error", f"number {number % 12}")
    (said,) = (record.getMessage() for record in caplog.records)
    assert "event dropped (error_limit): a launch sends ten different errors" in said
    assert tracker.stats.dropped == {"error_limit": 3}


def test_a_foreign_server_is_named(world: World) -> None:
    """Something else at the collector's address: the flush says which address it was, without path or key."""
    world.init = Reply(501, {}, b"Unsupported method")
    tracker = world.start(game_key=None, secret_key=None, collector="http://127.0.0.1:8420")
    result = tracker.flush().wait(0.5)
    assert result is not None
    assert result.error == "gameanalytics at http://127.0.0.1:8420 answered HTTP 501"


def test_what_stands_in_for_a_running_tracker_has_all_that_is_called() -> None:
    """A call of the tracker that only `Running` knew would fail in a game that has not started it, or is off."""
    tree = ast.parse(inspect.getsource(Tracker))
    called = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self._running"
    }
    called.remove("begin")  # called right after `Running` is made
    assert len(called) > 9
    assert [name for name in sorted(called) if not hasattr(NotRunning, name)] == []
    assert [name for name in sorted(called) if not hasattr(Running, name) and name != "delivery"] == []
