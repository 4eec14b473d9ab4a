"""Measures the gaps between the game's calls of pygame: long frames (hitches), and a hang while it lasts.

A gap is the time between two calls that the hook sees (`event.get`, `event.poll`, `display.flip`, …), so a game that
draws only when something changes has no long frames while it reads its events. Waiting in `event.wait` is no gap. On
Windows, `event.get` and the like return only when the player has finished dragging or resizing the window, and no
thread runs meanwhile; that is no gap either, nor a sleep of the machine.
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

HELD_SECONDS = 0.25
"""A call that reads or pumps events and takes longer is held: the player drags the window."""

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
        in_call_since: When the running call began that may be held; `None` if there is none. Set on Windows only.
    """

    def __init__(self, session: Session, hitch_seconds: float) -> None:
        self._session = session
        self._hitch_seconds = hitch_seconds
        self._hitches: deque[float] = deque(maxlen=KEPT_HITCHES)
        self.last: float | None = None
        self.is_waiting = False
        self.in_call_since: float | None = None
        self._held: tuple[float, float] | None = None

    def returned(self, now: float) -> None:
        """Note that the call returned which began `in_call_since`."""
        since = self.in_call_since
        if since is not None and now - since > HELD_SECONDS:
            self._held = (since, now)  # first: else the watch could see neither this nor the running call
            self.last = now
        self.in_call_since = None

    def was_held(self, since: float, until: float) -> bool:
        """Return whether one call took most of the time between these. Any thread."""
        running, held = self.in_call_since, self._held  # in this order, see `returned`
        calls = [held] if held is not None else []
        if running is not None:
            calls.append((running, until))
        return any(min(end, until) - max(begin, since) > (until - since) / 2 for begin, end in calls)

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
        is_in_system = self._frames.is_waiting or self._frames.in_call_since is not None
        if last is None or is_in_system or now - max(last, self._awake_since) < HANG_SECONDS:
            return
        if self._frames.counts_from(now - HANG_SECONDS) and has_window():
            frame = sys._current_frames().get(threading.main_thread().ident or 0)
            if frame is not None:
                self._is_done = True
                self._report(frame)
