"""What stands in the place of `Running` in a tracker that does not run: not started yet, off, or in a forked child."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ga_pygame import active, advice
from ga_pygame.areas.progression import abandon
from ga_pygame.diagnostics import Drop

if TYPE_CHECKING:
    from ga_pygame.parts import Core, Said


class NotRunning:
    """See the module. Its methods are those of `Running`; most have nothing to do.

    Args:
        core: What the tracker has.
        said: What the game says.

    Attributes:
        phase: Of the session.
        delivery: There is none.
    """

    phase = "closed"
    delivery = None

    def __init__(self, core: Core, said: Said) -> None:
        self._core = core
        self._said = said
        self._pid = os.getpid()

    def process(self, event: Any) -> None:
        """Nobody looks at events."""

    def frame(self, now: float) -> None:
        """Nothing is due."""

    def keep_dimension(self, number: int, value: str | None) -> None:
        """It is kept when the tracker starts."""

    def granted(self) -> None:
        """A yes before the start takes back a no before the start."""
        if self._core.recorder.closed is Drop.NO_CONSENT:
            self._core.recorder.closed = None

    def denied(self) -> None:
        """It is kept when the tracker starts."""

    def on_crash(self, error: BaseException, ends_game: bool) -> None:
        """Count what the game did not catch."""
        if isinstance(error, Exception):
            self._said.errors.crash(error)
        if ends_game:
            abandon(self._said.progression)

    def say_if_forgotten(self) -> None:
        """Say if the tracker was given events and never started: they are lost."""
        core = self._core
        is_its = os.getpid() == self._pid and core.recorder.closed is None  # in a forked child the parent holds them
        if not is_its or not (lost := core.recorder.forget()):
            return
        core.diagnostics.explained.add(Drop.NOT_RUNNING)
        core.diagnostics.drop(Drop.NOT_RUNNING, lost)
        if core.config.enabled and not active.is_helper_process():
            core.diagnostics.warn_once("never started", advice.NEVER_STARTED.format(lost))

    def end(self) -> None:
        """There is no session to end."""

    def stop_delivery(self) -> None:
        """There is nothing to send."""

    def let_go(self) -> None:
        """Nothing is shared with a parent."""

    def why_unsent(self) -> str:
        """Why a flush sends nothing."""
        return advice.DENIED if self._core.recorder.closed is Drop.NO_CONSENT else advice.NOT_RUNNING
