"""How the collector's file is read: a connection for each thread that asks, which follows when a new file was begun."""

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

_T = TypeVar("_T")


class Reader:
    """A connection to read with, which can be made anew when the file has become another one; one thread at a time.

    Raises:
        StoreError: The file is not there, not readable or not ours.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = connect_to_read(path)

    def execute(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> sqlite3.Cursor:
        """Ask the file."""
        return self._db.execute(query, values)

    def reopen(self) -> bool:
        """Read the file that is at the path now; if there is none yet, the one before. Returns whether there is."""
        try:
            before, self._db = self._db, connect_to_read(self._path)
        except StoreError:
            return False
        before.close()
        return True

    def close(self) -> None:
        """Close the connection."""
        self._db.close()


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open the file for reading; it may be written meanwhile.

    Raises:
        StoreError: It is not there, not readable or not ours.
    """
    if not path.is_file():
        raise StoreError(f"there is no file {path}: give the one that the collector named at its start with --db")
    try:
        db, application, version = _open_to_read(path, "mode=ro")
    except sqlite3.Error as error:
        if Path(f"{path}-wal").exists():
            raise StoreError(f"cannot read {path}: {error}") from error
        try:  # where the log's index cannot be made, such as on a read-only disk; without a log nobody writes
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


def _open_to_read(path: Path, how: str) -> tuple[sqlite3.Connection, int, int]:
    """A connection with the application's id and the schema's version."""
    uri = f"{path.absolute().as_uri()}?{how}"
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
    """A file that is written meanwhile."""

    path: Path

    @property
    def generation(self) -> int:
        """It changes when another file was begun."""


class Asker:
    """Reads on a thread of its own, so that the loop answers games meanwhile.

    Args:
        store: Whose file is read.

    Raises:
        StoreError: The file is not there, not readable or not ours.
    """

    def __init__(self, store: _Written) -> None:
        self._store = store
        self._generation = store.generation
        self._reader = Reader(store.path)
        self._pool = ThreadPoolExecutor(1, "ga-collector-emulators")

    async def ask(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        """Answer a question on that thread; raises what it raises."""

        def answer() -> _T:
            generation = self._store.generation
            if generation != self._generation and self._reader.reopen():
                self._generation = generation
            return question(cast("sqlite3.Connection", self._reader))

        return await asyncio.get_running_loop().run_in_executor(self._pool, answer)

    def close(self) -> None:
        """Forget what waits, end the thread and close the connection."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._reader.close()
