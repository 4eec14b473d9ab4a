"""The overlay of a game in development: a panel that a key opens over the game's picture. Game thread.

It stands before pygame's functions as the hook's guest. While it is closed it only looks for its key. While it is open,
it lies on the window's surface during the flip alone, so the game finds its own pixels there, before and afterwards.
If our code fails, the overlay closes for the rest of the launch, and the game goes on.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Any

import pygame

from ga_pygame.clock import Clock
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.overlay.acts import OPENING_TYPES, TAKEN_TYPES, Acts
from ga_pygame.overlay.cover import Cover, PanelBytes, bytes_of
from ga_pygame.overlay.glyphs import Glyphs, font_file, has_font
from ga_pygame.overlay.panel import MAX_SHOWN_EVENTS, Look, OverlayPanel, panel_width, text_height
from ga_pygame.overlay.sight import Sources, look_at
from ga_pygame.window_kind import is_of_opengl

SECONDS_BETWEEN_PICTURES = 0.1
"""Time between two drawings of the panel, if the developer does nothing with it."""
SECONDS_WITHOUT_FRAME = 0.25
"""If the game shows no frame for longer, the overlay shows the panel itself, when the game reads its events."""
KEPT_FRAMES = 600
"""Frame times for the graph."""
_LONGEST_FRAME = 1.0
"""A longer time is no frame: the game was not shown, or the overlay was closed."""

CANNOT_DRAW = (
    "the overlay cannot be drawn: it needs pygame.font, and the window of pygame.display.set_mode() without OPENGL: "
    "what other windows show passes no function that can be wrapped. The collector's page shows the same events"
)


class Overlay:
    """The overlay: see the module.

    Args:
        sources: What it shows.
        clock: The time.
        diagnostics: Told if our code fails, or the window cannot be drawn on.
        key_name: The key that opens and closes it.
    """

    def __init__(self, sources: Sources, *, clock: Clock, diagnostics: Diagnostics, key_name: str) -> None:
        self._sources = sources
        self._monotonic = clock.monotonic
        self._diagnostics = diagnostics
        self._acts = Acts(sources.dials, diagnostics, key_name, self.toggle)
        self._font = font_file() if has_font() else None
        self._has_failed = False
        self._glyphs: tuple[int, Glyphs] | None = None
        self._cover = Cover()
        self._drawing = Lock()
        self._picture: tuple[pygame.Surface, tuple[int, int], PanelBytes] | None = None
        self._next_picture = 0.0
        self._frames: deque[float] = deque(maxlen=KEPT_FRAMES)
        self._last_frame: float | None = None
        self._last_alone = 0.0
        self._update: Callable[..., Any] = pygame.display.update
        self._stale: pygame.Rect | None = None  # where a closed or moved panel is still seen

    @property
    def is_open(self) -> bool:
        """Whether the panel is shown."""
        return self._acts.is_open

    def toggle(self) -> None:
        """Open the panel, or close it."""
        if self._acts.is_open:
            self._stale, self._picture = self._acts.area.copy(), None
            self._acts.close()
        elif self._font is None or _screen() is None or is_of_opengl(self._update):
            self._diagnostics.warn_once("overlay", CANNOT_DRAW)
        else:
            self._acts.is_open = True
            self._last_frame, self._next_picture, self._last_alone = None, 0.0, self._monotonic()

    # --- guest of the hook ------------------------------------------------------------------------------

    def around(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function to call in the place of one of pygame's; see `hook.Guest`."""
        if name == "update":
            self._update = original
        wraps = {
            "get": self._around_get,
            "poll": self._around_poll,
            "wait": self._around_wait,
            "flip": self._around_shown,
            "update": self._around_shown,
        }
        return functools.wraps(original)(wraps[name](original)) if name in wraps else original

    def _around_get(self, original: Callable[..., Any]) -> Callable[..., Any]:
        acts = self._acts

        def get(*args: Any, **named: Any) -> Any:
            events = original(*args, **named)
            if type(events) is list:  # else another library's wrapper answered
                types = TAKEN_TYPES if acts.is_open or acts.taken else OPENING_TYPES
                for event in events:
                    if event.type in types:
                        events[:] = [one for one in events if not self._takes(one)]
                        break
                if acts.is_open or self._stale is not None:
                    self._show_alone()
            return events

        return get

    def _around_poll(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def poll(*args: Any, **named: Any) -> Any:
            event = original(*args, **named)
            while self._takes(event):
                event = original(*args, **named)
            if self._acts.is_open or self._stale is not None:
                self._show_alone()
            return event

        return poll

    def _around_wait(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def wait(*args: Any, **named: Any) -> Any:
            event = original(*args, **named)
            if not self._takes(event):
                return event
            self._show_alone(at_once=True)
            return pygame.event.Event(pygame.NOEVENT)  # so that a game which draws after each event draws now

        return wait

    def _takes(self, event: Any) -> bool:
        """Return whether an event is the overlay's. Never raises."""
        if self._has_failed:
            return False
        try:
            return self._acts.takes(event)
        except Exception as error:  # noqa: BLE001 - our defect must not end the game
            self._fail(error)
            return False

    def _around_shown(self, original: Callable[..., Any]) -> Callable[..., Any]:
        acts = self._acts

        def shown(*args: Any, **named: Any) -> Any:
            if not acts.is_open and self._stale is None:
                return original(*args, **named)
            # Not free if another thread shows the panel alone, or if a receiver of `remote_configs_updated` draws.
            if not self._drawing.acquire(blocking=False):
                return original(*args, **named)
            self._count_frame()
            stale = self._lay()
            try:
                result = original(*args, **named)
                if args or named:  # the game shows only the parts that it changed
                    self._show_parts(original, stale)
            finally:
                self._lift()
                self._drawing.release()
            return result

        return shown

    # --- drawing ----------------------------------------------------------------------------------------

    def _lay(self) -> pygame.Rect | None:
        """Lay the panel on the window's surface; return what is to be shown anew beside it. Never raises."""
        stale = self._take_stale()
        if self._acts.is_open:
            try:
                self._lay_picture(self._monotonic())
            except Exception as error:  # noqa: BLE001 - our defect must not end the game
                self._fail(error)
        return self._take_stale() or stale

    def _take_stale(self) -> pygame.Rect | None:
        stale, self._stale = self._stale, None
        return stale

    def _lay_picture(self, now: float) -> None:
        self._acts.settle(now)
        screen, known = _screen(), self._picture
        is_new = known is not None and screen is not None and known[:2] != (screen, screen.get_size())
        if screen is None or (is_new and is_of_opengl(self._update)):
            self._acts.close()
            self._diagnostics.warn_once("overlay", CANNOT_DRAW)
            return
        if known is None or is_new or self._acts.has_changed or now >= self._next_picture:
            self._next_picture = now + SECONDS_BETWEEN_PICTURES
            known = self._picture = screen, screen.get_size(), self._drawn(screen)
        self._cover.lay(screen, known[2])

    def _lift(self) -> None:
        """Give the game its pixels back. Never raises."""
        try:
            self._cover.lift()
        except Exception as error:  # noqa: BLE001 - our defect must not end the game
            self._fail(error)

    def _show_parts(self, update: Callable[..., Any], stale: pygame.Rect | None) -> None:
        """Show the panel, and where it was before. Never raises."""
        try:
            if self._acts.is_open and self._picture is not None:
                update(self._picture[2].area)
            if stale is not None:
                update(stale)
        except Exception as error:  # noqa: BLE001 - our defect must not end the game
            self._fail(error)

    def _show_alone(self, *, at_once: bool = False) -> None:
        """Show the panel although the game shows no frame: it waits, or draws only if something changes."""
        now = self._monotonic()
        if not at_once and now - max(self._last_frame or now, self._last_alone) < SECONDS_WITHOUT_FRAME:
            return
        if self._drawing.acquire(blocking=False):
            self._last_alone = now
            stale = self._lay()
            try:
                self._show_parts(self._update, stale)
            finally:
                self._lift()
                self._drawing.release()

    def _count_frame(self) -> None:
        now = self._monotonic()
        last, self._last_frame = self._last_frame, now
        if last is not None and 0 < now - last < _LONGEST_FRAME:
            self._frames.append(now - last)

    def _drawn(self, screen: pygame.Surface) -> PanelBytes:
        """Draw the panel for this window."""
        acts, size = self._acts, screen.get_size()
        acts.has_changed = False
        height = text_height(size)
        if self._glyphs is None or self._glyphs[0] != height:
            self._glyphs = height, Glyphs(self._font or b"", height)
        width = panel_width(size)
        area = pygame.Rect(0 if acts.is_left else size[0] - width, 0, width, size[1])
        if acts.area != area:
            self._stale, acts.area = acts.area, area
        surface = pygame.Surface(area.size, 0, screen)
        sight = look_at(self._sources, MAX_SHOWN_EVENTS)
        panel = OverlayPanel(surface, self._glyphs[1], self._look())
        panel.draw(sight)
        if acts.scroll != (most := min(max(0, acts.scroll), max(0, panel.height - size[1]))):
            acts.scroll = most
            panel = OverlayPanel(surface, self._glyphs[1], self._look())
            panel.draw(sight)
        acts.hits, acts.shown = panel.hits, sight.dials
        return bytes_of(surface, area.topleft)

    def _look(self) -> Look:
        acts, pointer = self._acts, None
        if not pygame.mouse.get_visible():
            x, y = pygame.mouse.get_pos()
            pointer = (x - acts.area.x, y - acts.area.y) if acts.area.collidepoint(x, y) else None
        name = acts.key_name.upper() if len(acts.key_name) < 4 else acts.key_name
        return Look(name, tuple(self._frames), acts.scroll, acts.chosen, acts.editing, pointer, acts.said)

    def _fail(self, error: Exception) -> None:
        """Close for the rest of the launch, and say why once."""
        self._has_failed = True
        self._acts.close()
        self._diagnostics.defect("the overlay, which closes", error)


def _screen() -> pygame.Surface | None:
    """Return the surface of the game's window; `None` if it has none, or one with a palette."""
    screen = pygame.display.get_surface() if pygame.display.get_init() else None
    return None if screen is None or screen.get_bytesize() < 2 else screen
