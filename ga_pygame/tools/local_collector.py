"""A collector in a child process, for a command that runs a game beside it. It needs no library to be imported."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import IO

START_SECONDS = 60.0
"""The longest wait for the address of a collector that starts: the first start reads many files, which a slow disk or a
virus scanner makes long. One that cannot start ends by itself, and is not waited for."""
STOP_SECONDS = 5.0
"""The longest wait until it ends, before it is terminated; and after that before it is killed."""
_GREETING = "listening on "


class LocalCollector:
    """A collector in a child process; it ends when this process does, however this one ends.

    Args:
        arguments: Options of `collect`.

    Attributes:
        url: Its address once it has started.
        problem: Why it did not start.
    """

    def __init__(self, arguments: Sequence[str] = ("--port", "0")) -> None:
        self.url = ""
        self.problem = ""
        self._arguments = arguments
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> bool:
        """Start the child and wait for its address; on False `problem` says why."""
        command = [sys.executable, "-m", "ga_pygame.tools.child", "collect", *self._arguments]
        # Ctrl-C in the terminal is for the game alone: the collector still takes its last events.
        new_group = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # Windows
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8:backslashreplace"},
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
            while line is not None and _GREETING not in line:
                line = self._lines.get(timeout=START_SECONDS)
        except queue.Empty:
            line = None
        if line is None:
            self.stop()
            silent = f"it did not say within {START_SECONDS:.0f} s where it listens"
            self.problem = errors[-1].strip() if errors else silent
            return False
        self.url = line.split(_GREETING, 1)[1].strip()
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

    def _drain(self, stream: IO[str] | None, take: Callable[[str | None], object]) -> None:
        """Read a pipe to its end, so that the child never blocks on a full one."""

        def read() -> None:
            for line in stream or ():
                take(line)
            take(None)

        threading.Thread(target=read, daemon=True, name="collector output").start()
