"""Launches of the fault suite's game: one data folder, one ledger, one collector behind one proxy."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.config import SANDBOX_GAME_KEY, SANDBOX_SECRET_KEY
from tests.collectors import Collector
from tests.conftest import ROOT
from tests.e2e.fault_ledger import ALL, Life, Promise, Result, read, verify
from tests.e2e.fault_proxy import Proxy
from tests.e2e.games import outbox, waiting
from tests.e2e.plain_server import PlainServer
from tests.e2e.servers import summary
from tests.fork_server import PYTHON, Forked, start_game

GAME = Path(__file__).with_name("fault_game.py")
PATIENCE = 40.0
"""Seconds after which a game that does not end has hung."""


@dataclass(frozen=True)
class Plan:
    """The plan of one launch.

    Attributes:
        seconds: The time for which it reports.
        journal: The tracker's knob.
        pause: Between two calls, in seconds.
        flush_every: Seconds between two flushes; 0 for none.
        wait_for_all: Before it closes, wait so long for everything to be delivered.
        die_at: The point of `fault_game` at which it kills itself, at the `die_after`th time, `die_delay` seconds
            later.
        stands_still: There it only stops, until somebody lets it go on.
        clock_error: By how many seconds the wall clock is wrong at the start.
        changes: After how many seconds what becomes how: `("clock", seconds)`, `("read_only", bool)`,
            `("child", deed)`, a deed of `fault_children`.
        sticky: Files whose names end so cannot be removed by the game.
    """

    seconds: float = 0.8
    journal: bool = True
    pause: float = 0.003
    flush_every: float = 0.0
    wait_for_all: float = 0.0
    die_at: str = ""
    die_after: int = 0
    die_delay: float = 0.0
    stands_still: bool = False
    clock_error: float = 0.0
    changes: Sequence[tuple[float, str, Any]] = ()
    sticky: str = ""


def is_stopped(pid: int) -> bool:
    """Return whether a process stands still."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    return False


class Launch:
    """A running game."""

    def __init__(
        self, name: str, plan: Plan, ledger: Path, environment: dict[str, str], prefix: Sequence[str] = ()
    ) -> None:
        self.name = name
        self.killed_at: float | None = None
        self.suspended: list[tuple[float, float]] = []
        self._ledger = ledger
        self._said = ledger.with_name("said.txt")
        told = json.dumps({"launch": name, "ledger": str(ledger), **asdict(plan)})
        self.began = time.monotonic()
        self.process: Forked | subprocess.Popen[bytes]
        with self._said.open("a") as said:
            if prefix:
                command = [*prefix, sys.executable, str(GAME), told]
                self.process = subprocess.Popen(command, stdout=said, stderr=said, cwd=ROOT, env=environment)
            else:
                self.process = start_game(str(GAME), told, environment=environment, log=said.fileno())

    def wait_until(self, word: str) -> None:
        """Wait until the game has noted this."""
        deadline = time.monotonic() + PATIENCE
        start = json.dumps([self.name, word])[:-1]
        while not (self._ledger.exists() and start in self._ledger.read_text()):
            assert self.process.poll() is None, self._said.read_text()[-2000:]
            assert time.monotonic() < deadline, f"{self.name} hangs"
            time.sleep(0.01)

    def wait_until_it_stands_still(self) -> None:
        """Wait until the game stops at the point of its plan, or has ended before."""
        while self.process.poll() is None and not is_stopped(self.process.pid):
            time.sleep(0.002)

    def go_on(self) -> None:
        """Continue the game from there."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the game now, unless it has ended."""
        if self.process.poll() is None:
            self.killed_at = time.monotonic()
            self.process.kill()
        self.process.wait()

    def suspend(self, seconds: float) -> None:
        """Stop the game, as a machine's sleep does."""
        since = time.monotonic()
        self.stop(seconds)
        self.suspended.append((since, time.monotonic()))

    def stop(self, seconds: float) -> None:
        """Stop the game."""
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """Wait until the game ends by itself."""
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.name} hangs: {self._said.read_text()[-2000:]}") from None
        assert code in (0, -signal.SIGKILL), self._said.read_text()[-4000:]


class World:
    """One player's machine, the proxy and the collector.

    Args:
        name: The prefix of the launches' names.
        folder: For the ledger and, by default, the game's data.
        collector: The receiver of all events: a collector, or a server in the place of GameAnalytics.
        proxy: The proxy in front of it.
        data: The game's data folder.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        collector: Collector | PlainServer,
        proxy: Proxy,
        data: Path | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.collector = collector
        self.proxy = proxy
        self.data = data or folder / "data"
        self._ledger = folder / "ledger.txt"
        self._launches: list[Launch] = []
        self._prefix: Sequence[str] = ()

    def start_by_command(self) -> None:
        """Start games by a command instead of a fork, so that they import what they need."""
        self._prefix = ("env",)

    def hide_shared_memory(self) -> None:
        """Make `/dev/shm` unusable, so that journals are in the data folder."""
        if sys.platform != "linux":
            return
        hidden = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs -o ro none /dev/shm && exec "$@"', "game")
        if os.geteuid() != 0 or subprocess.run([*hidden, "true"], capture_output=True, check=False).returncode:
            pytest.skip("hiding shared memory needs root and the right to mount")
        self._prefix = hidden

    @property
    def outbox(self) -> Path:
        if isinstance(self.collector, PlainServer):
            return outbox(self.data, "sandbox-tests")
        return outbox(self.data)

    def _targets(self) -> dict[str, str]:
        if not isinstance(self.collector, PlainServer):
            return {"GA_PYGAME_COLLECTOR": self.proxy.url}
        keys = {"GA_PYGAME_GAME_KEY": SANDBOX_GAME_KEY, "GA_PYGAME_SECRET_KEY": SANDBOX_SECRET_KEY}
        # Nobody can tell that an answer was not read any more, so the game has time for it at its end.
        return {"GA_PYGAME_ENDPOINT": self.collector.url, "GA_PYGAME_SHUTDOWN_TIMEOUT": "20", **keys}

    @property
    def said(self) -> str:
        """Return the messages of the games to their developer."""
        return self._ledger.with_name("said.txt").read_text()

    def launch(self, plan: Plan, **knobs: str) -> Launch:
        """Start the game; `knobs` are environment variables of the tracker."""
        environment = {
            **os.environ,
            **PYTHON,
            **self._targets(),
            "GA_PYGAME_DATA_DIR": str(self.data),
            "GA_PYGAME_UPLOAD_INTERVAL": "0.1",
            **{f"GA_PYGAME_{name.upper()}": value for name, value in knobs.items()},
        }
        launched = Launch(f"{self.name} {len(self._launches)}", plan, self._ledger, environment, self._prefix)
        self._launches.append(launched)
        return launched

    def play(self, plan: Plan, **knobs: str) -> Launch:
        """Start the game and wait until it ends."""
        launched = self.launch(plan, **knobs)
        launched.end()
        return launched

    def lives(self) -> list[Life]:
        """Return the record of all launches."""
        lives = read(self._ledger)
        for launched in self._launches:
            life = lives.setdefault(launched.name, Life(launched.name))
            life.suspended = launched.suspended
            if launched.killed_at is not None and life.closed is None:
                life.died = launched.killed_at
        return [lives[launched.name] for launched in self._launches]

    def drain(self) -> None:
        """Launch a last time without faults, long enough to send everything."""
        self.proxy.heal()
        if isinstance(self.collector, PlainServer):
            self.collector.heal()
        for _ in range(4):
            self.play(Plan(seconds=0.0, wait_for_all=20.0))
            if not waiting(self.outbox):
                return

    def verify(self, fault: str, rounds: int, promise: Promise = ALL) -> Result:
        """Drain, then compare the events that arrived with the ledger."""
        self.drain()
        lives = self.lives()
        names = {life.name for life in lives}
        events = [event for event in self.collector.export() if event["custom_fields"]["launch"] in names]
        result = verify(fault, rounds, lives, events, promise)
        if isinstance(self.collector, Collector):
            result.resent = summary(self.collector.url)["duplicates"]
        if left := waiting(self.outbox):
            result.wrong.append(f"{len(left)} events are still waiting")
        if lives[-1].flushed != "":
            result.wrong.append(f"the last launch could not send: {lives[-1].flushed}")
        if rejected := self.collector.export(rejected=True):
            result.wrong.append(f"the collector rejected {len(rejected)} events: {rejected[0]}")
        return result
