"""The contract between a collector and what keeps its events: the local log with DuckDB, or ClickHouse."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, Protocol

from ga_pygame.collector.storage.queries import Arrival
from ga_pygame.collector.storage.removal import Forgotten
from ga_pygame.collector.storage.store import Submission
from ga_pygame.collector.warehouse.asking import WarehouseMetric
from ga_pygame.collector.warehouse.filters import Filters
from ga_pygame.collector.warehouse.projector import Progress
from ga_pygame.collector.warehouse.sessions import StoredSession


class Submits(Protocol):
    """What takes the events of requests."""

    def submit(self, submission: Submission) -> Future[int]:
        """Queue the events of a request; any thread may call it.

        Returns:
            Done when the events are stored for good, with the number of events that are not known as duplicates.

        Raises:
            StoreFull: Nothing can be stored now; the future may raise it, too.
        """


class TakesEvents(Submits, Protocol):
    """What takes the events of requests, and says whether it can."""

    def probe(self) -> Future[Any]:
        """Ask whether events can be stored now; the future is done when they can, or raises what `submit`'s would.

        Raises:
            StoreFull: Nothing can be stored now.
        """


class EventReader(Protocol):
    """Reads events and counters as they arrived; for one thread at a time.

    Attributes:
        overlap: Ids before the newest one among which events may still appear, as other collectors store them.
    """

    overlap: int

    def follow(self, generation: int) -> bool:
        """Follow the store to a new file; return whether ids begin again."""

    def summary(self) -> dict[str, Any]:
        """Return the counters, the newest id, and the counts of the emulators if the store has them."""

    def totals(self) -> dict[str, Any]:
        """Return accepted and rejected events by category (`accepted`, `rejected`), and the number of `duplicates`."""

    def version(self) -> int:
        """Return a number that changes when events were stored."""

    def games(self) -> int:
        """Return the number of games that have sent something."""

    def game_keys(self, most: int) -> list[str]:
        """Return the keys of games that have sent something."""

    def arrivals(self, after: int, limit: int) -> list[Arrival]:
        """Return the next events after an id, accepted and rejected, in order of arrival."""

    def newest(self, after: int, limit: int, category: str | None = None, up_to: int | None = None) -> list[Arrival]:
        """Return the newest events after an id, newest first; with a category, only of that one.

        Args:
            after: The id.
            limit: The maximum.
            category: `rejected` means the events that broke a rule.
            up_to: The last id to return.
        """

    def newest_id(self) -> int:
        """Return the id of the newest event, 0 if there is none."""

    def close(self) -> None:
        """Close the connection."""


class EventStore(TakesEvents, Protocol):
    """Keeps the events of all games and answers metrics; any thread may call it.

    Attributes:
        place: Where the events are, for people; without passwords.
        retention: Calendar days for which events are kept beside the present one; `None` keeps all.
    """

    place: str
    retention: int | None

    @property
    def generation(self) -> int:
        """A number that changes when ids begin again; see `EventReader.follow`."""

    @property
    def progress(self) -> Progress:
        """How many of the events the metrics count."""

    def reader(self) -> EventReader:
        """Open a reader for one thread.

        Raises:
            StoreError: The store cannot be read.
        """

    def today(self) -> datetime.date:
        """Return the calendar day in the time zone of the metrics."""

    def answer(self, metric: WarehouseMetric, filters: Filters, options: Mapping[str, Any] | None = None) -> list[Any]:
        """Return the rows of a metric.

        Raises:
            NotReady: Metrics cannot be asked now.
        """

    def choices(self) -> dict[str, tuple[str, ...]]:
        """Return the values that occur, by the filter for them.

        Raises:
            NotReady: As above.
        """

    def latest_sessions(self, limit: int) -> list[StoredSession]:
        """Return the sessions that sent something last, newest first.

        Raises:
            NotReady: As above.
        """

    def going_sessions(self, since: float) -> int:
        """Count the sessions that have not ended and sent something after `since` (seconds since 1970).

        Raises:
            NotReady: As above.
        """

    @property
    def waiting_bytes(self) -> int:
        """The bytes of memory of the requests that wait to be stored."""

    def forget(self, user_id: str) -> Forgotten:
        """Remove a player's events, rejected ones and everything that was made of them.

        Raises:
            Exception: It is not done, or not whole; calling it again goes on.
        """
