"""The facts about the machine that events contain."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ga_pygame import device, rules
from ga_pygame.annotations import FIELDS, launch_annotations


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    def forget() -> None:
        for cached in (device.platform_name, device.system_version, launch_annotations):
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
        ("linux", "release", "", "linux 0"),
        ("linux", "release", "\u0663.\u0661", "linux 0"),
        ("linux", "release", "rolling", "linux 0"),
        ("darwin", "mac_ver", ("14.5", ("", "", ""), "arm64"), "mac_osx 14.5"),
        ("win32", "version", "10.0.22631", "windows 10.0.22631"),
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


def test_only_linux_tells_the_connection_cheaply(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Elsewhere the field is left out."""
    monkeypatch.setattr(sys, "platform", "win32")
    assert device.connection_type(str(tmp_path)) is None


@pytest.mark.requirement("002:device", "002:manufacturer")
def test_nothing_identifies_the_machine() -> None:
    """Manufacturer and device stay unknown, and no host or user name is among the facts."""
    assert launch_annotations()["manufacturer"] == launch_annotations()["device"] == "unknown"
    assert platform.node() not in map(str, launch_annotations().values())
