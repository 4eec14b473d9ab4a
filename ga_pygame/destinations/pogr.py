"""POGR: one POGR session for each session of the game, one request for each event.

POGR has no batches and no idempotency keys. So events are sent one by one, in order, and a failure after which the
server may have processed the event is retried only a few times. The event's own id is part of its data, so that a
warehouse can find duplicates. Each event has `override_timestamp`, the time when it happened, since it may be sent much
later. A session is ended after its last event is settled; if the process died, the next launch adds that last event.

The mapping is in `docs/services.md`. Source: POGR's published clients; what they do not show is our choice.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Any

from ga_pygame import untrusted
from ga_pygame.addresses import POGR_URL, address
from ga_pygame.annotations import FIELDS
from ga_pygame.clock import iso
from ga_pygame.diagnostics import Drop
from ga_pygame.kept import pogr_session, pogr_sessions
from ga_pygame.kinds import KIND_BY_CATEGORY
from ga_pygame.protocol import (
    Destination,
    Host,
    Outcome,
    Reply,
    Request,
    Situation,
    Standing,
    StoredRecord,
    Verdict,
    is_time,
)

MAX_UNSURE_TRIES = 3
"""Tries of a request that the server may already have processed."""
MAX_SESSIONS = 100
"""Sessions that are kept at a time; a further one ends the oldest."""
MAX_POGR_REASON_LENGTH = 500
"""Characters kept of POGR's error texts."""


@dataclass(frozen=True, slots=True)
class PogrSession:
    """A session that POGR knows, kept across launches.

    Attributes:
        session_id: The id of the game's session.
        intake_id: The id that POGR gave it.
        former: The intake id of this session that POGR stopped accepting, "" if there is none.
        is_over: Its last event is settled, so it must be ended.
    """

    session_id: str
    intake_id: str
    former: str = ""
    is_over: bool = False


class POGR(Destination):
    """The destination of POGR.

    Args:
        client_id: From the game's client page.
        build_id: From the same page.
        pogr_url: Another server that speaks the protocol.
        environment: The `environment` of logs and metrics.
        service: The `service` of logs and metrics.
    """

    name = "pogr"
    max_events = 1
    wants_health = True

    def __init__(
        self,
        client_id: str,
        build_id: str,
        *,
        pogr_url: str = POGR_URL,
        environment: str = "dev",
        service: str = "gameclient",
    ) -> None:
        self._client_id = client_id
        self._build_id = build_id
        self._url = address("pogr_url", pogr_url)
        self._environment = environment
        self._service = service
        self._host: Host | None = None
        self._sessions: dict[str, PogrSession] = {}
        self._asked = PogrSession("", "")  # the session of the present handshake
        self._former: dict[str, str] = {}  # intake ids that POGR stopped accepting, by session
        self._offset: float | None = None  # POGR's time minus ours, from the last init
        self._unsure: Counter[int | str] = Counter()

    def __repr__(self) -> str:
        return f"<POGR at {self._url}>"

    def redirect(self, collector: str) -> None:
        """Send to a collector instead."""
        self._url = f"{collector.rstrip('/')}/v1/intake"

    def open(self, host: Host) -> None:
        self._host = host
        for session_id, text in pogr_sessions(host.values).items():
            session = _kept_session(text)
            if session is None or session_id != session.session_id:
                host.remember(pogr_session(session_id), None)
            else:
                self._sessions[session_id] = session

    # --- sessions -----------------------------------------------------------------------------

    def handshake(self, situation: Situation) -> Request | None:
        over = next((session for session in self._sessions.values() if session.is_over), None)
        if over is not None:
            self._asked = over
            return self._request("end", {}, {"INTAKE_SESSION_ID": over.intake_id})
        record = situation.next_record
        if record is None or record.session_id in self._sessions:
            return None
        self._asked = PogrSession(record.session_id, "", self._former.get(record.session_id, ""))
        user_id = _event_of(record).get("user_id") or situation.user_id
        headers = {"POGR_CLIENT": self._client_id, "POGR_BUILD": self._build_id}
        return self._request("init", {"association_id": user_id}, headers)

    def welcome(self, reply: Reply) -> Standing:
        return self._ended(reply) if self._asked.is_over else self._begun(reply)

    def _begun(self, reply: Reply) -> Standing:
        intake_id = untrusted.token((_answer(reply) or {}).get("session_id"))  # goes into a header
        if intake_id:
            self._offset = self._told_offset(reply)
            self._keep(replace(self._asked, intake_id=intake_id))
            return Standing.READY
        if _meaning(reply) in (_Meaning.REFUSED, _Meaning.BAD):
            self._warn("init", f"POGR refuses this game ({_error(reply)}): compare client_id and build_id")
            return Standing.REFUSED
        return Standing.RETRY

    def _ended(self, reply: Reply) -> Standing:
        """Judge the reply to `end`. An unknown session is over too; one that POGR cannot end must not block others."""
        meaning, intake_id = _meaning(reply), self._asked.intake_id
        self._unsure[intake_id] += meaning is _Meaning.UNSURE
        if meaning is _Meaning.WAIT or (meaning is _Meaning.UNSURE and self._unsure[intake_id] < MAX_UNSURE_TRIES):
            return Standing.RETRY
        del self._unsure[intake_id]
        self._forget(self._asked)
        return Standing.AGAIN

    def _keep(self, session: PogrSession) -> None:
        if session.session_id not in self._sessions and len(self._sessions) >= MAX_SESSIONS:
            oldest = next(iter(self._sessions.values()))
            self._sessions[oldest.session_id] = replace(oldest, is_over=True)
        self._sessions[session.session_id] = session
        if self._host is not None:
            self._host.remember(pogr_session(session.session_id), json.dumps(asdict(session)))

    def _forget(self, session: PogrSession) -> None:
        self._sessions.pop(session.session_id, None)
        if self._host is not None:
            self._host.remember(pogr_session(session.session_id), None)

    def _told_offset(self, reply: Reply) -> float | None:
        """Return server time minus local time by the answer's `Date`: a player's clock may be wrong by days."""
        if self._host is None:
            return None
        from email.utils import parsedate_to_datetime  # noqa: PLC0415 - loads sockets, 6 ms of a game's start

        try:
            told = parsedate_to_datetime(reply.headers.get("date", "")).timestamp()
        except (ValueError, TypeError, OverflowError, AttributeError, IndexError):
            return None
        server, clock = untrusted.server_time(told), self._host.clock
        if server is None:
            return None
        return server - clock.wall(clock.monotonic())

    # --- events -----------------------------------------------------------------------------------------

    def encode(self, records: Sequence[StoredRecord]) -> Request:
        record = records[0]
        session = self._sessions.get(record.session_id, PogrSession("", ""))
        event = _event_of(record)
        tags = self._instant(record)
        if session.former:
            tags["pogr_game_session"] = session.former
        command, body = self._call(event, json.loads(record.extra or "{}"))
        return self._request(command, {**body, "tags": tags}, {"INTAKE_SESSION_ID": session.intake_id})

    def judge(self, reply: Reply, records: Sequence[StoredRecord]) -> Sequence[Verdict]:
        record, meaning = records[0], _meaning(reply)
        session = self._sessions.get(record.session_id)
        if meaning is _Meaning.WAIT:
            return [Verdict(Outcome.RETRY)]
        if meaning is _Meaning.REFUSED and session is not None:
            return [self._refused(session, reply)]
        if meaning is _Meaning.UNSURE:
            self._unsure[record.id] += 1
            if self._unsure[record.id] < MAX_UNSURE_TRIES:
                return [Verdict(Outcome.RETRY)]
        del self._unsure[record.id]
        if record.category == "session_end" and session is not None:
            self._keep(replace(session, is_over=True))
        if meaning is _Meaning.GOOD:
            return [Verdict(Outcome.DELIVERED)]
        if meaning is _Meaning.UNSURE:
            return [Verdict(Outcome.DROPPED, Drop.SERVER_ERROR, reply.error or _error(reply))]
        return [Verdict(Outcome.DROPPED, Drop.REJECTED, _error(reply))]

    def _refused(self, session: PogrSession, reply: Reply) -> Verdict:
        """Handle a session that POGR no longer accepts: begin a new one, once in a launch, linked to the old one."""
        self._forget(session)
        if session.former:
            self._former.pop(session.session_id, None)
            self._warn("session", f"POGR refuses the session again ({_error(reply)})")
            return Verdict(Outcome.REFUSED)
        self._former[session.session_id] = session.intake_id
        return Verdict(Outcome.AGAIN)

    def _call(self, event: Mapping[str, Any], extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return the route and body of an event."""
        category = event["category"]
        if category == "user":
            facts = ("platform", "os_version", "build", "session_num", "custom_01", "custom_02", "custom_03")
            return "data", {"data": {name: event[name] for name in facts if name in event}}
        if category == "error":
            return "logs", {
                "service": self._service,
                "environment": self._environment,
                "severity": event["severity"],
                "type": "user-event",
                "log": event["message"],
                "data": _own_data(event, extra),
            }
        if category == "health":
            numbers = {name: event[name] for name in ("fps", "frame_ms_p99", "mem_mb")}
            return "metrics", {"service": self._service, "environment": self._environment, "metrics": numbers}
        names = ("event", "sub_event", "event_key", "event_flag")
        body: dict[str, Any] = dict(zip(names, _EVENT_WORDS.get(category, _any_kind)(event, extra), strict=True))
        data = _own_data(event, extra)
        if category not in _EVENT_WORDS:
            data = {**{name: value for name, value in event.items() if name not in _NOT_OWN}, **data}
        return "event", {**body, "event_type": "user-event", "event_data": data}

    def _instant(self, record: StoredRecord) -> dict[str, str]:
        """Return the tag with the time of the event; none if the player's clock is out of range."""
        shared = self._host.clock.server_offset if self._host is not None else None
        at = record.at(self._offset if shared is None else shared)
        return {"override_timestamp": iso(at)} if is_time(at) else {}

    def _request(self, command: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Request:
        text = json.dumps(body, allow_nan=False).encode()
        return Request(f"{self._url}/{command}", text, {"Content-Type": "application/json", **headers})

    def _warn(self, cause: str, message: str) -> None:
        if self._host is not None:
            self._host.warn_once(f"{self.name}:{cause}", message)


Words = tuple[str, str, str, str]


def _progression(event: Mapping[str, Any], _extra: Mapping[str, Any]) -> Words:
    status, _, level = event["event_id"].partition(":")
    flags = {"Start": "started", "Fail": "failed", "Complete": "completed"}
    return "progression", status.lower(), level, flags[status]


def _resource(event: Mapping[str, Any], _extra: Mapping[str, Any]) -> Words:
    flow, currency, item = event["event_id"].split(":", 2)
    return "resource", currency, item, flow.lower()


def _business(event: Mapping[str, Any], _extra: Mapping[str, Any]) -> Words:
    item_type, item_id = event["event_id"].split(":")
    return "business", item_type, item_id, event["currency"]


def _session_end(_event: Mapping[str, Any], extra: Mapping[str, Any]) -> Words:
    return "session", "end", "session_end", extra.get("reason", "quit")


def _design(event: Mapping[str, Any], _extra: Mapping[str, Any]) -> Words:
    parts = event["event_id"].split(":")
    return parts[0], parts[1] if len(parts) > 1 else "", event["event_id"], "triggered"


def _any_kind(event: Mapping[str, Any], _extra: Mapping[str, Any]) -> Words:
    """Return the words of a category without its own: its name and the fields that tell its events apart."""
    category = event["category"]
    told_by = KIND_BY_CATEGORY[category].told_by if category in KIND_BY_CATEGORY else ("event_id",)
    told = [str(event[name]) for name in told_by if event.get(name) is not None]
    return category, told[0] if told else "", ":".join(told) or category, "triggered"


_EVENT_WORDS = {
    "progression": _progression,
    "resource": _resource,
    "business": _business,
    "session_end": _session_end,
    "design": _design,
}
_DATA = {
    "amount": "amount",
    "value": "value",
    "score": "score",
    "attempt_num": "attempt_num",
    "transaction_num": "transaction_num",
    "cart_type": "cart_type",
    "length": "length_s",
    "custom_fields": "fields",
    "event_uuid": "event_uuid",
}
_NOT_OWN = {*FIELDS, "category"}


def _own_data(event: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of an event that its words do not contain, under POGR's usual names."""
    data = {theirs: event[ours] for ours, theirs in _DATA.items() if ours in event}
    if event["category"] == "business":
        data["amount_cents"] = data.pop("amount")
    return {**data, **{name: value for name, value in extra.items() if name != "reason"}}


def _event_of(record: StoredRecord) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(b"{" + record.payload)
    return event


def _kept_session(text: str) -> PogrSession | None:
    """Read a session that an earlier launch kept; `None` if the value is damaged."""
    found = untrusted.parsed_object(text.encode("utf-8", "replace"))
    session_id, intake_id = untrusted.token(found.get("session_id")), untrusted.token(found.get("intake_id"))
    if not (session_id and intake_id):
        return None
    return PogrSession(session_id, intake_id, untrusted.token(found.get("former")), found.get("is_over") is True)


def _reply_object(reply: Reply) -> dict[str, Any]:
    return untrusted.parsed_object(reply.body)


def _answer(reply: Reply) -> dict[str, Any] | None:
    """Return the payload of a success, `None` for any other reply."""
    body = _reply_object(reply)
    if reply.status is None or not 200 <= reply.status < 300 or body.get("success") is not True:
        return None
    payload = body.get("payload")
    return payload if isinstance(payload, dict) else {}


class _Meaning(Enum):
    """The meaning of a reply for its request."""

    GOOD = "good"
    WAIT = "not handled, or somebody else's answer: try again"
    UNSURE = "may have been handled, may not"
    REFUSED = "the session or the game is not known"
    BAD = "this request will never be taken"


def _meaning(reply: Reply) -> _Meaning:
    status, body = reply.status, _reply_object(reply)
    if _answer(reply) is not None:
        return _Meaning.GOOD
    if status is None:
        return _Meaning.UNSURE if reply.maybe_handled else _Meaning.WAIT
    is_page = reply.body.lstrip().startswith(b"<")  # of a portal or a proxy
    if status in (429, 503) or status < 200 or 300 <= status < 400 or (is_page and status < 500):
        return _Meaning.WAIT
    if status >= 500 or status == 408 or (status < 300 and body.get("success") is not False):
        return _Meaning.UNSURE
    if status in (401, 403, 404):
        return _Meaning.REFUSED
    is_theirs = not body or "success" in body or "error" in body  # else something in between said it
    return _Meaning.BAD if is_theirs else _Meaning.WAIT


def _error(reply: Reply) -> str:
    """Return the server's error text, or its status."""
    return untrusted.text(_reply_object(reply).get("error"), MAX_POGR_REASON_LENGTH) or f"HTTP {reply.status}"
