"""The end of delivery: saves to the disk, removes the journal, closes files and locks.

It is a worker, since a disk may be slow and the game quits within `shutdown_timeout`. After that time it goes on as
long as the process lives; what is left then, the next launch finds in the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ga_pygame.delivery.intake import Intake
from ga_pygame.delivery.outbox.contract import Outbox, Transaction
from ga_pygame.delivery.runner import Worker
from ga_pygame.delivery.writer import Writer
from ga_pygame.kept import Remember, journal_position

LOOK_SECONDS = 0.02
"""Time between two checks whether the other workers have ended."""

FORGET_RETRY_SECONDS = 0.2
"""Time between two tries to delete the recorded data of a player who denied consent, while the disk fails."""


class Ending:
    """A wrapper of a worker that remembers whether it has ended."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.name = worker.name
        self.has_ended = False

    def step(self, now: float) -> float | None:
        """See `Worker`."""
        delay = self._worker.step(now)
        self.has_ended = delay is None
        return delay

    def finish(self) -> None:
        """See `Worker`."""
        self._worker.finish()


class Closing:
    """See the module.

    Args:
        intake: Holds the uploaders' last `Remember` requests, and the journal, which ends.
        outbox: Saved when the writer has ended, closed when the uploaders have ended, too.
        writer: Knows whether all records are stored.
        uploaders: The other users of the outbox.

    Attributes:
        has_saved: Whether the outbox has saved what it could.
        has_ended: Whether files are closed; nothing reads the inbox then.
        is_revoked: Whether the next delivery deletes the data of a player who denied consent and then agreed.
    """

    name = "closing"

    def __init__(self, intake: Intake, outbox: Outbox, writer: Writer, uploaders: Sequence[Ending]) -> None:
        self._intake = intake
        self._inbox = intake.inbox
        self._outbox = outbox
        self._writer = writer
        self._uploaders = uploaders
        self.has_ended = False
        self._finishing = False
        self.has_saved = False
        self._has_ended_journal = False
        self._forget: Callable[[Transaction], int] | None = None
        self._count_forgotten: Callable[[int], None] = lambda _: None
        self.is_revoked = False

    def finish(self) -> None:
        self._finishing = True

    def forget(self, work: Callable[[Transaction], int], count: Callable[[int], None]) -> None:
        """Delete all data instead of saving: the player denied consent. The inbox and the journal are left alone.

        Args:
            work: Deletes all data and returns how many records there were.
            count: Takes that number after the commit.
        """
        self._count_forgotten = count
        self._forget = work

    @property
    def is_forgetting(self) -> bool:
        """Whether `forget` was called."""
        return self._forget is not None

    def step(self, now: float) -> float | None:  # noqa: ARG002 - a worker's
        """Save, then close; return `None` when both are done."""
        if not self._finishing:
            return float("inf")
        if not self._writer.has_finished:
            return LOOK_SECONDS
        if not self.has_saved:
            if self._forget is not None:
                if not self.is_revoked and not self._has_forgotten(self._forget):
                    return FORGET_RETRY_SECONDS
            else:
                self._keep_last_words()
                self._outbox.save()
            self.has_saved = True
            if self._forget is None and not self._writer.owes_journal:
                self._end_journal()
        if not all(uploader.has_ended for uploader in self._uploaders):
            return LOOK_SECONDS  # one still waits for an answer, then settles it in the outbox
        if self._forget is None:
            self._keep_last_words()
            self._outbox.save()
            self._end_journal()
        self._outbox.close()
        self.has_ended = True
        if self._forget is None:  # else they are the next delivery's
            self._inbox.requests.clear()
        return None

    def _has_forgotten(self, work: Callable[[Transaction], int]) -> bool:
        """Try to delete all data; false if the disk cannot be written now."""
        self._count_forgotten(self._outbox.transact(work))
        self._outbox.save()
        if not self._outbox.is_on_disk:
            return False
        for dead_launch in self._outbox.dead_launches():
            self._outbox.forget_launch(dead_launch)
        return True

    def _keep_last_words(self) -> None:
        """Keep values that uploaders asked to remember after the writer had finished, such as an ended session."""
        items = []
        while self._inbox.requests:
            request = self._inbox.requests.popleft()
            if isinstance(request, Remember):
                items.append(request)

        def remember(transaction: Transaction) -> None:
            for item in items:
                transaction.remember(item.key, item.value)

        if items:
            self._outbox.transact(remember)

    def _end_journal(self) -> None:
        """Remove the journal; leave it to the next launch if records in it are not on the disk."""
        journal = self._intake.journal
        if journal is None or self._has_ended_journal:
            return
        self._has_ended_journal = True
        owes = self._writer.owes_journal
        self._inbox.detach()
        if owes:
            self._writer.tell_journal()
            journal.let_go()
            return
        if journal.close():
            key = journal_position(self._outbox.launch)  # last: needed while the file exists
            self._outbox.transact(lambda transaction: transaction.remember(key, None))
