"""What a game can report: one frozen class per kind of event, and the record that carries it.

An invalid event cannot exist: each class checks itself against `rules` when it is made. They are plain
classes: a frozen dataclass costs 0.3 µs more on the game thread each time and 0.4 ms when imported. `wire()` gives
the event's own fields under GameAnalytics' names, the field's standard vocabulary; the numbers that count
across launches (`session_num`, `transaction_num`, `attempt_num`) are added where they are kept, in the
writer.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from math import isfinite
from typing import Any, Final, NamedTuple, Protocol

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


class Event:
    """Anything that can stand in a record: a value, of which nothing changes any more."""

    __slots__: tuple[str, ...] = ()

    def wire(self) -> dict[str, Any]:
        """The event's own fields, `category` first, as they stand in the JSON."""
        raise NotImplementedError

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self._values()}"


class Post(Protocol):
    """Stamps an event and puts it into the inbox; raises `InvalidEvent` for wrong custom fields."""

    def __call__(self, event: Event, fields: Fields | None) -> None: ...


class User(Event):
    """A session starts. Source: GameAnalytics REST v2, User."""

    __slots__ = ()

    def wire(self) -> dict[str, Any]:
        return {"category": "user"}


class SessionEnd(Event):
    """A session is over. Source: GameAnalytics REST v2, Session end.

    Attributes:
        length: Whole seconds that the player was focused on the game.
        reason: `quit`, `pause`, `crash`, `closed` or `lost` (found at the next launch); not sent to
            GameAnalytics, which has no field for it.
    """

    __slots__ = ("length", "reason")

    def __init__(self, length: int, reason: str) -> None:
        rules.count("length", length)
        self.length: Final = length
        self.reason: Final = reason

    def wire(self) -> dict[str, Any]:
        return {"category": "session_end", "length": self.length}


class Business(Event):
    """A purchase with real money. Source: GameAnalytics REST v2, Business."""

    __slots__ = ("amount_cents", "cart_type", "currency", "item_id", "item_type")

    def __init__(
        self, currency: str, amount_cents: int, item_type: str, item_id: str, cart_type: str | None = None
    ) -> None:
        rules.business_currency("currency", currency)
        rules.amount_cents("amount_cents", amount_cents)
        rules.event_part("item_type", item_type)
        rules.event_part("item_id", item_id)
        if cart_type is not None:
            rules.cart_type("cart_type", cart_type)
        self.currency: Final = currency
        self.amount_cents: Final = amount_cents
        self.item_type: Final = item_type
        self.item_id: Final = item_id
        self.cart_type: Final = cart_type

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


class Resource(Event):
    """Virtual currency gained (source) or spent (sink). Source: GameAnalytics REST v2, Resource.

    Attributes:
        amount: More than 0; the sign on the wire comes from `flow`.
    """

    __slots__ = ("amount", "currency", "flow", "item_id", "item_type")

    def __init__(self, flow: Flow, currency: str, amount: float, item_type: str, item_id: str) -> None:
        rules.resource_currency("currency", currency)
        rules.positive("amount", amount)
        rules.event_part("item_type", item_type)
        rules.event_part("item_id", item_id)
        self.flow: Final = flow
        self.currency: Final = currency
        self.amount: Final = amount
        self.item_type: Final = item_type
        self.item_id: Final = item_id

    def wire(self) -> dict[str, Any]:
        return {
            "category": "resource",
            "event_id": ":".join((self.flow.value, self.currency, self.item_type, self.item_id)),
            "amount": self.amount if self.flow is Flow.SOURCE else -self.amount,
        }


class WalletChange(Event):
    """A resource flow to be summed up with others of its kind and sent as one `Resource` later."""

    __slots__ = ("change",)

    def __init__(self, change: Resource) -> None:
        self.change: Final = change

    def wire(self) -> dict[str, Any]:
        return self.change.wire()


class Progression(Event):
    """A step of an attempt at a level of one to three parts. Source: GameAnalytics REST v2, Progression."""

    __slots__ = ("levels", "score", "status")

    def __init__(self, status: Status, levels: tuple[str, ...], score: int | None = None) -> None:
        rules.progression_levels(levels)
        if score is not None:
            rules.score("score", score)
        self.status: Final = status
        self.levels: Final = levels
        self.score: Final = score

    @property
    def level(self) -> str:
        """The parts joined by ':', the key under which attempts are counted."""
        return ":".join(self.levels)

    def wire(self) -> dict[str, Any]:
        own: dict[str, Any] = {"category": "progression", "event_id": f"{self.status.value}:{self.level}"}
        if self.score is not None and self.status is not Status.START:
            own["score"] = self.score
        return own


_known_ids = rules.design_id.remembered


class Design(Event):
    """Anything else a game wants to count, with an optional value. Source: GameAnalytics REST v2, Design."""

    __slots__ = ("event_id", "value")

    def __init__(self, event_id: str, value: float | None = None) -> None:
        if type(event_id) is not str or event_id not in _known_ids:  # as the rule itself does, 0.1 µs sooner
            rules.design_id("event_id", event_id)
        if value is not None and not (type(value) is float and isfinite(value)):
            rules.number("value", value)
        self.event_id: Final = event_id
        self.value: Final = value

    def wire(self) -> dict[str, Any]:
        if self.value is None:
            return {"category": "design", "event_id": self.event_id}
        return {"category": "design", "event_id": self.event_id, "value": self.value}


class Error(Event):
    """Something went wrong. Source: GameAnalytics REST v2, Error."""

    __slots__ = ("message", "severity")

    def __init__(self, severity: Severity, message: str) -> None:
        rules.message("message", message)
        self.severity: Final = severity
        self.message: Final = message

    def wire(self) -> dict[str, Any]:
        return {"category": "error", "severity": self.severity.value, "message": self.message}


BUCKET_SECONDS = 0.00025
"""The width of a frame time's bucket; the last bucket holds all that is longer."""


class Health(Event):
    """How smoothly the game ran for a while; for destinations that want it, GameAnalytics' REST API has none.

    Attributes:
        seconds: The time that the frames took together.
        counts: Frames by their time, in buckets of `BUCKET_SECONDS`.
    """

    __slots__ = ("counts", "seconds")

    def __init__(self, seconds: float, counts: tuple[int, ...]) -> None:
        self.seconds: Final = seconds
        self.counts: Final = counts

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


class SessionRef:
    """The session that a record belongs to.

    Attributes:
        id: Lower-case UUID.
        started: When it began, in seconds of `Clock.monotonic`.
    """

    __slots__ = ("id", "started")

    def __init__(self, id: str, started: float) -> None:  # noqa: A002 - the field's name
        self.id: Final = id
        self.started: Final = started


class Context:
    """What all events share until it changes; replaced, never altered, so that a record can point to it.

    Attributes:
        dimensions: The three custom dimensions, `None` where unset.
        fields: Global custom fields; an event's own fields win over them.
        extra: Further annotations under their wire names, e.g. A/B ids.
    """

    __slots__ = ("build", "dimensions", "external_user_id", "extra", "fields", "user_id")

    def __init__(  # noqa: PLR0917 - the journal keeps them in this order
        self,
        user_id: str,
        external_user_id: str | None = None,
        build: str | None = None,
        dimensions: tuple[str | None, str | None, str | None] = (None, None, None),
        fields: Fields | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.user_id: Final = user_id
        self.external_user_id: Final = external_user_id
        self.build: Final = build
        self.dimensions: Final = dimensions
        self.fields: Final = fields
        self.extra: Final = extra

    def changed(self, **changes: Any) -> Context:
        """A copy with some values changed."""
        return Context(**{name: getattr(self, name) for name in self.__slots__} | changes)


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
