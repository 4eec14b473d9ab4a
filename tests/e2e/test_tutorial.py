"""The tutorial, from an empty folder, as a newcomer who copies each block."""

from __future__ import annotations

from pathlib import Path

import pytest

from ga_pygame.tools.game_source import THREE_LINES
from tests.collectors import Collector
from tests.e2e.test_dev import begin, end, words_of
from tests.samples import ROOT, samples_of

pytestmark = pytest.mark.e2e

FRAMES_OF_TWO_COINS = 40
"""In the test a coin falls 240 pixels at 20 a frame: the first one into the basket, the second one beside it."""
PAGE = ROOT / "docs" / "tutorial.md"


def play(folder: Path, text: str, port: int, *, frames: int = 1) -> tuple[str, str]:
    """Run a game with `dev`; the player leaves it after some frames. Return what it printed."""
    text = text.replace("pygame.time.Clock()", f"pygame.time.Clock(); left = {frames}")
    text = text.replace("clock.tick(60)", "clock.tick(60); left -= 1; is_running = is_running and left > 0")
    text = text.replace("2 + level", "20").replace("random.randrange(300)", "0")
    (folder / "my_game.py").write_text(text)
    code, out, error = end(begin(folder, "my_game.py", port=port))
    assert code == 0, error
    return out, error


def test_the_tutorial(collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A game without the lines, with them, and with levels and a mistake: the terminal says what the page says."""
    for name in ("SDL_VIDEODRIVER", "SDL_AUDIODRIVER"):
        monkeypatch.setenv(name, "dummy")
    samples = samples_of(PAGE)
    bare, whole = (one.code for one in samples if one.title == "my_game.py")
    missing, sessions, mistake = (one.code for one in samples if one.language == "text")

    out, error = play(tmp_path, bare, collector.port)
    assert missing[missing.index("Add these lines") :].rstrip() in out
    assert "my_game.py does not use ga_pygame yet" in error

    lines = bare.splitlines(keepends=True)
    out, _ = play(tmp_path, "".join([*lines[:5], THREE_LINES, *lines[5:]]), collector.port)
    assert [words[:2] for words in words_of(told(out))] == [words[:2] for words in words_of(sessions.splitlines())]

    wrong = whole.replace('start(f"level_{level}")', 'start(f"level #{level}")', 1)
    out, error = play(tmp_path, wrong, collector.port, frames=FRAMES_OF_TWO_COINS)
    assert mistake.strip() in error
    ids = [words[1] for words in words_of(told(out)) if words[0] == "progression"]
    assert ids[:2] == ["Start:level_1", "Fail:level_1"], "the second attempt, and its end with the game"


def told(out: str) -> list[str]:
    """Return the lines of events."""
    return [line for line in out.splitlines() if line.startswith("  ")]
