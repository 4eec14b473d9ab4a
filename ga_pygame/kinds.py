"""The base class of event kinds, and the table of all kinds. The kinds themselves are in `events`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar

from ga_pygame.checks import Integer, Number
from ga_pygame.rules import EventRule, Field

Key = str | tuple[object, ...]
"""Everything in an event except its number; events with the same key are checked once."""


EXACT = 2**53
"""Up to here a float holds whole numbers exactly; a row holds its number as a float."""
ABOVE_ZERO = 5e-324
"""The smallest number that is more than 0."""


KIND_BY_CODE: dict[int, type[Event]] = {}
"""All kinds by their code; filled when `events` is imported."""

KIND_BY_CATEGORY: dict[str, type[Event]] = {}
"""The kind of each category; the first one if there are several. It has the category's rules for the wire."""


class Event:
    """Base of all event kinds. Immutable; checked when created.

    A kind is one class. `__slots__` are the arguments of its `__init__`, in the same order, in which the journal keeps
    them. A kind that a game repeats has a static method `key_of`, which makes the key from the call's arguments; the
    property `key` calls it with the event's own values, so that call and event agree.

    Attributes:
        code: The kind's number in the journal; never used for another kind.
        category: The category on the wire.
        wire_fields: The server's rules for the fields that `wire` returns and the writer adds.
        wire_rules: The document's rules about several of them.
        told_by: The fields that distinguish events of the category, the most general first. A destination or a page
            that does not know the category shows them.
        variants: The values of the first part of the first such field, if those are few.
        summed: The fields that a destination may add up; the first one is the event's amount.
        wanted_by: The attribute of a destination that is true if it wants these events; "" if all get them.
        is_counted: Repeats take the slow path because `SliceWriter._take` has a case for this kind.
        number_name: The attribute in which events of one key differ, "" if there is none.
        number_field: The same on the wire, where it may have another sign.
        number_rule: The rule for that number; `None` if there is none.
        least: The lowest number that a repeat may have; if it is more than `-EXACT`, a repeat must have one. It is the
            same bound as in `number_rule`, for the quick path: the rule takes `least` and refuses what is below it.
    """

    __slots__: tuple[str, ...] = ()
    code: ClassVar[int] = 0
    category: ClassVar[str] = ""
    wire_fields: ClassVar[Mapping[str, Field]] = {}
    wire_rules: ClassVar[tuple[EventRule, ...]] = ()
    told_by: ClassVar[tuple[str, ...]] = ("event_id",)
    variants: ClassVar[tuple[str, ...]] = ()
    summed: ClassVar[tuple[str, ...]] = ()
    wanted_by: ClassVar[str] = ""
    is_counted: ClassVar[bool] = False
    number_name: ClassVar[str] = ""
    number_field: ClassVar[str] = ""
    number_rule: ClassVar[Integer | Number | None] = None
    least: ClassVar[float] = -EXACT

    def __init_subclass__(cls) -> None:
        if cls.code < 1 or cls.code in KIND_BY_CODE:
            raise TypeError(f"{cls.__name__}: the code {cls.code} is no number, or another kind's")
        KIND_BY_CODE[cls.code] = cls
        KIND_BY_CATEGORY.setdefault(cls.category, cls)

    @property
    def key(self) -> Key | None:
        """Return what repeats of this event have in common; `None` if the kind is not repeated."""
        return None

    @property
    def number(self) -> float | None:
        """Return the number in which repeats of this event differ."""
        return getattr(self, self.number_name) if self.number_name else None

    def with_number(self, number: float | None) -> Event:
        """Copy the event with another number, which is not checked."""
        made = object.__new__(type(self))
        for name in self.__slots__:
            setattr(made, name, getattr(self, name))
        if self.number_name:
            setattr(made, self.number_name, number)
        return made

    def values(self) -> tuple[Any, ...]:
        """Return the event as plain values, for the journal."""
        return tuple(one.value if isinstance(one, Enum) else one for one in self._values())

    @classmethod
    def of(cls, *values: Any) -> Event:
        """Make the event of plain values; raises any `Exception` if they are wrong."""
        return cls(*values)

    def check_number(self) -> None:
        """Check the number of an event that `with_number` made; raises `InvalidEvent`."""
        number = self.number
        if self.number_rule is not None and (number is not None or self.least > -EXACT):
            self.number_rule(self.number_name, number)

    def wire(self) -> dict[str, Any]:
        """Return the event's own fields for the JSON, `category` first."""
        raise NotImplementedError

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self._values()}"
