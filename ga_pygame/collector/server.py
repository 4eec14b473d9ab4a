"""`ga_pygame collect`: open the file and the port, print them, serve until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple, cast

import uvicorn
from starlette.routing import Route
from starlette.types import ASGIApp

from ga_pygame.collector import app as application
from ga_pygame.collector import bodies, connections
from ga_pygame.collector.connections import Connections
from ga_pygame.collector.countries import Countries
from ga_pygame.collector.emulators.chaos import Chaos
from ga_pygame.collector.emulators.faults import Faults
from ga_pygame.collector.gameanalytics.games import Games
from ga_pygame.collector.gameanalytics.routes import Bounds, GameAnalyticsRoutes
from ga_pygame.collector.guard import Guard, PageToken, is_loopback
from ga_pygame.collector.keeping import Kept, Options, Surroundings, data_root, open_kept
from ga_pygame.collector.lanes import Lanes
from ga_pygame.collector.rates import Rates
from ga_pygame.collector.starting import start_command
from ga_pygame.collector.stores.contract import EventStore
from ga_pygame.collector.teller import Logs, Tell, Teller, printable
from ga_pygame.collector.traffic import Traffic
from ga_pygame.collector.troubles import Troubles
from ga_pygame.collector.upkeep import Upkeep

KEEP_ALIVE_SECONDS = 75
"""Longer than the 20 s between a game's batches, so that games keep their connection."""
SHUTDOWN_SECONDS = 2
MAX_PATH = 4096
"""Characters of the file's path in the greeting; the rest is cut."""
TICKS_PER_SWEEP = 5
"""Ticks of the server (0.1 s each) between two checks of the connections."""


class CannotStart(Exception):
    """The collector cannot start; the message says why and what to do."""


def run(options: Options) -> int:
    """Serve until Ctrl-C or SIGTERM.

    Raises:
        CannotStart: The address cannot be used.
        StoreError: The file cannot be used.
        ConfigsError: The settings file cannot be used.
        GeoIpError: The GeoIP file cannot be used.
    """
    os.umask(os.umask(0o077) | 0o077)  # DuckDB makes its log by the umask; all files hold players' data
    tell = Teller(as_json=options.json_logs)
    troubles = Troubles()
    listener = _listen(options.host, options.port)
    open_ones = Connections(connections.raise_file_limit())
    held = bodies.Held()
    faults = Faults(open_ones.drop)
    chaos = Chaos(faults, troubles)
    chaos.begin(options.chaos)
    with (
        contextlib.closing(listener),
        _logs(tell),
        contextlib.closing(Countries(options.geoip, tell)) as located,
        open_kept(options, Surroundings(tell, troubles, held, faults, chaos)) as kept,
        contextlib.closing(kept.store.reader()) as queries,
        contextlib.closing(kept.store.reader()) as counters,
        contextlib.closing(Lanes()) as lanes,
    ):
        port = listener.getsockname()[1]
        near = is_loopback(options.host)
        token = None if near else _page_token(options.page_token, kept, port)
        games = Games(options.games, takes_all=near and not options.games, tell=tell, troubles=troubles)
        bounds = Bounds(lanes, held, faults, Rates(options.rate_limit, options.proxies))
        signed = GameAnalyticsRoutes(
            games, kept.submits, kept.settings, bounds, located, lenient=options.lenient, tell=tell
        ).routes()
        unsigned = kept.unsigned
        upkeep = Upkeep(kept.store, open_ones.drop)
        traffic = Traffic(kept.store, counters, kept.submits)
        own = [*application.Api(queries, kept.store).routes(), *upkeep.routes(), *kept.own]
        own += [*traffic.routes(), *traffic.open_routes()]
        shown = _Shown(kept, troubles, chaos, _near(options.host, port))
        app = _application(options, [*signed, *unsigned, *own], shown)
        guard = Guard(
            app,
            signed=application.serves(signed),
            unsigned=application.serves(unsigned),
            loopback_host=options.host if near else None,
            token=token,
            origins=options.origins,
            tell=tell,
        )
        config = uvicorn.Config(
            traffic.counted(guard),
            http=cast("type[asyncio.Protocol]", open_ones.protocol),
            h11_max_incomplete_event_size=connections.MAX_HEADER_BYTES,
            ws_max_size=connections.MAX_MESSAGE_BYTES,
            ws_per_message_deflate=False,
            ws_ping_interval=None,  # the page has pings of its own, which a busy browser may answer late
            backlog=min(connections.MAX_ACCEPTED_AT_ONCE, open_ones.most),
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            lifespan="on" if options.page else "off",
        )
        server = _Server(config, _greeting(options, port, kept.store, token), open_ones.sweep)
        with _stopping(server):
            server.run(sockets=[listener])
    return 0


def _page_token(given: str, kept: Kept, port: int) -> PageToken:
    """Return what opens the page: as the operator says, else the same at all collectors that share a store."""
    if given or kept.token:
        return PageToken(given or kept.token, "ga_pygame_page")
    return PageToken(secrets.token_urlsafe(24), f"ga_pygame_{port}")


class _Shown(NamedTuple):
    """What the page shows."""

    kept: Kept
    troubles: Troubles
    chaos: Chaos
    address: str


def _application(options: Options, routes: list[Route], shown: _Shown) -> ASGIApp:
    if not options.page:
        routes.append(Route("/", application.no_page))
    app = application.build_app(routes)
    if options.page:
        from ga_pygame.collector.page import dashboard, snapshots  # noqa: PLC0415 - NiceGUI takes 0.6 s, not all need it

        data = snapshots.Snapshots(shown.kept.store, shown.kept.emulated, shown.troubles, data_root())
        dashboard.mount(app, data, shown.kept.editable, shown.chaos, shown.address)
    return app


class _Server(uvicorn.Server):
    """A server that prints its greeting once it listens, and checks the connections regularly."""

    def __init__(self, config: uvicorn.Config, greeting: list[str], sweep: Callable[[float], None]) -> None:
        super().__init__(config)
        self._greeting = greeting
        self._sweep = sweep

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal.

        Not on the proactor loop, which is the default on Windows: a client that is killed while it connects makes that
        one close the listener for good (CPython #93821), and the collector would run on, deaf.
        """
        if sys.platform != "win32":
            super().run(sockets)
        elif sys.version_info >= (3, 11):
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(self.serve(sockets))
        else:
            loop = asyncio.SelectorEventLoop()
            asyncio.set_event_loop(loop)
            try:
                loop.run_until_complete(self.serve(sockets))
            finally:
                loop.run_until_complete(loop.shutdown_default_executor())
                loop.close()

    async def on_tick(self, counter: int) -> bool:
        """Check the connections at every `TICKS_PER_SWEEP`th tick."""
        if counter % TICKS_PER_SWEEP == 0:
            self._sweep(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            with contextlib.suppress(OSError):  # stdout may be closed
                sys.stdout.write("".join(f"{line}\n" for line in self._greeting))
                sys.stdout.flush()


def _greeting(options: Options, port: int, store: EventStore, token: PageToken | None) -> list[str]:
    url = f"http://{_url_host(options.host)}:{port}"
    lines = [f"listening on {url}", f"events are kept in {printable(store.place, MAX_PATH)}"]
    if options.is_temporary:
        lines[1] += " until the collector ends"
    near = _near(options.host, port)
    if token:
        what = "page" if options.page else "data"
        path = "/" if options.page else "/api/summary"
        lines.append(f"{what}: {near}{path}?token={token.token} (from elsewhere: this machine's name instead)")
    elif options.page:
        lines.append(f"page: {url}/")
    if options.chaos:
        lines.append(f"chaos: {options.chaos}")
    lines.append(f"try it: {start_command(near)}")
    if token and (address := _address_of_this_machine()):
        lines.append(f"from another machine: {start_command(f'http://{address}:{port}')}")
    return lines


def _address_of_this_machine() -> str:
    """Return the address under which others reach this machine, "" if it has no network. Sends nothing."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # TEST-NET-1, for documentation; the system chooses the interface towards it
        return str(probe.getsockname()[0])
    return ""


def _near(host: str, port: int) -> str:
    """Return the collector's address as seen from this machine."""
    everywhere = host in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
    return f"http://{'127.0.0.1' if everywhere else _url_host(host)}:{port}"


def _url_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


_FIXES = {
    errno.EADDRINUSE: "Another collector may be running: stop it, or use --port 0 for any free port",
    errno.EADDRNOTAVAIL: "This machine has no such address: use --host 127.0.0.1, or 0.0.0.0 for all that it has",
    errno.EACCES: "The system keeps low ports to itself: use one above 1024",
}


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, OverflowError) as error:
        raise CannotStart(f"cannot listen on {host}: {error}. Use --host 127.0.0.1") from error
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # on Windows it would let two programs share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        fix = _FIXES.get(error.errno or 0, "Use --host 127.0.0.1, or --port 0 for any free port")
        raise CannotStart(f"cannot listen on {host}:{port}: {reason}. {fix}") from error
    return listener


@contextlib.contextmanager
def _logs(tell: Tell) -> Iterator[None]:
    """Send what libraries log to `tell`. The root logger may be used here: this process is the collector's own."""
    handler, root = Logs(tell), logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


@contextlib.contextmanager
def _stopping(server: uvicorn.Server) -> Iterator[None]:
    """Make Ctrl-C, SIGTERM and Ctrl-Break (Windows) stop the server, so that the process ends with exit code 0."""

    def stop(*_: object) -> None:
        server.should_exit = True

    names = ("SIGINT", "SIGTERM", "SIGBREAK")
    signals = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {which: signal.signal(which, stop) for which in signals}
    try:
        yield
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
