"""Read connections to the collector's file. Each thread has one; it follows when the store begins a new file."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from ga_pygame.collector.storage.schema import (
    APPLICATION_ID,
    COLLECTOR_SCHEMA_VERSION,
    MAX_LOCKED_SECONDS,
    StoreError,
    lenient_text,
)
from ga_pygame.paths import sqlite_uri

_T = TypeVar("_T")


class Reader:
    """A connection for reading that can follow the store to a new file; for one thread at a time.

    Args:
        path: The file.
        generation: The store's generation that this path belongs to now.

    Raises:
        StoreError: The file does not exist, cannot be read or is not a collector's.
    """

    def __init__(self, path: Path, generation: int) -> None:
        self._path = path
        self._generation = generation
        self._db = connect_to_read(path)

    def execute(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> sqlite3.Cursor:
        """Run a query."""
        return self._db.execute(query, values)

    def follow(self, generation: int) -> bool:
        """Open the file at the path again if the store has begun a new one; return whether another file is open.

        If the new file cannot be read yet, the old one stays open and the next call tries again.
        """
        if generation == self._generation:
            return False
        try:
            before, self._db = self._db, connect_to_read(self._path)
        except StoreError:
            return False
        before.close()
        self._generation = generation
        return True

    def close(self) -> None:
        """Close the connection."""
        self._db.close()


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open the file for reading; another process may write it meanwhile.

    Raises:
        StoreError: The file does not exist, cannot be read or is not a collector's.
    """
    if not path.is_file():
        raise StoreError(f"there is no file {path}: use --db with the path that the collector printed at its start")
    try:
        db, application, version = _open_to_read(path, "mode=ro")
    except sqlite3.Error as error:
        if _has_log(path):
            raise StoreError(f"cannot read {path}: {error}") from error
        try:  # the index of the log cannot be made, e.g. on a read-only disk; as there is no log, nobody writes
            db, application, version = _open_to_read(path, "mode=ro&immutable=1")
        except sqlite3.Error:
            raise StoreError(f"cannot read {path}: {error}") from error
    problem = ""
    if application != APPLICATION_ID:
        problem = "is not a collector's file"
    elif version > COLLECTOR_SCHEMA_VERSION:
        problem = "was written by a newer ga_pygame: update it"
    elif version < COLLECTOR_SCHEMA_VERSION:
        problem = "was written by an older ga_pygame: start the collector with this --db once, which takes it over"
    if problem:
        db.close()
        raise StoreError(f"{path} {problem}")
    return db


def _has_log(path: Path) -> bool:
    """Whether a log with content lies beside the file; on Windows a try to open the file leaves an empty one."""
    try:
        return Path(f"{path}-wal").stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _open_to_read(path: Path, how: str) -> tuple[sqlite3.Connection, int, int]:
    """Open a connection; return it with the application id and the schema version."""
    uri = sqlite_uri(path.absolute(), how)
    db = sqlite3.connect(uri, uri=True, check_same_thread=False, timeout=MAX_LOCKED_SECONDS)
    try:
        db.text_factory = lenient_text
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        db.close()
        raise
    return db, application, version


class _Written(Protocol):
    """A store, as far as reading needs it."""

    path: Path

    @property
    def generation(self) -> int:
        """A number that changes when another file is begun."""


class Asker:
    """A reader with a thread of its own, so that the loop answers games meanwhile.

    Args:
        store: The store whose file to read.

    Raises:
        StoreError: The file does not exist, cannot be read or is not a collector's.
    """

    def __init__(self, store: _Written) -> None:
        self._store = store
        generation = store.generation
        self._reader = Reader(store.path, generation)
        self._pool = ThreadPoolExecutor(1, "ga-collector-emulators")

    async def ask(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        """Call a function with the connection on that thread; raises what the function raises."""

        def answer() -> _T:
            self._reader.follow(self._store.generation)
            return question(cast("sqlite3.Connection", self._reader))

        return await asyncio.get_running_loop().run_in_executor(self._pool, answer)

    def close(self) -> None:
        """Cancel waiting questions, end the thread and close the connection."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._reader.close()
