"""Long frames are counted with the attempt; a hang is reported once, while it lasts."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest

from ga_pygame import rules
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.engine import frames as module
from ga_pygame.engine.crashes import HANG_WORDS, ErrorReports
from ga_pygame.engine.frames import HANG_SECONDS, Frames, HangWatch
from ga_pygame.engine.session import Session


class Loop:
    """A game's loop on a session that runs from 1000.0 on."""

    def __init__(self) -> None:
        self.session = Session(
            20.0, new_id=lambda: "x", post=lambda *_: None, started=lambda _: None, ended=lambda *_: None
        )
        self.session.start(1000.0)
        self.frames = Frames(self.session, 0.1)
        self.hangs: list[FrameType] = []
        self.watch = HangWatch(self.frames, self.hangs.append)

    def look(self, since: float, until: float) -> None:
        """Watch four times a second."""
        for step in range(int((until - since) * 4) + 1):
            self.watch.look(since + step / 4)


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    monkeypatch.setattr(module, "has_window", lambda: True)
    return Loop()


def test_long_frames_are_counted_where_they_end(loop: Loop) -> None:
    """Two frames of over 0.1 s; neither one at 60 frames a second nor a wait for an event is one."""
    for at in (1000.0, 1000.016, 1000.2, 1000.21, 1000.5):
        loop.frames.call(at)
    loop.frames.is_waiting = True
    loop.frames.call(1009.0)
    loop.frames.call(1009.05)
    assert loop.frames.hitches(1000.0, 1010.0) == 2
    assert loop.frames.hitches(1000.2, 1000.5) == 1, "the one that ended at 1000.2 is of the time before"


def test_a_pause_is_no_long_frame_and_no_hang(loop: Loop) -> None:
    """The player was in another window."""
    loop.frames.call(1000.0)
    loop.session.blur(1000.1)
    loop.look(1000.0, 1008.0)
    loop.session.focus(1008.0)
    loop.frames.call(1008.1)
    assert loop.frames.hitches(1000.0, 1010.0) == 0
    assert loop.hangs == []


def test_a_hang_is_reported_once_while_it_lasts(loop: Loop) -> None:
    """After five seconds without a call."""
    loop.frames.call(1000.0)
    loop.look(1000.0, 1000.0 + HANG_SECONDS - 0.25)
    assert loop.hangs == []
    loop.look(1000.0 + HANG_SECONDS, 1010.0)
    assert len(loop.hangs) == 1
    loop.frames.call(1010.0)
    loop.look(1010.0, 1020.0)
    assert len(loop.hangs) == 1, "once a launch"


@pytest.mark.parametrize("why", ["no call yet", "waits", "slept", "no window"])
def test_what_is_no_hang(loop: Loop, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    """A game that loads before its first frame, that waits for an event, on a machine that slept, without a window."""
    if why != "no call yet":
        loop.frames.call(1000.0)
    loop.frames.is_waiting = why == "waits"
    if why == "no window":
        monkeypatch.setattr(module, "has_window", lambda: False)
    if why == "slept":
        loop.look(1000.0, 1001.0)
        loop.look(1009.0, 1012.0)
    else:
        loop.look(1000.0, 1012.0)
    assert loop.hangs == []


def test_the_report_has_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last call is the innermost one, as in a traceback."""
    posted: list[Any] = []
    reports = ErrorReports(lambda event, fields: posted.append((event, fields)), Diagnostics())
    reports.hang(sys._getframe())
    ((event, fields),) = posted
    lines = event.message.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "in test_the_report_has_the_stack" in lines[-3]
    assert lines[-1] == HANG_WORDS
    assert (event.severity.value, event.crash, fields) == ("error", rules.HANG, None)


def test_a_call_that_is_held_is_neither_a_long_frame_nor_a_hang(loop: Loop) -> None:
    """The player drags the window: on Windows the call that reads events returns when that ends."""
    loop.frames.call(1000.0)
    loop.frames.in_call_since = 1000.01
    loop.look(1000.0, 1010.0)
    loop.frames.returned(1010.0)
    loop.frames.call(1010.01)
    loop.look(1010.0, 1011.0)
    assert loop.hangs == []
    assert loop.frames.hitches(1000.0, 1011.0) == 0


def test_who_asks_is_told_of_a_held_call_before_and_after_its_end(loop: Loop) -> None:
    """The watch may go on before our wrapper does; a usual call, and a gap that it fills to a small part, is none."""
    loop.frames.in_call_since = 1000.0
    assert loop.frames.was_held(999.9, 1003.0)
    assert not loop.frames.was_held(990.0, 1003.0)
    loop.frames.returned(1003.0)
    assert loop.frames.was_held(999.9, 1003.0)
    assert not loop.frames.was_held(1003.0, 1010.0)
    loop.frames.in_call_since = 1010.0
    loop.frames.returned(1010.001)
    assert loop.frames.was_held(999.9, 1003.0), "a usual call does not replace the last one that was held"
