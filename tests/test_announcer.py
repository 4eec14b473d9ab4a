"""Losses reported by the signal: summed up, bounded, and complete."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace
from typing import Any

from ga_pygame.announcer import MAX_DETAIL, MAX_DROP_DETAILS, MAX_UNSUMMED_DROPS, Announcer
from ga_pygame.diagnostics import Drop
from ga_pygame.signals import MAX_NOTICES, Mailbox, Signal


class Rig:
    """An announcer with a receiver at its signal."""

    def __init__(self) -> None:
        self.mailbox = Mailbox(lambda _cause, _message: None)
        self.heard: list[tuple[Drop, int, str]] = []
        signal: Signal[[Drop, int, str]] = Signal("event_dropped")
        signal.connect(lambda *told: self.heard.append(told))
        signals: Any = SimpleNamespace(event_dropped=signal)
        self.announcer = Announcer(signals, self.mailbox)

    def tick(self) -> None:
        self.mailbox.deliver()


def test_equal_losses_are_told_together() -> None:
    """One emission for each reason and detail."""
    rig = Rig()
    for _ in range(3):
        rig.announcer.dropped(Drop.INVALID, 2, "here")
    rig.announcer.dropped(Drop.INVALID, 1, "there")
    rig.tick()
    assert rig.heard == [(Drop.INVALID, 6, "here"), (Drop.INVALID, 1, "there")]
    rig.tick()
    assert len(rig.heard) == 2


def test_without_a_tick_nothing_grows() -> None:
    """A tracker that is off, or a game whose frames nobody sees: sums only, and details up to a number."""
    rig = Rig()
    for number in range(50_000):
        rig.announcer.dropped(Drop.NOT_RUNNING, 1, f"{number} " + "x" * 1000)
    assert len(rig.announcer._drops) < MAX_UNSUMMED_DROPS
    assert len(rig.announcer._sums) <= MAX_DROP_DETAILS + len(Drop)
    assert not rig.mailbox._notices
    rig.tick()
    assert sum(count for _, count, _ in rig.heard) == 50_000
    assert max(len(detail) for *_, detail in rig.heard) <= MAX_DETAIL
    assert rig.heard[-1][2] == ""


def test_losses_are_told_also_if_signals_were_left_out() -> None:
    """A game that did not tick for long has the oldest signals removed; its losses are told then and later."""
    rig = Rig()
    rig.announcer.dropped(Drop.INVALID, 1, "a")
    for _ in range(2 * MAX_NOTICES):
        rig.mailbox.notify(lambda: None)
    rig.tick()
    rig.announcer.dropped(Drop.INVALID, 1, "b")
    rig.tick()
    assert rig.heard == [(Drop.INVALID, 1, "a"), (Drop.INVALID, 1, "b")]


def test_losses_of_many_threads_are_all_told() -> None:
    """No loss is missing, whichever thread adds it and whenever the game's thread signals."""
    rig = Rig()

    def work() -> None:
        for number in range(3000):
            rig.announcer.dropped(Drop.INTERNAL, 1, str(number % 3))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(2000):
            rig.tick()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    rig.announcer.dropped(Drop.INTERNAL, 1, "last")
    while rig.mailbox:
        rig.tick()
    assert sum(count for _, count, _ in rig.heard) == 12_001
