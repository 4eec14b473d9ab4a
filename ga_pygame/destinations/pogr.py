"""POGR: one session's life for each session of the game, one request for each event.

POGR has no batches and no key against doubles, so an event goes alone, in order, and a failure that may
have come after the server did its work is tried again a few times only; the event's own id travels in its
data, where a warehouse can find doubles. What is sent late carries `override_timestamp`, the time when it
happened.

The mapping stands in the README. Source: POGR's published clients; what they leave open is ours.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ga_pygame.clock import iso
from ga_pygame.diagnostics import Drop
from ga_pygame.exchange import Destination, Host, Outcome, Reply, Request, Situation, Standing, StoredRecord, Verdict

PRODUCTION = "https://api.pogr.io/v1/intake"
SESSION_KEY = "pogr_session"
MAX_UNSURE_TRIES = 3
"""Tries of a request that the server may have handled already."""

_REFUSING = (401, 403, 404)


@dataclass(frozen=True, slots=True)
class PogrSession:
    """A session that POGR knows, kept across launches.

    Attributes:
        session_id: The game's own session.
        intake_id: What POGR calls it.
        former: The intake id that POGR stopped accepting for the same session, "" for none.
        is_over: Everything of it was delivered; it has to be ended.
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
        environment: On logs.
        service: On logs.
    """

    name = "pogr"
    max_events = 1

    def __init__(
        self,
        client_id: str,
        build_id: str,
        *,
        pogr_url: str = PRODUCTION,
        environment: str = "dev",
        service: str = "gameclient",
    ) -> None:
        self._client_id = client_id
        self._build_id = build_id
        self._url = pogr_url.rstrip("/")
        self._environment = environment
        self._service = service
        self._host: Host | None = None
        self._session: PogrSession | None = None
        self._asked: PogrSession | None = None  # the one to come; None while `end` is asked
        self._unsure: Counter[int] = Counter()

    def __repr__(self) -> str:
        return f"<POGR at {self._url}>"

    def redirect(self, collector: str) -> None:
        """Send to a collector instead."""
        self._url = f"{collector.rstrip('/')}/v1/intake"

    def open(self, host: Host) -> None:
        self._host = host
        try:
            self._session = PogrSession(**json.loads(host.values.get(SESSION_KEY, "null")))
        except (ValueError, TypeError):
            self._session = None

    # --- the session's life -----------------------------------------------------------------------------

    def handshake(self, situation: Situation) -> Request | None:
        known, record = self._session, situation.next_record
        wanted = record.session_id if record is not None else None
        if known is not None and (known.is_over or (wanted is not None and wanted != known.session_id)):
            self._asked = None
            return self._request("end", {}, {"INTAKE_SESSION_ID": known.intake_id})
        if record is None or wanted is None or known is not None:
            return None
        former = self._asked.former if self._asked is not None and self._asked.session_id == wanted else ""
        self._asked = PogrSession(wanted, "", former)
        user_id = _event(record).get("user_id") or situation.user_id
        headers = {"POGR_CLIENT": self._client_id, "POGR_BUILD": self._build_id}
        return self._request("init", {"association_id": user_id}, headers)

    def welcome(self, reply: Reply) -> Standing:
        answer = _answer(reply)
        if self._session is not None:  # `end`: also one that POGR no longer knows is over
            if answer is None and reply.status not in _REFUSING:
                return Standing.RETRY
            self._keep(None)
            return Standing.AGAIN
        intake_id = answer.get("session_id") if answer is not None else None
        if isinstance(intake_id, str) and intake_id and self._asked is not None:
            self._keep(replace(self._asked, intake_id=intake_id))
            return Standing.READY
        if reply.status is not None and 400 <= reply.status < 500 and reply.status not in (408, 429):
            self._warn("init", f"POGR refuses this game ({_error(reply)}): compare client_id and build_id")
            return Standing.REFUSED
        return Standing.RETRY

    def _keep(self, session: PogrSession | None) -> None:
        self._session = session
        if self._host is not None:
            self._host.remember(SESSION_KEY, json.dumps(asdict(session)) if session is not None else None)

    # --- events -----------------------------------------------------------------------------------------

    def encode(self, records: Sequence[StoredRecord]) -> Request:
        record = records[0]
        session = self._session
        event = _event(record)
        tags = {"override_timestamp": self._instant(record)}
        if session is not None and session.former:
            tags["pogr_game_session"] = session.former
        command, body = self._call(event, json.loads(record.extra or "{}"))
        headers = {"INTAKE_SESSION_ID": session.intake_id if session is not None else ""}
        return self._request(command, {**body, "tags": tags}, headers)

    def judge(self, reply: Reply, records: Sequence[StoredRecord]) -> Sequence[Verdict]:
        record = records[0]
        session = self._session
        if _answer(reply) is not None:
            self._unsure.pop(record.id, None)
            if record.category == "session_end" and session is not None:
                self._keep(replace(session, is_over=True))
            return [Verdict(Outcome.DELIVERED)]
        status = reply.status
        if status in _REFUSING and session is not None:
            return [self._refused(session, reply)]
        if (status is None and not reply.maybe_handled) or status in (429, 503):
            return [Verdict(Outcome.RETRY)]
        if status is None or status >= 500 or (status == 200 and _error(reply) == ""):
            self._unsure[record.id] += 1
            if self._unsure[record.id] < MAX_UNSURE_TRIES:
                return [Verdict(Outcome.RETRY)]
            del self._unsure[record.id]
            return [Verdict(Outcome.DROPPED, Drop.SERVER_ERROR, reply.error or f"HTTP {status}")]
        return [Verdict(Outcome.DROPPED, Drop.REJECTED, _error(reply) or f"HTTP {status}")]

    def _refused(self, session: PogrSession, reply: Reply) -> Verdict:
        """POGR does not know the session any more: begin it anew, once, tied to the old one."""
        if session.former:
            self._warn("session", f"POGR refuses the session again ({_error(reply)})")
            return Verdict(Outcome.REFUSED)
        self._asked = PogrSession(session.session_id, "", former=session.intake_id)
        self._keep(None)
        return Verdict(Outcome.AGAIN)

    def _call(self, event: Mapping[str, Any], extra: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """The route and body of an event."""
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
        words = _WORDS.get(category, _design)(event, extra)
        names = ("event", "sub_event", "event_key", "event_flag")
        body: dict[str, Any] = dict(zip(names, words, strict=True))
        return "event", {**body, "event_type": "user-event", "event_data": _own_data(event, extra)}

    def _instant(self, record: StoredRecord) -> str:
        known = record.clock_offset
        if known is None:
            known = (self._host.clock.server_offset if self._host is not None else None) or 0.0
        return iso(record.client_ts + known)

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


_WORDS = {
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


def _own_data(event: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """What the event says beyond its words, under POGR's usual names."""
    data = {theirs: event[ours] for ours, theirs in _DATA.items() if ours in event}
    if event["category"] == "business":
        data["amount_cents"] = data.pop("amount")
    return {**data, **{name: value for name, value in extra.items() if name != "reason"}}


def _event(record: StoredRecord) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(b"{" + record.payload)
    return event


def _body(reply: Reply) -> dict[str, Any]:
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _answer(reply: Reply) -> dict[str, Any] | None:
    """The payload of a success, `None` for anything else."""
    body = _body(reply)
    if reply.status != 200 or body.get("success") is not True:
        return None
    payload = body.get("payload")
    return payload if isinstance(payload, dict) else {}


def _error(reply: Reply) -> str:
    """What the server says went wrong, "" where it says nothing."""
    body = _body(reply)
    if reply.status is None or body.get("success") is not False:
        return ""
    return str(body.get("error") or f"HTTP {reply.status}")
