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
    from ga_pygame.config import Config
else:

    def __getattr__(name: str) -> object:
        """Import `Config` at its first use: its dataclass and what that imports take 10 ms."""
        if name != "Config":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from ga_pygame.config import Config  # noqa: PLC0415

        return Config

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


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
    "current",
]
