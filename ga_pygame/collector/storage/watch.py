"""Whether the collector's file is still the one that it writes.

SQLite goes on writing into a file that was deleted, and into one that was overwritten, and says that all is well:
what is committed then is gone. So the store asks here before and after each commit, and while it has nothing to do.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = ("", "-wal", "-shm")
"""The database, its write-ahead log, and the log's index, which lie side by side."""
_Stamp = tuple[int, int, int, int]
"""Device, inode, size, time of the last change in ns."""


@dataclass(frozen=True, slots=True)
class FileTrouble:
    """What happened to the file.

    Attributes:
        what: In words, behind the file's name.
        main: It happened to the database itself, not only to its log.
        inside: What is in a file was changed; else there is no file any more, or another one.
    """

    what: str
    main: bool
    inside: bool


class FileWatch:
    """The three files as they were after the last commit; for the writing thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._paths = {suffix: f"{path}{suffix}" for suffix in SUFFIXES}
        self._noted: dict[str, _Stamp | None] = {}

    def begin(self) -> None:
        """Take the files that are there now for right: they were just opened."""
        self._noted = {}
        self.note()

    def note(self) -> None:
        """Take what is in the files now for right; one that was deleted or replaced meanwhile stays wrong."""
        for suffix in SUFFIXES:
            before, now = self._noted.get(suffix), _stamp(self._paths[suffix])
            if before is None or (now is not None and now[:2] == before[:2]):
                self._noted[suffix] = now

    def note_log(self) -> None:
        """Take what is in the log now for right, but nothing else."""
        before, now = self._noted.get("-wal"), _stamp(self._paths["-wal"])
        if before is None or (now is not None and now[:2] == before[:2]):
            self._noted["-wal"] = now

    def trouble(self, *, alone: bool) -> FileTrouble | None:
        """What is wrong, `None` if nothing is.

        Args:
            alone: Nobody else wrote with SQLite meanwhile, so that every change is one from outside.
        """
        for suffix in SUFFIXES:
            before = self._noted.get(suffix)
            if before is None:  # the log was not there yet
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
        """Whether the database itself was written, which a commit does not do: it writes the log."""
        return _stamp(self._paths[""]) != self._noted.get("")

    def remove_leftovers(self) -> None:
        """Remove the log of a database that is not there any more: SQLite would write it into the next one."""
        for suffix in SUFFIXES[1:]:
            beside = Path(f"{self._path}{suffix}")
            before, now = self._noted.get(suffix), _stamp(beside)
            if before is not None and now is not None and before[:2] == now[:2]:
                beside.unlink(missing_ok=True)

    def log_bytes(self) -> int:
        """The size of the write-ahead log."""
        now = _stamp(self._paths["-wal"])
        return now[2] if now else 0

    def set_aside(self, number: int) -> Path:
        """Give the files another name, so that what is in them can still be looked at; returns the database's."""
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
