"""The players of a server: who plays, each one's session, and the queue of records to the writer.

Any thread may report events. One lock guards seats and queue, for some microseconds a call; the writer takes records
from the queue without it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import RLock
from typing import NamedTuple

from ga_pygame.diagnostics import Diagnostics, Drop, game_call
from ga_pygame.events import Fields, SessionEnd, User
from ga_pygame.kinds import Event
from ga_pygame.recording.sound_fields import sound_fields
from ga_pygame.records import Context, Post, Record, SessionRef

MAX_QUEUED = 100_000
"""Records that wait for the writer; about 50 MB. Later ones are counted as `inbox_full`, except starts and ends."""

_TOO_MANY = (
    "max_players={} play at once: events of further players are dropped (inbox_full); call leave() for those who left, "
    "or give ServerTracker more max_players"
)


_LEFT = "the player has left: events are dropped (not_running); call ServerTracker.player() when they come back"
_CLOSED = "the server's tracker is closed: events are dropped (not_running); call close() after the last event"


class Queued(NamedTuple):
    """A record on its way to the writer.

    Attributes:
        address: The player's address; "" if the server does not know it.
    """

    record: Record
    address: str


def _no_attempt() -> None:
    pass


class Seat:
    """A player's place: who it is, and the running session. Only `Seats` changes it, but for `context` and `abandon`.

    Attributes:
        context: The context of later records.
        address: The player's address; "" if the server does not know it.
        session: The running session; `None` before the first and between two.
        seen: When the player did something last, in seconds of `Clock.monotonic`.
        abandon: Fails the open attempt.
        is_open: Whether the player may play: false after `leave()`, and if the call that made it was refused.
    """

    __slots__ = ("abandon", "address", "context", "is_open", "seen", "session")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.address = ""
        self.session: SessionRef | None = None
        self.seen = 0.0
        self.abandon: Callable[[], None] = _no_attempt
        self.is_open = True


class Seats:
    """See the module.

    Args:
        monotonic: The clock of the records' times.
        new_id: Makes the ids of sessions.
        diagnostics: Counts the events that are not recorded.
        most: Players who may play at once.
        timeout: Seconds after which the session of a silent player ends.

    Attributes:
        closed: The reason why nothing is recorded; `None` while events are recorded.
        lock: Guards all of it; may be taken again by the thread that has it.
        queue: The records that the writer takes, the oldest first.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        new_id: Callable[[], str],
        diagnostics: Diagnostics,
        most: int,
        timeout: float,
    ) -> None:
        self.closed: Drop | None = None
        self.lock = RLock()
        self.queue: deque[Queued] = deque()
        self._monotonic = monotonic
        self._new_id = new_id
        self._diagnostics = diagnostics
        self._most = most
        self._timeout = timeout
        self._taken: dict[str, Seat] = {}
        self._ends_at: float | None = None  # the time of the events that end a session
        self._is_over = False
        diagnostics.explained.add(Drop.NOT_RUNNING)  # its words are for a game; see `_refuse`

    def __len__(self) -> int:
        return len(self._taken)

    def poster(self, seat: Seat) -> Post:
        """Return the function that records this player's events."""
        return lambda event, fields: self._post(seat, event, fields)

    def _post(self, seat: Seat, event: Event, fields: Fields | None) -> None:
        if fields is not None:
            fields = sound_fields(fields, seat.context.fields, self._diagnostics)
        with self.lock:
            if not self.sit(seat):
                return
            at = self._ends_at if self._ends_at is not None else seat.seen
            self._put(seat, event, at, fields)

    def sit(self, seat: Seat) -> bool:
        """Note that the player is here; begin a session if none runs. False, with a count, if that is not possible."""
        with self.lock:
            user_id = seat.context.user_id
            refused = self.closed or (None if seat.is_open else Drop.NOT_RUNNING)
            if refused is None and user_id not in self._taken and len(self._taken) >= self._most:
                self._diagnostics.warn_once("max_players", _TOO_MANY.format(self._most))
                refused = Drop.INBOX_FULL
            if refused is not None:
                self._refuse(refused, user_id)
                return False
            now = self._monotonic()
            if self._ends_at is None:
                seat.seen = now
            if seat.session is None:
                self._taken[user_id] = seat
                seat.session = SessionRef(self._new_id(), now)
                self._put(seat, User(), now, None)
            return True

    def _refuse(self, why: Drop, user_id: str) -> None:
        """Count an event that is not recorded. Say why, unless another message does: wrong arguments, no keys, fork."""
        self._diagnostics.drop(why)
        if self._is_over:
            self._diagnostics.warn_once("closed", f"{game_call()}: {_CLOSED}")
        elif self.closed is None and why is Drop.NOT_RUNNING and user_id:
            self._diagnostics.warn_once("left", f"{game_call()}: {_LEFT}")

    def _put(self, seat: Seat, event: Event, at: float, fields: Fields | None) -> None:
        if len(self.queue) >= MAX_QUEUED and not isinstance(event, User | SessionEnd):
            self._diagnostics.drop(Drop.INBOX_FULL)
            return
        self.queue.append(Queued(Record(event, seat.session, seat.context, at, fields), seat.address))

    def leave(self, seat: Seat) -> None:
        """End the session for good: the player left the game."""
        with self.lock:
            self._end(seat, self._monotonic(), "quit")
            seat.is_open = False

    def end_silent(self) -> None:
        """End the sessions of silent players, with the time of their last event."""
        with self.lock:
            until = self._monotonic() - self._timeout
            for seat in [seat for seat in self._taken.values() if seat.seen <= until]:
                self._end(seat, seat.seen, "pause")

    def close(self) -> None:
        """End all sessions and record nothing more."""
        with self.lock:
            now = self._monotonic()
            for seat in list(self._taken.values()):
                self._end(seat, now, "quit")
            self._is_over = self.closed is None
            self.closed = self.closed or Drop.NOT_RUNNING

    def _end(self, seat: Seat, at: float, reason: str) -> None:
        session = seat.session
        if session is None or self.closed is not None:
            return
        self._ends_at = at
        try:
            seat.abandon()
        finally:
            self._ends_at = None
        self._put(seat, SessionEnd(int(at - session.started), reason), at, None)
        seat.session = None
        del self._taken[seat.context.user_id]

    def let_go(self) -> None:
        """Record nothing in a forked child: the players are the parent's."""
        self.lock = RLock()  # a thread of the parent may have held it
        self.closed = Drop.NOT_RUNNING
        self.queue.clear()
