"""Resource flows and wallets on the game thread; the tests of the writer's slices check the sums."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import pytest

from ga_pygame.areas.resource import ResourceArea, Wallet
from ga_pygame.checks import InvalidEvent
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.events import Fields, Flow, Resource, WalletChange
from ga_pygame.kinds import Event
from ga_pygame.recording.recorder import Recorder
from ga_pygame.records import Context
from ga_pygame.testing import ManualClock


class Rig:
    """An area, a wallet and the events that they posted."""

    def __init__(
        self,
        currencies: Collection[str] | None = None,
        item_types: Collection[str] | None = None,
        *,
        strict: bool = True,
    ) -> None:
        self.posted: list[tuple[Event, Fields | None]] = []
        self.diagnostics = Diagnostics(strict=strict)
        self.area = ResourceArea(self._post, self.diagnostics, currencies, item_types)
        self.wallet = Wallet(self.area, "gold", self._post, self.diagnostics)

    def _post(self, event: Event, fields: Fields | None) -> None:
        self.posted.append((event, fields))


def test_amounts_are_given_positive_and_sent_negative_for_a_sink() -> None:
    """The direction is the method's name; the sign is the wire's business."""
    rig = Rig()
    rig.area.source("gold", 5, "pickup", "coin", fields={"seed": 1})
    rig.area.sink("gold", 100, "boost", "shield")
    assert [(event.wire()["event_id"], event.wire()["amount"]) for event, _ in rig.posted] == [
        ("Source:gold:pickup:coin", 5),
        ("Sink:gold:boost:shield", -100),
    ]
    assert rig.posted[0][1] == {"seed": 1}


@pytest.mark.parametrize("amount", [0, -5, float("nan"), float("inf"), True, "5"])
def test_other_amounts_are_refused(amount: float) -> None:
    """A negative amount would turn a gain into a loss without a word."""
    rig = Rig()
    for call in (rig.area.source, rig.area.sink):
        with pytest.raises(InvalidEvent, match="amount"):
            call("gold", amount, "a", "b")
    for earn in (rig.wallet.earn, rig.wallet.spend):
        with pytest.raises(InvalidEvent, match="amount"):
            earn(amount, "a", "b")
    assert rig.posted == []


def test_declared_lists_are_checked_when_given() -> None:
    """Undeclared currencies and item types are refused, in wallets too; without a list anything goes."""
    rig = Rig(currencies=["gold"], item_types=["pickup"])
    rig.area.source("gold", 1, "pickup", "coin")
    rig.wallet.earn(1, "pickup", "coin")
    with pytest.raises(InvalidEvent, match="currency 'gems': is not declared"):
        rig.area.source("gems", 1, "pickup", "coin")
    with pytest.raises(InvalidEvent, match="item_type 'boost': is not declared"):
        rig.area.sink("gold", 1, "boost", "coin")
    with pytest.raises(InvalidEvent, match="item_type"):
        rig.wallet.spend(1, "boost", "coin")
    assert len(rig.posted) == 2


def test_currencies_have_letters_only() -> None:
    """As the server's schema says, also for a wallet's."""
    rig = Rig()
    with pytest.raises(InvalidEvent, match="letters"):
        rig.area.source("my_gold", 1, "a", "b")
    wallet = Wallet(rig.area, "gold_2", rig._post, rig.diagnostics)
    with pytest.raises(InvalidEvent, match="letters"):
        wallet.earn(1, "a", "b")


def test_a_wallets_flows_are_marked_for_summing() -> None:
    """An event of a wallet contains its flow, which the writer adds up."""
    rig = Rig()
    rig.wallet.earn(2, "pickup", "coin")
    rig.wallet.spend(1, "boost", "shield")
    kinds = [event for event, _ in rig.posted]
    assert all(isinstance(event, WalletChange) for event in kinds)
    assert [event.change.wire()["amount"] for event in kinds if isinstance(event, WalletChange)] == [2, -1]
    assert not any(isinstance(event, Resource) for event in kinds)


def test_outside_strict_mode_a_wrong_flow_is_dropped_and_counted() -> None:
    """The game goes on."""
    rig = Rig(strict=False)
    rig.area.source("gold", -1, "a", "b")
    rig.wallet.earn(0, "a", "b")
    rig.area.sink("gold")  # type: ignore[call-arg]
    assert rig.posted == []
    assert rig.diagnostics.stats(0).dropped == {"invalid": 3}


# --- with an inbox behind it --------------------------------------------------------------------------------


class Recorded:
    """An area and a wallet on a real recorder, so that repeated calls take the fast path."""

    def __init__(self, currencies: Collection[str] | None = None) -> None:
        self.diagnostics = Diagnostics(strict=True)
        self.recorder = Recorder(Context("player"), ManualClock().monotonic, self.diagnostics)
        self.recorder.release()
        repeat = self.recorder.inbox.repeat
        self.area = ResourceArea(self.recorder.post, self.diagnostics, currencies, None, repeat)
        self.wallet = Wallet(self.area, "gold", self.recorder.post, self.diagnostics, repeat)

    def events(self) -> list[Event]:
        return [record.event for record in self.recorder.take_all()]


@pytest.mark.parametrize("amount", [0, 0.0, -0.0, -5, float("nan"), float("inf"), True, "5", None, []])
def test_a_wrong_amount_is_refused_after_right_ones_too(amount: Any) -> None:
    """A flow that was right before is checked again for what differs, its amount."""
    rig = Recorded()
    calls: list[Callable[[Any], None]] = [
        lambda amount: rig.area.source("gold", amount, "a", "b"),
        lambda amount: rig.area.sink("gold", amount, "a", "b"),
        lambda amount: rig.wallet.earn(amount, "a", "b"),
        lambda amount: rig.wallet.spend(amount, "a", "b"),
    ]
    for call in calls:
        call(1)
        call(2)
        with pytest.raises(InvalidEvent, match="amount"):
            call(amount)
    assert len(rig.events()) == 8


def test_repeated_flows_are_what_the_calls_say() -> None:
    """Source and sink, resource and wallet of the same currency and item are not taken for each other."""
    rig = Recorded()
    expected: list[Event] = []
    for amount in (1, 2.5, 3, 1e-9, 2**53, 2**60):
        for flow in Flow:
            change = Resource(flow, "gold", amount, "a", "b")
            expected += [change, WalletChange(change)]
        rig.area.source("gold", amount, "a", "b")
        rig.wallet.earn(amount, "a", "b")
        rig.area.sink("gold", amount, "a", "b")
        rig.wallet.spend(amount, "a", "b")
    assert rig.events() == expected


def test_undeclared_names_are_refused_however_they_are_written() -> None:
    """The fast path accepts only names that the lists allow."""
    rig = Recorded(currencies=["gold"])
    rig.area.source("gold", 1, "a", "b")
    for _ in range(2):
        with pytest.raises(InvalidEvent, match="declared"):
            rig.area.source("gems", 1, "a", "b")
    assert len(rig.events()) == 1


class Odd(str):
    """A string that can be neither hashed nor compared."""

    def __hash__(self) -> int:
        raise RuntimeError("no key")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not to be compared")


def test_a_name_that_cannot_be_looked_up_is_its_text() -> None:
    """The declared lists see what the event holds."""
    rig = Rig(currencies=["gold"], item_types=["a"])
    rig.area.source(Odd("gold"), 1, Odd("a"), Odd("b"))
    Wallet(rig.area, Odd("gold"), rig._post, rig.diagnostics).spend(1, Odd("a"), Odd("b"))
    assert len(rig.posted) == 2
    with pytest.raises(InvalidEvent, match="is not declared"):
        rig.area.sink(Odd("gems"), 1, "a", "b")
