"""Forks and spawns at any moment: the parent's events arrive once, no event of a child, one session a launch."""

from __future__ import annotations

import sys

import pytest

from tests.e2e.fault_children import CHILD, FORKED, SPAWNED
from tests.e2e.fault_counts import tally
from tests.e2e.fault_launch import Plan
from tests.e2e.fault_suite import Suite
from tests.e2e.plain_server import PlainServer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="fork")

GROUPS = {"forks that exit": FORKED[:-1], "a child that outlives its parent": FORKED[-1:], "multiprocessing": SPAWNED}


@pytest.mark.parametrize("group", GROUPS)
def test_children(group: str, suite: Suite, plain_server: PlainServer) -> None:
    """A child's use of the inherited tracker reaches neither a server nor its parent's events."""
    deeds, chance = GROUPS[group], suite.chance
    results = []
    for number in range(suite.rounds(1, 25)):
        world = suite.world(server=plain_server)
        some = deeds if number == 0 else chance.sample(deeds, chance.randint(1, len(deeds)))
        changes = [
            (at, "child", deed) for at, deed in zip(sorted(chance.uniform(0.0, 1.0) for _ in some), some, strict=True)
        ]
        world.play(Plan(seconds=1.2, flush_every=0.2, changes=changes))
        world.play(Plan(seconds=0.2, wait_for_all=15.0))
        world.drain()
        lives = world.lives()
        names = {life.name for life in lives} | {None}
        events = [event for event in plain_server.export() if event.get("custom_fields", {}).get("launch") in names]
        result, _ = tally(f"children: {group}", 1, lives, events)
        theirs = [event for event in events if _is_childs(event)]
        if theirs:
            result.wrong.append(f"{len(theirs)} events of a child: {theirs[0]}")
        for category in ("user", "session_end"):
            found = sum(event["category"] == category for event in events)
            if found != len(lives):
                result.wrong.append(f"{found} {category} of {len(lives)} launches")
        if result.wrong or result.lost or result.doubled:
            result.wrong.append(f"after {some}: {world.said[-600:]}")
        results.append(result)
        plain_server.forget()
    suite.report(*results, most_start=suite.most_start)


def _is_childs(event: dict[str, object]) -> bool:
    fields = event.get("custom_fields") or {}
    assert isinstance(fields, dict)
    return fields.get("n") == CHILD or "child" in (*fields, event.get("custom_01"), event.get("external_user_id"))
