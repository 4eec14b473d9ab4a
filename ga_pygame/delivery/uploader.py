"""Outbox to one destination: handshake, lease, send, judge, settle or release; then sleep.

One uploader for each destination, so that one that is down, slow or refused delays no other. A record is
forgotten only after a verdict. After a failure the next try waits, longer each time and never quite the
same, so that a server that comes back is not run over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from ga_pygame.delivery.outbox import Batch, Outbox, Rejected
from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.exchange import (
    Destination,
    Host,
    Outcome,
    Pending,
    Reply,
    Situation,
    Standing,
    StoredRecord,
    Transport,
    Verdict,
)

_POLL_SECONDS = 0.02
_FIRST_BACKOFF_SECONDS = 1.0
_LONGEST_BACKOFF_SECONDS = 300.0
_LONGEST_RETRY_AFTER_SECONDS = 3600.0

FlushDone = Callable[[str, str], None]
"""Called with the destination's name and an error, "" where everything was delivered."""


class Listener(Protocol):
    """Hears what became of events; called on the uploader's thread."""

    def delivered(self, destination: str, count: int) -> None:
        """A batch arrived."""
        ...

    def rejected(self, destination: str, record: StoredRecord, errors: str) -> None:
        """An event was refused for good."""
        ...

    def connection_lost(self, destination: str, error: str) -> None:
        """No answer, for the first time."""
        ...

    def connection_restored(self, destination: str) -> None:
        """An answer after `connection_lost`."""
        ...


class Uploader:
    """See the module.

    Args:
        destination: Speaks the service's language.
        transport: Carries requests; used by this uploader alone.
        outbox: Where records wait.
        host: Handed to the destination.
        situation: The running session, `None` before the first one is stored.
        diagnostics: Counts what is delivered and dropped.
        listener: Hears what became of events.
        interval: Seconds between uploads while nothing is urgent.
        chance: Random numbers from 0 to 1, for the backoff.
    """

    def __init__(
        self,
        destination: Destination,
        transport: Transport,
        outbox: Outbox,
        *,
        host: Host,
        situation: Callable[[], Situation | None],
        diagnostics: Diagnostics,
        listener: Listener,
        interval: float,
        chance: Callable[[], float],
    ) -> None:
        self.name = destination.name
        self._destination = destination
        self._transport = transport
        self._outbox = outbox
        self._host = host
        self._situation = situation
        self._diagnostics = diagnostics
        self._listener = listener
        self._interval = interval if destination.interval is None else destination.interval
        self._chance = chance
        self._opened = False
        self._finishing = False
        self._ceased = False
        self._urgent = False
        self._goes_on = False
        self._is_drained = False  # what there was when this round began has been sent
        self._asked = 0
        self._flushes: deque[FlushDone] = deque()
        self._pending: tuple[Pending, Batch | None] | None = None
        self._next_upload = 0.0
        self._paced_until = 0.0
        self._not_before = 0.0
        self._failures = 0
        self._is_lost = False
        self._refused_in: str | None = None
        self._small_until = -1  # a batch that reaches this id was too large: send half of it
        self._small = destination.max_events

    def urge(self) -> None:
        """Send what is there now instead of at the next interval. Any thread; wake the worker afterwards.

        A destination that has an interval of its own keeps it: there may be a limit to how often it is asked.
        """
        if self._destination.interval is None:
            self._urgent = True

    def flush(self, done: FlushDone) -> None:
        """Send what is there now, also while waiting after a failure. Any thread; wake the worker afterwards."""
        self._flushes.append(done)

    def cease(self) -> None:
        """Begin no request any more, also not at the end: the player said no. Any thread."""
        self._ceased = True

    def finish(self) -> None:
        self._finishing = True
        self._urgent = True

    def step(self, now: float) -> float | None:
        """Start, poll or finish one request; return seconds until the next step is due."""
        if not self._opened:
            self._opened = True
            self._transport.open()
            self._destination.open(self._host)
        if self._pending is not None:
            pending, batch = self._pending
            reply = pending.poll()
            if reply is None:
                return _POLL_SECONDS
            self._pending = None
            self._answered(reply, batch, now)
            return 0.0
        if self._ceased:
            self._answer_flushes("the player did not agree")
            return None
        return self._start(now)

    def _start(self, now: float) -> float | None:
        """Start what is due; return seconds until something is."""
        if now < self._paced_until:
            return self._paced_until - now
        if now < self._not_before and not self._flushes:
            return None if self._finishing else self._not_before - now
        if not (self._urgent or self._goes_on or self._flushes or now >= self._next_upload):
            return self._next_upload - now
        if not self._is_drained:
            self._urgent = False  # before the look: what is urged or asked meanwhile is seen by the next round
            self._asked = len(self._flushes)
        if self._begin():
            self._goes_on = True
            self._paced_until = now + self._destination.pace
            return 0.0
        self._goes_on = self._is_drained = False
        self._next_upload = now + self._interval
        self._answer_flushes("", self._asked)
        if self._urgent or self._flushes:
            return 0.0
        return None if self._finishing else self._interval

    def _begin(self) -> bool:
        """Send what is next; false where there is nothing to send."""
        situation = self._situation()
        if situation is None:
            return False
        if self._refused_in == situation.session_id:
            self._answer_flushes(f"{self.name} refuses this game's events")
            return False
        batch = None if self._is_drained else self._lease()
        try:
            first = batch.records[0] if batch is not None else None
            request = self._destination.handshake(replace(situation, next_record=first))
            if request is not None and batch is not None:
                self._outbox.release(batch)
                batch = None
            elif request is None and batch is not None:
                request = self._destination.encode(batch.records)
        except BaseException:
            if batch is not None:
                self._outbox.release(batch)
            raise
        if request is None:
            return False
        self._pending = (self._transport.send(request), batch)
        return True

    def _lease(self) -> Batch | None:
        limit = self._destination.max_events
        if self._small_until >= 0:
            limit = self._small
        return self._outbox.lease(self.name, limit, self._destination.max_bytes)

    def _answered(self, reply: Reply, batch: Batch | None, now: float) -> None:
        self._is_drained = False
        if reply.status is not None and self._is_lost:
            self._is_lost = False
            self._listener.connection_restored(self.name)
        if batch is None:
            standing = self._destination.welcome(reply)
            if standing is Standing.RETRY:
                self._back_off(reply, now)
            elif standing is Standing.REFUSED:
                self._refuse(now)
            else:
                self._succeeded()
        else:
            self._judge(reply, batch, now)

    def _judge(self, reply: Reply, batch: Batch, now: float) -> None:
        try:
            verdicts = self._destination.judge(reply, batch.records)
            outcome = verdicts[0].outcome
        except BaseException:
            self._outbox.release(batch)
            raise
        if outcome is Outcome.SPLIT and len(batch.records) > 1:
            self._small = max(1, len(batch.records) // 2)
            self._small_until = batch.records[-1].id
            self._outbox.release(batch)
        elif outcome is Outcome.AGAIN:
            self._outbox.release(batch)
        elif outcome is Outcome.RETRY:
            self._outbox.release(batch)
            self._back_off(reply, now)
        elif outcome is Outcome.REFUSED:
            self._outbox.release(batch)
            self._refuse(now)
        else:
            self._settle(batch, verdicts)

    def _settle(self, batch: Batch, verdicts: Sequence[Verdict]) -> None:
        rejected = [
            _rejection(record, verdict)
            for record, verdict in zip(batch.records, verdicts, strict=True)
            if verdict.outcome is not Outcome.DELIVERED
        ]
        self._outbox.settle(batch, rejected)
        self._is_drained = not batch.more and not self._finishing
        self._succeeded()
        if self._small_until >= 0 and batch.records[-1].id >= self._small_until:
            self._small_until = -1
        delivered = len(batch.records) - len(rejected)
        if delivered:
            self._diagnostics.count(f"delivered.{self.name}", delivered)
            self._listener.delivered(self.name, delivered)
        for one in rejected:
            self._diagnostics.drop(one.reason, detail=one.errors)
            self._listener.rejected(self.name, one.record, one.errors)

    def _succeeded(self) -> None:
        """A flush may get through while an earlier failure still made the others wait."""
        self._failures = 0
        self._not_before = 0.0

    def _back_off(self, reply: Reply, now: float) -> None:
        """Wait longer after each failure, between half and all of a doubling time."""
        if reply.status is None and not self._is_lost:
            self._is_lost = True
            self._listener.connection_lost(self.name, reply.error)
        longest = min(_LONGEST_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2**self._failures)
        self._failures = min(self._failures + 1, 16)
        wait = longest * (0.5 + self._chance() / 2)
        self._not_before = now + max(wait, _retry_after(reply))
        self._urgent = True
        self._answer_flushes(reply.error or f"{self.name} answered HTTP {reply.status}")

    def _refuse(self, now: float) -> None:
        situation = self._situation()
        self._refused_in = situation.session_id if situation else None
        self._next_upload = now + self._interval
        self._answer_flushes(f"{self.name} refuses this game's events")

    def _answer_flushes(self, error: str, most: int | None = None) -> None:
        for _ in range(len(self._flushes) if most is None else min(most, len(self._flushes))):
            self._flushes.popleft()(self.name, error)


def _rejection(record: StoredRecord, verdict: Verdict) -> Rejected:
    if verdict.outcome is Outcome.SPLIT:
        return Rejected(record, Drop.TOO_LARGE, "too large for the server, even alone")
    return Rejected(record, verdict.reason, verdict.errors)


def _retry_after(reply: Reply) -> float:
    """Seconds that the server asks us to wait; 0 where it does not, or says it in another way."""
    try:
        seconds = float(reply.headers.get("retry-after", "0"))
    except ValueError:
        return 0.0
    return min(seconds, _LONGEST_RETRY_AFTER_SECONDS) if seconds > 0 else 0.0
