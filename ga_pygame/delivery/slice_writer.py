"""Writes one slice of records in one transaction: numbers them, sums up wallets, updates the session's row.

A counter moves in the transaction of the event that carries it, so that neither a crash nor a second copy of the game
makes a gap or a repeat.

A `WriterState` is what the writer knows between transactions. A transaction may fail and run again in another outbox,
so a `SliceWriter` changes only the transaction and its own `state`, which the writer takes after the commit.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ga_pygame.clock import CountedIds, yield_gil
from ga_pygame.delivery.crumbs import MAX_CRUMBS, crumbs_of
from ga_pygame.delivery.encoder import Encoder
from ga_pygame.delivery.outbox.contract import NewRecord, Transaction
from ga_pygame.delivery.outbox.open_session import MAX_SESSION_SECONDS, MAX_WALLET_FLOWS, OpenSession
from ga_pygame.delivery.wallets import added, wallet_events
from ga_pygame.events import (
    Business,
    Error,
    Progression,
    Resource,
    SdkInit,
    SessionEnd,
    Severity,
    Status,
    User,
    WalletChange,
)
from ga_pygame.kept import SESSION_NUM, TRANSACTION_NUM
from ga_pygame.kinds import Event
from ga_pygame.records import Record, Repeated, SessionRef

WALLET_SECONDS = 10.0

_REMEMBERED_SESSIONS = 64

_YIELD_AFTER_FLOWS = 16
"""Flows of a wallet between two yields of the GIL."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The length of the running session at a moment.

    Attributes:
        length: Seconds focused so far.
        at: That moment, in seconds of `Clock.monotonic`: now, or when the pause began.
    """

    session: SessionRef
    length: float
    at: float


Focused = Callable[[float], float | None]
"""A function from a time of `Clock.monotonic` to the seconds of focus until then; only differences mean something.

It returns `None` if they are not known.
"""


Hitches = Callable[[float, float], int]
"""A function from two times of `Clock.monotonic` to the number of long frames between them."""


def no_hitches(_since: float, _until: float) -> int:
    """Return 0: a `Hitches` that knows of no frames."""
    return 0


class Playing(NamedTuple):
    """The writer's view of the sessions. Any thread.

    Attributes:
        heartbeat: Returns the length of the running session; `None` if no session is running.
        focused: Returns the seconds of focus of this launch.
        hitches: Counts long frames.
    """

    heartbeat: Callable[[float], Heartbeat | None]
    focused: Focused
    hitches: Hitches = no_hitches


@dataclass(frozen=True, slots=True)
class WriterState:
    """The knowledge of the writer between two transactions.

    Attributes:
        numbers: `session_num` of the last few sessions, by id.
        session: The running session's row.
        attempt: The level of the open progression attempt; it outlives a session that a pause ended.
        attempt_since: The seconds of focus when it began; `None` if they are not known.
        attempt_at: When it began, in seconds of `Clock.monotonic`; `None` if that is not known.
        before: The last few events of the game, which a critical error carries.
        last: The last record, whose context is the current one.
        wallet_since: Since when the wallet is not empty; `None` if it is empty.
        newest: The start of the newest session that has a number, in seconds of `Clock.monotonic`.
    """

    numbers: Mapping[str, int] = field(default_factory=dict)
    session: OpenSession | None = None
    attempt: str | None = None
    attempt_since: float | None = None
    attempt_at: float | None = None
    before: tuple[Record | Repeated, ...] = ()
    last: Record | None = None
    wallet_since: float | None = None
    newest: float = -math.inf

    def wallet_is_due(self, now: float) -> bool:
        """Whether the wallet's flows have waited `WALLET_SECONDS`."""
        return self.wallet_since is not None and now >= self.wallet_since + WALLET_SECONDS


class SliceWriter:
    """The work of one transaction.

    Args:
        state: What the writer knows.
        transaction: The transaction.
        encoder: Encodes the records.
        focused: Tells the seconds of focus.
        hitches: Counts long frames.
        is_replay: Whether the records are those of a dead process, which may have sent them from memory.

    Attributes:
        state: The state so far; the writer takes it after the commit.
        added: Records added to the outbox.
        urgent: Whether a session started or ended.
        lost: Flows of a wallet that could not be encoded.
    """

    def __init__(
        self,
        state: WriterState,
        transaction: Transaction,
        encoder: Encoder,
        focused: Focused = lambda _at: None,
        hitches: Hitches = no_hitches,
        *,
        is_replay: bool = False,
    ) -> None:
        self.state = state
        self.added = 0
        self.urgent = False
        self.lost = 0
        self._transaction = transaction
        # A sum has no id that a replay could repeat. So there are no new ones while a kill could cost them.
        self._adds_up = transaction.is_lasting and not is_replay
        self._encoder = encoder
        self._focused = focused
        self._hitches = hitches
        self._before = deque(state.before, maxlen=MAX_CRUMBS)
        self._records: list[NewRecord] = []
        self._last: Record | Repeated | None = state.last
        self._wallet: dict[tuple[str, str, str, str], float] | None = None  # a copy, after the first change

    def take(self, item: Record | Repeated) -> None:
        """Apply a record to the counters and the session, then encode it."""
        self._take_item(item)
        if not item.event.wanted_by:
            self._before.append(item)

    def _take_item(self, item: Record | Repeated) -> None:
        if isinstance(item, Repeated):
            session = item.session
            number = self.state.numbers.get(session.id) if session is not None else None
            record = self._encoder.row(item, number) if number is not None else None
            if record is not None:
                self._records.append(record)
                self._last = item
                return
        self._take(item if isinstance(item, Record) else item.record())

    def _take(self, record: Record) -> None:
        event, session = record.event, record.session
        kind = type(event)
        if session is not None and session.id not in self.state.numbers and kind is not User:
            self._begin_without_user(record, session)
        self._last = record
        numbers: dict[str, int] = {}
        extra = None
        if isinstance(event, WalletChange):
            if self._adds_up:
                self._put_in_wallet(event.change, record)
            else:
                self._append(event.change, record, {})
            return
        if isinstance(event, Progression):
            record, extra = self._timed(event, record)
            numbers = self._count_attempt(event, record)
        elif kind is Business:
            numbers = {"transaction_num": self._transaction.increment(TRANSACTION_NUM)}
        elif kind is User:
            self._begin(record)
        elif kind is SdkInit and session is not None:
            numbers = {"is_first_sdk_init": self.state.numbers.get(session.id) == 1}
        elif isinstance(event, Error):
            record = self._told(event, record)
        elif isinstance(event, SessionEnd):
            if not self._end(record):
                return
            extra = json.dumps({"reason": event.reason})
        self._append(event, record, numbers, extra)

    def store(self) -> None:
        """Add the records taken so far to the outbox."""
        self.added += len(self._records)
        self._transaction.add(self._records)
        self._records = []

    def finish(self, now: float, heartbeat: Heartbeat | None) -> None:
        """Empty a due wallet, add the records, refresh the session's row."""
        last = self._last.record() if isinstance(self._last, Repeated) else self._last
        if last is not None and self._adds_up and self.state.wallet_is_due(now):
            self._empty_wallet(last._replace(at=now, event_uuid=None))
        self.store()
        self.state = replace(self.state, last=last, before=tuple(self._before))
        session = self.state.session
        if session is None:
            return
        clock = self._encoder.clock
        changes: dict[str, Any] = {"attempt": self.state.attempt, "clock_offset": clock.server_offset}
        spent = self._spent(now if heartbeat is None else heartbeat.at)
        if spent is not None or self.state.attempt is None:  # else the row's may still be right, after a kill
            changes["attempt_seconds"] = spent
        if last is not None and last.session is not None and last.session.id == session.session_id:
            changes["annotations"] = self._encoder.shared(last.context, session.session_id, session.session_num)
        if heartbeat is not None and heartbeat.session.id == session.session_id:
            changes.update(length=min(heartbeat.length, MAX_SESSION_SECONDS), client_ts=clock.wall(heartbeat.at))
        session = replace(session, **changes)
        self.state = replace(self.state, session=session)
        self._transaction.save_session(session)

    def _append(self, event: Event, record: Record, numbers: Mapping[str, int], extra: str | None = None) -> None:
        session = record.session
        if session is None:
            raise ValueError("a record without a session")
        number = self.state.numbers.get(session.id)
        if number is None:  # a false number would name another session
            raise LookupError(f"a record of session {session.id}, of which no number is known")
        own = event.wire()
        own.update(numbers)
        self._encoder.add_to_sums(own, record.context.user_id, self._transaction)
        made = self._encoder.record(own, record, session, number, extra)
        if not event.wanted_by:
            self._records.append(made)
            return
        self.store()  # those before it, so that a session's end does not overtake its health
        destinations = self._encoder.wanted_by.get(event.wanted_by, ())
        self._transaction.add([made], destinations)
        self.added += bool(destinations)

    def _begin_without_user(self, record: Record, session: SessionRef) -> None:
        """Begin a session whose `user` event is lost, so that its other events can be sent.

        An older session had a number that is no longer known. It gets no new one, else services would see two sessions.
        """
        if session.started > self.state.newest:
            self._take(record._replace(event=User(), at=session.started, fields=None, event_uuid=None))

    def _begin(self, record: Record) -> None:
        session = record.session
        if session is None:
            raise ValueError("a record without a session")
        self.urgent = True
        number = self._transaction.increment(SESSION_NUM)
        numbers = dict([*self.state.numbers.items(), (session.id, number)][-_REMEMBERED_SESSIONS:])
        started = self._encoder.clock.wall(session.started)
        row = OpenSession(session.id, number, started, started, None, 0.0, b"")
        self._transaction.save_session(row)  # now, since the session may end in this transaction
        self.state = replace(self.state, numbers=numbers, session=row, newest=max(self.state.newest, session.started))

    def _end(self, record: Record) -> bool:
        """End the running session; false if the record's session has already ended."""
        running = self.state.session
        if running is None or record.session is None or running.session_id != record.session.id:
            return False
        self.urgent = True
        self._empty_wallet(record)
        self.state = replace(self.state, session=None)
        return self._transaction.delete_session(running.session_id)

    def _count_attempt(self, event: Progression, record: Record) -> dict[str, int]:
        """Count an attempt and return the numbers of its event. Source: REST v2, Handling attempt_num."""
        if event.status is Status.START:
            session = self.state.session
            if session is not None and session.attempt_seconds is not None:  # the row's is of an earlier attempt
                session = replace(session, attempt_seconds=None)
            since = self._focused(record.at)
            self.state = replace(
                self.state, attempt=event.level, attempt_since=since, attempt_at=record.at, session=session
            )
            return {}
        self._empty_wallet(record)
        if self.state.attempt == event.level:
            self.state = replace(self.state, attempt=None)
        number = self._transaction.attempts(event.level) + 1
        self._transaction.set_attempts(event.level, 0 if event.status is Status.COMPLETE else number)
        return {"attempt_num": number}

    def _timed(self, event: Progression, record: Record) -> tuple[Record, str | None]:
        """Return the end of the open attempt with its seconds, as a custom field and as JSON for `extra`.

        Its long frames are a custom field, too.
        """
        spent = self._spent(record.at) if self.state.attempt == event.level else None
        if event.status is Status.START or spent is None:
            return record, None
        seconds = sent_seconds(spent)
        given = {**(record.context.fields or {}), **(record.fields or {})}
        since = self.state.attempt_at
        hitches = self._hitches(since, record.at) if since is not None else 0
        fields = self._encoder.with_hitches(self._encoder.with_seconds(given, seconds), hitches)
        return record if fields is given else record._replace(fields=fields), json.dumps({"duration_s": seconds})

    def _told(self, error: Error, record: Record) -> Record:
        """Return an error with how it was noticed and, if it is critical, with the events before it."""
        is_critical = error.severity is Severity.CRITICAL
        if not error.crash and not is_critical:
            return record
        before = crumbs_of(self._before, record.at) if is_critical else ()
        given = {**(record.context.fields or {}), **(record.fields or {})}
        return record._replace(fields=self._encoder.with_crash(given, error.crash, before))

    def _spent(self, at: float) -> float | None:
        """Return the seconds of focus in the open attempt until `at`; `None` if there is none or they are unknown."""
        since = self.state.attempt_since
        if self.state.attempt is None or since is None:
            return None
        now = self._focused(at)
        return None if now is None else max(0.0, now - since)

    def _put_in_wallet(self, change: Resource, record: Record) -> None:
        session = self.state.session
        if session is None:  # a pause ended it while the game went on
            self._append(change, record, {})
            return
        key = (change.flow.value, change.currency, change.item_type, change.item_id)
        held = session.wallet.get(key)
        amount: float | None = change.amount if held is None else added(held, change.amount)
        if amount is None or (held is None and len(session.wallet) >= MAX_WALLET_FLOWS):
            self._empty_wallet(record)
            amount = change.amount
        wallet = self._own_wallet()
        wallet[key] = amount
        if self.state.wallet_since is None:
            self.state = replace(self.state, wallet_since=record.at)

    def _own_wallet(self) -> dict[tuple[str, str, str, str], float]:
        """Return the running session's wallet, as a copy that may be changed here."""
        session = self.state.session
        if session is None:
            raise ValueError("a wallet without a session")
        if self._wallet is None or session.wallet is not self._wallet:
            self._wallet = dict(session.wallet)
            self.state = replace(self.state, session=replace(session, wallet=self._wallet))
        return self._wallet

    def _empty_wallet(self, record: Record) -> None:
        """Make events of the wallet's sums; one that cannot be encoded is counted as lost."""
        session = self.state.session
        self.state = replace(self.state, wallet_since=None)
        if session is None or not session.wallet:
            return
        self.state = replace(self.state, session=replace(session, wallet={}))
        events, lost = wallet_events(session)
        self.lost += lost
        ids = CountedIds(hashlib.blake2b(record.event_uuid, digest_size=16).digest()) if record.event_uuid else None
        for place, event in enumerate(events, 1):
            event_uuid = ids.at(place) if ids is not None else None  # a replay of the record repeats them
            try:
                self._append(event, record._replace(fields=None, event_uuid=event_uuid), {})
            except (ValueError, TypeError, LookupError, ArithmeticError):
                self.lost += 1
            if place % _YIELD_AFTER_FLOWS == 0:
                yield_gil()


def sent_seconds(spent: float) -> float:
    """Round the seconds of focus in an attempt to one decimal, as they are sent."""
    return round(spent, 1)
