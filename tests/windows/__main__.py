"""Sets up CPython for Windows under Wine, and runs tests or a program with it."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fork_server import ROOT
from tests.windows.installation import (
    FOLDER_VARIABLE,
    Installation,
    MissingPartError,
    Output,
    default_folder,
    windows_path,
)

MEMORY_FOLDER = Path("/dev/shm")

_NAMES = (
    "clock collector_file collector_on_windows crash_file data_folder device failover focus frames home_paths hook "
    "journal journal_files kept other_systems recovery runner sqlite_uri step_clock transport wiring"
).split()
BOUNDED = [Path("tests", f"test_{name}.py") for name in _NAMES]
"""The files of tests about files, paths, clocks, processes, sockets and the device, which differ on Windows."""

BY_HAND = "demo or console or streams or stars"
"""The tests of this folder that CI leaves out, since they take long and found nothing of their own yet."""

SKIPPED = 0
"""The exit code if a part of the lane cannot be had: the reason is printed, and CI goes on."""

COMMANDS = {
    "ci": "the tests about files, clocks and processes, then games; without a command this is run",
    "all": "all unit tests, then games",
    "set-up": "get and check what is needed; a minute",
    "unit": "all unit tests under Windows' Python, or the files that are given",
    "games": "games under Wine, their collector on Linux; --long plays more rounds",
    "run": "Windows' Python with the arguments that follow",
}


def main() -> int:
    """Run a command; return its exit code."""
    said = "\n".join(f"  {name:8}{text}" for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.windows",
        description=f"{__doc__}\n\n{said}\n\nWhat follows `unit` and `games` goes to pytest.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", default="ci", choices=COMMANDS)
    command: str = parser.parse_args(sys.argv[1:2]).command
    arguments = sys.argv[2:]
    windows = Installation(default_folder())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that Wine ends, too
    try:
        windows.set_up()
    except MissingPartError as error:
        print(f"the Windows lane is skipped: {error}", file=sys.stderr)  # noqa: T201 - a command line
        return SKIPPED
    try:
        return _run(command, windows, arguments)
    finally:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            windows.stop_wine()


def _run(command: str, windows: Installation, arguments: list[str]) -> int:
    if command == "unit":
        return unit_tests(windows, *arguments)
    if command == "games":
        return game_tests(*arguments)
    if command == "run":
        return follow(windows, *arguments)
    if command == "ci":
        return unit_tests(windows, *map(str, BOUNDED)) or game_tests("-n", "2", "-k", f"not ({BY_HAND})")
    if command == "all":
        return unit_tests(windows) or game_tests()
    return 0


def unit_tests(windows: Installation, *arguments: str) -> int:
    """Run unit tests under Windows' Python, with temporary folders in memory where there is such a folder."""
    chosen = ["--ignore=tests/e2e", "--ignore=tests/windows", "-m", "not e2e", "-p", "no:cacheprovider", "-n", "2"]
    with tempfile.TemporaryDirectory(dir=MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None) as folder:
        temporary = windows_path(Path(folder, "tests"))
        return follow(windows, "-m", "pytest", "-q", f"--basetemp={temporary}", *chosen, *arguments)


def game_tests(*arguments: str) -> int:
    """Run the tests of this folder, which start games under Wine."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/windows", *arguments]
    environment = {**os.environ, FOLDER_VARIABLE: str(default_folder())}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def follow(windows: Installation, *arguments: str) -> int:
    """Run Windows' Python and show what it says as it says it; return its exit code."""
    with Output(process := windows.start(*arguments)) as output:
        for line in output.lines(3600.0):
            sys.stdout.write(line)
            sys.stdout.flush()
        return process.wait(60)


if __name__ == "__main__":
    sys.exit(main())
