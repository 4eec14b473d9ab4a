"""The facts about the machine that events contain."""

from __future__ import annotations

import ctypes
import platform
import sys
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ga_pygame import device, rules
from ga_pygame.annotations import FIELDS, launch_annotations


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    def forget() -> None:
        for cached in (device.platform_name, device.system_version, device.time_zone, launch_annotations):
            cached.cache_clear()

    forget()
    yield
    forget()


@pytest.mark.requirement("002:platform", "002:os_version")
def test_the_facts_of_this_machine_pass_the_servers_rules() -> None:
    """Nothing about the machine that the events are sent from gets them refused."""
    facts = launch_annotations()
    for name, value in facts.items():
        FIELDS[name].check(name, value)
    assert {name for name, field in FIELDS.items() if field.required} - set(facts) == {
        "user_id",
        "session_id",
        "session_num",
        "client_ts",
    }


@pytest.mark.parametrize(
    ("system", "ask", "said", "expected"),
    [
        ("linux", "release", "6.8.0-45-generic", "linux 6.8.0"),
        ("linux", "release", "5.15.153.1-microsoft-standard-WSL2", "linux 5.15.153"),
        ("linux", "release", "6.11.11-valve12-1-neptune-611-g517a46b477e1", "linux 6.11.11"),  # a Steam Deck
        ("linux", "release", "", "linux 0"),
        ("linux", "release", "\u0663.\u0661", "linux 0"),
        ("linux", "release", "rolling", "linux 0"),
        ("darwin", "mac_ver", ("14.5", ("", "", ""), "arm64"), "mac_osx 14.5"),
        ("darwin", "mac_ver", ("26.1.2", ("", "", ""), "x86_64"), "mac_osx 26.1.2"),
        ("darwin", "mac_ver", ("", ("", "", ""), ""), "mac_osx 0"),
        ("cygwin", "version", "10.0.22631", "windows 10.0.22631"),
        ("emscripten", "release", "3.1.58", "webgl 3.1.58"),
        ("freebsd14", "release", "14.0-RELEASE", "linux 14.0"),
    ],
)
def test_versions_fit_the_servers_pattern(
    monkeypatch: pytest.MonkeyPatch, system: str, ask: str, said: object, expected: str
) -> None:
    """Suffixes and fourth numbers, which get an event refused, are cut on every system."""
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, ask, lambda: said)
    assert device.system_version() == expected
    rules.os_version("os_version", expected)
    rules.platform("platform", device.platform_name())


@pytest.mark.requirement("002:connection_type")
@pytest.mark.parametrize(
    ("interfaces", "expected"),
    [
        ({"eth0": {"operstate": "up", "device": ""}, "wlan0": {"operstate": "up", "wireless": ""}}, "lan"),
        ({"eth0": {"operstate": "down", "device": ""}, "wlan0": {"operstate": "up", "wireless": ""}}, "wifi"),
        (
            {"wlp2s0": {"operstate": "up", "device": "", "uevent": "DEVTYPE=wlan"}, "docker0": {"operstate": "up"}},
            "wifi",
        ),
        ({"wwan0": {"operstate": "unknown", "carrier": "1"}}, "wwan"),
        ({"wwp0s1": {"operstate": "up", "uevent": "X=1\nDEVTYPE=wwan"}}, "wwan"),
        ({"eth0": {"operstate": "dormant"}, "tun0": {"operstate": "unknown"}}, "offline"),
        ({}, "offline"),
    ],
)
def test_the_connection_is_that_of_the_best_interface(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interfaces: dict[str, dict[str, str]], expected: str
) -> None:
    """A wired one before a wireless one, what is down does not count, a bridge only if there is nothing else."""
    monkeypatch.setattr(sys, "platform", "linux")
    for name, files in {"lo": {"operstate": "up"}, **interfaces}.items():
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(f"{text}\n", encoding="utf-8")
    assert device.connection_type(str(tmp_path)) == expected
    FIELDS["connection_type"].check("connection_type", expected)
    assert device.connection_type(str(tmp_path / "missing")) is None


@pytest.mark.parametrize(
    ("best", "entry", "expected"),
    [
        (0, (0, 6), "lan"),
        (0, (0, 71), "wifi"),
        (0, (0, 243), "wwan"),
        (0, (0, 131), None),  # a tunnel
        (0, (87, 6), None),
        (1231, (0, 6), "offline"),
        (1232, (0, 71), "offline"),
        (50, (0, 6), None),
    ],
)
def test_windows_tells_the_interface_to_the_internet(
    monkeypatch: pytest.MonkeyPatch, best: int, entry: tuple[int, int], expected: str | None
) -> None:
    """The answers of Windows' functions, played; a tunnel and other errors leave the field out."""

    class Helper:
        @staticmethod
        def GetBestInterface(_address: int, index: Any) -> int:  # noqa: N802 - the system's name
            index._obj.value = 7
            return best

        @staticmethod
        def GetIfEntry(row: Any) -> int:  # noqa: N802
            assert int.from_bytes(row[512:516], sys.byteorder) == 7
            row[516:520] = list(entry[1].to_bytes(4, sys.byteorder))
            return entry[0]

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "WinDLL", lambda _name: Helper, raising=False)
    assert device.connection_type() == expected


def test_other_systems_do_not_tell_the_connection_cheaply(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """There the field is left out; also on a Windows without the library."""
    monkeypatch.setattr(sys, "platform", "darwin")
    assert device.connection_type(str(tmp_path)) is None
    device.platform_name.cache_clear()

    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "WinDLL", missing, raising=False)
    assert device.connection_type(str(tmp_path)) is None


@pytest.mark.requirement("002:device", "002:manufacturer")
def test_nothing_identifies_the_machine() -> None:
    """Manufacturer and device stay unknown, and no host or user name is among the facts."""
    assert launch_annotations()["manufacturer"] == launch_annotations()["device"] == "unknown"
    assert platform.node() not in map(str, launch_annotations().values())


class WindowsVersion(tuple[Any, ...]):
    """What `sys.getwindowsversion()` returns."""

    platform_version: tuple[int, int, int]


def _never(*_: object) -> Any:
    raise AssertionError("this starts a process or asks WMI")


@pytest.mark.parametrize(
    ("stated", "of_kernel", "expected"),
    [
        ((10, 0, 19045), (10, 0, 19041), "windows 10.0.19045"),  # kernel32.dll does not change with each update
        ((6, 2, 9200), (10, 0, 22631), "windows 10.0.22631"),  # an executable without a manifest
        ((10, 0, 26100), None, "windows 10.0.26100"),
    ],
)
def test_windows_is_asked_without_a_process(
    monkeypatch: pytest.MonkeyPatch, stated: tuple[int, ...], of_kernel: tuple[int, int, int] | None, expected: str
) -> None:
    """`cmd /c ver` would show a console window over the game, WMI would take seconds."""
    found = WindowsVersion((*stated, 2, ""))
    if of_kernel is not None:
        found.platform_version = of_kernel
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sys, "getwindowsversion", lambda: found, raising=False)
    for name in ("version", "uname", "win32_ver", "release", "system", "platform"):
        monkeypatch.setattr(platform, name, _never)
    assert device.system_version() == expected
    rules.os_version("os_version", expected)


@pytest.mark.parametrize(
    ("said", "darwin", "expected"),
    [
        ("10.16", "20.6.0", "mac_osx 11"),
        ("10.16", "23.1.0", "mac_osx 14"),
        ("16.0", "25.0.0", "mac_osx 26"),
        ("10.16", "", "mac_osx 10.16"),
        ("10.15.7", "19.6.0", "mac_osx 10.15.7"),
        ("15.2", "24.2.0", "mac_osx 15.2"),
    ],
)
def test_a_made_up_version_of_macos_is_read_from_its_kernel(
    monkeypatch: pytest.MonkeyPatch, said: str, darwin: str, expected: str
) -> None:
    """With `SYSTEM_VERSION_COMPAT`, and for programs built on older systems, macOS states a version that never was."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "mac_ver", lambda: (said, ("", "", ""), "x86_64"))
    monkeypatch.setattr(platform, "release", lambda: darwin)
    assert device.system_version() == expected
    rules.os_version("os_version", expected)


class Icu:
    """Windows' icu.dll."""

    def __init__(self, name: str, status: int = 0) -> None:
        def default_zone(buffer: Any, size: int, where: Any) -> None:
            assert len(name) < size
            buffer.value, where._obj.value = name, status

        self.ucal_getDefaultTimeZone = default_zone


@pytest.mark.parametrize(
    ("variable", "icu", "expected"),
    [
        ("", Icu("Europe/Berlin"), "Europe/Berlin"),
        ("", Icu("America/Argentina/Buenos_Aires"), "America/Argentina/Buenos_Aires"),
        ("", Icu("Etc/Unknown"), None),
        ("", Icu("Europe/Ber", 15), None),  # U_BUFFER_OVERFLOW_ERROR
        ("", OSError("there is no icu.dll before version 1903"), None),
        ("", object(), None),
        ("Asia/Tokyo", Icu("Europe/Berlin"), "Asia/Tokyo"),
        ("CET-1CEST", Icu("Europe/Berlin"), None),
    ],
)
def test_windows_names_the_time_zone_without_a_list_of_zones(
    monkeypatch: pytest.MonkeyPatch, variable: str, icu: object, expected: str | None
) -> None:
    """Trophy's streaks are counted in the player's days; Python has no time zones on Windows."""

    def load(name: str) -> object:
        assert name == "icu.dll"
        if isinstance(icu, Exception):
            raise icu
        return icu

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("TZ", variable)
    monkeypatch.setattr(zoneinfo, "ZoneInfo", _never)
    monkeypatch.setattr(ctypes, "CDLL", load)
    assert device.time_zone() == expected
