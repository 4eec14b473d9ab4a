"""Progression attempts: the Fail for an attempt that was left open, compared with a model."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ga_pygame.areas.progression import ProgressionArea, abandon
from ga_pygame.checks import InvalidEvent
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.events import Fields, Progression, Status
from ga_pygame.kinds import Event
from ga_pygame.recording.recorder import Recorder
from ga_pygame.records import Context
from ga_pygame.testing import ManualClock


class Rig:
    """An area and the events that it posted."""

    def __init__(self, *, strict: bool = True) -> None:
        self.diagnostics = Diagnostics(strict=strict)
        self.posted: list[Progression] = []
        self.fields: list[Fields | None] = []
        self.area = ProgressionArea(self._post, self.diagnostics)

    def _post(self, event: Event, fields: Fields | None) -> None:
        if fields is not None and "bad" in fields:
            raise InvalidEvent("custom_fields.bad", 1, "is bad", "test", "wrong_type")
        assert isinstance(event, Progression)
        self.posted.append(event)
        self.fields.append(fields)

    @property
    def ids(self) -> list[str]:
        return [f"{event.status.value}:{event.level}" for event in self.posted]


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_start_complete_and_fail(rig: Rig) -> None:
    """Each call is one event with its score and fields; the attempt is open in between."""
    rig.area.start("forest", "level_1", fields={"seed": 1})
    assert rig.area.current == ("forest", "level_1")
    rig.area.complete("forest", "level_1", score=900)
    assert rig.area.current is None
    rig.area.start("forest")
    rig.area.fail("forest", score=0)
    assert rig.ids == ["Start:forest:level_1", "Complete:forest:level_1", "Start:forest", "Fail:forest"]
    assert [event.score for event in rig.posted] == [None, 900, None, 0]
    assert rig.fields[0] == {"seed": 1}


@pytest.mark.requirement("002:progression-start-fails", "002:progression-start-stored")
def test_start_while_another_attempt_is_open_first_fails_it(rig: Rig) -> None:
    """As the documentation says; the added Fail has no score."""
    rig.area.start("a")
    rig.area.start("b")
    assert rig.ids == ["Start:a", "Fail:a", "Start:b"]
    assert rig.posted[1].score is None


def test_restarting_the_same_level_fails_the_open_attempt_too(rig: Rig) -> None:
    """ "Try again" is a failed attempt."""
    rig.area.start("a")
    rig.area.start("a")
    assert rig.ids == ["Start:a", "Fail:a", "Start:a"]


@pytest.mark.requirement("002:progression-exit-fails")
def test_leaving_fails_the_open_attempt_once(rig: Rig) -> None:
    """Without an open attempt there is nothing to add."""
    abandon(rig.area)
    rig.area.start("a")
    abandon(rig.area)
    abandon(rig.area)
    assert rig.ids == ["Start:a", "Fail:a"]


def test_ending_another_level_leaves_the_attempt_open(rig: Rig) -> None:
    """A side quest that ends does not end the level that is played."""
    rig.area.start("a")
    rig.area.complete("quest")
    assert rig.area.current == ("a",)


def test_an_invalid_start_is_refused_and_the_attempt_before_it_is_over() -> None:
    """The player left the open level, whatever the new one is called: later calls do not mean the old one."""
    rig = Rig(strict=False)
    rig.area.start("a")
    rig.area.start("b#")
    assert rig.ids == ["Start:a", "Fail:a"]
    assert rig.area.current is None
    rig.area.start()
    rig.area.complete()
    rig.area.complete("b#")
    assert rig.ids == ["Start:a", "Fail:a"]
    assert rig.diagnostics.stats(0).dropped == {"invalid": 4}


@pytest.mark.parametrize("score", [12.5, "7", True, float("nan"), [], 10**30, object()])
@pytest.mark.parametrize("step", ["complete", "fail"])
def test_a_wrong_score_is_left_out_and_the_step_arrives(
    step: str, score: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The level was completed: that is what the event says, and no Fail follows; the score is said and counted."""
    rig = Rig(strict=False)
    rig.area.start("a")
    getattr(rig.area, step)("a", score=score)
    abandon(rig.area)
    assert rig.ids == ["Start:a", f"{step.capitalize()}:a"]
    assert rig.posted[1].score is None
    assert rig.diagnostics.stats(0).dropped == {"part": 1}
    assert "left out of the event: score" in caplog.text


@pytest.mark.parametrize("score", [7.25, "x"])
def test_a_wrong_score_of_a_block_is_left_out_too(score: Any) -> None:
    """`attempt.score = 7.25`: the block still completes its level."""
    rig = Rig(strict=False)
    with rig.area.attempt("a") as attempt:
        attempt.score = score
    abandon(rig.area)
    assert rig.ids == ["Start:a", "Complete:a"]


@pytest.mark.parametrize("leave", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
def test_a_block_that_is_left_early_failed(rig: Rig, leave: type[BaseException]) -> None:
    """By Ctrl-C, an exit, a cancelled task or a closed generator: the level was left, and nothing else is said."""
    with pytest.raises(leave), rig.area.attempt("a"):
        raise leave
    assert rig.ids == ["Start:a", "Fail:a"]


def test_a_block_may_have_fields_at_its_start(rig: Rig) -> None:
    """They are the Start's."""
    with rig.area.attempt("a", fields={"seed": 1}):
        pass
    assert rig.fields == [{"seed": 1}, None]


def test_without_parts_the_open_attempt_is_meant(rig: Rig) -> None:
    """A level is named once, where it starts."""
    rig.area.start("a", "b")
    rig.area.complete(score=5)
    rig.area.start("a", "c")
    rig.area.fail()
    assert rig.ids == ["Start:a:b", "Complete:a:b", "Start:a:c", "Fail:a:c"]
    for end in (rig.area.complete, rig.area.fail):
        with pytest.raises(InvalidEvent, match="no attempt is open"):
            end()


def test_the_end_of_another_level_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """`complete("a")` while `a:b` is open is mostly a slip: a Fail of `a:b` will follow."""
    rig = Rig(strict=False)
    rig.area.start("a", "b")
    for _ in range(3):
        rig.area.complete("a")
    assert rig.ids == ["Start:a:b", *["Complete:a"] * 3]
    assert rig.area.current == ("a", "b")
    (record,) = caplog.records
    assert f"{__file__}:" in record.getMessage()
    assert "'a' ends while the attempt at 'a:b' is open" in record.getMessage()


def test_an_attempt_block_completes_or_fails(rig: Rig) -> None:
    """Complete on normal exit, Fail on an exception, which goes on its way."""
    with rig.area.attempt("a") as attempt:
        attempt.score = 120

    def crash() -> None:
        with rig.area.attempt("b") as attempt:
            attempt.score = 7
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        crash()
    assert rig.ids == ["Start:a", "Complete:a", "Start:b", "Fail:b"]
    assert [event.score for event in rig.posted] == [None, 120, None, 7]


def test_an_attempt_ended_in_the_block_is_ended_once(rig: Rig) -> None:
    """`attempt.fail()` and `attempt.complete()` are the end of it; leaving the block adds nothing."""
    with rig.area.attempt("a") as attempt:
        attempt.fail(fields={"by": "spikes"})
        attempt.complete()
    with rig.area.attempt("a") as attempt:
        attempt.complete()
        attempt.fail()
    assert rig.ids == ["Start:a", "Fail:a", "Start:a", "Complete:a"]
    assert rig.fields[1] == {"by": "spikes"}


LEVELS = st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=2).map(tuple)


class ProgressionWalk(RuleBasedStateMachine):
    """Any sequence of calls, compared with the documented rule in five lines."""

    def __init__(self) -> None:
        super().__init__()
        self.rig = Rig()
        self.expected: list[str] = []
        self.open: tuple[str, ...] | None = None

    def _leave(self) -> None:
        if self.open is not None:
            self.expected.append("Fail:" + ":".join(self.open))
        self.open = None

    @rule(level=LEVELS)
    def start(self, level: tuple[str, ...]) -> None:
        self.rig.area.start(*level)
        self._leave()
        self.expected.append("Start:" + ":".join(level))
        self.open = level

    @rule(level=LEVELS, status=st.sampled_from([Status.FAIL, Status.COMPLETE]))
    def end(self, level: tuple[str, ...], status: Status) -> None:
        (self.rig.area.fail if status is Status.FAIL else self.rig.area.complete)(*level, score=1)
        self.expected.append(f"{status.value}:" + ":".join(level))
        if self.open == level:
            self.open = None

    @rule()
    def leave(self) -> None:
        abandon(self.rig.area)
        self._leave()

    @invariant()
    def agrees(self) -> None:
        assert self.rig.ids == self.expected
        assert self.rig.area.current == self.open


TestProgressionWalk: Any = ProgressionWalk.TestCase


# --- with an inbox behind it --------------------------------------------------------------------------------


class RecordedRig(Rig):
    """An area on a real recorder, so that repeated steps take the fast path."""

    def __init__(self, *, strict: bool = True) -> None:
        super().__init__(strict=strict)
        self.recorder = Recorder(Context("player"), ManualClock().monotonic, self.diagnostics)
        self.recorder.release()
        self.area = ProgressionArea(self.recorder.post, self.diagnostics, self.recorder.inbox.repeat)

    @property
    def ids(self) -> list[str]:
        for record in self.recorder.take_all():
            assert isinstance(record.event, Progression)
            self.posted.append(record.event)
        return super().ids


class RecordedWalk(ProgressionWalk):
    """The same sequences with repeated steps."""

    def __init__(self) -> None:
        super().__init__()
        self.rig = RecordedRig()


TestRecordedWalk: Any = RecordedWalk.TestCase


@pytest.mark.parametrize("score", [1.5, True, "7", float("nan"), [], 2.0])
def test_a_wrong_score_is_refused_after_right_ones_too(score: Any) -> None:
    """A step that was right before is checked again for what differs; in strict mode no Fail follows either."""
    rig = RecordedRig()
    for _ in range(2):
        rig.area.start("a")
        rig.area.complete("a", score=5)
    rig.area.start("a")
    with pytest.raises(InvalidEvent, match="score"):
        rig.area.complete("a", score=score)
    assert rig.area.current is None
    assert rig.ids == ["Start:a", "Complete:a"] * 2 + ["Start:a"]


def test_scores_of_repeated_steps_are_their_own() -> None:
    """With and without, large and small: whole numbers as they were given."""
    rig = RecordedRig()
    scores = [None, 0, -1, 7, None, 2**53, 2**60, None]
    for score in scores:
        rig.area.start("a", "b")
        rig.area.fail("a", "b", score=score)
    assert rig.ids == ["Start:a:b", "Fail:a:b"] * len(scores)
    found = [event.score for event in rig.posted if event.status is Status.FAIL]
    assert found == scores
    assert all(score is None or type(score) is int for score in found)


class Odd(str):
    """A level of a game that has its text's hash, and raises in comparisons."""

    def __hash__(self) -> int:
        return str.__hash__(self)

    def __eq__(self, other: object) -> bool:
        if type(other) is Odd:
            raise RuntimeError("not to be compared")
        return str.__eq__(self, other)


def test_the_open_level_is_plain_text() -> None:
    """Also if the call repeats an earlier one, which is not checked again."""
    known: list[tuple[object, tuple[object, ...]]] = []
    diagnostics = Diagnostics(strict=True)

    def repeat(key: tuple[object, tuple[object, ...]], *_: object, **__: object) -> bool:
        known.append(key)
        return True

    area = ProgressionArea(lambda *_: None, diagnostics, repeat)  # type: ignore[arg-type]  # its keys are narrower
    area.start(Odd("forest"))
    area.complete(Odd("forest"))
    assert [type(part) for status, level in known for part in (status, *level)] == [str] * 4
    assert area.current is None
