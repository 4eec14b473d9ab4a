"""The data folder: what may be in it, which others use it, and how long `start()` waits for them."""

from __future__ import annotations

import errno
import importlib.util
import os
import sqlite3
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ga_pygame import Config, stored
from ga_pygame.areas.consent import ConsentState
from ga_pygame.collector.storage import schema
from ga_pygame.config import SANDBOX_GAME_KEY
from ga_pygame.delivery.outbox import data_folder, file_lock
from ga_pygame.delivery.outbox.contract import NewRecord
from ga_pygame.delivery.outbox.failover import FailoverOutbox
from ga_pygame.delivery.outbox.file_lock import FileLock, Patience
from ga_pygame.delivery.outbox.sqlite import SqliteOutbox
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.kept import KeptKey
from ga_pygame.testing import ManualClock, Parts

POSIX = pytest.mark.posix("Windows has no such files")
ROOT = pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can make another's file")
NAMES = ("first",)
SLOW = 1.5
"""Seconds that no start takes, however busy the machine is; it waits 0.2 s at most."""


@pytest.mark.posix("Windows has no such modes")
def test_on_windows_a_folder_has_the_rights_of_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With mode 0700 only the owner has rights, another one if the game was once run as administrator."""
    modes: list[int] = []
    real = Path.mkdir

    def mkdir(path: Path, mode: int = 0o777, **others: Any) -> None:
        modes.append(mode)
        real(path, mode, **others)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    data_folder.make_private_folder(tmp_path / "posix" / "game")
    monkeypatch.setattr(sys, "platform", "win32")
    data_folder.make_private_folder(tmp_path / "windows" / "game")
    schema.make_folder(tmp_path / "collector")
    assert modes == [0o700, 0o700, 0o777, 0o777, 0o777]


class Rig:
    """A failover outbox in a folder, with its messages."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "game" / "outbox.sqlite3"
        self.clock = ManualClock()
        self.diagnostics = Diagnostics()
        self.opened: list[FailoverOutbox] = []

    def open(self) -> FailoverOutbox:
        began = time.monotonic()
        made = FailoverOutbox(self.path, NAMES, self.clock, self.diagnostics)
        assert time.monotonic() - began < SLOW
        self.opened.append(made)
        return made


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    for outbox in made.opened:
        outbox.close()


def add(outbox: FailoverOutbox, text: str) -> None:
    outbox.transact(lambda t: t.add([NewRecord("s1", "design", 1.7e9, None, b"", f'"n":"{text}"'.encode())]))


def delivered(outbox: FailoverOutbox) -> list[str]:
    found = []
    while batch := outbox.lease("first", 500, 10**6):
        found += [record.payload.decode()[5:-2] for record in batch.records]
        outbox.settle(batch)
    return found


HOLDS = """
    import sys, sqlite3, fcntl
    kind, path = sys.argv[1:]
    if kind == "exclusive":
        held = sqlite3.connect(path, isolation_level=None)
        held.execute("PRAGMA locking_mode = EXCLUSIVE")
        held.execute("BEGIN EXCLUSIVE")
        held.execute("CREATE TABLE IF NOT EXISTS held (x)")
    elif kind == "write":
        held = sqlite3.connect(path, isolation_level=None)
        held.execute("BEGIN IMMEDIATE")
    elif kind == "flock":
        held = open(path, "a")
        fcntl.flock(held, fcntl.LOCK_EX)
    else:
        held = open(path, "r+b")
        fcntl.lockf(held, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Callable[[str, Path], subprocess.Popen[str]]]:
    """Start another process that holds a file."""
    started: list[subprocess.Popen[str]] = []

    def start(kind: str, path: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(HOLDS), kind, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.communicate("")


@POSIX
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("exclusive", "outbox.sqlite3"),
        ("write", "outbox.sqlite3"),
        ("fcntl", "outbox.sqlite3"),
        ("flock", "open.lock"),
    ],
)
def test_another_program_holds_the_outbox_at_the_start(
    rig: Rig, hold: Any, kind: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The game does not wait for it: events are in memory, and on the disk as soon as it lets go."""
    first = rig.open()
    add(first, "before")
    first.close()
    other = hold(kind, rig.path.with_name(name))
    outbox = rig.open()
    add(outbox, "a")
    held_long = "kept in memory" in caplog.text
    other.communicate("")
    rig.clock.advance(60)
    add(outbox, "b")
    assert delivered(outbox) == ["before", "a", "b"]
    assert held_long
    assert outbox.is_on_disk


@POSIX
def test_the_player_stays_who_they_were_while_the_outbox_is_held(rig: Rig, hold: Any) -> None:
    """Kept values can be read even if the file cannot be written."""
    outbox = rig.open()
    outbox.transact(lambda t: t.remember(KeptKey("user_id"), "player"))
    other = hold("write", rig.path)
    again = rig.open()
    assert again.transact_at_start(lambda t: t.value(KeptKey("user_id"))) == "player"
    other.communicate("")


@POSIX
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EIO])
def test_a_drive_without_file_locks(rig: Rig, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Nothing can be shared with another copy of the game there: memory, said."""

    def fails(_file: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(file_lock, "_lock", fails)
    outbox = rig.open()
    add(outbox, "a")
    assert delivered(outbox) == ["a"]
    assert not outbox.is_on_disk


@pytest.mark.posix("SQLite for Windows has no part without shared memory to test with")
def test_a_drive_without_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite cannot have a WAL there: another journal does, also for a file that was a WAL's."""
    path = tmp_path / "game" / "outbox.sqlite3"
    before = SqliteOutbox(path, NAMES)
    before.transact(lambda t: t.add([NewRecord("s1", "design", 1.7e9, None, b"", b'"n":1')]))
    before.close()
    real = sqlite3.connect

    def without(path: Any, **keywords: Any) -> sqlite3.Connection:
        made: sqlite3.Connection = real(f"{Path(path).as_uri()}?vfs=unix-dotfile", uri=True, **keywords)
        return made

    monkeypatch.setattr(sqlite3, "connect", without)
    for _ in range(2):
        outbox = SqliteOutbox(path, NAMES)
        outbox.transact(lambda t: t.add([NewRecord("s1", "design", 1.7e9, None, b"", b'"n":2')]))
        batch = outbox.lease("first", 1, 10**6)
        assert batch is not None
        outbox.settle(batch)
        assert outbox._writer.execute("PRAGMA journal_mode").fetchone() == ("truncate",)
        outbox.close()


FILES = ["outbox.sqlite3", "outbox.sqlite3-wal", "outbox.sqlite3-shm", "open.lock"]


@POSIX
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["pipe", "folder", "link to nowhere", "link to itself"])
def test_what_is_no_file(rig: Rig, name: str, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """A pipe would block whoever opens it; the game starts, with its events in memory."""
    rig.path.parent.mkdir()
    place = rig.path.with_name(name)
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    else:
        place.symlink_to(place if kind == "link to itself" else "nowhere")
    outbox = rig.open()
    add(outbox, "a")
    assert delivered(outbox) == ["a"]
    assert not outbox.is_on_disk
    assert "kept in memory" in caplog.text


@ROOT
@pytest.mark.parametrize("name", [".", *FILES])
def test_what_belongs_to_another_user(rig: Rig, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever owns the file can change it at any time."""
    rig.path.parent.mkdir()
    place = rig.path.with_name(name) if name != "." else rig.path.parent
    if name != ".":
        place.touch()
    os.chown(place, 65534, 65534)
    outbox = rig.open()
    add(outbox, "a")
    assert delivered(outbox) == ["a"]
    assert not outbox.is_on_disk
    assert "belongs to user 65534" in caplog.text


@POSIX
@pytest.mark.parametrize("mask", [0, 0o777])
def test_all_that_is_made_is_the_users_alone(tmp_path: Path, mask: int) -> None:
    """Whatever the umask is: files 0600, folders 0700."""
    path = tmp_path / "a" / "b" / "outbox.sqlite3"
    before = os.umask(mask)
    try:
        outbox = SqliteOutbox(path, NAMES)
        outbox.transact(lambda t: t.add([NewRecord("s1", "design", 1.7e9, None, b"", b'"n":1')]))
        assert outbox.lease("first", 1, 10**6) is not None
        outbox.mark_ended()
    finally:
        os.umask(before)
    files = sorted(path.parent.iterdir())
    assert {one.suffix for one in files} >= {".lock", ".sqlite3", ".sqlite3-wal", ".sqlite3-shm"}
    assert {stat.S_IMODE(one.stat().st_mode) for one in files} == {0o600}
    assert {stat.S_IMODE(one.stat().st_mode) for one in (path.parent, path.parent.parent)} == {0o700}
    outbox.close()


def test_a_file_that_others_could_read_is_made_private(tmp_path: Path) -> None:
    """It was copied by hand, or an earlier version made it."""
    path = tmp_path / "outbox.sqlite3"
    SqliteOutbox(path, NAMES).close()
    path.chmod(0o666)
    SqliteOutbox(path, NAMES).close()
    assert sys.platform == "win32" or stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "name", ["a?b", "a#b", "a%20b", "a b", "a\nb", "ä", pytest.param("\udcff", id="half"), "'", "file:x"]
)
def test_any_name_of_a_folder(tmp_path: Path, name: str) -> None:
    """Of a folder that there may be; what is kept can be read, too."""
    if sys.platform == "win32" and name in {"a?b", "a\nb", "\udcff"}:
        pytest.skip("Windows has no such names, or Wine cannot pass them on")
    config = Config(data_dir=tmp_path / name)
    path = stored.outbox_path(config)
    assert path is not None
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        pytest.skip("this system has no such names")
    outbox = FailoverOutbox(path, NAMES, ManualClock(), Diagnostics())
    assert outbox.is_on_disk
    outbox.transact(lambda t: t.remember(KeptKey("consent"), "denied"))
    assert stored.kept_consent(config) is ConsentState.DENIED
    outbox.close()
    assert path.exists()


def test_a_relative_folder_is_meant_from_where_the_tracker_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A game may change its working folder between making the tracker, `start()` and the next launch."""
    monkeypatch.chdir(tmp_path)
    config = Config(data_dir="data")
    monkeypatch.chdir("/")
    path = stored.outbox_path(config)
    assert path is not None
    assert path.parent.parent == tmp_path / "data"
    assert path.name == "outbox.sqlite3"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Config(data_dir="~/x").data_dir == str(tmp_path / "x") or sys.platform == "win32"


@POSIX
def test_there_is_no_home(tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither HOME nor an entry of the user: events are in memory, and no folder of the name `~` is made."""
    import pwd  # noqa: PLC0415 - not on Windows

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    config = Config()
    assert stored.outbox_path(config) is None
    assert stored.kept_consent(config) is ConsentState.UNKNOWN
    outbox = Parts().outbox(stored.outbox_path(config), NAMES, ManualClock(), Diagnostics())
    assert isinstance(outbox, FailoverOutbox)
    add(outbox, "a")
    assert delivered(outbox) == ["a"]
    add(outbox, "b")
    outbox.save()
    outbox.close()
    assert "GA_PYGAME_DATA_DIR" in caplog.text
    assert list(tmp_path.iterdir()) == []
    assert SANDBOX_GAME_KEY


# --- locks --------------------------------------------------------------------------------------------------


def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    """Also within a process; who waits gets it as soon as it is free, or gives up."""
    one, other = FileLock(tmp_path / "x.lock"), FileLock(tmp_path / "x.lock")
    assert one.acquire()
    assert not other.acquire()
    assert not other.acquire(Patience(0.02))
    one.release()
    assert other.acquire(Patience(5.0))
    one.release()
    assert not one.acquire()
    other.remove()
    assert not (tmp_path / "x.lock").exists()
    assert one.acquire()
    one.release()


@POSIX
def test_a_forked_child_does_not_hold_the_lock(tmp_path: Path) -> None:
    """Else a launch would seem to live as long as its last child."""
    one, other = FileLock(tmp_path / "x.lock"), FileLock(tmp_path / "x.lock")
    assert one.acquire()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(write)
        os.read(read, 1)  # lives on until the parent has looked
        one.release()
        os._exit(0)
    os.close(read)
    time.sleep(0)
    assert not other.acquire()
    one.release()
    assert other.acquire(Patience(5.0))
    os.close(write)
    os.waitpid(pid, 0)
    other.release()


@POSIX
@pytest.mark.parametrize("kind", ["pipe", "folder", "full folder", "link", "link to nowhere", "another user's"])
def test_what_lies_in_the_place_of_an_uploaders_lock(rig: Rig, kind: str) -> None:
    """It is moved aside: else nothing would be delivered until somebody removes it."""
    rig.open().close()
    place = rig.path.with_name("upload-first.lock")
    other = rig.path.with_name("other")
    other.write_text("theirs")
    if kind == "pipe":
        os.mkfifo(place)
    elif "folder" in kind:
        place.mkdir()
        if kind == "full folder":
            (place / "file").touch()
    elif "link" in kind:
        place.symlink_to(other if kind == "link" else "nowhere")
    elif os.geteuid() == 0:
        place.touch()
        os.chown(place, 65534, 65534)
    outbox = rig.open()
    add(outbox, "a")
    assert delivered(outbox) == ["a"]
    assert outbox.is_on_disk
    assert stat.S_ISREG(place.lstat().st_mode)
    assert other.read_text() == "theirs"
    assert os.path.lexists(rig.path.with_name("upload-first.lock.moved-1")) or kind == "another user's"


@POSIX
def test_what_comes_back_in_the_place_of_a_lock_is_left_there_in_the_end(rig: Rig) -> None:
    """The folder must not fill with what was moved; nobody moves anything while another copy may."""
    rig.path.parent.mkdir()
    place = rig.path.with_name("x.lock")
    lock, guard, other = FileLock(place), *(FileLock(rig.path.with_name("open.lock")) for _ in range(2))
    for _ in range(file_lock.MAX_MOVED):
        place.mkdir()
        assert other.acquire()
        assert not file_lock.acquire_cleared(lock, guard)
        other.release()
        assert file_lock.acquire_cleared(lock, guard)
        lock.remove()
    place.mkdir()
    with pytest.raises(OSError, match="is no lock file of ours"):
        file_lock.acquire_cleared(lock, guard)
    assert not guard.is_locked


@POSIX
@pytest.mark.parametrize("name", [one for one in FILES if one != "open.lock"])
def test_the_target_of_a_link_is_left_alone(rig: Rig, tmp_path: Path, name: str) -> None:
    """It has nothing to do with us: neither its mode nor its content changes."""
    target = tmp_path / "diary"
    target.write_text("dear diary")
    target.chmod(0o644)
    rig.path.parent.mkdir()
    rig.path.with_name(name).symlink_to(target)
    outbox = rig.open()
    add(outbox, "a")
    assert delivered(outbox) == ["a"]
    outbox.close()
    assert target.read_text() == "dear diary"
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


@pytest.mark.parametrize("code", [0, errno.ENOENT, errno.EACCES, errno.EDEADLK])
def test_a_lock_that_another_process_holds_under_wine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """It is held, whatever `errno` says, which Wine does not set; a drive without locks is an error."""

    def locking(_file: int, _mode: int, _size: int) -> None:
        raise OSError(code, "locking")

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(LK_NBLCK=2, locking=locking))
    spec = importlib.util.spec_from_file_location("file_lock_on_windows", str(file_lock.__file__))
    assert spec is not None
    assert spec.loader is not None
    on_windows = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(on_windows)
    assert not on_windows.FileLock(tmp_path / "lock").acquire()
    code = errno.EINVAL
    with pytest.raises(OSError, match="locking"):
        on_windows.FileLock(tmp_path / "lock").acquire()
