"""Game analytics for pygame-ce: three lines in your game, and your events on your own screen in a minute."""

from typing import TYPE_CHECKING

from ga_pygame.areas.consent import ConsentState
from ga_pygame.checks import InvalidEvent
from ga_pygame.diagnostics import Drop, Stats
from ga_pygame.events import Flow, Severity, Status
from ga_pygame.flushing import FlushResult
from ga_pygame.idle import current
from ga_pygame.signals import Response, Signal
from ga_pygame.tracker import Tracker

if TYPE_CHECKING:
    from ga_pygame.areas.consent_screen import ConsentWords
    from ga_pygame.config import Config
    from ga_pygame.log_handler import LoggingHandler
    from ga_pygame.server.tracker import ServerTracker
    from ga_pygame.tuning import tunable
else:
    _LATER = {
        "Config": "ga_pygame.config",
        "ConsentWords": "ga_pygame.areas.consent_screen",
        "LoggingHandler": "ga_pygame.log_handler",
        "ServerTracker": "ga_pygame.server.tracker",
        "tunable": "ga_pygame.tuning",
    }

    def __getattr__(name: str) -> object:
        """Import a class at its first use: what these import takes 10 ms and more."""
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib  # noqa: PLC0415

        return getattr(importlib.import_module(_LATER[name]), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__version__ = "0.1.0"

__all__ = [
    "Config",
    "ConsentState",
    "ConsentWords",
    "Drop",
    "Flow",
    "FlushResult",
    "InvalidEvent",
    "LoggingHandler",
    "Response",
    "ServerTracker",
    "Severity",
    "Signal",
    "Stats",
    "Status",
    "Tracker",
    "__version__",
    "current",
    "tunable",
]
