"""The demo game: few tracker calls, the same play for the same seed, playable without sound and display."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pygame
import pytest

from demo_game.art import VIEW
from demo_game.bot import Bot
from demo_game.controls import Actions, Controls
from demo_game.game import TOAST_SECONDS, Game, Options
from demo_game.menus import ClassChoice, Ending, Pause, QuitDialog, Results, Title
from demo_game.play import Play
from demo_game.shop import Shop
from demo_game.world import TICKS_PER_SECOND
from tests.demo_bot import Recorder, headless, names, play, silent

__all__ = ["headless", "silent"]

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "demo_game"
KINDS = (
    r"progression\.start",
    r"progression\.complete",
    r"progression\.fail",
    r"\.earn",
    r"resource\.source",
    r"resource\.sink",
    r"\.business",
    r"\.design",
    r"tracker\.at",
    r"\.snapshot_map",
    r"tracker\.error",
    r"\.exception",
    r"\.dimensions\[",
    r"\.fields\[",
    r"\.flush",
    r"event_rejected\.connect",
)


def game_files() -> set[Path]:
    """Return the files of the game that people copy; simulated players have another one."""
    return set(DEMO.glob("*.py")) - {DEMO / "players.py"}


def test_at_most_25_lines_mention_the_tracker() -> None:
    """Tracking a whole game takes little code."""
    lines = [
        line for file in game_files() for line in file.read_text("utf-8").splitlines() if "tracker" in line.lower()
    ]
    assert len(lines) <= 25, "\n".join(lines)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_call_stands_once_below_a_comment(kind: str) -> None:
    """A reader finds each call once, with what it lets them see."""
    sites = []
    for file in game_files() - {DEMO / "services.py"}:  # there they are names in a mapping
        lines = file.read_text("utf-8").splitlines()
        sites += [
            lines[i - 1].strip() for i, line in enumerate(lines) if re.search(kind + r"\(?", line) and "#" not in line
        ]
    assert len(sites) == 1
    assert sites[0].startswith("# ")


@pytest.mark.e2e
def test_without_sound_and_with_a_broken_save_file(tmp_path: Path, silent: None) -> None:
    """A machine without an audio device plays in silence; a file that cannot be written is reported and survived."""
    (tmp_path / "save.json").mkdir()
    called = names(play(1, tmp_path, levels=1)[0])
    assert pygame.mixer.get_init() is None
    assert called.count("progression.complete") == 1
    assert "exception" in called
    assert "error" in called


def test_each_death_has_its_place_on_the_picture_of_its_level(tmp_path: Path, silent: None) -> None:
    """The heatmap shows where a level is too hard: over all of the level, and in the same units."""
    recorder: Any = Recorder()
    game = Game(recorder, Options(Bot(1), tmp_path / "save.json", fast=True))
    recorder.log.clear()
    screen = Play(game)
    width = screen.level.width
    assert recorder.log[0] == ("snapshot_map", f"<Surface({width}x{VIEW[1]}x32)>", "'level_1'", {})
    screen.world.player.x = width / 2
    screen.world.player.y = 2.0 * VIEW[1]
    screen.update(Actions())
    told = {entry[0]: entry[1:] for entry in recorder.log}
    x, y, event_id, named = told["at"]
    assert abs(float(x) - width / 2) < 50
    assert float(y) > VIEW[1]
    assert (event_id, named) == ("'death:fall'", {"map": "level_1"})
    assert names(recorder.log).index("at") < names(recorder.log).index("progression.fail")


def test_quit_is_a_question(tmp_path: Path, silent: None) -> None:
    """Closing the window asks; no means no, yes ends the loop."""
    asked: list[str] = []

    class Hesitant:
        def __init__(self) -> None:
            self.wait = 0

        def handle(self, event: pygame.event.Event) -> None: ...

        def read(self, screen: Any) -> Actions:
            self.wait += 1
            if self.wait % 50:
                return Actions()
            if screen.name == "title":
                pygame.event.post(pygame.event.Event(pygame.QUIT))
                return Actions()
            if len(asked) == 0 or screen.menu.selected == 1:
                asked.append("yes" if screen.menu.selected else "no")
                return Actions(pressed=frozenset({"confirm"}))
            return Actions(pressed=frozenset({"right"}))

    recorder: Any = Recorder()
    Game(recorder, Options(Hesitant(), tmp_path / "save.json", fast=True)).run()
    assert asked == ["no", "yes"]


def test_keyboard_and_mouse_give_the_same_actions_as_the_bot() -> None:
    """One input path for all."""
    controls = Controls()
    controls.handle(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_RIGHT))
    controls.handle(pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=3, pos=(5, 6)))
    actions = controls.read(None)
    assert (actions.right, actions.jump, actions.pointer) == (True, True, (5, 6))
    assert actions.pressed == {"right"}
    assert controls.read(None).pressed == frozenset()
    controls.handle(pygame.event.Event(pygame.KEYUP, key=pygame.K_RIGHT))
    assert not controls.read(None).right


class Canvas(pygame.Surface):
    """A surface that records where texts, buttons and boards were drawn on it."""

    def __init__(self) -> None:
        super().__init__(VIEW)
        self.boxes: list[pygame.Rect] = []

    def blit(self, source: pygame.Surface, dest: Any = (0, 0), *more: Any, **others: Any) -> Any:
        box = pygame.Rect(dest[:2], source.get_size())
        if box.width < VIEW[0] * 0.9 and box.height < VIEW[1] * 0.8:  # else a backdrop
            self.boxes.append(box)
        return super().blit(source, dest, *more, **others)


@pytest.mark.parametrize("name", ["title", "class", "results", "shop", "pause", "quit", "won", "lost"])
def test_a_toast_covers_nothing(name: str, tmp_path: Path, silent: None) -> None:
    """It is drawn beside the help lines and buttons of each screen, one line at a time, whatever a service says."""
    recorder: Any = Recorder()
    game = Game(recorder, Options(Bot(1), tmp_path / "save.json", fast=True))
    screens: dict[str, Callable[[], Any]] = {
        "title": lambda: Title(game),
        "class": lambda: ClassChoice(game),
        "results": lambda: Results(game, [("Time", "1 s"), ("Coins", "1"), ("Falls", "0"), ("Score", "9")]),
        "shop": lambda: Shop(game),
        "pause": lambda: Pause(game),
        "quit": lambda: QuitDialog(game),
        "won": lambda: Ending(game, won=True),
        "lost": lambda: Ending(game, won=False),
    }
    screen = screens[name]()
    game.window = canvas = Canvas()
    game.show(screen)
    game._draw()
    drawn = list(canvas.boxes)
    assert drawn
    for text in ("", "\0\n", "Achievement: a\0b\nc " + "x" * 200, "Streak: day 2"):
        game.toast(text)
    seen = []
    for _ in range(8):
        canvas.boxes.clear()
        game._draw()
        seen += canvas.boxes[len(drawn) :]
        game.ticks += int(TOAST_SECONDS * TICKS_PER_SECOND / 2)
    assert {box.center for box in seen} == {(480, 524)}
    assert len({box.size for box in seen}) == 2
    for box in seen:
        assert canvas.get_rect().top <= box.top
        assert box.bottom <= canvas.get_rect().bottom
        assert not [other for other in drawn if other.colliderect(box)]
