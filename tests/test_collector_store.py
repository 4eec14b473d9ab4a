"""The collector's file: its contents, their order, and how they are read."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.collector.storage import queries, schema, seen, store
from ga_pygame.collector.storage.reading import Asker
from tests.conftest import eventually

KEY = "5c6bcb5402204249437fb5a7a80a4959"


def submission(*events: dict[str, Any], rejected: tuple[str, ...] = (), key: str = KEY) -> store.Submission:
    accepted = [(event, json.dumps(event, ensure_ascii=False).encode()) for event in events]
    refused = [
        store.RejectedEvent("design", text.encode(), '[{"error_type":"no_match","path":"/x"}]') for text in rejected
    ]
    return store.Submission(key, 1_760_000_000.5, accepted, refused, size=100)


def design(uuid: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"category": "design", "event_uuid": uuid, "session_id": "s", "session_num": 1, **fields}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.sqlite3"


@pytest.fixture
def opened(path: Path) -> Iterator[store.Store]:
    """Open an empty store."""
    opened = store.Store(path)
    yield opened
    opened.close()


def put(opened: store.Store, *submissions: store.Submission) -> None:
    futures = [opened.submit(one) for one in submissions]
    for future in futures:
        future.result(timeout=20)


def test_done_means_readable_by_another_connection(opened: store.Store, path: Path) -> None:
    """A submission is done only when its commit is: another connection sees it at once."""
    reader = queries.Queries(path)
    for number in range(20):
        put(opened, submission(design(str(number))))
        assert reader.summary()["accepted"] == {"design": number + 1}
    reader.close()


def test_accepted_and_rejected_share_one_order(opened: store.Store, path: Path) -> None:
    """Ids tell the order of arrival across both kinds."""
    put(opened, submission(design("a")))
    put(opened, submission(rejected=("{}",)))
    put(opened, submission(design("b"), rejected=("[]",)))
    reader = queries.Queries(path)
    assert [(one.id, bool(one.errors)) for one in reader.arrivals(0, 10)] == [
        (1, False),
        (2, True),
        (3, False),
        (4, True),
    ]
    assert [one.id for one in reader.newest(1, 10)] == [4, 3, 2]
    assert [one.id for one in reader.newest(0, 10, "rejected")] == [4, 2]
    assert [one.id for one in reader.newest(0, 1, "design")] == [4]
    assert reader.newest(0, 10, "user") == []
    reader.close()


def test_events_come_out_as_they_went_in(opened: store.Store, path: Path) -> None:
    """Key order, number spellings, escapes and unknown fields are kept byte by byte; a line is a line."""
    texts = ['{"z":1.0,"a":1e2,"z":2}', '{ "n" : 123456789012345678901234567890 }', '{"s":"\\u00fc ü \\ud83d"}']
    spread = '{\n  "a": 1,\r\n  "b": "\\n"\n}'
    events = [(design(), text.encode()) for text in [*texts, spread]]
    put(opened, store.Submission(KEY, 1.0, events, (), size=1))
    reader = queries.Queries(path)
    assert list(reader.stored()) == [*(text.encode() for text in texts), b'{   "a": 1,    "b": "\\n" }']
    reader.close()


def test_rejected_ones_come_out_with_their_errors(opened: store.Store, path: Path) -> None:
    """The export of rejected events carries the event as sent and the broken rules."""
    put(opened, submission(rejected=('{"b":1,"a":2}',)))
    reader = queries.Queries(path)
    (line,) = reader.rejected()
    assert line.startswith(b'{"event":{"b":1,"a":2},"errors":[')
    assert json.loads(line)["errors"] == [{"error_type": "no_match", "path": "/x"}]
    reader.close()


def test_duplicates_move_no_counter(opened: store.Store, path: Path) -> None:
    """An event seen before, in this batch or an earlier one, changes nothing but the count of duplicates."""
    start = design("p", category="progression", event_id="Complete:a", attempt_num=3)
    put(opened, submission(start, design("x"), start))
    put(opened, submission(*(design(f"n{number}") for number in range(250)), start, design("x")))
    reader = queries.Queries(path)
    found = reader.summary()
    assert found["accepted"] == {"design": 251, "progression": 1}
    assert found["duplicates"] == 3
    assert len(list(reader.stored())) == 252
    reader.close()


def test_one_that_cannot_be_stored_does_not_take_others_along(path: Path) -> None:
    """A request that no row can hold fails alone; what was committed together with it is kept."""
    opened = store.Store(path)
    bad = replace(submission(design("bad")), received_at=2**70)
    futures: list[Future[int]] = []
    for number in range(30):
        futures.append(opened.submit(submission(design(f"g{number}"))))
        futures.append(opened.submit(bad))
    problems = [future.exception(timeout=20) for future in futures]
    opened.close()
    assert [problem is None for problem in problems] == [True, False] * 30
    reader = queries.Queries(path)
    assert reader.summary()["accepted"] == {"design": 30}
    reader.close()


def test_a_game_whose_first_event_cannot_be_stored_is_known_later(opened: store.Store, path: Path) -> None:
    """After a failed transaction its undone rows are not used: the next events find their game."""
    failed = opened.submit(replace(submission(design("bad")), received_at=2**70))
    assert failed.exception(timeout=20) is not None
    put(opened, submission(design("good")))
    reader = queries.Queries(path)
    assert [one.game_key for one in reader.arrivals(0, 10)] == [KEY]
    reader.close()


def test_too_much_waiting_is_refused(opened: store.Store) -> None:
    """The queue of batches to write is bounded; above the bound the sender is told to retry later."""
    huge = store.Submission(KEY, 1.0, (), (), size=store.MAX_WAITING_BYTES + 1)
    with pytest.raises(store.StoreFull):
        opened.submit(huge)
    put(opened, submission(design("a")))


def test_closing_writes_what_waits(path: Path) -> None:
    """Batches that were submitted before the end are written."""
    opened = store.Store(path)
    futures = [opened.submit(submission(design(str(number)))) for number in range(200)]
    opened.close()
    assert all(future.done() and future.exception() is None for future in futures)
    with pytest.raises(store.StoreFull):
        opened.submit(submission(design("late")))


def test_two_collectors_may_share_a_file(path: Path) -> None:
    """Two writers of one file neither lose nor mix up ids, and see each other's duplicates."""
    first, second = store.Store(path), store.Store(path)
    futures = []
    for number in range(50):
        futures.append(first.submit(submission(design(f"a{number}"), design("same"))))
        futures.append(second.submit(submission(design(f"b{number}"), design("same"))))
    for future in futures:
        future.result(timeout=60)
    first.close()
    second.close()
    reader = queries.Queries(path)
    assert reader.summary()["accepted"] == {"design": 101}
    assert reader.summary()["duplicates"] == 99
    reader.close()


def test_file_is_found_again(path: Path) -> None:
    """A second start goes on with the file of the first, and only its owner can read it."""
    for name in ("a", "b"):
        opened = store.Store(path)
        put(opened, submission(design(name)))
        opened.close()
    reader = queries.Queries(path)
    assert len(list(reader.stored())) == 2
    reader.close()
    assert os.name == "nt" or path.stat().st_mode & 0o077 == 0


def test_doubles_are_known_after_a_restart_and_from_the_index(path: Path) -> None:
    """What was stored once stays known: in memory, in the index, read again at a start, and for each game alone."""
    opened = store.Store(path)
    put(opened, submission(design("a"), design("b"), design(None)), submission(design("a"), key="other"))
    opened.close()
    db = schema.connect_to_write(path)
    for known in (seen.SeenIds(db), seen.SeenIds(db, kept=2), seen.SeenIds(db)):
        known.tidy()
        assert known.among(1, {"a", "b", "c"}) == {"a", "b"}
        assert known.among(2, {"a", "b", "c"}) == {"a"}
    assert db.execute("SELECT count(*) FROM seen").fetchone() == (3,)
    db.close()
    opened = store.Store(path)
    put(opened, submission(*(design(name) for name in ("a", "b", "c"))))
    opened.close()
    reader = queries.Queries(path)
    assert reader.summary()["duplicates"] == 2
    assert len(list(reader.stored())) == 5
    reader.close()


@pytest.mark.parametrize("packed", [False, True])
def test_a_request_kept_whole_is_read_event_by_event(opened: store.Store, path: Path, packed: bool) -> None:
    """The events of one body have ids, categories and bytes of their own, wherever reading begins and ends."""
    events = [design(f"{number}", category="user" if number % 3 else "design") for number in range(7)]
    raws = [json.dumps(event).encode() for event in events]
    body = b"[" + b" , ".join(raws) + b"]"
    accepted = list(zip(events, raws, strict=True))
    put(opened, store.Submission(KEY, 1.0, accepted, (), len(body), gzip.compress(body) if packed else body))
    put(opened, store.Submission(KEY, 2.0, [*accepted[:1], (design("new"), b'{"new":1}')], (), 1, body))
    reader = queries.Queries(path)
    assert list(reader.stored()) == [*raws, b'{"new":1}']
    assert [one.id for one in reader.arrivals(2, 4)] == [3, 4, 5, 6]
    assert [one.json for one in reader.arrivals(5, 10)] == [*raws[5:], b'{"new":1}']
    assert [one.id for one in reader.newest(0, 4, "design")] == [8, 7, 4, 1]
    assert [one.id for one in reader.newest(2, 10, "user")] == [6, 5, 3]
    assert [(one.received_at, one.category) for one in reader.newest(6, 9)] == [(2.0, "design"), (1.0, "design")]
    assert reader.newest_id() == 8
    reader.close()


def test_a_file_with_a_row_for_each_event_is_taken_over(path: Path) -> None:
    """A file of an earlier version keeps its events, their order, and what is known as stored."""
    raws = [b'{"category":"design","event_uuid":"a"}', b'{ "category" : "user", "text": "\xc3\xbc" }']
    old = sqlite3.connect(path)
    for version in schema._VERSIONS[:2]:
        old.executescript(version)
    old.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    old.execute("PRAGMA user_version = 2")
    old.execute("INSERT INTO games VALUES (1, ?)", (KEY,))
    insert = "INSERT INTO events (id, game_id, received_at, category, event_uuid, json) VALUES (?, 1, 5, ?, ?, ?)"
    old.executemany(insert, [(1, "design", "a", raws[0]), (3, "user", None, raws[1])])
    old.commit()
    old.close()
    with pytest.raises(schema.StoreError, match="older"):
        queries.Queries(path)
    opened = store.Store(path)
    put(opened, submission(design("a"), design("b")))
    opened.close()
    reader = queries.Queries(path)
    assert list(reader.stored())[:2] == raws
    assert [(one.id, one.category) for one in reader.arrivals(0, 9)] == [(1, "design"), (3, "user"), (4, "design")]
    assert reader.summary()["duplicates"] == 1
    reader.close()


def test_temporary_file_is_removed() -> None:
    """A collector that keeps nothing leaves no file behind."""
    path = schema.temporary_path()
    opened = store.Store(path, temporary=True)
    put(opened, submission(design("a")))
    opened.close()
    assert list(path.parent.glob(f"{path.name}*")) == []


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    """A file that is no collector's is refused with the reason, and not changed."""
    text = tmp_path / "notes.txt"
    text.write_text("not a database at all, just a longer text")
    other = tmp_path / "other.sqlite3"
    db = sqlite3.connect(other)
    db.execute("CREATE TABLE mine (x)")
    db.close()
    newer = tmp_path / "newer.sqlite3"
    store.Store(newer).close()
    db = sqlite3.connect(newer)
    db.execute("PRAGMA user_version = 99")
    db.close()
    cases = {text: "not a database", other: "another program", newer: "newer", tmp_path: "cannot open"}
    cases[tmp_path / "missing" / "x.sqlite3"] = "does not exist"
    for path, words in cases.items():
        with pytest.raises(schema.StoreError, match=words):
            schema.connect_to_write(path)
    for path, words in {text: "cannot read", other: "not a collector", tmp_path / "none": "no file"}.items():
        with pytest.raises(schema.StoreError, match=words):
            queries.Queries(path)
    assert text.read_text().startswith("not a database")


def test_what_is_stored_does_not_stay_in_memory(tmp_path: Path) -> None:
    """The last thing that came is let go when it is committed, not when the next one comes."""
    opened = store.Store(tmp_path / "c.sqlite3")

    def write(db: sqlite3.Connection) -> int:
        return int(db.execute("SELECT 7").fetchone()[0])

    held = weakref.ref(write)
    assert opened.change(store.Change(write, 1)).result(60) == 7
    del write
    assert eventually(lambda: held() is None)
    opened.close()


@pytest.mark.e2e
def test_an_asker_reads_beside_the_loop_and_follows(opened: store.Store, path: Path) -> None:
    """Questions are answered on another thread, one after the other, and of the file that is there now."""
    asker = Asker(opened)

    def question(db: sqlite3.Connection) -> tuple[int, int]:
        return threading.get_ident(), db.execute("SELECT count(*) FROM batches").fetchone()[0]

    async def ask() -> tuple[int, int]:
        return await asker.ask(question)

    put(opened, submission(design("a")))
    thread, number = asyncio.run(ask())
    assert (thread == threading.get_ident(), number) == (False, 1)
    if os.name == "posix":  # elsewhere nobody can remove a file that is open
        path.unlink()
        assert eventually(lambda: opened.generation == 2, 5)
        assert asyncio.run(ask()) == (thread, 0)
    asker.close()
