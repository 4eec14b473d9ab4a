"""Menus for keyboard, mouse and gamepad, and what all screens have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import pygame

from .art import GOLD, INK, VIEW, WHITE, Brush, Color, mix, paint, write
from .controls import Actions


class Screen(Protocol):
    """A screen; the game keeps a stack of them and updates the top one."""

    covers: bool  # nothing below it needs drawing
    menu: Menu | None

    def update(self, actions: Actions) -> None:
        """Advance one tick."""

    def draw(self, surface: pygame.Surface) -> None:
        """Draw one frame."""


@dataclass(slots=True)
class Button:
    """A button; the bot finds it by its `name`."""

    name: str
    label: str
    box: pygame.Rect
    act: Callable[[], None]


class Menu:
    """Buttons with one selected."""

    def __init__(self, buttons: list[Button], play: Callable[[str], None]) -> None:
        self.buttons = buttons
        self.selected = 0
        self._play = play
        self._pointer: tuple[int, int] | None = None

    def update(self, actions: Actions) -> None:
        """Move the selection, or act on it."""
        step = len(actions.pressed & {"right", "down"}) - len(actions.pressed & {"left", "up"})
        if step:
            self.selected = (self.selected + step) % len(self.buttons)
            self._play("select")
        under = None
        if actions.pointer is not None:
            under = next((i for i, b in enumerate(self.buttons) if b.box.collidepoint(actions.pointer)), None)
            moved = self._pointer not in (None, actions.pointer)  # a resting pointer selects nothing
            if under is not None and moved and self.selected != under:
                self.selected = under
                self._play("select")
            self._pointer = actions.pointer
        if "confirm" in actions.pressed or ("click" in actions.pressed and under is not None):
            if "click" in actions.pressed and under is not None:
                self.selected = under
            self._play("confirm")
            self.buttons[self.selected].act()

    def draw(self, surface: pygame.Surface) -> None:
        """Draw the buttons as pills."""
        for index, button in enumerate(self.buttons):
            chosen = index == self.selected
            image = _pill(button.box.size, chosen)
            surface.blit(image, button.box.move(0, -2 if chosen else 0))
            place = (button.box.centerx, button.box.centery - (3 if chosen else 1))
            write(surface, button.label, place, 30, WHITE if not chosen else (255, 250, 226))


@lru_cache(maxsize=32)
def _pill(size: tuple[int, int], chosen: bool) -> pygame.Surface:
    fill: Color = (255, 150, 60) if chosen else (82, 84, 160)
    width, height = size

    def draw(brush: Brush) -> None:
        brush.rect(INK, 0, 0, width, height, height / 2)
        brush.rect(mix(fill, INK, 0.3), 3, 3, width - 6, height - 6, height / 2 - 3)
        brush.rect(fill, 3, 3, width - 6, height - 11, height / 2 - 3)
        brush.rect(mix(fill, WHITE, 0.3), 14, 6, width - 28, 5, 2.5)

    return paint(width, height, draw).convert_alpha()


def column(
    entries: list[tuple[str, str, Callable[[], None]]], top: int, center: int = VIEW[0] // 2, width: int = 250
) -> list[Button]:
    """Return buttons one below another from (name, label, act)."""
    return [
        Button(name, label, pygame.Rect(center - width // 2, top + index * 56, width, 48), act)
        for index, (name, label, act) in enumerate(entries)
    ]


@lru_cache(maxsize=4)
def shade(alpha: int) -> pygame.Surface:
    """Return a dark sheet that is drawn below a dialog."""
    sheet = pygame.Surface(VIEW, pygame.SRCALPHA)
    sheet.fill((*INK, alpha))
    return sheet


def purse(surface: pygame.Surface, coin: pygame.Surface, amount: int, right: int, top: int) -> None:
    """Draw a number of coins, right aligned."""
    box = write(surface, str(amount), (right, top + 14), 34, GOLD, "midright")
    surface.blit(coin, coin.get_rect(midright=(box.left - 4, top + 13)))
