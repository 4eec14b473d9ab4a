"""Lays a picture over the game's window for one flip and lifts it: the game's pixels are the same bytes afterwards.

It writes bytes instead of blitting, so it needs neither clip nor colour key of the game's surface, and works while the
game has locked it.
"""

from __future__ import annotations

from typing import NamedTuple

import pygame


class PanelBytes(NamedTuple):
    """A drawn panel in the format of the window.

    Attributes:
        area: Where it lies.
        rows: The bytes of each row.
    """

    area: pygame.Rect
    rows: list[bytes]


def bytes_of(surface: pygame.Surface, place: tuple[int, int]) -> PanelBytes:
    """Return the bytes of a surface that has the window's format."""
    width = surface.get_width() * surface.get_bytesize()
    pitch, whole = surface.get_pitch(), surface.get_buffer().raw
    rows = [whole[start : start + width] for start in range(0, pitch * surface.get_height(), pitch)]
    return PanelBytes(surface.get_rect(topleft=place), rows)


class Cover:
    """A picture that lies on the window's surface. Game thread only."""

    def __init__(self) -> None:
        self._lies_on: pygame.Surface | None = None
        self._place = pygame.Rect(0, 0, 0, 0)
        self._hidden: list[bytes] = []

    def lay(self, screen: pygame.Surface, picture: PanelBytes) -> None:
        """Write the picture, keep what it hides. The picture must lie within the surface, and have its format."""
        step, pitch = screen.get_bytesize(), screen.get_pitch()
        begin, width = picture.area.x * step, picture.area.width * step
        starts = range(picture.area.y * pitch + begin, picture.area.bottom * pitch + begin, pitch)
        proxy = screen.get_buffer()
        with memoryview(proxy) as pixels:  # type: ignore[arg-type]  # it has the buffer protocol
            self._hidden = [bytes(pixels[start : start + width]) for start in starts]
            self._lies_on, self._place = screen, picture.area
            for start, row in zip(starts, picture.rows, strict=True):
                pixels[start : start + width] = row

    def lift(self) -> None:
        """Write back what the picture hides; do nothing if none lies there."""
        screen, self._lies_on = self._lies_on, None
        if screen is None:
            return
        step, pitch = screen.get_bytesize(), screen.get_pitch()
        begin, width = self._place.x * step, self._place.width * step
        hidden, self._hidden = self._hidden, []
        proxy = screen.get_buffer()
        with memoryview(proxy) as pixels:  # type: ignore[arg-type]  # see `lay`
            for number, row in enumerate(hidden, self._place.y):
                start = number * pitch + begin
                pixels[start : start + width] = row
