"""Events as values: an invalid one cannot be made, and each has the wire form of the documentation."""

from __future__ import annotations

import enum
import math
from typing import Any

import pytest

from ga_pygame import categories, events, sdk_events
from ga_pygame.checks import InvalidEvent
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
    SessionEnd,
    Severity,
    Status,
    Troubleshooting,
    User,
    WalletChange,
)
from ga_pygame.kinds import EXACT, KIND_BY_CODE, Event

KINDS = [kind for kind in KIND_BY_CODE.values() if kind.__module__ in (events.__name__, sdk_events.__name__)]


@pytest.mark.parametrize(
    ("event", "wire"),
    [
        (User(), {"category": "user"}),
        (SessionEnd(7, "quit"), {"category": "session_end", "length": 7}),
        (
            Business("USD", 499, "pack", "gold_500"),
            {"category": "business", "event_id": "pack:gold_500", "amount": 499, "currency": "USD"},
        ),
        (
            Business("USD", 0, "a", "b", "shop"),
            {"category": "business", "event_id": "a:b", "amount": 0, "currency": "USD", "cart_type": "shop"},
        ),
        (
            Resource(Flow.SOURCE, "gold", 5, "pickup", "coin"),
            {"category": "resource", "event_id": "Source:gold:pickup:coin", "amount": 5},
        ),
        (
            Resource(Flow.SINK, "gold", 2.5, "boost", "shield"),
            {"category": "resource", "event_id": "Sink:gold:boost:shield", "amount": -2.5},
        ),
        (Progression(Status.START, ("forest",), 5), {"category": "progression", "event_id": "Start:forest"}),
        (
            Progression(Status.FAIL, ("a", "b", "c"), 0),
            {"category": "progression", "event_id": "Fail:a:b:c", "score": 0},
        ),
        (
            Progression(Status.COMPLETE, ("a",), -1),
            {"category": "progression", "event_id": "Complete:a", "score": -1},
        ),
        (Design("kill:slime"), {"category": "design", "event_id": "kill:slime"}),
        (Design("kill:slime", 0), {"category": "design", "event_id": "kill:slime", "value": 0}),
        (
            Business("EUR", 1, "a", "b", "", {"store": "google_play", "receipt": "QUJD", "signature": "s"}),
            {
                "category": "business",
                "event_id": "a:b",
                "amount": 1,
                "currency": "EUR",
                "receipt_info": {"store": "google_play", "receipt": "QUJD", "signature": "s"},
            },
        ),
        (
            Ad("failed_show", "banner", "AdMob", "menu", "no_fill", 5),
            {
                "category": "ads",
                "ad_action": "failed_show",
                "ad_type": "banner",
                "ad_sdk_name": "admob",
                "ad_placement": "menu",
                "ad_fail_show_reason": "no_fill",
            },
        ),
        (
            Ad("show", "video", "admob", "menu", "no_fill", 5),
            {
                "category": "ads",
                "ad_action": "show",
                "ad_type": "video",
                "ad_sdk_name": "admob",
                "ad_placement": "menu",
                "ad_duration": 5,
            },
        ),
        (Troubleshooting(), {"category": "troubleshooting"}),
        (Error(Severity.WARNING, ""), {"category": "error", "severity": "warning", "message": ""}),
    ],
)
@pytest.mark.requirement(
    "002:resource-sign",
    "002:resource-flow",
    "002:resource-amount",
    "002:progression-statuses",
    "002:progression-score",
    "002:design-value",
    "002:error-message",
    "002:business-cart_type",
)
@pytest.mark.requirement("002:business-receipt")
def test_wire(event: Event, wire: dict[str, Any]) -> None:
    """The fields, the sign of a sink, score only at the end of an attempt, absent values left out and zeros kept."""
    assert event.wire() == wire
    assert next(iter(event.wire())) == "category"


def test_wallet_change_says_what_its_flow_says() -> None:
    """A crumb that is sent at once looks like the resource event that it is."""
    flow = Resource(Flow.SINK, "gold", 1, "a", "b")
    assert WalletChange(flow).wire() == flow.wire()


@pytest.mark.parametrize(
    "make",
    [
        lambda: SessionEnd(-1, "quit"),
        lambda: SessionEnd(True, "quit"),
        lambda: SessionEnd(1.5, "quit"),  # type: ignore[arg-type]
        lambda: Business("usd", 1, "a", "b"),
        lambda: Business("USD", -1, "a", "b"),
        lambda: Business("USD", 4.99, "a", "b"),  # type: ignore[arg-type]
        lambda: Business("USD", True, "a", "b"),
        lambda: Business("USD", 1, "a:x", "b"),
        lambda: Business("USD", 1, "a", ""),
        lambda: Business("ABC", 1, "a", "b"),
        lambda: Business("USD", 1, "a", "b", None, {"store": "steam", "receipt": "QUJD"}),
        lambda: Business("USD", 1, "a", "b", None, {"store": "apple", "receipt": "no base64"}),
        lambda: Business("USD", 1, "a", "b", None, {"store": "google_play", "receipt": "QUJD"}),
        lambda: Business("USD", 1, "a", "b", None, {"store": "apple", "receipt": "QUJD", "price": "1"}),
        lambda: Ad("seen", "banner", "admob", "menu"),
        lambda: Ad("show", "banner", "admob", ""),
        lambda: Business("USD", 1, "a", "b", "x" * 33),
        lambda: Resource(Flow.SOURCE, "my_gold", 1, "a", "b"),
        lambda: Resource(Flow.SOURCE, "gold", 0, "a", "b"),
        lambda: Resource(Flow.SINK, "gold", -1, "a", "b"),
        lambda: Resource(Flow.SINK, "gold", float("nan"), "a", "b"),
        lambda: Resource(Flow.SINK, "gold", True, "a", "b"),
        lambda: Resource(Flow.SINK, "gold", 1, "a\n", "b"),
        lambda: Resource(Flow.SINK, "gold", 1, "a", "b:c"),
        lambda: Progression(Status.START, ()),
        lambda: Progression(Status.START, ("a", "b", "c", "d")),
        lambda: Progression(Status.START, ("a", None)),  # type: ignore[arg-type]
        lambda: Progression(Status.FAIL, ("a",), 1.5),  # type: ignore[arg-type]
        lambda: Design("a::b"),
        lambda: Design("a", float("inf")),
        lambda: Design("a", True),
        lambda: Design("a", "3"),  # type: ignore[arg-type]
        lambda: Error(Severity.ERROR, "x" * 8193),
        lambda: Error(Severity.ERROR, None),  # type: ignore[arg-type]
    ],
)
@pytest.mark.requirement("002:business-currency-known", "002:business-receipt-stores")
def test_an_invalid_event_cannot_be_made(make: Any) -> None:
    """Each argument is checked where the event is made, long before the wire."""
    with pytest.raises(InvalidEvent):
        make()


@pytest.mark.parametrize("kind", KINDS)
def test_events_hold_their_values_and_nothing_else(kind: type) -> None:
    """Nothing can be put into an event between the game's call and the writer."""
    assert "__slots__" in vars(kind)
    assert not hasattr(object.__new__(kind), "__dict__")


def test_events_are_values() -> None:
    """Two are equal where kind and values are, and say what they hold."""
    assert Design("a", 1) == Design("a", 1)
    assert hash(Design("a", 1)) == hash(Design("a", 1))
    assert Design("a", 1) != Design("a", 2)
    assert Design("a") != Error(Severity.ERROR, "a")
    assert "'a:b'" in repr(Design("a:b", 1))


def test_every_kind_of_event_has_a_code() -> None:
    """The journal and the tests above know each kind by its code."""
    found = {
        value
        for value in vars(events).values()
        if isinstance(value, type) and "wire" in vars(value) and value is not Event
    }
    assert found == set(KINDS), "a kind has no code of its own, see `kinds.Event`"


def test_names_may_be_a_games_own_enums() -> None:
    """A str-enum stands for its value in every part of an id, on every version of Python."""

    class Name(str, enum.Enum):
        GOLD = "gold"
        PACK = "pack"

    assert Business("USD", 1, Name.PACK, Name.GOLD).wire()["event_id"] == "pack:gold"
    assert Resource(Flow.SOURCE, Name.GOLD, 1, Name.PACK, Name.GOLD).wire()["event_id"] == "Source:gold:pack:gold"
    assert Progression(Status.FAIL, (Name.PACK, Name.GOLD)).wire()["event_id"] == "Fail:pack:gold"


def test_a_progressions_level_is_its_key() -> None:
    """Attempts are counted under the parts joined by colons."""
    assert Progression(Status.START, ("forest", "level_1")).level == "forest:level_1"


REPEATED = [
    Business("USD", 499, "pack", "gold_500", "shop"),
    Resource(Flow.SINK, "gold", 2.5, "boost", "shield"),
    WalletChange(Resource(Flow.SOURCE, "gold", 1, "pickup", "coin")),
    Progression(Status.COMPLETE, ("a", "b"), 7),
    Design("kill:slime", 3),
]


@pytest.mark.parametrize("event", REPEATED)
def test_the_same_event_with_another_number(event: Event) -> None:
    """It differs in its number and in nothing else, and the first one stays as it is."""
    number = event.number
    other = event.with_number(9)
    assert (type(other), other.key, other.number, event.number) == (type(event), event.key, 9, number)
    assert other != event
    assert other.with_number(number) == event
    assert hash(other.with_number(number)) == hash(event)
    assert set(other.wire()) == set(event.wire())


@pytest.mark.parametrize("event", REPEATED)
def test_the_lowest_number_of_a_repeat_is_the_rules_own(event: Event) -> None:
    """The fast path accepts no number that the kind's check would refuse, and requires one if the kind does."""
    event.with_number(event.least).check_number()
    event.with_number(EXACT).check_number()
    if event.least > -EXACT:
        for number in (math.nextafter(event.least, -math.inf), event.least - 1, None):
            with pytest.raises(InvalidEvent):
                event.with_number(number).check_number()
    else:
        event.with_number(None).check_number()


def test_events_that_differ_in_more_than_the_number_have_other_keys() -> None:
    """A key stands for all that was checked; two kinds never share one."""
    others = [
        *REPEATED,
        Business("EUR", 499, "pack", "gold_500", "shop"),
        Business("USD", 499, "pack", "gold_500"),
        Business("USD", 499, "pack", "gold_5", "shop"),
        Resource(Flow.SOURCE, "gold", 2.5, "boost", "shield"),
        Resource(Flow.SINK, "gems", 2.5, "boost", "shield"),
        WalletChange(Resource(Flow.SINK, "gold", 2.5, "boost", "shield")),
        Progression(Status.FAIL, ("a", "b"), 7),
        Progression(Status.COMPLETE, ("a",), 7),
        Progression(Status.COMPLETE, ("a", "b", "c"), 7),
        Design("kill", 3),
    ]
    assert len({event.key for event in others}) == len(others)
    assert None not in {event.key for event in others}


@pytest.mark.parametrize("event", [User(), SessionEnd(1, "quit"), Error(Severity.ERROR, "x"), Health(1.0, (0, 60))])
def test_what_a_game_does_not_repeat_has_no_key(event: Event) -> None:
    """Sessions, errors and samples are each an event of its own."""
    assert event.key is None
    assert event.number is None
    assert event.with_number(None) == event


@pytest.mark.parametrize(
    ("network", "data", "field"),
    [
        ("", {}, "network"),
        ("x" * 65, {}, "network"),
        ("admob", None, "data"),
        ("admob", [("a", 1)], "data"),
        ("admob", {"a" * 65: 1}, "data key"),
        ("admob", {5: 1}, "data key"),
        ("admob", {"a": "x" * 257}, "data.a"),
        ("admob", {"a": float("nan")}, "data.a"),
        ("admob", {"a": {"b": 1}}, "data.a"),
        ("admob", {"publisher_revenue": -0.1}, "data.publisher_revenue"),
        ("admob", {"publisher_revenue": "0.1"}, "data.publisher_revenue"),
        ("admob", {"currency": "XYZ"}, "data.currency"),
        ("admob", {str(number): 1 for number in range(51)}, "data"),
    ],
)
def test_a_wrong_impression_cannot_be_made(network: Any, data: Any, field: str) -> None:
    """The error names the entry."""
    with pytest.raises(InvalidEvent) as caught:
        Impression(network, data)
    assert caught.value.field == field


def test_an_impression_on_the_wire() -> None:
    """What the network says, without what it does not know; the collector takes it, and nothing but an object."""
    event = Impression("admob", {"publisher_revenue": 0.012, "currency": "USD", "country": None, "is_test": True})
    data = {"publisher_revenue": 0.012, "currency": "USD", "is_test": True}
    assert event.wire() == {"category": "impression", "ad_network_name": "admob", "impression_data": data}
    found = categories.category_of("impression")
    assert found is not None
    for name, field in found.own.items():
        field.check(name, event.wire()[name])
    with pytest.raises(InvalidEvent):
        found.own["impression_data"].check("impression_data", ["x"])
