"""Assignments to attributes of the tracker and its areas: accepted, or reported."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest

from ga_pygame import InvalidEvent, Tracker
from tests.test_tracker import World, world

__all__ = ["world"]


@pytest.mark.parametrize(
    ("place", "name", "words"),
    [
        ("", "external_userid", "there is no such attribute; did you mean external_user_id?"),
        ("", "zzz", "there is no such attribute; there are: ad, at, attach, batch_delivered"),
        ("", "user_id", "is set when the tracker is made: Tracker(user_id=…)"),
        ("", "build", "is set when the tracker is made: Tracker(build=…)"),
        ("", "session_id", "can only be read"),
        ("", "stats", "can only be read"),
        ("", "session_started", "is a signal; connect to it: session_started.connect(receiver)"),
        ("", "progression", "can only be read"),
        ("", "design", "is a method; call it: design(…)"),
        ("progression", "curent", "did you mean current?"),
        ("resource", "gold", "there are: sink, source"),
        ("wallet", "amount", "there are: earn, spend"),
        ("dimensions", "custom_01", "there are: "),
        ("fields", "seed", "there are: "),
        ("consent", "state", "can only be read"),
        ("remote_configs", "gravity", "there are: "),
        ("attempt", "scroe", "did you mean score?"),
        ("session_started", "connects", "did you mean connect?"),
        ("flush", "resutl", "did you mean result?"),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_a_name_that_nobody_reads_is_said(
    world: World, caplog: pytest.LogCaptureFixture, *, place: str, name: str, words: str, strict: bool
) -> None:
    """Once, with what to write instead; counted, and raised in strict mode. The object is as it was."""
    tracker = world.start(strict=strict)
    made = {"": tracker, "wallet": tracker.wallet("gold"), "attempt": tracker.progression.attempt("forest")}
    made["flush"] = tracker.flush()
    thing: Any = made[place] if place in made else getattr(tracker, place)
    before = dict(vars(thing))
    for _ in range(2):
        if strict:
            with pytest.raises(InvalidEvent) as raised:
                setattr(thing, name, "x")
            assert words in str(raised.value)
        else:
            setattr(thing, name, "x")
    assert vars(thing) == before
    if not strict:
        assert tracker.stats.dropped == {"invalid": 2}
        (said,) = (record.getMessage() for record in caplog.records)
        assert said.startswith(f"{__file__}:")
        assert f"not set: {type(thing).__name__}.{name}" in said
        assert words in said


def test_a_game_may_inherit_and_mock(world: World) -> None:
    """A class of the game has attributes of its own, and a test puts a mock in the place of a call."""

    class Mine(Tracker):
        score = 0

    mine: Any = Mine(enabled=False)
    mine.score = 3
    mine.level = "forest"
    assert (mine.score, vars(mine)["level"]) == (3, "forest")
    tracker = world.start()
    with mock.patch.object(tracker, "design") as design:
        tracker.design("a")
    assert design.called
    tracker.design("b")
    tracker.close()
    assert world.ids == ["user", "b", "session_end"]


def test_a_mapping_is_taken_in(world: World) -> None:
    """Assigned fields and dimensions are sent, and replace the ones before; the objects stay the same."""
    tracker = world.start()
    fields, dimensions = tracker.fields, tracker.dimensions
    tracker.fields["old"] = 1
    tracker.dimensions[2] = "old"
    tracker.fields = {"seed": 7}
    tracker.dimensions = {1: "ninja"}
    tracker.design("a")
    tracker.fields |= {"more": 8}
    tracker.fields.update(most=9)
    tracker.dimensions = dimensions  # type: ignore[assignment]  # iterable, and no Mapping
    tracker.design("b")
    del tracker.dimensions[1]
    tracker.fields = {}
    tracker.design("c")
    tracker.close()
    assert (tracker.fields, tracker.dimensions) == (fields, dimensions)
    sent = {event.get("event_id"): event for event in world.sent}
    assert sent["a"]["custom_fields"] == {"seed": 7}
    assert (sent["a"]["custom_01"], sent["a"].get("custom_02")) == ("ninja", None)
    assert sent["b"]["custom_fields"] == {"seed": 7, "more": 8, "most": 9}
    assert sent["b"]["custom_01"] == "ninja"
    assert not {"custom_fields", "custom_01"} & sent["c"].keys()
    assert list(dimensions) == [1, 2, 3]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fields", 5),
        ("fields", None),
        ("fields", {"a b": 1}),
        ("fields", {"a": None}),
        ("dimensions", "ninja"),
        ("dimensions", ["ninja"]),
        ("dimensions", {4: "x"}),
        ("dimensions", {1: "x", 2: 5}),
        ("dimensions", {1: "dwarf"}),
    ],
)
def test_a_wrong_mapping_changes_nothing(
    world: World, caplog: pytest.LogCaptureFixture, name: str, value: object
) -> None:
    """It is said and counted like any wrong call, and raised in strict mode."""
    tracker = world.start(strict=False, dimension_values={1: ["ninja", "x"]})
    tracker.fields["seed"] = 7
    tracker.dimensions[1] = "ninja"
    setattr(tracker, name, value)
    assert tracker.stats.dropped == {"invalid": 1}
    assert ": not set: " in caplog.records[0].getMessage()
    tracker._diagnostics.strict = True
    with pytest.raises(InvalidEvent):
        setattr(tracker, name, value)
    assert (dict(tracker.fields), tracker.dimensions.values) == ({"seed": 7}, ("ninja", None, None))


@pytest.mark.parametrize("key", ["missing", "a b", 5, []])
def test_a_field_that_is_not_there_cannot_be_deleted(
    world: World, caplog: pytest.LogCaptureFixture, key: object
) -> None:
    """It is said, and the game goes on."""
    tracker = world.start(strict=False)
    del tracker.fields[key]  # type: ignore[arg-type]
    tracker.fields.update(key)
    del tracker.dimensions[key]  # type: ignore[arg-type]
    assert tracker.stats.dropped == {"invalid": 2 if key == [] else 3}
    assert len(caplog.records) == 2 + (key != [])
