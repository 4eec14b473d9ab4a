"""Finds out which launches of the game are alive, and what dead ones left.

A launch holds a lock file as long as it lives; when it dies, the system frees the lock. The process that gets a dead
launch's lock, and no other, recovers what it left: open sessions and a journal.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Sequence
from pathlib import Path

from ga_pygame import kept
from ga_pygame.delivery.outbox.contract import DeadLaunch, OutboxError, Told
from ga_pygame.delivery.outbox.file_lock import FileLock
from ga_pygame.delivery.outbox.open_session import OpenSession, launch_of, lost_flows, session_of
from ga_pygame.recording import crash_file, journal_files

_FRESH_SECONDS = 60.0
"""Only a lock file that is older than ours by more is removed: a copy that starts has made a younger one but may not
have locked it yet."""


class Launches:
    """The launches that share a data folder.

    Args:
        folder: The data folder.
        own: The name of this launch.
        told: Told of invalid rows.

    Attributes:
        own: As given.
    """

    def __init__(self, folder: Path, own: str, told: Told) -> None:
        self._folder = folder
        self.own = own
        self._told = told
        self._lock = self._lock_file(own)
        self._dead_locks: dict[str, FileLock] = {}

    def begin(self) -> None:
        """Take this launch's lock, if it is not held yet.

        Raises:
            OutboxError: Another process holds it.
        """
        if self._lock.is_in_place:
            return
        self._lock.release()
        if not self._lock.acquire():
            raise OutboxError(f"{self._lock.path}: another program holds it")

    def end(self, *, keep_file: bool) -> None:
        """Release all locks; this launch counts as dead then."""
        for lock in self._dead_locks.values():
            lock.release()
        if keep_file:  # another outbox of this launch goes on with that file
            self._lock.release()
        else:
            self._lock.remove()

    def journal_of(self, launch: str) -> Path:
        """Return the path of a launch's journal."""
        return journal_files.where(self._folder, launch)

    def dead_launches(self, connection: sqlite3.Connection) -> Sequence[DeadLaunch]:
        """See `Outbox`."""
        rows = self._open_sessions(connection)
        positions = connection.execute("SELECT key FROM key_value WHERE key GLOB ?", (kept.JOURNALS,)).fetchall()
        # After the positions are read: a launch makes its journal first, then stores a position. In another order, the
        # position of a launch that starts now would look like one without a journal and be deleted.
        journals = set(journal_files.launches(self._folder))
        self._sweep_positions(connection, positions, journals)
        crashes = set(crash_file.crashed_launches(self._folder))
        names = ({launch for launch, _ in rows} | journals | crashes) - {self.own}
        dead = [launch for launch in sorted(names) if kept.LAUNCH.fullmatch(launch) and self._take_lock_of(launch)]
        for launch in tuple(dead):
            if (mark := self._ended_mark(launch)).exists():
                connection.execute("DELETE FROM session_end WHERE launch = ?", (launch,))
                mark.unlink(missing_ok=True)
                rows = [row for row in rows if row[0] != launch]
        self._sweep()
        dead_launches = []
        for launch in dead:
            sessions = [session for owner, session in rows if owner == launch]
            path = self.journal_of(launch)
            crash = crash_file.crash_path(self._folder, launch) if launch in crashes else None
            if sessions or path.exists() or crash is not None:
                journal = path if path.exists() else None
                dead_launches.append(DeadLaunch(launch, sessions, journal, crash=crash))
            else:
                self._release_lock_of(launch)
        return dead_launches

    def _open_sessions(self, connection: sqlite3.Connection) -> list[tuple[str, OpenSession]]:
        """Return the open sessions of the file, each with its launch; an invalid row is removed and reported."""
        found = []
        query = "SELECT CAST(session_id AS BLOB), session_end.* FROM session_end"
        for key, *columns in connection.execute(query).fetchall():
            session, launch = session_of(columns), launch_of(columns)
            if session is not None and isinstance(launch, str) and kept.LAUNCH.fullmatch(launch):
                found.append((launch, session))
                if flows := lost_flows(columns[8], session.wallet):
                    self._told.lost(flows, "flows of a wallet make no sense")
                continue
            connection.execute("DELETE FROM session_end WHERE CAST(session_id AS BLOB) IS ?", (key,))
            self._told.lost(1, "the row of an open session makes no sense, so that session never ends")
        return found

    def forget_launch(self, connection: sqlite3.Connection, dead_launch: DeadLaunch) -> None:
        """See `Outbox`."""
        path = self.journal_of(dead_launch.launch)
        if dead_launch.journal is not None:  # else a damaged WAL could undo what is then in no journal any more
            with contextlib.suppress(sqlite3.Error):
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        journal_files.mark_done(path)
        if journal_files.remove(path):  # else the position must stay as long as the file: see `_sweep_positions`
            connection.execute("DELETE FROM key_value WHERE key = ?", (kept.journal_position(dead_launch.launch),))
        if dead_launch.crash is not None:
            with contextlib.suppress(OSError):
                dead_launch.crash.unlink(missing_ok=True)
        self._release_lock_of(dead_launch.launch)

    def _sweep_positions(
        self, connection: sqlite3.Connection, known: Sequence[tuple[str]], journals: Collection[str]
    ) -> None:
        """Delete the positions of journals that are gone, which `forget_launch` could not remove."""
        wanted = {kept.journal_position(launch) for launch in (*journals, self.own)}
        gone = [(key,) for (key,) in known if key not in wanted]
        if gone and len(journals) < journal_files.MAX_JOURNALS:  # else some journals were not looked at
            connection.executemany("DELETE FROM key_value WHERE key = ?", gone)

    def _take_lock_of(self, launch: str) -> bool:
        """Take a dead launch's lock, so that only one process recovers it; false if it is alive."""
        if launch in self._dead_locks:  # it could not be recovered yet
            return True
        lock = self._lock_file(launch)
        try:
            if not lock.acquire():
                return False
        except OSError:  # a foreign file is at that path
            return False
        self._dead_locks[launch] = lock
        return True

    def _release_lock_of(self, launch: str) -> None:
        if (lock := self._dead_locks.pop(launch, None)) is not None:
            lock.remove()

    def mark_ended(self) -> None:
        """Make a mark file: this launch's sessions have ended and were delivered, but the outbox cannot be written."""
        mark = self._ended_mark(self.own)
        mark.touch(mode=0o600)  # an empty file can be made on a full disk
        mark.chmod(0o600)

    def _ended_mark(self, launch: str) -> Path:
        return self._folder / f"ended-{launch}"

    def _sweep(self) -> None:
        """Remove lock files of launches that died without an open session; see `_FRESH_SECONDS`."""
        own = self._lock.path.stat().st_mtime
        for stale in self._folder.glob("launch-*.lock"):
            launch = stale.stem.removeprefix("launch-")
            try:
                is_old = stale.lstat().st_mtime < own - _FRESH_SECONDS
            except OSError:  # another copy removed it after our `glob`, or (on Windows) is removing it
                continue
            if (
                is_old
                and launch not in self._dead_locks
                and kept.LAUNCH.fullmatch(launch)
                and self._take_lock_of(launch)
            ):
                self._release_lock_of(launch)

    def _lock_file(self, launch: str) -> FileLock:
        return FileLock(self._folder / f"launch-{launch}.lock")
