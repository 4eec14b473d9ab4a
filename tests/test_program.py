"""The name and the data folder of a game, with and without keys."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ga_pygame import Config, program
from ga_pygame.config import SANDBOX_GAME_KEY, SANDBOX_SECRET_KEY, data_folder
from ga_pygame.destinations import JsonLines
from tests.test_wiring import outbox_path

ROOT = Path(__file__).parent.parent


def folder_of(config: Config, key: str) -> Path:
    folder = data_folder(config, key)
    assert folder is not None
    return folder


SAY = "from ga_pygame import program\nprint(program.name())\n"


def name_of(*command: str, cwd: Path) -> str:
    """Return the name of a game that is started like this."""
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=True, cwd=cwd, env={"PYTHONPATH": str(ROOT)}
    )
    return done.stdout.strip()


@pytest.mark.e2e
def test_each_script_has_its_own_name_at_each_launch(tmp_path: Path) -> None:
    """However it is started; a file with a name that says nothing is called as its folder."""
    for place in ("a/pong.py", "b/pong.py", "snake/main.py", "kart/__main__.py", "kart/__init__.py", "c d/Ü.py"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text(SAY if "__init__" not in place else "")
    first = name_of("a/pong.py", cwd=tmp_path)
    assert first.startswith("pong-")
    assert name_of(str(tmp_path / "a" / "pong.py"), cwd=ROOT) == first
    assert name_of("pong.py", cwd=tmp_path / "a") == first
    (tmp_path / "link.py").symlink_to(tmp_path / "a" / "pong.py")
    assert name_of("link.py", cwd=tmp_path) == first
    second = name_of("b/pong.py", cwd=tmp_path)
    assert second.startswith("pong-")
    assert second != first
    assert name_of("snake/main.py", cwd=tmp_path).startswith("snake-")
    kart = name_of("-m", "kart", cwd=tmp_path)
    assert kart.startswith("kart-")
    assert name_of("kart", cwd=tmp_path).startswith("kart-")
    assert name_of("c d/Ü.py", cwd=tmp_path).startswith("_-")


@pytest.mark.e2e
def test_without_a_file_the_folder_tells(tmp_path: Path) -> None:
    """`python -c`, an interactive session, a notebook."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    assert name_of("-c", SAY, cwd=here) == name_of("-c", SAY, cwd=here)
    assert name_of("-c", SAY, cwd=here) != name_of("-c", SAY, cwd=there)


def test_an_executable_is_known_by_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its place differs with each version that a player unpacks, and with each launch of some systems."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    for folder in ("1.0", "1.1"):
        monkeypatch.setattr(sys, "executable", str(tmp_path / folder / "Sky Hopper.exe"))
        assert program.name() == "Sky_Hopper"


KEYS = {"game_key": "0123456789abcdef" * 2, "secret_key": "0123456789" * 4}
SANDBOX = {"game_key": SANDBOX_GAME_KEY, "secret_key": SANDBOX_SECRET_KEY}
TO_COLLECTOR: dict[str, Any] = {"collector": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    "knobs",
    [TO_COLLECTOR, SANDBOX, {**SANDBOX, **TO_COLLECTOR}, {"destinations": [JsonLines("x")]}],
    ids=["collector", "sandbox", "both", "destinations"],
)
def test_games_without_keys_of_their_own_have_a_folder_each(knobs: dict[str, Any], tmp_path: Path) -> None:
    """Neither the player's id nor the events that wait are another game's."""
    folders = {outbox_path(Config(data_dir=tmp_path, game=game, **knobs)).parent for game in (None, "pong", "snake")}
    assert len(folders) == 3
    assert {folder.parent for folder in folders} == {tmp_path}


def test_what_goes_to_a_collector_stays_there(tmp_path: Path) -> None:
    """Sandbox, collector and other services are not mixed, whatever the game is called."""
    found = [
        folder_of(Config(data_dir=tmp_path, game="pong", **knobs), key).name
        for knobs, key in ((TO_COLLECTOR, SANDBOX_GAME_KEY), ({}, SANDBOX_GAME_KEY), ({}, "game"))
    ]
    assert found == ["collector-pong", "sandbox-pong", "game-pong"]


def test_keys_tell_a_game(tmp_path: Path) -> None:
    """The same folder wherever the game lies and whatever it is called: a player may move it."""
    config = Config(data_dir=tmp_path, game="pong", **KEYS)  # type: ignore[arg-type]
    assert data_folder(config, KEYS["game_key"]) == tmp_path / KEYS["game_key"]
