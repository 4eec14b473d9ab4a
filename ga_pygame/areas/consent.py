"""The player's word on being recorded, where the game asks for it."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from ga_pygame import attributes
from ga_pygame.diagnostics import Diagnostics, request

CONSENT_KEY = "consent"


class ConsentState(str, Enum):
    """What the player said."""

    UNKNOWN = "unknown"
    GRANTED = "granted"
    DENIED = "denied"


class Consent:
    """`tracker.consent`. Game thread only; `grant()` opens the data folder, as `start()` does otherwise.

    With `consent_required=True` nothing is written or sent before `grant()`; what happens until then is
    kept in memory. The answer is kept across launches. `deny()` deletes what was not sent.

    Args:
        state: As it was kept, or granted where consent is not asked for.
        changed: Called with the new state.
        diagnostics: Takes what is wrong with a call.
    """

    def __init__(self, state: ConsentState, changed: Callable[[ConsentState], None], diagnostics: Diagnostics) -> None:
        self._state = state
        self._changed = changed
        self._diagnostics = diagnostics
        self._said = False

    __setattr__ = attributes.only()

    @property
    def state(self) -> ConsentState:
        """What the player said."""
        return self._state

    def load(self, state: ConsentState) -> None:
        """Take what was kept, unless the player has spoken in this launch."""
        if state is not ConsentState.UNKNOWN and not self._said:
            self._state = state

    @request
    def grant(self) -> None:
        """The player agrees: record from now on, with what happened in this launch."""
        self._set(ConsentState.GRANTED)

    @request
    def deny(self) -> None:
        """The player does not agree: forget what was not sent, record nothing, also in later launches."""
        self._set(ConsentState.DENIED)

    @property
    def said(self) -> bool:
        """Whether the player has spoken in this launch."""
        return self._said

    def _set(self, state: ConsentState) -> None:
        self._said = True
        if state is not self._state:
            self._state = state
            self._changed(state)
