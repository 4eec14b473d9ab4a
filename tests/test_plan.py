"""The tracking plan: what a file may say, and what a game is told while it is developed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ga_pygame import program
from ga_pygame.development import MAX_UNDECLARED
from ga_pygame.plan import PlanError, find_plan, plan_of, read_plan
from tests.test_tracker import World, world
from tests.test_who_plays import COLLECTOR

__all__ = ["world"]

PLAN = """
[levels]
"forest:level_1" = "the first one"
"cave:*" = "all of the cave"
[currencies]
gold = "found in chests"
[items]
"boost:shield" = "lasts for one level"
[design]
"kill:*" = "a monster died"
"open:chest" = "by hand"
[dimensions.custom_01]
ninja = "a hero"
"""


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    path = tmp_path / "my_plan.toml"
    path.write_text(PLAN)
    return path


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings of the plan, each from its name to its fix, since the last call."""
    found = [record.getMessage() for record in caplog.records if "is not declared in" in record.getMessage()]
    caplog.clear()
    return found


def test_what_is_not_declared_is_told_once_with_its_line(
    world: World, plan_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each section is compared; what was probably meant is named; all events are recorded all the same."""
    tracker = world.start(collector=COLLECTOR, plan=plan_file)
    caplog.clear()
    for _ in range(2):
        tracker.progression.start("forest", "level_1")
        tracker.progression.complete()
        tracker.progression.start("cave", "7")
        tracker.design("kill:slime")
        tracker.design("open:chest", 3)
        tracker.resource.source("gold", 5, "boost", "shield")
        tracker.dimensions[1] = "ninja"
        tracker.dimensions[2] = "not in the plan"
    assert not told(caplog)
    for _ in range(2):
        tracker.design("opne:chest")
        line = sys._getframe().f_lineno - 1
    meant = "did you mean 'open:chest'? (the event is recorded)"
    words = f"'opne:chest' is not declared in my_plan.toml [design]: {meant}"
    assert told(caplog) == [
        f"{__file__}:{line}: {words}",
    ]
    tracker.progression.start("Forest", "Level_1")
    tracker.wallet("golds").earn(1, "boost", "sheild")
    tracker.business("USD", 100, "boost", "everything")
    tracker.dimensions[1] = "nina"
    tracker.design("a:b:c:d")
    fixes = [
        message.partition(" is not declared in my_plan.toml ")[2].partition(" (the event")[0]
        for message in told(caplog)
    ]
    assert fixes == [
        "[levels]: did you mean 'forest:level_1'?",
        "[currencies]: did you mean 'gold'?",
        "[items]: did you mean 'boost:shield'?",
        "[items]: declare it there, or correct the name (there are: 'boost:shield')",
        "[dimensions.custom_01]: did you mean 'ninja'?",
        "[design]: declare it there, or correct the name (there are: 'kill:*', 'open:chest')",
    ]
    assert not tracker.stats.dropped
    tracker.close()


def test_without_a_use_there_is_no_plan(
    world: World, plan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A game for players never reads it; a file beside the game is found while it is developed, no other one."""
    main = tmp_path / "game" / "main.py"
    main.parent.mkdir()
    main.touch()
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(main), raising=False)
    assert world.start(collector=COLLECTOR)._recorder.look_at_change is None
    assert find_plan(None) is None
    plan_file.rename(main.with_name("events.toml"))
    assert find_plan(None) == main.with_name("events.toml")
    assert world.start(collector=COLLECTOR)._recorder.look_at_change is not None
    assert world.start()._recorder.look is None  # not developed: no collector
    assert world.start(plan="events.toml")._recorder.look is not None
    monkeypatch.setattr(program, "is_built", lambda: True)
    assert world.start(plan="events.toml", collector=COLLECTOR)._recorder.look is None
    assert "plan" not in caplog.text


def test_a_plan_that_cannot_be_used_is_told(world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The game runs on, and its events are recorded."""
    tracker = world.start(collector=COLLECTOR, plan=str(tmp_path / "missing.toml"))
    assert "missing.toml cannot be read" in caplog.text
    tracker.design("anything")
    assert not tracker.stats.dropped


def test_a_name_that_changes_endlessly_is_bounded(
    world: World, plan_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """After a hundred unknown names no more of them are compared."""
    tracker = world.start(plan=plan_file)
    caplog.clear()
    for number in range(MAX_UNDECLARED + 20):
        tracker.design(f"seen:n{number}")
    assert len(told(caplog)) == MAX_UNDECLARED


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[levels", "is no TOML"),
        ("[level]\na = 'x'", "there is no section [level]; did you mean [levels]?"),
        ("[maps]\na = 'x'", "there are: levels, currencies, items, design, dimensions"),
        ("design = 'kill'", "[design] must be a table of names with docs"),
        ("[design]\nkill = 3", "[design]: 'kill' must have a text that says what it means"),
        ("[design]\n'kill slime?#' = 'x'", "'#'"),
        ("[levels]\n'a:b:c:d' = 'x'", "[levels]"),
        ("[items]\nshield = 'x'", "boost:shield"),
        ("[currencies]\ngold1 = 'x'", "[currencies]"),
        ("[dimensions]\nninja = 'x'", "there are tables custom_01, custom_02, custom_03"),
    ],
)
def test_a_wrong_plan_says_where(tmp_path: Path, text: str, words: str) -> None:
    """File, section, name and rule: the rules are those of the tracker's calls."""
    path = tmp_path / "events.toml"
    path.write_text(text)
    with pytest.raises(PlanError) as caught:
        read_plan(path)
    assert "events.toml" in str(caught.value)
    assert words in str(caught.value)


def test_a_star_is_one_part() -> None:
    """It stands for at least a character, and for no ':'."""
    plan = plan_of({"design": {"kill:*:by_*": "x"}}, "events.toml")
    declared = [
        name
        for name in ("kill:a:by_b", "kill:a:by_", "kill:a", "kill:a:b:by_c", "kill::by_b")
        if plan.is_declared("design", name)
    ]
    assert declared == ["kill:a:by_b"]


def test_a_file_may_be_too_large(tmp_path: Path) -> None:
    """It is not read to its end."""
    path = tmp_path / "events.toml"
    path.write_text("# " + "x" * 2**20)
    with pytest.raises(PlanError, match="more than"):
        read_plan(path)
    with pytest.raises(PlanError, match="declare patterns"):
        plan_of({"design": {f"n{number}": "" for number in range(10_001)}}, "events.toml")
