"""The command line: `python -m ga_pygame collect` and `export`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ga_pygame import __version__

_EXTRA = {"starlette", "uvicorn", "msgspec", "nicegui", "tomli"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 0
    try:
        return _collect(options) if options.command == "collect" else _export(options)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _EXTRA:
            raise
        return _fail(f'{error.name} is not installed; the collector needs: pip install "ga-pygame[collector]"')
    except KeyboardInterrupt:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ga_pygame",
        description="Game analytics for pygame-ce: the tools beside the SDK.",
        epilog="To begin: start `python -m ga_pygame collect`, and in another terminal your game, with the environment"
        " variable GA_PYGAME_COLLECTOR set to the address that it prints. No keys are needed.",
    )
    parser.add_argument("--version", action="version", version=f"ga_pygame {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    collect = commands.add_parser(
        "collect",
        help="start the collector: a local server that takes your game's events and shows them live",
        description="Start the collector. Then: GA_PYGAME_COLLECTOR=http://127.0.0.1:8420 python my_game.py",
    )
    collect.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    collect.add_argument("--port", type=_port, default=8420, help="0 takes any free one (default: %(default)s)")
    collect.add_argument(
        "--db",
        metavar="FILE",
        help="where events are kept; ':memory:' forgets them at the end (default: a file per port in the user's data"
        " folder, named at the start; with --port 0 a temporary one)",
    )
    collect.add_argument(
        "--game",
        metavar="KEY:SECRET",
        action="append",
        default=[],
        help="a game that may send, repeatable (default: GameAnalytics' published sandbox keys)",
    )
    collect.add_argument("--configs", metavar="FILE", type=Path, help="JSON file with remote configs and A/B variants")
    collect.add_argument("--no-page", action="store_true", help="only collect, without the page in the browser")

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
        help="the code for an unknown or ended session, 401 or 404 (default: %(default)s)",
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
        help="print the default rules, to begin a file of your own, and end",
    )
    emulators.add_argument(
        "--lenient",
        action="store_true",
        help="take POGR's unknown tags and wrong times with a remark; let Trophy's concurrent events wait",
    )

    export = commands.add_parser(
        "export",
        help="print the events that a collector has stored, one JSON object a line",
        description="Print stored events as they were sent, in order of arrival; the collector may be running.",
    )
    export.add_argument("--db", metavar="FILE", type=Path, required=True, help="the collector's file")
    export.add_argument("--rejected", action="store_true", help="print the rejected ones, with the broken rules")
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("must be 0 to 65535")
    return port


def _fail(message: str) -> int:
    print(f"ga_pygame: {message}", file=sys.stderr)
    return 1


def _collect(options: argparse.Namespace) -> int:
    from ga_pygame.collector import configs, games, pogr, schema, server, trophy_rules  # noqa: PLC0415 - an optional extra

    if options.print_trophy_rules:
        sys.stdout.write(trophy_rules.DEFAULT.read_text(encoding="utf-8"))
        return 0
    try:
        allowed = [games.parse(text) for text in options.game]
    except ValueError as error:
        return _fail(f"--game: {error}")
    try:
        clients = pogr.parse_clients(options.pogr_client)
    except ValueError as error:
        return _fail(f"--pogr-client: {error}")
    try:
        return server.run(
            server.Options(
                host=options.host,
                port=options.port,
                database=options.db,
                games=tuple(allowed),
                configs=options.configs,
                page=not options.no_page,
                pogr=pogr.PogrOptions(clients, options.lenient, options.pogr_unknown_session),
                trophy_rules=trophy_rules.load(options.trophy_rules),
                lenient=options.lenient,
            )
        )
    except (server.CannotStart, schema.StoreError, configs.ConfigsError, trophy_rules.RulesError) as error:
        return _fail(str(error))


def _export(options: argparse.Namespace) -> int:
    from ga_pygame.collector import queries, schema  # noqa: PLC0415 - keeps --version quick

    try:
        reader = queries.Queries(options.db)
    except schema.StoreError as error:
        return _fail(str(error))
    out = sys.stdout.buffer
    try:
        for line in reader.rejected() if options.rejected else reader.stored():
            out.write(line + b"\n")
        out.flush()
    except BrokenPipeError:  # `| head` has seen enough; what is left in the buffer must not raise at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        reader.close()
    return 0
