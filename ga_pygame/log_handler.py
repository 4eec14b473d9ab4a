"""A handler for Python's `logging` that reports a game's warnings and errors to the running tracker."""

from __future__ import annotations

import logging

from ga_pygame.events import Severity
from ga_pygame.idle import current
from ga_pygame.rules import custom_field_text
from ga_pygame.traces import pass_on

MAX_LOG_PLACES = 100
"""Lines of the game whose messages are reported; the tracker sends only a few different errors of a launch anyway."""

_OWN = "ga_pygame"
_SEVERITIES = (
    (logging.CRITICAL, Severity.CRITICAL),
    (logging.ERROR, Severity.ERROR),
    (logging.WARNING, Severity.WARNING),
    (logging.INFO, Severity.INFO),
)


class LoggingHandler(logging.Handler):
    """Reports log records as errors: `logging.getLogger().addHandler(ga_pygame.LoggingHandler())`. Any thread.

    A record with an exception becomes its traceback. Of each line of the game that logs, the first message of a launch
    is reported, since later ones often differ only in numbers. The records of `ga_pygame` itself are left out. The
    logger's name is the custom field `logger`.

    Args:
        level: The lowest level that is reported.
    """

    def __init__(self, level: int | str = logging.WARNING) -> None:
        super().__init__(level)
        self._places: set[tuple[str, int]] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Report one record; a message that cannot be formatted is handled as `logging` does it."""
        place = (record.pathname, record.lineno)
        is_own = record.name == _OWN or record.name.startswith(f"{_OWN}.")
        if is_own or place in self._places or len(self._places) >= MAX_LOG_PLACES:
            return
        self._places.add(place)
        severity = next((one for least, one in _SEVERITIES if record.levelno >= least), Severity.DEBUG)
        fields = {"logger": record.name[: custom_field_text.longest] or "root"}
        try:
            error = record.exc_info[1] if record.exc_info else None
            if error is not None:
                current().exception(error, severity=severity, fields=fields)
            else:
                current().error(severity, record.getMessage(), fields=fields)
        except Exception as failure:  # noqa: BLE001 - arguments of the game that do not fit its message
            pass_on(failure)
            self.handleError(record)
