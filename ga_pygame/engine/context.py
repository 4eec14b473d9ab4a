"""What the game says about the player, as mappings that check what is put into them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from typing import NamedTuple

from ga_pygame import rules
from ga_pygame.checks import InvalidEvent
from ga_pygame.diagnostics import Diagnostics, setting
from ga_pygame.events import AS_KEPT, Fields, FieldValue

DimensionTuple = tuple[str | None, str | None, str | None]


class Loaded(NamedTuple):
    """What `Dimensions.load` found.

    Attributes:
        kept: The values of the last launch that are still declared: of what was reported before others were set.
        said: What was set in this launch, by number: it is to be kept now.
    """

    kept: DimensionTuple
    said: Mapping[int, str | None]


class Dimensions:
    """`tracker.dimensions[1] = "ninja"`: the three custom dimensions, kept across launches; `None` clears.

    Args:
        declared: The values that the game declared for each; anything goes for one that is missing.
        changed: Called with all three after a change.
        diagnostics: Takes what is wrong with a call.
    """

    def __init__(
        self,
        declared: Mapping[int, Collection[str]] | None,
        changed: Callable[[DimensionTuple, int], None],
        diagnostics: Diagnostics,
    ) -> None:
        self._values: DimensionTuple = (AS_KEPT, AS_KEPT, AS_KEPT)
        self._said: set[int] = set()
        self._declared = {number: frozenset(names) for number, names in (declared or {}).items()}
        self._changed = changed
        self._diagnostics = diagnostics

    def load(self, values: DimensionTuple) -> Loaded:
        """Take the values of the last launch where none was set in this one, if they are still declared."""
        first, second, third = (
            kept if number not in self._declared or kept in self._declared[number] else None
            for number, kept in enumerate(values, 1)
        )
        kept = (first, second, third)
        first, second, third = (last if own == AS_KEPT else own for own, last in zip(self._values, kept, strict=True))
        self._values = (first, second, third)
        return Loaded(kept, {number: self._values[number - 1] for number in sorted(self._said)})

    @property
    def values(self) -> DimensionTuple:
        """All three."""
        first, second, third = (value or None for value in self._values)
        return first, second, third

    def __getitem__(self, number: int) -> str | None:
        return self._values[number - 1] or None if number in (1, 2, 3) else None

    @setting
    def __setitem__(self, number: int, value: str | None) -> None:
        if number not in (1, 2, 3):
            words = "there are the custom dimensions 1, 2 and 3"
            raise InvalidEvent("dimension", number, words, "REST v2, Custom dimensions", "not_in_range")
        if value is not None:
            field = f"custom_0{number}"
            value = rules.custom_dimension(field, value)
            rules.declared(field, value, self._declared.get(number))
        values = list(self._values)
        values[number - 1] = value
        self._values = (values[0], values[1], values[2])
        self._said.add(number)
        self._changed(self._values, number)

    def __repr__(self) -> str:
        return f"Dimensions{self.values}"


class GlobalFields(MutableMapping[str, FieldValue]):
    """`tracker.fields["seed"] = 1234`: custom fields for every event; an event's own win over them.

    Args:
        changed: Called with a copy after a change.
        diagnostics: Takes what is wrong with a call.
    """

    def __init__(self, changed: Callable[[Fields | None], None], diagnostics: Diagnostics) -> None:
        self._fields: dict[str, FieldValue] = {}
        self._changed = changed
        self._diagnostics = diagnostics

    def __getitem__(self, key: str) -> FieldValue:
        return self._fields[key]

    @setting
    def __setitem__(self, key: str, value: FieldValue) -> None:
        key, value = rules.custom_field(key, value)
        rules.custom_fields("custom_fields", {**self._fields, key: value})
        self._fields[key] = value
        self._tell()

    def __delitem__(self, key: str) -> None:
        del self._fields[key]
        self._tell()

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def _tell(self) -> None:
        self._changed(dict(self._fields) or None)
