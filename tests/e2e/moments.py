"""Moments between two readings of one clock, so that no comparison depends on the machine's speed.

A test cannot know exactly when a game noticed something. It has a reading from before its request and one from after
the game or the collector has confirmed it; on the slowest machine, too, the moment is between both.
All processes of a machine share the clock; the tracker measures with the same one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from ga_pygame.clock import SystemClock
from tests.conftest import Game

now: Callable[[], float] = SystemClock().monotonic

OBSERVED = """
import atexit, os, threading, time
from ga_pygame.clock import SystemClock

now = SystemClock().monotonic

def say(*words):
    os.write(1, (" ".join(map(str, words)) + chr(10)).encode())  # whole lines, also beside another thread's

def observe(tracker):
    looks, offsets, cpu = [], {0.0}, tracker._core.clock.cpu

    def noted():
        looks.append((now(), cpu()))
        offsets.add(tracker._core.clock.server_offset or 0.0)
        return looks[-1][1]

    tracker._core.clock.cpu = noted
    before = now()
    tracker.start()
    say("plays", before, now())

    def say_when_aware():
        watch = getattr(tracker._running, "_watch", None)  # a tracker that is off has none
        while watch is None or not watch._focus.armed:
            time.sleep(0.01)
        say("aware")

    threading.Thread(target=say_when_aware, daemon=True).start()

    def tell():
        gaps = ((at - last, used - before) for (last, before), (at, used) in zip(looks, looks[1:]))
        asleep = sum(gap for gap, used in gaps if gap > 1.9 and used < 0.6 * gap)
        offsets.add(tracker._core.clock.server_offset or 0.0)
        say("observed", tracker._core.clock.wall(0.0), asleep, *offsets)

    atexit.register(tell)
"""
"""For a game: `observe(tracker)` starts it and says what a test cannot see from outside.

`plays` with two readings around `start()`; `aware` when the tracker has seen the game focused, since from then on a
loss of the focus counts; at exit `observed` with the wall clock at 0, the seconds in which the tracker's watch got no
processor for so long that it must take it for sleep, and what the server's clock was thought to be ahead.
"""


@dataclass(frozen=True, eq=False)
class Span:
    """A range of seconds; equal to a length in whole seconds that is possible."""

    least: float
    most: float

    __hash__ = None  # type: ignore[assignment]  # two that are equal to one length need not be equal

    def __eq__(self, whole: object) -> bool:
        return isinstance(whole, int) and int(max(0.0, self.least)) <= whole <= int(self.most)

    def __add__(self, other: Span) -> Span:
        return Span(self.least + other.least, self.most + other.most)

    def or_less(self, seconds: float) -> Span:
        """Return the same range with up to so many seconds less at its lower end."""
        return Span(self.least - seconds, self.most)


class Moment(NamedTuple):
    """A moment between these two readings."""

    earliest: float
    latest: float

    @classmethod
    def of_start(cls, game: Game) -> Moment:
        """Return when the game's first session began."""
        return cls(*map(float, game.wait_for("plays").split()))

    @classmethod
    def since(cls, earliest: float) -> Moment:
        """Return the moment between that reading and now."""
        return cls(earliest, now())

    @classmethod
    def said(cls, game: Game, word: str, earliest: float) -> Moment:
        """Return the moment between that reading and the game's own reading in a later message."""
        latest = 0.0
        while latest < earliest:  # else of an earlier change: a window that opens may lose the focus once more
            latest = float(game.wait_for(word).split()[0])
        return cls(earliest, latest)

    def until(self, later: Moment) -> Span:
        """Return the time between two moments."""
        return Span(later.earliest - self.latest, later.latest - self.earliest)


class Observed(NamedTuple):
    """The output of a game with `observe` at its end.

    Attributes:
        anchor: Its wall clock at 0 of the monotonic one.
        asleep: Seconds that its tracker must take for the machine's sleep.
        offsets: How far it thought the server's clock to be ahead, at one time or another. A server tells whole
            seconds and its answer takes its time, so that it is rarely 0 even for the same clock.
        error: What it wrote to its standard error.
    """

    anchor: float
    asleep: float
    offsets: tuple[float, ...]
    error: str

    @classmethod
    def at_end(cls, game: Game, expected: int = 0) -> Observed:
        """Wait until the game ends with this exit code."""
        anchor, asleep, *offsets = map(float, game.wait_for("observed").split())
        code, _, error = game.end()
        assert code == expected, error
        return cls(anchor, asleep, tuple(offsets), error)

    def stamp(self, moment: Moment) -> Span:
        """Return the `client_ts` of an event of this moment."""
        return Span(self.anchor + moment.earliest + min(self.offsets), self.anchor + moment.latest + max(self.offsets))
