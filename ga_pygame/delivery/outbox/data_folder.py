"""The folder in which events wait: how it is made, and what may lie in it.

A file there may be somebody else's, or no file at all: another user's, a pipe that blocks whoever opens it, a link to
a file that has nothing to do with us. Such a place is not used; the outbox is in memory then.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

_FILE_TYPES = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISLNK, "a link"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


def make_private_folder(folder: Path) -> None:
    """Make a folder and what is missing above it, each for the user only, whatever the umask is.

    Raises:
        OSError: It cannot be made, or is not ours.
    """
    missing = []
    at = folder
    while not os.path.lexists(at):
        missing.append(at)
        at = at.parent
    for one in reversed(missing):
        try:
            one.mkdir(mode=0o700)
            one.chmod(0o700)  # a umask that takes the user's own rights
        except FileExistsError:  # another copy of the game makes it at the same moment
            continue
    found = folder.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "is not a folder", str(folder))
    _check_owner(found, folder)


def check(path: Path) -> None:
    """See to it that a file, if it is there, is a plain file of the user, and private.

    Raises:
        OSError: It is not.
    """
    try:
        found = path.lstat()  # not opened: to close it again would free the locks that SQLite has on it
    except FileNotFoundError:
        return
    _check_file(found, path)
    if sys.platform != "win32" and stat.S_IMODE(found.st_mode) & 0o077:
        path.chmod(0o600)


def check_open(file: int, path: Path) -> None:
    """The same for a file that is open, so that it is that file which is checked."""
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
