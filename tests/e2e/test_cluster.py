"""Three collectors and a cluster of ClickHouse, with kills, full disks and cut networks: nothing is lost or doubled.

python -m pytest tests/e2e/test_cluster.py --long -n 0 -s    # many rounds, and the table of docs/clickhouse.md
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.collector.clickhouse.address import parse_store
from ga_pygame.collector.clickhouse.client import Client
from ga_pygame.collector.clickhouse.schema import CLICKHOUSE_SCHEMA_VERSION, Layout, schema_statements
from tests.clickhouse_servers import CLUSTER, HERE, START_SECONDS, DebianCluster, Place, need_debian
from tests.collectors import Collector, event
from tests.conftest import eventually
from tests.e2e.cable import Cable
from tests.e2e.cluster_traffic import COLLECTORS, Collectors, Traffic
from tests.e2e.cluster_truth import Truth, ask, left_to_do, wrong_sessions
from tests.e2e.small_disk import disk, fill

KILLS = 6
"""Processes that are killed in a round: servers and collectors."""
LONG_ROUNDS = 10
"""Times the short form with `--long`."""
SECONDS_TO_SETTLE = 600
"""The longest wait while replicas still have something to do: fetches are tried again later and later."""
LOOKS_WHEN_DONE = 5
"""So often all replicas have done all before what is missing is lost: they are not asked at one time."""
DISK_MEGABYTES = 192
"""Room for the small blocks of a round on three servers, until they are merged."""
NOTICED_SECONDS = 2.0
"""A batch that waits so long shows that something was wrong."""
CUT_SECONDS = 8.0
"""Longer than a session of ZooKeeper, so that it forgets the server that was cut off."""

pytestmark = [pytest.mark.timeout(3600)]  # with --long; the short forms take half a minute each


@contextlib.contextmanager
def started(
    folder: Path, places: Sequence[Place] = (HERE,) * 4, *, is_recorded: bool = True
) -> Iterator[DebianCluster]:
    """Start two shards of two replicas with the tables, and with the row that says how they were made."""
    need_debian(zookeeper=True)
    cluster = DebianCluster(folder, places)
    try:
        cluster.start()
        texts = schema_statements(Layout("games", CLUSTER, replicated=True, has_metrics=False))
        for server in cluster.servers:  # each alone: a server of that age dies of ON CLUSTER soon after its start
            with contextlib.closing(Client(parse_store(f"clickhouse://{server.host}/games"))) as client:
                is_last = is_recorded and server is cluster.servers[-1]
                for text in texts if is_last else texts[:-1]:  # the last one records the version
                    own = text.replace(f" ON CLUSTER '{CLUSTER}'", "")
                    client.query(own, database=not own.startswith("CREATE DATABASE"))
        yield cluster
    finally:
        cluster.close()


def store_of(*hosts: str) -> str:
    return f"clickhouse://{','.join(hosts)}/games"


@dataclass
class Play:
    """Rounds of traffic with faults, and what they cost.

    Attributes:
        cluster: Where all of it has to be.
        collectors: Those that take it.
        folder: For the trackers' data.
        rounds: How many are to be played.
    """

    cluster: DebianCluster
    collectors: Collectors
    folder: Path
    rounds: int
    truth: Truth = field(default_factory=Truth)
    waits: list[float] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)

    def run(self, name: str, harm: Callable[[Traffic], int]) -> None:
        """Play the rounds, and print a line of the table (`-s`).

        Args:
            name: Of the fault.
            harm: Does harm to the cluster, mends it, and returns how often.
        """
        harmed = 0
        for number in range(self.rounds):
            traffic = Traffic(self.folder / f"round_{number}", self.collectors.proxy.port)
            try:
                harmed += harm(traffic)
                traffic.end()
            finally:
                traffic.kill()
            self.truth.sent |= traffic.sent
            self.truth.notes += traffic.notes
            self._settle()
            answers = traffic.answers
            assert answers["no answer"] + answers["503"] > 0 or traffic.waits[-1] > NOTICED_SECONDS
            self.answers += answers
            self.waits += traffic.waits
            self._say(name, number + 1, harmed)

    def _settle(self) -> None:
        """Wait until all is there, while replicas have something to do; a busy machine needs minutes for that."""
        until = time.monotonic() + SECONDS_TO_SETTLE
        looks = 0
        while problem := self.truth.problem(self.cluster):
            left = left_to_do(self.cluster)
            looks = 0 if left else looks + 1
            sys.stdout.write(f"{problem}; {left}\n")
            assert looks < LOOKS_WHEN_DONE, f"{problem}, and no replica has anything left to do"
            assert time.monotonic() < until, f"{problem}: {left}"
            time.sleep(0.5)

    def _say(self, name: str, rounds: int, harmed: int) -> None:
        waits = sorted(self.waits)
        middle, late = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
        truth = self.truth
        played = sum("told" in note for note in truth.notes)
        sys.stdout.write(
            f"| {name} | {rounds} | {harmed} | {truth.acknowledged:,} | {truth.told:,} in {played:,} sessions"
            f" | {middle:.2f} / {late:.2f} s | 0 | 0 |   {dict(self.answers)}\n"
        )


def played() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the events of a session with two attempts, and its note."""
    who = {"user_id": "p", "session_id": "s", "session_num": 3}
    ends = [("Fail", 1), ("Complete", 2)]
    events = [
        {**who, "category": "user"},
        *({**who, "category": "progression", "event_id": f"{how}:a:b", "attempt_num": at} for how, at in ends),
        {**who, "category": "session_end", "length": 7},
    ]
    told = [["progression", f"{how}:a:b", at] for how, at in ends]
    return events, [{**who, "seconds": 7.2, "told": [["user", "", None], *told, ["session_end", "", None]]}]


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda events, _notes: None, ""),
        (lambda events, _notes: events.pop(0), "1 less than"),
        (lambda events, _notes: events.append(events[0]), "1 more"),
        (lambda events, _notes: events[2].update(attempt_num=3), "these numbers"),
        (lambda events, _notes: events[2].update(attempt_num=1), "1 more"),
        (lambda events, _notes: events[3].update(length=9), "has the length 9"),
        (lambda events, _notes: events[0].update(session_num=4), "is of"),
        (lambda events, _notes: events[0].update(session_id="t"), "1 sessions were played, 2"),
        (lambda _events, notes: notes.append({"dropped": {"server_error": 1}}), "dropped"),
    ],
)
def test_what_is_wrong_is_found(harm: Callable[..., object], words: str) -> None:
    """A proof that cannot fail proves nothing: what is missing, twice or numbered wrongly is told."""
    events, notes = played()
    harm(events, notes)
    problem = " ".join(wrong_sessions(events, notes))
    assert words in problem
    assert bool(problem) == bool(words)


def rounds_of(request: pytest.FixtureRequest) -> int:
    return LONG_ROUNDS if request.config.getoption("--long") else 1


def test_a_collector_waits_for_the_record_of_a_cluster(tmp_path: Path) -> None:
    """The row of `ga_schema` may be on its way; events go to their shards at once, by no queue of files."""
    with started(tmp_path / "cluster", is_recorded=False) as cluster, ThreadPoolExecutor(1) as pool:
        store = store_of(*(server.host for server in cluster.servers))
        starting = pool.submit(Collector, tmp_path, "--store", store)
        time.sleep(1)
        with contextlib.closing(Client(parse_store(store))) as client:
            assert ask(cluster.servers[0].host, "SELECT * FROM ga_schema") == []
            values = f"(1, {CLICKHOUSE_SCHEMA_VERSION}, 'UTC', '{CLUSTER}', -1)"
            client.query(f"INSERT INTO ga_schema (made_us, version, timezone, cluster, retention) VALUES {values}")
        collector = starting.result()
        try:
            assert collector.send(*(event(user_id=f"player {number}") for number in range(20))).status == 200
        finally:
            collector.kill()
        assert ask(cluster.servers[0].host, "SELECT made_us, cluster FROM ga_schema") == [["1", CLUSTER]]
        queues = list((tmp_path / "cluster").glob("node_*/data/data/games/ga_events/*@*"))
        assert queues == []


def test_what_a_shard_did_not_take_is_not_acknowledged(tmp_path: Path) -> None:
    """A shard is killed while it receives rows: the server that sends them would set them aside, and forget them.

    The newest row of `ga_schema` is what a collector wrote that took the tables for those of a single server.
    """
    with started(tmp_path / "cluster") as cluster:
        store = store_of(*(server.host for server in cluster.servers))
        with contextlib.closing(Client(parse_store(store))) as client:
            assert eventually(lambda: ask(cluster.servers[0].host, "SELECT * FROM ga_schema"))
            row = {"made_us": 2**62, "version": CLICKHOUSE_SCHEMA_VERSION, "timezone": "UTC", "retention": -1}
            client.insert("ga_schema", [json.dumps(row).encode()], {"insert_distributed_sync": "1"})
        users = ask(
            cluster.servers[0].host,
            "SELECT toString(number) AS user FROM system.numbers WHERE cityHash64(user) % 2 LIMIT 30",
        )
        batch = [event(user_id=user) for (user,) in users]  # all are of the second shard
        collector = Collector(tmp_path, "--store", store)
        with ThreadPoolExecutor(1) as pool:
            with cluster.zookeeper_stopped():  # a shard cannot end an insert
                sending = pool.submit(eventually, lambda: collector.send(*batch).status == 200, START_SECONDS)
                time.sleep(1.5)
                for server in cluster.servers[2:]:
                    server.kill()
            for server in cluster.servers[2:]:
                server.start()
            for server in cluster.servers[2:]:
                server.wait()
            assert sending.result()
        collector.kill()
        stored = "SELECT event_uuid FROM ga_events_local"
        assert eventually(
            lambda: len({str(row) for one in cluster.servers for row in ask(one.host, stored)}) == len(batch)
        )


def test_servers_and_collectors_are_killed(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """What was acknowledged is there once: by its uuid, on each replica, session by session, attempt by attempt."""
    rng = random.Random(15)
    with started(tmp_path / "cluster") as cluster:
        start = partial(Collector, tmp_path, "--store", store_of(*(server.host for server in cluster.servers)))
        with contextlib.closing(Collectors([start] * COLLECTORS)) as collectors:

            def kill_some(_traffic: Traffic) -> int:
                for number in range(KILLS):
                    time.sleep(rng.uniform(0.2, 1.5))
                    if number % 2:
                        which = rng.randrange(COLLECTORS)
                        collectors.kill(which)
                        time.sleep(rng.uniform(0, 1))
                        collectors.start(which)
                    else:
                        server = rng.choice(cluster.servers)
                        server.kill()
                        time.sleep(rng.uniform(0, 3))
                        server.start()
                        server.wait()
                return KILLS

            Play(cluster, collectors, tmp_path / "games", rounds_of(request)).run("SIGKILL", kill_some)


def test_disks_are_full(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """With one server's disk full, the others take the events; with all full, games are told to wait, and do."""
    with contextlib.ExitStack() as stack:
        disks = []
        for name in ("of_one", "of_others"):
            (tmp_path / name).mkdir()
            disks.append(stack.enter_context(disk(tmp_path / name, DISK_MEGABYTES)))
        places = [Place(disk=disks[0]), *[Place(disk=disks[1])] * 3]
        cluster = stack.enter_context(started(tmp_path / "cluster", places))
        start = partial(Collector, tmp_path, "--store", store_of(*(server.host for server in cluster.servers)))
        collectors = stack.enter_context(contextlib.closing(Collectors([start] * COLLECTORS)))

        def fill_disks(traffic: Traffic) -> int:
            time.sleep(1)
            fillers = [fill(disks[0])]
            assert eventually(lambda: has_acknowledged(traffic, 2.0), 20)
            fillers.append(fill(disks[1]))
            assert eventually(partial(is_full, traffic, disks[1]), 20)
            for filler in fillers:
                filler.unlink()
            return 2

        Play(cluster, collectors, tmp_path / "games", rounds_of(request)).run("full disk", fill_disks)


def is_full(traffic: Traffic, folder: Path) -> bool:
    """Whether senders are told to wait, and no batch is acknowledged; what merges have freed is filled first."""
    fill(folder)
    before = traffic.answers["503"]
    return not has_acknowledged(traffic, 2.0) and traffic.answers["503"] > before


def has_acknowledged(traffic: Traffic, seconds: float) -> bool:
    """Whether a batch is acknowledged in that time."""
    before = len(traffic.waits)
    time.sleep(seconds)
    return len(traffic.waits) > before


def test_networks_are_cut(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """A replica loses all others and ZooKeeper, and a collector loses its store: the rest goes on, later they join."""
    rounds, rng = rounds_of(request), random.Random(15)
    longest = 1.0 if rounds == 1 else 15.0  # seconds for which the collector is cut off after that
    with contextlib.ExitStack() as stack:
        of_replica = stack.enter_context(Cable())
        to_senders = stack.enter_context(Cable())
        to_store = stack.enter_context(Cable(beside=to_senders))
        here = Place((of_replica.near, to_store.near))
        cluster = stack.enter_context(
            started(tmp_path / "cluster", [Place((of_replica.far,), of_replica.within), here, here, here])
        )
        start = partial(Collector, tmp_path, "--store", store_of(*(server.host for server in cluster.servers)))
        ports = [server.host.rpartition(":")[2] for server in cluster.servers[1:]]
        far = store_of(*(f"{to_store.near}:{port}" for port in ports))
        start_far = partial(Collector, tmp_path, "--host", to_senders.far, "--store", far, patches=to_senders.entry)
        collectors = stack.enter_context(contextlib.closing(Collectors([start, start, start_far])))

        def cut(traffic: Traffic) -> int:
            time.sleep(1)
            assert eventually(partial(collectors.is_ready, 0), 6)
            of_replica.pull_far_end()
            assert eventually(partial(collectors.is_ready, 0), 6)
            time.sleep(CUT_SECONDS - 2)
            to_store.pull_far_end()
            assert eventually(partial(has_acknowledged, traffic, 2.0), 10)
            of_replica.plug_far_end()
            time.sleep(rng.uniform(1, longest))
            to_store.plug_far_end()
            return 2

        Play(cluster, collectors, tmp_path / "games", rounds).run("cut network", cut)
