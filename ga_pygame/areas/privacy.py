"""What a player may ask for: a copy of their data, and its deletion."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ga_pygame import attributes
from ga_pygame.checks import InvalidEvent, exact_text
from ga_pygame.diagnostics import Diagnostics, guarded

Ids = Mapping[str, Sequence[str]]
"""The ids under which services know a player, by the name of the destination."""


def _not_written(*_args: object, **_named: object) -> bool:
    return False


def _no_ids(*_args: object, **_named: object) -> Ids:
    return {}


def _checked_path(path: object) -> str:
    """Return a path as text. Raises `InvalidEvent` if it is none."""
    found: Any = os.fspath(path) if isinstance(path, os.PathLike) else path
    text = os.fsdecode(found) if type(found) is bytes else exact_text(found)
    if not text or "\0" in text or not _is_encodable(text):
        rule = 'must be the name of a file, such as "my_data.json", as a string or a Path'
        raise InvalidEvent("path", path, rule, "ours", "wrong_type", private=True)
    return text


def _is_encodable(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return True


class Privacy:
    """What a player may ask for: `tracker.privacy`. Game thread only.

    Both calls read or write files and may take some hundred milliseconds, so call them from a menu, not while the
    player plays.

    Args:
        export: Writes all data to a path.
        forget: Deletes all data and returns the ids.
        diagnostics: Reports wrong calls.
    """

    def __init__(
        self,
        export: Callable[[str | os.PathLike[str]], None],
        forget: Callable[[], Ids],
        diagnostics: Diagnostics,
    ) -> None:
        self._export = export
        self._forget = forget
        self._diagnostics = diagnostics

    __setattr__ = attributes.only()

    @guarded("nothing is written", _not_written)
    def export(self, path: str | os.PathLike[str]) -> bool:
        """Write all that is stored on this machine as a JSON file; return whether it was written.

        It has the ids, the answer to the question for consent, kept values, waiting and refused events, and how many
        records each service has had. What was sent is not kept here: ask the service for it with the id.
        `docs/privacy.md` describes each part. Reads and writes files on the calling thread.

        Args:
            path: The file, which is replaced; only the user can read it.
        """
        try:
            self._export(_checked_path(path))
        except OSError as error:
            self._diagnostics.warn_once("export", f"privacy.export(): nothing is written: {error}; choose another path")
            return False
        return True

    @guarded("nothing is deleted", _no_ids)
    def forget(self) -> Ids:
        """Delete all that is stored on this machine; return the ids to quote to the services for deletion there.

        The player's answer is kept. If they agreed, a new session begins with a new random id; the game's own `user_id`
        stays. Waits at most some hundred milliseconds for the deletion; a disk that fails is tried again in the
        background, and at the next launch. A request that is being sent may still arrive.

        Returns:
            The ids by destination; empty if none is known, such as in a launch after `consent.deny()`.
        """
        return self._forget()
