"""`ga_pygame dev`: games that are run with a collector beside them, as a developer does it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ga_pygame.tools.dev import _Saves
from tests.collectors import Collector
from tests.collectors import event as any_event

pytestmark = pytest.mark.e2e

PLAYED = """
import os, sys
import pygame
import ga_pygame

pygame.init()
pygame.display.set_mode((64, 48))
tracker = ga_pygame.Tracker(build="0.1")
tracker.start()
tracker.progression.start("forest", "1")
tracker.progression.complete("forest", "1", score=900)
tracker.business("USD", 499, "pack", "gold")
tracker.close()
print("played", sys.argv[1:], os.getcwd(), flush=True)
sys.exit(3)
"""
WAITING = """
import sys, time
try:
    print("waits", flush=True)
    while True:
        time.sleep(0.05)
except KeyboardInterrupt:
    print("bye", flush=True)
    sys.exit(5)
"""


UNTIL_A_FILE = """
import os, time
print("plays", flush=True)
while not os.path.exists("end"):
    time.sleep(0.05)
raise SystemExit(4)
"""


def begin(folder: Path, *arguments: str, port: int = 0) -> subprocess.Popen[str]:
    """Start the command in a folder, in a process group of its own as a terminal does."""
    return subprocess.Popen(
        [sys.executable, "-m", "ga_pygame", "dev", "--no-browser", "--port", str(port), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    try:
        out, error = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return process.returncode, out, error


def read_until(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    assert any(line.startswith(word) for line in process.stdout)


def words_of(lines: Sequence[str]) -> list[list[str]]:
    return [line.split() for line in lines]


def test_a_game_with_its_events_in_the_terminal(tmp_path: Path) -> None:
    """Arguments, folder and exit code are the game's; each event is a line; a second game is told its three lines."""
    (tmp_path / "game.py").write_text(PLAYED)
    code, out, error = end(begin(tmp_path, "game.py", "--level", "3"))
    assert code == 3, error
    lines = out.splitlines()
    assert f"played ['--level', '3'] {tmp_path}" in lines
    told = words_of([line for line in lines if line.startswith("  ")])
    assert ["user", "session", "starts"] in told
    assert ["progression", "Complete:forest:1", "900"] in told
    assert ["business", "pack:gold", "4.99", "USD"] in told
    assert told[-1][:3] == ["session_end", "session", "ends"]
    assert "the collector's page: http://127.0.0.1:" in error
    assert "exit code 3; 5 events came" in error
    assert "python -m ga_pygame stats" in error.splitlines()[-1]

    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "main.py").write_text("import pygame\npygame.init()\nprint('played')\n")
    code, out, error = end(begin(tmp_path, "other"))
    assert (code, out.splitlines()[-1]) == (0, "played")
    assert "other/main.py after line 2, `pygame.init()`:" in out
    assert "tracker.start()" in out


def test_ctrl_c_is_the_games(tmp_path: Path) -> None:
    """The terminal sends it to both; the command waits for the game, and its exit code is the game's."""
    (tmp_path / "game.py").write_text(WAITING)
    process = begin(tmp_path, "game.py")
    read_until(process, "waits")
    os.killpg(process.pid, signal.SIGINT)
    code, out, error = end(process)
    assert (code, out.splitlines()) == (5, ["bye"]), error


def test_the_game_ends_with_the_command(tmp_path: Path) -> None:
    """Whoever ends the command alone, as `timeout` or an editor does, leaves no game behind."""
    (tmp_path / "game.py").write_text(f"import os\nprint('pid', os.getpid(), flush=True)\n{WAITING}")
    process = begin(tmp_path, "game.py")
    assert process.stdout is not None
    game = int(next(line for line in process.stdout if line.startswith("pid")).split()[1])
    read_until(process, "waits")
    process.terminate()
    code, _, error = end(process)
    assert code == 128 + signal.SIGTERM, error
    with pytest.raises(ProcessLookupError):
        os.kill(game, 0)


def test_a_saved_file_starts_the_game_again(tmp_path: Path) -> None:
    """Also one that fails, until it ends well."""
    game = tmp_path / "game.py"
    game.write_text(WAITING)
    process = begin(tmp_path, "--reload", "game.py")
    read_until(process, "waits")
    game.write_text("print('fails', flush=True)\nraise SystemExit(7)\n")
    read_until(process, "fails")
    assert process.stderr is not None
    assert any("exit code 7; it starts again when a file is saved" in line for line in process.stderr)
    game.write_text("print('works', flush=True)\n")
    code, out, _ = end(process)
    assert (code, out.splitlines()) == (0, ["works"])


def test_a_folder_that_cannot_be_watched_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a line; the game goes on."""
    saves = _Saves(tmp_path / "gone")
    saves.close()
    assert not saves.take()
    assert "saves are not seen" in capsys.readouterr().err


def test_one_ctrl_c_ends_a_wait_for_a_save(tmp_path: Path) -> None:
    """There is no game to which it could be left."""
    (tmp_path / "game.py").write_text("def (:\n")
    process = begin(tmp_path, "--reload", "game.py")
    assert process.stderr is not None
    assert any("it starts again when a file is saved" in line for line in process.stderr)
    os.killpg(process.pid, signal.SIGINT)
    code, _, error = end(process)
    assert code in (1, 130), error
    assert "Traceback" not in error


def test_ctrl_c_ends_a_game_that_is_restarted(tmp_path: Path) -> None:
    """Also one that ends with an exit code of its own then."""
    (tmp_path / "game.py").write_text(WAITING)
    process = begin(tmp_path, "--reload", "game.py")
    read_until(process, "waits")
    os.killpg(process.pid, signal.SIGINT)
    code, out, error = end(process)
    assert (code, out.splitlines()) == (5, ["bye"]), error


MANY = """
import ga_pygame
with ga_pygame.Tracker(build="1") as tracker:
    for number in range(5000):
        tracker.design(f"made:{number % 100}")
    tracker.flush().wait(20)
"""


def test_all_events_are_counted(tmp_path: Path) -> None:
    """Of thousands some are printed, and the number of the others."""
    (tmp_path / "game.py").write_text(MANY)
    code, out, error = end(begin(tmp_path, "game.py"))
    assert code == 0, error
    assert "exit code 0; 5,002 events came" in error
    more = [int(line.split()[2].replace(",", "")) for line in out.splitlines() if line.startswith("  …")]
    told = [line for line in out.splitlines() if line.startswith("  ") and not line.startswith("  …")]
    assert sum(more) + len(told) == 5002


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def (:", "exit code 1, and no event came\n"),
        ("import os\nos.kill(os.getpid(), 9)", "what it reported comes when it starts the next time"),
        ("pass", "call tracker.start() before the game's loop"),
    ],
)
def test_a_game_without_events(tmp_path: Path, text: str, words: str) -> None:
    """The advice fits how it ended; another file of the folder that has a tracker does not hide the lines."""
    (tmp_path / "game.py").write_text(text)
    (tmp_path / "other.py").write_text("import ga_pygame\n")
    _, out, error = end(begin(tmp_path, "game.py"))
    assert words in error
    assert ("tracker.start()" in out) == (text == "pass")


def test_a_port_on_which_nobody_answers(tmp_path: Path) -> None:
    """Another program that only listens costs some seconds, not minutes; the message has the way out."""
    (tmp_path / "game.py").write_text("pass")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        code, _, error = end(begin(tmp_path, "game.py", port=silent.getsockname()[1]))
    assert code == 1
    assert "--port 0" in error


def test_a_collector_that_runs_is_used_and_left(fresh: Collector, tmp_path: Path) -> None:
    """A rejected event is told with its rule; what came before the game is not told."""
    fresh.send(any_event("design", event_id="earlier"))
    bad = any_event("design", event_id="a:b:c:d:e:f")
    (tmp_path / "game.py").write_text("import sys\nprint('plays', flush=True)\nimport time; time.sleep(60)\n")
    process = begin(tmp_path, "game.py", port=fresh.port)
    read_until(process, "plays")
    fresh.send(bad)
    seen: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        seen.append(line)
        if "rejected" in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    assert "Ctrl-C ended the game" in end(process)[2]
    assert words_of(seen)[0][:2] == ["design", "a:b:c:d:e:f"]
    assert "rejected: event_id: " in seen[1]
    assert fresh.ask("GET", "/api/summary").status == 200


def test_a_collector_that_ends_does_not_end_the_game(fresh: Collector, tmp_path: Path) -> None:
    """Its events are no longer shown; the exit code is the game's all the same."""
    (tmp_path / "game.py").write_text(UNTIL_A_FILE)
    process = begin(tmp_path, "game.py", port=fresh.port)
    read_until(process, "plays")
    assert fresh.stop() == 0
    (tmp_path / "end").write_text("")
    code, _, error = end(process)
    assert code == 4
    assert "Traceback" not in error
