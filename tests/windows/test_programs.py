"""Odd folders and streams, copies, workers, the collector and its console, with CPython for Windows under Wine."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.collectors import Collector
from tests.conftest import ROOT, eventually
from tests.e2e.conftest import Display, kinds
from tests.e2e.small_disk import disk
from tests.e2e.test_page import counter
from tests.windows.installation import windows_path

pytestmark = pytest.mark.timeout(300)

ENDED_SESSION = ["user", "session_end"]

SHORT = """
    import sys
    import pygame
    import ga_pygame
    {before}
    pygame.display.init()
    pygame.display.set_mode((10, 10))
    tracker = ga_pygame.Tracker(build="1")
    tracker.start()
    for number in range(100):
        tracker.design("n", value=number)
    {later}
    tracker.flush().wait(20)
    tracker.close()
"""


def short(before: str = "", later: str = "") -> str:
    """Return the code of a game of 100 events, with more lines before its start and before its end."""
    return SHORT.format(before=before, later=later)


def values(events: list[dict[str, Any]]) -> list[int]:
    """Return the numbers of the events of such games, in order."""
    return sorted(event["value"] for event in events if event["category"] == "design")


@pytest.mark.parametrize(
    "folder", ["Žluťoučký kůň 馬", "/".join(["a folder with a long name " + "x" * 70] * 4)], ids=["names", "long"]
)
def test_folders(windows_game: Callable[..., Any], collector: Collector, tmp_path: Path, folder: str) -> None:
    """A data folder with names that are not ASCII, or with a path over 260 characters, holds outbox and journal."""
    data = tmp_path / folder
    data.mkdir(parents=True)
    game = windows_game(short(), GA_PYGAME_COLLECTOR=collector.url, GA_PYGAME_DATA_DIR=windows_path(data))
    code, said = game.end()
    assert (code, said) == (0, "")
    assert values(collector.export()) == list(range(100))
    assert list(data.rglob("outbox*.sqlite3"))


@pytest.mark.parametrize("way", ["pythonw", "cp1252"])
def test_streams(windows_game: Callable[..., Any], collector: Collector, way: str) -> None:
    """A game without standard streams, or with a console that knows 256 characters, is recorded."""
    settings = {"pythonw": ("sys.stdin = sys.stdout = sys.stderr = None", "pythonw.exe"), "cp1252": ("", "python.exe")}
    before, program = settings[way]
    more = {"PYTHONIOENCODING": "cp1252:strict"} if way == "cp1252" else {}
    game = windows_game(short(before), program=program, GA_PYGAME_COLLECTOR=collector.url, **more)
    assert game.end()[0] == 0
    assert len(collector.export()) == 102


def test_two_copies(windows_game: Callable[..., Any], collector: Collector) -> None:
    """Two copies of a game that run at once share the outbox: each event arrives once, each copy is a session."""
    wait = 'print("playing", flush=True); sys.stdin.readline()'
    copies = [windows_game(short(later=wait), GA_PYGAME_COLLECTOR=collector.url) for _ in range(2)]
    for copy in copies:
        copy.wait_for("playing")
    for copy in copies:
        copy.say("")
    assert [copy.end() for copy in copies] == [(0, ""), (0, "")]
    events = collector.export()
    assert values(events) == sorted([*range(100)] * 2)
    sessions = [pair for pair in kinds(events) if pair[1] != "design"]
    assert Counter(sessions) == Counter((number, kind) for number in (1, 2) for kind in ENDED_SESSION)


FILL = """
    with open({file!r}, "ab", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            print("full", flush=True)
"""


@pytest.mark.parametrize("state", ["full", "full later", "read-only"])
def test_disks(windows_game: Callable[..., Any], collector: Collector, tmp_path: Path, state: str) -> None:
    """A disk that is full, gets full or cannot be written to costs no event while the collector answers."""
    with disk(tmp_path, 4) as folder:
        fill = f"exec({textwrap.dedent(FILL.format(file=windows_path(folder / 'rest')))!r})"
        if state == "read-only":
            subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        code = {"full": short(before=fill), "full later": short(later=fill), "read-only": short()}[state]
        data = windows_path(folder / "data")
        game = windows_game(code, GA_PYGAME_COLLECTOR=collector.url, GA_PYGAME_DATA_DIR=data)
        if state != "read-only":
            game.wait_for("full")
        code, said = game.end()
        assert code == 0, said
        events = collector.export()
    assert values(events) == list(range(100))
    assert kinds(events)[-1] == (1, "session_end")


COLLECTOR = """
    import subprocess, sys
    options = ["--port", "0", {page} "--db", {db!r}]
    process = subprocess.Popen(
        [sys.executable, "-m", "ga_pygame", "collect", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        creationflags={flags},
    )
    try:
        print(process.stdout.readline(), flush=True)
        {until}
    finally:
        process.kill()
        print("code", process.wait(30), flush=True)
"""


def exported(db: Path) -> list[dict[str, Any]]:
    """Return the events in a collector's file, which Linux can read as well."""
    command = [sys.executable, "-m", "ga_pygame", "export", "--db", str(db)]
    said = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout
    return [json.loads(line) for line in said.splitlines()]


def test_collector(windows_game: Callable[..., Any], browser: Any, tmp_path: Path) -> None:
    """A collector under Windows' Python shows on its page what came, and has it in its file after TerminateProcess."""
    db = tmp_path / "events.sqlite3"
    server = windows_game(COLLECTOR.format(page="", db=windows_path(db), flags=0, until="sys.stdin.readline()"))
    url = server.wait_for("listening on").split()[0]
    game = windows_game(short(), GA_PYGAME_COLLECTOR=url)
    code, said = game.end()
    assert (code, said) == (0, "")
    browser.get(url)
    assert eventually(lambda: counter(browser, "accepted") == 102, 60)
    server.say("")
    assert server.wait_for("code") == "1"
    assert server.end()[0] == 0
    assert values(exported(db)) == list(range(100))


@pytest.mark.parametrize("way", ["Ctrl-C", "closed"])
def test_console(
    windows_game: Callable[..., Any],
    display: Display,
    windowed: dict[str, str],
    tmp_path: Path,
    way: str,
) -> None:
    """Ctrl-C in the console of a collector ends it in order; its file is whole also if the window is closed."""
    db = tmp_path / "events.sqlite3"
    code = COLLECTOR.format(
        page='"--no-page",', db=windows_path(db), flags="subprocess.CREATE_NEW_CONSOLE", until="process.wait(60)"
    )
    server = windows_game(code, **windowed)
    url = server.wait_for("listening on").split()[0]
    assert windows_game(short(), GA_PYGAME_COLLECTOR=url).end() == (0, "")
    display.focus("Z:")  # the title of a console is the path of its program
    if way == "Ctrl-C":
        display.press("ctrl+c")
    else:
        display.close("Z:")
    assert server.wait_for("code") == "0"
    assert server.end()[0] == 0
    left = {path.name for path in tmp_path.glob("events.sqlite3*")}
    assert left == {"events.sqlite3"} or way == "closed"
    assert values(exported(db)) == list(range(100))


def test_demo(windows_game: Callable[..., Any], tmp_path: Path) -> None:
    """The demo's bot plays for three players, with a collector beside it."""
    game = windows_game(
        """
        import sys
        from demo_game.__main__ import main
        sys.exit(main(["--bot", "--players", "3", "--seed", "5"]))
        """,
        LOCALAPPDATA=windows_path(tmp_path),
    )
    code, said = game.end(100)
    assert code == 0, said
    assert "3 players started builds 1.0.0" in said


def test_workers(windows_game: Callable[..., Any], collector: Collector) -> None:
    """Workers that import the game's module, as Windows starts them, are no players."""
    game = windows_game(
        """
        import multiprocessing
        import pygame
        import ga_pygame

        pygame.display.init()
        pygame.display.set_mode((10, 10))
        tracker = ga_pygame.Tracker(build="1")
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
    assert [kind for _, kind in kinds(collector.export())] == ENDED_SESSION
