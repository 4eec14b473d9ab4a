"""Bounds one HTTP exchange in time and size, at the socket below `requests`, where no byte can bypass it.

The timeouts of `requests` are for one read. A server that sends single bytes slowly, an endless header or endless
`100 Continue` answers would never end the exchange. So each read and write of the socket waits only until the deadline
of the whole exchange, and the bytes that are read are counted. This includes status lines, headers, bodies, chunks,
trailers, and what a proxy sends before a tunnel begins.
"""

from __future__ import annotations

import http.client
import io
import socket
import zlib
from collections.abc import Callable
from typing import Any

from ga_pygame.clock import Clock

MAX_HEAD_BYTES = 65536
"""Bytes of an answer before its body: status line, headers, interim answers, a proxy's greeting."""
MAX_ANSWER_BYTES = 4 * 2**20
"""Bytes of an answer's body, both packed and unpacked."""
MAX_AWAY_SECONDS = 1.0
"""If a wait ends this much later than it should, the process was stopped or the machine slept."""
GRACE_SECONDS = 1.0
"""The time that an exchange gets then: the network card may hold an answer that came in time."""

_CHUNK = 65536
_INFLATE_WBITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


class Exceeded(OSError):
    """An answer exceeds a bound; it counts as no answer."""


class Unread(OSError):
    """An answer came, but its body exceeds the bounds or cannot be unpacked.

    Args:
        why: The reason.
        beginning: The first part of the body, as far as it was read.
    """

    def __init__(self, why: str, beginning: bytes = b"") -> None:
        super().__init__(why)
        self.beginning = beginning


class Budget:
    """The time and bytes that the current exchange may still use. One for each transport, on its thread.

    Attributes:
        is_sent: Whether a byte of the request itself may have left the machine.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._deadline = self._expected = 0.0
        self._bytes = 0
        self._had_grace = False
        self.is_sent = False

    def begin(self, seconds: float) -> None:
        """Start an exchange of at most `seconds`."""
        self._expected = self._clock.monotonic()
        self._deadline = self._expected + seconds
        self._had_grace = self.is_sent = False
        self.allow(MAX_HEAD_BYTES)

    def allow(self, count: int) -> None:
        """Allow `count` more bytes to be read."""
        self._bytes = count

    def left(self) -> float:
        """Return the seconds until the deadline; 0 if only bytes that have arrived may be read."""
        now = self._clock.monotonic()
        if now - self._expected > MAX_AWAY_SECONDS and not self._had_grace:
            self._had_grace = True
            self._deadline = max(self._deadline, now + GRACE_SECONDS)
        left = max(0.0, self._deadline - now)
        self._expected = now + left
        return left

    def spend(self, count: int) -> None:
        """Count bytes that were read."""
        self._bytes -= count
        if self._bytes < 0:
            raise Exceeded("the answer is too long")


class _BoundedFile(io.RawIOBase):
    """The reading end of a connection."""

    def __init__(self, sock: socket.socket, budget: Budget) -> None:
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)  # keeps the socket open until this file is closed
        self._budget = budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._budget.left()
        self._sock.settimeout(left)
        try:
            count = self._file.readinto(buffer)
        except OSError:
            if left:
                raise
            count = None
        if count is None:
            raise TimeoutError("timed out")
        self._budget.spend(count)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    """An HTTP response that is read within the budget."""

    def __init__(self, budget: Budget, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_BoundedFile(sock, budget))
        self._budget = budget
        budget.allow(MAX_HEAD_BYTES)

    def begin(self) -> None:
        super().begin()
        self._budget.allow(MAX_ANSWER_BYTES + MAX_HEAD_BYTES)  # chunks have size lines


def bounded(connection: type[Any], budget: Budget) -> type[Any]:
    """Make a subclass of a connection class whose exchanges keep the budget."""
    from urllib3.connection import HTTPConnection  # noqa: PLC0415 - loaded with requests

    class Bounded(connection):  # type: ignore[misc]  # whichever class it is: plain, TLS, SOCKS
        _is_connecting = False

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.response_class = lambda sock, *more, **named: _Answer(budget, sock, *more, **named)

        def _new_conn(self) -> Any:
            if connection._new_conn is not HTTPConnection._new_conn:
                return super()._new_conn()  # SOCKS: its proxy is one address
            return _first(super()._new_conn, self, budget)

        def connect(self) -> None:
            self._is_connecting = True  # bytes sent now are for a proxy, not for the server
            try:
                super().connect()
            finally:
                self._is_connecting = False

        def send(self, data: Any) -> None:
            if self.sock is None and self.auto_open:
                self.connect()
            for start in range(0, len(data), _CHUNK):
                if self.sock is not None:
                    self.sock.settimeout(budget.left() or 0.001)
                budget.is_sent = budget.is_sent or not self._is_connecting
                super().send(data[start : start + _CHUNK])

    return Bounded


def _first(connect: Callable[[], Any], connection: Any, budget: Budget) -> Any:
    """Connect to the first address of a host that answers; all tries together keep the budget.

    A server on this machine mostly listens on 127.0.0.1. Windows names ::1 first, and takes 2 s to see that nobody
    listens there: longer than a game that quits waits.
    """
    name, timeout = connection._dns_host, connection.timeout
    found = socket.getaddrinfo(name, connection.port, type=socket.SOCK_STREAM)
    if name == "localhost":
        found.sort(key=lambda one: one[0] != socket.AF_INET)
    failure: Exception = OSError("the host has no address")
    for address in dict.fromkeys(str(one[4][0]) for one in found):
        left = budget.left()
        if not left:
            break
        connection._dns_host, connection.timeout = address, min(timeout, left) if timeout else left
        try:
            return connect()
        except Exception as error:  # noqa: BLE001 - the next address may do; the last reason is told
            failure = error
        finally:
            connection._dns_host, connection.timeout = name, timeout
    raise failure


def body_of(raw: Any) -> bytes:
    """Read and unpack a body.

    Args:
        raw: The answer of `urllib3`; if it is read to the end, its connection is kept for the next request.

    Raises:
        Unread: It is longer than `MAX_ANSWER_BYTES`, packed or unpacked, damaged, or packed neither as gzip nor as
            deflate.
        OSError: It is cut off.
    """
    body = bytearray()
    encoding = str(raw.headers.get("content-encoding", "")).strip().lower()
    is_plain = encoding in ("", "identity")
    while piece := raw.read(_CHUNK, decode_content=False):
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            raise Unread("the answer is too long", bytes(body[:MAX_ANSWER_BYTES]) if is_plain else b"")
    if not body or is_plain:
        return bytes(body)
    if encoding not in _INFLATE_WBITS:
        raise Unread("the answer is packed in a way that was not asked for")
    return _inflated(bytes(body), _INFLATE_WBITS[encoding])


def _inflated(packed: bytes, wbits: int) -> bytes:
    inflater = zlib.decompressobj(wbits)
    try:
        found = inflater.decompress(packed, MAX_ANSWER_BYTES + 1)
    except zlib.error:
        if wbits != 15:
            raise Unread("the answer is not packed as it says") from None
        return _inflated(packed, -15)  # some servers send deflate without its header
    if len(found) > MAX_ANSWER_BYTES:
        raise Unread("the answer is too long", found[:MAX_ANSWER_BYTES])
    if not inflater.eof:
        raise Unread("the packed answer is cut off", found)
    return found
