"""Keep the collector's file usable: notice what happened to it, tell the developer, reopen it or begin a new one.

- Deleted: a new file is begun at its path. The content of the old one is lost, and the message says so.
- Replaced: the file that is there now is used if it is a collector's and not damaged. Else nothing is stored until
  somebody repairs that.
- Changed by another program: the file is checked. A damaged one is set aside and a new one begun, also at the start.
- Its log deleted: the open handle still reads the log, so its content is written into the database.
- Full or read-only disk: each commit fails and says so. Storing goes on with the first commit that works.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

from ga_pygame import clock
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
from ga_pygame.collector.troubles import Troubles

SECONDS_BETWEEN_TRIES = 1.0
"""Time between two tries to open a file that cannot be used; nothing is stored meanwhile."""
MAX_LOG_BYTES = 32 * 2**20
"""Bytes of the write-ahead log after which it is copied into the database."""
_FILE_CAUSE = "file"
_SET_ASIDE = "was set aside as {}; a new one was begun"


class Unusable(Exception):
    """No file can be written; the message says why."""


class Keeper:
    """The connection of the writing thread, with the checks that its file is still the right one.

    Args:
        path: The file.
        tell: Called to tell the developer what happened to the file.
        troubles: Shows the same on the page.
        use: Called with each connection that is opened, to read what the store needs. If it raises, the file counts as
            damaged, as one that cannot be opened.

    Raises:
        StoreError: The file cannot be opened at the start.
    """

    db: sqlite3.Connection

    def __init__(self, path: Path, tell: Tell, troubles: Troubles, use: Callable[[sqlite3.Connection], None]) -> None:
        self._path = path
        self._tell = tell
        self._troubles = troubles
        self._use = use
        self._watch = FileWatch(path)
        self._monotonic = clock.SystemClock().monotonic
        self._trouble: FileTrouble | None = None
        self._try_at = 0.0
        self.failing = False
        """Whether the last transaction could not be committed."""
        self._version = 0
        self.generation = 0
        self._start()

    def close(self) -> None:
        """Close the connection."""
        self.db.close()

    def look(self) -> None:
        """Check that the open file is still the one at the path; reopen it or begin a new one if not.

        Raises:
            Unusable: It is not, and no file can be opened now.
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
        """Rule out that the change is a commit of another process; return `None` if it is.

        A commit writes the log first and changes `data_version` after it. If the first check falls between the two, it
        finds a changed log and no other writer. So the check is repeated with the write lock held.
        """
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
        """Check after a commit that it went into the right file, and note the file's new state.

        Raises:
            Unusable: The file is not at the path any more, or another program wrote into it meanwhile.
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
            self._troubles.clear("commit")
            self._tell(f"{_FILE_CAUSE} works again", "events are stored again")

    def failed(self, error: Exception) -> None:
        """Tell that a transaction could not be committed, and why."""
        if not isinstance(error, sqlite3.Error):
            return
        self.failing = True
        why = f"{error} (another program is writing into the file)" if "locked" in str(error) else str(error)
        self._troubles.tell("commit", f"Events cannot be stored: {why}. Games are told to send them again later.")
        self._watch.note_log()  # the log holds pages of the failed transaction, without effect
        if is_damage(error):
            self._trouble = FileTrouble("is damaged", main=True, inside=True)

    def tidy(self, also: Callable[[], bool]) -> None:
        """Do upkeep after a commit: call `also`, and copy the log into the database if it is long.

        The last commit is already acknowledged. If another program damaged the file after it, the next `look` must find
        that. So the file's state is noted only if something was written here.

        Args:
            also: Upkeep of the caller; returns whether it wrote.
        """
        if self._watch.trouble(alone=True) is not None:
            return  # the next look handles it
        has_written = also()
        if self._watch.log_bytes() > MAX_LOG_BYTES:
            self.db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            has_written = True
        if has_written:
            self._watch.note()

    def _is_alone(self) -> bool:
        """Whether no other process has committed since the last call."""
        try:
            (version,) = self.db.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            return True
        alone = version == self._version
        self._version = version
        return bool(alone)

    # --- opening it -------------------------------------------------------------------------------------

    def _start(self) -> None:
        """Open the file for the first time; set a damaged one of ours aside.

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
        """Open the file at the path and call `use` with it.

        Raises:
            StoreError: It cannot be used.
        """
        db = connect_to_write(self._path)
        try:
            # Only `tidy` copies the log into the database. So if the database file changes at a commit, another program
            # wrote it.
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
        """Check the whole file once.

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
        """Open the file that is at the path now.

        Raises:
            Unusable: It cannot be used.
        """
        if not trouble.main and not trouble.inside:
            with contextlib.suppress(sqlite3.Error):  # the log was deleted, but the open handle still reads it
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
        """Open and check the file at the path, or a new one; return what was done."""
        existed = self._path.exists()
        own = existed and (trouble.inside or not trouble.main)
        try:
            # Readers still have an emptied file open, so it must not become the new database.
            if own and not self._path.stat().st_size:
                raise Damaged("it is empty")
            self._connect()
            self._check()
        except NotNow:
            raise
        except StoreError:
            if not own:
                raise
            # It is our own file, damaged, so it may be set aside. A file that was put in its place stays: it is
            # somebody else's.
            aside = self._watch.set_aside(int(clock.wall_now()))
            self._connect()
            return f"It is damaged and {_SET_ASIDE.format(aside.name)}{self._number()}"
        if not existed:
            return f"A new one was begun{self._number()}; what it held is gone"
        return f"What is there now was checked and is used{self._number()}"

    def _number(self) -> str:
        """Return a suffix that makes a repeated message differ, so that it is told again."""
        return f" (file {self.generation} of this run)"

    def _say(self, happened: str, done: str) -> None:
        text = f"The file {self._path} {happened}." + (f" {done}." if done else "")
        self._tell(_FILE_CAUSE, text)
        self._troubles.tell(_FILE_CAUSE, text)
