"""Draws the panel of the overlay: a column at the side of the window, which scrolls if it is higher than that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pygame

from ga_pygame.lettering import BACKGROUND, BUTTON, CARD, FOCUS, TEXT_COLOUR, shown_line
from ga_pygame.overlay.dials import Dial, DialKind
from ga_pygame.overlay.glyphs import Colour, Glyphs
from ga_pygame.overlay.sight import DestinationSight, Sight

MIN_HEIGHT_OF_TEXT, MAX_HEIGHT_OF_TEXT = 11, 40
"""The sizes of the text, in pixels."""
MAX_SHOWN_EVENTS = 60
MAX_WHY_LINES = 3
FRAME_SECONDS = 1 / 60
"""The frame time of the line in the graph."""

_DIM, _GOOD, _BAD = (150, 156, 172), (110, 214, 150), (255, 116, 108)
_MAX_TEXT_CHARACTERS = 300
"""Characters of a text before it is cut to its room."""


class Act(NamedTuple):
    """What a click does.

    Attributes:
        what: "close", "side", "copy", "drag", "switch", "edit" or "reset".
        key: The remote config that it is for.
    """

    what: str
    key: str = ""


class Hit(NamedTuple):
    """A part of the panel that can be clicked, in the panel's pixels."""

    area: pygame.Rect
    act: Act


class Look(NamedTuple):
    """What the developer does with the panel.

    Attributes:
        key_name: The key that closes it.
        frames: The last frame times, in seconds.
        scroll: By how many pixels it is scrolled.
        chosen: The remote config that the keyboard sets; "" for none.
        editing: The text that is typed for it; `None` if none is.
        pointer: Where to draw a pointer, since the game hides the system's; `None` for nowhere.
        said: A short message.
    """

    key_name: str
    frames: Sequence[float] = ()
    scroll: int = 0
    chosen: str = ""
    editing: str | None = None
    pointer: tuple[int, int] | None = None
    said: str = ""


def _of_last_second(frames: Sequence[float]) -> Sequence[float]:
    """Return the last frame times that are a second together."""
    total = 0.0
    for number, seconds in enumerate(reversed(frames)):
        total += seconds
        if total >= 1:
            return frames[-number - 1 :]
    return frames


def text_height(size: tuple[int, int]) -> int:
    """Return the height of the text for a window of this size."""
    return max(MIN_HEIGHT_OF_TEXT, min(MAX_HEIGHT_OF_TEXT, size[1] // 60 + 6))


def panel_width(size: tuple[int, int]) -> int:
    """Return the width of the panel in a window of this size."""
    return min(size[0], max(300, 28 * text_height(size)))


class OverlayPanel:
    """One drawing of the panel.

    Args:
        surface: What to draw on, of the panel's size.
        glyphs: Draws text.
        look: See `Look`.

    Attributes:
        hits: What can be clicked.
        height: The height of all of it, of which the surface shows a part.
    """

    def __init__(self, surface: pygame.Surface, glyphs: Glyphs, look: Look) -> None:
        self._surface = surface
        self._glyphs = glyphs
        self._look = look
        self._line = glyphs.line
        self._pad = max(3, glyphs.line // 3)
        self._y = -look.scroll
        self.hits: list[Hit] = []
        self.height = 0

    def draw(self, sight: Sight) -> None:
        """Draw everything."""
        self._surface.fill(BACKGROUND)
        self._y = self._pad + self._line + self._pad - self._look.scroll
        for part in (self._frames, self._state, self._dials, self._events):
            part(sight)
        self.height = self._y + self._look.scroll + self._pad
        self._head()
        self._bar()
        if self._look.pointer is not None:
            x, y = self._look.pointer
            for colour, wide in ((BACKGROUND, 5), (FOCUS, 2)):
                pygame.draw.line(self._surface, colour, (x - 6, y), (x + 6, y), wide)
                pygame.draw.line(self._surface, colour, (x, y - 6), (x, y + 6), wide)

    # --- pieces -----------------------------------------------------------------------------------------

    @property
    def _inner(self) -> int:
        return self._surface.get_width() - 2 * self._pad - 4  # the bar has 4 pixels

    def _is_shown(self, height: int) -> bool:
        return self._y + height > 0 and self._y < self._surface.get_height()

    def _put(self, text: str, x: int, width: int, colour: Colour = TEXT_COLOUR) -> int:
        """Write a text at this line, cut to a width; return its width. It does not go to the next line."""
        if width <= 0 or not text or not self._is_shown(self._line):
            return 0
        picture = self._glyphs.picture(shown_line(text, _MAX_TEXT_CHARACTERS), colour, width)
        self._surface.blit(picture, (x, self._y))
        return picture.get_width()

    def _row(self, *texts: tuple[str, Colour]) -> None:
        """Write texts beside each other, and go to the next line."""
        x, end = self._pad, self._pad + self._inner
        for text, colour in texts:
            x += self._put(text, x, end - x, colour) + self._line // 3
        self._y += self._line

    def _title(self, text: str) -> None:
        self._y += self._pad
        if self._is_shown(1):
            pygame.draw.line(self._surface, BUTTON, (self._pad, self._y), (self._pad + self._inner, self._y))
        self._y += self._pad
        self._put(text, self._pad, self._inner, FOCUS)

    def _button(self, text: str, right: int, act: Act) -> int:
        """Draw a button that ends at `right`; return where it begins."""
        width = self._glyphs.size(text)[0] + 2 * self._pad
        area = pygame.Rect(right - width, self._y, width, self._line)
        if self._is_shown(self._line):
            pygame.draw.rect(self._surface, BUTTON, area, border_radius=3)
            self._surface.blit(self._glyphs.picture(text, TEXT_COLOUR, width), (area.x + self._pad, self._y))
            self.hits.append(Hit(area, act))
        return area.x - self._pad

    def _head(self) -> None:
        """Draw the first line, which does not scroll; what is under it cannot be clicked."""
        height = self._line + 2 * self._pad
        self._surface.fill(CARD, (0, 0, self._surface.get_width(), height))
        self.hits = [one for one in self.hits if one.area.y >= height]
        self._y = self._pad
        left = self._button("close", self._pad + self._inner, Act("close"))
        left = self._button("side", left, Act("side"))
        self._put(self._look.said or f"ga_pygame: {self._look.key_name}", self._pad, left - self._pad)

    def _bar(self) -> None:
        """Draw where the panel is scrolled to, if it is higher than the window."""
        window = self._surface.get_height()
        if self.height > window:
            top = self._look.scroll * window // self.height
            area = (self._surface.get_width() - 4, top, 4, max(8, window * window // self.height))
            pygame.draw.rect(self._surface, BUTTON, area)

    # --- parts ------------------------------------------------------------------------------------------

    def _frames(self, _sight: Sight) -> None:
        frames = self._look.frames
        counted = _of_last_second(frames)
        if counted:
            mean, worst = sum(counted) / len(counted), max(counted)
            times = f"{mean * 1000:.1f} ms, worst {worst * 1000:.1f} ms"
            self._row((f"{1 / mean:.0f} fps", TEXT_COLOUR), (times, _DIM))
        else:
            self._row(("no frames yet", _DIM))
        area = pygame.Rect(self._pad, self._y, self._inner, 2 * self._line)
        if self._is_shown(area.height):
            self._graph(area, frames)
        self._y += area.height

    def _graph(self, area: pygame.Rect, frames: Sequence[float]) -> None:
        self._surface.fill(CARD, area)
        most = max(2.5 * FRAME_SECONDS, *frames) if frames else 2.5 * FRAME_SECONDS
        for number, seconds in enumerate(reversed(frames[-area.width // 2 :])):
            height = max(1, round(area.height * seconds / most))
            colour = _BAD if seconds > 2.5 * FRAME_SECONDS else _GOOD if seconds < 1.5 * FRAME_SECONDS else FOCUS
            self._surface.fill(colour, (area.right - 2 * number - 2, area.bottom - height, 2, height))
        y = area.bottom - round(area.height * FRAME_SECONDS / most)
        pygame.draw.line(self._surface, _DIM, (area.x, y), (area.right - 1, y))

    def _state(self, sight: Sight) -> None:
        self._title("Session")
        self._y += self._line
        minutes, seconds = divmod(int(sight.length), 60)
        number = f"number {sight.session_num}" if sight.session_num else ""
        is_active = sight.phase == "active"
        phase = sight.phase, _GOOD if is_active else FOCUS
        self._row(phase, (f"{minutes}:{seconds:02}", TEXT_COLOUR), (number, _DIM))
        self._row((sight.session_id, _DIM))
        level = " / ".join(sight.level) if sight.level else ""
        self._row(("attempt at", _DIM), (level, TEXT_COLOUR)) if level else self._row(("no attempt is open", _DIM))
        self._title("Queue")
        self._y += self._line
        stats = sight.stats
        lost = sum(stats.dropped.values())
        self._row(
            (f"{stats.recorded:,} event{'' if stats.recorded == 1 else 's'}", TEXT_COLOUR),
            (f"{stats.waiting:,} not yet stored", _DIM if stats.waiting < 500 else FOCUS),
            (f"{lost:,} lost" if lost else "", _BAD),
        )
        for one in sight.destinations:
            self._destination(one)
        if not sight.destinations:
            self._row(("nothing is sent: the player has not agreed", FOCUS))

    def _destination(self, one: DestinationSight) -> None:
        where = "to the collector" if one.has_collector else "sent"
        self._row(
            (one.name, TEXT_COLOUR),
            (f"{one.delivered:,} {where}", _GOOD if not one.trouble else _DIM),
            (f"{one.waiting:,} wait" if one.waiting else "", FOCUS if one.trouble else _DIM),
            (f"{one.refused:,} refused" if one.refused else "", _BAD),
        )
        self._reason(one.trouble)

    def _reason(self, text: str) -> None:
        """Write why something is wrong, on a few lines."""
        if text:
            room = self._inner - self._line
            for line in self._glyphs.lines(shown_line(text, _MAX_TEXT_CHARACTERS), room)[:MAX_WHY_LINES]:
                self._put(line, self._pad + self._line, room, _BAD)
                self._y += self._line

    def _dials(self, sight: Sight) -> None:
        self._title("Remote configs")
        if sight.dials:
            self._button("copy as JSON", self._pad + self._inner, Act("copy"))
        self._y += self._line + self._pad
        for dial in sight.dials:
            self._dial(dial)
        if not sight.dials:
            self._row(("none; see remote_configs.bind() and tunable()", _DIM))

    def _dial(self, dial: Dial) -> None:
        is_chosen = dial.key == self._look.chosen
        third = self._inner * 2 // 5
        if is_chosen and self._is_shown(self._line):
            self._surface.fill(CARD, (0, self._y, self._surface.get_width(), self._line))
        self._put(dial.key, self._pad, third - self._pad, FOCUS if is_chosen else TEXT_COLOUR)
        left, right = self._pad + third, self._pad + self._inner
        room = right - self._glyphs.size("reset")[0] - 3 * self._pad  # also without the button: a slider must not jump
        if dial.is_own:
            self._button("reset", right, Act("reset", dial.key))
        right = room
        draw: dict[DialKind, Callable[[Dial, int, int], None]] = {
            DialKind.SLIDER: self._slider,
            DialKind.SWITCH: self._switch,
            DialKind.TEXT: self._text,
        }
        is_typed = is_chosen and self._look.editing is not None
        (self._text if is_typed else draw[dial.kind])(dial, left, right)
        self._y += self._line + 2

    def _slider(self, dial: Dial, left: int, right: int) -> None:
        numbers = [dial.text, *map(str, (dial.least, dial.most))]
        wide = min((right - left) // 2, max(self._glyphs.size(f"{one[:8]} ")[0] for one in numbers))
        number = pygame.Rect(right - wide, self._y, wide, self._line)
        track = pygame.Rect(left, self._y, max(8, right - left - wide - self._pad), self._line)
        self._put(dial.text, number.x, wide, TEXT_COLOUR)
        if self._is_shown(self._line):
            middle, knob = track.centery, track.x + round(dial.share * (track.width - 1))
            pygame.draw.line(self._surface, BUTTON, (track.x, middle), (track.right, middle), 3)
            pygame.draw.circle(self._surface, FOCUS if dial.is_own else TEXT_COLOUR, (knob, middle), self._line // 3)
            self.hits += [Hit(track, Act("drag", dial.key)), Hit(number, Act("edit", dial.key))]

    def _switch(self, dial: Dial, left: int, right: int) -> None:
        area = pygame.Rect(left, self._y + 1, 2 * self._line, self._line - 2)
        if self._is_shown(self._line):
            pygame.draw.rect(self._surface, _GOOD if dial.value else BUTTON, area, border_radius=area.height // 2)
            x = area.right - area.height // 2 if dial.value else area.x + area.height // 2
            pygame.draw.circle(self._surface, TEXT_COLOUR, (x, area.centery), area.height // 2 - 1)
            self.hits.append(Hit(pygame.Rect(left, self._y, right - left, self._line), Act("switch", dial.key)))
        self._put("on" if dial.value else "off", area.right + self._pad, right - area.right - self._pad, _DIM)

    def _text(self, dial: Dial, left: int, right: int) -> None:
        editing = self._look.editing if dial.key == self._look.chosen else None
        area = pygame.Rect(left, self._y, right - left, self._line)
        if self._is_shown(self._line):
            pygame.draw.rect(self._surface, FOCUS if editing is not None else BUTTON, area, 1)
            self.hits.append(Hit(area, Act("edit", dial.key)))
        shown = shown_line(dial.text, _MAX_TEXT_CHARACTERS) if editing is None else f"{editing}_"
        room = area.width - 2 * self._pad
        if editing is not None:
            while shown and self._glyphs.size(shown)[0] > room:  # the end is where the developer types
                shown = shown[max(1, len(shown) // 50) :]
        self._put(shown, area.x + self._pad, room, TEXT_COLOUR)

    def _events(self, sight: Sight) -> None:
        self._title("Events")
        self._y += self._line
        wide = self._glyphs.size("00:00:00 ")[0]
        for event in sight.events[:MAX_SHOWN_EVENTS]:
            if self._is_shown(self._line):
                self._put(sight.time_of_day(event), self._pad, wide, _DIM)
                self._put(event.text, self._pad + wide, self._inner - wide, _BAD if event.why else TEXT_COLOUR)
            self._y += self._line
            self._reason(event.why)
        if not sight.events:
            self._row(("none yet", _DIM))
