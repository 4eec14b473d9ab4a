"""Read what the page shows, once for all tabs.

A thread reads and decodes, so that the loop that answers games does not. It reads only after a commit, and only what a
tab shows. So twenty tabs cost as many queries as one, and an idle collector costs one query of the file's version.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from ga_pygame import clock
from ga_pygame.collector.emulators.switchboard import EmulatorFile, Services
from ga_pygame.collector.page import rows, service_rows
from ga_pygame.collector.page.accepted_ids import AcceptedIds
from ga_pygame.collector.page.address import PageAddress, metric_filters
from ga_pygame.collector.page.feed import NOTHING, Feed, FeedKey, Looked
from ga_pygame.collector.page.panel_cache import PanelCache
from ga_pygame.collector.page.rows import TableRow
from ga_pygame.collector.storage.reading import connect_to_read
from ga_pygame.collector.stores.contract import EventReader, EventStore
from ga_pygame.collector.troubles import Trouble, Troubles
from ga_pygame.collector.warehouse.database import NotReady
from ga_pygame.collector.warehouse.filters import Filters, filters_from
from ga_pygame.collector.warehouse.metrics import METRICS
from ga_pygame.collector.warehouse.projector import Progress

SECONDS_PER_LOOK = 0.4
LOOKS_PER_TABLE = 3
SECONDS_PER_RECOUNT = 5.0
"""Time between two reads of the sessions while nothing arrives: a session that falls silent changes without a write."""

RATE_SECONDS = 5.0
SESSIONS_SHOWN = 50

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Numbers:
    """The counters of the page."""

    rate: float = 0.0
    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0
    live: int = 0

    def texts(self) -> tuple[str, ...]:
        """Format the counters."""
        counts = (self.accepted, self.rejected, self.duplicates, self.live)
        return (f"{self.rate:,.0f}", *(f"{one:,}" for one in counts))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What all tabs show; a list stays the same object while it does not change.

    Attributes:
        changes: Grows when the file, or what the metrics count, was changed; so a view knows whether to ask again.
    """

    numbers: Numbers = Numbers()
    several_games: bool = False
    changes: int = 0
    sessions: list[TableRow] = field(default_factory=list)
    services: service_rows.Shown | None = None
    troubles: list[Trouble] = field(default_factory=list)


class Snapshots:
    """The reader of the page. Queries run on its thread, everything else on the loop.

    Args:
        store: What to read.
        emulated: What POGR's and Trophy's emulators keep; `None` if there are none.
        troubles: The troubles to show.
        root: The data folder of all games, where pictures of levels are; `None` shows none.

    Attributes:
        root: As given.
    """

    def __init__(
        self, store: EventStore, emulated: EmulatorFile | None, troubles: Troubles, root: Path | None = None
    ) -> None:
        self.snapshot = Snapshot()
        self._store = store
        self._emulated = emulated
        self.root = root
        self._projection = 0
        self._troubles = troubles
        self._clock = clock.SystemClock()
        self.panels = PanelCache(self._clock)
        self._accepted = AcceptedIds(store, self._clock)
        self._feeds: dict[FeedKey, Feed] = {}
        self._totals: deque[tuple[float, int]] = deque()
        self._version = -1
        self._tables_version = -1
        self._sessions_at = -SECONDS_PER_RECOUNT
        self._looks = 0
        self._looking = asyncio.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ga-collector-page")
        self._metrics_pool = ThreadPoolExecutor(1, thread_name_prefix="ga-collector-metrics")
        self._choices: tuple[int, Mapping[str, tuple[str, ...]]] = (-1, {})
        self._queries: EventReader | None = None
        self._reader: sqlite3.Connection | None = None

    async def ask(self, question: Callable[[], _T]) -> _T:
        """Run a question on the reading thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, question)

    async def query(self, question: Callable[[EventReader], _T]) -> _T:
        """Ask the file on the reading thread."""
        return await self.ask(lambda: question(self._open()))

    async def metric(self, name: str, address: PageAddress, **options: Any) -> list[Any]:
        """Return the rows of a metric, filtered as the address says, on a thread of their own.

        Args:
            name: See `METRICS`.
            address: The view's address.
            options: The metric's own parameters.
        """
        filters = self.filters(address)
        return await self._ask_warehouse(lambda: self._store.answer(METRICS[name], filters, options))

    def today(self) -> date:
        """Return the calendar day of the metrics."""
        return self._store.today()

    def filters(self, address: PageAddress) -> Filters:
        """Return the filters of an address as the metrics know them.

        Raises:
            BadFilter: A filter cannot be read.
        """
        return filters_from(metric_filters(address, self.today()))

    @property
    def progress(self) -> Progress:
        """How many events the metrics count."""
        return self._store.progress

    async def choices(self) -> Mapping[str, tuple[str, ...]]:
        """Return the values that occur, by the filter for them; asked anew if the file has changed."""
        changes = self.snapshot.changes
        if self._choices[0] != changes:
            self._choices = changes, await self._ask_warehouse(self._store.choices)
        return self._choices[1]

    async def _ask_warehouse(self, question: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._metrics_pool, question)

    def close(self) -> None:
        """Close the file after the present read."""
        self._metrics_pool.shutdown(wait=True, cancel_futures=True)
        self._pool.submit(self._close)
        self._pool.shutdown(wait=True)

    async def feed(self, key: FeedKey) -> Feed:
        """Return the feed of some events; read it if it is new."""
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = Feed(key, self._accepted.meant)
            feed.add(await self.ask(lambda: feed.look(self._open())))
        return feed

    async def rows_of(self, key: FeedKey) -> list[TableRow]:
        """Return the newest rows of some events, whether a tab shows them or not."""
        feed = self._feeds.get(key) or Feed(key, self._accepted.meant)
        looked = await self.ask(lambda: feed.look(self._open()))
        feed.add(looked)
        return feed.since(0)

    def open_feed(self, key: FeedKey) -> Feed | None:
        """Return the feed of some events if it was read already."""
        return self._feeds.get(key)

    async def keep(self, wanted: set[FeedKey]) -> None:
        """Keep these feeds up to date, and drop the others."""
        for key in self._feeds.keys() - wanted:
            del self._feeds[key]
        for key in wanted:
            await self.feed(key)

    async def look(self) -> Snapshot:
        """Read what is new and return the snapshot."""
        async with self._looking:
            feeds = list(self._feeds.values())
            try:
                self.snapshot, looked = await self.ask(lambda: self._read(feeds))
            except Exception as error:  # noqa: BLE001 - for any damage to the file, the page says that it is not updated
                trouble = Trouble(f"The page cannot read {self._store.place}: {error}. The data shown is out of date.")
                self.snapshot = replace(self.snapshot, troubles=[*self._troubles.present(), trouble])
            else:
                for feed, found in zip(feeds, looked, strict=True):
                    feed.add(found)
            return self.snapshot

    # --- on the reading thread --------------------------------------------------------------------------

    def _open(self) -> EventReader:
        generation = self._store.generation
        if self._queries is None:
            self._queries = self._store.reader()
        elif self._queries.follow(generation):  # the ids of the new file start again
            self._version = self._tables_version = -1
            self._feeds = {}
            self._totals.clear()
            if self._reader is not None:
                self._reader.close()
                self._reader = None
        return self._queries

    def _services(self) -> service_rows.Shown:
        if self._emulated is None:
            return service_rows.Shown(is_absent=True)
        if self._reader is None:
            self._reader = connect_to_read(self._emulated.path)
        return service_rows.read_services(Services(self._reader, self._emulated.rules))

    def _close(self) -> None:
        if self._queries is not None:
            self._queries.close()
        if self._reader is not None:
            self._reader.close()

    def _read(self, feeds: list[Feed]) -> tuple[Snapshot, list[Looked]]:
        queries = self._open()
        before, now = self.snapshot, self._clock.monotonic()
        version = queries.version()
        changed, self._version = version != self._version, -1  # if this read fails, the next one reads everything
        numbers, found = before.numbers, before
        looked = [NOTHING] * len(feeds)
        if changed:
            totals = queries.totals()
            numbers = replace(
                numbers,
                accepted=sum(totals["accepted"].values()),
                rejected=sum(totals["rejected"].values()),
                duplicates=totals["duplicates"],
            )
            looked = [feed.look(queries) for feed in feeds]
        numbers = replace(numbers, rate=self._rate(now, numbers.accepted + numbers.rejected))
        projection = self._store.progress.done
        moved = projection != self._projection
        if moved or now - self._sessions_at >= SECONDS_PER_RECOUNT:
            live, sessions = self._sessions(before)
            found, numbers = replace(found, sessions=sessions), replace(numbers, live=live)
            self._sessions_at = now
        if self._looks % LOOKS_PER_TABLE == 0 and version != self._tables_version:
            found = self._tables(queries, found)
            self._tables_version = version
        self._looks += 1
        self._version, self._projection = version, projection
        troubles = self._troubles.present()
        return replace(
            found,
            numbers=numbers,
            changes=before.changes + (changed or moved),
            troubles=before.troubles if troubles == before.troubles else troubles,
        ), looked

    def _sessions(self, before: Snapshot) -> tuple[int, list[TableRow]]:
        """Return the number of live sessions and the rows of the newest; those before if the warehouse is not open."""
        now = clock.wall_now()
        try:
            live = self._store.going_sessions(now - rows.PLAYING_SECONDS)
            newest = self._store.latest_sessions(SESSIONS_SHOWN)
        except NotReady:
            return before.numbers.live, before.sessions
        found = [rows.row_of_session(one, now) for one in newest]
        return live, before.sessions if found == before.sessions else found

    def _tables(self, queries: EventReader, before: Snapshot) -> Snapshot:
        services = self._services()
        return replace(
            before,
            several_games=queries.games() > 1,
            services=before.services if services == before.services else services,
        )

    def _rate(self, now: float, total: int) -> float:
        self._totals.append((now, total))
        while now - self._totals[0][0] > RATE_SECONDS and len(self._totals) > 2:
            self._totals.popleft()
        since, before = self._totals[0]
        return (total - before) / (now - since) if now > since else 0.0
