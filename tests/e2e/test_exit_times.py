"""A game ends in time and without a loss, whatever the server does."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.config import Config
from tests.collectors import Collector
from tests.conftest import eventually
from tests.e2e.cable import Cable
from tests.e2e.games import CLOSE, PUPPET, SEND, outbox, waiting
from tests.e2e.servers import SILENCE, Answer, ScriptedServer, Seen, healthy, refusing, summary, welcome

LIMIT = Config().shutdown_timeout + 0.3
EVENTS = 40


def slow(request: Seen) -> Answer:
    return Answer(delay=2) if request.is_events else Answer(201, welcome().body, delay=2)


def slow_events(request: Seen) -> Answer:
    return Answer(delay=2) if request.is_events else welcome()


@contextlib.contextmanager
def scripted(script: Callable[[Seen], Answer]) -> Iterator[str]:
    with ScriptedServer(script) as server:
        yield server.url


SERVERS: dict[str, Callable[[], contextlib.AbstractContextManager[str]]] = {
    "slow": lambda: scripted(slow),
    "slow after init": lambda: scripted(slow_events),
    "silent": lambda: scripted(lambda _: SILENCE),
    "silent after init": lambda: scripted(lambda request: SILENCE if request.is_events else welcome()),
    "refusing": refusing,
    "unresolvable": lambda: contextlib.nullcontext("http://no-such-host.invalid:80"),
}


def play(puppet: Any) -> tuple[str, list[str]]:
    """Report events of each urgency; return the session's id and the expected contents of its outbox."""
    session_id = puppet.wait_for("started").split()[0]
    puppet.say(f"for number in range({EVENTS}): tracker.design('exit:test', number)")
    puppet.wait_for("done")
    puppet.say("tracker.business('USD', 499, 'pack', 'gold'); tracker.progression.start('forest')")
    puppet.wait_for("done")
    return session_id, ["user", *["design"] * EVENTS, "business", "progression", "progression", "session_end"]


def close(puppet: Any) -> None:
    """Measure `close()` inside the game; check that the rest of its end is short, too."""
    puppet.say(CLOSE)
    took = float(puppet.wait_for("closed"))
    assert took <= LIMIT, f"close() took {took:.3f} s"
    code, _, error = puppet.end(timeout=10)
    said = [line for line in error.splitlines() if "is the collector running" not in line]  # once, where none answers
    assert (code, said) == (0, [])
    assert len(error.splitlines()) <= 1


def delivered_later(game: Any, collector: Collector, expected: list[dict[str, Any]]) -> None:
    """Check that a later launch brings each event to a working collector, once and in order."""
    later = game(SEND, GA_PYGAME_COLLECTOR=collector.url)
    assert "error=''" in later.wait_for("flushed")
    assert later.end()[0] == 0
    session_id = expected[0]["session_id"]
    stored = collector.export()
    old = [event for event in stored if event["session_id"] == session_id]
    assert [event["event_uuid"] for event in old] == [event["event_uuid"] for event in expected]
    assert max(Counter(event["event_uuid"] for event in stored).values()) == 1
    assert old[0]["category"] == "user"
    assert old[-1]["category"] == "session_end"
    assert summary(collector.url)["duplicates"] == 0


@pytest.mark.parametrize("kind", SERVERS)
def test_with_a_bad_server(kind: str, game: Any, collector: Collector, tmp_path: Path) -> None:
    """Whatever the server does, the game ends in time, everything is on disk and arrives after the next start."""
    with SERVERS[kind]() as url:
        puppet = game(PUPPET, GA_PYGAME_COLLECTOR=url)
        session_id, categories = play(puppet)
        close(puppet)
        kept = waiting(outbox(tmp_path / "data"))
    assert [event["category"] for event in kept] == categories
    assert {event["session_id"] for event in kept} == {session_id}
    delivered_later(game, collector, kept)


def test_with_a_server_that_is_well(game: Any, collector: Collector, tmp_path: Path) -> None:
    """With a server that is well everything has arrived when the game ends, and nothing is left to send."""
    puppet = game(PUPPET, GA_PYGAME_COLLECTOR=collector.url)
    session_id, categories = play(puppet)
    assert eventually(collector.categories)  # connected
    close(puppet)
    assert waiting(outbox(tmp_path / "data")) == []
    stored = collector.export()
    assert [event["category"] for event in stored] == categories
    assert {event["session_id"] for event in stored} == {session_id}
    assert summary(collector.url)["duplicates"] == 0


def test_without_close(game: Any, collector: Collector, tmp_path: Path) -> None:
    """A game that never says `close()` ends its session all the same when the interpreter exits."""
    puppet = game(PUPPET, GA_PYGAME_COLLECTOR=collector.url)
    _, categories = play(puppet)
    assert eventually(collector.categories)
    code, _, error = puppet.end()  # closes its input
    assert (code, error) == (0, "")
    assert collector.categories() == categories
    assert waiting(outbox(tmp_path / "data")) == []


SHORT = """
import ga_pygame
from ga_pygame.delivery.runner import FrameRunner
from ga_pygame.parts import Parts
from ga_pygame.testing import tracker_of
tracker = tracker_of(Parts(runner=FrameRunner))
tracker.start()
tracker.design("exit:short")
tracker.close()
"""
"""A launch whose writer comes to work only at the end."""


def test_session_shorter_than_a_commit(game: Any, collector: Collector, tmp_path: Path) -> None:
    """A session that starts and ends in one transaction has its `session_end`, and one only."""
    assert game(SHORT, GA_PYGAME_COLLECTOR=collector.url).end()[::2] == (0, "")
    game(SEND, GA_PYGAME_COLLECTOR=collector.url).end()
    assert collector.categories() == ["user", "design", "session_end", "user", "session_end"]


def test_cable_pulled_during_a_request(game: Any, collector: Collector, tmp_path: Path) -> None:
    """A network that dies in the middle of a request neither holds up the end nor costs an event."""
    with Cable() as cable, ScriptedServer(healthy, cable.listener()) as server:
        server.script = slow_events
        puppet = game(PUPPET, GA_PYGAME_COLLECTOR=server.url)
        _, categories = play(puppet)
        assert eventually(server.events)  # the first batch is on its way
        cable.pull()
        close(puppet)
        kept = waiting(outbox(tmp_path / "data"))
        assert [event["category"] for event in kept] == categories
        delivered_later(game, collector, kept)
