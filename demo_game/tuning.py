"""The values that make the game fun, in one place: remote configs and the overlay (F9) change them while it runs."""

from __future__ import annotations

from dataclasses import dataclass

import ga_pygame


@dataclass
class Tuning:
    """Speeds in pixels a second; gravity in pixels a second, each second."""

    gravity: float = ga_pygame.tunable(1620.0, least=800, most=2600)
    spring: float = ga_pygame.tunable(900.0, least=400, most=1400)
    stomp: float = ga_pygame.tunable(430.0, least=0, most=900)
    slam: float = ga_pygame.tunable(820.0, least=400, most=1400)
    invincible: bool = False  # nothing hurts the hero
