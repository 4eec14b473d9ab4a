"""A server in a process of its own, in which pygame cannot be imported, against the real collector."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.collectors import Collector
from tests.conftest import eventually
from tests.geoip import FRENCH, GERMAN, SWEDISH, geoip_file

SERVER = f"""
import asyncio, sys, threading
sys.modules["pygame"] = None  # an import of it raises
import ga_pygame

server = ga_pygame.ServerTracker(strict=True)
ADDRESSES = {{"ann": "{GERMAN}", "bob": "{SWEDISH}", "cid": "{FRENCH}"}}

async def connected(name):
    player = server.player(name, ip=ADDRESSES[name], platform="windows", os_version="windows 10.0.22631")
    for number in range(5):
        player.design("kill:slime", number)
        await asyncio.sleep(0)
    thread = threading.Thread(target=player.progression.start, args=("arena",))
    thread.start()
    await asyncio.to_thread(thread.join)
    if name == "cid":
        player.leave()
    return player

async def main():
    players = await asyncio.gather(*map(connected, ADDRESSES))
    print("connected", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await asyncio.to_thread(server.close)
    print("closed", len(players), flush=True)

asyncio.run(main())
"""


def begun(folder: Path, collector: Collector, code: str) -> subprocess.Popen[str]:
    """Start a server and wait until its players are connected."""
    environment = {
        "GA_PYGAME_COLLECTOR": collector.url,
        "GA_PYGAME_DATA_DIR": str(folder),
        "GA_PYGAME_GAME": "arena",
        "GA_PYGAME_UPLOAD_INTERVAL": "0.1",
        "PATH": "/usr/bin",
    }
    command = [sys.executable, "-W", "error", "-c", code]
    root = Path(__file__).parents[2]
    server = subprocess.Popen(
        command, env=environment, cwd=root, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    assert server.stdout.readline() == "connected\n"
    return server


def of(events: list[dict[str, Any]], user_id: str) -> list[str]:
    return [event["category"] for event in events if event["user_id"] == user_id]


@pytest.mark.requirement("002:server", "002:server-forwarded", "002:server-session-end", "002:server-no-address")
def test_players_of_a_server_that_is_killed(tmp_path: Path) -> None:
    """Each gets a country; after a kill the next start ends the sessions; no file of the collector has an address."""
    kept = tmp_path / "kept"
    kept.mkdir()
    collector = Collector(kept, "--geoip", str(geoip_file(tmp_path / "geo.mmdb")))
    server = begun(tmp_path / "data", collector, SERVER)
    played = ["user", *["design"] * 5, "progression"]
    assert eventually(lambda: len(collector.export()) == 23, 20)
    with server:  # closes the pipes
        server.send_signal(signal.SIGKILL)
    assert of(collector.export(), "ann") == of(collector.export(), "bob") == played
    assert of(collector.export(), "cid") == [*played, "progression", "session_end"]

    again = begun(tmp_path / "data", collector, SERVER.replace('"ann": ', '"dan": ').replace('["ann"]', '["dan"]'))
    assert again.communicate("\n", timeout=30)[0] == "closed 3\n"
    assert again.returncode == 0
    events = collector.export()
    for name in ("ann", "bob"):
        assert of(events, name)[:9] == [*played, "progression", "session_end"]
    assert [event["session_num"] for event in events if event["user_id"] == "bob"] == [1] * 9 + [2] * 9
    told = {event["user_id"]: event["country_code"] for event in events}
    assert told == {"ann": "DE", "bob": "SE", "cid": "FR", "dan": "DE"}
    assert len({event["event_uuid"] for event in events}) == len(events)

    def counted() -> dict[str, int]:
        rows = collector.ask("GET", "/api/warehouse/players").json()
        return {row["user_id"]: row["by_server"] for row in rows}

    assert eventually(lambda: counted() == {"ann": 1, "bob": 2, "cid": 2, "dan": 1}, 20)
    assert collector.stop() == 0
    everything = b"".join(path.read_bytes() for path in kept.rglob("*") if path.is_file()) + collector.said().encode()
    assert not [address for address in (GERMAN, SWEDISH, FRENCH) if address.encode() in everything]
