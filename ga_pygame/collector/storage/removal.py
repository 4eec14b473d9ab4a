"""Remove events from the log: those of a player who is to be forgotten, and requests that are too old.

Ids of events never change and are never given again, as the warehouse and the page go on after the last one that they
have seen. So a request of which events are removed becomes several rows, and if its last one goes and was the newest
of the file, a row without events keeps its id. The ids by which duplicates are recognised stay, so that a copy that a
game sends again is not stored.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import msgspec

from ga_pygame.collector.storage import batches
from ga_pygame.collector.storage.reading import Reader
from ga_pygame.collector.storage.schema import SELECT_LAST_ID
from ga_pygame.collector.storage.store import Change, Store

REQUESTS_PER_CHANGE = 200
"""Requests that are rewritten in one transaction; requests of games wait meanwhile."""
MAX_CHECKPOINT_TRIES = 10
"""Tries to empty the write-ahead log, each of which waits a second for programs that read the file."""


class Forgotten(NamedTuple):
    """What was removed of a player.

    Attributes:
        events: Accepted events.
        rejected: Rejected ones.
        service_rows: Rows of POGR's and Trophy's emulators, and of other tables.
        unreadable: Damaged requests, which may have more of the player.
    """

    events: int
    rejected: int
    service_rows: int
    unreadable: int


class FirstDay(NamedTuple):
    """When a player's first event ever, and first purchase ever, were: microseconds since 1970."""

    game_id: int
    user_id: str
    first_at: int
    paid_at: int | None


_REMOVALS = "CREATE TABLE IF NOT EXISTS removals (one INTEGER PRIMARY KEY, number INTEGER NOT NULL)"
"""Only files from which events of players were removed have this table, with one row."""
_COUNT_REMOVAL = "INSERT INTO removals VALUES (1, 1) ON CONFLICT (one) DO UPDATE SET number = number + 1"


class _Whose(msgspec.Struct):
    user_id: Any = None


_whose = msgspec.json.Decoder(_Whose).decode


# --- a player -------------------------------------------------------------------------------------------


def forget_in_log(store: Store, log: Reader, user_id: str) -> Forgotten:
    """Remove a player's events, rejected ones and emulators' state, and every trace of them in the file's bytes.

    The log is searched on the calling thread; then the store's thread removes what was found. At the end it writes the
    file anew (VACUUM), so that no free page has old content. Games that send meanwhile wait, or are told to send again.

    Raises:
        sqlite3.Error: The file cannot be written; calling it again goes on.
        StoreFull: Too much waits to be stored.
    """
    (newest,) = log.execute(SELECT_LAST_ID).fetchone()
    found, unreadable = _requests_of(log, user_id, newest)
    events = 0
    for start in range(0, len(found), REQUESTS_PER_CHANGE):
        some = found[start : start + REQUESTS_PER_CHANGE]
        events += store.change(Change(_removes_of(some, user_id), 0)).result()
    last = Change(_removes_rest(user_id, newest), 0, after=_write_anew)
    later, rejected, rows = store.change(last).result()
    return Forgotten(events + later, rejected, rows, unreadable)


def _requests_of(log: Reader, user_id: str, up_to: int) -> tuple[list[int], int]:
    """Return the ids of the requests with events of a player, and how many could not be read."""
    found: list[int] = []
    unreadable = 0
    for batch_id, body in log.execute("SELECT id, body FROM batches WHERE id <= ? ORDER BY id", (up_to,)):
        raws = batches.split_batch(body)
        if raws is None:
            unreadable += 1
        elif any(_is_of(raw, user_id) for raw in raws):
            found.append(batch_id)
    return found, unreadable


def _is_of(raw: bytes, user_id: str) -> bool:
    """Whether an event is a player's; one that cannot be decoded is, if it has the player's id as a text."""
    try:
        return bool(_whose(raw).user_id == user_id)
    except (msgspec.MsgspecError, RecursionError):
        return json.dumps(user_id, ensure_ascii=False).encode("utf-8", "replace") in raw


def _removes_of(ids: Iterable[int], user_id: str) -> Callable[[sqlite3.Connection], int]:
    def write(db: sqlite3.Connection) -> int:
        query = "SELECT id, game_id, received_at, body FROM batches WHERE id = ?"
        rows = [row for batch_id in ids for row in db.execute(query, (batch_id,))]
        with_last = _KeptLastId(db)
        removed = sum(_remove_from(db, row, user_id) for row in rows)
        if removed:
            db.execute(_REMOVALS)
            db.execute(_COUNT_REMOVAL)
        with_last.keep()
        return removed

    return write


def _removes_rest(user_id: str, after: int) -> Callable[[sqlite3.Connection], tuple[int, int, int]]:
    """Make the write for what came in meanwhile, the rejected events and the other tables."""

    def write(db: sqlite3.Connection) -> tuple[int, int, int]:
        came = [batch_id for (batch_id,) in db.execute("SELECT id FROM batches WHERE id > ?", (after,))]
        later = _removes_of(came, user_id)(db)
        with_last = _KeptLastId(db)
        refused = [(one,) for one, raw in db.execute("SELECT id, json FROM rejected") if _is_of(bytes(raw), user_id)]
        db.executemany("DELETE FROM rejected WHERE id = ?", refused)
        with_last.keep()
        return later, len(refused), _remove_pogr(db, user_id) + _remove_from_tables(db, user_id)

    return write


def _remove_from(db: sqlite3.Connection, row: tuple[Any, ...], user_id: str) -> int:
    """Remove a player's events from a request; return how many."""
    batch_id, game_id, received_at, body = row
    raws = batches.split_batch(body) or []
    gone = [raw for raw in raws if _is_of(raw, user_id)]
    if not gone:
        return 0
    _keep_uuids(db, game_id, gone)
    db.execute("DELETE FROM batches WHERE id = ?", (batch_id,))
    numbered = enumerate(raws, batch_id - len(raws) + 1)
    for is_gone, run in groupby(numbered, lambda one: _is_of(one[1], user_id)):
        if is_gone:
            continue
        ids, kept = zip(*run, strict=True)
        categories = dict.fromkeys(str(batches.about(raw).category) for raw in kept)
        values = (ids[-1], len(kept), game_id, received_at, ",".join(categories), batches.join(kept))
        db.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)", values)
    return len(gone)


def _keep_uuids(db: sqlite3.Connection, game_id: int, raws: Iterable[bytes]) -> None:
    """Put the ids of events into the index now: the events, from which they could be read later, go."""
    uuids = (batches.about(raw).event_uuid for raw in raws)
    known = [(game_id, uuid) for uuid in uuids if isinstance(uuid, str)]
    db.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", known)


class _KeptLastId:
    """The newest id of the file before something is removed."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        (self._id,) = db.execute(SELECT_LAST_ID).fetchone()
        self._batch = _last_batch(db, self._id)

    def keep(self) -> None:
        """Make sure that the id, and that of the newest request, are still there."""
        _leave_empty(self._db, self._batch)
        (now,) = self._db.execute(SELECT_LAST_ID).fetchone()
        if now < self._id:
            _, game_id, received_at = self._batch or (0, 0, 0.0)
            _leave_empty(self._db, (self._id, game_id, received_at))


def _last_batch(db: sqlite3.Connection, up_to: int) -> tuple[int, int, float] | None:
    """Return id, game and time of arrival of the newest request up to an id; `None` if there is none."""
    query = "SELECT id, game_id, received_at FROM batches WHERE id <= ? ORDER BY id DESC LIMIT 1"
    found: tuple[int, int, float] | None = db.execute(query, (up_to,)).fetchone()
    return found


def _leave_empty(db: sqlite3.Connection, batch: tuple[int, int, float] | None) -> None:
    """Insert a request without events, if it was removed."""
    if batch is not None:
        db.execute("INSERT OR IGNORE INTO batches VALUES (?, 0, ?, ?, '', CAST('[]' AS BLOB))", batch)


def _remove_pogr(db: sqlite3.Connection, user_id: str) -> int:
    """Remove the player's sessions with POGR and their rows; return how many."""
    own = "SELECT session_id FROM pogr_sessions WHERE association_id = ?"
    named = json.dumps(user_id, ensure_ascii=False).encode("utf-8", "replace")
    rows = db.execute(
        f"DELETE FROM pogr_rows WHERE session_id IN ({own}) OR instr(CAST(json AS BLOB), ?)",  # noqa: S608 - ours
        (user_id, named),
    )
    sessions = db.execute("DELETE FROM pogr_sessions WHERE association_id = ?", (user_id,))
    return rows.rowcount + sessions.rowcount


def _remove_from_tables(db: sqlite3.Connection, user_id: str) -> int:
    """Remove the player's rows from each table that names players, e.g. Trophy's; return how many."""
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    removed = 0
    for table in tables:
        columns = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
        if "user_id" in columns:
            removed += db.execute(f"DELETE FROM {table} WHERE user_id = ?", (user_id,)).rowcount  # noqa: S608 - ours
    return removed


def _write_anew(db: sqlite3.Connection) -> None:
    """Write the file anew without its free pages, and empty its write-ahead log.

    Raises:
        sqlite3.Error: A program reads the file all the time, or the disk is full.
    """
    db.execute("VACUUM")
    for _ in range(MAX_CHECKPOINT_TRIES):
        (is_busy, *_) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not is_busy:
            return
    raise sqlite3.OperationalError("another program reads the file, so old pages are still in its log")


def number_of_removals(log: Reader) -> int:
    """Return how many transactions have removed events of players; a warehouse made before the last one has them."""
    if log.execute("SELECT 1 FROM sqlite_master WHERE name = 'removals'").fetchone() is None:
        return 0
    return int(log.execute("SELECT number FROM removals").fetchone()[0])


# --- what is too old ------------------------------------------------------------------------------------

_FIRST_DAYS = (
    "CREATE TABLE IF NOT EXISTS first_days (game_id INTEGER NOT NULL, user_id TEXT NOT NULL,"
    " first_at INTEGER NOT NULL, paid_at INTEGER, PRIMARY KEY (game_id, user_id)) WITHOUT ROWID"
)
"""Only files from which old events were removed have this table."""
_KEEP_FIRST_DAY = (
    "INSERT INTO first_days VALUES (?, ?, ?, ?) ON CONFLICT (game_id, user_id) DO UPDATE SET"
    " first_at = min(first_at, excluded.first_at),"
    " paid_at = ifnull(min(paid_at, excluded.paid_at), ifnull(paid_at, excluded.paid_at))"
)
_IN_ORDER = (
    "SELECT id, number, received_at FROM batches WHERE number > 0"
    " UNION ALL SELECT id, 1, received_at FROM rejected ORDER BY id"
)


def last_old_id(log: Reader, before: float, most_events: int) -> int:
    """Return the id up to which requests arrived before a time; 0 if there are none.

    Args:
        log: The log.
        before: Seconds since 1970.
        most_events: The id of an earlier request is returned once so many events are found.
    """
    last = events = 0
    rows = log.execute(_IN_ORDER)
    for event_id, number, received_at in rows:
        if received_at >= before or events >= most_events:
            break
        last, events = event_id, events + number
    rows.close()
    return int(last)


def first_id_left(log: Reader) -> int:
    """Return the id of the oldest accepted event of the log; one above all ids if there is none."""
    row = log.execute("SELECT id - number + 1 FROM batches WHERE number > 0 ORDER BY id LIMIT 1").fetchone()
    return int(row[0]) if row else int(log.execute(SELECT_LAST_ID).fetchone()[0]) + 1


def removes_old(up_to: int, first_days: Sequence[FirstDay]) -> Callable[[sqlite3.Connection], None]:
    """Make the write that removes requests up to an id, but keeps the first days of their players."""

    def write(db: sqlite3.Connection) -> None:
        db.execute(_FIRST_DAYS)
        db.executemany(_KEEP_FIRST_DAY, first_days)
        (indexed,) = db.execute("SELECT ifnull(max(id), 0) FROM seen_up_to").fetchone()
        query = "SELECT game_id, body FROM batches WHERE id > ? AND id <= ?"
        for game_id, body in db.execute(query, (indexed, up_to)).fetchall():
            _keep_uuids(db, game_id, batches.split_batch(body) or [])
        with_last, last_old = _KeptLastId(db), _last_batch(db, up_to)
        db.execute("DELETE FROM batches WHERE id <= ?", (up_to,))
        db.execute("DELETE FROM rejected WHERE id <= ?", (up_to,))
        _leave_empty(db, last_old)  # it may be the last projected one, by which the warehouse recognises the log
        with_last.keep()

    return write


def kept_first_days(log: Reader) -> list[FirstDay]:
    """Return the first days of players whose old events were removed."""
    if log.execute("SELECT 1 FROM sqlite_master WHERE name = 'first_days'").fetchone() is None:
        return []
    return [FirstDay(*row) for row in log.execute("SELECT game_id, user_id, first_at, paid_at FROM first_days")]
