"""Make the rows of the page's tables from events and sessions.

All values come from games: they are cut to a length, invisible characters are written out, and the browser shows them
as text, never as markup.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec

from ga_pygame.categories import category_of
from ga_pygame.collector import tracebacks
from ga_pygame.collector.plain_text import visible
from ga_pygame.collector.storage.queries import Arrival
from ga_pygame.collector.warehouse.sessions import StoredSession

ERRORS_SHOWN = 4
PLAYING_SECONDS = 60
"""A session without an end that has sent nothing for this long is shown as "no end came": games send every 20 s."""

LATE_SECONDS = 120
"""An event that arrived this much later than it happened is marked as late; games send every 20 s, and retry."""

MAX_DECODED_BYTES = 64 * 2**10
"""Bytes of an event that is decoded for the page; of a larger one only the beginning is shown."""

MAX_WORDS = 120
"""Characters of an event or an error that a row shows; the rest is visible when the row is opened."""

LAST_MOMENT = 253_402_300_799
"""The last second of the year 9999."""

TableRow = dict[str, Any]
"""A row of a table: `id`, `tone` (its CSS class), `cells` in the order of the columns, `notes` as pairs below it.

A row that can be opened may have a `place`: the line of the game that it tells of."""

_decode_json_event: Callable[[bytes], Any] = msgspec.json.Decoder().decode


def decoded(raw: bytes) -> dict[str, Any] | None:
    """Decode an object of a game; `None` if it is not an object or too large."""
    if len(raw) > MAX_DECODED_BYTES:
        return None
    try:
        value = _decode_json_event(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def row_of_event(one: Arrival, meant: Callable[[dict[str, Any]], str] | None = None) -> TableRow:
    """Make the row of an event; a rejected one has its broken rules as notes.

    Args:
        one: The event.
        meant: Returns the id that a rejected event probably meant; "" if there is none.
    """
    event = decoded(one.json)
    if event is None:
        event = {"event_id": one.json[:MAX_WORDS].decode("utf-8", "replace")}
    notes = [_note(error) for error in one.errors[:ERRORS_SHOWN]]
    if len(one.errors) > ERRORS_SHOWN:
        notes.append(["…", f"and {len(one.errors) - ERRORS_SHOWN} more"])
    if one.errors and meant is not None and (near := meant(event)):
        notes.append(["event_id", f"did you mean {short(near, MAX_WORDS)}?"])
    category = one.category
    if category == "unknown" and event.get("category") is not None:
        category = event["category"]
    at = moment(event.get("client_ts"))
    message = event.get("message")
    return {
        "id": one.id,
        "tone": "rejected" if one.errors else "accepted",
        "cells": [
            [at, one.received_at, _late(at, one.received_at)],
            short(category, 20),
            _what(event),
            _value_text(event),
            short(event.get("user_id"), 13),
            game(one.game_key),
        ],
        "notes": notes,
        "place": short(tracebacks.place(message), MAX_WORDS) if isinstance(message, str) else "",
    }


def moment(value: object) -> float | None:
    """Return a time since 1970 if a calendar can show it, else `None`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not (math.isfinite(value) and 0 <= value <= LAST_MOMENT):
        return None
    return float(value)


def _late(at: float | None, received_at: float) -> str:
    """Say how much later than it happened an event arrived, if it is late."""
    if at is None or abs(received_at - at) < LATE_SECONDS:
        return ""
    if at > received_at:
        return f"the player's clock is {_span(at - received_at)} ahead"
    return f"came {_span(received_at - at)} later"


def _span(seconds: float) -> str:
    units = {"days": 86400, "h": 3600, "min": 60}
    unit = next(name for name, length in units.items() if seconds >= 2 * length)
    return f"{int(seconds // units[unit]):,} {unit}"


def game(key: str) -> list[str]:
    """Return a game's key: shortened for the cell, and whole for its tooltip."""
    return [short(key, 9), short(key, 64)]


def _note(error: dict[str, str]) -> list[str]:
    """Return the field and the rule of one error."""
    field = error["path"].strip("/").replace("/", ".")
    reason = error["reason"].removeprefix(f"{field} ").removeprefix(f"{field}: ")
    return [short(field or "event", 80), short(reason, 400)]


_SESSION = {"user": "session starts", "session_end": "session ends"}
_NUMBERS = ("amount", "value", "score", "length")


def _what(event: dict[str, Any]) -> str:
    category = event.get("category")
    if category == "error":
        severity, message = event.get("severity"), event.get("message")
        said = tracebacks.headline(message) if isinstance(message, str) else message
        return " · ".join(part for part in (short(severity, 20), short(said, MAX_WORDS)) if part)
    if isinstance(category, str) and category in _SESSION:
        return _SESSION[category]
    if category == "health":
        return _health_text(event)
    known = category_of(category)
    names = known.told_by if known is not None else ("event_id",)
    return short(" · ".join(_bounded_text(event.get(name)) for name in names if event.get(name) is not None), MAX_WORDS)


def _health_text(event: dict[str, Any]) -> str:
    """Return what a sample of an engine's health says, as far as it has numbers."""
    found = []
    for name, before, unit in (("fps", "", " fps"), ("frame_ms_p99", "p99 ", " ms"), ("mem_mb", "", " MB")):
        value = event.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            found.append(f"{before}{value:.4g}{unit}")
    return " · ".join(found)


def _value_text(event: dict[str, Any]) -> str:
    known = category_of(event.get("category"))
    for name in (*_NUMBERS, known.number) if known is not None else _NUMBERS:
        value = event.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            unit = " s" if name == "length" else ""
            if event.get("category") == "business" and abs(value) < 2**53:
                return f"{value / 100:,.2f} {short(event.get('currency'), 3)}"
            return short(f"{value:,}{unit}", 24)
    return ""


def _bounded_text(value: object) -> str:
    """Return a value as text of bounded length."""
    if value is None:
        return ""
    return value[: 4 * MAX_WORDS] if isinstance(value, str) else str(value)[: 4 * MAX_WORDS]


def short(value: object, longest: int) -> str:
    """Return a value as visible text, cut to a length."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    shown = visible(text[: longest + 1])
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def row_of_session(one: StoredSession, now: float) -> TableRow:
    """Make the row of a session with its state at `now`."""
    playing = not one.ended and now - one.received_at <= PLAYING_SECONDS
    state = "ended" if one.ended else "still playing" if playing else "no end came"
    tone = "playing" if playing else "over"
    if one.crashed:
        state, tone = "crashed", "crashed"
    player = short(one.user_id, 13)
    return {
        "id": f"{one.game_key}:{one.session_id}",
        "tone": tone,
        "cells": [
            player,
            one.session_num,
            moment(one.started),
            _duration(one.length),
            f"{one.events:,}",
            state,
            game(one.game_key),
        ],
        "notes": [],
    }


def _duration(seconds: int) -> str:
    hours, rest = divmod(max(0, seconds), 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
