"""The writer: slices of the inbox in transactions, on time, and every failure counted."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from ga_pygame.delivery.encoder import Encoder
from ga_pygame.delivery.intake import Intake
from ga_pygame.delivery.outbox.contract import LockedError, Outbox, OutboxError
from ga_pygame.delivery.outbox.failover import FailoverOutbox
from ga_pygame.delivery.outbox.memory import MemoryOutbox, _MemoryTransaction
from ga_pygame.delivery.outbox.sqlite import SqliteOutbox
from ga_pygame.delivery.slice_writer import Heartbeat, Playing
from ga_pygame.delivery.writer import COMMIT_SECONDS, HEARTBEAT_SECONDS, MANY, SLICE, Writer
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.events import Business, Design, Flow, Progression, Resource, SessionEnd, Status, User, WalletChange
from ga_pygame.kept import DIMENSIONS, KeptKey, Remember
from ga_pygame.kinds import Event
from ga_pygame.recording.inbox import Flush, Inbox
from ga_pygame.recording.journal import Journal
from ga_pygame.recording.leftover import Leftover
from ga_pygame.records import Context, SessionRef
from ga_pygame.testing import ManualClock
from tests.small_journals import MORE_THAN_FITS, ROWS_OF_A_HALF

pytestmark = pytest.mark.usefixtures("small_journals")

SESSION = SessionRef("de305d54-75b4-431b-adb2-eb6b9e546014", 1000.0)
CONTEXT = Context(user_id="player")


class Rig:
    """A writer between an inbox and an outbox."""

    def __init__(
        self,
        outbox: Outbox | None = None,
        max_outbox_bytes: int = 10**6,
        journal: Path | None = None,
        clock: ManualClock | None = None,
        diagnostics: Diagnostics | None = None,
    ) -> None:
        self.clock = clock or ManualClock()
        self.diagnostics = diagnostics or Diagnostics()
        self.inbox = Inbox(self.clock.monotonic, self.diagnostics)
        self.journal = Journal(journal, self.clock) if journal is not None else None
        if self.journal is not None:
            self.inbox.attach(self.journal)
        self.inbox.use(SESSION, CONTEXT)
        self.outbox = MemoryOutbox(["test"]) if outbox is None else outbox
        self.urged: list[float] = []
        self.heartbeat: Heartbeat | None = None
        self.writer = Writer(
            Intake(self.inbox, lambda: self.journal),
            self.outbox,
            Encoder(self.clock),
            diagnostics=self.diagnostics,
            playing=Playing(lambda _now: self.heartbeat, lambda at: at),
            urge=lambda: self.urged.append(self.clock.monotonic()),
            max_outbox_bytes=max_outbox_bytes,
        )

    def report(self, *events: Event) -> None:
        for event in events:
            self.inbox.record(event, self.inbox.stamp, self.clock.monotonic(), None)

    def step(self) -> float | None:
        return self.writer.step(self.clock.monotonic())

    def stored(self) -> list[dict[str, Any]]:
        found = []
        while batch := self.outbox.lease("test", 500, 10**7):
            found += [json.loads(record.json(None)) for record in batch.records]
            self.outbox.settle(batch)
        return found


def test_one_step_is_one_slice() -> None:
    """A step is bounded, and the next one follows at once if there are more records."""
    rig = Rig()
    rig.report(User(), *(Design(f"e{n}") for n in range(SLICE + 9)))
    assert rig.step() == 0.0
    assert rig.inbox.waiting == 10
    assert rig.step() == COMMIT_SECONDS
    assert COMMIT_SECONDS < 0.05
    assert [event.get("event_id", "user") for event in rig.stored()] == ["user", *(f"e{n}" for n in range(SLICE + 9))]
    stats = rig.diagnostics.stats(rig.inbox.waiting)
    assert (stats.recorded, stats.stored, stats.waiting) == (SLICE + 10, SLICE + 10, 0)


@pytest.mark.requirement("002:session-end-sent")
def test_session_starts_and_ends_are_sent_at_once() -> None:
    """After their commit the uploaders are urged."""
    rig = Rig()
    rig.report(User())
    rig.step()
    assert len(rig.urged) == 1
    rig.report(Design("a"))
    rig.step()
    assert len(rig.urged) == 1
    rig.report(SessionEnd(1, "quit"))
    rig.step()
    assert len(rig.urged) == 2


def test_a_full_batch_is_sent_at_once() -> None:
    """At most one full batch waits, however fast events come; each is urged once."""
    rig = Rig()
    rig.report(User())  # its session has a number from now on
    rig.step()
    rig.urged.clear()
    rig.report(*(Design("a") for _ in range(MANY - 1)))
    while rig.inbox.waiting:
        rig.step()
    assert rig.urged == []
    for urged in (1, 1, 2):
        rig.report(*(Design("a") for _ in range(MANY // 2)))
        while rig.inbox.waiting:
            rig.step()
        assert len(rig.urged) == urged


def test_the_number_of_a_session_is_known_once_it_is_stored() -> None:
    """A handshake names the number of the session, which only the outbox knows."""
    rig = Rig()
    assert rig.writer.session_num(SESSION.id) == 0
    rig.report(User())
    rig.step()
    assert rig.writer.session_num(SESSION.id) == 1


def test_a_flush_is_told_after_what_came_before_it() -> None:
    """A flush is answered when all earlier events are committed."""
    rig = Rig()
    seen: list[int] = []
    rig.report(User(), Design("a"))
    rig.inbox.requests.append(Flush(lambda: seen.append(len(rig.stored()))))
    rig.step()
    assert seen == [2]


def test_values_are_remembered() -> None:
    """Dimensions and configs are kept for the next launch."""
    rig = Rig()
    rig.inbox.requests.append(Remember(DIMENSIONS[0], "ninja"))
    rig.step()
    assert rig.outbox.transact(lambda transaction: transaction.value(KeptKey("custom_01"))) == "ninja"
    assert rig.diagnostics.stats(0).recorded == 0


def test_the_sessions_row_is_fresh_every_5_s() -> None:
    """While nothing is reported, the length that the next launch would find is at most 5 s old."""
    rig = Rig()
    outbox = rig.outbox
    assert isinstance(outbox, MemoryOutbox)
    rig.report(User())
    rig.step()
    for seconds in range(1, 31):
        now = rig.clock.advance(1.0)
        rig.heartbeat = Heartbeat(SESSION, float(seconds), now)
        rig.step()
        row = outbox.sessions[SESSION.id]
        assert row is not None
        assert seconds - row.length <= HEARTBEAT_SECONDS <= 5.0


def test_one_bad_record_does_not_take_others_with_it(caplog: pytest.LogCaptureFixture) -> None:
    """A defect loses one event, which is counted and reported."""
    rig = Rig()
    rig.report(User(), Design("a"))
    rig.inbox.record(Design("broken"), rig.inbox.stamp_for(None, CONTEXT), rig.clock.monotonic(), None)
    rig.report(Design("b"))
    rig.step()
    assert [event.get("event_id", "user") for event in rig.stored()] == ["user", "a", "b"]
    assert rig.diagnostics.stats(0).dropped == {"internal": 1}
    assert rig.diagnostics.stats(0).recorded == 4
    assert "ga_pygame failed in the writer" in caplog.text


@pytest.mark.requirement("002:trim")
def test_making_room_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Over `max_outbox_bytes` the oldest go, and the developer can see how many and why."""
    rig = Rig(max_outbox_bytes=2000)
    rig.report(User(), *(Design(f"e{n}") for n in range(20)))
    rig.step()
    stats = rig.diagnostics.stats(0)
    kept = rig.stored()
    assert kept[0]["category"] == "user"
    assert kept[-1]["event_id"] == "e19"
    assert stats.dropped == {"outbox_full": 21 - len(kept)}
    assert "Tracker(max_outbox_bytes=…) makes more room" in caplog.text


def test_finishing_stores_what_came_before() -> None:
    """`None` comes only when the inbox is empty."""
    rig = Rig()
    rig.report(User(), *(Design("a") for _ in range(SLICE)))
    rig.writer.finish()
    assert rig.step() == 0.0
    assert rig.step() is None
    assert len(rig.stored()) == SLICE + 1


def test_the_sessions_of_the_dead_are_ended_first(tmp_path: Path) -> None:
    """At the next launch `session_end` comes before this launch's events, with the recorded length, once."""
    path = tmp_path / "outbox.sqlite3"
    before = Rig(SqliteOutbox(path, ["test"]))
    before.report(User(), Progression(Status.START, ("forest",)))
    before.heartbeat = Heartbeat(SESSION, 42.9, before.clock.advance(43))
    before.step()
    before.stored()
    before.outbox.close()
    for expected in (["Fail:forest", "session_end"], []):
        after = Rig(SqliteOutbox(path, ["test"]))
        after.step()
        found = after.stored()
        assert [event.get("event_id", event["category"]) for event in found] == expected
        if found:
            assert found[-1]["length"] == 42
            assert found[-1]["session_id"] == SESSION.id
            assert found[0]["attempt_num"] == 1
        after.outbox.close()


def test_a_session_that_cannot_be_recovered_does_not_stop_recording(caplog: pytest.LogCaptureFixture) -> None:
    """A damaged row is reported; recording goes on."""

    class Haunted(MemoryOutbox):
        def dead_launches(self) -> Any:
            return [None]

    rig = Rig(Haunted(["test"]))
    rig.report(User())
    rig.step()
    assert len(rig.stored()) == 1
    assert "the recovery of a session" in caplog.text


def test_an_outbox_that_fails_costs_counted_events(caplog: pytest.LogCaptureFixture) -> None:
    """If even the failover fails, nothing is lost silently."""

    class Full(MemoryOutbox):
        def transact(self, work: Any, *, may_wait: bool = False) -> Any:
            raise OutboxError("full")

    rig = Rig(Full(["test"]))
    rig.report(User(), Design("a"))
    rig.step()
    assert rig.diagnostics.stats(0).dropped == {"internal": 2}


def test_what_waits_for_another_process_stays_in_its_order() -> None:
    """Meanwhile nothing is taken from the inbox or stored twice; without a journal the end does not wait."""

    class Held(MemoryOutbox):
        is_held = True

        def transact(self, work: Any, *, may_wait: bool = False) -> Any:
            if self.is_held and may_wait:
                work(_MemoryTransaction(MemoryOutbox(["test"])))  # it may have begun
                raise LockedError("held")
            return super().transact(work)

    outbox = Held(["test"])
    rig = Rig(outbox)
    rig.report(User(), Business("EUR", 1, "a", "b"))
    assert rig.step() == COMMIT_SECONDS  # before anything is taken, to see what dead launches left
    outbox.is_held = False
    rig.step()
    outbox.is_held = True
    rig.report(Business("EUR", 2, "a", "b"))
    rig.step()
    rig.report(Business("EUR", 3, "a", "b"))
    rig.step()
    assert (len(outbox), rig.writer.unstored, rig.diagnostics.stats(0).dropped) == (2, 1, {})
    outbox.is_held = False
    assert rig.step() == 0.0  # what came meanwhile follows at once, also at the end
    rig.step()
    outbox.is_held = True
    rig.report(Business("EUR", 4, "a", "b"))
    rig.step()
    rig.writer.finish()
    assert (rig.step(), rig.step()) == (0.0, None)
    numbers = [(event["amount"], event["transaction_num"]) for event in rig.stored() if event["category"] == "business"]
    assert numbers == [(1, 1), (2, 2), (3, 3), (4, 4)]


# --- with a journal -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("events", [10, SLICE - 1, SLICE, 2 * SLICE, 3 * ROWS_OF_A_HALF // 2, 2 * MORE_THAN_FITS])
def test_finishing_stores_all_that_the_journal_holds(tmp_path: Path, events: int) -> None:
    """Its entries may be in one half, in both, or in memory because both are full."""
    rig = Rig(max_outbox_bytes=10**8, journal=tmp_path / "x.ring")
    rig.report(User(), *(Design("a", number) for number in range(events)))
    rig.writer.finish()
    while rig.step() is not None:
        pass
    assert rig.writer.has_finished
    assert rig.inbox.waiting == 0
    assert [event["value"] for event in rig.stored()[1:]] == list(range(events))
    assert Leftover((tmp_path / "x.ring").read_bytes()).records == []


def test_a_flush_is_told_after_all_that_the_journal_holds(tmp_path: Path) -> None:
    """However many steps that takes."""
    rig = Rig(max_outbox_bytes=10**8, journal=tmp_path / "x.ring")
    seen: list[int] = []
    many = 3 * ROWS_OF_A_HALF // 2
    rig.report(User(), *(Design("a", number) for number in range(many)))
    rig.inbox.requests.append(Flush(lambda: seen.append(len(rig.stored()))))
    while rig.step() == 0.0:
        pass
    assert seen == [many + 1]


def test_what_is_committed_is_neither_lost_nor_doubled_by_a_kill(tmp_path: Path) -> None:
    """After each step, the outbox and what the next launch reads of the journal are together what was recorded."""
    path = tmp_path / "x.ring"
    outbox = MemoryOutbox(["test"])
    rig = Rig(outbox, journal=path)
    recorded: list[Event] = [Design("a", number) for number in range(3 * ROWS_OF_A_HALF // 2)]
    rig.report(User(), *recorded)
    stored: list[Any] = []
    delay: float | None = 0.0
    while delay == 0.0:
        delay = rig.step()
        stored += [event["value"] for event in rig.stored() if "value" in event]
        done = int(next(value for key, value in outbox.values.items() if key.startswith("journal:")))
        rest = [record.event for position, record in Leftover(path.read_bytes()).records if position > done]
        assert recorded[len(stored) :] == rest
    assert len(stored) == len(recorded)


@pytest.mark.e2e
@pytest.mark.parametrize("moment", ["start", "middle"])
def test_a_file_that_is_held_for_minutes(tmp_path: Path, moment: str) -> None:
    """Both halves of the journal fill, then memory: all is stored in the end, once and in order."""
    path = tmp_path / "outbox.sqlite3"
    SqliteOutbox(path, ["test"]).close()
    clock, diagnostics = ManualClock(), Diagnostics()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        if moment == "start":
            other.execute("BEGIN IMMEDIATE")
        rig = Rig(
            FailoverOutbox(path, ["test"], clock, diagnostics),
            max_outbox_bytes=10**8,
            journal=tmp_path / "x.ring",
            clock=clock,
            diagnostics=diagnostics,
        )
        rig.report(User())
        rig.step()
        if moment == "middle":
            other.execute("BEGIN IMMEDIATE")
        number = 0
        for _ in range(2):
            rig.report(*(Design("n", number := number + 1) for _ in range(MORE_THAN_FITS)))
            for _ in range(3):  # the first ones wait for the other
                rig.step()
                clock.advance(20)
            for _ in range(17):
                rig.step()
        assert not rig.outbox.is_on_disk
        other.execute("ROLLBACK")
    clock.advance(30)
    rig.writer.finish()
    while rig.step() is not None:
        pass
    assert rig.outbox.is_on_disk
    values = [event["value"] for event in rig.stored() if event["category"] == "design"]
    assert values == list(range(1, number + 1))
    assert diagnostics.stats(0).dropped == {}
    rig.outbox.close()


def test_a_commit_that_fails_leaves_the_position_behind(tmp_path: Path) -> None:
    """Records that were not committed stay in the journal for the next launch, whatever the error was."""

    class Dies(MemoryOutbox):
        dead = False

        def transact(self, work: Any, *, may_wait: bool = False) -> Any:
            if self.dead:
                raise KeyboardInterrupt
            return super().transact(work)

    path = tmp_path / "x.ring"
    outbox = Dies(["test"])
    rig = Rig(outbox, journal=path)
    rig.report(User(), Design("a", 1))
    rig.step()
    rig.report(Design("a", 2), Design("a", 3))
    outbox.dead = True
    with pytest.raises(KeyboardInterrupt):
        rig.step()
    done = int(next(value for key, value in outbox.values.items() if key.startswith("journal:")))
    rest = [record.event for position, record in Leftover(path.read_bytes()).records if position > done]
    assert rest == [Design("a", 2), Design("a", 3)]


def test_rows_and_records_of_a_session_have_its_number_and_context(tmp_path: Path) -> None:
    """An event has the same wire form on the fast and the slow path."""
    rig = Rig(max_outbox_bytes=10**8, journal=tmp_path / "x.ring")
    rig.report(User(), Design("a", 2))
    assert rig.inbox.repeat("a", 2)
    rig.inbox.record(Design("a", 2), rig.inbox.stamp, rig.clock.monotonic(), {"x": 1})
    rig.step()
    _, first, second, third = rig.stored()
    assert third.pop("custom_fields") == {"x": 1}
    for one in (first, second, third):
        one.pop("event_uuid")
    assert first == second == third


@pytest.mark.parametrize("kills_after", [1, 3, 5, 8])
def test_a_wallet_in_memory_is_sent_or_in_the_journal(tmp_path: Path, kills_after: int) -> None:
    """While the disk cannot be written, a kill at any time costs no flow of a wallet and sends none twice."""
    (tmp_path / "outbox.sqlite3").mkdir()  # no file can be opened there
    clock = ManualClock()
    outbox = FailoverOutbox(tmp_path / "outbox.sqlite3", ["test"], clock, Diagnostics())
    journal = tmp_path / "x.ring"
    rig = Rig(outbox, journal=journal, clock=clock)
    rig.report(User())
    sent = []
    for number in range(8):
        rig.report(*(WalletChange(Resource(Flow.SOURCE, "gold", 1, "pickup", "coin")) for _ in range(number)))
        rig.step()
        if number < kills_after:
            sent += [event["amount"] for event in rig.stored() if event["category"] == "resource"]
            clock.advance(0.04)
            rig.step()
    left = [record.event for _, record in Leftover(journal.read_bytes()).records]
    waiting = sum(event.change.amount for event in left if isinstance(event, WalletChange))
    assert sum(sent) == sum(range(kills_after)), "all that was taken before"
    assert sum(sent) + waiting == sum(range(8))
