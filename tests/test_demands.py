"""Demands of the GameAnalytics documents that concern several parts of a tracker, over launches."""

from __future__ import annotations

import gzip
import json

import pytest

from ga_pygame.protocol import Reply, Request
from tests.test_tracker import World, world

__all__ = ["world"]


@pytest.mark.requirement(
    "002:progression-attempts-kept", "002:business-transaction-kept", "002:session_num-kept", "002:user_id"
)
def test_counts_go_on_at_the_next_launch(world: World) -> None:
    """Attempts of a level, purchases and sessions are counted since the installation, for the same player."""
    for end in ("fail", "complete", "complete"):
        tracker = world.start()
        tracker.progression.start("forest", "1")
        getattr(tracker.progression, end)("forest", "1")
        tracker.business("USD", 499, "pack", "gold")
        tracker.close()
    events = world.sent
    ends = [event for event in events if event.get("event_id") in ("Fail:forest:1", "Complete:forest:1")]
    assert [event["attempt_num"] for event in ends] == [1, 2, 1]
    assert [event["transaction_num"] for event in events if event["category"] == "business"] == [1, 2, 3]
    assert [event["session_num"] for event in events if event["category"] == "user"] == [1, 2, 3]
    assert len({event["user_id"] for event in events}) == 1


@pytest.mark.requirement("002:log-400", "002:no-resubmit-400", "002:valid-ones-collected")
def test_a_400_is_logged_and_sends_nothing_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The refused event and the collected one are not sent a second time; the log says what to look at."""
    tracker = world.start(strict=False)
    world.play(tracker)

    usual = world.transport._answers[0]

    def refuse(request: Request) -> Reply:
        world.requests.append(request)
        events = json.loads(gzip.decompress(request.body))
        errors = [{"error_type": "no_match", "path": "/event_id"}]
        return Reply(400, {}, json.dumps([{"event": events[0], "errors": errors}]).encode())

    world.transport._answers[0] = refuse
    tracker.design("refused")
    tracker.design("collected")
    tracker.flush().wait(0.5)
    world.transport._answers[0] = usual
    world.play(tracker, 60)
    tracker.close()
    assert (world.ids.count("refused"), world.ids.count("collected")) == (1, 1)
    assert tracker.stats.dropped == {"rejected": 1}
    assert "event dropped (rejected): the server says that it breaks a rule" in caplog.text
