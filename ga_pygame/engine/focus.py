"""Reads from pygame's state whether the player is at the game, and has the worker that reads it.

The state is right even if our hook sees no events: in a game that imported `event.get` by name, reads only events
of given types, or only calls `pump()`. Reading it takes 0.1 µs and is safe on any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pygame

from ga_pygame.clock import Clock
from ga_pygame.engine.session import Session

WATCH_SECONDS = 0.25
_SLEEP_GAP_SECONDS = 2.0
_NO_CALLS_SECONDS = 10.0


def has_window() -> bool:
    """Return whether pygame's display module is initialised, so that there is or may be a window."""
    return bool(pygame.display.get_init())


def is_focused() -> bool:
    """Return whether any of the game's windows has keyboard focus; a hidden or minimised window never has."""
    try:
        # not display.get_active(): it knows only one window, which may be minimised while the player uses another
        return bool(pygame.key.get_focused())
    except pygame.error:  # another thread called pygame.quit() after the caller's has_window()
        return False


class Focus:
    """Passes the focus state that it reads to the session. Any thread.

    Until focus was seen once, a window without focus is ignored: it may be just opening, or the video driver may not
    support focus (dummy, offscreen). The session stays active then.

    Args:
        session: Told of the focus.
        asked: Returns whether there is a window whose focus is read; `None` asks pygame.
    """

    def __init__(self, session: Session, asked: Callable[[], bool] | None = None) -> None:
        self._session = session
        self.has_window = asked or has_window
        self._armed = False

    @property
    def armed(self) -> bool:
        """Whether focus was seen in this window, so that the driver supports it."""
        return self._armed

    def read(self, now: float) -> None:
        """Read the focus state and tell the session. Any thread."""
        if not self.has_window():
            self._armed = False
            self._session.no_window()
        elif is_focused():
            self._armed = True
            self._session.focus(now)
        elif self._armed:
            self._session.blur(now)


class Watch:
    """The worker that reads the focus state four times a second and notices when the machine slept.

    Args:
        focus: Reads the focus state.
        session: Told of sleep and asked to end pauses that last too long.
        clock: Tells a sleeping machine from a game that computes: in sleep the process uses no processor time.
        was_held: Returns whether one call of pygame by the game took most of the time between two times. On Windows
            such a call lasts as long as the player drags or resizes the window, and no thread runs meanwhile.
        is_seen: Whether the hook has seen a call of the game.
        warn: Called once if there is a window and the hook has seen no call for 10 s.
        looks: Called at each step with its time.
    """

    name = "watch"

    def __init__(
        self,
        focus: Focus,
        session: Session,
        clock: Clock,
        *,
        was_held: Callable[[float, float], bool],
        is_seen: Callable[[], bool],
        warn: Callable[[], None],
        looks: Sequence[Callable[[float], None]],
    ) -> None:
        self._focus = focus
        self._session = session
        self._clock = clock
        self._was_held = was_held
        self._is_seen = is_seen
        self._warn = warn
        self._looks = looks
        self._last: tuple[float, float] | None = None
        self._window_since: float | None = None
        self._finished = False

    def finish(self) -> None:
        self._finished = True

    def step(self, now: float) -> float | None:
        """Read the focus state once; return the seconds until the next step, `None` after `finish()`."""
        if self._finished:
            return None
        now += self._clock.notice_sleep()
        cpu = self._clock.cpu()
        if self._last is not None:
            last, last_cpu = self._last
            is_gap = now - last > _SLEEP_GAP_SECONDS
            if is_gap and cpu - last_cpu < (now - last) / 2 and not self._was_held(last, now):
                self._session.slept(last, now)
        self._last = (now, cpu)
        self._focus.read(now)
        self._session.check(now)
        self._look_for_calls(now)
        for look in self._looks:
            look(now)
        return WATCH_SECONDS

    def _look_for_calls(self, now: float) -> None:
        if self._is_seen() or not self._focus.has_window():
            self._window_since = None
        elif self._window_since is None:
            self._window_since = now
        elif now - self._window_since > _NO_CALLS_SECONDS:
            self._warn()
            self._window_since = float("inf")
