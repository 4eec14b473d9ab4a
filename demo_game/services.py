"""The three services that the demo's events go to, all played by the local collector."""

from __future__ import annotations

from ga_pygame.clients import POGRClient
from ga_pygame.config import SANDBOX_GAME_KEY, SANDBOX_SECRET_KEY
from ga_pygame.destinations import POGR, GameAnalytics, Trophy
from ga_pygame.destinations.trophy import MetricSpec

CLIENT_ID, BUILD_ID = "sky-hopper", "1.0.0"
METRICS: dict[str, MetricSpec] = {
    "progression.complete": "levels-completed",
    "resource.source:coins:pickup": ("coins-collected", "amount"),
    "design:kill:slime": "slimes-stomped",
}


class Services:
    """The destinations and clients; your own game makes them once, with its own keys.

    Args:
        collector: Plays all three services.
    """

    def __init__(self, collector: str) -> None:
        self.trophy = Trophy("app_sky.hopper", metrics=METRICS, interval=5.0)
        self.destinations = [
            GameAnalytics(SANDBOX_GAME_KEY, SANDBOX_SECRET_KEY),
            POGR(CLIENT_ID, BUILD_ID),
            self.trophy,
        ]
        self.pogr = POGRClient(CLIENT_ID, BUILD_ID, collector=collector)
