"""What the overlay shows: the state of tracker, session, destinations and remote configs at one moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ga_pygame.diagnostics import Stats
from ga_pygame.engine.session import Phase, Session
from ga_pygame.overlay.dials import Dial, Dials
from ga_pygame.overlay.latest import LatestEvents, SeenEvent


class DestinationSight(NamedTuple):
    """A destination.

    Attributes:
        name: Its name.
        delivered: Events that it acknowledged in this launch.
        refused: Events that it refused.
        waiting: About how many events of this launch it does not have yet; `None` if it takes sums.
        trouble: Why its events wait; "" if they are sent.
        has_collector: Whether its events go to a collector instead of the service.
    """

    name: str
    delivered: int
    refused: int
    waiting: int | None
    trouble: str
    has_collector: bool


class Sight(NamedTuple):
    """All that the overlay shows, beside frames.

    Attributes:
        time_of_day: Returns the time of day of an event.
        phase: The session's phase.
        session_id: The running session's id, or the last one's.
        session_num: Its number; 0 if it is not stored yet.
        length: Its seconds of focus.
        level: The open attempt's level; `None` if no attempt is open.
        stats: What became of the events.
        destinations: All destinations; empty without consent.
        dials: The remote configs.
        events: The last events, the newest first.
    """

    time_of_day: Callable[[SeenEvent], str]
    phase: str
    session_id: str
    session_num: int
    length: float
    level: Sequence[str] | None
    stats: Stats
    destinations: Sequence[DestinationSight]
    dials: Sequence[Dial]
    events: Sequence[SeenEvent]


class Sources(NamedTuple):
    """Where the overlay gets its facts. All calls read memory only.

    Attributes:
        monotonic: The clock.
        time_of_day: Returns the time of day of an event, e.g. `18:00:59`.
        session: The session's state machine.
        session_num: Returns a session's number.
        level: Returns the open attempt's level.
        stats: Returns what became of the events.
        troubles: Returns by destination why its events wait.
        summing: Returns the destinations that take sums instead of events.
        redirected: Returns the destinations whose events go to a collector.
        dials: The remote configs.
        latest: The last events.
    """

    monotonic: Callable[[], float]
    time_of_day: Callable[[SeenEvent], str]
    session: Session
    session_num: Callable[[str], int]
    level: Callable[[], Sequence[str] | None]
    stats: Callable[[], Stats]
    troubles: Callable[[], Mapping[str, str]]
    summing: Callable[[], frozenset[str]]
    redirected: Callable[[], frozenset[str]]
    dials: Dials
    latest: LatestEvents


def look_at(sources: Sources, most_events: int) -> Sight:
    """Read everything. Game thread only; costs some 0.1 ms, so it is for an open overlay."""
    refused = sources.latest.refused
    now, state, stats = sources.monotonic(), sources.session.state, sources.stats()
    session_id = state.session.id if state.session is not None else ""
    destinations, summing, redirected = [], sources.summing(), sources.redirected()
    for name, trouble in sources.troubles().items():
        sent, not_taken = stats.delivered.get(name, 0), refused.get(name, 0)
        waiting = None if name in summing else max(0, stats.stored - sent - not_taken)
        destinations.append(DestinationSight(name, sent, not_taken, waiting, trouble, name in redirected))
    return Sight(
        time_of_day=sources.time_of_day,
        phase=state.phase.value,
        session_id=session_id,
        session_num=sources.session_num(session_id),
        length=state.length(now) if state.phase is not Phase.CLOSED else 0.0,
        level=sources.level(),
        stats=stats,
        destinations=destinations,
        dials=sources.dials.all(),
        events=sources.latest.newest(most_events),
    )
