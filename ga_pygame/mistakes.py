"""Watchers for mistakes that no rule refuses, while a game is developed: each is said once, with the game's line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ga_pygame.diagnostics import Diagnostics, Drop, game_call
from ga_pygame.events import Flow, WalletChange
from ga_pygame.similar import did_you_mean

if TYPE_CHECKING:
    from ga_pygame.events import Fields
    from ga_pygame.kinds import Event, Key
    from ga_pygame.records import Repeat

MAX_ORIGINS = 4096
"""Different events whose lines are remembered; a refusal of another one is told without a line."""
MAX_ORIGIN_NAME = 200
"""Characters of an event's name by which its line is found, and which a message shows."""
MAX_REFUSAL_SHOWN = 400
"""Characters of a server's reasons in a message."""
AGAIN_SECONDS = 0.1
"""No player begins the same level twice within this time."""
SPAM_FLOWS = 30
"""Events of one flow of a currency within `SPAM_SECONDS` for which a wallet is proposed."""
SPAM_SECONDS = 10.0
"""A wallet sends the sum of this time. Source: REST v2, Resource, which asks not to send an event for each coin."""
MAX_WATCHED_FLOWS = 256
"""Flows that are counted at the same time."""
_NAMING_FIELDS = ("event_id", "message", "ad_placement", "ad_network_name")
"""The fields of which the first that an event has names it."""


class EventOrigins:
    """Remembers the lines that first reported events, and tells them when a server refuses one. Any thread.

    Args:
        made_at: The line that made the tracker, which gave it what all events carry.
        known: Returns the names that are declared, by category of event.
        diagnostics: Logs the refusals, each once.
    """

    def __init__(self, made_at: str, known: Callable[[str], Iterable[str]], diagnostics: Diagnostics) -> None:
        self._made_at = made_at
        self._known = known
        self._diagnostics = diagnostics
        self._lines: dict[tuple[str, str], str] = {}
        diagnostics.explained.add(Drop.REJECTED)  # `refused` says more than the general message

    def look(self, event: Event) -> None:
        """Remember the line of an event that is not a repeat."""
        key = _category_and_name(event.change.wire() if isinstance(event, WalletChange) else event.wire())
        if key not in self._lines and len(self._lines) < MAX_ORIGINS:
            self._lines[key] = game_call()

    def refused(self, destination: str, event: Mapping[str, Any], errors: str) -> None:
        """Tell that a server refused an event."""
        category, name = _category_and_name(event)
        place = self._lines.get((category, name))
        where = f"{place}: " if place else f"{self._made_at} made the tracker: "
        meant = did_you_mean(name, self._known(category)) if name else ""
        what = f"{category} event {name!r}" if name else f"{category} event"
        reasons = errors[:MAX_REFUSAL_SHOWN]
        self._diagnostics.warn_once(
            f"refused:{destination}:{category}:{name}:{reasons}",
            f"{where}{destination} refused the {what}: {reasons!r}.{meant} Connect to event_rejected for all of it",
        )


def _category_and_name(event: Mapping[str, Any]) -> tuple[str, str]:
    name = next((value for field in _NAMING_FIELDS if isinstance(value := event.get(field), str)), "")
    return str(event.get("category")), name[:MAX_ORIGIN_NAME]


class AttemptWatch:
    """Watches the order of attempts' steps. Game thread.

    Args:
        monotonic: The clock.
        diagnostics: Logs the warnings.
    """

    def __init__(self, monotonic: Callable[[], float], diagnostics: Diagnostics) -> None:
        self._monotonic = monotonic
        self._diagnostics = diagnostics
        self._started_at = float("-inf")

    def started(self, level: tuple[str, ...], before: tuple[str, ...] | None) -> None:
        """Look at a Start; `before` is the level of the attempt that it found open."""
        now = self._monotonic()
        passed, self._started_at = now - self._started_at, now
        if level == before and passed < AGAIN_SECONDS:
            self._diagnostics.warn_once(
                "attempt:again",
                f"{game_call()}: {':'.join(level)!r} starts again {passed * 1000:.0f} ms after its start, so that its"
                " attempt counts as failed: call start() once, when the player begins the level, and not in each frame",
            )

    def ended_alone(self, level: tuple[str, ...]) -> None:
        """Look at a Fail or Complete while no attempt is open."""
        self._diagnostics.warn_once(
            f"attempt:alone:{game_call()}",
            f"{game_call()}: the attempt at {':'.join(level)!r} ends, and none was started: call"
            " progression.start() when the player begins the level, else it has no time and the level no starts",
        )


class FlowWatch:
    """Counts the events of each flow of a currency, and proposes a wallet if they are many. Any thread.

    Args:
        monotonic: The clock.
        diagnostics: Logs the proposals, one for each currency.
    """

    def __init__(self, monotonic: Callable[[], float], diagnostics: Diagnostics) -> None:
        self._monotonic = monotonic
        self._diagnostics = diagnostics
        self._counts: dict[Key, tuple[float, int]] = {}

    def counted(self, repeat: Repeat) -> Repeat:
        """Return a function as `repeat` that also counts."""

        def count(key: Key, number: float | None, least: float = 0.0, fields: Fields | None = None) -> bool:
            is_known = repeat(key, number, least, fields)
            # What is not known yet may have arguments of any type, which the event refuses.
            if type(key) is tuple and (is_known or all(type(part) is str for part in key)):
                self._count(key)
            return is_known

        return count

    def _count(self, key: tuple[Any, ...]) -> None:
        now = self._monotonic()
        began, number = self._counts.get(key, (now, 0))
        if now - began > SPAM_SECONDS:
            began, number = now, 0
        if number == 0 and len(self._counts) >= MAX_WATCHED_FLOWS:
            self._counts.clear()
        self._counts[key] = began, number + 1
        if number + 1 == SPAM_FLOWS:
            self._propose(*key)

    def _propose(self, flow: str, currency: str, item_type: str, item_id: str) -> None:
        call = "earn" if flow == Flow.SOURCE.value else "spend"
        self._diagnostics.warn_once(
            f"spam:{currency}",
            f"{game_call()}: {SPAM_FLOWS} events of {currency!r} within {SPAM_SECONDS:.0f} s. GameAnalytics asks not to"
            f" send an event for each coin; a wallet sends their sum: wallet = tracker.wallet({currency!r}), then"
            f" wallet.{call}(amount, {item_type!r}, {item_id!r})",
        )


class KeepsPictures(Protocol):
    """What `engine.map_pictures.MapPictures` does: a worker that takes pictures."""

    name: str

    def take(self, surface: Any, name: str) -> None:
        """Take a copy of a surface."""
        ...

    def step(self, now: float) -> float | None:
        """Write the next picture."""
        ...

    def finish(self) -> None:
        """Write what waits."""
        ...


class GameWatch(NamedTuple):
    """The watchers of a game that is developed, beside those of the recorder.

    Attributes:
        made_at: The line that made the tracker.
        attempts: Watches attempts.
        flows: Watches flows of currencies.
        origins: Knows the lines of events.
        maps: Keeps pictures of levels; a worker.
    """

    made_at: str
    attempts: AttemptWatch
    flows: FlowWatch
    origins: EventOrigins
    maps: KeepsPictures
