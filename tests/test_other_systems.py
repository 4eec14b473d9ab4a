"""A launch on macOS and on Windows, as far as Linux can play it: their branches, without the functions they lack."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pygame
import pytest

from ga_pygame import annotations, device
from ga_pygame.recording import journal_files
from tests.test_tracker import World

GONE = {
    "darwin": ("O_TMPFILE", "posix_fallocate", "memfd_create"),
    "win32": ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_DIRECTORY", "fchmod", "geteuid", "getuid", "fork"),
}
"""What the system does not have, of what Linux has."""


def forget_the_machine() -> None:
    for cached in (device.platform_name, device.system_version, device.time_zone, annotations.launch_annotations):
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
    delivery = killed._running.delivery
    assert delivery is not None
    delivery._outbox.close()  # the system frees the locks of a dead process
    killed._let_go()  # no worker and no `close()` of it runs any more
    again = world.start()
    world.play(again, 2)
    again.close()
    assert world.ids == ["user", "before:kill", "session_end", "user", "session_end"]
    assert list(world.folder.rglob("journal-*.ring")) == []
    assert {event["platform"] for event in world.sent} == {"mac_osx" if system == "darwin" else "windows"}
