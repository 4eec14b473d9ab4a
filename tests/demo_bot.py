"""Lets the demo game's bot play without a display and records the tracker's calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pygame
import pytest

from demo_game.art import font
from demo_game.bot import Bot
from demo_game.game import Game, Options


class Recorder:
    """A stand-in for a tracker: it records every call and returns itself."""

    def __init__(self, path: str = "", log: list[Any] | None = None) -> None:
        self._path = path
        self.log: list[Any] = [] if log is None else log

    def __getattr__(self, name: str) -> Recorder:
        return Recorder(f"{self._path}.{name}".lstrip("."), self.log)

    def __call__(self, *args: Any, **fields: Any) -> Any:
        if self._path == "remote_configs.bind":
            return args[0]()  # no service has changed a value
        if not self._path.endswith("connect"):
            self.log.append((self._path, *(repr(a) for a in args if not isinstance(a, Exception)), fields))
        return Recorder(self._path, self.log)

    def __setitem__(self, key: object, value: object) -> None:
        self.log.append((self._path, key, value))


def play(seed: int, tmp_path: Path, levels: int = 3) -> tuple[list[Any], int]:
    """Let the bot play; return the calls and the score."""
    recorder: Any = Recorder()
    game = Game(recorder, Options(Bot(seed), tmp_path / "save.json", seed, levels, fast=True, pauses_unfocused=False))
    game.run()
    return recorder.log, game.run_state.score


@pytest.fixture(autouse=True)
def headless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("SDL_AUDIODRIVER", "dummy")
    font.cache_clear()  # another test may have called pygame.quit(), which ends the fonts of before


@pytest.fixture
def silent(headless: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Play without an audio device; so the game need not compute its sounds."""
    pygame.mixer.quit()
    monkeypatch.setenv("SDL_AUDIODRIVER", "no such driver")


def names(log: list[Any]) -> list[str]:
    return [entry[0] for entry in log]
