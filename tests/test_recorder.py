"""The stamp on what the game reports."""

from __future__ import annotations

from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.events import Business, Context, Design, Error, Record, SessionEnd, SessionRef, Severity, User
from ga_pygame.recorder import Recorder
from ga_pygame.testing import ManualClock

SESSION = SessionRef("s1", 1000.0)


class Rig:
    """A recorder, and how often it asked for a commit."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.diagnostics = Diagnostics()
        self.recorder = Recorder(Context(user_id=""), self.clock.monotonic, self.diagnostics)
        self.commits = 0
        self.recorder.write_now = self._write_now

    def _write_now(self) -> None:
        self.commits += 1

    @property
    def records(self) -> list[Record]:
        return [item for item in self.recorder.inbox if isinstance(item, Record)]


def test_a_record_has_the_stamp_of_its_moment() -> None:
    """Session, context and time as they are at the call; a later change makes another context."""
    rig = Rig()
    rig.recorder.session = SESSION
    rig.recorder.post(Design("a"), None)
    first = rig.recorder.context
    rig.clock.advance(5)
    rig.recorder.change(build="2")
    rig.recorder.post(Design("b"), {"seed": 1})
    assert rig.records == [
        Record(Design("a"), SESSION, first, 1000.0, None),
        Record(Design("b"), SESSION, rig.recorder.context, 1005.0, {"seed": 1}),
    ]
    assert first.build is None
    assert rig.recorder.waiting == 2


def test_what_must_not_wait_is_committed_at_once() -> None:
    """Errors, purchases and session ends; a session's other events within 0.05 s."""
    rig = Rig()
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
    rig = Rig()
    rig.recorder.post(Design("a"), None)
    rig.recorder.change(dimensions=("own", None, None))
    rig.recorder.post(Design("b"), {"x": 1})
    early = rig.recorder.take_all()
    assert rig.recorder.waiting == 0
    rig.recorder.change(user_id="player", dimensions=("kept", "kept2", None))
    rig.recorder.session = SESSION
    rig.recorder.give_back(early)
    first, second = rig.records
    assert (first.event, second.event) == (Design("a"), Design("b"))
    assert first.context.dimensions == ("kept", "kept2", None)
    assert second.context.dimensions == ("own", "kept2", None)
    assert {record.context.user_id for record in rig.records} == {"player"}
    assert {record.session for record in rig.records} == {SESSION}
    assert second.fields == {"x": 1}
