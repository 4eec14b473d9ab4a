"""`ga_pygame collect`: opens the file and the port, says so, serves until it is told to stop."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
import uvicorn
from starlette.routing import Route
from starlette.types import ASGIApp

from ga_pygame.collector import app as application
from ga_pygame.collector.configs import SettingsFile
from ga_pygame.collector.emulation import Services, Switchboard
from ga_pygame.collector.faults import Faults
from ga_pygame.collector.gameanalytics import GameAnalytics
from ga_pygame.collector.games import SANDBOX, Game
from ga_pygame.collector.guard import Guard, is_loopback
from ga_pygame.collector.pogr import Pogr, PogrOptions
from ga_pygame.collector.queries import Queries
from ga_pygame.collector.schema import StoreError, connect_to_read, temporary_path
from ga_pygame.collector.status import Status
from ga_pygame.collector.store import Store
from ga_pygame.collector.trophy import Trophy
from ga_pygame.collector.trophy_rules import Rules

DEFAULT_PORT = 8420
KEEP_ALIVE_SECONDS = 75
"""Longer than games wait between batches, so that they keep their connection."""
SHUTDOWN_SECONDS = 2
MESSAGES_TOLD = 40


class CannotStart(Exception):
    """The collector cannot start; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    database: str | None = None
    games: tuple[Game, ...] = ()
    configs: Path | None = None
    page: bool = True
    pogr: PogrOptions = PogrOptions()
    trophy_rules: Rules = Rules()
    lenient: bool = False


def default_database(port: int) -> Path:
    """Where the collector of a port keeps its events unless told otherwise."""
    folder = os.environ.get("GA_PYGAME_DATA_DIR")
    base = Path(folder) if folder else platformdirs.user_data_path("ga_pygame", appauthor=False)
    return base / f"collector-{port}.sqlite3"


def run(options: Options) -> int:
    """Serve until Ctrl-C or SIGTERM.

    Raises:
        CannotStart: See its message.
        StoreError: The file cannot be used.
        ConfigsError: The settings file cannot be used.
    """
    tell = _Teller()
    settings = SettingsFile(options.configs, tell)
    listener = _listen(options.host, options.port)
    with (
        contextlib.closing(listener),
        _store(options) as store,
        contextlib.closing(Queries(store.path)) as queries,
        contextlib.closing(connect_to_read(store.path)) as reader,
    ):
        port = listener.getsockname()[1]
        token = None if is_loopback(options.host) else secrets.token_urlsafe(24)
        games = {game.key: game for game in options.games or (SANDBOX,)}
        status = Status()
        connections = _Connections()
        faults = Faults(connections.drop)
        pogr = Pogr(store, options.pogr, faults, connections.drop, tell)
        trophy = Trophy(
            store,
            reader,
            options.trophy_rules,
            lenient=options.lenient,
            faults=faults,
            drop=connections.drop,
            tell=tell,
        )
        ingest = [
            *GameAnalytics(games, store, settings, connections.drop, tell).routes(),
            *pogr.routes(),
            *trophy.routes(),
        ]
        services = Services(reader, options.trophy_rules)
        switchboard = Switchboard(store, reader, services, faults, trophy)
        config = uvicorn.Config(
            _application(
                options,
                port,
                token=token,
                ingest=ingest,
                switchboard=switchboard,
                store=store,
                queries=queries,
                status=status,
            ),
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            lifespan="on" if options.page else "off",
        )
        server = connections.server = _Server(config, _greeting(options, port, store, token))
        with _stopping(server):
            server.run(sockets=[listener])
    return 0


def _application(
    options: Options,
    port: int,
    *,
    token: str | None,
    ingest: list[Route],
    switchboard: Switchboard,
    store: Store,
    queries: Queries,
    status: Status,
) -> ASGIApp:
    own = [*application.Api(queries).routes(), *switchboard.routes()]
    if not options.page:
        own.append(Route("/", application.no_page))
    app, ingests = application.build(ingest, own)
    if options.page:
        from ga_pygame.collector import dashboard  # noqa: PLC0415 - NiceGUI takes 0.6 s that not everybody needs

        dashboard.mount(app, store.path, options.trophy_rules, status, _near(options.host, port))
    loopback_host = options.host if is_loopback(options.host) else None
    return Guard(app, ingests, loopback_host=loopback_host, token=token, cookie=f"ga_pygame_{port}")


class _Server(uvicorn.Server):
    """Says where it listens as soon as it does."""

    def __init__(self, config: uvicorn.Config, greeting: list[str]) -> None:
        super().__init__(config)
        self._greeting = greeting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            with contextlib.suppress(OSError):  # nobody needs to listen
                sys.stdout.write("".join(f"{line}\n" for line in self._greeting))
                sys.stdout.flush()


class _Connections:
    """The open connections, to close one without an answer."""

    server: uvicorn.Server | None = None

    def drop(self, client: tuple[str, int]) -> None:
        for connection in list(self.server.server_state.connections) if self.server else ():
            protocol: Any = connection
            if protocol.client == client and protocol.transport is not None:
                protocol.transport.abort()


def _greeting(options: Options, port: int, store: Store, token: str | None) -> list[str]:
    url = f"http://{_shown(options.host)}:{port}"
    lines = [f"listening on {url}", f"events are kept in {store.path}"]
    if options.database == ":memory:" or (options.database is None and options.port == 0):
        lines[1] += " until the collector ends"
    near = _near(options.host, port)
    if token:
        what = "page" if options.page else "data"
        path = "/" if options.page else "/api/summary"
        lines.append(f"{what}: {near}{path}?token={token} (from elsewhere: this machine's name instead)")
    elif options.page:
        lines.append(f"page: {url}/")
    lines.append(f"try it: GA_PYGAME_COLLECTOR={near} python my_game.py")
    return lines


def _near(host: str, port: int) -> str:
    """The collector's address as seen from this machine."""
    everywhere = host in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
    return f"http://{'127.0.0.1' if everywhere else _shown(host)}:{port}"


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, OverflowError) as error:
        raise CannotStart(f"cannot listen on {host}: {error}. Use --host 127.0.0.1") from error
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would let two programs share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        fix = "Another collector may be running: stop it, or use --port 0 for any free port"
        raise CannotStart(f"cannot listen on {host}:{port}: {reason}. {fix}") from error
    return listener


@contextlib.contextmanager
def _store(options: Options) -> Iterator[Store]:
    temporary = options.database == ":memory:" or (options.database is None and options.port == 0)
    if temporary:
        path = temporary_path()
    elif options.database is None:
        path = default_database(options.port)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make {path.parent}: {error.strerror}. Choose a file with --db") from error
    else:
        path = Path(options.database)
    store = Store(path, temporary=temporary)
    try:
        yield store
    finally:
        store.close()


@contextlib.contextmanager
def _stopping(server: uvicorn.Server) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the server, and the process with exit code 0."""

    def stop(*_: object) -> None:
        server.should_exit = True

    before = {which: signal.signal(which, stop) for which in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)


class _Teller:
    """Tells the developer what is wrong, in the terminal, each thing once."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def __call__(self, message: str) -> None:
        if message not in self._told and len(self._told) < MESSAGES_TOLD:
            self._told.add(message)
            with contextlib.suppress(OSError):
                sys.stderr.write(f"ga_pygame: {message}\n")
