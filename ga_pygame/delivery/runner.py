"""Who calls the workers' `step`: threads on a desktop, the frame where there are no threads.

The only module that starts threads. They are daemons: the interpreter never waits for them, `stop()` does,
within a time that it is given.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from ga_pygame.clock import Clock, sleep
from ga_pygame.diagnostics import Diagnostics, is_the_players

_AFTER_DEFECT_SECONDS = 1.0

LAST_SHARE = 0.1
"""What the last stage has for itself of the time that `stop` is given: it saves what the others could not send."""


class Worker(Protocol):
    """Something with work to do behind the game."""

    name: str

    def step(self, now: float) -> float | None:
        """Do one bounded piece of work; return seconds until the next, `None` when finished for good."""
        ...

    def finish(self) -> None:
        """Do what is left in the steps to come, then return `None` from one."""
        ...


class Runner(Protocol):
    """Calls workers until they are stopped."""

    def start(self) -> None:
        """Begin; a second call does nothing."""
        ...

    def wake(self, name: str) -> None:
        """Have that worker's next step come now. Any thread, also the game's: it never blocks."""
        ...

    def tick(self, now: float) -> None:
        """Called every frame on the game thread."""
        ...

    def stop(self, timeout: float) -> bool:
        """Let the workers finish, stage by stage; true where all did within `timeout` seconds."""
        ...


class Wake:
    """An alarm that whoever sets it never waits for: a raw lock used as a binary semaphore."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        """Ring; the next `wait` returns at once."""
        if self._lock.locked():  # else nobody woke up since the last ring
            try:  # noqa: SIM105 - the context manager takes 1 µs of the game's
                self._lock.release()
            except RuntimeError:  # another thread rang just now
                pass

    def wait(self, seconds: float) -> None:
        """Sleep until the alarm rings, at most that long."""
        if seconds > 0:
            self._lock.acquire(timeout=min(seconds, threading.TIMEOUT_MAX))
        else:
            sleep(0)  # let the game thread have the interpreter lock


class ThreadRunner:
    """One daemon thread for each worker.

    Args:
        stages: Workers in the order in which they must finish; those of one stage finish side by side.
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
                except (RuntimeError, MemoryError) as error:  # the system has none left, or Python ends
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
                if thread is None or thread is threading.current_thread():  # a destination may close the tracker
                    finished = finished and not self._has_begun
                else:
                    thread.join(max(0.0, deadline - self._clock.monotonic()))
                    finished = finished and not thread.is_alive()
        return finished


class FrameRunner:
    """Steps that are due run inside the frame: for builds without threads, and for tests."""

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
        self._due[worker.name] = float("inf")  # a wake() during the step counts
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
                    break  # the last stage has its step nevertheless
                sleep(0)
        return finished


def guarded_step(worker: Worker, now: float, diagnostics: Diagnostics) -> float | None:
    """One step; what it raises is reported, and the worker goes on a second later.

    `SystemExit` and its like would end a thread for good and silently; on the main thread they are the game's.
    """
    try:
        return worker.step(now)
    except BaseException as error:
        if is_the_players(error):
            raise
        diagnostics.defect(worker.name, error)
        return _AFTER_DEFECT_SECONDS
