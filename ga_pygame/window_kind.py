"""Tells a window in which pygame draws from one of OPENGL, which shows nothing that pygame draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pygame


def is_of_opengl(update: Callable[..., Any] | None = None) -> bool:
    """Return whether the game's window is one of OPENGL. Game thread only.

    Its flags do not tell: SDL shows most windows by OpenGL, and their flags have `pygame.OPENGL`, too. An update of no
    part shows nothing, and is refused for a window of OPENGL alone.

    Args:
        update: `pygame.display.update`, without a wrapper.
    """
    try:
        (update or pygame.display.update)([])
    except pygame.error:
        return bool(pygame.display.get_init()) and pygame.display.get_surface() is not None
    return False
