"""Measure the collector's page: requests that open no socket, idle tabs, the first paint.

`python -m benchmarks.page` starts a collector for each view, with some thousand events. A tab is a client of the page's
web socket as NiceGUI's own, which acknowledges what it gets; the first paint needs Chromium and selenium.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import socketio

ROOT = Path(__file__).parent.parent
GAME, SECRET = "a" * 32, b"b" * 40
PLAIN_REQUESTS = 300
TABS = 20
IDLE_SECONDS = 20.0
EVENTS = 2000
VIEWS = ("live", "progression", "configs")


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def collector(folder: str) -> Iterator[tuple[int, int]]:
    """Run a collector with its page; yield its process id and port."""
    command = [sys.executable, "-m", "ga_pygame", "collect", "--port", "0", "--db", f"{folder}/events.sqlite3"]
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline().strip().rpartition(":")[2])
    finally:
        process.terminate()
        process.wait(30)


def get(port: int, path: str) -> tuple[int, str]:
    """Make a request as a script does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.read().decode()


def send_events(port: int, count: int) -> None:
    """Send events of many levels, so that all views have something to show."""
    who = {"platform": "linux", "os_version": "linux 6.8.0", "sdk_version": "rest api v2", "v": 2, "device": "unknown"}
    events = [
        {
            **who,
            "category": "progression",
            "event_id": f"{('Start', 'Fail', 'Complete')[number % 3]}:level_{number // 3 % 100}",
            **({"attempt_num": 1} if number % 3 else {}),  # a Start has none
            "event_uuid": str(uuid.uuid4()),
            "user_id": f"player-{number % 50}",
            "session_id": str(uuid.UUID(int=number % 50, version=4)),
            "session_num": 1,
            "manufacturer": "unknown",
            "client_ts": int(time.time()),
        }
        for number in range(count)
    ]
    for first in range(0, count, 500):
        body = json.dumps(events[first : first + 500]).encode()
        signature = base64.b64encode(hmac.digest(SECRET, body, hashlib.sha256)).decode()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.closing(connection):
            connection.request("POST", f"/v2/{GAME}/events", body, {"Authorization": signature})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()[:500]


def wait_until_counted(port: int) -> None:
    """Wait until all events are in the warehouse, whose work would be measured else."""
    for _ in range(200):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", "/api/warehouse/levels")
            reply = connection.getresponse()
            done, _, of_all = reply.getheader("X-GA-Projected", "").partition("/")
            reply.read()
        if done and done == of_all:
            return
        time.sleep(0.1)
    raise TimeoutError("the events are not projected")


class IdleTab:
    """A browser's tab without the browser: it opens the page's socket and acknowledges what it gets."""

    def __init__(self, port: int, view: str) -> None:
        self.messages = 0
        self._url = f"http://127.0.0.1:{port}"
        self._view = view
        self._socket = socketio.AsyncClient(reconnection=False)
        self._next = 0

    async def open(self) -> None:
        """Load the page and open its socket."""
        _, html = await asyncio.to_thread(get, int(self._url.rpartition(":")[2]), f"/?view={self._view}")
        found = re.search(r"client_id[\"']:\s*[\"']([0-9a-f-]{36})", html)
        assert found, html[:2000]
        self._client = found[1]
        self._socket.on("*", self._got)
        about = {
            "client_id": self._client,
            "tab_id": str(uuid.uuid4()),
            "document_id": str(uuid.uuid4()),
            "next_message_id": "0",
            "implicit_handshake": "true",
        }
        query = "&".join(f"{name}={value}" for name, value in about.items())
        path = "/_nicegui_ws/socket.io"
        await self._socket.connect(f"{self._url}?{query}", transports=["websocket"], socketio_path=path)

    async def _got(self, event: str, *data: Any) -> None:  # noqa: ARG002 - socketio passes the name
        self.messages += 1
        if data and isinstance(data[0], dict) and "_id" in data[0]:
            self._next = data[0]["_id"] + 1

    async def acknowledge(self) -> None:
        """Tell the server what came, as a browser does every 3 s."""
        await self._socket.emit("ack", {"client_id": self._client, "next_message_id": self._next})

    async def close(self) -> None:
        """Close the socket."""
        await self._socket.disconnect()
        await self._socket.wait()


async def idle_tabs(pid: int, port: int, view: str) -> str:
    """Open tabs of a view, and measure what they cost while nothing happens."""
    first = IdleTab(port, view)
    await first.open()
    await _rest([first], 4.0)
    before = rss_mb(pid)
    tabs = [IdleTab(port, view) for _ in range(TABS - 1)]
    for tab in tabs:
        await tab.open()
    tabs.append(first)
    await _rest(tabs, 6.0)
    held = (rss_mb(pid) - before) / (TABS - 1)
    got = sum(tab.messages for tab in tabs)
    used = cpu_seconds(pid)
    began = time.perf_counter()
    await _rest(tabs, IDLE_SECONDS)
    share = (cpu_seconds(pid) - used) / (time.perf_counter() - began)
    idle = sum(tab.messages for tab in tabs) - got
    for tab in tabs:
        await tab.close()
    return (
        f"{view}: {TABS} idle tabs use {share:.1%} of a core, {held:.2f} MB each;"
        f" {got / TABS:.0f} messages to build one, {idle} while idle"
    )


async def _rest(tabs: list[IdleTab], seconds: float) -> None:
    until = time.perf_counter() + seconds
    while (left := until - time.perf_counter()) > 0:
        await asyncio.sleep(min(3.0, left))
        for tab in tabs:
            await tab.acknowledge()


def plain_requests(pid: int, port: int) -> str:
    """Make requests for the page that open no socket, and measure what stays."""
    before = rss_mb(pid)
    began = time.perf_counter()
    statuses = [get(port, "/")[0] for _ in range(PLAIN_REQUESTS)]
    each = (time.perf_counter() - began) / PLAIN_REQUESTS
    after = rss_mb(pid)
    served = statuses.count(200)
    return (
        f"{PLAIN_REQUESTS} requests of / without a socket: {after - before:+.1f} MB, {1000 * each:.1f} ms each"
        f" ({served} were answered with 200)"
    )


def first_paints(port: int, view: str, rounds: int = 5) -> str:
    """Load a view in a new Chromium profile each time, and measure the time until its heading is there."""
    try:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
    except ImportError:
        return f"{view}: first paint not measured: needs selenium"
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver):
        return f"{view}: first paint not measured: needs chromium and chromedriver"
    took = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            options = webdriver.ChromeOptions()
            options.binary_location = program
            for switch in ("--headless=new", "--no-sandbox", f"--user-data-dir={profile}"):
                options.add_argument(switch)
            browser = webdriver.Chrome(options=options, service=Service(driver))
            try:
                browser.get("about:blank")
                browser.get(f"http://127.0.0.1:{port}/?view={view}")
                took.append(browser.execute_async_script(_PAINTED))
            finally:
                browser.quit()
    first, heading = (statistics.median(times) for times in zip(*took, strict=True))
    return f"{view}: first paint after {first:.0f} ms, heading after {heading:.0f} ms, cold (medians of {rounds})"


_PAINTED = """
const done = arguments[0];
const first = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0;
const look = () => document.querySelector("h1")?.textContent
  ? requestAnimationFrame(() => done([first(), performance.now()])) : setTimeout(look, 5);
look();
"""


def main() -> None:
    """Print all figures."""
    measurements: list[Callable[[int, int], str]] = [plain_requests, *(partial(_of_view, view) for view in VIEWS)]
    for measured in measurements:
        with tempfile.TemporaryDirectory() as folder, collector(folder) as (pid, port):
            send_events(port, EVENTS)
            get(port, "/")
            wait_until_counted(port)
            print(measured(pid, port))


def _of_view(view: str, pid: int, port: int) -> str:
    return f"{first_paints(port, view)}\n{asyncio.run(idle_tabs(pid, port, view))}"


if __name__ == "__main__":
    main()
