"""Make the rows of the page's tables from POGR's sessions and rows and from Trophy's players and leaderboards.

All values come from games and are cut to a length; the browser shows them as text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ga_pygame.collector.emulators.pogr.store import StoredPogrRow, StoredPogrSession
from ga_pygame.collector.emulators.switchboard import Board, Player, Services
from ga_pygame.collector.page.rows import MAX_DECODED_BYTES, TableRow, decoded, moment, short

POGR_SESSIONS_SHOWN = 50
POGR_ROWS_SHOWN = 100
PLAYERS_SHOWN = 50
RANKS_SHOWN = 10
BOARD_ROWS_SHOWN = 200
FACTS_SHOWN = 6
POGR_NOTES_SHOWN = 3
_EVENT_FACTS = ("event", "sub_event", "event_key", "event_flag")


@dataclass(frozen=True, slots=True)
class Shown:
    """The rows and counts of both services; the counts are empty while a service is not used.

    Attributes:
        is_absent: The collector has no emulators.
    """

    pogr: dict[str, int] = field(default_factory=dict)
    pogr_rows: list[TableRow] = field(default_factory=list)
    pogr_sessions: list[TableRow] = field(default_factory=list)
    trophy: dict[str, int] = field(default_factory=dict)
    players: list[TableRow] = field(default_factory=list)
    boards: list[TableRow] = field(default_factory=list)
    is_absent: bool = False


def read_services(services: Services) -> Shown:
    """Read the rows and counts of both services."""
    summary = services.summary()
    pogr, trophy = summary["pogr"], summary["trophy"]
    counts: dict[str, int] = {}
    rows: list[TableRow] = []
    sessions: list[TableRow] = []
    if pogr["sessions"] or pogr["rows"] or pogr["refused"]:
        counts = {"sessions": pogr["sessions"], "rows": sum(pogr["rows"].values()), "refused": pogr["refused"]}
        rows = [row_of_pogr_row(one) for one in services.pogr_rows(POGR_ROWS_SHOWN, MAX_DECODED_BYTES)]
        sessions = [row_of_pogr_session(one) for one in services.pogr_sessions(POGR_SESSIONS_SHOWN)]
    if not any(trophy.values()):
        return Shown(counts, rows, sessions)
    return Shown(
        pogr=counts,
        pogr_rows=rows,
        pogr_sessions=sessions,
        trophy={name: trophy[name] for name in ("events", "replays", "refused")},
        players=[row_of_player(one, services.points_name) for one in services.players(PLAYERS_SHOWN)],
        boards=rows_of_boards(services.boards(RANKS_SHOWN)),
    )


def row_of_pogr_session(one: StoredPogrSession) -> TableRow:
    """Make the row of a POGR session. The player is shown by the association id, or by the kind of identity."""
    player = one.association_id or f"({one.identity})"
    return {
        "id": one.session_id,
        "tone": "playing" if one.ended is None else "over",
        "cells": [short(player, 40), short(one.build, 24), one.started, one.ended, f"{one.rows:,}"],
        "notes": [],
    }


def row_of_pogr_row(one: StoredPogrRow) -> TableRow:
    """Make the row of a POGR row with its main values."""
    notes = [["note", short(note, 300)] for note in one.notes[:POGR_NOTES_SHOWN]]
    return {
        "id": one.id,
        "tone": "accepted",
        "cells": [one.received_at, one.kind, _facts(one), moment(one.effective_at)],
        "notes": notes,
    }


def _facts(one: StoredPogrRow) -> str:
    if not one.json:
        return "too large to be shown here"
    body = decoded(one.json)
    facts: list[Any]
    if body is None:
        return short(one.json[:120].decode("utf-8", "replace"), 120)
    if one.kind == "event":
        facts = [body.get(name) for name in _EVENT_FACTS]
    elif one.kind == "logs":
        facts = [body.get("severity"), body.get("log")]
    else:
        inner = {"data": body.get("data", body), "metrics": body.get("metrics")}.get(one.kind, body)
        facts = _names_and_values(inner)
    return short(" · ".join(short(fact, 120) for fact in facts if fact not in (None, "", {}, [])), 160)


def _names_and_values(value: Any) -> list[str]:
    """Return the first few names and values of an object as texts."""
    if not isinstance(value, dict):
        return [_short_json(value, 120)]
    pairs = []
    for name, one in list(value.items())[:FACTS_SHOWN]:
        inner = (
            ", ".join(_names_and_values(one))
            if isinstance(one, dict) and len(one) < FACTS_SHOWN and not _deep(one)
            else one
        )
        pairs.append(f"{short(name, 40)} {_short_json(inner, 60)}".strip())
    if len(value) > FACTS_SHOWN:
        pairs.append("…")
    return pairs


def _short_json(value: Any, longest: int) -> str:
    return short(value if isinstance(value, str) else msgspec.json.encode(value).decode(), longest)


def _deep(value: dict[str, Any]) -> bool:
    return any(isinstance(one, dict | list) for one in value.values())


def row_of_player(one: Player, points_name: Callable[[str], str]) -> TableRow:
    """Make the row of a Trophy player."""
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


def rows_of_boards(boards: list[Board]) -> list[TableRow]:
    """Make rows of the best players of each leaderboard."""
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
