"""Compute the wait before a retry.

Source: Trophy's SDKs: `retry-after-ms`, `Retry-After` (seconds or a date), `X-RateLimit-Reset`, else exponential
backoff from one second; never more than a minute.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from ga_pygame.protocol import Reply

_FIRST_SECONDS = 1.0
_MAX_RETRY_SECONDS = 60.0


def delay_before(attempt: int, reply: Reply, wall: float, chance: float) -> float:
    """Return seconds until the next attempt.

    Args:
        attempt: The number of attempts so far, 1 or more.
        reply: The reply to the last one.
        wall: The time now, in seconds since 1970.
        chance: A random number from 0 to 1, for jitter: not all players should retry at the same instant.
    """
    told = _asked_for(reply.headers, wall)
    if told is not None and told > 0:
        return min(told, _MAX_RETRY_SECONDS)
    reset = _finite_number(reply.headers.get("x-ratelimit-reset"))
    if reset is not None and reset > wall:
        return min(reset - wall, _MAX_RETRY_SECONDS) * (1 + 0.2 * chance)
    return min(_FIRST_SECONDS * 2.0 ** (attempt - 1), _MAX_RETRY_SECONDS) * (0.9 + 0.2 * chance)


def _asked_for(headers: Mapping[str, str], wall: float) -> float | None:
    milliseconds = _finite_number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _finite_number(text)
    if text is None or seconds is not None:
        return seconds
    try:
        return parsedate_to_datetime(text).timestamp() - wall
    except (TypeError, ValueError, OverflowError):
        return None


def _finite_number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
