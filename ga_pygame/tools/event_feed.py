"""A collector's events as they come in, printed in the terminal."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from ga_pygame.clock import sleep
from ga_pygame.collector.page.rows import row_of_event
from ga_pygame.collector.storage.queries import Arrival
from ga_pygame.tools.printing import ToolError
from ga_pygame.tools.sources import AskedCollector

SECONDS_BETWEEN_LOOKS_AT_EVENTS = 0.3
"""Time between two questions for new events."""
EVENTS_PER_ANSWER, MAX_ANSWERS_PER_LOOK = 500, 100
"""Events of one answer, and answers of a look; more come with the next look."""
EVENTS_PER_LOOK = 200
"""Events of a look that are printed; of the others only the number, since nobody reads thousands of lines a second."""
MAX_LAST_LOOKS, SECONDS_BETWEEN_LAST_LOOKS = 4, 0.5
"""Looks for events that are on their way when the game has ended; the first one that finds none is the last."""


class EventFeed:
    """Prints the events that come after `start()`, on a thread of its own.

    Args:
        url: The collector's address.

    Attributes:
        events: How many came, accepted and rejected.
    """

    def __init__(self, url: str) -> None:
        self.events = 0
        self._collector = AskedCollector(url)
        self._console = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)
        self._last_id = self._collector.newest_id()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="event feed", daemon=True)

    def start(self) -> None:
        """Begin to print."""
        self._thread.start()

    def finish(self) -> None:
        """Print what is still on its way, and end."""
        self._end()
        for _ in range(MAX_LAST_LOOKS):
            sleep(SECONDS_BETWEEN_LAST_LOOKS)
            if not self._look():
                return

    def close(self) -> None:
        """End without a last look."""
        self._end()
        self._collector.close()

    def _end(self) -> None:
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._ends.wait(SECONDS_BETWEEN_LOOKS_AT_EVENTS):
            self._look()

    def _look(self) -> int:
        """Print new events and return their number; none if the collector does not answer."""
        seen = 0
        for _ in range(MAX_ANSWERS_PER_LOOK):
            try:
                found = self._collector.events(self._last_id, EVENTS_PER_ANSWER)
            except ToolError:
                break
            for one in found[: max(0, EVENTS_PER_LOOK - seen)]:
                self._console.print(_line_of(one))
            seen += len(found)
            self._last_id = found[-1]["id"] if found else self._last_id
            if len(found) < EVENTS_PER_ANSWER:
                break
        if seen > EVENTS_PER_LOOK:
            self._console.print(f"  … and {seen - EVENTS_PER_LOOK:,} more events, which are on the page")
        self.events += seen
        return seen


def _line_of(told: dict[str, Any]) -> Text:
    """Return an event as a line: category, what it says, its number; a rejected one with its broken rules."""
    raw = msgspec.json.encode(told["event"])
    arrival = Arrival(told["id"], told["received_at"], told["game"], told["category"], raw, told["errors"])
    row = row_of_event(arrival)
    _, category, what, value, *_ = row["cells"]
    line = Text.assemble(("  ", ""), (f"{category:<12}", "cyan"), what, (f"  {value}" if value else "", "green"))
    for field, reason in row["notes"]:
        line.append(f"\n    rejected: {field}: {reason}", "red")
    return line
