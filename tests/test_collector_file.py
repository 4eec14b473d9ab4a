"""The collector's file while it runs: deleted, replaced, overwritten, cut off, shared."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.collector.queries import Queries
from ga_pygame.collector.status import Status
from ga_pygame.collector.store import Store, StoreFull, Submission
from tests.conftest import eventually
from tests.test_collector_http import Answer, Collector, event


class Opened:
    """A store with what it told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told: list[str] = []
        self.status = Status()
        self.store = Store(path, tell=lambda _, message: self.told.append(message), status=self.status)

    def put(self, *ids: str) -> None:
        """Store some events, each known by its id; tried again as a game does until it is acknowledged."""

        def acknowledged() -> bool:
            events = [(one, json.dumps(one).encode()) for one in (event(event_uuid=uuid_of(id_)) for id_ in ids)]
            submission = Submission("game", 1.0, events, [], 100)
            try:
                self.store.submit(submission).result(20)
            except (StoreFull, sqlite3.Error):
                return False
            return True

        assert eventually(acknowledged)

    def stored(self) -> set[str]:
        """The ids in the file that is at the path."""
        reader = Queries(self.path)
        try:
            return {json.loads(line)["event_uuid"][-1] for line in reader.stored()}
        finally:
            reader.close()


def uuid_of(letter: str) -> str:
    return f"de305d54-75b4-431b-adb2-eb6b9e54601{letter}"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    one = Opened(tmp_path / "events.sqlite3")
    yield one
    one.store.close()


def _delete(path: Path) -> None:
    path.unlink()


def _delete_all(path: Path) -> None:
    for one in path.parent.glob(f"{path.name}*"):
        one.unlink()


def _delete_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def _replace(path: Path) -> None:
    other = path.with_name("other.sqlite3")
    Store(other).close()
    other.replace(path)


def _cut(path: Path) -> None:
    os.truncate(path, 0)


def _cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))


def _write_text(path: Path) -> None:
    path.write_text("not a database any more")


def _copy_another_over_it(path: Path) -> None:
    other = path.with_name("other.sqlite3")
    Store(other).close()
    with other.open("rb") as source, path.open("r+b") as target:
        shutil.copyfileobj(source, target)
        target.truncate()


def _delete_log(path: Path) -> None:
    Path(f"{path}-wal").unlink()


def _replace_log(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"\0" * 5000)
    other.replace(f"{path}-wal")


def _cut_log(path: Path) -> None:
    os.truncate(f"{path}-wal", 100)


DAMAGES = [
    _delete,
    _delete_all,
    _delete_folder,
    _replace,
    _cut,
    _cut_in_half,
    _overwrite,
    _write_text,
    _copy_another_over_it,
    _delete_log,
    _replace_log,
    _cut_log,
]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets nobody touch a file that is open")
@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_acknowledged_after_a_damage_is_there(opened: Opened, damage: Callable[[Path], None]) -> None:
    """Whatever happens to the file, it is said, and from then on an acknowledged event is in the file at the path."""
    opened.put("1")
    damage(opened.path)
    assert eventually(opened.status.troubles, 5)  # without any request
    opened.put("2")
    opened.put("3")
    assert {"2", "3"} <= opened.stored()
    assert str(opened.path) in opened.told[0]
    opened.store.close()
    assert {"2", "3"} <= opened.stored()
    again = Opened(opened.path)
    again.put("2", "4")
    again.store.close()
    assert {"2", "3", "4"} <= again.stored()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets nobody touch a file that is open")
@pytest.mark.parametrize("damage", [_delete_log, _replace_log])
def test_a_log_that_is_gone_costs_nothing(opened: Opened, damage: Callable[[Path], None]) -> None:
    """What the deleted write-ahead log held is written into the database: nothing that was acknowledged is lost."""
    opened.put("1", "2")
    damage(opened.path)
    opened.put("3")
    assert opened.stored() == {"1", "2", "3"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets nobody touch a file that is open")
def test_another_programs_file_is_left_alone(opened: Opened) -> None:
    """What somebody put there is not touched: nothing is stored until it is taken away again."""
    opened.put("1")
    other = opened.path.with_name("other")
    other.write_text("a diary")
    other.replace(opened.path)
    assert eventually(opened.status.troubles, 5)
    with pytest.raises(StoreFull):
        opened.store.submit(Submission("game", 1.0, [(event(), b"{}")], [], 1)).result(20)
    assert opened.path.read_text() == "a diary"
    opened.path.unlink()
    opened.put("2")
    assert opened.stored() == {"2"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets nobody touch a file that is open")
def test_it_is_said_each_time(opened: Opened) -> None:
    """A file that is deleted twice is told twice."""
    for number in range(2):
        opened.put("1")
        opened.path.unlink()
        assert eventually(lambda number=number: len(opened.told) > number, 5)
    assert len(set(opened.told)) == 2


def test_another_collector_on_the_same_file_is_no_damage(opened: Opened) -> None:
    """Two that write in turns neither tell of troubles nor store an event twice."""
    second = Opened(opened.path)
    try:
        for letter in "0123456789abcdef":
            for one in (opened, second):
                one.put(letter)
        assert opened.stored() == set("0123456789abcdef")
        assert opened.told == second.told == []
        reader = Queries(opened.path)
        try:
            assert reader.summary()["accepted"] == {"design": 16}
        finally:
            reader.close()
    finally:
        second.store.close()


def test_a_disk_that_is_full_is_said_until_it_is_not(opened: Opened) -> None:
    """A commit that fails is a trouble on the page; the first one that works takes it away."""
    opened.put("1")
    blocker = sqlite3.connect(opened.path)
    limit = "PRAGMA max_page_count = 1"

    def refuse(db: sqlite3.Connection) -> None:
        db.execute(limit)
        db.execute("CREATE TABLE x (y)")
        db.executemany("INSERT INTO x VALUES (?)", [("z" * 4000,)] * 50)

    from ga_pygame.collector.store import Change  # noqa: PLC0415

    with pytest.raises(sqlite3.Error):
        opened.store.change(Change(refuse, 0)).result(20)
    assert "full" in opened.status.troubles()[0].text
    opened.store.change(Change(lambda db: db.execute("PRAGMA max_page_count = 1000000").fetchall(), 0)).result(20)
    blocker.close()
    opened.put("2")
    assert opened.status.troubles() == []
    assert opened.stored() == {"1", "2"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets nobody touch a file that is open")
def test_the_server_goes_on_with_a_new_file(tmp_path: Path) -> None:
    """After the file was deleted games get 200 only for what is in the new one, and its data is what is shown."""
    collector = Collector(tmp_path)
    try:
        assert collector.send(event()).status == 200
        collector.database.unlink()
        first, second = event(), event()
        answers: list[Answer] = []
        for one in (first, second):
            assert eventually(lambda one=one: answers.append(collector.send(one)) or answers[-1].status == 200)
        assert all((one.status, one.body) in ((200, b"{}"), (503, b"")) for one in answers)
        assert eventually(lambda: collector.summary()["accepted"] == {"design": 2}, 5)
        command = [sys.executable, "-m", "ga_pygame", "export", "--db", str(collector.database)]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        assert [json.loads(line)["event_uuid"] for line in lines] == [first["event_uuid"], second["event_uuid"]]
    finally:
        assert collector.stop() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_only_the_owner_can_read_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a umask of 0 the files are 0600 and every folder that is made 0700."""
    monkeypatch.setenv("GA_PYGAME_DATA_DIR", str(tmp_path / "a" / "b"))
    script = f"umask 0; exec {sys.executable} -m ga_pygame collect --port {_free_port()} --no-page"
    process = subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening on")
        modes: dict[str, Any] = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "a").rglob("*")}
        modes["a"] = stat.S_IMODE((tmp_path / "a").stat().st_mode)
        assert modes.pop("a") == modes.pop("b") == 0o700
        assert len(modes) == 3
        assert set(modes.values()) == {0o600}
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _free_port() -> int:
    import socket  # noqa: PLC0415

    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as one:
        return int(one.getsockname()[1])
