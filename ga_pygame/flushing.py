"""What `tracker.flush()` gives: the answers of all destinations, put together."""

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
    """What became of a flush.

    Attributes:
        error: Why not everything was delivered, "" where it was.
    """

    error: str

    def has_error(self) -> bool:
        """Whether something is still waiting."""
        return bool(self.error)


class Flushing:
    """What is behind `tracker.flush()`. Game thread only.

    Args:
        core: What the tracker has.
        pump: The tracker's frame, called while a game waits.
    """

    def __init__(self, core: Core, pump: Callable[[], None]) -> None:
        self._core = core
        self._pump = pump

    def _response(self) -> Response[FlushResult]:
        return Response("flush", self._core.clock, self._pump, self._core.diagnostics)

    def refused(self) -> Response[FlushResult]:
        """The response of a wrong call."""
        response = self._response()
        finish(response, FlushResult(advice.WRONG_FLUSH))
        return response

    def begin(self, running: Running | NotRunning) -> Response[FlushResult]:
        """Ask all destinations, and finish the response once every one has answered."""
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
