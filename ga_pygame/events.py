"""What a game can report: one frozen class per kind of event, and the record that carries it.

An invalid event cannot exist: each class checks itself against `rules` when it is made. `wire()` gives
the event's own fields under GameAnalytics' names, the field's standard vocabulary; the numbers that count
across launches (`session_num`, `transaction_num`, `attempt_num`) are added where they are kept, in the
writer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, Protocol

from ga_pygame import rules
from ga_pygame.process import memory_bytes

FieldValue = str | int | float
Fields = Mapping[str, FieldValue]
"""Custom fields: at most 50, keys of letters, digits and _, strings of at most 256 or numbers."""


class Flow(str, Enum):
    """The direction of a resource event."""

    SOURCE = "Source"
    SINK = "Sink"


class Status(str, Enum):
    """The step of a progression attempt."""

    START = "Start"
    FAIL = "Fail"
    COMPLETE = "Complete"


class Severity(str, Enum):
    """How bad an error is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class Event(Protocol):
    """Anything that can stand in a record."""

    def wire(self) -> dict[str, Any]:
        """The event's own fields, `category` first, as they stand in the JSON."""
        ...


class Post(Protocol):
    """Stamps an event and puts it into the inbox; raises `InvalidEvent` for wrong custom fields."""

    def __call__(self, event: Event, fields: Fields | None) -> None: ...


@dataclass(frozen=True, slots=True)
class User:
    """A session starts. Source: GameAnalytics REST v2, User."""

    def wire(self) -> dict[str, Any]:
        return {"category": "user"}


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """A session is over. Source: GameAnalytics REST v2, Session end.

    Attributes:
        length: Whole seconds that the player was focused on the game.
        reason: `quit`, `pause`, `crash`, `closed` or `lost` (found at the next launch); not sent to
            GameAnalytics, which has no field for it.
    """

    length: int
    reason: str

    def __post_init__(self) -> None:
        rules.count("length", self.length)

    def wire(self) -> dict[str, Any]:
        return {"category": "session_end", "length": self.length}


@dataclass(frozen=True, slots=True)
class Business:
    """A purchase with real money. Source: GameAnalytics REST v2, Business."""

    currency: str
    amount_cents: int
    item_type: str
    item_id: str
    cart_type: str | None = None

    def __post_init__(self) -> None:
        rules.business_currency("currency", self.currency)
        rules.amount_cents("amount_cents", self.amount_cents)
        rules.event_part("item_type", self.item_type)
        rules.event_part("item_id", self.item_id)
        if self.cart_type is not None:
            rules.cart_type("cart_type", self.cart_type)

    def wire(self) -> dict[str, Any]:
        own: dict[str, Any] = {
            "category": "business",
            "event_id": ":".join((self.item_type, self.item_id)),  # an f-string would take an enum's name
            "amount": self.amount_cents,
            "currency": self.currency,
        }
        if self.cart_type is not None:
            own["cart_type"] = self.cart_type
        return own


@dataclass(frozen=True, slots=True)
class Resource:
    """Virtual currency gained (source) or spent (sink). Source: GameAnalytics REST v2, Resource."""

    flow: Flow
    currency: str
    amount: float  # > 0; the sign on the wire comes from flow
    item_type: str
    item_id: str

    def __post_init__(self) -> None:
        rules.resource_currency("currency", self.currency)
        rules.positive("amount", self.amount)
        rules.event_part("item_type", self.item_type)
        rules.event_part("item_id", self.item_id)

    def wire(self) -> dict[str, Any]:
        return {
            "category": "resource",
            "event_id": ":".join((self.flow.value, self.currency, self.item_type, self.item_id)),
            "amount": self.amount if self.flow is Flow.SOURCE else -self.amount,
        }


@dataclass(frozen=True, slots=True)
class WalletChange:
    """A resource flow to be summed up with others of its kind and sent as one `Resource` later."""

    change: Resource

    def wire(self) -> dict[str, Any]:
        return self.change.wire()


@dataclass(frozen=True, slots=True)
class Progression:
    """A step of an attempt at a level of one to three parts. Source: GameAnalytics REST v2, Progression."""

    status: Status
    levels: tuple[str, ...]
    score: int | None = None

    def __post_init__(self) -> None:
        rules.progression_levels(self.levels)
        if self.score is not None:
            rules.score("score", self.score)

    @property
    def level(self) -> str:
        """The parts joined by ':', the key under which attempts are counted."""
        return ":".join(self.levels)

    def wire(self) -> dict[str, Any]:
        own: dict[str, Any] = {"category": "progression", "event_id": f"{self.status.value}:{self.level}"}
        if self.score is not None and self.status is not Status.START:
            own["score"] = self.score
        return own


@dataclass(frozen=True, slots=True)
class Design:
    """Anything else a game wants to count, with an optional value. Source: GameAnalytics REST v2, Design."""

    event_id: str
    value: float | None = None

    def __post_init__(self) -> None:
        rules.design_id("event_id", self.event_id)
        if self.value is not None:
            rules.number("value", self.value)

    def wire(self) -> dict[str, Any]:
        if self.value is None:
            return {"category": "design", "event_id": self.event_id}
        return {"category": "design", "event_id": self.event_id, "value": self.value}


@dataclass(frozen=True, slots=True)
class Error:
    """Something went wrong. Source: GameAnalytics REST v2, Error."""

    severity: Severity
    message: str

    def __post_init__(self) -> None:
        rules.message("message", self.message)

    def wire(self) -> dict[str, Any]:
        return {"category": "error", "severity": self.severity.value, "message": self.message}


BUCKET_SECONDS = 0.00025
"""The width of a frame time's bucket; the last bucket holds all that is longer."""


@dataclass(frozen=True, slots=True)
class Health:
    """How smoothly the game ran for a while; for destinations that want it, GameAnalytics' REST API has none.

    Attributes:
        seconds: The time that the frames took together.
        counts: Frames by their time, in buckets of `BUCKET_SECONDS`.
    """

    seconds: float
    counts: tuple[int, ...]

    def wire(self) -> dict[str, Any]:
        frames = sum(self.counts)
        beyond, p99 = frames * 0.99, 0
        while p99 < len(self.counts) - 1 and sum(self.counts[: p99 + 1]) < beyond:
            p99 += 1
        return {
            "category": "health",
            "fps": round(frames / self.seconds, 1),
            "frame_ms_p99": (p99 + 1) * BUCKET_SECONDS * 1000,
            "mem_mb": round(memory_bytes() / 2**20, 1),
        }


@dataclass(frozen=True, slots=True, eq=False)
class SessionRef:
    """The session that a record belongs to.

    Attributes:
        id: Lower-case UUID.
        started: When it began, in seconds of `Clock.monotonic`.
    """

    id: str
    started: float


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What all events share until it changes; replaced, never altered, so that a record can point to it.

    Attributes:
        dimensions: The three custom dimensions, `None` where unset.
        fields: Global custom fields; an event's own fields win over them.
        extra: Further annotations under their wire names, e.g. A/B ids.
    """

    user_id: str
    external_user_id: str | None = None
    build: str | None = None
    dimensions: tuple[str | None, str | None, str | None] = (None, None, None)
    fields: Fields | None = None
    extra: Mapping[str, Any] | None = None


class Record(NamedTuple):
    """An event and its stamp, as it lies in the inbox between the game and the writer.

    Attributes:
        session: `None` only for what was reported before `start()`.
        at: When it happened, in seconds of `Clock.monotonic`.
        fields: The event's own custom fields, checked, or `None`.
        sequence: Its number in the journal, 0 where it is not noted there.
    """

    event: Event
    session: SessionRef | None
    context: Context
    at: float
    fields: Fields | None = None
    sequence: int = 0
