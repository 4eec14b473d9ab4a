"""Chaos: one kind of fault for all requests of games, until it is ended; on the page, or by `collect --chaos`.

    curl -d '{"mode": "offline"}' http://127.0.0.1:8420/_emu/chaos      (`DELETE` ends it)

It shows a developer what a game does with a bad network or service, without unplugging anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ga_pygame.collector.emulators.faults import FAULTY_SERVICES, Fault, FaultError, Faults
from ga_pygame.collector.troubles import Troubles

SLOW_DELAY = 8
"""Seconds before each answer in the mode `slow`; a tracker waits 10 s (`request_timeout`)."""
CLOCK_AHEAD = 7200
"""Seconds that the server's clock is ahead in the mode `skew`."""


class ChaosMode(NamedTuple):
    """A mode.

    Attributes:
        faults: The faults of the services' routes.
        words: What happens to requests, and what a tracker does; a sentence.
    """

    faults: tuple[Fault, ...]
    words: str


def _everywhere(**fields: Any) -> tuple[Fault, ...]:
    return tuple(Fault(service, **fields) for service in FAULTY_SERVICES)


CHAOS_MODES: Mapping[str, ChaosMode] = {
    "offline": ChaosMode(
        _everywhere(drop=True),
        "Connections close without an answer. The game's events wait on its disk and are sent when it is over.",
    ),
    "slow": ChaosMode(
        _everywhere(delay=SLOW_DELAY),
        f"Each answer takes {SLOW_DELAY} s. The game goes on, and quits in shutdown_timeout.",
    ),
    "401": ChaosMode(
        _everywhere(status=401, empty=True),
        "The keys are refused. The session stops sending; its events are kept for the right keys.",
    ),
    "413": ChaosMode(
        tuple(Fault(route, status=413) for route in ("gameanalytics/events", "pogr", "trophy/metrics")),
        "Each batch is too large. Batches are halved; an event that is refused alone is counted as too_large.",
    ),
    "500": ChaosMode(
        _everywhere(status=500),
        "The server fails. Events for a collector are sent again; with a service its documents decide.",
    ),
    "html": ChaosMode(
        _everywhere(invalid=True, processed=False),
        "A login page (200, HTML) answers, as in a hotel's network. Events are kept and sent again.",
    ),
    "truncate": ChaosMode(
        _everywhere(cut=True),
        "Requests are processed, but only half of each answer arrives. Events wait for a whole answer to init.",
    ),
    "skew": ChaosMode(
        _everywhere(skew=CLOCK_AHEAD),
        f"The server's clock is {CLOCK_AHEAD // 3600} hours ahead. Events get its time as soon as init was answered.",
    ),
}
"""The modes by name, in the order of the page."""


class Chaos:
    """The mode in force. All calls come from the loop.

    Args:
        faults: Gets the mode's faults.
        troubles: Says on all views that a mode is in force.

    Attributes:
        mode: Its name; "" for none.
    """

    def __init__(self, faults: Faults, troubles: Troubles) -> None:
        self.mode = ""
        self._faults = faults
        self._troubles = troubles

    @property
    def requests(self) -> int:
        """How many requests the mode has met."""
        return self._faults.met

    def begin(self, mode: str) -> None:
        """Put a mode into force; "" ends the one in force.

        Raises:
            FaultError: There is no such mode.
        """
        if mode and mode not in CHAOS_MODES:
            raise FaultError(f"there is no mode {mode[:40]!r}; there are: {', '.join(CHAOS_MODES)}")
        self.mode, self._faults.met = mode, 0
        self._faults.lasting = CHAOS_MODES[mode].faults if mode else ()
        if not mode:
            self._troubles.clear("chaos")
            return
        words = f"Chaos: {mode}. {CHAOS_MODES[mode].words} End it in the view Chaos."
        self._troubles.tell("chaos", words, calm=True)
