"""One contract for both runners: who calls the steps, when, and how they end."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from ga_pygame.clock import Clock, SystemClock
from ga_pygame.delivery.runner import FrameRunner, Runner, ThreadRunner, Wake
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.testing import ManualClock

LONG = 3600.0


class Work:
    """A worker that records its steps and does what the test sets."""

    def __init__(
        self, name: str, log: list[str], *, left: int = 1, step: Callable[[], float | None] | None = None
    ) -> None:
        self.name = name
        self.log = log
        self.left = left
        self.finishing = False
        self.stepped = threading.Event()
        self._step = step

    def finish(self) -> None:
        self.finishing = True
        self.log.append(f"{self.name} finish")

    def step(self, now: float) -> float | None:
        self.log.append(self.name)
        self.stepped.set()
        if self._step is not None:
            return self._step()
        if not self.finishing:
            return LONG
        self.left -= 1
        return 0.0 if self.left > 0 else None


class Rig:
    """A runner, and a way to let it run its steps."""

    def __init__(self, kind: type[ThreadRunner] | type[FrameRunner]) -> None:
        self.kind = kind
        self.log: list[str] = []
        self.clock: Clock = SystemClock()
        self.diagnostics = Diagnostics()

    def make(self, *stages: list[Work]) -> Runner:
        return self.kind(stages, self.clock, self.diagnostics)

    def let_step(self, runner: Runner, work: Work) -> bool:
        """Return whether the worker makes a step now."""
        runner.tick(self.clock.monotonic())
        return work.stepped.wait(5.0 if self.kind is ThreadRunner else 0.0)


@pytest.fixture(params=[ThreadRunner, FrameRunner])
def rig(request: pytest.FixtureRequest) -> Rig:
    return Rig(request.param)


def test_every_worker_makes_a_first_step(rig: Rig) -> None:
    """The uploader loads its library with it, while the game still loads."""
    works = [Work(name, rig.log) for name in "abc"]
    runner = rig.make([works[0]], works[1:])
    runner.start()
    assert all(rig.let_step(runner, work) for work in works)
    assert runner.stop(5.0)


def test_a_wake_makes_the_next_step_come_now(rig: Rig) -> None:
    """A worker that would sleep for an hour works at once when it is woken."""
    work = Work("a", rig.log)
    runner = rig.make([work])
    runner.start()
    assert rig.let_step(runner, work)
    work.stepped.clear()
    runner.wake("a")
    assert rig.let_step(runner, work)
    assert runner.stop(5.0)


def test_a_wake_during_a_step_is_not_lost(rig: Rig) -> None:
    """Events that are recorded during a commit are committed next, not an hour later."""
    steps: list[int] = []

    def step() -> float | None:
        steps.append(1)
        if len(steps) == 1:
            runner.wake("a")
        return None if work.finishing else LONG

    work = Work("a", rig.log, step=step)
    runner = rig.make([work])
    runner.start()
    assert rig.let_step(runner, work)
    work.stepped.clear()
    assert len(steps) == 2 or rig.let_step(runner, work)
    assert runner.stop(5.0)


def test_workers_finish_stage_by_stage(rig: Rig) -> None:
    """The writer stores what the engine still says, the uploaders send what the writer stored."""
    first, second = Work("first", rig.log, left=3), Work("second", rig.log)
    runner = rig.make([first], [second])
    runner.start()
    assert rig.let_step(runner, first)
    assert rig.let_step(runner, second)
    rig.log.clear()
    assert runner.stop(5.0)
    assert rig.log == ["first finish", "first", "first", "first", "second finish", "second"]


def test_a_worker_that_raises_goes_on(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """A defect is reported and does not stop delivery for ever."""

    def step() -> float | None:
        if work.finishing:
            return None
        raise ZeroDivisionError

    work = Work("a", rig.log, step=step)
    runner = rig.make([work])
    runner.start()
    assert rig.let_step(runner, work)
    assert runner.stop(5.0)
    assert "ga_pygame failed in a" in caplog.text


def test_stop_keeps_its_time(rig: Rig) -> None:
    """A worker that does not finish does not hold the game; the answer says so."""
    release = threading.Event()

    def step() -> float | None:
        return None if release.is_set() else 0.001

    work = Work("a", rig.log, step=step)
    runner = rig.make([work])
    runner.start()
    before = rig.clock.monotonic()
    assert not runner.stop(0.05)
    assert rig.clock.monotonic() - before < 5.0
    release.set()
    assert runner.stop(5.0)


def test_stopping_what_never_started(rig: Rig) -> None:
    """A tracker that got no consent has nothing to stop."""
    assert rig.make([Work("a", rig.log)]).stop(1.0)


def test_threads_are_daemons_with_names() -> None:
    """The interpreter never waits for them, and a debugger shows whose they are."""
    rig = Rig(ThreadRunner)
    work = Work("writer", rig.log)
    runner = rig.make([work])
    runner.start()
    rig.let_step(runner, work)
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "ga_pygame writer"]
    assert thread.daemon
    assert runner.stop(5.0)
    assert not thread.is_alive()


def test_frames_step_what_is_due() -> None:
    """Without threads each frame does what is due, and no more."""
    rig = Rig(FrameRunner)
    clock = ManualClock()
    rig.clock = clock
    work = Work("a", rig.log, step=lambda: 1.0)
    runner = rig.make([work])
    for _ in range(30):
        runner.tick(clock.advance(0.1))
    assert len(rig.log) == 3


def test_a_wake_can_be_set_many_times() -> None:
    """An alarm that rings twice before anybody wakes up rings once."""
    wake = Wake()
    wake.set()
    wake.set()
    clock = SystemClock()
    before = clock.monotonic()
    wake.wait(30.0)
    assert clock.monotonic() - before < 10.0
    wake.wait(0.0)
    wake.wait(0.001)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, ZeroDivisionError])
def test_nothing_that_a_step_raises_ends_its_thread(error: type[BaseException]) -> None:
    """`SystemExit` would end it for good, and silently."""
    steps: list[int] = []

    def step() -> float | None:
        steps.append(1)
        if len(steps) == 1:
            raise error
        return None

    rig = Rig(ThreadRunner)
    work = Work("a", rig.log, step=step)
    runner = rig.make([work])
    runner.start()
    assert rig.let_step(runner, work)
    assert runner.stop(10.0)
    assert len(steps) == 2


def test_a_system_without_a_thread_left(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The others go on, it is reported once, and `stop()` returns that not all is done."""
    start = threading.Thread.start

    def limited(self: threading.Thread) -> None:
        if self.name == "ga_pygame b":
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", limited)
    rig = Rig(ThreadRunner)
    works = [Work(name, rig.log) for name in "abc"]
    runner = rig.make(works[:2], works[2:])
    runner.start()
    assert rig.let_step(runner, works[2])
    assert not runner.stop(5.0)
    assert rig.log.count("c finish") == 1
    assert [record.message for record in caplog.records if "thread" in record.message] == [
        "can't start new thread: what needs the thread 'ga_pygame b' does not happen. Events wait for a later launch"
    ]


def test_stopping_from_a_workers_own_thread(rig: Rig) -> None:
    """A destination may close the tracker; its thread cannot wait for itself, the others finish."""
    answers: list[bool] = []

    def step() -> float | None:
        if not answers:
            answers.append(False)
            answers.append(runner.stop(5.0 if rig.kind is ThreadRunner else 0.0))
        return None

    work, other = Work("a", rig.log, step=step), Work("b", rig.log)
    runner = rig.make([work], [other])
    runner.start()
    assert rig.let_step(runner, work)
    assert runner.stop(5.0)
    assert len(answers) == 2
    assert "b finish" in rig.log


def test_a_second_start_does_nothing(rig: Rig) -> None:
    """A player's no starts what deletes; it may run already."""
    work = Work("a", rig.log)
    runner = rig.make([work])
    runner.start()
    runner.start()
    assert rig.let_step(runner, work)
    assert runner.stop(5.0)
    assert sum(thread.name == "ga_pygame a" for thread in threading.enumerate()) == 0
