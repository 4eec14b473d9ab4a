"""`ga_pygame doctor`: each trouble is found, with what to do."""

from __future__ import annotations

import importlib.metadata
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ga_pygame.config import SANDBOX_GAME_KEY, SANDBOX_SECRET_KEY
from ga_pygame.destinations.gameanalytics import GAMEANALYTICS_SANDBOX_URL, GAMEANALYTICS_URL
from ga_pygame.tools import doctor
from ga_pygame.tools.doctor import CheckResult, GivenKeys
from tests.collectors import KEY, Collector

OWN_KEY, OWN_SECRET = "a" * 32, "b" * 40


def found_by(check: Callable[..., object], *arguments: object) -> list[CheckResult]:
    return list(check(*arguments))  # type: ignore[call-overload, no-any-return]


def of_keys(game_key: str | None, secret_key: str | None, **environment: str) -> CheckResult:
    """Return what the keys alone lead to."""
    config, wrong = doctor.chosen_config(GivenKeys(game_key, secret_key), environment)
    return wrong[-1] if config is None else next(doctor.look_at_keys(config))


KEYS = {
    "good": (OWN_KEY, OWN_SECRET, {}, "ok", ""),
    "none": (None, None, {}, "warning", "GA_PYGAME_GAME_KEY"),
    "a collector": (None, None, {"GA_PYGAME_COLLECTOR": "http://127.0.0.1:9"}, "ok", ""),
    "spaces": (f" {OWN_KEY}", OWN_SECRET, {}, "problem", "copy both keys again"),
    "upper case": (OWN_KEY.upper(), OWN_SECRET, {}, "problem", "copy both keys again"),
    "short": (OWN_KEY[1:], OWN_SECRET, {}, "problem", "copy both keys again"),
    "swapped": (OWN_SECRET, OWN_KEY, {}, "problem", "copy both keys again"),
    "one": (OWN_KEY, None, {}, "problem", "copy both keys again"),
    "sandbox": (SANDBOX_GAME_KEY, SANDBOX_SECRET_KEY, {}, "warning", "your game's keys"),
    "sandbox on production": (
        SANDBOX_GAME_KEY,
        SANDBOX_SECRET_KEY,
        {"GA_PYGAME_ENDPOINT": GAMEANALYTICS_URL},
        "problem",
        "your game's keys",
    ),
    "own on the sandbox": (
        OWN_KEY,
        OWN_SECRET,
        {"GA_PYGAME_ENDPOINT": GAMEANALYTICS_SANDBOX_URL},
        "problem",
        "leave the endpoint out",
    ),
}


@pytest.mark.parametrize("name", KEYS)
def test_keys(name: str) -> None:
    """Their form, and whether they are those of the server."""
    game_key, secret_key, environment, level, fix = KEYS[name]
    found = of_keys(game_key, secret_key, **environment)
    assert found.level == level, found
    assert fix in found.fix
    for key in (game_key, secret_key):
        assert key is None or key.strip() not in found.said


@pytest.mark.parametrize(
    ("installed", "level"),
    [({"pygame-ce"}, "ok"), ({"pygame"}, "warning"), ({"pygame", "pygame-ce"}, "problem"), (set(), "problem")],
)
def test_pygame(monkeypatch: pytest.MonkeyPatch, installed: set[str], level: str) -> None:
    """Both at once have overwritten each other."""

    def version(name: str) -> str:
        if name not in installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return "2.5"

    monkeypatch.setattr(importlib.metadata, "version", version)
    (found,) = doctor.look_at_packages()
    assert found.level == level
    assert bool(found.fix) == (level != "ok")


@pytest.mark.parametrize(
    ("key", "level"), [("app_1.secret", "ok"), ("sk_admin", "problem"), (" app_1.secret", "problem")]
)
def test_trophy_key(key: str, level: str) -> None:
    """An admin key must not be in a game."""
    (found,) = doctor.look_at_trophy_key(key)
    assert found.level == level
    assert key.strip() not in found.said + found.fix
    assert not found_by(doctor.look_at_trophy_key, None)


def test_the_folder(tmp_path: Path) -> None:
    """Where it is, whether it can be written, and that nothing is left in it."""
    config, _ = doctor.chosen_config(GivenKeys(), {"GA_PYGAME_DATA_DIR": str(tmp_path / "new" / "data")})
    assert config is not None
    folder, journal = doctor.look_at_folder(config)
    assert (folder.level, journal.level) == ("ok", "ok")
    assert str(tmp_path / "new" / "data") in folder.said
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    config, _ = doctor.chosen_config(GivenKeys(), {"GA_PYGAME_DATA_DIR": str(tmp_path / "file" / "data")})
    assert config is not None
    (found,) = doctor.look_at_folder(config)
    assert (found.level, "GA_PYGAME_DATA_DIR" in found.fix) == ("problem", True)


def test_little_space_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Less than ten times what waits at most."""
    monkeypatch.setattr(doctor, "MIN_FREE_BYTES", 2**60)
    config, _ = doctor.chosen_config(GivenKeys(), {"GA_PYGAME_DATA_DIR": str(tmp_path)})
    assert config is not None
    assert next(doctor.look_at_folder(config)).level == "warning"


def of_service(**environment: str) -> list[CheckResult]:
    config, wrong = doctor.chosen_config(GivenKeys(), environment)
    assert config is not None
    assert not wrong
    return list(doctor.look_at_service(config))


def test_the_service(shared: Collector) -> None:
    """A collector that takes the game; its clock is this one."""
    service, clock = of_service(GA_PYGAME_COLLECTOR=shared.url)
    assert (service.level, clock.level) == ("ok", "ok")
    assert not of_service()


def test_a_service_that_does_not_answer(shared: Collector) -> None:
    """Nobody listens, no such name, an address of another program, keys that it does not know."""
    (found,) = of_service(GA_PYGAME_COLLECTOR="http://127.0.0.1:9")
    assert (found.level, "ga_pygame collect" in found.fix) == ("problem", True)
    (found,) = of_service(GA_PYGAME_COLLECTOR="http://no-such-host.invalid")
    assert (found.level, "DNS" in found.fix) == ("problem", True)
    other = {"GA_PYGAME_GAME_KEY": KEY, "GA_PYGAME_SECRET_KEY": OWN_SECRET, "GA_PYGAME_ENDPOINT": f"{shared.url}/api"}
    (found,) = of_service(**other)
    assert (found.level, "404" in found.said) == ("problem", True)
    (found,) = of_service(**{**other, "GA_PYGAME_ENDPOINT": shared.url})
    assert (found.level, "401" in found.said) == ("problem", True)


def test_a_wrong_scheme_and_a_proxy_are_named(shared: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """The advice is for what stands between: TLS that nobody speaks there, a proxy that does not answer."""
    (found,) = of_service(GA_PYGAME_COLLECTOR=shared.url.replace("http:", "https:"))
    assert (found.level, "http:// instead of https://" in found.fix) == ("problem", True)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    proxy, found = of_service(GA_PYGAME_GAME_KEY=OWN_KEY, GA_PYGAME_SECRET_KEY=OWN_SECRET)
    assert "127.0.0.1" in proxy.said
    assert (found.level, "127.0.0.1 is the proxy: HTTPS_PROXY" in found.fix) == ("problem", True)


@pytest.mark.parametrize(
    ("offset", "level", "way"),
    [(59.0, "ok", ""), (-90.0, "warning", "90 s ahead of"), (7200.0, "warning", "7,200 s behind")],
)
def test_the_clock(offset: float, level: str, way: str) -> None:
    """It is said in which direction it is wrong."""
    found = doctor._clock_judged(offset)
    assert found.level == level
    assert way in found.said


def test_the_signature_is_that_of_the_document() -> None:
    """The example of the REST document."""
    assert doctor.look_at_signature().level == "ok"


@pytest.mark.e2e
def test_the_whole_as_json(shared: Collector, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A small game with a hidden window is seen; the exit code is 1 if there is a problem."""
    os.environ["GA_PYGAME_COLLECTOR"] = shared.url
    try:
        assert doctor.run_doctor(GivenKeys(), as_json=True) == 0
        found = json.loads(capfd.readouterr().out)
        assert doctor.run_doctor(GivenKeys(trophy_key="sk_admin"), as_json=False) == 1
        lines = capfd.readouterr().out.splitlines()
    finally:
        del os.environ["GA_PYGAME_COLLECTOR"]
    assert {one["check"]: one["level"] for one in found} == dict.fromkeys(
        ("versions", "pygame", "keys", "folder", "journal", "service", "clock", "signature", "hook"), "ok"
    )
    assert [line.split()[:2] for line in lines if line.startswith("problem")] == [["problem", "trophy"]]
