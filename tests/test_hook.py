"""The hook around a real pygame with the dummy driver: transparent to the game, and restored by `remove()`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pygame
import pytest

from ga_pygame.diagnostics import Diagnostics
from ga_pygame.engine.focus import Focus
from ga_pygame.engine.frames import Frames
from ga_pygame.engine.hook import Hook
from ga_pygame.engine.session import Phase, Session
from ga_pygame.testing import ManualClock

WRAPPED = [
    (pygame.event, "get"),
    (pygame.event, "poll"),
    (pygame.event, "wait"),
    (pygame.display, "flip"),
    (pygame.display, "update"),
]
ORIGINALS = [getattr(module, name) for module, name in WRAPPED]


class Rig:
    """A hook and its calls."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.calls: list[str] = []
        self.shown: list[float] = []
        self.fails = False
        self.diagnostics = Diagnostics()
        self.starts: list[str] = []
        self.session = Session(
            20.0,
            new_id=lambda: "x",
            post=lambda *_: None,
            started=lambda _: self.starts.append("start"),
            ended=lambda *_: None,
        )
        self.frames = Frames(self.session, 0.1)
        self.hook = Hook(
            self.session,
            Focus(self.session),
            clock=self.clock,
            diagnostics=self.diagnostics,
            loop=self,
            frames=self.frames,
        )
        self.session.start(self.clock.monotonic())

    def frame_shown(self) -> None:
        self.shown.append(self.clock.monotonic())

    def on_quit_event(self) -> None:
        self.calls.append("quit event")

    def look_after(self) -> None:
        pass

    def tick(self) -> None:
        if self.fails:
            raise ZeroDivisionError("ours")
        self.hook.frame(self.clock.monotonic())
        self.calls.append("tick")

    def on_pygame_quit(self) -> None:
        if self.fails:
            raise ZeroDivisionError("ours")
        self.calls.append("pygame quit")
        self.session.end(self.clock.monotonic(), "quit")


@pytest.fixture
def rig() -> Iterator[Rig]:
    pygame.display.init()
    pygame.display.set_mode((16, 16))
    pygame.event.get()
    made = Rig()
    made.hook.install()
    yield made
    made.hook.remove()
    pygame.quit()
    assert [getattr(module, name) for module, name in WRAPPED] == ORIGINALS


def test_the_game_gets_what_it_would_get(rig: Rig) -> None:
    """Arguments pass through, results come back unchanged, an event is observed and never taken."""
    mine = pygame.event.Event(pygame.USEREVENT, seed=7)
    other = pygame.event.Event(pygame.KEYDOWN, key=pygame.K_a)
    for event in (mine, other):
        pygame.event.post(event)
    assert [event.seed for event in pygame.event.get(pygame.USEREVENT)] == [7]
    assert [event.key for event in pygame.event.get(exclude=[pygame.USEREVENT])] == [pygame.K_a]
    assert pygame.event.poll().type == pygame.NOEVENT
    pygame.event.post(mine)
    assert pygame.event.wait(timeout=10).seed == 7
    assert pygame.display.flip() is None  # type: ignore[func-returns-value]
    assert pygame.display.update(pygame.Rect(0, 0, 4, 4)) is None
    assert rig.calls.count("tick") == 6
    assert len(rig.shown) == 2  # by flip and update only
    assert pygame.event.get.__doc__ == ORIGINALS[0].__doc__


def test_the_games_own_mistakes_come_back(rig: Rig) -> None:
    """An exception of pygame reaches the game unchanged."""
    with pytest.raises(TypeError):
        pygame.event.get(nonsense=1)  # type: ignore[call-arg]
    pygame.display.quit()
    with pytest.raises(pygame.error):
        pygame.display.flip()


def test_our_failure_stays_ours(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """An exception in the hook is reported once and does not reach the game."""
    rig.fails = True
    pygame.event.get()
    pygame.event.get()
    pygame.display.flip()
    pygame.quit()
    assert sum("ga_pygame failed in pygame.get" in record.getMessage() for record in caplog.records) == 1
    assert "pygame.quit" in caplog.text
    pygame.display.init()
    pygame.display.set_mode((16, 16))


def test_on_windows_every_call_that_pumps_events_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the player drags the window such a call does not return; the machine's sleep is told from it by that."""
    monkeypatch.setattr(sys, "platform", "win32")
    rig = Rig()
    pumping = ("get", "poll", "pump", "peek", "clear")
    during: list[bool] = []

    def drag(*_: object) -> None:
        until = rig.clock.advance(30.0)
        during.append(rig.frames.was_held(until - 30.0, until))

    for name in pumping:
        monkeypatch.setattr(pygame.event, name, drag)
    rig.hook.install()
    for name in pumping:
        since = rig.clock.monotonic()
        getattr(pygame.event, name)()
        assert rig.frames.was_held(since, rig.clock.monotonic()), name
        rig.clock.advance(1.0)
    assert during == [True] * len(pumping)
    rig.hook.remove()
    assert all(getattr(pygame.event, name) is drag for name in pumping)


def test_quit_flushes_and_ends_nothing(rig: Rig) -> None:
    """A game may ask "really quit?": QUIT sends what there is, the session goes on."""
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    assert [event.type for event in pygame.event.get()] == [pygame.QUIT]
    assert "quit event" in rig.calls
    assert rig.session.state.phase is Phase.ACTIVE


def test_pygame_quit_leaves_and_a_new_window_comes_back(rig: Rig) -> None:
    """`pygame.quit()` ends the session, each time; a game that opens a window again plays a new one."""
    for round_trip in (1, 2):
        pygame.quit()
        assert rig.calls.count("pygame quit") == round_trip
        assert rig.session.state.phase is Phase.CLOSED
        rig.clock.advance(1.0)
        pygame.display.init()
        pygame.display.set_mode((16, 16))
        pygame.event.get()
        assert rig.session.state.phase is Phase.ACTIVE  # type: ignore[comparison-overlap]  # it has changed meanwhile
        assert len(rig.starts) == 1 + round_trip


def test_two_hooks_leave_nothing_behind(rig: Rig) -> None:
    """Two trackers in one process are taken off in any order, and pygame's own functions are there again."""
    rig.hook.remove()
    for order in ((0, 1), (1, 0)):
        rigs = [Rig(), Rig()]
        for one in rigs:
            one.hook.install()
        for which in order:
            rigs[which].hook.remove()
        assert [getattr(module, name) for module, name in WRAPPED] == ORIGINALS


def test_a_functions_later_wrapper_survives_remove(rig: Rig) -> None:
    """A wrapper that was installed after ours stays, and ours inside it does nothing."""
    inner = pygame.event.get

    def outer(*args: Any, **kwargs: Any) -> Any:
        return inner(*args, **kwargs)

    pygame.event.get = outer
    try:
        rig.hook.remove()
        assert pygame.event.get is outer
        rig.calls.clear()
        pygame.event.get()
        assert rig.calls == []
    finally:
        pygame.event.get = ORIGINALS[0]


def test_focus_events_count_where_the_state_says_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a driver that knows no focus, the events are all there is."""
    monkeypatch.setattr(pygame.key, "get_focused", lambda: False)
    for kind, phase in [
        (pygame.WINDOWFOCUSLOST, Phase.PAUSED),
        (pygame.WINDOWFOCUSGAINED, Phase.ACTIVE),
        (pygame.WINDOWMINIMIZED, Phase.PAUSED),
        (pygame.WINDOWRESTORED, Phase.ACTIVE),
        (pygame.APP_WILLENTERBACKGROUND, Phase.PAUSED),
        (pygame.APP_DIDENTERFOREGROUND, Phase.ACTIVE),
    ]:
        rig.hook.process(pygame.event.Event(kind))
        assert rig.session.state.phase is phase


def test_the_heartbeat_of_flip_reads_focus(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A game whose events are not seen still pauses: any frame reads the state, four times a second."""
    pygame.display.flip()
    monkeypatch.setattr(pygame.key, "get_focused", lambda: True)
    rig.clock.advance(0.3)
    pygame.display.flip()
    monkeypatch.setattr(pygame.key, "get_focused", lambda: False)
    pygame.display.flip()
    assert rig.session.state.phase is Phase.ACTIVE
    rig.clock.advance(0.3)
    pygame.display.flip()
    assert rig.session.state.phase is Phase.PAUSED  # type: ignore[comparison-overlap]  # it has changed meanwhile


def test_a_frame_of_the_game_is_seen(rig: Rig) -> None:
    """Any call of the game counts, so that the warning about an unseen loop does not come."""
    assert not rig.hook.seen
    pygame.event.get()
    assert rig.hook.seen


def test_classic_pygame_is_told_and_works(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It lies under the same name; beside pygame-ce each has overwritten files of the other."""
    monkeypatch.delattr(pygame, "IS_CE")
    assert not caplog.text
    rig = Rig()
    assert "not pygame-ce" in caplog.text
    assert "pip uninstall -y pygame pygame-ce && pip install pygame-ce" in caplog.text
    rig.hook.install()
    pygame.event.get()
    rig.hook.remove()
    assert rig.calls
    assert caplog.text.count("not pygame-ce") == 1


def test_what_another_wrapper_answers_is_left_to_the_game(rig: Rig) -> None:
    """A generator of events is the game's to read; we would take them."""
    rig.hook.remove()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pygame.event, "get", lambda: (number for number in range(3)))
        rig.hook.install()
        assert list(pygame.event.get()) == [0, 1, 2]  # type: ignore[comparison-overlap]
        rig.hook.remove()
    assert "tick" in rig.calls


@pytest.mark.parametrize("kind", [[], None, "x", 1.0])
def test_an_event_of_a_strange_type_is_none(rig: Rig, caplog: pytest.LogCaptureFixture, kind: Any) -> None:
    """A game may put its own objects among the events; those behind them are seen."""

    class Own:
        type = kind

    class Worse:
        @property
        def type(self) -> int:
            raise RuntimeError("no type")

    own: Any = [Own(), Worse(), pygame.event.Event(pygame.QUIT)]
    rig.hook._seen_all(own)
    assert "quit event" in rig.calls
    assert "tick" in rig.calls
    assert caplog.records == []
