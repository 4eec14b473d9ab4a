"""The writer of a server: moves the records of all players from the queue to the outbox, 25 times a second.

`delivery.slice_writer` does the work for each player, with that player's state and counters; `delivery.recovery` has
what ends the session of a process that died.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ga_pygame.clock import yield_gil
from ga_pygame.delivery.encoder import Encoder, encode
from ga_pygame.delivery.outbox.contract import DeadLaunch, LockedError, NewRecord, Outbox, OutboxError, Transaction
from ga_pygame.delivery.outbox.open_session import OpenSession
from ga_pygame.delivery.recovery import end_sessions
from ga_pygame.delivery.slice_writer import Heartbeat, SliceWriter, WriterState
from ga_pygame.delivery.writer import COMMIT_SECONDS
from ga_pygame.diagnostics import Diagnostics, Drop
from ga_pygame.events import SessionEnd
from ga_pygame.kept import KeptKey, from_json
from ga_pygame.protocol import FORWARDED_FOR
from ga_pygame.records import Record
from ga_pygame.server.seats import Queued

PLAYERS_SLICE = 512
"""Records of all players in one transaction."""

LOOK_FOR_SILENT_SECONDS = 1.0
"""Time between two looks for silent players."""

_YIELD_AFTER_PLAYERS = 4
"""Players between two yields of the GIL."""

_TRIMMED = (
    "events dropped (outbox_full): more wait for a connection than max_outbox_bytes has room for, so those of the "
    "oldest session go; ServerTracker(max_outbox_bytes=…) makes more room"
)

_Slices = Mapping[str, SliceWriter]


class _Known(NamedTuple):
    """What the writer knows of a player with a session."""

    state: WriterState
    address: str


class ServerWriter:
    """See the module.

    Args:
        queue: The records of all players, from which only the writer takes.
        outbox: The outbox.
        encoder: Encodes records as JSON.
        diagnostics: Counts stored and lost records.
        end_silent: Ends the sessions of silent players.
        max_outbox_bytes: Room for waiting records.
    """

    name = "writer"

    def __init__(
        self,
        queue: deque[Queued],
        outbox: Outbox,
        encoder: Encoder,
        diagnostics: Diagnostics,
        *,
        end_silent: Callable[[], None],
        max_outbox_bytes: int,
    ) -> None:
        self._queue = queue
        self._outbox = outbox
        self._encoder = encoder
        self._diagnostics = diagnostics
        self._end_silent = end_silent
        self._max_outbox_bytes = max_outbox_bytes
        self._states: dict[str, _Known] = {}  # of the players with a session, by user id
        self._in_hand: list[Queued] = []
        self._recovered = self._finishing = False
        self._next_look = 0.0

    def finish(self) -> None:
        self._finishing = True

    def step(self, now: float) -> float | None:
        """Store some records, if there are any; return seconds until the next step."""
        finishing = self._finishing  # before the queue is read: what is recorded before `finish` must be stored
        try:
            self._recover()
            if now >= self._next_look and not finishing:
                self._next_look = now + LOOK_FOR_SILENT_SECONDS
                self._end_silent()
            if not self._in_hand:
                self._in_hand = self._taken()
            due = self._due_wallets(now)
            if self._in_hand or due:
                self._store(self._in_hand, due, now)
        except LockedError:  # another process writes; the next step tries the same records again
            return COMMIT_SECONDS
        self._in_hand = []
        if self._queue:
            return 0.0
        return None if finishing else COMMIT_SECONDS

    @property
    def unstored(self) -> int:
        """Count the records that are not in the outbox. Any thread."""
        return len(self._queue) + len(self._in_hand)

    @property
    def lost(self) -> int:
        """Count the records that a next start does not make anew: it ends the sessions whose end is not stored."""
        items = [*self._in_hand, *tuple(self._queue)]
        return sum(not isinstance(item.record.event, SessionEnd) for item in items)

    def _taken(self) -> list[Queued]:
        taken = [self._queue.popleft() for _ in range(min(PLAYERS_SLICE, len(self._queue)))]
        self._diagnostics.count("recorded", len(taken))
        return taken

    def _due_wallets(self, now: float) -> Sequence[str]:
        if now < self._next_look - LOOK_FOR_SILENT_SECONDS / 2:
            return ()
        return [user_id for user_id, known in self._states.items() if known.state.wallet_is_due(now)]

    def _store(self, items: Sequence[Queued], due: Sequence[str], now: float) -> None:
        try:
            self._commit(items, due, now)
        except LockedError:
            raise
        except Exception as error:  # noqa: BLE001 - one bad record must not take the others with it
            self._diagnostics.defect("the writer", error)
            for item in items:
                self._store_alone(item, now)

    def _store_alone(self, item: Queued, now: float) -> None:
        try:
            self._commit([item], (), now)
        except Exception:  # noqa: BLE001 - reported by `_store`
            self._diagnostics.drop(Drop.INTERNAL, detail=type(item.record.event).__name__)

    def _commit(self, items: Sequence[Queued], due: Sequence[str], now: float) -> None:
        known = {user_id: self._states[user_id].address for user_id in due}
        addresses = known | {item.record.context.user_id: item.address for item in items}
        slices, trimmed = self._outbox.transact(
            lambda transaction: self._write(transaction, items, addresses, now), may_wait=True
        )
        for user_id, one in slices.items():
            if one.state.session is None:
                self._states.pop(user_id, None)
            else:
                self._states[user_id] = _Known(one.state, addresses[user_id])
            self._diagnostics.count("stored", one.added)
            self._diagnostics.drop(Drop.INTERNAL, one.lost, "flows of a wallet")
        self._diagnostics.drop(Drop.OUTBOX_FULL, trimmed)
        if trimmed:
            self._diagnostics.warn_once("outbox full", _TRIMMED)

    def _write(
        self, transaction: Transaction, items: Sequence[Queued], addresses: Mapping[str, str], now: float
    ) -> tuple[_Slices, int]:
        """Do the work of one transaction; it may run twice, so it changes nothing of the writer."""
        of_players: dict[str, list[Record]] = {user_id: [] for user_id in addresses}
        for item in items:
            of_players[item.record.context.user_id].append(item.record)
        slices = {}
        for place, (user_id, own) in enumerate(of_players.items(), 1):
            its = PlayerTransaction(transaction, user_id, addresses[user_id])
            slices[user_id] = self._write_player(its, user_id, own, now)
            if place % _YIELD_AFTER_PLAYERS == 0:
                yield_gil()
        return slices, transaction.trim(self._max_outbox_bytes)

    def _write_player(
        self, transaction: PlayerTransaction, user_id: str, records: Sequence[Record], now: float
    ) -> SliceWriter:
        known = self._states.get(user_id)
        state = known.state if known is not None else WriterState()
        slice_writer = SliceWriter(state, transaction, self._encoder, _connected)
        for record in records:
            slice_writer.take(record)
        slice_writer.finish(now, _length(records[-1]) if records else None)
        return slice_writer

    # --- what a server that died left -------------------------------------------------------------------

    def _recover(self) -> None:
        """End the sessions of servers that died, once, with the length that is known."""
        if self._recovered or not self._outbox.is_on_disk:
            return
        try:
            for dead in self._outbox.dead_launches():
                self._end_launch(dead)
        except LockedError:
            raise
        except OutboxError as error:  # the next start finds them again
            self._diagnostics.warn_once("recovery", f"sessions of a server that died are not ended now: {error}")
        self._recovered = True

    def _end_launch(self, dead: DeadLaunch) -> None:
        def end(transaction: Transaction) -> int:
            return sum(self._end_session(transaction, session) for session in dead.sessions)

        self._diagnostics.drop(Drop.DAMAGED, self._outbox.transact(end), "sessions of a server that died")
        self._outbox.forget_launch(dead)

    def _end_session(self, transaction: Transaction, session: OpenSession) -> int:
        said = from_json(b"{" + session.annotations + b"}")
        found = said if isinstance(said, dict) else {}
        address = found.pop(FORWARDED_FOR, "")
        annotations = encode(found)[1:-1] if found else b""
        own = PlayerTransaction(transaction, str(found.get("user_id")), str(address))
        return end_sessions(own, [replace(session, annotations=annotations)], self._encoder)


def _connected(at: float) -> float:
    """Return the seconds until `at` for which a player was connected; only differences mean something."""
    return at


def _length(last: Record) -> Heartbeat | None:
    session = last.session
    return Heartbeat(session, last.at - session.started, last.at) if session is not None else None


class PlayerTransaction:
    """A transaction with the counters of one player, whose records get the player's address.

    Args:
        transaction: The transaction of all players.
        user_id: The player.
        address: The player's address; "" if it is not known.
    """

    def __init__(self, transaction: Transaction, user_id: str, address: str) -> None:
        self._transaction = transaction
        self._prefix = f"{user_id}\n"
        self._address = address
        self.value, self.values, self.remember = transaction.value, transaction.values, transaction.remember
        self.add_to_sum, self.delete_session = transaction.add_to_sum, transaction.delete_session
        self.clear, self.trim = transaction.clear, transaction.trim

    @property
    def is_lasting(self) -> bool:
        return self._transaction.is_lasting

    def increment(self, key: KeptKey) -> int:
        """See `Transaction`. Kept beside the attempts: the values kept by name are few, and players are many."""
        number = self.attempts(key) + 1
        self.set_attempts(key, number)
        return number

    def attempts(self, level: str) -> int:
        return self._transaction.attempts(self._prefix + level)

    def set_attempts(self, level: str, number: int) -> None:
        self._transaction.set_attempts(self._prefix + level, number)

    def add(self, records: Sequence[NewRecord], destinations: Sequence[str] | None = None) -> None:
        self._transaction.add([one._replace(extra=self._on_behalf(one.extra)) for one in records], destinations)

    def _on_behalf(self, extra: str | None) -> str:
        return json.dumps({FORWARDED_FOR: self._address, **(json.loads(extra) if extra else {})})

    def save_session(self, session: OpenSession, launch: str | None = None) -> None:
        if self._address and session.annotations:
            address = encode({FORWARDED_FOR: self._address})[1:-1]
            session = replace(session, annotations=session.annotations + b"," + address)
        self._transaction.save_session(session, launch)
