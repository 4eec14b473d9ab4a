"""The outbox of a server: leases of one session, in rounds; damage, a full disk and trimming."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ga_pygame.delivery.outbox.contract import NewRecord, OutboxError, Rejected, Told
from ga_pygame.delivery.outbox.sqlite import SqliteOutbox
from ga_pygame.diagnostics import Drop

NAME = "gameanalytics"


def opened(path: Path, told: Told | None = None) -> SqliteOutbox:
    outbox = SqliteOutbox(path, [NAME], told=told)
    outbox.lease_by_session()
    return outbox


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "server" / "outbox.sqlite3"


@pytest.fixture
def outbox(path: Path) -> Iterator[SqliteOutbox]:
    made = opened(path)
    yield made
    made.close()


def add(outbox: SqliteOutbox, text: str) -> None:
    """Add records in one transaction: `a1 b1 a2`, the session and what it says."""
    records = [NewRecord(word[0], "design", 1.7e9, None, b"", b'"x":"%b"' % word.encode()) for word in text.split()]
    outbox.transact(lambda transaction: transaction.add(records))


def leased(outbox: SqliteOutbox, most: int = 500) -> str:
    """Lease, settle, and return what was leased; "" at the end of a round."""
    batch = outbox.lease(NAME, most, 10**6)
    if batch is None:
        return ""
    outbox.settle(batch)
    return " ".join(record.payload.decode()[5:-2] for record in batch.records)


def test_a_lease_has_one_session(outbox: SqliteOutbox) -> None:
    """The one that waits longest, whatever came between; what comes later waits for the next round."""
    add(outbox, "a1 b1 a2")
    add(outbox, "c1")
    add(outbox, "b2 a3")
    assert leased(outbox) == "a1 a2 a3"
    add(outbox, "a4 d1")
    assert [leased(outbox) for _ in range(3)] == ["b1 b2", "c1", ""]
    assert [leased(outbox) for _ in range(4)] == ["a4", "d1", "", ""]


def test_a_part_of_a_block_leaves_the_rest(outbox: SqliteOutbox, path: Path) -> None:
    """Also across a restart; nothing is sent twice, and the size is that of what waits."""
    add(outbox, "a1 a2 a3 a4 a5 b1")
    assert leased(outbox, 2) == "a1 a2"
    outbox.close()
    again = opened(path)
    add(again, "a6")
    assert [leased(again, 3) for _ in range(4)] == ["a3 a4 a5", "b1", "a6", ""]
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM blocks").fetchone() == (0,)
        assert database.execute("SELECT value FROM key_value WHERE key = 'outbox_bytes'").fetchone() == ("0",)
        assert database.execute("SELECT ids FROM tally").fetchone() == (0,)
    again.close()


def test_a_released_batch_comes_again(outbox: SqliteOutbox) -> None:
    """And the refused events of a batch are kept for the developer."""
    add(outbox, "a1 a2")
    batch = outbox.lease(NAME, 500, 10**6)
    assert batch is not None
    assert outbox.lease(NAME, 500, 10**6) is None
    outbox.release(batch)
    batch = outbox.lease(NAME, 500, 10**6)
    assert batch is not None
    outbox.settle(batch, [Rejected(batch.records[0], Drop.REJECTED, "odd")])
    assert outbox.connection.execute("SELECT errors FROM rejected").fetchall() == [("odd",)]


def test_what_was_sent_while_the_disk_failed_is_not_sent_again(outbox: SqliteOutbox, path: Path) -> None:
    """It is deleted when the disk can be written."""
    add(outbox, "a1 a2 b1")
    batch = outbox.lease(NAME, 1, 10**6)
    assert batch is not None
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # as a full disk: nothing can be written
        with pytest.raises(OutboxError):
            outbox.settle(batch)
        other.execute("ROLLBACK")
    assert leased(outbox) == "a2"
    outbox.save()
    assert outbox.connection.execute("SELECT session_id FROM blocks").fetchall() == [("b",)]


def test_a_damaged_block_costs_its_damaged_lines(path: Path) -> None:
    """The others of the session are sent, and the loss is counted."""
    lost: list[int] = []
    outbox = opened(path, Told(lost=lambda count, _why: lost.append(count)))
    add(outbox, "a1 a2 a3")
    add(outbox, "a4 b1")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE blocks SET lines = CAST(replace(lines, 'a2', 'a9') AS BLOB) WHERE last_id = 3")
    assert [leased(outbox) for _ in range(3)] == ["a1 a3 a4", "b1", ""]
    assert lost == [1]
    outbox.close()


def test_trimming_counts_what_was_not_sent(outbox: SqliteOutbox) -> None:
    """The oldest session goes first, but not what is being sent."""
    add(outbox, "a1 a2 a3")
    add(outbox, "b1 b2")
    assert leased(outbox, 1) == "a1"
    add(outbox, "c1")
    assert outbox.transact(lambda transaction: transaction.trim(60)) == 4
    assert [leased(outbox) for _ in range(2)] == ["", "c1"]  # the round was over
