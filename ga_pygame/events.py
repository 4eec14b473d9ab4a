"""What a game can report: one frozen class per kind of event.

An invalid event cannot exist: each class checks itself against `rules` when it is made, and holds what the checks
return: values of exact built-in types. They are plain classes: a frozen dataclass costs 0.4 ms more when imported.
`wire()` gives the event's own fields under GameAnalytics' names, the field's standard vocabulary; the numbers that
count across launches (`session_num`, `transaction_num`, `attempt_num`) are added where they are kept, in the writer.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar, Final

from ga_pygame import rules
from ga_pygame.checks import Integer, Number
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


Key = str | tuple[object, ...]
"""All that an event says but its number; events with the same key are checked once."""


EXACT = 2**53
"""Whole numbers up to here are floats, too: a row holds its number as a float."""
ABOVE_ZERO = 5e-324
"""The smallest number that is more than 0."""


class Event:
    """Base of all event kinds. Immutable; checked when created.

    A kind that a game repeats has a static method `key_of`. It makes the key of what the game passed to the call; the
    property `key` calls it with the event's own values, so that call and event agree.

    Attributes:
        number_name: The attribute that differs between events of one key, "" if there is none.
        number_rule: What that number must keep; `None` if there is none.
        least: The lowest number that a repeat may have; if it is more than `-EXACT`, a repeat must have one.
    """

    __slots__: tuple[str, ...] = ()
    number_name: ClassVar[str] = ""
    number_rule: ClassVar[Integer | Number | None] = None
    least: ClassVar[float] = -EXACT

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

    def check_number(self) -> None:
        """Check the number of an event that `with_number` made; raises `InvalidEvent`."""
        number = self.number
        if self.number_rule is not None and (number is not None or self.least > -EXACT):
            self.number_rule(self.number_name, number)

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
    number_rule = rules.amount_cents
    least = 0

    def __init__(
        self, currency: str, amount_cents: int, item_type: str, item_id: str, cart_type: str | None = None
    ) -> None:
        self.currency: Final = rules.business_currency("currency", currency)
        self.amount_cents: Final = rules.amount_cents("amount_cents", amount_cents)
        self.item_type: Final = rules.event_part("item_type", item_type)
        self.item_id: Final = rules.event_part("item_id", item_id)
        self.cart_type: Final = None if cart_type is None else rules.cart_type("cart_type", cart_type)

    @staticmethod
    def key_of(currency: str, item_type: str, item_id: str, cart_type: str | None) -> Key:
        """The key of a call's arguments."""
        return ("business", currency, item_type, item_id, cart_type)

    @property
    def key(self) -> Key:
        return self.key_of(self.currency, self.item_type, self.item_id, self.cart_type)

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
    number_rule = rules.positive
    least = ABOVE_ZERO

    def __init__(self, flow: Flow, currency: str, amount: float, item_type: str, item_id: str) -> None:
        self.flow: Final = flow
        self.currency: Final = rules.resource_currency("currency", currency)
        self.amount: Final = rules.positive("amount", amount)
        self.item_type: Final = rules.event_part("item_type", item_type)
        self.item_id: Final = rules.event_part("item_id", item_id)

    @staticmethod
    def key_of(flow: str, currency: str, item_type: str, item_id: str) -> Key:
        """The key of a call's arguments; `flow` is the value of a `Flow`, whose own hash is slow."""
        return (flow, currency, item_type, item_id)

    @property
    def key(self) -> Key:
        return self.key_of(self.flow._value_, self.currency, self.item_type, self.item_id)

    def wire(self) -> dict[str, Any]:
        return {
            "category": "resource",
            "event_id": ":".join((self.flow.value, self.currency, self.item_type, self.item_id)),
            "amount": self.amount if self.flow is Flow.SOURCE else -self.amount,
        }


class WalletChange(Event):
    """A resource flow to be summed up with others of its kind and sent as one `Resource` later."""

    __slots__ = ("change",)
    number_rule = Resource.number_rule
    least = Resource.least

    def __init__(self, change: Resource) -> None:
        self.change: Final = change

    @staticmethod
    def key_of(flow: str, currency: str, item_type: str, item_id: str) -> Key:
        """The key of a call's arguments; for `flow` see `Resource.key_of`."""
        return ("wallet", flow, currency, item_type, item_id)

    @property
    def key(self) -> Key:
        change = self.change
        return self.key_of(change.flow._value_, change.currency, change.item_type, change.item_id)

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
    number_rule = rules.score

    def __init__(self, status: Status, levels: tuple[str, ...], score: int | None = None) -> None:
        self.status: Final = status
        self.levels: Final = rules.progression_levels(levels)
        self.score: Final = None if score is None else rules.score("score", score)

    @staticmethod
    def key_of(status: str, levels: tuple[str, ...]) -> Key:
        """The key of a call's arguments; `status` is the value of a `Status`, whose own hash is slow."""
        return ("progression", status, *levels)

    @property
    def key(self) -> Key:
        return self.key_of(self.status._value_, self.levels)

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
    number_rule = rules.number

    def __init__(self, event_id: str, value: float | None = None) -> None:
        self.event_id: Final = rules.design_id("event_id", event_id)
        self.value: Final = None if value is None else rules.number("value", value)

    @staticmethod
    def key_of(event_id: str) -> Key:
        """The key of a call's arguments."""
        return event_id

    @property
    def key(self) -> Key:
        return self.key_of(self.event_id)

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
