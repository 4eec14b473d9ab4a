"""Every public call with wrong arguments: nothing is raised in the game, everything is counted and reported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from ga_pygame import InvalidEvent, Tracker
from tests.test_tracker import World, world

__all__ = ["world"]

OURS = {
    "Tracker.of": "a constructor",
    "Dimensions.load": "called by the tracker only",
    "Consent.load": "called by the tracker only",
    "RemoteConfigs.update": "called by the tracker only",
    "RemoteConfigs.annotations": "called by the tracker only",
    "Response.finish": "called by who answers",
    "Signal.emit": "takes anything, for the receivers",
    "Finished.emit": "takes anything, for the receivers",
}
"""Calls that are not looked at, each with its reason."""
MAPPING = {"clear", "get", "items", "keys", "pop", "popitem", "setdefault", "values"}
"""Python's own methods of a mapping, which raise what a dict's do."""


def objects(tracker: Tracker) -> Iterator[Any]:
    """Return the tracker, its areas and the objects that its calls return."""
    yield tracker
    yield from (tracker.progression, tracker.resource, tracker.dimensions, tracker.fields)
    yield from (tracker.remote_configs, tracker.consent, tracker.session_started)
    yield from (tracker.wallet("gold"), tracker.flush(), tracker.flush().finished)
    with tracker.progression.attempt("forest") as attempt:
        yield attempt


def calls(tracker: Tracker) -> dict[str, Any]:
    """Return all public callables by name."""
    found = {}
    for one in objects(tracker):
        for name in dir(one):
            full = f"{type(one).__name__}.{name}"
            is_data = isinstance(getattr(type(one), name, None), property) or not callable(getattr(one, name))
            if not (
                name.startswith("_") or is_data or full in OURS or (full[:12] == "GlobalFields" and name in MAPPING)
            ):
                found[full] = getattr(one, name)
    return found


@pytest.fixture(params=["running", "closed", "unstarted", "unasked"])
def tracker(world: World, request: pytest.FixtureRequest) -> Tracker:
    """Return a tracker; a test gets one in each possible state."""
    tracker = world.launch(strict=False, consent="ask" if request.param == "unasked" else "not_needed", hook=False)
    if request.param != "unstarted":
        tracker.start()
    if request.param == "closed":
        tracker.close()
    return tracker


def test_no_call_that_python_refuses_reaches_the_game(tracker: Tracker) -> None:
    """Too many arguments, and keywords that there are not; each is counted as `invalid`."""
    found = calls(tracker)
    assert len(found) > 30
    for name, call in found.items():
        before = tracker.stats.dropped.get("invalid", 0)
        call(*[object()] * 12)
        call(nonsense=1)
        is_any = name in {"GlobalFields.update", "ProgressionArea.attempt"}  # any keyword; any number of parts
        assert tracker.stats.dropped.get("invalid", 0) == before + 2 - is_any, name


@pytest.mark.parametrize("wrong", [None, "x", "", 5, -1.5, [], {}, b"x", object(), float("nan"), 10**400, Tracker])
def test_no_argument_of_a_wrong_kind_reaches_the_game(
    tracker: Tracker, caplog: pytest.LogCaptureFixture, wrong: Any
) -> None:
    """Any number of any thing; and none is taken for a defect of ours."""
    for count in range(1, 6):
        for name, call in calls(tracker).items():
            if name != "Response.wait" or wrong != 5:  # it would wait
                call(*[wrong] * count)
            call(*[wrong] * count, fields=wrong, score=wrong, value=wrong)
    tracker.dimensions[wrong] = wrong
    tracker.fields[wrong] = wrong
    assert tracker.dimensions[wrong] is None
    tracker.external_user_id = wrong
    assert "Please report" not in caplog.text
    assert "internal" not in tracker.stats.dropped


def test_what_a_wrong_call_returns_can_be_used(world: World) -> None:
    """An attempt that is none, an answer that is there, the default, the receiver."""
    tracker = world.start(strict=False)
    progression: Any = tracker.progression
    with progression.attempt("forest", scroe=3) as attempt:
        attempt.score = 5
        attempt.complete(score=3)
    with progression.attempt(5) as attempt:
        attempt.fail()
    flush: Any = tracker.flush
    response = flush(2)
    assert response.done
    assert response.wait("2").has_error()
    get: Any = tracker.remote_configs.get
    assert (get("gravity", 80.0, 3), get("gravity", default=80.0, other=3), get("gravity")) == (80.0, 80.0, None)
    wallet: Any = tracker.wallet
    wallet("gold", "silver").earn(1, "pickup", "coin")
    connect: Any = tracker.session_started.connect
    assert connect(None) is None
    tracker.close()
    assert world.ids == ["user", "session_end"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("tracker.design('x', vaule=3)", "unexpected keyword argument 'vaule'.*[Dd]id you mean '?value"),
        ("tracker.progression.start('i', score=3)", "unexpected keyword argument 'score'; there are: fields"),
        ("tracker.progression.complete('i', 900)", "progression2 900: .*by name: score=900"),
        ("tracker.progression.attempt('i').complete()", "the attempt was never started; use it in a `with` statement"),
        ("tracker.attach(5)", "not attached: node .*tick.* and close"),
        ("tracker.session_ended.connect(5)", "not connected: the receiver of session_ended .*something to call"),
        ("tracker.flush().wait('2')", "not waited: timeout '2': must be a number of seconds"),
        ("tracker.start(5)", "call ignored: Tracker.start.*takes 1 positional argument"),
        ("tracker.tick(60)", "call ignored: Tracker.tick.*takes 1 positional argument"),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_a_wrong_call_says_what_is_right(
    world: World, caplog: pytest.LogCaptureFixture, *, code: str, words: str, strict: bool
) -> None:
    """With the line of the game; in strict mode it raises the same."""
    tracker = world.start(strict=strict)
    if strict:
        with pytest.raises((InvalidEvent, TypeError), match=words.partition(": ")[2] if ": " in words[:16] else words):
            eval(code, {"tracker": tracker})
    else:
        eval(code, {"tracker": tracker})
        assert any(re.search(words, record.getMessage()) for record in caplog.records), caplog.text


def test_a_receiver_that_cannot_be_called_is_named(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """With file and line, and with how many arguments it is called."""
    tracker = world.start()

    def ended(session_id: str) -> None:
        """A function of three arguments that takes only one."""

    tracker.session_ended.connect(ended)  # type: ignore[arg-type]
    tracker.close()
    said = caplog.records[0].getMessage()
    assert "a receiver of session_ended cannot be called with its 3 arguments" in said
    assert f"ended at {__file__}:{ended.__code__.co_firstlineno}" in said


# --- attempts ---------------------------------------------------------------------------------------------------


def test_an_attempts_end_takes_a_score(world: World) -> None:
    """As the calls of `progression` do; the attribute is the other way."""
    tracker = world.start()
    with tracker.progression.attempt("forest", "level_2") as attempt:
        attempt.complete(score=120)
    with tracker.progression.attempt("forest", "level_3") as attempt:
        attempt.score = 5
        attempt.fail(score=7, fields={"by": "spider"})
    tracker.close()
    ends = [(event["event_id"], event["score"]) for event in world.sent if "score" in event]
    assert ends == [("Complete:forest:level_2", 120), ("Fail:forest:level_3", 7)]


@pytest.mark.parametrize("raises", [True, False])
@pytest.mark.parametrize("end", ["complete", "fail", "start"])
@pytest.mark.parametrize("named", [True, False])
def test_an_attempt_ends_once(
    world: World, caplog: pytest.LogCaptureFixture, *, raises: bool, end: str, named: bool
) -> None:
    """One that `progression` ended inside its block is over; the block's end adds nothing, and that is said."""
    tracker = world.start()
    try:
        with tracker.progression.attempt("forest"):
            getattr(tracker.progression, end)(*(("forest",) if named or end == "start" else ()))
            if raises:
                raise KeyError
    except KeyError:
        pass
    tracker.close()
    ends = {"complete": ["Complete"], "fail": ["Fail"], "start": ["Fail", "Start", "Fail"]}[end]
    assert world.ids == ["user", "Start:forest", *(f"{one}:forest" for one in ends), "session_end"]
    (said,) = (record.getMessage() for record in caplog.records)
    assert "the attempt at 'forest' was over before the end of its `with` block" in said


def test_an_attempt_that_ends_with_the_game_fails_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Leaving the game inside of the block is no mistake."""
    tracker = world.start()
    with tracker.progression.attempt("forest"):
        tracker.close()
    assert world.ids == ["user", "Start:forest", "Fail:forest", "session_end"]
    assert caplog.records == []


def test_keywords_only() -> None:
    """The error of the first try says how."""
    with pytest.raises(TypeError, match=r"keywords only: Tracker\(game_key=") as raised:
        Tracker("key", "secret", "0.3.1")  # type: ignore[call-arg]
    assert "secret" not in str(raised.value).replace("secret_key", "")
