"""Attempts at levels: the open attempt, and the Fail event for an attempt that is left.

Source: GameAnalytics REST v2, Progression. If an attempt is still open, also at the same level, a new Start first
adds a Fail for it. Leaving the game adds one too.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from ga_pygame import attributes
from ga_pygame.checks import MISSING, InvalidEvent, exact_number
from ga_pygame.diagnostics import Diagnostics, game_call, guard, guarded, request
from ga_pygame.events import Fields, Progression, Status
from ga_pygame.records import Post, Repeat, no_repeat

_START, _FAIL, _COMPLETE = Status.START.value, Status.FAIL.value, Status.COMPLETE.value


class WatchesAttempts(Protocol):
    """What `mistakes.AttemptWatch` does for this area."""

    def started(self, level: tuple[str, ...], before: tuple[str, ...] | None) -> None:
        """Look at a Start; `before` is the level of the attempt that it found open."""
        ...

    def ended_alone(self, level: tuple[str, ...]) -> None:
        """Look at a Fail or Complete while no attempt is open."""
        ...


class _Open:
    """The open attempt. A separate object, because each assignment to the area itself is checked (`attributes.only`).

    Attributes:
        level: The parts of its level, exact strings; `None` if no attempt is open.
        number: Grows by 1 when a call starts or ends an attempt; tells apart two attempts at the same level.
        watch: Looks at the order of the steps while the game is developed, else `None`.
    """

    __slots__ = ("level", "number", "watch")

    def __init__(self, watch: WatchesAttempts | None) -> None:
        self.watch = watch
        self.level: tuple[str, ...] | None = None
        self.number = 0


class ProgressionArea:
    """Attempts at levels: `tracker.progression`. Game thread only.

    A level has one to three parts, outermost first: `"forest", "level_1"`.

    Args:
        post: Records an event.
        diagnostics: Reports wrong calls.
        repeat: Records an event that differs from an earlier one only in its score.
        watch: See `_Open`.
    """

    def __init__(
        self,
        post: Post,
        diagnostics: Diagnostics,
        repeat: Repeat = no_repeat,
        watch: WatchesAttempts | None = None,
    ) -> None:
        self._post = post
        self._repeat = repeat
        self._diagnostics = diagnostics
        self._open = _Open(watch)

    __setattr__ = attributes.only()

    @property
    def current(self) -> tuple[str, ...] | None:
        """The parts of the open attempt's level; `None` if no attempt is open."""
        return self._open.level

    @guard
    def start(self, *level: str, fields: Fields | None = None) -> None:
        """Begin an attempt. An attempt that is still open fails, also if this call is refused."""
        attempt = self._open
        before = attempt.level
        key = Progression.key_of(_START, level)
        level = key[1]
        if before is not None or not self._repeat(key, None, Progression.least, fields):
            try:
                event = Progression(Status.START, level)
            finally:
                self._abandon()  # the player left the open attempt, even if the new level's name is wrong
            level = event.levels
            self._post(event, fields)
        attempt.level = level
        attempt.number += 1
        if attempt.watch is not None:
            attempt.watch.started(level, before)

    @guard
    def complete(self, *level: str, score: int | None = None, fields: Fields | None = None) -> None:
        """Complete a level. `attempt_num` counts the attempts at it so far; then counting starts again.

        Args:
            level: Its one to three parts; without any, the open attempt's level.
            score: A whole number. A wrong score is left out and reported.
            fields: Custom fields of this event.
        """
        self._end(_COMPLETE, level, score, fields)

    @guard
    def fail(self, *level: str, score: int | None = None, fields: Fields | None = None) -> None:
        """Fail an attempt; `attempt_num` counts the attempts so far. Arguments as for `complete`."""
        self._end(_FAIL, level, score, fields)

    @guarded("attempt ignored", lambda area, *_level, **_named: Attempt(area, None))
    def attempt(self, *level: str, fields: Fields | None = None) -> Attempt:
        """Make an attempt for a `with` block: the end of the block completes it, an exception fails it.

        Args:
            level: Its one to three parts.
            fields: Custom fields of its Start.
        """
        return Attempt(self, level, fields)

    @request
    def _abandon(self) -> None:
        level, self._open.level = self._open.level, None
        if level is not None:
            self._post(Progression(Status.FAIL, level), None)

    def _end(self, status: str, level: tuple[str, ...], score: int | None, fields: Fields | None) -> None:
        if not level:
            if self._open.level is None:
                words = "no attempt is open; name the level: complete('forest', 'level_1')"
                raise InvalidEvent("progression", MISSING, words, "ours", "wrong_length")
            level = self._open.level
        key = Progression.key_of(status, level)
        level = key[1]
        if (score is None or type(score) is int) and self._repeat(key, score, Progression.least, fields):
            self._close(level)
            return
        if score is None and len(level) > 1 and exact_number(level[-1]) is not None:
            words = f"is a number; a part of a level is a string, and a score is given by name: score={level[-1]}"
            raise InvalidEvent(f"progression{len(level)}", level[-1], words, "REST v2, Progression", "wrong_type")
        level = Progression(Status(status), level).levels  # a wrong level refuses the call
        self._close(level)  # first: the attempt is over, even if the event is refused below
        self._post(self._diagnostics.made(Progression, Status(status), level, score=score), fields)

    def _close(self, level: tuple[str, ...]) -> None:
        attempt = self._open
        if attempt.level == level:
            attempt.level = None
            attempt.number += 1
        elif attempt.level is not None:
            ended, still = ":".join(level), ":".join(attempt.level)
            self._diagnostics.warn_once(
                "progression: another level",
                f"{game_call()}: {ended!r} ends while the attempt at {still!r} is open, which becomes a Fail when it "
                "is left; complete() and fail() without parts end the open one",
            )
        elif attempt.watch is not None:
            attempt.watch.ended_alone(level)


def abandon(area: ProgressionArea) -> None:
    """Fail the open attempt, if there is one, since the player leaves the game."""
    area._abandon()


class Attempt:
    """One attempt at a level, for a `with` statement. Game thread only.

    Attributes:
        score: Sent with Complete or Fail; a whole number. A wrong score is left out and reported.
    """

    def __init__(self, area: ProgressionArea, level: tuple[str, ...] | None, fields: Fields | None = None) -> None:
        self._area = area
        self._diagnostics = area._diagnostics
        self._level = level
        self._fields = fields
        self._number = 0  # equals the area's number while this is the open attempt
        self._is_over = level is None  # the call that made this object was wrong
        self.score: int | None = None

    __setattr__ = attributes.only("score")

    def __enter__(self) -> Attempt:
        if self._level is not None:
            before = self._area._open.number
            self._area.start(*self._level, fields=self._fields)
            self._number = self._area._open.number
            self._is_over = self._number == before  # the start was refused and reported
        return self

    @guard
    def fail(self, *, score: int | None = None, fields: Fields | None = None) -> None:
        """Fail the attempt; the end of the block then adds nothing. Arguments as for `ProgressionArea.complete`."""
        if self._ends():
            self._area.fail(score=self.score if score is None else score, fields=fields)

    @guard
    def complete(self, *, score: int | None = None, fields: Fields | None = None) -> None:
        """Complete the level; the end of the block then adds nothing. Arguments as for `ProgressionArea.complete`."""
        if self._ends():
            self._area.complete(score=self.score if score is None else score, fields=fields)

    def _ends(self) -> bool:
        """Return whether this call ends the attempt: once, and only if no other call ended it or started another."""
        if self._is_over:
            return False
        if not self._number:
            words = "the attempt was never started; use it in a `with` statement, or call progression.start()"
            raise InvalidEvent("progression", MISSING, words, "ours", "wrong_length")
        self._is_over = True
        if self._area._open.number != self._number:
            self._diagnostics.warn_once(
                "progression: ended twice",
                f"{game_call()}: the attempt at {':'.join(self._level or ())!r} was over before the end of its `with` "
                "block, by another call of start(), complete() or fail(); the end of the block adds nothing. Inside, "
                "call complete() or fail() of the attempt itself",
            )
            return False
        return self._area._open.level is not None  # else the player left the game, which added the Fail

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.complete()
        else:  # any exception, also Ctrl-C, a cancelled task or a closed generator: the player left the level
            self.fail()
