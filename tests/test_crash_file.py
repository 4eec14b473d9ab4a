"""What `faulthandler` writes, as the error that the next launch reports."""

from __future__ import annotations

import faulthandler
import os
from pathlib import Path

import pytest

from ga_pygame import rules
from ga_pygame.events import Severity
from ga_pygame.recording.crash_file import (
    MAX_CRASH_BYTES,
    MAX_CRASH_CALLS,
    CrashFile,
    crash_error,
    crash_path,
    crash_text,
    crashed_launches,
)

WRITTEN = """Fatal Python error: Segmentation fault

Thread 0x00007fac16f5d6c0 (most recent call first):
  File "/opt/ga_pygame/delivery/runner.py", line 74 in wait

Current thread 0x00007fac1c47db80 (most recent call first):
  File "/home/ann/game/level.py", line 12 in draw
  File "/home/ann/game/main.py", line 3 in <module>

Extension modules: pygame.base (total: 1)
"""


def test_the_crashed_thread_becomes_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of Python's tracebacks, without other threads and without the player's name."""
    monkeypatch.setenv("HOME", "/home/ann")
    assert crash_text(WRITTEN) == (
        "Traceback (most recent call last):\n"
        '  File "~/game/main.py", line 3, in <module>\n'
        '  File "~/game/level.py", line 12, in draw\n'
        "Fatal Python error: Segmentation fault"
    )


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Fatal Python error: Aborted\n\n<Cannot show all threads while the GIL is disabled>\n", "Aborted"),
        ("Windows fatal exception: access violation\n\nThread 0x01 (most recent call first):\n", "access violation"),
        ("\x00\x00 half a li", "half a li"),
    ],
)
def test_a_crash_without_calls_is_told_all_the_same(written: str, said: str) -> None:
    """A crash of a thread that Python does not know, one on Windows, a file of a full disk."""
    assert crash_text(written).endswith(said)


def test_a_deep_stack_keeps_its_innermost_calls() -> None:
    """A stack overflow of C has hundreds of calls."""
    calls = "".join(f'  File "a.py", line {line} in f\n' for line in range(1, 101))
    text = crash_text(
        f"Fatal Python error: Segmentation fault\n\nCurrent thread 0x1 (most recent call first):\n{calls}"
    )
    lines = text.splitlines()
    assert len(lines) == MAX_CRASH_CALLS + 2
    assert lines[-2] == '  File "a.py", line 1, in f'


def test_an_empty_file_is_no_crash_and_a_large_one_is_cut(tmp_path: Path) -> None:
    """A killed launch leaves an empty file; what is read is bounded."""
    path = crash_path(tmp_path, "a-1")
    assert crash_error(path) is None
    path.write_text("")
    assert crash_error(path) is None
    path.write_bytes(WRITTEN.encode() + b"x" * (2 * MAX_CRASH_BYTES))
    error = crash_error(path)
    assert error is not None
    assert (error.severity, error.crash) == (Severity.CRITICAL, rules.FATAL)
    assert len(error.message) <= rules.MAX_ERROR_MESSAGE
    assert crashed_launches(tmp_path) == ["a-1"]


@pytest.mark.posix("there are no named pipes among the files of Windows")
def test_a_pipe_in_the_place_of_a_crash_file_does_not_block(tmp_path: Path) -> None:
    """Whoever can write into the data folder cannot stop the game."""
    path = crash_path(tmp_path, "a")
    os.mkfifo(path)
    with pytest.raises(OSError, match="not a plain file"):
        crash_error(path)


def test_a_faulthandler_of_the_game_is_left_alone(tmp_path: Path) -> None:
    """It writes where the game wants it; pytest has turned one on here."""
    assert faulthandler.is_enabled()
    assert CrashFile._descriptor is None
    file = CrashFile(crash_path(tmp_path, "a"))
    file.begin()
    file.end()
    assert list(tmp_path.iterdir()) == []
    assert faulthandler.is_enabled()
