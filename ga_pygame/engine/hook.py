"""Wraps pygame's functions, as the only module: event.get, poll and wait, display.flip and update, pygame.quit.

On Windows also event.pump, peek and clear: such a call lasts as long as the player drags the window.

The original is always called with the same arguments and its result is returned unchanged; an event is observed,
never removed, except by a guest: the overlay of a game in development takes what hits it. If our code fails, that is
reported and does not reach the game.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import pygame

from ga_pygame.clock import Clock
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.engine.focus import WATCH_SECONDS, Focus
from ga_pygame.engine.frames import Frames
from ga_pygame.engine.session import Session
from ga_pygame.traces import pass_on


def _types(*names: str) -> frozenset[int]:
    """Return event types by their names; old versions of classic pygame do not have all of them."""
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
    """The calls that a hook makes when it sees a call of the game. Game thread."""

    def tick(self) -> None:
        """Called inside the game's calls of pygame, a few times each frame."""
        ...

    def frame_shown(self) -> None:
        """Called when a frame was shown."""
        ...

    def on_quit_event(self) -> None:
        """Called when the player asks to quit; the game may still say no."""
        ...

    def on_pygame_quit(self) -> None:
        """Called by `pygame.quit()`."""
        ...

    def look_after(self) -> None:
        """Called four times a second."""
        ...


Guest = Callable[[str, Callable[..., Any]], Callable[..., Any]]
"""Makes a function that is called in the place of one of pygame's. Arguments: its name in its module, and it."""

_IDLE = "_ga_pygame_idle"
"""Attribute of a wrapper that was removed while another one wraps it: the function that it wrapped."""


class Hook:
    """Watches the game's loop. Game thread only.

    Args:
        session: Told of focus.
        focus: Reads the focus state from pygame.
        clock: Gives the times of events and frames.
        diagnostics: Told if our code fails.
        loop: Called as its methods say.
        frames: Told of each call.
        flips: Called with the time of each frame that is shown.

    Attributes:
        seen: Whether a call of the game was seen.
        guest: Puts a function of its own in the place of each original: the overlay, which takes its keys and draws;
            `None` if there is none. Set before `install`.
    """

    def __init__(
        self,
        session: Session,
        focus: Focus,
        *,
        clock: Clock,
        diagnostics: Diagnostics,
        loop: Loop,
        frames: Frames,
        flips: Sequence[Callable[[float], None]] = (),
    ) -> None:
        self._session = session
        self._focus = focus
        self._clock = clock
        self._diagnostics = diagnostics
        self._loop = loop
        self._tick = loop.tick
        self._frames = frames
        self._flips = flips
        self._next_read = 0.0
        self._wrapped: list[tuple[Any, str, Any, Any]] = []
        self._is_installed = False
        self._quit_registered = False
        self.seen = False
        self.guest: Guest | None = None
        if not getattr(pygame, "IS_CE", False):
            diagnostics.warn_once("pygame", CLASSIC)

    def install(self) -> None:
        """Wrap pygame's functions."""
        self._is_installed = True
        is_windows = sys.platform == "win32"
        self._wrap(pygame.event, "get", self._seen_all, may_be_held=is_windows)
        self._wrap(pygame.event, "poll", self._seen_one, may_be_held=is_windows)
        self._wrap(pygame.event, "wait", self._seen_one, waits=True)
        for name in ("pump", "peek", "clear") if is_windows else ():
            self._wrap(pygame.event, name, lambda _result: None, may_be_held=True)
        self._wrap(pygame.display, "flip", self._seen_frame)
        self._wrap(pygame.display, "update", self._seen_frame)
        self._register_quit()

    def remove(self) -> None:
        """Restore pygame's functions. If another library has wrapped ours, ours stays and only passes on."""
        self._is_installed = False
        for module, name, original, wrapper in self._wrapped:
            if getattr(module, name) is wrapper:
                while (beneath := getattr(original, _IDLE, None)) is not None:
                    original = beneath  # noqa: PLW2901 - a hook of ours that was removed while this one wrapped it
                setattr(module, name, original)
            else:
                setattr(wrapper, _IDLE, original)
        self._wrapped = []

    def process(self, event: pygame.event.Event) -> None:
        """Observe one event. A game may pass any object; one that is not an event is ignored."""
        try:
            kind = event.type
        except Exception as failure:  # noqa: BLE001 - not an event
            pass_on(failure)
            return
        if type(kind) is int and kind in _WATCHED:
            self._observe(kind)

    def frame(self, now: float) -> None:
        """Read the focus state and call `look_after()` if they are due: four times a second."""
        self.seen = True
        self._frames.call(now)
        if now >= self._next_read:
            self._next_read = now + WATCH_SECONDS
            self._focus.read(now)
            self._loop.look_after()
            if self._is_installed and not self._quit_registered and pygame.display.get_init():
                self._register_quit()
                self._session.start(now)  # the game initialised pygame again after pygame.quit()

    # --- wrapping ---------------------------------------------------------------------------------------

    def _wrap(
        self,
        module: Any,
        name: str,
        seen: Callable[[Any], None],
        *,
        waits: bool = False,
        may_be_held: bool = False,
    ) -> None:
        original = getattr(module, name)
        called = original if self.guest is None else self.guest(name, original)
        frames, monotonic = self._frames, self._clock.monotonic

        @functools.wraps(original)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if waits:
                frames.is_waiting = True
            if may_be_held:
                frames.in_call_since = monotonic()
                try:
                    result = called(*args, **kwargs)
                finally:
                    frames.returned(monotonic())
            else:
                result = called(*args, **kwargs)
            if self._is_installed:
                try:
                    seen(result)
                except RecursionError:  # no room on the stack, not even to report it
                    pass
                except Exception as error:  # noqa: BLE001 - our defect must not end the game
                    self._diagnostics.defect(f"pygame.{name}", error)
            return result

        setattr(module, name, wrapper)
        vars(wrapper).pop(_IDLE, None)  # `functools.wraps` copies it from the original
        self._wrapped.append((module, name, original, wrapper))

    def _seen_all(self, events: Iterable[pygame.event.Event]) -> None:
        if type(events) is list:  # else another library's wrapper answered: reading its generator would consume events
            for event in events:
                self.process(event)
        self._tick()

    def _seen_one(self, event: pygame.event.Event) -> None:
        self.process(event)
        self._tick()

    def _seen_frame(self, _nothing: object) -> None:
        for flip in self._flips:
            flip(self._clock.monotonic())
        self._tick()
        self._loop.frame_shown()

    def _observe(self, kind: int) -> None:
        now = self._clock.monotonic()
        if kind in _LEAVING:
            self._loop.on_quit_event()
            return
        self._focus.read(now)
        if not self._focus.armed:  # the driver does not report focus: only the event tells of it
            if kind in _LOST:
                self._session.blur(now)
            else:
                self._session.focus(now)

    def _register_quit(self) -> None:
        # pygame calls a registered function at the next pygame.quit() only, then forgets it
        pygame.register_quit(self._quit)
        self._quit_registered = True

    def _quit(self) -> None:
        self._quit_registered = False
        if self._is_installed:
            try:
                self._loop.on_pygame_quit()
            except Exception as error:  # noqa: BLE001 - our defect must not end the game
                self._diagnostics.defect("pygame.quit", error)
