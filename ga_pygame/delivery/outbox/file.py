"""The file of the outbox on disk: how it is opened, and what its errors mean.

WAL with `synchronous=NORMAL` survives the death of the process at any moment; only a power cut may cost the last
commits, never the file. A drive without shared memory, such as some network drives, cannot have a WAL: there the
file has a rollback journal, which costs more writing.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from ga_pygame.delivery.outbox import data_folder, shared_memory
from ga_pygame.delivery.outbox.contract import LockedError, OutboxError
from ga_pygame.delivery.outbox.file_lock import Patience
from ga_pygame.kept import KeptKey

BUSY_SECONDS = 0.25
"""The longest wait of a statement for another process that is writing."""

_CACHE_KIB = 256
"""Page cache of a connection; SQLite's own 2,000 KiB cost 4 MB more."""


class NewerSchemaError(OutboxError):
    """The file belongs to a newer version of the package."""


class DamagedError(OutboxError):
    """The file is no database, or parts of it cannot be read."""


def connect(path: Path, seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """Open the file, make it where it is missing.

    Args:
        path: The database file.
        seconds: The longest wait of one statement for another process.

    Raises:
        OSError: It is not a plain file of the user.
        sqlite3.Error: It cannot be opened.
    """
    for suffix in ("", "-wal", "-shm", "-journal"):
        data_folder.check(path.with_name(path.name + suffix))
    if not path.exists():
        _make_empty(path)
    connection = _unchecked_connection(path, seconds)
    try:
        try:
            mode = _journal_mode(connection, "WAL")
        except sqlite3.OperationalError as error:
            if _is_locked(error):
                raise
            connection.close()
            connection = _unchecked_connection(path, seconds)  # the file was a WAL's on another system
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # then it needs no shared memory
            mode = _journal_mode(connection, "TRUNCATE")
            connection.execute("PRAGMA locking_mode = NORMAL")
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # else the lock is kept
        (encoding,) = connection.execute("PRAGMA encoding").fetchone()
        if encoding != "UTF-8":
            raise DamagedError(f"{path} is damaged: its head says that it is {encoding}")
        if mode != "wal":
            _journal_mode(connection, "TRUNCATE")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = FAST")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    except BaseException:
        connection.close()
        raise
    return connection


def _make_empty(path: Path) -> None:
    """An empty file that only the user can read, whatever the umask is; SQLite's other files take its mode."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:  # another copy of the game made it just now
        return
    try:
        data_folder.check_open(file, path)
    finally:
        os.close(file)


def _unchecked_connection(path: Path, seconds: float) -> sqlite3.Connection:
    # Each connection is used by one thread after start; it may be closed by another.
    connection = sqlite3.connect(path, timeout=seconds, isolation_level=None, check_same_thread=False)
    connection.text_factory = column_text
    return connection


def column_text(text: bytes) -> str:
    """What a column says; of damaged text as much as can be read, for the checks to refuse."""
    return text.decode("utf-8", "replace")


def _journal_mode(connection: sqlite3.Connection, mode: str) -> str:
    (found,) = connection.execute(f"PRAGMA journal_mode = {mode}").fetchone()
    return str(found)


def wait_at_most(connection: sqlite3.Connection, seconds: float) -> None:
    """Bound how long a statement waits for another process."""
    connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")


def read_values(path: Path, key: KeptKey | None = None, seconds: float = 0.0) -> dict[object, object]:
    """The kept values of a file that this process has not opened, or one of them; nothing where they cannot be read.

    Makes no file, and waits at most so long for others.
    """
    query = "SELECT key, value FROM key_value WHERE ?1 IS NULL OR key = ?1"
    try:
        data_folder.check(path)
        shared_memory.wait(path, Patience(seconds))
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", timeout=seconds, uri=True)
        ) as connection:
            connection.text_factory = column_text
            return dict(connection.execute(query, (key,)).fetchall())
    except (sqlite3.Error, OSError, ValueError):
        return {}


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what is written in it, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _is_locked(error: sqlite3.OperationalError) -> bool:
    return "locked" in str(error) or "busy" in str(error)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """The same as `translated` for what runs no code but ours: a value of another type is damage, too."""
    with translated(path):
        try:
            yield
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise DamagedError(f"{path} is damaged: {error}") from error


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system raise into `OutboxError` with a message for the developer."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if str(error).startswith(("no such table", "no such column", "duplicate column", "table ")):
            raise DamagedError(f"{path} is damaged: {error}") from error  # the text of the tables is
        raise (LockedError if _is_locked(error) else OutboxError)(f"{path}: {error}") from error
    except sqlite3.IntegrityError as error:
        raise DamagedError(f"{path} is damaged: {error}") from error  # two rows of one id
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:  # another subclass is a defect of ours, not of the file
            raise
        raise DamagedError(f"{path} is damaged: {error}") from error
    except UnicodeDecodeError as error:  # SQLite's own message has damaged text in it
        raise DamagedError(f"{path} is damaged: {error.reason}") from error
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else path
        raise OutboxError(f"{where}: {error.strerror or error}") from error
