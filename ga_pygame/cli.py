"""The command line: what each command of `python -m ga_pygame` runs. The commands are in `collector/` and `tools/`."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ga_pygame.options import FILTER_OPTIONS, TOOLS, command_parser

if TYPE_CHECKING:
    from ga_pygame.tools import sources

_EXTRA = {
    "duckdb",
    "jinja2",
    "maxminddb",
    "msgspec",
    "nicegui",
    "rich",
    "starlette",
    "tomli",
    "tomlkit",
    "uvicorn",
    "watchfiles",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    _open_streams()
    parser, commands = command_parser()
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        commands.get(options.command, parser).error(f"unrecognized arguments: {' '.join(unknown)}")
    if options.command is None:
        parser.print_help()
        return 0
    try:
        return _COMMANDS[options.command](options)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _EXTRA:
            raise
        return _fail(f'{error.name} is not installed; the collector needs: pip install "ga-pygame[collector]"')
    except KeyboardInterrupt:  # only a collector is ended that way when all is well
        return 0 if options.command == "collect" else 130


def _open_streams() -> None:
    """Make sure that printing cannot fail.

    A process that was started without stdout and stderr gets streams to the null device. Characters that a stream
    cannot encode are escaped.
    """
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open until the process ends
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - the same
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _fail(message: str) -> int:
    print(f"ga_pygame: {message}", file=sys.stderr)
    return 1


def _collect(options: argparse.Namespace) -> int:
    from ga_pygame.collector import countries, guard, keeping, server  # noqa: PLC0415 - an extra
    from ga_pygame.collector.clickhouse import address  # noqa: PLC0415 - an extra
    from ga_pygame.collector.emulators.pogr import routes as pogr  # noqa: PLC0415 - an extra
    from ga_pygame.collector.emulators.trophy import rules as trophy_rules  # noqa: PLC0415 - an extra
    from ga_pygame.collector.gameanalytics import configs, games  # noqa: PLC0415 - an extra
    from ga_pygame.collector.storage import schema  # noqa: PLC0415 - an extra
    from ga_pygame.tools import printing  # noqa: PLC0415 - keeps --version quick

    if options.print_trophy_rules:
        return printing.print_lines(trophy_rules.DEFAULT.read_bytes().splitlines())
    what = "--game"
    try:
        allowed = [games.parse(text) for text in options.game]
        what = "--games"
        allowed += games.load_games(options.games) if options.games else []
        what = games.ENVIRONMENT
        allowed += games.parse_all(os.environ.get(games.ENVIRONMENT, ""))
        games.by_key(allowed)
        what = guard.TOKEN_ENVIRONMENT
        token = guard.parse_token(os.environ.get(guard.TOKEN_ENVIRONMENT, ""))
        what = "--allow-origin"
        origins = [guard.parse_origin(text) for text in options.allow_origin]
        what = "--store"
        store = address.parse_store(options.store) if options.store else None
        if store is not None and options.db:
            raise ValueError("give either --store or --db")
        if store is None and options.spill:
            raise ValueError("--spill is for --store only; a file needs none")
    except ValueError as error:
        return _fail(f"{what}: {error}")
    try:
        clients = pogr.parse_clients(options.pogr_client)
    except ValueError as error:
        return _fail(f"--pogr-client: {error}")
    try:
        return server.run(
            keeping.Options(
                host=options.host,
                port=options.port,
                database=options.db,
                store=store,
                spill=options.spill,
                games=tuple(allowed),
                origins=tuple(origins),
                configs=options.configs,
                timezone=options.timezone,
                retention=options.retention,
                geoip=options.geoip,
                rate_limit=options.rate_limit,
                proxies=tuple(options.proxy),
                page_token=token,
                json_logs=options.json_logs,
                page=not options.no_page,
                pogr=pogr.PogrOptions(clients, options.lenient, options.pogr_unknown_session),
                trophy_rules=trophy_rules.load_rules(options.trophy_rules),
                lenient=options.lenient,
                chaos=options.chaos,
            )
        )
    except (
        server.CannotStart,
        schema.StoreError,
        configs.ConfigsError,
        countries.GeoIpError,
        trophy_rules.RulesError,
    ) as error:
        return _fail(str(error))


def _tool(options: argparse.Namespace) -> int:
    from ga_pygame.tools import printing  # noqa: PLC0415 - keeps --version quick

    try:
        return _RUN[options.command](options)
    except printing.ToolError as error:
        return _fail(str(error))


def _where(options: argparse.Namespace) -> sources.Where:
    from ga_pygame.tools import sources  # noqa: PLC0415 - an extra

    return sources.Where(options.db, options.url, options.port, options.timezone)


def _filters(options: argparse.Namespace) -> dict[str, str]:
    return {name: value for name in FILTER_OPTIONS if (value := getattr(options, f"filter_{name}"))}


def _stats(options: argparse.Namespace) -> int:
    from ga_pygame.tools import stats  # noqa: PLC0415 - an extra

    return stats.print_stats(_where(options), _filters(options), as_json=options.json)


def _report(options: argparse.Namespace) -> int:
    from ga_pygame.tools import report  # noqa: PLC0415 - an extra

    return report.write_report(_where(options), _filters(options), options.output, as_json=options.json)


def _export(options: argparse.Namespace) -> int:
    from ga_pygame.tools import export  # noqa: PLC0415 - an extra

    wanted = export.Wanted(
        options.form, options.metric, dict(options.option), _filters(options), options.rejected, options.output
    )
    return export.export(_where(options), wanted)


def _import(options: argparse.Namespace) -> int:
    from ga_pygame.tools import importing  # noqa: PLC0415 - an extra

    return importing.import_files(_where(options), options.files, options.game)


def _heatmap(options: argparse.Namespace) -> int:
    from ga_pygame.tools import heatmap  # noqa: PLC0415 - an extra

    wanted = heatmap.WantedHeatmap(options.map, options.event, options.cell, options.output, options.maps)
    return heatmap.write_heatmap(_where(options), _filters(options), wanted)


def _forget(options: argparse.Namespace) -> int:
    from ga_pygame.tools import forget  # noqa: PLC0415 - an extra

    return forget.forget(_where(options), options.user)


def _dev(options: argparse.Namespace) -> int:
    from ga_pygame.tools import dev, printing  # noqa: PLC0415 - an extra

    chosen = dev.DevOptions(
        options.game, options.is_module, options.port, not options.no_browser, options.keep, options.reload
    )
    try:
        return dev.run_dev(chosen)
    except printing.ToolError as error:
        return _fail(str(error))


def _run_plan(options: argparse.Namespace) -> int:
    from ga_pygame.tools import plan  # noqa: PLC0415 - keeps --version quick

    if options.action == "types":
        return plan.write_types(options.plan, options.output)
    if options.action == "init":
        return plan.write_plan(_where(options), _filters(options), options.output)
    where = _where(options) if options.db or options.url else None
    return plan.check_plan(options.plan, options.sources, where)


def _share_file(options: argparse.Namespace) -> int:
    from ga_pygame.tools import share  # noqa: PLC0415 - keeps --version quick

    return share.share_events(options.game, options.output)


def _doctor(options: argparse.Namespace) -> int:
    from ga_pygame.tools import doctor  # noqa: PLC0415 - keeps --version quick

    given = doctor.GivenKeys(options.game_key, options.secret_key, options.trophy_key)
    return doctor.run_doctor(given, as_json=options.json)


def _keys(options: argparse.Namespace) -> int:
    from ga_pygame.tools import keys, printing  # noqa: PLC0415 - keeps --version quick

    try:
        return keys.print_keys(options.game_key)
    except printing.ToolError as error:
        return _fail(str(error))


def _clickhouse_schema(options: argparse.Namespace) -> int:
    from ga_pygame.collector.clickhouse.schema import Layout  # noqa: PLC0415 - an extra
    from ga_pygame.tools import clickhouse_schema  # noqa: PLC0415 - an extra

    layout = Layout(
        options.database,
        options.cluster or "",
        options.replicated,
        options.retention,
        options.timezone,
        has_metrics=not options.without_metrics,
    )
    return clickhouse_schema.print_schema(layout)


_RUN: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "stats": _stats,
    "report": _report,
    "export": _export,
    "import": _import,
    "forget": _forget,
    "heatmap": _heatmap,
    "plan": _run_plan,
    "share": _share_file,
}
"""What each tool runs."""
_COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "dev": _dev,
    "collect": _collect,
    **dict.fromkeys(TOOLS, _tool),
    "plan": _tool,
    "share": _tool,
    "doctor": _doctor,
    "clickhouse-schema": _clickhouse_schema,
    "keys": _keys,
}
"""What each command of the parser runs."""
