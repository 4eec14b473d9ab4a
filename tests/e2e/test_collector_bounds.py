"""Hostile requests: the collector's memory and files stay small, and it answers other clients meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.collector import connections
from ga_pygame.collector.gameanalytics import validation
from tests.collectors import EVENTS, INIT, KEY, POGR, TROPHY, WHO, Collector, event, pack, sign
from tests.conftest import eventually
from tests.fork_server import Forked


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """Start a collector for one test."""
    running = Collector(tmp_path)
    yield running
    assert running.stop() == 0


def memory(process: Forked | subprocess.Popen[str]) -> int:
    """Return a process's peak memory in bytes."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


def on_disk(collector: Collector) -> int:
    return sum(path.stat().st_size for path in collector.db.parent.iterdir() if path.is_file())


def filled(text: bytes, separator: bytes = b",", size: int = 4 * 2**20 - 200) -> bytes:
    """Return a JSON list of about so many bytes: one element again and again."""
    return b"[" + separator.join([text] * (size // (len(text) + len(separator)))) + b"]"


def _events_like(**fields: Any) -> bytes:
    return json.dumps(event(**fields)).encode()


def _hostile_batches() -> Iterator[tuple[str, bytes]]:
    for element in (b"0", b"{}", b"[]", b'""', b"null", b"1e400", b'{"category":"user"}', b'{"a":{"b":[]}}'):
        yield f"of {element.decode()}", filled(element)
    yield "events of which each breaks all rules", filled(json.dumps(dict.fromkeys(event(), "\u00fc" * 3)).encode())
    yield "good events", filled(_events_like())
    yield "of one event", filled(_events_like(), size=3 * 2**20)
    keys = b",".join(b'"%d":1' % n for n in range(400_000))
    yield "an event of many keys", b'[{"category":"design",' + keys + b"}]"
    yield "one key again and again", b'[{"category":"design",' + b",".join([b'"category":"user"'] * 200_000) + b"}]"
    yield "deep lists", b"[" * 2_000_000 + b"]" * 2_000_000
    yield "deep objects", b"[" + b'{"a":' * 500_000 + b"1" + b"}" * 500_000 + b"]"
    yield "a long number", b'[{"v":' + b"9" * 4_000_000 + b"}]"
    yield "a long string", _list(event(event_id="x" * 4_000_000))
    yield "a long key", _list({**event(), "x" * 4_000_000: 1})
    yield "a long emoji text", _list(event(user_id="\U0001f40d" * 300_000))
    yield "long custom fields", _list(event(custom_fields={"k" * 60_000 + str(n): "v" * 300 for n in range(60)}))
    yield "half surrogates", b'["\\ud800"' + b",0" * 2_000_000 + b"]"
    yield "spaces", b"[" + b" " * 4_000_000 + b"]"
    yield "a bomb", b"[" + b"0," * 40_000_000 + b"0]"
    yield "no list", b'{"a":' + filled(b"0") + b"}"


def _list(one: Any) -> bytes:
    return b"[" + json.dumps(one).encode() + b"]"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_hostile_batches_cost_little(collector: Collector) -> None:
    """None of them takes 64 MiB of memory, 8 MiB of disk or an answer of 4 MiB; good events are taken after each."""
    assert collector.send(event(), packed=True).status == 200
    overview = "/api/warehouse/overview"
    assert eventually(lambda: collector.ask("GET", overview).headers.get("x-ga-projected") == "1/1", 20)
    before = memory(collector.process)  # with the warehouse's library, which a good event takes, too
    for what, batch in _hostile_batches():
        for body, headers in ((pack(batch), {"Content_Encoding": "gzip"}), (batch[:990_000], {})):
            disk = on_disk(collector)
            reply = collector.post(EVENTS, body, **headers)
            assert reply.status in (200, 400, 413), what
            assert len(reply.body) < 4 * 2**20, what
            assert on_disk(collector) - disk < 8 * 2**20, what
    assert memory(collector.process) - before < 64 * 2**20
    assert collector.send(event(), packed=True).status == 200


def _hostile_objects() -> Iterator[bytes]:
    yield b'{"data":' + filled(b"0", size=16 * 2**20) + b"}"
    yield b'{"data":' + b"[" * 30_000 + b"]" * 30_000 + b"}"
    yield b'{"log":"' + b"x" * 16_000_000 + b'"}'
    yield b'{"metrics":{' + b",".join(b'"%d":"x"' % n for n in range(5_000)) + b"}}"
    yield b'{"value":' + b"9" * 4_000 + b',"user":{"id":"u"}}'
    yield b'{"value":1e400,"user":{"id":"u"}}'
    yield b'{"value":1,"user":{"id":"u","name":"' + b"x" * 60_000 + b'"}}'
    yield b'{"tags":{' + b",".join(b'"%s":1' % (b"t" * 500 + b"%d" % n) for n in range(100)) + b'},"log":"x"}'
    yield b'{"platform":"' + b"x" * 60_000 + b'"}'
    yield b"[" + json.dumps(WHO).encode() + b"," + b"0," * 20_000 + b"0]"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_hostile_objects_cost_little(collector: Collector) -> None:
    """The same on the other routes that take a body: inits, POGR, Trophy, the switchboard."""
    routes = [
        (INIT, {}),
        (f"/remote_configs/v1/init?game_key={KEY}", {}),
        *((f"/v1/intake/{command}", POGR) for command in ("init", "data", "event", "logs", "metrics", "monitor")),
        ("/v1/metrics/x/event", TROPHY),
        ("/v1/users", TROPHY),
        ("/_emu/fail", {}),
        ("/_emu/clock", {}),
        ("/_emu/reset", {}),
    ]
    for path, headers in routes:
        collector.ask("POST", path, b"{}", {"Authorization": sign(b"{}"), **headers})
    before, disk = memory(collector.process), on_disk(collector)
    sent = [(pack(whole), {"Content-Encoding": "gzip"}) for whole in _hostile_objects()]  # once: it takes a second
    sent += [(whole[:900_000], {}) for whole in _hostile_objects()]
    for path, headers in routes:
        for body, encoding in sent:
            reply = collector.ask("POST", path, body, {"Authorization": sign(body), **headers, **encoding})
            assert reply.status < 500, path
            assert len(reply.body) < 5_000, path
    assert memory(collector.process) - before < 64 * 2**20
    assert on_disk(collector) - disk < 8 * 2**20
    assert collector.send(event()).status == 200


def test_a_request_may_bring_so_many_events_and_refusals(collector: Collector) -> None:
    """Up to the bounds each event has its verdict; beyond them nothing is stored and 413 says to send less."""
    few = collector.send(*[0] * validation.MAX_REFUSALS)
    assert (few.status, len(few.json())) == (400, validation.MAX_REFUSALS)
    assert collector.send(*[0] * (validation.MAX_REFUSALS + 1)).status == 413
    found = collector.summary()
    assert found["rejected"] == {"unknown": validation.MAX_REFUSALS}
    assert len(collector.ask("GET", "/api/events?limit=1000").json()) == 100  # the others are counted only
    many = pack(filled(_events_like(), size=(validation.MAX_EVENTS + 1) * (len(_events_like()) + 1)))
    assert collector.post(EVENTS, many, Content_Encoding="gzip").status == 413
    assert collector.summary()["accepted"] == {}


def test_a_rejected_event_that_is_long_is_told_by_its_id(collector: Collector) -> None:
    """A sender finds its event by the uuid; neither the answer nor the file holds all of it."""
    long = event("error", message="x" * 100_000)
    huge = event(junk="y" * (validation.MAX_EVENT_BYTES + 1))
    good = event()
    reply = collector.send(long, good, huge)
    assert reply.status == 400
    assert [one["event"]["event_uuid"] for one in reply.json()] == [long["event_uuid"], huge["event_uuid"]]
    assert [one["errors"][0]["path"] for one in reply.json()] == ["/message", ""]
    assert len(reply.body) < 5_000
    assert collector.summary()["accepted"] == {"design": 1}


def test_a_batch_that_is_stored_in_part_stays_small_on_the_disk(collector: Collector) -> None:
    """One rejected event among some thousand does not unpack the others into the file."""
    batch = [event(event_id=f"a:{n}") for n in range(3_000)] + [0]
    body = pack(json.dumps(batch).encode())
    disk = on_disk(collector)
    assert collector.post(EVENTS, body, Content_Encoding="gzip").status == 400
    assert on_disk(collector) - disk < 700_000
    assert collector.summary()["accepted"] == {"design": 3_000}


def test_games_are_answered_while_heavy_requests_are_taken_apart(collector: Collector) -> None:
    """Light requests do not wait for slow ones that are sent at the same time."""
    done: list[str] = []
    lock = threading.Lock()

    def send(name: str, body: bytes) -> None:
        collector.post(EVENTS, body, Content_Encoding="gzip")
        with lock:
            done.append(name)

    heavy = pack(filled(_events_like(junk=[1] * 20), size=1_500_000))
    threads = [threading.Thread(target=send, args=("heavy", heavy)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        send("light", pack(json.dumps([event() for _ in range(10)]).encode()))
    for thread in threads:
        thread.join()
    assert done[-1] == "heavy"
    assert done.index("light") < 3


# --- connections -----------------------------------------------------------------------------------------------


def _open(collector: Collector) -> socket.socket:
    return socket.create_connection(("127.0.0.1", collector.port), timeout=20)


@pytest.mark.parametrize("start", [b"", b"POST ", f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nA: ".encode()], ids=len)
def test_half_open_requests_do_not_keep_games_out(collector: Collector, start: bytes) -> None:
    """More of them than there are places: the oldest ones are closed, and games are answered."""
    others = []
    try:
        for _ in range(connections.MAX_CONNECTIONS + 100):
            one = _open(collector)
            one.sendall(start)
            others.append(one)
        for _ in range(5):
            assert collector.send(event()).status == 200
    finally:
        for one in others:
            one.close()


def test_half_open_bodies_do_not_keep_games_out(collector: Collector) -> None:
    """Large bodies that are announced and come slowly do not take the memory or the turn of others."""
    others = []
    head = f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n".encode()
    try:
        for _ in range(60):
            one = _open(collector)
            one.sendall(head + b"x" * 900_000)
            others.append(one)
        assert collector.send(event()).status == 200
        if sys.platform == "linux":
            assert memory(collector.process) < 200 * 2**20
    finally:
        for one in others:
            one.close()


def test_heads_are_bounded(collector: Collector) -> None:
    """A head that does not end, or is long, is answered with 400 and the connection closed."""
    for piece in (b"A: " + b"x" * 1_000 + b"\r\n", b"x" * 1_000):
        with _open(collector) as one:
            one.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{collector.port}\r\n".encode())
            try:
                for _ in range(2_000):
                    one.sendall(piece)
                    if _has_answer(one):
                        break
                answer = one.recv(100)
            except ConnectionError:
                answer = b""
        assert answer[:12] in (b"", b"HTTP/1.1 400")
    assert collector.send(event()).status == 200


def _has_answer(one: socket.socket) -> bool:
    one.settimeout(0)
    try:
        return bool(one.recv(1, socket.MSG_PEEK)) or True
    except (BlockingIOError, TimeoutError):
        return False
    finally:
        one.settimeout(20)


def test_a_body_in_tiny_chunks_does_not_hold_up_others(collector: Collector) -> None:
    """A million chunks of one byte are parsed in pieces; a game between them is answered before they are through."""
    with _open(collector) as one:
        one.sendall(f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        sender = threading.Thread(target=_send_all, args=(one, b"1\r\nx\r\n" * 300_000))
        sender.start()
        assert collector.send(event()).status == 200
        assert sender.is_alive() or not _has_answer(one)
        one.close()
        sender.join()


def _send_all(one: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        one.sendall(data)


@contextlib.contextmanager
def _patched(folder: Path, patches: str) -> Iterator[int]:
    """Start a collector with other bounds; yield its port."""
    running = Collector(folder, patches=f"from ga_pygame.collector import answers, connections\n{patches}")
    try:
        yield running.port
    finally:
        running.stop()


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[int]:
    """Start a collector that waits a second instead of half a minute; return its port."""
    seconds = "connections.MAX_REQUEST_SECONDS = connections.MAX_STALLED_SECONDS = answers.MAX_STALLED_SECONDS = 1.0"
    with _patched(tmp_path, seconds) as port:
        yield port


@pytest.mark.parametrize(
    ("start", "drip"),
    [
        (b"", b""),
        (b"", b"G"),
        (b"POST / HTTP/1.1\r\n", b"A: b\r\n"),
        (f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode(), b"x"),
        (f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode(), b"1\r\nx\r\n"),
        (f"GET {EVENTS} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode(), b"x"),
        (b"OPTIONS /v2/x/events HTTP/1.1\r\nHost: x\r\n\r\n", b"G"),
    ],
    ids=["nothing", "first line", "head", "body", "chunks", "body after the answer", "second request"],
)
def test_a_request_that_comes_too_slowly_is_closed(impatient: int, start: bytes, drip: bytes) -> None:
    """Each byte may come in time: what counts is the whole request."""
    with socket.create_connection(("127.0.0.1", impatient), timeout=20) as one:
        one.sendall(start)
        deadline = time.monotonic() + 15
        closed = False
        one.settimeout(0.1)
        while not closed and time.monotonic() < deadline:
            try:
                one.sendall(drip)
                closed = not one.recv(1000)
            except TimeoutError:
                continue
            except ConnectionError:
                closed = True
        assert closed


def test_a_client_that_reads_nothing_is_closed(impatient: int) -> None:
    """Answers that nobody reads do not hold a place for ever."""
    asked = f"OPTIONS {EVENTS} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 100_000
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.settimeout(50)
        one.connect(("127.0.0.1", impatient))
        with pytest.raises(ConnectionError):
            one.sendall(asked)


def _send_to(port: int, *events: dict[str, Any]) -> int:
    body = pack(json.dumps(events).encode())
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", EVENTS, body, {"Authorization": sign(body), "Content-Encoding": "gzip"})
        return connection.getresponse().status
    finally:
        connection.close()


def _large_events() -> list[dict[str, Any]]:
    """Return a batch of almost 4 MB."""
    return [event(custom_fields={f"f{number}": "y" * 250 for number in range(40)}) for _ in range(360)]


def _ask_without_reading(port: int, path: str) -> socket.socket:
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.settimeout(20)
    one.connect(("127.0.0.1", port))
    one.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return one


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("path", ["/api/events?limit=1000", "/api/export"])
def test_answers_that_nobody_reads_cost_little(collector: Collector, path: str) -> None:
    """Sixty of them take the memory of a few, games are answered, and who reads gets all."""
    for _ in range(4):
        assert collector.send(*_large_events(), packed=True).status == 200
    assert len(collector.ask("GET", "/api/export").body.splitlines()) == 4 * 360
    before = memory(collector.process)
    others: list[socket.socket] = []
    try:
        others.extend(_ask_without_reading(collector.port, path) for _ in range(60))
        assert eventually(lambda: sum(map(_has_answer, others)) >= 40)  # most hear that they should come again
        for _ in range(5):
            assert collector.send(event()).status == 200
        assert memory(collector.process) - before < 128 * 2**20
    finally:
        for one in others:
            one.close()
    assert eventually(lambda: collector.ask("GET", "/api/events").status == 200)


def test_unread_answers_do_not_keep_games_out(tmp_path: Path) -> None:
    """If every connection is being answered, one that does not read makes room for a new one."""
    with _patched(tmp_path, "connections.MAX_CONNECTIONS = 6") as port:
        for _ in range(3):
            assert _send_to(port, *_large_events()) == 200
        others = []
        try:
            for _ in range(6):
                others.append(_ask_without_reading(port, "/api/export"))
                assert eventually(lambda: _has_answer(others[0]))
            for _ in range(3):
                assert _send_to(port, event()) == 200
        finally:
            for one in others:
                one.close()


def test_idle_connections_do_not_keep_games_out(tmp_path: Path) -> None:
    """If every connection is between two requests, the one that has been quiet longest makes room for a new one."""
    with _patched(tmp_path, "connections.MAX_CONNECTIONS = 6") as port:
        others = []
        try:
            for _ in range(6):
                others.append(_ask_without_reading(port, "/api/summary"))
                assert eventually(lambda: _has_answer(others[-1]))
            assert _send_to(port, event()) == 200
        finally:
            for one in others:
                one.close()


def test_a_head_of_many_lines_is_refused(collector: Collector) -> None:
    """Thousands of lines fit into a head's bytes; the parser would take them all at once."""
    for lines, status in ((8_000, b"400"), (300, b"400"), (150, b"404")):
        for pieces in (1, 7):
            with _open(collector) as one:
                head = b"GET /x HTTP/1.1\r\nHost: localhost\r\n" + b"a:\r\n" * lines + b"\r\n"
                size = len(head) // pieces + 1
                with contextlib.suppress(ConnectionError):
                    for at in range(0, len(head), size):
                        one.sendall(head[at : at + size])
                try:
                    assert one.recv(12) == b"HTTP/1.1 " + status
                except ConnectionResetError:
                    assert status == b"400"
    body = json.dumps([event()]).encode()
    many = f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nAuthorization: {sign(body)}\r\nContent-Length: {len(body)}\r\n\r\n"
    with _open(collector) as one:  # many requests in one piece have many lines, and are good
        one.sendall((many.encode() + body) * 100)
        told = b""
        while told.count(b"HTTP/1.1 200") < 100:
            told += (piece := one.recv(65536))
            assert piece
    assert collector.send(event()).status == 200


def test_few_file_handles_are_enough(tmp_path: Path) -> None:
    """With 64 handles the collector takes fewer connections, does not spin, and answers."""
    if os.name != "posix":
        pytest.skip("there is no such limit on Windows")
    script = f"ulimit -n 64; exec {sys.executable} -m ga_pygame collect --port 0 --no-page --db {tmp_path}/e.sqlite3"
    process = subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    others: list[socket.socket] = []
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        others = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(100)]
        body = json.dumps([event()]).encode()

        def answered() -> bool:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            try:
                connection.request("POST", EVENTS, body, {"Authorization": sign(body)})
                return connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                return False
            finally:
                connection.close()

        assert eventually(answered)
        before = _processor_seconds(process.pid)
        time.sleep(1)  # what is measured is the time itself
        assert _processor_seconds(process.pid) - before < 0.5
    finally:
        for one in others:
            one.close()
        process.terminate()
        process.communicate(timeout=20)


def _processor_seconds(pid: int) -> float:
    if not Path("/proc/self/stat").exists():
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
