"""The home folder in texts is replaced in all its spellings, and no other text is."""

from __future__ import annotations

import urllib.parse
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_pygame import home_paths
from ga_pygame.engine.crashes import clipped, describe
from ga_pygame.home_paths import masked, masked_end, masked_start


@pytest.fixture(autouse=True)
def no_other_homes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide all home folders except those that a test sets."""
    for name in ("HOME", "USERPROFILE", "HOMEDRIVE", "HOMEPATH", "USER", "USERNAME", "LOGNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(home_paths, "_home_of_the_system", lambda: "")


WINDOWS = r"C:\Users\Jane Doe"
BYTES = "/home/ann\udcff"


@pytest.mark.parametrize(
    ("home", "text", "expected"),
    [
        ("/home/ann", "/home/ann/save.dat", "~/save.dat"),
        ("/home/ann", "cannot read '/home/ann/save.dat'", "cannot read '~/save.dat'"),
        ("/home/ann", "cannot read /home/ann.", "cannot read ~."),
        ("/home/ann", r"b'/home/ann/\xff'", r"b'~/\xff'"),
        ("/home/ann", "file:///home/ann/x", "file:~/x"),
        ("/home/ann", "%2Fhome%2Fann%2Fx", "~%2Fx"),
        ("/home/ann", "/home//ann/x", "~/x"),
        ("/home/ann", "/HOME/Ann/x", "~/x"),
        ("/home/ann", "PATH=/home/ann:/usr/bin", "PATH=~:/usr/bin"),
        ("/home/ann/", "/home/ann/x", "~/x"),
        ("/home/ann", "/home/annabel/x", "/home/annabel/x"),
        ("/home/ann", "/home/ann-2/x", "/home/ann-2/x"),
        ("/home/ann", "/home/ann.old/x", "/home/ann.old/x"),
        ("/home/ann", "/home/an", "/home/an"),
        ("/home/ann", "/backup/home/ann/x", "/backup/home/~/x"),
        ("/home/ann", "/media/ann/stick/x", "/media/~/stick/x"),
        ("/home/ann", "/run/media/ann/stick", "/run/media/~/stick"),
        ("/home/ann", "/usr/lib/ann/x", "/usr/lib/ann/x"),
        ("/home/Ann Smith", r"cd /home/Ann\ Smith/x", "cd ~/x"),
        ("/home/Ann Smith", repr(r"/home/Ann\ Smith/x"), "'~/x'"),
        ("/home/O'Brien", r"/home/O\'Brien/x", "~/x"),
        ("/home/ann", "/run/user/1000/ann/bus", "/run/user/1000/~/bus"),
        ("/home/ann", "/run/user/1000/bus", "/run/user/1000/bus"),
        ("/home/ann", "ssh ann@laptop: refused", "ssh ~@laptop: refused"),
        ("/home/ann", "ftp://ann@host/x", "ftp://~@host/x"),
        ("/home/ann", "joann@host ann.b@host ann @ host ann@", "joann@host ann.b@host ann @ host ann@"),
        ("/home/al", "al@host", "al@host"),
        ("/srv/players/ann", "/mnt/srv/players/ann/x", "/mnt~/x"),
        (WINDOWS, r"C:\Users\Jane Doe\x", r"~\x"),
        (WINDOWS, repr(r"C:\Users\Jane Doe\x"), repr(r"~\x")),
        (WINDOWS, repr(repr(r"C:\Users\Jane Doe\x")), repr(repr(r"~\x"))),
        (WINDOWS, r"C:\Users\Jane Doe\xabc", r"~\xabc"),
        (WINDOWS, "c:/users/jane doe/x", "~/x"),
        (WINDOWS, "file:///C:/Users/Jane%20Doe/x", "file:///~/x"),
        (WINDOWS, "/c/Users/Jane Doe/x", "~/x"),
        (WINDOWS, "/mnt/c/Users/Jane Doe/x", "/mnt~/x"),
        (WINDOWS, r"\\?\C:\Users\Jane Doe\x", r"\\?\~\x"),
        (WINDOWS, r"D:\Users\Jane Doe\x", r"D:\Users\~\x"),
        (WINDOWS, r"C:\Users\Jane Doering\x", r"C:\Users\Jane Doering\x"),
        (WINDOWS, r"C:\Users\JANEDO~1\AppData\Local\Temp\_MEI42\x", r"~\AppData\Local\Temp\_MEI42\x"),
        (WINDOWS, repr(r"c:\users\janedo~12\x"), repr(r"~\x")),
        (WINDOWS, r"C:\Users\JA3F0C~1\x", r"~\x"),
        (WINDOWS, r"D:\Users\JANEDO~1\x", r"D:\Users\~\x"),
        (WINDOWS, r"C:\Users\JOHNDO~1\x", r"C:\Users\JOHNDO~1\x"),
        (r"C:\Users\anna.schmidt", r"C:\Users\ANNA~1.SCH\x", r"~\x"),
        (r"C:\Users\Åsa Lind", r"C:\Users\_SALIN~1\x", r"~\x"),
        (r"\\server\homes\ann", r"\\server\homes\ann\x", r"~\x"),
        ("/home/josé", "/home/josé/x", "~/x"),
        ("/home/josé", "/home/jose\u0301/x", "~/x"),
        ("/home/jose\u0301", "/home/josé/x", "~/x"),
        ("/home/josé", ascii("/home/josé/x"), "'~/x'"),
        ("/home/josé", repr("/home/josé/x".encode()), "b'~/x'"),
        ("/home/josé", urllib.parse.quote("/home/josé/x"), "~/x"),
        ("/home/josé", "/home/josé/x".encode().decode("latin-1"), "~/x"),
        (BYTES, BYTES + "/x", "~/x"),
        pytest.param(
            *(BYTES, repr(b"/home/ann\xff/x"), "b'~/x'"),
            marks=pytest.mark.posix("file names are no bytes on Windows"),
        ),
        (BYTES, "/home/ann?/x", "~/x"),
        (BYTES, repr(BYTES + "/x"), "'~/x'"),
        ("/root", "/root/x", "/root/x"),
        ("/", "/usr/lib/x", "/usr/lib/x"),
        ("", "/usr/lib/x", "/usr/lib/x"),
        ("C:\\", "C:\\x", "C:\\x"),
        ("ann/x", "/home/ann/x", "/home/ann/x"),
    ],
)
def test_the_home_is_matched_in_all_spellings(
    monkeypatch: pytest.MonkeyPatch, home: str, text: str, expected: str
) -> None:
    """At a separator, in another case, with any slashes, percent-encoded, as a `repr` of text or of bytes."""
    monkeypatch.setenv("HOME", home)
    assert masked(text) == expected


@pytest.mark.parametrize("name", ["HOME", "USERPROFILE"])
def test_each_variable_names_a_home(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Several at once, too: shells on Windows set both."""
    monkeypatch.setenv("HOME", "/home/other")
    monkeypatch.setenv(name, "/home/ann")
    assert masked("/home/ann/x") == "~/x"


def test_the_home_of_the_system_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox sets HOME to a folder of its own; the user's name is in the real one."""
    monkeypatch.setenv("HOME", "/snap/game/7")
    monkeypatch.setattr(home_paths, "_home_of_the_system", lambda: "/home/ann")
    assert masked("/home/ann/x /snap/game/7/y") == "~/x ~/y"


@pytest.mark.posix("needs the right to make links there")
def test_a_linked_home_is_matched_by_both_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`/home/ann` may be a link to a folder on another disk, whose path is what Python shows."""
    real = tmp_path / "disk" / "ann"
    real.mkdir(parents=True)
    (tmp_path / "homes").mkdir()
    link = tmp_path / "homes" / "ann"
    link.symlink_to(real)
    monkeypatch.setenv("HOME", str(link))
    assert masked(f"{link}/x {real}/y") == "~/x ~/y"


@given(before=st.integers(0, 40), after=st.integers(0, 40), longest=st.integers(1, 60))
def test_a_cut_leaves_no_half_of_a_home(before: int, after: int, longest: int) -> None:
    """Wherever it is made: a part of the name would not be known as one any more."""
    text = "." * before + " /home/annabel/" + "." * after
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", "/home/annabel")
        start, end = masked_start(text, longest), masked_end(text, longest)
    assert len(start) <= longest
    assert len(end) <= longest
    assert set(start + end) <= set(". ~/")


def test_reports_of_all_kinds_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages and tracebacks; a long one at its cut, too."""
    monkeypatch.setenv("HOME", "/home/annabel")
    assert clipped("no /home/annabel/x") == "no ~/x"
    for size in range(8170, 8200):
        assert "/home" not in clipped("x" * size + " /home/annabel/save")
        assert "nabel" not in describe(ValueError("/home/annabel/save" + "x" * (size - 12)))
    assert "nabel" not in describe(ValueError("/home/annabel " * 3000))
    assert "/home" not in clipped("/home/annabel " * 3000)


def test_many_slashes_cost_no_time() -> None:
    """The expression looks at each place a bounded number of times: this would take minutes otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", WINDOWS)
        for text in ("/" * 16_000, "\\" * 16_000, "/Users" * 3000, "?" * 16_000, "C:" * 8000):
            assert masked(text) == text
