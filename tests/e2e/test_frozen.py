"""Games built into executables deliver their events, as they do from source."""

from __future__ import annotations

import collections
import contextlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ga_pygame.rules import WHO_FIELD
from tests.collectors import Collector
from tests.conftest import ROOT

FRAMES = 40
GAME = f"""
import pygame
import ga_pygame

tracker = ga_pygame.Tracker()
tracker.start()
pygame.init()
screen = pygame.display.set_mode((160, 120))
clock = pygame.time.Clock()
tracker.progression.start("forest", "level_1")
for frame in range({FRAMES}):
    for event in pygame.event.get():
        pass
    tracker.design("frame:shown", value=frame)
    pygame.display.flip()
    clock.tick(60)
tracker.progression.complete("forest", "level_1", score=7)
pygame.quit()
"""
DELIVERED = {"user": 1, "design": FRAMES, "progression": 2, "session_end": 1}


class Tool(NamedTuple):
    """A tool that makes executables.

    Attributes:
        module: What has to be installed.
        command: Its command line, given the script and a folder.
        executable: Where the executable is in that folder.
        needs: Programs that it runs.
    """

    module: str
    command: Callable[[Path, Path], list[str]]
    executable: str
    needs: tuple[str, ...] = ()


PYINSTALLER = Tool(
    "PyInstaller",
    lambda script, folder: [
        *("--noconfirm", "--log-level=WARN", f"--paths={ROOT}", f"--specpath={folder}"),
        f"--additional-hooks-dir={ROOT / 'ga_pygame' / 'freezing'}",  # as the wheel's entry point says
        "--exclude-module=numpy",  # pygame can do without, and its 46 MB take seconds
        *(f"--distpath={folder / 'dist'}", f"--workpath={folder / 'work'}", str(script)),
    ],
    "dist/tiny/tiny",
)
CX_FREEZE = Tool(
    "cx_Freeze",
    lambda script, folder: ["build", f"--script={script}", f"--build-exe={folder / 'dist'}"],
    "dist/tiny",
    ("patchelf",),
)
NUITKA = Tool(
    "nuitka",
    # The game and ga_pygame only: how compiled code behaves is what could differ; copying the rest takes an hour.
    lambda script, folder: [
        *("--follow-import-to=ga_pygame", "--lto=no", "--assume-yes-for-downloads"),
        *(f"--output-dir={folder}", str(script)),
    ],
    "tiny.bin",
    ("gcc",),
)


def build(tool: Tool, folder: Path) -> Path:
    """Build the game; skip if the tool is missing."""
    if importlib.util.find_spec(tool.module) is None:
        pytest.skip(f"{tool.module} is not installed")
    for name in ("typing", "dataclasses", "enum34", "pathlib") if tool is PYINSTALLER else ():
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            importlib.metadata.distribution(name)
            pytest.skip(f"an old copy of {name} is installed, with which PyInstaller refuses to work: remove it")
    if missing := [program for program in tool.needs if shutil.which(program) is None]:
        pytest.skip(f"{tool.module} needs {', '.join(missing)}")
    script = folder / "tiny.py"
    script.write_text(GAME)
    done = subprocess.run(
        [sys.executable, "-m", tool.module, *tool.command(script, folder)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CFLAGS": "-O0"},  # of the compiler: a third of the time
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / tool.executable


def check(tool: Tool, collector: Collector, folder: Path) -> None:
    """Build, play without a display, and check the events that arrived."""
    executable = build(tool, folder)
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "GA_PYGAME_GAME"}}
    done = subprocess.run(
        [executable],
        cwd=folder,
        env={**kept, "GA_PYGAME_COLLECTOR": collector.url, "GA_PYGAME_SHUTDOWN_TIMEOUT": "20"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert collections.Counter(collector.categories()) == DELIVERED
    assert not [event for event in collector.export() if WHO_FIELD in event.get("custom_fields", {})], "a player's"
    assert [path.name for path in (folder / "data").iterdir()] == ["collector-tiny"]


@pytest.mark.timeout(600)
def test_pyinstaller(collector: Collector, tmp_path: Path) -> None:
    """The most used of them."""
    check(PYINSTALLER, collector, tmp_path)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("tool", [CX_FREEZE, NUITKA], ids=["cx_Freeze", "Nuitka"])
def test_other_builders(tool: Tool, collector: Collector, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """One copies, the other compiles ga_pygame to C: minutes."""
    if not pytestconfig.getoption("--long", False):
        pytest.skip("takes minutes: with --long only")
    check(tool, collector, tmp_path)


WINDOWED = """
import sys
sys.stdout = sys.stderr = None
import pygame
import ga_pygame
pygame.init()
pygame.display.set_mode((64, 48))
tracker = ga_pygame.Tracker()
tracker.start()
tracker.design("a#b")
tracker.progression.complete(None)
tracker.tick()
tracker.design("a:b")
tracker.flush().wait(20)
raise ZeroDivisionError("ours")
"""


def test_a_game_without_a_terminal(game: Any, collector: Collector) -> None:
    """A windowed build has neither stdout nor stderr; what the tracker would say there is left out."""
    code, _, _ = game(WINDOWED, GA_PYGAME_COLLECTOR=collector.url, GA_PYGAME_SHUTDOWN_TIMEOUT="20").end()
    assert code == 1
    assert collections.Counter(collector.categories()) == {"user": 1, "design": 1, "error": 1, "session_end": 1}
