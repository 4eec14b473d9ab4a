"""The overlay in a real window: opened by a key of the X server, used by its mouse, seen in the window's pixels."""

from __future__ import annotations

import ctypes
import ctypes.util
import textwrap
from collections import Counter
from pathlib import Path

import pytest

from ga_pygame.lettering import BACKGROUND, BUTTON
from ga_pygame.overlay.panel import panel_width
from tests.collectors import Collector
from tests.conftest import eventually
from tests.e2e.conftest import Display, Play

SIZE = (640, 360)
PLAIN = (40, 90, 60)
Pixel = tuple[int, int, int]

GAME = f"""
import dataclasses
import pygame
import ga_pygame

@dataclasses.dataclass
class Balance:
    speed: float = ga_pygame.tunable(50.0, least=0, most=100)

pygame.init()
WINDOW
tracker = ga_pygame.Tracker(upload_interval=0.1, consent="CONSENT")
tracker.start()
if tracker.config.consent == "ask":
    print("ask", flush=True)
    assert tracker.consent.ask(screen).value == "granted"
balance = tracker.remote_configs.bind(Balance)
tracker.remote_configs_updated.connect(lambda: print("speed", balance.speed, flush=True))
clock = pygame.time.Clock()
print("open", flush=True)
running = True
while running:
    for event in pygame.event.get():
        if event.type == pygame.QUIT:
            running = False
        elif event.type == pygame.MOUSEBUTTONDOWN:
            print("clicked", event.pos[0], flush=True)
        elif event.type == pygame.KEYDOWN:
            print("pressed", pygame.key.name(event.key), flush=True)
    screen.fill({PLAIN})
    SHOW
    assert screen.get_at(({SIZE[0] - 1}, 5))[:3] == {PLAIN}
    tracker.design("frame")
    clock.tick(60)
print("over", flush=True)
"""
WINDOWS = {
    "SCALED": (f"screen = pygame.display.set_mode({SIZE}, pygame.SCALED)", "pygame.display.flip()"),
    "parts": (f"screen = pygame.display.set_mode({SIZE})", "pygame.display.update(pygame.Rect(0, 0, 50, 50))"),
}


class XImage(ctypes.Structure):
    """The beginning of Xlib's structure of that name."""

    _fields_ = [
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("xoffset", ctypes.c_int),
        ("format", ctypes.c_int),
        ("data", ctypes.POINTER(ctypes.c_ubyte)),
        ("orders", ctypes.c_int * 5),
        ("bytes_per_line", ctypes.c_int),
    ]


def pixels_of(display: Display, title: str) -> list[list[Pixel]]:
    """Return what is on the screen in a window, row by row."""
    library = ctypes.CDLL(ctypes.util.find_library("X11"))
    library.XOpenDisplay.restype = ctypes.c_void_p
    library.XGetImage.restype = ctypes.POINTER(XImage)
    server = ctypes.c_void_p(library.XOpenDisplay(display.name.encode()))
    every = ctypes.c_ulong(0xFFFFFFFF)
    image = library.XGetImage(server, ctypes.c_ulong(int(display.window(title), 16)), 0, 0, *SIZE, every, 2).contents
    line = image.bytes_per_line
    rows = [bytes(image.data[start : start + 4 * SIZE[0]]) for start in range(0, line * SIZE[1], line)]
    library.XCloseDisplay(server)
    return [[(row[x + 2], row[x + 1], row[x]) for x in range(0, len(row), 4)] for row in rows]


def save(pixels: list[list[Pixel]], path: Path) -> None:
    """Save a picture to look at, if the test fails."""
    body = bytes(value for row in pixels for pixel in row for value in pixel)
    path.write_bytes(b"P6 %d %d 255\n%b" % (*SIZE, body))


@pytest.mark.parametrize("window", WINDOWS)
def test_a_slider_in_a_real_window(
    display: Display, play: Play, collector: Collector, window: str, tmp_path: Path
) -> None:
    """The player agrees; F9 shows the panel, a drag changes the game, F9 leaves the game's picture as it was."""
    opening, showing = WINDOWS[window]
    code = GAME.replace("WINDOW", f'{opening}\npygame.display.set_caption("game")').replace("SHOW", showing)
    if window == "parts":
        code = code.replace("running = True\n", f"running = True\nscreen.fill({PLAIN})\npygame.display.flip()\n", 1)
    game = play(textwrap.dedent(code.replace("CONSENT", "ask")))
    game.wait_for("ask")
    display.focus("game")
    display.press("Tab")
    display.press("Return")
    game.wait_for("open")
    width = panel_width(SIZE)

    def colours() -> Counter[Pixel]:
        seen = pixels_of(display, "game")
        save(seen, tmp_path / f"{window}.ppm")
        return Counter(pixel for row in seen for pixel in row[SIZE[0] - width :])

    area = width * SIZE[1]
    assert eventually(lambda: colours()[PLAIN] == area), colours().most_common(3)
    display.press("F9")
    assert eventually(lambda: colours()[BACKGROUND] > area / 3), colours().most_common(3)
    assert colours()[PLAIN] == 0
    row = slider_row(pixels_of(display, "game"), width)
    place = display.window("game")
    x = SIZE[0] - width + width * 6 // 10
    display.run("xdotool", "mousemove", "--window", place, str(x), str(row), "mousedown", "1")
    display.run("xdotool", "mousemove", "--window", place, "5", str(row), "mouseup", "1")
    assert game.wait_for("speed 0.0") == ""
    display.press("x")
    assert game.wait_for("") == "pressed x"  # neither F9 nor the drag came
    display.run("xdotool", "mousemove", "--window", place, "7", "9", "click", "1")
    assert game.wait_for("clicked") == "7"
    display.press("F9")
    assert eventually(lambda: colours()[PLAIN] == area), colours().most_common(3)
    display.close("game")
    game.wait_for("over")
    left_with, _, error = game.end()
    assert (left_with, "overlay" in error, "failed" in error) == (0, False, False), error
    events = collector.export()
    set_by_us = [event for event in events if event.get("configurations") == {"speed": "0.0"}]
    assert set_by_us


@pytest.mark.parametrize(
    ("opening", "showing"),
    [
        (f"screen = pygame.display.set_mode({SIZE}, pygame.OPENGL | pygame.DOUBLEBUF)", "pygame.display.flip()"),
        (f'window = pygame.Window("game", {SIZE})\nscreen = window.get_surface()', "window.flip()"),
    ],
    ids=["OPENGL", "Window"],
)
def test_where_it_cannot_be_drawn(display: Display, play: Play, opening: str, showing: str) -> None:
    """A window whose picture is not pygame's is told once, and the game goes on without the overlay."""
    caption = "" if "Window" in opening else 'pygame.display.set_caption("game")'
    game = play(
        textwrap.dedent(
            GAME.replace("WINDOW", f"{opening}\n{caption}").replace("SHOW", showing).replace("CONSENT", "not_needed")
        )
    )
    game.wait_for("open")
    display.focus("game")
    for key in ("F9", "F9", "x"):
        display.press(key)
    assert game.wait_for("") == "pressed x"
    display.close("game")
    game.wait_for("over")
    code, _, error = game.end()
    assert code == 0
    assert error.count("the overlay cannot be drawn") == 1


def slider_row(pixels: list[list[Pixel]], width: int) -> int:
    """Return the row of the only slider: the longest one in the colour of its track, but for lines between parts."""
    lengths = [sum(pixel == BUTTON for pixel in row[SIZE[0] - width + width * 4 // 10 :]) for row in pixels]
    return max(range(SIZE[1]), key=lambda y: lengths[y] if lengths[y] < width * 55 // 100 else 0)
