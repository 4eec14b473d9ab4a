"""`ga_pygame heatmap`: draw where events took place on a map, over the level's picture, into a PNG."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

import pygame

from ga_pygame.collector.keeping import data_root
from ga_pygame.collector.page.heat_picture import HeatArea, area_of, colour, larger_square, picture_of, strength
from ga_pygame.collector.warehouse.metrics.heatmap import HEATMAP_MAPS_METRIC, HEATMAP_METRIC, MAX_CELLS, HeatCell
from ga_pygame.lettering import shown_line
from ga_pygame.map_files import MapPicture
from ga_pygame.tools.printing import ToolError, new_path, print_lines
from ga_pygame.tools.sources import Where, open_source

PICTURE_SIDE = 1600
"""Pixels of the drawn picture's longer side."""
MAX_NAMED_MAPS, MAX_MAP_NAME = 20, 80
"""Maps that a message names, and characters of a name."""
_GROUND = (29, 33, 39)


class WantedHeatmap(NamedTuple):
    """What is drawn.

    Attributes:
        map: The map; "" for the one with most events.
        event_id: The event id; "" for all.
        cell: The length of a square's sides; 0 for about a fortieth of the map.
        output: The PNG file.
        root: The data folder with the pictures of levels; `None` for the usual one.
    """

    map: str
    event_id: str
    cell: int
    output: Path
    root: Path | None


def write_heatmap(where: Where, filters: Mapping[str, str], wanted: WantedHeatmap) -> int:
    """Draw a map's events and return the exit code.

    Raises:
        ToolError: There are no such events, or the file cannot be written.
    """
    named = {"map": wanted.map, "event_id": wanted.event_id, "cell": wanted.cell}
    options = {name: one for name, one in named.items() if one}
    with open_source(where) as source:
        rows: list[HeatCell] = source.rows(HEATMAP_METRIC, filters, options)
        if not rows:
            known = dict.fromkeys(row.map for row in source.rows(HEATMAP_MAPS_METRIC, filters, {}))
            some = _maps_in_words(list(known)) if known else "report tracker.at(x, y, event, map=…) first"
            raise ToolError(f"no event took place there; {some}")
        picture = picture_of(wanted.root or data_root(), rows)
        if not wanted.cell and (larger := larger_square(rows, picture)):
            rows = source.rows(HEATMAP_METRIC, filters, {**options, "cell": larger})
    drawn = draw_cells(rows, picture)
    with new_path(wanted.output) as part:
        pygame.image.save(drawn, str(part))
    under = f"over {picture.path}" if picture is not None else "without a picture of the level (tracker.snapshot_map)"
    events = sum(row.events for row in rows)
    name = shown_line(rows[0].map, MAX_MAP_NAME)
    said = f"{wanted.output}: {events:,} events in {len(rows):,} squares of {rows[0].size} units, {name}, {under}"
    if len(rows) >= MAX_CELLS:
        said += f"; squares with fewer events are left out: there are more than {MAX_CELLS:,}, give a larger --cell"
    return print_lines([said.encode("utf-8", "replace")])


def _maps_in_words(maps: Sequence[str]) -> str:
    more = f" and {len(maps) - MAX_NAMED_MAPS:,} more" if len(maps) > MAX_NAMED_MAPS else ""
    return f"there are the maps: {', '.join(shown_line(one, MAX_MAP_NAME) for one in maps[:MAX_NAMED_MAPS])}{more}"


def draw_cells(rows: Sequence[HeatCell], picture: MapPicture | None) -> pygame.Surface:
    """Draw the squares of a map, with soft edges, over its picture."""
    rows = _merged(rows)
    area = area_of(rows, picture)
    scale = PICTURE_SIDE / max(area.width, area.height)
    size = (max(1, round(area.width * scale)), max(1, round(area.height * scale)))
    drawn = pygame.Surface(size, 0, 32)
    drawn.fill(_GROUND)
    if picture is not None:
        _draw_picture(drawn, picture, area, scale)
    step = rows[0].size * scale
    heat = _heat_of(rows)
    whole = (max(1, round(heat.get_width() * step)), max(1, round(heat.get_height() * step)))
    wide = pygame.transform.smoothscale(heat, whole)
    left, top = min(row.x for row in rows) - rows[0].size, min(row.y for row in rows) - rows[0].size
    drawn.blit(wide, (round((left - area.left) * scale), round((top - area.top) * scale)))
    return drawn


def _merged(rows: Sequence[HeatCell]) -> Sequence[HeatCell]:
    """Return the squares; those that are smaller than a pixel of the drawn picture as larger ones."""
    size = rows[0].size
    wide = max(row.x for row in rows) - min(row.x for row in rows)
    high = max(row.y for row in rows) - min(row.y for row in rows)
    factor = -(-max(wide, high) // (size * PICTURE_SIDE))
    if factor <= 1:
        return rows
    size *= factor
    events: Counter[tuple[int, int]] = Counter()
    for row in rows:
        events[row.x // size * size, row.y // size * size] += row.events
    return [rows[0]._replace(x=x, y=y, size=size, events=number) for (x, y), number in events.items()]


def _draw_picture(drawn: pygame.Surface, picture: MapPicture, area: HeatArea, scale: float) -> None:
    try:
        level = pygame.image.load(str(picture.path))
    except (OSError, pygame.error) as error:
        raise ToolError(f"the picture {picture.path} cannot be read: {error}. Delete it") from error
    plain = pygame.Surface(level.get_size(), pygame.SRCALPHA, 32)
    plain.blit(level, (0, 0))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    drawn.blit(pygame.transform.smoothscale(plain, size), (round(-area.left * scale), round(-area.top * scale)))


def _heat_of(rows: Sequence[HeatCell]) -> pygame.Surface:
    """Draw a pixel for each square, with a clear one around all."""
    cell = rows[0].size
    left, top = min(row.x for row in rows), min(row.y for row in rows)
    columns = (max(row.x for row in rows) - left) // cell + 3
    lines = (max(row.y for row in rows) - top) // cell + 3
    heat = pygame.Surface((columns, lines), pygame.SRCALPHA, 32)
    heat.fill((*colour(0.5), 0))  # clear, and of a colour that does not darken the edges
    most = max(row.events for row in rows)
    for row in rows:
        share = strength(row.events, most)
        place = ((row.x - left) // cell + 1, (row.y - top) // cell + 1)
        heat.set_at(place, (*colour(share), round(255 * (0.2 + 0.7 * share))))
    return heat
