"""The store: one SQLite file with everything that the collector accepts, written by one thread.

A submission is acknowledged after its commit; submissions that wait together are committed together. The accepted
events of a request are one row, each rejected event is a row; they share one sequence of ids, the order of arrival.
The counts by category (totals) are updated in the same transaction as the events; all other figures come from the
warehouse.

An event that was stored before (same game, same `event_uuid`) is counted as a duplicate and not stored again: games
send an event again if they got no answer.

The file can be deleted, replaced or damaged while it is in use. Then nothing is acknowledged until `keeper` has
repaired or replaced it.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ga_pygame.collector.storage import batches
from ga_pygame.collector.storage.keeper import Keeper, Unusable
from ga_pygame.collector.storage.schema import SELECT_LAST_ID, is_of_the_file
from ga_pygame.collector.storage.seen import SeenIds
from ga_pygame.collector.teller import Tell
from ga_pygame.collector.troubles import Troubles

EVENTS_PER_COMMIT = 20_000
MAX_WAITING_BYTES = 24 * 2**20
"""Approximate bytes of memory of the submissions that are not committed; beyond it senders get 503."""
MAX_REJECTED_KEPT = 100
"""Rejected events of a request that are stored; the rest is only counted."""
IDLE_LOOK_SECONDS = 0.5
"""Time between two checks of the file while nothing is written."""

_ENDS = "the collector ends"

_Accepted = tuple[Mapping[str, Any], bytes]


class StoreFull(Exception):
    """Nothing can be stored now: too much waits, or the file cannot be used. The sender should try again later."""


@dataclass(frozen=True, slots=True)
class RejectedEvent:
    """An event that broke a rule."""

    category: str
    json: bytes
    errors: str


@dataclass(frozen=True, slots=True)
class Submission:
    """The events of one request.

    Attributes:
        game_key: The game that sent them.
        received_at: Seconds since 1970.
        accepted: Accepted events, each decoded and as sent.
        rejected: Rejected events.
        size: Approximate bytes of memory of all this.
        body: The body of the request if no event was rejected; gzip or plain.
    """

    game_key: str
    received_at: float
    accepted: Sequence[_Accepted]
    rejected: Sequence[RejectedEvent]
    size: int
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Change:
    """A write of POGR's or Trophy's routes.

    Attributes:
        write: Called on the writing thread within a transaction, and again if that must be repeated. So it must have no
            effects besides its writes and its result. It does not raise for a request that it turns down.
        size: Bytes of memory of all this.
        after: Called after the commit, outside of a transaction; the future is done when it has returned.
    """

    write: Callable[[sqlite3.Connection], Any]
    size: int
    after: Callable[[sqlite3.Connection], None] | None = None


def _silent(cause: str, message: str) -> None:
    """Ignore a message."""


class Store:
    """The write side of the file. Any thread may submit; one thread writes.

    Attributes:
        waiting_bytes: The memory of what waits to be written.
    """

    def __init__(
        self, path: Path, *, temporary: bool = False, tell: Tell = _silent, troubles: Troubles | None = None
    ) -> None:
        self.path = path
        self._temporary = temporary
        self._tell = tell
        self._keeper = Keeper(path, tell, troubles or Troubles(), self._use)
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self.waiting_bytes = 0
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="ga-collector-store", daemon=True)
        self._thread.start()

    @property
    def generation(self) -> int:
        """A number that changes when the file was reopened; readers must reopen it too. Any thread may ask."""
        return self._keeper.generation

    def submit(self, submission: Submission) -> Future[int]:
        """Queue the events of a request; the future gets the number of events that are no duplicates, after the commit.

        Raises:
            StoreFull: Too much waits already.
        """
        return self._put(submission)

    def change(self, change: Change) -> Future[Any]:
        """Queue a change; the future gets the result of its `write` after the commit.

        Raises:
            StoreFull: Too much waits already.
        """
        return self._put(change)

    def probe(self) -> Future[Any]:
        """Queue a transaction without a change: the future is done when the file could be locked for writing.

        Raises:
            StoreFull: Too much waits already.
        """
        return self._put(Change(lambda _db: None, 0))

    def _put(self, what: Submission | Change) -> Future[Any]:
        future: Future[Any] = Future()
        with self._lock:
            if self._closed or self.waiting_bytes + what.size > MAX_WAITING_BYTES:
                raise StoreFull("too much waits to be stored")
            self.waiting_bytes += what.size
            self._queue.put((what, future))
        return future

    def close(self) -> None:
        """Write what waits, if the file can be written, and close the file."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()
        self._keeper.close()
        if self._temporary:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    # --- the writing thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._step():
                pass
        finally:  # a future that nobody completes would block its request for ever
            with self._lock:
                self._closed = True
            with contextlib.suppress(queue.Empty):
                while True:
                    item = self._queue.get_nowait()
                    if item is not None:
                        _fail_all([item], StoreFull(_ENDS))

    def _step(self) -> bool:
        """Store what waits, or check the file if nothing comes; return whether to go on."""
        try:
            item = self._queue.get(timeout=IDLE_LOOK_SECONDS)
        except queue.Empty:
            self._look_idly()
            return True
        group, waiting, going = self._group(item)
        if group:
            try:
                self._keeper.look()
                self._settle(group)
            except Unusable as error:
                _fail_all(group, StoreFull(str(error)))
            except Exception as error:  # noqa: BLE001 - this thread must go on, and senders must hear of it
                _fail_all(group, error)
            finally:
                _fail_all(group, StoreFull(_ENDS))  # those that are not done yet
        with self._lock:
            self.waiting_bytes -= waiting
        return going and not (self._closed and self._keeper.failing)  # when closing, a failed write is not tried again

    def _look_idly(self) -> None:
        try:
            self._keeper.look()
        except Unusable:  # the keeper has told the developer
            pass
        except Exception as error:  # noqa: BLE001 - this thread must go on
            self._keeper.failed(error)
            self._tell("look", f"cannot check {self.path}: {type(error).__name__}: {error}")

    def _group(self, item: _Item | None) -> tuple[list[_Item], int, bool]:
        """Collect what waits, beginning with an item; return it, its bytes, and whether more may follow."""
        group: list[_Item] = []
        size = waiting = 0
        while item is not None:
            what, future = item
            waiting += what.size
            if future.set_running_or_notify_cancel():
                group.append(item)
                size += len(what.accepted) + len(what.rejected) if isinstance(what, Submission) else 1
            if size >= EVENTS_PER_COMMIT:
                break
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
        return group, waiting, item is not None

    def _use(self, db: sqlite3.Connection) -> None:
        """Read what the store needs of a file that was just opened."""
        self._db = db
        self._games: dict[str, int] = dict(db.execute("SELECT key, id FROM games"))
        self._seen = SeenIds(db)
        if self._seen.damaged:
            what = "stored requests are damaged and are left out where they are read"
            self._tell("damaged requests", f"{self._seen.damaged} {what}: {self.path}")

    def _settle(self, group: list[_Item]) -> None:
        try:
            results = self._write([what for what, _ in group])
        except Exception as error:  # noqa: BLE001 - for any error the sender needs an answer
            with contextlib.suppress(sqlite3.Error):
                self._db.rollback()
            self._games.clear()  # the rollback removed games that this transaction added
            self._keeper.failed(error)
            if len(group) == 1 or is_of_the_file(error):
                _fail_all(group, error)
            else:  # one item that cannot be stored must not fail the others
                for one in group:
                    self._settle([one])
            return
        self._keeper.committed()
        later = _answer_futures(group, results)
        try:
            self._keeper.tidy(self._seen.tidy)
            for item in later:
                self._keeper.tidy(partial(self._run_after, *item))
        except sqlite3.Error:  # upkeep only: the next commit tries again
            with contextlib.suppress(sqlite3.Error):
                self._db.rollback()

    def _run_after(self, after: Callable[[sqlite3.Connection], None], future: Future[Any], result: Any) -> bool:
        """Run what a change wants to be done after its commit; return that it may have written."""
        try:
            after(self._db)
        except Exception as error:  # noqa: BLE001 - whoever asked for it must hear of it
            future.set_exception(error)
        else:
            future.set_result(result)
        return True

    def _write(self, group: Sequence[Submission | Change]) -> list[Any]:
        self._db.execute("BEGIN IMMEDIATE")
        submissions = [one for one in group if isinstance(one, Submission)]
        stored, added, last = self._write_events(submissions) if submissions else (iter(()), {}, 0)
        results = [one.write(self._db) if isinstance(one, Change) else next(stored) for one in group]
        self._db.execute("COMMIT")
        self._seen.add(added, last)
        return results

    def _write_events(self, submissions: Sequence[Submission]) -> tuple[Iterator[int], dict[int, set[str]], int]:
        """Insert new events and count all.

        Returns:
            The number of new events of each submission, the new ids by game, and the row id of the last batch.
        """
        self._seen.catch_up()
        (last,) = self._db.execute(SELECT_LAST_ID).fetchone()
        added: dict[int, set[str]] = {}
        rows: list[tuple[Any, ...]] = []
        refused: list[tuple[Any, ...]] = []
        stored: list[int] = []
        tally = _Tally()
        for submission in submissions:
            game_id = self._game_id(submission.game_key)
            received_at = submission.received_at
            new = self._new(game_id, submission.accepted, added.setdefault(game_id, set()), tally)
            stored.append(len(new))
            if new:
                last += len(new)
                categories = tally.add(game_id, [event for event, _ in new])
                whole = submission.body if len(new) == len(submission.accepted) else b""
                body = whole or batches.join(raw for _, raw in new)
                rows.append((last, len(new), game_id, received_at, ",".join(categories), body))
            for number, one in enumerate(submission.rejected):
                if number >= MAX_REJECTED_KEPT:
                    tally.count(game_id, one.category, 1)
                    continue
                last += 1
                refused.append((last, game_id, received_at, one.category, one.errors, one.json))
                tally.count(game_id, one.category, 1)
        self._db.executemany("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)", rows)
        self._db.executemany("INSERT INTO rejected VALUES (?, ?, ?, ?, ?, ?)", refused)
        tally.write(self._db)
        return iter(stored), added, rows[-1][0] if rows else 0

    def _new(self, game_id: int, accepted: Sequence[_Accepted], added: set[str], tally: _Tally) -> Sequence[_Accepted]:
        """Return the events that were not stored before, and put their ids into `added`, the transaction's new ids."""
        uuids: list[str | None] = [event.get("event_uuid") for event, _ in accepted]
        unique = {uuid for uuid in uuids if uuid is not None}
        known = self._seen.among(game_id, unique) | (unique & added)
        if len(unique) == len(accepted) and not known:  # the usual case
            added |= unique
            return accepted
        new = []
        for (event, raw), uuid in zip(accepted, uuids, strict=True):
            if uuid in known:
                tally.count(game_id, event["category"], 2)
                continue
            new.append((event, raw))
            if uuid is not None:
                known.add(uuid)
        added |= unique
        return new

    def _game_id(self, key: str) -> int:
        game_id = self._games.get(key)
        if game_id is None:
            self._db.execute("INSERT OR IGNORE INTO games (key) VALUES (?)", (key,))
            (game_id,) = self._db.execute("SELECT id FROM games WHERE key = ?", (key,)).fetchone()
            self._games[key] = game_id
        return game_id


_Item = tuple[Submission | Change, Future[Any]]


def _answer_futures(
    group: Sequence[_Item], results: Sequence[Any]
) -> list[tuple[Callable[[sqlite3.Connection], None], Future[Any], Any]]:
    """Give the results to the futures; return what changes want to be done before they get theirs."""
    later = []
    for (what, future), result in zip(group, results, strict=True):
        if isinstance(what, Change) and what.after is not None:
            later.append((what.after, future, result))
        else:
            future.set_result(result)
    return later


def _fail_all(group: Sequence[_Item], error: Exception) -> None:
    """Complete the futures that are not done with an error: nothing was stored."""
    for _, future in group:
        if not future.done():
            future.set_exception(error)


class _Tally:
    """The counts that a transaction adds to the totals."""

    def __init__(self) -> None:
        self._totals: dict[tuple[int, str], list[int]] = {}

    def count(self, game_id: int, category: str, column: int, number: int = 1) -> None:
        """Count events in a column: 0 accepted, 1 rejected, 2 duplicates."""
        counts = self._totals.setdefault((game_id, category), [0, 0, 0])
        counts[column] += number

    def add(self, game_id: int, events: Sequence[Mapping[str, Any]]) -> Collection[str]:
        """Count the accepted events of one request and return their categories."""
        categories = Counter([event["category"] for event in events])
        for category, number in categories.items():
            self.count(game_id, category, 0, number)
        return categories

    def write(self, db: sqlite3.Connection) -> None:
        """Add the counts to the tables."""
        db.executemany(
            "INSERT INTO totals VALUES (?, ?, ?, ?, ?) ON CONFLICT (game_id, category) DO UPDATE SET"
            " accepted = accepted + excluded.accepted, rejected = rejected + excluded.rejected,"
            " duplicates = duplicates + excluded.duplicates",
            [(*key, *counts) for key, counts in self._totals.items()],
        )
