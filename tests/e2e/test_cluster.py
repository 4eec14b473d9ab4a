"""Three collectors and a cluster of ClickHouse whose processes are killed: every acknowledged event is there once."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import random
import socket
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.collector.clickhouse.address import parse_store
from ga_pygame.collector.clickhouse.client import ClickHouseError, Client, Unreachable
from ga_pygame.collector.clickhouse.schema import Layout, schema_statements
from tests.clickhouse_servers import CLUSTER, DebianCluster, need_debian
from tests.collectors import EVENTS, Collector, event, pack, sign
from tests.conftest import eventually

COLLECTORS = 3
SENDERS = 8
EVENTS_PER_BATCH = 40
KILLS = 6
"""Processes that are killed in a round: servers and collectors."""
LONG_ROUNDS = 10
"""Times the short form's kills with `--long`."""
SECONDS_TO_SETTLE = 90


class RoundRobin:
    """A proxy that gives each connection to the next collector that takes it."""

    def __init__(self) -> None:
        self.ports: list[int] = []
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
                port = self.ports[next(self._turn) % COLLECTORS]
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as far:
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


class Sender(threading.Thread):
    """Sends batches as an outbox does, a session each: a batch again, with the same bytes, until it is acknowledged."""

    def __init__(self, number: int, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._user = f"user-{number}"
        self.ends = threading.Event()
        self.sessions: dict[str, list[str]] = {}
        self.answers: Counter[str] = Counter()
        self.waits: list[float] = []

    def run(self) -> None:
        while not self.ends.is_set():
            session = str(uuid.uuid4())
            own: dict[str, Any] = {"client_ts": int(time.time()), "user_id": self._user, "session_id": session}
            batch = [event(**own) for _ in range(EVENTS_PER_BATCH)]
            self._send(pack(json.dumps(batch).encode()))
            self.sessions[session] = [one["event_uuid"] for one in batch]

    def _send(self, body: bytes) -> None:
        headers = {"Authorization": sign(body), "Content-Encoding": "gzip"}
        while True:
            began = time.monotonic()
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
                with contextlib.closing(connection):
                    connection.request("POST", EVENTS, body, headers)
                    reply = connection.getresponse()
                    status, text = str(reply.status), reply.read()
            except (OSError, http.client.HTTPException):
                status, text = "no answer", b""
            self.answers[status] += 1
            if status == "200":
                self.waits.append(time.monotonic() - began)
                return
            assert status in ("no answer", "503"), (status, text)
            assert text == b""
            time.sleep(0.2)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DebianCluster]:
    """Two shards of two replicas with the tables."""
    need_debian(zookeeper=True)
    cluster = DebianCluster(tmp_path / "cluster")
    try:
        cluster.start()
        texts = schema_statements(Layout("games", CLUSTER, replicated=True, has_metrics=False))
        for server in cluster.servers:  # each alone: a server of that age dies of ON CLUSTER soon after its start
            with contextlib.closing(Client(parse_store(f"clickhouse://{server.host}/games"))) as client:
                for text in texts if server is cluster.servers[-1] else texts[:-1]:  # the last one records the version
                    own = text.replace(f" ON CLUSTER '{CLUSTER}'", "")
                    client.query(own, database=not own.startswith("CREATE DATABASE"))
        yield cluster
    finally:
        cluster.close()


def ask(host: str, query: str) -> list[list[Any]]:
    with contextlib.closing(Client(parse_store(f"clickhouse://{host}/games"))) as client:
        rows: list[list[Any]] = json.loads(client.query(f"{query} FORMAT JSONCompact"))["data"]
        return rows


def problem(cluster: DebianCluster, sent: dict[str, list[str]]) -> str:
    """Say what is stored otherwise than it was acknowledged; "" if all is well."""
    uuids = sorted(itertools.chain.from_iterable(sent.values()))
    try:
        shards = []
        for first, second in (cluster.servers[:2], cluster.servers[2:]):
            here, there = (
                [str(one) for (one,) in ask(each.host, "SELECT event_uuid FROM ga_events_local FINAL")]
                for each in (first, second)
            )
            if sorted(here) != sorted(there):
                return f"the replicas have {len(here)} and {len(there)} events"
            shards += here
        if sorted(shards) != uuids:
            return f"{len(uuids)} events were acknowledged, {len(shards)} are there, {len(set(shards))} different ones"
        rows = ask(cluster.servers[0].host, "SELECT session_id, count() FROM ga_events FINAL GROUP BY session_id")
        counted = {session: int(number) for session, number in rows}
        return "" if counted == {name: len(one) for name, one in sent.items()} else "a session has other events"
    except (ClickHouseError, Unreachable) as error:
        return str(error)


def is_whole(cluster: DebianCluster, sent: dict[str, list[str]]) -> bool:
    return not problem(cluster, sent)


class Collectors:
    """Three collectors behind a proxy, which may be killed and started again."""

    def __init__(self, folder: Path, store: str) -> None:
        self._folder = folder
        self._store = store
        self.proxy = RoundRobin()
        self._running = [Collector(folder, "--store", store) for _ in range(COLLECTORS)]
        self.proxy.ports = [one.port for one in self._running]

    def kill(self, number: int) -> None:
        self._running[number].kill()

    def start(self, number: int) -> None:
        self._running[number] = Collector(self._folder, "--store", self._store)
        self.proxy.ports[number] = self._running[number].port

    def close(self) -> None:
        self.proxy.close()
        for one in self._running:
            one.kill()


def kill_some(rng: random.Random, cluster: DebianCluster, collectors: Collectors) -> list[str]:
    """Kill servers and collectors, one after the other, and start each again; return which."""
    killed = []
    for number in range(KILLS):
        time.sleep(rng.uniform(0.2, 1.5))
        if number % 2:
            which = rng.randrange(COLLECTORS)
            killed.append(f"collector {which}")
            collectors.kill(which)
            time.sleep(rng.uniform(0, 1))
            collectors.start(which)
        else:
            server = rng.choice(cluster.servers)
            killed.append(server.folder.name)
            server.kill()
            time.sleep(rng.uniform(0, 3))
            server.start()
            server.wait()
    return killed


@pytest.mark.e2e
@pytest.mark.timeout(3600)  # with --long; the short form takes a minute
def test_what_was_acknowledged_is_there_once(
    cluster: DebianCluster, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Whatever is killed meanwhile, a server or a collector: by its uuid, on each replica, and session by session."""
    rng = random.Random(15)
    store = f"clickhouse://{','.join(server.host for server in cluster.servers)}/games"
    sent: dict[str, list[str]] = {}
    with contextlib.closing(Collectors(tmp_path, store)) as collectors:
        for _ in range(LONG_ROUNDS if request.config.getoption("--long") else 1):
            senders = [Sender(number, collectors.proxy.port) for number in range(SENDERS)]
            for sender in senders:
                sender.start()
            killed = kill_some(rng, cluster, collectors)
            for sender in senders:
                sender.ends.set()
            for sender in senders:
                sender.join(SECONDS_TO_SETTLE)
                assert not sender.is_alive()
                sent |= sender.sessions
            assert len(killed) == KILLS
            assert eventually(partial(is_whole, cluster, sent), SECONDS_TO_SETTLE), problem(cluster, sent)
            answers = sum((sender.answers for sender in senders), Counter[str]())
            assert answers["no answer"] + answers["503"] > 0  # the kills were noticed
            _say(killed, answers, sorted(wait for sender in senders for wait in sender.waits))


def _say(killed: list[str], answers: Counter[str], waits: list[float]) -> None:
    """Print what a round was, for the table in the docs (`-s`)."""
    middle, late = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
    waited = f"p50 {middle:.2f} s, p99 {late:.2f} s"
    sys.stdout.write(f"\n{len(waits)} batches of {EVENTS_PER_BATCH}, {waited}, {dict(answers)}, killed {killed}\n")
