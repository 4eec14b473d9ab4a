"""The `user` event of a session carries what init's answer says, although it is on the disk before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ga_pygame.protocol import Reply
from tests.test_tracker import World, world

__all__ = ["world"]


def answer(**parts: Any) -> Reply:
    return Reply(201, {}, json.dumps({"server_ts": 1_700_000_000, "configs_hash": "h1", **parts}).encode())


def shown(event: dict[str, Any]) -> tuple[Any, ...]:
    return event.get("ab_id"), event.get("ab_variant_id"), event.get("configurations")


IN_TEST = {"configs": [{"key": "gravity", "value": "40"}], "ab_id": "t1", "ab_variant_id": "v1"}
SAID = ("t1", "v1", {"gravity": "40"})


def test_the_first_user_event_has_the_answer_to_init(world: World) -> None:
    """As the official SDKs' has it, which record it after the answer; the ids and the rest stay as they were."""
    world.init = answer(**IN_TEST)
    tracker = world.start()
    tracker.player.facebook_id = "größe"
    tracker.design("early")
    world.play(tracker)
    tracker.design("late")
    tracker.close()
    assert [(event["category"], *shown(event)) for event in world.sent] == [
        ("user", *SAID),
        ("design", None, None, None),
        ("design", *SAID),
        ("session_end", *SAID),
    ]
    assert len({event["event_uuid"] for event in world.sent}) == 4
    assert tracker.stats.delivered == {"gameanalytics": 4}


def test_offline_it_waits_on_the_disk(world: World) -> None:
    """Nothing waits in memory for the answer: after a launch without one, the next launch sends the event once."""
    world.init = Reply(None, error="no connection")
    first = world.start()
    assert first.flush() is not None
    world.play(first, 3)
    assert first.stats.stored == 1
    assert world.sent == []
    first.close()
    world.init = answer(**IN_TEST)
    world.start().close()
    assert [(event["category"], event["session_num"], *shown(event)) for event in world.sent] == [
        ("user", 1, None, None, None),
        ("session_end", 1, None, None, None),
        ("user", 2, *SAID),
        ("session_end", 2, None, None, None),
    ]


def test_a_late_answer_counts_and_replaces_the_kept_one(world: World) -> None:
    """The kept configs are on the event from the beginning; what the answer says wins, also after a failure."""
    world.init = answer(**IN_TEST)
    world.start().close()
    world.init = Reply(503, {}, b"")
    second = world.start()
    world.play(second, 5)
    assert len(world.sent) == 2
    world.init = answer(configs=[])
    world.play(second, 5)
    assert [(event["category"], *shown(event)) for event in world.sent[2:]] == [("user", None, None, None)]


def test_another_player_is_in_no_group_before_the_answer(world: World) -> None:
    """The kept group, and the values that came with it, are of the player who asked; other values are of all."""
    world.init = answer(**IN_TEST)
    world.start(user_id="ann").close()
    world.init = Reply(503, {}, b"")
    bob = world.start(user_id="bob")
    assert (bob.remote_configs.ab_id, dict(bob.remote_configs.values)) == ("", {})
    bob.design("early")
    world.play(bob, 3)
    world.init = Reply(200, {}, json.dumps({"server_ts": 1_700_000_000}).encode())  # nothing has changed for bob
    world.play(bob, 5)
    bob.close()
    found = [(event["user_id"], event["category"], *shown(event)) for event in world.sent]
    assert found[0] == ("ann", "user", *SAID)
    assert {one[2:] for one in found if one[0] == "bob"} == {(None, None, None)}
    world.init = answer(configs=IN_TEST["configs"])
    world.start(user_id="bob").close()
    world.init = Reply(503, {}, b"")
    cid = world.start(user_id="cid")
    assert dict(cid.remote_configs.values) == {"gravity": "40"}
    cid.close()


def test_a_developers_overrides_stay(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event says what is in force, not what the service sent; so it names no group, whose values are not."""
    monkeypatch.setenv("GA_PYGAME_CONFIG_GRAVITY", "7")
    world.init = answer(**IN_TEST)
    tracker = world.start()
    world.play(tracker)
    tracker.close()
    assert [shown(event) for event in world.sent] == [(None, None, {"gravity": "7"})] * 2
