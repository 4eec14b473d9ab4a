"""Fixtures for all tests: a real collector on loopback, and games in processes of their own."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from ga_pygame import active
from ga_pygame.recording import journal_files
from tests import effort, small_journals
from tests.clickhouse_servers import debian_server, todays_server
from tests.collectors import Collector
from tests.fork_server import PYTHON, Forked, start_game
from tests.order import order

ROOT = Path(__file__).parent.parent
MEMORY_FOLDER = Path("/dev/shm")
IS_POSIX = sys.platform != "win32"

# Hundreds of processes are started: without bytecode each would compile the package for itself, a third of its time,
# and each worker of pytest would rewrite the assertions of all tests anew, some seconds.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def is_everyday_lane(config: pytest.Config) -> bool:
    """Return whether the tests with processes are left out."""
    return "not e2e" in config.option.markexpr


@pytest.hookimpl(tryfirst=True)  # before pytest looks where temporary folders should be
def pytest_configure(config: pytest.Config) -> None:
    """Let Hypothesis and random tests try fewer examples in the everyday lane, with temporary folders in memory.

    A database waits for the disk at each commit. The lane that has all tests uses the disk.
    """
    if is_everyday_lane(config):
        effort.be_everyday()
        is_worker = hasattr(config, "workerinput")  # pytest-xdist gives it a folder in this process's
        if config.option.basetemp is None and not is_worker and IS_POSIX and _has_room(MEMORY_FOLDER):
            for left in MEMORY_FOLDER.glob("ga_pygame-tests-*"):  # of a run that was killed
                if not Path("/proc", left.name.split("-")[2]).exists():
                    shutil.rmtree(left, ignore_errors=True)
            config.option.basetemp = tempfile.mkdtemp(prefix=f"ga_pygame-tests-{os.getpid()}-", dir=MEMORY_FOLDER)
            config.add_cleanup(lambda: shutil.rmtree(config.option.basetemp, ignore_errors=True))


def _has_room(folder: Path) -> bool:
    """Return whether a gigabyte is free; a container's shared memory often has 64 MB."""
    return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > 2**30


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Skip the import of files that the everyday lane leaves out: browser drivers take a second."""
    return True if effort.is_everyday and collection_path.name in ("e2e", "windows") else None


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start a server, and skip those of what Windows has not or Wine cannot, with their reason."""
    for item in items:
        if {"todays_clickhouse", "debians_clickhouse"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.e2e)
        marker = None if IS_POSIX else item.get_closest_marker("posix")
        if marker is not None:
            item.add_marker(pytest.mark.skip(reason=marker.args[0]))


@pytest.hookimpl(specname="pytest_collection_modifyitems", trylast=True)  # after `-m`, and pytest's order by fixtures
def order_for_workers(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let tests that wait run beside those that compute."""
    if hasattr(config, "workerinput"):
        order(items, config.workerinput["workercount"])


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while thousands of tests are made, which all stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Freeze the thousands of tests, else each garbage collection looks through them."""
    gc.collect()
    gc.freeze()


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return more than the number of processors: tests wait now and then, and those with processes half the time."""
    processors = os.cpu_count() or 1
    return processors + 1 if is_everyday_lane(config) else 2 * processors + 1


@pytest.fixture
def no_journals_left(tmp_path: Path) -> Iterator[None]:
    """Remove the journals that killed games left in shared memory."""
    yield
    for outbox in tmp_path.rglob("outbox*.sqlite3"):
        if (left := journal_files.folder(outbox.parent)) != outbox.parent:
            shutil.rmtree(left, ignore_errors=True)


@pytest.fixture(name="small_journals")
def shrink_journals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the halves of journals small for tests that fill them."""
    small_journals.shrink(monkeypatch)


@pytest.fixture(scope="session", autouse=True)
def nowhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Hide the developer's own settings; return a shared folder for tests that should write nothing."""
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith("GA_PYGAME_")]:
            patched.delenv(name)
        patched.setenv("GA_PYGAME_GAME", "tests")  # the launches of a test are scripts of different names
        for name in ("SDL_VIDEODRIVER", "SDL_AUDIODRIVER"):
            patched.setenv(name, "dummy")
        patched.setenv("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        yield tmp_path_factory.mktemp("nowhere")


@pytest.fixture(autouse=True)
def own_machine(request: pytest.FixtureRequest, nowhere: Path) -> Iterator[None]:
    """Give each test a data folder of its own; check that it has closed its trackers.

    Only a test that asks for `tmp_path` gets a folder: most of them do not, and making and removing one takes longer
    than they do. This is one fixture, since each further one takes a tenth of the time of a short test. A tracker that
    still runs would be the next test's `current()`.
    """
    folder = nowhere
    if "tmp_path" in request.fixturenames:
        folder = request.getfixturevalue("tmp_path")
        request.getfixturevalue("no_journals_left")
    os.environ["GA_PYGAME_DATA_DIR"] = str(folder / "data")
    yield
    left = active._running
    active._running = ()
    assert not left, "close() what this test started"
    assert not os.listdir(nowhere), "a test that writes into the data folder asks for tmp_path"


def eventually(condition: Callable[[], Any], timeout: float = 10.0) -> Any:
    """Ask until the answer is true, and return it; return the last answer after the timeout."""
    deadline = time.monotonic() + timeout
    while not (answer := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return answer


@pytest.fixture(scope="session")
def ended_last() -> Iterator[deque[Collector]]:
    """The collector that ends while the worker's next test runs: an end takes 0.2 s, most of it waiting."""
    some: deque[Collector] = deque()
    yield some
    for one in some:
        one.stop()


@pytest.fixture
def collector(tmp_path: Path, ended_last: deque[Collector]) -> Iterator[Collector]:
    """Start a collector without its page."""
    running = Collector(tmp_path)
    yield running
    running.process.terminate()
    ended_last.append(running)
    if len(ended_last) > 1:
        ended_last.popleft().stop()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Collector]:
    """Start a collector for one test, and check that it ends with exit code 0."""
    running = Collector(tmp_path)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """Start a collector for tests that only look at answers; one for all tests of a worker."""
    running = Collector(tmp_path_factory.mktemp("collector"))
    yield running
    assert running.stop() == 0


class Game:
    """A game in a process of its own, written as a script in the test.

    Args:
        script: Its file.
        environment: More environment variables.
        is_fresh: Whether it is started by a command, instead of a fork.
    """

    def __init__(self, script: Path, environment: dict[str, str], *, is_fresh: bool) -> None:
        whole = {**os.environ, **PYTHON, **environment}
        self.process: Forked | subprocess.Popen[str]
        if is_fresh:
            self.process = subprocess.Popen(
                [sys.executable, str(script)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                cwd=ROOT,
                env=whole,
                start_new_session=True,  # so that its children can be ended with it
            )
        else:
            self.process = start_game(str(script), environment=whole)

    def wait_for(self, word: str) -> str:
        """Read the game's output up to a line that begins with `word`; return the rest of that line."""
        assert self.process.stdout is not None
        seen = []
        for line in self.process.stdout:
            if line.startswith(word):
                return line[len(word) :].strip()
            seen.append(line)
        error = self.process.stderr.read() if self.process.stderr else ""
        raise AssertionError(f"the game ended without {word!r}; it said {''.join(seen)} {error}")

    def say(self, line: str) -> None:
        """Send a line to the game's input."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def end(self, timeout: float = 30.0) -> tuple[int, str, str]:
        """Wait until the game ends; return its exit code and its output since the last reading."""
        out, error = self.process.communicate(timeout=timeout)
        return self.process.wait(), out, error

    def kill(self) -> None:
        """End the game as the system does if memory is short: no more code of it runs."""
        self.process.kill()
        self.process.communicate()

    def kill_all(self) -> None:
        """End the game and its children, which else would hold its output open, if the game still runs."""
        if self.process.poll() is None:
            if sys.platform == "win32":
                self.process.kill()
            else:
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()


@pytest.fixture
def game(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Game]]:
    """Return a function that starts games: `game(code, NAME="value", …)`, with more environment variables."""
    started: list[Game] = []
    is_fresh = sys.platform == "win32" or request.node.get_closest_marker("fresh") is not None

    def start(code: str, **environment: str) -> Game:
        script = tmp_path / f"game_{len(started)}.py"
        script.write_text(textwrap.dedent(code))
        started.append(Game(script, environment, is_fresh=is_fresh))
        return started[-1]

    yield start
    for one in started:
        one.kill_all()
        for pipe in (one.process.stdin, one.process.stdout, one.process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture(scope="session")
def todays_clickhouse() -> Iterator[str]:
    """Today's ClickHouse: its host and port."""
    with todays_server() as server:
        yield server


@pytest.fixture(scope="session")
def debians_clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Debian's old ClickHouse: its host and port."""
    with debian_server(tmp_path_factory.mktemp("debian")) as server:
        yield server
