"""The views POGR and Trophy: what these services received."""

from __future__ import annotations

from collections.abc import Mapping

from ga_pygame.collector.emulators.absent import NO_EMULATORS
from ga_pygame.collector.page.address import PageAddress
from ga_pygame.collector.page.elements import csv_anchor
from ga_pygame.collector.page.panels import Sheet
from ga_pygame.collector.page.service_rows import (
    BOARD_ROWS_SHOWN,
    PLAYERS_SHOWN,
    POGR_ROWS_SHOWN,
    POGR_SESSIONS_SHOWN,
    Shown,
)
from ga_pygame.collector.page.snapshots import Snapshot, Snapshots
from ga_pygame.collector.page.tables import Card, TableCache, box, code, label, table_card
from ga_pygame.collector.page.view import Frame, View, csv_link, sheet_of_cells

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


class _Service:
    """What both views have in common: counts, two tables, and what to do while nothing came."""

    def __init__(self, name: str, destination: str) -> None:
        self._shown: Shown | None = None
        self._rows = TableCache()
        self._counts = label("hint counts", "")
        with box("card empty") as self._empty:
            self._lead = label("lead", f"Nothing came for {name} yet")
            with box("") as self._how:
                label("", "Give your tracker this destination, beside or instead of GameAnalytics:")
                code(destination)
        self._tables = box(f"columns service-{name.lower()}")
        self._tables.set_visibility(False)

    async def begin(self) -> None:
        self._shown = None
        self._rows.forget()

    def wants(self) -> None:
        return None

    def _show_counts(self, found: Shown, counts: dict[str, int]) -> None:
        if found.is_absent:
            self._lead.set_text(NO_EMULATORS)
            self._how.set_visibility(False)
        self._counts.set_text(" · ".join(f"{number:,} {name}" for name, number in counts.items() if number))
        self._empty.set_visibility(not counts)
        self._tables.set_visibility(bool(counts))


def _table(service: str, title: str, classes: str, columns: list[dict[str, str]], most: int) -> Card:
    with box("stack"):
        card = table_card(title, classes, columns, most, service=service)
        csv_anchor(f"{service} {title}", csv_link(service.lower(), title.lower(), PageAddress()))
        return card


class _Pogr(_Service):
    """The view of POGR in one tab."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(
            "POGR",
            "from ga_pygame.destinations import POGR\n"
            'tracker = ga_pygame.Tracker(destinations=[POGR("client id", "build id")])\n\n'
            f"# and start it with GA_PYGAME_COLLECTOR={frame.url}",
        )
        with self._tables:
            self._received = _table("POGR", "Rows", "pogr-rows", _POGR_ROW_COLUMNS, POGR_ROWS_SHOWN)
            self._sessions = _table("POGR", "Sessions", "pogr-sessions", _POGR_SESSION_COLUMNS, POGR_SESSIONS_SHOWN)

    def show(self, snapshot: Snapshot) -> None:
        found = snapshot.services
        if found is None or found is self._shown:
            return
        self._shown = found
        self._show_counts(found, found.pogr)
        self._rows.show(self._received, found.pogr_rows)
        self._rows.show(self._sessions, found.pogr_sessions)


class _Trophy(_Service):
    """The view of Trophy in one tab."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(
            "Trophy",
            "from ga_pygame.destinations import Trophy\n"
            'trophy = Trophy("app_yours.secret", metrics={"progression.complete": "levels-completed"})\n'
            "tracker = ga_pygame.Tracker(destinations=[trophy])\n\n"
            f"# and start it with GA_PYGAME_COLLECTOR={frame.url}",
        )
        with self._tables:
            self._players = _table("Trophy", "Players", "trophy-players", _PLAYER_COLUMNS, PLAYERS_SHOWN)
            self._boards = _table("Trophy", "Leaderboards", "trophy-boards", _BOARD_COLUMNS, BOARD_ROWS_SHOWN)

    def show(self, snapshot: Snapshot) -> None:
        found = snapshot.services
        if found is None or found is self._shown:
            return
        self._shown = found
        self._show_counts(found, found.trophy)
        self._rows.show(self._players, found.players)
        self._rows.show(self._boards, found.boards)


async def _pogr_sheets(data: Snapshots, address: PageAddress) -> Mapping[str, Sheet]:  # noqa: ARG001 - it has no filters
    found = (await data.look()).services or Shown()
    return {
        "rows": sheet_of_cells(_POGR_ROW_COLUMNS, found.pogr_rows),
        "sessions": sheet_of_cells(_POGR_SESSION_COLUMNS, found.pogr_sessions),
    }


async def _trophy_sheets(data: Snapshots, address: PageAddress) -> Mapping[str, Sheet]:  # noqa: ARG001 - it has no filters
    found = (await data.look()).services or Shown()
    return {
        "players": sheet_of_cells(_PLAYER_COLUMNS, found.players),
        "leaderboards": sheet_of_cells(_BOARD_COLUMNS, found.boards),
    }


POGR_VIEW = View(
    name="pogr",
    title="POGR",
    counted="The newest rows and sessions that games sent to POGR's routes of this collector.",
    build=_Pogr,
    sheets=_pogr_sheets,
    is_listed=lambda snapshot: snapshot.services is not None and bool(snapshot.services.pogr),
)
TROPHY_VIEW = View(
    name="trophy",
    title="Trophy",
    counted="The players and leaderboards that result from the metrics sent to Trophy's routes of this collector.",
    build=_Trophy,
    sheets=_trophy_sheets,
    is_listed=lambda snapshot: snapshot.services is not None and bool(snapshot.services.trophy),
)
