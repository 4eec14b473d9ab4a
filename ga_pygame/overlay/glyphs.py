"""Draws text without keeping a font: a letter is rendered once, and `pygame.font` is left as the game has it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pygame

from ga_pygame.lettering import wrapped

Colour = tuple[int, int, int]

MAX_LETTERS = 2000
"""Letters that are kept; another one is shown as `UNKNOWN_LETTER`."""
MAX_RUNS = 600
"""Pictures of texts that are kept; if there are more, all are made anew."""
UNKNOWN_LETTER = "?"
_ELLIPSIS = "…"
_FIRST = "".join(map(chr, range(32, 127))) + f"·µ{_ELLIPSIS}"


class _Letter(NamedTuple):
    picture: pygame.Surface
    advance: int


def has_font() -> bool:
    """Return whether this pygame has its font module; a distribution may leave it out."""
    return hasattr(getattr(pygame, "font", None), "Font")


def font_file() -> bytes:
    """Read the font that comes with pygame; called when a tracker starts, since later calls must not read files."""
    return Path(pygame.__file__).with_name(pygame.font.get_default_font()).read_bytes()


class Glyphs:
    """Text of one size. Game thread only.

    Args:
        file: The font, see `font_file`.
        height: The font's height in pixels.

    Attributes:
        line: The height of a line in pixels.
    """

    def __init__(self, file: bytes, height: int) -> None:
        self._file = file
        self._height = height
        self._letters: dict[str, _Letter] = {}
        self._runs: dict[tuple[str, Colour, int], pygame.Surface] = {}
        self._lines: dict[tuple[str, int], Sequence[str]] = {}
        self.line = height
        self._learn(_FIRST)

    def size(self, text: str) -> tuple[int, int]:
        """Return the width and height of a text in pixels."""
        self._learn(text)
        return sum(self._letter(one).advance for one in text), self.line

    def picture(self, text: str, colour: Colour, width: int) -> pygame.Surface:
        """Return a picture of a text, at most so many pixels wide, with transparent ground. Do not draw on it."""
        found = self._runs.get((text, colour, width))
        if found is None:
            if len(self._runs) >= MAX_RUNS:
                self._runs.clear()
            found = self._runs[text, colour, width] = self._drawn(self._fitting(text, width), colour)
        return found

    def lines(self, text: str, width: int) -> Sequence[str]:
        """Break a text into lines of at most so many pixels."""
        found = self._lines.get((text, width))
        if found is None:
            if len(self._lines) >= MAX_RUNS:
                self._lines.clear()
            found = self._lines[text, width] = wrapped(self, text, width)
        return found

    def _fitting(self, text: str, width: int) -> str:
        """Cut a text, with an ellipsis, so that it is at most so many pixels wide."""
        if self.size(text)[0] <= width:
            return text
        left = width - self._letter(_ELLIPSIS).advance
        for place, one in enumerate(text):
            left -= self._letter(one).advance
            if left < 0:
                return text[:place] + _ELLIPSIS
        return text

    def _drawn(self, text: str, colour: Colour) -> pygame.Surface:
        width, height = self.size(text)
        made = pygame.Surface((max(1, width), height), pygame.SRCALPHA, 32)
        x = 0
        for one in text:
            letter = self._letter(one)
            made.blit(letter.picture, (x, 0))
            x += letter.advance
        made.fill((*colour, 255), special_flags=pygame.BLEND_RGBA_MULT)
        return made

    def _letter(self, one: str) -> _Letter:
        return self._letters.get(one) or self._letters[UNKNOWN_LETTER]

    def _learn(self, text: Iterable[str]) -> None:
        """Render the letters that are not known yet."""
        new = [one for one in dict.fromkeys(text) if one not in self._letters]
        if not new or len(self._letters) + len(new) > MAX_LETTERS:
            return
        had_font = pygame.font.get_init()
        pygame.font.init()
        try:
            font = pygame.font.Font(io.BytesIO(self._file), self._height)
            self.line = font.get_linesize()
            known = [one for one in new if one.isprintable()]  # the font module ends a text at NUL
            for one, metrics in zip(known, font.metrics("".join(known)), strict=True):
                if metrics is not None:
                    self._letters[one] = _Letter(font.render(one, True, (255, 255, 255)), metrics[4])
            del font
        finally:
            if not had_font:
                pygame.font.quit()
        for one in new:
            self._letters.setdefault(one, self._letters[UNKNOWN_LETTER])
