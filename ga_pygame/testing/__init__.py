"""What tests put in the place of time, threads and network, in games and here: nothing sleeps, nothing leaves.

`docs/testing.md` has an example.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from ga_pygame.delivery.runner import FrameRunner
from ga_pygame.parts import Parts
from ga_pygame.protocol import Answered, Reply, Request
from ga_pygame.tracker import Tracker

__all__ = ["FrameRunner", "ManualClock", "Parts", "ScriptedTransport", "tracker_of"]


def tracker_of(parts: Parts, **knobs: Any) -> Tracker:
    """Make a tracker of other parts: a clock that stands still, a transport that answers from a script.

    Args:
        parts: The classes; those that are left out are a desktop's.
        **knobs: As `Tracker` takes them.
    """
    tracker = Tracker.__new__(Tracker)
    tracker._assemble(parts, knobs)
    return tracker


class ManualClock:
    """Time that moves when the test says so.

    Args:
        monotonic: The first reading, in seconds.
        wall: The wall clock at that moment, in seconds since 1970.
    """

    def __init__(self, monotonic: float = 1000.0, wall: float = 1_700_000_000.0) -> None:
        self._now = monotonic
        self._anchor = wall - monotonic
        self._cpu = 0.0
        self.server_offset: float | None = None

    def monotonic(self) -> float:
        return self._now

    def wall(self, at: float) -> float:
        return self._anchor + at

    def cpu(self) -> float:
        return self._cpu

    def advance(self, seconds: float, *, cpu: float = 0.0) -> float:
        """Let time pass, `cpu` seconds of it with this process at work; return the new reading."""
        self._now += seconds
        self._cpu += cpu
        return self._now


class ScriptedTransport:
    """Answers from a script and keeps what was sent.

    Args:
        answers: Replies in order, or functions of the request; the last one is repeated for ever.
    """

    def __init__(self, answers: Iterable[Reply | Callable[[Request], Reply]]) -> None:
        self._answers = deque(answers)
        self.sent: list[Request] = []
        self.is_open = False

    def open(self) -> None:
        self.is_open = True

    def send(self, request: Request) -> Answered:
        self.sent.append(request)
        answer = self._answers.popleft() if len(self._answers) > 1 else self._answers[0]
        return Answered(answer if isinstance(answer, Reply) else answer(request))

    def close(self) -> None:
        self.is_open = False
