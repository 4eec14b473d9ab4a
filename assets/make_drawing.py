"""Draw the way of an event as SVG: `python assets/make_drawing.py`. A test compares the file with this.

Each lane is a thread or a process. A box has the words, and below them where the code is, seen from `ga_pygame/`.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).parent.parent / "docs" / "pictures" / "way_of_an_event.svg"
WIDTH = 880
BOX_WIDTH, BOX_HEIGHT, GAP = 178, 62, 26
LANE_HEIGHT, LEFT, TOP = 104, 118, 14
INK, QUIET, LINE, PAPER = "#1f2430", "#5b6475", "#8a94a6", "#ffffff"


class Box(NamedTuple):
    """A step.

    Attributes:
        name: What others call it.
        words: What happens, in one or two lines.
        files: Where.
    """

    name: str
    words: tuple[str, ...]
    files: str


class Lane(NamedTuple):
    """A thread or a process, and its boxes from left to right."""

    title: tuple[str, ...]
    colour: str
    boxes: tuple[Box, ...]


LANES = (
    Lane(
        ("game thread", "µs, no I/O"),
        "#e8f3ec",
        (
            Box("call", ("tracker.design(…)", "checked once a kind"), "tracker.py, events.py, rules.py"),
            Box("row", ("a row of 32 bytes", "in mapped memory"), "recording/"),
            Box("journal", ("the journal: survives", "a kill of the process"), "recording/journal.py"),
            Box("signals", ("tick(): signals fire", "in your loop"), "announcer.py, signals.py"),
        ),
    ),
    Lane(
        ("writer", "every 0.04 s"),
        "#e9eefb",
        (
            Box("writer", ("events and counters", "in one transaction"), "delivery/writer.py"),
            Box("outbox", ("the outbox: SQLite in", "the player's folder"), "delivery/outbox/"),
        ),
    ),
    Lane(
        ("uploader", "one a service"),
        "#f6efdf",
        (
            Box("lease", ("lease a batch,", "encode, sign, compress"), "delivery/uploader.py"),
            Box("send", ("send, wait, read", "the answer in bounds"), "delivery/transport.py"),
            Box("judge", ("judge: delivered, drop,", "retry or split"), "destinations/"),
        ),
    ),
    Lane(
        ("collector", "or the service"),
        "#f7e9ec",
        (
            Box("guard", ("who may send?", "are the events valid?"), "collector/guard.py"),
            Box("log", ("the log: a row a request,", "committed, then 200"), "collector/storage/"),
            Box("warehouse", ("the warehouse: columns,", "made anew at any time"), "collector/warehouse/"),
            Box("page", ("metrics on the page,", "in reports and exports"), "collector/page/"),
        ),
    ),
)
ARROWS = (
    ("call", "row"),
    ("row", "journal"),
    ("row", "writer"),
    ("writer", "outbox"),
    ("outbox", "lease"),
    ("lease", "send"),
    ("send", "judge"),
    ("send", "guard"),
    ("guard", "log"),
    ("log", "warehouse"),
    ("warehouse", "page"),
    ("judge", "signals"),
)


def corner(name: str) -> tuple[float, float]:
    """Return the upper left corner of a box."""
    for number, lane in enumerate(LANES):
        for place, box in enumerate(lane.boxes):
            if box.name == name:
                return LEFT + place * (BOX_WIDTH + GAP / 2), TOP + number * LANE_HEIGHT + 12
    raise KeyError(name)


def arrow(begin: str, end: str) -> str:
    """Return a line with a head: straight to a neighbour in the lane, else from edge to edge."""
    (left, top), (other_left, other_top) = corner(begin), corner(end)
    if top == other_top:
        points = [(left + BOX_WIDTH, top + BOX_HEIGHT / 2), (other_left, other_top + BOX_HEIGHT / 2)]
    else:
        down = other_top > top
        out, into = (top + BOX_HEIGHT, other_top) if down else (top, other_top + BOX_HEIGHT)
        shift = 14 if other_left == left else 0
        start, stop = left + BOX_WIDTH / 2 + shift, other_left + BOX_WIDTH / 2 + shift
        bend = into - 9 if down else into + 9
        points = [(start, out), (start, bend), (stop, bend), (stop, into)]
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{LINE}" stroke-width="1.5" marker-end="url(#head)"/>'


def text(x: float, y: float, words: str, *, size: int = 12, colour: str = INK, weight: str = "normal") -> str:
    """Return a line of text."""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}" font-weight="{weight}">{escape(words)}</text>'


def drawing() -> str:
    """Return the whole picture."""
    height = TOP * 2 + LANE_HEIGHT * len(LANES)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" role="img">',
        "<title>The way of an event: game thread, writer, uploader, collector</title>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">',
        f'<path d="M0,0 L8,4 L0,8 z" fill="{LINE}"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="{PAPER}"/>',
    ]
    for number, lane in enumerate(LANES):
        top = TOP + number * LANE_HEIGHT
        parts.append(
            f'<rect x="8" y="{top:g}" width="{WIDTH - 16}" height="{LANE_HEIGHT - 18}" rx="6" fill="{lane.colour}"/>'
        )
        parts.append(text(18, top + 40, lane.title[0], size=13, weight="bold"))
        parts.append(text(18, top + 57, lane.title[1], size=11, colour=QUIET))
    parts += [arrow(*ends) for ends in ARROWS]
    for lane in LANES:
        for box in lane.boxes:
            left, top = corner(box.name)
            parts.append(
                f'<rect x="{left:g}" y="{top:g}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="5" fill="{PAPER}" '
                f'stroke="{LINE}"/>'
            )
            parts += [text(left + 9, top + 18 + 15 * line, words) for line, words in enumerate(box.words)]
            parts.append(text(left + 9, top + 53, box.files, size=10, colour=QUIET))
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    FILE.write_text(drawing(), encoding="utf-8")
