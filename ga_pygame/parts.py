"""The parts of a tracker: replaceable classes, and the objects that it has from the beginning.

The classes for delivery are imported when one of them is first made: a tracker that is not started needs none of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ga_pygame import advice, rules
from ga_pygame.announcer import Announcer, Signals
from ga_pygame.areas.consent import ConsentAnswer
from ga_pygame.areas.player import ChosenDimensions
from ga_pygame.areas.player_facts import KnownFacts
from ga_pygame.areas.progression import ProgressionArea
from ga_pygame.clock import SystemClock, new_id
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.engine.crashes import ErrorReports
from ga_pygame.recording.recorder import Recorder
from ga_pygame.records import AS_KEPT, Context
from ga_pygame.remote_configs import ConfigsInForce, Overrides, overrides_of
from ga_pygame.signals import Mailbox

if TYPE_CHECKING:
    from pathlib import Path

    from ga_pygame.clock import Clock
    from ga_pygame.config import Config
    from ga_pygame.delivery.outbox.contract import Outbox
    from ga_pygame.delivery.runner import Runner, Worker
    from ga_pygame.mistakes import GameWatch
    from ga_pygame.protocol import Transport

    Stages = Sequence[Sequence[Worker]]


class MakeOutbox(Protocol):
    """A function that opens an outbox; it never raises."""

    def __call__(
        self,
        path: Path | None,
        destinations: Sequence[str],
        clock: Clock,
        diagnostics: Diagnostics,
        summing: Sequence[str] = (),
    ) -> Outbox: ...


def _outbox(
    path: Path | None, destinations: Sequence[str], clock: Clock, diagnostics: Diagnostics, summing: Sequence[str] = ()
) -> Outbox:
    from ga_pygame.delivery.outbox.failover import FailoverOutbox  # noqa: PLC0415 - sqlite3, 15 ms of imports

    if path is None:
        diagnostics.warn_once("outbox:memory", advice.NO_FOLDER)
    return FailoverOutbox(path, destinations, clock, diagnostics, summing)


def _transport(timeout: float, clock: Clock) -> Transport:
    from ga_pygame.delivery.transport import RequestsTransport  # noqa: PLC0415 - see the module

    return RequestsTransport(timeout, clock)


def _runner(stages: Stages, clock: Clock, diagnostics: Diagnostics) -> Runner:
    from ga_pygame.delivery.runner import ThreadRunner  # noqa: PLC0415 - see the module

    return ThreadRunner(stages, clock, diagnostics)


def _chance() -> float:
    import random  # noqa: PLC0415 - 2 ms that `import ga_pygame` need not cost

    return random.random()  # noqa: S311 - for waits


class Parts(NamedTuple):
    """Functions that make the parts of a tracker or a client; a test replaces some of them.

    Attributes:
        clock: Makes the clock; without arguments.
        new_id: Makes an id, such as a session's.
        chance: Makes a random number from 0 to 1, for the jitter of the backoff.
        outbox: Opens the outbox, where events wait.
        transport: Makes a transport, which carries requests. Its arguments: the longest wait for an answer in
            seconds, and the clock.
        runner: Makes the runner, which calls the workers: on threads, or with `ga_pygame.testing.FrameRunner` in
            `tick()` and `close()`.
        has_window: Returns whether there is a window whose focus is read; without one the tracker knows of the focus by
            events only. `None` asks pygame.
    """

    clock: Callable[[], Clock] = SystemClock
    new_id: Callable[[], str] = new_id
    chance: Callable[[], float] = _chance
    outbox: MakeOutbox = _outbox
    transport: Callable[[float, Clock], Transport] = _transport
    runner: Callable[[Stages, Clock, Diagnostics], Runner] = _runner
    has_window: Callable[[], bool] | None = None


class Core(NamedTuple):
    """The objects that a tracker has from its construction to its end.

    Attributes:
        config: The knobs in force.
        parts: Functions that make further parts.
        clock: The clock of all its parts.
        diagnostics: Counts losses and logs warnings.
        mailbox: Calls functions of workers on the game thread.
        announcer: Fires the tracker's signals.
        recorder: Takes the events.
        watch: Watches a game that is developed, else `None`.
    """

    config: Config
    parts: Parts
    clock: Clock
    diagnostics: Diagnostics
    mailbox: Mailbox
    announcer: Announcer
    recorder: Recorder
    watch: GameWatch | None = None


def core_of(parts: Parts, knobs: Mapping[str, Any], signals: Signals) -> Core:
    """Make the core of a tracker with these knobs and signals. Raises as `Tracker` does for wrong knobs."""
    from ga_pygame import config as knob_table  # noqa: PLC0415 - its dataclass takes 10 ms that an import need not cost

    diagnostics = Diagnostics()
    config = knob_table.load(knobs, os.environ, diagnostics.warn_once)
    diagnostics.strict = config.strict
    clock = parts.clock()
    mailbox = Mailbox(diagnostics.warn_once)
    announcer = Announcer(signals, mailbox)
    diagnostics.on_drop = announcer.dropped
    unknown = (AS_KEPT, AS_KEPT, AS_KEPT)
    context = Context(user_id=config.user_id or "", build=config.build, dimensions=unknown)
    recorder = Recorder(context, clock.monotonic, diagnostics)
    recorder.is_for_children = config.child_directed
    watch = None
    if config.plan is not None or knob_table.is_development(config):
        from ga_pygame import development  # noqa: PLC0415 - only while a game is developed

        watch = development.watch_game(config, recorder, diagnostics, clock.monotonic)
        announcer.explain = watch.origins.refused if watch is not None else None
    return Core(config, parts, clock, diagnostics, mailbox, announcer, recorder, watch)


class Said(NamedTuple):
    """The state behind the areas of a tracker: what the game told it beside events, and remote configs.

    Attributes:
        consent: The player's answer.
        dimensions: The custom dimensions.
        facts: The facts of the player and the device.
        configs: The remote configs in force.
        progression: The area of attempts, with the open one.
        errors: The area of errors, with the limit for a launch.
    """

    consent: ConsentAnswer
    dimensions: ChosenDimensions
    facts: KnownFacts
    configs: ConfigsInForce
    progression: ProgressionArea
    errors: ErrorReports


def _overrides(config: Config, warn_once: Callable[[str, str], None]) -> Overrides:
    """Return the remote configs that a developer's environment sets; a game that was built for players takes none.

    A group of the A/B test is left out without a collector: no service gives the values of a chosen group, and events
    must not name a group whose values are not in force.
    """
    found = overrides_of(os.environ)
    if found == Overrides():
        return found
    from ga_pygame import program  # noqa: PLC0415 - only with overrides

    if program.is_built():
        return Overrides()
    if found.refused:
        warn_once("configs:refused", f"remote configs: of the environment variables are not used: {found.refused}")
    if found.ab_variant_id and not config.collector:
        warn_once("configs:variant", advice.NO_CHOSEN_GROUP)
        found = found._replace(ab_variant_id="")
    return found._replace(refused="")


def annotations_after(config: Config) -> Callable[[Mapping[str, Any], float], Mapping[str, Any]]:
    """Make a function for the fields that events carry once an answer to init is in force. See `protocol.Host`."""
    overrides = _overrides(config, _unsaid)

    def annotations(answer: Mapping[str, Any], now: float) -> Mapping[str, Any]:
        found = ConfigsInForce(_unsaid, overrides)
        found.update(answer, now)
        return found.annotations()

    return annotations


def _unsaid(_cause: str, _message: str) -> None:
    """Log nothing: what is wrong with an answer is said where it comes into force."""


def said_to(core: Core) -> Said:
    """Make the state behind the areas of a new tracker."""
    config, diagnostics, recorder = core.config, core.diagnostics, core.recorder
    attempts = core.watch.attempts if core.watch is not None else None
    return Said(
        ConsentAnswer(is_required=config.consent == rules.ASK),
        ChosenDimensions(config.dimension_values),
        KnownFacts(is_for_children=config.child_directed),
        ConfigsInForce(diagnostics.warn_once, _overrides(config, diagnostics.warn_once)),
        ProgressionArea(recorder.post, diagnostics, recorder.inbox.repeat, attempts),
        ErrorReports(recorder.post, diagnostics, with_texts=not config.child_directed),
    )
