"""What can be asked of a collector's file: counts, events, sessions, levels. Reads only.

Every question costs the same with a thousand events and with a million: it reads a rollup table or a
bounded slice of the newest ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ga_pygame.collector import batches, counts
from ga_pygame.collector.schema import Reader

if TYPE_CHECKING:
    import sqlite3

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
        self._reader = Reader(path)
        self._db = cast("sqlite3.Connection", self._reader)
        self._games: dict[int, str] = {}

    def reopen(self) -> bool:
        """Read the file that is at the path now; returns whether there is one."""
        self._games = {}
        return self._reader.reopen()

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
        rows = self._db.execute(_both("ASC"), {"after": after})
        found = (self._arrival(part) for row in rows for part in _parts(row) if part[0] > after)
        return list(islice(found, limit))

    def newest(self, after: int, limit: int, category: str | None = None) -> list[Arrival]:
        """The newest `limit` events after an id, newest first; with a category, of that one only.

        The category `rejected` means those that broke a rule.
        """
        if category is not None:
            after = max(after, self.newest_id() - NEWEST_SCANNED)
        rows = self._db.execute(_both("DESC", category), {"after": after, "category": category})
        found = (self._arrival(part) for row in rows for part in reversed(_parts(row)) if part[0] > after)
        wanted = (one for one in found if category in (None, "rejected", one.category))
        return list(islice(wanted, limit))

    def newest_id(self) -> int:
        """The id of the last event that arrived, 0 if none did."""
        query = "SELECT max(ifnull((SELECT max(id) FROM batches), 0), ifnull((SELECT max(id) FROM rejected), 0))"
        return int(self._db.execute(query).fetchone()[0])

    def _arrival(self, part: _Part) -> Arrival:
        row_id, received_at, game_id, categories, raw, errors = part
        category = batches.about(raw).category if "," in categories else categories
        return Arrival(row_id, received_at, self._game(game_id), category, raw, json.loads(errors) if errors else [])

    def _game(self, game_id: int) -> str:
        """A game's key; games are added while this reads, never changed."""
        key = self._games.get(game_id)
        if key is None:
            self._games = dict(self._db.execute("SELECT id, key FROM games"))
            key = self._games[game_id]
        return key

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
        for (body,) in self._db.execute("SELECT body FROM batches ORDER BY id"):
            yield from map(one_line, batches.split(body))

    def rejected(self) -> Iterator[bytes]:
        """Every rejected event with its errors, one line each, in order of arrival."""
        for raw, errors in self._db.execute("SELECT json, errors FROM rejected ORDER BY id"):
            yield b'{"event":' + one_line(raw) + b',"errors":' + errors.encode() + b"}"


def one_line(raw: bytes) -> bytes:
    """The same JSON on one line: a line break can only stand between its tokens."""
    return raw.replace(b"\n", b" ").replace(b"\r", b" ")


def _both(direction: str, category: str | None = None) -> str:
    """The question for rows of accepted and of rejected events after an id, by their ids.

    It is answered row by row, from both tables at once: who has enough stops reading.
    """
    accepted = (
        "SELECT id, number, received_at, game_id, categories, body, NULL AS errors FROM batches WHERE id > :after"
    )
    rejected = "SELECT id, 1, received_at, game_id, category, json, errors FROM rejected WHERE id > :after"
    if category is not None:
        accepted += " AND instr(',' || categories || ',', ',' || :category || ',')"
    if category not in (None, "rejected"):
        rejected += " AND category = :category"
    parts = [rejected] if category == "rejected" else [accepted, rejected]
    return " UNION ALL ".join(parts) + f" ORDER BY id {direction}"


_Part = tuple[int, float, int, str, bytes, str | None]
"""Of one event: id, when it was received, game id, the categories of its row, JSON, errors."""


def _parts(row: tuple[Any, ...]) -> list[_Part]:
    """The events of a row of `_both`, in order of arrival."""
    last, number, received_at, game_id, categories, body, errors = row
    raws = batches.split(body) if errors is None else [body]
    return [
        (row_id, received_at, game_id, categories, raw, errors) for row_id, raw in enumerate(raws, last - number + 1)
    ]


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
