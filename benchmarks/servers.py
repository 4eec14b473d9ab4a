"""The servers of contestants: the real collector, a sink that accepts anything, a slow sink, a refused port.

`python -m benchmarks.servers DELAY` is the sink, in a process of its own: it answers every request with 200 after DELAY
seconds and counts requests, bytes and events. An event is recognised by `MARK`, which is in each contestant's event
exactly once; bodies are unpacked to count it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path

from benchmarks.scene import MARK

ROOT = Path(__file__).parent.parent
STATES = ("healthy", "slow", "down")
SLOW_SECONDS = 2.0
_INIT = json.dumps({"enabled": True, "server_ts": int(time.time()), "configs": []}).encode()
_ACCEPTED = json.dumps({"status": 1, "success": True, "code": 200}).encode()
"""The answer that mixpanel (`status`), segment (`success`) and amplitude (`code`) expect; the others read none."""


def count_events(body: bytes) -> int:
    """Count the events of a body."""
    if body[:2] == b"\x1f\x8b":
        body = zlib.decompress(body, 31)
    if body.startswith(b"data="):  # mixpanel: form field, plain or base64
        text = urllib.parse.parse_qs(body.decode()).get("data", [""])[0]
        body = text.encode() if text.startswith("[") else base64.b64decode(text)
    return body.count(MARK.encode())


class Sink:
    """The server behind `python -m benchmarks.servers`."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self.totals = {"requests": 0, "wire_bytes": 0, "body_bytes": 0, "events": 0}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection, as long as the client keeps it open."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._answer(reader, writer):
                pass
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        path = lines[0].split(" ")[1]
        headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines[1:])}
        body = await _body(reader, headers)
        if path == "/totals":
            reply = json.dumps(self.totals).encode()
        else:
            self.totals["requests"] += 1
            self.totals["wire_bytes"] += len(head) + len(body)
            self.totals["body_bytes"] += len(body)
            await asyncio.sleep(self._delay)
            reply = _INIT if "init" in path else _ACCEPTED
            self.totals["events"] += count_events(body)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(reply))
        writer.write(reply)
        await writer.drain()
        return headers.get("connection", "").lower() != "close"


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    pieces = []
    while size := int((await reader.readline()).split(b";")[0], 16):
        pieces.append(await reader.readexactly(size))
        await reader.readline()
    await reader.readline()
    return b"".join(pieces)


class Server:
    """A server that is running.

    Attributes:
        url: Where it listens.
    """

    def __init__(self, url: str, process: subprocess.Popen[str] | None = None) -> None:
        self.url = url
        self._process = process

    def totals(self) -> dict[str, int]:
        """Return the present counts of a sink."""
        with urllib.request.urlopen(f"{self.url}/totals", timeout=30) as answer:
            counted: dict[str, int] = json.load(answer)
            return counted

    def cpu_seconds(self) -> float:
        """Return the CPU time of the process."""
        if self._process is None:
            return 0.0
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100.0

    def stop(self) -> None:
        """End the server."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


@contextlib.contextmanager
def running(kind: str) -> Iterator[Server]:
    """Run a server within the block: `collector`, `healthy` (a sink), `slow` (a sink) or `down`."""
    with tempfile.TemporaryDirectory() as folder:
        if kind == "down":
            with socket.socket() as unused:  # bound and never listening: every connection is refused
                unused.bind(("127.0.0.1", 0))
                yield Server(f"http://127.0.0.1:{unused.getsockname()[1]}")
            return
        command = [sys.executable, "-m", "benchmarks.servers", str(SLOW_SECONDS if kind == "slow" else 0.0)]
        if kind == "collector":
            database = str(Path(folder) / "collector.sqlite3")
            command = [sys.executable, "-m", "ga_pygame", "collect", "--port", "0", "--no-page", "--db", database]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith("listening on "):
                raise RuntimeError(f"the {kind} server did not start: {line!r}")
            yield Server(line.removeprefix("listening on ").strip(), process)
        finally:
            Server("", process).stop()


@contextlib.contextmanager
def all_states() -> Iterator[dict[str, dict[bool, Server]]]:
    """Run all servers, by state and by whether the contestant is ours: our healthy server is the real collector."""
    with contextlib.ExitStack() as stack:
        slow, down, sink, collector = (
            stack.enter_context(running(kind)) for kind in ("slow", "down", "healthy", "collector")
        )
        healthy = {True: collector, False: sink}
        yield {"healthy": healthy, "slow": {True: slow, False: slow}, "down": {True: down, False: down}}


async def _main() -> None:
    sink = Sink(float(sys.argv[1]))
    server = await asyncio.start_server(sink.serve, "127.0.0.1", 0, limit=2**20)
    print(f"listening on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
