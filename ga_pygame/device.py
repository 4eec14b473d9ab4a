"""Reads the facts about the player's machine that are sent: system, version, connection and time zone.

The server has a fixed list of platforms and refuses a version that does not match its pattern, such as
`linux 6.8.0-45-generic`. Manufacturer and device are not read, since they could identify a person.
"""

from __future__ import annotations

import os
import re
import sys
from functools import cache

UNKNOWN = "unknown"
"""The value that is sent for the manufacturer and the device while the game does not tell them."""

CONNECTIONS = OFFLINE, MOBILE, WIRELESS, WIRED = ("offline", "wwan", "wifi", "lan")
"""The ways in which a device can be connected. Source: REST v2, Default annotations, connection_type."""

MAX_INTERFACES = 64
"""Network interfaces that are looked at."""


@cache
def platform_name() -> str:
    """Return the platform by the server's name, e.g. `linux`, `mac_osx`, `windows`."""
    names = {"linux": "linux", "darwin": "mac_osx", "win32": "windows", "cygwin": "windows", "emscripten": "webgl"}
    names |= {"android": "android", "ios": "ios"}
    return names.get(sys.platform, "linux")


@cache
def system_version() -> str:
    """Return the platform and at most three numbers, e.g. `windows 10.0.22631`."""
    import platform as system  # noqa: PLC0415 - called on the worker, not while importing

    text = {"mac_osx": lambda: system.mac_ver()[0], "windows": system.version}.get(platform_name(), system.release)()
    found = re.match(r"[0-9]{1,5}(\.[0-9]{1,5}){0,2}", text)
    return f"{platform_name()} {found[0] if found else '0'}"


@cache
def time_zone() -> str | None:
    """Return the player's time zone by its IANA name, e.g. `Europe/London`; `None` if the system does not name it."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - called on the worker, not while importing

    named = os.environ.get("TZ", "").lstrip(":") or os.path.realpath("/etc/localtime").partition("zoneinfo/")[2]
    named = re.sub("^(posix|right)/", "", named)
    try:
        ZoneInfo(named)
    except (ValueError, OSError, LookupError):  # a rule such as CET-1CEST, or an unknown name
        return None
    return named


def connection_type(interfaces: str = "/sys/class/net") -> str | None:
    """Return how the device is connected, one of `CONNECTIONS`; `None` if the system does not tell it cheaply.

    Linux only. It reads some small files of the kernel, in 0.5 ms, so it is called on a worker. If several interfaces
    are up, a wired one comes before a wireless one, as systems prefer them; virtual ones (bridges, tunnels) count only
    if there is no other.
    """
    if platform_name() != "linux":
        return None
    try:
        names = sorted(os.listdir(interfaces))[:MAX_INTERFACES]
    except OSError:
        return None
    up = [name for name in names if name != "lo" and _is_up(f"{interfaces}/{name}")]
    physical = [name for name in up if os.path.exists(f"{interfaces}/{name}/device")]
    kinds = {_kind_of(name, f"{interfaces}/{name}") for name in physical or up}
    return next((kind for kind in (WIRED, WIRELESS, MOBILE) if kind in kinds), OFFLINE)


def _is_up(folder: str) -> bool:
    """Whether an interface is connected; drivers that do not tell their state tell whether they have a carrier."""
    state = _kernel_text(f"{folder}/operstate")
    return state == "up" or (state == "unknown" and _kernel_text(f"{folder}/carrier") == "1")


def _kind_of(name: str, folder: str) -> str:
    told = _kernel_text(f"{folder}/uevent").splitlines()
    if "DEVTYPE=wwan" in told or name.startswith(("wwan", "ppp")):
        return MOBILE
    return WIRELESS if "DEVTYPE=wlan" in told or os.path.exists(f"{folder}/wireless") else WIRED


def _kernel_text(file: str) -> str:
    try:
        with open(file, encoding="utf-8", errors="replace") as opened:
            return opened.read(4096).strip()
    except OSError:  # the kernel refuses to tell the carrier of an interface that is down
        return ""


def cpu_model() -> str | None:
    """Return the processor's name, cut to 256 characters; `None` if the system is not Linux, or does not name it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            named = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "")
    except OSError:
        return None
    return named[:256] or None
