"""Signals, the mailbox and responses."""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import Any

import pytest

from ga_pygame.signals import MAX_NOTICES, Mailbox, Response, Signal, emit, finish
from ga_pygame.testing import ManualClock


def nobody(_cause: str, _message: str) -> None:
    pytest.fail("nothing is left out")


def test_receivers_are_called_in_order_of_connection() -> None:
    """Receivers are called in the order of their connection, each time."""
    signal: Signal[[int]] = Signal("test")
    heard: list[str] = []
    signal.connect(lambda n: heard.append(f"a{n}"))
    signal.connect(lambda n: heard.append(f"b{n}"))
    emit(signal, 1)
    emit(signal, 2)
    assert heard == ["a1", "b1", "a2", "b2"]
    assert repr(signal) == "<Signal test: 2 receivers>"


def test_connect_and_once_decorate() -> None:
    """Both return the function, so that `@signal.connect` works."""
    signal: Signal[[]] = Signal("test")

    def receiver() -> None: ...

    assert signal.connect(receiver) is receiver
    assert signal.once(receiver) is receiver


def test_once_and_disconnect() -> None:
    """A receiver for once hears once; one that is disconnected hears no more; disconnecting twice is nothing."""
    signal: Signal[[int]] = Signal("test")
    heard: list[int] = []
    signal.once(heard.append)
    emit(signal, 1)
    emit(signal, 2)
    assert heard == [1]
    signal.connect(heard.append)
    signal.disconnect(heard.append)
    signal.disconnect(heard.append)
    emit(signal, 3)
    assert heard == [1]


def test_a_receiver_that_raises_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """The exception is in the log, the other receivers hear."""
    signal: Signal[[int]] = Signal("level_up")
    heard: list[int] = []
    signal.connect(lambda n: n // 0)
    signal.connect(heard.append)
    with caplog.at_level(logging.ERROR, "ga_pygame"):
        emit(signal, 1)
    assert heard == [1]
    assert "a receiver of level_up raised" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_a_receiver_that_raises_each_time_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """And called again; another one, or another exception, is said, too."""
    signal: Signal[[int]] = Signal("test")
    heard: list[int] = []

    def bad(number: int) -> None:
        heard.append(number)
        raise (ValueError if number < 3 else KeyError)

    signal.connect(bad)
    signal.connect(lambda n: n // 0)
    for number in range(5):
        emit(signal, number)
    assert heard == [0, 1, 2, 3, 4]
    assert len(caplog.records) == 3


@pytest.mark.parametrize("leave", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
def test_a_receiver_may_end_the_game(leave: type[BaseException]) -> None:
    """Exceptions that are not errors pass: `sys.exit()` in a receiver is intended."""
    signal: Signal[[]] = Signal("test")

    def ends() -> None:
        raise leave

    signal.connect(ends)
    with pytest.raises(leave):
        emit(signal)


def test_a_mailbox_that_nobody_empties_is_bounded() -> None:
    """The oldest notices make room, and that is said; an answer that somebody waits for is not among them."""
    said: list[str] = []
    mailbox = Mailbox(lambda _cause, message: said.append(message))
    heard: list[int] = []
    mailbox.post(lambda: heard.append(-1))
    for number in range(MAX_NOTICES + 5):
        mailbox.notify(functools.partial(heard.append, number))
    mailbox.deliver()
    mailbox.deliver()
    assert [message.split()[0] for message in said] == ["5"]
    assert heard == [-1, *range(5, MAX_NOTICES + 5)]
    assert not mailbox


def test_a_receiver_may_disconnect_others_while_it_is_called() -> None:
    """A receiver that an earlier one disconnects is not called in this emission, and nothing fails."""
    signal: Signal[[]] = Signal("test")
    heard: list[str] = []

    def later() -> None:
        heard.append("later")

    def first() -> None:
        heard.append("first")
        signal.disconnect(later)

    signal.connect(first)
    signal.once(later)
    signal.connect(lambda: heard.append("last"))
    emit(signal)
    assert heard == ["first", "last"]


def test_a_receiver_may_emit_again() -> None:
    """A receiver for once is called once, even if the signal is emitted again by a receiver before it."""
    signal: Signal[[int]] = Signal("test")
    heard: list[int] = []

    def again(number: int) -> None:
        if number == 1:
            emit(signal, 2)

    signal.connect(again)
    signal.once(heard.append)
    emit(signal, 1)
    assert heard == [2]


def test_a_signal_can_be_awaited() -> None:
    """An asyncio game gets the arguments of the next emission."""
    signal: Signal[[str, int]] = Signal("test")

    async def game() -> tuple[object, ...]:
        async def tell() -> None:
            emit(signal, "a", 1)

        task = asyncio.create_task(tell())
        heard = await signal
        await task
        return heard

    assert asyncio.run(game()) == ("a", 1)
    assert repr(signal) == "<Signal test: 0 receivers>"


def test_the_mailbox_delivers_what_was_posted_before_now() -> None:
    """A notice posted during a delivery waits for the next one, so that no frame takes forever."""
    mailbox = Mailbox(nobody)
    heard: list[int] = []

    def first() -> None:
        heard.append(1)
        mailbox.post(lambda: heard.append(2))

    mailbox.post(first)
    assert mailbox
    mailbox.deliver()
    assert heard == [1]
    mailbox.deliver()
    assert heard == [1, 2]
    assert not mailbox


def test_a_receiver_may_deliver_the_rest() -> None:
    """A receiver that draws a frame delivers what was posted after its own message; nothing is lost or twice."""
    mailbox = Mailbox(nobody)
    heard: list[int] = []

    def draws_a_frame() -> None:
        heard.append(1)
        mailbox.deliver()

    mailbox.post(draws_a_frame)
    mailbox.post(lambda: heard.append(2))
    mailbox.post(lambda: heard.append(3))
    mailbox.deliver()
    assert heard == [1, 2, 3]


def test_a_response_finishes_once() -> None:
    """The first result stays, and `finished` fires with it."""
    response: Response[str] = Response("flush", ManualClock(), lambda: None)
    heard: list[str] = []
    response.finished.connect(heard.append)
    assert not response.done
    finish(response, "a")
    finish(response, "b")
    assert response.done
    assert response.result == "a"
    assert heard == ["a"]
    assert response.wait(0) == "a"


def test_waiting_pumps_and_ends_at_the_timeout() -> None:
    """`wait` returns the result as soon as pumping brings it, `None` after the timeout."""
    clock = ManualClock()
    response: Response[str] = Response("flush", clock, lambda: clock.advance(0.4))
    assert response.wait(1.0) is None
    response = Response("flush", clock, lambda: finish(response, "done"))
    assert response.wait(1.0) == "done"


def test_a_response_can_be_awaited() -> None:
    """Awaiting pumps the game's tick meanwhile and lets the loop go on."""
    frames: list[int] = []

    def tick() -> None:
        frames.append(1)
        if len(frames) == 3:
            finish(response, "done")

    response: Response[str] = Response("flush", ManualClock(), tick)

    async def game() -> str:
        return await response

    assert asyncio.run(game()) == "done"
    assert len(frames) == 3


@pytest.mark.parametrize("timeout", [None, "5", [], float("nan"), -1, True], ids=repr)
def test_a_wait_without_a_number_of_seconds_does_not_wait(timeout: Any) -> None:
    """There may never be a result; nothing is raised into the game."""
    response: Response[int] = Response("flush", ManualClock(), lambda: None)
    assert response.wait(timeout) is None


def test_a_wait_of_any_length_ends_with_the_result() -> None:
    """A number of seconds that no clock can show is one, too."""
    for timeout in (5, 1e300, float("inf"), 10**400):
        response: Response[int] = Response("flush", ManualClock(), lambda: finish(response, 5))  # noqa: B023
        assert response.wait(timeout) == 5


def test_a_receiver_may_be_a_method_of_c() -> None:
    """Each look-up makes another object of it."""
    signal: Signal[[int]] = Signal("test")
    heard, others = [0], [0]
    signal.connect(heard.append)
    signal.connect(others.append)
    signal.disconnect(heard.append)
    emit(signal, 1)
    assert (heard, others) == ([0], [0, 1])
