"""`ga_pygame dev`: run a game with a collector beside it, its page in the browser, its events in the terminal."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from watchfiles import PythonFilter, watch

from ga_pygame.addresses import port_option
from ga_pygame.clock import sleep
from ga_pygame.collector.warehouse.database import UTC
from ga_pygame.tools.event_feed import EventFeed
from ga_pygame.tools.game_source import GameSource, find_game
from ga_pygame.tools.local_collector import LocalCollector
from ga_pygame.tools.printing import ToolError, print_note
from ga_pygame.tools.sources import Where, running_collector

COLLECTOR_VARIABLE = "GA_PYGAME_COLLECTOR"
SECONDS_TO_STOP = 3.0
"""The longest wait until a game that is restarted ends, before it is killed."""
SECONDS_BETWEEN_LOOKS_AT_GAME = 0.2
"""Time between two looks whether the game has ended."""


@dataclass(frozen=True, slots=True)
class DevOptions:
    """The options of `dev`.

    Attributes:
        game: The game and its arguments: a file, or a folder with `main.py`; with `is_module` a module.
        is_module: Whether the game is run as `python -m`.
        port: The collector's port.
        opens_page: Whether the page is opened in the browser.
        keeps: Whether the collector goes on after the game, until Ctrl-C.
        reloads: Whether the game is started again when a Python file of its folder is saved.
    """

    game: Sequence[str]
    is_module: bool
    port: int
    opens_page: bool
    keeps: bool
    reloads: bool


def run_dev(options: DevOptions) -> int:
    """Run the game and return its exit code.

    Raises:
        ToolError: There is no such game, or no collector.
    """
    game = find_game(options.game, is_module=options.is_module)
    with _collector(options.port) as url, contextlib.closing(EventFeed(url)) as feed:
        print_note(f"the collector's page: {url}")
        if hint := game.missing_lines():  # read once: a game may have thousands of files
            print_note(f"{game.name} does not use ga_pygame yet")
            sys.stdout.write(hint)
            sys.stdout.flush()
        if options.opens_page:
            webbrowser.open(url)
        feed.start()
        try:
            requests = _Requests()
            with requests.heeded():
                play = _play_again if options.reloads else _play
                code = play(game, {**os.environ, COLLECTOR_VARIABLE: url}, requests)
            feed.finish()
            _tell_end(code, feed.events, game, is_tracked=not hint)
            if feed.events and not options.keeps:
                option = port_option(url)
                kept = f"python -m ga_pygame stats{option}, or dev --keep{option}, which leaves the page open"
                print_note(f"the figures are kept: {kept}")
            if options.keeps:
                print_note(f"the collector goes on until Ctrl-C: {url}")
                threading.Event().wait()
        except KeyboardInterrupt:
            return 130
    return code if code >= 0 else 128 - code  # as a shell says that a signal ended it


@contextlib.contextmanager
def _collector(port: int) -> Iterator[str]:
    """Yield the address of the collector that runs on the port or is named by the environment, or start one.

    Raises:
        ToolError: None can be started.
    """
    given = os.environ.get(COLLECTOR_VARIABLE, "").strip()
    running = running_collector(Where(None, given or None, port, UTC))
    if running is not None:
        running.close()
        yield given or f"http://127.0.0.1:{port}"
        return
    local = LocalCollector(("--port", str(port)))
    if not local.start():
        raise ToolError(f"the collector did not start: {local.problem.removeprefix('ga_pygame: ')}")
    try:
        yield local.url
    finally:
        local.stop()


class _Requests:
    """Requests to end, from a terminal or another program.

    Attributes:
        is_interrupted: Whether Ctrl-C was pressed.
    """

    def __init__(self) -> None:
        self.is_interrupted = False
        self._is_starting = False
        self._number = 0

    @contextlib.contextmanager
    def heeded(self) -> Iterator[None]:
        """Leave the first Ctrl-C to the game, which gets it from the terminal, too; the second one ends all.

        A request to this process alone, such as SIGTERM or a closed terminal, ends the game with it. A child process
        has the default again, since a function is no handler for it.
        """
        numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
        before = {number: signal.signal(number, self._leave) for number in numbers}
        before[signal.SIGINT] = signal.signal(signal.SIGINT, self._interrupt)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def put_off(self) -> Iterator[None]:
        """Put requests off to the end of the context: a game that is just started would be left behind."""
        self._is_starting = True
        try:
            yield
        finally:
            self._is_starting = False
            if self._number:
                raise SystemExit(128 + self._number)

    def _interrupt(self, *_: object) -> None:
        self.is_interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def _leave(self, number: int, _frame: object) -> None:
        self._number = number
        if not self._is_starting:
            raise SystemExit(128 + number)


class _Saves:
    """Notices each save of a Python file of a folder, on a thread of its own, until it is closed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ends = threading.Event()
        self._is_saved = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="saves", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ends.set()
        self._thread.join()

    def take(self) -> bool:
        """Return whether there was one since the last time."""
        is_saved = self._is_saved.is_set()
        self._is_saved.clear()
        return is_saved

    def _watch(self) -> None:
        try:
            for _ in watch(self._folder, watch_filter=PythonFilter(), stop_event=self._ends, rust_timeout=500):
                self._is_saved.set()
        except (OSError, RuntimeError) as error:  # the system's limit of watched files, a folder that went away
            print_note(f"saves are not seen ({error}): end dev with Ctrl-C, and start it again after a change")


def _play(game: GameSource, environment: dict[str, str], requests: _Requests) -> int:
    """Run the game to its end; return its exit code."""
    with _process_of(game, environment, requests) as process:
        return process.wait()


def _play_again(game: GameSource, environment: dict[str, str], requests: _Requests) -> int:
    """Run the game to its end, and again after each save; return its exit code."""
    with contextlib.closing(_Saves(game.folder)) as saves:
        while True:
            with _process_of(game, environment, requests) as process:
                has_saved = _wait_for_save(saves, process)
            if not has_saved and (process.returncode <= 0 or requests.is_interrupted):
                return process.returncode
            if not has_saved:
                print_note(f"the game ended with exit code {process.returncode}; it starts again when a file is saved")
                with _without_a_game():
                    if requests.is_interrupted:  # in the moment before
                        return process.returncode
                    _wait_for_save(saves, None)
            print_note("a file was saved: the game starts again")


@contextlib.contextmanager
def _without_a_game() -> Iterator[None]:
    """Let the first Ctrl-C end all: there is no game to which it could be left."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _process_of(
    game: GameSource, environment: dict[str, str], requests: _Requests
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the game, and end it with the context if it still runs."""
    process = None
    try:
        with requests.put_off():
            process = subprocess.Popen(game.command, cwd=game.cwd, env=environment)  # noqa: S603 - the developer's own
        yield process
    finally:
        if process is not None:
            _stop(process)


def _wait_for_save(saves: _Saves, process: subprocess.Popen[bytes] | None) -> bool:
    """Wait until a file is saved; return False if the game ends before."""
    while not saves.take():
        if process is not None and process.poll() is not None:
            return False
        sleep(SECONDS_BETWEEN_LOOKS_AT_GAME)
    return True


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the game if it still runs: the next launch of its tracker closes the session."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _name_of_signal(number: int) -> str:
    """Return how a person calls a signal."""
    if number == signal.SIGINT:
        return "Ctrl-C"
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _tell_end(code: int, events: int, game: GameSource, *, is_tracked: bool) -> None:
    """Say what came, and what is missing if nothing did."""
    sys.stdout.flush()
    ended = f"the game ended with exit code {code}" if code >= 0 else f"{_name_of_signal(-code)} ended the game"
    if events or not is_tracked:
        print_note(f"{ended}; {events:,} events came")
    elif code > 0:
        print_note(f"{ended}, and no event came")
    elif code < 0:
        print_note(f"{ended}, and no event came: what it reported comes when it starts the next time")
    else:
        print_note(
            f"{ended}, and no event came: call tracker.start() before the game's loop, on the thread that has it"
        )
        sys.stdout.write(game.lines_for_main())  # another file of the folder has them
        sys.stdout.flush()
