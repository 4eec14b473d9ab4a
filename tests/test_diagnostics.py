"""Counters, drop reasons, one warning per cause, and the guard around public calls."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from ga_pygame import diagnostics, rules
from ga_pygame.checks import InvalidEvent
from ga_pygame.diagnostics import MAX_MESSAGE, MAX_SAID, Diagnostics, Drop, guard, setting

_OURS: dict[str, Any] = {"__name__": "ga_pygame.broken"}
exec("def broken(self): raise ZeroDivisionError('ours')", _OURS)


class Area:
    """An area with guarded calls."""

    def __init__(self, *, strict: bool = False) -> None:
        self._diagnostics = Diagnostics(strict=strict)

    @guard
    def good(self, name: str) -> None:
        """Make a call that may be wrong."""
        rules.event_part("name", name)

    broken = guard(_OURS["broken"])
    """A call with a defect of ours."""


def test_counts_of_all_threads_are_added_up() -> None:
    """No count is lost, though no thread waits for another."""
    diagnostics = Diagnostics()

    def work() -> None:
        for _ in range(2000):
            diagnostics.count("recorded")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert diagnostics.total("recorded") == 8000
    assert diagnostics.stats(3).recorded == 8003


def test_a_drop_is_counted_by_reason_and_told() -> None:
    """Each loss has a reason that the developer can see; a loss of nothing is none."""
    diagnostics = Diagnostics()
    heard: list[tuple[Drop, int, str]] = []
    diagnostics.on_drop = lambda reason, count, detail: heard.append((reason, count, detail))
    diagnostics.drop(Drop.OUTBOX_FULL, 3)
    diagnostics.drop(Drop.OUTBOX_FULL, 2, "more")
    diagnostics.drop(Drop.TOO_LARGE, 0)
    assert heard == [(Drop.OUTBOX_FULL, 3, ""), (Drop.OUTBOX_FULL, 2, "more")]
    assert diagnostics.stats(0).dropped == {"outbox_full": 5}


def test_stats_are_a_snapshot() -> None:
    """A snapshot of the counts does not change, and cannot be changed."""
    diagnostics = Diagnostics()
    diagnostics.count("delivered.gameanalytics", 2)
    stats = diagnostics.stats(0)
    diagnostics.count("delivered.gameanalytics")
    assert stats.delivered == {"gameanalytics": 2}
    with pytest.raises(TypeError):
        stats.delivered["x"] = 1  # type: ignore[index]


def test_a_warning_is_said_once_per_cause(caplog: pytest.LogCaptureFixture) -> None:
    """A cause is said again only after it was mended."""
    diagnostics = Diagnostics()
    for _ in range(3):
        diagnostics.warn_once("disk", "the disk is full")
    diagnostics.warn_once("keys", "wrong keys")
    assert [record.getMessage() for record in caplog.records] == ["the disk is full", "wrong keys"]
    diagnostics.forget("disk")
    diagnostics.warn_once("disk", "full again")
    assert caplog.records[-1].getMessage() == "full again"
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_a_wrong_call_is_dropped_counted_and_said_once_with_its_place(caplog: pytest.LogCaptureFixture) -> None:
    """The warning has file and line of the game's call, field, value, rule and fix; each place and rule once."""
    area = Area()
    for _ in range(3):
        area.good("Level #1")  # this line
    area.good("Level #2")
    line = next(n for n, text in enumerate(Path(__file__).read_text().splitlines(), 1) if "# this line" in text)
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0].startswith(f"{__file__}:{line}: event dropped: name 'Level #1': '#' is not allowed (1 to 64 of")
    assert len(messages) == 2
    assert area._diagnostics.stats(0).dropped == {"invalid": 4}


def test_wrong_arguments_are_the_games_fault(caplog: pytest.LogCaptureFixture) -> None:
    """A call with too many or unknown arguments is dropped like an invalid event."""
    area = Area()
    area.good()  # type: ignore[call-arg]
    area.good("a", nonsense=1)  # type: ignore[call-arg]
    assert area._diagnostics.stats(0).dropped == {"invalid": 2}
    assert f"{__file__}:" in caplog.text


def test_a_defect_of_ours_is_said_once_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """The game goes on; the log says whose fault it was."""
    area = Area()
    area.broken()
    area.broken()
    assert area._diagnostics.stats(0).dropped == {"internal": 2}
    assert len(caplog.records) == 1
    assert "Please report" in caplog.text
    assert "ZeroDivisionError: ours" in caplog.text


def test_strict_raises_at_the_call() -> None:
    """In development and tests a wrong call raises at its own line."""
    area = Area(strict=True)
    with pytest.raises(InvalidEvent):
        area.good("#")
    with pytest.raises(TypeError):
        area.good()  # type: ignore[call-arg]
    with pytest.raises(ZeroDivisionError):
        area.broken()


def test_the_guard_lets_ctrl_c_through() -> None:
    """Only exceptions that mean an error are caught."""

    class Stubborn(Area):
        @guard
        def good(self, name: str) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Stubborn().good("a")


def test_warnings_about_changing_keys_are_one() -> None:
    """A key that the game makes up each time is no new cause."""
    diagnostics = Diagnostics()
    for number in range(3000):
        error = InvalidEvent(f"custom_fields.key_{number}", 1, "is bad", "test", "wrong_type")
        diagnostics.failed("call", error)
        diagnostics.left_out(error)
    assert len(diagnostics._said) == 2
    assert diagnostics.stats(0).dropped == {"invalid": 3000, "part": 3000}


def test_causes_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the causes are: further ones are only counted, which is logged once."""
    diagnostics = Diagnostics()
    for number in range(MAX_SAID + 500):
        diagnostics.warn_once(f"cause {number}" + "x" * 10_000, "y" * 100_000)
        diagnostics.foreign(f"part {number}", ValueError("z" * 10**6))
    assert len(diagnostics._said) == MAX_SAID
    assert len(caplog.records) == MAX_SAID + 1
    assert "further ones are only counted" in caplog.records[-1].getMessage()
    assert diagnostics.total("unsaid") == 2 * (MAX_SAID + 500) - MAX_SAID
    assert max(map(len, diagnostics._said)) <= MAX_MESSAGE


def test_what_a_game_sets_wrongly_is_not_set(caplog: pytest.LogCaptureFixture) -> None:
    """A refused setting is no event."""

    class Settings(Area):
        @setting
        def good(self, name: str) -> None:
            rules.event_part("name", name)

    Settings().good("#")
    assert ": not set: name '#'" in caplog.text


def test_root_logging_is_left_alone() -> None:
    """The package logs under its own name and configures nothing."""
    assert logging.getLogger("ga_pygame").level == logging.NOTSET
    assert not logging.getLogger("ga_pygame").handlers


def test_the_docs_name_every_reason() -> None:
    """A developer who looks up a reason finds it, and none that there is not."""
    text = (Path(__file__).parents[1] / "docs" / "reliability.md").read_text(encoding="utf-8")
    table = text.partition("| reason | when |")[2].partition("\n\n")[0]
    assert [row.split("`")[1] for row in table.splitlines() if "`" in row] == [reason.value for reason in Drop]


@pytest.mark.parametrize("is_configured", [True, False])
def test_a_line_names_the_package_where_logging_does_not(is_configured: bool) -> None:
    """Without a configuration Python prints the bare message."""
    setup = "import logging; logging.basicConfig(format='%(name)s: %(message)s');" if is_configured else ""
    code = f"{setup}from ga_pygame.diagnostics import say; say('a line')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "ga_pygame: a line\n"


@pytest.mark.parametrize("reason", sorted(diagnostics.DROP_WORDS))
def test_a_loss_that_nobody_else_explains_is_said_once(reason: Drop, caplog: pytest.LogCaptureFixture) -> None:
    """With its reason; not if the log already says why nothing is recorded."""
    ours = Diagnostics()
    ours.drop(reason, 2)
    ours.drop(reason)
    (said,) = (record.getMessage() for record in caplog.records)
    assert f"event dropped ({reason.value}): " in said
    other = Diagnostics()
    other.explained.add(reason)
    other.drop(reason)
    assert len(caplog.records) == 1


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, ValueError])
def test_a_log_that_raises_ends_no_worker(error: type[BaseException], capsys: pytest.CaptureFixture[str]) -> None:
    """Off the main thread `SystemExit` ends nothing but that thread, silently; it stays in the log's place."""

    class Broken(logging.Handler):
        def emit(self, _record: logging.LogRecord) -> None:
            raise error

    went_on: list[bool] = []

    def work() -> None:
        Diagnostics().warn_once("cause", "words")
        went_on.append(True)

    handler = Broken()
    log = logging.getLogger("ga_pygame")
    log.addHandler(handler)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if not issubclass(error, Exception):
            with pytest.raises(error):  # the player's Ctrl-C
                Diagnostics().warn_once("cause", "words")
    finally:
        log.removeHandler(handler)
    assert went_on == [True]
    assert "words (said here: the log failed with" in capsys.readouterr().err


def test_the_games_line_is_found_in_an_executable(monkeypatch: pytest.MonkeyPatch) -> None:
    """There our code's file names have no folder, or another one than `__file__`."""
    code = compile("def call():\n    return game_call()\n", "ga_pygame/tracker.py", "exec")
    space: dict[str, Any] = {"__name__": "ga_pygame.tracker", "game_call": diagnostics.game_call}
    exec(code, space)
    assert space["call"]().startswith(f"{__file__}:")
    space["__name__"] = "ga_pygame_game"
    assert space["call"]().startswith("ga_pygame/tracker.py:"), "a game of a similar name"
