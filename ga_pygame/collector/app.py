"""The application and its JSON API."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from ga_pygame.collector.plain_text import one_line
from ga_pygame.collector.responses import RETRY_AFTER_SECONDS, json_response
from ga_pygame.collector.storage.queries import Arrival, rejected_line
from ga_pygame.collector.stores.contract import EventReader, EventStore
from ga_pygame.collector.warehouse.asking import WarehouseMetric
from ga_pygame.collector.warehouse.database import NotReady
from ga_pygame.collector.warehouse.filters import BadFilter, Filters, filters_from
from ga_pygame.collector.warehouse.metrics import METRICS

_T = TypeVar("_T")

MAX_PAGE_OF_EVENTS = 1000
"""Events in an answer of `/api/events`; ask for further ones with `after`."""
MAX_LARGE_ANSWERS = 2
"""Answers of `/api/events` and `/api/export` that are in memory at once; others wait."""
MAX_WAITING_QUESTIONS = 16
"""Questions that wait for their turn; a further one is answered with 503."""

PROJECTED_HEADER = "X-GA-Projected"
"""The header of metrics: the events that are in the warehouse, `/`, all events of the log."""


class Api:
    """The page's data as JSON.

    Questions run on a thread of their own, because an answer may require unpacking megabytes and the loop must go on
    answering games. An answer with events stays in memory until its client has read it, so few are made at once.
    """

    def __init__(self, queries: EventReader, store: EventStore) -> None:
        self._queries = queries
        self._store = store
        self._metrics_pool = ThreadPoolExecutor(1, thread_name_prefix="ga-collector-metrics")
        self._metrics_line = _Line(1)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ga-collector-api")
        self._questions = _Line(1)
        self._large = _Line(MAX_LARGE_ANSWERS)

    async def _ask(self, question: Callable[[], _T]) -> _T:
        def answer() -> _T:
            self._queries.follow(self._store.generation)
            return question()

        async with self._questions.place():
            return await asyncio.get_running_loop().run_in_executor(self._pool, answer)

    def routes(self) -> list[Route]:
        """`GET` routes under `/api`."""
        return [
            Route("/api/summary", self._summary),
            Route("/api/events", self._events),
            Route("/api/sessions", self._sessions),
            Route("/api/export", self._export),
            Route("/api/warehouse", self._list_metrics),
            Route("/api/warehouse/{name}", self._metric),
        ]

    async def _summary(self, request: Request) -> Response:  # noqa: ARG002
        return json_response(await self._ask(self._queries.summary))

    async def _events(self, request: Request) -> Response:
        after = _query_number(request, "after", 0, 2**62)
        limit = _query_number(request, "limit", 100, MAX_PAGE_OF_EVENTS)

        async def make() -> Response:
            return await self._ask(lambda: _raw_list(list(map(_arrival, self._queries.arrivals(after, limit)))))

        return _InLine(self._large, make)

    async def _sessions(self, request: Request) -> Response:
        limit = _query_number(request, "limit", 100, 1000)
        return await self._ask_warehouse(lambda: json_response(self._store.latest_sessions(limit)))

    async def _export(self, request: Request) -> Response:
        rejected = "rejected" in request.query_params
        name = "rejected.jsonl" if rejected else "events.jsonl"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}

        async def make() -> Response:
            lines = self._lines(rejected=rejected)
            return StreamingResponse(lines, headers=headers, media_type="application/x-ndjson")

        return _InLine(self._large, make)

    async def _list_metrics(self, request: Request) -> Response:  # noqa: ARG002
        return json_response([{"metric": one.name, "counts": one.sentence} for one in METRICS.values()])

    async def _metric(self, request: Request) -> Response:
        metric = METRICS.get(request.path_params["name"])
        if metric is None:
            raise HTTPException(404, f"there is no such metric; there are: {', '.join(METRICS)}")
        filters, options = _read_query(metric, request)

        def answer() -> Response:
            rows = self._store.answer(metric, filters, options)
            done, of_all, _ = self._store.progress
            return json_response([row._asdict() for row in rows], headers={PROJECTED_HEADER: f"{done}/{of_all}"})

        return await self._ask_warehouse(answer)

    async def _ask_warehouse(self, answer: Callable[[], Response]) -> Response:
        """Make an answer on the metrics' thread.

        Raises:
            HTTPException: Too many ask, or the warehouse is not open (503).
        """
        async with self._metrics_line.place():
            try:
                return await asyncio.get_running_loop().run_in_executor(self._metrics_pool, answer)
            except NotReady as error:
                raise HTTPException(503, str(error), {"Retry-After": str(RETRY_AFTER_SECONDS)}) from error

    async def _lines(self, *, rejected: bool) -> AsyncIterator[bytes]:
        after: int | None = 0
        while after is not None:
            lines, after = await self._ask(partial(self._page_of_lines, after, rejected=rejected))
            yield lines

    def _page_of_lines(self, after: int, *, rejected: bool) -> tuple[bytes, int | None]:
        """Return the next lines and the id to go on after; the id is `None` at the end."""
        page = self._queries.arrivals(after, MAX_PAGE_OF_EVENTS)
        lines = [
            (rejected_line(one.json, one.errors) if rejected else one_line(one.json)) + b"\n"
            for one in page
            if bool(one.errors) == rejected
        ]
        return b"".join(lines), page[-1].id if page else None


class _Line:
    """A semaphore with a bounded number of waiters."""

    def __init__(self, at_once: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._left = at_once + MAX_WAITING_QUESTIONS

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold the semaphore within the context.

        Raises:
            HTTPException: Too many wait already (503).
        """
        if not self._left:
            raise HTTPException(503, "too many ask at once", {"Retry-After": str(RETRY_AFTER_SECONDS)})
        self._left -= 1
        try:
            async with self._free:
                yield
        finally:
            self._left += 1


class _InLine(Response):
    """A response that is made and sent when it has its place in the line."""

    def __init__(self, line: _Line, make: Callable[[], Awaitable[Response]]) -> None:
        super().__init__()
        self._line = line
        self._make = make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._line.place():
            response = await self._make()
            await response(scope, receive, send)


def _arrival(one: Arrival) -> bytes:
    about = {
        "id": one.id,
        "received_at": one.received_at,
        "game": one.game_key,
        "category": one.category,
        "accepted": not one.errors,
        "errors": one.errors,
    }
    return msgspec.json.encode(about)[:-1] + b',"event":' + one.json + b"}"


def _raw_list(items: list[bytes]) -> Response:
    return Response(b"[" + b",".join(items) + b"]", media_type="application/json")


def _read_query(metric: WarehouseMetric, request: Request) -> tuple[Filters, dict[str, Any]]:
    """Read the filters and the metric's own options of a request.

    Raises:
        HTTPException: One is unknown or cannot be read (400).
    """
    query = {name: value for name, value in request.query_params.items() if name not in ("token", *metric.options)}
    try:
        options = {
            name: read(text) for name, read in metric.options.items() if (text := request.query_params.get(name))
        }
        return filters_from(query), options
    except BadFilter as error:
        raise HTTPException(400, str(error)) from error


def _query_number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise HTTPException(400, f"{name} must be a whole number of 0 or more")
    return min(int(text), most)


async def _http_error(request: Request, error: Exception) -> Response:  # noqa: ARG001
    status, detail, headers = 500, "internal", None
    if isinstance(error, HTTPException):
        status, detail, headers = error.status_code, error.detail, error.headers
    return json_response({"error": detail}, status, headers)


async def _broken(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """Answer a defect with an empty body, so that senders keep their events. The guard tells the developer."""
    return Response(b"", 500)


def build_app(routes: list[Route]) -> Starlette:
    """Build the application without its guard."""
    app = Starlette(routes=routes, exception_handlers={HTTPException: _http_error, Exception: _broken})
    app.router.redirect_slashes = False
    return app


def serves(routes: list[Route]) -> Callable[[str], bool]:
    """Return a function that tells whether a path belongs to one of these routes."""

    def test(path: str) -> bool:
        scope = {"type": "http", "method": "POST", "path": path, "root_path": "", "headers": []}
        return any(route.matches(scope)[0] is Match.FULL for route in routes)

    return test


async def no_page(request: Request) -> Response:  # noqa: ARG001
    """Answer `/` if the collector was started without its page."""
    return json_response({"service": "ga_pygame collector", "page": False, "api": ["/api/summary", "/api/events"]})
