"""Dataclasses whose fields follow the remote configs."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

import pytest

import ga_pygame
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.remote_configs import ConfigsInForce, RemoteConfigs

NOW = 1_700_000_000.0


@dataclass
class Tuning:
    """Values of a game."""

    gravity: float = ga_pygame.tunable(80.0, least=0, most=200)
    lives: int = ga_pygame.tunable(3, least=1)
    title: str = "Hop"
    is_hard: bool = False
    waves: list[int] = ga_pygame.tunable([1, 2])
    speed: float = ga_pygame.tunable(2.0, most=9)


@dataclass(frozen=True)
class Frozen:
    """The same of a frozen class."""

    lives: int = 3


@dataclass
class Nested:
    """A default with lists in it."""

    shop: dict[str, list[int]] = ga_pygame.tunable({"axe": [1]})


def game() -> tuple[RemoteConfigs, Any]:
    """Return the area, and a function with which the service sends values."""
    diagnostics = Diagnostics()
    found = ConfigsInForce(diagnostics.warn_once)

    def send(**values: object) -> None:
        found.update({"configs": [{"key": key, "value": value} for key, value in values.items()]}, NOW)

    return RemoteConfigs(found, diagnostics), send


def test_fields_follow_the_service() -> None:
    """From the values in force when it is bound to those of each later answer; what is not sent has its default."""
    configs, send = game()
    send(gravity="40", waves="[5]", unknown="1")
    tuning, frozen = configs.bind(Tuning), configs.bind(Frozen)
    assert tuning == Tuning(gravity=40.0, waves=[5])
    tuning.waves.append(6)
    send(lives="5", title="Jump", is_hard="true", gravity=0)
    assert tuning == Tuning(gravity=0.0, lives=5, title="Jump", is_hard=True)
    assert (frozen.lives, type(tuning.gravity)) == (5, float)
    send()
    assert tuning == Tuning()
    assert Tuning().waves == [1, 2]


def test_a_game_that_changes_a_list_changes_no_default() -> None:
    """A default that the game got is a copy, also deep inside: it comes back when the service sends nothing."""
    configs, send = game()
    tuning, nested = configs.bind(Tuning), configs.bind(Nested)
    tuning.waves.append(3)
    nested.shop["axe"].append(9)
    send(waves="[5]", shop="{}")
    assert (tuning.waves, nested.shop) == ([5], {})
    send()
    assert (tuning.waves, nested.shop, Nested().shop) == ([1, 2], {"axe": [1]}, {"axe": [1]})
    nested.shop["axe"].append(9)
    assert Nested().shop == {"axe": [1]}


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"gravity": "201"}, "'gravity' is 201.0, not from 0 to 200"),
        ({"gravity": "-0.1"}, "'gravity' is -0.1, not from 0 to 200"),
        ({"lives": "0"}, "'lives' is 0, not at least 1"),
        ({"speed": "9.5"}, "'speed' is 9.5, not at most 9"),
        ({"lives": "many"}, "'lives' is no int"),
        ({"is_hard": "maybe"}, "'is_hard' is no bool"),
        ({"waves": "7"}, "'waves' is no list"),
    ],
)
def test_a_wrong_value_gives_the_default(sent: dict[str, str], said: str, caplog: pytest.LogCaptureFixture) -> None:
    """And one line in the log, with the line of the code that bound it."""
    configs, send = game()
    line = inspect.getframeinfo(inspect.currentframe()).lineno + 1  # type: ignore[arg-type]  # CPython has frames
    tuning = configs.bind(Tuning)
    send(**sent, title="Jump")
    send(**sent)
    assert tuning == Tuning()
    assert len(caplog.records) == 1
    assert caplog.records[0].getMessage().startswith(f"{__file__}:{line}: remote config {said}")


@dataclass
class Required:
    """A field has no default."""

    lives: int


@dataclass
class Odd:
    """A default is of a type that no config has."""

    lives: Any = field(default_factory=set)


@dataclass
class Bounded:
    """A text has bounds."""

    lives: str = ga_pygame.tunable("3", least=1)


@dataclass
class Lettered:
    """A bound is a text."""

    lives: int = ga_pygame.tunable(3, least="1")  # type: ignore[arg-type]  # wrong on purpose


@dataclass
class Outside:
    """A default is out of its bounds."""

    lives: int = ga_pygame.tunable(5, most=3)


@dataclass
class Unset:
    """A field is set by nobody."""

    lives: int = field(init=False)


class Plain:
    """No dataclass."""


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Required, "needs a default for each field"),
        (Odd, "lives needs a default that is"),
        (Bounded, "lives has bounds, which only an int or a float may have"),
        (Lettered, "lives needs bounds that are an int or a float"),
        (Outside, "lives has the default 5, not at most 3; change the default or the bounds"),
        (Unset, "lives needs a default that is"),
        (Plain, "must be a dataclass"),
        (Tuning(), "must be a dataclass"),
        (None, "must be a dataclass"),
    ],
)
def test_a_wrong_class_is_said_and_stops_nothing(kind: Any, said: str, caplog: pytest.LogCaptureFixture) -> None:
    """The game gets an object of it, if one can be made, with the defaults."""
    configs, send = game()
    bound = configs.bind(kind)
    assert bound is None or isinstance(bound, kind)
    assert (bound is not None) is (isinstance(kind, type) and kind is not Required)
    assert said in caplog.text
    assert "Please report" not in caplog.text
    send(lives="5")
