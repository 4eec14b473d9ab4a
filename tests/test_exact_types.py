"""Arguments that are subclasses, enums or foreign numbers: the check turns each into a plain value."""

from __future__ import annotations

import enum
from collections import UserDict
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from ga_pygame import checks, rules
from ga_pygame.checks import InvalidEvent
from ga_pygame.engine.crashes import describe, fingerprint
from ga_pygame.events import Business, Design, Flow, Progression, Resource, Status, User
from ga_pygame.records import Context, SessionRef
from ga_pygame.traces import pass_on
from tests.test_recorder import Rig


class Words(str):
    """A string whose methods raise or return false results."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __repr__(self) -> str:
        raise RuntimeError("no text")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not to be compared")

    def __hash__(self) -> int:
        return str.__hash__(self)

    def __len__(self) -> int:
        return 10**6


class Name(str, enum.Enum):
    """A game's own names."""

    GOLD = "gold"
    USD = "USD"


class Count(enum.IntEnum):
    """A game's own numbers."""

    THREE = 3


class Whole:
    """A whole number as in numpy: no `int`, but with `__index__`."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value

    def __int__(self) -> int:
        return self.value


class Ratio(float):
    """A float as in numpy, with methods of its own."""

    def __float__(self) -> float:
        raise RuntimeError("no number")

    def __repr__(self) -> str:
        return "Ratio"


class BoolNumber:
    """A bool as in numpy 1."""

    def __index__(self) -> int:
        return 1

    def __float__(self) -> float:
        return 1.0


BoolNumber.__name__ = "bool_"


class Broken:
    """A number that claims to be whole and then fails, like an array of several numbers."""

    def __index__(self) -> int:
        raise TypeError("only scalar arrays")


@pytest.mark.parametrize(
    ("check", "value", "exact"),
    [
        (rules.event_part, Words("a b"), "a b"),
        (rules.event_part, Name.GOLD, "gold"),
        (rules.design_id, Words("a:b"), "a:b"),
        (rules.business_currency, Name.USD, "USD"),
        (rules.user_id, Words("läden"), "läden"),
        (rules.external_user_id, Name.GOLD, "gold"),
        (rules.build, Words("1"), "1"),
        (rules.custom_dimension, Name.GOLD, "gold"),
        (rules.severity, Words("error"), "error"),
        (rules.score, Count.THREE, 3),
        (rules.score, Whole(-4), -4),
        (rules.amount_cents, Whole(499), 499),
        (rules.number, Whole(3), 3),
        (rules.number, Ratio(2.5), 2.5),
        (rules.number, Fraction(1, 2), 0.5),
        (rules.positive, Count.THREE, 3),
        (rules.positive, Ratio(2.5), 2.5),
        (rules.custom_field_number, Ratio(1.0), 1.0),
    ],
)
def test_a_check_returns_the_exact_value(check: checks.Check, value: object, exact: object) -> None:
    """The same value, as a `str`, `int` or `float` and nothing that only looks like one."""
    found = check("field", value)
    assert type(found) is type(exact)
    assert found == exact


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (rules.number, BoolNumber()),
        (rules.score, BoolNumber()),
        (rules.number, Broken()),
        (rules.score, Broken()),
        (rules.number, Decimal("1.5")),
        (rules.positive, Decimal(1)),
        (rules.score, Ratio(3.0)),
        (rules.score, Fraction(3, 1)),
        (rules.amount_cents, Whole(-1)),
        (rules.amount_cents, Whole(2**63)),
        (rules.positive, Whole(0)),
        (rules.number, Ratio("nan")),
        (rules.number, Whole(10**400)),
        (rules.event_part, Words("a:b")),
        (rules.event_part, Words("x" * 65)),
        (rules.build, Words("x" * 33)),
        (rules.severity, Words("fatal")),
    ],
)
def test_what_breaks_a_rule_is_refused_as_that(check: checks.Check, value: object) -> None:
    """Neither a bool that calls itself a number nor a `__repr__` that raises gets another exception through."""
    with pytest.raises(InvalidEvent) as caught:
        check("field", value)
    assert "field" in str(caught.value)


@pytest.mark.parametrize("value", [10**5000, "x" * 10**7, Words("#")], ids=["digits", "long", "subclass"])
def test_a_message_shows_a_bounded_part_of_any_value(value: object) -> None:
    """A value that is huge, or cannot be shown, does not make the message so."""
    assert len(str(InvalidEvent("field", value, "rule", "source", "no_match"))) < 200


def test_events_hold_exact_values() -> None:
    """Whatever a game passed, the writer, the journal and SQL see built-in types."""
    word: Any = Words("a")
    made = [
        Business(Name.USD, Whole(5), word, word, word),  # type: ignore[arg-type]
        Resource(Flow.SINK, Name.GOLD, Ratio(2.5), word, word),
        Progression(Status.FAIL, (word, word), Whole(7)),  # type: ignore[arg-type]
        Design(word, Count.THREE),
    ]
    for event in made:
        values = [one for value in event._values() for one in (value if type(value) is tuple else (value,))]
        # `None` is the receipt that a purchase does not have.
        assert {type(value) for value in values} <= {str, int, float, Flow, Status, type(None)}
        parts = [one for part in event.key or () for one in (part if type(part) is tuple else (part,))]
        assert {type(part) for part in parts} == {str}


def test_custom_fields_are_exact_keys_and_all() -> None:
    """Of exact types it is the dict itself; else a copy in the same order, of any mapping."""
    plain: dict[str, Any] = {"a": 1, "b": "x", "c": 2.5, "d": "日本"}
    assert rules.custom_fields("custom_fields", plain) is plain
    odd: dict[Any, Any] = {"a": 1, Words("b"): Words("x"), "c": Ratio(2.5), "d": Whole(4), "e": Name.GOLD}
    for given in (odd, UserDict(odd)):
        found = rules.custom_fields("custom_fields", given)
        assert list(found.items()) == [("a", 1), ("b", "x"), ("c", 2.5), ("d", 4), ("e", "gold")]
        assert type(found) is dict
        assert {type(one) for pair in found.items() for one in pair} == {str, int, float}
    for wrong in (BoolNumber(), Decimal(1), True, None, float("nan"), b"x"):
        with pytest.raises(InvalidEvent):
            rules.custom_fields("custom_fields", {"a": wrong})


def test_what_is_recorded_comes_out_exact() -> None:
    """By the first call and by those that repeat it; a key of a foreign type is never what is remembered."""
    rig = Rig()
    rig.recorder.session = SessionRef("s", 1000.0)
    rig.recorder.change(user_id="u")
    for _ in range(2):
        rig.recorder.post(Design(Words("a:b"), Whole(3)), {Words("k"): Ratio(2.5)})  # type: ignore[arg-type]
        rig.recorder.post(Resource(Flow.SOURCE, Name.GOLD, Ratio(1.5), "a", "b"), None)
        kept = {type(part) for key in rig.recorder.inbox.kinds for part in (key if type(key) is tuple else (key,))}
        assert kept <= {str, float, type, object}, "the fields' values and their types are in the key"
    records = rig.records
    assert [type(record.event) for record in records] == [Design, Resource] * 2
    for record in records:
        assert type(record.event.number) in {int, float}
    assert [record.fields for record in records] == [{"k": 2.5}, None] * 2


def test_numpys_scalars() -> None:
    """The real ones, where numpy is installed."""
    numpy = pytest.importorskip("numpy")
    assert type(rules.score("score", numpy.int64(3))) is int
    assert type(rules.number("value", numpy.uint8(3))) is int
    assert type(rules.number("value", numpy.float64(2.5))) is float
    assert type(rules.number("value", numpy.float32(2.5))) is float
    assert type(rules.event_part("item", numpy.str_("gold"))) is str
    fields = rules.custom_fields("custom_fields", {numpy.str_("a"): numpy.float64(1.5), "b": numpy.int32(2)})
    assert {type(one) for pair in fields.items() for one in pair} == {str, int, float}
    for wrong in (numpy.bool_(True), numpy.array([1, 2]), numpy.timedelta64(5, "s"), numpy.float64("nan")):
        with pytest.raises(InvalidEvent):
            rules.number("value", wrong)
    with pytest.raises(InvalidEvent, match="round it"):
        rules.score("score", numpy.float64(3.0))
    assert User() == User()
    assert Context("u").user_id == "u"


def test_a_message_does_not_walk_a_container() -> None:
    """`repr` of a list of a million objects would stop the frame, and a mock's class deceives `isinstance`."""

    class Counted:
        shown = 0

        def __repr__(self) -> str:
            Counted.shown += 1
            return ""

    with pytest.raises(InvalidEvent, match=r"event_id \(list\): must be a string"):
        rules.design_id("event_id", [Counted()] * 1000)
    assert Counted.shown == 0


def test_what_only_calls_itself_an_exception_is_none() -> None:
    """It has no traceback; a real one has, whatever its class says of it."""

    class Mock:
        __class__ = ValueError  # type: ignore[assignment]

    class Hidden(Exception):
        @property
        def __traceback__(self) -> Any:  # type: ignore[override]
            raise RuntimeError("no traceback")

    with pytest.raises(InvalidEvent, match="must be an exception"):
        rules.exception("error", Mock())
    with pytest.raises(Hidden) as caught:
        raise Hidden("why")
    assert "in test_what_only_calls_itself" in describe(caught.value)
    fingerprint(caught.value)
    pass_on(caught.value)
