"""The facts about the machine that events contain."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator

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


@pytest.mark.requirement("002:device", "002:manufacturer")
def test_nothing_identifies_the_machine() -> None:
    """Manufacturer and device stay unknown, and no host or user name is among the facts."""
    assert launch_annotations()["manufacturer"] == launch_annotations()["device"] == "unknown"
    assert platform.node() not in map(str, launch_annotations().values())
