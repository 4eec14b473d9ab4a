"""The options of `python -m ga_pygame`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ga_pygame import __version__
from ga_pygame.addresses import DEFAULT_PORT
from ga_pygame.collector.starting import start_command
from ga_pygame.option_values import as_days, as_ip_address, as_pair, as_port, as_rate, as_sql_name, as_units, as_zone
from ga_pygame.plan import PLAN_FILE

if TYPE_CHECKING:
    _Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def command_parser() -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    """Return the parser of the command line, and that of each command."""
    parser = argparse.ArgumentParser(
        prog="python -m ga_pygame",
        description="Game analytics for pygame-ce: the tools beside the SDK.",
        epilog="To begin: `python -m ga_pygame dev my_game.py`. No keys are needed.",
    )
    parser.add_argument("--version", action="version", version=f"ga_pygame {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    dev = _add_dev(commands)
    collect = _add_collect(commands)
    tools = {
        name: commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}. {more}")
        for name, (summary, more) in TOOLS.items()
    }
    for name, tool in tools.items():
        _add_where(tool)
        if name not in ("import", "forget"):
            _add_filters(tool)
    _add_own_options(tools)
    schema = _add_clickhouse_schema(commands)
    keys = _add_keys(commands)
    return parser, {
        "dev": dev,
        "collect": collect,
        **tools,
        "plan": _add_plan(commands),
        "share": _add_share(commands),
        "doctor": _add_doctor(commands),
        "clickhouse-schema": schema,
        "keys": keys,
    }


def _add_keys(commands: _Commands) -> argparse.ArgumentParser:
    keys = commands.add_parser(
        "keys",
        help="make the keys of a game for a collector of your own: keys new",
        description="Make a game key and a secret key by the system's random numbers, in the form of GameAnalytics'."
        " With --game, a new secret key for a game: a collector takes two for a game, while players change over.",
    )
    keys.add_argument("action", choices=("new",), help="make new ones")
    keys.add_argument("--game", metavar="KEY", dest="game_key", help="keep this game key, make only a secret key")
    return keys


def _add_clickhouse_schema(commands: _Commands) -> argparse.ArgumentParser:
    schema = commands.add_parser(
        "clickhouse-schema",
        help="print the SQL that makes the tables of a store on ClickHouse",
        description="Print the SQL that makes the tables for `collect --store clickhouse://…`. A collector makes those"
        " of a single server itself if they are missing and its user may; a cluster needs this:"
        " python -m ga_pygame clickhouse-schema --cluster NAME --replicated | clickhouse-client --multiquery",
    )
    schema.add_argument(
        "--cluster",
        metavar="NAME",
        type=partial(as_sql_name, also="_-"),
        help="make them on all servers of this cluster",
    )
    schema.add_argument("--replicated", action="store_true", help="with replicas, coordinated by ZooKeeper or Keeper")
    schema.add_argument(
        "--retention", metavar="DAYS", type=as_days, help="remove events this many days after they arrived"
    )
    schema.add_argument(
        "--database", metavar="NAME", type=as_sql_name, default="ga_pygame", help="the database (default: %(default)s)"
    )
    schema.add_argument(
        "--timezone",
        metavar="ZONE",
        type=as_zone,
        default="UTC",
        help="of the metrics' calendar days (default: %(default)s)",
    )
    schema.add_argument(
        "--without-metrics",
        action="store_true",
        help="for servers older than 26.3, which then only store and show events",
    )
    return schema


def _add_dev(commands: _Commands) -> argparse.ArgumentParser:
    dev = commands.add_parser(
        "dev",
        help="run your game with a collector beside it: its page in the browser, its events in the terminal",
        description="Run a game as you run it (same Python, folder, arguments, exit code, Ctrl-C), with a collector on"
        " this machine. Events are kept for the next time. No keys are needed.",
        usage="%(prog)s [options] (my_game.py | my_folder | -m my_package) [arguments of the game]",
    )
    dev.add_argument("-m", dest="is_module", action="store_true", help="the game is a module, as for python -m")
    dev.add_argument("--port", type=as_port, default=DEFAULT_PORT, help="the collector's port (default: %(default)s)")
    dev.add_argument("--no-browser", action="store_true", help="do not open the page")
    dev.add_argument("--keep", action="store_true", help="go on with the collector when the game has ended")
    dev.add_argument("--reload", action="store_true", help="start the game again when a Python file is saved")
    dev.add_argument("game", nargs=argparse.REMAINDER, help="the game and its arguments")
    return dev


def _add_plan(commands: _Commands) -> argparse.ArgumentParser:
    plan = commands.add_parser(
        "plan",
        help="compare what your game reports with its tracking plan, write a plan, or write its names as Python",
        description="The tracking plan, events.toml, says what a game means to report: see docs/plan.md.",
    )
    actions = plan.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="compare source, and with --database or --url the data of a collector")
    check.add_argument(
        "sources", metavar="SOURCE", nargs="*", type=Path, default=[Path()], help="files and folders (default: here)"
    )
    init = actions.add_parser("init", help="write a plan with what a collector saw")
    types = actions.add_parser("types", help="write a Python module with a typed constant for each name")
    for action in (check, types):
        action.add_argument(
            "--plan", metavar="FILE", type=Path, default=Path(PLAN_FILE), help="the plan (default: %(default)s)"
        )
    for action in (check, init):
        _add_where(action)
    _add_filters(init)
    init.add_argument(
        "-o", "--output", metavar="FILE", type=Path, default=Path(PLAN_FILE), help="the file (default: %(default)s)"
    )
    types.add_argument("-o", "--output", metavar="FILE", type=Path, help="the file (default: it is printed)")
    return plan


def _add_share(commands: _Commands) -> argparse.ArgumentParser:
    share = commands.add_parser(
        "share",
        help="for testers: write the events of a game that you played into a file for its developer",
        description="Write all events of a game on this machine that were not sent yet into one file, which `import`"
        " takes. The game may run. Nothing leaves the machine before you send the file.",
    )
    share.add_argument(
        "--game", metavar="NAME", default="", help="the game, or a part of its name, if several have recorded events"
    )
    share.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        default=Path("playtest.jsonl"),
        help="the file to write (default: %(default)s)",
    )
    return share


def _add_doctor(commands: _Commands) -> argparse.ArgumentParser:
    doctor = commands.add_parser(
        "doctor",
        help="check what events need on their way: keys, folder, connection, clock, pygame, and say what to do",
        description="Check keys, environment, data folder, service or collector, clock, pygame and the hook. The exit"
        " code is 1 if there is a problem. Keys are those of the environment (GA_PYGAME_GAME_KEY,"
        " GA_PYGAME_SECRET_KEY, TROPHY_API_KEY) or these.",
    )
    for name in ("game", "secret", "trophy"):
        doctor.add_argument(
            f"--{name}-key", metavar="KEY", help="other programs of this machine can read it while this runs"
        )
    doctor.add_argument("--json", action="store_true", help="print a list of objects instead")
    return doctor


def _add_collect(commands: _Commands) -> argparse.ArgumentParser:
    collect = commands.add_parser(
        "collect",
        help="start the collector: a local server that takes your game's events and shows them live",
        description=f"Start the collector. Then: {start_command(f'http://127.0.0.1:{DEFAULT_PORT}')}",
    )
    collect.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    collect.add_argument("--port", type=as_port, default=DEFAULT_PORT, help="0: any free one (default: %(default)s)")
    collect.add_argument(
        "--db",
        metavar="FILE",
        help="the file to store events in; with ':memory:' they are deleted at the end (default: a file per port in the"
        " user's data folder, printed at the start; with --port 0 a temporary file)",
    )
    collect.add_argument(
        "--store",
        metavar="ADDRESS",
        help="keep the events in ClickHouse instead, which any number of collectors can share:"
        " clickhouse://user:password@host:8123/database, clickhouses:// with TLS, several hosts joined by commas; the"
        " password is better in GA_PYGAME_CLICKHOUSE_PASSWORD. POGR and Trophy are there with a file only",
    )
    collect.add_argument(
        "--spill",
        metavar="DIR",
        type=Path,
        help="with --store: keep what ClickHouse does not take in this folder, of this collector alone, and send it on"
        " later; for senders that delete a batch whatever the answer, such as GameAnalytics' C++ SDK",
    )
    collect.add_argument(
        "--game",
        metavar="KEY:SECRET",
        action="append",
        default=[],
        help="a game that may send, repeatable; other programs of this machine can read it while the collector runs,"
        " so --games or GA_PYGAME_GAMES are better (default: every game if only this machine can reach the collector,"
        " else GameAnalytics' published sandbox keys)",
    )
    collect.add_argument(
        "--games",
        metavar="FILE",
        type=Path,
        help="a file with such games, one KEY:SECRET a line; or put them into the environment variable GA_PYGAME_GAMES",
    )
    collect.add_argument(
        "--allow-origin",
        metavar="ORIGIN",
        action="append",
        default=[],
        help="a web page that may send without signatures, e.g. a browser build of your game at http://localhost:8000,"
        " repeatable; * for all (default: none)",
    )
    collect.add_argument(
        "--configs",
        metavar="FILE",
        type=Path,
        help="JSON file with remote configs and A/B variants, read again when it changes: "
        '{"*": {"configs": [{"key": "gravity", "value": "40"}]}}',
    )
    collect.add_argument(
        "--timezone",
        metavar="ZONE",
        type=as_zone,
        default="UTC",
        help="the time zone of the metrics' calendar days, e.g. Europe/Berlin (default: %(default)s)",
    )
    collect.add_argument(
        "--retention",
        metavar="DAYS",
        type=as_days,
        help="remove events this many days after they arrived; counts of players stay right (default: keep all)",
    )
    collect.add_argument("--no-page", action="store_true", help="run without the page")
    collect.add_argument(
        "--chaos",
        choices=CHAOS,
        default="",
        help="answer all requests of games with this fault, to see what a game does with a bad network; the view Chaos"
        " of the page changes it",
    )

    emulators = collect.add_argument_group("POGR and Trophy")
    emulators.add_argument(
        "--pogr-client",
        metavar="ID:BUILD",
        action="append",
        default=[],
        help="a POGR client and build that may call, repeatable (default: any)",
    )
    emulators.add_argument(
        "--pogr-unknown-session",
        metavar="STATUS",
        type=int,
        choices=(401, 404),
        default=401,
        help="POGR's status for an unknown or ended session, 401 or 404 (default: %(default)s)",
    )
    emulators.add_argument(
        "--trophy-rules",
        metavar="FILE",
        type=Path,
        help="TOML file with Trophy's metrics, achievements, points, boards",
    )
    emulators.add_argument(
        "--print-trophy-rules",
        action="store_true",
        help="print the default rules, as a start for your own file, and exit",
    )
    collect.add_argument(
        "--geoip",
        metavar="FILE",
        type=Path,
        help="keep the country of each event, looked up by the sender's address in this file in MaxMind's format"
        " (.mmdb); the address itself is never stored. Of a request with a signature that was checked, the address is"
        " the first one in X-Forwarded-For",
    )
    collect.add_argument(
        "--lenient",
        action="store_true",
        help="for clients that deviate from the documents: check GameAnalytics' events only by the published schemas"
        " (any sign of an amount, no client_ts, a score at any step); accept POGR's unknown tags and wrong times with a"
        " note; let Trophy's concurrent events wait",
    )
    operating = collect.add_argument_group("for a collector that others reach")
    operating.add_argument(
        "--rate-limit",
        metavar="REQUESTS",
        type=as_rate,
        help="requests a second that a game may send from one address (with bursts of ten seconds); others are answered"
        " with 429 and Retry-After, and their senders keep the events (default: any number)",
    )
    operating.add_argument(
        "--proxy",
        metavar="ADDRESS",
        type=as_ip_address,
        action="append",
        default=[],
        help="the address of a proxy of your own in front of the collector, repeatable: of its requests, the sender's"
        " address is the last one in X-Forwarded-For",
    )
    operating.add_argument(
        "--json-logs", action="store_true", help="print each message as a JSON object with time, cause and message"
    )
    return collect


CHAOS = ("offline", "slow", "401", "413", "500", "html", "truncate", "skew")
"""The faults of `collect --chaos`; see `collector/emulators/chaos.py`, which needs an extra."""
_EITHER = "A running collector is asked; without one its file is read."
TOOLS = {
    "stats": ("print the most important figures: players, sessions, levels", _EITHER),
    "report": ("write the page's figures into one HTML file that needs no network", _EITHER),
    "export": (
        "write the stored events, or the rows of a metric, as JSON lines, CSV or Parquet",
        "Events are read from the file, in order of arrival; the collector may be running.",
    ),
    "heatmap": (
        "draw where events of tracker.at took place on a map, over the level's picture",
        "Pictures are those that tracker.snapshot_map kept on this machine.",
    ),
    "import": (
        "take events from files of JSON lines, e.g. of the destination JsonLines or of an export",
        "They are checked like those of a game; those that are stored already are left out.",
    ),
    "forget": (
        "remove all that is stored of a player",
        "From the log, the metrics, the rejected events and POGR's and Trophy's emulators, down to the files' bytes.",
    ),
}
"""What each tool does, in a line and more."""


def _add_where(tool: argparse.ArgumentParser) -> None:
    where = tool.add_argument_group("which collector")
    where.add_argument("--db", "--database", metavar="FILE", type=Path, help="read or write this file of a collector")
    where.add_argument(
        "--url", help="ask the collector at this address, as it printed it; beyond loopback with its ?token=…"
    )
    where.add_argument(
        "--port",
        type=as_port,
        default=DEFAULT_PORT,
        help="without --db and --url: the collector on this port, or its default file (default: %(default)s)",
    )
    where.add_argument(
        "--timezone",
        metavar="ZONE",
        type=as_zone,
        default="UTC",
        help="the time zone of calendar days if a file is read; a collector has its own (default: %(default)s)",
    )


def _add_filters(tool: argparse.ArgumentParser) -> None:
    filters = tool.add_argument_group("filters")
    for name, (metavar, what) in FILTER_OPTIONS.items():
        option = f"--{name.replace('_', '-')}"
        filters.add_argument(option, metavar=metavar, dest=f"filter_{name}", help=what)


FILTER_OPTIONS = {
    "since": ("DAY", "first day, e.g. 2026-01-31"),
    "until": ("DAY", "last day"),
    "game": ("KEY", "events of the game with this key"),
    "build": ("BUILD", "events of this build"),
    "platform": ("NAME", "events of this platform, e.g. windows"),
    "custom_01": ("VALUE", "events with this first dimension"),
    "custom_02": ("VALUE", "events with this second dimension"),
    "custom_03": ("VALUE", "events with this third dimension"),
    "country_code": ("CODE", "events from this country, e.g. DE"),
    "ab_id": ("TEST", "events of players in this A/B test"),
    "ab_variant_id": ("VARIANT", "events of this variant of the A/B test"),
    "user_id": ("ID", "events of this player"),
    "who": ("WHO", "player, developer, bot, or some joined by commas (default: players, once there are any)"),
}
"""The filters of metrics; see `collector/warehouse/filters.py`."""


def _add_own_options(tools: Mapping[str, argparse.ArgumentParser]) -> None:
    for name, what in (
        ("stats", "print all of it as JSON"),
        ("report", "write all rows of all metrics as JSON instead"),
    ):
        tools[name].add_argument("--json", action="store_true", help=what)
    for name in ("report", "export"):
        tools[name].add_argument("-o", "--output", metavar="FILE", type=Path, help="the file to write")
    export = tools["export"]
    form = export.add_mutually_exclusive_group()
    for one, what in (
        ("jsonl", "a JSON object a line; events as they were sent (the default)"),
        ("json", "a list of these objects"),
        ("csv", "CSV without formulas; an event a row, with the columns of the metrics' tables"),
        ("parquet", "Parquet, with the same columns; needs -o"),
    ):
        form.add_argument(f"--{one}", dest="form", action="store_const", const=one, default="jsonl", help=what)
    export.add_argument("--metric", metavar="NAME", help="the rows of a metric, e.g. levels, instead of events")
    export.add_argument(
        "--option",
        metavar="NAME=VALUE",
        action="append",
        type=as_pair,
        default=[],
        help="an option of the metric, e.g. bucket=hour, repeatable",
    )
    export.add_argument("--rejected", action="store_true", help="the rejected events, with the broken rules")
    heatmap = tools["heatmap"]
    heatmap.add_argument("--map", metavar="NAME", default="", help="the map (default: the one with most events)")
    heatmap.add_argument("--event", metavar="ID", default="", help="the event id, e.g. death (default: all)")
    heatmap.add_argument(
        "--cell",
        metavar="UNITS",
        type=as_units,
        default=0,
        help="the side of a square (default: a fortieth of the map)",
    )
    heatmap.add_argument(
        "--maps", metavar="FOLDER", type=Path, help="the data folder with the pictures (default: yours)"
    )
    heatmap.add_argument(
        "-o", "--output", metavar="FILE", type=Path, default=Path("heatmap.png"), help="the PNG (default: %(default)s)"
    )
    tools["import"].add_argument("files", metavar="FILE", nargs="+", type=Path, help="a file of JSON lines")
    tools["import"].add_argument(
        "--game", metavar="KEY", default="", help="the key of the events' game (default: the collector's only one)"
    )
    tools["forget"].add_argument("--user", metavar="ID", required=True, help="the player's id, as the page shows it")
