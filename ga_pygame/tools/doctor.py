"""`ga_pygame doctor`: check what an event needs on its way, from the keys to the service, and say what to do."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import requests

from ga_pygame import config as knobs
from ga_pygame import stored
from ga_pygame.addresses import port_option
from ga_pygame.clock import SystemClock, new_id
from ga_pygame.config import SANDBOX_GAME_KEY, Config
from ga_pygame.delivery.transport import RequestsTransport
from ga_pygame.destinations.gameanalytics import (
    GAMEANALYTICS_SANDBOX_URL,
    GAMEANALYTICS_URL,
    gameanalytics_of,
    signature_of,
)
from ga_pygame.protocol import Host, Reply, Situation, Standing
from ga_pygame.recording import journal_files
from ga_pygame.tools.printing import print_lines

FoundLevel = Literal["ok", "warning", "problem"]

SECONDS_FOR_SERVICE = 10.0
"""The longest wait for the service's answer."""
SECONDS_FOR_HOOK = 30.0
"""The longest wait for the game that checks the hook."""
MIN_FREE_BYTES = 50 * 2**20
"""Less free space than this is warned of: ten times what waits at most."""
MAX_CLOCK_DIFFERENCE = 60
"""A clock that differs more from the service's is warned of."""
SIGNED_SAMPLE = (
    b'{"test": "test"}',
    b"16813a12f718bc5c620f56944e1abc3ea13ccbac",
    "slnR8CKJtKtFDaESSrqnqQeUvp5FaVV7d5XHxt50N5A=",
)
"""A body, a secret key and the signature that belongs to them. Source: REST v2, Authentication."""


class CheckResult(NamedTuple):
    """What a check found.

    Attributes:
        check: The name of the check.
        level: Whether it is fine.
        said: What was found.
        fix: What to do; "" if nothing.
    """

    check: str
    level: FoundLevel
    said: str
    fix: str = ""


class GivenKeys(NamedTuple):
    """Keys on the command line, which go before those of the environment."""

    game_key: str | None = None
    secret_key: str | None = None
    trophy_key: str | None = None


def run_doctor(given: GivenKeys, *, as_json: bool) -> int:
    """Run all checks and print a line for each; return 1 if one found a problem."""
    found = []
    for one in look_at_all(given, os.environ):
        found.append(one)
        if not as_json:
            print_lines(_result_lines(one))
    if as_json:
        print_lines([json.dumps([one._asdict() for one in found]).encode()])
    return int(any(one.level == "problem" for one in found))


def _result_lines(one: CheckResult) -> Iterator[bytes]:
    yield f"{one.level:<8} {one.check:<12} {one.said}".encode()
    if one.fix:
        yield f"{'':<21} -> {one.fix}".encode()


def look_at_all(given: GivenKeys, environment: Mapping[str, str]) -> Iterator[CheckResult]:
    """Yield what each check found, in the order of an event's way."""
    yield from look_at_versions()
    yield from look_at_packages()
    config, wrong = chosen_config(given, environment)
    yield from wrong
    if config is not None:
        yield from look_at_keys(config)
        yield from look_at_folder(config)
        yield from look_at_service(config)
    yield from look_at_trophy_key(given.trophy_key or environment.get("TROPHY_API_KEY"))
    yield look_at_signature()
    yield look_at_hook()


def look_at_versions() -> Iterator[CheckResult]:
    """Tell the versions, for a report of a fault."""
    names = ("ga-pygame", "pygame-ce", "requests", "platformdirs", "filelock")
    known = {name: _version_of(name) for name in names}
    said = ", ".join(f"{name} {version}" for name, version in known.items() if version)
    yield CheckResult("versions", "ok", f"Python {platform.python_version()}, {platform.platform()}, {said}")


def _version_of(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def look_at_packages() -> Iterator[CheckResult]:
    """Say whether pygame-ce is installed, and nothing that overwrites it."""
    ours, classic = _version_of("pygame-ce"), _version_of("pygame")
    again = "pip uninstall -y pygame pygame-ce && pip install pygame-ce"
    if ours and classic:
        yield CheckResult("pygame", "problem", "pygame and pygame-ce are installed; each has overwritten files", again)
    elif classic:
        yield CheckResult("pygame", "warning", f"pygame {classic} is installed; ga_pygame is made for pygame-ce", again)
    elif not ours:
        yield CheckResult("pygame", "problem", "pygame-ce is not installed", "pip install pygame-ce")
    else:
        yield CheckResult("pygame", "ok", f"pygame-ce {ours}, and no other pygame")


def chosen_config(given: GivenKeys, environment: Mapping[str, str]) -> tuple[Config | None, list[CheckResult]]:
    """Return the knobs of a tracker that is given nothing but keys, and what is wrong with the environment."""
    wrong: list[CheckResult] = []

    def warn(_: str, message: str) -> None:
        wrong.append(CheckResult("environment", "problem", message, "correct its name or value, or unset it"))

    keys = {"game_key": given.game_key, "secret_key": given.secret_key}
    try:
        return knobs.load({name: key for name, key in keys.items() if key is not None}, environment, warn), wrong
    except ValueError as error:
        wrong.append(CheckResult("keys", "problem", str(error), "copy both keys again from the game's settings"))
        return None, wrong


def look_at_keys(config: Config) -> Iterator[CheckResult]:
    """Say where events go with these keys, and whether keys and server fit."""
    if config.collector:
        yield CheckResult("keys", "ok", f"events go to the collector at {config.collector}; no keys are needed")
        return
    if config.game_key is None:
        fix = (
            "while you develop: python -m ga_pygame dev my_game.py, which needs no keys; for the service:"
            " GA_PYGAME_GAME_KEY and GA_PYGAME_SECRET_KEY, or Tracker(game_key=…, secret_key=…)"
        )
        yield CheckResult("keys", "warning", "there are neither keys nor a collector: nothing is sent", fix)
        return
    is_sandbox = config.game_key == SANDBOX_GAME_KEY
    endpoint = (config.endpoint or "").rstrip("/")
    if is_sandbox and endpoint == GAMEANALYTICS_URL:
        yield CheckResult(
            "keys", "problem", "the published sandbox key does not work on production", "use your game's keys"
        )
    elif not is_sandbox and endpoint == GAMEANALYTICS_SANDBOX_URL:
        yield CheckResult("keys", "problem", "your game's keys do not work on the sandbox", "leave the endpoint out")
    elif is_sandbox:
        yield CheckResult(
            "keys", "warning", "these are the published sandbox keys", "use your game's keys when you publish"
        )
    else:
        yield CheckResult("keys", "ok", "both keys have the right form")


def look_at_folder(config: Config) -> Iterator[CheckResult]:
    """Say where events wait, whether they can, and where the journal is."""
    path = stored.outbox_path(config)
    if path is None:
        yield CheckResult(
            "folder", "problem", "there is no home folder: events are kept in memory only", "set GA_PYGAME_DATA_DIR"
        )
        return
    folder = path.parent.parent  # each game has a folder of its own in it
    there = next(one for one in (folder, *folder.parents) if one.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=there) as file:
            file.write(b"x")
            file.flush()
        free = shutil.disk_usage(there).free
    except OSError as error:
        yield CheckResult(
            "folder", "problem", f"{folder}: {error.strerror}", "make it writable, or set GA_PYGAME_DATA_DIR"
        )
        return
    said = f"{folder} is writable, {free // 2**20:,} MB are free"
    if free < MIN_FREE_BYTES:
        yield CheckResult("folder", "warning", said, "free some space: a full disk keeps events in memory only")
    else:
        yield CheckResult("folder", "ok", said)
    shared = journal_files.memory_folder(path.parent)
    place = "shared memory" if shared is not None else "the same folder"
    yield CheckResult("journal", "ok", f"each event is written to {place} before the call returns")


def look_at_service(config: Config) -> Iterator[CheckResult]:
    """Ask the service or the collector as a game does at its start."""
    destination = gameanalytics_of(config)
    if destination is None:
        return
    url = destination.endpoint
    host = urlsplit(url).hostname or ""
    proxies = requests.utils.get_environ_proxies(url)
    used = ""
    if proxies and host not in ("127.0.0.1", "localhost", "::1"):
        used = ", ".join(sorted({urlsplit(one).hostname or "a proxy" for one in proxies.values()}))
        yield CheckResult("proxy", "ok", f"requests go through {used}")
    told: list[str] = []
    clock = SystemClock()
    destination.open(Host(clock, {}, lambda *_: None, lambda _: None, lambda _, message: told.append(message)))
    transport = RequestsTransport(SECONDS_FOR_SERVICE, clock)
    reply, standing = Reply(None), Standing.AGAIN
    while standing is Standing.AGAIN:  # the older route, if the newer one is not there
        request = destination.handshake(Situation(new_id(), 1, new_id(), config.build))
        if request is None:
            break
        reply = transport.send(request).reply
        standing = destination.welcome(reply)
    transport.close()
    result = _judged(url, host, reply, standing, told)
    if used and reply.status is None and result.level == "problem":
        result = result._replace(fix=f"{result.fix}; {used} is the proxy: HTTPS_PROXY, NO_PROXY, the system's settings")
    yield result
    if clock.server_offset is not None:
        yield _clock_judged(clock.server_offset)


def _judged(url: str, host: str, reply: Reply, standing: Standing, told: list[str]) -> CheckResult:
    """Say what the service's answer means."""
    if standing is Standing.READY:
        return CheckResult("service", "ok", f"{url} answers, and takes this game's events")
    if told:
        return CheckResult("service", "problem", told[0], "the message says it")
    if reply.status is not None:
        return CheckResult(
            "service", "problem", f"{url} answers {reply.status}, not as the service does", "try it again later"
        )
    reason = reply.error or "no answer"
    fix = "check the connection, a firewall, the address"
    lowered = reason.lower()
    if any(word in lowered for word in ("name", "resol", "getaddrinfo")):
        fix = f"the name {host} is not known here: check the connection and the DNS server"
    elif "wrong_version_number" in lowered or "record layer failure" in lowered:
        fix = "what answers there speaks no TLS: does the address begin with http:// instead of https://?"
    elif any(word in lowered for word in ("certificate", "ssl", "tls")):
        fix = "check the clock; if a proxy or an antivirus signs connections anew: REQUESTS_CA_BUNDLE=its certificate"
    elif "proxy" in lowered:
        fix = "check the proxy: HTTPS_PROXY and NO_PROXY, or the system's settings"
    elif "refused" in lowered and host in ("127.0.0.1", "localhost"):
        fix = f"start the collector: python -m ga_pygame collect{port_option(url)}"
    return CheckResult("service", "problem", reason if url in reason else f"{url}: {reason}", fix)


def _clock_judged(offset: float) -> CheckResult:
    if abs(offset) <= MAX_CLOCK_DIFFERENCE:
        return CheckResult("clock", "ok", f"it is {abs(offset):.0f} s off the service's")
    way = "behind" if offset > 0 else "ahead of"
    return CheckResult(
        "clock",
        "warning",
        f"it is {abs(offset):,.0f} s {way} the service's; the tracker corrects that",
        "set the clock: certificates and other programs need it",
    )


def look_at_trophy_key(key: str | None) -> Iterator[CheckResult]:
    """Say whether a Trophy key may be in a game."""
    if not key:
        return
    if key.strip() != key:
        yield CheckResult("trophy key", "problem", "it has spaces or a line break around it", "strip() it")
    elif key.startswith("app_"):
        yield CheckResult("trophy key", "ok", "it is an application key")
    else:
        fix = "have your server mint an application key (app_…) for each player"
        yield CheckResult("trophy key", "problem", "it is an admin key, which players could read out of the game", fix)


def look_at_signature() -> CheckResult:
    """Sign the document's own example."""
    body, secret, expected = SIGNED_SAMPLE
    if signature_of(secret, body) != expected:
        return CheckResult(
            "signature", "problem", "this Python's HMAC-SHA256 gives a wrong signature", "reinstall Python"
        )
    return CheckResult("signature", "ok", "HMAC-SHA256 gives the signature of the document's example")


def look_at_hook() -> CheckResult:
    """Run a game of a second with a hidden window, and look whether its tracker saw it."""
    problem = ""
    for driver in (None, "dummy"):
        with tempfile.TemporaryDirectory(prefix="ga_pygame_") as folder:
            environment = _environment_of_hook(folder, driver)
            command = [sys.executable, "-m", "ga_pygame.tools.hook_game", folder]
            try:
                done = subprocess.run(  # noqa: S603 - our own module, no shell
                    command, env=environment, capture_output=True, text=True, timeout=SECONDS_FOR_HOOK, check=False
                )
            except subprocess.TimeoutExpired:
                problem = f"the game did not end in {SECONDS_FOR_HOOK:.0f} s"
                continue
            if done.returncode == 0:
                window = "a hidden window" if driver is None else "SDL's dummy driver, since no window opens here"
                return CheckResult("hook", "ok", f"a game with {window} was seen: frames, focus, quit, session")
            problem = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
    return CheckResult("hook", "problem", f"a small game failed: {problem}", "try `python -m pygame.examples.aliens`")


def _environment_of_hook(folder: str, driver: str | None) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GA_PYGAME_")}
    environment |= {"SDL_AUDIODRIVER": "dummy", "PYGAME_HIDE_SUPPORT_PROMPT": "1", "GA_PYGAME_DATA_DIR": folder}
    return environment if driver is None else {**environment, "SDL_VIDEODRIVER": driver}
