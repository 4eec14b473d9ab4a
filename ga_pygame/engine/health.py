"""How smoothly the game runs: frame times from its own flips, gathered for half a minute at a time."""

from __future__ import annotations

from ga_pygame.events import BUCKET_SECONDS, Health
from ga_pygame.records import Post

SAMPLE_SECONDS = 30.0
_BUCKETS = 400
_PAUSE_SECONDS = 1.0
"""A longer gap is no frame: the game loaded, or nobody looked."""


class HealthSampler:
    """Counts frame times in buckets; costs a frame 0.3 µs. Game thread only.

    Args:
        post: Takes the sample.
    """

    def __init__(self, post: Post) -> None:
        self._post = post
        self._last: float | None = None
        self._since = 0.0
        self._seconds = 0.0
        self._counts = [0] * _BUCKETS

    def frame(self, now: float) -> None:
        """A frame was shown."""
        last, self._last = self._last, now
        if last is None:
            self._since = now
            return
        gap = now - last
        if gap < _PAUSE_SECONDS:
            self._seconds += gap
            self._counts[min(int(gap / BUCKET_SECONDS), _BUCKETS - 1)] += 1
        if now - self._since >= SAMPLE_SECONDS:
            self._since = now
            seconds, self._seconds = self._seconds, 0.0
            counts, self._counts = self._counts, [0] * _BUCKETS
            if seconds:
                self._post(Health(seconds, tuple(counts)), None)
