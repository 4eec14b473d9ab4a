"""The kinds of events that a game can report: one immutable class per kind.

An invalid event cannot exist: each class checks its arguments against `rules` and holds the values that the checks
return, which have exact built-in types. They are plain classes: a frozen dataclass costs 0.4 ms more at import.
`wire()` returns the event's own fields under GameAnalytics' names, the standard vocabulary of game analytics. The
writer adds the numbers that count across launches (`session_num`, `transaction_num`, `attempt_num`). The kinds that
only the official SDKs document are in `sdk_events`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from ga_pygame import rules
from ga_pygame.checks import Integer, Number
from ga_pygame.kinds import ABOVE_ZERO, Event, Key
from ga_pygame.rules import Field
from ga_pygame.sdk_events import BUCKET_SECONDS as BUCKET_SECONDS
from ga_pygame.sdk_events import Ad as Ad
from ga_pygame.sdk_events import Health as Health
from ga_pygame.sdk_events import Impression as Impression
from ga_pygame.sdk_events import SdkInit as SdkInit
from ga_pygame.sdk_events import SessionHealth as SessionHealth


def _exact_text(part: Any) -> Any:
    return str.__str__(part) if isinstance(part, str) else part


FieldValue = str | int | float
Fields = Mapping[str, FieldValue]
"""Custom fields: at most 50; keys of letters, digits and _; values are strings of at most 256 characters or numbers."""


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
    """The severity of an error."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class User(Event):
    """The start of a session. Source: GameAnalytics REST v2, User."""

    __slots__ = ()
    code = 2
    category = "user"
    told_by = ()
    is_counted = True

    def wire(self) -> dict[str, Any]:
        return {"category": self.category}


class SessionEnd(Event):
    """The end of a session. Source: GameAnalytics REST v2, Session end.

    Attributes:
        length: Whole seconds for which the player was focused on the game.
        reason: `quit`, `pause`, `crash`, `closed` or `lost` (found at the next launch); GameAnalytics has no field.
    """

    __slots__ = ("length", "reason")
    code = 3
    category = "session_end"
    wire_fields = {"length": Field(Integer("REST v2, Session end"), required=True)}
    told_by = ()
    summed = ("length",)
    is_counted = True

    def __init__(self, length: int, reason: str) -> None:
        self.length: Final = rules.count("length", length)
        self.reason: Final = reason

    def wire(self) -> dict[str, Any]:
        return {"category": self.category, "length": self.length}


class Business(Event):
    """A purchase with real money. Source: GameAnalytics REST v2, Business.

    Attributes:
        receipt: The shop's receipt as pairs, which the journal can hold and a hash needs.
    """

    __slots__ = ("currency", "amount_cents", "item_type", "item_id", "cart_type", "receipt")
    code = 4
    category = "business"
    wire_fields = {
        "event_id": Field(rules.business_id, required=True),
        "amount": Field(rules.amount_cents, required=True),
        "currency": Field(rules.business_currency, required=True),
        "transaction_num": Field(Integer("REST v2, Business"), required=True),
        "cart_type": Field(rules.cart_type),
        "receipt_info": Field(rules.receipt_info),
    }
    summed = ("amount",)
    is_counted = True
    number_name = "amount_cents"
    number_field = "amount"
    number_rule = rules.amount_cents
    least = 0

    def __init__(  # noqa: PLR0917 - the order in which the journal keeps them
        self,
        currency: str,
        amount_cents: int,
        item_type: str,
        item_id: str,
        cart_type: str | None = None,
        receipt: Mapping[str, str] | tuple[tuple[str, str], ...] | None = None,
    ) -> None:
        self.currency: Final = rules.business_currency("currency", currency)
        self.amount_cents: Final = rules.amount_cents("amount_cents", amount_cents)
        self.item_type: Final = rules.event_part("item_type", item_type)
        self.item_id: Final = rules.event_part("item_id", item_id)
        self.cart_type: Final = None if cart_type is None else rules.cart_type("cart_type", cart_type) or None
        self.receipt: Final = None if receipt is None else _pairs_of_receipt(receipt)

    @staticmethod
    def key_of(currency: str, item_type: str, item_id: str, cart_type: str | None) -> Key:
        """Make the key from a call's arguments."""
        return ("business", currency, item_type, item_id, cart_type)

    @property
    def key(self) -> Key | None:
        if self.receipt is not None:  # no other purchase has it
            return None
        return self.key_of(self.currency, self.item_type, self.item_id, self.cart_type)

    def wire(self) -> dict[str, Any]:
        own: dict[str, Any] = {
            "category": self.category,
            "event_id": f"{self.item_type}:{self.item_id}",
            "amount": self.amount_cents,
            "currency": self.currency,
        }
        if self.cart_type is not None:
            own["cart_type"] = self.cart_type
        if self.receipt is not None:
            own["receipt_info"] = dict(self.receipt)
        return own


def _pairs_of_receipt(receipt: Mapping[str, str] | tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Check a receipt: the game's mapping, or the pairs that the journal kept."""
    given = dict(receipt) if type(receipt) is tuple else receipt
    return tuple(rules.receipt_info("receipt", given).items())


class Resource(Event):
    """Virtual currency gained (source) or spent (sink). Source: GameAnalytics REST v2, Resource.

    Attributes:
        amount: More than 0; the sign on the wire comes from `flow`.
    """

    __slots__ = ("flow", "currency", "amount", "item_type", "item_id")
    code = 5
    category = "resource"
    wire_fields = {
        "event_id": Field(rules.resource_id, required=True),
        "amount": Field(Number("REST v2, Resource"), required=True),
    }
    wire_rules = (rules.sign_of_flow,)
    variants = tuple(flow.value for flow in Flow)
    summed = ("amount",)
    number_name = number_field = "amount"
    number_rule = rules.resource_amount
    least = ABOVE_ZERO

    def __init__(self, flow: Flow, currency: str, amount: float, item_type: str, item_id: str) -> None:
        self.flow: Final = Flow(flow)
        self.currency: Final = rules.resource_currency("currency", currency)
        self.amount: Final = rules.resource_amount("amount", amount)
        self.item_type: Final = rules.event_part("item_type", item_type)
        self.item_id: Final = rules.event_part("item_id", item_id)

    @staticmethod
    def key_of(flow: str, currency: str, item_type: str, item_id: str) -> Key:
        """Make the key from a call's arguments; `flow` is the value of a `Flow`, since an enum's hash is slow."""
        return (flow, currency, item_type, item_id)

    @property
    def key(self) -> Key:
        return self.key_of(self.flow._value_, self.currency, self.item_type, self.item_id)

    def wire(self) -> dict[str, Any]:
        return {
            "category": self.category,
            "event_id": ":".join((self.flow.value, self.currency, self.item_type, self.item_id)),
            "amount": self.amount if self.flow is Flow.SOURCE else -self.amount,
        }


class WalletChange(Event):
    """A change of a wallet; the writer adds up those of the same key and sends them as one `Resource`."""

    __slots__ = ("change",)
    code = 6
    category = Resource.category
    variants = Resource.variants
    summed = Resource.summed
    is_counted = True
    number_field = Resource.number_field
    number_rule = Resource.number_rule
    least = Resource.least

    def __init__(self, change: Resource) -> None:
        self.change: Final = change

    @staticmethod
    def key_of(flow: str, currency: str, item_type: str, item_id: str) -> Key:
        """Make the key from a call's arguments; for `flow` see `Resource.key_of`."""
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
        setattr(made, "change", self.change.with_number(number))  # noqa: B010 - it is `Final` for other code
        return made

    def values(self) -> tuple[Any, ...]:
        return self.change.values()

    @classmethod
    def of(cls, *values: Any) -> WalletChange:
        return cls(Resource(*values))

    def wire(self) -> dict[str, Any]:
        return self.change.wire()


class Progression(Event):
    """A step of an attempt at a level of one to three parts. Source: GameAnalytics REST v2, Progression."""

    __slots__ = ("status", "levels", "score")
    code = 7
    category = "progression"
    wire_fields = {
        "event_id": Field(rules.progression_id, required=True),
        "attempt_num": Field(Integer("REST v2, Progression")),
        "score": Field(Number("schema, Progression")),
    }
    wire_rules = (rules.no_attempt_at_start, rules.no_score_at_start)
    variants = tuple(status.value for status in Status)
    summed = ("score", "attempt_num")
    is_counted = True
    number_name = number_field = "score"
    number_rule = rules.score

    def __init__(self, status: Status, levels: tuple[str, ...], score: int | None = None) -> None:
        self.status: Final = Status(status)
        self.levels: Final = rules.progression_levels(levels)
        self.score: Final = None if score is None else rules.score("score", score)

    @staticmethod
    def key_of(status: str, levels: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        """Make the key from a call's arguments; `status` is the value of a `Status`, since an enum's hash is slow.

        A game may name its levels by an enum: the key has the exact strings. What is no string stays, for the rules.
        """
        for part in levels:  # to look is faster than to convert, and most are exact
            if type(part) is not str:
                return (status, tuple(map(_exact_text, levels)))
        return (status, levels)

    @property
    def key(self) -> Key:
        return self.key_of(self.status._value_, self.levels)

    @property
    def level(self) -> str:
        """Return the parts joined by ':', the name under which attempts are counted."""
        return ":".join(self.levels)

    def wire(self) -> dict[str, Any]:
        own: dict[str, Any] = {"category": self.category, "event_id": f"{self.status.value}:{self.level}"}
        if self.score is not None and self.status is not Status.START:
            own["score"] = self.score
        return own


class Design(Event):
    """An event of the game's own, with an optional value. Source: GameAnalytics REST v2, Design."""

    __slots__ = ("event_id", "value")
    code = 8
    category = "design"
    wire_fields = {"event_id": Field(rules.wire_design_id, required=True), "value": Field(rules.number)}
    summed = ("value",)
    number_name = number_field = "value"
    number_rule = rules.number

    def __init__(self, event_id: str, value: float | None = None) -> None:
        self.event_id: Final = rules.design_id("event_id", event_id)
        self.value: Final = None if value is None else rules.number("value", value)

    @staticmethod
    def key_of(event_id: str) -> Key:
        """Make the key from a call's arguments."""
        return event_id

    @property
    def key(self) -> Key:
        return self.key_of(self.event_id)

    def wire(self) -> dict[str, Any]:
        if self.value is None:
            return {"category": self.category, "event_id": self.event_id}
        return {"category": self.category, "event_id": self.event_id, "value": self.value}


class Error(Event):
    """An error in the game. Source: GameAnalytics REST v2, Error.

    Attributes:
        crash: How it was noticed, one of `rules.CRASH_KINDS`; "" if the game reported it.
    """

    __slots__ = ("severity", "message", "crash")
    code = 9
    category = "error"
    wire_fields = {"severity": Field(rules.severity, required=True), "message": Field(rules.message, required=True)}
    told_by = ("severity", "message")

    def __init__(self, severity: Severity, message: str, crash: str = "") -> None:
        self.severity: Final = Severity(severity)
        self.message: Final = rules.message("message", message)
        self.crash: Final = crash and rules.crash_kind("crash", crash)

    def wire(self) -> dict[str, Any]:
        return {"category": self.category, "severity": self.severity.value, "message": self.message}


class Troubleshooting(Event):
    """A sign of trouble, with custom fields only. Source: GameAnalytics REST v2, Event types."""

    __slots__ = ()
    code = 12
    category = "troubleshooting"
    told_by = ()

    def wire(self) -> dict[str, Any]:
        return {"category": self.category}
