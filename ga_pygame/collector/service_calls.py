"""What POGR's and Trophy's routes have in common: preflights, and counts of what they did."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from ga_pygame.collector.store import Change, Store, StoreFull

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_COUNT = (
    "INSERT INTO service_counts VALUES (?, ?, ?)"
    " ON CONFLICT (service, name) DO UPDATE SET number = number + excluded.number"
)


def count(db: sqlite3.Connection, service: str, name: str, number: float = 1) -> None:
    """Add to one of a service's counts."""
    db.execute(_COUNT, (service, name, number))


def counts(db: sqlite3.Connection, service: str) -> dict[str, int]:
    """A service's counts by name."""
    rows = db.execute("SELECT name, number FROM service_counts WHERE service = ?", (service,))
    return {name: int(number) for name, number in rows}


async def count_refused(store: Store, service: str) -> None:
    """Count a request that was turned down; the sender hears its reason even if that cannot be written."""
    with contextlib.suppress(StoreFull, sqlite3.Error):
        await asyncio.wrap_future(store.change(Change(lambda db: count(db, service, "refused"), 0)))


def preflight(request: Request, headers: Mapping[str, str]) -> Response:
    """The answer to a browser that asks before it sends."""
    allowed = {**headers, "Access-Control-Max-Age": "86400"}
    if "access-control-request-private-network" in request.headers:
        allowed["Access-Control-Allow-Private-Network"] = "true"
    return Response(None, 204, allowed)
