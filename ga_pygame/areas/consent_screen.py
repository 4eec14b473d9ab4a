"""The ready-made question for the player's consent: drawn with pygame, answered by keyboard, mouse or gamepad."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pygame

from ga_pygame.checks import InvalidEvent
from ga_pygame.lettering import BACKGROUND, BUTTON, CARD, FOCUS, TEXT_COLOUR, wrapped
from ga_pygame.window_kind import is_of_opengl

_OURS = "ours"
MIN_FONT, MAX_FONT = 10, 40
"""The sizes of the text, in pixels. It is the largest with which all of it fits."""
FRAMES_PER_SECOND = 30
AXIS_IS_PUSHED = 0.6
"""From here on a gamepad's stick counts as pushed, of 1."""

_NEXT_KEYS = frozenset({pygame.K_TAB, pygame.K_RIGHT, pygame.K_DOWN})
_PREVIOUS_KEYS = frozenset({pygame.K_LEFT, pygame.K_UP})
_CHOOSING_KEYS = frozenset({pygame.K_RETURN, pygame.K_KP_ENTER, pygame.K_SPACE})


class ConsentWords(NamedTuple):
    """The texts of the question; lines of `text` are wrapped, a line break in it begins a new paragraph.

    Attributes:
        title: The heading.
        text: What is recorded, by whom, and what for.
        yes: The button that agrees.
        no: The button that does not; it is as large and as easy to reach as the other one.
    """

    title: str = "May this game send play data?"
    text: str = (
        "It would send how the game is played (levels, time, purchases), how well it runs and its errors, with a random"
        " number in the place of your name.\nThe developers use it to make the game better. The game is the same with"
        " either answer, and you can change it later."
    )
    yes: str = "Yes, send"
    no: str = "No, do not send"


_NO_LETTERS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]")
"""Characters that a font refuses to draw (NUL, half a surrogate pair) or that mean nothing on the screen."""


class _Layout(NamedTuple):
    """Where everything is, for one size of the screen; `is_whole` says whether all of the text has room."""

    lines: list[tuple[pygame.Surface, tuple[int, int]]]
    card: pygame.Rect
    buttons: list[tuple[pygame.Rect, pygame.Surface]]
    is_whole: bool


def ask_on(screen: Any, words: Any) -> bool | None:
    """Ask on a window; return the answer, `None` if there is none.

    Raises:
        InvalidEvent: There is no such window, or the words are none.
    """
    window = pygame.display.get_surface() if pygame.display.get_init() else None
    if window is None or screen is not window:
        rule = "must be the surface that pygame.display.set_mode() returned"
        raise InvalidEvent("screen", screen, rule, _OURS, "wrong_type", private=True)
    if is_of_opengl():
        rule = "must not be of an OPENGL window, which shows nothing that pygame draws: ask with a screen of your own"
        raise InvalidEvent("screen", screen, rule, _OURS, "wrong_type", private=True)
    known: Any = ConsentWords() if words is None else words
    if not isinstance(known, ConsentWords) or not all(type(text) is str and text.strip() for text in known):
        rule = "must be ConsentWords(title=…, text=…, yes=…, no=…) of texts that are not empty"
        raise InvalidEvent("words", words, rule, _OURS, "wrong_type", private=True)
    return ConsentScreen(window, ConsentWords(*(_NO_LETTERS.sub(" ", text) for text in known))).run()


class ConsentScreen:
    """The question on a screen. No button has the focus at first, so that nobody agrees by accident.

    Args:
        screen: The window's surface.
        words: The texts.
    """

    def __init__(self, screen: pygame.Surface, words: ConsentWords) -> None:
        self._screen = screen
        self._words = words
        self._focus: int | None = None
        self._pressed: int | None = None
        self._is_pushed = False
        self._layout = _layout(screen.get_size(), words)

    def run(self) -> bool | None:
        """Show the question until it is answered; `None` if the player closes the window instead.

        The game gets the event that closes the window; others of this time it does not get.
        """
        clock = pygame.time.Clock()
        with _borrowed(self._screen):
            while True:
                for event in pygame.event.get():
                    if event.type == pygame.QUIT:
                        pygame.event.post(event)
                        return None
                    answer = self.take(event)
                    if answer is not None:
                        return answer
                self.draw()
                pygame.display.flip()
                clock.tick(FRAMES_PER_SECOND)

    def take(self, event: pygame.event.Event) -> bool | None:
        """Take an event; return the answer if it gives one."""
        chosen = None
        if event.type == pygame.KEYDOWN:
            chosen = self._by_key(event)
        elif event.type == pygame.JOYBUTTONDOWN and event.button == 0:
            chosen = self._focus
        elif event.type == pygame.JOYHATMOTION and any(event.value):
            self._move(1 if event.value[0] > 0 or event.value[1] < 0 else -1)
        elif event.type == pygame.JOYAXISMOTION:
            pushed = abs(event.value) >= AXIS_IS_PUSHED
            if pushed and not self._is_pushed:
                self._move(1 if event.value > 0 else -1)
            self._is_pushed = pushed
        elif event.type in (pygame.MOUSEMOTION, pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
            chosen = self._by_mouse(event)
        return None if chosen is None else chosen == 0

    def _by_key(self, event: pygame.event.Event) -> int | None:
        if event.key in _CHOOSING_KEYS:
            return self._focus
        backwards = event.key == pygame.K_TAB and event.mod & pygame.KMOD_SHIFT
        if event.key in _PREVIOUS_KEYS or backwards:
            self._move(-1)
        elif event.key in _NEXT_KEYS:
            self._move(1)
        return None

    def _by_mouse(self, event: pygame.event.Event) -> int | None:
        over = next((at for at, (area, _) in enumerate(self._layout.buttons) if area.collidepoint(event.pos)), None)
        if event.type == pygame.MOUSEMOTION:
            self._focus = over if over is not None else self._focus
        elif event.button != 1:
            return None
        elif event.type == pygame.MOUSEBUTTONDOWN:
            self._focus = self._pressed = over
        elif over is not None and over == self._pressed:
            return over
        return None

    def _move(self, by: int) -> None:
        if self._focus is None:
            self._focus = 0 if by > 0 else 1
        else:
            self._focus = (self._focus + by) % 2

    def draw(self) -> None:
        """Draw the question."""
        layout, screen = self._layout, self._screen
        screen.fill(BACKGROUND)
        pygame.draw.rect(screen, CARD, layout.card, border_radius=6)
        for picture, place in layout.lines:
            screen.blit(picture, place)
        for at, (area, picture) in enumerate(layout.buttons):
            pygame.draw.rect(screen, BUTTON, area, border_radius=6)
            if at == self._focus:
                pygame.draw.rect(screen, FOCUS, area, width=max(2, area.height // 12), border_radius=6)
            screen.blit(picture, picture.get_rect(center=area.center))


@contextlib.contextmanager
def _borrowed(screen: pygame.Surface) -> Iterator[None]:
    """Lend the window, and give it back as it was: its picture, its clip, the mouse, the gamepads."""
    picture, clip = screen.copy(), screen.get_clip()
    was_visible = bool(pygame.mouse.set_visible(True))
    had_font, had_joysticks = pygame.font.get_init(), pygame.joystick.get_init()
    pygame.font.init()
    pygame.joystick.init()
    # Kept, since a gamepad sends events only as long as its object lives.
    gamepads = [pygame.joystick.Joystick(number) for number in range(pygame.joystick.get_count())]
    screen.set_clip(None)
    try:
        yield
    finally:
        if pygame.display.get_init() and pygame.display.get_surface() is screen:
            screen.blit(picture, (0, 0))
            screen.set_clip(clip)
            pygame.display.flip()
            pygame.mouse.set_visible(was_visible)
        gamepads.clear()
        if not had_joysticks:
            pygame.joystick.quit()
        if not had_font:
            pygame.font.quit()


def _layout(size: tuple[int, int], words: ConsentWords) -> _Layout:
    """Place everything with the largest text that fits; with the smallest one if none does."""
    had_font = pygame.font.get_init()
    pygame.font.init()
    try:
        for height in range(min(MAX_FONT, max(MIN_FONT, size[1] // 12)), MIN_FONT - 1, -1):
            layout = _placed(size, words, height)
            captions = [caption.get_width() + height // 2 <= area.width for area, caption in layout.buttons]
            if layout.is_whole and all(captions):
                break
        return layout
    finally:
        if not had_font:
            pygame.font.quit()


def _placed(size: tuple[int, int], words: ConsentWords, height: int) -> _Layout:
    """Place everything with a text of so many pixels. Lines that have no room above the buttons are left out."""
    width = min(size[0] - 2, max(300, size[0] * 2 // 3), height * 34)
    margin = max(4, height * 2 // 3)
    inner = width - 2 * margin
    font, title_font = pygame.font.Font(None, height), pygame.font.Font(None, height * 4 // 3)
    rows = [title_font.render(line, True, TEXT_COLOUR) for line in wrapped(title_font, words.title, inner)]
    rows.append(pygame.Surface((1, height // 3), pygame.SRCALPHA))
    for paragraph in words.text.split("\n"):
        rows += [font.render(line, True, TEXT_COLOUR) for line in wrapped(font, paragraph, inner)]
        rows.append(pygame.Surface((1, height // 3), pygame.SRCALPHA))
    captions = [font.render(text, True, TEXT_COLOUR) for text in (words.yes, words.no)]
    # Both are as large as the larger one needs: equal buttons, side by side or one above the other.
    button = max(caption.get_width() for caption in captions) + 2 * margin, captions[0].get_height() + margin
    beside = 2 * button[0] + margin <= inner
    button = ((inner - margin) // 2, button[1]) if beside else (inner, button[1])
    lower = button[1] if beside else 2 * button[1] + margin
    room = size[1] - 2 * margin - lower
    wanted = len(rows)
    while rows and sum(row.get_height() for row in rows) > room:
        rows.pop()
    total = 2 * margin + sum(row.get_height() for row in rows) + lower
    left, top = (size[0] - width) // 2, max(0, (size[1] - total) // 2)
    y = top + margin
    lines = []
    for row in rows:
        lines.append((row, (left + margin, y)))
        y += row.get_height()
    areas = [
        pygame.Rect(left + margin + (at * (button[0] + margin) if beside else 0), y, *button).move(
            0, 0 if beside else at * (button[1] + margin)
        )
        for at in range(2)
    ]
    card = pygame.Rect(left, top, width, total)
    is_whole = len(rows) == wanted and card.bottom <= size[1]
    return _Layout(lines, card, list(zip(areas, captions, strict=True)), is_whole)
