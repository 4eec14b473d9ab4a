"""Measures this process: processor time, memory, age, loaded native modules; and the machine's memory."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

from ga_pygame.clock import Clock

_NATIVE = (".so", ".pyd", ".dylib", ".dll")


class CpuMeter:
    """A meter of the processor use between two readings.

    Args:
        clock: Measures this process's processor time and the elapsed time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at = clock.monotonic()
        self._used = clock.cpu()

    def percent(self) -> float:
        """Return the percentage of one core used since the last reading; several threads can exceed 100."""
        at, used = self._clock.monotonic(), self._clock.cpu()
        passed, worked = at - self._at, used - self._used
        self._at, self._used = at, used
        return round(100.0 * worked / passed, 2) if passed > 0 else 0.0


def native_modules() -> list[str]:
    """Return the file names of the native modules in use, without folders, which may name the player."""
    names = set()
    for module in tuple(sys.modules.values()):
        if isinstance(module, ModuleType):
            # `object`'s look-up: reading an attribute of a lazy module would load it
            file = object.__getattribute__(module, "__dict__").get("__file__")
            if isinstance(file, str) and file.lower().endswith(_NATIVE):
                names.add(os.path.basename(file))
    return sorted(names)


if sys.platform == "win32":

    def memory_bytes() -> int:
        """Return the memory of this process: its working set."""
        import ctypes  # noqa: PLC0415 - only a monitor call needs it
        from ctypes import wintypes  # noqa: PLC0415

        class Counters(ctypes.Structure):
            _fields_ = (
                [("size", wintypes.DWORD), ("page_faults", wintypes.DWORD)]
                + [
                    (name, ctypes.c_size_t)
                    for name in ("peak", "working_set", "quota_peak_paged", "quota_paged", "quota_peak_nonpaged")
                ]
                + [(name, ctypes.c_size_t) for name in ("quota_nonpaged", "page_file", "peak_page_file")]
            )

        kernel = ctypes.WinDLL("kernel32")
        kernel.GetCurrentProcess.restype = wintypes.HANDLE
        read: Any = kernel.K32GetProcessMemoryInfo
        read.argtypes = (wintypes.HANDLE, ctypes.POINTER(Counters), wintypes.DWORD)
        counters = Counters(size=ctypes.sizeof(Counters))
        found = read(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.size)
        return int(counters.working_set) if found else 0

    def machine_memory() -> tuple[int, int] | None:
        """Return the machine's memory and how much of it is in use, in bytes; `None` if the system does not tell."""
        import ctypes  # noqa: PLC0415 - only health measures it

        class Status(ctypes.Structure):
            _fields_ = [("size", ctypes.c_uint32), ("load", ctypes.c_uint32)] + [
                (name, ctypes.c_uint64)
                for name in ("total", "free", "total_pages", "free_pages", "total_virtual", "free_virtual", "extended")
            ]

        status = Status(size=ctypes.sizeof(Status))
        if not ctypes.WinDLL("kernel32").GlobalMemoryStatusEx(ctypes.byref(status)):
            return None
        return int(status.total), int(status.total - status.free)

    def seconds_since_start() -> float | None:
        """Return the age of this process; `None` if the system does not tell."""
        import ctypes  # noqa: PLC0415
        from ctypes import wintypes  # noqa: PLC0415

        kernel = ctypes.WinDLL("kernel32")
        kernel.GetCurrentProcess.restype = wintypes.HANDLE
        began, ended, in_kernel, in_program, now = (ctypes.c_uint64() for _ in range(5))
        read: Any = kernel.GetProcessTimes
        read.argtypes = (wintypes.HANDLE, *[ctypes.POINTER(ctypes.c_uint64)] * 4)  # a FILETIME: 64 bits, 100 ns each
        times = (ctypes.byref(one) for one in (began, ended, in_kernel, in_program))
        if not read(kernel.GetCurrentProcess(), *times):
            return None
        kernel.GetSystemTimeAsFileTime(ctypes.byref(now))
        return (now.value - began.value) / 1e7

elif sys.platform == "linux":

    def memory_bytes() -> int:
        """Return the memory of this process: its resident set."""
        try:
            with open("/proc/self/statm", "rb") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, IndexError):
            return 0

    def machine_memory() -> tuple[int, int] | None:
        """Return the machine's memory and how much of it is in use, in bytes; `None` if the system does not tell."""
        try:
            with open("/proc/meminfo", encoding="ascii") as file:
                pairs = (line.split(":") for line in file)
                sizes = {name: int(rest.split()[0]) * 1024 for name, rest in pairs if name.startswith("Mem")}
            return sizes["MemTotal"], sizes["MemTotal"] - sizes["MemAvailable"]
        except (OSError, ValueError, LookupError):
            return None

    def seconds_since_start() -> float | None:
        """Return the age of this process, right to a hundredth of a second; `None` if the system does not tell."""
        try:
            with open("/proc/self/stat", "rb") as stat, open("/proc/uptime", "rb") as uptime:
                ticks = int(stat.read().rpartition(b")")[2].split()[19])
                return float(uptime.read().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError, LookupError, AttributeError):
            return None

else:

    def memory_bytes() -> int:
        """Return the memory of this process: its largest resident set so far, the only value that macOS gives."""
        try:
            import resource  # noqa: PLC0415 - there is none in a browser
        except ImportError:
            return 0
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return int(used) if sys.platform == "darwin" else int(used) * 1024

    def machine_memory() -> tuple[int, int] | None:
        """Return `None`: how much of the machine's memory is in use takes a process of its own on macOS."""
        return None

    def seconds_since_start() -> float | None:
        """Return `None`: the age of this process is not known here."""
        return None
