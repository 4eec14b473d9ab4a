"""The session's state machine: each rule by itself, then random walks."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ga_pygame.engine.session import FLAP_SECONDS, KEPT_STATES, Phase, Session
from ga_pygame.events import SessionEnd, User
from ga_pygame.kinds import Event
from ga_pygame.records import SessionRef


class Log:
    """The events and messages of a session."""

    def __init__(self, pause_timeout: float = 20.0) -> None:
        self.events: list[tuple[Event, SessionRef, float]] = []
        self.started: list[str] = []
        self.ended: list[tuple[str, int, str]] = []
        ids = map(str, itertools.count(1))
        self.session = Session(
            pause_timeout,
            new_id=lambda: next(ids),
            post=lambda event, session, at: self.events.append((event, session, at)),
            started=lambda session: self.started.append(session.id),
            ended=lambda session, length, reason: self.ended.append((session.id, length, reason)),
        )

    @property
    def ends(self) -> list[tuple[int, str, float]]:
        """Return length, reason and time of each session's end."""
        return [(event.length, event.reason, at) for event, _, at in self.events if isinstance(event, SessionEnd)]


@pytest.fixture
def log() -> Log:
    made = Log()
    made.session.start(100.0)
    return made


@pytest.mark.requirement("002:user-each-session", "002:session-end", "002:session-end-once")
def test_a_session_starts_once_and_ends_once(log: Log) -> None:
    """`user` and `session_end` frame it, whoever asks how often; the first to end it wins."""
    log.session.start(101.0)
    log.session.end(130.5, "quit")
    log.session.end(140.0, "crash")
    assert [(type(event), session.id, at) for event, session, at in log.events] == [
        (User, "1", 100.0),
        (SessionEnd, "1", 130.5),
    ]
    assert log.started == ["1"]
    assert log.ended == [("1", 30, "quit")]


def test_focus_is_known_for_each_moment_of_a_launch() -> None:
    """Across pauses and sessions; before the first session there was none, and long ago is not known."""
    log = Log()
    session = log.session
    assert session.focused(99.0) == 0.0
    session.start(100.0)
    session.blur(110.0)
    session.focus(115.0)
    session.blur(120.0)
    session.focus(150.0)
    session.end(160.0, "quit")
    moments = [100.0, 109.0, 112.0, 116.0, 130.0, 150.0, 155.0, 160.0, 999.0]
    assert [session.focused(at) for at in moments] == [0.0, 9.0, 10.0, 11.0, 15.0, 15.0, 20.0, 25.0, 25.0]
    assert [length for length, _, _ in log.ends] == [15, 10]
    session.no_window()
    session.start(200.0)
    for second in range(KEPT_STATES):
        session.blur(210.0 + second)
        session.focus(210.5 + second)
    assert session.focused(205.0) is None
    assert session.focused(210.0 + KEPT_STATES) == 25.0 + 10.0 + KEPT_STATES


@pytest.mark.requirement("002:session-length")
def test_focus_lost_pauses_at_that_instant(log: Log) -> None:
    """The time away is not played; focus back within the timeout goes on with the same session."""
    log.session.blur(110.0)
    assert log.session.state.phase is Phase.PAUSED
    log.session.focus(129.0)
    log.session.end(134.0, "quit")
    assert log.ends == [(15, "quit", 134.0)]
    assert log.started == ["1"]


@pytest.mark.requirement("002:session-end-pause")
def test_a_longer_pause_ended_the_session_when_it_began(log: Log) -> None:
    """Focus back after the timeout: the old one ends at the moment when focus was lost, a new one starts now."""
    log.session.blur(110.0)
    log.session.focus(130.1)
    assert log.ends == [(10, "pause", 110.0)]
    assert log.started == ["1", "2"]
    assert log.session.state.session is not None
    assert log.session.state.session.started == 130.1


def test_a_pause_of_exactly_the_timeout_goes_on(log: Log) -> None:
    """The bound belongs to the pause."""
    log.session.blur(110.0)
    log.session.check(130.0)
    log.session.focus(130.0)
    assert log.started == ["1"]


def test_check_ends_a_pause_that_lasts_too_long(log: Log) -> None:
    """Nobody needs to come back for the session's end to be stored."""
    log.session.blur(110.0)
    log.session.check(130.1)
    assert log.ends == [(10, "pause", 110.0)]
    log.session.check(200.0)
    assert log.started == ["1"]
    log.session.focus(300.0)
    assert log.started == ["1", "2"]


def test_leaving_while_paused_ends_at_the_pause(log: Log) -> None:
    """A game closed from the task bar was last played when it lost focus."""
    log.session.blur(110.0)
    log.session.end(115.0, "quit")
    assert log.ends == [(10, "quit", 110.0)]


def test_sleep_counts_as_a_pause(log: Log) -> None:
    """A short nap goes on and is not played; a long one splits the session."""
    log.session.slept(110.0, 120.0)
    log.session.slept(130.0, 9000.0)
    log.session.end(9010.0, "quit")
    assert log.ends == [(20, "pause", 130.0), (10, "quit", 9010.0)]


def test_sleep_during_a_pause_is_a_pause(log: Log) -> None:
    """A laptop closed while the game was in the background changes nothing."""
    log.session.blur(110.0)
    log.session.slept(112.0, 9000.0)
    assert log.session.state.phase is Phase.PAUSED
    log.session.check(9000.0)
    assert log.ends == [(10, "pause", 110.0)]


def test_a_flap_of_focus_is_play(log: Log) -> None:
    """A fullscreen toggle takes focus for a moment; ten of them do not eat the session's length."""
    at = 100.0
    for _ in range(10):
        log.session.blur(at + 0.6)
        log.session.focus(at + 1.0)
        at += 1.0
    log.session.end(at, "quit")
    assert log.ends == [(10, "quit", 110.0)]


def test_length_is_in_whole_seconds_rounded_down(log: Log) -> None:
    """`length` is an integer on the wire."""
    log.session.end(100.999, "quit")
    assert log.ends[0][0] == 0


def test_a_pause_timeout_of_zero_still_bears_flaps() -> None:
    """Even without grace a fullscreen toggle does not make two sessions."""
    log = Log(pause_timeout=0.0)
    log.session.start(0.0)
    log.session.blur(10.0)
    log.session.focus(10.0 + FLAP_SECONDS)
    assert log.started == ["1"]
    log.session.blur(20.0)
    log.session.focus(21.0)
    assert log.started == ["1", "2"]


def test_an_observation_from_before_the_session_does_not_count_backwards(log: Log) -> None:
    """The other thread's reading may be a moment older: no end before the start, no negative length."""
    log.session.blur(99.9)
    log.session.end(105.0, "quit")
    assert log.ends == [(0, "quit", 100.0)]


def test_after_leaving_the_open_window_starts_nothing(log: Log) -> None:
    """`pygame.quit()` and a crash end the session for good, until a window is gone and there is another."""
    log.session.end(110.0, "quit")
    log.session.focus(111.0)
    assert log.started == ["1"]
    log.session.no_window()
    log.session.focus(112.0)
    assert log.started == ["1", "2"]


def test_after_the_final_end_nothing_starts(log: Log) -> None:
    """`close()` is the last word."""
    log.session.end(110.0, "quit", final=True)
    log.session.no_window()
    log.session.focus(111.0)
    log.session.start(112.0)
    assert log.started == ["1"]


def test_observations_made_meanwhile_are_applied_in_order() -> None:
    """An observation during another one is applied after it; no thread waits for a lock."""
    order: list[str] = []
    log = Log()

    def post(event: Event, _session: SessionRef, at: float) -> None:
        order.append(type(event).__name__)
        if isinstance(event, User) and len(order) == 1:
            session.blur(5.0)  # another thread's observation, in the middle of the transition
            session.focus(50.0)
            order.append("queued")

    session = Session(20.0, new_id=lambda: "x", post=post, started=lambda _: None, ended=lambda *_: None)
    session.start(0.0)
    assert order == ["User", "queued", "SessionEnd", "User"]
    assert log.events == []


TIMEOUT = 20.0
STEPS = st.one_of(st.floats(0, 1), st.floats(0, 15), st.floats(15, 60)).map(lambda seconds: round(seconds, 3))


class SessionWalk(RuleBasedStateMachine):
    """Random observations at random times, and the invariants of every session."""

    def __init__(self) -> None:
        super().__init__()
        self.log = Log(TIMEOUT)
        self.now = 1000.0
        self.focused: list[tuple[float, float]] = []  # when the player was at the game
        self.since: float | None = None
        self.final = False

    def _stop(self) -> None:
        if self.since is not None:
            self.focused.append((self.since, self.now))
            self.since = None

    @initialize()
    def begin(self) -> None:
        self.log.session.start(self.now)
        self.since = self.now

    @rule(seconds=STEPS)
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def start(self) -> None:
        was = self.log.session.state.phase
        self.log.session.start(self.now)
        if was is Phase.CLOSED and self.since is None and not self.final:
            self.since = self.now

    @rule()
    def focus(self) -> None:
        self.log.session.focus(self.now)
        if self.since is None:
            self.since = self.now

    @rule()
    def blur(self) -> None:
        self.log.session.blur(self.now)
        self._stop()

    @rule(seconds=STEPS)
    def sleep(self, seconds: float) -> None:
        fell = self.now
        self._stop()
        self.now += seconds
        active = self.log.session.state.phase is Phase.ACTIVE
        self.log.session.slept(fell, self.now)
        if active:
            self.since = self.now

    @rule()
    def check(self) -> None:
        self.log.session.check(self.now)

    @rule()
    def no_window(self) -> None:
        self.log.session.no_window()

    @rule(reason=st.sampled_from(["quit", "crash"]))
    def end(self, reason: str) -> None:
        self.log.session.end(self.now, reason)
        self._stop()

    @precondition(lambda self: self.now > 1100)
    @rule()
    def close(self) -> None:
        self.log.session.end(self.now, "quit", final=True)
        self._stop()
        self.final = True

    @invariant()
    def users_and_ends_alternate(self) -> None:
        """Check that each user event has one end with the same session, and that sessions do not overlap."""
        kinds = [type(event) for event, _, _ in self.log.events]
        running = self.log.session.state.phase is not Phase.CLOSED
        assert kinds == ([User, SessionEnd] * len(kinds))[: len(kinds)]
        assert (len(kinds) % 2 == 1) == running
        ids = [session.id for _, session, _ in self.log.events]
        assert ids == [str(n // 2 + 1) for n in range(len(ids))]
        times = [at for _, _, at in self.log.events]
        assert times == sorted(times)
        assert times[-1] <= self.now if times else True

    @invariant()
    def lengths_are_focused_time(self) -> None:
        """Check that no session is longer than its duration, or than its focused time and short focus losses."""
        focused = [*self.focused, (self.since, self.now)] if self.since is not None else self.focused
        ends = [(e, s, at) for e, s, at in self.log.events if isinstance(e, SessionEnd)]
        for event, session, at in ends:
            assert 0 <= event.length <= at - session.started + 1e-6
            inside = [(max(a, session.started), min(b, at)) for a, b in focused]
            inside = [(a, b) for a, b in inside if b >= a]
            played = sum(b - a for a, b in inside)
            gaps = [later[0] - earlier[1] for earlier, later in itertools.pairwise(inside)]
            flaps = sum(gap for gap in gaps if gap <= FLAP_SECONDS)
            assert event.length <= played + flaps + 1e-6
            if all(gap > FLAP_SECONDS for gap in gaps):
                assert event.length >= int(played - 1e-6) - 1

    def teardown(self) -> None:
        self.log.session.end(self.now, "quit", final=True)
        self.final = True
        self.users_and_ends_alternate()
        assert len(self.log.started) == len(self.log.ended)


TestSessionWalk: Any = SessionWalk.TestCase
