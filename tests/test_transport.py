"""HTTP requests to a server on loopback that answers as scripted, or not at all."""

from __future__ import annotations

import contextlib
import gzip
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.clock import SystemClock
from ga_pygame.delivery.transport import RequestsTransport
from ga_pygame.protocol import Answered, Reply, Request
from tests.e2e import servers


class Server:
    """A server that accepts one connection after another, reads a request, sends bytes and closes."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/v2/x/events"
        self.answer = b""
        self.received: list[bytes] = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                data = b""
                while b"\r\n\r\n" not in data or not data.endswith(b"!"):
                    piece = connection.recv(65536)
                    if not piece:
                        break
                    data += piece
                self.received.append(data)
                with contextlib.suppress(OSError):  # the game may have had enough
                    connection.sendall(self.answer)

    def close(self) -> None:
        if sys.platform != "win32":  # there closing it ends the thread that waits for a connection
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(5)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def transport() -> Iterator[RequestsTransport]:
    made = RequestsTransport(2.0, SystemClock())
    yield made
    made.close()


def http(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def send(transport: RequestsTransport, url: str, body: bytes = b"\x1f\x8bbody!") -> Reply:
    reply = transport.send(Request(url, body, {"Authorization": "signature", "Content-Type": "application/json"}))
    assert isinstance(reply, Answered)
    return reply.poll()


@pytest.mark.requirement("002:content-length")
def test_the_bytes_and_headers_are_sent_as_they_are(server: Server, transport: RequestsTransport) -> None:
    """The signature holds for exactly these bytes."""
    server.answer = http("200 OK", b"[]", "Retry-After: 7")
    reply = send(transport, server.url)
    assert reply.status == 200
    assert reply.body == b"[]"
    assert reply.headers["retry-after"] == "7"
    head, _, body = server.received[0].partition(b"\r\n\r\n")
    assert body == b"\x1f\x8bbody!"
    assert head.startswith(b"POST /v2/x/events HTTP/1.1")
    assert b"Authorization: signature" in head
    assert b"Content-Length: 7" in head


@pytest.mark.parametrize("status", ["400 Bad Request", "401 No", "413 Large", "500 Oops", "204 No Content"])
def test_every_status_is_an_answer(server: Server, transport: RequestsTransport, status: str) -> None:
    """Only the destination interprets a status; none raises."""
    server.answer = http(status, b"")
    assert send(transport, server.url).status == int(status[:3])


def test_a_redirect_is_not_followed(server: Server, transport: RequestsTransport) -> None:
    """A portal that redirects to its login page does not get the player's events."""
    server.answer = http("302 Found", b"", f"Location: {server.url}/login")
    assert send(transport, server.url).status == 302
    assert len(server.received) == 1


def test_a_cut_answer_is_none(server: Server, transport: RequestsTransport) -> None:
    """Half an answer decides nothing."""
    server.answer = http("200 OK", b"[" + b" " * 100 + b"]")[:-50]
    reply = send(transport, server.url)
    assert reply.status is None
    assert reply.error


def test_a_closed_connection_is_no_answer(server: Server, transport: RequestsTransport) -> None:
    """As the service does for more than 2 MB."""
    server.answer = b""
    assert send(transport, server.url).status is None


def test_nobody_there_is_no_answer(transport: RequestsTransport) -> None:
    """A refused connection is a reply without a status, with the reason and without the key in the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    reply = send(transport, f"http://127.0.0.1:{port}/v2/0123456789abcdef/events")
    assert reply.status is None
    assert "refused" in reply.error
    assert "0123456789abcdef" not in reply.error


@pytest.mark.parametrize("url", ["http://", "http://[::1", "nonsense", "http://a b/", "http://\udcff/"])
def test_a_url_that_is_none_is_no_answer(transport: RequestsTransport, url: str) -> None:
    """`send` never raises."""
    assert send(transport, url).status is None


def test_a_silent_server_is_given_up() -> None:
    """A server that takes the request and says nothing costs `request_timeout`, not for ever."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        clock = SystemClock()
        transport = RequestsTransport(0.2, clock)
        before = clock.monotonic()
        reply = send(transport, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        assert reply.status is None
        assert clock.monotonic() - before < 5.0
        transport.close()


def test_an_endless_answer_is_cut(server: Server, transport: RequestsTransport) -> None:
    """A body of more than 4 MiB is nobody's answer to a few events."""
    server.answer = http("200 OK", b" " * (9 * 2**20))
    assert send(transport, server.url).status is None


def test_the_password_file_is_not_read(
    server: Server, transport: RequestsTransport, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """A password of the player's own ~/.netrc never goes into our Authorization header."""
    netrc = f"{tmp_path}/netrc"
    with open(netrc, "w") as file:
        file.write("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", netrc)
    server.answer = http("200 OK", b"[]")
    send(transport, server.url)
    assert b"Authorization: signature" in server.received[0]


def test_closing_twice_and_sending_again(server: Server, transport: RequestsTransport) -> None:
    """A transport opens itself when it is needed."""
    server.answer = http("200 OK", b"[]")
    transport.open()
    transport.close()
    transport.close()
    assert send(transport, server.url).status == 200


# --- bounds -------------------------------------------------------------------------------------------------

TIMEOUT = 0.6


def peak_megabytes() -> float:
    """Return the peak memory of Python objects since tracing began."""
    return tracemalloc.get_traced_memory()[1] / 2**20


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.e2e] * (kind == "tiny chunks")) for kind in servers.ENDLESS]
)
def test_what_has_no_end_is_no_answer(kind: str) -> None:
    """In any part of an answer, of any status: a few megabytes at most are read, then it is given up."""
    transport = RequestsTransport(5.0, SystemClock())
    transport.open()
    tracemalloc.start()
    try:
        with servers.RawServer(servers.ENDLESS[kind]) as server:
            reply = send(transport, server.url)
            assert reply.status is None
            assert reply.maybe_handled
            assert len(server.requests) == 1
        assert peak_megabytes() < 40
    finally:
        tracemalloc.stop()
        transport.close()


@pytest.mark.e2e
@pytest.mark.parametrize("status", [b"200 OK", b"302 Found", b"400 Bad", b"500 Oops"])
def test_what_unpacks_without_end_is_no_answer(status: bytes) -> None:
    """A redirect's body and an error's as well."""
    transport = RequestsTransport(5.0, SystemClock())
    transport.open()
    bomb = servers.gzip_bomb(status, 200)
    tracemalloc.start()
    try:
        with servers.RawServer(bomb) as server:
            assert send(transport, server.url).status is None
        assert peak_megabytes() < 40
    finally:
        tracemalloc.stop()
        transport.close()


@pytest.mark.e2e
@pytest.mark.parametrize("kind", servers.DRIPPING)
def test_an_answer_that_drips_is_given_up(kind: str) -> None:
    """The whole exchange ends at its timeout, wherever the server takes its time."""
    clock = SystemClock()
    transport = RequestsTransport(TIMEOUT, clock)
    transport.open()
    with servers.RawServer(servers.DRIPPING[kind]) as server:
        before = clock.monotonic()
        assert send(transport, server.url).status is None
        assert clock.monotonic() - before < 10 * TIMEOUT  # the server would go on for hours
    transport.close()


@pytest.mark.e2e
@pytest.mark.parametrize(
    "say",
    [
        servers.ENDLESS["headers"],
        servers.DRIPPING["headers"],
        servers.DRIPPING["status line"],
        servers.endless(b"", b"x"),
    ],
    ids=["endless headers", "dripping headers", "dripping status line", "endless line"],
)
def test_a_proxys_greeting_is_bounded_too(say: servers.Say, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a proxy says before a tunnel begins; no byte of the request was sent then."""
    clock = SystemClock()
    transport = RequestsTransport(TIMEOUT, clock)
    with servers.RawServer(say) as server:
        monkeypatch.setenv("HTTPS_PROXY", server.url)
        before = clock.monotonic()
        reply = send(transport, "https://collector.example/v2/x/events")
        assert reply.status is None
        assert not reply.maybe_handled
        assert clock.monotonic() - before < 10 * TIMEOUT
        assert server.requests[0].startswith(b"CONNECT collector.example:443")
    transport.close()


@pytest.mark.e2e
def test_many_silent_addresses_take_one_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host may have eight addresses that a firewall swallows."""
    clock = SystemClock()
    real = socket.getaddrinfo
    addresses = [f"127.0.0.{last}" for last in range(1, 9)]
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("0.0.0.0", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(4):  # the queue of connections is full then, and further ones hear nothing
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))

        def look_up(host: str, *args: Any, **kwargs: Any) -> Any:
            names = addresses if host == "eight.example" else [host]
            return [one for name in names for one in real(name, *args, **kwargs)]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        transport = RequestsTransport(TIMEOUT, clock)
        transport.open()
        before = clock.monotonic()
        reply = send(transport, f"http://eight.example:{port}/")
        assert reply.status is None
        assert not reply.maybe_handled
        assert clock.monotonic() - before < 5 * TIMEOUT
        transport.close()


def test_cookies_do_not_pile_up(server: Server, transport: RequestsTransport) -> None:
    """None is kept or sent back: the services use none."""
    server.answer = http("200 OK", b"[]", "Set-Cookie: a=b")
    send(transport, server.url)
    send(transport, server.url)
    assert b"Cookie" not in server.received[1]


def test_gzip_is_unpacked(server: Server, transport: RequestsTransport) -> None:
    """Not asked for, but some server in between may do it; another packing is no answer."""
    server.answer = http("200 OK", gzip.compress(b'{"a": 1}'), "Content-Encoding: gzip")
    assert send(transport, server.url).body == b'{"a": 1}'
    server.answer = http("200 OK", zlib.compress(b"{}"), "Content-Encoding: deflate")
    assert send(transport, server.url).body == b"{}"
    server.answer = http("200 OK", gzip.compress(b"{}")[:-3], "Content-Encoding: gzip")
    assert send(transport, server.url).status is None
    server.answer = http("200 OK", b"{}", "Content-Encoding: br")
    assert send(transport, server.url).status is None


# --- what came in time --------------------------------------------------------------------------------------

STOPPED = """
import sys
from ga_pygame.clock import SystemClock
from ga_pygame.delivery.transport import RequestsTransport
from ga_pygame.protocol import Request
transport = RequestsTransport(1.0, SystemClock())
transport.open()
print("ready", flush=True)
reply = transport.send(Request(sys.argv[1], b"body", {})).poll()
print(reply.status, reply.body.decode(), reply.error, flush=True)
"""


@pytest.mark.e2e
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system cannot stop a process")
def test_an_answer_that_is_read_late_is_an_answer() -> None:
    """The process is stopped while the answer comes, longer than its timeout; sent again it would count twice."""
    stopped = threading.Event()

    def say(connection: socket.socket, _over: threading.Event) -> None:
        os.kill(child.pid, signal.SIGSTOP)
        connection.sendall(servers.HEAD + b"Content-Length: 2\r\n\r\n")
        stopped.wait(0.5)
        connection.sendall(b"{}")
        time.sleep(2.5)  # more than the child's timeout
        os.kill(child.pid, signal.SIGCONT)

    with (
        servers.RawServer(say) as server,
        subprocess.Popen([sys.executable, "-c", STOPPED, server.url], stdout=subprocess.PIPE, text=True) as child,
    ):
        out, _ = child.communicate(timeout=60)
    assert out.splitlines() == ["ready", "200 {} "]
    assert len(server.requests) == 1


# --- why there is no answer ---------------------------------------------------------------------------------


def test_a_ca_bundle_that_vanished_sends_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No byte leaves, so that nothing can have been handled; the player's folders are not told."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "alice" / "ca.pem"))
    transport = RequestsTransport(1.0, SystemClock())
    reply = send(transport, "https://collector.example/v2/0123456789abcdef/events")
    assert reply.status is None
    assert not reply.maybe_handled
    assert "CA certificate bundle" in reply.error
    for private in ("alice", "0123456789abcdef"):
        assert private not in reply.error
    transport.close()


def test_localhost_is_tried_by_ipv4_first(
    server: Server, transport: RequestsTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows names ::1 first and takes 2 s to see that nobody listens there."""
    server.answer = http("200 OK", b"[]")
    tried: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        if host == "localhost":
            kind = socket.SOCK_STREAM
            second = (socket.AF_INET, kind, 6, "", ("127.0.0.1", port))
            return [(socket.AF_INET6, kind, 6, "", ("::1", port, 0, 0)), second]
        tried.append(host)
        return real(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert send(transport, server.url.replace("127.0.0.1", "localhost")).status == 200
    assert tried == ["127.0.0.1"]


def test_a_proxy_that_was_switched_off_is_not_used_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The player ends a VPN or a proxy in mid-game; the next request asks for the settings again."""
    server.answer = http("200 OK", b"[]")
    url = server.url.replace("127.0.0.1", "host.example")
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, *args, **named: real("127.0.0.1", *args, **named))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    transport = RequestsTransport(2.0, SystemClock())
    assert send(transport, url).status is None
    monkeypatch.delenv("HTTP_PROXY")
    monkeypatch.delenv("http_proxy", raising=False)  # Windows takes both for one
    assert send(transport, url).status == 200
    transport.close()


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("socks5://user:hunter2@127.0.0.1:9", ""),
        ("socks5h://user:hunter2@127.0.0.1:9", ""),
        ("http://user:hunter2@", ""),
        ("foo://user:hunter2@127.0.0.1:9", ""),
        ("http://user:hunter2@[::1", ""),
        ("http://user:hunter2@127.0.0.1:notaport", ""),
        ("http://user:hunter2@127.0.0.1:9", "refused"),
    ],
)
def test_a_proxy_that_cannot_be_used_says_why_without_its_password(
    monkeypatch: pytest.MonkeyPatch, proxy: str, said: str
) -> None:
    """The reason's own text, not only the name of a class; nothing was sent."""
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("http_proxy", proxy)
    transport = RequestsTransport(1.0, SystemClock())
    reply = send(transport, "http://collector.example/v2/0123456789abcdef/events")
    assert reply.status is None
    assert not reply.maybe_handled
    assert said.lower() in reply.error.lower()
    assert "hunter2" not in reply.error
    assert "0123456789abcdef" not in reply.error
    transport.close()


def test_socks_without_its_library_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The class of the exception alone says nothing."""
    import requests.adapters  # noqa: PLC0415

    def missing(*_: object, **__: object) -> None:
        raise requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support.")

    monkeypatch.setattr(requests.adapters, "SOCKSProxyManager", missing)  # as requests does it itself
    monkeypatch.setenv("HTTP_PROXY", "socks5://user:hunter2@127.0.0.1:9")
    transport = RequestsTransport(1.0, SystemClock())
    reply = send(transport, "http://collector.example/")
    assert "Missing dependencies for SOCKS support" in reply.error
    assert not reply.maybe_handled
    transport.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r\n\r\n",
        b"HTTP/1.1 0 Zero\r\n\r\n",
        b"HTTP/1.1 99 X\r\n\r\n",
        b"HTTP/1.1 1000 X\r\n\r\n",
        b"HTTP/1.1 -200 X\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc",
        b"HTTP/1.1 200 OK\r\n\xff\xfe: \x00\r\n:\r\n : \r\nX\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nSet-Cookie: \xff=\x01; expires=never; max-age=1e999\r\nDate: x\r\n\r\n{}",
        b"HTTP/1.1 302 Found\r\nLocation: http://[\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nRetry-After: 1\r\nRetry-After: 2\r\n\r\n{}",
        b"SSH-2.0-OpenSSH\r\n",
        bytes(range(256)) * 100,
    ],
    ids=lambda answer: repr(answer[:40]),
)
def test_send_never_raises(answer: bytes) -> None:
    """Whatever a server writes, there is a reply: with a status, or with the reason why there is none."""
    transport = RequestsTransport(1.0, SystemClock())
    with servers.RawServer(servers.exactly(answer)) as server:
        reply = send(transport, server.url)
    assert reply.status is None or 100 <= reply.status <= 999
    assert bool(reply.error) is (reply.status is None)
    transport.close()
