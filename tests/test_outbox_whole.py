"""The check that all blocks are there: it notices damage, and never takes a healthy file for a damaged one."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ga_pygame.delivery.outbox.contract import NewRecord, Told, Transaction
from ga_pygame.delivery.outbox.failover import FailoverOutbox
from ga_pygame.delivery.outbox.file import DamagedError, read_values
from ga_pygame.delivery.outbox.sqlite import SqliteOutbox
from ga_pygame.delivery.outbox.waiting import all_there
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.kept import USER_ID
from ga_pygame.testing import ManualClock
from tests.effort import examples

ALL = ("first", "second", "third")
DESTINATIONS = [("first",), ("first", "second"), ALL, ("third",), ()]


def record(number: int, session: int, category: str = "design") -> NewRecord:
    return NewRecord(f"s{session}", category, 1.7e9, None, b"", b'"n":%d' % number)


class WholeWalk(RuleBasedStateMachine):
    """Two copies of the game on one file: their destinations come and go, and blocks are removed in every way."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "outbox.sqlite3"
        self.number = 0
        self.session = 1
        self.lost = 0
        self.leases: dict[tuple[int, str], Any] = {}
        self.names: list[Sequence[str]] = [("first", "second"), ("first",)]
        self.copies = [self.open(place) for place in range(2)]

    def open(self, place: int) -> SqliteOutbox:
        def lose(count: int, _why: str) -> None:
            self.lost += count

        return SqliteOutbox(self.path, self.names[place], ("sums",), told=Told(lambda _cause, _words: None, lose))

    @rule(
        copy=st.integers(0, 1),
        count=st.integers(0, 40),
        category=st.sampled_from(["design", "user", "business"]),
        to=st.sampled_from([None, ["first"], ["second"], ["third"], []]),
        fails=st.booleans(),
    )
    def add(self, copy: int, count: int, category: str, to: list[str] | None, fails: bool) -> None:
        some = [record(self.number + place, self.session, category) for place in range(count)]
        self.number += count

        def work(transaction: Transaction) -> None:
            transaction.add(some, to)
            transaction.add_to_sum("sums", "a", 1.0)
            if fails:
                transaction.trim(0)
                raise ZeroDivisionError

        if fails:
            with pytest.raises(ZeroDivisionError):
                self.copies[copy].transact(work)
        else:
            self.copies[copy].transact(work)

    @rule()
    def next_session(self) -> None:
        self.session += 1

    @rule(copy=st.integers(0, 1), keep=st.integers(0, 2000))
    def trim(self, copy: int, keep: int) -> None:
        self.copies[copy].transact(lambda transaction: transaction.trim(keep))

    @rule(copy=st.integers(0, 1), more=st.integers(0, 3))
    def clear(self, copy: int, more: int) -> None:
        def work(transaction: Transaction) -> None:
            transaction.add([record(0, 0)])
            transaction.clear()
            transaction.add([record(place, 0) for place in range(more)])

        self.copies[copy].transact(work)

    @rule(copy=st.integers(0, 1), name=st.sampled_from((*ALL, "sums")), most=st.integers(1, 60))
    def lease(self, copy: int, name: str, most: int) -> None:
        if name in self.names[copy] or name == "sums":
            batch = self.copies[copy].lease(name, most, 10**6)
            if batch is not None:
                self.leases[copy, name] = batch

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), settles=st.booleans())
    def end_lease(self, data: st.DataObject, settles: bool) -> None:
        copy, name = data.draw(st.sampled_from(sorted(self.leases)))
        batch = self.leases.pop((copy, name))
        (self.copies[copy].settle if settles else self.copies[copy].release)(batch)

    @rule(copy=st.integers(0, 1), names=st.sampled_from(DESTINATIONS))
    def restart(self, copy: int, names: Sequence[str]) -> None:
        """Restart with other destinations: a new one begins now; a removed one's events stay until room is made."""
        self.copies[copy].close()
        self.leases = {place: batch for place, batch in self.leases.items() if place[0] != copy}
        self.names[copy] = names
        self.copies[copy] = self.open(copy)

    @precondition(lambda self: not self.leases)
    @rule(data=st.data())
    def damage_a_line(self, data: st.DataObject) -> None:
        """Damage a line of a block: the readable records keep their ids, the others are counted."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            rows = connection.execute("SELECT last_id, lines FROM blocks").fetchall()
            if rows:
                last, lines = data.draw(st.sampled_from(rows))
                place = data.draw(st.integers(0, len(lines) - 1))
                bad = lines[:place] + bytes([lines[place] ^ 1]) + lines[place + 1 :]
                connection.execute("UPDATE blocks SET lines = ? WHERE last_id = ?", (bad, last))

    @invariant()
    def nothing_is_taken_for_damage(self) -> None:
        for copy, outbox in enumerate(self.copies):
            for name in self.names[copy]:
                if not any(place[1] == name for place in self.leases):
                    batch = outbox.lease(name, 10**6, 10**9)  # raises if a block is missing
                    if batch is not None:
                        outbox.release(batch)
        with closing(sqlite3.connect(self.path)) as connection:
            assert all_there(connection, 0)

    def teardown(self) -> None:
        for outbox in self.copies:
            outbox.close()
        shutil.rmtree(self.folder)


TestWholeWalk: Any = WholeWalk.TestCase
TestWholeWalk.settings = settings(max_examples=examples(25), stateful_step_count=25, deadline=None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "game" / "outbox.sqlite3"


def test_a_clear_between_two_looks_is_no_damage(path: Path) -> None:
    """Another copy of the game may empty the file at any moment of a lease, also between two of its statements."""
    reader, other = SqliteOutbox(path, ["first"]), SqliteOutbox(path, ["first"])
    reader.transact(lambda t: t.add([record(number, 1) for number in range(300)]))
    reader.release(_leased(reader))

    def clear(statement: str) -> None:
        if statement.startswith("SELECT last_id"):
            reader._readers["first"].set_trace_callback(None)
            other.transact(lambda t: t.clear())

    reader._readers["first"].set_trace_callback(clear)
    batch = reader.lease("first", 500, 10**6)
    assert batch is None or len(batch.records) == 300
    if batch is not None:
        reader.release(batch)
    assert reader.lease("first", 500, 10**6) is None
    other.close()
    reader.close()


@pytest.mark.parametrize("gone", ["last_id = (SELECT max(last_id) FROM blocks)", "last_id < 100", "1"])
def test_blocks_that_are_gone_by_themselves_are_noticed(path: Path, gone: str) -> None:
    """At the end, in the middle, or all of them: nobody took their ids off the tally."""
    outbox = SqliteOutbox(path, ["first"])
    outbox.transact(lambda t: t.add([record(number, number // 20) for number in range(300)]))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"DELETE FROM blocks WHERE {gone}")
    with pytest.raises(DamagedError):
        outbox.lease("first", 10**6, 10**9)
    outbox.close()


def as_version_2(path: Path, kept: str = "1") -> None:
    """Turn a file into one of schema version 2, with only the blocks for which an SQL condition holds."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in (
            f"DELETE FROM blocks WHERE NOT ({kept})",
            "ALTER TABLE blocks DROP COLUMN checks",
            "ALTER TABLE destinations DROP COLUMN seal",
            "DROP TABLE tally",
            "ALTER TABLE session_end DROP COLUMN attempt_seconds",
            "PRAGMA user_version = 2",
            "PRAGMA application_id = 0",
        ):
            connection.execute(statement)


@pytest.mark.parametrize("trimmed", [0, 1])
def test_a_file_of_version_2_without_its_newest_events_is_healthy(path: Path, trimmed: int) -> None:
    """The player had said no, or room was made: the file remembers their ids, and nothing more."""
    outbox = SqliteOutbox(path, ["first", "second"])
    outbox.transact(lambda t: t.add([record(number, number // 20) for number in range(300)]))
    outbox.close()
    as_version_2(path, "last_id < 100" if trimmed else "0")
    outbox = SqliteOutbox(path, ["first", "second"])
    count = len(_leased(outbox).records) if trimmed else 0
    assert count in ((0,) if not trimmed else range(80, 101))
    assert trimmed or outbox.lease("first", 500, 10**6) is None
    outbox.close()


def test_events_for_nobody_are_not_kept(path: Path) -> None:
    """A game whose only destination takes sums would fill the disk with events that nobody fetches."""
    outbox = SqliteOutbox(path, [], ["sums"])
    outbox.transact(lambda t: t.add([record(1, 1)]))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM blocks").fetchone() == (0,)
    outbox.close()


def _leased(outbox: SqliteOutbox) -> Any:
    batch = outbox.lease("first", 500, 10**6)
    assert batch is not None
    return batch


def test_an_older_file_becomes_todays_behind_the_game(path: Path) -> None:
    """A full one takes a second: `start()` reads what was kept, the writer does the rest; all arrives once."""
    outbox = SqliteOutbox(path, ["first"])
    outbox.transact(lambda t: t.add([record(number, 1) for number in range(300)]))
    outbox.transact(lambda t: t.remember(USER_ID, "player"))
    outbox.close()
    as_version_2(path)
    failover = FailoverOutbox(path, ["first"], ManualClock(), Diagnostics())
    assert failover.transact_at_start(lambda t: t.value(USER_ID)) == "player"
    failover.transact_at_start(lambda t: t.add([record(300, 2)]))
    assert not failover.is_on_disk
    failover.transact(lambda t: t.add([record(301, 2)]))
    assert failover.is_on_disk
    found: list[bytes] = []
    while (batch := failover.lease("first", 500, 10**6)) is not None:
        found += [one.payload for one in batch.records]
        failover.settle(batch)
    assert found == [b'"n":%d}' % number for number in range(302)]
    failover.close()


HOLDER = """
import fcntl, os, sys
file = os.open(sys.argv[1] + "-shm", os.O_RDWR | os.O_CREAT, 0o600)
fcntl.lockf(file, fcntl.LOCK_EX, 8, 120)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.e2e
@pytest.mark.posix("locks of another kind")
def test_start_does_not_wait_for_shared_memory(path: Path) -> None:
    """SQLite would try for ten seconds and more; once the other program lets go, everything is on the disk."""
    first = SqliteOutbox(path, ["first"])
    first.transact(lambda t: t.remember(USER_ID, "player"))
    first.close()
    path.with_name(path.name + "-shm").touch(0o600)
    clock, diagnostics = ManualClock(), Diagnostics()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        try:
            outbox = FailoverOutbox(path, ["first"], clock, diagnostics)
            assert not outbox.is_on_disk
            assert read_values(path) == {}
            outbox.transact_at_start(lambda t: t.add([record(1, 1)]))
            clock.advance(10)
            outbox.transact(lambda t: t.add([record(2, 1)]))
            assert not outbox.is_on_disk
        finally:
            holder.kill()
    clock.advance(10)
    outbox.transact(lambda t: t.add([record(3, 1)]))
    assert outbox.is_on_disk
    batch = outbox.lease("first", 500, 10**6)
    assert batch is not None
    assert len(batch.records) == 3
    outbox.settle(batch)
    assert outbox.transact(lambda t: t.value("user_id")) == "player"
    outbox.close()
    assert diagnostics.stats(0).dropped == {}
