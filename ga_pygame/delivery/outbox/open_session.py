"""The open session, with all that a later launch needs to end it; reads its row of a file.

A file may be damaged, changed by hand or written by another version. A wrong column of a row costs only itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ga_pygame import rules
from ga_pygame.checks import InvalidEvent
from ga_pygame.kept import count, from_json

MAX_SESSION_SECONDS = 30 * 86_400.0
"""The longest session that is believed; the length of a longer one is taken for damaged."""

MAX_WALLET_FLOWS = 1000
"""The most flows in a wallet; before it has more, its sums become events. Further ones of a file are not read."""

FlowKey = tuple[str, str, str, str]
"""A flow of a wallet: source or sink, currency, item type, item id."""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """The data that ends a session whose process died. Source: REST v2, table `session_end`.

    Attributes:
        length: Seconds focused so far.
        client_ts: When `length` was true, by the local clock.
        annotations: The last event's shared fields, as a JSON fragment.
        attempt: The level of the open progression attempt, parts joined by ':'.
        wallet: Flows not sent yet, each with its amount.
        attempt_seconds: Seconds of focus in that attempt when `length` was true; `None` if unknown.
    """

    session_id: str
    session_num: int
    session_start_ts: float
    client_ts: float
    clock_offset: float | None
    length: float
    annotations: bytes
    attempt: str | None = None
    wallet: Mapping[FlowKey, float] = field(default_factory=dict)
    attempt_seconds: float | None = None


LAUNCH_COLUMN = 9
"""The place of the launch in a row of the table `session_end`, before the columns of later versions."""
_ROW_LENGTHS = (len(fields(OpenSession)), len(fields(OpenSession)) + 1)


def launch_of(row: Sequence[Any]) -> Any:
    """Return the column of a row of the table `session_end` that names the launch; `None` if it is no such row."""
    return row[LAUNCH_COLUMN] if len(row) in _ROW_LENGTHS else None


def session_of(row: Sequence[Any]) -> OpenSession | None:
    """Read a row of the table `session_end`, also of a damaged file of version 3, whose rows have one column less.

    The columns are in the order of the fields, with the launch before `attempt_seconds`. A wrong one gets its default;
    `None` if it has none.
    """
    if len(row) not in _ROW_LENGTHS:
        return None
    session_id, number, start, at, offset, length, annotations, attempt, wallet, _, *more = row
    seconds: Any = more[0] if more else None
    if not isinstance(session_id, str) or not 0 < len(session_id) <= 64 or not session_id.isprintable():
        return None
    said = _sound_annotations(annotations)
    number = count(number) or count((said or {}).get("session_num"))
    if not number:
        return None  # a false number would be worse than no session
    start, at = _sound_time(start), _sound_time(at)
    if at is None:
        at = start
    if at is None:
        return None
    return OpenSession(
        session_id,
        number,
        at if start is None else start,
        at,
        float(offset) if _is_number(offset) and abs(offset) < MAX_CLOCK_SECONDS else None,
        float(length) if _is_number(length) and 0 <= length <= MAX_SESSION_SECONDS else 0.0,
        bytes(annotations) if said is not None else b"",
        _sound_level(attempt),
        _wallet(wallet),
        float(seconds) if _is_number(seconds) and 0 <= seconds <= MAX_SESSION_SECONDS else None,
    )


MAX_CLOCK_SECONDS = 1e11
"""The latest time and the largest clock offset that are valid: some 3,000 years."""


def _is_number(found: object) -> bool:
    return (type(found) is float and math.isfinite(found)) or type(found) is int


def _sound_time(found: Any) -> float | None:
    return float(found) if _is_number(found) and 0 <= found < MAX_CLOCK_SECONDS else None


def _sound_annotations(found: object) -> dict[str, Any] | None:
    """Decode the shared fields of a session's events; `None` if they are invalid or have no `user_id`."""
    said = from_json(b"{" + found + b"}") if isinstance(found, bytes) and found else None
    if not isinstance(said, dict):
        return None
    user_id = said.get("user_id", "unknown")
    return said if isinstance(user_id, str) and user_id else None


def _sound_level(found: object) -> str | None:
    try:
        if isinstance(found, str):
            rules.progression_levels(tuple(found.split(":")))
            return found
    except InvalidEvent:
        pass
    return None


def _wallet(found: object) -> dict[FlowKey, float]:
    """Read the flows that were not sent yet; leave out invalid ones."""
    flows = from_json(found) if isinstance(found, str) else None
    wallet: dict[FlowKey, float] = {}
    for one in flows[:MAX_WALLET_FLOWS] if isinstance(flows, list) else ():
        try:
            flow, currency, item_type, item_id, amount = one
            rules.resource_currency("currency", currency)
            rules.event_part("item_type", item_type)
            rules.event_part("item_id", item_id)
            rules.positive("amount", amount)
        except (ValueError, TypeError):
            continue
        if flow in ("Source", "Sink"):
            wallet[flow, currency, item_type, item_id] = float(amount)
    return wallet


def lost_flows(found: object, wallet: Mapping[FlowKey, float]) -> int:
    """Count the flows of a kept wallet that could not be read; 1 if their number cannot be read either."""
    flows = from_json(found) if isinstance(found, str) else None
    return max(0, len(flows) - len(wallet)) if isinstance(flows, list) else 1
