"""The recorder: stamps, held events, and nothing recorded while it is closed."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.events import Business, Design, Error, FieldValue, SessionEnd, Severity, User
from ga_pygame.kinds import Event
from ga_pygame.recording.journal import Journal
from ga_pygame.recording.leftover import Leftover
from ga_pygame.recording.recorder import Recorder
from ga_pygame.records import AS_KEPT, Context, Record, SessionRef
from ga_pygame.testing import ManualClock
from tests.odd_objects import Endless

SESSION = SessionRef("s1", 1000.0)


class Rig:
    """A recorder, and how often it asked for a commit."""

    def __init__(self, *, holding: bool = False) -> None:
        self.clock = ManualClock()
        self.diagnostics = Diagnostics()
        self.recorder = Recorder(Context(user_id=""), self.clock.monotonic, self.diagnostics)
        self.commits = 0
        self.recorder.write_now = self._write_now
        self._taken: list[Record] = []
        if not holding:
            self.recorder.release()

    def _write_now(self) -> None:
        self.commits += 1

    @property
    def records(self) -> list[Record]:
        """Return all records so far."""
        self._taken += self.recorder.take_all()
        return self._taken


def test_a_record_has_the_stamp_of_its_moment() -> None:
    """Session, context and time as they are at the call; a later change makes another context."""
    rig = Rig()
    rig.recorder.session = SESSION
    rig.recorder.post(Design("a"), None)
    first = rig.recorder.context
    rig.clock.advance(5)
    rig.recorder.change(build="2")
    rig.recorder.post(Design("b"), {"seed": 1})
    assert rig.recorder.inbox.waiting == 2
    assert rig.records == [
        Record(Design("a"), SESSION, first, 1000.0, None),
        Record(Design("b"), SESSION, rig.recorder.context, 1005.0, {"seed": 1}),
    ]
    assert first.build is None
    assert [record.context for record in rig.records] == [first, rig.recorder.context]
    assert rig.recorder.inbox.waiting == 0


def test_what_must_not_wait_is_committed_at_once() -> None:
    """Errors, purchases and session ends at once; other events within 0.05 s."""
    rig = Rig()
    event: Event
    for event in (Design("a"), User()):
        rig.recorder.post(event, None)
    assert rig.commits == 0
    for event in (Error(Severity.ERROR, "x"), Business("USD", 1, "a", "b"), SessionEnd(1, "quit")):
        rig.recorder.post(event, None)
    assert rig.commits == 3


def test_while_closed_every_event_is_counted_with_the_reason() -> None:
    """Nothing is lost silently."""
    rig = Rig()
    for reason in (Drop.NOT_RUNNING, Drop.NO_CONSENT, Drop.NO_CONSENT):
        rig.recorder.closed = reason
        rig.recorder.post(Design("a"), None)
    assert rig.records == []
    assert rig.diagnostics.stats(0).dropped == {"not_running": 1, "no_consent": 2}


def test_early_records_learn_who_plays_and_in_which_session() -> None:
    """Their own dimensions win over those kept from the last launch; the order stays; nothing else changes."""
    rig = Rig(holding=True)
    rig.recorder.change(dimensions=(AS_KEPT, AS_KEPT, AS_KEPT))
    rig.recorder.post(Design("a"), None)
    rig.recorder.change(dimensions=("own", AS_KEPT, None))
    rig.recorder.post(Design("b"), {"x": 1})
    assert (rig.recorder.inbox.waiting, rig.recorder.waiting) == (0, 2)
    rig.recorder.kept_dimensions = ("kept", "kept2", "kept3")
    rig.recorder.change(user_id="player", dimensions=("own", "kept2", None))
    rig.recorder.session = SESSION
    rig.recorder.release()
    first, second = rig.records
    assert (first.event, second.event) == (Design("a"), Design("b"))
    assert first.context.dimensions == ("kept", "kept2", "kept3")
    assert second.context.dimensions == ("own", "kept2", None)
    assert {record.context.user_id for record in rig.records} == {"player"}
    assert {record.session for record in rig.records} == {SESSION}
    assert second.fields == {"x": 1}


def test_while_closed_nothing_is_repeated_either() -> None:
    """Kinds recorded before the end, or before the player denied consent, do not leave the fast path open."""
    rig = Rig()
    rig.recorder.session = SESSION
    rig.recorder.post(Design("a", 1), None)
    assert rig.recorder.inbox.repeat("a", 2)
    rig.recorder.closed = Drop.NO_CONSENT
    assert not rig.recorder.inbox.repeat("a", 3)
    assert [record.event for record in rig.records] == [Design("a", 1), Design("a", 2)]
    rig.recorder.closed = None
    assert not rig.recorder.inbox.repeat("a", 4)
    rig.recorder.post(Design("a", 4), None)
    assert rig.recorder.inbox.repeat("a", 5)
    assert [record.event for record in rig.records][2:] == [Design("a", 4), Design("a", 5)]


def test_the_end_of_the_journal_does_not_open_what_is_closed(tmp_path: Path) -> None:
    """Entries that the writer had not taken are kept, and a repeat of one is still counted instead of recorded."""
    rig = Rig()
    journal = Journal(tmp_path / "x.ring", rig.clock)
    rig.recorder.attach(journal)
    rig.recorder.session = SESSION
    rig.recorder.post(Design("a", 1), None)
    rig.recorder.closed = Drop.NO_CONSENT
    rig.recorder.inbox.detach()
    journal.close()
    assert not rig.recorder.inbox.repeat("a", 2)
    assert [record.event for record in rig.records] == [Design("a", 1)]


def test_records_given_back_are_safe_from_a_kill(tmp_path: Path) -> None:
    """Events from before consent or `start()` go into the journal with the player that is known then."""
    rig = Rig(holding=True)
    rig.recorder.post(Design("early", 1), None)
    path = tmp_path / "x.ring"
    journal = Journal(path, rig.clock)
    rig.recorder.change(user_id="player")
    rig.recorder.attach(journal)
    rig.recorder.session = SESSION
    rig.recorder.release()
    rig.recorder.post(Design("late", 2), None)
    found = [record for _, record in Leftover(path.read_bytes()).records]
    assert [record.event for record in found] == [Design("early", 1), Design("late", 2)]
    assert [record.context.user_id for record in found] == ["player", "player"]
    assert [record.session.id for record in found if record.session] == ["s1", "s1"]
    rig.recorder.inbox.detach()
    journal.close()


@pytest.mark.e2e
@pytest.mark.parametrize("reason", [None, Drop.NOT_RUNNING])
def test_a_tracker_that_nobody_takes_from_remembers_no_contexts(reason: Drop | None) -> None:
    """A game that sets a field in every frame does not fill the memory if the tracker is off or not started yet."""
    rig = Rig()
    rig.recorder.closed = reason
    for number in range(3_000):
        rig.recorder.change(build=str(number % 100))
    gc.collect()
    assert sum(type(one) is Context for one in gc.get_objects()) < 1000


def test_contexts_without_events_drop_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only events count as lost, and only they take the room for events."""
    monkeypatch.setattr("ga_pygame.recording.inbox.MAX_SPILLED", 1_000)
    rig = Rig()
    rig.recorder.session = SESSION
    for number in range(1_100):
        rig.recorder.change(build=str(number % 100))
    rig.recorder.post(Design("a", 1), None)
    assert rig.diagnostics.stats(0).dropped == {}
    assert [record.event for record in rig.records] == [Design("a", 1)]


def test_custom_fields_without_an_end_end() -> None:
    """The game goes on with the first fifty of them, whatever their `len()` says."""
    rig = Rig()
    rig.recorder.session = SESSION
    for _ in range(2):
        rig.recorder.post(Design("a"), Endless())
        assert not rig.recorder.inbox.repeat("a", None, fields=Endless())
    assert [len(record.fields or ()) for record in rig.records] == [50, 50]
    assert rig.diagnostics.stats(0).dropped == {"part": 2}


def test_a_sessions_start_and_end_are_held_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its start, no event of a session could be delivered."""
    monkeypatch.setattr("ga_pygame.recording.recorder.MAX_HELD", 3)
    rig = Rig(holding=True)
    for number in range(5):
        rig.recorder.post(Design("a", number), None)
    rig.recorder.post_session(User(), SESSION, 1000.0)
    rig.recorder.post_session(SessionEnd(1, "quit"), SESSION, 1001.0)
    rig.recorder.release()
    assert [type(record.event) for record in rig.records] == [User, Design, Design, Design, SessionEnd]
    assert rig.diagnostics.stats(0).dropped == {"inbox_full": 2}


@pytest.mark.parametrize("holds", [False, True])
@pytest.mark.parametrize("given", [{}, {"a": 1}])
def test_a_dict_that_changes_after_the_call_changes_nothing(given: dict[str, FieldValue], holds: bool) -> None:
    """Neither the events that were given it nor those that are given what it was; also before there is a session."""
    rig = Rig(holding=holds)
    if not holds:
        rig.recorder.session = SESSION
    fields: dict[str, object] = dict(given)
    for _ in range(3):
        rig.recorder.post(Design("a", 1), fields)  # type: ignore[arg-type]  # see below
    fields["b"] = object()
    if holds:
        rig.recorder.session = SESSION
        rig.recorder.release()
    if not rig.recorder.inbox.repeat("a", 1, fields=given):
        rig.recorder.post(Design("a", 1), given)
    assert [record.fields or {} for record in rig.records] == [given] * 4
