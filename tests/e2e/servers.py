"""Servers with the faults of real ones: slow, silent, wrong, cut off, foreign; and a cable that can be pulled."""

from __future__ import annotations

import base64
import contextlib
import functools
import hmac
import http.client
import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from ga_pygame.config import SANDBOX_SECRET_KEY

HTML = b"<!DOCTYPE html><html><body>Welcome to the hotel! Please accept our terms.</body></html>"


@dataclass(frozen=True)
class Seen:
    """A request that came in.

    Attributes:
        target: The path with its query; from a client that takes us for its proxy, a whole address.
        content: The decoded JSON, `None` if it is not JSON.
        signed: Whether the Authorization is the HMAC of the raw bytes.
        at: When, in seconds of `time.monotonic`.
    """

    target: str
    path: str
    headers: Mapping[str, str]
    raw: bytes
    content: Any
    signed: bool
    at: float

    @property
    def is_events(self) -> bool:
        return self.path.endswith("/events")


@dataclass(frozen=True)
class Answer:
    """An answer of the server.

    Attributes:
        status: The status; `None`: send nothing and keep the connection open.
        delay: Seconds to think about it.
        missing: Bytes of the body that are announced and never sent.
    """

    status: int | None = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    missing: int = 0


SILENCE = Answer(None)
Script = Callable[[Seen], Answer]


def healthy(request: Seen) -> Answer:
    """Answer as a working GameAnalytics does."""
    if request.is_events:
        return Answer()
    return welcome() if request.path.startswith("/remote_configs/") else legacy_welcome()


def legacy_welcome() -> Answer:
    """Answer an init of the older route."""
    return Answer(body=json.dumps({"enabled": True, "server_ts": int(time.time()), "flags": []}).encode())


def forward(url: str) -> Script:
    """Return a script that passes requests to another server."""

    def ask(request: Seen) -> Answer:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        try:
            headers = {name: value for name, value in request.headers.items() if name not in ("host", "connection")}
            connection.request("POST", request.target, request.raw, headers)
            response = connection.getresponse()
            return Answer(response.status, response.read())
        finally:
            connection.close()

    return ask


def welcome(**more: Any) -> Answer:
    """Answer an init."""
    content = {"server_ts": int(time.time()), "configs": [], "configs_hash": "1", **more}
    return Answer(201, json.dumps(content).encode())


class ScriptedServer:
    """A server that answers by `script`, which may be replaced at any time, and keeps its requests.

    Args:
        script: What to answer.
        listener: A bound socket; default: any free port on loopback.
    """

    def __init__(self, script: Script = healthy, listener: socket.socket | None = None) -> None:
        self.script = script
        self.requests: list[Seen] = []
        self.listener = listener or socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = _Quiet(("", 0), Handler, bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = self.listener
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        host, port = self.listener.getsockname()[:2]
        return f"http://{host}:{port}"

    def events(self) -> list[dict[str, Any]]:
        """Return all events that came, also those that were refused or came again."""
        return [event for request in self.requests if request.is_events for event in request.content or ()]

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        raw = handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
        request = _seen(handler, raw)
        answer = self.script(request)
        self.requests.append(request)
        self._over.wait(answer.delay)
        if answer.status is None:
            self._over.wait()
        if self._over.is_set():
            handler.close_connection = True
            return
        assert answer.status is not None
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer.body) + answer.missing))
        handler.end_headers()
        handler.wfile.write(answer.body)
        handler.close_connection = handler.close_connection or bool(answer.missing)


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that go away: these tests are about them."""


def _seen(handler: BaseHTTPRequestHandler, raw: bytes) -> Seen:
    headers = {name.lower(): value for name, value in handler.headers.items()}
    signature = base64.b64encode(hmac.digest(SANDBOX_SECRET_KEY.encode(), raw, "sha256")).decode()
    text = zlib.decompress(raw, 31) if headers.get("content-encoding") == "gzip" else raw
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    path = urlsplit(handler.path).path
    return Seen(handler.path, path, headers, raw, content, headers.get("authorization") == signature, time.monotonic())


# --- hostile ------------------------------------------------------------------------------------------------

Say = Callable[[socket.socket, threading.Event], None]
"""Writes the answer to one request onto its connection, until the event says that the server is over."""

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
DRIP_SECONDS = 0.1


def endless(head: bytes, piece: bytes) -> Say:
    """Send a head, then the same piece again and again: an endless body, header or sequence of chunks."""

    def say(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(head)
        while not over.is_set():
            connection.sendall(piece)

    return say


def dripping(head: bytes, piece: bytes) -> Say:
    """Send the same, a piece now and then, each sooner than a read timeout would notice."""

    def say(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(head)
        while not over.wait(DRIP_SECONDS):
            connection.sendall(piece)

    return say


def exactly(answer: bytes) -> Say:
    """Send these bytes, then close the connection."""
    return lambda connection, _over: connection.sendall(answer)


def gzip_bomb(status: bytes = b"200 OK", megabytes: int = 1000) -> Say:
    """Send a small body that decompresses to a thousand times its size."""
    packed = _packed_zeros(megabytes)
    head = b"HTTP/1.1 %s\r\nLocation: /\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    return exactly(head % (status, len(packed)) + packed)


@functools.cache
def _packed_zeros(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(2**20)
    return b"".join([packer.compress(zeros) for _ in range(megabytes)]) + packer.flush()


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS: dict[str, Say] = {
    "body": endless(HEAD + b"\r\n", b" " * 65536),
    "redirect": endless(b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", b" " * 65536),
    "chunked redirect": endless(
        b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /x\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"10000\r\n" + b" " * 65536 + b"\r\n",
    ),
    "error": endless(b"HTTP/1.1 500 Oops\r\n\r\n", b" " * 65536),
    "chunks": endless(CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n"),
    "tiny chunks": endless(CHUNKED, b"1\r\n \r\n" * 8192),
    "trailers": endless(CHUNKED + b"0\r\n", b"X: y\r\n" * 8192),
    "headers": endless(HEAD, b"X-Y: z\r\n" * 8192),
    "one header": endless(HEAD + b"X: ", b"x" * 65536),
    "cookies": endless(HEAD, b"Set-Cookie: a=b\r\n" * 4096),
    "interim answers": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2048),
    "status line": endless(b"HTTP/1.1 200 ", b"O" * 65536),
}
DRIPPING: dict[str, Say] = {
    "body": dripping(HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
    "body of a redirect": dripping(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 100000\r\n\r\n", b" "),
    "chunks": dripping(CHUNKED, b"1\r\n \r\n"),
    "trailers": dripping(CHUNKED + b"0\r\n", b"X: y\r\n"),
    "headers": dripping(HEAD, b"X-Y: z\r\n"),
    "one header": dripping(HEAD + b"X: ", b"x"),
    "interim answers": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "status line": dripping(b"HTTP/1.1 200 ", b"O"),
}
"""Answers by what never ends in them."""

FOREIGN: dict[str, Answer] = {
    "portal": Answer(200, HTML),
    "empty 400": Answer(400, b""),
    "a page with 400": Answer(400, HTML),
    "another service's 400": Answer(400, b'{"message": "Bad Request"}'),
    "another service's list": Answer(400, b'[{"code": 7}]'),
    "403 of a firewall": Answer(403, HTML),
    "403 of a gateway": Answer(403, b'{"message": "Forbidden"}'),
    "404 of a web server": Answer(404, HTML),
    "empty 404": Answer(404, b""),
    "408 of a load balancer": Answer(408, HTML),
    "429 of a gateway": Answer(429, b'{"message": "Too Many Requests"}'),
    "empty 500": Answer(500, b""),
    "502 of a proxy": Answer(502, HTML),
}
"""What something in between answers to events, and not GameAnalytics."""


class RawServer:
    """A server that reads a request and lets `say` write to its connection.

    Attributes:
        requests: The raw requests that came.
    """

    def __init__(self, say: Say) -> None:
        self.say = say
        self.requests: list[bytes] = []
        self.came = threading.Event()
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> RawServer:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(OSError):
                self._start(self._serve, self._socket.accept()[0])

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):  # whoever asked may have had enough
            connection.settimeout(1)
            data = b""
            while not _is_whole(data):
                piece = connection.recv(65536)
                if not piece:
                    return
                data += piece
            self.requests.append(data)
            self.came.set()
            self.say(connection, self._over)


def _is_whole(data: bytes) -> bool:
    """Return whether a request with its whole body has been read."""
    head, end, body = data.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0].strip() or b"0"
    return bool(end) and len(body) >= int(length)


@contextlib.contextmanager
def refusing() -> Iterator[str]:
    """Return the address of a port on which nobody listens or will listen."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{reserved.getsockname()[1]}"


def summary(url: str) -> dict[str, Any]:
    """Return a collector's `/api/summary`."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("GET", "/api/summary")
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return answer
