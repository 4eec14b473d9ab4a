"""Check the bodies of POGR's rows; make notes about what is unusual but allowed.

POGR does not document all rules. The ones that are ours are strict, so that a mistake shows in development. With
`lenient`, a wrong tag or time is accepted with a note.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

TAGS = frozenset(
    "steam_id twitch_id association_id pogr_game_session xbox_id battlenet_id twitter_id linkedin_id"
    " pogr_player_id discord_id override_timestamp".split()
)
"""Source: POGRClient, Description."""
FUTURE_SECONDS = 600
"""How far in the future an `override_timestamp` may be, since players' clocks can be wrong."""

_EVENT: dict[str, type] = {
    "event": str,
    "sub_event": str,
    "event_type": str,
    "event_flag": str,
    "event_key": str,
    "event_data": dict,
}
_REQUIRED_TYPES: dict[str, dict[str, type]] = {"event": _EVENT, "logs": {"log": str}, "metrics": {"metrics": dict}}
_OPTIONAL_TYPES: dict[str, dict[str, type | tuple[type, ...]]] = {
    "logs": {"service": str, "environment": str, "severity": str, "type": str, "data": dict},
    "metrics": {"service": str, "environment": str},
    "monitor": {"cpu_usage": (int, float), "memory_usage": (int, float), "dlls_loaded": list, "settings": dict},
}
_NAMES = {str: "a string", dict: "an object", list: "a list", (int, float): "a number"}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?:([Zz])|([+-])(\d\d):?(\d\d))\Z", re.ASCII
)


class RowRefused(Exception):
    """A body that breaks a rule; the message is for the developer who sent it."""


def check_row(kind: str, body: Mapping[str, Any], now: float, *, lenient: bool) -> tuple[float, list[str]]:
    """Check a row; return when it took place, and notes.

    Args:
        kind: The route.
        body: The row.
        now: Seconds since 1970.
        lenient: Accept wrong tags and times with a note.

    Raises:
        RowRefused: A rule is broken.
    """
    notes: list[str] = []
    if kind == "data" and "data" not in body:
        notes.append("data: the body is taken as the data; newer clients send {'data': …, 'tags': …}")
    _check_fields(kind, body)
    if kind == "metrics":
        notes.extend(_odd_metrics(body["metrics"]))
    if kind == "monitor" or (kind == "data" and "data" not in body):
        return now, notes
    try:
        return _tags(body.get("tags"), now), notes
    except RowRefused as error:
        if not lenient:
            raise
        tags = body.get("tags")
        at = now
        if isinstance(tags, dict):
            try:
                at = _tags({name: tags[name] for name in TAGS & tags.keys() if isinstance(tags[name], str)}, now)
            except RowRefused:
                at = now
        return at, [*notes, str(error)]


def _check_fields(kind: str, body: Mapping[str, Any]) -> None:
    required = _REQUIRED_TYPES.get(kind, {})
    missing = [name for name in required if name not in body]
    if missing:
        raise RowRefused(f"{kind}: {', '.join(missing)} missing")
    wrong = []
    for name, kinds in (*required.items(), *_OPTIONAL_TYPES.get(kind, {}).items()):
        if name in body and (not isinstance(body[name], kinds) or isinstance(body[name], bool)):
            wrong.append(f"{name} must be {_NAMES[kinds]}")
    if wrong:
        raise RowRefused(f"{kind}: {', '.join(wrong)}")


def _odd_metrics(metrics: Mapping[str, Any], path: str = "", depth: int = 0) -> list[str]:
    odd: list[str] = []
    for name, value in metrics.items():
        if isinstance(value, dict) and depth < 8:
            odd.extend(_odd_metrics(value, f"{path}{name}.", depth + 1))
        elif isinstance(value, bool) or not isinstance(value, int | float):
            odd.append(f"metrics: {path}{name} is no number"[:200])
        if len(odd) >= 5:
            break
    return odd[:5]


def _tags(tags: Any, now: float) -> float:
    """Check the tags of a row and return when it took place."""
    if tags is None:
        return now
    if not isinstance(tags, dict):
        raise RowRefused("tags must be an object")
    unknown = sorted(tags.keys() - TAGS)
    if unknown:
        named = ", ".join(name[:64] for name in unknown[:8])
        raise RowRefused(f"invalid tags: {named}; valid are {', '.join(sorted(TAGS))}")
    wrong = sorted(name for name, value in tags.items() if not isinstance(value, str))
    if wrong:
        raise RowRefused(f"tags must be strings: {', '.join(wrong)}")
    text = tags.get("override_timestamp")
    if text is None:
        return now
    at = instant(text)
    if at is None:
        raise RowRefused(f"override_timestamp {text[:64]!r} is not an RFC 3339 time such as 2026-01-31T12:00:00Z")
    if at > now + FUTURE_SECONDS:
        raise RowRefused(f"override_timestamp {text[:64]!r} is more than {FUTURE_SECONDS // 60} minutes in the future")
    return at


def instant(text: str) -> float | None:
    """Parse an RFC 3339 time to seconds since 1970; `None` if it is not one."""
    found = _INSTANT.match(text)
    if found is None:
        return None
    *parts, fraction, zulu, sign, hours, minutes = found.groups()
    year, month, day, hour, minute, second = (int(part) for part in parts)
    offset = 0 if zulu else (int(hours) * 60 + int(minutes)) * (-1 if sign == "-" else 1)
    if not zulu and (int(hours) > 23 or int(minutes) > 59):
        return None
    try:
        at = dt.datetime(year, month, day, hour, minute, min(second, 59), tzinfo=dt.timezone.utc)  # 60: a leap second
    except ValueError:
        return None
    if second > 60:
        return None
    return (at - _EPOCH).total_seconds() - offset * 60 + (float(f"0.{fraction}") if fraction else 0.0)
