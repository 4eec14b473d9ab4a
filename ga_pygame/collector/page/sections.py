"""The page's sections for POGR and Trophy. Each is hidden until its service is used."""

from __future__ import annotations

from typing import Any

from ga_pygame.collector.page.service_rows import (
    BOARD_ROWS_SHOWN,
    PLAYERS_SHOWN,
    POGR_ROWS_SHOWN,
    POGR_SESSIONS_SHOWN,
    Shown,
)
from ga_pygame.collector.page.tables import TableCache, box, heading, label, table_card

_POGR_SESSION_COLUMNS = [
    {"label": "association", "kind": "text"},
    {"label": "build", "kind": "soft"},
    {"label": "start", "kind": "moment"},
    {"label": "end", "kind": "moment"},
    {"label": "rows", "kind": "number"},
]
_POGR_ROW_COLUMNS = [
    {"label": "received", "kind": "moment"},
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
    """Both sections of one browser tab."""

    def __init__(self) -> None:
        self._shown = TableCache()
        with box("section service-pogr") as self._pogr:
            self._pogr_hint = _heading("POGR")
            with box("columns"):
                self._rows = table_card("Rows", "pogr-rows", _POGR_ROW_COLUMNS, POGR_ROWS_SHOWN, service="POGR")
                self._sessions = table_card(
                    "Sessions", "pogr-sessions", _POGR_SESSION_COLUMNS, POGR_SESSIONS_SHOWN, service="POGR"
                )
        with box("section service-trophy") as self._trophy:
            self._trophy_hint = _heading("Trophy")
            with box("columns"):
                self._players = table_card(
                    "Players", "trophy-players", _PLAYER_COLUMNS, PLAYERS_SHOWN, service="Trophy"
                )
                self._boards = table_card(
                    "Leaderboards", "trophy-boards", _BOARD_COLUMNS, BOARD_ROWS_SHOWN, service="Trophy"
                )
        self._pogr.set_visibility(False)
        self._trophy.set_visibility(False)

    def show(self, found: Shown, *, anew: bool) -> None:
        """Show the rows; with `anew`, send also those that were shown before."""
        if anew:
            self._shown.forget()
        self._pogr.set_visibility(bool(found.pogr))
        if found.pogr:
            self._pogr_hint.set_text(_said(found.pogr))
            self._shown.show(self._rows, found.pogr_rows)
            self._shown.show(self._sessions, found.pogr_sessions)
        self._trophy.set_visibility(bool(found.trophy))
        if found.trophy:
            self._trophy_hint.set_text(_said(found.trophy))
            self._shown.show(self._players, found.players)
            self._shown.show(self._boards, found.boards)


def _heading(title: str) -> Any:
    with box("heading"):
        heading(2, title)
        return label("hint", "")


def _said(counts: dict[str, int]) -> str:
    return " · ".join(f"{number:,} {name}" for name, number in counts.items() if number)
