"""Recovers what dead launches left: adds the uncommitted records of their journals and ends their sessions.

Each launch is recovered once and then deleted, whatever its state. What cannot be read or encoded is counted and
reported; it costs neither the other records of its launch nor other launches.
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ga_pygame.clock import Clock, CountedIds, PastClock, yield_gil
from ga_pygame.delivery.encoder import Encoder, encode
from ga_pygame.delivery.outbox.books import books_of
from ga_pygame.delivery.outbox.contract import (
    DeadLaunch,
    LockedError,
    NewRecord,
    NotLastingError,
    Outbox,
    OutboxError,
    Transaction,
)
from ga_pygame.delivery.outbox.open_session import OpenSession
from ga_pygame.delivery.slice_writer import Focused, SliceWriter, WriterState, sent_seconds
from ga_pygame.delivery.wallets import wallet_events
from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.events import Error, Progression, SessionEnd, Status, User
from ga_pygame.kept import from_json, journal_position
from ga_pygame.kinds import Event
from ga_pygame.recording.crash_file import crash_error
from ga_pygame.recording.journal_files import NotOurs
from ga_pygame.recording.leftover import Leftover, read_journal
from ga_pygame.records import Record
from ga_pygame.rules import WHO_FIELD

_UNSAVED_SECONDS = 2.0
"""A session's row is refreshed twice a second; the time played since is shorter than this, also on a slow disk."""

_YIELD_AFTER_REPLAYED = 64
"""Records of a dead launch between two yields of the GIL."""

_LOST_COMMITS = "the outbox is in an earlier state, as after damage to its -wal file, or an old copy of it"

_NOTHING = Leftover(b"")


def recover(outbox: Outbox, encoder: Encoder, diagnostics: Diagnostics, only: str | None = None) -> None:
    """Recover dead launches, one by one.

    Args:
        outbox: Knows them, and gets their events.
        encoder: Encodes the events.
        diagnostics: Told of losses.
        only: The one launch to recover, "" for none: what others left is deleted; by default all are recovered.

    Raises:
        LockedError: Another process is writing; call again.
        NotLastingError: The disk cannot be written now; call again when it can.
    """
    dead_launches: Sequence[DeadLaunch] = ()
    try:
        outbox.transact(lambda _: None, may_wait=True)  # raises before a lock is taken or a loss counted
        if not outbox.is_on_disk:
            raise NotLastingError("the disk cannot be written now")
        dead_launches = outbox.dead_launches()
    except (LockedError, NotLastingError):
        raise
    except OutboxError as error:
        diagnostics.warn_once("recovery", f"launches that were killed are not recovered now: {error}")
    for dead_launch in dead_launches:
        if only is not None and dead_launch.launch != only:
            outbox.forget_launch(dead_launch)
            continue
        try:
            _recover(outbox, dead_launch, encoder, diagnostics)
        except (LockedError, NotLastingError):
            raise
        except OutboxError as error:  # the disk fails; the next launch finds it again
            diagnostics.warn_once("recovery", f"a launch that was killed is not recovered now: {error}")
        except Exception as error:  # noqa: BLE001 - a damaged launch must not keep the game from recording
            diagnostics.defect("the recovery of a session", error)
            diagnostics.drop(Drop.INTERNAL, detail="a launch that was killed cannot be recovered")


def _recover(outbox: Outbox, dead_launch: DeadLaunch, encoder: Encoder, diagnostics: Diagnostics) -> None:
    leftover = _leftover(dead_launch.journal, diagnostics)
    if leftover is None:
        return
    offset = dead_launch.sessions[0].clock_offset if dead_launch.sessions else None
    past = encoder.of(PastClock(leftover.anchor, offset), _who_played(dead_launch, encoder))
    lost = leftover.unreadable
    crash = _crash(dead_launch.crash, diagnostics)
    unplaced: list[Error] = []
    missing = 0
    if leftover.stored and dead_launch.is_of_this_file:
        position = outbox.transact(lambda transaction: _position(transaction, dead_launch, leftover), may_wait=True)
        missing = leftover.missing(position)

    def replay_to_disk(transaction: Transaction) -> int:
        if not transaction.is_lasting:  # else the journal would be removed, and a kill would cost its events
            raise NotLastingError("the disk cannot be written now")
        return replay(transaction, dead_launch, leftover, past, crash, unplaced=unplaced.append)

    try:
        lost += outbox.transact(replay_to_disk, may_wait=True)
    except OutboxError:
        raise
    except Exception as error:  # noqa: BLE001 - all of it together cannot be told: end its sessions at least
        diagnostics.defect("the recovery of a journal", error)
        lost += len(leftover.records)
        end = functools.partial(
            end_sessions, sessions=dead_launch.sessions, encoder=past, crash=crash, unplaced=unplaced.append
        )
        lost += outbox.transact(end, may_wait=True)
    outbox.forget_launch(dead_launch)
    if unplaced:
        diagnostics.drop(Drop.NOT_RUNNING, 1, "a hard crash while no session ran")
        what = unplaced[0].message.splitlines()[-1]
        words = f"a launch crashed after the player had left the game; no session can have the error: {what}"
        diagnostics.warn_once("crash without a session", words)
    if missing:
        missing, lost = missing + lost, 0  # later records cannot be added without the lost ones
        diagnostics.drop(Drop.DAMAGED, missing, "the outbox has lost its last commits")
        words = f"about {missing} stored events of a launch that was killed are lost: {_LOST_COMMITS}"
        diagnostics.warn_once("commits lost", words)
    if lost:
        diagnostics.drop(Drop.DAMAGED, lost, "the journal or the session's row of a launch that was killed is damaged")
        words = f"{lost} events of a launch that was killed are lost: its journal or its session's row is damaged"
        diagnostics.warn_once("journal damaged", words)


def _crash(path: Path | None, diagnostics: Diagnostics) -> Error | None:
    """Read what a hard crash left; `None` if there was none, or if it cannot be read."""
    try:
        return crash_error(path) if path is not None else None
    except OSError as error:
        diagnostics.warn_once("crash file", f"the stack of a launch that crashed cannot be read: {error}")
        return None


def _leftover(path: Path | None, diagnostics: Diagnostics) -> Leftover | None:
    """Read a journal; an empty one if it cannot be read, `None` if a later launch may read it."""
    if path is None:
        return _NOTHING
    try:
        return Leftover(read_journal(path))
    except FileNotFoundError:
        return _NOTHING
    except NotOurs as error:
        diagnostics.warn_once("journal foreign", f"what lies in the place of a journal is not read: {error}")
    except OSError as error:
        if sys.platform == "win32" and isinstance(error, PermissionError):
            return None  # a scanner has it open
        diagnostics.warn_once("journal unreadable", f"the journal of a launch that was killed cannot be read: {error}")
        unreadable = Leftover(b"")
        unreadable.unreadable = 1  # at least; counted when its sessions have ended, since that may be tried again
        return unreadable
    return _NOTHING


def _ignored(_crash: Error) -> None:
    pass


def replay(
    transaction: Transaction,
    dead_launch: DeadLaunch,
    leftover: Leftover,
    encoder: Encoder,
    crash: Error | None = None,
    *,
    unplaced: Callable[[Error], None] = _ignored,
) -> int:
    """Add the records that a dead process had not committed, then end its sessions.

    Returns how many records are lost.
    """
    sessions, lost = replay_records(transaction, dead_launch, leftover, encoder)
    return lost + end_sessions(transaction, sessions, encoder, crash, unplaced=unplaced)


def replay_records(
    transaction: Transaction, dead_launch: DeadLaunch, leftover: Leftover, encoder: Encoder
) -> tuple[Sequence[OpenSession], int]:
    """Add the records that a process had not committed.

    Returns its open sessions after these, and how many records are lost.
    """
    done = _position(transaction, dead_launch, leftover)
    sessions = {session.session_id: session for session in dead_launch.sessions}
    if leftover.books is not None and done < leftover.books[0] <= leftover.furthest:
        done = leftover.books[0]
        books = books_of(leftover.books[1])
        if books is not None:
            books.apply(transaction, dead_launch.launch)
            sessions = {name: one for name, one in {**sessions, **books.sessions}.items() if one is not None}
    records = [record for position, record in leftover.records if position > done]
    end = max(leftover.end, done)
    transaction.remember(journal_position(dead_launch.launch), str(end) if end else None)
    lost = 0
    if records:
        first = records[0].session
        running = sessions.get(first.id) if first is not None else None
        running = running or (list(sessions.values())[-1] if sessions else None)
        focused = _focused(running, encoder.clock)
        state = WriterState()
        if running is not None:
            since = running.length - running.attempt_seconds if running.attempt_seconds is not None else None
            state = WriterState(attempt=running.attempt, attempt_since=since, session=running)
        state = replace(state, numbers={name: session.session_num for name, session in sessions.items()})
        slice_writer = SliceWriter(state, transaction, encoder, focused, is_replay=True)
        for place, record in enumerate(records, 1):
            if encoder.can_tell(record) and _has_number(record, slice_writer, leftover, done):
                slice_writer.take(record)
            else:
                lost += 1
            if place % _YIELD_AFTER_REPLAYED == 0:
                yield_gil()
        last = records[-1]
        slice_writer.finish(last.at, None)
        if slice_writer.state.session is not None:
            session = _seen_until(slice_writer.state.session, encoder.clock.wall(last.at))
            sessions[session.session_id] = session
        lost += slice_writer.lost
    return list(sessions.values()), lost


def _who_played(dead_launch: DeadLaunch, encoder: Encoder) -> str | None:
    """Return the mark of a dead launch's events, see `OwnFields`; this launch's if no session says it."""
    if not dead_launch.sessions:
        return encoder.who
    said = from_json(b"{" + dead_launch.sessions[0].annotations + b"}")
    fields = said.get("custom_fields") if isinstance(said, dict) else None
    who = fields.get(WHO_FIELD) if isinstance(fields, dict) else None
    return who if isinstance(who, str) else None


def _focused(running: OpenSession | None, clock: Clock) -> Focused:
    """Return the seconds of focus of a dead process, as far as its session's row says them.

    They are known until the row was last refreshed, and shortly after that; the rest may have been a pause.
    """

    def focused(at: float) -> float | None:
        if running is None:
            return None
        more = clock.wall(at) - running.client_ts
        return running.length + max(0.0, more) if more <= _UNSAVED_SECONDS else None

    return focused


def _has_number(record: Record, slice_writer: SliceWriter, leftover: Leftover, done: int) -> bool:
    """Whether a record's session has a number or gets one, since its start was not committed or is this record.

    A session that had ended before had a number that is forgotten; a second number would make it two sessions.
    """
    session = record.session
    if session is None:
        return False
    is_known = session.id in slice_writer.state.numbers or type(record.event) is User
    return is_known or leftover.began.get(session.id, -1) >= max(done, leftover.committed)


def end_sessions(
    transaction: Transaction,
    sessions: Sequence[OpenSession],
    encoder: Encoder,
    crash: Error | None = None,
    *,
    unplaced: Callable[[Error], None] = _ignored,
) -> int:
    """End the open sessions of a dead process; delete a session whose end cannot be encoded.

    The last one gets the crash. If none is open, the player had left the game: then `unplaced` is called with it.
    Returns how many of their events are lost.
    """
    lost = 0
    if crash is not None and not sessions:
        unplaced(crash)
    for place, session in enumerate(sessions, 1):
        try:
            json.loads(b"{" + session.annotations + b"}")["user_id"]
            if session.attempt is not None:
                Progression(Status.FAIL, tuple(session.attempt.split(":")))
            SessionEnd(int(session.length), "lost")
        except (ValueError, TypeError, LookupError, OverflowError, RecursionError, AttributeError):
            if session.annotations:
                session = replace(session, annotations=b"")  # noqa: PLW2901 - it is deleted then
        lost += end_lost(transaction, session, encoder, crash if place == len(sessions) else None)
    return lost


def _position(transaction: Transaction, dead_launch: DeadLaunch, leftover: Leftover) -> int:
    """Return the position up to which the outbox has a journal's records; the journal's own if that is damaged."""
    kept_one = transaction.value(journal_position(dead_launch.launch))
    if kept_one is None:
        return 0
    position = int(kept_one) if kept_one.isascii() and kept_one.isdecimal() and len(kept_one) < 20 else -1
    return position if 0 <= position <= leftover.furthest else leftover.committed


def _seen_until(session: OpenSession, client_ts: float) -> OpenSession:
    """Extend a session to its last record; after a longer gap it was paused, and the gap is not in `length`."""
    more = client_ts - session.client_ts
    if more <= 0:
        return session
    return replace(session, client_ts=client_ts, length=session.length + (more if more <= _UNSAVED_SECONDS else 0.0))


def end_lost(transaction: Transaction, session: OpenSession, encoder: Encoder, crash: Error | None = None) -> int:
    """Add the events that a dead process could not: its wallet, its crash, the Fail of its open attempt, its end.

    Their ids follow from the session's: who reads a copy of the data before they are added (`ga_pygame share`) gets
    the same ones. Returns how many events are lost: invalid flows of the wallet, or the end of a session that names no
    player.

    Source: REST v2, Detecting missing session end on game launch.
    """
    if not transaction.delete_session(session.session_id):
        return 0
    if not session.annotations:  # they are damaged, and nobody knows whose session it was
        return 1
    flows, lost = wallet_events(session)
    events: list[tuple[Event, dict[str, Any]]] = [(event, {}) for event in flows]
    if crash is not None:
        events.append((crash, {}))
    if session.attempt is not None:
        number = transaction.attempts(session.attempt) + 1
        transaction.set_attempts(session.attempt, number)
        events.append((Progression(Status.FAIL, tuple(session.attempt.split(":"))), {"attempt_num": number}))
    events.append((SessionEnd(int(session.length), "lost" if crash is None else "crash"), {}))
    user_id = json.loads(b"{" + session.annotations + b"}")["user_id"]
    when = (session.client_ts, session.clock_offset)
    records = []
    ids = CountedIds(hashlib.blake2b(session.session_id.encode("utf-8", "replace"), digest_size=16).digest())
    for place, (event, numbers) in enumerate(events):
        own = {**event.wire(), **numbers}
        encoder.add_to_sums(own, user_id, transaction)
        annotations, extra = session.annotations, None
        if isinstance(event, SessionEnd):
            extra = json.dumps({"reason": event.reason})
        elif isinstance(event, Error):
            annotations = _with_fields(own, annotations, functools.partial(encoder.with_crash, kind=event.crash))
        elif isinstance(event, Progression) and session.attempt_seconds is not None:
            seconds = sent_seconds(session.attempt_seconds)
            extra = json.dumps({"duration_s": seconds})
            annotations = _with_fields(own, annotations, functools.partial(encoder.with_seconds, seconds=seconds))
        records.append(
            NewRecord(session.session_id, own["category"], *when, annotations, encoder.own(own, ids.at(place)), extra)
        )
    transaction.add(records)
    return lost


def _with_fields(
    own: dict[str, Any], annotations: bytes, add: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> bytes:
    """Add custom fields to an event; return the fields that it shares, then without custom fields."""
    shared = json.loads(b"{" + annotations + b"}")
    given = shared.pop("custom_fields", {})
    fields = add(given) if isinstance(given, dict) else given
    if fields is given:
        return annotations
    own["custom_fields"] = fields
    return encode(shared)[1:-1]
