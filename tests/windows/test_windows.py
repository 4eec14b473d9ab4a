"""Games with a real window, games of other authors and odd folders, with CPython for Windows under Wine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.collectors import Collector
from tests.e2e.conftest import Display, kinds, lengths
from tests.windows.installation import Installation, windows_path

pytestmark = pytest.mark.timeout(300)

EXAMPLE = """
    import ga_pygame
    tracker = ga_pygame.Tracker()
    tracker.start()

    import runpy
    runpy.run_module("pygame.examples.{name}", run_name="__main__")
"""

WINDOW = """
    import time
    import pygame
    import ga_pygame

    pygame.init()
    pygame.display.set_mode((320, 240))
    pygame.display.set_caption("game")
    tracker = ga_pygame.Tracker()
    tracker.start()
    print("open", flush=True)
    clock = pygame.time.Clock()
    running, was = True, True
    since, played = time.perf_counter(), []
    while running:
        running = all(event.type != pygame.QUIT for event in pygame.event.get())
        pygame.display.flip()
        clock.tick(60)
        now, is_focused = time.perf_counter(), pygame.key.get_focused()
        if is_focused != was:
            played += [now - since] if was else []
            was, since = is_focused, now
            print("focused" if is_focused else "away", flush=True)
    played += [time.perf_counter() - since] if was else []
    pygame.quit()
    print("played", *played, flush=True)
"""

SHORT = """
    import sys, time
    beginning = time.perf_counter()
    import pygame
    import ga_pygame
    {before}
    pygame.display.init()
    pygame.display.set_mode((10, 10))
    tracker = ga_pygame.Tracker(build="1", shutdown_timeout=10.0)
    tracker.start()
    for number in range(100):
        tracker.design("n", value=number)
    tracker.flush().wait(20)
    tracker.close()
"""


@pytest.mark.parametrize("example", [("aliens", "Pygame"), ("stars", "Pygame Stars")])
def test_three_lines(
    windows_game: Callable[..., Any],
    display: Display,
    windowed: dict[str, str],
    collector: Collector,
    example: tuple[str, str],
) -> None:
    """A game that ships with pygame-ce, with three lines more, is recorded from its start to its close button."""
    name, title = example
    game = windows_game(EXAMPLE.format(name=name), GA_PYGAME_COLLECTOR=collector.url, **windowed)
    display.window(title)
    time.sleep(2)
    display.close(title)
    code, said = game.end()
    assert (code, "ga_pygame" in said) == (0, False), said
    events = collector.export()
    assert kinds(events) == [(1, "user"), (1, "session_end")]
    assert {event["platform"] for event in events} == {"windows"}
    assert lengths(events)[0] >= 1


def test_window(
    windows_game: Callable[..., Any], display: Display, windowed: dict[str, str], collector: Collector
) -> None:
    """A window that is minimised for less and for more than the timeout is two sessions of the time with the focus."""
    game = windows_game(WINDOW, GA_PYGAME_COLLECTOR=collector.url, GA_PYGAME_PAUSE_TIMEOUT="4", **windowed)
    game.wait_for("open")
    time.sleep(2)
    for away in (1.5, 7):
        display.minimise("game")
        game.wait_for("away")
        time.sleep(away)
        display.focus("game")
        game.wait_for("focused")
        time.sleep(2)
    display.close("game")
    first, second, third = map(float, game.wait_for("played").split())
    assert game.end()[0] == 0
    events = collector.export()
    assert kinds(events) == [(1, "user"), (1, "session_end"), (2, "user"), (2, "session_end")]
    for length, expected in zip(lengths(events), (first + second, third), strict=True):
        assert abs(length - expected) < 1.7, (lengths(events), first, second, third)


@pytest.mark.parametrize(
    "folder", ["Žluťoučký kůň 馬", "/".join(["a folder with a long name " + "x" * 70] * 4)], ids=["names", "long"]
)
def test_folders(windows_game: Callable[..., Any], collector: Collector, tmp_path: Path, folder: str) -> None:
    """A data folder with names that are not ASCII, or with a path over 260 characters, holds outbox and journal."""
    data = tmp_path / folder
    data.mkdir(parents=True)
    game = windows_game(
        SHORT.format(before=""), GA_PYGAME_COLLECTOR=collector.url, GA_PYGAME_DATA_DIR=windows_path(data)
    )
    code, said = game.end()
    assert (code, said) == (0, "")
    assert sorted(event["value"] for event in collector.export() if event["category"] == "design") == list(range(100))
    assert list(data.rglob("outbox*.sqlite3"))


@pytest.mark.parametrize("way", ["pythonw", "cp1252"])
def test_streams(windows_game: Callable[..., Any], collector: Collector, way: str) -> None:
    """A game without standard streams, or with a console that knows 256 characters, is recorded."""
    settings = {"pythonw": ("sys.stdin = sys.stdout = sys.stderr = None", "pythonw.exe"), "cp1252": ("", "python.exe")}
    before, program = settings[way]
    more = {"PYTHONIOENCODING": "cp1252:strict"} if way == "cp1252" else {}
    game = windows_game(SHORT.format(before=before), program=program, GA_PYGAME_COLLECTOR=collector.url, **more)
    assert game.end()[0] == 0
    assert len(collector.export()) == 102


def test_collector(windows: Installation, windows_game: Callable[..., Any], tmp_path: Path) -> None:
    """What a collector under Windows' Python has taken is in its file after TerminateProcess."""
    db = windows_path(tmp_path / "events.sqlite3")
    server = windows_game(
        f"""
        import subprocess, sys
        command = [sys.executable, "-m", "ga_pygame", "collect", "--port", "0", "--no-page", "--db", {db!r}]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
        try:
            print(process.stdout.readline(), flush=True)
            sys.stdin.readline()
        finally:
            process.kill()
            print("code", process.wait(30), flush=True)
        """
    )
    url = server.wait_for("listening on").split()[0]
    game = windows_game(SHORT.format(before=""), GA_PYGAME_COLLECTOR=url)
    code, said = game.end()
    assert (code, said) == (0, "")
    server.say("")
    assert server.wait_for("code") == "1"
    assert server.end()[0] == 0
    exported = windows.run("-m", "ga_pygame", "export", "--db", db, timeout=60)
    assert exported.returncode == 0, exported.stdout
    events = [json.loads(line) for line in exported.stdout.splitlines()]
    assert sorted(event["value"] for event in events if event["category"] == "design") == list(range(100))


def test_workers(windows_game: Callable[..., Any], collector: Collector) -> None:
    """Workers that import the game's module, as Windows starts them, are no players."""
    game = windows_game(
        """
        import multiprocessing
        import pygame
        import ga_pygame

        pygame.display.init()
        pygame.display.set_mode((10, 10))
        tracker = ga_pygame.Tracker(build="1", shutdown_timeout=10.0)
        tracker.start()

        def work(number):
            tracker.design("worked", value=number)
            return number

        if __name__ == "__main__":
            with multiprocessing.Pool(2) as pool:
                print("worked", sum(pool.map(work, range(4))), flush=True)
            tracker.close()
        """,
        GA_PYGAME_COLLECTOR=collector.url,
    )
    assert game.wait_for("worked") == "6"
    assert game.end()[0] == 0
    assert kinds(collector.export()) == [(1, "user"), (1, "session_end")]
