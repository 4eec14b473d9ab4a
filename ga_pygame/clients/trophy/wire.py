"""Trophy's wire format: users, options, requests and the meaning of replies. No I/O.

JSON with camelCase names, the key in `X-API-KEY`, an error as `{"error": "…"}`.
Sources: Trophy's OpenAPI document, version 1.21.1; the Ruby client's `metrics.event`; the Python SDK 1.27.0.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol, TypeVar, runtime_checkable
from urllib.parse import quote, urlencode

from ga_pygame import untrusted
from ga_pygame.clients.from_json import camel_case, dataclass_from_json
from ga_pygame.clients.trophy.answers import Answer
from ga_pygame.protocol import Reply, Request

A = TypeVar("A", bound=Answer)

APPLICATION_PREFIX = "app_"
KEY_HEADER, IDEMPOTENCY_HEADER = "X-API-KEY", "Idempotency-Key"
_MAX_TROPHY_ERROR = 500
_NOT_PROCESSED = frozenset({409, 429})
_DOCUMENTED = _NOT_PROCESSED | {408}  # and 500 and above; source: the Python SDK's retries


@runtime_checkable
class Dated(Protocol):
    """A date or a time, as of the standard library."""

    def isoformat(self) -> str:
        """Return it as ISO 8601 text."""


@dataclass(frozen=True, kw_only=True)
class RequestOptions:
    """Options of one call.

    Additional headers win over the client's own, except for the idempotency key; the call's own query parameters and
    body fields win over additional ones of the same name. Source: the Ruby client's `metrics.event`.

    Attributes:
        timeout_in_seconds: The longest wait for the answer.
        api_key: Another application key.
        additional_headers: More headers.
        additional_query_parameters: More parameters of the URL's query.
        additional_body_parameters: More fields of the body.
        max_retries: How often to retry.
    """

    timeout_in_seconds: float | None = None
    api_key: str | None = field(default=None, repr=False)
    additional_headers: Mapping[str, Any] | None = field(default=None, repr=False)
    additional_query_parameters: Mapping[str, Any] | None = None
    additional_body_parameters: Mapping[str, Any] | None = None
    max_retries: int | None = None

    def __post_init__(self) -> None:
        if self.timeout_in_seconds is not None and not 0 < self.timeout_in_seconds < math.inf:
            raise ValueError(f"timeout_in_seconds {self.timeout_in_seconds!r}: must be more than 0")


@dataclass(frozen=True, kw_only=True)
class UpsertedUser:
    """The user of a call, whom Trophy creates or updates with it. Only `id` is needed.

    Attributes:
        id: Your own id for the player.
        tz: An IANA time zone: a streak's day ends at the player's midnight.
        sign_up_date: `YYYY-MM-DD`, a date or a time; Trophy keeps the day of a time in UTC. It must not be after today
            in the user's time zone.
        subscribe_to_emails: Whether Trophy may write to `email`; its default is yes.
        attributes: Their keys must be set up in Trophy's dashboard.
    """

    id: str
    email: str | None = None
    name: str | None = None
    tz: str | None = None
    sign_up_date: str | Dated | None = None
    device_tokens: Sequence[str] | None = None
    subscribe_to_emails: bool | None = None
    attributes: Mapping[str, str] | None = None


UserLike = UpsertedUser | Mapping[str, Any] | str
OptionsLike = RequestOptions | Mapping[str, Any] | None


def user_json(user: UserLike) -> dict[str, Any]:
    """Convert a user to Trophy's JSON; raises `ValueError` if there is no id."""
    if isinstance(user, UpsertedUser):
        given = {one.name: getattr(user, one.name) for one in fields(user)}
        found = {camel_case(name): value for name, value in given.items() if value is not None}
    elif isinstance(user, str):
        found = {"id": user}
    else:
        found = {camel_case(name): value for name, value in user.items()}
    found = {name: date_text(value) for name, value in found.items()}
    if not isinstance(found.get("id"), str) or not found["id"]:
        raise ValueError('user: needs an id, which is text, e.g. user={"id": "18"}')
    return found


def date_text(value: Any) -> Any:
    """Return a date or a time as ISO 8601 text, any other value as it is."""
    return value.isoformat() if isinstance(value, Dated) else value


def checked_value(value: object) -> float:
    """Check a value that is added to a metric; raises `ValueError` if it is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"value {value!r}: must be a finite number")
    return value


def path(*parts: object) -> str:
    """Join parts to a path; raises `ValueError` for a part that is not text or cannot be in a path."""
    for part in parts:
        if not isinstance(part, str) or part in ("", ".", ".."):
            raise ValueError(f"{part!r} is no key or id; it must be text other than '', '.' and '..'")
    return "/".join(quote(str(part), safe="") for part in parts)


def trophy_request(  # noqa: PLR0917 - one place calls it
    method: str,
    url: str,
    query: Mapping[str, Any],
    body: Mapping[str, Any] | None,
    headers: Mapping[str, str | None],
    options: RequestOptions,
) -> Request:
    """Make a request; raises `TypeError` or `ValueError` for values that JSON cannot hold."""
    asked = {**(options.additional_query_parameters or {}), **_set(query)}
    pairs = [(key, _query_text(one)) for key, value in asked.items() for one in _listed(value) if one is not None]
    address = f"{url}?{urlencode(pairs)}" if pairs else url
    content = b""
    own = dict(headers)
    if body is not None:
        whole = {**(options.additional_body_parameters or {}), **_set(body)}
        content = json.dumps(whole, allow_nan=False, separators=(",", ":")).encode()
        own["Content-Type"] = "application/json"
    found: dict[str, tuple[str, str]] = {}
    key = {IDEMPOTENCY_HEADER: own.pop(IDEMPOTENCY_HEADER, None)}
    for source in (own, options.additional_headers or {}, key):
        found.update({name.lower(): (name, str(value)) for name, value in source.items() if value is not None})
    return Request(address, content, dict(found.values()), method, options.timeout_in_seconds)


def _set(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else (value,)


def _query_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def may_repeat(reply: Reply, *, is_harmless: bool) -> bool:
    """Whether the same request may be sent again.

    Args:
        reply: The reply to it.
        is_harmless: It is idempotent, by the kind of call or by an idempotency key.
    """
    if not is_harmless:
        return reply.status in _NOT_PROCESSED
    return reply.status is None or reply.status in _DOCUMENTED or reply.status >= 500


def typed_answer(kind: type[A], reply: Reply, wrap: str = "") -> A:
    """Make the typed answer from a reply.

    Args:
        kind: The class of the answer.
        reply: The reply.
        wrap: The field for the list, if the route answers with a list.
    """
    text = reply.body[: 4 * _MAX_TROPHY_ERROR].decode("utf-8", "replace").strip()
    data = untrusted.parsed_or_none(reply.body)
    if reply.status is None:
        return kind(error=reply.error or "no answer")
    if not 200 <= reply.status < 300:
        said = untrusted.text(data.get("error"), _MAX_TROPHY_ERROR) if isinstance(data, Mapping) else ""
        shown = (said or text)[:_MAX_TROPHY_ERROR] or "empty body"
        return kind(error=shown if said else f"HTTP {reply.status}: {shown}", http_status=reply.status)
    if isinstance(data, list) and wrap:
        data = {wrap: data}
    if not isinstance(data, Mapping):
        return kind(
            error=f"HTTP {reply.status}: the answer is not the JSON that was expected", http_status=reply.status
        )
    return replace(dataclass_from_json(kind, data), error="", http_status=reply.status)
