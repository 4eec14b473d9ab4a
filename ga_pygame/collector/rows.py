"""What the page's tables show of an event, a session, a level.

Everything in it came from a game and is cut to a length; the browser shows it as text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ga_pygame.collector.queries import Arrival, Level, Session

NOTES_SHOWN = 4
PLAYING_SECONDS = 60
"""A session that has sent nothing for this long, and no end, is called silent: games send every 20 s."""

Row = dict[str, Any]
"""`id`, `tone` (its CSS class), `cells` in the order of the columns, `notes` as pairs below it."""

_decode: Callable[[bytes], Any] = msgspec.json.Decoder().decode


def event_row(one: Arrival) -> Row:
    """What arrived; for a rejected one, field and rule of what is wrong with it."""
    try:
        event = _decode(one.json)
    except (msgspec.DecodeError, RecursionError):
        event = None
    if not isinstance(event, dict):
        event = {"event_id": one.json[:120].decode("utf-8", "replace")}
    notes = [_note(error) for error in one.errors[:NOTES_SHOWN]]
    if len(one.errors) > NOTES_SHOWN:
        notes.append(["…", f"and {len(one.errors) - NOTES_SHOWN} more"])
    category = one.category
    if category == "unknown" and event.get("category") is not None:
        category = short(event["category"], 20)
    return {
        "id": one.id,
        "tone": "rejected" if one.errors else "accepted",
        "cells": [one.received_at, category, _what(event), _value(event), short(event.get("user_id"), 13)],
        "notes": notes,
    }


def _note(error: dict[str, str]) -> list[str]:
    """Field and rule of one error."""
    field = error["path"].strip("/").replace("/", ".")
    return [field or "event", short(error["reason"].removeprefix(f"{field} ").removeprefix(f"{field}: "), 400)]


_SAYS = {
    "error": ("severity", "message"),
    "ads": ("ad_action", "ad_type", "ad_placement"),
    "sdk_error": ("error_category", "error_area", "error_action"),
}


def _what(event: dict[str, Any]) -> str:
    category = event.get("category")
    names = _SAYS.get(category, ("event_id",)) if isinstance(category, str) else ("event_id",)
    return short(" · ".join(short(event.get(name), 120) for name in names if event.get(name) is not None), 120)


def _value(event: dict[str, Any]) -> str:
    for name, unit in (("amount", ""), ("value", ""), ("score", ""), ("length", " s")):
        value = event.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            if event.get("category") == "business" and abs(value) < 2**53:
                return f"{value / 100:,.2f} {short(event.get('currency'), 3)}"
            return short(f"{value:,}{unit}", 24)
    return ""


def short(value: object, longest: int) -> str:
    """A value as text, cut to a length."""
    text = value if isinstance(value, str) else "" if value is None else str(value)[: longest + 1]
    return text if len(text) <= longest else text[: longest - 1] + "…"


def session_row(one: Session, now: float) -> Row:
    """A session and how it stands at `now`."""
    playing = not one.ended and now - one.received_at <= PLAYING_SECONDS
    state = "ended" if one.ended else "still playing" if playing else "no end came"
    player = short(one.user_id, 13)
    return {
        "id": f"{one.game_key}:{one.session_id}",
        "tone": "playing" if playing else "over",
        "cells": [player, one.session_num, one.started, _duration(one.length), f"{one.events:,}", state],
        "notes": [],
    }


def _duration(seconds: int) -> str:
    hours, rest = divmod(max(0, seconds), 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def level_row(one: Level) -> Row:
    """How a level is played."""
    share = None if one.completion_rate is None else round(one.completion_rate * 100)
    mean = "" if one.mean_attempts is None else f"{one.mean_attempts:.1f}"
    return {
        "id": one.level,
        "tone": "level",
        "cells": [short(one.level, 120), one.starts, one.fails, one.completes, share, mean],
        "notes": [],
    }
