"""A file in the place of a journal may belong to anybody: it is read only if it is ours, and harms nothing else."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import stat
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.kinds import Event
from ga_pygame.recording import journal_files
from ga_pygame.recording.journal import SIZE, Journal
from ga_pygame.recording.journal_files import ALL, NotOurs
from ga_pygame.recording.leftover import Leftover, read_journal
from ga_pygame.testing import ManualClock
from tests.test_journal import Noted, numbers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="shared memory is used on Linux only")

is_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root for a second user")


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """Return a data folder; its files in shared memory are removed at the end."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    yield folder
    shared = journal_files.memory_folder(folder)
    if shared is not None and os.path.lexists(shared):
        if shared.is_symlink() or shared.is_file():
            shared.unlink()
        else:
            shutil.rmtree(shared, ignore_errors=True)


@pytest.fixture
def shared(data: Path) -> Path:
    found = journal_files.memory_folder(data)
    if found is None:
        pytest.skip("no shared memory here")
    return found


@pytest.fixture(scope="module")
def stranger() -> Iterator[int]:
    """Return the id of a second user of this machine."""
    name = f"ga{uuid.uuid4().hex[:8]}"
    made = subprocess.run(["useradd", "--no-create-home", name], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no second user can be made: {made.stderr.strip()}")
    try:
        yield int(subprocess.run(["id", "-u", name], capture_output=True, text=True, check=True).stdout)
    finally:
        subprocess.run(["userdel", name], capture_output=True, check=False)


def as_user(user: int, work: Callable[[], None]) -> None:
    """Run a function as another user, in a process of its own."""

    def run() -> None:
        os.setuid(user)
        work()

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join(30)
    assert process.exitcode == 0


def make_journal(path: Path, *events: Event) -> None:
    """Make a real journal by killing a process."""
    made = Noted(path)
    made.note(*events)
    made.journal.let_go()


def test_the_folders_name_says_which_disk_it_belongs_to(tmp_path: Path) -> None:
    """Two folders of one path on two disks, as two containers see them, have two places in shared memory."""
    first = tmp_path / "data"
    first.mkdir()
    one = journal_files.memory_folder(first)
    first.rename(tmp_path / "other")  # keeps the first one's inode from being used again
    first.mkdir()
    two = journal_files.memory_folder(first)
    assert one is not None
    assert one != two
    assert one.parent == journal_files.SHARED


def test_folder_and_file_are_the_users_own(data: Path, shared: Path) -> None:
    """Whatever the umask is."""
    before = os.umask(0)
    try:
        path = journal_files.where(data, "x")
        made = Journal(path, ManualClock())
    finally:
        os.umask(before)
    assert path.parent == shared
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(shared.stat().st_mode) == 0o700
    assert made.close()
    assert not shared.exists()


@is_root
def test_another_users_folder_is_left_alone(data: Path, shared: Path, stranger: int) -> None:
    """The journal lies in the data folder then, and nothing in the foreign one is listed, read or removed."""
    planted = shared / "journal-planted.ring"

    def plant() -> None:
        shared.mkdir(mode=0o777)
        shared.chmod(0o777)
        planted.write_bytes(bytes(SIZE))

    as_user(stranger, plant)
    assert journal_files.folder(data) == data
    assert journal_files.launches(data) == []
    assert journal_files.where(data, "planted").parent == data
    with pytest.raises(OSError, match="belongs to user"):
        read_journal(planted)
    assert not journal_files.remove(planted)
    assert planted.exists()
    path = journal_files.where(data, "mine")
    make_journal(path, *numbers(1, 2))
    assert path.parent == data
    assert journal_files.launches(data) == ["mine"]
    assert [record.event for _, record in Leftover(read_journal(path)).records] == numbers(1, 2)
    assert journal_files.remove(path)
    assert data.exists()


@is_root
@pytest.mark.parametrize("in_data", [False, True])
def test_another_users_file_is_not_read(data: Path, shared: Path, stranger: int, in_data: bool) -> None:
    """Forged rows, as a real journal of somebody else, in a folder that they could once write to; it is removed."""
    folder = data if in_data else shared
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "journal-forged.ring"
    make_journal(path, *numbers(1))
    os.chown(path, stranger, stranger)
    assert journal_files.launches(data) == ["forged"]
    with pytest.raises(NotOurs):
        read_journal(path)
    assert journal_files.remove(path)


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _link(path: Path) -> None:
    target = path.with_name("target")
    make_journal(target, *numbers(1))
    path.symlink_to(target)


def _hard_link(path: Path) -> None:
    target = path.with_name("target")
    make_journal(target, *numbers(1))
    path.hardlink_to(target)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 * 2**30)


def _writable(path: Path) -> None:
    make_journal(path, *numbers(1))
    path.chmod(0o666)


@pytest.mark.parametrize(
    "plant", [_fifo, _link, _hard_link, _sparse, _writable, Path.mkdir, lambda path: path.write_bytes(bytes(SIZE + 1))]
)
def test_what_is_no_journal_of_ours_is_not_read(data: Path, shared: Path, plant: Callable[[Path], Any]) -> None:
    """Without waiting for it, without following it, without taking it into memory."""
    shared.mkdir(mode=0o700)
    path = shared / "journal-planted.ring"
    plant(path)
    with pytest.raises(OSError):  # noqa: PT011 - it differs by system
        read_journal(path)
    journal_files.mark_done(path)
    journal_files.remove(path)


def test_a_link_in_the_place_of_the_folder_is_not_followed(data: Path, shared: Path, tmp_path: Path) -> None:
    """Also to a folder of our own: somebody else chose it."""
    target = tmp_path / "chosen"
    target.mkdir()
    shared.symlink_to(target)
    assert journal_files.folder(data) == data
    assert journal_files.launches(data) == []
    with pytest.raises(OSError):  # noqa: PT011 - it differs by system
        Journal(shared / "journal-x.ring", ManualClock())
    assert not list(target.iterdir())


def test_only_so_many_journals_are_picked_up(data: Path, shared: Path) -> None:
    """The others wait for the next launch; names that are no journal's do not count."""
    shared.mkdir(mode=0o700)
    for number in range(journal_files.MAX_JOURNALS + 20):
        (shared / f"journal-{number}.ring").touch()
        (shared / f"other-{number}").touch()
    (shared / f"journal-{'x' * 200}.ring").touch()
    assert len(journal_files.launches(data)) == journal_files.MAX_JOURNALS


def test_a_file_that_is_there_already_is_not_taken_for_a_new_journal(data: Path, shared: Path) -> None:
    """The other user who made it may have it open."""
    shared.mkdir(mode=0o700)
    path = shared / "journal-x.ring"
    path.touch()
    with pytest.raises(FileExistsError):
        Journal(path, ManualClock())
    assert path.exists()


def test_a_journal_that_cannot_be_removed_says_that_it_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows while a scanner has it open: nothing in it is replayed, by its own word."""
    path = tmp_path / "journal-x.ring"
    made = Noted(path)
    made.note(*numbers(1, 2, 3))

    def refuse(*_arguments: Any, **_more: Any) -> None:
        raise PermissionError("in use")

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", refuse)
        assert made.journal.close() is False
    left = Leftover(read_journal(path))
    assert (left.committed, left.records, left.unreadable) == (ALL, [], 0)
    assert journal_files.remove(path)


def test_marking_a_journal_as_done(tmp_path: Path) -> None:
    """A recovered record is not recovered again, whatever happens to the file."""
    path = tmp_path / "journal-x.ring"
    make_journal(path, *numbers(1, 2, 3))
    assert len(Leftover(read_journal(path)).records) == 3
    journal_files.mark_done(path)
    assert Leftover(read_journal(path)).records == []
