"""What `ga_pygame.current()` gives: the running tracker, or what stands for it while none runs."""

from __future__ import annotations

from ga_pygame import active, forks
from ga_pygame.diagnostics import Drop
from ga_pygame.tracker import Tracker

_idle: Tracker | None = None


def current() -> Tracker:
    """The tracker that runs in this process: the one whose `start()` was called and whose `close()` was not.

    Any thread may call it; the tracker's own rules on threads hold. A tracker that is off (`enabled=False`, no keys)
    is given too: its calls do nothing. With several, the one that was started first.

    Returns:
        The tracker. If none runs, the one that was made last: before `start()` it holds what is reported, after
        `close()` it counts it as `not_running`. If there is none, one that does the same and can do nothing else.
    """
    global _idle  # noqa: PLW0603 - a module is what a process has one of
    found = active.running() or active.made_last()
    if found is not None:
        return found
    if _idle is None:
        _idle = _made()
    return _idle


def _made() -> Tracker:
    """A tracker that counts what it is given, and says so once."""
    tracker = Tracker(enabled=False)
    active.disown(tracker)
    if active.is_helper_process() or forks.is_left():
        tracker._diagnostics.explained.add(Drop.NOT_RUNNING)  # nobody expects a tracker there
    tracker._is_started = tracker._is_closed = True
    tracker._recorder.closed = Drop.NOT_RUNNING
    return tracker
