"""Measures how smoothly the game runs: times between its flips in samples of 30 s, and a session's histograms."""

from __future__ import annotations

import os
from collections.abc import Callable

from ga_pygame import device, process, rules
from ga_pygame.engine.session import Phase, State
from ga_pygame.events import BUCKET_SECONDS, Health, SdkInit, SessionHealth
from ga_pygame.records import Post
from ga_pygame.sdk_events import DeviceFacts

SAMPLE_SECONDS = 30.0
MEMORY_SECONDS = 5.0
"""Time between two samples of the memory. Source: the official SDKs."""
_BUCKETS = 400
_PAUSE_SECONDS = 1.0
"""A longer time between two flips is not counted as a frame: the game was loading or not shown."""


class HealthSampler:
    """Counts frame times in buckets of `events.BUCKET_SECONDS`; costs 0.3 µs a frame. Game thread only.

    Args:
        post: Records the `Health` event of each sample.
    """

    def __init__(self, post: Post) -> None:
        self._post = post
        self._last: float | None = None
        self._since = 0.0
        self._seconds = 0.0
        self._counts = [0] * _BUCKETS

    def frame(self, now: float) -> None:
        """Count a frame that was shown at `now`, in seconds of the monotonic clock."""
        last, self._last = self._last, now
        if last is None:
            self._since = now
            return
        gap = now - last
        if gap < _PAUSE_SECONDS:
            self._seconds += gap
            self._counts[min(int(gap / BUCKET_SECONDS), _BUCKETS - 1)] += 1
        if now - self._since >= SAMPLE_SECONDS:
            self._since = now
            seconds, self._seconds = self._seconds, 0.0
            counts, self._counts = self._counts, [0] * _BUCKETS
            if seconds:
                self._post(Health(seconds, tuple(counts)), None)


class SessionHistograms:
    """Counts a session's seconds by their frames, and samples of memory by percent, as the official SDKs do.

    `frame` is for the game thread and costs 0.2 µs; `look` is for the watch's thread; `take` for any.

    Args:
        post: Records the `SdkInit` event.
        state: Returns the session's state: only seconds in which it is active count.
        begun: The time of the tracker's start, in seconds of the monotonic clock.
    """

    def __init__(self, post: Post, state: Callable[[], State], begun: float) -> None:
        self._post = post
        self._state = state
        self._begun = begun
        self._last: float | None = None
        self._since = 0.0
        self._frames = 0
        self._next_look = float("-inf")
        self._facts: DeviceFacts | None = None
        self.reset()

    def reset(self) -> None:
        """Begin new histograms, since a session starts."""
        self._fps = [0] * rules.fps_table.length
        self._sys, self._app = [0] * rules.memory_table.length, [0] * rules.memory_table.length

    def frame(self, now: float) -> None:
        """Count a frame that was shown at `now`, in seconds of the monotonic clock."""
        last, self._last = self._last, now
        if last is None or now - last > _PAUSE_SECONDS:
            self._since, self._frames = now, 0
            return
        self._frames += 1
        passed = now - self._since
        if passed >= 1.0:
            if self._state().phase is Phase.ACTIVE:
                self._fps[min(round(self._frames / passed), len(self._fps) - 1)] += 1
            self._since, self._frames = now, 0

    def look(self, now: float) -> None:
        """Report the start of the launch, once; count a sample of the memory, if it is time to."""
        if self._facts is None:
            self._facts = _facts_of_device()
            age = process.seconds_since_start()
            boot_ms = None if age is None else max(0, round((age - (now - self._begun)) * 1000))
            self._post(SdkInit(boot_ms, self._facts), None)
        if now < self._next_look:
            return
        self._next_look = now + MEMORY_SECONDS
        memory = process.machine_memory()
        if memory is not None and memory[0] > 0 and self._state().phase is Phase.ACTIVE:
            self._sys[min(100, 100 * memory[1] // memory[0])] += 1
            self._app[min(100, 100 * process.memory_bytes() // memory[0])] += 1

    def take(self) -> SessionHealth | None:
        """Return the histograms and begin new ones; `None` if nothing was counted."""
        fps, sys, app = self._fps, self._sys, self._app
        self.reset()
        if not any(fps) and not any(sys):
            return None
        return SessionHealth(
            tuple(fps), tuple(sys) if any(sys) else (), tuple(app) if any(app) else (), self._facts or ()
        )


def _facts_of_device() -> DeviceFacts:
    memory = process.machine_memory()
    found = {
        "cpu_model": device.cpu_model(),
        "cpu_num_cores": os.cpu_count(),
        "memory_sys_total": memory[0] // 2**20 if memory is not None else None,
    }
    return tuple((name, value) for name, value in found.items() if value is not None)
