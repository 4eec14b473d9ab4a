"""Lists all that an outbox file has, in readable form, for a player who asks for it. Changes and repairs nothing."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ga_pygame import kept
from ga_pygame.delivery.outbox import schema
from ga_pygame.delivery.outbox.contract import OutboxError
from ga_pygame.delivery.outbox.file import column_text
from ga_pygame.delivery.outbox.waiting import done_of
from ga_pygame.paths import sqlite_uri

READ_SECONDS = 1.0
"""The longest wait for another copy of the game that writes to the file."""

_QUERIES = {
    "kept_values": "SELECT key, value FROM key_value",
    "failed_attempts": "SELECT progression_event_id, attempt_num FROM progression",
    "open_sessions": "SELECT * FROM session_end",
    "waiting_sums": "SELECT destination, slot, value FROM sums",
    "refused_events": "SELECT destination, reason, errors, client_ts, payload FROM rejected",
}


def inventory(path: Path) -> dict[str, Any]:
    """Return what is stored beside and in an outbox file, as JSON values; a part that cannot be read says why.

    Reads the disk, so it takes milliseconds. The last moments of running games may be in their journals only.

    Args:
        path: The outbox; it may be missing.
    """
    found: dict[str, Any] = {"folder": str(path.parent), "files": _listed_files(path.parent)}
    if not path.exists():
        return found
    try:
        address = sqlite_uri(path.absolute(), "mode=ro")
        with contextlib.closing(sqlite3.connect(address, timeout=READ_SECONDS, uri=True)) as connection:
            connection.text_factory = column_text
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN")  # so that all parts are of one moment
            found |= {name: [_as_object(row) for row in connection.execute(sql)] for name, sql in _QUERIES.items()}
            connection.row_factory = None
            found |= _events_in(connection)
    except (sqlite3.Error, OutboxError, OSError, ValueError) as error:
        found["unreadable"] = f"{path.name}: {error}"
    return found


def _listed_files(folder: Path) -> list[dict[str, Any]]:
    with contextlib.suppress(OSError):
        return [{"name": one.name, "bytes": one.stat().st_size} for one in sorted(folder.iterdir()) if one.is_file()]
    return []


def _events_in(connection: sqlite3.Connection) -> dict[str, Any]:
    """Return the waiting events, each with the destinations for which it waits, and what is finished."""
    names = [name for (name,) in connection.execute("SELECT name FROM destinations ORDER BY name")]
    done = {name: done_of(connection, name) for name in names}
    waiting: list[Mapping[str, Any]] = []
    unreadable = 0
    for row in connection.execute(
        f"{schema.SELECT} WHERE last_id > ? ORDER BY last_id", (min(done.values(), default=0),)
    ):
        only = row[4]
        wanted = [name for name in names if only is None or f",{name}," in only]
        try:
            for record in schema.records(row):
                for_names = [name for name in wanted if done[name] < record.id]
                if for_names:
                    waiting.append({"waits_for": for_names, "event": from_payload(record.json(record.clock_offset))})
        except schema.DamagedBlockError:
            unreadable += kept.count(row[1])
    return {"waiting_events": waiting, "damaged_events": unreadable, "finished_records": done}


def from_payload(text: bytes) -> Any:
    """Decode an event; return its text if it is damaged."""
    found = kept.from_json(text)
    return text.decode("utf-8", "replace") if found is None else found


def _as_object(row: sqlite3.Row) -> dict[str, Any]:
    return dict(_named_columns(row))


def _named_columns(row: sqlite3.Row) -> Iterator[tuple[str, Any]]:
    for name in row.keys():  # noqa: SIM118 - a row iterates over its values
        value = row[name]
        if isinstance(value, bytes):  # a fragment of an object: see `contract.payload`
            text = value.decode("utf-8", "replace")
            value = text if text.endswith("}") else f"{text}}}"
            value = from_payload(b"{" + value.encode())
        elif isinstance(value, str) and value.startswith(("{", "[")):
            with contextlib.suppress(ValueError, RecursionError):
                value = json.loads(value)
        yield name, value
