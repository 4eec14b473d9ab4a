"""PNG files that are made on a worker: the same pixels, and other threads go on meanwhile."""

from __future__ import annotations

import io
import random
import threading

import pygame
import pytest

from ga_pygame.clock import sleep
from ga_pygame.engine.png_file import png_of, shrunk


def surface(kind: str) -> pygame.Surface:
    flags, depth = {"plain": (0, 32), "alpha": (pygame.SRCALPHA, 32), "old": (0, 8), "16": (0, 16)}.get(kind, (0, 32))
    made = pygame.Surface((300, 400), flags, depth)
    rng = random.Random(kind)
    for _ in range(200):
        colour = (rng.randrange(256), rng.randrange(256), rng.randrange(256), rng.randrange(256))
        made.fill(colour, (rng.randrange(300), rng.randrange(400), 40, 40))
    if kind == "key":
        made.set_colorkey(made.get_at((150, 200)))
    return made.subsurface((10, 20, 201, 350)) if kind == "sub" else made


def pixels(made: pygame.Surface, *, has_alpha: bool) -> bytes:
    return pygame.image.tobytes(made, "RGBA" if has_alpha else "RGB")


@pytest.mark.parametrize("kind", ["plain", "alpha", "old", "16", "key", "sub"])
def test_the_file_has_the_pixels(kind: str) -> None:
    """Whatever the surface's format, in all stripes, with its clear parts."""
    made = surface(kind)
    read = pygame.image.load(io.BytesIO(png_of(made)), "a.png")
    has_alpha = kind in ("alpha", "key")
    assert read.get_size() == made.get_size()
    assert pixels(read, has_alpha=has_alpha) == pixels(made, has_alpha=has_alpha)
    assert bool(read.get_flags() & pygame.SRCALPHA) == has_alpha


def test_a_smaller_copy() -> None:
    """One colour stays that colour, in all stripes."""
    large = pygame.Surface((900, 800), depth=8)
    large.fill((200, 0, 0))
    small = shrunk(large, (90, 80))
    assert small.get_size() == (90, 80)
    assert {abs(small.get_at((45, y)).r - large.get_at((0, 0)).r) < 8 for y in range(80)} == {True}


def test_other_threads_go_on() -> None:
    """The GIL is released again and again, so the game never waits for all of a picture."""
    noisy = pygame.Surface((1024, 1024))
    noisy.get_buffer().write(random.Random(1).randbytes(4 * 1024 * 1024), 0)
    begins = threading.Event()

    def work() -> None:
        begins.wait()
        sleep(0.01)  # until the other thread has the GIL
        png_of(shrunk(noisy, (1000, 1000)))

    worker = threading.Thread(target=work)
    worker.start()
    begins.set()
    turns = 0
    while worker.is_alive():
        turns += 1
        sleep(0.001)
    assert turns > 25  # those of the wait are ten
