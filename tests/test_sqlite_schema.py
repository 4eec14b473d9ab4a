"""Blocks of records, and migrations of older files, with a kill at any statement."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ga_pygame.delivery.encoder import encode
from ga_pygame.delivery.outbox import schema
from ga_pygame.delivery.outbox.contract import PROTECTED, Batch, NewRecord, payload
from ga_pygame.delivery.outbox.failover import FailoverOutbox
from ga_pygame.delivery.outbox.file import DamagedError
from ga_pygame.delivery.outbox.open_session import OpenSession
from ga_pygame.delivery.outbox.schema import MAX_BLOCK_BYTES, SCHEMA_VERSION, Addition, as_row, blocks, records, upgrade
from ga_pygame.delivery.outbox.sqlite import SqliteOutbox
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.kept import KeptKey
from ga_pygame.protocol import StoredRecord
from ga_pygame.testing import ManualClock
from tests.effort import examples

ROOT = Path(__file__).parent.parent
NAMES = ("first", "second")

SCHEMA_1 = """
CREATE TABLE key_value (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE session_end (
    session_id TEXT PRIMARY KEY, session_num INTEGER NOT NULL, session_start_ts REAL NOT NULL,
    client_ts REAL NOT NULL, clock_offset REAL, length REAL NOT NULL,
    last_event_default_annotations BLOB NOT NULL, attempt TEXT, wallet TEXT NOT NULL, launch TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE progression (progression_event_id TEXT PRIMARY KEY, attempt_num INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE records (
    id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL, category TEXT NOT NULL,
    client_ts REAL NOT NULL, clock_offset REAL, payload BLOB NOT NULL, extra TEXT
);
CREATE TABLE sums (
    destination TEXT NOT NULL, slot TEXT NOT NULL, idempotency_key TEXT NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (destination, idempotency_key, slot)
) WITHOUT ROWID;
CREATE TABLE destinations (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE deliveries (
    destination TEXT NOT NULL, record_id INTEGER NOT NULL, PRIMARY KEY (destination, record_id)
) WITHOUT ROWID;
CREATE TABLE rejected (
    id INTEGER PRIMARY KEY, destination TEXT NOT NULL, reason TEXT NOT NULL, errors TEXT NOT NULL,
    client_ts REAL NOT NULL, payload BLOB NOT NULL
);
PRAGMA user_version = 1
"""
"""What the first version made."""


# --- blocks -------------------------------------------------------------------------------------------------

JSON_TEXT = st.text(max_size=30) | st.sampled_from(
    ["\t", "\n", "a\tb\nc\r\0", '"', "\\", "\\n", "\\\\t", "größe 🎮", "\x1f\x7f"]
)
JSON: st.SearchStrategy[Any] = st.dictionaries(
    st.text(st.characters(codec="utf-8"), max_size=10) | st.just("\t\n"),
    JSON_TEXT | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.none(),
    min_size=1,
    max_size=4,
)
NEW = st.builds(
    NewRecord,
    st.sampled_from(["s1", "s2"]),
    st.sampled_from(["user", "design", "business", "error", "session_end", "health"]),
    st.integers(0, 2**35).map(lambda when: when / 8),
    st.sampled_from([None, 0.0, -2.5, 1e6]),
    st.sampled_from([b"", b'"v":2', encode({"user_id": "\t\n größe"})[1:-1]]),
    JSON.map(lambda own: encode({**own, "event_uuid": "u"})[1:-1]),
    st.none() | JSON.map(json.dumps) | JSON.map(lambda value: json.dumps(value, ensure_ascii=False)),
)
ADDITIONS: st.SearchStrategy[list[Addition]] = st.lists(
    st.tuples(NEW, st.none() | st.lists(st.sampled_from(NAMES), unique=True)), max_size=40
)


columns = as_row


@pytest.mark.e2e
@given(ADDITIONS, st.integers(1, 2**40))
def test_records_come_out_of_blocks_as_they_went_in(additions: list[Addition], first_id: int) -> None:
    """Whatever stands in the JSON, with ids in a row: a block is another form of the same."""
    made = list(blocks(additions, first_id))
    found = [one for block in made for one in records(columns(block))]
    assert found == [record.stored(first_id + place) for place, (record, _) in enumerate(additions)]
    assert all(json.loads(one.json(None)) is not None for one in found)
    assert [block.last_id for block in made] == sorted({block.last_id for block in made})


@pytest.mark.e2e
@given(ADDITIONS, st.data())
def test_a_block_gives_what_comes_after_an_id(additions: list[Addition], data: st.DataObject) -> None:
    """A batch may end in the middle of a block; the next one begins there."""
    made = list(blocks(additions, 1))
    after = data.draw(st.integers(0, len(additions) + 1))
    found = [one.id for block in made for one in records(columns(block), after)]
    assert found == list(range(after + 1, len(additions) + 1))


@pytest.mark.e2e
@given(ADDITIONS)
def test_a_block_has_one_session_one_way_and_one_fate(additions: list[Addition]) -> None:
    """Only neighbours share a block, and only if all that a block stores once is equal."""
    place = 0
    for block in blocks(additions, 1):
        for record, names in additions[place : place + block.records]:
            assert (record.session_id, record.clock_offset) == (block.session_id, block.clock_offset)
            assert record.annotations == block.annotations
            assert (record.category in PROTECTED) == block.protected
            assert block.only == (None if names is None else f",{','.join(names)},")
        place += block.records
        assert block.size == len(block.annotations) + len(block.lines)
        assert block.size <= MAX_BLOCK_BYTES or block.records == 1
    assert place == len(additions)


def test_what_they_share_stands_in_a_block_once() -> None:
    """That is what it is for."""
    shared = b'"user_id":"player","v":2'
    additions: list[Addition] = [
        (NewRecord("s1", "design", 1.7e9, None, shared, b'"n":%d' % number), None) for number in range(10)
    ]
    (block,) = blocks(additions, 1)
    assert block.lines.count(b"player") == 0
    assert block.annotations == shared
    assert [one.payload for one in records(columns(block))] == [
        b'"user_id":"player","v":2,"n":%d}' % number for number in range(10)
    ]


def test_a_giant_record_is_a_block_of_its_own() -> None:
    """It splits no other, and is not split."""
    sizes = [10, 10, 50_000, 10, 3000, 3000, 10]
    additions: list[Addition] = [
        (NewRecord("s1", "design", 1.7e9, None, b'"v":2', b'"t":"%b"' % (b"x" * size)), None) for size in sizes
    ]
    made = list(blocks(additions, 1))
    assert [block.records for block in made] == [2, 1, 2, 2]
    found = [one for block in made for one in records(columns(block))]
    assert found == [record.stored(place) for place, (record, _) in enumerate(additions, 1)]


@pytest.mark.e2e
@settings(
    max_examples=examples(40),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(st.lists(ADDITIONS, max_size=4), st.integers(1, 50))
def test_records_come_out_of_the_file_as_they_went_in(
    tmp_path_factory: pytest.TempPathFactory, transactions: list[list[Addition]], most: int
) -> None:
    """Each destination gets its own, in order, once, however they lie in blocks and batches."""
    outbox = SqliteOutbox(tmp_path_factory.mktemp("game") / "outbox.sqlite3", NAMES)
    expected: dict[str, list[StoredRecord]] = {name: [] for name in NAMES}
    for additions in transactions:

        def work(transaction: Any, additions: list[Addition] = additions) -> None:
            for record, names in additions:
                transaction.add([record], names)

        outbox.transact(work)
        for record, names in additions:
            for name in NAMES if names is None else names:
                expected[name].append(record.stored(0)._replace(id=0))
    for name in NAMES:
        found = []
        while (batch := outbox.lease(name, most, 10**6)) is not None:
            found += [one._replace(id=0) for one in batch.records]
            outbox.settle(batch)
        assert found == expected[name]
    outbox.close()


# --- a file of version 1 ------------------------------------------------------------------------------------

PAYLOAD_1 = {"category": "design", "event_id": "größe:\t\n", "custom_fields": {"text": 'a\tb\nc "\\'}}
"""What JSON has to escape."""


class Old:
    """A file of the first schema version."""

    def __init__(self, path: Path, names: Sequence[str] = NAMES) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.names = names
        self.expected: dict[str, list[StoredRecord]] = {name: [] for name in names}
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA_1)
        self.run(*(("INSERT INTO destinations VALUES (?)", (name,)) for name in names))

    def run(self, *statements: tuple[str, Sequence[Any]]) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            for statement, values in statements:
                connection.execute(statement, values)

    def add(self, record: StoredRecord, waiting: Sequence[str]) -> None:
        rows = [("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)", record)]
        self.run(*rows, *(("INSERT INTO deliveries VALUES (?, ?)", (name, record.id)) for name in waiting))
        for name in waiting:
            self.expected[name].append(record)

    def fill(self) -> None:
        """Add some records and values of each type."""
        fates: list[Sequence[str]] = [NAMES, ("first",), ("second",), (), NAMES, NAMES]
        for number in range(1, 25):
            category = ("user", "design", "business", "session_end")[number % 4]
            body = encode({**PAYLOAD_1, "category": category, "n": number})[1:]
            extra = '{"reason": "quit"}' if category == "session_end" else None
            offset = [None, -2.5][number % 2]
            when = 1_700_000_000 + number / 8
            record = StoredRecord(number * 3, f"s{number // 9}", category, when, offset, body, extra)
            self.add(record, fates[number % len(fates)])
        size = sum(len(record.payload) for record in {one.id: one for one in self.expected["first"]}.values())
        self.run(
            ("INSERT INTO key_value VALUES ('user_id', 'player')", ()),
            ("INSERT INTO key_value VALUES ('session_num', '41')", ()),
            ("INSERT INTO key_value VALUES ('journal:x', '17')", ()),
            ("INSERT INTO key_value VALUES ('outbox_bytes', ?)", (str(size),)),
            ("INSERT INTO progression VALUES ('forest:1', 3)", ()),
            ("INSERT INTO sums VALUES ('sums', 'a', '', 2.5)", ()),
            ("INSERT INTO sums VALUES ('sums', 'b', 'key', 7)", ()),
            ("INSERT INTO rejected VALUES (1, 'first', 'rejected', '[]', 1.7e9, ?)", (b'"n":1}',)),
            (
                "INSERT INTO session_end VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    "s9", 41, 1.7e9, 1.7e9 + 60, None, 59.5, b'"user_id":"player"', "forest:1",
                    '[["Source", "gold", "pickup", "coin", 5.0]]', "dead",
                ),
            ),
        )  # fmt: skip


SESSION = OpenSession(
    "s9",
    41,
    1.7e9,
    1.7e9 + 60,
    None,
    59.5,
    b'"user_id":"player"',
    "forest:1",
    {("Source", "gold", "pickup", "coin"): 5.0},
)


def all_of(outbox: SqliteOutbox | FailoverOutbox, name: str, most: int = 500) -> list[StoredRecord]:
    """Deliver and return all records that wait for a destination."""
    found: list[StoredRecord] = []
    while (batch := outbox.lease(name, most, 10**6)) is not None:
        found += batch.records
        outbox.settle(batch)
    return found


def sums_of(outbox: SqliteOutbox) -> list[Mapping[str, Any]]:
    found = []
    while (batch := outbox.lease("sums", 1, 1)) is not None:
        found.append(json.loads(b"{" + batch.records[0].payload))
        outbox.settle(batch)
    return sorted(found, key=lambda one: one["slot"])


def assert_all_there(old: Old) -> None:
    """Open the file with today's code; check that everything in it is there, once."""
    outbox = SqliteOutbox(old.path, NAMES, ["sums"])
    try:
        for name in NAMES:
            assert all_of(outbox, name, 5) == old.expected[name]
        first, second = sums_of(outbox)
        assert (first["slot"], first["value"]) == ("a", 2.5)
        assert second == {"slot": "b", "value": 7, "key": "key"}
        assert outbox.transact(lambda t: t.value(KeptKey("journal:x"))) == "17"
        (dead_launch,) = outbox.dead_launches()
        assert (dead_launch.launch, list(dead_launch.sessions)) == ("dead", [SESSION])
        found = outbox.transact(
            lambda t: (t.value(KeptKey("user_id")), t.increment(KeptKey("session_num")), t.attempts("forest:1"))
        )
        assert found == ("player", 42, 3)
        assert outbox.transact(lambda t: t.value(KeptKey("journal:x"))) is None  # there is no such journal
        with closing(sqlite3.connect(old.path)) as looking:
            tables = {name for (name,) in looking.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            assert not tables & {"records", "deliveries"}
            assert looking.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
            rejected = looking.execute(
                "SELECT destination, reason, errors, client_ts, payload FROM rejected"
            ).fetchall()
            assert rejected == [("first", "rejected", "[]", 1.7e9, b'"n":1}')]
            assert looking.execute("SELECT value FROM key_value WHERE key = 'outbox_bytes'").fetchone() == ("0",)
            assert looking.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        outbox.close()


@pytest.fixture
def old(tmp_path: Path) -> Old:
    return Old(tmp_path / "game" / "outbox.sqlite3")


def test_a_file_of_version_1_goes_on_as_todays(old: Old) -> None:
    """Records for whom they waited, in order; sums, sessions, attempts, values and rejected events as they were."""
    old.fill()
    assert_all_there(old)


@pytest.mark.parametrize("waiting", [NAMES, ("first",), ("second",), ()])
def test_a_record_goes_where_it_still_had_to(old: Old, waiting: Sequence[str]) -> None:
    """To one, to all or to none: whoever had it before does not get it again."""
    record = StoredRecord(5, "s1", "design", 1.7e9, None, b'"n":1}')
    old.add(record, waiting)
    outbox = SqliteOutbox(old.path, NAMES)
    for name in NAMES:
        assert all_of(outbox, name) == ([record] if name in waiting else [])
    outbox.transact(lambda t: t.add([NewRecord("s2", "design", 1.8e9, None, b"", b'"n":2')]))
    for name in NAMES:
        (later,) = all_of(outbox, name)
        assert later.id > record.id
        assert later.payload == b'"n":2}'
    outbox.close()
    with closing(sqlite3.connect(old.path)) as looking:
        assert looking.execute("SELECT count(*) FROM blocks").fetchone() == (0,)


def test_an_empty_file_of_version_1_goes_on(old: Old) -> None:
    """Nothing waits, nothing is open: the next events do as always."""
    outbox = SqliteOutbox(old.path, NAMES)
    outbox.transact(lambda t: t.add([NewRecord("s1", "design", 1.7e9, None, b'"v":2', b'"n":1')]))
    for name in NAMES:
        assert [one.payload for one in all_of(outbox, name)] == [b'"v":2,"n":1}']
    outbox.close()


def test_a_destination_that_is_new_with_the_new_version_gets_what_comes_from_now(old: Old) -> None:
    """As always when a destination is added; what waits is for those that it waited for."""
    old.fill()
    outbox = SqliteOutbox(old.path, [*NAMES, "third"])
    assert all_of(outbox, "third") == []
    outbox.transact(lambda t: t.add([NewRecord("s2", "design", 1.8e9, None, b"", b'"n":"new"')]))
    assert [one.payload for one in all_of(outbox, "third")] == [b'"n":"new"}']
    for name in NAMES:
        assert all_of(outbox, name)[:-1] == old.expected[name]
    outbox.close()


def test_a_destination_that_is_not_configured_any_more_keeps_what_waits_for_it(old: Old) -> None:
    """An update of the package and of the game at once loses nothing either."""
    old.fill()
    one = SqliteOutbox(old.path, ["first"])
    assert all_of(one, "first") == old.expected["first"]
    one.close()
    both = SqliteOutbox(old.path, NAMES)
    assert all_of(both, "first") == []
    assert all_of(both, "second") == old.expected["second"]
    both.close()


def test_room_is_made_in_what_was_migrated_too(old: Old) -> None:
    """Its size is known, the oldest go first, those that end a session last."""
    old.fill()
    outbox = SqliteOutbox(old.path, NAMES)
    outbox.transact(lambda t: t.trim(3000))
    with closing(sqlite3.connect(old.path)) as looking:
        (size,) = looking.execute("SELECT sum(length(annotations) + length(lines)) FROM blocks").fetchone()
        (known,) = looking.execute("SELECT value FROM key_value WHERE key = 'outbox_bytes'").fetchone()
    assert 2000 < size <= 3000
    assert known == str(size)
    kept = [one.category for one in all_of(outbox, "first")]
    assert set(kept) >= PROTECTED
    before = [one.category for one in old.expected["first"]]
    assert [kept.count(one) for one in sorted(PROTECTED)] == [before.count(one) for one in sorted(PROTECTED)]
    outbox.close()


def test_the_failover_opens_it_as_well(old: Old) -> None:
    """The tracker's own way to the file."""
    old.fill()
    diagnostics = Diagnostics()
    outbox = FailoverOutbox(old.path, NAMES, ManualClock(), diagnostics)
    outbox.transact(lambda transaction: transaction.values())  # the writer turns it into today's
    for name in NAMES:
        assert all_of(outbox, name) == old.expected[name]
    outbox.close()
    assert not old.path.with_name("outbox.damaged.sqlite3").exists()


def test_a_thousand_records_of_version_1(old: Old) -> None:
    """A player who was offline for long, and an id as high as years of play make it."""
    first = 2**40
    old.run(
        *(
            ("INSERT INTO records VALUES (?, 's1', 'design', 1.7e9, NULL, ?, NULL)", (first + n, b'"n":%d}' % n))
            for n in range(1000)
        ),
        ("INSERT INTO deliveries SELECT 'first', id FROM records", ()),
        ("INSERT INTO deliveries SELECT 'second', id FROM records WHERE id % 2", ()),
    )
    outbox = SqliteOutbox(old.path, NAMES)
    assert [one.payload for one in all_of(outbox, "first")] == [b'"n":%d}' % n for n in range(1000)]
    assert [one.id for one in all_of(outbox, "second")] == [first + n for n in range(1000) if n % 2]
    outbox.close()


# --- a process that dies ------------------------------------------------------------------------------------

MIGRATES = """
import os, signal, sqlite3, sys
from pathlib import Path
from ga_pygame.kept import KeptKey
from ga_pygame.delivery.outbox.sqlite import SqliteOutbox

seen = 0

def trace(statement):
    global seen
    seen += 1
    if seen == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)

class Traced(sqlite3.Connection):
    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.set_trace_callback(trace)

real = sqlite3.connect
sqlite3.connect = lambda *arguments, **keywords: real(*arguments, factory=Traced, **keywords)
for line in sys.stdin:
    kill_at = int(line)
    if not (child := os.fork()):
        SqliteOutbox(Path(sys.argv[1]), ["first", "second"], ["sums"]).close()
        print(seen, flush=True)
        os._exit(0)
    print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Migrator:
    """A process that has imported the outbox; each of its forks opens the file once."""

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", MIGRATES, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def __enter__(self) -> Migrator:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def begin(self, kill_at: int) -> None:
        """Open the file in a fork that is killed at its n-th statement; 0: never."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{kill_at}\n")
        self._process.stdin.flush()

    def end(self) -> tuple[int, str]:
        """Wait for the fork; return how it ended and its output."""
        assert self._process.stdout is not None
        said = ""
        while not (line := self._process.stdout.readline()).startswith("ended"):
            assert line, "the migrator ended"
            said += line.strip()
        return int(line.split()[1]), said

    def migrate(self, kill_at: int) -> tuple[int, str]:
        self.begin(kill_at)
        return self.end()


@pytest.mark.e2e
@pytest.mark.posix("there is no SIGKILL")
def test_a_kill_at_any_statement_of_the_migration_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """The file is the old one or the new one, never anything between, and the next start makes the new one of it."""
    old = Old(tmp_path / "game" / "outbox.sqlite3")
    old.fill()
    template = tmp_path / "template"
    shutil.copytree(old.path.parent, template)
    with Migrator(old.path) as migrator:
        code, total = migrator.migrate(0)
        assert code == 0
        assert int(total) > 60
        for place in range(1, int(total) + 1):
            shutil.rmtree(old.path.parent)
            shutil.copytree(template, old.path.parent)
            assert migrator.migrate(place)[0] == -signal.SIGKILL
            assert_all_there(old)


@pytest.mark.e2e
@pytest.mark.posix("there is no fork")
def test_copies_that_start_at_once_on_an_old_file_migrate_it_once(tmp_path: Path) -> None:
    """Two games that the player starts together after an update."""
    old = Old(tmp_path / "game" / "outbox.sqlite3")
    old.fill()
    with Migrator(old.path) as one, Migrator(old.path) as two, Migrator(old.path) as three:
        copies = (one, two, three)
        for copy in copies:
            copy.begin(0)
        assert [copy.end()[0] for copy in copies] == [0, 0, 0]
    assert_all_there(old)


def test_a_migration_that_fails_leaves_the_old_file(old: Old) -> None:
    """A full disk in the middle of it: the old file is as it was, and the next start tries again."""
    old.fill()
    with closing(sqlite3.connect(old.path, isolation_level=None)) as connection:
        before = list(connection.iterdump())
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="full"):
            upgrade(connection, 1)
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        assert list(connection.iterdump()) == before
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert_all_there(old)


@pytest.mark.parametrize("mistake", ["ALTER TABLE sums ADD COLUMN slot", "DROP TABLE nothing", "CREATE TABEL x"])
def test_a_mistake_in_a_migration_is_a_defect_of_ours(
    old: Old, mistake: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The player's file is not taken for damaged: it stays as it is, and a corrected version delivers it."""
    old.fill()
    with monkeypatch.context() as patched:
        patched.setattr(schema, "_TABLES_OF_3", f"{schema._TABLES_OF_3};{mistake}")
        outbox = FailoverOutbox(old.path, NAMES, ManualClock(), Diagnostics())
        outbox.transact(lambda t: t.add([NewRecord("s1", "design", 1.7e9, None, b'"v":2', b'"n":"new"')]))
        assert not outbox.is_on_disk
        assert len(all_of(outbox, "first")) == 1
        outbox.close()
    (said,) = [record for record in caplog.records if "Please report" in record.getMessage()]
    assert "left as it is" in said.getMessage()
    assert not list(old.path.parent.glob("*damaged*"))
    assert_all_there(old)


def test_a_file_that_lost_its_version_is_damaged(tmp_path: Path) -> None:
    """Its tables contradict the version, so the statements that upgrade it are not to blame."""
    path = tmp_path / "game" / "outbox.sqlite3"
    SqliteOutbox(path, NAMES).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 0")
        connection.execute("PRAGMA application_id = 0")
    with pytest.raises(DamagedError):
        SqliteOutbox(path, NAMES)


# --- a damaged file -----------------------------------------------------------------------------------------


def leased(outbox: FailoverOutbox, name: str, most: int) -> Batch:
    batch = outbox.lease(name, most, 10**6)
    assert batch is not None
    return batch


def test_what_all_have_got_is_not_saved_from_a_damaged_file(tmp_path: Path) -> None:
    """A block may lie in the file though a part of it was sent to all: only the rest is sent again."""
    path = tmp_path / "game" / "outbox.sqlite3"
    outbox = FailoverOutbox(path, NAMES, ManualClock(), Diagnostics())
    some = [NewRecord("s1", "design", 1.7e9, None, b'"v":2', b'"n":%d' % number) for number in range(10)]
    outbox.transact(lambda t: t.add(some))
    for name, most in (("first", 6), ("second", 4)):
        outbox.settle(leased(outbox, name, most))
    outbox._replace(DamagedError("a page is gone"))
    outbox.transact(lambda t: t.add([NewRecord("s1", "design", 1.7e9, None, b"", b'"n":"later"')]))
    expected = [payload(b'"v":2', b'"n":%d' % number) for number in range(4, 10)] + [b'"n":"later"}']
    assert [one.payload for one in all_of(outbox, "second")] == expected
    assert [one.payload for one in all_of(outbox, "first")] == expected[2:]  # it has 4 and 5, too
    outbox.close()


def test_times_keep_their_milliseconds() -> None:
    """A line has the time in digits; whatever the clock says, it can be read again."""
    for when in (0.0, 1.7e9, 1_700_000_000.123, 1.001, -5.25, 4e12, 1e300):
        (block,) = blocks([(NewRecord("s", "design", when, None, b"", b'"a":1'), None)], 1)
        (found,) = records(columns(block))
        assert found.client_ts == pytest.approx(when, abs=0.001, rel=1e-12)
