"""A server that accepts every batch, also one that it has accepted before, as GameAnalytics does.

Our own collector drops doubles, so that a test against it never sees an event that is sent twice. This one keeps
each event of each request that it acknowledged, in order of arrival.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

HELLO = b'{"server_ts": %d, "configs": [], "configs_hash": "1"}'


class Exchange:
    """One request, and the connection for its answer.

    Attributes:
        path: The path without the query.
        events: Its events; empty for an init.
        over: Set when the server stops; a waiting behaviour then stops, too.
    """

    def __init__(self, line: socket.socket, path: str, events: list[dict[str, Any]], over: threading.Event) -> None:
        self.path = path
        self.events = events
        self.over = over
        self._line = line

    @property
    def is_events(self) -> bool:
        return self.path.endswith("/events")

    def send(self, data: bytes) -> None:
        """Send these bytes."""
        self._line.sendall(data)

    def answer(self, status: int, body: bytes, *headers: str) -> None:
        """Send a complete answer."""
        lines = [f"HTTP/1.1 {status} Answer", f"Content-Length: {len(body)}", *headers]
        self.send("\r\n".join([*lines, "", ""]).encode() + body)

    def drip(self, data: bytes, seconds: float) -> None:
        """Send a byte now and then, as long as the client listens."""
        for place in range(len(data)):
            if self.over.wait(seconds):
                return
            self.send(data[place : place + 1])


Behaviour = Callable[[Exchange], bool]
"""Answers; true where what the request carries is taken."""


def good(exchange: Exchange) -> bool:
    """Accept the events and answer 200."""
    if exchange.is_events:
        exchange.answer(200, b"[]")
    else:
        exchange.answer(201, HELLO % time.time(), "Content-Type: application/json")
    return True


class PlainServer:
    """The server (see the module). `behave` may be replaced at any time.

    Attributes:
        url: Where it listens.
        taken: The events of all requests that it acknowledged.
        asked: How many requests came.
    """

    def __init__(self) -> None:
        self.behave: Behaviour = good
        self.taken: list[dict[str, Any]] = []
        self.asked = 0
        self._over = threading.Event()
        self._changing = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> PlainServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._listener.close()

    def heal(self) -> None:
        """Answer well from now on."""
        self.behave = good

    def export(self, *, rejected: bool = False) -> list[dict[str, Any]]:
        """Return the events in order of arrival, like a collector; none are rejected."""
        with self._changing:
            return [] if rejected else list(self.taken)

    def forget(self) -> None:
        """Forget all events."""
        with self._changing:
            self.taken = []

    def times(self) -> Counter[str]:
        """Count how often each event was accepted, by its id."""
        return Counter(str(event.get("event_uuid")) for event in self.export())

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with line, contextlib.suppress(OSError, EOFError):  # a game that goes away is what these tests are about
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not self._over.is_set():
                exchange = self._read(line)
                self.asked += 1
                if self.behave(exchange):
                    with self._changing:
                        self.taken += exchange.events

    def _read(self, line: socket.socket) -> Exchange:
        data = bytearray()
        while b"\r\n\r\n" not in data:
            data += _piece(line)
        head, _, body = bytes(data).partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
        while len(body) < int(headers.get("content-length", "0")):
            body += _piece(line)
        text = zlib.decompress(body, 31) if headers.get("content-encoding") == "gzip" else body
        path = first.split()[1].partition("?")[0]
        return Exchange(line, path, json.loads(text) if path.endswith("/events") else [], self._over)


def _piece(line: socket.socket) -> bytes:
    if piece := line.recv(65536):
        return piece
    raise EOFError
