"""What delivery and destinations say to each other.

The uploader asks a destination for requests and shows it the replies; the destination knows the service's
language and does no I/O. Write a `Destination` to send events anywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, Protocol

from ga_pygame.clock import Clock
from ga_pygame.diagnostics import Drop


class StoredRecord(NamedTuple):
    """A record as a destination gets it; ids grow in the order of recording."""

    id: int
    session_id: str
    category: str
    client_ts: float
    clock_offset: float | None
    payload: bytes

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


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer, or the reason why there is none.

    Attributes:
        status: The HTTP status, `None` where nothing (or only a part) came back.
        headers: Names in lower case.
        error: Why there is no answer.
    """

    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: str = ""


class Outcome(Enum):
    """What a reply means for a record."""

    DELIVERED = "delivered"
    """The service has it."""
    DROPPED = "dropped"
    """The service will never have it; the verdict says why."""
    RETRY = "retry"
    """Nothing was decided: send it again later."""
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
    """The running session, for a handshake."""

    session_id: str
    session_num: int
    user_id: str
    build: str | None


@dataclass(frozen=True)
class Host:
    """What a destination may use of the package.

    Attributes:
        clock: The time; a destination that learns the server's time sets `server_offset`.
        values: What was kept from earlier launches.
        remember: Keep a value across launches; `None` forgets it.
        publish_configs: Hand new remote configs to the game.
        warn_once: Tell the developer something once per cause.
    """

    clock: Clock
    values: Mapping[str, str]
    remember: Callable[[str, str | None], None]
    publish_configs: Callable[[Mapping[str, Any]], None]
    warn_once: Callable[[str, str], None]


class Destination(Protocol):
    """A service that takes events. All methods run on the uploader's thread and do no I/O.

    Attributes:
        name: Distinguishes it in the outbox and in counters; must not change between launches.
        max_events: Records in one request.
        max_bytes: Bytes of JSON in one request.
    """

    name: str
    max_events: int
    max_bytes: int

    def open(self, host: Host) -> None:
        """Called once, before anything else."""
        ...

    def handshake(self, situation: Situation) -> Request | None:
        """The request that must be answered before events are sent in this session, if any."""
        ...

    def welcome(self, reply: Reply) -> Standing:
        """Judge the answer to the handshake."""
        ...

    def encode(self, records: Sequence[StoredRecord]) -> Request:
        """Make one request of a batch."""
        ...

    def judge(self, reply: Reply, records: Sequence[StoredRecord]) -> Sequence[Verdict]:
        """One verdict for each record. `RETRY`, `SPLIT` and `REFUSED` must be the same for all."""
        ...
