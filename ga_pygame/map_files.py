"""Where a developer's pictures of levels are, for the heatmap: written by the game, read by the collector's page.

A picture is `maps/<game's key>/<map>-<checksum>-<width>x<height>.png` in the data folder of all games; the size is the
one that coordinates refer to, also if the picture was made smaller.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

X_FIELD, Y_FIELD, MAP_FIELD = "ga_x", "ga_y", "ga_map"
"""The custom fields of events that took place somewhere: `tracker.at`. Source: ours."""
MAX_COORDINATE = 10**7
"""How far from the origin an event can take place, in the game's own units."""
MAX_PICTURE_BYTES = 4 * 2**20
"""Bytes of a picture that is shown; a larger one is left out."""
MAX_PICTURE_SIDE = 2048
"""Pixels of a kept picture's longer side; a larger one is made smaller."""
_MAX_SLUG = 40
_NAME = re.compile(r".*-(\d{1,6})x(\d{1,6})\.png")


class MapPicture(NamedTuple):
    """A picture of a level.

    Attributes:
        path: The PNG file.
        width: The level's width, in the units of coordinates.
        height: The level's height.
    """

    path: Path
    width: int
    height: int


def map_folder(root: Path, game_key: str) -> Path:
    """Return the folder of a game's pictures in the data folder of all games."""
    return root / "maps" / _slug(game_key)


def picture_path(folder: Path, name: str, size: tuple[int, int]) -> Path:
    """Return the path of a map's picture."""
    return folder / f"{_stem(name)}-{size[0]}x{size[1]}.png"


def pictures_of(folder: Path, name: str) -> list[MapPicture]:
    """Return the pictures of a map, the newest first; one if nothing went wrong."""
    try:
        found = [(path.stat(), path) for path in folder.glob(f"{_stem(name)}-*x*.png")]
    except OSError:
        return []
    found = [(about, path) for about, path in found if about.st_size <= MAX_PICTURE_BYTES]
    newest = [path for _, path in sorted(found, key=lambda one: -one[0].st_mtime)]
    matches = ((path, _NAME.fullmatch(path.name)) for path in newest)
    return [MapPicture(path, int(match[1]), int(match[2])) for path, match in matches if match is not None]


def _stem(name: str) -> str:
    return f"{_slug(name)}-{zlib.crc32(name.encode('utf-8', 'replace')):08x}"


def _slug(name: str) -> str:
    return re.sub(r"[^0-9A-Za-z_]+", "_", name)[:_MAX_SLUG] or "map"
