"""Fires the tracker's signals on the game thread, for reports of workers, of the session and of calls on any thread."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from ga_pygame.diagnostics import Drop
from ga_pygame.signals import Mailbox, Signal, emit

if TYPE_CHECKING:
    from ga_pygame.protocol import StoredRecord
    from ga_pygame.records import SessionRef

MAX_UNSUMMED_DROPS = 256
"""Losses in the queue; when it is full, they are summed up at once: without `tick()` it would grow for ever."""
MAX_DROP_DETAILS = 64
"""Different details of losses that are reported separately; further ones are summed up by their reason alone."""
MAX_DETAIL = 500
"""Characters of a loss's detail."""


class Signals(Protocol):
    """An object that has the signals, such as `Tracker`, which describes them."""

    session_started: Signal[[str]]
    session_ended: Signal[[str, int, str]]
    batch_delivered: Signal[[str, int]]
    event_rejected: Signal[[str, dict[str, Any], str]]
    event_dropped: Signal[[Drop, int, str]]
    remote_configs_updated: Signal[[]]
    connection_lost: Signal[[str, str]]
    connection_restored: Signal[[str]]


class Announcer:
    """Receives reports of sessions and drops, and those of the uploaders as their listener. Any thread.

    Args:
        signals: Has the signals to fire.
        mailbox: Calls functions on the game thread.

    Attributes:
        signals: As given.
        explain: Called on an uploader's thread with a refused event, as `rejected`, while the game is developed.
    """

    def __init__(self, signals: Signals, mailbox: Mailbox) -> None:
        self.signals = signals
        self.explain: Callable[[str, Mapping[str, Any], str], None] | None = None
        self._post = mailbox.notify
        self._once = mailbox.once
        self._drops: deque[tuple[Drop, int, str]] = deque()
        self._sums: Counter[tuple[Drop, str]] = Counter()
        self._summing = Lock()

    def session_started(self, session: SessionRef) -> None:
        self._post(lambda: emit(self.signals.session_started, session.id))

    def session_ended(self, session: SessionRef, length: int, reason: str) -> None:
        self._post(lambda: emit(self.signals.session_ended, session.id, length, reason))

    def remote_configs_updated(self) -> None:
        """Fire the signal at once. Game thread only."""
        emit(self.signals.remote_configs_updated)

    def delivered(self, destination: str, count: int) -> None:
        self._post(lambda: emit(self.signals.batch_delivered, destination, count))

    def rejected(self, destination: str, record: StoredRecord, errors: str) -> None:
        try:
            event = json.loads(record.json(None))
        except ValueError:  # the disk has damaged it
            event = {}
        if self.explain is not None:
            self.explain(destination, event, errors)
        self._post(lambda: emit(self.signals.event_rejected, destination, event, errors))

    def connection_lost(self, destination: str, error: str) -> None:
        self._post(lambda: emit(self.signals.connection_lost, destination, error))

    def connection_restored(self, destination: str) -> None:
        self._post(lambda: emit(self.signals.connection_restored, destination))

    def dropped(self, reason: Drop, count: int, detail: str) -> None:
        """Report a loss. Equal losses of one frame are summed up into one signal: there may be thousands."""
        self._drops.append((reason, count, detail))
        if len(self._drops) >= MAX_UNSUMMED_DROPS:
            self._sum_up()
        self._once(self._tell_drops)

    def _sum_up(self) -> None:
        """Add the queued losses to the sums, unless another thread is doing it. Never waits."""
        if self._summing.acquire(blocking=False):
            try:
                self._add_to_sums()
            finally:
                self._summing.release()

    def _add_to_sums(self) -> None:
        for _ in range(len(self._drops)):
            reason, count, detail = self._drops.popleft()
            key = (reason, detail[:MAX_DETAIL])
            if key not in self._sums and len(self._sums) >= MAX_DROP_DETAILS:
                key = (reason, "")
            self._sums[key] += count

    def _tell_drops(self) -> None:
        if not self._summing.acquire(blocking=False):  # another thread sums up: try again at the next tick
            self._once(self._tell_drops)
            return
        try:
            self._add_to_sums()
            sums, self._sums = self._sums, Counter()
        finally:
            self._summing.release()
        for (reason, detail), count in sums.items():
            emit(self.signals.event_dropped, reason, count, detail)
