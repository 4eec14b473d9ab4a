"""What a kill at the very next moment leaves, and what the next launch makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ga_pygame.clock import PastClock
from ga_pygame.delivery import journal as journal_module
from ga_pygame.delivery.bookkeeping import Encoder, replay
from ga_pygame.delivery.journal import SIZE, Journal, Rest
from ga_pygame.delivery.memory_outbox import MemoryOutbox
from ga_pygame.delivery.outbox import OpenSession, Orphan
from ga_pygame.events import (
    Business,
    Context,
    Design,
    Error,
    Event,
    Flow,
    Progression,
    Resource,
    SessionEnd,
    SessionRef,
    Severity,
    Status,
    User,
    WalletChange,
)
from ga_pygame.testing import ManualClock

SESSION = SessionRef("de305d54-75b4-431b-adb2-eb6b9e546014", 1000.0)
CONTEXT = Context("player", "shop-1", "1.0", ("ninja", None, "x"), {"seed": 1}, {"ab_id": "a"})
EVENTS: list[Event] = [
    User(),
    Design("kill:slime", 3),
    Design("plain"),
    Business("USD", 499, "pack", "gold", "shop"),
    Resource(Flow.SINK, "gold", 2.5, "shop", "hat"),
    WalletChange(Resource(Flow.SOURCE, "gold", 1, "pickup", "coin")),
    Progression(Status.COMPLETE, ("a", "b"), 7),
    Error(Severity.WARNING, "größer"),
    SessionEnd(12, "quit"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal-x.ring"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    made = Journal(path, ManualClock())
    yield made
    made.close()


def note(journal: Journal, event: Event, at: float = 1001.0, fields: Any = None, context: Context = CONTEXT) -> int:
    return journal.note(event, SESSION, context, at, fields)


def rest(path: Path) -> Rest:
    return Rest(path.read_bytes())


def damaged(folder: Path, events: list[Design], place: int, junk: bytes) -> Rest:
    """What is read of a journal of these events after something else was written into the file."""
    path = folder / "damaged.ring"
    made = Journal(path, ManualClock())
    for event in events:
        note(made, event)
    content = bytearray(path.read_bytes())
    made.close()
    content[place : place + len(junk)] = junk
    return Rest(bytes(content))


def test_every_kind_of_event_comes_back_as_it_was(journal: Journal, path: Path) -> None:
    """Event, session, context, time and fields: nothing of a record is lost by the file."""
    for event in EVENTS:
        assert note(journal, event, fields={"a": 1, "b": "c"})
    found = [record for _, record in rest(path).records]
    assert [record.event for record in found] == EVENTS
    for record in found:
        assert record.session is not None
        assert (record.session.id, record.session.started) == (SESSION.id, SESSION.started)
        assert record.context.user_id == "player"
        assert record.context.dimensions == CONTEXT.dimensions
        assert (record.context.fields, record.context.extra) == (CONTEXT.fields, CONTEXT.extra)
        assert (record.at, record.fields) == (1001.0, {"a": 1, "b": "c"})


def test_every_kind_of_event_can_be_noted() -> None:
    """A new kind of event cannot be forgotten here."""
    assert {type(event) for event in EVENTS} == set(journal_module._KINDS)


def test_what_is_committed_does_not_come_back(journal: Journal, path: Path) -> None:
    """The file itself knows how far the writer came."""
    numbers = [note(journal, Design(f"n:{number}")) for number in range(10)]
    journal.committed(numbers[6])
    assert [record.event for _, record in rest(path).records] == [Design(f"n:{number}") for number in (7, 8, 9)]


def test_a_changed_context_is_noted_again(journal: Journal, path: Path) -> None:
    """A record points to the context that was in force when it happened."""
    note(journal, Design("a"))
    note(journal, Design("b"), context=Context("other"))
    note(journal, Design("c"))
    assert [record.context.user_id for _, record in rest(path).records] == ["player", "other", "player"]


def test_both_halves_are_used_over_and_over(journal: Journal, path: Path) -> None:
    """A long session fits, as long as the writer keeps up; the last records are there wherever they lie."""
    for number in range(60_000):
        sequence = note(journal, Design(f"n:{number}"))
        assert sequence
        if number % 500 == 499:
            journal.committed(sequence)
    for number in range(60_000, 60_250):
        assert note(journal, Design(f"n:{number}"))
    found = [record.event for _, record in rest(path).records]
    assert found == [Design(f"n:{number}") for number in range(60_000, 60_250)]
    assert path.stat().st_size == SIZE


def test_a_writer_that_falls_behind_costs_notes_not_records(journal: Journal, path: Path) -> None:
    """Nothing that is not committed is overwritten; the rest goes without a note, and is noted again later."""
    numbers = [note(journal, Design(f"n:{number}")) for number in range(40_000)]
    kept = [number for number, sequence in enumerate(numbers) if sequence]
    assert kept == list(range(len(kept)))
    assert len(kept) < 40_000
    assert [record.event for _, record in rest(path).records] == [Design(f"n:{number}") for number in kept]
    journal.committed(max(numbers))
    assert note(journal, Design("again"))
    assert [record.event for _, record in rest(path).records] == [Design("again")]


@pytest.mark.parametrize("value", [type("Mine", (float,), {})(1.5), type("Mine", (int,), {})(3)])
def test_a_value_that_cannot_be_noted_is_recorded_without(journal: Journal, value: Any) -> None:
    """A number of some library is no reason to raise, or to lose the event."""
    assert note(journal, Design("a", value)) == 0
    assert note(journal, Design("a", 1))


def test_closing_removes_the_file(path: Path) -> None:
    """A game that ends well leaves nothing to be read."""
    made = Journal(path, ManualClock())
    made.close()
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"x" * SIZE, b"\0" * SIZE, b"short"])
def test_a_file_that_is_no_journal_is_empty(content: bytes) -> None:
    """Garbage gives nothing, and nothing worse."""
    assert Rest(content).records == []


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.integers(64, 6000), junk=st.binary(min_size=1, max_size=40))
def test_damage_ends_what_is_read_and_changes_nothing_before(tmp_path: Path, place: int, junk: bytes) -> None:
    """Whatever stands in the file: what is read is a true beginning of what was noted."""
    events = [Design(f"n:{number}") for number in range(100)]
    found = [record.event for _, record in damaged(tmp_path, events, place, junk).records]
    assert found == [Design(f"n:{number}") for number in range(len(found))]


@pytest.mark.parametrize("earlier", [0, 10, 20_000])
def test_a_sector_that_did_not_reach_the_disk_ends_what_is_read(journal: Journal, path: Path, earlier: int) -> None:
    """After a power cut some sectors are as they were before: zeros, or what an earlier lap left there."""
    for number in range(earlier):
        journal.committed(note(journal, Design(f"n:{number % 10}", float(number))))
    before = path.read_bytes()
    for number in range(100):
        assert note(journal, Design(f"n:{number % 10}", float(number)))
    after = path.read_bytes()
    changed = [place for place in range(0, SIZE, 512) if before[place : place + 512] != after[place : place + 512]]
    assert len(changed) > 10
    for place in changed:
        cut = after[:place] + before[place : place + 512] + after[place + 512 :]
        found = [record.event for _, record in Rest(cut).records]
        assert found == [Design(f"n:{number % 10}", float(number)) for number in range(len(found))]
        assert len(found) < 100


@pytest.mark.parametrize("value", [None, 0, -3, 2.5, 1e300, 2**53, 2**53 + 1, -(2**62)])
def test_a_repeated_design_event_keeps_its_value(journal: Journal, path: Path, value: float | None) -> None:
    """The short form says the same as the long one."""
    for _ in range(3):
        assert note(journal, Design("kill:slime", value))
    assert [record.event for _, record in rest(path).records] == [Design("kill:slime", value)] * 3


def test_the_short_form_belongs_to_its_session_and_context(journal: Journal, path: Path) -> None:
    """Ids are known by number, and so is whom they belong to."""
    other = SessionRef("ffffffff-75b4-431b-adb2-eb6b9e546014", 5.0)
    for session in (SESSION, SESSION, other, other, SESSION, SESSION):
        journal.note(Design("a", 1), session, CONTEXT, 7.0, None)
    assert note(journal, Design("a", 1), fields={"x": 1})
    found = [record for _, record in rest(path).records]
    assert [record.session.started for record in found if record.session] == [1000, 1000, 5, 5, 1000, 1000, 1000]
    assert [record.fields for record in found] == [None] * 6 + [{"x": 1}]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.integers(64, 6000), junk=st.binary(min_size=1, max_size=40))
def test_damage_to_the_short_form_never_raises(tmp_path: Path, place: int, junk: bytes) -> None:
    """It has no checksum; what makes no sense ends what is read."""
    found = damaged(tmp_path, [Design("a", float(number)) for number in range(100)], place, junk).records
    assert [sequence for sequence, _ in found] == sorted(sequence for sequence, _ in found)


# --- what the next launch makes of it -------------------------------------------------------------------


def stored(outbox: MemoryOutbox) -> list[dict[str, Any]]:
    found = []
    while batch := outbox.lease("test", 500, 10**7):
        found += [json.loads(record.json(None)) for record in batch.records]
        outbox.settle(batch)
    return found


def recover(outbox: MemoryOutbox, path: Path, *sessions: OpenSession) -> list[dict[str, Any]]:
    left = rest(path)
    encoder = Encoder(PastClock(left.anchor, None))
    outbox.transact(lambda transaction: replay(transaction, Orphan("x", sessions, path), left, encoder))
    return stored(outbox)


def test_a_session_that_was_never_committed_is_whole(journal: Journal, path: Path) -> None:
    """A game that is killed 10 ms after its start: its session starts, is numbered, and ends once."""
    for event in (User(), Design("a"), Progression(Status.START, ("l", "1"))):
        note(journal, event)
    found = recover(MemoryOutbox(["test"]), path)
    assert [event["category"] for event in found] == ["user", "design", "progression", "progression", "session_end"]
    assert {event["session_num"] for event in found} == {1}
    assert found[-2]["event_id"] == "Fail:l:1"
    assert found[-2]["attempt_num"] == 1
    assert {event["client_ts"] for event in found} == {1_700_000_001, 1_700_000_000} or all(
        1_700_000_000 <= event["client_ts"] <= 1_700_000_001 for event in found
    )


def test_the_rest_of_a_session_goes_on_where_its_row_stopped(journal: Journal, path: Path) -> None:
    """Numbers, wallet and the open attempt come from the row, the last events from the journal."""
    row = OpenSession(
        SESSION.id, 5, 1.7e9, 1.7e9, None, 42.0, b'"user_id":"player"', "l:1", {("Source", "gold", "pickup", "coin"): 3}
    )
    note(journal, Business("USD", 1, "a", "b"))
    note(journal, WalletChange(Resource(Flow.SOURCE, "gold", 1, "pickup", "coin")))
    note(journal, Progression(Status.COMPLETE, ("l", "1"), 9))
    found = recover(MemoryOutbox(["test"]), path, row)
    assert [event["category"] for event in found] == ["business", "resource", "progression", "session_end"]
    assert found[1]["amount"] == 4
    assert (found[2]["event_id"], found[2]["attempt_num"]) == ("Complete:l:1", 1)
    assert found[3]["length"] == 43
    assert {event["session_num"] for event in found} == {5}


@pytest.mark.parametrize(("row_at", "length"), [(1_700_000_000.4, 43), (1_699_999_000.0, 42)])
def test_a_session_lasted_until_its_last_record(journal: Journal, path: Path, row_at: float, length: int) -> None:
    """What was played since the row was saved counts; a pause since then does not."""
    row = OpenSession(SESSION.id, 1, 1.6e9, row_at, None, 42.5, b'"user_id":"player"')
    note(journal, Design("last"), at=1001.0)
    found = recover(MemoryOutbox(["test"]), path, row)
    assert found[-1]["length"] == length
    assert found[-1]["client_ts"] == 1_700_000_001


def test_what_the_outbox_has_is_not_added_again(journal: Journal, path: Path) -> None:
    """A kill between the commit and the note of it in the file doubles nothing."""
    numbers = [note(journal, Design(f"n:{number}")) for number in range(4)]
    outbox = MemoryOutbox(["test"])
    outbox.values["journal:x"] = str(numbers[1])
    row = OpenSession(SESSION.id, 1, 1.7e9, 1.7e9, None, 1.0, b'"user_id":"player"')
    found = recover(outbox, path, row)
    assert [event.get("event_id") for event in found] == ["n:2", "n:3", None]
    assert recover(outbox, path) == []


def test_a_session_that_had_ended_is_not_ended_again(journal: Journal, path: Path) -> None:
    """The end may be among what was not committed."""
    row = OpenSession(SESSION.id, 1, 1.7e9, 1.7e9, None, 1.0, b'"user_id":"player"')
    outbox = MemoryOutbox(["test"])
    outbox.transact(lambda transaction: transaction.save_session(row))
    note(journal, Design("last"))
    note(journal, SessionEnd(7, "quit"))
    found = recover(outbox, path, row)
    assert [(event["category"], event.get("length")) for event in found] == [("design", None), ("session_end", 7)]
