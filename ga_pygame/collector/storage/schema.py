"""The tables of the collector's file, and how to open it."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import tempfile
from pathlib import Path

from ga_pygame.paths import private_mode

APPLICATION_ID = 0x67615F63  # "ga_c": marks the file as ours
COLLECTOR_SCHEMA_VERSION = 5

_SCHEMA = """
CREATE TABLE games (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE);

CREATE TABLE events (                     -- accepted, one row each
    id          INTEGER PRIMARY KEY,      -- order of arrival, shared with rejected
    game_id     INTEGER NOT NULL,
    received_at REAL NOT NULL,            -- seconds since 1970, the collector's clock
    client_ts   INTEGER,                  -- seconds since 1970, the player's clock
    category    TEXT NOT NULL,
    event_uuid  TEXT,
    user_id     TEXT,
    session_id  TEXT,
    session_num INTEGER,
    event_id    TEXT,
    value       NUMERIC,                  -- amount, value, score or length
    json        BLOB NOT NULL             -- as it was sent
);
CREATE UNIQUE INDEX events_once ON events (game_id, event_uuid);

CREATE TABLE rejected (
    id          INTEGER PRIMARY KEY,
    game_id     INTEGER NOT NULL,
    received_at REAL NOT NULL,
    category    TEXT NOT NULL,
    errors      TEXT NOT NULL,            -- JSON list of {error_type, path, reason}
    json        BLOB NOT NULL
);

CREATE TABLE totals (
    game_id    INTEGER NOT NULL,
    category   TEXT NOT NULL,
    accepted   INTEGER NOT NULL DEFAULT 0,
    rejected   INTEGER NOT NULL DEFAULT 0,
    duplicates INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (game_id, category)
) WITHOUT ROWID;

CREATE TABLE sessions (
    game_id     INTEGER NOT NULL,
    session_id  TEXT NOT NULL,
    user_id     TEXT,
    session_num INTEGER,
    platform    TEXT,
    build       TEXT,
    started     REAL NOT NULL,            -- earliest client_ts
    latest      REAL NOT NULL,            -- latest client_ts
    received_at REAL NOT NULL,            -- when its last event came in
    length      INTEGER,                  -- seconds, from session_end; NULL while none came
    events      INTEGER NOT NULL,
    PRIMARY KEY (game_id, session_id)
) WITHOUT ROWID;
CREATE INDEX sessions_received ON sessions (received_at);

CREATE TABLE levels (
    game_id     INTEGER NOT NULL,
    level       TEXT NOT NULL,            -- the parts joined by ':'
    starts      INTEGER NOT NULL,
    fails       INTEGER NOT NULL,
    completes   INTEGER NOT NULL,
    attempts    INTEGER NOT NULL,         -- sum of attempt_num over the completes that carry one
    attempted   INTEGER NOT NULL,         -- how many completes carry one
    PRIMARY KEY (game_id, level)
) WITHOUT ROWID;
"""

_EMULATORS = """
CREATE TABLE service_counts (             -- what POGR's and Trophy's routes counted
    service TEXT NOT NULL,
    name    TEXT NOT NULL,
    number  REAL NOT NULL,
    PRIMARY KEY (service, name)
) WITHOUT ROWID;

CREATE TABLE pogr_sessions (
    id             INTEGER PRIMARY KEY,
    session_id     TEXT NOT NULL UNIQUE,
    client         TEXT NOT NULL,
    build          TEXT NOT NULL,
    association_id TEXT,
    identity       TEXT NOT NULL,         -- how the player was named: association, jwt, steam, none
    started        REAL NOT NULL,         -- seconds since 1970, as all times here
    ended          REAL,
    rows           INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE pogr_rows (
    id           INTEGER PRIMARY KEY,
    row_id       TEXT NOT NULL,           -- what the sender was told
    session_id   TEXT,                    -- NULL for a row sent with keys instead of a session
    kind         TEXT NOT NULL,           -- data, event, logs, metrics, monitor
    received_at  REAL NOT NULL,
    effective_at REAL NOT NULL,           -- override_timestamp, or when it came
    notes        TEXT,                    -- JSON list of what a strict reader would object to
    json         BLOB NOT NULL            -- as it was sent
);

CREATE TABLE trophy_users (
    id            INTEGER PRIMARY KEY,
    user_id       TEXT NOT NULL UNIQUE,
    email         TEXT,
    name          TEXT,
    tz            TEXT,
    sign_up_date  TEXT,
    device_tokens TEXT,                   -- JSON list
    subscribed    INTEGER NOT NULL DEFAULT 1,
    attributes    TEXT NOT NULL DEFAULT '{}',
    preferences   TEXT NOT NULL DEFAULT '{}',
    created       REAL NOT NULL,
    updated       REAL NOT NULL
);

CREATE TABLE trophy_metrics (             -- made up for events when auto_create is on
    key TEXT PRIMARY KEY
) WITHOUT ROWID;

CREATE TABLE trophy_totals (
    user_id TEXT NOT NULL,
    metric  TEXT NOT NULL,
    total   REAL NOT NULL,
    PRIMARY KEY (user_id, metric)
) WITHOUT ROWID;
CREATE INDEX trophy_totals_ranked ON trophy_totals (metric, total);

CREATE TABLE trophy_events (
    id         INTEGER PRIMARY KEY,
    event_id   TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    metric     TEXT NOT NULL,
    value      REAL NOT NULL,
    attributes TEXT NOT NULL,
    at         REAL NOT NULL,
    day        TEXT NOT NULL              -- the player's date
);
CREATE INDEX trophy_events_days ON trophy_events (user_id, metric, day);

CREATE TABLE trophy_replies (             -- events that carried an Idempotency-Key
    user_id  TEXT NOT NULL,
    metric   TEXT NOT NULL,
    key      TEXT NOT NULL,
    event_id TEXT NOT NULL,
    PRIMARY KEY (user_id, metric, key)
) WITHOUT ROWID;

CREATE TABLE trophy_completions (
    user_id       TEXT NOT NULL,
    achievement   TEXT NOT NULL,
    completion_id TEXT NOT NULL,
    at            REAL NOT NULL,
    PRIMARY KEY (user_id, achievement)
) WITHOUT ROWID;
CREATE INDEX trophy_completions_of ON trophy_completions (achievement);

CREATE TABLE trophy_streaks (             -- a row per period that counted
    user_id TEXT NOT NULL,
    period  TEXT NOT NULL,                -- its first day
    length  INTEGER NOT NULL,
    started TEXT NOT NULL,                -- the day on which the streak began
    at      REAL NOT NULL,
    PRIMARY KEY (user_id, period)
) WITHOUT ROWID;

CREATE TABLE trophy_points (
    user_id TEXT NOT NULL,
    system  TEXT NOT NULL,
    total   INTEGER NOT NULL,
    PRIMARY KEY (user_id, system)
) WITHOUT ROWID;
CREATE INDEX trophy_points_ranked ON trophy_points (system, total);

CREATE TABLE trophy_awards (
    id       INTEGER PRIMARY KEY,
    award_id TEXT NOT NULL,
    user_id  TEXT NOT NULL,
    system   TEXT NOT NULL,
    awarded  INTEGER NOT NULL,
    total    INTEGER NOT NULL,
    cause    TEXT NOT NULL,               -- the trigger as JSON
    at       REAL NOT NULL
);
CREATE INDEX trophy_awards_of ON trophy_awards (user_id, system);

CREATE TABLE trophy_ranks (               -- when a player's own event moved them
    id             INTEGER PRIMARY KEY,
    user_id        TEXT NOT NULL,
    board          TEXT NOT NULL,
    at             REAL NOT NULL,
    previous_rank  INTEGER,
    rank           INTEGER,
    previous_value INTEGER,
    value          INTEGER
);
CREATE INDEX trophy_ranks_of ON trophy_ranks (user_id, board);
"""

_BATCHES = """
CREATE TABLE batches (                    -- accepted events, those of a request in one row
    id          INTEGER PRIMARY KEY,      -- of its last event; order of arrival, shared with rejected
    number      INTEGER NOT NULL,         -- of events; their ids end with the row's
    game_id     INTEGER NOT NULL,
    received_at REAL NOT NULL,            -- seconds since 1970, the collector's clock
    categories  TEXT NOT NULL,            -- joined by ','
    body        BLOB NOT NULL             -- JSON list as it was sent, mostly gzip
);
INSERT INTO batches SELECT id, 1, game_id, received_at, category, CAST('[' || json || ']' AS BLOB) FROM events;

CREATE TABLE seen (                       -- the ids of the events up to the one below; see the module of this name
    game_id    INTEGER NOT NULL,
    event_uuid TEXT NOT NULL,
    PRIMARY KEY (game_id, event_uuid)
) WITHOUT ROWID;
INSERT INTO seen SELECT game_id, event_uuid FROM events WHERE event_uuid IS NOT NULL ORDER BY 1, 2;
CREATE TABLE seen_up_to (id INTEGER NOT NULL);
INSERT INTO seen_up_to SELECT ifnull(max(id), 0) FROM events;
DROP TABLE events;
"""

_PAGE_COLUMNS = """
-- 1 once a critical error came
ALTER TABLE sessions ADD COLUMN crashed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX sessions_open ON sessions (received_at) WHERE length IS NULL;

-- sorts as a person counts
ALTER TABLE levels ADD COLUMN natural TEXT NOT NULL DEFAULT '';
CREATE INDEX levels_natural ON levels (natural, level);
"""

_WITHOUT_ROLLUPS = """
-- the warehouse has them, made from the requests
DROP TABLE sessions;
DROP TABLE levels;
"""

_VERSIONS = (_SCHEMA, _EMULATORS, _BATCHES, _PAGE_COLUMNS, _WITHOUT_ROLLUPS)
"""The SQL that each schema version adds to the one before."""
_SQL = "".join(_VERSIONS)
_ALL_TABLES = set(re.findall(r"CREATE TABLE (\w+)", _SQL)) - set(re.findall(r"DROP TABLE (\w+)", _SQL))
SELECT_LAST_ID = "SELECT max(ifnull((SELECT max(id) FROM batches), 0), ifnull((SELECT max(id) FROM rejected), 0))"
"""The id of the newest event, accepted or rejected; 0 if there is none."""
MAX_LOCKED_SECONDS = 1.0
"""Time to wait for another program that holds the file's lock."""
MAX_SCANNED = 256 * 2**10
"""Bytes at the beginning of a damaged file that are searched for signs that it is a collector's."""
_OUTSIDE = ("locked", "full", "readonly", "unable to open", "I/O", "interrupted", "memory")
"""Words in SQLite's messages for errors caused by the disk, access rights or another program."""


class StoreError(Exception):
    """The file cannot be used; the message says why and what to do."""


class Damaged(StoreError):
    """The content of the file cannot be used."""


class NotNow(StoreError):
    """The disk, access rights or another program prevent it; the file itself may be good."""


def is_of_the_file(error: Exception) -> bool:
    """Whether an error comes from the file or its surroundings, not from the data to be written."""
    return type(error) in (sqlite3.DatabaseError, sqlite3.OperationalError)


def is_damage(error: Exception) -> bool:
    """Whether an error comes from the content of the file, not from the disk, access rights or another program."""
    return is_of_the_file(error) and not any(word in str(error) for word in _OUTSIDE)


def is_ours(path: Path) -> bool:
    """Whether a file that cannot be opened was a collector's, by its header or by the names of its tables."""
    with path.open("rb") as file:
        begin = file.read(MAX_SCANNED)
    if begin.startswith(b"SQLite format 3\0") and begin[68:72] == APPLICATION_ID.to_bytes(4, "big"):
        return True
    return any(b"CREATE TABLE " + name in begin for name in (b"service_counts", b"pogr_sessions", b"seen_up_to"))


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents, each accessible to its owner only, whatever the umask.

    Raises:
        OSError: It cannot be made.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=private_mode(), exist_ok=True)


def temporary_path() -> Path:
    """Make an empty temporary file, for a collector that should leave nothing behind."""
    descriptor, name = tempfile.mkstemp(prefix="ga_pygame_collector_", suffix=".sqlite3")
    os.close(descriptor)
    return Path(name)


def connect_to_write(path: Path) -> sqlite3.Connection:
    """Open the file for writing. A missing file is made, readable by its owner only.

    Raises:
        StoreError: The file is not a collector's, cannot be read, or its folder does not exist.
    """
    if not path.parent.is_dir():
        raise StoreError(f"the folder {path.parent} does not exist: create it or choose another --db")
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=MAX_LOCKED_SECONDS)
    except (OSError, sqlite3.Error) as error:
        raise NotNow(f"cannot open {path}: {_error_reason(error)}. Choose another --db") from error
    try:
        _prepare(db, path)
    except sqlite3.Error as error:
        db.close()
        raise cannot_use(path, error) from error
    except StoreError:
        db.close()
        raise
    return db


def cannot_use(path: Path, error: Exception) -> StoreError:
    """Make the `StoreError` for an error while the file was opened or used."""
    kind = NotNow if isinstance(error, sqlite3.Error) and not is_damage(error) else Damaged
    hint = " (another program is writing into it)" if "locked" in str(error) else ""
    return kind(f"cannot use {path}: {_error_reason(error)}{hint}. Choose another --db")


def lenient_text(raw: bytes) -> str:
    """Decode a text of the file. SQLite's default raises for invalid UTF-8, which a damaged file can hold."""
    return raw.decode("utf-8", "replace")


def _error_reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    db.text_factory = lenient_text
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA cache_size = -65536")  # KiB; event uuids are random, so all of their index is in use
    db.execute("PRAGMA wal_autocheckpoint = 8000")  # pages; a larger value copies pages to their places less often
    db.execute(f"PRAGMA journal_size_limit = {64 * 2**20}")
    db.execute("BEGIN IMMEDIATE")
    try:
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and application != APPLICATION_ID:
            raise StoreError(f"{path} is a database of another program: choose another --db")
        if version > COLLECTOR_SCHEMA_VERSION:
            raise StoreError(f"{path} was written by a newer ga_pygame: update it or choose another --db")
        if version < COLLECTOR_SCHEMA_VERSION:
            for added in _VERSIONS[version:]:
                for statement in added.split(";\n"):
                    if statement.strip():
                        db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {COLLECTOR_SCHEMA_VERSION}")
        lacking = _ALL_TABLES - {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if lacking:
            raise Damaged(f"{path} lacks tables ({', '.join(sorted(lacking))}): choose another --db")
        db.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise
