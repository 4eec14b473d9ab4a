"""Requests that leave the machine: against a server on loopback that answers as it is told, or not at all."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from ga_pygame.clock import SystemClock
from ga_pygame.delivery.transport import Answered, RequestsTransport
from ga_pygame.exchange import Reply, Request


class Server:
    """Takes one connection after another, reads a request, sends bytes, closes."""

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
                connection.sendall(self.answer)

    def close(self) -> None:
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


@pytest.mark.parametrize("status", ["400 Bad Request", "401 No", "413 Large", "500 Oops", "204 No Content"])
def test_every_status_is_an_answer(server: Server, transport: RequestsTransport, status: str) -> None:
    """What a status means is the destination's business; none raises."""
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
    """A body of more than 8 MiB is nobody's answer to a few events."""
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
