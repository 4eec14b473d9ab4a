"""What can be asked of a collector's file: counts, events, sessions, levels. Reads only.

Every question costs the same with a thousand events and with a million: it reads a rollup table by an index, or a
bounded slice of the newest ids.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec

from ga_pygame.collector.plain_text import one_line
from ga_pygame.collector.storage import batches, counts
from ga_pygame.collector.storage.reading import Reader
from ga_pygame.collector.storage.schema import StoreError

MAX_IDS_LOOKED_AT = 20_000
"""How many of the newest ids a look at the feed goes through; older events are left out of a filtered feed."""

MAX_EVENTS_UNPACKED = 20_000
"""How many events a look at the feed takes out of their requests; the rest of them is left out."""

MAX_BYTES_UNPACKED = 8 * 2**20
"""How many bytes of JSON one answer takes out of their requests, before the one that is over it; the rest comes with
the next answer, and is left out of the feed."""

MAX_ERRORS_BYTES = 256 * 2**10
"""Broken rules of one event are listed up to this many bytes of JSON; of more the answer says only that they exist."""

MAX_LIVE_COUNTED = 10_000
"""Sessions that play at the moment are counted up to this number, and shown as at least so many."""


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
class StoredSession:
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
    crashed: bool


@dataclass(frozen=True, slots=True)
class LevelCounts:
    """How a level is played."""

    level: str
    starts: int
    fails: int
    completes: int
    completion_rate: float | None
    mean_attempts: float | None


class Queries:
    """A reader's connection to the file; one thread at a time."""

    def __init__(self, path: Path, generation: int = 0) -> None:
        self._generation = generation
        self._reader = Reader(path)
        self._db = cast("sqlite3.Connection", self._reader)
        self._games: dict[int, str] = {}
        self.unreadable = 0
        """Stored requests that could not be unpacked, in all answers together."""

    def follow(self, generation: int) -> bool:
        """Read the file that is at the path now, if the store has begun another one; returns whether it is another.

        Args:
            generation: The store's.
        """
        if generation != self._generation and self._reader.reopen():
            self._games = {}
            self._generation = generation
            return True
        return False

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def summary(self) -> dict[str, Any]:
        """Counts by category; duplicates and sessions as totals; what POGR's and Trophy's routes took."""
        (sessions,) = self._db.execute("SELECT count(*) FROM sessions").fetchone()
        return {
            **self.totals(),
            "sessions": sessions,
            "pogr": counts.pogr(self._db),
            "trophy": counts.trophy(self._db),
        }

    def totals(self) -> dict[str, Any]:
        """Accepted and rejected events by category, and how many were duplicates."""
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
        return {"accepted": accepted, "rejected": rejected, "duplicates": duplicates}

    def version(self) -> int:
        """A number that changes whenever something was written to the file."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def games(self) -> int:
        """How many games have sent something."""
        return int(self._db.execute("SELECT count(*) FROM games").fetchone()[0])

    def live_sessions(self, since: float) -> int:
        """How many sessions have not ended and sent something after `since` (seconds since 1970).

        Counted up to `MAX_LIVE_COUNTED`.
        """
        query = (
            "SELECT count(*) FROM (SELECT 1 FROM sessions INDEXED BY sessions_open"
            " WHERE received_at > ? AND length IS NULL LIMIT ?)"
        )
        return int(self._db.execute(query, (since, MAX_LIVE_COUNTED)).fetchone()[0])

    def arrivals(self, after: int, limit: int) -> list[Arrival]:
        """The next events after an id, accepted and rejected, in order of arrival.

        At most `limit`, and fewer where they would be more than `MAX_BYTES_UNPACKED`; none only if there are none.
        """
        found: list[Arrival] = []
        size = 0
        for row in self._db.execute(_both("ASC"), {"after": after, "up_to": _LAST_ID}):
            for part in self._parts(row):
                if part[0] > after and len(found) < limit:
                    found.append(self._arrival(part))
                    size += len(part[4])
            if len(found) >= limit or size > MAX_BYTES_UNPACKED:
                break
        return found

    def newest(self, after: int, limit: int, category: str | None = None, up_to: int | None = None) -> list[Arrival]:
        """The newest events after an id, newest first; with a category, of that one only.

        Args:
            after: The id.
            limit: At most so many. Fewer where that needs more than the bounds of this module.
            category: `rejected` means those that broke a rule.
            up_to: Nothing after this id; what came later is left to the next look.
        """
        newest_id = self.newest_id() if up_to is None else up_to
        after = max(after, newest_id - MAX_IDS_LOOKED_AT)
        asked = {"after": after, "up_to": newest_id, "category": category}
        found: list[Arrival] = []
        events = size = 0
        for row in self._db.execute(_both("DESC", category), asked):
            parts = self._parts(row)
            events += len(parts)
            size += sum(len(part[4]) for part in parts)
            for part in reversed(parts):
                if part[0] <= after or len(found) >= limit:
                    break
                one = self._arrival(part)
                if category in (None, "rejected", one.category):
                    found.append(one)
            if len(found) >= limit or events > MAX_EVENTS_UNPACKED or size > MAX_BYTES_UNPACKED:
                break
        return found

    def newest_id(self) -> int:
        """The id of the last event that arrived, 0 if none did."""
        query = "SELECT max(ifnull((SELECT max(id) FROM batches), 0), ifnull((SELECT max(id) FROM rejected), 0))"
        return int(self._db.execute(query).fetchone()[0])

    def _parts(self, row: tuple[Any, ...]) -> list[_EventRow]:
        """The events of a row of `_both`, in order of arrival; none of a row that is damaged."""
        last, received_at, game_id, categories, body, errors = row
        sound = isinstance(received_at, int | float) and isinstance(categories, str)
        raws = (batches.split_batch(body) if errors is None else _rejected(body)) if sound else None
        if raws is None:
            self.unreadable += 1
            return []
        return [
            (row_id, received_at, game_id, categories, raw, errors)
            for row_id, raw in enumerate(raws, last - len(raws) + 1)
        ]

    def _arrival(self, part: _EventRow) -> Arrival:
        row_id, received_at, game_id, categories, raw, errors = part
        several = errors is None and "," in categories
        category = batches.about(raw).category if several else categories
        return Arrival(row_id, received_at, self._game(game_id), category, raw, _errors(errors))

    def _game(self, game_id: int) -> str:
        """A game's key; games are added while this reads, never changed."""
        key = self._games.get(game_id)
        if key is None:
            self._games = dict(self._db.execute("SELECT id, key FROM games"))
            key = self._games.get(game_id, _NO_GAME)
        return key

    def sessions(self, limit: int = 100) -> list[StoredSession]:
        """The sessions that sent something last, newest first."""
        query = (
            "SELECT session_id, key, user_id, session_num, platform, build, started,"
            " CASE WHEN length IS NULL THEN CAST(latest - started AS INTEGER) ELSE length END, length IS NOT NULL,"
            " received_at, events, crashed"
            " FROM sessions s INDEXED BY sessions_received CROSS JOIN games g ON g.id = game_id"
            " ORDER BY received_at DESC LIMIT ?"
        )
        return [_session(row) for row in self._db.execute(query, (limit,))]

    def progression(self, limit: int = 200) -> list[LevelCounts]:
        """Starts, fails and completes of each level, in the order of their names, as a person counts."""
        query = (
            "SELECT level, sum(starts), sum(fails), sum(completes), sum(attempts), sum(attempted)"
            " FROM levels INDEXED BY levels_natural GROUP BY natural, level ORDER BY natural, level LIMIT ?"
        )
        found = []
        for level, starts, fails, completes, attempts, attempted in self._db.execute(query, (limit,)):
            tried = max(starts, fails + completes)
            rate = completes / tried if tried else None
            mean = attempts / attempted if attempted else None
            found.append(LevelCounts(level, starts, fails, completes, rate, mean))
        return found

    def stored(self) -> Iterator[bytes]:
        """Every accepted event as it was sent, one line each, in order of arrival.

        Raises:
            StoreError: The file is damaged; what could be read was given before.
        """
        for (body,) in self._all("SELECT body FROM batches ORDER BY id"):
            raws = batches.split_batch(body)
            if raws is None:
                self.unreadable += 1
                continue
            yield from map(one_line, raws)

    def rejected(self) -> Iterator[bytes]:
        """Every rejected event with its errors, one line each, in order of arrival.

        Raises:
            StoreError: See `stored`.
        """
        for raw, errors in self._all("SELECT json, errors FROM rejected ORDER BY id"):
            raws = _rejected(raw)
            if raws is None:
                self.unreadable += 1
                continue
            yield b'{"event":' + one_line(raws[0]) + b',"errors":' + one_line(_encode(_errors(errors))) + b"}"

    def _all(self, query: str) -> Iterator[Any]:
        try:
            yield from self._db.execute(query)
        except sqlite3.Error as error:
            raise StoreError(f"not all of the file can be read: {error}. What could be read is complete") from error


_LAST_ID = 2**63 - 1
_NO_GAME = "?"
"""The key of a game that the file does not name any more."""
_encode = msgspec.json.encode
_decode_errors = msgspec.json.Decoder(list[dict[str, str]]).decode


def _rejected(raw: object) -> list[bytes] | None:
    """A rejected event; `None` if it is damaged."""
    raws = batches.split_batch(b"[" + raw + b"]") if isinstance(raw, bytes) else None
    return raws if raws is not None and len(raws) == 1 else None


def _errors(text: object) -> list[dict[str, str]]:
    """The broken rules of a rejected event; `None` stands for an accepted one."""
    if text is None:
        return []
    try:
        if not isinstance(text, str):
            raise msgspec.DecodeError
        if len(text) > MAX_ERRORS_BYTES:
            return [{"error_type": "too_many", "path": "", "reason": "more rules are broken than are listed here"}]
        errors = _decode_errors(text)
        if errors:
            return errors
    except (msgspec.DecodeError, RecursionError):
        pass
    return [{"error_type": "unreadable", "path": "", "reason": "the broken rules cannot be read"}]


def _both(direction: str, category: str | None = None) -> str:
    """The question for rows of accepted and of rejected events after an id, by their ids.

    It is answered row by row, from both tables at once: who has enough stops reading.
    """
    accepted = (
        "SELECT id, received_at, game_id, categories, body, NULL AS errors FROM batches"
        " WHERE id > :after AND id <= :up_to"
    )
    rejected = (
        "SELECT id, received_at, game_id, category, json, errors FROM rejected WHERE id > :after AND id <= :up_to"
    )
    if category is not None:
        accepted += " AND instr(',' || categories || ',', ',' || :category || ',')"
    if category not in (None, "rejected"):
        rejected += " AND category = :category"
    parts = [rejected] if category == "rejected" else [accepted, rejected]
    return " UNION ALL ".join(parts) + f" ORDER BY id {direction}"


_EventRow = tuple[int, float, int, str, bytes, Any]
"""Of one event: id, when it was received, game id, the categories of its row, JSON, errors."""


def _session(row: tuple[Any, ...]) -> StoredSession:
    session_id, game_key, user_id, session_num, platform, build, started, length, ended, *rest = row
    received_at, events, crashed = rest
    return StoredSession(
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
        crashed=bool(crashed),
    )
