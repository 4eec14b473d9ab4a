"""The inbox with several threads: without a journal, without a GIL, without room, and in a forked child."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from ga_pygame.delivery.encoder import Encoder
from ga_pygame.events import Design, Error, Severity
from ga_pygame.recording import inbox as inbox_module
from ga_pygame.recording.entries import pack_row
from ga_pygame.recording.leftover import Leftover
from ga_pygame.records import Context, SessionRef
from ga_pygame.testing import ManualClock
from tests.test_inbox import SESSION, Rig


@pytest.fixture
def hasty() -> object:
    """Let threads switch all the time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("has_journal", [False, True])
def test_a_context_that_changes_all_the_time_costs_no_event(hasty: object, tmp_path: Path, has_journal: bool) -> None:
    """The game makes stamps while the writer takes and forgets; what it took is never lost by that."""
    rig = Rig(tmp_path / "x.ring" if has_journal else None)
    taken, is_over = [], threading.Event()

    def write() -> None:
        while not is_over.is_set() or rig.inbox.waiting:
            taken.extend(rig.take())

    writer = threading.Thread(target=write)
    writer.start()
    for number in range(6000):
        rig.inbox.use(SESSION, Context(f"player {number}"))
        rig.record(Design("n", number))
    is_over.set()
    writer.join(60)
    taken.extend(rig.take_all())
    assert [record.event.number for record in taken] == list(range(6000))
    assert [record.context.user_id for record in taken] == [f"player {number}" for number in range(6000)]
    assert rig.dropped == {}
    if rig.journal is not None:
        rig.journal.close()


def test_a_row_of_a_stamp_that_is_forgotten_takes_the_next_one() -> None:
    """A thread that waited long between two bytecodes loses nothing, and takes no other record along."""
    rig = Rig()
    rig.record(Design("a", 1))
    old = rig.inbox.stamp
    for number in range(500):
        rig.inbox.use(SESSION, Context(f"player {number}"))
        rig.take()
    rig.inbox.write(pack_row(rig.inbox.kinds["a"], old, 1.0, 2.0, 1))
    rig.record(Design("a", 3))
    assert [record.event.number for record in rig.take_all()] == [2, 3]


def test_an_entry_that_cannot_be_understood_takes_no_other_along() -> None:
    """It is counted; the slice that it is in is taken already."""
    rig = Rig()
    rig.record(Design("a", 1))
    rig.inbox.write(pack_row(77, rig.inbox.stamp, 1.0, 2.0, 1))
    rig.record(Design("a", 3))
    assert [record.event.number for record in rig.take_all()] == [1, 3]
    assert rig.dropped == {"internal": 1}


def test_waiting_is_counted_without_decoding(tmp_path: Path) -> None:
    """However much waits, with entries of all sizes, in both halves and in memory."""
    rig = Rig(tmp_path / "x.ring")
    for number in range(20_000):
        fields = {"text": "x" * (number % 250 + 1)} if number % 3 == 0 else None
        rig.record(Design("n", number), fields=fields)
        if number % 1000 == 0:
            rig.inbox.use(SESSION, Context(str(number)))
    assert rig.inbox.waiting == 20_000
    assert len(rig.take(777)) == 777
    assert rig.inbox.waiting == 20_000 - 777
    assert len(rig.take_all()) == 20_000 - 777
    assert rig.inbox.waiting == 0
    assert rig.journal is not None
    rig.journal.close()


def test_what_is_kept_in_memory_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors are long: by number alone they would take a gigabyte."""
    monkeypatch.setattr(inbox_module, "MAX_SPILLED_BYTES", 100_000)
    rig = Rig()
    for _ in range(50):
        rig.record(Error(Severity.ERROR, "x" * 8000))
    kept = len(rig.take_all())
    assert 10 <= kept <= 12
    assert rig.dropped == {"inbox_full": 50 - kept}
    rig.record(Design("again", 1))
    assert len(rig.take_all()) == 1


def test_without_a_gil_appends_take_turns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Threads that run at once never write to one place, and nothing is read that is being written."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    rig = Rig(tmp_path / "x.ring")
    rig.record(Design("n", 0))
    inside, most = 0, 0
    assert rig.journal is not None
    half = rig.journal._filling
    assert half is not None

    def slow(text: bytes) -> int:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.0002)
        inside -= 1
        return half.write(text)

    append = rig.inbox._one_at_a_time(slow)
    assert append is not None
    rig.inbox.write = append
    threads = [
        threading.Thread(target=lambda: [rig.inbox.repeat("n", number) for number in range(50)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == 1
    assert len(rig.take_all()) == 201
    rig.journal.close()


def test_a_child_leaves_the_parents_journal_alone(tmp_path: Path) -> None:
    """Events that it records, on any path, are counted there and change no byte of the file."""
    rig = Rig(tmp_path / "x.ring")
    rig.record(Design("n", 0))
    before = (tmp_path / "x.ring").read_bytes()
    if not hasattr(os, "fork"):
        pytest.skip("no fork")
    child = os.fork()
    if not child:
        rig.inbox.let_go()
        rig.inbox.let_go()
        rig.inbox.use(SessionRef("other", 1.0), Context("child"))
        rig.inbox.repeat("n", 1)
        rig.record(Design("n", 2), Error(Severity.ERROR, "x"))
        os._exit(0 if rig.dropped == {"not_running": 2} and not rig.inbox.waiting else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (tmp_path / "x.ring").read_bytes() == before
    rig.record(Design("n", 3))
    assert [record.event.number for record in rig.rest()] == [0, 3]
    assert len(Leftover((tmp_path / "x.ring").read_bytes()).records) == 2
    assert rig.journal is not None
    rig.journal.close()


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), object(), {1: {2, 3}}, b"x"])
def test_a_context_that_cannot_be_encoded_goes_without_that_part(wrong: object) -> None:
    """A value kept from a service must not take all events of the game along."""
    encoder = Encoder(ManualClock())
    text = encoder.shared(Context("player", build="1", extra={"ab_id": "a", "configurations": wrong}), "s", 3)
    assert b'"user_id":"player"' in text
    assert b'"ab_id":"a"' in text
    assert b"configurations" not in text
