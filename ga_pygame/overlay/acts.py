"""What the developer does with the overlay: which events it takes from the game, and what they change. Game thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pygame

from ga_pygame.diagnostics import Diagnostics, say
from ga_pygame.overlay.dials import Dial, DialKind, Dials
from ga_pygame.overlay.panel import Act, Hit
from ga_pygame.remote_configs import MAX_VALUE_LENGTH

F9 = "f9"
"""The key if the knob names none that pygame knows."""
SECONDS_BETWEEN_SETTINGS = 0.05
"""The shortest time between two values of a slider that is dragged."""
_KEYS = frozenset({pygame.KEYDOWN, pygame.KEYUP, pygame.TEXTINPUT, pygame.TEXTEDITING})
_MOUSE = frozenset({pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP, pygame.MOUSEMOTION, pygame.MOUSEWHEEL})
TAKEN_TYPES = _KEYS | _MOUSE
"""Types of events that an open overlay may take."""
OPENING_TYPES = frozenset({pygame.KEYDOWN})
"""Those that a closed one may take."""
_PIXELS_OF_WHEEL = 30
_ENTER = frozenset({pygame.K_RETURN, pygame.K_KP_ENTER})


class Acts:
    """The developer's keys and clicks (see the module).

    Args:
        dials: The remote configs.
        diagnostics: Told of a key that pygame does not know.
        key_name: The key that opens and closes the overlay.
        toggle: Opens or closes it.

    Attributes:
        is_open: Whether the overlay is open.
        taken: Keys and buttons whose press was taken: their release is taken, too, also after the overlay closed.
        area: Where the panel lies in the window.
        hits: What can be clicked on it.
        shown: The remote configs that it shows.
        is_left: Whether the panel lies at the left side.
        scroll: By how many pixels it is scrolled.
        chosen: The key of the remote config that the keyboard sets.
        editing: The text that is typed; `None` if none is.
        said: A message for the first line.
        has_changed: Whether the panel is to be drawn anew.
    """

    def __init__(self, dials: Dials, diagnostics: Diagnostics, key_name: str, toggle: Callable[[], None]) -> None:
        self._dials = dials
        self._diagnostics = diagnostics
        self.key_name = key_name
        self._key: int | None = None
        self._toggle = toggle
        self._is_held = self._is_chord = False  # the opening key; whether another one was pressed meanwhile
        self.taken: set[tuple[int, Any]] = set()
        self._dragged: tuple[Dial, pygame.Rect] | None = None
        self._wanted: tuple[str, str] | None = None
        self._next_setting = 0.0
        self.is_open = False
        self.area = pygame.Rect(0, 0, 0, 0)
        self.hits: Sequence[Hit] = ()
        self.shown: Sequence[Dial] = ()
        self.is_left = False
        self.scroll = 0
        self.chosen = ""
        self.editing: str | None = None
        self.said = ""
        self.has_changed = False

    def close(self) -> None:
        """Forget what is typed and dragged; the release of keys and buttons is still taken."""
        self._dragged = self._wanted = self.editing = None
        self.said = ""
        self.is_open = False

    def settle(self, now: float) -> None:
        """Set the value of a slider that is dragged, if that is due."""
        if self._wanted is not None and now >= self._next_setting:
            self._next_setting = now + SECONDS_BETWEEN_SETTINGS
            wanted, self._wanted = self._wanted, None
            self._dials.set(*wanted)

    def takes(self, event: Any) -> bool:
        """Use an event, if it is for the overlay; return whether the game must not get it."""
        kind = event.type
        if kind in _KEYS:
            taken = self._takes_key(kind, event)
        elif kind in _MOUSE:
            taken = self._takes_mouse(kind, event)
        else:
            return False
        self.has_changed |= taken
        return taken

    # --- keyboard ---------------------------------------------------------------------------------------

    def _takes_key(self, kind: int, event: Any) -> bool:
        key = getattr(event, "key", None)  # a game may post events of its own, without all attributes
        if kind == pygame.KEYDOWN:
            taken = self._press(key, event)
            if taken:
                self.taken.add((pygame.KEYUP, key))
            return taken
        if kind == pygame.KEYUP:
            taken = self._takes_release(kind, key)
            if taken and key == self._opening_key():
                self._is_held = False
                if not self._is_chord:
                    self._toggle()
            return taken
        return self.is_open and (self.editing is not None or self._is_held)

    def _takes_release(self, kind: int, code: Any) -> bool:
        """Return whether the press was taken; one from before the overlay opened is the game's."""
        taken = (kind, code) in self.taken
        self.taken.discard((kind, code))
        return taken

    def _press(self, key: Any, event: Any) -> bool:
        if key == self._opening_key():
            self._is_chord &= self._is_held  # else it repeats while it is held
            self._is_held = True
            return True
        if not self.is_open:
            return False
        if self.editing is not None:
            self._type(key, str(getattr(event, "unicode", "")))
            return True
        is_command = self._is_held and self._command(key)
        self._is_chord |= is_command
        return is_command

    def _opening_key(self) -> int:
        if self._key is None:
            try:
                self._key = pygame.key.key_code(self.key_name)
            except ValueError:
                words = f"overlay_key: pygame knows no key {self.key_name!r}; F9 opens the overlay"
                self._diagnostics.warn_once("overlay key", words)
                self.key_name, self._key = F9, pygame.K_F9
        return self._key

    def _command(self, key: int) -> bool:
        """Do what a key means while the opening key is held; return whether it means anything."""
        if key == pygame.K_c:
            self.copy()
        elif key in (pygame.K_UP, pygame.K_DOWN):
            self._choose(1 if key == pygame.K_DOWN else -1)
        elif key in (pygame.K_PAGEUP, pygame.K_PAGEDOWN):
            self.scroll += self.area.height // 2 * (1 if key == pygame.K_PAGEDOWN else -1)
        elif (dial := self._chosen_dial()) is None:
            return False
        elif key in (pygame.K_LEFT, pygame.K_RIGHT):
            if dial.kind is not DialKind.TEXT:
                self._dials.set(dial.key, dial.stepped(1 if key == pygame.K_RIGHT else -1))
        elif key in _ENTER:
            self.editing = dial.text
        elif key in (pygame.K_DELETE, pygame.K_BACKSPACE):
            self._dials.set(dial.key, None)
        else:
            return False
        return True

    def _choose(self, by: int) -> None:
        keys = [one.key for one in self.shown]
        if keys:
            place = keys.index(self.chosen) + by if self.chosen in keys else 0 if by > 0 else -1
            self.chosen = keys[place % len(keys)]

    def _chosen_dial(self) -> Dial | None:
        return next((one for one in self.shown if one.key == self.chosen), None)

    def _type(self, key: Any, typed: str) -> None:
        text = self.editing or ""
        if key in _ENTER:
            self._dials.set(self.chosen, text)
            self.editing = None
        elif key == pygame.K_ESCAPE:
            self.editing = None
        elif key == pygame.K_BACKSPACE:
            self.editing = text[:-1]
        elif typed.isprintable():
            self.editing = (text + typed)[:MAX_VALUE_LENGTH]

    # --- mouse ------------------------------------------------------------------------------------------

    def _takes_mouse(self, kind: int, event: Any) -> bool:
        button, pos = getattr(event, "button", None), getattr(event, "pos", None)
        if kind == pygame.MOUSEBUTTONUP:
            if button == 1:
                self._dragged, self._next_setting = None, 0.0
            return self._takes_release(kind, button)
        if not self.is_open:
            return False
        if kind == pygame.MOUSEWHEEL:
            pos = pygame.mouse.get_pos()
        is_over = pos is not None and self.area.collidepoint(pos)
        if kind == pygame.MOUSEMOTION:
            self.has_changed |= is_over and not pygame.mouse.get_visible()  # the panel shows a pointer of its own
            return self._drag(pos) if pos is not None else False
        if kind == pygame.MOUSEWHEEL:
            self.scroll -= getattr(event, "y", 0) * _PIXELS_OF_WHEEL if is_over else 0
        elif is_over and pos is not None:
            self.taken.add((pygame.MOUSEBUTTONUP, button))
            if button == 1:
                self._click(pos)
        return is_over

    def _click(self, pos: tuple[int, int]) -> None:
        self.editing = None
        place = pos[0] - self.area.x, pos[1] - self.area.y
        hit = next((one for one in self.hits if one.area.collidepoint(place)), None)
        if hit is not None:
            self.said = ""
            self.chosen = hit.act.key or self.chosen
            self._do(hit)
            if self._dragged is not None:
                self._drag(pos)

    def _do(self, hit: Hit) -> None:
        act: Act = hit.act
        dial = next((one for one in self.shown if one.key == act.key), None)
        if act.what == "close":
            self._toggle()
        elif act.what == "side":
            self.is_left = not self.is_left
        elif act.what == "copy":
            self.copy()
        elif dial is None:
            return
        elif act.what == "drag":
            self._dragged = dial, hit.area
        elif act.what == "switch":
            self._dials.set(dial.key, dial.stepped(1))
        elif act.what == "edit":
            self.editing = dial.text
        elif act.what == "reset":
            self._dials.set(dial.key, None)

    def _drag(self, pos: tuple[int, int]) -> bool:
        if self._dragged is None:
            return False
        dial, track = self._dragged
        self._wanted = dial.key, dial.at((pos[0] - self.area.x - track.x) / max(1, track.width - 1))
        return True

    def copy(self) -> None:
        """Copy all values as JSON to the clipboard; print them if there is none."""
        text = self._dials.as_json()
        try:
            pygame.scrap.put_text(text)
        except (AttributeError, pygame.error, NotImplementedError):  # no video driver with a clipboard
            say(f"remote configs: {text}")
            self.said = "no clipboard: see the log"
        else:
            self.said = "copied"
