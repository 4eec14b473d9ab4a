"""The page's sections for POGR and Trophy; each hidden until its service is used."""

from __future__ import annotations

from typing import Any

from ga_pygame.collector import service_rows
from ga_pygame.collector.emulation import Services
from ga_pygame.collector.tables import Shown, box, table_card, text

SESSIONS_SHOWN = 50
ROWS_SHOWN = 100
PLAYERS_SHOWN = 50
RANKS_SHOWN = 10

_SESSION_COLUMNS = [
    {"label": "association", "kind": "text"},
    {"label": "build", "kind": "soft"},
    {"label": "start", "kind": "time"},
    {"label": "end", "kind": "time"},
    {"label": "rows", "kind": "number"},
]
_ROW_COLUMNS = [
    {"label": "time", "kind": "time"},
    {"label": "kind", "kind": "chip"},
    {"label": "what", "kind": "text"},
    {"label": "took place", "kind": "moment"},
]
_PLAYER_COLUMNS = [
    {"label": "player", "kind": "text"},
    {"label": "metrics", "kind": "text"},
    {"label": "streak", "kind": "number"},
    {"label": "points", "kind": "text"},
    {"label": "achievements", "kind": "text"},
]
_BOARD_COLUMNS = [
    {"label": "leaderboard", "kind": "text"},
    {"label": "rank", "kind": "number"},
    {"label": "player", "kind": "text"},
    {"label": "value", "kind": "number"},
]


class Sections:
    """Both sections in one open browser tab."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._shown = Shown()
        with box("section service-pogr") as self._pogr:
            self._pogr_hint = _heading("POGR")
            with box("columns"):
                self._rows = table_card("Rows", "pogr-rows", _ROW_COLUMNS, ROWS_SHOWN)
                self._sessions = table_card("Sessions", "pogr-sessions", _SESSION_COLUMNS, SESSIONS_SHOWN)
        with box("section service-trophy") as self._trophy:
            self._trophy_hint = _heading("Trophy")
            with box("columns"):
                self._players = table_card("Players", "trophy-players", _PLAYER_COLUMNS, PLAYERS_SHOWN)
                self._boards = table_card("Leaderboards", "trophy-boards", _BOARD_COLUMNS, 200)
        self._pogr.set_visibility(False)
        self._trophy.set_visibility(False)

    def push(self, summary: dict[str, Any]) -> None:
        """Show what there is.

        Args:
            summary: What `Queries.summary` counted.
        """
        pogr, trophy = summary["pogr"], summary["trophy"]
        used = bool(pogr["sessions"] or pogr["rows"] or pogr["refused"])
        self._pogr.set_visibility(used)
        if used:
            total = sum(pogr["rows"].values())
            self._pogr_hint.set_text(_said({"sessions": pogr["sessions"], "rows": total, "refused": pogr["refused"]}))
            sessions = self._services.pogr_sessions(SESSIONS_SHOWN)
            self._shown.show(self._sessions, [service_rows.pogr_session_row(one) for one in sessions])
            rows = self._services.pogr_rows(ROWS_SHOWN)
            self._shown.show(self._rows, [service_rows.pogr_row(one) for one in rows])
        used = any(trophy.values())
        self._trophy.set_visibility(used)
        if used:
            self._trophy_hint.set_text(_said({name: trophy[name] for name in ("events", "replays", "refused")}))
            players = self._services.players(PLAYERS_SHOWN)
            name = self._services.points_name
            self._shown.show(self._players, [service_rows.player_row(one, name) for one in players])
            self._shown.show(self._boards, service_rows.board_rows(self._services.boards(RANKS_SHOWN)))


def _heading(title: str) -> Any:
    with box("heading"):
        text("title", title)
        return text("hint", "")


def _said(counts: dict[str, int]) -> str:
    return " · ".join(f"{number:,} {name}" for name, number in counts.items() if number)
