"""The three classes that a player can choose. They play differently, so it is useful to know who chooses which."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hero:
    """A class of hero; speeds in pixels per second."""

    name: str
    blurb: tuple[str, str]
    run_speed: float
    jump_speed: float
    air_jumps: int = 0
    glide_speed: float | None = None  # the fastest fall while jump is held
    armour: int = 0  # hits survived per life
    slams: bool = False  # down in the air: a heavy landing that flattens slimes
    reach: float = 0.0  # extra pixels at which coins are picked up


NINJA = Hero("ninja", ("Fast on his feet.", "Jumps again in mid-air."), run_speed=262, jump_speed=580, air_jumps=1)
WIZARD = Hero(
    "wizard",
    ("Hold jump to glide.", "Coins fly to her."),
    run_speed=228,
    jump_speed=590,
    glide_speed=95,
    reach=46,
)
KNIGHT = Hero(
    "knight",
    ("Armour takes one hit.", "Down in the air: slam."),
    run_speed=218,
    jump_speed=595,
    armour=1,
    slams=True,
)
HEROES = (NINJA, WIZARD, KNIGHT)
