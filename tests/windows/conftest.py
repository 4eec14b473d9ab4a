"""Games and collectors under Wine, and the display that their windows are on."""

from __future__ import annotations

import contextlib
import os
import shutil
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Display, browser, chromium, display, x_server
from tests.windows.installation import FOLDER_VARIABLE, Installation, Output, default_folder, windows_path

__all__ = ["browser", "chromium", "display", "x_server"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder: they start processes."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.e2e)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the number of rounds."""
    with contextlib.suppress(ValueError):  # tests/e2e has the same option
        parser.addoption("--long", action="store_true", help="play 60 rounds instead of 4 in each test of kills")


@pytest.fixture(scope="session")
def windows() -> Installation:
    """Return CPython for Windows, which `python -m tests.windows` sets up."""
    found = Installation(default_folder())
    if FOLDER_VARIABLE not in os.environ or not found.is_complete():
        pytest.skip("is run by: python -m tests.windows")
    found.start_wine()
    return found


@pytest.fixture(scope="session")
def own_prefix(windows: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a prefix of the worker's own: a running Wine keeps the display, or the lack of one, that it began with."""
    prefix = tmp_path_factory.mktemp("wine") / "prefix"
    shutil.copytree(windows.prefix, prefix, symlinks=True)
    windows.start_wine(prefix)
    yield prefix
    windows.stop_wine(prefix)


@pytest.fixture
def windowed(own_prefix: Path, display: Display) -> dict[str, str]:
    """Return the environment variables of a game that has a real window."""
    return {"WINEPREFIX": str(own_prefix), "DISPLAY": display.name, "SDL_VIDEODRIVER": "windows"}


class WindowsGame:
    """A script that runs with CPython for Windows under Wine.

    Args:
        windows: The installation.
        script: Its file; outbox and journal go into a folder beside it. It may take its time to send all at its end.
        environment: More environment variables.
        options: As `Installation.command` has them.
    """

    def __init__(self, windows: Installation, script: Path, environment: dict[str, str], **options: Any) -> None:
        folder = windows_path(script.parent / "data")
        whole = {"GA_PYGAME_GAME": "tests", "GA_PYGAME_DATA_DIR": folder, "GA_PYGAME_SHUTDOWN_TIMEOUT": "20"}
        self.process = windows.start(windows_path(script), environment={**whole, **environment}, **options)
        self._output = Output(self.process)

    def wait_for(self, word: str) -> str:
        """Read its output up to a line that begins with `word`; return the rest of that line."""
        seen = []
        for line in self._output.lines():
            if line.startswith(word):
                return line[len(word) :].strip()
            seen.append(line)
        raise AssertionError(f"the game ended without {word!r}; it said {''.join(seen)}")

    def say(self, line: str) -> None:
        """Send a line to its input."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def end(self, timeout: float = 60.0) -> tuple[int, str]:
        """Wait until it ends; return its exit code and what it said since the last reading."""
        code = self._output.end(timeout)
        return code, "".join(self._output.lines())

    def kill(self) -> None:
        """End it if it still runs."""
        self._output.__exit__()


@pytest.fixture
def windows_game(windows: Installation, tmp_path: Path) -> Iterator[Callable[..., WindowsGame]]:
    """Return a function that starts scripts under Wine: `windows_game(code, NAME="value", …)`."""
    started: list[WindowsGame] = []

    def start(code: str, *, program: str = "python.exe", desktop: bool = False, **environment: str) -> WindowsGame:
        script = tmp_path / f"game_{len(started)}.py"
        script.write_text(textwrap.dedent(code), "utf-8")
        started.append(WindowsGame(windows, script, environment, program=program, desktop=desktop))
        return started[-1]

    yield start
    for one in started:
        one.kill()
