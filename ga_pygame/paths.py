"""Writes the URI by which SQLite opens a file that it may only read."""

from __future__ import annotations

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
