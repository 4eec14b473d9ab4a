"""A launch on macOS and on Windows, as far as Linux can play it: their branches, without the functions they lack."""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pygame
import pytest
import requests

from ga_pygame import Tracker, device
from ga_pygame.annotations import launch_annotations
from ga_pygame.delivery.outbox import sqlite
from ga_pygame.recording import journal_files
from tests.test_tracker import KEYS, World

GONE = {
    "darwin": ("O_TMPFILE", "posix_fallocate", "memfd_create"),
    "win32": ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_DIRECTORY", "fchmod", "geteuid", "getuid", "fork"),
}
"""What the system does not have, of what Linux has."""


PLAYED = pytest.mark.posix("a launch that is left keeps its files mapped there")
"""What is played here on Linux; Windows itself ends real processes (`tests/e2e`)."""


def forget_the_machine() -> None:
    for cached in (device.platform_name, device.system_version, device.time_zone, launch_annotations):
        cached.cache_clear()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    pygame.quit()
    forget_the_machine()
    made = World(tmp_path / "data")
    yield made
    for tracker in made.trackers:
        tracker.close()
    forget_the_machine()


def kill(tracker: Tracker) -> None:
    """Leave a launch as a kill does: the system frees its locks, and neither a worker nor `close()` runs any more."""
    delivery = tracker._running.delivery
    assert delivery is not None
    delivery._outbox.close()
    tracker._let_go()


@PLAYED
@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_a_killed_launch_and_the_next(world: World, monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    """There is no /dev/shm: the journal is in the data folder, survives there, and goes when its events are stored."""
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(journal_files, "_IS_POSIX", system != "win32")
    monkeypatch.setattr(sys, "getwindowsversion", lambda: (10, 0, 22631), raising=False)
    for name in GONE[system]:
        monkeypatch.delattr(os, name, raising=False)
    killed = world.start()
    world.play(killed, 2)
    killed.design("before:kill")
    journals = list(world.folder.rglob("journal-*.ring"))
    assert [path.parent for path in journals] == [next(world.folder.iterdir())]
    kill(killed)
    again = world.start()
    world.play(again, 2)
    again.close()
    assert world.ids == ["user", "before:kill", "session_end", "user", "session_end"]
    assert list(world.folder.rglob("journal-*.ring")) == []
    assert {event["platform"] for event in world.sent} == {"mac_osx" if system == "darwin" else "windows"}


@PLAYED
def test_a_scanner_that_holds_the_file_at_the_start(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The launch has its outbox and its journal as soon as the file is free: a later kill costs nothing."""
    monkeypatch.setattr(sys, "platform", "darwin")  # the journal is in the data folder

    def refuse(path: Path, *_: object) -> None:
        raise PermissionError(errno.EACCES, "the file is used by another process", str(path))

    with monkeypatch.context() as held:
        held.setattr(sqlite, "connect", refuse)
        tracker = world.start()
        tracker.design("in:memory")
        world.play(tracker, 0.2)
    assert list(world.folder.rglob("journal-*.ring")) == []
    world.play(tracker, 1)
    assert len(list(world.folder.rglob("journal-*.ring"))) == 1
    tracker.design("before:kill")
    kill(tracker)
    again = world.start()
    world.play(again, 1)
    again.close()
    assert world.ids == ["user", "in:memory", "before:kill", "session_end", "user", "session_end"]


@PLAYED
def test_no_file_can_be_removed_or_replaced(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows while a scanner or a backup has all of them open: nothing is sent twice, or against a no."""
    refused: list[str] = []

    def refuse(path: object, *_: object, **__: object) -> None:
        refused.append(os.path.basename(os.fspath(path)))  # type: ignore[call-overload]
        raise PermissionError(errno.EACCES, "the file is used by another process", path)

    for name in ("unlink", "remove", "rename", "replace"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(sys, "platform", "darwin")  # the journal is in the data folder
    first = world.start()
    first.design("first")
    kill(first)
    for name in ("second", "third"):
        tracker = world.start()
        world.play(tracker, 1)
        tracker.design(name)
        tracker.close()
    denied = world.start()
    denied.design("denied")
    denied.consent.deny()
    denied.close()
    world.launch().start()
    agreed = world.start()
    agreed.consent.grant()
    agreed.design("agreed")
    agreed.close()
    last = world.start()
    world.play(last, 1)
    last.close()
    assert [one for one in world.ids if one not in ("user", "session_end")] == ["first", "second", "third", "agreed"]
    assert world.ids.count("user") == world.ids.count("session_end")
    assert any(name.endswith(".ring") for name in refused)
    assert any(name.endswith(".lock") for name in refused)
    assert "consent-denied" in refused


def test_the_game_thread_looks_up_no_name_and_no_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that does not answer, and Windows' registry, are waited for by the uploader only."""
    callers: dict[str, set[threading.Thread]] = {}
    uploaded = threading.Event()

    def noting(module: Any, name: str) -> None:
        real = getattr(module, name)

        def note(*args: Any, **named: Any) -> Any:
            callers.setdefault(name, set()).add(threading.current_thread())
            try:
                return real(*args, **named)
            finally:
                if name == "getaddrinfo":
                    uploaded.set()

        monkeypatch.setattr(module, name, note)

    for module, name in ((socket, "getaddrinfo"), (socket, "gethostbyname"), (socket, "getfqdn"), (socket, "socket")):
        noting(module, name)
    noting(requests.Session, "merge_environment_settings")
    keys: dict[str, Any] = KEYS
    tracker = Tracker(**keys, endpoint="http://not-there.invalid", data_dir=tmp_path, shutdown_timeout=0.1)
    tracker.start()
    tracker.design("once")
    assert uploaded.wait(10)
    tracker.close()
    assert "merge_environment_settings" in callers
    assert all(thread is not threading.main_thread() for threads in callers.values() for thread in threads)
