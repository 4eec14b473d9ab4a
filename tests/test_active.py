"""`current()` and several trackers: the running one, those that must not run, those that never started."""

from __future__ import annotations

import gc
import sys
import threading
from typing import Any

import pytest

import ga_pygame
from ga_pygame import ConsentState, active
from tests.test_tracker import KEYS, World, world

__all__ = ["world"]


def test_the_running_tracker_is_the_current_one(world: World) -> None:
    """From `start()` to `close()`; off or on; the first of several; on any thread. Else the one that was made last."""
    tracker = world.launch()
    assert ga_pygame.current() is tracker
    tracker.start()
    second = world.start(enabled=False)
    seen: list[object] = []
    thread = threading.Thread(target=lambda: seen.append(ga_pygame.current()))
    thread.start()
    thread.join()
    assert seen == [tracker]
    tracker.close()
    assert ga_pygame.current() is second
    second.close()
    assert ga_pygame.current() is second


def test_a_second_tracker_at_the_same_time_is_said(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The player would be counted twice; one after the other, or one that is off, is fine."""
    world.start().close()
    world.start(enabled=False)
    world.start()
    assert caplog.records == []
    world.start()
    assert [record.getMessage()[:40] for record in caplog.records] == ["a second Tracker is started while anothe"]


@pytest.mark.parametrize("how", ["close", "collected"])
def test_a_tracker_that_was_never_started_is_said(world: World, caplog: pytest.LogCaptureFixture, how: str) -> None:
    """Its events are counted as lost, and one line says which call is missing."""
    tracker = world.launch()
    for _ in range(3):
        tracker.design("a")
    if how == "close":
        tracker.close()
        assert tracker.stats.dropped == {"not_running": 3}
    else:
        world.trackers.clear()
        del tracker
        gc.collect()
    assert [record.getMessage()[:54] for record in caplog.records] == [
        "Tracker.start() was never called: 3 events are lost. C"
    ]


@pytest.mark.parametrize("knobs", [{}, {"game_key": None, "secret_key": None}])
def test_a_tracker_that_was_never_used_is_not_said(
    world: World, caplog: pytest.LogCaptureFixture, knobs: dict[str, Any]
) -> None:
    """A module may make one and leave it."""
    world.launch(**knobs).close()
    world.launch(**knobs)
    world.trackers.clear()
    gc.collect()
    assert caplog.records == []


def test_start_after_close_is_said(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is recorded then; once is enough."""
    tracker = world.start()
    tracker.start()
    assert caplog.records == []
    tracker.close()
    tracker.start()
    tracker.start()
    assert [record.getMessage()[:35] for record in caplog.records] == ["start() after close() does nothing:"]


def test_an_inheriting_process_is_a_helper(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a worker imports the game's main module it does not know its parent yet; joblib's workers are alike."""
    import multiprocessing.process  # noqa: PLC0415 - the game may not use it

    assert not active.is_helper_process()
    monkeypatch.setattr(multiprocessing.process.current_process(), "_inheriting", True, raising=False)
    assert active.is_helper_process()
    monkeypatch.setitem(sys.modules, "multiprocessing.process", sys)
    assert not active.is_helper_process()


# --- nodes --------------------------------------------------------------------------------------------------


class Node:
    """A node of the loop that fails at times."""

    def __init__(self, *, fails: bool) -> None:
        self.fails = fails
        self.calls: list[str] = []

    def tick(self) -> None:
        self.calls.append("tick")
        if self.fails:
            raise ValueError("node")

    def close(self, _timeout: float) -> None:
        self.calls.append("close")
        if self.fails:
            raise ValueError("node")


def test_a_node_that_raises_stops_nobody(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The others run, it is called again in the next frame, its name is said once; the same when it is closed."""
    tracker = world.start()
    bad, good = Node(fails=True), Node(fails=False)
    tracker.attach(bad)
    tracker.attach(good)
    for _ in range(3):
        tracker.tick()
    tracker.close()
    assert bad.calls == good.calls == ["tick"] * 3 + ["close"]
    said = [record.getMessage().splitlines()[0] for record in caplog.records]
    assert [text.partition(";")[0] for text in said] == [
        f"tick() of the attached {__name__}.Node raised ValueError",
        f"close() of the attached {__name__}.Node raised ValueError",
    ]
    assert not any("report" in text for text in said)


# --- threads at the start -----------------------------------------------------------------------------------


@pytest.mark.e2e
@pytest.mark.parametrize("moment", ["start", "grant", "again"])
@pytest.mark.parametrize("journal", [True, False])
def test_what_threads_report_meanwhile_belongs_to_the_session(world: World, moment: str, journal: bool) -> None:
    """Nothing is lost and nothing is without a player, whenever another thread reports; `user` comes first."""
    tracker = world.launch(consent="ask" if moment != "start" else "not_needed", journal=journal, strict=False)
    if moment != "start":
        tracker.start()
    if moment == "again":
        tracker.consent.deny()
    begin, stop, started, reported = (threading.Event() for _ in range(4))
    counts: list[int] = []

    def report(number: int) -> None:
        count = 0
        while not stop.is_set():
            was_started = started.is_set()
            tracker.design(f"thread:{number}", count)
            tracker.design(f"thread:{number}:fields", count, fields={"n": count})
            count += 2
            if count > 20:
                begin.set()
            if was_started:
                reported.set()
            elif count > 2000:
                started.wait(10)
            if count > 4000:
                break
        counts.append(count)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=report, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        begin.wait(10)
        tracker.start() if moment == "start" else tracker.consent.grant()
        started.set()
        reported.wait(10)
        stop.wait(0.05)
        stop.set()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    tracker.close()
    lost = tracker.stats.dropped
    assert set(lost) <= ({"no_consent"} if moment == "again" else set()), lost
    sent = [event for event in world.sent if event["category"] == "design"]
    assert len(sent) + sum(lost.values()) - (2 if moment == "again" else 0) == sum(counts)
    assert {(event["user_id"], event["session_id"]) for event in sent} == {(tracker.user_id, tracker.session_id)}
    assert tracker.user_id
    assert world.ids[0] == "user"


# --- said before start() ------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["ninja", None])
@pytest.mark.parametrize("consents", [True, False])
def test_a_dimension_set_before_start_is_kept_as_after_it(world: World, value: str | None, consents: bool) -> None:
    """The next launch has it; `None` forgets what was kept."""
    first = world.start()
    first.dimensions[1] = "knight"
    first.close()
    second = world.launch(consent="ask" if consents else "not_needed")
    second.design("before")
    second.dimensions[1] = value
    second.external_user_id = "shop-7"
    second.fields["seed"] = 5
    second.design("after")
    if consents:
        second.start()
        second.consent.grant()
    else:
        second.start()
    assert second.dimensions[1] == value
    second.close()
    third = world.start()
    assert third.dimensions.values == (value, None, None)
    third.close()
    events = {event.get("event_id"): event for event in world.sent}
    assert events["before"]["custom_01"] == "knight"
    assert "user_id_ext" not in events["before"]
    assert events["after"].get("custom_01") == value
    assert (events["after"]["user_id_ext"], events["after"]["custom_fields"]) == ("shop-7", {"seed": 5})


def test_a_dimension_of_a_player_who_says_no_is_not_kept(world: World) -> None:
    """Nothing but the no stays on the disk."""
    first = world.launch()
    first.dimensions[1] = "ninja"
    first.consent.deny()
    first.start()
    first.close()
    second = world.start()
    assert second.consent.state is ConsentState.DENIED
    second.consent.grant()
    assert second.dimensions.values == (None, None, None)
    assert KEYS


def test_consent_does_not_wake_a_tracker_that_is_off(world: World) -> None:
    """Without keys there is nothing to agree to: later events are counted, not kept."""
    tracker = world.start(game_key=None, secret_key=None, consent="ask", strict=False)
    tracker.consent.grant()
    tracker.design("a")
    assert tracker.stats.waiting == 0
    assert tracker.stats.dropped == {"not_running": 1}
