"""A level's ground, clouds, spikes and plants, drawn once into strips that scroll by."""

from __future__ import annotations

import random

import pygame

from .art import INK, VIEW, WHITE, Brush, mix, paint
from .backdrop import Theme
from .levels import CLOUD, EMPTY, ROWS, SOLID, SPIKES, TILE, Level

STRIP_COLUMNS = 16


class Terrain:
    """The still part of a level."""

    def __init__(self, level: Level, theme: Theme) -> None:
        self.level, self.theme = level, theme
        self.strips = [
            paint(
                STRIP_COLUMNS * TILE,
                ROWS * TILE,
                lambda brush, first=first: self._draw_strip(brush, first),  # type: ignore[misc]
                fringe=mix(theme.dirt, INK, 0.5),
                scale=2,
            ).convert_alpha()
            for first in range(0, level.columns, STRIP_COLUMNS)
        ]

    def draw(self, surface: pygame.Surface, camera: float, lift: float) -> None:
        """Draw the strips in view."""
        for index, strip in enumerate(self.strips):
            x = index * STRIP_COLUMNS * TILE - camera
            if -strip.width < x < VIEW[0]:
                surface.blit(strip, (x, lift))

    def _draw_strip(self, brush: Brush, first: int) -> None:  # noqa: PLR0912 - one branch per layer
        level = self.level
        tiles = [(column, row) for column in range(first - 1, first + STRIP_COLUMNS + 1) for row in range(ROWS)]
        solid = [
            (column, row) for column, row in tiles if 0 <= column < level.columns and level.grid[row][column] == SOLID
        ]
        for column, row in solid:  # ink behind everything makes one outline around each island
            brush.rect(INK, (column - first) * TILE - 2.5, row * TILE - 2.5, TILE + 5, TILE + 5, 2)
        for column, row in solid:
            if (column, row) in level.bricks:
                self._brick(brush, column - first, row)
            else:
                self._ground(brush, column, row, column - first)
        tops = [(c, r) for c, r in solid if (c, r) not in level.bricks and level.tile(c, r - 1) != SOLID]
        for column, row in tops:
            if level.tile(column, row - 1) == EMPTY:
                rng = random.Random(column * 57 + row)
                self._plant(brush, (column - first) * TILE, row * TILE - 2, rng)
        for column, row in tops:
            brush.rect(INK, (column - first) * TILE - 5.5, row * TILE - 5.5, TILE + 11, 15, 6)
        for column, row in tops:
            self._grass(brush, column, row, column - first)
        for column, row in tiles:
            if not 0 <= column < level.columns:
                continue
            kind = level.grid[row][column]
            if kind == SPIKES:
                self._spikes(brush, column - first, row)
            elif kind == CLOUD and (column == first - 1 or level.tile(column - 1, row) != CLOUD):
                start, end = column, column + 1
                while level.tile(start - 1, row) == CLOUD:
                    start -= 1
                while level.tile(end, row) == CLOUD:
                    end += 1
                self._cloud(brush, (start - first) * TILE, row * TILE, (end - start) * TILE)

    def _ground(self, brush: Brush, column: int, row: int, at: int) -> None:
        theme, rng = self.theme, random.Random(column * 31 + row * 7)
        x, y = at * TILE, row * TILE
        for part in range(6):  # darker towards the bottom of the screen
            color = mix(theme.dirt, INK, max(0.0, (y + part * 6 - 340) / 200 * 0.36))
            brush.rect(color, x - 0.5, y + part * 6 - 0.5, TILE + 1, 7)
        for _ in range(2):
            size = rng.uniform(5, 12)
            shade = mix(color, INK if rng.random() < 0.6 else WHITE, 0.1)
            brush.rect(shade, x + rng.uniform(2, 22), y + rng.uniform(4, 26), size, size * 0.6, 3)

    def _grass(self, brush: Brush, column: int, row: int, at: int) -> None:
        theme, rng = self.theme, random.Random(column * 131 + row)
        tile = self.level.tile
        x, y = at * TILE, row * TILE
        open_left, open_right = tile(column - 1, row) != SOLID, tile(column + 1, row) != SOLID
        left, right = x - (3 if open_left else 0), x + TILE + (3 if open_right else 0)
        dark = mix(theme.grass, INK, 0.22)
        for step in range(4):  # the ragged lower edge
            brush.circle(dark, x + 4.5 + step * 9, y + 9 + rng.uniform(-1, 3.5), 5.2)
        brush.rect(dark, left, y - 2, right - left, 12, 4 if open_left or open_right else 0)
        brush.rect(theme.grass, left, y - 3, right - left, 10, 4 if open_left or open_right else 0)
        brush.rect(mix(theme.grass, WHITE, 0.35), left + 2, y - 2.5, right - left - 4, 2.6, 1)

    def _plant(self, brush: Brush, x: float, y: float, rng: random.Random) -> None:
        theme, chance = self.theme, rng.random()
        if chance < 0.3:
            for blade in (-4, 0, 4):
                foot = x + 16 + blade
                brush.polygon(
                    mix(theme.grass, INK, 0.15),
                    (foot - 2, y),
                    (foot + 2, y),
                    (foot + blade * 0.7, y - rng.uniform(6, 11)),
                )
        elif chance < 0.42:
            petal = rng.choice(((255, 120, 150), (255, 214, 90), (255, 255, 255), (170, 140, 255)))
            brush.line(mix(theme.grass, INK, 0.3), (x + 18, y), (x + 18, y - 10), 2)
            for dx, dy in ((-3.4, 0), (3.4, 0), (0, -3.4), (0, 3.4)):
                brush.circle(petal, x + 18 + dx, y - 12 + dy, 3)
            brush.circle((255, 190, 60), x + 18, y - 12, 2.2)
        elif chance < 0.5:
            bush = mix(theme.grass, INK, 0.3)
            for dx, radius in ((8, 9), (18, 12), (28, 9)):
                brush.circle(bush, x + dx, y - radius * 0.35, radius)
            brush.circle(mix(bush, WHITE, 0.15), x + 15, y - 7, 6)

    def _brick(self, brush: Brush, at: int, row: int) -> None:
        x, y, color = at * TILE, row * TILE, self.theme.brick
        brush.rect(mix(color, INK, 0.35), x, y, TILE, TILE, 4)
        for dy, offsets in ((1, (1, 19)), (13, (-8, 10, 28)), (25, (1, 19))):
            for dx in offsets:
                left, right = max(1, dx), min(TILE - 1, dx + 16)
                brush.rect(color, x + left, y + dy, right - left, 10, 2)
                brush.rect(mix(color, WHITE, 0.25), x + left, y + dy, right - left, 2.5, 1)

    def _spikes(self, brush: Brush, at: int, row: int) -> None:
        x, y = at * TILE, row * TILE
        for step in range(3):
            left = x + step * 12
            brush.polygon(INK, (left - 1.5, y + TILE), (left + 13.5, y + TILE), (left + 6, y + 10))
            brush.polygon((214, 220, 236), (left + 1, y + TILE), (left + 11, y + TILE), (left + 6, y + 15))
            brush.polygon((150, 158, 190), (left + 6, y + TILE), (left + 11, y + TILE), (left + 6, y + 15))

    def _cloud(self, brush: Brush, x: float, y: float, width: float) -> None:
        rng = random.Random(width)
        puffs = [
            (x + 12 + step * (width - 24) / max(1, width // 20), rng.uniform(9, 13))
            for step in range(int(width // 20) + 1)
        ]
        shade = mix(WHITE, self.theme.sky[1], 0.4)
        for grow, color, drop in ((2.5, INK, 3.0), (0.0, shade, 3.0), (-1.5, WHITE, 0.0)):
            for puff, radius in puffs:
                brush.circle(color, puff, y + radius + drop, radius + grow)
            brush.rect(color, x - grow, y - grow + drop / 2, width + 2 * grow, 14 + 2 * grow, 8)
