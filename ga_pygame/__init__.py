"""Game analytics for pygame-ce: three lines in your game, and your events on your own screen in a minute."""

from ga_pygame.checks import InvalidEvent
from ga_pygame.config import Config
from ga_pygame.diagnostics import Drop, Stats
from ga_pygame.engine.consent import ConsentState
from ga_pygame.events import Flow, Severity, Status
from ga_pygame.signals import Response, Signal
from ga_pygame.tracker import FlushResult, Tracker

__version__ = "0.1.0"

__all__ = [
    "Config",
    "ConsentState",
    "Drop",
    "Flow",
    "FlushResult",
    "InvalidEvent",
    "Response",
    "Severity",
    "Signal",
    "Stats",
    "Status",
    "Tracker",
    "__version__",
]
