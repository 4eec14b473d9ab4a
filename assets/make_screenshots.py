"""Take the README's pictures: `python assets/make_screenshots.py`, with the dev extra and Chromium.

It starts a collector, lets the demo's bot play against it without a window, and saves pictures of the game, of the
collector's live page, and of both side by side; then forty simulated players play, and it saves the page's answers
where they give up and where they die. With `--views FOLDER` it saves all views instead: light, dark, and as wide as
a phone.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pygame
import requests
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
PAGE_SIZE = (1280, 800)
CHROMIUM_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars"
)


VIEWS = (
    "live overview progression retention economy money design heatmap funnel errors health players compare pogr trophy"
    " configs chaos"
).split()
LOOKS = {"light": (1500, False), "dark": (1500, True), "phone": (390, False)}
"""For each kind of picture the width of the page and whether the person prefers dark colours."""
LONGEST_PICTURE = 3000


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--views", type=Path, metavar="FOLDER", help="save all views of the page there instead")
    folder_of_views: Path | None = parser.parse_args().views
    with tempfile.TemporaryDirectory() as folder, collecting(Path(folder)) as url:
        if folder_of_views is not None:
            folder_of_views.mkdir(parents=True, exist_ok=True)
            play(url, Path(folder), "--players", "40")
            for name, (width, is_dark) in LOOKS.items():
                with opened_browser(width, 900, is_dark=is_dark) as browser:
                    for view in VIEWS:
                        photograph(
                            browser, f"{url}/?view={view}", folder_of_views / f"{view}-{name}.png", is_whole=True
                        )
            return
        play(url, Path(folder), "--seed", "9", "--screenshot", str(PICTURES / "game.png"), "--after", "75")
        wait_for_the_end(url)
        play_with_overlay(url, Path(folder), PICTURES / "overlay.png", 150)
        with opened_browser(*PAGE_SIZE) as browser:
            photograph(browser, url, PICTURES / "page.png")
            play(url, Path(folder), "--players", "40")
            photograph(browser, f"{url}/?view=progression", PICTURES / "progression.png")
            photograph(browser, f"{url}/?view=heatmap&map=level_3", PICTURES / "heatmap.png")
    side_by_side()


@contextlib.contextmanager
def collecting(folder: Path) -> Iterator[str]:
    """Run a collector; yield its address."""
    collector = subprocess.Popen(
        [sys.executable, "-m", "ga_pygame", "collect", "--port", "0", "--db", str(folder / "events.sqlite3")],
        env={**os.environ, "XDG_DATA_HOME": str(folder / "data")},  # where the game keeps pictures of its levels
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert collector.stdout is not None
        yield collector.stdout.readline().split()[-1]
    finally:
        collector.terminate()
        collector.wait(10)


def environment(url: str, folder: Path) -> dict[str, str]:
    """Return the environment of a game without a window."""
    return {
        **os.environ,
        "GA_PYGAME_COLLECTOR": url,
        "XDG_DATA_HOME": str(folder / "data"),
        "SDL_VIDEODRIVER": "dummy",
        "SDL_AUDIODRIVER": "dummy",
    }


def play(url: str, folder: Path, *arguments: str) -> None:
    """Let the bot play."""
    command = [sys.executable, "-m", "demo_game", "--bot", *arguments]
    subprocess.run(command, env=environment(url, folder), check=True)


_WITH_OVERLAY = """
import os, runpy, sys
import pygame

picture, first, frames, shown = sys.argv[1], int(sys.argv[2]), 0, pygame.display.flip

def flip():
    global frames
    frames += 1
    if frames == first:
        for kind in (pygame.KEYDOWN, pygame.KEYUP):
            pygame.event.post(pygame.event.Event(kind, key=pygame.K_F9))
    if frames > first:
        pygame.time.wait(16)  # as a window would wait; the bot plays as fast as it can
    if frames == first + 100:  # the tracker has put the overlay on the screen and calls this function
        pygame.image.save(pygame.display.get_surface(), picture)
        os._exit(0)
    shown()

pygame.display.flip = flip
sys.argv = ["demo_game", "--bot", "--seed", "9"]
runpy.run_module("demo_game", run_name="__main__")
"""


def play_with_overlay(url: str, folder: Path, picture: Path, first: int) -> None:
    """Let the bot play, open the overlay at its frame `first` and save what is on the screen soon after."""
    command = [sys.executable, "-c", _WITH_OVERLAY, str(picture), str(first)]
    subprocess.run(command, env=environment(url, folder), check=True)


def wait_for_the_end(url: str) -> None:
    """Wait until the collector has the end of the bot's session."""
    deadline = time.monotonic() + 20
    while requests.get(f"{url}/api/summary", timeout=5).json()["accepted"].get("session_end", 0) < 1:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@contextlib.contextmanager
def opened_browser(width: int, height: int, *, is_dark: bool = False) -> Iterator[Any]:
    """Open a browser whose page has that size."""
    options = webdriver.ChromeOptions()
    driver, binary = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or binary is None:  # without these paths selenium would download them
        raise SystemExit("apt-get install chromium chromium-driver")
    options.binary_location = binary
    for flag in CHROMIUM_FLAGS.split():
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        colours = [{"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": colours})
        yield browser
    finally:
        browser.quit()


def photograph(browser: Any, address: str, path: Path, *, is_whole: bool = False) -> None:
    """Save a picture of a page, of what fits into the window or of the whole page."""
    browser.get(address)
    time.sleep(3)  # until the page has its figures and its charts stand still
    size = browser.execute_script("return [innerWidth, innerHeight, document.documentElement.scrollHeight]")
    if is_whole:
        width, height, whole = size
        longer = {"width": width, "height": min(whole, LONGEST_PICTURE), "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", longer)
        time.sleep(0.5)
    browser.save_screenshot(str(path))
    if is_whole:
        usual = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", usual)


def side_by_side() -> None:
    """Join both pictures, the game before the page."""
    game, page = (pygame.image.load(PICTURES / name) for name in ("game.png", "page.png"))
    height = 420
    pictures = [
        pygame.transform.smoothscale(one, (one.get_width() * height // one.get_height(), height))
        for one in (game, page)
    ]
    gap = 16
    whole = pygame.Surface((sum(one.get_width() for one in pictures) + gap, height), pygame.SRCALPHA)
    whole.blit(pictures[0], (0, 0))
    whole.blit(pictures[1], (pictures[0].get_width() + gap, 0))
    pygame.image.save(whole, PICTURES / "overview.png")


if __name__ == "__main__":
    main()
