"""Errors: ten distinct a launch, fingerprints, tracebacks without the player's name, chained hooks."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from ga_pygame.diagnostics import Diagnostics
from ga_pygame.engine.crashes import LIMIT, CrashHook, ErrorLimit, clipped, describe, fingerprint


def crash(message: str = "no", depth: int = 0) -> Exception:
    try:
        if depth:
            raise crash(message, depth - 1)
        raise ValueError(message)
    except ValueError as error:
        return error


def test_ten_distinct_errors_a_launch() -> None:
    """A thousand repeats of one do not hide the nine others; the rest is counted."""
    diagnostics = Diagnostics()
    limit = ErrorLimit(diagnostics)

    def is_sent(fingerprint: str) -> bool:
        if admitted := limit.admits(fingerprint):
            limit.remember(fingerprint)
        return admitted

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


def test_a_description_has_the_end_of_the_traceback_and_no_home_folder() -> None:
    """The player's account name stays at home; of a text too long the last 8,192 characters are kept."""
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
    assert clipped(ValueError("a")) == "a"  # type: ignore[arg-type]


def test_uncaught_exceptions_are_heard_and_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was hooked in before still hears, on the main thread and on others; removing puts the old ones back."""
    order: list[str] = []

    def before(_kind: object, error: object, _trace: object) -> None:
        order.append(f"previous {error}")

    def before_thread(args: threading.ExceptHookArgs) -> None:
        order.append(f"previous {args.exc_value}")

    monkeypatch.setattr(sys, "excepthook", before)
    monkeypatch.setattr(threading, "excepthook", before_thread)
    hook = CrashHook(lambda error, ends_game: order.append(f"ours {error} {ends_game}"))
    hook.install()
    error = crash("boom")
    sys.excepthook(type(error), error, None)

    def work() -> None:
        raise ValueError("in a thread")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert order == ["ours boom True", "previous boom", "ours in a thread False", "previous in a thread"]
    hook.remove()
    assert sys.excepthook is before
    assert threading.excepthook is before_thread


def test_a_hook_chained_in_later_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removing ours must not cut out somebody else's."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    hook = CrashHook(lambda _error, _ends: None)
    hook.install()

    def later(*_: object) -> None: ...

    sys.excepthook = later
    threading.excepthook = later
    hook.remove()
    assert sys.excepthook is later
    assert threading.excepthook is later


def test_removing_what_was_not_installed_is_nothing() -> None:
    """`close()` removes the hook also where `capture_exceptions` was off."""
    before = (sys.excepthook, threading.excepthook)
    CrashHook(lambda _error, _ends: None).remove()
    assert (sys.excepthook, threading.excepthook) == before
