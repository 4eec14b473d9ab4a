"""The journal after a kill at any moment, and what the next launch reads from it."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ga_pygame import events as events_module
from ga_pygame.clock import PastClock
from ga_pygame.delivery.encoder import Encoder
from ga_pygame.delivery.outbox.contract import DeadLaunch
from ga_pygame.delivery.outbox.memory import MemoryOutbox
from ga_pygame.delivery.outbox.open_session import OpenSession
from ga_pygame.delivery.recovery import replay
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.events import (
    Ad,
    Business,
    Design,
    Error,
    Flow,
    Health,
    Impression,
    Progression,
    Resource,
    SdkInit,
    SessionEnd,
    SessionHealth,
    Severity,
    Status,
    Troubleshooting,
    User,
    WalletChange,
)
from ga_pygame.kept import journal_position
from ga_pygame.kinds import Event
from ga_pygame.recording.inbox import Inbox
from ga_pygame.recording.journal import Journal
from ga_pygame.recording.leftover import Leftover
from ga_pygame.records import Context, Repeated, SessionRef
from ga_pygame.testing import ManualClock
from tests.effort import examples
from tests.small_journals import HALF, KINDS, MORE_THAN_FITS, ROWS_OF_A_HALF, SIZE

pytestmark = pytest.mark.usefixtures("small_journals")

SESSION = SessionRef("de305d54-75b4-431b-adb2-eb6b9e546014", 1000.0)
CONTEXT = Context(
    "player",
    external_user_id="shop-1",
    build="1.0",
    dimensions=("ninja", None, "x"),
    fields={"seed": 1},
    extra={"ab_id": "a"},
)
EVENTS: list[Event] = [
    User(),
    Design("kill:slime", 3),
    Design("plain"),
    Business("USD", 499, "pack", "gold", "shop"),
    Business("EUR", 99, "pack", "gems", None, {"store": "google_play", "receipt": "QUJD", "signature": "x="}),
    Ad("failed_show", "video", "AdMob", "after level", "no_fill"),
    Troubleshooting(),
    Resource(Flow.SINK, "gold", 2.5, "shop", "hat"),
    WalletChange(Resource(Flow.SOURCE, "gold", 1, "pickup", "coin")),
    Progression(Status.COMPLETE, ("a", "b"), 7),
    Error(Severity.WARNING, "größer"),
    SessionEnd(12, "quit"),
    Health(1.5, (0, 60, 3)),
    SessionHealth((1,) * 121, (0,) * 101, (), (("cpu_num_cores", 8),)),
    Impression("admob", {"publisher_revenue": 0.5, "is_test": True}),
    SdkInit(812, (("cpu_model", "x"),)),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal-x.ring"


class Noted:
    """A journal to which an inbox writes, and the writer's position."""

    def __init__(self, path: Path, session: SessionRef = SESSION, context: Context = CONTEXT) -> None:
        self.clock = ManualClock()
        self.diagnostics = Diagnostics()
        self.journal = Journal(path, self.clock)
        self.inbox = Inbox(self.clock.monotonic, self.diagnostics)
        self.inbox.attach(self.journal)
        self.inbox.use(session, context)

    def note(self, *events: Event, at: float = 1001.0, fields: Any = None) -> None:
        for event in events:
            self.inbox.record(event, self.inbox.stamp, at, fields)

    def commit(self, most: int = 500) -> list[Event]:
        """Take as the writer does; commit the items and tell the journal."""
        items = self.inbox.take(most)
        self.journal.committed(self.journal.position)
        return [item.record().event if isinstance(item, Repeated) else item.event for item in items]

    def commit_all(self) -> list[Event]:
        found = []
        while some := self.commit():
            found += some
        return found


@pytest.fixture
def noted(path: Path) -> Iterator[Noted]:
    made = Noted(path)
    yield made
    made.journal.close()


def rest(path: Path) -> Leftover:
    return Leftover(path.read_bytes())


def events_of(left: Leftover) -> list[Event]:
    return [record.event for _, record in left.records]


def numbers(*values: int) -> list[Event]:
    return [Design(f"n:{value}") for value in values]


def is_part(found: Sequence[Event], whole: Sequence[Event]) -> bool:
    """Return whether these are some of those events, in the same order and each once."""
    rest = iter(whole)
    return all(event in rest for event in found)


def damaged(folder: Path, events: Sequence[Event], place: int, junk: bytes, fields: Any = None) -> Leftover:
    """Write other bytes into the journal of these events; return what is read then."""
    path = folder / "damaged.ring"
    made = Noted(path)
    made.note(*events, fields=fields)
    content = bytearray(path.read_bytes())
    made.journal.close()
    content[place : place + len(junk)] = junk
    return Leftover(bytes(content))


@pytest.mark.parametrize("fields", [None, {"a": 1, "b": "c"}])
def test_every_kind_of_event_comes_back_as_it_was(noted: Noted, path: Path, fields: Any) -> None:
    """Event, session, context, time and fields: nothing of a record is lost by the file."""
    noted.note(*EVENTS, fields=fields)
    found = [record for _, record in rest(path).records]
    assert [record.event for record in found] == EVENTS
    for record in found:
        assert record.session is not None
        assert (record.session.id, record.session.started) == (SESSION.id, SESSION.started)
        assert record.context.user_id == "player"
        assert record.context.external_user_id == "shop-1"
        assert record.context.build == "1.0"
        assert record.context.dimensions == CONTEXT.dimensions
        assert (record.context.fields, record.context.extra) == (CONTEXT.fields, CONTEXT.extra)
        assert (record.at, record.fields) == (1001.0, fields)


def test_every_kind_of_event_can_be_noted() -> None:
    """A new kind of event cannot be forgotten here."""
    kinds = {
        value
        for value in vars(events_module).values()
        if isinstance(value, type) and issubclass(value, Event) and value is not Event
    }
    assert {type(event) for event in EVENTS} == kinds


def test_what_is_committed_does_not_come_back(noted: Noted, path: Path) -> None:
    """The file itself has the writer's position."""
    noted.note(*numbers(*range(10)))
    assert noted.commit(7) == numbers(*range(7))
    assert events_of(rest(path)) == numbers(7, 8, 9)


def test_what_is_taken_and_not_committed_comes_back(noted: Noted, path: Path) -> None:
    """A kill in the middle of a transaction loses none of its records."""
    noted.note(*numbers(*range(10)))
    assert len(noted.inbox.take(7)) == 7
    assert events_of(rest(path)) == numbers(*range(10))


def test_a_changed_context_is_noted_again(noted: Noted, path: Path) -> None:
    """A record points to the context that was in force when it happened."""
    noted.note(Design("a"))
    noted.inbox.use(SESSION, Context("other"))
    noted.note(Design("b"))
    noted.inbox.use(SESSION, CONTEXT)
    noted.note(Design("c"))
    assert [record.context.user_id for _, record in rest(path).records] == ["player", "other", "player"]


@pytest.mark.parametrize("fields", [None, {"x": 1}])
def test_both_halves_are_used_over_and_over(noted: Noted, path: Path, fields: Any) -> None:
    """A long session fits, as long as the writer keeps up; the last records are there wherever they lie."""
    many = 7 * ROWS_OF_A_HALF
    for number in range(many):
        noted.note(Design("n", number), fields=fields)
        if number % 128 == 127:
            noted.commit()
    noted.note(*(Design("n", number) for number in range(many, many + 250)), fields=fields)
    left = rest(path)
    assert events_of(left) == [Design("n", number) for number in range(many, many + 250)]
    assert {record.fields == fields and record.context.user_id for _, record in left.records} == {"player"}
    assert path.stat().st_size == SIZE


def test_a_writer_that_falls_behind_costs_notes_not_records(noted: Noted, path: Path) -> None:
    """No uncommitted entry is overwritten; further ones stay in memory, and later ones go to the journal again."""
    noted.note(*(Design("n", number) for number in range(2 * MORE_THAN_FITS)))
    kept = len(rest(path).records)
    assert MORE_THAN_FITS // 2 < kept < 2 * MORE_THAN_FITS
    assert events_of(rest(path)) == [Design("n", number) for number in range(kept)]
    assert noted.commit_all() == [Design("n", number) for number in range(2 * MORE_THAN_FITS)]
    noted.note(Design("again"))
    assert events_of(rest(path)) == [Design("again")]


@pytest.mark.parametrize("place", [1, 2, 9, 20])
@pytest.mark.parametrize("half", [0, 1])
def test_events_behind_a_damaged_beginning_of_a_half_are_read(noted: Noted, path: Path, half: int, place: int) -> None:
    """One wrong bit where a half begins costs none of the thousands of events in it."""
    both = [Design("n", number) for number in range(MORE_THAN_FITS // 2)]
    noted.note(*both)
    content = bytearray(path.read_bytes())
    content[KINDS + half * HALF + place] ^= 1
    found = Leftover(bytes(content))
    assert events_of(found) == both
    assert found.unreadable == 0


@pytest.mark.parametrize("bit", [0, 4, 22, 40, 62, 63])
def test_a_position_beyond_all_that_was_written_is_damaged(noted: Noted, path: Path, bit: int) -> None:
    """It hides nothing: the database has its own position."""
    noted.note(*numbers(*range(10)))
    noted.commit(7)
    noted.journal.stored(noted.journal.position, 0)
    content = bytearray(path.read_bytes())
    content[24 + bit // 8] ^= 1 << bit % 8
    assert events_of(Leftover(bytes(content))) == numbers(7, 8, 9)


def test_a_damaged_beginning_of_a_half_that_was_committed_costs_nothing(noted: Noted, path: Path) -> None:
    """Events that are already on the disk are not counted as lost."""
    noted.note(*(Design("n", number) for number in range(100)))
    noted.commit_all()
    content = bytearray(path.read_bytes())
    content[KINDS + 2] ^= 1
    assert Leftover(bytes(content)).unreadable == 0


@pytest.mark.parametrize("value", [type("Mine", (float,), {})(1.5), type("Mine", (int,), {})(3)])
def test_a_value_of_some_library_is_noted_as_the_number_that_it_is(noted: Noted, path: Path, value: Any) -> None:
    """A subclass of a number is no reason to raise, or to lose the event, with or without custom fields."""
    noted.note(Design("a", value), Design("a", value))
    noted.note(Design("a", value), fields={"mine": value})
    noted.note(Design("a", 1))
    left = rest(path)
    assert events_of(left) == [Design("a", float(value))] * 3 + [Design("a", 1)]
    assert left.records[2][1].fields == {"mine": float(value)}


def test_closing_removes_the_file(path: Path) -> None:
    """A game that ends well leaves nothing to be read."""
    made = Journal(path, ManualClock())
    made.close()
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"x" * SIZE, b"\0" * SIZE, b"short"])
def test_a_file_that_is_no_journal_is_empty(content: bytes) -> None:
    """Garbage gives no records and no errors."""
    assert Leftover(content).records == []


@pytest.mark.parametrize("what", [0, 2, 3, 4, 5, 17, 2**31 + 1])
def test_an_event_that_seems_to_be_something_else_is_counted(noted: Noted, path: Path, what: int) -> None:
    """If only the type in an entry's head is damaged, the entry still counts as an event, by its checksum."""
    noted.note(Design("a", 1), Error(Severity.ERROR, "in the middle"), Design("a", 2))
    content = bytearray(path.read_bytes())
    body = content.index(b"in the middle")
    place = next(at for at in range(body - body % 32, 0, -32) if struct.unpack_from("<IIII", content, at)[3] == 1)
    struct.pack_into("<I", content, place + 12, what)
    left = Leftover(bytes(content))
    assert events_of(left) == [Design("a", 1), Design("a", 2)]
    assert left.unreadable >= 1


@pytest.mark.parametrize("earlier", [0, MORE_THAN_FITS // 2])
@pytest.mark.parametrize("cut", [0, 100, KINDS - 1, KINDS, KINDS + 3000, KINDS + HALF, SIZE - 1])
def test_of_a_file_that_was_cut_off_the_beginning_is_read(noted: Noted, path: Path, earlier: int, cut: int) -> None:
    """A loss is counted; if only empty room was cut off, none is."""
    for number in range(earlier):
        noted.note(Design("n:1", float(number)))
        noted.commit()
    events: list[Event] = [Design(f"n:{number % 10}", float(number)) for number in range(200)]
    noted.note(*events)
    left = Leftover(path.read_bytes()[:cut])
    found = events_of(left)
    assert found == events[: len(found)]
    assert bool(left.unreadable) == (len(found) < len(events) and cut > 0)


def halves() -> st.SearchStrategy[int]:
    """Return important places in the file: the head, the first kinds, the first entries of each half."""
    return st.sampled_from([0, 64, KINDS, KINDS + HALF]).flatmap(lambda start: st.integers(start, start + 6000))


@settings(
    max_examples=examples(60),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(place=st.integers(KINDS, KINDS + 9000), junk=st.binary(min_size=1, max_size=40))
def test_damage_costs_what_it_hit_and_changes_nothing_else(tmp_path: Path, place: int, junk: bytes) -> None:
    """Whatever damage is in the file, all entries around it are read as they were written."""
    events = numbers(*range(100))
    left = damaged(tmp_path, events, place, junk, fields={"a": 1})
    found = events_of(left)
    assert is_part(found, events)
    assert len(found) >= 98
    assert len(found) + left.unreadable >= 99, "the last one looks as if a kill had cut it short"


def mixed(after: bytes, before: bytes, written: bytes) -> Iterator[list[Event]]:
    """Read the file after a power cut: one sector of `after` that differs from `written` is as in `before`."""
    for place in range(KINDS, SIZE, 512):
        sector = slice(place, place + 512)
        if written[sector] != after[sector]:
            yield events_of(Leftover(after[:place] + before[sector] + after[place + 512 :]))


@pytest.mark.parametrize("earlier", [0, 10, MORE_THAN_FITS])
def test_a_sector_that_did_not_reach_the_disk_costs_what_was_in_it(noted: Noted, path: Path, earlier: int) -> None:
    """After a power cut some sectors are as they were before."""
    for number in range(earlier):
        noted.note(Design(f"n:{number % 10}", float(number)))
        noted.commit()
    before = path.read_bytes()
    new: list[Event] = [Design(f"n:{number % 10}", float(number)) for number in range(200)]
    noted.note(*new)
    cuts = list(mixed(path.read_bytes(), before, before))
    assert len(cuts) > 10
    for found in cuts:
        assert is_part(found, new)
        assert 200 - 512 // 32 <= len(found) <= 200


@pytest.mark.e2e
def test_a_sector_of_an_earlier_lap_is_not_read_as_new(noted: Noted, path: Path) -> None:
    """After a power cut a sector may be as before the wipe: no old event comes twice."""
    laps = []
    for number in range(MORE_THAN_FITS):
        noted.note(Design(f"n:{number % 10}", float(number)), at=noted.clock.advance(1 / 150))
        if number % 10 == 9:
            noted.commit()
        if number % (MORE_THAN_FITS // 5) == MORE_THAN_FITS // 5 - 1:
            laps.append(path.read_bytes())
    new: list[Event] = [Design(f"n:{number % 10}", -float(number)) for number in range(200)]
    before = path.read_bytes()
    noted.note(*new, at=noted.clock.monotonic())
    for lap in laps:
        for found in mixed(path.read_bytes(), lap, before):
            assert is_part(found, new), "in order, and none of an earlier lap"


@pytest.mark.parametrize("value", [None, 0, -3, 2.5, 1e300, 2**53, 2**53 + 1, -(2**62), -0.0, 5e-324, float(2**53)])
def test_a_repeated_design_event_keeps_its_value(noted: Noted, path: Path, value: float | None) -> None:
    """A row and a full entry decode to the same event."""
    noted.note(*[Design("kill:slime", value)] * 3)
    assert events_of(rest(path)) == [Design("kill:slime", value)] * 3
    assert noted.commit_all() == [Design("kill:slime", value)] * 3


def test_the_short_form_belongs_to_its_session_and_context(noted: Noted, path: Path) -> None:
    """Ids are known by number, and so is whom they belong to."""
    other = SessionRef("ffffffff-75b4-431b-adb2-eb6b9e546014", 5.0)
    for session in (SESSION, SESSION, other, other, SESSION, SESSION):
        noted.inbox.record(Design("a", 1), noted.inbox.stamp_for(session, CONTEXT), 7.0, None)
    noted.note(Design("a", 1), fields={"x": 1})
    found = [record for _, record in rest(path).records]
    assert [record.session.started for record in found if record.session] == [1000, 1000, 5, 5, 1000, 1000, 1000]
    assert [record.fields for record in found] == [None] * 6 + [{"x": 1}]


def test_a_row_that_was_half_written_is_none(noted: Noted, path: Path) -> None:
    """After a kill in the middle of an append, the incomplete entry is ignored."""
    noted.note(*(Design("a", number) for number in range(3)))
    content = path.read_bytes()
    end = content.rindex(struct.pack("<dQ", 2.0, 1)) + 16
    assert len(events_of(Leftover(content))) == 3
    for missing in range(8, 33):
        torn = content[: end - missing] + bytes(missing) + content[end:]
        assert events_of(Leftover(torn)) == [Design("a", 0), Design("a", 1)]


def test_an_entry_that_was_half_written_is_none(noted: Noted, path: Path) -> None:
    """The same for an entry, which is longer than a row."""
    for number in range(3):  # with other fields each time: with the same ones it would be a row
        noted.note(Design("a", number), fields={"text": "x" * 100, "number": number})
    content = path.read_bytes()
    assert len(events_of(Leftover(content))) == 3
    end = content.rindex(b"x" * 100) + 100
    for missing in range(1, 160):
        torn = content[: end - missing] + bytes(SIZE - end + missing)
        assert events_of(Leftover(torn)) == [Design("a", 0), Design("a", 1)]


@settings(
    max_examples=examples(100),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(place=halves(), junk=st.binary(min_size=1, max_size=40))
def test_damage_to_the_short_form_never_raises(tmp_path: Path, place: int, junk: bytes) -> None:
    """It has no checksum; what makes no sense ends what is read."""
    found = damaged(tmp_path, [Design("a", float(number)) for number in range(100)], place, junk).records
    assert [position for position, _ in found] == sorted(position for position, _ in found)


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
    outbox.transact(lambda transaction: replay(transaction, DeadLaunch("x", sessions, path), left, encoder))
    return stored(outbox)


def test_a_session_that_was_never_committed_is_whole(noted: Noted, path: Path) -> None:
    """A game that is killed 10 ms after its start: its session starts, is numbered, and ends once."""
    noted.note(User(), Design("a"), Progression(Status.START, ("l", "1")))
    found = recover(MemoryOutbox(["test"]), path)
    assert [event["category"] for event in found] == ["user", "design", "progression", "progression", "session_end"]
    assert {event["session_num"] for event in found} == {1}
    assert found[-2]["event_id"] == "Fail:l:1"
    assert found[-2]["attempt_num"] == 1
    assert {event["client_ts"] for event in found} == {1_700_000_001, 1_700_000_000} or all(
        1_700_000_000 <= event["client_ts"] <= 1_700_000_001 for event in found
    )


def test_the_rest_of_a_session_goes_on_where_its_row_stopped(noted: Noted, path: Path) -> None:
    """Numbers, wallet and the open attempt come from the row, the last events and flows from the journal."""
    row = OpenSession(
        SESSION.id, 5, 1.7e9, 1.7e9, None, 42.0, b'"user_id":"player"', "l:1", {("Source", "gold", "pickup", "coin"): 3}
    )
    noted.note(Business("USD", 1, "a", "b"))
    noted.note(WalletChange(Resource(Flow.SOURCE, "gold", 1, "pickup", "coin")))
    noted.note(Progression(Status.COMPLETE, ("l", "1"), 9))
    found = recover(MemoryOutbox(["test"]), path, row)
    categories = ["business", "resource", "resource", "progression", "session_end"]
    assert [event["category"] for event in found] == categories
    assert [event["amount"] for event in found[1:3]] == [1, 3], "a sum has no id that a replay could repeat"
    assert (found[3]["event_id"], found[3]["attempt_num"]) == ("Complete:l:1", 1)
    assert found[4]["length"] == 43
    assert {event["session_num"] for event in found} == {5}


@pytest.mark.parametrize(("row_at", "length"), [(1_700_000_000.4, 43), (1_699_999_000.0, 42)])
def test_a_session_lasted_until_its_last_record(noted: Noted, path: Path, row_at: float, length: int) -> None:
    """The time played since the row was saved counts; a pause since then does not."""
    row = OpenSession(SESSION.id, 1, 1.6e9, row_at, None, 42.5, b'"user_id":"player"')
    noted.note(Design("last"), at=1001.0)
    found = recover(MemoryOutbox(["test"]), path, row)
    assert found[-1]["length"] == length
    assert found[-1]["client_ts"] == 1_700_000_001


def test_what_the_outbox_has_is_not_added_again(noted: Noted, path: Path) -> None:
    """A kill between the commit and its mark in the file makes no duplicate."""
    noted.note(*numbers(*range(4)))
    noted.inbox.take(2)
    outbox = MemoryOutbox(["test"])
    outbox.values[journal_position("x")] = str(noted.journal.position)
    row = OpenSession(SESSION.id, 1, 1.7e9, 1.7e9, None, 1.0, b'"user_id":"player"')
    found = recover(outbox, path, row)
    assert [event.get("event_id") for event in found] == ["n:2", "n:3", None]
    assert recover(outbox, path) == []


def test_a_session_that_had_ended_is_not_ended_again(noted: Noted, path: Path) -> None:
    """The session's end may be among the uncommitted records."""
    row = OpenSession(SESSION.id, 1, 1.7e9, 1.7e9, None, 1.0, b'"user_id":"player"')
    outbox = MemoryOutbox(["test"])
    outbox.transact(lambda transaction: transaction.save_session(row))
    noted.note(Design("last"), SessionEnd(7, "quit"))
    found = recover(outbox, path, row)
    assert [(event["category"], event.get("length")) for event in found] == [("design", None), ("session_end", 7)]


ATTEMPT = OpenSession(SESSION.id, 1, 1.7e9, 1.7e9, None, 42.0, b'"user_id":"player"', "l:1", attempt_seconds=10.04)


def seconds_of(found: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [(one["event_id"], one.get("custom_fields")) for one in found if one["category"] == "progression"]


@pytest.mark.parametrize(
    ("row", "fields"),
    [
        (ATTEMPT, {"seconds": 10.0}),
        (replace(ATTEMPT, attempt_seconds=None), None),
        (
            replace(ATTEMPT, annotations=b'"user_id":"player","custom_fields":{"seed":1}'),
            {"seed": 1, "seconds": 10.0},
        ),
        (replace(ATTEMPT, annotations=b'"user_id":"player","custom_fields":{"seconds":"x"}'), {"seconds": "x"}),
        (replace(ATTEMPT, annotations=b'"user_id":"player","custom_fields":[1]'), [1]),
    ],
)
def test_a_killed_attempt_has_the_time_of_its_row(path: Path, row: OpenSession, fields: Any) -> None:
    """As exact as the length of its session; without it if the row does not say it."""
    Noted(path).journal.let_go()
    outbox = MemoryOutbox(["test"])
    outbox.transact(lambda transaction: transaction.save_session(row))
    found = recover(outbox, path, row)
    assert seconds_of(found) == [("Fail:l:1", fields)]
    assert found[-1].get("custom_fields") == json.loads(b"{%b}" % row.annotations).get("custom_fields")


SEED = CONTEXT.fields


def test_the_time_of_a_replayed_attempt_goes_on_where_its_row_stopped(noted: Noted, path: Path) -> None:
    """The records since the last heartbeat are no pause; an attempt that began among them counts from its Start."""
    noted.note(Progression(Status.COMPLETE, ("l", "1")), at=1000.5)
    noted.note(Progression(Status.START, ("l", "2")), at=1000.6)
    noted.note(Progression(Status.FAIL, ("l", "2")), at=1001.0)
    noted.note(Progression(Status.START, ("l", "3")), at=1001.0)
    noted.note(Design("last"), at=1001.3)
    found = recover(MemoryOutbox(["test"]), path, ATTEMPT)
    assert seconds_of(found) == [
        ("Complete:l:1", {"seed": 1, "seconds": 10.5}),
        ("Start:l:2", SEED),
        ("Fail:l:2", {"seed": 1, "seconds": 0.4}),
        ("Start:l:3", SEED),
        ("Fail:l:3", {"seed": 1, "seconds": 0.3}),
    ]


def test_a_time_that_nobody_knows_is_left_out(noted: Noted, path: Path) -> None:
    """Long after the last heartbeat the game may have been paused."""
    noted.note(Progression(Status.FAIL, ("l", "1")), at=1009.0)
    noted.note(Progression(Status.START, ("l", "1")), at=1009.5)
    found = recover(MemoryOutbox(["test"]), path, ATTEMPT)
    assert seconds_of(found) == [("Fail:l:1", SEED), ("Start:l:1", SEED), ("Fail:l:1", SEED)]


def test_a_gap_after_the_last_heartbeat_leaves_the_rows_time(noted: Noted, path: Path) -> None:
    """As it leaves the session's length."""
    noted.note(Design("later"), at=1009.0)
    found = recover(MemoryOutbox(["test"]), path, ATTEMPT)
    assert seconds_of(found) == [("Fail:l:1", {"seed": 1, "seconds": 10.0})]
    assert found[-1]["length"] == 42
