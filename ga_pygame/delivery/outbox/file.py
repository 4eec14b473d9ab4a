"""Opens the outbox file and translates its errors.

WAL with `synchronous=NORMAL` survives the death of the process at any moment; a power cut may lose the last commits,
but never the file. A drive without shared memory, such as some network drives, cannot have a WAL; the file has a
rollback journal there, which writes more.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from ga_pygame.delivery.outbox import data_folder, shared_memory
from ga_pygame.delivery.outbox.contract import MAX_REJECTED, LockedError, OutboxError, Rejected
from ga_pygame.delivery.outbox.file_lock import Patience
from ga_pygame.kept import KeptKey
from ga_pygame.paths import sqlite_uri

BUSY_SECONDS = 0.25
"""The longest wait of a statement for another writing process."""

_CACHE_KIB = 256
"""Page cache of a connection; SQLite's default of 2,000 KiB costs 4 MB more."""


class NewerSchemaError(OutboxError):
    """The file was written by a newer version of the package."""


class OlderSchemaError(OutboxError):
    """The file must be migrated first."""


class GoneError(OutboxError):
    """The file was removed or replaced while it was in use."""


class DamagedError(OutboxError):
    """The file is no database, or cannot be read in parts."""


def connect(path: Path, seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """Open the database file; make it if it is missing.

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
            connection = _unchecked_connection(path, seconds)  # the file is in WAL mode, from another system
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # WAL needs no shared memory then
            mode = _journal_mode(connection, "TRUNCATE")
            connection.execute("PRAGMA locking_mode = NORMAL")
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # only reading frees the exclusive lock
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
    """Make an empty file that only the user can read, whatever the umask is; SQLite gives its other files this mode."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:  # another copy of the game made it after our `exists`
        return
    try:
        data_folder.check_open(file, path)
    finally:
        os.close(file)


def _unchecked_connection(path: Path, seconds: float) -> sqlite3.Connection:
    # After the start, one thread uses each connection; another one may close it.
    connection = sqlite3.connect(path, timeout=seconds, isolation_level=None, check_same_thread=False)
    connection.text_factory = column_text
    return connection


def column_text(text: bytes) -> str:
    """Decode a text column; invalid UTF-8 becomes U+FFFD, and the checks refuse the value later."""
    return text.decode("utf-8", "replace")


def _journal_mode(connection: sqlite3.Connection, mode: str) -> str:
    (found,) = connection.execute(f"PRAGMA journal_mode = {mode}").fetchone()
    return str(found)


def wait_at_most(connection: sqlite3.Connection, seconds: float) -> None:
    """Set how long a statement waits for another process."""
    connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")


def read_values(path: Path, key: KeptKey | None = None, seconds: float = 0.0) -> dict[object, object]:
    """Read the kept values, or one of them, of a file that this process has not opened; none if that fails.

    Makes no file, and waits at most `seconds` for other processes.
    """
    query = "SELECT key, value FROM key_value WHERE ?1 IS NULL OR key = ?1"
    try:
        data_folder.check(path)
        shared_memory.wait(path, Patience(seconds))
        with contextlib.closing(
            sqlite3.connect(sqlite_uri(path.absolute(), "mode=ro"), timeout=seconds, uri=True)
        ) as connection:
            connection.text_factory = column_text
            return dict(connection.execute(query, (key,)).fetchall())
    except (sqlite3.Error, OSError, ValueError):
        return {}


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run the block in one transaction; roll it back if the block raises."""
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
    """Do the same as `translated`, and take a value of a wrong type for damage; for blocks of our own code only."""
    with translated(path):
        try:
            yield
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise DamagedError(f"{path} is damaged: {error}") from error


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and the system into `OutboxError` with a message for the developer."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if str(error).startswith(("no such table", "no such column", "duplicate column", "table ")):
            raise DamagedError(f"{path} is damaged: {error}") from error  # the table definitions are damaged
        raise (LockedError if _is_locked(error) else OutboxError)(f"{path}: {error}") from error
    except sqlite3.IntegrityError as error:
        raise DamagedError(f"{path} is damaged: {error}") from error  # two rows have the same id
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:  # another subclass means a defect of ours, not of the file
            raise
        raise DamagedError(f"{path} is damaged: {error}") from error
    except UnicodeDecodeError as error:  # SQLite's own message has invalid text in it
        raise DamagedError(f"{path} is damaged: {error.reason}") from error
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else path
        raise OutboxError(f"{where}: {error.strerror or error}") from error


def identity_of(path: Path) -> tuple[int, int] | None:
    """Return the device and inode of a file, `None` if there is none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def keep_rejected(connection: sqlite3.Connection, destination: str, rejected: Sequence[Rejected]) -> None:
    """Keep the newest rejected events for the developer to look at."""
    if rejected:
        connection.executemany(
            "INSERT INTO rejected (destination, reason, errors, client_ts, payload) VALUES (?, ?, ?, ?, ?)",
            [(destination, one.reason.value, one.errors, one.record.client_ts, one.record.payload) for one in rejected],
        )
        connection.execute("DELETE FROM rejected WHERE id <= (SELECT MAX(id) FROM rejected) - ?", (MAX_REJECTED,))
