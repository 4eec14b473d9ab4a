"""Find the line of an error's message that says what happened, and the line of the game where it did."""

from __future__ import annotations

import re

MAX_LOOKED_AT = 10_000
"""Characters at the end of a message that are searched for that line."""

_BREAK = re.compile(r"\r?\n")
_FRAME = re.compile(r'\s*File "')
_PLACE = re.compile(r'^[ \t|]*File "([^"\n]+)", line (\d+)', re.MULTILINE)
_SLASH = re.compile(r"[/\\]")
_GROUP = re.compile(r"(?: *[|+](?:-[+|-]*.*)?)+ ?")
"""The marks in front of the lines of an exception group's traceback."""


def headline(message: str) -> str:
    """Return the line with the exception; if it is not the first one, with the message's first line behind it.

    In a Python traceback the exception stands after the last frame. More lines may follow that belong to its text
    (notes, a message of several lines), so it is the first line after the last frame that is not indented. In other
    texts it is the last line that is not indented, since other languages indent their frames.
    """
    lines = [line for line in _BREAK.split(message[-MAX_LOOKED_AT:]) if line.strip()]
    if not lines:
        return ""
    if len(lines) == 1:
        return lines[0].strip()
    bare = [_GROUP.sub("", line, count=1) if line.lstrip()[:1] in ("|", "+") else line for line in lines]
    frames = [number for number, line in enumerate(bare) if _FRAME.match(line)]
    outer = [number for number, line in enumerate(bare) if line.strip() and not line[0].isspace()]
    if frames:
        after = [number for number in outer if number > frames[-1]]
        if after:
            return bare[after[0]].strip()
    last = bare[outer[-1]].strip() if outer else lines[-1].strip()
    first = bare[0].strip()
    return last if not first or first == last or first.startswith("Traceback ") else f"{last} · {first}"


def place(message: str) -> str:
    """Return file and line of a Python traceback's last frame, e.g. `game.py, line 12`; "" if there is none."""
    found = _PLACE.findall(message[-MAX_LOOKED_AT:])
    if not found:
        return ""
    path, line = found[-1]
    return f"{_SLASH.split(path)[-1]}, line {line}"
