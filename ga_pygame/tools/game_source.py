"""The game that a command runs: how, where, and whether it has a tracker."""

from __future__ import annotations

import ast
import os
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from ga_pygame.tools.printing import ToolError

MAX_FILES_SEARCHED = 2_000
"""Python files of a game that are searched for the tracker."""
MAX_SOURCE_BYTES = 2 * 2**20
"""Bytes of a file that is searched."""
SKIPPED_FOLDERS = frozenset({"venv", "env", "node_modules", "site-packages", "__pycache__", "build", "dist"})
"""Folders without the game's own files, beside those whose name begins with a dot."""
THREE_LINES = """\
import ga_pygame

tracker = ga_pygame.Tracker(build="0.1")
tracker.start()
"""
"""What a game needs."""


@dataclass(frozen=True, slots=True)
class GameSource:
    """A game as its author runs it.

    Attributes:
        name: Its name for messages.
        command: What runs it.
        cwd: The working folder; `None` means the present one.
        folder: The folder with its files.
        main: Its main file; `None` if a module has none that can be found.
    """

    name: str
    command: tuple[str, ...]
    cwd: Path | None
    folder: Path
    main: Path | None

    def missing_lines(self) -> str:
        """Return the lines that the game lacks with the place for them; "" if one of its files imports ga_pygame."""
        if self.main is None or any("ga_pygame" in text for text in _texts(self.folder)):
            return ""
        return self._lines(self.main)

    def lines_for_main(self) -> str:
        """Return the lines for the main file if it has none itself, whatever the other files of the folder have."""
        if self.main is None or "ga_pygame" in (source_text(self.main) or ""):
            return ""
        return self._lines(self.main)

    def _lines(self, main: Path) -> str:
        place, indent = _place_of_lines(main)
        return f"\nAdd these lines to {main}{place}:\n\n{textwrap.indent(THREE_LINES, indent)}"


def find_game(words: Sequence[str], *, is_module: bool) -> GameSource:
    """Return the game of a command line: a file, a folder with `main.py` or, with `is_module`, a module.

    A folder is the working folder of its game, since a game finds its pictures there.

    Raises:
        ToolError: There is none.
    """
    if not words:
        raise ToolError("name the game: dev my_game.py, dev my_folder, or dev -m my_package")
    name, arguments = words[0], tuple(words[1:])
    if is_module:
        main = _module_file(name)
        folder = main.parent if main is not None else Path.cwd()
        return GameSource(name, (sys.executable, "-m", name, *arguments), None, folder, main)
    path = Path(name)
    if path.is_dir():
        found = [path / one for one in ("main.py", "__main__.py") if (path / one).is_file()]
        if not found:
            raise ToolError(f"the folder {name} has no main.py: name the file that starts the game")
        return GameSource(name, (sys.executable, found[0].name, *arguments), path, path, found[0])
    if not path.is_file():
        raise ToolError(f"there is no file {name}")
    return GameSource(name, (sys.executable, name, *arguments), None, path.absolute().parent, path)


def _module_file(name: str) -> Path | None:
    """Return the file that `python -m` runs.

    Raises:
        ToolError: There is no such module.
    """
    spec = _found_module(name)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = _found_module(f"{name}.__main__")
    if spec is None:
        raise ToolError(f"there is no module {name} that python -m can run, seen from this folder")
    return Path(spec.origin) if spec.origin and spec.has_location else None


def _found_module(name: str) -> ModuleSpec | None:
    """Find a module as `python -m` does, without running the packages in which it is, as `find_spec` would."""
    folders: Sequence[str] | None = [os.getcwd(), *sys.path]
    spec = None
    parts = name.split(".")
    for place in range(len(parts)):
        if folders is None:
            return None
        try:
            spec = PathFinder.find_spec(".".join(parts[: place + 1]), folders)
        except (ImportError, ValueError, OSError):
            return None
        if spec is None:
            return None
        folders = spec.submodule_search_locations
    return spec


def _texts(folder: Path) -> Iterator[str]:
    """Yield the texts of the Python files of a folder."""
    return (text for path in source_files(folder) if (text := source_text(path)) is not None)


def source_files(folder: Path) -> Iterator[Path]:
    """Yield the Python files of a game's folder, at most `MAX_FILES_SEARCHED`."""
    searched = 0
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(one for one in folders if one not in SKIPPED_FOLDERS and not one.startswith("."))
        for file in sorted(files):
            path = Path(where, file)
            if path.suffix in (".py", ".pyw"):
                yield path
                searched += 1
            if searched >= MAX_FILES_SEARCHED:
                return


def source_text(path: Path) -> str | None:
    """Read a source file; `None` if that is impossible."""
    try:
        return path.read_bytes()[:MAX_SOURCE_BYTES].decode("utf-8", "replace")
    except OSError:
        return None


def _place_of_lines(main: Path) -> tuple[str, str]:
    """Return where the three lines belong, and their indentation there.

    That is after `pygame.init()` or the first window, which most games call in a function, else after the imports.
    """
    text = source_text(main) or ""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return "", ""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for wanted in ("pygame.init", "pg.init", "display.set_mode"):
        for call in calls:
            if ast.unparse(call.func).endswith(wanted):
                line = text.splitlines()[call.lineno - 1]
                indent = line[: len(line) - len(line.lstrip())]
                return f" after line {call.end_lineno}, `{line.strip()}`", indent
    imports = [node.lineno for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return (f" after line {max(imports)}, below the imports" if imports else " at its top"), ""
