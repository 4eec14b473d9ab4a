"""Routes for who runs the collector: is it alive, is it ready, and its figures as Prometheus reads them.

    /healthz   200 as long as the process answers; for whoever restarts it
    /readyz    200 if events can be stored now, else 503 with the reason; for whoever sends it requests
    /metrics   counters and gauges in Prometheus' text format; beyond loopback with the page's token as a bearer token

The first two tell nothing about games or players and need no token.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ga_pygame.collector.guard import HEALTH_PATHS
from ga_pygame.collector.responses import json_response, with_retry_after
from ga_pygame.collector.stores.contract import EventReader, EventStore, TakesEvents

READY_SECONDS = 3.0
"""The longest wait until the store says that it can be written."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ROUTES = (("/remote_configs/", "init"), ("/api/", "api"), ("/_nicegui", "page"), ("/metrics", "metrics"))
_TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"


def route_of(path: str) -> str:
    """Return the name of a path's route; there are few, whatever is asked for."""
    if path.startswith("/v2/"):
        return {"events": "events", "init": "init"}.get(path.rpartition("/")[2], "other")
    if path in ("/", *HEALTH_PATHS):
        return "health" if path in HEALTH_PATHS else "page"
    return next((name for start, name in _ROUTES if path.startswith(start)), "other")


class Traffic:
    """Counts requests, and answers the routes of the module.

    Args:
        store: The store, whose state is told.
        reader: Its counters; used by one thread at a time.
        taking: What takes the events: the store, or what is before it.
    """

    def __init__(self, store: EventStore, reader: EventReader, taking: TakesEvents) -> None:
        self._store = store
        self._reader = reader
        self._taking = taking
        self._lock = asyncio.Lock()
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "ga_pygame_requests", "Requests by route and status.", ("route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "ga_pygame_request_seconds",
            "Time until a request is answered; of events until they are stored.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )

    def routes(self) -> list[Route]:
        """Return the route that the page's token opens."""
        return [Route("/metrics", self._metrics)]

    def open_routes(self) -> list[Route]:
        """Return the routes that need no token."""
        return [Route("/healthz", self._health), Route("/readyz", self._ready)]

    def counted(self, app: ASGIApp) -> ASGIApp:
        """Return an application that counts the requests of another one."""

        async def call(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            began, route, status = time.perf_counter(), route_of(scope["path"]), "closed"

            async def noting(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = str(message["status"])
                await send(message)

            try:
                await app(scope, receive, noting)
            finally:
                self._requests.labels(route, status).inc()
                self._seconds.labels(route).observe(time.perf_counter() - began)

        return call

    async def _health(self, request: Request) -> Response:  # noqa: ARG002
        return json_response({"status": "ok"})

    async def _ready(self, request: Request) -> Response:  # noqa: ARG002
        why = ""
        try:
            await asyncio.wait_for(asyncio.wrap_future(self._taking.probe()), READY_SECONDS)
        except asyncio.TimeoutError:
            why = f"the store did not answer in {READY_SECONDS:g} s"
        except Exception as error:  # noqa: BLE001 - whatever a store says
            why = f"{type(error).__name__}: events cannot be stored"
        if why:
            return with_retry_after(json_response({"status": "not ready", "why": why}, 503))
        return json_response({"status": "ready"})

    async def _metrics(self, request: Request) -> Response:  # noqa: ARG002
        async with self._lock:
            found = await asyncio.get_running_loop().run_in_executor(None, self._totals)
        registry = CollectorRegistry()
        registry.register(_Made(found))
        text = generate_latest(self._registry) + generate_latest(registry)
        return Response(text, headers={"Content-Type": _TEXT_FORMAT, "Cache-Control": "no-store"})

    def _totals(self) -> list[Metric]:
        """Read what the store has counted; on a thread."""
        self._reader.follow(self._store.generation)
        totals = self._reader.totals()
        events = CounterMetricFamily(
            "ga_pygame_events", "Events by category and outcome.", labels=("category", "outcome")
        )
        for outcome in ("accepted", "rejected"):
            for category, number in totals[outcome].items():
                events.add_metric([category, outcome], number)
        events.add_metric(["", "duplicate"], totals["duplicates"])
        progress = self._store.progress
        lag = GaugeMetricFamily(
            "ga_pygame_projection_lag_events",
            "Stored events that metrics do not count yet.",
            progress.all - progress.done,
        )
        waiting = GaugeMetricFamily(
            "ga_pygame_waiting_bytes", "Bytes of requests that wait to be stored.", self._store.waiting_bytes
        )
        return [events, lag, waiting]


class _Made:
    """A collector of Prometheus with metrics that were read already."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics
