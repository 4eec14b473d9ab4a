"""Puts the overlay together from the parts of a running tracker; imported only while a game is developed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from ga_pygame.clock import time_of_day
from ga_pygame.overlay.dials import Dials
from ga_pygame.overlay.latest import LatestEvents
from ga_pygame.overlay.overlay import Overlay
from ga_pygame.overlay.sight import Sources

if TYPE_CHECKING:
    from ga_pygame.engine.session import Session
    from ga_pygame.parts import Core, Said
    from ga_pygame.records import Record, Repeated


class Delivers(Protocol):
    """What stores and sends events; see `wiring.Delivery`.

    Attributes:
        summing: The names of the destinations that take sums instead of events.
        redirected: The names of those whose events go to a collector instead of the service.
    """

    summing: frozenset[str]
    redirected: frozenset[str]

    def troubles(self) -> Mapping[str, str]:
        """Return by destination why its events wait."""
        ...

    def session_num(self, session_id: str) -> int:
        """Return a session's number."""
        ...


class DevelopersView:
    """The overlay, and the ways of events to it.

    Args:
        core: The tracker's parts.
        said: What the game has told the tracker.
        session: The session's state machine.
        delivery: Returns what stores and sends; `None` without consent.
        set_config: Sets a remote config.

    Attributes:
        overlay: The overlay.
    """

    def __init__(
        self,
        core: Core,
        said: Said,
        session: Session,
        *,
        delivery: Callable[[], Delivers | None],
        set_config: Callable[[str, str | None], None],
    ) -> None:
        self._delivery = delivery
        self._latest = latest = LatestEvents(core.clock.monotonic)
        said.configs.asked = {}
        core.announcer.signals.event_dropped.connect(latest.lose)
        core.announcer.signals.event_rejected.connect(latest.refuse)
        sources = Sources(
            monotonic=core.clock.monotonic,
            time_of_day=lambda event: time_of_day(core.clock.wall(event.at)),
            session=session,
            session_num=self._session_num,
            level=lambda: said.progression.current,
            stats=lambda: core.diagnostics.stats(core.recorder.waiting),
            troubles=self._troubles,
            summing=self._summing,
            redirected=self._redirected,
            dials=Dials(said.configs, set_config),
            latest=latest,
        )
        key = core.config.overlay_key
        self.overlay = Overlay(sources, clock=core.clock, diagnostics=core.diagnostics, key_name=key)

    def take(self, items: Sequence[Record | Repeated]) -> None:
        """Show these events. The writer's thread."""
        self._latest.take(items)

    def _troubles(self) -> Mapping[str, str]:
        delivery = self._delivery()
        return {} if delivery is None else delivery.troubles()

    def _summing(self) -> frozenset[str]:
        delivery = self._delivery()
        return frozenset() if delivery is None else delivery.summing

    def _redirected(self) -> frozenset[str]:
        delivery = self._delivery()
        return frozenset() if delivery is None else delivery.redirected

    def _session_num(self, session_id: str) -> int:
        delivery = self._delivery()
        return 0 if delivery is None else delivery.session_num(session_id)
