"""The warehouse of a running collector: the projector on a thread of its own, and the answers to metrics."""

from __future__ import annotations

import contextlib
import datetime
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any, TypeVar

import duckdb

from ga_pygame import clock
from ga_pygame.collector.storage.reading import Reader
from ga_pygame.collector.storage.store import Store
from ga_pygame.collector.teller import Tell
from ga_pygame.collector.warehouse.asking import Question, WarehouseMetric, answer_metric
from ga_pygame.collector.warehouse.choices import filter_choices
from ga_pygame.collector.warehouse.database import Database, NotReady, ReadTransaction
from ga_pygame.collector.warehouse.engine_errors import is_broken, is_corrupt, is_open_elsewhere
from ga_pygame.collector.warehouse.filters import Filters
from ga_pygame.collector.warehouse.projector import SECONDS_AFTER_TROUBLE, SECONDS_BETWEEN_LOOKS, Progress, Projector
from ga_pygame.collector.warehouse.retention import SECONDS_BETWEEN_REMOVALS, SECONDS_PER_RETENTION_LOOK, Retention

_Found = TypeVar("_Found")

_NICENESS = 10
"""The warehouse's threads yield the processors to those that acknowledge requests; on Linux a thread has its own value.
Threads that DuckDB starts inherit that of the thread that opens the file."""


SECONDS_TO_OPEN = 5.0
"""The longest wait of the first question until the file is open."""


def lower_priority() -> None:
    """Let the calling thread yield the processors to those that acknowledge requests, where a thread can."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


class Warehouse:
    """A database and the thread that projects a store's file into it.

    The database is opened when the store has events or somebody asks: that takes 0.2 s of processor time and 20 MB.

    Args:
        store: The store.
        database: The warehouse, not open yet.
        tell: Called to tell the developer about trouble.
        retention: Calendar days for which events are kept; `None` keeps all.

    Raises:
        StoreError: The store's file cannot be read.
    """

    def __init__(self, store: Store, database: Database, tell: Tell, retention: int | None = None) -> None:
        self._store = store
        self._database = database
        self._tell = tell
        generation = store.generation
        self._log = Reader(store.path, generation)
        self._projector = Projector(self._log, database, tell)
        self._retention = None if retention is None else Retention(retention, store, self._log, database)
        self._remove_at = 0.0
        self._failure: Exception | None = None
        self._to_drop_removed: queue.SimpleQueue[Future[None]] = queue.SimpleQueue()
        self._asked = ThreadPoolExecutor(1, "ga-collector-metrics", lower_priority)
        self._ends = threading.Event()
        self._is_asked = threading.Event()
        self._is_begun = threading.Event()
        self._is_woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ga-collector-projector", daemon=True)
        self._thread.start()

    @property
    def progress(self) -> Progress:
        """How far the projection is; any thread may ask."""
        return self._projector.progress

    def today(self) -> datetime.date:
        """Return the calendar day in the warehouse's time zone."""
        return datetime.datetime.fromtimestamp(clock.wall_now(), self._database.zone).date()

    def ask(self, question: Callable[[ReadTransaction], _Found]) -> _Found:
        """Call a function with a cursor and return its result; any thread may ask, and waits for it.

        It is called on a thread of the warehouse, one question after the other.

        Raises:
            NotReady: The file is not open.
        """
        try:
            asked = self._asked.submit(self._begin_and_ask, question)
        except RuntimeError as error:  # it is shut down
            raise NotReady("the collector ends") from error
        try:
            return asked.result()
        except CancelledError as error:
            raise NotReady("the collector ends") from error

    def answer(self, metric: WarehouseMetric, filters: Filters, options: Mapping[str, Any] | None = None) -> list[Any]:
        """Return the rows of a metric; any thread may ask, and waits for the answer.

        Args:
            metric: The metric.
            filters: What to count; see `asking.answer_metric` if they do not say who plays.
            options: Values of the metric's own parameters.

        Raises:
            NotReady: The file is not open.
        """
        today = self.today()
        return self.ask(lambda cursor: answer_metric(Question(cursor, filters, today), metric, options or {}))

    def choices(self) -> dict[str, tuple[str, ...]]:
        """Return the values that occur, by the filter for them; any thread may ask.

        Raises:
            NotReady: The file is not open.
        """
        return self.ask(filter_choices)

    def drop_removed(self) -> Future[None]:
        """Ask that the log is projected again without a removed player; done when no file has the player's events."""
        future: Future[None] = Future()
        self._to_drop_removed.put(future)
        return future

    def close(self) -> None:
        """End the thread and close the files; what is not projected yet is projected at the next start."""
        self._ends.set()
        self._is_woken.set()
        self._thread.join()
        self._answer_waiting(_end_of_collector)
        self._asked.shutdown(wait=True, cancel_futures=True)
        self._projector.close()
        self._database.close()
        self._log.close()

    def _begin_and_ask(self, question: Callable[[ReadTransaction], _Found]) -> _Found:
        """Ask the database, for the first time after the thread has opened it."""
        if not self._is_begun.is_set():
            self._is_asked.set()
            self._is_woken.set()
            self._is_begun.wait(SECONDS_TO_OPEN)
        if self._failure is not None:
            raise NotReady("the warehouse is made anew")
        try:
            return self._database.ask(question)
        except duckdb.Error as error:
            if not (is_corrupt(error) or is_broken(error)):
                raise
            self._failure = error
            self._is_woken.set()
            raise NotReady("the warehouse is damaged and is opened or made anew") from error

    def _run(self) -> None:
        lower_priority()
        while not self._ends.is_set():
            try:
                seconds = self._step()
            except Exception as error:  # noqa: BLE001 - a defect here must not end the thread
                if is_corrupt(error) or is_broken(error):  # found while old events are removed
                    self._failure = error
                self._tell("warehouse", f"cannot project events: {type(error).__name__}: {error}")
                seconds = SECONDS_AFTER_TROUBLE
            self._is_woken.wait(seconds)
            self._is_woken.clear()
        self._is_begun.set()  # nobody waits any more

    def _step(self) -> float:
        """Do what is next if there is something; return the seconds until the next step."""
        self._projector.follow(self._store.generation)
        if not (self._is_begun.is_set() or self._is_asked.is_set() or self._projector.has_events()):
            self._answer_waiting(self._database.delete)
            return SECONDS_BETWEEN_LOOKS
        self._answer_waiting(self._projector.drop_removed)
        failure = self._failure
        if failure is not None:
            self._projector.recover(failure)
        seconds = self._projector.step(clock.wall_now())
        if failure is not None:
            self._failure = None  # not before: until now, questions would have found the same damage
        self._is_begun.set()
        if seconds and self._retention is not None:
            seconds = min(seconds, self._remove_old(self._retention))
        return seconds

    def _remove_old(self, retention: Retention) -> float:
        """Remove old events if it is time; return the seconds until the next step."""
        now = clock.wall_now()
        is_due = not now < self._remove_at <= now + SECONDS_PER_RETENTION_LOOK  # also if the clock was set back
        if is_due and self.progress.done >= self.progress.all:
            self._remove_at = now + retention.step(now)
        return max(SECONDS_BETWEEN_REMOVALS, self._remove_at - now)

    def _answer_waiting(self, drop: Callable[[], object]) -> None:
        """Drop what has removed players, for all who have asked for it."""
        waiting: list[Future[None]] = []
        with contextlib.suppress(queue.Empty):
            while True:
                waiting.append(self._to_drop_removed.get_nowait())
        if not waiting:
            return
        try:
            drop()
        except Exception as error:  # noqa: BLE001 - whoever asked must hear of it
            if not is_open_elsewhere(error):
                for future in waiting:
                    future.set_exception(error)
                return
            # The collector that has it open sees in the log that a player was removed, and makes it anew itself.
        for future in waiting:
            future.set_result(None)


def _end_of_collector() -> None:
    raise NotReady("the collector ends")
