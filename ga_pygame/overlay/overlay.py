"""The overlay: opened and closed by a key, drawn over the game's picture when the game shows it. Game thread.

The game's picture is the same before and after each flip: what the panel covers is kept, and put back. What hits the
panel does not reach the game; everything else does, and `get_pressed()` never changes. If our code fails, the overlay
is closed for the rest of the launch, and the game goes on.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable
from typing import Any

import pygame

from ga_pygame.clock import Clock
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.overlay.panel import Look, OverlayPanel
from ga_pygame.overlay.sight import Sight
from ga_pygame.overlay.sliders import Sliders

REFRESH_SECONDS = 0.2
"""Time between two looks at the facts; frame times are drawn as often."""
KEPT_FRAMES = 240
"""Frames in the graph at most."""

_ROWS = {pygame.K_UP: -1, pygame.K_DOWN: 1}
_STEPS = {pygame.K_LEFT: -1, pygame.K_RIGHT: 1}
_OWN_KEYS = frozenset({*_ROWS, *_STEPS, pygame.K_c})
"""The keys that are the overlay's while the key that opens it is held."""
_NO_WINDOW = (
    "the overlay needs the window of pygame.display.set_mode(); a pygame.Window or a Renderer shows its picture by a "
    "call that cannot be watched. The collector's page shows the same events"
)
_OPENGL = (
    "the overlay cannot draw into an OPENGL window, which shows nothing that pygame draws. The collector's page shows "
    "the same events"
)
_NO_FONT = "the overlay needs pygame.font, which this pygame does not have. The collector's page shows the same events"


class Overlay:
    """The overlay (see the module); `around` is the hook's guest.

    Args:
        sight: Reads what is shown.
        set_config: Sets a remote config. Arguments: its key and its text.
        clock: The tracker's clock.
        diagnostics: Told once if it cannot be drawn, or if our code fails.
        key: The name of the key that opens and closes it, as pygame names it.

    Attributes:
        is_open: Whether it is drawn.
    """

    def __init__(
        self,
        sight: Sight,
        set_config: Callable[[str, str], None],
        *,
        clock: Clock,
        diagnostics: Diagnostics,
        key: str,
    ) -> None:
        self._sight = sight
        self._sliders = Sliders(sight, set_config)
        self._clock = clock
        self._diagnostics = diagnostics
        self._key_name = key
        self._key: int | None = None
        self.is_open = False
        self._has_failed = False
        self._is_held = False  # the key
        self._is_chord = False  # another key was pressed while it was held
        self._keys: set[int] = set()  # pressed while it was held: their release is not the game's either
        self._buttons: set[int] = set()  # pressed on the panel
        self._panel: OverlayPanel | None = None
        self._picture: pygame.Surface | None = None
        self._covered: tuple[pygame.Surface, pygame.Surface, pygame.Rect] | None = None
        self._left: pygame.Rect | None = None  # still on the screen after it was closed
        self._next_look = 0.0
        self._last_frame: float | None = None
        self._frames: deque[float] = deque(maxlen=KEPT_FRAMES)

    # --- what the hook calls in the place of pygame's functions --------------------------------------------

    def around(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function for the place of one of pygame's; see `hook.Guest`."""
        if name == "get":
            return self._around_get(original)
        if name in ("poll", "wait"):
            return self._around_one(original)
        return self._around_shown(name, original) if name in ("flip", "update") else original

    def _around_get(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def get(*args: Any, **named: Any) -> Any:
            events = original(*args, **named)
            if type(events) is list and events:
                taken = [event for event in events if self.takes(event)]
                if taken:
                    events[:] = [event for event in events if not any(event is one for one in taken)]
            return events

        return get

    def _around_one(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def one(*args: Any, **named: Any) -> Any:
            while True:
                event = original(*args, **named)
                if not self.takes(event):
                    return event

        return one

    def _around_shown(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        is_partial = name == "update"

        @functools.wraps(original)
        def shown(*args: Any, **named: Any) -> Any:
            if not self.is_open and self._left is None:
                return original(*args, **named)
            area = self._cover()
            try:
                result = original(*args, **named)
                if is_partial and area is not None and (args or named):
                    original(area)  # the game shows only what it has changed
                return result
            finally:
                self._uncover()

        return shown

    # --- drawing ----------------------------------------------------------------------------------------

    def _cover(self) -> pygame.Rect | None:
        """Draw the panel over the game's picture; return the part of the window that is to be shown anew."""
        left, self._left = self._left, None
        if not self.is_open:
            return left
        try:
            return self._drawn()
        except Exception as error:  # noqa: BLE001 - our defect must not end the game
            self._fail(error)
            return left

    def _drawn(self) -> pygame.Rect | None:
        screen, why = _screen()
        if screen is None or why:
            self.is_open = False
            self._diagnostics.warn_once("overlay", why)
            return None
        now = self._clock.monotonic()
        if self._last_frame is not None:
            self._frames.append(now - self._last_frame)
        self._last_frame = now
        if screen.get_locked():
            return None  # the game writes its pixels now: not in this frame
        panel = self._panel
        if panel is None or panel.area.topright != (screen.get_width(), 0) or panel.area.height != screen.get_height():
            panel = self._panel = OverlayPanel(screen.get_size())
            self._next_look = now
        if now >= self._next_look or self._picture is None:
            self._next_look = now + REFRESH_SECONDS
            look = Look(tuple(self._frames), self._sliders.chosen, self._sliders.scrolled, self._key_name)
            self._picture = panel.draw(self._sight.look(), look)
            self._sliders.places = panel.places
        covered = screen.subsurface(panel.area).copy()
        covered.set_alpha(None)
        covered.set_colorkey(None)
        self._covered = (screen, covered, panel.area)
        clip = screen.get_clip()
        screen.set_clip(None)
        screen.blit(self._picture, panel.area)
        screen.set_clip(clip)
        return panel.area

    def _uncover(self) -> None:
        """Put back what the panel covers."""
        covered, self._covered = self._covered, None
        if covered is None:
            return
        try:
            screen, picture, area = covered
            clip = screen.get_clip()
            screen.set_clip(None)
            screen.blit(picture, area)
            screen.set_clip(clip)
        except Exception as error:  # noqa: BLE001 - our defect must not end the game
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.is_open, self._has_failed, self._covered = False, True, None
        self._diagnostics.defect("the overlay", error)

    # --- keys and mouse ---------------------------------------------------------------------------------

    def takes(self, event: Any) -> bool:
        """Take an event that is the overlay's; return whether it was. Any object may come, and it never raises."""
        try:
            kind = event.type
            if self._has_failed or kind not in _INPUT:
                return False
            return self._takes_key(event) if kind in _KEYS else self.is_open and self._takes_mouse(event)
        except Exception as error:  # noqa: BLE001 - our defect must not end the game
            self._fail(error)
            return False

    def _takes_key(self, event: pygame.event.Event) -> bool:
        if event.type == pygame.TEXTINPUT:
            return self._is_held and self.is_open
        if self._key is None:
            self._key = self._key_code()
        is_down = event.type == pygame.KEYDOWN
        if event.key == self._key:
            if is_down:
                if not self._is_held:
                    self._is_held, self._is_chord = True, False
            elif self._is_held:
                self._is_held = False
                if not self._is_chord:
                    self.toggle()
            return True
        if not is_down:
            was_ours = event.key in self._keys
            self._keys.discard(event.key)
            return was_ours
        if not (self._is_held and self.is_open) or event.key not in _OWN_KEYS:
            return False
        self._is_chord = True
        self._keys.add(event.key)
        self._next_look = 0.0
        if event.key == pygame.K_c:
            self._sliders.copy()
        elif event.key in _ROWS:
            self._sliders.choose(_ROWS[event.key])
        else:
            self._sliders.step(_STEPS[event.key])
        return True

    def _key_code(self) -> int:
        try:
            return pygame.key.key_code(self._key_name)
        except (ValueError, pygame.error):
            words = f"overlay_key: pygame knows no key {self._key_name!r}; F9 opens the overlay"
            self._diagnostics.warn_once("overlay key", words)
            self._key_name = "f9"
            return pygame.K_F9

    def toggle(self) -> None:
        """Open or close it; say once why, if it cannot be opened."""
        self._buttons.clear()
        self._sliders.let_go()
        if self.is_open:
            self.is_open = False
            self._left = self._panel.area if self._panel is not None else None
            return
        _, why = _screen()
        if why:
            self._diagnostics.warn_once("overlay", why)
            return
        self.is_open, self._left, self._last_frame, self._picture = True, None, None, None

    def _takes_mouse(self, event: pygame.event.Event) -> bool:
        kind, area = event.type, self._panel.area if self._panel is not None else pygame.Rect(0, 0, 0, 0)
        if kind == pygame.MOUSEBUTTONDOWN and area.collidepoint(event.pos):
            self._buttons.add(event.button)
            if event.button == 1:
                self._sliders.press(event.pos[0] - area.x, event.pos[1] - area.y)
        elif kind == pygame.MOUSEBUTTONUP and event.button in self._buttons:
            self._buttons.discard(event.button)
            self._sliders.let_go()
        elif kind == pygame.MOUSEMOTION and self._buttons:
            self._sliders.drag(event.pos[0] - area.x)
        elif kind == pygame.MOUSEWHEEL and area.collidepoint(pygame.mouse.get_pos()):
            self._sliders.scroll(-event.y)
        else:
            return False
        self._next_look = 0.0
        return True


def _screen() -> tuple[pygame.Surface | None, str]:
    """Return the window's surface, and why it cannot be drawn on; "" if it can."""
    screen = pygame.display.get_surface() if pygame.display.get_init() else None
    if screen is None:
        return None, _NO_WINDOW
    if screen.get_flags() & pygame.OPENGL:
        return screen, _OPENGL
    if not hasattr(pygame, "font") or not hasattr(pygame.font, "Font"):
        return screen, _NO_FONT
    return screen, ""


_KEYS = frozenset({pygame.KEYDOWN, pygame.KEYUP, pygame.TEXTINPUT})
_INPUT = _KEYS | {pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP, pygame.MOUSEMOTION, pygame.MOUSEWHEEL}
