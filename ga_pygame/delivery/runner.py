"""Calls the workers' `step`: in threads on a desktop, in the frame if there are no threads.

The only module that starts threads. They are daemons: the interpreter never waits for them; `stop()` does, within a
given time.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from ga_pygame.clock import Clock, sleep
from ga_pygame.diagnostics import Diagnostics, is_the_players

_AFTER_DEFECT_SECONDS = 1.0

LAST_SHARE = 0.1
"""The share of the time of `stop` that is reserved for the last stage, which saves what was not sent."""


class Worker(Protocol):
    """A part that works in the background."""

    name: str

    def step(self, now: float) -> float | None:
        """Do one bounded piece of work; return seconds until the next step, `None` when finished."""
        ...

    def finish(self) -> None:
        """Ask for the end: the next steps finish the work, then one returns `None`."""
        ...


class Runner(Protocol):
    """Calls workers until they are stopped."""

    def start(self) -> None:
        """Begin to call the workers; a second call does nothing."""
        ...

    def wake(self, name: str) -> None:
        """Let a worker's next step come now. For any thread, also the game's; never blocks."""
        ...

    def tick(self, now: float) -> None:
        """Note a frame; called on the game thread."""
        ...

    def stop(self, timeout: float) -> bool:
        """Let the workers finish, stage by stage; true if all did within `timeout` seconds."""
        ...


class Wake:
    """A binary semaphore whose `set()` never blocks, made of a raw lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        """Release the semaphore; the next `wait` returns at once."""
        if self._lock.locked():  # else it was set already
            try:  # noqa: SIM105 - the context manager takes 1 µs of the game's
                self._lock.release()
            except RuntimeError:  # another thread set it after our `locked()`
                pass

    def wait(self, seconds: float) -> None:
        """Wait until `set`, at most `seconds`."""
        if seconds > 0:
            self._lock.acquire(timeout=min(seconds, threading.TIMEOUT_MAX))
        else:
            sleep(0)  # let the game thread take the GIL


class ThreadRunner:
    """A runner with one daemon thread for each worker.

    Args:
        stages: Workers in the order in which they must finish; those of one stage finish at the same time.
        clock: The time that steps are given.
        diagnostics: Told of a step that raises; the worker goes on a second later.
    """

    def __init__(self, stages: Sequence[Sequence[Worker]], clock: Clock, diagnostics: Diagnostics) -> None:
        self._stages = stages
        self._clock = clock
        self._diagnostics = diagnostics
        self._has_begun = False
        self._wakes = {worker.name: Wake() for stage in stages for worker in stage}
        self._threads: dict[str, threading.Thread] = {}

    def start(self) -> None:
        if self._has_begun:
            return
        self._has_begun = True
        for stage in self._stages:
            for worker in stage:
                name = f"ga_pygame {worker.name}"
                thread = threading.Thread(target=self._run, args=(worker,), name=name, daemon=True)
                try:
                    thread.start()
                except (RuntimeError, MemoryError) as error:  # no more threads, or Python ends
                    words = f"{error}: what needs the thread {name!r} does not happen. Events wait for a later launch"
                    self._diagnostics.warn_once("threads", words)
                else:
                    self._threads[worker.name] = thread

    def _run(self, worker: Worker) -> None:
        wake = self._wakes[worker.name]
        while True:
            delay = guarded_step(worker, self._clock.monotonic(), self._diagnostics)
            if delay is None:
                return
            wake.wait(delay)

    def wake(self, name: str) -> None:
        self._wakes[name].set()

    def tick(self, now: float) -> None:
        pass

    def stop(self, timeout: float) -> bool:
        end = self._clock.monotonic() + timeout
        finished = True
        for place, stage in enumerate(self._stages, 1):
            deadline = end if place == len(self._stages) else end - LAST_SHARE * timeout
            for worker in stage:
                worker.finish()
                self._wakes[worker.name].set()
            for worker in stage:
                thread = self._threads.get(worker.name)
                if thread is None or thread is threading.current_thread():  # a destination closed the tracker
                    finished = finished and not self._has_begun
                else:
                    thread.join(max(0.0, deadline - self._clock.monotonic()))
                    finished = finished and not thread.is_alive()
        return finished


class FrameRunner:
    """A runner that runs due steps inside the frame, for builds without threads and for tests."""

    def __init__(self, stages: Sequence[Sequence[Worker]], clock: Clock, diagnostics: Diagnostics) -> None:
        self._stages = stages
        self._clock = clock
        self._diagnostics = diagnostics
        self._due = {worker.name: 0.0 for stage in stages for worker in stage}
        self._finished: set[str] = set()

    def start(self) -> None:
        pass

    def wake(self, name: str) -> None:
        self._due[name] = 0.0

    def tick(self, now: float) -> None:
        for stage in self._stages:
            for worker in stage:
                if now >= self._due[worker.name] and worker.name not in self._finished:
                    self._step(worker, now)

    def _step(self, worker: Worker, now: float) -> None:
        self._due[worker.name] = float("inf")  # before the step, so that a wake() during it counts
        delay = guarded_step(worker, now, self._diagnostics)
        if delay is None:
            self._finished.add(worker.name)
        else:
            self._due[worker.name] = min(self._due[worker.name], now + delay)

    def stop(self, timeout: float) -> bool:
        deadline = self._clock.monotonic() + timeout
        finished = True
        for stage in self._stages:
            for worker in stage:
                worker.finish()
            while left := [worker for worker in stage if worker.name not in self._finished]:
                for worker in left:
                    self._step(worker, self._clock.monotonic())
                if self._clock.monotonic() >= deadline:
                    finished = finished and all(worker.name in self._finished for worker in stage)
                    break  # the next stages still get one step each
                sleep(0)
        return finished


def guarded_step(worker: Worker, now: float, diagnostics: Diagnostics) -> float | None:
    """Run one step; report what it raises, and go on a second later.

    `SystemExit` would end a worker's thread silently, so it is reported, too; on the main thread it is the game's.
    """
    try:
        return worker.step(now)
    except BaseException as error:
        if is_the_players(error):
            raise
        diagnostics.defect(worker.name, error)
        return _AFTER_DEFECT_SECONDS
