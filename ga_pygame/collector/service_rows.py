"""What the page's tables show of POGR's sessions and rows, of Trophy's players and leaderboards.

Everything in it came from a game and is cut to a length; the browser shows it as text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ga_pygame.collector.emulation import Board, Player
from ga_pygame.collector.pogr_store import PogrRow, PogrSession
from ga_pygame.collector.rows import Row, short

FACTS_SHOWN = 6
NOTES_SHOWN = 3
_EVENT_FACTS = ("event", "sub_event", "event_key", "event_flag")

_decode: Callable[[bytes], Any] = msgspec.json.Decoder().decode


def pogr_session_row(one: PogrSession) -> Row:
    """A session; who plays is named by the association, or by how the player was named instead."""
    player = one.association_id or f"({one.identity})"
    return {
        "id": one.session_id,
        "tone": "playing" if one.ended is None else "over",
        "cells": [short(player, 40), short(one.build, 24), one.started, one.ended, f"{one.rows:,}"],
        "notes": [],
    }


def pogr_row(one: PogrRow) -> Row:
    """A row with its key facts."""
    notes = [["note", short(note, 300)] for note in one.notes[:NOTES_SHOWN]]
    return {
        "id": one.id,
        "tone": "accepted",
        "cells": [one.received_at, one.kind, _facts(one), one.effective_at],
        "notes": notes,
    }


def _facts(one: PogrRow) -> str:
    try:
        body = _decode(one.json)
    except (msgspec.DecodeError, RecursionError):
        body = None
    facts: list[Any]
    if not isinstance(body, dict):
        return short(one.json[:120].decode("utf-8", "replace"), 120)
    if one.kind == "event":
        facts = [body.get(name) for name in _EVENT_FACTS]
    elif one.kind == "logs":
        facts = [body.get("severity"), body.get("log")]
    else:
        inner = {"data": body.get("data", body), "metrics": body.get("metrics")}.get(one.kind, body)
        facts = _pairs(inner)
    return short(" · ".join(short(fact, 120) for fact in facts if fact not in (None, "", {}, [])), 160)


def _pairs(value: Any) -> list[str]:
    """Names and values of an object, the first few of them."""
    if not isinstance(value, dict):
        return [_shown(value, 120)]
    pairs = []
    for name, one in list(value.items())[:FACTS_SHOWN]:
        inner = ", ".join(_pairs(one)) if isinstance(one, dict) and len(one) < FACTS_SHOWN and not _deep(one) else one
        pairs.append(f"{short(name, 40)} {_shown(inner, 60)}".strip())
    if len(value) > FACTS_SHOWN:
        pairs.append("…")
    return pairs


def _shown(value: Any, longest: int) -> str:
    return short(value if isinstance(value, str) else msgspec.json.encode(value).decode(), longest)


def _deep(value: dict[str, Any]) -> bool:
    return any(isinstance(one, dict | list) for one in value.values())


def player_row(one: Player, points_name: Callable[[str], str]) -> Row:
    """A player with all that it has."""
    totals = " · ".join(f"{short(metric, 40)} {total:,}" for metric, total in one.totals.items())
    points = " · ".join(
        f"{short(points_name(key), 20)} {total:,}" + (f", {short(one.levels[key], 20)}" if key in one.levels else "")
        for key, total in one.points.items()
    )
    return {
        "id": one.user_id,
        "tone": "player",
        "cells": [
            short(one.name or one.user_id, 24),
            short(totals, 200),
            one.streak,
            short(points, 100),
            short(" · ".join(one.achievements), 300),
        ],
        "notes": [],
    }


def board_rows(boards: list[Board]) -> list[Row]:
    """The best of each leaderboard."""
    return [
        {
            "id": f"{board.key}:{place}",
            "tone": "rank",
            "cells": [
                short(board.name, 40) if place == 0 else "",
                one["rank"],
                short(one["userName"] or one["userId"], 24),
                f"{one['value']:,}",
            ],
            "notes": [],
        }
        for board in boards
        for place, one in enumerate(board.rankings)
    ]
