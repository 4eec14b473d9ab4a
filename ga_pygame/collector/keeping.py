"""What keeps a collector's events and settings: files of this machine, or ClickHouse."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import platformdirs
from starlette.routing import Route

from ga_pygame.addresses import DEFAULT_PORT
from ga_pygame.collector import bodies
from ga_pygame.collector.clickhouse.address import StoreAddress
from ga_pygame.collector.emulators.absent import absent_routes
from ga_pygame.collector.emulators.chaos import Chaos
from ga_pygame.collector.emulators.faults import Faults
from ga_pygame.collector.emulators.pogr.routes import PogrOptions, PogrRoutes
from ga_pygame.collector.emulators.switchboard import EmulatorFile, Switchboard
from ga_pygame.collector.emulators.trophy.routes import TrophyRoutes
from ga_pygame.collector.emulators.trophy.rules import Rules
from ga_pygame.collector.gameanalytics.configs import SettingsFile
from ga_pygame.collector.gameanalytics.configs_editing import EditableSettings, EditedFile, SettingsInForce
from ga_pygame.collector.gameanalytics.games import Game
from ga_pygame.collector.storage.reading import Asker
from ga_pygame.collector.storage.schema import StoreError, make_folder, temporary_path
from ga_pygame.collector.storage.store import Store
from ga_pygame.collector.stores.contract import EventStore, TakesEvents
from ga_pygame.collector.stores.local import LocalStore
from ga_pygame.collector.teller import Tell
from ga_pygame.collector.troubles import Troubles
from ga_pygame.collector.warehouse.database import UTC, Database
from ga_pygame.collector.warehouse.running import Warehouse


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    database: str | None = None
    store: StoreAddress | None = None
    spill: Path | None = None
    games: tuple[Game, ...] = ()
    origins: tuple[str, ...] = ()
    configs: Path | None = None
    page: bool = True
    pogr: PogrOptions = field(default_factory=PogrOptions)
    trophy_rules: Rules = field(default_factory=Rules)
    lenient: bool = False
    timezone: str = UTC
    retention: int | None = None
    geoip: Path | None = None
    rate_limit: float | None = None
    proxies: tuple[str, ...] = ()
    page_token: str = ""
    json_logs: bool = False
    chaos: str = ""

    @property
    def is_temporary(self) -> bool:
        """Whether the events are deleted at the end."""
        return self.store is None and (self.database == ":memory:" or (self.database is None and self.port == 0))


class Surroundings(NamedTuple):
    """What the routes of a collector share.

    Attributes:
        tell: Tells the developer about trouble.
        troubles: Shows the same on the page.
        held: Counts the bytes of all bodies.
        faults: Wrong answers on demand.
        chaos: The fault of all requests.
    """

    tell: Tell
    troubles: Troubles
    held: bodies.Held
    faults: Faults
    chaos: Chaos


class Kept(NamedTuple):
    """What keeps the events and settings, and what else is there only with it.

    Attributes:
        store: The events.
        submits: What takes the events of games: the store, or what spills if it does not take them.
        settings: The remote configs and experiments.
        editable: The same for the page; `None` if there is no settings file.
        emulated: What POGR's and Trophy's emulators keep; `None` if there are none.
        unsigned: The routes of POGR and Trophy.
        own: The routes of their switchboard.
        token: The secret that opens the page; "" if each process makes its own.
    """

    store: EventStore
    submits: TakesEvents
    settings: SettingsInForce
    editable: EditableSettings | None
    emulated: EmulatorFile | None
    unsigned: list[Route]
    own: list[Route]
    token: str = ""


def default_database(port: int) -> Path:
    """Return the default path of the file of the collector on a port."""
    return data_root() / f"collector-{port}.sqlite3"


def data_root() -> Path:
    """Return the data folder of all games on this machine."""
    folder = os.environ.get("GA_PYGAME_DATA_DIR")
    return Path(folder) if folder else platformdirs.user_data_path("ga_pygame", appauthor=False)


@contextlib.contextmanager
def open_kept(options: Options, around: Surroundings) -> Iterator[Kept]:
    """Open what the options name, and close it at the end.

    Raises:
        StoreError: It cannot be used.
        ConfigsError: The settings file cannot be used.
    """
    if options.store is None:
        with _kept_here(options, around) as kept:
            yield kept
    else:
        with _kept_in_clickhouse(options, options.store, around) as kept:
            yield kept


@contextlib.contextmanager
def _kept_here(options: Options, around: Surroundings) -> Iterator[Kept]:
    tell, troubles, held, faults, chaos = around
    settings = SettingsFile(options.configs, lambda message: tell("settings", message))
    with (
        _log(options, tell, troubles) as log,
        contextlib.closing(Asker(log)) as asker,
        contextlib.closing(_warehouse(options, log, tell)) as warehouse,
    ):
        pogr = PogrRoutes(log, options.pogr, faults, held=held, tell=tell)
        rules = options.trophy_rules
        trophy = TrophyRoutes(log, asker, rules, lenient=options.lenient, faults=faults, held=held, tell=tell)
        store = LocalStore(log, warehouse, options.retention)
        yield Kept(
            store,
            store,
            settings,
            None if options.configs is None else EditedFile(settings, options.configs),
            EmulatorFile(log.path, rules),
            [*pogr.routes(), *trophy.routes()],
            Switchboard(log, asker, rules, faults, chaos=chaos, trophy=trophy).routes(),
        )


@contextlib.contextmanager
def _log(options: Options, tell: Tell, troubles: Troubles) -> Iterator[Store]:
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
    log = Store(path, temporary=options.is_temporary, tell=tell, troubles=troubles)
    try:
        yield log
    finally:
        log.close()


def _warehouse(options: Options, log: Store, tell: Tell) -> Warehouse:
    """Start the warehouse, in a file beside the store's or, as that, until the collector ends."""
    path = None if options.is_temporary else log.path.with_suffix(".duckdb")
    return Warehouse(log, Database(path, options.timezone), tell, options.retention)


@contextlib.contextmanager
def _kept_in_clickhouse(options: Options, address: StoreAddress, around: Surroundings) -> Iterator[Kept]:
    # `requests`, which takes 0.15 s to import; only this store needs it
    from ga_pygame.collector.clickhouse.client import ClickHouseError, Client, Unreachable  # noqa: PLC0415 - see above
    from ga_pygame.collector.clickhouse.secrets import shared_secret  # noqa: PLC0415 - the same
    from ga_pygame.collector.clickhouse.settings import SettingsTable  # noqa: PLC0415 - the same
    from ga_pygame.collector.clickhouse.spill import Spill  # noqa: PLC0415 - the same
    from ga_pygame.collector.clickhouse.store import ClickHouseStore  # noqa: PLC0415 - the same

    tell, troubles, *_ = around
    first = SettingsFile(options.configs, lambda text: tell("settings", text)).read()[0] or None
    with contextlib.closing(ClickHouseStore(address, options.timezone, tell, troubles, options.retention)) as store:
        try:
            settings = SettingsTable(Client(address), address.place, first, lambda text: tell("settings", text))
        except (ClickHouseError, Unreachable) as error:
            raise StoreError(f"cannot use {address.place}: {error}") from error
        with contextlib.closing(settings), contextlib.closing(Client(address)) as client:
            token = shared_secret(client, "page", secrets.token_urlsafe(24))
            with contextlib.ExitStack() as stack:
                submits: TakesEvents = store
                if options.spill is not None:
                    submits = stack.enter_context(contextlib.closing(Spill(options.spill, store, tell, troubles)))
                yield Kept(store, submits, settings, settings, None, absent_routes(), [], token)
