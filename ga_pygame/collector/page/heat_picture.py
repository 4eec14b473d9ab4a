"""Draws a heatmap as SVG: squares over the picture of the level, if the game has kept one on this machine.

The SVG is an image of its own, so nothing in it can run. All of it are numbers, except for the picture's bytes.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ga_pygame.collector.warehouse.metrics.heatmap import HeatCell, round_length
from ga_pygame.map_files import MapPicture, map_folder, pictures_of

_SEEN_SHARE = 100
_STYLE = (
    "<style>.ground{fill:#f1f3f6}.frame{fill:none;stroke:#8a93a0}"
    "@media(prefers-color-scheme:dark){.ground{fill:#1d2127}}</style>"
)


class HeatArea(NamedTuple):
    """The part of the plane that a picture shows, in the game's units."""

    left: float
    top: float
    width: float
    height: float


def picture_of(root: Path | None, rows: Sequence[HeatCell]) -> MapPicture | None:
    """Return the picture of the rows' map on this machine, if there is one."""
    if not rows or root is None:
        return None
    return next(iter(pictures_of(map_folder(root, rows[0].game), rows[0].map)), None)


def larger_square(rows: Sequence[HeatCell], picture: MapPicture | None) -> int:
    """Return the side of squares to ask for instead of these; 0 if these are seen on the picture, or without one.

    A few events at one place make squares of a unit. Those that are seen have about a hundredth of the longer side.
    """
    if not rows or picture is None:
        return 0
    least = round_length(max(picture.width, picture.height) / _SEEN_SHARE)
    return least if rows[0].size < least else 0


def area_of(rows: Sequence[HeatCell], picture: MapPicture | None) -> HeatArea:
    """Return the area of all squares and of the picture."""
    left = min(row.x for row in rows)
    top = min(row.y for row in rows)
    right = max(row.x + row.size for row in rows)
    bottom = max(row.y + row.size for row in rows)
    if picture is not None:
        left, top = min(left, 0), min(top, 0)
        right, bottom = max(right, picture.width), max(bottom, picture.height)
    return HeatArea(left, top, right - left, bottom - top)


def strength(events: int, most: int) -> float:
    """Return how strong a square is drawn, 0 to 1: by the square root, so that few events are seen beside many."""
    return math.sqrt(events / most) if most else 0.0


def colour(share: float) -> tuple[int, int, int]:
    """Return the colour of a strength: yellow, orange, red; seen on dark and on light pictures."""
    return (255 - round(45 * share), 225 - round(205 * share), 60 - round(40 * share))


def heat_svg(rows: Sequence[HeatCell], picture: MapPicture | None) -> bytes:
    """Draw the squares of a map."""
    left, top, width, height = area_of(rows, picture)
    most = max(row.events for row in rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left:g} {top:g} {width:g} {height:g}">',
        _STYLE,
        f'<rect class="ground" x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}"/>',
        _image(picture),
    ]
    for row in rows:
        share = strength(row.events, most)
        red, green, blue = colour(share)
        place = f'x="{row.x}" y="{row.y}" width="{row.size}" height="{row.size}"'
        parts.append(f'<rect {place} fill="rgb({red},{green},{blue})" fill-opacity="{0.2 + 0.65 * share:.2f}"/>')
    line = max(width, height) / 400
    frame = f'x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" stroke-width="{line:g}"'
    parts.append(f'<rect class="frame" {frame}/></svg>')
    return "".join(parts).encode()


def _image(picture: MapPicture | None) -> str:
    if picture is None:
        return ""
    try:
        raw = picture.path.read_bytes()
    except OSError:  # a newer one has replaced it
        return ""
    text = base64.b64encode(raw).decode()
    size = f'width="{picture.width}" height="{picture.height}" preserveAspectRatio="none"'
    return f'<image {size} href="data:image/png;base64,{text}"/>'
