"""What a game can report: one frozen class per kind of event, and the record that carries it.

An invalid event cannot exist: each class checks itself against `rules` when it is made, and holds what the checks
return: values of exact built-in types. They are plain classes: a frozen dataclass costs 0.4 ms more when imported.
`wire()` gives the event's own fields under GameAnalytics' names, the field's standard vocabulary; the numbers that
count across launches (`session_num`, `transaction_num`, `attempt_num`) are added where they are kept, in the writer.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar, Final, NamedTuple, Protocol

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


Key = str | tuple[str | None, ...]
"""All that an event says but its number; events with the same key are checked once."""


class Event:
    """Anything that can stand in a record: a value, of which nothing changes any more.

    Attributes:
        number_name: The attribute that differs between events of one key, "" where there is none.
    """

    __slots__: tuple[str, ...] = ()
    number_name: ClassVar[str] = ""

    @property
    def key(self) -> Key | None:
        """What is the same in all events of the kind that a game repeats; `None`: it repeats none of these."""
        return None

    @property
    def number(self) -> float | None:
        """What differs between them."""
        return getattr(self, self.number_name) if self.number_name else None

    def with_number(self, number: float | None) -> Event:
        """The same event with another number, which is not checked."""
        made = object.__new__(type(self))
        for name in self.__slots__:
            setattr(made, name, getattr(self, name))
        if self.number_name:
            setattr(made, self.number_name, number)
        return made

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


class Repeat(Protocol):
    """Records an event of a kind that was recorded before; false where it was not, or the number is unusual."""

    def __call__(self, key: Key, number: float | None, least: float = ...) -> bool: ...


def no_repeat(key: Key, number: float | None, least: float = 0.0) -> bool:  # noqa: ARG001 - a `Repeat`
    """What remembers no kinds."""
    return False


ABOVE_ZERO = 5e-324
"""The smallest number that is more than 0."""


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
        self.length: Final = rules.count("length", length)
        self.reason: Final = reason

    def wire(self) -> dict[str, Any]:
        return {"category": "session_end", "length": self.length}


class Business(Event):
    """A purchase with real money. Source: GameAnalytics REST v2, Business."""

    __slots__ = ("amount_cents", "cart_type", "currency", "item_id", "item_type")
    number_name = "amount_cents"

    def __init__(
        self, currency: str, amount_cents: int, item_type: str, item_id: str, cart_type: str | None = None
    ) -> None:
        self.currency: Final = rules.business_currency("currency", currency)
        self.amount_cents: Final = rules.amount_cents("amount_cents", amount_cents)
        self.item_type: Final = rules.event_part("item_type", item_type)
        self.item_id: Final = rules.event_part("item_id", item_id)
        self.cart_type: Final = None if cart_type is None else rules.cart_type("cart_type", cart_type)

    @property
    def key(self) -> Key:
        return ("business", self.currency, self.item_type, self.item_id, self.cart_type)

    def wire(self) -> dict[str, Any]:
        own: dict[str, Any] = {
            "category": "business",
            "event_id": f"{self.item_type}:{self.item_id}",
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
    number_name = "amount"

    def __init__(self, flow: Flow, currency: str, amount: float, item_type: str, item_id: str) -> None:
        self.flow: Final = flow
        self.currency: Final = rules.resource_currency("currency", currency)
        self.amount: Final = rules.positive("amount", amount)
        self.item_type: Final = rules.event_part("item_type", item_type)
        self.item_id: Final = rules.event_part("item_id", item_id)

    @property
    def key(self) -> Key:
        return (self.flow._value_, self.currency, self.item_type, self.item_id)

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

    @property
    def key(self) -> Key:
        change = self.change
        return ("wallet", change.flow._value_, change.currency, change.item_type, change.item_id)

    @property
    def number(self) -> float | None:
        return self.change.amount

    def with_number(self, number: float | None) -> WalletChange:
        made: WalletChange = object.__new__(WalletChange)
        setattr(made, "change", self.change.with_number(number))  # noqa: B010 - it is final for everybody else
        return made

    def wire(self) -> dict[str, Any]:
        return self.change.wire()


class Progression(Event):
    """A step of an attempt at a level of one to three parts. Source: GameAnalytics REST v2, Progression."""

    __slots__ = ("levels", "score", "status")
    number_name = "score"

    def __init__(self, status: Status, levels: tuple[str, ...], score: int | None = None) -> None:
        self.status: Final = status
        self.levels: Final = rules.progression_levels(levels)
        self.score: Final = None if score is None else rules.score("score", score)

    @property
    def key(self) -> Key:
        return ("progression", self.status._value_, *self.levels)

    @property
    def level(self) -> str:
        """The parts joined by ':', the key under which attempts are counted."""
        return ":".join(self.levels)

    def wire(self) -> dict[str, Any]:
        own: dict[str, Any] = {"category": "progression", "event_id": f"{self.status.value}:{self.level}"}
        if self.score is not None and self.status is not Status.START:
            own["score"] = self.score
        return own


class Design(Event):
    """Anything else a game wants to count, with an optional value. Source: GameAnalytics REST v2, Design."""

    __slots__ = ("event_id", "value")
    number_name = "value"

    def __init__(self, event_id: str, value: float | None = None) -> None:
        self.event_id: Final = rules.design_id("event_id", event_id)
        self.value: Final = None if value is None else rules.number("value", value)

    @property
    def key(self) -> Key:
        return self.event_id

    def wire(self) -> dict[str, Any]:
        if self.value is None:
            return {"category": "design", "event_id": self.event_id}
        return {"category": "design", "event_id": self.event_id, "value": self.value}


class Error(Event):
    """Something went wrong. Source: GameAnalytics REST v2, Error."""

    __slots__ = ("message", "severity")

    def __init__(self, severity: Severity, message: str) -> None:
        self.severity: Final = severity
        self.message: Final = rules.message("message", message)

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


AS_KEPT = ""
"""The value of a dimension that nothing was said about in this launch, until the kept values are read.

Not `None`, which says that the player has none: no dimension can be an empty string.
"""


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
    """An event and its stamp, on its way from the game to the outbox.

    Attributes:
        session: `None` only for what was reported before `start()`.
        at: When it happened, in seconds of `Clock.monotonic`.
        fields: The event's own custom fields, checked, or `None`.
    """

    event: Event
    session: SessionRef | None
    context: Context
    at: float
    fields: Fields | None = None


class Row(NamedTuple):
    """A record that repeats an event but for its number.

    Attributes:
        kind: Distinguishes the events that are repeated.
        event: The one that is repeated.
        number: Not a number where there is none; whole ones come as floats, too.
    """

    kind: int
    event: Event
    number: float
    session: SessionRef | None
    context: Context
    at: float

    def record(self) -> Record:
        """The same as a record."""
        number = None if self.number != self.number else self.number
        if number is not None and number.is_integer():
            number = int(number)
        return Record(self.event.with_number(number), self.session, self.context, self.at)
