"""Where a tracker's data are stored, and what the player answered in an earlier launch."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ga_pygame import kept
from ga_pygame.areas.consent import ConsentState
from ga_pygame.config import NO_KEYS, Config, data_folder, game_keys, shared_folder
from ga_pygame.delivery.consent_mark import ConsentMark


def outbox_path(config: Config) -> Path | None:
    """Return this game's database file; `None` if the player has no home folder.

    A folder of an earlier version is used in its place until `adopt` has moved it.
    """
    own, shared = _folders(config)
    if own is None or shared is None:
        return None
    folder = own if own == shared or own.exists() or not (shared / _OUTBOX).exists() else shared
    return folder / _OUTBOX


def _folders(config: Config) -> tuple[Path | None, Path | None]:
    """Return this game's folder, and the one that games without keys shared in earlier versions."""
    keys = game_keys(config)
    key = keys[0] if keys else NO_KEYS
    return data_folder(config, key), shared_folder(config, key)


def adopt(config: Config) -> None:
    """Give the folder that games without keys shared in earlier versions to the first of them that starts.

    Its waiting events are delivered as before. If two games start at once, only one of them can rename it. If the
    rename fails (on Windows while a game of an earlier version runs), the folder is used in its place until a later
    start.
    """
    path = outbox_path(config)
    own, _ = _folders(config)
    if path is None or own is None or path.parent == own:
        return
    from ga_pygame.recording.journal_files import memory_folder as in_memory  # noqa: PLC0415 - when a tracker starts

    rings = in_memory(path.parent)  # journals of killed launches; their folder is named after the data folder's path
    with contextlib.suppress(OSError):
        path.parent.rename(own)
        if rings is not None and (new := in_memory(own)) is not None and rings.exists():
            rings.rename(new)


_OUTBOX = "outbox.sqlite3"
CONSENT_SECONDS = 0.05
"""The longest wait for another program's lock on the outbox while the player's earlier answer is read."""


def kept_consent(config: Config) -> ConsentState:
    """Return the player's answer of an earlier launch, without making a file; unknown if it cannot be read.

    A no also has a file of its own beside the outbox: it must hold even if the outbox is locked or damaged.
    """
    path = outbox_path(config)
    try:
        mark = ConsentMark(path).read() if path is not None else None
        if mark is not None:
            return ConsentState.GRANTED if mark else ConsentState.DENIED
        if path is None or not path.exists():
            return ConsentState.UNKNOWN
    except (OSError, ValueError):  # such as a loop of links; the outbox reports it
        return ConsentState.UNKNOWN
    from ga_pygame.delivery.outbox.sqlite import read_value  # noqa: PLC0415 - sqlite3, 15 ms of imports

    said = read_value(path, kept.CONSENT, CONSENT_SECONDS)
    if said == ConsentState.DENIED:
        ConsentMark(path).deny()  # an earlier version kept it only in the outbox
    return ConsentState(said) if said in set(ConsentState) else ConsentState.UNKNOWN


def has_nothing(config: Config) -> bool:
    """Return whether nothing was ever recorded; false if there may be something to delete."""
    path = outbox_path(config)
    if path is None:
        return True
    from ga_pygame.recording import journal_files  # noqa: PLC0415 - with files, when a tracker starts

    try:
        return not any(path.parent.glob("outbox.*")) and not journal_files.launches(path.parent)
    except (OSError, ValueError):
        return False


def has_nothing_but_no(config: Config) -> bool:
    """Keep the player's no, if nothing was ever recorded; return false if there may be something to delete.

    An outbox is not opened for that: it would get a random id of a player who does not want one.
    """
    path = outbox_path(config)
    if path is None:
        return True
    from ga_pygame.delivery.outbox import data_folder as folders  # noqa: PLC0415 - with files, when a tracker starts

    if not has_nothing(config):
        return False
    try:
        folders.make_private_folder(path.parent)
    except (OSError, ValueError):
        return False
    ConsentMark(path).deny()
    return True
