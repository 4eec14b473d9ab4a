"""Write a settings file anew, with a history of its versions.

The file stays the source: it is written only if it is still the version that was edited, and read as if a person had
changed it. Its history lies beside it, a version a line.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

import msgspec
import tomlkit
from tomlkit.exceptions import TOMLKitError

from ga_pygame.collector.gameanalytics.configs import (
    MAX_FILE_BYTES,
    ConfigsError,
    FileStamp,
    RemoteConfig,
    Settings,
    SettingsFile,
    file_stamp,
    games_problems,
    is_toml,
    load_settings,
)

MAX_VERSIONS_KEPT = 100
"""Versions of a settings file in its history; the oldest are removed."""
MAX_HISTORY_BYTES = 16 * 2**20
"""Bytes of a history that are read; a longer one counts as empty and is written anew."""

GameSettings = dict[str, Settings]


class Version(msgspec.Struct, frozen=True):
    """A version of a settings file: when it was found or written (seconds since 1970), by whom, and all of it."""

    at: float
    by: str
    games: GameSettings


class SettingsInForce(Protocol):
    """What init needs of settings."""

    def of(self, game_key: str) -> Settings:
        """Return the settings of a game; any thread may ask, and waits for nothing but a file of this machine."""


class EditableSettings(SettingsInForce, Protocol):
    """Settings that the page edits.

    Attributes:
        label: Where they are, for people.
        problem: Why changed settings cannot be used, "" if they can.
    """

    label: str

    @property
    def problem(self) -> str:
        """As above."""

    def read(self) -> tuple[GameSettings, FileStamp | None]:
        """Return the settings by game key, and the stamp of their version."""

    def save(self, games: GameSettings, edited: FileStamp | None, now: float) -> None:
        """Put new settings in force.

        Args:
            games: The new settings.
            edited: The stamp of the version that was edited.
            now: Seconds since 1970.

        Raises:
            ConfigsError: They are not in force; the message says why.
        """

    def history(self) -> list[Version]:
        """Return the versions that were in force, the newest first."""


class EditedFile:
    """A settings file as the page edits it.

    Args:
        file: It has a path.
        path: Its path.
    """

    def __init__(self, file: SettingsFile, path: Path) -> None:
        self._file = file
        self._path = path
        self._one_at_a_time = threading.Lock()
        self.label = str(path)
        self.of = file.of
        self.read = file.read

    @property
    def problem(self) -> str:
        """Why the changed file cannot be used."""
        return self._file.problem

    def save(self, games: GameSettings, edited: FileStamp | None, now: float) -> None:
        """Write the file; see `save_settings`. Of two tabs that save at once, the second one is told so."""
        with self._one_at_a_time:
            save_settings(self._path, games, edited, now)

    def history(self) -> list[Version]:
        """Read its history."""
        return read_history(self._path)


def save_settings(path: Path, games: GameSettings, edited: FileStamp | None, now: float) -> None:
    """Write a settings file and its history.

    Args:
        path: The file.
        games: The new settings.
        edited: The stamp of the version that was edited.
        now: Seconds since 1970.

    Raises:
        ConfigsError: The settings break a rule, the file was changed meanwhile or cannot be written.
    """
    problem = next(games_problems(games), None)
    if problem:
        raise ConfigsError(problem)
    try:
        real = path.resolve(strict=True)
        _check_that_it_is_still(real, edited)
        before = load_settings(real)
        text = _text_of_settings(real, before, games)
        _check_that_it_is_still(real, edited)
        _replace(real, text)
        _add_to_history(history_path(path), before, Version(now, "page", games))
    except OSError as error:
        raise ConfigsError(f"cannot write {path}: {error.strerror or error}") from error


def _check_that_it_is_still(path: Path, edited: FileStamp | None) -> None:
    if file_stamp(path) != edited:
        raise ConfigsError("the file was changed meanwhile: discard your changes to see it, then make them again")


def history_path(path: Path) -> Path:
    """Return the file with the history of a settings file."""
    return path.with_name(f"{path.name}.history")


def read_history(path: Path) -> list[Version]:
    """Read the versions of a settings file, the newest first; none if there is no readable history."""
    file = history_path(path)
    try:
        if not file.is_file() or file.stat().st_size > MAX_HISTORY_BYTES:
            return []
        lines = file.read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines[-MAX_VERSIONS_KEPT:]:
        try:
            found.append(msgspec.json.decode(line, type=Version))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            continue  # a damaged line costs only its version
    return found[::-1]


def changes_between(before: GameSettings, after: GameSettings) -> list[str]:
    """Say what differs between two versions, a line each, e.g. `*: gravity: "80" → "40"`."""
    old, new = dict(_facts_of_games(before)), dict(_facts_of_games(after))
    said = [f"{name}: {old[name]} → {new[name]}" for name in old if name in new and new[name] != old[name]]
    said += [f"{name}: {new[name]} (new)" for name in new if name not in old]
    return said + [f"{name}: {old[name]} (removed)" for name in old if name not in new]


def _facts_of_games(games: GameSettings) -> Iterator[tuple[str, str]]:
    for game, settings in games.items():
        yield f"{game}: enabled", "yes" if settings.enabled else "no"
        yield from _facts_of_configs(game, settings.configs)
        if settings.experiment is None:
            continue
        yield f"{game}: experiment", settings.experiment.id
        yield f"{game}: share", f"{settings.experiment.share:.0%}"
        for variant, configs in settings.experiment.variants.items():
            yield f"{game}: variant {variant}", f"{len(configs)} config{'' if len(configs) == 1 else 's'}"
            yield from _facts_of_configs(f"{game}: variant {variant}", configs)
        for user, variant in settings.experiment.users.items():
            yield f"{game}: player {user}", f"variant {variant}"


def _facts_of_configs(where: str, configs: list[RemoteConfig]) -> Iterator[tuple[str, str]]:
    for config in configs:
        yield f"{where}: {config.key}", msgspec.json.encode(config.value).decode()
        for word, moment in (("from", config.start_ts), ("until", config.end_ts)):
            if moment:
                yield f"{where}: {config.key} {word}", utc_text(moment)


def utc_text(moment: int) -> str:
    """Write a time in seconds since 1970 as UTC, to the minute."""
    try:
        return f"{datetime.fromtimestamp(moment, timezone.utc):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):  # a year that no calendar has
        return f"{moment} s"


def _text_of_settings(path: Path, before: GameSettings, games: GameSettings) -> bytes:
    """Write the settings in the form of their file. In TOML, comments outside of what changes stay."""
    if not is_toml(path):
        return msgspec.json.format(msgspec.json.encode(games), indent=2) + b"\n"
    document: Any = tomlkit.parse(path.read_text(encoding="utf-8"))
    try:
        _put(document, msgspec.to_builtins(before), msgspec.to_builtins(games), depth=2)
        text = tomlkit.dumps(document).encode()
        written = msgspec.toml.decode(text, type=GameSettings)
    except (TOMLKitError, msgspec.DecodeError, ValueError) as error:
        raise ConfigsError("TOML cannot say this: it knows no null; use a text instead") from error
    if written != games:
        raise ConfigsError("the file's TOML cannot be changed here: change it with an editor")
    return text


def _put(table: Any, before: dict[str, Any], after: dict[str, Any], depth: int) -> None:
    """Change what differs in a table of a TOML document; what stays the same keeps its comments."""
    for name in before.keys() - after.keys():
        del table[name]
    for name, value in after.items():
        if name not in before:
            table[name] = value
        elif before[name] != value:
            if depth > 1:
                _put(table[name], before[name], value, depth - 1)
            else:
                table[name] = value


def _replace(path: Path, text: bytes) -> None:
    """Replace a file as a whole, so that no reader finds half of it; its access rights stay."""
    if len(text) > MAX_FILE_BYTES:
        raise ConfigsError(f"the settings would have more than {MAX_FILE_BYTES} bytes")
    _write_whole(path, text, like=path)


def _write_whole(path: Path, text: bytes, *, like: Path) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(like, name)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _add_to_history(file: Path, before: GameSettings, version: Version) -> None:
    """Add a version; also the one before it, if a person has changed the file since the last one."""
    settings = file.with_name(file.name.removesuffix(".history"))
    kept = read_history(settings)[::-1]
    if not kept or kept[-1].games != before:
        kept.append(Version(version.at, "file", before))
    kept.append(version)
    lines = [msgspec.json.encode(one) + b"\n" for one in kept[-MAX_VERSIONS_KEPT:]]
    _write_whole(file, b"".join(lines), like=settings)
