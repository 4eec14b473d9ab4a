"""Tells PyInstaller where its hook for this package is: the entry point `pyinstaller40`."""

from __future__ import annotations

import os


def get_hook_dirs() -> list[str]:
    """Return the folder with `hook-ga_pygame.py`."""
    return [os.path.dirname(__file__)]
