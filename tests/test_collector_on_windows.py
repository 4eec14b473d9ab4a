"""What the collector and the demo do differently on Windows."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from typing import Any

import pytest
import uvicorn

from ga_pygame.collector import connections, server
from ga_pygame.collector.starting import start_command
from ga_pygame.tools import child


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")


async def _nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    """Serve no request."""


def test_it_does_not_run_on_the_proactor_loop(windows: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """There, a client that is killed while it connects makes the listener close for good."""

    class Selector(asyncio.SelectorEventLoop):
        """The loop that is asked for by name, not the system's default."""

    ran_on: list[asyncio.AbstractEventLoop] = []

    def sweep(_now: float) -> None:
        ran_on.append(asyncio.get_running_loop())
        made.should_exit = True

    monkeypatch.setattr(asyncio, "SelectorEventLoop", Selector)
    made = server._Server(uvicorn.Config(_nothing, log_config=None, lifespan="off"), [], sweep)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made.run([listener])
    assert {type(loop) for loop in ran_on} == {Selector}
    assert ran_on[0].is_closed()


def test_its_sockets_fit_into_one_select(windows: None) -> None:
    """With more than 512, `select()` raises there, and the server would end."""
    assert connections.raise_file_limit() + connections.MAX_ACCEPTED_AT_ONCE < 512


def test_ctrl_break_ends_it_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the process ends before a temporary file is removed."""
    if sys.platform != "win32":
        monkeypatch.setattr(signal, "SIGBREAK", signal.SIGUSR1, raising=False)
    ctrl_break = signal.SIGBREAK  # type: ignore[attr-defined,unused-ignore]
    before = signal.getsignal(ctrl_break)
    made = server._Server(uvicorn.Config(_nothing, log_config=None), [], lambda _now: None)
    with server._stopping(made):
        signal.raise_signal(ctrl_break)
        assert made.should_exit
    assert signal.getsignal(ctrl_break) is before


def test_the_command_is_one_that_its_terminals_take(windows: None) -> None:
    """`NAME=value command` is for Unix shells only; a space before && would become part of the value."""
    said = start_command("http://127.0.0.1:8420")
    assert said.startswith('$env:GA_PYGAME_COLLECTOR = "http://127.0.0.1:8420"; python my_game.py')
    assert "set GA_PYGAME_COLLECTOR=http://127.0.0.1:8420&& python my_game.py" in said


def test_a_collector_beside_a_game_ends_by_a_signal_that_it_hears(monkeypatch: pytest.MonkeyPatch) -> None:
    """`os.kill` with SIGTERM ends a process at once on Windows: the temporary database would stay each time."""
    heard = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: heard.set())
    timers: list[float] = []

    class Timer:
        def __init__(self, seconds: float, *_: object) -> None:
            timers.append(seconds)

        def start(self) -> None:
            """Do not end the tests."""

    monkeypatch.setattr(os, "read", lambda *_: b"")
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("os.kill was called"))
    monkeypatch.setattr(threading, "Timer", Timer)
    try:
        child._end_with_parent()
        assert heard.wait(5)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert timers
