"""Puts together what stores and sends events: it chooses destinations, data folder and workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ga_pygame import advice, kept
from ga_pygame.addresses import port_option
from ga_pygame.areas.consent import ConsentState
from ga_pygame.clock import Clock
from ga_pygame.config import Config, upload_seconds, who_plays
from ga_pygame.delivery.closing import Closing, Ending
from ga_pygame.delivery.consent_mark import ConsentMark
from ga_pygame.delivery.encoder import Encoder, OwnFields
from ga_pygame.delivery.foreign import Foreign, amounts_of
from ga_pygame.delivery.intake import Intake
from ga_pygame.delivery.outbox.contract import Transaction
from ga_pygame.delivery.runner import Worker
from ga_pygame.delivery.slice_writer import Heartbeat, Hitches, Playing
from ga_pygame.delivery.uploader import FlushDone, Timing, Uploader
from ga_pygame.delivery.writer import FRAMES_SECONDS, Writer
from ga_pygame.destinations import Destination, Host, Situation, SummingDestination
from ga_pygame.destinations.gameanalytics import gameanalytics_of
from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.engine.session import Phase, Session
from ga_pygame.kept import KeptKey, Remember
from ga_pygame.kinds import KIND_BY_CODE
from ga_pygame.parts import Core, annotations_after
from ga_pygame.protocol import Asking
from ga_pygame.recording.crash_file import begun_crash_file
from ga_pygame.recording.inbox import Flush, Item
from ga_pygame.recording.journal import Journal
from ga_pygame.stored import adopt, outbox_path


def _wanted_by(targets: Sequence[Destination]) -> Mapping[str, Sequence[str]]:
    """Return, for each `Event.wanted_by`, the names of the destinations that want such events."""
    flags = {kind.wanted_by for kind in KIND_BY_CODE.values() if kind.wanted_by}
    return {flag: [target.name for target in targets if getattr(target, flag, False)] for flag in flags}


def _follows_collector(target: Destination) -> bool:
    """Whether a destination can be redirected, or sends nothing over a network."""
    is_default = getattr(target.redirect, "__func__", None) is Destination.redirect
    return not is_default or _is_local(target)


def _is_local(target: Destination) -> bool:
    return getattr(target, "is_local", False) is True


def left_out(config: Config) -> Sequence[str]:
    """Return the names of the destinations that get no events because they would not send them to the collector."""
    given = config.destinations or () if config.collector else ()
    return [target.name for target in given if not _follows_collector(target)]


def destinations(config: Config) -> Sequence[Destination]:
    """Return the given destinations, or GameAnalytics; none if there are neither keys nor a collector.

    With a collector, those in `left_out` are not among them.
    """
    if config.destinations is not None:
        if not config.collector:
            return config.destinations
        taken = [target for target in config.destinations if _follows_collector(target)]
        for target in taken:
            target.redirect(config.collector)
        return taken
    own = gameanalytics_of(config)
    return () if own is None else [own]


class Delivery:
    """Everything behind the inbox: outbox, writer, uploaders and their runner.

    The constructor opens the outbox and reads the kept values. It does not start the runner.

    Args:
        core: The tracker's parts.
        session: Tells how long the running session has lasted.
        watch: The engine's worker, which is stopped first.
        take_configs: Called on the game thread with new remote configs.
        hitches: Counts the long frames between two times.
        asking: How destinations ask for remote configs.

    Attributes:
        kept: The values that earlier launches kept.
        summing: The names of the destinations that take sums instead of events.
        redirected: The names of those whose events go to a collector instead of the service.
        runner: Calls the workers.
        crash_file: Takes the stack of a hard crash.
    """

    def __init__(
        self,
        core: Core,
        session: Session,
        watch: Worker,
        take_configs: Callable[[Mapping[str, Any]], None],
        *,
        hitches: Hitches,
        asking: Asking,
    ) -> None:
        config, clock, diagnostics = core.config, core.clock, core.diagnostics
        targets = destinations(config)
        summing = (target for target in targets if isinstance(target, SummingDestination))
        amounts = {target.name: amounts_of(target, diagnostics) for target in summing}
        adopt(config)
        self.summing = frozenset(amounts)
        self.redirected = frozenset(one.name for one in targets if config.collector and not _is_local(one))
        self._advice = advice.COLLECTOR_NEEDED.format(port_option(config.collector)) if config.collector else ""
        self._core = core
        self._session = session
        self._inbox = core.recorder.inbox
        self._is_stopped = False
        self._next_commit = 0.0
        taking_records = [target.name for target in targets if target.name not in amounts]
        self._path = outbox_path(config)
        self._outbox = core.parts.outbox(self._path, taking_records, clock, diagnostics, tuple(amounts))
        self._mark = ConsentMark(self._path) if self._path is not None else None
        mark = self._mark.read() if self._mark is not None else None
        keeps = not config.child_directed
        self.kept: Mapping[KeptKey, str]
        self.kept, deleted = self._outbox.transact_at_start(
            lambda transaction: _first_values(transaction, core.parts.new_id, mark, self._outbox.launch, keeps=keeps)
        )
        if deleted is not None:
            diagnostics.drop(Drop.NO_CONSENT, deleted)
        if mark and self._mark is not None and self._outbox.is_on_disk:
            self._mark.remove()
        self._intake = Intake(self._inbox, self._make_journal, self._begin_journal)
        has_file = config.capture_exceptions and self._outbox.is_on_disk
        self.crash_file = begun_crash_file(self._path if has_file else None, self._outbox.launch, diagnostics)
        who = who_plays(config, is_group_chosen=bool(asking.ab_variant_id))
        self._writer = Writer(
            self._intake,
            self._outbox,
            Encoder(
                clock,
                amounts,
                _wanted_by(targets),
                OwnFields(config.attempt_seconds, who, crumbs=not config.child_directed),
            ),
            diagnostics=diagnostics,
            playing=Playing(self._heartbeat, session.focused, hitches),
            urge=self._urge,
            max_outbox_bytes=config.max_outbox_bytes,
        )
        self._writer.recovers_only = mark if deleted is not None else None
        host = Host(
            clock,
            MappingProxyType({str(key): value for key, value in self.kept.items()}),
            lambda name, value: self._remember(kept.of_destination(name), value),
            lambda answer: core.mailbox.post(lambda: take_configs(answer)),
            self._warn,
            core.mailbox.post,
            asking,
            annotations_after(config),
        )
        self._uploaders = [self._uploader(target, host) for target in targets]
        uploaders = [Ending(uploader) for uploader in self._uploaders]
        maps = [] if core.watch is None else [core.watch.maps]  # not before the writer, which has the events
        self._closing = Closing(self._intake, self._outbox, self._writer, uploaders)
        self.runner = core.parts.runner(
            [[watch], [self._writer], [*uploaders, *maps], [self._closing]], clock, diagnostics
        )

    def _warn(self, cause: str, message: str) -> None:
        """Log what a destination says, once; in development what its init says with the line that made the tracker."""
        watch = self._core.watch
        place = f"{watch.made_at}: " if watch is not None and cause.endswith(":init") else ""
        self._core.diagnostics.warn_once(cause, f"{place}{message}")

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
            advice=self._advice if target.transport is None else "",
        )

    @property
    def journal(self) -> Journal | None:
        """The journal, from which records are recovered after a kill; `None` if there is no disk for it."""
        return self._intake.journal

    def _make_journal(self) -> Journal | None:
        core = self._core
        return _journal(self._outbox.journal_path(), core.clock, core.diagnostics) if core.config.journal else None

    def _begin_journal(self, journal: Journal) -> None:
        """Use a journal for which there was no disk at the start, from the next frame on. Writer's thread."""
        attach = self._core.recorder.attach
        self._core.mailbox.post(lambda: None if self._is_stopped else attach(journal))

    def _heartbeat(self, now: float) -> Heartbeat | None:
        """Return how long the running session has lasted; `None` if no session runs. Writer's thread."""
        state = self._session.state
        if state.session is None or state.phase is Phase.CLOSED:
            return None
        return Heartbeat(state.session, state.length(now), state.since if state.phase is Phase.PAUSED else now)

    def _situation(self) -> Situation | None:
        """Return the running session once it is stored, `None` until then. Uploaders' threads."""
        session, context = self._core.recorder.session, self._core.recorder.context
        number = self._writer.session_num(session.id) if session is not None else 0
        if session is None or not number:
            return None
        return Situation(session.id, number, context.user_id, context.build)

    def remember(self, key: KeptKey, value: str | None) -> None:
        """Keep a value across launches; `None` forgets it. Does nothing after `stop`. Any thread."""
        if not self._is_stopped:
            self._remember(key, value)

    def _remember(self, key: KeptKey, value: str | None) -> None:
        """Keep a value, also while delivery stops: destinations end their sessions then. Later it does nothing."""
        if not self._closing.has_ended and not self._closing.is_forgetting:
            self._inbox.requests.append(Remember(key, value))

    def show_events(self, seen: Callable[[Sequence[Item]], None]) -> None:
        """Call a function with each slice of events before it is stored, on the writer's thread."""
        self._writer.seen = seen

    def troubles(self) -> Mapping[str, str]:
        """Return by destination why its events wait; "" if they are sent. Any thread."""
        return {uploader.name: uploader.trouble for uploader in self._uploaders}

    def session_num(self, session_id: str) -> int:
        """Return the number of a recent session; 0 if it is not stored yet. Any thread."""
        return self._writer.session_num(session_id)

    def write_now(self) -> None:
        """Have the writer commit at once. Any thread; never blocks."""
        self.runner.wake(self._writer.name)

    def frame_shown(self, now: float) -> None:
        """Wake the writer right after a flip, while most games wait for the next frame. Game thread."""
        if now >= self._next_commit:
            self._next_commit = now + FRAMES_SECONDS
            self.write_now()

    def flush(self, done: FlushDone) -> int:
        """Send everything now; return the number of uploaders, each of which calls `done` once, on its own thread."""

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
        """Store the remaining events and send what can be sent within `timeout` seconds."""
        self._is_stopped = True
        self.runner.stop(timeout)
        self.crash_file.end()
        if not self._closing.has_saved:
            lost = self._inbox.give_up() + self._writer.unstored + self._outbox.give_up()
            if lost:
                self._core.diagnostics.drop(Drop.OUTBOX_FULL, lost)
                words = f"{lost} events are lost: the disk could not be written in the time that there is at the end"
                self._core.diagnostics.warn_once("stop", words)

    def keep_yes(self) -> None:
        """Keep the player's yes across launches."""
        if self._mark is not None:
            if self._outbox.is_on_disk:
                self._mark.remove()
            else:
                self._mark.grant(self._outbox.launch)
        self.remember(kept.CONSENT, ConsentState.GRANTED.value)

    def forget_all(self, answer: ConsentState = ConsentState.DENIED, *, is_answered: bool = True) -> None:
        """Stop, delete all data, and keep the player's answer. Waits at most `FORGET_SECONDS`.

        Args:
            answer: The player's answer, which stays in force.
            is_answered: Whether the player gave it; one that was not needed is not kept.
        """
        self._is_stopped = True
        self.crash_file.end()
        closing, diagnostics, requests = self._closing, self._core.diagnostics, self._inbox.requests
        cleared_for = self._core.parts.new_id()  # so that this deletion is not taken for an earlier one of this launch
        if self._mark is not None and answer is not ConsentState.UNKNOWN:
            self._mark.deny()
            if answer is ConsentState.GRANTED:
                self._mark.grant(cleared_for)

        def forget(transaction: Transaction) -> int:
            if closing.is_revoked:
                return 0
            if self._path is not None:
                from ga_pygame.delivery.outbox import salvage  # noqa: PLC0415 - sqlite3, 15 ms of imports

                salvage.remove_set_aside(self._path)
            deleted = transaction.clear(lambda: closing.is_revoked)
            if is_answered:
                transaction.remember(kept.CONSENT, answer.value)
            if answer is ConsentState.GRANTED:
                transaction.remember(kept.CLEARED_FOR, cleared_for)
            return deleted

        closing.forget(forget, lambda deleted: diagnostics.drop(Drop.NO_CONSENT, deleted))
        self._writer.cease()
        for uploader in self._uploaders:
            uploader.cease()
        while requests:
            request = requests.popleft()
            if isinstance(request, Flush):
                request.stored()  # the uploader answers it: see `cease`
        self.runner.start()  # it deletes, and may not run yet: the player answered before `start()`
        self.runner.stop(FORGET_SECONDS)
        # On the game thread, since the next delivery uses the same inbox: a worker could do it after that has begun.
        self._intake.discard()
        diagnostics.drop(Drop.NO_CONSENT, self._core.recorder.forget())

    def revoke_forgetting(self) -> None:
        """Leave the deletion to the next delivery, as the player agrees again: its first transaction does it.

        Call it before that one is made. Each transaction of this one asks for it after it has SQLite's lock, so this
        one deletes either before the first transaction of the next one, or nothing.
        """
        self._closing.is_revoked = True


FORGET_SECONDS = 0.3
"""The longest that the game waits for the deletion of unsent events; after that it goes on in the background."""


def _journal(path: Path | None, clock: Clock, diagnostics: Diagnostics) -> Journal | None:
    """Make a journal; `None` if there is no disk for it, which is reported."""
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


def _first_values(
    transaction: Transaction, make_id: Callable[[], str], mark: str | None, launch: str, *, keeps: bool = True
) -> tuple[Mapping[KeptKey, str], int | None]:
    """Return the values that earlier launches kept; make the player's random id if the data folder has none.

    If the player said no, all that was not deleted then is deleted first. A kept yes stays if a yes came after the no:
    `privacy.forget()` was killed before its own transaction.

    Args:
        transaction: A transaction of the outbox.
        make_id: Makes a random id.
        mark: See `ConsentMark.read`.
        launch: The name of this launch.
        keeps: Whether the id is kept; else each launch has a new one, a new player's with numbers that begin at 1.

    Returns:
        The values, and how many records were deleted; `None` if nothing had to be.
    """
    deleted = None
    if mark is not None and (not mark or transaction.value(kept.CLEARED_FOR) != mark):
        answer = transaction.value(kept.CONSENT)
        deleted = transaction.clear()
        transaction.remember(kept.CLEARED_FOR, mark or launch)
        if mark and answer == ConsentState.GRANTED.value:
            transaction.remember(kept.CONSENT, answer)
    if not keeps:
        configs = kept.from_json(transaction.value(kept.REMOTE_CONFIGS) or "{}") or {}
        of_somebody = [kept.REMOTE_CONFIGS] if configs.get("user_id") else []  # kept before the knob was on
        for key in (kept.USER_ID, *kept.COUNTERS, *of_somebody):
            if transaction.value(key) is not None:
                transaction.remember(key, None)
        return {**transaction.values(), kept.USER_ID: make_id()}, deleted
    if transaction.value(kept.USER_ID) is None:
        transaction.remember(kept.USER_ID, make_id())
    return transaction.values(), deleted
