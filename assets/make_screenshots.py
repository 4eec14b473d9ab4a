"""Take the README's pictures: `python assets/make_screenshots.py`, with the dev extra and Chromium.

It starts a collector, lets the demo's bot play against it without a window, and saves pictures of the game, of the
collector's live page, and of both side by side.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pygame
import requests
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

ASSETS = Path(__file__).parent
PAGE_SIZE = (1280, 800)
CHROMIUM_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars"
)


def main() -> None:
    """Make all pictures."""
    with tempfile.TemporaryDirectory() as folder:
        collector = subprocess.Popen(
            [sys.executable, "-m", "ga_pygame", "collect", "--port", "0", "--db", f"{folder}/events.sqlite3"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert collector.stdout is not None
            url = collector.stdout.readline().split()[-1]
            play(url, Path(folder))
            photograph(url)
        finally:
            collector.terminate()
            collector.wait(10)
    side_by_side()


def play(url: str, folder: Path) -> None:
    """Let the bot play once, with pictures of the game."""
    environment = {
        **os.environ,
        "GA_PYGAME_COLLECTOR": url,
        "GA_PYGAME_DATA_DIR": str(folder / "data"),
        "SDL_VIDEODRIVER": "dummy",
        "SDL_AUDIODRIVER": "dummy",
    }
    command = [sys.executable, "-m", "demo_game", "--bot", "--seed", "9"]
    subprocess.run([*command, "--screenshot", str(ASSETS / "game.png"), "--after", "75"], env=environment, check=True)


def photograph(url: str) -> None:
    """Take a picture of the live page."""
    options = webdriver.ChromeOptions()
    driver, binary = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or binary is None:  # without these paths selenium would download them
        raise SystemExit("apt-get install chromium chromium-driver")
    options.binary_location = binary
    for flag in (*CHROMIUM_FLAGS.split(), f"--window-size={PAGE_SIZE[0]},{PAGE_SIZE[1] + 140}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        browser.get(url)
        deadline = time.monotonic() + 20
        while requests.get(f"{url}/api/summary", timeout=5).json()["accepted"].get("session_end", 0) < 1:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(2)  # time for the page to draw its rows
        browser.save_screenshot(str(ASSETS / "page.png"))
    finally:
        browser.quit()


def side_by_side() -> None:
    """Join both pictures, the game before the page."""
    game, page = (pygame.image.load(ASSETS / name) for name in ("game.png", "page.png"))
    height = 420
    pictures = [
        pygame.transform.smoothscale(one, (one.get_width() * height // one.get_height(), height))
        for one in (game, page)
    ]
    gap = 16
    whole = pygame.Surface((sum(one.get_width() for one in pictures) + gap, height), pygame.SRCALPHA)
    whole.blit(pictures[0], (0, 0))
    whole.blit(pictures[1], (pictures[0].get_width() + gap, 0))
    pygame.image.save(whole, ASSETS / "overview.png")


if __name__ == "__main__":
    main()
