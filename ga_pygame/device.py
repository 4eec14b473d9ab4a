"""What is told about the player's machine: its system and the version of that, nothing else.

The server knows a fixed list of platforms and refuses anything that does not fit its pattern, such as
`linux 6.8.0-45-generic`. Manufacturer and device stay "unknown": they would serve to recognise a person.
"""

from __future__ import annotations

import os
import re
import sys
from functools import cache

UNKNOWN = "unknown"
"""What is said of the manufacturer and the device."""


@cache
def platform_name() -> str:
    """The platform by the server's name, e.g. `linux`, `mac_osx`, `windows`."""
    names = {"linux": "linux", "darwin": "mac_osx", "win32": "windows", "cygwin": "windows", "emscripten": "webgl"}
    names |= {"android": "android", "ios": "ios"}
    return names.get(sys.platform, "linux")


@cache
def system_version() -> str:
    """The platform and at most three numbers, e.g. `windows 10.0.22631`."""
    import platform as system  # noqa: PLC0415 - called on the worker, not while importing

    text = {"mac_osx": lambda: system.mac_ver()[0], "windows": system.version}.get(platform_name(), system.release)()
    found = re.match(r"[0-9]{1,5}(\.[0-9]{1,5}){0,2}", text)
    return f"{platform_name()} {found[0] if found else '0'}"


@cache
def time_zone() -> str | None:
    """The player's time zone by its IANA name, e.g. `Europe/London`; `None` where the system does not say."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - called on the worker, not while importing

    named = os.environ.get("TZ", "").lstrip(":") or os.path.realpath("/etc/localtime").partition("zoneinfo/")[2]
    named = re.sub("^(posix|right)/", "", named)
    try:
        ZoneInfo(named)
    except (ValueError, OSError, LookupError):  # a rule such as CET-1CEST, or a name that nobody else knows
        return None
    return named
