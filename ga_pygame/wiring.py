"""Puts together what stores and sends: which destinations, which folder, which workers."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ga_pygame import kept
from ga_pygame.areas.consent import ConsentState
from ga_pygame.clock import Clock
from ga_pygame.config import (
    NO_KEYS,
    SANDBOX_GAME_KEY,
    SANDBOX_SECRET_KEY,
    Config,
    data_folder,
    shared_folder,
    upload_seconds,
)
from ga_pygame.delivery.closing import Closing, Ending
from ga_pygame.delivery.encoder import Encoder
from ga_pygame.delivery.foreign import Foreign, amounts_of
from ga_pygame.delivery.intake import Intake
from ga_pygame.delivery.outbox.contract import Transaction
from ga_pygame.delivery.runner import Worker
from ga_pygame.delivery.slice_writer import Heartbeat
from ga_pygame.delivery.uploader import FlushDone, Timing, Uploader
from ga_pygame.delivery.writer import FRAMES_SECONDS, Writer
from ga_pygame.destinations import Destination, GameAnalytics, Host, Situation, SummingDestination
from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.engine.session import Phase, Session
from ga_pygame.kept import KeptKey, Remember
from ga_pygame.kinds import KIND_BY_CODE
from ga_pygame.parts import Core
from ga_pygame.recording.inbox import Flush
from ga_pygame.recording.journal import Journal


def _wanted_by(targets: Sequence[Destination]) -> Mapping[str, Sequence[str]]:
    """By `Event.wanted_by`, the names of the destinations that want such events."""
    flags = {kind.wanted_by for kind in KIND_BY_CODE.values() if kind.wanted_by}
    return {flag: [target.name for target in targets if getattr(target, flag, False)] for flag in flags}


def destinations(config: Config) -> Sequence[Destination]:
    """Where events go: the ones given, or GameAnalytics; none where there is neither key nor collector."""
    if config.destinations is not None:
        for target in config.destinations if config.collector else ():
            target.redirect(config.collector or "")
        return config.destinations
    keys = game_keys(config)
    if keys is None:
        return ()
    resubmit = config.resubmit_on_server_error
    return [
        GameAnalytics(
            *keys,
            endpoint=config.collector or config.endpoint,
            resubmit_on_server_error=bool(config.collector) if resubmit is None else resubmit,
        )
    ]


def game_keys(config: Config) -> tuple[str, str] | None:
    """The game's keys; the published sandbox pair for a collector without any."""
    if config.game_key is not None and config.secret_key is not None:
        return config.game_key, config.secret_key
    return (SANDBOX_GAME_KEY, SANDBOX_SECRET_KEY) if config.collector else None


def outbox_path(config: Config) -> Path | None:
    """The database file of this game; `None` where the player has no folder of their own.

    What an earlier version left is used where it is until `adopt` has moved it.
    """
    own, shared = _folders(config)
    if own is None or shared is None:
        return None
    folder = own if own == shared or own.exists() or not (shared / _OUTBOX).exists() else shared
    return folder / _OUTBOX


def _folders(config: Config) -> tuple[Path | None, Path | None]:
    """This game's folder, and the one that games without keys shared in earlier versions."""
    keys = game_keys(config)
    key = keys[0] if keys else NO_KEYS
    return data_folder(config, key), shared_folder(config, key)


def adopt(config: Config) -> None:
    """Move the folder that games without keys shared in earlier versions to the first of them that starts.

    Its waiting events are delivered as before. A rename has one winner where two games start at once. Where it
    fails (on Windows if a game of an earlier version runs), the folder is used where it is, until a later start.
    """
    path = outbox_path(config)
    own, _ = _folders(config)
    if path is None or own is None or path.parent == own:
        return
    from ga_pygame.recording.journal_files import memory_folder as in_memory  # noqa: PLC0415 - see _journal

    rings = in_memory(path.parent)  # journals of launches that were killed; the folder's path is in the name
    with contextlib.suppress(OSError):
        path.parent.rename(own)
        if rings is not None and (new := in_memory(own)) is not None and rings.exists():
            rings.rename(new)


_OUTBOX = "outbox.sqlite3"


_COLLECTOR_ADVICE = "is the collector running, and is that its address? It is started by: python -m ga_pygame collect"


class Delivery:
    """Everything behind the inbox: outbox, writer, uploaders and what runs them.

    The constructor opens the outbox and reads what was kept; `kept` has it, `journal` is where to note records.

    Args:
        core: What the tracker has: knobs, classes, clock, recorder, who hears of what happens.
        session: How long the running session has lasted.
        watch: The engine's worker, which finishes first.
        take_configs: Takes new remote configs. Called on the game thread.
    """

    def __init__(
        self, core: Core, session: Session, watch: Worker, take_configs: Callable[[Mapping[str, Any]], None]
    ) -> None:
        config, clock, diagnostics = core.config, core.clock, core.diagnostics
        targets = destinations(config)
        names = [target.name for target in targets]
        summing = (target for target in targets if isinstance(target, SummingDestination))
        amounts = {target.name: amounts_of(target, diagnostics) for target in summing}
        adopt(config)
        self._core = core
        self._session = session
        self._inbox = core.recorder.inbox
        self._is_stopped = False
        self._next_commit = 0.0
        taking_records = [name for name in names if name not in amounts]
        self._path = outbox_path(config)
        self._outbox = core.parts.outbox(self._path, taking_records, clock, diagnostics, tuple(amounts))
        was_denied = self._path is not None and os.path.lexists(_mark_of_no(self._path))
        self.kept: Mapping[KeptKey, str] = self._outbox.transact_at_start(
            lambda transaction: _first_values(transaction, core.parts.new_id, anew=was_denied)
        )
        for dead_launch in self._outbox.dead_launches() if was_denied else ():
            self._outbox.forget_launch(dead_launch)
        self._intake = Intake(self._inbox, self._make_journal, self._begin_journal)
        self._writer = Writer(
            self._intake,
            self._outbox,
            Encoder(clock, amounts, _wanted_by(targets)),
            diagnostics=diagnostics,
            heartbeat=self._heartbeat,
            urge=self._urge,
            max_outbox_bytes=config.max_outbox_bytes,
        )
        post = core.mailbox.post
        host = Host(
            clock,
            MappingProxyType({str(key): value for key, value in self.kept.items()}),
            lambda name, value: self._remember(kept.of_destination(name), value),
            lambda answer: post(lambda: take_configs(answer)),
            diagnostics.warn_once,
            post,
        )
        self._uploaders = [self._uploader(target, host) for target in targets]
        uploaders = [Ending(uploader) for uploader in self._uploaders]
        self._closing = Closing(self._intake, self._outbox, self._writer, uploaders)
        self.runner = core.parts.runner([[watch], [self._writer], uploaders, [self._closing]], clock, diagnostics)

    def _uploader(self, target: Destination, host: Host) -> Uploader:
        core, config = self._core, self._core.config
        transport = target.transport or core.parts.transport(config.request_timeout, core.clock)
        return Uploader(
            Foreign(target, transport, host, core.diagnostics),
            self._outbox,
            situation=self._situation,
            diagnostics=core.diagnostics,
            listener=core.announcer,
            timing=Timing(upload_seconds(config), core.parts.chance),
            advice=_COLLECTOR_ADVICE if config.collector and target.transport is None else "",
        )

    @property
    def journal(self) -> Journal | None:
        """Where records are noted against a kill, if there is a disk for it."""
        return self._intake.journal

    def _make_journal(self) -> Journal | None:
        core = self._core
        return _journal(self._outbox.journal_path(), core.clock, core.diagnostics) if core.config.journal else None

    def _begin_journal(self, journal: Journal) -> None:
        """Go on in a journal for which there was no disk at the start, from the next frame on."""
        attach = self._core.recorder.attach
        self._core.mailbox.post(lambda: None if self._is_stopped else attach(journal))

    def _heartbeat(self, now: float) -> Heartbeat | None:
        """How long the running session has lasted. Writer's thread."""
        state = self._session.state
        if state.session is None or state.phase is Phase.CLOSED:
            return None
        return Heartbeat(state.session, state.length(now), state.since if state.phase is Phase.PAUSED else now)

    def _situation(self) -> Situation | None:
        """The running session, once it is stored. Uploaders' threads."""
        session, context = self._core.recorder.session, self._core.recorder.context
        number = self._writer.session_num(session.id) if session is not None else 0
        if session is None or not number:
            return None
        return Situation(session.id, number, context.user_id, context.build)

    def remember(self, key: KeptKey, value: str | None) -> None:
        """Keep a value across launches; after `stop` nothing. Any thread."""
        if not self._is_stopped:
            self._remember(key, value)

    def _remember(self, key: KeptKey, value: str | None) -> None:
        """The same for destinations, which end their sessions while delivery stops. Nobody reads it after that."""
        if not self._closing.has_ended:
            self._inbox.requests.append(Remember(key, value))

    def write_now(self) -> None:
        """Have the writer commit at once. Any thread; never blocks."""
        self.runner.wake(self._writer.name)

    def frame_shown(self, now: float) -> None:
        """Most games wait now for the next frame: a good moment for the writer, which else takes any. Game thread."""
        if now >= self._next_commit:
            self._next_commit = now + FRAMES_SECONDS
            self.write_now()

    def flush(self, done: FlushDone) -> int:
        """Send everything now; `done` is called by each of as many uploaders as are returned."""

        def stored() -> None:
            for uploader in self._uploaders:
                uploader.flush(done)
                self.runner.wake(uploader.name)

        self._inbox.requests.append(Flush(stored))
        self.write_now()
        return len(self._uploaders)

    def _urge(self) -> None:
        for uploader in self._uploaders:
            uploader.urge()
            self.runner.wake(uploader.name)

    def stop(self, timeout: float) -> None:
        """Store what is left, send what can be sent in that time."""
        self._is_stopped = True
        self.runner.stop(timeout)
        if not self._closing.has_saved and self.journal is None:
            lost = self._inbox.waiting + self._writer.unstored + self._outbox.give_up()
            if lost:
                self._core.diagnostics.drop(Drop.OUTBOX_FULL, lost)
                words = f"{lost} events are lost: the disk could not be written in the time that there is at the end"
                self._core.diagnostics.warn_once("stop", words)

    def keep_yes(self) -> None:
        """Keep across launches that the player agrees."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                _mark_of_no(self._path).unlink(missing_ok=True)
        self.remember(kept.CONSENT, ConsentState.GRANTED.value)

    def forget_all(self) -> None:
        """Stop, delete what was recorded and not sent, keep the player's no."""
        self._is_stopped = True
        if self._path is not None:
            _mark_no(self._path)

        def forget(transaction: Transaction) -> None:
            if self._path is not None:
                from ga_pygame.delivery.outbox import salvage  # noqa: PLC0415 - sqlite3, 15 ms of imports

                salvage.remove_set_aside(self._path)
            transaction.clear()
            transaction.remember(kept.CONSENT, ConsentState.DENIED.value)

        self._closing.forget(forget)
        for uploader in self._uploaders:
            uploader.cease()
        self.runner.start()  # nobody else deletes, and it may not have begun: the player spoke before `start()`
        self.runner.stop(FORGET_SECONDS)


FORGET_SECONDS = 0.3
"""The longest that the game waits until what was recorded is deleted; else that goes on behind it."""

CONSENT_SECONDS = 0.05
"""The longest wait for another program while the player's word of an earlier launch is read."""


def kept_consent(config: Config) -> ConsentState:
    """What the player said in an earlier launch, read without making a file; unknown where it cannot be read.

    A no stands beside the outbox, too: that may be locked or damaged, and the no must hold.
    """
    path = outbox_path(config)
    try:
        if path is not None and os.path.lexists(_mark_of_no(path)):
            return ConsentState.DENIED
        if path is None or not path.exists():
            return ConsentState.UNKNOWN
    except (OSError, ValueError):  # a loop of links; the outbox says it
        return ConsentState.UNKNOWN
    from ga_pygame.delivery.outbox.sqlite import read_value  # noqa: PLC0415 - sqlite3, 15 ms of imports

    said = read_value(path, kept.CONSENT, CONSENT_SECONDS)
    if said == ConsentState.DENIED:
        _mark_no(path)  # said in an earlier version
    return ConsentState(said) if said in set(ConsentState) else ConsentState.UNKNOWN


def has_nothing_but_no(config: Config) -> bool:
    """Keep the player's no if nothing was ever recorded; false if there may be something to delete.

    Then nothing is opened: that would make an outbox with an id of a player who does not want one.
    """
    path = outbox_path(config)
    if path is None:
        return True
    from ga_pygame.delivery.outbox import data_folder as folders  # noqa: PLC0415 - with files, when a tracker starts
    from ga_pygame.recording import journal_files  # noqa: PLC0415

    try:
        is_empty = not any(path.parent.glob("outbox.*")) and not journal_files.launches(path.parent)
        if is_empty:
            folders.make_private_folder(path.parent)
    except (OSError, ValueError):
        return False
    if is_empty:
        _mark_no(path)
    return is_empty


def _mark_of_no(path: Path) -> Path:
    """The empty file that says no, beside an outbox."""
    return path.with_name("consent-denied")


def _mark_no(path: Path) -> None:
    """Keep the player's no where neither a lock nor damage can hide it; an empty file finds room on a full disk."""
    with contextlib.suppress(OSError):
        os.close(os.open(_mark_of_no(path), os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))


def _journal(path: Path | None, clock: Clock, diagnostics: Diagnostics) -> Journal | None:
    """A journal, where there is a disk to have it on."""
    if path is None:
        return None
    from ga_pygame.recording.journal import Journal  # noqa: PLC0415 - mmap and zlib, when a tracker starts
    from ga_pygame.recording.journal_files import memory_folder  # noqa: PLC0415

    shared = memory_folder(path.parent)
    if shared is not None and path.parent != shared and path.parent.parent != shared.parent:
        words = f"{shared} cannot be used: another user made it. The last moments before a kill are noted on the disk"
        diagnostics.warn_once("journal folder", words)
    try:
        return Journal(path, clock)
    except OSError as error:
        words = f"there is no journal: {error}. Up to 0.05 s of events are lost if the game is killed"
        diagnostics.warn_once("journal", words)
        return None


def _first_values(transaction: Transaction, make_id: Callable[[], str], *, anew: bool) -> Mapping[KeptKey, str]:
    """What was kept across launches; the player's random id is made here, once in a data folder's life.

    Args:
        transaction: Of the outbox.
        make_id: Makes an id.
        anew: The player said no before: what could not be deleted then, since the disk did not work, is deleted now.
    """
    if anew:
        transaction.clear()
    if transaction.value(kept.USER_ID) is None:
        transaction.remember(kept.USER_ID, make_id())
    return transaction.values()
