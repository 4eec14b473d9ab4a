"""The count of refused requests, for POGR's and Trophy's routes."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3

from ga_pygame.collector.storage.counts import add_count
from ga_pygame.collector.storage.store import Change, Store, StoreFull


async def count_refused(store: Store, service: str) -> None:
    """Count a refused request. Errors are ignored: the sender gets its answer even if the count cannot be written."""
    with contextlib.suppress(StoreFull, sqlite3.Error):
        await asyncio.wrap_future(store.change(Change(lambda db: add_count(db, service, "refused"), 0)))
