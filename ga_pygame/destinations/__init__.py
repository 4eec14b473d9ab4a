"""The destinations of events. For another service subclass `Destination`: two methods without I/O."""

from ga_pygame.destinations.gameanalytics import GameAnalytics
from ga_pygame.destinations.json_lines import JsonLines
from ga_pygame.destinations.pogr import POGR
from ga_pygame.destinations.trophy import Trophy
from ga_pygame.protocol import (
    Answered,
    Destination,
    Host,
    Outcome,
    Reply,
    Request,
    Situation,
    Standing,
    StoredRecord,
    SummingDestination,
    Transport,
    Verdict,
)

__all__ = [
    "POGR",
    "Answered",
    "Destination",
    "GameAnalytics",
    "Host",
    "JsonLines",
    "Outcome",
    "Reply",
    "Request",
    "Situation",
    "Standing",
    "StoredRecord",
    "SummingDestination",
    "Transport",
    "Trophy",
    "Verdict",
]
