"""The interface between delivery and destinations.

The uploader asks a destination for requests, sends them, and passes it the replies. The destination knows the
service's protocol and does no I/O. To send events to another service, write a `Destination`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

from ga_pygame import rules
from ga_pygame.clock import Clock
from ga_pygame.diagnostics import Drop

T = TypeVar("T")


FORWARDED_FOR = "forwarded_for"
"""The name of the player's address in `StoredRecord.extra`, where it comes first."""
_BEGINS_FORWARDED = f'{{"{FORWARDED_FOR}"'


MAX_CLOCK_OFFSET = 365 * 86_400
"""Seconds; a clock that is further off is not corrected, unless no event can have its time. Source: ours; REST v2 says
"within some limit"."""


def is_time(seconds: float) -> bool:
    """Return whether a time in seconds since 1970 is within the schema of `client_ts`, which has whole seconds."""
    earliest, latest = rules.CLIENT_TS_RANGE
    return earliest <= seconds < latest + 1


class StoredRecord(NamedTuple):
    """A record in the form that a destination gets.

    Attributes:
        id: Its number in the outbox; grows in the order of recording.
        session_id: Its session.
        category: The event's category, as GameAnalytics names it.
        client_ts: Seconds since 1970 by the local clock when the event happened.
        clock_offset: Server time minus local time in seconds; `None` if it was not known then.
        payload: The event's JSON under GameAnalytics' names, without `client_ts` and the opening brace.
        extra: A JSON object of facts that GameAnalytics has no field for: `reason` of a session's end,
            `duration_s` of an attempt, `FORWARDED_FOR`.
    """

    id: int
    session_id: str
    category: str
    client_ts: float
    clock_offset: float | None
    payload: bytes
    extra: str | None = None

    @property
    def forwarded(self) -> str | None:
        """The address of the player on whose behalf a server sends it, "" if unknown; `None` if the game sends it."""
        if self.extra is None or not self.extra.startswith(_BEGINS_FORWARDED):
            return None
        return str(json.loads(self.extra)[FORWARDED_FOR])

    def at(self, offset: float | None) -> float:
        """Return seconds since 1970 by the server's clock, with the record's own offset, else with `offset`.

        An offset beyond `MAX_CLOCK_OFFSET` is that of a clock that stands in 1970; it does not hold for a record of
        another launch, whose clock was set.
        """
        known = self.clock_offset if self.clock_offset is not None else offset or 0.0
        if abs(known) > MAX_CLOCK_OFFSET and is_time(self.client_ts):
            return self.client_ts
        return self.client_ts + known

    def json(self, offset: float | None) -> bytes:
        """Return the whole JSON object; for `client_ts` see `at`."""
        client_ts = int(self.at(offset))
        if not is_time(client_ts):  # the server refuses such a time, but accepts none
            return b"{" + self.payload
        return b'{"client_ts":%d,' % client_ts + self.payload


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request, whose body is sent byte for byte. Immutable.

    Attributes:
        timeout: The longest wait for the answer, in seconds; `None` takes the transport's own.
    """

    url: str
    body: bytes
    headers: Mapping[str, str] = field(repr=False)
    method: str = "POST"
    timeout: float | None = None


class Reply(NamedTuple):
    """A server's answer, or the reason why there is none.

    Attributes:
        status: The HTTP status; `None` if no answer, or only a part of one, came back.
        headers: By their names in lower case.
        body: The body, unpacked.
        error: Why there is no answer.
        maybe_handled: Whether the server may have received and handled the request although there is no answer.
        unread: The status of an answer whose body is too large or cannot be unpacked; `status` is `None` then, and
            `body` has its beginning.
    """

    status: int | None
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""
    error: str = ""
    maybe_handled: bool = False
    unread: int | None = None


class Pending(Protocol):
    """A request that was sent."""

    def poll(self) -> Reply | None:
        """Return the answer, or `None` as long as there is none. Does not block."""
        ...


class Transport(Protocol):
    """Sends requests. Used by one uploader, on its thread."""

    def open(self) -> None:
        """Do the imports and preparations that take time, before the first request."""
        ...

    def send(self, request: Request) -> Pending:
        """Send a request without waiting for its answer. Never raises: a failure is a `Reply` without a status."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


def of_kind(value: object, kind: type[T]) -> T:
    """Return a value that foreign code returned. Raises `TypeError` if it has another type than `kind`."""
    if not isinstance(value, kind):
        raise TypeError(f"must return a {kind.__name__}, not a {type(value).__name__}")
    return value


MAX_HEADERS = 200
"""Headers of a reply that are passed to a destination."""


def checked_reply(reply: Any) -> Reply | None:
    """Return a transport's reply with all parts in their exact types. Raises `TypeError` if one has a wrong type."""
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
    """A request whose answer is there already."""

    reply: Reply

    def poll(self) -> Reply:
        return self.reply


class Outcome(Enum):
    """What a reply means for a record."""

    DELIVERED = "delivered"
    """The service has it."""
    DROPPED = "dropped"
    """The service will never take it; the verdict says why."""
    RETRY = "retry"
    """Nothing was decided: send it again later."""
    UNDECIDED = "undecided"
    """The server answered, and may have taken it: send it again after the backoff, which a flush does not shorten, and
    the next handshake. After `undecided.MAX_UNDECIDED` such answers the batch is dropped."""
    AGAIN = "again"
    """Send it again at once, after a new handshake. The destination must not answer so for ever."""
    SPLIT = "split"
    """The request was too large: send it again in smaller ones."""
    REFUSED = "refused"
    """The service takes nothing from this game now: keep it, and ask again in the next session."""


class Verdict(NamedTuple):
    """A destination's decision about one record.

    Attributes:
        outcome: What the reply means for it.
        reason: For `DROPPED`: the reason that it is counted under.
        errors: For `DROPPED`: the service's message, for the developer.
    """

    outcome: Outcome
    reason: Drop = Drop.REJECTED
    errors: str = ""


class Standing(Enum):
    """What the answer to a handshake means for the session."""

    READY = "ready"
    AGAIN = "again"
    """Ask for the next handshake, which may differ, and send it at once."""
    RETRY = "retry"
    """There was no answer; try again later."""
    REFUSED = "refused"
    """The service takes nothing in this session."""


@dataclass(frozen=True, slots=True)
class Situation:
    """The running session, for a handshake. Immutable.

    Attributes:
        session_num: The number of this session in the player's life, from 1.
        build: The game's version, if it gave one.
        next_record: The first of the records to be sent after the handshake, which may belong to an earlier session;
            `None` if there is nothing to send.
    """

    session_id: str
    session_num: int
    user_id: str
    build: str | None
    next_record: StoredRecord | None = None


def _at_once(call: Callable[[], None]) -> None:
    call()


class Asking(NamedTuple):
    """How a destination asks for remote configs.

    Attributes:
        interval: Seconds after which it asks again within a session; `None` asks once a session.
        ab_variant_id: The group of the A/B test that a developer has chosen, which only our collector gives; "" for
            none.
        keeps_user: Whether the answer may be kept with the player's id.
    """

    interval: float | None = None
    ab_variant_id: str = ""
    keeps_user: bool = True


def _no_annotations(_answer: Mapping[str, Any], _now: float) -> Mapping[str, Any]:
    return {}


class Host(NamedTuple):
    """The services of this package that a destination may use.

    Attributes:
        clock: The tracker's clock; a destination that learns the server's time sets its `server_offset`.
        values: The values that earlier launches kept.
        remember: Keeps a value across launches. Arguments: name, value; `None` forgets it.
        publish_configs: Passes new remote configs to the game.
        warn_once: Logs a warning once per cause. Arguments: cause, message.
        post: Has a function called on the game thread, e.g. `ga_pygame.signals.emit` with a signal of the destination.
        asking: How it asks for remote configs.
        annotations_after: Returns the fields that events carry once an answer to init is in force. Arguments: the
            answer's sound parts; seconds since 1970 by the server's clock.
    """

    clock: Clock
    values: Mapping[str, str]
    remember: Callable[[str, str | None], None]
    publish_configs: Callable[[Mapping[str, Any]], None]
    warn_once: Callable[[str, str], None]
    post: Callable[[Callable[[], None]], None] = _at_once
    asking: Asking = Asking()
    annotations_after: Callable[[Mapping[str, Any], float], Mapping[str, Any]] = _no_annotations


class Destination(Protocol):
    """A service that takes events. All methods run on the uploader's thread and do no I/O.

    Subclass it: `name`, `encode` and `judge` are all that a simple destination needs.

    Attributes:
        name: Its name in the outbox and in counters; must be unique and the same in all launches.
        max_events: Most records in one request.
        max_bytes: Most bytes of JSON in one request.
        interval: Seconds between uploads; `None` takes the tracker's own.
        pace: The least time between two requests, in seconds.
        transport: Sends its requests; `None` for HTTP.
        wants_health: Whether it also gets `Health` events, which say every 30 s how smoothly the game runs.
        wants_sdk_events: Whether it also gets `SdkInit` and `SessionHealth` events, if the knob `health` is on.
        is_local: Whether it sends nothing over a network, such as a file. A collector leaves it as it is; any other
            destination needs a `redirect` of its own, or gets no events while a collector is set.
    """

    name: str
    max_events: int = 500
    max_bytes: int = 900_000
    interval: float | None = None
    pace: float = 0.0
    transport: Transport | None = None
    wants_health: bool = False
    wants_sdk_events: bool = False
    is_local: bool = False

    def redirect(self, collector: str) -> None:  # noqa: ARG002 - a default
        """Send to this collector from now on. Without an override the destination gets no events with a collector."""
        return  # without a statement type checkers take the method for abstract

    def open(self, host: Host) -> None:  # noqa: ARG002 - a default
        """Prepare for work; called once, before the other calls of delivery."""
        return

    def handshake(self, situation: Situation) -> Request | None:  # noqa: ARG002 - a default
        """Return the request that must be answered before the next record is sent; `None` if none is needed."""
        return None

    def welcome(self, reply: Reply) -> Standing:  # noqa: ARG002 - a default
        """Judge the answer to the handshake."""
        return Standing.READY

    def encode(self, records: Sequence[StoredRecord]) -> Request:
        """Make one request that sends a batch."""
        ...

    def judge(self, reply: Reply, records: Sequence[StoredRecord]) -> Sequence[Verdict]:
        """Return one verdict for each record: all of one outcome, or a mix of `DELIVERED` and `DROPPED`."""
        ...


@runtime_checkable
class SummingDestination(Destination, Protocol):
    """A destination that takes sums instead of events.

    The writer adds the amounts of `amounts` to the sums, in the transaction of the event. A lease gives one sum, frozen
    with an idempotency key, as a record whose payload is `"slot": …, "value": …, "key": …}`. Its value and key stay
    the same until it is settled, also if it is released and leased again.
    """

    def amounts(self, event: Mapping[str, Any], user_id: str) -> Sequence[tuple[str, float]]:
        """Return the slots and amounts that an event adds. Called on the writer's thread; must be fast."""
        ...
