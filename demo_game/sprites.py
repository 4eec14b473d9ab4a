"""Pictures of everything that moves, drawn by code once at the start."""

from __future__ import annotations

import math

import pygame

from .art import CORAL, GOLD, INK, MINT, SKY, WHITE, Brush, Color, mix, paint
from .world import PLATFORM_WIDTH

SKIN: Color = (255, 214, 178)
HERO_SIZE = (52, 60)  # feet at the bottom, hit box 24 x 32 in the middle
STRIDES = ((0.0, 0.0), (4.5, -3.0), (0.0, -4.0), (-4.5, -1.0))


def _hero(name: str, pose: int) -> pygame.Surface:
    """Return a hero facing right; poses 0-3 run (0 stands), 4 rises, 5 falls."""

    def draw(brush: Brush) -> None:
        x, ground = 26.0, 58.0
        if pose < 4:
            reach, lift = STRIDES[pose]
            feet = ((x - 6 + reach, ground + min(0.0, lift)), (x + 6 - reach, ground + min(0.0, -1 - lift)))
        else:
            feet = ((x - 8, ground - 6), (x + 5, ground - 1)) if pose == 4 else ((x - 8, ground), (x + 9, ground - 4))
        bob = -1.0 if pose in (1, 3) else 0.0
        body, trim, boots = {
            "ninja": ((58, 64, 118), (235, 77, 92), (38, 42, 84)),
            "wizard": ((126, 87, 214), GOLD, (92, 58, 60)),
            "knight": ((176, 192, 214), (74, 144, 226), (96, 108, 134)),
        }[name]
        for foot_x, foot_y in feet:
            brush.rect(INK, foot_x - 6, foot_y - 10, 13, 11, 5)
            brush.rect(boots, foot_x - 4, foot_y - 8, 9, 7, 3.5)
        arm = -3 if pose == 4 else 4
        if name == "wizard":
            brush.polygon(INK, (x - 8, 36), (x + 8, 36), (x + 15, 55), (x - 15, 55))
            brush.polygon(body, (x - 7, 37), (x + 7, 37), (x + 12, 53), (x - 12, 53))
            brush.rect(trim, x - 11.5, 50, 23, 3, 1)
        else:
            brush.rect(INK, x - 12, 34 + bob, 24, 20, 8)
            brush.rect(body, x - 10, 36 + bob, 20, 16, 6)
            brush.rect(trim, x - 10, 44 + bob, 20, 4)
            if name == "knight":
                brush.rect(trim, x - 5, 36 + bob, 10, 16, 2)
                brush.rect(GOLD, x - 2, 40 + bob, 4, 8, 1)
        brush.circle(INK, x - 11, 42 + arm, 5.5)
        brush.circle(mix(body, INK, 0.15), x - 11, 42 + arm, 3.5)
        _head(brush, name, x + 1, 24 + bob, body, trim, pose)
        brush.circle(INK, x + 12, 43 + arm, 5.5)
        brush.circle(body, x + 12, 43 + arm, 3.5)

    return paint(*HERO_SIZE, draw)


def _head(  # noqa: PLR0917 - a part of _hero
    brush: Brush, name: str, x: float, y: float, body: Color, trim: Color, pose: int
) -> None:
    wave = (0, 2, 0, -2, 4, -5)[pose]
    if name == "ninja":
        for drop in (0, 5):
            brush.polygon(
                INK, (x - 11, y - 6), (x - 26, y - 5 + wave + drop), (x - 25, y + 3 + wave + drop), (x - 11, y + 1)
            )
            brush.polygon(
                trim, (x - 11, y - 4), (x - 24, y - 3 + wave + drop), (x - 24, y + 1 + wave + drop), (x - 11, y)
            )
        brush.circle(INK, x, y, 15.5)
        brush.circle(body, x, y, 13.5)
        brush.ellipse(mix(body, WHITE, 0.2), x - 9, y - 12, 12, 7)
        brush.rect(SKIN, x - 7, y - 2, 20.2, 8, 4)
        brush.rect(trim, x - 13.2, y - 7, 26.4, 5, 2)
    elif name == "wizard":
        brush.circle(INK, x, y + 2, 15)
        brush.circle((240, 170, 80), x, y + 2, 13)
        brush.rect((240, 170, 80), x - 13, y + 2, 8, 15, 4)
        brush.circle(SKIN, x + 3, y + 3, 10)
        brush.polygon(
            INK,
            (x - 20, y - 2),
            (x - 9, y - 9),
            (x - 9, y - 25 + wave / 2),
            (x + 11, y - 8),
            (x + 21, y - 3),
            (x, y + 2),
        )
        brush.polygon(
            body,
            (x - 17, y - 3),
            (x - 8, y - 8),
            (x - 8, y - 21 + wave / 2),
            (x + 10, y - 7),
            (x + 18, y - 3.5),
            (x, y),
        )
        brush.polygon(trim, (x - 9, y - 9), (x + 8, y - 9), (x + 11, y - 6), (x - 11, y - 6))
        brush.circle(GOLD, x - 2, y - 13, 2.5)
    else:
        brush.polygon(INK, (x - 4, y - 13), (x - 22, y - 18 + wave), (x - 20, y - 4 + wave), (x - 4, y - 6))
        brush.polygon(CORAL, (x - 3, y - 12), (x - 19, y - 15 + wave), (x - 18, y - 7 + wave), (x - 3, y - 8))
        brush.circle(INK, x, y, 15.5)
        brush.circle(body, x, y, 13.5)
        brush.ellipse(WHITE, x - 9, y - 11.5, 10, 7)
        brush.rect(INK, x - 3, y - 4, 17, 11, 4)
        brush.rect(SKIN, x - 1, y - 2, 14, 7, 3)
        brush.rect(mix(body, INK, 0.25), x + 3, y + 7, 9, 5, 2)
    brush.ellipse(INK, x + 1.5, y - 1, 3.6, 6)
    brush.ellipse(INK, x + 8.5, y - 1, 3.6, 6)
    brush.circle(WHITE, x + 3.8, y + 0.6, 1)
    brush.circle(WHITE, x + 10.8, y + 0.6, 1)


def _slime(color: Color) -> pygame.Surface:
    def draw(brush: Brush) -> None:
        for grow, fill in ((0.0, INK), (2.2, color)):
            brush.ellipse(fill, 3 + grow, 3 + grow, 38 - 2 * grow, 44 - 2 * grow)
        brush.rect((0, 0, 0, 0), 0, 33, 44, 15)
        brush.rect(INK, 1.5, 24, 41, 12, 6)
        brush.rect(color, 3.7, 22, 36.6, 11.8, 5)
        brush.ellipse(mix(color, INK, 0.2), 6, 28, 32, 5)
        brush.ellipse(mix(color, WHITE, 0.55), 10, 8, 12, 7)
        for x in (15, 28):
            brush.ellipse(WHITE, x - 4, 15, 9, 11)
            brush.ellipse(INK, x - 1.5, 18, 4.6, 7)
        brush.line(INK, (19, 29), (25, 29), 2)

    return paint(44, 36, draw)


def _bat(up: bool) -> pygame.Surface:
    def draw(brush: Brush) -> None:
        tip = 6 if up else 34
        for side in (-1, 1):
            for grow, fill in ((2.5, INK), (0.0, (150, 92, 190))):
                points: list[tuple[float, float]] = [
                    (30 + side * 6, 16),
                    (30 + side * 27, tip),
                    (30 + side * 21, 24),
                    (30 + side * 14, 22),
                    (30 + side * 8, 28),
                ]
                if grow:
                    points = [(30 + (x - 30) * 1.09 + side, 20 + (y - 20) * 1.25) for x, y in points]
                brush.polygon(fill, *points)
        for ear in (-8, 8):
            brush.polygon(INK, (30 + ear - 6, 14), (30 + ear * 1.25, 1), (30 + ear + 6, 14))
            brush.polygon((110, 62, 156), (30 + ear - 3.5, 14), (30 + ear * 1.2, 5), (30 + ear + 3.5, 14))
        brush.circle(INK, 30, 20, 14)
        brush.circle((110, 62, 156), 30, 20, 12)
        brush.ellipse((146, 96, 190), 23, 22, 14, 9)
        for x in (25.5, 34.5):
            brush.circle((255, 232, 120), x, 18, 3.8)
            brush.circle(INK, x, 18.6, 1.8)
        brush.polygon(WHITE, (26, 26), (29, 26), (27.5, 30))
        brush.polygon(WHITE, (31, 26), (34, 26), (32.5, 30))

    return paint(60, 40, draw)


def _saw(turn: float) -> pygame.Surface:
    def draw(brush: Brush) -> None:
        for grow, fill in ((2.0, INK), (0.0, (206, 216, 232))):
            points = []
            for step in range(20):
                radius = (25 if step % 2 == 0 else 18) + grow
                angle = turn + step * math.tau / 20 + (0.12 if step % 2 == 0 else 0)
                points.append((29 + radius * math.cos(angle), 29 + radius * math.sin(angle)))
            brush.polygon(fill, *points)
        brush.circle((160, 172, 198), 29, 29, 14)
        brush.circle(INK, 29, 29, 8)
        brush.circle(CORAL, 29, 29, 6)
        brush.circle(WHITE, 27, 27, 1.6)

    return paint(58, 58, draw)


def _coin(turn: float) -> pygame.Surface:
    def draw(brush: Brush) -> None:
        half = max(2.0, 10.5 * abs(math.cos(turn)))
        brush.ellipse(INK, 13 - half - 1.7, 1, 2 * half + 3.4, 24)
        brush.ellipse((226, 150, 34), 13 - half, 2.7, 2 * half, 20.6)
        brush.ellipse(GOLD, 13 - half + 0.6, 2.7, 2 * half * 0.88, 20.6)
        brush.ellipse((255, 232, 140), 13 - half * 0.6, 6, 2 * half * 0.52, 13)
        brush.ellipse(GOLD, 13 - half * 0.42, 7.2, 2 * half * 0.42, 11.4)

    return paint(26, 26, draw)


def _gem() -> pygame.Surface:
    def draw(brush: Brush) -> None:
        brush.polygon(INK, (17, 33), (0, 13), (8, 2), (26, 2), (34, 13))
        brush.polygon((74, 196, 240), (17, 30), (3, 13), (9, 4.5), (25, 4.5), (31, 13))
        brush.polygon((150, 232, 255), (9, 4.5), (25, 4.5), (22, 13), (12, 13))
        brush.polygon((44, 150, 220), (17, 30), (22, 13), (31, 13))
        brush.polygon((216, 248, 255), (12, 13), (9, 4.5), (3, 13))

    return paint(34, 34, draw)


def _platform() -> pygame.Surface:
    width = PLATFORM_WIDTH

    def draw(brush: Brush) -> None:
        for x in (18, width - 18):
            brush.polygon(INK, (x - 9, 16), (x + 9, 16), (x + 5, 28), (x - 5, 28))
            brush.polygon((130, 140, 180), (x - 6.5, 16), (x + 6.5, 16), (x + 3.5, 26), (x - 3.5, 26))
        brush.rect(INK, 0, 0, width, 20, 8)
        brush.rect((238, 190, 110), 2.2, 2.2, width - 4.4, 15.6, 6)
        brush.rect((255, 224, 150), 2.2, 2.2, width - 4.4, 5, 3)
        for x in range(14, width - 10, 17):
            brush.polygon((226, 130, 84), (x, 8), (x + 8, 8), (x + 2, 17), (x - 6, 17))

    return paint(width, 30, draw)


def _mushroom() -> pygame.Surface:
    def draw(brush: Brush) -> None:
        brush.rect(INK, 14, 16, 20, 20, 7)
        brush.rect((255, 236, 206), 16.4, 17, 15.2, 17, 5)
        for grow, fill in ((0.0, INK), (2.2, CORAL)):
            brush.ellipse(fill, 2 + grow, 2 + grow, 44 - 2 * grow, 23 - 2 * grow)
        brush.ellipse((226, 72, 92), 6, 16, 36, 6)
        brush.ellipse(WHITE, 9, 9, 8, 6)
        brush.ellipse(WHITE, 20, 5, 10, 7)
        brush.ellipse(WHITE, 33, 10, 7, 6)

    return paint(48, 36, draw)


def _heart(full: bool) -> pygame.Surface:
    fill = CORAL if full else (84, 78, 128)

    def draw(brush: Brush) -> None:
        for grow, color in ((2.4, INK), (0.0, fill)):
            brush.circle(color, 9, 9, 6 + grow)
            brush.circle(color, 19, 9, 6 + grow)
            brush.polygon(color, (3.4 - grow, 11), (24.6 + grow, 11), (14, 24 + grow * 1.2))
        if full:
            brush.ellipse((255, 190, 190), 6, 5, 5, 4)

    return paint(28, 28, draw)


def _shield() -> pygame.Surface:
    def draw(brush: Brush) -> None:
        brush.polygon(INK, (2, 3), (14, 0), (26, 3), (25, 15), (14, 28), (3, 15))
        brush.polygon(SKY, (4.5, 5), (14, 2.6), (23.5, 5), (22.5, 14.5), (14, 25), (5.5, 14.5))
        brush.polygon(mix(SKY, WHITE, 0.5), (4.5, 5), (14, 2.6), (14, 25), (5.5, 14.5))

    return paint(28, 28, draw)


def _magnet() -> pygame.Surface:
    def draw(brush: Brush) -> None:
        brush.circle(INK, 14, 12, 12)
        brush.rect(INK, 2, 12, 24, 15, 2)
        brush.circle(CORAL, 14, 12, 9.6)
        brush.rect(CORAL, 4.4, 12, 19.2, 9)
        brush.rect(WHITE, 4.4, 20, 19.2, 5)
        brush.circle(INK, 14, 12, 4.6)
        brush.rect(INK, 9.4, 12, 9.2, 16)

    return paint(28, 28, draw)


class Sprites:
    """All pictures, by name; made after the window is open."""

    def __init__(self) -> None:
        right = {name: [_hero(name, pose) for pose in range(6)] for name in ("ninja", "wizard", "knight")}
        left = {name: [pygame.transform.flip(i, True, False) for i in poses] for name, poses in right.items()}
        self.heroes = {1: right, -1: left}
        self.slime = {
            "morning": _slime(MINT),
            "sunset": _slime((255, 150, 84)),
            "night": _slime((126, 196, 255)),
        }
        self.bat = [_bat(True), _bat(False)]
        self.saw = [_saw(step * math.tau / 60) for step in range(6)]
        self.coin = [_coin(step * math.pi / 10) for step in range(10)]
        self.gem = _gem()
        self.platform = _platform()
        self.mushroom = _mushroom()
        self.heart, self.no_heart = _heart(True), _heart(False)
        self.shield, self.magnet = _shield(), _magnet()
