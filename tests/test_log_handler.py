"""Log records of the game as errors of the running tracker."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

import ga_pygame
from ga_pygame import log_handler


class Told:
    """A tracker that notes its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def error(self, severity: Any, message: str, *, fields: Any) -> None:
        self.calls.append((severity.value, message, fields))

    def exception(self, error: BaseException, *, severity: Any, fields: Any) -> None:
        self.calls.append((severity.value, error, fields))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    made = Told()
    monkeypatch.setattr(log_handler, "current", lambda: made)
    return made


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    logger = logging.getLogger("mygame.save")
    handler = ga_pygame.LoggingHandler()
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    yield logger
    logger.removeHandler(handler)


def test_warnings_and_errors_are_reported(told: Told, log: logging.Logger) -> None:
    """With the logger's name; what is less is not. A line reports its first message."""
    log.info("loaded")
    for number in range(3):
        log.warning("slot %d is empty", number)
    log.error("disk full")
    fields = {"logger": "mygame.save"}
    assert told.calls == [("warning", "slot 0 is empty", fields), ("error", "disk full", fields)]


def test_an_exception_becomes_its_traceback(told: Told, log: logging.Logger) -> None:
    """`logger.exception()` is `tracker.exception()`."""
    error = ValueError("boom")
    try:
        raise error
    except ValueError:
        log.exception("saving")
    assert told.calls == [("error", error, {"logger": "mygame.save"})]


def test_our_own_records_make_no_circle(told: Told) -> None:
    """A warning of this package on the root logger is not reported, which would warn again."""
    handler = ga_pygame.LoggingHandler()
    for name in ("ga_pygame", "ga_pygame.tracker", "ga_pygames"):
        handler.handle(logging.LogRecord(name, logging.ERROR, f"{name}.py", 1, "x", None, None))
    assert [fields["logger"] for _, _, fields in told.calls] == ["ga_pygames"]


def test_arguments_that_do_not_fit_are_as_logging_says(
    told: Told, log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The game goes on, and nothing is reported."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    log.error("%d", "no number")
    assert told.calls == []
