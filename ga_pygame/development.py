"""What watches a game while it is developed: each watcher looks at events that are not repeats, and at changes.

A game that was built for players has none of it, and a repeat of an event, which is one row, is never looked at.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ga_pygame import config as knob_table
from ga_pygame import program
from ga_pygame.diagnostics import Diagnostics, game_call
from ga_pygame.dynamic_ids import DynamicIds
from ga_pygame.engine.map_pictures import MapPictures
from ga_pygame.events import Business, Design, Progression, Resource, Status, WalletChange
from ga_pygame.map_files import map_folder
from ga_pygame.mistakes import AttemptWatch, EventOrigins, FlowWatch, GameWatch
from ga_pygame.plan import PLAN_DIMENSIONS, PlanError, TrackingPlan, find_plan, read_plan

if TYPE_CHECKING:
    from ga_pygame.config import Config
    from ga_pygame.kinds import Event
    from ga_pygame.recording.recorder import Recorder

    LookAtEvent = Callable[[Event], None]

MAX_UNDECLARED = 100
"""Different names that are told to be missing in the plan; further ones are not compared with it."""


def watch_game(
    config: Config, recorder: Recorder, diagnostics: Diagnostics, monotonic: Callable[[], float]
) -> GameWatch | None:
    """Have the recorder's events and changes looked at, as far as the game is developed or has a plan.

    Returns the other watchers; `None` if the game is not developed.
    """
    looks: list[LookAtEvent] = []
    plan = _plan_of(config, diagnostics)
    found: GameWatch | None = None
    if knob_table.is_development(config):
        place = game_call()
        origins = EventOrigins(place, _KnownNames(plan).of, diagnostics)
        maps = MapPictures(_folder_of_maps(config), diagnostics)
        attempts, flows = AttemptWatch(monotonic, diagnostics), FlowWatch(monotonic, diagnostics)
        found = GameWatch(place, attempts, flows, origins, maps)
        looks += [DynamicIds(diagnostics).look, origins.look]
    if plan is not None:
        watch = PlanWatch(plan, diagnostics)
        looks.append(watch.look)
        recorder.look_at_change = watch.look_at_change
    if looks:
        recorder.look = looks[0] if len(looks) == 1 else _all_of(looks)
    return found


def _folder_of_maps(config: Config) -> Path | None:
    key, _ = knob_table.game_keys(config) or (knob_table.NO_KEYS, "")
    shared = knob_table.shared_folder(config, key)
    return None if shared is None else map_folder(shared.parent, key)


class _KnownNames(NamedTuple):
    plan: TrackingPlan | None

    def of(self, category: str) -> Iterator[str]:
        """Yield the declared names of a category's events, as they are on the wire."""
        names = self.plan.names if self.plan is not None else {}
        if category == "design":
            yield from names.get("design", {})
        elif category == "progression":
            yield from (f"{step.value}:{level}" for step in Status for level in names.get("levels", {}))
        elif category == "business":
            yield from names.get("items", {})


def _all_of(looks: Sequence[LookAtEvent]) -> LookAtEvent:
    def look(event: Event) -> None:
        for one in looks:
            one(event)

    return look


def _plan_of(config: Config, diagnostics: Diagnostics) -> TrackingPlan | None:
    """Read the game's plan; `None` if there is none, if it cannot be used, or in a game that was built for players."""
    if program.is_built() or (config.plan is None and not knob_table.is_development(config)):
        return None
    path = find_plan(None if config.plan is None else os.fspath(config.plan))
    if path is None:
        return None
    try:
        return read_plan(path)
    except PlanError as error:
        diagnostics.warn_once("plan", f"{error}. Nothing is compared with the plan; the events are recorded")
        return None


class PlanWatch:
    """Compares what a game reports with its plan; nothing is dropped. Any thread.

    Args:
        plan: The plan.
        diagnostics: Logs what is not declared, each name once, with the line of the game.
    """

    def __init__(self, plan: TrackingPlan, diagnostics: Diagnostics) -> None:
        self._plan = plan
        self._diagnostics = diagnostics
        self._told: set[tuple[str, str]] = set()

    def look(self, event: Event) -> None:
        """Look at an event that is not a repeat."""
        for section, name in names_of(event):
            self._compare(section, name)

    def look_at_change(self, changes: Mapping[str, Any]) -> None:
        """Look at a change of the context: values of dimensions."""
        for section, value in zip(PLAN_DIMENSIONS, changes.get("dimensions", ()), strict=False):
            if type(value) is str and value:
                self._compare(section, value)

    def _compare(self, section: str, name: str) -> None:
        if self._plan.is_declared(section, name) or (section, name) in self._told:
            return
        if len(self._told) >= MAX_UNDECLARED:
            return
        self._told.add((section, name))
        complaint = self._plan.complaint(section, name)
        self._diagnostics.warn_once(f"plan:{section}:{name}", f"{game_call()}: {complaint} (the event is recorded)")


def names_of(event: Event) -> Iterator[tuple[str, str]]:
    """Yield the names of an event that a plan declares, each with its section."""
    if isinstance(event, Design):
        yield "design", event.event_id
    elif isinstance(event, Progression):
        yield "levels", ":".join(event.levels)
    elif isinstance(event, Business):
        yield "items", f"{event.item_type}:{event.item_id}"
    elif isinstance(event, Resource | WalletChange):
        flow = event.change if isinstance(event, WalletChange) else event
        yield "currencies", flow.currency
        yield "items", f"{flow.item_type}:{flow.item_id}"
