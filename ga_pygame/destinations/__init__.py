"""Where events go. To send them anywhere else, write a `Destination`: four methods without I/O."""

from ga_pygame.destinations.gameanalytics import GameAnalytics
from ga_pygame.exchange import Destination, Host, Outcome, Reply, Request, Situation, Standing, StoredRecord, Verdict

__all__ = [
    "Destination",
    "GameAnalytics",
    "Host",
    "Outcome",
    "Reply",
    "Request",
    "Situation",
    "Standing",
    "StoredRecord",
    "Verdict",
]
