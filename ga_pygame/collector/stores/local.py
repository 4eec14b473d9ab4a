"""The store of one machine: the log in SQLite, and the warehouse in DuckDB that is projected from it."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Mapping
from typing import Any

from ga_pygame.collector.storage.queries import Queries
from ga_pygame.collector.storage.reading import Reader
from ga_pygame.collector.storage.removal import Forgotten, forget_in_log
from ga_pygame.collector.storage.store import Store
from ga_pygame.collector.warehouse.asking import WarehouseMetric
from ga_pygame.collector.warehouse.filters import Filters
from ga_pygame.collector.warehouse.projector import Progress
from ga_pygame.collector.warehouse.running import Warehouse
from ga_pygame.collector.warehouse.sessions import StoredSession, going_sessions, latest_sessions


class LocalStore:
    """A log and its warehouse as `EventStore` describes them; whoever made the two closes them.

    Args:
        log: Where events are stored.
        warehouse: Its projection.
        retention: Calendar days for which the warehouse keeps events; `None` keeps all.
    """

    def __init__(self, log: Store, warehouse: Warehouse, retention: int | None = None) -> None:
        self._log = log
        self._warehouse = warehouse
        self.retention = retention
        self.place = str(log.path)
        self.submit = log.submit
        self.probe = log.probe

    @property
    def generation(self) -> int:
        """That of the log."""
        return self._log.generation

    @property
    def progress(self) -> Progress:
        """How far the projection is."""
        return self._warehouse.progress

    @property
    def waiting_bytes(self) -> int:
        """Those of the log's queue."""
        return self._log.waiting_bytes

    def reader(self) -> Queries:
        """Open the log for reading."""
        return Queries(self._log.path, self._log.generation)

    def today(self) -> datetime.date:
        """Return the calendar day in the warehouse's time zone."""
        return self._warehouse.today()

    def answer(self, metric: WarehouseMetric, filters: Filters, options: Mapping[str, Any] | None = None) -> list[Any]:
        """Return the rows of a metric."""
        return self._warehouse.answer(metric, filters, options)

    def choices(self) -> dict[str, tuple[str, ...]]:
        """Return the values that occur, by the filter for them."""
        return self._warehouse.choices()

    def latest_sessions(self, limit: int) -> list[StoredSession]:
        """Return the sessions that sent something last, newest first."""
        return self._warehouse.ask(lambda cursor: latest_sessions(cursor, limit))

    def going_sessions(self, since: float) -> int:
        """Count the sessions that have not ended and sent something after a time."""
        return self._warehouse.ask(lambda cursor: going_sessions(cursor, since))

    def forget(self, user_id: str) -> Forgotten:
        """Remove a player from the log, and have the warehouse made anew."""
        with contextlib.closing(Reader(self._log.path, self._log.generation)) as log:
            found = forget_in_log(self._log, log, user_id)
        self._warehouse.drop_removed().result()
        return found
