"""The collector's file while it runs: deleted, replaced, overwritten, truncated, shared."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.collector.page.rows import row_of_event
from ga_pygame.collector.storage.queries import Queries
from ga_pygame.collector.storage.store import Change, Store, StoreFull, Submission
from ga_pygame.collector.troubles import Troubles
from tests.collectors import Answer, Collector, event
from tests.conftest import eventually


class Opened:
    """A store and its messages."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told: list[str] = []
        self.status = Troubles()
        self.store = Store(path, tell=lambda _, message: self.told.append(message), troubles=self.status)

    def put(self, *ids: str) -> None:
        """Store some events, each known by its id; retry until they are acknowledged, as a game does."""

        def acknowledged() -> bool:
            events = [(one, json.dumps(one).encode()) for one in (event(event_uuid=uuid_of(id_)) for id_ in ids)]
            submission = Submission("game", 1.0, events, [], 100)
            try:
                self.store.submit(submission).result(20)
            except (StoreFull, sqlite3.Error):
                return False
            return True

        assert eventually(acknowledged)

    def has_told(self, count: int) -> bool:
        return len(self.told) >= count

    def stored(self) -> set[str]:
        """Return the ids in the file at the path."""
        reader = Queries(self.path)
        try:
            return {json.loads(line)["event_uuid"][-1] for line in reader.stored()}
        finally:
            reader.close()


def is_taken(collector: Collector, one: dict[str, Any], answers: list[Answer]) -> bool:
    """Send an event; return whether it is stored."""
    answers.append(collector.send(one))
    return answers[-1].status == 200


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


@pytest.mark.e2e
@pytest.mark.posix("Windows lets nobody touch a file that is open")
@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_acknowledged_after_a_damage_is_there(opened: Opened, damage: Callable[[Path], None]) -> None:
    """Whatever happens to the file, it is said, and from then on an acknowledged event is in the file at the path."""
    opened.put("1")
    damage(opened.path)
    assert eventually(opened.status.present, 5)  # without any request
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


@pytest.mark.posix("Windows lets nobody touch a file that is open")
@pytest.mark.parametrize("damage", [_delete_log, _replace_log])
def test_a_log_that_is_gone_costs_nothing(opened: Opened, damage: Callable[[Path], None]) -> None:
    """The contents of a deleted write-ahead log are written into the database: no acknowledged event is lost."""
    opened.put("1", "2")
    damage(opened.path)
    opened.put("3")
    assert opened.stored() == {"1", "2", "3"}


@pytest.mark.e2e
@pytest.mark.posix("Windows lets nobody touch a file that is open")
def test_another_programs_file_is_left_alone(opened: Opened) -> None:
    """An object that somebody else put there is not touched; nothing is stored until it is removed."""
    opened.put("1")
    other = opened.path.with_name("other")
    other.write_text("a diary")
    other.replace(opened.path)
    assert eventually(opened.status.present, 5)
    with pytest.raises(StoreFull):
        opened.store.submit(Submission("game", 1.0, [(event(), b"{}")], [], 1)).result(20)
    assert opened.path.read_text() == "a diary"
    opened.path.unlink()
    opened.put("2")
    assert opened.stored() == {"2"}


@pytest.mark.e2e
@pytest.mark.posix("Windows lets nobody touch a file that is open")
def test_it_is_said_each_time(opened: Opened) -> None:
    """A file that is deleted twice is told twice."""
    for number in range(2):
        opened.put("1")
        opened.path.unlink()
        assert eventually(partial(opened.has_told, number + 1), 5)
    assert len(set(opened.told)) == 2


def _sql(script: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.executescript(script)

    return damage


def _page(number: int) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(4096 * number)
            file.write(b"\xff" * 4096)

    return damage


ONE_REQUEST = {
    "no JSON": "UPDATE batches SET body = x'5b5d00' WHERE id = 1",
    "cut gzip": "UPDATE batches SET body = x'1f8b080000' WHERE id = 1",
    "no list": "UPDATE batches SET body = CAST('{}' AS BLOB) WHERE id = 1",
    "text": "UPDATE batches SET body = CAST('[]' AS TEXT) WHERE id = 1",
    "a number": "UPDATE batches SET body = 5 WHERE id = 1",
    "categories": "UPDATE batches SET categories = x'07' WHERE id = 1",
    "when": "UPDATE batches SET received_at = 'x' WHERE id = 1",
    "no UTF-8": "UPDATE batches SET body = CAST(x'ff' AS TEXT), categories = CAST(x'ff' AS TEXT) WHERE id = 1",
}
"""Damages that cost one stored request."""


@pytest.mark.parametrize("name", ONE_REQUEST)
def test_a_damaged_request_costs_only_itself(opened: Opened, name: str) -> None:
    """A stored request that cannot be read is left out and counted, before a start and while it runs."""
    opened.put("1")
    opened.put("2")
    _sql(ONE_REQUEST[name])(opened.path)
    opened.put("3")
    opened.store.close()
    again = Opened(opened.path)
    again.put("4")
    reader = Queries(opened.path)
    try:
        found = {json.loads(one.json)["event_uuid"][-1] for one in reader.arrivals(0, 10)}
        assert found == {json.loads(one.json)["event_uuid"][-1] for one in reader.newest(0, 10)} == set("234")
        assert reader.unreadable == 2
        assert {json.loads(line)["event_uuid"][-1] for line in reader.stored()} >= set("234")
    finally:
        reader.close()
        again.store.close()


SPOILED = {
    "an id that is a list": "UPDATE batches SET body = CAST('[{\"event_uuid\":[1]}]' AS BLOB) WHERE id = 1",
    "an id that is an object": "UPDATE batches SET body = CAST('[{\"event_uuid\":{}}]' AS BLOB) WHERE id = 1",
    "no game": "UPDATE batches SET game_id = 99",
    "no mark of the index": "DELETE FROM seen_up_to",
    "a wrong mark of the index": "UPDATE seen_up_to SET id = 'x'",
    "errors": "INSERT INTO rejected VALUES (100, 1, 1.0, 'design', '{\"a\":1}', '{}')",
    "an error": "INSERT INTO rejected VALUES (100, 1, 1.0, 'design', '[1]', '{}')",
    "deep errors": f"INSERT INTO rejected VALUES (100, 1, 1.0, 'design', '{'[' * 9999}', '{{}}')",
    "a rejected event": "INSERT INTO rejected VALUES (100, 1, 1.0, 'design', '[]', 5)",
}


@pytest.mark.parametrize("name", SPOILED)
def test_what_is_wrong_in_a_row_stops_nothing(opened: Opened, name: str) -> None:
    """Whatever stands in a row, the collector starts, stores, knows its doubles, and everything can be asked."""
    opened.put("1")
    opened.put("2")
    opened.store.close()
    _sql(SPOILED[name])(opened.path)
    again = Opened(opened.path)
    again.put("2", "3")
    reader = Queries(opened.path)
    try:
        lines = list(reader.stored())
        assert len(lines) == (4 if name == "no game" else 3)
        for line in [*lines, *reader.rejected()]:
            json.loads(line)
        assert len(reader.newest(0, 10)) == len(reader.arrivals(0, 10)) >= 3
        for one in reader.arrivals(0, 10):
            row_of_event(one)
    finally:
        reader.close()
        again.store.close()


AT_START: dict[str, Callable[[Path], None]] = {
    "no games": _sql("DROP TABLE games"),
    "no events": _sql("DROP TABLE batches"),
    "no players": _sql("DROP TABLE trophy_users"),
    "page 0": _page(0),
    "page 1": _page(1),
    "half": _cut_in_half,
    "a hundred bytes": lambda path: os.truncate(path, 100),
}


@pytest.mark.parametrize("name", AT_START)
def test_a_file_that_is_damaged_at_the_start_is_set_aside(opened: Opened, name: str) -> None:
    """As while it runs: the damaged file is kept under another name, a new one is begun, and that is said."""
    opened.put("1")
    opened.store.close()
    AT_START[name](opened.path)
    damaged = opened.path.read_bytes()
    again = Opened(opened.path)
    again.put("1", "2")
    assert again.stored() == {"1", "2"}
    (aside,) = (one for one in opened.path.parent.iterdir() if ".damaged-" in one.name and one.name[-1].isdigit())
    assert aside.read_bytes() == damaged
    assert aside.name in again.told[0]
    assert aside.name in again.status.present()[0].text
    again.store.close()


def test_a_table_that_goes_while_it_runs(opened: Opened) -> None:
    """Without one of its tables a file is as damaged as one that cannot be read."""
    opened.put("1")
    _sql("DROP TABLE totals")(opened.path)
    opened.put("2")
    assert opened.stored() == {"2"}
    assert any("set aside" in one for one in opened.told)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_nobody_waits_for_a_writing_thread_that_has_ended(opened: Opened) -> None:
    """Even if the thread ends by something that is no error, who waits is answered, and who comes is turned away."""

    def end(_: sqlite3.Connection) -> None:
        sys.exit()

    waiting = [opened.store.change(Change(end, 0))]
    with contextlib.suppress(StoreFull):
        waiting += [opened.store.change(Change(lambda _: None, 0)) for _ in range(5)]
    for future in waiting:
        with contextlib.suppress(StoreFull):
            future.result(20)
    with pytest.raises(StoreFull):
        opened.store.change(Change(lambda _: None, 0))


@pytest.mark.e2e
def test_another_program_that_keeps_the_lock(opened: Opened) -> None:
    """What waits is refused together after a moment, it is said, and the end does not wait for the lock again."""
    opened.put("1")
    with contextlib.closing(sqlite3.connect(opened.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        waiting = [opened.store.change(Change(lambda _: None, 0)) for _ in range(30)]
        for future in waiting:
            assert isinstance(future.exception(20), sqlite3.OperationalError)
        assert time.monotonic() - began < 10
        assert "another program" in opened.status.present()[0].text
        late = [opened.store.change(Change(lambda _: None, 0)) for _ in range(5)]
        opened.store.close()
        assert all(future.exception(0) is not None for future in late)
        assert time.monotonic() - began < 20
        assert opened.told == []


def test_a_transaction_of_ours_that_fails_is_no_change_from_outside(opened: Opened) -> None:
    """Frames that a failed transaction left in the log are not taken for another program's."""

    def fill(db: sqlite3.Connection) -> None:
        db.execute("PRAGMA cache_size = 10")
        db.execute("CREATE TABLE x (y)")
        db.executemany("INSERT INTO x VALUES (?)", [("z" * 4000,)] * 500)
        raise sqlite3.OperationalError("database or disk is full")

    opened.put("1")
    with pytest.raises(sqlite3.Error):
        opened.store.change(Change(fill, 0)).result(20)
    opened.put("2")
    assert opened.told == ["events are stored again"]


def test_a_file_on_a_disk_that_cannot_be_written_is_read(opened: Opened) -> None:
    """A closed file can be read even if the index of its log cannot be made."""
    opened.put("1")
    opened.store.close()
    Path(f"{opened.path}-shm").mkdir()
    assert opened.stored() == {"1"}


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

    with pytest.raises(sqlite3.Error):
        opened.store.change(Change(refuse, 0)).result(20)
    assert "full" in opened.status.present()[0].text
    opened.store.change(Change(lambda db: db.execute("PRAGMA max_page_count = 1000000").fetchall(), 0)).result(20)
    blocker.close()
    opened.put("2")
    assert opened.status.present() == []
    assert opened.stored() == {"1", "2"}


@pytest.mark.e2e
@pytest.mark.posix("Windows lets nobody touch a file that is open")
def test_the_server_goes_on_with_a_new_file(tmp_path: Path) -> None:
    """After the file was deleted games get 200 only for what is in the new one, and its data is what is shown."""
    collector = Collector(tmp_path)
    try:
        assert collector.send(event()).status == 200
        collector.db.unlink()
        first, second = event(), event()
        answers: list[Answer] = []
        for one in (first, second):
            assert eventually(partial(is_taken, collector, one, answers))
        assert all((one.status, one.body) in ((200, b"{}"), (503, b"")) for one in answers)
        assert eventually(lambda: collector.summary()["accepted"] == {"design": 2}, 5)
        assert [one["event_uuid"] for one in collector.export()] == [first["event_uuid"], second["event_uuid"]]
    finally:
        assert collector.stop() == 0


@pytest.mark.e2e
@pytest.mark.posix("Windows has no such modes")
def test_only_the_owner_can_read_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a umask of 0 the files are 0600 and every folder that is made 0700."""
    monkeypatch.setenv("GA_PYGAME_DATA_DIR", str(tmp_path / "a" / "b"))
    port = _free_port()
    script = f"umask 0; exec {sys.executable} -m ga_pygame collect --port {port} --no-page"
    process = subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening on")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/warehouse/levels", timeout=20) as reply:
            assert reply.status == 200  # the first question opens the warehouse
        assert eventually(lambda: len(list((tmp_path / "a" / "b").iterdir())) == 5, 10)  # each file with its log
        modes: dict[str, Any] = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "a").rglob("*")}
        modes["a"] = stat.S_IMODE((tmp_path / "a").stat().st_mode)
        assert modes.pop("a") == modes.pop("b") == 0o700
        assert len(modes) == 5
        assert set(modes.values()) == {0o600}
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _free_port() -> int:
    import socket  # noqa: PLC0415

    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as one:
        return int(one.getsockname()[1])
