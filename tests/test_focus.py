"""Pygame's focus with a dummy window; the machine's sleep; a hook that sees no events."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pygame
import pytest

from ga_pygame.clock import Clock, SystemClock
from ga_pygame.engine import focus as focus_module
from ga_pygame.engine.focus import WATCH_SECONDS, Focus, Watch
from ga_pygame.engine.session import Phase, Session
from ga_pygame.events import SessionEnd
from ga_pygame.kinds import Event
from ga_pygame.records import SessionRef
from ga_pygame.testing import ManualClock


class Window:
    """The window's state as pygame reports it."""

    def __init__(self) -> None:
        self.is_there = True
        self.is_focused = True


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Window:
    """Replace the window system, since no test can take the focus from a dummy window."""
    said = Window()
    monkeypatch.setattr(pygame.display, "get_init", lambda: said.is_there)
    monkeypatch.setattr(pygame.key, "get_focused", lambda: said.is_focused)
    return said


class Story:
    """A session and the events that it posted."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.ends: list[tuple[int, float]] = []
        self.clock = ManualClock()
        self.session = Session(20.0, new_id=lambda: "x", post=self._post, started=lambda _: None, ended=lambda *_: None)
        self.focus = Focus(self.session)
        self.warnings: list[int] = []
        self.seen = False
        self.held = False
        self.looks: list[float] = []
        self.watch = Watch(
            self.focus,
            self.session,
            clock or self.clock,
            was_held=lambda since, until: self.held,
            is_seen=lambda: self.seen,
            warn=lambda: self.warnings.append(1),
            looks=[self.looks.append],
        )
        self.session.start((clock or self.clock).monotonic())

    def _post(self, event: Event, _session: SessionRef, at: float) -> None:
        if isinstance(event, SessionEnd):
            self.ends.append((event.length, at))

    @property
    def phase(self) -> Phase:
        return self.session.state.phase

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds / WATCH_SECONDS)):
            self.watch.step(self.clock.advance(WATCH_SECONDS, cpu=0.01))


def test_no_window_yet_is_active(window: Window) -> None:
    """While a game loads its assets before opening a window, the session runs."""
    window.is_there = False
    window.is_focused = False
    story = Story()
    story.focus.read(1001.0)
    assert story.phase is Phase.ACTIVE
    assert not story.focus.armed


def test_a_driver_without_focus_is_active(window: Window) -> None:
    """A driver that never says focused (offscreen, some browsers) says nothing by saying no."""
    window.is_focused = False
    story = Story()
    story.pass_time(30)
    assert story.phase is Phase.ACTIVE


def test_focus_lost_and_back(window: Window) -> None:
    """Once a driver has shown that it knows focus, no means no."""
    story = Story()
    story.pass_time(5)
    window.is_focused = False
    story.pass_time(5)
    assert story.phase is Phase.PAUSED
    window.is_focused = True
    story.pass_time(5)
    assert story.phase is Phase.ACTIVE  # type: ignore[comparison-overlap]  # it has changed meanwhile
    assert 9.0 <= story.session.state.length(story.clock.monotonic()) <= 10.5


def test_a_window_that_opens_anew_is_not_out_of_focus(window: Window) -> None:
    """After `display.quit()` and a new `set_mode()` the first no says nothing again."""
    story = Story()
    story.pass_time(1)
    window.is_there = False
    story.pass_time(1)
    window.is_there, window.is_focused = True, False
    story.pass_time(1)
    assert story.phase is Phase.ACTIVE


def test_the_watch_ends_a_long_pause(window: Window) -> None:
    """The session's end is stored 20 s into the pause, stamped at its beginning, without the game's help."""
    story = Story()
    story.pass_time(5)
    window.is_focused = False
    story.pass_time(25)
    assert story.phase is Phase.CLOSED
    assert [length for length, _ in story.ends] == [5]


def test_the_machines_sleep_is_a_pause(window: Window) -> None:
    """A gap without processor time is sleep: an hour of it is not played, and splits the session."""
    story = Story()
    story.pass_time(5)
    story.watch.step(story.clock.advance(3600.0, cpu=0.0))
    assert [length for length, _ in story.ends] == [5]
    assert story.phase is Phase.ACTIVE


def test_a_watch_that_runs_rarely_is_no_second_pause(window: Window) -> None:
    """App Nap of macOS delays the workers of a hidden game: one pause from its begin, however long the gaps are."""
    story = Story()
    story.pass_time(5)
    window.is_focused = False
    story.pass_time(1)
    for _ in range(4):
        story.watch.step(story.clock.advance(10.0, cpu=0.0))
    window.is_focused = True
    story.watch.step(story.clock.advance(10.0, cpu=0.0))
    assert [length for length, _ in story.ends] == [5]
    assert story.phase is Phase.ACTIVE


def test_a_window_that_is_dragged_is_played(window: Window) -> None:
    """On Windows all threads stand still meanwhile, without processor time; no second of play is lost."""
    story = Story()
    story.pass_time(5)
    story.held = True
    story.watch.step(story.clock.advance(30.0, cpu=0.0))
    assert story.ends == []
    assert story.session.state.length(story.clock.monotonic()) == 35.0


def test_a_sleep_that_only_the_wall_clock_shows_is_a_pause(window: Window) -> None:
    """Under Proton no clock of the process counts the suspend of a Steam Deck, by which its players stop."""
    monotonic, wall = [1000.0], [1_700_000_000.0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: wall[0])
        clock = SystemClock(lambda: monotonic[0], counts_sleep=False)
        story = Story(clock)

        def pass_time(seconds: float, slept: float = 0.0) -> None:
            monotonic[0] += seconds
            wall[0] += seconds + slept
            story.watch.step(clock.monotonic())

        for _ in range(20):
            pass_time(0.25)
        pass_time(0.25, slept=-3600.0)  # a clock that is set back changes nothing
        assert story.ends == []
        pass_time(0.25, slept=8 * 3600.0)
        assert [length for length, _ in story.ends] == [5]
        assert clock.monotonic() == 1000.0 + 5.5 + 8 * 3600
        assert clock.wall(clock.monotonic()) == 1_700_000_000.0 + 5.5 + 8 * 3600, "later events have today's date"
        assert story.phase is Phase.ACTIVE


def test_a_short_sleep_goes_on(window: Window) -> None:
    """A nap within the pause timeout is only left out."""
    story = Story()
    story.pass_time(5)
    story.watch.step(story.clock.advance(15.0, cpu=0.0))
    assert story.ends == []
    assert 5 <= story.session.state.length(story.clock.monotonic()) < 6


def test_a_long_blocking_load_is_played(window: Window) -> None:
    """A game that computes for a minute holds the watch up, but it is no sleep: the processor worked."""
    story = Story()
    story.pass_time(5)
    story.watch.step(story.clock.advance(60.0, cpu=55.0))
    assert story.ends == []
    assert story.session.state.length(story.clock.monotonic()) >= 65


def test_a_hook_that_sees_nothing_for_10_s_says_so_once(window: Window) -> None:
    """Once, counted from the window's opening; never if a call was seen or there is no window."""
    window.is_there = False
    story = Story()
    story.pass_time(30)
    window.is_there = True
    story.pass_time(9)
    assert story.warnings == []
    story.pass_time(60)
    assert story.warnings == [1]
    other = Story()
    other.seen = True
    other.pass_time(60)
    assert other.warnings == []


def test_a_finished_watch_looks_no_more(window: Window) -> None:
    """`finish()` is the last word to a worker."""
    story = Story()
    assert story.watch.step(1000.0) == WATCH_SECONDS
    story.watch.finish()
    assert story.watch.step(1001.0) is None


@pytest.fixture
def real_pygame() -> Iterator[None]:
    pygame.quit()
    yield
    pygame.quit()


def test_reading_before_and_after_pygame_is_there(real_pygame: None) -> None:
    """Nothing is raised before `init()`, with a window, or after `quit()`."""
    assert not focus_module.has_window()
    assert not focus_module.is_focused()
    pygame.display.init()
    pygame.display.set_mode((8, 8))
    assert focus_module.has_window()
    assert isinstance(focus_module.is_focused(), bool)
    pygame.quit()
    assert not focus_module.has_window()
    assert not focus_module.is_focused()
