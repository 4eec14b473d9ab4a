"""The DuckDB file of the warehouse: open it, make it anew, ask it.

One process has the file open, and while it does no other process may open it, not even to read. Within the process
one thread writes; others read beside it, each question on a cursor and in a transaction of its own.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import duckdb

from ga_pygame import categories
from ga_pygame.collector.warehouse.engine_errors import is_of_the_machine, is_open_elsewhere

_Found = TypeVar("_Found")

WAREHOUSE_VERSION = 10
"""Raise it with each change of the SQL files of this folder: a file of another version is made anew from the log."""
UTC = "UTC"
EVENT_TABLES = tuple(
    f"{name}_events" for name in ("progression", "resource", "design", "business", "error", "health", "other")
)
"""The tables of events; the view `events` has all of them."""
MAX_BYTES_OF_SETS = 8 * 2**20
"""Memory of one set of players for each name, as strings of bits; beyond it sets are lists, which take more time. A
metric makes two sets for each name on each thread and copies them, which takes ten times as much."""
MAX_BYTES_OF_PART = 2 * 2**20
"""Memory of one set of players for each level; beyond it, levels are counted for one part of the players after the
other. The sets of levels are joined, which takes twenty times as much."""
SECONDS_BETWEEN_INTERRUPTS = 0.05
"""An interrupt ends one query; a question may have asked its next one since."""
MAX_PARSED_QUERIES = 500
"""Texts of queries that are kept parsed; they differ by metric and by which filters are set."""
_FOLDER = Path(__file__).parent
_NUMBERS_OF_SETS = """
WITH numbers AS (
    SELECT category, count(*) AS number FROM names WHERE category IN ('design', 'progression', 'resource')
    GROUP BY category
)
SELECT (SELECT coalesce(max(player), 0) FROM players), (SELECT coalesce(max(number), 0) FROM numbers),
    (SELECT coalesce(max(number), 0) FROM numbers WHERE category = 'progression')
"""


@dataclass(frozen=True, slots=True)
class WarehouseLimits:
    """What DuckDB may use.

    Attributes:
        memory: Bytes as DuckDB writes them; beyond it, it writes to `temp_folder`.
        log: Bytes of its write-ahead log after which the log is copied into the file.
        threads: Threads for one question.
        temp_folder: For what does not fit into memory; `None` means beside the file.
    """

    memory: str = "256MiB"
    log: str = "64MiB"
    threads: int = 2
    temp_folder: Path | None = None


class Projected(NamedTuple):
    """Up to where the log is projected; see `schema.sql`."""

    schema_version: int
    timezone: str
    last_id: int
    last_received_at: float | None
    left_out: int
    removals: int


class NotReady(Exception):
    """The warehouse cannot be asked now; the message says why."""


@cache
def sql_text(name: str) -> str:
    """Read an SQL file of this folder, e.g. `metrics/levels.sql`."""
    return (_FOLDER / name).read_text(encoding="utf-8")


def statements(text: str) -> list[str]:
    """Split the text of an SQL file into statements; each ends with `;` at the end of a line."""
    return [one for one in text.split(";\n") if one.strip()]


@dataclass(frozen=True, slots=True)
class ReadTransaction:
    """What one question sees of the tables, for one thread.

    Attributes:
        cursor: A cursor within a transaction.
        parts: The first and last player of parts of all players, each small enough for a set for each level.
        another: Opens another cursor that sees the same state, for another thread; `None` if something was committed
            since the question began, or is just now.
        parsed: Queries by their texts, which all questions share: DuckDB takes 0.4 to 2 ms to parse one of a metric.
    """

    cursor: duckdb.DuckDBPyConnection
    parts: tuple[tuple[int, int], ...]
    another: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection | None]]
    parsed: dict[str, duckdb.Statement]

    def execute(self, text: str, values: Mapping[str, Any] | None = None, /) -> duckdb.DuckDBPyConnection:
        """Run a query with the values of its parameters, `$name` in its text."""
        query = self.parsed.get(text)
        if query is None:
            (query,) = self.cursor.extract_statements(text)
            if len(self.parsed) >= MAX_PARSED_QUERIES:
                self.parsed.clear()
            self.parsed[text] = query
        return self.cursor.execute(query, values)


class Database:
    """The open file, or a warehouse in memory. Any thread may ask; one thread opens, closes and writes.

    Args:
        path: The file; `None` means in memory.
        timezone: The zone of calendar days, e.g. `Europe/Berlin`.
        limits: What DuckDB may use.
    """

    def __init__(self, path: Path | None, timezone: str = UTC, limits: WarehouseLimits = WarehouseLimits()) -> None:
        self.path = path
        self.zone = ZoneInfo(timezone)
        self._limits = limits
        self._lock = threading.Lock()
        self._committing = threading.Lock()
        self._commits = 0
        self._is_answered = threading.Condition(self._lock)
        self._cursors: set[duckdb.DuckDBPyConnection] = set()
        self._open: duckdb.DuckDBPyConnection | None = None
        self._beside: duckdb.DuckDBPyConnection | None = None
        self._parsed: dict[str, duckdb.Statement] = {}
        self._sets = ""
        self._parts: tuple[tuple[int, int], ...] = ()

    @property
    def writer(self) -> duckdb.DuckDBPyConnection:
        """The connection of the writing thread.

        Raises:
            NotReady: The file is not open.
        """
        if self._open is None:
            raise NotReady("the warehouse is not open")
        return self._open

    @property
    def writers(self) -> tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection]:
        """The same, and one that may be used beside it, by another thread and only for tables of its own.

        Raises:
            NotReady: The file is not open.
        """
        writer = self.writer
        if self._beside is None:
            self._beside = writer.cursor()
        return writer, self._beside

    def open(self) -> Projected | None:
        """Open the file and return its state; `None` if it is not of this version and time zone, and cannot be used.

        Raises:
            duckdb.Error: It cannot be opened, or it is damaged.
        """
        self.close()
        if self.path is None or not self.path.exists():
            return None
        with self._connected() as connection:
            state = _read_state(connection)
            if state is None or (state.schema_version, state.timezone) != (WAREHOUSE_VERSION, self.zone.key):
                connection.close()
                return None
            self._define_macros(connection)
        self._use(connection)
        return state

    def make_anew(self, removals: int = 0) -> Projected:
        """Delete the file and open a new one with empty tables.

        Args:
            removals: How often events of players were removed from the log until now.

        Raises:
            OSError: The old file cannot be deleted.
            duckdb.Error: The new one cannot be made.
        """
        self.delete()
        names = ", ".join(f"'{name}'" for name in categories.names())
        with self._connected() as connection:
            connection.begin()
            _run_all(connection, sql_text("schema.sql").replace("{categories}", names))
            self._define_macros(connection)
            connection.execute(
                "INSERT INTO state VALUES (?, ?, 0, NULL, 0, ?)", [WAREHOUSE_VERSION, self.zone.key, removals]
            )
            connection.commit()
        self._use(connection)
        return Projected(WAREHOUSE_VERSION, self.zone.key, 0, None, 0, removals)

    def delete(self) -> None:
        """Close and delete the file.

        Raises:
            OSError: It cannot be deleted.
            duckdb.IOException: Another process has it open; its log would be taken for that of a new file.
        """
        self.close()
        if self.path is not None:
            self._check_that_no_other_process_has_it(self.path)
            for suffix in ("", ".wal"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def _check_that_no_other_process_has_it(self, path: Path) -> None:
        if not path.is_file():
            return
        try:
            duckdb.connect(str(path), config=self._config()).close()
        except duckdb.Error as error:
            if is_open_elsewhere(error):
                raise

    def _define_macros(self, connection: duckdb.DuckDBPyConnection) -> None:
        _run_all(connection, sql_text("macros.sql"))
        self.forget_sets()
        self.fit_sets(connection)

    def fit_sets(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Define the macros of sets of players so that they have room for all players, in the open transaction if any.

        After a rollback of that transaction, call `forget_sets`.

        Args:
            connection: That of the writing thread.
        """
        most, names, levels = connection.execute(_NUMBERS_OF_SETS).fetchone() or (0, 0, 0)
        capacity = max(1_024, 1 << most.bit_length())
        if capacity // 8 * names > MAX_BYTES_OF_SETS:
            text = sql_text("sets_of_lists.sql")
        else:
            text = sql_text("sets_of_bits.sql").replace("{capacity}", str(capacity))
        if text != self._sets:
            _run_all(connection, text)
            self._sets = text
        size = min(capacity, max(1, 8 * MAX_BYTES_OF_PART // max(1, levels)))
        self._parts = tuple((first, first + size - 1) for first in range(1, most + 1, size))

    def forget_sets(self) -> None:
        """Let the next `fit_sets` define the macros again: a rollback has brought the older ones back."""
        self._sets = ""

    @contextlib.contextmanager
    def _connected(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Connect to the file, and close it if the context raises. Others cannot ask yet."""
        connection = duckdb.connect(str(self.path or ":memory:"), config=self._config())
        try:
            if self.path is not None:
                self.path.chmod(0o600)
            yield connection
        except Exception:
            connection.close()
            raise

    def _use(self, connection: duckdb.DuckDBPyConnection) -> None:
        with self._lock:
            self._open = connection

    def close(self) -> None:
        """Close the file; questions that are being answered end with `NotReady`, and it waits for that.

        DuckDB refuses to close a connection while one of its cursors is busy. It would then be half closed: not usable,
        and with the file still open.
        """
        with self._is_answered:
            connection, self._open, self._beside = self._open, None, None
            while self._cursors:
                for cursor in self._cursors:
                    cursor.interrupt()
                self._is_answered.wait(SECONDS_BETWEEN_INTERRUPTS)
        if connection is not None:
            connection.close()

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a cursor within a transaction."""
        with self._lock:
            cursor = self.writer.cursor()
            self._cursors.add(cursor)
        try:
            cursor.begin()
            yield cursor
        finally:
            with self._is_answered:
                self._cursors.remove(cursor)
                cursor.close()
                self._is_answered.notify_all()

    def commit(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Commit a transaction that changes what questions see.

        Raises:
            duckdb.Error: It cannot be committed.
        """
        with self._committing:
            connection.commit()
            self._commits += 1

    @contextlib.contextmanager
    def transaction(self) -> Iterator[ReadTransaction]:
        """Open what sees the same state of the tables until the context ends; for the calling thread.

        Raises:
            NotReady: The file is not open.
        """
        commits = self._commits
        with self._cursor() as cursor:
            yield ReadTransaction(cursor, self._parts, partial(self._another, cursor, commits), self._parsed)

    @contextlib.contextmanager
    def _another(self, first: duckdb.DuckDBPyConnection, commits: int) -> Iterator[duckdb.DuckDBPyConnection | None]:
        """Open a second cursor beside that of a question, if nothing was committed since the question began."""
        with self._cursor() as second:
            if not self._committing.acquire(blocking=False):  # a commit can take seconds; one cursor need not wait
                yield None
                return
            try:
                is_same = self._commits == commits
                for one in (first, second):  # the first look into a table decides which state a transaction sees
                    one.execute("SELECT last_id FROM state")
            finally:
                self._committing.release()
            yield second if is_same else None

    def ask(self, question: Callable[[ReadTransaction], _Found]) -> _Found:
        """Call a function with what it can ask and return its result.

        Raises:
            NotReady: The file is not open, it was closed meanwhile, or the disk or the memory is full.
        """
        try:
            with self.transaction() as transaction:
                return question(transaction)
        except duckdb.Error as error:
            if self._open is None or isinstance(error, duckdb.ConnectionException):
                raise NotReady("the warehouse is being made anew") from error
            if is_of_the_machine(error):
                raise NotReady("no room to answer this: the disk or the memory is full") from error
            raise

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "memory_limit": self._limits.memory,
            "threads": self._limits.threads,
            "checkpoint_threshold": self._limits.log,
            "asof_loop_join_threshold": 0,  # it is compared with an estimate, and loops over many rows are slow
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        if self._limits.temp_folder is not None:
            config["temp_directory"] = str(self._limits.temp_folder)
        return config


def _run_all(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    for statement in statements(text):
        connection.execute(statement)


def _read_state(connection: duckdb.DuckDBPyConnection) -> Projected | None:
    """Read the state; `None` if there is none."""
    found = connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'state'").fetchone()
    if found is None or not found[0]:
        return None
    try:
        rows = connection.execute(
            "SELECT schema_version, timezone, last_id, last_received_at, left_out, removals FROM state"
        ).fetchall()
    except duckdb.Error:
        return None
    return Projected(*rows[0]) if len(rows) == 1 else None
