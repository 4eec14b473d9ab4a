"""Names the running game, for the data folder of a game without keys."""

from __future__ import annotations

import os
import sys
import zlib

_GENERAL = frozenset({"__main__", "main", "game", "app", "run", "start", "play"})
"""File names that do not identify a game; its folder's name is used instead."""
_MAX_NAME = 40


def is_built() -> bool:
    """Return whether the game was built into an executable, which players run; else it runs from source."""
    compiled = getattr(sys.modules.get("__main__"), "__compiled__", None)
    return compiled is not None or bool(getattr(sys, "frozen", False))


def name() -> str:
    """Return a name that is equal at each launch of a game and differs between games.

    It has a readable part and a hash of the main program's path. A game that was built into an executable has no hash:
    its path changes with each launch if the system runs it from another folder (AppImage, the quarantine of macOS,
    one-file builds), and with each version that a player unpacks.
    """
    main = sys.modules.get("__main__")
    compiled = getattr(main, "__compiled__", None)
    if is_built():
        # A one-file build of Nuitka unpacks itself and runs another executable than the player started.
        started = getattr(compiled, "original_argv0", None)
        return _readable(started if isinstance(started, str) and started else sys.executable or "game")
    file = getattr(main, "__file__", None)
    if not isinstance(file, str) or not file:
        here = _here()  # an interactive session, `python -c`, a notebook
        return f"{_readable(here)}-{_hash(here)}"
    file = os.path.realpath(file)
    folder, stem = os.path.split(file)
    is_general = stem.rpartition(".")[0] in _GENERAL
    return f"{_readable(folder if is_general else file)}-{_hash(file)}"


def _here() -> str:
    try:
        return os.getcwd()
    except OSError:  # the folder was removed
        return ""


def _readable(place: str) -> str:
    """Return the last part of a path, with the characters that a folder's name may have."""
    stem = os.path.basename(place)
    for ending in (".exe", ".bin", ".pyw", ".py"):
        stem = stem.removesuffix(ending)
    plain = "".join(one if one.isascii() and (one.isalnum() or one in "-_") else "_" for one in stem[:_MAX_NAME])
    return plain or "game"


def _hash(place: str) -> str:
    return f"{zlib.crc32(os.fsencode(os.path.normcase(place))):08x}"
