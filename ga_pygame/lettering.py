"""What the consent screen and the overlay share: their colours, and breaking text into lines. Imports no pygame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

BACKGROUND, CARD, BUTTON = (18, 20, 28), (34, 38, 50), (70, 78, 102)
TEXT_COLOUR, FOCUS = (236, 238, 244), (255, 214, 102)


class MeasuresText(Protocol):
    """A font, or what takes its place."""

    def size(self, text: str, /) -> tuple[int, int]:
        """Return the width and height of a line in pixels."""
        ...


def wrapped(font: MeasuresText, text: str, width: int) -> Sequence[str]:
    """Break a text into lines of at most so many pixels: between words, and within a word that is longer."""
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if font.size(longer)[0] <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        line = ""
        for letter in word:
            if line and font.size(line + letter)[0] > width:
                lines.append(line)
                line = ""
            line += letter
    return [*lines, line] if line else lines


def shown_line(text: object, most: int) -> str:
    """Return a text for one line of the screen: without control characters, and with at most so many characters."""
    plain = text if isinstance(text, str) else str(text)
    cut = plain[: most + 1]
    shown = "".join(one if one.isprintable() else "·" for one in cut)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
