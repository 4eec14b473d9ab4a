"""The player's consent to being recorded, for games that ask for it."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from ga_pygame import attributes
from ga_pygame.diagnostics import Diagnostics, guarded, request

if TYPE_CHECKING:
    import pygame

    from ga_pygame.areas.consent_screen import ConsentWords


class ConsentState(str, Enum):
    """The player's answer to the question for consent."""

    UNKNOWN = "unknown"
    GRANTED = "granted"
    DENIED = "denied"


class ConsentAnswer:
    """The player's answer, of this launch or an earlier one; shared by `Consent` and the running tracker.

    Attributes:
        state: The answer; with `consent="not_needed"` it is granted from the beginning.
        is_new: Whether the game has called `grant()` or `deny()` in this launch.
        is_given: Whether the player gave it, in this launch or an earlier one.
    """

    def __init__(self, *, is_required: bool) -> None:
        self.state = ConsentState.UNKNOWN if is_required else ConsentState.GRANTED
        self.is_new = self.is_given = False

    def take_kept(self, state: ConsentState) -> None:
        """Take the answer that an earlier launch kept, unless the player has answered in this one."""
        if state is not ConsentState.UNKNOWN and not self.is_new:
            self.state = state
            self.is_given = True


class Consent:
    """The player's consent: `tracker.consent`. Game thread only.

    With `consent="ask"` nothing is written or sent before `grant()`; events until then stay in memory, and
    `grant()` opens the data folder (otherwise `start()` does). The answer is kept across launches. `deny()` deletes
    everything that was not sent. `start()` keeps an answer from before it; after `close()`, only `deny()` is kept.

    Args:
        answer: Holds the player's answer.
        changed: Called with each new answer.
        diagnostics: Reports wrong calls.
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
        """The player's answer so far."""
        return self._answer.state

    @request
    def grant(self) -> None:
        """Note that the player agrees: record from now on, and store the events that this launch holds in memory."""
        self._set(ConsentState.GRANTED)

    @request
    def deny(self) -> None:
        """Note that the player does not agree: delete unsent events, record nothing in this and later launches."""
        self._set(ConsentState.DENIED)

    @guarded("not asked", lambda consent, *_, **__: consent.state)
    def ask(self, screen: pygame.Surface, words: ConsentWords | None = None, *, again: bool = False) -> ConsentState:
        """Ask the player with a ready-made screen, and return the answer; the call takes as long as they think.

        It returns at once if the player has answered before, or need not be asked. If they close the window instead of
        answering, the state stays unknown, and the game gets the event.

        Args:
            screen: The surface that `pygame.display.set_mode()` returned. An OPENGL window shows nothing of it.
            words: The texts; default: English ones.
            again: Ask also if there is an answer, e.g. from the game's settings.
        """
        if self.state is not ConsentState.UNKNOWN and not again:
            return self.state
        from ga_pygame.areas.consent_screen import ask_on  # noqa: PLC0415 - imports pygame; only a game that asks draws

        answer = ask_on(screen, words)
        if answer is not None:
            self._set(ConsentState.GRANTED if answer else ConsentState.DENIED)
        return self.state

    def _set(self, state: ConsentState) -> None:
        self._answer.is_new = self._answer.is_given = True
        if state is not self._answer.state:
            self._answer.state = state
            self._changed(state)
