"""Makes the response of `tracker.flush()` from the answers of all destinations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ga_pygame import advice
from ga_pygame.signals import Response, finish

if TYPE_CHECKING:
    from ga_pygame.not_running import NotRunning
    from ga_pygame.parts import Core
    from ga_pygame.running import Running


class FlushResult(NamedTuple):
    """The result of a flush.

    Attributes:
        error: Why not all events were delivered; "" if they were.
    """

    error: str

    def has_error(self) -> bool:
        """Return whether some events were not delivered."""
        return bool(self.error)


class Flushing:
    """Runs the flushes of `tracker.flush()`. Game thread only.

    Args:
        core: The tracker's parts.
        pump: Does the tracker's work of a frame; called while the game waits for a response.
    """

    def __init__(self, core: Core, pump: Callable[[], None]) -> None:
        self._core = core
        self._pump = pump

    def _response(self) -> Response[FlushResult]:
        return Response("flush", self._core.clock, self._pump, self._core.diagnostics)

    def refused(self) -> Response[FlushResult]:
        """Return the response to a wrong call, finished with a message."""
        response = self._response()
        finish(response, FlushResult(advice.WRONG_FLUSH))
        return response

    def begin(self, running: Running | NotRunning) -> Response[FlushResult]:
        """Flush all destinations; the response finishes once each of them has answered."""
        response = self._response()
        answers: list[str] = []
        expected = 1

        def answer(error: str) -> None:
            answers.append(error)
            if len(answers) == expected:
                finish(response, FlushResult("; ".join(filter(None, answers))))

        def done(_destination: str, error: str) -> None:
            self._core.mailbox.post(lambda: answer(error))

        if running.delivery is None or self._core.recorder.closed is not None:
            done("", running.why_unsent())
        else:
            expected = running.delivery.flush(done)
        return response
