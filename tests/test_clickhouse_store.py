"""The store on ClickHouse: its address, its tables and their versions, blocks, and what happens if it is down."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.collector.clickhouse import client as client_module
from ga_pygame.collector.clickhouse import schema as schema_module
from ga_pygame.collector.clickhouse import settings, spill
from ga_pygame.collector.clickhouse.address import PASSWORD_VARIABLE, StoreAddress, parse_store
from ga_pygame.collector.clickhouse.client import ClickHouseError, Client, Unreachable
from ga_pygame.collector.clickhouse.reader import OVERLAP_SECONDS
from ga_pygame.collector.clickhouse.rows import ArrivalIds, BlockMaker
from ga_pygame.collector.clickhouse.schema import CLICKHOUSE_SCHEMA_VERSION, Layout, read_schema, schema_statements
from ga_pygame.collector.clickhouse.secrets import shared_secret
from ga_pygame.collector.clickhouse.store import ClickHouseStore
from ga_pygame.collector.clickhouse.writer import SECONDS_BETWEEN_TRIALS, BlockWriter
from ga_pygame.collector.gameanalytics.configs import ConfigsError, RemoteConfig, Settings
from ga_pygame.collector.gameanalytics.routes import take_apart
from ga_pygame.collector.page import feed
from ga_pygame.collector.storage.schema import StoreError
from ga_pygame.collector.storage.store import StoreFull, Submission
from ga_pygame.collector.stores.contract import Submits
from ga_pygame.collector.troubles import Troubles
from ga_pygame.testing import ManualClock
from tests.collectors import KEY, event
from tests.conftest import eventually

NOW = 1_790_000_000.25


def submission(*events: dict[str, Any], at: float = NOW) -> Submission:
    return take_apart(KEY, at, json.dumps(events).encode(), "", light=False)[0]


# --- the address ------------------------------------------------------------------------------------------


def test_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts, ports, TLS; the password may come from the environment and is never shown."""
    monkeypatch.setenv(PASSWORD_VARIABLE, "from outside")
    assert parse_store("clickhouse://h/games") == StoreAddress(("http://h:8123",), "games", "default", "from outside")
    found = parse_store("clickhouses://ann:s%40cret@a.example:9,[::1]/g_1")
    assert found == StoreAddress(("https://a.example:9", "https://[::1]:8443"), "g_1", "ann", "s@cret")
    assert "s@cret" not in repr(found) + found.place
    for wrong in ("http://h/games", "clickhouse://h", "clickhouse://h/a-b", "clickhouse://h:x/a", "clickhouse:///a"):
        with pytest.raises(ValueError, match="clickhouse://user:password@host") as raised:
            parse_store(wrong.replace("://", "://user:hidden@", 1))
        assert "hidden" not in str(raised.value)


# --- the tables -------------------------------------------------------------------------------------------


@pytest.fixture
def address(todays_clickhouse: str) -> StoreAddress:
    """An empty database of today's ClickHouse."""
    return parse_store(f"clickhouse://{todays_clickhouse}/of_{uuid.uuid4().hex}")


@contextlib.contextmanager
def opened(address: StoreAddress, timezone: str = "UTC", retention: int | None = None) -> Iterator[ClickHouseStore]:
    store = ClickHouseStore(address, timezone, lambda cause, message: None, Troubles(), retention)
    with contextlib.closing(store):
        yield store


def test_tables_of_a_cluster_are_never_taken_for_those_of_one_server(
    address: StoreAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the row that says how they were made a collector does not start; one that names the cluster counts."""
    monkeypatch.setattr(schema_module, "SECONDS_FOR_RECORD", 0.3)
    monkeypatch.setattr(schema_module, "_is_spread", lambda _client: True)  # chdb has no clusters
    with contextlib.closing(Client(address)) as client:
        client.query(f"CREATE DATABASE {address.database}", database=False)
        columns = "made_us Int64, version UInt32, timezone String, cluster String, retention Int32"
        client.query(f"CREATE TABLE ga_schema ({columns}) ENGINE = MergeTree ORDER BY made_us")
        with pytest.raises(StoreError, match="run all statements"), opened(address):
            pass
        assert read_schema(client) is None
        for made_us, cluster in ((1, "games"), (2, "")):
            row = {"made_us": made_us, "version": 1, "timezone": "UTC", "cluster": cluster, "retention": -1}
            client.insert("ga_schema", [json.dumps(row).encode()], {})
        assert read_schema(client) == (1, "UTC", "games", -1)


def test_tables_are_made_checked_and_migrated(address: StoreAddress) -> None:
    """Missing ones are made, older ones migrated; newer ones and those of another time zone are refused."""
    with contextlib.closing(Client(address)) as client:
        assert read_schema(client) is None
        with opened(address, "Europe/Berlin", 30) as store:
            assert store.retention == 30
        made = read_schema(client)
        assert made is not None
        assert made == (CLICKHOUSE_SCHEMA_VERSION, "Europe/Berlin", "", 30)
        with pytest.raises(StoreError, match="--timezone Europe/Berlin"), opened(address):
            pass
        with opened(address, "Europe/Berlin") as store:
            assert store.retention == 30
        client.query("DROP VIEW visits")
        columns = "INSERT INTO ga_schema (made_us, version, timezone, cluster, retention)"
        client.query(f"{columns} VALUES ({int(time.time() * 1e6)}, 0, 'Europe/Berlin', '', 30)")
        with opened(address, "Europe/Berlin", 31) as store:
            assert store.choices()["level"] == ()
        assert read_schema(client) == (CLICKHOUSE_SCHEMA_VERSION, "Europe/Berlin", "", 31)
        assert client.query("SELECT count() FROM visits").strip() == b"0"
        assert b"toIntervalDay(32)" in client.query("SHOW CREATE TABLE ga_events")
        client.query(f"{columns} VALUES ({int(time.time() * 1e6)}, 99, 'Europe/Berlin', '', 30)")
        with pytest.raises(StoreError, match="newer ga_pygame"), opened(address, "Europe/Berlin"):
            pass


def test_the_sql_of_a_cluster() -> None:
    """Each table is on every server, replicated, and spread; copies of an event come to the same shard."""
    texts = schema_statements(Layout("g", "c1", replicated=True, retention=9))
    (local,) = [one for one in texts if one.startswith("CREATE TABLE IF NOT EXISTS ga_events_local ON CLUSTER 'c1' (")]
    assert "ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/g/ga_events', '{replica}', version)" in local
    assert "TTL toDate(toDateTime(intDiv(received_us, 1000000), 'UTC')) + INTERVAL 10 DAY" in local
    spread = "AS ga_events_local ENGINE = Distributed('c1', 'g', ga_events_local, cityHash64(user_id))"
    assert f"CREATE TABLE IF NOT EXISTS ga_events ON CLUSTER 'c1' {spread}" in texts
    fills = [one for one in texts if one.startswith("CREATE MATERIALIZED VIEW")]
    assert len(fills) == 7
    assert all(" TO ga_" in one and "_local AS" in one and "FROM ga_events_local" in one for one in fills)
    assert all("ON CLUSTER 'c1'" in one for one in texts if one.startswith("CREATE"))
    old = " ".join(schema_statements(Layout(has_metrics=False)))
    assert not [word for word in ("LowCardinality", "CODEC", "TTL", "DateTime64", "JSONExtract", "VIEW") if word in old]


# --- rows -------------------------------------------------------------------------------------------------


def test_ids_grow_and_never_leave_their_second() -> None:
    """Also if the clock stands still: the microseconds of an id keep the order of a request's events."""
    ids = ArrivalIds()
    assert [ids.take(3, NOW), ids.take(2, NOW), ids.take(1, NOW - 9)] == [
        1790000000250000,
        1790000000250003,
        1790000000250005,
    ]
    assert ids.take(2, NOW + 0.7499995) == 1790000001000000


def test_rows_of_a_block() -> None:
    """The day comes from the event alone; times are moved back by as much as a request's clock is ahead."""
    late, ahead = int(NOW) - 2 * 86_400, int(NOW) + 100
    made = BlockMaker().make([submission(event(client_ts=late), event(client_ts=ahead), event(event_uuid="x"))], NOW)
    rows = [json.loads(line) for line in made.events]
    days = [time.strftime("%Y-%m-%d", time.gmtime(at)) for at in (late, ahead)]
    assert [row["event_day"] for row in rows] == days
    assert [row["client_us"] // 1_000_000 for row in rows] == [late - 100, int(NOW)]
    assert [row["client_us"] % 1_000_000 for row in rows] == [250_000, 250_001]
    assert [row["version"] + row["id"] for row in rows] == [2**63 - 1] * 2
    (refused,) = map(json.loads, made.rejected)
    assert (refused["user_id"], refused["id"]) == ("player", rows[1]["id"] + 1)
    (counts,) = map(json.loads, made.counts)
    assert (counts["category"], counts["accepted"], counts["rejected"]) == ("design", 2, 1)


# --- blocks and failures ----------------------------------------------------------------------------------


class _Server:
    """A stand-in for ClickHouse's HTTP interface: what it was sent, and what it answers."""

    def __init__(self) -> None:
        self.tables: list[str] = []
        self.answers: dict[str, tuple[int, str]] = {}
        self.slow = threading.Event()
        self.slow.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                table = self.path.partition("INSERT+INTO+")[2].partition("+")[0]
                outer.tables.append(table)
                outer.slow.wait(20)
                status, text = outer.answers.get(table, (200, ""))
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of http.server
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()
        self.address = parse_store(f"clickhouse://127.0.0.1:{self.http.server_port}/games")

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[_Server]:
    with contextlib.closing(_Server()) as server:
        yield server


@contextlib.contextmanager
def writing(address: StoreAddress, troubles: Troubles) -> Iterator[BlockWriter]:
    writer = BlockWriter(lambda: Client(address), Layout(), lambda cause, text: None, troubles, 0.02)
    with contextlib.closing(writer):
        yield writer


def test_requests_are_joined_and_acknowledged_after_their_block(server: _Server) -> None:
    """Requests that come while inserts are in flight are one block; none is acknowledged before its insert."""
    server.slow.clear()
    with writing(server.address, Troubles()) as writer:
        firsts = []
        for number in (1, 2):  # one insert of each of the two writers is in flight
            firsts.append(writer.submit(submission(event())))
            assert eventually(lambda: len(server.tables) == number)  # noqa: B023
        rest = [writer.submit(submission(event(), event())) for _ in range(20)]
        assert not any(future.done() for future in firsts + rest)
        server.slow.set()
        assert [future.result(10) for future in firsts + rest] == [1, 1] + [2] * 20
    assert server.tables.count("ga_events") in (3, 4)
    assert server.tables.count("ga_counts") == server.tables.count("ga_events")


@pytest.mark.parametrize(
    "text",
    [
        "Code: 242. DB::Exception: Table is in readonly mode",
        "Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space",
        "Code: 252. DB::Exception: Too many parts",
        "<html>bad gateway</html>",
    ],
)
def test_a_server_that_takes_nothing(server: _Server, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read-only, full, or busy: senders are told to try again, the page says why, and it goes on when that is over."""
    clock, troubles = ManualClock(), Troubles()
    monkeypatch.setattr("ga_pygame.clock.SystemClock", lambda: clock)
    server.answers["ga_events"] = (500, text)
    with writing(server.address, troubles) as writer:
        with pytest.raises(StoreFull):
            writer.submit(submission(event())).result(10)
        assert text[:20] in troubles.present()[0].text
        with pytest.raises(StoreFull):
            writer.submit(submission(event()))
        server.answers.clear()
        clock.advance(SECONDS_BETWEEN_TRIALS)
        assert writer.submit(submission(event())).result(10) == 1
        assert troubles.present() == []


def test_no_server_answers() -> None:
    """The next host is asked; if none answers, senders are told to try again."""
    with contextlib.closing(_Server()) as good, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        both = parse_store(f"clickhouse://127.0.0.1:{port},{good.address.urls[0][7:]}/games")
        with writing(both, Troubles()) as writer:
            assert writer.submit(submission(event())).result(10) == 1
        troubles = Troubles()
        with writing(parse_store(f"clickhouse://127.0.0.1:{port}/games"), troubles) as writer, pytest.raises(StoreFull):
            writer.submit(submission(event())).result(10)
        assert "no ClickHouse server of games" in troubles.present()[0].text


@pytest.fixture
def two(server: _Server) -> Iterator[tuple[_Server, _Server, StoreAddress]]:
    """Two servers, and the address of both in that order."""
    with contextlib.closing(_Server()) as other:
        hosts = ",".join(one.address.urls[0][7:] for one in (server, other))
        yield server, other, parse_store(f"clickhouse://{hosts}/games")


@pytest.mark.parametrize("code", [75, 225, 242, 252, 279])
def test_another_server_may_take_what_one_does_not(two: tuple[_Server, _Server, StoreAddress], code: int) -> None:
    """Full, cut off from ZooKeeper, read-only, or without the others: the next one is asked, and then first."""
    bad, good, address = two
    bad.answers["ga_events"] = (500, f"Code: {code}, e.displayText() = DB::Exception: not now")
    with contextlib.closing(Client(address)) as client:
        for _ in range(2):
            client.insert("ga_events", [b"{}"], {})
        assert (len(bad.tables), len(good.tables)) == (1, 2)
        good.answers["ga_events"] = bad.answers["ga_events"]
        with pytest.raises(ClickHouseError, match="not now"):
            client.insert("ga_events", [b"{}"], {})
        assert (len(bad.tables), len(good.tables)) == (2, 3)


def test_a_refusal_of_a_query_is_told_at_once(two: tuple[_Server, _Server, StoreAddress]) -> None:
    """A wrong query, or one that is too large, is not tried on all servers; the next query begins at another one."""
    bad, good, address = two
    with contextlib.closing(Client(address)) as client:
        for code, asked in ((62, (1, 0)), (241, (2, 0)), (241, (2, 1))):
            bad.answers[""] = good.answers[""] = (500, f"Code: {code}, e.displayText() = DB::Exception: no")
            with pytest.raises(ClickHouseError):
                client.query("SELECT 1")
            assert (len(bad.tables), len(good.tables)) == asked


def test_a_server_that_does_not_answer_is_not_asked_first_again(
    two: tuple[_Server, _Server, StoreAddress], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one takes its block while the senders still wait, and the next block at once."""
    silent, good, address = two
    silent.slow.clear()
    monkeypatch.setattr(client_module, "SECONDS_TO_ANSWER", 2.0)
    with contextlib.closing(Client(address)) as client:
        for _ in range(2):
            client.insert("ga_events", [b"{}"], {})
        assert (len(silent.tables), len(good.tables)) == (1, 2)
        good.slow.clear()
        with pytest.raises(Unreachable):
            client.insert("ga_events", [b"{}"], {})
    for one in (silent, good):
        one.slow.set()


def test_one_request_that_cannot_be_read_does_not_fail_the_others(address: StoreAddress) -> None:
    """A block that the server cannot read is sent again, each request alone."""
    with opened(address) as store:
        bad = submission(event())
        broken = Submission("\ud800" * 2, NOW, bad.accepted, (), bad.size)
        futures = [store.submit(one) for one in (submission(event()), broken, submission(event()))]
        assert [future.exception(20) is None for future in futures] == [True, False, True]
        assert store.progress.done == 2


def test_odd_texts_do_not_fail_a_block(address: StoreAddress) -> None:
    """What is none of an enumeration's words, no number or no JSON of its kind is NULL, as in the local store."""
    odd: list[dict[str, Any]] = [
        {"category": "error", "severity": "fatal", "message": 5},
        {"category": "progression", "event_id": "Begin:one", "score": "7.5", "attempt_num": "x"},
        {"category": "resource", "event_id": "Loan", "amount": -1e300, "custom_fields": [1]},
        {"category": "health", "fps_data_table": "none", "custom_fields": {"ga_who": "ghost"}},
    ]
    with opened(address) as store, contextlib.closing(Client(address)) as client:
        accepted = [({**one, "client_ts": "soon"}, json.dumps(one).encode()) for one in odd]
        assert store.submit(Submission(KEY, NOW, accepted, (), 0)).result(20) == 4
        columns = "category, severity, status, flow, score, attempt_num, amount, fps, who, name"
        rows = json.loads(client.query(f"SELECT {columns} FROM ga_events ORDER BY id FORMAT JSONCompact"))["data"]
        assert rows == [
            ["error", None, None, None, None, None, None, None, "player", "5"],
            ["progression", None, None, None, 7.5, None, None, None, "player", "one"],
            ["resource", None, None, None, None, None, None, None, "player", "Loan"],
            ["health", None, None, None, None, None, None, None, None, None],
        ]


# --- several collectors -----------------------------------------------------------------------------------


def test_the_live_view_of_two_collectors(address: StoreAddress) -> None:
    """Each event is shown once, also a copy that another collector got, and one that appears after newer ones."""
    same, late = event(event_id="same"), event(event_id="late")
    with opened(address) as one, opened(address) as other, contextlib.closing(one.reader()) as reader:
        live = feed.Feed(feed.FeedKey())

        def shown() -> list[str]:
            live.add(live.look(reader))
            return [row["cells"][2] for row in live.since(0)]

        assert shown() == []
        one.submit(submission(event(event_id="first"), same, at=time.time())).result(20)
        assert shown() == ["same", "first"]
        other.submit(submission(same, event(event_id="second"), at=time.time())).result(20)
        assert shown() == ["second", "same", "first"]
        made = BlockMaker().make([submission(late)], time.time() - OVERLAP_SECONDS / 2)
        with contextlib.closing(Client(address)) as client:
            client.insert("ga_events", made.events, {})
        assert shown() == ["late", "second", "same", "first"]
        assert shown() == ["late", "second", "same", "first"]


def test_settings_and_secrets_are_shared(address: StoreAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one collector saves is in force at the others; who edited an older version is told so."""
    monkeypatch.setattr(settings, "SETTINGS_SECONDS", 0.05)
    first = {"*": Settings(configs=[RemoteConfig("gravity", "80")])}
    with opened(address), contextlib.ExitStack() as stack:
        tables = [settings.SettingsTable(Client(address), "here", games, print) for games in (first, None, {})]
        for table in tables:
            stack.enter_context(contextlib.closing(table))
        assert [table.of(KEY).configs[0].value for table in tables] == ["80"] * 3
        games, stamp = tables[1].read()
        changed = {**games, KEY: Settings(enabled=False)}
        tables[1].save(changed, stamp, time.time())
        assert eventually(lambda: not any(table.of(KEY).enabled for table in tables))
        with pytest.raises(ConfigsError, match="changed meanwhile"):
            tables[2].save(games, stamp, time.time())
        with pytest.raises(ConfigsError, match="1 to 16 characters"):
            tables[2].save({"*": Settings(configs=[RemoteConfig("", "1")])}, tables[2].read()[1], time.time())
        assert [version.games for version in tables[0].history()] == [changed, first]
        with contextlib.closing(Client(address)) as client:
            assert [shared_secret(client, "page", word) for word in ("a", "b")] == ["a", "a"]
            assert shared_secret(client, "other", "c") == "c"


# --- spilling ---------------------------------------------------------------------------------------------


def test_what_clickhouse_does_not_take_is_sent_on(
    address: StoreAddress, server: _Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is acknowledged after the commit of the log, outlives the process, and comes once, rejected events too."""
    monkeypatch.setattr(spill, "SECONDS_BETWEEN_SENDS", 0.05)
    server.answers["ga_events"] = (500, "Code: 242. DB::Exception: Table is in readonly mode")
    both, one = submission(event(event_id="a"), event(event_id=""), at=time.time()), submission(event(event_id="b"))
    told: list[str] = []

    def opened_spill(store: Submits) -> contextlib.closing[spill.Spill]:
        return contextlib.closing(spill.Spill(tmp_path / "spill", store, lambda _, text: told.append(text), Troubles()))

    with writing(server.address, Troubles()) as writer, opened_spill(writer) as spilling:
        assert [spilling.submit(each).result(10) for each in (both, one)] == [1, 1]
        assert spilling.waiting() == 3
    with opened(address) as store, contextlib.closing(store.reader()) as reader:
        with opened_spill(store) as spilling:
            assert eventually(lambda: spilling.waiting() == 0)
            assert spilling.submit(submission(event(event_id="c"), at=time.time())).result(10) == 1
            assert spilling.waiting() == 0
        found = reader.arrivals(0, 9)
        assert sorted(json.loads(each.json)["event_id"] for each in found) == ["", "a", "b", "c"]
        assert [each.category for each in found if each.errors] == ["design"]
        assert abs(found[0].received_at - time.time()) < 60
    assert told == []
