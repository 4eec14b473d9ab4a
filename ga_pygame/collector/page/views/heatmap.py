"""The view Heatmap: where on a map events took place, over the level's picture."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from urllib.parse import urlencode

from ga_pygame.collector.page.address import METRIC_FILTERS, PageAddress
from ga_pygame.collector.page.heat_picture import heat_svg, larger_square, picture_of
from ga_pygame.collector.page.panel_view import panel_view
from ga_pygame.collector.page.panels import Column, Panel, Panels, Picture, Sheet
from ga_pygame.collector.page.rows import short
from ga_pygame.collector.page.snapshots import Snapshots
from ga_pygame.collector.warehouse.intervals import FEW_PLAYERS
from ga_pygame.collector.warehouse.metrics.heatmap import MAX_CELLS, HeatCell, MapEvents

_NO_PLACE = 'No event with a place in this range: report tracker.at(x, y, "death", map="level_1").'


async def _squares(data: Snapshots, address: PageAddress) -> list[HeatCell]:
    wanted = {name: address.filters.get(name, "") for name in ("map", "event_id")}
    cells: list[HeatCell] = await data.metric("heatmap", address, **wanted)
    larger = larger_square(cells, await data.ask(lambda: picture_of(data.root, cells)))
    return await data.metric("heatmap", address, **wanted, cell=larger) if larger else cells


async def _ask_heatmap(data: Snapshots, address: PageAddress) -> Panels:
    maps: list[MapEvents] = await data.metric("heatmap_maps", address)
    cells = await _squares(data, address)
    choices = {
        "map": tuple(dict.fromkeys(row.map for row in maps)),
        "event_id": tuple(dict.fromkeys(row.event_id for row in maps)),
    }
    return Panels((places_panel(cells, address), maps_panel(maps)), choices)


def places_panel(cells: Sequence[HeatCell], address: PageAddress) -> Panel:
    """Make the panel of the picture, with its squares as a table."""
    columns = (
        Column("from x", "number"),
        Column("from y", "number"),
        Column("events", "number"),
        Column("players", "number"),
        Column("note", "soft"),
    )
    rows = [(row.x, row.y, row.events, row.players, f"n < {FEW_PLAYERS}" if row.is_few else "") for row in cells]
    if not cells:
        return Panel("places", "Places", "Events by the square of a map.", Sheet(columns, []), None, _NO_PLACE)
    name, size = short(cells[0].map, 80), cells[0].size
    what = short(address.filters.get("event_id", ""), 80) or "all events with a place"
    counted = (
        f"Map {name}, {what}: a square has {size} units a side, and is the redder the more events took place in it."
        " Below them is the picture that tracker.snapshot_map kept on this machine, if there is one. Choose another map"
        " or event id above."
    )
    if len(cells) >= MAX_CELLS:
        counted += f" There are more than {MAX_CELLS:,} squares: those with fewer events are left out."
    top = cells[0]
    said = (
        f"Heatmap of {name}: most events, {top.events}, took place from x {top.x} and y {top.y} on;"
        " the table below has all squares."
    )
    query = PageAddress("", address.filters).query()
    version = zlib.crc32(repr(cells).encode("utf-8", "replace"))
    picture = Picture(f"/picture/heatmap?{query}{'&' if query else ''}{urlencode({'of': version})}", said)
    return Panel("places", "Places", counted, Sheet(columns, rows), None, _NO_PLACE, is_wide=True, picture=picture)


def maps_panel(maps: Sequence[MapEvents]) -> Panel:
    """Make the panel of maps and event ids."""
    columns = (Column("map"), Column("event id"), Column("events", "number"), Column("players", "number"))
    cells = [(row.map, row.event_id, row.events, row.players) for row in maps]
    return Panel("maps", "Maps", "Events with a place by map and event id.", Sheet(columns, cells), None, _NO_PLACE)


async def _draw(data: Snapshots, address: PageAddress) -> bytes:
    cells = await _squares(data, address)
    if not cells:
        return b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>'
    return await data.ask(lambda: heat_svg(cells, picture_of(data.root, cells)))


HEATMAP_VIEW = panel_view(
    "heatmap",
    "Heatmap",
    "Where on a map events took place, of tracker.at(x, y, event, map=…); filtered by event, build, player and others.",
    _ask_heatmap,
    filters=(*METRIC_FILTERS, "map", "event_id"),
    draw=_draw,
)
