"""Keeps pictures of levels for the heatmap, while a game is developed. The picture is written on a worker."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from pathlib import Path

import pygame

from ga_pygame.diagnostics import Diagnostics
from ga_pygame.map_files import MAX_PICTURE_SIDE, picture_path, pictures_of

MAX_MAPS = 256
"""Maps whose pictures one launch keeps."""
MAX_WAITING_PICTURES = 8
"""Pictures that wait for the worker; a further one is not kept."""
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
        self._waiting: deque[tuple[str, pygame.Surface]] = deque()
        self._is_finishing = False

    def take(self, surface: pygame.Surface, name: str) -> None:
        """Take a copy of a surface, the first of its name in this launch."""
        if name in self._taken or len(self._taken) >= MAX_MAPS or len(self._waiting) >= MAX_WAITING_PICTURES:
            return
        copy = surface.copy()
        self._taken.add(name)
        self._waiting.append((name, copy))

    def step(self, now: float) -> float | None:  # noqa: ARG002 - a worker's step
        """Write the next picture."""
        if self._waiting:
            name, surface = self._waiting.popleft()
            try:
                self._write(name, surface)
            except (OSError, pygame.error) as error:
                self._diagnostics.warn_once("maps", f"the picture of the map {name!r} is not kept: {error}")
        if self._waiting:
            return 0.0
        return None if self._is_finishing else _LOOK_SECONDS

    def finish(self) -> None:
        """Write what waits; then the next step is the last one."""
        self._is_finishing = True

    def _write(self, name: str, surface: pygame.Surface) -> None:
        if self._folder is None:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        size = surface.get_size()
        scale = MAX_PICTURE_SIDE / max(*size, 1)
        if scale < 1:
            smaller = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
            plain = pygame.Surface(size, pygame.SRCALPHA, 32)  # whatever the surface's format, and without a window
            plain.blit(surface, (0, 0))
            surface = pygame.transform.smoothscale(plain, smaller)
        path = picture_path(self._folder, name, size)
        part = path.with_name(f".{os.getpid()}-{path.name}")
        try:
            pygame.image.save(surface, str(part))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        for older in pictures_of(self._folder, name):
            if older.path != path:
                with contextlib.suppress(OSError):
                    older.path.unlink()
