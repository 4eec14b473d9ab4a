"""The ready-made question for consent: how it looks, and how it is answered."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pygame
import pytest

from ga_pygame.areas.consent import Consent, ConsentAnswer, ConsentState
from ga_pygame.areas.consent_screen import MIN_FONT, ConsentScreen, ConsentWords
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.lettering import wrapped

SIZES = [(320, 180), (320, 240), (640, 360), (800, 600), (480, 854), (1920, 1080), (3840, 2160)]
LONG = ConsentWords(
    title="Dürfen wir anonyme Spieldaten senden, um das Spiel zu verbessern?",
    text="Wir senden, wie das Spiel gespielt wird, wie gut es läuft und welche Fehler auftreten. " * 3,
    yes="Ja, das ist in Ordnung für mich",
    no="Nein, bitte nichts senden",
)
KEY = pygame.KEYDOWN


@pytest.fixture(autouse=True)
def window() -> Iterator[None]:
    """Leave pygame as it was found."""
    yield
    pygame.quit()


def opened(size: tuple[int, int]) -> pygame.Surface:
    pygame.display.init()
    return pygame.display.set_mode(size)


def consent(state: ConsentState = ConsentState.UNKNOWN) -> tuple[Consent, list[ConsentState]]:
    """Return an area, and the answers that it tells."""
    answer = ConsentAnswer(is_required=True)
    told: list[ConsentState] = []
    answer.state = state
    return Consent(answer, told.append, Diagnostics()), told


def key(code: int, mod: int = 0) -> pygame.event.Event:
    return pygame.event.Event(KEY, key=code, mod=mod)


def click(pos: tuple[int, int], up: tuple[int, int] | None = None, button: int = 1) -> list[pygame.event.Event]:
    return [
        pygame.event.Event(pygame.MOUSEBUTTONDOWN, pos=pos, button=button),
        pygame.event.Event(pygame.MOUSEBUTTONUP, pos=up or pos, button=button),
    ]


@pytest.mark.parametrize("words", [ConsentWords(), LONG], ids=["default", "long"])
@pytest.mark.parametrize("size", SIZES)
def test_all_of_it_is_on_the_screen(size: tuple[int, int], words: ConsentWords) -> None:
    """Nothing is cut off or overlaps, the buttons are equal, and each has room for its words."""
    screen = opened(size)
    layout = ConsentScreen(screen, words)._layout
    buttons = [area for area, _ in layout.buttons]
    parts = [picture.get_rect(topleft=place) for picture, place in layout.lines] + buttons
    whole = screen.get_rect()
    assert all(whole.contains(part) for part in parts), (size, parts)
    assert all(not one.colliderect(other) for one, other in itertools.combinations(parts, 2))
    assert buttons[0].size == buttons[1].size
    assert all(area.w >= caption.get_width() and area.h >= caption.get_height() for area, caption in layout.buttons)
    if size[1] >= 600:
        assert min(picture.get_height() for picture, _ in layout.lines if picture.get_width() > 1) > MIN_FONT * 1.5


@pytest.mark.parametrize("size", [(320, 180), (180, 320), (640, 360)])
def test_a_text_without_room_leaves_the_buttons(size: tuple[int, int]) -> None:
    """A policy of ten thousand characters is cut, so that the player sees what they can answer."""
    screen = opened(size)
    layout = ConsentScreen(screen, ConsentWords(title="Title " * 50, text="word " * 2000))._layout
    parts = [picture.get_rect(topleft=place) for picture, place in layout.lines] + [area for area, _ in layout.buttons]
    assert all(screen.get_rect().contains(part) for part in parts)
    assert all(not one.colliderect(other) for one, other in itertools.combinations(parts, 2))


def test_a_text_with_characters_that_no_font_draws() -> None:
    """They are spaces: a NUL in a text that was read from a file kept the game from asking at all."""
    area, _ = consent()
    screen = opened((320, 180))
    pygame.event.post(key(TAB))
    pygame.event.post(key(ENTER))
    words = ConsentWords(title="Nul\0", text="half \ud800 pair\x1b\n\ttab \U0001f600 \u200f", yes="\0Yes", no="No\r")
    assert area.ask(screen, words) is ConsentState.GRANTED


RIGHT, LEFT, TAB, ENTER, SPACE = pygame.K_RIGHT, pygame.K_LEFT, pygame.K_TAB, pygame.K_RETURN, pygame.K_SPACE
HAT, AXIS, PAD = pygame.JOYHATMOTION, pygame.JOYAXISMOTION, pygame.JOYBUTTONDOWN


def pad(kind: int, **fields: Any) -> pygame.event.Event:
    return pygame.event.Event(kind, {"instance_id": 0, "joy": 0, "hat": 0, "axis": 0, **fields})


@pytest.mark.parametrize(
    ("events", "answer"),
    [
        ([key(ENTER)], None),  # nothing has the focus yet
        ([key(pygame.K_ESCAPE), key(pygame.K_y), key(pygame.K_n)], None),
        ([key(TAB), key(ENTER)], True),
        ([key(TAB), key(TAB), key(SPACE)], False),
        ([key(TAB, pygame.KMOD_SHIFT), key(ENTER)], False),
        ([key(RIGHT), key(RIGHT), key(RIGHT), key(pygame.K_KP_ENTER)], True),
        ([key(LEFT), key(ENTER)], False),
        ([pad(PAD, button=0)], None),
        ([pad(HAT, value=(1, 0)), pad(HAT, value=(0, 0)), pad(PAD, button=0)], True),
        ([pad(HAT, value=(0, 1)), pad(PAD, button=0)], False),
        ([pad(HAT, value=(1, 0)), pad(PAD, button=1)], None),
        ([pad(AXIS, value=0.3), pad(PAD, button=0)], None),
        ([pad(AXIS, value=0.9), pad(AXIS, value=0.95), pad(AXIS, value=0.1), pad(PAD, button=0)], True),
        ([pad(AXIS, value=0.9), pad(AXIS, value=0.0), pad(AXIS, value=0.9), pad(PAD, button=0)], False),
    ],
)
def test_keys_and_gamepads(events: list[pygame.event.Event], answer: bool | None) -> None:
    """Only a button that the player has moved to is chosen, so nobody agrees by accident."""
    screen = ConsentScreen(opened((320, 180)), ConsentWords())
    *first, last = [screen.take(event) for event in events]
    assert first == [None] * len(first)
    assert last is answer


def test_the_mouse() -> None:
    """A click is a press and a release of the left button on the same button of the question."""
    screen = ConsentScreen(opened((640, 360)), ConsentWords())
    yes, no = (area.center for area, _ in screen._layout.buttons)
    for events in (click(yes, up=no), click(yes, button=3), click((1, 1)), click((1, 1), up=yes), click(yes)[:1]):
        assert [screen.take(event) for event in events][-1] is None
    assert [screen.take(event) for event in click(no)] == [None, False]
    assert [screen.take(event) for event in click(yes)] == [None, True]
    assert screen.take(pygame.event.Event(pygame.MOUSEMOTION, pos=no)) is None
    assert screen.take(key(ENTER)) is False


@pytest.mark.parametrize("yes", [True, False])
def test_asking_in_a_window(yes: bool) -> None:
    """The answer is told once; the window is as before; a second call asks only if it must."""
    screen = opened((320, 180))
    screen.fill((200, 10, 10))
    screen.set_clip((5, 5, 20, 20))
    pygame.mouse.set_visible(False)
    area, told = consent()
    for event in [key(TAB), *([] if yes else [key(TAB)]), key(ENTER)]:
        pygame.event.post(event)
    assert area.ask(screen) is (ConsentState.GRANTED if yes else ConsentState.DENIED)
    assert told == [area.state]
    assert screen.get_at((100, 100))[:3] == (200, 10, 10)
    assert screen.get_clip() == pygame.Rect(5, 5, 20, 20)
    assert not pygame.mouse.get_visible()
    assert (pygame.font.get_init(), pygame.joystick.get_init()) == (False, False)
    assert area.ask(screen) is told[0]
    for event in [*([key(TAB)] if yes else []), key(TAB), key(ENTER)]:
        pygame.event.post(event)
    assert area.ask(screen, again=True) is (ConsentState.DENIED if yes else ConsentState.GRANTED)
    assert len(told) == 2


def test_a_window_that_is_closed_is_no_answer() -> None:
    """The state stays unknown, and the game gets the event."""
    screen = opened((320, 180))
    area, told = consent()
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    assert area.ask(screen) is ConsentState.UNKNOWN
    assert told == []
    assert pygame.event.get(pygame.QUIT)


@pytest.mark.parametrize(
    ("arguments", "named", "said"),
    [
        ((None,), {}, "must be the surface"),
        (("other",), {}, "must be the surface"),
        (("window", "Yes?"), {}, "must be ConsentWords"),
        (("window", ConsentWords(yes=" ")), {}, "must be ConsentWords"),
    ],
)
def test_wrong_calls(arguments: tuple[Any, ...], named: Any, said: str, caplog: pytest.LogCaptureFixture) -> None:
    """They say which argument is wrong, ask nothing and change nothing."""
    screen = opened((320, 180))
    surfaces = {"window": screen, "other": pygame.Surface((320, 180))}
    area, told = consent()
    assert area.ask(*(surfaces.get(one, one) for one in arguments), **named) is ConsentState.UNKNOWN
    assert told == []
    assert f"not asked: {'screen' if 'surface' in said else 'words'} (" in caplog.text
    assert said in caplog.text
    assert "Please report" not in caplog.text


def test_lines_are_broken_between_words() -> None:
    """And within a word that is wider than a line."""
    pygame.font.init()
    font = pygame.font.Font(None, 20)
    width = font.size("wwwww")[0]
    lines = wrapped(font, "a bb wwwwwwwwwwww c", width)
    assert all(font.size(line)[0] <= width for line in lines)
    assert "".join(lines).replace(" ", "") == "abbwwwwwwwwwwwwc"
    assert lines[0] == "a bb"
