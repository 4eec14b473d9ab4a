"""Where journals lie, and how a file there is opened: whoever else can write there is not believed.

On Linux that is a folder of the player's own in the system's shared memory, whose name anybody can guess and make
first. So the folder is opened once, without following a link, and must be ours; a file is opened through it, without
following a link and without waiting for a FIFO's other end, and is looked at after it is open: its owner, kind, links,
mode and size. Another user's folder is left alone; the journal lies in the data folder then, as on other systems.
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

SHARED = Path("/dev/shm")  # noqa: S108 - below it a folder of the user's own
MAX_JOURNALS = 64
"""Journals of dead launches that one launch picks up; the next one takes the others."""

MAX_LISTED = 10_000
"""Names in a folder that are looked at for journals."""

ALL = 2**62
"""The position that says of a journal: nothing in it is wanted any more."""

POSITION = struct.Struct("<Q")
POSITION_AT = 24
STORED = struct.Struct("<QQ")
STORED_AT = 32
_JOURNAL_NAME = re.compile(r"journal-([A-Za-z0-9_-]{1,64})\.ring")
_QUICK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_IS_POSIX = sys.platform != "win32"


class NotOurs(OSError):
    """A file or folder that somebody else made, or that is none."""


def memory_folder(data_folder: Path) -> Path | None:
    """The folder in shared memory that belongs to a data folder; `None` where the system has none.

    Two containers may share this memory and see different disks under one path, so the name holds which folder on
    which disk it is.
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
    """Where a new journal lies: in shared memory, or in the data folder where that place is somebody else's."""
    shared = memory_folder(data_folder)
    if shared is not None:
        with contextlib.suppress(OSError), _opened(shared, make=True):
            return shared
    return data_folder


def folders(data_folder: Path) -> list[Path]:
    """Where the journals of earlier launches may lie."""
    shared = memory_folder(data_folder)
    return [data_folder] if shared is None else [shared, data_folder]


def where(data_folder: Path, launch: str) -> Path:
    """A launch's journal: where it lies, or would lie."""
    name = f"journal-{launch}.ring"
    for one in folders(data_folder):
        with contextlib.suppress(OSError), _opened(one) as inside:
            os.stat(_at(one, name, inside), dir_fd=inside, follow_symlinks=False)
            return one / name
    return folder(data_folder) / name


def launches(data_folder: Path) -> list[str]:
    """The launches that have a journal, at most `MAX_JOURNALS`; in a folder that is not ours there are none."""
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
    """Make a new file that only the user can read and open it.

    Raises:
        OSError: It cannot be made; `NotOurs` where the folder is somebody else's.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _QUICK | _BINARY
    with _opened(path.parent, make=True) as inside:
        return os.open(_at(path.parent, path.name, inside), flags, 0o600, dir_fd=inside)


def read_up_to(path: Path, size: int) -> bytes:
    """The content of a journal; shorter where its end was cut off.

    Raises:
        NotOurs: It is no journal of ours.
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
    """Say in a journal itself that nothing in it is wanted any more; for when it cannot be removed."""
    with contextlib.suppress(OSError), _opened(path.parent) as inside:
        file = _open_ours(path, inside, os.O_WRONLY)
        try:
            os.lseek(file, POSITION_AT, os.SEEK_SET)
            os.write(file, POSITION.pack(ALL))
        finally:
            os.close(file)


def remove(path: Path) -> bool:
    """Remove a journal, and its folder in shared memory where that is empty then; whether it is gone."""
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
    """A file's name for a call that may know its folder already."""
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
    """See to it that an open file is a plain one of our own."""
    if not stat.S_ISREG(found.st_mode):
        raise NotOurs(errno.EINVAL, "is no plain file", str(path))
    if not _IS_POSIX or inside is None:
        return
    around = os.fstat(inside)
    if found.st_nlink != 1:
        raise NotOurs(errno.EPERM, "has another name, too", str(path))
    # On a drive that knows no users, everything belongs to one of them, the folder too.
    if found.st_uid != os.geteuid() and (path.parent.parent == SHARED or found.st_uid != around.st_uid):
        raise NotOurs(errno.EPERM, f"belongs to user {found.st_uid}", str(path))
    if found.st_mode & 0o022 and not around.st_mode & 0o022:
        raise NotOurs(errno.EPERM, "can be written by others", str(path))


@contextlib.contextmanager
def _opened(folder: Path, *, make: bool = False) -> Iterator[int | None]:
    """Open a folder, so that nobody can put another in its place; `None` where the system cannot.

    Raises:
        OSError: There is none, or it is somebody else's.
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
