"""What carries an event: its session, its context, and the record that holds all three.

Events and these are values: nothing of them changes any more, so that any thread may hold them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

from ga_pygame.annotations import PARTS
from ga_pygame.events import Fields
from ga_pygame.kinds import Event, Key

new_tuple = tuple.__new__
"""Makes a named tuple in 0.1 µs; its own constructor takes 0.4."""


class Post(Protocol):
    """Stamps an event and puts it into the inbox; raises `InvalidEvent` for wrong custom fields."""

    def __call__(self, event: Event, fields: Fields | None) -> None: ...


class Repeat(Protocol):
    """Records a repeat of an event that was recorded before; false if it was not, or the number is unusual."""

    def __call__(self, key: Key, number: float | None, least: float = ..., fields: Fields | None = ...) -> bool: ...


def no_repeat(  # a `Repeat`
    key: Key,  # noqa: ARG001
    number: float | None,  # noqa: ARG001
    least: float = 0.0,  # noqa: ARG001
    fields: Fields | None = None,  # noqa: ARG001
) -> bool:
    """What remembers no kinds."""
    return False


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

    Its parts are those of `annotations.PARTS`; one that is not given is `None`.

    Attributes:
        dimensions: The three custom dimensions, `None` where unset.
        fields: Global custom fields; an event's own fields win over them.
        extra: Further annotations under their wire names, e.g. A/B ids.
    """

    __slots__ = tuple(PARTS)
    user_id: str
    external_user_id: str | None
    build: str | None
    dimensions: tuple[str | None, str | None, str | None]
    fields: Fields | None
    extra: Mapping[str, Any] | None

    def __init__(self, user_id: str, **parts: Any) -> None:
        parts = {"dimensions": (None, None, None), **parts, "user_id": user_id}
        for name in self.__slots__:
            setattr(self, name, parts.pop(name, None))
        if parts:
            raise TypeError(f"a context has no {', '.join(parts)}")

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


class Repeated(NamedTuple):
    """A record that repeats an event with another number: what a row of the inbox says.

    Attributes:
        kind: Distinguishes the events that are repeated.
        event: The one that is repeated.
        number: Not a number if there is none; whole ones come as floats, too.
        fields: The event's own custom fields.
    """

    kind: int
    event: Event
    number: float
    session: SessionRef | None
    context: Context
    at: float
    fields: Fields | None = None

    def record(self) -> Record:
        """The same as a record."""
        number = None if self.number != self.number else self.number
        if number is not None and number.is_integer():
            number = int(number)
        return Record(self.event.with_number(number), self.session, self.context, self.at, self.fields)
