"""The overlay on the dummy driver: what it shows, what it takes from the game, and what it leaves to it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pygame
import pytest

import ga_pygame
from ga_pygame.config import load, wants_overlay
from ga_pygame.delivery.outbox.failover import FailoverOutbox
from ga_pygame.diagnostics import Drop
from ga_pygame.lettering import BACKGROUND
from ga_pygame.overlay.dials import Dials
from ga_pygame.overlay.latest import KEPT_EVENTS, LatestEvents
from ga_pygame.overlay.overlay import Overlay
from ga_pygame.overlay.panel import Act, panel_width
from ga_pygame.overlay.sight import look_at
from ga_pygame.protocol import Answered, Destination, Outcome, Reply, Request, StoredRecord, Verdict
from ga_pygame.remote_configs import ConfigsInForce
from ga_pygame.testing import FrameRunner, ManualClock, Parts, tracker_of
from ga_pygame.tracker import Tracker

DOWN, UP, PRESS, RELEASE, MOTION = (
    pygame.KEYDOWN,
    pygame.KEYUP,
    pygame.MOUSEBUTTONDOWN,
    pygame.MOUSEBUTTONUP,
    pygame.MOUSEMOTION,
)
HOSTILE = "\x1b[31m\x00\u202eabc\ud800\r\n<b>" + "x" * 5000
FRAME = 1 / 60


@dataclass
class Balance:
    """What the game reads."""

    speed: float = ga_pygame.tunable(100.0, least=0, most=200)
    lives: int = ga_pygame.tunable(3, least=1, most=9)
    is_hard: bool = False
    title: str = "forest"


class Picky(Destination):
    """A destination that refuses events whose JSON has a word."""

    name = "picky"
    is_local = True

    def __init__(self) -> None:
        self.transport = self
        self.status: int | None = 200
        self.events: list[dict[str, Any]] = []

    def open(self, *_: object) -> None:
        pass

    def encode(self, records: Sequence[StoredRecord]) -> Request:
        return Request("http://127.0.0.1/events", b"", headers={})

    def send(self, _request: Request) -> Answered:
        return Answered(Reply(self.status, error="" if self.status else "nobody is there"))

    def judge(self, reply: Reply, records: Sequence[StoredRecord]) -> Sequence[Verdict]:
        self.events += [json.loads(one.json(None)) for one in records]
        if reply.status is None:
            return [Verdict(Outcome.RETRY)] * len(records)
        return [
            Verdict(Outcome.DROPPED, Drop.REJECTED, "event_id: too bad")
            if b"bad" in one.payload
            else Verdict(Outcome.DELIVERED)
            for one in records
        ]

    def close(self) -> None:
        pass


class Rig:
    """A game with a tracker and its overlay; what the window shows is kept at each flip."""

    def __init__(self, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch, flags: int = 0, **knobs: Any) -> None:
        self.shown: list[pygame.Surface] = []
        self.fails = False
        self.updates: list[tuple[Any, ...]] = []
        pygame.display.init()
        self.screen = pygame.display.set_mode(size, flags)
        monkeypatch.setattr(pygame.display, "flip", self._flip)
        monkeypatch.setattr(pygame.display, "update", self._update)
        self.clock = ManualClock()
        self.target = Picky()
        parts = Parts(
            clock=lambda: self.clock,
            chance=lambda: 1.0,  # the first backoff is 1 s
            runner=FrameRunner,
            outbox=lambda path, *others, **named: FailoverOutbox(None, *others, **named),
        )
        own: dict[str, Any] = {"overlay": True, "journal": False, "upload_interval": 0.05, **knobs}
        self.tracker: Tracker = tracker_of(parts, destinations=[self.target], **own)
        self.tracker.start()
        pygame.event.get()
        self.paint()

    def _flip(self) -> None:
        self.shown.append(self.screen.copy())
        if self.fails:
            raise pygame.error("lost")

    def _update(self, *areas: Any) -> None:
        self.updates.append(areas)
        self.shown.append(self.screen.copy())

    @property
    def overlay(self) -> Overlay:
        view = self.tracker._running._view  # type: ignore[union-attr]  # it runs
        assert view is not None
        return view.overlay

    def paint(self) -> bytes:
        """Draw a picture of the game; return its bytes."""
        noise = random.Random(4).randbytes(self.screen.get_width() * 4)
        pixels = self.screen.get_buffer()
        pixels.write(noise * self.screen.get_height(), 0)
        return bytes(pixels.raw)

    def frames(self, count: int = 8) -> None:
        for _ in range(count):
            self.clock.advance(FRAME)
            pygame.event.get()
            pygame.display.flip()

    def send(self, kind: int, **values: Any) -> list[int]:
        """Post an event, and return the types that the game gets."""
        pygame.event.post(pygame.event.Event(kind, values))
        return [one.type for one in pygame.event.get()]

    def key(self, key: int, mod: int = 0, text: str = "") -> list[int]:
        return self.send(DOWN, key=key, mod=mod, unicode=text) + self.send(UP, key=key, mod=mod)

    def open(self) -> None:
        assert self.key(pygame.K_F9) == []
        self.frames(1)

    def place(self, act: Act, share: float = 0.5) -> tuple[int, int]:
        """Return a place in the window where a click does this."""
        acts = self.overlay._acts
        area = next(one.area for one in acts.hits if one.act == act)
        return acts.area.x + area.x + round(share * (area.width - 1)), acts.area.y + area.centery

    def click(self, act: Act, share: float = 0.5) -> list[int]:
        pos = self.place(act, share)
        got = self.send(PRESS, button=1, pos=pos) + self.send(RELEASE, button=1, pos=pos)
        self.frames(8)
        return got


MakeRig = Callable[..., Rig]


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeRig]:
    """Return a function that makes games: `rig((320, 180), strict=True)`."""
    made: list[Rig] = []

    def make(size: tuple[int, int] = (640, 360), **knobs: Any) -> Rig:
        made.append(Rig(size, monkeypatch, **knobs))
        return made[-1]

    yield make
    for one in made:
        one.tracker.close()
    pygame.quit()


@pytest.mark.parametrize(
    ("size", "flags"),
    [
        ((1, 1), 0),
        ((50, 20), pygame.NOFRAME),
        ((320, 180), 0),
        ((320, 180), pygame.SCALED),
        ((640, 360), pygame.RESIZABLE),
        ((480, 854), pygame.FULLSCREEN),
        ((3840, 2160), 0),
    ],
)
@pytest.mark.filterwarnings("ignore:no fast renderer")
def test_the_games_picture_is_not_touched(rig: MakeRig, size: tuple[int, int], flags: int) -> None:
    """During the flip the window shows the panel; before and after it the game's surface has the same bytes."""
    game = rig(size, flags=flags)
    size = game.screen.get_size()  # of the whole screen with FULLSCREEN
    before = game.paint()
    clip = pygame.Rect(0, 0, 1, 1)
    game.screen.set_clip(clip)
    game.frames(1)
    assert bytes(game.shown[-1].get_buffer().raw) == before
    game.open()
    shown = game.shown[-1]
    panel = pygame.Rect(size[0] - panel_width(size), 0, panel_width(size), size[1])
    assert bytes(game.screen.get_buffer().raw) == before
    assert bytes(shown.get_buffer().raw) != before
    beside = pygame.Rect(0, 0, panel.x, size[1])
    if beside.width:
        both = [pygame.image.tobytes(one.subsurface(beside), "RGB") for one in (shown, game.screen)]
        assert both[0] == both[1]
    if size[1] > 100:
        assert shown.get_at((panel.x, size[1] - 1))[:3] == BACKGROUND
    assert game.screen.get_clip() == clip
    game.key(pygame.K_F9)
    game.frames(1)
    assert bytes(game.shown[-1].get_buffer().raw) == before
    assert not game.overlay.is_open


def test_a_locked_surface_and_one_with_a_colour_key(rig: MakeRig) -> None:
    """The game may hold a lock on its window's surface for ever, and set a colour key or alpha on it."""
    game = rig()
    game.screen.set_colorkey((18, 20, 28))
    game.screen.set_alpha(90)
    before = game.paint()
    game.screen.lock()
    game.open()
    assert bytes(game.screen.get_buffer().raw) == before
    game.screen.unlock()
    assert bytes(game.shown[-1].get_buffer().raw) != before
    assert game.screen.get_colorkey() is not None
    assert game.screen.get_alpha() == 90


def test_fonts_are_as_the_game_has_them(rig: MakeRig) -> None:
    """The font module is not left initialised, and the game may quit it while the overlay is open."""
    game = rig()
    assert not pygame.font.get_init()
    game.open()
    assert not pygame.font.get_init()
    pygame.font.init()
    font = pygame.font.Font(None, 20)
    game.tracker.design("ünïcödé".encode("ascii", "ignore").decode())
    game.frames()
    assert font.render("the game's", True, (1, 2, 3)).get_width() > 10
    pygame.font.quit()
    game.tracker.error("info", "Ω новое")
    game.frames()
    assert game.overlay.is_open
    assert not pygame.font.get_init()


def test_the_window_may_change(rig: MakeRig) -> None:
    """The game resizes its window, makes it anew, and quits the display, while the overlay is open."""
    game = rig((640, 360))
    game.open()
    for size in [(200, 120), (800, 600), (64, 48), (640, 360)]:
        game.screen = pygame.display.set_mode(size)
        before = game.paint()
        game.frames(2)
        assert bytes(game.screen.get_buffer().raw) == before
        assert game.overlay._acts.area.height == size[1]
        assert game.overlay._acts.area.right == size[0]
    pygame.display.quit()
    pygame.display.init()
    game.screen = pygame.display.set_mode((300, 200))
    game.frames(2)
    assert game.overlay.is_open


def test_partial_updates_show_the_panel_and_clear_it(rig: MakeRig) -> None:
    """A game that updates rects only also gets the panel's part shown, and after closing what was under it."""
    game = rig((640, 360))
    game.open()
    panel = game.overlay._acts.area.copy()
    game.updates.clear()
    pygame.display.update([pygame.Rect(0, 0, 5, 5)])
    assert game.updates == [([pygame.Rect(0, 0, 5, 5)],), (panel,)]
    game.key(pygame.K_F9)
    game.updates.clear()
    pygame.display.update(pygame.Rect(0, 0, 5, 5))
    pygame.display.update(pygame.Rect(0, 0, 5, 5))
    own = (pygame.Rect(0, 0, 5, 5),)
    assert game.updates == [own, (panel,), own]


def test_a_game_that_shows_nothing_new(rig: MakeRig) -> None:
    """If the game draws only when something changes, the panel is shown when it reads its events."""
    game = rig()
    game.open()
    game.shown.clear()
    before = game.paint()
    for _ in range(10):
        game.clock.advance(0.1)
        pygame.event.get()
    assert 2 <= len(game.shown) <= 5
    assert bytes(game.shown[-1].get_buffer().raw) != before
    assert bytes(game.screen.get_buffer().raw) == before


def test_what_it_takes_from_the_game(rig: MakeRig) -> None:
    """Taken: its key, what begins on the panel, typing. Handed on: all else, and releases of earlier presses."""
    game = rig((640, 360), overlay_key="f3")
    left, on_panel = (5, 5), (635, 355)
    assert game.send(PRESS, button=1, pos=on_panel) == [PRESS]  # it is closed
    assert game.send(DOWN, key=pygame.K_SPACE, mod=0, unicode=" ") == [DOWN]
    assert game.key(pygame.K_F9) == [DOWN, UP]
    assert game.key(pygame.K_F3) == []
    assert game.overlay.is_open
    game.frames()
    assert game.send(UP, key=pygame.K_SPACE, mod=0) == [UP]  # pressed before it opened
    assert game.send(RELEASE, button=1, pos=on_panel) == [RELEASE]
    assert game.key(pygame.K_a, text="a") == [DOWN, UP]
    assert game.send(PRESS, button=1, pos=left) == [PRESS]
    assert game.send(MOTION, pos=on_panel, rel=(1, 1), buttons=(1, 0, 0)) == [MOTION]
    assert game.send(RELEASE, button=1, pos=on_panel) == [RELEASE]  # pressed beside the panel
    assert game.send(PRESS, button=3, pos=on_panel) == []
    assert game.send(RELEASE, button=3, pos=left) == []  # pressed on the panel
    assert game.send(pygame.USEREVENT) == [pygame.USEREVENT]
    assert game.send(DOWN, key=pygame.K_F3, mod=0, unicode="") == []
    assert game.send(DOWN, key=pygame.K_F3, mod=0, unicode="") == []  # it repeats while it is held
    assert game.send(UP, key=pygame.K_F3, mod=0) == []
    assert not game.overlay.is_open
    assert game.send(UP, key=pygame.K_F3, mod=0) == [UP]


def test_poll_and_wait(rig: MakeRig) -> None:
    """`poll` goes on to the next event, `wait` returns no event, so that a game that draws after each one draws."""
    game = rig()
    f9 = {"key": pygame.K_F9, "mod": 0, "unicode": ""}
    for kind in (DOWN, UP):
        pygame.event.post(pygame.event.Event(kind, f9))
    pygame.event.post(pygame.event.Event(pygame.USEREVENT))
    assert pygame.event.poll().type == pygame.USEREVENT
    assert game.overlay.is_open
    pygame.event.post(pygame.event.Event(DOWN, f9))
    shown = len(game.shown)
    assert pygame.event.wait(1000).type == pygame.NOEVENT
    assert len(game.shown) == shown + 1
    assert pygame.event.poll().type == pygame.NOEVENT


def test_odd_events_of_the_game(rig: MakeRig) -> None:
    """A game may post events without attributes, or with others than pygame's; it gets them, and nothing fails."""
    game = rig()
    game.open()
    for kind in (DOWN, UP, PRESS, RELEASE, MOTION, pygame.MOUSEWHEEL):
        assert game.send(kind) == [kind]
    assert game.send(DOWN, key=None, mod=None, unicode=None) == [DOWN]
    assert game.overlay.is_open


def test_sliders_switches_and_texts_change_the_game(rig: MakeRig, caplog: pytest.LogCaptureFixture) -> None:
    """The bound object follows at once, within its bounds; events say so; reset gives the value back."""
    game = rig((960, 540))
    balance = game.tracker.remote_configs.bind(Balance)
    heard: list[float] = []
    game.tracker.remote_configs_updated.connect(lambda: heard.append(balance.speed))
    game.open()
    assert game.click(Act("drag", "speed"), 1.0) == []
    assert (balance.speed, heard[-1]) == (200.0, 200.0)
    start = game.place(Act("drag", "speed"), 1.0)
    game.send(PRESS, button=1, pos=start)
    assert game.send(MOTION, pos=(0, 0), rel=(0, 0), buttons=(1, 0, 0)) == []
    game.frames(8)
    assert balance.speed == 0.0
    game.send(RELEASE, button=1, pos=(0, 0))
    assert game.send(MOTION, pos=start, rel=(0, 0), buttons=(0, 0, 0)) == [MOTION]
    game.click(Act("drag", "lives"), 0.5)
    assert (balance.lives, type(balance.lives)) == (5, int)
    game.click(Act("switch", "is_hard"))
    assert balance.is_hard is True
    game.click(Act("edit", "title"))
    for letter in "ü 1":
        assert game.key(ord(letter), text=letter) == []
    assert game.key(pygame.K_BACKSPACE) == []
    assert game.key(pygame.K_RETURN, text="\r") == []
    assert balance.title == "forestü "
    game.tracker.design("changed")
    values = dict(game.tracker.remote_configs.values)
    assert values == {"speed": "0.0", "lives": "5", "is_hard": "true", "title": "forestü "}
    game.frames(8)
    game.click(Act("reset", "speed"))
    assert (balance.speed, heard[-1]) == (100.0, 100.0)
    game.click(Act("edit", "lives"))
    game.key(pygame.K_0, text="0")  # 50 is out of bounds
    game.key(pygame.K_RETURN)
    game.frames(8)
    assert balance.lives == 3
    assert "from 1 to 9" in caplog.text


def test_by_keyboard_alone(rig: MakeRig) -> None:
    """A game may hide the mouse: while the key is held, arrows choose and set; else all keys are the game's."""
    game = rig((960, 540))
    balance = game.tracker.remote_configs.bind(Balance)
    game.open()
    assert game.key(pygame.K_DOWN) == [DOWN, UP]
    held = {"key": pygame.K_F9, "mod": 0, "unicode": ""}
    assert game.send(DOWN, **held) == []
    assert game.key(pygame.K_RIGHT) == [DOWN, UP]  # nothing is chosen
    assert game.key(pygame.K_a) == [DOWN, UP]
    assert game.key(pygame.K_DOWN) == []
    assert game.send(DOWN, **held) == []  # it repeats
    assert game.key(pygame.K_RIGHT) == []
    assert balance.speed == 102.0  # a hundredth of 200
    game.frames(8)
    assert game.key(pygame.K_DOWN) == []
    assert game.key(pygame.K_LEFT) == []
    assert balance.lives == 2
    game.frames(8)
    assert game.key(pygame.K_DELETE) == []
    assert balance.lives == 3
    game.key(pygame.K_UP)
    game.key(pygame.K_RETURN)
    assert game.send(UP, **held) == []
    assert game.overlay.is_open  # another key was pressed meanwhile
    game.key(pygame.K_BACKSPACE)
    assert game.key(pygame.K_ESCAPE) == []
    assert balance.speed == 102.0
    assert game.key(pygame.K_ESCAPE) == [DOWN, UP]  # nothing is typed any more
    assert game.key(pygame.K_F9) == []
    assert not game.overlay.is_open


def test_copy_as_json(rig: MakeRig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """All values go to the clipboard; without one they are logged."""
    game = rig((960, 540))
    game.tracker.remote_configs.bind(Balance)
    game.tracker.remote_configs.get("waves", 7)
    game.open()
    copied: list[str] = []
    monkeypatch.setattr(pygame.scrap, "put_text", copied.append)
    game.click(Act("copy"))
    values = {"speed": 100.0, "lives": 3, "is_hard": False, "title": "forest", "waves": 7}
    assert json.loads(copied[0]) == values

    def fail(_text: str) -> None:
        raise pygame.error("no clipboard")

    monkeypatch.setattr(pygame.scrap, "put_text", fail)
    game.click(Act("copy"))
    assert json.loads(caplog.messages[-1].partition(": ")[2]) == values


def test_configs_that_are_not_bound() -> None:
    """A number, a flag and a text of the service, and those that the game asked for, get a fitting dial."""
    configs = ConfigsInForce(lambda *_: None)
    configs.asked = {"waves": 7, "name": "a", "Odd": 1}
    answer = [
        {"key": "speed", "value": "12.5"},
        {"key": "hard", "value": "TRUE"},
        {"key": "odd", "value": "x"},
        {"key": "shop", "value": {"price": 3}},
        {"key": "nan", "value": "NaN"},
    ]
    configs.update({"configs": answer}, 1.0)
    dials = {one.key: one for one in Dials(configs, lambda *_: None).all()}
    found = {key: (one.kind.value, one.value, one.least, one.most) for key, one in dials.items()}
    assert found == {
        "waves": ("slider", 7, 0, 14),
        "name": ("text", "a", 0.0, 1.0),
        "Odd": ("slider", 1, 0, 2),  # its value is no number: the game has the default
        "speed": ("slider", 12.5, 0, 25.0),
        "hard": ("switch", True, 0.0, 1.0),
        "shop": ("text", '{"price": 3}', 0.0, 1.0),
        "nan": ("text", "NaN", 0.0, 1.0),
    }
    assert (dials["waves"].at(0.5), dials["speed"].at(2.0)) == ("7", "25.0")
    assert dials["speed"].at(0.333) == "8.33"  # of 8.325 three digits


def test_numbers_for_which_there_is_no_slider(rig: MakeRig, caplog: pytest.LogCaptureFixture) -> None:
    """So large, or of so many digits, that they cannot be placed between two ends: they are shown as text."""
    game = rig(strict=False)
    configs = game.tracker._said.configs
    huge = ("1e308", "-1e308", "9" * 400, "1e16", "-" + "9" * 400)
    configs.update({"configs": [{"key": f"n{number}", "value": text} for number, text in enumerate(huge)]}, 1.0)
    for number, default in enumerate((1, 1.5, 1e308, 10**400, 10**5000, float("nan"))):
        game.tracker.remote_configs.get(f"n{number}", default)
    game.open()
    game.frames()
    kinds = {one.key: one.kind.value for one in game.overlay._acts.shown}
    assert kinds["n0"] == kinds["n2"] == kinds["n4"] == kinds["n5"] == "text"
    assert game.overlay.is_open, caplog.text
    game.click(Act("edit", "n0"))
    assert "Traceback" not in caplog.text


def test_a_text_that_cannot_be_printed_can_be_edited(rig: MakeRig, caplog: pytest.LogCaptureFixture) -> None:
    """A service's value may have any character; one that is no letter is shown as a question mark."""
    game = rig(strict=False)
    game.tracker._said.configs.update({"configs": [{"key": "title", "value": "a\x00b\u202e\t😀"}]}, 1.0)
    game.open()
    game.click(Act("edit", "title"))
    assert game.overlay._acts.editing == "a\x00b\u202e\t😀"
    assert game.overlay.is_open, caplog.text
    game.key(pygame.K_x, text="x")
    game.key(pygame.K_RETURN)
    game.frames()
    assert game.tracker.remote_configs.get("title", "").endswith("😀x")
    assert "Traceback" not in caplog.text


def test_what_is_refused_and_lost_is_told(rig: MakeRig) -> None:
    """Recorded events have their name and number; refused ones the reason of the tracker or of the server."""
    game = rig()
    game.tracker.design("kill:slime", 3, fields={"weapon": "bow"})
    game.tracker.design("kill:slime", 4.5)
    game.tracker.progression.start("forest", "level_1")
    game.tracker.design("bad:one")
    game.tracker.design("no#hash")
    game.target.status = None
    game.frames(40)
    game.target.status = 200
    game.open()
    sources = game.overlay._sources
    told = {(one.text, one.why) for one in sources.latest.newest(50)}
    assert ("design kill:slime value=3 weapon=bow", "") in told
    assert ("design kill:slime value=4.5", "") in told
    assert ("progression Start:forest:level_1", "") in told
    assert not [text for text, why in told if why and "invalid" not in text]
    invalid = next(why for text, why in told if text == "dropped: invalid")
    assert "test_overlay.py" in invalid
    assert "no#hash" in invalid
    assert sources.troubles()["picky"] == "nobody is there"
    assert sources.level() == ("forest", "level_1")
    game.clock.advance(3.0)
    game.frames(60)
    assert ("design bad:one", "picky: event_id: too bad") in {(e.text, e.why) for e in sources.latest.newest(50)}
    assert sources.troubles() == {"picky": ""}
    assert sources.latest.refused == {"picky": 1}


def test_hostile_names_and_many_events(rig: MakeRig) -> None:
    """Control characters, lone surrogates and 5,000 characters are shown as one short line; memory is bounded."""
    game = rig((320, 180), strict=False)
    game.open()
    for number in range(600):
        game.tracker.design(f"event:{number}")
    for text in (HOSTILE, "\u0e01\u0e49" * 40, "日本語" * 99, "👾" * 700):
        game.tracker.error("critical", text)
        game.tracker.design(text)
        game.tracker.remote_configs.get(text, text)
        game.overlay._sources.latest.refuse(text, {"category": text, "event_id": text, "x": [text]}, text)
    game.frames(40)
    events = game.overlay._sources.latest.newest(10**6)
    assert len(events) == KEPT_EVENTS
    assert all(part.isprintable() and len(part) <= 200 for one in events for part in (one.text, one.why))
    assert game.overlay.is_open
    game.send(DOWN, key=pygame.K_F9)
    for _ in range(400):
        game.send(pygame.MOUSEWHEEL, y=-3, x=0)
        game.key(pygame.K_PAGEDOWN)
    game.frames()
    assert game.overlay.is_open
    assert game.overlay._acts.scroll > 100


def test_a_failure_closes_it_and_the_game_goes_on(
    rig: MakeRig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Our defect is said once; the game's pixels are there, and its events and flips go on."""
    game = rig()
    before = game.paint()
    game.open()

    def fail(*_: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(LatestEvents, "newest", fail)
    game.frames(20)
    assert not game.overlay.is_open
    assert bytes(game.screen.get_buffer().raw) == before
    assert bytes(game.shown[-1].get_buffer().raw) == before
    assert caplog.text.count("ga_pygame failed in the overlay") == 1
    assert game.key(pygame.K_F9) == [DOWN, UP]
    assert not game.overlay.is_open


def test_the_games_own_error_in_a_flip(rig: MakeRig) -> None:
    """An exception of pygame's flip reaches the game, and the game's pixels are put back."""
    game = rig()
    before = game.paint()
    game.open()
    game.fails = True
    with pytest.raises(pygame.error, match="lost"):
        pygame.display.flip()
    assert bytes(game.screen.get_buffer().raw) == before
    game.fails = False
    game.frames()
    assert bytes(game.shown[-1].get_buffer().raw) != before


def test_a_window_that_cannot_be_drawn_on(rig: MakeRig, caplog: pytest.LogCaptureFixture) -> None:
    """A game with a `pygame.Window` of its own is told once why there is no overlay."""
    game = rig()
    pygame.display.quit()
    pygame.display.init()
    window = pygame.Window("own", (100, 100))
    pygame.event.get()
    for _ in range(3):
        assert game.key(pygame.K_F9) == []
    assert not game.overlay.is_open
    assert sum("the overlay cannot be drawn" in one for one in caplog.messages) == 1
    window.destroy()


def test_without_the_font_module(rig: MakeRig, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """A distribution of pygame may leave it out; the game starts, and a message says why there is no overlay."""
    monkeypatch.delattr(pygame, "font")
    game = rig()
    assert game.key(pygame.K_F9) == []
    assert not game.overlay.is_open
    assert sum("it needs pygame.font" in one for one in caplog.messages) == 1


def test_events_tell_what_was_set(rig: MakeRig) -> None:
    """Later events have the developer's values, so that nobody takes them for the service's."""
    game = rig((960, 540))
    game.tracker.remote_configs.bind(Balance)
    game.open()
    game.click(Act("drag", "speed"), 1.0)
    game.tracker.design("after")
    game.frames(20)
    told = next(one for one in game.target.events if one.get("event_id") == "after")
    assert told["configurations"] == {"speed": "200.0"}


@pytest.mark.parametrize("is_local", [True, False])
def test_a_collector_is_named(rig: MakeRig, monkeypatch: pytest.MonkeyPatch, is_local: bool) -> None:
    """The panel does not say that a service has what a collector got; a file goes on as it is."""
    monkeypatch.setattr(Picky, "is_local", is_local)
    monkeypatch.setattr(Picky, "redirect", lambda *_: None)
    game = rig(collector="http://127.0.0.1:8420")
    game.open()
    game.frames()
    (shown,) = look_at(game.overlay._sources, 9).destinations
    assert (shown.name, shown.has_collector) == ("picky", not is_local)


def test_without_consent(rig: MakeRig) -> None:
    """The panel says that nothing is sent, and events come when the player agrees."""
    game = rig(consent="ask")
    game.tracker.design("early")
    game.open()
    game.frames()
    assert game.overlay.is_open
    sources = game.overlay._sources
    assert (sources.troubles(), sources.latest.newest(9)) == ({}, [])
    game.tracker.consent.grant()
    game.frames(20)
    assert list(sources.troubles()) == ["picky"]
    assert "design early" in [one.text for one in sources.latest.newest(9)]
    assert sources.session_num(game.tracker.session_id) == 1


def test_an_unknown_key_is_said(rig: MakeRig, caplog: pytest.LogCaptureFixture) -> None:
    """A key that pygame does not know leaves F9, and a message says so."""
    game = rig(overlay_key="f99")
    game.open()
    assert game.overlay.is_open
    assert "'f99'" in caplog.text


def test_the_panel_changes_sides(rig: MakeRig) -> None:
    """A click moves it, so that the other side of the game can be seen."""
    game = rig((960, 540))
    game.open()
    game.click(Act("side"))
    assert game.overlay._acts.area.x == 0
    game.click(Act("close"))
    assert not game.overlay.is_open


@pytest.mark.parametrize(
    ("knobs", "is_built", "expected"),
    [
        ({}, False, False),
        ({"collector": "http://127.0.0.1:1"}, False, True),
        ({"collector": "http://127.0.0.1:1"}, True, False),
        ({"collector": "http://127.0.0.1:1", "overlay": False}, False, False),
        ({"overlay": True}, False, True),
        ({"overlay": True}, True, False),  # not for players, even if a developer forgot the knob
        ({"overlay": True, "hook": False}, False, False),
    ],
)
def test_who_has_it(knobs: dict[str, Any], is_built: bool, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer whose events go to a collector, or who asks for it; never a player of a built game."""
    if is_built:
        monkeypatch.setattr("sys.frozen", True, raising=False)
    assert wants_overlay(load(knobs, {}, lambda *_: None)) is expected


def test_without_an_overlay_nothing_is_in_the_way(rig: MakeRig) -> None:
    """The wrappers call pygame itself, nothing is kept for it, and its modules are not needed."""
    game = rig(overlay=False)
    running: Any = game.tracker._running
    assert running._view is None
    assert running._hook.guest is None
    assert running.delivery._writer.seen is None
    assert game.tracker._said.configs.asked is None
    assert game.key(pygame.K_F9) == [DOWN, UP]
