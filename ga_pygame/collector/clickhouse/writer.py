"""Writes requests into ClickHouse: those that come together are one block, and each is acknowledged after its block."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import msgspec

from ga_pygame import clock
from ga_pygame.collector.clickhouse.client import ClickHouseError, Client, Unreachable
from ga_pygame.collector.clickhouse.rows import BlockMaker, RowBlock
from ga_pygame.collector.clickhouse.schema import Layout
from ga_pygame.collector.storage.store import MAX_WAITING_BYTES, StoreFull, Submission
from ga_pygame.collector.teller import Tell
from ga_pygame.collector.troubles import Troubles

WRITERS = 2
"""Threads that write, each with one insert in flight."""
ROWS_ENOUGH = 1_000
"""Rows of a block for which nobody waits for more."""
MAX_ROWS = 5_000
"""Rows of a block beyond which the next request belongs to the next one."""
LINGER_SECONDS = 0.2
"""The longest wait for further requests of a block."""
SECONDS_BETWEEN_TRIALS = 1.0
"""Time after a failed insert in which requests are turned down at once."""
_TROUBLE = "clickhouse"

_Queued = tuple[Submission, Future[int]]


class BlockWriter:
    """Takes submissions from any thread and writes them on threads of its own.

    Args:
        connect: Makes a client for a thread.
        layout: The tables.
        tell: Called to tell the developer why nothing is stored.
        troubles: Shows the same on the page.
        linger: Seconds for which a block waits for further requests.

    Attributes:
        waiting_bytes: The memory of the requests that wait to be written.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        layout: Layout,
        tell: Tell,
        troubles: Troubles,
        linger: float = LINGER_SECONDS,
    ) -> None:
        self._connect = connect
        self._layout = layout
        self._tell = tell
        self._troubles = troubles
        self._linger = linger
        self._maker = BlockMaker()
        self._monotonic = clock.SystemClock().monotonic
        self._queue: queue.SimpleQueue[_Queued | None] = queue.SimpleQueue()
        self._collecting = threading.Lock()
        self._lock = threading.Lock()
        self.waiting_bytes = 0
        self._refuse_until = 0.0
        self._closed = False
        self._threads = [threading.Thread(target=self._run, name="ga-collector-clickhouse") for _ in range(WRITERS)]
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    def submit(self, submission: Submission) -> Future[int]:
        """Queue the events of a request; see `Submits.submit`."""
        future: Future[int] = Future()
        with self._lock:
            if self._closed or self.waiting_bytes + submission.size > MAX_WAITING_BYTES:
                raise StoreFull("too much waits to be stored")
            self.raise_if_refusing()
            self.waiting_bytes += submission.size
            self._queue.put((submission, future))
        return future

    def raise_if_refusing(self) -> None:
        """Raise `StoreFull` if an insert failed just now."""
        if self._monotonic() < self._refuse_until:
            raise StoreFull("ClickHouse takes no events now")

    def close(self) -> None:
        """Write what waits and end the threads."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for _ in self._threads:
                    self._queue.put(None)
        for thread in self._threads:
            thread.join()

    # --- the writing threads ----------------------------------------------------------------------------

    def _run(self) -> None:
        client = self._connect()
        goes_on = True
        while goes_on:
            with self._collecting:  # so that one thread makes a large block, instead of two making small ones
                group, goes_on = self._collect()
            try:
                self._settle(client, group)
            except Exception as error:  # noqa: BLE001 - this thread must go on, and senders must hear of it
                _fail_futures(group, error)
            with self._lock:
                self.waiting_bytes -= sum(submission.size for submission, _ in group)

    def _collect(self) -> tuple[list[_Queued], bool]:
        """Wait for a request, and for those that soon follow it; return them, and whether more may come."""
        item = self._queue.get()
        group: list[_Queued] = []
        rows = 0
        until = self._monotonic() + self._linger
        while item is not None:
            if item[1].set_running_or_notify_cancel():
                group.append(item)
                rows += len(item[0].accepted) + len(item[0].rejected)
            else:
                with self._lock:
                    self.waiting_bytes -= item[0].size
            try:
                wait = 0.0 if rows >= ROWS_ENOUGH else max(0.0, until - self._monotonic())
                if rows >= MAX_ROWS:
                    break
                item = self._queue.get(block=wait > 0, timeout=wait or None)
            except queue.Empty:
                break
        return group, item is not None

    def _settle(self, client: Client, group: Sequence[_Queued]) -> None:
        """Store a block and acknowledge its requests; if the server cannot read one of them, each alone."""
        if not group:
            return
        try:
            self._store(client, self._maker.make([submission for submission, _ in group], clock.wall_now()))
        except (ClickHouseError, ValueError, msgspec.MsgspecError) as error:
            if isinstance(error, ClickHouseError) and not error.is_of_the_request:
                self._failed(group, error)
            elif len(group) == 1:
                _fail_futures(group, error)
            else:
                for one in group:
                    self._settle(client, [one])
        except Unreachable as error:
            self._failed(group, error)
        else:
            self._worked()
            for submission, future in group:
                future.set_result(len(submission.accepted))

    def _store(self, client: Client, block: RowBlock) -> None:
        for table, rows in (("ga_events", block.events), ("ga_rejected", block.rejected), ("ga_counts", block.counts)):
            if rows:
                client.insert(table, rows, self._settings(f"{block.name}-{table}"))

    def _settings(self, token: str) -> dict[str, str]:
        if not self._layout.has_metrics:
            return {}
        return {
            "insert_deduplication_token": token,
            "async_insert": "0",
            # a server that was killed after it took the block, but before its views had filled their tables
            "deduplicate_blocks_in_dependent_materialized_views": "1",
        }

    def _failed(self, group: Sequence[_Queued], error: Exception) -> None:
        with self._lock:
            begins = not self._refuse_until
            self._refuse_until = self._monotonic() + SECONDS_BETWEEN_TRIALS
        text = f"Events cannot be stored: {error}. Games are told to send them again later."
        if begins:  # the server's reasons differ in numbers, and the number of messages has a limit
            self._tell(_TROUBLE, text)
        self._troubles.tell(_TROUBLE, text)
        _fail_futures(group, StoreFull("ClickHouse takes no events now"))

    def _worked(self) -> None:
        if self._refuse_until:
            with self._lock:
                self._refuse_until = 0.0
            self._troubles.clear(_TROUBLE)
            self._tell(f"{_TROUBLE} works again", "events are stored again")


def _fail_futures(group: Sequence[_Queued], error: Exception) -> None:
    for _, future in group:
        if not future.done():
            future.set_exception(error)
