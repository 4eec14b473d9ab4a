"""Sets up CPython for Windows under Wine, and runs tests or a program with it."""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
from pathlib import Path

from tests.fork_server import ROOT
from tests.windows.installation import FOLDER_VARIABLE, Installation, MissingPartError, Output, default_folder

BOUNDED = (
    "active clock collector_http crashes data_folder device failover focus frames health home_paths idle "
    "inbox inbox_threads journal journal_files json_lines kept runner session sqlite_schema traces "
    "transport uploader who_plays wiring writer"
).split()
"""The files of tests about files, clocks, processes, sockets and the device, which differ on Windows."""

SKIPPED = 0
"""The exit code if a part of the lane cannot be had: the reason is printed, and CI goes on."""


def main() -> int:
    """Run a command of the lane; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.windows", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("set-up", help="get and check what the lane consists of; a minute")
    commands.add_parser("ci", help="what CI runs: the tests about files, clocks and processes, then games")
    unit = commands.add_parser("unit", help="the unit tests under Windows' Python; more arguments go to pytest")
    unit.add_argument("pytest", nargs=argparse.REMAINDER)
    games = commands.add_parser("games", help="games under Wine, their collector on Linux; more arguments go to pytest")
    games.add_argument("pytest", nargs=argparse.REMAINDER)
    run = commands.add_parser("run", help="Windows' Python with these arguments")
    run.add_argument("python", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    windows = Installation(default_folder())
    try:
        windows.set_up()
    except MissingPartError as error:
        print(f"the Windows lane is skipped: {error}", file=sys.stderr)  # noqa: T201 - a command line
        return SKIPPED
    try:
        if options.command == "unit":
            return unit_tests(windows, *options.pytest)
        if options.command == "games":
            return game_tests(*options.pytest)
        if options.command == "run":
            return follow(windows, *options.python)
        if options.command == "ci":
            files = [str(file.relative_to(ROOT)) for file in map(_file, BOUNDED) if file.exists()]
            return unit_tests(windows, *files) or game_tests("-n", "2")
        return 0
    finally:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            windows.stop_wine()


def _file(name: str) -> Path:
    return ROOT / "tests" / f"test_{name}.py"


def unit_tests(windows: Installation, *arguments: str) -> int:
    """Run unit tests under Windows' Python."""
    chosen = ["--ignore=tests/e2e", "--ignore=tests/windows", "-m", "not e2e", "-p", "no:cacheprovider", "-n", "2"]
    return follow(windows, "-m", "pytest", "-q", *chosen, *arguments)


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
