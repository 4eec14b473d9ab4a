"""The record of an event: the event with its session and its context.

All of these are immutable, so any thread may hold them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

from ga_pygame.annotations import PARTS
from ga_pygame.events import Fields
from ga_pygame.kinds import Event, Key

new_tuple = tuple.__new__
"""Makes a named tuple in 0.1 µs; its own constructor takes 0.4 µs."""


class Post(Protocol):
    """A function that stamps an event and puts it into the inbox; raises for invalid custom fields in strict mode."""

    def __call__(self, event: Event, fields: Fields | None) -> None: ...


class Repeat(Protocol):
    """A function that records a repeat of a known event; false if the caller must take the slow path."""

    def __call__(self, key: Key, number: float | None, least: float = ..., fields: Fields | None = ...) -> bool: ...


def no_repeat(  # a `Repeat`
    key: Key,  # noqa: ARG001
    number: float | None,  # noqa: ARG001
    least: float = 0.0,  # noqa: ARG001
    fields: Fields | None = None,  # noqa: ARG001
) -> bool:
    """Return false: a `Repeat` that knows no events."""
    return False


class SessionRef:
    """The session that a record belongs to.

    Attributes:
        id: Lower-case UUID.
        started: The time of its start, in seconds of `Clock.monotonic`.
    """

    __slots__ = ("id", "started")

    def __init__(self, id: str, started: float) -> None:  # noqa: A002 - the field's name
        self.id: Final = id
        self.started: Final = started


AS_KEPT = ""
"""The value of a dimension that the game has not set in this launch, until the kept values are read.

It is not `None`, which means that the dimension is unset; no dimension can be an empty string.
"""


class Context:
    """The values that all events share until one changes; replaced, never altered, so that records can refer to it.

    Its parts are those of `annotations.PARTS`; one that is not given is `None`.

    Attributes:
        dimensions: The three custom dimensions, `None` if unset.
        fields: Global custom fields; an event's own fields win over them.
        facts: Facts of the player and the device under their wire names; `None` for one that the game has cleared.
        extra: Further annotations under their wire names, e.g. A/B ids.
    """

    __slots__ = tuple(PARTS)
    user_id: str
    external_user_id: str | None
    build: str | None
    dimensions: tuple[str | None, str | None, str | None]
    fields: Fields | None
    facts: Mapping[str, Any] | None
    extra: Mapping[str, Any] | None

    def __init__(self, user_id: str, **parts: Any) -> None:
        parts = {"dimensions": (None, None, None), **parts, "user_id": user_id}
        for name in self.__slots__:
            setattr(self, name, parts.pop(name, None))
        if parts:
            raise TypeError(f"a context has no {', '.join(parts)}")

    def changed(self, **changes: Any) -> Context:
        """Return a copy with some values changed."""
        return Context(**{name: getattr(self, name) for name in self.__slots__} | changes)


class Record(NamedTuple):
    """An event and its stamp, on its way from the game to the outbox.

    Attributes:
        session: `None` only for an event from before `start()`.
        at: The time of the call, in seconds of `Clock.monotonic`.
        fields: The event's own custom fields, checked, or `None`.
        event_uuid: Its id if the journal has the record, so that a replay repeats the id; else `None`.
    """

    event: Event
    session: SessionRef | None
    context: Context
    at: float
    fields: Fields | None = None
    event_uuid: bytes | None = None


class Repeated(NamedTuple):
    """A record that repeats an event with another number; decoded from a row of the inbox.

    Attributes:
        kind: The kind number, see `Inbox.kinds`.
        event: The repeated event, with its own number.
        number: The repeat's number; nan if there is none. A whole number is a float, too.
        fields: The event's own custom fields.
        event_uuid: See `Record`.
    """

    kind: int
    event: Event
    number: float
    session: SessionRef | None
    context: Context
    at: float
    fields: Fields | None = None
    event_uuid: bytes | None = None

    def record(self) -> Record:
        """Convert the repeat to a record."""
        number = None if self.number != self.number else self.number
        if number is not None and number.is_integer():
            number = int(number)
        event = self.event.with_number(number)
        return Record(event, self.session, self.context, self.at, self.fields, self.event_uuid)
