"""What a tracker is made of: classes, of which a test puts in others, and the objects that it has from the beginning.

The classes of a desktop are loaded when one of them is made: a tracker that is not started needs none of what delivers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ga_pygame.announcer import Announcer, Signals
from ga_pygame.areas.consent import ConsentAnswer
from ga_pygame.areas.player import ChosenDimensions
from ga_pygame.areas.progression import ProgressionArea
from ga_pygame.clock import SystemClock, new_id
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.engine.crashes import ErrorReports
from ga_pygame.recording.recorder import Recorder
from ga_pygame.records import AS_KEPT, Context
from ga_pygame.remote_configs import ConfigsInForce
from ga_pygame.signals import Mailbox

if TYPE_CHECKING:
    from pathlib import Path

    from ga_pygame.clock import Clock
    from ga_pygame.config import Config
    from ga_pygame.delivery.outbox.contract import Outbox
    from ga_pygame.delivery.runner import Runner, Worker
    from ga_pygame.protocol import Transport

    Stages = Sequence[Sequence[Worker]]


class MakeOutbox(Protocol):
    """Opens an outbox; never raises."""

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
    """The classes that a tracker or a client is made of, each as a function that makes one.

    Attributes:
        clock: The time, without arguments.
        new_id: An id, such as a session's.
        chance: A random number from 0 to 1, for the waits after failures.
        outbox: Where events wait.
        transport: Carries requests; of the longest wait for an answer in seconds, and the clock.
        runner: Calls the workers: threads, or `ga_pygame.testing.FrameRunner` for the frame.
    """

    clock: Callable[[], Clock] = SystemClock
    new_id: Callable[[], str] = new_id
    chance: Callable[[], float] = _chance
    outbox: MakeOutbox = _outbox
    transport: Callable[[float, Clock], Transport] = _transport
    runner: Callable[[Stages, Clock, Diagnostics], Runner] = _runner


class Core(NamedTuple):
    """What a tracker has from the moment it is made, and keeps when it ends.

    Attributes:
        config: The knobs.
        parts: What else is to be made.
        clock: The time of all that it does.
        diagnostics: Counts what is lost, says what is wrong.
        mailbox: Has something called on the game thread.
        announcer: Turns what happens into signals.
        recorder: Takes the events.
    """

    config: Config
    parts: Parts
    clock: Clock
    diagnostics: Diagnostics
    mailbox: Mailbox
    announcer: Announcer
    recorder: Recorder


def core_of(parts: Parts, knobs: Mapping[str, Any], signals: Signals) -> Core:
    """Make what a tracker with these knobs and signals has. Raises as `Tracker` for wrong knobs."""
    from ga_pygame import config as knob_table  # noqa: PLC0415 - its dataclass takes 10 ms that an import need not cost

    diagnostics = Diagnostics()
    config = knob_table.load(knobs, os.environ, diagnostics.warn_once)
    diagnostics.strict = config.strict
    clock = parts.clock()
    mailbox = Mailbox(diagnostics.warn_once)
    announcer = Announcer(signals, mailbox.notify)
    diagnostics.on_drop = announcer.dropped
    unknown = (AS_KEPT, AS_KEPT, AS_KEPT)
    context = Context(user_id=config.user_id or "", build=config.build, dimensions=unknown)
    recorder = Recorder(context, clock.monotonic, diagnostics)
    return Core(config, parts, clock, diagnostics, mailbox, announcer, recorder)


class Said(NamedTuple):
    """What a game says beside its events, and what it is told: what the areas of a tracker know.

    Attributes:
        consent: The player's word on being recorded.
        dimensions: Which of them are set.
        configs: Remote configs in force.
        progression: Has the open attempt.
        errors: Has the limit of errors.
    """

    consent: ConsentAnswer
    dimensions: ChosenDimensions
    configs: ConfigsInForce
    progression: ProgressionArea
    errors: ErrorReports


def said_to(core: Core) -> Said:
    """Begin to note what a game says to a tracker."""
    config, diagnostics, recorder = core.config, core.diagnostics, core.recorder
    return Said(
        ConsentAnswer(is_required=config.consent_required),
        ChosenDimensions(config.dimension_values),
        ConfigsInForce(diagnostics.warn_once),
        ProgressionArea(recorder.post, diagnostics, recorder.inbox.repeat),
        ErrorReports(recorder.post, diagnostics),
    )
