"""Detect that the collector's file was deleted, replaced or changed by another program.

SQLite goes on writing into a file that was deleted or overwritten and reports success, but these commits are lost. So
the store checks before and after each commit, and regularly while it is idle.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = ("", "-wal", "-shm")
"""Suffixes of the database, its write-ahead log and the index of the log."""
_Stamp = tuple[int, int, int, int]
"""Device, inode, size, time of the last change in ns."""


@dataclass(frozen=True, slots=True)
class FileTrouble:
    """Something that happened to the file.

    Attributes:
        what: In words that follow the file's name.
        main: It happened to the database itself, not only to its log.
        inside: The content was changed; else the file is missing or another one.
    """

    what: str
    main: bool
    inside: bool


class FileWatch:
    """The state of the three files after the last commit; for the writing thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._paths = {suffix: f"{path}{suffix}" for suffix in SUFFIXES}
        self._noted: dict[str, _Stamp | None] = {}

    def begin(self) -> None:
        """Note the files that are there now: they were just opened."""
        self._noted = {}
        self.note()

    def note(self) -> None:
        """Note the present state of the files. A file that was deleted or replaced meanwhile keeps its old state."""
        for suffix in SUFFIXES:
            self._note(suffix)

    def note_log(self) -> None:
        """Note the present state of the log only."""
        self._note("-wal")

    def _note(self, suffix: str) -> None:
        before, now = self._noted.get(suffix), _stamp(self._paths[suffix])
        if before is None or (now is not None and now[:2] == before[:2]):
            self._noted[suffix] = now

    def trouble(self, *, alone: bool) -> FileTrouble | None:
        """Compare the files with their noted state; `None` if all is well.

        Args:
            alone: No other process wrote with SQLite meanwhile, so a change comes from another program.
        """
        for suffix in SUFFIXES:
            before = self._noted.get(suffix)
            if before is None:  # there was no log yet
                continue
            now = _stamp(self._paths[suffix])
            name = "" if not suffix else f" (its {suffix} file)"
            if now is None:
                return FileTrouble(f"was deleted{name}", main=not suffix, inside=False)
            if now[:2] != before[:2]:
                return FileTrouble(f"was replaced by another file{name}", main=not suffix, inside=False)
            if alone and suffix != "-shm" and now != before:
                return FileTrouble(f"was changed by another program{name}", main=not suffix, inside=True)
        return None

    def main_changed(self) -> bool:
        """Whether the database itself was written. A commit writes only the log."""
        return _stamp(self._paths[""]) != self._noted.get("")

    def remove_leftovers(self) -> None:
        """Remove the log of a database that is gone: SQLite would apply it to the next one."""
        for suffix in SUFFIXES[1:]:
            beside = Path(f"{self._path}{suffix}")
            before, now = self._noted.get(suffix), _stamp(beside)
            if before is not None and now is not None and before[:2] == now[:2]:
                beside.unlink(missing_ok=True)

    def log_bytes(self) -> int:
        """Return the size of the write-ahead log."""
        now = _stamp(self._paths["-wal"])
        return now[2] if now else 0

    def set_aside(self, number: int) -> Path:
        """Rename the files, so that their content can still be examined; return the database's new path."""
        while Path(f"{self._path}.damaged-{number}").exists():
            number += 1
        aside = Path(f"{self._path}.damaged-{number}")
        for suffix in SUFFIXES:
            beside = Path(f"{self._path}{suffix}")
            if beside.exists():
                beside.replace(f"{aside}{suffix}")
        return aside


def _stamp(path: str | Path) -> _Stamp | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
