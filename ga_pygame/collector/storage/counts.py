"""The counts of POGR's and Trophy's routes."""

from __future__ import annotations

import sqlite3
from typing import Any

_COUNT = (
    "INSERT INTO service_counts VALUES (?, ?, ?)"
    " ON CONFLICT (service, name) DO UPDATE SET number = number + excluded.number"
)


def add_count(db: sqlite3.Connection, service: str, name: str, number: float = 1) -> None:
    """Add to one of a service's counts."""
    db.execute(_COUNT, (service, name, number))


def _of(db: sqlite3.Connection, service: str) -> dict[str, int]:
    """Read a service's counts by name."""
    rows = db.execute("SELECT name, number FROM service_counts WHERE service = ?", (service,))
    return {name: int(number) for name, number in rows}


def pogr(db: sqlite3.Connection) -> dict[str, Any]:
    """Read POGR's counts: sessions, rows by kind, refused requests."""
    found = _of(db, "pogr")
    (sessions,) = db.execute("SELECT count(*) FROM pogr_sessions").fetchone()
    refused = found.pop("refused", 0)
    return {"sessions": sessions, "rows": found, "refused": refused}


def trophy(db: sqlite3.Connection) -> dict[str, int]:
    """Read Trophy's counts: users, events, replays, completed achievements, refused requests."""
    found = _of(db, "trophy")
    (everybody,) = db.execute("SELECT count(*) FROM trophy_users").fetchone()
    names = ("events", "replays", "achievements", "refused")
    return {"users": everybody, **{name: found.get(name, 0) for name in names}}
