"""Puts together what stores and sends the events of a server: outbox, writer, uploader and their threads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ga_pygame import kept, rules
from ga_pygame.advice import NO_FOLDER
from ga_pygame.clock import Clock
from ga_pygame.config import Config, data_folder, game_keys
from ga_pygame.delivery.closing import Ending
from ga_pygame.delivery.encoder import Encoder, OwnFields
from ga_pygame.delivery.foreign import Foreign
from ga_pygame.delivery.outbox.contract import Outbox, Transaction
from ga_pygame.delivery.outbox.failover import FailoverOutbox
from ga_pygame.delivery.outbox.sqlite import SqliteOutbox
from ga_pygame.delivery.uploader import Timing, Uploader
from ga_pygame.destinations.gameanalytics import gameanalytics_of
from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.parts import Parts
from ga_pygame.protocol import Host, Situation, StoredRecord
from ga_pygame.server.seats import Seats
from ga_pygame.server.writer import ServerWriter

ROUND_SECONDS = 17.5
"""Seconds between two rounds of requests, unless `upload_interval` says otherwise. Source: REST v2, Request per user,
which asks for 15 to 20."""

INIT_SECONDS = 3600.0
"""Seconds after which init is sent again: for the time of the service, and in case it refused the events."""

_CLOSING_SECONDS = 0.02

_ADVICE = "events wait in the data folder; see that this server reaches that address"


class ServerDelivery:
    """Everything behind the seats of the players.

    The constructor opens the outbox; it does not start the runner.

    Args:
        config: The knobs in force.
        parts: Functions that make the parts.
        clock: The clock of all parts.
        diagnostics: Counts losses and reports errors.
        seats: Has the queue of records.

    Attributes:
        runner: Calls the workers.
    """

    def __init__(self, config: Config, parts: Parts, clock: Clock, diagnostics: Diagnostics, seats: Seats) -> None:
        keys, destination = game_keys(config), gameanalytics_of(config)
        if keys is None or destination is None:
            raise ValueError("game_key and secret_key are missing")
        self._diagnostics = diagnostics
        path = _path(config, keys[0])
        if path is None:
            diagnostics.warn_once("outbox:memory", NO_FOLDER)
        self._outbox = outbox = FailoverOutbox(
            path,
            [destination.name],
            clock,
            diagnostics,
            open_disk=_by_session,
        )
        user_id = outbox.transact_at_start(lambda transaction: _own_id(transaction, parts.new_id()))
        self._clock, self._new_id = clock, parts.new_id
        self._situation = Situation(parts.new_id(), 1, user_id, config.build)
        self._asks_at = clock.monotonic() + INIT_SECONDS
        who = None if config.who == rules.PLAYER else config.who
        self._writer = ServerWriter(
            seats.queue,
            outbox,
            Encoder(clock, own_fields=OwnFields(config.attempt_seconds, who)),
            diagnostics,
            end_silent=seats.end_silent,
            max_outbox_bytes=config.max_outbox_bytes,
        )
        host = Host(clock, MappingProxyType({}), _ignore, _ignore, diagnostics.warn_once)
        interval = ROUND_SECONDS if config.upload_interval is None else config.upload_interval
        uploader = Ending(
            Uploader(
                Foreign(destination, parts.transport(config.request_timeout, clock), host, diagnostics),
                outbox,
                situation=self._situation_now,
                diagnostics=diagnostics,
                listener=_NobodyListens(),
                timing=Timing(interval, parts.chance),
                advice=_ADVICE,
            )
        )
        closing = _OutboxClosing(outbox, uploader)
        self.runner = parts.runner([[self._writer], [uploader], [closing]], clock, diagnostics)

    def _situation_now(self) -> Situation:
        """Return what init says of this server; a new id each hour, so that it is sent again. Uploader's thread."""
        if self._clock.monotonic() >= self._asks_at:
            self._asks_at = self._clock.monotonic() + INIT_SECONDS
            self._situation = replace(self._situation, session_id=self._new_id())
        return self._situation

    @property
    def unstored(self) -> int:
        """Count the records that are not in the outbox."""
        return self._writer.unstored

    def stop(self, timeout: float) -> None:
        """Store the remaining events and send what can be sent within `timeout` seconds."""
        self.runner.stop(timeout)
        if lost := self._writer.lost + self._outbox.give_up():
            self._diagnostics.drop(Drop.OUTBOX_FULL, lost)
            words = f"{lost} events are lost: the disk could not be written in the time that there is at the end"
            self._diagnostics.warn_once("stop", words)


class _OutboxClosing:
    """The last worker: it saves the outbox and closes it when the uploader has ended."""

    name = "closing"

    def __init__(self, outbox: Outbox, uploader: Ending) -> None:
        self._outbox = outbox
        self._uploader = uploader
        self._finishing = False

    def finish(self) -> None:
        self._finishing = True

    def step(self, now: float) -> float | None:  # noqa: ARG002 - see `Worker`
        """Wait for the end; then save and close."""
        if not self._finishing:
            return 3600.0
        if not self._uploader.has_ended:
            return _CLOSING_SECONDS
        self._outbox.save()
        self._outbox.close()
        return None


class _NobodyListens:
    """A listener of the uploader; the counts of `stats` tell what happened."""

    def delivered(self, destination: str, count: int) -> None:
        pass

    def rejected(self, destination: str, record: StoredRecord, errors: str) -> None:
        pass

    def connection_lost(self, destination: str, error: str) -> None:
        pass

    def connection_restored(self, destination: str) -> None:
        pass


def _ignore(*_what: object) -> None:
    pass


def _by_session(*names: Any, **options: Any) -> SqliteOutbox:
    """Open an outbox whose leases have the records of one player's session."""
    outbox = SqliteOutbox(*names, **options)
    outbox.lease_by_session()
    return outbox


def _own_id(transaction: Transaction, fresh: str) -> str:
    """Return the server's own random id, with which it asks to send; made once in a data folder's life."""
    found = transaction.value(kept.USER_ID)
    if found is None:
        transaction.remember(kept.USER_ID, fresh)
    return found or fresh


def _path(config: Config, game_key: str) -> Path | None:
    """Return the server's database file, beside that of a game with the same key; `None` if there is no home folder."""
    folder = data_folder(config, game_key)
    return folder.with_name(f"{folder.name}-server") / "outbox.sqlite3" if folder is not None else None
