"""Writes of POGR's and Trophy's routes to the store."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from typing import Any

from ga_pygame.collector.storage.counts import add_count
from ga_pygame.collector.storage.store import Change, Store, StoreFull


async def commit_change(store: Store, write: Callable[[sqlite3.Connection], Any], size: int = 0) -> Any:
    """Run a write in the store's transaction; return its result after the commit. See `Change`."""
    return await asyncio.wrap_future(store.change(Change(write, size)))


async def count_refused(store: Store, service: str) -> None:
    """Count a refused request. Errors are ignored: the sender gets its answer even if the count cannot be written."""
    with contextlib.suppress(StoreFull, sqlite3.Error):
        await commit_change(store, lambda db: add_count(db, service, "refused"))
