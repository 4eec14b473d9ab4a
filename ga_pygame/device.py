"""Reads the facts about the player's machine that are sent: system, version, connection and time zone.

The server has a fixed list of platforms and refuses a version that does not match its pattern, such as
`linux 6.8.0-45-generic`. Manufacturer and device are not read, since they could identify a person.
"""

from __future__ import annotations

import os
import re
import sys
from functools import cache
from typing import Any

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
    """Return the platform and at most three numbers, e.g. `windows 10.0.22631`.

    It starts no process and waits for none. `platform.version()` would on Windows: before Python 3.12 it runs
    `cmd /c ver`, whose console window appears over a game, since then it asks WMI, which can take seconds.
    """
    if sys.platform == "win32":
        return f"{platform_name()} {_windows_version()}"
    import platform as system  # noqa: PLC0415 - called on the worker, not while importing

    text = {"mac_osx": _mac_version, "windows": system.version}.get(platform_name(), system.release)()
    found = re.match(r"[0-9]{1,5}(\.[0-9]{1,5}){0,2}", text)
    return f"{platform_name()} {found[0] if found else '0'}"


def _windows_version() -> str:
    """Return major, minor and build number, e.g. `10.0.22631`.

    The system understates its version to a program without a manifest and to one in compatibility mode; the version
    of its kernel32.dll, `platform_version`, does not change with each update. So the higher one is right.
    """
    found: Any = sys.getwindowsversion()  # type: ignore[attr-defined,unused-ignore]  # Windows only
    stated, of_kernel = tuple(found[:3]), tuple(getattr(found, "platform_version", ()) or ())
    return "{}.{}.{}".format(*max(stated, of_kernel))


_MADE_UP = re.compile(r"(10\.1[67]|16)(\.|$)")
"""Versions of macOS that a program sees if it was built for an older one or has `SYSTEM_VERSION_COMPAT=1`; none of them
was ever released."""
_DARWIN_IS_PLUS = {range(20, 25): -9, range(25, 1000): 1}
"""The difference between the versions of macOS and of its kernel, Darwin: macOS 11 has Darwin 20, macOS 26 has 25."""


def _mac_version() -> str:
    """Return the version of macOS; only its first number if the system tells this program another one."""
    import platform as system  # noqa: PLC0415 - called on the worker, not while importing

    text = system.mac_ver()[0]
    darwin = re.match(r"[0-9]{1,3}", system.release())
    if darwin is None or not _MADE_UP.match(text):
        return text
    return next((str(int(darwin[0]) + plus) for some, plus in _DARWIN_IS_PLUS.items() if int(darwin[0]) in some), text)


@cache
def time_zone() -> str | None:
    """Return the player's time zone by its IANA name, e.g. `Europe/London`; `None` if the system does not name it."""
    named = _without_set(os.environ.get("TZ", "").lstrip(":"))
    if sys.platform == "win32":  # Python has no list of zones there, unless the package tzdata is installed
        named = named or _windows_zone()
        return named if _ZONE.fullmatch(named) else None
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - called on the worker, not while importing

    named = named or _without_set(os.path.realpath("/etc/localtime").partition("zoneinfo/")[2])
    try:
        ZoneInfo(named)
    except (ValueError, OSError, LookupError):  # a rule such as CET-1CEST, or an unknown name
        return None
    return named


def _without_set(named: str) -> str:
    """Return a zone's name without the set of zones, one with leap seconds or one without, that it was taken from."""
    return re.sub("^(posix|right)/", "", named)


_ZONE = re.compile(r"UTC|(?!Etc/Unknown)[A-Z][A-Za-z_]{1,20}(/[A-Za-z0-9_+-]{1,30}){1,2}")
"""The form of an IANA name; a rule such as CET-1CEST does not have it."""
_MAX_ZONE = 128


def _windows_zone() -> str:
    """Return the IANA name by the system's ICU, which Windows has since version 1903; "" if it cannot say."""
    import ctypes  # noqa: PLC0415 - called on the worker, on Windows only

    name, status = ctypes.create_unicode_buffer(_MAX_ZONE), ctypes.c_int(0)
    try:
        icu = ctypes.CDLL("icu.dll")
        icu.ucal_getDefaultTimeZone(name, _MAX_ZONE, ctypes.byref(status))
    except (OSError, AttributeError):
        return ""
    return name.value if status.value <= 0 else ""  # a positive status is an error, a negative one a warning


def connection_type(interfaces: str = "/sys/class/net") -> str | None:
    """Return how the device is connected, one of `CONNECTIONS`; `None` if the system does not tell it cheaply.

    It is called on a worker, since it takes up to 1 ms. On Linux it reads some small files of the kernel. If several
    interfaces are up, a wired one comes before a wireless one, as systems prefer them; virtual ones (bridges, tunnels)
    count only if there is no other. Windows tells the interface that it would use. macOS tells it to a process only.
    """
    if platform_name() == "windows":
        return _windows_connection()
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


_KINDS_OF_WINDOWS = {6: WIRED, 23: WIRED, 71: WIRELESS, 243: MOBILE, 244: MOBILE}
"""Types of interfaces: Ethernet, PPP (over Ethernet), 802.11, and the two of mobile networks. Source: ipifcons.h."""
_SOME_ADDRESS = 0x08080808
"""An address of the internet; the same from both ends, so the order of its bytes does not matter."""
_UNREACHABLE = (1231, 1232)
"""ERROR_NETWORK_UNREACHABLE, ERROR_HOST_UNREACHABLE."""
_ROW_SIZE, _INDEX_AT, _KIND_AT = 860, 512, 516
"""The size of a MIB_IFROW, and where it has its index and its type, both of four bytes."""


def _windows_connection() -> str | None:
    """Return the kind of the interface that leads to the internet. It sends nothing."""
    import ctypes  # noqa: PLC0415 - called on the worker, on Windows only

    try:
        helper = ctypes.WinDLL("iphlpapi")  # type: ignore[attr-defined,unused-ignore]  # Windows only
        index = ctypes.c_uint32()
        error = helper.GetBestInterface(_SOME_ADDRESS, ctypes.byref(index))
        if error in _UNREACHABLE:
            return OFFLINE
        row = (ctypes.c_ubyte * _ROW_SIZE)()
        ctypes.c_uint32.from_buffer(row, _INDEX_AT).value = index.value
        if error or helper.GetIfEntry(row):
            return None
        return _KINDS_OF_WINDOWS.get(ctypes.c_uint32.from_buffer(row, _KIND_AT).value)
    except (OSError, AttributeError):
        return None


def cpu_model() -> str | None:
    """Return the processor's name, cut to 256 characters; `None` if the system does not name it to a program."""
    if sys.platform == "win32":
        import winreg  # noqa: PLC0415 - Windows only

        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0") as key:
                named = str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
        except OSError:
            return None
        return named[:256] or None
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            named = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "")
    except OSError:
        return None
    return named[:256] or None
