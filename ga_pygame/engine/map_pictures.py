"""Keeps pictures of levels for the heatmap, while a game is developed. The picture is written on a worker."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from pathlib import Path

import pygame

from ga_pygame.checks import InvalidEvent
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.engine.png_file import png_of, shrunk
from ga_pygame.map_files import MAX_PICTURE_BYTES, MAX_PICTURE_SIDE, picture_path, pictures_of

MAX_MAPS = 256
"""Maps whose pictures one launch keeps."""
MAX_WAITING_PICTURES = 8
"""Pictures that wait for the worker; a further one is not kept."""
MAX_COPIED_PIXELS = 2**22
"""Pixels that the game's thread copies, in about 5 ms; of a larger surface some rows and columns are left out."""
MAX_SIDE = 65_535
"""Pixels of a surface's sides. Source: `pygame.transform.scale`."""
_LOOK_SECONDS = 0.25


class MapPictures:
    """The keeper (see the module), a worker: `take` is for the game thread, `step` for the worker's.

    Args:
        folder: Where the pictures are kept; `None` keeps none.
        diagnostics: Told once if a picture cannot be written.
    """

    name = "maps"

    def __init__(self, folder: Path | None, diagnostics: Diagnostics) -> None:
        self._folder = folder
        self._diagnostics = diagnostics
        self._taken: set[str] = set()
        self._waiting: deque[tuple[str, tuple[int, int], pygame.Surface]] = deque()
        self._is_finishing = False

    def take(self, surface: object, name: str) -> None:
        """Take a copy of a surface, the first of its name in this launch."""
        if name in self._taken or len(self._taken) >= MAX_MAPS or len(self._waiting) >= MAX_WAITING_PICTURES:
            return
        if not isinstance(surface, pygame.Surface) or not all(0 < side <= MAX_SIDE for side in surface.get_size()):
            words = f"must be a pygame.Surface with sides of 1 to {MAX_SIDE} pixels"
            raise InvalidEvent("surface", surface, words, "ours", "wrong_type")
        size = surface.get_size()
        excess = size[0] * size[1] / MAX_COPIED_PIXELS
        copy = pygame.transform.scale(surface, _smaller(size, excess**-0.5)) if excess > 1 else surface.copy()
        self._taken.add(name)
        self._waiting.append((name, size, copy))

    def step(self, now: float) -> float | None:  # noqa: ARG002 - a worker's step
        """Write the next picture."""
        if self._waiting:
            name, size, surface = self._waiting.popleft()
            try:
                self._write(name, size, surface)
            except (OSError, pygame.error) as error:
                self._diagnostics.warn_once("maps", f"the picture of the map {name!r} is not kept: {error}")
        if self._waiting:
            return 0.0
        return None if self._is_finishing else _LOOK_SECONDS

    def finish(self) -> None:
        """Write what waits; then the next step is the last one."""
        self._is_finishing = True

    def _write(self, name: str, size: tuple[int, int], surface: pygame.Surface) -> None:
        if self._folder is None:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        scale = MAX_PICTURE_SIDE / max(surface.get_size())
        if scale < 1:
            surface = shrunk(surface, _smaller(surface.get_size(), scale))
        while len(content := png_of(surface)) > MAX_PICTURE_BYTES:  # it would not be shown
            surface = shrunk(surface, _smaller(surface.get_size(), 0.9 * (MAX_PICTURE_BYTES / len(content)) ** 0.5))
        path = picture_path(self._folder, name, size)
        part = path.with_name(f".{os.getpid()}-{path.name}")
        try:
            part.write_bytes(content)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        for older in pictures_of(self._folder, name):
            if older.path != path:
                with contextlib.suppress(OSError):
                    older.path.unlink()


def _smaller(size: tuple[int, int], scale: float) -> tuple[int, int]:
    return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))
