"""The seats of a server's players: what becomes of events that cannot be recorded, and what is said about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.events import Design
from ga_pygame.records import Context
from ga_pygame.server.seats import Seat, Seats


def left(seats: Seats, seat: Seat) -> None:
    seats.sit(seat)
    seats.leave(seat)


def closed(seats: Seats, seat: Seat) -> None:
    seats.sit(seat)
    seats.close()


def off(seats: Seats, _seat: Seat) -> None:
    seats.closed = Drop.NOT_RUNNING
    seats.close()


def refused(_seats: Seats, seat: Seat) -> None:
    seat.context, seat.is_open = Context(""), False


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (
            left,
            "the player has left: events are dropped (not_running); call ServerTracker.player() when they come back",
        ),
        (closed, "the server's tracker is closed: events are dropped (not_running); call close() after the last event"),
        (off, None),  # said when the tracker was made
        (refused, None),  # said at the call of `player()`
    ],
)
def test_an_event_that_comes_too_late(
    happens: Callable[[Seats, Seat], Any], said: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """It is counted, and said once with the line of the server's code, in words for a server: it has no loop."""
    diagnostics = Diagnostics()
    seats = Seats(lambda: 0.0, lambda: "id", diagnostics, 10, 300.0)
    seat = Seat(Context("ann"))
    happens(seats, seat)
    post = seats.poster(seat)
    for _ in range(2):
        post(Design("kill:slime"), None)
    assert diagnostics.stats(0).dropped == {"not_running": 2}
    messages = [record.getMessage() for record in caplog.records]
    assert [message.partition(": ")[2] for message in messages] == ([said] if said else [])
    assert all(__file__ in message for message in messages)
