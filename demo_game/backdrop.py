"""The sky behind the game: gradient, sun or moon, clouds and hills that move at different speeds."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from itertools import pairwise

import pygame

from .art import VIEW, Brush, Color, glow, gradient, mix, paint

PERIOD = 1440  # pixels after which a layer repeats


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of one level."""

    sky: tuple[Color, ...]
    hills: tuple[Color, Color, Color]
    cloud: Color
    light: Color
    light_at: tuple[int, int]
    grass: Color
    dirt: Color
    brick: Color
    stars: int = 0


THEMES = {
    "morning": Theme(
        sky=((74, 170, 226), (142, 214, 238), (214, 240, 232), (255, 238, 200)),
        hills=((150, 208, 214), (104, 188, 168), (70, 158, 124)),
        cloud=(255, 255, 255),
        light=(255, 244, 190),
        light_at=(730, 130),
        grass=(116, 204, 92),
        dirt=(176, 116, 82),
        brick=(214, 150, 104),
    ),
    "sunset": Theme(
        sky=((62, 42, 108), (150, 66, 124), (240, 116, 106), (255, 196, 120)),
        hills=((190, 92, 122), (132, 62, 112), (84, 42, 92)),
        cloud=(255, 186, 160),
        light=(255, 220, 130),
        light_at=(620, 330),
        grass=(255, 168, 76),
        dirt=(124, 62, 92),
        brick=(178, 92, 104),
    ),
    "night": Theme(
        sky=((14, 18, 56), (34, 40, 104), (78, 72, 156), (150, 112, 186)),
        hills=((70, 70, 144), (48, 50, 114), (30, 32, 80)),
        cloud=(126, 130, 206),
        light=(236, 240, 255),
        light_at=(740, 120),
        grass=(196, 232, 255),
        dirt=(72, 80, 146),
        brick=(112, 118, 190),
        stars=130,
    ),
}


def _ridge(color: Color, height: int, seed: int, sharp: bool, trees: int) -> pygame.Surface:
    """Return a strip of hills or peaks whose ends fit together, so that it can repeat."""
    rng = random.Random(seed)
    waves = [(rng.choice((1, 2, 3, 4, 5)), rng.uniform(0, math.tau), rng.uniform(0.3, 1)) for _ in range(4)]
    weight = sum(wave[2] for wave in waves)

    def top(x: float) -> float:
        total = 0.0
        for count, phase, size in waves:
            turn = (x / PERIOD * count + phase / math.tau) % 1
            total += size * (abs(turn * 2 - 1) * 2 - 1 if sharp else math.sin(turn * math.tau))
        return height * (0.46 - 0.36 * total / weight)

    def draw(brush: Brush) -> None:
        points = [(float(x), top(x)) for x in range(0, PERIOD + 1, 6)]
        brush.polygon(color, *points, (PERIOD, height + 2), (0, height + 2))
        if sharp:
            light = mix(color, (255, 255, 255), 0.16)
            for left, right in pairwise(points):
                if right[1] < left[1]:
                    brush.polygon(light, left, right, (right[0] - 14, right[1] + 40), (left[0] - 14, left[1] + 40))
        for _ in range(trees):
            x, size = rng.uniform(20, PERIOD - 20), rng.uniform(14, 30)
            y = top(x) + 4
            shade = mix(color, (0, 0, 0), rng.uniform(0.04, 0.14))
            if rng.random() < 0.5:
                brush.rect(shade, x - 2, y - size, 4, size)
                brush.circle(shade, x, y - size, size * 0.52)
                brush.circle(mix(shade, (255, 255, 255), 0.07), x - size * 0.12, y - size * 1.1, size * 0.34)
            else:
                for part in range(3):
                    level, wide = y - size * (0.25 + part * 0.42), size * (0.52 - part * 0.12)
                    brush.polygon(shade, (x - wide, level), (x + wide, level), (x, level - size * 0.72))

    return paint(PERIOD, height, draw, fringe=color, scale=2).convert_alpha()


def cloud(color: Color, width: int, seed: int, alpha: int = 235) -> pygame.Surface:
    """Return a puffy cloud."""
    rng = random.Random(seed)
    height = width // 2

    def draw(brush: Brush) -> None:
        base = height * 0.78
        puffs = [(rng.uniform(0.22, 0.78) * width, rng.uniform(0.1, 0.2) * width) for _ in range(6)]
        for shade, shift in ((mix(color, (60, 60, 130), 0.16), 3.0), (color, 0.0)):
            brush.rect(
                (*shade, alpha), width * 0.08, base - height * 0.2 + shift, width * 0.84, height * 0.2, height * 0.1
            )
            for x, radius in puffs:
                brush.circle((*shade, alpha), x, base - radius * 0.75 + shift, radius)
            brush.rect((0, 0, 0, 0), 0, base + shift, width, height)

    return paint(width, height, draw, fringe=color, scale=3).convert_alpha()


class Backdrop:
    """The scenery of one theme."""

    def __init__(self, name: str) -> None:
        theme = THEMES[name]
        self.theme = theme
        self.sky = gradient(VIEW, theme.sky).convert()
        rng = random.Random(name)
        for _ in range(theme.stars):
            x, y, shine = rng.randrange(VIEW[0]), rng.randrange(360), rng.random()
            pygame.draw.circle(
                self.sky, mix(theme.sky[1], (255, 255, 255), 0.3 + 0.7 * shine), (x, y), 1 + (shine > 0.9)
            )
        x, y = theme.light_at
        radius = 46 if name != "sunset" else 62
        light = glow(radius * 5, theme.light, 150)
        self.sky.blit(light, light.get_rect(center=(x, y)))
        disc = paint(2 * radius, 2 * radius, lambda brush: self._disc(brush, radius, name), fringe=theme.light)
        self.sky.blit(disc, disc.get_rect(center=(x, y)))
        self.layers = [
            (_ridge(theme.hills[0], 370, 7, name != "morning", 0), 0.12, 170),
            (_ridge(theme.hills[1], 270, 11, False, 30), 0.26, 270),
            (_ridge(theme.hills[2], 220, 5, False, 46), 0.45, 330),
        ]
        self.clouds = [
            (cloud(theme.cloud, width, seed), rng.uniform(0, PERIOD), rng.uniform(20, 230), 0.05 + width / 2200)
            for seed, width in enumerate((110, 150, 190, 130, 230, 170, 120))
        ]

    def draw(self, surface: pygame.Surface, camera: float, seconds: float) -> None:
        """Draw the scenery for a camera position."""
        surface.blit(self.sky, (0, 0))
        for index, (image, speed, y) in enumerate(self.layers):
            if index == 1:
                self._draw_clouds(surface, camera, seconds)
            offset = -(camera * speed) % PERIOD
            surface.blit(image, (offset - PERIOD, y))
            if offset < VIEW[0]:
                surface.blit(image, (offset, y))

    def _draw_clouds(self, surface: pygame.Surface, camera: float, seconds: float) -> None:
        for image, start, y, speed in self.clouds:
            x = (start - camera * speed - seconds * speed * 60) % PERIOD - image.width
            surface.blit(image, (x, y))

    def _disc(self, brush: Brush, radius: int, name: str) -> None:
        light = self.theme.light
        brush.circle(light, radius, radius, radius - 1)
        brush.circle(mix(light, (255, 255, 255), 0.5), radius - 3, radius - 3, radius * 0.8)
        if name == "night":
            for x, y, size in ((0.7, 0.6, 0.16), (1.2, 1.1, 0.24), (0.75, 1.35, 0.11), (1.3, 0.55, 0.09)):
                brush.circle(mix(light, (120, 130, 190), 0.35), x * radius, y * radius, size * radius)
