"""What can be asked of a collector's file: counts, events, sessions, levels. Reads only.

Every question costs the same with a thousand events and with a million: it reads a rollup table or a
bounded slice of the newest ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ga_pygame.collector import counts
from ga_pygame.collector.schema import connect_to_read

NEWEST_SCANNED = 20_000
"""How many of the newest ids a filtered look at the feed goes through."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event as it arrived; `errors` is empty for an accepted one."""

    id: int
    received_at: float
    game_key: str
    category: str
    json: bytes
    errors: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Session:
    """One session as far as its events tell; `length` in seconds, `ended` once its `session_end` came."""

    session_id: str
    game_key: str
    user_id: str
    session_num: int
    platform: str
    build: str | None
    started: float
    length: int
    ended: bool
    received_at: float
    events: int


@dataclass(frozen=True, slots=True)
class Level:
    """How a level is played."""

    level: str
    starts: int
    fails: int
    completes: int
    completion_rate: float | None
    mean_attempts: float | None


class Queries:
    """A reader's connection to the file; one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._db = connect_to_read(path)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def summary(self) -> dict[str, Any]:
        """Counts by category; duplicates and sessions as totals; what POGR's and Trophy's routes took."""
        accepted: dict[str, int] = {}
        rejected: dict[str, int] = {}
        duplicates = 0
        for row in self._db.execute(
            "SELECT category, sum(accepted), sum(rejected), sum(duplicates) FROM totals GROUP BY category"
        ):
            if row[1]:
                accepted[row[0]] = row[1]
            if row[2]:
                rejected[row[0]] = row[2]
            duplicates += row[3]
        (sessions,) = self._db.execute("SELECT count(*) FROM sessions").fetchone()
        return {
            "accepted": accepted,
            "rejected": rejected,
            "duplicates": duplicates,
            "sessions": sessions,
            "pogr": counts.pogr(self._db),
            "trophy": counts.trophy(self._db),
        }

    def live_sessions(self, since: float) -> int:
        """How many sessions have not ended and sent something after `since` (seconds since 1970)."""
        query = "SELECT count(*) FROM sessions WHERE received_at > ? AND length IS NULL"
        return int(self._db.execute(query, (since,)).fetchone()[0])

    def arrivals(self, after: int, limit: int) -> list[Arrival]:
        """The next `limit` events after an id, accepted and rejected, in order of arrival."""
        query = (
            "SELECT * FROM (SELECT e.id, received_at, key, category, json, NULL AS errors FROM events e"
            " JOIN games g ON g.id = game_id WHERE e.id > :after ORDER BY e.id LIMIT :limit)"
            " UNION ALL SELECT * FROM (SELECT r.id, received_at, key, category, json, errors FROM rejected r"
            " JOIN games g ON g.id = game_id WHERE r.id > :after ORDER BY r.id LIMIT :limit)"
            " ORDER BY 1 LIMIT :limit"
        )
        return [_arrival(row) for row in self._db.execute(query, {"after": after, "limit": limit})]

    def newest(self, after: int, limit: int, category: str | None = None) -> list[Arrival]:
        """The newest `limit` events after an id, newest first; with a category, of that one only.

        The category `rejected` means those that broke a rule.
        """
        newest = self.newest_id()
        where = "id > :after AND (:category IS NULL OR category = :category)"
        parts = [
            f"SELECT * FROM (SELECT id, received_at, game_id, category, json, {errors} AS errors FROM {table}"  # noqa: S608
            f" WHERE {where} ORDER BY id DESC LIMIT :limit)"
            for table, errors in (("events", "NULL"), ("rejected", "errors"))
            if not (table == "events" and category == "rejected")
        ]
        query = (
            "SELECT a.id, received_at, key, category, json, errors FROM ("  # noqa: S608
            + " UNION ALL ".join(parts)
            + ") a JOIN games g ON g.id = game_id ORDER BY 1 DESC LIMIT :limit"
        )
        values = {
            "after": after if category is None else max(after, newest - NEWEST_SCANNED),
            "limit": limit,
            "category": None if category == "rejected" else category,
        }
        return [_arrival(row) for row in self._db.execute(query, values)]

    def newest_id(self) -> int:
        """The id of the last event that arrived, 0 if none did."""
        query = "SELECT max(ifnull((SELECT max(id) FROM events), 0), ifnull((SELECT max(id) FROM rejected), 0))"
        return int(self._db.execute(query).fetchone()[0])

    def sessions(self, limit: int = 100) -> list[Session]:
        """The sessions that sent something last, newest first."""
        query = (
            "SELECT session_id, key, user_id, session_num, platform, build, started,"
            " CASE WHEN length IS NULL THEN CAST(latest - started AS INTEGER) ELSE length END, length IS NOT NULL,"
            " received_at, events FROM sessions s JOIN games g ON g.id = game_id ORDER BY received_at DESC LIMIT ?"
        )
        return [_session(row) for row in self._db.execute(query, (limit,))]

    def progression(self, limit: int = 200) -> list[Level]:
        """Starts, fails and completes of each level, in the order of their names."""
        query = (
            "SELECT level, sum(starts), sum(fails), sum(completes), sum(attempts), sum(attempted)"
            " FROM levels GROUP BY level ORDER BY level LIMIT ?"
        )
        found = []
        for level, starts, fails, completes, attempts, attempted in self._db.execute(query, (limit,)):
            tried = max(starts, fails + completes)
            rate = completes / tried if tried else None
            mean = attempts / attempted if attempted else None
            found.append(Level(level, starts, fails, completes, rate, mean))
        return found

    def stored(self) -> Iterator[bytes]:
        """Every accepted event as it was sent, one line each, in order of arrival."""
        for (raw,) in self._db.execute("SELECT json FROM events ORDER BY id"):
            yield one_line(raw)

    def rejected(self) -> Iterator[bytes]:
        """Every rejected event with its errors, one line each, in order of arrival."""
        for raw, errors in self._db.execute("SELECT json, errors FROM rejected ORDER BY id"):
            yield b'{"event":' + one_line(raw) + b',"errors":' + errors.encode() + b"}"


def one_line(raw: bytes) -> bytes:
    """The same JSON on one line: a line break can only stand between its tokens."""
    return raw.replace(b"\n", b" ").replace(b"\r", b" ")


def _arrival(row: tuple[Any, ...]) -> Arrival:
    row_id, received_at, game_key, category, raw, errors = row
    return Arrival(row_id, received_at, game_key, category, raw, json.loads(errors) if errors else [])


def _session(row: tuple[Any, ...]) -> Session:
    session_id, game_key, user_id, session_num, platform, build, started, length, ended, received_at, events = row
    return Session(
        session_id=session_id,
        game_key=game_key,
        user_id=user_id or "",
        session_num=session_num or 0,
        platform=platform or "",
        build=build,
        started=started,
        length=length,
        ended=bool(ended),
        received_at=received_at,
        events=events,
    )
