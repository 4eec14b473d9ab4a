"""A real window: an X server without a screen, a window manager, and games in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.collectors import Collector
from tests.conftest import Game, eventually
from tests.e2e.fault_suite import Suite
from tests.e2e.plain_server import PlainServer

PROGRAMS = ("Xvfb", "openbox", "xdotool", "wmctrl")
DESKTOPS = 3

_MANAGER = f"""<?xml version="1.0" encoding="UTF-8"?>
<openbox_config xmlns="http://openbox.org/3.4/rc">
  <focus><focusNew>yes</focusNew><followMouse>no</followMouse></focus>
  <theme><animateIconify>no</animateIconify></theme>
  <desktops><number>{DESKTOPS}</number><popupTime>0</popupTime></desktops>
</openbox_config>
"""

_NEIGHBOUR = """
    import pygame
    pygame.display.init()
    pygame.display.set_mode((200, 100))
    pygame.display.set_caption("neighbour")
    pygame.event.get()
    print("open")
    while pygame.event.wait().type != pygame.QUIT:
        pass
"""


class Display:
    """An X server with a window manager; windows are found by the beginning of their titles."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        reader, writer = os.pipe()
        command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1024x768x24", "-nolisten", "tcp", "-noreset"]
        self._server = subprocess.Popen(
            command, pass_fds=[writer], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(writer)
        with os.fdopen(reader) as numbers:
            number = numbers.readline().strip()
        assert number, "Xvfb did not start"
        self.name = f":{number}"
        self._environment = {
            **os.environ,
            "DISPLAY": self.name,
            **{f"XDG_{kind}_HOME": str(folder) for kind in ("CONFIG", "CACHE", "DATA")},
        }
        settings = folder / "rc.xml"
        settings.write_text(_MANAGER)
        self._manager = subprocess.Popen(
            ["openbox", "--sm-disable", "--config-file", str(settings)],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait_until_managed(self) -> None:
        """Wait for the window manager."""
        assert eventually(lambda: len(self.run("wmctrl", "-d").splitlines()) == DESKTOPS), "openbox did not start"

    def stop(self) -> None:
        """End both processes."""
        for process in (self._manager, self._server):
            process.terminate()
            process.wait(10)

    def run(self, *command: str) -> str:
        """Run a command on this display and return its output."""
        return subprocess.run(
            command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False
        ).stdout

    def find(self, title: str) -> int | None:
        """Find a window by the beginning of its title, also a minimised one or one of another desktop."""
        for line in self.run("wmctrl", "-l").splitlines():
            number, _desktop, _host, *words = line.split(maxsplit=3)
            if words and words[0].startswith(title):
                return int(number, 16)
        return None

    def window(self, title: str) -> str:
        """Wait for the window with this title."""
        found = eventually(lambda: self.find(title), 30)
        assert found is not None, f"no window {title!r}: {self.run('wmctrl', '-l')}"
        return hex(found)

    def has_focus(self, title: str) -> bool:
        """Return whether this window has the keyboard focus now."""
        found = self.find(title)
        return found is not None and self.run("xdotool", "getwindowfocus").strip() == str(found)

    def focus(self, title: str) -> None:
        """Click on the window in the task bar: a minimised one is restored, and it gets the keyboard focus."""
        self.run("wmctrl", "-i", "-a", self.window(title))
        assert eventually(lambda: self.has_focus(title)), title

    def minimise(self, title: str) -> None:
        """Press the window's minimise button."""
        self.run("xdotool", "windowminimize", self.window(title))
        assert eventually(lambda: not self.has_focus(title)), title

    def switch_desktop(self, number: int) -> None:
        """Go to another desktop."""
        self.run("wmctrl", "-s", str(number))
        assert eventually(lambda: f"{number}  *" in self.run("wmctrl", "-d"))

    def close(self, title: str) -> None:
        """Press the window's close button."""
        self.run("wmctrl", "-i", "-c", self.window(title))

    def press(self, key: str) -> None:
        """Press a key for the window that has the focus."""
        self.run("xdotool", "key", key)


@pytest.fixture(scope="session")
def x_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Display]:
    """Start an X server, one for each worker."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"a real window needs {', '.join(missing)}")
    running = Display(tmp_path_factory.mktemp("x") / "display")
    try:
        running.wait_until_managed()
        yield running
    finally:
        running.stop()


@pytest.fixture
def display(x_server: Display) -> Iterator[Display]:
    """Return the worker's X server; afterwards wait until the test's windows are gone, and show the first desktop."""
    yield x_server
    assert eventually(lambda: not x_server.run("wmctrl", "-l").strip()), x_server.run("wmctrl", "-l")
    x_server.switch_desktop(0)


Play = Callable[..., Game]


@pytest.fixture
def play(display: Display, collector: Collector, game: Callable[..., Game]) -> Play:
    """Start a game in a real window, as `game()` does."""

    def start(code: str, **environment: str) -> Game:
        settings = {
            "DISPLAY": display.name,
            "SDL_VIDEODRIVER": "x11",
            "SDL_AUDIODRIVER": "dummy",
            "GA_PYGAME_COLLECTOR": collector.url,
        }
        return game(code, **{**settings, **environment})

    return start


@pytest.fixture
def neighbour(display: Display, game: Callable[..., Game]) -> str:
    """Open another program's window before the game's; return its title."""
    other = game(_NEIGHBOUR, DISPLAY=display.name, SDL_VIDEODRIVER="x11")
    other.wait_for("open")
    return "neighbour"


# --- a browser -------------------------------------------------------------------------------------------

SWITCHES = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1500,1000"
).split()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Start a Chromium with a profile of its own, one for each worker, since its start takes as long as a test."""
    webdriver = pytest.importorskip("selenium.webdriver")
    service = pytest.importorskip("selenium.webdriver.chrome.service")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver):
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for switch in (*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    running = webdriver.Chrome(options=options, service=service.Service(driver))
    yield running
    running.quit()


@pytest.fixture
def browser(chromium: Any) -> Iterator[Any]:
    """Return the worker's Chromium; afterwards restore it: one empty window, no cookies, its own size and colours."""
    yield chromium
    for entry in chromium.get_log("browser"):  # shown if the test fails
        sys.stdout.write(f"browser: {entry['message']}\n")
    first, *others = chromium.window_handles
    for one in others:
        chromium.switch_to.window(one)
        chromium.close()
    chromium.switch_to.window(first)
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    chromium.execute_cdp_cmd("Network.clearBrowserCookies", {})
    chromium.get("about:blank")
    chromium.get_log("browser")
    chromium.get_log("performance")


def kinds(events: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """Return session number and category of each event; check that a session's id and number belong together."""
    pairs = {(event["session_id"], event["session_num"]) for event in events}
    assert len(pairs) == len({session for session, _ in pairs}) == len({number for _, number in pairs}), pairs
    return [(event["session_num"], event["category"]) for event in events]


def lengths(events: list[dict[str, Any]]) -> list[int]:
    """Return the sessions' lengths in order."""
    ends = sorted((event for event in events if event["category"] == "session_end"), key=lambda end: end["session_num"])
    return [end["length"] for end in ends]


@pytest.fixture
def plain_server() -> Iterator[PlainServer]:
    """Start a server that drops no duplicates."""
    with PlainServer() as server:
        yield server


@pytest.fixture
def suite(tmp_path: Path, collector: Collector, request: pytest.FixtureRequest) -> Iterator[Suite]:
    """Return a collector, a proxy in front of it and random numbers."""
    made = Suite(tmp_path, collector, request)
    with made.proxy:
        yield made


# --- the fault suite -------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the fault suite."""
    group = parser.getgroup("faults", "fault suite (tests/e2e/test_fault*.py)")
    group.addoption("--long", action="store_true", help="play many rounds of each fault and print the table")
    group.addoption("--fault-seed", type=int, default=1, metavar="N", help="other random numbers (default: 1)")
    group.addoption("--fault-report", type=Path, metavar="FILE", help="write what each fault cost as JSON")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of this folder; give many rounds more time."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.e2e)
        if item.path.name.startswith(("test_fault", "test_warehouse")) and config.getoption("--long", False):
            item.add_marker(pytest.mark.timeout(900))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the fault suite's table, collected from all workers."""
    reports = (report for some in terminalreporter.stats.values() for report in some)
    played = (report for report in reports if getattr(report, "when", "") == "call")
    found = (dict(report.user_properties).get("fault") for report in played)
    rows = [row for row in found if row is not None]
    if not rows:
        return
    file = config.getoption("--fault-report", None)
    if file is not None:
        file.write_text(json.dumps(rows, indent=1) + "\n")
    if config.getoption("--long", False):
        terminalreporter.write_line("")
        for line in fault_table(rows):
            terminalreporter.write_line(line)


def fault_table(rows: list[dict[str, Any]]) -> list[str]:
    """Make the table of docs/reliability.md."""
    names = ("rounds", "events", "lost", "doubled")
    lines = ["| fault | rounds | events | lost | doubled |", "|---|---:|---:|---:|---:|"]
    lines += [f"| {row['fault']} | {' | '.join(f'{row[name]:,}' for name in names)} |" for row in rows]
    totals = [sum(row[name] for row in rows) for name in names]
    lines.append(f"| **all** | {' | '.join(f'{total:,}' for total in totals)} |")
    kills, late = (sum(row[name] for row in rows) for name in ("kills", "late"))
    oldest = max(row["oldest"] for row in rows)
    lines += ["", f"{kills} kills; {late} of them cost a call older than 0.05 s, the oldest {oldest:.3f} s"]
    slowest = max(row["slowest_start"] for row in rows)
    most = max(row["more_memory"] for row in rows) / 2**20
    lines.append(f"the slowest start() took {slowest:.3f} s; at most {most:.0f} MB more than with a good server")
    return lines
