"""The session's state machine: closed, active, paused.

A session is the time that a player is focused on the game. It pauses at the instant when focus is lost; if
focus comes back within the pause timeout it goes on, else it ended at that instant and a new one starts.

Two threads observe: the game thread through its events, the watch worker through pygame's state. Each
puts its observation into a queue and whoever is free applies them, in order, under a lock that is only ever
tried: nobody waits for it, least of all the game.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from threading import Lock
from typing import NamedTuple

from ga_pygame.events import SessionEnd, User
from ga_pygame.kinds import Event
from ga_pygame.records import SessionRef

FLAP_SECONDS = 0.5
"""A shorter loss of focus is a window manager at work: a fullscreen toggle, a second window."""


class Phase(Enum):
    """Whether a session runs."""

    CLOSED = "closed"
    ACTIVE = "active"
    PAUSED = "paused"


class State(NamedTuple):
    """A session at one moment; times in seconds of `Clock.monotonic`.

    Attributes:
        session: The running session, or the last one.
        since: When the phase began.
        focused: Seconds focused before that.
        left: The player left the game: a window that is still open and focused begins no session any more.
        final: The game is over; no session starts any more.
    """

    phase: Phase = Phase.CLOSED
    session: SessionRef | None = None
    since: float = 0.0
    focused: float = 0.0
    left: bool = False
    final: bool = False

    def length(self, now: float) -> float:
        """Seconds focused until `now`."""
        return self.focused + (max(0.0, now - self.since) if self.phase is Phase.ACTIVE else 0.0)


Observation = Callable[["Session"], None]


class Session:
    """See the module. All methods may be called by any thread and never block.

    Args:
        pause_timeout: A longer pause ends the session, in seconds.
        new_id: Makes session ids.
        post: Takes the `user` and `session_end` events, with their session and time.
        started: Told of each session that starts.
        ended: Told of each session that ends: id, whole seconds, reason.
    """

    def __init__(
        self,
        pause_timeout: float,
        *,
        new_id: Callable[[], str],
        post: Callable[[Event, SessionRef, float], None],
        started: Callable[[SessionRef], None],
        ended: Callable[[SessionRef, int, str], None],
    ) -> None:
        self._pause_timeout = max(pause_timeout, FLAP_SECONDS)
        self._new_id = new_id
        self._post = post
        self._started = started
        self._ended = ended
        self._observations: deque[Observation] = deque()
        self._applying = Lock()
        self.state = State()

    # --- observations -----------------------------------------------------------------------------------

    def start(self, at: float) -> None:
        """A session begins, unless one runs."""
        self._observe(lambda machine: machine._start(at))

    def focus(self, at: float) -> None:
        """The player is at the game."""
        self._observe(lambda machine: machine._focus(at))

    def blur(self, at: float) -> None:
        """The player is elsewhere."""
        self._observe(lambda machine: machine._blur(at))

    def no_window(self) -> None:
        """There is no window: one that is focused later belongs to a game that goes on after `pygame.quit()`."""
        if self.state.left:
            self._observe(lambda machine: machine._no_window())

    def slept(self, fell_asleep: float, woke_up: float) -> None:
        """The machine slept: a pause, unless there was one already."""

        def apply(machine: Session) -> None:
            if machine.state.phase is Phase.ACTIVE:
                machine._blur(fell_asleep)
                machine._focus(woke_up)

        self._observe(apply)

    def check(self, now: float) -> None:
        """End a session whose pause has lasted too long."""
        state = self.state
        if state.phase is Phase.PAUSED and now - state.since > self._pause_timeout:
            self._observe(lambda machine: machine._time_out(now))

    def end(self, at: float, reason: str, *, final: bool = False) -> None:
        """The player leaves: focus begins no session before `no_window()`, and after `final` nothing does."""
        self._observe(lambda machine: machine._leave(at, reason, final=final))

    def _observe(self, observation: Observation) -> None:
        self._observations.append(observation)
        while self._observations and self._applying.acquire(blocking=False):
            try:
                while self._observations:
                    self._observations.popleft()(self)
            finally:
                self._applying.release()

    # --- transitions: one at a time ---------------------------------------------------------------------

    def _start(self, at: float) -> None:
        if self.state.phase is not Phase.CLOSED or self.state.final:
            return
        session = SessionRef(self._new_id(), at)
        self.state = State(Phase.ACTIVE, session, since=at)
        self._post(User(), session, at)
        self._started(session)

    def _focus(self, at: float) -> None:
        state = self.state
        if state.phase is Phase.CLOSED:
            if not state.left:
                self._start(at)
        elif state.phase is Phase.PAUSED:
            pause = at - state.since
            if pause > self._pause_timeout:
                self._end(state.since, "pause")
                self._start(at)
            else:
                flapped = max(0.0, pause) if pause <= FLAP_SECONDS else 0.0
                self.state = State(Phase.ACTIVE, state.session, since=at, focused=state.focused + flapped)

    def _blur(self, at: float) -> None:
        state = self.state
        if state.phase is Phase.ACTIVE:
            at = max(at, state.since)
            self.state = State(Phase.PAUSED, state.session, since=at, focused=state.length(at))

    def _time_out(self, now: float) -> None:
        if self.state.phase is Phase.PAUSED and now - self.state.since > self._pause_timeout:
            self._end(self.state.since, "pause")

    def _leave(self, at: float, reason: str, *, final: bool) -> None:
        if self.state.phase is not Phase.CLOSED:
            self._end(self.state.since if self.state.phase is Phase.PAUSED else at, reason)
        self.state = self.state._replace(left=True, final=final or self.state.final)

    def _no_window(self) -> None:
        self.state = self.state._replace(left=False)

    def _end(self, at: float, reason: str) -> None:
        session = self.state.session
        if session is None:
            return
        length = int(self.state.length(at))
        self.state = State(Phase.CLOSED, session, since=at, focused=self.state.length(at))
        self._post(SessionEnd(length, reason), session, at)
        self._ended(session, length, reason)
