"""Events with a place, and pictures of levels: the tracker's side of the heatmap."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pygame
import pytest

from ga_pygame import InvalidEvent
from ga_pygame.engine.map_pictures import MAX_COPIED_PIXELS, MAX_SIDE
from ga_pygame.map_files import (
    MAX_COORDINATE,
    MAX_PICTURE_BYTES,
    MAX_PICTURE_SIDE,
    map_folder,
    picture_path,
    pictures_of,
)
from tests.test_tracker import KEYS, World, world
from tests.test_who_plays import COLLECTOR

__all__ = ["world"]


def test_an_event_with_a_place(world: World) -> None:
    """A design event with three custom fields beside its own and those of all events."""
    tracker = world.start()
    tracker.fields["seed"] = 7
    tracker.at(12.345, -3, "death:slime", map="level 1", value=2, fields={"weapon": "bow"})
    tracker.at(12, -3, "death:slime", map="level 1")
    tracker.close()
    first, second = [event for event in world.sent if event["category"] == "design"]
    assert (first["event_id"], first["value"]) == ("death:slime", 2)
    place = {"ga_x": 12.3, "ga_y": -3, "ga_map": "level 1", "seed": 7}
    assert first["custom_fields"] == {**place, "weapon": "bow"}
    assert second["custom_fields"] == {**place, "ga_x": 12}


def test_many_fields_leave_the_place(world: World) -> None:
    """An event takes 50 custom fields: the game's last ones are left out, not what the heatmap needs."""
    tracker = world.start(strict=False)
    tracker.at(1, 2, "death", map="a", fields={**{f"field_{number}": number for number in range(50)}, "ga_x": 9})
    tracker.close()
    (told,) = [event["custom_fields"] for event in world.sent if event["category"] == "design"]
    assert len(told) == 50
    assert (told["ga_x"], told["ga_y"], told["ga_map"]) == (1, 2, "a")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("1", 2, "death"), "x '1'"),
        ((1, float("nan"), "death"), "y"),
        ((1, MAX_COORDINATE + 1, "death"), "must be -10000000 to 10000000"),
        ((1, 2, "de#th"), "'#'"),
    ],
)
def test_a_wrong_place_is_refused(world: World, arguments: tuple[Any, ...], words: str) -> None:
    """The event is dropped, as any with a wrong required part."""
    tracker = world.start()
    with pytest.raises(InvalidEvent) as caught:
        tracker.at(*arguments, map="level_1")
    assert words in str(caught.value)
    with pytest.raises(InvalidEvent):
        tracker.at(1, 2, "death", map="")
    with pytest.raises(InvalidEvent):
        tracker.at(1, 2, "death", map="a", fields=[1])  # type: ignore[arg-type]  # no mapping


def pictures(world: World, name: str) -> list[tuple[int, int]]:
    found = pictures_of(map_folder(world.folder, KEYS["game_key"]), name)
    return [(one.width, one.height) for one in found]


def test_a_picture_is_kept(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The first one of a map in a launch, as it was at the call; a later launch's takes its place; never the window."""
    tracker = world.start(collector=COLLECTOR)
    level = pygame.Surface((30, 20), depth=8)  # without a window, and of an old format
    level.fill((200, 0, 0))
    tracker.snapshot_map(level, "../level 1")
    level.fill((0, 0, 200))
    tracker.snapshot_map(level, "../level 1")
    tracker.snapshot_map(pygame.Surface((2 * MAX_PICTURE_SIDE, 10)), "wide")
    assert not pictures(world, "../level 1")  # it is written on a worker
    world.play(tracker, 2)
    assert pictures(world, "../level 1") == [(30, 20)]
    (kept,) = pictures_of(map_folder(world.folder, KEYS["game_key"]), "../level 1")
    assert kept.path.parent == map_folder(world.folder, KEYS["game_key"])
    assert pygame.image.load(str(kept.path)).get_at((0, 0)).r > 100
    assert pictures(world, "wide") == [(2 * MAX_PICTURE_SIDE, 10)]
    (wide,) = pictures_of(map_folder(world.folder, KEYS["game_key"]), "wide")
    assert pygame.image.load(str(wide.path)).get_size() == (MAX_PICTURE_SIDE, 5)
    tracker.close()
    tracker = world.start(collector=COLLECTOR)
    tracker.snapshot_map(pygame.Surface((40, 20)), "../level 1")
    tracker.close()  # what waits is written
    assert pictures(world, "../level 1") == [(40, 20)]
    assert "defect" not in caplog.text


def test_players_keep_no_pictures(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A game that is not developed does nothing; what is no surface is refused as any wrong call."""
    tracker = world.start()
    tracker.snapshot_map(pygame.Surface((30, 20)), "level_1")
    world.play(tracker, 2)
    assert not pictures(world, "level_1")
    developed = world.launch(collector=COLLECTOR, strict=False)
    for wrong in ("no surface", pygame.Surface((10, 0)), pygame.Surface((MAX_SIDE + 1, 1)), None):
        developed.snapshot_map(wrong, "level_1")  # type: ignore[arg-type]  # on purpose
    developed.snapshot_map(pygame.Surface((1, 1)), "")
    assert "must be a pygame.Surface with sides of 1 to" in caplog.text
    assert "Please report this" not in caplog.text
    developed.snapshot_map(pygame.Surface((1, 1)), "level_1")  # its name was not used up
    developed.start()
    world.play(developed, 2)
    assert pictures(world, "level_1") == [(1, 1)]


def test_large_and_noisy_pictures_are_kept_in_less_detail(world: World) -> None:
    """The copy on the game's thread and the file are bounded; coordinates still mean the surface's pixels."""
    tracker = world.start(collector=COLLECTOR)
    noisy = pygame.Surface((1400, 1300))
    noisy.get_buffer().write(random.Random(1).randbytes(4 * 1400 * 1300), 0)
    sizes = {"long": (3 * MAX_COPIED_PIXELS // 1000, 1000), "thin": (MAX_SIDE, 65), "noisy": (1400, 1300)}
    for name, size in sizes.items():
        tracker.snapshot_map(noisy if name == "noisy" else pygame.Surface(size, depth=8), name)
    world.play(tracker, 2)
    for name, size in sizes.items():
        (kept,) = pictures_of(map_folder(world.folder, KEYS["game_key"]), name)
        assert (kept.width, kept.height) == size
        assert kept.path.stat().st_size <= MAX_PICTURE_BYTES
        assert max(pygame.image.load(str(kept.path)).get_size()) <= MAX_PICTURE_SIDE


def test_a_disk_that_fails_is_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Once; the game goes on."""
    tracker = world.start(collector=COLLECTOR)
    (world.folder / "maps").write_text("a file in the place of the folder")
    for name in ("a", "b"):
        tracker.snapshot_map(pygame.Surface((3, 2)), name)
    world.play(tracker, 2)
    told = [one.getMessage() for one in caplog.records if "is not kept" in one.getMessage()]
    assert len(told) == 1
    assert "the picture of the map 'a' is not kept" in told[0]


def test_names_of_pictures() -> None:
    """Two maps never share a file, and no name leaves the folder."""
    folder = Path("maps")
    paths = {picture_path(folder, name, (1, 2)) for name in ("a/b", "a_b", "a\\b", "..", ".", "x" * 300, "\udc80")}
    assert len(paths) == 7
    assert {path.parent for path in paths} == {folder}
    assert all(len(path.name) < 80 for path in paths)
