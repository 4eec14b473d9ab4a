"""Reads events and counters from ClickHouse: for the live page, the JSON API and exports."""

from __future__ import annotations

from typing import Any

import msgspec

from ga_pygame import categories, clock
from ga_pygame.collector.clickhouse.client import SECONDS_TO_ANSWER, Client
from ga_pygame.collector.clickhouse.rows import MICROSECONDS
from ga_pygame.collector.clickhouse.schema import Layout
from ga_pygame.collector.storage.queries import MAX_BYTES_UNPACKED, MAX_IDS_LOOKED_AT, Arrival

OVERLAP_SECONDS = 10
"""How late an event may appear after a newer one: another insert, a replica that follows, clocks that differ."""
SECONDS_BETWEEN_POLLS = 1.0
"""The shortest time between two looks for new events."""
COUNTS_PER_TIME = 20
"""A recount waits for this many times as long as the last one took."""
_KNOWN_ERRORS = msgspec.json.Decoder(list[dict[str, str]]).decode


class _FoundRows(msgspec.Struct):
    data: list[list[Any]]


_decode = msgspec.json.Decoder(_FoundRows).decode


class ClickHouseReader:
    """The queries on a client of its own; for one thread at a time. See `EventReader`.

    Args:
        client: It is closed with the reader.
        layout: The tables.
    """

    overlap = OVERLAP_SECONDS * MICROSECONDS

    def __init__(self, client: Client, layout: Layout) -> None:
        self._client = client
        self._layout = layout
        self._monotonic = clock.SystemClock().monotonic
        self._seen = 0
        self._polled_at = -SECONDS_BETWEEN_POLLS
        self._version = 0
        self._totals: dict[str, Any] = {}
        self._count_at = 0.0

    def follow(self, generation: int) -> bool:  # noqa: ARG002 - ids of ClickHouse never begin again
        """Return that ids go on."""
        return False

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def summary(self) -> dict[str, Any]:
        """Return events by category, the number of duplicates and the newest id."""
        return {**self.totals(), "newest_id": self.newest_id()}

    def totals(self) -> dict[str, Any]:
        """Return accepted and rejected events by category, and the number of duplicates; at most some seconds old."""
        began = self._monotonic()
        if began >= self._count_at:
            self._totals = self._count()
            now = self._monotonic()
            self._count_at = now + COUNTS_PER_TIME * (now - began)
        return self._totals

    def _count(self) -> dict[str, Any]:
        stored = {name: int(number) for name, number in self._rows(f"{_STORED} GROUP BY category")}
        counted = self._rows(
            "SELECT category, sum(accepted), sum(rejected) FROM ga_counts FINAL GROUP BY category ORDER BY category"
        )
        received = sum(int(accepted) for _, accepted, _ in counted)
        rejected = {name: int(number) for name, _, number in counted if int(number)}
        return {"accepted": stored, "rejected": rejected, "duplicates": max(0, received - sum(stored.values()))}

    def version(self) -> int:
        """Return a number that changes with each event; asked once a second."""
        now = self._monotonic()
        if now - self._polled_at >= SECONDS_BETWEEN_POLLS:
            self._polled_at = now
            self._version = hash(tuple(self._latest()))
        return self._version

    def _latest(self) -> list[int]:
        """Return the newest ids, and how many events are not much older, among which late ones appear."""
        found = []
        for table in ("ga_events", "ga_rejected"):
            newest = f"(SELECT max(id) FROM {table} WHERE id > {self._seen})"
            ((last, number),) = self._rows(f"SELECT max(id), count() FROM {table} WHERE id > {newest} - {self.overlap}")
            found += [int(last), int(number)]
        self._seen = max(self._seen, max(found[0], found[2]) - self.overlap)
        return found

    def games(self) -> int:
        """Return the number of games that have sent something."""
        return len(self.game_keys(1_000))

    def game_keys(self, most: int) -> list[str]:
        """Return the keys of games that have sent something."""
        table = "ga_games" if self._layout.has_metrics else "ga_events"
        return [key for (key,) in self._rows(f"SELECT DISTINCT game_key FROM {table} ORDER BY game_key LIMIT {most:d}")]

    def arrivals(self, after: int, limit: int) -> list[Arrival]:
        """Return the next events after an id, accepted and rejected, in order of arrival."""
        found = self._accepted(after, _LAST, "", "ASC", limit) + self._rejected(after, _LAST, "", "ASC", limit)
        return _within_bytes(sorted(found, key=lambda one: one.id)[:limit])

    def newest(self, after: int, limit: int, category: str | None = None, up_to: int | None = None) -> list[Arrival]:
        """Return the newest events after an id, newest first; see `EventReader.newest`."""
        up_to = _LAST if up_to is None else up_to
        if category not in (None, "rejected", *categories.names(), "unknown"):
            return []
        wanted = f" AND category = '{category}'" if category not in (None, "rejected") else ""
        after = after or max(0, self._oldest_looked_at())
        found = self._rejected(after, up_to, wanted, "DESC", limit)
        if category != "rejected":
            found += self._accepted(after, up_to, wanted, "DESC", limit)
        return _within_bytes(sorted(found, key=lambda one: -one.id)[:limit])

    def newest_id(self) -> int:
        """Return the id of the newest event, 0 if there is none."""
        both = " UNION ALL ".join(f"SELECT max(id) AS id FROM {one}" for one in ("ga_events", "ga_rejected"))
        return max(int(last) for (last,) in self._rows(both))

    def _oldest_looked_at(self) -> int:
        inner = f"SELECT id FROM ga_events ORDER BY id DESC LIMIT {MAX_IDS_LOOKED_AT}"
        ((oldest,),) = self._rows(f"SELECT min(id) FROM ({inner})")
        return int(oldest) - 1

    def _accepted(self, after: int, up_to: int, wanted: str, order: str, limit: int) -> list[Arrival]:
        """Read accepted events. FINAL reads only the days and categories in which something arrived."""
        arrived = f"id > {after:d} AND id <= {up_to:d}{wanted}"
        parts = f"SELECT DISTINCT game_key, category, event_day FROM ga_events WHERE {arrived}"
        rows = self._rows(
            f"SELECT id, received_us, game_key, category, json FROM ga_events FINAL"
            f" WHERE (game_key, category, event_day) GLOBAL IN ({parts}) AND {arrived}"
            f" ORDER BY id {order} LIMIT {limit:d}"
        )
        return [_arrived_event(row, []) for row in rows]

    def _rejected(self, after: int, up_to: int, wanted: str, order: str, limit: int) -> list[Arrival]:
        rows = self._rows(
            f"SELECT id, received_us, game_key, category, json, errors FROM ga_rejected FINAL"
            f" WHERE id > {after:d} AND id <= {up_to:d}{wanted} ORDER BY id {order} LIMIT {limit:d}"
        )
        return [_arrived_event(row, _KNOWN_ERRORS(row[5])) for row in rows]

    def _rows(self, query: str) -> list[list[Any]]:
        return _decode(self._client.query(f"{query} FORMAT JSONCompact", seconds=SECONDS_TO_ANSWER)).data


_LAST = 2**63 - 1
_STORED = "SELECT category, count() FROM ga_events FINAL"


def _arrived_event(row: list[Any], errors: list[dict[str, str]]) -> Arrival:
    return Arrival(int(row[0]), int(row[1]) / MICROSECONDS, row[2], row[3], row[4].encode(), errors)


def _within_bytes(found: list[Arrival]) -> list[Arrival]:
    """Leave out what exceeds the bytes of one answer, but not the first event."""
    size = 0
    for number, one in enumerate(found):
        if number and size > MAX_BYTES_UNPACKED:
            return found[:number]
        size += len(one.json)
    return found
