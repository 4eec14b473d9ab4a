"""Remote configs and A/B experiments of the collector, from a settings file.

    {"*": {"enabled": true,
           "configs": [{"key": "gravity", "value": "80", "start_ts": null, "end_ts": null}],
           "experiment": {"id": "jump", "share": 1.0,
                          "variants": {"ctrl": [], "1": [{"key": "gravity", "value": "40"}]},
                          "users": {"a user id": "1"}}}}

The outer key is a game key, or `*` for every other game. All parts are optional. A player is in the experiment by
chance (`share`, the same at each call for a user id) or by name (`users`). A player in the experiment gets the
variant's configs instead of the general ones. The file is JSON, or TOML if its name ends with `.toml`, and is read
again when it changes. The page can edit it, too: see `configs_editing`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from ga_pygame import rules


class ConfigsError(Exception):
    """The settings file cannot be used; the message says why."""


MAX_FILE_BYTES = 2**20
"""Bytes of a settings file; a longer one is refused."""
MAX_GAME_CONFIGS = 50
"""Configs of a game or a variant. Source: documentation, Remote configs."""
MAX_KEY = 16
"""Characters of a config's key. Source: documentation, Remote configs."""
MAX_VALUE = 2000
"""Characters of a config's value that is a string. Source: documentation, Remote configs."""
MAX_JSON_VALUE_BYTES = 16 * 2**10
"""Bytes of a config's value that is no string, as JSON."""
MAX_EXPERIMENT_ID = 64
"""Characters of an experiment's and a variant's id."""


_FORM = (
    'The form is {"*": {"configs": [{"key": "gravity", "value": "40"}]}}; beside "configs" there may be "experiment"'
    ' and "enabled"'
)


FileStamp = tuple[int, int]
"""Nanoseconds of a file's last change, and its size."""


class RemoteConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A value and the time in which it is valid, in seconds since 1970; `null` means no limit."""

    key: str
    value: Any
    start_ts: int | None = None
    end_ts: int | None = None
    vsn: int = 1

    def holds(self, start: int, end: int) -> bool:
        """Whether it is valid at some moment from start to end."""
        return (not self.start_ts or self.start_ts <= end) and (not self.end_ts or self.end_ts > start)


class Experiment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An A/B test."""

    id: str
    variants: dict[str, list[RemoteConfig]]
    share: float = 1.0
    users: dict[str, str] = {}

    def variant_of(self, user_id: str) -> str | None:
        """Return the variant of a player, `None` outside the experiment; the same at each call."""
        named = self.users.get(user_id)
        if named is not None:
            return named if named in self.variants else None
        digest = hashlib.sha256(f"{self.id}\n{user_id}".encode("utf-8", "replace")).digest()
        chance = int.from_bytes(digest[:4], "big") / 2**32
        if not self.variants or chance >= self.share:
            return None
        return list(self.variants)[int.from_bytes(digest[4:8], "big") % len(self.variants)]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The settings of one game."""

    enabled: bool = True
    configs: list[RemoteConfig] = []
    experiment: Experiment | None = None

    def answer(self, user_id: str, start: int, end: int, *, versions: bool, chosen: str = "") -> dict[str, Any]:
        """Make the answer for a player: the configs, their hash and the A/B ids.

        Args:
            user_id: The player.
            start: Seconds since 1970.
            end: `start`, or later to include configs of the near future.
            versions: The client knows `id`, `vsn` and values that are no strings. Source: SDK 5.
            chosen: The variant that a developer asks for, ours; "" or an unknown one gives the player's own.
        """
        variant = self.experiment.variant_of(user_id) if self.experiment else None
        if self.experiment and chosen in self.experiment.variants:
            variant = chosen
        answer: dict[str, Any] = {}
        configs = self.configs
        if self.experiment and variant is not None:
            configs = self.experiment.variants[variant]
            answer = {"ab_id": self.experiment.id, "ab_variant_id": variant}
        answer["configs"] = [_wire(config, versions=versions) for config in configs if config.holds(start, end)]
        digest = hashlib.sha256(msgspec.json.encode(answer)).digest()
        answer["configs_hash"] = str(int.from_bytes(digest[:6], "big"))
        return answer


def _wire(config: RemoteConfig, *, versions: bool) -> dict[str, Any]:
    wire = {"key": config.key, "value": config.value, "start_ts": config.start_ts, "end_ts": config.end_ts}
    if versions:
        wire["id"] = base64.b64encode(hashlib.sha256(config.key.encode()).digest()[:16]).decode()
        wire["vsn"] = config.vsn
    elif not isinstance(config.value, str):
        wire["value"] = msgspec.json.encode(config.value).decode()
    return wire


class SettingsFile:
    """The settings of every game; the defaults if there is no file.

    Args:
        path: The file, or `None`.
        report: Called with a message if a changed file cannot be used; the last good settings stay in force.

    Raises:
        ConfigsError: The file cannot be used at the start.
    """

    def __init__(self, path: Path | None, report: Callable[[str], None]) -> None:
        self.path = path
        self.problem = ""
        """Why the changed file cannot be used, "" if it can."""
        self._report = report
        self._found: tuple[dict[str, Settings], FileStamp | None] = ({}, None)
        if path is not None:
            try:
                stamp = file_stamp(path)
                self._found = load_settings(path), stamp
            except OSError as error:
                raise ConfigsError(f"cannot read {path}: {error.strerror or error}") from error

    def of(self, game_key: str) -> Settings:
        """Return the settings of a game, after reading a changed file again."""
        games, _ = self.read()
        return games.get(game_key) or games.get("*") or Settings()

    def read(self) -> tuple[dict[str, Settings], FileStamp | None]:
        """Return the settings by game key and the stamp of their file, after reading a changed file again."""
        if self.path is not None:
            games, stamp = self._found
            try:
                stamp = file_stamp(self.path)
                if stamp != self._found[1]:
                    # Both at once: another thread that got the old settings with the new stamp would let a person edit
                    # the old ones, and saving them would overwrite the new ones.
                    self._found = load_settings(self.path), stamp
                    self.problem = ""
            except (OSError, ConfigsError) as error:
                self._found = games, stamp
                self.problem = f"settings stay as they were: {error}"
                self._report(self.problem)
        return self._found


def file_stamp(path: Path) -> FileStamp:
    """Return time and size of a file, which change with its content.

    Raises:
        OSError: There is no such file.
    """
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def is_toml(path: Path) -> bool:
    """Whether a settings file is TOML; else it is JSON."""
    return path.suffix.lower() == ".toml"


def load_settings(path: Path) -> dict[str, Settings]:
    """Read and check a settings file.

    Raises:
        ConfigsError: It is not a settings file.
        OSError: It cannot be read.
    """
    if not path.is_file():  # reading a pipe would block for ever
        raise ConfigsError(f"{path} is not a file")
    with path.open("rb") as file:
        text = file.read(MAX_FILE_BYTES + 1)
    if len(text) > MAX_FILE_BYTES:
        raise ConfigsError(f"{path} has more than {MAX_FILE_BYTES} bytes")
    try:
        decode = msgspec.toml.decode if is_toml(path) else msgspec.json.decode
        games = decode(text, type=dict[str, Settings])
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise ConfigsError(f"{path} is not a settings file: {str(error)[:300]}. {_FORM}") from error
    problem = next(games_problems(games), None)
    if problem:
        raise ConfigsError(f"{path}: {problem}")
    return games


def games_problems(games: dict[str, Settings]) -> Iterator[str]:
    """Yield what is wrong with the settings of all games."""
    for name in games:
        if name != "*" and rules.game_key.compile().fullmatch(name) is None:
            yield f"{name[:40]!r} is neither a game key nor * (all other games). {_FORM}"
    for settings in games.values():
        yield from settings_problems(settings)


def settings_problems(settings: Settings) -> Iterator[str]:
    """Yield the settings that clients would refuse, because the service never sends such."""
    groups = [settings.configs]
    if settings.experiment:
        groups += settings.experiment.variants.values()
        if not all(
            0 < len(name) <= MAX_EXPERIMENT_ID for name in (settings.experiment.id, *settings.experiment.variants)
        ):
            yield f"the ids of an experiment and its variants must have 1 to {MAX_EXPERIMENT_ID} characters"
    for configs in groups:
        if len(configs) > MAX_GAME_CONFIGS:
            yield f"there may be {MAX_GAME_CONFIGS} configs, these are {len(configs)}"
        for config in configs:
            key = config.key[:MAX_KEY]
            if not 0 < len(config.key) <= MAX_KEY:
                yield f"the key of a config must have 1 to {MAX_KEY} characters: {key!r} has {len(config.key)}"
            if isinstance(config.value, str):
                if len(config.value) > MAX_VALUE:
                    yield f"the value of {key!r} has {len(config.value)} characters, at most {MAX_VALUE} are allowed"
            elif len(msgspec.json.encode(config.value)) > MAX_JSON_VALUE_BYTES:
                yield f"the value of {key!r} has more than {MAX_JSON_VALUE_BYTES} bytes as JSON"
