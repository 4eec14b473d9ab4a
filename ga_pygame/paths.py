"""Paths and modes of files as each system needs them."""

from __future__ import annotations

import sys
import urllib.parse
from pathlib import PurePath


def sqlite_uri(path: PurePath, how: str) -> str:
    """Return the URI of a file, with an empty authority: SQLite refuses the one of a network drive in `as_uri()`.

    Args:
        path: The file's absolute path, of any system.
        how: The URI's parameters, e.g. `mode=ro`.
    """
    text = urllib.parse.quote(path.as_posix(), safe="/:", errors="surrogateescape")
    return f"file://{'' if text.startswith('/') else '/'}{text}?{how}"


def private_mode() -> int:
    """Return the mode with which a folder is made that only the user can read.

    On Windows a user's folders are private by the rights of their parent. With 0o700, Python 3.12.4 and later give
    rights to the owner and to administrators only; if the game was once run as administrator, the player had none.
    """
    return 0o777 if sys.platform == "win32" else 0o700
