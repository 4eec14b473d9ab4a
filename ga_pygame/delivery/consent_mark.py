"""A file beside the outbox that keeps the player's no; it works with a locked or damaged outbox and on a full disk.

If the player agrees again before the outbox could be emptied, the mark names the launch in which that was. This launch
deletes the old data later and keeps its name in the same transaction (`kept.CLEARED_FOR`). So a launch after a kill can
tell whether the outbox still has the old data.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ga_pygame import kept

_OPEN_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class ConsentMark:
    """The mark of one data folder (see the module).

    Args:
        outbox: The path of the outbox.
    """

    def __init__(self, outbox: Path) -> None:
        self._path = outbox.with_name("consent-denied")

    def read(self) -> str | None:
        """Return the name of the launch with the later yes, "" if the answer is no, `None` if there is no mark.

        Raises:
            OSError, ValueError: The folder cannot be read.
        """
        if not os.path.lexists(self._path):
            return None
        try:
            file = os.open(self._path, os.O_RDONLY | _OPEN_FLAGS)
            try:
                launch = os.read(file, 100).decode("ascii", "replace")
            finally:
                os.close(file)
        except OSError:
            return ""
        return launch if kept.LAUNCH.fullmatch(launch) else ""

    def deny(self) -> None:
        """Keep the player's no."""
        self._write(os.O_CREAT | os.O_TRUNC, "")

    def grant(self, launch: str) -> None:
        """Keep the player's yes after a no whose data this launch has still to delete."""
        self._write(os.O_TRUNC, launch)

    def remove(self) -> None:
        """Remove the mark: the data of before the no are deleted."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _write(self, flags: int, text: str) -> None:
        with contextlib.suppress(OSError):
            file = os.open(self._path, os.O_WRONLY | flags | _OPEN_FLAGS, 0o600)
            try:
                os.write(file, text.encode())
            finally:
                os.close(file)
