"""`ga_pygame share`: write the waiting events of a game on this machine into one file, which `import` takes.

For playtests: the tester looks at the file and sends it to the developer, and that is the consent. It works on copies
of the outbox and of the journals, so it can be called while the game runs, and the game's data stay as they are. What
the next launch would add to the data of a launch that was killed is in the file, too, under the same ids; so files
that were made at different times can all be imported.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ga_pygame import config as knobs
from ga_pygame import kept
from ga_pygame.clock import PastClock, SystemClock
from ga_pygame.delivery.consent_mark import ConsentMark
from ga_pygame.delivery.encoder import Encoder, OwnFields
from ga_pygame.delivery.outbox import schema
from ga_pygame.delivery.outbox.contract import DeadLaunch, OutboxError, Transaction
from ga_pygame.delivery.outbox.file import column_text
from ga_pygame.delivery.outbox.file_lock import FileLock
from ga_pygame.delivery.outbox.sqlite import SqliteOutbox
from ga_pygame.delivery.recovery import recover, replay_records
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.kinds import KIND_BY_CODE
from ga_pygame.paths import sqlite_uri
from ga_pygame.recording import crash_file, journal_files
from ga_pygame.recording.leftover import Leftover, read_journal
from ga_pygame.tools.printing import ToolError, new_path, print_lines, print_note

SHARE_READ_SECONDS = 5.0
"""The longest wait for a game that writes to its outbox."""
_OUTBOX_FILE = "outbox.sqlite3"
_SHARING = "share"
"""The destination in whose name the copy is read."""


class SharedEvents(NamedTuple):
    """What is written.

    Attributes:
        lines: The events as JSON, in the order of recording.
        sessions: How many sessions they are of.
        damaged: Records that cannot be read.
    """

    lines: Sequence[bytes]
    sessions: int
    damaged: int


def share_events(game: str, output: Path) -> int:
    """Write a game's events to a file, and print what to do with it; return the exit code.

    Args:
        game: The name of its data folder, or a part of it; "" if there is only one game.
        output: The file, which is replaced.

    Raises:
        ToolError: There is no such game, nothing waits, or a file cannot be read or written.
    """
    folder = _folder_of(game)
    if ConsentMark(folder / _OUTBOX_FILE).read() == "":
        raise ToolError(f"the player of {folder.name} has said no: nothing is shared")
    found = collect_events(folder)
    if not found.lines:
        raise ToolError(f"no event of {folder.name} waits on this machine: all that were recorded have been sent")
    with new_path(output) as part, part.open("wb") as file:
        file.writelines(line + b"\n" for line in found.lines)
    if found.damaged:
        print_note(f"{found.damaged} records are damaged and not in the file")
    sessions = "1 session" if found.sessions == 1 else f"{found.sessions:,} sessions"
    said = (
        f"{output}: {len(found.lines):,} events of {sessions} of {folder.name}",
        "It is text, an event a line: look into it, and send it to the developer if you agree that they have it.",
        f"They read it with: python -m ga_pygame import {output.name}",
    )
    return print_lines(line.encode("utf-8", "replace") for line in said)


def _folder_of(game: str) -> Path:
    """Return the data folder of a game.

    Raises:
        ToolError: There is none, or several fit.
    """
    config = knobs.load({}, {"GA_PYGAME_DATA_DIR": os.environ.get("GA_PYGAME_DATA_DIR", "")}, lambda *_: None)
    anywhere = knobs.shared_folder(config, knobs.NO_KEYS)
    if anywhere is None:
        raise ToolError("there is no home folder: set GA_PYGAME_DATA_DIR to the game's data folder")
    root = anywhere.parent
    folders = sorted(path.parent for path in root.glob(f"*/{_OUTBOX_FILE}"))
    fitting = [one for one in folders if one.name == game] or [one for one in folders if game in one.name]
    if len(fitting) == 1:
        return fitting[0]
    if not folders:
        raise ToolError(f"no game has recorded anything in {root}: play it first")
    names = ", ".join(one.name for one in folders)
    raise ToolError(
        f"choose a game with --game; there are: {names}" if fitting else f"no such game; there are: {names}"
    )


def collect_events(folder: Path) -> SharedEvents:
    """Return all events that wait in a data folder, also those of running and of killed launches.

    Raises:
        ToolError: The outbox cannot be read.
    """
    alive = _alive_launches(folder)
    with tempfile.TemporaryDirectory(prefix="ga_pygame_", ignore_cleanup_errors=True) as name:
        copy = Path(name)
        try:
            _copy_data(folder, copy)
            alive |= _alive_launches(folder)  # one that began meanwhile is in the copies, too
            with _in_memory_folder_removed(copy):
                _add_uncommitted(copy / _OUTBOX_FILE, alive)
            return _events_of_copy(copy / _OUTBOX_FILE)
        except (OutboxError, sqlite3.Error, OSError) as error:
            raise ToolError(f"cannot read {folder / _OUTBOX_FILE}: {error}. Call it again") from error


def _alive_launches(folder: Path) -> set[str]:
    """Return the launches that hold their lock file, i.e. that run."""
    found = set()
    for path in folder.glob("launch-*.lock"):
        lock = FileLock(path)
        with contextlib.suppress(OSError):
            if lock.acquire():
                lock.release()
                continue
        found.add(path.stem.removeprefix("launch-"))
    return found


def _copy_data(folder: Path, copy: Path) -> None:
    """Copy journals, then the outbox: what a running game moves from one to the other meanwhile is in both."""
    for launch in journal_files.launches(folder):
        with contextlib.suppress(OSError):  # recovered or removed meanwhile: then the outbox has it
            content = read_journal(journal_files.where(folder, launch))
            (copy / f"journal-{launch}.ring").write_bytes(content)
            (copy / f"journal-{launch}.ring").chmod(0o600)
    for launch in crash_file.crashed_launches(folder):
        with contextlib.suppress(OSError):
            path = crash_file.crash_path(folder, launch)
            shutil.copyfile(path, copy / path.name, follow_symlinks=False)
    for mark in folder.glob("ended-*"):
        (copy / mark.name).touch(0o600)
    address = sqlite_uri((folder / _OUTBOX_FILE).absolute(), "mode=ro")
    target = copy / _OUTBOX_FILE
    target.touch(0o600)
    with (
        contextlib.closing(sqlite3.connect(address, timeout=SHARE_READ_SECONDS, uri=True)) as source,
        contextlib.closing(sqlite3.connect(target)) as written,
    ):
        source.backup(written)


@contextlib.contextmanager
def _in_memory_folder_removed(copy: Path) -> Iterator[None]:
    """Remove the folder in shared memory that looking for a journal may make."""
    made = journal_files.memory_folder(copy)
    try:
        yield
    finally:
        if made is not None:
            with contextlib.suppress(OSError):
                made.rmdir()


def _add_uncommitted(path: Path, alive: set[str]) -> None:
    """Add to a copy what is only in journals; end the sessions of launches that do not run any more."""
    wanted = {kind.wanted_by: [_SHARING] for kind in KIND_BY_CODE.values() if kind.wanted_by}
    encoder = Encoder(SystemClock(), wanted_by=wanted, own_fields=OwnFields(crumbs=False))
    outbox = SqliteOutbox(path, [_SHARING], seconds=SHARE_READ_SECONDS)
    try:
        for launch in outbox.dead_launches():  # in the copy, all are
            if launch.launch in alive:
                _add_running(outbox, launch, encoder)
        recover(outbox, encoder, Diagnostics())
    finally:
        outbox.close()


def _add_running(outbox: SqliteOutbox, launch: DeadLaunch, encoder: Encoder) -> None:
    """Add the uncommitted records of a launch that runs; its session goes on."""
    leftover = Leftover(read_journal(launch.journal) if launch.journal is not None else b"")
    offset = launch.sessions[0].clock_offset if launch.sessions else None
    past = encoder.of(PastClock(leftover.anchor, offset), None)

    def add(transaction: Transaction) -> None:
        sessions, _ = replay_records(transaction, launch, leftover, past)
        for session in (*launch.sessions, *sessions):
            transaction.delete_session(session.session_id)

    outbox.transact(add)
    if launch.crash is not None:
        launch.crash.unlink(missing_ok=True)
    outbox.forget_launch(launch)


def _events_of_copy(path: Path) -> SharedEvents:
    lines: list[bytes] = []
    sessions: set[str] = set()
    damaged = 0
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.text_factory = column_text
        for row in connection.execute(f"{schema.SELECT} ORDER BY last_id"):
            try:
                records = list(schema.records(row))
            except schema.DamagedBlockError:
                damaged += kept.count(row[1])
                continue
            lines += [record.json(record.clock_offset) for record in records]
            sessions |= {record.session_id for record in records}
    return SharedEvents(lines, len(sessions), damaged)
