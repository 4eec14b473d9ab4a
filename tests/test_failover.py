"""The failover outbox: on disk while the disk works, else in memory, and no loss at a change."""

from __future__ import annotations

import itertools
import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from ga_pygame.delivery.encoder import Encoder
from ga_pygame.delivery.outbox.contract import LockedError, NewRecord, NotLastingError, Transaction
from ga_pygame.delivery.outbox.failover import MAX_RETRY_SECONDS, PATIENCE_SECONDS, FailoverOutbox
from ga_pygame.delivery.outbox.file import DamagedError
from ga_pygame.delivery.outbox.memory import MemoryOutbox
from ga_pygame.delivery.outbox.memory_slices import Slices
from ga_pygame.delivery.outbox.open_session import OpenSession
from ga_pygame.delivery.outbox.schema import SCHEMA_VERSION
from ga_pygame.delivery.recovery import recover
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.kept import KeptKey, journal_position
from ga_pygame.testing import ManualClock

NAMES = ("first", "second")

removes_open_files = pytest.mark.posix("a file that is open can be neither removed nor replaced on Windows")


class Rig:
    """A failover outbox on a folder that can be broken and repaired."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "game" / "outbox.sqlite3"
        self.clock = ManualClock()
        self.diagnostics = Diagnostics()
        self.opened: list[FailoverOutbox] = []

    def open(self) -> FailoverOutbox:
        made = FailoverOutbox(self.path, NAMES, self.clock, self.diagnostics)
        self.opened.append(made)
        return made

    def block(self) -> None:
        """Put a file where the folder should be."""
        self.path.parent.touch()

    def unblock(self) -> None:
        self.path.parent.unlink()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    for outbox in made.opened:
        outbox.close()


def add(outbox: FailoverOutbox, text: str, then: Callable[[Transaction], object] = lambda _: None) -> None:
    def work(transaction: Transaction) -> None:
        transaction.add([NewRecord("s1", "design", 1.7e9, None, b"", f'"n":"{text}"'.encode())])
        then(transaction)

    outbox.transact(work)


def waiting(outbox: FailoverOutbox, name: str = "first") -> list[str]:
    """Deliver all waiting records; return them."""
    found = []
    while batch := outbox.lease(name, 500, 10**6):
        found += [record.payload.decode()[5:-2] for record in batch.records]
        outbox.settle(batch)
    return found


def test_a_folder_that_cannot_be_used_means_memory_and_is_said_once(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """The game plays on, events are sent from memory."""
    rig.block()
    outbox = rig.open()
    add(outbox, "a")
    add(outbox, "b")
    assert waiting(outbox) == ["a", "b"]
    assert len(caplog.records) == 1
    assert "events are kept in memory until the disk can be written" in caplog.text


def test_what_was_kept_in_memory_moves_to_the_disk_when_that_works_again(rig: Rig) -> None:
    """With its counters, for the destinations that do not have it yet."""
    rig.block()
    outbox = rig.open()
    add(outbox, "a", lambda transaction: transaction.increment(KeptKey("session_num")))
    assert waiting(outbox, "first") == ["a"]
    rig.unblock()
    rig.clock.advance(60)
    add(outbox, "b", lambda transaction: transaction.set_attempts("forest", 2))
    outbox.save()
    outbox.close()
    again = rig.open()
    assert waiting(again, "first") == ["b"]
    assert waiting(again, "second") == ["a", "b"]
    assert again.transact(lambda t: (t.value(KeptKey("session_num")), t.attempts("forest"))) == ("1", 2)


def test_the_last_try_is_at_the_end(rig: Rig) -> None:
    """`save()` moves what memory holds, without waiting for the next regular try."""
    rig.block()
    outbox = rig.open()
    add(outbox, "a")
    rig.unblock()
    outbox.save()
    outbox.close()
    assert waiting(rig.open()) == ["a"]


def test_what_cannot_be_saved_at_the_end_is_counted_and_said(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is lost silently."""
    rig.block()
    outbox = rig.open()
    add(outbox, "a")
    add(outbox, "b")
    outbox.save()
    assert sum(rig.diagnostics.stats(0).dropped.values()) == 2
    assert "2 events are lost" in caplog.text


def test_slices_count_what_is_in_the_journal_only() -> None:
    """What is in memory only follows what is in the journal, too, and is not counted with it."""
    memory, key = MemoryOutbox(["test"]), journal_position("x")
    slices = Slices(memory, key)
    for position in (8192, 8192, 8192):

        def work(transaction: Transaction, position: int = position) -> None:
            transaction.add([NewRecord("s1", "design", 1.7e9, None, b"", b"a")] * 256)
            transaction.remember(key, str(position))

        slices.transact(work)
    assert slices.unsaved == 512
    while batch := memory.lease("test", 500, 10**7):
        memory.settle(batch)
    assert (slices.look(), slices.unsaved) == (8192, 0)


def test_what_is_not_saved_when_the_time_is_over_is_counted_once(
    rig: Rig, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The game counts it while the last try still waits for the disk, which then counts nothing."""
    rig.block()
    outbox = rig.open()
    add(outbox, "a")
    add(outbox, "b")
    counted: list[int] = []
    monkeypatch.setattr(outbox, "_to_disk", lambda: counted.append(outbox.give_up()))
    outbox.save()
    assert counted == [2]
    outbox.save()
    assert rig.diagnostics.stats(0).dropped == {}
    assert "lost" not in caplog.text


@pytest.mark.e2e
@pytest.mark.parametrize("locked_at", [0, 1])
def test_a_dead_launch_is_not_recovered_in_memory(rig: Rig, locked_at: int) -> None:
    """Its journal would be removed, so a kill before the disk can be written would cost its events; later it is."""
    dead = rig.open()
    session = OpenSession("s1", 1, 1.7e9, 1.7e9, None, 42.0, b'"user_id":"u","session_id":"s1","session_num":1')
    dead.transact(lambda transaction: transaction.save_session(session))
    disk = dead._disk
    assert disk is not None
    disk.close(keep_launch=True)  # as if it had been killed
    rig.opened.remove(dead)
    outbox = rig.open()
    with closing(sqlite3.connect(rig.path, isolation_level=None)) as other:
        calls = itertools.count()

        def lock(work: Callable[[Transaction], Any], **_: Any) -> Any:
            if next(calls) == locked_at:
                other.execute("BEGIN IMMEDIATE")
            return FailoverOutbox.transact(outbox, work)

        with patch.object(outbox, "transact", lock), pytest.raises(NotLastingError):
            recover(outbox, Encoder(rig.clock), rig.diagnostics)
        assert not outbox.is_on_disk
        other.execute("ROLLBACK")
    rig.clock.advance(MAX_RETRY_SECONDS)
    add(outbox, "a")
    assert outbox.is_on_disk
    recover(outbox, Encoder(rig.clock), rig.diagnostics)
    assert sum('session_end"' in text for text in waiting(outbox)) == 1
    assert outbox.dead_launches() == []


@pytest.mark.e2e
@pytest.mark.parametrize("moment", ["start", "middle"])
def test_a_writer_that_may_wait_waits_for_another_process(rig: Rig, moment: str) -> None:
    """Numbers are given in the file, where no other copy gives the same; after 5 s in memory."""
    outbox = rig.open()
    add(outbox, "a")
    with closing(sqlite3.connect(rig.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        if moment == "start":
            outbox = rig.open()
            outbox.transact_at_start(lambda transaction: transaction.values())
        for _ in range(3):
            rig.clock.advance(1.5)
            with pytest.raises(LockedError):
                outbox.transact(lambda transaction: transaction.increment(KeptKey("transaction_num")), may_wait=True)
        other.execute("INSERT INTO key_value VALUES ('transaction_num', '7')")
        other.execute("COMMIT")
        rig.clock.advance(1.5)
        assert (
            outbox.transact(lambda transaction: transaction.increment(KeptKey("transaction_num")), may_wait=True) == 8
        )
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LockedError):
            outbox.transact(lambda transaction: transaction.increment(KeptKey("transaction_num")), may_wait=True)
        rig.clock.advance(PATIENCE_SECONDS)
        assert (
            outbox.transact(lambda transaction: transaction.increment(KeptKey("transaction_num")), may_wait=True) == 9
        )
        assert not outbox.is_on_disk
        other.execute("COMMIT")
    rig.clock.advance(MAX_RETRY_SECONDS)
    assert outbox.transact(lambda transaction: transaction.increment(KeptKey("transaction_num")), may_wait=True) == 10
    assert outbox.is_on_disk


def test_what_is_cleared_while_another_process_writes_is_not_sent(rig: Rig) -> None:
    """The disk still has it, but no uploader gets it; it is deleted there later and counted once."""
    outbox = rig.open()
    add(outbox, "secret")
    with closing(sqlite3.connect(rig.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        outbox.transact(lambda transaction: transaction.clear())
        assert waiting(outbox) == []
        add(outbox, "new")
        assert waiting(outbox) == ["new"]
        other.execute("ROLLBACK")
    rig.clock.advance(MAX_RETRY_SECONDS)
    add(outbox, "newer")
    assert outbox.is_on_disk
    assert waiting(outbox) == ["newer"]
    assert waiting(outbox, "second") == ["new", "newer"]
    assert rig.diagnostics.stats(0).dropped == {"no_consent": 1}


@pytest.mark.e2e
def test_a_revoked_clear_changes_nothing_on_the_disk_any_more(rig: Rig) -> None:
    """The next outbox of this process has stored something there meanwhile."""
    answers = iter([False])
    revoked, outbox = rig.open(), rig.open()
    with closing(sqlite3.connect(rig.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        def forget(transaction: Transaction) -> None:
            transaction.clear(lambda: next(answers, True))
            transaction.remember(KeptKey("consent"), "denied")

        revoked.transact(forget)
        next(answers, None)
        other.execute("ROLLBACK")
    add(outbox, "a", lambda transaction: transaction.remember(KeptKey("consent"), "granted"))
    revoked.save()
    assert revoked.is_on_disk
    assert outbox.transact(lambda transaction: transaction.value(KeptKey("consent"))) == "granted"
    assert waiting(outbox) == ["a"]


def test_a_damaged_file_is_set_aside_and_said(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """The new file works; the old one stays for who wants to look."""
    rig.path.parent.mkdir()
    rig.path.write_bytes(b"no database at all" * 100)
    outbox = rig.open()
    add(outbox, "a")
    assert waiting(outbox) == ["a"]
    aside = rig.path.with_name("outbox.damaged.sqlite3")
    assert aside.read_bytes().startswith(b"no database")
    assert "set aside as outbox.damaged.sqlite3" in caplog.text


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_damaged_file_that_cannot_be_moved_is_left_until_it_can(
    rig: Rig, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A scanner has it open, or its owner locked it: events stay in memory meanwhile, and none is lost or doubled."""
    rig.path.parent.mkdir()
    rig.path.write_bytes(b"no database at all" * 100)
    locked = rig.path if what == "file" else rig.path.parent
    if shutil.which("chattr") is None or subprocess.run(["chattr", "+i", locked], check=False).returncode:
        pytest.skip("no file can be locked here")
    try:
        outbox = rig.open()
        add(outbox, "a")
        rig.clock.advance(MAX_RETRY_SECONDS)
        add(outbox, "b")
        assert not outbox.is_on_disk
        assert caplog.text.count("events are kept in memory until the disk can be written") == 1
    finally:
        subprocess.run(["chattr", "-i", locked], check=True)
    for text in "cd":  # the damage is seen, then mended
        rig.clock.advance(MAX_RETRY_SECONDS)
        add(outbox, text)
    assert outbox.is_on_disk
    assert waiting(outbox) == ["a", "b", "c", "d"]
    assert rig.path.with_name("outbox.damaged.sqlite3").read_bytes().startswith(b"no database")


def test_what_can_be_read_of_a_damaged_file_is_saved(rig: Rig) -> None:
    """Damage in the middle costs what it hit; counters and other records go on."""
    outbox = rig.open()
    add(outbox, "before", lambda transaction: transaction.increment(KeptKey("session_num")))
    for number in range(200):
        add(outbox, f"{number:03}" + "x" * 200)
    outbox.close()
    with closing(sqlite3.connect(rig.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(rig.path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 3 * 4096] = b"\xff" * (3 * 4096)
    rig.path.write_bytes(bytes(content))
    again = rig.open()
    found = []
    for _ in range(3):  # the damage is met by whoever reads it, and mended by the writer
        found += waiting(again)
        add(again, "after")
    found += waiting(again)
    assert again.transact(lambda transaction: transaction.value(KeptKey("session_num"))) == "1"
    assert "after" in found
    assert len(found) > 20


def test_a_newer_file_is_left_alone_and_another_is_used(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """An older build of the game beside a newer one records into a file of its own."""
    rig.open().close()
    with closing(sqlite3.connect(rig.path)) as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        newer.execute("PRAGMA application_id = 0")  # else it could be a flipped bit of today's version
    outbox = rig.open()
    add(outbox, "a")
    assert waiting(outbox) == ["a"]
    assert rig.path.with_name("outbox.older.sqlite3").exists()
    assert "newer version" in caplog.text


def test_a_failed_transaction_of_the_writer_is_the_writers(rig: Rig) -> None:
    """A defect in the work itself says nothing about the disk."""
    outbox = rig.open()
    with pytest.raises(ZeroDivisionError):
        add(outbox, "a", lambda _: 1 // 0)
    add(outbox, "b")
    assert waiting(outbox) == ["b"]
    assert rig.path.exists()
    assert not rig.path.with_name("outbox.damaged.sqlite3").exists()


def summing(rig: Rig) -> FailoverOutbox:
    made = FailoverOutbox(rig.path, (), rig.clock, rig.diagnostics, ["sums"])
    rig.opened.append(made)
    return made


def put(outbox: FailoverOutbox, amount: float, slot: str = "a") -> None:
    outbox.transact(lambda transaction: transaction.add_to_sum("sums", slot, amount))


def sums_of(outbox: FailoverOutbox) -> list[tuple[str, float, str]]:
    """Settle all sums; return slot, value and key of each."""
    found = []
    while (batch := outbox.lease("sums", 1, 1)) is not None:
        one = json.loads(b"{" + batch.records[0].payload)
        found.append((one["slot"], one["value"], one["key"]))
        outbox.settle(batch)
    return sorted(found)


def test_sums_move_from_memory_to_the_disk_under_their_keys(rig: Rig) -> None:
    """One that was tried without an answer may have been counted: it is sent again under the same key."""
    rig.block()
    outbox = summing(rig)
    put(outbox, 3)
    batch = outbox.lease("sums", 1, 1)
    assert batch is not None
    tried = json.loads(b"{" + batch.records[0].payload)
    outbox.release(batch)
    put(outbox, 4)
    put(outbox, 5, "b")
    rig.unblock()
    rig.clock.advance(10)
    put(outbox, 1)
    with closing(sqlite3.connect(rig.path)) as looking:
        assert looking.execute("SELECT count(*) FROM sums").fetchone() == (3,)
    found = sums_of(outbox)
    assert ("a", 3, tried["key"]) in found
    assert sorted(one[:2] for one in found) == [("a", 3), ("a", 5), ("b", 5)]


def test_a_sum_that_is_being_sent_at_the_end_keeps_its_key(rig: Rig) -> None:
    """The answer may come too late to be read; the next launch asks again and is told that it counted."""
    rig.block()
    outbox = summing(rig)
    put(outbox, 3)
    batch = outbox.lease("sums", 1, 1)
    assert batch is not None
    rig.unblock()
    outbox.save()
    outbox.close()
    found = sums_of(summing(rig))
    assert found == [("a", 3, json.loads(b"{" + batch.records[0].payload)["key"])]


def test_sums_are_saved_from_a_damaged_file_under_their_keys(rig: Rig) -> None:
    """Each record that can still be read counts once."""
    outbox = summing(rig)
    put(outbox, 3)
    batch = outbox.lease("sums", 1, 1)
    assert batch is not None
    key = json.loads(b"{" + batch.records[0].payload)["key"]
    put(outbox, 4)
    outbox.close()
    later = summing(rig)
    later._replace(DamagedError("a page is gone"))
    found = sums_of(later)
    assert [one[:2] for one in found] == [("a", 3), ("a", 4)]
    assert found[0][2] == key


def event(outbox: FailoverOutbox, name: str) -> None:
    """Add an event with an id, as the encoder makes it."""
    own = f'"n":"{name}","event_uuid":"{name:>36}"'.encode()
    outbox.transact(lambda t: t.add([NewRecord("s1", "design", 1.7e9, None, b"", own)]))


def events(outbox: FailoverOutbox, name: str = "first") -> list[str]:
    return [one.partition('"')[0] for one in waiting(outbox, name)]


def copied(path: Path, to: Path) -> None:
    """Make a complete copy, with the contents of the WAL."""
    with closing(sqlite3.connect(path)) as one, closing(sqlite3.connect(to)) as other:
        one.backup(other)


def replace_with(what: str, path: Path, backup: Path) -> None:
    """Remove the outbox's file while it is in use, or replace it."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    path.unlink()
    if what == "older copy":
        backup.replace(path)
    elif what == "garbage":
        path.write_bytes(b"no database" * 1000)
    elif what == "empty file":
        path.touch()


@removes_open_files
@pytest.mark.parametrize("what", ["nothing", "older copy", "garbage", "empty file"])
def test_a_file_that_is_replaced_while_it_is_used(rig: Rig, what: str, caplog: pytest.LogCaptureFixture) -> None:
    """By a backup, a cloud, a cleaner: what waited goes on, each event once."""
    outbox = rig.open()
    event(outbox, "before")
    outbox.transact(lambda t: t.remember(KeptKey("user_id"), "player"))
    backup = rig.path.with_name("backup")
    copied(rig.path, backup)
    event(outbox, "since")
    outbox.transact(lambda t: t.increment(KeptKey("session_num")))
    replace_with(what, rig.path, backup)
    event(outbox, "after")
    assert events(outbox) == ["before", "since", "after"]
    assert events(outbox, "second") == ["before", "since", "after"]
    assert outbox.transact(lambda t: (t.value(KeptKey("user_id")), t.value(KeptKey("session_num")))) == ("player", "1")
    assert "what waited in it was saved" in caplog.text
    assert outbox.is_on_disk


@removes_open_files
@pytest.mark.parametrize("what", ["nothing", "older copy", "garbage"])
def test_two_copies_of_the_game_save_what_waited_once(rig: Rig, what: str) -> None:
    """Both have the file open that is gone; whoever comes first leaves a mark."""
    one, other = rig.open(), rig.open()
    backup = rig.path.with_name("backup")
    event(one, "a")
    copied(rig.path, backup)
    event(other, "b")
    replace_with(what, rig.path, backup)
    event(one, "c")
    one.transact(lambda t: t.increment(KeptKey("session_num")))
    assert events(one) == ["a", "b", "c"]
    event(other, "d")
    assert events(one) == ["d"]
    assert events(other, "second") == ["a", "b", "c", "d"]
    assert other.transact(lambda t: t.value(KeptKey("session_num"))) == "1"


@removes_open_files
def test_a_copy_that_began_a_file_of_its_own_gets_what_waited(rig: Rig) -> None:
    """It started after the removal and knows nothing of the old file: nothing is lost, its player stays."""
    one = rig.open()
    event(one, "a")
    replace_with("nothing", rig.path, rig.path)
    late = rig.open()
    event(late, "b")
    event(one, "c")
    assert sorted(events(late)) == ["a", "b", "c"]


@removes_open_files
@pytest.mark.parametrize("what", ["nothing", "older copy"])
def test_sums_of_a_file_that_is_replaced_count_once(rig: Rig, what: str) -> None:
    """An older copy has an earlier state of them."""
    one, other = summing(rig), summing(rig)
    one.transact(lambda t: t.remember(KeptKey("user_id"), "player"))
    put(one, 3)
    backup = rig.path.with_name("backup")
    copied(rig.path, backup)
    put(one, 4)
    replace_with(what, rig.path, backup)
    put(other, 5)
    put(one, 6)
    assert [found[:2] for found in sums_of(one)] == [("a", 18)]


@removes_open_files
def test_what_waits_in_a_file_that_is_gone_and_cannot_be_made_again_is_counted(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is lost silently."""
    outbox = rig.open()
    event(outbox, "a")
    replace_with("nothing", rig.path, rig.path)
    rig.path.mkdir()
    event(outbox, "b")
    outbox.save()
    assert rig.diagnostics.stats(0).dropped == {"damaged": 1, "outbox_full": 1}
    assert "1 waiting events are lost" in caplog.text
