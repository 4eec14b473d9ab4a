"""The overlay in a game with the dummy driver: what is drawn, what the game notices, what a key or a click does."""

from __future__ import annotations

import dataclasses
import gzip
import json
import warnings
from collections.abc import Iterator
from typing import Any

import pygame
import pytest

import ga_pygame
from ga_pygame import Tracker
from ga_pygame.overlay.overlay import KEPT_FRAMES, REFRESH_SECONDS, Overlay
from ga_pygame.overlay.panel import Look, OverlayPanel
from ga_pygame.overlay.sight import KEPT_EVENTS, ConfigLine, EventLine, OverlayFacts, Sight, plain, told
from ga_pygame.protocol import Reply, Request
from tests.test_tracker import World, world

__all__ = ["world"]

SIZE = (640, 480)


@dataclasses.dataclass
class Tuning:
    """Values of a game."""

    gravity: float = ga_pygame.tunable(80.0, least=0, most=200)
    lives: int = ga_pygame.tunable(3, least=1, most=9)
    hard: bool = False
    name: str = "Sky"


class Rig:
    """A game with a window and the overlay, and what pygame's own functions saw."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.shown: list[bytes] = []
        self.updates: list[tuple[Any, ...]] = []
        flip, update = pygame.display.flip, pygame.display.update
        pygame.display.init()
        self.open_window(SIZE)

        def own_flip() -> None:
            self.shown.append(pygame.image.tobytes(self.screen, "RGB"))
            flip()

        def own_update(*parts: Any) -> None:
            self.shown.append(pygame.image.tobytes(self.screen, "RGB"))
            self.updates.append(parts)
            update(*parts)

        monkeypatch.setattr(pygame.display, "flip", own_flip)
        monkeypatch.setattr(pygame.display, "update", own_update)
        self.knobs: dict[str, Any] = {"overlay": True, "strict": False}

    def open_window(self, size: tuple[int, int], flags: int = 0) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SCALED without a graphics card is slow
            self.screen = pygame.display.set_mode(size, flags)
        self.screen.fill((30, 90, 160))
        self.plain = pygame.image.tobytes(self.screen, "RGB")

    def start(self, **knobs: Any) -> Tracker:
        self.tracker = self.world.start(**self.knobs, **knobs)
        self.tuning = self.tracker.remote_configs.bind(Tuning)
        self.world.play(self.tracker)
        return self.tracker

    @property
    def overlay(self) -> Overlay:
        hook: Any = self.tracker._running
        found: Overlay = hook._hook.guest.__self__
        return found

    @property
    def panel(self) -> OverlayPanel:
        assert self.overlay._panel is not None
        return self.overlay._panel

    def flip(self) -> bool:
        """Show a frame; return whether the overlay was on it. The game's picture stays."""
        pygame.display.flip()
        assert pygame.image.tobytes(self.screen, "RGB") == self.plain
        return self.shown[-1] != self.plain

    def send(self, *events: tuple[int, dict[str, Any]]) -> list[int]:
        """Post events, and return the types of those that the game gets."""
        pygame.event.clear()
        for kind, facts in events:
            pygame.event.post(pygame.event.Event(kind, facts))
        return [event.type for event in pygame.event.get()]

    def press(self, key: int = pygame.K_F9) -> list[int]:
        return self.send((pygame.KEYDOWN, {"key": key}), (pygame.KEYUP, {"key": key}))

    def open(self, **knobs: Any) -> None:
        """Start with the overlay open."""
        self.start(**knobs)
        assert self.press() == []
        assert self.flip()

    def place(self, name: str) -> Any:
        return next(one for one in self.panel.places if one.name == name)

    def on(self, name: str, share: float = 0.5) -> tuple[int, int]:
        """Return a place on the slider of a config, in pixels of the window."""
        track = self.place(name).track
        return self.panel.area.x + track.x + round(share * track.width), track.centery


@pytest.fixture
def rig(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    yield Rig(world, monkeypatch)
    pygame.quit()


def button(kind: int, at: tuple[int, int], number: int = 1) -> tuple[int, dict[str, Any]]:
    return kind, {"pos": at, "button": number}


# --- drawing ------------------------------------------------------------------------------------------------


def test_the_key_opens_and_closes_it_and_the_games_picture_stays(rig: Rig) -> None:
    """It is drawn when the game shows a frame, and taken away afterwards; clip and fonts are as before."""
    rig.start()
    assert not rig.flip()
    pygame.font.quit()
    rig.screen.set_clip((10, 10, 20, 20))
    assert rig.press() == []
    assert rig.flip()
    assert rig.screen.get_clip() == pygame.Rect(10, 10, 20, 20)
    assert not pygame.font.get_init()
    assert rig.press() == []
    assert not rig.flip()


@pytest.mark.parametrize(
    ("size", "flags"),
    [((1, 1), 0), ((50, 20), 0), ((320, 180), pygame.SCALED), ((1920, 1080), 0), ((300, 900), pygame.RESIZABLE)],
)
def test_windows_of_any_size(rig: Rig, size: tuple[int, int], flags: int) -> None:
    """Also one that a game makes anew while the overlay is open, and one whose pixels have alpha or a colour key."""
    rig.open()
    rig.open_window(size, flags)
    rig.screen.set_colorkey((30, 90, 160))
    assert rig.flip()
    assert rig.panel.area.size[1] == size[1]
    rig.screen.set_colorkey(None)
    rig.screen.set_alpha(100)
    assert rig.flip()


def test_a_game_that_shows_parts(rig: Rig) -> None:
    """The panel's part is shown with the game's own, and once more when it is closed."""
    rig.open()
    own = pygame.Rect(1, 2, 3, 4)
    pygame.display.update(own)
    area = rig.panel.area
    assert rig.updates == [(own,), (area,)]
    pygame.display.update()  # all of it
    assert rig.updates[2:] == [()]
    assert rig.press() == []
    pygame.display.update([own])
    assert rig.updates[3:] == [([own],), (area,)]
    assert rig.shown[-1] == rig.plain
    pygame.display.update([own])
    assert rig.updates[5:] == [([own],)]


def test_a_locked_surface_is_left_alone(rig: Rig) -> None:
    """The game writes its pixels: nothing is drawn in that frame."""
    rig.open()
    rig.screen.lock()
    pygame.display.flip()
    rig.screen.unlock()
    assert rig.shown[-1] == rig.plain
    assert rig.flip()


@pytest.mark.parametrize("why", ["no window", "OPENGL", "no font"])
def test_it_says_that_it_cannot(rig: Rig, why: str, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """Once, when the key is pressed, and the game goes on."""
    rig.start()
    if why == "OPENGL":
        window = pygame.Surface((1, 1))

        class OfOpenGL:
            get_flags = staticmethod(lambda: window.get_flags() | pygame.OPENGL)

        monkeypatch.setattr(pygame.display, "get_surface", OfOpenGL)
    elif why == "no window":
        monkeypatch.setattr(pygame.display, "get_surface", lambda: None)
    else:
        monkeypatch.delattr(pygame, "font")
    for _ in range(2):
        assert rig.press() == []
        pygame.display.flip()
    assert not rig.overlay.is_open
    (said,) = [one.getMessage() for one in caplog.records if "the overlay" in one.getMessage()]
    assert {"no window": "pygame.Window", "OPENGL": "OPENGL", "no font": "pygame.font"}[why] in said


def test_a_defect_closes_it(rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """Its picture, its facts and its input fail without the game's noticing."""
    rig.open()

    def fails(*_: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(OverlayPanel, "draw", fails)
    rig.world.clock.advance(1.0)
    pygame.display.flip()
    assert rig.shown[-1] == rig.plain
    assert rig.press() == [pygame.KEYDOWN, pygame.KEYUP]  # the key is the game's again
    assert sum("ga_pygame failed in the overlay" in one.getMessage() for one in caplog.records) == 1


def test_an_exception_of_the_games_flip_passes(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """And its picture is as before."""

    def lost() -> None:
        raise pygame.error("lost")

    monkeypatch.setattr(pygame.display, "flip", lost)
    rig.start()
    rig.press()
    with pytest.raises(pygame.error, match="lost"):
        pygame.display.flip()
    assert pygame.image.tobytes(rig.screen, "RGB") == rig.plain


# --- keys and mouse -----------------------------------------------------------------------------------------


def test_only_what_hits_it_is_taken(rig: Rig) -> None:
    """By `get`, `poll` and `wait`; the release of a button that was pressed in the game is the game's."""
    rig.open()
    inside, outside = rig.panel.area.center, (5, 5)
    down, up = pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP
    assert rig.send((pygame.KEYDOWN, {"key": pygame.K_a}), (pygame.KEYUP, {"key": pygame.K_a})) == [
        pygame.KEYDOWN,
        pygame.KEYUP,
    ]
    assert rig.send(button(down, inside), (pygame.MOUSEMOTION, {"pos": outside}), button(up, outside)) == []
    assert rig.send(button(down, outside), (pygame.MOUSEMOTION, {"pos": inside}), button(up, inside)) == [
        down,
        pygame.MOUSEMOTION,
        up,
    ]
    pygame.event.clear()
    for kind in (pygame.KEYDOWN, pygame.KEYUP, pygame.KEYDOWN, pygame.KEYUP):
        pygame.event.post(pygame.event.Event(kind, key=pygame.K_F9))
        pygame.event.post(pygame.event.Event(pygame.USEREVENT, number=1))
    assert pygame.event.wait().type == pygame.event.poll().type == pygame.USEREVENT
    assert pygame.event.wait(10).type == pygame.event.poll().type == pygame.USEREVENT
    assert pygame.event.poll().type == pygame.event.wait(1).type == pygame.NOEVENT
    assert rig.overlay.is_open  # closed and opened
    rig.press()
    assert rig.send(button(down, inside), button(up, inside)) == [down, up]


def test_a_slider_by_mouse(rig: Rig) -> None:
    """Pressed and dragged: the game's own value changes at once, within its bounds, and events tell of it."""
    rig.open()
    heard: list[float] = []
    rig.tracker.remote_configs_updated.connect(lambda: heard.append(rig.tuning.gravity))
    rig.send(button(pygame.MOUSEBUTTONDOWN, rig.on("gravity", 0.25)))
    assert rig.tuning.gravity == pytest.approx(50, abs=2)
    rig.send((pygame.MOUSEMOTION, {"pos": rig.on("gravity", 2.0)}))
    assert rig.tuning.gravity == 200
    rig.send(button(pygame.MOUSEBUTTONUP, (0, 0)))
    rig.send((pygame.MOUSEMOTION, {"pos": rig.on("gravity", 0.0)}))
    assert rig.tuning.gravity == 200
    assert heard == [rig.tuning.gravity] or heard[-1] == 200
    rig.send(button(pygame.MOUSEBUTTONDOWN, rig.on("hard")), button(pygame.MOUSEBUTTONUP, rig.on("hard")))
    rig.send(button(pygame.MOUSEBUTTONDOWN, rig.on("lives", 1.0)), button(pygame.MOUSEBUTTONUP, rig.on("lives")))
    assert (rig.tuning.hard, rig.tuning.lives, rig.tuning.name) == (True, 9, "Sky")
    assert rig.tracker.remote_configs.get("lives", 1) == 9
    rig.tracker.design("after")
    rig.tracker.close()
    told = next(event for event in rig.world.sent if event.get("event_id") == "after")
    assert told["configurations"] == {"gravity": "200", "hard": "true", "lives": "9"}


def test_values_by_keyboard(rig: Rig, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """While the key is held, arrows choose and change, C copies; its release then closes nothing."""
    monkeypatch.setattr(pygame.scrap, "put_text", lambda _text: (_ for _ in ()).throw(pygame.error("none")))
    rig.open()

    def chord(*keys: int) -> list[int]:
        pressed = [(kind, {"key": key}) for key in keys for kind in (pygame.KEYDOWN, pygame.KEYUP)]
        held, let_go = (pygame.KEYDOWN, {"key": pygame.K_F9}), (pygame.KEYUP, {"key": pygame.K_F9})
        return rig.send(held, held, *pressed, (pygame.TEXTINPUT, {"text": "c"}), let_go)

    down, up, right, left = pygame.K_DOWN, pygame.K_UP, pygame.K_RIGHT, pygame.K_LEFT
    assert chord(down, right, right) == []
    assert rig.tuning.gravity == 100
    assert chord(down, left, left, left, left) == []
    assert rig.tuning.lives == 1
    assert chord(down, right) == []
    assert rig.tuning.hard is True
    assert chord(left) == []
    assert rig.tuning.hard is False
    assert chord(up, up, left) == []
    assert rig.tuning.gravity == 90
    assert chord(pygame.K_c) == []
    assert json.loads(capsys.readouterr().out) == {"gravity": 90.0, "lives": 1, "hard": False, "name": "Sky"}
    assert chord(pygame.K_a) == [pygame.KEYDOWN, pygame.KEYUP]
    assert not rig.overlay.is_open  # nothing of its own was pressed: it closed
    assert chord(right)[:2] == [pygame.KEYDOWN, pygame.KEYUP]  # and opens


def test_configs_of_the_service(rig: Rig) -> None:
    """Numbers in texts have sliders too, in a range that stays; other texts are only shown. They scroll."""
    sent = [{"key": f"k{number}", "value": str(number - 5)} for number in range(30)]
    sent += [{"key": "text", "value": "a"}, {"key": "on", "value": "true"}]
    answer = {"server_ts": 1_700_000_000, "configs": [*sent, {"key": "list", "value": [1]}]}
    rig.world.init = Reply(201, {}, json.dumps(answer).encode())
    rig.open()
    lines = {line.name: line for line in rig.overlay._sight.configs()}
    assert lines["k0"] == ConfigLine("k0", -5, -10, 1)
    assert lines["k15"] == ConfigLine("k15", 10, 0, 20)
    assert (lines["text"].value, lines["list"].value, lines["on"].value) == ("a", "[1]", True)
    rig.send(button(pygame.MOUSEBUTTONDOWN, rig.on("k0", 1.0)), button(pygame.MOUSEBUTTONUP, (0, 0)))
    assert rig.tracker.remote_configs.get("k0", 9) == 1
    assert rig.overlay._sight.configs()[4] == ConfigLine("k0", 1, -10, 1)
    first = rig.panel.places[0].name
    pygame.mouse.set_pos(rig.panel.area.center)
    pygame.event.clear()
    rig.send((pygame.MOUSEWHEEL, {"y": -3}))
    rig.flip()
    assert (first, rig.panel.places[0].name) == ("gravity", "name")


@pytest.mark.parametrize(
    ("key", "opens"), [("f8", pygame.K_F8), ("left shift", pygame.K_LSHIFT), ("no key", pygame.K_F9)]
)
def test_another_key(rig: Rig, key: str, opens: int, caplog: Any) -> None:
    """By pygame's name; one that it does not know is said once, and F9 stays."""
    rig.start(overlay_key=key)
    assert rig.press(opens) == []
    assert rig.overlay.is_open
    assert any("pygame knows no key 'no key'" in one.getMessage() for one in caplog.records) is (key == "no key")


# --- what it shows ------------------------------------------------------------------------------------------


def test_events_fall_in_and_refused_ones_say_why(rig: Rig) -> None:
    """The newest first; with the rule, and the line of the game or the server's words."""

    def refuse(request: Request) -> Reply:
        events = json.loads(gzip.decompress(request.body))
        errors = [
            {"event": event, "errors": [{"path": "/event_id"}]} for event in events if event.get("event_id") == "b"
        ]
        return Reply(400 if errors else 200, {}, json.dumps(errors).encode())

    rig.start()
    rig.world.transport._answers[0] = lambda request: refuse(request) if "events" in request.url else rig.world.init
    rig.tracker.progression.start("forest", "level_1")
    rig.tracker.design("a", 3)
    rig.tracker.design("a", 4.5)
    rig.tracker.design("a:b:c:d:e:f")
    rig.world.play(rig.tracker)
    rig.tracker.design("b")
    rig.tracker.flush().wait(0.5)
    rig.tracker.tick()
    shown = rig.overlay._sight.look()
    told_of = [(one.text, bool(one.why)) for one in shown.events]
    assert told_of[:2] == [("design b", True), ("design b", False)]
    assert told_of[2:] == [
        ("1 invalid", True),
        ("design a = 4.5", False),
        ("design a = 3", False),
        ("progression Start:forest:level_1", False),
        ("user", False),
    ]
    assert "/event_id" in shown.events[0].why
    assert f"{__file__}:" in shown.events[2].why
    assert shown.facts[0].startswith("session active, 0:0")
    assert shown.facts[1] == "attempt forest:level_1"
    assert shown.facts[2].startswith("gameanalytics: ")
    assert shown.troubles == ["lost: 1 invalid, 1 rejected"]


def test_the_connection(rig: Rig) -> None:
    """A destination that does not answer is named, until it does."""
    rig.start()
    sight = rig.overlay._sight
    rig.world.transport._answers[0] = Reply(None, error="refused")
    rig.tracker.design("a")
    rig.tracker.flush().wait(0.5)
    rig.tracker.tick()
    assert sight.look().troubles[0].startswith("gameanalytics: ")
    rig.world.transport._answers[0] = rig.world._answer
    rig.tracker.flush().wait(0.5)
    rig.tracker.tick()
    assert sight.look().troubles == []
    assert sight.look().facts[2] == "gameanalytics: 2 sent, 0 wait"


def test_what_it_keeps_is_bounded(rig: Rig) -> None:
    """Thousands of events and frames; each is cut to what can be seen."""
    rig.open()
    for number in range(3000):
        rig.tracker.design(f"n{number % 7}", number)
    for _ in range(KEPT_FRAMES + 50):
        rig.world.clock.advance(0.01)
        pygame.display.flip()
    rig.world.play(rig.tracker)
    assert len(rig.overlay._sight.look().events) == KEPT_EVENTS
    assert len(rig.overlay._frames) == KEPT_FRAMES


@pytest.mark.parametrize("odd", ["\x00", "\x1b[31m", "\ud800", "\u202egold", "\U000e0041", "ö" * 5000, "😀" * 400, ""])
def test_any_text_can_be_drawn(odd: str) -> None:
    """What cannot be seen or turns others around is written out, what is long is cut."""
    line = told({"category": "design", "event_id": odd, "value": 1})
    assert line.isprintable()
    assert len(line) < 3100
    pygame.font.quit()
    shown = OverlayFacts([line], [line], [ConfigLine(plain(odd), plain(odd))], [EventLine("1", line, line)])
    OverlayPanel((320, 480)).draw(shown, Look((0.01, 2.0), "", 0, "f9"))
    assert not pygame.font.get_init()


def test_facts_are_read_a_few_times_a_second(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The panel's picture is drawn as often, not with each frame."""
    rig.open()
    looks: list[int] = []
    look = Sight.look

    def counted(sight: Sight) -> OverlayFacts:
        looks.append(1)
        return look(sight)

    monkeypatch.setattr(Sight, "look", counted)
    for _ in range(100):
        rig.world.clock.advance(0.01)
        assert rig.flip()
    assert len(looks) == pytest.approx(1.0 / REFRESH_SECONDS, abs=1)


# --- who has it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("knobs", "has"),
    [
        ({}, False),
        ({"collector": "http://127.0.0.1:9"}, True),
        ({"collector": "http://127.0.0.1:9", "overlay": False}, False),
        ({"overlay": True}, True),
        ({"overlay": True, "hook": False}, False),
    ],
)
def test_a_game_in_development_has_it(world: World, knobs: dict[str, Any], has: bool) -> None:
    """From source and with a collector, or as the knob says."""
    tracker: Any = world.start(**knobs)
    assert (tracker._running._hook.guest is not None) is has


def test_a_game_for_players_has_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever collector a built program sends to."""
    monkeypatch.setattr("ga_pygame.program.is_built", lambda: True)
    tracker: Any = world.start(collector="http://127.0.0.1:9")
    assert tracker._running._hook.guest is None
