"""The writer's input: the inbox, and the journal that keeps its records if the process is killed."""

from __future__ import annotations

from collections.abc import Callable

from ga_pygame.recording.inbox import Inbox
from ga_pygame.recording.journal import Journal

JOURNAL_SECONDS = 0.1
"""Time between two tries to make the journal, if there is no disk for it."""


class Intake:
    """The writer's input (see the module).

    Args:
        inbox: The inbox.
        make: Makes the launch's journal; `None` if there is no disk for it.
        begin: Continues recording in a journal that could not be made at the start.

    Attributes:
        journal: The journal, `None` if there is none. The writer's thread sets it.
    """

    def __init__(
        self,
        inbox: Inbox,
        make: Callable[[], Journal | None] = lambda: None,
        begin: Callable[[Journal], None] | None = None,
    ) -> None:
        self.inbox = inbox
        self.journal = make()
        self._make = make
        self._begin = begin or inbox.attach
        self._next_try = 0.0

    def discard(self) -> None:
        """Move unread entries to memory and remove the journal: the player denied consent. Game thread."""
        self.inbox.detach()
        if self.journal is not None:
            self.journal.close()

    def look_for_disk(self, now: float) -> None:
        """Try to make the journal if there is none yet. For the writer's thread."""
        if self.journal is None and now >= self._next_try:
            self._next_try = now + JOURNAL_SECONDS
            journal = self.journal = self._make()
            if journal is not None:
                self._begin(journal)
