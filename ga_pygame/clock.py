"""Time and ids. The only module that calls `time` or makes random ids, so that tests can pass their own.

`monotonic()` measures durations: it never jumps and goes on while the machine sleeps, so that a sleep is a gap.
`wall()` is the time of an event: it is read once from the system's clock and continued by the monotonic one, so that
a player who sets the clock back, or a time server that corrects it, cannot reorder the events of a launch.
"""

from __future__ import annotations

import functools
import math
import os
import sys
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """A source of time. All methods are for any thread."""

    server_offset: float | None
    """Server time minus `wall()`, in seconds; `None` until a server has told its time."""

    def monotonic(self) -> float:
        """Return seconds since a fixed moment; goes on during the machine's sleep, never jumps."""
        ...

    def wall(self, at: float) -> float:
        """Return the local wall-clock time of a `monotonic()` reading, in seconds since 1970."""
        ...

    def cpu(self) -> float:
        """Return the processor time of this process, in seconds; stands still while the machine sleeps."""
        ...

    def notice_sleep(self) -> float:
        """Return the seconds of sleep that `monotonic()` has not counted; it does from now on.

        Called a few times a second, on one thread. Only the clock of Wine may miss a sleep. There it is told by the
        system's wall clock, so a player who sets that forward during the game looks like one whose machine slept.
        """
        ...


def _best_monotonic(system: str) -> Callable[[], float]:
    """Return the system's finest clock that goes on while the machine sleeps.

    Args:
        system: As `sys.platform` names it.
    """
    if system == "linux":  # CLOCK_MONOTONIC stands still during sleep here
        return functools.partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    if system == "darwin":  # time.monotonic() stands still during sleep here; CLOCK_MONOTONIC can go back by 10 µs
        return functools.partial(time.clock_gettime, time.CLOCK_MONOTONIC_RAW)
    if system == "win32":  # before Python 3.13, time.monotonic() moves in steps of 15.6 ms here
        return time.perf_counter
    return time.monotonic


@functools.cache
def _is_wine() -> bool:
    """Return whether this is a Windows program under Wine or Proton, whose clocks may stand still during sleep."""
    if sys.platform != "win32":
        return False
    import ctypes  # noqa: PLC0415 - on Windows only

    return hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")


_monotonic = _best_monotonic(sys.platform)

SLEEP_JUMP_SECONDS = 2.0
"""If the system's wall clock gains more between two looks, the machine slept; see `Clock.notice_sleep`."""


class SystemClock:
    """The machine's clocks.

    Args:
        monotonic: The source of `monotonic()`.
        counts_sleep: Whether that source goes on while the machine sleeps; `None` means unless this is Wine.
    """

    def __init__(self, monotonic: Callable[[], float] = _monotonic, *, counts_sleep: bool | None = None) -> None:
        self._source = monotonic
        self._slept = 0.0
        may_miss_sleep = _is_wine() if counts_sleep is None else not counts_sleep
        self.monotonic = self._with_sleep if may_miss_sleep else monotonic
        self._anchor = time.time() - self.monotonic()
        self._ahead = self._anchor
        self._server_offset: float | None = None

    def _with_sleep(self) -> float:
        return self._source() + self._slept

    @property
    def server_offset(self) -> float | None:
        """See `Clock`. Setting anything but a finite number raises, in the destination that does it."""
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

    def notice_sleep(self) -> float:
        if self.monotonic == self._source:
            return 0.0
        ahead = time.time() - self.monotonic()
        jump = ahead - self._ahead
        if jump <= SLEEP_JUMP_SECONDS:  # also if the player sets the wall clock back
            self._ahead = ahead
            return 0.0
        self._slept += jump
        return jump


def wall_now() -> float:
    """Return the system's wall clock, in seconds since 1970, corrections included, for a server's time stamps."""
    return time.time()


class PastClock:
    """The clock of a dead process, for the records that it left.

    Args:
        anchor: Its wall clock at monotonic 0, in seconds since 1970.
        server_offset: Its clock offset, if it knew one.
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

    def notice_sleep(self) -> float:
        return 0.0


def sleep(seconds: float) -> None:
    """Wait; on the game thread only if the game asked to wait."""
    time.sleep(seconds)


def yield_gil() -> None:
    """Yield the GIL, so that a waiting frame can begin; workers call it after each 50 µs or so of Python.

    `sleep(0)` is not enough: the worker takes the GIL again before the other thread is awake. With this, workers add
    0.1 to 0.5 ms to the 99th percentile of the frame time at 240 fps; without it 0.5 to 0.9 ms.
    """
    time.sleep(0.00005)


def iso(seconds: float) -> str:
    """Format a time since 1970 as RFC 3339 in UTC with milliseconds, e.g. `2026-01-31T12:00:00.000Z`."""
    from datetime import datetime, timezone  # noqa: PLC0415 - 2 ms that `import ga_pygame` need not cost

    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_of_day(seconds: float) -> str:
    """Return seconds since 1970 as the time of day in the machine's time zone, e.g. `18:00:59`."""
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def new_id() -> str:
    """Make a random lower-case version 4 UUID."""
    return _uuid(os.urandom(16))


class CountedIds:
    """Version 4 UUIDs that count up from a random one, so that an event that is encoded again gets the same id.

    No two launches share an id: their first ids are 122 random bits, far more apart than a launch has events. An id
    takes 0.2 µs, a random one 1.2.

    Args:
        seed: 16 random bytes.
    """

    def __init__(self, seed: bytes) -> None:
        first = _uuid(seed).encode()
        self._beginning, self._first = first[:-_COUNTED_DIGITS], int(first[-_COUNTED_DIGITS:], 16)

    def at(self, place: int) -> bytes:
        """Return the id of a place; places are whole numbers."""
        return b"%b%012x" % (self._beginning, (self._first + place) % 16**_COUNTED_DIGITS)


_COUNTED_DIGITS = 12


def _uuid(seed: bytes) -> str:
    digits = bytearray(seed)
    digits[6] = digits[6] & 0x0F | 0x40
    digits[8] = digits[8] & 0x3F | 0x80
    text = digits.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
