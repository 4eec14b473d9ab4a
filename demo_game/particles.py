"""Small short-lived dots: dust, sparkles, confetti. They are only drawn; the simulation does not know them."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import pygame

from .art import CORAL, GOLD, INK, MINT, SKY, WHITE, Color, mix

CONFETTI = (GOLD, CORAL, MINT, SKY, WHITE)
LIMIT = 260


@dataclass(slots=True)
class Particle:
    """One dot; speeds in pixels per second."""

    x: float
    y: float
    vx: float
    vy: float
    life: float
    span: float
    size: float
    color: Color
    gravity: float


class Particles:
    """All dots of a screen."""

    def __init__(self) -> None:
        self._all: list[Particle] = []
        self._rng = random.Random()

    def burst(  # noqa: PLR0917 - called with numbers side by side, in this order
        self,
        x: float,
        y: float,
        count: int,
        colors: tuple[Color, ...],
        speed: float = 140,
        gravity: float = 300,
        size: float = 4,
        life: float = 0.6,
        angle: tuple[float, float] = (0.0, math.tau),
    ) -> None:
        """Throw dots from a point."""
        rng = self._rng
        for _ in range(min(count, LIMIT - len(self._all))):
            way, fast, span = rng.uniform(*angle), rng.uniform(0.25, 1) * speed, life * rng.uniform(0.6, 1.2)
            self._all.append(
                Particle(
                    x,
                    y,
                    math.cos(way) * fast,
                    math.sin(way) * fast,
                    span,
                    span,
                    size * rng.uniform(0.5, 1.1),
                    rng.choice(colors),
                    gravity,
                )
            )

    def dust(self, x: float, y: float, count: int = 6) -> None:
        """Kick up dust at the feet."""
        self.burst(x, y, count, ((255, 255, 255), (230, 226, 240)), 70, -30, 5, 0.4, (math.pi, math.tau))

    def step(self, seconds: float) -> None:
        """Move and age."""
        for dot in self._all:
            dot.life -= seconds
            dot.vy += dot.gravity * seconds
            dot.x += dot.vx * seconds
            dot.y += dot.vy * seconds
        self._all = [dot for dot in self._all if dot.life > 0]

    def draw(self, surface: pygame.Surface, camera: float, lift: float = 0) -> None:
        """Draw; dots shrink as they age."""
        for dot in self._all:
            radius = dot.size * min(1.0, dot.life / dot.span * 1.6)
            if radius >= 1:
                center = (dot.x - camera, dot.y + lift)
                pygame.draw.circle(surface, mix(dot.color, INK, 0.45), center, radius + 1)
                pygame.draw.circle(surface, dot.color, center, radius)
