"""Runs samples of the pages, one after the other: JSON in, a JSON list of what went wrong out.

A sample that makes no tracker uses the one that is given; so it is with the other names in `GIVEN`. A game's loop ends
by itself: after some frames with keys and clicks there is a QUIT. Wrong calls raise, since the tracker is strict.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import functools
import io
import json
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pygame

import ga_pygame
from ga_pygame.destinations import Trophy

COLLECTOR = "http://127.0.0.1:8420"
"""The address of a collector on the pages; the test's own takes its place."""
FRAMES = 30
"""Frames of a game before it is told to quit."""
KEYS = (pygame.K_SPACE, pygame.K_RIGHT, pygame.K_DOWN, pygame.K_RETURN)


class _Warnings(logging.Handler):
    """Keeps what the package warns of: a sample must not make it say anything."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@functools.cache
def started_tracker() -> ga_pygame.Tracker:
    """Return the tracker of all samples that make none."""
    tracker = ga_pygame.Tracker(build="1.0")
    tracker.start()
    return tracker


def close_tracker() -> None:
    """Close the tracker of the samples before."""
    if started_tracker.cache_info().currsize:
        started_tracker().close()
        started_tracker.cache_clear()


def caught_error() -> Exception:
    """Return an exception with a traceback."""
    try:
        return ZeroDivisionError(1 // 0)
    except ZeroDivisionError as error:
        return error


GIVEN: dict[str, Callable[[], Any]] = {
    "tracker": started_tracker,
    "screen": lambda: pygame.display.set_mode((320, 240)),
    "error": caught_error,
    "surface": lambda: pygame.Surface((320, 240)),
    "toast": lambda: print,
    "x": lambda: 120,
    "y": lambda: 64,
    "trophy": lambda: Trophy("app_yours.secret", metrics={"progression.complete": "levels"}),
    "pygame": lambda: pygame,
    "ga_pygame": lambda: ga_pygame,
}
"""Names that a sample may use without making them."""


def missing_names(tree: ast.AST) -> set[str]:
    """Return the names that a sample uses and does not make."""
    made: set[str] = set(dir(builtins)) | {"__file__", "__name__"}
    used: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else made).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            made.add(node.name)
        elif isinstance(node, ast.arg):
            made.add(node.arg)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            made |= {(one.asname or one.name).partition(".")[0] for one in node.names}
        elif isinstance(node, ast.ExceptHandler) and node.name:
            made.add(node.name)
    return used - made


class Player:
    """Presses keys and clicks in each frame, and leaves the game after some frames.

    It sits below what a tracker wraps, so it is there for all samples.
    """

    def __init__(self) -> None:
        self.frames = 0
        self._shown = pygame.display.flip
        pygame.display.flip = self.flip

    def flip(self) -> None:
        self._shown()
        self.frames += 1
        key = KEYS[self.frames % len(KEYS)]
        for kind in (pygame.KEYDOWN, pygame.KEYUP):
            pygame.event.post(pygame.event.Event(kind, key=key, mod=0, unicode=""))
        click = {"button": 1, "pos": (10 * self.frames % 320, 120)}
        pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, click))
        if self.frames >= FRAMES:
            pygame.event.post(pygame.event.Event(pygame.QUIT))


def run(sample: dict[str, Any]) -> str:
    """Run a sample in a folder of its own; return what went wrong, "" if nothing."""
    try:
        tree = ast.parse(f"{sample['code']}\n{sample['then']}\n", f"{sample['page']}:{sample['line']}")
        given = missing_names(tree) | ({"tracker"} if "current()" in sample["code"] else set())
        if unknown := given - GIVEN.keys():
            return f"it does not define {', '.join(sorted(unknown))}"
        if "tracker" not in given:
            close_tracker()  # the sample makes its own
        pygame.init()
        names: dict[str, Any] = {"__name__": "__main__"} | {name: GIVEN[name]() for name in given}
        exec(compile(tree, sample["page"], "exec"), names)
        made = names.get("tracker")
        if "tracker" not in given and isinstance(made, ga_pygame.Tracker):
            made.close()
    except BaseException as error:  # noqa: BLE001 - also the end of the program
        return "".join(traceback.format_exception(error, limit=-2))
    return ""


def main() -> None:
    """Run all samples of the standard input."""
    os.environ["GA_PYGAME_STRICT"] = "1"
    warnings = _Warnings()
    logging.getLogger("ga_pygame").addHandler(warnings)
    player, problems = Player(), []
    with tempfile.TemporaryDirectory() as folder:
        page = ""
        for number, sample in enumerate(json.load(sys.stdin)):
            own = Path(folder, str(number))
            own.mkdir()
            os.chdir(own)
            sys.modules["__main__"].__file__ = str(own / "my_game.py")
            for name, text in sample["files"].items():
                (own / name).write_text(text, encoding="utf-8")
            sample["code"] = sample["code"].replace(COLLECTOR, os.environ["GA_PYGAME_COLLECTOR"])
            if (
                sample["page"] != page
            ):  # each has its own, since a launch sends an error only once, and an answer is kept
                close_tracker()
                os.environ["GA_PYGAME_DATA_DIR"] = str(own)
            page, player.frames = sample["page"], 0
            with contextlib.redirect_stdout(io.StringIO()):
                problem = run(sample)
            said, warnings.said = " ".join(warnings.said), []
            if problem or (sample["warning"] not in said if sample["warning"] else said):
                problems.append(f"{page}:{sample['line']}: {problem or said}")
        close_tracker()
        os.chdir("/")
    print(json.dumps(problems))  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
