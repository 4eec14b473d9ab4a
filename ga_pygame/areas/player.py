"""What the game says about the player, as mappings that check what is put into them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from itertools import islice
from typing import Any, NamedTuple

from ga_pygame import attributes, rules
from ga_pygame.checks import MISSING, InvalidEvent, exact_text, exact_whole
from ga_pygame.diagnostics import Diagnostics, setting
from ga_pygame.events import Fields, FieldValue
from ga_pygame.records import AS_KEPT
from ga_pygame.traces import pass_on, type_name

DimensionTuple = tuple[str | None, str | None, str | None]


class Loaded(NamedTuple):
    """What `ChosenDimensions.load` found.

    Attributes:
        kept: The values of the last launch that are still declared: of what was reported before others were set.
        said: What was set in this launch, by number: it is to be kept now.
    """

    kept: DimensionTuple
    said: Mapping[int, str | None]


class ChosenDimensions:
    """The three custom dimensions, set in this launch or kept from an earlier one; what `Dimensions` has inside.

    Args:
        declared: The values that the game declared for each; anything goes for one that is missing.

    Attributes:
        declared: As given.
    """

    def __init__(self, declared: Mapping[int, Collection[str]] | None) -> None:
        self.declared = {number: frozenset(names) for number, names in (declared or {}).items()}
        self._values: DimensionTuple = (AS_KEPT, AS_KEPT, AS_KEPT)
        self._said: set[int] = set()

    def load(self, values: DimensionTuple) -> Loaded:
        """Take the values of the last launch where none was set in this one, if they are still declared."""
        first, second, third = (
            kept if number not in self.declared or kept in self.declared[number] else None
            for number, kept in enumerate(values, 1)
        )
        kept = (first, second, third)
        first, second, third = (last if own == AS_KEPT else own for own, last in zip(self._values, kept, strict=True))
        self._values = (first, second, third)
        return Loaded(kept, {number: self._values[number - 1] for number in sorted(self._said)})

    @property
    def known(self) -> DimensionTuple:
        """All three; `None` where nothing was set or is known yet."""
        first, second, third = (value or None for value in self._values)
        return first, second, third

    def set(self, number: int, value: str | None) -> DimensionTuple:
        """Set one; returns all three, as events are to carry them."""
        values = list(self._values)
        values[number - 1] = value
        self._values = (values[0], values[1], values[2])
        self._said.add(number)
        return self._values


class Dimensions:
    """`tracker.dimensions[1] = "ninja"`: the three custom dimensions, kept across launches; `None` or `del` clears.

    Iteration gives the numbers 1, 2 and 3, of whatever type a game's own are: `in` is true for these.

    Args:
        found: Their values.
        changed: Called with all three after a change, and which it was.
        diagnostics: Takes what is wrong with a call.
    """

    def __init__(
        self, found: ChosenDimensions, changed: Callable[[DimensionTuple, int], None], diagnostics: Diagnostics
    ) -> None:
        self._found = found
        self._changed = changed
        self._diagnostics = diagnostics

    __setattr__ = attributes.only()

    @property
    def values(self) -> DimensionTuple:
        """All three."""
        return self._found.known

    def __getitem__(self, number: int) -> str | None:
        exact = _dimension(number)
        return None if exact is None else self._found.known[exact - 1]

    @setting
    def __setitem__(self, number: int, value: str | None) -> None:
        self._set(*self._checked(number, value))

    @setting
    def __delitem__(self, number: int) -> None:
        self._set(*self._checked(number, None))

    def __contains__(self, number: object) -> bool:
        return _dimension(number) is not None

    def __iter__(self) -> Iterator[int]:
        return iter(_DIMENSIONS)

    def __len__(self) -> int:
        return len(_DIMENSIONS)

    def _checked(self, number: object, value: object) -> tuple[int, str | None]:
        exact = _dimension(number)
        if exact is None:
            words = "there are the custom dimensions 1, 2 and 3"
            raise InvalidEvent("dimension", number, words, "REST v2, Custom dimensions", "not_in_range")
        if value is None:
            return exact, None
        field = f"custom_0{exact}"
        name = rules.custom_dimension(field, value)
        rules.declared(field, name, self._found.declared.get(exact))
        return exact, name

    def _set(self, number: int, value: str | None) -> None:
        self._changed(self._found.set(number, value), number)

    def _replace(self, values: object) -> None:
        """Set all three, of which a mapping names some; nothing is set if one of them is wrong."""
        if values is self:
            return
        if not isinstance(values, Mapping):
            words = 'must be a mapping of the numbers 1 to 3, such as {1: "ninja"}'
            raise InvalidEvent("dimensions", values, words, "ours", "wrong_type", private=True)
        named = dict(self._checked(number, value) for number, value in values.items())
        for number in _DIMENSIONS:
            self._set(number, named.get(number))

    def __repr__(self) -> str:
        return f"Dimensions{self.values}"


_DIMENSIONS = (1, 2, 3)


def _dimension(number: object) -> int | None:
    """The number of a dimension as an `int`; `None` where there is no such dimension."""
    exact = exact_whole(number)
    return exact if exact in _DIMENSIONS else None


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

    __setattr__ = attributes.only()

    def __getitem__(self, key: str) -> FieldValue:
        return self._fields[_name(key)]

    @setting
    def __setitem__(self, key: str, value: FieldValue) -> None:
        key, value = rules.custom_field(key, value)
        rules.custom_fields("custom_fields", {**self._fields, key: value})
        self._fields[key] = value
        self._tell()

    @setting
    def __delitem__(self, key: str) -> None:
        name = exact_text(key)
        if name not in self._fields:
            raise InvalidEvent("custom_fields key", key, "is not set; pop(key, None) needs none", "ours", "no_match")
        del self._fields[name]
        self._tell()

    @setting
    def update(self, other: Any = (), /, **more: Any) -> None:
        """Set several, of a mapping or of pairs; each that breaks a rule is left out, counted and said."""
        most = rules.MAX_CUSTOM_FIELDS
        pairs = _pairs(other, most + 1)
        for key, value in [*pairs[:most], *more.items()]:
            self[key] = value
        if len(pairs) > most:
            words = f"must have at most {most} entries; the others are left out"
            raise InvalidEvent("custom_fields", MISSING, words, "SDK, Custom event fields", "not_in_range")

    def __ior__(self, other: Mapping[str, FieldValue]) -> GlobalFields:
        self.update(other)
        return self

    def _replace(self, fields: object) -> None:
        """Take these instead of the ones before; nothing is changed if one of them is wrong."""
        if fields is not self:
            self._fields = dict(rules.custom_fields("custom_fields", fields))
            self._tell()

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def _tell(self) -> None:
        self._changed(dict(self._fields) or None)


def _name(key: object) -> str:
    """A field's key as a `str`: a foreign `__hash__` is never asked."""
    name = exact_text(key)
    if name is None:
        raise KeyError(key)
    return name


def _pairs(given: Any, most: int) -> list[tuple[Any, Any]]:
    """The first entries of what a dict's `update` takes; it may have no end."""
    try:
        pairs = ((key, given[key]) for key in given.keys()) if hasattr(given, "keys") else given  # noqa: SIM118 - as `dict`
        return [(key, value) for key, value in islice(pairs, most)]
    except Exception as failure:  # noqa: BLE001 - not our code
        pass_on(failure)
        words = f"must be a mapping or pairs; reading it raised {type_name(failure)}"
        raise InvalidEvent("custom_fields", given, words, "ours", "wrong_type", private=True) from None
