"""The page's data, without a browser: rows, texts, and which reads happen when."""

from __future__ import annotations

import asyncio
import gzip
import json
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_pygame.collector import plain_text, tracebacks
from ga_pygame.collector.emulators.pogr import store as pogr_store
from ga_pygame.collector.emulators.switchboard import EmulatorFile
from ga_pygame.collector.emulators.trophy.rules import Rules
from ga_pygame.collector.page import feed, rows, service_rows, snapshots
from ga_pygame.collector.storage import queries, reading, store
from ga_pygame.collector.stores.local import LocalStore
from ga_pygame.collector.troubles import MAX_OF_A_KIND, Troubles
from ga_pygame.collector.warehouse.database import NotReady
from ga_pygame.collector.warehouse.projector import Progress
from ga_pygame.collector.warehouse.running import Warehouse
from tests.test_collector_store import KEY, design, put, submission

NOW = 1_760_000_000.0


def arrival(errors: list[dict[str, str]] | None = None, **event: Any) -> queries.Arrival:
    category = event.get("category", "design")
    return queries.Arrival(1, NOW, KEY, category, json.dumps(event).encode(), errors or [])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.sqlite3"


@pytest.fixture
def opened(path: Path) -> Iterator[store.Store]:
    opened = store.Store(path)
    yield opened
    opened.close()


# --- texts -----------------------------------------------------------------------------------------------


def raised(act: Callable[[], object]) -> str:
    try:
        act()
    except BaseException:  # noqa: BLE001 - SyntaxError and all
        return traceback.format_exc()
    raise AssertionError


def chained() -> None:
    try:
        dict[str, int]()["x"]
    except KeyError as error:
        raise ValueError("two\nlines\n  one indented") from error


GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "a.py", line 1, in b
  | ExceptionGroup: many (1 sub-exception)
  +-+---------------- 1 ----------------
    | ValueError: 1
    +------------------------------------
"""


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (raised(lambda: dict[str, int]()["sword"]), "KeyError: 'sword'"),
        (raised(chained), "ValueError: two"),
        (raised(lambda: compile("a b", "x", "exec")), "SyntaxError: invalid syntax"),
        ("NullReferenceException: gone\n  at Foo.Bar ()\n  at Baz ()", "NullReferenceException: gone"),
        ("one line", "one line"),
        ("first\nsecond\nlast\n", "last · first"),
        ("\n \n", ""),
        (GROUP, "ExceptionGroup: many (1 sub-exception)"),
    ],
)
def test_an_error_is_named_by_its_exception(message: str, line: str) -> None:
    """A traceback's row begins with what was raised, however many frames and lines there are around it."""
    assert tracebacks.headline(message) == line
    row = rows.row_of_event(arrival(category="error", severity="critical", message="x" * 50_000 + "\n" + message))
    assert row["cells"][2].startswith("critical")


@given(st.text())
def test_nothing_is_shown_that_is_not_seen(text: str) -> None:
    """Whatever a text holds, what is shown of it can be seen; what can be seen stays as it is."""
    shown = plain_text.visible(text)
    assert all(one.isprintable() or one.isspace() for one in shown)
    assert not any(ord(one) < 32 or 0x7F <= ord(one) < 0xA0 for one in shown)
    if text.isascii() and text.isprintable():
        assert shown == text
    assert len(rows.short(text, 10)) <= 10


@given(
    st.recursive(
        st.text() | st.integers() | st.booleans(), lambda some: st.lists(some) | st.dictionaries(st.text(), some)
    )
)
def test_an_exported_line_is_the_same_json(value: Any) -> None:
    """It is one line, holds nothing that a terminal acts on, and says the same."""
    try:
        raw = json.dumps(value, ensure_ascii=False, indent=1).encode()
    except UnicodeEncodeError:  # half a surrogate pair cannot be stored
        return
    line = plain_text.one_line(raw)
    assert json.loads(line) == value
    assert not any(one < 32 or one == 0x7F for one in line)
    assert not set(line.decode()) & set("\x80\x9b\x9f\u200b\u200e\u2028\u202a\u202e\u2066\ufeff\U000e0041")


@pytest.mark.parametrize(
    ("client_ts", "shown", "late"),
    [
        (NOW - 5, NOW - 5, ""),
        (NOW - 3 * 3600, NOW - 3 * 3600, "came 3 h later"),
        (NOW - 10 * 86400, NOW - 10 * 86400, "came 10 days later"),
        (NOW + 7200, NOW + 7200, "the player's clock is 2 h ahead"),
        (None, None, ""),
        ("yesterday", None, ""),
        (True, None, ""),
        (-1, None, ""),
        (1e300, None, ""),
        (2**80, None, ""),
    ],
)
def test_the_time_is_the_events_own(client_ts: Any, shown: float | None, late: str) -> None:
    """What it says itself, if that is a time; and whether it came much later."""
    assert rows.row_of_event(arrival(client_ts=client_ts))["cells"][0] == [shown, NOW, late]


def test_no_event_stops_the_feed(opened: store.Store, path: Path) -> None:
    """Numbers without end, deep nesting, megabytes, wrong types: each gets a short row."""
    hostile: list[bytes] = [
        b'{"category":"design","value":' + b"9" * 5000 + b"}",
        b'{"category":"error","message":' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"category":"design","event_id":"' + b"x" * 300_000 + b'"}',
        b'{"category":"progression","event_id":{"a":1},"user_id":[1],"client_ts":{}}',
        b'{"category":"error","message":5,"severity":["x"]}',
    ]
    accepted = [(design(str(number)), raw) for number, raw in enumerate(hostile)]
    put(opened, store.Submission(KEY, NOW, accepted, (), 100))
    reader = queries.Queries(path)
    shown = feed.Feed(feed.FeedKey())
    shown.add(shown.look(reader))
    assert [row["id"] for row in shown.since(0)] == [5, 4, 3, 2, 1]
    assert all(len(json.dumps(row)) < 1000 for row in shown.since(0))
    reader.close()


# --- what is read ----------------------------------------------------------------------------------------


def test_a_filter_reads_only_what_is_new(opened: store.Store, path: Path) -> None:
    """A batch that was searched once is not unpacked again, even if it has nothing of the category."""
    put(opened, *(submission(*(design(f"{number}-{one}") for one in range(50))) for number in range(20)))
    reader = queries.Queries(path)
    unpacked: list[int] = []
    whole = reader._parts

    def parts(row: Any) -> Any:
        unpacked.append(1)
        return whole(row)

    reader._parts = parts  # type: ignore[method-assign]
    shown = feed.Feed(feed.FeedKey("design"))
    shown.add(shown.look(reader))
    assert len(shown.since(0)) == feed.ROWS_KEPT
    assert len(unpacked) == 4  # what 200 rows need
    unpacked.clear()
    put(opened, submission(design("new"), design("other", category="user")))
    shown.add(shown.look(reader))
    assert shown.since(0)[0]["cells"][1] == "design"
    assert len(unpacked) == 1
    other = feed.Feed(feed.FeedKey("business"))
    other.add(other.look(reader))
    assert other.since(0) == []
    assert len(unpacked) == 1
    reader.close()


@pytest.mark.e2e
def test_a_look_is_bounded(opened: store.Store, path: Path) -> None:
    """A category that is rare in large requests is looked for in a bounded number of events."""
    many = [design(f"{number}", category="user" if number == 0 else "design") for number in range(4000)]
    for number in range(10):
        events = [{**one, "event_uuid": f"{number}-{one['event_uuid']}"} for one in many]
        raws = [json.dumps(one).encode() for one in events]
        body = gzip.compress(b"[" + b",".join(raws) + b"]")
        put(opened, store.Submission(KEY, NOW, list(zip(events, raws, strict=True)), (), 1, body))
    reader = queries.Queries(path)
    assert 0 < len(reader.newest(0, 200, "user")) < 10
    reader.close()


def test_a_damaged_request_costs_only_itself(opened: store.Store, path: Path) -> None:
    """One that cannot be unpacked is left out of the feed, the API and the export, and counted."""
    body = gzip.compress(b'[{"category":"design"}]')
    for number, kept in enumerate((body, body[:12] + b"\xff\xff\xff" + body[15:], body)):
        put(opened, store.Submission(KEY, NOW, [(design(str(number)), b"{}")], (), 1, kept))
    reader = queries.Queries(path)
    assert [one.id for one in reader.newest(0, 9)] == [3, 1]
    assert [one.id for one in reader.arrivals(0, 9)] == [1, 3]
    assert len(list(reader.stored())) == 2
    assert reader.unreadable == 3
    reader.close()


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        ({"fps": 59.97, "frame_ms_p99": 22.314, "mem_mb": 120.0}, "59.97 fps · p99 22.31 ms · 120 MB"),
        ({"fps": "fast", "frame_ms_p99": True, "mem_mb": 90.5}, "90.5 MB"),
        ({"fps_data_table": [0, 5]}, ""),
    ],
)
def test_a_sample_of_health_is_told_by_its_numbers(sample: dict[str, Any], words: str) -> None:
    """Official SDKs send tables instead, once a session; those are in the JSON only."""
    assert rows.row_of_event(arrival(category="health", **sample))["cells"][2] == words


def test_large_rows_of_pogr_are_not_read(opened: store.Store, path: Path) -> None:
    """A row of megabytes is named, and neither read from the file nor decoded."""
    large = b'{"log":"' + b"x" * 2_000_000 + b'"}'
    for body in (large, b'{"log":"small"}'):
        row = pogr_store.NewRow("r", None, "logs", NOW, NOW, (), body)
        opened.change(store.Change(pogr_store.add(row), 0)).result(timeout=20)
    db = reading.connect_to_read(path)
    found = pogr_store.newest_rows(db, 9, rows.MAX_DECODED_BYTES)
    assert [service_rows.row_of_pogr_row(one)["cells"][2] for one in found] == ["small", "too large to be shown here"]
    assert [len(one.json) for one in pogr_store.newest_rows(db, 9)] == [15, len(large)]
    db.close()


def page_of(opened: store.Store, projected: list[int]) -> snapshots.Snapshots:
    """Make the page of a store whose warehouse has projected so many events and cannot be asked now."""

    class Standing:
        @property
        def progress(self) -> Progress:
            return Progress(projected[0], projected[0], 0)

        def ask(self, question: object) -> None:
            raise NotReady

    kept = LocalStore(opened, cast("Warehouse", Standing()))
    return snapshots.Snapshots(kept, EmulatorFile(opened.path, Rules()), Troubles())


def test_nothing_is_asked_while_nothing_is_written(opened: store.Store) -> None:
    """A quiet collector costs one look at a number; a new file of the store is followed."""
    asked: list[str] = []

    async def story() -> None:
        page = page_of(opened, [0])
        try:
            put(opened, submission(design("a")), submission(design("b"), key="0" * 32))
            await page.keep({feed.FeedKey()})
            assert (await page.look()).numbers.accepted == 2
            assert page.snapshot.several_games
            assert isinstance(page._queries, queries.Queries)
            reader = page._queries._reader

            class Watch:
                def execute(self, text: str, values: Any = ()) -> sqlite3.Cursor:
                    asked.append(text)
                    return reader.execute(text, values)

            page._queries._db = Watch()  # type: ignore[assignment]
            for _ in range(4):
                await page.look()
            assert set(asked) == {"PRAGMA data_version"}
            put(opened, submission(design("c")))
            assert (await page.look()).numbers.accepted == 3
            shown = page.open_feed(feed.FeedKey())
            assert shown is not None
            assert [row["id"] for row in shown.since(0)] == [3, 2, 1]
            await page.keep({feed.FeedKey("design")})
            assert page.open_feed(feed.FeedKey()) is None
        finally:
            page.close()

    asyncio.run(story())


def test_views_ask_again_when_the_metrics_have_caught_up(opened: store.Store) -> None:
    """A change of the file, and a change of what is projected from it, each count once; nothing else does."""
    projected = [0]

    async def story() -> None:
        page = page_of(opened, projected)
        try:
            counts = [(await page.look()).changes for _ in range(2)]
            put(opened, submission(design("a")))
            counts += [(await page.look()).changes for _ in range(2)]
            projected[0] = 1
            counts += [(await page.look()).changes for _ in range(2)]
            assert counts == [1, 1, 2, 2, 3, 3]
        finally:
            page.close()

    asyncio.run(story())


def test_troubles_are_bounded_and_go_away() -> None:
    """One of each cause, the newest of many of a kind; a cleared one is gone, and no number of a kind hides ours."""
    status = Troubles()
    status.tell("file", "the file is gone")
    for number in range(25):
        status.tell(f"game {number}", f"{number}", kind="games")
    status.tell("game 24", "again", "--game KEY:SECRET", kind="games")
    status.clear("game 23")
    status.clear("unknown")
    shown = ["the file is gone", "And 19 more games, before these:", "19", "20", "21", "22", "again"]
    assert [one.text for one in status.present()] == shown
    for number in range(1000):
        status.tell(f"forged {number}", f"{number}", kind="games")
    assert len(status.present()) == MAX_OF_A_KIND + 2
    assert "at least" in status.present()[1].text
    status.clear("file")
    assert len(status.present()) == MAX_OF_A_KIND + 1
