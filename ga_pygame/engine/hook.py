"""The only place that wraps pygame: event.get, poll and wait, display.flip and update, pygame.quit.

The original is always called with the same arguments and its result is returned unchanged; an event is
observed, never taken. What of ours fails is reported and does not reach the game.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import pygame

from ga_pygame.clock import Clock
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.engine.focus import WATCH_SECONDS, Focus
from ga_pygame.engine.health import HealthSampler
from ga_pygame.engine.session import Session
from ga_pygame.traces import pass_on


def _types(*names: str) -> frozenset[int]:
    """Event types by name; an old, classic pygame has not all of them."""
    return frozenset(getattr(pygame, name) for name in names if hasattr(pygame, name))


_LOST = _types("WINDOWFOCUSLOST", "WINDOWMINIMIZED", "APP_WILLENTERBACKGROUND")
_GAINED = _types("WINDOWFOCUSGAINED", "WINDOWRESTORED", "APP_DIDENTERFOREGROUND")
_LEAVING = _types("QUIT", "WINDOWCLOSE", "APP_TERMINATING")
_WATCHED = _LOST | _GAINED | _LEAVING

NO_CALLS = (
    "no call of pygame.event.get() or pygame.display.flip() was seen in 10 s (were they imported by name?); "
    "sessions are right all the same, but signals need one line in your loop: tracker.tick()"
)
CLASSIC = (
    "the pygame that was imported is not pygame-ce, for which ga_pygame is made and tested; it goes on. If both are "
    "installed, each has overwritten files of the other: pip uninstall -y pygame pygame-ce && pip install pygame-ce"
)


class Loop(Protocol):
    """What follows from what the hook sees."""

    def tick(self) -> None:
        """Called in the game's own calls, a few times each frame."""
        ...

    def frame_shown(self) -> None:
        """Called when a frame was shown."""
        ...

    def flush(self) -> None:
        """Called when the player asks to quit; the game may still say no."""
        ...

    def leave(self) -> None:
        """Called by `pygame.quit()`."""
        ...

    def look_after(self) -> None:
        """Called four times a second."""
        ...


_IDLE = "_ga_pygame_idle"
"""On a wrapper of a hook that is removed and lies under another: what it wrapped."""


class Hook:
    """Watches the game's loop.

    Args:
        session: Told of focus.
        focus: Reads pygame's state.
        clock: For the times of what is seen.
        diagnostics: Told of failures of ours.
        loop: Called as its methods say.
        health: Told of each frame, if anybody wants to know.
    """

    def __init__(
        self,
        session: Session,
        focus: Focus,
        *,
        clock: Clock,
        diagnostics: Diagnostics,
        loop: Loop,
        health: HealthSampler | None = None,
    ) -> None:
        self._session = session
        self._focus = focus
        self._clock = clock
        self._diagnostics = diagnostics
        self._loop = loop
        self._tick = loop.tick
        self._health = health
        self._next_read = 0.0
        self._wrapped: list[tuple[Any, str, Any, Any]] = []
        self._is_installed = False
        self._quit_registered = False
        self.seen = False
        if not getattr(pygame, "IS_CE", False):
            diagnostics.warn_once("pygame", CLASSIC)

    def install(self) -> None:
        """Wrap pygame's functions."""
        self._is_installed = True
        self._wrap(pygame.event, "get", self._seen_all)
        self._wrap(pygame.event, "poll", self._seen_one)
        self._wrap(pygame.event, "wait", self._seen_one)
        self._wrap(pygame.display, "flip", self._seen_frame)
        self._wrap(pygame.display, "update", self._seen_frame)
        self._register_quit()

    def remove(self) -> None:
        """Put pygame's functions back, except where somebody wrapped them after us."""
        self._is_installed = False
        for module, name, original, wrapper in self._wrapped:
            if getattr(module, name) is wrapper:
                while (beneath := getattr(original, _IDLE, None)) is not None:
                    original = beneath  # noqa: PLW2901 - a hook of ours that was removed while this one lay over it
                setattr(module, name, original)
            else:
                setattr(wrapper, _IDLE, original)
        self._wrapped = []

    def process(self, event: pygame.event.Event) -> None:
        """Observe one event; a game may pass what is none."""
        try:
            kind = event.type
        except Exception as failure:  # noqa: BLE001 - it is none
            pass_on(failure)
            return
        if type(kind) is int and kind in _WATCHED:
            self._observe(kind)

    def frame(self, now: float) -> None:
        """Look after what is due: the focus state four times a second."""
        self.seen = True
        if now >= self._next_read:
            self._next_read = now + WATCH_SECONDS
            self._focus.read(now)
            self._loop.look_after()
            if self._is_installed and not self._quit_registered and pygame.display.get_init():
                self._register_quit()
                self._session.start(now)  # the game went on after pygame.quit()

    # --- wrapping ---------------------------------------------------------------------------------------

    def _wrap(self, module: Any, name: str, seen: Callable[[Any], None]) -> None:
        original = getattr(module, name)

        @functools.wraps(original)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            if self._is_installed:
                try:
                    seen(result)
                except RecursionError:  # no room on the stack, not even to report it
                    pass
                except Exception as error:  # noqa: BLE001 - the game is sacred
                    self._diagnostics.defect(f"pygame.{name}", error)
            return result

        setattr(module, name, wrapper)
        vars(wrapper).pop(_IDLE, None)  # `wraps` copies the original's
        self._wrapped.append((module, name, original, wrapper))

    def _seen_all(self, events: Iterable[pygame.event.Event]) -> None:
        if type(events) is list:  # else another wrapper answered; of a generator we would take the game's events
            for event in events:
                self.process(event)
        self._tick()

    def _seen_one(self, event: pygame.event.Event) -> None:
        self.process(event)
        self._tick()

    def _seen_frame(self, _nothing: object) -> None:
        if self._health is not None:
            self._health.frame(self._clock.monotonic())
        self._tick()
        self._loop.frame_shown()

    def _observe(self, kind: int) -> None:
        now = self._clock.monotonic()
        if kind in _LEAVING:
            self._loop.flush()
            return
        self._focus.read(now)
        if not self._focus.armed:  # a driver without focus: the event is all there is
            if kind in _LOST:
                self._session.blur(now)
            else:
                self._session.focus(now)

    def _register_quit(self) -> None:
        # pygame calls a registered function at one pygame.quit() only, and forgets it then
        pygame.register_quit(self._quit)
        self._quit_registered = True

    def _quit(self) -> None:
        self._quit_registered = False
        if self._is_installed:
            try:
                self._loop.leave()
            except Exception as error:  # noqa: BLE001 - the game is sacred
                self._diagnostics.defect("pygame.quit", error)
