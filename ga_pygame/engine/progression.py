"""Attempts at levels: which one is open, and the Fail that the documentation asks for when it is left.

Source: GameAnalytics REST v2, Progression. A Start while an attempt is open (of the same level too) first
adds Fail for that one, and so does leaving the game.
"""

from __future__ import annotations

from types import TracebackType

from ga_pygame.diagnostics import Diagnostics, guard
from ga_pygame.events import Fields, Post, Progression, Status


class ProgressionArea:
    """`tracker.progression`. A level has one to three parts, outermost first: `"forest", "level_1"`.

    Game thread only.
    """

    def __init__(self, post: Post, diagnostics: Diagnostics) -> None:
        self._post = post
        self._diagnostics = diagnostics
        self._open: tuple[str, ...] | None = None

    @property
    def current(self) -> tuple[str, ...] | None:
        """The parts of the level whose attempt is open."""
        return self._open

    @guard
    def start(self, *level: str, fields: Fields | None = None) -> None:
        """An attempt begins; one that is still open failed."""
        event = Progression(Status.START, level)
        self.abandon()
        self._post(event, fields)
        self._open = level

    @guard
    def complete(self, *level: str, score: int | None = None, fields: Fields | None = None) -> None:
        """The level is done; `attempt_num` says at which attempt, and counting starts anew."""
        self._end(Progression(Status.COMPLETE, level, score), fields)

    @guard
    def fail(self, *level: str, score: int | None = None, fields: Fields | None = None) -> None:
        """The attempt failed; `attempt_num` says the how-many-eth it was."""
        self._end(Progression(Status.FAIL, level, score), fields)

    def attempt(self, *level: str) -> Attempt:
        """An attempt as a `with` block: Complete when it is left, Fail when it is left by an exception."""
        return Attempt(self, level)

    def abandon(self) -> None:
        """Fail the open attempt, if there is one."""
        if self._open is not None:
            level, self._open = self._open, None
            self._post(Progression(Status.FAIL, level), None)

    def _end(self, event: Progression, fields: Fields | None) -> None:
        self._post(event, fields)
        if self._open == event.levels:
            self._open = None


class Attempt:
    """One attempt at a level, to be used in a `with` statement.

    Attributes:
        score: Sent with Complete or Fail; a whole number.
    """

    def __init__(self, area: ProgressionArea, level: tuple[str, ...]) -> None:
        self._area = area
        self._level = level
        self._is_over = False
        self.score: int | None = None

    def __enter__(self) -> Attempt:
        self._area.start(*self._level)
        return self

    def fail(self, *, fields: Fields | None = None) -> None:
        """The attempt failed; leaving the block adds nothing then."""
        if not self._is_over:
            self._is_over = True
            self._area.fail(*self._level, score=self.score, fields=fields)

    def complete(self, *, fields: Fields | None = None) -> None:
        """The level is done; leaving the block adds nothing then."""
        if not self._is_over:
            self._is_over = True
            self._area.complete(*self._level, score=self.score, fields=fields)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.complete()
        else:
            self.fail()
