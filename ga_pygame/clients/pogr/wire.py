"""POGR's wire format: tags, requests and the meaning of replies. No I/O.

`POST {base}/<command>` with JSON. `init` has the headers `POGR_CLIENT` and `POGR_BUILD` and is answered with a session
id, which every other command sends as the header `INTAKE_SESSION_ID`. A success is HTTP 200 with
`{"success": true, "payload": {…}}`; else `error` says why.
Sources: the node's class reference; Blazium's `pogr_client.h`; POGR's Go, Node and Rust SDKs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ga_pygame import untrusted
from ga_pygame.protocol import Reply, Request

VALID_TAGS = (
    "steam_id",
    "twitch_id",
    "association_id",
    "pogr_game_session",
    "xbox_id",
    "battlenet_id",
    "twitter_id",
    "linkedin_id",
    "pogr_player_id",
    "discord_id",
    "override_timestamp",
)
"""The tags that POGR accepts. Source: the node's class reference."""


OK = 200
NO_ANSWER = "no answer"
_MAX_POGR_ERROR = 500


@dataclass(frozen=True, slots=True)
class POGRResult:
    """The result of a call.

    Attributes:
        error: Why it failed, "" if it did not.
        result: The answer's JSON, "" if it failed.
    """

    error: str
    result: str

    def has_error(self) -> bool:
        """Whether the call failed."""
        return bool(self.error)


@dataclass(frozen=True, slots=True)
class JudgedReply:
    """The meaning of a reply.

    Attributes:
        result: The result for the caller.
        log: The text for `log_updated`: the payload's JSON, or the error.
        session_id: The id of the session that an `init` began, else "".
    """

    result: POGRResult
    log: str
    session_id: str = ""


def judge_reply(command: str, reply: Reply) -> JudgedReply:
    """Judge a reply; the error is the service's own text if there is one, else the status."""
    text = reply.body.decode("utf-8", "replace").strip()
    answer = untrusted.parsed_or_none(reply.body)
    error = (reply.error or NO_ANSWER) if reply.status is None else _error_of(reply.status, text, answer)
    payload = None if error else answer.get("payload")
    session_id = ""
    if command == "init" and not error:
        session_id = untrusted.token(payload.get("session_id")) if isinstance(payload, dict) else ""
        error = "" if session_id else "POGR began a session without a session_id that a header can carry"
    if error:
        return JudgedReply(POGRResult(error, ""), error)
    return JudgedReply(POGRResult("", text), untrusted.written(payload), session_id)


def _error_of(status: int, text: str, answer: Any) -> str:
    if isinstance(answer, dict):
        if status == OK and answer.get("success") is True:
            return ""
        if answer.get("error"):
            return str(answer["error"])[:_MAX_POGR_ERROR]
    return f"HTTP {status}: {text[:_MAX_POGR_ERROR] or 'empty body'}"


def pogr_request(base: str, command: str, body: str, headers: Mapping[str, str]) -> Request:
    """Make the request of a command; `body` is JSON."""
    return Request(f"{base}/{command}", body.encode(), {**headers, "Content-Type": "application/json"})


def to_json(value: Any) -> str:
    """Write strict JSON; raises `TypeError` or `ValueError` for values that JSON cannot hold, e.g. NaN or a Surface."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def checked_tags(tags: Mapping[str, Any]) -> dict[str, str]:
    """Return tags without the empty ones; raises `ValueError` with the names of invalid ones."""
    if not isinstance(tags, Mapping):
        raise ValueError(f'invalid tags: must be a dictionary such as {{"steam_id": "1"}}, not {type(tags).__name__}')
    wrong = [str(name) for name in tags if name not in VALID_TAGS]
    if wrong:
        raise ValueError(f"invalid tags: {', '.join(wrong)}; valid ones are {', '.join(VALID_TAGS)}")
    for name, value in tags.items():
        if isinstance(value, (bool, Mapping, list, tuple, set)):
            raise ValueError(f"invalid tags: {name} must be text, not {type(value).__name__}")
    return {name: str(value) for name, value in tags.items() if value is not None and value != ""}
