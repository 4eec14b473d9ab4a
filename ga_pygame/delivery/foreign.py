"""Calls a destination and its transport for the uploader, and turns each of their errors into one exception.

Both may be the game's own code. Any of their methods may raise anything, or return a wrong or endless value; each
such case is reported once with the destination's name, and the uploader goes on.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar

from ga_pygame import untrusted
from ga_pygame.checks import exact_number, exact_text
from ga_pygame.diagnostics import Diagnostics, Drop, is_the_players
from ga_pygame.protocol import (
    Destination,
    Host,
    Outcome,
    Pending,
    Reply,
    Request,
    Situation,
    Standing,
    StoredRecord,
    SummingDestination,
    Transport,
    Verdict,
    checked_reply,
    of_kind,
)

T = TypeVar("T")

MAX_ERRORS_LENGTH = 1000
"""Characters that are kept of a service's reason for a rejected event."""
MAX_AMOUNTS = 100
"""Sums of a destination that one event may add to; an endless generator is cut here."""
_MIXED = frozenset({Outcome.DELIVERED, Outcome.DROPPED})


class Misbehaved(Exception):
    """A destination or a transport raised or returned a wrong value; it was reported already."""


class Foreign:
    """See the module.

    Args:
        destination: Speaks the service's language.
        transport: Carries requests; used by one uploader only.
        host: Given to the destination.
        diagnostics: Told once of each kind of failure.

    Attributes:
        destination: As given, for its name and its numbers, which were checked.
        host: As given.
    """

    def __init__(self, destination: Destination, transport: Transport, host: Host, diagnostics: Diagnostics) -> None:
        self.destination = destination
        self.host = host
        self._transport = transport
        self._diagnostics = diagnostics
        self._is_transport_open = self._is_open = False
        self._part = _part_of(destination)
        self._carrier = f"the transport of {self._part}"

    def open(self) -> None:
        """Open both; the next call retries the one that raised, and does not open the other twice."""
        if not self._is_transport_open:
            self._ask(self._carrier, self._transport.open)
            self._is_transport_open = True
        if not self._is_open:
            self._ask(self._part, lambda: self.destination.open(self.host))
            self._is_open = True

    def close(self) -> None:
        """Close the transport, once."""
        if self._is_transport_open:
            self._is_transport_open = False
            with contextlib.suppress(Misbehaved):
                self._ask(self._carrier, self._transport.close)

    def send(self, request: Request) -> Pending:
        """Start a request."""
        return self._ask(self._carrier, lambda: self._transport.send(request))

    def poll(self, pending: Pending) -> Reply | None:
        """Return the reply, if it has arrived."""
        return self._ask(self._carrier, lambda: checked_reply(pending.poll()))

    def handshake(self, situation: Situation, record: StoredRecord | None) -> tuple[Request | None, bool]:
        """Return the request that must be answered first, if any; and whether the record makes it impossible."""

        def make(about: StoredRecord | None) -> Request | None:
            request = self.destination.handshake(replace(situation, next_record=about))
            return None if request is None else of_kind(request, Request)

        def ask(about: StoredRecord | None) -> Request | None:
            return self._ask(self._part, lambda: make(about))

        try:
            return ask(record), False
        except Misbehaved:
            if record is None:
                raise
        request = ask(None)  # if this raises, too, the record is not the cause
        return request, request is None

    def welcome(self, reply: Reply) -> Standing:
        """Judge the answer to the handshake."""
        return self._ask(self._part, lambda: of_kind(self.destination.welcome(reply), Standing))

    def encode(self, records: Sequence[StoredRecord]) -> Request:
        """Make a request of a batch."""
        return self._ask(self._part, lambda: of_kind(self.destination.encode(tuple(records)), Request))

    def judge(self, reply: Reply, records: Sequence[StoredRecord]) -> list[Verdict]:
        """Return a valid verdict for each record; `internal` for all if the destination fails to."""
        try:
            return self._ask(self._part, lambda: _sound(self.destination.judge(reply, tuple(records)), len(records)))
        except Misbehaved:
            return [Verdict(Outcome.DROPPED, Drop.INTERNAL, "the destination could not judge the answer")] * len(
                records
            )

    def _ask(self, part: str, call: Callable[[], T]) -> T:
        return _asked(part, call, self._diagnostics)


def _part_of(destination: Destination) -> str:
    """Return the words for a destination in messages."""
    return f'the destination "{destination.name}"'


def _asked(part: str, call: Callable[[], T], diagnostics: Diagnostics) -> T:
    """Call foreign code; catch even `SystemExit`, which would end the worker. Only the player's Ctrl-C passes."""
    try:
        return call()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and is_the_players(error):
            raise
        diagnostics.foreign(part, error)
        raise Misbehaved(f"{part} raised {type(error).__name__}") from None


def amounts_of(
    destination: SummingDestination, diagnostics: Diagnostics
) -> Callable[[Mapping[str, Any], str], Sequence[tuple[str, float]]]:
    """Make a function for what an event adds to the sums of a destination; nothing if the destination fails.

    A failure is counted as a loss of the sums only; the record itself goes to the other destinations.
    """
    part = f"amounts() of {_part_of(destination)}"

    def amounts(event: Mapping[str, Any], user_id: str) -> Sequence[tuple[str, float]]:
        def found() -> list[tuple[str, float]]:
            return [_amount(*one) for one in islice(destination.amounts(dict(event), user_id), MAX_AMOUNTS)]

        try:
            return _asked(part, found, diagnostics)
        except Misbehaved:
            diagnostics.drop(Drop.INTERNAL, detail=part)
            return ()

    return amounts


def _amount(slot: object, amount: object) -> tuple[str, float]:
    name, number = exact_text(slot), exact_number(amount)
    if name is None or number is None or not math.isfinite(number):
        raise TypeError("must return pairs of a string and a finite number")
    return name.encode().decode(), number


def _sound(verdicts: Any, count: int) -> list[Verdict]:
    """Return the verdicts; raise if there is not one for each record, or they contradict each other."""
    found = list(islice(verdicts, count + 1))
    if len(found) != count:
        raise ValueError(f"must return a verdict for each of {count} records")
    sound = [_verdict(one) for one in found]
    outcomes = {one.outcome for one in sound}
    if len(outcomes) > 1 and not outcomes <= _MIXED:
        raise ValueError("the verdicts must be all the same, but for DELIVERED and DROPPED")
    return sound


def _verdict(verdict: Any) -> Verdict:
    outcome, reason, errors = of_kind(verdict, Verdict)
    return Verdict(of_kind(outcome, Outcome), of_kind(reason, Drop), untrusted.text(errors, MAX_ERRORS_LENGTH))
