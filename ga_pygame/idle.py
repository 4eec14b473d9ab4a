"""Finds the tracker that `ga_pygame.current()` returns: the running one, or a stand-in while none runs."""

from __future__ import annotations

from ga_pygame import active, forks
from ga_pygame.diagnostics import Drop
from ga_pygame.tracker import Tracker

_idle: Tracker | None = None


def current() -> Tracker:
    """Return the tracker that runs in this process: `start()` was called on it and `close()` was not. Any thread.

    The tracker's own rules on threads still hold. A started tracker that is off (`enabled=False`, no keys) is also
    returned: its calls do nothing. If several run, it is the one that was started first.

    Returns:
        The tracker. If none runs, the one that was made last: before `start()` it keeps events, after `close()` it
        counts them as `not_running`. If none was made, a stand-in that only counts events as `not_running`.
    """
    global _idle  # noqa: PLW0603 - one for the process
    found = active.running() or active.made_last()
    if found is not None:
        return found
    if _idle is None:
        _idle = _made()
    return _idle


def _made() -> Tracker:
    """Make a tracker that only counts events as not recorded, and says so once."""
    tracker = Tracker(enabled=False)
    active.disown(tracker)
    if active.is_helper_process() or forks.is_left():
        tracker._diagnostics.explained.add(Drop.NOT_RUNNING)  # no tracker is expected there
    tracker._is_started = tracker._is_closed = True
    tracker._recorder.closed = Drop.NOT_RUNNING
    return tracker
