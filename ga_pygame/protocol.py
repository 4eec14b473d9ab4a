"""What delivery and destinations say to each other.

The uploader asks a destination for requests and shows it the replies; the destination knows the service's
language and does no I/O. Write a `Destination` to send events anywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

from ga_pygame.clock import Clock
from ga_pygame.diagnostics import Drop

T = TypeVar("T")


class StoredRecord(NamedTuple):
    """A record as a destination gets it; ids grow in the order of recording.

    Attributes:
        client_ts: When it happened by the local clock, seconds since 1970.
        clock_offset: Server time minus local time in seconds, where it was known then.
        payload: The event's JSON under GameAnalytics' names, without `client_ts` and the opening brace.
        extra: A JSON object of what GameAnalytics has no field for: `reason` of a session's end,
            `duration_s` of an attempt.
    """

    id: int
    session_id: str
    category: str
    client_ts: float
    clock_offset: float | None
    payload: bytes
    extra: str | None = None

    def json(self, offset: float | None) -> bytes:
        """The whole JSON object, its `client_ts` corrected by the record's own offset or else by `offset`."""
        known = self.clock_offset if self.clock_offset is not None else offset or 0.0
        client_ts = int(self.client_ts + known)
        if not 10**9 <= client_ts < 10**11:  # the server refuses it, but does without it
            return b"{" + self.payload
        return b'{"client_ts":%d,' % client_ts + self.payload


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose bytes are sent exactly as they are.

    Attributes:
        timeout: The longest wait for this answer, in seconds; `None`: the transport's own.
    """

    url: str
    body: bytes
    headers: Mapping[str, str] = field(repr=False)
    method: str = "POST"
    timeout: float | None = None


class Reply(NamedTuple):
    """A server's answer, or the reason why there is none.

    Attributes:
        status: The HTTP status, `None` where nothing (or only a part) came back.
        headers: Names in lower case.
        error: Why there is no answer.
        maybe_handled: There is none, but the server may have got the request and done its work.
        unread: The status of an answer whose body exceeds the bounds of an answer or cannot be unpacked; `status`
            is `None` then, and `body` its beginning.
    """

    status: int | None
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""
    error: str = ""
    maybe_handled: bool = False
    unread: int | None = None


class Pending(Protocol):
    """A request on its way."""

    def poll(self) -> Reply | None:
        """The answer, or `None` while it is still open."""
        ...


class Transport(Protocol):
    """Sends requests. Used by one uploader on one thread."""

    def open(self) -> None:
        """Load and build what takes time, before the first request."""
        ...

    def send(self, request: Request) -> Pending:
        """Start a request; never raises, a failure is a `Reply` without a status."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def of_kind(value: object, kind: type[T]) -> T:
    """Check what code that is not ours returned; raises `TypeError` for another type."""
    if not isinstance(value, kind):
        raise TypeError(f"must return a {kind.__name__}, not a {type(value).__name__}")
    return value


MAX_HEADERS = 200
"""Headers of a reply that a destination gets to see."""


def checked_reply(reply: Any) -> Reply | None:
    """A transport's reply with parts of their types, so that any destination can read it; raises `TypeError`."""
    if reply is None:
        return None
    parts: Any = of_kind(reply, Reply)
    status, headers, body, error, maybe_handled, unread = parts
    for one in (status, unread):
        if one is not None and (not isinstance(one, int) or isinstance(one, bool)):
            raise TypeError(f"a reply's status must be a whole number or None, not a {type(one).__name__}")
    if not isinstance(body, bytes | bytearray | memoryview):
        raise TypeError(f"a reply's body must be bytes, not a {type(body).__name__}")
    found = headers if isinstance(headers, Mapping) else {}
    names = {str(name).lower(): str(value) for name, value in islice(found.items(), MAX_HEADERS)}
    return Reply(status, names, bytes(body), str(error or ""), bool(maybe_handled), unread)


class Answered(NamedTuple):
    """A request that is over."""

    reply: Reply

    def poll(self) -> Reply:
        return self.reply


class Outcome(Enum):
    """What a reply means for a record."""

    DELIVERED = "delivered"
    """The service has it."""
    DROPPED = "dropped"
    """The service will never have it; the verdict says why."""
    RETRY = "retry"
    """Nothing was decided: send it again later."""
    UNDECIDED = "undecided"
    """As `RETRY`, but the server has perhaps taken it: after the next handshake, not sooner for a flush, and not for
    ever (`undecided.MAX_UNDECIDED`)."""
    AGAIN = "again"
    """Send it again at once, after a new handshake. The destination sees to it that this ends."""
    SPLIT = "split"
    """The request was too large: send it again in smaller ones."""
    REFUSED = "refused"
    """The service takes nothing from this game now: keep it, ask again in the next session."""


class Verdict(NamedTuple):
    """What becomes of one record.

    Attributes:
        reason: For `DROPPED`: what it is counted as.
        errors: For `DROPPED`: what the service said, for the developer.
    """

    outcome: Outcome
    reason: Drop = Drop.REJECTED
    errors: str = ""


class Standing(Enum):
    """What the answer to a handshake means."""

    READY = "ready"
    AGAIN = "again"
    """Send the handshake again, perhaps another one, at once."""
    RETRY = "retry"
    """No answer; try again later."""
    REFUSED = "refused"
    """The service takes nothing in this session."""


@dataclass(frozen=True, slots=True)
class Situation:
    """The running session, for a handshake.

    Attributes:
        next_record: The first of the records to be sent after it, which may belong to an earlier session;
            `None` where there is nothing to send.
    """

    session_id: str
    session_num: int
    user_id: str
    build: str | None
    next_record: StoredRecord | None = None


def _at_once(call: Callable[[], None]) -> None:
    call()


class Host(NamedTuple):
    """What a destination may use of the package.

    Attributes:
        clock: The time; a destination that learns the server's time sets `server_offset`.
        values: What was kept from earlier launches.
        remember: Keep a value across launches; `None` forgets it.
        publish_configs: Hand new remote configs to the game.
        warn_once: Tell the developer something once per cause.
        post: Have something called on the game thread, e.g. `ga_pygame.signals.emit` with a signal of the destination.
    """

    clock: Clock
    values: Mapping[str, str]
    remember: Callable[[str, str | None], None]
    publish_configs: Callable[[Mapping[str, Any]], None]
    warn_once: Callable[[str, str], None]
    post: Callable[[Callable[[], None]], None] = _at_once


class Destination(Protocol):
    """A service that takes events. All methods run on the uploader's thread and do no I/O.

    Subclass it: `name`, `encode` and `judge` are all that a simple destination needs.

    Attributes:
        name: Distinguishes it in the outbox and in counters; must not change between launches.
        max_events: Records in one request.
        max_bytes: Bytes of JSON in one request.
        interval: Seconds between uploads, `None` for the tracker's own.
        pace: The least time between two requests, in seconds.
        transport: Carries its requests, `None` for HTTP.
        wants_health: Also send it how smoothly the game runs, every 30 s.
    """

    name: str
    max_events: int = 500
    max_bytes: int = 900_000
    interval: float | None = None
    pace: float = 0.0
    transport: Transport | None = None
    wants_health: bool = False

    def redirect(self, collector: str) -> None:  # noqa: ARG002 - a default
        """Send to this collector instead of the service, where it speaks the service's language."""
        return  # else type checkers take it for abstract

    def open(self, host: Host) -> None:  # noqa: ARG002 - a default
        """Called once, before anything else."""
        return

    def handshake(self, situation: Situation) -> Request | None:  # noqa: ARG002 - a default
        """The request that must be answered before the next record is sent, if any."""
        return None

    def welcome(self, reply: Reply) -> Standing:  # noqa: ARG002 - a default
        """Judge the answer to the handshake."""
        return Standing.READY

    def encode(self, records: Sequence[StoredRecord]) -> Request:
        """Make one request of a batch."""
        ...

    def judge(self, reply: Reply, records: Sequence[StoredRecord]) -> Sequence[Verdict]:
        """One verdict for each record; all the same, but for `DELIVERED` and `DROPPED`, which mix."""
        ...


@runtime_checkable
class SummingDestination(Destination, Protocol):
    """A destination that takes sums instead of events.

    The writer adds up what `amounts` says, in the transaction of the event. A lease gives one sum, frozen
    under a key that stays the same until it is settled, as a record whose payload is
    `"slot": …, "value": …, "key": …}`.
    """

    def amounts(self, event: Mapping[str, Any], user_id: str) -> Sequence[tuple[str, float]]:
        """What an event adds to which slots. Called on the writer's thread; must be quick."""
        ...
