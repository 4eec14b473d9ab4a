"""What only the outbox on disk has: files, locks, the schema, other copies of the game, and dead launches."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.delivery.outbox.contract import MAX_REJECTED, Batch, NewRecord, OutboxError, Rejected, Transaction
from ga_pygame.delivery.outbox.file import DamagedError, NewerSchemaError
from ga_pygame.delivery.outbox.open_session import OpenSession
from ga_pygame.delivery.outbox.schema import MAX_BLOCK_BYTES, SCHEMA_VERSION, SELECT, blocks, records
from ga_pygame.delivery.outbox.sqlite import SqliteOutbox, read_value
from ga_pygame.diagnostics import Drop
from ga_pygame.kept import KeptKey
from tests.effort import examples

NAMES = ("first", "second")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "game" / "outbox.sqlite3"


@pytest.fixture
def outbox(path: Path) -> Iterator[SqliteOutbox]:
    made = SqliteOutbox(path, NAMES)
    yield made
    made.close()


def add(outbox: SqliteOutbox, *texts: str, category: str = "design") -> None:
    records = [NewRecord("s1", category, 1.7e9, None, b"", text.encode()) for text in texts]
    outbox.transact(lambda transaction: transaction.add(records))


ROOM = next(blocks([(NewRecord("s1", "design", 1.7e9, None, b"", b""), None)], 1)).size
"""The bytes that a record of `add` takes besides its text, if it is added alone."""


def texts(outbox: SqliteOutbox, name: str = "first") -> list[str]:
    batch = outbox.lease(name, 500, 10**6)
    if batch is None:
        return []
    outbox.release(batch)
    return [record.payload.decode().removesuffix("}") for record in batch.records]


SESSION = OpenSession(
    "s1", 3, 1.7e9, 1.7e9 + 60, -2.0, 60.5, b'"v":2', "forest:1", {("Source", "gold", "pickup", "coin"): 5.0}
)


@pytest.mark.posix("Windows has no such modes")
def test_only_the_player_can_read_the_file(outbox: SqliteOutbox, path: Path) -> None:
    """Other users of the machine learn nothing about the player."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_tables_follow_the_documentation(outbox: SqliteOutbox, path: Path) -> None:
    """`key_value`, `session_end` and `progression` are as the service's pages draw them; the file is WAL."""
    with closing(sqlite3.connect(path)) as looking:
        names = {name for (name,) in looking.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert names >= {"key_value", "session_end", "progression", "blocks", "destinations", "sums", "rejected"}
        assert looking.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert looking.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


def test_everything_is_there_after_a_restart(path: Path) -> None:
    """Values, attempts and records that were not settled; ids go on growing."""
    first = SqliteOutbox(path, NAMES)

    def fill(transaction: Transaction) -> None:
        transaction.increment(KeptKey("session_num"))
        transaction.set_attempts("forest", 2)

    first.transact(fill)
    add(first, "a", "b")
    batch = first.lease("first", 1, 10**6)
    assert batch is not None
    first.settle(batch)
    first.lease("first", 1, 10**6)  # the process ends while it sends
    first.close()
    second = SqliteOutbox(path, NAMES)
    try:
        assert texts(second) == ["b"]
        assert second.transact(lambda t: (t.increment(KeptKey("session_num")), t.attempts("forest"))) == (2, 2)
        add(second, "c")
        assert texts(second) == ["b", "c"]
        assert texts(second, "second") == ["a", "b", "c"]
    finally:
        second.close()


def test_two_copies_share_one_outbox_and_never_send_a_record_twice(outbox: SqliteOutbox, path: Path) -> None:
    """Each record is leased to one of them only; counters have no gap and no repeat."""
    add(outbox, "a")
    other = SqliteOutbox(path, NAMES)
    try:
        add(other, "b")
        batch = outbox.lease("first", 500, 10**6)
        assert batch is not None
        assert [record.payload for record in batch.records] == [b"a}", b"b}"]
        assert other.lease("first", 500, 10**6) is None
        outbox.settle(batch)
        assert other.lease("first", 500, 10**6) is None
        numbers = [one.transact(lambda t: t.increment(KeptKey("session_num"))) for one in (outbox, other, outbox)]
        assert numbers == [1, 2, 3]
    finally:
        other.close()


def test_a_living_copys_session_is_no_orphan_and_a_dead_ones_is(outbox: SqliteOutbox, path: Path) -> None:
    """A session is ended by others only when nobody holds the lock of its launch any more."""
    other = SqliteOutbox(path, NAMES)
    other.transact(lambda transaction: transaction.save_session(SESSION))
    assert list(outbox.dead_launches()) == []
    other.close()
    (dead_launch,) = outbox.dead_launches()
    assert (dead_launch.launch, list(dead_launch.sessions), dead_launch.journal) == (other.launch, [SESSION], None)
    third = SqliteOutbox(path, NAMES)
    assert list(third.dead_launches()) == [], "it is being looked after"
    third.close()
    assert list(outbox.dead_launches()) == [dead_launch], "it may be that it could not be recovered yet"
    assert outbox.transact(lambda transaction: transaction.delete_session("s1"))
    outbox.forget_launch(dead_launch)
    assert list(outbox.dead_launches()) == []


def test_a_session_that_was_ended_elsewhere_is_no_orphan(outbox: SqliteOutbox, path: Path) -> None:
    """A launch that could not write its session's end into the file, but delivered it, says so beside the file."""
    other = SqliteOutbox(path, NAMES)
    other.transact(lambda transaction: transaction.save_session(SESSION))
    other.mark_ended()
    assert list(outbox.dead_launches()) == []
    other.close()
    assert list(outbox.dead_launches()) == []
    assert not outbox.transact(lambda transaction: transaction.delete_session("s1"))
    assert not list(path.parent.glob("ended-*"))


def test_lock_files_of_the_dead_are_swept(outbox: SqliteOutbox, path: Path) -> None:
    """An old launch's file that nobody holds goes; one just made may belong to a copy that is starting."""
    old, fresh = path.parent / "launch-old.lock", path.parent / "launch-fresh.lock"
    old.touch()
    fresh.touch()
    os.utime(old, (0, 0))
    outbox.dead_launches()
    assert not old.exists()
    assert fresh.exists()


@pytest.mark.parametrize("error", [FileNotFoundError, PermissionError])
def test_a_lock_file_that_another_copy_just_removes_hides_no_dead_launch(
    outbox: SqliteOutbox, path: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    """On Windows a file that is being removed can be listed and not be looked at."""
    going = path.parent / "launch-going.lock"
    going.touch()
    real = Path.lstat

    def lstat(file: Path) -> os.stat_result:
        if file == going:
            raise error(file)
        return real(file)

    monkeypatch.setattr(Path, "lstat", lstat)
    assert list(outbox.dead_launches()) == []


def test_a_record_for_a_destination_that_is_not_configured_now_stays(path: Path) -> None:
    """A game that drops a service for one release does not lose what waits for it."""
    both = SqliteOutbox(path, NAMES)
    add(both, "a")
    both.close()
    one = SqliteOutbox(path, ["first"])
    batch = one.lease("first", 500, 10**6)
    assert batch is not None
    one.settle(batch)
    one.close()
    again = SqliteOutbox(path, NAMES)
    assert texts(again, "first") == []
    assert texts(again, "second") == ["a"]
    again.close()


def test_what_was_sent_while_the_disk_failed_is_not_sent_again(outbox: SqliteOutbox, path: Path) -> None:
    """It cannot be removed then; the next batch that can be takes it along."""
    add(outbox, "a", "b")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("ALTER TABLE key_value RENAME TO gone")
        for name in NAMES:
            batch = outbox.lease(name, 500, 10**6)
            assert batch is not None
            with pytest.raises(OutboxError):
                outbox.settle(batch)
        other.execute("ALTER TABLE gone RENAME TO key_value")
        add(outbox, "c")
        assert texts(outbox) == ["c"]
        batch = outbox.lease("first", 500, 10**6)
        assert batch is not None
        outbox.settle(batch)
        assert texts(outbox) == []
        assert dict(other.execute("SELECT name, done FROM destinations")) == {"first": 3, "second": 0}
        outbox.save()
        assert dict(other.execute("SELECT name, done FROM destinations")) == {"first": 3, "second": 2}
        left = [one for row in other.execute(SELECT) for one in records(row)]
        assert [(one.id, one.payload) for one in left] == [(3, b"c}")]
    assert texts(outbox, "second") == ["c"]


def test_a_bounded_table_of_rejected_events(outbox: SqliteOutbox, path: Path) -> None:
    """The last refused events stay, with destination, reason and what the server said."""
    for number in range(MAX_REJECTED + 5):
        add(outbox, str(number))
        batch = outbox.lease("first", 1, 10**6)
        assert batch is not None
        outbox.settle(batch, [Rejected(batch.records[0], Drop.REJECTED, '[{"path":"/x"}]')])
    with closing(sqlite3.connect(path)) as looking:
        rows = looking.execute("SELECT destination, reason, errors, payload FROM rejected ORDER BY id").fetchall()
    assert len(rows) == MAX_REJECTED
    assert rows[-1] == ("first", "rejected", '[{"path":"/x"}]', f"{MAX_REJECTED + 4}}}".encode())


def test_the_size_is_known_across_restarts_and_copies(path: Path) -> None:
    """Room is made for what waits in the file, whoever put it there."""
    one = SqliteOutbox(path, NAMES)
    add(one, "x" * 100)
    one.close()
    two = SqliteOutbox(path, NAMES)
    add(two, "y" * 100)
    assert two.transact(lambda transaction: transaction.trim(2 * ROOM + 200)) == 0
    assert two.transact(lambda transaction: transaction.trim(2 * ROOM + 199)) == 1
    assert texts(two) == ["y" * 100]
    for name in NAMES:
        batch = two.lease(name, 500, 10**6)
        assert batch is not None
        two.settle(batch)
    add(two, "z" * 100)
    assert two.transact(lambda transaction: transaction.trim(ROOM + 100)) == 0
    assert texts(two) == ["z" * 100]
    two.close()


def test_many_small_records_are_trimmed_exactly(outbox: SqliteOutbox) -> None:
    """Trimming stops when there is room, also across its slices."""
    for number in range(300):
        add(outbox, f"{number:04}")
    assert outbox.transact(lambda transaction: transaction.trim((ROOM + 4) * 100)) == 200
    assert texts(outbox) == [f"{number:04}" for number in range(200, 300)]


def trimming(max_bytes: int) -> Callable[[Transaction], int]:
    return lambda transaction: transaction.trim(max_bytes)


def test_records_of_one_transaction_are_trimmed_in_blocks(outbox: SqliteOutbox) -> None:
    """No more goes than one block too many, and what is counted is what is gone."""
    add(outbox, *(f"{number:04}" for number in range(1000)))
    line = ROOM + len("0000\n")
    left = 1000
    for keep in (1000, 999, 700, 420):
        left -= outbox.transact(trimming(line * keep))
        assert keep - MAX_BLOCK_BYTES // line <= left <= keep
        assert texts(outbox) == [f"{number:04}" for number in range(1000 - left, 1000)][:500]


def test_what_arrived_is_not_counted_as_lost(outbox: SqliteOutbox) -> None:
    """When a block goes to make room, only those of its records count that somebody still waits for."""
    add(outbox, *(f"{number:04}" for number in range(10)))
    for name in NAMES:
        batch = outbox.lease(name, 9, 10**6)
        assert batch is not None
        outbox.settle(batch)
    assert texts(outbox) == ["0009"]
    assert outbox.transact(lambda transaction: transaction.trim(0)) == 1


def test_the_size_is_what_waits(outbox: SqliteOutbox, path: Path) -> None:
    """Nothing is counted for ever: when all have everything, the outbox takes no room."""
    add(outbox, *(f"{number:04}" for number in range(200)))
    add(outbox, "session", category="session_end")
    for name in NAMES:
        for most in (7, 64, 500):
            batch = outbox.lease(name, most, 10**6)
            assert batch is not None
            outbox.settle(batch)
    with closing(sqlite3.connect(path)) as looking:
        assert looking.execute("SELECT count(*) FROM blocks").fetchone() == (0,)
        assert looking.execute("SELECT value FROM key_value WHERE key = 'outbox_bytes'").fetchone() == ("0",)


def test_a_newer_file_is_not_touched(path: Path) -> None:
    """An older version of a game says so instead of writing what it does not understand."""
    SqliteOutbox(path, NAMES).close()
    with closing(sqlite3.connect(path)) as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        newer.execute("PRAGMA application_id = 0")  # else it could be a flipped bit of today's version
    before = path.read_bytes()
    with pytest.raises(NewerSchemaError, match="newer version"):
        SqliteOutbox(path, NAMES)
    assert path.read_bytes() == before


def test_what_is_no_database_is_damaged(path: Path) -> None:
    """The error says which file and that it is damaged."""
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(DamagedError, match=r"outbox.sqlite3 is damaged"):
        SqliteOutbox(path, NAMES)


def test_a_folder_that_cannot_be_made_is_an_outbox_error(tmp_path: Path) -> None:
    """An error of the system becomes an `OutboxError`, which the failover handles."""
    (tmp_path / "file").touch()
    with pytest.raises(OutboxError):
        SqliteOutbox(tmp_path / "file" / "outbox.sqlite3", NAMES)


def test_one_value_can_be_read_without_making_a_file(path: Path) -> None:
    """Consent is looked up before anything may be written."""
    assert read_value(path, KeptKey("consent")) is None
    assert not path.exists()
    made = SqliteOutbox(path, NAMES)
    made.transact(lambda transaction: transaction.remember(KeptKey("consent"), "denied"))
    made.close()
    assert read_value(path, KeptKey("consent")) == "denied"
    assert read_value(path, KeptKey("other")) is None
    path.write_bytes(b"damaged" * 1000)
    assert read_value(path, KeptKey("consent")) is None


# --- sums ---------------------------------------------------------------------------------------------------


def put(outbox: SqliteOutbox, amount: float, slot: str = "a") -> None:
    outbox.transact(lambda transaction: transaction.add_to_sum("sums", slot, amount))


def leased(outbox: SqliteOutbox) -> Batch:
    batch = outbox.lease("sums", 1, 1)
    assert batch is not None
    return batch


def frozen(batch: Batch) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(b"{" + batch.records[0].payload)
    return found


def test_two_copies_never_send_the_same_sum(path: Path) -> None:
    """They add to the same sum; while one sends, the other waits, and afterwards takes what is left."""
    one, other = (SqliteOutbox(path, [], ["sums"]) for _ in range(2))
    put(one, 1)
    put(other, 2)
    batch = leased(one)
    assert frozen(batch)["value"] == 3
    put(other, 4)
    assert other.lease("sums", 1, 1) is None
    one.settle(batch)
    rest = leased(other)
    assert frozen(rest)["value"] == 4
    assert frozen(rest)["key"] != frozen(batch)["key"]
    assert one.lease("sums", 1, 1) is None
    other.settle(rest)
    assert one.lease("sums", 1, 1) is None
    one.close()
    other.close()


def test_a_frozen_sum_of_a_dead_process_keeps_its_key(path: Path) -> None:
    """Its request may have been counted: the next process sends the same, beside what came later."""
    first = SqliteOutbox(path, [], ["sums"])
    put(first, 3)
    sent = frozen(leased(first))
    put(first, 4)
    first.close()
    second = SqliteOutbox(path, [], ["sums"])
    found = []
    for _ in range(2):
        batch = leased(second)
        found.append(frozen(batch))
        second.settle(batch)
    assert not batch.more
    assert sent in found
    assert sorted(one["value"] for one in found) == [3, 4]
    second.close()


def test_the_key_is_on_the_disk_before_the_sum_is_sent(path: Path) -> None:
    """While the request is under way, the file has it with the value that was sent."""
    outbox = SqliteOutbox(path, [], ["sums"])
    put(outbox, 3)
    sent = frozen(leased(outbox))
    with closing(sqlite3.connect(path)) as looking:
        row = looking.execute("SELECT slot, value, idempotency_key FROM sums").fetchone()
    assert row == (sent["slot"], sent["value"], sent["key"])
    outbox.close()


OPENS = """
import sys, time
from pathlib import Path
from ga_pygame.kept import KeptKey
from ga_pygame.delivery.outbox.sqlite import SqliteOutbox
print("ready", flush=True)
sys.stdin.readline()
outbox = SqliteOutbox(Path(sys.argv[1]), ["first"])
print(outbox.transact(lambda transaction: transaction.increment("session_num")))
outbox.close()
"""


def test_copies_that_start_at_once_on_a_new_file_share_it(tmp_path: Path) -> None:
    """Making the file meets nobody: no copy takes it for locked, and so no number comes twice."""
    for place in range(examples(5, least=1)):
        path = tmp_path / str(place) / "outbox.sqlite3"
        copies = [
            subprocess.Popen(
                [sys.executable, "-c", OPENS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in range(3)
        ]
        for copy in copies:
            assert copy.stdout is not None
            assert copy.stdout.readline() == "ready\n"
        for copy in copies:
            assert copy.stdin is not None
            copy.stdin.write("go\n")
            copy.stdin.flush()
        assert sorted(copy.communicate()[0].strip() for copy in copies) == ["1", "2", "3"]


def test_what_is_cleared_is_in_no_file(outbox: SqliteOutbox, path: Path) -> None:
    """The player said no; the process may end before the file is closed, and the WAL would keep the events."""
    add(outbox, "secret")
    assert texts(outbox) == ["secret"]  # a reader is open
    outbox.transact(lambda transaction: transaction.clear())
    files = [one for one in path.parent.iterdir() if one.is_file()]
    assert len(files) >= 3
    assert not [one.name for one in files if b"secret" in one.read_bytes()]


def test_a_sum_beyond_all_numbers_stops_nothing(path: Path) -> None:
    """Amounts that SQLite cannot add up or cannot say: that sum goes, the transaction and the other sums stay."""
    outbox = SqliteOutbox(path, [], ["sums"])
    for amount in (10**30, 1e308, 1e308, -(10**400), math.nan):
        put(outbox, amount)
        put(outbox, -amount if amount == amount else amount)  # noqa: PLR0124 - infinities of both signs are no sum
    put(outbox, 3, "b")
    batch = leased(outbox)
    assert (frozen(batch)["slot"], frozen(batch)["value"]) == ("b", 3)
    outbox.settle(batch)
    assert outbox.lease("sums", 1, 1) is None
    outbox.close()
