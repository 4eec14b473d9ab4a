"""Drawing tools: smooth shapes by supersampling, gradients, and text with an outline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import pygame

Color = tuple[int, int, int]
VIEW = (960, 540)
INK: Color = (27, 24, 54)
WHITE: Color = (255, 252, 244)
GOLD: Color = (255, 200, 61)
CORAL: Color = (255, 107, 107)
MINT: Color = (107, 222, 170)
SKY: Color = (126, 206, 244)
OVERSAMPLE = 4


class Brush:
    """Draws on a surface `OVERSAMPLE` times as large, in the small surface's coordinates."""

    def __init__(self, surface: pygame.Surface, scale: int) -> None:
        self.surface, self.scale = surface, scale

    def _at(self, *values: float) -> list[int]:
        return [round(value * self.scale) for value in values]

    def circle(self, color: Sequence[int], x: float, y: float, radius: float) -> None:
        """Fill a circle."""
        pygame.draw.circle(self.surface, color, self._at(x, y), round(radius * self.scale))

    def ellipse(self, color: Sequence[int], x: float, y: float, width: float, height: float) -> None:
        """Fill an ellipse in a box."""
        pygame.draw.ellipse(self.surface, color, self._at(x, y, width, height))

    def rect(  # noqa: PLR0917 - as pygame.draw.rect
        self, color: Sequence[int], x: float, y: float, width: float, height: float, radius: float = 0
    ) -> None:
        """Fill a box with round corners."""
        box = pygame.Rect(self._at(x, y, width, height))
        pygame.draw.rect(self.surface, color, box, border_radius=round(radius * self.scale))

    def polygon(self, color: Sequence[int], *points: tuple[float, float]) -> None:
        """Fill a polygon."""
        pygame.draw.polygon(self.surface, color, [self._at(*point) for point in points])

    def line(self, color: Sequence[int], start: tuple[float, float], end: tuple[float, float], width: float) -> None:
        """Draw a thick line with round ends."""
        pygame.draw.line(self.surface, color, self._at(*start), self._at(*end), round(width * self.scale))
        for x, y in (start, end):
            self.circle(color, x, y, width / 2)


def paint(
    width: int, height: int, draw: Callable[[Brush], None], fringe: Color = INK, scale: int = OVERSAMPLE
) -> pygame.Surface:
    """Return a smooth sprite; `fringe` is the colour that its soft edge blends into."""
    large = pygame.Surface((width * scale, height * scale), pygame.SRCALPHA)
    large.fill((*fringe, 0))
    draw(Brush(large, scale))
    return pygame.transform.smoothscale(large, (width, height))


def mix(one: Sequence[int], other: Sequence[int], share: float) -> Color:
    """Return a colour between two."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one[:3], other[:3], strict=True))
    return red, green, blue


def gradient(size: tuple[int, int], stops: Sequence[Color]) -> pygame.Surface:
    """Return a vertical gradient through all stops."""
    strip = pygame.Surface((1, size[1]))
    for y in range(size[1]):
        place = y / max(1, size[1] - 1) * (len(stops) - 1)
        index = min(int(place), len(stops) - 2)
        strip.set_at((0, y), mix(stops[index], stops[index + 1], place - index))
    return pygame.transform.scale(strip, size)


def glow(radius: int, color: Color, strength: int = 120) -> pygame.Surface:
    """Return a soft round light; `strength` is its alpha in the middle."""
    surface = pygame.Surface((radius * 2, radius * 2), pygame.SRCALPHA)
    for step in range(radius, 0, -1):
        share = (1 - step / radius) ** 2
        pygame.draw.circle(surface, (*color, round(strength * share)), (radius, radius), step)
    return surface


@lru_cache(maxsize=16)
def font(size: int) -> pygame.font.Font:
    """Return pygame's own font."""
    return pygame.font.Font(None, size)


@lru_cache(maxsize=256)
def lettering(  # noqa: PLR0917 - a cached function reads best without keywords
    text: str, size: int, color: Color = WHITE, outline: Color | None = INK, thick: int = 2, low: Color | None = None
) -> pygame.Surface:
    """Return text with an outline, shaded from `color` to `low`."""
    face = font(size).render(text, True, color)
    if low is not None:
        shade = gradient(face.get_size(), (color, color, low)).convert_alpha()
        white = font(size).render(text, True, (255, 255, 255))
        shade.blit(white, (0, 0), special_flags=pygame.BLEND_RGBA_MULT)
        face = shade
    if outline is None:
        return face
    border = font(size).render(text, True, outline)
    result = pygame.Surface((face.width + 2 * thick, face.height + 2 * thick + 2), pygame.SRCALPHA)
    for dx in range(-thick, thick + 1):
        for dy in range(-thick, thick + 3):
            if dx * dx + min(dy, thick) ** 2 <= thick * thick + 1:
                result.blit(border, (dx + thick, dy + thick))
    result.blit(face, (thick, thick))
    return result


def write(  # noqa: PLR0917 - a place, a size and a colour, everywhere in this order
    surface: pygame.Surface,
    text: str,
    center: tuple[float, float],
    size: int = 28,
    color: Color = WHITE,
    anchor: str = "center",
) -> pygame.Rect:
    """Draw text; `anchor` is the side of the text that is placed at the point."""
    image = lettering(text, size, color)
    box = image.get_rect(**{anchor: (round(center[0]), round(center[1]))})
    surface.blit(image, box)
    return box


def panel(size: tuple[int, int], fill: Color = (44, 40, 84), edge: Color = (120, 110, 190)) -> pygame.Surface:
    """Return a rounded board with a rim and a shadow."""

    def draw(brush: Brush) -> None:
        width, height = size
        brush.rect((*INK, 110), 0, 6, width, height - 6, 20)
        brush.rect(INK, 0, 0, width, height - 6, 20)
        brush.rect(edge, 3, 3, width - 6, height - 12, 17)
        brush.rect(fill, 6, 6, width - 12, height - 18, 14)
        brush.rect(mix(fill, WHITE, 0.09), 6, 6, width - 12, 26, 14)

    return paint(*size, draw, scale=2)
