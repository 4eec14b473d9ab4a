"""The demo game from its title to its end."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from demo_game.heroes import HEROES, Hero
from demo_game.levels import Level, load_levels
from demo_game.planner import Planner
from demo_game.world import World
from ga_pygame.rules import WHO_FIELD
from tests.collectors import Collector
from tests.conftest import ROOT
from tests.demo_bot import headless, names, play, silent

__all__ = ["headless", "silent"]


@pytest.mark.parametrize("seed", [1, 3, 4])
def test_the_bot_fails_now_and_then_and_completes_all_levels(seed: int, tmp_path: Path, silent: None) -> None:
    """A report without failures would show nothing."""
    log, score = play(seed, tmp_path)
    called = names(log)
    assert called.count("progression.complete") == 3
    assert called.count("progression.fail") >= 1
    assert called.count("progression.start") == 3 + called.count("progression.fail")
    assert called.count("at") == called.count("progression.fail")
    assert called.count("snapshot_map") == 3
    assert called.count("business") == 1
    assert score > 1000


def test_the_seed_decides_the_game(tmp_path: Path, silent: None) -> None:
    """The bot is reproducible, calls and score; another seed plays another game."""
    first, again, other = (
        play(seed, _made(tmp_path / name), levels=1) for seed, name in ((5, "a"), (5, "b"), (4, "c"))
    )
    assert first == again
    assert first != other


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize("hero", HEROES, ids=lambda hero: hero.name)
@pytest.mark.parametrize("level", load_levels(), ids=lambda level: level.title)
def test_every_class_can_complete_every_level(hero: Hero, level: Level) -> None:
    """No level asks for a double jump."""
    world, planner = World(level, hero), Planner(random.Random(11))
    while world.state != "won" and world.tick < 120 * 180:
        keys = planner.read(world)
        world.step(keys.left, keys.right, keys.jump)
        if world.state == "dead":
            world.respawn()
    assert world.state == "won"


def test_no_display_lets_the_bot_play(tmp_path: Path) -> None:
    """One line says so, and the exit code is 0."""
    hidden = {"DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER", "SDL_AUDIODRIVER", "GA_PYGAME_COLLECTOR"}
    env = {key: value for key, value in os.environ.items() if key not in hidden}
    env["GA_PYGAME_DATA_DIR"] = str(tmp_path)
    command = [sys.executable, "-m", "demo_game", "--levels", "1", "--no-collector"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    if sys.platform.startswith("linux"):
        assert done.stdout.startswith("No display here")


def test_simulated_players_from_the_command_line(tmp_path: Path) -> None:
    """A collector of their own shows what they did; a program that started them need not press Enter."""
    env = {**os.environ, "GA_PYGAME_DATA_DIR": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "HOME": str(tmp_path)}
    env.pop("GA_PYGAME_COLLECTOR", None)
    command = [sys.executable, "-m", "demo_game", "--bot", "--players", "3", "--seed", "5"]
    done = subprocess.run(
        command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "3 players started builds 1.0.0" in done.stdout
    assert "progression" in done.stdout


def test_the_bot_is_no_player(collector: Collector, tmp_path: Path) -> None:
    """A collector can leave out what it plays."""
    env = {**os.environ, "GA_PYGAME_DATA_DIR": str(tmp_path), "GA_PYGAME_COLLECTOR": collector.url}
    env |= {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"}
    command = [sys.executable, "-m", "demo_game", "--bot", "--levels", "1"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    events = collector.export()
    assert {"user", "session_end", "progression"} <= {event["category"] for event in events}
    assert {event["custom_fields"][WHO_FIELD] for event in events} == {"bot"}
