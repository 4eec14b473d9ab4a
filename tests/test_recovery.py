"""A dead launch is recovered once, in whatever state its journal is, and even if that cannot be removed."""

from __future__ import annotations

import contextlib
import json
import marshal
import os
import random
import sqlite3
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ga_pygame.clock import PastClock
from ga_pygame.delivery.encoder import Encoder
from ga_pygame.delivery.outbox import failover, sqlite
from ga_pygame.delivery.outbox.books import books_of
from ga_pygame.delivery.outbox.contract import DeadLaunch, LockedError, Transaction
from ga_pygame.delivery.outbox.failover import PATIENCE_SECONDS, FailoverOutbox
from ga_pygame.delivery.outbox.memory import MemoryOutbox
from ga_pygame.delivery.outbox.open_session import OpenSession
from ga_pygame.delivery.outbox.sqlite import SqliteOutbox
from ga_pygame.delivery.recovery import recover, replay
from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.events import (
    Business,
    Design,
    Error,
    Flow,
    Progression,
    Resource,
    SessionEnd,
    Severity,
    Status,
    User,
    WalletChange,
)
from ga_pygame.recording import entries, journal_files, marshalled
from ga_pygame.recording.crash_file import crash_path
from ga_pygame.recording.entries import EVENT, entry
from ga_pygame.recording.journal import BOOKS_SIZE, BOOKS_START
from ga_pygame.recording.leftover import Leftover
from ga_pygame.records import Context, SessionRef
from ga_pygame.rules import WHO_FIELD
from ga_pygame.testing import ManualClock
from tests.effort import examples
from tests.small_journals import HALF, KINDS, ROWS_OF_A_HALF, SIZE
from tests.test_journal import CONTEXT, SESSION, Noted, numbers
from tests.test_writer import Rig

pytestmark = pytest.mark.usefixtures("small_journals")

ANNOTATIONS = b'"user_id":"player","session_id":"de305d54-75b4-431b-adb2-eb6b9e546014","session_num":4'
ROW = OpenSession(SESSION.id, 4, 1.7e9, 1.7e9, None, 42.0, ANNOTATIONS)
MIXED = [
    User(),
    Design("kill:slime", 3),
    Design("kill:slime", 4),
    Business("USD", 499, "pack", "gold", "shop"),
    Resource(Flow.SINK, "gold", 2.5, "shop", "hat"),
    Progression(Status.START, ("a", "b")),
    Error(Severity.WARNING, "größer"),
    Design("plain"),
]


class Machine:
    """A data folder, and launches one after the other."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "outbox.sqlite3"
        self.diagnostics = Diagnostics()
        self.sent: list[dict[str, Any]] = []

    def dies(self, *events: Any, row: OpenSession | None = None) -> Path:
        """Launch, record some events, and die."""
        outbox = SqliteOutbox(self.path, ["test"])
        path = outbox.journal_path()
        assert path is not None
        made = Noted(path)
        made.note(*events)
        made.journal.let_go()
        if row is not None:
            outbox.transact(lambda transaction: transaction.save_session(row))
        outbox.close(keep_launch=True)  # its lock is free, as the system does it, and its lock file is still there
        return path

    def launch(self) -> list[dict[str, Any]]:
        """Launch, recover, and send everything; return the sent events."""
        outbox = SqliteOutbox(self.path, ["test"])
        recover(outbox, Encoder(ManualClock()), self.diagnostics)
        found = []
        while batch := outbox.lease("test", 500, 10**7):
            found += [json.loads(record.json(None)) for record in batch.records]
            outbox.settle(batch)
        outbox.close()
        self.sent += found
        return found

    @property
    def positions(self) -> list[str]:
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            return [key for (key,) in connection.execute("SELECT key FROM key_value WHERE key GLOB 'journal:*'")]

    @property
    def dropped(self) -> dict[str, int]:
        return dict(self.diagnostics.stats(0).dropped)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    for one in journal_files.launches(tmp_path):
        journal_files.remove(journal_files.where(tmp_path, one))


def refuse_to_remove_journals(patched: pytest.MonkeyPatch) -> None:
    """Make the removal of journals fail, as on Windows while a scanner has a file open."""
    unlink = os.unlink

    def refuse(path: Any, **more: Any) -> None:
        if str(path).endswith(".ring"):
            raise PermissionError("in use")
        unlink(path, **more)

    patched.setattr(os, "unlink", refuse)


def test_a_journal_that_cannot_be_removed_comes_once(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many launches there are until it can, also at a server that does not drop doubles."""
    path = machine.dies(*MIXED)
    with monkeypatch.context() as patched:
        refuse_to_remove_journals(patched)
        first = machine.launch()
        assert path.exists()
        for _ in range(3):
            assert machine.launch() == []
    assert [event["category"] for event in first][-1] == "session_end"
    assert machine.launch() == []
    assert not path.exists()
    assert machine.launch() == []
    assert machine.positions == []
    assert max(Counter(event["event_uuid"] for event in machine.sent).values()) == 1
    assert machine.dropped == {}


@pytest.mark.parametrize("what", ["head", "outbox"])
def test_either_word_that_a_journal_is_done_is_enough(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Its head if the outbox was replaced; the outbox if the file cannot be written either."""
    path = machine.dies(*numbers(1, 2, 3), row=ROW)
    with monkeypatch.context() as patched:
        refuse_to_remove_journals(patched)
        if what == "outbox":
            patched.setattr(journal_files, "mark_done", lambda _path: None)
        assert len(machine.launch()) == 4
        assert path.exists()
        if what == "head":
            for part in machine.path.parent.glob("outbox*"):
                part.unlink()
        assert machine.launch() == []
        assert machine.launch() == []


def test_two_launches_recover_a_journal_once(machine: Machine) -> None:
    """The second one finds the dead launch locked, and afterwards nothing."""
    machine.dies(*numbers(1, 2, 3), row=ROW)
    first, second = SqliteOutbox(machine.path, ["test"]), SqliteOutbox(machine.path, ["test"])
    assert len(first.dead_launches()) == 1
    recover(second, Encoder(ManualClock()), machine.diagnostics)
    assert second.lease("test", 500, 10**7) is None
    first.close()
    recover(second, Encoder(ManualClock()), machine.diagnostics)
    second.close()
    assert len(machine.launch()) == 4
    assert machine.launch() == []


@pytest.mark.parametrize("moment", ["in the list", "after the list"])
def test_a_file_that_is_locked_meanwhile_makes_it_wait(machine: Machine, moment: str) -> None:
    """Else this launch's session would get the number of the dead one, which comes before it."""
    machine.dies(User(), *numbers(1, 2), row=ROW)
    outbox = FailoverOutbox(machine.path, ["test"], ManualClock(), machine.diagnostics)
    other = sqlite3.connect(machine.path, isolation_level=None)
    list_launches = outbox.dead_launches

    def while_another_writes() -> Any:
        if moment == "in the list":  # which removes a row that makes no sense
            other.execute("UPDATE session_end SET launch = 'no launch'")
            other.execute("BEGIN IMMEDIATE")
        found = list_launches()
        other.execute("BEGIN IMMEDIATE")
        return found

    with patch.object(outbox, "dead_launches", while_another_writes), pytest.raises(LockedError):
        recover(outbox, Encoder(ManualClock()), machine.diagnostics)
    assert outbox.is_on_disk
    other.rollback()
    other.close()
    recover(outbox, Encoder(ManualClock()), machine.diagnostics)
    batch = outbox.lease("test", 500, 10**7)
    assert batch is not None
    assert len(batch.records) == 4
    outbox.settle(batch)
    outbox.close()
    assert machine.launch() == []
    assert machine.dropped == ({} if moment == "after the list" else {"damaged": 1})


def test_a_hard_crash_without_a_session_is_counted(machine: Machine) -> None:
    """The player had left the game: no session can have the error, so that is said and counted."""
    journal = machine.dies()
    launch = journal.stem.removeprefix("journal-")
    crash_path(machine.path.parent, launch).write_text("Fatal Python error: Aborted\n", encoding="utf-8")
    assert machine.launch() == []
    assert machine.dropped == {Drop.NOT_RUNNING.value: 1}
    assert machine.launch() == []
    assert machine.dropped == {Drop.NOT_RUNNING.value: 1}


def test_launches_of_before_a_no_are_deleted_and_not_recovered(machine: Machine) -> None:
    """The disk could not be written when the player said no; a launch of after the yes is recovered."""
    paths = [machine.dies(*MIXED, row=ROW), machine.dies(Design("granted"))]
    outbox = SqliteOutbox(machine.path, ["test"])
    outbox.transact(lambda transaction: transaction.clear())
    granted = next(
        one for one in journal_files.launches(machine.path.parent) if outbox.launches.journal_of(one) == paths[1]
    )
    with patch("ga_pygame.delivery.recovery._recover") as recovered:
        recover(outbox, Encoder(ManualClock()), machine.diagnostics, granted)
    assert [call.args[1].launch for call in recovered.call_args_list] == [granted]
    assert [path.exists() for path in paths] == [False, True]
    outbox.close()


def test_an_entry_that_makes_no_sense_costs_only_itself(tmp_path: Path, machine: Machine) -> None:
    """The others come, the session ends, it is counted, and never tried again."""
    path = machine.dies(User(), Design("a"), row=None)
    made = Noted(tmp_path / "source.ring")
    made.note(User(), Design("before", 1))
    for body in (
        (8, ("no:valid:id:\n", 1), 1, 1001.0, None),
        (8, ("a", float("nan")), 1, 1001.0, None),
        (99, (), 1, 1001.0, None),
        (-77, 3, 1, 1001.0, None),
        (8, ("a", 1), 1, float("inf"), None),
        (8, ("a", 1), 1, 1001.0, {"a": None}),
        "nothing",
        (8, ("a",) * 50, 1, 1001.0, None),
    ):
        made.inbox.put(entry(EVENT, body))
    made.note(Design("after", 2))
    made.journal.let_go()
    path.write_bytes((tmp_path / "source.ring").read_bytes())
    found = machine.launch()
    assert [event.get("event_id", event["category"]) for event in found] == ["user", "before", "after", "session_end"]
    assert machine.dropped == {"damaged": 8}
    assert machine.launch() == []
    assert not path.exists()


@pytest.mark.parametrize(
    "annotations", [b"", b'"user_id":', b'"user_id":7', b"\xff\xfe", b'"other":1', b'"user_id":"a"' + b"[" * 9]
)
def test_a_session_row_that_makes_no_sense_ends_nothing_and_keeps_nobody(machine: Machine, annotations: bytes) -> None:
    """It is gone after one launch, and so is its journal."""
    row = OpenSession(SESSION.id, 4, 1.7e9, 1.7e9, None, 42.0, annotations, "no level\n", {("?", "1", "", ""): -1.0})
    path = machine.dies(*numbers(1, 2), row=row)
    found = machine.launch()
    assert [event["event_id"] for event in found if event["category"] == "design"] == ["n:1", "n:2"]
    assert machine.launch() == []
    assert not path.exists()


@pytest.mark.parametrize("who", [None, "developer", "bot"])
def test_who_played_is_what_the_dead_launch_said(machine: Machine, who: str | None) -> None:
    """A player's launch of the same game may find what its developer's left, or the other way round."""
    mark = {"custom_fields": {WHO_FIELD: who}} if who is not None else {}
    row = replace(ROW, annotations=json.dumps({**json.loads(b"{%b}" % ANNOTATIONS), **mark}).encode()[1:-1])
    machine.dies(*numbers(1, 2), row=row)
    found = machine.launch()
    assert len(found) == 3
    assert {event.get("custom_fields", {}).get(WHO_FIELD) for event in found} == {who}


def test_a_session_whose_start_is_lost_is_begun(machine: Machine) -> None:
    """Its start was not committed, so it has no number yet: it gets one, and everything else of it comes."""
    machine.dies(*numbers(1, 2, 3))
    found = machine.launch()
    assert [event["category"] for event in found] == ["user", "design", "design", "design", "session_end"]
    assert {event["session_num"] for event in found} == {1}
    assert machine.dropped == {}


def test_events_of_a_session_that_had_ended_are_counted(machine: Machine) -> None:
    """It had a number, which nobody knows any more; another one would make two sessions of it."""
    outbox = SqliteOutbox(machine.path, ["test"])
    path = outbox.journal_path()
    assert path is not None
    made = Noted(path)
    made.note(User(), SessionEnd(3, "pause"))
    made.commit_all()
    made.note(*numbers(1, 2, 3))
    made.journal.let_go()
    outbox.close(keep_launch=True)
    assert machine.launch() == []
    assert machine.dropped == {"damaged": 3}


def test_a_session_is_ended_whose_end_is_lost(machine: Machine) -> None:
    """Another one began, and neither is forgotten."""
    outbox = SqliteOutbox(machine.path, ["test"])
    path = outbox.journal_path()
    assert path is not None
    made = Noted(path)
    made.note(*numbers(1))
    other = SessionRef("ffffffff-75b4-431b-adb2-eb6b9e546014", 1050.0)
    made.inbox.use(other, CONTEXT)
    made.note(User(), *numbers(2), at=1060.0)
    made.journal.let_go()
    outbox.transact(lambda transaction: transaction.save_session(ROW))
    outbox.close(keep_launch=True)
    ends = [event["session_id"] for event in machine.launch() if event["category"] == "session_end"]
    assert sorted(ends) == sorted([SESSION.id, other.id])


class Rot:
    """A journal with every type of entry, and damage to it.

    Attributes:
        content: The journal.
        events: What was noted, each an event of its own, with the places that it takes.
    """

    def __init__(self, path: Path) -> None:
        made = Noted(path)
        self.events: dict[int, range] = {}
        for number in range(400):
            event: Any = Design(f"kind:{number % 7}", number)
            if number % 11 == 5:
                event = Error(Severity.INFO, f"{number} " + "größer" * (number % 40))
            if number % 50 == 49:
                made.inbox.use(SESSION, Context("player", build=f"build {number}"))
            before = made.journal._halves[0].tell()
            made.note(event, at=1001.0 + number / 100, fields={"a": "x" * (number % 90)} if number % 3 == 0 else None)
            self.events[number] = range(KINDS + before, KINDS + made.journal._halves[0].tell())
        self.content = path.read_bytes()
        self.end = self.events[399].stop
        made.journal.close()

    def check(self, start: int, new: bytes) -> Leftover:
        """Put other bytes into the journal: undamaged events arrive, once and in order; damaged ones are counted."""
        content = self.content[:start] + new + self.content[start + len(new) :]
        changed = [place for place in range(start, start + len(new)) if content[place] != self.content[place]]
        hit = {number for number, places in self.events.items() if any(place in places for place in changed)}
        rest = Leftover(content)
        found = [number for _, number in self.found(rest)]
        assert [number for number in found if number not in hit] == sorted(set(self.events) - hit), "once, in order"
        assert all(said == number for said, number in self.found(rest) if number not in hit), "as they were"
        assert len(found) == len(set(found)), "a row has no checksum; one that was hit is one still"
        end = len(content.rstrip(b"\0"))
        # What has nothing but zeros behind it looks as if a kill had cut it short, or as if it had never been.
        seen = {number for number in hit if self.events[number].stop <= end}
        assert rest.unreadable >= len(seen - set(found)) // 4, "counted, if not exactly"
        assert rest.unreadable or not seen - set(found), "counted"
        return rest

    def found(self, rest: Leftover) -> list[tuple[int, int]]:
        """Return the number of each event that was read, and of the event that was written at this place."""
        stood = {places.stop - KINDS: number for number, places in self.events.items()}
        events = [(place, record.event) for place, record in rest.records]
        return [
            (int(one.message.split()[0]) if isinstance(one, Error) else int(one.number or 0), stood[place])
            for place, one in events
        ]


@pytest.mark.e2e
def test_damage_anywhere_in_a_journal_costs_only_what_it_hit(tmp_path: Path) -> None:
    """Bits that flip, and stretches that are zero or rubbish, at hundreds of random places."""
    rot = Rot(tmp_path / "journal-x.ring")
    assert rot.check(0, b"").unreadable == 0
    chance = random.Random(11)
    first = rot.events[0].start
    for _ in range(examples(40)):
        place = chance.randrange(first, rot.end)
        rot.check(place, bytes([rot.content[place] ^ 1 << chance.randrange(8)]))
        rot.check(place, bytes(chance.choice((1, 32, 200))))
        rot.check(place // 512 * 512, bytes(512))
        rot.check(place, chance.randbytes(chance.choice((8, 64, 300))))


@pytest.mark.parametrize("bit", range(5, 17))
def test_a_length_that_is_damaged_hides_no_other_entries(tmp_path: Path, bit: int) -> None:
    """It may reach over the last entries into the zeros behind them, as if all were one that a kill cut short."""
    made = Noted(tmp_path / "journal-x.ring")
    for number in range(20):
        made.note(Design("n", number), fields={"weapon": "bow", "level": number})
    content = bytearray((tmp_path / "journal-x.ring").read_bytes())
    end = len(content.rstrip(b"\0"))
    made.journal.close()
    heads = [place for place in range(KINDS, end, 32) if struct.unpack_from("<IIII", content, place)[3] == EVENT]
    for place in heads[-4:]:
        content[place + 20] ^= 1  # in its body, so that it is no entry any more
    content[heads[-4] + 4 + bit // 8] ^= 1 << bit % 8
    rest = Leftover(bytes(content))
    assert [record.event.number for _, record in rest.records] == list(range(16))
    assert rest.unreadable >= 3


def test_damage_to_the_head_of_a_journal_costs_nothing(tmp_path: Path) -> None:
    """Any bit of it but those of the version, or all of it: what was noted comes, with some time."""
    rot = Rot(tmp_path / "journal-x.ring")
    damages = [(0, bytes(64)), *((place, bytes([rot.content[place] ^ 1 << place % 8])) for place in range(15))]
    for start, new in damages:
        rest = rot.check(start, new)
        assert (len(rest.records), rest.unreadable) == (400, 0)


def test_a_half_that_is_not_wiped_yet_comes_once(tmp_path: Path) -> None:
    """Its beginning is damaged, so that it does not say its lap; all of it was committed."""
    path = tmp_path / "journal-x.ring"
    made = Noted(path)
    made.note(User())
    many = ROWS_OF_A_HALF + 100
    for number in range(many):
        made.note(Design("a", number), at=1001.0 + number / 1000)
    before = path.read_bytes()
    made.commit_all()
    for number in range(many, many + 100):
        made.note(Design("a", number), at=1001.0 + number / 1000)
    content = bytearray(path.read_bytes())
    made.journal.close()
    content[KINDS : KINDS + HALF] = before[KINDS : KINDS + HALF]
    content[KINDS : KINDS + 32] = bytes(32)
    rest = Leftover(bytes(content))
    assert [record.event.number for _, record in rest.records] == list(range(many, many + 100))
    assert rest.unreadable == 0


def test_a_crafted_journal_is_searched_in_a_bounded_time(tmp_path: Path) -> None:
    """Heads of entries that are none, each claiming all the rest: their checksums are not tried for ever."""
    path = tmp_path / "journal-x.ring"
    made = Noted(path)
    made.note(*numbers(1))
    content = bytearray(path.read_bytes())
    made.journal.close()
    head = struct.pack("<IIII", 0, 200_000, 1, EVENT)
    for place in range(KINDS + 1024, KINDS + HALF - 32, 32):
        content[place : place + 32] = head + b"\xff" * 16
    with patch.object(zlib, "crc32", wraps=zlib.crc32) as tried:
        rest = Leftover(bytes(content))
    assert sum(len(call.args[0]) for call in tried.call_args_list) < 2 * entries.MAX_SEARCHED_BYTES
    assert rest.unreadable > 1000


def test_what_stands_behind_damage_comes(tmp_path: Path) -> None:
    """A row that is not whole is counted, and those behind it are read."""
    path = tmp_path / "journal-x.ring"
    made = Noted(path)
    made.note(*[Design("a", number) for number in range(100)])
    content = bytearray(path.read_bytes())
    made.journal.close()
    place = content.index(struct.pack("<dQ", 40.0, 1))
    content[place + 8] = 3
    damaged = Leftover(bytes(content))
    assert [record.event.number for _, record in damaged.records] == [*range(40), *range(41, 100)]
    assert damaged.unreadable == 1


def flipped(content: bytes, places: list[int], chance: random.Random, times: int) -> bytes:
    damaged = bytearray(content)
    for _ in range(times):
        place = chance.choice(places) if chance.random() < 0.9 else chance.randrange(SIZE)
        damaged[place] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def test_a_bit_that_flips_anywhere_costs_little(tmp_path: Path) -> None:
    """Over real journals: nothing raises, no more comes than was noted, and the launch is always closed."""
    path = tmp_path / "journal-x.ring"
    made = Noted(path)
    made.note(*MIXED)
    made.note(*MIXED[1:], fields={"seed": 1, "mode": "größe", "ratio": 2.5})
    made.inbox.use(SESSION, Context("other"))
    made.note(*numbers(*range(20)))
    content = path.read_bytes()
    made.journal.close()
    whole = len(Leftover(content).records)
    assert whole == 2 * len(MIXED) - 1 + 20
    chance = random.Random(7)
    places = [place for place in range(SIZE) if content[place]]
    for number in range(examples(300)):
        damaged = Leftover(flipped(content, places, chance, 1 + number % 4))
        assert len(damaged.records) <= whole
        outbox = MemoryOutbox(["test"])
        sound = [session for session in (ROW,) if number % 2]
        _recover_from(outbox, damaged, sound)
        assert not outbox.sessions or not any(outbox.sessions.values())


def saving(session: OpenSession) -> Callable[[Transaction], None]:
    return lambda transaction: transaction.save_session(session)


@pytest.mark.parametrize("order", [MIXED, MIXED[::-1], [*MIXED, *MIXED[1:3] * 40, Design("last", 5)]])
def test_a_replayed_event_has_the_id_that_it_had(tmp_path: Path, order: list[Any]) -> None:
    """An event may have been sent before its process died; a server that knows its id drops it."""
    path = tmp_path / "x.ring"
    rig = Rig(journal=path)
    rig.report(User())
    for number, event in enumerate(order):
        rig.inbox.record(event, rig.inbox.stamp, 1001.0 + number, {"place": number} if number % 3 == 0 else None)
    while rig.inbox.waiting:
        rig.step()
    content = bytearray(path.read_bytes())
    journal_files.POSITION.pack_into(content, journal_files.POSITION_AT, 0)  # as if nothing had been noted
    sent = rig.stored()
    other = MemoryOutbox(["test"])
    again = _recover_from(other, Leftover(bytes(content)), [])
    ids = [event["event_uuid"] for event in sent]
    assert len(set(ids)) == len(ids) == len(order) + 1
    assert [event["event_uuid"] for event in again if event["category"] != "session_end"][: len(ids)] == ids
    assert [event.get("custom_fields") for event in again][: len(ids)] == [event.get("custom_fields") for event in sent]


class Stopgap:
    """A launch whose disk is locked while it plays, and that is killed in that state.

    Attributes:
        sent: What it sent from memory.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "outbox.sqlite3"
        self.clock = ManualClock()
        self.outbox = FailoverOutbox(self.path, ["test"], self.clock, Diagnostics(), summing=["sums"])
        self.journal = self.outbox.journal_path()
        self.rig = Rig(self.outbox, journal=self.journal, clock=self.clock)
        self.sent: list[dict[str, Any]] = []

    def report(self, *events: Any, sends: bool = True, notes: bool = True) -> None:
        """Record events; send them; let the journal know."""
        self.rig.report(*events)
        self.rig.step()
        self.clock.advance(0.04)
        if sends:
            self.sent += self.rig.stored()
        if sends and notes:
            self.rig.step()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            self.rig.report()
            self.rig.step()
            self.clock.advance(PATIENCE_SECONDS + 1)
            self.rig.step()
            yield
            other.execute("ROLLBACK")

    def next_launch(self) -> list[dict[str, Any]]:
        """Die; return what the next launch sends."""
        assert self.outbox._disk is not None
        self.outbox._disk.close(keep_launch=True)
        outbox = FailoverOutbox(self.path, ["test"], ManualClock(), Diagnostics())
        recover(outbox, Encoder(ManualClock()), Diagnostics())
        found = []
        while batch := outbox.lease("test", 500, 10**7):
            found += [json.loads(record.json(None)) for record in batch.records]
            outbox.settle(batch)
        outbox.close()
        return found


@pytest.fixture
def game(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stopgap:
    """Start such a launch, which waits a hundredth of a second for a lock that will not go."""
    for module in (sqlite, failover):
        monkeypatch.setattr(module, "BUSY_SECONDS", 0.01)
    return Stopgap(tmp_path)


COIN = WalletChange(Resource(Flow.SOURCE, "gold", 1, "pickup", "coin"))


@pytest.mark.parametrize("notes", [True, False], ids=["noted", "not noted"])
@pytest.mark.parametrize("sends", [True, False], ids=["sent", "not sent"])
@pytest.mark.parametrize(
    ("events", "attempts"),
    [
        ([Progression(Status.COMPLETE, ("a", "b")), Design("x", 1)], ["Complete:a:b"]),
        (
            [Progression(Status.FAIL, ("a", "b")), Progression(Status.START, ("a", "c"))],
            ["Fail:a:b", "Start:a:c", "Fail:a:c"],
        ),
        ([COIN, COIN, Business("USD", 1, "a", "b"), COIN], ["Fail:a:b"]),
        ([Progression(Status.FAIL, ("a", "b")), SessionEnd(5, "quit")], ["Fail:a:b"]),
        ([COIN, Progression(Status.COMPLETE, ("a", "b")), SessionEnd(5, "quit")], ["Complete:a:b"]),
    ],
    ids=["complete", "fail and start", "wallet", "end", "complete and end"],
)
def test_what_was_sent_from_memory_is_neither_undone_nor_repeated(
    game: Stopgap, events: list[Any], attempts: list[str], sends: bool, notes: bool
) -> None:
    """Killed while the disk is locked: no event comes twice with two ids, no completed level fails, no coin is lost."""
    game.report(User(), Progression(Status.START, ("a", "b")), COIN, COIN)
    with game.locked():
        for event in events:
            game.report(event, sends=sends, notes=notes)
    again = game.next_launch()
    found = {event["event_uuid"]: event for event in (*game.sent, *again)}.values()
    counts = Counter((event["category"], event.get("event_id")) for event in found)
    assert counts["user", None] == counts["session_end", None] == 1
    coins = 2 + sum(event is COIN for event in events)
    assert sum(event["amount"] for event in found if event["category"] == "resource") == coins
    told = [event["event_id"] for event in found if event["category"] == "progression"]
    assert sorted(told) == sorted(["Start:a:b", *attempts])
    assert [event["session_num"] for event in found] == [1] * len(found)


def test_a_session_that_began_in_memory_keeps_its_number(game: Stopgap) -> None:
    """Its `user` was sent and is not replayed; its later events and its end have the same number."""
    game.report(User(), SessionEnd(1, "pause"))
    with game.locked():
        second = SessionRef("11111111-2222-4333-8444-555555555555", game.clock.monotonic())
        game.rig.inbox.use(second, CONTEXT)
        game.report(User(), Design("a", 1))
        game.report(Design("a", 2), sends=False)
    own = [event for event in (*game.sent, *game.next_launch()) if event["session_id"] == second.id]
    assert [event["category"] for event in own] == ["user", "design", "design", "session_end"]
    assert [event["session_num"] for event in own] == [2] * 4


@pytest.mark.parametrize("place", [0, 5, 20, 40, 700, BOOKS_SIZE, BOOKS_SIZE + 9, BOOKS_SIZE + 300])
def test_damaged_books_cost_no_recovery(game: Stopgap, place: int) -> None:
    """The other copy is taken, or none; nothing raises and every event that was not sent arrives."""
    game.report(User(), Design("a", 1))
    with game.locked():
        game.report(Design("a", 2))
        game.report(Design("a", 3))
        game.report(Design("a", 4), sends=False)
    assert game.journal is not None
    right = game.journal.read_bytes()[BOOKS_START + place]
    with game.journal.open("r+b") as file:  # in its place: Windows does not shorten a file that is mapped
        file.seek(BOOKS_START + place)
        file.write(bytes([right ^ 0xFF]))
    again = game.next_launch()
    assert [event["value"] for event in again if event["category"] == "design"][-1] == 4
    assert [event["category"] for event in again][-1] == "session_end"


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "{}", "[{},{},{},{}]", "[1,2,3,4]", '[{"session_num":"x"},{"a":-1},{"s":[1]},[[1]]]',
     '[{"session_num":1e999},{},{},[]]', '[{},{},{"s":["s",1,1,1,null,1,5,null,"[]"]},[["a","b",1e999,""]]]'],
)  # fmt: skip
def test_books_that_make_no_sense_say_nothing(text: str) -> None:
    """They come from a file; each wrong part counts as missing."""
    books = books_of(text)
    assert books is None or (set(books.counters.values()) <= {0} and not books.sums)
    if books is not None:
        outbox = MemoryOutbox(["test"])
        outbox.transact(lambda transaction: books.apply(transaction, "launch"))


def test_a_journal_of_an_earlier_version_has_no_ids(tmp_path: Path) -> None:
    """Its events get new ones, each its own; the end of its session has the session's."""
    made = Noted(tmp_path / "x.ring")
    made.note(User(), *numbers(1, 2, 3))
    content = bytearray((tmp_path / "x.ring").read_bytes())
    content[journal_files.SEED_AT : journal_files.SEED_AT + 16] = bytes(16)
    found = [_recover_from(MemoryOutbox(["test"]), Leftover(bytes(content)), []) for _ in range(2)]
    assert len({event["event_uuid"] for events in found for event in events}) == 2 * 4 + 1


def _recover_from(outbox: MemoryOutbox, rest: Leftover, sessions: list[OpenSession]) -> list[dict[str, Any]]:
    for session in sessions:
        outbox.transact(saving(session))
    encoder = Encoder(PastClock(rest.anchor, None))
    dead_launch = DeadLaunch("x", sessions, None)
    outbox.transact(lambda transaction: replay(transaction, dead_launch, rest, encoder))
    found = []
    while batch := outbox.lease("test", 500, 10**7):
        found += [json.loads(record.json(None)) for record in batch.records]
        outbox.settle(batch)
    return found


@settings(max_examples=examples(300), deadline=None)
@given(st.binary(max_size=200))
def test_the_decoder_takes_any_bytes(data: bytes) -> None:
    """It gives a plain value or says that there is none."""
    try:
        value = marshalled.loads(data)
    except ValueError:
        return
    json.dumps(value, default=str, skipkeys=True)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PLAIN)
def test_the_decoder_reads_what_is_written(value: Any) -> None:
    """All that an entry may hold."""
    data = marshal.dumps(value, marshalled.VERSION)
    assert marshal.dumps(marshalled.loads(data), marshalled.VERSION) == data


@pytest.mark.parametrize(
    "data",
    [
        b"(" + b"\xff\xff\xff\x7f",
        b"(\x01\0\0\0" * 5000 + b"N",
        b"[\x01\0\0\0" * 100_000,
        b"{" * 100_000,
        b"l\xff\xff\xff\x7f",
        b"u\xff\xff\xff\x7f",
        b"\xa9\x01r\0\0\0\0",
        b"0",
        b"{N0",
        b"",
        b"NN",
        b"c",
        b"{(\0\0\0\0N0N",
    ],
)
def test_forged_values_are_refused(data: bytes) -> None:
    """Sizes beyond the data, endless depth, references to itself, code."""
    with pytest.raises(ValueError):  # noqa: PT011 - any of its messages
        marshalled.loads(data)


@pytest.mark.parametrize("found", ["", "?", "-1e+308", "1e999", str(2**62), str(2**63), "\x00", b"\xff\xfe", 1.5])
def test_a_position_that_is_damaged_is_the_journals_own(tmp_path: Path, found: Any) -> None:
    """Committed records neither count as lost nor are added again; the others are added."""
    path = tmp_path / "outbox.sqlite3"
    outbox = SqliteOutbox(path, ["test"])
    ring = outbox.journal_path()
    assert ring is not None
    rig = Rig(outbox, journal=ring)
    rig.report(User(), *(Design("n", number) for number in range(300)))
    rig.step()
    rig.step()
    rig.report(*(Design("n", number) for number in range(300, 310)))
    assert rig.journal is not None
    rig.journal.let_go()
    outbox.close(keep_launch=True)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        done = connection.execute("UPDATE key_value SET value = ? WHERE key GLOB 'journal:*'", (found,))
        assert done.rowcount == 1
    machine = Machine(tmp_path)
    sent = machine.launch()
    assert [event["value"] for event in sent if event["category"] == "design"] == list(range(310))
    assert [event["category"] for event in sent if event["category"] != "design"] == ["user", "session_end"]
    assert machine.dropped == {}
    for one in journal_files.launches(tmp_path):
        journal_files.remove(journal_files.where(tmp_path, one))
