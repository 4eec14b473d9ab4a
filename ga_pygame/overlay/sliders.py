"""Changes remote configs of the running game by mouse and keyboard. Game thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pygame

from ga_pygame.overlay.panel import ConfigPlace, as_text
from ga_pygame.overlay.sight import ConfigLine, Sight

_STEP = 0.05
"""The part of a slider's range that one press of an arrow key is."""


class Sliders:
    """The chosen remote config, and what changes it.

    Args:
        sight: Reads the remote configs.
        set_config: Sets one. Arguments: its key and its text.

    Attributes:
        places: Where the panel has them.
        chosen: The key of the chosen one; "" if there is none.
        scrolled: Rows that are scrolled away.
    """

    def __init__(self, sight: Sight, set_config: Callable[[str, str], None]) -> None:
        self._sight = sight
        self._set_config = set_config
        self._dragged: ConfigPlace | None = None
        self.places: Sequence[ConfigPlace] = ()
        self.chosen = ""
        self.scrolled = 0

    def press(self, x: int, y: int) -> None:
        """Take a click at a place of the panel: choose a config, switch a bool, begin to drag a slider."""
        place = next((one for one in self.places if one.row.collidepoint(x, y)), None)
        if place is None:
            return
        if not place.name:
            self.copy()
            return
        self.chosen = place.name
        line = self._line()
        if line is not None and type(line.value) is bool:
            self._set(line, not line.value)
        elif line is not None and line.least is not None:
            self._dragged = place
            self.drag(x)

    def drag(self, x: int) -> None:
        """Set the dragged slider, if there is one, to a place of the panel."""
        place, line = self._dragged, self._line()
        if place is not None and line is not None and line.least is not None and line.most is not None:
            share = min(1.0, max(0.0, (x - place.track.x) / max(1, place.track.width)))
            self._set(line, line.least + share * (line.most - line.least))

    def let_go(self) -> None:
        """End the dragging."""
        self._dragged = None

    def choose(self, by: int) -> None:
        """Choose the config so many rows below the chosen one, or the first one."""
        names = [one.name for one in self._sight.configs()]
        if names:
            at = (names.index(self.chosen) + by) % len(names) if self.chosen in names else 0
            self.chosen = names[at]
            self.scrolled = max(0, at - 2)

    def step(self, by: int) -> None:
        """Change the chosen config by so many steps."""
        line = self._line()
        if line is None:
            return
        if type(line.value) is bool:
            self._set(line, by > 0)
        elif line.least is not None and line.most is not None and not isinstance(line.value, str):
            width = (line.most - line.least) * _STEP
            width = max(1, round(width)) if type(line.value) is int else width
            self._set(line, min(line.most, max(line.least, line.value + by * width)))

    def scroll(self, rows: int) -> None:
        """Scroll the configs."""
        self.scrolled = max(0, min(len(self._sight.configs()) - 1, self.scrolled + rows))

    def copy(self) -> None:
        """Put the remote configs into the clipboard as JSON; without a clipboard, print them."""
        text = self._sight.as_json()
        try:
            pygame.scrap.put_text(text)
        except (AttributeError, NotImplementedError, pygame.error):
            print(text, flush=True)  # noqa: T201 - the developer asked for it

    def _line(self) -> ConfigLine | None:
        return next((one for one in self._sight.configs() if one.name == self.chosen), None)

    def _set(self, line: ConfigLine, value: float) -> None:
        """Set a config to a value of the type that it has."""
        if type(line.value) is bool:
            text = "true" if value else "false"
        else:
            text = str(round(value)) if type(line.value) is int else as_text(float(value))
        self._set_config(line.name, text)
