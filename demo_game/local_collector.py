"""The collector that the demo starts beside the game, and its numbers at the end."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

START_SECONDS = 20.0
STOP_SECONDS = 5.0
GREETING = "listening on "
CATEGORIES = ("user", "session_end", "progression", "resource", "business", "design", "error")


class LocalCollector:
    """A collector in a child process; it ends when the game does, however the game ends."""

    def __init__(self) -> None:
        self.url = ""
        self.problem = ""
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> bool:
        """Start the child and wait for its address; on False `problem` says why."""
        command = [sys.executable, "-m", "demo_game.collector_child", "collect", "--port", "0"]
        # Ctrl-C in the terminal is for the game alone: the collector still takes its last events.
        new_group = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # Windows
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).resolve().parent.parent,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                creationflags=new_group,
                start_new_session=not new_group,
            )
        except OSError as error:
            self.problem = str(error)
            return False
        errors: list[str] = []
        self._drain(self._process.stdout, self._lines.put)
        self._drain(self._process.stderr, lambda line: errors.append(line) if line else None)
        try:
            line = self._lines.get(timeout=START_SECONDS)
            while line is not None and GREETING not in line:
                line = self._lines.get(timeout=START_SECONDS)
        except queue.Empty:
            line = None
        if line is None:
            self.stop()
            self.problem = errors[-1].strip() if errors else "it did not say where it listens"
            return False
        self.url = line.split(GREETING, 1)[1].strip()
        return True

    def stop(self) -> None:
        """Close the child's stdin, which ends it; kill it if it does not end."""
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        for insist in (process.terminate, process.kill):
            try:
                process.wait(STOP_SECONDS)
                break
            except subprocess.TimeoutExpired:
                insist()
        process.wait()
        self._process = None

    def _drain(self, stream: Any, take: Any) -> None:
        """Read a pipe to its end, so that the child never blocks on a full one."""

        def read() -> None:
            for line in stream:
                take(line)
            take(None)

        threading.Thread(target=read, daemon=True, name="collector output").start()


def fetch_summary(url: str) -> dict[str, Any] | None:
    """Ask a collector for its counts of accepted and rejected events; None if it does not answer."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/api/summary", timeout=3) as reply:  # noqa: S310 - http only
            summary = json.load(reply)
    except (OSError, ValueError):
        return None
    return summary if isinstance(summary, dict) else None


def print_summary(summary: dict[str, Any]) -> None:
    """Print accepted and rejected events per category."""
    accepted, rejected = summary.get("accepted", {}), summary.get("rejected", {})
    names = [*CATEGORIES, *sorted((set(accepted) | set(rejected)) - set(CATEGORIES))]
    rows = [(name, accepted.get(name, 0), rejected.get(name, 0)) for name in names]
    rows.append(("all", sum(row[1] for row in rows), sum(row[2] for row in rows)))
    try:
        from rich.console import Console  # noqa: PLC0415 - comes with the collector extra
        from rich.table import Table  # noqa: PLC0415
    except ImportError:
        write = sys.stdout.write
        write(f"{'events':<14}{'accepted':>10}{'rejected':>10}\n")
        for name, good, bad in rows:
            write(f"{name:<14}{good:>10}{bad:>10}\n")
        return
    table = Table(title="What the collector got", title_justify="left")
    table.add_column("events")
    table.add_column("accepted", justify="right", style="green")
    table.add_column("rejected", justify="right", style="red")
    for name, good, bad in rows:
        table.add_row(name, str(good), str(bad) if bad else "-", end_section=name == names[-1])
    Console().print(table)
