"""Remote configs and A/B experiments that the collector hands out, from a settings file.

    {"*": {"enabled": true,
           "configs": [{"key": "gravity", "value": "80", "start_ts": null, "end_ts": null}],
           "experiment": {"id": "jump", "share": 1.0,
                          "variants": {"ctrl": [], "1": [{"key": "gravity", "value": "40"}]},
                          "users": {"a user id": "1"}}}}

The outer key is a game key, or `*` for every other game. All parts are optional. A player is in the
experiment by chance (`share`, stable per user id) or by name (`users`); who is in it gets the variant's
configs and no global ones. The file is read again when it changes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec


class ConfigsError(Exception):
    """The settings file cannot be used; the message says why."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One value and the time in which it holds, in seconds since 1970; open ends are null."""

    key: str
    value: Any
    start_ts: int | None = None
    end_ts: int | None = None
    vsn: int = 1

    def holds(self, start: int, end: int) -> bool:
        """Whether it holds at some moment from start to end."""
        return (not self.start_ts or self.start_ts <= end) and (not self.end_ts or self.end_ts > start)


class Experiment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An A/B test."""

    id: str
    variants: dict[str, list[Config]]
    share: float = 1.0
    users: dict[str, str] = {}

    def variant_of(self, user_id: str) -> str | None:
        """The variant of a player, `None` outside the experiment; the same at each call."""
        named = self.users.get(user_id)
        if named is not None:
            return named if named in self.variants else None
        digest = hashlib.sha256(f"{self.id}\n{user_id}".encode("utf-8", "replace")).digest()
        chance = int.from_bytes(digest[:4], "big") / 2**32
        if not self.variants or chance >= self.share:
            return None
        return list(self.variants)[int.from_bytes(digest[4:8], "big") % len(self.variants)]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one game gets at init."""

    enabled: bool = True
    configs: list[Config] = []
    experiment: Experiment | None = None

    def answer(self, user_id: str, start: int, end: int, *, versions: bool) -> dict[str, Any]:
        """The configs of a player, their hash and the A/B ids.

        Args:
            user_id: The player.
            start: Seconds since 1970.
            end: The same, or later if configs of the near future are wanted too.
            versions: The client knows `id`, `vsn` and values that are no strings. Source: SDK 5.
        """
        variant = self.experiment.variant_of(user_id) if self.experiment else None
        answer: dict[str, Any] = {}
        configs = self.configs
        if self.experiment and variant is not None:
            configs = self.experiment.variants[variant]
            answer = {"ab_id": self.experiment.id, "ab_variant_id": variant}
        answer["configs"] = [_wire(config, versions=versions) for config in configs if config.holds(start, end)]
        digest = hashlib.sha256(msgspec.json.encode(answer)).digest()
        answer["configs_hash"] = str(int.from_bytes(digest[:6], "big"))
        return answer


def _wire(config: Config, *, versions: bool) -> dict[str, Any]:
    wire = {"key": config.key, "value": config.value, "start_ts": config.start_ts, "end_ts": config.end_ts}
    if versions:
        wire["id"] = base64.b64encode(hashlib.sha256(config.key.encode()).digest()[:16]).decode()
        wire["vsn"] = config.vsn
    elif not isinstance(config.value, str):
        wire["value"] = msgspec.json.encode(config.value).decode()
    return wire


class SettingsFile:
    """The settings of every game; without a file, all defaults.

    Args:
        path: The file, or `None`.
        report: Told when a changed file cannot be used; the last good one stays in force.

    Raises:
        ConfigsError: The file cannot be used at the start.
    """

    def __init__(self, path: Path | None, report: Callable[[str], None]) -> None:
        self._path = path
        self._report = report
        self._stamp: tuple[int, int] | None = None
        self._games: dict[str, Settings] = {}
        if path is not None:
            try:
                self._stamp = _stamp(path)
                self._games = _load(path)
            except OSError as error:
                raise ConfigsError(f"cannot read {path}: {error.strerror or error}") from error

    def of(self, game_key: str) -> Settings:
        """What this game gets, as the file says now."""
        if self._path is not None:
            try:
                stamp = _stamp(self._path)
                if stamp != self._stamp:
                    self._stamp = stamp
                    self._games = _load(self._path)
            except (OSError, ConfigsError) as error:
                self._report(f"settings stay as they were: {error}")
        return self._games.get(game_key) or self._games.get("*") or Settings()


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _load(path: Path) -> dict[str, Settings]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Settings])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ConfigsError(f"{path} is not a settings file: {error}") from error
