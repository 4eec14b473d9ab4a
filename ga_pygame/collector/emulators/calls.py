"""What POGR's and Trophy's routes have in common: preflights, and the count of refusals."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from ga_pygame.collector.storage.counts import add_count
from ga_pygame.collector.storage.store import Change, Store, StoreFull


async def count_refused(store: Store, service: str) -> None:
    """Count a request that was turned down; the sender hears its reason even if that cannot be written."""
    with contextlib.suppress(StoreFull, sqlite3.Error):
        await asyncio.wrap_future(store.change(Change(lambda db: add_count(db, service, "refused"), 0)))


def preflight(request: Request, headers: Mapping[str, str]) -> Response:
    """The answer to a browser that asks before it sends."""
    allowed = {**headers, "Access-Control-Max-Age": "86400"}
    if "access-control-request-private-network" in request.headers:
        allowed["Access-Control-Allow-Private-Network"] = "true"
    return Response(None, 204, allowed)
