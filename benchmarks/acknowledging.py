"""Measure a collector's answers with and without its warehouse: `python -m benchmarks.acknowledging`.

Each round starts a collector with the warehouse and one whose projector never runs, one after the other, and sends
both the same sessions of made-up players at a steady rate on four connections, a request a session. Meanwhile a
client asks for a metric each second, as an open page does, and notes how far the projection is behind.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import gzip
import hashlib
import hmac
import http.client
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from benchmarks.warehouse import BEGIN, KEY, Players
from ga_pygame.config import SANDBOX_SECRET_KEY

ROOT = Path(__file__).parent.parent
_CONNECTIONS = 4
_COLLECT = "import sys; from ga_pygame.cli import main; sys.exit(main(sys.argv[1:]))"
_WITHOUT = (
    "from ga_pygame.collector.warehouse.running import Warehouse; Warehouse._run = lambda self: self._ends.wait(); "
)
"""Keeps the projector's thread from running."""


class Round(NamedTuple):
    """What a collector took; times in milliseconds.

    Attributes:
        p50: The median time until a request was acknowledged.
        p99: The 99th percentile of the same.
        rate: Events acknowledged per second.
        behind: The most seconds that the projection was behind.
        memory: The most memory of the collector's process, in MB.
    """

    p50: float
    p99: float
    rate: float
    behind: float
    memory: float


@contextlib.contextmanager
def collecting(folder: Path, *, with_warehouse: bool) -> Iterator[tuple[int, int]]:
    """Run a collector in an empty folder; yield its process id and port."""
    program = _COLLECT if with_warehouse else _WITHOUT + _COLLECT
    command = [
        sys.executable,
        "-c",
        program,
        "collect",
        "--port",
        "0",
        "--no-page",
        "--db",
        str(folder / "ack.sqlite3"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline().strip().rpartition(":")[2])
    finally:
        process.terminate()
        process.wait(60)


def requests_of(seconds: float, events_per_second: int) -> list[tuple[int, bytes]]:
    """Make the numbers of events and the bodies of the requests."""
    made: list[tuple[int, bytes]] = []
    players, total = Players(1000), 0
    while total < seconds * events_per_second:
        _, events = players.play(BEGIN + len(made), len(made) % 1000)
        made.append((len(events), gzip.compress(f"[{','.join(events)}]".encode(), 1, mtime=0)))
        total += len(events)
    return made


def send_steadily(port: int, requests: Sequence[tuple[int, bytes]], events_per_second: float) -> list[float]:
    """Send the requests at that rate on one connection; return the milliseconds that each answer took."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    took, due = [], time.perf_counter()
    with contextlib.closing(connection):
        for number, body in requests:
            time.sleep(max(0.0, due - time.perf_counter()))
            due += number / events_per_second
            signature = base64.b64encode(hmac.digest(SANDBOX_SECRET_KEY.encode(), body, hashlib.sha256)).decode()
            begin = time.perf_counter()
            headers = {"Authorization": signature, "Content-Encoding": "gzip"}
            connection.request("POST", f"/v2/{KEY}/events", body, headers)
            answer = connection.getresponse()
            answer.read()
            took.append((time.perf_counter() - begin) * 1000)
            if answer.status != 200:
                raise RuntimeError(f"the collector answered {answer.status}")
    return took


def watch_projection(port: int, events_per_second: int, ends: threading.Event, behind: list[float]) -> None:
    """Ask for a metric each second; note by how many seconds of events the projection is behind."""
    while not ends.wait(1.0):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", "/api/warehouse/overview")
            answer = connection.getresponse()
            answer.read()
            done, _, of_all = answer.headers.get("X-GA-Projected", "0/0").partition("/")
            behind.append((int(of_all) - int(done)) / events_per_second)


def measure(requests: Sequence[tuple[int, bytes]], events_per_second: int, *, with_warehouse: bool) -> Round:
    """Send the requests to a new collector."""
    behind, ends = [0.0], threading.Event()
    with (
        tempfile.TemporaryDirectory() as folder,
        collecting(Path(folder), with_warehouse=with_warehouse) as (pid, port),
    ):
        watcher = threading.Thread(target=watch_projection, args=(port, events_per_second, ends, behind))
        if with_warehouse:
            watcher.start()
        begin = time.perf_counter()
        with ThreadPoolExecutor(_CONNECTIONS) as senders:
            parts = [requests[first::_CONNECTIONS] for first in range(_CONNECTIONS)]
            sending = [senders.submit(send_steadily, port, one, events_per_second / _CONNECTIONS) for one in parts]
            took = [milliseconds for one in sending for milliseconds in one.result()]
        rate = sum(number for number, _ in requests) / (time.perf_counter() - begin)
        ends.set()
        if with_warehouse:
            watcher.join()
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    memory = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    cuts = statistics.quantiles(took, n=100)
    return Round(cuts[49], cuts[98], rate, max(behind), memory)


def run_rounds(arguments: Sequence[str] | None = None) -> None:
    """Measure in interleaved rounds and print the medians as a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2000, help="per second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(arguments)
    requests = requests_of(chosen.seconds, chosen.events)
    found: dict[bool, list[Round]] = {True: [], False: []}
    for _ in range(chosen.rounds):
        for with_warehouse, rounds in found.items():
            rounds.append(measure(requests, chosen.events, with_warehouse=with_warehouse))
    print("| collector | p50 ms | p99 ms | events/s | behind s | MB |\n|---|--:|--:|--:|--:|--:|")
    for with_warehouse, rounds in found.items():
        p50, p99, rate, behind, memory = (statistics.median(one) for one in zip(*rounds, strict=True))
        name = "with its warehouse" if with_warehouse else "without"
        print(f"| {name} | {p50:.1f} | {p99:.1f} | {rate:,.0f} | {behind:.1f} | {memory:.0f} |")


if __name__ == "__main__":
    run_rounds()
