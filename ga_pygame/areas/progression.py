"""Attempts at levels: which one is open, and the Fail that the documentation asks for when it is left.

Source: GameAnalytics REST v2, Progression. A Start while an attempt is open (of the same level too) first
adds Fail for that one, and so does leaving the game.
"""

from __future__ import annotations

from types import TracebackType

from ga_pygame import attributes
from ga_pygame.checks import MISSING, InvalidEvent, exact_number
from ga_pygame.diagnostics import Diagnostics, game_call, guard, guarded, request
from ga_pygame.events import Fields, Progression, Status
from ga_pygame.records import Post, Repeat, no_repeat

_EXACT_TEXT = str.__str__
_START, _FAIL, _COMPLETE = Status.START.value, Status.FAIL.value, Status.COMPLETE.value


class _Open:
    """The attempt that is open: an object of its own, since setting an attribute of the area asks what a game may set.

    Attributes:
        level: The parts of its level, exact strings; `None` if no attempt is open.
        number: Moves when the game starts or ends an attempt: tells apart two at the same level.
    """

    __slots__ = ("level", "number")

    def __init__(self) -> None:
        self.level: tuple[str, ...] | None = None
        self.number = 0


class ProgressionArea:
    """`tracker.progression`. A level has one to three parts, outermost first: `"forest", "level_1"`.

    Game thread only.

    Args:
        post: Takes the events.
        diagnostics: Takes what is wrong with a call.
        repeat: Takes steps that differ from an earlier one in their score only.
    """

    def __init__(self, post: Post, diagnostics: Diagnostics, repeat: Repeat = no_repeat) -> None:
        self._post = post
        self._repeat = repeat
        self._diagnostics = diagnostics
        self._open = _Open()

    __setattr__ = attributes.only()

    @property
    def current(self) -> tuple[str, ...] | None:
        """The parts of the level whose attempt is open."""
        return self._open.level

    @guard
    def start(self, *level: str, fields: Fields | None = None) -> None:
        """An attempt begins; one that is still open failed, also if this call is refused."""
        attempt = self._open
        try:  # noqa: SIM105 - `suppress` costs 0.3 µs
            level = tuple(map(_EXACT_TEXT, level))
        except TypeError:  # a part is no string: the event refuses it
            pass
        if attempt.level is not None or not self._repeat(Progression.key_of(_START, level), None, fields=fields):
            try:
                event = Progression(Status.START, level)
            finally:
                self._abandon()  # the player left it, whatever the new one is called
            level = event.levels
            self._post(event, fields)
        attempt.level = level
        attempt.number += 1

    @guard
    def complete(self, *level: str, score: int | None = None, fields: Fields | None = None) -> None:
        """The level is done; `attempt_num` says at which attempt, and counting starts anew.

        Args:
            level: Its parts; none: the open attempt's.
            score: A whole number. A wrong one is left out, and said.
            fields: Custom fields of this event.
        """
        self._end(_COMPLETE, level, score, fields)

    @guard
    def fail(self, *level: str, score: int | None = None, fields: Fields | None = None) -> None:
        """The attempt failed; `attempt_num` counts the attempts so far. Arguments as for `complete`."""
        self._end(_FAIL, level, score, fields)

    @guarded("attempt ignored", lambda area, *_level, **_named: Attempt(area, None))
    def attempt(self, *level: str, fields: Fields | None = None) -> Attempt:
        """An attempt as a `with` block: Complete when it is left, Fail when it is left by an exception.

        Args:
            level: Its parts.
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
        try:  # noqa: SIM105 - see `start`
            level = tuple(map(_EXACT_TEXT, level))
        except TypeError:
            pass
        is_plain = score is None or type(score) is int
        if is_plain and self._repeat(Progression.key_of(status, level), score, Progression.least, fields):
            self._close(level)
            return
        if score is None and len(level) > 1 and exact_number(level[-1]) is not None:
            words = f"is a number; a part of a level is a string, and a score is given by name: score={level[-1]}"
            raise InvalidEvent(f"progression{len(level)}", level[-1], words, "REST v2, Progression", "wrong_type")
        level = Progression(Status(status), level).levels  # a wrong level refuses the call
        self._close(level)  # before what may still be refused: the attempt is over all the same
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


def abandon(area: ProgressionArea) -> None:
    """Fail the open attempt, if there is one: the player leaves the game."""
    area._abandon()


class Attempt:
    """One attempt at a level, to be used in a `with` statement.

    Attributes:
        score: Sent with Complete or Fail; a whole number. A wrong one is left out, and said.
    """

    def __init__(self, area: ProgressionArea, level: tuple[str, ...] | None, fields: Fields | None = None) -> None:
        self._area = area
        self._diagnostics = area._diagnostics
        self._level = level
        self._fields = fields
        self._number = 0  # the area's, while this is the open attempt
        self._is_over = level is None  # the call that made it was wrong
        self.score: int | None = None

    __setattr__ = attributes.only("score")

    def __enter__(self) -> Attempt:
        if self._level is not None:
            before = self._area._open.number
            self._area.start(*self._level, fields=self._fields)
            self._number = self._area._open.number
            self._is_over = self._number == before  # refused, and said
        return self

    @guard
    def fail(self, *, score: int | None = None, fields: Fields | None = None) -> None:
        """The attempt failed; leaving the block adds nothing then. Arguments as for `ProgressionArea.complete`."""
        if self._ends():
            self._area.fail(score=self.score if score is None else score, fields=fields)

    @guard
    def complete(self, *, score: int | None = None, fields: Fields | None = None) -> None:
        """The level is done; leaving the block adds nothing then. Arguments as for `ProgressionArea.complete`."""
        if self._ends():
            self._area.complete(score=self.score if score is None else score, fields=fields)

    def _ends(self) -> bool:
        """Whether it ends now: once, and only while no other call has ended it or started another attempt."""
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
        return self._area._open.level is not None  # else the player has left the game, which failed it

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.complete()
        else:  # of any kind: the player left the level, be it by Ctrl-C, a cancelled task or a closed generator
            self.fail()
