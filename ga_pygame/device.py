"""Reads the facts about the player's machine that are sent: the system, its version and the time zone.

The server has a fixed list of platforms and refuses a version that does not match its pattern, such as
`linux 6.8.0-45-generic`. Manufacturer and device stay "unknown", since they could identify a person.
"""

from __future__ import annotations

import os
import re
import sys
from functools import cache

UNKNOWN = "unknown"
"""The value that is sent for the manufacturer and the device."""


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
