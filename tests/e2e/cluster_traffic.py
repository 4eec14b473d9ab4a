"""Traffic for a cluster: collectors behind a proxy, senders of batches, and games with real trackers."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.collectors import EVENTS, Collector, event, pack, sign
from tests.e2e.games import waiting
from tests.fork_server import PYTHON, start_game

COLLECTORS = 3
SENDERS = 8
TRACKERS = 8
"""Processes with a tracker; the last one is a server of games."""
EVENTS_PER_BATCH = 40
OF_SENDERS = "user-"
"""The beginning of the ids of the senders' players."""
SECONDS_TO_END = 90
_GAME = Path(__file__).with_name("cluster_game.py")
_Address = tuple[str, int]


class RoundRobin:
    """A proxy that gives each connection to the next collector that takes it."""

    def __init__(self) -> None:
        self.targets: list[_Address] = []
        self._turn = itertools.count()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        with near:
            for _ in range(COLLECTORS):
                target = self.targets[next(self._turn) % COLLECTORS]
                with contextlib.suppress(OSError), socket.create_connection(target, 5) as far:
                    far.settimeout(None)
                    back = threading.Thread(target=_pour, args=(far, near), daemon=True)
                    back.start()
                    _pour(near, far)
                    back.join()
                    return


def _pour(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class Collectors:
    """Three collectors behind a proxy, which may be killed and started again.

    Args:
        starts: Start one each.
    """

    def __init__(self, starts: Sequence[Callable[[], Collector]]) -> None:
        self._starts = starts
        self.proxy = RoundRobin()
        self._running = [start() for start in starts]
        self.proxy.targets = [_address(one) for one in self._running]

    def kill(self, number: int) -> None:
        self._running[number].kill()

    def start(self, number: int) -> None:
        self._running[number] = self._starts[number]()
        self.proxy.targets[number] = _address(self._running[number])

    def is_ready(self, number: int) -> bool:
        """Whether a load balancer may send requests to this one."""
        return self._running[number].ask("GET", "/readyz").status == 200

    def close(self) -> None:
        self.proxy.close()
        for one in self._running:
            one.kill()


def _address(collector: Collector) -> _Address:
    host, _, port = collector.listens_at.rpartition(":")
    return host, int(port)


class Sender(threading.Thread):
    """Sends batches as an outbox does, a session each: a batch again, with the same bytes, until it is acknowledged."""

    def __init__(self, number: int, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._user = f"{OF_SENDERS}{number}"
        self.ends = threading.Event()
        self.sessions: dict[str, list[str]] = {}
        self.answers: Counter[str] = Counter()
        self.waits: list[float] = []
        self.wrong: list[str] = []

    def run(self) -> None:
        while not self.ends.is_set():
            session = str(uuid.uuid4())
            own: dict[str, Any] = {"client_ts": int(time.time()), "user_id": self._user, "session_id": session}
            batch = [event(**own) for _ in range(EVENTS_PER_BATCH)]
            self._send(pack(json.dumps(batch).encode()))
            self.sessions[session] = [one["event_uuid"] for one in batch]

    def _send(self, body: bytes) -> None:
        began = time.monotonic()
        while not self._is_taken(body):
            time.sleep(0.2)
        self.waits.append(time.monotonic() - began)

    def _is_taken(self, body: bytes) -> bool:
        headers = {"Authorization": sign(body), "Content-Encoding": "gzip"}
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
            with contextlib.closing(connection):
                connection.request("POST", EVENTS, body, headers)
                reply = connection.getresponse()
                status, text, later = reply.status, reply.read(), reply.getheader("Retry-After") or ""
        except (OSError, http.client.HTTPException):
            self.answers["no answer"] += 1
            return False
        self.answers[str(status)] += 1
        if status == 503 and (text or not later.isdecimal() or int(later) < 1):
            self.wrong.append(f"503 with {text!r}, Retry-After: {later}")
        elif status not in (200, 503):
            self.wrong.append(f"{status} {text!r}")
        return status == 200


class Traffic:
    """Eight senders and eight processes with trackers, which send from now on until `end()`.

    Args:
        folder: For the data of the trackers.
        port: The proxy's.

    Attributes:
        senders: The senders.
        notes: What the games noted, as `cluster_game` describes it.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.notes: list[dict[str, Any]] = []
        self._folder = folder
        folder.mkdir(parents=True)
        environment = {**os.environ, **PYTHON, "GA_PYGAME_COLLECTOR": f"http://127.0.0.1:{port}"}
        self._games = [
            start_game(
                str(_GAME),
                "server" if number == TRACKERS - 1 else "game",
                str(number),
                str(folder / f"notes_{number}"),
                environment={**environment, "GA_PYGAME_DATA_DIR": str(folder / f"data_{number}")},
            )
            for number in range(TRACKERS)
        ]
        self.senders = [Sender(number, port) for number in range(SENDERS)]
        for sender in self.senders:
            sender.start()

    def end(self) -> None:
        """Wait until all is acknowledged."""
        for sender in self.senders:
            sender.ends.set()
        for game in self._games:
            assert game.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                game.stdin.write("end\n")
                game.stdin.flush()
        for sender in self.senders:
            sender.join(SECONDS_TO_END)
            assert not sender.is_alive()
            assert not sender.wrong
        for number, game in enumerate(self._games):
            said = game.communicate(timeout=SECONDS_TO_END)
            assert game.wait() == 0, said
            lines = (self._folder / f"notes_{number}").read_text().splitlines()
            self.notes += [json.loads(line) for line in lines]
            (outbox,) = (self._folder / f"data_{number}").rglob("outbox.sqlite3")
            assert waiting(outbox) == []

    def kill(self) -> None:
        """End what still runs."""
        for sender in self.senders:
            sender.ends.set()
        for game in self._games:
            if game.poll() is None:
                game.kill()
                game.communicate()

    @property
    def sent(self) -> dict[str, list[str]]:
        """The ids of the senders' events by their sessions."""
        return {name: ids for sender in self.senders for name, ids in sender.sessions.items()}

    @property
    def answers(self) -> Counter[str]:
        """What the senders were answered, by the status."""
        return sum((sender.answers for sender in self.senders), Counter[str]())

    @property
    def waits(self) -> list[float]:
        """How long each batch waited for its acknowledgement, the shortest first."""
        return sorted(wait for sender in self.senders for wait in sender.waits)
