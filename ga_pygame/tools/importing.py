"""`ga_pygame import`: take events from files of JSON lines into a collector, as if a game had sent them.

Such files come from the destination `JsonLines`, from `ga_pygame export`, or from a player. The events are checked as
a lenient collector checks a game's, and those that are stored already are left out, so a file can be imported twice.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from ga_pygame.collector import bodies
from ga_pygame.collector.gameanalytics.validation import MAX_EVENT_BYTES
from ga_pygame.collector.storage.queries import Queries
from ga_pygame.collector.storage.reading import Reader
from ga_pygame.collector.storage.schema import StoreError
from ga_pygame.collector.storage.store import Store, StoreFull
from ga_pygame.collector.upkeep import MAX_GAMES_NAMED, BadImport, game_to_import_for, import_events
from ga_pygame.tools.printing import ToolError, print_lines, print_note
from ga_pygame.tools.sources import AskedCollector, Where, running_collector

EVENTS_PER_IMPORT = 500
"""Events that are checked and stored together."""
BYTES_PER_IMPORT = 900_000
"""Bytes of JSON of these; a request may have a million."""
REASONS_SHOWN = 20
"""Different reasons of rejections that are printed, the most frequent first."""

_Send = Callable[[bytes], tuple[int, int, Sequence[Sequence[Any]]]]
"""Imports a JSON list of events; returns the new ones, the duplicates, and place and reason of each rejected one."""


@dataclass
class Tally:
    """What became of the lines of a file.

    Attributes:
        stored: New events.
        duplicates: Events that were there already.
        rejected: Lines that are no event or break a rule, by reason.
        first_line: For each reason, the number of the first such line.
    """

    stored: int = 0
    duplicates: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    first_line: dict[str, int] = field(default_factory=dict)

    def reject(self, line: int, reason: str) -> None:
        """Count a line that is not stored."""
        self.rejected[reason] += 1
        self.first_line.setdefault(reason, line)

    def lines(self, path: Path) -> list[str]:
        """Return what is said about the file."""
        refused = sum(self.rejected.values())
        said = [f"{path}: {self.stored:,} new, {self.duplicates:,} there already, {refused:,} rejected"]
        for reason, number in self.rejected.most_common(REASONS_SHOWN):
            said.append(f"  {number:,}: {reason} (first in line {self.first_line[reason]})")
        if len(self.rejected) > REASONS_SHOWN:
            said.append(f"  and {len(self.rejected) - REASONS_SHOWN} more reasons")
        return said


def import_files(where: Where, paths: Sequence[Path], game: str) -> int:
    """Import files and print what became of their lines; return the exit code: 1 if a line was rejected.

    Args:
        where: Where the collector or its file is.
        paths: The files.
        game: The key of the game that the events belong to; "" if there is only one.

    Raises:
        ToolError: A file cannot be read, or the events cannot be stored. What was stored before stays.
    """
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise ToolError(f"there is no file {missing[0]}")
    is_clean = True
    with _destination(where, game) as send:
        for path in paths:
            tally = _import_file(path, send)
            is_clean = is_clean and not tally.rejected
            print_lines([line.encode("utf-8", "replace") for line in tally.lines(path)])
    return 0 if is_clean else 1


def _import_file(path: Path, send: _Send) -> Tally:
    tally = Tally()
    try:
        for numbers, raws in _portions(path, tally):
            stored, duplicates, rejected = send(b"[" + b",".join(raws) + b"]")
            tally.stored += stored
            tally.duplicates += duplicates
            for place, reason in rejected:
                tally.reject(numbers[place], reason)
    except (OSError, bodies.BadBody, bodies.TooLarge) as error:
        raise ToolError(f"cannot import {path}: {error}") from error
    return tally


def _portions(path: Path, tally: Tally) -> Iterator[tuple[list[int], list[bytes]]]:
    """Yield the events of a file in portions of bounded size, each with the numbers of its lines."""
    numbers: list[int] = []
    raws: list[bytes] = []
    size = 0
    for number, raw in _events_of(path, tally):
        if raws and (len(raws) >= EVENTS_PER_IMPORT or size + len(raw) > BYTES_PER_IMPORT):
            yield numbers, raws
            numbers, raws, size = [], [], 0
        numbers.append(number)
        raws.append(raw)
        size += len(raw) + 1
    if raws:
        yield numbers, raws


def _events_of(path: Path, tally: Tally) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are JSON objects of a size that an event can have; the others are rejected."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_EVENT_BYTES + 2):
            number += 1
            if len(line) > MAX_EVENT_BYTES + 1 and not line.endswith(b"\n"):
                tally.reject(number, f"the line is longer than an event may be ({MAX_EVENT_BYTES:,} bytes)")
                while line and not line.endswith(b"\n"):
                    line = file.readline(MAX_EVENT_BYTES)
                continue
            raw = line.removeprefix(b"\xef\xbb\xbf").strip()
            if raw and _is_object(raw):
                yield number, raw
            elif raw:
                tally.reject(number, "the line is no JSON object")


def _is_object(raw: bytes) -> bool:
    """Whether a line is one JSON object, so that it cannot be several events or spoil those beside it."""
    try:
        return raw.startswith(b"{") and len(bodies.split_list(b"[" + raw + b"]")) == 1
    except bodies.BadBody:
        return False


# --- into what ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _destination(where: Where, game: str) -> Iterator[_Send]:
    """Open what imports a JSON list: the running collector, or its file."""
    collector = running_collector(where)
    if collector is not None:
        with contextlib.closing(collector):
            yield _through(collector, game)
        return
    path = where.path_to_write()
    with alone(path), open_store(path) as (store, _), contextlib.closing(Queries(path)) as queries:
        try:
            key = game_to_import_for(queries.game_keys(MAX_GAMES_NAMED), game)
        except BadImport as error:
            raise ToolError(str(error)) from error

        def send(body: bytes) -> tuple[int, int, Sequence[Sequence[Any]]]:
            try:
                return import_events(store, key, body)
            except (StoreFull, sqlite3.Error) as error:
                raise ToolError(f"cannot store events in {path}: {error}") from error

        yield send


def _through(collector: AskedCollector, game: str) -> _Send:
    def send(body: bytes) -> tuple[int, int, Sequence[Sequence[Any]]]:
        said = collector.post("/api/import", body, {"game": game} if game else None)
        return int(said["stored"]), int(said["duplicates"]), list(said["rejected"])

    return send


@contextlib.contextmanager
def open_store(path: Path) -> Iterator[tuple[Store, Reader]]:
    """Open a collector's file for writing; a missing one is made."""
    try:
        store = Store(path, tell=lambda cause, message: print_note(message))  # noqa: ARG005
    except StoreError as error:
        raise ToolError(str(error)) from error
    with contextlib.closing(store), contextlib.closing(Reader(path, store.generation)) as log:
        yield store, log


@contextlib.contextmanager
def alone(path: Path) -> Iterator[Callable[[], None]]:
    """Make sure that no collector has this file open, and that none projects it until the context ends.

    A running collector has its warehouse open, the DuckDB file beside the log, which only one process may have.

    Yields:
        A function that deletes the warehouse, so that the collector's next start makes it anew.

    Raises:
        ToolError: A collector runs with this file.
    """
    warehouse = path.with_suffix(".duckdb")
    held: duckdb.DuckDBPyConnection | None = None
    if warehouse.exists():
        try:
            held = duckdb.connect(str(warehouse))
        except duckdb.IOException as error:
            if "lock" in str(error):
                raise ToolError(
                    f"a collector runs with {path}: give its address with --url, as it printed it, or stop it"
                ) from error
        except duckdb.Error:  # a damaged file, which nobody has open
            held = None

    def delete() -> None:
        if held is not None:
            held.close()
        for suffix in ("", ".wal"):
            Path(f"{warehouse}{suffix}").unlink(missing_ok=True)

    try:
        yield delete
    finally:
        if held is not None:
            held.close()
