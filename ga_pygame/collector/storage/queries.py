"""Queries of a collector's file: counts and events. They only read.

Every query takes as long with a million events as with a thousand: it reads counters, or a bounded slice of the newest
ids.
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
from ga_pygame.collector.storage.schema import SELECT_LAST_ID, StoreError

MAX_IDS_LOOKED_AT = 20_000
"""Newest ids that one read of the feed goes through; older events are missing in a filtered feed."""

MAX_EVENTS_UNPACKED = 20_000
"""Events that one read of the feed unpacks; the rest is left out."""

MAX_BYTES_UNPACKED = 8 * 2**20
"""Bytes of JSON that one answer unpacks; the request that exceeds it is the last one. The rest comes with the next
answer, and is left out of the feed."""

MAX_ERRORS_BYTES = 256 * 2**10
"""Bytes of JSON of one event's broken rules; if there are more, the answer says only that they exist."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event as it arrived; `errors` is empty for an accepted one."""

    id: int
    received_at: float
    game_key: str
    category: str
    json: bytes
    errors: list[dict[str, str]]


class Queries:
    """The queries on one connection; for one thread at a time."""

    overlap = 0
    """Ids before the newest one among which events may still appear: none, as one thread writes."""

    def __init__(self, path: Path, generation: int = 0) -> None:
        self._reader = Reader(path, generation)
        self._db = cast("sqlite3.Connection", self._reader)
        self._games: dict[int, str] = {}
        self.unreadable = 0
        """Stored requests that could not be unpacked, in all answers together."""

    def follow(self, generation: int) -> bool:
        """Open the file at the path again if the store has begun a new one; return whether another file is open.

        Args:
            generation: The store's generation.
        """
        is_another = self._reader.follow(generation)
        if is_another:
            self._games = {}
        return is_another

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def summary(self) -> dict[str, Any]:
        """Return events by category, the number of duplicates, the newest id, and POGR's and Trophy's counts."""
        return {
            **self.totals(),
            "newest_id": self.newest_id(),
            "pogr": counts.pogr(self._db),
            "trophy": counts.trophy(self._db),
        }

    def totals(self) -> dict[str, Any]:
        """Return accepted and rejected events by category, and the number of duplicates."""
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
        """Return a number that changes with each commit to the file."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def games(self) -> int:
        """Return the number of games that have sent something."""
        return int(self._db.execute("SELECT count(*) FROM games").fetchone()[0])

    def game_keys(self, most: int) -> list[str]:
        """Return the keys of games that have sent something, the first ones first."""
        return [key for (key,) in self._db.execute("SELECT key FROM games ORDER BY id LIMIT ?", (most,))]

    def arrivals(self, after: int, limit: int) -> list[Arrival]:
        """Return the next events after an id, accepted and rejected, in order of arrival.

        At most `limit`; fewer if they exceed `MAX_BYTES_UNPACKED`, but none only if there are none.
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
        """Return the newest events after an id, newest first; with a category, only of that one.

        Args:
            after: The id.
            limit: The maximum; fewer if a bound of this module is reached.
            category: `rejected` means the events that broke a rule.
            up_to: The last id to return; later events are left to the next call.
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
        """Return the id of the newest event, 0 if there is none."""
        return int(self._db.execute(SELECT_LAST_ID).fetchone()[0])

    def _parts(self, row: tuple[Any, ...]) -> list[_EventRow]:
        """Split a row of `_both` into its events, in order of arrival; none if the row is damaged."""
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
        """Return a game's key. Games may be added while this reads, but never change, so keys are cached."""
        key = self._games.get(game_id)
        if key is None:
            self._games = dict(self._db.execute("SELECT id, key FROM games"))
            key = self._games.get(game_id, _NO_GAME)
        return key

    def stored(self) -> Iterator[bytes]:
        """Yield every accepted event as it was sent, as one line of JSON, in order of arrival.

        Raises:
            StoreError: The file is damaged; the events that could be read were yielded before.
        """
        for (body,) in self._all("SELECT body FROM batches ORDER BY id"):
            raws = batches.split_batch(body)
            if raws is None:
                self.unreadable += 1
                continue
            yield from map(one_line, raws)

    def rejected(self) -> Iterator[bytes]:
        """Yield every rejected event with its broken rules, as one line of JSON, in order of arrival.

        Raises:
            StoreError: See `stored`.
        """
        for raw, errors in self._all("SELECT json, errors FROM rejected ORDER BY id"):
            raws = _rejected(raw)
            if raws is None:
                self.unreadable += 1
                continue
            yield rejected_line(raws[0], _errors(errors))

    def _all(self, query: str) -> Iterator[Any]:
        try:
            yield from self._db.execute(query)
        except sqlite3.Error as error:
            raise StoreError(
                f"the file can be read only in part: {error}. All events before the damage were read"
            ) from error


_LAST_ID = 2**63 - 1
_NO_GAME = "?"
"""Shown as the key of a game that is missing in the file."""
_decode_errors = msgspec.json.Decoder(list[dict[str, str]]).decode


def _rejected(raw: object) -> list[bytes] | None:
    """Return a rejected event as a list with one element; `None` if it is damaged."""
    raws = batches.split_batch(b"[" + raw + b"]") if isinstance(raw, bytes) else None
    return raws if raws is not None and len(raws) == 1 else None


def rejected_line(raw: bytes, errors: list[dict[str, str]]) -> bytes:
    """Write a rejected event and its broken rules as one line of JSON."""
    return b'{"event":' + one_line(raw) + b',"errors":' + one_line(msgspec.json.encode(errors)) + b"}"


def _errors(text: object) -> list[dict[str, str]]:
    """Decode the broken rules of a rejected event; `None` means an accepted event, which has none."""
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
    """Build the query for accepted and rejected events after an id, in the order of ids.

    SQLite answers it row by row from both tables, so a caller that has enough can stop reading.
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
"""One event: id, time of arrival, game id, categories of its row, JSON, errors."""
