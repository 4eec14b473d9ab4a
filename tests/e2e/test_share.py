"""`share`: a tester's events as one file, while the game runs, after a kill and after the next launch."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ga_pygame import cli
from ga_pygame.delivery.consent_mark import ConsentMark
from tests.collectors import Collector

PLAYED = """
import os, sys
import ga_pygame
tracker = ga_pygame.Tracker(collector="http://127.0.0.1:9", hook=False, user_id="tess", build="7")
tracker.start()
tracker.progression.start("forest")
for number in range(40):
    tracker.design("met:slime", number)
try:
    open(os.path.join(os.environ["HOME"], "missing.png"))
except OSError as error:
    tracker.exception(error)
print("ready", flush=True)
for line in sys.stdin:
    tracker.tick()
    tracker.design(line.strip())
    if line.strip() == "die":
        print("dying", flush=True)
        os.kill(os.getpid(), 9)
"""


def shared(capsys: pytest.CaptureFixture[str], path: Path) -> list[dict[str, Any]]:
    assert cli.main(["share", "-o", str(path)]) == 0
    said = capsys.readouterr().out
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert f"{len(found)} events of" in said
    return found


def count(events: list[dict[str, Any]]) -> Counter[str]:
    return Counter(event["category"] for event in events)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills a process")
def test_a_tester_shares(
    tmp_path: Path, game: Callable[..., Any], capsys: pytest.CaptureFixture[str], collector: Collector
) -> None:
    """The file has each event once, no name of the home folder, and is imported as often as one likes."""
    home = tmp_path / "annaschmidt"
    home.mkdir()
    path = tmp_path / "playtest.jsonl"
    first = game(PLAYED, HOME=str(home))
    first.wait_for("ready")
    running = shared(capsys, path)
    assert count(running) == {"user": 1, "progression": 1, "design": 40, "error": 1}
    assert [one["value"] for one in running if one["category"] == "design"] == list(range(40))
    assert "annaschmidt" not in path.read_text(encoding="utf-8")
    assert {one["user_id"] for one in running} == {"tess"}
    assert cli.main(["import", str(path), "--url", collector.url]) == 0
    assert "43 new" in capsys.readouterr().out
    first.say("die")
    first.wait_for("dying")
    first.process.wait()
    killed = shared(capsys, path)
    added = {"session_end": 1, "progression": 1, "design": 1}  # the end, the Fail of the open attempt, `die`
    assert count(killed) - count(running) == added
    second = game(PLAYED, HOME=str(home))
    second.wait_for("ready")
    again = shared(capsys, path)
    assert {one["event_uuid"] for one in killed} < {one["event_uuid"] for one in again}
    assert cli.main(["import", str(path), "--url", collector.url]) == 0
    assert "46 new, 43 there already, 0 rejected" in capsys.readouterr().out
    second.kill()
    (folder,) = {found.parent for found in Path(os.environ["GA_PYGAME_DATA_DIR"]).glob("*/outbox.sqlite3")}
    ConsentMark(folder / "outbox.sqlite3").deny()
    assert cli.main(["share", "-o", str(path)]) == 1
    assert "has said no" in capsys.readouterr().err


def test_what_cannot_be_shared_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a game, with several, or with a file that is no database, the tester reads what to do."""
    data = Path(os.environ["GA_PYGAME_DATA_DIR"])
    output = str(tmp_path / "file")
    for names, arguments, words in (
        ((), [], "play it first"),
        (("collector-cave", "collector-forest"), [], "choose a game with --game"),
        ((), ["--game", "moon"], "no such game"),
        ((), ["--game", "cave"], "cannot read"),
    ):
        for name in names:
            (data / name).mkdir(parents=True)
            (data / name / "outbox.sqlite3").write_text("no database")
        assert cli.main(["share", "-o", output, *arguments]) == 1
        assert words in capsys.readouterr().err
    assert not Path(output).exists()
