"""Starts collectors in processes of their own, and makes and sends events and requests."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import hmac
import http.client
import json
import os
import sys
import tempfile
import uuid
from pathlib import Path
from typing import IO, Any

from tests.fork_server import start_collector

KEY = "5c6bcb5402204249437fb5a7a80a4959"
SECRET = b"16813a12f718bc5c620f56944e1abc3ea13ccbac"
EVENTS = f"/v2/{KEY}/events"
INIT = f"/v2/{KEY}/init"
CONFIGS = f"/remote_configs/v1/init?game_key={KEY}&interval_seconds=0&configs_hash="
POGR = {"POGR_CLIENT": "client", "POGR_BUILD": "build"}
TROPHY = {"X-API-KEY": "app.key"}
"""What POGR's and Trophy's routes want in their headers."""

NO_SDK = "the official SDK is not installed; as in .ci/run: pip install --no-deps 'trophy>=1.27,<2'"
WHO = {"platform": "linux", "os_version": "linux 6.8.0", "sdk_version": "rest api v2"}
ANNOTATIONS: dict[str, Any] = {
    "v": 2,
    "user_id": "player",
    **WHO,
    "manufacturer": "unknown",
    "device": "unknown",
    "session_id": "de305d54-75b4-431b-adb2-eb6b9e546014",
    "session_num": 1,
}
"""What every event on the wire has to carry."""


def sign(body: bytes, secret: bytes = SECRET) -> str:
    return base64.b64encode(hmac.digest(secret, body, hashlib.sha256)).decode()


def pack(body: bytes) -> bytes:
    """Compress with gzip, with the same bytes in every process, so that test ids are the same, too."""
    return gzip.compress(body, mtime=0)


def event(category: str = "design", **fields: Any) -> dict[str, Any]:
    """Make an event as a game sends it; a field that is `...` is left out."""
    kinds: dict[str, dict[str, Any]] = {
        "design": {"event_id": "kill:slime", "value": 1},
        "session_end": {"length": 30},
        "business": {"event_id": "pack:gold", "amount": 499, "currency": "USD", "transaction_num": 1},
        "resource": {"event_id": "Sink:gold:boost:shield", "amount": -10},
        "progression": {"event_id": "Start:forest:level_1"},
        "error": {"severity": "error", "message": "boom"},
    }
    whole = {
        "category": category,
        "client_ts": 1_760_000_000,
        **ANNOTATIONS,
        "event_uuid": str(uuid.uuid4()),
        **kinds.get(str(category), {}),
        **fields,
    }
    return {name: value for name, value in whole.items() if value is not ...}


def _temporary_file() -> IO[bytes]:
    """Make a file for what a process says; Windows can read it only by its name while the process writes to it."""
    return tempfile.NamedTemporaryFile(delete=False) if sys.platform == "win32" else tempfile.TemporaryFile()


def _read(file: IO[bytes]) -> str:
    """Return what a process has written to the file so far, without moving the place where it writes."""
    if sys.platform == "win32":
        return Path(file.name).read_text("utf-8", errors="replace")
    return os.pread(file.fileno(), 2**24, 0).decode()


class Answer:
    """An answer of the collector."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def json(self) -> Any:
        return json.loads(self.body)


class Collector:
    """A running collector, without its page unless `page` says otherwise.

    Args:
        folder: Where its file lies and where it runs.
        arguments: More options of the command.
        patches: Code that its process runs before.
        environment: More environment variables of its process.
    """

    def __init__(
        self, folder: Path, *arguments: str, page: bool = False, patches: str = "", **environment: str
    ) -> None:
        self.db = folder / "events.sqlite3"
        self._said = ""
        self._errors = _temporary_file()
        where = [] if "--store" in arguments else ["--db", str(self.db)]
        options = ["--port", "0", *where, *([] if page else ["--no-page"]), *arguments]
        self.process, self._stdout = start_collector(
            *options,
            folder=folder,
            stderr=self._errors.fileno(),
            environment={**os.environ, **environment},
            patches=patches,
        )
        first = self._stdout.readline()
        if not first.startswith("listening on http://"):
            self.kill()
            raise AssertionError(first + self.said())
        self.port = int(first.rsplit(":", 1)[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.listens_at = first.strip().removeprefix("listening on http://")
        self._greeting = [first]

    def read_greeting(self) -> str:
        """Read the lines that it prints when it has started."""
        while not self._greeting[-1].startswith("try it"):
            self._greeting.append(self._stdout.readline())
        return "".join(self._greeting)

    def said(self) -> str:
        """Read all that it has written to its standard error stream so far."""
        if not self._errors.closed:
            self._said = _read(self._errors)
        return self._said

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())

    def post(self, path: str, body: bytes, **headers: str) -> Answer:
        """Send a signed body."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", path, body, {"Authorization": sign(body), **named})

    def send(self, *events: Any, packed: bool = False) -> Answer:
        """Send events as a game does."""
        body = json.dumps(list(events)).encode()
        return self.post(EVENTS, pack(body), Content_Encoding="gzip") if packed else self.post(EVENTS, body)

    def summary(self) -> Any:
        return self.ask("GET", "/api/summary").json()

    def export(self, *, rejected: bool = False) -> list[dict[str, Any]]:
        """Return the stored events in order of arrival, or the rejected ones, as `ga_pygame export` prints them."""
        from ga_pygame.collector.storage.queries import Queries  # noqa: PLC0415 - most test processes do not need it

        with contextlib.closing(Queries(self.db)) as queries:
            found = [json.loads(line) for line in (queries.rejected() if rejected else queries.stored())]
            assert not queries.unreadable
            return found

    def categories(self) -> list[str]:
        """Return the categories of the stored events, in order of arrival."""
        return [event["category"] for event in self.export()]

    def stop(self) -> int:
        """End the process and return its exit code; its stored events stay.

        Windows has no SIGTERM: a process that is ended there has the exit code 1, so 0 says that it still ran.
        """
        was_running = self.process.poll() is None
        self.process.terminate()
        try:
            code = self.process.wait(60)
            return 0 if sys.platform == "win32" and was_running else code
        finally:
            self.kill()

    def kill(self) -> None:
        """End the process as a crash does."""
        self.process.kill()
        self.process.wait(60)
        self.said()
        self._errors.close()
        self._stdout.close()
        if sys.platform == "win32":
            os.unlink(self._errors.name)
