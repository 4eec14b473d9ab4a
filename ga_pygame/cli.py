"""The command line: `python -m ga_pygame collect` and `export`."""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ga_pygame import __version__

_EXTRA = {"duckdb", "starlette", "uvicorn", "msgspec", "nicegui", "tomli"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    _open_streams()
    parser, commands = _parser()
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
    except KeyboardInterrupt:
        return 0


def _parser() -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
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
    collect.add_argument("--port", type=_port, default=8420, help="port; 0 takes any free one (default: %(default)s)")
    collect.add_argument(
        "--db",
        metavar="FILE",
        help="the file to store events in; with ':memory:' they are deleted at the end (default: a file per port in the"
        " user's data folder, printed at the start; with --port 0 a temporary file)",
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
        type=_zone,
        default="UTC",
        help="the time zone of the metrics' calendar days, e.g. Europe/Berlin (default: %(default)s)",
    )
    collect.add_argument("--no-page", action="store_true", help="run without the page")

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
    emulators.add_argument(
        "--lenient",
        action="store_true",
        help="accept POGR's unknown tags and wrong times with a note; let Trophy's concurrent events wait",
    )

    export = commands.add_parser(
        "export",
        help="print the events that a collector has stored, one JSON object a line",
        description="Print stored events as they were sent, in order of arrival; the collector may be running.",
    )
    export.add_argument(
        "--db", metavar="FILE", type=Path, help="the collector's file (default: the one of the collector on --port)"
    )
    export.add_argument(
        "--port",
        type=_port,
        default=8420,
        help="whose default file to read, if --db is not given (default: %(default)s)",
    )
    export.add_argument("--rejected", action="store_true", help="print the rejected ones, with the broken rules")
    return parser, {"collect": collect, "export": export}


def _zone(text: str) -> str:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - keeps --version quick

    try:
        return ZoneInfo(text).key
    except (ValueError, OSError, LookupError) as error:
        raise argparse.ArgumentTypeError(f"there is no time zone {text!r}: use one such as Europe/Berlin") from error


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65535):
        raise argparse.ArgumentTypeError("must be a whole number from 0 to 65535")
    return int(text)


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


def _print_lines(lines: Iterable[bytes]) -> int:
    """Print lines of UTF-8 and return the exit code. It is no failure if the reader closed the pipe (`| head`)."""
    out = sys.stdout.buffer
    try:
        for line in lines:
            out.write(line + b"\n")
        out.flush()
    except OSError as error:
        # The interpreter flushes stdout at exit. Bytes left in its buffer would raise again there, so they go to null.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        gone = isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)
        return 0 if gone else _fail(f"cannot print: {error.strerror}")
    return 0


def _fail(message: str) -> int:
    print(f"ga_pygame: {message}", file=sys.stderr)
    return 1


def _collect(options: argparse.Namespace) -> int:
    from ga_pygame.collector import guard, server  # noqa: PLC0415 - an extra
    from ga_pygame.collector.emulators.pogr import routes as pogr  # noqa: PLC0415 - an extra
    from ga_pygame.collector.emulators.trophy import rules as trophy_rules  # noqa: PLC0415 - an extra
    from ga_pygame.collector.gameanalytics import configs, games  # noqa: PLC0415 - an extra
    from ga_pygame.collector.storage import schema  # noqa: PLC0415 - an extra

    if options.print_trophy_rules:
        return _print_lines(trophy_rules.DEFAULT.read_bytes().splitlines())
    what = "--game"
    try:
        allowed = [games.parse(text) for text in options.game]
        what = "--games"
        allowed += games.load_games(options.games) if options.games else []
        what = games.ENVIRONMENT
        allowed += games.parse_all(os.environ.get(games.ENVIRONMENT, ""))
        what = "--allow-origin"
        origins = [guard.parse_origin(text) for text in options.allow_origin]
    except ValueError as error:
        return _fail(f"{what}: {error}")
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
                origins=tuple(origins),
                configs=options.configs,
                timezone=options.timezone,
                page=not options.no_page,
                pogr=pogr.PogrOptions(clients, options.lenient, options.pogr_unknown_session),
                trophy_rules=trophy_rules.load_rules(options.trophy_rules),
                lenient=options.lenient,
            )
        )
    except (server.CannotStart, schema.StoreError, configs.ConfigsError, trophy_rules.RulesError) as error:
        return _fail(str(error))


def _export(options: argparse.Namespace) -> int:
    from ga_pygame.collector import server  # noqa: PLC0415 - keeps --version quick
    from ga_pygame.collector.storage import queries, schema  # noqa: PLC0415 - keeps --version quick

    path = options.db
    if path is None:
        if options.port == 0:
            return _fail("export: each collector on --port 0 has a new file: name it with --db")
        path = server.default_database(options.port)
        if not path.exists():
            return _fail(
                f"there is no file {path}, where the collector on port {options.port} keeps its events:"
                " start `collect` first, or give another --port, or the file with --db"
            )
    try:
        reader = queries.Queries(path)
    except schema.StoreError as error:
        return _fail(str(error))
    try:
        code = _print_lines(reader.rejected() if options.rejected else reader.stored())
    except schema.StoreError as error:
        return _fail(str(error))
    finally:
        reader.close()
    if reader.unreadable and not code:
        return _fail(f"{reader.unreadable} stored requests of {path} are damaged and were left out")
    return code


_COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {"collect": _collect, "export": _export}
"""What each command of the parser runs."""
