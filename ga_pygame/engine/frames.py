"""Measures the gaps between the game's calls of pygame: long frames (hitches), and a hang while it lasts.

A gap is the time between two calls that the hook sees (`event.get`, `event.poll`, `display.flip`, …), so a game that
draws only when something changes has no long frames while it reads its events. Waiting in `event.wait` is no gap.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable
from types import FrameType

from ga_pygame.engine.focus import has_window
from ga_pygame.engine.session import Phase, Session

HANG_SECONDS = 5.0
"""A gap of this length is reported while it lasts. Source: Windows, "not responding"."""

KEPT_HITCHES = 1000
"""Times of long frames that are kept; an attempt with more has this number."""

_LOOK_GAP_SECONDS = 2.0
"""If the watch itself did not run for longer, the machine slept or a C call held the GIL: nobody knows which."""


class Frames:
    """The gaps between calls. Written by the game thread, read by any.

    Args:
        session: A gap counts only while the player is focused on the game.
        hitch_seconds: A longer gap is a hitch.

    Attributes:
        last: The time of the last call; `None` before the first.
        is_waiting: Whether the game waits in `event.wait`.
    """

    def __init__(self, session: Session, hitch_seconds: float) -> None:
        self._session = session
        self._hitch_seconds = hitch_seconds
        self._hitches: deque[float] = deque(maxlen=KEPT_HITCHES)
        self.last: float | None = None
        self.is_waiting = False

    def call(self, now: float) -> None:
        """Note a call of the game at `now`, in seconds of the monotonic clock. Costs 0.15 µs."""
        last, self.last = self.last, now
        if last is not None and now - last > self._hitch_seconds and not self.is_waiting and self.counts_from(last):
            self._hitches.append(now)
        self.is_waiting = False

    def counts_from(self, since: float) -> bool:
        """Return whether the player has been focused on the game since then."""
        state = self._session.state
        return state.phase is Phase.ACTIVE and state.since <= since

    def hitches(self, since: float, until: float) -> int:
        """Count the long frames that ended between two times of the monotonic clock. Any thread."""
        return sum(since < at <= until for at in tuple(self._hitches))


class HangWatch:
    """Reports the first hang of a launch while it lasts. The watch's thread.

    Args:
        frames: The gaps.
        report: Called once with the innermost frame of the main thread, which runs the game.
    """

    def __init__(self, frames: Frames, report: Callable[[FrameType], None]) -> None:
        self._frames = frames
        self._report = report
        self._looked: float | None = None
        self._awake_since = 0.0
        self._is_done = False

    def look(self, now: float) -> None:
        """Report a hang, if there is one; called a few times a second."""
        if self._is_done:
            return
        if self._looked is None or now - self._looked > _LOOK_GAP_SECONDS:
            self._awake_since = now
        self._looked = now
        last = self._frames.last
        if last is None or self._frames.is_waiting or now - max(last, self._awake_since) < HANG_SECONDS:
            return
        if self._frames.counts_from(now - HANG_SECONDS) and has_window():
            frame = sys._current_frames().get(threading.main_thread().ident or 0)
            if frame is not None:
                self._is_done = True
                self._report(frame)
