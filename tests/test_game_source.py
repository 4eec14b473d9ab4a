"""The game that `dev` runs, and the three lines that it lacks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ga_pygame.tools import game_source
from ga_pygame.tools.game_source import THREE_LINES, find_game
from ga_pygame.tools.printing import ToolError

WITH_INIT = "import pygame\n\nif True:\n    pygame.init()\nscreen = pygame.display.set_mode((9, 9))\n"
PLACES = {
    "after pygame.init()": (WITH_INIT, " after line 4, `pygame.init()`", "    "),
    "a short name": ("import pygame as pg\npg.init()\n", " after line 2, `pg.init()`", ""),
    "the window": (
        "import pygame.display\nscreen = pygame.display.set_mode((9, 9))\n",
        " after line 2, `screen = pygame.display.set_mode((9, 9))`",
        "",
    ),
    "a call of several lines": (
        "import pygame\n\ndef main():\n\tpygame.display.set_mode(\n\t\t(9, 9)\n\t)\n",
        " after line 6, `pygame.display.set_mode(`",
        "\t",
    ),
    "the imports": ("import os\nimport game.rest\n\ngame.rest.play()\n", " after line 2, below the imports", ""),
    "nothing": ("print(1)\n", " at its top", ""),
    "no Python": ("import (\n", "", ""),
}


@pytest.mark.parametrize("name", PLACES)
def test_where_the_three_lines_belong(tmp_path: Path, name: str) -> None:
    """The place is a line of the main file, and the lines have its indentation, so that they can be pasted."""
    text, place, indent = PLACES[name]
    main = tmp_path / "game.py"
    main.write_text(text)
    lines = "".join(f"{indent}{line}" if line.strip() else line for line in THREE_LINES.splitlines(keepends=True))
    assert find_game([str(main)], is_module=False).missing_lines() == f"\nAdd these lines to {main}{place}:\n\n{lines}"


def test_a_game_that_has_them_in_any_of_its_files(tmp_path: Path) -> None:
    """Not in a virtual environment beside it."""
    main = tmp_path / "main.py"
    main.write_text("import rest.stats\n")
    other = tmp_path / "venv" / "lib" / "ga_pygame.py"
    other.parent.mkdir(parents=True)
    other.write_text("import ga_pygame\n")
    assert find_game([str(tmp_path)], is_module=False).missing_lines()
    (tmp_path / "rest").mkdir()
    (tmp_path / "rest" / "stats.py").write_text("import ga_pygame\n")
    assert find_game([str(tmp_path)], is_module=False).missing_lines() == ""


def test_how_it_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As its author runs it; a folder is the working folder of its game."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "game.py").write_text("")
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "main.py").write_text("")
    (tmp_path / "odd_package").mkdir()
    (tmp_path / "odd_package" / "__init__.py").write_text("")
    (tmp_path / "odd_package" / "__main__.py").write_text("")
    file = find_game(["game.py", "--level", "3"], is_module=False)
    assert (file.command, file.cwd) == ((sys.executable, "game.py", "--level", "3"), None)
    folder = find_game(["whole", "-x"], is_module=False)
    assert (folder.command, folder.cwd) == ((sys.executable, "main.py", "-x"), Path("whole"))
    package = find_game(["odd_package", "a b"], is_module=True)
    assert (package.command, package.cwd) == ((sys.executable, "-m", "odd_package", "a b"), None)
    assert package.main == tmp_path / "odd_package" / "__main__.py"


def test_a_package_is_not_run_to_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its `__init__` may open a window, or fail; that is for the game's process. Modules within packages are found."""
    monkeypatch.chdir(tmp_path)
    inner = tmp_path / "noisy_package" / "inner"
    inner.mkdir(parents=True)
    for folder in (inner.parent, inner):
        (folder / "__init__.py").write_text("raise RuntimeError('it ran')")
        (folder / "__main__.py").write_text("")
    (inner / "game.py").write_text("")
    found = {
        "noisy_package": inner.parent / "__main__.py",
        "noisy_package.inner": inner / "__main__.py",
        "noisy_package.inner.game": inner / "game.py",
    }
    for name, main in found.items():
        assert find_game([name], is_module=True).main == main
    for name in ("noisy_package.nothing", "noisy_package.inner.game.more", "noisy_package..game", ".noisy_package"):
        with pytest.raises(ToolError, match="there is no module"):
            find_game([name], is_module=True)


@pytest.mark.parametrize(
    ("words", "is_module", "why"),
    [
        ([], False, "name the game"),
        (["nothing.py"], False, "there is no file nothing.py"),
        (["."], False, "has no main.py"),
        (["no.such"], True, "there is no module no.such"),
        (["bad name"], True, "there is no module bad name"),
    ],
)
def test_a_game_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], is_module: bool, why: str
) -> None:
    """It is said what to name."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ToolError, match=why):
        find_game(words, is_module=is_module)


def test_a_large_project_is_searched_in_bounded_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files beyond the bound are not read."""
    monkeypatch.setattr(game_source, "MAX_FILES_SEARCHED", 3)
    for number in range(5):
        (tmp_path / f"file_{number}.py").write_text("")
    (tmp_path / "main.py").write_text("import ga_pygame\n")  # the sixth by name
    assert find_game([str(tmp_path)], is_module=False).missing_lines()
