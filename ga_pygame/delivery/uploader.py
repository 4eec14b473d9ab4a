"""The uploader: moves records from the outbox to one destination: handshake, lease, send, judge, settle or release.

Each destination has its own uploader, so one that is down, slow or refused delays no other. A record leaves the outbox
only after a verdict. Retries use exponential backoff with jitter, so that a server that comes back is not overloaded.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from ga_pygame.delivery.foreign import Foreign, Misbehaved
from ga_pygame.delivery.outbox.contract import Batch, Outbox, Rejected
from ga_pygame.delivery.undecided import MAX_UNDECIDED, Undecided
from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.protocol import Outcome, Pending, Reply, Request, Situation, Standing, StoredRecord, Verdict

_POLL_SECONDS = 0.02
_FIRST_BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 300.0
"""The longest backoff after a failure."""
MAX_RETRY_AFTER_SECONDS = 3600.0
"""The longest wait that a server can ask for."""
MIN_INTERVAL_SECONDS = 0.05
"""The shortest time between two uploads if nothing is urgent, so that the thread leaves the GIL to the game."""
MAX_HANDSHAKES = 100
"""Handshakes in a row without a batch in between; a destination that asks for more has to wait."""
MAX_PENDING_SECONDS = 300.0
"""The longest wait for a transport's answer; the batch is then sent again."""

FlushDone = Callable[[str, str], None]
"""Called with the destination's name and an error, "" if everything was delivered."""


class Listener(Protocol):
    """Receiver of the results of uploads; called on the uploader's thread."""

    def delivered(self, destination: str, count: int) -> None:
        """Handle a delivered batch."""
        ...

    def rejected(self, destination: str, record: StoredRecord, errors: str) -> None:
        """Handle an event that was refused for good."""
        ...

    def connection_lost(self, destination: str, error: str) -> None:
        """Handle the first request without an answer."""
        ...

    def connection_restored(self, destination: str) -> None:
        """Handle the first answer after `connection_lost`."""
        ...


class Timing(NamedTuple):
    """The times of an uploader's work.

    Attributes:
        interval: Seconds between uploads if nothing is urgent and the destination has no interval of its own.
        chance: Returns random numbers from 0 to 1, for the jitter of the backoff.
    """

    interval: float
    chance: Callable[[], float]


class Uploader:
    """The uploader of one destination (see the module).

    Args:
        service: The destination and its transport.
        outbox: The outbox.
        situation: Returns the running session, `None` before the first one is stored.
        diagnostics: Counts delivered and dropped records.
        listener: Receives the results of uploads.
        timing: When to upload.
        advice: What to do if the server does not answer, logged once each time that this begins; "" logs nothing, since
            a player cannot change anything about a service.
    """

    def __init__(
        self,
        service: Foreign,
        outbox: Outbox,
        *,
        situation: Callable[[], Situation | None],
        diagnostics: Diagnostics,
        listener: Listener,
        timing: Timing,
        advice: str = "",
    ) -> None:
        destination = service.destination
        self.name = destination.name
        self._destination = destination
        self._service = service
        self._advice = advice
        self._outbox = outbox
        self._situation = situation
        self._diagnostics = diagnostics
        self._listener = listener
        wanted = timing.interval if destination.interval is None else destination.interval
        self._interval = max(MIN_INTERVAL_SECONDS, wanted)
        self._chance = timing.chance
        self._finishing = False
        self._ceased = False
        self._urgent = False
        self._goes_on = False
        self._is_drained = False  # whether all records from the beginning of this round are sent
        self._asked = 0  # flushes that were waiting at the beginning of this round
        self._flushes: deque[FlushDone] = deque()
        self._leased: Batch | None = None  # until it is settled or released
        self._pending: tuple[Pending, float] | None = None  # with the time when it was sent
        self._address = ""  # of the last request
        self._handshakes = 0
        self._next_upload = 0.0
        self._paced_until = 0.0
        self._not_before = 0.0
        self._failures = 0
        self._why = ""  # the last failure
        self._wait_ends = 0.0  # the end of the last wait, also if a handshake succeeded meanwhile
        self._has_skipped = False  # a flush skipped the wait and failed, too: the next ones wait
        self._is_lost = False
        self._refused_in: str | None = None
        self._small_until = -1  # a batch up to this id was too large: send it in parts
        self._max_events, self._max_bytes = destination.max_events, destination.max_bytes  # copies: checked values
        self._small = self._max_events
        self._undecided = Undecided(destination.name, service.host)
        self._is_held = False  # until the backoff is over: a flush must not send that batch again

    def urge(self) -> None:
        """Send waiting records now instead of at the next interval. For any thread; wake the worker afterwards.

        A destination with an interval of its own keeps it: its server may limit the rate of requests.
        """
        if self._destination.interval is None:
            self._urgent = True

    def flush(self, done: FlushDone) -> None:
        """Send waiting records now. For any thread; wake the worker afterwards.

        One flush skips the wait after a failure. If it fails, too, further ones are answered at once until the wait is
        over, so that a game that flushes in each frame does not send to a dead server in each frame.
        """
        self._flushes.append(done)

    def cease(self) -> None:
        """Begin no more requests, not even at the end: the player denied consent. For any thread."""
        self._ceased = True

    @property
    def trouble(self) -> str:
        """Why its events wait; "" if they are sent. For any thread."""
        if self._refused_in is not None and (now := self._situation()) and now.session_id == self._refused_in:
            return "it refuses this game's events"
        return self._why if self._failures else ""

    def finish(self) -> None:
        self._finishing = True
        self._urgent = True

    def step(self, now: float) -> float | None:
        """Start, poll or finish one request; return seconds until the next step is due."""
        delay = self._step(now)
        if delay is None:
            self.close()
        return delay

    def close(self) -> None:
        """Close connections. The last step calls this, also if it comes after the end of `shutdown_timeout`."""
        self._service.close()

    def _step(self, now: float) -> float | None:
        try:
            if self._pending is not None:
                return self._poll(*self._pending, now)
            if self._ceased:
                self._give_back()
                self._answer_flushes("the player did not agree")
                return None
            if self._may_try(now):
                self._service.open()
            return self._start(now)
        except Misbehaved as error:
            self._pending = None
            self._give_back()
            self._wait(str(error), 0.0, now)
            return 0.0
        except BaseException:
            if self._pending is None:
                self._give_back()
            raise

    def _poll(self, pending: Pending, sent: float, now: float) -> float:
        """Check whether the answer has arrived, and handle it."""
        reply = self._service.poll(pending)
        if reply is None:
            if now - sent <= MAX_PENDING_SECONDS:
                return _POLL_SECONDS
            raise Misbehaved(f"the transport of {self.name} never answers")
        self._pending = None
        self._answered(reply, now)
        return 0.0

    def _start(self, now: float) -> float | None:
        """Start a request if one is due; return seconds until the next one is."""
        if now < self._paced_until:
            return self._paced_until - now
        if not self._may_try(now):
            return None if self._finishing else self._not_before - now
        self._is_held = False
        if not (self._urgent or self._goes_on or self._flushes or now >= self._next_upload):
            return self._next_upload - now
        if not self._is_drained:
            # Before the outbox is read: another thread may urge or flush after the reading and before the end of this
            # round, for records that were not read. Then `_urgent` is true again, or the flush is not counted in
            # `_asked`, and the next round reads them.
            self._urgent = False
            self._asked = len(self._flushes)
        if self._begin():
            self._goes_on = True
            self._paced_until = now + _seconds(self._destination.pace)
            if self._pending is not None:
                self._pending = (self._pending[0], now)
            return 0.0
        self._goes_on = self._is_drained = False
        self._next_upload = now + self._interval
        self._answer_flushes("", self._asked)
        return self._until_next()

    def _may_try(self, now: float) -> bool:
        """Whether no wait after a failure is in force, or a flush may skip it."""
        if now < self._not_before:
            if self._is_held:
                self._answer_flushes(f"{self.name} does not say whether it took the events")
            elif self._has_skipped:
                self._answer_flushes(self._why)
        return now >= self._not_before or bool(self._flushes)

    def _until_next(self) -> float | None:
        if self._urgent or self._flushes:
            return 0.0
        return None if self._finishing else self._interval

    def _begin(self) -> bool:
        """Send a handshake if one is needed, else the next batch; false if there is nothing to send."""
        situation = self._situation()
        if situation is None:
            return False
        if self._refused_in == situation.session_id:
            self._answer_flushes(f"{self.name} refuses this game's events")
            return False
        batch = self._leased = None if self._is_drained else self._lease()
        first = batch.records[0] if batch is not None else None
        request, is_unfit = self._service.handshake(situation, first)
        if request is not None:
            self._give_back()
        elif batch is None:
            return False
        else:
            request = self._encoded(batch, is_unfit=is_unfit)
            if request is None:
                return True  # the batch was split or dropped: lease again
        self._address = request.url
        self._pending = (self._service.send(request), 0.0)
        return True

    def _encoded(self, batch: Batch, *, is_unfit: bool) -> Request | None:
        """Encode a batch; `None` if that fails: it is split until the invalid record is alone, which is dropped."""
        try:
            if not is_unfit:
                return self._service.encode(batch.records)
        except Misbehaved:
            is_unfit = True
        if len(batch.records) > 1:
            self._split(batch)
        else:
            self._settle(batch, [Verdict(Outcome.DROPPED, Drop.INTERNAL, "the destination cannot encode it")])
        return None

    def _give_back(self) -> None:
        """Release the leased batch, if there is one."""
        batch, self._leased = self._leased, None
        if batch is None:
            return
        if self._ceased:  # its records stay leased, so that the deletion does not count them again
            self._diagnostics.drop(Drop.NO_CONSENT, sum(record.category != "sum" for record in batch.records))
        else:
            self._outbox.release(batch)

    def _split(self, batch: Batch) -> None:
        """Release the batch; the next lease takes half of it."""
        self._small = max(1, len(batch.records) // 2)
        self._small_until = batch.records[-1].id
        self._give_back()

    def _lease(self) -> Batch | None:
        limit = self._max_events
        if self._small_until >= 0:
            limit = self._small
        batch = self._outbox.lease(self.name, limit, self._max_bytes)
        if batch is None or (size := self._undecided.size(batch)) >= len(batch.records):
            return batch
        self._outbox.release(batch)
        return self._outbox.lease(self.name, size, self._max_bytes)

    def _answered(self, reply: Reply, now: float) -> None:
        self._is_drained = False
        if reply.status is not None and self._is_lost:
            self._is_lost = False
            self._listener.connection_restored(self.name)
        if self._leased is not None:
            self._judge(reply, self._leased, now)
            return
        standing = self._service.welcome(reply)
        if standing is Standing.RETRY:
            self._back_off(reply, now)
        elif standing is Standing.REFUSED:
            self._refuse(now)
        else:
            self._handshake_again()
            self._succeeded()

    def _handshake_again(self) -> None:
        """Count handshakes without a batch in between; a destination that asks for too many has to wait."""
        self._handshakes += 1
        if self._handshakes > MAX_HANDSHAKES:
            raise Misbehaved(f"{self.name} asks for one handshake after the other")

    def _judge(self, reply: Reply, batch: Batch, now: float) -> None:
        verdicts = self._service.judge(reply, batch.records)
        outcome = verdicts[0].outcome
        if outcome is Outcome.SPLIT and len(batch.records) > 1:
            self._split(batch)
        elif outcome is Outcome.AGAIN:
            self._give_back()
            self._handshake_again()
        elif outcome is Outcome.RETRY:
            self._give_back()
            self._back_off(reply, now)
        elif outcome is Outcome.UNDECIDED:
            self._count_undecided(reply, batch, now)
        elif outcome is Outcome.REFUSED:
            self._give_back()
            self._refuse(now)
        else:
            self._settle(batch, verdicts)

    def _count_undecided(self, reply: Reply, batch: Batch, now: float) -> None:
        self._undecided.add(batch)
        if self._undecided.count >= MAX_UNDECIDED:
            why = f"{self.name} answered {MAX_UNDECIDED} times without saying whether it took the events"
            self._settle(batch, [Verdict(Outcome.DROPPED, Drop.SERVER_ERROR, why)] * len(batch.records))
            return
        self._give_back()
        # The handshakes between these answers succeeded and set `_failures` to 0; the backoff must grow all the same.
        self._failures = max(self._failures, self._undecided.count - 1)
        self._back_off(reply, now)
        self._is_held = True

    def _settle(self, batch: Batch, verdicts: Sequence[Verdict]) -> None:
        rejected = [
            _rejection(record, verdict)
            for record, verdict in zip(batch.records, verdicts, strict=True)
            if verdict.outcome is not Outcome.DELIVERED
        ]
        self._leased = None
        self._outbox.settle(batch, rejected)
        self._handshakes = 0
        self._undecided.clear()
        self._wait_ends = 0.0
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
        """End the wait after a failure; a flush, which skips it, may succeed before it is over."""
        self._failures = 0
        self._not_before = 0.0
        self._diagnostics.forget(f"unreachable:{self.name}")

    def _back_off(self, reply: Reply, now: float) -> None:
        """Wait after a request without an answer or with an undecided one."""
        if reply.status is None and not self._is_lost:
            self._is_lost = True
            self._listener.connection_lost(self.name, reply.error)
        why = reply.error or f"{self.name} at {_server_of(self._address)} answered HTTP {reply.status}"
        if not reply.error and reply.status is not None and 200 <= reply.status < 400:
            why += ", but not as the service does: a proxy, or a network's log-in page?"
        if self._advice:
            advice = f": {self._advice}" if reply.status is None else ""
            self._diagnostics.warn_once(f"unreachable:{self.name}", f"{why}; events are kept{advice}")
        self._wait(why, _retry_after(reply), now)

    def _wait(self, why: str, least: float, now: float) -> None:
        """Start a wait: a random half to whole of a time that doubles with each failure, at least `least` seconds."""
        longest = min(MAX_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2**self._failures)
        self._failures = min(self._failures + 1, 16)
        wait = longest * (0.5 + self._chance() / 2)
        self._has_skipped = now < self._wait_ends
        self._not_before = self._wait_ends = now + max(wait, least)
        self._why = why
        self._urgent = True
        self._answer_flushes(why)

    def _refuse(self, now: float) -> None:
        situation = self._situation()
        self._refused_in = situation.session_id if situation else None
        self._next_upload = now + self._interval
        self._answer_flushes(f"{self.name} refuses this game's events")

    def _answer_flushes(self, error: str, most: int | None = None) -> None:
        for _ in range(len(self._flushes) if most is None else min(most, len(self._flushes))):
            self._flushes.popleft()(self.name, error)


def _server_of(url: str) -> str:
    """Return the scheme and host of an address, without path and query, which may contain keys."""
    return "/".join(url.split("/", 3)[:3])


def _rejection(record: StoredRecord, verdict: Verdict) -> Rejected:
    if verdict.outcome is Outcome.SPLIT:
        return Rejected(record, Drop.TOO_LARGE, "too large for the server, even alone")
    return Rejected(record, verdict.reason, verdict.errors)


def _seconds(value: object) -> float:
    """Check the seconds that a destination asks for; 0 if they are not a finite number."""
    is_one = isinstance(value, int | float) and math.isfinite(value)
    return max(0.0, float(value)) if is_one and isinstance(value, int | float) else 0.0


def _retry_after(reply: Reply) -> float:
    """Return the seconds of a Retry-After header; 0 if there is none, or it has a date."""
    try:
        seconds = float(reply.headers.get("retry-after", "0"))
    except (ValueError, OverflowError):
        return 0.0
    return min(seconds, MAX_RETRY_AFTER_SECONDS) if seconds > 0 else 0.0
