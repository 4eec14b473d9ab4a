"""Replaces `Running` in a tracker that does not run.

These are: a tracker that is not started, is off or has no destination, or is in a helper process (see
`active.is_helper_process`) or a forked child.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ga_pygame import active, advice, rules
from ga_pygame.areas.progression import abandon
from ga_pygame.diagnostics import Drop

if TYPE_CHECKING:
    from ga_pygame.areas.privacy import Ids
    from ga_pygame.parts import Core, Said


class NotRunning:
    """The stand-in for `Running`, with the same methods. Most do nothing. Game thread only.

    Args:
        core: The tracker's parts.
        said: What the game has told the tracker beside events.

    Attributes:
        phase: The session's phase.
        delivery: Always `None`.
        services: Always empty.
    """

    phase = "closed"
    delivery = None
    services: Sequence[str] = ()

    def __init__(self, core: Core, said: Said) -> None:
        self._core = core
        self._said = said
        self._pid = os.getpid()

    def process(self, event: Any) -> None:
        """Do nothing: there is no session that an event could change."""

    def frame(self, now: float) -> None:
        """Do nothing: nothing is due."""

    def keep_dimension(self, number: int, value: str | None) -> None:
        """Do nothing: the value is kept when the tracker starts."""

    def set_fact(self, _name: str, _value: object) -> None:
        """Put the facts on later events; what is to be kept is kept when the tracker starts."""
        self._core.recorder.change(facts=self._said.facts.said or None)

    def granted(self) -> None:
        """Record again, if a no before the start had closed the recorder."""
        if self._core.recorder.closed is Drop.NO_CONSENT:
            self._core.recorder.closed = None

    def denied(self) -> None:
        """Take the facts from events; the answer is kept when the tracker starts."""
        self._core.recorder.change(facts=self._said.facts.said or None)

    def forget(self) -> Ids:
        """Delete nothing, with a message: the data are open only between `start()` and the end."""
        self._core.diagnostics.warn_once("forget", advice.FORGET_NOT_STARTED)
        return {}

    def on_crash(self, error: BaseException, kind: str) -> None:
        """Record an uncaught exception; fail the open attempt if it ends the game."""
        if isinstance(error, Exception):
            self._said.errors.crash(error, kind)
        if kind == rules.MAIN:
            abandon(self._said.progression)

    def say_if_forgotten(self) -> None:
        """Report the events that are lost because the tracker was never started."""
        core = self._core
        is_its = os.getpid() == self._pid and core.recorder.closed is None  # in a forked child: the parent has them
        if not is_its or not (lost := core.recorder.forget()):
            return
        core.diagnostics.explained.add(Drop.NOT_RUNNING)
        core.diagnostics.drop(Drop.NOT_RUNNING, lost)
        if core.config.enabled and not active.is_helper_process():
            core.diagnostics.warn_once("never started", advice.NEVER_STARTED.format(lost))

    def end(self) -> None:
        """Do nothing: there is no session to end."""

    def stop_delivery(self) -> None:
        """Do nothing: there is nothing to send."""

    def let_go(self) -> None:
        """Do nothing: nothing is shared with a parent."""

    def why_unsent(self) -> str:
        """Return the message that says why a flush sends nothing."""
        return advice.DENIED if self._core.recorder.closed is Drop.NO_CONSENT else advice.NOT_RUNNING
