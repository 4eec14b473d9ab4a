"""What `tracker.flush()` gives: the answers of all destinations, put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from ga_pygame import advice
from ga_pygame.signals import Mailbox, Response


class FlushResult(NamedTuple):
    """What became of a flush.

    Attributes:
        error: Why not everything was delivered, "" where it was.
    """

    error: str

    def has_error(self) -> bool:
        """Whether something is still waiting."""
        return bool(self.error)


def refused(response: Response[FlushResult]) -> Response[FlushResult]:
    """Finish the response of a wrong call."""
    response.finish(FlushResult(advice.WRONG_FLUSH))
    return response


class Flushes(Protocol):
    """What sends everything now."""

    def flush(self, done: Callable[[str, str], None]) -> int:
        """Have each destination call `done` with its name and an error; returns how many there are."""
        ...


def flush_into(response: Response[FlushResult], mailbox: Mailbox, delivery: Flushes | None, why_not: str) -> None:
    """Ask for a flush and finish the response once every destination has answered.

    Args:
        response: What the game waits for.
        mailbox: Brings the answers to the game thread.
        delivery: What to ask; `None`: nothing runs.
        why_not: What is answered then.
    """
    answers: list[str] = []
    expected = 1

    def answer(error: str) -> None:
        answers.append(error)
        if len(answers) == expected:
            response.finish(FlushResult("; ".join(filter(None, answers))))

    def done(_destination: str, error: str) -> None:
        mailbox.post(lambda: answer(error))

    if delivery is None:
        done("", why_not)
    else:
        expected = delivery.flush(done)
