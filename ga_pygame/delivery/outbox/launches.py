"""Which launches of the game live, and what those left behind that died.

A launch holds a lock file as long as it lives; the system frees it. Who gets a dead launch's lock, and only that one,
looks after what it left: open sessions, a journal.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Sequence
from pathlib import Path

from ga_pygame import kept
from ga_pygame.delivery.outbox.contract import DeadLaunch, OutboxError, Told
from ga_pygame.delivery.outbox.file_lock import FileLock
from ga_pygame.delivery.outbox.open_session import OpenSession, lost_flows, session_of
from ga_pygame.recording import journal_files

_FRESH_SECONDS = 60.0
"""A lock file that is younger than ours by less may belong to a copy that is just starting and does not hold it yet."""


class Launches:
    """The launches that share a data folder.

    Args:
        folder: The data folder.
        own: This launch's name.
        told: Told of rows that make no sense.

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
        """Say that we live, if that is not said yet.

        Raises:
            OutboxError: Another process says so under our name.
        """
        if self._lock.is_in_place:
            return
        self._lock.release()
        if not self._lock.acquire():
            raise OutboxError(f"{self._lock.path}: another program holds it")

    def end(self, *, keep_file: bool) -> None:
        """Say that we are gone."""
        for lock in self._dead_locks.values():
            lock.release()
        if keep_file:  # another outbox of this launch holds the file of that name
            self._lock.release()
        else:
            self._lock.remove()

    def journal_of(self, launch: str) -> Path:
        """Where that launch notes its records."""
        return journal_files.where(self._folder, launch)

    def dead_launches(self, connection: sqlite3.Connection) -> Sequence[DeadLaunch]:
        """See `Outbox`."""
        rows = self._open_sessions(connection)
        positions = connection.execute("SELECT key FROM key_value WHERE key GLOB ?", (kept.JOURNALS,)).fetchall()
        journals = set(journal_files.launches(self._folder))  # later: who has a position has had a journal before
        self._sweep_positions(connection, positions, journals)
        names = ({launch for launch, _ in rows} | journals) - {self.own}
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
            if sessions or path.exists():
                dead_launches.append(DeadLaunch(launch, sessions, path if path.exists() else None))
            else:
                self._release_lock_of(launch)
        return dead_launches

    def _open_sessions(self, connection: sqlite3.Connection) -> list[tuple[str, OpenSession]]:
        """Sessions that are open in the file, each with its launch; a row that makes no sense is removed and told."""
        found = []
        query = "SELECT CAST(session_id AS BLOB), session_end.* FROM session_end"
        for key, *columns, launch in connection.execute(query).fetchall():
            session = session_of(tuple(columns))
            if session is not None and isinstance(launch, str) and kept.LAUNCH.fullmatch(launch):
                found.append((launch, session))
                if columns[6] and not session.annotations:
                    self._told.lost(1, "the row of an open session names no player, so it ends unsaid")
                if flows := lost_flows(columns[8], session.wallet):
                    self._told.lost(flows, "flows of a wallet make no sense")
                continue
            connection.execute("DELETE FROM session_end WHERE CAST(session_id AS BLOB) IS ?", (key,))
            self._told.lost(1, "the row of an open session makes no sense, so that session never ends")
        return found

    def forget_launch(self, connection: sqlite3.Connection, dead_launch: DeadLaunch) -> None:
        """See `Outbox`."""
        path = self.journal_of(dead_launch.launch)
        if dead_launch.journal is not None:  # so that a damaged WAL cannot undo what no journal has any more
            with contextlib.suppress(sqlite3.Error):
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        journal_files.mark_done(path)
        if journal_files.remove(path):  # else its position has to outlive it: see `_sweep_positions`
            connection.execute("DELETE FROM key_value WHERE key = ?", (kept.journal_position(dead_launch.launch),))
        self._release_lock_of(dead_launch.launch)

    def _sweep_positions(
        self, connection: sqlite3.Connection, known: Sequence[tuple[str]], journals: Collection[str]
    ) -> None:
        """Forget positions in journals that are gone; some could not be removed when their launch was buried."""
        wanted = {kept.journal_position(launch) for launch in (*journals, self.own)}
        gone = [(key,) for (key,) in known if key not in wanted]
        if gone and len(journals) < journal_files.MAX_JOURNALS:  # else some journals were not looked at
            connection.executemany("DELETE FROM key_value WHERE key = ?", gone)

    def _take_lock_of(self, launch: str) -> bool:
        """Hold a dead launch's lock, so that one process alone picks up what it left; false where it lives."""
        lock = self._lock_file(launch)
        try:
            if launch in self._dead_locks or not lock.acquire():
                return False
        except OSError:  # a file that is not ours has that name
            return False
        self._dead_locks[launch] = lock
        return True

    def _release_lock_of(self, launch: str) -> None:
        if (lock := self._dead_locks.pop(launch, None)) is not None:
            lock.remove()

    def mark_ended(self) -> None:
        """Say beside the file, which cannot be written, that this launch's sessions are over and delivered."""
        mark = self._ended_mark(self.own)
        mark.touch(mode=0o600)  # an empty file finds room on a full disk
        mark.chmod(0o600)

    def _ended_mark(self, launch: str) -> Path:
        return self._folder / f"ended-{launch}"

    def _sweep(self) -> None:
        """Remove lock files of launches that died without an open session.

        A file younger than ours may belong to a copy that is just starting and does not hold it yet.
        """
        own = self._lock.path.stat().st_mtime
        for stale in self._folder.glob("launch-*.lock"):
            launch = stale.stem.removeprefix("launch-")
            try:
                is_old = stale.lstat().st_mtime < own - _FRESH_SECONDS
            except FileNotFoundError:  # another copy has removed it just now
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
