"""Remote configs as the overlay shows them: a slider for a number, a switch for a flag, a text for anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

from ga_pygame.remote_configs import ConfigsInForce
from ga_pygame.traces import type_name
from ga_pygame.tuning import Tunable

STEPS = 100
"""Steps of a slider from one end to the other, by keyboard."""
MAX_SLIDER_NUMBER = 1e15
"""A number farther from 0, also as an end of a slider, is shown as text: all others are exact."""
_DIGITS = 3
_SWITCH_WORDS = {"true": True, "false": False}


class DialKind(Enum):
    """How a remote config is set."""

    SLIDER = "slider"
    SWITCH = "switch"
    TEXT = "text"


class Dial(NamedTuple):
    """A remote config and how it is set.

    Attributes:
        key: Its key.
        kind: How it is set.
        value: The value that the game has: a number, a bool, or a text.
        least: The lowest number of a slider.
        most: The highest one.
        is_whole: Whether a slider's numbers are whole.
        is_own: Whether the developer sets it; else the service does, or it has its default.
    """

    key: str
    kind: DialKind
    value: Any
    least: float = 0.0
    most: float = 1.0
    is_whole: bool = False
    is_own: bool = False

    @property
    def text(self) -> str:
        """The value as an environment variable would have it."""
        return config_text(self.value)

    @property
    def share(self) -> float:
        """Where the value of a slider is, from 0 to 1."""
        share: float = (self.value - self.least) / (self.most - self.least)
        return min(1.0, max(0.0, share))

    def at(self, share: float) -> str:
        """Return the text of a slider's value at a place from 0 to 1."""
        return self._number(self.least + min(1.0, max(0.0, share)) * (self.most - self.least))

    def stepped(self, steps: int) -> str:
        """Return the text of the value so many steps further; of a switch, of its other position."""
        if self.kind is DialKind.SWITCH:
            return config_text(not self.value)
        step = (self.most - self.least) / STEPS
        return self._number(
            min(self.most, max(self.least, self.value + steps * (max(1.0, step) if self.is_whole else step)))
        )

    def _number(self, value: float) -> str:
        if self.is_whole:
            return str(min(int(self.most), max(int(self.least), round(value))))
        short = float(f"{value:.{_DIGITS}g}")
        return config_text(short if self.least <= short <= self.most else value)


def config_text(value: Any) -> str:
    """Return a value as the text of a remote config."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):  # the game's own default: an object, or a number of thousands of digits
        return type_name(value)


class Dials:
    """The remote configs of the running game. Game thread only.

    Args:
        configs: Those in force.
        set_config: Sets one for this launch; `None` gives it back to the service. Arguments: key, text.
    """

    def __init__(self, configs: ConfigsInForce, set_config: Callable[[str, str | None], None]) -> None:
        self._configs = configs
        self._ranges: dict[str, tuple[float, float]] = {}
        self.set = set_config

    def all(self) -> list[Dial]:
        """Return those that the game is known to read, in its own order, and the others that the service sends."""
        found: dict[str, Tunable] = {}
        for binding in self._configs.bindings:
            for one in binding.tunables():
                found.setdefault(one.name.lower(), one)
        values = {key.lower(): value for key, value in self._configs.values.items()}
        for key, default in (self._configs.asked or {}).copy().items():
            found.setdefault(key.lower(), Tunable(key, _typed(values.get(key.lower()), default), default))
        for key, value in self._configs.values.items():
            found.setdefault(key.lower(), Tunable(key, _guessed(value), _guessed(value)))
        return [self._dial(one) for one in found.values()]

    def as_json(self) -> str:
        """Return all values as a JSON object."""
        return json.dumps({one.key: one.value for one in self.all()}, indent=2, ensure_ascii=False, default=str)

    def _dial(self, one: Tunable) -> Dial:
        is_own, value = self._configs.is_overridden(one.name), one.value
        if type(value) is bool:
            return Dial(one.name, DialKind.SWITCH, value, is_own=is_own)
        if type(value) in (int, float) and type(one.default) in (int, float):
            least, most = self._range(one)
            if all(abs(number) <= MAX_SLIDER_NUMBER for number in (value, one.default, least, most)):  # and no NaN
                return Dial(one.name, DialKind.SLIDER, value, least, most, type(one.default) is int, is_own)
        return Dial(one.name, DialKind.TEXT, config_text(value), is_own=is_own)

    def _range(self, one: Tunable) -> tuple[float, float]:
        """Return the ends of a slider: the bounds of `tunable`, or around the value that it had at first."""
        if one.name not in self._ranges:
            size = 2 * max(abs(one.default), abs(one.value)) or 1
            least = (
                one.least
                if one.least is not None
                else min(0 if one.default >= 0 and one.value >= 0 else -size, one.most or 0)
            )
            most = one.most if one.most is not None else max(size, least + 1)
            self._ranges[one.name] = (least, most) if most > least else (least, least + 1)
        return self._ranges[one.name]


def _guessed(value: Any) -> Any:
    """Return a service's value as what it probably is: services send most of them as text."""
    if not isinstance(value, str):
        return value
    if value.strip().lower() in _SWITCH_WORDS:
        return _SWITCH_WORDS[value.strip().lower()]
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return found if type(found) in (int, float) and abs(found) < float("inf") else value


def _typed(value: Any, default: Any) -> Any:
    """Return a value in the type of the default, if it can be; else the default, which the game uses, too."""
    if value is None:
        return default
    found = _guessed(value)
    if type(default) in (int, float) and type(found) in (int, float):
        try:
            return type(default)(found)
        except OverflowError:  # of hundreds of digits
            return default
    return found if type(found) is type(default) else config_text(value) if isinstance(default, str) else default
