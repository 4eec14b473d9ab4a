"""The bot: it reads the screen and presses the keys that a person would; the same seed gives the same run."""

from __future__ import annotations

import random
from typing import Any

import pygame

from .controls import Actions
from .planner import Planner

LOOK_TICKS = 70  # between two presses in a menu, so that one can follow it
FIRST_LOOK_TICKS = 150


class Bot:
    """A pilot that plays all levels, shops, buys a pack, closes the window and confirms it."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._planner = Planner(self._rng)
        self._screen: Any = None
        self._wait = 0
        self._wishes: list[str] = []
        self._bought_pack = False
        self._finished = False
        self._closing = False

    def handle(self, event: pygame.event.Event) -> None:
        """Ignore an event."""

    def read(self, screen: Any) -> Actions:
        """Return the next tick's actions."""
        if screen is not self._screen:
            self._screen, self._wait = screen, FIRST_LOOK_TICKS
            self._wishes = self._plan(screen)
        if screen.name == "play":
            return self._planner.read(screen.world)
        self._wait -= 1
        if self._wait > 0:
            return Actions()
        self._wait = LOOK_TICKS
        if screen.name == "title" and self._finished:
            if not self._closing:  # the window's close button
                self._closing = True
                pygame.event.post(pygame.event.Event(pygame.QUIT))
            return Actions()
        return self._press(screen)

    def _plan(self, screen: Any) -> list[str]:
        """Return the buttons to press on this screen, in order."""
        rng = self._rng
        if screen.name == "title":
            return ["play"]
        if screen.name == "class":
            return [rng.choice(("ninja", "wizard", "knight"))]
        if screen.name == "shop":
            wishes = rng.sample(["shield", "magnet", "heart"], rng.randint(1, 2))
            if not self._bought_pack:
                self._bought_pack = True
                wishes.append("coins_500")
            return [*wishes, "go"]
        if screen.name == "ending":
            self._finished = screen.won
            return ["title" if screen.won else "retry"]
        return {"results": ["next"], "quit": ["yes"], "pause": ["resume"]}.get(screen.name, [])

    def _press(self, screen: Any) -> Actions:
        if not self._wishes:
            return Actions()
        names = [button.name for button in screen.menu.buttons]
        at, target = screen.menu.selected, names.index(self._wishes[0])
        if at == target:
            self._wishes.pop(0)
            return Actions(pressed=frozenset({"confirm"}))
        return Actions(pressed=frozenset({"right" if at < target else "left"}))
