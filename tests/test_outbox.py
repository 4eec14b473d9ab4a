"""One contract for every outbox: on disk, in memory, and the one that changes between both."""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ga_pygame.delivery.outbox.contract import (
    MAX_REJECTED,
    PROTECTED,
    Batch,
    NewRecord,
    Outbox,
    Rejected,
    Told,
    Transaction,
    cut,
)
from ga_pygame.delivery.outbox.failover import FailoverOutbox
from ga_pygame.delivery.outbox.memory import MemoryOutbox
from ga_pygame.delivery.outbox.open_session import OpenSession
from ga_pygame.delivery.outbox.schema import blocks
from ga_pygame.delivery.outbox.sqlite import SqliteOutbox
from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.kept import CONSENT, SESSION_NUM, USER_ID, KeptKey
from ga_pygame.protocol import StoredRecord
from ga_pygame.testing import ManualClock
from tests.effort import examples

NAMES = ("first", "second")
Make = Callable[[Path], Outbox]


def _failover(path: Path) -> Outbox:
    return FailoverOutbox(path, NAMES, ManualClock(), Diagnostics())


def _failover_without_disk(path: Path) -> Outbox:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir()  # no file can be opened there
    return FailoverOutbox(path, NAMES, ManualClock(), Diagnostics())


MAKERS: dict[str, Make] = {
    "memory": lambda _: MemoryOutbox(NAMES),
    "sqlite": lambda path: SqliteOutbox(path, NAMES),
    "failover": _failover,
    "failover without disk": _failover_without_disk,
}


@pytest.fixture(params=list(MAKERS))
def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outbox]:
    made = MAKERS[request.param](tmp_path / "outbox.sqlite3")
    yield made
    made.close()


def record(text: str, category: str = "design", session: str = "s1", at: float = 1.7e9) -> NewRecord:
    return NewRecord(session, category, at, None, b"", text.encode())


def add(outbox: Outbox, *records: NewRecord, to: Sequence[str] | None = None) -> None:
    outbox.transact(lambda transaction: transaction.add(records, to))


def lease(outbox: Outbox, name: str = "first", max_events: int = 500, max_bytes: int = 10**6) -> Batch:
    batch = outbox.lease(name, max_events, max_bytes)
    assert batch is not None
    return batch


def texts(batch: Batch | None) -> list[str]:
    return [one.payload.decode().removesuffix("}") for one in batch.records] if batch else []


def waiting(outbox: Outbox, name: str) -> list[str]:
    """Return all records that wait for a destination, without any change."""
    batch = outbox.lease(name, 10**6, 10**9)
    if batch is None:
        return []
    outbox.release(batch)
    return texts(batch)


def test_records_are_leased_in_the_order_of_recording(outbox: Outbox) -> None:
    """Oldest first, with everything that was stored about them."""
    add(outbox, NewRecord("s1", "user", 5.5, -3.0, b"", b"a", '{"x": 1}'), record("b"))
    add(outbox, record("c"))
    batch = lease(outbox)
    assert texts(batch) == ["a", "b", "c"]
    assert batch.records[0][1:] == ("s1", "user", 5.5, -3.0, b"a}", '{"x": 1}')
    assert batch.records[1].extra is None
    assert batch.destination == "first"
    ids = [one.id for one in batch.records]
    assert ids == sorted(set(ids))


def test_each_destination_gets_each_record_once(outbox: Outbox) -> None:
    """A record that one destination has settled still waits for the other, and is gone after both."""
    add(outbox, record("a"), record("b"))
    outbox.settle(lease(outbox, "first"))
    assert outbox.lease("first", 500, 10**6) is None
    assert waiting(outbox, "second") == ["a", "b"]
    outbox.settle(lease(outbox, "second"))
    assert outbox.lease("second", 500, 10**6) is None


def test_records_may_be_meant_for_one_destination(outbox: Outbox) -> None:
    """A record moved from memory to disk goes only where it still has to."""
    add(outbox, record("a"), to=["second"])
    assert waiting(outbox, "first") == []
    assert waiting(outbox, "second") == ["a"]


@pytest.mark.requirement("002:marked", "002:requeue-offline")
def test_a_released_batch_comes_again(outbox: Outbox) -> None:
    """Nothing is lost by a failed send."""
    add(outbox, record("a"), record("b"))
    batch = lease(outbox, max_events=1)
    outbox.release(batch)
    assert waiting(outbox, "first") == ["a", "b"]


@pytest.mark.requirement("002:marked")
def test_one_lease_at_a_time_for_each_destination(outbox: Outbox) -> None:
    """Two uploaders never send the same record; destinations do not wait for each other."""
    add(outbox, record("a"))
    batch = lease(outbox, "first")
    assert outbox.lease("first", 500, 10**6) is None
    assert texts(lease(outbox, "second")) == ["a"]
    outbox.release(batch)
    assert texts(lease(outbox, "first")) == ["a"]


def test_what_is_recorded_meanwhile_is_not_settled(outbox: Outbox) -> None:
    """Settling a batch forgets its records and no others."""
    add(outbox, record("a"))
    batch = lease(outbox)
    add(outbox, record("b"))
    outbox.settle(batch)
    assert waiting(outbox, "first") == ["b"]


def test_batches_are_bounded_by_count_and_bytes(outbox: Outbox) -> None:
    """A record that is alone too large comes alone: it is for the server to refuse."""
    add(outbox, *(record(str(n) * 100) for n in range(5)), record("x" * 5000), record("y"))
    sizes = []
    while batch := outbox.lease("first", 3, 300):
        sizes.append([len(one.payload) for one in batch.records])
        outbox.settle(batch)
    assert sizes == [[101, 101], [101, 101], [101], [5001], [2]]


@pytest.mark.requirement("002:user-first")
def test_a_user_record_opens_a_batch(outbox: Outbox) -> None:
    """It is the first event of a session's first batch, also when older sessions wait."""
    add(outbox, record("user1", "user"), record("a"), record("user2", "user"), record("b"))
    first = lease(outbox)
    assert texts(first) == ["user1", "a"]
    outbox.settle(first)
    assert texts(lease(outbox)) == ["user2", "b"]


def test_a_transaction_happens_wholly_or_not_at_all(outbox: Outbox) -> None:
    """A counter never moves without the event that carries it."""

    def work(transaction: Transaction) -> None:
        transaction.increment(SESSION_NUM)
        transaction.remember(USER_ID, "u")
        transaction.set_attempts("a", 3)
        transaction.add([record("a")])
        transaction.save_session(session("s1"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        outbox.transact(work)

    def look(transaction: Transaction) -> tuple[object, ...]:
        known = transaction.delete_session("s1")
        return transaction.value(SESSION_NUM), transaction.value(USER_ID), transaction.attempts("a"), known

    assert outbox.transact(look) == (None, None, 0, False)
    assert waiting(outbox, "first") == []


def test_values_counters_and_attempts(outbox: Outbox) -> None:
    """Values are kept and forgotten, counters start at 1, an attempt set to 0 is as if there was none."""

    def write(transaction: Transaction) -> list[object]:
        transaction.remember(KeptKey("a"), "x")
        transaction.remember(KeptKey("a"), "y")
        transaction.remember(KeptKey("b"), "gone")
        transaction.remember(KeptKey("b"), None)
        transaction.remember(KeptKey("never"), None)
        transaction.set_attempts("l", 2)
        transaction.set_attempts("m", 5)
        transaction.set_attempts("m", 0)
        return [transaction.increment(KeptKey("n")), transaction.increment(KeptKey("n")), transaction.attempts("l")]

    assert outbox.transact(write) == [1, 2, 2]
    assert outbox.transact(lambda t: [t.value(KeptKey(key)) for key in ("a", "b", "n", "never")]) == [
        "y",
        None,
        "2",
        None,
    ]
    assert outbox.transact(lambda t: [t.attempts("l"), t.attempts("m"), t.attempts("z")]) == [2, 0, 0]


def session(name: str, **changes: Any) -> OpenSession:
    wallet = {("Source", "gold", "pickup", "coin"): 5.0}
    return OpenSession(name, 3, 1.7e9, 1.7e9 + 60, None, 60.5, b'"v":2', "forest:1", wallet, **changes)


def test_a_session_is_ended_by_one(outbox: Outbox) -> None:
    """`delete_session` tells whether it was still there, so that two who find a session end it once."""
    outbox.transact(lambda transaction: transaction.save_session(session("s1")))
    assert outbox.transact(lambda transaction: transaction.delete_session("s1"))
    assert not outbox.transact(lambda transaction: transaction.delete_session("s1"))
    assert not outbox.transact(lambda transaction: transaction.delete_session("never"))


def test_the_own_session_is_no_orphan(outbox: Outbox) -> None:
    """A process that lives does not end its own session."""
    outbox.transact(lambda transaction: transaction.save_session(session("s1")))
    assert list(outbox.dead_launches()) == []


def test_clear_forgets_everything(outbox: Outbox) -> None:
    """The player's no leaves nothing behind but what is written after it."""

    def fill(transaction: Transaction) -> None:
        transaction.increment(SESSION_NUM)
        transaction.set_attempts("a", 3)
        transaction.add([record("a")])
        transaction.save_session(session("s1"))

    def forget(transaction: Transaction) -> None:
        transaction.clear()
        transaction.remember(CONSENT, "denied")

    outbox.transact(fill)
    outbox.transact(forget)
    assert waiting(outbox, "first") == waiting(outbox, "second") == []
    found = outbox.transact(lambda t: (t.value(SESSION_NUM), t.value(CONSENT), t.attempts("a")))
    assert found == (None, "denied", 0)
    assert not outbox.transact(lambda transaction: transaction.delete_session("s1"))


def test_clear_counts_each_waiting_record_once(outbox: Outbox) -> None:
    """Without those that every destination has and those that are being sent, whose answer decides."""
    outbox.transact(lambda transaction: transaction.add([record("a"), record("b")]))
    for name in NAMES:
        outbox.settle(lease(outbox, name, 1))
    outbox.settle(lease(outbox, "first"))
    outbox.transact(lambda transaction: transaction.add([record("c")], ["first"]))
    outbox.transact(lambda transaction: transaction.add([record("d")]))
    assert outbox.transact(lambda transaction: transaction.clear()) == 3
    assert outbox.transact(lambda transaction: transaction.clear()) == 0
    outbox.transact(lambda transaction: transaction.add([record("e"), record("f")]))
    lease(outbox, "first", 1)
    assert outbox.transact(lambda transaction: transaction.clear()) == 1


def room_of(one: NewRecord, path: Path) -> int:
    """Return the bytes that a record takes if added alone: on the disk with its block, in memory as it is sent."""
    (block,) = blocks([(one, None)], 1)
    return block.size if path.is_file() else len(one.stored(1).payload)


@pytest.mark.requirement("002:trim")
def test_room_is_made_oldest_first_and_protected_last(outbox: Outbox, tmp_path: Path) -> None:
    """The oldest session's events go first; `user`, `session_end` and `business` go last."""
    sizes: dict[str, int] = {}
    for name in ("s1", "s2"):
        for kind in ("user", "design", "business", "error", "session_end"):
            one = record(f"{name} {kind:>8}", kind, name)
            sizes[f"{name} {kind}"] = room_of(one, tmp_path / "outbox.sqlite3")
            add(outbox, one)
    size = sum(sizes.values())
    assert outbox.transact(lambda transaction: transaction.trim(size)) == 0
    two = sizes["s1 design"] + sizes["s1 error"]
    assert outbox.transact(lambda transaction: transaction.trim(size - two)) == 2
    kinds = [text.split() for text in settle_all(outbox, "second")]
    assert [kind for name, kind in kinds if name == "s1"] == ["user", "business", "session_end"]
    assert [kind for name, kind in kinds if name == "s2"] == ["user", "design", "business", "error", "session_end"]
    assert outbox.transact(lambda transaction: transaction.trim(0)) == 8
    assert settle_all(outbox, "first") == []


@pytest.mark.requirement("002:trim")
def test_room_is_made_by_whole_sessions(outbox: Outbox) -> None:
    """Of the oldest sessions everything goes, never parts of several; of the one that runs only what it takes."""
    for name in ("s1", "s2", "s3"):
        for number in range(40):
            add(outbox, record(f"{name} {number:02}", session=name))
    size = outbox.transact(lambda transaction: transaction.trim(10**9))
    assert size == 0
    one = room_of_all(outbox) // 120
    assert outbox.transact(lambda transaction: transaction.trim(one * 119)) == 40
    assert {text[:2] for text in waiting(outbox, "first")} == {"s2", "s3"}
    assert outbox.transact(lambda transaction: transaction.trim(one * 39)) == 41
    assert waiting(outbox, "second") == [f"s3 {number:02}" for number in range(1, 40)]


def room_of_all(outbox: Outbox) -> int:
    """Return the bytes that all of 120 records take if each is added alone."""
    one = record("s1 00")
    is_in_memory = isinstance(outbox, MemoryOutbox) or outbox.journal_path() is None
    (block,) = blocks([(one, None)], 1)
    return 120 * (len(one.stored(1).payload) if is_in_memory else block.size)


@pytest.mark.parametrize("count", [examples(20_000)])
def test_what_waits_long_costs_no_more(outbox: Outbox, count: int) -> None:
    """A batch is leased and settled, and room is made, in time for what moves: not for all that waits."""
    some = [record(f"{number:06}") for number in range(count)]
    outbox.transact(lambda transaction: transaction.add(some))
    for _ in range(400):  # a service that takes one record at a time
        outbox.settle(lease(outbox, "first", 1))
        outbox.transact(lambda transaction: transaction.trim(10**8))
    assert texts(lease(outbox, "first", 1)) == ["000400"]


def settle_all(outbox: Outbox, name: str) -> list[str]:
    """Deliver and return all records that wait for a destination."""
    found: list[str] = []
    while batch := outbox.lease(name, 10**6, 10**9):
        found += texts(batch)
        outbox.settle(batch)
    return found


def test_rejected_events_are_settled(outbox: Outbox) -> None:
    """A record that was refused is not sent again."""
    add(outbox, *(record(str(n)) for n in range(3)))
    batch = lease(outbox)
    outbox.settle(batch, [Rejected(batch.records[1], Drop.REJECTED, "[]")])
    assert waiting(outbox, "first") == []
    assert waiting(outbox, "second") == ["0", "1", "2"]


def test_rejected_events_are_kept_up_to_a_bound() -> None:
    """The developer can look at the last ones; they do not fill the disk."""
    memory = MemoryOutbox(NAMES)
    for number in range(MAX_REJECTED + 50):
        add(memory, record(str(number)))
        batch = lease(memory)
        memory.settle(batch, [Rejected(batch.records[0], Drop.REJECTED, "[]")])
    assert len(memory.rejected) == MAX_REJECTED
    assert memory.rejected[-1].record.payload == f"{MAX_REJECTED + 49}}}".encode()


def test_save_and_close_of_an_empty_outbox(outbox: Outbox) -> None:
    """Ending without anything to do is no special case."""
    outbox.save()


@pytest.mark.parametrize("max_events", [1, 5, 6, 9, 10, 11, 100])
def test_memory_lends_whole_transactions(max_events: int) -> None:
    """The journal learns of whole transactions only, so a kill between two batches must not cut one in two."""
    outbox = MemoryOutbox(["test", "other"])
    sizes = [3, 3, 0, 7, 1, 20, 1, 1]
    for size in sizes:
        add(outbox, *(record(str(number)) for number in range(size)))
    ends = set(itertools.accumulate(sizes))
    leased = 0
    while batch := outbox.lease("test", max_events, 10**6):
        before, leased = leased, leased + len(batch.records)
        assert len(batch.records) <= max_events
        assert batch.more == (leased < sum(sizes))
        fits = [end for end in ends if before < end <= before + max_events]
        assert leased == max(fits, default=before + max_events)
        outbox.settle(batch)
    assert leased == sum(sizes)


@pytest.mark.parametrize("max_events", [1, 3, 500])
def test_cut_takes_the_longest_start(max_events: int) -> None:
    """At least one; at most so many events and bytes; a `user` only in front."""
    records = [
        StoredRecord(n, "s", "user" if n % 7 == 0 else "design", 0.0, None, b"x" * (37 * n % 300)) for n in range(50)
    ]
    for start, max_bytes in itertools.product(range(49), (10, 500, 10**6)):
        taken, more = cut(records[start:], max_events, max_bytes)
        assert more == (start + len(taken) < len(records))
        assert taken == records[start : start + len(taken)]
        assert 1 <= len(taken) <= max_events
        assert all(one.category != "user" for one in taken[1:])
        assert len(taken) == 1 or sum(len(one.json(None)) + 1 for one in taken) + 2 <= max_bytes


# --- against a model ----------------------------------------------------------------------------------------


class OutboxWalk(RuleBasedStateMachine):
    """Any sequence of additions, leases, verdicts, trims and restarts, compared with two plain lists."""

    kind: str
    step = 7
    """About one record's room."""
    lends_whole_transactions = False

    def __init__(self) -> None:
        super().__init__()
        self.units: list[tuple[str, ...]] = []
        self.folder = Path(tempfile.mkdtemp())
        self.outbox = self.open()
        self.number = 0
        self.session = 1
        self.ends: list[str] = []
        """The last record of each transaction."""
        self.kinds: dict[str, str] = {}
        self.sessions: dict[str, str] = {}
        self.waits: dict[str, list[str]] = {name: [] for name in NAMES}
        self.leased: dict[str, Batch] = {}
        self.counter = 0

    def open(self) -> Outbox:
        return MAKERS[self.kind](self.folder / "outbox.sqlite3")

    def split(self, names: Sequence[str]) -> list[tuple[str, ...]]:
        """Split one transaction's records into those that are dropped together."""
        return [(name,) for name in names]

    def size(self, unit: tuple[str, ...]) -> int:
        """Return their size in bytes."""
        return sum(len(name) + 1 for name in unit)

    @rule(categories=st.lists(st.sampled_from(["design", "user", "business"]), max_size=4), fails=st.booleans())
    def add(self, categories: list[str], fails: bool) -> None:
        names = [f"{self.number + place:06}" for place in range(len(categories))]
        self.number += len(names)

        def work(transaction: Transaction) -> int:
            pairs = zip(names, categories, strict=True)
            transaction.add([record(name, kind, f"s{self.session}") for name, kind in pairs])
            number = transaction.increment(KeptKey("counter"))
            if fails:
                raise ZeroDivisionError
            return number

        if fails:
            with pytest.raises(ZeroDivisionError):
                self.outbox.transact(work)
            return
        self.counter += 1
        assert self.outbox.transact(work) == self.counter
        self.kinds.update(zip(names, categories, strict=True))
        self.sessions.update(dict.fromkeys(names, f"s{self.session}"))
        self.units += self.split(names)
        self.ends += names[-1:]
        for queue in self.waits.values():
            queue.extend(names)

    @rule()
    def next_session(self) -> None:
        self.session += 1

    @rule(name=st.sampled_from(NAMES), most=st.integers(1, 5))
    def lease(self, name: str, most: int) -> None:
        batch = self.outbox.lease(name, most, 10**6)
        if name in self.leased:
            assert batch is None
            return
        expected: list[str] = []
        for one in self.waits[name]:
            if expected and (self.kinds[one] == "user" or len(expected) == most):
                break
            expected.append(one)
        if self.lends_whole_transactions and len(expected) < len(self.waits[name]):
            end = max((one for one in self.ends if one <= expected[-1]), default="")
            expected = [one for one in expected if one <= end] or expected
        assert texts(batch) == expected
        if batch is not None:
            self.leased[name] = batch

    @precondition(lambda self: self.leased)
    @rule(data=st.data(), settles=st.booleans(), rejects=st.booleans())
    def end_lease(self, data: st.DataObject, settles: bool, rejects: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.leased)))
        batch = self.leased.pop(name)
        if settles:
            self.outbox.settle(batch, [Rejected(batch.records[0], Drop.REJECTED, "[]")] if rejects else ())
            done = texts(batch)
            self.waits[name] = [one for one in self.waits[name] if one not in done]
        else:
            self.outbox.release(batch)

    @precondition(lambda self: not self.leased)
    @rule(keep=st.integers(0, 20))
    def trim(self, keep: int) -> None:
        waiting = {one for queue in self.waits.values() for one in queue}
        present = [unit for unit in self.units if waiting & set(unit)]
        excess = sum(map(self.size, present)) - keep * self.step
        newest = self.sessions[present[-1][0]] if present else None
        gone: set[str] = set()
        for protected in (False, True):
            units = [unit for unit in present if (self.kinds[unit[0]] in PROTECTED) is protected]
            for name, run in itertools.groupby(units, lambda unit: self.sessions[unit[0]]):
                starts_over = excess > 0
                for unit in run:
                    if excess > 0 or (starts_over and name != newest):  # of all but the newest session all or nothing
                        gone |= set(unit)
                        excess -= self.size(unit)
        assert self.outbox.transact(lambda transaction: transaction.trim(keep * self.step)) == len(gone & waiting)
        for name in NAMES:
            self.waits[name] = [one for one in self.waits[name] if one not in gone]

    @invariant()
    def nothing_is_lost_and_nothing_comes_twice(self) -> None:
        for name in set(NAMES) - set(self.leased):
            batch = self.outbox.lease(name, 1, 10**6)
            assert texts(batch) == self.waits[name][:1]
            if batch is not None:
                self.outbox.release(batch)

    def teardown(self) -> None:
        for batch in self.leased.values():
            self.outbox.release(batch)
        for name in NAMES:
            assert settle_all(self.outbox, name) == self.waits[name]
        self.outbox.close()
        shutil.rmtree(self.folder)


class MemoryWalk(OutboxWalk):
    kind = "memory"
    lends_whole_transactions = True


class SqliteWalk(OutboxWalk):
    kind = "sqlite"
    step = 30

    def split(self, names: Sequence[str]) -> list[tuple[str, ...]]:
        """Split them into blocks: neighbours share one if all or none of them are protected."""
        groups = itertools.groupby(names, lambda name: self.kinds[name] in PROTECTED)
        return [tuple(run) for _, run in groups]

    def size(self, unit: tuple[str, ...]) -> int:
        (block,) = blocks([(record(name, self.kinds[name]), None) for name in unit], 1)
        return block.size

    @rule()
    def restart(self) -> None:
        """Restart the process at any point; the next one finds every record that was not settled."""
        self.outbox.close()
        self.leased.clear()
        self.outbox = self.open()


class FailoverWalk(SqliteWalk):
    kind = "failover"


TestMemoryWalk: Any = MemoryWalk.TestCase
TestSqliteWalk: Any = SqliteWalk.TestCase
TestFailoverWalk: Any = FailoverWalk.TestCase
TestSqliteWalk.settings = TestFailoverWalk.settings = settings(
    max_examples=examples(25), stateful_step_count=25, deadline=None
)


# --- sums ---------------------------------------------------------------------------------------------------

SUMMING = ("sums", "others")


def _summing_failover(path: Path) -> Outbox:
    return FailoverOutbox(path, NAMES, ManualClock(), Diagnostics(), SUMMING)


def _summing_without_disk(path: Path) -> Outbox:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir()
    return _summing_failover(path)


SUMMING_MAKERS: dict[str, Make] = {
    "memory": lambda _: MemoryOutbox(NAMES, SUMMING),
    "sqlite": lambda path: SqliteOutbox(path, NAMES, SUMMING),
    "failover": _summing_failover,
    "failover without disk": _summing_without_disk,
}


@pytest.fixture(params=list(SUMMING_MAKERS))
def sums(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outbox]:
    made = SUMMING_MAKERS[request.param](tmp_path / "outbox.sqlite3")
    yield made
    made.close()


def put(outbox: Outbox, amount: float, slot: str = "a", name: str = "sums") -> None:
    outbox.transact(lambda transaction: transaction.add_to_sum(name, slot, amount))


def frozen(batch: Batch) -> tuple[str, float, str]:
    """Return slot, value and key of a leased sum."""
    (one,) = batch.records
    found = json.loads(b"{" + one.payload)
    return found["slot"], found["value"], found["key"]


def test_amounts_are_one_sum_until_it_is_leased(sums: Outbox) -> None:
    """Per destination and slot; whoever takes records gets none of it."""
    put(sums, 3)
    put(sums, 4.5)
    put(sums, 1, name="others")
    add(sums, record("r"))
    assert frozen(lease(sums, "sums"))[:2] == ("a", 7.5)
    assert frozen(lease(sums, "others"))[:2] == ("a", 1)
    assert waiting(sums, "first") == ["r"]


def test_a_frozen_sum_stays_as_it_is_until_it_is_settled(sums: Outbox) -> None:
    """The same value under the same key at each try; what is added meanwhile is another sum with another key."""
    put(sums, 3)
    tries = []
    for _ in range(3):
        batch = lease(sums, "sums")
        tries.append(frozen(batch))
        put(sums, 1)
        sums.release(batch)
    assert len(set(tries)) == 1
    sums.settle(lease(sums, "sums"))
    later = lease(sums, "sums")
    assert frozen(later) not in tries
    assert frozen(later)[:2] == ("a", 3)
    sums.settle(later)
    assert sums.lease("sums", 1, 1) is None


def test_one_sum_at_a_time(sums: Outbox) -> None:
    """A second lease waits for the first; another destination does not."""
    put(sums, 1)
    put(sums, 1, name="others")
    batch = lease(sums, "sums")
    assert sums.lease("sums", 1, 1) is None
    sums.settle(lease(sums, "others"))
    sums.settle(batch, [Rejected(batch.records[0], Drop.REJECTED, "no such slot")])
    assert sums.lease("sums", 1, 1) is None


def test_slots_take_turns(sums: Outbox) -> None:
    """What is there at the first lease is sent before anything newer, and the last of it says so."""
    for slot in "abc":
        put(sums, 1, slot)
    rounds: list[list[str]] = [[], []]
    for slots in rounds:
        more = True
        while more:
            batch = lease(sums, "sums")
            more = batch.more
            slots.append(frozen(batch)[0])
            for slot in "abc":
                put(sums, 1, slot)
            sums.settle(batch)
    assert [sorted(slots) for slots in rounds] == [["a", "b", "c"]] * 2


@pytest.mark.parametrize("amounts", [[0], [2, -2], [0.1, 0.2, -0.3]])
def test_a_sum_of_nought_is_no_sum(sums: Outbox, amounts: list[float]) -> None:
    """It would be a request that says nothing."""
    for amount in amounts:
        put(sums, amount)
    assert sums.lease("sums", 1, 1) is None
    put(sums, -5)
    assert frozen(lease(sums, "sums"))[1] == pytest.approx(-5)


def test_a_failed_transaction_adds_nothing(sums: Outbox) -> None:
    """An event and what it counts are there together or not at all."""

    def fails(transaction: Transaction) -> None:
        transaction.add_to_sum("sums", "a", 5)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        sums.transact(fails)
    assert sums.lease("sums", 1, 1) is None
    put(sums, 2)
    assert frozen(lease(sums, "sums"))[1] == 2


def test_clear_forgets_sums(sums: Outbox) -> None:
    """Frozen or not: after the player's no nothing about them is sent."""
    put(sums, 1)
    sums.release(lease(sums, "sums"))
    put(sums, 1, "b")
    sums.transact(lambda transaction: transaction.clear())
    assert sums.lease("sums", 1, 1) is None


@pytest.mark.parametrize("amount", [1e16, -1e16, float("inf"), float("nan"), 10**400, "5", None, True])
def test_an_amount_that_is_too_much_costs_only_itself(tmp_path: Path, amount: Any) -> None:
    """The sum goes on without it; it is counted and said."""
    for kind in ("disk", "memory"):
        refused: list[str] = []
        told = Told(refused=refused.append)
        made: Outbox = (
            SqliteOutbox(tmp_path / "outbox.sqlite3", (), ["sums"], told=told)
            if kind == "disk"
            else MemoryOutbox((), ["sums"], told)
        )
        for one in (5, amount, 7):
            put(made, one)
        batch = made.lease("sums", 1, 1)
        assert batch is not None
        assert json.loads(b"{" + batch.records[0].payload)["value"] == 12
        made.settle(batch)
        assert len(refused) == 1
        assert "the destination 'sums'" in refused[0]
        assert "Report smaller numbers" in refused[0]
        made.close()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_sum_grows_no_further_than_can_be_kept(tmp_path: Path, sign: int) -> None:
    """What would make it too much is refused, and what waits is still sent."""
    for kind in ("disk", "memory"):
        refused: list[str] = []
        told = Told(refused=refused.append)
        made: Outbox = (
            SqliteOutbox(tmp_path / "outbox.sqlite3", (), ["sums"], told=told)
            if kind == "disk"
            else MemoryOutbox((), ["sums"], told)
        )
        for one in (9e14, 9e14, 1e14):
            put(made, sign * one)
        batch = made.lease("sums", 1, 1)
        assert batch is not None
        assert json.loads(b"{" + batch.records[0].payload)["value"] == sign * 1e15
        made.settle(batch)
        assert len(refused) == 1
        made.close()
