"""A network with faults on demand: a TCP proxy in front of the real collector."""

from __future__ import annotations

import contextlib
import http.client
import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.e2e.servers import HTML

_RESET = struct.pack("ii", 1, 0)  # linger for no time: close() sends RST instead of FIN


@dataclass(frozen=True)
class Fault:
    """The fault of one request; the fields that are set apply in this order.

    Attributes:
        reset_after: Read that share of the request (0 to 1), then reset the connection.
        silent: Read the request, hand nothing on, never answer.
        refuse_above: Answer 413 if the body has more bytes.
        status: Answer that instead of the collector, with `body`.
        processed: The collector gets the request all the same.
        delay: Seconds before the answer.
        lose_answer: The collector's answer does not come: the connection is reset instead.
        cut_after: Hand on that share of the answer (0 to 1), then close.
    """

    reset_after: float | None = None
    silent: bool = False
    refuse_above: int | None = None
    status: int | None = None
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    processed: bool = False
    delay: float = 0.0
    lose_answer: bool = False
    cut_after: float | None = None


NONE = Fault()
Choice = Callable[[], Fault]


class Proxy:
    """A proxy that passes requests to the collector, or does to them what `choose` returns.

    Args:
        target: The collector's address.
    """

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target).netloc
        self.choose: Choice = lambda: NONE
        self._over = threading.Event()
        self._alive: set[socket.socket] = set()
        self._fillers: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self._bound = self._bind(0)
        self.url = f"http://127.0.0.1:{self._bound.getsockname()[1]}"
        self.heal()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.go_down()
        self._bound.close()

    # --- the line ---------------------------------------------------------------------------------------

    def heal(self) -> None:
        """Remove all faults."""
        self.choose = lambda: NONE
        self.come_up()

    def come_up(self) -> None:
        """Accept connections again."""
        if self._fillers:
            self.go_down()
        if self._listener is None:
            self._bound.listen(64)
            self._listener = self._bound
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def go_down(self) -> None:
        """Close the listening socket and reset open connections; keep the port."""
        port = self._bound.getsockname()[1]
        self._listener = None
        for filler in self._fillers:
            filler.close()
        self._fillers = []
        with contextlib.suppress(OSError):
            self._bound.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._bound.close()
        self._bound = self._bind(port)
        for connection in tuple(self._alive):
            _reset(connection)

    def swallow(self) -> None:
        """Become a black hole: open connections get no more data, new ones get no answer to their SYN."""
        port = self._bound.getsockname()[1]
        self.go_down()
        self.choose = lambda: Fault(silent=True)
        self._bound.listen(0)
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            self._fillers.append(filler)

    def _bind(self, port: int) -> socket.socket:
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deadline = time.monotonic() + 5
        while True:
            try:
                bound.bind(("127.0.0.1", port))
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return bound

    # --- connections ------------------------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> None:
        while self._listener is listener:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._alive.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            while self._exchange(connection):
                pass
        except (OSError, http.client.HTTPException):  # a game that dies is what this suite is about
            pass
        finally:
            self._alive.discard(connection)
            connection.close()

    def _exchange(self, connection: socket.socket) -> bool:
        """Handle one request; return false if the connection is over."""
        head, _, body = _read(connection).partition(b"\r\n\r\n")
        fault = self.choose()
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        size = int(headers.get("content-length", "0"))
        wanted = size if fault.reset_after is None else int(size * fault.reset_after)
        while len(body) < wanted:
            body += _piece(connection)
        if fault.silent:
            self._over.wait()
        elif fault.reset_after is not None:
            _reset(connection)
        else:
            return self._hand_back(connection, fault, self._answer(fault, first.split()[1], headers, body))
        return False

    def _hand_back(self, connection: socket.socket, fault: Fault, answer: bytes) -> bool:
        self._over.wait(fault.delay)
        if fault.lose_answer:
            _reset(connection)
            return False
        kept = len(answer) if fault.cut_after is None else int(len(answer) * fault.cut_after)
        connection.sendall(answer[:kept])
        return kept == len(answer)

    def _answer(self, fault: Fault, path: str, headers: dict[str, str], body: bytes) -> bytes:
        if fault.refuse_above is not None and len(body) > fault.refuse_above and path.endswith("/events"):
            return _response(413, HTML, {})
        if fault.status is not None:
            if fault.processed:
                self._ask(path, headers, body)
            return _response(fault.status, fault.body, fault.headers)
        return _response(*self._ask(path, headers, body), {})

    def _ask(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        collector = http.client.HTTPConnection(self._target, timeout=20)
        try:
            own = {name: value for name, value in headers.items() if name not in ("host", "connection")}
            collector.request("POST", path, body, own)
            response = collector.getresponse()
            return response.status, response.read()
        finally:
            collector.close()


class Flapping:
    """A connection that goes down and comes up again all the time.

    Args:
        proxy: The line.
        chance: For how long each time.
    """

    def __init__(self, proxy: Proxy, chance: random.Random) -> None:
        self._proxy = proxy
        self._chance = chance
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._proxy.heal()

    def _run(self) -> None:
        while not self._over.is_set():
            self._proxy.go_down()
            self._over.wait(self._chance.uniform(0.02, 0.25))
            self._proxy.come_up()
            self._over.wait(self._chance.uniform(0.02, 0.25))


def _read(connection: socket.socket) -> bytes:
    """Read at least a request's head."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _piece(connection)
    return data


def _piece(connection: socket.socket) -> bytes:
    piece = connection.recv(65536)
    if not piece:
        raise ConnectionResetError
    return piece


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        connection.shutdown(socket.SHUT_RD)  # wakes recv() in the thread that serves it
    connection.close()


def _response(status: int, body: bytes, headers: dict[str, str]) -> bytes:
    kind = "text/html" if body.startswith(b"<") else "application/json"
    lines = [f"HTTP/1.1 {status} Answer", f"Content-Length: {len(body)}", f"Content-Type: {kind}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
