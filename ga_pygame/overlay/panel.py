"""Draws the overlay's panel into a picture of its own. Game thread."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import pygame

from ga_pygame.overlay.sight import ConfigLine, EventLine, OverlayFacts

MIN_WIDTH, MAX_WIDTH = 236, 440
"""The panel's width in pixels; a narrower window is covered."""
MIN_HEIGHT_OF_TEXT, MAX_HEIGHT_OF_TEXT = 12, 18
LONG_FRAME_SECONDS = 0.05
"""The height of the graph: a frame of this length reaches its top."""

_PANEL_COLOUR, _PLAIN_COLOUR, _DIM_COLOUR = (16, 18, 26, 225), (236, 238, 244), (164, 172, 190)
_BAD_COLOUR, _CHOSEN_COLOUR, _TRACK_COLOUR, _BAR_COLOUR = (
    (255, 128, 118),
    (255, 214, 102),
    (70, 78, 102),
    (126, 200, 255),
)
_SHARE_OF_CONFIGS = 0.3
_LINES_OF_REASON = 3


class ConfigPlace(NamedTuple):
    """Where a remote config can be changed, in pixels of the panel.

    Attributes:
        row: Its row.
        track: Its slider; as wide as the row if it has none.
        name: Its key; "" for the button that copies.
    """

    row: pygame.Rect
    track: pygame.Rect
    name: str


class Look(NamedTuple):
    """What the panel looks like beside the facts.

    Attributes:
        frames: Seconds of the last frames, the newest last.
        chosen: The key of the remote config that the keyboard changes; "" if there is none.
        scrolled: Rows of remote configs that are scrolled away.
        key: The name of the key that closes it.
    """

    frames: Sequence[float]
    chosen: str
    scrolled: int
    key: str


class Texts:
    """Renders texts and keeps their pictures, so that the font is needed only for new ones.

    The game's font module is as before afterwards: a game that has none, or that quits it, notices nothing.

    Args:
        height: Of a line, in pixels.
    """

    def __init__(self, height: int) -> None:
        self.height = height
        self._pictures: dict[tuple[str, tuple[int, ...], int], pygame.Surface] = {}

    def picture(self, text: str, colour: tuple[int, ...], width: int) -> pygame.Surface:
        """Return the picture of a text; what is wider than `width` pixels is cut."""
        key = (text, colour, width)
        found = self._pictures.pop(key, None)
        if found is None:
            found = self._rendered(text, colour, width)
        self._pictures[key] = found  # the last one is the newest
        while len(self._pictures) > _MAX_PICTURES:
            del self._pictures[next(iter(self._pictures))]
        return found

    def _rendered(self, text: str, colour: tuple[int, ...], width: int) -> pygame.Surface:
        had_font = pygame.font.get_init()
        pygame.font.init()
        try:
            font = pygame.font.Font(None, self.height + 2)
            if font.size(text)[0] > width:
                end = len(text)
                while end and font.size(f"{text[:end]}…")[0] > width:
                    end -= max(1, end // 16)
                text = f"{text[:end]}…"
            return font.render(text, True, colour)
        finally:
            if not had_font:
                pygame.font.quit()


_MAX_PICTURES = 400


class OverlayPanel:
    """The panel for a window of one size.

    Args:
        size: The window's, in pixels.

    Attributes:
        area: Where it is in the window.
        places: Where remote configs can be changed, as drawn last.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        width = min(size[0], max(MIN_WIDTH, min(MAX_WIDTH, size[0] * 2 // 5)))
        self.area = pygame.Rect(size[0] - width, 0, width, size[1])
        self.places: list[ConfigPlace] = []
        height = max(MIN_HEIGHT_OF_TEXT, min(MAX_HEIGHT_OF_TEXT, size[1] // 40))
        self._texts = Texts(height)
        self._picture = pygame.Surface(self.area.size, pygame.SRCALPHA, 32)
        self._y = 0

    def draw(self, shown: OverlayFacts, look: Look) -> pygame.Surface:
        """Draw everything and return the picture, which the next call changes."""
        self._picture.fill(_PANEL_COLOUR)
        self._y = 3
        self.places = []
        self._frames(look)
        for fact in shown.facts:
            self._row(fact, _PLAIN_COLOUR)
        for trouble in shown.troubles:
            self._row(trouble, _BAD_COLOUR)
        self._configs(shown.configs, look)
        self._events(shown.events)
        return self._picture

    @property
    def _room(self) -> int:
        return self.area.height - self._y

    def _row(self, text: str, colour: tuple[int, ...], left: int = 0) -> None:
        if self._room >= self._texts.height:
            self._blit(text, colour, 5 + left, self.area.width - 10 - left)
            self._y += self._texts.height + 1

    def _blit(self, text: str, colour: tuple[int, ...], x: int, width: int) -> pygame.Surface:
        picture = self._texts.picture(text, colour, width)
        self._picture.blit(picture, (x, self._y))
        return picture

    def _frames(self, look: Look) -> None:
        """Draw the frame rate and a bar for each of the last frames."""
        gaps = look.frames
        number, total = 0, 0.0
        for gap in reversed(gaps):
            if number and total + gap > 1.0:
                break
            number, total = number + 1, total + gap
        rate = number / total if total else 0.0
        longest = f", longest {max(gaps) * 1000:.0f} ms" if gaps else ""
        self._row(f"ga_pygame · {look.key.upper()} closes · {rate:.0f} fps{longest}", _CHOSEN_COLOUR)
        height = 2 * self._texts.height
        if self._room < 10 * height:
            return
        base = self._y + height
        pygame.draw.line(self._picture, _TRACK_COLOUR, (5, base), (self.area.width - 5, base))
        for at, gap in enumerate(reversed(gaps)):
            x = self.area.width - 6 - 2 * at
            if x < 5:
                break
            tall = max(1, int(min(1.0, gap / LONG_FRAME_SECONDS) * height))
            pygame.draw.line(
                self._picture, _BAD_COLOUR if gap > LONG_FRAME_SECONDS else _BAR_COLOUR, (x, base - tall), (x, base - 1)
            )
        self._y = base + 4

    def _configs(self, configs: Sequence[ConfigLine], look: Look) -> None:
        if not configs:
            return
        height = self._texts.height + 3
        fitting = max(1, int(self.area.height * _SHARE_OF_CONFIGS) // height - 1)
        first = min(look.scrolled, max(0, len(configs) - fitting))
        more = (
            f" ({first + 1} to {min(first + fitting, len(configs))} of {len(configs)})"
            if len(configs) > fitting
            else ""
        )
        for one in configs[first : first + fitting]:
            self._config(one, one.name == look.chosen, height)
        row = pygame.Rect(0, self._y, self.area.width, height)
        self.places.append(ConfigPlace(row, row, ""))
        self._row(f"[copy as JSON]{more}", _DIM_COLOUR)
        self._y += 2

    def _config(self, one: ConfigLine, is_chosen: bool, height: int) -> None:
        if self._room < height:
            return
        row = pygame.Rect(0, self._y, self.area.width, height)
        third = self.area.width // 3
        colour = _CHOSEN_COLOUR if is_chosen else _PLAIN_COLOUR
        self._blit(one.name, colour, 5, third - 8)
        text, value = as_text(one.value), one.value
        track = row
        if one.least is not None and one.most is not None and not isinstance(value, str):
            track = pygame.Rect(third, self._y + height // 2 - 2, third, 4)
            pygame.draw.rect(self._picture, _TRACK_COLOUR, track, border_radius=2)
            span = one.most - one.least
            share = min(1.0, max(0.0, (value - one.least) / span)) if span > 0 else 0.0
            pygame.draw.circle(self._picture, colour, (track.x + round(share * track.width), track.centery), 4)
            self._blit(text, colour, 2 * third + 8, third - 12)
        else:
            self._blit(text, colour, third, 2 * third - 6)
        self.places.append(ConfigPlace(row, track, one.name))
        self._y += height

    def _events(self, events: Sequence[EventLine]) -> None:
        for one in events:
            if self._room < self._texts.height:
                return
            self._row(f"{one.clock} {one.text}", _BAD_COLOUR if one.why else _DIM_COLOUR)
            for part in textwrap.wrap(one.why, 2 * self.area.width // self._texts.height)[:_LINES_OF_REASON]:
                self._row(part, _BAD_COLOUR, left=12)


def as_text(value: bool | float | str) -> str:
    """Return a value as the text of a remote config."""
    if type(value) is bool:
        return "true" if value else "false"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
