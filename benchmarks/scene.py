"""A small game at 240 frames a second, for measurements in a frame."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

MARK = "benchmark"
"""A part of each event's name, by which a server counts events."""
FPS = 240
EVENTS_PER_FRAME = 5
NAMES = tuple(f"{MARK}:e{number}:hit" for number in range(64))


class Scene:
    """Sixty bouncing sprites in an invisible window."""

    def __init__(self) -> None:
        import pygame

        self._pygame: Any = pygame
        pygame.display.init()
        self._screen = pygame.display.set_mode((640, 360))
        self._sprite = pygame.Surface((16, 16))
        self._sprite.fill((200, 80, 40))
        self._places = [[float(n * 10 % 620), float(n * 7 % 340), 1.0 + n % 3, 1.0 + n % 2] for n in range(60)]

    def frame(self) -> None:
        """Run a frame: events, movement, drawing, flip."""
        pygame = self._pygame
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                return
        self._screen.fill((20, 24, 32))
        for place in self._places:
            place[0] = (place[0] + place[2]) % 624
            place[1] = (place[1] + place[3]) % 344
            self._screen.blit(self._sprite, (int(place[0]), int(place[1])))
        pygame.display.flip()


def play(seconds: float, frame: Callable[[int], None]) -> list[float]:
    """Call `frame(number)` 240 times a second; return the time of each from when it was due to its end, in ms.

    A late wake-up of the thread (because another one holds the GIL) counts, as it does for a player. A late frame is
    not made up for. A contestant that blocks the game gets twice the time.
    """
    times: list[float] = []
    step = 1 / FPS
    due = time.perf_counter() + step
    last = due + 2 * seconds
    for number in range(int(seconds * FPS)):
        wait = due - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        frame(number)
        end = time.perf_counter()
        times.append((end - due) * 1000)
        due = max(due + step, end)
        if end > last:
            break
    return times
