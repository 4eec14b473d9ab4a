"""Turns what workers and calls on any thread report into the tracker's signals, on the game thread."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from ga_pygame.diagnostics import Drop
from ga_pygame.signals import Signal

if TYPE_CHECKING:
    from ga_pygame.exchange import StoredRecord


class Signals(Protocol):
    """What has the signals; see `Tracker`."""

    batch_delivered: Signal[[str, int]]
    event_rejected: Signal[[str, dict[str, Any], str]]
    event_dropped: Signal[[Drop, int, str]]
    connection_lost: Signal[[str, str]]
    connection_restored: Signal[[str]]


class Announcer:
    """The uploaders' listener, and who hears of drops. Any thread.

    Args:
        signals: Whose signals are fired.
        post: Has something called on the game thread.
    """

    def __init__(self, signals: Signals, post: Callable[[Callable[[], None]], None]) -> None:
        self._signals = signals
        self._post = post
        self._drops: deque[tuple[Drop, int, str]] = deque()
        self._is_posted = False

    def delivered(self, destination: str, count: int) -> None:
        self._post(lambda: self._signals.batch_delivered.emit(destination, count))

    def rejected(self, destination: str, record: StoredRecord, errors: str) -> None:
        try:
            event = json.loads(record.json(None))
        except ValueError:  # the disk has spoiled it
            event = {}
        self._post(lambda: self._signals.event_rejected.emit(destination, event, errors))

    def connection_lost(self, destination: str, error: str) -> None:
        self._post(lambda: self._signals.connection_lost.emit(destination, error))

    def connection_restored(self, destination: str) -> None:
        self._post(lambda: self._signals.connection_restored.emit(destination))

    def dropped(self, reason: Drop, count: int, detail: str) -> None:
        """Equal losses of one frame are told together: there may be thousands."""
        self._drops.append((reason, count, detail))
        if not self._is_posted:
            self._is_posted = True
            self._post(self._tell_drops)

    def _tell_drops(self) -> None:
        self._is_posted = False  # first: what comes from now on is told now or posted again
        sums: Counter[tuple[Drop, str]] = Counter()
        while self._drops:
            reason, count, detail = self._drops.popleft()
            sums[reason, detail] += count
        for (reason, detail), count in sums.items():
            self._signals.event_dropped.emit(reason, count, detail)
