"""Whether another process keeps everybody from a database's shared memory, the file `-shm`.

SQLite tries by itself for ten seconds and more to get a lock there, whatever it was told about waiting; the game thread
must not. So it is looked at first, with the system's own locks.
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
"""The locks that a reader needs, and the one of whoever opens the file. Source: SQLite, WAL-mode File Format."""

_in_use: list[Path] = []


@contextlib.contextmanager
def opening(path: Path) -> Iterator[None]:
    """Remember that this process has that database open from now on, if opening succeeds."""
    _in_use.append(path)
    try:
        yield
    except BaseException:
        closed(path)
        raise


def closed(path: Path) -> None:
    """Forget one opening."""
    with contextlib.suppress(ValueError):
        _in_use.remove(path)


def wait(path: Path, patience: Patience) -> None:
    """Wait until the database can be opened.

    Raises:
        OSError: It cannot, after all that time.
    """
    if sys.platform == "win32" or path in _in_use:  # to close any file of ours there would free SQLite's own locks
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
        return True  # there is none yet, or SQLite says what is wrong with it
    try:
        data_folder.check_open(file, path)
        fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB, _LOCK_COUNT, _FIRST_LOCK)
    except OSError as error:
        return error.errno not in {errno.EACCES, errno.EAGAIN}
    else:
        return True
    finally:
        os.close(file)
