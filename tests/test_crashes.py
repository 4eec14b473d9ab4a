"""Errors: ten different ones a launch, fingerprints, tracebacks without the player's name, chained hooks."""

from __future__ import annotations

from pathlib import Path

import pytest

from ga_pygame.diagnostics import Diagnostics
from ga_pygame.engine.crashes import LIMIT, ErrorReports, clipped, describe, fingerprint
from ga_pygame.kinds import Event


def crash(message: str = "no", depth: int = 0) -> Exception:
    try:
        if depth:
            raise crash(message, depth - 1)
        raise ValueError(message)
    except ValueError as error:
        return error


@pytest.mark.requirement("002:error-limit", "002:error-types")
def test_ten_distinct_errors_a_launch() -> None:
    """A thousand repeats of one do not hide the nine others; the rest is counted."""
    diagnostics = Diagnostics()
    sent: list[Event] = []
    reports = ErrorReports(lambda event, _fields: sent.append(event), diagnostics)

    def is_sent(message: str) -> bool:
        before = len(sent)
        reports.error("error", message, None)
        return len(sent) > before

    assert is_sent("a")
    assert not any(is_sent("a") for _ in range(1000))
    assert sum(is_sent(str(number)) for number in range(50)) == LIMIT - 1 == 9
    assert diagnostics.stats(0).dropped == {"error_limit": 1000 + 41}


def test_a_fingerprint_is_kind_and_place() -> None:
    """The message, which may have a number in it, makes no new error; another line or kind does."""
    assert fingerprint(crash("score 5")) == fingerprint(crash("score 6"))
    try:
        raise ValueError("score 5")
    except ValueError as error:
        elsewhere = error
    assert fingerprint(elsewhere) != fingerprint(crash("score 5"))
    assert fingerprint(ValueError()) != fingerprint(KeyError())


def test_a_description_has_the_end_of_the_traceback_and_no_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The player's account name stays at home; of a text too long the last 8,192 characters are kept."""
    monkeypatch.setenv("HOME", "/home/ann")  # that of root has no name in it
    text = describe(crash(f"cannot read {Path.home()}/save.dat"))
    assert "cannot read ~/save.dat" in text
    assert str(Path.home()) not in text
    assert "ValueError" in text
    long = describe(crash("x" * 20_000 + "the end"))
    assert len(long) == 8192
    assert long.endswith("the end\n")


def test_a_message_is_cut() -> None:
    """At 8,192 characters, as the server demands; anything becomes a string."""
    assert clipped("x" * 9000) == "x" * 8192
    assert clipped(ValueError("a")) == "a"


@pytest.mark.parametrize("size", [10**5, 10**8])
def test_a_message_of_any_size_is_cut_before_it_is_encoded(size: int) -> None:
    """The text is bounded for every exception."""
    assert clipped("x" * size) == "x" * 8192
    assert len(describe(ValueError("ä" * size))) == 8192
