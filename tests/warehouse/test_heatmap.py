"""Where events took place: squares of maps counted by hand, the picture of the page, and the one of the command."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pygame
import pytest

from ga_pygame import cli
from ga_pygame.collector.page.address import PageAddress
from ga_pygame.collector.page.heat_picture import heat_svg, picture_of
from ga_pygame.collector.page.views.heatmap import maps_panel, places_panel
from ga_pygame.collector.warehouse.database import Database
from ga_pygame.collector.warehouse.filters import Filters
from ga_pygame.collector.warehouse.metrics.heatmap import MAX_CELLS, HeatCell, MapEvents, square_of
from ga_pygame.map_files import MAX_COORDINATE, map_folder, picture_path
from ga_pygame.tools.heatmap import PICTURE_SIDE, draw_cells
from tests.collectors import KEY
from tests.warehouse.golden import HOUR, MONDAY, Story, ask, projected, store_story

EVERYTHING = Filters()
CAVE = "cave <b>&\u202e"
DEATHS = ((5, 5), (9.9, 0), (10, 5), (-0.1, 5), (95, 12.5))
"""Places on the map `forest`, whose squares have ten units a side: two in the first one."""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("heatmap") / "events.sqlite3"
    story = Story()
    ann = story.session("ann", MONDAY, build="1.0")
    bob = story.session("bob", MONDAY + HOUR, build="2.0")

    def at(x: object, y: object, name: str = "forest") -> dict[str, Any]:
        return {"custom_fields": {"ga_x": x, "ga_y": y, "ga_map": name, "weapon": "bow"}}

    for number, (x, y) in enumerate(DEATHS):
        ann.design(number, "death:slime", **at(x, y))
    bob.design(1, "death:fall", 3, **at(6, 6)).design(2, "jump", **at(6, 6)).design(3, "death", **at(1, 1, CAVE))
    for wrong in (at("a", 1), at(MAX_COORDINATE * 2, 1), {}, {"custom_fields": {"ga_map": "forest"}}):
        bob.design(4, "death:slime", **wrong)
    store_story(path, story)
    return path


@pytest.fixture(scope="module")
def database(log: Path) -> Iterator[Database]:
    with projected(log) as found:
        yield found


def squares(database: Database, filters: Filters = EVERYTHING, **options: object) -> dict[tuple[int, int], int]:
    rows = ask(database, "heatmap", filters, **options)
    assert {row.map for row in rows} <= {options["map"]}
    return {(row.x, row.y): row.events for row in rows}


def test_squares_that_a_person_counts(database: Database) -> None:
    """By event id and what goes on with ':', by build and by player; below 0 a square is one of its own."""
    all_of_ten = {(0, 0): 4, (10, 0): 1, (-10, 0): 1, (90, 10): 1}
    assert squares(database, map="forest", cell=10) == all_of_ten
    assert squares(database, map="forest", cell=10, event_id="death") == {**all_of_ten, (0, 0): 3}
    assert squares(database, map="forest", cell=10, event_id="jump") == {(0, 0): 1}
    assert squares(database, Filters(build="2.0"), map="forest", cell=10) == {(0, 0): 2}
    assert squares(database, Filters(user_id="ann"), map="forest", cell=10) == {**all_of_ten, (0, 0): 2}
    assert squares(database, map="nowhere") == {}
    (row,) = ask(database, "heatmap", map="forest", cell=1000, event_id="jump")
    assert (row.players, row.is_few, row.game) == (1, True, KEY)


def test_the_map_with_most_events_comes_first(database: Database) -> None:
    """Without options it is drawn; a square is about a fortieth of it, a round number."""
    rows = ask(database, "heatmap")
    assert {row.map for row in rows} == {"forest"}
    assert {row.size for row in rows} == {5}  # 95.1 units: a fortieth is 2.4
    assert len(rows) < MAX_CELLS
    maps = [(row.map, row.event_id, row.events, row.players) for row in ask(database, "heatmap_maps")]
    assert maps[0] == ("forest", "death:slime", 5, 1)
    assert sorted(maps[1:]) == [(CAVE, "death", 1, 1), ("forest", "death:fall", 1, 1), ("forest", "jump", 1, 1)]


@pytest.mark.parametrize(("width", "size"), [(0, 1), (40, 1), (41, 2), (100, 5), (400, 10), (3000, 100), (1, 1)])
def test_the_side_of_a_square(width: float, size: int) -> None:
    """1, 2 or 5 times a power of ten."""
    assert square_of([MapEvents("", "", "", 1, 1, -1, 5, width - 1, 5)]) == size


def test_the_picture_of_the_page(database: Database, tmp_path: Path) -> None:
    """SVG with a square for each row, over the level's picture; what a game names is in neither."""
    rows = ask(database, "heatmap", map="forest", cell=10)
    path = picture_path(map_folder(tmp_path, KEY), "forest", (200, 100))
    path.parent.mkdir(parents=True)
    pygame.image.save(pygame.Surface((20, 10)), str(path))
    picture = picture_of(tmp_path, rows)
    assert picture is not None
    for found, images in ((None, 0), (picture, 1)):
        svg = ET.fromstring(heat_svg(rows, found))
        kinds = [one.tag.rpartition("}")[2] for one in svg]
        assert kinds.count("image") == images
        assert kinds.count("rect") == len(rows) + 2
        assert svg.get("viewBox") == ("-10 0 210 100" if found else "-10 0 110 20")
    assert b"<b>" not in heat_svg(ask(database, "heatmap", map=CAVE), None)


def test_the_panels(database: Database) -> None:
    """The table has all squares; the picture's address has the filters, its words say where most events are."""
    address = PageAddress("heatmap", {"map": "forest", "build": "1.0"})
    panel = places_panel(ask(database, "heatmap", map="forest", cell=10), address)
    assert panel.sheet.rows[0] == (0, 0, 4, 2, "n < 20")
    assert panel.picture is not None
    assert panel.picture.href.startswith("/picture/heatmap?build=1.0&map=forest&of=")
    fewer = places_panel(ask(database, "heatmap", map="forest", cell=10, event_id="death"), address).picture
    assert fewer is not None
    assert fewer.href != panel.picture.href  # so that the browser loads the new one
    assert "most events, 4, took place from x 0 and y 0 on" in panel.picture.said
    odd = places_panel(ask(database, "heatmap", map=CAVE), PageAddress("heatmap", {}))
    assert "\u202e" not in odd.counted
    assert places_panel([], address).picture is None
    assert "fewer events are left out" not in panel.counted
    many = [HeatCell("key", "forest", number, 0, 1, 1, 1, True) for number in range(MAX_CELLS)]
    assert "more than 2,000 squares: those with fewer events are left out" in places_panel(many, address).counted
    assert len(maps_panel(ask(database, "heatmap_maps")).sheet.rows) == 4


def test_the_command(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is drawn over the level's picture: red where most events are, the level elsewhere."""
    output = tmp_path / "heat.png"
    path = picture_path(map_folder(Path(os.environ["GA_PYGAME_DATA_DIR"]), KEY), "forest", (100, 100))
    path.parent.mkdir(parents=True)
    level = pygame.Surface((100, 100))
    level.fill((0, 0, 200))
    pygame.image.save(level, str(path))
    common = ["heatmap", "--db", str(log), "-o", str(output)]
    assert cli.main([*common, "--map", "forest", "--cell", "10"]) == 0
    assert "7 events in 4 squares of 10 units, forest, over" in capsys.readouterr().out
    drawn = pygame.image.load(str(output))
    assert drawn.get_size() == (1600, round(1600 * 100 / 110))  # a square begins at -10

    def at(x: float, y: float) -> tuple[int, ...]:
        return tuple(drawn.get_at((round((x + 10) * 1600 / 110), round(y * 1600 / 110))))[:3]

    red, _, blue = at(5, 5)
    assert red > 150 > blue
    assert at(50, 50) == (0, 0, 200)
    assert cli.main([*common, "--event", "jump", "--build", "2.0"]) == 0
    assert "1 events in 1 squares" in capsys.readouterr().out
    assert cli.main([*common, "--map", "moon"]) == 1
    assert "there are the maps: forest, cave" in capsys.readouterr().err


def test_one_event_is_seen_on_a_wide_level(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its square is not smaller than a hundredth of the picture."""
    story = Story()
    session = story.session("ann", MONDAY)
    session.design(1, "death", custom_fields={"ga_x": 3000, "ga_y": 300, "ga_map": "wide"})
    store_story(tmp_path / "events.sqlite3", story)
    path = picture_path(map_folder(tmp_path, KEY), "wide", (7000, 500))
    path.parent.mkdir(parents=True)
    pygame.image.save(pygame.Surface((70, 5)), str(path))
    output = tmp_path / "heat.png"
    command = ["heatmap", "--db", str(tmp_path / "events.sqlite3"), "--maps", str(tmp_path), "-o", str(output)]
    assert cli.main(command) == 0
    assert "1 events in 1 squares of 100 units" in capsys.readouterr().out
    drawn = pygame.image.load(str(output))
    assert drawn.get_at((round(3050 * 1600 / 7000), round(350 * 1600 / 7000))).r > 120
    assert cli.main([*command, "--cell", "1"]) == 0
    assert "squares of 1 units" in capsys.readouterr().out


@pytest.mark.parametrize("far", [(MAX_COORDINATE, MAX_COORDINATE), (MAX_COORDINATE, 0)])
def test_small_squares_far_apart(far: tuple[int, int]) -> None:
    """Squares that are smaller than a pixel are drawn together: the picture stays small, and no event is lost."""
    places = [(0, 0), (1, 0), far]
    rows = [HeatCell("key", "forest", x, y, 1, 1, 1, True) for x, y in places]
    drawn = draw_cells(rows, None)
    assert max(drawn.get_size()) == PICTURE_SIDE
    reddish = [drawn.get_at((x, y))[:3] for x in (0, drawn.get_width() - 1) for y in (0, drawn.get_height() - 1)]
    assert sum(red > 150 for red, _, _ in reddish) >= 2


def test_many_maps_are_named_in_short(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Their names come from outside: some are shown, without what a terminal obeys."""
    path = tmp_path / "events.sqlite3"
    story = Story()
    session = story.session("ann", MONDAY)
    for number in range(100):
        fields = {"ga_x": 1, "ga_y": 1, "ga_map": f"a\nb\u202e{number}"}
        session.design(number, "death", custom_fields=fields)
    store_story(path, story)
    assert cli.main(["heatmap", "--db", str(path), "--map", "moon", "-o", str(tmp_path / "heat.png")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "and 80 more" in said
    assert "\u202e" not in said
