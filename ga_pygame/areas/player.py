"""Custom dimensions and global custom fields: mappings that check each value when it is set."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from itertools import islice
from typing import Any, NamedTuple

from ga_pygame import attributes, rules
from ga_pygame.checks import MISSING, InvalidEvent, exact_text, exact_whole
from ga_pygame.diagnostics import Diagnostics, setting
from ga_pygame.events import Fields, FieldValue
from ga_pygame.records import AS_KEPT, Context
from ga_pygame.traces import pass_on, type_name

DimensionTuple = tuple[str | None, str | None, str | None]


class Loaded(NamedTuple):
    """The result of `ChosenDimensions.load`.

    Attributes:
        kept: The last launch's values that are still declared: for events reported before new values were set.
        said: The values set in this launch, by number; the caller keeps them for the next launch.
    """

    kept: DimensionTuple
    said: Mapping[int, str | None]


class ChosenDimensions:
    """The values of the three custom dimensions, set in this launch or kept from the last; behind `Dimensions`.

    Args:
        declared: The allowed values by dimension number; a dimension that is missing allows any value.

    Attributes:
        declared: As given.
    """

    def __init__(self, declared: Mapping[int, Collection[str]] | None) -> None:
        self.declared = {number: frozenset(names) for number, names in (declared or {}).items()}
        self._values: DimensionTuple = (AS_KEPT, AS_KEPT, AS_KEPT)
        self._said: set[int] = set()

    def load(self, values: DimensionTuple) -> Loaded:
        """Take the last launch's values, if still declared, for the dimensions that were not set in this launch."""
        first, second, third = (
            kept if number not in self.declared or kept in self.declared[number] else None
            for number, kept in enumerate(values, 1)
        )
        kept = (first, second, third)
        first, second, third = (last if own == AS_KEPT else own for own, last in zip(self._values, kept, strict=True))
        self._values = (first, second, third)
        return Loaded(kept, {number: self._values[number - 1] for number in sorted(self._said)})

    def forget_kept(self) -> None:
        """Forget the values of earlier launches; those that the game has set in this one stay."""
        first, second, third = (value if number in self._said else None for number, value in enumerate(self._values, 1))
        self._values = (first, second, third)

    @property
    def known(self) -> DimensionTuple:
        """All three values; `None` for a dimension that is not set or not known yet."""
        first, second, third = (value or None for value in self._values)
        return first, second, third

    def set(self, number: int, value: str | None) -> DimensionTuple:
        """Set one value; return all three, in the form that events carry."""
        values = list(self._values)
        values[number - 1] = value
        self._values = (values[0], values[1], values[2])
        self._said.add(number)
        return self._values


class Dimensions:
    """The three custom dimensions, kept across launches: `tracker.dimensions[1] = "ninja"`; `None` or `del` clears.

    Iteration gives the numbers 1, 2 and 3. `in` is true for these numbers, also of other whole-number types.

    Args:
        found: Holds the values.
        changed: Called after a change with all three values and the number of the dimension that was set.
        diagnostics: Reports wrong calls.
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
        """All three values; `None` for a dimension that is not set."""
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
        """Set all three: a dimension that the mapping does not name is cleared. If a value is wrong, none is set."""
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
    """Return the number of a dimension as an exact `int`; `None` if there is no such dimension."""
    exact = exact_whole(number)
    return exact if exact in _DIMENSIONS else None


class GlobalFields(MutableMapping[str, FieldValue]):
    """Custom fields of every event: `tracker.fields["seed"] = 1234`. An event's own fields win over them.

    Args:
        changed: Called after a change with a copy of all fields, or `None` if there are none.
        diagnostics: Reports wrong calls.
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
        """Set several fields from a mapping or pairs; a field that breaks a rule is left out, counted and reported."""
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
        """Replace all fields; if one of the new fields is wrong, nothing is changed."""
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
    """Return a field's key as an exact `str`, so that no `__hash__` of the game's own type is called."""
    name = exact_text(key)
    if name is None:
        raise KeyError(key)
    return name


def _pairs(given: Any, most: int) -> list[tuple[Any, Any]]:
    """Return the first `most` entries of what `dict.update` takes, which may be an endless generator."""
    try:
        pairs = ((key, given[key]) for key in given.keys()) if hasattr(given, "keys") else given  # noqa: SIM118 - as `dict`
        return [(key, value) for key, value in islice(pairs, most)]
    except Exception as failure:  # noqa: BLE001 - not our code
        pass_on(failure)
        words = f"must be a mapping or pairs; reading it raised {type_name(failure)}"
        raise InvalidEvent("custom_fields", given, words, "ours", "wrong_type", private=True) from None


class OfAllEvents:
    """What is set once and is then on every event of a player: base class of `Tracker` and `ServerPlayer`.

    A subclass sets the three attributes and has the first two methods.
    """

    _diagnostics: Diagnostics
    _dimensions: Dimensions
    _fields: GlobalFields

    def _context_now(self) -> Context:
        """Return the context of the next event."""
        raise NotImplementedError

    def _change(self, **parts: Any) -> None:
        """Replace parts of the context for later events."""
        raise NotImplementedError

    @property
    def external_user_id(self) -> str | None:
        """A second id for the player, of a shop or a login; on every event after it is set."""
        return self._context_now().external_user_id

    @external_user_id.setter
    @setting
    def external_user_id(self, value: str | None) -> None:
        checked = None if value is None else rules.external_user_id("external_user_id", value)
        self._change(external_user_id=checked)

    @property
    def dimensions(self) -> Dimensions:
        """The three custom dimensions: `tracker.dimensions[1] = "ninja"`. Assign a mapping to set all three."""
        return self._dimensions

    @dimensions.setter
    @setting
    def dimensions(self, values: Mapping[int, str | None]) -> None:
        self._dimensions._replace(values)

    @property
    def fields(self) -> GlobalFields:
        """Custom fields of every event: `tracker.fields["seed"] = 1234`. Assign a mapping to replace them all."""
        return self._fields

    @fields.setter
    @setting
    def fields(self, values: Mapping[str, FieldValue]) -> None:
        self._fields._replace(values)
