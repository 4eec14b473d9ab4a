"""Locks between processes, each a file that one process holds locked as long as it lives.

The system frees the lock when its holder dies, however it dies. If another user can write into the folder, a lock
file may be forged, so it is opened without following links and without waiting, and must belong to the user.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from pathlib import Path

from ga_pygame import forks
from ga_pygame.clock import SystemClock, sleep
from ga_pygame.delivery.outbox import data_folder

MAX_MOVED = 3
"""Foreign files at the path of one lock file that are moved away; a further one is left, and the lock fails."""

POLL_SECONDS = 0.005
"""Time between two tries to get a lock that another process holds."""

_FLAGS = os.O_RDWR | os.O_CREAT
for _name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY", "O_NOINHERIT"):  # the last two are Windows'
    _FLAGS |= getattr(os, _name, 0)

if sys.platform == "win32":
    import msvcrt

    _BUSY_ERRNOS = {errno.EACCES, errno.EDEADLK}

    def _lock(file: int) -> None:
        os.lseek(file, 0, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            # Wine, and so Proton, does not set `errno` if another process holds the lock: it has any old value then.
            # EINVAL is what Windows says of a drive that has no locks.
            if error.errno == errno.EINVAL:
                raise
            raise PermissionError(errno.EACCES, "another process holds the lock") from error

else:
    import fcntl

    _BUSY_ERRNOS = {errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK}

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Patience:
    """A time limit that several waits share.

    Args:
        seconds: The limit; it begins now.
    """

    def __init__(self, seconds: float) -> None:
        self._now = SystemClock().monotonic
        self._end = self._now() + seconds

    @property
    def left(self) -> float:
        """Return the seconds that are left, 0 if there are none."""
        return max(0.0, self._end - self._now())


def acquire_cleared(lock: FileLock, guard: FileLock) -> bool:
    """Take a lock without waiting; move a folder, pipe, link or another user's file at its path aside first.

    Only the holder of `guard` moves anything. Without it, process A could see the foreign file, process B move it
    away, make the lock file and lock it, and A then move B's new lock file.

    Raises:
        OSError: The lock cannot be made.
    """
    try:
        return lock.acquire()
    except OSError:
        if not _is_foreign(lock.path):
            raise
    if not guard.acquire():
        return False
    try:
        if _is_foreign(lock.path):
            names = [lock.path.with_name(f"{lock.path.name}.moved-{number}") for number in range(1, MAX_MOVED + 1)]
            free = next((one for one in names if not os.path.lexists(one)), None)
            if free is None:
                raise FileExistsError(errno.EEXIST, "is no lock file of ours, and comes back", str(lock.path))
            lock.path.rename(free)
        return lock.acquire()
    finally:
        guard.release()


def _is_foreign(path: Path) -> bool:
    """Whether the path exists and is no plain file of the user."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return not stat.S_ISREG(found.st_mode) or (sys.platform != "win32" and found.st_uid != os.geteuid())


class FileLock:
    """One lock between processes. Not for two threads at once.

    Args:
        path: The lock file; made if it is missing, readable by the user only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = -1
        self._pid = 0

    @property
    def is_locked(self) -> bool:
        """Whether this process holds the lock."""
        return self._file >= 0 and self._pid == os.getpid()

    @property
    def is_in_place(self) -> bool:
        """Whether this process holds the lock and its file is still the one at the path."""
        try:
            return self.is_locked and os.path.samestat(os.fstat(self._file), os.stat(self.path))
        except OSError:
            return False

    def acquire(self, patience: Patience | None = None) -> bool:
        """Take the lock; false if another process holds it, also after waiting as long as `patience` allows.

        Raises:
            OSError: The lock cannot be made: no such folder, no locks on this drive, or a foreign file.
        """
        while not self._try():
            if patience is None or not patience.left:
                return False
            sleep(min(POLL_SECONDS, patience.left))
        return True

    def _try(self) -> bool:
        file = os.open(self.path, _FLAGS, 0o600)
        try:
            data_folder.check_open(file, self.path)
            _lock(file)
            # If the last holder removed the file after our `open`, we have locked a file without a name, and another
            # process can make and lock a new one: both would hold "the" lock.
            is_there = os.path.samestat(os.fstat(file), os.stat(self.path))
        except OSError as error:
            os.close(file)
            if error.errno in _BUSY_ERRNOS or isinstance(error, FileNotFoundError):
                return False
            raise
        if not is_there:
            os.close(file)
            return False
        self._file, self._pid = file, os.getpid()
        forks.share(self)
        return True

    def release(self) -> None:
        """Release the lock; do nothing if this process does not hold it."""
        file, self._file = self._file, -1
        if file >= 0 and self._pid == os.getpid():
            with contextlib.suppress(OSError):
                os.close(file)

    def remove(self) -> None:
        """Release the lock and remove its file."""
        if sys.platform == "win32":  # an open file cannot be removed there
            self.release()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
        self.release()

    def let_go(self) -> None:
        """In a forked child: close the file. Unlocking it would free the parent's lock.

        A lock lives as long as any process has its description open. A child that outlives its parent would keep it,
        and no launch could recover the parent's sessions.
        """
        file, self._file = self._file, -1
        if file >= 0:
            with contextlib.suppress(OSError):
                os.close(file)
