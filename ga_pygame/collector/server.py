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
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

import platformdirs
import uvicorn
from starlette.routing import Route
from starlette.types import ASGIApp

from ga_pygame.collector import app as application
from ga_pygame.collector import bodies, connections
from ga_pygame.collector.connections import Connections
from ga_pygame.collector.countries import Countries
from ga_pygame.collector.emulators.faults import Faults
from ga_pygame.collector.emulators.pogr.routes import PogrOptions, PogrRoutes
from ga_pygame.collector.emulators.switchboard import EmulatorFile, Switchboard
from ga_pygame.collector.emulators.trophy.routes import TrophyRoutes
from ga_pygame.collector.emulators.trophy.rules import Rules
from ga_pygame.collector.gameanalytics.configs import SettingsFile
from ga_pygame.collector.gameanalytics.games import Game, Games
from ga_pygame.collector.gameanalytics.routes import Bounds, GameAnalyticsRoutes
from ga_pygame.collector.guard import Guard, PageToken, is_loopback
from ga_pygame.collector.lanes import Lanes
from ga_pygame.collector.starting import start_command
from ga_pygame.collector.storage.queries import Queries
from ga_pygame.collector.storage.reading import Asker
from ga_pygame.collector.storage.schema import StoreError, make_folder, temporary_path
from ga_pygame.collector.storage.store import Store
from ga_pygame.collector.stores.contract import EventStore
from ga_pygame.collector.stores.local import LocalStore
from ga_pygame.collector.teller import Logs, Tell, Teller, printable
from ga_pygame.collector.troubles import Troubles
from ga_pygame.collector.upkeep import Upkeep
from ga_pygame.collector.warehouse.database import UTC, Database
from ga_pygame.collector.warehouse.running import Warehouse

DEFAULT_PORT = 8420
KEEP_ALIVE_SECONDS = 75
"""Longer than the 20 s between a game's batches, so that games keep their connection."""
SHUTDOWN_SECONDS = 2
MAX_PATH = 4096
"""Characters of the file's path in the greeting; the rest is cut."""
TICKS_PER_SWEEP = 5
"""Ticks of the server (0.1 s each) between two checks of the connections."""


class CannotStart(Exception):
    """The collector cannot start; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    database: str | None = None
    games: tuple[Game, ...] = ()
    origins: tuple[str, ...] = ()
    configs: Path | None = None
    page: bool = True
    pogr: PogrOptions = PogrOptions()
    trophy_rules: Rules = Rules()
    lenient: bool = False
    timezone: str = UTC
    retention: int | None = None
    geoip: Path | None = None

    @property
    def is_temporary(self) -> bool:
        """Whether the events are deleted at the end."""
        return self.database == ":memory:" or (self.database is None and self.port == 0)


def default_database(port: int) -> Path:
    """Return the default path of the file of the collector on a port."""
    folder = os.environ.get("GA_PYGAME_DATA_DIR")
    base = Path(folder) if folder else platformdirs.user_data_path("ga_pygame", appauthor=False)
    return base / f"collector-{port}.sqlite3"


def run(options: Options) -> int:
    """Serve until Ctrl-C or SIGTERM.

    Raises:
        CannotStart: The address cannot be used.
        StoreError: The file cannot be used.
        ConfigsError: The settings file cannot be used.
        GeoIpError: The GeoIP file cannot be used.
    """
    os.umask(os.umask(0o077) | 0o077)  # DuckDB makes its log by the umask; all files hold players' data
    tell = Teller()
    troubles = Troubles()
    settings = SettingsFile(options.configs, lambda message: tell("settings", message))
    listener = _listen(options.host, options.port)
    with (
        contextlib.closing(listener),
        _logs(tell),
        contextlib.closing(Countries(options.geoip, tell)) as located,
        _store(options, tell, troubles) as store,
        contextlib.closing(Asker(store)) as asker,
        contextlib.closing(_warehouse(options, store, tell)) as warehouse,
        contextlib.closing(Queries(store.path, store.generation)) as queries,
        contextlib.closing(Lanes()) as lanes,
    ):
        port = listener.getsockname()[1]
        near = is_loopback(options.host)
        token = None if near else PageToken(secrets.token_urlsafe(24), f"ga_pygame_{port}")
        open_ones = Connections(connections.raise_file_limit())
        held = bodies.Held()
        faults = Faults(open_ones.drop)
        pogr = PogrRoutes(store, options.pogr, faults, held=held, tell=tell)
        trophy = TrophyRoutes(
            store,
            asker,
            options.trophy_rules,
            lenient=options.lenient,
            faults=faults,
            held=held,
            tell=tell,
        )
        games = Games(options.games, takes_all=near and not options.games, tell=tell, troubles=troubles)
        bounds = Bounds(lanes, held, open_ones.drop)
        signed = GameAnalyticsRoutes(
            games, store, settings, bounds, located, lenient=options.lenient, tell=tell
        ).routes()
        unsigned = [*pogr.routes(), *trophy.routes()]
        switchboard = Switchboard(store, asker, options.trophy_rules, faults, trophy)
        kept = LocalStore(store, warehouse, options.retention)
        upkeep = Upkeep(kept, open_ones.drop)
        own = [*application.Api(queries, kept).routes(), *upkeep.routes(), *switchboard.routes()]
        emulated = EmulatorFile(store.path, options.trophy_rules)
        shown = _Shown(kept, emulated, settings, troubles, _near(options.host, port))
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
            guard,
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
        server = _Server(config, _greeting(options, port, store, token), open_ones.sweep)
        with _stopping(server):
            server.run(sockets=[listener])
    return 0


class _Shown(NamedTuple):
    """What the page shows."""

    store: EventStore
    emulated: EmulatorFile
    settings: SettingsFile
    troubles: Troubles
    address: str


def _application(options: Options, routes: list[Route], shown: _Shown) -> ASGIApp:
    if not options.page:
        routes.append(Route("/", application.no_page))
    app = application.build_app(routes)
    if options.page:
        from ga_pygame.collector.page import dashboard, snapshots  # noqa: PLC0415 - NiceGUI takes 0.6 s, not all need it

        data = snapshots.Snapshots(shown.store, shown.emulated, shown.troubles)
        dashboard.mount(app, data, shown.settings, shown.address)
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


def _greeting(options: Options, port: int, store: Store, token: PageToken | None) -> list[str]:
    url = f"http://{_url_host(options.host)}:{port}"
    lines = [f"listening on {url}", f"events are kept in {printable(str(store.path), MAX_PATH)}"]
    if options.is_temporary:
        lines[1] += " until the collector ends"
    near = _near(options.host, port)
    if token:
        what = "page" if options.page else "data"
        path = "/" if options.page else "/api/summary"
        lines.append(f"{what}: {near}{path}?token={token.token} (from elsewhere: this machine's name instead)")
    elif options.page:
        lines.append(f"page: {url}/")
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
def _store(options: Options, tell: Tell, troubles: Troubles) -> Iterator[Store]:
    if options.is_temporary:
        path = temporary_path()
    elif options.database is None:
        path = default_database(options.port)
        try:
            make_folder(path.parent)
        except OSError as error:
            raise StoreError(f"cannot make {path.parent}: {error.strerror}. Choose a file with --db") from error
    else:
        path = Path(options.database)
    store = Store(path, temporary=options.is_temporary, tell=tell, troubles=troubles)
    try:
        yield store
    finally:
        store.close()


def _warehouse(options: Options, store: Store, tell: Tell) -> Warehouse:
    """Start the warehouse, in a file beside the store's or, as that, until the collector ends."""
    path = None if options.is_temporary else store.path.with_suffix(".duckdb")
    return Warehouse(store, Database(path, options.timezone), tell, options.retention)


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
