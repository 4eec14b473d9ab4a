"""Custom dimensions and global fields."""

from __future__ import annotations

import itertools
from collections import UserDict
from collections.abc import Callable
from enum import Enum
from typing import Any

import pytest

from ga_pygame.areas.player import ChosenDimensions, Dimensions, DimensionTuple, GlobalFields
from ga_pygame.checks import InvalidEvent
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.events import Fields
from ga_pygame.records import AS_KEPT


class Rig:
    """Both mappings and their notifications."""

    def __init__(self, declared: dict[int, list[str]] | None = None, *, strict: bool = True) -> None:
        self.told: list[tuple[DimensionTuple, int]] = []
        self.fields_told: list[Fields | None] = []
        self.diagnostics = Diagnostics(strict=strict)
        self.found = ChosenDimensions(declared)
        self.dimensions = Dimensions(self.found, lambda values, n: self.told.append((values, n)), self.diagnostics)
        self.fields = GlobalFields(self.fields_told.append, self.diagnostics)


def test_dimensions_are_set_and_cleared_each_for_itself() -> None:
    """`dimensions[1] = "ninja"`; `None` clears; each change is told with all three."""
    rig = Rig()
    rig.dimensions[1] = "ninja"
    rig.dimensions[3] = "red"
    rig.dimensions[1] = None
    assert rig.told == [(("ninja", AS_KEPT, AS_KEPT), 1), (("ninja", AS_KEPT, "red"), 3), ((None, AS_KEPT, "red"), 1)]
    assert rig.dimensions[3] == "red"
    assert rig.dimensions[1] is None
    assert rig.dimensions.values == (None, None, "red")
    assert repr(rig.dimensions) == "Dimensions(None, None, 'red')"


@pytest.mark.parametrize(("number", "value"), [(0, "a"), (4, "a"), ("1", "a"), (1, ""), (1, "x" * 33), (1, 5)])
def test_wrong_dimensions_are_refused(number: int, value: str) -> None:
    """There are three, with values of 1 to 32 characters."""
    rig = Rig()
    with pytest.raises(InvalidEvent):
        rig.dimensions[number] = value
    assert rig.told == []


@pytest.mark.requirement("002:dimension-list")
def test_declared_values_are_checked_when_given() -> None:
    """A declared dimension takes its values only; the others take any."""
    rig = Rig({1: ["ninja", "wizard"]})
    rig.dimensions[1] = "wizard"
    rig.dimensions[2] = "anything"
    with pytest.raises(InvalidEvent, match="custom_01 'dwarf': is not declared; declared are: ninja, wizard"):
        rig.dimensions[1] = "dwarf"
    assert rig.dimensions.values == ("wizard", "anything", None)


def test_kept_dimensions_yield_to_new_ones_and_to_the_declared_list() -> None:
    """Kept values fill the dimensions that this launch has not set; one that is no longer declared is forgotten."""
    rig = Rig({2: ["red"]})
    rig.dimensions[1] = "ninja"
    assert rig.found.load(("wizard", "blue", "kept")) == (("wizard", None, "kept"), {1: "ninja"})
    assert rig.dimensions.values == ("ninja", None, "kept")


def test_a_dimension_that_was_cleared_before_the_kept_ones_are_read_stays_cleared() -> None:
    """`None` says that the player has none; that is not the same as saying nothing."""
    rig = Rig()
    rig.dimensions[1] = None
    rig.dimensions[2] = "a"
    rig.dimensions[2] = None
    assert rig.found.load(("wizard", "blue", "kept")).said == {1: None, 2: None}
    assert rig.dimensions.values == (None, None, "kept")


def test_global_fields_are_a_checked_mapping() -> None:
    """They behave as a dict does, and each change is told with a copy of all."""
    rig = Rig()
    rig.fields["seed"] = 1234
    rig.fields.update(mode="hard")
    assert dict(rig.fields) == {"seed": 1234, "mode": "hard"}
    del rig.fields["seed"]
    assert rig.fields.pop("mode") == "hard"
    assert len(rig.fields) == 0
    assert rig.fields_told == [{"seed": 1234}, {"seed": 1234, "mode": "hard"}, {"mode": "hard"}, None]
    with pytest.raises(KeyError):
        rig.fields["gone"]


@pytest.mark.parametrize(("key", "value"), [("a b", 1), ("", 1), ("a", ""), ("a", True), ("a", None), (5, 1)])
def test_wrong_global_fields_are_refused(key: str, value: int) -> None:
    """One wrong field would get every event refused."""
    rig = Rig()
    with pytest.raises(InvalidEvent):
        rig.fields[key] = value
    assert rig.fields_told == []


def test_global_fields_are_at_most_fifty() -> None:
    """The fifty-first is refused; changing one of the fifty is not."""
    rig = Rig(strict=False)
    for number in range(51):
        rig.fields[f"k{number}"] = number
    rig.fields["k0"] = 7
    assert len(rig.fields) == 50
    assert rig.fields["k0"] == 7
    assert rig.diagnostics.stats(0).dropped == {"invalid": 1}


def test_a_wrong_update_is_said_with_the_games_line(caplog: pytest.LogCaptureFixture) -> None:
    """The line is the game's, though the standard library's `update` lies in between."""
    Rig(strict=False).fields.update({"a b": 1})
    assert caplog.records[0].getMessage().startswith(f"{__file__}:")


class Dim(int, Enum):
    """A game's own names for dimensions."""

    CLASS = 1


def test_an_enum_is_the_number_that_it_is() -> None:
    """It is told, and kept for the next launch, as the plain number."""
    rig = Rig()
    rig.dimensions[Dim.CLASS] = "ninja"
    assert rig.dimensions[Dim.CLASS] == rig.dimensions[1] == "ninja"
    assert [type(number) for _, number in rig.told] == [int]
    del rig.dimensions[Dim.CLASS]
    assert rig.told[-1] == ((None, AS_KEPT, AS_KEPT), 1)


@pytest.mark.parametrize("number", [True, 1.0, 2.0, "1", None, [], object()], ids=lambda one: type(one).__name__)
def test_what_is_no_whole_number_is_no_dimension(number: Any) -> None:
    """Reading it is `None`, setting it is refused by name."""
    rig = Rig()
    assert rig.dimensions[number] is None
    assert number not in rig.dimensions
    calls: list[Callable[[], None]] = [
        lambda: rig.dimensions.__setitem__(number, "x"),
        lambda: rig.dimensions.__delitem__(number),
    ]
    for wrong in calls:
        with pytest.raises(InvalidEvent, match="dimensions 1, 2 and 3"):
            wrong()
    assert rig.told == []


def test_dimensions_have_an_end() -> None:
    """Python would ask for one index after the other otherwise."""
    dimensions = Rig().dimensions
    assert list(dimensions) == [1, 2, 3]
    assert len(dimensions) == 3
    assert "ninja" not in dimensions
    assert Dim.CLASS in dimensions


@pytest.mark.parametrize(
    "given",
    [None, 5, "ab", [1], [("a", 1, 2)], object(), {"a": 1}.values(), [()], UserDict[str, Any]],
    ids=lambda one: type(one).__name__,
)
def test_an_update_with_what_has_no_fields_is_refused(given: Any) -> None:
    """And raises nothing outside of strict mode; valid keywords are set all the same."""
    with pytest.raises(InvalidEvent, match="mapping or pairs"):
        Rig().fields.update(given)
    rig = Rig(strict=False)
    rig.fields.update(given)
    assert rig.diagnostics.stats(0).dropped == {"invalid": 1}


@pytest.mark.parametrize(
    "given", [{"a": 1}, [("a", 1)], UserDict({"a": 1}), iter([("a", 1)]), zip("a", [1], strict=True)]
)
def test_an_update_takes_what_a_dicts_does(given: Any) -> None:
    """Mappings, pairs and keywords."""
    rig = Rig()
    rig.fields.update(given, b=2)
    assert dict(rig.fields) == {"a": 1, "b": 2}


def test_an_update_without_an_end_ends() -> None:
    """Fifty are set, the rest is refused."""
    rig = Rig(strict=False)
    rig.fields.update((f"k{number}", number) for number in itertools.count())
    assert len(rig.fields) == 50
    assert rig.diagnostics.stats(0).dropped == {"invalid": 1}


def test_a_key_that_cannot_be_hashed_is_none_of_the_fields() -> None:
    """Looking for it finds nothing; setting it is refused."""
    rig = Rig(strict=False)
    key: Any = []
    assert key not in rig.fields
    assert rig.fields.get(key) is None
    assert rig.fields.pop(key, 5) == 5
    assert rig.fields.setdefault(key, 5) == 5
    assert rig.diagnostics.stats(0).dropped == {"invalid": 1}
