"""`ga_pygame forget`: remove a player from the log, the rejected events, the emulators and the warehouse."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import msgspec

from ga_pygame.collector.storage.removal import Forgotten, forget_in_log
from ga_pygame.collector.storage.store import StoreFull
from ga_pygame.tools.importing import alone, open_store
from ga_pygame.tools.printing import ToolError, complain, print_lines, print_note
from ga_pygame.tools.sources import Where, running_collector


def forget(where: Where, user_id: str) -> int:
    """Forget a player and print what was removed; return the exit code: 1 if not all can have been removed.

    A running collector does it itself. Else the file is opened here, and the warehouse is deleted: the collector's next
    start makes it anew.

    Raises:
        ToolError: It was not done.
    """
    if not user_id:
        raise ToolError("--user must be the id of a player, as the page and the export show it")
    collector = running_collector(where)
    if collector is not None:
        with contextlib.closing(collector):
            said = collector.post("/api/forget", msgspec.json.encode({"user_id": user_id}))
        return _say_forgotten(Forgotten(**said), where.db)
    path = where.path()
    if not path.is_file():
        raise ToolError(f"there is no file {path}: use --db with the path that the collector printed at its start")
    with alone(path) as delete_warehouse:
        forgotten = _forget_in_file(path, user_id)
        try:
            delete_warehouse()
        except OSError as error:
            raise ToolError(f"the log is done, but {error}: delete that file") from error
    return _say_forgotten(forgotten, path)


def _forget_in_file(path: Path, user_id: str) -> Forgotten:
    try:
        with open_store(path) as (store, log):
            return forget_in_log(store, log, user_id)
    except (sqlite3.Error, StoreFull) as error:
        raise ToolError(f"not done: {error}. Call it again") from error


def _say_forgotten(forgotten: Forgotten, path: Path | None) -> int:
    events, rejected, rows, unreadable = forgotten
    print_lines([f"removed: {events:,} events, {rejected:,} rejected ones, {rows:,} other rows".encode()])
    if path is not None:
        for aside in sorted(path.parent.glob(f"{path.name}.damaged-*")):
            print_note(f"{aside} was set aside as damaged and was not searched: delete it if it is not needed")
    if unreadable:
        return complain(f"{unreadable} stored requests are damaged and may have more of this player: they stay")
    return 0
