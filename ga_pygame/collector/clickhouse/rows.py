"""The rows that a block of requests becomes: JSON lines, in which each event's own JSON is a text as it was sent."""

from __future__ import annotations

import datetime
import secrets
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ga_pygame.collector.storage.store import MAX_REJECTED_KEPT, Submission

MICROSECONDS = 1_000_000
LAST_DAY = 65_535
"""The last day that ClickHouse's type Date knows, in days since 1970."""
_ONE_YEAR = 366 * 86_400
_GREATEST_ID = 2**63 - 1
_FIRST_DAY = datetime.date(1970, 1, 1)
_row_line = msgspec.json.Encoder().encode


class _StoredEvent(msgspec.Struct):
    game_key: str
    event_day: str
    category: str
    event_uuid: str
    user_id: str
    session_id: str
    id: int
    received_us: int
    client_us: int
    version: int
    json: str


class _RejectedRow(msgspec.Struct):
    arrived: str
    id: int
    received_us: int
    game_key: str
    category: str
    user_id: str
    errors: str
    json: str


class _CountRow(msgspec.Struct):
    arrived: str
    block: str
    game_key: str
    category: str
    accepted: int
    rejected: int


class _Named(msgspec.Struct):
    user_id: Any = None


_user_of = msgspec.json.Decoder(_Named).decode


@dataclass(slots=True)
class RowBlock:
    """The rows of some requests, which are stored together.

    Attributes:
        name: Its id, the same when it is sent again.
        events: Rows of `ga_events`.
        rejected: Rows of `ga_rejected`.
        counts: Rows of `ga_counts`.
    """

    name: str
    events: list[bytes] = field(default_factory=list)
    rejected: list[bytes] = field(default_factory=list)
    counts: list[bytes] = field(default_factory=list)


class ArrivalIds:
    """Numbers events in order of arrival: microseconds since 1970, each once in this process; for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def take(self, number: int, now: float) -> int:
        """Return the first of so many ids in a row, all within a second: their microseconds keep the events' order."""
        with self._lock:
            first = max(self._last + 1, int(now * MICROSECONDS))
            if first % MICROSECONDS + number > MICROSECONDS:
                first += MICROSECONDS - first % MICROSECONDS
            self._last = first + number - 1
            return first


class BlockMaker:
    """Makes blocks of requests; for all threads.

    Attributes:
        process: The id of this collector, by which its blocks differ from those of others.
    """

    def __init__(self) -> None:
        self.process = secrets.token_hex(8)
        self._ids = ArrivalIds()

    def make(self, submissions: Sequence[Submission], now: float) -> RowBlock:
        """Make the rows of some requests.

        Args:
            submissions: The requests.
            now: Seconds since 1970.
        """
        kept = [submission.rejected[:MAX_REJECTED_KEPT] for submission in submissions]
        total = sum(len(one.accepted) for one in submissions) + sum(map(len, kept))
        next_id = self._ids.take(max(total, 1), now)
        block = RowBlock(f"{self.process}-{next_id}")
        accepted: Counter[tuple[str, str, str]] = Counter()
        refused: Counter[tuple[str, str, str]] = Counter()
        for submission, rejected in zip(submissions, kept, strict=True):
            arrived = day_text(int(submission.received_at) // 86_400)
            self._add_events(block, submission, next_id)
            next_id += len(submission.accepted)
            for number, one in enumerate(rejected):
                row = _RejectedRow(
                    arrived,
                    next_id + number,
                    int(submission.received_at * MICROSECONDS),
                    submission.game_key,
                    one.category,
                    _user_of_rejected(one.json),
                    one.errors,
                    one.json.decode("utf-8", "replace"),
                )
                block.rejected.append(_row_line(row))
            next_id += len(rejected)
            accepted.update((arrived, submission.game_key, event["category"]) for event, _ in submission.accepted)
            refused.update((arrived, submission.game_key, one.category) for one in submission.rejected)
        block.counts = [
            count_row(day, block.name, game, category, accepted=accepted[key], rejected=refused[key])
            for key in accepted.keys() | refused.keys()
            for day, game, category in (key,)
        ]
        return block

    def _add_events(self, block: RowBlock, submission: Submission, first_id: int) -> None:
        arrived = int(submission.received_at)
        ahead = _seconds_ahead([event.get("client_ts") for event, _ in submission.accepted], arrived)
        for event_id, (event, raw) in enumerate(submission.accepted, first_id):
            told = _whole_seconds(event.get("client_ts"))
            moment = arrived if told is None else min(told - ahead, arrived)
            row = _StoredEvent(
                submission.game_key,
                day_text((told or 0) // 86_400),
                event["category"],
                _field_text(event, "event_uuid") or f"{self.process}-{event_id}",
                _field_text(event, "user_id"),
                _field_text(event, "session_id"),
                event_id,
                int(submission.received_at * MICROSECONDS),
                moment * MICROSECONDS + event_id % MICROSECONDS,
                _GREATEST_ID - event_id,
                raw.decode(),
            )
            block.events.append(_row_line(row))


def count_row(day: str, block: str, game_key: str, category: str, *, accepted: int = 0, rejected: int = 0) -> bytes:
    """Make a row of `ga_counts`."""
    return _row_line(_CountRow(day, block, game_key, category, accepted, rejected))


def day_text(day: int) -> str:
    """Write a day, given in days since 1970, as ClickHouse reads it; days that it does not know become the nearest."""
    return (_FIRST_DAY + datetime.timedelta(days=min(max(day, 0), LAST_DAY))).isoformat()


def _seconds_ahead(times: Sequence[object], arrived: int) -> int:
    """Return how much a player's clock is ahead; see `projection.sql` of the warehouse, which does the same."""
    found = [seconds for one in times if (seconds := _whole_seconds(one)) is not None]
    if not found or max(found) - min(found) >= _ONE_YEAR:
        return 0
    return max(0, max(found) - arrived)


def _whole_seconds(value: object) -> int | None:
    return value if type(value) is int and abs(value) < 2**40 else None


def _field_text(event: Mapping[str, Any], name: str) -> str:
    value = event.get(name)
    return value if isinstance(value, str) else "" if value is None else str(value)


def _user_of_rejected(raw: bytes) -> str:
    try:
        user_id = _user_of(raw).user_id
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return ""
    return user_id if isinstance(user_id, str) else ""
