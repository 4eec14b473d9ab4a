"""Time and ids. The only module that calls `time` or makes random ids, so that tests can pass their own.

Two clocks matter. `monotonic()` measures how long things take: it never jumps and goes on while the
machine sleeps, so that a sleep shows as a gap. `wall()` says when something happened: it is anchored once
to the system's clock and carried on by the monotonic one, so that a player who sets the clock back, or a
time server that corrects it, cannot reorder the events of a launch.
"""

from __future__ import annotations

import functools
import math
import os
import sys
import time
from collections.abc import Iterator
from typing import Protocol


class Clock(Protocol):
    """Where time comes from. All methods are safe on any thread."""

    server_offset: float | None
    """Server time minus `wall()`, in seconds; `None` until a server has told its time."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; goes on during the machine's sleep, never jumps."""
        ...

    def wall(self, at: float) -> float:
        """The local wall-clock time, in seconds since 1970, of a `monotonic()` reading."""
        ...

    def cpu(self) -> float:
        """Seconds of processor time that this process has used; stands still while the machine sleeps."""
        ...


if sys.platform == "linux":  # CLOCK_MONOTONIC stands still during sleep here
    _monotonic = functools.partial(time.clock_gettime, time.CLOCK_BOOTTIME)
elif sys.platform == "darwin":  # time.monotonic() stands still during sleep here, CLOCK_MONOTONIC does not
    _monotonic = functools.partial(time.clock_gettime, time.CLOCK_MONOTONIC)
else:
    _monotonic = time.monotonic


class SystemClock:
    """The machine's clocks."""

    def __init__(self) -> None:
        self.monotonic = _monotonic
        self._anchor = time.time() - self.monotonic()
        self._server_offset: float | None = None

    @property
    def server_offset(self) -> float | None:
        """See `Clock`. Setting what is no finite number raises, in the destination that does it."""
        return self._server_offset

    @server_offset.setter
    def server_offset(self, seconds: float | None) -> None:
        number = None if seconds is None else float.__float__(float(seconds))
        if number is not None and not math.isfinite(number):
            raise ValueError("server_offset must be a finite number of seconds, or None")
        self._server_offset = number

    def wall(self, at: float) -> float:
        return self._anchor + at

    def cpu(self) -> float:
        return time.process_time()


def wall_now() -> float:
    """The system's wall clock, in seconds since 1970, corrections included: what a server stamps with."""
    return time.time()


class PastClock:
    """The clock of a process that is gone, for the records that it left behind.

    Args:
        anchor: Its wall clock at monotonic 0, in seconds since 1970.
        server_offset: What it knew of the server's time.
    """

    def __init__(self, anchor: float, server_offset: float | None) -> None:
        self._anchor = anchor
        self.server_offset = server_offset

    def monotonic(self) -> float:
        return 0.0

    def wall(self, at: float) -> float:
        return self._anchor + at

    def cpu(self) -> float:
        return 0.0


def sleep(seconds: float) -> None:
    """Wait; never called on the game thread except where the game asked to wait."""
    time.sleep(seconds)


def yield_gil() -> None:
    """Let a frame begin that waits for the interpreter lock; for workers, after each 50 µs or so of Python.

    `sleep(0)` would not do: the worker has the lock back before the other thread is awake. The workers add 0.1 to
    0.5 ms to the 99th percentile of the frame time at 240 fps; without this it was 0.5 to 0.9.
    """
    time.sleep(0.00005)


def iso(seconds: float) -> str:
    """A time since 1970 as RFC 3339 in UTC with milliseconds, e.g. `2026-01-31T12:00:00.000Z`."""
    from datetime import datetime, timezone  # noqa: PLC0415 - 2 ms that `import ga_pygame` need not cost

    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_id() -> str:
    """A random lower-case version 4 UUID."""
    return _some_ids(1)[0]


def new_ids() -> Iterator[bytes]:
    """As many as one takes, made 64 at a time: 0.65 µs each, single ones cost 1.2. For one thread."""
    while True:
        yield from ",".join(_some_ids(64)).encode().split(b",")


def _some_ids(count: int) -> list[str]:
    digits = bytearray(os.urandom(16 * count))
    digits[6::16] = bytes(byte & 0x0F | 0x40 for byte in digits[6::16])
    digits[8::16] = bytes(byte & 0x3F | 0x80 for byte in digits[8::16])
    text = digits.hex()
    each = (text[start : start + 32] for start in range(0, len(text), 32))
    return [f"{one[:8]}-{one[8:12]}-{one[12:16]}-{one[16:20]}-{one[20:]}" for one in each]
