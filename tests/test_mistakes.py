"""What a game is told at its own line while it is developed: refusals of a server, and usual mistakes."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import pytest

import ga_pygame
from ga_pygame.mistakes import AGAIN_SECONDS, SPAM_FLOWS, SPAM_SECONDS
from ga_pygame.protocol import Reply, Request
from ga_pygame.testing import ScriptedTransport
from tests.collectors import Collector
from tests.conftest import eventually
from tests.test_tracker import World, world
from tests.test_who_plays import COLLECTOR

__all__ = ["world"]


def said(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    """Return the warnings with these words since the last call."""
    found = [record.getMessage() for record in caplog.records if words in record.getMessage()]
    caplog.clear()
    return found


def refuse_design(world: World) -> None:
    """Have the service refuse all design events."""
    errors = [{"error_type": "no_match", "path": "/event_id", "reason": "not allowed"}]

    def answer(request: Request) -> Reply:
        if "init" in request.url:
            return world.init
        events = json.loads(gzip.decompress(request.body))
        refused = [{"event": event, "errors": errors} for event in events if event["category"] == "design"]
        return Reply(400 if refused else 200, {}, json.dumps(refused).encode())

    world.transport = ScriptedTransport([answer])


def test_a_refusal_names_the_line(world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The line that reported the event first, the reasons, and the declared name that was meant; once."""
    plan = tmp_path / "events.toml"
    plan.write_text("[design]\n'open:chest' = 'x'")
    refuse_design(world)
    tracker = world.start(collector=COLLECTOR, plan=plan)
    world.play(tracker)
    tracker.design("open:chset")
    line = sys._getframe().f_lineno - 1
    tracker.design("open:chset", 4)
    world.play(tracker, 2)
    (message,) = said(caplog, "refused the")
    assert message.startswith(f"{__file__}:{line}: gameanalytics refused the design event 'open:chset': ")
    assert "not allowed" in message
    assert "Did you mean 'open:chest'?" in message
    assert tracker.stats.dropped == {"rejected": 2}


def test_outside_development_nothing_is_remembered(world: World) -> None:
    """No watcher is made: calls cost what they cost before."""
    tracker = world.start()
    assert tracker._core.watch is None
    assert tracker._recorder.look is None
    assert tracker._core.announcer.explain is None
    assert tracker.resource._repeat == tracker._recorder.inbox.repeat
    assert tracker.progression._open.watch is None


def test_a_level_that_starts_twice(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Told if it is the same level and no player is that quick; the second one is recorded as ever."""
    tracker = world.start(collector=COLLECTOR)
    tracker.progression.start("forest")
    world.clock.advance(AGAIN_SECONDS + 0.01)
    tracker.progression.start("forest")
    tracker.progression.start("cave")
    assert not said(caplog, "starts again")
    for _ in range(3):
        tracker.progression.start("cave")
    line = sys._getframe().f_lineno - 1
    (message,) = said(caplog, "starts again")
    assert message.startswith(f"{__file__}:{line}: 'cave' starts again 0 ms after its start")


def test_an_end_without_a_start(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Told once for a line; an attempt that was started ends without a word."""
    tracker = world.start(collector=COLLECTOR)
    tracker.progression.start("forest")
    tracker.progression.complete("forest")
    assert not said(caplog, "none was started")
    for _ in range(2):
        tracker.progression.complete("cave", "2")
    line = sys._getframe().f_lineno - 1
    (message,) = said(caplog, "none was started")
    assert message.startswith(f"{__file__}:{line}: the attempt at 'cave:2' ends")


def test_an_event_for_each_coin(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A wallet is proposed, with the call for it; slow flows and wallets are left alone."""
    tracker = world.start(collector=COLLECTOR, strict=False)
    wallet = tracker.wallet("gold")
    for _ in range(SPAM_FLOWS * 2):
        wallet.earn(1, "pickup", "coin")
        tracker.resource.source("gems", 1, "pickup", "gem")
        world.clock.advance(SPAM_SECONDS / SPAM_FLOWS * 1.1)
    tracker.resource.source(["not a key"], 1, "pickup", "coin")  # type: ignore[arg-type]  # refused as ever
    assert not said(caplog, "a wallet sends their sum")
    for number in range(SPAM_FLOWS * 2):
        tracker.resource.sink("gold", number + 1, "shop", "arrow")
    (message,) = said(caplog, "a wallet sends their sum")
    assert "wallet = tracker.wallet('gold'), then wallet.spend(amount, 'shop', 'arrow')" in message


def test_a_refused_init_names_the_tracker(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The values that init sends were given where the tracker was made."""
    world.init = Reply(400, {"x-ga-service": "collect"}, b'{"error": "bad request", "reason": "build: too long"}')
    tracker = world.start(collector=COLLECTOR)
    world.play(tracker, 1)
    (message,) = said(caplog, "refuses init (400)")
    assert message.startswith(sys.modules["tests.test_tracker"].__file__ or "?")
    assert "build: too long" in message


def test_a_real_collector_refuses(collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    """An event that only the server can refuse is told with its line."""
    tracker = ga_pygame.Tracker(collector=collector.url, hook=False, upload_interval=0.05)
    tracker.start()
    try:
        tracker._recorder.change(build="x" * 200)  # what the tracker itself would not accept
        tracker.design("kill:slime")
        line = sys._getframe().f_lineno - 1
        assert eventually(lambda: "refused the design event" in caplog.text)
    finally:
        tracker.close()
    assert f"{__file__}:{line}: gameanalytics refused the design event 'kill:slime'" in caplog.text


@pytest.mark.parametrize("call", ["currencies", "dimension"])
def test_declared_names_are_proposed(world: World, caplog: pytest.LogCaptureFixture, call: str) -> None:
    """Also those of the knobs, when the call itself is refused."""
    tracker = world.start(currencies=["gold", "gems"], dimension_values={1: ["ninja"]}, strict=False)
    if call == "currencies":
        tracker.resource.source("glod", 1, "pickup", "coin")
    else:
        tracker.dimensions[1] = "nijna"
    (message,) = said(caplog, "is not declared")
    assert "Did you mean 'gold'?" in message or "Did you mean 'ninja'?" in message
