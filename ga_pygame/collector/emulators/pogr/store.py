"""Write and read POGR's sessions and rows in the collector's file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from ga_pygame import clock
from ga_pygame.collector.storage.counts import add_count

KINDS = ("data", "event", "logs", "metrics", "monitor")
_POGR_TABLES = ("pogr_sessions", "pogr_rows")


# --- writing: each function makes a `Change.write` -------------------------------------------------------


def begin(client: str, build: str, association_id: str | None, identity: str) -> Callable[[sqlite3.Connection], str]:
    """Begin a session; the write returns its id."""
    session_id = clock.new_id()
    now = clock.wall_now()

    def write(db: sqlite3.Connection) -> str:
        db.execute(
            "INSERT INTO pogr_sessions (session_id, client, build, association_id, identity, started)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (session_id, client, build, association_id, identity, now),
        )
        return session_id

    return write


def end(session_id: str) -> Callable[[sqlite3.Connection], str]:
    """End a session; the write returns the problem, or an empty text."""
    now = clock.wall_now()

    def write(db: sqlite3.Connection) -> str:
        problem = _problem(db, session_id)
        if not problem:
            db.execute("UPDATE pogr_sessions SET ended = ? WHERE session_id = ?", (now, session_id))
        return problem

    return write


@dataclass(frozen=True, slots=True)
class NewRow:
    """A row to write; `session_id` is `None` if keys were sent in its place."""

    row_id: str
    session_id: str | None
    kind: str
    received_at: float
    effective_at: float
    notes: tuple[str, ...]
    json: bytes


def add(row: NewRow) -> Callable[[sqlite3.Connection], str]:
    """Add a row; the write returns the problem with its session, or an empty text."""

    def write(db: sqlite3.Connection) -> str:
        problem = _problem(db, row.session_id) if row.session_id is not None else ""
        if problem:
            return problem
        notes = json.dumps(row.notes) if row.notes else None
        db.execute(
            "INSERT INTO pogr_rows (row_id, session_id, kind, received_at, effective_at, notes, json)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (row.row_id, row.session_id, row.kind, row.received_at, row.effective_at, notes, row.json),
        )
        db.execute("UPDATE pogr_sessions SET rows = rows + 1 WHERE session_id = ?", (row.session_id,))
        add_count(db, "pogr", row.kind)
        return ""

    return write


def reset_pogr(db: sqlite3.Connection) -> None:
    """Delete all of POGR's sessions, rows and counts."""
    for table in _POGR_TABLES:
        db.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours
    db.execute("DELETE FROM service_counts WHERE service = 'pogr'")


def _problem(db: sqlite3.Connection, session_id: str) -> str:
    found = db.execute("SELECT ended FROM pogr_sessions WHERE session_id = ?", (session_id,)).fetchone()
    if found is None:
        return "this session is not known: call init first"
    return "" if found[0] is None else "this session has ended: call init for a new one"


# --- reading ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoredPogrSession:
    """One session; `ended` is `None` while it is open."""

    session_id: str
    client: str
    build: str
    association_id: str | None
    identity: str
    started: float
    ended: float | None
    rows: int


@dataclass(frozen=True, slots=True)
class StoredPogrRow:
    """One row as it was sent."""

    id: int
    row_id: str
    session_id: str | None
    kind: str
    received_at: float
    effective_at: float
    notes: list[str]
    json: bytes


def newest_sessions(db: sqlite3.Connection, limit: int) -> list[StoredPogrSession]:
    """Read the sessions that began last, newest first."""
    query = (
        "SELECT session_id, client, build, association_id, identity, started, ended, rows FROM pogr_sessions"
        " ORDER BY id DESC LIMIT ?"
    )
    return [StoredPogrSession(*row) for row in db.execute(query, (limit,))]


def newest_rows(
    db: sqlite3.Connection, limit: int, most_bytes: int = 2**31, total_bytes: int = 2**31
) -> list[StoredPogrRow]:
    """Read the newest rows, newest first.

    Args:
        db: The file.
        limit: Rows at most.
        most_bytes: Bytes of a row's `json`; it is empty if it has more.
        total_bytes: Bytes of all rows; older rows beyond it are left out.
    """
    query = (
        "SELECT id, row_id, session_id, kind, received_at, effective_at, notes,"
        " CASE WHEN length(json) <= :most THEN json ELSE x'' END FROM pogr_rows ORDER BY id DESC LIMIT :limit"
    )
    found = []
    size = 0
    for row in db.execute(query, {"most": most_bytes, "limit": limit}):
        row_id, sent_id, session_id, kind, received_at, at, notes, body = row
        size += len(body)
        if size > total_bytes:
            break
        said = json.loads(notes) if notes else []
        found.append(StoredPogrRow(row_id, sent_id, session_id, kind, received_at, at, said, bytes(body)))
    return found
