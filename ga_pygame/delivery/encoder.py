"""The encoder: turns each record into JSON once; a batch is a join of these texts.

The part that many events share (session and context) is encoded once and kept until it changes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

from ga_pygame.annotations import context_annotations, launch_annotations
from ga_pygame.clock import Clock, CountedIds
from ga_pygame.delivery.outbox.contract import NewRecord, Transaction
from ga_pygame.kinds import Event
from ga_pygame.records import Context, Record, Repeated, SessionRef, new_tuple
from ga_pygame.rules import CRASH_FIELD, CRUMBS_FIELD, HITCHES_FIELD, MAX_CUSTOM_FIELDS, SECONDS_FIELD, WHO_FIELD

Amounts = Callable[[Mapping[str, Any], str], Sequence[tuple[str, float]]]
"""A function from an event and its player to slots and the amounts added to them. See `protocol.SummingDestination`."""

_REMEMBERED_CONTEXTS = 64


class OwnFields(NamedTuple):
    """The custom fields that the tracker adds to the game's own, which win; none is added to 50 fields.

    Attributes:
        seconds: Whether a Fail and a Complete get `SECONDS_FIELD`.
        who: The value of `WHO_FIELD` on all events; `None` for a player's.
        crumbs: Whether a critical error gets texts with the events before it.
    """

    seconds: bool = True
    who: str | None = None
    crumbs: bool = True


class Encoder:
    """The encoder (see the module).

    Args:
        clock: For wall-clock times.
        amounts: The `amounts` of each summing destination, by name.
        wanted_by: The destinations that want certain events, by `Event.wanted_by`.
        own_fields: The custom fields that it adds.
    """

    def __init__(
        self,
        clock: Clock,
        amounts: Mapping[str, Amounts] | None = None,
        wanted_by: Mapping[str, Sequence[str]] | None = None,
        own_fields: OwnFields | None = None,
    ) -> None:
        self.clock = clock
        self.wanted_by = wanted_by or {}
        self._amounts = amounts or {}
        self._own_fields = own_fields or OwnFields()
        self._shared: dict[tuple[Context, str, int, bool], bytes] = {}
        self._beginnings: dict[int, tuple[str, bytes, bytes, int] | None] = {}
        self._last_shared: tuple[SessionRef | None, Context | None, int, bytes] = (None, None, 0, b"")
        self._new_ids = map(CountedIds(os.urandom(16)).at, count())  # of events that the journal does not have

    def shared(self, context: Context, session_id: str, session_num: int, *, with_fields: bool = True) -> bytes:
        """Encode the fields that all events of a context and a session share, as a JSON fragment."""
        key = (context, session_id, session_num, with_fields)
        found = self._shared.get(key)
        if found is None:
            if len(self._shared) >= _REMEMBERED_CONTEXTS:
                self._shared.clear()
            said = {**launch_annotations(), **context_annotations(context)}
            fields = self._with_who(context.fields or {}) if with_fields else {}
            said.pop("custom_fields", None)
            if fields:
                said["custom_fields"] = fields
            own = {"session_id": session_id, "session_num": session_num}
            found = self._shared[key] = _encode_sound({**said, **own})[1:-1]
        return found

    def can_tell(self, record: Record) -> bool:
        """Whether a record can be encoded; one of a damaged journal may hold values that cannot."""
        try:
            encode(record.event.wire())
            encode({"custom_fields": record.fields})
            return record.session is not None
        except Exception:  # noqa: BLE001 - whatever it is made of
            return False

    def of(self, clock: Clock, who: str | None) -> Encoder:
        """Return an encoder like this one for records of another process, which these played: see `OwnFields`."""
        return Encoder(clock, self._amounts, self.wanted_by, self._own_fields._replace(who=who))

    @property
    def who(self) -> str | None:
        """The mark of all events: see `OwnFields`."""
        return self._own_fields.who

    def _with_who(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        return _with(fields, WHO_FIELD, self._own_fields.who)

    def with_seconds(self, fields: Mapping[str, Any], seconds: float | None) -> Mapping[str, Any]:
        """Add the seconds of an attempt to custom fields; return the same mapping if there is nothing to add."""
        return _with(fields, SECONDS_FIELD, seconds if self._own_fields.seconds else None)

    def with_hitches(self, fields: Mapping[str, Any], hitches: int) -> Mapping[str, Any]:
        """Add the long frames of an attempt to custom fields, if there were any."""
        return _with(fields, HITCHES_FIELD, hitches or None)

    def with_crash(self, fields: Mapping[str, Any], kind: str, before: Sequence[str] = ()) -> Mapping[str, Any]:
        """Add the kind of a crash, and texts with the events before it, as far as there is room."""
        fields = _with(fields, CRASH_FIELD, kind or None)
        before = before if self._own_fields.crumbs else ()
        for place, text in enumerate(before[-max(0, MAX_CUSTOM_FIELDS - len(fields)) :], 1):
            fields = _with(fields, f"{CRUMBS_FIELD}_{place}", text)
        return fields

    def add_to_sums(self, own: Mapping[str, Any], user_id: str, transaction: Transaction) -> None:
        """Add an event's amounts to the sums of the summing destinations."""
        for destination, amounts in self._amounts.items():
            for slot, amount in amounts(own, user_id):
                transaction.add_to_sum(destination, slot, amount)

    def own(self, fields: Mapping[str, Any], event_uuid: bytes | None = None) -> bytes:
        """Encode an event's own fields and its id, by default a new one, as a JSON fragment."""
        return b'%b,"event_uuid":"%b"' % (encode(fields)[1:-1], event_uuid or next(self._new_ids))

    def record(
        self, own: dict[str, Any], record: Record, session: SessionRef, session_num: int, extra: str | None
    ) -> NewRecord:
        """Encode a record for the outbox; `own` has its event's own fields."""
        context, fields = record.context, record.fields
        if fields:
            own["custom_fields"] = self._with_who({**context.fields, **fields} if context.fields else fields)
        shared = self.shared(context, session.id, session_num, with_fields=not fields)
        when = self.clock.wall(record.at)
        text = self.own(own, record.event_uuid)
        return NewRecord(session.id, own["category"], when, self.clock.server_offset, shared, text, extra)

    def row(self, row: Repeated, session_num: int) -> NewRecord | None:
        """Encode a repeat without database access; `None` if the event needs counters, sums or custom fields."""
        kind, event, number, session, context, at, fields, event_uuid = row
        beginning = self._beginnings.get(kind, _UNKNOWN)
        if beginning is _UNKNOWN:
            beginning = self._beginnings[kind] = None if self._amounts else _beginning(event)
        if beginning is None or session is None or fields is not None:
            return None
        category, text, name, sign = beginning
        if name and number == number:  # noqa: PLR0124 - nan if there is no number
            text = b"%b%b%b" % (text, name, b"%d" % (number * sign) if number.is_integer() else _digits(number * sign))
        own = b'%b,"event_uuid":"%b"' % (text, event_uuid or next(self._new_ids))
        its_session, its_context, its_number, shared = self._last_shared
        if session is not its_session or context is not its_context or session_num != its_number:
            shared = self.shared(context, session.id, session_num)
            self._last_shared = (session, context, session_num, shared)
        clock = self.clock
        return new_tuple(NewRecord, (session.id, category, clock.wall(at), clock.server_offset, shared, own, None))


def _with(fields: Mapping[str, Any], name: str, value: float | str | None) -> Mapping[str, Any]:
    """Return custom fields with one more; unchanged if it has no value or is there, or if there are 50."""
    if value is None or name in fields or len(fields) >= MAX_CUSTOM_FIELDS:
        return fields
    return {**fields, name: value}


_UNKNOWN = ("", b"", b"", 0)


def _beginning(event: Event) -> tuple[str, bytes, bytes, int] | None:
    """Prepare the JSON of an event's repeats: category, JSON without the number, the number's name and sign.

    `None` if the repeats need database access.
    """
    if event.is_counted or event.wanted_by:
        return None
    own = event.with_number(1).wire()
    name = event.number_field
    if not name:
        return event.category, encode(own)[1:-1], b"", 0
    sign = own.pop(name)
    return event.category, encode(own)[1:-1], f',"{name}":'.encode(), sign


def _digits(number: float) -> bytes:
    return repr(number).encode()


def _json_encoder() -> Callable[[Any], str]:
    """Make a function like `JSONEncoder.encode` that reuses its inner encoder: 1.7 µs a call instead of 2.9."""
    made = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    make_inner = getattr(json.encoder, "c_make_encoder", None)
    if make_inner is None:  # an interpreter without it
        return made.encode
    inner = make_inner(None, made.default, json.encoder.encode_basestring, None, ":", ",", False, False, False)
    return lambda value: "".join(inner(value, 0))


_encode = _json_encoder()


def _encode_sound(parts: Mapping[str, Any]) -> bytes:
    """Encode all parts that have a JSON form; leave out others, else no event of this context could be encoded."""
    try:
        return encode(parts)
    except (ValueError, TypeError, RecursionError):
        return encode({name: value for name, value in parts.items() if _is_sound(name, value)})


def _is_sound(name: str, value: Any) -> bool:
    try:
        encode({name: value})
    except (ValueError, TypeError, RecursionError):
        return False
    return True


def encode(value: Mapping[str, Any]) -> bytes:
    """Encode a value as compact JSON in UTF-8; a lone surrogate, which UTF-8 cannot encode, becomes '?'."""
    return _encode(value).encode("utf-8", "replace")
