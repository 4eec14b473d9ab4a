"""Keeps the collector's file usable: notices what happened to it, says so, opens it again or begins a new one.

- Deleted: a new file is begun at its place. What the old one held is gone, which is said.
- Replaced: the file that is there now is used if it is a collector's and sound. Else nothing is stored until somebody
  puts that right.
- Changed from outside: the file is checked. A damaged one is set aside and a new one begun, also at the start.
- Its log deleted: what the log held is still in our hands and is written into the database.
- Full disk, read-only: each commit fails and says so. It goes on with the first one that works.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

from ga_pygame import clock
from ga_pygame.collector.status import Troubles
from ga_pygame.collector.storage.schema import (
    Damaged,
    NotNow,
    StoreError,
    cannot_use,
    connect_to_write,
    is_damage,
    is_ours,
    make_folder,
)
from ga_pygame.collector.storage.watch import FileTrouble, FileWatch
from ga_pygame.collector.teller import Tell

SECONDS_BETWEEN_TRIES = 1.0
"""How long nothing is stored until it is tried again to open a file that cannot be used."""
MAX_LOG_BYTES = 32 * 2**20
"""Bytes of the write-ahead log after which it is copied into the database."""
_FILE_CAUSE = "file"
_SET_ASIDE = "was set aside as {}; a new one was begun"


class Unusable(Exception):
    """There is no file that can be written; the message says why."""


class Keeper:
    """The writing thread's connection, and whether it is still the right one.

    Args:
        path: The file.
        tell: Told, for the developer, what happened to it.
        status: The same for the page.
        use: Called with each connection that is opened, to read what the store needs of the file. A file of which
            that cannot be read is as damaged as one that cannot be opened.

    Raises:
        StoreError: It cannot be opened at the start.
    """

    db: sqlite3.Connection

    def __init__(self, path: Path, tell: Tell, status: Troubles, use: Callable[[sqlite3.Connection], None]) -> None:
        self._path = path
        self._tell = tell
        self._status = status
        self._use = use
        self._watch = FileWatch(path)
        self._monotonic = clock.SystemClock().monotonic
        self._trouble: FileTrouble | None = None
        self._try_at = 0.0
        self.failing = False
        """The last transaction could not be committed."""
        self._version = 0
        self.generation = 0
        self._start()

    def close(self) -> None:
        """Close the connection."""
        self.db.close()

    def look(self) -> None:
        """See whether the file is still the one that is written, and do what is needed if not.

        Raises:
            Unusable: It is not, and it cannot be put right now.
        """
        if self._trouble is None:
            alone = self._is_alone()
            self._trouble = self._watch.trouble(alone=alone)
            if self._trouble is not None and self._trouble.inside:
                self._trouble = self._look_again(self._trouble)
            if self._trouble is None:
                if not alone:
                    self._watch.note()
                return
        now = self._monotonic()
        if now < self._try_at:
            raise Unusable("the collector's file cannot be used")
        self._try_at = now + SECONDS_BETWEEN_TRIES
        self._again(self._trouble)

    def _look_again(self, trouble: FileTrouble) -> FileTrouble | None:
        """See whether it was another process that was just committing: the log changes before its version does."""
        try:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                if self._is_alone():
                    return trouble
                self._watch.note()
                return None
            finally:
                self.db.execute("ROLLBACK")
        except sqlite3.Error as error:
            return None if "locked" in str(error) else trouble  # another process is still writing

    def committed(self) -> None:
        """Note that a transaction was committed.

        Raises:
            Unusable: It went into a file that is not there any more, or that somebody else was writing.
        """
        alone = self._is_alone()
        trouble = self._watch.trouble(alone=False)
        if trouble is None and alone and self._watch.main_changed():
            trouble = FileTrouble("was changed by another program", main=True, inside=True)
        if trouble is not None:
            self._trouble = trouble
            raise Unusable(f"the collector's file {trouble.what}")
        self._watch.note()
        if self.failing:
            self.failing = False
            self._status.clear("commit")
            self._tell(f"{_FILE_CAUSE} works again", "events are stored again")

    def failed(self, error: Exception) -> None:
        """Note that a transaction could not be committed, and why."""
        if not isinstance(error, sqlite3.Error):
            return
        self.failing = True
        why = f"{error} (another program is writing into the file)" if "locked" in str(error) else str(error)
        self._status.tell("commit", f"Events cannot be stored: {why}. Games are told to send them again later.")
        self._watch.note_log()  # what was written of the transaction is in the log, without effect
        if is_damage(error):
            self._trouble = FileTrouble("is damaged", main=True, inside=True)

    def tidy(self, also: Callable[[], bool]) -> None:
        """Do what nobody waits for: `also`, and copy the log into the database when it has become long.

        The last commit is acknowledged already: a program that damaged the file since then must be found by the next
        look, so nothing is noted but what was written here.

        Args:
            also: Writes something or not, and says so.
        """
        if self._watch.trouble(alone=True) is not None:
            return  # the next look finds out why
        has_written = also()
        if self._watch.log_bytes() > MAX_LOG_BYTES:
            self.db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            has_written = True
        if has_written:
            self._watch.note()

    def _is_alone(self) -> bool:
        """Whether no other process has committed since this was asked last."""
        try:
            (version,) = self.db.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            return True
        alone = version == self._version
        self._version = version
        return bool(alone)

    # --- opening it -------------------------------------------------------------------------------------

    def _start(self) -> None:
        """Open the file for the first time; a damaged one of ours is set aside.

        Raises:
            StoreError: It cannot be used.
        """
        try:
            self._connect()
        except Damaged as damage:
            try:
                if not is_ours(self._path):
                    raise damage
                aside = self._watch.set_aside(int(clock.wall_now()))
            except OSError as error:
                raise damage from error
            self._connect()
            self._say(f"is damaged ({damage.__cause__ or damage})", f"It {_SET_ASIDE.format(aside.name)}")

    def _connect(self) -> None:
        """Open the file that is at the path and read what the store needs of it.

        Raises:
            StoreError: It cannot be used.
        """
        db = connect_to_write(self._path)
        try:
            # Only `tidy` copies the log into the database: a commit that changes the database was not ours.
            db.execute("PRAGMA wal_autocheckpoint = 0")
            (self._version,) = db.execute("PRAGMA data_version").fetchone()
            self._use(db)
        except Exception as error:
            db.close()
            raise cannot_use(self._path, error) from error
        self.db = db
        self._watch.begin()
        self.generation += 1

    def _check(self) -> None:
        """Read the whole file once.

        Raises:
            StoreError: It cannot be used.
        """
        try:
            (found,) = self.db.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.Error as error:
            self.db.close()
            raise cannot_use(self._path, error) from error
        if found != "ok":
            self.db.close()
            raise Damaged(f"it is damaged ({str(found)[:100]})")

    def _again(self, trouble: FileTrouble) -> None:
        """Open what is there now.

        Raises:
            Unusable: It cannot be used.
        """
        if not trouble.main and not trouble.inside:
            with contextlib.suppress(sqlite3.Error):  # the log's file is gone, but we still hold it open
                self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        with contextlib.suppress(sqlite3.Error):
            self.db.close()
        try:
            if not trouble.inside:
                self._watch.remove_leftovers()
            make_folder(self._path.parent)
            what = self._open_checked(trouble)
        except (StoreError, sqlite3.Error, OSError) as error:
            self._say(f"{trouble.what}, and it cannot be used: {error}. Nothing is stored until that is put right", "")
            raise Unusable(f"the collector's file {trouble.what}") from error
        self._trouble = None
        self._say(trouble.what, what)

    def _open_checked(self, trouble: FileTrouble) -> str:
        """Open the file that is there, or a new one; returns what was done."""
        existed = self._path.exists()
        own = existed and (trouble.inside or not trouble.main)
        try:
            if own and not self._path.stat().st_size:  # readers have it open, so it must not become a new database
                raise Damaged("it is empty")
            self._connect()
            self._check()
        except NotNow:
            raise
        except StoreError:
            if not own:
                raise
            # It is our own file that was spoiled; what was put there in its place is somebody's and stays.
            aside = self._watch.set_aside(int(clock.wall_now()))
            self._connect()
            return f"It is damaged and {_SET_ASIDE.format(aside.name)}{self._number()}"
        if not existed:
            return f"A new one was begun{self._number()}; what it held is gone"
        return f"What is there now was checked and is used{self._number()}"

    def _number(self) -> str:
        """What makes the same message of a later time another one, so that it is told again."""
        return f" (file {self.generation} of this run)"

    def _say(self, happened: str, done: str) -> None:
        text = f"The file {self._path} {happened}." + (f" {done}." if done else "")
        self._tell(_FILE_CAUSE, text)
        self._status.tell(_FILE_CAUSE, text)
