"""The command line: which function a command runs."""

from __future__ import annotations

import argparse
import sys

import pytest

from ga_pygame import cli, options

NEEDED = {"keys": ["new"], "plan": ["types"], "import": ["events.jsonl"], "forget": ["--user", "p1"]}
"""The arguments without which a command does not run."""


def test_each_command_has_its_function() -> None:
    """A command that is added to the parser does not run another one's function."""
    _, commands = options.command_parser()
    assert cli._COMMANDS.keys() == commands.keys()


def test_a_command_runs_its_own_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets the options and its exit code is the program's."""
    ran: list[str] = []

    def run(options: argparse.Namespace) -> int:
        ran.append(options.command)
        return 7

    for name in cli._COMMANDS:
        monkeypatch.setattr(cli, "_COMMANDS", {name: run})
        assert cli.main([name, *NEEDED.get(name, [])]) == 7
        monkeypatch.undo()
    tools = ["stats", "report", "export", "heatmap", "import", "forget"]
    assert ran == ["dev", "collect", *tools, "plan", "share", "doctor", "clickhouse-schema", "keys"]


def test_without_standard_streams_printing_goes_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """`pythonw` has none, and a greeting must not end the collector."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    cli._open_streams()
    for stream in (sys.stdout, sys.stderr):
        print("\u0418", file=stream, flush=True)
        assert stream.buffer.write(b"a table of bytes") == 16
        stream.close()
