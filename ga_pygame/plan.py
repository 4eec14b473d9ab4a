"""The tracking plan: which levels, currencies, items, design ids and values of dimensions a game means to report.

A plan is a file, `events.toml`, that people read: each declared name has a line that says what it means. In a name
`*` stands for one whole part: `kill:*`. A section that is left out is not checked.

    [levels]
    "forest:level_1" = "the first level"
    [currencies]
    gold = "found in chests"
    [items]
    "boost:shield" = "lasts for one level"
    [design]
    "kill:*" = "a monster died; the part is its kind"
    [dimensions.custom_01]
    ninja = "the hero that the player chose"
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ga_pygame import rules
from ga_pygame.checks import InvalidEvent
from ga_pygame.similar import nearest

PLAN_FILE = "events.toml"
"""The name under which a plan is found beside a game."""
MAX_PLAN_BYTES = 2**20
"""Bytes of a plan; a larger file is not read."""
MAX_PLAN_NAMES = 10_000
"""Names in a plan; a plan with more is refused."""
ANY_PART = "*"
PLAN_DIMENSIONS = ("custom_01", "custom_02", "custom_03")
_SECTION_NAMES = ("levels", "currencies", "items", "design", "dimensions")


class PlanError(Exception):
    """The plan cannot be used; the message names the file, the place and the fix."""


@dataclass(frozen=True, slots=True)
class TrackingPlan:
    """A plan.

    Attributes:
        file: The name of its file, for messages.
        names: The declared names of each section with their docs; a section that is left out is missing. Sections are
            `levels`, `currencies`, `items`, `design`, `custom_01`, `custom_02`, `custom_03`.
        patterns: The names with `*` of each section.
    """

    file: str
    names: Mapping[str, Mapping[str, str]]
    patterns: Mapping[str, Sequence[re.Pattern[str]]]

    def is_declared(self, section: str, name: str) -> bool:
        """Return whether a name may be reported; true if the plan does not have the section."""
        declared = self.names.get(section)
        if declared is None or name in declared:
            return True
        return any(pattern.fullmatch(name) for pattern in self.patterns[section])

    def complaint(self, section: str, name: str) -> str:
        """Return what is wrong with a name, and the fix; "" if it is declared."""
        if self.is_declared(section, name):
            return ""
        near = nearest(name, self.names[section])
        fix = (
            f"did you mean {near!r}?" if near else f"declare it there, or correct the name ({_examples(self, section)})"
        )
        return f"{name!r} is not declared in {self.file} {heading_of(section)}: {fix}"


def heading_of(section: str) -> str:
    """Return the heading of a section as the file has it."""
    return f"[dimensions.{section}]" if section in PLAN_DIMENSIONS else f"[{section}]"


def _examples(plan: TrackingPlan, section: str) -> str:
    some = [repr(one) for one in list(plan.names[section])[:3]]
    more = ", …" if len(plan.names[section]) > len(some) else ""
    return f"there are: {', '.join(some)}{more}" if some else "the section is empty"


def main_folder() -> Path:
    """Return the folder of the running program; the working folder if it is no file."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(os.path.realpath(file)).parent if isinstance(file, str) and file else Path()


def find_plan(wanted: str | None) -> Path | None:
    """Return the path of a plan: the wanted one, beside the game or in the working folder; else one beside the game.

    Without a wanted one it is `None` if there is none.
    """
    beside = main_folder() / (wanted or PLAN_FILE)
    if wanted is None:
        return beside if beside.is_file() else None
    return beside if beside.is_file() else Path(wanted)


def read_plan(path: Path) -> TrackingPlan:
    """Read a plan.

    Raises:
        PlanError: It cannot be read, is no TOML, or has a section or a name that is wrong.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_PLAN_BYTES + 1)
    except OSError as error:
        raise PlanError(f"the plan {path} cannot be read: {error.strerror}") from error
    if len(raw) > MAX_PLAN_BYTES:
        raise PlanError(f"the plan {path} has more than {MAX_PLAN_BYTES} bytes")
    try:
        found = _toml_loads()(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise PlanError(f"the plan {path} is no TOML: {error}") from error
    return plan_of(found, path.name)


def _toml_loads() -> Callable[[str], dict[str, Any]]:
    for name in ("tomllib", "tomli"):  # the second one is for Python 3.10
        with contextlib.suppress(ModuleNotFoundError):
            loads: Callable[[str], dict[str, Any]] = importlib.import_module(name).loads
            return loads
    raise PlanError("Python 3.10 cannot read TOML: pip install tomli")


def plan_of(found: Mapping[str, Any], file: str) -> TrackingPlan:
    """Make a plan from a decoded file.

    Raises:
        PlanError: A section or a name is wrong.
    """
    names: dict[str, dict[str, str]] = {}
    for section, table in _sections(found, file):
        names[section] = {}
        for name, doc in table.items():
            if not isinstance(doc, str):
                raise PlanError(f"{file} {heading_of(section)}: {name!r} must have a text that says what it means")
            try:
                _CHECKS[section](name.replace(ANY_PART, "x"))
            except InvalidEvent as error:
                raise PlanError(f"{file} {heading_of(section)}: {error}") from error
            names[section][name] = doc
    if sum(map(len, names.values())) > MAX_PLAN_NAMES:
        raise PlanError(f"{file} has more than {MAX_PLAN_NAMES} names: declare patterns such as 'kill:*'")
    patterns = {
        section: [_with_any_part(name) for name in table if ANY_PART in name] for section, table in names.items()
    }
    return TrackingPlan(file, names, patterns)


def _sections(found: Mapping[str, Any], file: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for section, table in found.items():
        if section not in _SECTION_NAMES:
            near = nearest(section, _SECTION_NAMES)
            hint = f"did you mean [{near}]?" if near else f"there are: {', '.join(_SECTION_NAMES)}"
            raise PlanError(f"{file}: there is no section [{section}]; {hint}")
        if not isinstance(table, Mapping):
            raise PlanError(f'{file}: [{section}] must be a table of names with docs: "name" = "what it means"')
        if section != "dimensions":
            yield section, table
            continue
        for dimension, values in table.items():
            if dimension not in PLAN_DIMENSIONS or not isinstance(values, Mapping):
                raise PlanError(f"{file}: [dimensions.{dimension}]: there are tables {', '.join(PLAN_DIMENSIONS)}")
            yield dimension, values


def _with_any_part(name: str) -> re.Pattern[str]:
    return re.compile(re.escape(name).replace(re.escape(ANY_PART), "[^:]+"))


def _check_item(name: str) -> None:
    parts = name.split(":")
    if len(parts) != 2:
        raise InvalidEvent("item", name, "is written as type and id: boost:shield", "ours", "wrong_length")
    for part in parts:
        rules.event_part("item", part)


def _check_dimension(name: str) -> None:
    rules.custom_dimension("value", name)


_CHECKS: Mapping[str, Callable[[str], object]] = {
    "levels": lambda name: rules.progression_levels(tuple(name.split(":"))),
    "currencies": lambda name: rules.resource_currency("currency", name),
    "items": _check_item,
    "design": lambda name: rules.design_id("event_id", name),
    **dict.fromkeys(PLAN_DIMENSIONS, _check_dimension),
}
"""The tracker's own rule for the names of each section; `*` counts as a letter."""
