"""Whether the player is at the game, read from pygame's state; and the worker that reads it.

The state is right where events are not seen: in a game that imported `event.get` by name, reads typed
events only, or only pumps. Reading it takes 0.1 µs and is safe on any thread.
"""

from __future__ import annotations

from collections.abc import Callable

import pygame

from ga_pygame.clock import Clock
from ga_pygame.engine.session import Session

WATCH_SECONDS = 0.25
_SLEEP_GAP_SECONDS = 2.0
_NO_CALLS_SECONDS = 10.0


def has_window() -> bool:
    """Whether pygame's video is up, so that there is or may be a window."""
    return bool(pygame.display.get_init())


def is_focused() -> bool:
    """Whether any of the game's windows has the keyboard; none that is hidden or minimised has."""
    try:
        # not display.get_active(): it knows one window only, which may be minimised while another is played in
        return bool(pygame.key.get_focused())
    except pygame.error:  # pygame.quit() in between
        return False


class Focus:
    """Turns what is read into observations of the session.

    Before the first True, False says nothing: a window that is just opening, or a driver that knows no
    focus (dummy, offscreen), leaves the session active.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._armed = False

    @property
    def armed(self) -> bool:
        """Whether this driver has shown that it knows focus."""
        return self._armed

    def read(self, now: float) -> None:
        """Observe the state as it is. Any thread."""
        if not has_window():
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
        focus: What to read.
        session: Told of sleep and of pauses that last too long.
        clock: Tells sleep from a game that holds the interpreter lock: asleep, no processor time passes.
        is_seen: Whether the hook has seen a call of the game.
        warn: Called once where it has seen none in 10 s.
    """

    name = "watch"

    def __init__(
        self, focus: Focus, session: Session, clock: Clock, is_seen: Callable[[], bool], warn: Callable[[], None]
    ) -> None:
        self._focus = focus
        self._session = session
        self._clock = clock
        self._is_seen = is_seen
        self._warn = warn
        self._last: tuple[float, float] | None = None
        self._window_since: float | None = None
        self._finished = False

    def finish(self) -> None:
        self._finished = True

    def step(self, now: float) -> float | None:
        """Look once."""
        if self._finished:
            return None
        cpu = self._clock.cpu()
        if self._last is not None:
            last, last_cpu = self._last
            if now - last > _SLEEP_GAP_SECONDS and cpu - last_cpu < (now - last) / 2:
                self._session.slept(last, now)
        self._last = (now, cpu)
        self._focus.read(now)
        self._session.check(now)
        self._look_for_calls(now)
        return WATCH_SECONDS

    def _look_for_calls(self, now: float) -> None:
        if self._is_seen() or not has_window():
            self._window_since = None
        elif self._window_since is None:
            self._window_since = now
        elif now - self._window_since > _NO_CALLS_SECONDS:
            self._warn()
            self._window_since = float("inf")
