"""A whole game with keys of its own, and collectors that know or do not know it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.collectors import Collector
from tests.conftest import eventually
from tests.e2e.games import CLOSE, PUPPET

KEY = "0123456789abcdef" * 2
SECRET = "fedcba98" * 5
OTHER = f"{'c3' * 16}:{'d4' * 20}"
KEYS = {"GA_PYGAME_GAME_KEY": KEY, "GA_PYGAME_SECRET_KEY": SECRET, "GA_PYGAME_STARTUP_TIMEOUT": "0"}


@pytest.fixture
def collect(tmp_path: Path) -> Iterator[Callable[..., Collector]]:
    """Return a function that starts collectors."""
    started: list[Collector] = []

    def start(*options: str) -> Collector:
        started.append(Collector(tmp_path, *options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def play(game: Any, collector: Collector, **environment: str) -> str:
    """Play a game that reports once; return its messages to its developer."""
    puppet = game(PUPPET, GA_PYGAME_COLLECTOR=collector.url, **{**KEYS, **environment})
    puppet.wait_for("started")
    for line in ("tracker.design('count:test', 1)", "print('flushed', tracker.flush().wait(10))"):
        puppet.say(line)
        puppet.wait_for("done")
    puppet.say(CLOSE)
    puppet.wait_for("closed")
    code, _, error = puppet.end()
    assert code == 0, error
    return str(error)


def test_on_loopback_it_is_taken(game: Any, collect: Callable[..., Collector]) -> None:
    """Its events arrive; the terminal says once that signatures are not checked, and shows no secret."""
    collector = collect()
    assert "401" not in play(game, collector)
    eventually(lambda: collector.categories()[-1:] == ["session_end"])
    assert collector.categories() == ["user", "design", "session_end"]
    assert collector.said().count("signatures are not checked") == 1
    assert SECRET not in collector.said()


def test_beyond_loopback_it_must_be_named(game: Any, collect: Callable[..., Collector]) -> None:
    """It gets 401, which game and terminal say with what to do."""
    collector = collect("--host", "0.0.0.0")
    said = play(game, collector)
    assert "401" in said
    assert SECRET not in said
    assert collector.categories() == []
    assert f"--game {KEY}:SECRET_KEY" in collector.said()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_only_named_games(game: Any, collect: Callable[..., Collector], host: str) -> None:
    """A collector that was told another game refuses it; one that was told this game checks and takes it."""
    refusing = collect("--host", host, "--game", OTHER)
    play(game, refusing)
    assert refusing.categories() == []
    assert f"--game {KEY}:SECRET_KEY" in refusing.said()
    refusing.stop()
    taking = collect("--host", host, "--game", f"{KEY}:{SECRET}")
    play(game, taking)
    eventually(lambda: taking.categories().count("session_end") == 2)
    assert taking.categories().count("design") == 2
    assert taking.said() == ""


@pytest.mark.parametrize("key", ["*", KEY])
def test_switched_off_by_the_settings_file(
    game: Any, collect: Callable[..., Collector], tmp_path: Path, key: str
) -> None:
    """`enabled: false` in the collector's settings stops a whole game, which says so once."""
    settings = tmp_path / "settings.json"
    settings.write_text(f'{{"{key}": {{"enabled": false}}}}')
    collector = collect("--configs", str(settings))
    said = play(game, collector)
    assert said.count("enabled: false") == 1
    assert collector.categories() == []
