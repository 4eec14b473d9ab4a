"""Measure collectors that keep their events in ClickHouse: `python -m benchmarks.cluster`.

`--part acknowledging` starts a ClickHouse and one or three collectors, and sends them sessions of made-up players on
many connections, each as soon as its last request was acknowledged; then at a steady rate. "CPU" is that of the
processes of collectors and of ClickHouse, apart. It is measured with Debian's server 18.16, which is a real server but
stores JSON only, and with ClickHouse 26.9 (chdb) behind the small HTTP interface of the tests, which makes all columns
and tables, but takes one block at a time.

`--part metrics` stores a million events in blocks of 5,000 in ClickHouse 26.9 (chdb) on this machine, in a database for
each size of `--events`: larger ones have copies of the million with other players, day by day. It tells bytes, CPU and
memory, and asks each metric. With `--folder`, the databases stay there and the next run asks them again.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import datetime
import gzip
import hashlib
import hmac
import http.client
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.warehouse import _OPTIONS as OPTIONS
from benchmarks.warehouse import BEGIN, DAY, DAYS, KEY, Players
from ga_pygame.config import SANDBOX_SECRET_KEY

ROOT = Path(__file__).parent.parent
DEBIAN, CHDB = "18.16 (Debian)", "26.9 (chdb)"
CONNECTIONS = 96
"""Senders that each wait for their acknowledgement."""
STEADY_EVENTS = 1_000
"""Events a second of the steady rate."""
EVENTS_OF_A_SESSION = 25
ROWS_OF_A_BLOCK = 5_000
COPIED = 1_000_000
"""Events that are made; more are copies of them."""
APART_US = 10_000_000
"""Microseconds between the ids of copies."""
ONE_IN_LATE = 50
"""Players of whom one has events that come a day later."""
FIRST = "first"
"""The database of the events that are made."""
MERGES_SECONDS = 300
"""How long merges are waited for."""
NOT_ASKED = ("trail", "design_fields", "heatmap", "heatmap_maps", "hitches", "field_names")
"""Metrics about what the made-up events do not have."""
LAST_DAYS = 14
"""Days of the shorter range, of 60."""
ENOUGH_SECONDS = 10.0
"""A metric that takes longer is asked once."""
ONE = "one player: "
"""Stands before metrics that are asked about one player."""
OF_A_PLAYER = (f"{ONE}timeline", f"{ONE}overview", f"{ONE}players", f"{ONE}levels")
NO_ANSWER = {0: "over 120 s", 241: "too little memory"}
"""Why a metric has no answer, by ClickHouse's code; 0 if the client did not wait for it."""
_COLLECT = "import sys; from ga_pygame.cli import main; sys.exit(main(sys.argv[1:]))"
_TICKS = os.sysconf("SC_CLK_TCK")


class Server(NamedTuple):
    """A running ClickHouse: its host and port, and its process."""

    host: str
    pid: int


@contextlib.contextmanager
def debian() -> Iterator[Server]:
    """Start Debian's server."""
    from tests.clickhouse_servers import DebianServer, free_ports

    with tempfile.TemporaryDirectory() as folder:
        server = DebianServer(Path(folder) / "clickhouse", free_ports(3))
        try:
            server.start()
            server.wait()
            yield Server(server.host, server.pid)
        finally:
            server.kill()


@contextlib.contextmanager
def chdb(kept: Path | None = None) -> Iterator[Server]:
    """Start the ClickHouse of chdb behind the HTTP interface of the tests, with its data in a folder."""
    with tempfile.TemporaryDirectory() if kept is None else contextlib.nullcontext(str(kept)) as folder:
        command = [sys.executable, "-W", "ignore", str(ROOT / "tests/chdb_server.py"), folder]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                yield Server(f"127.0.0.1:{int(process.stdout.readline())}", process.pid)
            finally:
                process.stdin.close()


def cpu_seconds(pids: Sequence[int]) -> float:
    """Return the processor time of some processes."""
    found = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        found += (int(fields[11]) + int(fields[12])) / _TICKS
    return found


# --- acknowledging --------------------------------------------------------------------------------------------


@contextlib.contextmanager
def collecting(store: str, copies: int) -> Iterator[tuple[list[int], list[int]]]:
    """Run collectors; yield their process ids and ports."""
    with contextlib.ExitStack() as stack:
        pids, ports = [], []
        for _ in range(copies):
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            command = [sys.executable, "-c", _COLLECT, "collect", "--port", "0", "--no-page", "--store", store]
            own = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_DATA_HOME": folder}
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder, env=own)
            stack.callback(process.wait, 60)
            stack.callback(process.terminate)
            assert process.stdout is not None
            pids.append(process.pid)
            ports.append(int(process.stdout.readline().strip().rpartition(":")[2]))
        yield pids, ports


def bodies(number: int, seed: int) -> list[tuple[int, bytes, str]]:
    """Make requests of today, a session each: their events, body and signature."""
    players, now, made = Players(1_000, seed), int(time.time()), []
    for player in range(number):
        _, events = players.play(now - 600, player % 1_000)
        body = gzip.compress(f"[{','.join(events)}]".encode(), 1, mtime=0)
        signature = base64.b64encode(hmac.digest(SANDBOX_SECRET_KEY.encode(), body, hashlib.sha256)).decode()
        made.append((len(events), body, signature))
    return made


class Senders:
    """Connections to the collectors, each with a thread.

    Attributes:
        waits: Seconds until each acknowledgement.
        events: Events that were acknowledged.
    """

    def __init__(self, ports: Sequence[int], requests: Sequence[tuple[int, bytes, str]], connections: int) -> None:
        self._requests = iter(requests)
        self._lock = threading.Lock()
        self.waits: list[float] = []
        self.events = 0
        self._threads = [
            threading.Thread(target=self._run, args=(ports[number % len(ports)],)) for number in range(connections)
        ]

    def run(self, events_per_second: float | None) -> float:
        """Send all; return the seconds that it took."""
        self._due, self._rate = time.perf_counter(), events_per_second
        begin = time.perf_counter()
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join()
        return time.perf_counter() - begin

    def _next(self) -> tuple[int, bytes, str] | None:
        """Wait until the next request is due."""
        with self._lock:
            one = next(self._requests, None)
            due = self._due
            if one is not None and self._rate is not None:
                self._due += one[0] / self._rate
        if self._rate is not None:
            time.sleep(max(0.0, due - time.perf_counter()))
        return one

    def _run(self, port: int) -> None:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            while (one := self._next()) is not None:
                number, body, signature = one
                begin = time.perf_counter()
                headers = {"Authorization": signature, "Content-Encoding": "gzip"}
                connection.request("POST", f"/v2/{KEY}/events", body, headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"the collector answered {answer.status}")
                with self._lock:
                    self.waits.append(time.perf_counter() - begin)
                    self.events += number


def acknowledge(name: str, server: Server, copies: int, events: int) -> None:
    """Print how fast so many collectors acknowledge, as fast as they can and at a steady rate."""
    with collecting(f"clickhouse://{server.host}/acknowledged_{copies}", copies) as (pids, ports):
        Senders(ports, bodies(20 * copies, 99), 8).run(None)  # connections, tables and caches are there
        for rate in (None, STEADY_EVENTS):
            number = (events if rate is None else 10 * STEADY_EVENTS) // EVENTS_OF_A_SESSION
            senders = Senders(ports, bodies(number, 1 if rate is None else 2), CONNECTIONS)
            before = cpu_seconds(pids), cpu_seconds([server.pid])
            seconds = senders.run(rate)
            used = cpu_seconds(pids) - before[0], cpu_seconds([server.pid]) - before[1]
            cuts = statistics.quantiles(senders.waits, n=100)
            of_collectors, of_server = (1e6 * one / senders.events for one in used)
            kind = "most" if rate is None else "steady"
            print(
                f"| {name} | {copies} | {kind} | {senders.events / seconds:,.0f} | {cuts[49] * 1000:.0f} |"
                f" {cuts[98] * 1000:.0f} | {of_collectors:.0f} | {of_server:.0f} |",
                flush=True,
            )


def acknowledging(events: int, copies: Sequence[int]) -> None:
    """Print a table of acknowledgements for each ClickHouse that is here."""
    print("\n| ClickHouse | collectors | load | events/s | p50 ms | p99 ms | collector CPU ms | ClickHouse CPU ms |")
    print("|---|--:|---|--:|--:|--:|--:|--:|")
    for name, start in ((DEBIAN, debian), (CHDB, chdb)):
        with start() as server:
            for number in copies:
                acknowledge(name, server, number, events)


# --- metrics --------------------------------------------------------------------------------------------------


def fill(client: Any, events: int, players: int) -> int:
    """Store made-up events in blocks; return how many."""
    from ga_pygame.collector.clickhouse.rows import BlockMaker
    from ga_pygame.collector.gameanalytics.routes import take_apart

    made, maker = Players(players), BlockMaker()
    total, rows = 0, 0
    group: list[Any] = []
    plan = made.plan(events // EVENTS_OF_A_SESSION)
    for number, (at, player) in enumerate(plan, 1):
        now, sent = made.play(at, player)
        group.append(take_apart(KEY, now + 5.25, f"[{','.join(sent)}]".encode(), "", light=False)[0])
        rows += len(sent)
        if rows >= ROWS_OF_A_BLOCK or number == len(plan):
            block = maker.make(group, group[-1].received_at)
            client.insert("ga_events", block.events, {"insert_deduplication_token": block.name})
            total += rows
            rows = 0
            group.clear()
    return total


def fill_copies(client: Any, copies: int) -> None:
    """Store the first events and copies of them with other players, day by day; some come a day later."""
    days = client.query(f"SELECT DISTINCT event_day FROM {FIRST}.ga_events ORDER BY event_day").decode().split()
    key = "bitShiftRight(cityHash64(e.game_key, concat(e.{}, own)), 1) AS {}"
    after = datetime.date.fromisoformat(days[-1]) + datetime.timedelta(days=1)
    for day in [*days, after.isoformat()]:
        client.query(  # `e.` as a plain name would mean the new column
            "WITH if(e.n = 0, '', concat('-', toString(e.n))) AS own INSERT INTO ga_events SELECT * EXCEPT n REPLACE ("
            " concat(e.event_uuid, own) AS event_uuid, concat(e.user_id, own) AS user_id,"
            f" concat(e.session_id, own) AS session_id, e.id + e.n * {APART_US} AS id,"
            f" e.version - e.n * {APART_US} AS version,"
            f" {key.format('user_id', 'player')}, {key.format('session_id', 'session')})"
            f" FROM (SELECT *, arrayJoin(range({copies})) AS n FROM {FIRST}.ga_events"
            f" WHERE event_day + (cityHash64(user_id) % {ONE_IN_LATE} = 0) = '{day}') AS e",
            seconds=3_600,
        )
        print(f"{copies} copies of {day}", file=sys.stderr, flush=True)


def wait_for_merges(client: Any) -> None:
    """Wait until ClickHouse merges nothing, as its processor time would count as that of metrics."""
    quiet = 0
    until = time.monotonic() + MERGES_SECONDS
    while quiet < 5 and time.monotonic() < until:
        time.sleep(1)
        quiet = 0 if int(client.query("SELECT count() FROM system.merges")) else quiet + 1


def ask_all(client: Any, pid: int, names: Sequence[str], tries: int) -> dict[str, list[str]]:
    """Return the milliseconds of each metric about players, for all days and for the last ones."""
    from ga_pygame.collector.warehouse.filters import Filters
    from ga_pygame.collector.warehouse.metrics import METRICS

    today = datetime.datetime.fromtimestamp(BEGIN + DAYS * DAY, datetime.timezone.utc).date()
    all_days = Filters(who=("player",))
    ranges = (all_days, replace(all_days, since=today - datetime.timedelta(days=LAST_DAYS)))
    (player,) = client.query("SELECT user_id FROM ga_players ORDER BY player LIMIT 1").decode().split()
    found = {}
    for name in names or [*(one for one in METRICS if one not in NOT_ASKED), *OF_A_PLAYER]:
        metric = name.removeprefix(ONE)
        filters = [replace(one, user_id=player) if metric != name else one for one in ranges]
        _reset_memory(pid)
        found[name] = [_timed(partial(_ask, client, metric, one, today), pid, tries) for one in filters]
        print(name, *found[name], f"{most_memory(pid):,.0f} MB", file=sys.stderr, flush=True)
    return found


def _ask(client: Any, name: str, filters: Any, today: datetime.date) -> None:
    from ga_pygame.collector.warehouse.asking import Question
    from ga_pygame.collector.warehouse.clickhouse import ClickHouse
    from ga_pygame.collector.warehouse.metrics import METRICS

    METRICS[name].function(Question(ClickHouse(client.query), filters, today), **OPTIONS.get(name, {}))


def _timed(ask: Callable[[], None], pid: int, most: int) -> str:
    """Return the milliseconds of the best of some tries, and those of the processors; or why there is no answer."""
    from ga_pygame.collector.clickhouse.client import ClickHouseError, Unreachable

    tries: list[tuple[float, float]] = []
    while len(tries) < most and (not tries or tries[-1][0] < ENOUGH_SECONDS):
        begin, before = time.perf_counter(), cpu_seconds([pid])
        try:
            ask()
        except (ClickHouseError, Unreachable) as error:
            print(error, file=sys.stderr)
            return NO_ANSWER.get(getattr(error, "code", 0), str(error))
        tries.append((time.perf_counter() - begin, cpu_seconds([pid]) - before))
    wall, cpu = (min(each) * 1000 for each in zip(*tries, strict=True))
    return f"{wall:,.0f} / {cpu:,.0f}"


def _reset_memory(pid: int) -> None:
    """Forget the most memory that a process had. Source: proc_pid_clear_refs(5)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="utf-8")


def most_memory(pid: int) -> float:
    """Return the most memory that a process had since the last reset, in MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def bytes_by_table(client: Any) -> dict[str, int]:
    """Return the bytes of each table's active parts."""
    parts = "FROM system.parts WHERE active AND database = currentDatabase() GROUP BY table"
    text = client.query(f"SELECT table, sum(bytes_on_disk) {parts} FORMAT TSV").decode()
    rows = (line.split("\t") for line in text.splitlines())
    return {table: int(number) for table, number in rows}


def metrics(sizes: Sequence[int], players: int, names: Sequence[str], tries: int, kept: Path | None) -> None:
    """Print bytes, CPU and times of metrics with so many events."""
    tables: list[dict[str, list[str]]] = []
    with chdb(kept) as server:
        with database(server, FIRST) as client:
            before = cpu_seconds([server.pid])
            if stored(client) == 0:
                total = fill(client, COPIED, players)
                used = (cpu_seconds([server.pid]) - before) * 1e6 / total
                print(f"{total:,} events in blocks of {ROWS_OF_A_BLOCK:,}: CPU {used:.0f} ms per 1,000 events")
        for size in sizes:
            with database(server, FIRST if size <= COPIED else f"of_{size}") as client:
                if stored(client) == 0:
                    before = cpu_seconds([server.pid])
                    fill_copies(client, round(size / COPIED))
                    print(f"CPU {(cpu_seconds([server.pid]) - before) * 1e6 / stored(client):.0f} ms per 1,000 events")
                found = stored(client)
                sums = bytes_by_table(client)
                of_one = ", ".join(f"{name} {number / found:.1f}" for name, number in sorted(sums.items()))
                print(f"{found:,} events: {sum(sums.values()) / found:.0f} bytes each ({of_one})", flush=True)
                wait_for_merges(client)
                tables.append(ask_all(client, server.pid, names, tries))
    heads = [f"{size:,}, {days}" for size in sizes for days in ("all days", f"{LAST_DAYS} days")]
    print(f"\n| metric | {' | '.join(heads)} |\n|---|{'--:|' * len(heads)}")
    for name in tables[0]:
        print(f"| {name} | {' | '.join(cell for one in tables for cell in one[name])} |")


@contextlib.contextmanager
def database(server: Server, name: str) -> Iterator[Any]:
    """Open a database; its tables are made if there are none."""
    from ga_pygame.collector.clickhouse.address import parse_store
    from ga_pygame.collector.clickhouse.client import Client
    from ga_pygame.collector.clickhouse.schema import open_schema

    with contextlib.closing(Client(parse_store(f"clickhouse://{server.host}/{name}"))) as client:
        open_schema(client, "UTC", None)
        yield client


def stored(client: Any) -> int:
    """Return the number of events."""
    return int(client.query("SELECT count() FROM ga_events"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the parts that are chosen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("all", "acknowledging", "metrics"), default="all")
    parser.add_argument("--sent", type=int, default=100_000, help="events of each round of acknowledging")
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 3], help="collectors")
    parser.add_argument("--events", type=int, nargs="+", default=[COPIED, 10 * COPIED], help="sizes for metrics")
    parser.add_argument("--players", type=int, default=50_000, help="of a million events")
    parser.add_argument("--metrics", nargs="+", default=[], help="names; all if none are given")
    parser.add_argument("--tries", type=int, default=3, help="of each metric, of which the best is told")
    parser.add_argument("--folder", type=Path, help="keeps the databases of metrics")
    chosen = parser.parse_args(arguments)
    if importlib.util.find_spec("chdb") is None:
        parser.error('chdb is not installed: pip install "ga-pygame[chdb]"')
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors")
    if chosen.part != "metrics":
        acknowledging(chosen.sent, chosen.copies)
    if chosen.part != "acknowledging":
        metrics(chosen.events, chosen.players, chosen.metrics, chosen.tries, chosen.folder)


if __name__ == "__main__":
    main()
