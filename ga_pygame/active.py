"""Keeps the trackers that run in this process, and decides whether a tracker may run in it. Any thread."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ga_pygame import advice, forks
from ga_pygame.diagnostics import DEBUG, INFO, Diagnostics, Drop, say
from ga_pygame.traces import pass_on

if TYPE_CHECKING:
    from ga_pygame.config import Config
    from ga_pygame.protocol import Destination
    from ga_pygame.tracker import Tracker

_running: tuple[Tracker, ...] = ()
"""Trackers in the order of `start()`. Replaced, never changed in place, so that any thread can read it."""


def running() -> Tracker | None:
    """Return the running tracker that was started first; `None` also in a forked child process."""
    found = _running
    return found[0] if found else None


def made_last() -> Tracker | None:
    """Return the tracker that was made last and that the game still holds."""
    return next((found for one in reversed(_expected) if (found := one()) is not None), None)


def enter(tracker: Tracker, diagnostics: Diagnostics) -> Sequence[Destination]:
    """Note that a tracker starts.

    Args:
        tracker: The tracker.
        diagnostics: Told why it is off, or that another one already runs.

    Returns:
        The destinations of its events; none if it is off.
    """
    global _running  # noqa: PLW0603 - one for the process
    targets = _targets(tracker.config, diagnostics)
    if targets and any(other.session_id for other in _running):
        diagnostics.warn_once(
            "second tracker",
            "a second Tracker is started while another one runs: each has its own session, so the player is counted "
            "twice. Start one only; ga_pygame.current() gives it to every module of the game",
        )
    _running = (*_running, tracker)
    return targets


def leave(tracker: Tracker) -> None:
    """Note that a tracker is closed."""
    global _running  # noqa: PLW0603 - see `enter`
    _running = tuple(other for other in _running if other is not tracker)


def _targets(config: Config, diagnostics: Diagnostics) -> Sequence[Destination]:
    """Return the destinations of events; none if the tracker is off, which is reported with the reason."""
    found: Sequence[Destination] = ()
    if not _is_barred(config, diagnostics):
        from ga_pygame import wiring  # noqa: PLC0415 - delivery is imported when a tracker starts, in no helper

        found = wiring.destinations(config)
        left_out = wiring.left_out(config)
        for name in left_out:
            diagnostics.warn_once(f"no redirect:{name}", advice.NO_REDIRECT.format(name))
        if not found and not left_out:
            diagnostics.warn_once("no keys", advice.NO_TARGETS)
    if not found:
        diagnostics.explained.add(Drop.NOT_RUNNING)
    return found


def _is_barred(config: Config, diagnostics: Diagnostics) -> bool:
    """Return whether a tracker must not record in this process, whatever its destinations are; log why."""
    if is_helper_process():
        say("this is a worker process of multiprocessing: nothing is recorded here", level=DEBUG)
    elif forks.is_left():
        diagnostics.warn_once("forked", advice.FORKED)
    elif not config.enabled:
        say(advice.OFF, level=INFO)
    else:
        return False
    return True


def is_helper_process() -> bool:
    """Return whether `multiprocessing` started this process, for the game or one of its libraries.

    Such a process may import the game's main module, with a tracker at its top, before `parent_process()` is set;
    during that import it is marked as inheriting. A fork server that imports a module of the game for its children
    (`set_forkserver_preload`) has no such mark, but its program is one line that calls `multiprocessing`.
    """
    if _runs_multiprocessing():
        return True
    process = sys.modules.get("multiprocessing.process")
    if process is None:
        return False
    try:
        own = process.current_process()
        return process.parent_process() is not None or bool(getattr(own, "_inheriting", False))
    except Exception as failure:  # noqa: BLE001 - a module of that name that is not Python's
        pass_on(failure)
        return False


def _runs_multiprocessing() -> bool:
    """Return whether this process was started by `python -c "from multiprocessing... import main; main(...)"`."""
    program = getattr(sys.modules.get("__main__"), "__dict__", {})
    if program.get("__file__") is not None:
        return False
    calls = (program.get(name) for name in ("main", "spawn_main"))
    return any(str(getattr(call, "__module__", "")).startswith("multiprocessing.") for call in calls)


_expected: tuple[Callable[[], Tracker | None], ...] = ()
"""Weak references to made trackers. Replaced, never changed in place, as `_running` is."""


def expect(tracker: Tracker) -> None:
    """Note that a tracker is made, to report at exit if it got events and was never started."""
    global _expected  # noqa: PLW0603 - see `enter`
    if not _expected:
        import atexit  # noqa: PLC0415 - with `weakref`, when a tracker is made

        atexit.register(_look_for_forgotten)
    import weakref  # noqa: PLC0415 - 1 ms that `import ga_pygame` need not cost

    _expected = (*(one for one in _expected if one() is not None), weakref.ref(tracker))


def disown(tracker: Tracker) -> None:
    """Forget a tracker that the game did not make."""
    global _expected  # noqa: PLW0603 - see `enter`
    _expected = tuple(one for one in _expected if one() is not tracker)


def _look_for_forgotten() -> None:
    for one in _expected:
        if (tracker := one()) is not None:
            tracker._running.say_if_forgotten()
