"""Makes the data folder and checks the files in it before they are used.

A file there may belong to another user, be a pipe that blocks whoever opens it, or be a link to an unrelated file.
Such a file is not used; the outbox is in memory then.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

from ga_pygame.paths import private_mode

_FILE_TYPES = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISLNK, "a link"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


def make_private_folder(folder: Path) -> None:
    """Make a folder and its missing parents, all private, whatever the umask is.

    Raises:
        OSError: It cannot be made, or belongs to another user.
    """
    missing = []
    at = folder
    while not os.path.lexists(at):
        missing.append(at)
        at = at.parent
    for one in reversed(missing):
        try:
            one.mkdir(mode=private_mode())
            one.chmod(0o700)  # for a umask that takes the user's own rights
        except FileExistsError:  # another copy of the game made it after our `lexists`
            continue
    found = folder.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "is not a folder", str(folder))
    _check_owner(found, folder)


def check(path: Path) -> None:
    """Check that a file, if it exists, is a plain file of the user; make it private.

    Raises:
        OSError: It is another kind of file, or belongs to another user.
    """
    try:
        found = path.lstat()  # not opened: closing it again would free SQLite's POSIX locks on it
    except FileNotFoundError:
        return
    _check_file(found, path)
    if sys.platform != "win32" and stat.S_IMODE(found.st_mode) & 0o077:
        path.chmod(0o600)


def check_open(file: int, path: Path) -> None:
    """Do the same for an open file, so that nobody can replace the file between check and use."""
    found = os.fstat(file)
    _check_file(found, path)
    if sys.platform != "win32" and stat.S_IMODE(found.st_mode) != 0o600:
        os.fchmod(file, 0o600)


def _check_file(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = next((words for is_kind, words in _FILE_TYPES if is_kind(found.st_mode)), "no file")
        raise OSError(errno.EINVAL, f"is {kind}, not a plain file", str(path))
    _check_owner(found, path)


def _check_owner(found: os.stat_result, path: Path) -> None:
    if sys.platform != "win32" and found.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, f"belongs to user {found.st_uid}, not to the one who plays", str(path))
