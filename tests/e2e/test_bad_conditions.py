"""Bad keys, disks, clocks and networks: a clear message to the developer, and no loss."""

from __future__ import annotations

import ast
import contextlib
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.config import SANDBOX_GAME_KEY, SANDBOX_SECRET_KEY
from tests.collectors import Collector
from tests.conftest import ROOT, eventually
from tests.e2e.games import CLOSE, PUPPET, SEND, outbox, tell, waiting
from tests.e2e.servers import (
    FOREIGN,
    HTML,
    Answer,
    ScriptedServer,
    Seen,
    forward,
    healthy,
    legacy_welcome,
    refusing,
    summary,
    welcome,
)
from tests.e2e.small_disk import disk

KEY, SECRET, WRONG = "a1" * 16, "b2" * 20, "c3" * 20
LOUD = "import logging\nlogging.basicConfig()\nlogging.getLogger('ga_pygame').setLevel(1)\n" + PUPPET
QUICK = {"GA_PYGAME_UPLOAD_INTERVAL": "0.1"}


def play(game: Any, url: str, *lines: str, script: str = PUPPET, **environment: str) -> Any:
    """Start a game that has run these lines and then waits."""
    puppet = game(script, **{"GA_PYGAME_COLLECTOR": url, **QUICK, **environment})
    puppet.session_id = puppet.wait_for("started").split()[0]
    for line in lines:
        tell(puppet, line)
    return puppet


def close(puppet: Any) -> list[str]:
    """End a game normally; return its output, without messages at debug level."""
    puppet.say(CLOSE)
    puppet.wait_for("closed")
    code, _, error = puppet.end()
    assert code == 0, error
    return [line for line in error.splitlines() if line and not KEPT.search(line) and not line.startswith("DEBUG:")]


KEPT = re.compile("; events are kept(: is the collector running.*)?$")
"""Said once where the server does not answer as one; what else is said is what these tests are about."""


def dropped(puppet: Any) -> str:
    puppet.say("print('dropped', dict(tracker.stats.dropped))")
    answer: str = puppet.wait_for("dropped")
    puppet.wait_for("done")
    return answer


def send(game: Any, url: str, **environment: str) -> None:
    """Launch later and send the remaining events."""
    later = game(SEND, **{"GA_PYGAME_COLLECTOR": url, **environment})
    assert "error=''" in later.wait_for("flushed")
    assert later.end()[0] == 0


def designs(events: list[dict[str, Any]]) -> list[Any]:
    return [event.get("value") for event in events if event["category"] == "design"]


def assert_once(events: list[dict[str, Any]], session_id: str) -> None:
    """Check that a session's events are stored once, `user` first, `session_end` last."""
    own = [event for event in events if event["session_id"] == session_id]
    assert max(Counter(event["event_uuid"] for event in own).values()) == 1
    categories = [event["category"] for event in own]
    assert (categories[0], categories[-1]) == ("user", "session_end")
    assert (categories.count("user"), categories.count("session_end")) == (1, 1)


def count_to(number: int, start: int = 0) -> str:
    return f"for n in range({start}, {number}): tracker.design('count:test', n)"


# --- keys ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("known", "stage"), [(KEY, "secret"), ("d4" * 16, "game")])
def test_wrong_keys(known: str, stage: str, game: Any, tmp_path: Path) -> None:
    """Wrong keys are one warning that names the fix and no key; events wait and arrive with the right keys."""
    keys = {"GA_PYGAME_GAME_KEY": KEY, "GA_PYGAME_SECRET_KEY": WRONG if stage == "secret" else SECRET}
    strict = Collector(tmp_path, "--game", f"{known}:{SECRET}")
    try:
        puppet = play(game, strict.url, count_to(5), "tracker.flush().wait(5)", count_to(9, 5), script=LOUD, **keys)
        tell(puppet, "tracker.flush().wait(5); print(tracker, tracker.config)")
        assert dropped(puppet) == "{}"
        said = close(puppet)
        assert len(said) == 1
        assert "401" in said[0]
        assert "secret_key" in said[0]
        assert not any(key in said[0] for key in (KEY, SECRET, WRONG))
        assert strict.export() == []
    finally:
        strict.stop()
    kept = waiting(outbox(tmp_path / "data", f"{KEY}-collector"))
    assert designs(kept) == list(range(9))
    tolerant = Collector(tmp_path, "--game", f"{KEY}:{SECRET}")
    try:
        send(game, tolerant.url, GA_PYGAME_GAME_KEY=KEY, GA_PYGAME_SECRET_KEY=SECRET)
        assert designs(tolerant.export()) == list(range(9))
        assert_once(tolerant.export(), puppet.session_id)
    finally:
        tolerant.stop()


LOSING = """
import pygame
import ga_pygame
pygame.init()
tracker = ga_pygame.Tracker()
tracker.connection_lost.connect(lambda *why: print("lost", why))
tracker.start()
print("result", tracker.flush().wait(20))
"""
"""Hears of a lost connection from the beginning."""


def test_errors_of_the_network_name_no_key(game: Any) -> None:
    """The messages of `connection_lost` and of a flush say what is wrong and contain no key."""
    with refusing() as url:
        keys = {"GA_PYGAME_GAME_KEY": KEY, "GA_PYGAME_SECRET_KEY": SECRET}
        played = game(LOSING, GA_PYGAME_COLLECTOR=url, **keys)
        said = played.wait_for("lost") + played.wait_for("result")
        assert "refused" in said
        assert KEY not in said
        played.end()


# --- disk ------------------------------------------------------------------------------------------------


def test_folder_that_cannot_be_written(game: Any, collector: Collector, tmp_path: Path) -> None:
    """Where the data folder cannot be made, events are delivered from memory and one warning says so."""
    (tmp_path / "file").write_text("not a folder")
    folder = str(tmp_path / "file" / "data")
    puppet = play(game, collector.url, count_to(100), "tracker.flush().wait(5)", GA_PYGAME_DATA_DIR=folder)
    assert dropped(puppet) == "{}"
    (warning,) = close(puppet)
    assert "memory" in warning
    assert designs(collector.export()) == list(range(100))
    assert_once(collector.export(), puppet.session_id)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a disk of one megabyte."""
    with disk(tmp_path, 1) as folder:
        yield folder


def fill(disk: Path) -> Path:
    """Fill the disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (65536, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    return filler


def test_full_disk(game: Any, collector: Collector, small_disk: Path) -> None:
    """On a full disk the game goes on and delivers from memory; what waits when room comes is on disk again."""
    with ScriptedServer(healthy) as server:
        puppet = play(game, server.url, count_to(10), "tracker.flush().wait(5)", GA_PYGAME_DATA_DIR=str(small_disk))
        filler = fill(small_disk)
        tell(puppet, count_to(200, 10))
        tell(puppet, "tracker.flush().wait(5)")
        assert eventually(lambda: designs(server.events()) == list(range(200)))
        server.script = lambda _: Answer(503, b"")
        tell(puppet, count_to(300, 200))
        filler.unlink()
        path = outbox(small_disk)
        assert eventually(lambda: designs(waiting(path))[-1:] == [299], 15)
        assert designs(waiting(path))[-100:] == list(range(200, 300))
        assert dropped(puppet) == "{}"
        puppet.kill()
        session = puppet.session_id
        server.script = healthy
        before = len(server.events())
        send(game, server.url, GA_PYGAME_DATA_DIR=str(small_disk))
        assert designs(server.events()[before:])[-100:] == list(range(200, 300))
        ends = [event for event in server.events() if event["category"] == "session_end"]
        assert [end["session_id"] for end in ends].count(session) == 1
        users = [event["session_num"] for event in server.events() if event["category"] == "user"]
        assert users == [1, 2]


def test_full_disk_that_is_freed_before_the_end(game: Any, small_disk: Path) -> None:
    """A session that ended while its disk was full is not ended again by the next launch, nor counted anew."""
    with ScriptedServer(healthy) as server:
        puppet = play(game, server.url, "tracker.flush().wait(5)", GA_PYGAME_DATA_DIR=str(small_disk))
        filler = fill(small_disk)
        tell(puppet, "for n in range(100): tracker.business('USD', 1, 'pack', 'gold')")
        tell(puppet, "tracker.flush().wait(5)")
        filler.unlink()
        (warning, *_) = close(puppet)
        assert "memory" in warning
        again = play(game, server.url, "tracker.business('USD', 1, 'a', 'b')", GA_PYGAME_DATA_DIR=str(small_disk))
        tell(again, "tracker.flush().wait(5)")
        close(again)
        events = server.events()
        assert_once(events, puppet.session_id)
        assert max(Counter(event["event_uuid"] for event in events).values()) == 1
        numbers = [event["transaction_num"] for event in events if event["category"] == "business"]
        assert numbers == list(range(1, 102))
        assert [event["session_num"] for event in events if event["category"] == "user"] == [1, 2]


def test_folder_that_comes_back(game: Any, tmp_path: Path) -> None:
    """A folder that could not be used at the start keeps its player and goes on counting when it can be again."""
    with ScriptedServer(healthy) as server:
        close(play(game, server.url, "tracker.business('USD', 1, 'a', 'b'); tracker.flush().wait(5)"))
        data = tmp_path / "data"
        hidden = data.rename(tmp_path / "hidden")
        data.write_text("in the way")
        puppet = play(game, server.url, "tracker.business('USD', 1, 'a', 'b'); tracker.flush().wait(5)")
        data.unlink()
        hidden.rename(data)
        close(puppet)
        send(game, server.url)
        users = [event for event in server.events() if event["category"] == "user"]
        assert len(users) == 3
        assert users[0]["user_id"] == users[2]["user_id"]
        assert users[2]["session_num"] == 3


# --- outbox ----------------------------------------------------------------------------------------------


def left_behind(game: Any, data: Path, events: int = 600) -> Path:
    """Return an outbox full of events that no server accepted."""
    with refusing() as url:
        close(play(game, url, count_to(events)))
    path = outbox(data)
    assert designs(waiting(path)) == list(range(events))
    assert not path.with_name(path.name + "-wal").exists()
    return path


def flip_page(path: Path) -> None:
    """Damage a page in the middle of the records."""
    content = bytearray(path.read_bytes())
    leaves = (at for at in range(0, len(content), 4096) if content[at] == 13)  # SQLite's mark of a leaf of a table
    pages = [at for at in leaves if b"count:test" in content[at : at + 4096]]
    middle = pages[len(pages) // 2]
    content[middle : middle + 4096] = random.Random(1).randbytes(4096)
    path.write_bytes(content)


def truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 // 4096 * 4096])


DAMAGES: dict[str, tuple[Callable[[Path], object], int]] = {
    "garbage": (lambda path: path.write_bytes(random.Random(1).randbytes(20_000)), 0),
    "page": (flip_page, 550),
    "truncated": (truncate, 100),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_outbox(kind: str, game: Any, collector: Collector, tmp_path: Path) -> None:
    """A damaged outbox is set aside with a warning, what can be read of it is sent, and recording goes on."""
    path = left_behind(game, tmp_path / "data")
    recorded = len(waiting(path))
    assert recorded == 602
    damage, least = DAMAGES[kind]
    damage(path)
    puppet = play(game, collector.url, "tracker.design('after:damage')")
    assert eventually(lambda: any(event.get("event_id") == "after:damage" for event in collector.export()))
    lost = ast.literal_eval(dropped(puppet))
    said = close(puppet)
    assert "damaged" in said[0]
    assert "outbox.damaged.sqlite3" in said[0]
    assert path.with_name("outbox.damaged.sqlite3").exists()
    saved = [event for event in collector.export() if event["session_id"] != puppet.session_id]
    if kind == "garbage":  # nothing tells how much there was
        assert (lost, len(said)) == ({}, 1)
    else:
        assert lost == {"damaged": recorded - len(saved)}
        counts = [int(line.partition(" waiting events")[0].split()[-1]) for line in said[1:]]
        assert 0 <= counts[0] - len(saved) <= 2  # the new launch may have put its first events there, too
        assert counts[1:] == [lost["damaged"]]
    old = [value for value in designs(collector.export()) if value is not None]
    assert len(old) >= least
    assert len(set(old)) == len(old)
    assert waiting(path) == []
    assert_once(collector.export(), puppet.session_id)


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the write lock in another process than the game's, as a backup program does."""
    with contextlib.closing(sqlite3.connect(path, timeout=5, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def test_outbox_that_is_held_past_the_end(game: Any, tmp_path: Path) -> None:
    """Events that could not be written before the end are in the journal: the next launch sends them, once."""
    with refusing() as url:
        puppet = play(game, url, count_to(100))
        with held(outbox(tmp_path / "data")):
            tell(puppet, count_to(300, 100))
            close(puppet)
    with ScriptedServer(healthy) as server:
        send(game, server.url)
        send(game, server.url)
        assert designs(server.events()) == list(range(300))
        assert_once(server.events(), puppet.session_id)


def test_outbox_that_is_held_past_the_end_without_a_journal(game: Any, tmp_path: Path) -> None:
    """Where there is no journal, what could not be written is counted and said, and the rest arrives once."""
    with refusing() as url:
        puppet = play(game, url, count_to(100), script=PUPPET.replace("Tracker()", "Tracker(journal=False)"))
        path = outbox(tmp_path / "data")
        assert eventually(lambda: len(designs(waiting(path))) == 100)
        with held(path):
            tell(puppet, count_to(300, 100))
            puppet.say(SUM_UP)
            stats = ast.literal_eval(puppet.wait_for("closed"))
            code, _, error = puppet.end()
    assert code == 0
    assert set(stats) == {"outbox_full"}
    assert f"{stats['outbox_full']} events are lost" in error
    with ScriptedServer(healthy) as server:
        send(game, server.url)
        own = [event for event in server.events() if event["session_id"] == puppet.session_id]
        assert designs(own)[:100] == list(range(100))
        assert max(Counter(event["event_uuid"] for event in own).values()) == 1
        ends = [event for event in own if event["category"] == "session_end"]
        assert len(ends) == 1
        assert len(own) - len(ends) + stats["outbox_full"] in (301, 302)  # its own session_end may be among the lost


SUM_UP = "tracker.close(); print('closed', dict(tracker.stats.dropped)); sys.exit()"


def test_outbox_that_is_removed_while_the_game_runs(game: Any, tmp_path: Path) -> None:
    """Its waiting events are saved into a new file, which is logged; no loss, no duplicate."""
    with ScriptedServer(lambda _: Answer(503, b"")) as server:
        puppet = play(game, server.url, count_to(100))
        path = outbox(tmp_path / "data")
        assert eventually(lambda: len(designs(waiting(path))) == 100)
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink()
        tell(puppet, count_to(200, 100))
        assert eventually(path.exists)
        server.script = healthy
        tell(puppet, "tracker.flush().wait(10)")
        assert eventually(lambda: designs(server.events()) == list(range(200)), 15)
        assert dropped(puppet) == "{}"
        (warning,) = close(puppet)
        assert "removed" in warning
        assert "saved" in warning
        send(game, server.url)
        assert designs(server.events()) == list(range(200))
        assert_once(server.events(), puppet.session_id)


def test_damage_and_a_dead_session(game: Any, collector: Collector, tmp_path: Path) -> None:
    """A crash that also damages the outbox, as a power cut can, does not cost the dead session its end."""
    path = outbox(tmp_path / "data")
    with refusing() as url:
        dead = play(game, url, count_to(600), "tracker.wallet('gold').earn(7, 'pickup', 'coin'); time.sleep(0.5)")
        dead.kill()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    flip_page(path)
    puppet = play(game, collector.url)
    assert eventually(lambda: "session_end" in collector.categories())
    close(puppet)
    send(game, collector.url)
    own = [event for event in collector.export() if event["session_id"] == dead.session_id]
    assert len(designs(own)) >= 550
    assert [event["amount"] for event in own if event["category"] == "resource"] == [7]
    assert [event["category"] for event in own].count("session_end") == 1
    assert_once(collector.export(), puppet.session_id)


def test_spoiled_event(game: Any, collector: Collector, tmp_path: Path) -> None:
    """An event whose bytes went bad on the disk costs no other event."""
    path = left_behind(game, tmp_path / "data")
    content = path.read_bytes()
    assert content.count(b'"value":300,') == 1
    path.write_bytes(content.replace(b'"value":300,', b'"value":{00,'))
    puppet = play(game, collector.url)
    assert eventually(lambda: len(designs(collector.export())) == 599)
    assert eventually(lambda: dropped(puppet) == "{'damaged': 1}")
    (warning,) = close(puppet)
    assert "1 waiting events are lost" in warning
    assert designs(collector.export()) == [number for number in range(600) if number != 300]


def test_outbox_of_a_newer_version(game: Any, collector: Collector, tmp_path: Path) -> None:
    """An outbox that a newer version wrote is left as it is, which is said, and recording goes on beside it."""
    path = left_behind(game, tmp_path / "data", 10)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    puppet = play(game, collector.url, "tracker.design('beside:it')", "tracker.flush().wait(5)")
    (warning,) = close(puppet)
    assert "newer version" in warning
    assert path.read_bytes() == before
    assert [event["event_id"] for event in collector.export() if event["category"] == "design"] == ["beside:it"]
    assert_once(collector.export(), puppet.session_id)


# --- clocks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [-2, 2])
def test_wall_clock_that_is_set(hours: int, game: Any, collector: Collector) -> None:
    """A wall clock that is set while the game runs neither reorders its events nor changes its length."""
    began = time.time()
    puppet = play(game, collector.url, count_to(3), "time.sleep(0.2); right = time.time")
    tell(puppet, f"time.time = lambda: right() + {hours * 3600}")  # as for libraries, so for us
    tell(puppet, "time.sleep(1)")
    tell(puppet, count_to(6, 3))
    close(puppet)
    send(game, collector.url)
    own = [event for event in collector.export() if event["session_id"] == puppet.session_id]
    times = [event["client_ts"] for event in own]
    assert times == sorted(times)
    assert began - 60 <= times[0] <= times[-1] <= time.time() + 60  # a slow answer may cost seconds, not hours
    assert designs(own) == list(range(6))
    assert 1 <= own[-1]["length"] <= time.time() - began


@pytest.mark.requirement("002:clock-applied")
def test_server_with_another_time(game: Any) -> None:
    """Events carry the server's time, those too that were recorded before it was known."""
    with ScriptedServer(lambda request: Answer() if request.is_events else welcome(server_ts=ahead())) as server:
        puppet = play(game, server.url, count_to(3), "tracker.flush().wait(5)", count_to(6, 3))
        close(puppet)
        assert designs(server.events()) == list(range(6))
        assert all(abs(event["client_ts"] - ahead()) < 30 for event in server.events())


def ahead() -> int:
    return int(time.time()) + 3600


# --- somebody in between ---------------------------------------------------------------------------------

PORTALS = {
    "portal": Answer(200, HTML, {"Content-Type": "text/html"}),
    "proxy page": Answer(502, HTML, {"Content-Type": "text/html"}),
    "redirect": Answer(302, b"", {"Location": "http://127.0.0.1:9/login"}),
    "forbidden": Answer(403, HTML, {"Content-Type": "text/html"}),
    "not found": Answer(404, HTML, {"Content-Type": "text/html"}),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_no_answer_of_somebody_else_wipes_a_batch(kind: str, game: Any) -> None:
    """Kept and sent again, also to a service that does not drop doubles: there the documents' "wipe" is in force."""

    def between(request: Seen) -> Answer:
        return FOREIGN[kind] if request.is_events else welcome()

    with ScriptedServer(between) as server:
        script = PUPPET.replace(
            "Tracker(", f"Tracker(destinations=[GameAnalytics('{KEY}', '{SECRET}', endpoint={server.url!r})], "
        )
        script = "from ga_pygame.destinations import GameAnalytics\n" + script
        puppet = play(game, "", count_to(5), "tracker.flush().wait(5)", script=script)
        assert dropped(puppet) == "{}"
        first = len(server.events())
        assert first
        server.script = healthy
        tell(puppet, "tracker.flush().wait(5)")
        assert eventually(lambda: designs(server.events()[first:]) == list(range(5)))
        close(puppet)
        assert_once(server.events()[first:], puppet.session_id)


@pytest.mark.parametrize("stage", ["init", "events"])
@pytest.mark.parametrize("kind", PORTALS)
def test_somebody_else_answers(kind: str, stage: str, game: Any) -> None:
    """The answer of a portal or a proxy instead of the server decides nothing: events wait and arrive later."""

    def between(request: Seen) -> Answer:
        return PORTALS[kind] if request.is_events or stage == "init" else welcome()

    with ScriptedServer(between) as server:
        puppet = play(game, server.url, count_to(5), "tracker.flush().wait(5)")
        assert dropped(puppet) == "{}"
        first = len(server.events())
        server.script = healthy
        tell(puppet, "tracker.flush().wait(5)")
        assert eventually(lambda: designs(server.events()[first:]) == list(range(5)))
        if stage == "init":
            assert server.requests[-2].path == "/remote_configs/v1/init"
        assert close(puppet) == []
        assert_once(server.events()[first:], puppet.session_id)


def test_answer_that_is_cut_off(game: Any, collector: Collector) -> None:
    """A batch whose answer was cut is sent again with the same ids and stored once."""
    ask = forward(collector.url)
    cuts = iter([40, 1])

    def cutting(request: Seen) -> Answer:
        answer = ask(request)
        return Answer(answer.status, answer.body, missing=next(cuts, 0) if request.is_events else 0)

    with ScriptedServer(cutting) as proxy:
        puppet = play(game, proxy.url, count_to(5), "tracker.flush().wait(5)", "tracker.flush().wait(5)")
        assert eventually(lambda: designs(collector.export()) == list(range(5)))
        tell(puppet, "tracker.flush().wait(5)")
        assert eventually(lambda: not next(cuts, 0))
        close(puppet)
        send(game, collector.url)
        assert_once(collector.export(), puppet.session_id)
        assert summary(collector.url)["duplicates"] > 0
        repeated = [one for one, times in Counter(event["event_uuid"] for event in proxy.events()).items() if times > 1]
        assert repeated


# --- sizes and server errors -----------------------------------------------------------------------------

BIG = (
    "import random; chance = random.Random(5); letters = 'abcdefghijklmnopqrstuvwxyz0123456789'; "
    "big = lambda keys: {f'key_{k}': ''.join(chance.choices(letters, k=256)) for k in range(keys)}"
)


@pytest.mark.requirement("002:requeue-413")
def test_too_large(game: Any) -> None:
    """A batch that the server finds too large is halved until it fits; one event too large alone is dropped so."""

    def narrow(request: Seen) -> Answer:
        return Answer(413, HTML) if len(request.raw) > 6_000 else healthy(request)

    with ScriptedServer(lambda _: Answer(503, b"")) as server:
        puppet = play(game, server.url, BIG, "for n in range(60): tracker.design('big:test', n, fields=big(4))")
        tell(puppet, "tracker.design('big:huge', 60, fields=big(50))")
        tell(puppet, "for n in range(9): tracker.error('error', f'{n} ' + ''.join(chance.choices(letters, k=6000)))")
        tell(puppet, "for n in range(61, 70): tracker.design('big:test', n, fields=big(4))")
        tell(puppet, "time.sleep(0.2)")
        server.script = narrow
        tell(puppet, "tracker.flush().wait(10)")
        assert dropped(puppet) == "{'too_large': 1}"
        close(puppet)
        arrived = [
            event
            for request in server.requests
            if request.is_events and len(request.raw) <= 6_000
            for event in request.content
        ]
        assert designs(arrived) == [number for number in range(70) if number != 60]
        assert sum(event["category"] == "error" for event in arrived) == 9
        assert_once(arrived, puppet.session_id)
        assert all(request.signed for request in server.requests)


PRODUCTION = {"GA_PYGAME_GAME_KEY": SANDBOX_GAME_KEY, "GA_PYGAME_SECRET_KEY": SANDBOX_SECRET_KEY}


def failing(request: Seen) -> Answer:
    return Answer(500, b'{"error": "internal"}') if request.is_events else welcome()


@pytest.mark.requirement("002:wiped")
def test_server_error_of_the_service(game: Any, tmp_path: Path) -> None:
    """The service's own 500 settles a batch as its documentation demands, counted as server_error."""
    with ScriptedServer(failing) as server:
        service = {**PRODUCTION, "GA_PYGAME_ENDPOINT": server.url}
        puppet = play(game, "", count_to(5), "tracker.flush().wait(5)", **service)
        assert dropped(puppet) == "{'server_error': 6}"
        server.script = healthy
        sent = len(server.events())
        close(puppet)
        assert [event["category"] for event in server.events()[sent:]] == ["session_end"]
        assert waiting(outbox(tmp_path / "data", "sandbox-tests")) == []


def test_server_error_of_the_collector(game: Any) -> None:
    """Our collector drops doubles, so what it answered with 500 is sent again, with the same ids."""
    with ScriptedServer(failing) as server:
        puppet = play(game, server.url, count_to(5), "tracker.flush().wait(5)")
        assert dropped(puppet) == "{}"
        first = [event["event_uuid"] for event in server.events()]
        server.script = healthy
        sent = len(server.events())
        tell(puppet, "tracker.flush().wait(5)")
        again = server.events()[sent:]
        assert designs(again) == list(range(5))
        assert {event["event_uuid"] for event in again} >= set(first)
        close(puppet)


def test_retry_after(game: Any) -> None:
    """A server that asks for some seconds of peace gets them."""
    busy = Answer(503, b"", {"Retry-After": "3"})
    with ScriptedServer(lambda request: busy if request.is_events else welcome()) as server:
        puppet = play(game, server.url, count_to(5))
        assert eventually(server.events)
        refused_at = server.requests[-1].at
        server.script = healthy
        before = len(server.requests)
        assert eventually(lambda: len(server.requests) > before)
        assert 2.9 <= server.requests[before].at - refused_at < 8
        assert eventually(lambda: designs(server.events())[-5:] == list(range(5)))
        close(puppet)


# --- the player's machine --------------------------------------------------------------------------------


NOBODY = ("unshare", "--user", "--map-user=54321")
"""Runs a program as a user that the machine knows nothing of."""


def test_no_home(collector: Collector, tmp_path: Path) -> None:
    """A user without a home and without an entry, as in many containers: all arrives, what is wrong is said once."""
    if not shutil.which(NOBODY[0]) or subprocess.run([*NOBODY, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")
    code = """
        import os, pwd, sys
        try:
            pwd.getpwuid(os.getuid())
        except KeyError:
            import pygame, ga_pygame
            pygame.init()
            with ga_pygame.Tracker() as tracker:
                tracker.design("homeless:player")
                print(tracker.flush().wait(20))
    """
    unset = {"HOME", "USER", "LOGNAME", "USERNAME", "XDG_DATA_HOME", "GA_PYGAME_DATA_DIR"}
    environment = {key: value for key, value in os.environ.items() if key not in unset}
    environment |= {"GA_PYGAME_COLLECTOR": collector.url, "PYTHONPATH": str(ROOT), "SDL_VIDEODRIVER": "dummy"}
    done = subprocess.run(
        [*NOBODY, sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "error=''" in done.stdout
    assert done.stderr.count("GA_PYGAME_DATA_DIR") == 1
    assert any(event.get("event_id") == "homeless:player" for event in collector.export())
    assert list(tmp_path.glob("*~*")) == []


def test_netrc(game: Any, tmp_path: Path) -> None:
    """A password that the player keeps for the host in ~/.netrc is not sent in our signature's place."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    (home / ".netrc").chmod(0o600)
    with ScriptedServer() as server:
        close(play(game, server.url, count_to(5), "tracker.flush().wait(5)", HOME=str(home)))
        assert designs(server.events()) == list(range(5))
        assert all(request.signed for request in server.requests)


def test_proxy_of_the_player(game: Any) -> None:
    """The player's proxy is used for servers elsewhere."""
    with ScriptedServer() as proxy:
        environment = {**PRODUCTION, "GA_PYGAME_ENDPOINT": "http://analytics.invalid", "HTTP_PROXY": proxy.url}
        close(play(game, "", count_to(5), "tracker.flush().wait(5)", **environment))
        assert designs(proxy.events()) == list(range(5))
        assert all(request.target.startswith("http://analytics.invalid/") for request in proxy.requests)
        assert all(request.signed for request in proxy.requests)


def test_proxy_does_not_stand_before_this_machine(game: Any, collector: Collector) -> None:
    """A proxy in the environment does not come between a game and the collector beside it."""
    with refusing() as dead:
        proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"), dead)
        close(play(game, collector.url, count_to(5), "tracker.flush().wait(5)", **proxies))
    assert designs(collector.export()) == list(range(5))


# --- init ------------------------------------------------------------------------------------------------


@pytest.mark.requirement("002:init-not-enabled")
def test_switched_off_by_the_server(game: Any, tmp_path: Path) -> None:
    """An init answer with `enabled: false` stops sending, is said once, and keeps what was recorded."""
    with ScriptedServer(lambda request: Answer() if request.is_events else welcome(enabled=False)) as server:
        puppet = play(game, server.url, count_to(5), "tracker.flush().wait(5)", "tracker.flush().wait(5)")
        (warning,) = close(puppet)
        assert "enabled: false" in warning
        assert server.events() == []
        assert designs(waiting(outbox(tmp_path / "data"))) == list(range(5))
        server.script = healthy
        send(game, server.url)
        assert_once(server.events(), puppet.session_id)


def test_server_without_remote_configs(game: Any) -> None:
    """A server that has only the older init is asked that way, and gets the events."""

    def old(request: Seen) -> Answer:
        if request.path.startswith("/remote_configs/"):
            return Answer(404, b'{"error": "not found"}')
        return Answer() if request.is_events else legacy_welcome()

    with ScriptedServer(old) as server:
        close(play(game, server.url, count_to(5), "tracker.flush().wait(5)"))
        routes = [request.path.partition("?")[0] for request in server.requests[:3]]
        prefix = f"/v2/{SANDBOX_GAME_KEY}"
        assert routes == ["/remote_configs/v1/init", f"{prefix}/init", f"{prefix}/events"]
        assert set(server.requests[1].content) == {"platform", "os_version", "sdk_version"}
        assert designs(server.events()) == list(range(5))
        assert all(request.signed for request in server.requests)


def test_older_init_must_say_enabled(game: Any) -> None:
    """The older init allows sending only if it says `enabled: true`. Source: REST v2, Init."""

    def silent_about_it(request: Seen) -> Answer:
        if request.path.startswith("/remote_configs/"):
            return Answer(404, b"")
        return Answer() if request.is_events else Answer(body=b'{"server_ts": 1760000000}')

    with ScriptedServer(silent_about_it) as server:
        close(play(game, server.url, count_to(5), "tracker.flush().wait(5)"))
        assert server.events() == []
