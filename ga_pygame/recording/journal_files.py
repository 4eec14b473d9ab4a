"""Finds, opens and checks the files of journals.

On Linux they are in a folder of the user's own in the system's shared memory. Any other user can guess its name and
make it first. So the folder is opened once, without following a link, and must be ours; a file is opened through it,
without following a link or waiting for the other end of a FIFO, and is checked after the open: owner, type, links,
mode and size. If the folder is another user's, the journal is in the data folder, as on other systems.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

SHARED = Path("/dev/shm")  # noqa: S108 - in it a folder of the user's own
MAX_JOURNALS = 64
"""Journals of dead launches that one launch recovers; the next one takes the others."""

MAX_LISTED = 10_000
"""Names in a folder that are searched for journals."""

ALL = 2**62
"""The position that marks a journal as done: all its records are committed or unwanted."""

POSITION = struct.Struct("<Q")
POSITION_AT = 24
STORED = struct.Struct("<QQ")
STORED_AT = 32
SEED_AT = 48
_JOURNAL_NAME = re.compile(r"journal-([A-Za-z0-9_-]{1,64})\.ring")
_QUICK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_IS_POSIX = sys.platform != "win32"


class NotOurs(OSError):
    """A file or folder belongs to another user, or has the wrong type."""


def memory_folder(data_folder: Path) -> Path | None:
    """Return the folder in shared memory for a data folder; `None` if the system has no shared memory.

    Two containers may share the memory and see different disks at one path, so the name includes the device and inode
    of the data folder.
    """
    if sys.platform != "linux" or not os.access(SHARED, os.W_OK):
        return None
    path = os.path.realpath(data_folder)
    try:
        found = os.stat(path)
        place = f"{found.st_dev:x}-{found.st_ino:x}"
    except OSError:
        place = "0"
    return SHARED / f"ga_pygame-{os.geteuid()}-{zlib.crc32(os.fsencode(path)):08x}-{place}"


def folder(data_folder: Path) -> Path:
    """Return the folder for a new journal: in shared memory, or the data folder if that one is another user's."""
    shared = memory_folder(data_folder)
    if shared is not None:
        with contextlib.suppress(OSError), _opened(shared, make=True):
            return shared
    return data_folder


def folders(data_folder: Path) -> list[Path]:
    """Return the folders that may have journals of earlier launches."""
    shared = memory_folder(data_folder)
    return [data_folder] if shared is None else [shared, data_folder]


def where(data_folder: Path, launch: str) -> Path:
    """Return the path of a launch's journal, also if it is not made yet."""
    name = f"journal-{launch}.ring"
    for one in folders(data_folder):
        with contextlib.suppress(OSError), _opened(one) as inside:
            os.stat(_at(one, name, inside), dir_fd=inside, follow_symlinks=False)
            return one / name
    return folder(data_folder) / name


def launches(data_folder: Path) -> list[str]:
    """Return the launches that have a journal, at most `MAX_JOURNALS`; another user's folder is skipped."""
    found: list[str] = []
    for one in folders(data_folder):
        with (
            contextlib.suppress(OSError),
            _opened(one) as inside,
            os.scandir(one if inside is None else inside) as all_,
        ):
            for _, entry in zip(range(MAX_LISTED), all_, strict=False):
                match = _JOURNAL_NAME.fullmatch(entry.name)
                if match is not None and len(found) < MAX_JOURNALS:
                    found.append(match[1])
    return found


def make(path: Path) -> int:
    """Make a new file that only the user can read; return it open.

    Raises:
        OSError: It cannot be made; `NotOurs` if the folder is another user's.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _QUICK | _BINARY
    with _opened(path.parent, make=True) as inside:
        return os.open(_at(path.parent, path.name, inside), flags, 0o600, dir_fd=inside)


def read_up_to(path: Path, size: int) -> bytes:
    """Read a journal; the result is shorter if the file was truncated.

    Raises:
        NotOurs: The file is too large, of another type or another user's.
        OSError: It cannot be read.
    """
    with _opened(path.parent) as inside:
        file = _open_ours(path, inside, os.O_RDONLY)
        try:
            found = os.fstat(file)
            if found.st_size > size:
                raise NotOurs(errno.EINVAL, f"has {found.st_size} bytes, a journal has {size}", str(path))
            content = bytearray()
            while len(content) < size and (part := os.read(file, size - len(content))):
                content += part
            return bytes(content)
        finally:
            os.close(file)


def mark_done(path: Path) -> None:
    """Mark a journal as done, in case it cannot be removed."""
    with contextlib.suppress(OSError), _opened(path.parent) as inside:
        file = _open_ours(path, inside, os.O_WRONLY)
        try:
            os.lseek(file, POSITION_AT, os.SEEK_SET)
            os.write(file, POSITION.pack(ALL))
        finally:
            os.close(file)


def remove(path: Path) -> bool:
    """Remove a journal, and its folder in shared memory if that is empty; return whether the journal is gone."""
    try:
        with _opened(path.parent) as inside:
            os.unlink(_at(path.parent, path.name, inside), dir_fd=inside)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    if path.parent.parent == SHARED:
        with contextlib.suppress(OSError):
            path.parent.rmdir()
    return True


def _at(folder: Path, name: str, inside: int | None) -> str:
    """Return a file's name for a call with `dir_fd=inside`; the whole path if `inside` is `None`."""
    return name if inside is not None else str(folder / name)


def _open_ours(path: Path, inside: int | None, flags: int) -> int:
    file = os.open(_at(path.parent, path.name, inside), flags | _QUICK | _BINARY, dir_fd=inside)
    try:
        _check(path, os.fstat(file), inside)
    except BaseException:
        os.close(file)
        raise
    return file


def _check(path: Path, found: os.stat_result, inside: int | None) -> None:
    """Check that an open file is a plain file of the user."""
    if not stat.S_ISREG(found.st_mode):
        raise NotOurs(errno.EINVAL, "is no plain file", str(path))
    if not _IS_POSIX or inside is None:
        return
    around = os.fstat(inside)
    if found.st_nlink != 1:
        raise NotOurs(errno.EPERM, "has another name, too", str(path))
    # A drive without users gives all files, and the folder, one owner.
    if found.st_uid != os.geteuid() and (path.parent.parent == SHARED or found.st_uid != around.st_uid):
        raise NotOurs(errno.EPERM, f"belongs to user {found.st_uid}", str(path))
    if found.st_mode & 0o022 and not around.st_mode & 0o022:
        raise NotOurs(errno.EPERM, "can be written by others", str(path))


@contextlib.contextmanager
def _opened(folder: Path, *, make: bool = False) -> Iterator[int | None]:
    """Open a folder, so that another user cannot replace it meanwhile; `None` on Windows.

    Raises:
        OSError: It does not exist, or is another user's.
    """
    if not _IS_POSIX:
        yield None
        return
    is_shared = folder.parent == SHARED
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
    flags = os.O_RDONLY | os.O_DIRECTORY | getattr(os, "O_CLOEXEC", 0) | (os.O_NOFOLLOW if is_shared else 0)
    file = os.open(folder, flags)
    try:
        found = os.fstat(file)
        if is_shared and found.st_uid != os.geteuid():
            raise NotOurs(errno.EPERM, f"belongs to user {found.st_uid}", str(folder))
        if is_shared and stat.S_IMODE(found.st_mode) != 0o700:
            os.fchmod(file, 0o700)
        yield file
    finally:
        os.close(file)
