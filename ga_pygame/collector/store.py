"""Where the collector keeps what it gets: one SQLite file, written by one thread.

A submission is acknowledged after its commit; what waits together is committed together. Accepted and
rejected events share one sequence of ids, the order of arrival. What the page counts (totals, sessions,
levels) is kept in the same transaction as the events, so that a question costs the same after a million.

An event that was stored before (same game, same `event_uuid`) is counted as a duplicate and not stored
again: games re-send what they saw no answer for.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ga_pygame.collector.schema import connect

EVENTS_PER_COMMIT = 20_000
MAX_WAITING_BYTES = 64 * 2**20

_EVENT_COLUMNS = (
    "id, game_id, received_at, client_ts, category, event_uuid, user_id, session_id, session_num, event_id, value, json"
)
_INSERT = (
    f"INSERT INTO events ({_EVENT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - constants
    " ON CONFLICT (game_id, event_uuid) DO NOTHING"
)


class StoreFull(Exception):
    """More waits to be written than may wait; the sender should come again later."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event that broke a rule."""

    category: str
    json: bytes
    errors: str


@dataclass(frozen=True, slots=True)
class Submission:
    """What one request brought.

    Attributes:
        game_key: Whose events these are.
        received_at: Seconds since 1970.
        accepted: Each event decoded and as sent.
        rejected: The others.
        size: Bytes of JSON that this holds in memory.
    """

    game_key: str
    received_at: float
    accepted: Sequence[tuple[Mapping[str, Any], Any]]
    rejected: Sequence[Rejected]
    size: int


@dataclass(frozen=True, slots=True)
class Change:
    """What one request of another service writes.

    Attributes:
        write: Called on the writing thread inside a transaction, a second time if that has to be begun anew;
            so it keeps nothing but what it writes, and what it returns. It does not raise for a request that
            it turns down.
        size: Bytes that this holds in memory.
    """

    write: Callable[[sqlite3.Connection], Any]
    size: int


class Store:
    """The write side of the file; `submit` from any thread, one thread writes."""

    def __init__(self, path: Path, *, temporary: bool = False) -> None:
        self.path = path
        self._temporary = temporary
        self._db = connect(path)
        self._games: dict[str, int] = dict(self._db.execute("SELECT key, id FROM games"))
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._waiting_bytes = 0
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="ga-collector-store", daemon=True)
        self._thread.start()

    def submit(self, submission: Submission) -> Future[None]:
        """Hand over what a request brought; the future is done when it is committed.

        Raises:
            StoreFull: Too much waits already.
        """
        return self._put(submission)

    def change(self, change: Change) -> Future[Any]:
        """Hand over another change; the future holds what its `write` returned once that is committed.

        Raises:
            StoreFull: Too much waits already.
        """
        return self._put(change)

    def _put(self, what: Submission | Change) -> Future[Any]:
        future: Future[Any] = Future()
        with self._lock:
            if self._closed or self._waiting_bytes + what.size > MAX_WAITING_BYTES:
                raise StoreFull
            self._waiting_bytes += what.size
            self._queue.put((what, future))
        return future

    def close(self) -> None:
        """Write what waits and close the file."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        self._db.close()
        if self._temporary:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    # --- the writing thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        going = True
        while going:
            group: list[_Item] = []
            size = 0
            item = self._queue.get()
            while item is not None:
                what, future = item
                with self._lock:
                    self._waiting_bytes -= what.size
                if future.set_running_or_notify_cancel():
                    group.append(item)
                    size += len(what.accepted) + len(what.rejected) if isinstance(what, Submission) else 1
                if size >= EVENTS_PER_COMMIT:
                    break
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            going = item is not None
            if group:
                self._settle(group)

    def _settle(self, group: list[_Item]) -> None:
        try:
            results = self._write([what for what, _ in group])
        except Exception as error:  # noqa: BLE001 - whatever it is, the sender must hear of it
            with contextlib.suppress(sqlite3.Error):
                self._db.rollback()
            if len(group) == 1:
                group[0][1].set_exception(error)
            else:  # one that cannot be stored must not take the others with it
                for one in group:
                    self._settle([one])
            return
        for (_, future), result in zip(group, results, strict=True):
            future.set_result(result)

    def _write(self, group: Sequence[Submission | Change]) -> list[Any]:
        self._db.execute("BEGIN IMMEDIATE")
        submissions = [one for one in group if isinstance(one, Submission)]
        if submissions:
            self._write_events(submissions)
        results = [one.write(self._db) if isinstance(one, Change) else None for one in group]
        self._db.execute("COMMIT")
        return results

    def _write_events(self, submissions: Sequence[Submission]) -> None:
        (next_id,) = self._db.execute(
            "SELECT 1 + max(ifnull((SELECT max(id) FROM events), 0), ifnull((SELECT max(id) FROM rejected), 0))"
        ).fetchone()
        rows: list[tuple[Any, ...]] = []
        extras: list[Mapping[str, Any]] = []
        refused: list[tuple[Any, ...]] = []
        for submission in submissions:
            game_id = self._game_id(submission.game_key)
            received_at = submission.received_at
            for event, raw in submission.accepted:
                rows.append(_row(next_id, game_id, received_at, event, raw))
                extras.append(event)
                next_id += 1
            for one in submission.rejected:
                refused.append((next_id, game_id, received_at, one.category, one.errors, one.json))
                next_id += 1
        tally = _Tally()
        fresh = self._insert(rows)
        for row, event in zip(rows, extras, strict=True):
            if fresh is None or row[0] in fresh:
                tally.add(row, event)
            else:
                tally.count(row[1], row[4], 2)
        if refused:
            self._db.executemany("INSERT INTO rejected VALUES (?, ?, ?, ?, ?, ?)", refused)
            for row in refused:
                tally.count(row[1], row[3], 1)
        tally.write(self._db)

    def _insert(self, rows: list[tuple[Any, ...]]) -> set[int] | None:
        """Insert what is new; return the ids that were, or `None` if all were."""
        if not rows:
            return None
        before = self._db.total_changes
        self._db.executemany(_INSERT, rows)
        if self._db.total_changes - before == len(rows):
            return None
        return {row[0] for row in self._db.execute("SELECT id FROM events WHERE id >= ?", (rows[0][0],))}

    def _game_id(self, key: str) -> int:
        game_id = self._games.get(key)
        if game_id is None:
            self._db.execute("INSERT OR IGNORE INTO games (key) VALUES (?)", (key,))
            (game_id,) = self._db.execute("SELECT id FROM games WHERE key = ?", (key,)).fetchone()
            self._games[key] = game_id
        return game_id


_Item = tuple[Submission | Change, Future[Any]]


def _row(row_id: int, game_id: int, received_at: float, event: Mapping[str, Any], raw: Any) -> tuple[Any, ...]:
    get = event.get
    value = get("amount")
    if value is None:
        value = get("value")
        if value is None:
            value = get("score")
            if value is None:
                value = get("length")
    event_id = get("event_id")
    return (
        row_id,
        game_id,
        received_at,
        get("client_ts"),
        event["category"],
        get("event_uuid"),
        get("user_id"),
        get("session_id"),
        get("session_num"),
        event_id if type(event_id) is str else None,
        _column(value),
        raw,
    )


def _column(value: object) -> float | None:
    """A number that fits an SQL column; the JSON keeps what was sent."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        try:
            return float(value)
        except OverflowError:
            return None
    return value


class _Tally:
    """What a group of events adds to the totals, sessions and levels."""

    def __init__(self) -> None:
        self._totals: dict[tuple[int, str], list[int]] = {}
        self._sessions: dict[tuple[int, str], list[Any]] = {}
        self._levels: dict[tuple[int, str], list[int]] = {}

    def count(self, game_id: int, category: str, column: int) -> None:
        """Column 0 is accepted, 1 rejected, 2 duplicates."""
        counts = self._totals.get((game_id, category))
        if counts is None:
            counts = self._totals[game_id, category] = [0, 0, 0]
        counts[column] += 1

    def add(self, row: tuple[Any, ...], event: Mapping[str, Any]) -> None:
        """Count an accepted event."""
        _, game_id, received_at, client_ts, category, _, user_id, session_id, session_num, event_id, _, _ = row
        self.count(game_id, category, 0)
        if session_id is not None:
            at = received_at if client_ts is None else client_ts
            session = self._sessions.get((game_id, session_id))
            if session is None:
                platform, build = event.get("platform"), event.get("build")
                first = [user_id, session_num, platform, build, at, at, received_at, None, 0]
                session = self._sessions[game_id, session_id] = first
            session[4] = min(session[4], at)
            session[5] = max(session[5], at)
            session[6] = received_at
            session[8] += 1
            if category == "session_end":
                session[7] = event["length"]
        if category == "progression":
            status, _, level = event_id.partition(":")
            counts = self._levels.setdefault((game_id, level), [0, 0, 0, 0, 0])
            counts[("Start", "Fail", "Complete").index(status)] += 1
            attempt = event.get("attempt_num")
            if status == "Complete" and attempt is not None:
                counts[3] += min(attempt, 2**31)
                counts[4] += 1

    def write(self, db: sqlite3.Connection) -> None:
        """Add all this to the tables."""
        db.executemany(
            "INSERT INTO totals VALUES (?, ?, ?, ?, ?) ON CONFLICT (game_id, category) DO UPDATE SET"
            " accepted = accepted + excluded.accepted, rejected = rejected + excluded.rejected,"
            " duplicates = duplicates + excluded.duplicates",
            [(*key, *counts) for key, counts in self._totals.items()],
        )
        db.executemany(
            "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (game_id, session_id) DO UPDATE SET user_id = excluded.user_id,"
            " started = min(started, excluded.started), latest = max(latest, excluded.latest),"
            " build = ifnull(excluded.build, build), received_at = excluded.received_at,"
            " length = ifnull(excluded.length, length), events = events + excluded.events",
            [(*key, *session) for key, session in self._sessions.items()],
        )
        db.executemany(
            "INSERT INTO levels VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (game_id, level) DO UPDATE SET"
            " starts = starts + excluded.starts, fails = fails + excluded.fails,"
            " completes = completes + excluded.completes, attempts = attempts + excluded.attempts,"
            " attempted = attempted + excluded.attempted",
            [(*key, *counts) for key, counts in self._levels.items()],
        )
