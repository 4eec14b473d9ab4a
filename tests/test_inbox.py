"""The inbox: rows and entries, several threads, and a journal that fills, spills and empties."""

from __future__ import annotations

import enum
import math
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ga_pygame.diagnostics import Diagnostics
from ga_pygame.events import (
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
    User,
    WalletChange,
)
from ga_pygame.kinds import ABOVE_ZERO, EXACT, Event
from ga_pygame.recording import inbox as inbox_module
from ga_pygame.recording.field_kinds import MAX_KINDS_WITH_FIELDS
from ga_pygame.recording.inbox import MAX_KINDS, MAX_SPILLED, Inbox, Item
from ga_pygame.recording.journal import Journal
from ga_pygame.recording.leftover import Leftover
from ga_pygame.records import Context, Record, Repeated, SessionRef
from ga_pygame.testing import ManualClock
from tests.effort import examples
from tests.small_journals import MORE_THAN_FITS, ROWS_OF_A_HALF

pytestmark = pytest.mark.usefixtures("small_journals")

SESSION = SessionRef("de305d54-75b4-431b-adb2-eb6b9e546014", 1000.0)
CONTEXT = Context("player")
REPEATED: list[Callable[[Any], Event]] = [
    lambda number: Design("kill:slime", number),
    lambda number: Resource(Flow.SOURCE, "gold", number, "pickup", "coin"),
    lambda number: Resource(Flow.SINK, "gold", number, "boost", "shield"),
    lambda number: WalletChange(Resource(Flow.SOURCE, "gold", number, "pickup", "coin")),
    lambda number: WalletChange(Resource(Flow.SINK, "gold", number, "boost", "shield")),
    lambda number: Progression(Status.FAIL, ("forest", "level_1"), number),
    lambda number: Progression(Status.COMPLETE, ("forest",), number),
    lambda number: Business("USD", number, "pack", "gold_500"),
    lambda number: Business("USD", number, "pack", "gold_500", "shop"),
]
"""Every kind of event that is repeated, with its number to be filled in."""

NOT_REPEATED: list[Event] = [
    User(),
    SessionEnd(12, "quit"),
    Error(Severity.WARNING, "größer"),
    Health(1.5, (0, 60, 3)),
    SessionHealth((1,) * 121, (0,) * 101, (), (("cpu_num_cores", 8),)),
    Impression("admob", {"publisher_revenue": 0.5, "is_test": True}),
    SdkInit(812, (("cpu_model", "x"),)),
]


class Rig:
    """An inbox, with or without a journal, and the items taken from it."""

    def __init__(self, path: Path | None = None) -> None:
        self.clock = ManualClock()
        self.diagnostics = Diagnostics()
        self.inbox = Inbox(self.clock.monotonic, self.diagnostics)
        self.path = path
        self.journal = Journal(path, self.clock) if path is not None else None
        if self.journal is not None:
            self.inbox.attach(self.journal)
        self.inbox.use(SESSION, CONTEXT)

    def record(self, *events: Event, fields: Any = None) -> None:
        for event in events:
            self.inbox.record(event, self.inbox.stamp, self.clock.monotonic(), fields)

    def take(self, most: int = 256) -> list[Record]:
        return [plain(item) for item in self.inbox.take(most)]

    def take_all(self) -> list[Record]:
        """Take all items as the writer does: a half of the journal is wiped when its records are committed."""
        found = []
        while some := self.take():
            found += some
            if self.journal is not None:
                self.journal.committed(self.journal.position)
        return found

    def events(self) -> list[Event]:
        return [record.event for record in self.take_all()]

    @property
    def dropped(self) -> dict[str, int]:
        return dict(self.diagnostics.stats(0).dropped)

    def rest(self) -> list[Record]:
        """Return the records that the next launch would recover."""
        assert self.path is not None
        return [plain(record) for _, record in Leftover(self.path.read_bytes()).records]


def plain(item: Item) -> Record:
    record = item.record() if isinstance(item, Repeated) else item
    return record._replace(event_uuid=None)  # a place of the journal, not what was recorded


@pytest.fixture(params=["memory", "journal"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path / "x.ring" if request.param == "journal" else None)
    yield made
    if made.journal is not None:
        made.journal.close()


@pytest.fixture
def noted(tmp_path: Path) -> Iterator[Rig]:
    """Make an inbox with a journal."""
    made = Rig(tmp_path / "x.ring")
    yield made
    assert made.journal is not None
    made.journal.close()


def key_of(event: Event) -> Any:
    assert event.key is not None
    return event.key


def designs(start: int, stop: int) -> list[Event]:
    return [Design("n", number) for number in range(start, stop)]


# --- rows say what records say ------------------------------------------------------------------------------


@pytest.mark.parametrize("make", REPEATED)
@pytest.mark.parametrize("number", [1, 7, 5.0, 2.5, EXACT, EXACT - 1, float(EXACT), 1e-9, 5e-324])
def test_a_repetition_equals_what_the_slow_way_records(rig: Rig, make: Callable[[Any], Event], number: Any) -> None:
    """Event, number, session, context, time: the fast path loses nothing and changes nothing."""
    first = make(1)
    rig.record(first)
    if isinstance(first, Progression | Business) and type(number) is float:
        assert number == 5.0 or number != int(number) or number == EXACT  # those that the calls never pass on
        number = 5
    rig.clock.advance(3.25)
    assert rig.inbox.repeat(key_of(first), number)
    rig.inbox.record(make(number), rig.inbox.stamp, rig.clock.monotonic(), {"slow": 1})
    _, short, slow = rig.take_all()
    assert slow.fields == {"slow": 1}
    assert short == slow._replace(fields=None)
    assert short.event.wire() == slow.event.wire()
    assert (short.session, short.context, short.at) == (SESSION, CONTEXT, 1003.25)


@pytest.mark.parametrize("make", [make for make in REPEATED if isinstance(make(1), Design | Progression)])
def test_a_repetition_without_a_number(rig: Rig, make: Callable[[Any], Event]) -> None:
    """An event without a value or score stays without one, before and after an event that has one."""
    rig.record(make(3))
    assert rig.inbox.repeat(key_of(make(3)), None)
    assert rig.inbox.repeat(key_of(make(3)), 0)
    rig.record(make(None))
    assert rig.events() == [make(3), make(None), make(0), make(None)]


@pytest.mark.parametrize("number", [0, -1, -2.5, -EXACT, -float(EXACT), -0.0])
def test_a_repetition_down_to_the_lowest_number(rig: Rig, number: float) -> None:
    """A design event's value may be negative, an amount of currency may not."""
    rig.record(Design("a", 1), Resource(Flow.SINK, "gold", 1, "a", "b"))
    assert rig.inbox.repeat("a", number)
    assert not rig.inbox.repeat(("Sink", "gold", "a", "b"), number, ABOVE_ZERO)
    assert rig.events() == [Design("a", 1), Resource(Flow.SINK, "gold", 1, "a", "b"), Design("a", number)]


class Mine(str):
    """A string subclass of the game's."""

    __slots__ = ()


class Name(str, enum.Enum):
    """Names as enums, as some games use them."""

    SLIME = "kill:slime"


class Scalar:
    """A number of a numeric library: neither an int nor a float, but it compares and converts."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __float__(self) -> float:
        return float(self.value)

    def __le__(self, other: object) -> Any:
        return Scalar(1)

    __ge__ = __lt__ = __gt__ = __le__

    def __bool__(self) -> bool:
        return True


class Raises:
    """An object whose comparisons raise."""

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError

    def __hash__(self) -> int:
        return hash("kill:slime")

    def __le__(self, other: object) -> bool:
        raise ZeroDivisionError

    __ge__ = __lt__ = __gt__ = __le__


class Unhashable:
    def __hash__(self) -> int:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "number",
    [
        True,
        False,
        math.nan,
        math.inf,
        -math.inf,
        EXACT + 1,
        -EXACT - 1,
        1e300,
        10**400,
        "3",
        Mine("3"),
        b"3",
        [],
        Scalar(3),
        Raises(),
        Unhashable(),
        object(),
        3j,
        type("Int", (int,), {})(3),
        type("Float", (float,), {})(3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_unusual_number_takes_a_closer_look(rig: Rig, number: Any) -> None:
    """For any argument: it returns false and records nothing; it never raises."""
    rig.record(Design("kill:slime", 1))
    assert rig.inbox.repeat("kill:slime", number) is False
    assert rig.events() == [Design("kill:slime", 1)]


@pytest.mark.parametrize(
    "key", [None, 5, b"kill:slime", [], {}, Raises(), Unhashable(), object(), ("kill:slime", Raises()), [Raises()]]
)
def test_an_unusual_key_takes_a_closer_look(rig: Rig, key: Any) -> None:
    """The same for names: one that cannot be hashed or compared is unknown, without an exception."""
    rig.record(Design("kill:slime", 1))
    assert rig.inbox.repeat(key, 1) is False
    assert rig.events() == [Design("kill:slime", 1)]


@pytest.mark.parametrize("name", [Mine("kill:slime"), Name.SLIME])
def test_names_of_a_games_own_types_are_their_text(rig: Rig, name: Any) -> None:
    """A subclass of `str` is repeated as the string that it is, whichever comes first."""
    rig.record(Design(name, 1))
    assert rig.inbox.repeat("kill:slime", 2)
    assert rig.inbox.repeat(name, 3)
    assert [event.wire()["value"] for event in rig.events()] == [1, 2, 3]
    if rig.journal is not None:
        rig.record(Design(Name.SLIME, 4), fields={"x": 1})
        rig.record(Resource(Flow.SOURCE, Mine("gold"), 1, Mine("a"), Mine("b")))
        last, flow = rig.rest()[-2:]
        assert type(last.event.event_id) is str  # type: ignore[attr-defined]
        assert last.event == Design("kill:slime", 4)
        assert flow.event == Resource(Flow.SOURCE, "gold", 1, "a", "b")


def test_what_was_not_recorded_before_is_not_repeated(rig: Rig) -> None:
    """Only an event that was checked once skips the check."""
    for make in REPEATED:
        assert not rig.inbox.repeat(key_of(make(1)), 1)
    assert rig.take_all() == []


@pytest.mark.parametrize("event", NOT_REPEATED)
def test_other_kinds_are_records_of_their_own(rig: Rig, event: Event) -> None:
    """Sessions, errors and health samples have no kind number and come out unchanged."""
    rig.record(event, event)
    assert rig.inbox.kinds == {}
    assert rig.events() == [event, event]


@pytest.mark.parametrize("make", REPEATED)
def test_fields_make_a_record_of_its_own(rig: Rig, make: Callable[[Any], Event]) -> None:
    """An event that does not fit into a row is an entry, and the next event is a row without its fields."""
    rig.record(make(1))
    rig.record(make(2), fields={"x": 1})
    rig.record(make(3), fields={})
    rig.record(make(4))
    assert [(record.event, record.fields) for record in rig.take_all()] == [
        (make(1), None),
        (make(2), {"x": 1}),
        (make(3), {}),
        (make(4), None),
    ]


@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("number", [None, 0, 3, -3, 2.5, EXACT])
def test_a_repetition_with_fields_equals_what_the_slow_way_records(rig: Rig, number: Any, same: bool) -> None:
    """Also for the next launch; each event has its own fields, whether the same came before or not."""
    mine: dict[str, str | int | float] = {"seed": 1, "mode": "größe"}
    for _ in range(2):
        rig.record(Design("a", 1), fields=dict(mine) if same else None)
    assert rig.inbox.repeat("a", number, fields=mine)
    rig.record(Design("a", number), fields=dict(mine))
    mine["seed"] = 2
    if rig.journal is not None:
        *_, short, slow = rig.rest()
        assert (short.event, short.fields) == (slow.event, slow.fields) == (Design("a", number), {**mine, "seed": 1})
    *_, short, slow = rig.take_all()
    assert short == slow
    assert short.fields == {**mine, "seed": 1}


def test_the_same_fields_again_are_a_row(rig: Rig) -> None:
    """From the second time on they take 32 bytes; equal values of different types keep their types."""
    for fields in ({"a": 1}, {"a": 1}, {"a": 1.0}, {"a": 1.0}, {"a": 1}, {"b": 1}, {"a": "1"}):
        rig.record(Design("a", 1), fields=fields)
    written: list[bytes] = []
    append = rig.inbox.write

    def write(text: bytes) -> object:
        written.append(text)
        return append(text)

    rig.inbox.write = write
    assert rig.inbox.repeat("a", 2, fields={"a": 1})
    assert rig.inbox.repeat("a", 2, fields={"a": 1.0})
    assert [len(text) for text in written] == [32, 32]
    found = [record.fields for record in rig.take_all()][-2:]
    assert repr(found) == "[{'a': 1}, {'a': 1.0}]"


def test_fields_that_change_fill_no_room_of_the_kinds(rig: Rig) -> None:
    """A game that sends a position with each event loses none, and its other events are still rows."""
    rig.record(Design("at", 0))
    for number in range(3000):
        assert rig.inbox.repeat("at", 1, fields={"x": number}) or number == 0
    for number in range(2 * MAX_KINDS_WITH_FIELDS):
        for _ in range(2):
            if not rig.inbox.repeat("at", 2, fields={"y": number}):
                rig.record(Design("at", 2), fields={"y": number})
    assert len(rig.inbox.kinds) <= 1 + MAX_KINDS_WITH_FIELDS
    rig.record(Design("new", 1))
    assert rig.inbox.repeat("new", 2)
    found = rig.take_all()
    assert [record.fields for record in found if record.event == Design("at", 1)] == [{"x": n} for n in range(3000)]
    assert len(found) == 1 + 3000 + 4 * MAX_KINDS_WITH_FIELDS + 2


def test_what_is_taken_is_in_the_journal_or_is_not(tmp_path: Path) -> None:
    """Not both in one slice: so it is known what is lost if there is no time left to store it."""
    rig = Rig(tmp_path / "x.ring")
    rig.record(*designs(0, MORE_THAN_FITS))
    assert rig.inbox.give_up() == MORE_THAN_FITS - len(rig.rest()) > 0
    rig.record(Design("m", 1))
    rig.record(*designs(0, MORE_THAN_FITS))
    kinds: list[bool] = []
    while items := rig.take(300):
        kinds.append(rig.inbox.took_from_memory)
        assert len(items) == 300 or not kinds[-1] or not rig.inbox.has_more
    assert kinds == sorted(kinds), "the journal's are the older ones"
    assert {True, False} == set(kinds)


def test_a_kind_with_fields_is_mixed_up_with_no_other(rig: Rig) -> None:
    """Neither with a kind whose key is made of the same parts, nor because values or keys are equal."""
    for fields in ({"gold": "x"}, {"gold": "x"}, {"at": 0.0}, {"at": 0.0}):
        rig.record(Design("Source", 1), fields=fields)
    assert not rig.inbox.repeat(Resource.key_of("Source", "gold", "x", str), 5)  # type: ignore[arg-type]
    assert rig.inbox.repeat("Source", 1, fields={"at": -0.0}) is False or repr(
        [record.fields for record in rig.take_all()][-1]
    ) == repr({"at": -0.0})


class Whole(int):
    """A number of the game's own."""


def test_fields_that_come_in_turn_are_kinds(rig: Rig) -> None:
    """Also if there are more of them than are remembered at once; of a subclass the same."""
    rig.record(Design("a", 1))
    for _ in range(3):
        for number in range(MAX_KINDS_WITH_FIELDS - 1):
            fields = {"n": Whole(number) if number % 2 else number}
            if not rig.inbox.repeat("a", 1, fields=fields):
                rig.record(Design("a", 1), fields={"n": number})
    assert len(rig.inbox.kinds) > MAX_KINDS_WITH_FIELDS // 2
    sizes: list[int] = []
    append = rig.inbox.write

    def write(text: bytes) -> object:
        sizes.append(len(text))
        return append(text)

    rig.inbox.write = write
    assert rig.inbox.repeat("a", 1, fields={"n": Whole(1)})
    assert sizes == [32]


def test_fields_beside_those_of_all_events_are_counted_together(rig: Rig) -> None:
    """More than fifty together take the slow path, also if they were recorded when there were fewer."""
    fields = {f"k{number}": number for number in range(40)}
    small = {"a": 1}
    for one in (fields, fields, small, small):
        rig.record(Design("a", 1), fields=one)
    rig.inbox.use(SESSION, CONTEXT.changed(fields={f"g{number}": 1 for number in range(20)}))
    assert not rig.inbox.repeat("a", 2, fields=fields)
    assert rig.inbox.repeat("a", 2, fields=small)


@pytest.mark.parametrize("number", [True, math.nan, math.inf, EXACT + 1, "3", [], Scalar(3), object(), Mine("3")])
def test_a_repetition_with_fields_and_an_unusual_number_takes_a_closer_look(rig: Rig, number: Any) -> None:
    """As without fields."""
    rig.record(Design("a", 1))
    assert rig.inbox.repeat("a", number, fields={"x": 1}) is False
    assert rig.events() == [Design("a", 1)]


def test_what_always_has_fields_is_repeated_too(rig: Rig) -> None:
    """A game that passes an id with its fields from the first call on has the fast path from the second on."""
    rig.record(Design("kill:slime", 1), fields={"weapon": "bow"})
    assert rig.inbox.repeat("kill:slime", 2, fields={"weapon": "axe"})
    assert rig.inbox.repeat("kill:slime", 3)
    found = [(record.event, record.fields) for record in rig.take_all()]
    assert found == [
        (Design("kill:slime", 1), {"weapon": "bow"}),
        (Design("kill:slime", 2), {"weapon": "axe"}),
        (Design("kill:slime", 3), None),
    ]


def test_fields_are_taken_as_they_were_at_the_call(rig: Rig) -> None:
    """A dict that the game goes on changing does not change its record."""
    mine = {"seed": 1}
    rig.record(Design("a"), fields=mine)
    mine["seed"] = 2
    assert [record.fields for record in rig.take_all()] == [{"seed": 1}]


@pytest.mark.parametrize("number", [EXACT + 1, -EXACT - 1, 2**60, 2**63 - 1, -(2**63)])
def test_whole_numbers_beyond_floats_stay_exact(rig: Rig, number: int) -> None:
    """A score or price that a float cannot hold exactly takes the slow path."""
    rig.record(Business("USD", abs(number) - 1, "a", "b"), Design("a", number), Design("a", 1), Design("a", number))
    found = rig.events()
    assert found == [
        Business("USD", abs(number) - 1, "a", "b"),
        Design("a", number),
        Design("a", 1),
        Design("a", number),
    ]
    assert found[1].number == number


NUMBERS = st.none() | st.integers(-(2**54), 2**54) | st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "kill:größe slime"[:6], "c:d"]), NUMBERS, st.booleans()), max_size=30)
)
def test_any_calls_come_out_as_a_plain_list_has_them(calls: list[tuple[str, Any, bool]]) -> None:
    """On either path: the same events in the same order with equal values."""
    rig = Rig()
    for name, number, tries in calls:
        if not tries or not rig.inbox.repeat(name, number):
            rig.record(Design(name, number) if name.isascii() else Design("other", number))
    expected = [Design(name if name.isascii() else "other", number) for name, number, _ in calls]
    assert rig.events() == expected


# --- sessions and contexts ----------------------------------------------------------------------------------


def test_a_record_keeps_the_stamp_of_its_moment(rig: Rig) -> None:
    """Session and context of the call, also if they changed before the writer took the record."""
    stamps = [(SessionRef(str(number), float(number)), Context(f"player {number}")) for number in range(500)]
    for number, (session, context) in enumerate(stamps):
        rig.inbox.use(session, context)
        rig.record(Design("a", number))
        assert rig.inbox.repeat("a", number)
    found = rig.take_all()
    assert [(record.session, record.context) for record in found] == [pair for pair in stamps for _ in range(2)]
    assert [record.event.number for record in found] == [number for number in range(500) for _ in range(2)]


@pytest.mark.parametrize("before", [0, 1, 100, 255, 256, 257, 600])
@pytest.mark.parametrize("after", [0, 1, 100, 255, 256, 257, 600])
def test_changes_without_events_hide_none(rig: Rig, before: int, after: int) -> None:
    """However often the context changes around a record, one step of the writer finds it with its own context."""
    contexts = [Context(str(number)) for number in range(before + after + 1)]
    for number, context in enumerate(contexts):
        rig.inbox.use(SESSION, context)
        if number == before:
            rig.record(Design("a", 1))
    (found,) = rig.take(256)
    assert (found.event, found.context) == (Design("a", 1), contexts[before])
    assert rig.take(256) == []


def test_old_stamps_are_forgotten(rig: Rig) -> None:
    """A game that changes a field in every frame does not fill the memory; the stamp in force is kept."""
    for number in range(5000):
        rig.inbox.use(SESSION, Context(str(number)))
        if number % 10 == 9:
            rig.take()
    assert len(rig.inbox._stamps) < 200
    in_force = rig.inbox._stamps[rig.inbox.stamp].context
    for number in range(1000):
        rig.inbox.stamp_for(SESSION, Context(f"other {number}"))
        rig.take()
    rig.record(Design("a", 1))
    (found,) = rig.take_all()
    assert found.context is in_force
    assert in_force.user_id == "4999"


def test_a_take_tells_whether_there_is_more(rig: Rig) -> None:
    """Fewer items than requested and no `has_more` mean that there are none; the end of a game relies on it."""
    for number in range(MORE_THAN_FITS):
        if number % 100 == 0:
            rig.inbox.use(SESSION, Context(str(number)))
        rig.record(Design("n", number))
    sizes = []
    while len(some := rig.take(300)) == 300 or rig.inbox.has_more:
        sizes.append(len(some))
    assert sum(sizes) + len(some) == MORE_THAN_FITS
    assert rig.inbox.waiting == 0


# --- threads ------------------------------------------------------------------------------------------------


@pytest.fixture
def hurried() -> Iterator[None]:
    """Let threads switch as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("pace", [64, 100_000])
def test_threads_append_while_the_writer_takes(rig: Rig, pace: int) -> None:
    """No loss, no duplicate, each with its own session and context, while the journal swaps halves many times."""
    threads, events = 4, examples(12_000)
    stamps = [(SessionRef(str(number), float(number)), Context(f"player {number}")) for number in range(threads)]
    started, ended = threading.Barrier(threads + 1), threading.Event()
    failures: list[BaseException] = []

    def play(number: int) -> None:
        try:
            stamp = rig.inbox.stamp_for(*stamps[number])
            started.wait()
            for count in range(events):
                event = Design(f"thread:{number}", count)
                rig.inbox.record(event, stamp, float(count), {"x": 1} if count % 97 == 0 else None)
        except BaseException as error:  # noqa: BLE001 - for the main thread to show
            failures.append(error)

    workers = [threading.Thread(target=play, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    found: list[Record] = []

    def write() -> None:
        try:
            while not ended.is_set():
                found.extend(plain(item) for item in rig.inbox.take(pace))
            found.extend(rig.take_all())
        except BaseException as error:  # noqa: BLE001 - for the main thread to show
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    started.wait()
    for worker in workers:
        worker.join()
    ended.set()
    writer.join()
    assert failures == []
    assert rig.dropped == {}
    for number, (session, context) in enumerate(stamps):
        own = [record for record in found if record.event.event_id == f"thread:{number}"]  # type: ignore[attr-defined]
        assert sorted(record.at for record in own) == [float(count) for count in range(events)]
        assert all(record.session is session and record.context is context for record in own)
        assert all(record.event.number == record.at for record in own)
        assert {record.at for record in own if record.fields} == {float(count) for count in range(0, events, 97)}
    assert len(found) == threads * events


@pytest.mark.usefixtures("hurried")
def test_threads_change_the_context_while_others_repeat(rig: Rig) -> None:
    """Each event has a context that was in force at its time, and the last change is the one that stays."""
    rig.record(Design("a", 0))
    contexts = [Context(str(number)) for number in range(2000)]
    seen: list[tuple[int, int]] = []
    at = [0]

    def change() -> None:
        for number, context in enumerate(contexts):
            rig.inbox.use(SESSION, context)
            at[0] = number

    def repeat() -> None:
        for number in range(1, 4000):
            before = at[0]
            if not rig.inbox.repeat("a", number):  # that half of the journal is full
                rig.record(Design("a", number))
            seen.append((before, at[0]))

    threads = [threading.Thread(target=change), threading.Thread(target=repeat)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # While one thread swaps the halves, another one's entries go to memory, behind later ones of the journal.
    _, *found = sorted(rig.take_all(), key=lambda record: record.event.number or 0)
    assert [record.event.number for record in found] == list(range(1, 4000))
    for record, (before, after) in zip(found[5:], seen[5:], strict=True):
        if record.context is not CONTEXT:
            assert before <= int(record.context.user_id) <= after + 1
    assert rig.inbox._stamps[rig.inbox.stamp].context is contexts[-1]


# --- full ---------------------------------------------------------------------------------------------------


def test_what_the_ring_has_no_room_for_waits_in_memory_in_order(noted: Rig) -> None:
    """If both halves are full, later entries are kept and come after them; nothing is dropped."""
    noted.record(*designs(0, 2 * MORE_THAN_FITS))
    held = noted.rest()
    assert [record.event for record in held] == designs(0, len(held))
    assert 1.9 * ROWS_OF_A_HALF < len(held) < 2 * ROWS_OF_A_HALF
    assert noted.inbox.waiting == 2 * MORE_THAN_FITS
    assert noted.events() == designs(0, 2 * MORE_THAN_FITS)
    assert noted.inbox.waiting == 0
    assert noted.dropped == {}


def test_once_it_is_drained_the_ring_is_used_again(noted: Rig) -> None:
    """After the writer has caught up, calls survive a kill again, in order, any number of times."""
    expected: list[Event] = []
    found: list[Event] = []
    for lap in range(4):
        more = designs(lap * MORE_THAN_FITS, (lap + 1) * MORE_THAN_FITS)
        noted.record(*more)
        expected += more
        found += noted.events()
        noted.record(Design("again", lap))
        expected.append(Design("again", lap))
        assert Design("again", lap) in [record.event for record in noted.rest()]
    found += noted.events()
    assert found == expected


def test_repetitions_spill_too(noted: Rig) -> None:
    """The fast path handles a full half by itself, and the order of one thread's calls stays."""
    noted.record(Design("n", 0))
    for number in range(1, 2 * MORE_THAN_FITS):
        if not noted.inbox.repeat("n", number):
            noted.record(Design("n", number))
    assert noted.events() == designs(0, 2 * MORE_THAN_FITS)


@pytest.mark.parametrize("drained", [1, 100, ROWS_OF_A_HALF, MORE_THAN_FITS - ROWS_OF_A_HALF])
def test_what_comes_while_the_spill_drains_stays_in_order(noted: Rig, drained: int) -> None:
    """The journal is used again only when memory is empty: a session's end never comes before its start."""
    noted.record(*designs(0, MORE_THAN_FITS))
    found: list[Event] = []
    number = MORE_THAN_FITS
    while number < 2 * MORE_THAN_FITS:
        found += [record.event for record in noted.take(drained)]
        noted.record(*designs(number, number + 50))
        number += 50
    found += noted.events()
    assert found == designs(0, number)


def test_an_entry_larger_than_the_ring_is_kept_in_memory(noted: Rig) -> None:
    """No exception reaches the game, whatever the size of its remote configs or its fields."""
    giant = Context("player", extra={"configurations": {"a": "x" * 300_000}})
    expected: list[tuple[Event, Context]] = []
    for lap in range(3):
        noted.inbox.use(SESSION, giant)
        noted.record(Design("n", lap))
        noted.record(Design("n", lap), fields={"x": "y" * 300_000})
        noted.inbox.use(SESSION, CONTEXT)
        more = designs(0, MORE_THAN_FITS // 2)
        noted.record(*more)
        expected += [(Design("n", lap), giant)] * 2 + [(event, CONTEXT) for event in more]
        if lap:
            found = [(record.event, record.context) for record in noted.take_all()]
            assert found == expected
            expected.clear()


def test_memory_is_bounded_and_what_it_has_no_room_for_is_counted(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much a game reports while nobody takes it; the oldest entries stay."""
    monkeypatch.setattr(inbox_module, "MAX_SPILLED", 50)
    rig.record(Design("n", 0))
    for number in range(1, 2 * MORE_THAN_FITS):
        if not rig.inbox.repeat("n", number):
            rig.record(Design("n", number))
    kept = rig.inbox.waiting
    assert rig.dropped == {"inbox_full": 2 * MORE_THAN_FITS - kept}
    assert 49 <= kept < 2 * ROWS_OF_A_HALF + 50
    assert rig.events() == designs(0, kept)
    rig.record(Design("n", 1))
    assert rig.events() == [Design("n", 1)]
    assert MAX_SPILLED == 100_000


def test_a_sessions_start_and_end_find_room_in_any_case(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its start, no event of a session could be delivered."""
    monkeypatch.setattr(inbox_module, "MAX_SPILLED", 0)
    for _ in range(2 * ROWS_OF_A_HALF):
        rig.record(Design("n", 1))
    before = rig.inbox.waiting
    for event in (User(), Error(Severity.INFO, "x"), Design("n", 1), SessionEnd(12, "quit")):
        rig.record(event)
    assert rig.inbox.waiting == before + 2
    assert rig.events()[before:] == [User(), SessionEnd(12, "quit")]


# --- kinds --------------------------------------------------------------------------------------------------


def test_more_kinds_than_have_numbers_are_recorded_all_the_same(rig: Rig) -> None:
    """Ids that never repeat cost speed, but no events and no unbounded memory."""
    for _ in range(2):
        for number in range(MAX_KINDS + 500):
            rig.record(Design(f"n:{number}", number))
    assert len(rig.inbox.kinds) <= MAX_KINDS
    assert not rig.inbox.repeat(f"n:{MAX_KINDS + 400}", 1)
    assert rig.inbox.repeat("n:5", 1)
    expected = [Design(f"n:{number}", number) for number in range(MAX_KINDS + 500)] * 2
    assert rig.events() == [*expected, Design("n:5", 1)]


def test_kinds_that_the_journal_has_no_room_for_are_recorded_all_the_same(noted: Rig) -> None:
    """A row whose kind the next launch could not know is not written."""
    names = [f"{number:04}:" + ":".join(["x" * 64] * 4) for number in range(700)]
    for _ in range(2):
        noted.record(*(Design(name, 1) for name in names))
    assert 100 < len(noted.inbox.kinds) < 700
    known = [Design(name, 1) for name in names] * 2
    held = [record.event for record in noted.rest()]
    assert held == known[: len(held)]
    assert len(held) > 700
    assert noted.events() == known


def test_a_journal_that_comes_later_learns_every_kind(tmp_path: Path) -> None:
    """Kinds from before consent are numbered anew, so that the next launch can read their repeats."""
    rig = Rig()
    rig.record(Design("a", 1))
    assert rig.take_all()
    journal = Journal(tmp_path / "x.ring", rig.clock)
    rig.inbox.attach(journal)
    rig.inbox.use(SESSION, CONTEXT)
    assert not rig.inbox.repeat("a", 2)
    rig.record(Design("a", 2))
    assert rig.inbox.repeat("a", 3)
    rest = [record for _, record in Leftover((tmp_path / "x.ring").read_bytes()).records]
    assert [record.event for record in rest] == [Design("a", 2), Design("a", 3)]
    assert [record.session.id for record in rest if record.session] == [SESSION.id] * 2
    journal.close()


@pytest.mark.parametrize("most", [1, 7, 100, 300])
@pytest.mark.parametrize("earlier", [0, 1, 100, MORE_THAN_FITS])
def test_what_came_before_the_journal_comes_first(tmp_path: Path, earlier: int, most: int) -> None:
    """A disk that is locked at the start gets a journal later; until then events wait in memory, maybe for seconds."""
    rig = Rig()
    rig.record(*designs(0, earlier))
    journal = Journal(tmp_path / "x.ring", rig.clock)
    rig.inbox.attach(journal)
    rig.inbox.use(SESSION, CONTEXT)
    rig.record(*designs(earlier, earlier + 50))
    assert rig.inbox.waiting >= earlier + 50
    found: list[Event] = []
    for number in range(earlier + 50, earlier + 100):
        found += [record.event for record in rig.take(most)]
        rig.record(Design("n", number))
    found += rig.events()
    assert found == designs(0, earlier + 100)
    assert rig.inbox.waiting == 0
    journal.close()


@pytest.mark.parametrize("events", [0, 5, 3 * ROWS_OF_A_HALF // 2, 2 * MORE_THAN_FITS])
def test_the_end_of_the_journal_keeps_what_is_left(noted: Rig, events: int) -> None:
    """In order, each with its session, context, time and fields."""
    other = SessionRef("other", 5.0)
    noted.record(*designs(0, events))
    noted.record(Design("with", 1), fields={"x": 1})
    noted.inbox.record(Design("n", -1), noted.inbox.stamp_for(other, CONTEXT), 7.0, None)
    assert [record.event for record in noted.take(100)] == [*designs(0, events), Design("with", 1), Design("n", -1)][
        :100
    ]
    taken = min(100, events + 2)
    noted.inbox.detach()
    assert noted.inbox.waiting == events + 2 - taken
    noted.record(Design("later", 1))
    found = noted.take_all()
    expected = [*designs(0, events), Design("with", 1), Design("n", -1)][taken:]
    assert [record.event for record in found] == [*expected, Design("later", 1)]
    if events > 100:
        assert [(record.session, record.at, record.fields) for record in found[-3:]] == [
            (SESSION, 1000.0, {"x": 1}),
            (other, 7.0, None),
            (SESSION, 1000.0, None),
        ]
    assert noted.dropped == {}


# --- against a model ----------------------------------------------------------------------------------------


def is_recovered(found: Record, one: Record) -> bool:
    """Return whether a record of the file is the one that was recorded, with its session and player."""
    assert found.session is not None
    assert one.session is not None
    return (
        found == one._replace(session=found.session, context=found.context)
        and (found.session.id, found.session.started) == (one.session.id, one.session.started)
        and found.context.user_id == one.context.user_id
    )


class InboxWalk(RuleBasedStateMachine):
    """Any sequence of calls, changes, steps of the writer and kills, compared with a plain list.

    What the next launch reads of the file is, after every operation, what was recorded and not committed; but for
    what waits in memory, or was just taken from there, because the file was full.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.launches = 0
        self.number = 0
        self.launch()

    def launch(self) -> None:
        self.launches += 1
        self.path = self.folder / f"{self.launches}.ring"
        self.rig = Rig(self.path)
        self.context, self.session = CONTEXT, SESSION
        self.contexts = 0
        self.recorded: list[Record] = []
        self.taken = 0  # of those
        self.committed = 0  # of those
        self.in_file = True  # nothing waits in memory

    def expect(self, event: Event, session: SessionRef, fields: Any = None) -> None:
        self.recorded.append(Record(event, session, self.context, self.rig.clock.monotonic(), fields))
        self.number += 1

    @rule(
        name=st.sampled_from(["a", "b", "fields"]),
        many=st.sampled_from([1, 1, 1, 3, ROWS_OF_A_HALF // 3]),
        value=st.sampled_from([0, 0.5]),
    )
    def report(self, name: str, many: int, value: float) -> None:
        for _ in range(many):
            event = Design(name, self.number + value)
            if not self.rig.inbox.repeat(name, self.number + value):
                self.rig.record(event)
            self.expect(event, self.session)

    @rule(length=st.integers(1, 256), many=st.sampled_from([1, 1, 100]), again=st.booleans())
    def report_with_fields(self, length: int, many: int, again: bool) -> None:
        for _ in range(many):
            fields: dict[str, str | int | float] = {"text": "x" * length, "number": self.number}
            if not (again and "fields" in self.rig.inbox.kinds):
                self.rig.record(Design("fields"), fields=fields)
            else:
                assert self.rig.inbox.repeat("fields", None, fields=fields)
            self.expect(Design("fields"), self.session, fields)

    @rule(level=st.sampled_from([1, 2.5, "a"]), many=st.sampled_from([1, 3, ROWS_OF_A_HALF // 16]))
    def report_with_the_same_fields(self, level: Any, many: int) -> None:
        for _ in range(many):
            fields = {"level": level}
            if not self.rig.inbox.repeat("again", self.number, fields=fields):
                self.rig.record(Design("again", self.number), fields=fields)
            self.expect(Design("again", self.number), self.session, fields)

    @rule(event=st.sampled_from([*NOT_REPEATED, *(make(3) for make in REPEATED)]))
    def report_any(self, event: Event) -> None:
        self.rig.record(event)
        self.expect(event, self.session)

    @rule(many=st.sampled_from([1, 1, 1, 300]))
    def change(self, many: int) -> None:
        for _ in range(many):
            self.contexts += 1
            self.context = Context(f"player {self.contexts}")
            self.rig.inbox.use(self.session, self.context)

    @rule()
    def next_session(self) -> None:
        """Start the next session as `Recorder` does: its start is recorded before the session is in force."""
        self.contexts += 1
        session = SessionRef(f"session {self.contexts}", self.rig.clock.monotonic())
        self.rig.inbox.record(User(), self.rig.inbox.stamp_for(session, self.context), self.rig.clock.monotonic(), None)
        self.expect(User(), session)
        self.session = session
        self.rig.inbox.use(self.session, self.context)

    @rule(seconds=st.sampled_from([0.01, 1.0]))
    def wait(self, seconds: float) -> None:
        self.rig.clock.advance(seconds)

    @rule(most=st.sampled_from([1, 2, 5, 256, 256, 10_000]), commits=st.booleans())
    def take(self, most: int, commits: bool) -> None:
        """Do a step of the writer; it takes more only when the last records are committed."""
        if self.taken > self.committed:
            self.commit()
        found = self.rig.take(most)
        left = self.recorded[self.taken :]
        assert found == left[: len(found)]
        assert len(found) == min(most, len(left)) or (found and self.rig.inbox.has_more), "the others are in memory"
        self.taken += len(found)
        if commits:
            self.commit()

    @precondition(lambda self: self.taken > self.committed)
    @rule()
    def commit(self) -> None:
        assert self.rig.journal is not None
        self.rig.journal.committed(self.rig.journal.position)
        self.committed = self.taken

    @rule()
    def drain(self) -> None:
        while self.taken < len(self.recorded):
            self.take(1000, commits=True)
        self.take(1000, commits=True)
        self.in_file = True

    @rule()
    def kill(self) -> None:
        """End the process: no more code runs, only the file is left."""
        self.nothing_is_lost_and_nothing_comes_twice()
        assert self.rig.journal is not None
        self.rig.journal.close()
        self.launch()

    @invariant()
    def nothing_is_lost_and_nothing_comes_twice(self) -> None:
        assert self.rig.inbox.waiting == len(self.recorded) - self.taken
        self.in_file = self.in_file and not self.rig.inbox._spilled
        rest = self.rig.rest()
        expected = self.recorded[self.committed :]
        if self.in_file:
            assert len(rest) == len(expected)
            assert all(map(is_recovered, rest, expected))
        else:  # in order, without some: later events are in the file again, while those in memory are not yet committed
            left = iter(expected)
            assert all(any(is_recovered(found, one) for one in left) for found in rest)

    def teardown(self) -> None:
        self.drain()
        assert self.rig.rest() == []
        assert self.rig.dropped == {}
        assert self.rig.journal is not None
        self.rig.journal.close()
        shutil.rmtree(self.folder, ignore_errors=True)  # the last journal takes its empty folder along


TestInboxWalk: Any = InboxWalk.TestCase
TestInboxWalk.settings = settings(max_examples=examples(25), stateful_step_count=30, deadline=None)
