"""The session's state machine: closed, active, paused.

A session is the time that a player is focused on the game. It pauses at the instant when focus is lost. If focus
comes back within the pause timeout, the session goes on; else it ended at that instant, and a new one starts.

Two threads observe: the game thread through its events, the watch worker through pygame's state. Each appends its
observation to a queue, then tries the lock without waiting. The thread that gets the lock applies all observations
in order, also those that the other thread appends meanwhile. So the game never waits for the worker.
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
"""A loss of focus up to this long is caused by the window manager: a fullscreen toggle, a second window."""

KEPT_STATES = 64
"""Past states whose focus `Session.focused` knows; the writer asks within a tenth of a second."""


class Phase(Enum):
    """The state of a session."""

    CLOSED = "closed"
    ACTIVE = "active"
    PAUSED = "paused"


class State(NamedTuple):
    """A session at one moment. Immutable; times in seconds of `Clock.monotonic`.

    Attributes:
        phase: Whether it is closed, active or paused.
        session: The running session, or the last one.
        since: When the phase began.
        focused: Seconds of focus before that.
        left: Whether the player left the game: a window that is still open and focused starts no new session.
        final: Whether the game is over: no session starts any more.
        earlier: Seconds of focus in the sessions before this one.
    """

    phase: Phase = Phase.CLOSED
    session: SessionRef | None = None
    since: float = 0.0
    focused: float = 0.0
    left: bool = False
    final: bool = False
    earlier: float = 0.0

    def length(self, now: float) -> float:
        """Return the seconds of focus until `now`."""
        return self.focused + (max(0.0, now - self.since) if self.phase is Phase.ACTIVE else 0.0)


Observation = Callable[["Session"], None]


class Session:
    """The state machine that the module describes. Any thread; no method blocks.

    Args:
        pause_timeout: Seconds; a longer pause ends the session.
        new_id: Makes session ids.
        post: Records the `user` and `session_end` events, with their session and time.
        started: Called with each session that starts.
        ended: Called for each session that ends, with the session, its whole seconds of focus, and the reason.
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
        self._past: tuple[State, ...] = (self.state,)

    def focused(self, at: float) -> float | None:
        """Return the seconds of focus until `at`, in all sessions of this launch; `None` if that is too long ago.

        The difference of two readings has no pause in it, as the length of a session has none.
        """
        for state in reversed(self._past):
            if at >= state.since:
                return state.earlier + state.length(at)
        return None

    # --- observations -----------------------------------------------------------------------------------

    def start(self, at: float) -> None:
        """Start a session at this time, unless one runs."""
        self._observe(lambda machine: machine._start(at))

    def focus(self, at: float) -> None:
        """Note that a window of the game has focus: resume the session or start one."""
        self._observe(lambda machine: machine._focus(at))

    def blur(self, at: float) -> None:
        """Note that no window of the game has focus: pause the session."""
        self._observe(lambda machine: machine._blur(at))

    def no_window(self) -> None:
        """Note that there is no window. A window focused later starts a session, also after an `end()` not final."""
        if self.state.left:
            self._observe(lambda machine: machine._no_window())

    def slept(self, fell_asleep: float, woke_up: float) -> None:
        """Note that the machine slept between these times: count that as a pause, unless the session was paused."""

        def apply(machine: Session) -> None:
            if machine.state.phase is Phase.ACTIVE:
                machine._blur(fell_asleep)
                machine._focus(woke_up)

        self._observe(apply)

    def check(self, now: float) -> None:
        """End the session if its pause has lasted longer than the timeout."""
        state = self.state
        if state.phase is Phase.PAUSED and now - state.since > self._pause_timeout:
            self._observe(lambda machine: machine._time_out(now))

    def end(self, at: float, reason: str, *, final: bool = False) -> None:
        """End the session: focus starts a new one only after `no_window()`, and after `final` nothing does."""
        self._observe(lambda machine: machine._leave(at, reason, final=final))

    def _observe(self, observation: Observation) -> None:
        self._observations.append(observation)
        # The outer loop looks again after the release: the other thread may have appended after the inner loop ended
        # and failed to get the lock. Without that look its observation would wait for the next one.
        while self._observations and self._applying.acquire(blocking=False):
            try:
                while self._observations:
                    self._observations.popleft()(self)
            finally:
                self._applying.release()

    # --- transitions: under the lock --------------------------------------------------------------------

    def _enter(self, state: State) -> None:
        """Change the phase."""
        self.state = state
        self._past = (*self._past[1 - KEPT_STATES :], state)

    def _start(self, at: float) -> None:
        if self.state.phase is not Phase.CLOSED or self.state.final:
            return
        session = SessionRef(self._new_id(), at)
        self._enter(State(Phase.ACTIVE, session, since=at, earlier=self.state.earlier + self.state.focused))
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
                self._enter(state._replace(phase=Phase.ACTIVE, since=at, focused=state.focused + flapped))

    def _blur(self, at: float) -> None:
        state = self.state
        if state.phase is Phase.ACTIVE:
            at = max(at, state.since)
            self._enter(state._replace(phase=Phase.PAUSED, since=at, focused=state.length(at)))

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
        focused = self.state.length(at)
        self._enter(State(Phase.CLOSED, session, since=at, focused=focused, earlier=self.state.earlier))
        self._post(SessionEnd(length, reason), session, at)
        self._ended(session, length, reason)
