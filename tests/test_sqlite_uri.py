"""The URI by which SQLite opens a file."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

import pytest

from ga_pygame.paths import sqlite_uri


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (PurePosixPath("/home/ann/x"), "file:///home/ann/x?mode=ro"),
        (PureWindowsPath(r"C:\Users\ann\x"), "file:///C:/Users/ann/x?mode=ro"),
        (PureWindowsPath(r"\\server\home\ann\x"), "file:////server/home/ann/x?mode=ro"),
        (PureWindowsPath(r"C:\100%?\Jané #1"), "file:///C:/100%25%3F/Jan%C3%A9%20%231?mode=ro"),
    ],
)
def test_a_path_of_any_system_has_an_empty_authority(path: PurePath, expected: str) -> None:
    """A home on a network drive must not hide the player's answer: SQLite refuses `file://server/…`."""
    uri = sqlite_uri(path, "mode=ro")
    assert uri == expected
    with pytest.raises(sqlite3.OperationalError, match="unable to open database file"):  # not "invalid uri authority"
        sqlite3.connect(uri.replace("x?", "not-there?").replace("#1", ""), uri=True)


NAMES = ["a b", "100%", "#1", "é", "a&b=c"]
if os.name == "posix":
    NAMES += ["what?", "\udcff", "x:y"]  # Windows allows none of them


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_read(tmp_path: Path, name: str) -> None:
    """No character of a path is taken for a part of the URI."""
    path = tmp_path / name
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE here (x)")
    with contextlib.closing(sqlite3.connect(sqlite_uri(path, "mode=ro"), uri=True)) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchone() == ("here",)
