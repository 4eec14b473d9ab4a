"""A client of ClickHouse's HTTP interface: queries and inserts, each at the server that answered last or else the next.

Source: ClickHouse, HTTP Interface.
"""

from __future__ import annotations

import gzip
import re
import threading
from collections.abc import Iterable, Mapping

import requests

from ga_pygame import clock
from ga_pygame.collector.clickhouse.address import StoreAddress

SECONDS_TO_CONNECT = 2.0
SECONDS_TO_ANSWER = 10.0
"""How long a server may take to take a block or to answer what the live page asks."""
SECONDS_TO_SHOW_LIFE = 2.0
"""How long servers may take to answer whether they are there; less than `/readyz` waits."""
SHARE_OF_A_SERVER = 0.5
"""The part of the time that is left for a block or the live page which a server may take, if there are others."""
SECONDS_FOR_METRICS = 120.0
"""How long a server may take to answer a metric or a change of tables."""
MAX_REFUSAL = 300
"""Characters of a server's message that are told."""
WHEN_STORED = {"insert_distributed_sync": "1"}
"""Lets an insert return when all shards have their rows; says nothing to a table that is not spread."""
_NOT_HERE = {60, 81}
"""Codes: there is no such table or database."""
_OF_THE_SERVER = {75, 76, 202, 209, 210, 225, 236, 242, 243, 252, 254, 279, 285, 319, 425, 999, 1000, 1001, 1002}
"""Codes for trouble that another server may not have: full, busy, read-only, without ZooKeeper or the others."""
_OF_THE_REQUEST = {6, 26, 27, 38, 41, 53, 62, 69, 72, 117}
"""Codes for data that cannot be read: they would be refused again."""


class Unreachable(Exception):
    """No server answers; the message says why."""


class ClickHouseError(Exception):
    """A server refuses; the message has its reason.

    Attributes:
        code: ClickHouse's number for it; 0 if it told none.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code

    @property
    def is_missing(self) -> bool:
        """Whether there is no such table or database."""
        return self.code in _NOT_HERE

    @property
    def is_of_the_request(self) -> bool:
        """Whether the server would refuse the same request again, but other ones not."""
        return self.code in _OF_THE_REQUEST

    @property
    def is_of_the_server(self) -> bool:
        """Whether another server may take the same request."""
        return self.code in _OF_THE_SERVER


class Client:
    """Connections to the servers of a database; for one thread at a time.

    Args:
        address: Where they are.
    """

    def __init__(self, address: StoreAddress) -> None:
        self.database = address.database
        self.place = address.place
        self._urls = address.urls
        self._first = 0
        self._monotonic = clock.SystemClock().monotonic
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy between a collector and its store
        self._session.headers.update({"X-ClickHouse-User": address.user, "X-ClickHouse-Key": address.password})

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def server_version(self) -> tuple[int, int]:
        """Return the two first numbers of the server's version."""
        major, minor, *_ = self.query("SELECT version()", database=False).decode().strip().split(".")
        return int(major), int(minor)

    def query(
        self,
        text: str,
        parameters: Mapping[str, str] = {},
        *,
        database: bool = True,
        seconds: float = SECONDS_FOR_METRICS,
        options: Mapping[str, str] = {},
    ) -> bytes:
        """Run a query or a statement and return the answer's body.

        Args:
            text: The query.
            parameters: The texts of its parameters by name (`{name:Type}` in the text).
            database: Whether it is about the database; else that need not exist.
            seconds: How long a server may take.
            options: Settings of the server.

        Raises:
            ClickHouseError: The server refuses.
            Unreachable: No server answers.
        """
        whole = {**options, **{f"param_{name}": value for name, value in parameters.items()}}
        return self._post(text.encode(), self._with_database(whole) if database else whole, {}, seconds)

    def insert(self, table: str, lines: Iterable[bytes], options: Mapping[str, str]) -> None:
        """Insert rows, each an object of JSON; returns when the servers on which they belong have stored them.

        Without `insert_distributed_sync` a server of a cluster would answer once it keeps them in a file, which it
        sends on later, and which it sets aside if the receiving server is killed meanwhile.

        Args:
            table: The table.
            lines: The rows.
            options: Settings of the server.

        Raises:
            ClickHouseError: The server refuses.
            Unreachable: No server answers, or none told that the rows are stored.
        """
        query = {"query": f"INSERT INTO {table} FORMAT JSONEachRow"}
        body = gzip.compress(b"\n".join(lines), 1, mtime=0)
        self._post(
            body,
            self._with_database({**WHEN_STORED, **options, **query}),
            {"Content-Encoding": "gzip"},
            SECONDS_TO_ANSWER,
        )

    def _with_database(self, options: Mapping[str, str]) -> dict[str, str]:
        return {**options, "database": self.database}

    def _post(self, body: bytes, options: Mapping[str, str], headers: Mapping[str, str], seconds: float) -> bytes:
        """Ask one server after the other, all together for at most `seconds`; a later request begins where this ends.

        A server that has trouble or does not answer is thus not the first one that the next request goes to. If there
        are others, one may take a part of the time that is left; all of it for a metric, which takes its time anywhere.
        """
        share = SHARE_OF_A_SERVER if seconds <= SECONDS_TO_ANSWER else 1.0
        until = self._monotonic() + seconds
        failed: Exception | None = None
        for others in reversed(range(len(self._urls))):
            left = until - self._monotonic()
            if left <= 0:
                break
            left *= share if others else 1.0
            try:
                answer = self._session.post(
                    self._urls[self._first],
                    data=body,
                    params=options,
                    headers=headers,
                    timeout=(min(SECONDS_TO_CONNECT, left), left),
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                failed = error
            else:
                if answer.status_code == 200 and not _has_failed(answer):
                    return answer.content
                failed = refusal = _server_refusal(answer)
                if refusal.is_of_the_request or refusal.is_missing:
                    raise refusal
            self._first = (self._first + 1) % len(self._urls)
            if isinstance(failed, ClickHouseError) and not failed.is_of_the_server:
                raise failed
        if isinstance(failed, ClickHouseError):
            raise failed
        raise Unreachable(f"no ClickHouse server of {self.place} answers ({type(failed).__name__})") from failed


class ClientPool:
    """Clients for any number of threads, each with one of its own."""

    def __init__(self, address: StoreAddress) -> None:
        self._address = address
        self._own = threading.local()
        self._all: list[Client] = []

    def mine(self) -> Client:
        """Return the client of the calling thread."""
        client: Client | None = getattr(self._own, "client", None)
        if client is None:
            client = self._own.client = Client(self._address)
            self._all.append(client)
        return client

    def close(self) -> None:
        """Close all connections."""
        for client in self._all:
            client.close()


def _has_failed(answer: requests.Response) -> bool:
    """Whether a server noticed an error after it had sent the status."""
    return "X-ClickHouse-Exception-Code" in answer.headers


def _server_refusal(answer: requests.Response) -> ClickHouseError:
    text = answer.text
    match = re.search(r"Code: (\d+)", text)
    code = answer.headers.get("X-ClickHouse-Exception-Code") or (match[1] if match else "0")
    reason = " ".join(text.split())[:MAX_REFUSAL] or f"HTTP status {answer.status_code}"
    return ClickHouseError(int(code) if code.isdecimal() else 0, f"ClickHouse refuses: {reason}")


def text_literal(text: str) -> str:
    """Write a text as SQL that every ClickHouse reads and in which nothing can be SQL itself: in hexadecimal digits."""
    return f"unhex('{text.encode('utf-8', 'replace').hex()}')"
