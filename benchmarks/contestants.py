"""The contestants of every benchmark: no tracker, the limit, this package. The others are in `peers`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from benchmarks.scene import EVENTS_PER_FRAME, NAMES, Scene

Report = Callable[[str, float], Any]


class Peer:
    """A contestant, used once in a process of its own.

    Attributes:
        is_ours: Whether its healthy server is the real collector.
        marks: How often an event's name occurs in its request.
        module: The module that a game imports.
    """

    is_ours: ClassVar[bool] = False
    marks: ClassVar[int] = 1
    module: ClassVar[str] = ""

    def start(self, url: str) -> Report:
        """Start; return the function that reports an event: `report(name, value)`."""
        raise NotImplementedError

    def frame(self) -> None:
        """Run the contestant's part of a frame, if it has one."""

    def flush(self, timeout: float) -> None:
        """Wait until everything is sent; at most that long if the contestant takes a timeout."""

    def close(self) -> None:
        """Shut down as its documentation says."""


def game(contestant: Peer, report: Report, scene: Scene) -> Callable[[int], None]:
    """A frame of a game that reports events in each."""

    def frame(number: int) -> None:
        first = number * EVENTS_PER_FRAME
        for event in range(first, first + EVENTS_PER_FRAME):
            report(NAMES[event & 63], event)
        scene.frame()
        contestant.frame()

    return frame


class NoTracker(Peer):
    """A game without a tracker."""

    def start(self, url: str) -> Report:  # noqa: ARG002 - talks to nobody
        return lambda _name, _value: None


class Deque(Peer):
    """The limit: an event put into a deque, as a tuple."""

    def start(self, url: str) -> Report:  # noqa: ARG002 - talks to nobody
        from collections import deque

        append = deque[tuple[str, float]](maxlen=100_000).append
        return lambda name, value: append((name, value))


class BareRequests(Peer):
    """A POST with `requests` on a thread, a cost that most contestants have."""

    module = "requests"

    def start(self, url: str) -> Report:
        import threading

        def post() -> None:
            import requests

            with requests.Session() as session:
                session.post(url, data=b"[]", timeout=5)

        self.thread = threading.Thread(target=post, daemon=True)
        self.thread.start()
        return lambda _name, _value: None

    def flush(self, timeout: float) -> None:
        self.thread.join(timeout)


class GaPygame(Peer):
    """This package, with a larger outbox than the default of 5 MiB, which a benchmark would overfill."""

    module = "ga_pygame"
    is_ours = True
    knobs: ClassVar[dict[str, Any]] = {"max_outbox_bytes": 2**30}

    def start(self, url: str) -> Report:
        from ga_pygame import Tracker

        self.tracker = Tracker(collector=url, **self.knobs)
        self.tracker.start()
        return self.tracker.design

    def flush(self, timeout: float) -> None:
        self.tracker.flush().wait(timeout)

    def close(self) -> None:
        self.tracker.close()
