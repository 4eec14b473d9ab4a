"""Replacements of time, threads and network for tests, of games and of this package: nothing sleeps or is sent.

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
    """Make a tracker with replaced parts, such as a manual clock or a transport that answers from a script.

    Args:
        parts: Functions that make the parts; a part that is not given is the one of a desktop.
        **knobs: The keywords of `Tracker`.

    Raises:
        TypeError: There is no knob of that name.
        ValueError: A knob's value is wrong.
    """
    tracker = Tracker.__new__(Tracker)
    tracker._assemble(parts, knobs)
    return tracker


class ManualClock:
    """A clock that stands still until `advance()` is called.

    Args:
        monotonic: The first reading of the monotonic clock, in seconds.
        wall: The wall clock at that moment, in seconds since 1970.

    Attributes:
        server_offset: Server time minus wall clock in seconds; `None` until a destination learns it.
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

    def notice_sleep(self) -> float:
        return 0.0

    def advance(self, seconds: float, *, cpu: float = 0.0) -> float:
        """Let `seconds` pass; this process uses `cpu` seconds of processor time in them. Return the new reading."""
        self._now += seconds
        self._cpu += cpu
        return self._now


class ScriptedTransport:
    """A transport that answers from a script. Never blocks.

    Args:
        answers: Replies in order, or functions that make one from the request; the last is repeated for ever.

    Attributes:
        sent: The requests so far.
        is_open: Whether it is open.
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
