"""`ga_pygame plan`: source and data compared with the plan, a plan from data, typed names."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from ga_pygame import cli
from ga_pygame.plan import read_plan
from ga_pygame.tools.printing import write_result
from tests.collectors import Collector, event

PLAN = """
[levels]
"forest:level_1" = 'the "first" one \\'
"cave:*" = "all of the cave"
[currencies]
gold = "found in chests"
[items]
"boost:shield" = "lasts for one level"
"boost:sword" = "not used"
[design]
"kill:*" = "a monster died"
"open:chest" = "by hand"
[dimensions.custom_01]
ninja = "a hero"
"""

SOURCE = """
from names import DesignId
KIND = "slime"

def play(tracker, self, level, number):
    tracker.progression.start("forest", "level_1")
    tracker.progression.complete(score=3)
    self.tracker.progression.fail("cave", f"{number}")
    tracker.progression.start("forest", "level_9" if number else "level_1")
    tracker.design("kill:" + KIND)
    tracker.design(KIND)
    tracker.design(f"kill:{level}", 3)
    tracker.design(event_id="opne:chest")
    tracker.design(DesignId.OPEN_CHEST)
    tracker.resource.sink("gold", 3, "boost", "shield")
    tracker.resource.source("gems", 3, item_type="boost", item_id="sheild")
    self.purse = tracker.wallet("gold")
    self.purse.earn(3, "boost", "shield")
    tracker.business("USD", 499, "pack", "gold")
    tracker.dimensions[1] = "ninja"
    tracker.dimensions[1] = None
    tracker.dimensions = {1: "nina", 3: "easy"}
    level.start("forest", "nowhere")
    app.start()
"""


@pytest.fixture
def game(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "game"
    (folder / "venv").mkdir(parents=True)
    (folder / "venv" / "other.py").write_text("tracker.design('not:the:game')")
    (folder / "main.py").write_text(SOURCE)
    (folder / "broken.py").write_text("def (")
    (folder / "events.toml").write_text(PLAN)
    monkeypatch.chdir(folder)
    return folder


def test_source_is_compared_with_the_plan(game: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each name that is not declared has its line; what is declared and used nowhere is listed."""
    assert cli.main(["plan", "check"]) == 1
    said = capsys.readouterr().out.splitlines()
    wrong = {line.partition(": ")[0]: line for line in said if line.startswith("main.py:")}
    numbers = {one: number for number, one in enumerate(SOURCE.splitlines(), 1)}

    def line(start: str) -> str:
        return f"main.py:{next(number for one, number in numbers.items() if one.strip().startswith(start))}"

    assert set(wrong) == {
        line('tracker.progression.start("forest", "level_9"'),
        line("tracker.design(KIND)"),
        line("tracker.design(event_id"),
        line('tracker.resource.source("gems"'),
        line("tracker.business"),
        line("tracker.dimensions = "),
    }
    assert "did you mean 'open:chest'?" in wrong[line("tracker.design(event_id")]
    text = "\n".join(said)
    assert "'boost:sheild' is not declared in events.toml [items]: did you mean 'boost:shield'?" in text
    assert "did you mean 'ninja'?" in text
    assert "2 calls compute their names" in text  # the sum of texts, and the attribute
    assert "broken.py is no Python" in text
    assert "not:the:game" not in text
    assert said[-1] == "declared, and found nowhere: [items] boost:sword, [design] open:chest"
    (game / "main.py").write_text("tracker.design('kill:slime')")
    assert cli.main(["plan", "check", "main.py"]) == 0
    assert cli.main(["plan", "check", "missing"]) == 1
    assert cli.main(["plan", "check", "--plan", "other.toml"]) == 1
    assert "plan init" in capsys.readouterr().err


def test_data_is_compared_and_makes_a_plan(
    game: Path, collector: Collector, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file and a running collector are asked; the plan that `init` writes has all names, and is not overwritten."""
    sent = [event(event_id="kill:slime"), event(event_id="kill:slime"), event(event_id="win", custom_01="nin")]
    sent += [event("progression", event_id=f"{step}:forest:level_1") for step in ("Start", "Complete")]
    sent += [event("resource", event_id="Sink:gold:boost:shield"), event("business")]
    assert collector.send(*sent).status == 200
    where = ["--url", collector.url]
    (game / "main.py").unlink()
    for source in (where, ["--database", str(collector.db)]):
        assert cli.main(["plan", "check", *source]) == 1
        said = capsys.readouterr().out
        assert "in the data: 'win' is not declared in events.toml [design]" in said
        assert "in the data: 'nin' is not declared in events.toml [dimensions.custom_01]: did you mean 'ninja'?" in said
        assert said.count("in the data:") == 3  # and the item of the purchase
    assert cli.main(["plan", "init", *where]) == 1
    assert "there is a file events.toml" in capsys.readouterr().err
    written = tmp_path / "new.toml"
    assert cli.main(["plan", "init", *where, "-o", str(written)]) == 0
    assert f"7 names were seen: {written} is written" in capsys.readouterr().err
    (like := tmp_path / "like").touch()
    assert (
        written.stat().st_mode == like.stat().st_mode
    )  # what a user asks for is readable as the user's other files are
    plan = read_plan(written)
    assert {section: list(names) for section, names in plan.names.items()} == {
        "levels": ["forest:level_1"],
        "currencies": ["gold"],
        "items": ["boost:shield", "pack:gold"],
        "design": ["kill:slime", "win"],
        "custom_01": ["nin"],
    }
    assert plan.names["design"]["kill:slime"] == "seen in 2 events"
    assert cli.main(["plan", "init", *where, "--game", "f" * 32, "-o", str(tmp_path / "other.toml")]) == 1
    assert "clear the filters" in capsys.readouterr().err
    assert cli.main(["plan", "check", *where, "--plan", str(written), "broken.py"]) == 0


def test_typed_names(game: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The module has a constant or a function for each name, whatever a doc has in it."""
    assert cli.main(["plan", "types", "-o", "names.py"]) == 0
    spec = importlib.util.spec_from_file_location("names", game / "names.py")
    assert spec is not None
    assert spec.loader is not None
    names = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(names)
    assert names.Level.FOREST_LEVEL_1 == ("forest", "level_1")
    assert names.Level.cave_any("7") == ("cave", "7")
    assert names.DesignId.kill_any("slime") == "kill:slime"
    assert (names.DesignId.OPEN_CHEST, names.Currency.GOLD) == ("open:chest", "gold")
    assert names.Item.BOOST_SHIELD == ("boost", "shield")
    assert names.Custom01.NINJA == "ninja"
    assert cli.main(["plan", "types"]) == 0
    assert capsys.readouterr().out == (game / "names.py").read_text()


def test_docs_of_typed_names_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Letters beyond the first plane, quotes and what an editor would obey come through."""
    docs = {"a:*": 'a \U0001f600 "monster" \\ died', "b:*": "b \u202e \U0001f600"}
    plan = "[design]\n" + "".join(
        f"{json.dumps(name)} = {json.dumps(doc, ensure_ascii=False)}\n" for name, doc in docs.items()
    )
    (tmp_path / "events.toml").write_text(plan, "utf-8")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["plan", "types"]) == 0
    module = capsys.readouterr().out
    assert module.isascii() or "\u202e" not in module
    found: dict[str, Any] = {}
    exec(module, found)
    assert [found["DesignId"].a_any.__doc__, found["DesignId"].b_any.__doc__] == list(docs.values())


@pytest.mark.skipif(sys.platform == "win32", reason="pipes have no names among its files")
def test_an_output_that_is_no_file_stays_what_it_is(tmp_path: Path) -> None:
    """A link is followed, and a pipe is written: as root, `-o /dev/null` would replace the device."""
    (tmp_path / "link").symlink_to(tmp_path / "target")
    assert write_result([b"one"], tmp_path / "link") == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"one\n"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert write_result([b"two"], tmp_path / "pipe") == 0
        assert os.read(reader, 10) == b"two\n"
    finally:
        os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
