"""Checks whether another process blocks a database's shared memory, the file `-shm`.

SQLite retries for ten seconds and more to get a lock there, whatever its busy timeout is; the game thread must not
wait so long. So the system's locks on that file are tested first.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ga_pygame.clock import sleep
from ga_pygame.delivery.outbox import data_folder
from ga_pygame.delivery.outbox.file_lock import POLL_SECONDS, Patience

_FIRST_LOCK, _LOCK_COUNT = 123, 6
"""The locks of a reader and of a process that opens the file. Source: SQLite, WAL-mode File Format."""

_in_use: list[Path] = []


@contextlib.contextmanager
def opening(path: Path) -> Iterator[None]:
    """Note that this process has the database open, unless the block raises."""
    _in_use.append(path)
    try:
        yield
    except BaseException:
        closed(path)
        raise


def closed(path: Path) -> None:
    """Remove the note of one `opening`."""
    with contextlib.suppress(ValueError):
        _in_use.remove(path)


def wait(path: Path, patience: Patience) -> None:
    """Wait until the database can be opened.

    Raises:
        OSError: It is still locked when `patience` ends.
    """
    if sys.platform == "win32" or path in _in_use:  # closing a file of ours there would free SQLite's locks
        return
    while not _is_free(path.with_name(path.name + "-shm")):
        if not patience.left:
            raise OSError(errno.EAGAIN, "another program has locked its shared memory", str(path))
        sleep(min(POLL_SECONDS, patience.left))


def _is_free(path: Path) -> bool:
    if sys.platform == "win32":
        return True
    import fcntl  # noqa: PLC0415 - there is none on Windows

    try:
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return True  # there is no such file yet, or SQLite reports what is wrong
    try:
        data_folder.check_open(file, path)
        fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB, _LOCK_COUNT, _FIRST_LOCK)
    except OSError as error:
        return error.errno not in {errno.EACCES, errno.EAGAIN}
    else:
        return True
    finally:
        os.close(file)
