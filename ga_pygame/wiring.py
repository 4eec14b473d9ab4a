"""The only place that picks concrete classes: what a tracker is made of, on a desktop and in tests."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ga_pygame.clock import Clock, SystemClock, new_id
from ga_pygame.config import NO_KEYS, SANDBOX_GAME_KEY, SANDBOX_SECRET_KEY, Config, data_folder, shared_folder
from ga_pygame.delivery.bookkeeping import Heartbeat
from ga_pygame.delivery.journal import Journal
from ga_pygame.delivery.outbox import Outbox, Transaction, journal_key
from ga_pygame.delivery.runner import Runner, ThreadRunner, Worker
from ga_pygame.delivery.transport import RequestsTransport
from ga_pygame.delivery.uploader import FlushDone, Listener, Uploader
from ga_pygame.delivery.writer import FRAMES_SECONDS, Writer
from ga_pygame.destinations import Destination, GameAnalytics, Host, Situation, SummingDestination, Transport
from ga_pygame.diagnostics import Diagnostics
from ga_pygame.engine.consent import CONSENT_KEY, ConsentState
from ga_pygame.inbox import Flush, Inbox, Remember

Stages = Sequence[Sequence[Worker]]


class MakeOutbox(Protocol):
    """Opens an outbox; never raises."""

    def __call__(
        self,
        path: Path,
        destinations: Sequence[str],
        clock: Clock,
        diagnostics: Diagnostics,
        summing: Sequence[str] = (),
    ) -> Outbox: ...


class Parts(NamedTuple):
    """The classes that a tracker is made of; tests put others in."""

    clock: Callable[[], Clock] = SystemClock
    new_id: Callable[[], str] = new_id
    chance: Callable[[], float] = random.random
    outbox: MakeOutbox | None = None
    transport: Callable[[float, Clock], Transport] = RequestsTransport
    runner: Callable[[Stages, Clock, Diagnostics], Runner] = ThreadRunner


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


def outbox_path(config: Config) -> Path:
    """The database file of this game; what an earlier version left is used until `adopt` has moved it."""
    keys = game_keys(config)
    key = keys[0] if keys else NO_KEYS
    own, shared = data_folder(config, key), shared_folder(config, key)
    folder = own if own == shared or own.exists() or not (shared / _OUTBOX).exists() else shared
    return folder / _OUTBOX


def adopt(config: Config) -> None:
    """Move the folder that games without keys shared in earlier versions to the first of them that starts.

    Its waiting events are delivered as before. A rename has one winner where two games start at once. Where it
    fails (on Windows if a game of an earlier version runs), the folder is used where it is, until a later start.
    """
    path = outbox_path(config)
    keys = game_keys(config)
    own = data_folder(config, keys[0] if keys else NO_KEYS)
    if path.parent == own:
        return
    from ga_pygame.delivery.journal import folder  # noqa: PLC0415 - mmap and zlib, when a tracker starts

    before = folder(path.parent)
    with contextlib.suppress(OSError):
        path.parent.rename(own)
        after = folder(own)
        if before not in (path.parent, after) and before.is_dir():  # in shared memory, named after the folder
            after.mkdir(mode=0o700, exist_ok=True)
            for ring in before.glob("*.ring"):
                ring.rename(after / ring.name)
            before.rmdir()


_OUTBOX = "outbox.sqlite3"


_COLLECTOR_ADVICE = "is the collector running, and is that its address? It is started by: python -m ga_pygame collect"


class Delivery:
    """Everything behind the inbox: outbox, writer, uploaders and what runs them.

    The constructor opens the outbox and reads what was kept; `values` has it, `journal` is where to note records.

    Args:
        config: The knobs.
        parts: The classes.
        inbox: What the writer takes from.
        clock: The tracker's clock.
        diagnostics: The tracker's diagnostics.
        watch: The engine's worker, which finishes first.
        heartbeat: Tells how long the running session has lasted.
        situation: Makes the running session's facts for a handshake, given a look-up of session numbers.
        listener: Hears what became of events.
        publish_configs: Takes new remote configs.
        post: Has something called on the game thread.
    """

    def __init__(
        self,
        config: Config,
        parts: Parts,
        *,
        inbox: Inbox,
        clock: Clock,
        diagnostics: Diagnostics,
        watch: Worker,
        heartbeat: Callable[[float], Heartbeat | None],
        situation: Callable[[Callable[[str], int]], Situation | None],
        listener: Listener,
        publish_configs: Callable[[Mapping[str, Any]], None],
        post: Callable[[Callable[[], None]], None],
    ) -> None:
        targets = destinations(config)
        names = [target.name for target in targets]
        amounts = {target.name: target.amounts for target in targets if isinstance(target, SummingDestination)}
        make_outbox = parts.outbox or _failover_outbox
        adopt(config)
        self._inbox = inbox
        self._next_commit = 0.0
        taking_records = [name for name in names if name not in amounts]
        self._outbox = make_outbox(outbox_path(config), taking_records, clock, diagnostics, tuple(amounts))
        self.values: Mapping[str, str] = self._outbox.transact(lambda transaction: _kept(transaction, parts.new_id))
        self.journal = _journal(self._outbox.journal_path(), clock, diagnostics) if config.journal else None
        self._writer = Writer(
            inbox,
            self._outbox,
            clock=clock,
            diagnostics=diagnostics,
            heartbeat=heartbeat,
            urge=self._urge,
            max_outbox_bytes=config.max_outbox_bytes,
            amounts=amounts,
            journal=self.journal,
            health_for=[target.name for target in targets if target.wants_health],
        )
        host = Host(clock, self.values, self.remember, publish_configs, diagnostics.warn_once, post)
        self._uploaders = [
            Uploader(
                target,
                target.transport or parts.transport(config.request_timeout, clock),
                self._outbox,
                host=host,
                situation=lambda: situation(self._writer.session_num),
                diagnostics=diagnostics,
                listener=listener,
                interval=config.upload_seconds,
                chance=parts.chance,
                advice=_COLLECTOR_ADVICE if config.collector and target.transport is None else "",
            )
            for target in targets
        ]
        self.runner = parts.runner([[watch], [self._writer], self._uploaders], clock, diagnostics)

    def remember(self, key: str, value: str | None) -> None:
        """Keep a value across launches. Any thread."""
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
        finished = self.runner.stop(timeout)
        if self._writer.has_finished:
            self._keep_last_words()
        self._outbox.save()
        if self._writer.has_finished:
            self._close_journal()
        if finished:  # else an uploader still waits for an answer and needs it
            self._outbox.close()

    def _keep_last_words(self) -> None:
        """Keep what uploaders asked to remember after the writer had finished: a session that they ended."""
        items = [request for request in self._inbox.requests if isinstance(request, Remember)]

        def remember(transaction: Transaction) -> None:
            for item in items:
                transaction.remember(item.key, item.value)

        if items:
            self._outbox.transact(remember)

    def forget_all(self, key: str, value: str) -> None:
        """Stop, delete what was recorded and not sent, keep one value: the player's no."""
        for uploader in self._uploaders:
            uploader.cease()
        self.runner.stop(0.2)

        def forget(transaction: Transaction) -> None:
            transaction.clear()
            transaction.remember(key, value)

        self._outbox.transact(forget)
        self._close_journal()
        self._outbox.close()

    def _close_journal(self) -> None:
        if self.journal is not None:
            self._inbox.detach()
            if self.journal.close():
                key = journal_key(self._outbox.launch)  # last: as long as there is a file, it says what is done of it
                self._outbox.transact(lambda transaction: transaction.remember(key, None))


def kept_consent(config: Config) -> ConsentState:
    """What the player said in an earlier launch, read without making a file."""
    path = outbox_path(config)
    if not path.exists():
        return ConsentState.UNKNOWN
    from ga_pygame.delivery.sqlite_outbox import read_value  # noqa: PLC0415 - see _failover_outbox

    kept = read_value(path, CONSENT_KEY)
    return ConsentState(kept) if kept in set(ConsentState) else ConsentState.UNKNOWN


def _failover_outbox(
    path: Path, destinations: Sequence[str], clock: Clock, diagnostics: Diagnostics, summing: Sequence[str] = ()
) -> Outbox:
    from ga_pygame.delivery.failover import FailoverOutbox  # noqa: PLC0415 - sqlite3 and filelock, 20 ms of imports

    return FailoverOutbox(path, destinations, clock, diagnostics, summing)


def _journal(path: Path | None, clock: Clock, diagnostics: Diagnostics) -> Journal | None:
    """A journal, where there is a disk to have it on."""
    if path is None:
        return None
    from ga_pygame.delivery.journal import Journal  # noqa: PLC0415 - mmap and zlib, when a tracker starts
    from ga_pygame.delivery.journal_files import shared_folder  # noqa: PLC0415

    shared = shared_folder(path.parent)
    if shared is not None and path.parent != shared and path.parent.parent != shared.parent:
        words = f"{shared} cannot be used: another user made it. The last moments before a kill are noted on the disk"
        diagnostics.warn_once("journal folder", words)
    try:
        return Journal(path, clock)
    except OSError as error:
        words = f"there is no journal: {error}. Up to 0.05 s of events are lost if the game is killed"
        diagnostics.warn_once("journal", words)
        return None


def _kept(transaction: Transaction, make_id: Callable[[], str]) -> Mapping[str, str]:
    """What was kept across launches; the player's random id is made here, once in a data folder's life."""
    if transaction.value("user_id") is None:
        transaction.remember("user_id", make_id())
    return transaction.values()
