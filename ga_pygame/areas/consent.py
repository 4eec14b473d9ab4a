"""The player's word on being recorded, where the game asks for it."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from ga_pygame import attributes
from ga_pygame.diagnostics import Diagnostics, request


class ConsentState(str, Enum):
    """What the player said."""

    UNKNOWN = "unknown"
    GRANTED = "granted"
    DENIED = "denied"


class ConsentAnswer:
    """What the player answered, in an earlier launch or in this one; what `Consent` and the running tracker look at.

    Attributes:
        state: The answer.
        is_new: The player has spoken in this launch.
    """

    def __init__(self, *, is_required: bool) -> None:
        self.state = ConsentState.UNKNOWN if is_required else ConsentState.GRANTED
        self.is_new = False

    def take_kept(self, state: ConsentState) -> None:
        """Take what an earlier launch kept, unless the player has spoken in this one."""
        if state is not ConsentState.UNKNOWN and not self.is_new:
            self.state = state


class Consent:
    """`tracker.consent`. Game thread only; `grant()` opens the data folder, as `start()` does otherwise.

    With `consent_required=True` nothing is written or sent before `grant()`; what happens until then is
    kept in memory. The answer is kept across launches. `deny()` deletes what was not sent.

    Args:
        answer: Takes the player's word.
        changed: Called with the new state.
        diagnostics: Takes what is wrong with a call.
    """

    def __init__(
        self, answer: ConsentAnswer, changed: Callable[[ConsentState], None], diagnostics: Diagnostics
    ) -> None:
        self._answer = answer
        self._changed = changed
        self._diagnostics = diagnostics

    __setattr__ = attributes.only()

    @property
    def state(self) -> ConsentState:
        """What the player said."""
        return self._answer.state

    @request
    def grant(self) -> None:
        """The player agrees: record from now on, with what happened in this launch."""
        self._set(ConsentState.GRANTED)

    @request
    def deny(self) -> None:
        """The player does not agree: forget what was not sent, record nothing, also in later launches."""
        self._set(ConsentState.DENIED)

    def _set(self, state: ConsentState) -> None:
        self._answer.is_new = True
        if state is not self._answer.state:
            self._answer.state = state
            self._changed(state)
