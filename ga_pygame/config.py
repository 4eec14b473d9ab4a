"""Every knob, once: its default, its unit and the environment variable that sets it.

A keyword given to `Tracker` wins over the environment, the environment over the default. A wrong keyword
raises at once, since a developer is watching; a wrong environment value warns and falls back, since a
player may be.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ga_pygame import rules
from ga_pygame.checks import InvalidEvent

if TYPE_CHECKING:
    from ga_pygame.exchange import Destination

SANDBOX_GAME_KEY = "5c6bcb5402204249437fb5a7a80a4959"
SANDBOX_SECRET_KEY = "16813a12f718bc5c620f56944e1abc3ea13ccbac"  # noqa: S105 - published for everyone
"""GameAnalytics' published sandbox pair. Source: REST v2, Sandbox keys."""

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


def _flag(text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("must be 1 or 0")
    return word in _TRUE


def _seconds(text: str) -> float:
    return float(text)


def _knob(
    default: Any, text: str, *, unit: str = "", env: str = "", parse: Callable[[str], Any] = str, secret: bool = False
) -> Any:
    metadata = {"doc": text, "unit": unit, "env": f"GA_PYGAME_{env}" if env else "", "parse": parse}
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Config:
    """The knobs of one tracker; frozen, and checked when it is made.

    Raises:
        InvalidEvent: A key, a name or an id breaks a rule of the service.
        ValueError: A number is out of range.
        TypeError: There is no knob of that name.
    """

    game_key: str | None = _knob(None, "the game's key", env="GAME_KEY", secret=True)
    secret_key: str | None = _knob(None, "the game's secret key", env="SECRET_KEY", secret=True)
    build: str | None = _knob(None, "the game's version, on every event", env="BUILD")
    user_id: str | None = _knob(None, "your own id for the player; default: a random one, kept in the data folder")
    collector: str | None = _knob(None, "send everything to this collector instead of the services", env="COLLECTOR")
    endpoint: str | None = _knob(
        None, "GameAnalytics' server; default: production, or the sandbox with the sandbox keys", env="ENDPOINT"
    )
    data_dir: str | os.PathLike[str] | None = _knob(
        None, "where events wait; default: the user's data folder for this system", env="DATA_DIR"
    )
    enabled: bool = _knob(True, "off: nothing is recorded, written or sent", env="ENABLED", parse=_flag)
    strict: bool = _knob(False, "raise `InvalidEvent` at a wrong call (development, tests)", env="STRICT", parse=_flag)
    consent_required: bool = _knob(False, "write and send nothing before `consent.grant()`")
    hook: bool = _knob(True, "watch pygame by itself; off: call `process(event)` and `tick()` yourself")
    capture_exceptions: bool = _knob(True, "report uncaught exceptions as errors")
    currencies: Collection[str] | None = _knob(None, "the virtual currencies there are; default: any")
    item_types: Collection[str] | None = _knob(None, "the item types there are, of resources; default: any")
    dimension_values: Mapping[int, Collection[str]] | None = _knob(
        None, "the values there are of custom dimensions 1 to 3; default: any"
    )
    destinations: Sequence[Destination] | None = _knob(None, "where events go; default: GameAnalytics with these keys")
    pause_timeout: float = _knob(20.0, "a longer pause ends the session", unit="s", env="PAUSE_TIMEOUT", parse=_seconds)
    upload_interval: float = _knob(20.0, "time between uploads", unit="s", env="UPLOAD_INTERVAL", parse=_seconds)
    request_timeout: float = _knob(
        10.0, "the longest wait for a server's answer", unit="s", env="REQUEST_TIMEOUT", parse=_seconds
    )
    shutdown_timeout: float = _knob(
        1.0, "the longest wait when the game ends", unit="s", env="SHUTDOWN_TIMEOUT", parse=_seconds
    )
    journal: bool = _knob(
        True, "note each event where it outlives a kill at the very next moment; off: up to 0.05 s may be lost"
    )
    max_outbox_bytes: int = _knob(
        5 * 2**20,
        "room for events that wait; over it the oldest session's go first",
        unit="bytes",
        env="MAX_OUTBOX_BYTES",
        parse=int,
    )
    resubmit_on_server_error: bool | None = _knob(
        None, "send again after a server error; default: only to our own collector, which drops doubles"
    )

    def __post_init__(self) -> None:
        for one in fields(self):
            _check_type(one, getattr(self, one.name))
        if self.data_dir:
            object.__setattr__(self, "data_dir", _absolute(self.data_dir))
        if self.game_key is not None and self.game_key == self.secret_key:
            raise ValueError("game_key and secret_key are the same; see the game's settings for both keys")
        _check_key("game_key", self.game_key)
        _check_key("secret_key", self.secret_key)
        if (self.game_key is None) != (self.secret_key is None):
            raise ValueError("game_key and secret_key belong together: give both or none")
        if self.build is not None:
            rules.build("build", self.build)
        if self.user_id is not None:
            rules.user_id("user_id", self.user_id)
        for url_name, url in (("collector", self.collector), ("endpoint", self.endpoint)):
            if url is not None and not url.startswith(("http://", "https://")):
                raise ValueError(f"{url_name} {url!r}: must start with http:// or https://")
        self._check_declared()
        for name in ("pause_timeout", "shutdown_timeout"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name}: must be 0 s or more")
        for name in ("upload_interval", "request_timeout", "max_outbox_bytes"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name}: must be more than 0")

    def _check_declared(self) -> None:
        for currency in self.currencies or ():
            rules.resource_currency("currencies", currency)
        for item_type in self.item_types or ():
            rules.event_part("item_types", item_type)
        for number, values in (self.dimension_values or {}).items():
            if number not in (1, 2, 3):
                raise ValueError(f"dimension_values {number!r}: there are the custom dimensions 1, 2 and 3")
            for value in values:
                rules.custom_dimension(f"dimension_values[{number}]", value)


_KINDS: dict[Callable[[str], Any], tuple[tuple[type, ...], str]] = {
    str: ((str,), "a string"),
    int: ((int,), "a whole number"),
    _seconds: ((int, float), "a number of seconds"),
    _flag: ((bool,), "True or False"),
}


def _check_type(one: Field[Any], value: object) -> None:
    """Say plainly which kind of value a knob takes that has an environment variable and so a simple one."""
    if not one.metadata["env"] or value is None or one.name == "data_dir":
        return
    kinds, words = _KINDS[one.metadata["parse"]]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise ValueError(f"{one.name}: must be {words}, not a {type(value).__name__}")


def _check_key(name: str, value: object) -> None:
    """Check a key's form without ever showing it."""
    if value is None:
        return
    check = rules.game_key if name == "game_key" else rules.secret_key
    try:
        check(name, value)
    except InvalidEvent as error:
        size = f"has {len(value)} characters" if isinstance(value, str) else f"is a {type(value).__name__}"
        raise ValueError(f"{name}: {size}; must be {check.words} ({error.source})") from None


def load(knobs: Mapping[str, Any], environment: Mapping[str, str], warn: Callable[[str, str], None]) -> Config:
    """Make a `Config` from keywords and environment.

    Args:
        knobs: The keywords given to `Tracker`.
        environment: Usually `os.environ`.
        warn: Called with a cause and a message for each environment value that is not used.
    """
    known = {one.name: one for one in fields(Config)}
    for name in knobs:
        if name not in known:
            import difflib  # noqa: PLC0415 - 1 ms, for a wrong call only

            near = difflib.get_close_matches(name, known, 1)
            meant = f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(known)}"
            raise TypeError(f"Tracker has no knob {name!r}{meant}")
    chosen = {name: value for name, value in knobs.items() if not (value is None and known[name].default is None)}
    from_environment = {}
    for one in known.values():
        text = environment.get(one.metadata["env"], "") if one.metadata["env"] else ""
        if text and one.name not in chosen:
            value = _parse(one, text, warn)
            if value is not MISSING:
                from_environment[one.name] = value
    if ("game_key" in chosen) != ("secret_key" in chosen):  # a pair comes from one place or is refused below
        from_environment = {name: value for name, value in from_environment.items() if not name.endswith("_key")}
    try:
        return Config(**{**from_environment, **chosen})
    except ValueError as error:
        if not from_environment:
            raise
        config = Config(**chosen)  # raises where the keywords are at fault
        warn("environment", f"the GA_PYGAME_* variables are not used: {error}")
        return config


def _parse(one: Field[Any], text: str, warn: Callable[[str, str], None]) -> Any:
    """Read and check one environment value; `MISSING` where it is wrong."""
    try:
        value = one.metadata["parse"](text)
        if not one.name.endswith("_key"):
            Config(**{one.name: value})
    except ValueError as error:
        shown = "" if one.name.endswith("_key") else f" {text!r}"
        warn(one.metadata["env"], f"{one.metadata['env']}{shown} is not used: {error}")
        return MISSING
    return value


def data_folder(config: Config, game_key: str) -> Path | None:
    """The folder of one game; a collector's events have their own, so that none ever reaches a service.

    `None` where there is no home folder: no HOME, and no entry of the user in the system's list.
    """
    import platformdirs  # noqa: PLC0415 - 4 ms that `import ga_pygame` need not cost

    try:
        root = Path(config.data_dir) if config.data_dir else platformdirs.user_data_path("ga_pygame", appauthor=False)
    except RuntimeError:  # newer versions say so instead of a folder of the name "~"
        return None
    if not root.is_absolute():
        return None
    return root / (f"{game_key}-collector" if config.collector else game_key)


def _absolute(folder: str | os.PathLike[str]) -> Path:
    """A folder as it is meant now: the game may change its working folder."""
    text = os.fspath(folder)
    if not isinstance(text, str):
        text = os.fsdecode(text)
    if "\0" in text:
        raise ValueError("data_dir: a path cannot have a null character")
    return Path(os.path.abspath(os.path.expanduser(text)))
